/*
 * Up to where a stream had come at a moment: by the `time` of its events, found by halving, so that
 * it costs a few single events however long the stream is. Where clients gave times that go back,
 * the time passes the moment in several places, and it is one of them.
 */
#include "es/read_int.h"

#define MOMENT_ARENA (64u << 20) /* one event, decompressed */

void es_moment_init(struct es_moment *m, struct es_task *task)
{
    m->task = task;
    es_pick_init(&m->pick, task);
    arena_init(&m->arena, MOMENT_ARENA);
}

void es_moment_begin(struct es_moment *m, const struct es_cat *cat, int32_t partition,
                     const struct es_hash *hash, uint64_t first, uint64_t end, int64_t until_ns,
                     struct ectx *ec)
{
    m->place.cat = cat;
    m->place.partition = partition;
    es_halving_begin(&m->halving, m->task, hash, first, end);
    m->until_ns = until_ns;
    m->ec = ec;
    m->err = ERR_OK;
    m->reads = false;
}

void es_moment_cancel(struct es_moment *m)
{
    es_pick_cancel(&m->pick);
    arena_deinit(&m->arena);
}

static bool look_up(struct es_moment *m)
{
    struct es_place p;
    if (!es_halving_look(&m->halving, &p, &m->err, m->ec)) {
        return false;
    }
    if (m->err == ERR_OK) {
        m->place.offset = p.offset;
        m->place.position = p.position;
        es_pick_begin(&m->pick, &m->place, 1, 1, &m->event, &m->time_ms, &m->arena, m->ec);
        m->reads = true;
    }
    return true;
}

static bool judge(struct es_moment *m)
{
    if (!es_pick_run(&m->pick)) {
        return false;
    }
    m->err = m->pick.err;
    if (m->err == ERR_OK) {
        es_halving_decide(&m->halving, m->event.envelope.time_ns <= m->until_ns);
    }
    arena_reset(&m->arena, 0);
    m->reads = false;
    return true;
}

bool es_moment_run(struct es_moment *m)
{
    while (m->err == ERR_OK && !es_halving_done(&m->halving)) {
        if (!(m->reads ? judge(m) : look_up(m))) {
            return false;
        }
    }
    m->revision = m->halving.revision;
    return true;
}
