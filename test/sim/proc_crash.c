/*
 * The processor runtime on an engine that behaves like Kafka at its worst: processes are killed at
 * every step of it, restarted or replaced, killed again, while appends are late, aborted, fenced,
 * partitions go to others before the owner knows, and reads return little.
 *
 * The promises (the model is in test/engine/procs_model.c, outside of all that):
 *   - outputs in the log are those of a run without faults: of each key in order, none lost, none
 *     twice, at every moment a beginning of them;
 *   - the state in the changelog is the fold of the input;
 *   - a timer fires once, never early;
 *   - events of a key whose step failed wait, in order, and are executed when the key is resumed;
 *   - a reset executes everything again from no state, once.
 * The same with a planted fault (faults.def): one that this program does not notice fails the run.
 */
#include <stdio.h>
#include <string.h>

#include "common_run.h"
#include "core/check.h"
#include "engine/procs.h"
#include "proc/proc_int.h"

enum { ROUNDS = 5, PER_ROUND = 7, CUTS = 24, STEP_MAX = 400000 };

struct plan {
    uint64_t seed;
    bool good, fails, skip, pauses, resets;
    size_t nodes;
};
struct life {
    struct procs w;
    const struct plan *p;
    uint64_t rng;
    uint64_t steps;
    uint64_t cut, cut_again; /* number of the step; 0: none */
    uint64_t back;           /* when the killed one comes back */
    size_t killed;
    bool broken;
    char *why;
    size_t why_size;
};

static uint64_t draw(struct life *l, uint64_t below)
{
    l->rng = run_mix(l->rng);
    return (l->rng >> 16) % below;
}

static bool broken(struct life *l, const char *what)
{
    if (!l->broken) {
        char why[300] = "";
        (void)procs_check(&l->w, true, why, sizeof(why));
        (void)snprintf(l->why, l->why_size, "seed=%llu cut at step %llu, again %llu: %s: %s",
                       (unsigned long long)l->p->seed, (unsigned long long)l->cut,
                       (unsigned long long)l->cut_again, what, why);
    }
    l->broken = true;
    return false;
}

/* ---- Crashes ------------------------------------------------------------------------------- */

static void count_node(const struct procs_node *n)
{
    bool any = false, going = n->calling;
    count_state();
    count_kind(KIND_KILL);
    count_kind_n(KIND_PROC_IN_CALL, n->calling);
    LIST_FOR_EACH (k, tmp, &n->proc->tasks) {
        const struct proc_task *t = CONTAINER_OF(k, struct proc_task, link);
        any = true;
        going = going || t->batch != NULL || t->phase != PROC_PHASE_RUN;
        count_kind_n(KIND_PROC_IN_RESTORE, t->phase <= PROC_PHASE_RESTORE);
        count_kind_n(KIND_PROC_IN_BATCH, t->batch != NULL && t->batch->n.steps > 0);
        count_kind_n(KIND_PROC_IN_PARKED, t->parked_events > 0);
        count_kind_n(KIND_PROC_IN_AGAIN, t->again_entry != NULL);
        count_kind_n(KIND_PROC_IN_TIMERS, t->timer_count > 0);
    }
    count_kind_n(KIND_PROC_IN_START, !any);
    count_kind_n(KIND_PROC_IN_IDLE, any && !going);
}

static size_t some_node(struct life *l)
{
    const size_t from = (size_t)draw(l, PROCS_NODES);
    for (size_t i = 0; i < PROCS_NODES; i++) {
        if (l->w.nodes[(from + i) % PROCS_NODES].proc != NULL) {
            return (from + i) % PROCS_NODES;
        }
    }
    return PROCS_NODES;
}

static void crash(struct life *l)
{
    const size_t node = some_node(l);
    char why[300];
    if (node == PROCS_NODES) {
        return;
    }
    count_node(&l->w.nodes[node]);
    count_kind_n(KIND_PROC_TWICE, l->steps == l->cut_again);
    procs_kill(&l->w, node);
    if (!procs_check(&l->w, false, why, sizeof(why))) {
        (void)broken(l, "after the kill");
    }
    l->killed = node;
    l->back = l->steps + 1 + draw(l, 40);
    bool others = false;
    for (size_t i = 0; i < PROCS_NODES; i++) {
        others = others || l->w.nodes[i].proc != NULL;
    }
    count_kind_n(KIND_PROC_STAND_IN, others);
}

