/* Idempotency-Key: what is kept is kept in the frame of its effect, and no longer than promised. */
#include <stdlib.h>

#include "api/idempotency_int.h"
#include "world.h"

#define POST(w, key, body) \
    ask(w, "POST", "/api/v1/topics/t/records", "Idempotency-Key: " key "\r\n", body)
#define ONE "{\"records\":[{\"value\":1}]}"

static void open_topic(struct world *w)
{
    world_init(w);
    assert_int_equal(ask(w, "PUT", "/api/v1/topics/t", "", "{\"partitions\":1}"), 201);
}

TEST(api_a_key_makes_a_post_happen_once)
{
    struct world w = {0};
    open_topic(&w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(POST(&w, "k", ONE), 201);
        assert_true(has(&w, "\"offset\":0"));
        assert_int_equal(has(&w, "Idempotency-Replayed: true"), i > 0);
        assert_int_equal(end_of(&w, "t", 0), 1);
    }
    assert_int_equal(POST(&w, "k", "{\"records\":[{\"value\":2}]}"), 422);
    assert_true(has(&w, "idempotency-mismatch"));
    assert_int_equal(end_of(&w, "t", 0), 1);
    world_deinit(&w);
}

static struct str position_in(struct world *w, char out[64])
{
    const char *at = strstr((const char *)w->in.p, "\"position\":\"");
    out[0] = 0;
    if (at != NULL) {
        (void)sscanf(at + 12, "%63[^\"]", out);
    }
    return str_of(out);
}

/* Its answer is the first one to the letter, whoever gives it; the condition is of the request. */
TEST(api_a_key_of_an_append_gives_the_same_answer_after_an_end)
{
    static const char *const TARGET = "/api/v1/streams/one-1/events";
    static const char *const BODY =
        "{\"events\":[{\"type\":\"A\",\"data\":1},{\"type\":\"B\",\"data\":2}]}";
    struct world w = {.events = true};
    char first[64], later[64];
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    assert_int_equal(ask(&w, "POST", TARGET, "Idempotency-Key: k\r\n", BODY), 201);
    assert_true(position_in(&w, first).n > 2);
    assert_int_equal(ask(&w, "POST", TARGET, "Idempotency-Key: k\r\n", BODY), 201);
    assert_true(str_eq_z(position_in(&w, later), first));
    assert_int_equal(ask(&w, "POST", TARGET, "Idempotency-Key: k\r\nIf-Match: \"r0\"\r\n", BODY),
                     422);
    assert_int_equal(ask(&w, "POST", TARGET, "Idempotency-Key: k\r\nidempotency-key: l\r\n", BODY),
                     400);
    world_reopen(&w, REOPEN_KILL);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    assert_int_equal(ask(&w, "POST", TARGET, "Idempotency-Key: k\r\n", BODY), 201);
    assert_true(has(&w, "Idempotency-Replayed: true"));
    assert_true(str_eq_z(position_in(&w, later), first));
    world_deinit(&w);
}

#define EVENTS "/api/v1/streams/ce-1/events"
#define CE(id, type)                                                                 \
    "ce-specversion: 1.0\r\nce-id: " id "\r\nce-type: " type "\r\nce-source: /a\r\n" \
    "Content-Type: text/plain\r\n"
#define KEY(key) "Idempotency-Key: " key "\r\n"

static void open_events_of(struct world *w)
{
    *w = (struct world){.events = true};
    world_init(w);
    for (int i = 0; i < 1000 && !es_ready(w->es); i++) {
        turn(w);
    }
}

/* In binary mode the event is in headers: another one is another request, and the same one in other
 * words is the same. */
