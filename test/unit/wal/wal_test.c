/*
 * The log room by room: what wal.h promises, one promise a test. Crashes at every operation are
 * test/sim/wal_crash.c; here are the plain paths, damage (which a crash never is), and the
 * refusals.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/mem.h"
#include "env/env_sim.h"
#include "wal/wal_int.h"

#define MAX_FRAMES 64

struct seen {
    size_t count;
    uint64_t position[MAX_FRAMES];
    uint8_t first[MAX_FRAMES]; /* byte of each body */
    size_t size[MAX_FRAMES];
    bool flushed[MAX_FRAMES];
    size_t damages;
    uint64_t from[MAX_FRAMES], to[MAX_FRAMES];
    uint8_t missing; /* a frame with this first byte names a place that is not there */
};

static enum err see_frame(void *ctx, uint64_t position, struct slice body, bool flushed,
                          struct ectx *ec)
{
    struct seen *s = ctx;
    (void)ec;
    if (s->missing != 0 && body.p[0] == s->missing) {
        return ERR_DAMAGED;
    }
    s->position[s->count] = position;
    s->first[s->count] = body.p[0];
    s->size[s->count] = slice_left(&body);
    s->flushed[s->count++] = flushed;
    return ERR_OK;
}

static void see_damage(void *ctx, uint64_t from, uint64_t to)
{
    struct seen *s = ctx;
    s->from[s->damages] = from;
    s->to[s->damages++] = to;
}

struct rig {
    struct env *env;
    struct env_poll *poll;
    struct wal *wal;
    struct wal_config cfg;
    struct seen seen;
    int failures;
    uint64_t start; /* tail after the first open */
};

static enum err rig_open(struct rig *r)
{
    struct ectx ec;
    struct wal_visitor v = {&r->seen, see_frame, see_damage};
    memset(&r->seen.count, 0, sizeof(r->seen.count));
    r->seen.damages = 0;
    return wal_open(r->env, r->poll, &r->cfg, &v, &r->wal, &ec);
}

static struct rig *rig_new_of(uint32_t file_bytes)
{
    struct rig *r = mem_new(struct rig);
    struct env_sim_config sim = {.seed = 1, .write_ns = 1000, .sync_ns = 1000};
    struct ectx ec;
    assert_int_equal(env_sim_create(&sim, &r->env), ERR_OK);
    assert_int_equal(env_poll_create(r->env, &r->poll, &ec), ERR_OK);
    r->cfg = (struct wal_config){.dir = "ring",
                                 .file_bytes = file_bytes,
                                 .file_count = 3,
                                 .group_bytes = 64 * 1024,
                                 .generation = 1};
    assert_int_equal(rig_open(r), ERR_OK);
    r->start = wal_tail(r->wal);
    return r;
}

static struct rig *rig_new(void)
{
    return rig_new_of(256u * 1024);
}

static void rig_free(struct rig *r)
{
    wal_close(r->wal);
    env_poll_destroy(r->poll);
    env_destroy(r->env);
    mem_free(r);
}

/* As after a kill: everything written is there; the scan starts where the first open ended. */
static enum err rig_reopen(struct rig *r)
{
    wal_close(r->wal);
    r->wal = NULL;
    r->cfg.generation++;
    r->cfg.start = r->start;
    r->cfg.start_generation = 1;
    return rig_open(r);
}

struct one {
    struct wal_frame frame;
    struct iovec iov[2];
    uint8_t *bytes;
    int order;
    int *counter;
};

static void one_done(struct wal_frame *f)
{
    struct one *o = CONTAINER_OF(f, struct one, frame);
    o->order = ++*o->counter;
}

/* A frame of n bytes, all of them `c`, in two pieces. */
static void one_init(struct one *o, uint8_t c, size_t n, int *counter)
{
    memset(o, 0, sizeof(*o));
    o->bytes = mem_alloc(n);
    memset(o->bytes, c, n);
    o->iov[0] = (struct iovec){o->bytes, n / 3};
    o->iov[1] = (struct iovec){o->bytes + n / 3, n - n / 3};
    o->frame.body = o->iov;
    o->frame.body_count = 2;
    o->frame.done = one_done;
    o->counter = counter;
}

static uint64_t write_one(struct rig *r, uint8_t c, size_t n)
{
    struct one o;
    int counter = 0;
    one_init(&o, c, n, &counter);
    assert_true(wal_has_room(r->wal, n));
    wal_submit(r->wal, &o.frame);
    wal_kick(r->wal, true);
    while (counter == 0) {
        assert_true(env_poll_run(r->poll, UINT64_MAX) > 0 || counter > 0);
    }
    mem_free(o.bytes);
    return o.frame.position;
}

