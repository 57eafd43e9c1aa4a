/* NDJSON: an error is a problem with its status, or breaks the answer off; nothing ends as if it
 * were whole. */
#include "net/net_int.h"
#include "world.h"

#define LINES "Accept: application/x-ndjson\r\n"
#define LAST  "\r\n0\r\n\r\n"

static void open_events(struct world *w)
{
    *w = (struct world){.events = true};
    world_init(w);
    for (int i = 0; i < 1000 && !es_ready(w->es); i++) {
        turn(w);
    }
}

/* A stream whose pages do not fit into what a connection takes ahead. */
static void open_long(struct world *w)
{
    static char body[2u << 20];
    size_t n = (size_t)snprintf(body, sizeof(body), "{\"events\":[");
    open_events(w);
    for (int i = 0; i < 1100; i++) {
        n += (size_t)snprintf(body + n, sizeof(body) - n,
                              "%s{\"type\":\"a\",\"id\":\"e%d\",\"data\":\"%01500d\"}",
                              i == 0 ? "" : ",", i, 0);
    }
    assert_in_range(snprintf(body + n, sizeof(body) - n, "]}"), 2, sizeof(body) - n - 1);
    assert_int_equal(ask(w, "POST", "/api/v1/streams/long-1/events", "", body), 201);
}

static void begin(struct world *w, const char *target)
{
    char text[256];
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n" LINES "\r\n",
                   target);
    say(w, text);
    for (int i = 0; i < 1000 && w->in.n == 0; i++) {
        turn(w);
    }
    assert_true(has(w, "HTTP/1.1 200 OK\r\n") && !has(w, LAST));
}

/* On a connection of its own, while the other one is not read. */
static void aside(struct world *w, const char *method, const char *target, const char *body)
{
    struct env_sock *reader = w->sock;
    const struct buf in = w->in;
    buf_init(&w->in, 1u << 20);
    w->sock = NULL;
    world_dial(w);
    const int status = ask(w, method, target, "", body);
    assert_in_range(status, 200, 204);
    env_sock_close(w->sock);
    buf_deinit(&w->in);
    w->sock = reader;
    w->in = in;
    w->closed = false;
}

static void ends_broken(struct world *w, const char *code)
{
    char line[64];
    (void)snprintf(line, sizeof(line), "{\"problem\":{\"code\":\"%s\",\"status\":", code);
    hear(w);
    for (int i = 0; i < 100 && !w->closed; i++) {
        turn(w);
    }
    if (!w->closed || has(w, LAST) || !has(w, line)) {
        const size_t n = w->in.n < 600 ? w->in.n : 600;
        fail_msg("closed %d: %.*s", w->closed, (int)n, (const char *)w->in.p + w->in.n - n);
    }
    assert_int_equal(w->api->open, 0);
}

TEST(api_lines_of_nothing_have_the_status_of_a_page)
{
    static const char *const targets[] = {
        "/api/v1/streams/gone-1/events",
        "/api/v1/streams/soft-1/events",
        "/api/v1/streams/none-1/events",
        "/api/v1/streams/noname/events",
        "/api/v1/events?category=none",
        "/api/v1/events?store=none",
        "/api/v1/events?from=p:zzz",
        "/api/v1/streams/none-1/events?limit=0",
        "/api/v1/events?from=p:00007fffffffffff:0000",
    };
    struct world w;
    open_events(&w);
    for (int i = 0; i < 2; i++) {
        const char *const name = i == 0 ? "/api/v1/streams/gone-1" : "/api/v1/streams/soft-1";
        char events[64], hard[64];
        (void)snprintf(events, sizeof(events), "%s/events", name);
        (void)snprintf(hard, sizeof(hard), "%s%s", name, i == 0 ? "?hard=true" : "");
        assert_int_equal(ask(&w, "POST", events, "", "{\"events\":[{\"type\":\"a\"}]}"), 201);
        assert_in_range(ask(&w, "DELETE", hard, "", NULL), 200, 204);
    }
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        const int status = ask(&w, "GET", targets[i], "", NULL);
        assert_in_range(status, 400, 410);
        const int of_lines = ask(&w, "GET", targets[i], LINES, NULL);
        if (of_lines != status || !has(&w, "application/problem+json")) {
            fail_msg("%s: %d, as lines %d", targets[i], status, of_lines);
        }
    }
    assert_int_equal(w.api->open, 0);
    world_deinit(&w);
}

