/*
 * Any record, request or JSON object as an event. Input: byte 0 chooses which; of the rest some
 * choices make headers (names of the field table, or any), and what is left is the value.
 *
 * Beyond "no crash, no leak": an error names something; what is read is within its limits; written
 * as headers and read again it is the same; written as members it is valid JSON; a time that is
 * read is written and read to itself.
 */
#include <stdlib.h>
#include <string.h>

#include "core/slice.h"
#include "core/utf8.h"
#include "envelope/envelope_int.h"
#include "fuzz/common.h"

#define INPUT_MAX   8192
#define HEADERS_MAX 40u

struct pairs {
    struct record_header headers[HEADERS_MAX];
    size_t count;
};

static struct str header_name(struct fuzz_source *s, struct arena *a, const char *prefix)
{
    enum field f = (enum field)fuzz_below(s, FIELD_COUNT);
    const struct field_row *row = &envelope_fields[f];
    switch (fuzz_below(s, 4)) {
    case 0:
        return arena_printf(a, "%s%s", prefix, row->attributes[0]);
    case 1:
        return row->headers[0] == NULL ? arena_printf(a, "%sspecversion", prefix)
                                       : str_of(row->headers[fuzz_below(s, 2) % 2]);
    case 2:
        return arena_printf(a, "%sx%u", prefix, fuzz_below(s, 64));
    default:
        return fuzz_bytes(s, a, fuzz_below(s, 12));
    }
}

static struct str header_value(struct fuzz_source *s, struct arena *a)
{
    static const char *const values[] = {
        "1.0",
        "x",
        "",
        "application/json",
        "application/cloudevents+json",
        "2026-02-11T14:00:00Z",
        "00-12345678901234567890123456789012-1234567890123456-01",
        "a=1",
        "\"q\\\"\"",
        "%41%",
        "2016-12-31T23:59:60.5+00:00",
        "application/cloudevents-batch+json",
    };
    uint32_t which = fuzz_below(s, ARRAY_LEN(values) + 3);
    return which < ARRAY_LEN(values)    ? str_of(values[which])
           : which == ARRAY_LEN(values) ? STR_NULL
                                        : fuzz_bytes(s, a, fuzz_below(s, 40));
}

static void make_headers(struct fuzz_source *s, struct arena *a, const char *prefix,
                         struct pairs *p)
{
    p->count = 0;
    for (size_t n = fuzz_below(s, HEADERS_MAX); n > 0; n--) {
        struct record_header h = {header_name(s, a, prefix), header_value(s, a)};
        if (h.key.p != NULL) {
            p->headers[p->count++] = h;
        }
    }
}

static struct record make_record(const struct record_header *headers, size_t n, struct str value,
                                 struct buf *b)
{
    for (size_t i = 0; i < n; i++) {
        buf_put_varint(b, (int64_t)headers[i].key.n);
        buf_put_str(b, headers[i].key);
        buf_put_varint(b, headers[i].value.p == NULL ? -1 : (int64_t)headers[i].value.n);
        buf_put_str(b, headers[i].value);
    }
    CHECK(!buf_failed(b));
    return (struct record){
        .value = value, .header_count = (int32_t)n, .headers = slice_of(b->p, b->n)};
}

static bool same(struct str x, struct str y)
{
    return str_is_null(x) == str_is_null(y) && str_eq(x, y);
}