TEST(wal_reopen_replays_every_frame_in_order)
{
    struct rig *r = rig_new();
    for (uint8_t i = 1; i <= 20; i++) {
        (void)write_one(r, i, (size_t)i * 700);
    }
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(r->seen.first[i], i + 1);
        assert_int_equal(r->seen.size[i], (i + 1) * 700);
    }
    assert_int_equal(r->seen.damages, 0);
    assert_true(r->seen.flushed[18]);  /* a later group says so */
    assert_false(r->seen.flushed[19]); /* nobody can know */
    rig_free(r);
}

TEST(wal_frames_that_wait_become_one_group_and_are_told_in_order)
{
    struct rig *r = rig_new();
    struct one o[40];
    int counter = 0;
    struct wal_stats before, after;
    wal_stats_get(r->wal, &before);
    for (int i = 0; i < 40; i++) {
        one_init(&o[i], (uint8_t)(i + 1), 100, &counter);
        uint64_t expected = wal_next_position(r->wal, 100);
        wal_submit(r->wal, &o[i].frame);
        assert_int_equal(o[i].frame.position, expected);
        if (i == 0) {
            wal_kick(r->wal, false); /* the others wait for it */
        }
    }
    while (!wal_idle(r->wal)) {
        (void)env_poll_run(r->poll, UINT64_MAX);
    }
    wal_stats_get(r->wal, &after);
    assert_int_equal(after.groups - before.groups, 2);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(o[i].order, i + 1);
        mem_free(o[i].bytes);
    }
    assert_int_equal(wal_flushed(r->wal), wal_tail(r->wal));
    rig_free(r);
}

TEST(wal_kick_that_may_block_has_called_done_when_it_returns)
{
    struct rig *r = rig_new();
    struct one o;
    int counter = 0;
    one_init(&o, 1, 1000, &counter);
    wal_submit(r->wal, &o.frame);
    wal_kick(r->wal, true);
    assert_int_equal(counter, 1);
    assert_true(wal_idle(r->wal));
    struct wal_stats st;
    wal_stats_get(r->wal, &st);
    assert_int_equal(st.groups_on_caller, 1);
    mem_free(o.bytes);
    rig_free(r);
}

TEST(wal_copy_stays_while_its_group_is_referenced)
{
    struct rig *r = rig_new();
    struct one o;
    int counter = 0;
    one_init(&o, 77, 5000, &counter);
    wal_submit(r->wal, &o.frame);
    struct wal_group *g = o.frame.group;
    wal_group_ref(g);
    wal_kick(r->wal, true);
    mem_free(o.bytes);
    for (uint8_t i = 1; i < 30; i++) {
        (void)write_one(r, i, 30000);
        wal_release(r->wal, wal_tail(r->wal));
    }
    rig_free(r); /* the log may go first */
    assert_int_equal(o.frame.copy[0], 77);
    assert_int_equal(o.frame.copy[4999], 77);
    wal_group_unref(g);
}

TEST(wal_a_full_ring_has_no_room_until_it_is_released)
{
    struct rig *r = rig_new();
    uint64_t last = 0;
    size_t n = 0;
    while (wal_has_room(r->wal, 10000)) {
        last = write_one(r, 1, 10000);
        n++;
    }
    assert_true(n > 50);
    assert_true(wal_used_bytes(r->wal) <= wal_capacity_bytes(r->wal));
    wal_release(r->wal, last);
    assert_true(wal_has_room(r->wal, 10000));
    for (int i = 0; i < 500; i++) { /* many turns */
        last = write_one(r, 2, 10000);
        wal_release(r->wal, last);
    }
    assert_true(last > 5 * wal_capacity_bytes(r->wal));
    assert_false(wal_has_room(r->wal, r->cfg.group_bytes + 1));
    rig_free(r);
}

static uint8_t *ring_byte(struct rig *r, uint64_t position)
{
    char path[32];
    uint64_t size;
    snprintf(path, sizeof(path), "ring/ring-%03u",
             (unsigned)(position / r->cfg.file_bytes % r->cfg.file_count));
    uint8_t *p = env_sim_file_bytes(r->env, path, &size);
    assert_non_null(p);
    return p + position % r->cfg.file_bytes;
}

