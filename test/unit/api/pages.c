/* What browsers need of the API, and what it refuses rather than take it for something else. */
#include "world.h"

static void open_records(struct world *w)
{
    world_init(w);
    assert_int_equal(ask(w, "PUT", "/api/v1/topics/t", "", "{\"partitions\":1}"), 201);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            ask(w, "POST", "/api/v1/topics/t/records", "", "{\"records\":[{\"value\":1}]}"), 201);
    }
}

TEST(api_a_page_that_was_named_may_change_things)
{
    struct world w = {0};
    open_records(&w);
    static const char *const body = "{\"records\":[{\"value\":1}]}";
    static const char *const path = "/api/v1/topics/t/records";
    assert_int_equal(http_origins_set(w.http, STR_LIT("https://shop.example"), NULL), ERR_OK);
    assert_int_equal(ask(&w, "POST", path, "Origin: https://shop.example\r\n", body), 201);
    assert_true(has(&w, "\r\nAccess-Control-Allow-Origin: https://shop.example\r\n"));
    assert_int_equal(ask(&w, "POST", path, "Origin: https://evil.example\r\n", body), 403);
    assert_false(has(&w, "Access-Control"));
    assert_int_equal(end_of(&w, "t", 0), 4);
    world_deinit(&w);
}

TEST(api_a_packed_body_is_refused_by_name)
{
    struct world w = {0};
    open_records(&w);
    static const char *const body = "{\"records\":[{\"value\":1}]}";
    static const char *const path = "/api/v1/topics/t/records";
    assert_int_equal(ask(&w, "POST", path, "Content-Encoding: gzip\r\n", body), 415);
    assert_true(has(&w, "unsupported-media-type") && has(&w, "'gzip' (Content-Encoding)") &&
                has(&w, "\r\nAccept-Encoding: identity\r\n"));
    assert_int_equal(end_of(&w, "t", 0), 3);
    assert_int_equal(ask(&w, "POST", path, "Content-Encoding: Identity\r\n", body), 201);
    world_deinit(&w);
}

TEST(api_a_query_that_cannot_be_decoded_is_refused)
{
    /* It was taken for one that is not there, and everything was answered. */
    struct world w = {0};
    open_records(&w);
    static const char *const targets[] = {"/api/v1/topics/t/records?limit=%zz",
                                          "/api/v1/topics/t/records?limit=1%2",
                                          "/api/v1/topics?cursor=%"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        assert_int_equal(ask(&w, "GET", targets[i], "", NULL), 400);
        assert_true(has(&w, "is not decodable"));
    }
    assert_int_equal(ask(&w, "GET", "/api/v1/topics/t/records?limit=%31", "", NULL), 200);
    world_deinit(&w);
}

TEST(api_an_id_that_no_record_can_have_is_refused)
{
    /* It was taken for the first record's. */
    struct world w = {0};
    open_records(&w);
    static const char *const ids[] = {"18446744073709551615", "9223372036854775807", "-1", "x"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        char headers[128];
        (void)snprintf(headers, sizeof(headers),
                       "Accept: text/event-stream\r\nLast-Event-ID: %s\r\n", ids[i]);
        assert_int_equal(ask(&w, "GET", "/api/v1/topics/t/records", headers, NULL), 400);
        assert_true(has(&w, "Last-Event-ID"));
    }
    world_deinit(&w);
}

/* ---- A stream of events that is asked for while the server starts ------------------------------
 */

static bool is_there(const struct api *a)
{
    return a->next_anywhere != 0; /* stands for a service that becomes ready */
}

static void handle(struct api_call *c)
{
    const bool ready = is_there(c->api);
    http_reply(c->request, ready ? 200 : 503, "text/plain", ready ? STR_LIT("now") : STR_LIT("no"));
}

static void get_when_ready(void *ctx, struct http_request *r)
{
    struct world *w = ctx;
    struct api_call *c = arena_new(r->arena, struct api_call);
    assert_non_null(c);
    *c = (struct api_call){.api = w->api, .request = r, .arena = r->arena};
    api_when_ready(c, is_there, handle);
}

static const struct http_route ROUTE[] = {{"GET", "/when", get_when_ready, "Waits."}};
static const char *const WHEN = "GET /when HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST(api_a_stream_waits_until_its_service_is_ready)
{
    struct world w = {0};
    world_init(&w);
    assert_int_equal(http_routes_add(w.http, ROUTE, 1, &w), ERR_OK);
    say(&w, WHEN);
    turns(&w, 50);
    assert_int_equal(w.in.n, 0);
    assert_int_equal(w.api->open, 1);
    w.api->next_anywhere = 1;
    assert_int_equal(hear(&w), 200);
    assert_int_equal(w.api->open, 0);
    say(&w, WHEN); /* at once, when it is */
    assert_int_equal(hear(&w), 200);
    world_deinit(&w);
}

TEST(api_a_stream_does_not_wait_for_ever)
{
    struct world w = {0};
    world_init(&w);
    assert_int_equal(http_routes_add(w.http, ROUTE, 1, &w), ERR_OK);
    say(&w, WHEN);
    turns(&w, 5);
    env_sim_advance_ns(w.env, API_READY_NS);
    assert_int_equal(hear(&w), 503);
    assert_int_equal(w.api->open, 0);
    say(&w, WHEN); /* the end of the server */
    turns(&w, 5);
    assert_int_equal(w.api->open, 1);
    api_stop(w.api);
    assert_int_equal(hear(&w), 503);
    assert_int_equal(w.api->open, 0);
    w.api->open = API_OPEN_MAX;
    say(&w, WHEN);
    assert_int_equal(hear(&w), 503);
    assert_true(has(&w, "too-many-open"));
    w.api->open = 0;
    say(&w, WHEN); /* its peer goes */
    turns(&w, 5);
    w.closed = true;
    world_dial(&w);
    w.api->next_anywhere = 1;
    turns(&w, 5);
    assert_int_equal(w.api->open, 0);
    world_deinit(&w);
}
