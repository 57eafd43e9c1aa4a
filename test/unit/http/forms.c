/* Forms that a request may have beside the usual one, and those that two readers read differently.
 */
#include <string.h>

#include "world.h"

TEST(http_options_tells_the_methods_of_a_path)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "OPTIONS /topics/t/records HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "HTTP/1.1 204 No Content\r\n");
    expect(&w, "\r\nAllow: POST, GET, HEAD, OPTIONS\r\n");
    ask(&w, "OPTIONS /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "404 ");
    ask(&w, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "204 No Content");
    expect(&w, "\r\nAllow: GET, ");
    ask(&w, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "hello");
    world_close(&w);
}

TEST(http_an_absolute_target_is_taken)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask(&w, "GET http://localhost:80/hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "hello");
    ask(&w, "POST HTTP://localhost/topics/a/records?q=5 HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Length: 0\r\n\r\n");
    expect(&w, "a|5|");
    ask(&w, "GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "there is nothing at /\"");
    /* Its host counts, not the field. */
    ask(&w, "GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(&w, "421 ");
    world_close(&w);
}

TEST(http_what_two_readers_read_differently_is_refused)
{
    static const char *const texts[] = {
        "GET /hello HTTP/1.1\r\nHost: localhost\r\nX-A: a\r\n b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: localhost\r\nX-A: a\r\n\tb\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : localhost\r\nHost: localhost\r\n\r\n",
        "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length : 5\r\n\r\n12345",
        "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n"
        "0\r\n\r\n",
        "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        "Content-Length: 6\r\n\r\n123456",
        "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\n12345",
        "GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t piece = 1; piece <= 1000; piece += 999) { /* byte by byte, and at once */
            struct world w;
            world_open(&w, "127.0.0.1:0");
            exchange(&w, texts[i], strlen(texts[i]), piece);
            if (strncmp(w.reply, "HTTP/1.1 400 ", 13) != 0 || !w.closed) {
                fail_msg("case %zu, in pieces of %zu: %.60s", i, piece, w.reply);
            }
            world_close(&w);
        }
    }
}

TEST(http_a_field_may_arrive_in_any_pieces)
{
    /* What is refused as folded must not depend on where a packet ends. */
    static const char text[] = "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Type:   application/json; charset=utf-8  \r\n"
                               "X-Empty:\r\nContent-Length: 0\r\n\r\n";
    for (size_t piece = 1; piece < 40; piece++) {
        struct world w;
        world_open(&w, "127.0.0.1:0");
        exchange(&w, text, sizeof(text) - 1, piece);
        expect(&w, "201 ");
        expect(&w, "|application/json; charset=utf-8");
        world_close(&w);
    }
}

TEST(http_another_protocol_or_method_is_named)
{
    static const struct {
        const char *sent, *status, *text;
    } cases[] = {
        {"BREW /pot HTTP/1.1\r\n", "501 Not Implemented", "there is no method BREW"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 ", "HTTP/2 is not spoken here: HTTP/1.1 is"},
        {"\x16\x03\x01\x02\x00\x01", "400 ", "not an HTTP request"},
        {"hello there\r\n", "400 ", "not an HTTP request"},
        {"AWORDTHATISLONGERTHANANYMETHODMAYBE", "400 ", "not an HTTP request"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t piece = 1; piece <= 1000; piece += 999) {
            struct world w;
            world_open(&w, "127.0.0.1:0");
            exchange(&w, cases[i].sent, i == 2 ? 6 : strlen(cases[i].sent), piece);
            expect(&w, cases[i].status);
            expect(&w, cases[i].text);
            assert_true(w.closed);
            world_close(&w);
        }
    }
}
