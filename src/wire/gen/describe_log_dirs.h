/* Made by tools/gen_wire.py from src/wire/schema/describe_log_dirs.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_DESCRIBE_LOG_DIRS_H
#define LEAT_WIRE_GEN_DESCRIBE_LOG_DIRS_H

#include "wire/wire.h"

/* DescribeLogDirsRequest: key 35, versions 1-5, flexible 2+. */
struct wire_describe_log_dirs_request_topic {
    struct str topic;         /* v0+ */
    int32_t *partitions;      /* v0+ */
    int32_t partitions_count;
};

struct wire_describe_log_dirs_request {
    struct wire_describe_log_dirs_request_topic *topics; /* v0+, null v0+. null: all */
    int32_t topics_count;
};

extern const struct wire_message wire_describe_log_dirs_request_type;
extern const struct wire_message wire_describe_log_dirs_request_topic_type;

/* DescribeLogDirsResponse: key 35, versions 1-5, flexible 2+. */
struct wire_describe_log_dirs_response_partition {
    int32_t partition_index; /* v0+ */
    int64_t partition_size;  /* v0+ */
    int64_t offset_lag;      /* v0+. of the log behind the high watermark */
    bool is_future_key;      /* v0+. a replica on its way to another folder */
};

struct wire_describe_log_dirs_response_topic {
    struct str name;                                              /* v0+ */
    struct wire_describe_log_dirs_response_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_describe_log_dirs_response_log_dir {
    int16_t error_code;                                   /* v0+ */
    struct str log_dir;                                   /* v0+ */
    struct wire_describe_log_dirs_response_topic *topics; /* v0+ */
    int32_t topics_count;
    int64_t total_bytes;                                  /* v4+, default -1 */
    int64_t usable_bytes;                                 /* v4+, default -1 */
    bool is_cordoned;                                     /* v5+ */
};

struct wire_describe_log_dirs_response {
    int32_t throttle_time_ms;                                /* v0+ */
    int16_t error_code;                                      /* v3+ */
    struct wire_describe_log_dirs_response_log_dir *results; /* v0+ */
    int32_t results_count;
};

extern const struct wire_message wire_describe_log_dirs_response_type;
extern const struct wire_message wire_describe_log_dirs_response_log_dir_type;
extern const struct wire_message wire_describe_log_dirs_response_topic_type;
extern const struct wire_message wire_describe_log_dirs_response_partition_type;

#endif
