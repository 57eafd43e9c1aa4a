/*
 * Groups as facts in the log (tag STORE_TAG_GROUPS) and as a section of the checkpoint image.
 * Little-endian; strings are le32 length and bytes (buf_put_lstr).
 *
 *   COMMIT          u8 1, lstr group, le64 retention ms (-1: as configured), topics
 *   GROUP           u8 2, lstr group, le32 generation, lstr protocol type, lstr protocol,
 *                   lstr leader, le32 count, member each       as of a completed rebalance
 *   GENERATION      u8 3, lstr group, le32 generation          recorded before it is told
 *   DELETE          u8 4, lstr group                           with its offsets
 *   OFFSETS_DELETE  u8 5, lstr group, le32 count, (lstr topic, le32 partition) each
 *   topics = le32 count, (lstr name, id[16], le32 partition, le64 offset, le32 leader epoch,
 *            lstr metadata) each: one entry a partition
 *   member = lstr id, lstr instance, lstr client id, lstr client host, le32 session timeout ms,
 *            le32 rebalance timeout ms, lstr assignment, le32 count, (lstr name, lstr metadata)
 * each image  = le32 count of groups, each: lstr name, lstr GROUP fact (empty: none), le32 largest
 *            generation recorded, le64 ms in its state, le32 count of offsets, each: as in
 * `topics`, le64 retention ms, le64 age in ms
 *
 * Ages instead of times: expiry counts the time in which the server ran.
 */
#include "core/bytes.h"
#include "core/check.h"
#include "core/mem.h"
#include "group/group_int.h"

static void put_member(struct buf *out, const struct group_member *m, bool use_next)
{
    struct str a = use_next ? m->next_assignment : m->assignment;
    buf_put_lstr(out, m->id);
    buf_put_lstr(out, m->instance_id);
    buf_put_lstr(out, m->client_id);
    buf_put_lstr(out, m->client_host);
    buf_put_le32(out, (uint32_t)m->session_timeout_ms);
    buf_put_le32(out, (uint32_t)m->rebalance_timeout_ms);
    buf_put_lstr(out, str_is_null(a) ? STR_LIT("") : a);
    buf_put_le32(out, (uint32_t)m->protocol_count);
    for (size_t i = 0; i < m->protocol_count; i++) {
        buf_put_lstr(out, m->protocols[i].name);
        buf_put_lstr(out, m->protocols[i].metadata);
    }
}

void fact_group(struct buf *out, const struct group *gr, bool use_next)
{
    buf_put_u8(out, FACT_GROUP);
    buf_put_lstr(out, gr->id);
    buf_put_le32(out, (uint32_t)gr->generation);
    buf_put_lstr(out, gr->protocol_type);
    buf_put_lstr(out, gr->protocol_name);
    buf_put_lstr(out, gr->leader == NULL ? STR_NULL : gr->leader->id);
    buf_put_le32(out, (uint32_t)gr->member_count);
    LIST_FOR_EACH (l, next, &gr->members) {
        put_member(out, CONTAINER_OF(l, struct group_member, link), use_next);
    }
}

/* ---- Reading back
 * -------------------------------------------------------------------------------------------- */

static enum err damaged(struct ectx *ec, const char *what)
{
    return ectx_fail(ec, ERR_DAMAGED, "groups: %s cannot be read", what);
}

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "groups: out of memory");
}

static bool take_i32(struct slice *in, int32_t *out)
{
    uint32_t v;
    if (!slice_le32(in, &v)) {
        return false;
    }
    *out = (int32_t)v;
    return true;
}

static bool take_i64(struct slice *in, int64_t *out)
{
    uint64_t v;
    if (!slice_le64(in, &v)) {
        return false;
    }
    *out = (int64_t)v;
    return true;
}

struct offset_fact {
    struct str topic;
    struct uuid id;
    int32_t partition;
    struct groups_offset offset;
};

