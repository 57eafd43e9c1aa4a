/*
 * Connections: accept, frame, queue, reply in order, push back. Knows nothing of any protocol: a
 * listener has a struct net_protocol that says how long the first message in some bytes is and
 * takes whole messages.
 *
 * Messages of one connection are handed over as they arrive (pipelining, up to NET_PIPELINE_MAX);
 * replies may be given in any order and leave in the order of the messages. Everything a peer can
 * make us hold is bounded: message size (per listener), messages in flight, bytes queued for
 * sending, and the memory of all requests together (then reading stops, except for one connection
 * at a time so that something always finishes). Slow peers are closed: no complete message within
 * `stall_ms` of its first byte, no progress in sending for `stall_ms`, idle for `idle_ms`; each
 * with a logged reason and a metric.
 *
 * All functions on the loop.
 */
#ifndef LEAT_NET_NET_H
#define LEAT_NET_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/err.h"
#include "core/heap.h"
#include "core/list.h"
#include "core/str.h"
#include "env/env.h"
#include "metrics/metrics.h"

#define NET_PIPELINE_MAX 256u
#define NET_LAY_MIN      (64u * 1024)
#define NET_ANYWHERE     SIZE_MAX

struct pool;
struct net;
struct net_listener;
struct net_conn;

struct net_config {
    uint32_t max_connections;      /* further ones are accepted and closed with a logged reason */
    uint64_t request_memory_bytes; /* of all requests together; default 256 MiB */
    uint64_t send_queue_bytes;     /* per connection: above it, no more messages are read; 64 MiB */
    uint64_t idle_ms;              /* 10 min */
    uint64_t stall_ms;             /* 30 s */
    struct pool *pool; /* memory to receive into; trimmed by whoever owns it, and outlives the last
                          message. NULL: one of net's own */
};

/* One message and its reply. The bytes stay valid until net_message_release. */
struct net_message {
    struct net_conn *conn; /* NULL once the connection is gone: replies are dropped then */
    uint8_t *p;
    size_t n;
    uint64_t received_ns; /* when its last byte arrived */
    struct list link;     /* net's */
    void *internal;       /* net's */
};

struct net_protocol {
    const char *name;
    /* A connection was opened; returns its state (the `state` of the calls below); NULL: close it.
     */
    void *(*opened)(void *ctx, struct net_conn *c);
    /* Looks at the bytes so far of the next message. *total = its whole size if that is known, else
     * 0 (more bytes needed). An error closes the connection; the text is logged. */
    enum err (*measure)(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec);
    /* A whole message. Must be answered by net_reply or net_reply_none, now or later, on every
     * path. */
    void (*message)(void *state, struct net_message *m);
    /* The connection is gone; called once, after it no message refers to it (conn is NULL). */
    void (*closed)(void *state);
    /* Optional; of messages above NET_LAY_MIN only. Where the protocol wants such a message to lie
     * in memory: looks at its first bytes and says how many bytes of a block of POOL_ALIGN shall
     * lie before the first of them; NET_ANYWHERE: it does not matter, or more bytes are needed to
     * tell. The next message of the connection is taken to want the same, so that only a change
     * costs a copy of what has arrived. A wish: look where it lies. */
    size_t (*lay)(void *state, const uint8_t *p, size_t n);
};

MUST_USE enum err net_create(struct env *env, struct env_poll *poll, const struct net_config *cfg,
                             struct metrics *metrics, struct net **out, struct ectx *ec);
/* Closes everything. Messages that are still in somebody's hands stay valid until they are replied
 * to and released. */
void net_destroy(struct net *n);
MUST_USE enum err net_listen(struct net *n, const struct env_addr *addr,
                             const struct net_protocol *protocol, void *ctx,
                             struct net_listener **out, struct ectx *ec);
MUST_USE enum err net_listener_addr(struct net_listener *l, struct env_addr *out);
/* Stops accepting; connections go on. */
void net_stop_accepting(struct net *n);
/* Closes each connection when its queued replies are out; true when none is left. Call from ticks
 * while shutting down. */
bool net_drain(struct net *n);

/* The reply: regions of memory that stay valid until release(ctx), which is called when they were
 * sent or the connection is gone. iov is copied. Releases nothing of the message itself: call
 * net_message_release when its bytes are no longer needed. */
void net_reply(struct net_message *m, const struct iovec *iov, int iov_count,
               void (*release)(void *ctx), void *ctx);
