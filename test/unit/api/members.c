/* A member that a body does not have is refused by its name: a guard that is misspelt guards
 * nothing. */
#include "world.h"

#define EVENT  "{\"id\":\"1\",\"type\":\"a\",\"data\":{\"n\":1}}"
#define STREAM "/api/v1/streams/one-1"

struct row {
    const char *method, *path, *body, *detail;
};

static const struct row ROWS[] = {
    {"POST", STREAM "/events", "{\"expectd\":7,\"events\":[" EVENT "]}",
     "expectd: there is no such member here"},
    {"POST", STREAM "/events", "{\"events\":[{\"type\":\"a\",\"payload\":1}]}",
     "events[0].payload: an event has no such member"},
    {"POST", "/api/v1/append", "{\"records\":[],\"check\":[]}",
     "check: there is no such member here"},
    {"POST", "/api/v1/append", "{\"checks\":[{\"stream\":\"one-1\",\"expected\":0,\"x\":1}]}",
     "checks[0]: x: there is no such member here"},
    {"POST", "/api/v1/append", "{\"checks\":[{\"query\":{\"items\":[{}]},\"afer\":\"p:0\"}]}",
     "checks[0]: afer: there is no such member here"},
    {"POST", "/api/v1/append", "{\"checks\":[{\"query\":{\"items\":[{}],\"store\":\"x\"}}]}",
     "checks[0]: query: store: there is no such member here"},
    {"POST", "/api/v1/append", "{\"checks\":[{\"query\":{\"items\":[{\"type\":[\"a\"]}]}}]}",
     "checks[0]: query: type: there is no such member here"},
    {"PATCH", STREAM, "{\"max_age\":\"1h\",\"max_cout\":1}",
     "max_cout: there is no such member here"},
    {"PUT", STREAM "/snapshot", "{\"revision\":0,\"state\":{},\"shema\":\"S\"}",
     "shema: there is no such member here"},
    {"PUT", STREAM "/snapshot", "{\"revision\":0,\"state\":{},\"schema\":\"S-0123456789abcdef\"}",
     "schema: 'S-0123456789abcdef' is the tag of a fold's own snapshots"},
    {"POST", STREAM "/events/0/redact", "{\"reason\":\"r\",\"field\":[\"/n\"]}",
     "field: there is no such member here"},
    {"POST", STREAM "/events/0/redact", "{\"reason\":\"r\",\"fields\":[]}",
     "fields: there is none"},
    {"PUT", "/api/v1/categories/two", "{\"partitons\":2}",
     "partitons: there is no such member here"},
    {"PUT", "/api/v1/topics/t", "{\"partitons\":2}", "partitons: there is no such member here"},
    {"POST", "/api/v1/topics/t/records", "{\"records\":[],\"x\":1}",
     "x: there is no such member here"},
};

TEST(api_a_member_that_is_not_known_is_refused)
{
    struct world w = {.events = true};
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    assert_int_equal(ask(&w, "POST", STREAM "/events", "", "{\"events\":[" EVENT "]}"), 201);
    assert_int_equal(ask(&w, "PUT", "/api/v1/topics/t", "", "{\"partitions\":1}"), 201);
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct row *r = &ROWS[i];
        const int status = ask(&w, r->method, r->path, "", r->body);
        if (status != 400 || !has(&w, r->detail)) {
            fail_msg("row %zu: %d, wanted 400 with '%s'", i, status, r->detail);
        }
    }
    /* Nothing of it was done. */
    assert_int_equal(ask(&w, "GET", STREAM "/events", "", NULL), 200);
    assert_true(has(&w, "\"data\":{\"n\":1}}],\"last_revision\":0"));
    assert_int_equal(ask(&w, "GET", "/api/v1/categories", "", NULL), 200);
    assert_false(has(&w, "\"two\""));
    world_deinit(&w);
}

