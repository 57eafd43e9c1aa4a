/*
 * What a redaction says, read from its fact in `__leat_streams`: of which stream and which fields.
 * The index has the stream's hash only.
 */
#include "es/erase.h"

/* Key and value of the record at the offset, copied. They are null: it is not there. */
static enum err find(const struct engine_read *r, int64_t offset, struct record_scratch *scratch,
                     struct arena *a, struct es_erase_fact *out, struct str *value, struct ectx *ec)
{
    struct batch_header h;
    struct record_iter it;
    struct record record;
    const struct str batch = r->batches[0].bytes;
    const uint8_t *bytes = (const uint8_t *)batch.p;
    enum err e = batch_header_parse(bytes, batch.n, &h, ec);
    if (e == ERR_OK) {
        e = record_iter_init(&it, &h, bytes, scratch, RECORD_DECOMPRESSED_MAX, ec);
    }
    while (e == ERR_OK && str_is_null(*value) && record_next(&it, &record)) {
        if (record.offset == offset && record.key.n > 0 && record.value.p != NULL) {
            out->stream = arena_str(a, record.key);
            *value = arena_str(a, record.value);
            e = out->stream.p == NULL || value->p == NULL ? ERR_NO_MEMORY : ERR_OK;
        }
    }
    return e;
}

enum err es_erase_fact_read(const struct es *es, const struct engine_read *r,
                            const uint8_t key[ES_KEY_REDACTION], struct record_scratch *scratch,
                            struct arena *a, struct es_erase_fact *out, struct ectx *ec)
{
    struct str value = STR_NULL;
    if (r->batch_count == 0) {
        return ectx_fail(ec, ERR_NOT_FOUND, "the redaction's fact is not there");
    }
    enum err e = find(r, es_key_redaction_fact(key), scratch, a, out, &value, ec);
    out->fact = arena_new(a, struct es_fact);
    if (e == ERR_NO_MEMORY || out->fact == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a redaction");
    }
    if (e == ERR_OK) {
        e = str_is_null(value) ? ectx_fail(ec, ERR_NOT_FOUND, "the redaction's fact is not there")
                               : es_fact_parse(value, a, out->fact, ec);
    }
    if (e == ERR_OK) {
        const struct es_hash hash = es_hash_stream(es, out->stream);
        if (out->fact->kind != ES_FACT_REDACTION || memcmp(hash.b, key, sizeof(hash.b)) != 0 ||
            out->fact->revision != es_key_event_revision(key)) {
            e = ectx_fail(ec, ERR_NOT_FOUND, "the redaction's fact is another one");
        }
    }
    return e;
}
