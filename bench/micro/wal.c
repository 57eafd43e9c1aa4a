/*
 * The log beside the bare disk, in one run: one 1 KiB frame in flight written by the caller
 * (wal_kick that may block), by the writer lane, and a loop of 4 KiB O_DIRECT|O_DSYNC writes on a
 * recycled file; then groups of 64 KiB and 1 MiB in the ring, and batches of 1 MiB at their place,
 * beside writes of the same size on the bare disk. Ratios count; the machine is rarely quiet. The
 * kinds take turns, medians are printed.
 *
 *   wal [DIR [SECONDS]]      DIR on the disk in question (default: a new folder in the working
 * directory)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "wal/wal.h"

#define ROUNDS     5
#define BARE_BYTES (64u << 20)
#define LAT_MAX    200000

static struct env *env;
static struct env_poll *poll;
static struct wal *wal;
static struct env_file *bare, *segment;
static uint8_t *bytes; /* 4 MiB, aligned */
static uint64_t *lat;
static uint64_t slice_ns; /* of one round of one kind */

static void must(enum err e, const struct ectx *ec)
{
    if (e != ERR_OK) {
        fprintf(stderr, "bench: %s: %s\n", err_name(e), ec->text);
        exit(1);
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return x < y ? -1 : x > y;
}

static enum err no_frame(void *ctx, uint64_t position, struct slice body, bool flushed,
                         struct ectx *ec)
{
    (void)ctx, (void)position, (void)body, (void)flushed, (void)ec;
    return ERR_OK;
}
static void no_damage(void *ctx, uint64_t from, uint64_t to)
{
    (void)ctx, (void)from, (void)to;
}

static int waiting;
static void on_done(struct wal_frame *f)
{
    (void)f;
    waiting--;
}

/* `count` frames of n bytes, all submitted at once; returns when all are durable. */
static void submit_wait(size_t n, int count, bool may_block, struct env_file *place)
{
    static struct wal_frame frames[64];
    static uint64_t place_at;
    struct iovec iov = {bytes, place != NULL ? 200 : n};
    struct iovec place_iov = {bytes, n};
    struct wal_place p = {place, place_at, &place_iov, 1, true};
    waiting = count;
    for (int i = 0; i < count; i++) {
        frames[i] = (struct wal_frame){.body = &iov, .body_count = 1, .done = on_done};
        if (place != NULL) {
            frames[i].places = &p;
            frames[i].place_count = 1;
            place_at = (place_at + n) % BARE_BYTES;
        }
        CHECK(wal_has_room(wal, iov.iov_len));
        wal_submit(wal, &frames[i]);
    }
    wal_kick(wal, may_block);
    while (waiting > 0) {
        (void)env_poll_run(poll, UINT64_MAX);
    }
    wal_release(wal, wal_tail(wal));
}

static uint64_t bare_at;
static void bare_write(size_t n)
{
    struct ectx ec;
    must(env_file_pwrite(bare, bytes, n, bare_at, &ec), &ec);
    bare_at = (bare_at + n) % BARE_BYTES;
}

enum kind {
    BARE_4K,
    CALLER_1K,
    LANE_1K,
    BARE_64K,
    RING_64K,
    BARE_1M,
    RING_1M,
    PLACE_1M,
    BARE_2X1K, /* two of 1 KiB a flush, as a floor for two partitions */
    KINDS
};
static const char *const names[KINDS] = {
    "bare 4 KiB", "wal 1 KiB, caller", "wal 1 KiB, lane",    "bare 64 KiB", "wal 16 x 4 KiB frames",
    "bare 1 MiB", "wal 16 x 64 KiB",   "wal 1 MiB in place", "bare 8 KiB"};
static const size_t payload[KINDS] = {4096,     1024,     1024,     65536, 65536,
                                      1u << 20, 1u << 20, 1u << 20, 8192};

static void once(enum kind k)
{
    switch (k) {
    case BARE_4K:
    case BARE_64K:
    case BARE_1M:
    case BARE_2X1K:
        bare_write(payload[k]);
        break;
    case CALLER_1K:
        submit_wait(1024, 1, true, NULL);
        break;
    case LANE_1K:
        submit_wait(1024, 1, false, NULL);
        break;
    case RING_64K:
        submit_wait(4096, 16, false, NULL);
        break;
    case RING_1M:
        submit_wait(65536, 16, false, NULL);
        break;
    case PLACE_1M:
        submit_wait(1u << 20, 1, false, segment);
        break;
    case KINDS:
        break;
    }
}

struct result {
    double p50, p99, mbs;
};

static struct result measure(enum kind k)
{
    size_t n = 0;
    uint64_t start = env_mono_ns(env), now = start;
    while (now - start < slice_ns && n < LAT_MAX) {
        once(k);
        uint64_t after = env_mono_ns(env);
        lat[n++] = after - now;
        now = after;
    }
    qsort(lat, n, sizeof(*lat), by_value);
    return (struct result){(double)lat[n / 2] / 1e3, (double)lat[n * 99 / 100] / 1e3,
                           (double)n * (double)payload[k] / ((double)(now - start) / 1e9) / 1e6};
}

static int by_p50(const void *a, const void *b)
{
    const struct result *x = a, *y = b;
    return x->p50 < y->p50 ? -1 : x->p50 > y->p50;
}

static struct env_file *recycled(const char *dir, const char *name, unsigned flags)
{
    char path[4096];
    struct ectx ec;
    struct env_file *f;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    must(env_file_open(env, path, ENV_READ | ENV_WRITE | ENV_CREATE | flags, &f, &ec), &ec);
    for (uint64_t at = 0; at < BARE_BYTES; at += 4u << 20) {
        must(env_file_pwrite(f, bytes, 4u << 20, at, &ec), &ec);
    }
    must(env_file_datasync(f, &ec), &ec);
    return f;
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "bench-wal.tmp";
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 12;
    struct ectx ec;
    must(env_linux_create(&env, &ec), &ec);
    log_set(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    must(env_poll_create(env, &poll, &ec), &ec);
    enum err e = env_dir_make(env, dir, &ec);
    must(e == ERR_EXISTS ? ERR_OK : e, &ec);
    bytes = mem_alloc_aligned(ENV_BLOCK, 4u << 20);
    lat = mem_alloc(LAT_MAX * sizeof(*lat));
    CHECK(bytes != NULL && lat != NULL);
    for (size_t i = 0; i < 4u << 20; i++) {
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    char ring[4096];
    snprintf(ring, sizeof(ring), "%s/ring", dir);
    struct wal_config cfg = {.dir = ring,
                             .file_bytes = 16u << 20,
                             .file_count = 8,
                             .group_bytes = 4u << 20,
                             .generation = (uint32_t)(env_wall_ms(env) / 1000),
                             .clean = true};
    struct wal_visitor v = {NULL, no_frame, no_damage};
    uint64_t before = env_mono_ns(env);
    must(wal_open(env, poll, &cfg, &v, &wal, &ec), &ec);
    printf("first open of an empty ring: %.2f ms\n", (double)(env_mono_ns(env) - before) / 1e6);
    bare = recycled(dir, "bare", ENV_DIRECT | ENV_DSYNC);
    segment = recycled(dir, "segment", 0);
    for (int i = 0; i < 40; i++) { /* one turn and more: all blocks were written before */
        submit_wait(4u << 20, 1, false, NULL);
    }
    slice_ns = (uint64_t)(seconds * 1e9 / (ROUNDS * KINDS));
    static struct result r[KINDS][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < KINDS; k++) {
            r[k][round] = measure((enum kind)k);
        }
    }
    printf("| what | p50 us | p99 us | MB/s | p50 over its floor |\n|---|---|---|---|---|\n");
    static const enum kind floor_of[KINDS] = {BARE_4K, BARE_4K, BARE_4K, BARE_64K, BARE_64K,
                                              BARE_1M, BARE_1M, BARE_1M, BARE_4K};
    for (int k = 0; k < KINDS; k++) {
        qsort(r[k], ROUNDS, sizeof(r[k][0]), by_p50);
    }
    for (int k = 0; k < KINDS; k++) {
        const struct result *m = &r[k][ROUNDS / 2];
        printf("| %s | %.0f | %.0f | %.0f | %.2f |\n", names[k], m->p50, m->p99, m->mbs,
               m->p50 / r[floor_of[k]][ROUNDS / 2].p50);
    }
    wal_close(wal);
    env_file_close(bare);
    env_file_close(segment);
    env_poll_destroy(poll);
    env_destroy(env);
    mem_free(bytes);
    mem_free(lat);
    return 0;
}
