/* Forwards each function of env.h to the world that the handle belongs to; see env_int.h. What is
 * the same in every world (NULL handles, pwrite as a pwritev of one piece) is done here. */
#include "env/env_int.h"

uint64_t env_mono_ns(struct env *env)
{
    return env->ops->mono_ns(env);
}

int64_t env_wall_ms(struct env *env)
{
    return env->ops->wall_ms(env);
}

void env_random(struct env *env, void *out, size_t n)
{
    env->ops->random(env, out, n);
}

void env_sleep_ns(struct env *env, uint64_t ns)
{
    env->ops->sleep_ns(env, ns);
}

enum err env_file_open(struct env *env, const char *path, unsigned flags, struct env_file **out,
                       struct ectx *ec)
{
    return env->ops->file_open(env, path, flags, out, ec);
}

void env_file_close(struct env_file *f)
{
    if (f != NULL) {
        f->ops->file_close(f);
    }
}

bool env_file_is_direct(const struct env_file *f)
{
    return f->ops->file_is_direct(f);
}

const char *env_file_path(const struct env_file *f)
{
    return f->ops->file_path(f);
}

enum err env_file_pread(struct env_file *f, void *p, size_t n, uint64_t offset, size_t *got,
                        struct ectx *ec)
{
    return f->ops->file_pread(f, p, n, offset, got, ec);
}

enum err env_file_pread_cached(struct env_file *f, void *p, size_t n, uint64_t offset, size_t *got,
                               struct ectx *ec)
{
    return f->ops->file_pread_cached(f, p, n, offset, got, ec);
}

bool env_file_peek(struct env_file *f, void *p, size_t n, uint64_t offset)
{
    return f->ops->file_peek(f, p, n, offset);
}

void env_file_soon(struct env_file *f, uint64_t offset, size_t n)
{
    if (f->ops->file_soon != NULL) {
        f->ops->file_soon(f, offset, n);
    }
}

enum err env_file_pwritev(struct env_file *f, const struct iovec *iov, int iov_count,
                          uint64_t offset, struct ectx *ec)
{
    return f->ops->file_pwritev(f, iov, iov_count, offset, ec);
}

enum err env_file_pwrite(struct env_file *f, const void *p, size_t n, uint64_t offset,
                         struct ectx *ec)
{
    /* struct iovec serves reading too, so its pointer is not const. */
    struct iovec piece = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
    return f->ops->file_pwritev(f, &piece, 1, offset, ec);
}

enum err env_flush_refused(struct ectx *ec, const char *path)
{
    return ectx_fail(ec, ERR_IO,
                     "could not flush '%s': an earlier flush failed, and what came after it would "
                     "prove nothing",
                     path);
}

enum err env_file_datasync(struct env_file *f, struct ectx *ec)
{
    return f->ops->file_datasync(f, ec);
}

enum err env_file_allocate(struct env_file *f, uint64_t offset, uint64_t n, bool extend,
                           struct ectx *ec)
{
    return f->ops->file_allocate(f, offset, n, extend, ec);
}

enum err env_file_truncate(struct env_file *f, uint64_t size, struct ectx *ec)
{
    return f->ops->file_truncate(f, size, ec);
}

enum err env_file_size(struct env_file *f, uint64_t *out, struct ectx *ec)
{
    return f->ops->file_size(f, out, ec);
}

void env_file_drop_cache(struct env_file *f, uint64_t offset, uint64_t n)
{
    f->ops->file_drop_cache(f, offset, n);
}

enum err env_rename(struct env *env, const char *from, const char *to, struct ectx *ec)
{
    return env->ops->rename(env, from, to, ec);
}

enum err env_unlink(struct env *env, const char *path, struct ectx *ec)
{
    return env->ops->unlink(env, path, ec);
}

enum err env_dir_make(struct env *env, const char *path, struct ectx *ec)
{
    return env->ops->dir_make(env, path, ec);
}

enum err env_dir_remove(struct env *env, const char *path, struct ectx *ec)
{
    return env->ops->dir_remove(env, path, ec);
}

enum err env_dir_sync(struct env *env, const char *path, struct ectx *ec)
{
    return env->ops->dir_sync(env, path, ec);
}

enum err env_dir_list(struct env *env, const char *path,
                      bool (*fn)(void *ctx, const char *name, bool is_dir), void *ctx,
                      struct ectx *ec)
{
    return env->ops->dir_list(env, path, fn, ctx, ec);
}

enum err env_stat(struct env *env, const char *path, struct env_stat *out, struct ectx *ec)
{
    return env->ops->stat(env, path, out, ec);
}

enum err env_fs_sync(struct env *env, const char *path, struct ectx *ec)
{
    return env->ops->fs_sync(env, path, ec);
}

enum err env_fs_space(struct env *env, const char *path, uint64_t *free_bytes,
                      uint64_t *total_bytes, struct ectx *ec)
{
    return env->ops->fs_space(env, path, free_bytes, total_bytes, ec);
}

enum err env_lock_take(struct env *env, const char *path, struct env_lock **out, struct ectx *ec)
{
    return env->ops->lock_take(env, path, out, ec);
}

void env_lock_release(struct env_lock *lock)
{
    if (lock != NULL) {
        lock->ops->lock_release(lock);
    }
}

