/*
 * The simulated world as a whole: its table of functions, clocks and randomness, the counting of
 * operations with cuts and faults, and what env_sim.h offers to tests.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/mem.h"
#include "env/sim_int.h"

#define WALL_START_MS   ((int64_t)1767225600000) /* 2026-01-01T00:00:00Z */
#define OPEN_FILES_MAX  1048576u
#define FIRST_FREE_PORT 32768u

static const char *const op_names[ENV_SIM_OP_COUNT] = {
    [ENV_SIM_OPEN] = "open",     [ENV_SIM_READ] = "read",         [ENV_SIM_WRITE] = "write",
    [ENV_SIM_SYNC] = "sync",     [ENV_SIM_ALLOCATE] = "allocate", [ENV_SIM_TRUNCATE] = "truncate",
    [ENV_SIM_RENAME] = "rename", [ENV_SIM_UNLINK] = "unlink",     [ENV_SIM_MKDIR] = "mkdir",
};

/* ---- Memory and randomness ---- */

void *sim_alloc(size_t size)
{
    void *p = calloc(1, size == 0 ? 1 : size);
    CHECK(p != NULL);
    return p;
}

void *sim_alloc_raw(size_t size)
{
    uint8_t *p = malloc(size < 16 ? 16 : size);
    CHECK(p != NULL);
    memset(p, 0, 16);
    return p;
}

void *sim_grow(void *p, size_t old_size, size_t new_size)
{
    uint8_t *q = realloc(p, new_size);
    CHECK(q != NULL);
    memset(q + old_size, 0, new_size - old_size);
    return q;
}

void sim_free(void *p)
{
    free(p);
}

uint64_t sim_rng_next(struct sim_rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return sim_mix(r->state);
}

uint64_t sim_rng_below(struct sim_rng *r, uint64_t n)
{
    return sim_rng_next(r) % n;
}

bool sim_rng_chance(struct sim_rng *r, unsigned numerator, unsigned denominator)
{
    return sim_rng_below(r, denominator) < numerator;
}

/* ---- The world ---- */

struct sim *sim_of(struct env *env)
{
    CHECK(env->ops == &sim_ops);
    return CONTAINER_OF(env, struct sim, base);
}

enum err env_sim_create(const struct env_sim_config *cfg, struct env **out)
{
    struct sim *w = mem_new(struct sim);
    if (w == NULL) {
        return ERR_NO_MEMORY;
    }
    w->base.ops = &sim_ops;
    w->cfg = *cfg;
    sim_disk_init(&w->disk);
    w->cut_at = UINT64_MAX;
    w->rng_app.state = sim_mix(cfg->seed ^ 0x617070);
    w->rng_sched.state = sim_mix(cfg->seed ^ 0x736368);
    w->rng_net.state = sim_mix(cfg->seed ^ 0x6e6574);
    w->rng_disk.state = sim_mix(cfg->seed ^ 0x64736b);
    w->rng_device.state = sim_mix(cfg->seed ^ 0x646576);
    w->cut_op = ENV_SIM_OP_COUNT;
    w->open_files_limit = OPEN_FILES_MAX;
    w->next_port = FIRST_FREE_PORT;
    list_init(&w->locks);
    list_init(&w->polls);
    list_init(&w->listeners);
    for (size_t i = 0; i < ENV_LANE_COUNT; i++) {
        list_init(&w->lanes[i]);
    }
    *out = &w->base;
    return ERR_OK;
}

static void sim_destroy(struct env *env)
{
    struct sim *w = sim_of(env);
    sim_free(w->view.bytes);
    sim_disk_deinit(&w->disk);
    mem_free(w);
}

void sim_event(struct sim *w, const char *what, uint64_t a, uint64_t b)
{
    uint64_t h = w->event_hash;
    for (const char *c = what; *c != '\0'; c++) {
        h = (h ^ (uint8_t)*c) * 0x100000001b3u;
    }
    w->event_hash = sim_mix(sim_mix(h ^ a) + b);
}

enum err sim_errno(struct ectx *ec, int errno_value, const char *verb, const char *path)
{
    char text[128];
    return ectx_fail(ec, err_of_errno(errno_value), "could not %s '%s': %s", verb, path,
                     strerror_r(errno_value, text, sizeof(text)));
}

enum err sim_alive(struct sim *w, uint64_t generation, const char *what, struct ectx *ec)
{
    if (w->is_cut || generation != w->generation) {
        return ectx_fail(ec, ERR_STOPPED, "'%s': the simulated machine has stopped", what);
    }
    return ERR_OK;
}