/* Where to flip a byte of the third of six frames: in header and body. */
static void damage_at(uint64_t offset, size_t size)
{
    struct rig *r = rig_new();
    uint64_t position[6];
    for (uint8_t i = 0; i < 6; i++) {
        position[i] = write_one(r, (uint8_t)(i + 1), size);
    }
    *ring_byte(r, position[2] + offset) ^= 0x40;
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 5);
    assert_int_equal(r->seen.first[1], 2);
    assert_int_equal(r->seen.first[2], 4);
    assert_int_equal(r->seen.damages, 1);
    assert_int_equal(r->seen.from[0], position[2]);
    assert_true(r->seen.to[0] <= position[3]);
    assert_true(r->seen.to[0] > position[2] + size);
    rig_free(r);
}

TEST(wal_damage_below_the_flushed_point_is_reported_and_skipped)
{
    /* The promise: damage never shortens the log. One frame is named, all later ones are applied.
     */
    damage_at(0, 3000);               /* magic */
    damage_at(9, 3000);               /* the header's checksum */
    damage_at(17, 3000);              /* length */
    damage_at(30, 3000);              /* position */
    damage_at(WAL_BODY_OFFSET, 3000); /* body */
    damage_at(WAL_BODY_OFFSET + 2999, 3000);
    damage_at(40, 40000); /* a group of many blocks: the walk must find the next one */
}

TEST(wal_a_bad_last_group_is_a_torn_tail)
{
    struct rig *r = rig_new();
    (void)write_one(r, 1, 500);
    uint64_t last = write_one(r, 2, 500);
    *ring_byte(r, last + 100) ^= 1;
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 1);
    assert_int_equal(r->seen.damages, 0);
    /* The next frames follow, and the discarded one never comes back. */
    *ring_byte(r, last + 100) ^= 1;
    (void)write_one(r, 3, 500);
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 2);
    assert_int_equal(r->seen.first[1], 3);
    rig_free(r);
}

TEST(wal_a_bad_last_group_that_the_checkpoint_knows_flushed_is_damage)
{
    struct rig *r = rig_new();
    (void)write_one(r, 1, 500);
    uint64_t last = write_one(r, 2, 500);
    r->cfg.flushed = wal_flushed(r->wal);
    *ring_byte(r, last + 3) ^= 1;
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 1);
    assert_int_equal(r->seen.damages, 1);
    assert_int_equal(r->seen.from[0], last);
    assert_int_equal(r->seen.to[0], r->cfg.flushed);
    assert_true(wal_tail(r->wal) > r->cfg.flushed);
    rig_free(r);
}

TEST(wal_a_frame_whose_place_is_missing_ends_the_log_only_above_the_flushed_point)
{
    struct rig *r = rig_new();
    for (uint8_t i = 1; i <= 5; i++) {
        (void)write_one(r, i, 500);
    }
    r->seen.missing = 3;
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 4);
    assert_int_equal(r->seen.damages, 1);
    rig_free(r);

    r = rig_new();
    for (uint8_t i = 1; i <= 5; i++) {
        (void)write_one(r, i, 500);
    }
    r->seen.missing = 5;
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 4);
    assert_int_equal(r->seen.damages, 0);
    rig_free(r);
}

TEST(wal_a_whole_ring_file_of_zeros_is_damage_when_later_frames_are_there)
{
    struct rig *r = rig_new();
    for (uint8_t i = 1; i <= 60; i++) {
        (void)write_one(r, i, 8000);
    }
    assert_true(wal_tail(r->wal) > 300 * 1024u);
    memset(ring_byte(r, 0), 0, r->cfg.file_bytes);
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.damages, 1);
    assert_int_equal(r->seen.from[0], r->start);
    assert_int_equal(r->seen.to[0], r->cfg.file_bytes);
    assert_int_equal(r->seen.first[r->seen.count - 1], 60);
    rig_free(r);
}

TEST(wal_of_another_store_holds_no_frames)
{
    struct rig *r = rig_new();
    (void)write_one(r, 1, 500);
    r->cfg.store_id.b[3] = 9;
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 0);
    rig_free(r);
}

TEST(wal_written_by_a_newer_version_is_refused)
{
    struct rig *r = rig_new();
    uint64_t position = write_one(r, 1, 500);
    uint8_t *p = ring_byte(r, position);
    uint32_t seed = wal_seed(&r->cfg.store_id);
    p[4] = WAL_VERSION + 1;
    put_le32(p + 8, crc32c(crc32c(seed, p, 8), p + 12, WAL_BODY_OFFSET - 12));
    assert_int_equal(rig_reopen(r), ERR_VERSION);
    rig_free(r);
}

