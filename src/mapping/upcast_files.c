/*
 * Upcasts of several files as one graph: an event goes on from the steps of one file to those of
 * another. Who declares is told of what clashes; what an earlier build has taken all the same is
 * put in order without a word to be refused: the first file by its place in the list holds.
 */
#include "core/check.h"
#include "core/compiler.h"
#include "mapping/upcast_int.h"

static enum err new_graph(struct arena *a, size_t steps, struct mapping_upcasts **out,
                          struct ectx *ec)
{
    struct mapping_upcasts *u = arena_new(a, struct mapping_upcasts);
    struct upcast_node *nodes = arena_new_n(a, struct upcast_node, steps + 1);
    if (u == NULL || nodes == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    *u = (struct mapping_upcasts){.nodes = nodes};
    *out = u;
    return ERR_OK;
}

static void add(struct mapping_upcasts *u, const struct mapping_upcasts *file, struct str name,
                uint32_t order)
{
    for (size_t i = 0; i < file->count; i++) {
        struct upcast_node *node = &u->nodes[u->count++];
        *node = (struct upcast_node){.step = file->nodes[i].step, .order = order};
        node->name = str_is_null(name) ? file->nodes[i].name : name;
    }
}

static size_t steps_of(const struct mapping_upcasts_file *files, size_t count)
{
    size_t steps = 0;
    for (size_t i = 0; i < count; i++) {
        steps += files[i].left_out ? 0 : files[i].u->count;
    }
    return steps;
}

/* Those of the first `count` files that are not left out, with room for them in u. */
static enum err put_together(struct mapping_upcasts *u, const struct mapping_upcasts_file *files,
                             size_t count)
{
    u->count = 0;
    if (steps_of(files, count) > MAPPING_STEPS_MAX) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        if (!files[i].left_out) {
            add(u, files[i].u, files[i].name, (uint32_t)i);
        }
    }
    upcast_sort(u);
    return upcast_check_circles(u, NULL, NULL);
}

MUST_USE enum err mapping_upcasts_join(struct mapping_upcasts_file *files, size_t count,
                                       struct arena *a, struct mapping_upcasts **out,
                                       struct ectx *ec)
{
    struct mapping_upcasts *u = NULL;
    for (size_t i = 0; i < count; i++) {
        files[i].left_out = false;
    }
    const size_t steps = steps_of(files, count);
    enum err e = new_graph(a, steps > MAPPING_STEPS_MAX ? MAPPING_STEPS_MAX : steps, &u, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (put_together(u, files, count) != ERR_OK) { /* one after the other, then */
        for (size_t i = 0; i < count; i++) {
            files[i].left_out = put_together(u, files, i + 1) != ERR_OK;
        }
        CHECK(put_together(u, files, count) == ERR_OK);
    }
    *out = u;
    return ERR_OK;
}

static enum err clash(const struct upcast_step *s, const struct upcast_node *there, struct ectx *ec)
{
    const struct mapping_doc *doc = &there->step->home->doc;
    const struct mapping_doc *own = &s->home->doc;
    uint32_t line = 0;
    uint32_t column = 0;
    const bool known = doc->place != NULL && doc->place(doc->ctx, there->step->at, &line, &column);
    const struct json *at = json_get(s->at, "from");
    enum err e =
        known
            ? mapping_fail(own, at, 0, ec,
                           "a second step from '%.*s': the upcasts '%.*s' have one, in line %u",
                           STR(s->from), STR(there->name), line)
            : mapping_fail(own, at, 0, ec, "a second step from '%.*s': the upcasts '%.*s' have one",
                           STR(s->from), STR(there->name));
    ectx_hint(ec, "an event has one way up: put the step into one of the two");
    return e;
}

MUST_USE enum err mapping_upcasts_add(const struct mapping_upcasts *u,
                                      const struct mapping_upcasts *file, struct arena *a,
                                      struct mapping_upcasts **out, struct ectx *ec)
{
    struct mapping_upcasts *sum = NULL;
    for (size_t i = 0; i < file->count; i++) {
        const struct upcast_step *s = file->nodes[i].step;
        const struct upcast_node *there = upcast_find(u, s->from_base, s->from_version);
        if (there != NULL) {
            return clash(s, there, ec);
        }
    }
    if (u->count + file->count > MAPPING_STEPS_MAX) {
        return mapping_fail(&file->doc, NULL, 0, ec,
                            "with these %zu steps there are more than %u in all files", file->count,
                            MAPPING_STEPS_MAX);
    }
    enum err e = new_graph(a, u->count + file->count, &sum, ec);
    if (e != ERR_OK) {
        return e;
    }
    add(sum, u, STR_NULL, 0);
    add(sum, file, STR_NULL, 1);
    upcast_sort(sum);
    e = upcast_check_circles(sum, file, ec);
    if (e == ERR_OK) {
        *out = sum;
    }
    return e;
}
