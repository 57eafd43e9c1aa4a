/*
 * The store on the simulated disk: the power goes off at any operation, what was not flushed is
 * kept, lost, torn and reordered in many ways, recovery itself is cut, images rot, every I/O and
 * every allocation fails once.
 *
 * The promises (oracle: struct model, outside of the simulated world):
 *   - every frame carries a fact; the facts recovered are a prefix of those submitted, in order,
 * each once, and all that were acknowledged are in it;
 *   - the batches of each partition are exactly those of the recovered frames: offsets, bytes,
 * order;
 *   - log starts and partitions added or removed follow their frames;
 *   - durability os: what is left is a prefix, and no offset that was told is given again;
 *   - a crash alone is never reported as damage;
 *   - a recovery that finished is never taken back by the next crash.
 * Then the same with planted faults in the store: one that this program does not notice fails the
 * run.
 *
 *   store_crash [--seed N] [--seeds N] [--states N] [--fault NAME] [--faults] [--every-failure N]
 * [-v]
 */
#include "common_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/log.h"
#include "core/mem.h"
#include "env/env_sim.h"

static uint64_t states, nested, failed_ops, failed_allocs, rotten, full_disks;
static bool verbose;

/* ---- The workload --------------------------------------------------------------------------- */

static void let_run(struct proc *p, uint64_t steps)
{
    for (uint64_t i = 0; i < steps && !env_sim_is_cut(p->env); i++) {
        if (!env_sim_step(p->env)) {
            return;
        }
    }
}

static void see_starts(struct proc *p)
{
    for (int i = 0; i < PARTS; i++) {
        struct mpart *mp = &p->m->parts[i];
        struct store_part *part = mp->id == 0 ? NULL : store_part_find(p->store, mp->id);
        if (part != NULL) {
            struct store_part_info info;
            store_part_info_get(part, &info);
            mp->start_seen = info.log_start;
        }
    }
}

static struct flight *flight_new(struct proc *p, uint8_t kind)
{
    struct flight *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        abort();
    }
    f->proc = p;
    f->kind = kind;
    f->uid = p->m->uid++;
    f->frame = p->m->frames;
    return f;
}

static enum err flight_fact(const struct flight *f, struct store_frame *sf)
{
    uint8_t b[18];
    put_le64(b, f->uid);
    b[8] = f->kind;
    put_le32(b + 9, f->id);
    put_le32(b + 13, (uint32_t)f->index);
    b[17] = f->os;
    return store_frame_fact(sf, STORE_TAG_TOPICS, str_make(b, sizeof(b)));
}

static void flight_go(struct proc *p, struct flight *f, struct store_frame *sf)
{
    struct model *m = p->m;
    m->chain[m->frames + 1] = model_mix(m->chain[m->frames] ^ f->uid);
    m->frames++;
    list_push_back(&p->flights, &f->link);
    store_frame_commit(sf, flight_done, f);
}

static uint32_t batch_size(struct model *m)
{
    switch (model_rnd(m, 8)) {
    case 0:
        return 2000 + (uint32_t)model_rnd(m, 9000); /* in place */
    case 1:
        return 4096;
    default:
        return 80 + (uint32_t)model_rnd(m, 500);
    }
}

