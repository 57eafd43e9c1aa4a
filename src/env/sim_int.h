/*
 * The inside of the simulated world, shared by the files sim_*.c only. One struct sim holds
 * everything: there are no globals, so two worlds in one process do not disturb each other.
 *
 * Memory: handles (files, sockets, polls ...) come from core/mem.h, so that a test's failing
 * allocations reach the calls that make them. The disk and the network themselves use sim_alloc,
 * which is outside of that hook: a test that fails the k-th allocation of the program must not hit
 * the memory that plays the hardware.
 */
#ifndef LEAT_ENV_SIM_INT_H
#define LEAT_ENV_SIM_INT_H

#include "env/env_int.h"
#include "env/env_sim.h"
#include "env/sim_disk.h"

/* Zeroed; stops the process if the machine has none left. */
void *sim_alloc(size_t size);
void *sim_alloc_raw(
    size_t size); /* content unspecified except the first 16 bytes, which are zero */
void *sim_grow(void *p, size_t old_size, size_t new_size); /* the new part is zeroed */
void sim_free(void *p);

struct sim_rng {
    uint64_t state;
};
uint64_t sim_rng_next(struct sim_rng *r);
uint64_t sim_rng_below(struct sim_rng *r, uint64_t n); /* 0 .. n-1; n > 0 */
bool sim_rng_chance(struct sim_rng *r, unsigned numerator, unsigned denominator);

/* ---- sim_cut.c ---- Turns the disk into what a machine finds after a power cut. */
void sim_disk_cut(struct env_sim_disk *d, enum env_sim_keep keep, uint64_t choice,
                  struct sim_rng *rng, struct env_sim_loss *loss);

struct sim_fault {
    uint64_t after; /* 0: none set; 1: the next */
    enum err e;
    bool forever;
};

/* A device that is slow or does not answer (sim_device.c). */
struct sim_device {
    uint64_t slow_one_in, slow_most_ns;
    uint64_t stick_after[ENV_SIM_OP_COUNT + 1]; /* as sim_fault.after */
    bool stick_all, dead;                       /* dead: nothing that changes the disk returns */
    bool in_job;
    uint32_t hung;                  /* of the running job: operations since the one that hangs */
    uint32_t stuck[ENV_LANE_COUNT]; /* jobs that hang */
    uint64_t wait_until[ENV_LANE_COUNT]; /* of the lane's next job */
    bool drawn[ENV_LANE_COUNT];          /* wait_until is that of the lane's next job */
};

/* The flat copy that env_sim_file_bytes handed out, put back by the next call. */
struct sim_view {
    uint32_t inode; /* SIM_NO_INODE: none */
    uint8_t *bytes;
    uint64_t size;
};

struct sim {
    struct env base;
    struct env_sim_config cfg;
    struct env_sim_disk disk;
    struct sim_view view;

    uint64_t mono_ns;
    int64_t wall_jump_ms;
    /* streams of their own, so that one more draw in one of them does not change the others */
    struct sim_rng rng_app, rng_sched, rng_net, rng_disk, rng_device;

    uint64_t ops;
    uint64_t cut_at;
    bool is_cut;
    uint64_t generation;    /* handles of an older one are void */
    enum env_sim_op cut_op; /* before which the power went */
    struct env_sim_loss loss;
    bool flush_failed; /* in this process */
    struct sim_fault faults[ENV_SIM_OP_COUNT + 1];
    struct sim_device device;
    uint64_t event_hash;
    bool trace;
    bool cold; /* env_sim_set_cold */

    struct list locks;
    uint64_t open_files, open_files_limit;
    struct list lanes[ENV_LANE_COUNT];
    struct list polls;
    struct list listeners;
    uint16_t next_port;
};

/* ---- sim_device.c ---- */
/* This operation, which began just now, does not return. */
bool sim_device_sticks(struct sim *w, enum env_sim_op op);
/* The operation belongs to a job that hangs: it does not take place. */
bool sim_device_hangs(struct sim *w);
void sim_device_take_time(struct sim *w, enum env_sim_op op);
/* The lane's next job may run now. */
bool sim_device_lane_free(struct sim *w, unsigned lane);
/* The earliest moment when a lane with jobs is free again; UINT64_MAX: never. */
uint64_t sim_device_next_ns(const struct sim *w);
void sim_device_job_begins(struct sim *w, unsigned lane);
/* true: the job hangs and is never done. */
bool sim_device_job_ends(struct sim *w, unsigned lane);
void sim_device_boot(struct sim *w);

/* ---- sim_world.c ---- */
struct sim *sim_of(struct env *env);
/* The power goes off here. */
void sim_power_off(struct sim *w, enum env_sim_op op);
/* Counts an operation: ERR_OK to go on, or ERR_STOPPED (the power is off, or goes off here), or the
 * fault that was asked for. `detail` and the numbers are for the trace and the event hash. */
MUST_USE enum err sim_begin(struct sim *w, enum env_sim_op op, const char *path, uint64_t offset,
                            uint64_t n, struct ectx *ec);
MUST_USE enum err sim_alive(struct sim *w, uint64_t generation, const char *what, struct ectx *ec);
void sim_event(struct sim *w, const char *what, uint64_t a, uint64_t b);
enum err sim_errno(struct ectx *ec, int errno_value, const char *verb, const char *path);
void sim_view_put_back(struct sim *w);
extern const struct env_ops sim_ops;

/* ---- sim_file.c, sim_dir.c, sim_sched.c, sim_net.c, sim_thread.c: the entries of the table ----
 */
enum err sim_file_open(struct env *env, const char *path, unsigned flags, struct env_file **out,
                       struct ectx *ec);
