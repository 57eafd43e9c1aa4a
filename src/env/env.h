/*
 * The outside world as one table of functions: clocks, randomness, files, sockets, threads. No
 * other room calls the operating system (the adapters named in src/LAYERS and cli are the
 * exceptions).
 *
 * Two worlds implement it. env_linux is thin: a system call per function. env_sim is one thread
 * with a seeded clock, disk and network that can tear, lose, delay, fill up and fail; see
 * env_sim.h. Code above is the same in both, which is what makes crash tests of the real code
 * possible.
 *
 * Conventions: functions return enum err, write outputs only on success, take an optional struct
 * ectx and put the path and the reason into it. Everything that is opened is close-on-exec. EINTR
 * is retried inside.
 */
#ifndef LEAT_ENV_ENV_H
#define LEAT_ENV_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/check.h"
#include "core/compiler.h"
#include "core/err.h"
#include "core/list.h"
#include "core/str.h"

struct env;
struct env_file;
struct env_lock;
struct env_sock;
struct env_poll;
struct env_thread;
struct env_mutex;
struct env_cond;

/* ---- Clocks and randomness ------------------------------------------------------------------- */

uint64_t env_mono_ns(struct env *env); /* monotonic: timeouts, leases, latencies */
int64_t env_wall_ms(struct env *env);  /* Unix time: record timestamps, retention, logs; may jump */
void env_random(struct env *env, void *out, size_t n);
void env_sleep_ns(struct env *env, uint64_t ns); /* blocks the calling thread */

/* ---- Files -------------------------------------------------------------------------------------
 * Paths are NUL-terminated. All of these may block: call them from workers, from start-up, or where
 * the caller has said that it accepts it.
 */
enum {
    ENV_READ = 1,
    ENV_WRITE = 2,
    ENV_CREATE = 4,    /* create if missing, mode 0600 */
    ENV_EXCLUSIVE = 8, /* with CREATE: ERR_EXISTS if there */
    ENV_DIRECT = 16,   /* O_DIRECT: offset, length and memory are multiples of 4096; falls back
                          silently where   the file system has none (env_file_is_direct tells) */
    ENV_DSYNC = 32,    /* O_DSYNC: a write returns when it is on stable storage */
};
#define ENV_BLOCK                                                                                \
    4096u /* the unit of direct I/O, and what recovery assumes a torn write is a multiple of 512 \
             of */

MUST_USE enum err env_file_open(struct env *env, const char *path, unsigned flags,
                                struct env_file **out, struct ectx *ec);
void env_file_close(
    struct env_file *f); /* NULL is fine; errors are those of an earlier write: ignored */
bool env_file_is_direct(const struct env_file *f);
const char *env_file_path(const struct env_file *f);
/* Reads up to n bytes; *got < n only at the end of the file. */
MUST_USE enum err env_file_pread(struct env_file *f, void *p, size_t n, uint64_t offset,
                                 size_t *got, struct ectx *ec);
/* As pread, but only what is in memory (RWF_NOWAIT): ERR_AGAIN if the disk would have to be read
 * (then do it on a worker). May return less than asked for. */
MUST_USE enum err env_file_pread_cached(struct env_file *f, void *p, size_t n, uint64_t offset,
                                        size_t *got, struct ectx *ec);
/* Copies n bytes, if that takes no system call and no wait. False: they are not in memory, not all
 * in the file, or there is no such way; env_file_pread_cached says more. For a few KiB at most: a
 * file that is often asked is mapped. */
MUST_USE bool env_file_peek(struct env_file *f, void *p, size_t n, uint64_t offset);
/* They are peeked soon: the processor begins to fetch them meanwhile. Does nothing else, and
 * nothing at all where there is no such way. */
void env_file_soon(struct env_file *f, uint64_t offset, size_t n);
/* Writes all of iov or fails (short writes are continued). iov is not changed. */
MUST_USE enum err env_file_pwritev(struct env_file *f, const struct iovec *iov, int iov_count,
                                   uint64_t offset, struct ectx *ec);
MUST_USE enum err env_file_pwrite(struct env_file *f, const void *p, size_t n, uint64_t offset,
                                  struct ectx *ec);
/* Data and size. After a flush that failed, of whatever (this, env_dir_sync, env_fs_sync, a write
 * through ENV_DSYNC), none of these three succeeds in this env: ERR_IO. The system tells one of
 * those who flush of a failed write, forgets it, and the next one would believe that all is well.
 * When two flush one handle at once, the second is not done before the first has its answer. Only
 * the next process, which reads the device, may go on. */
MUST_USE enum err env_file_datasync(struct env_file *f, struct ectx *ec);
/* Claims blocks for [offset, offset+n): after it, writes there cannot fail for space. Extends the
 * size only if `extend`. ERR_NO_SPACE leaves the file as it was (as far as a reader can tell). */
