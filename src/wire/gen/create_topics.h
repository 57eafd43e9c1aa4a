/* Made by tools/gen_wire.py from src/wire/schema/create_topics.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_CREATE_TOPICS_H
#define LEAT_WIRE_GEN_CREATE_TOPICS_H

#include "wire/wire.h"

/* CreateTopicsRequest: key 19, versions 2-7, flexible 5+. */
struct wire_create_topics_request_assignment {
    int32_t partition_index;  /* v0+ */
    int32_t *broker_ids;      /* v0+ */
    int32_t broker_ids_count;
};

struct wire_create_topics_request_config {
    struct str name;  /* v0+ */
    struct str value; /* v0+, null v0+ */
};

struct wire_create_topics_request_topic {
    struct str name;                                           /* v0+ */
    int32_t num_partitions;                                    /* v0+. -1: the default, or assignments decide */
    int16_t replication_factor;                                /* v0+. -1: the default, or assignments decide */
    struct wire_create_topics_request_assignment *assignments; /* v0+ */
    int32_t assignments_count;
    struct wire_create_topics_request_config *configs;         /* v0+ */
    int32_t configs_count;
};

struct wire_create_topics_request {
    struct wire_create_topics_request_topic *topics; /* v0+ */
    int32_t topics_count;
    int32_t timeout_ms;                              /* v0+, default 60000 */
    bool validate_only;                              /* v1+ */
};

extern const struct wire_message wire_create_topics_request_type;
extern const struct wire_message wire_create_topics_request_topic_type;
extern const struct wire_message wire_create_topics_request_config_type;
extern const struct wire_message wire_create_topics_request_assignment_type;

/* CreateTopicsResponse: key 19, versions 2-7, flexible 5+. */
struct wire_create_topics_response_config {
    struct str name;      /* v5+ */
    struct str value;     /* v5+, null v5+ */
    bool read_only;       /* v5+ */
    int8_t config_source; /* v5+, default -1 */
    bool is_sensitive;    /* v5+ */
};

struct wire_create_topics_response_topic {
    struct str name;                                    /* v0+ */
    struct uuid topic_id;                               /* v7+ */
    int16_t error_code;                                 /* v0+ */
    struct str error_message;                           /* v1+, null v0+ */
    int16_t topic_config_error_code;                    /* v5+, tag 0 */
    int32_t num_partitions;                             /* v5+, default -1 */
    int16_t replication_factor;                         /* v5+, default -1 */
    struct wire_create_topics_response_config *configs; /* v5+, null v5+ */
    int32_t configs_count;
};

struct wire_create_topics_response {
    int32_t throttle_time_ms;                         /* v2+ */
    struct wire_create_topics_response_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_create_topics_response_type;
extern const struct wire_message wire_create_topics_response_topic_type;
extern const struct wire_message wire_create_topics_response_config_type;

#endif
