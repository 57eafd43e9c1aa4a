/*
 * A record of a topic es.CATEGORY as an event: the key is the stream, ce_* headers are the
 * envelope, `leat-revision`, `leat-tag` (one for each tag) and `leat-meta` are ours, the value is
 * the data.
 *
 * Records that lack what every event has (a key, a revision, an id and a type) are no events of
 * ours: the gate lets none in, but a topic may be older than the gate. They are told apart (view.c)
 * and passed over, never guessed at.
 *
 * An event is never passed over. The gate of an earlier build let pass what cannot be read: a
 * ce_time that is none, meta that is no JSON. What is malformed is left out then, the rest is shown
 * as ever, and the event says so (metadata_error).
 */
#include "es/read_int.h"

static void shift(struct str *s, const char *from, const char *to)
{
    if (s->p != NULL) {
        s->p = to + (s->p - from);
    }
}

/* Copies what the record's views show, so that batch and scratch may go, and has both show the
 * copy. Key, value and headers lie behind one another in the record: one copy. */
static bool record_keep(struct record *r, struct es_view *v, struct arena *a)
{
    const char *begin = r->key.p != NULL     ? r->key.p
                        : r->value.p != NULL ? r->value.p
                                             : (const char *)r->headers.p;
    const size_t n = (size_t)((const char *)r->headers.end - begin);
    const char *copy = arena_str(a, str_make(begin, n)).p;
    if (copy == NULL) {
        return false;
    }
    shift(&r->key, begin, copy);
    shift(&r->value, begin, copy);
    const size_t headers_n = slice_left(&r->headers);
    r->headers = slice_of(copy + n - headers_n, headers_n);
    shift(&v->id, begin, copy);
    shift(&v->type, begin, copy);
    shift(&v->meta, begin, copy);
    for (size_t i = 0; i < v->tag_count; i++) {
        shift(&v->tags[i], begin, copy);
    }
    v->stream = r->key;
    v->data = r->value;
    return true;
}

enum err es_meta_check(struct str meta, struct ectx *ec)
{
    size_t at = 0;
    while (at < meta.n &&
           (meta.p[at] == ' ' || meta.p[at] == '\t' || meta.p[at] == '\n' || meta.p[at] == '\r')) {
        at++;
    }
    const enum err e = at < meta.n && meta.p[at] == '{' ? json_check(meta) : ERR_MALFORMED;
    if (e == ERR_NO_MEMORY) {
        return ectx_fail(ec, e, "no memory for the meta of an event");
    }
    return e == ERR_OK ? e : ectx_fail(ec, ERR_MALFORMED, ES_HEADER_META ": is no JSON object");
}

static enum err malformed(struct es_event *e, struct arena *a, const struct ectx *why)
{
    e->metadata_error = arena_printf(a, "%s", why->text);
    return str_is_null(e->metadata_error) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err envelope_take(const struct record *r, const struct es_view *v, struct arena *a,
                              struct es_event *out, struct ectx *ec)
{
    struct ectx why = {.code = ERR_OK};
    enum envelope_form form;
    enum err e = envelope_read_record(r, a, &out->envelope, &out->data, &form, &why);
    if (e == ERR_MALFORMED) {
        envelope_read_what_can(r, a, &out->envelope);
        out->envelope.type = v->type; /* by these it is in the index, whatever is wrong with them */
        out->envelope.id = v->id;
        out->data = r->value;
        e = malformed(out, a, &why);
    } else if (e != ERR_OK) {
        *ec = why;
    }
    return e;
}

static enum err meta_take(struct str meta, struct arena *a, struct es_event *out, struct ectx *ec)
{
    struct ectx why = {.code = ERR_OK};
    const enum err e = str_is_null(meta) ? ERR_OK : es_meta_check(meta, &why);
    if (e == ERR_MALFORMED) {
        return str_is_null(out->metadata_error) ? malformed(out, a, &why) : ERR_OK;
    }
    if (e != ERR_OK) {
        *ec = why;
        return e;
    }
    out->meta = meta;
    return ERR_OK;
}

enum err es_record_read(const struct record *record, const struct es_record_place *place,
                        struct arena *a, struct es_event *out, struct ectx *ec)
{
    struct record r = *record;
    struct es_view v;
    if (!es_view_event(record, &v)) {
        return ERR_NOT_FOUND; /* nothing of it is kept: a page's memory is for events */
    }
    if (!record_keep(&r, &v, a)) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for an event of %zu bytes", r.size);
    }
    /* Field by field: the envelope has room for much that is hardly ever there. */
    out->stream = r.key;
    out->revision = v.revision;
    out->position =
        (struct es_position){.commit = place->commit, .index = (uint32_t)r.offset_delta};
    envelope_init(&out->envelope);
    out->data = STR_NULL;
    out->meta = STR_NULL;
    out->metadata_error = STR_NULL;
    out->tags = NULL;
    out->tag_count = v.tag_count;
    out->redacted = false;
    out->topic = place->topic;
    out->partition = place->partition;
    out->offset = r.offset;
    enum err e = ERR_OK;
    if (v.tag_count > 0) {
        out->tags = arena_new_n(a, struct str, v.tag_count);
        e = out->tags == NULL ? ERR_NO_MEMORY : ERR_OK;
    }
    for (size_t i = 0; i < v.tag_count && e == ERR_OK; i++) {
        out->tags[i] = v.tags[i];
    }
    struct ectx why = {.code = ERR_OK};
    e = e == ERR_OK ? envelope_take(&r, &v, a, out, &why) : e;
    e = e == ERR_OK ? meta_take(v.meta, a, out, &why) : e;
    if (e == ERR_NO_MEMORY) {
        return ectx_fail(ec, e, "no memory for an event of %zu bytes", r.size);
    }
    if (e != ERR_OK && ec != NULL) {
        *ec = why;
    }
    return e;
}

size_t es_event_size(const struct es_event *e)
{
    size_t n = 256 + e->stream.n + e->data.n + e->meta.n + e->envelope.id.n + e->envelope.type.n +
               e->metadata_error.n;
    for (size_t i = 0; i < e->tag_count; i++) {
        n += e->tags[i].n + 4;
    }
    return n;
}
