/*
 * What the index holds of an event and of a fact. The same for what was just appended and for what
 * is read from the log at the start.
 */
#include "es/write.h"

static enum err put_terms(struct es *es, const struct es_entry *x)
{
    uint8_t key[ES_KEY_TERM];
    uint8_t value[ES_VALUE_TERM];
    const struct es_term t = {.position = x->place.position,
                              .category = x->cat->hash,
                              .partition = x->partition,
                              .offset = x->place.offset,
                              .type = es_hash_short(&x->terms[0])};
    es_value_term(value, &t);
    for (size_t i = 0; i < x->term_count; i++) {
        es_key_term(key, &x->terms[i], t.position);
        enum err e = index_put(es->index, ES_T_TERMS, key, value);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

enum err es_entry_put(struct es *es, const struct es_entry *x)
{
    uint8_t key[INDEX_KEY_MAX];
    uint8_t value[INDEX_VALUE_MAX];
    es_key_event(key, &x->stream, x->revision);
    es_value_event(value, &x->place);
    enum err e = index_put(es->index, ES_T_EVENTS, key, value);
    if (e == ERR_OK && x->needs_id_entry) {
        es_value_id(value, x->revision, x->body);
        e = index_put(es->index, ES_T_IDS, x->id.b, value);
    }
    if (e == ERR_OK && x->revision == 0) {
        es_key_stream(key, x->cat->hash, x->place.position);
        es_value_stream(value, x->partition, x->place.offset);
        e = index_put(es->index, ES_T_STREAMS, key, value);
    }
    return e == ERR_OK ? put_terms(es, x) : e;
}

enum err es_fact_put(struct es *es, const struct es_hash *stream, int kind,
                     const struct es_status *status, uint64_t revision, bool whole,
                     const struct es_hash *slot, int32_t partition, int64_t offset)
{
    uint8_t key[INDEX_KEY_MAX];
    uint8_t value[INDEX_VALUE_MAX];
    if (kind == ES_FACT_STATE) {
        struct es_status s = *status;
        s.fact = offset;
        es_value_fact(value, &s);
        return index_put(es->index, ES_T_FACTS, stream->b, value);
    }
    if (kind == ES_FACT_REDACTION) {
        es_value_redaction(value, &(struct es_redaction_value){whole, false, partition});
        es_key_redaction(key, stream, revision, offset);
        return index_put(es->index, ES_T_REDACTIONS, key, value);
    }
    es_value_snapshot(value, revision, offset);
    return index_put(es->index, ES_T_SNAPSHOTS, slot->b, value);
}
