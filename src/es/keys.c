/*
 * Keys and values of the index's tables, field by field (es_int.h has the table of them), and what
 * a stream's status means.
 */
#include "core/bytes.h"
#include "es/es_int.h"

const struct index_table es_tables[ES_T_COUNT] = {
    [ES_T_EVENTS] = {"events", ES_KEY_EVENT, 16, ES_VALUE_EVENT, true}, /* revisions ascend */
    [ES_T_IDS] = {"ids", ES_KEY_ID, 16, ES_VALUE_ID, false},
    [ES_T_TERMS] = {"terms", ES_KEY_TERM, 16, ES_VALUE_TERM, false},
    [ES_T_STREAMS] = {"streams", ES_KEY_STREAM, 8, ES_VALUE_STREAM, false},
    [ES_T_FACTS] = {"facts", ES_KEY_FACT, 16, ES_VALUE_FACT, false},
    [ES_T_REDACTIONS] = {"redactions", ES_KEY_REDACTION, 24, ES_VALUE_REDACTION, false},
    [ES_T_SNAPSHOTS] = {"snapshots", ES_KEY_SNAPSHOT, 16, ES_VALUE_SNAPSHOT, false},
};

static void put_u48(uint8_t *out, uint64_t v)
{
    put_be16(out, (uint16_t)(v >> 32));
    put_be32(out + 2, (uint32_t)v);
}

static uint64_t get_u48(const uint8_t *p)
{
    return (uint64_t)get_be16(p) << 32 | get_be32(p + 2);
}

static void put_position(uint8_t *out, struct es_position p)
{
    put_be64(out, p.commit);
    put_be32(out + 8, p.index);
}

static struct es_position get_position(const uint8_t *p)
{
    return (struct es_position){get_be64(p), get_be32(p + 8)};
}

void es_key_event(uint8_t out[ES_KEY_EVENT], const struct es_hash *stream, uint64_t revision)
{
    memcpy(out, stream->b, 16);
    put_be64(out + 16, revision);
}

uint64_t es_key_event_revision(const uint8_t key[ES_KEY_EVENT])
{
    return get_be64(key + 16);
}

void es_value_event(uint8_t out[ES_VALUE_EVENT], const struct es_place *p)
{
    put_be64(out, (uint64_t)p->offset);
    put_position(out + 8, p->position);
}

void es_value_event_read(const uint8_t value[ES_VALUE_EVENT], struct es_place *out)
{
    out->offset = (int64_t)get_be64(value);
    out->position = get_position(value + 8);
}

void es_value_id(uint8_t out[ES_VALUE_ID], uint64_t revision, uint64_t body)
{
    put_be64(out, revision);
    put_be64(out + 8, body);
}

void es_value_id_read(const uint8_t value[ES_VALUE_ID], uint64_t *revision, uint64_t *body)
{
    *revision = get_be64(value);
    *body = get_be64(value + 8);
}

void es_key_term(uint8_t out[ES_KEY_TERM], const struct es_hash *term, struct es_position p)
{
    memcpy(out, term->b, 16);
    put_position(out + 16, p);
}

void es_value_term(uint8_t out[ES_VALUE_TERM], const struct es_term *t)
{
    put_be64(out, t->category);
    put_be32(out + 8, (uint32_t)t->partition);
    put_be64(out + 12, (uint64_t)t->offset);
    put_be64(out + 20, t->type);
}

void es_term_read(const uint8_t key[ES_KEY_TERM], const uint8_t value[ES_VALUE_TERM],
                  struct es_term *out)
{
    out->position = get_position(key + 16);
    out->category = get_be64(value);
    out->partition = (int32_t)get_be32(value + 8);
    out->offset = (int64_t)get_be64(value + 12);
    out->type = get_be64(value + 20);
}

void es_key_stream(uint8_t out[ES_KEY_STREAM], uint64_t category, struct es_position p)
{
    put_be64(out, category);
    put_position(out + 8, p);
}

struct es_position es_key_stream_position(const uint8_t key[ES_KEY_STREAM])
{
    return get_position(key + 8);
}

