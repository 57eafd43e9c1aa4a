/*
 * Changes of a view as they are told. A client of ours keeps a copy of the view: it reads the view
 * when it is told to, and takes every row that it is told; in the end the copy is what the view is.
 */
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "core/compiler.h"
#include "proj/feed.h"
#include "server.h"
#include "world.h"

struct client {
    struct world *w;
    struct proj_watching *watching;
    const char *view;
    char rows[WORLD_KEYS + 2][160]; /* by key; empty: not there */
    bool stale;                     /* told to read again */
    bool caught_up, ended;
    enum err err;
    char id[PROJ_CHANGE_ID];
    size_t told[PROJ_CHANGE_FELL_BEHIND + 1];
    size_t rows_after_reset;
    size_t room; /* takes so many, then is full; 0: everything */
    uint64_t position, lag_events;
    uint32_t index;
    char last[512]; /* key and row of the last one */
};

/* {"k":"k3"...}: 3. Other keys share the last place. */
static size_t slot_of(const char *json)
{
    unsigned k = 0;
    return sscanf(json, "{\"k\":\"k%u\"", &k) == 1 && k < WORLD_KEYS ? k : WORLD_KEYS;
}

static bool deliver(void *ctx, const struct proj_change *ch)
{
    struct client *c = ctx;
    c->told[ch->kind]++;
    (void)snprintf(c->id, sizeof(c->id), "%.*s", STR(ch->id));
    if (ch->kind == PROJ_CHANGE_UPSERT || ch->kind == PROJ_CHANGE_DELETE) {
        char key[100];
        c->rows_after_reset += c->stale;
        (void)snprintf(key, sizeof(key), "%.*s", STR(ch->key));
        (void)snprintf(c->last, sizeof(c->last), "%s %.*s", key,
                       ch->kind == PROJ_CHANGE_DELETE ? 4 : (int)ch->row.n,
                       ch->kind == PROJ_CHANGE_DELETE ? "gone" : ch->row.p);
        size_t at = slot_of(key);
        (void)snprintf(c->rows[at], sizeof(c->rows[at]), "%.*s", (int)ch->row.n,
                       ch->row.p == NULL ? "" : ch->row.p);
    } else if (ch->kind == PROJ_CHANGE_RESET || ch->kind == PROJ_CHANGE_SWITCHED) {
        c->stale = true;
    }
    c->caught_up = ch->kind == PROJ_CHANGE_CAUGHT_UP || ch->kind == PROJ_CHANGE_CHECKPOINT ||
                   (c->caught_up && ch->kind < PROJ_CHANGE_RESET);
    c->position = ch->position;
    c->lag_events = ch->lag_events;
    c->index = ch->index;
    return c->room == 0 || --c->room > 0;
}
static void closed(void *ctx, enum err e, const struct ectx *ec)
{
    struct client *c = ctx;
    (void)ec;
    c->ended = true;
    c->err = e;
    c->watching = NULL;
}

static enum err watch(struct client *c, struct world *w, size_t node, const char *view,
                      const struct proj_filter *filters, size_t count, struct ectx *ec)
{
    const struct proj_watch call = {.view = str_of(view),
                                    .filters = filters,
                                    .filter_count = count,
                                    .after = c->id[0] == 0 ? STR_NULL : str_of(c->id),
                                    .deliver = deliver,
                                    .closed = closed,
                                    .ctx = c};
    c->w = w;
    c->view = view;
    c->ended = false;
    c->caught_up = false;
    enum err e = proj_watch(w->nodes[node].proj, &call, &c->watching, ec);
    if (e == ERR_OK) {
        proj_watch_resume(c->watching);
    }
    return e;
}

struct asking {
    struct proj_query q;
    bool done;
};
static void asked(struct proj_query *q)
{
    CONTAINER_OF(q, struct asking, q)->done = true;
}
/* The client reads the whole view, as a query that may take its time. */
static void read_view(struct client *c, size_t node)
{
    struct arena arena;
    struct json *v = NULL;
    arena_init(&arena, 4u << 20);
    struct asking a = {.q = {.view = str_of(c->view), .arena = &arena, .done = asked}};
    c->stale = false;
    proj_query(c->w->nodes[node].proj, &a.q);
    for (int i = 0; i < 1000000 && !a.done; i++) {
        world_step(c->w);
    }
    assert_true(a.done);
    assert_int_equal(a.q.err, ERR_OK);
    memset(c->rows, 0, sizeof(c->rows));
    assert_int_equal(json_parse(a.q.rows, NULL, &arena, &v, NULL), ERR_OK);
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        char row[160];
        (void)snprintf(row, sizeof(row), "%.*s", STR(m->raw));
        (void)snprintf(c->rows[slot_of(row)], sizeof(c->rows[0]), "%s", row);
    }
    arena_deinit(&arena);
}