TEST(api_lines_that_nobody_reads_hold_little)
{
    /* About two pages of 256 KiB wait, however many events are there. */
    static const char *const targets[] = {"/api/v1/streams/long-1/events", "/api/v1/events"};
    struct world w;
    open_long(&w);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        size_t most = 0;
        begin(&w, targets[i]);
        w.deaf = true;
        for (int n = 0; n < 100; n++) {
            turn(&w);
            most = w.net->send_bytes > most ? w.net->send_bytes : most;
        }
        w.deaf = false;
        assert_in_range(most, 100u * 1024, 600u * 1024);
        hear(&w);
        assert_true(has(&w, "\"revision\":1099,") && has(&w, LAST));
    }
    world_deinit(&w);
}

TEST(api_lines_begin_with_the_snapshot)
{
    struct world w;
    open_events(&w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(&w, "POST", "/api/v1/streams/snap-1/events", "",
                             "{\"events\":[{\"type\":\"a\",\"data\":1}]}"),
                         201);
    }
    assert_in_range(ask(&w, "PUT", "/api/v1/streams/snap-1/snapshot", "",
                        "{\"revision\":1,\"schema\":\"S\",\"state\":{\n \"n\":7}}"),
                    200, 204);
    assert_int_equal(
        ask(&w, "GET", "/api/v1/streams/snap-1/events?snapshot=auto&schema=S", LINES, NULL), 200);
    assert_true(has(&w, "{\"snapshot\":{\"revision\":1,\"schema\":\"S\",\"state\":{  \"n\":7}}}\n"
                        "{\"stream\":\"snap-1\",\"revision\":2,"));
    assert_false(has(&w, "\"revision\":0") || !has(&w, LAST));
    assert_int_equal(ask(&w, "GET", "/api/v1/streams/snap-1/events", LINES, NULL), 200);
    assert_true(!has(&w, "snapshot") && has(&w, "\"revision\":0,"));
    world_deinit(&w);
}

TEST(api_lines_break_off_when_the_stream_goes)
{
    static const struct {
        const char *method, *target, *body, *code;
    } rows[] = {
        {"DELETE", "/api/v1/streams/long-1", NULL, "stream-deleted"},
        {"DELETE", "/api/v1/streams/long-1?hard=true", NULL, "stream-tombstoned"},
        {"PATCH", "/api/v1/streams/long-1", "{\"truncate_before\":1050}", "event-not-found"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        open_long(&w);
        begin(&w, "/api/v1/streams/long-1/events");
        aside(&w, rows[i].method, rows[i].target, rows[i].body);
        ends_broken(&w, rows[i].code);
        assert_true(has(&w, "\"revision\":99,") && !has(&w, "\"revision\":1099,"));
        world_deinit(&w);
    }
}

TEST(api_lines_break_off_when_the_server_stops)
{
    static const char *const targets[] = {"/api/v1/streams/long-1/events", "/api/v1/events"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct world w;
        open_long(&w);
        begin(&w, targets[i]);
        api_stop(w.api);
        ends_broken(&w, "unavailable");
        world_deinit(&w);
    }
}

TEST(api_lines_of_a_topic_break_off_when_the_server_stops)
{
    static char body[2u << 20];
    struct world w;
    open_events(&w);
    assert_int_equal(ask(&w, "PUT", "/api/v1/topics/t", "", "{\"partitions\":1}"), 201);
    const int n =
        snprintf(body, sizeof(body), "{\"records\":[{\"value_string\":\"%0900000d\"}]}", 0);
    assert_in_range(n, 900000, sizeof(body) - 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(&w, "POST", "/api/v1/topics/t/records", "", body), 201);
    }
    begin(&w, "/api/v1/topics/t/records");
    api_stop(w.api);
    ends_broken(&w, "unavailable");
    assert_int_equal(ask(&w, "GET", "/api/v1/topics/t/records?offset=9", LINES, NULL), 0);
    world_dial(&w);
    assert_int_equal(ask(&w, "GET", "/api/v1/topics/t/records?offset=3", LINES, NULL), 200);
    assert_string_equal(w.body.p, "0\r\n\r\n");
    world_deinit(&w);
}

TEST(api_lines_that_are_whole_have_their_end)
{
    struct world w;
    open_long(&w);
    begin(&w, "/api/v1/streams/long-1/events");
    hear(&w);
    assert_true(has(&w, "\"revision\":0,") && has(&w, "\"revision\":1099,") && has(&w, LAST));
    assert_false(has(&w, "problem"));
    assert_int_equal(ask(&w, "GET", "/api/v1/streams/long-1/events?limit=501", LINES, NULL), 200);
    assert_true(has(&w, "\"revision\":500,") && !has(&w, "\"revision\":501,") && has(&w, LAST));
    world_deinit(&w);
}

/* How deep the stack was at the deepest allocation since `most` was set to 0. */
static struct depth {
    const char *base;
    size_t most;
} depth;