static bool step(struct life *l, uint64_t until)
{
    l->steps++;
    if (l->steps == l->cut || (l->cut_again != 0 && l->steps == l->cut_again)) {
        crash(l);
    }
    if (l->steps >= l->back && l->back != 0) {
        l->back = 0;
        if (l->w.nodes[l->killed].proc == NULL) {
            CHECK(procs_up(&l->w, l->killed) == ERR_OK);
        }
    }
    return procs_step(&l->w, until) && !l->broken;
}

static void run(struct life *l, uint64_t ms)
{
    const uint64_t until = env_mono_ns(l->w.env) + ms * 1000000;
    while (step(l, until)) {
    }
}

/* ---- What is said -------------------------------------------------------------------------- */

static void say(struct life *l)
{
    char key[8], command[40];
    (void)snprintf(key, sizeof(key), "k%u", (unsigned)draw(l, PROCS_KEYS));
    const uint64_t x = draw(l, 16);
    if (x < 3) {
        (void)snprintf(command, sizeof(command), "timer t%u %u", (unsigned)draw(l, 3),
                       (unsigned)draw(l, 500));
    } else if (x == 3) {
        (void)snprintf(command, sizeof(command), "cancel t%u", (unsigned)draw(l, 3));
    } else if (x == 4 && l->p->fails) {
        (void)snprintf(command, sizeof(command), "fail 1");
    } else {
        (void)snprintf(command, sizeof(command), "add %u", (unsigned)draw(l, 1000));
    }
    procs_say(&l->w, key, command);
    if (draw(l, 10) == 0) {
        worst_gap(l->w.log, "in", (int32_t)draw(l, PROCS_PARTS), 2);
    }
}

static bool settled(struct life *l)
{
    char why[300];
    for (int32_t n = 0; n < PROCS_PARTS; n++) {
        int64_t last = -1;
        for (size_t i = 0; i < l->w.event_count; i++) {
            last = l->w.events[i].partition == n ? l->w.events[i].offset : last;
        }
        if (worst_committed(l->w.log, "leat-sums", "in", n) <= last) {
            return false;
        }
    }
    return procs_check(&l->w, true, why, sizeof(why));
}

/* Until all is as it must be; every second somebody asks for what was stopped to go on. */
static bool settle(struct life *l, uint64_t generation)
{
    for (int i = 0; i < 300 && !l->broken; i++) {
        if (settled(l)) {
            return true;
        }
        const enum proc_call_kind kind = i % 2 == 0 ? PROC_KEY_RESUME : PROC_RESUME;
        for (size_t n = 0; n < PROCS_NODES && generation == 0; n++) {
            procs_control(&l->w, n, kind);
        }
        if (generation > 0) {
            procs_reset(&l->w, generation);
        }
        run(l, generation > 0 && i < 100 ? 20 : 400);
    }
    return broken(l, "it does not settle");
}

/* ---- Lives --------------------------------------------------------------------------------- */

static void count_life(const struct life *l)
{
    const struct worst_stats *s = worst_log_stats(l->w.log);
    count_kind_n(KIND_PROC_DONE_LATE, s->late);
    count_kind_n(KIND_PROC_ABORTED, s->aborted);
    count_kind_n(KIND_PROC_FENCED, s->fenced);
    count_kind_n(KIND_PROC_REFUSED, s->refused);
    count_kind_n(KIND_PROC_REBALANCE, s->rebalances);
    count_kind_n(KIND_PROC_ZOMBIE, s->zombies);
    count_kind_n(KIND_PROC_GAP, s->gaps);
    count_kind_n(KIND_PROC_LITTLE, s->little);
    count_kind_n(KIND_PROC_EMPTY, s->empty);
    count_kind_n(KIND_PROC_READ_FAILED, s->failed);
    count_kind_n(KIND_PROC_LAGGED, s->lagged);
    count_kind_n(KIND_PROC_GOOD, l->p->good);
    count_kind_n(KIND_PROC_RESET, l->p->resets);
    for (size_t i = 0; i < PROCS_NODES; i++) {
        const struct proc *p = l->w.nodes[i].proc;
        if (p != NULL) {
            count_kind_n(KIND_PROC_TIMER, p->n.timers_fired);
            count_kind_n(KIND_PROC_PARKED, p->n.parked);
            count_kind_n(KIND_PROC_AGAIN, p->n.again);
            count_kind_n(KIND_PROC_SKIPPED, p->n.skipped);
            count_kind_n(KIND_PROC_PAUSED, l->p->pauses && l->w.nodes[i].calls_done > 0);
        }
    }
    count_kind_n(KIND_PROC_EXECUTED_AGAIN, l->w.executed > l->w.event_count);
}

