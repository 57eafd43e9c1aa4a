/*
 * The printer: one line of a message for a log or a person. It follows the same tables as the
 * codec, so it knows every message and version. Text is escaped, because what it prints was written
 * by a peer.
 */
#include <inttypes.h>

#include "core/utf8.h"
#include "wire/walk.h"
#include "wire/wire.h"

struct dumper {
    struct buf *out;
    size_t end; /* out->n at which to stop */
    int16_t version;
};

#define LONGEST_TEXT 200u

static void dump_struct(struct dumper *d, const struct wire_message *m, const void *in);

static bool is_full(const struct dumper *d)
{
    return d->out->n >= d->end || buf_failed(d->out);
}

static void dump_text(struct dumper *d, enum wire_type type, struct str s)
{
    if (s.p == NULL) {
        buf_put_z(d->out, "null");
        return;
    }
    if (type == WIRE_BYTES) {
        buf_printf(d->out, "%zu bytes", s.n);
        return;
    }
    buf_put_z(d->out, "\"");
    utf8_escape(d->out, str_make(s.p, s.n < LONGEST_TEXT ? s.n : LONGEST_TEXT));
    buf_put_z(d->out, s.n < LONGEST_TEXT ? "\"" : "...\"");
}

static void dump_records(struct dumper *d, const struct wire_records *r)
{
    uint64_t bytes = r->n < 0 ? 0 : (uint64_t)r->n;
    if (r->n < 0 && r->chunk_count == 0) {
        buf_put_z(d->out, "null");
        return;
    }
    if (r->chunk_count > 0) {
        bytes = 0;
    }
    for (size_t i = 0; i < r->chunk_count; i++) {
        bytes += r->chunks[i].bytes.n;
    }
    buf_printf(d->out, "%" PRIu64 " bytes", bytes);
}

static void dump_value(struct dumper *d, const struct wire_field *f, const void *at)
{
    switch ((enum wire_type)f->type) {
    case WIRE_BOOL:
        buf_put_z(d->out, *(const bool *)at ? "true" : "false");
        return;
    case WIRE_INT8:
        buf_printf(d->out, "%d", *(const int8_t *)at);
        return;
    case WIRE_INT16:
        buf_printf(d->out, "%d", *(const int16_t *)at);
        return;
    case WIRE_UINT16:
        buf_printf(d->out, "%d", *(const uint16_t *)at);
        return;
    case WIRE_INT32:
        buf_printf(d->out, "%" PRId32, *(const int32_t *)at);
        return;
    case WIRE_UINT32:
        buf_printf(d->out, "%" PRIu32, *(const uint32_t *)at);
        return;
    case WIRE_INT64:
        buf_printf(d->out, "%" PRId64, *(const int64_t *)at);
        return;
    case WIRE_FLOAT64:
        buf_printf(d->out, "%g", *(const double *)at);
        return;
    case WIRE_UUID: {
        char text[UUID_KAFKA_SIZE];
        uuid_format_kafka(*(const struct uuid *)at, text);
        buf_put_z(d->out, text);
        return;
    }
    case WIRE_STRING:
    case WIRE_BYTES:
        dump_text(d, (enum wire_type)f->type, *(const struct str *)at);
        return;
    case WIRE_RECORDS:
        dump_records(d, at);
        return;
    case WIRE_STRUCT:
        dump_struct(d, f->message, at);
        return;
    }
}

static void dump_array(struct dumper *d, const struct wire_field *f, const void *in)
{
    const char *const *array = walk_at_const(in, f->offset);
    int32_t n = *(const int32_t *)walk_at_const(in, f->count_offset);
    if (n < 0) {
        buf_put_z(d->out, "null");
        return;
    }
    buf_put_z(d->out, "[");
    for (int32_t i = 0; i < n && !is_full(d); i++) {
        buf_put_z(d->out, i == 0 ? "" : " ");
        dump_value(d, f, *array + (size_t)i * walk_size(f));
    }
    buf_put_z(d->out, "]");
}

static void dump_field(struct dumper *d, const struct wire_field *f, const void *in)
{
    buf_printf(d->out, "%s=", f->name);
    if ((f->flags & WIRE_ARRAY) != 0) {
        dump_array(d, f, in);
        return;
    }
    const void *at = walk_at_const(in, f->offset);
    if ((f->flags & WIRE_POINTER) != 0) {
        const void *const *pointer = at;
        if (*pointer == NULL) {
            buf_put_z(d->out, "null");
            return;
        }
        at = *pointer;
    }
    dump_value(d, f, at);
}

static void dump_struct(struct dumper *d, const struct wire_message *m, const void *in)
{
    const char *gap = "";
    buf_put_z(d->out, "{");
    for (size_t i = 0; i < m->field_count && !is_full(d); i++) {
        const struct wire_field *f = &m->fields[i];
        if (!walk_has(f->versions, d->version) ||
            (walk_has(f->tagged, d->version) && walk_is_default(m, f, in))) {
            continue;
        }
        buf_put_z(d->out, gap);
        gap = " ";
        dump_field(d, f, in);
    }
    buf_put_z(d->out, "}");
}

void wire_dump(const struct wire_message *m, int16_t version, const void *in, struct buf *out,
               size_t limit)
{
    struct dumper d = {out, out->n > SIZE_MAX - limit ? SIZE_MAX : out->n + limit, version};
    dump_struct(&d, m, in);
    if (out->n > d.end) {
        out->n = d.end;
        buf_put_z(out, "...");
    }
}