static void check_copy(struct client *c)
{
    char got[4096];
    char want[4096] = "";
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(c->rows); i++) {
        long long count = 0;
        long long sum = 0;
        long long last = 0;
        if (c->rows[i][0] != 0 &&
            sscanf(strstr(c->rows[i], "\"count\":"), "\"count\":%lld,\"sum\":%lld,\"last\":%lld",
                   &count, &sum, &last) == 3) {
            n += (size_t)snprintf(want + n, sizeof(want) - n, "k%zu|%lld|%lld|%lld\n", i, count,
                                  sum, last);
        }
    }
    world_rows(c->w, "SELECT k, count, sum, last FROM keys ORDER BY k", got, sizeof(got));
    assert_string_equal(want, got);
}

static struct client *now_client;
static bool client_caught_up(struct world *w)
{
    return now_client->caught_up && world_settled(w);
}

static void begin(struct world *w, struct worst_config *cfg, uint64_t seed, uint32_t version)
{
    char text[2048];
    struct ectx ec;
    world_init(w, seed, cfg);
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
    enum err e =
        world_command(w, PROJ_APPLY, world_definition(w, version, text, sizeof(text)), &ec);
    if (e != ERR_OK) {
        fail_msg("%s %s", ec.text, ec.hint);
    }
}

static void say(struct world *w, const char *key, int n)
{
    char value[160];
    (void)snprintf(value, sizeof(value), "{\"eventType\":\"Added\",\"data\":{\"n\":%d}}", n);
    (void)worst_produce(w->log, "events", (int32_t)(key[1] - '0') % WORLD_PARTS, str_of(key),
                        str_of(value), 1);
}

