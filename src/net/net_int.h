/*
 * Inside of the net room: what its files share. See README.md for the life of a connection and a
 * message.
 */
#ifndef LEAT_NET_NET_INT_H
#define LEAT_NET_NET_INT_H

#include "core/pool.h"
#include "net/net.h"

/* ---- Receive buffers (inbuf.c) ------------------------------------------------------------------
 * A block of memory that one connection receives into. Messages inside it hold a reference, so it
 * is never moved while one lives. The memory comes from a pool (core/pool.h), small blocks from the
 * heap.
 */
struct net_inbuf {
    uint32_t refs;
    bool small; /* the bytes lie behind this struct, not in the pool */
    uint8_t *p; /* NULL: somebody has taken it */
    size_t cap;
    size_t n; /* bytes received, and what lies before them */
};

/* A message or a piece of one up to this size gets a block of its own size from the heap, so that
 * what waits for long (a long poll, a slow peer) holds no more than it is. */
#define NET_INBUF_SMALL 1024u
/* Received of the messages behind a reply in parts, and not looked at. */
#define NET_AHEAD           NET_INBUF_SMALL
#define NET_POOL_KEEP_BYTES (8u * 1024 * 1024)

struct net_inbufs {
    struct pool *pool; /* `own`, or one that somebody else trims */
    struct pool own;
    size_t used_bytes; /* given out, or taken by the owner of a message that is not released */
};
void net_inbufs_init(struct net_inbufs *all, struct pool *pool); /* NULL: one of its own */
void net_inbufs_trim(struct net_inbufs *all);
void net_inbufs_deinit(struct net_inbufs *all);
struct net_inbuf *net_inbuf_get(struct net_inbufs *all, size_t cap);   /* NULL: out of memory */
struct net_inbuf *net_inbuf_small(struct net_inbufs *all, size_t cap); /* the same, exactly */
void net_inbuf_unref(struct net_inbufs *all, struct net_inbuf *b);

/* ---- Messages and replies
 * ------------------------------------------------------------------------ */

#define NET_IOV_INLINE 4

struct net_slot {
    struct net_message m; /* first: the public face */
    struct net *net;
    struct net_inbuf *buf; /* NULL once released */
    bool replied;          /* a reply (or none) was given */
    bool sent;             /* out of the connection's queue */
    struct iovec inline_iov[NET_IOV_INLINE];
    struct iovec *iov;
    int iov_count;
    int iov_at; /* first not fully sent */
    size_t bytes;
    void (*release)(void *ctx);
    void *release_ctx;
    struct net_stream *stream; /* NULL: the reply comes at once */
};

/* A reply in parts (stream.c): blocks that are filled at one end and sent from the other. */
struct net_block {
    struct list link;
    size_t cap, n, at; /* filled up to n, sent up to at */
    uint8_t bytes[];
};
struct net_stream {
    struct net_slot *slot;
    struct list blocks;
    size_t queued;
    size_t wake_below; /* call `room` when fewer are queued; 0: nobody waits for it */
    bool ended, cut;
    struct net_stream_hooks hooks;
    void *ctx;
    struct list notify_link; /* in net->notify */
};

/* ---- Connections
 * ----------------------------------------------------------------------------------- */

struct net_conn {
    struct net *net;
    struct net_listener *listener;
    struct env_sock *sock;
    void *state;              /* the protocol's */
    struct list link;         /* in net->conns */
    struct list dirty_link;   /* in net->dirty: has replies to send */
    struct list starved_link; /* in net->starved: waits for request memory */
    struct list resume_link;  /* in net->resume: has unread messages in its buffer */
    struct list queue;        /* slots in order of arrival (by m.link) */
    uint32_t queued;          /* slots in the queue */
    size_t queued_bytes;      /* of the messages in it */
    size_t send_bytes;        /* of replies given and not sent */
    uint32_t streams;         /* replies in parts that have not ended: nothing is handed over */
    struct net_inbuf *in;     /* NULL while nothing is half received */
    size_t in_start;          /* where the unfinished message begins in `in` */
    size_t expect;            /* size of the last message: what to make room for */
    size_t lay;               /* where the protocol wanted the last large one to lie */
    size_t over_share;        /* size of its next message, which waits until one is answered; 0 */
    size_t starved_of;        /* while starved: the bytes that it waits for */
    unsigned interest;
    bool paused, closing, dead, blocked_out, broken;
    bool unread_follows;       /* when it closes: linger.c */
    uint64_t linger_since_ns;  /* 0: it does not */
    size_t lingered_bytes;     /* dropped meanwhile */
    uint32_t handed_over_turn; /* net->turn when it last handed over a message */
    uint32_t window;           /* net->window when it last did */
    struct env_addr peer, local;
    uint64_t last_active_ns;   /* last byte either way */
    uint64_t message_since_ns; /* first byte of the unfinished message; 0: none */
    uint64_t send_since_ns;    /* since when sending makes no progress; 0: it does */
};

