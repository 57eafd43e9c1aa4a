/* See common_run.h. */
#include "common_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"
#include "env/env_sim.h"

enum { JOBS_MAX = 64, FAILED_MAX = 3, FAULT_SEEDS = 200 };

static uint64_t counts[KIND_COUNT];
static uint64_t states;

static const struct {
    const char *text;
    unsigned programs;
} kinds[KIND_COUNT] = {
#define W                    RUN_WAL
#define S                    RUN_STORE
#define V                    RUN_SERVICE
#define E                    RUN_ENGINE
#define P                    RUN_PROC
#define X                    RUN_ES
#define KIND(name, in, what) {what, in},
#include "kinds.def"
#undef KIND
#undef W
#undef S
#undef V
#undef E
#undef P
#undef X
};

uint64_t run_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void count_kind(enum kind k)
{
    counts[k]++;
}

void count_kind_n(enum kind k, uint64_t n)
{
    counts[k] += n;
}

void count_state(void)
{
    states++;
}

static void count_loss(struct env *env)
{
    static const enum kind at[ENV_SIM_OP_COUNT + 1] = {
        [ENV_SIM_OPEN] = KIND_CUT_OPEN,         [ENV_SIM_READ] = KIND_CUT_READ,
        [ENV_SIM_WRITE] = KIND_CUT_WRITE,       [ENV_SIM_SYNC] = KIND_CUT_SYNC,
        [ENV_SIM_ALLOCATE] = KIND_CUT_ALLOCATE, [ENV_SIM_TRUNCATE] = KIND_CUT_TRUNCATE,
        [ENV_SIM_RENAME] = KIND_CUT_RENAME,     [ENV_SIM_UNLINK] = KIND_CUT_UNLINK,
        [ENV_SIM_MKDIR] = KIND_CUT_MKDIR,       [ENV_SIM_OP_COUNT] = KIND_CUT_IDLE};
    struct env_sim_loss l;
    env_sim_last_loss(env, &l);
    count_kind(at[l.at]);
    const uint64_t lost = l.writes + l.sizes + l.links + l.unlinks + l.renames + l.torn;
    count_kind_n(KIND_LOSS_NOTHING_PENDING, l.pending == 0);
    count_kind_n(KIND_LOSS_NONE, l.pending > 0 && lost == 0);
    count_kind_n(KIND_LOSS_WRITE, l.writes > 0);
    count_kind_n(KIND_LOSS_TORN, l.torn > 0);
    count_kind_n(KIND_LOSS_REORDERED, l.reordered);
    count_kind_n(KIND_LOSS_SIZE, l.sizes > 0);
    count_kind_n(KIND_LOSS_SIZE_NO_DATA, l.size_no_data);
    count_kind_n(KIND_LOSS_DATA_NO_SIZE, l.data_no_size);
    count_kind_n(KIND_LOSS_LINK, l.links > 0);
    count_kind_n(KIND_LOSS_UNLINK, l.unlinks > 0);
    count_kind_n(KIND_LOSS_RENAME, l.renames > 0);
}

void crash_and_count(struct env *env, uint64_t going, bool kill, bool named, uint64_t choice)
{
    static const enum env_sim_keep keeps[] = {ENV_SIM_KEEP_ALL, ENV_SIM_LOSE_ALL, ENV_SIM_KEEP_ONE,
                                              ENV_SIM_LOSE_ONE, ENV_SIM_KEEP_FIRST};
    states++;
    for (unsigned k = KIND_IN_START; going != 0; k++, going >>= 1) {
        counts[k] += going & 1;
    }
    if (kill) {
        env_sim_process_kill(env);
        count_kind(KIND_KILL);
        return;
    }
    if (named && choice % 8 < 5) {
        env_sim_power_cut_as(env, keeps[choice % 8], run_mix(choice));
    } else {
        env_sim_power_cut(env, run_mix(choice * 7));
    }
    count_loss(env);
}

/* ---- Workers -------------------------------------------------------------------------------- */

struct args {
    const struct run_program *p;
    uint64_t first, seeds, states, every, jobs;
    const char *fault;
    bool faults, one, verbose;
};
/* What workers add up, in memory that they share. */
struct sums {
    uint64_t counts[KIND_COUNT], states, seeds, failed, faults, missed;
};

static void run_seeds(const struct args *a, uint64_t worker, struct sums *sum)
{
    uint64_t failed = 0, seeds = 0;
    for (uint64_t s = a->first + worker;
         s < a->first + a->seeds && states < a->states / a->jobs && failed < FAILED_MAX;
         s += a->jobs) {
        char why[500] = "";
        const uint64_t before = states;
        seeds++;
        if (!a->p->seed(s, s - a->first < a->every, why, sizeof(why))) {
            printf("FAIL %s\n", why);
            failed++;
        }
        if (a->verbose) {
            printf("  seed %llu: %llu states\n", (unsigned long long)s,
                   (unsigned long long)(states - before));
        }
        (void)fflush(stdout);
    }
    for (size_t k = 0; k < KIND_COUNT; k++) {
        __atomic_fetch_add(&sum->counts[k], counts[k], __ATOMIC_RELAXED);
    }
    __atomic_fetch_add(&sum->states, states, __ATOMIC_RELAXED);
    __atomic_fetch_add(&sum->seeds, seeds, __ATOMIC_RELAXED);
    __atomic_fetch_add(&sum->failed, failed, __ATOMIC_RELAXED);
}

static bool fault_caught(const struct run_program *p, const struct fault_row *f)
{
    char why[500] = "";
    bool caught = false;
    *f->on = true;
    for (uint64_t s = 1; s <= FAULT_SEEDS && !caught; s++) {
        caught = !p->fault_seed(s, why, sizeof(why));
    }
    *f->on = false;
    printf("%s %s (%s): %s\n", caught ? "  caught" : "FAIL missed", f->name, f->wrong, why);
    (void)fflush(stdout);
    return caught;
}