static void produce(struct proc *p)
{
    struct model *m = p->m;
    struct store_frame *sf = store_frame_begin(p->store);
    if (sf == NULL) {
        return;
    }
    struct flight *f = flight_new(p, 'n');
    /* The fact first: without it nothing is sequenced yet, and the frame can be dropped. */
    if (flight_fact(f, sf) != ERR_OK) {
        store_frame_drop(sf);
        flight_free(f);
        return;
    }
    const uint64_t want = model_rnd(m, 4) == 0 ? 1 + model_rnd(m, PER_FRAME) : model_rnd(m, 8) != 0;
    for (uint64_t i = 0; i < want; i++) {
        struct mpart *mp = &m->parts[model_rnd(m, PARTS)];
        struct store_part *part =
            mp->id == 0 || mp->removed != UINT32_MAX ? NULL : store_part_find(p->store, mp->id);
        if (part == NULL || mp->n >= BATCHES) {
            continue;
        }
        struct mbatch mb = {.uid = m->uid++,
                            .size = batch_size(m),
                            .count = 1 + (int32_t)model_rnd(m, 3),
                            .frame = f->frame};
        struct store_batch *b = &f->batches[f->n];
        b->bytes = malloc(mb.size);
        if (b->bytes == NULL) {
            abort();
        }
        b->size = mb.size;
        batch_fill(b->bytes, mb.size, mb.count, mb.uid);
        b->info = (struct store_batch_info){.last_offset_delta = mb.count - 1,
                                            .max_timestamp = (int64_t)(mb.uid % 100000),
                                            .producer_id = -1};
        struct ectx ec;
        enum err e = store_frame_batch(sf, part, b, &ec);
        if (e != ERR_OK) {
            free(b->bytes);
            if (e != ERR_LIMIT && e != ERR_IO && e != ERR_STOPPED &&
                !(e == ERR_NO_MEMORY && m->may_lose_memory) &&
                !(e == ERR_NO_SPACE && m->may_lose_space)) {

                model_bad(m, "appending: %s: %s", err_name(e), ec.text);
            }
            continue;
        }
        mb.base = b->info.base_offset;
        if (mb.base < mpart_end(mp) || mb.base < mp->told ||
            (!mp->os && mb.base != mpart_end(mp))) {
            model_bad(m, "part %u: offset %lld was given, %lld is next, %lld was told", mp->id,
                      (long long)mb.base, (long long)mpart_end(mp), (long long)mp->told);
        }
        mp->b[mp->n++] = mb;
        f->ids[f->n++] = mp->id;
    }
    flight_go(p, f, sf);
}

static void add_part(struct proc *p)
{
    struct model *m = p->m;
    for (int i = 0; i < PARTS; i++) {
        struct mpart *mp = &m->parts[i];
        if (mp->id != 0) {
            continue;
        }
        struct store_frame *sf = store_frame_begin(p->store);
        if (sf == NULL) {
            return;
        }
        struct flight *f = flight_new(p, 'a');
        f->id = ++m->next_id;
        f->index = (int32_t)model_rnd(m, 3);
        f->os = model_rnd(m, 4) == 0;
        if (flight_fact(f, sf) != ERR_OK) {
            store_frame_drop(sf);
            flight_free(f);
            return;
        }
        *mp = (struct mpart){.id = f->id,
                             .index = f->index,
                             .os = f->os,
                             .retained = f->index == 1,
                             .added = f->frame,
                             .removed = UINT32_MAX};
        flight_go(p, f, sf);
        return;
    }
}

static void remove_part(struct proc *p)
{
    struct model *m = p->m;
    struct mpart *mp = &m->parts[model_rnd(m, PARTS)];
    if (mp->id == 0 || mp->removed != UINT32_MAX || store_part_find(p->store, mp->id) == NULL) {
        return;
    }
    struct store_frame *sf = store_frame_begin(p->store);
    if (sf == NULL) {
        return;
    }
    struct flight *f = flight_new(p, 'r');
    f->id = mp->id;
    if (flight_fact(f, sf) != ERR_OK) {
        store_frame_drop(sf);
        flight_free(f);
        return;
    }
    mp->removed = f->frame;
    flight_go(p, f, sf);
}

static void delete_records(struct proc *p)
{
    struct model *m = p->m;
    struct mpart *mp = &m->parts[model_rnd(m, PARTS)];
    struct store_part *part =
        mp->id == 0 || mp->removed != UINT32_MAX ? NULL : store_part_find(p->store, mp->id);
    if (part == NULL || m->start_count >= STARTS || !store_ready(p->store)) {
        return;
    }
    struct store_part_info info;
    store_part_info_get(part, &info);
    if (info.high_watermark == info.log_start) {
        return;
    }
    const int64_t to = info.log_start + 1 +
                       (int64_t)model_rnd(m, (uint64_t)(info.high_watermark - info.log_start));
    struct store_frame *sf = store_frame_begin(p->store);
    if (sf == NULL) {
        return;
    }
    struct flight *f = flight_new(p, 'n');
    if (flight_fact(f, sf) != ERR_OK || store_frame_log_start(sf, part, to) != ERR_OK) {
        store_frame_drop(sf);
        flight_free(f);
        return;
    }
    m->starts[m->start_count++] = (struct mstart){f->frame, mp->id, to};
    flight_go(p, f, sf);
}

