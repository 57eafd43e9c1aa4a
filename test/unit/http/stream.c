/* Replies of unknown length: their framing, back-pressure, and all the ways in which they end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define HOST "Host: localhost\r\n"

static void open_stream(struct world *w, const char *request)
{
    world_open(w, "127.0.0.1:0");
    ask(w, request);
    assert_non_null(w->stream);
}

static void hear(struct world *w)
{
    exchange(w, "", 0, 1);
}

TEST(http_a_stream_is_chunked_and_the_connection_goes_on)
{
    struct world w;
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    expect(&w, "HTTP/1.1 200 OK\r\n");
    expect(&w, "Transfer-Encoding: chunked\r\n");
    expect_not(&w, "Content-Length");
    assert_true(http_stream_write(w.stream, STR_LIT("{\"a\":1}\n")));
    assert_true(http_stream_write(w.stream, STR_LIT("")));
    assert_true(http_stream_write(w.stream, STR_LIT("{}\n")));
    hear(&w);
    assert_string_equal(w.reply, "8\r\n{\"a\":1}\n\r\n3\r\n{}\n\r\n");
    http_stream_end(w.stream);
    hear(&w);
    assert_string_equal(w.reply, "0\r\n\r\n");
    ask(&w, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    expect(&w, "\r\n\r\nhello");
    assert_false(w.closed);
    assert_int_equal(w.gone, 0);
    world_close(&w);
}

TEST(http_requests_behind_a_stream_wait_for_its_end)
{
    /* They are not even begun: what they do would be seen before what the stream still says. */
    struct world w;
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n"
                    "GET /later HTTP/1.1\r\n" HOST "\r\n");
    assert_null(w.later);
    for (int i = 0; i < 200; i++) {
        ask(&w, "GET /hello HTTP/1.1\r\n" HOST "\r\n"); /* more than is received ahead */
        assert_int_equal(w.got, 0);
    }
    assert_null(w.later);
    assert_false(w.closed);
    http_stream_end(w.stream);
    hear(&w);
    expect(&w, "0\r\n\r\n");
    assert_non_null(w.later);
    http_reply(w.later, 200, "text/plain", STR_LIT("late"));
    hear(&w);
    expect(&w, "late");
    expect(&w, "hello");
    world_close(&w);
}

TEST(http_a_stream_behind_a_pending_reply_keeps_the_order)
{
    struct world w;
    open_stream(&w, "GET /later HTTP/1.1\r\n" HOST "\r\nGET /stream HTTP/1.1\r\n" HOST "\r\n");
    http_stream_write(w.stream, STR_LIT("x"));
    hear(&w);
    assert_int_equal(w.got, 0);
    http_reply(w.later, 200, "text/plain", STR_LIT("first"));
    hear(&w);
    const char *first = strstr(w.reply, "first");
    assert_non_null(first);
    assert_non_null(strstr(first, "1\r\nx\r\n"));
    http_stream_end(w.stream);
    world_close(&w);
}

TEST(http_a_stream_to_an_old_peer_ends_with_the_connection)
{
    struct world w;
    open_stream(&w, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_not(&w, "chunked");
    expect(&w, "Connection: close\r\n");
    http_stream_write(w.stream, STR_LIT("plain"));
    http_stream_end(w.stream);
    hear(&w);
    assert_string_equal(w.reply, "plain");
    assert_true(w.closed);
    world_close(&w);
}

TEST(http_connection_close_ends_with_the_stream)
{
    struct world w;
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    http_stream_write(w.stream, STR_LIT("x"));
    hear(&w);
    assert_false(w.closed);
    http_stream_end(w.stream);
    hear(&w);
    assert_string_equal(w.reply, "0\r\n\r\n");
    assert_true(w.closed);
    world_close(&w);
}

TEST(http_a_stream_that_breaks_off_has_no_last_chunk)
{
    /* What was written arrives, and nobody can take it for all there is. */
    struct world w;
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\nGET /later HTTP/1.1\r\n" HOST "\r\n");
    http_stream_write(w.stream, STR_LIT("x"));
    http_stream_break(w.stream);
    hear(&w);
    assert_string_equal(w.reply, "1\r\nx\r\n");
    assert_true(w.closed);
    assert_null(w.later); /* the connection takes no more requests */
    assert_int_equal(w.gone, 0);
    world_close(&w);
}

TEST(http_head_of_a_stream_is_its_head_alone)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "HEAD /stream HTTP/1.1\r\n" HOST "\r\n");
    expect(&w, "application/x-ndjson");
    assert_string_equal(strstr(w.reply, "\r\n\r\n"), "\r\n\r\n");
    assert_int_equal(w.gone, 1);
    ask(&w, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    expect(&w, "hello");
    world_close(&w);
}

