/*
 * Events over HTTP: binary mode in headers, structured mode, batches, teams' envelopes and the
 * short form of the native API; and what is written is read back to the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "envelope/envelope.h"
#include "events.h"
#include "test.h"

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

struct header {
    struct str name, value;
};

static enum err read_http(const struct header *headers, size_t n, struct arena *a,
                          struct envelope *e, struct ectx *ec)
{
    struct envelope_http h = {.count = n, .headers = (const void *)headers};
    return envelope_read_http(&h, a, e, ec);
}

static void expect_http(const struct header *headers, size_t n, const char *wanted)
{
    struct arena a;
    struct buf text;
    struct envelope e;
    struct ectx ec = {0};
    arena_init(&a, 1 << 16);
    buf_init(&text, 1 << 16);
    enum err err = read_http(headers, n, &a, &e, &ec);
    assert_string_equal(err == ERR_OK ? event_text(&text, &e) : ec.text, wanted);
    buf_deinit(&text);
    arena_deinit(&a);
}

#define EXPECT_HTTP(wanted, ...)                                               \
    do {                                                                       \
        static const struct header headers_[] = {__VA_ARGS__};                 \
        expect_http(headers_, sizeof(headers_) / sizeof(headers_[0]), wanted); \
    } while (0)
#define H(name, value)                 \
    {                                  \
        {(name), sizeof(name) - 1},    \
        {                              \
            (value), sizeof(value) - 1 \
        }                              \
    }

TEST(binary_mode_over_http_is_read)
{
    EXPECT_HTTP("{\"id\":\"9\",\"type\":\"com.example.placed\",\"time\":\"2026-02-11T14:00:00Z\","
                "\"source\":\"/orders\",\"subject\":\"Euro \xE2\x82\xAC \xF0\x9F\x98\x80\","
                "\"traceparent\":\"" TRACE "\",\"content_type\":\"application/json\","
                "\"extensions\":{\"region\":\"north\"}}",
                H("host", "localhost"), H("ce-specversion", "1.0"), H("ce-id", "9"),
                H("ce-type", "com.example.placed"), H("ce-source", "/orders"),
                H("ce-time", "2026-02-11T14:00:00Z"),
                H("ce-subject", "Euro%20%E2%82%AC%20%F0%9F%98%80"), H("ce-region", "north"),
                H("content-type", "application/json"), H("traceparent", TRACE), H("accept", "*/*"));
    EXPECT_HTTP("{\"id\":\"9\",\"type\":\"t\",\"subject\":\"a \\\"b\\\" 100%\"}", H("Ce-Id", "9"),
                H("CE-TYPE", "t"), H("ce-subject", "\"a \\\"b\\\" 100%\""));
    EXPECT_HTTP("{\"id\":\"9\",\"subject\":\"100% %zz %4\"}", H("ce-id", "9"),
                H("ce-subject", "100% %zz %4"));
    /* the events are in the body: this is not the type of their data */
    EXPECT_HTTP("{}", H("content-type", "application/cloudevents-batch+json; charset=utf-8"));
    /* an event whose data is an event */
    EXPECT_HTTP("{\"type\":\"t\",\"content_type\":\"application/cloudevents+json\"}",
                H("ce-type", "t"), H("content-type", "application/cloudevents+json"));
    /* nothing of CloudEvents: only what is beside it */
    EXPECT_HTTP("{\"correlation_id\":\"c\",\"content_type\":\"application/json\"}",
                H("content-type", "application/json"), H("x-correlation-id", "c"),
                H("traceparent", "00-00000000000000000000000000000000-1234567890123456-01"));
}

TEST(malformed_headers_of_http_are_refused_with_their_name)
{
    EXPECT_HTTP("ce-type: missing", H("ce-specversion", "1.0"), H("ce-id", "1"));
    EXPECT_HTTP("ce-specversion: only CloudEvents 1.0 is supported", H("ce-specversion", "2"));
    EXPECT_HTTP("ce-time: 'now' is no RFC 3339 time", H("ce-time", "now"));
    EXPECT_HTTP("Ce-Id: 'a?b' has control characters or is no UTF-8", H("Ce-Id", "a%0Ab"));
    EXPECT_HTTP("ce-subject: '?' has control characters or is no UTF-8", H("ce-subject", "%FF"));
    EXPECT_HTTP("ce-region: 'a?b' has control characters", H("ce-region", "a%0Ab"));
    EXPECT_HTTP("ce-traceparent: 'x' is no W3C traceparent", H("ce-traceparent", "x"));
}