/* Each row that changes is told, with what it is now, and that everything was told. */
TEST_WORLD_ON_BOTH(watch_tells_rows_as_they_change)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct client c = {0};
    worst_config_good(&cfg, 1);
    begin(&w, &cfg, 1, 1);
    say(&w, "k1", 5);
    world_until(&w, world_settled, 60000);
    assert_int_equal(watch(&c, &w, 0, "nothing", NULL, 0, &ec), ERR_NOT_FOUND);
    assert_int_equal(watch(&c, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    now_client = &c;
    world_until(&w, client_caught_up, 60000);
    assert_int_equal(c.told[PROJ_CHANGE_UPSERT], 0);
    assert_int_equal(c.index, UINT32_MAX); /* the whole of the last commit */
    say(&w, "k1", 7);
    c.caught_up = false;
    world_run(&w, 2000);
    assert_string_equal(c.last, "{\"k\":\"k1\"} {\"k\":\"k1\",\"count\":2,\"sum\":12,\"last\":7}");
    assert_int_equal(c.told[PROJ_CHANGE_UPSERT], 1);
    assert_int_equal(c.told[PROJ_CHANGE_DELETE] + c.told[PROJ_CHANGE_RESET], 0);
    /* It goes on behind an id, without a reset: nothing was missed. */
    proj_unwatch(c.watching);
    say(&w, "k2", 1);
    world_until(&w, world_settled, 60000);
    world_run(&w, 1000);
    assert_int_equal(watch(&c, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    assert_int_equal(c.told[PROJ_CHANGE_UPSERT], 2);
    assert_int_equal(c.told[PROJ_CHANGE_RESET], 0);
    proj_unwatch(c.watching);
    /* Behind one of another life it cannot. */
    (void)snprintf(c.id, sizeof(c.id), "v:0000000000000001-1");
    assert_int_equal(watch(&c, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    assert_int_equal(c.told[PROJ_CHANGE_RESET], 1);
    proj_unwatch(c.watching);
    (void)snprintf(c.id, sizeof(c.id), "v:1");
    assert_int_equal(watch(&c, &w, 0, "keys", NULL, 0, &ec), ERR_INVALID_REQUEST);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* Events come so fast that there is always something left to apply. */
static void run_under_load(struct world *w, const char *key, const size_t *told, size_t want,
                           uint64_t ms)
{
    const uint64_t until = env_mono_ns(w->env) + ms * 1000000;
    while (*told < want && env_mono_ns(w->env) < until) {
        if (world_random(w, 8) == 0) {
            say(w, key, 1);
        }
        world_step(w);
    }
}

/* Who watches a projection that keeps up with a log that never stands still has caught up, and has
 * not fallen behind; after it did, everything of that time is told before he has again. */
TEST(watch_catches_up_under_load)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct client c = {0};
    worst_config_good(&cfg, 1);
    begin(&w, &cfg, 1, 1);
    say(&w, "k1", 5);
    world_until(&w, world_settled, 60000);
    assert_int_equal(watch(&c, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    run_under_load(&w, "k2", &c.told[PROJ_CHANGE_CAUGHT_UP], 1, 20000);
    assert_int_equal(c.told[PROJ_CHANGE_CAUGHT_UP], 1);
    run_under_load(&w, "k2", &c.told[PROJ_CHANGE_RESET], 1, 3000);
    assert_int_equal(c.told[PROJ_CHANGE_CAUGHT_UP], 1);
    assert_int_equal(c.told[PROJ_CHANGE_FELL_BEHIND], 0);
    /* Who begins to watch finds in the view, after the first, what was in the log before. */
    say(&w, "k4", 3);
    struct client other = {0};
    assert_int_equal(watch(&other, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    assert_int_equal(other.told[PROJ_CHANGE_CAUGHT_UP], 0);
    run_under_load(&w, "k2", &other.told[PROJ_CHANGE_CAUGHT_UP], 1, 20000);
    assert_int_equal(other.told[PROJ_CHANGE_CAUGHT_UP], 1);
    world_check_rows(&w, "SELECT sum FROM keys WHERE k = 'k4'", "3\n");
    proj_unwatch(other.watching);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK);
    say(&w, "k1", 7);
    say(&w, "k3", 9);
    world_run(&w, 3000);
    assert_int_equal(c.told[PROJ_CHANGE_FELL_BEHIND], 1);
    assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
    run_under_load(&w, "k2", &c.told[PROJ_CHANGE_CAUGHT_UP], 2, 20000);
    assert_int_equal(c.told[PROJ_CHANGE_CAUGHT_UP], 2);
    assert_string_equal(c.rows[1], "{\"k\":\"k1\",\"count\":2,\"sum\":12,\"last\":7}");
    assert_string_equal(c.rows[3], "{\"k\":\"k3\",\"count\":1,\"sum\":9,\"last\":9}");
    assert_int_equal(c.told[PROJ_CHANGE_FELL_BEHIND], 1);
    proj_unwatch(c.watching);
    world_deinit(&w);
}

/* Who follows is told once that it does not go on, when that has been so for a while; and when it
 * has. */
TEST_ON_BOTH(watch_tells_that_a_projection_fell_behind)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct client c = {0};
    worst_config_good(&cfg, 1);
    begin(&w, &cfg, 1, 1);
    say(&w, "k1", 5);
    world_until(&w, world_settled, 60000);
    assert_int_equal(watch(&c, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    now_client = &c;
    world_until(&w, client_caught_up, 60000);
    assert_int_equal(c.told[PROJ_CHANGE_CAUGHT_UP], 1);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK);
    world_run(&w, 5000); /* it is not behind anything */
    assert_int_equal(c.told[PROJ_CHANGE_FELL_BEHIND], 0);
    say(&w, "k1", 7);
    world_run(&w, FEED_BEHIND_NS / 1000000 - 200);
    assert_int_equal(c.told[PROJ_CHANGE_FELL_BEHIND], 0);
    world_run(&w, 600);
    assert_int_equal(c.told[PROJ_CHANGE_FELL_BEHIND], 1);
    assert_int_equal(c.lag_events, 1);
    assert_false(c.caught_up);
    say(&w, "k2", 1);
    world_run(&w, 10000); /* not again */
    assert_int_equal(c.told[PROJ_CHANGE_FELL_BEHIND], 1);
    assert_int_equal(c.told[PROJ_CHANGE_CAUGHT_UP], 1);
    assert_int_equal(c.told[PROJ_CHANGE_CHECKPOINT], 0);
    assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
    world_until(&w, client_caught_up, 60000);
    assert_int_equal(c.told[PROJ_CHANGE_UPSERT], 2);
    assert_int_equal(c.told[PROJ_CHANGE_CAUGHT_UP], 2);
    assert_int_equal(c.told[PROJ_CHANGE_FELL_BEHIND], 1);
    assert_int_equal(c.told[PROJ_CHANGE_RESET], 0);
    proj_unwatch(c.watching);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* A filter tells what comes in and what goes out of it, and nothing of other keys. */
TEST_WORLD_ON_BOTH(watch_filters)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct client c = {0};
    const struct proj_filter filters[] = {{STR_LIT("k"), PROJ_NE, STR_LIT("k3")},
                                          {STR_LIT("sum"), PROJ_LT, STR_LIT("10")}};
    const struct proj_filter bad[] = {{STR_LIT("k"), PROJ_LT, STR_LIT("k3")}};
    const struct proj_filter none[] = {{STR_LIT("summ"), PROJ_EQ, STR_LIT("1")}};
    worst_config_good(&cfg, 1);
    begin(&w, &cfg, 1, 1);
    world_until(&w, world_settled, 60000);
    assert_int_equal(watch(&c, &w, 0, "keys", bad, 1, &ec), ERR_INVALID_REQUEST);
    assert_int_equal(watch(&c, &w, 0, "keys", none, 1, &ec), ERR_INVALID_REQUEST);
    assert_non_null(strstr(ec.hint, "sum"));
    assert_int_equal(watch(&c, &w, 0, "keys", filters, 2, &ec), ERR_OK);
    say(&w, "k3", 1);
    world_run(&w, 2000);
    assert_int_equal(c.told[PROJ_CHANGE_UPSERT] + c.told[PROJ_CHANGE_DELETE], 0);
    say(&w, "k4", 9);
    world_run(&w, 2000);
    assert_int_equal(c.told[PROJ_CHANGE_UPSERT], 1);
    say(&w, "k4", 9);
    world_run(&w, 2000);
    assert_int_equal(c.told[PROJ_CHANGE_DELETE], 1);
    assert_string_equal(c.last, "{\"k\":\"k4\"} gone");
    proj_unwatch(c.watching);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* A key of another type than its column is told as it is stored, also when its row is gone. */
TEST_WORLD_ON_BOTH(watch_tells_deleted_keys_as_they_were_stored)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct client c = {0};
    const struct proj_filter filters[] = {{STR_LIT("id"), PROJ_EQ, STR_LIT("7")},
                                          {STR_LIT("nr"), PROJ_EQ, STR_LIT("8")}};
    static const char format[] =
        "projection: lives\nversion: 1\nsource: { topics: [events] }\ntarget: \"%s\"\n"
        "tables:\n  lives: { columns: { id: text, nr: integer }, key: [id, nr] }\n"
        "maps:\n"
        "  - { type: Added, upsert: { table: lives, key: { id: /data/n, nr: /data/nr } } }\n"
        "  - { type: Gone, delete: { table: lives, key: { id: /data/n, nr: /data/nr } } }\n";
    char text[1024];
    worst_config_good(&cfg, 1);
    begin(&w, &cfg, 1, 1);
    (void)snprintf(text, sizeof(text), format, w.target[0] == 0 ? "sqlite:l.db" : w.target);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    for (int i = 0; i < 100 && c.watching == NULL; i++) {
        world_run(&w, 100);
        IGNORE(watch(&c, &w, 0, "lives", filters, 2, &ec) == ERR_OK);
    }
    assert_non_null(c.watching);
    (void)worst_produce(w.log, "events", 1, STR_LIT("k1"),
                        STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":7,\"nr\":\"8\"}}"), 1);
    world_run(&w, 2000);
    assert_string_equal(c.last, "{\"id\":\"7\",\"nr\":8} {\"id\":\"7\",\"nr\":8}");
    (void)worst_produce(w.log, "events", 1, STR_LIT("k1"),
                        STR_LIT("{\"eventType\":\"Gone\",\"data\":{\"n\":7,\"nr\":\"8\"}}"), 2);
    world_run(&w, 2000);
    assert_int_equal(c.told[PROJ_CHANGE_DELETE], 1);
    assert_string_equal(c.last, "{\"id\":\"7\",\"nr\":8} gone");
    proj_unwatch(c.watching);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* Who does not take what he is told is told that he was too slow, and ends; the others go on. */
TEST_WELL_BEHAVED(watch_ends_the_slow_by_name, "many events: at its worst, minutes")
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct client slow = {.room = 1};
    struct client fast = {0};
    worst_config_good(&cfg, 1);
    begin(&w, &cfg, 1, 1);
    world_until(&w, world_settled, 60000);
    assert_int_equal(watch(&slow, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    assert_int_equal(watch(&fast, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    for (int i = 0; i < 400 && !slow.ended; i++) {
        for (int k = 0; k < 250; k++) {
            char key[16];
            char value[200];
            (void)snprintf(key, sizeof(key), "x%d", i * 250 + k);
            (void)snprintf(value, sizeof(value), "{\"eventType\":\"Added\",\"data\":{\"n\":1}}");
            (void)worst_produce(w.log, "events", k % WORLD_PARTS, str_of(key), str_of(value), 1);
        }
        world_until(&w, world_settled, 60000);
    }
    assert_true(slow.ended);
    assert_int_equal(slow.err, ERR_LIMIT);
    assert_false(fast.ended);
    proj_unwatch(fast.watching);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* A new version is told of; its rows are then. A projection that is removed ends the watch. */
TEST_WORLD_ON_BOTH(watch_tells_of_a_switch_and_of_the_end)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct client c = {0};
    struct client own = {0};
    const struct proj_filter most[] = {{STR_LIT("most"), PROJ_GE, STR_LIT("0")}};
    char text[2048];
    worst_config_good(&cfg, 1);
    begin(&w, &cfg, 1, 1);
    world_say(&w, 50, 0);
    world_until(&w, world_settled, 60000);
    assert_int_equal(watch(&c, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    assert_int_equal(
        world_command(&w, PROJ_APPLY, world_definition(&w, 2, text, sizeof(text)), &ec), ERR_OK);
    for (int i = 0; i < 1000 && c.told[PROJ_CHANGE_SWITCHED] == 0; i++) {
        world_run(&w, 100);
    }
    assert_int_equal(c.told[PROJ_CHANGE_SWITCHED], 1);
    assert_true(c.stale);
    read_view(&c, 0);
    world_run(&w, 3000);
    assert_true(c.caught_up);
    /* Its own SQL changes rows of which nobody knows the keys. */
    assert_int_equal(watch(&own, &w, 0, "keys", most, 1, &ec), ERR_OK);
    size_t resets = c.told[PROJ_CHANGE_RESET];
    say(&w, "k1", 999);
    world_run(&w, 3000);
    assert_int_equal(c.told[PROJ_CHANGE_RESET], resets + 1);
    assert_true(c.stale);
    assert_true(c.caught_up);
    assert_non_null(strstr(c.last, "\"most\":999"));
    /* The way back: a filter on a column that is gone cannot go on. */
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_OK);
    world_run(&w, 1000);
    assert_int_equal(c.told[PROJ_CHANGE_SWITCHED], 2);
    assert_true(own.ended);
    assert_int_equal(own.err, ERR_INVALID_REQUEST);
    /* The same again in new tables, which its readers are told to read. */
    assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
    say(&w, "k2", 3);
    for (int i = 0; i < 1000 && c.told[PROJ_CHANGE_SWITCHED] == 2; i++) {
        world_run(&w, 100);
    }
    assert_int_equal(c.told[PROJ_CHANGE_SWITCHED], 3);
    read_view(&c, 0);
    say(&w, "k2", 4);
    world_run(&w, 3000);
    assert_non_null(strstr(c.last, "\"last\":4"));
    check_copy(&c);
    assert_int_equal(world_command(&w, PROJ_REMOVE, NULL, &ec), ERR_OK);
    world_run(&w, 1000);
    assert_true(c.ended);
    assert_int_equal(c.err, ERR_NOT_FOUND);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* A row was read, and rows were changed by something of which no key is known, before it was told:
 * it is told before the reset. Behind it, it would go over what the view is read for. */
TEST_WORLD(watch_tells_what_it_has_read_before_a_reset)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct client c = {0};
    worst_config_good(&cfg, 1);
    begin(&w, &cfg, 1, 1);
    say(&w, "k1", 5);
    world_until(&w, world_settled, 60000);
    assert_int_equal(watch(&c, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    world_run(&w, 2000);
    memset(c.told, 0, sizeof(c.told));
    struct projection *pr =
        CONTAINER_OF(w.nodes[0].proj->projections.next, struct projection, link);
    const struct mapping_value key = {.kind = MAPPING_TEXT, .text = STR_LIT("k1")};
    struct change change = {.table = 0, .position = 1, .index = 0, .key = &key};
    const struct changes by_key = {.list = &change, .count = 1};
    const struct changes by_sql = {.unknown = 1};
    feed_committed(pr, run_find(pr, 1), &by_key);
    assert_true(pr->feed->reading.busy);
    feed_committed(pr, run_find(pr, 1), &by_sql);
    feed_gap(pr, run_find(pr, 1));
    assert_int_equal(c.told[PROJ_CHANGE_RESET], 0);
    world_run(&w, 500);
    assert_int_equal(c.told[PROJ_CHANGE_UPSERT], 1);
    assert_int_equal(c.told[PROJ_CHANGE_RESET], 1);
    assert_int_equal(c.rows_after_reset, 0);
    proj_unwatch(c.watching);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* A key is tried again, and the connection is lost: it may be applied. No checkpoint would tell. */
TEST_WORLD(watch_is_reset_when_the_outcome_of_a_retry_is_unknown)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct client c = {0};
    server_on_postgres = true;
    worst_config_good(&cfg, 1);
    begin(&w, &cfg, 1, 1);
    server_on_postgres = false;
    (void)worst_produce(w.log, "events", 0, STR_LIT("k0"),
                        STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":\"x\"}}"), 1);
    world_until(&w, world_settled, 60000);
    assert_int_equal(watch(&c, &w, 0, "keys", NULL, 0, &ec), ERR_OK);
    world_run(&w, 2000);
    assert_int_equal(world_command(&w, PROJ_RETRY_KEY, "k0", &ec), ERR_MALFORMED);
    assert_int_equal(c.told[PROJ_CHANGE_RESET], 0);
    server_end_connections();
    assert_int_equal(world_command(&w, PROJ_RETRY_KEY, "k0", &ec), ERR_CLOSED);
    assert_true(strncmp(ec.text, "it is not known whether that was done: ", 39) == 0);
    assert_non_null(strstr(ec.hint, "leat projection parked sums"));
    world_run(&w, 5000);
    assert_int_equal(c.told[PROJ_CHANGE_RESET], 1);
    proj_unwatch(c.watching);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* Two processes on the worst engine, killed at any moment: the copy is the view in the end. */
TEST_ON_BOTH(watch_on_the_worst_engine_ends_with_what_the_view_has)
{
    size_t told = 0;
    for (uint64_t seed = 1; seed <= server_seeds(25); seed++) {
        struct world w;
        struct worst_config cfg;
        struct ectx ec;
        struct client c = {0};
        worst_config_bad(&cfg, seed);
        begin(&w, &cfg, seed, 1);
        unsigned bad_in = seed % 3 == 0 ? 150 : 0;
        for (int round = 0; round < 12; round++) {
            world_say(&w, 1 + world_random(&w, 60), bad_in);
            size_t node = world_random(&w, WORLD_NODES);
            if (w.nodes[node].proj == NULL) {
                world_up(&w, node);
            } else if (world_random(&w, 3) == 0) {
                world_kill(&w, node);
            }
            if (c.watching == NULL && w.nodes[0].proj != NULL &&
                watch(&c, &w, 0, "keys", NULL, 0, &ec) == ERR_OK && c.id[0] == 0) {
                c.stale = true;
            }
            uint64_t steps = world_random(&w, 4000);
            for (uint64_t i = 0; i < steps; i++) {
                world_step(&w);
            }
            if (c.stale && c.watching != NULL) {
                read_view(&c, 0);
            }
        }
        if (w.nodes[0].proj == NULL) {
            world_up(&w, 0);
        }
        world_kill(&w, 1); /* what it owns would not be seen */
        worst_config_good(&cfg, seed);
        worst_log_set(w.log, &cfg);
        for (int i = 0; i < 10000 && c.watching == NULL; i++) {
            bool first = c.id[0] == 0;
            if (watch(&c, &w, 0, "keys", NULL, 0, &ec) == ERR_OK) {
                c.stale = c.stale || first;
            }
            world_run(&w, 10);
        }
        now_client = &c;
        world_until(&w, client_caught_up, 600000);
        world_run(&w, 2000);
        while (c.stale) {
            read_view(&c, 0);
            world_run(&w, 2000);
        }
        world_until(&w, client_caught_up, 600000);
        check_copy(&c);
        told += c.told[PROJ_CHANGE_UPSERT];
        world_deinit(&w);
    }
    assert_true(told > (server_on_postgres ? 0 : 100)); /* not only resets */
}
