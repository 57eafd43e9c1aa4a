/*
 * Crashes the real binary under load, again and again, and judges what is there afterwards.
 *
 *   leat_crash kill --binary FILE --work DIR [--cycles N] [--fresh N] [--seed N]
 *   leat_crash cut  --binary FILE --work DIR [--cycles N] [--fresh N] [--seed N]
 *                   [--settings N] [--calm MS] [--weak yes]
 *
 * kill: SIGKILL. cut: the data directory is on an ext4 image of its own, whose file system is shut
 * down without its journal (what was not flushed is gone), then SIGKILL, then mounted again.
 * A cycle: start, check what is there, load for a random moment, crash, verify. Some starts are
 * crashed before they are ready, up to three in a row. Every `fresh` cycles a new data directory
 * with other settings begins; in cut mode its first crash comes within a second of its first start.
 * The last act of a directory is a load of `calm` ms, a clean stop and a check of everything;
 * --cycles 0 does that alone.
 *
 * --weak: leat is told not to flush, and the judge not that it was told: after a cut it must find
 * loss, or it could not find any.
 *
 * WORK holds data/ (or the image and the mount point mnt/), history-N.log (what was told to whom)
 * and leat.log. All of it is kept when something was wrong. Ends with a line of figures; status 0:
 * all is well.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common_load.h"
#include "common_server.h"

/* The shutdown of ext4 and XFS, _IOR('X', 125, uint32_t); 2: drop everything, journal included. */
#define SHUTDOWN_IOCTL _IOR('X', 125, uint32_t)
enum { SHUTDOWN_NO_LOG_FLUSH = 2 };
enum { IMAGE_BYTES = 768 * 1024 * 1024, READY_MS = 30000 };

struct run {
    bool cut;
    const char *work;
    char data[300], image[300], mount[300], log[300];
    uint64_t random, seed;
    uint32_t cycles, fresh, settings; /* settings of the first directory */
    bool weak;
    double calm_ms; /* load before the clean stop */
    struct server_process server;
    struct model *model;
    struct load load;
    uint32_t crashes, crashes_in_start, before_ready, directories, first_second;
    uint64_t violations;
    struct model_totals totals;
    uint64_t writers[LOAD_WRITERS], member_commits; /* what each of them was acknowledged */
    double ready_max, ready_sum, stop_max;
    uint32_t ready_count;
    bool first_start; /* of this directory is still to come */
};

static const char *const settings[][SERVER_SETS] = {
    {"leat.wal.file.bytes=1048576", "leat.wal.files=4", "leat.checkpoint.ms=100",
     "leat.checkpoint.bytes=1048576", "leat.inline.max.bytes=16384", "leat.min.free.bytes=16777216",
     NULL},
    {"leat.min.free.bytes=16777216", NULL},
    {"leat.wal.file.bytes=1048576", "leat.wal.files=3", "leat.inline.max.bytes=0",
     "leat.min.free.bytes=16777216", NULL},
    {"leat.wal.file.bytes=2097152", "leat.wal.files=8", "leat.checkpoint.ms=500",
     "leat.inline.max.bytes=1048576", "leat.min.free.bytes=16777216", NULL},
};

static double random_ms(struct run *r, double from, double to)
{
    return from + (to - from) * (double)(load_random(&r->random) & 0xffff) / 65535;
}

static bool chance(struct run *r, uint64_t one_in)
{
    return load_random(&r->random) % one_in == 0;
}

static bool need(struct run *r, bool ok, const char *what)
{
    if (!ok) {
        printf("FAIL the rig: %s\n", what);
        r->violations++;
    }
    return ok;
}

/* ---- The disk ---------------------------------------------------------------------------------
 */

static bool disk_mount(struct run *r)
{
    /* commit=300: the journal is not flushed behind our back, so more can be lost. */
    const char *argv[] = {"mount", "-o", "loop,commit=300", r->image, r->mount, NULL};
    return need(r, run_program(argv, r->log) == 0, "mount");
}

static bool disk_unmount(struct run *r)
{
    const char *argv[] = {"umount", r->mount, NULL};
    for (int i = 0; i < 50; i++) {
        if (run_program(argv, r->log) == 0) {
            return true;
        }
        sleep_ms(20);
    }
    return need(r, false, "umount");
}

