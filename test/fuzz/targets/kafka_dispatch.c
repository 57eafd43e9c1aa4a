/*
 * Any bytes as the requests of a connection, through framing, decoding, handlers, store and reply,
 * over the simulated network. Input: pieces, each two bytes of length and the bytes. The top bit of
 * the length says that the piece is a request without its size in front, which is put there; else
 * it is sent as it is, so that a request can arrive in parts. Length 0 cuts the connection and
 * opens another; with the top bit it lets a second pass.
 *
 * What only the server can know (member id, generation, session, producer id, topic id) stands in a
 * request as a placeholder (fuzz/common.h) and is replaced by what the last answer said. The
 * mutator works on whole requests: it makes legal ones of every API and version, chains of them
 * that belong together, and changes single fields of those that are there, all by the tables of
 * src/wire.
 *
 * Beyond "no crash, no leak": each answer belongs to the oldest request that has none, and its body
 * is what the tables say for that request's version, to the last byte.
 *
 * libFuzzer: -max_len=8192
 */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "fuzz/common.h"
#include "fuzz/world.h"
#include "record/batch.h"
#include "wire/frame.h"
#include "wire/gen/all.h"

#define PIECES_MAX   64
#define REQUESTS_MAX 64
#define PIECE_BYTES  0x7fffu
#define FRAMED       0x8000u

/* A request that was sent with its size, so that we know what the answer must be. */
struct sent {
    int16_t key, version;
    int32_t correlation_id;
    bool silent; /* a produce with acks=0: there is no answer */
};
/* What the server's answers said. */
struct learnt {
    char member_id[300];
    size_t member_id_size;
    int32_t generation, session;
    int64_t producer;
};
struct client {
    struct world *w;
    struct learnt *learnt;
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

static void learn(void *ctx, const struct wire_field *f, void *value)
{
    struct learnt *l = ctx;
    if (strcmp(f->name, "member_id") == 0) {
        const struct str *id = value;
        if (id->n > 0 && id->n < sizeof(l->member_id)) {
            memcpy(l->member_id, id->p, id->n);
            l->member_id_size = id->n;
        }
    } else if (strcmp(f->name, "generation_id") == 0) {
        memcpy(&l->generation, value, sizeof(l->generation));
    } else if (strcmp(f->name, "session_id") == 0) {
        memcpy(&l->session, value, sizeof(l->session));
    } else if (strcmp(f->name, "producer_id") == 0) {
        memcpy(&l->producer, value, sizeof(l->producer));
    }
}

static void check_answer(struct client *c, const struct sent *s, const uint8_t *p, size_t n)
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
    if (e == ERR_OK &&
        (s->key == WIRE_JOIN_GROUP || s->key == WIRE_FETCH || s->key == WIRE_INIT_PRODUCER_ID)) {
        fuzz_wire_each(api->response, version, body, learn, c->learnt);
    }
    free(body);
    arena_deinit(&arena);
}

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
            while (c->answered < c->sent_count && c->sent[c->answered].silent) {
                c->answered++;
            }
            CHECK(c->answered < c->sent_count);
            check_answer(c, &c->sent[c->answered++], c->in.p + 4, n - 4);
        }
        memmove(c->in.p, c->in.p + n, c->in.n - n);
        c->in.n -= n;
    }
    return true;
}

static bool is_silent(const uint8_t *p, size_t n)
{
    struct slice in = slice_of(p, n);
    struct wire_request_head head;
    struct wire_produce_request body;
    struct arena arena;
    arena_init(&arena, 16u << 20);
    bool silent =
        wire_request_head(&in, &arena, &head, NULL) == ERR_OK && head.key == WIRE_PRODUCE &&
        head.supported &&
        wire_decode(&wire_produce_request_type, head.version, &in, &arena, &body, NULL) == ERR_OK &&
        body.acks == 0;
    arena_deinit(&arena);
    return silent;
}

struct fill_in {
    const struct client *c;
    bool any;
};

static void fill_in_batches(struct fill_in *f, struct wire_records *r)
{
    struct batch_header h;
    for (int64_t at = 0; at < r->n; at += (int64_t)h.size) {
        uint8_t *p = (uint8_t *)(uintptr_t)r->p + at; /* in the copy that send_request made */
        size_t left = (size_t)(r->n - at);
        if (batch_header_parse(p, left, &h, NULL) != ERR_OK || h.size > left) {
            return;
        }
        if (h.producer_id == FUZZ_GENERATION) {
            put_be64(p + BATCH_AT_PRODUCER_ID, (uint64_t)f->c->learnt->producer);
            fuzz_batch_repair(p, h.size);
            f->any = true;
        }
    }
}

