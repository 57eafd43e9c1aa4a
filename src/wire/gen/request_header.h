/* Made by tools/gen_wire.py from src/wire/schema/request_header.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_REQUEST_HEADER_H
#define LEAT_WIRE_GEN_REQUEST_HEADER_H

#include "wire/wire.h"

/* RequestHeader: versions 1-2, flexible 2+. */
struct wire_request_header {
    int16_t request_api_key;     /* v0+ */
    int16_t request_api_version; /* v0+ */
    int32_t correlation_id;      /* v0+ */
    struct str client_id;        /* v1+, null v1+ */
};

extern const struct wire_message wire_request_header_type;

#endif
