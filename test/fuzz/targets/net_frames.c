/*
 * Connections under a small protocol: any order of opening, sending in pieces, turns of the loop,
 * replies early, late and out of order, pauses, time, closing. Input: a program of such steps.
 *
 * The protocol: one byte kind, two bytes length, the bytes. Kind 255 is an error of measure, kind
 * 254 one of the handler (it closes). A reply is the number of its message and some bytes.
 *
 * Beyond "no crash, no leak": what is handed over is what was sent, message by message, however it
 * was cut; replies leave in the order of messages; no limit is passed by more than one message.
 *
 * libFuzzer: -len_control=0 -max_len=1000
 */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/log.h"
#include "env/env_sim.h"
#include "fuzz/common.h"
#include "net/net.h"

#define CLIENTS         4
#define STEPS_MAX       400
#define WAITING_MAX     64
#define HEAD            3u
#define SENT_MAX        (64u << 20)
#define MEMORY_BYTES    (256u << 10)
#define KIND_BAD        255
#define KIND_CLOSE      254
#define SECOND          1000000000u
#define REPLY_MAX       5000u
#define NUMBERS_MAX     4096
#define CONNECTIONS_MAX 3u

struct client {
    struct env_sock *sock;
    uint16_t port;
    struct buf sent, got;
    size_t handed_over;         /* bytes of `sent` that came out as messages */
    uint32_t messages;          /* handed over */
    bool answered[NUMBERS_MAX]; /* with bytes, rather than with nothing */
    uint32_t next_reply;        /* number of the next one that the client may see */
};
struct waiting {
    struct net_message *m;
    struct client *c;
    uint32_t number;
};
struct rig {
    struct env *env;
    struct env_poll *poll;
    struct metrics *metrics;
    struct net *net;
    struct env_addr addr;
    struct client *clients[CLIENTS];
    struct waiting waiting[WAITING_MAX];
    size_t waiting_count;
};
/* The server's side of a connection. */
struct side {
    struct rig *rig;
    struct net_conn *conn;
    uint16_t port; /* of the client, which may be gone already */
};

static struct client *find_client(struct rig *r, uint16_t port)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        if (r->clients[i] != NULL && r->clients[i]->port == port) {
            return r->clients[i];
        }
    }
    return NULL;
}

/* ---- The protocol --------------------------------------------------------------------------- */

static void *on_opened(void *ctx, struct net_conn *conn)
{
    struct side *side = calloc(1, sizeof(*side));
    CHECK(side != NULL);
    side->rig = ctx;
    side->conn = conn;
    side->port = net_conn_peer(conn)->port;
    return side;
}

static enum err on_measure(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec)
{
    (void)state;
    if (n > 0 && p[0] == KIND_BAD) {
        return ectx_fail(ec, ERR_MALFORMED, "bad");
    }
    *total = n < HEAD ? 0 : HEAD + (size_t)get_be16(p + 1);
    return ERR_OK;
}

static void answer(struct rig *r, size_t at, uint32_t size);

static void on_message(void *state, struct net_message *m)
{
    struct side *side = state;
    struct rig *r = side->rig;
    struct client *c = find_client(r, side->port);
    bool close = m->p[0] == KIND_CLOSE;
    CHECK(m->n == HEAD + (size_t)get_be16(m->p + 1) && m->conn == side->conn);
    if (c != NULL) {
        CHECK(c->handed_over + m->n <= c->sent.n &&
              memcmp(c->sent.p + c->handed_over, m->p, m->n) == 0);
        c->handed_over += m->n;
    }
    r->waiting[r->waiting_count++] = (struct waiting){m, c, c == NULL ? 0 : c->messages++};
    if (close) {
        net_conn_close(side->conn, (m->n & 1) != 0, "asked to");
    }
    if (r->waiting_count == WAITING_MAX) {
        answer(r, 0, 0);
    }
}

static void on_closed(void *state)
{
    free(state);
}

static const struct net_protocol PROTOCOL = {.name = "toy",
                                             .opened = on_opened,
                                             .measure = on_measure,
                                             .message = on_message,
                                             .closed = on_closed};