TEST(api_a_key_tells_cloudevents_in_headers_apart)
{
    static const char *const others[] = {
        KEY("k") CE("x2", "T1"),
        KEY("k") CE("x1", "T2"),
        KEY("k") CE("x1", "T1") "ce-subject: s\r\n",
        KEY("k") CE("x1", "T1") "X-Correlation-ID: c\r\n",
        KEY("k") "ce-specversion: 1.0\r\nce-id: x1\r\nce-type: T1\r\nce-source: /a\r\n"
                 "Content-Type: text/csv\r\n",
    };
    struct world w;
    open_events_of(&w);
    assert_int_equal(ask(&w, "POST", EVENTS, KEY("k") CE("x1", "T1"), "7"), 201);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(ask(&w, "POST", EVENTS, others[i], "7"), 422);
        assert_true(has(&w, "idempotency-mismatch"));
    }
    world_reopen(&w, REOPEN_KILL); /* from what is kept, too */
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    assert_int_equal(ask(&w, "POST", EVENTS, others[0], "7"), 422);
    assert_int_equal(
        ask(&w, "POST", EVENTS,
            "User-Agent: other\r\nContent-Type: text/plain\r\nCE-Source: /a\r\nce-type:  T1 \r\n"
            "ce-id: x1\r\nDate: Sun, 29 Nov 2026 08:00:00 GMT\r\nCE-SpecVersion: 1.0\r\n"
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
            "Prefer: durability=fsync\r\nidempotency-key: k\r\n",
            "7"),
        201);
    assert_true(has(&w, "Idempotency-Replayed: true"));
    world_deinit(&w);
}

/* The same bytes as one JSON object and as lines are two things. */
TEST(api_a_key_tells_types_of_a_body_apart)
{
    struct world w = {0};
    open_topic(&w);
    assert_int_equal(POST(&w, "k", ONE), 201);
    assert_int_equal(ask(&w, "POST", "/api/v1/topics/t/records",
                         KEY("k") "Content-Type: application/x-ndjson\r\n", ONE),
                     422);
    assert_int_equal(ask(&w, "POST", "/api/v1/topics/t/records",
                         KEY("k") "content-type: Application/JSON; charset=utf-8\r\n", ONE),
                     201);
    assert_true(has(&w, "Idempotency-Replayed: true"));
    world_deinit(&w);
}

/* The events were there already: the key is used all the same, for good. */
TEST(api_a_key_of_an_append_that_was_known_is_kept)
{
    static const char *const ONE_EVENT = "{\"events\":[{\"id\":\"i1\",\"type\":\"A\"}]}";
    static const char *const OTHER = "{\"events\":[{\"id\":\"i2\",\"type\":\"A\"}]}";
    struct world w;
    char first[64], later[64];
    open_events_of(&w);
    assert_int_equal(ask(&w, "POST", EVENTS, "", ONE_EVENT), 201);
    assert_int_equal(ask(&w, "POST", EVENTS, KEY("k"), ONE_EVENT), 200);
    assert_true(has(&w, "\"idempotent\":true") && !has(&w, "Idempotency-Replayed"));
    assert_true(position_in(&w, first).n > 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(&w, "POST", EVENTS, KEY("k"), OTHER), 422);
        assert_int_equal(ask(&w, "POST", EVENTS, KEY("k"), ONE_EVENT), 200);
        assert_true(has(&w, "Idempotency-Replayed: true") && has(&w, "ETag: \"r0\""));
        assert_true(has(&w, "\"idempotent\":true"));
        assert_true(str_eq_z(position_in(&w, later), first));
        world_reopen(&w, REOPEN_KILL);
        for (int n = 0; n < 1000 && !es_ready(w.es); n++) {
            turn(&w);
        }
    }
    world_deinit(&w);
}

