/*
 * Inside of Leat's own engine: what its files share.
 *
 * A call that ends later is an operation here, in a list of the engine until its `done` was called.
 * What is left when the engine is destroyed (the store has failed, or the server stops) is freed
 * without a word: after a failure of the store nobody is told anything.
 */
#ifndef LEAT_ENGINE_EMBEDDED_INT_H
#define LEAT_ENGINE_EMBEDDED_INT_H

#include "broker/broker.h"
#include "core/heap.h"
#include "engine/engine_int.h"
#include "group/group.h"
#include "record/builder.h"
#include "store/store.h"

/* Planted faults: tests switch one on and must then find the damage that it does. */
struct engine_faults {
    bool done_early;       /* an append is answered before it is durable */
    bool inputs_forgotten; /* the positions of the input are not in the frame */
    bool zombie_commits;   /* a member that was replaced may commit */
    bool assigned_early;   /* partitions are assigned before the epoch is durable */
};
#ifdef LEAT_DEBUG
extern struct engine_faults engine_faults;
#define ENGINE_FAULT(name) (engine_faults.name)
#else
#define ENGINE_FAULT(name) false
#endif

struct embedded {
    struct engine base; /* first */
    struct store *store;
    struct broker *broker;
    struct groups *groups;
    struct list room_watches;                             /* of engine_room_watch */
    struct list appends, rewrites, reads, seeks, ensures; /* operations under way */
    struct list reads_idle;                               /* memory of reads, for the next ones */
    size_t reads_idle_count;
    struct list members, forgets;
    bool members_due; /* some wait for room in the log */
    struct engine_gate gate;
    bool retry_posted;
    struct heap timers; /* of reads that wait */
    struct list topic_watches, position_watches;
    uint64_t told_position; /* to the watches */
    struct broker_topic_watch watch;
    bool ensures_due;             /* something has changed that topics to be made may wait for */
    struct batch_builder builder; /* kept, so that a steady state does not allocate */
    struct record_scratch scratch;
};

static inline struct embedded *embedded_of(struct engine *e)
{
    return CONTAINER_OF(e, struct embedded, base);
}
static inline const struct embedded *embedded_of_const(const struct engine *e)
{
    return (const struct embedded *)(const void *)e; /* base is first */
}
/* NULL and *err, with the words for it. */
struct partition *embedded_partition(struct embedded *m, struct str topic, int32_t index,
                                     enum err *err, struct ectx *ec);

/* embedded_topic.c */
bool embedded_topic_get(struct engine *e, struct str name, struct engine_topic *out);
struct engine_topic *embedded_topics(struct engine *e, struct str prefix, struct arena *a,
                                     size_t *count);
void embedded_topic_ensure(struct engine *e, struct engine_ensure *t);
void ensures_go_on(struct embedded *m); /* something has changed */
void ensures_free(struct embedded *m);

/* embedded_append.c */
void embedded_append(struct engine *e, struct engine_append *a);
size_t embedded_append_max_bytes(const struct engine *e);
void appends_free(struct embedded *m);

/* embedded_rewrite.c */
void embedded_rewrite(struct engine *e, struct engine_rewrite *r);
void rewrites_end(struct embedded *m);

/* embedded_read.c */
void embedded_read(struct engine *e, struct engine_read *r);
void embedded_read_soon(struct engine *e, struct str topic, int32_t partition, int64_t offset);
void embedded_read_cancel(struct engine *e, struct engine_read *r);
void embedded_read_release(struct engine *e, struct engine_read *r);
uint64_t reads_tick(struct embedded *m, uint64_t now_ns);
void reads_free(struct embedded *m);

/* embedded_seek.c */
void embedded_seek(struct engine *e, struct engine_seek *s);
void seeks_free(struct embedded *m);

/* embedded_gate.c */
void embedded_gate_set(struct engine *e, const struct engine_gate *gate);
void embedded_gate_retry(struct engine *e);

/* embedded_member.c */
enum err embedded_join(struct engine *e, const struct engine_member_spec *spec,
                       struct engine_member **out, struct ectx *ec);
void embedded_leave(struct engine *e, struct engine_member *m);
void embedded_group_forget(struct engine *e, struct str group);
/* The inputs of an append as a commit to be carried by its frame. */
MUST_USE enum err member_commit(struct embedded *m, const struct engine_append *a,
                                struct group_op **out, struct str *fact, struct ectx *ec);
void members_on_topic(struct embedded *m, struct topic *t, bool gone);
void members_go_on(struct embedded *m);
void members_free(struct embedded *m);

#endif
