/* Reading events: where a page begins and ends, and where the next one does. */
#include "world.h"

#define STREAM "/api/v1/streams/page-1/events"

static void open_events(struct world *w)
{
    *w = (struct world){.events = true};
    world_init(w);
    for (int i = 0; i < 1000 && !es_ready(w->es); i++) {
        turn(w);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ask(w, "POST", STREAM, "", "{\"events\":[{\"type\":\"a\",\"data\":1}]}"),
                         201);
    }
}

/* The revisions of the page that the query gives: "4,3,". */
static const char *revisions(struct world *w, const char *query)
{
    static char out[64];
    char target[128];
    (void)snprintf(target, sizeof(target), "%s?%s", STREAM, query);
    assert_int_equal(ask(w, "GET", target, "", NULL), 200);
    static const char name[] = "\"revision\":";
    const size_t name_n = sizeof(name) - 1;
    size_t n = 0;
    for (size_t i = 0; i + name_n < w->body.n; i++) {
        if (memcmp(w->body.p + i, name, name_n) == 0) {
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%c,", w->body.p[i + name_n]);
        }
    }
    out[n] = '\0';
    return out;
}

TEST(api_a_moment_may_be_to_the_minute)
{
    struct world w;
    open_events(&w);
    assert_string_equal(revisions(&w, "at=2200-02-11T14:00Z"), "0,1,2,3,4,5,");
    assert_string_equal(revisions(&w, "at=1970-01-01T00:00%2B00:00"), "");
    static const struct {
        const char *at, *told, *not_told;
    } rows[] = {
        {"2026-02-11T14Z", "neither a revision nor an RFC 3339 time", "hint"},
        {"2026-11-29T08:17:00+01:00", "write it as %2B", "1677"},
        {"2026-11-29T08:17+01:00", "write it as %2B", "1677"},
        {"2300-01-01T00:00:00Z", "is not within the years 1677 to 2262", "neither"},
        {"1600-01-01T00:00Z", "is not within the years 1677 to 2262", "neither"},
        {"2300-01-01T00:00:00", "neither a revision nor an RFC 3339 time", "1677"},
        {"some+time", "neither a revision nor an RFC 3339 time", "hint"},
        {"then", "neither a revision nor an RFC 3339 time", "1677"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char target[128];
        (void)snprintf(target, sizeof(target), STREAM "?at=%s", rows[i].at);
        assert_int_equal(ask(&w, "GET", target, "", NULL), 400);
        if (!has(&w, rows[i].told) || has(&w, rows[i].not_told)) {
            fail_msg("%s: %.*s", rows[i].at, STR(w.body));
        }
    }
    world_deinit(&w);
}

TEST(api_backwards_a_page_ends_at_to)
{
    struct world w;
    open_events(&w);
    assert_string_equal(revisions(&w, "from=2&to=4"), "2,3,4,");
    assert_string_equal(revisions(&w, "from=4&to=2&dir=back"), "4,3,2,");
    assert_false(has(&w, "\"next\":"));
    assert_string_equal(revisions(&w, "to=3&dir=back"), "5,4,3,");
    assert_string_equal(revisions(&w, "from=end&to=1&dir=back&limit=2"), "5,4,");
    assert_true(has(&w, "\"next\":3"));
    assert_string_equal(revisions(&w, "from=3&to=1&dir=back&limit=2"), "3,2,");
    assert_string_equal(revisions(&w, "at=3&to=2&dir=back"), "3,2,");
    assert_string_equal(revisions(&w, "at=1&to=2&dir=back"), "");
    assert_string_equal(revisions(&w, "from=2&to=0&dir=back"), "2,1,0,");
    world_deinit(&w);
}

#define POLL   "/api/v1/subscriptions/live?wait=100ms&stream=page-"
#define FOLLOW "/api/v1/subscriptions/live?stream=page-"

/* The page's member `next`. */
static const char *next_of(const struct world *w)
{
    static char out[64];
    static const char name[] = "\"next\":\"";
    const char *at = memmem(w->body.p, w->body.n, name, sizeof(name) - 1);
    assert_non_null(at);
    at += sizeof(name) - 1;
    (void)snprintf(out, sizeof(out), "%.*s", (int)strcspn(at, "\""), at);
    return out;
}

static const char *poll(struct world *w, const char *stream, const char *from)
{
    char target[128];
    (void)snprintf(target, sizeof(target), POLL "%s&from=%s", stream, from);
    if (ask(w, "GET", target, "", NULL) != 200) {
        fail_msg("%s: %.*s", target, STR(w->body));
    }
    return next_of(w);
}

TEST(api_a_long_poll_of_a_stream_says_where_to_go_on)
{
    /* `next` was a position, which `from` of a stream refuses. */
    struct world w;
    open_events(&w);
    assert_string_equal(poll(&w, "1", "start&limit=2"), "r1");
    assert_string_equal(poll(&w, "1", "r1&limit=3"), "r4");
    assert_true(has(&w, "\"revision\":2") && !has(&w, "\"revision\":1,"));
    assert_string_equal(poll(&w, "1", "r4"), "r5");
    assert_string_equal(poll(&w, "1", "r5"), "r5"); /* nothing came */
    assert_true(has(&w, "{\"events\":[],"));
    assert_string_equal(poll(&w, "1", "end"), "r5");
    assert_true(has(&w, "{\"events\":[],"));
    assert_string_equal(poll(&w, "2", "start"), "start"); /* it is not there yet */
    assert_string_equal(poll(&w, "2", "end"), "start");
    assert_int_equal(
        ask(&w, "POST", "/api/v1/streams/page-2/events", "", "{\"events\":[{\"type\":\"a\"}]}"),
        201);
    assert_string_equal(poll(&w, "2", "start"), "r0");
    world_deinit(&w);
}

/* It said "caught up" at a place that the stream has not, and passed over what came below. */
TEST(api_a_revision_that_a_stream_has_not_had_is_refused)
{
    static const char *const targets[] = {POLL "1&from=6", POLL "1&from=r100", POLL "2&from=0",
                                          FOLLOW "1&from=99", FOLLOW "2&from=r0"};
    struct world w;
    open_events(&w);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        assert_int_equal(ask(&w, "GET", targets[i], "", NULL), 400);
        assert_true(has(&w, "position-unknown") && has(&w, "from: "));
    }
    assert_int_equal(ask(&w, "GET", FOLLOW "1", "Last-Event-ID: r6\r\n", NULL), 400);
    assert_int_equal(ask(&w, "DELETE", "/api/v1/streams/page-1", "", NULL), 204);
    assert_int_equal(ask(&w, "GET", POLL "1&from=6", "", NULL), 400);
    assert_string_equal(poll(&w, "1", "5"), "r5"); /* it may come back */
    assert_int_equal(ask(&w, "DELETE", "/api/v1/streams/page-1?hard=true", "", NULL), 204);
    assert_int_equal(ask(&w, "GET", POLL "1&from=5", "", NULL), 410);
    world_deinit(&w);
}

