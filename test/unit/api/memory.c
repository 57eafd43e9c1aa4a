/* Every allocation may fail: the request is answered or its connection closed, and the next is
 * served. */
#include "world.h"

static void one_of_each(struct world *w)
{
    ask(w, "PUT", "/api/v1/topics/t", "", "{\"partitions\":2,\"config\":{\"retention.ms\":1000}}");
    if (w->closed) {
        return;
    }
    ask(w, "POST", "/api/v1/topics/t/records?atomic=false", "Idempotency-Key: k\r\n",
        "{\"records\":[{\"key\":\"a\",\"value\":{\"b\":[1,2]},\"headers\":{\"h\":\"v\"}},{\"x\":1},"
        "{\"value_base64\":\"AAEC\"}]}");
    static const char *const reads[] = {
        "/api/v1/topics?limit=1",    "/api/v1/topics/t/records?partition=1",
        "/api/v1/topics/t",          "/api/v1/openapi.json",
        "/problems/invalid-request", "/problems",
    };
    for (size_t i = 0; i < ARRAY_LEN(reads) && !w->closed; i++) {
        ask(w, "GET", reads[i], "", NULL);
    }
    if (!w->closed) {
        ask(w, "GET", "/api/v1/topics/t/records", "Accept: application/x-ndjson\r\n", NULL);
    }
    if (!w->closed) {
        ask(w, "POST", "/api/v1/topics/t/records?atomic=false", "Idempotency-Key: k\r\n", "{}");
    }
}

TEST(api_copes_without_memory)
{
    uint64_t n = 1;
    for (;; n += 1 + n / 200) { /* each of the first, then some of many */
        struct world w = {0};
        world_init(&w);
        test_fail_alloc(n);
        one_of_each(&w);
        const bool failed = test_fail_alloc_end() != 0;
        w.closed = true;
        world_dial(&w);
        assert_int_equal(ask(&w, "GET", "/api/v1/topics", "", NULL), 200);
        world_deinit(&w);
        if (!failed) {
            break;
        }
        assert_in_range(n, 1, 20000);
    }
    assert_in_range(n, 50, 20000);
}

static void open_records(struct world *w)
{
    world_init(w);
    assert_int_equal(ask(w, "PUT", "/api/v1/topics/t", "", "{\"partitions\":1}"), 201);
    assert_int_equal(
        ask(w, "POST", "/api/v1/topics/t/records", "", "{\"records\":[{\"value\":1}]}"), 201);
}

TEST(api_followers_end_with_their_peer_and_with_the_server)
{
    static const char *const request =
        "GET /api/v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\n"
        "Accept: text/event-stream\r\n\r\n";
    struct world w = {0};
    open_records(&w);
    say(&w, request);
    turns(&w, 50);
    assert_true(has(&w, "id: 0\nevent: record\n") && has(&w, "event: caught_up\n"));
    assert_int_equal(w.api->open, 1);
    env_sim_advance_ns(w.env, 16000000000);
    turns(&w, 10);
    assert_true(has(&w, ": still here\n\n"));
    env_sock_close(w.sock);
    w.sock = NULL;
    w.closed = false;
    assert_int_equal(env_connect(w.env, &w.addr, &w.sock, NULL), ERR_OK);
    turns(&w, 20);
    assert_int_equal(w.api->open, 0);
    say(&w, request);
    turns(&w, 50);
    assert_int_equal(w.api->open, 1);
    api_stop(w.api);
    turns(&w, 20);
    assert_int_equal(w.api->open, 0);
    assert_true(has(&w, "event: closed\n") && has(&w, "0\r\n\r\n"));
    world_deinit(&w);
}

TEST(api_what_is_open_is_bounded)
{
    struct world w = {0};
    open_records(&w);
    w.api->open = API_OPEN_MAX;
    static const char *const accepts[] = {"", "Accept: text/event-stream\r\n",
                                          "Accept: application/x-ndjson\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(accepts); i++) {
        assert_int_equal(ask(&w, "GET", "/api/v1/topics/t/records", accepts[i], NULL), 503);
        assert_true(has(&w, "too-many-open") && has(&w, "\r\nRetry-After: "));
    }
    w.api->open = 0;
    assert_int_equal(ask(&w, "GET", "/api/v1/topics/t/records", "", NULL), 200);
    assert_int_equal(w.api->open, 0);
    world_deinit(&w);
}

TEST(api_a_long_poll_ends_with_the_server)
{
    struct world w = {0};
    open_records(&w);
    say(&w,
        "GET /api/v1/topics/t/records?offset=latest&wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n");
    turns(&w, 50);
    assert_int_equal(w.api->open, 1);
    assert_int_equal(w.in.n, 0);
    api_stop(w.api);
    assert_int_equal(hear(&w), 503);
    assert_true(has(&w, "the server stops"));
    world_deinit(&w);
}

TEST(api_a_page_of_another_site_changes_nothing)
{
    struct world w = {0};
    open_records(&w);
    static const char *const body = "{\"records\":[{\"value\":1}]}";
    static const char *const path = "/api/v1/topics/t/records";
    assert_int_equal(ask(&w, "POST", path, "Origin: http://evil.example\r\n", body), 403);
    assert_true(has(&w, "cross-origin"));
    assert_int_equal(ask(&w, "POST", path, "Origin: null\r\n", body), 403);
    assert_int_equal(ask(&w, "POST", path, "Content-Type: text/plain\r\n", body), 415);
    assert_int_equal(end_of(&w, "t", 0), 1);
    assert_int_equal(ask(&w, "POST", path, "Origin: http://localhost\r\n", body), 201);
    world_deinit(&w);
}
