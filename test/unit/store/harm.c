/* What others do to a data directory: locks, versions, foreign folders, damage, full disks. Each: a
 * clear answer. */
#include "core/log.h"
#include "test.h"
#include "world.h"

static void fill(struct world *w)
{
    struct store_part *p = world_add(w, 1, "a", 0, false);
    struct store_part *q = world_add(w, 2, "a", 1, false);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(world_append(w, p, i % 5 == 4 ? 3000 : 150, 1, i), i);
        assert_int_equal(world_append(w, q, 60, 2, i), 2 * i);
        if (i == 20) {
            world_checkpoint(w);
        }
    }
    world_fact(w, 99);
}

TEST(store_refuses_what_is_not_its_own)
{
    /* In use, not a data directory, a newer version, a lost meta file: refused by name, nothing
     * changed. */
    struct world w;
    world_init(&w, 10, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    fill(&w);
    struct store *first = w.store;
    assert_int_equal(world_open(&w), ERR_IN_USE);
    assert_true(strlen(w.ec.hint) > 0);
    w.store = first;
    world_close(&w);
    uint64_t size;
    uint8_t *meta = env_sim_file_bytes(w.env, "/data/meta", &size);
    assert_non_null(meta);
    uint8_t keep[64];
    memcpy(keep, meta, 64);
    put_le32(meta + 8, 2);
    put_le32(meta + 60, crc32c(0, meta, 60));
    assert_int_equal(world_open(&w), ERR_VERSION);
    meta = env_sim_file_bytes(w.env, "/data/meta", &size);
    memcpy(meta, keep, 64);
    meta[20] ^= 4;
    assert_int_equal(world_open(&w), ERR_DAMAGED);
    assert_int_equal(env_unlink(w.env, "/data/meta", NULL), ERR_OK);
    assert_int_equal(world_open(&w), ERR_DAMAGED);
    assert_non_null(strstr(w.ec.text, "meta"));
    assert_int_equal(env_dir_make(w.env, "/home", NULL), ERR_OK);
    struct env_file *f;
    assert_int_equal(env_file_open(w.env, "/home/letter.txt", ENV_WRITE | ENV_CREATE, &f, NULL),
                     ERR_OK);
    env_file_close(f);
    w.cfg.dir = "/home";
    assert_int_equal(world_open(&w), ERR_CONFIG);
    assert_non_null(strstr(w.ec.text, "letter.txt"));
    world_deinit(&w);
}

TEST(store_needs_one_good_image)
{
    /* Damage to one image costs a longer replay; damage to both is refused by name. */
    for (int which = 0; which < 3; which++) {
        struct world w;
        world_init(&w, 11, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        fill(&w);
        world_cut(&w, 5);
        for (int i = 0; i < 2; i++) {
            if (which == 2 || which == i) {
                uint64_t size;
                uint8_t *b = env_sim_file_bytes(
                    w.env, i == 0 ? "/data/checkpoint-a" : "/data/checkpoint-b", &size);
                assert_non_null(b);
                b[150] ^= 1;
            }
        }
        if (which == 2) {
            assert_int_equal(world_open(&w), ERR_DAMAGED);
            assert_non_null(strstr(w.ec.text, "checkpoint-a"));
        } else {
            assert_int_equal(world_open(&w), ERR_OK);
            assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 30);
            assert_int_equal(world_count(&w, store_part_find(w.store, 2), 0), 60);
            assert_int_equal(w.fact_count, 1);
        }
        world_deinit(&w);
    }
}

static void found(void *ctx, bool is_problem, const char *text)
{
    (void)is_problem;
    (void)snprintf(ctx, 400, "%s", text);
}

struct harm_run {
    struct world *w;
    int served, quarantined;
};

/* Reads all of a partition; offsets that are damaged must say so and nothing else may be wrong. */
static void read_all(struct harm_run *h, uint32_t id, int64_t end, int32_t per_batch)
{
    struct world *w = h->w;
    struct store_part *p = store_part_find(w->store, id);
    assert_non_null(p);
    struct store_part_info info;
    store_part_info_get(p, &info);
    assert_true(info.log_end >= end);
    for (int64_t offset = 0; offset < end;) {
        struct store_read r;
        arena_reset(&w->arena, 1 << 20);
        enum err e = world_read(w, p, offset, 1, &r);
        if (e == ERR_DAMAGED) {
            assert_non_null(strstr(w->ec.text, "'a'"));
            h->quarantined++;
            offset += per_batch;
            continue;
        }
        if (e != ERR_OK || r.chunk_count != 1) {
            fail_msg("part %u offset %lld: %s, %zu chunks", id, (long long)offset, err_name(e),
                     r.chunk_count);
        }
        const uint8_t *b = (const uint8_t *)r.chunks[0].p;
        assert_int_equal(get_be64(b), offset);
        assert_int_equal(get_be32(b + 17), crc32c(0, b + 21, r.chunks[0].n - 21));
        assert_int_equal(get_be64(b + 27),
                         offset / per_batch); /* its own time: not another batch */
        h->served++;
        store_read_release(&r);
        offset += per_batch;
    }
}

TEST(store_one_damaged_block_has_one_of_four_outcomes)
{
    /* reliability.md 9.8: rebuilt, quarantined, refused by name, or harmless; never wrong bytes,
     * never a shorter log. */
    static const char *const files[] = {"/data/meta",
                                        "/data/checkpoint-a",
                                        "/data/checkpoint-b",
                                        "/data/topics/a/0-1-00000000000000000000.seg",
                                        "/data/topics/a/0-1-00000000000000000000.idx",
                                        "/data/topics/a/1-2-00000000000000000000.seg"};
    struct world w;
    world_init(&w, 12, 0);
    w.part_cfg.index_interval_bytes = 512;
    assert_int_equal(world_open(&w), ERR_OK);
    fill(&w);
    world_close(&w);
    struct env_sim_disk *disk = env_sim_disk_save(w.env);
    int refused = 0, quarantined = 0, harmless = 0;
    for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
        uint64_t size = 0;
        assert_non_null(env_sim_file_bytes(w.env, files[f], &size));
        for (uint64_t at = 0; at < size; at += 512) {
            for (int kind = 0; kind < 2; kind++) {
                env_sim_disk_restore(w.env, disk);
                env_poll_destroy(w.poll);
                assert_int_equal(env_poll_create(w.env, &w.poll, NULL), ERR_OK);
                uint8_t *b = env_sim_file_bytes(w.env, files[f], &size);
                if (kind == 0) {
                    b[at + (at * 7 + 13) % (size - at < 512 ? size - at : 512)] ^= 0x10;
                } else {
                    memset(b + at, 0, size - at < 512 ? (size_t)(size - at) : 512);
                }
                char text[400] = "";
                struct store_verify_report rep = {0};
                const enum err ve = store_verify(w.env, "/data", found, text, &rep, &w.ec);
                enum err e = world_open(&w);
                if (e != ERR_OK) {
                    assert_int_equal(e, ERR_DAMAGED);
                    assert_true(strlen(w.ec.text) > 10);
                    refused++;
                    continue;
                }
                assert_int_equal(ve, ERR_OK);
                struct harm_run h = {.w = &w};
                read_all(&h, 1, 30, 1);
                read_all(&h, 2, 60, 2);
                assert_int_equal(w.fact_count, 1);
                if (h.quarantined > 0) {
                    assert_true(rep.problems > 0); /* verify has seen it too */
                    quarantined++;
                } else {
                    harmless++;
                }
                world_close(&w);
            }
        }
    }
    env_sim_disk_free(disk);
    assert_true(refused > 0 && quarantined > 20 && harmless > 0);
    world_deinit(&w);
}

