/*
 * Loads librdkafka and makes its configurations.
 *
 * Functions are looked up by name once. The library logs nothing: what goes wrong comes back as an
 * error and is told by the command, once.
 */
#include "cli/rdkafka.h"

#include <string.h>

#include "cli/rdkafka_int.h"
#include "core/compiler.h"
#include "core/mem.h"
#include "env/library.h"

MUST_USE enum err rdkafka_load(struct rdkafka **out, struct ectx *ec)
{
#define RDKAFKA_FIND(name) LIBRARY_FUNCTION(struct rdkafka, name),
    static const struct library_function functions[] = {RDKAFKA_FUNCTIONS(RDKAFKA_FIND)};
#undef RDKAFKA_FIND
    static const struct library library = {"librdkafka.so.1", "produce, consume and bench need",
                                           "librdkafka1",     "librdkafka 1.6",
                                           functions,         ARRAY_LEN(functions)};
    struct rdkafka *k = mem_new(struct rdkafka);
    if (k == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    enum err e = library_load(&library, k, ec);
    if (e != ERR_OK) {
        rdkafka_unload(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void rdkafka_unload(struct rdkafka *k)
{
    if (k == NULL) {
        return;
    }
    /* Its threads end a moment after its last object, so the code stays until the process ends. */
    mem_free(k);
}

const char *rdkafka_version(const struct rdkafka *k)
{
    return k->rd_kafka_version_str();
}

static void be_silent(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

MUST_USE enum err rdkafka_configure(struct rdkafka *k, const struct rdkafka_setting *settings,
                                    size_t count, void *opaque, rd_kafka_conf_t **out,
                                    struct ectx *ec)
{
    rd_kafka_conf_t *conf = k->rd_kafka_conf_new();
    k->rd_kafka_conf_set_opaque(conf, opaque);
    k->rd_kafka_conf_set_log_cb(conf, be_silent);
    char why[256];
    for (size_t i = 0; i < count; i++) {
        if (k->rd_kafka_conf_set(conf, settings[i].name, settings[i].value, why, sizeof(why)) !=
            RD_KAFKA_CONF_OK) {
            k->rd_kafka_conf_destroy(conf);
            return ectx_fail(ec, ERR_CONFIG, "%s=%s: %s", settings[i].name, settings[i].value, why);
        }
    }
    *out = conf;
    return ERR_OK;
}

enum err rdkafka_err(rd_kafka_resp_err_t e)
{
    if (e == RD_KAFKA_RESP_ERR__TRANSPORT || e == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        return ERR_CLOSED;
    }
    if (e == RD_KAFKA_RESP_ERR__TIMED_OUT || e == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT ||
        e == RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE) {
        return ERR_REQUEST_TIMED_OUT;
    }
    if (e == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        return ERR_AGAIN;
    }
    if (e > 0) {
        for (int i = ERR_UNKNOWN_SERVER_ERROR; i < ERR_COUNT; i++) {
            if (err_kafka((enum err)i) == (int16_t)e) {
                return (enum err)i;
            }
        }
    }
    return e == RD_KAFKA_RESP_ERR_NO_ERROR ? ERR_OK : ERR_UNKNOWN_SERVER_ERROR;
}
