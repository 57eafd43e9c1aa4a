/*
 * The write-ahead log on the simulated disk: the power goes off at every operation, what was not
 * flushed is kept, lost, torn and reordered in many ways, recovery itself is cut, every I/O fails
 * once, also those of a recovery, I/O takes seconds or never returns.
 *
 * The promises (oracle, kept outside of the simulated world):
 *   - a frame whose `done` was called is recovered, whole, once, in its place in the order;
 *   - what is recovered is a prefix of what was submitted, byte for byte;
 *   - a frame that a finished recovery discarded never comes back;
 *   - a crash alone is never reported as damage;
 *   - flushed places hold their bytes.
 *   - a device that does not answer: nothing is done that it has not done, and the log pushes back.
 * The same with a planted fault (faults.def): one that this program does not notice fails the run.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common_run.h"
#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/mem.h"
#include "env/env_sim.h"
#include "wal/wal_int.h"

#define DIR           "ring"
#define SEQ_MAX       6000
#define SEGMENTS      3
#define SEGMENT_BYTES (64u << 20)
#define PLACES_MAX    3
#define BODY_FIXED    (24 + PLACES_MAX * 24)

static bool planted[WAL_FAULT_COUNT];

static enum wal_fault planted_fault(void)
{
    for (int f = 1; f < WAL_FAULT_COUNT; f++) {
        if (planted[f]) {
            return (enum wal_fault)f;
        }
    }
    return WAL_FAULT_NONE;
}

/* ---- What the outside knows ------------------------------------------------------------------ */

struct image { /* as the store's: durable the moment it is taken */
    bool valid;
    uint32_t generation;
    uint64_t start, flushed, seq;
    uint64_t segment_end[SEGMENTS];
};
struct extent {
    uint64_t offset;
    uint32_t length, crc;
};
struct model {
    uint64_t rng;
    uint64_t uid;              /* of the next submission; never used twice */
    uint64_t seq;              /* of the next submission */
    uint64_t acked;            /* all seq below it were acknowledged */
    uint64_t history[SEQ_MAX]; /* uid of the last submission with this seq */
    struct image images[2];    /* [0] the newer */
    uint64_t segment_end[SEGMENTS];
    uint64_t loose_end;      /* of the file of places without a frame */
    struct extent loose[64]; /* the last acknowledged of them */
    uint64_t loose_count;
    uint64_t going; /* of the last process, when it ended: going_bit of what was not finished */
    bool bad;
    char why[200];
};

static void say_bad(struct model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say_bad(struct model *m, const char *fmt, ...)
{
    if (!m->bad) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(m->why, sizeof(m->why), fmt, ap);
        va_end(ap);
        m->bad = true;
    }
}

static uint64_t rnd(struct model *m, uint64_t below)
{
    m->rng++;
    return run_mix(m->rng) % below;
}

/* ---- One process ----------------------------------------------------------------------------- */

struct proc {
    struct env *env;
    struct env_poll *poll;
    struct wal *wal;
    struct env_file *segments[SEGMENTS], *loose;
    struct model *m;
    struct list frames; /* submitted, not done */
    bool dead;
    uint64_t replayed; /* next seq that recovery must deliver */
    struct wal_config cfg;
    uint64_t turn; /* of the ring, as seen last */
};
struct item {
    struct wal_frame frame;
    struct wal_place places[PLACES_MAX];
    struct iovec place_iov[PLACES_MAX];
    struct iovec body;
    struct list link;
    struct proc *proc;
    uint64_t seq;
    bool loose;
    struct extent extent;
};

static void item_free(struct item *it)
{
    for (int i = 0; i < it->frame.place_count; i++) {
        mem_free(it->place_iov[i].iov_base);
    }
    mem_free(it->body.iov_base);
    mem_free(it);
}

static void fill(uint8_t *p, size_t n, uint64_t from)
{
    for (size_t i = 0; i < n; i++) {
        if (i % 8 == 0) {
            from = run_mix(from);
        }
        p[i] = (uint8_t)(from >> (i % 8 * 8));
    }
}

