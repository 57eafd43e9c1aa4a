/*
 * Leat's own engine on the simulated disk: appends over several partitions with positions of an
 * input, a member that joins again and again, cut at any operation; every allocation fails once.
 *
 * The promises (oracle: struct emodel, outside of the simulated world). Appends are made in one
 * order, each is one frame. So what a start finds must be a prefix of the list of those that were
 * made: each of them whole, in every partition, at the offsets that were given; with everything
 * acknowledged in it; the committed position is that of the last one in it. Besides:
 *   - commit positions ascend over all partitions in that order, and stay what was told;
 *   - `done` comes when it is durable, and engine_position is not below it;
 *   - an error means that nothing has happened;
 *   - epochs grow over all crashes, and a member that was replaced commits nothing.
 * The same with a planted fault (faults.def): one that this program does not notice fails the run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker_int.h"
#include "common_engine.h"
#include "common_watch.h"
#include "core/bytes.h"
#include "core/mem.h"
#include "engine/embedded_int.h"
#include "env/env_sim.h"
#include "group/group.h"

/* ---- The workload --------------------------------------------------------------------------- */

static void append_now(struct eproc *p)
{
    struct emodel *m = p->m;
    if (m->n == ENG_APPENDS || p->sent == NULL) {
        return;
    }
    struct eappend a = {0};
    const int want = (int)eng_rnd(m, ENG_PARTS_PER + 1); /* 0: the position alone */
    for (int i = 0; i < want; i++) {
        struct echunk c = {.topic = (int)eng_rnd(m, ENG_TOPICS),
                           .part = (int)eng_rnd(m, ENG_PARTS),
                           .count = 1 + (int)eng_rnd(m, 3),
                           .bytes = eng_rnd(m, 8) == 0 ? 690 : 20 + (uint32_t)eng_rnd(m, 200),
                           .uid = m->uid++};
        bool twice = false;
        for (int k = 0; k < a.n; k++) {
            twice = twice || (a.c[k].topic == c.topic && a.c[k].part == c.part);
        }
        if (!twice && eng_topic_is_there(p, c.topic)) {
            a.c[a.n++] = c;
        }
    }
    a.input = p->assigned && (a.n == 0 || eng_rnd(m, 3) != 0);
    if (a.n > 0 || a.input) {
        eng_append(p, &a);
    }
}

static void zombie_now(struct eproc *p)
{
    if (p->assigned) {
        eng_join(p);
        eng_zombie(p);
    }
}

static void work(struct eproc *p, uint64_t turns)
{
    struct emodel *m = p->m;
    for (uint64_t t = 0; t < turns && !m->bad && !p->dead && !env_sim_is_cut(p->env); t++) {
        const uint64_t what = eng_rnd(m, 24);
        if (what < 14) {
            append_now(p);
        } else if (what == 14) {
            zombie_now(p);
        } else if (what == 15 || (what == 16 && !m->calm)) {
            store_checkpoint_request(p->store);
            store_tick(p->store);
        } else if (what == 17) {
            env_sim_advance_ns(p->env, 1000000000u * eng_rnd(m, 4));
            store_tick(p->store);
        } else if (what == 18) {
            store_tick(p->store);
        }
        if (eng_rnd(m, 3) != 0) {
            store_kick(p->store, eng_rnd(m, 2) == 0);
        }
        eng_turn(p, eng_rnd(m, 6));
    }
}

static uint64_t going_now(const struct eproc *p, bool started)
{
    if (!started) {
        return going_bit(KIND_IN_START);
    }
    const bool frames = p->in_flight > 0;
    return store_watch_going(p->store) | (frames ? going_bit(KIND_IN_FRAMES) : 0);
}

/* Until everything is answered. */
static bool drain(struct eproc *p)
{
    for (int i = 0; i < 2000 && !p->dead && !env_sim_is_cut(p->env); i++) {
        store_kick(p->store, true);
        store_tick(p->store);
        eng_turn(p, 100);
        if (p->in_flight == 0) {
            return true;
        }
    }
    if (!p->dead && !env_sim_is_cut(p->env)) {
        eng_bad(p->m, "appends hang");
    }
    return false;
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

static void model_init(struct emodel *m, uint64_t seed)
{
    memset(m, 0, sizeof(*m));
    m->rng = seed * 1000003;
    m->calm = run_mix(seed) % 3 == 0;
}

static struct emodel *model_new(void)
{
    struct emodel *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        abort();
    }
    return m;
}

static void end(struct eproc *p, bool started, bool clean)
{
    p->m->going = going_now(p, started);
    env_sim_cut_at(p->env, UINT64_MAX);
    if (!clean && !env_sim_is_cut(p->env)) {
        env_sim_process_kill(p->env);
    }
    eng_end_proc(p);
}

static void first_life(struct env *env, struct emodel *m, uint64_t turns)
{
    struct eproc p;
    const bool started = eng_start(&p, env, m) == ERR_OK && !env_sim_is_cut(env);
    if (started) {
        work(&p, turns);
    }
    end(&p, started, false);
}

