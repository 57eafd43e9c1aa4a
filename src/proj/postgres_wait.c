/*
 * Breaking off. libpq waits for an answer for ever, and a server that is stopped, hangs or is cut
 * off never gives one. So the socket is shut down, from another thread: that the peer is gone is
 * something libpq can deal with. It is our duplicate, as libpq closes its own whenever it likes.
 *
 * When: at the end of the process, and when an answer is overdue. The server ends a statement by
 * itself at its statement_timeout; who has not answered a few seconds after that does not any more.
 */
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/check.h"
#include "core/compiler.h"
#include "proj/postgres_int.h"

static uint64_t now_ns(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void postgres_wait_init(struct target_library *l)
{
    CHECK(pthread_mutex_init(&l->mutex, NULL) == 0);
}

void postgres_wait_deinit(struct target_library *l)
{
    CHECK(pthread_mutex_destroy(&l->mutex) == 0);
}

/* Under the lock. */
static void shut(struct postgres_socket *s)
{
    IGNORE(shutdown(s->copy, SHUT_RDWR) == 0);
}

MUST_USE enum err postgres_wait_add(struct target_db *db, struct ectx *ec)
{
    struct target_library *l = db->l;
    int copy = dup(l->PQsocket(db->conn));
    if (copy < 0) {
        return ectx_fail(ec, ERR_AGAIN, "no descriptor for a connection to PostgreSQL");
    }
    pthread_mutex_lock(&l->mutex);
    size_t i = 0;
    while (i < POSTGRES_SOCKETS_MAX && l->sockets[i].used) {
        i++;
    }
    if (i < POSTGRES_SOCKETS_MAX) {
        struct postgres_socket *s = &l->sockets[i];
        s->used = true;
        s->copy = copy;
        atomic_store(&s->deadline_ns, 0);
        atomic_store(&s->broken, false);
        l->socket_end = i < l->socket_end ? l->socket_end : i + 1;
        db->socket = s;
        if (l->interrupted) {
            shut(s);
        }
    }
    pthread_mutex_unlock(&l->mutex);
    if (db->socket == NULL) {
        (void)close(copy);
        return ectx_fail(ec, ERR_AGAIN, "more than %u connections to PostgreSQL",
                         POSTGRES_SOCKETS_MAX);
    }
    return ERR_OK;
}

void postgres_wait_remove(struct target_db *db)
{
    struct target_library *l = db->l;
    if (db->socket == NULL) {
        return;
    }
    pthread_mutex_lock(&l->mutex);
    (void)close(db->socket->copy);
    db->socket->used = false;
    while (l->socket_end > 0 && !l->sockets[l->socket_end - 1].used) {
        l->socket_end--;
    }
    pthread_mutex_unlock(&l->mutex);
    db->socket = NULL;
}

void postgres_wait(struct target_db *db)
{
    if (db->socket != NULL && db->limit_ns != 0) {
        atomic_store_explicit(&db->socket->deadline_ns, now_ns() + db->limit_ns + POSTGRES_GRACE_NS,
                              memory_order_relaxed);
    }
}

void postgres_waited(struct target_db *db)
{
    if (db->socket != NULL) {
        atomic_store_explicit(&db->socket->deadline_ns, 0, memory_order_relaxed);
    }
}

bool postgres_wait_was_broken(const struct target_db *db)
{
    return db->socket != NULL && atomic_load(&db->socket->broken);
}

void postgres_interrupt(struct target_library *l)
{
    pthread_mutex_lock(&l->mutex);
    l->interrupted = true; /* those to come, too */
    for (size_t i = 0; i < l->socket_end; i++) {
        if (l->sockets[i].used) {
            shut(&l->sockets[i]);
        }
    }
    pthread_mutex_unlock(&l->mutex);
}

void postgres_expire(struct target_library *l)
{
    uint64_t now = now_ns();
    pthread_mutex_lock(&l->mutex);
    for (size_t i = 0; i < l->socket_end; i++) {
        struct postgres_socket *s = &l->sockets[i];
        uint64_t deadline = atomic_load_explicit(&s->deadline_ns, memory_order_relaxed);
        if (s->used && deadline != 0 && now > deadline && !atomic_load(&s->broken)) {
            atomic_store(&s->broken, true);
            shut(s);
        }
    }
    pthread_mutex_unlock(&l->mutex);
}