TEST(store_quarantine_survives_restarts_and_appends_go_on)
{
    /* What was found damaged stays named; the partition lives on. */
    struct world w;
    world_init(&w, 13, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    fill(&w);
    world_close(&w);
    uint64_t size;
    uint8_t *b = env_sim_file_bytes(w.env, "/data/topics/a/0-1-00000000000000000000.seg", &size);
    assert_non_null(b);
    b[100] ^= 1; /* in the first batch's payload */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = store_part_find(w.store, 1);
        struct store_read r;
        assert_int_equal(world_read(&w, p, 0, 1, &r), ERR_DAMAGED);
        assert_int_equal(world_count(&w, p, 1), 29 + i);
        assert_int_equal(world_append(&w, p, 10, 1, 1), 30 + i);
        world_close(&w);
    }
    char text[400];
    struct store_verify_report rep;
    assert_int_equal(store_verify(w.env, "/data", found, text, &rep, &w.ec), ERR_OK);
    assert_int_equal(rep.problems, 1);
    world_deinit(&w);
}

TEST(store_damaged_ring_loses_no_offset_and_serves_no_wrong_byte)
{
    /* Frames that were acknowledged and cannot be read: named, skipped, later ones applied, offsets
     * never used again. */
    int quarantined = 0;
    for (uint64_t block = 0; block < 40; block++) {
        struct world w;
        world_init(&w, 18, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        for (int i = 0; i < 30; i++) {
            assert_int_equal(world_append(&w, p, i % 5 == 4 ? 3000 : 150, 1, i), i);
        }
        env_sim_process_kill(w.env);
        store_close(w.store);
        w.store = NULL;
        env_poll_destroy(w.poll);
        assert_int_equal(env_poll_create(w.env, &w.poll, NULL), ERR_OK);
        char path[64];
        uint64_t size;
        (void)snprintf(path, sizeof(path), "/data/wal/ring-%d", (int)(block / 16));
        uint8_t *b = env_sim_file_bytes(w.env, path, &size);
        if (b == NULL) {
            (void)snprintf(path, sizeof(path), "/data/wal/ring-%03d", (int)(block / 16));
            b = env_sim_file_bytes(w.env, path, &size);
        }
        assert_non_null(b);
        b[block % 16 * 4096 + 60] ^= 1;
        enum err e = world_open(&w);
        if (e != ERR_OK || (p = store_part_find(w.store, 1)) == NULL) {
            /* the frame that made the partition is lost */
            assert_true(e == ERR_OK || strlen(w.ec.text) > 0);
            world_deinit(&w);
            continue;
        }
        struct store_part_info info;
        store_part_info_get(p, &info);
        int64_t served = 0;
        for (int64_t offset = 0; offset < info.log_end; offset++) {
            struct store_read r;
            arena_reset(&w.arena, 1 << 20);
            e = world_read(&w, p, offset, 1, &r);
            if (e == ERR_DAMAGED) {
                quarantined++;
                continue;
            }
            assert_int_equal(e, ERR_OK);
            if (r.chunk_count > 0) {
                const uint8_t *bytes = (const uint8_t *)r.chunks[0].p;
                offset = (int64_t)get_be64(bytes);
                assert_int_equal(get_be64(bytes + 27), offset);
                served++;
            } else {
                offset = info.log_end;
            }
            store_read_release(&r);
        }
        assert_true(served >= 28); /* the last group has no later witness */
        assert_true(info.log_end >= 29);
        const int64_t next = world_append(&w, p, 10, 1, 5);
        assert_true(next >= info.log_end);
        world_deinit(&w);
    }
    assert_true(quarantined > 5);
}

TEST(store_full_disk_refuses_batches_and_recovers_alone)
{
    /* ERR_NO_SPACE for batches; facts and reads go on; when space is back so are appends. */
    struct world w;
    world_init(&w, 14, 4 << 20);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    int64_t n = 0;
    for (; n < 2000; n++) {
        if (world_append(&w, p, 3000, 1, n) < 0) {
            break;
        }
        store_tick(w.store);
        env_sim_advance_ns(w.env, 50000000);
    }
    assert_in_range(n, 100, 1999);
    assert_int_equal(w.ec.code, ERR_NO_SPACE);
    assert_true(strlen(w.ec.hint) > 0);
    for (int i = 0; i < 200; i++) {
        world_fact(&w, (uint64_t)i);
        store_tick(w.store);
    }
    assert_int_equal(w.fact_count, 200);
    assert_int_equal(world_count(&w, p, 0), n);
    assert_int_equal(w.failures, 0);
    struct store_stats st;
    store_stats_get(w.store, &st);
    assert_true(st.out_of_space);
    env_sim_set_disk_bytes(w.env, 8 << 20);
    env_sim_advance_ns(w.env, 2000000000);
    store_tick(w.store);
    assert_int_equal(world_append(&w, p, 3000, 1, n), n);
    world_deinit(&w);
}

TEST(store_shares_the_descriptors)
{
    /* Few descriptors: its cache of segment files leaves most of them to connections, and goes on
     * when others took the rest. */
    struct world w;
    world_init(&w, 18, 0);
    env_sim_set_open_files_limit(w.env, 160);
    w.cfg.inline_max_bytes = 100;     /* in place: every batch needs its file */
    w.cfg.ring_file_bytes = 1u << 20; /* no checkpoint: it needs descriptors of its own */
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p[WORLD_PARTS];
    for (uint32_t i = 0; i < WORLD_PARTS; i++) {
        p[i] = world_add(&w, i + 1, "a", (int32_t)i, i % 2 == 0);
    }
    for (uint32_t i = 0; i < WORLD_PARTS; i++) {
        assert_int_equal(world_append(&w, p[i], 400, 1, i), 0);
    }
    assert_true(env_open_files(w.env) < 70);
    env_sim_set_open_files_limit(w.env, env_open_files(w.env));
    for (uint32_t i = 0; i < WORLD_PARTS; i++) {
        assert_int_equal(world_append(&w, p[i], 400, 1, i), 1);
    }
    env_sim_set_open_files_limit(w.env, 160);
    for (uint32_t i = 0; i < WORLD_PARTS; i++) {
        assert_int_equal(world_count(&w, p[i], 0), 2);
    }
    world_deinit(&w);
}

TEST(store_failed_flush_stops_it_once)
{
    /* After a failed flush nothing is acknowledged any more, and the next start has all that was.
     */
    struct world w;
    world_init(&w, 15, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(world_append(&w, p, 100, 1, i), i);
    }
    env_sim_fail_nth(w.env, ENV_SIM_SYNC, 1, ERR_IO, false);
    const uint32_t done = w.done;
    (void)world_append(&w, p, 100, 1, 5);
    assert_int_equal(w.failures, 1);
    assert_int_equal(w.done, done);
    assert_false(store_ready(w.store));
    world_cut(&w, 1);
    assert_int_equal(world_open(&w), ERR_OK);
    const int64_t n = world_count(&w, store_part_find(w.store, 1), 0);
    assert_true(n == 5 || n == 6);
    world_deinit(&w);
}

TEST(store_writes_no_image_after_a_flush_failed_elsewhere)
{
    /* A checkpoint is on its way while another flush fails: of a folder on the loop, of a batch on
     * another worker. The failed flush took what it should have written from the cache, so the
     * checkpoint's own flush of the same thing succeeds and says nothing. An image that believes it
     * would name bytes, or a file, that are not there. */
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world w;
        world_init(&w, seed, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        if (seed % 2 == 0) { /* the file is there: the flush that fails is that of a batch */
            assert_int_equal(world_append(&w, p, 3000, 1, 0), 0);
        }
        const int64_t first = seed % 2 == 0 ? 1 : 0;
        assert_int_equal(world_append(&w, p, 100, 1, first), first);
        store_checkpoint_request(w.store);
        store_tick(w.store);
        assert_int_equal(env_job_pending(w.poll), 1);
        env_sim_fail_nth(w.env, ENV_SIM_SYNC, 1, ERR_IO, false);
        (void)world_append(&w, p, 3000, 1, first + 1);
        world_settle(&w);
        assert_int_equal(w.failures, 1);
        world_cut(&w, seed);
        assert_int_equal(world_open(&w), ERR_OK);
        assert_true(world_count(&w, store_part_find(w.store, 1), 0) >= first + 1);
        world_deinit(&w);
    }
}

TEST(store_does_not_take_a_failing_read_for_a_torn_tail)
{
    /* Any read of a start fails once. The start fails, or says what it has set aside, or has it
     * all; the last batch was acknowledged and is never just gone. */
    struct world w;
    world_init(&w, 16, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    assert_int_equal(world_append(&w, p, 100, 1, 0), 0);
    assert_int_equal(world_append(&w, p, 3000, 1, 1), 1);
    world_cut(&w, 1);
    struct env_sim_disk *disk = env_sim_disk_save(w.env);
    uint64_t refused = 0;
    for (uint64_t n = 1; n <= 40; n++) {
        world_cut(&w, 1);
        env_sim_disk_restore(w.env, disk);
        world_cut(&w, 1);
        env_sim_fail_nth(w.env, ENV_SIM_READ, n, ERR_IO, false);
        const enum err e = world_open(&w);
        struct store_recovery r = {0};
        if (e == ERR_OK) {
            store_recovery_get(w.store, &r);
        } else {
            refused++;
        }
        env_sim_fail_nth(w.env, ENV_SIM_READ, 0, ERR_OK, false);
        if (r.damaged_ranges == 0) {
            if (e != ERR_OK) {
                assert_int_equal(world_open(&w), ERR_OK);
            }
            assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 2);
        }
    }
    assert_true(refused > 0);
    env_sim_disk_free(disk);
    world_deinit(&w);
}

static void kill_and_restore(struct world *w, const struct env_sim_disk *disk)
{
    env_sim_cut_at(w->env, env_sim_ops(w->env) + 1);
    store_close(w->store);
    w->store = NULL;
    env_sim_process_kill(w->env);
    if (disk != NULL) {
        env_sim_disk_restore(w->env, disk);
    }
    env_poll_destroy(w->poll);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
}

TEST(store_an_error_of_the_device_in_a_start_gives_nothing_up_unless_it_is_told_to)
{
    /* What only segments hold (durability os) is read by a start after a kill. A read that fails
     * refuses the start, and the next one has all; with the option it is given up and the start
     * goes on. */
    struct world w;
    world_init(&w, 16, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, true);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(world_append(&w, p, 300, 1, i), i);
    }
    kill_and_restore(&w, NULL);
    struct env_sim_disk *disk = env_sim_disk_save(w.env);
    uint32_t refused = 0, given_up = 0;
    for (int told = 0; told < 2; told++) {
        w.cfg.start_without_unreadable = told != 0;
        for (uint64_t n = 1; n <= 40; n++) {
            kill_and_restore(&w, disk);
            env_sim_fail_nth(w.env, ENV_SIM_READ, n, ERR_IO, false);
            const enum err e = world_open(&w);
            env_sim_fail_nth(w.env, ENV_SIM_READ, 0, ERR_OK, false);
            if (e != ERR_OK) {
                refused += strstr(w.ec.hint, "leat.start.without.unreadable") != NULL ? 1 : 0;
                assert_int_equal(world_open(&w), ERR_OK);
            }
            const int64_t count = world_count(&w, store_part_find(w.store, 1), 0);
            given_up += count < 8 ? 1 : 0;
            assert_true(count == 8 || told != 0);
        }
        assert_true(told != 0 || refused >= 8);
    }
    assert_true(given_up >= 8);
    env_sim_disk_free(disk);
    world_deinit(&w);
}

