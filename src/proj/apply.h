/*
 * A version of a projection on one connection: events in, rows out, exactly once. Runs on a worker,
 * one call at a time; knows neither loop nor engine.
 *
 * One call is one transaction: the rows of some events, what was parked, and the checkpoints of the
 * shards that the events came from. A checkpoint moves only if it still has the epoch and the
 * position that the caller began from (else ERR_FENCED and nothing is done).
 *
 * An event that cannot be applied is parked with its reason, under its key, and so is every later
 * event of that key in its shard, in order, until they are tried again.
 */
#ifndef LEAT_PROJ_APPLY_H
#define LEAT_PROJ_APPLY_H

#include "engine/engine.h"
#include "proj/def.h"
#include "proj/target.h"

#define APPLY_KEY_MAX     1024u       /* bytes of a parked key; what is longer is cut */
#define APPLY_EVENT_BYTES (64u << 20) /* arena of one event */
#define APPLY_RETRY_MAX   1000u       /* parked events tried again in one transaction */
#define APPLY_REASON_MAX  480u

struct apply;

/* The number that a query gives; 0 if it has no row. */
MUST_USE enum err apply_ask(const struct target_driver *driver, struct target_db *db,
                            const char *sql, const struct mapping_value *params, size_t count,
                            int64_t *out, struct ectx *ec);
/* May a table or view of this name be made? ERR_CONFIG: somebody has one. */
MUST_USE enum err apply_name_is_free(const struct target_driver *driver, struct target_db *db,
                                     struct str name, struct ectx *ec);
/* Makes what every projection needs in its database, and the row of this projection; *served is 0
 * if there was none. Then the tables of this version. ERR_STOPPED: one of them is gone although
 * events were applied to it; nothing is made. */
MUST_USE enum err apply_setup(const struct target_driver *driver, struct target_db *db,
                              const struct def *d, int64_t now_ms, struct ectx *ec);
/* Prepares all statements. ERR_CONFIG: one of them is not right (a view that is not there). */
MUST_USE enum err apply_create(const struct target_driver *driver, struct target_db *db,
                               const struct def *d, struct apply **out, struct ectx *ec);
void apply_destroy(struct apply *a);

/* How many events it may have parked, of all its shards together; PROJ_PARKED_MAX if not said. A
 * transaction that would have more is taken back: ERR_LIMIT. */
void apply_parked_max(struct apply *a, uint64_t max);
/* From the next transaction on, what each one changes is noted there; NULL: nobody wants to know.
 * Not while a call is under way. */
struct changes;
void apply_watch(struct apply *a, struct changes *c);
/* Every shard that was claimed here is another one's, or is to be claimed again. */
void apply_forget(struct apply *a);

/* From the next transaction on, events are brought into their newest form by these; NULL: not. */
struct upcasts;
void apply_upcast(struct apply *a, const struct upcasts *u);

/* Takes a shard over. Its next offset comes back. ERR_FENCED: a later owner was here. ERR_EXISTS:
 * the checkpoint is of another topic with the same name. With `force` a later epoch is topped: the
 * claim gets the one after it, so that whoever had it is fenced. */
struct apply_claim {
    struct str shard; /* "es.order/3" */
    struct uuid topic_id;
    uint64_t epoch; /* in and out */
    bool force;
    int64_t start_offset, end_offset; /* of the partition, now */
    bool live_known;                  /* else what follows is up to what is served */
    int64_t live_from;                /* events below are history */
    bool anew;                        /* the topic is not the one that was declared */
    int64_t now_ms;
    int64_t next_offset; /* out */
    uint64_t parked_now; /* out: events, of all shards of this connection */
};
MUST_USE enum err apply_claim(struct apply *a, struct apply_claim *c, struct ectx *ec);

/* Events of one shard. */
struct apply_read {
    struct str shard, topic;
    int32_t partition;
    uint64_t epoch;
    int64_t from, next_offset; /* the checkpoint, as it is and as it will be */
    const struct engine_batch *batches;
    size_t batch_count;
    /* out */
    bool stopped;         /* on_error stop: next_offset is that of the event, `reason` says why */
    int64_t last_time_ms; /* of the last event; -1: none */
};
struct apply_counts {
    uint64_t events, applied, parked, skipped; /* applied: some rule was for it */
    uint64_t parked_now;                       /* in all, of this connection's shards */
    uint64_t actions;                          /* to be appended, now or after a switch */
    uint64_t left;                             /* of a key that was tried again, still parked */
    char reason[APPLY_REASON_MAX];             /* the last one */
};
MUST_USE enum err apply_reads(struct apply *a, struct apply_read *reads, size_t count,
                              int64_t now_ms, struct apply_counts *counts, struct ectx *ec);

/* Tries the parked events of a key again, in order, at most APPLY_RETRY_MAX in one call; `more` if
 * there are more. skip_first: the first one is dropped. ERR_NOT_FOUND: no such key. */
MUST_USE enum err apply_retry(struct apply *a, struct str key, bool skip_first, int64_t now_ms,
                              struct apply_counts *counts, bool *more, struct ectx *ec);

#endif