/* Everything in the process dies; the disk is not touched. */
static void forget_process(struct sim *w)
{
    w->generation++;
    w->flush_failed = false;
    w->open_files = 0;
    LIST_FOR_EACH (l, tmp, &w->locks) {
        list_remove(l);
    }
    sim_sched_forget(w);
    sim_net_forget(w);
}

static enum err take_fault(struct sim_fault *f)
{
    if (f->after == 0 || (f->after > 1 && --f->after > 0)) {
        return ERR_OK;
    }
    if (!f->forever) {
        f->after = 0;
    }
    return f->e;
}

void sim_power_off(struct sim *w, enum env_sim_op op)
{
    w->is_cut = true;
    w->cut_op = op;
    if (w->trace) {
        fprintf(stderr, "sim: power off before operation %" PRIu64 "\n", w->ops + 1);
    }
    forget_process(w);
}

enum err sim_begin(struct sim *w, enum env_sim_op op, const char *path, uint64_t offset, uint64_t n,
                   struct ectx *ec)
{
    sim_view_put_back(w);
    if (!w->is_cut && w->ops + 1 >= w->cut_at) {
        sim_power_off(w, op);
    }
    if (w->is_cut || sim_device_hangs(w)) {
        return ectx_fail(ec, ERR_STOPPED, "could not %s '%s': the simulated machine has stopped",
                         op_names[op], path);
    }
    w->ops++;
    switch (op) {
    case ENV_SIM_SYNC:
        w->mono_ns += w->cfg.sync_ns;
        break;
    case ENV_SIM_READ:
    case ENV_SIM_OPEN:
    case ENV_SIM_OP_COUNT:
        break;
    case ENV_SIM_WRITE:
    case ENV_SIM_ALLOCATE:
    case ENV_SIM_TRUNCATE:
    case ENV_SIM_RENAME:
    case ENV_SIM_UNLINK:
    case ENV_SIM_MKDIR:
        w->mono_ns += w->cfg.write_ns;
        break;
    }
    sim_device_take_time(w, op);
    sim_event(w, op_names[op], offset, n);
    sim_event(w, path, w->mono_ns, 0);
    if (sim_device_sticks(w, op)) {
        return ectx_fail(ec, ERR_STOPPED,
                         "could not %s '%s': the device does not answer (simulated)", op_names[op],
                         path);
    }
    enum err any = take_fault(&w->faults[ENV_SIM_OP_COUNT]);
    enum err e = take_fault(&w->faults[op]);
    e = any != ERR_OK ? any : e;
    if (w->trace) {
        fprintf(stderr,
                "sim: %6" PRIu64 " t=%" PRIu64 "ns %-8s %s offset=%" PRIu64 " n=%" PRIu64 "%s%s\n",
                w->ops, w->mono_ns, op_names[op], path, offset, n,
                e == ERR_OK ? "" : " fails: ", e == ERR_OK ? "" : err_name(e));
    }
    if (e != ERR_OK) {
        return ectx_fail(ec, e, "could not %s '%s': %s (simulated)", op_names[op], path,
                         err_text(e));
    }
    return ERR_OK;
}

/* ---- Clocks, randomness, process: entries of the table ---- */

static uint64_t sim_mono_ns(struct env *env)
{
    return sim_of(env)->mono_ns;
}

static int64_t sim_wall_ms(struct env *env)
{
    const struct sim *w = sim_of(env);
    return WALL_START_MS + (int64_t)(w->mono_ns / 1000000) + w->wall_jump_ms;
}

static void sim_random(struct env *env, void *out, size_t n)
{
    struct sim *w = sim_of(env);
    uint8_t *p = out;
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)(sim_rng_next(&w->rng_app) >> 56);
    }
}

static void sim_sleep_ns(struct env *env, uint64_t ns)
{
    env_sim_advance_ns(env, ns);
}

static uint64_t sim_rss_bytes(struct env *env, uint64_t *files)
{
    *files = 0;
    return sim_of(env)->disk.used_pages * SIM_PAGE;
}

/* A process that never computes: its time is that of the clock. */
static uint64_t sim_cpu_ns(struct env *env)
{
    return sim_of(env)->mono_ns;
}

static uint64_t sim_open_files(struct env *env)
{
    return sim_of(env)->open_files;
}

static uint64_t sim_open_files_limit(struct env *env)
{
    return sim_of(env)->open_files_limit;
}