TEST(wal_a_header_that_claims_what_comes_after_it_flushed_does_not_stop_recovery)
{
    /* Its checksum is right: only a forger makes it. The walk went round for ever. */
    struct rig *r = rig_new();
    (void)write_one(r, 1, 500);
    uint64_t at = write_one(r, 2, 500);
    uint64_t size;
    uint8_t *p = env_sim_file_bytes(r->env, "ring/ring-000", &size) + at;
    struct wal_header h;
    assert_int_equal(wal_header_get(p, wal_seed(&r->cfg.store_id), &h), WAL_SEEN_FRAME);
    h.flushed = UINT64_MAX - 1;
    wal_header_put(p, &h, wal_seed(&r->cfg.store_id));
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 1);
    assert_int_equal(r->seen.damages, 0);
    rig_free(r);
}

TEST(wal_a_claim_that_an_earlier_generation_left_is_no_witness)
{
    /* The walk cannot get to such a header; it went back to where it came from, for ever. */
    struct rig *r = rig_new();
    (void)write_one(r, 1, 500);
    assert_int_equal(rig_reopen(r), ERR_OK);
    uint64_t at = write_one(r, 2, 500);
    uint64_t size;
    uint8_t *ring = env_sim_file_bytes(r->env, "ring/ring-000", &size);
    uint32_t seed = wal_seed(&r->cfg.store_id);
    struct wal_header h;
    assert_int_equal(wal_header_get(ring + at, seed, &h), WAL_SEEN_FRAME);
    h.position = at + 2 * ENV_BLOCK;
    h.flushed = at + 2 * ENV_BLOCK;
    h.generation = 1;
    wal_header_put(ring + h.position, &h, seed);
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 2);
    assert_int_equal(r->seen.damages, 0);
    rig_free(r);
}

TEST(wal_a_checkpoint_that_names_an_impossible_place_is_refused)
{
    struct rig *r = rig_new();
    (void)write_one(r, 1, 500);
    r->cfg.flushed = UINT64_MAX - 1;
    assert_int_equal(rig_reopen(r), ERR_DAMAGED);
    r->cfg.flushed = 0;
    r->start = UINT64_MAX - ENV_BLOCK + 1;
    assert_int_equal(rig_reopen(r), ERR_DAMAGED);
    rig_free(r);
}

TEST(wal_verify_reads_and_changes_nothing)
{
    struct rig *r = rig_new();
    for (uint8_t i = 1; i <= 6; i++) {
        (void)write_one(r, i, 3000);
    }
    wal_close(r->wal);
    r->wal = NULL;
    uint64_t before = env_sim_disk_hash(r->env);
    struct seen s = {.count = 0};
    struct wal_visitor v = {&s, see_frame, see_damage};
    struct ectx ec;
    r->cfg.start = r->start;
    r->cfg.start_generation = 1;
    assert_int_equal(wal_verify(r->env, &r->cfg, &v, &ec), ERR_OK);
    assert_int_equal(s.count, 6);
    assert_int_equal(env_sim_disk_hash(r->env), before);
    r->cfg.clean = true; /* nothing is expected after start, nothing is read */
    s.count = 0;
    assert_int_equal(wal_verify(r->env, &r->cfg, &v, &ec), ERR_OK);
    assert_int_equal(s.count, 0);
    rig_free(r);
}

/* Protects the time of a start: where the log ends, a group could follow anywhere within the
 * largest unit. That is read once, in large pieces. */
TEST(wal_the_end_of_the_log_is_read_once_in_large_pieces)
{
    struct rig *r = rig_new();
    wal_close(r->wal);
    r->cfg.dir = "large";
    r->cfg.file_bytes = 16u << 20;
    r->cfg.group_bytes = 4u << 20;
    assert_int_equal(rig_open(r), ERR_OK);
    r->start = wal_tail(r->wal);
    (void)write_one(r, 1, 500);
    const uint64_t before = env_sim_ops(r->env);
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 1);
    /* 26: the files are opened and flushed, the walk, three reads of 2 MiB and one for each file.
     * Twice as many reads, or smaller ones, are more. */
    assert_in_range(env_sim_ops(r->env) - before, 1, 27);
    rig_free(r);
}

TEST(wal_zeros_far_ahead_come_as_the_tail_moves)
{
    /* Without that the device would be busy with zeros, a whole file of them, and each write of the
     * log would wait. */
    struct rig *r = rig_new_of(8u << 20);
    const struct wal_ring *ring = &r->wal->ring;
    const uint64_t start = write_one(r, 1, 100);
    for (int i = 0; i < 1000; i++) {
        (void)env_poll_run(r->poll, 1000);
    }
    const uint64_t near = ring->written[0];
    assert_true(near >= start + WAL_PREWRITE_NEAR);
    assert_true(near <= start + WAL_PREWRITE_NEAR + 3 * WAL_PREWRITE_STEP);
    for (int i = 0; i < 40; i++) {
        (void)write_one(r, 2, 20000);
        for (int k = 0; k < 10; k++) {
            (void)env_poll_run(r->poll, 1000);
        }
    }
    const uint64_t moved = wal_tail(r->wal) - start;
    assert_true(ring->written[0] >= near + moved);
    assert_true(ring->written[0] <= near + 2 * moved + 2 * WAL_PREWRITE_STEP);
    rig_free(r);
}