/* Who comes back with the last id misses nothing, also if no event was told in between. */
TEST(api_a_stream_that_is_followed_from_its_end_says_where_that_is)
{
    static const char *const SSE = "Accept: text/event-stream\r\n";
    struct world w;
    open_events(&w);
    assert_int_equal(ask(&w, "GET", FOLLOW "1&from=end", SSE, NULL), 200);
    assert_true(has(&w, "id: r5\nevent: caught_up\n"));
    w.closed = true;
    world_dial(&w);
    assert_int_equal(ask(&w, "GET", FOLLOW "1&from=r2", SSE, NULL), 200);
    assert_true(has(&w, "id: r5\nevent: caught_up\n"));
    w.closed = true;
    world_dial(&w);
    assert_int_equal(ask(&w, "GET", FOLLOW "2&from=end", SSE, NULL), 200);
    assert_true(has(&w, "id: start\nevent: caught_up\n"));
    world_deinit(&w);
}

/* What comes between two polls is in the second, or the first has failed: "end" is no place. */
TEST(api_a_long_poll_from_the_end_has_looked_it_up)
{
    static const char *const target = "/api/v1/subscriptions/live?wait=0ms&stream=page-1&from=end";
    size_t refused = 0;
    for (uint64_t n = 1, failed = 1; failed != 0; n++) {
        struct world w;
        open_events(&w);
        test_fail_alloc(n);
        const int status = ask(&w, "GET", target, "", NULL);
        failed = test_fail_alloc_end() != 0;
        if (status == 200) {
            assert_string_equal(next_of(&w), "r5");
        }
        refused += status != 200;
        world_deinit(&w);
        assert_in_range(n, 1, 500);
    }
    assert_true(refused > 0);
}

