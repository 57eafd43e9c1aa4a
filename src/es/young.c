/*
 * The first event of a stream that is young enough for its max_age: by the time of its record in
 * the log. Records of a partition come in the order of these times, so the engine looks up the
 * offset by time, and the revision that belongs to it is found by halving. The engine's look-up may
 * read the disk: its answers are kept, for one moment, as long as the struct is.
 */
#include "es/read_int.h"

void es_young_init(struct es_young *y, struct es_task *task)
{
    *y = (struct es_young){.task = task};
}

void es_young_cancel(struct es_young *y)
{
    es_seek_cancel(&y->seek);
}

static void sought(void *ctx, enum err e, int64_t offset, const struct ectx *ec)
{
    struct es_young *y = ctx;
    y->sought = true;
    y->offset = offset;
    y->err = e;
    if (e != ERR_OK) {
        *y->ec = *ec;
    } else {
        y->what.offset = offset;
        y->kept[y->kept_count++ % ES_YOUNG_KEPT] = y->what;
    }
    es_task_wake(y->task);
}

/* Was it looked up before? What came since lies behind, and is younger. */
static bool is_kept(struct es_young *y)
{
    for (size_t i = 0; i < y->kept_count && i < ES_YOUNG_KEPT; i++) {
        const struct es_young_sought *k = &y->kept[i];
        if (k->cat == y->what.cat && k->partition == y->what.partition &&
            k->max_age_ms == y->what.max_age_ms) {
            y->offset = k->offset;
            return true;
        }
    }
    return false;
}

void es_young_begin(struct es_young *y, const struct es_cat *cat, int32_t partition,
                    const struct es_hash *hash, int64_t max_age_ms, uint64_t first, uint64_t end,
                    struct ectx *ec)
{
    struct es *es = y->task->es;
    y->now_ms = y->now_ms == 0 ? env_wall_ms(es->env) : y->now_ms;
    const struct engine_seek what = {.by = ENGINE_SEEK_TIME,
                                     .timestamp_ms = y->now_ms - max_age_ms};
    es_halving_begin(&y->halving, y->task, hash, first, end);
    y->ec = ec;
    y->err = ERR_OK;
    y->what =
        (struct es_young_sought){.cat = cat, .partition = partition, .max_age_ms = max_age_ms};
    y->sought = is_kept(y);
    if (!y->sought && !es_seek_start(es, cat, partition, &what, sought, y, &y->seek)) {
        y->sought = true;
        y->err = ectx_fail(ec, ERR_NO_MEMORY, "no memory for a look-up by time");
    }
}

static bool is_halved(struct es_young *y)
{
    struct es_place place;
    if (!es_halving_look(&y->halving, &place, &y->err, y->ec)) {
        return false;
    }
    if (y->err == ERR_OK) {
        es_halving_decide(&y->halving, place.offset < y->offset);
    }
    return true;
}

bool es_young_run(struct es_young *y)
{
    if (!y->sought) {
        return false;
    }
    while (y->err == ERR_OK && !es_halving_done(&y->halving)) {
        if (!is_halved(y)) {
            return false;
        }
    }
    y->revision = y->halving.revision;
    return true;
}