/* Whichever allocation fails: the same request again is answered, and its key is kept then. */
TEST(api_a_key_of_an_append_that_was_known_copes_without_memory)
{
    static const char *const BODY = "{\"events\":[{\"id\":\"i1\",\"type\":\"A\"}]}";
    struct world w;
    bool failed = true;
    uint64_t n = 1;
    open_events_of(&w);
    assert_int_equal(ask(&w, "POST", EVENTS, "", BODY), 201);
    for (; failed && n < 2000; n++) {
        char key[64];
        (void)snprintf(key, sizeof(key), "Idempotency-Key: k%d\r\n", (int)n);
        test_fail_alloc(n);
        const int status = ask(&w, "POST", EVENTS, key, BODY);
        failed = test_fail_alloc_end() != 0;
        assert_true(status == 200 || status == 503 || status == 0);
        if (w.closed) {
            world_dial(&w);
        }
        assert_int_equal(ask(&w, "POST", EVENTS, key, BODY), 200);
        assert_int_equal(ask(&w, "POST", EVENTS, key, BODY), 200);
        assert_true(has(&w, "Idempotency-Replayed: true"));
    }
    assert_in_range(n, 20, 1999);
    world_deinit(&w);
}

#define APPEND     "/api/v1/append"
#define CHECK_ONLY "{\"checks\":[{\"stream\":\"ce-1\",\"expected\":0}]}"

/* Nothing is appended that its answer could travel with. */
TEST(api_a_key_of_an_append_that_only_checks_is_kept)
{
    static const char *const ONE_EVENT = "{\"events\":[{\"type\":\"A\"}]}";
    static const char *const OTHER = "{\"checks\":[{\"stream\":\"ce-1\",\"expected\":1}]}";
    struct world w;
    char first[64], later[64];
    open_events_of(&w);
    assert_int_equal(ask(&w, "POST", EVENTS, "", ONE_EVENT), 201);
    assert_int_equal(ask(&w, "POST", APPEND, KEY("k"), CHECK_ONLY), 201);
    assert_true(!has(&w, "Idempotency-Replayed") && has(&w, "\"streams\":[]"));
    (void)position_in(&w, first);
    assert_int_equal(ask(&w, "POST", EVENTS, "", ONE_EVENT), 201);
    assert_int_equal(ask(&w, "POST", APPEND, "", CHECK_ONLY), 409);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(&w, "POST", APPEND, KEY("k"), OTHER), 422);
        assert_int_equal(ask(&w, "POST", APPEND, KEY("k"), CHECK_ONLY), 201);
        assert_true(has(&w, "Idempotency-Replayed: true"));
        assert_true(str_eq_z(position_in(&w, later), first));
        world_reopen(&w, REOPEN_KILL);
        for (int n = 0; n < 1000 && !es_ready(w.es); n++) {
            turn(&w);
        }
    }
    /* One that fails keeps nothing. */
    assert_int_equal(ask(&w, "POST", APPEND, KEY("l"), CHECK_ONLY), 409);
    assert_int_equal(ask(&w, "POST", APPEND, KEY("l"), OTHER), 201);
    world_deinit(&w);
}

/* Prints of earlier builds know nothing of headers: their keys stay good. */
TEST(api_a_key_of_an_earlier_build_is_known)
{
    assert_true(idempotency_same("0123456789abcdef1f", "0123456789abcdef1f-0011223344556677"));
    assert_false(idempotency_same("0123456789abcdef1f", "0123456789abcdef1-0011223344556677"));
    assert_false(idempotency_same("0123456789abcdef1f", "1123456789abcdef1f-0011223344556677"));
    assert_true(idempotency_same("0123456789abcdef1f-0011223344556677",
                                 "0123456789abcdef1f-0011223344556677"));
    assert_false(idempotency_same("0123456789abcdef1f-0011223344556677",
                                  "0123456789abcdef1f-0011223344556678"));
}

/* What can have a key: records, and events. Of these without ids: only the key makes them once. */
struct keyed {
    bool events;
    const char *target, *body;
    const char *second; /* in the answer to what is appended as the second */
};
static const struct keyed keyed[] = {
    {false, "/api/v1/topics/t/records", ONE, "\"offset\":1"},
    {true, "/api/v1/streams/one-1/events", "{\"events\":[{\"type\":\"A\"}]}",
     "\"first_revision\":1"},
    {true, APPEND, "{\"records\":[{\"stream\":\"one-1\",\"type\":\"A\"}]}", "\"first_revision\":1"},
};

static void until_ready(struct world *w)
{
    for (int i = 0; i < 1000 && w->es != NULL && !es_ready(w->es); i++) {
        turn(w);
    }
}

