/*
 * What the files of the Linux world share: its handles and the functions that fill its env_ops. One
 * function for each entry of the table, named linux_ and the entry's name; env.h says what each
 * does.
 */
#ifndef LEAT_ENV_LINUX_INT_H
#define LEAT_ENV_LINUX_INT_H

#include <pthread.h>

#include "env/env_int.h"

extern const struct env_ops linux_ops;

/* ERR of `errno_value`, with "could not WHAT 'PATH': REASON" and a hint where there is one. */
enum err linux_fail(struct ectx *ec, int errno_value, const char *what, const char *path);

struct linux_env {
    struct env base;
    uint64_t open_files_limit;
    _Atomic(bool) flush_failed;
    _Atomic(uint64_t) view_bytes; /* of all mappings */
    pthread_mutex_t folders;      /* one flush of a folder or file system at a time */
};
static inline struct linux_env *linux_env_of(const struct env *env)
{
    return CONTAINER_OF((uintptr_t)env, struct linux_env, base);
}

/* linux_view.c: the mapping of a file that is read in small pieces. */
struct view_block;
struct linux_view {
    pthread_mutex_t lock;
    uint8_t *at; /* NULL: not mapped */
    size_t size;
    uint64_t file_size; /* at least; it may have grown */
    struct view_block *blocks;
    uint32_t asked; /* how often, until it was mapped */
    bool refused;   /* it cannot be mapped */
};

/* linux_file.c, linux_space.c */
struct linux_file {
    struct env_file base;
    struct linux_env *env;
    pthread_mutex_t flushing;
    struct linux_view view;
    int fd;
    bool direct, dsync;
    _Atomic(bool) no_nowait; /* the file system knows no RWF_NOWAIT */
    char path[];
};
static inline struct linux_file *linux_file_of(const struct env_file *f)
{
    return CONTAINER_OF((uintptr_t)f, struct linux_file, base);
}
enum err linux_file_open(struct env *env, const char *path, unsigned flags, struct env_file **out,
                         struct ectx *ec);
void linux_file_close(struct env_file *f);
bool linux_file_is_direct(const struct env_file *f);
const char *linux_file_path(const struct env_file *f);
enum err linux_file_pread(struct env_file *f, void *p, size_t n, uint64_t offset, size_t *got,
                          struct ectx *ec);
enum err linux_file_pread_cached(struct env_file *f, void *p, size_t n, uint64_t offset,
                                 size_t *got, struct ectx *ec);
bool linux_file_peek(struct env_file *f, void *p, size_t n, uint64_t offset);
void linux_file_soon(struct env_file *f, uint64_t offset, size_t n);
/* Catches what a mapping cannot give. */
void linux_view_start(void);
void linux_view_init(struct linux_file *f);
/* These bytes were in memory just now. */
void linux_view_note(struct linux_file *f, uint64_t offset, size_t n);
/* The file was cut, or made longer. */
void linux_view_cut(struct linux_file *f, uint64_t size);
void linux_view_forget(struct linux_file *f);
void linux_view_deinit(struct linux_file *f);
enum err linux_file_pwritev(struct env_file *f, const struct iovec *iov, int iov_count,
                            uint64_t offset, struct ectx *ec);
enum err linux_file_datasync(struct env_file *f, struct ectx *ec);
/* flush(fd), if none has failed before; `lock` is that of all flushes of the same thing. */
enum err linux_flush(struct linux_env *env, pthread_mutex_t *lock, int fd, int (*flush)(int fd),
                     const char *path, struct ectx *ec);
enum err linux_file_allocate(struct env_file *f, uint64_t offset, uint64_t n, bool extend,
                             struct ectx *ec);
/* The fallback of file_allocate for file systems without fallocate; its own function for its test.
 */
enum err linux_file_allocate_by_writing(struct env_file *f, uint64_t offset, uint64_t n,
                                        bool extend, struct ectx *ec);
enum err linux_file_truncate(struct env_file *f, uint64_t size, struct ectx *ec);
enum err linux_file_size(struct env_file *f, uint64_t *out, struct ectx *ec);
void linux_file_drop_cache(struct env_file *f, uint64_t offset, uint64_t n);

/* linux_dir.c */
enum err linux_rename(struct env *env, const char *from, const char *to, struct ectx *ec);
enum err linux_unlink(struct env *env, const char *path, struct ectx *ec);
enum err linux_dir_make(struct env *env, const char *path, struct ectx *ec);
enum err linux_dir_remove(struct env *env, const char *path, struct ectx *ec);
enum err linux_dir_sync(struct env *env, const char *path, struct ectx *ec);
enum err linux_dir_list(struct env *env, const char *path,
                        bool (*fn)(void *ctx, const char *name, bool is_dir), void *ctx,
                        struct ectx *ec);