struct json_row {
    const char *text;
    enum envelope_form form;
    const char *wanted; /* the envelope, or the error */
    const char *data;   /* NULL: it is refused */
};

static const struct json_row rows[] = {
    {"{\"id\":\"1\",\"type\":\"OrderPlaced\",\"data\":{\"a\":1.0},\"meta\":{\"x\":1},"
     "\"tags\":[\"order:42\"],\"stream\":\"order-42\",\"schema\":\"Order.v2\"}",
     ENVELOPE_NATIVE, "{\"id\":\"1\",\"type\":\"OrderPlaced\",\"data_schema\":\"Order.v2\"}",
     "{\"a\":1.0}"},
    {"{\"type\":\"t\"}", ENVELOPE_NATIVE, "{\"type\":\"t\"}", ""},
    {"{\"type\":\"t\",\"time\":\"2026-02-11T14:00:00Z\",\"source\":\"s\",\"subject\":\"u\","
     "\"version\":\"2\",\"correlation_id\":\"c\",\"causation_id\":\"d\",\"tenant\":\"acme\","
     "\"traceparent\":\"" TRACE "\",\"content_type\":\"text/plain\",\"data_schema\":\"z\","
     "\"extensions\":{\"a\":\"b\",\"n\":1},\"data\":\"text\"}",
     ENVELOPE_NATIVE,
     "{\"type\":\"t\",\"version\":\"2\",\"time\":\"2026-02-11T14:00:00Z\",\"source\":\"s\","
     "\"subject\":\"u\",\"correlation_id\":\"c\",\"causation_id\":\"d\",\"traceparent\":\"" TRACE
     "\",\"tenant\":\"acme\",\"content_type\":\"text/plain\",\"data_schema\":\"z\","
     "\"extensions\":{\"a\":\"b\",\"n\":\"1\"}}",
     "text"},
    {"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"data\":[1, 2],"
     "\"tags\":[\"a\"]}",
     ENVELOPE_STRUCTURED, "{\"id\":\"1\",\"type\":\"t\",\"source\":\"/s\"}", "[1, 2]"},
    {"{\"eventId\":\"1\",\"eventType\":\"t\",\"payload\":{},\"tags\":[\"a\"],"
     "\"metadata\":{\"userId\":\"u\"}}",
     ENVELOPE_JSON, "{\"id\":\"1\",\"type\":\"t\",\"extensions\":{\"userId\":\"u\"}}", "{}"},
    {"{\"type\":\"t\",\"data_base64\":\"aGVsbG8=\",\"content_type\":\"application/x\"}",
     ENVELOPE_NATIVE, "{\"type\":\"t\",\"content_type\":\"application/x\"}", "hello"},
    {"{\"type\":\"t\",\"time\":1770818400123}", 0, "events[3].time: must be a string", NULL},
    {"{\"type\":7}", 0, "events[3].type: must be a string", NULL},
    {"{\"type\":\"t\",\"time\":\"2026-02-30T00:00:00Z\"}", 0,
     "events[3].time: '2026-02-30T00:00:00Z' is no RFC 3339 time", NULL},
    {"{\"type\":\"t\",\"extensions\":[]}", 0, "events[3].extensions: must be an object", NULL},
    {"{\"type\":\"t\",\"extensions\":{\"id\":\"1\"}}", 0,
     "events[3].extensions.id: is a field, not an extension", NULL},
    {"{\"type\":\"t\",\"extensions\":{\"a\":{}}}", 0,
     "events[3].extensions.a: must be a string, a number or a boolean", NULL},
    {"{\"eventType\":\"t\",\"data\":1,\"metadata\":{\"correlationId\":[]}}", 0,
     "events[3].metadata.correlationId: must be a string or a number", NULL},
    {"{\"type\":\"t\",\"extensions\":{\"a\":\"x\\ny\\u0000\"}}", 0,
     "events[3].extensions.a: 'x?y?' has control characters", NULL},
    {"{\"specversion\":\"1.0\",\"type\":\"t\",\"a\":\"\\u007f\"}", 0,
     "events[3].a: '?' has control characters", NULL},
    {"{\"eventType\":\"t\",\"data\":1,\"metadata\":{\"a\":\"\\t\"}}", 0,
     "events[3].metadata.a: '?' has control characters", NULL},
    {"{\"eventType\":\"t\",\"data\":1,\"metadata\":{\"a\":[1,\n2]}}", ENVELOPE_JSON,
     "{\"type\":\"t\",\"extensions\":{\"a\":\"[1,\\n2]\"}}", "1"},
    {"{\"specversion\":\"1.0\",\"type\":\"t\",\"tenant\":\"b\",\"tenantid\":\"a\"}",
     ENVELOPE_STRUCTURED, "{\"type\":\"t\",\"tenant\":\"a\"}", ""},
    {"{\"specversion\":\"1.0\",\"type\":\"t\",\"Source\":\"b\"}", 0,
     "events[3].Source: not in lower case", NULL},
    {"{\"eventType\":\"t\"}", 0,
     "events[3].eventType: is of an envelope, which has data or payload, too", NULL},
    {"{\"type\":\"t\",\"event_id\":1}", 0,
     "events[3].event_id: is of an envelope, which has data or payload, too", NULL},
    {"{\"type\":\"t\",\"tag\":[\"a\"]}", 0, "events[3].tag: an event has no such member", NULL},
    {"{\"type\":\"t\",\"payload\":{}}", 0, "events[3].payload: an event has no such member", NULL},
    {"{\"type\":\"t\",\"payload\":null,\"subject\":null,\"schema\":\"z\",\"data_schema\":\"y\"}",
     ENVELOPE_NATIVE, "{\"type\":\"t\",\"data_schema\":\"y\"}", ""},
    {"[1]", 0, "events[3]: must be an object", NULL},
};