/* This message has no reply (acks=0). */
void net_reply_none(struct net_message *m);
/* Gives the message's memory back. After its reply was given (either order is fine). Exactly once.
 */
void net_message_release(struct net_message *m);

/* ---- A reply in parts
 * ----------------------------------------------------------------------------
 * For a reply whose length is not known when it begins. It takes its place in the order of the
 * replies; while it lasts no further message of the connection is handed over (a few bytes are
 * received all the same, so that a peer that goes is noticed), and the connection is not idle.
 */
struct net_stream_hooks {
    /* After net_stream_put said false: there is room again. In a turn of its own. */
    void (*room)(void *ctx);
    /* The connection is gone, the server drains, or net_stream_cut: once, never from within
     * net_stream_put, not after net_stream_end. The message may only be released from then on, or
     * after net_stream_end. */
    void (*closed)(void *ctx);
};
/* Instead of net_reply. false: out of memory; the message must still be answered. */
MUST_USE bool net_stream_begin(struct net_message *m, const struct net_stream_hooks *hooks,
                               void *ctx);
/*
 * Queues a copy of the bytes. false: more are queued than NET_STREAM_HIGH, or than its share of
 * what all replies may take; they are taken all the same, and `room` follows. Who goes on writing
 * nevertheless is closed at NET_STREAM_MAX; so is who gets no memory.
 */
#define NET_STREAM_HIGH (256u * 1024)
#define NET_STREAM_LOW  (64u * 1024) /* `room` is called below it */
#define NET_STREAM_MAX  (32u * 1024 * 1024)
bool net_stream_put(struct net_message *m, const struct iovec *iov, int iov_count);
size_t net_stream_queued(const struct net_message *m);
/* Nothing more comes; the connection goes on with the next message. */
void net_stream_end(struct net_message *m);
/* Nothing more is taken, as if it had ended, and `closed` follows in a turn of its own, unless
 * net_stream_end comes before it. */
void net_stream_cut(struct net_message *m);

/* Bytes that are no reply to any message, and live for ever (a literal), in the order of what has
 * been handed over. false: out of memory. */
bool net_conn_say(struct net_conn *c, struct str literal);

/*
 * Takes the memory in which the message lies, so that its bytes need not be copied to live longer:
 * a buffer that is the caller's from now on, with its size in *cap, to be given back to the pool of
 * net_config. The bytes stay where they are. NULL: others share that memory, or
 * it is no buffer of a pool. net_message_release is due all the same; until then the memory counts
 * as that of a request.
 */
MUST_USE uint8_t *net_message_take(struct net_message *m, size_t *cap);

/* Closes after what is queued was sent (nicely) or now; `reason` is logged ("" = not worth a line).
 */
void net_conn_close(struct net_conn *c, bool now, const char *reason);
/* Nicely, when more of the last message is on its way that nobody wants: what comes is dropped for
 * two seconds at most, so that the peer can read its answer. */
void net_conn_close_unread(struct net_conn *c);
const struct env_addr *net_conn_peer(const struct net_conn *c);
const struct env_addr *net_conn_local(
    const struct net_conn *c); /* the address on which the client connected */
/* How large a reply may be whose size the server may choose (a Fetch): with others busy, one that
 * is made and sent in little time; the client asks again. SIZE_MAX: as large as the client likes.
 */
size_t net_conn_reply_bytes(const struct net_conn *c);
/* Stops and restarts handing over messages of this connection (a parked request must be the last).
 */
void net_conn_pause(struct net_conn *c, bool paused);

/* Sends what was queued by net_reply; call at the end of each turn of the loop. */
void net_flush(struct net *n);

/* How many connections handed over messages since the last call: the server's hint for
 * store_kick(may_block). */
uint32_t net_take_active(struct net *n);

/* ---- Timers of the loop
 * -------------------------------------------------------------------------- */

struct net_timer {
    struct heap_node node; /* heap_node_init before the first use */
    void (*fn)(struct net_timer *t);
};
/* (Re)arms at a monotonic time. */
MUST_USE enum err net_timer_set(struct net *n, struct net_timer *t, uint64_t at_ns);
void net_timer_cancel(struct net *n, struct net_timer *t);
/* Runs what is due and returns the time of the next one (UINT64_MAX: none). */
uint64_t net_timers_run(struct net *n, uint64_t now_ns);

#endif
