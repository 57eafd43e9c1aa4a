/*
 * The reading half of a fetch: goes through the partitions in order within the byte limits
 * (KIP-74), by a worker where the disk is needed, and waits for the high watermarks to move if less
 * than min_bytes was found.
 *
 * States: reading (an attempt is under way, possibly on a worker) -> reply, or waiting (waiters on
 * all partitions and a timer)
 * -> reading again. The connection may go away in either.
 */
#include "core/check.h"
#include "kafka/epoch.h"
#include "kafka/fetch.h"

#define FETCH_WAIT_ARENA_MAX (8u * 1024 * 1024)

void fetch_release_reads(struct fetch_work *w)
{
    for (int32_t i = 0; i < w->count; i++) {
        if (w->parts[i].has_read) {
            store_read_release(&w->parts[i].read);
            w->parts[i].has_read = false;
        }
    }
}

static void stop_waiting(struct fetch_work *w)
{
    if (!w->waiting) {
        return;
    }
    w->waiting = false;
    net_timer_cancel(w->k->s.net, &w->timer);
    list_remove(&w->link);
    for (int32_t i = 0; i < w->count; i++) {
        broker_wait_cancel(&w->parts[i].waiter);
    }
}

void fetch_wake(struct fetch_work *w)
{
    w->last_attempt = true;
    stop_waiting(w);
    fetch_attempt(w);
}

static void on_timer(struct net_timer *t)
{
    fetch_wake(CONTAINER_OF(t, struct fetch_work, timer));
}

static void on_advance(struct broker_waiter *waiter, struct partition *p, bool gone)
{
    struct fetch_part *part = CONTAINER_OF(waiter, struct fetch_part, waiter);
    struct fetch_work *w = part->work;
    (void)p;
    w->last_attempt = w->last_attempt || gone;
    stop_waiting(w);
    fetch_attempt(w);
}

static void on_gone(struct kafka_request *r)
{
    struct fetch_work *w = r->user;
    w->gone = true;
    if (w->reading) {
        return; /* the worker's answer ends it */
    }
    stop_waiting(w);
    fetch_release_reads(w);
    kafka_drop(r);
}

/* A worker may have read meanwhile: have partitions gone, or has one got more? */
static bool has_changed(struct fetch_work *w)
{
    for (int32_t i = 0; i < w->count; i++) {
        struct fetch_part *part = &w->parts[i];
        struct store_part_info info;
        part->partition =
            kafka_partition_find(w->k, w->by_id, part->want.topic, part->want.topic_id,
                                 part->want.partition, &part->err);
        if (part->partition == NULL) {
            return true;
        }
        store_part_info_get(part->partition->part, &info);
        if (info.high_watermark != part->high_watermark) {
            return true;
        }
    }
    return false;
}

static void wait_for_more(struct fetch_work *w)
{
    fetch_release_reads(w);
    if (has_changed(w)) {
        fetch_attempt(w);
        return;
    }
    for (int32_t i = 0; i < w->count; i++) {
        w->parts[i].waiter.wake = on_advance;
        broker_wait(w->parts[i].partition, &w->parts[i].waiter);
    }
    w->waiting = true;
    w->timer.fn = on_timer;
    list_push_back(&w->k->waiting_fetches, &w->link);
    if (net_timer_set(w->k->s.net, &w->timer, w->deadline_ns) != ERR_OK) {
        fetch_wake(w);
    }
}

static void finish_attempt(struct fetch_work *w)
{
    bool enough = w->bytes >= w->min_bytes || w->any_error || w->count == 0;
    w->reading = false;
    if (w->gone) {
        fetch_release_reads(w);
        kafka_drop(w->r);
        return;
    }
    w->r->gone = on_gone;
    w->r->user = w;
    /* Each attempt takes from the arena; a long poll that is woken often must not grow for ever. */
    bool tired = w->r->arena->used - w->arena_used > FETCH_WAIT_ARENA_MAX;
    if (enough || tired || w->last_attempt || env_mono_ns(w->k->s.env) >= w->deadline_ns) {
        w->r->gone = NULL;
        fetch_reply(w);
        return;
    }
    wait_for_more(w);
}

/* KIP-595's rule: the reader's last epoch ended before its offset, so it read something that is not
 * in this log. */