/* ---- What env_sim.h offers ---- */

void env_sim_advance_ns(struct env *env, uint64_t ns)
{
    struct sim *w = sim_of(env);
    if (!w->is_cut) {
        w->mono_ns = ns > UINT64_MAX - w->mono_ns ? UINT64_MAX : w->mono_ns + ns;
    }
}

void env_sim_jump_wall_ms(struct env *env, int64_t delta_ms)
{
    sim_of(env)->wall_jump_ms += delta_ms;
}

uint64_t env_sim_ops(struct env *env)
{
    return sim_of(env)->ops;
}

void env_sim_cut_at(struct env *env, uint64_t op)
{
    sim_of(env)->cut_at = op;
}

bool env_sim_is_cut(struct env *env)
{
    return sim_of(env)->is_cut;
}

static void boot(struct sim *w)
{
    forget_process(w);
    sim_device_boot(w);
    w->is_cut = false;
    w->cut_op = ENV_SIM_OP_COUNT;
    w->cut_at = UINT64_MAX;
}

void env_sim_power_cut_as(struct env *env, enum env_sim_keep keep, uint64_t choice)
{
    struct sim *w = sim_of(env);
    sim_view_put_back(w);
    struct sim_rng rng = {.state = sim_mix(w->cfg.seed ^ sim_mix(choice + 1))};
    w->loss = (struct env_sim_loss){.at = w->cut_op};
    sim_disk_cut(&w->disk, keep, choice, &rng, &w->loss);
    boot(w);
    sim_event(w, "power cut", keep, choice);
}

void env_sim_power_cut(struct env *env, uint64_t choice)
{
    env_sim_power_cut_as(env, ENV_SIM_RANDOM, choice);
}

void env_sim_last_loss(struct env *env, struct env_sim_loss *out)
{
    *out = sim_of(env)->loss;
}

uint64_t env_sim_pending_ops(struct env *env)
{
    return sim_disk_pending(&sim_of(env)->disk);
}

void env_sim_process_kill(struct env *env)
{
    struct sim *w = sim_of(env);
    sim_view_put_back(w);
    sim_disk_release_all(&w->disk);
    boot(w);
    sim_event(w, "process kill", 0, 0);
}

struct env_sim_disk *env_sim_disk_save(struct env *env)
{
    struct sim *w = sim_of(env);
    sim_view_put_back(w);
    struct env_sim_disk *d = sim_alloc(sizeof(*d));
    sim_disk_copy(d, &w->disk);
    d->cut_op = (int)w->cut_op;
    return d;
}

void env_sim_disk_restore(struct env *env, const struct env_sim_disk *d)
{
    struct sim *w = sim_of(env);
    sim_view_put_back(w);
    sim_disk_copy(&w->disk, d);
    sim_disk_release_all(&w->disk);
    boot(w);
    w->cut_op = (enum env_sim_op)d->cut_op; /* as if it had just gone off */
}

void env_sim_disk_free(struct env_sim_disk *d)
{
    if (d != NULL) {
        sim_disk_deinit(d);
        sim_free(d);
    }
}

void env_sim_fail_nth(struct env *env, enum env_sim_op kind, uint64_t n, enum err e, bool forever)
{
    struct sim_fault *f = &sim_of(env)->faults[kind];
    *f = (struct sim_fault){0};
    if (e != ERR_OK && n > 0) {
        *f = (struct sim_fault){.after = n, .e = e, .forever = forever};
    }
}

void env_sim_set_disk_bytes(struct env *env, uint64_t bytes)
{
    sim_of(env)->cfg.disk_bytes = bytes;
}

/* The bytes that a test changed go to both sides; the rest stays shared. */
void sim_view_put_back(struct sim *w)
{
    struct sim_view v = w->view;
    if (v.inode == SIM_NO_INODE) {
        return;
    }
    w->view = (struct sim_view){0};
    uint8_t page[SIM_PAGE];
    for (uint64_t at = 0; at < v.size; at += SIM_PAGE) {
        size_t n = v.size - at < SIM_PAGE ? (size_t)(v.size - at) : SIM_PAGE;
        sim_tree_read(&sim_inode(&w->disk, v.inode)->now, at, page, n);
        for (size_t i = 0; i < n; i++) {
            if (page[i] != v.bytes[at + i]) {
                struct sim_inode *ino = sim_inode_mut(&w->disk, v.inode);
                w->disk.used_pages -= ino->now.claimed_pages;
                sim_tree_write(&ino->now, at + i, v.bytes + at + i, 1);
                w->disk.used_pages += ino->now.claimed_pages;
                if (at + i < ino->safe_size) {
                    sim_tree_write(&ino->safe, at + i, v.bytes + at + i, 1);
                }
            }
        }
    }
    sim_free(v.bytes);
}

