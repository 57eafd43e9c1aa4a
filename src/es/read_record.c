/*
 * A record of a topic es.CATEGORY as an event: the key is the stream, ce_* headers are the
 * envelope, `leat-revision`, `leat-tag` (one for each tag) and `leat-meta` are ours, the value is
 * the data.
 *
 * Records that lack what every event has (a key, a revision, an id and a type) are no events of
 * ours: the gate lets none in, but a topic may be older than the gate. They are told apart and
 * passed over, never guessed at.
 */
#include "es/read_int.h"

/* What is ours in the headers of a record. */
struct head {
    uint64_t revision;
    struct str meta;
    size_t tag_count;
};

/* Copies what the record's views, and `meta` in them, show, so that batch and scratch may go. Key,
 * value and headers lie behind one another in the record: one copy. */
static bool record_keep(struct record *r, struct str *meta, struct arena *a)
{
    const char *begin = r->key.p != NULL     ? r->key.p
                        : r->value.p != NULL ? r->value.p
                                             : (const char *)r->headers.p;
    size_t n = (size_t)((const char *)r->headers.end - begin);
    struct str copy = arena_str(a, str_make(begin, n));
    if (copy.p == NULL) {
        return false;
    }
    if (r->key.p != NULL) {
        r->key.p = copy.p + (r->key.p - begin);
    }
    if (r->value.p != NULL) {
        r->value.p = copy.p + (r->value.p - begin);
    }
    if (meta->p != NULL) {
        meta->p = copy.p + (meta->p - begin);
    }
    size_t headers_n = slice_left(&r->headers);
    r->headers = slice_of(copy.p + n - headers_n, headers_n);
    return true;
}

/* False: no event. */
static bool head_read(const struct record *r, struct head *out)
{
    *out = (struct head){0};
    bool has_revision = false;
    struct slice headers = r->headers;
    struct record_header h;
    while (record_header_next(&headers, &h)) {
        if (h.key.n < sizeof("leat-") - 1 || h.key.p[0] != 'l' || h.value.p == NULL) {
            continue;
        }
        if (str_eq(h.key, STR_LIT(ES_HEADER_REVISION))) {
            has_revision = str_to_u64(h.value, &out->revision);
        } else if (str_eq(h.key, STR_LIT(ES_HEADER_TAG))) {
            out->tag_count++;
        } else if (str_eq(h.key, STR_LIT(ES_HEADER_META))) {
            out->meta = h.value;
        }
    }
    return has_revision && r->key.p != NULL && r->key.n > 0;
}

static bool tags_read(const struct record *r, struct es_event *e, struct arena *a)
{
    e->tags = arena_new_n(a, struct str, e->tag_count);
    if (e->tags == NULL) {
        return false;
    }
    size_t n = 0;
    struct slice headers = r->headers;
    struct record_header h;
    while (n < e->tag_count && record_header_next(&headers, &h)) {
        if (h.value.p != NULL && str_eq(h.key, STR_LIT(ES_HEADER_TAG))) {
            e->tags[n++] = h.value;
        }
    }
    return true;
}

enum err es_record_read(const struct record *record, const struct es_record_place *place,
                        struct arena *a, struct es_event *out, struct ectx *ec)
{
    struct record r = *record;
    struct head head;
    if (!head_read(&r, &head)) {
        return ERR_NOT_FOUND;
    }
    if (!record_keep(&r, &head.meta, a)) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for an event of %zu bytes", r.size);
    }
    /* Field by field: the envelope has room for much that is hardly ever there. */
    out->stream = r.key;
    out->revision = head.revision;
    out->position =
        (struct es_position){.commit = place->commit, .index = (uint32_t)r.offset_delta};
    envelope_init(&out->envelope);
    out->data = STR_NULL;
    out->meta = head.meta;
    out->tags = NULL;
    out->tag_count = head.tag_count;
    out->redacted = false;
    out->topic = place->topic;
    out->partition = place->partition;
    out->offset = r.offset;
    if (head.tag_count > 0 && !tags_read(&r, out, a)) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the tags of an event");
    }
    enum envelope_form form;
    enum err e = envelope_read_record(&r, a, &out->envelope, &out->data, &form, ec);
    if (e == ERR_MALFORMED) {
        return ERR_NOT_FOUND;
    }
    if (e != ERR_OK) {
        return e;
    }
    return out->envelope.id.p == NULL || out->envelope.type.p == NULL ? ERR_NOT_FOUND : ERR_OK;
}

size_t es_event_size(const struct es_event *e)
{
    size_t n = 256 + e->stream.n + e->data.n + e->meta.n + e->envelope.id.n + e->envelope.type.n;
    for (size_t i = 0; i < e->tag_count; i++) {
        n += e->tags[i].n + 4;
    }
    return n;
}
