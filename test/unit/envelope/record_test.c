/*
 * Records as clients write them: the CloudEvents SDKs of JavaScript, Java, Go and Python in binary
 * and structured mode, kafkajs users with their own envelopes and headers, bare records.
 */
#include <stdio.h>
#include <string.h>

#include "envelope/envelope.h"
#include "events.h"
#include "test.h"

#define TRACE  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define TRACE2 "00-12345678901234567890123456789012-1234567890123456-00"

struct pair {
    const char *key, *value;
};
struct row {
    const char *who;
    struct pair headers[16]; /* ended by a NULL key */
    const char *value;
    enum envelope_form form;
    const char *envelope; /* as event_text shows it */
    const char *data;     /* NULL: the value */
};

static const struct row good[] = {
    {"JavaScript SDK, binary",
     {{"content-type", "application/json; charset=utf-8"},
      {"ce_specversion", "1.0"},
      {"ce_id", "b96a8b6e-5f0c-4a6f-9d0a-7f6b3b0b8c11"},
      {"ce_time", "2026-02-11T14:00:00.123Z"},
      {"ce_type", "com.example.order.placed"},
      {"ce_source", "/orders"},
      {"ce_partitionkey", "order-42"}},
     "{\"orderId\":\"order-42\"}",
     ENVELOPE_BINARY,
     "{\"id\":\"b96a8b6e-5f0c-4a6f-9d0a-7f6b3b0b8c11\",\"type\":\"com.example.order.placed\","
     "\"time\":\"2026-02-11T14:00:00.123Z\",\"source\":\"/orders\","
     "\"content_type\":\"application/json; charset=utf-8\","
     "\"extensions\":{\"partitionkey\":\"order-42\"}}",
     NULL},
    {"JavaScript SDK, structured",
     {{"content-type", "application/cloudevents+json; charset=utf-8"}},
     "{\"id\":\"b96a8b6e\",\"time\":\"2026-02-11T14:00:00.123Z\",\"type\":\"com.example.placed\","
     "\"source\":\"/orders\",\"specversion\":\"1.0\",\"datacontenttype\":\"application/json\","
     "\"subject\":\"order-42\",\"data\":{\"total\":12.50},\"sampled\":true,\"shard\":7}",
     ENVELOPE_STRUCTURED,
     "{\"id\":\"b96a8b6e\",\"type\":\"com.example.placed\",\"time\":\"2026-02-11T14:00:00.123Z\","
     "\"source\":\"/orders\",\"subject\":\"order-42\",\"content_type\":\"application/json\","
     "\"extensions\":{\"sampled\":\"true\",\"shard\":\"7\"}}",
     "{\"total\":12.50}"},
    {"Java SDK, binary, nanoseconds and an offset, trace of the extension",
     {{"ce_specversion", "1.0"},
      {"ce_id", "1"},
      {"ce_source", "http://localhost/source"},
      {"ce_type", "mock.test"},
      {"ce_dataschema", "http://localhost/schema"},
      {"content-type", "application/json"},
      {"ce_subject", "sub"},
      {"ce_time", "2018-04-26T16:48:09.123456789+02:00"},
      {"ce_traceparent", TRACE},
      {"ce_tracestate", "rojo=1"}},
     "{}",
     ENVELOPE_BINARY,
     "{\"id\":\"1\",\"type\":\"mock.test\",\"time\":\"2018-04-26T14:48:09.123456789Z\","
     "\"source\":\"http://localhost/source\",\"subject\":\"sub\",\"traceparent\":\"" TRACE
     "\",\"tracestate\":\"rojo=1\",\"content_type\":\"application/json\","
     "\"data_schema\":\"http://localhost/schema\"}",
     NULL},
    {"Java SDK, structured, binary data",
     {{"content-type", "application/cloudevents+json"}},
     "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\","
     "\"datacontenttype\":\"application/octet-stream\",\"data_base64\":\"AQID/w==\"}",
     ENVELOPE_STRUCTURED,
     "{\"id\":\"1\",\"type\":\"t\",\"source\":\"/s\","
     "\"content_type\":\"application/octet-stream\"}",
     "\x01\x02\x03\xFF"},
    {"Go SDK, binary, text",
     {{"ce_specversion", "1.0"},
      {"ce_type", "com.cloudevents.sample.sent"},
      {"ce_source", "https://github.com/cloudevents/sdk-go/samples"},
      {"ce_id", "0"},
      {"ce_time", "2026-02-11T14:00:00Z"},
      {"content-type", "text/plain"}},
     "Hello",
     ENVELOPE_BINARY,
     "{\"id\":\"0\",\"type\":\"com.cloudevents.sample.sent\",\"time\":\"2026-02-11T14:00:00Z\","
     "\"source\":\"https://github.com/cloudevents/sdk-go/samples\","
     "\"content_type\":\"text/plain\"}",
     NULL},
    {"Go SDK, structured, text stands in a JSON string",
     {{"content-type", "application/cloudevents+json"}},
     "{\"specversion\":\"1.0\",\"id\":\"0\",\"source\":\"s\",\"type\":\"t\","
     "\"datacontenttype\":\"text/plain\",\"data\":\"Hello \\\"you\\\"\"}",
     ENVELOPE_STRUCTURED,
     "{\"id\":\"0\",\"type\":\"t\",\"source\":\"s\",\"content_type\":\"text/plain\"}",
     "Hello \"you\""},
    {"Python SDK, binary",
     {{"content-type", "application/json"},
      {"ce_specversion", "1.0"},
      {"ce_id", "1-1-1"},
      {"ce_time", "2022-10-01T12:00:00.123456+00:00"},
      {"ce_source", "https://example.com/event-producer"},
      {"ce_type", "com.sampletype1"}},
     "{\"message\": \"Hello World!\"}",
     ENVELOPE_BINARY,
     "{\"id\":\"1-1-1\",\"type\":\"com.sampletype1\",\"time\":\"2022-10-01T12:00:00.123456Z\","
     "\"source\":\"https://example.com/event-producer\",\"content_type\":\"application/json\"}",
     NULL},
    {"Python SDK, structured, no data",
     {{"content-type", "application/cloudevents+json"}},
     "{\"specversion\": \"1.0\", \"id\": \"1\", \"source\": \"s\", \"type\": \"t\", "
     "\"subject\": null}",
     ENVELOPE_STRUCTURED,
     "{\"id\":\"1\",\"type\":\"t\",\"source\":\"s\"}",
     ""},
    {"structured without its content type",
     {{NULL, NULL}},
     " {\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":[1]}",
     ENVELOPE_STRUCTURED,
     "{\"id\":\"1\",\"type\":\"t\",\"source\":\"s\"}",
     "[1]"},
    {"headers by hand, a part of them, in other cases",
     {{"CE_Type", "OrderPlaced.v2"}, {"Content-Type", "application/json"}, {"ce_tenant", "acme"}},
     "{\"eventId\":\"1\",\"data\":1}",
     ENVELOPE_BINARY,
     "{\"type\":\"OrderPlaced.v2\",\"tenant\":\"acme\",\"content_type\":\"application/json\"}",
     NULL},
    {"kafkajs, envelope with milliseconds",
     {{NULL, NULL}},
     "{\"eventId\":\"7d8a\",\"eventType\":\"OrderPlaced\",\"eventVersion\":2,"
     "\"timestamp\":1770818400123,\"source\":\"order-service\",\"correlationId\":\"c-1\","
     "\"causationId\":\"cmd-1\",\"data\":{\"orderId\":\"order-42\"},"
     "\"metadata\":{\"userId\":\"u-1\",\"roles\":[\"admin\"],\"attempt\":1}}",
     ENVELOPE_JSON,
     "{\"id\":\"7d8a\",\"type\":\"OrderPlaced\",\"version\":\"2\","
     "\"time\":\"2026-02-11T14:00:00.123Z\",\"source\":\"order-service\","
     "\"correlation_id\":\"c-1\",\"causation_id\":\"cmd-1\","
     "\"extensions\":{\"userId\":\"u-1\",\"roles\":\"[\\\"admin\\\"]\",\"attempt\":\"1\"}}",
     "{\"orderId\":\"order-42\"}"},
    {"kafkajs, payload, RFC 3339, schemaVersion, ids in the metadata",
     {{"traceparent", TRACE}},
     "{\"eventId\":17,\"eventType\":\"PaymentReceived\",\"schemaVersion\":\"1.1\","
     "\"timestamp\":\"2026-02-11T15:00:00+01:00\",\"payload\":{\"amount\":1.10},"
     "\"metadata\":{\"correlationId\":\"c-2\",\"tenantId\":\"acme\",\"source\":\"pay\"}}",
     ENVELOPE_JSON,
     "{\"id\":\"17\",\"type\":\"PaymentReceived\",\"version\":\"1.1\","
     "\"time\":\"2026-02-11T14:00:00Z\",\"source\":\"pay\",\"correlation_id\":\"c-2\","
     "\"traceparent\":\"" TRACE "\",\"tenant\":\"acme\"}",
     "{\"amount\":1.10}"},
    {"snake_case, version, other members of the envelope are kept",
     {{"content-type", "application/json"}},
     "{\"event_id\":\"1\",\"event_type\":\"t\",\"version\":3,\"timestamp\":1770818400000.5,"
     "\"aggregateId\":\"order-42\",\"data\":null}",
     ENVELOPE_JSON,
     "{\"id\":\"1\",\"type\":\"t\",\"version\":\"3\",\"time\":\"2026-02-11T14:00:00.000500Z\","
     "\"extensions\":{\"aggregateId\":\"order-42\"}}",
     "null"},
    {"two names of one field: the first of the table counts, nothing is lost",
     {{NULL, NULL}},
     "{\"eventType\":\"t\",\"version\":1,\"eventVersion\":2,\"dataversion\":3,\"payload\":{},"
     "\"source\":\"a\",\"metadata\":{\"source\":\"b\",\"version\":4}}",
     ENVELOPE_JSON,
     "{\"type\":\"t\",\"version\":\"2\",\"source\":\"a\",\"extensions\":{\"version\":\"1\","
     "\"envelope.dataversion\":\"3\",\"metadata.source\":\"b\",\"metadata.version\":\"4\"}}",
     "{}"},
    {"what the event says counts before a plain header",
     {{"correlation-id", "h"}, {"x-causation-id", "h"}, {"traceparent", TRACE}, {"tenant_id", "h"}},
     "{\"eventType\":\"t\",\"correlationId\":\"e\",\"traceparent\":\"" TRACE2 "\",\"data\":1}",
     ENVELOPE_JSON,
     "{\"type\":\"t\",\"correlation_id\":\"e\",\"causation_id\":\"h\",\"traceparent\":\"" TRACE2
     "\",\"tenant\":\"h\"}",
     "1"},
    {"a bare record with plain headers",
     {{"content-type", "application/json"}, {"X-Correlation-ID", "c"}, {"retries", "3"}},
     "{\"orderId\":\"order-42\"}",
     ENVELOPE_NONE,
     "{\"correlation_id\":\"c\",\"content_type\":\"application/json\"}",
     NULL},
    {"a traceparent header that is not valid counts as absent",
     {{"traceparent", "00-00000000000000000000000000000000-1234567890123456-01"},
      {"tracestate", "a=1"}},
     "x",
     ENVELOPE_NONE,
     "{}",
     NULL},
    {"a bare record of JSON",
     {{NULL, NULL}},
     "{\"data\":1,\"type\":\"t\"}",
     ENVELOPE_NONE,
     "{}",
     NULL},
    {"an envelope without data is data",
     {{NULL, NULL}},
     "{\"eventType\":\"t\",\"eventId\":\"1\"}",
     ENVELOPE_NONE,
     "{}",
     NULL},
    {"not JSON after all", {{NULL, NULL}}, "{\"eventType\":\"t\",", ENVELOPE_NONE, "{}", NULL},
    {"another format",
     {{"content-type", "application/avro"}},
     "{\"eventType\":\"t\",\"data\":1}",
     ENVELOPE_NONE,
     "{\"content_type\":\"application/avro\"}",
     NULL},
    {"empty values that may be absent are",
     {{"ce_type", "t"}, {"ce_subject", ""}, {"ce_time", ""}, {"ce_note", ""}},
     "x",
     ENVELOPE_BINARY,
     "{\"type\":\"t\",\"extensions\":{\"note\":\"\"}}",
     NULL},
    {"headers of CloudEvents: the value is the data, whatever it is",
     {{"ce_type", "forwarded"}, {"content-type", "application/cloudevents+json"}},
     "{\"specversion\":\"1.0\",\"type\":\"t\"}",
     ENVELOPE_BINARY,
     "{\"type\":\"forwarded\",\"content_type\":\"application/cloudevents+json\"}",
     NULL},
    {"JavaScript SDK 10, binary, through kafkajs: what is undefined becomes a null",
     {{"content-type", "application/json"},
      {"ce_id", "b96a8b6e"},
      {"ce_time", "2026-02-11T14:00:00.123Z"},
      {"ce_type", "com.example.placed"},
      {"ce_source", "/orders"},
      {"ce_specversion", "1.0"},
      {"ce_datacontenttype", "application/json"},
      {"ce_subject", "s"},
      {"ce_datacontentencoding", NULL},
      {"ce_dataschema", "http://a/b"},
      {"ce_schemaurl", NULL},
      {"ce_partitionkey", "order-42"},
      {"ce_traceparent", TRACE},
      {"ce_sampled", "true"},
      {"ce_shard", "7"}},
     "{\"orderId\":1}",
     ENVELOPE_BINARY,
     "{\"id\":\"b96a8b6e\",\"type\":\"com.example.placed\",\"time\":\"2026-02-11T14:00:00.123Z\","
     "\"source\":\"/orders\",\"subject\":\"s\",\"traceparent\":\"" TRACE
     "\",\"content_type\":\"application/json\",\"data_schema\":\"http://a/b\","
     "\"extensions\":{\"partitionkey\":\"order-42\",\"sampled\":\"true\",\"shard\":\"7\"}}",
     NULL},
    {"JavaScript SDK 10, binary, without data and its type",
     {{"content-type", NULL},
      {"ce_id", "b96a8b6e"},
      {"ce_time", "2026-02-11T14:00:00.123Z"},
      {"ce_type", "t"},
      {"ce_source", "/orders"},
      {"ce_specversion", "1.0"},
      {"ce_datacontenttype", NULL},
      {"ce_subject", NULL}},
     "",
     ENVELOPE_BINARY,
     "{\"id\":\"b96a8b6e\",\"type\":\"t\",\"time\":\"2026-02-11T14:00:00.123Z\","
     "\"source\":\"/orders\"}",
     NULL},
    {"JavaScript SDK 10, structured, bytes",
     {{"content-type", "application/cloudevents+json; charset=utf-8"}},
     "{\"id\":\"b96a8b6e\",\"time\":\"2026-02-11T14:00:00.123Z\",\"type\":\"t\","
     "\"source\":\"/orders\",\"specversion\":\"1.0\",\"datacontenttype\":"
     "\"application/octet-stream\",\"data_base64\":\"AQL/\"}",
     ENVELOPE_STRUCTURED,
     "{\"id\":\"b96a8b6e\",\"type\":\"t\",\"time\":\"2026-02-11T14:00:00.123Z\","
     "\"source\":\"/orders\",\"content_type\":\"application/octet-stream\"}",
     "\x01\x02\xFF"},
    {"Python SDK 1, structured, under the type of its data",
     {{"content-type", "application/json"}},
     "{\"id\": \"1-1-1\", \"time\": \"2022-10-01T12:00:00.123456+00:00\", \"source\": "
     "\"https://example.com/p\", \"type\": \"com.t\", \"subject\": \"s\", \"datacontenttype\": "
     "\"application/json\", \"partitionkey\": \"k\", \"specversion\": \"1.0\", \"data\": "
     "{\"message\": \"H\\u00e9\"}}",
     ENVELOPE_STRUCTURED,
     "{\"id\":\"1-1-1\",\"type\":\"com.t\",\"time\":\"2022-10-01T12:00:00.123456Z\","
     "\"source\":\"https://example.com/p\",\"subject\":\"s\","
     "\"content_type\":\"application/json\",\"extensions\":{\"partitionkey\":\"k\"}}",
     "{\"message\": \"H\\u00e9\"}"},
    {"Python SDK 2, structured, a number as extension",
     {{"content-type", "application/cloudevents+json"}},
     "{\"id\": \"1-1-1\", \"time\": \"2022-10-01T12:00:00.123456Z\", \"source\": \"s\", "
     "\"type\": \"com.t\", \"datacontenttype\": \"application/json\", \"shard\": 7, "
     "\"specversion\": \"1.0\", \"data\": {\"message\": \"H\\u00e9\"}}",
     ENVELOPE_STRUCTURED,
     "{\"id\":\"1-1-1\",\"type\":\"com.t\",\"time\":\"2022-10-01T12:00:00.123456Z\","
     "\"source\":\"s\",\"content_type\":\"application/json\",\"extensions\":{\"shard\":\"7\"}}",
     "{\"message\": \"H\\u00e9\"}"},
    {"metadata repeats a member that is an extension already: both are kept",
     {{NULL, NULL}},
     "{\"eventType\":\"t\",\"userId\":\"outer\",\"data\":1,\"metadata\":{\"userId\":\"inner\","
     "\"attempt\":1}}",
     ENVELOPE_JSON,
     "{\"type\":\"t\",\"extensions\":{\"userId\":\"outer\",\"metadata.userId\":\"inner\","
     "\"attempt\":\"1\"}}",
     "1"},
    {"metadata before the members that it repeats, with a trace and things of its own",
     {{NULL, NULL}},
     "{\"metadata\":{\"traceparent\":\"" TRACE "\",\"tracestate\":\"a=1\",\"eventVersion\":5,"
     "\"userId\":\"inner\",\"nested\":{\"a\":[1]},\"none\":null},\"userId\":\"outer\","
     "\"eventType\":\"t\",\"payload\":\"text\"}",
     ENVELOPE_JSON,
     "{\"type\":\"t\",\"version\":\"5\",\"traceparent\":\"" TRACE
     "\",\"tracestate\":\"a=1\",\"extensions\":{\"userId\":\"outer\","
     "\"metadata.userId\":\"inner\",\"nested\":\"{\\\"a\\\":[1]}\"}}",
     "\"text\""},
    {"eventVersion counts before schemaVersion, that before version",
     {{NULL, NULL}},
     "{\"eventType\":\"t\",\"schemaVersion\":\"2\",\"version\":1,\"eventVersion\":\"3\","
     "\"data\":1}",
     ENVELOPE_JSON,
     "{\"type\":\"t\",\"version\":\"3\",\"extensions\":{\"schemaVersion\":\"2\","
     "\"version\":\"1\"}}",
     "1"},
    {"schemaVersion counts before version",
     {{NULL, NULL}},
     "{\"eventType\":\"t\",\"version\":1,\"schemaVersion\":2,\"data\":1}",
     ENVELOPE_JSON,
     "{\"type\":\"t\",\"version\":\"2\",\"extensions\":{\"version\":\"1\"}}",
     "1"},
    {"a time before 1970, in milliseconds; a null is absent",
     {{NULL, NULL}},
     "{\"eventType\":\"t\",\"eventVersion\":null,\"version\":4,\"timestamp\":-1,\"source\":null,"
     "\"metadata\":null,\"payload\":null}",
     ENVELOPE_JSON,
     "{\"type\":\"t\",\"version\":\"4\",\"time\":\"1969-12-31T23:59:59.999Z\"}",
     "null"},
    {"kafkajs, a Date in JSON, the text of the payload under its type",
     {{NULL, NULL}},
     "{\"eventId\":\"1\",\"eventType\":\"t\",\"timestamp\":\"2026-02-11T14:00:00.123Z\","
     "\"contentType\":\"text/plain\",\"payload\":\"a \\\"b\\\"\"}",
     ENVELOPE_JSON,
     "{\"id\":\"1\",\"type\":\"t\",\"time\":\"2026-02-11T14:00:00.123Z\","
     "\"content_type\":\"text/plain\"}",
     "a \"b\""},
    {"an extension twice: the last counts",
     {{"ce_type", "t"}, {"ce_note", "1"}, {"ce_note", "2"}},
     "x",
     ENVELOPE_BINARY,
     "{\"type\":\"t\",\"extensions\":{\"note\":\"2\"}}",
     NULL},
};