static void on_done(struct wal_frame *f)
{
    struct item *it = CONTAINER_OF(f, struct item, frame);
    struct model *m = it->proc->m;
    if (it->loose) {
        m->loose[m->loose_count++ % ARRAY_LEN(m->loose)] = it->extent;
    } else {
        if (it->seq != m->acked) {
            say_bad(m, "done out of order: %llu, not %llu", (unsigned long long)it->seq,
                    (unsigned long long)m->acked);
        }
        m->acked = it->seq + 1;
        count_kind(f->place_count > 0 ? KIND_DID_LARGE : KIND_DID_SMALL);
        if (memcmp(f->copy, it->body.iov_base, it->body.iov_len) != 0) {
            say_bad(m, "the copy of %llu differs from what was submitted",
                    (unsigned long long)it->seq);
        }
    }
    list_remove(&it->link);
    item_free(it);
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    struct proc *p = ctx;
    (void)ec;
    if (p->dead) {
        say_bad(p->m, "the failure was told twice");
    }
    p->dead = true;
}

/* ---- Recovery -------------------------------------------------------------------------------- */

static enum err extent_error; /* of the last read */

static bool extent_there(struct env_file *f, const struct extent *x)
{
    uint8_t *buf = mem_alloc(x->length + 1u);
    size_t got = 0;
    struct ectx ec;
    extent_error = env_file_pread(f, buf, x->length, x->offset, &got, &ec);
    bool there = extent_error == ERR_OK && got == x->length && crc32c(0, buf, got) == x->crc;
    mem_free(buf);
    return there;
}

static enum err on_frame(void *ctx, uint64_t position, struct slice body, bool flushed,
                         struct ectx *ec)
{
    struct proc *p = ctx;
    struct model *m = p->m;
    (void)ec;
    (void)flushed;
    size_t n = slice_left(&body);
    if (n < BODY_FIXED) {
        say_bad(m, "a frame of %zu bytes at %llu was never submitted", n,
                (unsigned long long)position);
        return ERR_OK;
    }
    uint64_t uid = get_le64(body.p), seq = get_le64(body.p + 8);
    uint32_t length = get_le32(body.p + 16), places = get_le32(body.p + 20);
    if (seq != p->replayed || seq >= m->seq || m->history[seq] != uid || length != n) {
        say_bad(
            m,
            "position %llu: found seq %llu (submission %llu), expected seq %llu (submission %llu)",
            (unsigned long long)position, (unsigned long long)seq, (unsigned long long)uid,
            (unsigned long long)p->replayed,
            (unsigned long long)(p->replayed < SEQ_MAX ? m->history[p->replayed] : 0));
        return ERR_OK;
    }
    uint8_t *want = mem_alloc(n);
    fill(want, n, uid % 3);
    bool same = memcmp(want + BODY_FIXED, body.p + BODY_FIXED, n - BODY_FIXED) == 0;
    mem_free(want);
    if (!same) {
        say_bad(m, "seq %llu: its bytes are not those submitted", (unsigned long long)seq);
    }
    for (uint32_t i = 0; i < places && i < PLACES_MAX; i++) {
        const uint8_t *at = body.p + 24 + i * 24;
        struct extent x = {get_le64(at), get_le32(at + 8), get_le32(at + 12)};
        uint32_t segment = get_le32(at + 16);
        if (!extent_there(p->segments[segment], &x)) {
            return extent_error != ERR_OK ? extent_error : ERR_DAMAGED;
        }
    }
    for (uint32_t i = 0; i < places && i < PLACES_MAX; i++) {
        const uint8_t *at = body.p + 24 + i * 24;
        uint32_t segment = get_le32(at + 16);
        uint64_t end = get_le64(at) + get_le32(at + 8);
        m->segment_end[segment] = m->segment_end[segment] < end ? end : m->segment_end[segment];
    }
    p->replayed++;
    return ERR_OK;
}

