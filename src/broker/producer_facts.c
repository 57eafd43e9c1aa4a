/*
 * Producer ids and producer state in the log (tag STORE_TAG_PRODUCERS).
 *
 * Producer ids are leased in blocks:   fact  = u8 1, le64 first id that is not leased
 * A batch that the gate knew, so that it is in the log under another sequence, or without one:
 *                                      fact  = u8 2, le32 part id, le64 producer id, le16 epoch,
 *     le32 base sequence, le32 last offset delta, le64 base offset of the original (-1: not known),
 *     le64 largest timestamp
 * Other producer state needs no facts: it is in the batches, which recovery shows through `batch`,
 * in one order with the facts. Batches before the last checkpoint are not shown, so the state is a
 * section of its image: image = le64 first id that is not leased, le32 count of partitions,
 * partition each partition = le32 part id, le32 count, producer each producer = le64 id, le16
 * epoch, le64 idle time in ms, le64 last timestamp, u8 count, batch each batch    = le32 base
 * sequence, le32 last offset delta, le64 base offset, le64 answered timestamp
 */
#include "broker/broker_int.h"
#include "core/bytes.h"
#include "core/check.h"
#include "core/mem.h"

enum {
    FACT_LEASE = 1,
    FACT_KNOWN = 2,
    KNOWN_BYTES = 39,
    LEASE_FRAME_MIN = 64 /* bytes of a frame and an item around a lease */
};

/* ---- Handing out ids
 * ------------------------------------------------------------------------------- */

struct id_request {
    struct list link; /* in broker->id_requests */
    void (*done)(void *ctx, enum err e, struct broker_producer_id pid);
    void *ctx;
};

static void start_lease(struct broker *b);

/* Answers waiting requests while leased ids are left; leases the next block for the others. */
static void serve_requests(struct broker *b)
{
    while (b->next_producer_id < b->producer_ids_leased && !list_empty(&b->id_requests)) {
        struct id_request *r =
            CONTAINER_OF(list_pop_front(&b->id_requests), struct id_request, link);
        r->done(r->ctx, ERR_OK, (struct broker_producer_id){b->next_producer_id++, 0});
        mem_free(r);
    }
    if (!list_empty(&b->id_requests)) {
        start_lease(b);
    }
}

static void on_leased(void *ctx, uint64_t position)
{
    struct broker *b = ctx;
    (void)position;
    b->leasing = false;
    b->producer_ids_leased += BROKER_PRODUCER_ID_BLOCK;
    serve_requests(b);
}

static void start_lease(struct broker *b)
{
    if (b->leasing) {
        return;
    }
    struct buf fact;
    buf_init(&fact, 64);
    buf_put_u8(&fact, FACT_LEASE);
    buf_put_le64(&fact, (uint64_t)(b->producer_ids_leased + BROKER_PRODUCER_ID_BLOCK));
    enum err e = store_ready(b->store)
                     ? broker_commit_fact(b, STORE_TAG_PRODUCERS, &fact, on_leased, b)
                     : ERR_AGAIN;
    buf_deinit(&fact);
    if (e == ERR_OK) {
        b->leasing = true;
        return;
    }
    struct list *l;
    while ((l = list_pop_front(&b->id_requests)) != NULL) {
        struct id_request *r = CONTAINER_OF(l, struct id_request, link);
        r->done(r->ctx, ERR_COORDINATOR_NOT_AVAILABLE, (struct broker_producer_id){-1, -1});
        mem_free(r);
    }
}

void broker_producer_id_new(struct broker *b, int64_t id, int16_t epoch,
                            void (*done)(void *ctx, enum err e, struct broker_producer_id pid),
                            void *ctx)
{
    /* KIP-360: a producer that knows its id gets the next epoch. Nothing needs to be stored: the
     * epoch is fenced by the first batch that carries it, and an idempotent producer without a
     * transactional id has no other claimant. */
    if (id >= 0 && epoch >= 0 && epoch < INT16_MAX - 1 && id < b->next_producer_id) {
        done(ctx, ERR_OK, (struct broker_producer_id){id, (int16_t)(epoch + 1)});
        return;
    }
    struct id_request *r = mem_new(struct id_request);
    if (r == NULL) {
        done(ctx, ERR_COORDINATOR_NOT_AVAILABLE, (struct broker_producer_id){-1, -1});
        return;
    }
    r->done = done;
    r->ctx = ctx;
    list_init(&r->link);
    list_push_back(&b->id_requests, &r->link);
    serve_requests(b);
}

void producer_requests_free(struct broker *b)
{
    struct list *l;
    while ((l = list_pop_front(&b->id_requests)) != NULL) {
        mem_free(CONTAINER_OF(l, struct id_request, link));
    }
}

/* ---- Recovery and image
 * ------------------------------------------------------------------------------- */