/* Reads somewhere while everything goes on: what is visible must be what was appended. */
static void look(struct proc *p)
{
    struct model *m = p->m;
    struct mpart *mp = &m->parts[model_rnd(m, PARTS)];
    struct store_part *part = mp->id == 0 ? NULL : store_part_find(p->store, mp->id);
    if (part == NULL || mp->removed != UINT32_MAX) {
        return;
    }
    struct store_part_info info;
    store_part_info_get(part, &info);
    if (info.high_watermark == info.log_start) {
        return;
    }
    const int64_t offset =
        info.log_start + (int64_t)model_rnd(m, (uint64_t)(info.high_watermark - info.log_start));
    struct store_read r;
    enum err e = proc_read(p, part, offset, 1 + model_rnd(m, 5000), &r);
    if (e != ERR_OK) {
        if (!env_sim_is_cut(p->env) && e != ERR_OFFSET_OUT_OF_RANGE && e != ERR_IO &&
            !(e == ERR_NO_MEMORY && m->may_lose_memory)) {
            model_bad(m, "part %u: reading offset %lld: %s", mp->id, (long long)offset,
                      err_name(e));
        }
        return;
    }
    uint32_t i = 0;
    while (i < mp->n && mp->b[i].base + mp->b[i].count <= offset) {
        i++;
    }
    if (r.chunk_count == 0 && i < mp->n && mp->b[i].base < info.high_watermark) {
        model_bad(m,
                  "part %u%s: nothing at offset %lld, the high watermark is %lld and %lld is next",
                  mp->id, mp->os ? " (os)" : "", (long long)offset, (long long)info.high_watermark,
                  (long long)mp->b[i].base);
    }
    for (size_t c = 0; c < r.chunk_count; c++, i++) {
        const uint8_t *b = (const uint8_t *)r.chunks[c].p;
        if (i >= mp->n || !batch_same(b, r.chunks[c].n, &mp->b[i])) {
            model_bad(m, "part %u: reading offset %lld gave other bytes", mp->id,
                      (long long)offset);
            break;
        }
        if (mp->b[i].base + mp->b[i].count >
            (mp->told > info.high_watermark ? mp->told : info.high_watermark)) {
            model_bad(m, "part %u: offset %lld was visible before it was durable", mp->id,
                      (long long)mp->b[i].base);
        }
    }
    store_read_release(&r);
}

static void work(struct proc *p, uint64_t turns)
{
    struct model *m = p->m;
    for (uint64_t t = 0; t < turns && !m->bad && !p->dead && !env_sim_is_cut(p->env); t++) {
        if (m->frames >= FRAMES) {
            break;
        }
        const uint64_t what = model_rnd(m, 40);
        if (store_ready(p->store)) {
            if (what < 26) {
                produce(p);
            } else if (what < 29) {
                add_part(p);
            } else if (what == 29) {
                remove_part(p);
            } else if (what == 30) {
                delete_records(p);
            }
        }
        if (what == 31 || what == 32) {
            store_checkpoint_request(p->store);
            store_tick(p->store);
        } else if (what == 33) {
            env_sim_advance_ns(p->env, 1000000000u * model_rnd(m, 4));
            store_tick(p->store);
        } else if (what >= 34 && what < 37) {
            look(p);
        } else if (what == 37) {
            store_tick(p->store);
        }
        if (model_rnd(m, 3) != 0) {
            store_kick(p->store, model_rnd(m, 2) == 0);
        }
        let_run(p, model_rnd(m, 6));
        if (!env_sim_is_cut(p->env) && !p->dead) {
            see_starts(p);
        }
    }
}

/* Until everything is done, so that a clean end is one. */
static void drain(struct proc *p)
{
    for (int i = 0; i < 1000 && !p->dead && !env_sim_is_cut(p->env) && !list_empty(&p->flights);
         i++) {
        store_kick(p->store, true);
        store_tick(p->store);
        let_run(p, 100);
    }
}

/* ---- Crashing ------------------------------------------------------------------------------- */

static struct env *world(uint64_t seed)
{
    struct env *env;
    struct env_sim_config cfg = {
        .seed = seed, .write_ns = 20000, .sync_ns = 100000, .slow_jobs = seed % 2 == 0};
    if (env_sim_create(&cfg, &env) != ERR_OK) {
        abort();
    }
    return env;
}

/* Flips a bit in the newer image while the older one is good: the next start must not need it. */
static void rot_image(struct proc *p)
{
    const struct store *s = p->store;
    if (!s->slots[0].valid || !s->slots[1].valid || s->work != WORK_IDLE) {
        return;
    }
    uint64_t size;
    uint8_t *bytes =
        env_sim_file_bytes(p->env, s->newest == 0 ? "/d/checkpoint-a" : "/d/checkpoint-b", &size);
    if (bytes != NULL) {
        bytes[model_rnd(p->m, IMAGE_HEADER_SIZE + 30)] ^= 1;
        bytes[40] ^= 1; /* never a byte that nobody reads */
        rotten++;
    }
}

