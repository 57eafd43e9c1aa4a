/* Records of topics as the native API reads and writes them. */
#ifndef LEAT_API_RECORDS_H
#define LEAT_API_RECORDS_H

#include "api/api_int.h"
#include "record/record.h"

#define RECORDS_MAX        100000u /* of one request */
#define RECORD_HEADERS_MAX 1000u

struct record_in {
    struct engine_record record;
    int32_t partition; /* -1: by key */
    bool has_key;
};
/*
 * {"key", "value" | "value_string" | "value_base64", "headers", "partition", "timestamp"}. A value
 * that is JSON is stored as its text; a key that is a string is stored as its bytes.
 * ERR_MALFORMED names the member; ERR_LIMIT, ERR_NO_MEMORY. Memory: the arena's.
 */
MUST_USE enum err record_read(const struct json *v, struct arena *a, struct record_in *out,
                              struct ectx *ec);
/* The same forms: JSON stays JSON, text is value_string, the rest base64. */
void record_write(struct json_writer *w, int32_t partition, const struct record *r);

/* GET /api/v1/topics/{topic}/records (consume.c). */
void records_get(struct api_call *c);

#endif
