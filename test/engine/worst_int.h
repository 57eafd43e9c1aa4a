/* Private to test/engine. See worst.h. */
#ifndef LEAT_TEST_ENGINE_WORST_INT_H
#define LEAT_TEST_ENGINE_WORST_INT_H

#include "core/check.h"
#include "engine/engine_int.h"
#include "env/env_sim.h"
#include "worst.h"

enum { WORST_TOPICS = 64, WORST_PARTITIONS = 16, WORST_GROUPS = 16, WORST_MEMBERS = 16 };

/* Something that will happen. Those of a process die with it. */
struct worst_event {
    struct list link; /* of the log's, by time; in none: not planned */
    uint64_t at_ns;
    void (*fn)(struct worst_event *ev);
};

/* A batch and its fate. Those of one partition are in order of their offsets. */
enum worst_fate { WORST_OPEN, WORST_COMMITTED, WORST_ABORTED };
struct worst_entry {
    struct list link;
    enum worst_fate fate;
    int64_t base_offset;
    int32_t count;
    uint8_t *bytes;
    size_t size;
};
struct worst_partition {
    struct list entries;
    int64_t start, end;
};
struct worst_topic {
    char name[256];
    struct uuid id;
    int32_t count;
    struct worst_partition parts[WORST_PARTITIONS];
};

struct worst_engine;
struct engine_member {
    struct worst_engine *engine; /* NULL: its process is gone */
    struct worst_group *group;
    struct engine_member_spec spec;
    struct str topics[WORST_GROUPS];
    char names[WORST_GROUPS][256];
};
/* One partition of one topic in a group. */
struct worst_claim {
    struct worst_topic *topic;
    int32_t partition;
    struct engine_member *owner;  /* whose appends count; he was told */
    struct engine_member *zombie; /* believes that it is still his */
    struct worst_group *group;
    struct worst_event wake; /* of the zombie */
    uint64_t epoch;
    int64_t committed;
};
struct worst_group {
    char name[256];
    struct engine_member *members[WORST_MEMBERS];
    size_t member_count;
    struct worst_claim claims[WORST_GROUPS * WORST_PARTITIONS];
    size_t claim_count;
    struct worst_event settle; /* gives out what nobody owns */
    struct worst_log *log;
};

struct worst_log {
    struct env *env;
    struct worst_config cfg;
    uint64_t rng;
    struct list events;
    struct list engines;
    struct list txns; /* those whose records are in the log, or will be */
    struct worst_topic *topics[WORST_TOPICS];
    size_t topic_count;
    struct worst_group groups[WORST_GROUPS];
    size_t group_count;
    struct worst_event rebalance;
    struct worst_stats stats;
};
struct worst_engine {
    struct engine base;
    struct worst_log *log;
    struct list link;
    bool dead;
    struct list calls; /* reads, seeks, ensures that are open */
    struct list watches;
    size_t batches_held;
};

static inline struct worst_engine *worst_of(struct engine *e)
{
    return CONTAINER_OF(e, struct worst_engine, base);
}
void *worst_alloc(size_t size); /* zeroed; not through core/mem: it never fails */
uint64_t worst_random(struct worst_log *log, uint64_t below);
bool worst_chance(struct worst_log *log, unsigned one_in);
void worst_plan(struct worst_log *log, struct worst_event *ev, uint64_t in_ns,
                void (*fn)(struct worst_event *ev));
void worst_forget(struct worst_event *ev);
/* As long as an answer takes. */
uint64_t worst_delay(struct worst_log *log);
struct worst_topic *worst_topic(struct worst_log *log, struct str name);
/* A rebalance, if chance wants one. */
void worst_maybe_rebalance(struct worst_log *log);

/* Of worst_append.c */
void worst_append(struct engine *e, struct engine_append *a);
void worst_txns_forget(struct worst_engine *e); /* its process is gone */
void worst_txns_free(struct worst_log *log);
struct worst_entry *worst_entry_add(struct worst_partition *p, struct worst_entry *en);
/* The first offset that readers may not see yet. */
int64_t worst_stable(const struct worst_partition *p);
uint8_t *worst_build(const struct engine_record *records, size_t count, int64_t now_ms,
                     size_t *size);

/* Of worst_read.c */
enum err worst_bounds(struct engine *e, struct str topic, int32_t partition, int64_t *start,
                      int64_t *end);
void worst_read(struct engine *e, struct engine_read *r);
void worst_read_cancel(struct engine *e, struct engine_read *r);
void worst_read_release(struct engine *e, struct engine_read *r);
void worst_seek(struct engine *e, struct engine_seek *s);
void worst_ensure(struct engine *e, struct engine_ensure *t);
void worst_wake_readers(struct worst_log *log);
void worst_calls_forget(struct worst_engine *e);

/* Of worst_group.c */
enum err worst_join(struct engine *e, const struct engine_member_spec *spec,
                    struct engine_member **out, struct ectx *ec);
void worst_leave(struct engine *e, struct engine_member *m);
void worst_group_forget(struct engine *e, struct str group);
void worst_members_forget(struct worst_engine *e);
struct worst_group *worst_group(struct worst_log *log, struct str name);
struct worst_claim *worst_claim_of(struct worst_group *g, const struct worst_topic *t,
                                   int32_t partition);

#endif