TEST(wal_zeros_that_have_not_begun_hold_up_nobody)
{
    /* Their lane may be busy for long. They are called off, and must not be written afterwards. */
    struct rig *r = rig_new_of(8u << 20);
    struct wal *w = r->wal;
    struct one o;
    int counter = 0;
    (void)write_one(r, 1, 100);
    wal_prewrite_next(w);
    for (int i = 0; i < 1000 && (!w->pre.busy || w->pre.turn != WAL_TURN_OPEN); i++) {
        (void)env_poll_run(r->poll, 1000);
    }
    assert_true(w->pre.busy && w->pre.turn == WAL_TURN_OPEN);
    w->pre.from = wal_tail(w); /* as if the tail had come so far */
    w->pre.to = w->pre.from + WAL_PREWRITE_STEP;
    one_init(&o, 2, 20000, &counter);
    wal_submit(w, &o.frame);
    wal_kick(w, false);
    assert_int_equal(w->hold, WAL_HOLD_LANES);
    while (w->pre.busy && w->pre.turn == WAL_TURN_OFF) {
        (void)env_poll_run(r->poll, 1000);
    }
    while (counter == 0) {
        (void)env_poll_run(r->poll, 1000);
    }
    mem_free(o.bytes);
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 2);
    assert_int_equal(r->seen.first[1], 2);
    rig_free(r);
}

TEST(wal_zeros_that_have_begun_are_waited_for)
{
    struct rig *r = rig_new_of(8u << 20);
    struct wal *w = r->wal;
    struct one o;
    int counter = 0;
    (void)write_one(r, 1, 100);
    wal_prewrite_next(w);
    assert_true(w->pre.busy);
    w->pre.turn = WAL_TURN_WRITING; /* its job finds it taken: nothing is written */
    w->pre.from = wal_tail(w);
    w->pre.to = w->pre.from + WAL_PREWRITE_STEP;
    one_init(&o, 2, 20000, &counter);
    wal_submit(w, &o.frame);
    wal_kick(w, false);
    assert_int_equal(w->hold, WAL_HOLD_WAIT);
    for (int i = 0; i < 1000 && counter == 0; i++) {
        (void)env_poll_run(r->poll, 1000);
    }
    assert_int_equal(counter, 1);
    mem_free(o.bytes);
    rig_free(r);
}

TEST(wal_a_clean_start_goes_on_at_the_tail)
{
    struct rig *r = rig_new();
    (void)write_one(r, 1, 500);
    r->start = wal_tail(r->wal);
    r->cfg.clean = true;
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 0);
    assert_true(wal_tail(r->wal) > r->start);
    (void)write_one(r, 2, 500);
    r->cfg.clean = false;
    assert_int_equal(rig_reopen(r), ERR_OK);
    assert_int_equal(r->seen.count, 1);
    assert_int_equal(r->seen.first[0], 2);
    rig_free(r);
}

static void count_failure(void *ctx, const struct ectx *ec)
{
    struct rig *r = ctx;
    assert_int_equal(ec->code, ERR_IO);
    assert_true(strlen(ec->text) > 0);
    r->failures++;
}

TEST(wal_the_first_failed_flush_is_the_last)
{
    /* L5: told once, never tried again, nothing acknowledged afterwards. */
    for (int may_block = 0; may_block < 2; may_block++) {
        struct rig *r = rig_new();
        struct one o[3];
        int counter = 0;
        wal_on_failure(r->wal, count_failure, r);
        env_sim_fail_nth(r->env, ENV_SIM_SYNC, 1, ERR_IO, false);
        for (int i = 0; i < 3; i++) {
            one_init(&o[i], 1, 100, &counter);
            wal_submit(r->wal, &o[i].frame);
            wal_kick(r->wal, may_block == 1);
            for (int turn = 0; turn < 20; turn++) {
                (void)env_poll_run(r->poll, 1000);
            }
        }
        assert_int_equal(counter, 0);
        assert_int_equal(r->failures, 1);
        assert_true(wal_has_room(r->wal, 100)); /* callers go on without noticing */
        rig_free(r);
        for (int i = 0; i < 3; i++) {
            mem_free(o[i].bytes);
        }
    }
}