static enum err damaged(struct ectx *ec)
{
    return ectx_fail(ec, ERR_DAMAGED, "producers: the state cannot be read");
}

enum err producer_known(struct store_frame *f, const struct partition *p,
                        const struct store_batch_info *info)
{
    uint8_t bytes[KNOWN_BYTES];
    struct buf fact = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
    buf_put_u8(&fact, FACT_KNOWN);
    buf_put_le32(&fact, store_part_id(p->part));
    buf_put_le64(&fact, (uint64_t)info->producer_id);
    buf_put_le16(&fact, (uint16_t)info->producer_epoch);
    buf_put_le32(&fact, (uint32_t)info->base_sequence);
    buf_put_le32(&fact, (uint32_t)info->last_offset_delta);
    buf_put_le64(&fact, (uint64_t)info->base_offset);
    buf_put_le64(&fact, (uint64_t)info->max_timestamp);
    CHECK(!buf_failed(&fact) && fact.n == KNOWN_BYTES);
    return store_frame_fact(f, STORE_TAG_PRODUCERS, buf_str(&fact));
}

static enum err apply_known(struct broker *b, struct slice *in, struct ectx *ec)
{
    uint32_t part_id, sequence, delta;
    uint64_t id, offset, timestamp;
    uint16_t epoch;
    if (!slice_le32(in, &part_id) || !slice_le64(in, &id) || !slice_le16(in, &epoch) ||
        !slice_le32(in, &sequence) || !slice_le32(in, &delta) || !slice_le64(in, &offset) ||
        !slice_le64(in, &timestamp) || slice_left(in) != 0) {
        return damaged(ec);
    }
    const struct store_batch_info info = {.base_offset = (int64_t)offset,
                                          .last_offset_delta = (int32_t)delta,
                                          .max_timestamp = (int64_t)timestamp,
                                          .producer_id = (int64_t)id,
                                          .producer_epoch = (int16_t)epoch,
                                          .base_sequence = (int32_t)sequence};
    struct store_part *part = store_part_find(b->store, part_id);
    struct partition *p = part == NULL ? NULL : store_part_user(part);
    if (p == NULL) {
        return ERR_OK; /* of a topic that is gone */
    }
    if (producer_reserve(b, p->state, info.producer_id) != ERR_OK) {
        return ectx_fail(ec, ERR_NO_MEMORY, "producers: out of memory");
    }
    producer_note(b, p->state, &info, -1);
    return ERR_OK;
}

static enum err apply(void *ctx, uint64_t position, struct slice body, struct ectx *ec)
{
    struct broker *b = ctx;
    uint8_t kind;
    uint64_t leased;
    (void)position;
    if (!slice_u8(&body, &kind)) {
        return damaged(ec);
    }
    if (kind == FACT_KNOWN) {
        return apply_known(b, &body, ec);
    }
    if (kind != FACT_LEASE || !slice_le64(&body, &leased)) {
        return damaged(ec);
    }
    /* Which ids of a block were given out is not recorded: all of them may have been. */
    b->producer_ids_leased = (int64_t)leased;
    b->next_producer_id = (int64_t)leased;
    return ERR_OK;
}

static enum err batch(void *ctx, struct store_part *part, const struct store_batch_info *info,
                      struct ectx *ec)
{
    struct broker *b = ctx;
    struct partition *p = store_part_user(part);
    if (p == NULL || info->producer_id < 0 || info->base_sequence < 0) {
        return ERR_OK;
    }
    if (producer_reserve(b, p->state, info->producer_id) != ERR_OK) {
        return ectx_fail(ec, ERR_NO_MEMORY, "producers: out of memory");
    }
    bool append_time = topic_full_of(p->topic)->rules.log_append_time;
    producer_note(b, p->state, info, append_time ? info->max_timestamp : -1);
    return ERR_OK;
}

static void put_producer(struct buf *out, const struct producer *p, uint64_t now_ns)
{
    buf_put_le64(out, (uint64_t)p->id);
    buf_put_le16(out, (uint16_t)p->epoch);
    buf_put_le64(out, (now_ns - p->used_ns) / 1000000);
    buf_put_le64(out, (uint64_t)p->last_timestamp_ms);
    buf_put_u8(out, p->batch_count);
    for (size_t i = 0; i < p->batch_count; i++) {
        buf_put_le32(out, (uint32_t)p->batches[i].base_sequence);
        buf_put_le32(out, (uint32_t)p->batches[i].last_offset_delta);
        buf_put_le64(out, (uint64_t)p->batches[i].base_offset);
        buf_put_le64(out, (uint64_t)p->batches[i].timestamp);
    }
}