/* With one that has no key. */
static void open_keyed(struct world *w, const struct keyed *k)
{
    *w = (struct world){.events = k->events};
    open_topic(w);
    until_ready(w);
    assert_int_equal(ask(w, "POST", k->target, "", k->body), 201);
}

static int64_t stored(struct world *w, const struct keyed *k)
{
    if (!k->events) {
        return end_of(w, "t", 0);
    }
    assert_int_equal(ask(w, "GET", "/api/v1/streams/one-1", "", NULL), 200);
    const char *at = strstr((const char *)w->in.p, "\"last_revision\":");
    assert_non_null(at);
    return atoll(at + strlen("\"last_revision\":")) + 1;
}

TEST(api_a_key_lives_through_every_end)
{
    static const enum reopen ends[] = {REOPEN_CLEAN, REOPEN_KILL, REOPEN_POWER_CUT};
    for (size_t i = 0; i < ARRAY_LEN(ends) * ARRAY_LEN(keyed); i++) {
        const struct keyed *k = &keyed[i / ARRAY_LEN(ends)];
        struct world w;
        open_keyed(&w, k);
        assert_int_equal(ask(&w, "POST", k->target, KEY("k"), k->body), 201);
        assert_int_equal(ask(&w, "POST", k->target, "", k->body), 201);
        world_reopen(&w, ends[i % ARRAY_LEN(ends)]);
        until_ready(&w);
        assert_int_equal(ask(&w, "POST", k->target, KEY("k"), k->body), 201);
        assert_true(has(&w, "Idempotency-Replayed: true"));
        assert_true(has(&w, k->second));
        assert_int_equal(stored(&w, k), 3);
        world_deinit(&w);
    }
}

/* The power goes off just before the disk's operation `cut` since the request. What it appends is
 * there and its key is known, or neither. False: the request was through before. */
static bool cut_at(const struct keyed *k, uint64_t cut, uint64_t choice, int *both, int *neither)
{
    struct world w;
    char request[512];
    open_keyed(&w, k);
    (void)snprintf(request, sizeof(request),
                   "POST %s HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\n"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   k->target, strlen(k->body), k->body);
    env_sim_cut_at(w.env, env_sim_ops(w.env) + cut);
    say(&w, request);
    for (int i = 0; i < 1000 && w.in.n == 0 && !env_sim_is_cut(w.env); i++) {
        turn(&w);
    }
    const bool was_cut = env_sim_is_cut(w.env);
    assert_int_not_equal(was_cut, w.in.n > 0);
    env_sim_cut_at(w.env, UINT64_MAX);
    w.choice = choice;
    world_reopen(&w, REOPEN_POWER_CUT);
    until_ready(&w);
    const bool there = stored(&w, k) == 2;
    assert_true(there || was_cut);
    assert_int_equal(ask(&w, "POST", k->target, KEY("k"), k->body), 201);
    assert_int_equal(has(&w, "Idempotency-Replayed: true"), there);
    assert_true(has(&w, k->second));
    assert_int_equal(stored(&w, k), 2);
    *both += there;
    *neither += !there;
    world_deinit(&w);
    return was_cut;
}

TEST(api_there_is_no_half_of_a_key_after_a_power_cut)
{
    for (size_t i = 0; i < ARRAY_LEN(keyed); i++) {
        int both = 0, neither = 0;
        bool was_cut = true;
        for (uint64_t cut = 1; cut < 100 && was_cut; cut++) {
            for (uint64_t choice = 0; choice < 4; choice++) { /* of what it loses */
                was_cut = cut_at(&keyed[i], cut, choice, &both, &neither);
            }
        }
        assert_false(was_cut);
        assert_in_range(both, 1, 999);
        assert_in_range(neither, 1, 999);
    }
}

/* It would be remembered for longer than its records: refused, and the key is as if it had never
 * come. */
