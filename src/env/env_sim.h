/*
 * The simulated world: one thread, virtual time, and a disk that behaves as badly as POSIX allows.
 * Everything is decided by one 64-bit seed, so a failure is repeated by its seed.
 *
 * The disk. Each file has its content as an application sees it ("volatile"), and the list of
 * operations that are not yet durable: writes, size changes, and separately directory entries
 * (create, rename, unlink). Durable become: a file's data and size by env_file_datasync or an
 * ENV_DSYNC write; a directory's entries by env_dir_sync; everything by env_fs_sync. (That fsync of
 * a new file does not make its directory entry durable is the "minimal POSIX" model; reference:
 * "All File Systems Are Not Created Equal", OSDI 2014.)
 *
 * A power cut (env_sim_power_cut) builds the disk that a machine would find: for every pending
 * operation a seeded choice of kept, lost, or (writes) torn at 512-byte sectors, in any order
 * between syncs; a size change may survive without its data (zeros) and data beyond a lost size is
 * gone; blocks allocated but unwritten read as zeros. Then every handle is dead (ERR_STOPPED) and
 * the world may be booted again on what is left. A sector is never torn, and it is written with all
 * that memory held for it, so a later write to the same sector carries an earlier one along.
 *
 * The network is inside too: env_connect reaches env_listen of the same env, through bounded
 * buffers with seeded short reads and writes. Nothing gets lost or late in it; closing is seen at
 * once.
 *
 * Threads are not: env_thread_start fails with ERR_STOPPED, mutexes only check their use,
 * env_cond_wait stops the process (it would wait for ever), env_cond_wait_ns lets the time pass and
 * says "timed out".
 *
 * env_poll_run with nothing due lets the time pass to its end; with nothing pending and no end it
 * returns 0 at once. After a cut or a kill it returns 0, time stands still and jobs are forgotten
 * (their `done` is not called): a test's loop asks env_sim_is_cut.
 */
#ifndef LEAT_ENV_ENV_SIM_H
#define LEAT_ENV_ENV_SIM_H

#include "env/env.h"

/* What counts as one I/O operation for faults and cut points. */
enum env_sim_op {
    ENV_SIM_OPEN,
    ENV_SIM_READ,
    ENV_SIM_WRITE,
    ENV_SIM_SYNC, /* datasync, dir_sync, fs_sync; a DSYNC write counts as WRITE then SYNC */
    ENV_SIM_ALLOCATE,
    ENV_SIM_TRUNCATE,
    ENV_SIM_RENAME,
    ENV_SIM_UNLINK,
    ENV_SIM_MKDIR,
    ENV_SIM_OP_COUNT
};

struct env_sim_config {
    uint64_t seed;
    uint64_t disk_bytes; /* capacity; 0 = unlimited. Claims and writes beyond it: ERR_NO_SPACE */
    uint64_t write_ns, sync_ns; /* virtual time that each takes */
    bool slow_jobs;             /* jobs start at seeded later steps rather than at the next one */
};

MUST_USE enum err env_sim_create(const struct env_sim_config *cfg, struct env **out);

/* Runs one due thing (a job, a done, a posted call, a timer tick); false when nothing is pending.
 * The loop under test is driven by env_poll_run as always; env_poll_run in the simulation runs
 * pending things and advances time. */
bool env_sim_step(struct env *env);
void env_sim_advance_ns(struct env *env, uint64_t ns);
void env_sim_jump_wall_ms(struct env *env, int64_t delta_ms);

/* Operations done so far (of all kinds): the numbering for cuts and faults. The first operation is
 * number 1. */
uint64_t env_sim_ops(struct env *env);
/* The power goes off just before operation number `op` takes effect (UINT64_MAX: never): that call
 * and every later one returns ERR_STOPPED, nothing changes any more, until env_sim_power_cut. */
void env_sim_cut_at(struct env *env, uint64_t op);
bool env_sim_is_cut(struct env *env);
/* Applies the losses and makes the world bootable again. All open handles, jobs and polls are void
 * (close or destroy functions on them stay legal). `choice` seeds what is kept: the same run can be
 * cut many ways. */
void env_sim_power_cut(struct env *env, uint64_t choice);
/* The same with the kind of losses named, so that a test enumerates the extremes before it draws.
 * Operations count in the order in which they were made; an extending write is two of them, its
 * bytes and the size. */
