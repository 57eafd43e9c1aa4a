/*
 * Reads of the embedded engine. What is in memory is answered at once, the rest by a worker of the
 * store. A reader that wants to wait is a waiter on the partition, with a timer.
 *
 *     TRYING -> DONE                      in memory, or nothing and no wish to wait
 *     TRYING -> READING -> DONE           on a worker
 *     TRYING -> WAITING -> TRYING ...     until there is something, or the time is over
 *
 * A worker's read cannot be called back: a cancelled one lives on without its caller, in memory of
 * its own, until the worker is done. So what is read is always kept in the operation's arena; the
 * caller's has the table of batches only.
 */
#include "core/check.h"
#include "core/mem.h"
#include "engine/embedded_int.h"

enum read_state { READ_TRYING, READ_READING, READ_WAITING, READ_DONE };
enum { READ_ARENA_BASE = 64 << 10, READ_BYTES_MAX = 64 << 20 };
enum { READS_IDLE_MAX = 16, READ_ARENA_KEPT = 4096 }; /* kept for the next reads */

struct read_op {
    struct list link; /* in embedded.reads */
    struct embedded *m;
    struct engine_read *r; /* NULL: cancelled */
    enum read_state state;
    struct uuid topic_id; /* of the topic as it was at first: one made anew is another */
    int64_t offset;
    uint64_t deadline_ns;
    struct heap_node timer;
    struct broker_waiter waiter;
    struct arena arena;
    struct store_read got;
    struct store_read_job job;
};

/* One for `r`; its arena may have a block from before. NULL: no memory. */
static struct read_op *op_new(struct embedded *m, struct engine_read *r)
{
    struct arena kept = {0};
    struct list *l = list_pop_front(&m->reads_idle);
    struct read_op *op =
        l == NULL ? mem_new(struct read_op) : CONTAINER_OF(l, struct read_op, link);
    if (op == NULL) {
        return NULL;
    }
    if (l != NULL) {
        m->reads_idle_count--;
        kept = op->arena;
    }
    *op = (struct read_op){.m = m, .r = r, .arena = kept};
    list_init(&op->link);
    list_init(&op->waiter.link);
    heap_node_init(&op->timer);
    list_push_back(&m->reads, &op->link);
    return op;
}

static void op_free(struct read_op *op)
{
    struct embedded *m = op->m;
    broker_wait_cancel(&op->waiter);
    heap_remove(&m->timers, &op->timer);
    list_remove(&op->link);
    store_read_release(&op->got);
    if (m->reads_idle_count < READS_IDLE_MAX) {
        arena_reset(&op->arena, READ_ARENA_KEPT);
        m->reads_idle_count++;
        list_push_front(&m->reads_idle, &op->link);
        return;
    }
    arena_deinit(&op->arena);
    mem_free(op);
}

static void read_end(struct read_op *op, enum err err)
{
    struct engine_read *r = op->r;
    r->err = err;
    op->state = READ_DONE;
    heap_remove(&op->m->timers, &op->timer);
    if (err != ERR_OK) {
        r->batches = NULL;
        r->batch_count = 0;
        r->internal = NULL;
        op_free(op);
    }
    r->done(r);
}

static bool is_control(struct str batch)
{
    const uint8_t *p = (const uint8_t *)batch.p;
    return (p[BATCH_AT_ATTRIBUTES + 1] & BATCH_ATTR_CONTROL) != 0;
}

/* Hands over what is in op->got; false: nothing but control batches, and op->offset is behind them.
 */
