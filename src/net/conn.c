/*
 * A connection: receives into a buffer, cuts it into messages with its protocol's `measure`, hands
 * them over, and is closed when the peer is gone, slow, idle or wrong.
 *
 * Reading is switched off (the socket is not polled for input) while: the connection is paused by
 * its protocol, its pipeline or send queue is full, its share of what is in progress is used up, or
 * there is no memory for it. That is the back-pressure: TCP holds the peer.
 *
 * Shares, so that a greedy peer costs the others little:
 * - of the loop: a turn takes a bounded number of bytes and a bounded time from one connection;
 * what else it has waits for the next turn.
 * - of the log: the others' messages wait for what is in progress before them. So the bytes of
 *   messages that are not answered are limited when others are busy too, to the same for each
 *   (in_progress_share). One message is always in progress, however large.
 * - of memory: a connection may hold an eighth of what is free, for requests and for replies.
 * However many are greedy, something stays free for the modest, and one alone gets a ninth of all.
 */
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "net/net_int.h"

/* One turn takes at most this much from all busy connections, in equal shares, and sends them as
 * much; a share is at least the second, however many they are.
 */
#define CONN_TURN_BYTES     (2u * 1024 * 1024)
#define CONN_TURN_BYTES_MIN (256u * 1024)
/* A reply of chosen size (net_conn_reply_bytes), when others are busy: half a millisecond of work.
 */
#define CONN_REPLY_BYTES_SHARED (1024u * 1024)
/* ... and begins no more messages after this time: a few bytes can ask for much work. */
#define CONN_TURN_NS 100000u
/* Busy is who handed over a message in this time or the same time before it. */
#define CONN_WINDOW_NS 100000000u
/* Unanswered messages of all busy connections together, when there are several, and what each may
 * have however many there are. Of 4 MiB a disk that writes 400 MB/s makes 10 ms. */
#define CONN_IN_PROGRESS     (4u * 1024 * 1024)
#define CONN_IN_PROGRESS_MIN (64u * 1024)
/* Who is alone may have more, but not what would only lie in memory: the log writes a group while
 * the next one gathers. */
#define CONN_IN_PROGRESS_ALONE (8u * 1024 * 1024)
/* Of free memory one connection may hold one part in so many. */
#define CONN_MEMORY_PART 8
/* Replies of all connections together, in send queues of one. */
#define CONN_REPLIES_TOTAL 4
/* First receive of a message: its size is not known yet. On a connection whose messages are small
 * it is less: a long poll holds its buffer for as long as it waits, and there may be thousands. */
#define CONN_FIRST_RECV       NET_LAY_MIN
#define CONN_FIRST_RECV_SMALL POOL_MIN
#define CONN_SMALL_MESSAGE    (4u * 1024)
/* Of which less has arrived is not received to its end at once: where it shall lie may not be known
 * yet. */
#define CONN_BEGINNING 1024u
/* Up to this size a buffer is made for the whole message at once; above, it doubles with what has
 * arrived. */
#define CONN_GROW_AT_ONCE (2u * 1024 * 1024)
/* Of a reply in parts as much may be queued however many there are. */
#define CONN_STREAM_MIN (16u * 1024)

/* Who has no reply to be sent may always ask for one: the others do not depend on a slow reader. */
static bool may_reply(const struct net_conn *c)
{
    const struct net *n = c->net;
    uint64_t total = CONN_REPLIES_TOTAL * n->cfg.send_queue_bytes;
    uint64_t free = total > n->send_bytes ? total - n->send_bytes : 0;
    return c->send_bytes == 0 ||
           (c->send_bytes < n->cfg.send_queue_bytes && c->send_bytes <= free / CONN_MEMORY_PART);
}

static bool may_read(const struct net_conn *c)
{
    return !c->dead && !c->closing && !c->paused && c->streams == 0 && c->over_share == 0 &&
           c->queued < NET_PIPELINE_MAX && may_reply(c) && list_empty(&c->starved_link);
}

static size_t unread(const struct net_conn *c)
{
    return c->in == NULL ? 0 : c->in->n - c->in_start;
}

/* While a reply in parts lasts: is there room for a few bytes, so that the peer's end is seen? */
static bool may_listen(const struct net_conn *c)
{
    return c->streams > 0 && !c->dead && !c->closing && !c->paused && unread(c) < NET_AHEAD;
}

static uint32_t busy_conns(const struct net *n)
{
    return n->busy > n->busy_before ? n->busy : n->busy_before;
}