struct net_listener {
    struct net *net;
    struct list link;
    struct env_sock *sock;
    const struct net_protocol *protocol;
    void *ctx;
    struct metric *open_gauge;
    struct metric *accepted, *refused;
    bool polled;
};

struct net {
    struct env *env;
    struct env_poll *poll;
    struct net_config cfg;
    struct metrics *metrics;
    struct list listeners, conns, dirty, starved, resume, graves, slots_free, notify;
    size_t slots_free_count;
    size_t slots_out; /* messages whose reply or bytes are still owed */
    bool destroyed;   /* only waits for the last of those */
    uint32_t conn_count, lingering;
    uint32_t active; /* connections that handed over messages in this turn */
    uint32_t turn;
    /* Connections that handed over messages in this window of time and in the one before: among so
     * many the server is shared. */
    uint32_t busy, busy_before, window;
    uint64_t window_since_ns;
    size_t send_bytes; /* of replies given and not sent, all connections */
    uint64_t swept_ns, trimmed_ns, refused_told_ns;
    struct net_inbufs inbufs;
    struct net_conn
        *exempt; /* may receive although the request memory is spent, so that something finishes */
    struct heap timers;
    struct net_timer sweep, accept_retry;
    bool accepting, resume_posted, notify_posted;
    struct metric *bytes_in, *bytes_out, *closed_stalled, *closed_idle, *closed_malformed;
};

void conn_create(struct net_listener *l, struct env_sock *sock, const struct env_addr *peer);
void conn_destroy(struct net_conn *c);
void conn_bury(struct net_conn *c);
void conn_update_interest(struct net_conn *c);
size_t conn_turn_bytes(const struct net *n); /* what one connection gets of a turn, each way */
bool conn_feed(struct net_conn *c);          /* a starved one goes on if there is memory for it */
void conn_read(struct net_conn *c);
bool conn_flush(struct net_conn *c); /* false: the connection was destroyed */
void conn_mark_dirty(struct net_conn *c);
void conn_streams_cut(struct net_conn *c); /* tells them that the server drains */
/* What more than this is queued for one connection of many makes its streams wait. */
size_t conn_stream_share(const struct net *n);
void conn_stream_ended(struct net_conn *c);
void conn_listen(struct net_conn *c); /* a few bytes, while a reply in parts lasts */
void net_notify(struct net *n);
int stream_gather(const struct net_stream *st, struct iovec *out, int max, size_t *bytes);
size_t stream_consume(struct net_conn *c, struct net_stream *st, size_t sent); /* what is left */
void stream_close(struct net_stream *st); /* calls `closed`, unless it has ended */
void stream_free(struct net_stream *st);
void conn_sweep(struct net_conn *c, uint64_t now_ns);
void conn_drop_buffer(struct net_conn *c);
bool conn_linger(struct net_conn *c); /* all is sent: false: there is nothing to wait for */
void conn_discard(struct net_conn *c);
bool conn_lingered(const struct net_conn *c, uint64_t now_ns); /* for long enough */
struct net_slot *slot_get(struct net *n);
void slot_finish(struct net_slot *s);     /* frees it when sent and released */
void slot_orphan(struct net_slot *s);     /* its connection is gone */
void net_free(struct net *n);             /* after net_destroy, with the last message */
void net_memory_freed(struct net *n);     /* starved connections may go on */
void net_resume_soon(struct net_conn *c); /* conn_read in the next turn */
void net_timers_init(struct net *n);

#endif