enum err env_thread_start(struct env *env, const char *name, void (*fn)(void *ctx), void *ctx,
                          struct env_thread **out, struct ectx *ec)
{
    return env->ops->thread_start(env, name, fn, ctx, out, ec);
}

void env_thread_join(struct env_thread *t)
{
    if (t != NULL) {
        t->ops->thread_join(t);
    }
}

enum err env_mutex_create(struct env *env, struct env_mutex **out)
{
    return env->ops->mutex_create(env, out);
}

void env_mutex_destroy(struct env_mutex *m)
{
    if (m != NULL) {
        m->ops->mutex_destroy(m);
    }
}

void env_mutex_lock(struct env_mutex *m)
{
    m->ops->mutex_lock(m);
}

void env_mutex_unlock(struct env_mutex *m)
{
    m->ops->mutex_unlock(m);
}

enum err env_cond_create(struct env *env, struct env_cond **out)
{
    return env->ops->cond_create(env, out);
}

void env_cond_destroy(struct env_cond *c)
{
    if (c != NULL) {
        c->ops->cond_destroy(c);
    }
}

void env_cond_wait(struct env_cond *c, struct env_mutex *m)
{
    c->ops->cond_wait(c, m);
}

bool env_cond_wait_ns(struct env_cond *c, struct env_mutex *m, uint64_t ns)
{
    return c->ops->cond_wait_ns(c, m, ns);
}

void env_cond_signal(struct env_cond *c)
{
    c->ops->cond_signal(c);
}

void env_cond_broadcast(struct env_cond *c)
{
    c->ops->cond_broadcast(c);
}

void env_job_submit(struct env_poll *poll, enum env_lane lane, struct env_job *job)
{
    ENV_CHECK_LOOP(poll);
    poll->ops->job_submit(poll, lane, job);
}

size_t env_job_pending(struct env_poll *poll)
{
    return poll->ops->job_pending(poll);
}

enum err env_poll_create(struct env *env, struct env_poll **out, struct ectx *ec)
{
    return env->ops->poll_create(env, out, ec);
}

void env_poll_destroy(struct env_poll *p)
{
    if (p != NULL) {
        p->ops->poll_destroy(p);
    }
}

enum err env_poll_add(struct env_poll *p, struct env_sock *s, unsigned events,
                      void (*fn)(void *ctx, unsigned events), void *ctx, struct ectx *ec)
{
    ENV_CHECK_LOOP(p);
    return p->ops->poll_add(p, s, events, fn, ctx, ec);
}

void env_poll_change(struct env_poll *p, struct env_sock *s, unsigned events)
{
    ENV_CHECK_LOOP(p);
    p->ops->poll_change(p, s, events);
}

void env_poll_remove(struct env_poll *p, struct env_sock *s)
{
    ENV_CHECK_LOOP(p);
    p->ops->poll_remove(p, s);
}

size_t env_poll_run(struct env_poll *p, uint64_t timeout_ns)
{
    return p->ops->poll_run(p, timeout_ns);
}

void env_poll_post(struct env_poll *p, void (*fn)(void *ctx), void *ctx)
{
    p->ops->poll_post(p, fn, ctx);
}

bool env_poll_is_here(struct env_poll *p)
{
    return p->ops->poll_is_here(p);
}

enum err env_poll_on_signal(struct env_poll *p, void (*fn)(void *ctx, int signal_number), void *ctx,
                            struct ectx *ec)
{
    return p->ops->poll_on_signal(p, fn, ctx, ec);
}

enum err env_listen(struct env *env, const struct env_addr *addr, int backlog,
                    struct env_sock **out, struct ectx *ec)
{
    return env->ops->listen(env, addr, backlog, out, ec);
}

enum err env_accept(struct env_sock *listener, struct env_sock **out, struct env_addr *peer,
                    struct ectx *ec)
{
    return listener->ops->accept(listener, out, peer, ec);
}

enum err env_connect(struct env *env, const struct env_addr *addr, struct env_sock **out,
                     struct ectx *ec)
{
    return env->ops->connect(env, addr, out, ec);
}

enum err env_recv(struct env_sock *s, void *p, size_t n, size_t *got)
{
    return s->ops->recv(s, p, n, got);
}

enum err env_sendv(struct env_sock *s, const struct iovec *iov, int iov_count, size_t *sent)
{
    return s->ops->sendv(s, iov, iov_count, sent);
}

enum err env_sock_shut(struct env_sock *s)
{
    return s->ops->sock_shut(s);
}

void env_sock_close(struct env_sock *s)
{
    if (s != NULL) {
        s->ops->sock_close(s);
    }
}

enum err env_sock_local(struct env_sock *s, struct env_addr *out)
{
    return s->ops->sock_local(s, out);
}

uint64_t env_rss_bytes(struct env *env, uint64_t *files)
{
    return env->ops->rss_bytes(env, files);
}

uint64_t env_cpu_ns(struct env *env)
{
    return env->ops->cpu_ns(env);
}

uint64_t env_open_files(struct env *env)
{
    return env->ops->open_files(env);
}

uint64_t env_open_files_limit(struct env *env)
{
    return env->ops->open_files_limit(env);
}

void env_destroy(struct env *env)
{
    if (env != NULL) {
        env->ops->destroy(env);
    }
}