/* Replies to a waiting message; size 0: without a reply. */
static void answer(struct rig *r, size_t at, uint32_t size)
{
    struct waiting w = r->waiting[at];
    r->waiting_count--;
    memmove(&r->waiting[at], &r->waiting[at + 1], (r->waiting_count - at) * sizeof(w));
    bool before = (size & 1) != 0; /* the message may be given back before or after its reply */
    if (w.c != NULL && w.number < NUMBERS_MAX) {
        w.c->answered[w.number] = size > 0;
    }
    if (size == 0) {
        net_reply_none(w.m);
        net_message_release(w.m);
        return;
    }
    uint8_t *bytes = calloc(1, 8 + (size_t)size);
    CHECK(bytes != NULL);
    put_be32(bytes, w.number);
    put_be32(bytes + 4, size);
    struct iovec iov[2] = {{bytes, 5}, {bytes + 5, 3 + (size_t)size}};
    if (before) {
        net_reply(w.m, iov, 2, free, bytes);
        net_message_release(w.m);
    } else {
        struct net_message *m = w.m;
        net_reply(m, iov, 2, free, bytes);
        net_message_release(m);
    }
}

/* ---- The clients ---------------------------------------------------------------------------- */

static void turn(struct rig *r)
{
    env_poll_run(r->poll, 1000000);
    net_timers_run(r->net, env_mono_ns(r->env));
    net_flush(r->net);
}

/* The client is gone: nobody may refer to it any more. */
static void client_close(struct rig *r, size_t i)
{
    struct client *c = r->clients[i];
    if (c == NULL) {
        return;
    }
    r->clients[i] = NULL;
    for (size_t k = 0; k < r->waiting_count; k++) {
        r->waiting[k].c = r->waiting[k].c == c ? NULL : r->waiting[k].c;
    }
    env_sock_close(c->sock);
    for (int k = 0; k < 3; k++) {
        turn(r); /* what was sent is handed over, or dropped */
    }
    buf_deinit(&c->sent);
    buf_deinit(&c->got);
    free(c);
}

static void client_open(struct rig *r, size_t i)
{
    struct client *c = calloc(1, sizeof(*c));
    struct env_addr local;
    CHECK(c != NULL && env_connect(r->env, &r->addr, &c->sock, NULL) == ERR_OK);
    CHECK(env_sock_local(c->sock, &local) == ERR_OK);
    c->port = local.port;
    buf_init(&c->sent, SENT_MAX);
    buf_init(&c->got, SENT_MAX);
    r->clients[i] = c;
    turn(r);
}

static void client_send(struct rig *r, struct client *c, const uint8_t *p, size_t n)
{
    for (int patience = 0; n > 0 && patience < 100; patience++) {
        struct iovec iov = {(void *)(uintptr_t)p, n};
        size_t done = 0;
        enum err e = env_sendv(c->sock, &iov, 1, &done);
        if (e != ERR_OK && e != ERR_AGAIN) {
            return;
        }
        done = e == ERR_OK ? done : 0;
        buf_put(&c->sent, p, done);
        p += done;
        n -= done;
        if (n > 0) {
            turn(r);
        }
    }
}

/* Replies come in the order of messages, each whole. */
static void check_replies(struct client *c)
{
    size_t at = 0;
    while (c->got.n - at >= 8 && c->got.n - at >= 8 + (size_t)get_be32(c->got.p + at + 4)) {
        uint32_t number = get_be32(c->got.p + at);
        CHECK(number < c->messages && number >= c->next_reply);
        for (; c->next_reply < number && number < NUMBERS_MAX; c->next_reply++) {
            CHECK(!c->answered[c->next_reply]);
        }
        c->next_reply = number + 1;
        at += 8 + (size_t)get_be32(c->got.p + at + 4);
    }
    if (at > 0) {
        memmove(c->got.p, c->got.p + at, c->got.n - at);
        c->got.n -= at;
    }
}

static void client_read(struct client *c)
{
    uint8_t bytes[2048];
    size_t got = 0;
    if (env_recv(c->sock, bytes, sizeof(bytes), &got) == ERR_OK) {
        buf_put(&c->got, bytes, got);
        check_replies(c);
    }
}

/* ---- The program ---------------------------------------------------------------------------- */

