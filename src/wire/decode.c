/*
 * The decoder: walks a message's table over bytes from a peer. This file alone decides what a
 * length means, so it alone must be right about hostile ones:
 *   - every read compares with the bytes that are left, and so does every element count, before
 * memory is asked for;
 *   - all memory comes from the arena, whose budget bounds counts that are small on the wire and
 * large in memory;
 *   - recursion follows the schema, never the input.
 * Surprises: values absent in a version keep the default that wire_init put there. A known tagged
 * field is decoded within its own size and must use all of it. The same tag twice: the last one
 * counts.
 */
#include <string.h>

#include "core/bytes.h"
#include "wire/walk.h"
#include "wire/wire.h"

struct decoder {
    struct slice in;
    const uint8_t *start;
    struct arena *arena;
    struct ectx *ec;
    int16_t version;
    bool flexible;
};

static const char too_short[] = "the input ends here";

static enum err decode_struct(struct decoder *d, const struct walk_path *path, void *out);

__attribute__((cold)) static enum err fail(const struct decoder *d, enum err e,
                                           const struct walk_path *path, const struct wire_field *f,
                                           const char *what)
{
    return walk_fail(d->ec, e, path, f, d->version, d->in.p - d->start, what);
}

/* An arena gave nothing: was it the budget or the machine? (Sizes are rounded up to 16.) */
__attribute__((cold)) static enum err fail_memory(const struct decoder *d,
                                                  const struct walk_path *path,
                                                  const struct wire_field *f, size_t n, size_t size)
{
    size_t left = d->arena->budget - d->arena->used;
    if (n > (SIZE_MAX - 31) / size || (n * size + 31) > left) {
        return fail(d, ERR_LIMIT, path, f, "the message needs more memory than its budget");
    }
    return fail(d, ERR_NO_MEMORY, path, f, "out of memory");
}

static inline bool read_uvarint(struct decoder *d, uint32_t *out)
{
    if (LIKELY(d->in.p < d->in.end && *d->in.p < 0x80)) {
        *out = *d->in.p++;
        return true;
    }
    return slice_uvarint32(&d->in, out);
}

/* A varint could not be read: is it cut off, or longer than the five bytes of 32 bits? */
__attribute__((cold)) static enum err fail_varint(const struct decoder *d,
                                                  const struct walk_path *path,
                                                  const struct wire_field *f)
{
    if (slice_left(&d->in) < 5) {
        return fail(d, ERR_TRUNCATED, path, f, too_short);
    }
    return fail(d, ERR_MALFORMED, path, f, "not a varint of 32 bits");
}

/*
 * The length or count before a string, bytes, records or array; -1 is null. Compact: unsigned
 * varint of length + 1. Classic: int16 for strings, else int32, any negative is null.
 */
static inline enum err read_length(struct decoder *d, const struct walk_path *path,
                                   const struct wire_field *f, bool short_form, bool nullable,
                                   int32_t *out)
{
    int32_t n = -1;
    if (d->flexible && (f->flags & WIRE_CLASSIC) == 0) {
        uint32_t u;
        if (UNLIKELY(!read_uvarint(d, &u))) {
            return fail_varint(d, path, f);
        }
        if (UNLIKELY(u > (uint32_t)INT32_MAX)) {
            return fail(d, ERR_MALFORMED, path, f, "length is over 2^31 - 2");
        }
        n = (int32_t)u - 1;
    } else {
        size_t size = short_form ? 2 : 4;
        if (UNLIKELY(slice_left(&d->in) < size)) {
            return fail(d, ERR_TRUNCATED, path, f, too_short);
        }
        n = short_form ? (int16_t)get_be16(d->in.p) : (int32_t)get_be32(d->in.p);
        d->in.p += size;
    }
    if (n < 0) {
        n = -1;
        if (UNLIKELY(!nullable)) {
            return fail(d, ERR_MALFORMED, path, f, "must not be null");
        }
    }
    *out = n;
    return ERR_OK;
}

/* String, bytes: a view of the input. */
static inline enum err decode_text(struct decoder *d, const struct walk_path *path,
                                   const struct wire_field *f, bool nullable, struct str *out)
{
    int32_t n = -1;
    enum err e = read_length(d, path, f, f->type == WIRE_STRING, nullable, &n);
    if (UNLIKELY(e != ERR_OK)) {
        return e;
    }
    if (n < 0) {
        *out = STR_NULL;
        return ERR_OK;
    }
    if (UNLIKELY(f->type == WIRE_STRING && n > WIRE_STRING_MAX)) {
        return fail(d, ERR_MALFORMED, path, f, "string is longer than 32767 bytes");
    }
    if (UNLIKELY((size_t)n > slice_left(&d->in))) {
        return fail(d, ERR_TRUNCATED, path, f, "length is more than the bytes that are left");
    }
    *out = str_make(d->in.p, (size_t)n);
    d->in.p += n;
    return ERR_OK;
}

