/*
 * Places in a state (JSON pointers whose parts may be templates) and what is done there: set,
 * default, increment, append, remove.
 */
#include <math.h>
#include <string.h>

#include "core/compiler.h"
#include "mapping/mapping_int.h"

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
}

/* Where the part that begins at `from` ends: slashes inside {...} are the expression's. */
static size_t segment_end(struct str s, size_t from)
{
    bool inside = false;
    bool quoted = false;
    size_t i = from;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (inside && c == '\'') {
            quoted = !quoted;
        } else if (!inside && c == '{') {
            inside = i + 1 >= s.n || s.p[i + 1] != '{';
            i += inside ? 0 : 1;
        } else if (inside && !quoted && c == '}') {
            inside = false;
        } else if (!inside && c == '/') {
            break;
        }
    }
    return i;
}

/* A part without braces: ~0 and ~1 decoded. */
static enum err plain_segment(const struct mapping_doc *doc, const struct json *at, struct str raw,
                              struct arena *a, struct str *out, struct ectx *ec)
{
    char *text = arena_alloc(a, raw.n + 1);
    if (text == NULL) {
        return no_memory(ec);
    }
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '~' && (i + 1 == raw.n || (raw.p[i + 1] != '0' && raw.p[i + 1] != '1'))) {
            return mapping_fail(doc, at, 0, ec, "'~' in a pointer must be followed by 0 or 1");
        }
        if (raw.p[i] == '~') {
            text[n++] = raw.p[++i] == '0' ? '~' : '/';
        } else {
            text[n++] = raw.p[i];
        }
    }
    *out = str_make(text, n);
    return ERR_OK;
}

MUST_USE enum err mapping_path_compile(const struct mapping_doc *doc, const struct json *at,
                                       struct str text, const struct mapping_names *names,
                                       struct arena *a, struct mapping_path *out, struct ectx *ec)
{
    if (text.n < 2 || text.p[0] != '/') {
        return mapping_fail(doc, at, 0, ec, "'%.*s' is no place: expected a pointer, as /total",
                            (int)(text.n > 80 ? 80 : text.n), text.p);
    }
    struct path_segment found[MAPPING_PARTS_MAX];
    memset(found, 0, sizeof(found));
    size_t count = 0;
    for (size_t i = 1; i <= text.n; count++) {
        size_t end = segment_end(text, i);
        struct str raw = str_make(text.p + i, end - i);
        if (count == MAPPING_PARTS_MAX) {
            return mapping_fail(doc, at, 0, ec, "a pointer has at most %u parts",
                                MAPPING_PARTS_MAX);
        }
        bool template = memchr(raw.p, '{', raw.n) != NULL || memchr(raw.p, '}', raw.n) != NULL;
        enum err e =
            template ? mapping_compile_template(doc, at, i, raw, names, a, &found[count].made, ec)
                     : plain_segment(doc, at, raw, a, &found[count].name, ec);
        if (e != ERR_OK) {
            return e;
        }
        i = end + 1;
    }
    struct path_segment *segments = arena_new_n(a, struct path_segment, count);
    if (segments == NULL) {
        return no_memory(ec);
    }
    memcpy(segments, found, count * sizeof(found[0]));
    *out = (struct mapping_path){.segments = segments, .count = count, .source = text};
    return ERR_OK;
}

