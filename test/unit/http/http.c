/* HTTP over the simulated network: what a client, a proxy and an attacker send, and what they get.
 */
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/env_sim.h"
#include "test.h"

struct world {
    struct env *env;
    struct env_poll *poll;
    struct metrics *metrics;
    struct net *net;
    struct http *http;
    struct env_addr addr;
    struct env_sock *sock;
    char reply[65536];
    size_t got;
    bool closed;
};

static void get_hello(void *ctx, struct http_request *r)
{
    (void)ctx;
    http_reply(r, 200, "text/plain", STR_LIT("hello"));
}

static void post_echo(void *ctx, struct http_request *r)
{
    char text[4096];
    (void)ctx;
    struct str q = http_query_get(r, "q");
    struct str type = http_header_get(r, "content-TYPE");
    int n = snprintf(text, sizeof(text), "%.*s|%.*s|%.*s|%.*s", STR(r->params[0]), STR(q),
                     STR(type), (int)(r->body.n > 1000 ? 1000 : r->body.n), r->body.p);
    http_reply(r, 201, "text/plain", str_make(text, (size_t)n));
}

static const struct http_route ROUTES[] = {
    {"GET", "/hello", get_hello, "Says hello."},
    {"POST", "/topics/{topic}/records", post_echo, "Says what it got."},
};

static void world_open(struct world *w, const char *listen)
{
    struct net_config cfg = {.max_connections = 10,
                             .request_memory_bytes = 64u * 1024 * 1024,
                             .send_queue_bytes = 1024 * 1024,
                             .idle_ms = 60000,
                             .stall_ms = 5000};
    struct env_sim_config sim = {.seed = 11};
    *w = (struct world){0};
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    w->metrics = metrics_create();
    assert_int_equal(net_create(w->env, w->poll, &cfg, w->metrics, &w->net, NULL), ERR_OK);
    assert_int_equal(http_create(w->env, w->net, w->metrics, 100000, &w->http), ERR_OK);
    assert_int_equal(http_routes_add(w->http, ROUTES, 2, NULL), ERR_OK);
    assert_int_equal(env_addr_parse(str_of(listen), &w->addr, NULL), ERR_OK);
    assert_int_equal(http_listen(w->http, &w->addr, &w->addr, NULL), ERR_OK);
    assert_int_equal(env_connect(w->env, &w->addr, &w->sock, NULL), ERR_OK);
}

static void world_close(struct world *w)
{
    env_sock_close(w->sock);
    net_destroy(w->net);
    http_destroy(w->http);
    metrics_destroy(w->metrics);
    env_poll_destroy(w->poll);
    env_destroy(w->env);
}

static void turn(struct world *w)
{
    size_t got = 0;
    env_poll_run(w->poll, 1000000);
    net_timers_run(w->net, env_mono_ns(w->env));
    net_flush(w->net);
    enum err e = env_recv(w->sock, w->reply + w->got, sizeof(w->reply) - 1 - w->got, &got);
    if (e == ERR_OK && got == 0) {
        w->closed = true;
    }
    w->got += e == ERR_OK ? got : 0;
    w->reply[w->got] = '\0';
}

static void exchange(struct world *w, const char *p, size_t n)
{
    w->got = 0;
    for (int patience = 0; patience < 3000; patience++) {
        struct iovec iov = {(void *)(uintptr_t)p, n};
        size_t sent = 0;
        if (n > 0 && env_sendv(w->sock, &iov, 1, &sent) == ERR_OK) {
            p += sent;
            n -= sent;
        }
        turn(w);
    }
}

static void ask(struct world *w, const char *text)
{
    exchange(w, text, strlen(text));
}

static void expect(struct world *w, const char *part)
{
    if (strstr(w->reply, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, w->reply);
    }
}

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
    exchange(&w, big, 200000);
    expect(&w, "431 ");
    assert_true(w.closed);
    assert_null(strstr(w.reply, "200 OK"));
    world_close(&w);

    world_open(&w, "127.0.0.1:0");
    int n = snprintf(
        big, 200,
        "POST /topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 250000\r\n\r\n");
    big[n] = 'a';
    exchange(&w, big, 260000);
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
    exchange(&w, (const char *)b.p, b.n);
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
    exchange(&w, (const char *)b.p, b.n);
    expect(&w, "431 ");
    buf_deinit(&b);
    world_close(&w);
}
