/* Prefer: durability=fsync makes a record of a topic with leat.durability=os as durable as any. */
#include "world.h"

#define WISH "Prefer: durability=fsync\r\n"

static const char *const PATH = "/api/v1/topics/t/records";
static const char *const BODY = "{\"records\":[{\"value\":1}]}";

static void open_relaxed(struct world *w)
{
    *w = (struct world){0};
    world_init(w);
    assert_int_equal(ask(w, "PUT", "/api/v1/topics/t", "",
                         "{\"partitions\":1,\"config\":{\"leat.durability\":\"os\"}}"),
                     201);
}

/* How many records are there after a power cut, if the last POST of three had these headers. */
static int64_t kept_after_cut(const char *headers, const char *applied, uint64_t choice)
{
    struct world w;
    open_relaxed(&w);
    assert_int_equal(ask(&w, "POST", PATH, "", BODY), 201);
    assert_int_equal(ask(&w, "POST", PATH, "", BODY), 201);
    assert_int_equal(ask(&w, "POST", PATH, headers, BODY), 201);
    assert_true(has(&w, applied));
    w.choice = choice;
    world_reopen(&w, REOPEN_POWER_CUT);
    assert_int_equal(ask(&w, "GET", "/api/v1/topics/t/records?offset=earliest", "", NULL), 200);
    int64_t count = 0;
    for (const char *at = w.body.p; (at = strstr(at, "\"timestamp\"")) != NULL; at++) {
        count++;
    }
    world_deinit(&w);
    return count;
}

TEST(api_a_wish_for_fsync_outlives_a_power_cut)
{
    int64_t lost = 0;
    for (uint64_t choice = 0; choice < 12; choice++) {
        assert_int_equal(
            kept_after_cut(WISH, "\r\nPreference-Applied: durability=fsync\r\n", choice), 3);
        lost += 3 - kept_after_cut("", "HTTP/1.1 201", choice);
    }
    assert_true(lost > 0); /* without it something is lost: the cut can tell */
}

TEST(api_a_wish_never_weakens)
{
    struct world w = {0};
    world_init(&w);
    assert_int_equal(ask(&w, "PUT", "/api/v1/topics/t", "", "{\"partitions\":1}"), 201);
    static const char *const wishes[] = {"Prefer: durability=os\r\n", WISH,
                                         "Prefer: wait=5, Durability=\"os\"; x=1\r\n",
                                         "Prefer: respond-async\r\nprefer: durability=fsync\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
        assert_int_equal(ask(&w, "POST", PATH, wishes[i], BODY), 201);
        assert_true(has(&w, "\r\nPreference-Applied: durability=fsync\r\n"));
    }
    assert_int_equal(ask(&w, "POST", PATH, "Prefer: durability=never\r\n", BODY), 201);
    assert_false(has(&w, "Preference-Applied"));
    world_deinit(&w);
    open_relaxed(&w);
    assert_int_equal(ask(&w, "POST", PATH, "Prefer: durability=os\r\n", BODY), 201);
    assert_true(has(&w, "\r\nPreference-Applied: durability=os\r\n"));
    world_deinit(&w);
}

TEST(api_without_memory_for_the_flush_it_is_said)
{
    /* It is stored, as the topic asks; that is no error, but no lie either. */
    bool weaker = false;
    uint64_t n = 1;
    for (;; n++) {
        struct world w;
        open_relaxed(&w);
        test_fail_alloc(n);
        const int status = ask(&w, "POST", PATH, WISH, BODY);
        const bool failed = test_fail_alloc_end() != 0;
        if (status == 201 && has(&w, "durability=os")) {
            weaker = true;
            assert_int_equal(end_of(&w, "t", 0), 1);
        }
        if (status == 201 && !failed) {
            assert_true(has(&w, "durability=fsync"));
        }
        w.closed = true;
        world_dial(&w);
        assert_int_equal(ask(&w, "POST", PATH, WISH, BODY), 201);
        assert_true(has(&w, "durability=fsync"));
        world_deinit(&w);
        if (!failed) {
            break;
        }
        assert_in_range(n, 1, 5000);
    }
    assert_true(weaker);
}

TEST(api_many_wishes_share_flushes)
{
    /* Each is answered after its own record is flushed, whoever asked first. */
    struct world w;
    open_relaxed(&w);
    struct store_stats before, after;
    store_stats_get(w.store, &before);
    for (int i = 0; i < 20; i++) {
        char text[256];
        (void)snprintf(text, sizeof(text),
                       "POST %s HTTP/1.1\r\nHost: localhost\r\n" WISH
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       PATH, strlen(BODY), BODY);
        say(&w, text);
    }
    turns(&w, 300);
    assert_int_equal(end_of(&w, "t", 0), 20);
    store_stats_get(w.store, &after);
    assert_in_range(after.syncs - before.syncs, 1, 20);
    w.choice = 3;
    world_reopen(&w, REOPEN_POWER_CUT);
    assert_true(end_of(&w, "t", 0) >= 20);
    world_deinit(&w);
}

static const char *durability_of(struct world *w, const char *topic)
{
    const struct topic *t = broker_topic(w->broker, str_of(topic));
    assert_non_null(t);
    return config_text(&t->config, broker_config(w->broker), "leat.durability", NULL);
}

TEST(api_events_are_durable_whatever_the_servers_default_is)
{
    /* Promise: an event that was acknowledged survives a power cut, also on a server whose topics
     * may lose what is new: a category is made for it, asked for or by itself, and so is all that
     * the server keeps of it. */
    static const char *const EVENT = "{\"expected\":\"any\",\"events\":[{\"type\":\"E\"}]}";
    static const char *const kept[] = {"es.made", "es.came", "__leat_streams", "__leat_definitions",
                                       "__leat_idempotency"};
    struct world w = {.events = true, .durability = "os"};
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    assert_int_equal(ask(&w, "PUT", "/api/v1/topics/plain", "", "{\"partitions\":1}"), 201);
    assert_string_equal(durability_of(&w, "plain"), "os");
    assert_int_equal(ask(&w, "PUT", "/api/v1/categories/made", "", "{\"partitions\":1}"), 201);
    assert_int_equal(ask(&w, "POST", "/api/v1/streams/came-1/events", "", EVENT), 201);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        assert_string_equal(durability_of(&w, kept[i]), "fsync");
    }
    world_deinit(&w);
}