static enum err decode_records(struct decoder *d, const struct walk_path *path,
                               const struct wire_field *f, struct wire_records *out)
{
    int32_t n = -1;
    enum err e = read_length(d, path, f, false, walk_has(f->nullable, d->version), &n);
    if (e != ERR_OK) {
        return e;
    }
    if (n > 0 && (size_t)n > slice_left(&d->in)) {
        return fail(d, ERR_TRUNCATED, path, f, "length is more than the bytes that are left");
    }
    *out = (struct wire_records){n < 0 ? NULL : d->in.p, n, NULL, 0};
    d->in.p += n < 0 ? 0 : n;
    return ERR_OK;
}

/* One value of a type with a fixed size; the caller has checked that the bytes are there. */
static inline void read_fixed(struct decoder *d, enum wire_type type, void *out)
{
    const uint8_t *p = d->in.p;
    switch (type) {
    case WIRE_BOOL:
        *(bool *)out = p[0] != 0;
        d->in.p += 1;
        return;
    case WIRE_INT8:
        *(int8_t *)out = (int8_t)p[0];
        d->in.p += 1;
        return;
    case WIRE_INT16:
    case WIRE_UINT16:
        *(uint16_t *)out = get_be16(p);
        d->in.p += 2;
        return;
    case WIRE_INT32:
    case WIRE_UINT32:
        *(uint32_t *)out = get_be32(p);
        d->in.p += 4;
        return;
    case WIRE_INT64:
        *(uint64_t *)out = get_be64(p);
        d->in.p += 8;
        return;
    case WIRE_FLOAT64: {
        uint64_t bits = get_be64(p);
        memcpy(out, &bits, 8);
        d->in.p += 8;
        return;
    }
    case WIRE_UUID:
        memcpy(out, p, 16);
        d->in.p += 16;
        return;
    case WIRE_STRING:
    case WIRE_BYTES:
    case WIRE_RECORDS:
    case WIRE_STRUCT:
        return;
    }
}

/* Bytes on the wire of a type with a fixed size, else 0. */
static const uint8_t fixed_size[] = {
    [WIRE_BOOL] = 1,   [WIRE_INT8] = 1,    [WIRE_INT16] = 2,   [WIRE_UINT16] = 2, [WIRE_INT32] = 4,
    [WIRE_UINT32] = 4, [WIRE_INT64] = 8,   [WIRE_FLOAT64] = 8, [WIRE_UUID] = 16,  [WIRE_STRING] = 0,
    [WIRE_BYTES] = 0,  [WIRE_RECORDS] = 0, [WIRE_STRUCT] = 0,
};