/* An empty tag was no condition: all events came back. */
TEST(api_an_empty_item_of_a_list_is_refused)
{
    static const char *const targets[] = {"/api/v1/events?tag=",        "/api/v1/events?tag=a:b,",
                                          "/api/v1/events?type=,a",     "/api/v1/events?tag",
                                          "/api/v1/events?tag=a&tag=&", "/api/v1/events?category="};
    struct world w;
    open_events(&w);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        if (ask(&w, "GET", targets[i], "", NULL) < 400) {
            fail_msg("%s: %.*s", targets[i], STR(w.body));
        }
    }
    assert_int_equal(ask(&w, "GET", "/api/v1/events?type=a,b", "", NULL), 200);
    assert_true(has(&w, "\"revision\":5,"));
    world_deinit(&w);
}

/* The properties of a schema of the document. */
static const struct json *properties(struct world *w, struct arena *a, const char *schema)
{
    struct json *v = NULL;
    assert_int_equal(ask(w, "GET", "/api/v1/openapi.json", "", NULL), 200);
    const struct str text = arena_str(a, w->body);
    assert_int_equal(json_parse(text, NULL, a, &v, NULL), ERR_OK);
    return json_get(json_get(json_get(json_get(v, "components"), "schemas"), schema), "properties");
}

TEST(api_the_document_has_every_member_of_an_event)
{
    struct world w;
    struct arena a;
    struct json *v = NULL;
    arena_init(&a, 64u << 20);
    open_events(&w);
    const struct json *known = properties(&w, &a, "Event");
    assert_int_equal(
        ask(&w, "POST", "/api/v1/streams/all-1/events", "",
            "{\"events\":[{\"id\":\"i\",\"type\":\"t\",\"version\":1,\"data\":1,\"meta\":{},"
            "\"tags\":"
            "[\"a:b\"],\"time\":\"2026-02-11T14:00:00Z\",\"source\":\"s\",\"subject\":\"s\","
            "\"correlation_id\":\"c\",\"causation_id\":\"d\",\"traceparent\":\"00-"
            "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\",\"tracestate\":\"a=b\","
            "\"tenant\":\"e\",\"content_type\":\"application/json\",\"data_schema\":\"f\","
            "\"extensions\":{\"g\":\"h\"}},{\"type\":\"t\",\"content_type\":\"text/"
            "plain\",\"data\":"
            "\"x\"}]}"),
        201);
    assert_int_equal(ask(&w, "GET", "/api/v1/streams/all-1/events", "", NULL), 200);
    assert_int_equal(json_parse(w.body, NULL, &a, &v, NULL), ERR_OK);
    size_t seen = 0;
    const struct json *event = json_get(v, "events")->first;
    for (; event != NULL; event = event->next) {
        for (const struct json *m = event->first; m != NULL; m = m->next, seen++) {
            char name[64];
            (void)snprintf(name, sizeof(name), "%.*s", STR(m->name));
            if (json_get(known, name) == NULL) {
                fail_msg("%s is not in the document", name);
            }
        }
    }
    assert_in_range(seen, 25, 100);
    assert_non_null(json_get(known, "upcast_error"));
    assert_non_null(json_get(known, "metadata_error"));
    assert_non_null(json_get(known, "redacted"));
    const struct json *count = json_get(properties(&w, &a, "StreamSettings"), "max_count");
    assert_true(str_eq_z(json_get(count, "minimum")->raw, "1")); /* 0 is refused */
    arena_deinit(&a);
    world_deinit(&w);
}

TEST(api_a_long_poll_of_all_says_where_to_go_on)
{
    /* From the end, with no time to wait, it was the beginning. */
    struct world w;
    char first[128];
    open_events(&w);
    assert_int_equal(ask(&w, "GET", "/api/v1/subscriptions/live?wait=0ms&from=end", "", NULL), 200);
    (void)snprintf(first, sizeof(first), "/api/v1/subscriptions/live?wait=100ms&from=%s",
                   next_of(&w));
    assert_int_equal(ask(&w, "GET", first, "", NULL), 200);
    assert_true(has(&w, "{\"events\":[],"));
    world_deinit(&w);
}

TEST(api_parameters_that_do_not_go_together_are_refused)
{
    static const struct {
        const char *target, *detail;
    } rows[] = {
        {POLL "1&category=order", "category: cannot be given together with stream"},
        {POLL "1&type=b", "type: cannot be given together with stream"},
        {POLL "1&tag=a:b", "tag: cannot be given together with stream"},
        {STREAM "?schema=S.v1", "schema: is of a snapshot"},
    };
    struct world w;
    open_events(&w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(ask(&w, "GET", rows[i].target, "", NULL), 400);
        assert_true(has(&w, rows[i].detail));
    }
    assert_int_equal(ask(&w, "GET", STREAM "?snapshot=auto&schema=S.v1", "", NULL), 200);
    world_deinit(&w);
}
