/* Pages in browsers: whose may read what is answered here, and what a browser asks before. */
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "world.h"

#define SHOP "Origin: https://shop.example\r\n"
#define EVIL "Origin: https://evil.example\r\n"

static void ask_as(struct world *w, const char *line, const char *headers)
{
    char text[1024];
    (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", line, headers);
    ask(w, text);
}

TEST(http_no_page_of_another_site_reads_what_nobody_allowed)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    ask_as(&w, "GET /hello", SHOP);
    expect(&w, "200 OK");
    expect_not(&w, "Access-Control");
    expect_not(&w, "Vary");
    ask_as(&w, "OPTIONS /hello", SHOP "Access-Control-Request-Method: GET\r\n");
    expect(&w, "204 No Content");
    expect_not(&w, "Access-Control");
    world_close(&w);
}

TEST(http_a_page_that_was_named_reads_every_answer)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    assert_int_equal(http_origins_set(w.http,
                                      STR_LIT(" http://localhost:5173, "
                                              "https://shop.example,"),
                                      NULL),
                     ERR_OK);
    static const char *const lines[] = {"GET /hello", "HEAD /hello", "GET /nothing",
                                        "PUT /hello", "GET /stream", "GET /problem"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        ask_as(&w, lines[i], SHOP);
        expect(&w, "\r\nAccess-Control-Allow-Origin: https://shop.example\r\n");
        expect(&w, "\r\nAccess-Control-Expose-Headers: *\r\n");
        expect(&w, "\r\nVary: Origin\r\n");
        expect_not(&w, "Allow-Credentials");
        if (w.stream != NULL) {
            http_stream_end(w.stream);
            w.stream = NULL;
            turns(&w, 5);
        }
    }
    /* Nobody else, also not by a part of the name or in other letters; and caches are told. */
    static const char *const others[] = {EVIL,
                                         "Origin: null\r\n",
                                         "Origin: *\r\n",
                                         "Origin: https://shop.example.evil.example\r\n",
                                         "Origin: https://shop.example:8443\r\n",
                                         "Origin: http://shop.example\r\n",
                                         ""};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        ask_as(&w, "GET /hello", others[i]);
        expect(&w, "\r\nVary: Origin\r\n");
        expect_not(&w, "Access-Control");
    }
    world_close(&w);
}

TEST(http_a_browser_that_asks_first_is_told_what_a_page_may_send)
{
    struct world w;
    world_open(&w, "127.0.0.1:0");
    assert_int_equal(http_origins_set(w.http, STR_LIT("https://shop.example"), NULL), ERR_OK);
    ask_as(&w, "OPTIONS /topics/t/records",
           SHOP "Access-Control-Request-Method: POST\r\n"
                "Access-Control-Request-Headers: content-type,idempotency-key\r\n");
    expect(&w, "HTTP/1.1 204 No Content\r\n");
    expect(&w, "\r\nAccess-Control-Allow-Origin: https://shop.example\r\n");
    expect(&w, "\r\nAccess-Control-Allow-Methods: POST, GET, HEAD, OPTIONS\r\n");
    expect(&w, "\r\nAccess-Control-Allow-Headers: content-type,idempotency-key\r\n");
    expect(&w, "\r\nAccess-Control-Max-Age: 600\r\n");
    ask_as(&w, "OPTIONS /hello", SHOP "Access-Control-Request-Method: GET\r\n");
    expect(&w, "\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n");
    expect_not(&w, "Access-Control-Allow-Headers");
    ask_as(&w, "OPTIONS /hello", EVIL "Access-Control-Request-Method: GET\r\n");
    expect_not(&w, "Access-Control");
    world_close(&w);
}

TEST(http_what_is_no_origin_is_refused_by_name)
{
    static const char *const wrong[] = {
        "*",    "null",           "shop.example",       "https://",
        "://a", "https://a/",     "https://a/b",        "https://Shop.example",
        "a b",  "https://a?b",    "https://a b",        "https://*.example",
        "://",  "https://u@host", "https://a,https://*"};
    struct world w;
    world_open(&w, "127.0.0.1:0");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct ectx ec = {0};
        if (http_origins_set(w.http, str_of(wrong[i]), &ec) != ERR_CONFIG) {
            fail_msg("'%s' was taken for an origin", wrong[i]);
        }
        assert_non_null(strstr(ec.text, strchr(wrong[i], '*') != NULL ? "*" : wrong[i]));
    }
    char many[HTTP_ORIGINS_MAX * 16 + 16] = "";
    for (unsigned i = 0; i <= HTTP_ORIGINS_MAX; i++) {
        (void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "http://a:%u,", i + 100);
    }
    assert_int_equal(http_origins_set(w.http, str_of(many), NULL), ERR_LIMIT);
    many[strlen(many) - strlen("http://a:100,")] = '\0';
    assert_int_equal(http_origins_set(w.http, str_of(many), NULL), ERR_OK);
    test_fail_alloc(1);
    assert_int_equal(http_origins_set(w.http, STR_LIT("http://a"), NULL), ERR_NO_MEMORY);
    test_fail_alloc_end();
    ask_as(&w, "GET /hello", "Origin: http://a:101\r\n"); /* those before hold */
    expect(&w, "Access-Control-Allow-Origin: http://a:101\r\n");
    world_close(&w);
}
