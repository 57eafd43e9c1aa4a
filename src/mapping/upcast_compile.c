/* Upcasts: a definition becomes steps. What a step may say is in mapping.h. */
#include <string.h>

#include "core/compiler.h"
#include "mapping/upcast_int.h"

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
}

/* A pointer below /data (or /data itself is refused: it has no name to change). */
static enum err data_path(const struct mapping_doc *doc, const struct json *at, struct str text,
                          struct arena *a, struct mapping_path *out, struct ectx *ec)
{
    enum err e = mapping_path_compile(doc, at, text, NULL, a, out, ec);
    if (e == ERR_OK && (out->count < 2 || out->segments[0].made != NULL ||
                        !str_eq_z(out->segments[0].name, "data"))) {
        return mapping_fail(doc, at, 0, ec,
                            "'%.*s' is no place in an event: it must begin with "
                            "/data/",
                            (int)(text.n > 80 ? 80 : text.n), text.p);
    }
    return e;
}

static enum err compile_pick(const struct mapping_doc *doc, const struct json *v, struct arena *a,
                             struct upcast_part *p, struct ectx *ec)
{
    struct str *texts = NULL;
    enum err e =
        mapping_texts(doc, v, "pick", false, MAPPING_ASSIGN_MAX, a, &texts, &p->pick_count, ec);
    if (e != ERR_OK || texts == NULL) {
        return e;
    }
    p->has_pick = true;
    p->pick = arena_new_n(a, struct mapping_path, p->pick_count == 0 ? 1 : p->pick_count);
    if (p->pick == NULL) {
        return no_memory(ec);
    }
    for (size_t i = 0; i < p->pick_count && e == ERR_OK; i++) {
        e = data_path(doc, json_get(v, "pick"), texts[i], a, &p->pick[i], ec);
    }
    return e;
}

/* The last part of `from` replaced by `name`. */
static enum err renamed(const struct mapping_path *from, struct str name, struct arena *a,
                        struct mapping_path *out, struct ectx *ec)
{
    struct path_segment *segments = arena_new_n(a, struct path_segment, from->count);
    if (segments == NULL) {
        return no_memory(ec);
    }
    memcpy(segments, from->segments, from->count * sizeof(*segments));
    segments[from->count - 1] = (struct path_segment){.name = name};
    *out = (struct mapping_path){segments, from->count, from->source};
    return ERR_OK;
}

static enum err compile_moves(const struct mapping_doc *doc, const struct json *v,
                              const char *member, struct arena *a, struct upcast_part *p,
                              struct ectx *ec)
{
    const struct json *m = json_get(v, member);
    if (m == NULL) {
        return ERR_OK;
    }
    bool rename = strcmp(member, "rename") == 0;
    if (m->kind != JSON_OBJECT) {
        return mapping_fail(doc, m, 0, ec, "'%s' must be a mapping of pointers to %s", member,
                            rename ? "names" : "pointers");
    }
    for (const struct json *item = m->first; item != NULL; item = item->next) {
        if (item->kind != JSON_STRING || item->string.n == 0) {
            return mapping_fail(doc, item, 0, ec, "'%s' must be a mapping of pointers to %s",
                                member, rename ? "names" : "pointers");
        }
        if (rename && memchr(item->string.p, '/', item->string.n) != NULL) {
            enum err bad =
                mapping_fail(doc, item, 0, ec, "rename: '%.*s' is no name", STR(item->string));
            ectx_hint(ec, "to another place in the event it is a 'move'");
            return bad;
        }
        struct upcast_move *move = &p->moves[p->move_count];
        enum err e = data_path(doc, item, item->name, a, &move->from, ec);
        if (e == ERR_OK) {
            e = rename ? renamed(&move->from, item->string, a, &move->to, ec)
                       : data_path(doc, item, item->string, a, &move->to, ec);
        }
        if (e != ERR_OK) {
            return e;
        }
        p->move_count++;
    }
    return ERR_OK;
}

