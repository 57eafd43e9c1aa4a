/*
 * What the programs of this folder share: options, clock, percentiles, a blocking socket, payloads,
 * and a meter that tells what a stretch of work cost: CPU of the broker, of this process and of
 * strangers, bytes that reached the device, memory of the broker. They end with a message when
 * anything goes wrong: a figure that is half right is worse than none.
 *
 * Each program prints one JSON object on one line.
 */
#ifndef BENCH_LOAD_COMMON_H
#define BENCH_LOAD_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/compiler.h"
#include "net/common_frames.h" /* die, now_ns */

/* ---- Options: `--name value` after the mode; what is not known is an error (options_end). */
struct options {
    int argc;
    char **argv;
    uint64_t used; /* a bit for each argument that was asked for */
};
void options_init(struct options *o, int argc, char **argv, int first);
const char *option_text(struct options *o, const char *name, const char *fallback);
double option_real(struct options *o, const char *name, double fallback);
uint64_t option_u64(struct options *o, const char *name, uint64_t fallback);
void options_end(const struct options *o);

void die_errno(const char *what) __attribute__((noreturn));

double now_s(void);
void sleep_s(double seconds);
double cpu_self_s(void);              /* user + system of this process */
double cpu_thread_s(void);            /* of the calling thread */
void *take_memory(size_t size_bytes); /* zeroed and touched */

/* ---- Latencies in nanoseconds. */
struct samples {
    uint64_t *ns;
    size_t count, capacity;
};
void samples_init(struct samples *s, size_t capacity);
void samples_deinit(struct samples *s);
void samples_add(struct samples *s, uint64_t ns); /* dies when full */
/* Prints ,"p50_us":..,"p99_us":..,"p999_us":..,"max_us":.. with `prefix` before each name. */
void samples_print(struct samples *s, const char *prefix);

/* ---- The meter. */
struct meter {
    int pid;          /* of the broker; 0: there is none */
    const char *path; /* a folder on the device that is written; NULL: none */
    double seconds, broker_cpu_s, client_cpu_s, foreign_cpu_s, machine_cpu_s;
    uint64_t device_bytes, device_read_bytes, anon_kib_max, cached_kib_max;
};
void meter_start(struct meter *m, int pid, const char *path);
void meter_sample(struct meter *m); /* memory; call it about once a second */
void meter_stop(struct meter *m);   /* marks become differences */
/* Prints ,"seconds":..,"broker_cpu_s":.. and so on. */
void meter_print(const struct meter *m);
uint64_t device_written_bytes(const char *path);
/* Flushes what the file system of `path` still holds and waits until the device has been quiet for
 * half a second, at most for `limit_s`. Returns the time (now_s) of the last write that was seen.
 */
double drain(const char *path, double limit_s);

/* ---- Sockets and payloads. */
int dial(const char *address); /* HOST:PORT with TCP_NODELAY, or a socket's path; dies */
bool read_all(int fd, void *p, size_t n);
bool write_all(int fd, const void *p, size_t n);
/* An order event of `n` bytes: text that varies with `seed`, as services send it. */
void make_payload(char *out, size_t n, unsigned seed);

#endif
