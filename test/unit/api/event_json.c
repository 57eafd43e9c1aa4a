/* One event as JSON, and one in binary mode as it comes in. */
#include "api/event_json.h"
#include "world.h"

#define EVENTS_PATH "/api/v1/streams/note-1/events"
#define UNTYPED     "x-no: Content-Type\r\n" /* so ask() adds none */
#define BINARY      "ce-specversion: 1.0\r\nce-type: Said\r\nce-source: /chat\r\n"

TEST(api_an_event_whose_record_is_malformed_says_so)
{
    struct buf b;
    struct json_writer w;
    struct es_event e = {.stream = STR_LIT("note-1"),
                         .data = STR_LIT("{\"n\":1}"),
                         .metadata_error = STR_LIT("leat-meta: is no JSON object")};
    envelope_init(&e.envelope);
    e.envelope.id = STR_LIT("1");
    e.envelope.type = STR_LIT("Said");
    buf_init(&b, 1 << 16);
    json_write_init(&w, &b);
    event_write_stored(&w, &e, ENVELOPE_NATIVE);
    buf_put_u8(&b, 0);
    assert_non_null(strstr((const char *)b.p, "\"data\":{\"n\":1}"));
    assert_non_null(
        strstr((const char *)b.p, "\"metadata_error\":\"leat-meta: is no JSON object\"}"));
    buf_deinit(&b);
}

TEST(api_a_binary_body_is_json_unless_its_content_type_says_otherwise)
{
    struct world w = {.events = true};
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    const char *json = BINARY "Content-Type: application/vnd.note+json\r\n";
    assert_int_equal(ask(&w, "POST", EVENTS_PATH, json, "plain"), 400);
    assert_true(has(&w, "body: is no JSON, which its content-type promises"));
    assert_int_equal(ask(&w, "POST", EVENTS_PATH, BINARY UNTYPED, "plain"), 400);
    assert_true(has(&w, "Content-Type: missing, so the body must be JSON, and it is not"));
    assert_int_equal(ask(&w, "POST", EVENTS_PATH, json, "{\"n\":1}"), 201);
    assert_int_equal(ask(&w, "POST", EVENTS_PATH, BINARY UNTYPED, "{\"n\":1}"), 201);
    assert_int_equal(ask(&w, "POST", EVENTS_PATH, BINARY UNTYPED, ""), 201); /* without data */
    assert_int_equal(ask(&w, "POST", EVENTS_PATH, BINARY "Content-Type: text/plain\r\n", "plain"),
                     201);
    assert_int_equal(ask(&w, "GET", EVENTS_PATH "/3", "", ""), 200);
    assert_true(has(&w, "\"content_type\":\"text/plain\",\"data_base64\":\"cGxhaW4=\""));
    world_deinit(&w);
}