TEST(wal_places_are_written_and_flushed_before_done)
{
    struct rig *r = rig_new();
    struct ectx ec;
    struct env_file *f;
    uint8_t bytes[6000], back[6000];
    memset(bytes, 5, sizeof(bytes));
    assert_int_equal(env_file_open(r->env, "segment", ENV_READ | ENV_WRITE | ENV_CREATE, &f, &ec),
                     ERR_OK);
    assert_int_equal(env_dir_sync(r->env, ".", &ec), ERR_OK);
    struct iovec iov[2] = {{bytes, 1000}, {bytes + 1000, 5000}};
    struct wal_place places[2] = {{f, 0, &iov[0], 1, true}, {f, 1000, &iov[1], 1, true}};
    struct one o;
    int counter = 0;
    one_init(&o, 1, 100, &counter);
    o.frame.places = places;
    o.frame.place_count = 2;
    wal_submit(r->wal, &o.frame);
    wal_kick(r->wal, true); /* not on this thread: it has places */
    assert_int_equal(counter, 0);
    while (counter == 0) {
        (void)env_poll_run(r->poll, UINT64_MAX);
    }
    struct wal_stats st;
    wal_stats_get(r->wal, &st);
    assert_int_equal(st.place_bytes, 6000);
    wal_close(r->wal);
    r->wal = NULL;
    env_file_close(f);
    env_poll_destroy(r->poll);
    env_sim_power_cut(r->env, 3);
    assert_int_equal(env_poll_create(r->env, &r->poll, &ec), ERR_OK);
    assert_int_equal(env_file_open(r->env, "segment", ENV_READ, &f, &ec), ERR_OK);
    size_t got;
    assert_int_equal(env_file_pread(f, back, sizeof(back), 0, &got, &ec), ERR_OK);
    assert_int_equal(got, 6000);
    assert_memory_equal(back, bytes, 6000);
    env_file_close(f);
    mem_free(o.bytes);
    rig_free(r);
}

/* Four places in three files that flush each write. */
struct shared_places {
    struct env_file *files[3];
    uint8_t bytes[4][4096];
    struct iovec iov[4];
    struct wal_place places[4];
};

static void shared_places_init(struct shared_places *s, struct rig *r)
{
    static const char *const names[] = {"one", "two", "three"};
    static const int file_of[] = {0, 1, 0, 2};
    static const uint64_t offsets[] = {0, 4096, 4096, 0};
    struct ectx ec;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(env_file_open(r->env, names[i],
                                       ENV_READ | ENV_WRITE | ENV_CREATE | ENV_DSYNC, &s->files[i],
                                       &ec),
                         ERR_OK);
    }
    assert_int_equal(env_dir_sync(r->env, ".", &ec), ERR_OK);
    for (int i = 0; i < 4; i++) {
        memset(s->bytes[i], i + 1, sizeof(s->bytes[i]));
        s->iov[i] = (struct iovec){s->bytes[i], sizeof(s->bytes[i])};
        s->places[i] = (struct wal_place){s->files[file_of[i]], offsets[i], &s->iov[i], 1, false};
    }
}

static void shared_places_check(struct rig *r)
{
    static const struct {
        const char *name;
        uint64_t offset;
        uint8_t value;
    } expected[] = {{"one", 0, 1}, {"two", 4096, 2}, {"one", 4096, 3}, {"three", 0, 4}};
    uint8_t back[4096], want[4096];
    struct env_file *f;
    struct ectx ec;
    size_t got;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_int_equal(env_file_open(r->env, expected[i].name, ENV_READ, &f, &ec), ERR_OK);
        assert_int_equal(env_file_pread(f, back, sizeof(back), expected[i].offset, &got, &ec),
                         ERR_OK);
        memset(want, expected[i].value, sizeof(want));
        assert_int_equal(got, sizeof(back));
        assert_memory_equal(back, want, sizeof(back));
        env_file_close(f);
    }
}

