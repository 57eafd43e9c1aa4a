/*
 * What a service may ask of a log: topics, appends that are atomic over partitions and with
 * consumed positions, reads, membership. Services (es, proj, ...) and the runtime (proc) are
 * written against this and nothing below it, so that the same code runs on Leat's own log
 * (embedded.c) and, later, on an Apache Kafka cluster. For tests there is a third one that behaves
 * like Kafka at its worst (test/engine: delays, aborts, fences, rebalances, gaps in offsets, no
 * global order).
 *
 * Everything is asynchronous: a call ends by its `done`, on the loop, perhaps before the call
 * returns. What is not committed is invisible, may be aborted, and is executed again: whoever
 * appends must be able to do it again from the committed positions. What an engine cannot offer is
 * a capability it lacks, checked when a service is configured (engine_require).
 *
 * All functions on the loop. Strings that are passed in must live until done.
 */
#ifndef LEAT_ENGINE_ENGINE_H
#define LEAT_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/list.h"
#include "core/str.h"
#include "core/uuid.h"
#include "env/env.h"
#include "record/record.h"

struct engine;

enum {
    /* Commit positions: every batch has one, unique, and ascending over all topics. Without it
     * `position` is 0, and an order exists within a partition only. */
    ENGINE_GLOBAL_ORDER = 1,
    /* The order is made within the call of engine_append: offsets are known when it returns, it
     * never aborts, and what was checked in the same turn of the loop still holds. */
    ENGINE_SEQUENCES = 2,
    /* Batches of plain producers pass a gate (engine_gate_set). */
    ENGINE_GATE = 4,
    /* What is stored can be replaced in its place (engine_rewrite). */
    ENGINE_REWRITE = 8,
};
unsigned engine_capabilities(const struct engine *e);
/* ERR_UNSUPPORTED_VERSION naming what `who` needs and this engine lacks. */
MUST_USE enum err engine_require(const struct engine *e, unsigned capabilities, const char *who,
                                 struct ectx *ec);
const char *engine_name(const struct engine *e); /* "embedded" */
struct env *engine_env(const struct engine *e);
struct env_poll *engine_poll(const struct engine *e);

/* ---- Topics
 * ---------------------------------------------------------------------------------------- */

struct engine_topic {
    struct str name; /* a view, valid until the topic is gone */
    struct uuid id;
    int32_t partition_count;
};
/* false: there is none. */
bool engine_topic_get(struct engine *e, struct str name, struct engine_topic *out);
/* All whose name begins with prefix, sorted by name; NULL: over the arena's budget. */
struct engine_topic *engine_topics(struct engine *e, struct str prefix, struct arena *a,
                                   size_t *count);
struct engine_setting {
    const char *name, *value;
};
struct engine_ensure {
    struct str name;
    int32_t partitions; /* -1: the default */
    const struct engine_setting *settings;
    size_t setting_count;
    void (*done)(struct engine_ensure *t); /* durable; there already is a success */
    void *ctx;
    enum err err; /* out */
    struct ectx ec;
    bool created;
    void *internal;
};
void engine_topic_ensure(struct engine *e, struct engine_ensure *t);
/* Tells that topics were created or are gone. */
struct engine_topic_watch {
    struct list link; /* engine's */
    void (*changed)(struct engine_topic_watch *w, struct str topic, bool gone);
};
void engine_topic_watch(struct engine *e, struct engine_topic_watch *w);
void engine_topic_unwatch(struct engine *e, struct engine_topic_watch *w);
/* First offset that can be read, and the first that cannot yet. */
MUST_USE enum err engine_bounds(struct engine *e, struct str topic, int32_t partition,
                                int64_t *start, int64_t *end);
/* The partition of a key: murmur2 as Java's client does; a null key: 0. */
int32_t engine_partition_of(const struct engine_topic *t, struct str key);

/* ---- Appending
 * ------------------------------------------------------------------------------------- */

struct engine_record {
    struct str key, value; /* null: null */
    const struct record_header *headers;
    size_t header_count;
    int64_t timestamp_ms; /* -1: now */
};
/* Records for one partition, in order. */
struct engine_part {
    struct str topic;
    int32_t partition;
    const struct engine_record *records;
    size_t count;
    int64_t base_offset; /* out */
    uint64_t position;   /* out, at done */
};
/* A position in an input up to which everything was processed: the next offset to be read. */
struct engine_input {
    struct str topic;
    int32_t partition;
    int64_t next_offset;
};
struct engine_member;
struct engine_append {
    struct engine_part *parts; /* a partition once only */
    size_t part_count;
    /* Consumed positions of `member`'s group, committed with it. May be all there is. */
    struct engine_member *member; /* NULL: no inputs */
    const struct engine_input *inputs;
    size_t input_count;
    /* `done` waits until all of it is on stable storage, also where the topic asks for less
     * (leat.durability=os; it may be visible before). */
    bool flush;
    /*
     * ERR_OK: all of it is durable and visible. ERR_ABORTED: none of it is; execute it again.
     * ERR_FENCED: another member has these partitions now; stop. ERR_AGAIN: the log has no room
     * for the moment, nothing was done. Others: nothing was done, and the same call would fail
     * again (ERR_UNKNOWN_TOPIC_OR_PARTITION, ERR_MESSAGE_TOO_LARGE, ERR_NO_SPACE, ...).
     */
    void (*done)(struct engine_append *a);
    void *ctx;
    enum err err; /* out */
    struct ectx ec;
    uint64_t position; /* out: highest commit position of it; 0 without ENGINE_GLOBAL_ORDER */
    bool flushed;      /* out, with `flush`: false: no memory or descriptor to see to that; it is
                          stored as the topic asks */
    void *internal;
};
/* With ENGINE_SEQUENCES an error is told by `done` before the call returns. The records' bytes are
 * copied within the call. */
