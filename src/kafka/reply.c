/* From a response struct to bytes on their way: header and body into a buffer, record regions in
 * between without a copy. */
#include "core/check.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/mem.h"
#include "kafka/kafka_int.h"
#include "wire/frame.h"

/* What must live until the bytes are out. */
struct reply_hold {
    struct buf out;
    void (*release)(void *ctx);
    void *ctx;
};

static void hold_release(void *ctx)
{
    struct reply_hold *h = ctx;
    buf_deinit(&h->out);
    if (h->release != NULL) {
        h->release(h->ctx);
    }
    mem_free(h);
}

/* Ends the request: its message's bytes and its arena are given back. */
static void pending_end(struct kafka_pending *p)
{
    struct kafka *k = p->r.kafka;
    net_message_release(p->message);
    pending_put(k, p);
}

/* The buffer with the splices' chunks in their places, as regions; NULL: over the arena's budget.
 */
static struct iovec *regions(struct arena *a, const struct buf *out,
                             const struct wire_splices *splices, int *count)
{
    size_t n = 1;
    for (size_t i = 0; i < splices->count; i++) {
        n += 1 + splices->items[i].chunk_count;
    }
    a->budget += n * sizeof(struct iovec) + 64;
    struct iovec *iov = arena_new_n(a, struct iovec, n);
    if (iov == NULL) {
        return NULL;
    }
    int at = 0;
    size_t from = 0;
    for (size_t i = 0; i <= splices->count; i++) {
        size_t to = i < splices->count ? splices->items[i].at : out->n;
        if (to > from) {
            iov[at++] = (struct iovec){out->p + from, to - from};
        }
        from = to;
        for (size_t j = 0; i < splices->count && j < splices->items[i].chunk_count; j++) {
            struct str s = splices->items[i].chunks[j].bytes;
            if (s.n > 0) {
                iov[at++] = (struct iovec){(void *)(uintptr_t)s.p, s.n};
            }
        }
    }
    *count = at;
    return iov;
}

static void observe(const struct kafka_request *r)
{
    const struct kafka_pending *p = r->internal;
    struct kafka *k = r->kafka;
    size_t row = (size_t)(p->row - kafka_api_at(0));
    metric_observe_ns(k->api_metrics[row].duration, env_mono_ns(k->s.env) - r->received_ns);
}

void kafka_reply_held(struct kafka_request *r, const void *body, void (*release)(void *ctx),
                      void *ctx)
{
    struct kafka_pending *p = r->internal;
    observe(r);
    if (p->conn == NULL) {
        if (release != NULL) {
            release(ctx);
        }
        kafka_drop(r);
        return;
    }
    struct reply_hold *h = mem_new(struct reply_hold);
    struct wire_splices splices = {.arena = r->arena};
    struct ectx ec = {0};
    enum err e = ERR_NO_MEMORY;
    struct iovec *iov = NULL;
    int iov_count = 0;
    if (h != NULL) {
        buf_init(&h->out, LIMIT_REQUEST_BYTES);
        h->release = release;
        h->ctx = ctx;
        e = wire_response_put(&h->out, &splices, r->api, r->version, r->correlation_id, body, &ec);
        iov = e == ERR_OK ? regions(r->arena, &h->out, &splices, &iov_count) : NULL;
    }
    if (iov == NULL) {
        LOG_ERROR("response.failed", KV_Z("api", r->api->name), KV_I64("version", r->version),
                  KV_Z("error", err_name(e)), KV_Z("detail", ec.text));
        if (h != NULL) {
            hold_release(h);
        } else if (release != NULL) {
            release(ctx);
        }
        kafka_close(r, "a response could not be made");
        return;
    }
    net_reply(p->message, iov, iov_count, hold_release, h);
    pending_end(p);
}

void kafka_reply(struct kafka_request *r, const void *body)
{
    kafka_reply_held(r, body, NULL, NULL);
}

void kafka_drop(struct kafka_request *r)
{
    struct kafka_pending *p = r->internal;
    net_reply_none(p->message);
    pending_end(p);
}

void kafka_close(struct kafka_request *r, const char *reason)
{
    struct kafka_pending *p = r->internal;
    struct net_conn *conn = p->conn == NULL ? NULL : p->conn->conn;
    net_reply_none(p->message);
    if (conn != NULL) {
        net_conn_close(conn, true, reason);
    }
    pending_end(p);
}

void kafka_advertised(const struct kafka_request *r, struct str *host, int32_t *port)
{
    const struct env_addr *a = &r->kafka->s.advertised;
    if (a->host[0] == '\0') {
        a = r->local;
    }
    *host = str_of(a->host);
    *port = a->port;
}
