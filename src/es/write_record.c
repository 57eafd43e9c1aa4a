/*
 * An event as a Kafka record: the key is the stream, the value its data, the headers its envelope
 * as CloudEvents in binary mode (ce_*), and ours: leat-revision, leat-meta, leat-tag (one for each
 * tag). What the client left out is filled in here.
 */
#include "core/mem.h"
#include "es/write.h"

static struct record_header header(const char *name, struct str value)
{
    return (struct record_header){str_of(name), value};
}

static struct str stream_source(struct arena *a, struct str stream)
{
    static const char prefix[] = "/leat/streams/";
    const size_t n = sizeof(prefix) - 1;
    char *p = arena_alloc(a, n + stream.n);
    if (p == NULL) {
        return STR_NULL;
    }
    memcpy(p, prefix, n);
    memcpy(p + n, stream.p, stream.n);
    return str_make(p, n + stream.n);
}

bool es_record_write(struct es *es, const struct es_new_event *event, struct es_record *r,
                     struct arena *a, struct engine_record *out)
{
    struct record_header *headers = es->writer->headers; /* large: not on the stack each time */
    struct envelope e = event->envelope;
    if (str_is_null(*r->source)) {
        *r->source = stream_source(a, event->stream);
    }
    const struct envelope_defaults defaults = {
        .id = r->id,
        .time_ns = env_wall_ms(es->env) * 1000000,
        .source = *r->source,
        .subject = event->stream,
        .content_type = STR_LIT("application/json"),
    };
    envelope_complete(&e, &defaults);
    size_t n = envelope_write_headers(&e, a, headers);
    char digits[STR_U64_MAX];
    struct str revision = arena_str(a, str_of_u64(r->revision, digits));
    if (n == 0 || str_is_null(revision) || str_is_null(defaults.source)) {
        return false;
    }
    headers[n++] = header(ES_HEADER_REVISION, revision);
    if (!str_is_null(event->meta)) {
        headers[n++] = header(ES_HEADER_META, event->meta);
    }
    for (size_t i = 0; i < event->tag_count; i++) {
        headers[n++] = header(ES_HEADER_TAG, event->tags[i]);
    }
    struct record_header *kept = arena_new_n(a, struct record_header, n);
    if (kept == NULL) {
        return false;
    }
    memcpy(kept, headers, n * sizeof(*kept));
    *out = (struct engine_record){.key = event->stream,
                                  .value = event->data,
                                  .headers = kept,
                                  .header_count = n,
                                  .timestamp_ms = -1};
    return true;
}