/* The power was cut in `m`'s run. Boot, judge, go on, cut again: `depth` times. */
static void crash_again(struct env *env, struct model *m, uint64_t choice, int depth, bool kill)
{
    bool clean = false;
    for (int i = 0; i < depth && !m->bad; i++) {
        struct proc p;
        if (!clean) {
            if (model_rnd(m, 6) == 0 && (kill || i > 0) && !env_sim_is_cut(env)) {
                env_sim_process_kill(env);
            } else if (choice % 8 < 5 && i == 0) {
                static const enum env_sim_keep keeps[] = {ENV_SIM_KEEP_ALL, ENV_SIM_LOSE_ALL,
                                                          ENV_SIM_KEEP_ONE, ENV_SIM_LOSE_ONE,
                                                          ENV_SIM_KEEP_FIRST};
                env_sim_power_cut_as(env, keeps[choice % 8], model_mix(choice));
            } else {
                env_sim_power_cut(env, model_mix(choice * 7 + (uint64_t)i));
            }
            states++;
        }
        const bool last = i + 1 == depth;
        uint64_t left = model_rnd(m, 3) == 0 ? model_rnd(m, 40) : model_rnd(m, 300);
        nested += left < 40 && !last ? 1 : 0;
        env_sim_cut_at(env, last ? UINT64_MAX : env_sim_ops(env) + left);
        enum err e = proc_start(&p, env, m, clean);
        clean = false;
        if (e == ERR_OK) {
            work(&p, last ? 2 : 30);
            if (!env_sim_is_cut(env) && !p.dead && model_rnd(m, 4) == 0) {
                drain(&p);
                clean = list_empty(&p.flights);
                if (!clean && !env_sim_is_cut(env) && !p.dead) {
                    model_bad(m, "frames hang: the store does not come to rest");
                }
            } else if (!env_sim_is_cut(env) && !p.dead && model_rnd(m, 8) == 0) {
                rot_image(&p);
                env_sim_process_kill(env);
            } else if (!env_sim_is_cut(env) && model_rnd(m, 2) == 0) {
                env_sim_process_kill(env);
            }
        }
        env_sim_cut_at(env, UINT64_MAX);
        const bool cut = env_sim_is_cut(env);
        proc_end(&p);
        clean = clean && !cut && !p.dead;
    }
}

/* One seed: a run is cut at some of its operations, each in several ways, and goes on from there.
 */
