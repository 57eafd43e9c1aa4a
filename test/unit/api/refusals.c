/* What is refused by a code that a program decides by, and nothing of it is done. */
#include "world.h"

#define CODE(name) "\"code\":\"" name "\""

static const char *const PROJECTION =
    "{\"projection\":\"p\",\"source\":{\"category\":\"order\"},\"target\":\"sqlite:p.db\","
    "\"tables\":{\"p_view\":{\"columns\":{\"id\":\"text\"},\"key\":\"id\"}},\"maps\":[{\"type\":"
    "\"*\",\"upsert\":{\"table\":\"p_view\",\"key\":{\"id\":\"$stream_id\"},\"set\":{}}}]}";

static void open_all(struct world *w)
{
    *w = (struct world){.events = true, .projections = true};
    world_init(w);
    for (int i = 0; i < 1000 && !(es_ready(w->es) && proj_is_known(w->proj)); i++) {
        turn(w);
    }
}

/* One command at a time decides what a projection is: the second is told so, not left to chance. */
TEST(api_a_projection_that_is_being_changed_is_busy)
{
    static const char *const pause = "POST /api/v1/projections/p/pause HTTP/1.1\r\n"
                                     "Host: localhost\r\nContent-Type: application/json\r\n"
                                     "Content-Length: 2\r\n\r\n{}";
    struct world w;
    open_all(&w);
    assert_int_equal(ask(&w, "PUT", "/api/v1/projections/p", "", PROJECTION), 201);
    w.hold = true; /* the first is on its way to the disk */
    say(&w, pause);
    struct env_sock *first = w.sock;
    turns(&w, 5);
    w.sock = NULL;
    world_dial(&w);
    assert_int_equal(ask(&w, "DELETE", "/api/v1/projections/p", "", NULL), 503);
    assert_true(has(&w, CODE("projection-busy")) && has(&w, "\r\nRetry-After: "));
    assert_int_equal(ask(&w, "POST", "/api/v1/projections/p/resume", "", "{}"), 503);
    assert_true(has(&w, CODE("projection-busy")));
    w.hold = false;
    turns(&w, 50);
    assert_int_equal(ask(&w, "GET", "/api/v1/projections/p", "", NULL), 200);
    assert_true(has(&w, "\"paused\":true")); /* as the first wanted it, and there */
    assert_int_equal(ask(&w, "POST", "/api/v1/projections/p/resume", "", "{}"), 200);
    env_sock_close(first);
    world_deinit(&w);
}

TEST(api_what_is_not_declared_is_told_by_what_it_is)
{
    static const char *const FOLD = "{\"fold\":\"f\",\"category\":\"other\",\"maps\":[{\"type\":\"*"
                                    "\",\"increment\":{\"/n\":1}}]}";
    static const struct {
        const char *method, *path;
        int status;
        const char *code;
    } cases[] = {
        {"GET", "/api/v1/streams/order-1/state", 404, CODE("fold-not-found")},
        {"GET", "/api/v1/streams/order-1/state?fold=g", 404, CODE("fold-not-found")},
        {"GET", "/api/v1/folds/g", 404, CODE("definition-not-found")},
        {"DELETE", "/api/v1/folds/g", 404, CODE("definition-not-found")},
        {"GET", "/api/v1/upcasts/f", 404, CODE("definition-not-found")}, /* that is a fold */
        {"DELETE", "/api/v1/upcasts/f", 404, CODE("definition-not-found")},
    };
    struct world w;
    open_all(&w);
    assert_int_equal(ask(&w, "PUT", "/api/v1/folds/f", "", FOLD), 201);
    assert_int_equal(ask(&w, "POST", "/api/v1/streams/order-1/events", "",
                         "{\"events\":[{\"type\":\"A\",\"data\":{}}]}"),
                     201);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const int status = ask(&w, cases[i].method, cases[i].path, "", NULL);
        if (status != cases[i].status || !has(&w, cases[i].code)) {
            fail_msg("%s %s: %s", cases[i].method, cases[i].path, (const char *)w.in.p);
        }
    }
    assert_int_equal(ask(&w, "GET", "/api/v1/folds/f", "", NULL), 200);
    world_deinit(&w);
}

TEST(api_what_is_no_name_makes_no_topic)
{
    static const char *const names[] = {"..", "a%20b", "%C3%A9", "a%2Fb"};
    struct world w = {0};
    char path[512];
    world_init(&w);
    for (size_t i = 0; i <= ARRAY_LEN(names); i++) {
        char longest[251];
        memset(longest, 'x', 250);
        longest[250] = '\0';
        (void)snprintf(path, sizeof(path), "/api/v1/topics/%s",
                       i < ARRAY_LEN(names) ? names[i] : longest);
        const int status = ask(&w, "PUT", path, "", "{\"partitions\":1}");
        if (status != 400 || !has(&w, CODE("invalid-topic"))) {
            fail_msg("%s: %s", path, (const char *)w.in.p);
        }
    }
    assert_int_equal(ask(&w, "GET", "/api/v1/topics", "", NULL), 200);
    assert_true(has(&w, "\"topics\":[{\"name\":\"__leat_idempotency\"") && !has(&w, "xxx"));
    world_deinit(&w);
}
