/*
 * Faults in the real binary under load: it answers with the right error and reads go on, it goes
 * on by itself when the fault is over or stops with a reason, and nothing is lost.
 *
 *   leat_faults --binary FILE --work DIR --data DIR --expect full|live|wait|stop
 *               [--on COMMAND] [--off COMMAND] [--during MS] [--rounds N] [--end term|kill]
 *               [--seed N] [--set K=V]...
 *
 * Runs the load of leat_crash against a server on DIR. Each round: all work, `on` (a shell command,
 * $PID is the server), the fault for `during` ms, `off`, all must work again. Then the server ends,
 * `leat verify` runs, and everything is read and judged after a new start.
 *
 * full: produces are refused with KAFKA_STORAGE_ERROR and with nothing else; `during` begins with
 *       the first of them. Everything that is stored can be read; groups commit.
 * live: some requests may fail, with KAFKA_STORAGE_ERROR or UNKNOWN_SERVER_ERROR or a closed
 *       connection; others are served all the while.
 * wait: the same, but all produces and commits may wait for the end of the fault.
 * stop: the server ends by itself with status 4.
 * In full and wait a server may also stop with status 4; WORK/leat.log says why.
 *
 * WORK/history.log is what was told to whom. Ends with lines of figures; status 0: all is well.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common_load.h"
#include "common_server.h"

enum { READY_MS = 30000, FULL_MS = 60000, RECOVERY_MS = 20000, STORAGE_ERROR = 56 };

enum expect { EXPECT_FULL, EXPECT_LIVE, EXPECT_WAIT, EXPECT_STOP };

/* How much was done so far. */
struct marks {
    uint64_t acked, seen, commits, writers[LOAD_WRITERS], closed;
    uint64_t errors[128]; /* by code + 1 */
};

struct run {
    const char *work, *on, *off;
    char log[300], history[300];
    enum expect expect;
    double during_ms;
    uint32_t rounds;
    bool end_by_term;
    uint64_t seed, violations;
    struct server_process server;
    struct model *model;
    struct load load;
    bool stopped; /* by itself, with status 4 */
};

static bool need(struct run *r, bool ok, const char *what)
{
    if (!ok) {
        printf("FAIL %s\n", what);
        r->violations++;
    }
    return ok;
}

static void marks_get(struct run *r, struct marks *out)
{
    struct model_totals t;
    model_totals_get(r->model, &t);
    *out = (struct marks){.acked = t.acked, .seen = t.seen, .commits = t.commits};
    for (size_t i = 0; i < LOAD_WRITERS; i++) {
        out->writers[i] = atomic_load(&r->load.writers[i].acked);
    }
    for (size_t i = 0; i < ARRAY_LEN(out->errors); i++) {
        out->errors[i] = atomic_load(&r->load.produce_errors[i]);
    }
    out->closed = atomic_load(&r->load.closed);
}

static uint64_t errors_of(const struct marks *a, const struct marks *b, int code)
{
    return b->errors[code + 1] - a->errors[code + 1];
}

static void print_phase(const struct run *r, const char *phase, double ms, const struct marks *a,
                        const struct marks *b)
{
    (void)r;
    printf("   %s, %.0f ms: %llu batches acknowledged, %llu records seen, %llu commits, %llu "
           "connections closed;",
           phase, ms, (unsigned long long)(b->acked - a->acked),
           (unsigned long long)(b->seen - a->seen), (unsigned long long)(b->commits - a->commits),
           (unsigned long long)(b->closed - a->closed));
    for (int code = -1; code < 127; code++) {
        if (errors_of(a, b, code) > 0) {
            printf(" %llu times error %d", (unsigned long long)errors_of(a, b, code), code);
        }
    }
    printf("\n");
    fflush(stdout);
}

/* Runs `on` or `off`. */
static bool command(struct run *r, const char *text)
{
    if (text == NULL) {
        return true;
    }
    char pid[24];
    (void)snprintf(pid, sizeof(pid), "%d", (int)r->server.pid);
    (void)setenv("PID", pid, 1);
    const char *argv[] = {"sh", "-c", text, NULL};
    return need(r, run_program(argv, r->log) == 0, text);
}

