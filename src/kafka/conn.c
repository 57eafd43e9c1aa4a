/*
 * Kafka's framing on a connection: a 4-byte length, then the request. What is plainly not Kafka
 * (HTTP, TLS, garbage) is told apart by its first bytes, so that the log can say what was wrong.
 */
#include "core/bytes.h"
#include "core/mem.h"
#include "kafka/kafka_int.h"

static void *on_opened(void *ctx, struct net_conn *conn)
{
    struct kafka_conn *c = mem_new(struct kafka_conn);
    if (c != NULL) {
        c->kafka = ctx;
        c->conn = conn;
        list_init(&c->requests);
    }
    return c;
}

static void on_closed(void *state)
{
    struct kafka_conn *c = state;
    c->conn = NULL;
    struct list *l;
    while ((l = list_pop_front(&c->requests)) != NULL) {
        struct kafka_pending *p = CONTAINER_OF(l, struct kafka_pending, link);
        p->conn = NULL;
        if (p->r.gone != NULL) {
            void (*gone)(struct kafka_request * r) = p->r.gone;
            p->r.gone = NULL;
            gone(&p->r);
        }
    }
    mem_free(c);
}

static enum err refuse_start(const uint8_t *p, uint32_t size, uint32_t max, struct ectx *ec)
{
    static const char *const methods[] = {"GET ", "POST", "PUT ", "HEAD",
                                          "DELE", "OPTI", "CONN", "PATC"};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (memcmp(p, methods[i], 4) == 0) {
            return ectx_fail(ec, ERR_MALFORMED,
                             "this is HTTP on the Kafka port: use the address of --http");
        }
    }
    if (p[0] == 0x16 && p[1] == 0x03) {
        return ectx_fail(ec, ERR_MALFORMED,
                         "this is TLS on a plain port: set security.protocol=PLAINTEXT");
    }
    return ectx_fail(ec, ERR_LIMIT,
                     "a request of %d bytes: not Kafka's protocol, or over "
                     "socket.request.max.bytes=%u",
                     (int)size, max);
}

static enum err measure(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec)
{
    struct kafka_conn *c = state;
    if (n < 4) {
        *total = 0;
        return ERR_OK;
    }
    uint32_t size = get_be32(p);
    if (size > c->kafka->request_max_bytes) {
        return refuse_start(p, size, c->kafka->request_max_bytes, ec);
    }
    if (size < 8) {
        return ectx_fail(ec, ERR_MALFORMED, "a request of %u bytes is too short for its header",
                         size);
    }
    *total = 4 + (size_t)size;
    return ERR_OK;
}

int64_t kafka_reply_bytes(const struct kafka_request *r)
{
    const struct kafka_pending *p = r->internal;
    size_t bytes = p->conn == NULL ? 0 : net_conn_reply_bytes(p->conn->conn);
    return bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
}

static void on_message(void *state, struct net_message *m)
{
    kafka_dispatch(state, m);
}

const struct net_protocol KAFKA_PROTOCOL = {.name = "kafka",
                                            .opened = on_opened,
                                            .measure = measure,
                                            .message = on_message,
                                            .lay = kafka_lay,
                                            .closed = on_closed};
