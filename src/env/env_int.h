/*
 * How env.h reaches one of the two worlds. Only src/env includes this.
 *
 * Every handle begins with a pointer to the table of its world, and env.c forwards each public
 * function to the entry of the same name (env_file_pread -> ops->file_pread). A world embeds the
 * handle as the first field of its own struct and gets back to it with CONTAINER_OF:
 *
 *   struct linux_file { struct env_file base; int fd; ... };
 *   static enum err file_datasync(struct env_file *f, ...) { ... CONTAINER_OF(f, struct linux_file,
 * base) ... }
 *
 * Rules for an implementation:
 * - all entries are set; the meaning of each is what env.h says of the public function;
 * - env.c deals with what is the same everywhere, so entries may rely on it: the closing,
 * destroying, joining and releasing functions are not called with NULL; env_file_pwrite is a
 * file_pwritev of one piece; `ec` may be NULL;
 * - env_addr_parse and env_addr_is_loopback are pure and stand in env_addr.c, not in the table.
 */
#ifndef LEAT_ENV_ENV_INT_H
#define LEAT_ENV_ENV_INT_H

#include "env/env.h"

struct env_ops;

struct env {
    const struct env_ops *ops;
};
struct env_file {
    const struct env_ops *ops;
};
struct env_lock {
    const struct env_ops *ops;
};
struct env_sock {
    const struct env_ops *ops;
};
struct env_poll {
    const struct env_ops *ops;
};
struct env_thread {
    const struct env_ops *ops;
};
struct env_mutex {
    const struct env_ops *ops;
};
struct env_cond {
    const struct env_ops *ops;
};

struct env_ops {
    void (*destroy)(struct env *env);

    uint64_t (*mono_ns)(struct env *env);
    int64_t (*wall_ms)(struct env *env);
    void (*random)(struct env *env, void *out, size_t n);
    void (*sleep_ns)(struct env *env, uint64_t ns);

    enum err (*file_open)(struct env *env, const char *path, unsigned flags, struct env_file **out,
                          struct ectx *ec);
    void (*file_close)(struct env_file *f);
    bool (*file_is_direct)(const struct env_file *f);
    const char *(*file_path)(const struct env_file *f);
    enum err (*file_pread)(struct env_file *f, void *p, size_t n, uint64_t offset, size_t *got,
                           struct ectx *ec);
    enum err (*file_pread_cached)(struct env_file *f, void *p, size_t n, uint64_t offset,
                                  size_t *got, struct ectx *ec);
    bool (*file_peek)(struct env_file *f, void *p, size_t n, uint64_t offset);
    void (*file_soon)(struct env_file *f, uint64_t offset, size_t n); /* NULL: nothing */
    enum err (*file_pwritev)(struct env_file *f, const struct iovec *iov, int iov_count,
                             uint64_t offset, struct ectx *ec);
    enum err (*file_datasync)(struct env_file *f, struct ectx *ec);
    enum err (*file_allocate)(struct env_file *f, uint64_t offset, uint64_t n, bool extend,
                              struct ectx *ec);
    enum err (*file_truncate)(struct env_file *f, uint64_t size, struct ectx *ec);
    enum err (*file_size)(struct env_file *f, uint64_t *out, struct ectx *ec);
    void (*file_drop_cache)(struct env_file *f, uint64_t offset, uint64_t n);

    enum err (*rename)(struct env *env, const char *from, const char *to, struct ectx *ec);
    enum err (*unlink)(struct env *env, const char *path, struct ectx *ec);
    enum err (*dir_make)(struct env *env, const char *path, struct ectx *ec);
    enum err (*dir_remove)(struct env *env, const char *path, struct ectx *ec);
    enum err (*dir_sync)(struct env *env, const char *path, struct ectx *ec);
    enum err (*dir_list)(struct env *env, const char *path,
                         bool (*fn)(void *ctx, const char *name, bool is_dir), void *ctx,
                         struct ectx *ec);
    enum err (*stat)(struct env *env, const char *path, struct env_stat *out, struct ectx *ec);
    enum err (*fs_sync)(struct env *env, const char *path, struct ectx *ec);
    enum err (*fs_space)(struct env *env, const char *path, uint64_t *free_bytes,
                         uint64_t *total_bytes, struct ectx *ec);
    enum err (*lock_take)(struct env *env, const char *path, struct env_lock **out,
                          struct ectx *ec);
    void (*lock_release)(struct env_lock *lock);