static void on_damage(void *ctx, uint64_t from, uint64_t to)
{
    struct proc *p = ctx;
    say_bad(p->m, "a crash was reported as damage of [%llu, %llu)", (unsigned long long)from,
            (unsigned long long)to);
}

static void take_image(struct proc *p)
{
    struct model *m = p->m;
    m->images[1] = m->images[0];
    m->images[0] = (struct image){.valid = true,
                                  .generation = wal_generation(p->wal),
                                  .start = wal_tail(p->wal),
                                  .flushed = wal_flushed(p->wal),
                                  .seq = m->seq};
    memcpy(m->images[0].segment_end, m->segment_end, sizeof(m->segment_end));
    count_kind(KIND_DID_CHECKPOINT);
    wal_release(p->wal, m->images[1].valid ? m->images[1].start : 0);
}

static enum err open_files(struct proc *p, struct ectx *ec)
{
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < SEGMENTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "seg-%d", i);
        e = env_file_open(p->env, name, ENV_READ | ENV_WRITE | ENV_CREATE, &p->segments[i], ec);
        /* Full size from the start: a size that a failed flush left in the cache would be believed.
         */
        uint64_t size = 0;
        e = e != ERR_OK ? e : env_file_size(p->segments[i], &size, ec);
        if (e == ERR_OK && size < SEGMENT_BYTES) {
            e = env_file_truncate(p->segments[i], SEGMENT_BYTES, ec);
        }
        e = e != ERR_OK ? e : env_file_datasync(p->segments[i], ec);
        if (e == ERR_OK) { /* what a failed flush left in the cache is not there */
            env_file_drop_cache(p->segments[i], 0, 0);
        }
    }
    if (e == ERR_OK) {
        e = env_file_open(p->env, "loose", ENV_READ | ENV_WRITE | ENV_CREATE, &p->loose, ec);
    }
    return e;
}

/* Starts as the store does: newest image, replay, flush, image of the next generation. */
static enum err proc_start(struct proc *p, struct env *env, struct model *m)
{
    struct ectx ec;
    const enum wal_fault fault = planted_fault();
    *p = (struct proc){.env = env, .m = m};
    list_init(&p->frames);
    if (m->images[1].valid && rnd(m, 8) == 0) { /* the newer image is damaged */
        m->images[0] = m->images[1];
        m->images[1].valid = false;
    }
    const struct image *im = &m->images[0];
    p->replayed = im->valid ? im->seq : 0;
    for (int i = 0; i < SEGMENTS; i++) {
        m->segment_end[i] = im->valid ? im->segment_end[i] : 0;
    }
    p->cfg = (struct wal_config){.dir = DIR,
                                 .file_bytes = 64 * 1024,
                                 .file_count = 3,
                                 .group_bytes = 16 * 1024,
                                 .generation = im->valid ? im->generation + 1 : 1,
                                 .start = im->valid ? im->start : 0,
                                 .start_generation = im->valid ? im->generation : 0,
                                 .flushed = im->valid ? im->flushed : 0};
    p->cfg.store_id.b[0] = 7;
    struct wal_visitor v = {.ctx = p, .frame = on_frame, .damage = on_damage};
    enum err e = env_poll_create(env, &p->poll, &ec);
    if (e == ERR_OK) {
        e = open_files(p, &ec);
    }
    if (e == ERR_OK) {
        e = wal_open_planted(env, p->poll, &p->cfg, &v, fault, &p->wal, &ec);
    }
    if (e == ERR_OK) {
        wal_on_failure(p->wal, on_failure, p);
        /* What was accepted must not be lost any more; the ring's part of that is the log's duty.
         */
        for (int i = 0; e == ERR_OK && i < SEGMENTS; i++) {
            e = env_file_datasync(p->segments[i], &ec);
        }
        e = e != ERR_OK ? e : env_dir_sync(env, ".", &ec);
    }
    if (e != ERR_OK) {
        if (!env_sim_is_cut(env) && e != ERR_IO) {
            say_bad(m, "the start failed: %s: %s", err_name(e), ec.text);
        }
        return e;
    }
    if (p->replayed < m->acked) {
        say_bad(m, "acknowledged up to %llu, recovered up to %llu", (unsigned long long)m->acked,
                (unsigned long long)p->replayed);
    }
    m->seq = p->replayed;
    m->acked = env_sim_is_cut(env) ? m->acked : p->replayed;
    for (uint64_t i = 0; i < m->loose_count && i < ARRAY_LEN(m->loose); i++) {
        if (!extent_there(p->loose, &m->loose[i]) && extent_error == ERR_OK &&
            fault == WAL_FAULT_NONE) {
            say_bad(m, "an acknowledged place at %llu lost its bytes",
                    (unsigned long long)m->loose[i].offset);
        }
    }
    if (!env_sim_is_cut(env)) {
        take_image(p);
    }
    return ERR_OK;
}