/* A placeholder gets its value. */
static void fill_in_value(void *ctx, const struct wire_field *field, void *value)
{
    struct fill_in *f = ctx;
    const struct learnt *l = f->c->learnt;
    if (field->type == WIRE_RECORDS) {
        fill_in_batches(f, value);
    } else if (field->type == WIRE_STRING) {
        struct str *s = value;
        if (str_eq_z(*s, FUZZ_MEMBER_ID)) {
            *s = str_make(l->member_id, l->member_id_size);
            f->any = true;
        }
    } else if (field->type == WIRE_UUID) {
        struct uuid *u = value;
        const struct topic *t = broker_topic(f->c->w->broker, str_of(u->b[1] == 0 ? "t" : "u"));
        if (u->b[0] == FUZZ_UUID_BYTE && u->b[1] < 2 && t != NULL) {
            *u = t->id;
            f->any = true;
        }
    } else if (field->type == WIRE_INT32) {
        int32_t *v = value;
        if (*v == FUZZ_GENERATION) {
            *v = strcmp(field->name, "session_id") == 0 ? l->session : l->generation;
            f->any = true;
        }
    } else if (field->type == WIRE_INT64) {
        int64_t *v = value;
        if (*v == FUZZ_GENERATION) {
            *v = l->producer;
            f->any = true;
        }
    }
}

/* The request with its placeholders filled in, as a frame; false: it has none. */
static bool fill_in(struct client *c, uint8_t *p, size_t n, struct buf *out)
{
    struct slice in = slice_of(p, n);
    struct wire_request_head head;
    struct arena arena;
    struct fill_in f = {.c = c};
    bool done = false;
    arena_init(&arena, 16u << 20);
    if (wire_request_head(&in, &arena, &head, NULL) == ERR_OK && head.api != NULL &&
        head.supported) {
        void *body = calloc(1, head.api->request->size);
        CHECK(body != NULL);
        if (wire_decode(head.api->request, head.version, &in, &arena, body, NULL) == ERR_OK) {
            fuzz_wire_each(head.api->request, head.version, body, fill_in_value, &f);
            done = f.any && wire_request_put(out, NULL, head.api, head.version, head.correlation_id,
                                             head.client_id, body, NULL) == ERR_OK;
        }
        free(body);
    }
    arena_deinit(&arena);
    return done;
}

static void send_request(struct client *c, const uint8_t *p, size_t n)
{
    struct buf filled;
    uint8_t *frame = malloc(n + 4);
    CHECK(frame != NULL);
    put_be32(frame, (uint32_t)n);
    memcpy(frame + 4, p, n);
    buf_init(&filled, 1u << 20);
    if (n < 8 || c->sent_count == REQUESTS_MAX) {
        c->known = false;
    } else {
        c->sent[c->sent_count++] = (struct sent){(int16_t)get_be16(p), (int16_t)get_be16(p + 2),
                                                 (int32_t)get_be32(p + 4), is_silent(p, n)};
    }
    if (fill_in(c, frame + 4, n, &filled)) {
        client_send(c, filled.p, filled.n);
    } else {
        client_send(c, frame, n + 4);
    }
    buf_deinit(&filled);
    free(frame);
}