static void expect_json(const struct json_row *row, uint32_t build_depth)
{
    struct arena a;
    struct buf text;
    struct envelope e;
    struct str data = STR_NULL;
    enum envelope_form form = ENVELOPE_NONE;
    struct ectx ec = {0};
    struct json *batch;
    arena_init(&a, 1 << 16);
    buf_init(&text, 1 << 16);
    struct str whole = arena_printf(&a, "[%s]", row->text);
    struct json_limits limits = {.build_depth = build_depth};
    assert_int_equal(json_parse(whole, &limits, &a, &batch, &ec), ERR_OK);
    enum err err = envelope_read_json(batch->first, "events[3]", &a, &e, &data, &form, &ec);
    assert_string_equal(err == ERR_OK ? event_text(&text, &e) : ec.text, row->wanted);
    if (row->data != NULL) {
        assert_int_equal(err, ERR_OK);
        assert_string_equal(event_form_name(form), event_form_name(row->form));
        assert_true(str_eq_z(data, row->data));
    } else {
        assert_int_equal(err, ERR_MALFORMED);
    }
    buf_deinit(&text);
    arena_deinit(&a);
}

TEST(events_of_a_batch_are_read_however_deep_the_tree_was_built)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (uint32_t depth = 0; depth < 4; depth++) {
            expect_json(&rows[i], depth);
        }
    }
}

TEST(what_can_be_derived_is_filled_in_and_nothing_else)
{
    struct envelope e;
    struct buf text;
    const struct envelope_defaults defaults = {
        .id = STR_LIT("made"),
        .time_ns = 0,
        .source = STR_LIT("/leat/streams/order-42"),
        .subject = STR_LIT("order-42"),
        .traceparent = STR_LIT(TRACE),
        .content_type = STR_LIT("application/json"),
    };
    buf_init(&text, 4096);
    envelope_init(&e);
    e.type = STR_LIT("OrderPlaced.v12");
    envelope_complete(&e, &defaults);
    assert_string_equal(
        event_text(&text, &e),
        "{\"id\":\"made\",\"type\":\"OrderPlaced.v12\",\"version\":\"12\","
        "\"time\":\"1970-01-01T00:00:00Z\",\"source\":\"/leat/streams/order-42\","
        "\"subject\":\"order-42\",\"correlation_id\":\"made\",\"traceparent\":\"" TRACE
        "\",\"content_type\":\"application/json\"}");
    struct envelope all = e;
    all.version = STR_LIT("x");
    all.correlation = STR_LIT("c");
    struct envelope before = all;
    envelope_complete(&all, &(struct envelope_defaults){.id = STR_LIT("other"), .time_ns = 7});
    assert_memory_equal(&all, &before, sizeof(all));

    static const char *const plain[] = {"t", "v3", ".v3", "a.v", "a.3", "av3", "a.v3b", "a.V3"};
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        envelope_init(&e);
        e.type = str_of(plain[i]);
        envelope_complete(&e, &(struct envelope_defaults){.time_ns = INT64_MIN});
        assert_true(str_is_null(e.version) && str_is_null(e.id) && str_is_null(e.correlation));
        assert_true(e.time_ns == INT64_MIN);
    }
    buf_deinit(&text);
}

