/* HTTP over the simulated network: what a client, a proxy and an attacker send, and what they get.
 */
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_int.h"
#include "world.h"

TEST(http_routes_match_and_answer)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "HTTP/1.1 200 OK\r\n");
    expect(&w, "Content-Length: 5\r\n");
    expect(&w, "\r\n\r\nhello");
    ask(&w, "POST /topics/a%20b/records?q=x+%26y HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
            "a/b\r\nContent-Length: 4\r\n\r\nbody");
    expect(&w, "HTTP/1.1 201 ");
    expect(&w, "\r\n\r\na b|x &y|a/b|body");
    assert_false(w.closed);
    world_close(&w);
}

TEST(http_two_requests_in_one_packet_are_answered_in_order)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nHost: "
            "localhost\r\n\r\n");
    const char *first = strstr(w.reply, "200 OK");
    const char *second = strstr(w.reply, "404 Not Found");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    world_close(&w);
}

TEST(http_a_chunked_body_is_put_together)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w,
        "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "t|||abcdefg");
    expect(&w, "hello");
    world_close(&w);
}

TEST(http_a_body_ends_where_its_length_says)
{
    /* Whatever the bytes around the end are. */
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabc\r"
            "\nGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "t|||abc\r");
    assert_null(strstr(w.reply, "abc\r\n"));
    expect(&w, "hello");
    world_close(&w);
}

TEST(http_head_has_no_body)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "Content-Length: 5\r\n");
    assert_null(strstr(w.reply, "hello"));
    world_close(&w);
}

TEST(http_errors_are_problem_json)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "404 Not Found");
    expect(&w, "application/problem+json");
    expect(&w, "there is nothing at /nothing");
    ask(&w, "DELETE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "405 ");
    world_close(&w);
}

TEST(http_a_foreign_host_is_refused_on_loopback)
{
    /* DNS rebinding: a page in the user's browser must not read a loopback server. */
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    expect(&w, "421 ");
    assert_null(strstr(w.reply, "hello"));
    world_close(&w);
    world_open(&w, "127.0.0.1:0");
    ask(&w, "GET /hello HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n");
    expect(&w, "421 ");
    world_close(&w);
}

TEST(http_loopback_answers_for_every_address_of_loopback)
{
    static const char *const good[] = {"localhost",      "LocalHost:80",  "127.0.0.1",
                                       "127.0.0.2:8080", "127.255.0.9:1", "[::1]",
                                       "[::1]:8080",     "[0:0::1]:1",    "[::ffff:127.0.0.1]"};
    static const char *const bad[] = {
        "::1",         "::1:8080",   "[::1",           "[::1]evil.example",
        "128.0.0.1",   "[::2]:80",   "127.0.0.1.evil", "[127.0.0.1]",
        "[localhost]", "localhost.", "127.1",          ":80",
        "1270000001",  "[]:80"};
    struct world w;
    char text[256];
    for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
        const bool answers = i < ARRAY_LEN(good);
        const char *host = answers ? good[i] : bad[i - ARRAY_LEN(good)];
        snprintf(text, sizeof(text), "GET /hello HTTP/1.1\r\nHost: %s\r\n\r\n", host);
        world_open(&w, "127.0.0.1:0");
        ask(&w, text);
        if ((strstr(w.reply, "200 OK") != NULL) != answers ||
            (strstr(w.reply, " 421 ") == NULL) != answers) {
            fail_msg("%s: %.60s", host, w.reply);
        }
        world_close(&w);
    }
}

TEST(http_connection_close_is_obeyed)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    expect(&w, "hello");
    expect(&w, "Connection: close");
    assert_true(w.closed);
    world_close(&w);
}

TEST(http_garbage_and_excess_close_the_connection)
{
    /* Each within its limit, nothing is answered that could be mistaken for success. */
    struct world w;
    char *big = malloc(300000);
    memset(big, 'a', 300000);

    world_open(&w, "127.0.0.1:0");
    ask(&w, "this is not http\r\n\r\n");
    expect(&w, "400 Bad Request");
    assert_true(w.closed);
    world_close(&w);

    world_open(&w, "127.0.0.1:0");
    memcpy(big, "GET /", 5);
    exchange(&w, big, 200000, SIZE_MAX);
    expect(&w, "431 ");
    assert_true(w.closed);
    assert_null(strstr(w.reply, "200 OK"));
    world_close(&w);

    world_open(&w, "127.0.0.1:0");
    int n = snprintf(
        big, 200,
        "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 250000\r\n\r\n");
    big[n] = 'a';
    exchange(&w, big, 260000, SIZE_MAX);
    expect(&w, "413 ");
    assert_null(strstr(w.reply, "201"));
    world_close(&w);
    free(big);
}

TEST(http_the_framing_of_chunks_is_bounded)
{
    /* A small body can come in any number of bytes: extensions count too. */
    struct world w;
    struct buf b;
    world_open(&w, "127.0.0.1:0");
    buf_init(&b, 4000000);
    buf_put_z(&b, "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n");
    for (int i = 0; i < 100; i++) {
        buf_put_z(&b, "1;");
        for (int j = 0; j < 1000; j++) {
            buf_put_z(&b, "extension=");
        }
        buf_put_z(&b, "\r\nx\r\n");
    }
    exchange(&w, (const char *)b.p, b.n, SIZE_MAX);
    expect(&w, "413 ");
    assert_true(w.closed);
    buf_deinit(&b);
    world_close(&w);
}

