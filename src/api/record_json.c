/* One record as JSON: read from requests, written into answers. */
#include "api/records.h"
#include "core/base64.h"
#include "core/utf8.h"
#include "envelope/envelope.h"

#define BYTES_MAX (128u * 1024 * 1024) /* of one decoded member; the body's limit is below it */

static enum err decode_base64(const struct json *v, const char *name, struct arena *a,
                              struct str *out, struct ectx *ec)
{
    struct buf b;
    enum err e = ERR_OK;
    if (v->kind != JSON_STRING) {
        return ectx_fail(ec, ERR_MALFORMED, "%s: must be a string of base64", name);
    }
    buf_init(&b, BYTES_MAX);
    if (!base64_decode(&b, v->string)) {
        e = buf_failed(&b) ? ectx_fail(ec, ERR_NO_MEMORY, "%s: out of memory", name)
                           : ectx_fail(ec, ERR_MALFORMED, "%s: is not base64", name);
    } else {
        *out = arena_str(a, b.n == 0 ? STR_LIT("") : buf_str(&b));
        e = str_is_null(*out) ? ectx_fail(ec, ERR_NO_MEMORY, "%s: out of memory", name) : ERR_OK;
    }
    buf_deinit(&b);
    return e;
}

static enum err read_text(const struct json *v, const char *name, struct str *out, struct ectx *ec)
{
    if (v->kind != JSON_STRING && v->kind != JSON_NULL) {
        return ectx_fail(ec, ERR_MALFORMED, "%s: must be a string", name);
    }
    *out = v->kind == JSON_NULL ? STR_NULL : v->string;
    return ERR_OK;
}

static enum err read_header(const struct json *v, size_t i, struct arena *a,
                            struct record_header *out, struct ectx *ec)
{
    const struct json *name = json_get(v, "name");
    const struct json *text = json_get(v, "value");
    const struct json *base64 = json_get(v, "value_base64");
    if (v->kind != JSON_OBJECT || name == NULL || name->kind != JSON_STRING) {
        return ectx_fail(ec, ERR_MALFORMED, "headers[%zu]: must be an object with a name", i);
    }
    if ((text != NULL) + (base64 != NULL) != 1) {
        return ectx_fail(ec, ERR_MALFORMED, "headers[%zu]: needs one of value and value_base64", i);
    }
    out->key = name->string;
    enum err e = text != NULL ? read_text(text, "value", &out->value, ec)
                              : decode_base64(base64, "value_base64", a, &out->value, ec);
    return e == ERR_OK ? e : ectx_wrap(ec, e, "headers[%zu]", i);
}

/* {"name": "value"}, or [{"name", "value" | "value_base64"}] for names that come twice. */
static enum err read_headers(const struct json *v, struct arena *a, struct engine_record *out,
                             struct ectx *ec)
{
    if (v->kind == JSON_NULL) {
        return ERR_OK;
    }
    if (v->kind != JSON_OBJECT && v->kind != JSON_ARRAY) {
        return ectx_fail(ec, ERR_MALFORMED, "headers: must be an object or a list");
    }
    if (v->count > RECORD_HEADERS_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "headers: more than %u", RECORD_HEADERS_MAX);
    }
    struct record_header *list = arena_new_n(a, struct record_header, v->count + 1u);
    if (list == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "headers: out of memory");
    }
    size_t n = 0;
    for (const struct json *h = v->first; h != NULL; h = h->next, n++) {
        enum err e = ERR_OK;
        if (v->kind == JSON_ARRAY) {
            e = read_header(h, n, a, &list[n], ec);
        } else {
            list[n].key = h->name;
            e = read_text(h, "its value", &list[n].value, ec);
            e = e == ERR_OK ? e : ectx_wrap(ec, e, "headers.%.*s", STR(h->name));
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    out->headers = list;
    out->header_count = n;
    return ERR_OK;
}

static enum err read_timestamp(const struct json *v, int64_t *out_ms, struct ectx *ec)
{
    int64_t ns;
    if (json_i64(v, out_ms) && *out_ms >= 0) {
        return ERR_OK;
    }
    if (v->kind == JSON_STRING && time_parse_rfc3339(v->string, &ns) && ns >= 0) {
        *out_ms = ns / 1000000;
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_MALFORMED,
                     "timestamp: must be an RFC 3339 time, or milliseconds since 1970");
}

static enum err read_partition(const struct json *v, int32_t *out, struct ectx *ec)
{
    int64_t n;
    if (!json_i64(v, &n) || n < 0 || n > INT32_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, "partition: must be a whole number of 0 or more");
    }
    *out = (int32_t)n;
    return ERR_OK;
}

