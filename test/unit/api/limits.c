/* Limits of projections and views (docs/projections.md#limits): who comes when they are reached is
 * refused by its code, and nobody else is; when one has gone the next one is taken. */
#include "proj/feed.h"
#include "world.h"

#define VIEW "/api/v1/views/limited"

static int declare(struct world *w, const char *name)
{
    char path[64], body[512];
    (void)snprintf(path, sizeof(path), "/api/v1/projections/%s", name);
    (void)snprintf(body, sizeof(body),
                   "{\"projection\":\"%s\",\"source\":{\"category\":\"limited\"},"
                   "\"target\":\"sqlite:limits.db\",\"tables\":{\"%s\":{\"columns\":{"
                   "\"id\":\"text\"},\"key\":\"id\"}},\"maps\":[{\"type\":\"A\",\"upsert\":{"
                   "\"table\":\"%s\",\"key\":{\"id\":\"$key\"}}}]}",
                   name, name, name);
    return ask(w, "PUT", path, "", body);
}

static void open_limited(struct world *w)
{
    *w = (struct world){.events = true, .projections = true};
    world_init(w);
    for (int i = 0; i < 1000 && !(es_ready(w->es) && proj_is_known(w->proj)); i++) {
        turn(w);
    }
    assert_int_equal(ask(w, "PUT", "/api/v1/categories/limited", "", "{\"partitions\":1}"), 201);
    assert_int_equal(declare(w, "limited"), 201);
    for (int i = 0; i < 1000 && ask(w, "GET", VIEW, "", NULL) != 200; i++) {
        turns(w, 10);
    }
    assert_int_equal(w->status, 200);
}

static void refused(struct world *w, const char *target, const char *headers, const char *code,
                    const char *why)
{
    if (ask(w, "GET", target, headers, NULL) != 503 || !has(w, code) || !has(w, why) ||
        !has(w, "\r\nRetry-After: ")) {
        fail_msg("%s: %s", target, (const char *)w->in.p);
    }
}

/* `count` has at most `most`: one more watch is refused, the last one that may be is not. */
static void watch_at_most(struct world *w, size_t *count, size_t most, const char *why)
{
    static const char *const sse = "Accept: text/event-stream\r\n";
    static const char *const poll = VIEW "/changes?wait=1ms";
    *count += most;
    refused(w, VIEW "/changes", sse, "\"too-many-open\"", why);
    refused(w, poll, "", "\"too-many-open\"", why);
    *count -= 1;
    assert_int_equal(ask(w, "GET", poll, "", NULL), 200);
    *count -= most - 1;
}

TEST(api_projections_and_views_have_limits)
{
    struct world w;
    open_limited(&w);
    struct proj *p = w.proj;
    p->query_count += PROJ_QUERIES_MAX;
    refused(&w, VIEW, "", "\"unavailable\"", "64 queries are under way");
    refused(&w, "/api/v1/projections/limited/parked", "", "\"unavailable\"",
            "64 queries are under way");
    p->query_count--;
    assert_int_equal(ask(&w, "GET", VIEW, "", NULL), 200);
    p->query_count -= PROJ_QUERIES_MAX - 1;

    static const char *const at = "at_least=p:000000000000000000000000";
    char wait[128], read[128];
    (void)snprintf(wait, sizeof(wait), "/api/v1/projections/limited/wait?%s", at);
    (void)snprintf(read, sizeof(read), VIEW "?%s", at);
    p->wait_count += PROJ_WAITS_MAX;
    refused(&w, wait, "", "\"unavailable\"", "10000 calls wait already");
    refused(&w, read, "", "\"unavailable\"", "10000 calls wait already");
    assert_int_equal(ask(&w, "GET", VIEW, "", NULL), 200); /* it waits for nothing */
    p->wait_count--;
    assert_int_equal(ask(&w, "GET", wait, "", NULL), 200);
    assert_int_equal(ask(&w, "GET", read, "", NULL), 200);
    p->wait_count -= PROJ_WAITS_MAX - 1;

    watch_at_most(&w, &p->feed_count, FEEDS_MAX, "64 projections are watched"); /* by others */
    assert_int_equal(p->watch_count, 0);
    watch_at_most(&w, &p->watch_count, PROJ_WATCHES_MAX, "1000 watch already");
    assert_int_equal(p->watch_count, 0);

    const size_t others = PROJ_MAX - p->count;
    p->count += others;
    assert_int_equal(declare(&w, "another"), 413);
    assert_true(has(&w, "\"too-large\"") && has(&w, "there are 256 projections"));
    assert_int_equal(declare(&w, "limited"), 200); /* it is there */
    p->count--;
    assert_int_equal(declare(&w, "another"), 201);
    p->count -= others - 1;
    world_deinit(&w);
}