/* ---- Headers and back ------------------------------------------------------------------------ */

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static struct str random_text(uint64_t *state, struct arena *a, size_t max)
{
    static const char *const parts[] = {
        "a",   "Z9", "-",  ".v3", " ", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
        "%41", "\"", "\\", "/",   ":", "=",        "ce_"};
    size_t n = 0, wanted = 1 + next(state) % max;
    char *out = arena_alloc(a, max + 8);
    assert_non_null(out);
    while (n < wanted) {
        const char *p = parts[next(state) % ARRAY_LEN(parts)];
        if (n + strlen(p) > max) {
            break;
        }
        memcpy(out + n, p, strlen(p));
        n += strlen(p);
    }
    return str_make(n == 0 ? "a" : out, n == 0 ? 1 : n);
}

static void random_envelope(uint64_t *state, struct arena *a, struct envelope *e)
{
    struct str *texts[] = {&e->id,      &e->version,      &e->source,
                           &e->subject, &e->correlation,  &e->causation,
                           &e->tenant,  &e->content_type, &e->data_schema};
    envelope_init(e);
    e->type = random_text(state, a, 256); /* ce_specversion stands there: it must */
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = next(state) % 3 == 0 ? STR_NULL : random_text(state, a, 64);
    }
    if (next(state) % 3 != 0) {
        e->time_ns = (int64_t)((next(state) << 33) ^ (next(state) << 20) ^ next(state));
        e->time_ns = next(state) % 2 == 0 ? e->time_ns : -e->time_ns;
        e->time_ns = e->time_ns == INT64_MIN ? 0 : e->time_ns;
    }
    if (next(state) % 2 == 0) {
        e->traceparent = STR_LIT(TRACE);
        e->tracestate = next(state) % 2 == 0 ? STR_LIT("a=1,b=2") : STR_NULL;
    }
    e->other_count = next(state) % (ENVELOPE_OTHER_MAX + 1);
    for (size_t i = 0; i < e->other_count; i++) {
        struct str name = random_text(state, a, 20);
        e->other[i].name = arena_printf(a, "x%zu%.*s", i, STR(name));
        e->other[i].value = next(state) % 4 == 0 ? STR_LIT("") : random_text(state, a, 100);
    }
}

static bool same_str(struct str a, struct str b)
{
    return str_is_null(a) == str_is_null(b) && str_eq(a, b);
}

static bool same_envelope(const struct envelope *x, const struct envelope *y)
{
    bool same = same_str(x->id, y->id) && same_str(x->type, y->type) &&
                same_str(x->version, y->version) && x->time_ns == y->time_ns &&
                same_str(x->source, y->source) && same_str(x->subject, y->subject) &&
                same_str(x->correlation, y->correlation) && same_str(x->causation, y->causation) &&
                same_str(x->traceparent, y->traceparent) &&
                same_str(x->tracestate, y->tracestate) && same_str(x->tenant, y->tenant) &&
                same_str(x->content_type, y->content_type) &&
                same_str(x->data_schema, y->data_schema) && x->other_count == y->other_count;
    for (size_t i = 0; same && i < x->other_count; i++) {
        same = same_str(x->other[i].name, y->other[i].name) &&
               same_str(x->other[i].value, y->other[i].value);
    }
    return same;
}

TEST(what_is_written_as_headers_is_read_back_to_the_same)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        uint64_t random = seed;
        struct arena a;
        struct buf b;
        struct envelope e, back;
        struct record_header headers[ENVELOPE_HEADERS_MAX];
        struct str data, value = STR_LIT("{\"eventType\":\"t\",\"data\":1}");
        enum envelope_form form;
        struct ectx ec = {0};
        arena_init(&a, 1 << 20);
        buf_init(&b, 1 << 20);
        random_envelope(&random, &a, &e);
        size_t n = envelope_write_headers(&e, &a, headers);
        assert_true(n > 0 && n <= ENVELOPE_HEADERS_MAX);
        assert_true(str_eq_z(headers[0].key, "ce_specversion"));
        struct record r = event_record(&b, headers, n, value);
        if (envelope_read_record(&r, &a, &back, &data, &form, &ec) != ERR_OK ||
            form != ENVELOPE_BINARY || !same_envelope(&e, &back) || !str_eq(data, value)) {
            fail_msg("seed=%llu: %s", (unsigned long long)seed, ec.text);
        }
        buf_deinit(&b);
        arena_deinit(&a);
    }
}

