/*
 * Committed offsets. What is in the tables is durable: a commit enters them when its frame is on
 * the disk (fact_apply), so a fetch never shows what a crash could take back, and the order of the
 * log is the order in which commits win.
 *
 * Expiry (KIP-211): of a group with members nothing expires, except what they do not subscribe to;
 * of an empty group, retention counts from when it became empty; of one that never had members,
 * from each commit.
 */
#include <stdlib.h>

#include "core/bytes.h"
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "group/group_int.h"

#define OFFSET_FIXED_BYTES 160u

#ifdef LEAT_DEBUG
struct group_faults group_faults;
#endif

static void entry_free(struct group *gr, struct offset_entry *o)
{
    gr->owner->bytes -= OFFSET_FIXED_BYTES + o->metadata.n;
    gr->offset_count--;
    str_disown(&o->metadata);
    mem_free(o);
}

static void topic_clear(struct group *gr, struct offset_topic *t)
{
    struct map_iter it = {0};
    while (map_next(&t->partitions, &it)) {
        entry_free(gr, it.value);
    }
    map_deinit(&t->partitions);
    map_init(&t->partitions);
}

static void topic_free(struct group *gr, struct offset_topic *t)
{
    topic_clear(gr, t);
    map_deinit(&t->partitions);
    str_disown(&t->name);
    mem_free(t);
}

void offsets_free(struct group *gr)
{
    struct map_iter it = {0};
    while (map_next(&gr->topics, &it)) {
        topic_free(gr, it.value);
    }
    map_deinit(&gr->topics);
    map_init(&gr->topics);
    DCHECK(gr->offset_count == 0);
}

static struct offset_topic *topic_put(struct group *gr, struct str name, struct uuid id)
{
    struct offset_topic *t = map_get(&gr->topics, name);
    if (t != NULL) {
        if (!uuid_eq(t->id, id)) {
            topic_clear(gr, t); /* another topic of the same name */
            t->id = id;
        }
        return t;
    }
    t = mem_new(struct offset_topic);
    if (t == NULL) {
        return NULL;
    }
    map_init(&t->partitions);
    t->id = id;
    if (!str_own(&t->name, name) || !map_put(&gr->topics, name, t)) {
        str_disown(&t->name);
        mem_free(t);
        return NULL;
    }
    return t;
}

enum err offset_put(struct group *gr, struct str topic, struct uuid id, int32_t partition,
                    const struct groups_offset *o, int64_t retention_ms, int64_t committed_ns)
{
    struct offset_topic *t = topic_put(gr, topic, id);
    struct offset_entry *fresh = t == NULL ? NULL : mem_new(struct offset_entry);
    if (fresh == NULL) {
        return ERR_NO_MEMORY;
    }
    fresh->offset = o->offset;
    fresh->leader_epoch = o->leader_epoch;
    fresh->retention_ms = retention_ms;
    fresh->committed_ns = committed_ns;
    struct offset_entry *old = map_get_u64(&t->partitions, (uint32_t)partition);
    if (!str_own(&fresh->metadata, str_is_null(o->metadata) ? STR_LIT("") : o->metadata) ||
        !map_put_u64(&t->partitions, (uint32_t)partition, fresh)) {
        str_disown(&fresh->metadata);
        mem_free(fresh);
        return ERR_NO_MEMORY;
    }
    gr->offset_count++;
    gr->owner->bytes += OFFSET_FIXED_BYTES + fresh->metadata.n;
    if (old != NULL) {
        entry_free(gr, old);
    }
    return ERR_OK;
}

void offset_remove(struct group *gr, struct str topic, int32_t partition)
{
    struct offset_topic *t = map_get(&gr->topics, topic);
    struct offset_entry *o = t == NULL ? NULL : map_remove_u64(&t->partitions, (uint32_t)partition);
    if (o == NULL) {
        return;
    }
    entry_free(gr, o);
    if (t->partitions.count == 0) {
        map_remove(&gr->topics, topic);
        topic_free(gr, t);
    }
}

void offsets_remove_topic(struct group *gr, struct str topic)
{
    struct offset_topic *t = map_remove(&gr->topics, topic);
    if (t != NULL) {
        topic_free(gr, t);
    }
}

void groups_topic_deleted(struct groups *g, struct str topic)
{
    LIST_FOR_EACH (l, next, &g->all) {
        offsets_remove_topic(CONTAINER_OF(l, struct group, link), topic);
    }
}

