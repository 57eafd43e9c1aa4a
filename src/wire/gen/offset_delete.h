/* Made by tools/gen_wire.py from src/wire/schema/offset_delete.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_OFFSET_DELETE_H
#define LEAT_WIRE_GEN_OFFSET_DELETE_H

#include "wire/wire.h"

/* OffsetDeleteRequest: key 47, versions 0, never flexible. */
struct wire_offset_delete_request_partition {
    int32_t partition_index; /* v0+ */
};

struct wire_offset_delete_request_topic {
    struct str name;                                         /* v0+ */
    struct wire_offset_delete_request_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_offset_delete_request {
    struct str group_id;                             /* v0+ */
    struct wire_offset_delete_request_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_offset_delete_request_type;
extern const struct wire_message wire_offset_delete_request_topic_type;
extern const struct wire_message wire_offset_delete_request_partition_type;

/* OffsetDeleteResponse: key 47, versions 0, never flexible. */
struct wire_offset_delete_response_partition {
    int32_t partition_index; /* v0+ */
    int16_t error_code;      /* v0+ */
};

struct wire_offset_delete_response_topic {
    struct str name;                                          /* v0+ */
    struct wire_offset_delete_response_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_offset_delete_response {
    int16_t error_code;                               /* v0+ */
    int32_t throttle_time_ms;                         /* v0+ */
    struct wire_offset_delete_response_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_offset_delete_response_type;
extern const struct wire_message wire_offset_delete_response_topic_type;
extern const struct wire_message wire_offset_delete_response_partition_type;

#endif