static bool disk_create(struct run *r)
{
    int fd = open(r->image, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && ftruncate(fd, IMAGE_BYTES) == 0;
    if (fd >= 0) {
        close(fd);
    }
    const char *argv[] = {"mkfs.ext4", "-q", "-F", r->image, NULL};
    return need(r, ok && run_program(argv, r->log) == 0, "mkfs.ext4") && disk_mount(r);
}

static bool power_off(struct run *r)
{
    uint32_t how = SHUTDOWN_NO_LOG_FLUSH;
    int fd = open(r->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && ioctl(fd, SHUTDOWN_IOCTL, &how) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return need(r, ok, "the shutdown ioctl");
}

/* ---- Crashing ---------------------------------------------------------------------------------
 */

/* True: as it should be, killed by us or ended because its disk is gone. */
static void judge_end(struct run *r, int status, bool after_cut)
{
    bool killed = status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool gave_up = after_cut && status >= 0 && WIFEXITED(status) &&
                   (WEXITSTATUS(status) == 4 || WEXITSTATUS(status) == 1);
    if (!killed && !gave_up) {
        model_violation(r->model, MODEL_EXIT, "wait status %x", (unsigned)status);
    }
}

/* Crashes now; the load, if it runs, ends with it. */
static bool crash(struct run *r)
{
    bool ok = true;
    if (r->cut) {
        model_dark(r->model);
        ok = power_off(r);
        /* Time for it to notice, to stop by itself, or to trip over its own failure. */
        sleep_ms(chance(r, 2) ? random_ms(r, 0, 30) : 0);
    }
    int status = server_end(&r->server, SIGKILL, 10000);
    load_stop(&r->load);
    judge_end(r, status, r->cut);
    model_crashed(r->model, r->cut ? "cut" : "kill");
    if (r->cut) {
        ok = ok && disk_unmount(r) && disk_mount(r);
    }
    return ok;
}

static void verify(struct run *r)
{
    int status = server_verify(&r->server);
    /* After a crash in the first start there is nothing to verify yet. */
    if (status != 0 && !(r->first_start && status == 1)) {
        model_violation(r->model, MODEL_VERIFY, "exit status %d after crash %u, see %s", status,
                        r->crashes + r->crashes_in_start, r->log);
    }
}

static bool boot(struct run *r)
{
    if (!need(r, server_spawn(&r->server), "fork")) {
        return false;
    }
    if (!server_wait_ready(&r->server, READY_MS)) {
        int status = server_end(&r->server, SIGKILL, 1000);
        model_violation(r->model, MODEL_BOOT, "not ready after %u crashes, wait status %x, see %s",
                        r->crashes + r->crashes_in_start, (unsigned)status, r->log);
        return false;
    }
    r->ready_sum += r->server.ready_ms;
    r->ready_max = r->server.ready_ms > r->ready_max ? r->server.ready_ms : r->ready_max;
    r->ready_count++;
    return true;
}

/* Starts that are crashed before or just after they are ready. */
static bool crash_in_start(struct run *r)
{
    uint32_t times = 1 + (uint32_t)(load_random(&r->random) % 3);
    double usual = r->ready_count == 0 ? 50 : r->ready_sum / r->ready_count;
    for (uint32_t i = 0; i < times; i++) {
        if (!need(r, server_spawn(&r->server), "fork")) {
            return false;
        }
        double end = now_ms() + random_ms(r, 0, usual * 1.3);
        r->before_ready += !server_wait_ready(&r->server, end - now_ms());
        sleep_ms(end - now_ms());
        r->crashes_in_start++;
        if (!crash(r)) {
            return false;
        }
        verify(r);
    }
    return true;
}

/* The first start of a directory, crashed within a second. */
static bool first_second(struct run *r)
{
    double end = now_ms() + random_ms(r, 0, 1000);
    if (!need(r, server_spawn(&r->server), "fork")) {
        return false;
    }
    if (server_wait_ready(&r->server, end - now_ms())) {
        r->load.port = r->server.port;
        r->first_start = false;
        if (load_topics(&r->load, 5000) && now_ms() < end) {
            load_start(&r->load, r->server.port);
        }
    }
    sleep_ms(end - now_ms());
    r->first_second++;
    r->crashes++;
    bool ok = crash(r);
    verify(r);
    return ok;
}

static bool cycle(struct run *r)
{
    if (r->first_start && (r->cut || chance(r, 2))) {
        return first_second(r);
    }
    if (chance(r, 4) && !crash_in_start(r)) {
        return false;
    }
    if (!boot(r)) {
        return false;
    }
    r->first_start = false;
    if (!load_check(&r->load, r->server.port, chance(r, 10))) {
        (void)server_end(&r->server, SIGKILL, 1000);
        return false;
    }
    load_start(&r->load, r->server.port);
    sleep_ms(random_ms(r, 5, chance(r, 20) ? 1500 : 250));
    r->crashes++;
    bool ok = crash(r);
    verify(r);
    return ok;
}

/* ---- Directories ------------------------------------------------------------------------------
 */

static bool directory_begin(struct run *r)
{
    char history[320];
    (void)snprintf(history, sizeof(history), "%s/history-%u.log", r->work, r->directories);
    r->model = model_create(history, false);
    load_init(&r->load, r->model, load_random(&r->random));
    r->load.disk_may_go = r->cut;
    memcpy(r->server.sets, settings[(r->settings + r->directories) % ARRAY_LEN(settings)],
           sizeof(r->server.sets));
    for (size_t i = 0; r->weak && i < SERVER_SETS; i++) {
        if (r->server.sets[i] == NULL) {
            r->server.sets[i] = "leat.durability=os";
            break;
        }
    }
    r->directories++;
    r->first_start = true;
    r->ready_count = 0;
    r->ready_sum = 0;
    if (r->cut) {
        return disk_create(r);
    }
    const char *argv[] = {"rm", "-rf", r->data, NULL};
    return need(r, run_program(argv, r->log) == 0, "rm");
}

/* A clean stop, and everything is read once more after it. */
static void directory_last_act(struct run *r)
{
    if (!boot(r)) {
        return;
    }
    r->first_start = false;
    bool ok = load_check(&r->load, r->server.port, true);
    if (ok) {
        load_start(&r->load, r->server.port);
        sleep_ms(r->calm_ms);
    }
    double begin = now_ms();
    int status = server_end(&r->server, SIGTERM, 15000);
    r->stop_max = now_ms() - begin > r->stop_max ? now_ms() - begin : r->stop_max;
    load_stop(&r->load);
    model_crashed(r->model, "clean");
    if (status < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        model_violation(r->model, MODEL_EXIT, "SIGTERM: wait status %x", (unsigned)status);
    }
    verify(r);
    if (ok && boot(r)) {
        (void)load_check(&r->load, r->server.port, true);
        judge_end(r, server_end(&r->server, SIGKILL, 10000), false);
    }
}

static bool directory_end(struct run *r)
{
    struct model_totals t;
    uint64_t bad = model_violations(r->model);
    model_totals_get(r->model, &t);
    struct model_totals *all = &r->totals;
    all->acked += t.acked;
    all->seen += t.seen;
    all->commits += t.commits;
    all->present += t.present;
    all->absent += t.absent;
    all->given_up += t.given_up;
    all->topics += t.topics;
    all->grown += t.grown;
    all->trims += t.trims;
    all->settings += t.settings;
    for (size_t i = 0; i < LOAD_WRITERS; i++) {
        r->writers[i] += atomic_load(&r->load.writers[i].acked);
    }
    r->member_commits += atomic_load(&r->load.member.commits);
    r->violations += bad;
    model_destroy(r->model);
    r->model = NULL;
    if (r->cut) {
        (void)disk_unmount(r);
    }
    if (bad == 0) {
        char history[320];
        (void)snprintf(history, sizeof(history), "%s/history-%u.log", r->work, r->directories - 1);
        (void)unlink(history);
    }
    return bad == 0;
}

static bool run_all(struct run *r)
{
    bool ok = true;
    while (ok && (r->crashes < r->cycles || r->directories == 0)) {
        ok = directory_begin(r);
        for (uint32_t i = 0; ok && i < r->fresh && r->crashes < r->cycles; i++) {
            ok = cycle(r) && model_violations(r->model) == 0;
        }
        if (ok) {
            directory_last_act(r);
        }
        (void)server_end(&r->server, SIGKILL, 1000);
        ok = directory_end(r) && ok;
    }
    return ok && r->violations == 0;
}

/* A load that does nothing proves nothing. */
static bool everybody_worked(struct run *r)
{
    const struct model_totals *t = &r->totals;
    bool ok = need(r, t->acked >= 10ull * r->crashes, "hardly anything was acknowledged");
    for (size_t i = 0; i < LOAD_WRITERS && r->crashes >= 5; i++) {
        ok = need(r, 4 * r->writers[i] >= r->crashes, r->load.writers[i].kind->name) && ok;
    }
    if (r->crashes >= 5) {
        ok = need(r, 4 * r->member_commits >= r->crashes, "hardly a commit of the member") && ok;
    }
    if (r->crashes >= 50) {
        ok = need(r, t->topics > 0 && t->grown > 0 && t->trims > 0 && t->settings > 0,
                  "a kind of topic administration never happened") &&
             ok;
    }
    return ok;
}

static void paths(struct run *r)
{
    (void)snprintf(r->log, sizeof(r->log), "%s/leat.log", r->work);
    (void)snprintf(r->mount, sizeof(r->mount), "%s/mnt", r->work);
    (void)snprintf(r->image, sizeof(r->image), "%s/disk.img", r->work);
    (void)snprintf(r->data, sizeof(r->data), "%s%s/data", r->work, r->cut ? "/mnt" : "");
    (void)mkdir(r->work, 0755);
    if (r->cut) {
        (void)mkdir(r->mount, 0755);
    }
    r->server.data = r->data;
    r->server.log = r->log;
}

int main(int argc, char **argv)
{
    static struct run r;
    r.cycles = 10;
    r.fresh = 40;
    r.seed = 1;
    r.calm_ms = 50;
    bool known = argc > 1 && (strcmp(argv[1], "kill") == 0 || strcmp(argv[1], "cut") == 0);
    for (int i = 2; known && i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--binary") == 0) {
            r.server.binary = value;
        } else if (strcmp(argv[i], "--work") == 0) {
            r.work = value;
        } else if (strcmp(argv[i], "--cycles") == 0) {
            r.cycles = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--fresh") == 0) {
            r.fresh = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--settings") == 0) {
            r.settings = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--weak") == 0) {
            r.weak = strcmp(value, "yes") == 0;
        } else if (strcmp(argv[i], "--calm") == 0) {
            r.calm_ms = strtod(value, NULL);
        } else if (strcmp(argv[i], "--seed") == 0) {
            r.seed = strtoull(value, NULL, 10);
        } else {
            known = false;
        }
    }
    if (!known || r.server.binary == NULL || r.work == NULL) {
        fputs("usage: leat_crash kill|cut --binary FILE --work DIR [--cycles N] [--fresh N] "
              "[--seed N] [--settings N] [--calm MS] [--weak yes]\n",
              stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    r.cut = strcmp(argv[1], "cut") == 0;
    r.random = r.seed;
    paths(&r);
    bool ok = run_all(&r);
    const struct model_totals *t = &r.totals;
    ok = ok && everybody_worked(&r);
    printf("%s: %u under load (%u in the first second of a directory), %u in starts (%u of them "
           "before it was ready), %u directories\n",
           argv[1], r.crashes, r.first_second, r.crashes_in_start, r.before_ready, r.directories);
    printf("%llu batches acknowledged, %llu records seen by a consumer, %llu commits, %llu topics "
           "created, %llu grown, %llu times records deleted, %llu settings; unknown: %llu found, "
           "%llu not; given up (relaxed): %llu\n",
           (unsigned long long)t->acked, (unsigned long long)t->seen,
           (unsigned long long)t->commits, (unsigned long long)t->topics,
           (unsigned long long)t->grown, (unsigned long long)t->trims,
           (unsigned long long)t->settings, (unsigned long long)t->present,
           (unsigned long long)t->absent, (unsigned long long)t->given_up);
    printf("start at most %.0f ms, clean stop at most %.0f ms; %llu violations; seed %llu\n",
           r.ready_max, r.stop_max, (unsigned long long)r.violations, (unsigned long long)r.seed);
    return ok ? 0 : 1;
}
