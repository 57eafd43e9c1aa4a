/* Producing through librdkafka. One producer writes to one topic. */
#include <string.h>

#include "cli/rdkafka_int.h"
#include "core/compiler.h"
#include "core/mem.h"

#define CLOSE_WAIT_MS 1000

struct rdkafka_producer {
    struct rdkafka *k;
    rd_kafka_t *rk;
    char *topic;
    rdkafka_delivered_fn fn;
    void *ctx;
};

static void on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    struct rdkafka_producer *p = opaque;
    p->fn(p->ctx, (uint64_t)(uintptr_t)m->_private, rdkafka_err(m->err),
          m->err == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : p->k->rd_kafka_err2str(m->err),
          m->partition, m->offset);
}

MUST_USE enum err rdkafka_producer_open(struct rdkafka *k, const char *topic,
                                        const struct rdkafka_setting *settings, size_t count,
                                        rdkafka_delivered_fn fn, void *ctx,
                                        struct rdkafka_producer **out, struct ectx *ec)
{
    struct rdkafka_producer *p = mem_new(struct rdkafka_producer);
    rd_kafka_conf_t *conf = NULL;
    if (p == NULL || (p->topic = str_dup_z(str_of(topic))) == NULL) {
        mem_free(p);
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    p->k = k;
    p->fn = fn;
    p->ctx = ctx;
    enum err e = rdkafka_configure(k, settings, count, p, &conf, ec);
    if (e == ERR_OK) {
        char why[256];
        k->rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
        p->rk = k->rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
        if (p->rk == NULL) {
            k->rd_kafka_conf_destroy(conf);
            e = ectx_fail(ec, ERR_CONFIG, "producer: %s", why);
        }
    }
    if (e != ERR_OK) {
        rdkafka_producer_close(p);
        return e;
    }
    *out = p;
    return ERR_OK;
}

static void *without_const(const void *bytes)
{
    void *p;
    memcpy(&p, &bytes, sizeof(p)); /* the library only reads it */
    return p;
}

MUST_USE enum err rdkafka_producer_send(struct rdkafka_producer *p, int32_t partition,
                                        struct str key, struct str value,
                                        const struct rdkafka_header *headers, size_t header_count,
                                        uint64_t tag, struct ectx *ec)
{
    rd_kafka_headers_t *list = NULL;
    if (header_count > 0) {
        list = p->k->rd_kafka_headers_new(header_count);
        for (size_t i = 0; i < header_count; i++) {
            p->k->rd_kafka_header_add(list, headers[i].name.p, (ssize_t)headers[i].name.n,
                                      headers[i].value.p, (ssize_t)headers[i].value.n);
        }
    }
    rd_kafka_vu_t arguments[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = p->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {without_const(key.p), key.n}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {without_const(value.p), value.n}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)tag},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = list},
    };
    size_t count = ARRAY_LEN(arguments) - (list == NULL ? 1 : 0);
    rd_kafka_error_t *error = p->k->rd_kafka_produceva(p->rk, arguments, count);
    if (error == NULL) {
        return ERR_OK;
    }
    rd_kafka_resp_err_t code = p->k->rd_kafka_error_code(error);
    enum err e = code == RD_KAFKA_RESP_ERR__QUEUE_FULL
                     ? ERR_AGAIN
                     : ectx_fail(ec, rdkafka_err(code), "could not produce to '%s': %s", p->topic,
                                 p->k->rd_kafka_error_string(error));
    p->k->rd_kafka_error_destroy(error);
    if (list != NULL) {
        p->k->rd_kafka_headers_destroy(list);
    }
    return e;
}

void rdkafka_producer_poll(struct rdkafka_producer *p, int timeout_ms)
{
    p->k->rd_kafka_poll(p->rk, timeout_ms);
}

bool rdkafka_producer_flush(struct rdkafka_producer *p, int timeout_ms)
{
    return p->k->rd_kafka_flush(p->rk, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rdkafka_producer_close(struct rdkafka_producer *p)
{
    if (p == NULL) {
        return;
    }
    if (p->rk != NULL) {
        p->k->rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        p->k->rd_kafka_flush(p->rk, CLOSE_WAIT_MS);
        p->k->rd_kafka_destroy(p->rk);
    }
    mem_free(p->topic);
    mem_free(p);
}
