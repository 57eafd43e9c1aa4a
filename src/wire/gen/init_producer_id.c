/* Made by tools/gen_wire.py from src/wire/schema/init_producer_id.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/init_producer_id.h"

#define AT(member) offsetof(struct wire_init_producer_id_request, member)
static const struct wire_field init_producer_id_request_fields[] = {
    {"transactional_id", NULL,
     AT(transactional_id), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
    {"transaction_timeout_ms", NULL,
     AT(transaction_timeout_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"producer_id", NULL,
     AT(producer_id), 0, WIRE_INT64, 0, 0, {3, 255}, {1, 0}, {1, 0}},
    {"producer_epoch", NULL,
     AT(producer_epoch), 0, WIRE_INT16, 0, 0, {3, 255}, {1, 0}, {1, 0}},
    {"enable2_pc", NULL,
     AT(enable2_pc), 0, WIRE_BOOL, 0, 0, {6, 255}, {1, 0}, {1, 0}},
    {"keep_prepared_txn", NULL,
     AT(keep_prepared_txn), 0, WIRE_BOOL, 0, 0, {6, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_init_producer_id_request
    init_producer_id_request_default = {
    .transactional_id = {"", 0},
    .transaction_timeout_ms = 0,
    .producer_id = INT64_C(-1),
    .producer_epoch = -1,
    .enable2_pc = false,
    .keep_prepared_txn = false,
};
const struct wire_message wire_init_producer_id_request_type = {
    "InitProducerIdRequest", init_producer_id_request_fields, &init_producer_id_request_default,
    6, sizeof(struct wire_init_producer_id_request), 0, 5, 2, false};

#define AT(member) offsetof(struct wire_init_producer_id_response, member)
static const struct wire_field init_producer_id_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"producer_id", NULL,
     AT(producer_id), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"producer_epoch", NULL,
     AT(producer_epoch), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"ongoing_txn_producer_id", NULL,
     AT(ongoing_txn_producer_id), 0, WIRE_INT64, 0, 0, {6, 255}, {1, 0}, {1, 0}},
    {"ongoing_txn_producer_epoch", NULL,
     AT(ongoing_txn_producer_epoch), 0, WIRE_INT16, 0, 0, {6, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_init_producer_id_response
    init_producer_id_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .producer_id = INT64_C(-1),
    .producer_epoch = 0,
    .ongoing_txn_producer_id = INT64_C(-1),
    .ongoing_txn_producer_epoch = -1,
};
const struct wire_message wire_init_producer_id_response_type = {
    "InitProducerIdResponse", init_producer_id_response_fields, &init_producer_id_response_default,
    6, sizeof(struct wire_init_producer_id_response), 0, 5, 2, false};
