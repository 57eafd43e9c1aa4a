/*
 * Everything at once, for as long as one likes: writers of all kinds and codecs, a consumer, groups
 * at rest and groups that are never at rest, topics, partitions, configurations and records that
 * come and go, retention, SIGKILL, crashes in starts, clean stops. After every round everything
 * that was told is compared with what is there (common_model.h, common_soak.h).
 *
 *   leat_soak --binary FILE --work DIR [--seconds N] [--life N] [--seed N] [--flat no]
 *
 * Two kinds of rounds take turns: lives of `life` seconds, in which memory and descriptors are
 * sampled and must not grow (a line through the samples), and storms: short lives that end by
 * SIGKILL or SIGTERM. Lives of the same age are also compared with each other, because what is kept
 * over restarts must not grow either. --flat no: memory is not judged (sanitizers).
 *
 * It goes on: at its end the server is stopped cleanly, and WORK/state holds what the model knows.
 * The next run with the same WORK goes on with the same data directory, also with a newer binary.
 * SIGINT or SIGTERM end it that way too. WORK/history.log and history.log.before say what was told
 * to whom, leat.log what the server said. The last line holds figures; status 0: all is well.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common_server.h"
#include "common_soak.h"

enum { READY_MS = 60000, SAMPLES = 4096, LIVES = 256, EVERYTHING_EVERY = 12, SERIES = 2 };
enum { STORM_MS = 20000, DISK_BYTES = 640 << 20, KEPT_BYTES = 1 << 19, HISTORY_BYTES = 128 << 20 };

/* What growth is allowed from the first sample that counts to the last: the noise of an allocator
 * under a load that changes all the time, and connections that come and go. */
static const double allowed[SERIES] = {12.0 * (1 << 20), 12};
static const char *const series_names[SERIES] = {"memory", "descriptors"};

/* Goes into the state. */
struct tally {
    double seconds; /* under load */
    uint32_t runs, rounds, kills, kills_in_start, stops, lives;
    uint64_t violations;
    double ready_max, disk_max;
    double peak[SERIES];
};

struct run {
    const char *work;
    char data[300], log[300], history[300], state[300];
    double life_ms, until;
    bool flat;
    uint64_t random;
    struct server_process server;
    struct model *model;
    struct load load;
    struct soak soak;
    struct load_kind kinds[LOAD_WRITERS];
    struct tally tally, before; /* before: when this run began */
    uint64_t acked_before;
    double at[SAMPLES], values[SERIES][SAMPLES];
    size_t sample_count;
    double life_at[LIVES], life_values[SERIES][LIVES]; /* means of the lives of this run */
    size_t life_count;
    double worst[SERIES]; /* the largest rise in a life */
};

static volatile sig_atomic_t told_to_stop;

static void on_signal(int number)
{
    (void)number;
    told_to_stop = 1;
}

static uint64_t dice(struct run *r, uint64_t sides)
{
    return load_random(&r->random) % sides;
}

/* ---- Measuring --------------------------------------------------------------------------------
 */

/* Without what is mapped from files: how much of the page cache that is, is the kernel's affair. */
static double own_bytes(pid_t pid)
{
    char path[64];
    long long size, resident = 0, files = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return -1;
    }
    int n = fscanf(f, "%lld %lld %lld", &size, &resident, &files);
    fclose(f);
    return n == 3 ? (double)(resident - files) * (double)sysconf(_SC_PAGESIZE) : -1;
}

/* Without those of files that the data directory has: they follow the disk, which is judged by
 * itself. One of a file that was deleted counts. */
static double descriptors(pid_t pid, const char *data)
{
    char path[64], real[PATH_MAX];
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    if (d == NULL || realpath(data, real) == NULL) {
        if (d != NULL) {
            closedir(d);
        }
        return -1;
    }
    const size_t n = strlen(real);
    double count = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char target[PATH_MAX];
        ssize_t got = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
        target[got < 0 ? 0 : got] = 0;
        const bool of_data = strncmp(target, real, n) == 0 && target[n] == '/' &&
                             strstr(target, " (deleted)") == NULL;
        count += got > 0 && !of_data ? 1 : 0;
    }
    closedir(d);
    return count;
}

static double tree_bytes(const char *path)
{
    double sum = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char name[700];
        struct stat st;
        (void)snprintf(name, sizeof(name), "%.400s/%.250s", path, e->d_name);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || lstat(name, &st) != 0) {
            continue; /* deleted just now */
        }
        sum += S_ISDIR(st.st_mode) ? tree_bytes(name) : (double)st.st_blocks * 512;
    }
    if (d != NULL) {
        closedir(d);
    }
    return sum;
}