static bool give(struct read_op *op)
{
    struct engine_read *r = op->r;
    const struct store_read *got = &op->got;
    struct engine_batch *batches = arena_new_n(r->arena, struct engine_batch, got->chunk_count);
    if (batches == NULL) {
        read_end(op,
                 ectx_fail(&r->ec, ERR_NO_MEMORY, "the reader's memory has no room for %zu batches",
                           got->chunk_count));
        return true;
    }
    size_t n = 0;
    for (size_t i = 0; i < got->chunk_count; i++) {
        if (!is_control(got->chunks[i])) {
            batches[n++] = (struct engine_batch){got->chunks[i], got->positions[i]};
        }
    }
    op->offset = got->next_offset;
    if (n == 0) {
        store_read_release(&op->got);
        return false;
    }
    r->batches = batches;
    r->batch_count = n;
    r->next_offset = op->offset;
    read_end(op, ERR_OK);
    return true;
}

static struct partition *find(struct read_op *op, enum err *err)
{
    struct engine_read *r = op->r;
    struct partition *p = embedded_partition(op->m, r->topic, r->partition, err, &r->ec);
    if (p != NULL && !uuid_eq(p->topic->id, op->topic_id)) {
        *err = ectx_fail(&r->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION,
                         "topic '%.*s' was deleted and made anew", STR(r->topic));
        p = NULL;
    }
    return p;
}

/* There are no records from here up to `end`: offsets that damage has taken, for example. Whoever
 * reads up to the end of the log must get there. */
static void pass_gap(struct read_op *op, int64_t end)
{
    op->offset = end > op->offset ? end : op->offset;
}

static void read_try(struct read_op *op);

static void on_read(struct store_read_job *job)
{
    struct read_op *op = job->ctx;
    op->got = job->result;
    if (op->r == NULL || job->err != ERR_OK) {
        op->got = job->err == ERR_OK ? op->got : (struct store_read){0};
        if (op->r == NULL) {
            op_free(op);
            return;
        }
        op->r->ec = job->ec;
        read_end(op, job->err);
        return;
    }
    op->state = READ_TRYING;
    if (op->got.chunk_count == 0) {
        pass_gap(op, op->r->end_offset);
    }
    if (op->got.chunk_count == 0 || !give(op)) {
        read_try(op);
    }
}

static void on_wake(struct broker_waiter *w, struct partition *p, bool gone)
{
    struct read_op *op = CONTAINER_OF(w, struct read_op, waiter);
    struct store_part_info info;
    broker_wait_cancel(w);
    if (gone) {
        const enum err e = ectx_fail(&op->r->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION,
                                     "topic '%.*s' was deleted", STR(op->r->topic));
        read_end(op, e);
        return;
    }
    store_part_info_get(p->part, &info);
    if (info.high_watermark <= op->offset && info.log_start <= op->offset) {
        broker_wait(p, w);
        return;
    }
    op->state = READ_TRYING;
    read_try(op);
}

/* There is nothing there yet. */
static void read_wait(struct read_op *op, struct partition *p)
{
    struct engine_read *r = op->r;
    if (op->deadline_ns > env_mono_ns(op->m->base.env)) {
        if (op->timer.index == HEAP_NONE &&
            !heap_insert(&op->m->timers, &op->timer, op->deadline_ns)) {
            read_end(op, ectx_fail(&r->ec, ERR_NO_MEMORY, "no memory for a read that waits"));
            return;
        }
        op->state = READ_WAITING;
        broker_wait(p, &op->waiter);
        return;
    }
    r->batches = NULL;
    r->batch_count = 0;
    r->next_offset = op->offset;
    read_end(op, ERR_OK);
}

static void read_try(struct read_op *op)
{
    struct engine_read *r = op->r;
    for (;;) {
        enum err err = ERR_OK;
        struct partition *p = find(op, &err);
        if (p == NULL) {
            read_end(op, err);
            return;
        }
        struct store_part_info info;
        store_part_info_get(p->part, &info);
        r->start_offset = info.log_start;
        r->end_offset = info.high_watermark;
        arena_reset(&op->arena, 0);
        const unsigned how = STORE_READ_AT_LEAST_ONE | STORE_READ_POSITIONS;
        err = store_read(p->part, op->offset, INT64_MAX, r->max_bytes, how, &op->arena, &op->got,
                         &r->ec);
        if (err == ERR_AGAIN) {
            op->state = READ_READING;
            op->job = (struct store_read_job){.done = on_read, .ctx = op};
            store_read_async(p->part, op->offset, INT64_MAX, r->max_bytes, how, &op->arena,
                             &op->job);
            return;
        }
        if (err != ERR_OK) {
            read_end(op, err);
            return;
        }
        if (op->got.chunk_count == 0) {
            pass_gap(op, info.high_watermark);
            read_wait(op, p);
            return;
        }
        if (give(op)) {
            return;
        }
    }
}