static void check_diverging(struct fetch_part *part)
{
    int32_t epoch;
    int64_t end;
    if (part->want.last_fetched_epoch < 0) {
        return;
    }
    epoch_end(part->partition, part->want.last_fetched_epoch, &epoch, &end);
    if (epoch < 0) {
        part->err = ERR_OFFSET_OUT_OF_RANGE;
    } else if (epoch < part->want.last_fetched_epoch || end < part->want.fetch_offset) {
        part->diverging_epoch = epoch;
        part->diverging_end = end;
    }
}

static void look_up(struct fetch_work *w, struct fetch_part *part)
{
    struct store_part_info info;
    part->high_watermark = -1;
    part->log_start = -1;
    part->diverging_epoch = -1;
    part->partition = kafka_partition_find(w->k, w->by_id, part->want.topic, part->want.topic_id,
                                           part->want.partition, &part->err);
    if (part->partition == NULL) {
        return;
    }
    part->err = kafka_check_epoch(part->partition, part->want.current_leader_epoch);
    if (part->err != ERR_OK) {
        return;
    }
    check_diverging(part);
    if (part->err != ERR_OK) {
        return;
    }
    store_part_info_get(part->partition->part, &info);
    part->high_watermark = info.high_watermark;
    part->log_start = info.log_start;
    if (part->diverging_epoch < 0 && (part->want.fetch_offset < info.log_start ||
                                      part->want.fetch_offset > info.high_watermark)) {
        part->err = ERR_OFFSET_OUT_OF_RANGE;
        part->high_watermark = -1;
        part->log_start = -1;
    }
}

static void read_done(struct fetch_work *w, struct fetch_part *part, enum err e,
                      const struct store_read *read)
{
    if (e == ERR_OK) {
        part->read = *read;
        part->has_read = true;
        w->bytes += (int64_t)read->bytes;
        return;
    }
    if (e == ERR_NO_MEMORY) {
        /* Replies on their way to slow readers hold what reads may hold. That is no error of this
         * client's: it gets what there is, and asks again. */
        return;
    }
    part->err = e;
    part->high_watermark = -1;
    part->log_start = -1;
    w->any_error = true;
}

static void go_on(struct fetch_work *w);

static void on_read(struct store_read_job *job)
{
    struct fetch_work *w = job->ctx;
    read_done(w, &w->parts[w->at], job->err, &job->result);
    w->at++;
    go_on(w);
}

/* Reads from w->at on; false: a worker goes on. */
static bool read_parts(struct fetch_work *w)
{
    for (; w->at < w->count; w->at++) {
        struct fetch_part *part = &w->parts[w->at];
        struct store_read read = {0};
        look_up(w, part);
        if (part->err != ERR_OK || part->diverging_epoch >= 0) {
            w->any_error = true;
            continue;
        }
        int64_t left = w->max_bytes - w->bytes;
        int64_t limit = part->want.max_bytes < left ? part->want.max_bytes : left;
        bool first = w->bytes == 0;
        unsigned how = first ? STORE_READ_AT_LEAST_ONE : 0;
        if ((limit <= 0 && !first) || part->want.fetch_offset >= part->high_watermark) {
            continue;
        }
        limit = limit < 0 ? 0 : limit;
        enum err e = store_read(part->partition->part, part->want.fetch_offset,
                                part->high_watermark, (size_t)limit, how, w->r->arena, &read, NULL);
        if (e == ERR_AGAIN) {
            w->job = (struct store_read_job){.done = on_read, .ctx = w};
            store_read_async(part->partition->part, part->want.fetch_offset, part->high_watermark,
                             (size_t)limit, how, w->r->arena, &w->job);
            return false;
        }
        read_done(w, part, e, &read);
    }
    return true;
}

static void go_on(struct fetch_work *w)
{
    if (w->gone || read_parts(w)) {
        finish_attempt(w);
    }
}

void fetch_attempt(struct fetch_work *w)
{
    CHECK(!w->waiting && !w->reading);
    w->reading = true;
    w->at = 0;
    w->bytes = 0;
    w->any_error = false;
    w->r->gone = on_gone;
    w->r->user = w;
    go_on(w);
}
