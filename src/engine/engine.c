/* What every engine shares, and the way through its table of functions. */
#include "engine/engine_int.h"

#include "core/check.h"
#include "core/hash.h"

unsigned engine_capabilities(const struct engine *e)
{
    return e->capabilities;
}

enum err engine_require(const struct engine *e, unsigned capabilities, const char *who,
                        struct ectx *ec)
{
    static const struct {
        unsigned bit;
        const char *what;
    } names[] = {
        {ENGINE_GLOBAL_ORDER, "one order over all topics"},
        {ENGINE_SEQUENCES, "an order that is made within the call (conditional append)"},
        {ENGINE_GATE, "a gate for what plain producers send"},
        {ENGINE_REWRITE, "batches that can be replaced"},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((capabilities & ~e->capabilities & names[i].bit) != 0) {
            enum err err = ectx_fail(ec, ERR_UNSUPPORTED_VERSION,
                                     "%s needs %s, which the engine '%s' does not have", who,
                                     names[i].what, e->name);
            ectx_hint(ec, "run it on Leat's own log");
            return err;
        }
    }
    return ERR_OK;
}

const char *engine_name(const struct engine *e)
{
    return e->name;
}

struct env *engine_env(const struct engine *e)
{
    return e->env;
}

struct env_poll *engine_poll(const struct engine *e)
{
    return e->poll;
}

bool engine_topic_get(struct engine *e, struct str name, struct engine_topic *out)
{
    return e->ops->topic_get(e, name, out);
}

struct engine_topic *engine_topics(struct engine *e, struct str prefix, struct arena *a,
                                   size_t *count)
{
    return e->ops->topics(e, prefix, a, count);
}

void engine_topic_ensure(struct engine *e, struct engine_ensure *t)
{
    e->ops->topic_ensure(e, t);
}

void engine_topic_watch(struct engine *e, struct engine_topic_watch *w)
{
    e->ops->topic_watch(e, w);
}

void engine_topic_unwatch(struct engine *e, struct engine_topic_watch *w)
{
    e->ops->topic_unwatch(e, w);
}

enum err engine_bounds(struct engine *e, struct str topic, int32_t partition, int64_t *start,
                       int64_t *end)
{
    return e->ops->bounds(e, topic, partition, start, end);
}

int32_t engine_partition_of(const struct engine_topic *t, struct str key)
{
    if (str_is_null(key) || t->partition_count <= 1) {
        return 0;
    }
    uint32_t h = hash_murmur2(key.p, key.n) & 0x7fffffffu;
    return (int32_t)(h % (uint32_t)t->partition_count);
}

void engine_append(struct engine *e, struct engine_append *a)
{
    e->ops->append(e, a);
}

size_t engine_append_max_bytes(const struct engine *e)
{
    return e->ops->append_max_bytes(e);
}

void engine_rewrite(struct engine *e, struct engine_rewrite *r)
{
    CHECK((e->capabilities & ENGINE_REWRITE) != 0);
    e->ops->rewrite(e, r);
}

void engine_read(struct engine *e, struct engine_read *r)
{
    e->ops->read(e, r);
}

void engine_read_soon(struct engine *e, struct str topic, int32_t partition, int64_t offset)
{
    if (e->ops->read_soon != NULL) {
        e->ops->read_soon(e, topic, partition, offset);
    }
}

void engine_read_cancel(struct engine *e, struct engine_read *r)
{
    e->ops->read_cancel(e, r);
}

void engine_read_release(struct engine *e, struct engine_read *r)
{
    e->ops->read_release(e, r);
}

uint64_t engine_position(const struct engine *e)
{
    CHECK((e->capabilities & ENGINE_GLOBAL_ORDER) != 0);
    return e->ops->position(e);
}

void engine_position_watch(struct engine *e, struct engine_position_watch *w)
{
    CHECK((e->capabilities & ENGINE_GLOBAL_ORDER) != 0);
    e->ops->position_watch(e, w);
}

void engine_position_unwatch(struct engine *e, struct engine_position_watch *w)
{
    CHECK((e->capabilities & ENGINE_GLOBAL_ORDER) != 0);
    e->ops->position_unwatch(e, w);
}

void engine_seek(struct engine *e, struct engine_seek *s)
{
    e->ops->seek(e, s);
}

enum err engine_join(struct engine *e, const struct engine_member_spec *spec,
                     struct engine_member **out, struct ectx *ec)
{
    return e->ops->join(e, spec, out, ec);
}

void engine_leave(struct engine *e, struct engine_member *m)
{
    e->ops->leave(e, m);
}

void engine_group_forget(struct engine *e, struct str group)
{
    e->ops->group_forget(e, group);
}

void engine_gate_set(struct engine *e, const struct engine_gate *gate)
{
    CHECK((e->capabilities & ENGINE_GATE) != 0);
    e->ops->gate_set(e, gate);
}

void engine_gate_retry(struct engine *e)
{
    CHECK((e->capabilities & ENGINE_GATE) != 0);
    e->ops->gate_retry(e);
}

void engine_destroy(struct engine *e)
{
    if (e != NULL) {
        e->ops->destroy(e);
    }
}

bool engine_append_ready(const struct engine *e)
{
    return e->ops->append_ready == NULL || e->ops->append_ready(e);
}

void engine_room_watch(struct engine *e, struct engine_room_watch *w)
{
    CHECK(e->ops->room_watch != NULL);
    e->ops->room_watch(e, w);
}

void engine_room_unwatch(struct engine_room_watch *w)
{
    list_remove(&w->link);
}

void engine_on_advance(struct engine *e)
{
    if (e->ops->on_advance != NULL) {
        e->ops->on_advance(e);
    }
}

void engine_on_ready(struct engine *e)
{
    if (e->ops->on_ready != NULL) {
        e->ops->on_ready(e);
    }
}

uint64_t engine_tick(struct engine *e, uint64_t now_ns)
{
    return e->ops->tick == NULL ? UINT64_MAX : e->ops->tick(e, now_ns);
}