void es_value_stream(uint8_t out[ES_VALUE_STREAM], int32_t partition, int64_t offset)
{
    put_be32(out, (uint32_t)partition);
    put_be64(out + 4, (uint64_t)offset);
}

void es_value_stream_read(const uint8_t value[ES_VALUE_STREAM], int32_t *partition, int64_t *offset)
{
    *partition = (int32_t)get_be32(value);
    *offset = (int64_t)get_be64(value + 4);
}

/* max_count has 40 bits, revisions and ages 48: all ones is "none". */
#define COUNT_NONE ((1ull << 40) - 1)
#define AGE_NONE   ((1ull << 48) - 1)

void es_value_fact(uint8_t out[ES_VALUE_FACT], const struct es_status *s)
{
    uint64_t count = s->max_count < 0 || (uint64_t)s->max_count >= COUNT_NONE
                         ? COUNT_NONE
                         : (uint64_t)s->max_count;
    uint64_t age = s->max_age_ms < 0 || (uint64_t)s->max_age_ms >= AGE_NONE
                       ? AGE_NONE
                       : (uint64_t)s->max_age_ms;
    put_be64(out, (uint64_t)s->fact);
    out[8] = (uint8_t)s->fact_state;
    put_u48(out + 9, s->truncate_before);
    put_u48(out + 15, s->born);
    put_u48(out + 21, age);
    out[27] = (uint8_t)(count >> 32);
    put_be32(out + 28, (uint32_t)count);
}

void es_value_fact_read(const uint8_t value[ES_VALUE_FACT], struct es_status *out)
{
    uint64_t age = get_u48(value + 21);
    uint64_t count = (uint64_t)value[27] << 32 | get_be32(value + 28);
    out->fact = (int64_t)get_be64(value);
    out->fact_state = (enum es_state_fact)value[8];
    out->truncate_before = get_u48(value + 9);
    out->born = get_u48(value + 15);
    out->max_age_ms = age == AGE_NONE ? -1 : (int64_t)age;
    out->max_count = count == COUNT_NONE ? -1 : (int64_t)count;
}

void es_key_redaction(uint8_t out[ES_KEY_REDACTION], const struct es_hash *stream,
                      uint64_t revision, int64_t fact)
{
    es_key_event(out, stream, revision);
    put_be64(out + 24, (uint64_t)fact);
}

int64_t es_key_redaction_fact(const uint8_t key[ES_KEY_REDACTION])
{
    return (int64_t)get_be64(key + 24);
}

enum { REDACTION_WHOLE = 1, REDACTION_ERASED = 2 };

void es_value_redaction(uint8_t out[ES_VALUE_REDACTION], const struct es_redaction_value *v)
{
    out[0] = (uint8_t)((v->whole ? REDACTION_WHOLE : 0) | (v->erased ? REDACTION_ERASED : 0));
    put_be32(out + 1, (uint32_t)v->partition);
}

void es_value_redaction_read(const uint8_t value[ES_VALUE_REDACTION],
                             struct es_redaction_value *out)
{
    *out = (struct es_redaction_value){.whole = (value[0] & REDACTION_WHOLE) != 0,
                                       .erased = (value[0] & REDACTION_ERASED) != 0,
                                       .partition = (int32_t)get_be32(value + 1)};
}

void es_value_snapshot(uint8_t out[ES_VALUE_SNAPSHOT], uint64_t revision, int64_t fact)
{
    put_be64(out, revision);
    put_be64(out + 8, (uint64_t)fact);
}

void es_value_snapshot_read(const uint8_t value[ES_VALUE_SNAPSHOT], uint64_t *revision,
                            int64_t *fact)
{
    *revision = get_be64(value);
    *fact = (int64_t)get_be64(value + 8);
}

void es_status_init(struct es_status *s)
{
    *s = (struct es_status){.fact = -1, .max_age_ms = -1, .max_count = -1};
}

enum es_state es_state_now(const struct es_status *s, bool has_events, uint64_t head)
{
    if (s->fact_state == ES_FACT_TOMBSTONED) {
        return ES_TOMBSTONED;
    }
    bool lives = has_events && head >= s->born;
    return s->fact_state == ES_FACT_SOFT_DELETED && !lives ? ES_SOFT_DELETED : ES_ACTIVE;
}
