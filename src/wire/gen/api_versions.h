/* Made by tools/gen_wire.py from src/wire/schema/api_versions.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_API_VERSIONS_H
#define LEAT_WIRE_GEN_API_VERSIONS_H

#include "wire/wire.h"

/* ApiVersionsRequest: key 18, versions 0-4, flexible 3+. */
struct wire_api_versions_request {
    struct str client_software_name;    /* v3+ */
    struct str client_software_version; /* v3+ */
};

extern const struct wire_message wire_api_versions_request_type;

/* ApiVersionsResponse: key 18, versions 0-4, flexible 3+. */
struct wire_api_versions_response_api_key {
    int16_t api_key;     /* v0+ */
    int16_t min_version; /* v0+ */
    int16_t max_version; /* v0+ */
};

struct wire_api_versions_response_supported_feature {
    struct str name;     /* v3+ */
    int16_t min_version; /* v3+ */
    int16_t max_version; /* v3+ */
};

struct wire_api_versions_response_finalized_feature {
    struct str name;           /* v3+ */
    int16_t max_version_level; /* v3+ */
    int16_t min_version_level; /* v3+ */
};

struct wire_api_versions_response {
    int16_t error_code;                                                      /* v0+ */
    struct wire_api_versions_response_api_key *api_keys;                     /* v0+ */
    int32_t api_keys_count;
    int32_t throttle_time_ms;                                                /* v1+ */
    struct wire_api_versions_response_supported_feature *supported_features; /* v3+, tag 0 */
    int32_t supported_features_count;
    int64_t finalized_features_epoch;                                        /* v3+, tag 1, default -1 */
    struct wire_api_versions_response_finalized_feature *finalized_features; /* v3+, tag 2 */
    int32_t finalized_features_count;
    bool zk_migration_ready;                                                 /* v3+, tag 3 */
};

extern const struct wire_message wire_api_versions_response_type;
extern const struct wire_message wire_api_versions_response_finalized_feature_type;
extern const struct wire_message wire_api_versions_response_supported_feature_type;
extern const struct wire_message wire_api_versions_response_api_key_type;

#endif
