/* Appends of many small events: the arena of a request is as large as the append needs. */
#include <stdlib.h>

#include "core/limits.h"
#include "world.h"

#define PATH  "/api/v1/streams/many-1/events"
#define BATCH "Content-Type: application/cloudevents-batch+json\r\n"
#define LINES "Content-Type: application/x-ndjson\r\n"
#define EVENT "{\"type\":\"a\",\"data\":1}"

/* `each`, with the number for a %05u, `count` times between `begin` and `end`. */
static const char *many(const char *begin, const char *each, const char *between, const char *end,
                        unsigned count)
{
    static char text[2u << 20]; /* no memory of core/mem.h, which may be made to fail */
    char number[12];
    struct buf b = {.p = (uint8_t *)text, .cap = sizeof(text) - 1, .max = sizeof(text) - 1};
    const char *hole = strchr(each, '#');
    buf_put_z(&b, begin);
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(number, sizeof(number), "%05u", i);
        buf_put_z(&b, i == 0 ? "" : between);
        buf_put_str(&b, hole == NULL ? str_of(each) : str_make(each, (size_t)(hole - each)));
        buf_put_z(&b, hole == NULL ? "" : number);
        buf_put_z(&b, hole == NULL ? "" : hole + 1);
    }
    buf_put_z(&b, end);
    assert_false(buf_failed(&b));
    text[b.n] = '\0';
    return text;
}

static void open_events(struct world *w)
{
    *w = (struct world){.events = true};
    world_init(w);
    for (int i = 0; i < 1000 && !es_ready(w->es); i++) {
        turn(w);
    }
    assert_true(es_ready(w->es));
}

TEST(api_an_append_holds_as_many_small_events_as_it_may)
{
    struct world w;
    open_events(&w);
    assert_int_equal(ask(&w, "POST", PATH, "", many("{\"events\":[", EVENT, ",", "]}", 10000)),
                     201);
    assert_true(has(&w, "\"last_revision\":9999"));
    assert_int_equal(ask(&w, "POST", PATH, LINES, many("", EVENT, "\n", "\n", 10000)), 201);
    assert_true(has(&w, "\"last_revision\":19999"));
    assert_int_equal(
        ask(&w, "POST", PATH, BATCH,
            many("[", "{\"specversion\":\"1.0\",\"id\":\"#\",\"source\":\"/\",\"type\":\"a\"}", ",",
                 "]", 4000)),
        201);
    assert_true(has(&w, "\"last_revision\":23999"));
    assert_int_equal(
        ask(&w, "POST", "/api/v1/append", "",
            many("{\"records\":[", "{\"stream\":\"many-#\",\"type\":\"a\"}", ",", "]}", 4000)),
        201);
    assert_true(has(&w, "{\"stream\":\"many-03999\",\"first_revision\":0,\"last_revision\":0}"));
    assert_int_equal(ask(&w, "POST", PATH, "", many("{\"events\":[", EVENT, ",", "]}", 10001)),
                     413);
    assert_true(has(&w, "10001 events, but at most 10000") && has(&w, "\"batch-too-large\""));
    assert_int_equal(ask(&w, "POST", PATH, LINES, many("", EVENT, "\n", "\n\r\n", 10001)), 413);
    assert_true(has(&w, "10001 events, but at most 10000") && has(&w, "\"batch-too-large\""));
    world_deinit(&w);
}

/* The shortest of JSON costs the most for each byte. */
TEST(api_an_append_may_be_dense)
{
    struct world w;
    open_events(&w);
    const char *digits = many("{\"events\":[{\"type\":\"a\",\"data\":[", "1", ",", "]}]}", 60000);
    assert_int_equal(ask(&w, "POST", PATH, "", digits), 201);
    digits = many("{\"records\":[{\"stream\":\"many-1\",\"type\":\"a\",\"data\":[", "1", ",",
                  "]}]}", 60000);
    assert_int_equal(ask(&w, "POST", "/api/v1/append", "", digits), 201);
    assert_int_equal(ask(&w, "POST", PATH, "",
                         many("{\"events\":[",
                              "{\"type\":\"a\",\"tags\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\","
                              "\"h\"]}",
                              ",", "]}", 3000)),
                     201);
    assert_true(has(&w, "\"last_revision\":3001"));
    world_deinit(&w);
}

