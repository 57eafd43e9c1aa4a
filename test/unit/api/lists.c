/* A list is whole, or a problem: one that is short or empty is taken for all that there is. */
#include "world.h"

#define MANY 25000 /* topics: the list needs more memory than a request has of its own */

#define CATEGORIES  200
#define PROJECTIONS 20

static size_t count_of(const struct world *w, const char *text)
{
    size_t n = 0;
    for (const char *at = (const char *)w->in.p; (at = strstr(at, text)) != NULL; at++) {
        n++;
    }
    return n;
}

static void declare(struct world *w, int i)
{
    char path[64], body[512];
    (void)snprintf(path, sizeof(path), "/api/v1/projections/list%d", i);
    (void)snprintf(
        body, sizeof(body),
        "{\"projection\":\"list%d\",\"version\":1,\"source\":{\"category\":\"list%d\"},"
        "\"target\":\"sqlite:lists.db\",\"tables\":{\"list%d\":{\"columns\":{\"id\":\"text\"},"
        "\"key\":\"id\"}},\"maps\":[{\"type\":\"A\",\"upsert\":{\"table\":\"list%d\",\"key\":{"
        "\"id\":\"$key\"}}}]}",
        i, i, i, i);
    assert_int_equal(ask(w, "PUT", path, "", body), 201);
}

static void open_lists(struct world *w)
{
    char path[64];
    *w = (struct world){.events = true, .projections = true};
    world_init(w);
    for (int i = 0; i < 1000 && !(es_ready(w->es) && proj_is_known(w->proj)); i++) {
        turn(w);
    }
    for (int i = 0; i < CATEGORIES; i++) {
        (void)snprintf(path, sizeof(path), "/api/v1/categories/list%d", i);
        assert_int_equal(ask(w, "PUT", path, "", "{\"partitions\":1}"), 201);
    }
    for (int i = 0; i < PROJECTIONS; i++) {
        declare(w, i);
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ask(w, "GET", "/api/v1/views", "", NULL), 200);
        if (count_of(w, "\"name\":") == PROJECTIONS) {
            return;
        }
        turns(w, 10);
    }
    fail_msg("%s", (const char *)w->in.p);
}

TEST(api_a_list_is_whole_or_a_problem)
{
    static const struct {
        const char *path;
        size_t count;
    } lists[] = {{"/api/v1/topics?prefix=es.list", CATEGORIES},
                 {"/api/v1/categories", CATEGORIES},
                 {"/api/v1/projections", PROJECTIONS},
                 {"/api/v1/views", PROJECTIONS}};
    struct world w;
    open_lists(&w);
    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        bool failed = true;
        uint64_t n = 1;
        for (; failed && n < 2000; n++) {
            if (w.closed) {
                world_dial(&w);
            }
            test_fail_alloc(n);
            const int status = ask(&w, "GET", lists[l].path, "", NULL);
            failed = test_fail_alloc_end() != 0;
            assert_true(status == 200 || status == 503 || status == 0);
            if (status == 200 && count_of(&w, "\"name\":") != lists[l].count) {
                fail_msg("%s, allocation %d: %zu of %zu", lists[l].path, (int)n,
                         count_of(&w, "\"name\":"), lists[l].count);
            }
        }
        assert_in_range(n, 3, 1999);
    }
    world_deinit(&w);
}

static void on_made(void *ctx, enum err e, const struct ectx *ec)
{
    int *made = ctx;
    (void)ec;
    assert_int_equal(e, ERR_OK);
    (*made)++;
}

/* With as many topics as a node may have: a page of them, and those of a prefix. */
TEST(api_a_list_of_many_topics_is_whole)
{
    struct world w = {0};
    int made = 0, asked = 0;
    world_init(&w);
    for (; asked < MANY; asked++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "t%05d", asked);
        const struct broker_topic_spec spec = {
            .name = str_of(name), .partitions = 1, .replication_factor = 1};
        broker_topic_create(w.broker, &spec, false, on_made, &made);
        if (asked % 50 == 49) {
            turns(&w, 2);
        }
    }
    for (int i = 0; i < 10000 && made < asked; i++) {
        turn(&w);
    }
    assert_int_equal(made, MANY);
    assert_int_equal(ask(&w, "GET", "/api/v1/topics?prefix=t&limit=2", "", NULL), 200);
    assert_true(has(&w, "\"t00001\"") && has(&w, "\"next_cursor\""));
    assert_int_equal(ask(&w, "GET", "/api/v1/topics?prefix=t24999", "", NULL), 200);
    assert_true(has(&w, "\"t24999\""));
    world_deinit(&w);
}

/* Definitions of more than a request's own memory: the list, and each of them. */
TEST(api_large_definitions_are_listed)
{
    static char body[128u << 10];
    char path[64];
    struct world w = {.events = true};
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    for (int i = 0; i < 12; i++) {
        (void)snprintf(path, sizeof(path), "/api/v1/folds/large%d", i);
        const int n = snprintf(
            body, sizeof(body),
            "fold: large%d\ncategory: large%d\nmaps:\n  - type: A\n    set: { /n: /data/n }\n", i,
            i);
        memset(body + n, '#', sizeof(body) - 1 - (size_t)n);
        assert_int_equal(ask(&w, "PUT", path, "Content-Type: application/yaml\r\n", body), 201);
    }
    assert_int_equal(ask(&w, "GET", "/api/v1/folds", "", NULL), 200);
    assert_int_equal(count_of(&w, "\"name\":"), 12);
    assert_int_equal(ask(&w, "GET", "/api/v1/folds/large11", "", NULL), 200);
    world_deinit(&w);
}
