/*
 * Parked keys again: their events in order, until one of them still cannot be applied. Events may
 * be large, so what is read at once, and what one transaction does, is bounded in bytes, too.
 */
#include <string.h>

#include "core/compiler.h"
#include "core/utf8.h"
#include "proj/apply_int.h"

#define RETRY_BYTES (64u << 20) /* of parked records as text: read at once, done at once */
/* Of what was read at once: that and one more, the largest there is, each as text and as bytes. */
#define ROWS_ARENA_BYTES (512u << 20)

struct parked_row {
    struct str record;
    int64_t offset;
};
struct parked_rows {
    struct arena *arena;
    struct parked_row *rows;
    size_t count, room, bytes;
    bool failed;
};
static bool take_parked(void *ctx, const struct mapping_value *values, size_t count)
{
    struct parked_rows *p = ctx;
    (void)count;
    struct parked_row *row = &p->rows[p->count];
    row->offset = values[0].integer;
    row->record = arena_str(p->arena, values[1].text);
    p->failed = str_is_null(row->record);
    p->bytes += row->record.n;
    p->count++;
    return !p->failed && p->count < p->room && p->bytes < RETRY_BYTES;
}

struct retrying {
    struct parked_row *rows; /* APPLY_RETRY_MAX */
    struct arena arena;      /* what was read of them at once */
    struct str key;
    bool skip_first;
    size_t tried, stopped; /* events; partitions whose order must wait */
    size_t bytes;          /* of those that are parked no longer */
};

static enum err drop_parked(struct apply *a, struct str shard, const struct parked_row *row,
                            struct retrying *t, struct ectx *ec)
{
    const struct mapping_value params[] = {apply_name(a), apply_version(a), apply_text(shard),
                                           apply_int(row->offset)};
    uint64_t changed = 0;
    enum err e = apply_meta(a, META_UNPARK, params, ARRAY_LEN(params), &changed, ec);
    if (e == ERR_OK && changed == 0) {
        return ectx_fail(ec, ERR_FENCED, "the parked event %.*s at %lld is gone", STR(shard),
                         (long long)row->offset);
    }
    if (e == ERR_OK && !park_count(a, shard, t->key, -1)) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    t->bytes += row->record.n;
    return e;
}

static enum err retry_row(struct apply *a, struct str shard, const struct parked_row *row,
                          struct retrying *t, bool *stop, struct ectx *ec)
{
    struct record record;
    struct ectx why;
    bool wanted = true;
    bool again = false;
    arena_reset(&a->event_arena, APPLY_ARENA_KEEP);
    a->counts->events++;
    if (t->skip_first && t->tried == 0) { /* whatever it is */
        a->counts->skipped++;
        return drop_parked(a, shard, row, t, ec);
    }
    struct apply_event event = {.shard = shard, .record = &record};
    struct str rest;
    event.topic = str_cut(shard, '/', &rest);
    int64_t partition = 0;
    if (!str_to_i64(rest, &partition) ||
        !park_decode(row->record, &t->arena, &record, &event.position)) {
        return ectx_fail(ec, ERR_DAMAGED, "the parked event %.*s at %lld cannot be read",
                         STR(shard), (long long)row->offset);
    }
    event.partition = (int32_t)partition;
    enum err e = apply_fault_of_event(a, apply_event_read(a, &event, &wanted, &why), &why);
    if (e == ERR_OK && wanted) {
        e = apply_try_rules(a, &event, &again, &why);
    }
    if (e == ERR_OK) {
        return drop_parked(a, shard, row, t, ec);
    }
    if (e != ERR_MALFORMED) {
        *ec = why;
        return e;
    }
    apply_count_reason(a, &why);
    a->counts->parked++;
    *stop = true;
    const struct mapping_value params[] = {
        apply_text(utf8_valid(str_of(why.text)) ? str_of(why.text) : STR_LIT("(not UTF-8)")),
        apply_name(a), apply_version(a), apply_text(shard), apply_int(row->offset)};
    return apply_meta(a, META_REASON, params, ARRAY_LEN(params), NULL, ec);
}

static bool take_left(void *ctx, const struct mapping_value *values, size_t count)
{
    struct apply_counts *counts = ctx;
    (void)count;
    counts->left = (uint64_t)values[0].integer;
    return false;
}

static bool is_enough(const struct retrying *t)
{
    return t->tried >= APPLY_RETRY_MAX || t->bytes >= RETRY_BYTES;
}

/* How many to read next: ever more, but not many of large ones, as a target may give them in one
 * piece. */