TEST(wal_places_of_several_files_are_shared_by_both_jobs)
{
    /* All are there before `done`, whoever wrote them. */
    struct rig *r = rig_new();
    struct shared_places s;
    struct one o;
    struct ectx ec;
    int counter = 0;
    uint64_t by_ring = 0, by_places = 0;
    shared_places_init(&s, r);
    for (int i = 0; i < 20; i++) {
        one_init(&o, 1, 100, &counter);
        o.frame.places = s.places;
        o.frame.place_count = 4;
        wal_submit(r->wal, &o.frame);
        wal_kick(r->wal, true);
        assert_int_equal(r->wal->unit.shared_count, 3);
        while (counter == i) {
            (void)env_poll_run(r->poll, UINT64_MAX);
        }
        assert_int_equal(r->wal->unit.ring_place_bytes + r->wal->unit.place_bytes, 4 * 4096);
        by_ring += r->wal->unit.ring_place_bytes;
        by_places += r->wal->unit.place_bytes;
        mem_free(o.bytes);
    }
    assert_true(by_ring > 0 && by_places > 0);
    struct wal_stats st;
    wal_stats_get(r->wal, &st);
    assert_int_equal(st.place_bytes, 20 * 4 * 4096);
    wal_close(r->wal);
    r->wal = NULL;
    for (int i = 0; i < 3; i++) {
        env_file_close(s.files[i]);
    }
    env_poll_destroy(r->poll);
    env_sim_power_cut(r->env, 3);
    assert_int_equal(env_poll_create(r->env, &r->poll, &ec), ERR_OK);
    shared_places_check(r);
    rig_free(r);
}

TEST(wal_a_place_that_fails_ends_the_log_whoever_wrote_it)
{
    for (unsigned nth = 1; nth <= 4; nth++) { /* the ring's write, and one for each file */
        struct rig *r = rig_new();
        struct shared_places s;
        struct one o;
        int counter = 0;
        shared_places_init(&s, r);
        wal_on_failure(r->wal, count_failure, r);
        r->wal->pre.stopped = true; /* its writes would count */
        one_init(&o, 1, 100, &counter);
        o.frame.places = s.places;
        o.frame.place_count = 4;
        env_sim_fail_nth(r->env, ENV_SIM_SYNC, nth, ERR_IO, false);
        wal_submit(r->wal, &o.frame);
        wal_kick(r->wal, true);
        for (int turn = 0; turn < 100; turn++) {
            (void)env_poll_run(r->poll, 1000);
        }
        assert_int_equal(counter, 0);
        assert_int_equal(r->failures, 1);
        wal_close(r->wal);
        r->wal = NULL;
        for (int i = 0; i < 3; i++) {
            env_file_close(s.files[i]);
        }
        mem_free(o.bytes);
        rig_free(r);
    }
}

TEST(wal_a_disk_without_room_for_the_ring_is_refused_and_left_empty)
{
    struct env_sim_config sim = {.seed = 1, .disk_bytes = 300 * 1024};
    struct env *env;
    struct env_poll *poll;
    struct ectx ec;
    assert_int_equal(env_sim_create(&sim, &env), ERR_OK);
    assert_int_equal(env_poll_create(env, &poll, &ec), ERR_OK);
    struct wal_config cfg = {.dir = "ring",
                             .file_bytes = 256 * 1024,
                             .file_count = 3,
                             .group_bytes = 64 * 1024,
                             .generation = 1};
    struct seen s = {.count = 0};
    struct wal_visitor v = {&s, see_frame, see_damage};
    struct wal *w = NULL;
    assert_int_equal(wal_open(env, poll, &cfg, &v, &w, &ec), ERR_NO_SPACE);
    assert_true(strlen(ec.hint) > 0);
    struct env_stat st;
    assert_int_equal(env_stat(env, "ring/ring-000", &st, &ec), ERR_NOT_FOUND);
    env_sim_set_disk_bytes(env, 4u << 20);
    assert_int_equal(wal_open(env, poll, &cfg, &v, &w, &ec), ERR_OK);
    wal_close(w);
    env_poll_destroy(poll);
    env_destroy(env);
}

