/*
 * Parked keys again: their events in order, until one of them still cannot be applied.
 */
#include <string.h>

#include "core/compiler.h"
#include "core/utf8.h"
#include "proj/apply_int.h"

struct parked_row {
    struct str shard, record;
    int64_t offset;
};
struct parked_rows {
    struct apply *a;
    struct parked_row *rows;
    size_t count;
    bool failed;
};
static bool take_parked(void *ctx, const struct mapping_value *values, size_t count)
{
    struct parked_rows *p = ctx;
    (void)count;
    struct parked_row *row = &p->rows[p->count];
    row->shard = arena_str(&p->a->batch_arena, values[0].text);
    row->offset = values[1].integer;
    row->record = arena_str(&p->a->batch_arena, values[2].text);
    p->failed = str_is_null(row->shard) || str_is_null(row->record);
    p->count++;
    return !p->failed && p->count < APPLY_RETRY_MAX;
}

static enum err drop_parked(struct apply *a, const struct parked_row *row, struct str key,
                            struct ectx *ec)
{
    const struct mapping_value params[] = {apply_name(a), apply_version(a), apply_text(row->shard),
                                           apply_int(row->offset)};
    enum err e = apply_meta(a, META_UNPARK, params, ARRAY_LEN(params), NULL, ec);
    if (e == ERR_OK && !park_count(a, row->shard, key, -1)) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    return e;
}

static enum err retry_row(struct apply *a, const struct parked_row *row, struct str key, bool skip,
                          bool *stop, struct ectx *ec)
{
    struct record record;
    struct ectx why;
    bool wanted = true;
    bool again = false;
    arena_reset(&a->event_arena, APPLY_ARENA_KEEP);
    struct apply_event event = {.shard = row->shard, .record = &record};
    struct str rest;
    event.topic = str_cut(row->shard, '/', &rest);
    int64_t partition = 0;
    if (!str_to_i64(rest, &partition) ||
        !park_decode(row->record, &a->batch_arena, &record, &event.position)) {
        return ectx_fail(ec, ERR_DAMAGED, "the parked event %.*s at %lld cannot be read",
                         STR(row->shard), (long long)row->offset);
    }
    event.partition = (int32_t)partition;
    a->counts->events++;
    enum err e =
        skip ? ERR_OK : apply_fault_of_event(a, apply_event_read(a, &event, &wanted, &why), &why);
    if (e == ERR_OK && wanted && !skip) {
        e = apply_try_rules(a, &event, &again, &why);
    }
    if (e == ERR_OK) {
        a->counts->skipped += skip;
        return drop_parked(a, row, key, ec);
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
        apply_name(a), apply_version(a), apply_text(row->shard), apply_int(row->offset)};
    return apply_meta(a, META_REASON, params, ARRAY_LEN(params), NULL, ec);
}

static bool take_left(void *ctx, const struct mapping_value *values, size_t count)
{
    struct apply_counts *counts = ctx;
    (void)count;
    counts->left = (uint64_t)values[0].integer;
    return false;
}

static enum err retry_in_transaction(struct apply *a, struct str key, bool skip_first, bool *more,
                                     struct ectx *ec)
{
    struct parked_rows p = {.a = a};
    p.rows = arena_new_n(&a->batch_arena, struct parked_row, APPLY_RETRY_MAX);
    if (p.rows == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    const struct mapping_value params[] = {apply_name(a), apply_version(a), apply_text(key),
                                           apply_int(APPLY_RETRY_MAX)};
    enum err e =
        a->driver->query(a->meta[META_PARKED_OF], params, ARRAY_LEN(params), take_parked, &p, ec);
    if (e == ERR_OK && p.failed) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    struct str stopped = STR_NULL; /* a shard whose order must wait */
    size_t tried = 0;
    for (size_t i = 0; i < p.count && e == ERR_OK; i++) {
        bool ours = false;
        bool stop = false;
        e = apply_is_owner(a, p.rows[i].shard, &ours, ec);
        if (e != ERR_OK || !ours || str_eq(stopped, p.rows[i].shard)) {
            continue;
        }
        e = retry_row(a, &p.rows[i], key, skip_first && tried == 0, &stop, ec);
        stopped = stop ? p.rows[i].shard : stopped;
        tried++;
    }
    if (e == ERR_OK && tried == 0) {
        e = ectx_fail(ec, ERR_NOT_FOUND, "no event with this key is parked");
    }
    *more = p.count == APPLY_RETRY_MAX && str_is_null(stopped);
    const struct mapping_value counted[] = {apply_name(a), apply_version(a), apply_text(key)};
    e = e != ERR_OK ? e
                    : a->driver->query(a->meta[META_PARKED_COUNT], counted, ARRAY_LEN(counted),
                                       take_left, a->counts, ec);
    return e;
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