/* What is counted has one code, whoever counts it. */
TEST(api_more_of_a_kind_than_an_append_takes_is_too_large)
{
    struct world w;
    open_events(&w);
    static const char *const kinds[][4] = {
        {"{\"records\":[],\"checks\":[", "{\"stream\":\"many-1\",\"expected\":\"any\"}", "]}",
         "256"},
        {"{\"checks\":[{\"query\":{\"items\":[", "{\"types\":[\"a\"]}", "]}}]}", "32"},
        {"{\"checks\":[{\"query\":{\"items\":[{\"tags\":[", "\"a\"", "]}]}}]}", "64"},
        {"{\"records\":[{\"stream\":\"many-1\",\"type\":\"a\",\"tags\":[", "\"a\"", "]}]}", "64"},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const unsigned most = (unsigned)atoi(kinds[i][3]);
        assert_int_equal(ask(&w, "POST", "/api/v1/append", "",
                             many(kinds[i][0], kinds[i][1], ",", kinds[i][2], most)),
                         201);
        assert_int_equal(ask(&w, "POST", "/api/v1/append", "",
                             many(kinds[i][0], kinds[i][1], ",", kinds[i][2], most + 1)),
                         413);
        assert_true(has(&w, "\"code\":\"too-large\"") && has(&w, kinds[i][3]));
    }
    /* Of all queries together: the event store counts them. */
    char item[1024];
    struct buf b = {.p = (uint8_t *)item, .cap = sizeof(item) - 1, .max = sizeof(item) - 1};
    buf_put_z(&b, "{\"query\":{\"items\":[{\"types\":[\"a\"");
    for (int i = 0; i < 63; i++) {
        buf_put_z(&b, ",\"a\"");
    }
    buf_put_z(&b, "]}]}}");
    item[b.n] = '\0';
    assert_int_equal(
        ask(&w, "POST", "/api/v1/append", "", many("{\"checks\":[", item, ",", "]}", 33)), 413);
    assert_true(has(&w, "\"code\":\"too-large\"") && has(&w, "2048"));
    world_deinit(&w);
}

/* A program decides by members, not by words. */
TEST(api_problems_of_streams_say_what_is_there)
{
    struct world w;
    open_events(&w);
    static const char *const path = "/api/v1/streams/many-1";
    static const char members[] = "\"stream\":\"many-1\",\"expected\":5,\"actual\":1";
    assert_int_equal(ask(&w, "POST", PATH, "", "{\"events\":[" EVENT "," EVENT "]}"), 201);
    static const char *const methods[] = {"POST", "PATCH", "DELETE"};
    static const char *const bodies[] = {"{\"events\":[" EVENT "]}", "{\"max_age\":\"48h\"}", NULL};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        const char *target = i == 0 ? PATH : path;
        assert_int_equal(ask(&w, methods[i], target, "If-Match: \"r5\"\r\n", bodies[i]), 412);
        assert_true(has(&w, members) && has(&w, "\r\nETag: \"r1\"\r\n"));
        char query[64];
        (void)snprintf(query, sizeof(query), "%s?expected=5", target);
        assert_int_equal(ask(&w, methods[i], query, "", bodies[i]), 409);
        assert_true(has(&w, members));
    }
    assert_int_equal(ask(&w, "PATCH", path, "", bodies[1]), 200);
    assert_true(has(&w, "\"max_age\":\"2d\""));
    assert_int_equal(ask(&w, "PATCH", path, "", "{\"max_age\":\"90m\"}"), 200);
    assert_true(has(&w, "\"max_age\":\"90m\""));
    assert_int_equal(ask(&w, "PATCH", path, "", "{\"max_age\":\"1500ms\"}"), 200);
    assert_true(has(&w, "\"max_age\":\"1500ms\""));
    assert_int_equal(ask(&w, "DELETE", path, "If-Match: \"r1\"\r\n", NULL), 204);
    assert_int_equal(
        ask(&w, "DELETE", "/api/v1/streams/many-1?hard=true", "If-Match: \"r1\"\r\n", NULL), 412);
    assert_true(has(&w, "\"expected\":1,\"actual\":\"no_stream\"") && !has(&w, "ETag:"));
    const char *large =
        many("{\"events\":[" EVENT ",{\"type\":\"a\",\"data\":\"", "x", "", "\"}]}", 1048576);
    assert_int_equal(ask(&w, "POST", PATH, "", large), 413);
    assert_true(has(&w, "\"event-too-large\"") &&
                has(&w, "\"event\":1,\"size\":1048585,\"max\":1048576"));
    large = many("{\"events\":[{\"type\":\"a\",\"data\":\"", "x", "", "\"}", 1000000);
    struct buf b;
    buf_init(&b, 8u << 20);
    for (int i = 0; i < 5; i++) {
        buf_put_z(&b, i == 0 ? large : strchr(large, '[') + 1);
        buf_put_z(&b, i < 4 ? "," : "]}");
    }
    buf_put_u8(&b, 0);
    assert_false(buf_failed(&b));
    assert_int_equal(ask(&w, "POST", PATH, "", (const char *)b.p), 413);
    assert_true(has(&w, "\"batch-too-large\"") && has(&w, "\"size\":5000045,\"max\":") &&
                !has(&w, "\"event\":"));
    buf_deinit(&b);
    world_deinit(&w);
}

