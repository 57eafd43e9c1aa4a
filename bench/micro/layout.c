/*
 * Where shall record batches live? Two layouts, measured on the disk at hand;
 * docs/adr/0001-log-layout.md has the figures and the choice.
 *
 *   A  a file for each partition. Small batches go into the commit ring (one flush) and are copied
 * to their files at a checkpoint, which ends with one syncfs; large ones are written to their file
 * at once, beside the ring's frame, and flushed there. B  data files shared by all partitions.
 * Every batch goes there at once, in order of arrival, beside the ring's frame: two flushes a
 * group, nothing is copied later; a partition is a list of runs; a cleaner moves what lives out of
 * old files.
 *
 * It uses the system calls directly: the question is what the disk and the file system do, not what
 * our code does. Each figure is the median of three short runs; A and B take turns. Device bytes
 * come from /sys/block.
 *
 *   layout DIR [bare|latency|write|threshold|retention|cold]...
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define KIB           1024u
#define MIB           (1024u * 1024u)
#define RING_BYTES    (128u * MIB)
#define PARTS_MAX     10000
#define RUNS          3
#define GROUP_BATCHES 64

static const char *dir;
static uint8_t *bytes; /* RING_BYTES, aligned: also the copy of the ring's content */
static int ring_fd, shared_fd;
static uint64_t ring_at, shared_at;

static void die(const char *what)
{
    fprintf(stderr, "layout: %s: %s\n", what, strerror(errno));
    exit(1);
}
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static uint64_t rng_state = 88172645463325252u;
static uint64_t rnd(uint64_t below)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state % below;
}

/* Bytes written to the device of `dir` so far, 0 if it cannot be told. */
static uint64_t device_bytes(void)
{
    struct stat st;
    char path[128];
    unsigned long long sectors = 0;
    if (stat(dir, &st) != 0) {
        return 0;
    }
    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(st.st_dev), minor(st.st_dev));
    FILE *f = fopen(path, "r");
    if (f != NULL) {
        if (fscanf(f, "%*u %*u %*u %*u %*u %*u %llu", &sectors) != 1) {
            sectors = 0;
        }
        fclose(f);
    }
    return sectors * 512;
}

/* ---- Writing
 * ---------------------------------------------------------------------------------------- */

static void write_all(int fd, const void *p, size_t n, uint64_t at)
{
    const uint8_t *q = p;
    while (n > 0) {
        ssize_t r = pwrite(fd, q, n, (off_t)at);
        if (r <= 0) {
            die("write");
        }
        q += r;
        at += (uint64_t)r;
        n -= (size_t)r;
    }
}

static void ring_write(size_t n)
{
    n = (n + 4095) / 4096 * 4096;
    if (ring_at + n > RING_BYTES) {
        ring_at = 0;
    }
    write_all(ring_fd, bytes + ring_at, n, ring_at);
    ring_at += n;
}

struct part {
    int fd;
    uint64_t end, claimed;
};
static struct part parts[PARTS_MAX];

static void part_path(char *out, size_t size, unsigned i)
{
    snprintf(out, size, "%s/p%u/s%u", dir, i / 1000, i);
}
static void part_open(unsigned i)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/p%u", dir, i / 1000);
    (void)mkdir(path, 0700);
    part_path(path, sizeof(path), i);
    parts[i] = (struct part){.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    if (parts[i].fd < 0) {
        die(path);
    }
}
static void part_claim(struct part *p, uint64_t n)
{
    if (p->end + n > p->claimed) {
        uint64_t step = p->claimed < MIB ? 256 * KIB : 16 * MIB;
        step = step < n ? n : step;
        if (fallocate(p->fd, FALLOC_FL_KEEP_SIZE, (off_t)p->claimed, (off_t)step) != 0) {
            die("fallocate");
        }
        p->claimed += step;
    }
}
static void part_append(struct part *p, size_t n)
{
    part_claim(p, n);
    write_all(p->fd, bytes + rnd(64) * 4096, n, p->end);
    p->end += n;
}

