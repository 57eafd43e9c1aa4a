/* Inside of a worker's side: statements, the set of parked keys, what is done for one event. */
#ifndef LEAT_PROJ_APPLY_INT_H
#define LEAT_PROJ_APPLY_INT_H

#include "core/map.h"
#include "proj/apply.h"
#include "proj/changes.h"
#include "proj/merge.h"
#include "record/record.h"

/* Statements on our own tables; parameters in the order of their numbers. */
enum meta_stmt {
    META_SERVED,        /* projection -> served */
    META_SERVED_TABLES, /* -> tables, as def_write_names has them */
    META_HOLD,          /* projection, version, shard, owner_epoch */
    META_CLAIM_GET,     /* projection, version, shard -> owner_epoch, position, topic_id */
    META_CLAIM_INSERT,  /* projection, version, shard, topic, epoch, position, live_from, now */
    META_CLAIM_UPDATE,  /* epoch, now, projection, version, shard, epoch (not above) */
    META_CHECKPOINT,    /* position, now, time, projection, version, shard, epoch, old position */
    META_CHECK_SHARD,   /* projection, version, shard -> position, live_from */
    META_PARK,          /* projection, version, shard, offset, key, id, type, reason, data, record,
                           now */
    META_UNPARK,        /* projection, version, shard, offset */
    META_REASON,        /* reason, projection, version, shard, offset */
    META_PARKED_KEYS,   /* projection, version, shard -> key, count */
    META_PARKED_OF,     /* projection, version, key, shard, limit -> offset, record */
    META_PARKED_COUNT,  /* projection, version, key -> how many */
    META_ACTION,        /* projection, version, id, shard, offset, gated, stream, type, data,
                           causation, correlation, traceparent */
    META_ACTION_TRIM,   /* projection, version, shard, offset, served version */
    META_PARKED_RANGE,  /* projection, version, shard -> the first and the last offset, or nulls */
    META_COUNT
};

struct apply_event {
    struct str shard, topic;
    int32_t partition;
    uint64_t position;
    const struct record *record;
    /* made of it */
    struct envelope envelope;
    struct str data_text;
    struct mapping_event event;
    struct str key;
    /* Upcasts made these of it, which rules see instead, one after the other; 0: none. */
    struct apply_form {
        struct envelope envelope;
        const struct json *data;
        uint32_t index; /* among all that were made of the event, wanted or not */
    } * forms;
    size_t form_count, form;
};

struct apply {
    const struct target_driver *driver;
    struct target_db *db;
    const struct def *d;
    struct target_stmt *meta[META_COUNT];
    struct target_stmt **stmts; /* of the definition */
    struct target_stmt *
        *asking; /* the same, telling the keys of their rows; NULL: not needed yet */
    const struct upcasts *upcasts; /* NULL: events are as they are stored */
    struct changes *changes;       /* who watches hears of them; NULL: nobody does */
    struct merge *merge;           /* changes that the target has not got yet; none if careful */
    struct arena event_arena;      /* what one event needs */
    struct arena batch_arena;      /* what one transaction needs */
    struct record_scratch scratch;
    struct map parked; /* "shard\nkey" -> how many (as a pointer) */
    uint64_t parked_count, parked_max;
    struct apply_shard {
        char *name; /* heap */
        uint64_t epoch;
        char anew[9]; /* of the topic's id, if it was made anew: its offsets were there before */
    } * shards;       /* that were claimed here */
    size_t shard_count, shard_room;
    bool parked_stale; /* a transaction was taken back: load them again */
    bool collided;     /* with another transaction (a deadlock): from then on one at a time */
    bool careful;      /* each event in a savepoint */
    bool doubt;        /* a statement of an earlier event may have failed only now */
    struct {
        bool known; /* in this transaction */
        struct str shard;
        bool direct;       /* this version is served */
        int64_t live_from; /* what is below is history */
        /* Of the other version that is served. */
        uint32_t served;
        int64_t reached;
        int64_t parked_first, parked_last; /* none: the last is below the first */
    } gate;
    /* What is served in this target, by whatever projection, as of this transaction. */
    struct apply_served {
        struct apply_served *next;
        struct str tables;
    } * served;
    bool served_known;
    int64_t now_ms;
    struct apply_counts *counts;
};