static enum err check_assign_places(const struct mapping_doc *doc, const struct json *v,
                                    const struct upcast_part *p, struct ectx *ec)
{
    for (size_t i = 0; i < p->assigns.count; i++) {
        const struct mapping_path *path = &p->assigns.list[i].path;
        if (path->count < 2 || path->segments[0].made != NULL ||
            !str_eq_z(path->segments[0].name, "data")) {
            return mapping_fail(doc, v, 0, ec,
                                "'%.*s' is no place in an event: it must begin with "
                                "/data/",
                                STR(path->source));
        }
    }
    return ERR_OK;
}

static size_t members_of(const struct json *v, const char *name)
{
    const struct json *m = json_get(v, name);
    return m == NULL ? 0 : m->count;
}

static enum err compile_part(const struct mapping_doc *doc, const struct json *v, struct arena *a,
                             struct upcast_part *p, struct ectx *ec)
{
    struct mapping_type to;
    if (json_get(v, "to") == NULL) {
        return mapping_fail(doc, v, 0, ec, "'to' is missing");
    }
    enum err e = mapping_type_compile(doc, json_get(v, "to"), &to, ec);
    if (e == ERR_OK && to.any) {
        e = mapping_fail(doc, json_get(v, "to"), 0, ec, "'to' must name one type");
    }
    if (e != ERR_OK) {
        return e;
    }
    p->to = json_get(v, "to")->string;
    p->to_base = to.base;
    p->to_version = to.version;
    size_t moves = members_of(v, "rename") + members_of(v, "move");
    size_t assigns = members_of(v, "default") + members_of(v, "set") + members_of(v, "remove");
    if (moves > MAPPING_ASSIGN_MAX || assigns > MAPPING_ASSIGN_MAX) {
        return mapping_fail(doc, v, 0, ec, "a step has at most %u changes", MAPPING_ASSIGN_MAX);
    }
    p->moves = arena_new_n(a, struct upcast_move, moves + 1);
    p->assigns.list = arena_new_n(a, struct mapping_assign, assigns + 1);
    if (p->moves == NULL || p->assigns.list == NULL) {
        return no_memory(ec);
    }
    if (json_get(v, "when") != NULL) {
        e = mapping_compile(doc, json_get(v, "when"), NULL, a, &p->when, ec);
    }
    e = e != ERR_OK ? e : compile_pick(doc, v, a, p, ec);
    e = e != ERR_OK ? e : compile_moves(doc, v, "rename", a, p, ec);
    e = e != ERR_OK ? e : compile_moves(doc, v, "move", a, p, ec);
    static const struct {
        const char *name;
        enum assign_kind kind;
    } parts[] = {{"default", ASSIGN_DEFAULT}, {"set", ASSIGN_SET}, {"remove", ASSIGN_REMOVE}};
    for (size_t i = 0; i < ARRAY_LEN(parts) && e == ERR_OK; i++) {
        e = mapping_assigns_compile(doc, v, parts[i].name, parts[i].kind, NULL, a, &p->assigns, ec);
    }
    return e != ERR_OK ? e : check_assign_places(doc, v, p, ec);
}