static void proc_end(struct proc *p)
{
    wal_close(p->wal);
    LIST_FOR_EACH (n, tmp, &p->frames) {
        item_free(CONTAINER_OF(n, struct item, link));
    }
    for (int i = 0; i < SEGMENTS; i++) {
        env_file_close(p->segments[i]);
    }
    env_file_close(p->loose);
    if (p->poll != NULL) {
        env_poll_destroy(p->poll);
    }
}

/* ---- The workload ---------------------------------------------------------------------------- */

static size_t body_size(struct model *m)
{
    switch (rnd(m, 8)) {
    case 0:
        return BODY_FIXED;
    case 1:
        return BODY_FIXED + rnd(m, 9000);
    case 2:
        return 4096 - WAL_BODY_OFFSET; /* exactly one block */
    case 3:
        return 16 * 1024 - rnd(m, 2) * 3000;
    default:
        return BODY_FIXED + rnd(m, 600);
    }
}

static void add_place(struct item *it, int i, struct env_file *f, uint64_t offset, uint64_t uid,
                      size_t n)
{
    uint8_t *bytes = mem_alloc(n);
    fill(bytes, n, uid * 31 + (uint64_t)i);
    it->place_iov[i] = (struct iovec){bytes, n};
    it->places[i] = (struct wal_place){f, offset, &it->place_iov[i], 1, true};
    it->frame.place_count = i + 1;
    it->extent = (struct extent){offset, (uint32_t)n, crc32c(0, bytes, n)};
}

static bool submit_one(struct proc *p)
{
    struct model *m = p->m;
    struct item *it = mem_new(struct item);
    it->proc = p;
    it->loose = rnd(m, 10) == 0;
    it->frame.done = on_done;
    it->frame.places = it->places;
    if (it->loose) {
        size_t n = 1 + rnd(m, 5000);
        add_place(it, 0, p->loose, m->loose_end, m->uid++, n);
        m->loose_end += n;
    } else {
        size_t n = body_size(m);
        if (!wal_has_room(p->wal, n) || m->seq + 1 >= SEQ_MAX) {
            mem_free(it);
            return false;
        }
        uint64_t uid = m->uid++;
        uint8_t *b = mem_zalloc(1, n);
        fill(b, n, uid % 3);
        memset(b, 0, BODY_FIXED);
        uint32_t places = rnd(m, 3) == 0 ? (uint32_t)(1 + rnd(m, PLACES_MAX)) : 0;
        put_le64(b, uid);
        put_le64(b + 8, m->seq);
        put_le32(b + 16, (uint32_t)n);
        put_le32(b + 20, places);
        for (uint32_t i = 0; i < places; i++) {
            uint32_t segment = (uint32_t)rnd(m, SEGMENTS);
            size_t size = 1 + rnd(m, 6000);
            add_place(it, (int)i, p->segments[segment], m->segment_end[segment], uid, size);
            m->segment_end[segment] += size;
            put_le64(b + 24 + i * 24, it->extent.offset);
            put_le32(b + 32 + i * 24, it->extent.length);
            put_le32(b + 36 + i * 24, it->extent.crc);
            put_le32(b + 40 + i * 24, segment);
        }
        it->body = (struct iovec){b, n};
        it->frame.body = &it->body;
        it->frame.body_count = 1;
        it->seq = m->seq;
        m->history[m->seq++] = uid;
        uint64_t position = wal_next_position(p->wal, n);
        list_push_back(&p->frames, &it->link);
        wal_submit(p->wal, &it->frame);
        if (it->frame.position != position && !p->wal->failed) {
            say_bad(m, "wal_next_position told %llu, it became %llu", (unsigned long long)position,
                    (unsigned long long)it->frame.position);
        }
        return true;
    }
    list_push_back(&p->frames, &it->link);
    wal_submit(p->wal, &it->frame);
    return true;
}

