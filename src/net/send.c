/*
 * Replies: each message has a slot in its connection's queue; a slot that has its reply is sent
 * when it is first in the queue. net_reply only marks; net_flush, at the end of the turn, gathers
 * all ready replies of a connection into few system calls.
 */
#include "core/check.h"
#include "core/mem.h"
#include "net/net_int.h"

#define NET_SEND_IOV_MAX 128
#define NET_SLOTS_KEEP   1024u

struct net_slot *slot_get(struct net *n)
{
    struct list *l = list_pop_front(&n->slots_free);
    struct net_slot *s;
    if (l != NULL) {
        s = CONTAINER_OF(l, struct net_slot, m.link);
        n->slots_free_count--;
        *s = (struct net_slot){0};
    } else {
        s = mem_new(struct net_slot);
        if (s == NULL) {
            return NULL;
        }
    }
    list_init(&s->m.link);
    s->m.internal = s;
    s->net = n;
    n->slots_out++;
    return s;
}

static void slot_release_reply(struct net_slot *s)
{
    if (s->iov != NULL && s->iov != s->inline_iov) {
        mem_free(s->iov);
    }
    s->iov = NULL;
    s->iov_count = 0;
    void (*release)(void *ctx) = s->release;
    s->release = NULL;
    if (release != NULL) {
        release(s->release_ctx);
    }
}

void slot_finish(struct net_slot *s)
{
    if (!s->sent || s->buf != NULL || !s->replied) {
        return;
    }
    struct net *n = s->net;
    n->slots_out--;
    if (n->destroyed) {
        mem_free(s);
        if (n->slots_out == 0) {
            net_free(n);
        }
        return;
    }
    if (n->slots_free_count >= NET_SLOTS_KEEP) {
        mem_free(s);
        return;
    }
    n->slots_free_count++;
    list_push_front(&n->slots_free, &s->m.link);
}

void conn_mark_dirty(struct net_conn *c)
{
    if (list_empty(&c->dirty_link)) {
        list_push_back(&c->net->dirty, &c->dirty_link);
    }
}

void net_reply(struct net_message *m, const struct iovec *iov, int iov_count,
               void (*release)(void *ctx), void *ctx)
{
    struct net_slot *s = m->internal;
    CHECK(!s->replied);
    s->replied = true;
    s->release = release;
    s->release_ctx = ctx;
    struct net_conn *c = m->conn;
    if (c == NULL) {
        s->sent = true;
        slot_release_reply(s);
        slot_finish(s);
        return;
    }
    s->iov = s->inline_iov;
    if (iov_count > NET_IOV_INLINE) {
        s->iov = mem_alloc((size_t)iov_count * sizeof(*iov));
        if (s->iov == NULL) {
            net_conn_close(c, true, "out of memory for a reply");
            return;
        }
    }
    for (int i = 0; i < iov_count; i++) {
        s->iov[i] = iov[i];
        s->bytes += iov[i].iov_len;
    }
    s->iov_count = iov_count;
    c->send_bytes += s->bytes;
    c->net->send_bytes += s->bytes;
    conn_mark_dirty(c);
}

void net_reply_none(struct net_message *m)
{
    net_reply(m, NULL, 0, NULL, NULL);
}

void net_message_release(struct net_message *m)
{
    struct net_slot *s = m->internal;
    struct net *n = s->net;
    CHECK(s->buf != NULL);
    net_inbuf_unref(&n->inbufs, s->buf);
    s->buf = NULL;
    m->p = NULL;
    net_memory_freed(n);
    slot_finish(s); /* last: with it the net itself may go */
}

uint8_t *net_message_take(struct net_message *m, size_t *cap)
{
    const struct net_slot *s = m->internal;
    struct net_inbuf *b = s->buf;
    CHECK(b != NULL);
    if (b->small || b->refs > 1) {
        return NULL;
    }
    uint8_t *p = b->p;
    b->p = NULL;
    *cap = b->cap;
    return p;
}

void slot_orphan(struct net_slot *s)
{
    s->m.conn = NULL;
    if (!s->replied) {
        return;
    }
    s->sent = true;
    if (s->stream != NULL) {
        /* Whoever is told may release the message, and with it the slot. */
        struct net_stream *st = s->stream;
        const bool released = s->buf == NULL;
        s->stream = NULL;
        stream_close(st);
        stream_free(st);
        if (released) {
            slot_finish(s);
        }
        return;
    }
    slot_release_reply(s);
    slot_finish(s);
}

