/*
 * Replies in parts: what is written lies in blocks until it was sent. The slot of the message stays
 * in its connection's queue until the reply has ended and all of it is out.
 *
 * Who writes learns that it is too much from net_stream_put, and that there is room again from
 * `room`, which is called in a turn of its own: a fast reader and a fast writer would otherwise
 * keep net_flush to themselves.
 */
#include <string.h>

#include "core/check.h"
#include "core/mem.h"
#include "net/net_int.h"

/* Of a block: the first holds a line or two, and they grow with what is queued. */
#define BLOCK_MIN 4096u
#define BLOCK_MAX 65536u

static struct net_stream *stream_of(const struct net_message *m)
{
    const struct net_slot *s = m->internal;
    return s->stream;
}

MUST_USE bool net_stream_begin(struct net_message *m, const struct net_stream_hooks *hooks,
                               void *ctx)
{
    struct net_slot *s = m->internal;
    CHECK(!s->replied);
    struct net_stream *st = mem_new(struct net_stream);
    if (st == NULL) {
        return false;
    }
    st->slot = s;
    st->hooks = *hooks;
    st->ctx = ctx;
    list_init(&st->blocks);
    list_init(&st->notify_link);
    s->replied = true;
    s->stream = st;
    if (m->conn == NULL) {
        s->sent = true;
        net_stream_cut(m); /* the connection went before it began */
        return true;
    }
    m->conn->streams++;
    conn_update_interest(m->conn);
    return true;
}

static struct net_block *block_add(struct net_stream *st, size_t need)
{
    size_t cap = st->queued < BLOCK_MIN ? BLOCK_MIN : st->queued;
    cap = cap > BLOCK_MAX ? BLOCK_MAX : cap;
    cap = cap < need ? need : cap;
    struct net_block *b = mem_alloc(sizeof(*b) + cap);
    if (b != NULL) {
        b->cap = cap;
        b->n = b->at = 0;
        list_init(&b->link);
        list_push_back(&st->blocks, &b->link);
    }
    return b;
}

static bool put(struct net_stream *st, const uint8_t *p, size_t n)
{
    struct net_block *b =
        list_empty(&st->blocks) ? NULL : CONTAINER_OF(st->blocks.prev, struct net_block, link);
    while (n > 0) {
        size_t room = b == NULL ? 0 : b->cap - b->n;
        if (room == 0) {
            b = block_add(st, n < BLOCK_MAX ? n : BLOCK_MAX);
            if (b == NULL) {
                return false;
            }
            continue;
        }
        const size_t part = n < room ? n : room;
        memcpy(b->bytes + b->n, p, part);
        b->n += part;
        st->queued += part;
        p += part;
        n -= part;
    }
    return true;
}

bool net_stream_put(struct net_message *m, const struct iovec *iov, int iov_count)
{
    struct net_stream *st = stream_of(m);
    struct net_conn *c = m->conn;
    if (c == NULL || st == NULL || st->ended || c->broken) {
        return false;
    }
    const size_t before = st->queued;
    bool ok = st->queued < NET_STREAM_MAX;
    for (int i = 0; i < iov_count && ok; i++) {
        ok = put(st, iov[i].iov_base, iov[i].iov_len);
    }
    c->send_bytes += st->queued - before;
    c->net->send_bytes += st->queued - before;
    c->broken = !ok;
    conn_mark_dirty(c);
    const size_t share = conn_stream_share(c->net);
    if (ok && st->queued <= (share < NET_STREAM_HIGH ? share : NET_STREAM_HIGH)) {
        return true;
    }
    const size_t half = st->queued / 2 + 1;
    st->wake_below = half < NET_STREAM_LOW ? half : NET_STREAM_LOW;
    return false;
}

size_t net_stream_queued(const struct net_message *m)
{
    const struct net_stream *st = stream_of(m);
    return st == NULL ? 0 : st->queued;
}

void net_notify(struct net *n)
{
    struct list now;
    if (list_empty(&n->notify)) {
        return;
    }
    now = n->notify;
    now.next->prev = &now;
    now.prev->next = &now;
    list_init(&n->notify);
    struct list *l;
    while ((l = list_pop_front(&now)) != NULL) {
        struct net_stream *st = CONTAINER_OF(l, struct net_stream, notify_link);
        if (!st->cut) {
            st->hooks.room(st->ctx);
            continue;
        }
        struct net_slot *s = st->slot;
        const bool released = s->buf == NULL;
        const bool left = s->sent;
        st->cut = false;
        void (*closed)(void *ctx) = st->hooks.closed;
        void *closed_ctx = st->ctx;
        if (left) {
            s->stream = NULL;
            stream_free(st);
        }
        closed(closed_ctx);
        if (left && released) {
            slot_finish(s);
        }
    }
}

static void on_notify(void *ctx)
{
    struct net *n = ctx;
    n->notify_posted = false;
    net_notify(n);
}

static void notify_soon(struct net_stream *st)
{
    struct net *n = st->slot->net;
    if (!list_empty(&st->notify_link)) {
        return;
    }
    list_push_back(&n->notify, &st->notify_link);
    if (!n->notify_posted) {
        n->notify_posted = true;
        env_poll_post(n->poll, on_notify, n);
    }
}