uint8_t *env_sim_file_bytes(struct env *env, const char *path, uint64_t *size)
{
    struct sim *w = sim_of(env);
    sim_view_put_back(w);
    struct sim_path at;
    if (sim_path_find(&w->disk, path, &at) != 0 || at.inode == SIM_NO_INODE ||
        sim_inode(&w->disk, at.inode)->is_dir) {
        return NULL;
    }
    const struct sim_inode *ino = sim_inode(&w->disk, at.inode);
    w->view.inode = at.inode;
    w->view.size = ino->now_size;
    w->view.bytes = sim_alloc((size_t)ino->now_size);
    sim_tree_read(&ino->now, 0, w->view.bytes, (size_t)ino->now_size);
    *size = ino->now_size;
    return w->view.bytes;
}

uint64_t env_sim_disk_hash(struct env *env)
{
    struct sim *w = sim_of(env);
    sim_view_put_back(w);
    return sim_disk_hash(&w->disk);
}

uint64_t env_sim_event_hash(struct env *env)
{
    return sim_of(env)->event_hash;
}

void env_sim_trace(struct env *env, bool on)
{
    sim_of(env)->trace = on;
}

void env_sim_set_open_files_limit(struct env *env, uint64_t limit)
{
    sim_of(env)->open_files_limit = limit;
}

void env_sim_set_cold(struct env *env, bool cold)
{
    sim_of(env)->cold = cold;
}

const struct env_ops sim_ops = {
    .destroy = sim_destroy,
    .mono_ns = sim_mono_ns,
    .wall_ms = sim_wall_ms,
    .random = sim_random,
    .sleep_ns = sim_sleep_ns,
    .file_open = sim_file_open,
    .file_close = sim_file_close,
    .file_is_direct = sim_file_is_direct,
    .file_path = sim_file_path,
    .file_pread = sim_file_pread,
    .file_pread_cached = sim_file_pread_cached,
    .file_peek = sim_file_peek,
    .file_pwritev = sim_file_pwritev,
    .file_datasync = sim_file_datasync,
    .file_allocate = sim_file_allocate,
    .file_truncate = sim_file_truncate,
    .file_size = sim_file_size,
    .file_drop_cache = sim_file_drop_cache,
    .rename = sim_dir_rename,
    .unlink = sim_dir_unlink,
    .dir_make = sim_dir_make,
    .dir_remove = sim_dir_remove,
    .dir_sync = sim_dir_sync,
    .dir_list = sim_dir_list,
    .stat = sim_stat,
    .fs_sync = sim_fs_sync,
    .fs_space = sim_fs_space,
    .lock_take = sim_lock_take,
    .lock_release = sim_lock_release,
    .thread_start = sim_thread_start,
    .thread_join = sim_thread_join,
    .mutex_create = sim_mutex_create,
    .mutex_destroy = sim_mutex_destroy,
    .mutex_lock = sim_mutex_lock,
    .mutex_unlock = sim_mutex_unlock,
    .cond_create = sim_cond_create,
    .cond_destroy = sim_cond_destroy,
    .cond_wait = sim_cond_wait,
    .cond_wait_ns = sim_cond_wait_ns,
    .cond_signal = sim_cond_signal,
    .cond_broadcast = sim_cond_broadcast,
    .job_submit = sim_job_submit,
    .job_pending = sim_job_pending,
    .poll_create = sim_poll_create,
    .poll_destroy = sim_poll_destroy,
    .poll_add = sim_poll_add,
    .poll_change = sim_poll_change,
    .poll_remove = sim_poll_remove,
    .poll_run = sim_poll_run,
    .poll_post = sim_poll_post,
    .poll_is_here = sim_poll_is_here,
    .poll_on_signal = sim_poll_on_signal,
    .listen = sim_listen,
    .accept = sim_accept,
    .connect = sim_connect,
    .recv = sim_recv,
    .sendv = sim_sendv,
    .sock_shut = sim_sock_shut,
    .sock_close = sim_sock_close,
    .sock_local = sim_sock_local,
    .rss_bytes = sim_rss_bytes,
    .cpu_ns = sim_cpu_ns,
    .open_files = sim_open_files,
    .open_files_limit = sim_open_files_limit,
};
