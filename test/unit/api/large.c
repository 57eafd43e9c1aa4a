/* Requests as large as they may be, and larger: what can never succeed does not say "try again". */
#include "core/limits.h"
#include "world.h"

#define PATH  "/api/v1/topics/t/records"
#define LINES "Content-Type: application/x-ndjson\r\n"

/* `each`, `count` times between `begin` and `end`. */
static const char *many(const char *begin, const char *each, const char *between, const char *end,
                        unsigned count)
{
    static char text[6u << 20];
    struct buf b = {.p = (uint8_t *)text, .cap = sizeof(text) - 1, .max = sizeof(text) - 1};
    buf_put_z(&b, begin);
    for (unsigned i = 0; i < count; i++) {
        buf_put_z(&b, i == 0 ? "" : between);
        buf_put_z(&b, each);
    }
    buf_put_z(&b, end);
    assert_false(buf_failed(&b));
    text[b.n] = '\0';
    return text;
}

static void open_large(struct world *w)
{
    *w = (struct world){.events = true};
    world_init(w);
    for (int i = 0; i < 1000 && !es_ready(w->es); i++) {
        turn(w);
    }
    assert_int_equal(ask(w, "PUT", "/api/v1/topics/t", "", "{\"partitions\":3}"), 201);
}

static int64_t ends_of(struct world *w)
{
    return end_of(w, "t", 0) + end_of(w, "t", 1) + end_of(w, "t", 2);
}

TEST(api_a_produce_holds_as_many_small_records_as_it_may)
{
    static const char trace[] =
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    struct world w;
    open_large(&w);
    assert_int_equal(
        ask(&w, "POST", PATH, "", many("{\"records\":[", "{\"value\":1}", ",", "]}", 100000)), 201);
    assert_int_equal(ends_of(&w), 100000);
    assert_int_equal(ask(&w, "POST", PATH, LINES, many("", "{\"value\":1}", "\n", "\n", 100000)),
                     201);
    assert_int_equal(ends_of(&w), 200000);
    /* Each with a header for the trace: as many as a batch of the topic holds. */
    assert_int_equal(
        ask(&w, "POST", PATH, trace, many("{\"records\":[", "{\"value\":1}", ",", "]}", 10000)),
        201);
    assert_int_equal(ends_of(&w), 210000);
    world_deinit(&w);
}

TEST(api_a_produce_of_too_many_records_is_a_batch_too_large)
{
    struct world w;
    open_large(&w);
    assert_int_equal(
        ask(&w, "POST", PATH, "", many("{\"records\":[", "{\"value\":1}", ",", "]}", 100001)), 413);
    assert_true(has(&w, "\"code\":\"batch-too-large\"") &&
                has(&w, "100001 records, but at most 100000"));
    assert_int_equal(ask(&w, "POST", PATH, LINES, many("", "{\"value\":1}", "\n", "", 100001)),
                     413);
    assert_true(has(&w, "\"code\":\"batch-too-large\"") && has(&w, "100000 records"));
    assert_int_equal(ends_of(&w), 0);
    world_deinit(&w);
}

/* What is wrong with a record may have more bytes than the record. */
TEST(api_each_of_many_bad_records_is_told_why)
{
    struct world w;
    open_large(&w);
    static const char *const list = "{\"records\":[{\"value\":1},";
    assert_int_equal(ask(&w, "POST", PATH, "", many(list, "1", ",", "]}", 99999)), 400);
    assert_true(has(&w, "records[1]: a record must be an object"));
    assert_int_equal(ends_of(&w), 0);
    assert_int_equal(ask(&w, "POST", PATH "?atomic=false", "", many(list, "1", ",", "]}", 99999)),
                     200);
    assert_true(has(&w, "\"errors\":99999"));
    assert_int_equal(
        ask(&w, "POST", PATH "?atomic=false", LINES, many("{\"value\":1}\n", "{", "\n", "", 99999)),
        200);
    assert_true(has(&w, "\"errors\":99999"));
    assert_int_equal(ends_of(&w), 2);
    world_deinit(&w);
}

/* It was a 503 that says when to try again, and would have failed for ever. */
TEST(api_what_needs_more_memory_than_a_request_may_have_is_too_large)
{
    struct world w;
    open_large(&w);
    static const char *const paths[] = {"/api/v1/streams/many-1/events", "/api/v1/append", PATH};
    static const char *const begins[] = {
        "{\"events\":[{\"type\":\"a\",\"data\":[",
        "{\"records\":[{\"stream\":\"many-1\",\"type\":\"a\",\"data\":[",
        "{\"records\":[{\"value\":["};
    char limit[64];
    (void)snprintf(limit, sizeof(limit), "more than %u bytes of memory", LIMIT_REQUEST_ARENA_MAX);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_int_equal(ask(&w, "POST", paths[i], "", many(begins[i], "1", ",", "]}]}", 2000000)),
                         413);
        assert_true(has(&w, "\"code\":\"too-large\"") && has(&w, "\"retryable\":false"));
        assert_true(has(&w, limit) && has(&w, "send less at once") && !has(&w, "Retry-After"));
    }
    assert_int_equal(ends_of(&w), 0);
    /* A body of one kind that is not read so far costs less. */
    assert_int_equal(ask(&w, "POST", PATH, "",
                         many("{\"records\":[{\"value\":[[[[", "1", ",", "]]]]}]}", 300000)),
                     201);
    world_deinit(&w);
}