static void check_envelope(struct envelope *e, struct arena *a)
{
    struct record_header headers[ENVELOPE_HEADERS_MAX];
    struct envelope back;
    struct str data;
    enum envelope_form form;
    struct buf b, text;
    struct json_writer w;
    buf_init(&b, 1u << 20);
    buf_init(&text, 4u << 20);
    for (enum field f = 0; f < FIELD_COUNT; f++) {
        const struct field_row *row = &envelope_fields[f];
        if (row->kind != KIND_TIME) {
            struct str s = *field_view(e, f);
            CHECK(s.n <= row->max && utf8_valid(s) && (str_is_null(s) || s.n > 0));
        }
    }
    if (str_is_null(e->type)) { /* an event has one, and a reader of ours insists */
        e->type = STR_LIT("t");
    }
    size_t n = envelope_write_headers(e, a, headers);
    CHECK(n > 0 && n <= ENVELOPE_HEADERS_MAX);
    struct record r = make_record(headers, n, STR_LIT("v"), &b);
    CHECK(envelope_read_record(&r, a, &back, &data, &form, NULL) == ERR_OK);
    CHECK(form == ENVELOPE_BINARY && str_eq_z(data, "v") && back.time_ns == e->time_ns);
    for (enum field f = 0; f < FIELD_COUNT; f++) {
        CHECK(envelope_fields[f].kind == KIND_TIME ||
              same(*field_view(e, f), *field_view(&back, f)));
    }
    CHECK(back.other_count == e->other_count);
    for (size_t i = 0; i < e->other_count; i++) {
        CHECK(same(e->other[i].name, back.other[i].name));
        CHECK(same(e->other[i].value, back.other[i].value));
    }
    json_write_init(&w, &text);
    json_write_begin(&w, '{');
    envelope_write_members(e, ENVELOPE_NATIVE, &w);
    json_write_end(&w, '}');
    CHECK(json_valid(buf_str(&text)));
    buf_deinit(&b);
    buf_deinit(&text);
}

static void read_record(struct fuzz_source *s, struct arena *a)
{
    struct pairs p;
    struct envelope e;
    struct str data;
    enum envelope_form form;
    struct ectx ec = {0};
    struct buf b;
    buf_init(&b, 1u << 20);
    make_headers(s, a, "ce_", &p);
    struct record r = make_record(p.headers, p.count, str_make(s->p, (size_t)(s->end - s->p)), &b);
    enum err err = envelope_read_record(&r, a, &e, &data, &form, &ec);
    CHECK(err == ERR_OK || (err == ERR_MALFORMED && ec.text[0] != '\0'));
    if (err == ERR_OK) {
        check_envelope(&e, a);
    }
    buf_deinit(&b);
}

static void read_http(struct fuzz_source *s, struct arena *a)
{
    struct pairs p;
    struct envelope e;
    struct ectx ec = {0};
    make_headers(s, a, "ce-", &p);
    struct envelope_http h = {.count = p.count, .headers = (const void *)p.headers};
    enum err err = envelope_read_http(&h, a, &e, &ec);
    CHECK(err == ERR_OK || (err == ERR_MALFORMED && ec.text[0] != '\0'));
    if (err == ERR_OK) {
        check_envelope(&e, a);
    }
}

static void read_json(struct str text, uint32_t build_depth, struct arena *a)
{
    struct json_limits limits = {.build_depth = build_depth};
    struct json *v;
    struct envelope e;
    struct str data;
    enum envelope_form form;
    struct ectx ec = {0};
    if (json_parse(text, &limits, a, &v, NULL) != ERR_OK) {
        return;
    }
    enum err err = envelope_read_json(v, "event", a, &e, &data, &form, &ec);
    CHECK(err == ERR_OK || (err == ERR_MALFORMED && strncmp(ec.text, "event", 5) == 0));
    if (err == ERR_OK) {
        CHECK(form != ENVELOPE_NONE && form != ENVELOPE_BINARY);
        check_envelope(&e, a);
    }
}

static void read_time(struct str text)
{
    int64_t ns, back;
    uint64_t duration;
    char out[TIME_TEXT_SIZE];
    if (time_parse_rfc3339(text, &ns)) {
        size_t n = time_format_rfc3339(ns, out);
        CHECK(n < TIME_TEXT_SIZE && time_parse_rfc3339(str_make(out, n), &back) && back == ns);
    }
    (void)duration_parse(text, &duration);
    (void)traceparent_valid(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > INPUT_MAX) {
        return 0;
    }
    struct arena a;
    arena_init(&a, 32u << 20);
    struct fuzz_source s = fuzz_source_bytes(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        read_record(&s, &a);
        break;
    case 1:
        read_http(&s, &a);
        break;
    case 2:
        read_json(str_make(data + 1, size - 1), data[0] / 4 % 3, &a);
        break;
    default:
        read_time(str_make(data + 1, size - 1));
        break;
    }
    arena_deinit(&a);
    return 0;
}