static bool run_seed(uint64_t seed, uint64_t points, uint64_t choices, char *why, size_t size)
{
    struct model *m = calloc(1, sizeof(*m)), *saved = calloc(1, sizeof(*saved));
    if (m == NULL || saved == NULL) {
        abort();
    }
    const uint64_t turns = 20 + model_mix(seed) % 150;
    struct env *env = world(seed);
    m->rng = seed * 1000003;
    struct proc p;
    if (proc_start(&p, env, m, false) == ERR_OK) {
        work(&p, turns);
    }
    uint64_t ops = env_sim_ops(env);
    env_sim_process_kill(env);
    proc_end(&p);
    env_destroy(env);
    for (uint64_t k = 0; k < points && !m->bad && ops > 0; k++) {
        const uint64_t at = points >= ops ? k % ops : model_mix(seed + k) % ops;
        env = world(seed);
        memset(m, 0, sizeof(*m));
        m->rng = seed * 1000003;
        env_sim_cut_at(env, at);
        if (proc_start(&p, env, m, false) == ERR_OK) {
            work(&p, turns);
        }
        if (!env_sim_is_cut(env)) {
            env_sim_cut_at(env, env_sim_ops(env));
        }
        proc_end(&p);
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
    free(m);
    free(saved);
    return !bad;
}

/* ---- Failing operations and allocations ----------------------------------------------------- */

/* Each k-th operation of a kind fails: every k with a `step` of 1. */
static bool run_failures(uint64_t seed, uint64_t step, char *why, size_t size)
{
    static const enum env_sim_op kinds[] = {ENV_SIM_OP_COUNT, ENV_SIM_WRITE, ENV_SIM_SYNC,
                                            ENV_SIM_OPEN, ENV_SIM_ALLOCATE};
    struct model *m = calloc(1, sizeof(*m));
    bool bad = false;
    if (m == NULL) {
        abort();
    }
    for (size_t kind = 0; kind < ARRAY_LEN(kinds) && !bad; kind++) {
        for (uint64_t k = 1 + seed % step;; k += step) {
            struct env *env = world(seed);
            memset(m, 0, sizeof(*m));
            m->rng = seed * 1000003;
            env_sim_fail_nth(env, kinds[kind], k, ERR_IO, model_rnd(m, 2) == 0);
            /* Without its reserve (a file of its own) the store takes no batches. */
            m->may_lose_space = kinds[kind] != ENV_SIM_WRITE && kinds[kind] != ENV_SIM_SYNC;
            struct proc p;
            const bool started = proc_start(&p, env, m, false) == ERR_OK;
            if (started) {
                work(&p, 40);
            }
            env_sim_process_kill(env);
            proc_end(&p);
            const bool reached = env_sim_ops(env) > k;
            env_sim_fail_nth(env, kinds[kind], 0, ERR_OK, false);
            env_sim_fail_nth(env, ENV_SIM_OP_COUNT, 0, ERR_OK, false);
            m->may_lose_space = false;
            failed_ops++;
            crash_again(env, m, seed + k, 2, false);
            env_destroy(env);
            if (m->bad) {
                snprintf(why, size, "seed %llu, operation %llu (kind %d) failed: %s",
                         (unsigned long long)seed, (unsigned long long)k, (int)kinds[kind], m->why);
                bad = true;
                break;
            }
            if (!reached) {
                break;
            }
        }
    }
    free(m);
    return !bad;
}

static uint64_t alloc_countdown;

static int alloc_fails(void *ctx, size_t n)
{
    (void)ctx;
    (void)n;
    if (alloc_countdown > 0 && --alloc_countdown == 0) {
        return 1;
    }
    return 0;
}

static bool run_allocs(uint64_t seed, uint64_t step, char *why, size_t size)
{
    struct model *m = calloc(1, sizeof(*m));
    bool bad = false;
    if (m == NULL) {
        abort();
    }
    for (uint64_t k = 1 + seed % step; !bad; k += step) {
        struct env *env = world(seed);
        memset(m, 0, sizeof(*m));
        m->rng = seed * 1000003;
        m->may_lose_memory = true;
        struct proc p;
        if (proc_start(&p, env, m, false) == ERR_OK) {
            alloc_countdown = k;
            mem_set_fail_hook(alloc_fails, NULL);
            work(&p, 40);
            mem_set_fail_hook(NULL, NULL);
        }
        const bool reached = alloc_countdown == 0;
        alloc_countdown = 0;
        failed_allocs++;
        env_sim_process_kill(env);
        proc_end(&p);
        m->may_lose_memory = false;
        crash_again(env, m, seed + k, 2, true);
        env_destroy(env);
        if (m->bad) {
            snprintf(why, size, "seed %llu, allocation %llu failed: %s", (unsigned long long)seed,
                     (unsigned long long)k, m->why);
            bad = true;
        }
        if (!reached) {
            break;
        }
    }
    free(m);
    return !bad;
}

/* The disk fills up and has room again: the store lives on, facts go on, and nothing is lost. */
static bool run_full(uint64_t seed, char *why, size_t size)
{
    struct model *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        abort();
    }
    struct env *env = world(seed);
    struct proc p;
    m->rng = seed * 1000003;
    env_sim_set_disk_bytes(env, 500000);
    if (proc_start(&p, env, m, false) == ERR_OK) {
        m->may_lose_space = true;
        for (int round = 0; round < 4 && !m->bad; round++) {
            uint64_t free_bytes, total;
            env_sim_set_disk_bytes(env, 8u << 20);
            work(&p, 20 + model_rnd(m, 60));
            if (!p.dead && env_fs_space(env, "/d", &free_bytes, &total, NULL) == ERR_OK) {
                env_sim_set_disk_bytes(env, total - free_bytes + model_rnd(m, 40000));
            }
            const uint32_t acked = m->acked;
            work(&p, 150);
            drain(&p);
            if (p.dead) {
                model_bad(m, "a full disk stopped the store");
            } else if (m->acked == acked && m->frames < FRAMES) {
                model_bad(m, "a full disk stopped facts");
            }
        }
        env_sim_set_disk_bytes(env, 8u << 20);
        for (int i = 0; i < 20 && !p.dead; i++) {
            env_sim_advance_ns(env, 500000000);
            store_tick(p.store);
            let_run(&p, 1000);
        }
        struct store_stats st;
        store_stats_get(p.store, &st);
        if (st.out_of_space || st.tail_memory_bytes > 24 << 10) {
            model_bad(m, "space is back and the store did not notice");
        }
        m->may_lose_space = false;
        work(&p, 20);
    }
    env_sim_process_kill(env);
    proc_end(&p);
    full_disks++;
    crash_again(env, m, seed, 2, true);
    env_destroy(env);
    const bool bad = m->bad;
    if (bad) {
        snprintf(why, size, "seed %llu, full disk: %s", (unsigned long long)seed, m->why);
    }
    free(m);
    return !bad;
}

