/* Made by tools/gen_wire.py from src/wire/schema/request_header.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/request_header.h"

#define AT(member) offsetof(struct wire_request_header, member)
static const struct wire_field request_header_fields[] = {
    {"request_api_key", NULL,
     AT(request_api_key), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"request_api_version", NULL,
     AT(request_api_version), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"correlation_id", NULL,
     AT(correlation_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"client_id", NULL,
     AT(client_id), 0, WIRE_STRING, WIRE_CLASSIC, 0, {1, 255}, {1, 255}, {1, 0}},
};
#undef AT
static const struct wire_request_header
    request_header_default = {
    .request_api_key = 0,
    .request_api_version = 0,
    .correlation_id = 0,
    .client_id = {"", 0},
};
const struct wire_message wire_request_header_type = {
    "RequestHeader", request_header_fields, &request_header_default,
    4, sizeof(struct wire_request_header), 1, 2, 2, false};
