/*
 * Taking a shard over: its checkpoint gets our owner epoch, and nobody with an earlier one can
 * change anything of it any more.
 */
#include <string.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "proj/apply_int.h"

struct claim_row {
    bool found;
    uint64_t epoch;
    int64_t position;
    char topic_id[UUID_TEXT_SIZE];
};
static bool take_claim(void *ctx, const struct mapping_value *values, size_t count)
{
    struct claim_row *row = ctx;
    (void)count;
    row->found = true;
    row->epoch = (uint64_t)values[0].integer;
    row->position = values[1].integer;
    size_t n = values[2].text.n < UUID_TEXT_SIZE - 1 ? values[2].text.n : UUID_TEXT_SIZE - 1;
    memcpy(row->topic_id, values[2].text.p, n);
    row->topic_id[n] = 0;
    return false;
}

static enum err remember_shard(struct apply *a, const struct apply_claim *c, bool *again,
                               struct ectx *ec)
{
    const struct str shard = c->shard;
    const uint64_t epoch = c->epoch;
    char id[UUID_TEXT_SIZE];
    uuid_format(c->topic_id, id);
    id[c->anew ? 8 : 0] = 0;
    *again = false;
    for (size_t i = 0; i < a->shard_count; i++) {
        if (str_eq_z(shard, a->shards[i].name)) {
            a->shards[i].epoch = epoch;
            memcpy(a->shards[i].anew, id, strlen(id) + 1);
            *again = true;
            return ERR_OK;
        }
    }
    if (a->shard_count == a->shard_room) {
        size_t room = a->shard_room == 0 ? 16 : 2 * a->shard_room;
        void *more = mem_realloc(a->shards, room * sizeof(*a->shards));
        if (more == NULL) {
            return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
        }
        a->shards = more;
        a->shard_room = room;
    }
    char *name = str_dup_z(shard);
    if (name == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    memcpy(a->shards[a->shard_count].anew, id, strlen(id) + 1);
    a->shards[a->shard_count].name = name;
    a->shards[a->shard_count++].epoch = epoch;
    return ERR_OK;
}

struct one_int {
    bool found;
    int64_t values[2];
};
static bool take_ints(void *ctx, const struct mapping_value *values, size_t count)
{
    struct one_int *out = ctx;
    out->found = true;
    for (size_t i = 0; i < count && i < ARRAY_LEN(out->values); i++) {
        out->values[i] = values[i].integer;
    }
    return false;
}

static enum err read_served(struct apply *a, uint32_t *served, struct ectx *ec)
{
    struct mapping_value name = apply_name(a);
    struct one_int row = {0};
    enum err e = a->driver->query(a->meta[META_SERVED], &name, 1, take_ints, &row, ec);
    *served = row.found ? (uint32_t)row.values[0] : 0;
    return e;
}

/* The epoch that the target has, if it is later than ours, is topped. */
static enum err top_epoch(struct apply *a, struct apply_claim *c, struct ectx *ec)
{
    struct claim_row row = {0};
    const struct mapping_value key[] = {apply_name(a), apply_version(a), apply_text(c->shard)};
    enum err e =
        a->driver->query(a->meta[META_CLAIM_GET], key, ARRAY_LEN(key), take_claim, &row, ec);
    if (e == ERR_OK && row.found && row.epoch > c->epoch) {
        c->epoch = row.epoch + 1;
    }
    return e;
}

static enum err claim_in_transaction(struct apply *a, struct apply_claim *c, struct ectx *ec)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(c->topic_id, id);
    uint32_t served = 0;
    enum err e = read_served(a, &served, ec);
    e = e != ERR_OK || !c->force ? e : top_epoch(a, c, ec);
    if (e != ERR_OK) {
        return e;
    }
    bool first = served == 0 || served == a->d->version;
    int64_t live_from = c->live_known ? c->live_from : first ? c->end_offset : 0;
    const struct mapping_value made[] = {apply_name(a),
                                         apply_version(a),
                                         apply_text(c->shard),
                                         apply_text(str_of(id)),
                                         apply_int((int64_t)c->epoch),
                                         apply_int(c->start_offset),
                                         apply_int(live_from),
                                         apply_int(c->now_ms)};
    e = apply_meta(a, META_CLAIM_INSERT, made, ARRAY_LEN(made), NULL, ec);
    const struct mapping_value mine[] = {
        apply_int((int64_t)c->epoch), apply_int(c->now_ms),        apply_name(a), apply_version(a),
        apply_text(c->shard),         apply_int((int64_t)c->epoch)};
    uint64_t changed = 0;
    e = e != ERR_OK ? e : apply_meta(a, META_CLAIM_UPDATE, mine, ARRAY_LEN(mine), &changed, ec);
    struct claim_row row = {0};
    const struct mapping_value key[] = {apply_name(a), apply_version(a), apply_text(c->shard)};
    e = e != ERR_OK
            ? e
            : a->driver->query(a->meta[META_CLAIM_GET], key, ARRAY_LEN(key), take_claim, &row, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (changed == 0) {
        return ectx_fail(ec, ERR_FENCED, "%.*s: the target has owner epoch %llu, ours is %llu",
                         STR(c->shard), (unsigned long long)row.epoch,
                         (unsigned long long)c->epoch);
    }
    if (strcmp(row.topic_id, id) != 0) {
        e = ectx_fail(ec, ERR_EXISTS, "%.*s: the checkpoint is of another topic of this name (%s)",
                      STR(c->shard), row.topic_id);
        ectx_hint(ec, "the topic was made anew: rebuild the projection");
        return e;
    }
    c->next_offset = row.position;
    return ERR_OK;
}

MUST_USE enum err apply_claim(struct apply *a, struct apply_claim *c, struct ectx *ec)
{
    arena_reset(&a->batch_arena, APPLY_ARENA_KEEP);
    enum err e = a->driver->exec(a->db, a->driver->begin, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = claim_in_transaction(a, c, ec);
    e = e != ERR_OK ? e : a->driver->exec(a->db, "COMMIT", ec);
    if (e != ERR_OK) {
        bool stale = a->parked_stale;
        apply_roll_back(a);
        a->parked_stale = stale; /* nothing was parked in it */
        return e;
    }
    bool again = false;
    e = remember_shard(a, c, &again, ec);
    e = e != ERR_OK ? e : park_load_claimed(a, c->shard, again, ec);
    c->parked_now = a->parked_count;
    return e;
}

enum err apply_hold(struct apply *a, struct str shard, bool *ours, struct ectx *ec)
{
    *ours = false;
    for (size_t i = 0; i < a->shard_count; i++) {
        if (!str_eq_z(shard, a->shards[i].name)) {
            continue;
        }
        const struct mapping_value key[] = {apply_name(a), apply_version(a), apply_text(shard),
                                            apply_int((int64_t)a->shards[i].epoch)};
        uint64_t changed = 0;
        enum err e = apply_meta(a, META_HOLD, key, ARRAY_LEN(key), &changed, ec);
        *ours = e == ERR_OK && changed > 0;
        return e;
    }
    return ERR_OK;
}