static enum err read_row(const struct row *row, struct arena *a, struct envelope *e,
                         struct str *data, enum envelope_form *form, struct ectx *ec)
{
    struct record_header headers[16];
    struct buf b;
    size_t n = 0;
    buf_init(&b, 4096);
    while (n < 16 && row->headers[n].key != NULL) {
        headers[n].key = str_of(row->headers[n].key);
        headers[n].value = str_of(row->headers[n].value);
        n++;
    }
    struct record r = event_record(&b, headers, n, str_of(row->value));
    struct str copy = arena_str(a, str_make(b.p == NULL ? (const void *)"" : b.p, b.n));
    r.headers = slice_of(copy.p, copy.n); /* what is read views it */
    bool failed = buf_failed(&b);
    buf_deinit(&b);
    if (copy.p == NULL || failed) {
        return ERR_NO_MEMORY;
    }
    return envelope_read_record(&r, a, e, data, form, ec);
}

TEST(records_of_every_client_are_understood)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        const struct row *row = &good[i];
        struct arena a;
        struct buf text;
        struct envelope e;
        struct str data;
        enum envelope_form form;
        struct ectx ec = {0};
        arena_init(&a, 1 << 20);
        buf_init(&text, 1 << 16);
        if (read_row(row, &a, &e, &data, &form, &ec) != ERR_OK) {
            fail_msg("%s: %s", row->who, ec.text);
        }
        const char *shown = event_text(&text, &e);
        if (form != row->form || strcmp(shown, row->envelope) != 0) {
            fail_msg("%s: %s: %s", row->who, event_form_name(form), shown);
        }
        const char *wanted = row->data == NULL ? row->value : row->data;
        size_t n = strlen(wanted);
        if (n != data.n || (n > 0 && memcmp(data.p, wanted, n) != 0)) {
            fail_msg("%s: data: %.*s", row->who, STR(data));
        }
        buf_deinit(&text);
        arena_deinit(&a);
    }
}