/* true: it never said that there is no room. */
static bool submit_until_full(struct proc *p)
{
    for (int i = 0; i < 1000 && p->m->seq + 1 < SEQ_MAX; i++) {
        if (!submit_one(p)) {
            return false;
        }
        wal_kick(p->wal, false);
        (void)env_poll_run(p->poll, 0);
        if (p->wal->failed || env_sim_is_cut(p->env)) {
            return false; /* it takes everything and drops it */
        }
    }
    return p->m->seq + 1 < SEQ_MAX;
}

static void drain(struct proc *p)
{
    for (int i = 0; i < 10000 && !env_sim_is_stuck(p->env) && !wal_idle(p->wal) && !p->dead &&
                    !env_sim_is_cut(p->env);
         i++) {
        wal_kick(p->wal, false);
        (void)env_poll_run(p->poll, 1000000);
    }
}

static void work(struct proc *p, int turns)
{
    struct model *m = p->m;
    for (int i = 0; i < turns && !p->dead && !env_sim_is_cut(p->env) && !m->bad; i++) {
        bool room = true;
        for (uint64_t n = rnd(m, 5); n > 0 && room; n--) {
            room = submit_one(p);
        }
        const uint64_t turn = wal_tail(p->wal) / (3u * 64 * 1024);
        count_kind_n(KIND_DID_TURN, p->turn > 0 && turn > p->turn);
        p->turn = turn;
        wal_kick(p->wal, rnd(m, 2) == 0);
        for (uint64_t n = rnd(m, 4); n > 0; n--) {
            (void)env_poll_run(p->poll, 0);
        }
        if (!room || rnd(m, 40) == 0) {
            struct ectx ec;
            drain(p);
            if (!p->dead && wal_idle(p->wal) && env_fs_sync(p->env, ".", &ec) == ERR_OK &&
                !env_sim_is_cut(p->env)) {
                take_image(p);
            }
        }
    }
    if (!env_sim_is_cut(p->env) && !p->dead) {
        drain(p);
    }
}

/* ---- Crashing -------------------------------------------------------------------------------- */

static struct env *world(uint64_t seed)
{
    struct env *env;
    struct env_sim_config cfg = {
        .seed = seed, .write_ns = 20000, .sync_ns = 100000, .slow_jobs = seed % 2 == 0};
    if (env_sim_create(&cfg, &env) != ERR_OK) {
        abort();
    }
    if (seed % 4 == 3) { /* a slow disk */
        env_sim_set_slow(env, 8, 2500000000u);
        count_kind(KIND_SLOW);
    }
    return env;
}

/* One life; the process is gone after it, and the world cut or killed. */
static void live(struct env *env, struct model *m, int turns)
{
    struct proc p;
    const bool started = proc_start(&p, env, m) == ERR_OK && !env_sim_is_cut(env);
    if (started) {
        work(&p, turns);
    }
    m->going = !started                ? going_bit(KIND_IN_START)
               : list_empty(&p.frames) ? 0
                                       : going_bit(KIND_IN_FRAMES);
    if (!env_sim_is_cut(env) && env_sim_is_stuck(env)) {
        env_sim_process_kill(env); /* closing would wait for ever */
    }
    proc_end(&p);
}