/* A NUL ends a text of C, not a name: what is told of one would be about another. */
TEST(api_a_nul_in_a_path_is_refused)
{
    static const char *const paths[] = {"/api/v1/topics/a%00b", STREAM "%00x/events",
                                        "/api/v1/streams/%00"};
    struct world w = {.events = true};
    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_int_equal(ask(&w, "GET", paths[i], "", NULL), 400);
        assert_true(has(&w, ": must not hold a NUL (%00)\""));
    }
    assert_int_equal(ask(&w, "GET", "/nowhere%00/x", "", NULL), 404);
    assert_true(has(&w, "there is nothing at /nowhere%00/x\""));
    world_deinit(&w);
}

/* A condition that nobody looks at would seem to have held. */
TEST(api_a_condition_that_a_change_does_not_have_is_refused)
{
    static const struct row rows[] = {
        {"PUT", STREAM "/snapshot", "{\"revision\":0,\"state\":{}}", "If-Match: \"r7\"\r\n"},
        {"PUT", STREAM "/snapshot", "{\"revision\":0,\"state\":{}}", "If-None-Match: *\r\n"},
        {"POST", "/api/v1/append", "{\"records\":[{\"stream\":\"one-1\",\"type\":\"a\"}]}",
         "if-match: *\r\n"},
        {"PUT", "/api/v1/topics/t2", "{}", "If-None-Match: *\r\n"},
        {"DELETE", STREAM, NULL, "If-Unmodified-Since: now\r\n"},
        {"POST", "/api/v1/topics/t/records", "{\"records\":[{\"value\":1}]}",
         "If-Match: \"x\"\r\n"},
    };
    struct world w = {.events = true};
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    assert_int_equal(ask(&w, "POST", STREAM "/events", "", "{\"events\":[" EVENT "]}"), 201);
    assert_int_equal(ask(&w, "PUT", "/api/v1/topics/t", "", "{\"partitions\":1}"), 201);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const int status = ask(&w, rows[i].method, rows[i].path, rows[i].detail, rows[i].body);
        if (status != 400 || !has(&w, ": this change does not look at such a condition\"")) {
            fail_msg("row %zu: %d", i, status);
        }
    }
    /* What a read has, or does not look at, is no harm; nor is one that a change has. */
    assert_int_equal(ask(&w, "GET", STREAM "/events", "If-Match: \"r7\"\r\n", NULL), 200);
    assert_int_equal(ask(&w, "POST", STREAM "/events", "If-Match: \"r0\"\r\n",
                         "{\"events\":[{\"type\":\"b\"}]}"),
                     201);
    assert_int_equal(end_of(&w, "t", 0), 0);
    world_deinit(&w);
}

/* The scope of positions is named from the first day: there is one. */
TEST(api_an_append_names_its_store)
{
    struct world w = {.events = true};
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    const char *record =
        "{\"store\":\"default\",\"records\":[{\"stream\":\"one-1\",\"type\":\"a\"}]}";
    assert_int_equal(ask(&w, "POST", "/api/v1/append", "", record), 201);
    record = "{\"store\":\"other\",\"records\":[{\"stream\":\"one-1\",\"type\":\"a\"}]}";
    assert_int_equal(ask(&w, "POST", "/api/v1/append", "", record), 404);
    assert_true(has(&w, "there is no store 'other'") && has(&w, "\"code\":\"not-found\""));
    assert_int_equal(ask(&w, "GET", STREAM "/events", "", NULL), 200);
    assert_true(has(&w, "\"last_revision\":0"));
    world_deinit(&w);
}

/* A category that is there has the partitions that it has. */
TEST(api_a_category_says_its_partitions)
{
    struct world w = {.events = true};
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    assert_int_equal(ask(&w, "PUT", "/api/v1/categories/two", "", "{\"partitions\":2}"), 201);
    assert_true(has(&w, "{\"name\":\"two\",\"partitions\":2,\"created\":true}"));
    assert_int_equal(ask(&w, "PUT", "/api/v1/categories/two", "", "{\"partitions\":4}"), 200);
    assert_true(has(&w, "{\"name\":\"two\",\"partitions\":2,\"created\":false}"));
    world_deinit(&w);
}