void embedded_read(struct engine *e, struct engine_read *r)
{
    struct embedded *m = embedded_of(e);
    enum err err = ERR_OK;
    r->internal = NULL;
    r->batches = NULL;
    r->batch_count = 0;
    r->ec = (struct ectx){.code = ERR_OK};
    const struct partition *p = embedded_partition(m, r->topic, r->partition, &err, &r->ec);
    struct read_op *op = p == NULL ? NULL : op_new(m, r);
    if (op == NULL) {
        r->err = p == NULL ? err : ectx_fail(&r->ec, ERR_NO_MEMORY, "no memory for a read");
        r->done(r);
        return;
    }
    op->topic_id = p->topic->id;
    op->offset = r->offset;
    const uint64_t now = r->wait_ns == 0 ? 0 : env_mono_ns(m->base.env);
    op->deadline_ns = r->wait_ns > UINT64_MAX - now ? UINT64_MAX : now + r->wait_ns;
    op->waiter.wake = on_wake;
    /* The table of what is read: a batch has 61 bytes at least, an entry 24. */
    const size_t most = r->max_bytes < READ_BYTES_MAX ? r->max_bytes : READ_BYTES_MAX;
    op->arena.budget = READ_ARENA_BASE + most;
    r->internal = op;
    read_try(op);
}

void embedded_read_soon(struct engine *e, struct str topic, int32_t partition, int64_t offset)
{
    const struct embedded *m = embedded_of(e);
    const struct partition *p = broker_partition(broker_topic(m->broker, topic), partition);
    if (p != NULL) {
        store_read_soon(p->part, offset);
    }
}

void embedded_read_cancel(struct engine *e, struct engine_read *r)
{
    struct read_op *op = r->internal;
    (void)e;
    if (op == NULL || op->state == READ_DONE) {
        return;
    }
    r->internal = NULL;
    if (op->state == READ_READING) {
        op->r = NULL; /* the worker ends it */
    } else {
        op_free(op);
    }
}

void embedded_read_release(struct engine *e, struct engine_read *r)
{
    struct read_op *op = r->internal;
    (void)e;
    if (op != NULL) {
        CHECK(op->state == READ_DONE);
        r->internal = NULL;
        op_free(op);
    }
}

uint64_t reads_tick(struct embedded *m, uint64_t now_ns)
{
    struct heap_node *n;
    while ((n = heap_min(&m->timers)) != NULL && n->key <= now_ns) {
        struct read_op *op = CONTAINER_OF(n, struct read_op, timer);
        heap_remove(&m->timers, n);
        if (op->state == READ_WAITING) {
            broker_wait_cancel(&op->waiter);
            op->state = READ_TRYING;
            op->deadline_ns = 0;
            read_try(op);
        }
    }
    return n == NULL ? UINT64_MAX : n->key;
}

void reads_free(struct embedded *m)
{
    struct list *l;
    while ((l = list_pop_front(&m->reads)) != NULL) {
        struct read_op *op = CONTAINER_OF(l, struct read_op, link);
        CHECK(op->state != READ_DONE); /* what was read belongs to the store, which is gone */
        op_free(op);
    }
    while ((l = list_pop_front(&m->reads_idle)) != NULL) {
        struct read_op *op = CONTAINER_OF(l, struct read_op, link);
        arena_deinit(&op->arena);
        mem_free(op);
    }
    m->reads_idle_count = 0;
}
