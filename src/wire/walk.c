/*
 * Error texts, sizes and defaults: the parts of the walkers that are not on the hot path. Comparing
 * with a default needs no table of defaults: every message has a C struct with all of them.
 */
#include "wire/walk.h"

#include <string.h>

size_t walk_size(const struct wire_field *f)
{
    switch ((enum wire_type)f->type) {
    case WIRE_BOOL:
        return sizeof(bool);
    case WIRE_INT8:
        return sizeof(int8_t);
    case WIRE_INT16:
    case WIRE_UINT16:
        return sizeof(int16_t);
    case WIRE_INT32:
    case WIRE_UINT32:
        return sizeof(int32_t);
    case WIRE_INT64:
        return sizeof(int64_t);
    case WIRE_FLOAT64:
        return sizeof(double);
    case WIRE_UUID:
        return sizeof(struct uuid);
    case WIRE_STRING:
    case WIRE_BYTES:
        return sizeof(struct str);
    case WIRE_RECORDS:
        return sizeof(struct wire_records);
    case WIRE_STRUCT:
        return f->message->size;
    }
    return 0;
}

static void print_path(struct buf *b, const struct walk_path *path)
{
    if (path == NULL || path->field == NULL) {
        return;
    }
    print_path(b, path->up);
    buf_printf(b, "%s", path->field->name);
    if (path->index >= 0) {
        buf_printf(b, "[%d]", path->index);
    }
    buf_put_z(b, ".");
}

enum err walk_fail(struct ectx *ec, enum err e, const struct walk_path *path,
                   const struct wire_field *field, int16_t version, int64_t position,
                   const char *what)
{
    if (ec == NULL) {
        return e;
    }
    struct buf b;
    buf_init(&b, 256);
    print_path(&b, path);
    if (field != NULL) {
        buf_put_z(&b, field->name);
    } else if (b.n > 0) {
        b.n--; /* the dot */
    }
    const struct walk_path *top = path;
    while (top->up != NULL) {
        top = top->up;
    }
    const char *name = top->message->name;
    const char *gap = b.n > 0 ? ": " : "";
    if (position >= 0) {
        ectx_fail(ec, e, "%s v%d%s%.*s at byte %lld: %s", name, version, gap, STR(buf_str(&b)),
                  (long long)position, what);
    } else {
        ectx_fail(ec, e, "%s v%d%s%.*s: %s", name, version, gap, STR(buf_str(&b)), what);
    }
    buf_deinit(&b);
    return e;
}

static bool is_default_struct(const struct wire_message *m, const void *in)
{
    for (size_t i = 0; i < m->field_count; i++) {
        if (!walk_is_default(m, &m->fields[i], in)) {
            return false;
        }
    }
    return true;
}

bool walk_is_default(const struct wire_message *m, const struct wire_field *f, const void *in)
{
    const void *value = walk_at_const(in, f->offset);
    const void *other = walk_at_const(m->defaults, f->offset);
    if ((f->flags & WIRE_ARRAY) != 0) {
        const int32_t *count = walk_at_const(in, f->count_offset);
        const int32_t *count_default = walk_at_const(m->defaults, f->count_offset);
        return *count == *count_default;
    }
    if ((f->flags & WIRE_POINTER) != 0) {
        const void *const *pointer = value;
        return *pointer == NULL;
    }
    if (f->type == WIRE_STRUCT) {
        return is_default_struct(f->message, value);
    }
    if (f->type == WIRE_STRING || f->type == WIRE_BYTES) {
        const struct str *a = value;
        const struct str *b = other;
        return (a->p == NULL) == (b->p == NULL) && str_eq(*a, *b);
    }
    if (f->type == WIRE_RECORDS) {
        const struct wire_records *r = value;
        return r->n < 0 && r->chunk_count == 0;
    }
    return memcmp(value, other, walk_size(f)) == 0;
}

void wire_init(const struct wire_message *m, void *out)
{
    memcpy(out, m->defaults, m->size);
}

void *wire_array(struct arena *a, const struct wire_message *m, int64_t n)
{
    if (n < 0 || (uint64_t)n > SIZE_MAX) {
        return NULL;
    }
    /* An array of nothing still gives memory of its own, so that NULL means failure only. */
    void *p = n == 0 ? arena_alloc(a, 1) : arena_array(a, (size_t)n, m->size);
    for (int64_t i = 0; p != NULL && i < n; i++) {
        memcpy(walk_at(p, (size_t)i * m->size), m->defaults, m->size);
    }
    return p;
}
