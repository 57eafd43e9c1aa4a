/*
 * The batch that takes the place of one with a redacted event: the same records, offsets, keys,
 * headers and times; the event's data as the redaction leaves it (redact.c), as long as it was, so
 * that everything behind it stays where it is. Records that were compressed are compressed again
 * and are smaller then, as a rule: spaces pack well. If they are not, at any level of their codec,
 * the batch cannot be replaced in its place.
 *
 * If the value is an envelope with the data inside, only the data goes. A bit of the record's
 * attributes, which mean nothing to Kafka, says that it was erased, for those who read the topic
 * and not the event store (projections): unless that makes a compressed batch too large.
 */
#include "core/bytes.h"
#include "es/erase.h"
#include "es/read_int.h"
#include "record/compress.h"

/* A copy of the batch with plain records, which may be written into. */
static enum err unpack(const struct es_erasure *x, const struct batch_header *h, uint8_t **out,
                       struct batch_header *out_header, struct ectx *ec)
{
    const struct str packed = str_make(x->old.p + BATCH_HEADER_SIZE, h->size - BATCH_HEADER_SIZE);
    struct str plain;
    enum err e =
        record_decompress(x->scratch, batch_codec(h), packed, ES_DECOMPRESS_MAX, &plain, ec);
    if (e != ERR_OK) {
        return e;
    }
    uint8_t *p = arena_alloc(x->arena, BATCH_HEADER_SIZE + plain.n);
    if (p == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a batch of %zu bytes", plain.n);
    }
    memcpy(p, x->old.p, BATCH_HEADER_SIZE);
    memcpy(p + BATCH_HEADER_SIZE, plain.p, plain.n);
    put_be16(p + BATCH_AT_ATTRIBUTES, (uint16_t)(h->attributes & ~BATCH_ATTR_CODEC));
    put_be32(p + BATCH_AT_LENGTH, (uint32_t)(BATCH_HEADER_SIZE - BATCH_LENGTH_END + plain.n));
    *out = p;
    return batch_header_parse(p, BATCH_HEADER_SIZE + plain.n, out_header, ec);
}

/* The event's record; its views are in the copy. Its attributes are behind its length. */
static enum err find(const struct es_erasure *x, const struct batch_header *h, uint8_t *bytes,
                     struct record *out, uint8_t **attributes, struct ectx *ec)
{
    struct record_iter it;
    enum err e = record_iter_init(&it, h, bytes, NULL, SIZE_MAX, ec);
    const uint8_t *start = e == ERR_OK ? it.p : NULL;
    while (e == ERR_OK && record_next(&it, out)) {
        if (out->offset == x->offset) {
            while ((*start & 0x80) != 0) {
                start++;
            }
            *attributes = bytes + (start + 1 - bytes);
            return ERR_OK;
        }
        start = it.p;
    }
    e = e == ERR_OK ? record_iter_end(&it, ec) : e;
    return e != ERR_OK ? e
                       : ectx_fail(ec, ERR_NOT_FOUND, "there is no event at offset %lld",
                                   (long long)x->offset);
}

/* The data in the record's value; all of the value if it is told in another way. */
static enum err data_in(const struct es_erasure *x, const struct record *r, struct str *out,
                        struct ectx *ec)
{
    struct envelope envelope;
    enum envelope_form form;
    struct str data = STR_NULL;
    const enum err e = envelope_read_record(r, x->arena, &envelope, &data, &form, ec);
    if (e != ERR_OK && e != ERR_MALFORMED) {
        return e;
    }
    const bool inside = e == ERR_OK && data.p != NULL && data.n > 0 && data.p >= r->value.p &&
                        data.p + data.n <= r->value.p + r->value.n;
    *out = inside ? data : r->value;
    return ERR_OK;
}

