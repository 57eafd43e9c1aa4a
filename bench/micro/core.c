/*
 * How fast the lowest rooms are: checksums and hashes by size, and the way of a job to a worker and
 * back. Prints one line per case. No arguments.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc32c.h"
#include "core/crc32c_table.h"
#include "core/hash.h"
#include "env/env.h"

#define LARGEST      (1u << 20)
#define BYTES_A_CASE (64u << 20)
#define ROUND_TRIPS  20000u

/* Results go here, so that the compiler cannot leave the work out. */
static volatile uint64_t sink;

static void measure_size(struct env *env, const uint8_t *bytes, size_t n)
{
    size_t times = BYTES_A_CASE / n;
    uint32_t crc = 0;
    uint64_t start = env_mono_ns(env);
    for (size_t i = 0; i < times; i++) {
        crc = crc32c(crc, bytes, n);
    }
    uint64_t crc_ns = env_mono_ns(env) - start;
    start = env_mono_ns(env);
    for (size_t i = 0; i < times / 8; i++) {
        crc = crc32c_table(crc, bytes, n);
    }
    uint64_t table_ns = (env_mono_ns(env) - start) * 8;
    uint64_t hash = crc;
    start = env_mono_ns(env);
    for (size_t i = 0; i < times; i++) {
        hash += hash_bytes(bytes, n);
    }
    uint64_t hash_ns = env_mono_ns(env) - start;
    sink = hash;
    double total = (double)(times * n);
    printf("%8zu bytes: crc32c %6.2f GB/s, by tables %5.2f GB/s, hash_bytes %6.2f GB/s\n", n,
           total / (double)crc_ns, total / (double)table_ns, total / (double)hash_ns);
}

static void nothing(struct env_job *job)
{
    (void)job;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void measure_jobs(struct env *env, struct env_poll *poll)
{
    static uint64_t ns[ROUND_TRIPS];
    struct env_job job = {.run = nothing, .done = nothing};
    for (size_t i = 0; i < ROUND_TRIPS; i++) {
        uint64_t start = env_mono_ns(env);
        env_job_submit(poll, ENV_LANE_LOG, &job);
        while (env_job_pending(poll) > 0) {
            env_poll_run(poll, UINT64_MAX);
        }
        ns[i] = env_mono_ns(env) - start;
    }
    qsort(ns, ROUND_TRIPS, sizeof(ns[0]), by_value);
    printf("job, submit to done: p50 %" PRIu64 " ns, p99 %" PRIu64 " ns\n", ns[ROUND_TRIPS / 2],
           ns[ROUND_TRIPS / 100 * 99]);
}

int main(void)
{
    struct ectx ec;
    struct env *env;
    struct env_poll *poll;
    if (env_linux_create(&env, &ec) != ERR_OK || env_poll_create(env, &poll, &ec) != ERR_OK) {
        fprintf(stderr, "%s\n", ec.text);
        return 1;
    }
    uint8_t *bytes = malloc(LARGEST);
    if (bytes == NULL) {
        return 1;
    }
    memset(bytes, 7, LARGEST);
    static const size_t sizes[] = {64, 1024, LARGEST};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        measure_size(env, bytes, sizes[i]);
    }
    measure_jobs(env, poll);
    free(bytes);
    env_poll_destroy(poll);
    env_destroy(env);
    return 0;
}