size_t conn_turn_bytes(const struct net *n)
{
    const uint32_t busy = busy_conns(n);
    const size_t share = CONN_TURN_BYTES / (busy > 0 ? busy : 1);
    return share > CONN_TURN_BYTES_MIN ? share : CONN_TURN_BYTES_MIN;
}

size_t net_conn_reply_bytes(const struct net_conn *c)
{
    return busy_conns(c->net) <= 1 ? SIZE_MAX : CONN_REPLY_BYTES_SHARED;
}

size_t conn_stream_share(const struct net *n)
{
    const uint64_t total = CONN_REPLIES_TOTAL * n->cfg.send_queue_bytes;
    const uint64_t free = total > n->send_bytes ? total - n->send_bytes : 0;
    const uint64_t share = free / CONN_MEMORY_PART;
    return share < CONN_STREAM_MIN ? CONN_STREAM_MIN : (size_t)share;
}

static size_t in_progress_share(const struct net *n)
{
    uint32_t busy = busy_conns(n);
    if (busy <= 1) {
        return CONN_IN_PROGRESS_ALONE;
    }
    size_t share = CONN_IN_PROGRESS / busy;
    return share > CONN_IN_PROGRESS_MIN ? share : CONN_IN_PROGRESS_MIN;
}

static bool fits_share(const struct net_conn *c, size_t message_bytes)
{
    return c->queued == 0 || c->queued_bytes + message_bytes <= in_progress_share(c->net);
}

static void note_busy(struct net_conn *c, uint64_t now)
{
    struct net *n = c->net;
    if (now - n->window_since_ns >= CONN_WINDOW_NS) {
        n->busy_before = now - n->window_since_ns < 2 * CONN_WINDOW_NS ? n->busy : 0;
        n->busy = 0;
        n->window++;
        n->window_since_ns = now;
    }
    if (c->window != n->window) {
        c->window = n->window;
        n->busy++;
    }
}

void conn_update_interest(struct net_conn *c)
{
    if (c->over_share > 0 && fits_share(c, c->over_share)) {
        c->over_share = 0;
    }
    if (!list_empty(&c->starved_link)) {
        conn_feed(c);
    }
    const bool reads = may_read(c) || may_listen(c) || c->linger_since_ns != 0;
    unsigned want = (reads ? ENV_POLL_IN : 0u) | (c->blocked_out ? ENV_POLL_OUT : 0u);
    if (want == c->interest || c->dead) {
        return;
    }
    bool reads_again = (want & ~c->interest & ENV_POLL_IN) != 0;
    c->interest = want;
    env_poll_change(c->net->poll, c->sock, want);
    if (reads_again && c->message_since_ns != 0) {
        c->message_since_ns = env_mono_ns(c->net->env); /* it was us who did not read */
    }
    if (reads_again && c->in != NULL && c->in->n > c->in_start) {
        /* Whole messages may lie in the buffer already; the socket would not wake us for them. */
        net_resume_soon(c);
    }
}

static void on_events(void *ctx, unsigned events)
{
    struct net_conn *c = ctx;
    if ((events & ENV_POLL_OUT) != 0 && !conn_flush(c)) {
        return;
    }
    if ((events & ENV_POLL_IN) != 0 && c->linger_since_ns != 0) {
        conn_discard(c);
        return;
    }
    if ((events & ENV_POLL_IN) != 0 && may_read(c)) {
        conn_read(c);
        return;
    }
    if ((events & ENV_POLL_IN) != 0 && may_listen(c)) {
        conn_listen(c);
        return;
    }
    if ((events & ENV_POLL_ERROR) != 0 && (events & ENV_POLL_IN) == 0) {
        conn_destroy(c);
    }
}

void conn_create(struct net_listener *l, struct env_sock *sock, const struct env_addr *peer)
{
    struct net *n = l->net;
    struct net_conn *c = mem_new(struct net_conn);
    if (c == NULL) {
        env_sock_close(sock);
        return;
    }
    c->net = n;
    c->listener = l;
    c->sock = sock;
    c->peer = *peer;
    c->last_active_ns = env_mono_ns(n->env);
    list_init(&c->dirty_link);
    list_init(&c->starved_link);
    list_init(&c->resume_link);
    list_init(&c->queue);
    c->interest = ENV_POLL_IN;
    if (env_sock_local(sock, &c->local) != ERR_OK ||
        env_poll_add(n->poll, sock, c->interest, on_events, c, NULL) != ERR_OK) {
        env_sock_close(sock);
        mem_free(c);
        return;
    }
    list_init(&c->link);
    list_push_back(&n->conns, &c->link);
    n->conn_count++;
    metric_set(l->open_gauge, metric_value(l->open_gauge) + 1);
    c->state = l->protocol->opened(l->ctx, c);
    if (c->state == NULL) {
        conn_destroy(c);
    }
}