static enum err compile_from(const struct mapping_doc *doc, const struct json *v,
                             struct upcast_step *s, struct ectx *ec)
{
    struct mapping_type from;
    const struct json *member = json_get(v, "from");
    if (member == NULL) {
        return mapping_fail(doc, v, 0, ec, "'from' is missing");
    }
    enum err e = mapping_type_compile(doc, member, &from, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (from.any) {
        return mapping_fail(doc, member, 0, ec, "'from' must name one type");
    }
    s->at = v;
    s->from = member->string;
    s->from_base = from.base;
    s->from_version = from.version;
    return ERR_OK;
}

static enum err compile_step(const struct mapping_doc *doc, const struct json *v, struct arena *a,
                             struct upcast_step *s, struct ectx *ec)
{
    static const char *const one[] = {"from", "to",      "pick", "rename",
                                      "move", "default", "set",  "remove"};
    static const char *const many[] = {"from", "split"};
    static const char *const part[] = {"to",   "when",    "pick", "rename",
                                       "move", "default", "set",  "remove"};
    const struct json *split = json_get(v, "split");
    enum err e = split == NULL ? mapping_check_members(doc, v, "an upcast", one, ARRAY_LEN(one), ec)
                               : mapping_check_members(doc, v, "an upcast that splits", many,
                                                       ARRAY_LEN(many), ec);
    e = e != ERR_OK ? e : compile_from(doc, v, s, ec);
    if (e != ERR_OK) {
        return e;
    }
    size_t n = split == NULL ? 1 : split->count;
    if (split != NULL && (split->kind != JSON_ARRAY || n == 0 || n > MAPPING_SPLIT_MAX)) {
        return mapping_fail(doc, split, 0, ec, "'split' must be a list of 1 to %u events",
                            MAPPING_SPLIT_MAX);
    }
    s->parts = arena_new_n(a, struct upcast_part, n);
    if (s->parts == NULL) {
        return no_memory(ec);
    }
    for (const struct json *p = split == NULL ? v : split->first; p != NULL;
         p = split == NULL ? NULL : p->next) {
        if (split != NULL) {
            e = mapping_check_members(doc, p, "a part of a split", part, ARRAY_LEN(part), ec);
        }
        e = e != ERR_OK ? e : compile_part(doc, p, a, &s->parts[s->part_count], ec);
        if (e != ERR_OK) {
            return e;
        }
        s->part_count++;
    }
    return ERR_OK;
}

/* No step before it begins at the same form. (They are few, and not sorted yet.) */
static enum err check_first(const struct mapping_doc *doc, const struct mapping_upcasts *u,
                            const struct upcast_step *s, struct ectx *ec)
{
    for (size_t i = 0; i < u->count; i++) {
        const struct upcast_step *other = u->nodes[i].step;
        if (str_eq(other->from_base, s->from_base) &&
            str_is_null(other->from_version) == str_is_null(s->from_version) &&
            str_eq(other->from_version, s->from_version)) {
            return mapping_fail(doc, json_get(s->at, "from"), 0, ec, "a second step from '%.*s'",
                                STR(s->from));
        }
    }
    return ERR_OK;
}

MUST_USE enum err mapping_upcasts_compile(const struct mapping_doc *doc, const struct json *v,
                                          struct arena *a, struct mapping_upcasts **out,
                                          struct ectx *ec)
{
    static const char *const members[] = {"upcasts"};
    enum err e = mapping_check_members(doc, v, "a file of upcasts", members, 1, ec);
    if (e != ERR_OK) {
        return e;
    }
    const struct json *list = json_get(v, "upcasts");
    if (list == NULL || list->kind != JSON_ARRAY || list->count > MAPPING_RULES_MAX) {
        return mapping_fail(doc, list == NULL ? v : list, 0, ec,
                            "'upcasts' must be a list of at most %u steps", MAPPING_RULES_MAX);
    }
    struct mapping_upcasts *u = arena_new(a, struct mapping_upcasts);
    struct upcast_step *steps = arena_new_n(a, struct upcast_step, list->count + 1);
    struct upcast_node *nodes = arena_new_n(a, struct upcast_node, list->count + 1);
    if (u == NULL || steps == NULL || nodes == NULL) {
        return no_memory(ec);
    }
    *u = (struct mapping_upcasts){.doc = *doc, .nodes = nodes};
    for (const struct json *m = list->first; m != NULL; m = m->next) {
        struct upcast_step *s = &steps[u->count];
        e = compile_step(doc, m, a, s, ec);
        e = e != ERR_OK ? e : check_first(doc, u, s, ec);
        if (e != ERR_OK) {
            return e;
        }
        s->home = u;
        u->nodes[u->count++].step = s;
    }
    upcast_sort(u);
    e = upcast_check_circles(u, u, ec);
    if (e == ERR_OK) {
        *out = u;
    }
    return e;
}
