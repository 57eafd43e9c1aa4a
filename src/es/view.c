/*
 * An event's record as far as the index, the checks and the readers need it: where its headers are.
 * The rest of the envelope is read by read_record.c.
 *
 * One rule for all of them: names of headers are read in any case; of a header that is there twice
 * the last counts, but for tags, of which each is one. What is too long or empty is passed over, as
 * it cannot be in the index. So no record that is an event by its stream, its type, its revision
 * and its id is ever left out, whatever else is wrong with it: its revision is taken. The gate
 * refuses what is passed over here (gate_record.c).
 */
#include "es/es_int.h"

static bool same_any_case(struct str s, const char *lower)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i];
        if (c != lower[i]) {
            return false;
        }
    }
    return true;
}

enum es_header es_header_of(struct str name)
{
    static const struct {
        struct str name;
        enum es_header header;
    } ours[] = {
        {STR_LIT("ce_id"), ES_H_ID},
        {STR_LIT("ce_type"), ES_H_TYPE},
        {STR_LIT(ES_HEADER_TAG), ES_H_TAG},
        {STR_LIT(ES_HEADER_META), ES_H_META},
        {STR_LIT(ES_HEADER_REVISION), ES_H_REVISION},
        {STR_LIT(ES_HEADER_EXPECTED), ES_H_EXPECTED},
    };
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (name.n == ours[i].name.n && same_any_case(name, ours[i].name.p)) {
            return ours[i].header;
        }
    }
    return ES_H_OTHER;
}

static bool fits(struct str value, size_t max)
{
    return value.n > 0 && value.n <= max;
}

static void view_header(struct es_view *v, const struct record_header *h)
{
    switch (es_header_of(h->key)) {
    case ES_H_ID:
        v->id = fits(h->value, ES_EVENT_ID_MAX) ? h->value : v->id;
        break;
    case ES_H_TYPE:
        v->type = fits(h->value, ENVELOPE_TYPE_MAX) ? h->value : v->type;
        break;
    case ES_H_TAG:
        if (fits(h->value, ES_TAG_MAX) && v->tag_count < ES_TAGS_MAX) {
            v->tags[v->tag_count++] = h->value;
        }
        break;
    case ES_H_META:
        v->meta = fits(h->value, ES_META_MAX) ? h->value : v->meta;
        break;
    case ES_H_REVISION:
        v->has_revision = str_to_u64(h->value, &v->revision) && v->revision <= ES_REVISION_MAX;
        break;
    case ES_H_EXPECTED:
        v->expected = str_is_null(h->value) ? STR_LIT("") : h->value;
        break;
    case ES_H_OTHER:
        break;
    }
}

enum err es_view_read(const struct record *r, struct es_view *out, struct ectx *ec)
{
    struct slice headers = r->headers;
    struct record_header h;
    /* Not the tags: they are many, and count says how many there are. */
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
        view_header(out, &h);
    }
    return out->type.n > 0
               ? ERR_OK
               : ectx_fail(ec, ERR_MALFORMED, "ce_type: missing, or not of 1 to %u bytes",
                           ENVELOPE_TYPE_MAX);
}

bool es_view_event(const struct record *r, struct es_view *out)
{
    return es_view_read(r, out, NULL) == ERR_OK && out->has_revision && !str_is_null(out->id);
}
