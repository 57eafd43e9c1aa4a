/*
 * The event store from within: what it holds, the tables of its index, and what the two sides
 * share.
 *
 *   write side   es.c catchup.c category.c heads.c append.c rules.c ids.c query.c change.c gate.c
 *                write_record.c, and hash.c keys.c look.c facts.c view.c, which both use
 *   read side    read.c (its life) read_record.c position.c read_stream.c read_all.c subscribe.c
 *                list.c info.c snapshot.c
 *
 * What is sequenced is known to the write side alone (frames in flight, heads.c). The index holds
 * what is durable *and* visible: entries of an append are put when it is durable, all of them in
 * one turn, before its answer. So the read side asks the index and the engine, never a head.
 */
#ifndef LEAT_ES_ES_INT_H
#define LEAT_ES_ES_INT_H

#include "core/list.h"
#include "core/map.h"
#include "es/es.h"
#include "index/index.h"

/* ---- Limits
 * ------------------------------------------------------------------------------------------ */

#define ES_CATEGORY_MAX    240u  /* bytes of a category's name: "es." and it are a topic's name */
#define ES_CATEGORIES_MAX  4096u /* explicit ones, too */
#define ES_PARTITIONS_MAX  1024u /* of one category */
#define ES_META_MAX        (64u * 1024)
#define ES_SCHEMA_MAX      128u /* a snapshot's schema tag; MAPPING_TAG_BYTES_MAX */
#define ES_FIELDS_MAX      64u  /* of one redaction */
#define ES_REASON_MAX      1024u
#define ES_OPS_MAX         16384u /* appends, changes and produced batches that are not answered */
#define ES_ROOM_WAIT_NS    15000000000u /* that one of them waits for room in the log */
#define ES_FLIGHT_MAX      262144u      /* events sequenced and not yet durable and in the index */
#define ES_HEADS_MAX       65536u /* heads of streams that are kept though nothing needs them */
#define ES_QUERY_TERMS_MAX 2048u  /* types and tags of all queries of one append */
#define ES_QUERY_STEPS_NOW 256u   /* look-ups in a turn of the loop; what needs more is walked */
#define ES_WALKS_RUNNING   4u     /* queries that are walked at once; others wait */
#define ES_WALKS_MAX       1024u  /* both */
#define ES_WALK_BYTES      (256u * 1024) /* of entries, of one of them */
#define ES_WALK_NS         60000000000u  /* all walks of one append; then it is busy */
#define ES_REVISION_MAX    ((1ull << 48) - 1)

/* ---- Hashes
 * ------------------------------------------------------------------------------------------ */

/*
 * Names of any length become 16 bytes: SipHash-2-4 with 128 bits of output. Fast for short inputs
 * (it is computed five times an event), and keyed, so that nobody who does not know the key can
 * make two names meet; 10^10 names meet by chance with a probability of 10^-19. The key is made at
 * random with each new index and kept in its `covered`: a hash means something within one index
 * only. (Truncated SHA-256 needs no key and takes five times as long for such inputs.)
 */