struct mapping_value apply_text(struct str s);
struct mapping_value apply_int(int64_t v);
struct mapping_value apply_name(const struct apply *a);
struct mapping_value apply_version(const struct apply *a);
MUST_USE enum err apply_meta(struct apply *a, enum meta_stmt s, const struct mapping_value *params,
                             size_t count, uint64_t *changed, struct ectx *ec);

#define APPLY_ARENA_KEEP (256u << 10)
/* apply.c: a transaction, and one event in it. */
MUST_USE enum err apply_begin(struct apply *a, struct ectx *ec);
void apply_roll_back(struct apply *a);
/* The rules of one event, in a savepoint if careful. ERR_MALFORMED: it cannot be applied (`why`).
 * *again: the transaction is of no use, and is to be done once more. */
MUST_USE enum err apply_try_rules(struct apply *a, struct apply_event *event, bool *again,
                                  struct ectx *why);
/* `e`, but ERR_MALFORMED if the event needed more memory than one may have. */
MUST_USE enum err apply_fault_of_event(const struct apply *a, enum err e, struct ectx *ec);
void apply_count_reason(struct apply *a, const struct ectx *why);
/* claim.c: only the present owner of a shard may touch its parked events. It stays the owner to the
 * end of the transaction: whoever claims the shard waits for that. */
MUST_USE enum err apply_hold(struct apply *a, struct str shard, bool *ours, struct ectx *ec);

/* What the rules say, for one event that was read (apply_event_read). ERR_MALFORMED: it cannot be
 * applied, and nothing of it was (in careful mode), or something may have been (else: the
 * transaction is of no use, *dirty). */
MUST_USE enum err apply_rules(struct apply *a, struct apply_event *e, bool *any, bool *dirty,
                              struct ectx *ec);
MUST_USE enum err apply_event_read(struct apply *a, struct apply_event *e, bool *wanted,
                                   struct ectx *ec);

/* column.c: a value as its column takes it; ERR_MALFORMED: it does not. And as a column of this
 * type gave it. */
MUST_USE enum err column_take(struct str column, enum def_type type, struct arena *a,
                              struct mapping_value *v, struct ectx *ec);
/* The same, for a value that is to be stored: one that is indexed takes no long texts. */
MUST_USE enum err column_store(const struct def_column *c, struct arena *a, struct mapping_value *v,
                               struct ectx *ec);
void column_give(enum def_type type, struct mapping_value *v);

/* json_column.c: a value as it stands in a column of type json, and back. Both false: no memory. Of
 * a column of an unknown type (a table that no projection made) only an object or array is JSON. */
MUST_USE bool json_column_write(struct arena *a, struct mapping_value *v);
MUST_USE bool json_column_read(struct arena *a, enum def_known known, struct mapping_value *v);
/* Whether a column of a view that is looked up is one, or of type boolean, as the target tells it.
 */
MUST_USE enum err json_column_of(struct apply *a, const struct def_lookup *l, size_t column,
                                 enum def_known *json, bool *boolean, struct ectx *ec);

/* action.c: what is to be appended once the event is live. */
MUST_USE enum err apply_actions(struct apply *a, const struct def_rule *rule,
                                const struct apply_event *event, const struct mapping_scope *scope,
                                bool *dirty, struct ectx *ec);
MUST_USE enum err apply_actions_trim(struct apply *a, struct str shard, struct ectx *ec);

/* Parking. */
bool park_has(const struct apply *a, struct str shard, struct str key);
MUST_USE enum err park_event(struct apply *a, const struct apply_event *e, const char *reason,
                             struct ectx *ec);
MUST_USE enum err park_load(struct apply *a, struct ectx *ec); /* of all shards */
/* Of the shard that was claimed (again: its keys may be there already), or of all if the set is
 * stale. */
MUST_USE enum err park_load_claimed(struct apply *a, struct str shard, bool again, struct ectx *ec);
void park_clear(struct apply *a);
MUST_USE bool park_count(struct apply *a, struct str shard, struct str key, int64_t by);
/* A record as text (base64 of its parts), so that it outlives the log's retention. Null: no
 * memory. */
struct str park_encode(const struct record *r, uint64_t position, struct arena *a);
bool park_decode(struct str text, struct arena *a, struct record *out, uint64_t *position);

/* Statements of our own tables. */
MUST_USE enum err meta_prepare(struct apply *a, struct ectx *ec);

#endif
