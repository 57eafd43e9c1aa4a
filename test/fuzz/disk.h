/*
 * For fuzz targets of the data directory: batches into a world, everything out of it. A header, as
 * world.h is.
 */
#ifndef LEAT_TEST_FUZZ_DISK_H
#define LEAT_TEST_FUZZ_DISK_H

#include <stdlib.h>

#include "fuzz/world.h"
#include "record/builder.h"

static inline void disk_on_produced(struct broker_produce *p)
{
    bool *done = p->ctx;
    *done = true;
}

/* One batch of one record with a value of this size; waits until it is acknowledged or refused.
 * With a producer the second one in a partition is a retry of the first. */
static inline void disk_append(struct world *w, const char *topic, int32_t index, size_t size,
                               bool producer)
{
    struct batch_builder b;
    struct batch_spec spec;
    struct record_scratch scratch;
    struct buf out;
    struct arena arena;
    bool done = false;
    batch_builder_init(&b, 1 << 20);
    batch_spec_init(&spec);
    record_scratch_init(&scratch, 1 << 20);
    buf_init(&out, 1 << 20);
    arena_init(&arena, 1 << 20);
    if (producer) {
        spec.producer_id = 7;
        spec.producer_epoch = 0;
        spec.base_sequence = 0;
    }
    char *value = calloc(1, size);
    CHECK(value != NULL);
    memset(value, 'v', size);
    CHECK(batch_builder_append(&b, 1, STR_LIT("k"), str_make(value, size), NULL, 0) == ERR_OK);
    CHECK(batch_builder_finish(&b, &spec, &scratch, &out, NULL) == ERR_OK);
    struct broker_produce_item item = {
        .partition = broker_partition(broker_topic(w->broker, str_of(topic)), index),
        .bytes = out.p,
        .size = out.n};
    struct broker_produce p = {.api_version = 9,
                               .items = &item,
                               .item_count = 1,
                               .arena = &arena,
                               .done = disk_on_produced,
                               .ctx = &done};
    if (item.partition != NULL && store_ready(w->store) && !w->failed) {
        broker_produce(w->broker, &p);
        for (int i = 0; i < 100 && !done; i++) {
            world_turn(w);
        }
        CHECK(done || w->failed);
    }
    free(value);
    arena_deinit(&arena);
    buf_deinit(&out);
    record_scratch_deinit(&scratch);
    batch_builder_deinit(&b);
}

static inline void disk_on_read(struct store_read_job *job)
{
    bool *done = job->ctx;
    *done = true;
}

static inline void disk_on_time(struct store_time_job *job)
{
    bool *done = job->ctx;
    *done = true;
}

/* What was read: whole batches, each with the checksum that it says. */
static inline void disk_check_batches(const struct store_read *read)
{
    for (size_t i = 0; i < read->chunk_count; i++) {
        struct slice run = slice_of(read->chunks[i].p, read->chunks[i].n);
        struct batch b;
        while (slice_left(&run) > 0) {
            CHECK(batch_next(&run, &b, NULL) == ERR_OK);
            CHECK(batch_verify_crc(b.bytes, &b.header, NULL) == ERR_OK);
        }
    }
}

/* One piece; the offset after it, or -1. */
static inline int64_t disk_read(struct world *w, struct store_part *part, int64_t offset,
                                int64_t limit, struct arena *a, bool honest)
{
    struct store_read read = {0};
    int64_t next = -1;
    enum err e = store_read(part, offset, limit, 1 << 16, true, a, &read, NULL);
    if (e == ERR_AGAIN) {
        bool done = false;
        struct store_read_job job = {.done = disk_on_read, .ctx = &done};
        store_read_async(part, offset, limit, 1 << 16, true, a, &job);
        for (int i = 0; i < 1000 && !done; i++) {
            world_turn(w);
        }
        CHECK(done && (job.err == ERR_OK || job.ec.text[0] != '\0'));
        e = job.err;
        read = job.result;
    }
    if (e == ERR_OK) {
        if (honest) {
            disk_check_batches(&read);
        }
        next = read.chunk_count > 0 ? read.next_offset : -1;
        CHECK(next < 0 || next > offset);
        store_read_release(&read);
    }
    return next;
}

static inline void disk_find_time(struct world *w, struct store_part *part, int64_t ts)
{
    bool done = false;
    struct store_time_job job = {.done = disk_on_time, .ctx = &done};
    store_find_timestamp(part, ts, &job);
    for (int i = 0; i < 1000 && !done; i++) {
        world_turn(w);
    }
    CHECK(done);
}

/* Every partition can be read from its start to its end, or says why not. `honest`: nobody forged
 * checksums, so that wrong bytes cannot pass. */
static inline void disk_read_all(struct world *w, bool honest)
{
    struct arena arena;
    size_t count = 0;
    arena_init(&arena, 16u << 20);
    struct topic **all = broker_topics(w->broker, &arena, &count);
    CHECK(all != NULL);
    for (size_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < all[i]->partition_count; j++) {
            struct store_part_info info;
            struct store_part *part = all[i]->partitions[j]->part;
            store_part_info_get(part, &info);
            CHECK(info.log_start >= 0 && info.log_start <= info.high_watermark &&
                  info.high_watermark <= info.log_end);
            int64_t at = info.log_start;
            for (int k = 0; k < 16 && at >= 0 && at < info.high_watermark; k++) {
                at = disk_read(w, part, at, info.high_watermark, &arena, honest);
            }
            if (info.high_watermark > 0) {
                (void)disk_read(w, part, info.high_watermark - 1, info.high_watermark, &arena,
                                honest);
            }
            disk_find_time(w, part, 1);
        }
    }
    arena_deinit(&arena);
}

static inline void disk_use(struct world *w, bool honest)
{
    disk_read_all(w, honest);
    /* A forged image may know a producer of records that are not there: its retry would wait. */
    disk_append(w, "t", 0, 1, honest);
    for (int i = 0; i < 5; i++) {
        world_turn(w);
    }
    disk_read_all(w, honest);
}

#endif
