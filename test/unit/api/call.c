/* What a request says, read: lists, wishes, cursors. */
#include "world.h"

struct fixture {
    struct http_request r;
    struct http_header headers[1];
    struct arena arena;
    struct api_call c;
};

static struct api_call *make(struct fixture *f, const char *query, const char *name,
                             const char *value)
{
    *f = (struct fixture){.headers = {{str_of(name), str_of(value)}}};
    arena_init(&f->arena, 1u << 20);
    f->r = (struct http_request){
        .query = str_of(query), .headers = f->headers, .header_count = 1, .arena = &f->arena};
    f->c = (struct api_call){.request = &f->r, .arena = &f->arena};
    return &f->c;
}

TEST(api_accept_is_read_with_its_weights)
{
    static const struct {
        const char *accept;
        bool events;
    } cases[] = {
        {"text/event-stream", true},
        {"Text/Event-Stream; charset=utf-8", true},
        {"text/event-stream;q=0.5, application/json", false},
        {"application/json;q=0.3, text/event-stream;q=0.9", true},
        {"text/event-stream;q=0", false},
        {"*/*", false},
        {"text/*", false}, /* wildcards want what everybody gets */
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        assert_int_equal(api_accepts(make(&f, "", "Accept", cases[i].accept), "text/event-stream"),
                         cases[i].events);
        arena_deinit(&f.arena);
    }
}

TEST(api_lists_may_be_given_either_way)
{
    struct fixture f;
    struct str *list;
    size_t count;
    assert_true(
        api_query_list(make(&f, "t=a,b&x=1&t=c%2Cd&t=%41+e", "a", "b"), "t", 10, &list, &count));
    assert_int_equal(count, 4);
    assert_true(str_eq_z(list[0], "a") && str_eq_z(list[1], "b"));
    assert_true(str_eq_z(list[2], "c,d") && str_eq_z(list[3], "A e"));
    arena_deinit(&f.arena);
    assert_true(api_query_list(make(&f, "x=1", "a", "b"), "t", 10, &list, &count));
    assert_int_equal(count, 0);
    arena_deinit(&f.arena);
}

TEST(api_etags_are_compared_weakly)
{
    struct fixture f;
    assert_true(
        api_none_match(make(&f, "", "If-None-Match", "\"a\", W/\"r5\""), STR_LIT("\"r5\"")));
    arena_deinit(&f.arena);
    assert_true(api_none_match(make(&f, "", "If-None-Match", "*"), STR_LIT("\"r5\"")));
    arena_deinit(&f.arena);
    assert_false(api_none_match(make(&f, "", "If-None-Match", "\"r51\""), STR_LIT("\"r5\"")));
    arena_deinit(&f.arena);
}

TEST(api_a_cursor_is_ours_or_refused)
{
    struct world w = {0};
    world_init(&w);
    for (int i = 0; i < 5; i++) {
        char target[64];
        (void)snprintf(target, sizeof(target), "/api/v1/topics/t%d", i);
        assert_int_equal(ask(&w, "PUT", target, "", "{\"partitions\":1}"), 201);
    }
    assert_int_equal(ask(&w, "GET", "/api/v1/topics?prefix=t&limit=2", "", NULL), 200);
    const char *at = strstr(w.body.p, "\"next_cursor\":\"");
    assert_non_null(at);
    char target[256], cursor[128];
    (void)snprintf(cursor, sizeof(cursor), "%.*s", (int)strcspn(at + 15, "\""), at + 15);
    (void)snprintf(target, sizeof(target), "/api/v1/topics?prefix=t&limit=10&cursor=%s", cursor);
    assert_int_equal(ask(&w, "GET", target, "", NULL), 200);
    assert_true(has(&w, "\"t2\"") && has(&w, "\"t4\"") && !has(&w, "\"t1\""));
    assert_false(has(&w, "next_cursor"));
    for (size_t i = 0; cursor[i] != '\0'; i++) { /* each of its characters counts */
        const char was = cursor[i];
        cursor[i] = was == '0' ? '1' : '0';
        (void)snprintf(target, sizeof(target), "/api/v1/topics?cursor=%s", cursor);
        assert_int_equal(ask(&w, "GET", target, "", NULL), 400);
        cursor[i] = was;
    }
    world_deinit(&w);
}

/* The first counted, and nobody saw that the second did not. */
TEST(api_a_query_parameter_that_is_given_twice_is_refused_by_its_name)
{
    struct world w = {.events = true};
    world_init(&w);
    assert_int_equal(ask(&w, "PUT", "/api/v1/topics/t", "", "{\"partitions\":1}"), 201);
    assert_int_equal(ask(&w, "GET", "/api/v1/topics?limit=1&&prefix=t&limit=1", "", NULL), 400);
    assert_true(has(&w, "\"code\":\"invalid-request\"") &&
                has(&w, "\"detail\":\"limit: is given more than once\""));
    assert_int_equal(ask(&w, "GET", "/api/v1/topics?prefix=&prefix=t", "", NULL), 400);
    assert_true(has(&w, "prefix: is given more than once"));
    assert_int_equal(ask(&w, "GET", "/api/v1/topics?limit=1&&prefix=t&", "", NULL), 200);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    assert_int_equal(ask(&w, "GET", "/api/v1/events?type=a&tag=b&type=c&tag=d", "", NULL), 200);
    world_deinit(&w);
}

/* It was a 400: too much of something is a 413, of which the document tells. */
TEST(api_too_many_of_a_list_are_too_large)
{
    struct world w = {.events = true};
    char target[512];
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    int n = snprintf(target, sizeof(target), "/api/v1/events?tag=t");
    for (unsigned i = 1; i < 65; i++) {
        n += snprintf(target + n, sizeof(target) - (size_t)n, ",t");
    }
    assert_int_equal(ask(&w, "GET", target, "", NULL), 413);
    assert_true(has(&w, "\"code\":\"too-large\"") && has(&w, "tag: more than 64 of them"));
    world_deinit(&w);
}