static enum err pack(const struct es_erasure *x, unsigned codec, const uint8_t *plain, size_t n,
                     struct str *out, struct ectx *ec)
{
    const int16_t attributes = (int16_t)get_be16((const uint8_t *)x->old.p + BATCH_AT_ATTRIBUTES);
    struct record_level_range range = {0};
    int32_t levels[2] = {RECORD_LEVEL_DEFAULT, RECORD_LEVEL_DEFAULT};
    const bool has_levels = record_codec_levels((enum record_codec)codec, &range);
    levels[1] = has_levels ? range.max : RECORD_LEVEL_DEFAULT;
    enum err e = ERR_LIMIT;
    for (int i = 0; e == ERR_LIMIT && i < (has_levels ? 2 : 1); i++) {
        struct buf b;
        buf_init(&b, x->old.n);
        uint8_t *head = buf_extend(&b, BATCH_HEADER_SIZE);
        if (head == NULL) {
            e = ERR_NO_MEMORY;
            break;
        }
        memcpy(head, plain, BATCH_HEADER_SIZE);
        e = record_compress(x->scratch, (enum record_codec)codec, levels[i],
                            str_make(plain + BATCH_HEADER_SIZE, n - BATCH_HEADER_SIZE), &b, ec);
        if (e == ERR_OK) {
            put_be16(b.p + BATCH_AT_ATTRIBUTES, (uint16_t)attributes);
            put_be32(b.p + BATCH_AT_LENGTH, (uint32_t)(b.n - BATCH_LENGTH_END));
            *out = arena_str(x->arena, buf_str(&b));
            e = out->p == NULL ? ERR_NO_MEMORY : ERR_OK;
        }
        buf_deinit(&b);
    }
    if (e == ERR_LIMIT) {
        return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                         "without the data its batch is larger than the %zu bytes that %s had "
                         "packed it into",
                         x->old.n, record_codec_name(codec));
    }
    return e == ERR_NO_MEMORY ? ectx_fail(ec, e, "no memory for a batch") : e;
}

enum err es_erase_batch(struct es_erasure *x, struct ectx *ec)
{
    struct batch_header h, plain;
    struct record r;
    struct str data;
    uint8_t *bytes = NULL;
    uint8_t *attributes = NULL;
    x->batch = STR_NULL;
    enum err e = batch_header_parse((const uint8_t *)x->old.p, x->old.n, &h, ec);
    if (e == ERR_OK) {
        e = unpack(x, &h, &bytes, &plain, ec);
    }
    if (e == ERR_OK) {
        e = find(x, &plain, bytes, &r, &attributes, ec);
    }
    if (e == ERR_OK) {
        e = es_view_read(&r, &x->view, ec);
    }
    if (e != ERR_OK || r.value.n == 0) {
        return e;
    }
    e = data_in(x, &r, &data, ec);
    char *left = e == ERR_OK ? arena_alloc(x->arena, data.n + 1) : NULL;
    if (e != ERR_OK || left == NULL) {
        return e != ERR_OK ? e : ectx_fail(ec, ERR_NO_MEMORY, "no memory for redacted data");
    }
    e = es_redact_in_place(data, x->fields, x->field_count, x->arena, left, ec);
    const bool same = e == ERR_OK && memcmp(left, data.p, data.n) == 0;
    const uint8_t before = *attributes;
    if (e != ERR_OK || (same && (*attributes & RECORD_ATTR_ERASED) != 0)) {
        return e;
    }
    memcpy(bytes + (data.p - (const char *)bytes), left, data.n);
    *attributes |= RECORD_ATTR_ERASED;
    x->batch = str_make(bytes, plain.size);
    if (batch_codec(&h) != RECORD_CODEC_NONE) {
        e = pack(x, batch_codec(&h), bytes, plain.size, &x->batch, ec);
    }
    if (e == ERR_MESSAGE_TOO_LARGE) { /* the data matters more than the mark */
        x->batch = STR_NULL;
        *attributes = before;
        e = same ? ERR_OK : pack(x, batch_codec(&h), bytes, plain.size, &x->batch, ec);
        if (e != ERR_OK || same) {
            return e;
        }
    }
    if (e == ERR_OK) {
        uint8_t *p = (uint8_t *)(uintptr_t)x->batch.p; /* in the arena */
        e = batch_header_parse(p, x->batch.n, &h, ec);
        put_be32(p + BATCH_AT_CRC, e == ERR_OK ? batch_crc(p, &h) : 0);
    }
    return e;
}
