/*
 * Upcasts: an old event in its newest form. A step says from which type and version to which, and
 * how the data changes; steps are followed until none begins at what was made.
 *
 * The steps form a graph whose nodes are "type.vN". It has no circle (checked when compiled), so a
 * chain ends, and an event in a form that no step begins at stays as it is: bringing an event up
 * twice is bringing it up once.
 */
#include <string.h>

#include "core/compiler.h"
#include "mapping/mapping_int.h"

struct move {
    struct mapping_path from, to;
};
/* One event that a step makes. */
struct upcast_part {
    struct str to, to_base, to_version;
    struct mapping_expr *when;
    bool has_pick;
    struct mapping_path *pick;
    size_t pick_count;
    struct move *moves;
    size_t move_count;
    struct mapping_assigns assigns;
};
struct upcast_step {
    const struct json *at;
    struct str from, from_base, from_version;
    struct upcast_part *parts;
    size_t part_count;
    enum { UNSEEN, BEING_SEEN, SEEN } seen; /* while compiling */
};
struct mapping_upcasts {
    struct upcast_step *steps;
    size_t count;
};

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
}

static const struct upcast_step *find_step(const struct mapping_upcasts *u, struct str base,
                                           struct str version)
{
    for (size_t i = 0; i < u->count; i++) {
        const struct upcast_step *s = &u->steps[i];
        if (str_eq(s->from_base, base) && str_is_null(s->from_version) == str_is_null(version) &&
            str_eq(s->from_version, version)) {
            return s;
        }
    }
    return NULL;
}

/* ---- Compiling */

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
        struct move *move = &p->moves[p->move_count];
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
    p->moves = arena_new_n(a, struct move, moves + 1);
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
                             const struct mapping_upcasts *u, struct upcast_step *s,
                             struct ectx *ec)
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
    if (find_step(u, from.base, from.version) != NULL) {
        return mapping_fail(doc, member, 0, ec, "a second step from '%.*s'", STR(member->string));
    }
    s->at = v;
    s->from = member->string;
    s->from_base = from.base;
    s->from_version = from.version;
    return ERR_OK;
}

static enum err compile_step(const struct mapping_doc *doc, const struct json *v, struct arena *a,
                             const struct mapping_upcasts *u, struct upcast_step *s,
                             struct ectx *ec)
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
    e = e != ERR_OK ? e : compile_from(doc, v, u, s, ec);
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

/* Depth-first; a step that is met again while it is being seen closes a circle. */
static enum err check_circles(const struct mapping_doc *doc, const struct mapping_upcasts *u,
                              struct upcast_step *s, unsigned depth, struct ectx *ec)
{
    if (s->seen == SEEN) {
        return ERR_OK;
    }
    if (s->seen == BEING_SEEN) {
        return mapping_fail(doc, s->at, 0, ec, "the steps from '%.*s' lead back to it",
                            STR(s->from));
    }
    if (depth >= MAPPING_CHAIN_MAX) {
        return mapping_fail(doc, s->at, 0, ec, "more than %u steps in a row", MAPPING_CHAIN_MAX);
    }
    s->seen = BEING_SEEN;
    for (size_t i = 0; i < s->part_count; i++) {
        for (size_t k = 0; k < u->count; k++) {
            struct upcast_step *next = &u->steps[k];
            if (next == find_step(u, s->parts[i].to_base, s->parts[i].to_version)) {
                enum err e = check_circles(doc, u, next, depth + 1, ec);
                if (e != ERR_OK) {
                    return e;
                }
            }
        }
    }
    s->seen = SEEN;
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
    if (u == NULL || steps == NULL) {
        return no_memory(ec);
    }
    u->steps = steps;
    for (const struct json *m = list->first; m != NULL; m = m->next) {
        e = compile_step(doc, m, a, u, &u->steps[u->count], ec);
        if (e != ERR_OK) {
            return e;
        }
        u->count++;
    }
    for (size_t i = 0; i < u->count; i++) {
        e = check_circles(doc, u, &u->steps[i], 0, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    *out = u;
    return ERR_OK;
}

/* ---- Applying */

struct chain {
    const struct mapping_upcasts *u;
    struct arena *a;
    struct mapping_upcasted *made;
    size_t count;
    bool suffix; /* the type carries its version */
    struct ectx *ec;
};

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
                      struct chain *c)
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

static enum err new_root(struct json *data, struct chain *c, struct json **out)
{
    struct json *root = arena_new(c->a, struct json);
    if (root == NULL || data == NULL) {
        return no_memory(c->ec);
    }
    root->kind = JSON_OBJECT;
    *out = root;
    return mapping_tree_add(root, STR_LIT("data"), data, c->a) ? ERR_OK : no_memory(c->ec);
}

static enum err pick(const struct upcast_part *p, struct json **root, struct chain *c)
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

static enum err move_all(const struct upcast_part *p, struct json *root, struct chain *c)
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

static enum err write_data(const struct json *root, struct chain *c, struct str *out)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, MAPPING_STATE_BYTES_MAX);
    json_write_init(&w, &b);
    const struct json *data = json_get(root, "data");
    if (data == NULL) {
        json_write_null(&w);
    } else {
        mapping_tree_write(data, &w);
    }
    struct str text = buf_failed(&b) ? STR_NULL : arena_str(c->a, buf_str(&b));
    buf_deinit(&b);
    *out = text;
    return str_is_null(text) ? no_memory(c->ec) : ERR_OK;
}