/*
 * The connection is dead at once (no more events, replies dropped); its memory and the protocol's
 * state go at the end of the turn (conn_bury), because whoever closes it may stand on them.
 */
void conn_destroy(struct net_conn *c)
{
    struct net *n = c->net;
    if (c->dead) {
        return;
    }
    c->dead = true;
    n->lingering -= c->linger_since_ns != 0 ? 1u : 0u;
    env_poll_remove(n->poll, c->sock);
    env_sock_close(c->sock);
    list_remove(&c->link);
    list_remove(&c->dirty_link);
    list_remove(&c->starved_link);
    list_remove(&c->resume_link);
    list_push_back(&n->graves, &c->link);
    n->send_bytes -= c->send_bytes;
    if (n->exempt == c) {
        n->exempt = NULL;
    }
    n->conn_count--;
    metric_set(c->listener->open_gauge, metric_value(c->listener->open_gauge) - 1);
    LIST_FOR_EACH (m, next, &c->queue) {
        CONTAINER_OF(m, struct net_slot, m.link)->m.conn = NULL;
    }
    struct list *l;
    while ((l = list_pop_front(&c->queue)) != NULL) {
        slot_orphan(CONTAINER_OF(l, struct net_slot, m.link));
    }
    if (c->in != NULL) {
        net_inbuf_unref(&n->inbufs, c->in);
        c->in = NULL;
    }
    net_memory_freed(n);
}

void conn_bury(struct net_conn *c)
{
    list_remove(&c->link);
    if (c->state != NULL) {
        c->listener->protocol->closed(c->state);
    }
    mem_free(c);
}

/* How large the buffer should be for the current message, whose whole size is `total` (0: unknown).
 */
static size_t room_wanted(const struct net_conn *c, size_t total)
{
    size_t have = unread(c);
    if (total == 0) {
        bool small = have == 0 && c->expect > 0 && c->expect <= CONN_SMALL_MESSAGE;
        size_t first = have + (small ? CONN_FIRST_RECV_SMALL : CONN_FIRST_RECV);
        bool as_last = have == 0 && c->expect > first && c->expect <= CONN_GROW_AT_ONCE;
        return as_last ? c->expect : first;
    }
    if (total <= CONN_GROW_AT_ONCE) {
        return total;
    }
    size_t grown = have < CONN_GROW_AT_ONCE ? CONN_GROW_AT_ONCE : have * 2;
    return grown < total ? grown : total;
}

/* Is it worth a place of its own? Above CONN_GROW_AT_ONCE the buffer is changed on the way. */
static bool is_laid(const struct net_conn *c, size_t bytes)
{
    return c->listener->protocol->lay != NULL && bytes > NET_LAY_MIN && bytes < CONN_GROW_AT_ONCE;
}

/* Does the current message lie where its protocol wants it? One of which much has arrived stays
 * where it is. */
static bool lies_well(struct net_conn *c, size_t total)
{
    size_t have = unread(c);
    if (!is_laid(c, total) || have == 0 || have > CONN_FIRST_RECV + CONN_BEGINNING) {
        return true;
    }
    size_t lay = c->listener->protocol->lay(c->state, c->in->p + c->in_start, have);
    if (lay == NET_ANYWHERE) {
        return true;
    }
    c->lay = lay;
    return c->in_start % POOL_ALIGN == lay;
}

static bool has_room(const struct net_conn *c, size_t total)
{
    if (c->in == NULL || c->in->n == c->in->cap) {
        return false;
    }
    size_t cap = c->in->cap - c->in_start;
    return total == 0 || total <= cap || (total > CONN_GROW_AT_ONCE && cap >= CONN_GROW_AT_ONCE);
}

/* A buffer of `want` bytes for the current message; what has arrived of it moves there. A large one
 * gets its place. */
static bool make_room(struct net_conn *c, size_t want)
{
    struct net *n = c->net;
    size_t have = unread(c);
    size_t start = is_laid(c, want) ? c->lay : 0;
    struct net_inbuf *b = net_inbuf_get(&n->inbufs, start + want);
    if (b == NULL) {
        return false;
    }
    if (have > 0) {
        memcpy(b->p + start, c->in->p + c->in_start, have);
    }
    b->n = start + have;
    if (c->in != NULL) {
        net_inbuf_unref(&n->inbufs, c->in);
    }
    c->in = b;
    c->in_start = start;
    return true;
}