TEST(store_goes_on_when_a_folder_cannot_be_opened_for_its_flush)
{
    /* Without a descriptor nothing was flushed and nothing failed to be: the checkpoint is made
     * later, and what it made is durable then. Of the first flushes of a checkpoint three are of
     * folders: that of the segment, that of the topics, that of a new image. */
    uint32_t folders = 0;
    for (uint64_t n = 1; n <= 5; n++) {
        struct world w;
        world_init(&w, 17, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(world_append(&w, p, 100, 1, i), i);
        }
        env_sim_fail_nth(w.env, ENV_SIM_SYNC, n, ERR_NO_DESCRIPTORS, false);
        store_checkpoint_request(w.store);
        store_tick(w.store);
        world_settle(&w);
        struct store_stats stats;
        store_stats_get(w.store, &stats);
        if (w.failures == 0 && stats.checkpoint_failures > 0) {
            folders++;
            world_checkpoint(&w);
            world_checkpoint(&w);
            assert_int_equal(w.failures, 0);
        }
        world_cut(&w, n);
        assert_int_equal(world_open(&w), ERR_OK);
        assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 5);
        world_deinit(&w);
    }
    assert_int_equal(folders, 3);
}

TEST(store_opens_ten_thousand_partitions_at_once)
{
    /* A start touches no file of a partition. */
    struct world w;
    world_init(&w, 16, 0);
    w.cfg.ring_file_bytes = 1 << 20;
    assert_int_equal(world_open(&w), ERR_OK);
    world_close(&w);
    const uint64_t base_ops = env_sim_ops(w.env);
    assert_int_equal(world_open(&w), ERR_OK);
    const uint64_t empty = env_sim_ops(w.env) - base_ops;
    for (uint32_t i = 0; i < 60; i++) {
        struct store_part *p = world_add(&w, i + 1, i % 2 == 0 ? "a" : "b", (int32_t)i, false);
        assert_int_equal(world_append(&w, p, 3000, 1, 1), 0);
    }
    world_close(&w);
    const uint64_t before = env_sim_ops(w.env);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_int_equal(w.part_count, 60);
    assert_in_range(env_sim_ops(w.env) - before, 1, empty + 4);
    world_deinit(&w);
}

static enum err open_and_write(void *ctx)
{
    struct world *w = ctx;
    enum err e = world_open(w);
    if (e == ERR_OK) {
        world_close(w);
    }
    return e;
}

TEST(store_open_copes_without_memory)
{
    /* Every allocation of a start fails once: a clean error, no leak, and the next start has
     * everything. */
    struct world w;
    world_init(&w, 17, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    fill(&w);
    world_cut(&w, 2);
    test_each_failing_alloc(open_and_write, &w);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 30);
    world_deinit(&w);
}