TEST(api_records_that_a_power_cut_may_lose_cannot_have_a_key)
{
    struct world w = {0};
    open_topic(&w);
    assert_int_equal(ask(&w, "PUT", "/api/v1/topics/os", "",
                         "{\"partitions\":1,\"config\":{\"leat.durability\":\"os\"}}"),
                     201);
    assert_int_equal(ask(&w, "POST", "/api/v1/topics/os/records", KEY("k"), ONE), 422);
    assert_true(has(&w, "\"code\":\"idempotency-not-possible\"") && has(&w, "leat.durability"));
    assert_int_equal(end_of(&w, "os", 0), 0);
    assert_int_equal(w.api->idempotency->bytes, 0);
    assert_int_equal(POST(&w, "k", ONE), 201); /* elsewhere, it is free */
    assert_false(has(&w, "Idempotency-Replayed"));
    assert_int_equal(ask(&w, "POST", "/api/v1/topics/os/records", "", ONE), 201);
    assert_int_equal(end_of(&w, "os", 0), 1);
    world_deinit(&w);
}

/* What is no append says that it keeps no key, and does nothing: who sent one counts on it. */
TEST(api_a_post_that_is_no_append_refuses_a_key)
{
    static const char *const TARGET = "/api/v1/streams/ce-1/events/0/redact";
    static const char *const BODY = "{\"reason\":\"asked for\"}";
    struct world w;
    open_events_of(&w);
    assert_int_equal(ask(&w, "POST", EVENTS, "", "{\"events\":[{\"type\":\"A\",\"data\":7}]}"),
                     201);
    assert_int_equal(ask(&w, "POST", TARGET, KEY("k"), BODY), 422);
    assert_true(has(&w, "\"code\":\"idempotency-not-possible\""));
    assert_int_equal(ask(&w, "GET", EVENTS "/0", "", NULL), 200);
    assert_true(has(&w, "\"data\":7") && !has(&w, "redacted")); /* nothing was done */
    assert_int_equal(w.api->idempotency->bytes, 0);
    assert_int_equal(ask(&w, "POST", TARGET, "", BODY), 200);
    assert_int_equal(ask(&w, "POST", EVENTS, KEY("k"), "{\"events\":[{\"type\":\"B\"}]}"), 201);
    assert_false(has(&w, "Idempotency-Replayed"));
    world_deinit(&w);
}

TEST(api_a_key_in_progress_is_told_so)
{
    struct world w = {0};
    open_topic(&w);
    const char *request = "POST /api/v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\n"
                          "Idempotency-Key: k\r\nContent-Type: application/json\r\n"
                          "Content-Length: 25\r\n\r\n" ONE;
    w.hold = true;
    say(&w, request);
    say(&w, request);
    turns(&w, 50);
    w.hold = false;
    turns(&w, 50);
    assert_true(has(&w, "HTTP/1.1 201 "));
    assert_true(has(&w, "HTTP/1.1 409 "));
    assert_true(has(&w, "idempotency-in-progress"));
    assert_int_equal(end_of(&w, "t", 0), 1);
    world_deinit(&w);
}

TEST(api_keys_are_kept_for_a_day)
{
    struct world w = {0};
    open_topic(&w);
    assert_int_equal(POST(&w, "k", ONE), 201);
    env_sim_advance_ns(w.env, 23ull * 3600 * 1000000000);
    turns(&w, 3);
    world_dial(&w);
    assert_int_equal(POST(&w, "k", ONE), 201);
    assert_true(has(&w, "Idempotency-Replayed: true"));
    assert_true(w.api->idempotency->bytes > 0);
    env_sim_advance_ns(w.env, 3601ull * 1000000000);
    turns(&w, 3);
    assert_int_equal(w.api->idempotency->bytes, 0); /* let go by time, not only when asked for */
    world_dial(&w);
    assert_int_equal(POST(&w, "k", "{\"records\":[{\"value\":2}]}"), 201);
    assert_false(has(&w, "Idempotency-Replayed"));
    assert_int_equal(end_of(&w, "t", 0), 2);
    /* And not longer after a start. */
    env_sim_advance_ns(w.env, 24ull * 3600 * 1000000000);
    world_reopen(&w, REOPEN_KILL);
    assert_int_equal(POST(&w, "k", ONE), 201);
    assert_false(has(&w, "Idempotency-Replayed"));
    world_deinit(&w);
}

