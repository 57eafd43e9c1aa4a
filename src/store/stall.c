/*
 * When the log cannot go on: packs and checkpoints fail, or one of them hangs, and the ring or the
 * memory of the tail fills up meanwhile. Nothing is lost by it and nothing is refused here; this
 * says that it is so, and why, before it is too late and until it is over.
 *
 *   well --3/4 full, and the last try failed or hangs--> stalled --no room--> full
 *   stalled, full --a try succeeds, and there is room--> well
 *
 * A store without room for long is stalled whatever the reason: a device that does not answer.
 */
#include <stdio.h>

#include "core/log.h"
#include "store/store_int.h"

enum { STALL_PERCENT = 75 };
#define STALL_HANG_NS (10ull * 1000 * 1000 * 1000)

void stall_failed(struct store *s, bool pack, const struct ectx *ec)
{
    struct stall *st = &s->stall;
    uint32_t *failures = pack ? &st->packs : &st->checkpoints;
    *failures += 1;
    (void)snprintf(st->why, sizeof(st->why), "%s", ec == NULL ? "out of memory" : ec->text);
}

void stall_succeeded(struct store *s, bool pack)
{
    s->stall.packs = 0;
    s->stall.checkpoints = pack ? s->stall.checkpoints : 0; /* a checkpoint packs too */
}

static uint32_t percent(uint64_t part, uint64_t of)
{
    return of == 0 ? 0 : (uint32_t)(part * 100 / of);
}

uint32_t stall_filled(const struct store *s)
{
    const uint32_t ring = percent(wal_used_bytes(s->wal), wal_capacity_bytes(s->wal));
    const uint32_t tail = percent(s->tail_bytes, s->cfg.tail_memory_bytes);
    return ring > tail ? ring : tail;
}

static bool checkpoint_hangs(const struct store *s, uint64_t now)
{
    return s->work == WORK_CHECKPOINT && now - s->last_checkpoint_ns >= STALL_HANG_NS;
}

static void why_text(struct store *s, uint64_t now, bool failing)
{
    struct stall *st = &s->stall;
    if (!failing && checkpoint_hangs(s, now)) {
        (void)snprintf(st->why, sizeof(st->why), "a checkpoint is under way for %llu s",
                       (unsigned long long)((now - s->last_checkpoint_ns) / 1000000000u));
    } else if (!failing) {
        (void)snprintf(st->why, sizeof(st->why), "the device or the memory gives no room");
    }
}

void stall_tick(struct store *s)
{
    struct stall *st = &s->stall;
    const uint64_t now = env_mono_ns(s->env);
    const bool ready = store_ready(s);
    const bool failing = st->checkpoints > 0 || st->packs > 0;
    if (ready || st->changes != s->changes) { /* slow is not stalled */
        st->changes = s->changes;
        st->moved_ns = now;
    }
    const bool long_unready = now - st->moved_ns >= STALL_HANG_NS;
    const uint32_t full = stall_filled(s);
    if (long_unready || (full >= STALL_PERCENT && (failing || checkpoint_hangs(s, now)))) {
        why_text(s, now, failing);
        if (st->since_ns == 0) {
            st->since_ns = now;
            LOG_WARN("store.stalled", KV_Z("because", st->why), KV_U64("filled_percent", full),
                     KV_U64("failed_checkpoints", st->checkpoints),
                     KV_U64("failed_packs", st->packs));
        }
    } else if (st->since_ns != 0 && ready && !failing) {
        LOG_INFO("store.goes_on", KV_U64("stalled_ms", (now - st->since_ns) / 1000000u));
        st->since_ns = 0;
        st->full = false;
    }
    if (st->since_ns != 0 && !ready && (!s->barrier || long_unready) && !st->full) {
        st->full = true;
        LOG_ERROR("store.full", KV_Z("because", st->why),
                  KV_Z("effect", "what would be stored waits, then gets a retriable error; reads "
                                 "go on; it goes on by itself"));
    }
}

bool store_stalled(const struct store *s, struct store_stall *out)
{
    *out = (struct store_stall){
        .stalled = s->stall.since_ns != 0, .full = s->stall.full, .why = s->stall.why};
    return out->stalled;
}