static void let_a_second_pass(struct world *w)
{
    env_sim_advance_ns(w->env, 1000000000);
    for (int i = 0; i < 3; i++) {
        world_turn(w);
    }
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
    struct learnt learnt = {.generation = 1, .producer = 1};
    struct client c = {.w = &w, .learnt = &learnt};
    client_open(&c);
    for (int pieces = 0; size >= 2 && pieces < PIECES_MAX; pieces++) {
        size_t length = get_be16(data) & PIECE_BYTES;
        bool framed = (get_be16(data) & FRAMED) != 0;
        data += 2;
        size -= 2;
        length = length > size ? size : length;
        if (length == 0 && framed) {
            let_a_second_pass(&w);
        } else if (length == 0) {
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

/* ---- The mutator ------------------------------------------------------------------------------
 */

struct piece {
    uint8_t *p; /* with room for PIECE_BYTES */
    size_t n;
    bool framed;
};
struct pieces {
    struct piece items[PIECES_MAX];
    size_t count;
};

/* An empty piece at `at`; NULL: there is no room for one more. */
static struct piece *insert(struct pieces *all, size_t at, bool framed)
{
    if (all->count == PIECES_MAX) {
        return NULL;
    }
    memmove(&all->items[at + 1], &all->items[at], (all->count - at) * sizeof(all->items[0]));
    all->count++;
    all->items[at] = (struct piece){.p = malloc(PIECE_BYTES), .framed = framed};
    CHECK(all->items[at].p != NULL);
    return &all->items[at];
}

static void take_out(struct pieces *all, size_t at)
{
    free(all->items[at].p);
    all->count--;
    memmove(&all->items[at], &all->items[at + 1], (all->count - at) * sizeof(all->items[0]));
}

static void split(struct pieces *all, const uint8_t *data, size_t size, size_t from, size_t most)
{
    for (size_t i = 0; size >= 2 && i < most; i++) {
        size_t n = get_be16(data) & PIECE_BYTES;
        bool framed = (get_be16(data) & FRAMED) != 0;
        data += 2;
        size -= 2;
        n = n > size ? size : n;
        struct piece *piece = i < from ? NULL : insert(all, all->count, framed);
        if (piece != NULL) {
            memcpy(piece->p, data, n);
            piece->n = n;
        }
        data += n;
        size -= n;
    }
}

static size_t join(struct pieces *all, uint8_t *out, size_t max)
{
    size_t at = 0;
    for (size_t i = 0; i < all->count; i++) {
        struct piece *piece = &all->items[i];
        if (max - at >= piece->n + 2) {
            put_be16(out + at, (uint16_t)(piece->n | (piece->framed ? FRAMED : 0)));
            memcpy(out + at + 2, piece->p, piece->n);
            at += piece->n + 2;
        }
        free(piece->p);
    }
    return at;
}

/* A legal request. */
static void make_request(struct fuzz_source *s, const struct wire_api *api, struct pieces *all,
                         size_t at)
{
    struct arena arena;
    struct buf out;
    int32_t span = api->max - api->served_min + 1;
    int16_t version = (int16_t)(api->served_min + (int32_t)fuzz_below(s, (uint32_t)span));
    void *body = calloc(1, api->request->size);
    struct piece *piece = insert(all, at, true);
    CHECK(body != NULL);
    arena_init(&arena, 1u << 20);
    buf_init(&out, PIECE_BYTES);
    if (piece != NULL && fuzz_wire_make(api->request, version, s, &arena, body) &&
        wire_request_put(&out, NULL, api, version, (int32_t)fuzz_u8(s), STR_LIT("c"), body, NULL) ==
            ERR_OK) {
        piece->n = out.n - 4;
        memcpy(piece->p, out.p + 4, piece->n);
    }
    buf_deinit(&out);
    arena_deinit(&arena);
    free(body);
}

/* Requests that only together reach what is behind them. */
static void make_chain(struct fuzz_source *s, struct pieces *all, size_t at)
{
    static const int16_t chains[][8] = {
        {WIRE_JOIN_GROUP, WIRE_JOIN_GROUP, -1, -1, -1, -1, WIRE_SYNC_GROUP, WIRE_HEARTBEAT},
        {WIRE_SYNC_GROUP, WIRE_OFFSET_COMMIT, WIRE_OFFSET_FETCH, WIRE_DESCRIBE_GROUPS,
         WIRE_LEAVE_GROUP, WIRE_DELETE_GROUPS, WIRE_OFFSET_DELETE, WIRE_LIST_GROUPS},
        {WIRE_INIT_PRODUCER_ID, WIRE_PRODUCE, WIRE_PRODUCE, WIRE_FETCH, WIRE_DESCRIBE_PRODUCERS,
         WIRE_LIST_OFFSETS, WIRE_DELETE_RECORDS, WIRE_FETCH},
        {WIRE_CREATE_TOPICS, WIRE_METADATA, WIRE_CREATE_PARTITIONS, WIRE_INCREMENTAL_ALTER_CONFIGS,
         WIRE_DESCRIBE_CONFIGS, WIRE_PRODUCE, WIRE_DELETE_TOPICS, WIRE_FETCH},
        {WIRE_FETCH, WIRE_FETCH, WIRE_PRODUCE, -1, WIRE_FETCH, WIRE_OFFSET_FOR_LEADER_EPOCH,
         WIRE_DESCRIBE_LOG_DIRS, WIRE_DESCRIBE_TOPIC_PARTITIONS}};
    const int16_t *chain = chains[fuzz_below(s, ARRAY_LEN(chains))];
    for (size_t i = 0; i < ARRAY_LEN(chains[0]) && all->count < PIECES_MAX; i++, at++) {
        if (chain[i] < 0) {
            insert(all, at, true);
        } else {
            make_request(s, wire_api_find(chain[i]), all, at);
        }
    }
}

/* One field of a request; what is no request is changed as bytes. */
static void change(struct fuzz_source *s, struct piece *piece)
{
    struct slice in = slice_of(piece->p, piece->n);
    struct wire_request_head head;
    struct arena arena;
    size_t n = 0;
    arena_init(&arena, 64u << 10);
    if (piece->framed && wire_request_head(&in, &arena, &head, NULL) == ERR_OK &&
        head.api != NULL && head.supported) {
        size_t at = (size_t)(in.p - piece->p);
        n = fuzz_wire_change_bytes(head.api->request, head.version, s, piece->p + at, piece->n - at,
                                   PIECE_BYTES - at);
        n += n > 0 ? at : 0;
    }
    arena_deinit(&arena);
    piece->n = n > 0 ? n : LLVMFuzzerMutate(piece->p, piece->n, PIECE_BYTES);
}

/* The frame of a request arrives in two parts. */
static void cut(struct fuzz_source *s, struct pieces *all, size_t at)
{
    struct piece *piece = &all->items[at];
    if (!piece->framed || piece->n < 4 || piece->n > PIECE_BYTES - 4 || all->count == PIECES_MAX) {
        return;
    }
    memmove(piece->p + 4, piece->p, piece->n);
    put_be32(piece->p, (uint32_t)piece->n);
    piece->n += 4;
    piece->framed = false;
    size_t first = fuzz_below(s, (uint32_t)piece->n);
    struct piece *rest = insert(all, at + 1, false);
    piece = &all->items[at];
    rest->n = piece->n - first;
    memcpy(rest->p, piece->p + first, rest->n);
    piece->n = first;
}

static void change_one(struct fuzz_source *s, struct pieces *all, size_t at)
{
    struct piece *more;
    switch (fuzz_below(s, 8)) {
    case 0:
        more = insert(all, at + 1, all->items[at].framed);
        if (more != NULL) {
            more->n = all->items[at].n;
            memcpy(more->p, all->items[at].p, more->n);
        }
        break;
    case 1:
        take_out(all, at);
        break;
    case 2:
        all->items[at].n = LLVMFuzzerMutate(all->items[at].p, all->items[at].n, PIECE_BYTES);
        break;
    case 3:
        cut(s, all, at);
        break;
    default:
        change(s, &all->items[at]);
        break;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
    struct fuzz_source s = fuzz_source_seed(seed);
    static struct pieces all; /* large */
    all.count = 0;
    if (fuzz_below(&s, 16) == 0) {
        return LLVMFuzzerMutate(data, size, max);
    }
    split(&all, data, size, 0, PIECES_MAX);
    size_t at = fuzz_below(&s, (uint32_t)all.count + 1);
    switch (fuzz_below(&s, 6)) {
    case 0:
        make_chain(&s, &all, at);
        break;
    case 1:
        make_request(&s, wire_api_at(fuzz_below(&s, (uint32_t)wire_api_count())), &all, at);
        break;
    case 2:
        insert(&all, at, fuzz_below(&s, 4) != 0);
        break;
    default:
        if (at < all.count) {
            change_one(&s, &all, at);
        } else {
            make_request(&s, wire_api_at(fuzz_below(&s, (uint32_t)wire_api_count())), &all, at);
        }
        break;
    }
    return join(&all, data, max);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t an, const uint8_t *b, size_t bn,
                                 uint8_t *out, size_t max, unsigned int seed)
{
    struct fuzz_source s = fuzz_source_seed(seed);
    static struct pieces all;
    all.count = 0;
    split(&all, a, an, 0, 1 + fuzz_below(&s, 16));
    split(&all, b, bn, fuzz_below(&s, 8), PIECES_MAX);
    return join(&all, out, max);
}