/* ---- Planted faults ------------------------------------------------------------------------- */

#ifdef LEAT_DEBUG
static const struct {
    const char *name;
    bool *on;
} faults[] = {
    {"unlink-early", &store_faults.unlink_early},
    {"reuse-named-range", &store_faults.reuse_named_range},
    {"skip-entry-identity", &store_faults.skip_entry_identity},
    {"skip-claim", &store_faults.skip_claim},
    {"flush-too-early", &store_faults.flush_too_early},
    {"image-before-flush", &store_faults.image_before_flush},
    {"skip-dir-sync", &store_faults.skip_dir_sync},
    {"single-image", &store_faults.single_image},
};

static bool fault_caught(size_t f, uint64_t seeds)
{
    char why[400] = "";
    bool caught = false;
    *faults[f].on = true;
    for (uint64_t s = 1; s <= seeds && !caught; s++) {
        caught = !run_seed(s, 40, 4, why, sizeof(why)) || !run_full(s, why, sizeof(why));
    }
    *faults[f].on = false;
    printf(caught ? "  caught %-20s %s\n" : "  MISSED %s\n", faults[f].name, why);
    return caught;
}

static int run_faults(const char *only)
{
    int missed = 0;
    for (size_t f = 0; f < ARRAY_LEN(faults); f++) {
        if (only == NULL || strcmp(only, faults[f].name) == 0) {
            missed += fault_caught(f, 200) ? 0 : 1;
        }
    }
    printf("store_crash: %d planted faults missed\n", missed);
    return missed;
}
#else
static int run_faults(const char *only)
{
    (void)only;
    return 0;
}
#endif

int main(int argc, char **argv)
{
    /* The first `failures` seeds fail at every operation and allocation, some others at a few. */
    uint64_t first = 1, seeds = 20, want = UINT64_MAX, failures = 2;
    bool with_faults = false;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 10);
            seeds = 1;
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            seeds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--states") == 0 && i + 1 < argc) {
            want = strtoull(argv[++i], NULL, 10);
            seeds = UINT64_MAX / 2;
        } else if (strcmp(argv[i], "--fault") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else if (strcmp(argv[i], "--every-failure") == 0 && i + 1 < argc) {
            failures = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--faults") == 0) {
            with_faults = true;
        } else if (strcmp(argv[i], "-v") == 0) {
            verbose = true;
        }
    }
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    if (only != NULL) {
        return run_faults(only) == 0 ? 0 : 1;
    }
    int failed = 0;
    for (uint64_t s = first; s < first + seeds && states < want && failed < 3; s++) {
        char why[400] = "";
        const uint64_t before = states;
        const bool every = s - first < failures;
        if (!run_seed(s, 40, 8, why, sizeof(why)) || !run_full(s, why, sizeof(why)) ||
            ((every || s % 16 == 1) && (!run_failures(s, every ? 1 : 11, why, sizeof(why)) ||
                                        !run_allocs(s, every ? 1 : 7, why, sizeof(why))))) {
            printf("FAIL %s\n", why);
            (void)fflush(stdout);
            failed++;
        }
        if (verbose) {
            printf("  seed %llu: %llu states\n", (unsigned long long)s,
                   (unsigned long long)(states - before));
            (void)fflush(stdout);
        }
    }
    printf("store_crash: %llu crash states, %llu starts (%llu cut in or soon after recovery), %llu "
           "failed operations, "
           "%llu failed allocations, %llu rotten images, %llu full disks\n",
           (unsigned long long)states, (unsigned long long)store_boots, (unsigned long long)nested,
           (unsigned long long)failed_ops, (unsigned long long)failed_allocs,
           (unsigned long long)rotten, (unsigned long long)full_disks);
    if (with_faults && failed == 0) {
        failed += run_faults(NULL);
    }
    return failed == 0 ? 0 : 1;
}