/* The process of `m` has ended. Boot, go on, cut again: `depth` times. `kill`: the first end may
 * have been one of the process alone. */
static void crash_again(struct env *env, struct model *m, uint64_t choice, int depth, bool kill)
{
    for (int i = 0; i < depth && !m->bad; i++) {
        const bool killed = rnd(m, 6) == 0 && (kill || i > 0) && !env_sim_is_cut(env);
        crash_and_count(env, m->going, killed, i == 0, choice + 8 * (uint64_t)i);
        /* the first 20 or so operations are the start itself */
        const uint64_t left = rnd(m, 3) == 0 ? rnd(m, 30) : rnd(m, 120);
        const bool last = i + 1 == depth;
        env_sim_cut_at(env, last ? UINT64_MAX : env_sim_ops(env) + left);
        live(env, m, last ? 3 : 60);
    }
}

/* One seed: a run without a cut to count its operations, then cut at `points` of them (all, if
 * there are no more), each in `choices` ways. */
static bool run_seed(uint64_t seed, uint64_t points, uint64_t choices, char *why, size_t size)
{
    struct model *m = mem_new(struct model), *saved = mem_new(struct model);
    const int turns = 20 + (int)(run_mix(seed) % 100);
    struct env *env = world(seed);
    m->rng = seed * 1000003;
    live(env, m, turns);
    const uint64_t ops = env_sim_ops(env);
    env_destroy(env);
    for (uint64_t k = 0; k < points && k < ops && !m->bad; k++) {
        const uint64_t at = points >= ops ? k : run_mix(seed + k) % ops;
        env = world(seed);
        *m = (struct model){.rng = seed * 1000003};
        env_sim_cut_at(env, at);
        live(env, m, turns);
        struct env_sim_disk *disk = env_sim_disk_save(env);
        *saved = *m;
        for (uint64_t c = 0; c < choices && !m->bad; c++) {
            *m = *saved;
            m->rng += c << 32;
            env_sim_disk_restore(env, disk);
            crash_again(env, m, seed * 136 + k * 16 + c, 4, true);
        }
        if (m->bad) {
            snprintf(why, size, "seed %llu, cut at %llu: %s", (unsigned long long)seed,
                     (unsigned long long)at, m->why);
        }
        env_sim_disk_free(disk);
        env_destroy(env);
    }
    const bool bad = m->bad;
    if (bad && why[0] == '\0') {
        snprintf(why, size, "seed %llu: %s", (unsigned long long)seed, m->why);
    }
    mem_free(m);
    mem_free(saved);
    return !bad;
}

/* ---- A device that fails, or does not answer ------------------------------------------------- */

enum harm { FAIL_IN_LIFE, FAIL_IN_START, STICK };

/* The k-th operation of a kind fails or does not return: the log dies and tells it once, or pushes
 * back; what it acknowledged is there. false: there were not so many. */
