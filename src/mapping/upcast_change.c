/* Upcasts: what one part of a step does to the data: pick, rename and move, then the assignments.
 */
#include "mapping/upcast_int.h"

struct change {
    struct arena *a;
    struct ectx *ec;
};

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
}

/* The link to what lies at the path, and its parent; NULL: nothing there. */
static struct json **locate(const struct mapping_path *path, struct json *root,
                            struct json **parent)
{
    struct json **link = NULL;
    struct json *v = root;
    for (size_t i = 0; i < path->count; i++) {
        link = v == NULL ? NULL : mapping_tree_find(v, path->segments[i].name);
        if (link == NULL) {
            return NULL;
        }
        v->raw = STR_NULL; /* it will be changed below, or is written as the same again */
        *parent = v;
        v = *link;
    }
    return link;
}

/* Puts a node at a path, making the objects on the way. */
static enum err place(const struct mapping_path *path, struct json *root, struct json *node,
                      struct change *c)
{
    struct json *v = root;
    for (size_t i = 0; i < path->count; i++) {
        struct str name = path->segments[i].name;
        bool last = i + 1 == path->count;
        if (v->kind != JSON_OBJECT) {
            return ectx_fail(c->ec, ERR_MALFORMED, "%.*s: there is no object on the way",
                             STR(path->source));
        }
        v->raw = STR_NULL;
        struct json **link = mapping_tree_find(v, name);
        if (link != NULL && last) {
            mapping_tree_take(v, link);
            link = NULL;
        }
        if (link == NULL) {
            struct json *child = last ? node : arena_new(c->a, struct json);
            if (child == NULL) {
                return no_memory(c->ec);
            }
            child->kind = last ? node->kind : JSON_OBJECT;
            if (!mapping_tree_add(v, name, child, c->a)) {
                return no_memory(c->ec);
            }
            v = child;
        } else {
            v = *link;
        }
    }
    return ERR_OK;
}

static enum err new_root(struct json *data, struct change *c, struct json **out)
{
    struct json *root = arena_new(c->a, struct json);
    if (root == NULL || data == NULL) {
        return no_memory(c->ec);
    }
    root->kind = JSON_OBJECT;
    *out = root;
    return mapping_tree_add(root, STR_LIT("data"), data, c->a) ? ERR_OK : no_memory(c->ec);
}

static enum err pick(const struct upcast_part *p, struct json **root, struct change *c)
{
    struct json *empty = arena_new(c->a, struct json);
    if (empty == NULL) {
        return no_memory(c->ec);
    }
    empty->kind = JSON_OBJECT;
    struct json *picked = NULL;
    enum err e = new_root(empty, c, &picked);
    for (size_t i = 0; i < p->pick_count && e == ERR_OK; i++) {
        struct json *parent = NULL;
        struct json **link = locate(&p->pick[i], *root, &parent);
        if (link != NULL) {
            struct json *copy = mapping_tree_copy(*link, c->a);
            e = copy == NULL ? no_memory(c->ec) : place(&p->pick[i], picked, copy, c);
        }
    }
    *root = picked;
    return e;
}

static enum err move_all(const struct upcast_part *p, struct json *root, struct change *c)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < p->move_count && e == ERR_OK; i++) {
        struct json *parent = NULL;
        struct json **link = locate(&p->moves[i].from, root, &parent);
        if (link != NULL) {
            struct json *node = *link;
            mapping_tree_take(parent, link);
            node->next = NULL;
            e = place(&p->moves[i].to, root, node, c);
        }
    }
    return e;
}

static enum err write_data(const struct json *root, struct change *c, struct str *out)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 2u * MAPPING_STATE_BYTES_MAX); /* no part is larger than one: see below */
    json_write_init(&w, &b);
    const struct json *data = json_get(root, "data");
    if (data == NULL) {
        json_write_null(&w);
    } else {
        mapping_tree_write(data, &w);
    }
    const bool large = b.n > MAPPING_STATE_BYTES_MAX; /* every time, so it is no lack of memory */
    struct str text = large || buf_failed(&b) ? STR_NULL : arena_str(c->a, buf_str(&b));
    buf_deinit(&b);
    if (large) {
        return ectx_fail(c->ec, ERR_MALFORMED, "its data would have more than %u bytes",
                         MAPPING_STATE_BYTES_MAX);
    }
    *out = text;
    return str_is_null(text) ? no_memory(c->ec) : ERR_OK;
}

MUST_USE enum err upcast_change(const struct upcast_part *p, const struct mapping_event *event,
                                struct arena *a, struct str *out, struct ectx *ec)
{
    struct change change = {.a = a, .ec = ec};
    struct change *c = &change;
    struct mapping_scope scope = {.event = event, .arena = a};
    struct json *root = NULL;
    enum err e = new_root(mapping_tree_copy(event->data, c->a), c, &root);
    if (e == ERR_OK && p->has_pick) {
        e = pick(p, &root, c);
    }
    e = e != ERR_OK ? e : move_all(p, root, c);
    for (size_t i = 0; i < p->assigns.count && e == ERR_OK; i++) {
        e = mapping_assign_do(&p->assigns.list[i], &scope, &root, c->ec);
    }
    return e != ERR_OK ? e : write_data(root, c, out);
}