MUST_USE enum err mapping_assigns_compile(const struct mapping_doc *doc, const struct json *v,
                                          const char *name, enum assign_kind kind,
                                          const struct mapping_names *names, struct arena *a,
                                          struct mapping_assigns *out, struct ectx *ec)
{
    const struct json *m = json_get(v, name);
    if (m == NULL) {
        return ERR_OK;
    }
    bool remove = kind == ASSIGN_REMOVE;
    if (m->kind != (remove ? JSON_ARRAY : JSON_OBJECT)) {
        return mapping_fail(doc, m, 0, ec, "'%s' must be a %s", name,
                            remove ? "list of pointers" : "mapping of pointers to values");
    }
    for (const struct json *item = m->first; item != NULL; item = item->next) {
        if (out->count == MAPPING_ASSIGN_MAX) {
            return mapping_fail(doc, item, 0, ec, "a rule has at most %u assignments",
                                MAPPING_ASSIGN_MAX);
        }
        if (remove && item->kind != JSON_STRING) {
            return mapping_fail(doc, item, 0, ec, "'%s' must be a list of pointers", name);
        }
        struct mapping_assign *s = &out->list[out->count];
        *s = (struct mapping_assign){.kind = kind};
        enum err e = mapping_path_compile(doc, item, remove ? item->string : item->name, names, a,
                                          &s->path, ec);
        if (e == ERR_OK && !remove) {
            e = mapping_compile(doc, item, names, a, &s->value, ec);
        }
        if (e != ERR_OK) {
            return e;
        }
        out->count++;
    }
    return ERR_OK;
}

/* The name of a part for this event. */
static enum err segment_name(const struct path_segment *s, const struct mapping_scope *scope,
                             struct str *out, struct ectx *ec)
{
    if (s->made == NULL) {
        *out = s->name;
        return ERR_OK;
    }
    struct mapping_value v;
    enum err e = mapping_eval(s->made, scope, &v, ec);
    if (e != ERR_OK) {
        return e;
    }
    return mapping_value_text(&v, scope->arena, out) ? ERR_OK : no_memory(ec);
}

static enum err new_object(struct arena *a, struct json **out, struct ectx *ec)
{
    struct json *n = arena_new(a, struct json);
    if (n == NULL) {
        return no_memory(ec);
    }
    n->kind = JSON_OBJECT;
    *out = n;
    return ERR_OK;
}

/*
 * Goes to the parent of the last part; makes objects on the way if `make`. *parent is NULL if it is
 * not there (and not made). What lies on the way is marked as changed: the caller will change
 * something, and a value that is written afresh is the same value.
 */
static enum err go(const struct mapping_assign *s, const struct mapping_scope *scope, bool make,
                   struct json *root, struct json **parent, struct str *last, struct ectx *ec)
{
    struct json *v = root;
    for (size_t i = 0; i < s->path.count; i++) {
        struct str name;
        enum err e = segment_name(&s->path.segments[i], scope, &name, ec);
        if (e != ERR_OK) {
            return e;
        }
        if (v->kind != JSON_OBJECT && v->kind != JSON_ARRAY) {
            return ectx_fail(ec, ERR_MALFORMED, "%.*s: there is no object on the way",
                             STR(s->path.source));
        }
        v->raw = STR_NULL;
        if (i + 1 == s->path.count) {
            *last = name;
            break;
        }
        struct json **link = mapping_tree_find(v, name);
        if (link == NULL && !make) {
            *parent = NULL;
            return ERR_OK;
        }
        struct json *child = link == NULL ? NULL : *link;
        if (child == NULL) {
            e = v->kind == JSON_ARRAY
                    ? ectx_fail(ec, ERR_MALFORMED, "%.*s: the array has no such element",
                                STR(s->path.source))
                    : new_object(scope->arena, &child, ec);
            if (e != ERR_OK) {
                return e;
            }
            if (!mapping_tree_add(v, name, child, scope->arena)) {
                return no_memory(ec);
            }
        }
        v = child;
    }
    *parent = v;
    return ERR_OK;
}

static enum err put(const struct mapping_assign *s, struct json *parent, struct str name,
                    struct json *value, struct arena *a, struct ectx *ec)
{
    struct json **link = mapping_tree_find(parent, name);
    if (link != NULL) {
        value->name = (*link)->name;
        value->next = (*link)->next;
        *link = value;
        return ERR_OK;
    }
    if (parent->kind == JSON_ARRAY && !str_eq_z(name, "-")) {
        return ectx_fail(ec, ERR_MALFORMED, "%.*s: the array has no such element",
                         STR(s->path.source));
    }
    return mapping_tree_add(parent, name, value, a) ? ERR_OK : no_memory(ec);
}

