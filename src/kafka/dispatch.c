/*
 * From a message to a handler: header, look-up of API and version, decoding by table, the call.
 * What cannot be answered is answered as Kafka does: the connection is closed, with the reason in
 * the log; an unknown version of ApiVersions gets a version 0 reply (KIP-511).
 */
#include "core/check.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/mem.h"
#include "kafka/kafka_int.h"
#include "wire/frame.h"
#include "wire/gen/all.h"

#define PENDING_KEEP         256u
#define PENDING_ARENA_KEEP   (64u * 1024)
#define REQUEST_ARENA_FACTOR 32
/* The time that clients give by default to a request that does not say it. */
#define WAIT_DEFAULT_MS 30000
#define WAIT_LOOK_NS    (100ull * 1000 * 1000)

struct kafka_pending *pending_get(struct kafka *k, size_t message_bytes)
{
    struct list *l = list_pop_front(&k->free_pending);
    struct kafka_pending *p;
    if (l != NULL) {
        k->free_pending_count--;
        p = CONTAINER_OF(l, struct kafka_pending, link);
    } else {
        p = mem_new(struct kafka_pending);
        if (p == NULL) {
            return NULL;
        }
        arena_init(&p->arena, 0);
    }
    /* Small fields decode into larger structs, but not in large frames: those carry records, which
     * stay where they are. */
    size_t budget = LIMIT_REQUEST_ARENA_BASE + REQUEST_ARENA_FACTOR * message_bytes;
    p->arena.budget = budget < LIMIT_REQUEST_ARENA_MAX ? budget : LIMIT_REQUEST_ARENA_MAX;
    p->r = (struct kafka_request){.kafka = k, .arena = &p->arena, .internal = p};
    p->row = NULL;
    p->conn = NULL;
    p->message = NULL;
    list_init(&p->link);
    list_init(&p->parked_link);
    list_init(&p->hand_link);
    list_push_back(&k->in_hand, &p->hand_link);
    return p;
}

void pending_put(struct kafka *k, struct kafka_pending *p)
{
    list_remove(&p->link);
    list_remove(&p->parked_link);
    list_remove(&p->hand_link);
    if (k->free_pending_count >= PENDING_KEEP) {
        arena_deinit(&p->arena);
        mem_free(p);
        return;
    }
    arena_reset(&p->arena, PENDING_ARENA_KEEP);
    k->free_pending_count++;
    list_push_front(&k->free_pending, &p->link);
}

/* The request cannot be answered: the connection ends. */
static void refuse(struct kafka_pending *p, const struct ectx *ec)
{
    metric_add(p->r.kafka->malformed, 1);
    kafka_close(&p->r, ec->text);
}

static enum err decode(struct kafka_pending *p, struct str message, struct ectx *ec)
{
    struct kafka_request *r = &p->r;
    struct slice in = slice_of(message.p + 4, message.n - 4);
    struct wire_request_head head;
    enum err e = wire_request_head(&in, r->arena, &head, ec);
    if (e != ERR_OK) {
        return ectx_wrap(ec, e, "request header");
    }
    p->row = head.api == NULL ? NULL : kafka_api_find(head.key);
    if (p->row == NULL) {
        return ectx_fail(ec, ERR_MALFORMED, "unknown API key %d", head.key);
    }
    r->api = head.api;
    r->version = head.version;
    r->correlation_id = head.correlation_id;
    r->client_id = head.client_id;
    if (!head.supported) {
        return ectx_fail(ec, ERR_UNSUPPORTED_VERSION,
                         "version %d of %s is not served (%d to %d are)", head.version,
                         head.api->name, head.api->served_min, head.api->max);
    }
    void *body = arena_alloc(r->arena, r->api->request->size);
    if (body == NULL) {
        return ectx_fail(ec, ERR_LIMIT, "request over its memory budget");
    }
    e = wire_decode(r->api->request, r->version, &in, r->arena, body, ec);
    if (e != ERR_OK) {
        return ectx_wrap(ec, e, "%s v%d", r->api->name, r->version);
    }
    r->body = body;
    /* Decoding was bounded by what was received; the reply is bounded by what there is to tell. */
    r->arena->budget = r->arena->used + LIMIT_RESPONSE_ARENA;
    return ERR_OK;
}

static void call(struct kafka *k, struct kafka_pending *p)
{
    size_t row = (size_t)(p->row - kafka_api_at(0));
    metric_add(k->api_metrics[row].requests, 1);
    p->row->handle(k, &p->r);
}

/* Metadata is appended to only where it makes a topic: who knows its topics is answered always. */
static bool appends(struct kafka *k, const struct kafka_pending *p)
{
    return p->row->appends && (p->row->handle != api_metadata || metadata_may_create(k, &p->r));
}