static void crash_again(struct env *env, struct emodel *m, uint64_t choice, int depth)
{
    bool clean = false;
    for (int i = 0; i < depth && !m->bad; i++) {
        struct eproc p;
        if (!clean) {
            crash_and_count(env, m->going, eng_rnd(m, 6) == 0, i == 0, choice + 8 * (uint64_t)i);
        }
        const bool last = i + 1 == depth;
        const uint64_t left = eng_rnd(m, 3) == 0 ? eng_rnd(m, 40) : eng_rnd(m, 200);
        env_sim_cut_at(env, last ? UINT64_MAX : env_sim_ops(env) + left);
        const bool started = eng_start(&p, env, m) == ERR_OK && !env_sim_is_cut(env);
        clean = false;
        if (started && !p.dead && !m->bad) {
            work(&p, last ? 10 : 40);
            clean = (last || eng_rnd(m, 4) == 0) && !m->bad && drain(&p);
        }
        end(&p, started, clean);
        clean = clean && !p.dead;
        count_kind_n(KIND_DID_CLEAN_STOP, clean);
    }
}

static bool run_seed(uint64_t seed, uint64_t points, uint64_t choices, char *why, size_t size)
{
    struct emodel *m = model_new(), *saved = model_new();
    const uint64_t turns = 40 + run_mix(seed) % 120;
    struct env *env = world(seed);
    model_init(m, seed);
    first_life(env, m, turns);
    const uint64_t ops = env_sim_ops(env);
    env_destroy(env);
    points = points > ops ? ops : points;
    for (uint64_t k = 0; k < points && !m->bad; k++) {
        const uint64_t at = points == ops ? k : run_mix(seed + k) % ops;
        env = world(seed);
        model_init(m, seed);
        env_sim_cut_at(env, at);
        first_life(env, m, turns);
        struct env_sim_disk *disk = env_sim_disk_save(env);
        *saved = *m;
        for (uint64_t c = 0; c < choices && !m->bad; c++) {
            *m = *saved;
            m->rng += c << 32;
            env_sim_disk_restore(env, disk);
            crash_again(env, m, seed * 136 + k * 16 + c, 4);
        }
        if (m->bad) {
            (void)snprintf(why, size, "seed %llu, cut at %llu: %s", (unsigned long long)seed,
                           (unsigned long long)at, m->why);
        }
        env_sim_disk_free(disk);
        env_destroy(env);
    }
    const bool bad = m->bad;
    if (bad && why[0] == '\0') {
        (void)snprintf(why, size, "seed %llu: %s", (unsigned long long)seed, m->why);
    }
    free(m);
    free(saved);
    return !bad;
}

static uint64_t alloc_countdown;

static int alloc_fails(void *ctx, size_t n)
{
    (void)ctx;
    (void)n;
    return alloc_countdown > 0 && --alloc_countdown == 0;
}

/* Every k-th allocation fails, of a start on an empty disk and of the work after it. */
static bool run_allocs(uint64_t seed, char *why, size_t size)
{
    struct emodel *m = model_new();
    bool reached = true;
    for (uint64_t k = 1; reached && !m->bad; k++) {
        struct env *env = world(seed);
        model_init(m, seed);
        m->may_lose_memory = true;
        alloc_countdown = k;
        mem_set_fail_hook(alloc_fails, NULL);
        first_life(env, m, 60);
        mem_set_fail_hook(NULL, NULL);
        reached = alloc_countdown == 0;
        alloc_countdown = 0;
        m->may_lose_memory = false;
        count_kind(KIND_FAILED_ALLOC);
        if (!m->bad) {
            crash_again(env, m, seed + k, 2);
        }
        env_destroy(env);
        if (m->bad) {
            (void)snprintf(why, size, "seed %llu, allocation %llu failed: %s",
                           (unsigned long long)seed, (unsigned long long)k, m->why);
        }
    }
    const bool bad = m->bad;
    free(m);
    return !bad;
}

static bool one_seed(uint64_t s, bool every, char *why, size_t size)
{
    const bool each = s % 8 == 1;
    return run_seed(s, each ? UINT64_MAX : 40, each ? 1 : 6, why, size) &&
           (!every || run_allocs(s, why, size));
}

static bool fault_seed(uint64_t s, char *why, size_t size)
{
    return run_seed(s, 40, 4, why, size);
}

int main(int argc, char **argv)
{
    struct run_program p = {
        .name = "engine_crash", .bit = RUN_ENGINE, .seed = one_seed, .fault_seed = fault_seed};
#ifdef LEAT_DEBUG
    const struct fault_row faults[] = {
#define FAULT(program, name, on, wrong, breaks) FAULT_##program(name, on, wrong, breaks)
#define FAULT_engine(name, on, wrong, breaks)   {name, &on, wrong, breaks},
#define FAULT_wal(name, on, wrong, breaks)
#define FAULT_store(name, on, wrong, breaks)
#define FAULT_service(name, on, wrong, breaks)
#define FAULT_proc(name, on, wrong, breaks)
#define FAULT_es(name, on, wrong, breaks)
#include "faults.def"
    };
    p.faults = faults;
    p.fault_count = ARRAY_LEN(faults);
#endif
    return run_main(&p, argc, argv);
}