static const struct {
    struct row row;
    const char *error;
} bad[] = {
    {{.headers = {{"ce_specversion", "0.3"}, {"ce_type", "t"}}, .value = "x"},
     "ce_specversion: only CloudEvents 1.0 is supported"},
    {{.headers = {{"ce_specversion", "1.0"}, {"ce_id", "1"}}, .value = "x"}, "ce_type: missing"},
    {{.headers = {{"ce_type", "t"}, {"ce_time", "yesterday"}}, .value = "x"},
     "ce_time: 'yesterday' is no RFC 3339 time"},
    {{.headers = {{"ce_type", "t"}, {"ce_time", "1770818400123"}}, .value = "x"},
     "ce_time: '1770818400123' is no RFC 3339 time"},
    {{.headers = {{"ce_type", ""}}, .value = "x"}, "ce_type: must not be empty"},
    {{.headers = {{"ce_id", ""}, {"ce_type", "t"}}, .value = "x"}, "ce_id: must not be empty"},
    {{.headers = {{"ce_id", "a\nb"}}, .value = "x"},
     "ce_id: 'a?b' has control characters or is no UTF-8"},
    {{.headers = {{"ce_id", "\xC3"}}, .value = "x"},
     "ce_id: '?' has control characters or is no UTF-8"},
    {{.headers = {{"ce_note", "\xC3"}}, .value = "x"}, "ce_note: is no UTF-8"},
    {{.headers = {{"ce_a\tb", "x"}}, .value = "x"},
     "ce_a?b: a name has 1 to 128 bytes and no control characters"},
    {{.headers = {{"ce_type", "t"}, {"ce_traceparent", "00-0-0-0"}}, .value = "x"},
     "ce_traceparent: '00-0-0-0' is no W3C traceparent"},
    {{.headers = {{"content-type", "application/cloudevents+json"}}, .value = "{"},
     "value: JSON line 1, column 2: expected a name in quotes or '}', but the text ends"},
    {{.headers = {{"content-type", "application/cloudevents+json"}}, .value = "{}"},
     "specversion: missing"},
    {{.headers = {{"content-type", "application/cloudevents-batch+json"}}, .value = "[]"},
     "content-type: a record is one event, not a batch"},
    {{.value = "{\"specversion\":\"1.1\",\"id\":\"1\",\"type\":\"t\"}"},
     "specversion: only CloudEvents 1.0 is supported"},
    {{.value = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\"}"}, "type: missing"},
    {{.value = "{\"specversion\":\"1.0\",\"type\":\"t\",\"time\":5}"}, "time: must be a string"},
    {{.value = "{\"specversion\":\"1.0\",\"type\":\"t\",\"data\":1,\"data_base64\":\"\"}"},
     "data_base64: there is data already"},
    {{.value = "{\"specversion\":\"1.0\",\"type\":\"t\",\"data_base64\":\"?\"}"},
     "data_base64: is no base64"},
    {{.value = "{\"specversion\":\"1.0\",\"type\":\"t\",\"data_base64\":1}"},
     "data_base64: must be a string"},
    {{.value = "{\"specversion\":\"1.0\",\"type\":\"t\",\"x\":{}}"},
     "x: must be a string, a number or a boolean"},
    {{.value = "{\"specversion\":\"1.0\",\"type\":\"t\",\"Source\":\"s\"}"},
     "Source: not in lower case"},
    {{.value = "{\"eventId\":true,\"data\":1}"}, "eventId: must be a string or a number"},
    {{.value = "{\"eventType\":\"\",\"data\":1}"}, "eventType: must not be empty"},
    {{.value = "{\"eventId\":1,\"eventType\":2,\"data\":1}"}, "eventType: must be a string"},
    {{.value = "{\"eventType\":\"t\",\"timestamp\":\"11.02.2026\",\"data\":1}"},
     "timestamp: '11.02.2026' is no RFC 3339 time"},
    {{.value = "{\"eventType\":\"t\",\"timestamp\":1e300,\"data\":1}"},
     "timestamp: is no number of milliseconds since 1970"},
    {{.value = "{\"eventType\":\"t\",\"timestamp\":9223372036855,\"data\":1}"},
     "timestamp: is no number of milliseconds since 1970"},
    {{.value = "{\"eventType\":\"t\",\"timestamp\":true,\"data\":1}"},
     "timestamp: must be a string or a number"},
    {{.value = "{\"eventType\":\"t\",\"data\":1,\"payload\":2}"}, "payload: there is data already"},
    {{.value = "{\"eventType\":\"t\",\"data\":1,\"metadata\":3}"}, "metadata: must be an object"},
    {{.value = "{\"eventType\":\"t\",\"data\":1,\"metadata\":{\"a\":1,\"a\":2}}"},
     "metadata: JSON line 1, column 12: a second member \"a\" in one object"},
    {{.value = "{\"eventType\":\"t\",\"data\":1,\"metadata\":{\"traceparent\":\"x\"}}"},
     "metadata.traceparent: 'x' is no W3C traceparent"},
};