TEST(http_head_of_a_stream_ends_the_connection_that_is_not_kept)
{
    /* Also when the head is sent before the stream is told that it is closed, as when it began
     * behind a read. */
    static const char *const asks[] = {"HEAD /later HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
                                       "HEAD /later HTTP/1.0\r\n\r\n"};
    for (int i = 0; i < 16; i++) {
        struct world w;
        world_open(&w, "127.0.0.1:0");
        for (int before = 0; before < i; before++) { /* what is sent at once is drawn */
            ask(&w, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
        }
        ask(&w, asks[i % 2]);
        stream_begin(&w, w.later);
        net_flush(w.net);
        assert_int_equal(w.gone, 0);
        hear(&w);
        expect(&w, "Connection: close\r\n");
        assert_string_equal(strstr(w.reply, "\r\n\r\n"), "\r\n\r\n");
        assert_true(w.closed);
        assert_int_equal(w.gone, 1);
        world_close(&w);
    }
}

TEST(http_a_stream_may_end_in_the_turn_in_which_it_began)
{
    /* To HEAD it was cut before it ended: it is over once, and `closed` is not called. */
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "GET /whole HTTP/1.1\r\n" HOST "\r\n");
    expect(&w, "\r\n\r\n3\r\nall\r\n0\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        ask(&w, "HEAD /whole HTTP/1.1\r\n" HOST "\r\n");
        expect(&w, "application/x-ndjson");
        assert_string_equal(strstr(w.reply, "\r\n\r\n"), "\r\n\r\n");
    }
    ask(&w, "HEAD /whole HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
    expect(&w, "\r\n\r\nhello");
    assert_false(w.closed);
    ask(&w, "HEAD /broken HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(strstr(w.reply, "\r\n\r\n"), "\r\n\r\n");
    assert_true(w.closed);
    assert_int_equal(w.gone, 0);
    world_close(&w);
}

TEST(http_a_stream_for_a_peer_that_is_gone_may_end_at_once)
{
    for (int breaks = 0; breaks < 2; breaks++) {
        struct world w;
        world_open(&w, "127.0.0.1:0");
        ask(&w, "GET /later HTTP/1.1\r\n" HOST "\r\n");
        hang_up(&w);
        turns(&w, 10);
        stream_whole(&w, w.later, breaks > 0);
        turns(&w, 10);
        assert_int_equal(w.gone, 0);
        world_close(&w);
    }
}

TEST(http_a_stream_stops_at_its_mark_and_goes_on_below)
{
    /* What a slow reader has not taken is bounded, and nothing of it is lost. */
    struct world w;
    char line[1001];
    size_t written = 0;
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    w.deaf = true;
    memset(line, 'x', sizeof(line));
    for (int turns_left = 3000; turns_left > 0; turns_left--) {
        const bool may = http_stream_write(w.stream, str_make(line, 1000));
        written += 1000;
        turn(&w);
        if (!may) {
            break;
        }
    }
    assert_in_range(written, HTTP_STREAM_HIGH, 2 * 1024 * 1024);
    assert_int_equal(w.writable, 0);
    turns(&w, 20);
    assert_int_equal(w.writable, 0);
    w.deaf = false;
    hear(&w);
    assert_int_equal(w.writable, 1);
    size_t seen = 0;
    for (size_t i = 0; i < w.got; i++) {
        seen += w.reply[i] == 'x' ? 1u : 0u;
    }
    assert_int_equal(seen, written);
    http_stream_end(w.stream);
    world_close(&w);
}

TEST(http_a_reader_that_takes_nothing_is_closed)
{
    struct world w;
    char line[1000];
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    w.deaf = true;
    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 3000 && http_stream_write(w.stream, str_make(line, sizeof(line))); i++) {
        turn(&w);
    }
    for (int i = 0; i < 10 && w.gone == 0; i++) {
        env_sim_advance_ns(w.env, 1000000000);
        turns(&w, 3);
    }
    assert_int_equal(w.gone, 1);
    assert_null(w.stream);
    world_close(&w);
}

TEST(http_a_stream_that_rests_is_not_idle)
{
    struct world w;
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 200; i++) {
        env_sim_advance_ns(w.env, 1000000000);
        turns(&w, 3);
    }
    assert_int_equal(w.gone, 0);
    http_stream_comment(w.stream, STR_LIT("beat\nwith a break"));
    hear(&w);
    expect(&w, ": beat\n\n");
    expect_not(&w, "break");
    http_stream_end(w.stream);
    world_close(&w);
}