void engine_append(struct engine *e, struct engine_append *a);
/* false: an append would be answered ERR_AGAIN now (a full ring, the barrier of a checkpoint). */
bool engine_append_ready(const struct engine *e);
/* Told once when appends have room again; then it is out of the list. */
struct engine_room_watch {
    struct list link; /* engine's */
    void (*room)(struct engine_room_watch *w);
};
void engine_room_watch(struct engine *e, struct engine_room_watch *w);
void engine_room_unwatch(struct engine_room_watch *w); /* harmless if it is in no list */
/* Largest sum of bytes of one append. */
size_t engine_append_max_bytes(const struct engine *e);

/*
 * Puts another batch in the place of a stored one, so that nobody can read the old one any more,
 * nor find it in the log's files: the same records but for their bytes, and not larger. Bytes that
 * nobody else may change: those of the batch outside of its records. ENGINE_REWRITE.
 */
struct engine_rewrite {
    struct str topic;
    int32_t partition;
    int64_t base_offset;
    uint32_t old_crc; /* the checksum in the header of the batch that is there */
    struct str batch; /* lives until done */
    /* ERR_OK: durable, and all that a reader gets from now on. ERR_ABORTED: another batch is there
     * now, look again. ERR_MESSAGE_TOO_LARGE: larger than the one that is there, or than one append
     * may be. ERR_INVALID_RECORD, ERR_OFFSET_OUT_OF_RANGE, ERR_DAMAGED, ERR_NO_MEMORY, ERR_LIMIT:
     * nothing was done. May wait for a checkpoint, as long as the disk is full. */
    void (*done)(struct engine_rewrite *r);
    void *ctx;
    enum err err; /* out */
    struct ectx ec;
    void *internal;
};
void engine_rewrite(struct engine *e, struct engine_rewrite *r);

/* ---- Reading
 * ---------------------------------------------------------------------------------------- */

struct engine_batch {
    struct str bytes;  /* a whole record batch (record/batch.h), no control batch */
    uint64_t position; /* its commit position; 0 without ENGINE_GLOBAL_ORDER */
};
struct engine_read {
    struct str topic;
    int32_t partition;
    int64_t offset;
    size_t max_bytes; /* about: whole batches, at least one */
    uint64_t wait_ns; /* 0: what is there; else until there is something, or so long */
    struct arena *arena;
    void (*done)(struct engine_read *r);
    void *ctx;
    /* out */
    enum err err; /* ERR_OFFSET_OUT_OF_RANGE, ERR_DAMAGED (names offsets), ... */
    struct ectx ec;
    struct engine_batch *batches; /* the first may begin below `offset`: skip records */
    size_t batch_count;
    int64_t next_offset;              /* where to go on; offsets may have gaps */
    int64_t start_offset, end_offset; /* as engine_bounds, when it was answered */
    void *internal;
};
/* `done` may be called before it returns (what is in memory), or later. */
void engine_read(struct engine *e, struct engine_read *r);
/* This event is read soon, alone. Whatever brings it nearer without waiting may begin; an engine
 * may do nothing. */
void engine_read_soon(struct engine *e, struct str topic, int32_t partition, int64_t offset);
/* `done` is not called any more; what was read is released. Harmless after done. */
void engine_read_cancel(struct engine *e, struct engine_read *r);
/* Gives the memory of the batches back. After every done with ERR_OK. */
void engine_read_release(struct engine *e, struct engine_read *r);

/* Everything with a commit position up to this is visible in engine_bounds and reads; what comes
 * later is above it. ENGINE_GLOBAL_ORDER. */
uint64_t engine_position(const struct engine *e);
/* Called whenever engine_position has grown: for readers of many partitions. */
struct engine_position_watch {
    struct list link; /* engine's */
    void (*moved)(struct engine_position_watch *w);
};
void engine_position_watch(struct engine *e, struct engine_position_watch *w);
void engine_position_unwatch(struct engine *e, struct engine_position_watch *w);

