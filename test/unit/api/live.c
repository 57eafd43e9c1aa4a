/* What followers of events and of views are told when nothing comes, and when they are slow. */
#include "world.h"

#define SSE "text/event-stream"

/* Sends the request of a follower, and turns until it has what was there. */
static void follow(struct world *w, const char *path, const char *form)
{
    char text[256];
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n",
                   path, form);
    say(w, text);
    for (int i = 0; i < 1000 && !has(w, "caught_up"); i++) {
        turn(w);
    }
    if (!has(w, "caught_up")) {
        fail_msg("%s: %.*s", path, (int)w->in.n, (const char *)w->in.p);
    }
}

/* Proxies close what is silent: a comment comes 15 s after what was said last. */
static void check_heartbeat(struct world *w, const char *path)
{
    follow(w, path, SSE);
    for (int i = 0; i < 4 && !has(w, ": still here\n\n"); i++) {
        env_sim_advance_ns(w->env, 16000000000); /* perhaps something is told first */
        turns(w, 10);
    }
    assert_true(has(w, ": still here\n\n"));
    for (int i = 0; i < 2; i++) {
        buf_clear(&w->in);
        env_sim_advance_ns(w->env, 14000000000);
        turns(w, 10);
        assert_int_equal(w->in.n, 0);
        env_sim_advance_ns(w->env, 1100000000);
        turns(w, 10);
        assert_true(has(w, ": still here\n\n"));
    }
    env_sock_close(w->sock);
    w->sock = NULL;
    world_dial(w);
}

static void open_world(struct world *w, bool projections)
{
    *w = (struct world){.events = true, .projections = projections};
    world_init(w);
    for (int i = 0; i < 1000 && !(es_ready(w->es) && (!projections || proj_is_known(w->proj)));
         i++) {
        turn(w);
    }
    assert_int_equal(ask(w, "PUT", "/api/v1/categories/live", "", "{\"partitions\":1}"), 201);
}

TEST(api_a_silent_follower_hears_something_every_15_s)
{
    struct world w;
    open_world(&w, true);
    assert_int_equal(
        ask(&w, "PUT", "/api/v1/projections/rows", "",
            "{\"projection\":\"rows\",\"version\":1,\"source\":{\"category\":\"live\"},"
            "\"target\":\"sqlite:rows.db\",\"tables\":{\"rows\":{\"columns\":{\"id\":"
            "\"text\"},\"key\":\"id\"}},\"maps\":[{\"type\":\"A\",\"upsert\":{\"table\":"
            "\"rows\",\"key\":{\"id\":\"$key\"}}}]}"),
        201);
    for (int i = 0; i < 1000 && ask(&w, "GET", "/api/v1/views/rows", "", NULL) != 200; i++) {
        turns(&w, 10);
    }
    check_heartbeat(&w, "/api/v1/subscriptions/live");
    check_heartbeat(&w, "/api/v1/subscriptions/live?stream=live-1");
    check_heartbeat(&w, "/api/v1/views/rows/changes");
    world_deinit(&w);
}

/* One that reads nothing for a while is told that it is behind, then gets all, and is told again
 * that it has caught up. */
static void check_fell_behind(const char *form, const char *told, const char *again)
{
    enum { EVENTS = 40, BYTES = 200000 };
    struct world w;
    open_world(&w, false);
    follow(&w, "/api/v1/subscriptions/live", form);
    struct env_sock *slow = w.sock;
    world_dial(&w); /* nobody reads of `slow` now */
    char *body = test_malloc(BYTES + 100);
    const int n = snprintf(body, 100, "{\"events\":[{\"type\":\"E\",\"data\":\"");
    memset(body + n, 'x', BYTES);
    memcpy(body + n + BYTES, "\"}]}", 5);
    for (int i = 0; i < EVENTS; i++) {
        assert_int_equal(ask(&w, "POST", "/api/v1/streams/live-1/events", "", body), 201);
    }
    test_free(body);
    for (int i = 0; i < 5; i++) {
        env_sim_advance_ns(w.env, 1000000000);
        turns(&w, 10);
    }
    env_sock_close(w.sock);
    w.sock = slow;
    buf_clear(&w.in);
    for (int i = 0; i < 10000 && !has(&w, again); i++) {
        turn(&w);
    }
    assert_true(has(&w, told));
    assert_true(has(&w, again));
    size_t events = 0;
    const char *at = (const char *)w.in.p, *end = at + w.in.n;
    while ((at = memmem(at, (size_t)(end - at), "\"revision\":", 11)) != NULL) {
        events++;
        at++;
    }
    assert_int_equal(events, EVENTS);
    world_deinit(&w);
}

TEST(api_a_slow_follower_of_events_is_told_that_it_fell_behind)
{
    check_fell_behind(SSE, "\nevent: fell_behind\ndata: {\"head\":\"", "\nevent: caught_up\n");
    check_fell_behind("application/x-ndjson", "\n{\"fell_behind\":{\"head\":\"",
                      "\n{\"caught_up\":{");
}