/* A second thread for what runs beside the ring write, as the log's bulk lane. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static void (*lane_fn)(void *ctx);
static void *lane_ctx;
static bool lane_busy;
static void *lane_main(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!lane_busy) {
            pthread_cond_wait(&wake, &lock);
        }
        pthread_mutex_unlock(&lock);
        lane_fn(lane_ctx);
        pthread_mutex_lock(&lock);
        lane_busy = false;
        pthread_cond_broadcast(&wake);
    }
    return NULL;
}
static void lane_start(void (*fn)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&lock);
    lane_fn = fn;
    lane_ctx = ctx;
    lane_busy = true;
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&lock);
}
static void lane_wait(void)
{
    pthread_mutex_lock(&lock);
    while (lane_busy) {
        pthread_cond_wait(&wake, &lock);
    }
    pthread_mutex_unlock(&lock);
}

struct batch {
    unsigned part;
    size_t size;
};
struct group {
    struct batch b[GROUP_BATCHES];
    int count;
    size_t inline_max;
    bool shared;
};

static void places_write(void *ctx)
{
    struct group *g = ctx;
    if (g->shared) {
        size_t n = 0;
        for (int i = 0; i < g->count; i++) {
            n += g->b[i].size;
        }
        write_all(shared_fd, bytes, n, shared_at);
        shared_at += n;
        if (fdatasync(shared_fd) != 0) {
            die("fdatasync");
        }
        return;
    }
    for (int i = 0; i < g->count; i++) {
        if (g->b[i].size > g->inline_max) {
            part_append(&parts[g->b[i].part], g->b[i].size);
        }
    }
    for (int i = 0; i < g->count; i++) {
        bool last = g->b[i].size > g->inline_max;
        for (int j = i + 1; last && j < g->count; j++) {
            last = g->b[j].part != g->b[i].part || g->b[j].size <= g->inline_max;
        }
        if (last && fdatasync(parts[g->b[i].part].fd) != 0) {
            die("fdatasync");
        }
    }
}

/* What waits to be packed (A). */
static struct batch *unpacked;
static size_t unpacked_count, unpacked_bytes;

static void group_write(struct group *g)
{
    size_t in_ring = 48 + 64 * (size_t)g->count;
    bool places = g->shared;
    for (int i = 0; i < g->count; i++) {
        if (!g->shared && g->b[i].size <= g->inline_max) {
            in_ring += g->b[i].size;
            unpacked[unpacked_count++] = g->b[i];
            unpacked_bytes += g->b[i].size;
        } else {
            places = true;
        }
    }
    if (places) {
        lane_start(places_write, g);
    }
    ring_write(in_ring);
    if (places) {
        lane_wait();
    }
}

static void checkpoint(void)
{
    for (size_t i = 0; i < unpacked_count; i++) {
        part_append(&parts[unpacked[i].part], unpacked[i].size);
    }
    unpacked_count = unpacked_bytes = 0;
    if (syncfs(ring_fd) != 0) {
        die("syncfs");
    }
}

/* ---- Set-up
 * ------------------------------------------------------------------------------------------- */

static void parts_reset(unsigned count)
{
    for (unsigned i = 0; i < PARTS_MAX; i++) {
        if (parts[i].fd > 0) {
            char path[4096];
            part_path(path, sizeof(path), i);
            close(parts[i].fd);
            unlink(path);
            parts[i].fd = 0;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        part_open(i);
    }
    shared_at = 0;
    unpacked_count = unpacked_bytes = 0;
    char path[4096];
    snprintf(path, sizeof(path), "%s/shared", dir);
    if (shared_fd > 0) {
        close(shared_fd);
    }
    unlink(path);
    shared_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (shared_fd < 0 || fallocate(shared_fd, FALLOC_FL_KEEP_SIZE, 0, 4096L * MIB) != 0) {
        die(path);
    }
    syncfs(ring_fd);
}

static int by_value(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}
static double median(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), by_value);
    return v[n / 2];
}

/* ---- 1: durable writes
 * ---------------------------------------------------------------------------------- */

struct rate {
    double mbs, device, p50_us;
};

