/*
 * Retention: segments go by time and by size. The move of the log start is a frame like any other,
 * so it is durable before anything is dropped, and the files go after the checkpoints that no
 * longer name them.
 *
 * Time. A segment's age counts from the last append, or from its largest record time if that is
 * later, but at most an hour later: a producer's clock in the future does not pin the log. If the
 * wall clock runs away from the monotonic one by more than an hour nothing is dropped by time for
 * an hour (of running; images remember what is left of it), and never more than a few segments of a
 * partition in a pass. By size all that is too much goes at once: a producer that fills segments
 * faster than passes come must not fill the disk.
 */
#include "core/log.h"
#include "store/store_int.h"

static bool clock_trusted(struct store *s)
{
    const int64_t wall = env_wall_ms(s->env);
    const uint64_t mono = env_mono_ns(s->env);
    const int64_t drift =
        (wall - s->guard_wall_ms) - (int64_t)((mono - s->guard_mono_ns) / 1000000u);
    s->guard_wall_ms = wall;
    s->guard_mono_ns = mono;
    if (drift > STORE_CLOCK_JUMP_MS || drift < -STORE_CLOCK_JUMP_MS) {
        s->guard_until_ns = mono + (uint64_t)STORE_CLOCK_JUMP_MS * 1000000u;
        s->checkpoint_asked = true; /* the image remembers it: a restart does not end the hour */
        LOG_WARN("clock.jumped", KV_I64("by_ms", drift),
                 KV_Z("effect", "no retention by time for an hour"));
    }
    return mono >= s->guard_until_ns || STORE_FAULT(clock_trusted);
}

static int64_t segment_time(const struct segment *g)
{
    const int64_t latest = g->last_append_ms + STORE_RECORD_AHEAD_MS;
    const int64_t record = g->max_timestamp < latest ? g->max_timestamp : latest;
    return record > g->last_append_ms ? record : g->last_append_ms;
}

static bool expired(const struct store_part *p, const struct segment *g, int64_t now)
{
    return p->cfg.retention_ms >= 0 && g->size > 0 && now - segment_time(g) > p->cfg.retention_ms;
}

/* An active segment that is old enough takes no more. */
static void seal_by_age(const struct store_part *p, struct segment *active, int64_t now)
{
    if (active->size > 0 && !active->sealed && now - active->first_append_ms > 0 &&
        (uint64_t)(now - active->first_append_ms) >= p->cfg.segment_ms) {
        active->sealed = true; /* the next append begins a new one */
        segment_mark_dirty(active);
    }
}

/* The offset at which the log should start. */
static int64_t retain_to(struct store_part *p, int64_t now, bool by_time)
{
    struct segment *active = part_active(p);
    uint64_t total = 0;
    int64_t to = p->log_start;
    seal_by_age(p, active, now);
    for (uint32_t i = 0; i < p->seg_count; i++) {
        total += p->segs[i]->size;
    }
    for (uint32_t i = 0; i < p->seg_count; i++) {
        struct segment *g = p->segs[i];
        const bool too_old = by_time && i < STORE_RETAIN_BY_TIME_MAX && expired(p, g, now);
        const bool too_much = p->cfg.retention_bytes >= 0 && g != active &&
                              total - g->size >= (uint64_t)p->cfg.retention_bytes;
        if (!(too_old || too_much) || g->end > p->high_watermark) {
            break;
        }
        if (g == active) {
            active->sealed = true;
            segment_mark_dirty(active);
        }
        total -= g->size;
        to = g->end;
    }
    return to;
}

static void retained(void *ctx, uint64_t position)
{
    struct store_part *p = ctx;
    (void)position;
    p->retain_pending = false;
    LOG_INFO("partition.retained", KV_Z("topic", p->dir->name), KV_I64("partition", p->index),
             KV_I64("log_start", p->log_start));
}

void retain_tick(struct store *s)
{
    const int64_t now = env_wall_ms(s->env);
    const bool by_time = clock_trusted(s);
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        struct store_part *p = CONTAINER_OF(n, struct store_part, link);
        if (p->seg_count == 0 || p->retain_pending) {
            continue;
        }
        const int64_t to = retain_to(p, now, by_time);
        if (to <= p->log_start) {
            continue;
        }
        if (!store_ready(s)) {
            return; /* the next pass */
        }
        if (STORE_FAULT(retain_unwritten)) {
            part_log_start_set(p, to); /* a planted fault */
            continue;
        }
        struct store_frame *f = store_frame_begin(s);
        if (f == NULL) {
            return;
        }
        if (store_frame_log_start(f, p, to) != ERR_OK) {
            store_frame_drop(f);
            continue;
        }
        p->retain_pending = true; /* the frame keeps the part alive until `retained` */
        store_frame_commit(f, retained, p);
    }
}