static enum err read_member(const struct json *m, struct arena *a, struct record_in *out,
                            int values_keys[2], struct ectx *ec)
{
    struct engine_record *r = &out->record;
    if (str_eq_z(m->name, "key")) {
        values_keys[1]++;
        r->key = m->kind == JSON_NULL ? STR_NULL : m->kind == JSON_STRING ? m->string : m->raw;
        return ERR_OK;
    }
    if (str_eq_z(m->name, "key_base64")) {
        values_keys[1]++;
        return decode_base64(m, "key_base64", a, &r->key, ec);
    }
    if (str_eq_z(m->name, "value")) {
        values_keys[0]++;
        r->value = m->kind == JSON_NULL ? STR_NULL : m->raw;
        return ERR_OK;
    }
    if (str_eq_z(m->name, "value_string")) {
        values_keys[0]++;
        return read_text(m, "value_string", &r->value, ec);
    }
    if (str_eq_z(m->name, "value_base64")) {
        values_keys[0]++;
        return decode_base64(m, "value_base64", a, &r->value, ec);
    }
    if (str_eq_z(m->name, "headers")) {
        return read_headers(m, a, r, ec);
    }
    if (str_eq_z(m->name, "partition")) {
        return m->kind == JSON_NULL ? ERR_OK : read_partition(m, &out->partition, ec);
    }
    if (str_eq_z(m->name, "timestamp")) {
        return m->kind == JSON_NULL ? ERR_OK : read_timestamp(m, &r->timestamp_ms, ec);
    }
    return ectx_fail(ec, ERR_MALFORMED, "%.*s: a record has no such member",
                     (int)(m->name.n > 64 ? 64 : m->name.n), m->name.p);
}

MUST_USE enum err record_read(const struct json *v, struct arena *a, struct record_in *out,
                              struct ectx *ec)
{
    int values_keys[2] = {0, 0};
    *out = (struct record_in){.record = {.timestamp_ms = -1}, .partition = -1};
    if (v->kind != JSON_OBJECT) {
        return ectx_fail(ec, ERR_MALFORMED, "a record must be an object");
    }
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        enum err e = read_member(m, a, out, values_keys, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    if (values_keys[0] != 1) {
        return ectx_fail(ec, ERR_MALFORMED,
                         "a record needs one of value, value_string, value_base64");
    }
    if (values_keys[1] > 1) {
        return ectx_fail(ec, ERR_MALFORMED, "a record has one of key and key_base64");
    }
    out->has_key = !str_is_null(out->record.key);
    return ERR_OK;
}

/* ---- Writing -----------------------------------------------------------------------------------
 */

static void write_base64(struct json_writer *w, const char *name, struct str bytes)
{
    json_write_name(w, name);
    buf_put_u8(w->out, '"');
    base64_encode(w->out, bytes);
    buf_put_u8(w->out, '"');
    w->comma = true;
}

/* As `name` if it is text, else as `name_base64`. */
static void write_bytes(struct json_writer *w, const char *name, const char *name_base64,
                        struct str bytes)
{
    if (str_is_null(bytes) || utf8_valid(bytes)) {
        json_write_member_str(w, name, bytes);
    } else {
        write_base64(w, name_base64, bytes);
    }
}

static void write_headers(struct json_writer *w, const struct record *r)
{
    struct record_header h;
    struct slice headers = r->headers;
    json_write_name(w, "headers");
    json_write_begin(w, '[');
    while (record_header_next(&headers, &h)) {
        json_write_begin(w, '{');
        json_write_name(w, "name");
        json_write_str(w, h.key);
        write_bytes(w, "value", "value_base64", h.value);
        json_write_end(w, '}');
    }
    json_write_end(w, ']');
}

void record_write(struct json_writer *w, int32_t partition, const struct record *r)
{
    char time[TIME_TEXT_SIZE];
    json_write_begin(w, '{');
    json_write_member_i64(w, "partition", partition);
    json_write_member_i64(w, "offset", r->offset);
    if (r->timestamp >= 0 && r->timestamp <= INT64_MAX / 1000000) {
        json_write_member_str(w, "timestamp",
                              str_make(time, time_format_rfc3339(r->timestamp * 1000000, time)));
    }
    write_bytes(w, "key", "key_base64", r->key);
    if (str_is_null(r->value)) {
        json_write_name(w, "value");
        json_write_null(w);
    } else if (api_is_json(w, r->value)) {
        json_write_name(w, "value");
        api_write_line(w, r->value);
    } else {
        write_bytes(w, "value_string", "value_base64", r->value);
    }
    if (r->header_count > 0) {
        write_headers(w, r);
    }
    json_write_end(w, '}');
}