enum env_sim_keep {
    ENV_SIM_RANDOM,     /* seeded by `choice`; writes may be torn (what env_sim_power_cut does) */
    ENV_SIM_KEEP_ALL,   /* everything pending reached the medium; `choice` is not used */
    ENV_SIM_LOSE_ALL,   /* nothing did; `choice` is not used */
    ENV_SIM_KEEP_ONE,   /* only number `choice` (modulo their count) did */
    ENV_SIM_LOSE_ONE,   /* all but that one did */
    ENV_SIM_KEEP_FIRST, /* the first `choice` (modulo count + 1) did */
};
void env_sim_power_cut_as(struct env *env, enum env_sim_keep keep, uint64_t choice);
/* What the last power cut did, for a test that wants to know that it has seen everything. */
struct env_sim_loss {
    enum env_sim_op at; /* the operation before which the power went; OP_COUNT: between two */
    uint64_t pending;   /* operations that it could lose */
    uint64_t writes, sizes, links, unlinks, renames; /* lost ones */
    uint64_t torn;
    bool reordered;    /* something later was kept although something earlier was lost */
    bool size_no_data; /* of a file a size reached the medium and a write before it did not */
    bool data_no_size; /* the other way round */
};
void env_sim_last_loss(struct env *env, struct env_sim_loss *out);
/* Operations that a cut now could lose. 0: every cut leaves the disk as it is. */
uint64_t env_sim_pending_ops(struct env *env);
/* As a process kill: everything written survives (what is pending stays pending: a power cut may
 * still lose it); handles are void. After env_sim_cut_at fired it makes of that cut a kill just
 * before the operation. */
void env_sim_process_kill(struct env *env);
/* Copies the whole disk state (durable and pending), so that one run can be cut in many ways.
 * Cheap: content is shared until it is changed. A restore makes handles void and the world
 * bootable; clocks, faults and the generators' states are not part of it. */
struct env_sim_disk;
struct env_sim_disk *env_sim_disk_save(struct env *env);
void env_sim_disk_restore(struct env *env, const struct env_sim_disk *d);
void env_sim_disk_free(struct env_sim_disk *d);

/* The n-th operation from now (1 = the next) of `kind` (ENV_SIM_OP_COUNT = of any kind) fails with
 * e; if `forever`, all later ones of that kind too. e == ERR_OK clears. A failed SYNC drops what
 * was pending to unspecified; later syncs do not write it (Linux marks pages clean). In this
 * process they fail (env_file_datasync), in the next one they succeed. ERR_NO_DESCRIPTORS is
 * different: a folder that could not be opened for its flush was not flushed, and nothing is
 * dropped. */
void env_sim_fail_nth(struct env *env, enum env_sim_op kind, uint64_t n, enum err e, bool forever);
/* What holds until then: a failed WRITE has written a seeded part of its bytes; a failed other call
 * changed nothing. After a failed SYNC reads still show what was written, as from a page cache.
 * env_file_drop_cache, and any read through an ENV_DIRECT handle, fetch from the medium instead:
 * each sector that failed is there or is not, by the seed, and stays so. */
/* A slow device: one in `one_in` jobs (0: none) waits up to `most_ns` before it runs, and its lane
 * with it, while everything else goes on; one in `one_in` operations of the loop's own thread takes
 * that much longer. */
void env_sim_set_slow(struct env *env, uint64_t one_in, uint64_t most_ns);
/* A device that no longer answers: the n-th operation from now (as env_sim_fail_nth counts) does
 * not return until the next power cut, kill or restore. A WRITE may be done in part, a SYNC has
 * settled nothing. Its job is never done and its lane runs no other (a pool has two workers
 * here); on the loop's own thread the whole process stands still, which env_sim_is_cut tells.
 * `all`: so does every later operation that changes the disk. n == 0 clears. */
void env_sim_stick_nth(struct env *env, enum env_sim_op kind, uint64_t n, bool all);
/* The page cache is empty and stays so: env_file_pread_cached and env_file_peek find nothing. Else
 * it is drawn what they find. */
void env_sim_set_cold(struct env *env, bool cold);
/* Jobs that wait for a worker of this lane. */
size_t env_sim_jobs(struct env *env, enum env_lane lane);
/* A job hangs on the device. */
bool env_sim_is_stuck(struct env *env);
/* Changes the disk's capacity (space returns). */
void env_sim_set_disk_bytes(struct env *env, uint64_t bytes);
/* Direct access to durable+pending content, for corruption tests. NULL if there is no such file.
 * The bytes may be changed (on both sides); the pointer holds until the next call that gets this
 * env or one of its handles. */
uint8_t *env_sim_file_bytes(struct env *env, const char *path, uint64_t *size);
/* A hash of the whole disk as an application sees it (determinism checks). */
uint64_t env_sim_disk_hash(struct env *env);
/* A running hash of everything that happened, in order: operations, jobs, calls. Equal seeds and
 * equal programs give equal hashes. */
uint64_t env_sim_event_hash(struct env *env);
/* Logs each operation to standard error: for looking at one seed. */
void env_sim_trace(struct env *env, bool on);
/* Descriptors (files, locks, sockets) that may be open at once; beyond: ERR_NO_DESCRIPTORS. Default
 * 1,048,576. */
void env_sim_set_open_files_limit(struct env *env, uint64_t limit);
/* Delivers a signal to the handler of every poll that has one (env_poll_on_signal), as a posted
 * call. */
void env_sim_signal(struct env *env, int signal_number);

#endif