TEST(malformed_records_are_refused_with_the_name_of_the_field)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct arena a;
        struct envelope e = {.time_ns = 5};
        struct str data = STR_LIT("before");
        enum envelope_form form = ENVELOPE_NATIVE;
        struct ectx ec = {0};
        arena_init(&a, 1 << 20);
        enum err err = read_row(&bad[i].row, &a, &e, &data, &form, &ec);
        if (err != ERR_MALFORMED || strcmp(ec.text, bad[i].error) != 0) {
            fail_msg("%s: %s, wanted %s", err_name(err), ec.text, bad[i].error);
        }
        assert_true(e.time_ns == 5 && form == ENVELOPE_NATIVE && str_eq_z(data, "before"));
        arena_deinit(&a);
    }
}

TEST(what_is_too_long_or_too_much_is_refused)
{
    char id[ENVELOPE_ID_MAX + 2];
    memset(id, 'x', sizeof(id));
    id[ENVELOPE_ID_MAX + 1] = '\0';
    struct row row = {.headers = {{"ce_id", id}}, .value = "x"};
    struct arena a;
    struct envelope e;
    struct str data;
    enum envelope_form form;
    struct ectx ec = {0};
    arena_init(&a, 1 << 20);
    assert_int_equal(read_row(&row, &a, &e, &data, &form, &ec), ERR_MALFORMED);
    assert_string_equal(ec.text, "ce_id: longer than 128 bytes");
    id[ENVELOPE_ID_MAX] = '\0';
    assert_int_equal(read_row(&row, &a, &e, &data, &form, &ec), ERR_OK);

    struct buf b;
    buf_init(&b, 8192);
    for (unsigned n = 0; n < 2; n++) {
        buf_clear(&b);
        buf_put_z(&b, "{\"eventType\":\"t\",\"data\":1,\"metadata\":{\"a\":1");
        for (unsigned i = 0; i < ENVELOPE_OTHER_MAX - 1 + n; i++) {
            buf_printf(&b, ",\"m%u\":%u", i, i);
        }
        buf_put(&b, "}}", 3);
        row = (struct row){.value = (const char *)b.p};
        enum err err = read_row(&row, &a, &e, &data, &form, &ec);
        assert_int_equal(err, n == 0 ? ERR_OK : ERR_MALFORMED);
    }
    assert_string_equal(ec.text, "metadata.m31: more than 32 extension attributes");
    assert_int_equal(e.other_count, ENVELOPE_OTHER_MAX);
    buf_deinit(&b);
    arena_deinit(&a);
}

static enum err read_all(void *ctx)
{
    (void)ctx;
    enum err worst = ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct arena a;
        struct envelope e;
        struct str data;
        enum envelope_form form;
        struct ectx ec = {0};
        arena_init(&a, 1 << 20);
        enum err err = read_row(&good[i], &a, &e, &data, &form, &ec);
        worst = err == ERR_OK ? worst : err;
        arena_deinit(&a);
    }
    return worst;
}

TEST(records_are_read_or_refused_when_memory_fails)
{
    test_each_failing_alloc(read_all, NULL);
}