TEST(wal_config_is_checked)
{
    static const struct wal_config bad[] = {
        {.dir = "ring", .file_bytes = 1000, .file_count = 3, .group_bytes = 100},
        {.dir = "ring", .file_bytes = 65536, .file_count = 2, .group_bytes = 4096},
        {.dir = "ring", .file_bytes = 65536, .file_count = 3, .group_bytes = 65536},
        {.dir = "ring", .file_bytes = 65536, .file_count = 3, .group_bytes = 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct ectx ec;
        assert_int_equal(wal_ring_check(&bad[i], &ec), ERR_CONFIG);
    }
}

static enum err open_write_reopen(void *ctx)
{
    (void)ctx;
    struct env_sim_config sim = {.seed = 1};
    struct env *env;
    struct env_poll *poll = NULL;
    struct wal *w = NULL;
    struct ectx ec;
    enum err e = env_sim_create(&sim, &env);
    if (e != ERR_OK) {
        return e;
    }
    struct wal_config cfg = {.dir = "ring",
                             .file_bytes = 256 * 1024,
                             .file_count = 3,
                             .group_bytes = 64 * 1024,
                             .generation = 1};
    struct seen s = {.count = 0};
    struct wal_visitor v = {&s, see_frame, see_damage};
    e = env_poll_create(env, &poll, &ec);
    for (int i = 0; e == ERR_OK && i < 2; i++) {
        e = wal_open(env, poll, &cfg, &v, &w, &ec);
        if (e == ERR_OK && wal_has_room(w, 3000)) { /* false: no memory, nothing happened */
            struct one o;
            int counter = 0;
            uint8_t bytes[3000] = {1};
            memset(&o, 0, sizeof(o));
            o.counter = &counter;
            o.iov[0] = (struct iovec){bytes, sizeof(bytes)};
            o.frame.body = o.iov;
            o.frame.body_count = 1;
            o.frame.done = one_done;
            wal_submit(w, &o.frame);
            wal_kick(w, true);
            assert_int_equal(counter, 1);
        } else if (e == ERR_OK) {
            e = ERR_NO_MEMORY;
        }
        wal_close(w);
        w = NULL;
        cfg.generation++;
    }
    if (poll != NULL) {
        env_poll_destroy(poll);
    }
    env_destroy(env);
    return e;
}

TEST(wal_survives_every_failing_allocation)
{
    test_each_failing_alloc(open_write_reopen, NULL);
}

TEST(wal_header_is_what_format_md_says)
{
    struct uuid id = {.b = {1, 2, 3}};
    struct wal_header h = {.flags = WAL_FIRST | WAL_LAST,
                           .length = 0x11121314,
                           .body_crc = 0x21222324,
                           .generation = 0x31323334,
                           .position = 0x4142434445464748,
                           .flushed = 0x5152535455565758,
                           .group_bytes = 0x61626364,
                           .back = 0x71727374};
    uint8_t p[WAL_BODY_OFFSET];
    wal_header_put(p, &h, wal_seed(&id));
    assert_memory_equal(p, "LWF1\x01\x03\x00\x00", 8);
    assert_memory_equal(p + 12, "\x24\x23\x22\x21\x14\x13\x12\x11\x34\x33\x32\x31", 12);
    assert_memory_equal(p + 24, "\x48\x47\x46\x45\x44\x43\x42\x41\x58\x57\x56\x55\x54\x53\x52\x51",
                        16);
    assert_memory_equal(p + 40, "\x64\x63\x62\x61\x74\x73\x72\x71", 8);
    struct wal_header back;
    assert_int_equal(wal_header_get(p, wal_seed(&id), &back), WAL_SEEN_FRAME);
    assert_int_equal(back.back, h.back);
    for (size_t i = 0; i < WAL_BODY_OFFSET; i++) { /* every bit counts */
        p[i] ^= 0x10;
        assert_int_equal(wal_header_get(p, wal_seed(&id), &back), WAL_SEEN_NOTHING);
        p[i] ^= 0x10;
    }
}

/* Who may hold the tail after whom: what README.md draws, and nothing else. */
TEST(the_tail_changes_hands_only_as_drawn)
{
    static const struct {
        enum wal_hold from, to;
    } drawn[] = {
        {WAL_HOLD_LOOP, WAL_HOLD_CALLER}, {WAL_HOLD_LOOP, WAL_HOLD_WAIT},
        {WAL_HOLD_LOOP, WAL_HOLD_LANES},  {WAL_HOLD_WAIT, WAL_HOLD_LANES},
        {WAL_HOLD_CALLER, WAL_HOLD_DONE}, {WAL_HOLD_LANES, WAL_HOLD_DONE},
        {WAL_HOLD_DONE, WAL_HOLD_LOOP},   {WAL_HOLD_LOOP, WAL_HOLD_DEAD},
        {WAL_HOLD_CALLER, WAL_HOLD_DEAD}, {WAL_HOLD_WAIT, WAL_HOLD_DEAD},
        {WAL_HOLD_LANES, WAL_HOLD_DEAD},
    };
    for (int from = WAL_HOLD_LOOP; from <= WAL_HOLD_DEAD; from++) {
        for (int to = WAL_HOLD_LOOP; to <= WAL_HOLD_DEAD; to++) {
            bool is_drawn = false;
            for (size_t i = 0; i < ARRAY_LEN(drawn); i++) {
                is_drawn |= (int)drawn[i].from == from && (int)drawn[i].to == to;
            }
            assert_int_equal(wal_hold_may((enum wal_hold)from, (enum wal_hold)to), is_drawn);
        }
    }
}
