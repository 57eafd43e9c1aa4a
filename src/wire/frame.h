/*
 * Frames: what stands before a message on a connection.
 *
 *   request    int32 size | request header | request
 *   response   int32 size | response header | response
 *
 * The request header is v2 (with tagged fields) from the first flexible version of an API on, v1
 * before. The response header is v1 (with tagged fields) likewise, but for ApiVersions always v0,
 * since a client must be able to read the answer before both know a version. client_id is a classic
 * string in every header. (Header v0 was for ControlledShutdown v0 only, which Kafka 4 no longer
 * has.)
 *
 * The size is the transport's: `in` begins after it. No function here blocks or keeps state.
 */
#ifndef LEAT_WIRE_FRAME_H
#define LEAT_WIRE_FRAME_H

#include "wire/gen/request_header.h"
#include "wire/gen/response_header.h"
#include "wire/wire.h"

/* The header of a request as a server sees it. */
struct wire_request_head {
    const struct wire_api *api; /* NULL: a key that the table does not know */
    int16_t key, version;
    int32_t correlation_id;
    struct str client_id; /* a view; never null, Kafka takes null as empty */
    /* version is one that is served. If not: for ApiVersions answer with a v0 body and error 35 and
     * do not read the request; for all others Kafka closes the connection. */
    bool supported;
};

/*
 * Reads the header of a request and leaves `in` at the request itself. With an unknown key only the
 * first 8 bytes are read (the header version depends on the key): api is NULL, client_id empty.
 * Errors as wire_decode; `a` is not kept.
 */
MUST_USE enum err wire_request_head(struct slice *in, struct arena *a,
                                    struct wire_request_head *out, struct ectx *ec);

/* The header version of a request and of a response of this API version. */
int16_t wire_request_header_version(const struct wire_api *api, int16_t version);
int16_t wire_response_header_version(const struct wire_api *api, int16_t version);

/*
 * Appends a whole response frame: size, header, body. `version` is the body's. With `sp`, record
 * chunks are left out of `out` and noted there; the size counts them. On an error `out` and `sp`
 * are as before.
 */
MUST_USE enum err wire_response_put(struct buf *out, struct wire_splices *sp,
                                    const struct wire_api *api, int16_t version,
                                    int32_t correlation_id, const void *body, struct ectx *ec);

/* The client's side: appends a whole request frame. */
MUST_USE enum err wire_request_put(struct buf *out, struct wire_splices *sp,
                                   const struct wire_api *api, int16_t version,
                                   int32_t correlation_id, struct str client_id, const void *body,
                                   struct ectx *ec);

/* The client's side: reads the header of a response of this API version; `in` is left at the body.
 */
MUST_USE enum err wire_response_head(struct slice *in, struct arena *a, const struct wire_api *api,
                                     int16_t version, int32_t *correlation_id, struct ectx *ec);

#endif