static struct rate run_write(bool shared, unsigned count, int mix, size_t inline_max,
                             double seconds)
{
    static double lat[400000];
    parts_reset(count);
    uint64_t device = device_bytes();
    double start = now(), payload = 0;
    unsigned next = 0;
    size_t groups = 0;
    while (now() - start < seconds && groups < 400000 && payload < 3e9) {
        struct group g = {.inline_max = inline_max, .shared = shared};
        size_t total = 0;
        /* mix 0: 64 batches of 16 KiB; 1: of ten batches one has 1 MiB; 2: one batch of 1 MiB */
        int n = mix == 2 ? 1 : mix == 1 ? 20 : GROUP_BATCHES;
        for (int i = 0; i < n; i++) {
            size_t size = mix == 2 || (mix == 1 && i % 10 == 0) ? MIB : 16 * KIB;
            g.b[g.count++] = (struct batch){next, size};
            next = (next + 1) % count;
            total += size;
        }
        double t = now();
        group_write(&g);
        lat[groups++] = now() - t;
        payload += (double)total;
        if (unpacked_bytes > RING_BYTES / 2) {
            checkpoint();
        }
    }
    checkpoint();
    double took = now() - start;
    return (struct rate){payload / took / 1e6, (double)(device_bytes() - device) / payload,
                         median(lat, groups) * 1e6};
}

static void bench_write(void)
{
    static const char *const mixes[] = {"64 x 16 KiB", "18 x 16 KiB + 2 x 1 MiB", "1 x 1 MiB"};
    printf(
        "\n## Durable writes, drained (MB/s; device bytes a payload byte; p50 of a group, us)\n\n");
    printf("| group | partitions | A MB/s | A device | A p50 | B MB/s | B device | B p50 |\n"
           "|---|---|---|---|---|---|---|---|\n");
    for (int mix = 0; mix < 3; mix++) {
        for (unsigned count = 1; count <= PARTS_MAX; count *= 100) {
            double v[2][3][RUNS];
            for (int run = 0; run < RUNS; run++) {
                for (int shared = 0; shared < 2; shared++) {
                    struct rate r = run_write(shared == 1, count, mix, 64 * KIB, 0.7);
                    v[shared][0][run] = r.mbs;
                    v[shared][1][run] = r.device;
                    v[shared][2][run] = r.p50_us;
                }
            }
            printf("| %s | %u |", mixes[mix], count);
            for (int shared = 0; shared < 2; shared++) {
                printf(" %.0f | %.2f | %.0f |", median(v[shared][0], RUNS),
                       median(v[shared][1], RUNS), median(v[shared][2], RUNS));
            }
            printf("\n");
            fflush(stdout);
        }
    }
}

/* ---- 2: one message in flight
 * ----------------------------------------------------------------------------- */

static void bench_latency(void)
{
    printf("\n## One message of 1 KiB in flight (us)\n\n| what | p50 | p99 |\n|---|---|---|\n");
    static const char *const names[] = {"bare 4 KiB write", "A (in the ring)",
                                        "B (ring and data file)"};
    static double lat[3][30000];
    size_t n[3] = {0};
    parts_reset(1);
    for (int round = 0; round < 9; round++) {
        int k = round % 3;
        double start = now();
        while (now() - start < 0.7 && n[k] < 30000) {
            double t = now();
            if (k == 0) {
                ring_write(4096);
            } else {
                struct group g = {.count = 1, .inline_max = 64 * KIB, .shared = k == 2};
                g.b[0] = (struct batch){0, 1024};
                group_write(&g);
            }
            lat[k][n[k]++] = now() - t;
        }
        checkpoint();
    }
    for (int k = 0; k < 3; k++) {
        double p50 = median(lat[k], n[k]);
        printf("| %s | %.0f | %.0f |\n", names[k], p50 * 1e6, lat[k][n[k] * 99 / 100] * 1e6);
    }
}

/* ---- 3: cold reads
 * ------------------------------------------------------------------------------------------ */

/* 10,000 partitions, 16 batches of 16 KiB each, round robin. Then 256 KiB of one partition are
 * read, not cached. */
