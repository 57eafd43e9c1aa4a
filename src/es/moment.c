/*
 * Up to where a stream had come at a moment: by the `time` of its events, found by halving, so that
 * it costs a few single events however long the stream is. Where clients gave times that go back,
 * the time passes the moment in several places, and it is one of them.
 */
#include "es/read_int.h"

#define MOMENT_ARENA (64u << 20) /* one event, decompressed */

enum { AT_HALVE, AT_PLACE, AT_EVENT };

void es_moment_init(struct es_moment *m, struct es_task *task)
{
    m->task = task;
    m->look_set = (struct es_look_set){0};
    es_pick_init(&m->pick, task);
    arena_init(&m->arena, MOMENT_ARENA);
}

void es_moment_begin(struct es_moment *m, const struct es_cat *cat, int32_t partition,
                     const struct es_hash *hash, uint64_t first, uint64_t end, int64_t until_ns,
                     struct ectx *ec)
{
    m->place.cat = cat;
    m->place.partition = partition;
    m->hash = *hash;
    m->revision = first;
    m->end = end;
    m->until_ns = until_ns;
    m->ec = ec;
    m->err = ERR_OK;
    m->at = AT_HALVE;
}

void es_moment_cancel(struct es_moment *m)
{
    es_pick_cancel(&m->pick);
    arena_deinit(&m->arena);
}

static uint64_t middle(const struct es_moment *m)
{
    return m->revision + (m->end - m->revision) / 2;
}

static bool halve(struct es_moment *m)
{
    struct es_look *l = &m->look;
    l->kind = ES_LOOK_GET;
    l->table = ES_T_EVENTS;
    l->has_at_most = false;
    es_key_event(l->key, &m->hash, middle(m));
    m->look_set.looks = l;
    m->look_set.count = 1;
    m->at = AT_PLACE;
    return es_task_look(m->task, &m->look_set);
}

static bool look_up(struct es_moment *m)
{
    struct es_place p;
    if (m->look_set.pending > 0) {
        return false;
    }
    if (m->look.err != ERR_OK) {
        m->err = ectx_fail(m->ec, m->look.err == ERR_NOT_FOUND ? ERR_DAMAGED : m->look.err,
                           "the index gives no revision %llu", (unsigned long long)middle(m));
        return true;
    }
    es_value_event_read(m->look.value, &p);
    m->place.offset = p.offset;
    m->place.position = p.position;
    es_pick_begin(&m->pick, &m->place, 1, 1, &m->event, &m->time_ms, &m->arena, m->ec);
    m->at = AT_EVENT;
    return true;
}

static bool judge(struct es_moment *m)
{
    if (!es_pick_run(&m->pick)) {
        return false;
    }
    m->err = m->pick.err;
    if (m->err == ERR_OK && m->event.envelope.time_ns > m->until_ns) {
        m->end = middle(m);
    } else if (m->err == ERR_OK) {
        m->revision = middle(m) + 1;
    }
    arena_reset(&m->arena, 0);
    m->at = AT_HALVE;
    return true;
}

bool es_moment_run(struct es_moment *m)
{
    static bool (*const steps[])(struct es_moment *) = {
        [AT_HALVE] = halve, [AT_PLACE] = look_up, [AT_EVENT] = judge};
    while (m->err == ERR_OK && (m->at != AT_HALVE || m->revision < m->end)) {
        if (!steps[m->at](m)) {
            return false;
        }
    }
    return true;
}
