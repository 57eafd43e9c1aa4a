/*
 * One record of a Kafka producer: is it an event that every reader can read, and how is it stored?
 *
 * It is read by the functions of the readers (view.c, envelope_read_record), so that what is
 * accepted is what can be read. What is stored is the form in which the API stores an event
 * (write_record.c): its envelope, completed, each header once and under one name; then ours; then
 * the producer's other headers as they came.
 */
#include "core/utf8.h"
#include "es/gate.h"

static enum err check_tag(struct str tag, size_t *count, struct ectx *ec)
{
    if (tag.n == 0 || tag.n > ES_TAG_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, ES_HEADER_TAG ": %zu bytes; a tag has 1 to %u", tag.n,
                         ES_TAG_MAX);
    }
    if (!utf8_valid(tag)) {
        return ectx_fail(ec, ERR_MALFORMED, ES_HEADER_TAG ": is no UTF-8");
    }
    if (++*count > ES_TAGS_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, ES_HEADER_TAG ": an event has at most %u tags",
                         ES_TAGS_MAX);
    }
    return ERR_OK;
}

static enum err check_meta(struct str meta, struct ectx *ec)
{
    if (str_is_null(meta)) {
        return ERR_OK;
    }
    if (meta.n > ES_META_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, ES_HEADER_META ": %zu bytes; at most %u", meta.n,
                         ES_META_MAX);
    }
    return es_meta_check(meta, ec);
}

/* What the view passes over, or takes as it is. */
static enum err check_ours(const struct record *r, struct ectx *ec)
{
    struct slice headers = r->headers;
    struct record_header h;
    size_t tags = 0;
    bool expected = false;
    enum err e = ERR_OK;
    while (e == ERR_OK && record_header_next(&headers, &h)) {
        switch (es_header_of(h.key)) {
        case ES_H_TAG:
            e = check_tag(h.value, &tags, ec);
            break;
        case ES_H_META:
            e = check_meta(h.value, ec);
            break;
        case ES_H_EXPECTED:
            e = expected ? ectx_fail(ec, ERR_MALFORMED, ES_HEADER_EXPECTED " stands there twice")
                         : ERR_OK;
            expected = true;
            break;
        case ES_H_ID:
        case ES_H_TYPE: /* the envelope's */
        case ES_H_REVISION:
        case ES_H_OTHER:
            break;
        }
    }
    return e;
}

/* Readers take them, as a log may hold some; nobody stores more of them. */
static enum err check_extensions(const struct envelope *e, struct ectx *ec)
{
    for (size_t i = 0; i < e->other_count; i++) {
        for (size_t k = 0; k < e->other[i].value.n; k++) {
            const unsigned char c = (unsigned char)e->other[i].value.p[k];
            if (c < 0x20 || c == 0x7F) {
                return ectx_fail(ec, ERR_MALFORMED, "ce_%.*s: has control characters",
                                 STR(e->other[i].name));
            }
        }
    }
    return ERR_OK;
}

/* Data is what the content type says. Without one: JSON, if it is. */
static enum err content_type_settle(struct envelope *e, struct str data, struct ectx *ec)
{
    if (!str_is_null(e->content_type) || data.n == 0) {
        return envelope_check_data(e, data, "value", ec);
    }
    const enum err err = json_check(data);
    if (err == ERR_NO_MEMORY) {
        return ectx_fail(ec, err, "no memory for the batch");
    }
    e->content_type = err == ERR_OK ? STR_LIT("application/json") : STR_NULL;
    return ERR_OK;
}

enum err es_gate_record_read(const struct record *r, struct arena *a, struct es_view *view,
                             const struct envelope **envelope, struct ectx *ec)
{
    struct envelope found;
    enum envelope_form form;
    struct str data;
    enum err e = es_view_read(r, view, ec);
    e = e == ERR_OK ? envelope_read_record(r, a, &found, &data, &form, ec) : e;
    e = e == ERR_OK ? check_extensions(&found, ec) : e;
    e = e == ERR_OK ? check_ours(r, ec) : e;
    e = e == ERR_OK ? content_type_settle(&found, data, ec) : e;
    if (e != ERR_OK) {
        return e;
    }
    const size_t n = offsetof(struct envelope, other) + found.other_count * sizeof(found.other[0]);
    struct envelope *kept = arena_alloc(a, n);
    if (kept == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the batch");
    }
    envelope_copy(kept, &found);
    *envelope = kept;
    return ERR_OK;
}

/* The time of the append is the record's, as its producer says, or now. */
static int64_t time_of(const struct gate_op *g, const struct record *r)
{
    const int64_t now_ms = env_wall_ms(g->op.es->env);
    const bool known = r->timestamp >= 0 && r->timestamp <= INT64_MAX / 1000000;
    return (known ? r->timestamp : now_ms) * 1000000;
}

static struct record_header header(const char *name, struct str value)
{
    return (struct record_header){str_of(name), value};
}

size_t es_gate_record_headers(struct gate_op *g, size_t i, struct record_header *out)
{
    const struct record *r = &g->records[i];
    const struct es_plan_event *x = &g->plan.events[i];
    struct arena *a = &g->arena;
    struct envelope e;
    envelope_copy(&e, g->envelopes[i]);
    const struct envelope_defaults defaults = {
        .id = x->id,
        .time_ns = time_of(g, r),
        .source = arena_printf(a, "/leat/streams/%.*s", STR(r->key)),
        .subject = r->key,
    };
    envelope_complete(&e, &defaults);
    struct str revision = arena_printf(a, "%llu", (unsigned long long)x->revision);
    size_t n = envelope_write_headers(&e, a, out);
    if (n == 0 || str_is_null(revision) || str_is_null(defaults.source)) {
        return 0;
    }
    out[n++] = header(ES_HEADER_REVISION, revision);
    if (!str_is_null(x->meta)) {
        out[n++] = header(ES_HEADER_META, x->meta);
    }
    for (size_t t = 0; t < x->tag_count; t++) {
        out[n++] = header(ES_HEADER_TAG, x->tags[t]);
    }
    struct slice in = r->headers;
    while (record_header_next(&in, &out[n])) {
        n += es_header_of(out[n].key) == ES_H_OTHER && !envelope_owns_header(out[n].key);
    }
    return n;
}
