/* Made by tools/gen_wire.py from src/wire/schema/delete_topics.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_DELETE_TOPICS_H
#define LEAT_WIRE_GEN_DELETE_TOPICS_H

#include "wire/wire.h"

/* DeleteTopicsRequest: key 20, versions 1-6, flexible 4+. */
struct wire_delete_topics_request_topic {
    struct str name;      /* v6+, null v6+, default null */
    struct uuid topic_id; /* v6+ */
};

struct wire_delete_topics_request {
    struct wire_delete_topics_request_topic *topics; /* v6+ */
    int32_t topics_count;
    struct str *topic_names;                         /* v0-5. v6+ has topics instead */
    int32_t topic_names_count;
    int32_t timeout_ms;                              /* v0+ */
};

extern const struct wire_message wire_delete_topics_request_type;
extern const struct wire_message wire_delete_topics_request_topic_type;

/* DeleteTopicsResponse: key 20, versions 1-6, flexible 4+. */
struct wire_delete_topics_response_topic {
    struct str name;          /* v0+, null v6+ */
    struct uuid topic_id;     /* v6+ */
    int16_t error_code;       /* v0+ */
    struct str error_message; /* v5+, null v5+, default null */
};

struct wire_delete_topics_response {
    int32_t throttle_time_ms;                            /* v1+ */
    struct wire_delete_topics_response_topic *responses; /* v0+ */
    int32_t responses_count;
};

extern const struct wire_message wire_delete_topics_response_type;
extern const struct wire_message wire_delete_topics_response_topic_type;

#endif
