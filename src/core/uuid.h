/* UUIDs (RFC 9562). Text forms: the canonical one, and Kafka's (22 characters of URL-safe base64).
 */
#ifndef LEAT_CORE_UUID_H
#define LEAT_CORE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/str.h"

struct uuid {
    uint8_t b[16];
};

#define UUID_TEXT_SIZE  37 /* with the NUL */
#define UUID_KAFKA_SIZE 23 /* with the NUL */

static inline bool uuid_eq(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, 16) == 0;
}
bool uuid_is_zero(struct uuid u);
/* Version 4 from 16 random bytes. */
struct uuid uuid_v4(const uint8_t random[16]);
void uuid_format(struct uuid u, char out[UUID_TEXT_SIZE]);
void uuid_format_kafka(struct uuid u, char out[UUID_KAFKA_SIZE]);
bool uuid_parse(struct str s, struct uuid *out);       /* canonical form only */
bool uuid_parse_kafka(struct str s, struct uuid *out); /* 22 characters of base64url */

#endif
