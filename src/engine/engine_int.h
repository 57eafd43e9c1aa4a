/*
 * How an engine is made: a table of functions, one for each call of engine.h. engine.c checks
 * nothing and passes on; what does not depend on the log (engine_partition_of, engine_require) is
 * there too. An implementation has `struct engine` as its first member.
 */
#ifndef LEAT_ENGINE_ENGINE_INT_H
#define LEAT_ENGINE_ENGINE_INT_H

#include "engine/engine.h"

struct engine_ops {
    bool (*topic_get)(struct engine *e, struct str name, struct engine_topic *out);
    struct engine_topic *(*topics)(struct engine *e, struct str prefix, struct arena *a,
                                   size_t *count);
    void (*topic_ensure)(struct engine *e, struct engine_ensure *t);
    void (*topic_watch)(struct engine *e, struct engine_topic_watch *w);
    void (*topic_unwatch)(struct engine *e, struct engine_topic_watch *w);
    enum err (*bounds)(struct engine *e, struct str topic, int32_t partition, int64_t *start,
                       int64_t *end);
    void (*append)(struct engine *e, struct engine_append *a);
    size_t (*append_max_bytes)(const struct engine *e);
    /* NULL: always */
    bool (*append_ready)(const struct engine *e);
    void (*room_watch)(struct engine *e, struct engine_room_watch *w);
    /* NULL without ENGINE_REWRITE */
    void (*rewrite)(struct engine *e, struct engine_rewrite *r);
    void (*read)(struct engine *e, struct engine_read *r);
    void (*read_soon)(struct engine *e, struct str topic, int32_t partition,
                      int64_t offset); /* NULL: nothing */
    void (*read_cancel)(struct engine *e, struct engine_read *r);
    void (*read_release)(struct engine *e, struct engine_read *r);
    void (*seek)(struct engine *e, struct engine_seek *s);
    enum err (*join)(struct engine *e, const struct engine_member_spec *spec,
                     struct engine_member **out, struct ectx *ec);
    void (*leave)(struct engine *e, struct engine_member *m);
    void (*group_forget)(struct engine *e, struct str group);
    void (*destroy)(struct engine *e);
    /* NULL without ENGINE_GLOBAL_ORDER */
    uint64_t (*position)(const struct engine *e);
    void (*position_watch)(struct engine *e, struct engine_position_watch *w);
    void (*position_unwatch)(struct engine *e, struct engine_position_watch *w);
    /* NULL without ENGINE_GATE */
    void (*gate_set)(struct engine *e, const struct engine_gate *gate);
    void (*gate_retry)(struct engine *e);
    /* The server's hooks; may be NULL */
    void (*on_advance)(struct engine *e);
    void (*on_ready)(struct engine *e);
    uint64_t (*tick)(struct engine *e, uint64_t now_ns);
};

struct engine {
    const struct engine_ops *ops;
    const char *name;
    unsigned capabilities;
    struct env *env;
    struct env_poll *poll;
};

#endif