/* The message that begins at in_start gets a reference to the buffer, or the connection's own when
 * it is large and nothing lies behind it: it may then be taken (net_message_take). */
static void give_buffer(struct net_conn *c, struct net_slot *s, size_t total)
{
    s->buf = c->in;
    s->m.p = c->in->p + c->in_start;
    c->in_start += total;
    if (total > NET_LAY_MIN && c->in_start == c->in->n) {
        c->in = NULL;
        c->in_start = 0;
    } else {
        c->in->refs++;
    }
}

/* Hands over the message [in_start, in_start + total); false: the connection was destroyed. */
static bool hand_over(struct net_conn *c, size_t total, uint64_t now)
{
    struct net *n = c->net;
    struct net_slot *s = slot_get(n);
    if (s == NULL) {
        net_conn_close(c, true, "out of memory for a message");
        return false;
    }
    s->buf = total <= NET_INBUF_SMALL ? net_inbuf_small(&n->inbufs, total) : NULL;
    if (s->buf != NULL) {
        memcpy(s->buf->p, c->in->p + c->in_start, total);
        s->m.p = s->buf->p;
        c->in_start += total;
    } else {
        give_buffer(c, s, total);
    }
    s->m.conn = c;
    s->m.n = total;
    s->m.received_ns = now;
    c->expect = total;
    c->message_since_ns = 0;
    list_push_back(&c->queue, &s->m.link);
    c->queued++;
    c->queued_bytes += total;
    note_busy(c, now);
    if (n->exempt == c) {
        n->exempt = NULL; /* for one message */
        net_memory_freed(n);
    }
    if (c->handed_over_turn != n->turn) {
        c->handed_over_turn = n->turn;
        n->active++;
    }
    c->listener->protocol->message(c->state, &s->m);
    return !c->dead;
}

/*
 * Cuts complete messages off the buffer. *total: size of the unfinished one at its start (0: not
 * known); *late: the time of this turn is over. false: the connection was destroyed.
 */
static bool cut_messages(struct net_conn *c, size_t *total, bool *late, uint64_t now)
{
    const struct net_protocol *protocol = c->listener->protocol;
    *total = 0;
    while (may_read(c) && !*late && unread(c) > 0) {
        size_t have = unread(c);
        size_t size = 0;
        struct ectx ec = {0};
        enum err e = protocol->measure(c->state, c->in->p + c->in_start, have, &size, &ec);
        if (e != ERR_OK) {
            metric_add(c->net->closed_malformed, 1);
            net_conn_close(c, true, ec.text);
            return false;
        }
        if (size == 0 || size > have) {
            *total = size;
            if (c->message_since_ns == 0) {
                c->message_since_ns = now;
            }
            return true;
        }
        if (!fits_share(c, size)) {
            c->over_share = size;
            return true;
        }
        if (!hand_over(c, size, now)) {
            return false;
        }
        *late = env_mono_ns(c->net->env) - now >= CONN_TURN_NS;
    }
    return true;
}

/* Whether this connection may take `more` bytes for requests. When not even the one message for
 * which it needs them fits, one connection at a time may all the same, so that something always
 * finishes. */
static bool may_take(struct net_conn *c, size_t more)
{
    struct net *n = c->net;
    uint64_t limit = n->cfg.request_memory_bytes;
    uint64_t free = limit > n->inbufs.used_bytes ? limit - n->inbufs.used_bytes : 0;
    uint64_t held = c->queued_bytes + (c->in == NULL ? 0 : c->in->cap);
    if (held + more <= free / CONN_MEMORY_PART || n->exempt == c) {
        return true;
    }
    if (n->exempt != NULL || c->queued > 0) {
        return false;
    }
    n->exempt = c;
    return true;
}

bool conn_feed(struct net_conn *c)
{
    if (!may_take(c, c->starved_of)) {
        return false;
    }
    list_remove(&c->starved_link);
    net_resume_soon(c);
    return true;
}

/* What waits for the rest of a message, or for its turn, should not hold more than it needs. */
static void shrink(struct net_conn *c)
{
    size_t have = c->in->n - c->in_start;
    if (have > NET_INBUF_SMALL / 2 || c->in->cap <= NET_INBUF_SMALL) {
        return;
    }
    struct net_inbuf *b = net_inbuf_small(&c->net->inbufs, NET_INBUF_SMALL);
    if (b == NULL) {
        return;
    }
    memcpy(b->p, c->in->p + c->in_start, have);
    b->n = have;
    net_inbuf_unref(&c->net->inbufs, c->in);
    c->in = b;
    c->in_start = 0;
}