MUST_USE enum err env_file_allocate(struct env_file *f, uint64_t offset, uint64_t n, bool extend,
                                    struct ectx *ec);
MUST_USE enum err env_file_truncate(struct env_file *f, uint64_t size, struct ectx *ec);
MUST_USE enum err env_file_size(struct env_file *f, uint64_t *out, struct ectx *ec);
/* Hints that [offset, offset+n) will not be read again (n == 0: to the end); after a crash recovery
 * uses it, so that bytes come from the device. */
void env_file_drop_cache(struct env_file *f, uint64_t offset, uint64_t n);

MUST_USE enum err env_rename(struct env *env, const char *from, const char *to, struct ectx *ec);
MUST_USE enum err env_unlink(struct env *env, const char *path, struct ectx *ec);
MUST_USE enum err env_dir_make(struct env *env, const char *path,
                               struct ectx *ec); /* ERR_EXISTS if there */
MUST_USE enum err env_dir_remove(struct env *env, const char *path, struct ectx *ec);
/* The names in a folder; see env_file_datasync. */
MUST_USE enum err env_dir_sync(struct env *env, const char *path, struct ectx *ec);
/* Calls fn for each entry but . and .. (order unspecified); fn returns false to stop. */
MUST_USE enum err env_dir_list(struct env *env, const char *path,
                               bool (*fn)(void *ctx, const char *name, bool is_dir), void *ctx,
                               struct ectx *ec);
struct env_stat {
    bool is_dir;
    uint64_t size;            /* bytes */
    uint64_t allocated_bytes; /* blocks on disk */
    uint32_t uid;
    uint32_t mode; /* permission bits */
};
MUST_USE enum err env_stat(struct env *env, const char *path, struct env_stat *out,
                           struct ectx *ec);
/* Flushes everything written so far on the file system of `path` (syncfs). See env_file_datasync.
 */
MUST_USE enum err env_fs_sync(struct env *env, const char *path, struct ectx *ec);
MUST_USE enum err env_fs_space(struct env *env, const char *path, uint64_t *free_bytes,
                               uint64_t *total_bytes, struct ectx *ec);
/* Exclusive advisory lock on a file (created if missing); ERR_IN_USE names the holder's pid if
 * known. */
MUST_USE enum err env_lock_take(struct env *env, const char *path, struct env_lock **out,
                                struct ectx *ec);
void env_lock_release(struct env_lock *lock);

/* ---- Threads -----------------------------------------------------------------------------------
 * In the simulation a "thread" started here does not run by itself; simulated code uses jobs only.
 */
MUST_USE enum err env_thread_start(struct env *env, const char *name, void (*fn)(void *ctx),
                                   void *ctx, struct env_thread **out, struct ectx *ec);
void env_thread_join(struct env_thread *t); /* waits, then frees */
MUST_USE enum err env_mutex_create(struct env *env, struct env_mutex **out);
void env_mutex_destroy(struct env_mutex *m);
void env_mutex_lock(struct env_mutex *m);
void env_mutex_unlock(struct env_mutex *m);
MUST_USE enum err env_cond_create(struct env *env, struct env_cond **out);
void env_cond_destroy(struct env_cond *c);
void env_cond_wait(struct env_cond *c, struct env_mutex *m);
/* false: timed out */
bool env_cond_wait_ns(struct env_cond *c, struct env_mutex *m, uint64_t ns);
void env_cond_signal(struct env_cond *c);
void env_cond_broadcast(struct env_cond *c);

/*
 * Jobs: blocking work off the loop. `run` is called on a worker (in the simulation: by
 * env_sim_step, at a seeded later moment, in any order), then `done` on the loop that polls `poll`
 * (in the simulation: by env_sim_step). A lane is a named worker: jobs of one lane run one after
 * the other in order. Three are small pools, whose jobs have no order: ENV_LANE_ANY for what the
 * disk is soon done with, and others wait for; ENV_LANE_SQL and ENV_LANE_QUERY for databases, which
 * may take long or not answer at all. No lane waits for another one. The job struct is the
 * caller's and must live until done was called.
 */
enum env_lane {
    ENV_LANE_ANY,
    ENV_LANE_LOG,
    ENV_LANE_BULK,
    ENV_LANE_CHECKPOINT,
    ENV_LANE_INDEX,
    ENV_LANE_SQL,   /* a database is written */
    ENV_LANE_QUERY, /* a database is asked */
    ENV_LANE_COUNT
};
struct env_job {
    void (*run)(struct env_job *job);
    void (*done)(struct env_job *job);
    struct list link;   /* env's */
    struct env_poll *p; /* env's */
};
void env_job_submit(struct env_poll *poll, enum env_lane lane, struct env_job *job);
/* Jobs submitted and not yet done. */
size_t env_job_pending(struct env_poll *poll);

