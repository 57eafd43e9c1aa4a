/* Made by tools/gen_wire.py from src/wire/schema/delete_records.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_DELETE_RECORDS_H
#define LEAT_WIRE_GEN_DELETE_RECORDS_H

#include "wire/wire.h"

/* DeleteRecordsRequest: key 21, versions 0-2, flexible 2+. */
struct wire_delete_records_request_partition {
    int32_t partition_index; /* v0+ */
    int64_t offset;          /* v0+. -1: up to the high watermark */
};

struct wire_delete_records_request_topic {
    struct str name;                                          /* v0+ */
    struct wire_delete_records_request_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_delete_records_request {
    struct wire_delete_records_request_topic *topics; /* v0+ */
    int32_t topics_count;
    int32_t timeout_ms;                               /* v0+ */
};

extern const struct wire_message wire_delete_records_request_type;
extern const struct wire_message wire_delete_records_request_topic_type;
extern const struct wire_message wire_delete_records_request_partition_type;

/* DeleteRecordsResponse: key 21, versions 0-2, flexible 2+. */
struct wire_delete_records_response_partition {
    int32_t partition_index; /* v0+ */
    int64_t low_watermark;   /* v0+. -1: error */
    int16_t error_code;      /* v0+ */
};

struct wire_delete_records_response_topic {
    struct str name;                                           /* v0+ */
    struct wire_delete_records_response_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_delete_records_response {
    int32_t throttle_time_ms;                          /* v0+ */
    struct wire_delete_records_response_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_delete_records_response_type;
extern const struct wire_message wire_delete_records_response_topic_type;
extern const struct wire_message wire_delete_records_response_partition_type;

#endif