static void sample(struct run *r, double age_ms)
{
    double now[SERIES] = {own_bytes(r->server.pid), descriptors(r->server.pid, r->data)};
    if (r->sample_count == SAMPLES || now[0] < 0 || now[1] < 0) {
        return;
    }
    for (int i = 0; i < SERIES; i++) {
        r->values[i][r->sample_count] = now[i];
        r->tally.peak[i] = now[i] > r->tally.peak[i] ? now[i] : r->tally.peak[i];
    }
    r->at[r->sample_count++] = age_ms;
}

/* The samples of a life, without its first half: what is kept for later (receive buffers, chunks of
 * groups, the tail) has bounds of 8 to 16 MiB each, and fills up to them for some 80 seconds. */
static void judge_life(struct run *r)
{
    size_t skip = r->sample_count / 2, n = r->sample_count - skip;
    double means[SERIES] = {0}, rises[SERIES];
    for (int i = 0; i < SERIES; i++) {
        const double *v = r->values[i] + skip;
        if (soak_grows(r->at + skip, v, n, allowed[i], &rises[i]) && r->flat) {
            model_violation(r->model, MODEL_GROWTH, "%s rose by %.0f in a life of %.0f s",
                            series_names[i], rises[i], r->life_ms / 1000);
        }
        r->worst[i] = rises[i] > r->worst[i] ? rises[i] : r->worst[i];
        for (size_t j = 0; j < n; j++) {
            means[i] += v[j] / (double)n;
        }
        if (r->life_count < LIVES) {
            r->life_values[i][r->life_count] = means[i];
        }
    }
    if (r->life_count < LIVES) {
        r->life_at[r->life_count++] = now_ms();
    }
    printf("life of %.0f s: %.1f MiB memory (%+.1f), %.0f descriptors (%+.1f), %.0f MiB disk\n",
           r->life_ms / 1000, means[0] / (1 << 20), rises[0] / (1 << 20), means[1], rises[1],
           tree_bytes(r->data) / (1 << 20));
    fflush(stdout);
}

/* All lives of this run: what is carried from one to the next must not grow. */
static void judge_lives(struct run *r)
{
    for (int i = 0; i < SERIES; i++) {
        double rise;
        if (soak_grows(r->life_at, r->life_values[i], r->life_count, allowed[i], &rise) &&
            r->flat) {
            model_violation(r->model, MODEL_GROWTH, "%s rose by %.0f over %zu lives",
                            series_names[i], rise, r->life_count);
        }
    }
}

static void judge_disk(struct run *r)
{
    double bytes = tree_bytes(r->data);
    r->tally.disk_max = bytes > r->tally.disk_max ? bytes : r->tally.disk_max;
    if (bytes > DISK_BYTES) {
        model_violation(r->model, MODEL_GROWTH, "%.0f MiB on disk, although retention works",
                        bytes / (1 << 20));
    }
}

/* After everything was read: retention has left what it must leave. */
static void judge_kept(struct run *r)
{
    for (uint32_t p = 0; p < model_part_count(r->model); p++) {
        if (model_retention_took(r->model, p) && r->load.kept_bytes[p] < KEPT_BYTES) {
            model_violation(r->model, MODEL_START_INVENTED,
                            "%s/%d: retention left %lld bytes, it had to leave more",
                            model_part_topic(r->model, p), model_part_index(r->model, p),
                            (long long)r->load.kept_bytes[p]);
        }
    }
}

/* ---- Starting and ending ----------------------------------------------------------------------
 */

static bool boot(struct run *r)
{
    if (!server_spawn(&r->server) || !server_wait_ready(&r->server, READY_MS)) {
        int status = server_end(&r->server, SIGKILL, 1000);
        model_violation(r->model, MODEL_BOOT, "not ready, wait status %x, see %s", (unsigned)status,
                        r->log);
        return false;
    }
    double ms = r->server.ready_ms;
    r->tally.ready_max = ms > r->tally.ready_max ? ms : r->tally.ready_max;
    return true;
}

static void verify(struct run *r)
{
    char meta[512];
    (void)snprintf(meta, sizeof(meta), "%s/meta", r->server.data);
    if (r->tally.rounds == 0 && access(meta, F_OK) != 0) {
        return; /* the first start was killed before it had made the data directory */
    }
    int status = server_verify(&r->server);
    if (status != 0) {
        model_violation(r->model, MODEL_VERIFY, "exit status %d in round %u, see %s", status,
                        r->tally.rounds, r->log);
    }
}

