/*
 * The index with many streams: entries a CPU second put and looked up, bytes of an entry, what is
 * written for what is put, how long a start takes, anonymous memory. One table as the event store
 * has them: a key of 16 bytes (hash, number), a value of 16. CPU seconds count, of all threads; the
 * machine is rarely quiet.
 *
 *   index [DIR [PREFIXES...]]     default: 1000 1000000 10000000 in a new folder here
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "index/index.h"

enum { ENTRIES = 10000000, LOOKS = 400000 };

static struct env *env;
static struct env_poll *poll;
static const struct index_table table = {"events", 16, 8, 16, false};
static bool harmed;
static uint64_t on_disk; /* look-ups that needed it */

static void must(enum err e, const struct ectx *ec)
{
    if (e != ERR_OK) {
        fprintf(stderr, "bench: %s: %s\n", err_name(e), ec->text);
        exit(1);
    }
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* What no file can give back: RssAnon of the process, in MiB. */
static double anonymous_mib(void)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0) {
            kib = strtod(line + 8, NULL);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return kib / 1024;
}

static void on_harmed(void *ctx, const struct ectx *ec)
{
    (void)ctx;
    fprintf(stderr, "bench: harmed: %s\n", ec->text);
    harmed = true;
}

static struct index *open_index(const char *dir)
{
    const struct index_config cfg = {.dir = dir,
                                     .tables = &table,
                                     .table_count = 1,
                                     .memory_bytes = 32u << 20,
                                     .filter_bytes = 64u << 20};
    const struct index_hooks hooks = {NULL, on_harmed, NULL};
    struct index *ix;
    struct ectx ec;
    must(index_open(env, poll, NULL, &cfg, &hooks, &ix, &ec), &ec);
    return ix;
}

static void job_done(struct index_job *job)
{
    *(bool *)job->ctx = true;
}

static enum err look(struct index *ix, const uint8_t *prefix, uint8_t *key, uint8_t *value)
{
    enum err e = index_last(ix, 0, prefix, NULL, key, value);
    if (e == ERR_AGAIN) {
        bool done = false;
        struct index_job job = {.kind = INDEX_JOB_LAST,
                                .prefix = prefix,
                                .key_out = key,
                                .value = value,
                                .done = job_done,
                                .ctx = &done};
        on_disk++;
        index_submit(ix, &job);
        while (!done) {
            (void)env_poll_run(poll, UINT64_MAX);
        }
        e = job.err;
    }
    return e;
}

/* Look-ups a CPU second. `there`: of prefixes that are there. */
static double looks(struct index *ix, uint64_t prefixes, bool there)
{
    uint8_t prefix[8], key[16], value[16];
    const uint64_t begin = env_cpu_ns(env);
    for (uint64_t i = 0; i < LOOKS; i++) {
        const uint64_t p = mix(i * 31 + 7) % prefixes + (there ? 0 : UINT64_C(1) << 40);
        put_be64(prefix, mix(p));
        enum err e = look(ix, prefix, key, value);
        CHECK(e == (there ? ERR_OK : ERR_NOT_FOUND));
    }
    return LOOKS / ((double)(env_cpu_ns(env) - begin) / 1e9);
}

static void settle(struct index *ix)
{
    struct index_stats before, now;
    index_stats_get(ix, &now);
    do {
        before = now;
        for (int i = 0; i < 20; i++) {
            (void)env_poll_run(poll, 10u * 1000 * 1000);
        }
        index_stats_get(ix, &now);
    } while (env_job_pending(poll) > 0 || now.merges != before.merges);
}

static void put_all(struct index *ix, uint64_t prefixes, double *most)
{
    uint8_t key[16], value[16] = {0};
    for (uint64_t i = 0; i < ENTRIES; i++) {
        /* Each prefix once, then all of them again in another order. */
        const uint64_t p = i < prefixes ? i : mix(i) % prefixes;
        put_be64(key, mix(p));
        put_be64(key + 8, i);
        put_be64(value, i);
        while (!index_ready(ix)) { /* a flush begins only at a cover */
            CHECK(index_cover(ix, STR_LIT("here"), false) == ERR_OK);
            (void)env_poll_run(poll, 10u * 1000 * 1000);
        }
        CHECK(index_put(ix, 0, key, value) == ERR_OK);
        if (i % 1000 == 999) {
            char text[32];
            (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)i);
            CHECK(index_cover(ix, str_of(text), false) == ERR_OK);
            (void)env_poll_run(poll, 0);
        }
        if (i % 200000 == 0) {
            const double now = anonymous_mib();
            *most = now > *most ? now : *most;
        }
    }
}

static void measure(const char *dir, uint64_t prefixes)
{
    struct ectx ec;
    struct index_stats s;
    double most = 0;
    must(index_discard(env, dir, &ec), &ec);
    struct index *ix = open_index(dir);
    uint64_t cpu = env_cpu_ns(env), wall = env_mono_ns(env);
    put_all(ix, prefixes, &most);
    settle(ix);
    CHECK(index_cover(ix, STR_LIT("end"), true) == ERR_OK);
    settle(ix);
    const double put_cpu = (double)(env_cpu_ns(env) - cpu) / 1e9;
    const double put_wall = (double)(env_mono_ns(env) - wall) / 1e9;
    index_stats_get(ix, &s);
    const double amplification = (double)s.written_bytes / ((double)ENTRIES * 32);
    const double hits = looks(ix, prefixes, true), misses = looks(ix, prefixes, false);
    index_close(ix, true);
    wall = env_mono_ns(env);
    cpu = env_cpu_ns(env);
    ix = open_index(dir);
    const double open_ms = (double)(env_mono_ns(env) - wall) / 1e6;
    const double open_cpu_ms = (double)(env_cpu_ns(env) - cpu) / 1e6;
    printf(
        "| %llu | %.2f | %.0f | %.2f | %.2f | %.1f | %.2f | %llu | %.0f | %.0f (%.0f) | %llu |\n",
        (unsigned long long)prefixes, ENTRIES / put_cpu / 1e6, ENTRIES / put_wall / 1e6, hits / 1e6,
        misses / 1e6, (double)s.run_bytes / (double)s.run_entries, amplification,
        (unsigned long long)s.run_count, most, open_ms, open_cpu_ms, (unsigned long long)on_disk);
    fflush(stdout);
    CHECK(!harmed);
    index_close(ix, false);
    must(index_discard(env, dir, &ec), &ec);
    on_disk = 0;
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "bench-index.tmp";
    struct ectx ec;
    must(env_linux_create(&env, &ec), &ec);
    log_set(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    must(env_poll_create(env, &poll, &ec), &ec);
    printf("%d entries of 32 bytes; rates in millions a CPU second (look-ups: the last of a "
           "prefix)\n\n"
           "| prefixes | puts | puts (wall) | hits | misses | bytes/entry | written/put | runs | "
           "anon MiB, most | open ms (CPU) | from disk "
           "|\n|---|---|---|---|---|---|---|---|---|---|---|\n",
           ENTRIES);
    if (argc > 2) {
        for (int i = 2; i < argc; i++) {
            measure(dir, strtoull(argv[i], NULL, 10));
        }
    } else {
        measure(dir, 1000);
        measure(dir, 1000000);
        measure(dir, 10000000);
    }
    IGNORE(env_dir_remove(env, dir, NULL));
    env_poll_destroy(poll);
    env_destroy(env);
    return 0;
}