static size_t next_room(const struct parked_rows *p)
{
    const size_t fit = RETRY_BYTES / (p->bytes / p->count + 1);
    return p->room * 8 < fit ? p->room * 8 : fit + 1;
}

/* A few at first, as the first may be as far as it goes. */
static enum err retry_shard(struct apply *a, struct str shard, struct retrying *t, struct ectx *ec)
{
    bool stop = false;
    bool ours = false;
    enum err e = apply_hold(a, shard, &ours, ec);
    if (e != ERR_OK || !ours) {
        return e;
    }
    size_t room = 16;
    while (e == ERR_OK && !stop && !is_enough(t)) {
        const size_t left = APPLY_RETRY_MAX - t->tried;
        struct parked_rows p = {
            .arena = &t->arena, .rows = t->rows, .room = room < left ? room : left};
        arena_reset(&t->arena, APPLY_ARENA_KEEP);
        const struct mapping_value params[] = {apply_name(a), apply_version(a), apply_text(t->key),
                                               apply_text(shard), apply_int((int64_t)p.room)};
        e = a->driver->query(a->meta[META_PARKED_OF], params, ARRAY_LEN(params), take_parked, &p,
                             ec);
        if (e == ERR_OK && p.failed) {
            e = ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
        }
        for (size_t i = 0; i < p.count && e == ERR_OK && !stop && !is_enough(t); i++) {
            e = retry_row(a, shard, &p.rows[i], t, &stop, ec);
            t->tried++;
        }
        if (p.count < p.room && p.bytes < RETRY_BYTES) {
            break; /* that was all */
        }
        room = next_room(&p);
    }
    t->stopped += stop;
    return e;
}

/* The shard that is the next by name and has this key parked, or NULL: their order is that of the
 * list of parked keys. */
static const char *next_shard(const struct apply *a, struct str key, const char *last)
{
    const char *next = NULL;
    for (size_t i = 0; i < a->shard_count; i++) {
        const char *name = a->shards[i].name;
        if ((last == NULL || strcmp(name, last) > 0) && (next == NULL || strcmp(name, next) < 0) &&
            park_has(a, str_of(name), key)) {
            next = name;
        }
    }
    return next;
}

static enum err retry_in_transaction(struct apply *a, struct str key, bool skip_first, bool *more,
                                     struct ectx *ec)
{
    struct retrying t = {.key = key, .skip_first = skip_first};
    t.rows = arena_new_n(&a->batch_arena, struct parked_row, APPLY_RETRY_MAX);
    if (t.rows == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    arena_init(&t.arena, ROWS_ARENA_BYTES);
    enum err e = ERR_OK;
    const char *shard = next_shard(a, key, NULL);
    while (e == ERR_OK && shard != NULL && !is_enough(&t)) {
        e = retry_shard(a, str_of(shard), &t, ec);
        shard = next_shard(a, key, shard);
    }
    arena_deinit(&t.arena);
    *more = is_enough(&t) && t.stopped < t.tried;
    /* Also of partitions that are not ours: another process has them, or another connection. */
    const struct mapping_value counted[] = {apply_name(a), apply_version(a), apply_text(key)};
    e = e != ERR_OK ? e
                    : a->driver->query(a->meta[META_PARKED_COUNT], counted, ARRAY_LEN(counted),
                                       take_left, a->counts, ec);
    return e == ERR_OK && t.tried == 0
               ? ectx_fail(ec, ERR_NOT_FOUND, "no event with this key is parked")
               : e;
}

MUST_USE enum err apply_retry(struct apply *a, struct str key, bool skip_first, int64_t now_ms,
                              struct apply_counts *counts, bool *more, struct ectx *ec)
{
    struct ectx own;
    ec = ec == NULL ? &own : ec;
    memset(counts, 0, sizeof(*counts));
    a->now_ms = now_ms;
    a->counts = counts;
    a->careful = true;
    a->gate.known = false;
    a->served_known = false;
    arena_reset(&a->batch_arena, APPLY_ARENA_KEEP);
    if (a->changes != NULL) {
        changes_clear(a->changes);
    }
    enum err e = a->parked_stale ? park_load(a, ec) : ERR_OK;
    e = e != ERR_OK ? e : apply_begin(a, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = retry_in_transaction(a, key, skip_first, more, ec);
    e = e != ERR_OK ? e : a->driver->exec(a->db, "COMMIT", ec);
    a->collided = a->collided || e == ERR_AGAIN;
    if (e != ERR_OK) {
        apply_roll_back(a);
    }
    counts->parked_now = a->parked_count;
    return e;
}