static enum err decode_elements(struct decoder *d, const struct walk_path *path,
                                const struct wire_field *f, void *array, int32_t n)
{
    size_t size = walk_size(f);
    if (f->type == WIRE_STRUCT) {
        struct walk_path inner = {path, f, f->message, 0};
        for (; inner.index < n; inner.index++) {
            enum err e = decode_struct(d, &inner, walk_at(array, (size_t)inner.index * size));
            if (UNLIKELY(e != ERR_OK)) {
                return e;
            }
        }
        return ERR_OK;
    }
    for (int32_t i = 0; i < n; i++) {
        void *at = walk_at(array, (size_t)i * size);
        if (fixed_size[f->type] != 0) {
            read_fixed(d, (enum wire_type)f->type, at);
            continue;
        }
        enum err e = decode_text(d, path, f, false, at);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err decode_array(struct decoder *d, const struct walk_path *path,
                             const struct wire_field *f, void *out)
{
    int32_t n = -1;
    enum err e = read_length(d, path, f, false, walk_has(f->nullable, d->version), &n);
    if (UNLIKELY(e != ERR_OK)) {
        return e;
    }
    void *array = NULL;
    if (n > 0) {
        size_t least = fixed_size[f->type] == 0 ? 1 : fixed_size[f->type];
        if (UNLIKELY((size_t)n > slice_left(&d->in) / least)) {
            return fail(d, ERR_TRUNCATED, path, f,
                        "more elements than the bytes that are left could hold");
        }
        array = arena_array(d->arena, (size_t)n, walk_size(f));
        if (UNLIKELY(array == NULL)) {
            return fail_memory(d, path, f, (size_t)n, walk_size(f));
        }
        e = decode_elements(d, path, f, array, n);
        if (UNLIKELY(e != ERR_OK)) {
            return e;
        }
    }
    memcpy(walk_at(out, f->offset), &array, sizeof(array));
    *(int32_t *)walk_at(out, f->count_offset) = n;
    return ERR_OK;
}

/* A struct that may be null: int8, negative for null, then the struct. */
static enum err decode_pointer(struct decoder *d, const struct walk_path *path,
                               const struct wire_field *f, void *out)
{
    int8_t there;
    if (!slice_i8(&d->in, &there)) {
        return fail(d, ERR_TRUNCATED, path, f, too_short);
    }
    void *p = NULL;
    if (there >= 0) {
        p = arena_alloc(d->arena, f->message->size);
        if (p == NULL) {
            return fail_memory(d, path, f, 1, f->message->size);
        }
        struct walk_path inner = {path, f, f->message, -1};
        enum err e = decode_struct(d, &inner, p);
        if (e != ERR_OK) {
            return e;
        }
    } else if (!walk_has(f->nullable, d->version)) {
        return fail(d, ERR_MALFORMED, path, f, "must not be null");
    }
    memcpy(walk_at(out, f->offset), &p, sizeof(p));
    return ERR_OK;
}

static inline enum err decode_field(struct decoder *d, const struct walk_path *path,
                                    const struct wire_field *f, void *out)
{
    if ((f->flags & WIRE_ARRAY) != 0) {
        return decode_array(d, path, f, out);
    }
    void *at = walk_at(out, f->offset);
    size_t fixed = fixed_size[f->type];
    if (LIKELY(fixed != 0)) {
        if (UNLIKELY(slice_left(&d->in) < fixed)) {
            return fail(d, ERR_TRUNCATED, path, f, too_short);
        }
        read_fixed(d, (enum wire_type)f->type, at);
        return ERR_OK;
    }
    if (f->type == WIRE_RECORDS) {
        return decode_records(d, path, f, at);
    }
    if (f->type != WIRE_STRUCT) {
        return decode_text(d, path, f, walk_has(f->nullable, d->version), at);
    }
    if ((f->flags & WIRE_POINTER) != 0) {
        return decode_pointer(d, path, f, out);
    }
    struct walk_path inner = {path, f, f->message, -1};
    return decode_struct(d, &inner, at);
}

static const struct wire_field *find_tag(const struct wire_message *m, uint32_t tag,
                                         int16_t version)
{
    for (size_t i = 0; m->tagged && i < m->field_count; i++) {
        const struct wire_field *f = &m->fields[i];
        if (f->tag == tag && walk_has(f->tagged, version)) {
            return f;
        }
    }
    return NULL;
}

/* The tagged fields at the end of a struct of a flexible version: count, then tag, size and value
 * of each. */
static enum err decode_tags(struct decoder *d, const struct walk_path *path, void *out)
{
    uint32_t count;
    if (UNLIKELY(!read_uvarint(d, &count))) {
        return fail_varint(d, path, NULL);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tag, size;
        if (!read_uvarint(d, &tag) || !read_uvarint(d, &size)) {
            return fail_varint(d, path, NULL);
        }
        const struct wire_field *f = find_tag(path->message, tag, d->version);
        if (size > slice_left(&d->in)) {
            return fail(d, ERR_TRUNCATED, path, f,
                        "a tagged field is longer than the bytes that are left");
        }
        if (f == NULL) {
            d->in.p += size;
            continue;
        }
        const uint8_t *end = d->in.end;
        d->in.end = d->in.p + size;
        enum err e = decode_field(d, path, f, out);
        if (e != ERR_OK) {
            return e;
        }
        if (d->in.p != d->in.end) {
            return fail(d, ERR_MALFORMED, path, f,
                        "the tagged field is shorter than its size says");
        }
        d->in.end = end;
    }
    return ERR_OK;
}

static enum err decode_struct(struct decoder *d, const struct walk_path *path, void *out)
{
    const struct wire_message *m = path->message;
    memcpy(out, m->defaults, m->size);
    const struct wire_field *end = m->fields + m->field_count;
    for (const struct wire_field *f = m->fields; f < end; f++) {
        if (!walk_has(f->versions, d->version) || walk_has(f->tagged, d->version)) {
            continue;
        }
        enum err e = decode_field(d, path, f, out);
        if (UNLIKELY(e != ERR_OK)) {
            return e;
        }
    }
    return d->flexible ? decode_tags(d, path, out) : ERR_OK;
}

enum err wire_decode(const struct wire_message *m, int16_t version, struct slice *in,
                     struct arena *a, void *out, struct ectx *ec)
{
    struct decoder d = {*in, in->p, a, ec, version, version >= m->flexible_since};
    struct walk_path path = {NULL, NULL, m, -1};
    if (version < m->min || version > m->max) {
        return walk_fail(ec, ERR_UNSUPPORTED_VERSION, &path, NULL, version, -1, "no such version");
    }
    enum err e = decode_struct(&d, &path, out);
    if (e == ERR_OK) {
        in->p = d.in.p;
    }
    return e;
}