static int deeper(void *ctx, size_t size)
{
    (void)size;
    struct depth *d = ctx;
    const char *here = __builtin_frame_address(0);
    const size_t n = here < d->base ? (size_t)(d->base - here) : 0;
    d->most = n > d->most ? n : d->most;
    return 0;
}

/* Pages that are in memory come one after the other, not one within the other. */
TEST(api_lines_of_many_pages_take_the_stack_of_one)
{
    static char body[1u << 20];
    static const char *const targets[] = {"/api/v1/streams/s-1/events", "/api/v1/events"};
    struct world w;
    size_t n = (size_t)snprintf(body, sizeof(body), "{\"events\":[");
    open_events(&w);
    for (int i = 0; i < 1000; i++) {
        n += (size_t)snprintf(body + n, sizeof(body) - n, "%s{\"type\":\"a\"}", i == 0 ? "" : ",");
    }
    assert_in_range(snprintf(body + n, sizeof(body) - n, "]}"), 2, sizeof(body) - n - 1);
    assert_int_equal(ask(&w, "POST", "/api/v1/streams/s-1/events", "", body), 201);
    depth.base = __builtin_frame_address(0);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        size_t most[2];
        for (int pages = 1; pages <= 2; pages++) {
            char target[64];
            (void)snprintf(target, sizeof(target), "%s?limit=%d", targets[i], 500 * pages);
            depth.most = 0;
            mem_set_fail_hook(deeper, &depth);
            const int status = ask(&w, "GET", target, LINES, NULL);
            mem_set_fail_hook(NULL, NULL);
            assert_int_equal(status, 200);
            assert_true(has(&w, LAST) && has(&w, "\"revision\":499,"));
            assert_int_equal(has(&w, "\"revision\":999,"), pages == 2);
            most[pages - 1] = depth.most;
        }
        assert_in_range(most[1], 1, most[0] + 64);
    }
    world_deinit(&w);
}

/* A follower tells by a line why it ends, as server-sent events do. */
TEST(api_lines_of_a_follower_say_why_they_end)
{
    static const char *const follow = "/api/v1/subscriptions/live?stream=long-1";
    struct world w;
    open_long(&w);
    begin(&w, follow);
    for (int i = 0; i < 300 && !has(&w, "\"caught_up\""); i++) {
        turn(&w);
    }
    aside(&w, "DELETE", "/api/v1/streams/long-1?hard=true", NULL);
    hear(&w);
    assert_true(has(&w, "{\"closed\":{\"code\":\"stream-tombstoned\",\"status\":410,"));
    assert_true(has(&w, LAST));
    assert_int_equal(ask(&w, "GET", follow, LINES, NULL), 200);
    assert_true(has(&w, "{\"closed\":{\"code\":\"stream-tombstoned\",\"status\":410,"));
    assert_int_equal(w.api->open, 0);
    world_deinit(&w);
}

TEST(api_a_follower_is_told_that_the_server_stops)
{
    static const struct {
        const char *accept, *closed;
    } rows[] = {
        {"Accept: text/event-stream\r\n", "event: closed\ndata: {\"code\":\"unavailable\","},
        {LINES, "{\"closed\":{\"code\":\"unavailable\","},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        open_events(&w);
        assert_int_equal(ask(&w, "GET", "/api/v1/subscriptions/live", rows[i].accept, NULL), 200);
        assert_int_equal(w.api->open, 1);
        api_stop(w.api);
        hear(&w);
        assert_true(has(&w, rows[i].closed) && has(&w, "the server stops") && has(&w, LAST));
        assert_int_equal(w.api->open, 0);
        world_deinit(&w);
    }
}

TEST(api_lines_cope_without_memory)
{
    size_t refused = 0;
    for (uint64_t n = 1, failed = 1; failed != 0; n++) {
        struct world w;
        open_events(&w);
        assert_int_equal(ask(&w, "POST", "/api/v1/streams/few-1/events", "",
                             "{\"events\":[{\"type\":\"a\",\"data\":1},{\"type\":\"b\"}]}"),
                         201);
        test_fail_alloc(n);
        const int status = ask(&w, "GET", "/api/v1/streams/few-1/events", LINES, NULL);
        failed = test_fail_alloc_end() != 0;
        if (status == 200 && has(&w, LAST)) {
            assert_true(has(&w, "\"revision\":0,") && has(&w, "\"revision\":1,"));
        }
        refused += status != 200;
        assert_int_equal(w.api->open, 0);
        world_deinit(&w);
        assert_in_range(n, 1, 500);
    }
    assert_true(refused > 0);
}