TEST(http_too_many_fields_are_refused)
{
    struct world w;
    struct buf b;
    world_open(&w, "127.0.0.1:0");
    buf_init(&b, 100000);
    buf_put_z(&b, "GET /hello HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 150; i++) {
        buf_printf(&b, "X-%d: y\r\n", i);
    }
    buf_put_z(&b, "\r\n");
    exchange(&w, (const char *)b.p, b.n, SIZE_MAX);
    expect(&w, "431 ");
    buf_deinit(&b);
    world_close(&w);
}

TEST(http_a_slash_in_a_parameter_does_not_divide_it)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "POST /topics/order%2F42%2fx/records HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Length: 0\r\n\r\n");
    expect(&w, "\r\n\r\norder/42/x|||");
    ask(&w, "GET /%68ello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "hello");
    ask(&w, "POST /topics//records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    expect(&w, "404 ");
    world_close(&w);
}

TEST(http_another_method_is_told_which_there_are)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "DELETE /topics/t/records HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "405 Method Not Allowed");
    expect(&w, "\r\nAllow: POST, GET, HEAD, OPTIONS\r\n");
    expect(&w, "\"type\":\"/problems/method-not-allowed\"");
    world_close(&w);
}

TEST(http_more_fields_and_a_body_that_is_taken)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    w.extra[0] = (struct http_header){STR_LIT("ETag"), STR_LIT("\"r5\"")};
    w.extra[1] = (struct http_header){STR_LIT("Cache-Control"), STR_LIT("max-age=5")};
    w.extra_count = 2;
    ask(&w, "GET /with HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "\r\nETag: \"r5\"\r\n");
    expect(&w, "\r\nCache-Control: max-age=5\r\n");
    expect_not(&w, "no-store");
    expect(&w, "Content-Length: 30000\r\n");
    expect(&w, "\r\nDate: ");
    assert_int_equal(strlen(strstr(w.reply, "\r\n\r\n") + 4), 30000);
    ask(&w, "HEAD /with HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "Content-Length: 30000\r\n");
    assert_int_equal(strlen(strstr(w.reply, "\r\n\r\n") + 4), 0);
    /* What a peer has said must not become a header of its own. */
    w.extra[0].value = STR_LIT("x\r\nSet-Cookie: a=b");
    ask(&w, "GET /with HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "500 ");
    expect_not(&w, "Set-Cookie");
    world_close(&w);
}

TEST(http_no_content_has_no_length)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "DELETE /empty HTTP/1.1\r\nHost: localhost\r\n\r\n"
            "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(strncmp(w.reply, "HTTP/1.1 204 No Content\r\n", 25), 0);
    assert_null(memmem(w.reply, (size_t)(strstr(w.reply, "\r\n\r\n") - w.reply), "\nContent-", 9));
    expect(&w, "hello");
    world_close(&w);
}

TEST(http_a_problem_has_a_code_and_says_when_to_try_again)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "GET /problem HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "HTTP/1.1 409 Conflict\r\n");
    expect(&w, "\r\nRetry-After: 2\r\n");
    expect(&w, "{\"type\":\"/problems/revision-conflict\",\"title\":\"Stream is at another "
               "revision\",\"status\":409,\"code\":\"revision-conflict\",\"retryable\":true,"
               "\"retry_after_ms\":1200,\"detail\":\"a \\\"detail\\\"\",\"expected\":5,"
               "\"actual\":8}\n");
    world_close(&w);
}

/* It keeps its code and detail, however much it has to say beside them. */
TEST(http_a_problem_with_long_members_has_its_code)
{
    static char members[3u << 20];
    struct world w;
    world_open(&w, "127.0.0.1:0");
    memset(members, 'x', sizeof(members));
    memcpy(members, "\"a\":\"", 5);
    members[100u << 10] = '"';
    w.members = str_make(members, (100u << 10) + 1);
    ask(&w, "GET /problem HTTP/1.1\r\nHost: localhost\r\n\r\n");
    turns(&w, 200);
    expect(&w, "\"code\":\"revision-conflict\"");
    expect(&w, "xxx\"}\n");
    members[100u << 10] = 'x';
    members[sizeof(members) - 1] = '"';
    w.members = str_make(members, sizeof(members));
    ask(&w, "GET /problem HTTP/1.1\r\nHost: localhost\r\n\r\n");
    turns(&w, 200);
    expect(&w, "HTTP/1.1 409 Conflict\r\n");
    expect(&w, "\"code\":\"revision-conflict\"");
    expect(&w, "\"detail\":\"a \\\"detail\\\"\"}\n");
    world_close(&w);
}

TEST(http_an_old_peer_may_keep_its_connection)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(&w, "Connection: keep-alive\r\n");
    assert_false(w.closed);
    ask(&w, "GET /hello HTTP/1.0\r\n\r\n");
    expect(&w, "hello");
    assert_true(w.closed);
    world_close(&w);
}

TEST(http_dates_are_those_of_the_calendar)
{
    static const struct {
        int64_t s;
        const char *text;
    } dates[] = {{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
                 {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110's */
                 {951827696, "Tue, 29 Feb 2000 12:34:56 GMT"},
                 {1709251199, "Thu, 29 Feb 2024 23:59:59 GMT"},
                 {1709251200, "Fri, 01 Mar 2024 00:00:00 GMT"},
                 {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"}}; /* no leap year */
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        char text[HTTP_DATE_SIZE];
        http_date_format(dates[i].s, text);
        assert_string_equal(text, dates[i].text);
    }
}
