/* Made by tools/gen_wire.py from src/wire/schema/response_header.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/response_header.h"

#define AT(member) offsetof(struct wire_response_header, member)
static const struct wire_field response_header_fields[] = {
    {"correlation_id", NULL,
     AT(correlation_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_response_header
    response_header_default = {
    .correlation_id = 0,
};
const struct wire_message wire_response_header_type = {
    "ResponseHeader", response_header_fields, &response_header_default,
    1, sizeof(struct wire_response_header), 0, 1, 1, false};