static void bench_cold(void)
{
    printf("\n## Cold read of one partition (256 KiB) among 10,000\n\n"
           "| layout | p50 ms | MB/s | reads |\n|---|---|---|---|\n");
    parts_reset(PARTS_MAX);
    for (int turn = 0; turn < 16; turn++) {
        for (unsigned i = 0; i < PARTS_MAX; i++) {
            part_append(&parts[i], 16 * KIB);
            write_all(shared_fd, bytes, 16 * KIB, shared_at);
            shared_at += 16 * KIB;
        }
        if (turn % 4 == 3) {
            syncfs(ring_fd);
        }
    }
    double lat[2][60];
    uint8_t *buf = bytes;
    for (int k = 0; k < 120; k++) {
        unsigned i = (unsigned)rnd(PARTS_MAX);
        posix_fadvise(parts[i].fd, 0, 0, POSIX_FADV_DONTNEED);
        posix_fadvise(shared_fd, 0, 0, POSIX_FADV_DONTNEED);
        double t = now();
        if (k % 2 == 0) {
            if (pread(parts[i].fd, buf, 256 * KIB, 0) != (ssize_t)(256 * KIB)) {
                die("read");
            }
        } else {
            for (uint64_t turn = 0; turn < 16; turn++) {
                uint64_t at = (turn * PARTS_MAX + i) * 16 * KIB;
                if (pread(shared_fd, buf, 16 * KIB, (off_t)at) != (ssize_t)(16 * KIB)) {
                    die("read");
                }
            }
        }
        lat[k % 2][k / 2] = now() - t;
    }
    for (int k = 0; k < 2; k++) {
        double p50 = median(lat[k], 60);
        printf("| %s | %.2f | %.0f | %d |\n", k == 0 ? "A" : "B, before the cleaner came",
               p50 * 1e3, 0.262144 / p50, k == 0 ? 1 : 16);
    }
}

/* ---- 4: mixed retention
 * ----------------------------------------------------------------------------------------- */

/* 1,000 partitions x 1 MiB, interleaved; every second partition's data has run out. */
static void bench_retention(void)
{
    printf("\n## Space of every second of 1,000 partitions (1 MiB each) comes back\n\n"
           "| layout | ms | device MiB written | MiB freed |\n|---|---|---|---|\n");
    for (int shared = 0; shared < 2; shared++) {
        parts_reset(1000);
        for (int turn = 0; turn < 64; turn++) {
            for (unsigned i = 0; i < 1000; i++) {
                if (shared == 0) {
                    part_append(&parts[i], 16 * KIB);
                } else {
                    write_all(shared_fd, bytes, 16 * KIB, shared_at);
                    shared_at += 16 * KIB;
                }
            }
        }
        syncfs(ring_fd);
        uint64_t device = device_bytes();
        double t = now();
        if (shared == 0) {
            for (unsigned i = 0; i < 1000; i += 2) {
                char path[4096];
                part_path(path, sizeof(path), i);
                close(parts[i].fd);
                parts[i].fd = 0;
                unlink(path);
            }
        } else { /* the cleaner copies what lives to the end, 8 MiB at a time, then the old file
                    goes */
            posix_fadvise(shared_fd, 0, 0, POSIX_FADV_DONTNEED);
            uint64_t end = shared_at;
            for (uint64_t at = 16 * KIB; at < end; at += 32 * KIB) {
                if (pread(shared_fd, bytes, 16 * KIB, (off_t)at) < 0) {
                    die("read");
                }
                write_all(shared_fd, bytes, 16 * KIB, shared_at);
                shared_at += 16 * KIB;
            }
            if (fallocate(shared_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)end) !=
                0) {
                die("punch");
            }
        }
        syncfs(ring_fd);
        printf("| %s | %.0f | %.0f | 500 |\n", shared == 0 ? "A" : "B", (now() - t) * 1e3,
               (double)(device_bytes() - device) / MIB);
    }
}

/* ---- 5: the threshold
 * -----------------------------------------------------------------------------------------------
 */

static struct rate run_threshold(size_t size, int batches, bool in_ring)
{
    static double lat[100000];
    parts_reset(16);
    uint64_t device = device_bytes();
    double start = now(), payload = 0;
    size_t groups = 0;
    while (now() - start < 0.5 && groups < 100000) {
        struct group g = {.count = batches, .inline_max = in_ring ? SIZE_MAX : 0};
        for (int i = 0; i < batches; i++) {
            g.b[i] = (struct batch){(unsigned)i, size};
        }
        double t = now();
        group_write(&g);
        lat[groups++] = now() - t;
        payload += (double)size * batches;
        if (unpacked_bytes > RING_BYTES / 2) {
            checkpoint();
        }
    }
    checkpoint();
    return (struct rate){payload / (now() - start) / 1e6,
                         (double)(device_bytes() - device) / payload, median(lat, groups) * 1e6};
}