/* Ends the server and everything that talks to it. */
static void end_server(struct run *r, int how)
{
    int status = server_end(&r->server, how, 30000);
    load_stop(&r->load);
    soak_stop(&r->soak);
    bool good = how == SIGKILL ? status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                               : status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!good) {
        model_violation(r->model, MODEL_EXIT, "signal %d, wait status %x, see %s", how,
                        (unsigned)status, r->log);
    }
    model_crashed(r->model, how == SIGKILL ? "kill" : "clean");
    r->tally.kills += how == SIGKILL;
    r->tally.stops += how != SIGKILL;
    verify(r);
}

/* Up to two starts that are killed before or just after they are ready. */
static void crash_in_start(struct run *r)
{
    for (uint64_t times = 1 + dice(r, 2); times > 0; times--) {
        if (!server_spawn(&r->server)) {
            return;
        }
        sleep_ms((double)dice(r, 150));
        (void)server_end(&r->server, SIGKILL, 10000);
        r->tally.kills_in_start++;
    }
    verify(r);
}

static bool check(struct run *r, bool everything)
{
    bool ok =
        load_check(&r->load, r->server.port, everything) && soak_check(&r->soak, r->server.port);
    if (ok && everything) {
        judge_kept(r);
    }
    return ok;
}

/* The writers of this round: other codecs, other rates. */
static void vary(struct run *r)
{
    static const enum record_codec codecs[] = {RECORD_CODEC_NONE, RECORD_CODEC_NONE,
                                               RECORD_CODEC_GZIP, RECORD_CODEC_SNAPPY,
                                               RECORD_CODEC_LZ4,  RECORD_CODEC_ZSTD};
    for (size_t i = 0; i < LOAD_WRITERS; i++) {
        r->kinds[i].codec = codecs[dice(r, ARRAY_LEN(codecs))];
        /* Slow enough that hours of it fit into the memory of the model. */
        r->kinds[i].pause_ms = 8 + (double)dice(r, 40) + (r->kinds[i].size_max > 100000 ? 30 : 0);
    }
}

static bool round_run(struct run *r, bool life)
{
    if (dice(r, 6) == 0) {
        crash_in_start(r);
    }
    r->tally.rounds++;
    if (!boot(r)) {
        return false;
    }
    if (!check(r, r->tally.rounds % EVERYTHING_EVERY == 1)) {
        (void)server_end(&r->server, SIGKILL, 1000);
        return false;
    }
    vary(r);
    double ms = life ? r->life_ms : 200 + (double)dice(r, dice(r, 6) == 0 ? 8000 : 1500);
    double begin = now_ms(), end = begin + ms;
    load_start(&r->load, r->server.port);
    soak_start(&r->soak, r->server.port);
    r->sample_count = 0;
    while (now_ms() < end && !(life && told_to_stop)) {
        double left = end - now_ms();
        sleep_ms(left < 250 ? left : 250);
        sample(r, now_ms() - begin);
    }
    bool whole = now_ms() >= end;
    r->tally.seconds += (now_ms() - begin) / 1000;
    if (life && whole) {
        r->tally.lives++;
        judge_life(r);
    }
    judge_disk(r);
    end_server(r, dice(r, 3) == 0 ? SIGTERM : SIGKILL);
    model_history_turn(r->model, r->history, HISTORY_BYTES);
    return model_violations(r->model) == 0;
}

/* A clean stop, and everything is read once more after it. */
static bool last_act(struct run *r)
{
    if (!boot(r) || !check(r, true)) {
        (void)server_end(&r->server, SIGKILL, 1000);
        return false;
    }
    end_server(r, SIGTERM);
    judge_disk(r);
    judge_lives(r);
    return model_violations(r->model) == 0;
}

static bool run_all(struct run *r)
{
    bool ok = true;
    while (ok && now_ms() < r->until && !told_to_stop) {
        double storm_end = now_ms() + STORM_MS;
        while (ok && now_ms() < storm_end && now_ms() < r->until && !told_to_stop) {
            ok = round_run(r, false);
        }
        if (ok && now_ms() + r->life_ms < r->until && !told_to_stop) {
            ok = round_run(r, true);
        }
    }
    return ok && last_act(r);
}

