/*
 * Any bytes as the requests of a connection, through framing, decoding, handlers, store and reply,
 * over the simulated network. Input: pieces, each two bytes of length and the bytes. The top bit of
 * the length says that the piece is a request without its size in front, which is put there; else
 * it is sent as it is. Length 0 cuts the connection and opens another.
 *
 * Beyond "no crash, no leak": each answer belongs to the oldest request that has none, and its body
 * is what the tables say for that request's version, to the last byte.
 */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "fuzz/world.h"
#include "wire/frame.h"
#include "wire/gen/all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECES_MAX   64
#define REQUESTS_MAX 64

/* A request that was sent with its size, so that we know what the answer must be. */
struct sent {
    int16_t key, version;
    int32_t correlation_id;
};
struct client {
    struct world *w;
    struct env_sock *sock;
    struct buf in;
    struct sent sent[REQUESTS_MAX];
    size_t sent_count, answered;
    bool known; /* every byte that was sent was a whole request: answers can be checked */
};

static void client_open(struct client *c)
{
    CHECK(env_connect(c->w->env, &c->w->addr, &c->sock, NULL) == ERR_OK);
    buf_init(&c->in, 64u << 20);
    c->sent_count = c->answered = 0;
    c->known = true;
    world_turn(c->w);
}

static void client_close(struct client *c)
{
    env_sock_close(c->sock);
    buf_deinit(&c->in);
    world_turn(c->w);
}

static void client_send(struct client *c, const uint8_t *p, size_t n)
{
    for (int patience = 0; n > 0 && patience < 1000; patience++) {
        struct iovec iov = {(void *)(uintptr_t)p, n};
        size_t done = 0;
        enum err e = env_sendv(c->sock, &iov, 1, &done);
        if (e != ERR_OK && e != ERR_AGAIN) {
            return; /* the server has closed */
        }
        p += e == ERR_OK ? done : 0;
        n -= e == ERR_OK ? done : 0;
        world_turn(c->w);
    }
}

static void check_answer(const struct sent *s, const uint8_t *p, size_t n)
{
    const struct wire_api *api = wire_api_find(s->key);
    struct slice in = slice_of(p, n);
    struct arena arena;
    struct ectx ec = {0};
    int32_t correlation_id = 0;
    CHECK(api != NULL);
    bool served = s->version >= api->served_min && s->version <= api->max;
    int16_t version = served ? s->version : 0; /* only ApiVersions answers then */
    arena_init(&arena, 16u << 20);
    void *body = calloc(1, api->response->size);
    CHECK(body != NULL);
    CHECK(wire_response_head(&in, &arena, api, version, &correlation_id, &ec) == ERR_OK);
    CHECK(correlation_id == s->correlation_id);
    enum err e = wire_decode(api->response, version, &in, &arena, body, &ec);
    CHECK(e == ERR_LIMIT || (e == ERR_OK && slice_left(&in) == 0));
    free(body);
    arena_deinit(&arena);
}

static bool is_acks_0(const struct sent *s, size_t i);

/* Takes what there is; false: the server has closed. */
static bool client_pump(struct client *c)
{
    uint8_t bytes[4096];
    size_t got = 0;
    enum err e = env_recv(c->sock, bytes, sizeof(bytes), &got);
    if (e != ERR_AGAIN && (e != ERR_OK || got == 0)) {
        return false;
    }
    buf_put(&c->in, bytes, e == ERR_OK ? got : 0);
    while (c->in.n >= 4 && c->in.n - 4 >= get_be32(c->in.p)) {
        size_t n = 4 + (size_t)get_be32(c->in.p);
        if (c->known) {
            while (c->answered < c->sent_count && is_acks_0(c->sent, c->answered) &&
                   get_be32(c->in.p + 4) != (uint32_t)c->sent[c->answered].correlation_id) {
                c->answered++;
            }
            CHECK(c->answered < c->sent_count);
            check_answer(&c->sent[c->answered++], c->in.p + 4, n - 4);
        }
        memmove(c->in.p, c->in.p + n, c->in.n - n);
        c->in.n -= n;
    }
    return true;
}

/* A produce request may have no answer. */
static bool is_acks_0(const struct sent *s, size_t i)
{
    return s[i].key == 0;
}

static void send_request(struct client *c, const uint8_t *p, size_t n)
{
    uint8_t *frame = malloc(n + 4);
    CHECK(frame != NULL);
    put_be32(frame, (uint32_t)n);
    memcpy(frame + 4, p, n);
    if (n < 8 || c->sent_count == REQUESTS_MAX) {
        c->known = false;
    } else {
        c->sent[c->sent_count++] =
            (struct sent){(int16_t)get_be16(p), (int16_t)get_be16(p + 2), (int32_t)get_be32(p + 4)};
    }
    client_send(c, frame, n + 4);
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct env_sim_config sim = {.seed = 5, .write_ns = 1000, .sync_ns = 10000};
    static struct env_sim_disk *disk; /* one that is formatted and filled, made once */
    static struct env *env;
    struct world w;
    if (env == NULL) {
        CHECK(env_sim_create(&sim, &env) == ERR_OK);
        CHECK(world_open(&w, env, NULL) == ERR_OK);
        world_fill(&w);
        world_close(&w);
        disk = env_sim_disk_save(env);
    }
    env_sim_disk_restore(env, disk);
    CHECK(world_open(&w, env, NULL) == ERR_OK);
    world_listen(&w);
    struct client c = {.w = &w};
    client_open(&c);
    for (int pieces = 0; size >= 2 && pieces < PIECES_MAX; pieces++) {
        size_t length = get_be16(data) & 0x7fffu;
        bool framed = (data[0] & 0x80) != 0;
        data += 2;
        size -= 2;
        length = length > size ? size : length;
        if (length == 0) {
            client_close(&c);
            client_open(&c);
        } else if (framed) {
            send_request(&c, data, length);
        } else {
            c.known = false;
            client_send(&c, data, length);
        }
        client_pump(&c);
        data += length;
        size -= length;
    }
    for (int i = 0; i < 20 && client_pump(&c); i++) {
        world_turn(&w);
    }
    client_close(&c);
    world_close(&w);
    return 0;
}