static bool harm_one(uint64_t seed, enum harm harm, enum env_sim_op kind, uint64_t k,
                     struct model *m)
{
    struct env *env = world(seed);
    *m = (struct model){.rng = seed * 1000003};
    if (harm == FAIL_IN_START) {
        live(env, m, 30);
        env_sim_power_cut(env, k);
    }
    const bool forever = rnd(m, 2) == 0;
    const uint64_t before = env_sim_ops(env);
    if (harm == STICK) {
        env_sim_stick_nth(env, kind, k, forever);
    } else {
        env_sim_fail_nth(env, kind, k, ERR_IO, forever);
    }
    struct proc p;
    const bool started = proc_start(&p, env, m) == ERR_OK && !env_sim_is_cut(env);
    if (started && (harm != FAIL_IN_START || env_sim_ops(env) - before < k)) {
        work(&p, 30);
    }
    const bool stuck = env_sim_is_stuck(env);
    m->going = !started                ? going_bit(KIND_IN_START)
               : list_empty(&p.frames) ? 0
                                       : going_bit(KIND_IN_FRAMES);
    count_kind_n(KIND_STUCK, stuck);
    count_kind_n(KIND_FAILED_OP, harm == FAIL_IN_LIFE);
    count_kind_n(KIND_FAILED_OP_IN_START, harm == FAIL_IN_START);
    if (stuck) {
        if (!list_empty(&p.frames) && !p.dead && submit_until_full(&p)) {
            say_bad(m, "a device that does not answer, and the log takes more and more");
        }
        env_sim_process_kill(env);
    }
    proc_end(&p);
    const bool reached = env_sim_ops(env) - before > k;
    env_sim_fail_nth(env, kind, 0, ERR_OK, false);
    env_sim_stick_nth(env, kind, 0, false);
    /* After a start that failed, names of files may be in a state that only a new boot clears. */
    crash_again(env, m, seed + k, 2, started && harm != FAIL_IN_START);
    env_destroy(env);
    return reached;
}

static bool run_harm(uint64_t seed, enum harm harm, uint64_t step, char *why, size_t size)
{
    static const enum env_sim_op kinds[] = {ENV_SIM_OP_COUNT, ENV_SIM_WRITE, ENV_SIM_SYNC,
                                            ENV_SIM_READ};
    struct model *m = mem_new(struct model);
    for (size_t kind = 0; kind < ARRAY_LEN(kinds) && !m->bad; kind++) {
        for (uint64_t k = 1 + seed % step; harm_one(seed, harm, kinds[kind], k, m); k += step) {
            if (m->bad) {
                snprintf(why, size, "seed %llu, operation %llu (kind %d) %s: %s",
                         (unsigned long long)seed, (unsigned long long)k, (int)kinds[kind],
                         harm == STICK           ? "hung"
                         : harm == FAIL_IN_START ? "of a recovery failed"
                                                 : "failed",
                         m->why);
                break;
            }
        }
    }
    const bool bad = m->bad;
    mem_free(m);
    return !bad;
}

/* ---- What one seed is good for --------------------------------------------------------------- */

static bool one_seed(uint64_t s, bool every, char *why, size_t size)
{
    const bool each = s % 8 == 1;
    return run_seed(s, each ? UINT64_MAX : 60, each ? 2 : 6, why, size) &&
           run_harm(s, FAIL_IN_LIFE, every ? 1 : 29, why, size) &&
           run_harm(s, FAIL_IN_START, every ? 1 : 13, why, size) &&
           run_harm(s, STICK, every ? 3 : 29, why, size);
}

static bool fault_seed(uint64_t s, char *why, size_t size)
{
    return run_seed(s, 40, 3, why, size) && run_harm(s, FAIL_IN_LIFE, 29, why, size);
}

int main(int argc, char **argv)
{
    struct run_program p = {
        .name = "wal_crash", .bit = RUN_WAL, .seed = one_seed, .fault_seed = fault_seed};
#ifdef LEAT_DEBUG
    static const struct fault_row faults[] = {
#define FAULT(program, name, on, wrong, breaks) FAULT_##program(name, on, wrong, breaks)
#define FAULT_wal(name, on, wrong, breaks)      {name, &planted[on], wrong, breaks},
#define FAULT_store(name, on, wrong, breaks)
#define FAULT_proc(name, on, wrong, breaks)
#define FAULT_service(name, on, wrong, breaks)
#define FAULT_engine(name, on, wrong, breaks)
#define FAULT_es(name, on, wrong, breaks)
#include "faults.def"
    };
    p.faults = faults;
    p.fault_count = ARRAY_LEN(faults);
#endif
    return run_main(&p, argc, argv);
}