static bool take_offset(struct slice *in, struct offset_fact *o)
{
    const uint8_t *id;
    if (!slice_lstr(in, &o->topic) || !slice_take(in, sizeof(o->id.b), &id) ||
        !take_i32(in, &o->partition) || !take_i64(in, &o->offset.offset) ||
        !take_i32(in, &o->offset.leader_epoch) || !slice_lstr(in, &o->offset.metadata)) {
        return false;
    }
    memcpy(o->id.b, id, sizeof(o->id.b));
    return true;
}

static enum err apply_commit(struct group *gr, struct slice *in, struct ectx *ec)
{
    int64_t retention;
    uint32_t n;
    int64_t now = (int64_t)groups_now(gr->owner);
    if (!take_i64(in, &retention) || !slice_le32(in, &n)) {
        return damaged(ec, "a commit");
    }
    for (uint32_t i = 0; i < n; i++) {
        struct offset_fact o;
        if (!take_offset(in, &o)) {
            return damaged(ec, "a commit");
        }
        if (offset_put(gr, o.topic, o.id, o.partition, &o.offset, retention, now) != ERR_OK) {
            return no_memory(ec);
        }
    }
    return ERR_OK;
}

static enum err take_protocols(struct slice *in, struct groups_protocol **out, uint32_t n,
                               struct ectx *ec)
{
    /* Each needs 8 bytes at least: a damaged count allocates nothing large. */
    if (n == 0 || n > slice_left(in) / 8) {
        return damaged(ec, "a member's protocols");
    }
    struct groups_protocol *p = mem_zalloc(n, sizeof(*p));
    if (p == NULL) {
        return no_memory(ec);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!slice_lstr(in, &p[i].name) || !slice_lstr(in, &p[i].metadata)) {
            mem_free(p);
            return damaged(ec, "a member's protocols");
        }
    }
    *out = p;
    return ERR_OK;
}

static enum err take_member(struct group *gr, struct slice *in, struct str protocol_type,
                            struct ectx *ec)
{
    struct groups_join j = {.protocol_type = protocol_type};
    struct groups_protocol *protocols = NULL;
    struct str assignment;
    uint32_t n;
    if (!slice_lstr(in, &j.member_id) || !slice_lstr(in, &j.instance_id) ||
        !slice_lstr(in, &j.client_id) || !slice_lstr(in, &j.client_host) ||
        !take_i32(in, &j.session_timeout_ms) || !take_i32(in, &j.rebalance_timeout_ms) ||
        !slice_lstr(in, &assignment) || !slice_le32(in, &n) || str_is_null(j.member_id) ||
        member_find(gr, j.member_id) != NULL) {
        return damaged(ec, "a member");
    }
    enum err e = take_protocols(in, &protocols, n, ec);
    if (e != ERR_OK) {
        return e;
    }
    j.protocols = protocols;
    j.protocol_count = n;
    struct group_member *m = member_add(gr, j.member_id, &j);
    mem_free(protocols);
    return m != NULL && str_own(&m->assignment, assignment) ? ERR_OK : no_memory(ec);
}

static enum err keep_recorded(struct group *gr, struct slice whole, struct ectx *ec)
{
    size_t n = slice_left(&whole);
    uint8_t *copy = mem_alloc(n);
    if (copy == NULL) {
        return no_memory(ec);
    }
    memcpy(copy, whole.p, n);
    gr->owner->bytes -= gr->recorded_n;
    mem_free(gr->recorded);
    gr->recorded = copy;
    gr->recorded_n = n;
    gr->owner->bytes += n;
    return ERR_OK;
}