/* ---- The loop: readiness of sockets, finished jobs, wake-ups ------------------------------------
 */

enum { ENV_POLL_IN = 1, ENV_POLL_OUT = 2, ENV_POLL_ERROR = 4 };

MUST_USE enum err env_poll_create(struct env *env, struct env_poll **out, struct ectx *ec);
void env_poll_destroy(struct env_poll *p); /* no jobs may be pending */
/* Level-triggered. fn(ctx, events) is called from env_poll_run. */
MUST_USE enum err env_poll_add(struct env_poll *p, struct env_sock *s, unsigned events,
                               void (*fn)(void *ctx, unsigned events), void *ctx, struct ectx *ec);
void env_poll_change(struct env_poll *p, struct env_sock *s, unsigned events);
void env_poll_remove(struct env_poll *p,
                     struct env_sock *s); /* its fn is not called any more, also not in this turn */
/* Waits at most timeout_ns (0: does not wait; UINT64_MAX: for ever) and calls what is due: ready
 * sockets, `done` of finished jobs, posted calls. Returns how many calls were made. */
size_t env_poll_run(struct env_poll *p, uint64_t timeout_ns);
/* Makes env_poll_run call fn(ctx) soon, from its own thread. Thread-safe, async-signal-safe it is
 * not. */
void env_poll_post(struct env_poll *p, void (*fn)(void *ctx), void *ctx);
/* True on the thread that runs this loop, and on any thread before its first run. What the loop
 * owns is touched there only: ENV_CHECK_LOOP says so in debug, sanitizer and simulation builds. */
bool env_poll_is_here(struct env_poll *p);
#ifdef LEAT_DEBUG
#define ENV_CHECK_LOOP(poll) CHECK(env_poll_is_here(poll))
#else
#define ENV_CHECK_LOOP(poll) ((void)(poll))
#endif
/* Routes SIGTERM and SIGINT to fn, called from env_poll_run; other threads must not receive them.
 * Once one was told they stay blocked when the poll is destroyed: a second one is not the end. */
MUST_USE enum err env_poll_on_signal(struct env_poll *p, void (*fn)(void *ctx, int signal_number),
                                     void *ctx, struct ectx *ec);

/* ---- Sockets (TCP, non-blocking, TCP_NODELAY) ---------------------------------------------------
 */

struct env_addr {
    char host[64]; /* numeric, IPv4 or IPv6 without brackets */
    uint16_t port;
};
/* "HOST:PORT" or "[V6]:PORT"; HOST may be a name (resolved at listen or connect). */
MUST_USE enum err env_addr_parse(struct str s, struct env_addr *out, struct ectx *ec);
bool env_addr_is_loopback(const struct env_addr *a);

MUST_USE enum err env_listen(struct env *env, const struct env_addr *addr, int backlog,
                             struct env_sock **out, struct ectx *ec);
/* ERR_AGAIN: none waiting. ERR_NO_DESCRIPTORS: leave it in the queue and try later. A peer that
 * vanishes without a word is noticed within two minutes, though nothing is sent (Linux). */
MUST_USE enum err env_accept(struct env_sock *listener, struct env_sock **out,
                             struct env_addr *peer, struct ectx *ec);
MUST_USE enum err env_connect(struct env *env, const struct env_addr *addr, struct env_sock **out,
                              struct ectx *ec);
/* ERR_AGAIN: nothing now; *got == 0 with ERR_OK: the peer closed its side. */
MUST_USE enum err env_recv(struct env_sock *s, void *p, size_t n, size_t *got);
/* Sends what fits; *sent may be less than asked for. ERR_AGAIN: nothing fits now. */
MUST_USE enum err env_sendv(struct env_sock *s, const struct iovec *iov, int iov_count,
                            size_t *sent);
/* Sends no more: the peer reads what was sent, then the end; receiving goes on. */
MUST_USE enum err env_sock_shut(struct env_sock *s);
void env_sock_close(struct env_sock *s);
/* The local address of a listener or connection (what port 0 became; on which address a client
 * connected). */
MUST_USE enum err env_sock_local(struct env_sock *s, struct env_addr *out);

/* ---- Process ------------------------------------------------------------------------------------
 */

/* Resident memory; `files`: what of it is mapped from files, which the kernel takes back at need.
 */
uint64_t env_rss_bytes(struct env *env, uint64_t *files);
uint64_t env_cpu_ns(struct env *env);           /* user + system of the process */
uint64_t env_open_files(struct env *env);       /* descriptors open now */
uint64_t env_open_files_limit(struct env *env); /* raised to the hard limit at env_linux_create */

/* The real one. One per process; also points core/log at standard error and the wall clock. */
MUST_USE enum err env_linux_create(struct env **out, struct ectx *ec);
void env_destroy(struct env *env);

#endif