void sim_file_close(struct env_file *f);
bool sim_file_is_direct(const struct env_file *f);
const char *sim_file_path(const struct env_file *f);
enum err sim_file_pread(struct env_file *f, void *p, size_t n, uint64_t offset, size_t *got,
                        struct ectx *ec);
enum err sim_file_pread_cached(struct env_file *f, void *p, size_t n, uint64_t offset, size_t *got,
                               struct ectx *ec);
bool sim_file_peek(struct env_file *f, void *p, size_t n, uint64_t offset);
enum err sim_file_pwritev(struct env_file *f, const struct iovec *iov, int iov_count,
                          uint64_t offset, struct ectx *ec);
enum err sim_file_datasync(struct env_file *f, struct ectx *ec);
enum err sim_file_allocate(struct env_file *f, uint64_t offset, uint64_t n, bool extend,
                           struct ectx *ec);
enum err sim_file_truncate(struct env_file *f, uint64_t size, struct ectx *ec);
enum err sim_file_size(struct env_file *f, uint64_t *out, struct ectx *ec);
void sim_file_drop_cache(struct env_file *f, uint64_t offset, uint64_t n);
/* Opens or makes the file and adds a handle to its inode: what open and lock_take share. */
enum err sim_inode_open(struct sim *w, const char *path, unsigned flags, uint32_t *out,
                        struct ectx *ec);
void sim_inode_close(struct sim *w, uint32_t inode);

enum err sim_dir_rename(struct env *env, const char *from, const char *to, struct ectx *ec);
enum err sim_dir_unlink(struct env *env, const char *path, struct ectx *ec);
enum err sim_dir_make(struct env *env, const char *path, struct ectx *ec);
enum err sim_dir_remove(struct env *env, const char *path, struct ectx *ec);
enum err sim_dir_sync(struct env *env, const char *path, struct ectx *ec);
enum err sim_dir_list(struct env *env, const char *path,
                      bool (*fn)(void *ctx, const char *name, bool is_dir), void *ctx,
                      struct ectx *ec);
enum err sim_stat(struct env *env, const char *path, struct env_stat *out, struct ectx *ec);
enum err sim_fs_sync(struct env *env, const char *path, struct ectx *ec);
enum err sim_fs_space(struct env *env, const char *path, uint64_t *free_bytes,
                      uint64_t *total_bytes, struct ectx *ec);
enum err sim_lock_take(struct env *env, const char *path, struct env_lock **out, struct ectx *ec);
void sim_lock_release(struct env_lock *lock);

void sim_job_submit(struct env_poll *poll, enum env_lane lane, struct env_job *job);
size_t sim_job_pending(struct env_poll *poll);
enum err sim_poll_create(struct env *env, struct env_poll **out, struct ectx *ec);
void sim_poll_destroy(struct env_poll *p);
enum err sim_poll_add(struct env_poll *p, struct env_sock *s, unsigned events,
                      void (*fn)(void *ctx, unsigned events), void *ctx, struct ectx *ec);
void sim_poll_change(struct env_poll *p, struct env_sock *s, unsigned events);
void sim_poll_remove(struct env_poll *p, struct env_sock *s);
size_t sim_poll_run(struct env_poll *p, uint64_t timeout_ns);
void sim_poll_post(struct env_poll *p, void (*fn)(void *ctx), void *ctx);
bool sim_poll_is_here(struct env_poll *p);
enum err sim_poll_on_signal(struct env_poll *p, void (*fn)(void *ctx, int signal_number), void *ctx,
                            struct ectx *ec);
/* Jobs, posted calls and waiting connections vanish: the process is gone. */
void sim_sched_forget(struct sim *w);

enum err sim_listen(struct env *env, const struct env_addr *addr, int backlog,
                    struct env_sock **out, struct ectx *ec);
enum err sim_accept(struct env_sock *listener, struct env_sock **out, struct env_addr *peer,
                    struct ectx *ec);
enum err sim_connect(struct env *env, const struct env_addr *addr, struct env_sock **out,
                     struct ectx *ec);
enum err sim_recv(struct env_sock *s, void *p, size_t n, size_t *got);
enum err sim_sendv(struct env_sock *s, const struct iovec *iov, int iov_count, size_t *sent);
enum err sim_sock_shut(struct env_sock *s);
void sim_sock_close(struct env_sock *s);
enum err sim_sock_local(struct env_sock *s, struct env_addr *out);
/* The events that are due now, of ENV_POLL_*. */
unsigned sim_sock_ready(const struct env_sock *s);
/* The poll that watches the socket, or NULL; and noting it. */
struct env_poll *sim_sock_poll(const struct env_sock *s);
void sim_sock_set_poll(struct env_sock *s, struct env_poll *p);
void sim_net_forget(struct sim *w);

enum err sim_thread_start(struct env *env, const char *name, void (*fn)(void *ctx), void *ctx,
                          struct env_thread **out, struct ectx *ec);
void sim_thread_join(struct env_thread *t);
enum err sim_mutex_create(struct env *env, struct env_mutex **out);
void sim_mutex_destroy(struct env_mutex *m);
void sim_mutex_lock(struct env_mutex *m);
void sim_mutex_unlock(struct env_mutex *m);
enum err sim_cond_create(struct env *env, struct env_cond **out);
void sim_cond_destroy(struct env_cond *c);
void sim_cond_wait(struct env_cond *c, struct env_mutex *m);
bool sim_cond_wait_ns(struct env_cond *c, struct env_mutex *m, uint64_t ns);
void sim_cond_signal(struct env_cond *c);
void sim_cond_broadcast(struct env_cond *c);

#endif