void kafka_dispatch(struct kafka_conn *c, struct net_message *m)
{
    struct kafka *k = c->kafka;
    struct kafka_pending *p = pending_get(k, m->n);
    if (p == NULL) {
        net_reply_none(m);
        net_message_release(m);
        net_conn_close(c->conn, true, "out of memory for a request");
        return;
    }
    p->conn = c;
    p->message = m;
    p->r.peer = net_conn_peer(c->conn);
    p->r.local = net_conn_local(c->conn);
    p->r.received_ns = m->received_ns;
    list_push_back(&c->requests, &p->link);
    struct ectx ec = {0};
    enum err e = decode(p, str_make(m->p, m->n), &ec);
    if (e == ERR_UNSUPPORTED_VERSION && p->r.api->key == KAFKA_API_VERSIONS_KEY) {
        api_versions_reply_unsupported(&p->r);
        return;
    }
    if (e != ERR_OK) {
        refuse(p, &ec);
        return;
    }
    if (appends(k, p) &&
        (!store_ready(k->s.store) || !list_empty(&k->parked) || !list_empty(&k->continuations))) {
        list_push_back(&k->parked, &p->parked_link);
        net_conn_pause(c->conn, true);
        return;
    }
    call(k, p);
}

void kafka_when_ready(struct kafka *k, struct kafka_continuation *c,
                      void (*run)(struct kafka_continuation *c))
{
    c->run = run;
    list_init(&c->link);
    if (k->late || (store_ready(k->s.store) && list_empty(&k->continuations))) {
        run(c);
        return;
    }
    c->since_ns = env_mono_ns(k->s.env);
    list_push_back(&k->continuations, &c->link);
}

/* ---- Waiting for the store ------------------------------------------------------------------ */

/* Half of the time that the client gives the request: its own clock has begun earlier, and it
 * should get the answer before it gives up the connection. */
static uint64_t wait_ns(const struct kafka_pending *p)
{
    const void *body = p->r.body;
    int32_t ms = WAIT_DEFAULT_MS;
    if (p->row->handle == api_produce) {
        ms = ((const struct wire_produce_request *)body)->timeout_ms;
    } else if (p->row->handle == api_create_topics) {
        ms = ((const struct wire_create_topics_request *)body)->timeout_ms;
    } else if (p->row->handle == api_delete_topics) {
        ms = ((const struct wire_delete_topics_request *)body)->timeout_ms;
    } else if (p->row->handle == api_delete_records) {
        ms = ((const struct wire_delete_records_request *)body)->timeout_ms;
    } else if (p->row->handle == api_create_partitions) {
        ms = ((const struct wire_create_partitions_request *)body)->timeout_ms;
    }
    return ms <= 0 ? 0 : (uint64_t)ms * 1000000u / 2;
}

/* The handlers find that the store has no room and answer with an error that clients retry. */
static void call_late(struct kafka *k, struct list *late)
{
    struct list *l;
    k->late = true;
    while ((l = list_pop_front(late)) != NULL) {
        struct kafka_pending *p = CONTAINER_OF(l, struct kafka_pending, parked_link);
        if (p->conn == NULL) {
            kafka_drop(&p->r);
            continue;
        }
        metric_add(k->waits_expired, 1);
        net_conn_pause(p->conn->conn, false);
        call(k, p);
    }
    k->late = false;
}

static void expire(struct kafka *k, uint64_t now)
{
    struct list late;
    list_init(&late);
    LIST_FOR_EACH (n, tmp, &k->continuations) {
        struct kafka_continuation *c = CONTAINER_OF(n, struct kafka_continuation, link);
        if (now - c->since_ns >= WAIT_DEFAULT_MS * 1000000ull / 2) {
            list_remove(n);
            list_push_back(&late, n);
        }
    }
    struct list *l;
    while ((l = list_pop_front(&late)) != NULL) {
        struct kafka_continuation *c = CONTAINER_OF(l, struct kafka_continuation, link);
        metric_add(k->waits_expired, 1);
        c->run(c);
    }
    LIST_FOR_EACH (n, tmp, &k->parked) {
        struct kafka_pending *p = CONTAINER_OF(n, struct kafka_pending, parked_link);
        if (p->conn == NULL || now - p->r.received_ns >= wait_ns(p)) {
            list_remove(n);
            list_push_back(&late, n);
        }
    }
    call_late(k, &late);
}

/* Requests wait for as long as the store goes on, however slowly. One that takes nothing any more
 * (no checkpoint can be made, the device hangs) must not keep them for ever. */
static void expire_if_full(struct kafka *k)
{
    struct store_stall stall;
    if ((list_empty(&k->parked) && list_empty(&k->continuations)) || store_ready(k->s.store) ||
        !store_stalled(k->s.store, &stall) || !stall.full) {
        return;
    }
    const uint64_t now = env_mono_ns(k->s.env);
    if (now >= k->expire_ns) {
        k->expire_ns = now + WAIT_LOOK_NS;
        expire(k, now);
    }
}

void kafka_on_ready(struct kafka *k)
{
    while (store_ready(k->s.store) && !list_empty(&k->continuations)) {
        struct kafka_continuation *c =
            CONTAINER_OF(list_pop_front(&k->continuations), struct kafka_continuation, link);
        c->run(c);
    }
    while (store_ready(k->s.store) && list_empty(&k->continuations) && !list_empty(&k->parked)) {
        struct kafka_pending *p =
            CONTAINER_OF(list_pop_front(&k->parked), struct kafka_pending, parked_link);
        if (p->conn == NULL) {
            kafka_drop(&p->r);
            continue;
        }
        net_conn_pause(p->conn->conn, false);
        call(k, p);
    }
    expire_if_full(k);
}
