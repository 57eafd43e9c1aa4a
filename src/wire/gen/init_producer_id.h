/* Made by tools/gen_wire.py from src/wire/schema/init_producer_id.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_INIT_PRODUCER_ID_H
#define LEAT_WIRE_GEN_INIT_PRODUCER_ID_H

#include "wire/wire.h"

/* InitProducerIdRequest: key 22, versions 0-5, flexible 2+. */
struct wire_init_producer_id_request {
    struct str transactional_id;    /* v0+, null v0+. null: idempotent only */
    int32_t transaction_timeout_ms; /* v0+ */
    int64_t producer_id;            /* v3+, default -1 */
    int16_t producer_epoch;         /* v3+, default -1 */
    bool enable2_pc;                /* v6+ */
    bool keep_prepared_txn;         /* v6+ */
};

extern const struct wire_message wire_init_producer_id_request_type;

/* InitProducerIdResponse: key 22, versions 0-5, flexible 2+. */
struct wire_init_producer_id_response {
    int32_t throttle_time_ms;           /* v0+ */
    int16_t error_code;                 /* v0+ */
    int64_t producer_id;                /* v0+, default -1 */
    int16_t producer_epoch;             /* v0+ */
    int64_t ongoing_txn_producer_id;    /* v6+, default -1 */
    int16_t ongoing_txn_producer_epoch; /* v6+, default -1 */
};

extern const struct wire_message wire_init_producer_id_response_type;

#endif