static enum err apply_group(struct group *gr, struct slice *in, struct ectx *ec)
{
    struct str type;
    struct str protocol;
    struct str leader;
    uint32_t n;
    if (!take_i32(in, &gr->generation) || !slice_lstr(in, &type) || !slice_lstr(in, &protocol) ||
        !slice_lstr(in, &leader) || !slice_le32(in, &n) || gr->generation < 0 ||
        (n > 0 && (str_is_null(protocol) || gr->generation == 0))) {
        return damaged(ec, "a group");
    }
    gr->leased = gr->generation > gr->leased ? gr->generation : gr->leased;
    LIST_FOR_EACH (l, next, &gr->members) {
        member_remove(CONTAINER_OF(l, struct group_member, link));
    }
    gr->state = GROUP_EMPTY;
    if (!str_own(&gr->protocol_type, type) || !str_own(&gr->protocol_name, protocol)) {
        return no_memory(ec);
    }
    for (uint32_t i = 0; i < n; i++) {
        enum err e = take_member(gr, in, type, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    struct group_member *m = member_find(gr, leader);
    gr->leader = m != NULL ? m : gr->leader;
    group_set_state(gr, n > 0 ? GROUP_STABLE : GROUP_EMPTY);
    return ERR_OK;
}

static enum err apply_offsets_delete(struct group *gr, struct slice *in, struct ectx *ec)
{
    uint32_t n;
    if (!slice_le32(in, &n)) {
        return damaged(ec, "a deletion of offsets");
    }
    for (uint32_t i = 0; i < n; i++) {
        struct str topic;
        int32_t partition;
        if (!slice_lstr(in, &topic) || !take_i32(in, &partition)) {
            return damaged(ec, "a deletion of offsets");
        }
        offset_remove(gr, topic, partition);
    }
    return ERR_OK;
}

enum err fact_apply(struct groups *g, struct slice body, struct ectx *ec)
{
    struct slice whole = body;
    uint8_t kind;
    struct str id;
    if (!slice_u8(&body, &kind) || !slice_lstr(&body, &id)) {
        return damaged(ec, "a fact");
    }
    struct group *gr = group_find(g, id);
    if (kind == FACT_DELETE) {
        if (gr != NULL) {
            group_free(gr);
        }
        return ERR_OK;
    }
    gr = gr == NULL ? group_make(g, id) : gr;
    if (gr == NULL) {
        return no_memory(ec);
    }
    enum err e = ERR_OK;
    switch (kind) {
    case FACT_COMMIT:
        return apply_commit(gr, &body, ec);
    case FACT_GROUP:
        e = apply_group(gr, &body, ec);
        return e == ERR_OK ? keep_recorded(gr, whole, ec) : e;
    case FACT_GENERATION: {
        int32_t number;
        if (!take_i32(&body, &number) || number <= 0) {
            return damaged(ec, "a generation");
        }
        gr->leased = number > gr->leased ? number : gr->leased;
        return ERR_OK;
    }
    case FACT_OFFSETS_DELETE:
        return apply_offsets_delete(gr, &body, ec);
    default:
        return ectx_fail(ec, ERR_VERSION, "groups: unknown fact %u: written by a newer version",
                         kind);
    }
}

static enum err apply(void *ctx, uint64_t position, struct slice body, struct ectx *ec)
{
    (void)position;
    return fact_apply(ctx, body, ec);
}

/* ---- The image
 * -----------------------------------------------------------------------------------------------
 */

static uint64_t age_ms(int64_t now_ns, int64_t then_ns)
{
    return now_ns > then_ns ? (uint64_t)(now_ns - then_ns) / NS_PER_MS : 0;
}

static int64_t time_of_age(int64_t now_ns, uint64_t ms)
{
    const uint64_t most = (uint64_t)INT64_MAX / 2 / NS_PER_MS;
    return now_ns - (int64_t)((ms < most ? ms : most) * NS_PER_MS);
}

static void put_offsets(struct buf *out, const struct group *gr, int64_t now)
{
    buf_put_le32(out, (uint32_t)gr->offset_count);
    struct map_iter topics = {0};
    while (map_next(&gr->topics, &topics)) {
        const struct offset_topic *t = topics.value;
        struct map_iter it = {0};
        while (map_next(&t->partitions, &it)) {
            const struct offset_entry *o = it.value;
            buf_put_lstr(out, t->name);
            buf_put(out, t->id.b, sizeof(t->id.b));
            buf_put_le32(out, (uint32_t)it.key_u64);
            buf_put_le64(out, (uint64_t)o->offset);
            buf_put_le32(out, (uint32_t)o->leader_epoch);
            buf_put_lstr(out, o->metadata);
            buf_put_le64(out, (uint64_t)o->retention_ms);
            buf_put_le64(out, age_ms(now, o->committed_ns));
        }
    }
}

static enum err snapshot(void *ctx, struct buf *out)
{
    struct groups *g = ctx;
    int64_t now = (int64_t)groups_now(g);
    uint32_t count = 0;
    size_t count_at = out->n;
    if (!owner_apply_late(g)) {
        return ERR_NO_MEMORY;
    }
    buf_put_le32(out, 0);
    LIST_FOR_EACH (l, next, &g->all) {
        const struct group *gr = CONTAINER_OF(l, struct group, link);
        if (gr->recorded_n == 0 && gr->leased == 0 && gr->offset_count == 0) {
            continue; /* nothing of it is recorded yet */
        }
        count++;
        buf_put_lstr(out, gr->id);
        buf_put_lstr(
            out, str_make(gr->recorded_n == 0 ? "" : (const char *)gr->recorded, gr->recorded_n));
        buf_put_le32(out, (uint32_t)gr->leased);
        buf_put_le64(out, age_ms(now, gr->state_since_ns));
        put_offsets(out, gr, now);
    }
    if (buf_failed(out)) {
        return ERR_NO_MEMORY;
    }
    put_le32(out->p + count_at, count);
    return ERR_OK;
}

static enum err restore_offsets(struct group *gr, struct slice *in, int64_t now, struct ectx *ec)
{
    uint32_t n;
    if (!slice_le32(in, &n)) {
        return damaged(ec, "the image");
    }
    for (uint32_t i = 0; i < n; i++) {
        struct offset_fact o;
        int64_t retention;
        uint64_t age;
        if (!take_offset(in, &o) || !take_i64(in, &retention) || !slice_le64(in, &age)) {
            return damaged(ec, "the image");
        }
        if (offset_put(gr, o.topic, o.id, o.partition, &o.offset, retention,
                       time_of_age(now, age)) != ERR_OK) {
            return no_memory(ec);
        }
    }
    return ERR_OK;
}

static enum err restore_group(struct groups *g, struct slice *in, int64_t now, struct ectx *ec)
{
    struct str id;
    struct str recorded;
    int32_t leased;
    uint64_t age;
    if (!slice_lstr(in, &id) || !slice_lstr(in, &recorded) || !take_i32(in, &leased) ||
        !slice_le64(in, &age)) {
        return damaged(ec, "the image");
    }
    if (recorded.n > 0) {
        enum err e = fact_apply(g, slice_of(recorded.p, recorded.n), ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    struct group *gr = group_find(g, id);
    gr = gr == NULL ? group_make(g, id) : gr;
    if (gr == NULL) {
        return no_memory(ec);
    }
    gr->leased = leased > gr->leased ? leased : gr->leased;
    gr->state_since_ns = time_of_age(now, age);
    return restore_offsets(gr, in, now, ec);
}

static enum err restore(void *ctx, struct slice image, struct ectx *ec)
{
    struct groups *g = ctx;
    uint32_t n;
    int64_t now = (int64_t)groups_now(g);
    if (!slice_le32(&image, &n)) {
        return damaged(ec, "the image");
    }
    for (uint32_t i = 0; i < n; i++) {
        enum err e = restore_group(g, &image, now, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static void attach(void *ctx, struct store *store)
{
    struct groups *g = ctx;
    g->store = store;
}

struct store_participant groups_participant(struct groups *g)
{
    return (struct store_participant){.tag = STORE_TAG_GROUPS,
                                      .name = "groups",
                                      .ctx = g,
                                      .attach = attach,
                                      .apply = apply,
                                      .snapshot = snapshot,
                                      .restore = restore};
}