void groups_forget_topics(struct groups *g,
                          bool (*exists)(void *ctx, struct str topic, struct uuid id), void *ctx)
{
    LIST_FOR_EACH (l, next, &g->all) {
        struct group *gr = CONTAINER_OF(l, struct group, link);
        struct map_iter it = {0};
        while (map_next(&gr->topics, &it)) {
            struct offset_topic *t = it.value;
            if (!exists(ctx, t->name, t->id)) {
                map_remove(&gr->topics, t->name);
                topic_free(gr, t);
            }
        }
    }
}

/* ---- Commit
 * -------------------------------------------------------------------------------------------- */

/* May this member commit now? *gr: the group, made if a simple consumer begins one. */
static enum err commit_check(struct groups *g, const struct groups_commit *c, struct group **out)
{
    struct group *gr = group_find(g, c->group_id);
    if (gr == NULL) {
        if (c->generation >= 0) {
            return c->unknown_group_has_code ? ERR_GROUP_ID_NOT_FOUND : ERR_ILLEGAL_GENERATION;
        }
        gr = group_make(g, c->group_id);
        *out = gr;
        return gr == NULL ? ERR_INVALID_COMMIT_OFFSET_SIZE : ERR_OK;
    }
    *out = gr;
    if (gr->owned != 0) {
        return ERR_UNKNOWN_MEMBER_ID; /* a service of the server has it */
    }
    if (c->generation < 0 && gr->state == GROUP_EMPTY) {
        return ERR_OK;
    }
    if (c->generation >= 0 || c->member_id.n > 0 || !str_is_null(c->instance_id)) {
        enum err e = member_validate(gr, c->member_id, c->instance_id);
        if (e != ERR_OK) {
            return e;
        }
        if (c->generation != gr->generation) {
            return ERR_ILLEGAL_GENERATION;
        }
    } else {
        return ERR_UNKNOWN_MEMBER_ID; /* the group has members: only they commit */
    }
    if (gr->state == GROUP_COMPLETING) {
        return ERR_REBALANCE_IN_PROGRESS;
    }
    member_touch(member_find(gr, c->member_id));
    return ERR_OK;
}

static uint32_t put_items(struct buf *out, struct groups *g, struct groups_commit *c)
{
    uint32_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        struct groups_commit_item *it = &c->items[i];
        if (it->err == ERR_OK && it->offset.metadata.n > (size_t)g->metadata_max) {
            it->err = ERR_OFFSET_METADATA_TOO_LARGE;
        }
        if (it->err != ERR_OK) {
            continue;
        }
        n++;
        buf_put_lstr(out, it->topic);
        buf_put(out, it->topic_id.b, sizeof(it->topic_id.b));
        buf_put_le32(out, (uint32_t)it->partition);
        buf_put_le64(out, (uint64_t)it->offset.offset);
        buf_put_le32(out, (uint32_t)it->offset.leader_epoch);
        buf_put_lstr(out, str_is_null(it->offset.metadata) ? STR_LIT("") : it->offset.metadata);
    }
    return n;
}

uint32_t commit_fact(struct group *gr, struct groups_commit *c, struct buf *out)
{
    buf_put_u8(out, FACT_COMMIT);
    buf_put_lstr(out, gr->id);
    buf_put_le64(out, (uint64_t)c->retention_ms);
    const size_t count_at = out->n;
    buf_put_le32(out, 0);
    const uint32_t n = put_items(out, gr->owner, c);
    if (!buf_failed(out)) {
        put_le32(out->p + count_at, n);
    }
    return n;
}

static enum err commit_append(struct group *gr, struct groups_commit *c, struct groups_ticket *t,
                              bool *nothing)
{
    struct group_op *op = op_make(gr);
    if (op == NULL) {
        return ERR_COORDINATOR_NOT_AVAILABLE;
    }
    *nothing = commit_fact(gr, c, &op->fact) == 0;
    if (*nothing) {
        op_free(op);
        return ERR_OK;
    }
    enum err e = group_append(gr, OP_COMMIT, op, t);
    return e == ERR_OK      ? e
           : e == ERR_LIMIT ? ERR_INVALID_COMMIT_OFFSET_SIZE
                            : ERR_COORDINATOR_NOT_AVAILABLE;
}