static enum err add_to_number(const struct mapping_assign *s, const struct json *there,
                              struct mapping_value *v, struct ectx *ec)
{
    struct mapping_value old = {.kind = MAPPING_INT};
    if (there != NULL && there->kind != JSON_NULL) {
        enum err e = mapping_value_of_json(there, &old, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    bool numbers = (v->kind == MAPPING_INT || v->kind == MAPPING_REAL) &&
                   (old.kind == MAPPING_INT || old.kind == MAPPING_REAL);
    if (!numbers) {
        return ectx_fail(
            ec, ERR_MALFORMED, "increment of %.*s: %s is %s, and a number is needed",
            STR(s->path.source),
            v->kind == MAPPING_INT || v->kind == MAPPING_REAL ? "what is there" : "the value",
            mapping_kind_name(v->kind == MAPPING_INT || v->kind == MAPPING_REAL ? old.kind
                                                                                : v->kind));
    }
    if (v->kind == MAPPING_INT && old.kind == MAPPING_INT) {
        return __builtin_add_overflow(v->integer, old.integer, &v->integer)
                   ? ectx_fail(ec, ERR_MALFORMED, "%.*s does not fit into 64 bits",
                               STR(s->path.source))
                   : ERR_OK;
    }
    v->real = (v->kind == MAPPING_INT ? (double)v->integer : v->real) +
              (old.kind == MAPPING_INT ? (double)old.integer : old.real);
    v->kind = MAPPING_REAL;
    return isfinite(v->real)
               ? ERR_OK
               : ectx_fail(ec, ERR_MALFORMED, "%.*s is too large", STR(s->path.source));
}

static enum err append_to(const struct mapping_assign *s, struct json *parent, struct str name,
                          struct json *value, struct arena *a, struct ectx *ec)
{
    struct json **link = mapping_tree_find(parent, name);
    struct json *list = link == NULL ? NULL : *link;
    if (list == NULL || list->kind == JSON_NULL) {
        struct json *made = arena_new(a, struct json);
        if (made == NULL) {
            return no_memory(ec);
        }
        made->kind = JSON_ARRAY;
        list = made;
        enum err e = put(s, parent, name, made, a, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    if (list->kind != JSON_ARRAY) {
        return ectx_fail(ec, ERR_MALFORMED, "append to %.*s: no array is there",
                         STR(s->path.source));
    }
    return mapping_tree_add(list, STR_NULL, value, a) ? ERR_OK : no_memory(ec);
}

static enum err remove_from(const struct mapping_assign *s, const struct mapping_scope *scope,
                            struct json *root, struct ectx *ec)
{
    struct json *parent = NULL;
    struct str name;
    enum err e = go(s, scope, false, root, &parent, &name, ec);
    struct json **link = e == ERR_OK && parent != NULL ? mapping_tree_find(parent, name) : NULL;
    if (link != NULL) {
        mapping_tree_take(parent, link);
    }
    return e;
}

MUST_USE enum err mapping_assign_do(const struct mapping_assign *s,
                                    const struct mapping_scope *scope, struct json **root,
                                    struct ectx *ec)
{
    if (s->kind == ASSIGN_REMOVE) {
        return remove_from(s, scope, *root, ec);
    }
    struct mapping_value v;
    struct json *parent = NULL;
    struct str name;
    enum err e = mapping_eval(s->value, scope, &v, ec);
    e = e != ERR_OK ? e : go(s, scope, true, *root, &parent, &name, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct json **there = mapping_tree_find(parent, name);
    if (s->kind == ASSIGN_DEFAULT && there != NULL && (*there)->kind != JSON_NULL) {
        return ERR_OK;
    }
    if (s->kind == ASSIGN_INCREMENT) {
        e = add_to_number(s, there == NULL ? NULL : *there, &v, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    struct json *value = NULL;
    e = mapping_tree_of_value(&v, scope->arena, &value, ec);
    if (e != ERR_OK) {
        return e;
    }
    return s->kind == ASSIGN_APPEND ? append_to(s, parent, name, value, scope->arena, ec)
                                    : put(s, parent, name, value, scope->arena, ec);
}