/* ---- Going on ---------------------------------------------------------------------------------
 */

/* What of load and soak is no pointer, thread or lock is taken over; the rest is this run's own. */
static void adopt(struct run *r, const struct load *load, const struct soak *soak)
{
    struct load l = r->load;
    r->load = *load;
    r->load.model = l.model;
    r->load.no_admin = l.no_admin;
    r->load.running = false;
    for (size_t i = 0; i < LOAD_WRITERS; i++) {
        r->load.writers[i].load = &r->load;
        r->load.writers[i].kind = &r->kinds[i];
    }
    struct soak s = r->soak;
    r->soak = *soak;
    r->soak.load = s.load;
    r->soak.model = s.model;
    r->soak.mutex = s.mutex;
    r->soak.running = false;
    for (size_t i = 0; i < SOAK_MEMBERS; i++) {
        r->soak.members[i].soak = &r->soak;
    }
}

static void begin_model(struct run *r)
{
    r->model = model_create(r->history, false);
    model_retention(r->model);
    load_init(&r->load, r->model, load_random(&r->random));
    r->load.no_admin = true;
    for (size_t i = 0; i < LOAD_WRITERS; i++) {
        r->kinds[i] = *r->load.writers[i].kind;
        r->load.writers[i].kind = &r->kinds[i];
    }
    soak_init(&r->soak, &r->load, load_random(&r->random));
}

static bool state_save(struct run *r)
{
    FILE *f = fopen(r->state, "we");
    uint64_t sizes[3] = {sizeof(r->tally), sizeof(r->load), sizeof(r->soak)};
    bool ok = f != NULL && fwrite(sizes, sizeof(sizes), 1, f) == 1 &&
              fwrite(&r->tally, sizeof(r->tally), 1, f) == 1 &&
              fwrite(&r->load, sizeof(r->load), 1, f) == 1 &&
              fwrite(&r->soak, sizeof(r->soak), 1, f) == 1 && model_save(r->model, f);
    if (f != NULL) {
        ok = fclose(f) == 0 && ok;
    }
    return ok;
}

static bool state_load(struct run *r)
{
    FILE *f = fopen(r->state, "re");
    uint64_t sizes[3];
    static struct load load;
    static struct soak soak;
    struct tally tally;
    bool ok = f != NULL && fread(sizes, sizeof(sizes), 1, f) == 1 && sizes[0] == sizeof(tally) &&
              sizes[1] == sizeof(load) && sizes[2] == sizeof(soak) &&
              fread(&tally, sizeof(tally), 1, f) == 1 && fread(&load, sizeof(load), 1, f) == 1 &&
              fread(&soak, sizeof(soak), 1, f) == 1 && model_load(r->model, f);
    if (f != NULL) {
        fclose(f);
    }
    if (ok) {
        adopt(r, &load, &soak);
        struct model_totals totals;
        model_totals_get(r->model, &totals);
        r->acked_before = totals.acked;
        r->tally = r->before = tally;
    }
    return ok;
}

/* Goes on with the last run's state, or begins with nothing. */
static bool state_begin(struct run *r)
{
    bool known = access(r->state, F_OK) == 0;
    if (!known) {
        (void)unlink(r->history);
    }
    begin_model(r);
    if (known && state_load(r)) {
        printf("going on: %.1f hours, %u rounds, %u kills so far\n", r->tally.seconds / 3600,
               r->tally.rounds, r->tally.kills);
    } else {
        if (known) {
            puts("the state is of another version of this program: beginning anew");
            model_destroy(r->model);
            (void)unlink(r->history);
            begin_model(r);
        }
        const char *argv[] = {"rm", "-rf", r->data, NULL};
        if (run_program(argv, r->log) != 0) {
            return false;
        }
    }
    /* From here the data directory is ahead of it. */
    (void)unlink(r->state);
    r->tally.runs++;
    return true;
}

static bool arguments(struct run *r, int argc, char **argv)
{
    bool known = argc % 2 == 1;
    for (int i = 1; known && i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--binary") == 0) {
            r->server.binary = value;
        } else if (strcmp(argv[i], "--work") == 0) {
            r->work = value;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            r->until = strtod(value, NULL) * 1000;
        } else if (strcmp(argv[i], "--life") == 0) {
            r->life_ms = strtod(value, NULL) * 1000;
        } else if (strcmp(argv[i], "--seed") == 0) {
            r->random = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--flat") == 0) {
            r->flat = strcmp(value, "no") != 0;
        } else {
            known = false;
        }
    }
    return known && r->server.binary != NULL && r->work != NULL;
}