/* {"events":[{"id":"e0",...},...]}: `count` of them. */
static const char *numbered(unsigned count)
{
    static char text[1u << 20];
    struct buf b = {.p = (uint8_t *)text, .cap = sizeof(text) - 1, .max = sizeof(text) - 1};
    buf_put_z(&b, "{\"events\":[");
    for (unsigned i = 0; i < count; i++) {
        buf_printf(&b, "%s{\"id\":\"e%u\",\"type\":\"a\"}", i == 0 ? "" : ",", i);
    }
    buf_put_z(&b, "]}");
    assert_false(buf_failed(&b));
    text[b.n] = '\0';
    return text;
}

/* All of them, so that a program sends the rest; and the code in any case. */
TEST(api_a_partial_duplicate_of_thousands_names_each)
{
    struct world w;
    open_large(&w);
    assert_int_equal(ask(&w, "POST", "/api/v1/streams/one-1/events", "", numbered(4000)), 201);
    assert_int_equal(ask(&w, "POST", "/api/v1/streams/one-1/events", "", numbered(5000)), 409);
    assert_true(has(&w, "\"code\":\"partial-duplicate\"") && has(&w, "\"detail\":\""));
    assert_true(has(&w, "{\"event\":0,\"revision\":0}") &&
                has(&w, "{\"event\":3999,\"revision\":3999}]"));
    world_deinit(&w);
}

#define ONE "/api/v1/streams/one-1"

/* One event whose data is a text of that many bytes. */
static int put_text(struct world *w, unsigned bytes)
{
    return ask(w, "POST", ONE "/events", "",
               many("{\"events\":[{\"type\":\"a\",\"data\":\"", "x", "", "\"}]}", bytes));
}

/* It was 413: a snapshot as large as it may be had no room in the log, nor beside the event behind
 * it. */
TEST(api_a_large_snapshot_is_shown)
{
    struct world w;
    open_large(&w);
    assert_int_equal(put_text(&w, 1), 201);
    assert_int_equal(ask(&w, "PUT", ONE "/snapshot", "",
                         many("{\"revision\":0,\"state\":\"", "s", "", "\"}", 1048574)),
                     204);
    assert_int_equal(put_text(&w, 1000000), 201);
    assert_int_equal(ask(&w, "GET", ONE "/snapshot", "", NULL), 200);
    assert_true(w.body.n > 1048576 && has(&w, "\"revision\":0,\"schema\":\"default\""));
    world_deinit(&w);
}

/* Events have nothing to say in it. */
TEST(api_a_snapshot_that_is_not_there_is_not_found_whatever_the_stream_has)
{
    struct world w;
    open_large(&w);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(put_text(&w, 1048000), 201);
    }
    assert_int_equal(ask(&w, "PATCH", ONE, "", "{\"max_age\":\"1ms\"}"), 200);
    env_sim_advance_ns(w.env, 1000000000u);
    assert_int_equal(ask(&w, "GET", ONE "/snapshot", "", NULL), 404);
    assert_true(has(&w, "\"code\":\"snapshot-not-found\""));
    world_deinit(&w);
}

/* A state may have 4 MiB, more than a request has memory of its own. */
TEST(api_a_large_state_is_answered)
{
    struct world w;
    open_large(&w);
    assert_int_equal(ask(&w, "PUT", "/api/v1/folds/f", "",
                         "{\"fold\":\"f\",\"category\":\"one\",\"snapshot_every\":0,"
                         "\"maps\":[{\"type\":\"*\",\"append\":{\"/all\":\"/data\"}}]}"),
                     201);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(put_text(&w, 1040000), 201);
    }
    assert_int_equal(ask(&w, "GET", ONE "/state", "", NULL), 200);
    assert_true(w.body.n > 4160000 && has(&w, "\"revision\":3") && has(&w, "xxx\"]}}"));
    assert_int_equal(put_text(&w, 1040000), 201);
    assert_int_equal(ask(&w, "GET", ONE "/state", "", NULL), 422);
    assert_true(has(&w, "\"code\":\"fold-failed\"") && has(&w, "more than 4194304 bytes"));
    world_deinit(&w);
}