/* It was cut and ends before `closed` was called: nobody is told any more. */
static void untell(struct net_stream *st)
{
    struct net_slot *s = st->slot;
    st->cut = false;
    list_remove(&st->notify_link);
    if (s->sent) {
        s->stream = NULL;
        stream_free(st);
    }
}

void net_stream_end(struct net_message *m)
{
    struct net_stream *st = stream_of(m);
    if (st == NULL || st->ended) {
        if (st != NULL && st->cut) {
            untell(st);
        }
        return;
    }
    st->ended = true;
    list_remove(&st->notify_link);
    conn_mark_dirty(m->conn);
    conn_stream_ended(m->conn);
}

void net_stream_cut(struct net_message *m)
{
    struct net_stream *st = stream_of(m);
    if (st == NULL || st->ended) {
        return;
    }
    if (m->conn != NULL) {
        net_stream_end(m);
    }
    st->ended = st->cut = true;
    notify_soon(st);
}

void conn_streams_cut(struct net_conn *c)
{
    LIST_FOR_EACH (l, next, &c->queue) {
        struct net_slot *s = CONTAINER_OF(l, struct net_slot, m.link);
        if (s->stream != NULL && !s->stream->ended) {
            void (*closed)(void *ctx) = s->stream->hooks.closed;
            void *ctx = s->stream->ctx;
            net_stream_end(&s->m);
            closed(ctx);
        }
    }
}

int stream_gather(const struct net_stream *st, struct iovec *out, int max, size_t *bytes)
{
    int n = 0;
    for (const struct list *l = st->blocks.next; l != &st->blocks; l = l->next) {
        struct net_block *b = CONTAINER_OF((struct list *)(uintptr_t)l, struct net_block, link);
        if (n == max || *bytes == 0) {
            break;
        }
        size_t part = b->n - b->at;
        part = part < *bytes ? part : *bytes;
        out[n++] = (struct iovec){b->bytes + b->at, part};
        *bytes -= part;
    }
    return n;
}

size_t stream_consume(struct net_conn *c, struct net_stream *st, size_t sent)
{
    size_t gone = 0;
    while (sent > gone && !list_empty(&st->blocks)) {
        struct net_block *b = CONTAINER_OF(st->blocks.next, struct net_block, link);
        const size_t part = b->n - b->at < sent - gone ? b->n - b->at : sent - gone;
        b->at += part;
        gone += part;
        if (b->at == b->n) {
            list_remove(&b->link);
            mem_free(b);
        }
    }
    st->queued -= gone;
    c->send_bytes -= gone;
    c->net->send_bytes -= gone;
    if (st->wake_below > 0 && st->queued < st->wake_below && !st->ended) {
        st->wake_below = 0;
        notify_soon(st);
    }
    return sent - gone;
}

void stream_close(struct net_stream *st)
{
    if (!st->ended || st->cut) {
        st->ended = true;
        st->cut = false;
        list_remove(&st->notify_link);
        st->hooks.closed(st->ctx);
    }
}

void stream_free(struct net_stream *st)
{
    struct list *l;
    while ((l = list_pop_front(&st->blocks)) != NULL) {
        mem_free(CONTAINER_OF(l, struct net_block, link));
    }
    list_remove(&st->notify_link);
    mem_free(st);
}

bool net_conn_say(struct net_conn *c, struct str literal)
{
    struct net_slot *s = c->dead ? NULL : slot_get(c->net);
    if (s == NULL) {
        return false;
    }
    s->m.conn = c;
    s->replied = true;
    s->iov = s->inline_iov;
    s->inline_iov[0] = (struct iovec){(void *)(uintptr_t)literal.p, literal.n};
    s->iov_count = 1;
    s->bytes = literal.n;
    list_push_back(&c->queue, &s->m.link);
    c->queued++;
    c->send_bytes += s->bytes;
    c->net->send_bytes += s->bytes;
    conn_mark_dirty(c);
    return true;
}

/* A few bytes while a reply in parts lasts. They wait; that there are none any more is the point.
 */
void conn_listen(struct net_conn *c)
{
    uint8_t ahead[NET_AHEAD];
    const size_t have = c->in == NULL ? 0 : c->in->n - c->in_start;
    size_t got = 0;
    enum err e = env_recv(c->sock, ahead, NET_AHEAD - have, &got);
    if (e == ERR_AGAIN) {
        return;
    }
    if (e != ERR_OK || got == 0) {
        conn_destroy(c);
        return;
    }
    struct net_inbuf *b = net_inbuf_small(&c->net->inbufs, NET_AHEAD);
    if (b == NULL) {
        net_conn_close(c, true, "out of memory for a request");
        return;
    }
    if (have > 0) {
        memcpy(b->p, c->in->p + c->in_start, have);
    }
    memcpy(b->p + have, ahead, got);
    b->n = have + got;
    if (c->in != NULL) {
        net_inbuf_unref(&c->net->inbufs, c->in);
    }
    c->in = b;
    c->in_start = 0;
    c->last_active_ns = env_mono_ns(c->net->env);
    metric_add(c->net->bytes_in, got);
    conn_update_interest(c);
}

void conn_stream_ended(struct net_conn *c)
{
    c->streams--;
    if (c->in != NULL && c->in->n > c->in_start) {
        c->message_since_ns = env_mono_ns(c->net->env); /* it was us who did not read */
        net_resume_soon(c);
    }
    conn_update_interest(c);
}