void conn_drop_buffer(struct net_conn *c)
{
    struct net *n = c->net;
    net_inbuf_unref(&n->inbufs, c->in);
    c->in = NULL;
    c->in_start = 0;
    if (n->exempt == c) {
        n->exempt = NULL;
    }
    net_memory_freed(n);
}

void conn_read(struct net_conn *c)
{
    struct net *n = c->net;
    size_t total = 0;
    size_t taken = 0;
    bool late = false;
    uint64_t now = env_mono_ns(n->env);
    if (unread(c) > 0 && !cut_messages(c, &total, &late, now)) {
        return;
    }
    const size_t most = conn_turn_bytes(n);
    while (taken < most && !late && may_read(c)) {
        bool well = lies_well(c, total);
        if (!well || !has_room(c, total)) {
            size_t wanted = room_wanted(c, total);
            if (!may_take(c, wanted)) {
                c->starved_of = wanted;
                list_push_back(&n->starved, &c->starved_link);
                break;
            }
            if (!make_room(c, wanted)) {
                net_conn_close(c, true, "out of memory for a request");
                return;
            }
        }
        size_t have = unread(c);
        size_t room = c->in->cap - c->in->n;
        /* Never past a known end: the next message starts in a buffer of its own and large ones are
         * not copied. */
        size_t want = total > have ? total - have : CONN_FIRST_RECV;
        if (have < CONN_BEGINNING && want > CONN_FIRST_RECV) {
            want = CONN_FIRST_RECV;
        }
        want = want > room ? room : want;
        size_t got = 0;
        enum err e = env_recv(c->sock, c->in->p + c->in->n, want, &got);
        if (e == ERR_AGAIN) {
            break;
        }
        if (e != ERR_OK || got == 0) {
            conn_destroy(c);
            return;
        }
        c->in->n += got;
        taken += got;
        c->last_active_ns = now;
        if (!cut_messages(c, &total, &late, now)) {
            return;
        }
        if (got < want) {
            break; /* the socket is empty: no need to ask again */
        }
    }
    metric_add(n->bytes_in, taken);
    if (c->in != NULL && c->in->n == c->in_start) {
        conn_drop_buffer(c);
    } else if (c->in != NULL) {
        shrink(c);
    }
    if (late && c->in != NULL) {
        net_resume_soon(c); /* the socket would not wake us for what lies in the buffer */
    }
    conn_update_interest(c);
}

void net_conn_close(struct net_conn *c, bool now, const char *reason)
{
    if (c->dead) {
        return;
    }
    if (reason != NULL && reason[0] != '\0') {
        LOG_INFO("connection.closed", KV_Z("protocol", c->listener->protocol->name),
                 KV_Z("peer", c->peer.host), KV_U64("port", c->peer.port), KV_Z("reason", reason));
    }
    if (now) {
        conn_destroy(c);
        return;
    }
    c->closing = true;
    conn_mark_dirty(c);
}

void conn_sweep(struct net_conn *c, uint64_t now_ns)
{
    const struct net_config *cfg = &c->net->cfg;
    if (conn_lingered(c, now_ns)) {
        conn_destroy(c);
    } else if (c->send_since_ns != 0 && now_ns - c->send_since_ns > cfg->stall_ms * 1000000) {
        metric_add(c->net->closed_stalled, 1);
        net_conn_close(c, true, "the peer does not read its replies");
    } else if (c->message_since_ns != 0 && may_read(c) &&
               now_ns - c->message_since_ns > cfg->stall_ms * 1000000) {
        metric_add(c->net->closed_stalled, 1);
        net_conn_close(c, true, "a request did not arrive whole in time");
    } else if (c->queued == 0 && now_ns - c->last_active_ns > cfg->idle_ms * 1000000) {
        metric_add(c->net->closed_idle, 1);
        net_conn_close(c, true, "idle");
    }
}

void net_conn_pause(struct net_conn *c, bool paused)
{
    if (c->dead || c->paused == paused) {
        return;
    }
    c->paused = paused;
    conn_update_interest(c);
}

const struct env_addr *net_conn_peer(const struct net_conn *c)
{
    return &c->peer;
}

const struct env_addr *net_conn_local(const struct net_conn *c)
{
    return &c->local;
}