static void send_message(struct rig *r, struct client *c, struct fuzz_source *s)
{
    static const uint32_t sizes[] = {0, 1, 5, 100, 4093, 4096, 30000, 65535};
    uint32_t kind = fuzz_u8(s);
    uint32_t size = sizes[fuzz_below(s, ARRAY_LEN(sizes))];
    uint8_t *bytes = malloc(HEAD + size);
    CHECK(bytes != NULL);
    bytes[0] = (uint8_t)(kind >= KIND_CLOSE ? 0 : kind);
    put_be16(bytes + 1, (uint16_t)size);
    for (uint32_t i = 0; i < size; i++) {
        bytes[HEAD + i] = (uint8_t)(kind + i * 7);
    }
    size_t n = HEAD + size, parts = 1 + fuzz_below(s, 4);
    for (size_t i = 0; i < parts; i++) {
        size_t from = n * i / parts, to = n * (i + 1) / parts;
        client_send(r, c, bytes + from, to - from);
        if (i + 1 < parts) {
            turn(r);
        }
    }
    free(bytes);
}

static void step(struct rig *r, struct fuzz_source *s)
{
    uint32_t what = fuzz_below(s, 12), i = fuzz_below(s, CLIENTS);
    struct client *c = r->clients[i];
    if (c == NULL && what < 6) {
        client_open(r, i);
        c = r->clients[i];
    }
    switch (what) {
    case 0:
    case 1:
    case 2:
        send_message(r, c, s);
        break;
    case 3: { /* any bytes */
        uint8_t bytes[32];
        size_t n = fuzz_below(s, sizeof(bytes));
        for (size_t k = 0; k < n; k++) {
            bytes[k] = fuzz_u8(s);
        }
        client_send(r, c, bytes, n);
        break;
    }
    case 4:
    case 5:
        client_read(c);
        break;
    case 6:
    case 7:
        if (r->waiting_count > 0) {
            size_t at = fuzz_below(s, (uint32_t)r->waiting_count);
            answer(r, at, fuzz_below(s, 4) == 0 ? 0 : 1 + fuzz_below(s, REPLY_MAX));
        }
        break;
    case 8:
        client_close(r, i);
        break;
    case 9:
        env_sim_advance_ns(r->env, (uint64_t)fuzz_below(s, 40) * SECOND);
        turn(r);
        break;
    case 10:
        if (r->waiting_count > 0) {
            struct waiting *w = &r->waiting[fuzz_below(s, (uint32_t)r->waiting_count)];
            if (w->m->conn != NULL) {
                net_conn_pause(w->m->conn, fuzz_below(s, 2) == 1);
            }
        }
        break;
    default:
        turn(r);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct env_sim_config sim = {.seed = 7};
    const struct net_config cfg = {.max_connections = CONNECTIONS_MAX,
                                   .request_memory_bytes = MEMORY_BYTES,
                                   .send_queue_bytes = 16u << 10,
                                   .idle_ms = 60000,
                                   .stall_ms = 10000};
    struct fuzz_source s = fuzz_source_bytes(data, size);
    struct rig r = {0};
    struct net_listener *listener;
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    CHECK(env_sim_create(&sim, &r.env) == ERR_OK);
    r.metrics = metrics_create();
    CHECK(r.metrics != NULL && env_poll_create(r.env, &r.poll, NULL) == ERR_OK);
    CHECK(net_create(r.env, r.poll, &cfg, r.metrics, &r.net, NULL) == ERR_OK);
    CHECK(env_addr_parse(STR_LIT("127.0.0.1:0"), &r.addr, NULL) == ERR_OK);
    CHECK(net_listen(r.net, &r.addr, &PROTOCOL, &r, &listener, NULL) == ERR_OK);
    CHECK(net_listener_addr(listener, &r.addr) == ERR_OK);
    for (int i = 0; i < STEPS_MAX && !fuzz_source_ended(&s); i++) {
        step(&r, &s);
        if (fuzz_below(&s, 2) == 0) {
            turn(&r);
        }
    }
    while (r.waiting_count > 0) {
        answer(&r, 0, 1);
        turn(&r);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        if (r.clients[i] != NULL) {
            client_read(r.clients[i]);
        }
        client_close(&r, i);
    }
    while (r.waiting_count > 0) {
        answer(&r, 0, 0);
    }
    net_destroy(r.net);
    metrics_destroy(r.metrics);
    env_poll_destroy(r.poll);
    env_destroy(r.env);
    return 0;
}
