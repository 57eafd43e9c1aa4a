/* Each limit of a request, at it and one beyond it; and what a request must be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define HOST "Host: localhost\r\n"

/* Status of the answer to these bytes on a fresh connection. */
static int status_of(const char *p, size_t n, size_t piece)
{
    struct world w;
    int status = 0;
    world_open(&w, "127.0.0.1:0");
    exchange(&w, p, n, piece);
    sscanf(w.reply, "HTTP/1.1 %d", &status);
    assert_true(w.closed || status < 400);
    world_close(&w);
    return status;
}

static int status_of_text(const char *text)
{
    return status_of(text, strlen(text), SIZE_MAX);
}

static int status_of_body(size_t bytes, size_t chunk)
{
    struct buf b;
    buf_init(&b, 4u << 20);
    buf_put_z(&b, "POST /topics/t/records HTTP/1.1\r\n" HOST);
    if (chunk == 0) {
        buf_printf(&b, "Content-Length: %zu\r\n\r\n", bytes);
    } else {
        buf_put_z(&b, "Transfer-Encoding: chunked\r\n\r\n");
    }
    for (size_t left = bytes; left > 0;) {
        const size_t n = chunk == 0 || left < chunk ? left : chunk;
        if (chunk > 0) {
            buf_printf(&b, "%zx\r\n", n);
        }
        memset(buf_extend(&b, n), 'a', n);
        buf_put_z(&b, chunk > 0 ? "\r\n" : "");
        left -= n;
    }
    buf_put_z(&b, chunk > 0 ? "0\r\n\r\n" : "");
    const int status = status_of((const char *)b.p, b.n, SIZE_MAX);
    buf_deinit(&b);
    return status;
}

TEST(http_the_body_is_bounded)
{
    assert_int_equal(status_of_body(WORLD_BODY_MAX, 0), 201);
    assert_int_equal(status_of_body(WORLD_BODY_MAX + 1, 0), 413);
    assert_int_equal(status_of_body(WORLD_BODY_MAX, 7000), 201);
    assert_int_equal(status_of_body(WORLD_BODY_MAX + 1, 7000), 413);
}

TEST(http_the_head_is_bounded)
{
    struct buf b;
    for (size_t over = 0; over < 2; over++) {
        buf_init(&b, 100000);
        buf_put_z(&b, "GET /hello HTTP/1.1\r\n" HOST "X: ");
        const size_t n = HTTP_HEAD_MAX - b.n - 4 + over * 1000;
        memset(buf_extend(&b, n), 'x', n);
        buf_put_z(&b, "\r\n\r\n");
        assert_int_equal(status_of((const char *)b.p, b.n, 4000), over == 0 ? 200 : 431);
        buf_deinit(&b);
    }
}

TEST(http_the_fields_are_bounded)
{
    struct buf b;
    for (uint32_t over = 0; over < 2; over++) {
        buf_init(&b, 100000);
        buf_put_z(&b, "GET /hello HTTP/1.1\r\n" HOST);
        for (uint32_t i = 1; i < HTTP_HEADER_COUNT_MAX + over; i++) {
            buf_printf(&b, "X-%u: y\r\n", i);
        }
        buf_put_z(&b, "\r\n");
        assert_int_equal(status_of((const char *)b.p, b.n, SIZE_MAX), over == 0 ? 200 : 431);
        buf_deinit(&b);
    }
}

