/* Made by tools/gen_wire.py from src/wire/schema/describe_configs.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_DESCRIBE_CONFIGS_H
#define LEAT_WIRE_GEN_DESCRIBE_CONFIGS_H

#include "wire/wire.h"

/* DescribeConfigsRequest: key 32, versions 1-4, flexible 4+. */
struct wire_describe_configs_request_resource {
    int8_t resource_type;             /* v0+. 2: topic, 4: broker, 8: broker logger */
    struct str resource_name;         /* v0+ */
    struct str *configuration_keys;   /* v0+, null v0+. null: all */
    int32_t configuration_keys_count;
};

struct wire_describe_configs_request {
    struct wire_describe_configs_request_resource *resources; /* v0+ */
    int32_t resources_count;
    bool include_synonyms;                                    /* v1+ */
    bool include_documentation;                               /* v3+ */
};

extern const struct wire_message wire_describe_configs_request_type;
extern const struct wire_message wire_describe_configs_request_resource_type;

/* DescribeConfigsResponse: key 32, versions 1-4, flexible 4+. */
struct wire_describe_configs_response_synonym {
    struct str name;  /* v1+ */
    struct str value; /* v1+, null v0+ */
    int8_t source;    /* v1+ */
};

struct wire_describe_configs_response_config {
    struct str name;                                         /* v0+ */
    struct str value;                                        /* v0+, null v0+ */
    bool read_only;                                          /* v0+ */
    int8_t config_source;                                    /* v1+, default -1. 1: topic, 2: broker, 3: all brokers, 4: broker file, 5: default */
    bool is_sensitive;                                       /* v0+ */
    struct wire_describe_configs_response_synonym *synonyms; /* v1+ */
    int32_t synonyms_count;
    int8_t config_type;                                      /* v3+ */
    struct str documentation;                                /* v3+, null v0+ */
};

struct wire_describe_configs_response_resource {
    int16_t error_code;                                    /* v0+ */
    struct str error_message;                              /* v0+, null v0+ */
    int8_t resource_type;                                  /* v0+ */
    struct str resource_name;                              /* v0+ */
    struct wire_describe_configs_response_config *configs; /* v0+ */
    int32_t configs_count;
};

struct wire_describe_configs_response {
    int32_t throttle_time_ms;                                /* v0+ */
    struct wire_describe_configs_response_resource *results; /* v0+ */
    int32_t results_count;
};

extern const struct wire_message wire_describe_configs_response_type;
extern const struct wire_message wire_describe_configs_response_resource_type;
extern const struct wire_message wire_describe_configs_response_config_type;
extern const struct wire_message wire_describe_configs_response_synonym_type;

#endif