/* Offsets by commit position or by time: that of the first record whose batch has a position above
 * `position`, or whose timestamp is at least `timestamp_ms`. end_offset if there is none. */
struct engine_seek {
    struct str topic;
    int32_t partition;
    enum { ENGINE_SEEK_POSITION, ENGINE_SEEK_TIME } by;
    uint64_t position;
    int64_t timestamp_ms;
    void (*done)(struct engine_seek *s);
    void *ctx;
    enum err err; /* out */
    struct ectx ec;
    int64_t offset;
    void *internal;
};
void engine_seek(struct engine *e, struct engine_seek *s);

/* ---- Membership: which partitions are mine
 * ------------------------------------------------------------ */

struct engine_member_spec {
    struct str group; /* shown as a consumer group, with its lag */
    const struct str *topics;
    size_t topic_count;
    void *ctx;
    /* From now on this partition is the member's; committed: next offset to read, -1: none. `epoch`
     * grows with every assignment of it to anybody. */
    void (*assigned)(void *ctx, struct str topic, int32_t partition, int64_t committed,
                     uint64_t epoch);
    /* Not any more. Appends with inputs of it that are not done end with ERR_FENCED or are done. */
    void (*revoked)(void *ctx, struct str topic, int32_t partition);
};
MUST_USE enum err engine_join(struct engine *e, const struct engine_member_spec *spec,
                              struct engine_member **out, struct ectx *ec);
/* revoked is not called. Appends in flight end as they may. */
void engine_leave(struct engine *e, struct engine_member *m);
/* The group is over: it goes, with the positions that it has committed, unless somebody is in it.
 * Nobody is told; if the log has no room for that now, it stays. */
void engine_group_forget(struct engine *e, struct str group);

/* ---- The gate of plain producers (ENGINE_GATE)
 * ------------------------------------------------------- */

/*
 * A batch that a Kafka client produces to a guarded topic, validated, before it gets its offset.
 * The gate may let it pass as it is, put another batch in its place (headers added), or refuse it.
 */
struct engine_gate_item {
    struct str topic;
    int32_t partition;
    struct str batch; /* whole and validated; perhaps compressed */
    struct arena *arena;
    /* out */
    struct str replacement; /* null: as it is. Same number of records */
    struct str error;       /* for the client, if refused; in the arena */
    struct {
        int32_t index;
        struct str message;
    } * record_errors;
    size_t record_error_count;
    int64_t original_offset; /* with ERR_DUPLICATE_SEQUENCE_NUMBER; -1: not known */
    void *internal;          /* the gate's, from check to sequenced and durable */
};
/* None of these may append anything. */
struct engine_gate {
    void *ctx;
    bool (*guards)(void *ctx, struct str topic);
    /* ERR_OK: it may pass; then `sequenced` follows within the same turn. ERR_AGAIN: something must
     * be read first; the gate calls engine_gate_retry when it has been.
     * ERR_DUPLICATE_SEQUENCE_NUMBER: it is there already, and durable; it is answered as stored, at
     * original_offset. Others: refused with this. */
    enum err (*check)(void *ctx, struct engine_gate_item *item, struct ectx *ec);
    void (*sequenced)(void *ctx, struct engine_gate_item *item, int64_t base_offset);
    void (*durable)(void *ctx, struct engine_gate_item *item, uint64_t position);
    /* Checked, but not sequenced after all (no space, ...). */
    void (*dropped)(void *ctx, struct engine_gate_item *item);
    /* A change of a guarded topic that a client asks for, `what` is "create", "delete", "delete
     * records", "add partitions" or "change" (then `setting` is which; else null): ERR_OK or the
     * reason in ec. */
    enum err (*change)(void *ctx, struct str topic, const char *what, struct str setting,
                       struct ectx *ec);
};
void engine_gate_set(struct engine *e, const struct engine_gate *gate); /* NULL: none any more */
/* Takes effect with the next turn of the loop. */
void engine_gate_retry(struct engine *e);

/* ---- Engines
 * ---------------------------------------------------------------------------------------- */

struct broker;
struct groups;
struct store;
/* Leat's own log. */
MUST_USE enum err engine_embedded_create(struct env *env, struct env_poll *poll,
                                         struct store *store, struct broker *broker,
                                         struct groups *groups, struct engine **out);
/* At the end, in this order: readers cancel and release what they have, store_close (which ends the
 * appends), then who used the engine, then engine_destroy, then groups and broker. */
void engine_destroy(struct engine *e);
/* From the server's hooks: a partition advanced, the store is ready again. */
void engine_on_advance(struct engine *e);
void engine_on_ready(struct engine *e);
/* At the end of each turn of the loop: runs what is due (reads that have waited long enough), and
 * says when to call again (monotonic ns; UINT64_MAX: nothing waits). */
uint64_t engine_tick(struct engine *e, uint64_t now_ns);

#endif
