/*
 * Frame headers. They are messages like any other (schema/request_header.msg); the rules of which
 * header version belongs to which API version are all here.
 */
#include "wire/frame.h"

#include "core/bytes.h"
#include "wire/gen/all.h"

int16_t wire_request_header_version(const struct wire_api *api, int16_t version)
{
    return version >= api->flexible_since ? 2 : 1;
}

int16_t wire_response_header_version(const struct wire_api *api, int16_t version)
{
    if (api->key == WIRE_API_VERSIONS) {
        return 0;
    }
    return version >= api->flexible_since ? 1 : 0;
}

enum err wire_request_head(struct slice *in, struct arena *a, struct wire_request_head *out,
                           struct ectx *ec)
{
    if (slice_left(in) < 8) {
        return ectx_fail(ec, ERR_TRUNCATED, "request header has %zu bytes, at least 8 are needed",
                         slice_left(in));
    }
    struct wire_request_head head = {
        .key = (int16_t)get_be16(in->p),
        .version = (int16_t)get_be16(in->p + 2),
        .correlation_id = (int32_t)get_be32(in->p + 4),
        .client_id = STR_LIT(""),
    };
    head.api = wire_api_find(head.key);
    if (head.api == NULL) {
        in->p += 8;
        *out = head;
        return ERR_OK;
    }
    struct wire_request_header h;
    enum err e = wire_decode(&wire_request_header_type,
                             wire_request_header_version(head.api, head.version), in, a, &h, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (!str_is_null(h.client_id)) {
        head.client_id = h.client_id;
    }
    head.supported = head.version >= head.api->served_min && head.version <= head.api->max;
    *out = head;
    return ERR_OK;
}

/* One frame: room for the size, header and body, then the size is known. */
static enum err put_frame(struct buf *out, struct wire_splices *sp,
                          const struct wire_message *header, int16_t header_version,
                          const void *head, const struct wire_message *message, int16_t version,
                          const void *body, bool response, struct ectx *ec)
{
    size_t start = out->n;
    size_t count = sp == NULL ? 0 : sp->count;
    uint64_t bytes = sp == NULL ? 0 : sp->bytes;
    if (buf_extend(out, 4) == NULL) {
        bool full = out->max - start < 4;
        out->failed = false;
        return ectx_fail(ec, full ? ERR_LIMIT : ERR_NO_MEMORY, "no room for a frame of %s",
                         message->name);
    }
    enum err e = wire_encode(header, header_version, head, out, NULL, ec);
    if (e == ERR_OK) {
        e = response ? wire_encode_response(message, version, body, out, sp, ec)
                     : wire_encode(message, version, body, out, sp, ec);
    }
    uint64_t size = out->n - start - 4 + (sp == NULL ? 0 : sp->bytes - bytes);
    if (e == ERR_OK && size > INT32_MAX) {
        e = ectx_fail(ec, ERR_LIMIT, "%s of %llu bytes: a frame holds at most 2^31 - 1",
                      message->name, (unsigned long long)size);
    }
    if (e != ERR_OK) {
        out->n = start;
        if (sp != NULL) {
            sp->count = count;
            sp->bytes = bytes;
        }
        return e;
    }
    put_be32(out->p + start, (uint32_t)size);
    return ERR_OK;
}

enum err wire_response_put(struct buf *out, struct wire_splices *sp, const struct wire_api *api,
                           int16_t version, int32_t correlation_id, const void *body,
                           struct ectx *ec)
{
    struct wire_response_header h;
    wire_init(&wire_response_header_type, &h);
    h.correlation_id = correlation_id;
    return put_frame(out, sp, &wire_response_header_type,
                     wire_response_header_version(api, version), &h, api->response, version, body,
                     true, ec);
}

enum err wire_request_put(struct buf *out, struct wire_splices *sp, const struct wire_api *api,
                          int16_t version, int32_t correlation_id, struct str client_id,
                          const void *body, struct ectx *ec)
{
    struct wire_request_header h;
    wire_init(&wire_request_header_type, &h);
    h.request_api_key = api->key;
    h.request_api_version = version;
    h.correlation_id = correlation_id;
    h.client_id = client_id;
    return put_frame(out, sp, &wire_request_header_type, wire_request_header_version(api, version),
                     &h, api->request, version, body, false, ec);
}

enum err wire_response_head(struct slice *in, struct arena *a, const struct wire_api *api,
                            int16_t version, int32_t *correlation_id, struct ectx *ec)
{
    struct wire_response_header h;
    enum err e = wire_decode(&wire_response_header_type, wire_response_header_version(api, version),
                             in, a, &h, ec);
    if (e == ERR_OK) {
        *correlation_id = h.correlation_id;
    }
    return e;
}