TEST(api_the_table_of_keys_is_bounded)
{
    struct world w = {.keys_bytes = 65536};
    open_topic(&w);
    int status = 201, kept = 0;
    for (; status == 201 && kept < 1000; kept++) {
        char key[64];
        (void)snprintf(key, sizeof(key), "Idempotency-Key: k%d\r\n", kept);
        status = ask(&w, "POST", "/api/v1/topics/t/records", key, ONE);
    }
    assert_int_equal(status, 429);
    assert_true(has(&w, "idempotency-full") && has(&w, "\r\nRetry-After: "));
    assert_in_range(kept, 20, 400);
    assert_int_equal(ask(&w, "POST", "/api/v1/topics/t/records", "", ONE), 201);
    assert_int_equal(POST(&w, "k0", ONE), 201); /* who is in stays in */
    assert_true(has(&w, "Idempotency-Replayed: true"));
    world_reopen(&w, REOPEN_CLEAN);
    assert_int_equal(POST(&w, "k0", ONE), 201);
    assert_true(has(&w, "Idempotency-Replayed: true"));
    world_deinit(&w);
}

/* `count` records of a few bytes in one request: their answer has some 30 bytes for each. */
static int post_many(struct world *w, const char *key, size_t count)
{
    static char body[256u << 10];
    char header[64];
    struct buf b = {.p = (uint8_t *)body, .cap = sizeof(body) - 1, .max = sizeof(body) - 1};
    (void)snprintf(header, sizeof(header), "Idempotency-Key: %s\r\n", key);
    buf_put_z(&b, "{\"records\":[");
    for (size_t i = 0; i < count; i++) {
        buf_put_z(&b, i == 0 ? "{\"value\":1}" : ",{\"value\":1}");
    }
    buf_put_z(&b, "]}");
    assert_false(buf_failed(&b));
    body[b.n] = '\0';
    return ask(w, "POST", "/api/v1/topics/t/records", header, body);
}

/* The limit holds for the answer as it is, not for a guess of it: nothing is appended. */
TEST(api_an_answer_that_would_overfill_the_table_of_keys_is_refused_first)
{
    struct world w = {.keys_bytes = 65536};
    open_topic(&w);
    assert_int_equal(POST(&w, "k", ONE), 201);
    for (int i = 0; i < 2; i++) { /* its key stays free */
        assert_int_equal(post_many(&w, "large", 4000), 429);
        assert_true(has(&w, "idempotency-full") && has(&w, "\r\nRetry-After: "));
        assert_int_equal(end_of(&w, "t", 0), 1);
    }
    assert_int_equal(post_many(&w, "large", 100), 201);
    assert_in_range(w.api->idempotency->bytes, 1, w.api->idempotency->max_bytes);
    world_reopen(&w, REOPEN_KILL);
    assert_int_equal(POST(&w, "k", ONE), 201);
    assert_true(has(&w, "Idempotency-Replayed: true"));
    assert_int_equal(end_of(&w, "t", 0), 101);
    world_deinit(&w);
}

/* The same of events: the answer of many streams is long. */
TEST(api_an_append_whose_answer_would_overfill_the_table_of_keys_is_refused_first)
{
    static char body[256u << 10];
    struct world w = {.events = true, .keys_bytes = 65536};
    struct buf b = {.p = (uint8_t *)body, .cap = sizeof(body) - 1, .max = sizeof(body) - 1};
    buf_put_z(&b, "{\"records\":[");
    for (int i = 0; i < 2000; i++) {
        buf_printf(&b, "%s{\"stream\":\"many-%d\",\"type\":\"A\"}", i == 0 ? "" : ",", i);
    }
    buf_put_z(&b, "]}");
    assert_false(buf_failed(&b));
    world_init(&w);
    for (int i = 0; i < 1000 && !es_ready(w.es); i++) {
        turn(&w);
    }
    assert_int_equal(ask(&w, "POST", "/api/v1/append", KEY("k"), body), 429);
    assert_true(has(&w, "idempotency-full") && has(&w, "\r\nRetry-After: "));
    assert_int_equal(ask(&w, "GET", "/api/v1/streams/many-0", "", NULL), 404);
    assert_int_equal(ask(&w, "POST", "/api/v1/append", "", body), 201);
    world_deinit(&w);
}