/* It was always the first. */
TEST(api_the_event_whose_category_is_missing_is_named)
{
    struct world w = {.events = true, .categories = 1};
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    assert_int_equal(ask(&w, "POST", PATH, "", "{\"events\":[" EVENT "]}"), 201);
    assert_int_equal(ask(&w, "POST", "/api/v1/append", "",
                         "{\"records\":[{\"stream\":\"many-1\",\"type\":\"a\"},"
                         "{\"stream\":\"many-2\",\"type\":\"a\"},"
                         "{\"stream\":\"few-1\",\"type\":\"a\"}]}"),
                     404);
    assert_true(has(&w, "category-not-found") && has(&w, "\"event\":2"));
    world_deinit(&w);
}

TEST(api_an_arena_is_widened_up_to_its_limit)
{
    struct arena a;
    arena_init(&a, 1000);
    struct api_call c = {.arena = &a};
    api_arena_widen(&c, 24);
    assert_int_equal(a.budget, 1024);
    api_arena_widen(&c, LIMIT_REQUEST_ARENA_MAX - 1025);
    assert_int_equal(a.budget, LIMIT_REQUEST_ARENA_MAX - 1);
    api_arena_widen(&c, UINT64_MAX);
    assert_int_equal(a.budget, LIMIT_REQUEST_ARENA_MAX);
    api_arena_widen(&c, 1);
    assert_int_equal(a.budget, LIMIT_REQUEST_ARENA_MAX);
    arena_deinit(&a);
}

/* All or nothing, and the next one is served. */
TEST(api_a_large_append_without_memory_is_unavailable)
{
    struct world w;
    open_events(&w);
    const char *body = many("{\"events\":[", EVENT, ",", "]}", 2000);
    assert_int_equal(ask(&w, "POST", PATH, "", "{\"events\":[" EVENT "]}"), 201);
    unsigned refused = 0;
    uint64_t appended = 1;
    char last[32];
    for (uint64_t n = 1; n < 1000; n++) {
        test_fail_alloc(n);
        const int status = ask(&w, "POST", PATH, "", body);
        const bool failed = test_fail_alloc_end() != 0;
        const bool closed = w.closed;
        refused += status == 503;
        if (!closed && status == 503) {
            assert_true(has(&w, "\"code\":\"unavailable\"") || has(&w, "\"code\":\"no-memory\""));
            assert_true(has(&w, "\"retryable\":true"));
        } else if (!closed) {
            assert_int_equal(status, 201);
            appended += 2000;
            (void)snprintf(last, sizeof(last), "\"last_revision\":%llu",
                           (unsigned long long)appended - 1);
            assert_true(has(&w, last));
        }
        if (!failed) {
            break;
        }
        w.closed = true;
        world_dial(&w);
        /* Without an answer it may have been done, or not; not a part of it. */
        assert_int_equal(ask(&w, "GET", "/api/v1/streams/many-1", "", ""), 200);
        (void)snprintf(last, sizeof(last), "\"last_revision\":%llu",
                       (unsigned long long)appended + 1999);
        appended += closed && has(&w, last) ? 2000 : 0;
        (void)snprintf(last, sizeof(last), "\"last_revision\":%llu",
                       (unsigned long long)appended - 1);
        assert_true(has(&w, last));
    }
    assert_in_range(refused, 10, 1000);
    assert_int_equal(ask(&w, "POST", PATH, "", body), 201);
    world_deinit(&w);
}