enum err linux_stat(struct env *env, const char *path, struct env_stat *out, struct ectx *ec);
enum err linux_fs_sync(struct env *env, const char *path, struct ectx *ec);
enum err linux_fs_space(struct env *env, const char *path, uint64_t *free_bytes,
                        uint64_t *total_bytes, struct ectx *ec);

/* linux_lock.c */
enum err linux_lock_take(struct env *env, const char *path, struct env_lock **out, struct ectx *ec);
void linux_lock_release(struct env_lock *lock);

/* linux_thread.c */
enum err linux_thread_start(struct env *env, const char *name, void (*fn)(void *ctx), void *ctx,
                            struct env_thread **out, struct ectx *ec);
void linux_thread_join(struct env_thread *t);
/* Starts a thread that receives no signals; returns an errno value. */
int linux_thread_create(pthread_t *out, const char *name, void *(*fn)(void *ctx), void *ctx);
enum err linux_mutex_create(struct env *env, struct env_mutex **out);
void linux_mutex_destroy(struct env_mutex *m);
void linux_mutex_lock(struct env_mutex *m);
void linux_mutex_unlock(struct env_mutex *m);
enum err linux_cond_create(struct env *env, struct env_cond **out);
void linux_cond_destroy(struct env_cond *c);
void linux_cond_wait(struct env_cond *c, struct env_mutex *m);
bool linux_cond_wait_ns(struct env_cond *c, struct env_mutex *m, uint64_t ns);
void linux_cond_signal(struct env_cond *c);
void linux_cond_broadcast(struct env_cond *c);

/* linux_job.c */
struct linux_poll;
struct linux_jobs;
/* The workers of one poll; none runs before its first job. NULL: out of memory. */
struct linux_jobs *linux_jobs_create(struct linux_poll *poll);
void linux_jobs_destroy(struct linux_jobs *jobs); /* ends and joins the workers */
void linux_jobs_submit(struct linux_jobs *jobs, enum env_lane lane, struct env_job *job);
/* linux_poll.c: a worker hands back a job that has run. */
void linux_poll_job_ran(struct linux_poll *p, struct env_job *job);

/* linux_poll.c */
void linux_job_submit(struct env_poll *poll, enum env_lane lane, struct env_job *job);
size_t linux_job_pending(struct env_poll *poll);
enum err linux_poll_create(struct env *env, struct env_poll **out, struct ectx *ec);
void linux_poll_destroy(struct env_poll *p);
enum err linux_poll_add(struct env_poll *p, struct env_sock *s, unsigned events,
                        void (*fn)(void *ctx, unsigned events), void *ctx, struct ectx *ec);
void linux_poll_change(struct env_poll *p, struct env_sock *s, unsigned events);
void linux_poll_remove(struct env_poll *p, struct env_sock *s);
size_t linux_poll_run(struct env_poll *p, uint64_t timeout_ns);
void linux_poll_post(struct env_poll *p, void (*fn)(void *ctx), void *ctx);
bool linux_poll_is_here(struct env_poll *p);
enum err linux_poll_on_signal(struct env_poll *p, void (*fn)(void *ctx, int signal_number),
                              void *ctx, struct ectx *ec);

/* linux_sock.c. A socket is in at most one poll; the registration lives in it, so adding one
 * allocates nothing. */
struct linux_sock {
    struct env_sock base;
    int fd;
    struct env_poll *poll; /* NULL: in none */
    void (*fn)(void *ctx, unsigned events);
    void *ctx;
};
static inline struct linux_sock *linux_sock_of(struct env_sock *s)
{
    return CONTAINER_OF(s, struct linux_sock, base);
}
enum err linux_listen(struct env *env, const struct env_addr *addr, int backlog,
                      struct env_sock **out, struct ectx *ec);
enum err linux_accept(struct env_sock *listener, struct env_sock **out, struct env_addr *peer,
                      struct ectx *ec);
enum err linux_connect(struct env *env, const struct env_addr *addr, struct env_sock **out,
                       struct ectx *ec);
enum err linux_recv(struct env_sock *s, void *p, size_t n, size_t *got);
enum err linux_sendv(struct env_sock *s, const struct iovec *iov, int iov_count, size_t *sent);
enum err linux_sock_shut(struct env_sock *s);
void linux_sock_close(struct env_sock *s);
enum err linux_sock_local(struct env_sock *s, struct env_addr *out);

#endif