static bool live(const struct plan *p, uint64_t cut, uint64_t again, uint64_t *steps, char *why,
                 size_t size)
{
    struct worst_config cfg;
    struct life l = {.p = p,
                     .rng = run_mix(p->seed),
                     .cut = cut,
                     .cut_again = again,
                     .why = why,
                     .why_size = size};
    p->good ? worst_config_good(&cfg, p->seed) : worst_config_bad(&cfg, p->seed);
    cfg.rebalance_in = p->good ? 0 : 40;
    procs_init(&l.w, p->seed, &cfg);
    l.w.mended = p->fails ? 1 : 0;
    l.w.skip_fails = p->skip;
    l.w.spec.on_error = p->skip ? PROC_SKIP : (p->seed & 64) == 0 ? PROC_PARK_KEY : PROC_STOP_KEY;
    l.w.spec.batch_steps = 1 + (uint32_t)(p->seed % 5) * 3;
    for (size_t i = 0; i < p->nodes; i++) {
        CHECK(procs_up(&l.w, i) == ERR_OK);
    }
    for (size_t i = 0; i < ROUNDS && !l.broken; i++) {
        for (size_t k = 0; k < PER_ROUND; k++) {
            say(&l);
        }
        if (p->pauses && i % 2 == 1) {
            procs_control(&l.w, 0, i == 1 ? PROC_PAUSE : PROC_RESUME);
        }
        run(&l, 60 + draw(&l, 100));
    }
    l.w.mended = p->skip ? 1 : 0;
    bool good = settle(&l, 0);
    if (good && p->resets) {
        procs_expect_again(&l.w);
        good = settle(&l, 1);
    }
    if (good) {
        run(&l, 3000); /* nothing comes after that */
        good = !l.broken && (settled(&l) || broken(&l, "after it had settled"));
    }
    count_life(&l);
    *steps = l.steps;
    procs_deinit(&l.w);
    return good;
}

static struct plan plan_of(uint64_t seed)
{
    const uint64_t x = run_mix(seed * 31);
    struct plan p = {.seed = seed,
                     .good = x % 7 == 0,
                     .fails = (x >> 8) % 3 != 0,
                     .skip = (x >> 8) % 3 == 1 && (x >> 12) % 2 == 0,
                     .pauses = (x >> 16) % 3 == 0,
                     .nodes = 1 + (x >> 20) % PROCS_NODES};
    p.resets = (x >> 24) % 3 == 0;
    return p;
}

static bool run_seed(uint64_t seed, bool every, char *why, size_t size)
{
    const struct plan p = plan_of(seed);
    uint64_t all, steps;
    if (!live(&p, 0, 0, &all, why, size)) {
        return false;
    }
    const uint64_t stride = every ? 1 : 1 + all / CUTS;
    for (uint64_t cut = 1 + seed % stride; cut <= all; cut += stride) {
        const uint64_t again = cut % 3 == 0 ? cut + 1 + run_mix(cut) % 90 : 0;
        if (!live(&p, cut, again, &steps, why, size)) {
            return false;
        }
    }
    return true;
}

static bool fault_seed(uint64_t seed, char *why, size_t size)
{
    const struct plan p = plan_of(seed);
    uint64_t all, steps;
    if (!live(&p, 0, 0, &all, why, size)) {
        return false;
    }
    for (uint64_t i = 0; i < 4; i++) {
        if (!live(&p, 1 + run_mix(seed * 7 + i) % all, 0, &steps, why, size)) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct run_program p = {
        .name = "proc_crash", .bit = RUN_PROC, .seed = run_seed, .fault_seed = fault_seed};
#ifdef LEAT_DEBUG
    struct fault_row faults[] = {
#define FAULT(program, name, on, wrong, breaks) FAULT_##program(name, on, wrong, breaks)
#define FAULT_proc(name, on, wrong, breaks)     {name, &on, wrong, breaks},
#define FAULT_wal(name, on, wrong, breaks)
#define FAULT_store(name, on, wrong, breaks)
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