TEST(http_a_peer_that_goes_is_noticed_by_a_stream_that_rests)
{
    struct world w;
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    hang_up(&w);
    turns(&w, 10);
    assert_int_equal(w.gone, 1);
    world_close(&w);
}

TEST(http_a_stream_does_not_hold_up_the_end_of_the_server)
{
    /* What was written is sent; that it is not all is seen by the missing last chunk. */
    struct world w;
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    http_stream_write(w.stream, STR_LIT("x"));
    w.drains = true;
    hear(&w);
    assert_false(w.drains);
    assert_int_equal(w.gone, 1);
    assert_string_equal(w.reply, "1\r\nx\r\n");
    assert_true(w.closed);
    world_close(&w);
}

TEST(http_who_writes_on_and_on_is_stopped)
{
    struct world w;
    char *much = calloc(1, 1024 * 1024);
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    w.deaf = true;
    for (int i = 0; i < 40; i++) {
        http_stream_write(w.stream, str_make(much, 1024 * 1024));
    }
    assert_int_equal(w.gone, 0); /* never from within a write */
    turns(&w, 3);
    assert_int_equal(w.gone, 1);
    free(much);
    world_close(&w);
}

TEST(http_events_have_the_form_that_browsers_read)
{
    struct world w;
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    http_stream_event(w.stream, STR_LIT("7\r\nevil: 1"), STR_LIT("record"),
                      STR_LIT("one\ntwo\r\nthree\rfour"));
    hear(&w);
    assert_string_equal(w.reply, "40\r\nid: 7\nevent: record\ndata: one\ndata: two\ndata: three\n"
                                 "data: four\n\n\r\n");
    http_stream_event(w.stream, STR_NULL, STR_NULL, STR_LIT(""));
    hear(&w);
    assert_string_equal(w.reply, "8\r\ndata: \n\n\r\n");
    http_stream_end(w.stream);
    world_close(&w);
}

static enum err stream_once(void *ctx)
{
    struct world w;
    (void)ctx;
    const uint64_t n = *(uint64_t *)ctx;
    char *much = calloc(1, 300000);
    world_open(&w, "127.0.0.1:0");
    turns(&w, 3);
    test_fail_alloc(n);
    ask(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    if (w.stream != NULL) {
        http_stream_write(w.stream, str_make(much, 300000));
        turns(&w, 3);
    }
    if (w.stream != NULL) {
        http_stream_end(w.stream);
    }
    hear(&w);
    const bool failed = test_fail_alloc_end() != 0;
    /* The server lives: the next client is served. */
    env_sock_close(w.sock);
    w.closed = false;
    assert_int_equal(env_connect(w.env, &w.addr, &w.sock, NULL), ERR_OK);
    ask(&w, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    expect(&w, "hello");
    world_close(&w);
    free(much);
    return failed ? ERR_NO_MEMORY : ERR_OK;
}

TEST(http_streams_cope_without_memory)
{
    uint64_t n = 1;
    while (stream_once(&n) == ERR_NO_MEMORY) {
        n++;
        assert_in_range(n, 1, 1000);
    }
    assert_in_range(n, 4, 1000);
}

TEST(http_net_may_end_under_a_stream)
{
    /* The server is taken down with streams open, one of them cut in this turn. */
    struct world w;
    open_stream(&w, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    world_close(&w);
    assert_int_equal(w.gone, 1);
}
