/* Made by tools/gen_wire.py from src/wire/schema/response_header.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_RESPONSE_HEADER_H
#define LEAT_WIRE_GEN_RESPONSE_HEADER_H

#include "wire/wire.h"

/* ResponseHeader: versions 0-1, flexible 1+. */
struct wire_response_header {
    int32_t correlation_id; /* v0+ */
};

extern const struct wire_message wire_response_header_type;

#endif
