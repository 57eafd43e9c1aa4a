/*
 * The encoder: walks a message's table over a C struct and appends bytes. The struct comes from our
 * own code, yet nothing is asserted: a value that the version cannot express is an error with the
 * field's path, as in Kafka, because such values often come from a request or a stored file.
 *
 * Every write goes through put(), which checks the room once and remembers the first failure, so
 * the walk needs no test after each write. Surprise: the size before a tagged field is a varint of
 * a length not known yet; one byte is left for it and the value moved when it needs more (hardly
 * ever).
 */
#include <string.h>

#include "core/bytes.h"
#include "wire/walk.h"
#include "wire/wire.h"

struct encoder {
    struct buf *out;
    struct wire_splices *splices;
    struct ectx *ec;
    enum err io; /* the first write that did not fit */
    int16_t version;
    bool flexible;
    bool drop; /* values that the version cannot carry are left out */
};

static enum err encode_struct(struct encoder *w, const struct walk_path *path, const void *in);

__attribute__((cold)) static enum err fail(const struct encoder *w, enum err e,
                                           const struct walk_path *path, const struct wire_field *f,
                                           const char *what)
{
    return walk_fail(w->ec, e, path, f, w->version, -1, what);
}

__attribute__((cold, noinline)) static uint8_t *put_slow(struct encoder *w, size_t n)
{
    size_t left = w->out->max - w->out->n;
    uint8_t *p = buf_extend(w->out, n);
    if (p == NULL && w->io == ERR_OK) {
        w->io = n > left ? ERR_LIMIT : ERR_NO_MEMORY;
    }
    return p;
}

/* Room for n > 0 bytes, or NULL: then w->io says why. */
static inline uint8_t *put(struct encoder *w, size_t n)
{
    struct buf *b = w->out;
    if (LIKELY(!b->failed && n <= b->cap - b->n)) {
        b->n += n;
        return b->p + b->n - n;
    }
    return put_slow(w, n);
}

static inline void put_bytes(struct encoder *w, const void *p, size_t n)
{
    uint8_t *at = n == 0 ? NULL : put(w, n);
    if (at != NULL) {
        memcpy(at, p, n);
    }
}