/* Takes a finished slot out of the connection's queue. */
static void slot_leave(struct net_conn *c, struct net_slot *s)
{
    list_remove(&s->m.link);
    c->queued--;
    c->queued_bytes -= s->m.n;
    c->send_bytes -= s->bytes;
    c->net->send_bytes -= s->bytes;
    s->m.conn = NULL;
    s->sent = true;
    if (s->stream != NULL && !s->stream->cut) {
        stream_free(s->stream);
        s->stream = NULL;
    }
    slot_release_reply(s);
    slot_finish(s);
}

/* Accounts `sent` bytes to the replies at the head of the queue; finished ones leave. */
static void queue_consume(struct net_conn *c, size_t sent)
{
    while (!list_empty(&c->queue)) {
        struct net_slot *s = CONTAINER_OF(c->queue.next, struct net_slot, m.link);
        if (!s->replied) {
            break;
        }
        if (s->stream != NULL) {
            sent = stream_consume(c, s->stream, sent);
            if (!s->stream->ended || s->stream->queued > 0) {
                break;
            }
        }
        while (s->iov_at < s->iov_count && sent >= s->iov[s->iov_at].iov_len) {
            sent -= s->iov[s->iov_at].iov_len;
            s->iov_at++;
        }
        if (s->iov_at < s->iov_count) {
            struct iovec *v = &s->iov[s->iov_at];
            v->iov_base = (char *)v->iov_base + sent;
            v->iov_len -= sent;
            break;
        }
        slot_leave(c, s);
    }
}

/* At most `max` pieces of at most `bytes` together. */
static int queue_gather(struct net_conn *c, struct iovec *out, int max, size_t bytes)
{
    int n = 0;
    LIST_FOR_EACH (l, next, &c->queue) {
        struct net_slot *s = CONTAINER_OF(l, struct net_slot, m.link);
        if (!s->replied) {
            break;
        }
        if (s->stream != NULL) {
            n += stream_gather(s->stream, out + n, max - n, &bytes);
            if (!s->stream->ended) {
                break;
            }
        }
        for (int i = s->iov_at; i < s->iov_count && n < max && bytes > 0; i++) {
            out[n] = s->iov[i];
            out[n].iov_len = out[n].iov_len < bytes ? out[n].iov_len : bytes;
            bytes -= out[n++].iov_len;
        }
        if (n == max || bytes == 0) {
            break;
        }
    }
    return n;
}

bool conn_flush(struct net_conn *c)
{
    struct net *n = c->net;
    list_remove(&c->dirty_link);
    if (c->broken) {
        net_conn_close(c, true, "a reply in parts found no memory, or too much was written to it");
        return false;
    }
    size_t left = conn_turn_bytes(n);
    for (;;) {
        queue_consume(c, 0); /* replies without bytes (acks=0) leave at once */
        NOT_ZEROED struct iovec iov[NET_SEND_IOV_MAX];
        int count = queue_gather(c, iov, NET_SEND_IOV_MAX, left);
        if (count == 0) {
            c->blocked_out = false;
            c->send_since_ns = 0;
            break;
        }
        size_t want = 0;
        for (int i = 0; i < count; i++) {
            want += iov[i].iov_len;
        }
        size_t sent = 0;
        enum err e = env_sendv(c->sock, iov, count, &sent);
        if (e == ERR_AGAIN) {
            sent = 0;
        } else if (e != ERR_OK) {
            conn_destroy(c);
            return false;
        }
        uint64_t now = env_mono_ns(n->env);
        if (sent > 0) {
            c->last_active_ns = now;
            c->send_since_ns = 0;
            metric_add(n->bytes_out, sent);
            queue_consume(c, sent);
        }
        left -= sent;
        if (sent < want || left == 0) {
            c->blocked_out = true; /* or its turn is over: the socket wakes us in the next one */
            if (sent < want && c->send_since_ns == 0) {
                c->send_since_ns = now;
            }
            break;
        }
    }
    if (c->closing && list_empty(&c->queue) && !conn_linger(c)) {
        conn_destroy(c);
        return false;
    }
    conn_update_interest(c);
    return true;
}

void net_flush(struct net *n)
{
    ENV_CHECK_LOOP(n->poll);
    struct list *l;
    while ((l = list_pop_front(&n->dirty)) != NULL) {
        IGNORE(conn_flush(CONTAINER_OF(l, struct net_conn, dirty_link)));
    }
    while (!list_empty(&n->graves)) {
        conn_bury(CONTAINER_OF(n->graves.next, struct net_conn, link));
    }
}