struct es_hash {
    uint8_t b[16];
};
struct es_hash es_siphash(const uint8_t key[16], struct str bytes);
struct es_hash es_hash_stream(const struct es *es, struct str stream);
struct es_hash es_hash_id(const struct es *es, const struct es_hash *stream, struct str id);
struct es_hash es_hash_tag(const struct es *es, struct str tag);
struct es_hash es_hash_type(const struct es *es, struct str type);
struct es_hash es_hash_slot(const struct es *es, const struct es_hash *stream, struct str schema);
uint64_t es_hash_category(const struct es *es, struct str category);
uint64_t es_hash_short(const struct es_hash *h); /* its first 8 bytes */
static inline bool es_hash_eq(const struct es_hash *a, const struct es_hash *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* ---- Tables of the index
 * -------------------------------------------------------------------------------------- */

/*
 * events      stream 16, revision 8                  -> offset 8, commit 8, index 4
 * ids         (stream, id) 16                        -> revision 8, body 8
 * terms       (tag or type) 16, commit 8, index 4    -> category 8, partition 4, offset 8, type 8
 * streams     category 8, commit 8, index 4          -> partition 4, offset 8: first events
 * facts       stream 16                              -> struct es_status, 32
 * redactions  stream 16, revision 8, fact's offset 8 -> flags 1, fact's partition 4
 * snapshots   (stream, schema) 16                    -> revision 8, fact's offset 8
 *
 * Numbers are big-endian. Events are in es.CATEGORY, partition by the stream's name; facts in
 * __leat_streams, the same way. A stream's head is the last entry of `events` with its hash.
 * Nothing is ever removed: entries of truncated events stay.
 */
enum es_table {
    ES_T_EVENTS,
    ES_T_IDS,
    ES_T_TERMS,
    ES_T_STREAMS,
    ES_T_FACTS,
    ES_T_REDACTIONS,
    ES_T_SNAPSHOTS,
    ES_T_COUNT
};
enum {
    ES_KEY_EVENT = 24,
    ES_VALUE_EVENT = 20,
    ES_KEY_ID = 16,
    ES_VALUE_ID = 16,
    ES_KEY_TERM = 28,
    ES_VALUE_TERM = 28,
    ES_KEY_STREAM = 20,
    ES_VALUE_STREAM = 12,
    ES_KEY_FACT = 16,
    ES_VALUE_FACT = 32,
    ES_KEY_REDACTION = 32,
    ES_VALUE_REDACTION = 5,
    ES_KEY_SNAPSHOT = 16,
    ES_VALUE_SNAPSHOT = 16,
};
extern const struct index_table es_tables[ES_T_COUNT];

/* The body of an id whose event was erased: whatever is sent again with it is that event. */
#define ES_BODY_ANY 0u

struct es_redaction_value {
    bool whole;        /* all of the data, else fields that the fact names */
    bool erased;       /* known to be out of the log (erase.h) */
    int32_t partition; /* of the fact */
};
void es_value_redaction(uint8_t out[ES_VALUE_REDACTION], const struct es_redaction_value *v);
void es_value_redaction_read(const uint8_t value[ES_VALUE_REDACTION],
                             struct es_redaction_value *out);

struct es_place { /* of an event */
    int64_t offset;
    struct es_position position;
};
struct es_term { /* an event that has a tag or type */
    struct es_position position;
    uint64_t category; /* es_category_by_hash */
    int32_t partition;
    int64_t offset;
    uint64_t type; /* es_hash_short of its type */
};
/* What facts say of a stream. Absent: es_status_init. */
struct es_status {
    int64_t fact;        /* offset of the newest fact of it; -1: none */
    enum es_state_fact { /* as the fact says; see es_state_now */
                         ES_FACT_ACTIVE,
                         ES_FACT_SOFT_DELETED,
                         ES_FACT_TOMBSTONED
    } fact_state;
    uint64_t truncate_before; /* 0: none; at least `born` */
    uint64_t born;            /* where its present life began: behind the last soft delete */
    int64_t max_age_ms;       /* -1: none */
    int64_t max_count;        /* -1: none */
};
void es_status_init(struct es_status *s);
/* An append to a soft-deleted stream brings it to life without a further fact: its head is at or
 * above `born` then. */
enum es_state es_state_now(const struct es_status *s, bool has_events, uint64_t head);

void es_key_event(uint8_t out[ES_KEY_EVENT], const struct es_hash *stream, uint64_t revision);
uint64_t es_key_event_revision(const uint8_t key[ES_KEY_EVENT]);
void es_value_event(uint8_t out[ES_VALUE_EVENT], const struct es_place *p);
void es_value_event_read(const uint8_t value[ES_VALUE_EVENT], struct es_place *out);
void es_value_id(uint8_t out[ES_VALUE_ID], uint64_t revision, uint64_t body);
void es_value_id_read(const uint8_t value[ES_VALUE_ID], uint64_t *revision, uint64_t *body);
void es_key_term(uint8_t out[ES_KEY_TERM], const struct es_hash *term, struct es_position p);
void es_value_term(uint8_t out[ES_VALUE_TERM], const struct es_term *t);
void es_term_read(const uint8_t key[ES_KEY_TERM], const uint8_t value[ES_VALUE_TERM],
                  struct es_term *out);
void es_key_stream(uint8_t out[ES_KEY_STREAM], uint64_t category, struct es_position p);
struct es_position es_key_stream_position(const uint8_t key[ES_KEY_STREAM]);
void es_value_stream(uint8_t out[ES_VALUE_STREAM], int32_t partition, int64_t offset);
void es_value_stream_read(const uint8_t value[ES_VALUE_STREAM], int32_t *partition,
                          int64_t *offset);
void es_value_fact(uint8_t out[ES_VALUE_FACT], const struct es_status *s);
void es_value_fact_read(const uint8_t value[ES_VALUE_FACT], struct es_status *out);
void es_key_redaction(uint8_t out[ES_KEY_REDACTION], const struct es_hash *stream,
                      uint64_t revision, int64_t fact);
int64_t es_key_redaction_fact(const uint8_t key[ES_KEY_REDACTION]);
void es_value_snapshot(uint8_t out[ES_VALUE_SNAPSHOT], uint64_t revision, int64_t fact);
void es_value_snapshot_read(const uint8_t value[ES_VALUE_SNAPSHOT], uint64_t *revision,
                            int64_t *fact);

/*
 * Several look-ups, at once if memory and page cache can answer, else by jobs of the index.
 *
 *     if (es_look(es, &set)) { ... all are answered ... }   // `done` is not called
 *     else                   { ... done(set) comes later, on the loop ... }
 *
 * What is in the set lives until then. err of each: ERR_OK, ERR_NOT_FOUND, or worse. When the event
 * store stops it waits for the sets that are out.
 */
struct es_look {
    enum {
        ES_LOOK_GET,
        ES_LOOK_LAST,
        ES_LOOK_SCAN,
        ES_LOOK_SCAN_LATER, /* by a job in any case: it is long */
    } kind;
    enum es_table table;
    uint8_t key[INDEX_KEY_MAX]; /* GET: the key. LAST: the prefix */
    uint8_t at_most[INDEX_KEY_MAX];
    bool has_at_most;       /* LAST: not above it */
    struct index_scan scan; /* SCAN; `table` is set from above */
    enum err err;           /* out */
    uint8_t key_out[INDEX_KEY_MAX];
    uint8_t value[INDEX_VALUE_MAX];
    void *ctx; /* the caller's */
    struct index_job job;
    struct es_look_set *set;
};
struct es_look_set {
    struct es_look *looks;
    size_t count;
    void (*done)(struct es_look_set *set);
    void *ctx;
    struct es *es;
    size_t pending;
};
bool es_look(struct es *es, struct es_look_set *set);

/* ---- Categories and topics
 * ------------------------------------------------------------------------------ */

struct es_cat {
    struct str name, topic; /* "order", "es.order"; topic is name - 3 */
    char *memory;
    uint64_t hash;  /* es_hash_category */
    struct uuid id; /* of the topic */
    int32_t partitions;
    int64_t *covered; /* next offset for each partition: below it all is in the index */
    uint64_t events;  /* indexed since the index began */
};
/* The part before the first '-'. False: no name of a stream (empty, too long, not UTF-8, control
 * characters, or a category that is no topic's name); ec says what. */
bool es_stream_name_check(struct str stream, struct str *category, struct ectx *ec);
struct es_cat *es_cat_find(struct es *es, struct str category); /* NULL: none */
struct es_cat *es_cat_by_hash(struct es *es, uint64_t hash);
struct es_cat *es_cat_of_topic(struct es *es, struct str topic);
int32_t es_cat_partition(const struct es_cat *c, struct str stream);
int32_t es_facts_partition(const struct es *es, struct str stream);

/* ---- Records
 * ------------------------------------------------------------------------------------------ */

#define ES_HEADER_REVISION "leat-revision" /* decimal */
#define ES_HEADER_EXPECTED "leat-expected-version"
#define ES_HEADER_TAG      "leat-tag"  /* one for each tag */
#define ES_HEADER_META     "leat-meta" /* a JSON object */

/* Which of the headers that the event store reads itself: names in any case. */
enum es_header {
    ES_H_OTHER,
    ES_H_ID,
    ES_H_TYPE,
    ES_H_TAG,
    ES_H_META,
    ES_H_REVISION,
    ES_H_EXPECTED,
};
enum es_header es_header_of(struct str name);

/* An event's record as far as the index needs it; strings are views of the record. Of a header that
 * is there twice the last counts; what is empty or too long is passed over. */
struct es_view {
    struct str stream, id, type, data, meta;
    struct str tags[ES_TAGS_MAX];
    size_t tag_count;
    bool has_revision;
    uint64_t revision;
    struct str expected; /* of ES_HEADER_EXPECTED; null: none */
};
/* ERR_MALFORMED: not an event: no key that is a stream's, or no type. */
MUST_USE enum err es_view_read(const struct record *r, struct es_view *out, struct ectx *ec);
/* Is it a stored event: with a revision and an id, too? The index has these, and readers show them;
 * all other records are somebody else's. */
bool es_view_event(const struct record *r, struct es_view *out);
/* Is it a JSON object? ERR_MALFORMED, ERR_NO_MEMORY. */
MUST_USE enum err es_meta_check(struct str meta, struct ectx *ec);
/* What makes two events with one id the same: type, data, meta, tags in their order. Neither times
 * nor trace context: they may differ when it is sent again. */
uint64_t es_body_hash(const struct es *es, struct str type, struct str data, struct str meta,
                      const struct str *tags, size_t tag_count);

/*
 * A fact: a record of __leat_streams, key = stream, value = JSON:
 *   {"fact":"state","state":"active","truncate_before":3,"born":0,"max_age_ms":1000,"max_count":10}
 *   {"fact":"redaction","revision":5,"fields":["/email"],"reason":"..."}       no fields: all data
 *   {"fact":"snapshot","revision":7,"schema":"Order.v3","incomplete_before":3,"state":{...}}
 * A state is whole: the newest one says everything. The record's timestamp is its time.
 */
struct es_fact {
    enum { ES_FACT_STATE, ES_FACT_REDACTION, ES_FACT_SNAPSHOT } kind;
    struct es_status status;
    uint64_t revision;
    struct str fields[ES_FIELDS_MAX];
    size_t field_count;
    struct str reason;
    struct str schema, snapshot; /* snapshot: raw JSON */
    uint64_t incomplete_before;  /* of a snapshot; 0 is not written */
};
/* Strings are views of value, or in the arena. */
MUST_USE enum err es_fact_parse(struct str value, struct arena *a, struct es_fact *out,
                                struct ectx *ec);
/* Null: over the arena's budget. */
struct str es_fact_format(const struct es_fact *f, struct arena *a);

/* ---- The store
 * ------------------------------------------------------------------------------------------ */

enum es_life {
    ES_NEW,
    ES_CATCHING_UP,
    ES_READY,
    ES_REBUILDING, /* the index was harmed: what is in flight ends, then it begins anew */
    ES_STOPPED,
};

struct es_defs;   /* define.h: folds and upcasts */
struct es_autos;  /* define.h: snapshots that folds ask for */
struct es_eraser; /* erase.h: redacted data goes out of the log */
struct es_writer; /* write side: frames in flight, heads, what waits */
struct es_reader; /* read side: reads that are out, subscriptions */

struct es {
    struct engine *engine;
    struct env *env;
    struct metrics *metrics;
    char *dir;
    enum es_life life;
    struct ectx failure; /* code ERR_OK: none; else appends are refused for ever with it */
    struct index *index; /* NULL outside of CATCHING_UP and READY */
    uint8_t hash_key[16];
    size_t looks;        /* sets of look-ups that are out */
    uint64_t covered_ns; /* when the index was last told how far it is */
    bool watching, gated;
    struct engine_topic_watch watch;
    struct engine_ensure ensure; /* of __leat_streams */
    struct uuid facts_id;        /* of the topic */
    int32_t facts_partitions;
    int64_t *facts_covered;
    struct list making;      /* categories that are being made (category.c) */
    struct map cats;         /* name -> struct es_cat */
    struct map cats_by_hash; /* u64 */
    /* options */
    int32_t default_partitions;
    size_t auto_categories_max;
    size_t event_max_bytes;
    uint64_t index_memory_bytes;
    struct es_gauges *gauges;
    struct es_writer *writer;
    struct es_reader *reader;
    struct es_defs *defs;
    struct es_autos *autos;
    struct es_eraser *eraser;
    struct es_catchup *catchup;
    void (*ready)(void *ctx, enum err e, const struct ectx *ec);
    void *ready_ctx;
};
/* Not ready: the problem to answer with (ES_UNAVAILABLE) and why. ES_OK: go on. */
enum es_problem es_life_check(const struct es *es, struct ectx *ec);

/* Called by es.c; written by the read side. */
MUST_USE enum err es_reader_create(struct es *es, struct es_reader **out);
void es_reader_destroy(struct es_reader *r);
void es_reader_tick(struct es *es);
/* An append is durable and in the index. */
void es_reader_advanced(struct es *es);
/* A stream was deleted for ever, durably: who follows it is told. */
void es_reader_tombstoned(struct es *es, struct str stream);
/* Ends all reads (ES_UNAVAILABLE) and, if `closing`, subscriptions, so that no look-up is begun
 * any more; without `closing` (rebuilding) subscriptions pause until es_reader_advanced. */
void es_reader_stop(struct es *es, bool closing);

#endif