static void bench_threshold(void)
{
    printf("\n## In the ring and packed later, or in place (A; drained)\n\n"
           "| batch | files a group | ring MB/s | ring p50 us | in place MB/s | in place p50 us |\n"
           "|---|---|---|---|---|---|\n");
    static const int files[] = {1, 4, 16};
    for (size_t size = 16 * KIB; size <= MIB; size *= 4) {
        for (int f = 0; f < 3; f++) {
            if (size * (size_t)files[f] > 8 * (size_t)MIB) {
                continue;
            }
            double v[2][2][RUNS];
            for (int run = 0; run < RUNS; run++) {
                for (int k = 0; k < 2; k++) {
                    struct rate r = run_threshold(size, files[f], k == 0);
                    v[k][0][run] = r.mbs;
                    v[k][1][run] = r.p50_us;
                }
            }
            printf("| %zu KiB | %d | %.0f | %.0f | %.0f | %.0f |\n", size / KIB, files[f],
                   median(v[0][0], RUNS), median(v[0][1], RUNS), median(v[1][0], RUNS),
                   median(v[1][1], RUNS));
            fflush(stdout);
        }
    }
}

/* ---- 6: the bare disk
 * -------------------------------------------------------------------------------------------------
 */

static double bare_rate(int fd, size_t size, bool sync, double *p50)
{
    static double lat[100000];
    size_t n = 0;
    uint64_t at = 0;
    double start = now();
    while (now() - start < 0.7 && n < 100000) {
        double t = now();
        at = at + size > RING_BYTES ? 0 : at;
        write_all(fd, bytes, size, at);
        at += size;
        if (sync && fdatasync(fd) != 0) {
            die("fdatasync");
        }
        lat[n++] = now() - t;
    }
    double rate = (double)n * (double)size / (now() - start) / 1e6;
    *p50 = median(lat, n) * 1e6;
    return rate;
}

static void bench_bare(void)
{
    printf("\n## The bare disk: recycled file, O_DIRECT|O_DSYNC, beside write + fdatasync of the "
           "same file kind\n\n"
           "| write | direct MB/s | p50 us | buffered MB/s | p50 us |\n|---|---|---|---|---|\n");
    char path[4096];
    snprintf(path, sizeof(path), "%s/buffered", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        die(path);
    }
    write_all(fd, bytes, RING_BYTES, 0);
    fsync(fd);
    for (size_t size = 4 * KIB; size <= 16 * (size_t)MIB; size *= 4) {
        double v[4][RUNS];
        for (int run = 0; run < RUNS; run++) {
            v[0][run] = bare_rate(ring_fd, size, false, &v[1][run]);
            v[2][run] = bare_rate(fd, size, true, &v[3][run]);
        }
        printf("| %zu KiB | %.0f | %.0f | %.0f | %.0f |\n", size / KIB, median(v[0], RUNS),
               median(v[1], RUNS), median(v[2], RUNS), median(v[3], RUNS));
    }
    close(fd);
    unlink(path);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } all[] = {{"bare", bench_bare},           {"latency", bench_latency},
               {"write", bench_write},         {"threshold", bench_threshold},
               {"retention", bench_retention}, {"cold", bench_cold}};
    if (argc < 2) {
        fprintf(stderr, "usage: layout DIR [bare|latency|write|threshold|retention|cold]...\n");
        return 2;
    }
    dir = argv[1];
    (void)mkdir(dir, 0700);
    bytes = aligned_alloc(4096, RING_BYTES);
    unpacked = calloc(4u << 20, sizeof(*unpacked));
    if (bytes == NULL || unpacked == NULL) {
        die("memory");
    }
    for (size_t i = 0; i < RING_BYTES; i++) {
        bytes[i] = (uint8_t)(i * 2654435761u >> 11);
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s/ring", dir);
    ring_fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_DSYNC | O_CLOEXEC, 0600);
    if (ring_fd < 0) {
        die(path);
    }
    for (uint64_t at = 0; at < RING_BYTES; at += 4 * MIB) {
        write_all(ring_fd, bytes + at, 4 * MIB, at);
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, lane_main, NULL) != 0) {
        die("thread");
    }
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        bool wanted = argc == 2;
        for (int a = 2; a < argc; a++) {
            wanted = wanted || strcmp(argv[a], all[i].name) == 0;
        }
        if (wanted) {
            all[i].fn();
        }
    }
    parts_reset(0);
    return 0;
}