static enum err part_apply(const struct upcast_part *p, const struct mapping_event *event,
                           struct chain *c, struct str *out)
{
    struct mapping_scope scope = {.event = event, .arena = c->a};
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

static enum err follow(struct chain *c, const struct mapping_event *event, struct str base,
                       struct str version, bool first);

static enum err step_apply(const struct upcast_step *s, const struct mapping_event *event,
                           struct chain *c)
{
    for (size_t i = 0; i < s->part_count; i++) {
        const struct upcast_part *p = &s->parts[i];
        struct mapping_scope scope = {.event = event, .arena = c->a};
        bool yes = false;
        enum err e = mapping_test(p->when, &scope, &yes, c->ec);
        if (e == ERR_OK && yes) {
            struct str text = STR_NULL;
            struct json *data = NULL;
            e = part_apply(p, event, c, &text);
            e = e != ERR_OK ? e : json_parse(text, NULL, c->a, &data, c->ec);
            if (e == ERR_OK) {
                struct envelope envelope = *event->envelope;
                struct mapping_event next = *event;
                envelope.type = c->suffix ? p->to : p->to_base;
                envelope.version = p->to_version;
                next.envelope = &envelope;
                next.data = data;
                e = follow(c, &next, p->to_base, p->to_version, false);
            }
        }
        if (e != ERR_OK) {
            return e == ERR_MALFORMED
                       ? ectx_wrap(c->ec, e, "upcast from %.*s to %.*s", STR(s->from), STR(p->to))
                       : e;
        }
    }
    return ERR_OK;
}

static enum err follow(struct chain *c, const struct mapping_event *event, struct str base,
                       struct str version, bool first)
{
    const struct upcast_step *s = find_step(c->u, base, version);
    if (s != NULL) {
        return step_apply(s, event, c);
    }
    if (first) {
        return ERR_OK;
    }
    if (c->count == MAPPING_SPLIT_MAX) {
        return ectx_fail(c->ec, ERR_MALFORMED, "one event became more than %u", MAPPING_SPLIT_MAX);
    }
    c->made[c->count] = (struct mapping_upcasted){.type = event->envelope->type,
                                                  .version = event->envelope->version,
                                                  .data = event->data->raw,
                                                  .index = (uint32_t)c->count};
    c->count++;
    return ERR_OK;
}

bool mapping_upcasts_known(const struct mapping_upcasts *u, const struct envelope *e)
{
    struct str suffix;
    struct str base = mapping_type_base(e->type, &suffix);
    return find_step(u, base, str_is_null(suffix) ? e->version : suffix) != NULL;
}

struct str mapping_upcasts_shared(const struct mapping_upcasts *a, const struct mapping_upcasts *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (find_step(a, b->steps[i].from_base, b->steps[i].from_version) != NULL) {
            return b->steps[i].from;
        }
    }
    return STR_NULL;
}

bool mapping_upcasts_lead(const struct mapping_upcasts *u, const struct envelope *e,
                          bool (*fits)(const void *ctx, const struct envelope *form),
                          const void *ctx)
{
    struct str suffix;
    struct str base = mapping_type_base(e->type, &suffix);
    const bool suffixed = !str_is_null(suffix) || str_is_null(e->version);
    const struct upcast_step *first = find_step(u, base, str_is_null(suffix) ? e->version : suffix);
    const struct upcast_step *todo[MAPPING_RULES_MAX];
    bool seen[MAPPING_RULES_MAX] = {false};
    size_t count = 0;
    if (fits(ctx, e)) {
        return true;
    }
    if (first != NULL) {
        seen[first - u->steps] = true;
        todo[count++] = first;
    }
    for (size_t at = 0; at < count; at++) { /* each step once: paths may be many */
        for (size_t i = 0; i < todo[at]->part_count; i++) {
            const struct upcast_part *p = &todo[at]->parts[i];
            const struct upcast_step *next = find_step(u, p->to_base, p->to_version);
            if (next == NULL) {
                struct envelope form = *e;
                form.type = suffixed ? p->to : p->to_base;
                form.version = p->to_version;
                if (fits(ctx, &form)) {
                    return true;
                }
            } else if (!seen[next - u->steps]) {
                seen[next - u->steps] = true;
                todo[count++] = next;
            }
        }
    }
    return false;
}

MUST_USE enum err mapping_upcast(const struct mapping_upcasts *u, const struct mapping_event *event,
                                 struct arena *a, struct mapping_upcasted **out, size_t *count,
                                 struct ectx *ec)
{
    struct str suffix;
    struct str base = mapping_type_base(event->envelope->type, &suffix);
    struct str version = str_is_null(suffix) ? event->envelope->version : suffix;
    *out = NULL;
    *count = 0;
    if (event->redacted || find_step(u, base, version) == NULL) {
        return ERR_OK;
    }
    if (event->data == NULL) {
        return ectx_fail(ec, ERR_MALFORMED,
                         "the data of this event is no JSON, so it cannot be "
                         "brought into its newest form");
    }
    struct chain c = {.u = u,
                      .a = a,
                      .ec = ec,
                      .suffix = !str_is_null(suffix) || str_is_null(event->envelope->version),
                      .made = arena_new_n(a, struct mapping_upcasted, MAPPING_SPLIT_MAX)};
    if (c.made == NULL) {
        return no_memory(ec);
    }
    enum err e = follow(&c, event, base, version, true);
    if (e == ERR_OK) {
        *out = c.made;
        *count = c.count;
    }
    return e;
}