void groups_commit(struct groups *g, struct groups_commit *c, struct groups_ticket *t)
{
    struct group *gr = NULL;
    bool nothing = false;
    enum err e = commit_check(g, c, &gr);
    if (e == ERR_OK && g->bytes >= GROUPS_BYTES_MAX) {
        e = ERR_INVALID_COMMIT_OFFSET_SIZE;
    }
    if (e == ERR_OK) {
        e = commit_append(gr, c, t, &nothing);
        if (e == ERR_OK && !nothing) {
            if (GROUP_FAULT(commit_early)) {
                const struct groups_answer a = {.err = ERR_OK};
                ticket_answer(t->slot, &a);
            }
            return;
        }
    }
    if (gr != NULL) {
        group_free_if_unused(gr);
    }
    ticket_fail(t, e);
}

/* ---- Fetch
 * --------------------------------------------------------------------------------------------- */

static struct groups_offset view_of(const struct offset_entry *o)
{
    return (struct groups_offset){o->offset, o->leader_epoch, o->metadata};
}

bool groups_offset_get(struct groups *g, struct str group_id, struct str topic, int32_t partition,
                       struct groups_offset *out)
{
    const struct group *gr = group_find(g, group_id);
    const struct offset_topic *t = gr == NULL ? NULL : map_get(&gr->topics, topic);
    const struct offset_entry *o =
        t == NULL ? NULL : map_get_u64(&t->partitions, (uint32_t)partition);
    if (o == NULL) {
        return false;
    }
    *out = view_of(o);
    return true;
}