static void run_faults(const struct args *a, uint64_t worker, struct sums *sum)
{
    for (size_t i = worker; i < a->p->fault_count; i += a->jobs) {
        const struct fault_row *f = &a->p->faults[i];
        if (a->fault == NULL || strcmp(a->fault, f->name) == 0) {
            __atomic_fetch_add(&sum->faults, 1, __ATOMIC_RELAXED);
            __atomic_fetch_add(&sum->missed, !fault_caught(a->p, f), __ATOMIC_RELAXED);
        }
    }
}

/* Each worker is a process: `fn` may use what is static. A worker that dies is a failure. */
static void in_workers(const struct args *a, struct sums *sum,
                       void (*fn)(const struct args *a, uint64_t worker, struct sums *sum))
{
    (void)fflush(stdout);
    if (a->jobs == 1) {
        fn(a, 0, sum); /* so that a debugger sees it */
        return;
    }
    for (uint64_t i = 0; i < a->jobs; i++) {
        const pid_t pid = fork();
        if (pid == 0) {
            fn(a, i, sum);
            (void)fflush(stdout);
            _exit(0);
        }
        if (pid < 0) {
            sum->failed++;
        }
    }
    int status;
    while (wait(&status) > 0) {
        if (status != 0) {
            printf("FAIL a worker ended with status %d\n", status);
            __atomic_fetch_add(&sum->failed, 1, __ATOMIC_RELAXED);
        }
    }
}

/* ---- What is said --------------------------------------------------------------------------- */

/* How many kinds that belong to the program were never met. */
static uint64_t print_kinds(const struct run_program *p, const struct sums *sum, bool must,
                            uint64_t *met)
{
    uint64_t missing = 0;
    for (size_t k = 0; k < KIND_COUNT; k++) {
        if ((kinds[k].programs & p->bit) == 0) {
            continue;
        }
        printf("%12llu  %s\n", (unsigned long long)sum->counts[k], kinds[k].text);
        *met += sum->counts[k] > 0;
        if (must && sum->counts[k] == 0) {
            printf("FAIL %s: never met: %s\n", p->name, kinds[k].text);
            missing++;
        }
    }
    return missing;
}

static int usage(const struct run_program *p)
{
    printf(
        "usage: %s [--seeds N | --states N | --seed N] [--every-failure N] [--jobs N] [-v]\n"
        "       %s --faults | --fault NAME | --list-faults\n\n"
        "  --seed N           one seed, as a failure names it\n"
        "  --every-failure N  for the first N seeds every single operation and allocation fails\n"
        "  --faults           plants each fault; one that is not noticed is a failure\n",
        p->name, p->name);
    return 0;
}

static bool parse(struct args *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        uint64_t *number = strcmp(argv[i], "--seed") == 0            ? &a->first
                           : strcmp(argv[i], "--seeds") == 0         ? &a->seeds
                           : strcmp(argv[i], "--states") == 0        ? &a->states
                           : strcmp(argv[i], "--every-failure") == 0 ? &a->every
                           : strcmp(argv[i], "--jobs") == 0          ? &a->jobs
                                                                     : NULL;
        if (number != NULL && i + 1 < argc) {
            *number = strtoull(argv[++i], NULL, 10);
            a->one = a->one || number == &a->first;
            a->seeds = number == &a->states ? UINT64_MAX / 4 : a->one ? 1 : a->seeds;
        } else if (strcmp(argv[i], "--fault") == 0 && i + 1 < argc) {
            a->fault = argv[++i];
        } else if (strcmp(argv[i], "--faults") == 0) {
            a->faults = true;
        } else if (strcmp(argv[i], "-v") == 0) {
            a->verbose = true;
        } else {
            return false;
        }
    }
    a->jobs = a->jobs == 0 || a->one ? 1 : a->jobs > JOBS_MAX ? JOBS_MAX : a->jobs;
    return true;
}

int run_main(const struct run_program *p, int argc, char **argv)
{
    struct args a = {.p = p, .first = 1, .seeds = 20, .states = UINT64_MAX, .every = 2, .jobs = 1};
    if (argc == 2 && strcmp(argv[1], "--list-faults") == 0) {
        for (size_t i = 0; i < p->fault_count; i++) {
            printf("%-26s %s; %s\n", p->faults[i].name, p->faults[i].wrong, p->faults[i].breaks);
        }
        return 0;
    }
    if (!parse(&a, argc, argv)) {
        return usage(p);
    }
    struct sums *sum =
        mmap(NULL, sizeof(*sum), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sum == MAP_FAILED) {
        return 2;
    }
    uint64_t met = 0;
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    if (a.faults || a.fault != NULL) {
        in_workers(&a, sum, run_faults);
        printf("%s: %llu of %llu planted faults caught\n", p->name,
               (unsigned long long)(sum->faults - sum->missed), (unsigned long long)sum->faults);
        sum->failed += sum->missed + (sum->faults == 0);
    } else {
        in_workers(&a, sum, run_seeds);
        printf("%s: %llu crash states of %llu seeds\n", p->name, (unsigned long long)sum->states,
               (unsigned long long)sum->seeds);
        sum->failed += print_kinds(p, sum, !a.one && sum->failed == 0, &met);
    }
    /* For the runner: a seed, a kind that was met and a fault that was caught are shown each. */
    const uint64_t all = sum->seeds + sum->faults + met;
    printf("%llu passed, %llu failed, 0 skipped\n",
           (unsigned long long)(all > sum->failed ? all - sum->failed : 0),
           (unsigned long long)sum->failed);
    return sum->failed == 0 ? 0 : 1;
}
