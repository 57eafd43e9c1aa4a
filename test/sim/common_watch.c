/* See common_watch.h. */
#include "common_watch.h"

static uint64_t ring_turn(const struct store *s)
{
    return wal_tail(s->wal) / ((uint64_t)s->cfg.ring_file_bytes * s->cfg.ring_file_count);
}

static void look_at_part(struct store_watch *w, const struct store_part *p)
{
    const int64_t base = p->segs[p->seg_count - 1]->base;
    size_t i = 0;
    while (i + 1 < WATCH_PARTS && w->active[i].id != 0 && w->active[i].id != p->id) {
        i++;
    }
    count_kind_n(KIND_DID_ROLL, w->active[i].id == p->id && base > w->active[i].base);
    w->active[i].id = p->id;
    w->active[i].base = base;
}

void store_watch_look(struct store_watch *w, const struct store *s)
{
    count_kind_n(KIND_DID_PACK, w->work == WORK_PACK && s->work != WORK_PACK && !s->failed);
    count_kind_n(KIND_DID_CHECKPOINT, s->stats.checkpoints - w->checkpoints);
    count_kind_n(KIND_DID_FILES_GONE, s->drop_count < w->drops ? w->drops - s->drop_count : 0);
    count_kind_n(KIND_DID_TURN, w->turn > 0 && ring_turn(s) > w->turn);
    w->work = s->work;
    w->checkpoints = s->stats.checkpoints;
    w->drops = s->drop_count;
    w->turn = ring_turn(s);
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        const struct store_part *p = CONTAINER_OF(n, struct store_part, link);
        if (p->seg_count > 0) {
            look_at_part(w, p);
        }
    }
}

uint64_t store_watch_going(const struct store *s)
{
    uint64_t going = s->work == WORK_PACK         ? going_bit(KIND_IN_PACK)
                     : s->work == WORK_CHECKPOINT ? going_bit(KIND_IN_CHECKPOINT)
                                                  : 0;
    going |= s->rewriting ? going_bit(KIND_IN_REWRITE) : 0;
    going |= s->syncing ? going_bit(KIND_IN_SYNC) : 0;
    going |= s->drop_count > 0 ? going_bit(KIND_IN_DROPS) : 0;
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        const struct store_part *p = CONTAINER_OF(n, struct store_part, link);
        going |= p->retain_pending ? going_bit(KIND_IN_RETENTION) : 0;
    }
    return going;
}
