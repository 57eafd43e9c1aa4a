/* Inside of the adapter: the functions of librdkafka that it uses, found by name. */
#ifndef LEAT_CLI_RDKAFKA_INT_H
#define LEAT_CLI_RDKAFKA_INT_H

#include <librdkafka/rdkafka.h>

#include "cli/rdkafka.h"

/* X(name) for each function of the library. */
#define RDKAFKA_FUNCTIONS(X)                 \
    X(rd_kafka_version_str)                  \
    X(rd_kafka_conf_new)                     \
    X(rd_kafka_conf_destroy)                 \
    X(rd_kafka_conf_set)                     \
    X(rd_kafka_conf_set_opaque)              \
    X(rd_kafka_conf_set_dr_msg_cb)           \
    X(rd_kafka_conf_set_log_cb)              \
    X(rd_kafka_conf_set_error_cb)            \
    X(rd_kafka_new)                          \
    X(rd_kafka_destroy)                      \
    X(rd_kafka_destroy_flags)                \
    X(rd_kafka_poll)                         \
    X(rd_kafka_flush)                        \
    X(rd_kafka_purge)                        \
    X(rd_kafka_outq_len)                     \
    X(rd_kafka_produceva)                    \
    X(rd_kafka_error_code)                   \
    X(rd_kafka_error_string)                 \
    X(rd_kafka_error_destroy)                \
    X(rd_kafka_err2str)                      \
    X(rd_kafka_fatal_error)                  \
    X(rd_kafka_headers_new)                  \
    X(rd_kafka_headers_destroy)              \
    X(rd_kafka_header_add)                   \
    X(rd_kafka_header_get_all)               \
    X(rd_kafka_message_headers)              \
    X(rd_kafka_message_timestamp)            \
    X(rd_kafka_message_destroy)              \
    X(rd_kafka_message_errstr)               \
    X(rd_kafka_topic_name)                   \
    X(rd_kafka_topic_partition_list_new)     \
    X(rd_kafka_topic_partition_list_add)     \
    X(rd_kafka_topic_partition_list_destroy) \
    X(rd_kafka_poll_set_consumer)            \
    X(rd_kafka_assign)                       \
    X(rd_kafka_assignment)                   \
    X(rd_kafka_subscribe)                    \
    X(rd_kafka_consumer_poll)                \
    X(rd_kafka_consumer_close)               \
    X(rd_kafka_pause_partitions)             \
    X(rd_kafka_offsets_store)                \
    X(rd_kafka_commit)

struct rdkafka {
#define RDKAFKA_MEMBER(name) __typeof__(name) *name;
    RDKAFKA_FUNCTIONS(RDKAFKA_MEMBER)
#undef RDKAFKA_MEMBER
};

/* A configuration with these settings. `opaque` comes back in callbacks. */
MUST_USE enum err rdkafka_configure(struct rdkafka *k, const struct rdkafka_setting *settings,
                                    size_t count, void *opaque, rd_kafka_conf_t **out,
                                    struct ectx *ec);
/* The house's error of one of the library's. */
enum err rdkafka_err(rd_kafka_resp_err_t e);

#endif