static void report(const struct run *r, uint64_t seed)
{
    struct model_totals t;
    const struct soak_totals *s = &r->soak.totals;
    model_totals_get(r->model, &t);
    const struct tally *n = &r->tally, *b = &r->before;
    printf("this run: %.0f s under load, %u rounds, %u kills, %u clean stops, %llu batches "
           "acknowledged, %llu violations\n",
           n->seconds - b->seconds, n->rounds - b->rounds,
           n->kills + n->kills_in_start - b->kills - b->kills_in_start, n->stops - b->stops,
           (unsigned long long)(t.acked - r->acked_before),
           (unsigned long long)model_violations(r->model));
    printf("soak: %.0f s under load in %u rounds, %u kills and %u in starts, %u clean stops; %llu "
           "batches acknowledged, %llu records seen; %llu commits, %llu generations, %llu left, "
           "%llu died, %llu came back too late, %llu commits fenced; %llu topics created, %llu "
           "deleted, %llu grown, %llu deletions of records, %llu changes of configuration; peak "
           "%.0f MiB memory, %.0f descriptors, %.0f MiB disk; in a life at most %+.1f MiB, %+.1f "
           "descriptors; start at most %.0f ms; %llu violations; seed %llu\n",
           r->tally.seconds, r->tally.rounds, r->tally.kills, r->tally.kills_in_start,
           r->tally.stops, (unsigned long long)t.acked, (unsigned long long)t.seen,
           (unsigned long long)(t.commits + s->commits), (unsigned long long)s->generations,
           (unsigned long long)s->left, (unsigned long long)s->died, (unsigned long long)s->late,
           (unsigned long long)s->fenced, (unsigned long long)s->created,
           (unsigned long long)s->deleted, (unsigned long long)s->grown,
           (unsigned long long)s->trims, (unsigned long long)s->configs,
           r->tally.peak[0] / (1 << 20), r->tally.peak[1], r->tally.disk_max / (1 << 20),
           r->worst[0] / (1 << 20), r->worst[1], r->tally.ready_max,
           (unsigned long long)model_violations(r->model), (unsigned long long)seed);
}

/* A soak that did nothing proves nothing. */
static bool did_enough(const struct run *r)
{
    struct model_totals t;
    const struct soak_totals *s = &r->soak.totals;
    model_totals_get(r->model, &t);
    bool enough = t.acked > (uint64_t)(10 * r->tally.seconds) &&
                  s->commits > (uint64_t)r->tally.seconds && s->generations > 1 && s->created > 0 &&
                  s->trims > 0 && s->configs > 0 && r->tally.kills + r->tally.stops > 0;
    if (!enough) {
        puts("FAIL the soak: hardly anything was done");
    }
    return enough;
}

int main(int argc, char **argv)
{
    static struct run r;
    r.until = 60000;
    r.life_ms = 60000;
    r.flat = true;
    r.random = 1;
    if (!arguments(&r, argc, argv)) {
        fputs("usage: leat_soak --binary FILE --work DIR [--seconds N] [--life N] [--seed N] "
              "[--flat no]\n",
              stderr);
        return 2;
    }
    static const char *const sets[] = {
        "leat.wal.file.bytes=2097152",      "leat.wal.files=8",
        "leat.checkpoint.ms=2000",          "leat.inline.max.bytes=32768",
        "leat.min.free.bytes=16777216",     "leat.tail.memory.bytes=8388608",
        "log.segment.bytes=1048576",        "log.retention.bytes=4194304",
        "log.segment.delete.delay.ms=1000", "group.min.session.timeout.ms=1"};
    memcpy(r.server.sets, sets, sizeof(sets));
    uint64_t seed = r.random;
    (void)snprintf(r.data, sizeof(r.data), "%s/data", r.work);
    (void)snprintf(r.log, sizeof(r.log), "%s/leat.log", r.work);
    (void)snprintf(r.history, sizeof(r.history), "%s/history.log", r.work);
    (void)snprintf(r.state, sizeof(r.state), "%s/state", r.work);
    (void)mkdir(r.work, 0755);
    r.server.data = r.data;
    r.server.log = r.log;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    r.until += now_ms();
    if (!state_begin(&r)) {
        return 1;
    }
    bool ok = run_all(&r) && did_enough(&r) && state_save(&r);
    report(&r, seed);
    return ok ? 0 : 1;
}