static uint32_t put_partition(struct buf *out, const struct partition *p, uint64_t now_ns)
{
    if (p->state->producers.count == 0) {
        return 0;
    }
    buf_put_le32(out, store_part_id(p->part));
    buf_put_le32(out, (uint32_t)p->state->producers.count);
    LIST_FOR_EACH (l, next, &p->state->producers_by_use) {
        put_producer(out, CONTAINER_OF(l, struct producer, by_use), now_ns);
    }
    return 1;
}

static enum err snapshot(void *ctx, struct buf *out)
{
    struct broker *b = ctx;
    uint64_t now_ns = env_mono_ns(b->env);
    buf_put_le64(out, (uint64_t)b->producer_ids_leased);
    size_t count_at = out->n;
    uint32_t count = 0;
    buf_put_le32(out, 0);
    struct map_iter it = {0};
    while (map_next(&b->by_name, &it)) {
        const struct topic *t = it.value;
        for (int32_t i = 0; i < t->partition_count; i++) {
            count += put_partition(out, t->partitions[i], now_ns);
        }
    }
    if (buf_failed(out)) {
        return ERR_NO_MEMORY;
    }
    put_le32(out->p + count_at, count);
    return ERR_OK;
}

static bool take_batches(struct slice *in, struct producer *p, uint8_t count)
{
    for (uint8_t i = 0; i < count; i++) {
        uint32_t sequence;
        uint32_t delta;
        uint64_t offset;
        uint64_t timestamp;
        if (!slice_le32(in, &sequence) || !slice_le32(in, &delta) || !slice_le64(in, &offset) ||
            !slice_le64(in, &timestamp)) {
            return false;
        }
        p->batches[i] = (struct producer_batch){(int32_t)sequence, (int32_t)delta, (int64_t)offset,
                                                (int64_t)timestamp};
    }
    p->batch_count = count;
    return true;
}

static enum err take_producer(struct broker *b, struct slice *in, struct partition *p,
                              uint64_t now_ns, struct ectx *ec)
{
    uint64_t id;
    uint16_t epoch;
    uint64_t idle_ms;
    uint64_t last_timestamp;
    uint8_t count;
    if (!slice_le64(in, &id) || !slice_le16(in, &epoch) || !slice_le64(in, &idle_ms) ||
        !slice_le64(in, &last_timestamp) || !slice_u8(in, &count) ||
        count > BROKER_PRODUCER_BATCHES) {
        return damaged(ec);
    }
    struct producer *pr = producer_put(b, p->state, (int64_t)id);
    if (pr == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "producers: out of memory");
    }
    pr->epoch = (int16_t)epoch;
    pr->last_timestamp_ms = (int64_t)last_timestamp;
    pr->used_ns = now_ns > idle_ms * 1000000 ? now_ns - idle_ms * 1000000 : 0;
    return take_batches(in, pr, count) ? ERR_OK : damaged(ec);
}

static enum err restore(void *ctx, struct slice image, struct ectx *ec)
{
    struct broker *b = ctx;
    uint64_t leased;
    uint32_t partitions;
    uint64_t now_ns = env_mono_ns(b->env);
    if (!slice_le64(&image, &leased) || !slice_le32(&image, &partitions)) {
        return damaged(ec);
    }
    b->producer_ids_leased = (int64_t)leased;
    b->next_producer_id = (int64_t)leased;
    for (uint32_t i = 0; i < partitions; i++) {
        uint32_t part_id;
        uint32_t count;
        if (!slice_le32(&image, &part_id) || !slice_le32(&image, &count)) {
            return damaged(ec);
        }
        struct store_part *part = store_part_find(b->store, part_id);
        struct partition *p = part == NULL ? NULL : store_part_user(part);
        if (p == NULL) {
            return damaged(ec);
        }
        for (uint32_t j = 0; j < count; j++) {
            enum err e = take_producer(b, &image, p, now_ns, ec);
            if (e != ERR_OK) {
                return e;
            }
        }
    }
    return ERR_OK;
}

/* Leases are among the lost facts: as many as fit, each in a frame of its own, may have been given
 * out. */
static void lost(void *ctx, uint64_t bytes)
{
    struct broker *b = ctx;
    b->producer_ids_leased += (int64_t)(bytes / LEASE_FRAME_MIN + 1) * BROKER_PRODUCER_ID_BLOCK;
    b->next_producer_id = b->producer_ids_leased;
}

static void attach(void *ctx, struct store *store)
{
    struct broker *b = ctx;
    b->store = store;
}

struct store_participant producers_participant(struct broker *b)
{
    return (struct store_participant){.tag = STORE_TAG_PRODUCERS,
                                      .name = "producers",
                                      .ctx = b,
                                      .attach = attach,
                                      .apply = apply,
                                      .batch = batch,
                                      .lost = lost,
                                      .snapshot = snapshot,
                                      .restore = restore};
}