/* True if it ended; it must have ended with status 4. */
static bool ended(struct run *r)
{
    int status;
    if (r->stopped || r->server.pid <= 0 ||
        waitpid(r->server.pid, &status, WNOHANG) != r->server.pid) {
        return r->stopped;
    }
    close(r->server.out);
    r->server.pid = 0;
    r->stopped = true;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 4) {
        model_violation(r->model, MODEL_EXIT, "in the fault: wait status %x", (unsigned)status);
    }
    return true;
}

static bool boot(struct run *r)
{
    if (!server_spawn(&r->server) || !server_wait_ready(&r->server, READY_MS)) {
        int status = server_end(&r->server, SIGKILL, 1000);
        model_violation(r->model, MODEL_BOOT, "not ready, wait status %x, see %s", (unsigned)status,
                        r->log);
        return false;
    }
    r->stopped = false;
    return true;
}

/* Every writer was acknowledged, groups committed, and records were read. */
static bool all_work(struct run *r, const char *phase)
{
    struct marks a, b;
    bool all = false;
    double begin = now_ms();
    marks_get(r, &a);
    while (!all && now_ms() < begin + RECOVERY_MS && !ended(r)) {
        sleep_ms(20);
        marks_get(r, &b);
        all = b.commits > a.commits + 10 && b.seen > a.seen + 100;
        for (size_t i = 0; i < LOAD_WRITERS; i++) {
            all = all && b.writers[i] > a.writers[i] + 2;
        }
    }
    marks_get(r, &b);
    print_phase(r, phase, now_ms() - begin, &a, &b);
    for (size_t i = 0; i < LOAD_WRITERS && !all; i++) {
        printf("   %s: %llu\n", r->load.writers[i].kind->name,
               (unsigned long long)(b.writers[i] - a.writers[i]));
    }
    return need(r, all, phase);
}

/* Waits until the fault has begun to show. */
static bool fault_shows(struct run *r, const struct marks *a)
{
    struct marks b;
    for (double end = now_ms() + FULL_MS; now_ms() < end; sleep_ms(5)) {
        marks_get(r, &b);
        if (ended(r) || r->expect == EXPECT_LIVE || r->expect == EXPECT_WAIT ||
            (r->expect == EXPECT_FULL && errors_of(a, &b, STORAGE_ERROR) > 0)) {
            return true;
        }
    }
    return false;
}

static void judge_fault(struct run *r, const struct marks *before, const struct marks *a,
                        const struct marks *b)
{
    for (int code = 1; code < 127; code++) {
        need(r, code == STORAGE_ERROR || errors_of(before, b, code) == 0, "another error");
    }
    if (r->stopped) {
        need(r, r->expect != EXPECT_LIVE, "the server lives");
        return;
    }
    need(r, b->seen > a->seen, "reads go on");
    if (r->expect == EXPECT_FULL) {
        need(r, errors_of(before, b, -1) == 0, "UNKNOWN_SERVER_ERROR for a full disk");
        need(r, errors_of(a, b, STORAGE_ERROR) > 0, "produces are refused");
        need(r, b->commits > a->commits, "groups commit");
        need(r, b->closed == a->closed, "no connection is closed");
    } else if (r->expect == EXPECT_LIVE) {
        need(r, b->acked > a->acked, "others are served");
    }
}

static bool round_run(struct run *r)
{
    struct marks before, a, b;
    if (!all_work(r, "before the fault")) {
        return false;
    }
    marks_get(r, &before);
    atomic_store(&r->load.reads_may_fail, r->expect != EXPECT_FULL);
    if (!command(r, r->on) || !need(r, fault_shows(r, &before), "the fault shows")) {
        return false;
    }
    double begin = now_ms();
    marks_get(r, &a);
    while (now_ms() < begin + r->during_ms && !ended(r)) {
        sleep_ms(5);
    }
    marks_get(r, &b);
    print_phase(r, "in the fault", now_ms() - begin, &a, &b);
    judge_fault(r, &before, &a, &b);
    if (r->expect == EXPECT_STOP) {
        need(r, r->stopped, "the server stops by itself");
    }
    if (r->stopped) {
        return true;
    }
    bool ok = command(r, r->off);
    /* Answers of the fault may still be on their way. */
    sleep_ms(300);
    atomic_store(&r->load.reads_may_fail, false);
    return ok && (all_work(r, "after it") || r->stopped);
}

