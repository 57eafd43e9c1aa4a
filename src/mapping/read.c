/*
 * What an expression reads of an event: pointers into data and metadata, the element of `each`,
 * fields.
 */
#include <string.h>

#include "mapping/expr_int.h"

/* One part of a pointer, with ~0 and ~1 decoded. */
static bool decode_segment(struct parser *p, struct str raw, struct str *out)
{
    if (memchr(raw.p, '~', raw.n) == NULL) {
        *out = raw;
        return true;
    }
    char *text = arena_alloc(p->a, raw.n + 1);
    if (text == NULL) {
        p->err = ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '~') {
            i++;
            if (i == raw.n || (raw.p[i] != '0' && raw.p[i] != '1')) {
                expr_fail(p, p->i,
                          "'~' in a pointer must be followed by 0 or 1 (~0 is ~, ~1 is /)");
                return false;
            }
            text[n++] = raw.p[i] == '0' ? '~' : '/';
        } else {
            text[n++] = raw.p[i];
        }
    }
    *out = str_make(text, n);
    return true;
}

static bool ends_pointer(char c)
{
    return c == 0 || c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == ')' || c == ',' ||
           c == '}';
}

/* The segments of the pointer that begins here, with a slash. */
static bool take_segments(struct parser *p, struct str **out, size_t *count)
{
    struct str found[MAPPING_PARTS_MAX];
    size_t n = 0;
    while (expr_peek(p, 0) == '/') {
        size_t from = ++p->i;
        while (expr_peek(p, 0) != '/' && !ends_pointer(expr_peek(p, 0))) {
            p->i++;
        }
        if (n == MAPPING_PARTS_MAX) {
            expr_fail(p, from, "a pointer has at most %u parts", MAPPING_PARTS_MAX);
            return false;
        }
        if (!decode_segment(p, str_make(p->text.p + from, p->i - from), &found[n])) {
            return false;
        }
        n++;
    }
    struct str *list = arena_new_n(p->a, struct str, n == 0 ? 1 : n);
    if (list == NULL) {
        p->err = ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
        return false;
    }
    if (n > 0) {
        memcpy(list, found, n * sizeof(found[0]));
    }
    *out = list;
    *count = n;
    return true;
}

struct node *expr_pointer(struct parser *p)
{
    static const char *const roots[] = {"data", "meta"};
    size_t from = p->i;
    struct str *segments = NULL;
    size_t count = 0;
    if (!take_segments(p, &segments, &count)) {
        return NULL;
    }
    bool meta = str_eq_z(segments[0], "meta");
    if (!meta && !str_eq_z(segments[0], "data")) {
        expr_fail(p, from, "a pointer into an event begins with /data or /meta, not with '/%.*s'",
                  (int)(segments[0].n > 60 ? 60 : segments[0].n), segments[0].p);
        const char *near = mapping_nearest(segments[0], roots, ARRAY_LEN(roots));
        if (p->ec != NULL) {
            ectx_hint(p->ec, "did you mean /%s%s%.*s?", near == NULL ? "data" : near,
                      near == NULL ? "/" : "", near == NULL ? (int)segments[0].n : 0,
                      segments[0].p);
        }
        return NULL;
    }
    struct node *n = expr_node(p, meta ? NODE_META : NODE_DATA, from);
    if (n != NULL) {
        n->segments = segments + 1;
        n->segment_count = count - 1;
    }
    return n;
}

struct node *expr_item(struct parser *p)
{
    size_t from = p->i++;
    if (p->names == NULL || !p->names->items) {
        return expr_fail(p, from, "'@' is the element of `each`, and there is no `each` here");
    }
    if (expr_take(p, "index")) {
        return expr_node(p, NODE_ITEM_INDEX, from);
    }
    struct str *segments = NULL;
    size_t count = 0;
    if (!take_segments(p, &segments, &count)) {
        return NULL;
    }
    if (!ends_pointer(expr_peek(p, 0))) {
        return expr_fail(p, p->i, "after '@' a pointer (@/name) or 'index' was expected");
    }
    struct node *n = expr_node(p, NODE_ITEM, from);
    if (n != NULL) {
        n->segments = segments;
        n->segment_count = count;
    }
    return n;
}

struct node *expr_field(struct parser *p)
{
    size_t from = p->i++;
    while (expr_is_word(expr_peek(p, 0))) {
        p->i++;
    }
    struct str name = str_make(p->text.p + from + 1, p->i - from - 1);
    int field = mapping_field_index(name);
    if (field < 0) {
        size_t count;
        const char *const *fields = mapping_fields(&count);
        struct str full = str_make(p->text.p + from, p->i - from);
        expr_fail(p, from, "'%.*s' is no field of an event", (int)(full.n > 60 ? 60 : full.n),
                  full.p);
        const char *near = mapping_nearest(full, fields, count);
        if (p->ec != NULL && near != NULL) {
            ectx_hint(p->ec, "did you mean '%s'?", near);
        } else if (p->ec != NULL) {
            ectx_hint(p->ec, "fields are $id, $type, $time, $key, $stream, $revision, ...");
        }
        return NULL;
    }
    struct node *n = expr_node(p, NODE_FIELD, from);
    if (n != NULL) {
        n->op = field;
    }
    return n;
}