TEST(http_what_is_no_request_of_ours_is_refused)
{
    assert_int_equal(status_of_text("GET /hello HTTP/1.1\r\n\r\n"), 400); /* no Host */
    assert_int_equal(status_of_text("GET /hello HTTP/1.0\r\n\r\n"), 200);
    assert_int_equal(status_of_text("GET /hello HTTP/1.1\r\n" HOST HOST "\r\n"), 400);
    assert_int_equal(status_of_text("GET /hello HTTP/2.0\r\n" HOST "\r\n"), 505);
    assert_int_equal(status_of_text("GET /hello HTTP/1.1\r\n" HOST "Expect: cake\r\n\r\n"), 417);
    assert_int_equal(status_of_text("GET hello HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(status_of_text("GET /%zz HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(status_of_text("POST /topics/t/records HTTP/1.1\r\n" HOST
                                    "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
                     501);
    /* Two lengths: which one holds would depend on who reads (request smuggling). */
    assert_int_equal(status_of_text("POST /topics/t/records HTTP/1.1\r\n" HOST
                                    "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
                                    "0\r\n\r\n"),
                     400);
    assert_int_equal(status_of_text("POST /topics/t/records HTTP/1.1\r\n" HOST
                                    "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
                     400);
}

TEST(http_a_client_that_waits_is_told_to_go_on)
{
    struct world w;
    const char *head = "POST /topics/t/records HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                       "Content-Length: 4\r\n\r\n";
    world_open(&w, "127.0.0.1:0");
    ask(&w, head);
    assert_string_equal(w.reply, "HTTP/1.1 100 Continue\r\n\r\n");
    ask(&w, "body");
    expect(&w, "HTTP/1.1 201 ");
    expect(&w, "t|||body");
    expect_not(&w, "100 Continue");
    /* It did not wait. */
    ask(&w, "POST /topics/t/records HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
            "Content-Length: 4\r\n\r\nbody");
    expect_not(&w, "100 Continue");
    expect(&w, "t|||body");
    /* In the order of the replies. */
    ask(&w, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    ask(&w, head);
    assert_int_equal(w.got, 0);
    http_reply(w.later, 200, "text/plain", STR_LIT("late"));
    ask(&w, "");
    assert_non_null(strstr(w.reply, "late"));
    assert_non_null(strstr(strstr(w.reply, "late"), "100 Continue"));
    ask(&w, "body");
    expect(&w, "t|||body");
    world_close(&w);
    /* Who does not know of it is not told. */
    world_open(&w, "127.0.0.1:0");
    ask(&w, "POST /topics/t/records HTTP/1.0\r\nExpect: 100-continue\r\n"
            "Content-Length: 4\r\n\r\n");
    assert_int_equal(w.got, 0);
    world_close(&w);
}

/* What no body can change is answered at once, and nothing else is said before (RFC 9110, 10.1.1).
 */
TEST(http_a_client_that_waits_for_nothing_is_told_at_once)
{
    static const struct {
        const char *line, *host, *length;
        int status;
        const char *says;
    } cases[] = {
        {"POST /nothing", HOST, "Content-Length: 4", 404, "there is nothing at /nothing"},
        {"POST /nothing", HOST, "Transfer-Encoding: chunked", 404, "\"not-found\""},
        {"POST /a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", HOST, "Content-Length: 4", 404,
         "\"not-found\""},
        {"POST http://localhost/no?a=1", HOST, "Content-Length: 4", 404, "nothing at /no\""},
        {"OPTIONS /nothing", HOST, "Content-Length: 4", 404, "\"not-found\""},
        {"PUT /hello", HOST, "Content-Length: 4", 405, "\r\nAllow: GET, HEAD, OPTIONS\r\n"},
        {"POST /topics/t/records", HOST, "Content-Length: 900000", 413, "\"body-too-large\""},
        {"POST /topics/t/records", "Host: evil.example\r\n", "Content-Length: 4", 421,
         "\"wrong-host\""},
        {"POST /%zz", HOST, "Content-Length: 4", 400, "\"malformed-request\""},
    };
    char text[512], line[64];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t piece = 1; piece < 1000; piece += 499) {
            struct world w;
            world_open(&w, "127.0.0.1:0");
            (void)snprintf(text, sizeof(text),
                           "%s HTTP/1.1\r\n%sExpect: 100-continue\r\n%s\r\n\r\n", cases[i].line,
                           cases[i].host, cases[i].length);
            exchange(&w, text, strlen(text), piece);
            (void)snprintf(line, sizeof(line), "HTTP/1.1 %d ", cases[i].status);
            assert_true(strncmp(w.reply, line, strlen(line)) == 0);
            expect(&w, "\r\nConnection: close\r\n");
            expect(&w, cases[i].says);
            expect_not(&w, "100 Continue");
            assert_true(w.closed);
            world_close(&w);
        }
    }
}

TEST(http_clients_that_wait_cope_without_memory)
{
    static const char *const lines[] = {"POST /topics/a%20", "POST /no%20thing"};
    char text[9000];
    for (uint64_t n = 1, failed = 1; failed != 0; n++) {
        assert_in_range(n, 1, 100);
        failed = 0;
        for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
            struct world w;
            world_open(&w, "127.0.0.1:0");
            /* Longer than a block of the arena: its parts need memory of their own. */
            const int at =
                snprintf(text, sizeof(text), "%s%07000d%s", lines[i], 1, i == 0 ? "/records" : "");
            (void)snprintf(text + at, sizeof(text) - (size_t)at,
                           " HTTP/1.1\r\n" HOST
                           "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
            test_fail_alloc(n);
            ask(&w, text);
            const bool one_failed = test_fail_alloc_end() != 0;
            failed += one_failed;
            assert_true(w.closed || w.got > 0);
            if (!one_failed) {
                expect(&w, i == 0 ? "100 Continue" : "404 Not Found");
            } else if (i == 0 && w.got > 0 && strstr(w.reply, "100 Continue") == NULL) {
                expect(&w, "503 "); /* not a 404, and no handler without the body */
            }
            world_close(&w);
        }
        assert_true(n > 1 || failed > 0);
    }
}

TEST(http_a_client_that_waits_for_options_is_told_to_go_on)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "OPTIONS /hello HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nExpect: 100-continue\r\n"
            "Content-Length: 4\r\n\r\n");
    assert_string_equal(w.reply, "HTTP/1.1 100 Continue\r\n\r\n");
    ask(&w, "body");
    expect(&w, "HTTP/1.1 204 ");
    ask(&w, "OPTIONS * HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_string_equal(w.reply, "HTTP/1.1 100 Continue\r\n\r\n");
    ask(&w, "body");
    expect(&w, "HTTP/1.1 204 ");
    world_close(&w);
}

TEST(http_a_request_is_the_same_in_pieces)
{
    /* However its bytes are cut, and however often its buffer moves meanwhile. */
    struct world w;
    struct buf b;
    buf_init(&b, 100000);
    buf_put_z(&b, "POST /topics/a%2Fb%20c/records?q=1&x HTTP/1.1\r\n" HOST "Content-Type: a/b\r\n");
    for (int i = 0; i < 60; i++) {
        buf_printf(&b, "X-%d: value %d\r\n", i, i);
    }
    buf_put_z(&b, "Content-Length: 11\r\n\r\nhello world");
    world_open(&w, "127.0.0.1:0");
    for (size_t piece = 1; piece < 300; piece += piece < 8 ? 1 : 37) {
        exchange(&w, (const char *)b.p, b.n, piece);
        expect(&w, "\r\n\r\na/b c|1|a/b|hello world");
        assert_false(w.closed);
    }
    buf_deinit(&b);
    world_close(&w);
}

TEST(http_a_refusal_is_read_by_who_still_sends)
{
    /* The body that nobody wants is dropped; a connection that was closed at once would be reset,
     * and the answer lost with it. */
    static const char *const asks[] = {
        "POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n",
        ("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n"
         "Expect: 100-continue\r\n\r\n"),
        "no method\r\n\r\n"};
    static const char *const answers[] = {"HTTP/1.1 413 ", "HTTP/1.1 404 ", "HTTP/1.1 400 "};
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        struct world w;
        char more[1000] = {0};
        struct iovec iov = {more, sizeof(more)};
        size_t sent = 0;
        world_open(&w, "127.0.0.1:0");
        ask(&w, asks[i]);
        expect(&w, answers[i]);
        assert_true(w.closed);
        for (int n = 0; n < 200; n++) {
            const enum err e = env_sendv(w.sock, &iov, 1, &sent);
            assert_true(e == ERR_OK || e == ERR_AGAIN);
            turn(&w);
        }
        world_close(&w);
    }
}