    enum err (*thread_start)(struct env *env, const char *name, void (*fn)(void *ctx), void *ctx,
                             struct env_thread **out, struct ectx *ec);
    void (*thread_join)(struct env_thread *t);
    enum err (*mutex_create)(struct env *env, struct env_mutex **out);
    void (*mutex_destroy)(struct env_mutex *m);
    void (*mutex_lock)(struct env_mutex *m);
    void (*mutex_unlock)(struct env_mutex *m);
    enum err (*cond_create)(struct env *env, struct env_cond **out);
    void (*cond_destroy)(struct env_cond *c);
    void (*cond_wait)(struct env_cond *c, struct env_mutex *m);
    bool (*cond_wait_ns)(struct env_cond *c, struct env_mutex *m, uint64_t ns);
    void (*cond_signal)(struct env_cond *c);
    void (*cond_broadcast)(struct env_cond *c);

    void (*job_submit)(struct env_poll *poll, enum env_lane lane, struct env_job *job);
    size_t (*job_pending)(struct env_poll *poll);

    enum err (*poll_create)(struct env *env, struct env_poll **out, struct ectx *ec);
    void (*poll_destroy)(struct env_poll *p);
    enum err (*poll_add)(struct env_poll *p, struct env_sock *s, unsigned events,
                         void (*fn)(void *ctx, unsigned events), void *ctx, struct ectx *ec);
    void (*poll_change)(struct env_poll *p, struct env_sock *s, unsigned events);
    void (*poll_remove)(struct env_poll *p, struct env_sock *s);
    size_t (*poll_run)(struct env_poll *p, uint64_t timeout_ns);
    void (*poll_post)(struct env_poll *p, void (*fn)(void *ctx), void *ctx);
    bool (*poll_is_here)(struct env_poll *p);
    enum err (*poll_on_signal)(struct env_poll *p, void (*fn)(void *ctx, int signal_number),
                               void *ctx, struct ectx *ec);

    enum err (*listen)(struct env *env, const struct env_addr *addr, int backlog,
                       struct env_sock **out, struct ectx *ec);
    enum err (*accept)(struct env_sock *listener, struct env_sock **out, struct env_addr *peer,
                       struct ectx *ec);
    enum err (*connect)(struct env *env, const struct env_addr *addr, struct env_sock **out,
                        struct ectx *ec);
    enum err (*recv)(struct env_sock *s, void *p, size_t n, size_t *got);
    enum err (*sendv)(struct env_sock *s, const struct iovec *iov, int iov_count, size_t *sent);
    enum err (*sock_shut)(struct env_sock *s);
    void (*sock_close)(struct env_sock *s);
    enum err (*sock_local)(struct env_sock *s, struct env_addr *out);

    uint64_t (*rss_bytes)(struct env *env, uint64_t *files);
    uint64_t (*cpu_ns)(struct env *env);
    uint64_t (*open_files)(struct env *env);
    uint64_t (*open_files_limit)(struct env *env);
};

/* Several workers, so that its jobs have no order. */
static inline bool env_lane_is_pool(enum env_lane lane)
{
    return lane == ENV_LANE_ANY || lane == ENV_LANE_SQL || lane == ENV_LANE_QUERY;
}

/* What both worlds answer to a flush after one that failed. */
enum err env_flush_refused(struct ectx *ec, const char *path);

#endif