static inline void put_uvarint(struct encoder *w, uint32_t v)
{
    uint8_t bytes[5];
    size_t n = 0;
    while (v >= 0x80) {
        bytes[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[n++] = (uint8_t)v;
    uint8_t *at = put(w, n);
    if (at != NULL) {
        memcpy(at, bytes, n);
    }
}

/* A length or count, -1 for null. The opposite of the decoder's read_length. */
static inline enum err put_length(struct encoder *w, const struct walk_path *path,
                                  const struct wire_field *f, bool short_form, bool nullable,
                                  int64_t n)
{
    if (UNLIKELY(n < 0 && !nullable)) {
        return fail(w, ERR_MALFORMED, path, f, "must not be null in this version");
    }
    if (UNLIKELY(n > INT32_MAX - 1)) {
        return fail(w, ERR_LIMIT, path, f, "is longer than the protocol can say");
    }
    if (w->flexible && (f->flags & WIRE_CLASSIC) == 0) {
        put_uvarint(w, (uint32_t)(n + 1));
    } else if (short_form) {
        uint8_t *at = put(w, 2);
        if (at != NULL) {
            put_be16(at, (uint16_t)n);
        }
    } else {
        uint8_t *at = put(w, 4);
        if (at != NULL) {
            put_be32(at, (uint32_t)n);
        }
    }
    return ERR_OK;
}

static inline enum err encode_text(struct encoder *w, const struct walk_path *path,
                                   const struct wire_field *f, bool nullable, const struct str *s)
{
    bool is_string = f->type == WIRE_STRING;
    int64_t n = s->p == NULL ? -1 : s->n > INT32_MAX ? INT32_MAX : (int64_t)s->n;
    if (UNLIKELY(is_string && n > WIRE_STRING_MAX)) {
        return fail(w, ERR_LIMIT, path, f, "string is longer than 32767 bytes");
    }
    enum err e = put_length(w, path, f, is_string, nullable, n);
    if (e == ERR_OK && n > 0) {
        put_bytes(w, s->p, (size_t)n);
    }
    return e;
}

/* Notes that the chunks belong at the end of what is written so far. */
static bool note_splice(struct encoder *w, const struct wire_records *r, uint64_t bytes)
{
    struct wire_splices *sp = w->splices;
    if (sp->count == sp->cap) {
        size_t cap = sp->cap == 0 ? 8 : sp->cap * 2;
        struct wire_splice *items = arena_new_n(sp->arena, struct wire_splice, cap);
        if (items == NULL) {
            return false;
        }
        if (sp->count > 0) {
            memcpy(items, sp->items, sp->count * sizeof(*items));
        }
        sp->items = items;
        sp->cap = cap;
    }
    sp->items[sp->count++] = (struct wire_splice){w->out->n, r->chunks, r->chunk_count, bytes};
    sp->bytes += bytes;
    return true;
}

static enum err encode_records(struct encoder *w, const struct walk_path *path,
                               const struct wire_field *f, const struct wire_records *r)
{
    if (r->chunk_count == 0) {
        enum err e =
            put_length(w, path, f, false, walk_has(f->nullable, w->version), r->n < 0 ? -1 : r->n);
        if (e == ERR_OK && r->n > 0) {
            put_bytes(w, r->p, (size_t)r->n);
        }
        return e;
    }
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->chunk_count; i++) {
        bytes += r->chunks[i].bytes.n;
        if (bytes > INT32_MAX) {
            bytes = INT32_MAX; /* put_length refuses it */
            break;
        }
    }
    enum err e = put_length(w, path, f, false, walk_has(f->nullable, w->version), (int64_t)bytes);
    if (e != ERR_OK || bytes == 0) {
        return e;
    }
    if (w->splices != NULL) {
        return note_splice(w, r, bytes)
                   ? ERR_OK
                   : fail(w, ERR_LIMIT, path, f, "no memory for the list of splices");
    }
    for (size_t i = 0; i < r->chunk_count; i++) {
        put_bytes(w, r->chunks[i].bytes.p, r->chunks[i].bytes.n);
    }
    return ERR_OK;
}

/* True if the type has a fixed size and was written. */
static inline bool encode_fixed(struct encoder *w, enum wire_type type, const void *in)
{
    uint8_t *at;
    switch (type) {
    case WIRE_BOOL:
        at = put(w, 1);
        if (at != NULL) {
            at[0] = *(const bool *)in ? 1 : 0;
        }
        return true;
    case WIRE_INT8:
        put_bytes(w, in, 1);
        return true;
    case WIRE_INT16:
    case WIRE_UINT16:
        at = put(w, 2);
        if (at != NULL) {
            put_be16(at, *(const uint16_t *)in);
        }
        return true;
    case WIRE_INT32:
    case WIRE_UINT32:
        at = put(w, 4);
        if (at != NULL) {
            put_be32(at, *(const uint32_t *)in);
        }
        return true;
    case WIRE_INT64:
    case WIRE_FLOAT64:
        at = put(w, 8);
        if (at != NULL) {
            uint64_t bits;
            memcpy(&bits, in, 8);
            put_be64(at, bits);
        }
        return true;
    case WIRE_UUID:
        put_bytes(w, in, 16);
        return true;
    case WIRE_STRING:
    case WIRE_BYTES:
    case WIRE_RECORDS:
    case WIRE_STRUCT:
        return false;
    }
    return false;
}

static enum err encode_array(struct encoder *w, const struct walk_path *path,
                             const struct wire_field *f, const void *in)
{
    const void *array;
    memcpy(&array, walk_at_const(in, f->offset), sizeof(array));
    int32_t n = *(const int32_t *)walk_at_const(in, f->count_offset);
    enum err e = put_length(w, path, f, false, walk_has(f->nullable, w->version), n < 0 ? -1 : n);
    if (e != ERR_OK || n <= 0) {
        return e;
    }
    if (array == NULL) {
        return fail(w, ERR_MALFORMED, path, f, "has a count but no elements");
    }
    size_t size = walk_size(f);
    struct walk_path inner = {path, f, f->message, 0};
    for (; inner.index < n; inner.index++) {
        const void *at = walk_at_const(array, (size_t)inner.index * size);
        if (f->type == WIRE_STRUCT) {
            e = encode_struct(w, &inner, at);
        } else if (!encode_fixed(w, (enum wire_type)f->type, at)) {
            e = encode_text(w, path, f, false, at);
        }
        if (UNLIKELY(e != ERR_OK)) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err encode_pointer(struct encoder *w, const struct walk_path *path,
                               const struct wire_field *f, const void *in)
{
    const void *p;
    memcpy(&p, walk_at_const(in, f->offset), sizeof(p));
    if (p == NULL && !walk_has(f->nullable, w->version)) {
        return fail(w, ERR_MALFORMED, path, f, "must not be null in this version");
    }
    put_bytes(w, p == NULL ? "\xff" : "\x01", 1);
    if (p == NULL) {
        return ERR_OK;
    }
    struct walk_path inner = {path, f, f->message, -1};
    return encode_struct(w, &inner, p);
}

static inline enum err encode_field(struct encoder *w, const struct walk_path *path,
                                    const struct wire_field *f, const void *in)
{
    if ((f->flags & WIRE_ARRAY) != 0) {
        return encode_array(w, path, f, in);
    }
    const void *at = walk_at_const(in, f->offset);
    if (LIKELY(encode_fixed(w, (enum wire_type)f->type, at))) {
        return ERR_OK;
    }
    if (f->type == WIRE_RECORDS) {
        return encode_records(w, path, f, at);
    }
    if (f->type != WIRE_STRUCT) {
        return encode_text(w, path, f, walk_has(f->nullable, w->version), at);
    }
    if ((f->flags & WIRE_POINTER) != 0) {
        return encode_pointer(w, path, f, in);
    }
    struct walk_path inner = {path, f, f->message, -1};
    return encode_struct(w, &inner, at);
}

static enum err encode_tagged(struct encoder *w, const struct walk_path *path,
                              const struct wire_field *f, const void *in)
{
    put_uvarint(w, f->tag);
    size_t at = w->out->n;
    put_bytes(w, "", 1);
    enum err e = encode_field(w, path, f, in);
    if (e != ERR_OK || w->io != ERR_OK) {
        return e;
    }
    size_t size = w->out->n - at - 1;
    if (size > INT32_MAX) {
        return fail(w, ERR_LIMIT, path, f, "is longer than the protocol can say");
    }
    size_t extra = 0; /* bytes that the size needs beyond the one that was left for it */
    for (size_t rest = size >> 7; rest > 0; rest >>= 7) {
        extra++;
    }
    if (extra > 0 && put(w, extra) == NULL) {
        return ERR_OK;
    }
    uint8_t *p = w->out->p + at;
    memmove(p + 1 + extra, p + 1, size);
    for (; size >= 0x80; size >>= 7) {
        *p++ = (uint8_t)(size | 0x80);
    }
    *p = (uint8_t)size;
    return ERR_OK;
}

/* Tags ascend within a table (the generator checks it), as KIP-482 wants them. Defaults are not
 * sent. */
static enum err encode_tags(struct encoder *w, const struct walk_path *path, const void *in)
{
    const struct wire_message *m = path->message;
    uint32_t count = 0;
    for (size_t i = 0; m->tagged && i < m->field_count; i++) {
        if (walk_has(m->fields[i].tagged, w->version) && !walk_is_default(m, &m->fields[i], in)) {
            count++;
        }
    }
    put_uvarint(w, count);
    for (size_t i = 0; count > 0 && i < m->field_count; i++) {
        const struct wire_field *f = &m->fields[i];
        if (!walk_has(f->tagged, w->version) || walk_is_default(m, f, in)) {
            continue;
        }
        enum err e = encode_tagged(w, path, f, in);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err encode_struct(struct encoder *w, const struct walk_path *path, const void *in)
{
    const struct wire_message *m = path->message;
    const struct wire_field *end = m->fields + m->field_count;
    for (const struct wire_field *f = m->fields; f < end; f++) {
        if (!walk_has(f->versions, w->version)) {
            if (!w->drop && (f->flags & WIRE_IGNORABLE) == 0 && !walk_is_default(m, f, in)) {
                return fail(w, ERR_UNSUPPORTED_VERSION, path, f,
                            "this version cannot carry the value");
            }
            continue;
        }
        if (walk_has(f->tagged, w->version)) {
            continue;
        }
        enum err e = encode_field(w, path, f, in);
        if (UNLIKELY(e != ERR_OK)) {
            return e;
        }
    }
    return w->flexible ? encode_tags(w, path, in) : ERR_OK;
}

static enum err encode_message(const struct wire_message *m, int16_t version, const void *in,
                               struct buf *out, struct wire_splices *sp, bool drop, struct ectx *ec)
{
    struct encoder w = {out, sp, ec, ERR_OK, version, version >= m->flexible_since, drop};
    struct walk_path path = {NULL, NULL, m, -1};
    if (version < m->min || version > m->max) {
        return fail(&w, ERR_UNSUPPORTED_VERSION, &path, NULL, "no such version");
    }
    if (out->failed) {
        return fail(&w, ERR_LIMIT, &path, NULL, "an earlier write to the buffer failed");
    }
    size_t n = out->n;
    size_t count = sp == NULL ? 0 : sp->count;
    uint64_t bytes = sp == NULL ? 0 : sp->bytes;
    enum err e = encode_struct(&w, &path, in);
    if (e == ERR_OK && w.io != ERR_OK) {
        e = fail(&w, w.io, &path, NULL,
                 w.io == ERR_LIMIT ? "does not fit its limit" : "out of memory");
    }
    if (e != ERR_OK) {
        out->n = n;
        out->failed = false;
        if (sp != NULL) {
            sp->count = count;
            sp->bytes = bytes;
        }
    }
    return e;
}

enum err wire_encode(const struct wire_message *m, int16_t version, const void *in, struct buf *out,
                     struct wire_splices *sp, struct ectx *ec)
{
    return encode_message(m, version, in, out, sp, false, ec);
}

enum err wire_encode_response(const struct wire_message *m, int16_t version, const void *in,
                              struct buf *out, struct wire_splices *sp, struct ectx *ec)
{
    return encode_message(m, version, in, out, sp, true, ec);
}
