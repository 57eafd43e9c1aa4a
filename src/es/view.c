/*
 * An event's record as far as the index and the checks need it: where its headers are. The whole
 * envelope is the read side's (read_record.c).
 */
#include "es/es_int.h"

static enum err view_tag(struct es_view *v, struct str tag, struct ectx *ec)
{
    if (tag.n == 0 || tag.n > ES_TAG_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, ES_HEADER_TAG ": %zu bytes; a tag has 1 to %u", tag.n,
                         ES_TAG_MAX);
    }
    if (v->tag_count == ES_TAGS_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, ES_HEADER_TAG ": an event has at most %u tags",
                         ES_TAGS_MAX);
    }
    v->tags[v->tag_count++] = tag;
    return ERR_OK;
}

static enum err view_header(struct es_view *v, const struct record_header *h, struct ectx *ec)
{
    if (str_eq_z(h->key, "ce_id")) {
        v->id = h->value.n > 0 ? h->value : STR_NULL;
    } else if (str_eq_z(h->key, "ce_type")) {
        v->type = h->value;
    } else if (str_eq_z(h->key, ES_HEADER_META)) {
        v->meta = h->value;
    } else if (str_eq_z(h->key, ES_HEADER_TAG)) {
        return view_tag(v, h->value, ec);
    } else if (str_eq_z(h->key, ES_HEADER_EXPECTED)) {
        if (!str_is_null(v->expected)) {
            return ectx_fail(ec, ERR_MALFORMED, ES_HEADER_EXPECTED " stands there twice");
        }
        v->expected = str_is_null(h->value) ? STR_LIT("") : h->value;
    } else if (str_eq_z(h->key, ES_HEADER_REVISION)) {
        if (!str_to_u64(h->value, &v->revision) || v->revision > ES_REVISION_MAX) {
            return ectx_fail(ec, ERR_MALFORMED, ES_HEADER_REVISION ": '%.*s' is no revision",
                             h->value.n > 32 ? 32 : (int)h->value.n, h->value.p);
        }
        v->has_revision = true;
    }
    return ERR_OK;
}

enum err es_view_read(const struct record *r, struct es_view *out, struct ectx *ec)
{
    struct slice headers = r->headers;
    struct record_header h;
    /* Not the tags: they are 1 KiB, and count says how many there are. */
    out->id = out->type = out->meta = out->expected = STR_NULL;
    out->tag_count = 0;
    out->has_revision = false;
    out->revision = 0;
    out->stream = r->key;
    out->data = r->value;
    if (r->key.n == 0 || r->key.n > ES_STREAM_NAME_MAX) {
        return ectx_fail(ec, ERR_MALFORMED,
                         "the key is the stream's name: it has %zu bytes, not 1 to %u", r->key.n,
                         ES_STREAM_NAME_MAX);
    }
    while (record_header_next(&headers, &h)) {
        enum err e = view_header(out, &h, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    if (out->type.n == 0 || out->type.n > ENVELOPE_TYPE_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, "ce_type: %s",
                         out->type.n == 0 ? "it is missing" : "it is too long");
    }
    if (out->id.n > ES_EVENT_ID_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, "ce_id: %zu bytes; an id has at most %u", out->id.n,
                         ES_EVENT_ID_MAX);
    }
    if (out->meta.n > ES_META_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, ES_HEADER_META ": %zu bytes; at most %u", out->meta.n,
                         ES_META_MAX);
    }
    return ERR_OK;
}