/* The end, a verification, a new start, and the judgement of everything. */
static void judge_all(struct run *r)
{
    if (!ended(r)) {
        int status = server_end(&r->server, r->end_by_term ? SIGTERM : SIGKILL, 30000);
        bool good = status >= 0 && (r->end_by_term ? WIFEXITED(status) && WEXITSTATUS(status) == 0
                                                   : WIFSIGNALED(status));
        if (!good) {
            model_violation(r->model, MODEL_EXIT, "at the end: wait status %x", (unsigned)status);
        }
    }
    load_stop(&r->load);
    /* What the device did not take is gone, as after a power cut. */
    model_crashed(r->model, r->stopped ? "cut" : r->end_by_term ? "clean" : "kill");
    (void)command(r, r->stopped ? r->off : NULL);
    r->stopped = false;
    if (server_verify(&r->server) != 0) {
        model_violation(r->model, MODEL_VERIFY, "see %s", r->log);
    }
    if (boot(r)) {
        (void)load_check(&r->load, r->server.port, true);
    }
}

static void run_all(struct run *r)
{
    r->model = model_create(r->history, false);
    load_init(&r->load, r->model, r->seed);
    r->load.faulty = true;
    if (boot(r)) {
        r->load.port = r->server.port;
        if (need(r, load_topics(&r->load, 5000), "topics")) {
            load_start(&r->load, r->server.port);
            for (uint32_t i = 0; i < r->rounds && !r->stopped && round_run(r); i++) {
            }
            judge_all(r);
        }
        /* And it works as before. */
        if (model_violations(r->model) == 0 && r->server.pid > 0) {
            load_start(&r->load, r->server.port);
            (void)all_work(r, "after the new start");
            r->off = NULL;
            r->end_by_term = true;
            judge_all(r);
        }
        (void)server_end(&r->server, SIGKILL, 1000);
    }
    r->violations += model_violations(r->model);
    model_destroy(r->model);
}

static bool argument(struct run *r, const char *name, const char *value)
{
    static const char *const expects[] = {"full", "live", "wait", "stop"};
    size_t sets = 0;
    if (strcmp(name, "--binary") == 0) {
        r->server.binary = value;
    } else if (strcmp(name, "--work") == 0) {
        r->work = value;
    } else if (strcmp(name, "--data") == 0) {
        r->server.data = value;
    } else if (strcmp(name, "--on") == 0) {
        r->on = value;
    } else if (strcmp(name, "--off") == 0) {
        r->off = value;
    } else if (strcmp(name, "--during") == 0) {
        r->during_ms = strtod(value, NULL);
    } else if (strcmp(name, "--rounds") == 0) {
        r->rounds = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--end") == 0) {
        r->end_by_term = strcmp(value, "term") == 0;
    } else if (strcmp(name, "--seed") == 0) {
        r->seed = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--set") == 0) {
        while (sets < SERVER_SETS && r->server.sets[sets] != NULL) {
            sets++;
        }
        if (sets == SERVER_SETS) {
            return false;
        }
        r->server.sets[sets] = value;
    } else if (strcmp(name, "--expect") == 0) {
        for (size_t i = 0; i < ARRAY_LEN(expects); i++) {
            if (strcmp(value, expects[i]) == 0) {
                r->expect = (enum expect)i;
                return true;
            }
        }
        return false;
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct run r;
    r.during_ms = 1000;
    r.rounds = 1;
    r.seed = 1;
    bool known = argc % 2 == 1;
    for (int i = 1; known && i < argc; i += 2) {
        known = argument(&r, argv[i], argv[i + 1]);
    }
    if (!known || r.server.binary == NULL || r.work == NULL || r.server.data == NULL) {
        fputs("usage: leat_faults --binary FILE --work DIR --data DIR --expect full|live|wait|stop "
              "[--on COMMAND] [--off COMMAND] [--during MS] [--rounds N] [--end term|kill] "
              "[--seed N] [--set K=V]...\n",
              stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    (void)mkdir(r.work, 0755);
    (void)snprintf(r.log, sizeof(r.log), "%s/leat.log", r.work);
    (void)snprintf(r.history, sizeof(r.history), "%s/history.log", r.work);
    r.server.log = r.log;
    run_all(&r);
    printf("%llu violations; seed %llu\n", (unsigned long long)r.violations,
           (unsigned long long)r.seed);
    return r.violations == 0 ? 0 : 1;
}