/* Above the limit, further keys are refused; none that was promised is forgotten. */
TEST(api_a_restart_with_a_lower_limit_forgets_no_key)
{
    struct world w = {0};
    open_topic(&w);
    assert_int_equal(POST(&w, "first", ONE), 201);
    assert_int_equal(post_many(&w, "large", 2500), 201);
    assert_int_equal(POST(&w, "last", ONE), 201);
    w.keys_bytes = 65536;
    world_reopen(&w, REOPEN_KILL);
    assert_true(w.api->idempotency->bytes > w.api->idempotency->max_bytes);
    assert_int_equal(POST(&w, "first", ONE), 201);
    assert_true(has(&w, "Idempotency-Replayed: true"));
    assert_int_equal(post_many(&w, "large", 2500), 201);
    assert_true(has(&w, "Idempotency-Replayed: true"));
    assert_int_equal(POST(&w, "new", ONE), 429);
    assert_int_equal(end_of(&w, "t", 0), 2502);
    env_sim_advance_ns(w.env, 24ull * 3601 * 1000000000); /* until some have expired */
    turns(&w, 3);
    world_dial(&w);
    assert_int_equal(POST(&w, "new", ONE), 201);
    world_deinit(&w);
}

static void on_deleted(void *ctx, enum err e, const struct ectx *ec)
{
    (void)ctx;
    (void)ec;
    assert_int_equal(e, ERR_OK);
}

TEST(api_an_answer_of_a_topic_that_is_gone_has_no_offsets)
{
    struct world w = {0};
    open_topic(&w);
    assert_int_equal(POST(&w, "k", ONE), 201);
    struct topic *t = broker_topic(w.broker, STR_LIT("t"));
    broker_topic_delete(w.broker, t, on_deleted, NULL);
    turns(&w, 50);
    assert_int_equal(POST(&w, "k", ONE), 201);
    assert_true(has(&w, "\"offset\":null"));
    world_deinit(&w);
}

static void on_start_moved(void *ctx, enum err e, int64_t low)
{
    int64_t *start = ctx;
    assert_int_equal(e, ERR_OK);
    *start = low;
}

/* The log start moves: the answer names no offsets that other records have. */
TEST(api_an_answer_of_records_that_are_deleted_has_no_offsets_of_others)
{
    static const struct {
        int64_t start;
        bool known;
    } rows[] = {{0, true}, {3, true}, {9, true}, {10, true}, {11, false}, {15, false}, {20, false}};
    struct world w = {0};
    open_topic(&w);
    assert_int_equal(post_many(&w, "before", 1), 201);
    assert_int_equal(post_many(&w, "k", 10), 201);
    assert_int_equal(post_many(&w, "behind", 9), 201);
    assert_int_equal(end_of(&w, "t", 0), 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t start = -1;
        broker_delete_records(w.broker, broker_topic(w.broker, STR_LIT("t"))->partitions[0],
                              rows[i].start, on_start_moved, &start);
        turns(&w, 50);
        assert_int_equal(start, rows[i].start);
        assert_int_equal(post_many(&w, "k", 10), 201);
        assert_true(has(&w, "Idempotency-Replayed: true"));
        assert_int_equal(has(&w, "\"offset\":1}") && has(&w, "\"offset\":10}"), rows[i].known);
        assert_int_equal(has(&w, "\"offset\":null"), !rows[i].known);
    }
    world_deinit(&w);
}