static int compare_rows(const void *a, const void *b)
{
    const struct groups_offset_row *x = a;
    const struct groups_offset_row *y = b;
    int c = str_cmp(x->topic, y->topic);
    return c != 0 ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

struct groups_offset_row *groups_offsets(struct groups *g, struct str group_id, struct arena *a,
                                         size_t *count)
{
    const struct group *gr = group_find(g, group_id);
    size_t n = gr == NULL ? 0 : gr->offset_count;
    struct groups_offset_row *rows = arena_new_n(a, struct groups_offset_row, n + 1);
    if (rows == NULL) {
        return NULL;
    }
    size_t at = 0;
    struct map_iter topics = {0};
    while (gr != NULL && map_next(&gr->topics, &topics)) {
        const struct offset_topic *t = topics.value;
        struct map_iter it = {0};
        while (map_next(&t->partitions, &it)) {
            rows[at++] =
                (struct groups_offset_row){t->name, t->id, (int32_t)it.key_u64, view_of(it.value)};
        }
    }
    CHECK(at == n);
    qsort(rows, n, sizeof(*rows), compare_rows);
    *count = n;
    return rows;
}

/* ---- Deletion and expiry
 * ------------------------------------------------------------------------------- */

static void put_name(struct group_op *op, uint32_t *n, size_t count_at, struct str topic,
                     int32_t partition)
{
    buf_put_lstr(&op->fact, topic);
    buf_put_le32(&op->fact, (uint32_t)partition);
    if (!buf_failed(&op->fact)) {
        (*n)++;
        for (unsigned i = 0; i < 4; i++) {
            op->fact.p[count_at + i] = (uint8_t)(*n >> (8 * i));
        }
    }
}

/* A deletion with no names yet; *count_at is where their number stands. */
static struct group_op *deletion_begin(struct group *gr, size_t *count_at)
{
    struct group_op *op = op_make(gr);
    if (op != NULL) {
        buf_put_u8(&op->fact, FACT_OFFSETS_DELETE);
        buf_put_lstr(&op->fact, gr->id);
        *count_at = op->fact.n;
        buf_put_le32(&op->fact, 0);
    }
    return op;
}

void groups_offsets_delete(struct groups *g, struct str group_id, struct groups_offset_name *items,
                           size_t count, struct groups_ticket *t)
{
    struct group *gr = group_find(g, group_id);
    enum err e = group_id.n == 0 ? ERR_INVALID_GROUP_ID
                 : gr == NULL    ? ERR_GROUP_ID_NOT_FOUND
                                 : ERR_OK;
    if (gr != NULL && e == ERR_OK &&
        (gr->owned != 0 ||
         (gr->state != GROUP_EMPTY && !str_eq_z(gr->protocol_type, "consumer")))) {
        e = ERR_NON_EMPTY_GROUP;
    }
    if (gr == NULL || e != ERR_OK) {
        ticket_fail(t, e);
        return;
    }
    size_t count_at = 0;
    uint32_t n = 0;
    struct group_op *op = deletion_begin(gr, &count_at);
    if (op == NULL) {
        ticket_fail(t, ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct groups_offset unused;
        if (items[i].err == ERR_OK && group_subscribed(gr, items[i].topic)) {
            items[i].err = ERR_GROUP_SUBSCRIBED_TO_TOPIC;
        }
        if (items[i].err == ERR_OK &&
            groups_offset_get(g, group_id, items[i].topic, items[i].partition, &unused)) {
            put_name(op, &n, count_at, items[i].topic, items[i].partition);
        }
    }
    if (n == 0) {
        op_free(op);
    } else if ((e = group_append(gr, OP_OFFSETS, op, t)) == ERR_OK) {
        return;
    }
    ticket_fail(t, e == ERR_OK ? ERR_OK : ERR_COORDINATOR_NOT_AVAILABLE);
}

void groups_delete(struct groups *g, struct str group_id, struct groups_ticket *t)
{
    struct group *gr = group_find(g, group_id);
    if (gr == NULL || gr->state != GROUP_EMPTY || gr->owned != 0) {
        ticket_fail(t, gr == NULL ? ERR_GROUP_ID_NOT_FOUND : ERR_NON_EMPTY_GROUP);
        return;
    }
    struct group_op *op = op_make(gr);
    enum err e = ERR_NO_MEMORY;
    if (op != NULL) {
        buf_put_u8(&op->fact, FACT_DELETE);
        buf_put_lstr(&op->fact, gr->id);
        e = group_append(gr, OP_DELETE, op, t);
    }
    if (e != ERR_OK) {
        ticket_fail(t, ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    /* A number recorded before the deletion would not be known after it. */
    gr->lease = 0;
}

static bool is_expired(const struct group *gr, const struct offset_topic *t,
                       const struct offset_entry *o, int64_t now)
{
    int64_t base = o->committed_ns;
    if (gr->state == GROUP_EMPTY) {
        if (!str_is_null(gr->protocol_type) && gr->state_since_ns > base) {
            base = gr->state_since_ns;
        }
    } else if (gr->state != GROUP_STABLE || group_subscribed(gr, t->name)) {
        return false;
    }
    if (o->retention_ms >= 0) {
        return (now - o->committed_ns) / (int64_t)NS_PER_MS >= o->retention_ms;
    }
    return now - base >= (int64_t)gr->owner->retention_ns;
}

/* A deletion of what has expired; false: it could not be written, try again. */
static bool expire_group(struct group *gr, int64_t now)
{
    struct groups *g = gr->owner;
    size_t count_at = 0;
    uint32_t n = 0;
    if (gr->owned != 0) {
        return true; /* it is in use, however seldom it commits */
    }
    struct group_op *op = deletion_begin(gr, &count_at);
    if (op == NULL) {
        return false;
    }
    struct map_iter topics = {0};
    while (map_next(&gr->topics, &topics)) {
        const struct offset_topic *t = topics.value;
        struct map_iter it = {0};
        /* What does not fit into one fact goes with the next check. */
        while (op->fact.n < op->fact.max / 2 && map_next(&t->partitions, &it)) {
            if (is_expired(gr, t, it.value, now)) {
                put_name(op, &n, count_at, t->name, (int32_t)it.key_u64);
            }
        }
    }
    /* The numbers of owners go on for the life of the group: who is fenced by one must stay so. */
    const bool was_owned = gr->leased > 0 && gr->recorded_n == 0;
    bool nothing_left = gr->state == GROUP_EMPTY && gr->in_flight == 0 && gr->pending_count == 0 &&
                        n == gr->offset_count && !was_owned;
    if (n == 0 && !nothing_left) {
        op_free(op);
        return true;
    }
    if (nothing_left) {
        buf_clear(&op->fact);
        buf_put_u8(&op->fact, FACT_DELETE);
        buf_put_lstr(&op->fact, gr->id);
    }
    if (group_append(gr, nothing_left ? OP_DELETE : OP_OFFSETS, op, NULL) != ERR_OK) {
        return false;
    }
    if (nothing_left) {
        gr->lease = 0;
        LOG_INFO("group.expired", KV_STR("group", gr->id), KV_U64("offsets", n));
    }
    metric_add(g->offsets_expired, n);
    return true;
}

void offsets_expire(struct groups *g, uint64_t now_ns)
{
    const uint64_t soon = 1000ull * NS_PER_MS;
    bool all = true;
    LIST_FOR_EACH (l, next, &g->all) {
        struct group *gr = CONTAINER_OF(l, struct group, link);
        all = all && store_ready(g->store) && expire_group(gr, (int64_t)now_ns);
    }
    uint64_t wait = all || soon > g->check_interval_ns ? g->check_interval_ns : soon;
    g->next_check_ns = now_ns + wait;
}