TEST(what_is_written_as_members_is_read_back_to_the_same)
{
    static const enum envelope_form forms[] = {ENVELOPE_NATIVE, ENVELOPE_STRUCTURED, ENVELOPE_JSON};
    for (uint64_t seed = 1; seed <= 900; seed++) {
        const enum envelope_form wanted = forms[seed % ARRAY_LEN(forms)];
        uint64_t random = seed;
        struct arena a;
        struct buf b;
        struct envelope e, back;
        struct json *v;
        struct str data;
        enum envelope_form form;
        struct ectx ec = {0};
        arena_init(&a, 1 << 20);
        buf_init(&b, 1 << 20);
        random_envelope(&random, &a, &e);
        const char *text = event_text_as(&b, &e, wanted);
        if (json_parse(str_of(text), NULL, &a, &v, &ec) != ERR_OK ||
            envelope_read_json(v, "", &a, &back, &data, &form, &ec) != ERR_OK || form != wanted ||
            !same_envelope(&e, &back)) {
            fail_msg("seed=%llu: %s", (unsigned long long)seed, ec.text);
        }
        buf_deinit(&b);
        arena_deinit(&a);
    }
}

/* Nothing of an event can stand for what the API says of it. */
TEST(extensions_of_taken_names_are_written_apart)
{
    struct buf b;
    struct envelope e;
    buf_init(&b, 1 << 16);
    envelope_init(&e);
    e.type = STR_LIT("T");
    e.other_count = 3;
    e.other[2].name = STR_LIT("schemaVersion");
    e.other[2].value = STR_LIT("2");
    e.other[0].name = STR_LIT("revision");
    e.other[0].value = STR_LIT("7");
    e.other[1].name = STR_LIT("note");
    e.other[1].value = STR_LIT("x");
    assert_string_equal(event_text_as(&b, &e, ENVELOPE_STRUCTURED),
                        "{\"specversion\":\"1.0\",\"type\":\"T\",\"envelope.revision\":\"7\","
                        "\"note\":\"x\",\"schemaVersion\":\"2\"}");
    assert_string_equal(event_text_as(&b, &e, ENVELOPE_JSON),
                        "{\"eventType\":\"T\",\"metadata\":{\"revision\":\"7\",\"note\":\"x\","
                        "\"metadata.schemaVersion\":\"2\"},"
                        "\"data\":null}");
    buf_deinit(&b);
}

static enum err write_and_read(void *ctx)
{
    (void)ctx;
    enum err worst = ERR_OK;
    struct arena a;
    struct envelope e;
    struct record_header headers[ENVELOPE_HEADERS_MAX];
    struct ectx ec = {0};
    arena_init(&a, 1 << 16);
    envelope_init(&e);
    e.time_ns = 1;
    e.other_count = 1;
    e.other[0].name = STR_LIT("note");
    e.other[0].value = STR_LIT("x");
    worst = envelope_write_headers(&e, &a, headers) == 0 ? ERR_NO_MEMORY : ERR_OK;
    arena_deinit(&a);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str data;
        enum envelope_form form;
        struct json *v;
        arena_init(&a, 1 << 16);
        struct json_limits limits = {.build_depth = 1};
        enum err err = json_parse(str_of(rows[i].text), &limits, &a, &v, &ec);
        err = err == ERR_OK ? envelope_read_json(v, "", &a, &e, &data, &form, &ec) : err;
        worst = err == ERR_NO_MEMORY ? err : worst;
        arena_deinit(&a);
    }
    static const struct header quoted[] = {H("ce-subject", "%41")};
    arena_init(&a, 1 << 16);
    enum err err = read_http(quoted, 1, &a, &e, &ec);
    arena_deinit(&a);
    return err == ERR_OK ? worst : err;
}

TEST(envelopes_are_read_and_written_or_refused_when_memory_fails)
{
    test_each_failing_alloc(write_and_read, NULL);
}
