/* Processes on the worst engine and the model of their tables; see world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "core/log.h"
#include "core/map.h"
#include "record/record.h"
#include "server.h"

uint64_t world_worst;

uint64_t world_worst_seeds(void)
{
#ifdef __SANITIZE_THREAD__
    return 1;
#else
    const char *tier = getenv("LEAT_TIER");
    return tier != NULL && strcmp(tier, "gate") == 0 ? 2 : 1;
#endif
}

static void node_world(struct world_node *n, uint64_t seed)
{
    const struct env_sim_config sim = {.seed = seed, .slow_jobs = true};
    assert_int_equal(env_sim_create(&sim, &n->env), ERR_OK);
    assert_int_equal(env_poll_create(n->env, &n->poll, NULL), ERR_OK);
}

void world_init(struct world *w, uint64_t seed, const struct worst_config *cfg)
{
    memset(w, 0, sizeof(*w));
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    const struct env_sim_config sim = {.seed = seed};
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    w->rng = seed * 2654435761u + 1;
    struct worst_config worst;
    if (world_worst != 0 && server_on_postgres) {
        world_worst = world_worst_seeds(); /* each step is a real one: one seed */
    }
    worst_config_bad(&worst, seed * 1000 + world_worst);
    w->log = worst_log_create(w->env, world_worst != 0 ? &worst : cfg);
    snprintf(w->dir, sizeof(w->dir), "%s", test_dir());
    snprintf(w->db, sizeof(w->db), "%s/views.db", w->dir);
    if (server_on_postgres) {
        server_schema(w->target, sizeof(w->target));
    }
    w->lanes_lag = 5;
    for (size_t i = 0; i < WORLD_NODES; i++) {
        w->nodes[i].w = w;
    }
}

void world_deinit(struct world *w)
{
    for (size_t i = 0; i < WORLD_NODES; i++) {
        world_kill(w, i);
    }
    map_deinit(&w->appended);
    worst_log_destroy(w->log);
    env_poll_destroy(w->poll);
    env_destroy(w->env);
}

uint64_t world_random(struct world *w, uint64_t below)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return w->rng % below;
}

/* The event store's place: keeps ids, knows them again, and is sometimes busy. */
static void append(void *ctx, struct proj_action *action)
{
    struct world_node *n = ctx;
    assert_null(n->append); /* one after the other */
    n->append = action;
}
static void append_finish(struct world_node *n, bool told)
{
    struct proj_action *action = n->append;
    struct world *w = n->w;
    if (action == NULL || (told && w->appends_held)) {
        return;
    }
    n->append = NULL;
    bool busy = world_random(w, 4) == 0 && !w->appends_good;
    if (!busy) {
        w->again += map_get(&w->appended, action->id) != NULL;
        assert_true(map_put(&w->appended, action->id, w));
        w->appends++;
    }
    if (told) {
        action->err = busy ? ERR_AGAIN : ERR_OK;
        action->done(action);
    }
}

static void ready(void *ctx, enum err e, const struct ectx *ec)
{
    struct world_node *n = ctx;
    if (e != ERR_OK) {
        fail_msg("not ready: %s", ec->text);
    }
    n->ready = true;
}

void world_up(struct world *w, size_t node)
{
    struct world_node *n = &w->nodes[node];
    assert_null(n->proj);
    node_world(n, world_random(w, 1u << 30) + 1);
    n->engine = worst_engine_create(w->log, n->poll);
    n->metrics = metrics_create();
    const struct proj_config config = {.engine = n->engine,
                                       .metrics = n->metrics,
                                       .dir = w->dir,
                                       .append = append,
                                       .append_ctx = n,
                                       .upcasts = w->upcasts,
                                       .lanes_lag = w->lanes_lag,
                                       .check_ns = w->check_ns,
                                       .parked_max = w->parked_max};
    struct ectx ec;
    assert_int_equal(proj_create(&config, &n->proj, &ec), ERR_OK);
    n->ready = false;
    n->stopped = false;
    proj_start(n->proj, ready, n);
}

static void node_free(struct world_node *n)
{
    engine_destroy(n->engine);
    metrics_destroy(n->metrics);
    env_poll_destroy(n->poll);
    env_destroy(n->env);
    n->proj = NULL;
}

void world_kill(struct world *w, size_t node)
{
    struct world_node *n = &w->nodes[node];
    if (n->proj == NULL) {
        return;
    }
    append_finish(n, false); /* perhaps it was stored, and nobody heard of it */
    worst_kill(n->engine);
    env_sim_process_kill(n->env);
    proj_destroy(n->proj);
    node_free(n);
}

static void stopped(void *ctx)
{
    struct world_node *n = ctx;
    n->stopped = true;
}
void world_stop(struct world *w, size_t node)
{
    struct world_node *n = &w->nodes[node];
    proj_stop(n->proj, stopped, n);
    /* Without a tick: the loop only waits for what is under way. */
    w->ticked_ns = UINT64_MAX / 2;
    for (int i = 0; i < 100000 && !n->stopped; i++) {
        world_step(w);
    }
    w->ticked_ns = env_mono_ns(w->env);
    assert_true(n->stopped);
    proj_destroy(n->proj);
    node_free(n);
}

/* A database may take long, or not answer: no job of a projection is on a lane of the log. */
static void check_lanes(struct env *env)
{
    for (unsigned i = 0; i < ENV_LANE_COUNT; i++) {
        assert_true(i == ENV_LANE_SQL || i == ENV_LANE_QUERY || env_sim_jobs(env, i) == 0);
    }
}

void world_step(struct world *w)
{
    uint64_t now = env_mono_ns(w->env);
    size_t k = world_random(w, WORLD_NODES + 1);
    if (k < WORLD_NODES) {
        if (w->nodes[k].proj != NULL) {
            check_lanes(w->nodes[k].env);
            (void)env_sim_step(w->nodes[k].env);
            if (world_random(w, 8) == 0) {
                append_finish(&w->nodes[k], true);
            }
        }
    } else {
        (void)worst_step(w->log, now + 1000000);
    }
    if (now >= w->ticked_ns + 100000000u) {
        w->ticked_ns = now;
        for (size_t i = 0; i < WORLD_NODES; i++) {
            if (w->nodes[i].proj != NULL) {
                proj_tick(w->nodes[i].proj);
            }
        }
    }
}

static uint64_t until_ns(const struct world *w, uint64_t ms)
{
    return env_mono_ns(w->env) + ms * 1000000 * (world_worst != 0 ? 10 : 1);
}

void world_run(struct world *w, uint64_t ms)
{
    const uint64_t until = until_ns(w, ms);
    while (env_mono_ns(w->env) < until) {
        world_step(w);
    }
}

void world_until(struct world *w, bool (*done)(struct world *w), uint64_t ms)
{
    const uint64_t until = until_ns(w, ms);
    while (!done(w)) {
        if (env_mono_ns(w->env) >= until) {
            struct arena a;
            arena_init(&a, 1u << 20);
            struct proj_status s = world_status(w, 0, &a);
            struct proj_version_status *v = s.version_count == 0 ? NULL : &s.versions[0];
            fail_msg("it does not settle: served %u, versions %zu, state %s, lag %llu, error %.*s",
                     s.served, s.version_count, v == NULL ? "-" : proj_state_name(v->state),
                     v == NULL ? 0ull : (unsigned long long)v->lag_events,
                     v == NULL ? 0 : (int)v->error.n, v == NULL ? "" : v->error.p);
        }
        world_step(w);
    }
}

void world_say(struct world *w, size_t count, unsigned bad_in)
{
    for (size_t i = 0; i < count; i++) {
        char key[16];
        char value[160];
        uint64_t k = world_random(w, WORLD_KEYS);
        uint64_t n = world_random(w, 1000);
        bool bad = bad_in != 0 && world_random(w, bad_in) == 0;
        snprintf(key, sizeof(key), "k%llu", (unsigned long long)k);
        snprintf(value, sizeof(value), "{\"eventType\":\"Added\",\"data\":{\"n\":%s%llu%s}}",
                 bad ? "\"x" : "", (unsigned long long)n, bad ? "\"" : "");
        (void)worst_produce(w->log, "events", (int32_t)(k % WORLD_PARTS), str_of(key),
                            str_of(value), env_wall_ms(w->env));
    }
}

const char *world_definition(struct world *w, uint32_t version, char *out, size_t size)
{
    snprintf(
        out, size,
        "projection: sums\n"
        "version: %u\n"
        "keep: %s\n"
        "source: { topics: [events] }\n"
        "target: \"%s\"\n"
        "key: $key\n"
        "tables:\n"
        "  keys:\n"
        "    columns: { k: text, count: integer, sum: integer, last: integer%s }\n"
        "    key: k\n"
        "    indexes: [ sum ]\n"
        "  totals:\n"
        "    columns: { id: text, count: integer, sum: integer }\n"
        "    key: id\n"
        "maps:\n"
        "  - type: Added\n"
        "    increment:\n"
        "      - { table: keys, key: { k: $key }, by: { count: 1, sum: /data/n }, set: { last: "
        "/data/n } }\n"
        "      - { table: totals, key: { id: \"'all'\" }, by: { count: 1, sum: /data/n } }\n"
        "%s",
        version, w->keep == NULL ? "24h" : w->keep,
        w->target[0] == 0 ? "sqlite:views.db" : w->target, version == 2 ? ", most: integer" : "",
        version == 2
            ? w->target[0] == 0
                  ? "    sql:\n"
                    "      statement: UPDATE {keys} SET most = MAX(COALESCE(most, 0), :n) WHERE k "
                    "= :k\n"
                    "      bind: { n: /data/n, k: $key }\n"
                  : "    sql:\n"
                    "      statement: UPDATE {keys} SET most = GREATEST(COALESCE(most, 0), :n) "
                    "WHERE k = :k\n"
                    "      bind: { n: /data/n, k: $key }\n"
            : "");
    if (w->actions) {
        (void)strncat(out,
                      "  - type: Added\n"
                      "    when: /data/n > 500\n"
                      "    live_only: { name: big, stream: \"'notice-{$key}'\", type: "
                      "\"'Noticed'\", data: { n: /data/n, of: $key } }\n",
                      size - strlen(out) - 1);
    }
    return out;
}

struct commanding {
    struct proj_command c;
    bool done;
};
static void commanded(struct proj_command *c)
{
    CONTAINER_OF(c, struct commanding, c)->done = true;
}

static bool is_later(enum err e)
{
    return e == ERR_AGAIN || e == ERR_BUSY || e == ERR_NOT_READY;
}

enum err world_command(struct world *w, enum proj_command_kind kind, const char *text,
                       struct ectx *ec)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    enum err e = ERR_AGAIN;
    for (int attempt = 0; attempt < 200 && is_later(e); attempt++) {
        struct commanding call = {.c = {.kind = kind,
                                        .name = STR_LIT("sums"),
                                        .definition = str_of(text),
                                        .file = STR_LIT("sums.yaml"),
                                        .key = str_of(text),
                                        .for_version = w->for_version,
                                        .arena = &a,
                                        .done = commanded}};
        proj_command(w->nodes[0].proj, &call.c);
        for (int i = 0; i < 1000000 && !call.done; i++) {
            world_step(w);
        }
        assert_true(call.done);
        e = call.c.err;
        *ec = call.c.ec;
        w->why = call.c.why;
        if (is_later(e)) {
            world_run(w, 100);
        }
    }
    arena_deinit(&a);
    return e;
}

struct proj_status world_status(struct world *w, size_t node, struct arena *a)
{
    struct proj_status s = {0};
    if (w->nodes[node].proj != NULL) {
        IGNORE(proj_status(w->nodes[node].proj, STR_LIT("sums"), a, &s) == ERR_OK);
    }
    return s;
}

uint32_t world_served(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    uint32_t v = world_status(w, 0, &a).served;
    arena_deinit(&a);
    return v;
}

bool world_two_is_served(struct world *w)
{
    return world_served(w) == 2;
}

size_t world_versions(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    size_t n = world_status(w, 0, &a).version_count;
    arena_deinit(&a);
    return n;
}

bool world_one_version(struct world *w)
{
    return world_versions(w) == 1;
}

void world_apply(struct world *w, uint32_t version)
{
    char text[2048];
    struct ectx ec;
    enum err e =
        world_command(w, PROJ_APPLY, world_definition(w, version, text, sizeof(text)), &ec);
    if (e != ERR_OK) {
        fail_msg("%s %s", ec.text, ec.hint);
    }
}

const char *world_rows(struct world *w, const char *sql, char *out, size_t size)
{
    const struct target_driver *driver = w->target[0] == 0 ? &target_sqlite : &target_postgres;
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct ectx ec;
    assert_int_equal(driver->load(&l, &ec), ERR_OK);
    assert_int_equal(
        driver->open(l, str_of(w->target[0] == 0 ? w->db : w->target), TARGET_READ_ONLY, &db, &ec),
        ERR_OK);
    base_rows(driver, db, sql, out, size);
    driver->close(db);
    driver->unload(l);
    return out;
}

/* ---- The model: a fold of the log, written by hand */

struct model {
    struct {
        long long count, sum, last;
        bool parked;
    } keys[WORLD_KEYS];
};
static void fold(void *ctx, const struct record *r)
{
    struct model *m = ctx;
    char text[200];
    char key[16];
    long long n = 0;
    snprintf(key, sizeof(key), "%.*s", STR(r->key));
    snprintf(text, sizeof(text), "%.*s", STR(r->value));
    size_t k = (size_t)(key[1] - '0');
    const char *at = strstr(text, "\"n\":");
    if (at[4] == '"') {
        m->keys[k].parked = true;
    }
    if (m->keys[k].parked) {
        return;
    }
    assert_int_equal(sscanf(at + 4, "%lld", &n), 1);
    m->keys[k].count++;
    m->keys[k].sum += n;
    m->keys[k].last = n;
}

void world_change_target(struct world *w, const char *sql)
{
    const struct target_driver *driver = w->target[0] == 0 ? &target_sqlite : &target_postgres;
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct ectx ec;
    assert_int_equal(driver->load(&l, &ec), ERR_OK);
    assert_int_equal(driver->open(l, str_of(w->target[0] == 0 ? w->db : w->target), 0, &db, &ec),
                     ERR_OK);
    if (driver->exec(db, sql, &ec) != ERR_OK) {
        fail_msg("%s: %s", sql, ec.text);
    }
    driver->close(db);
    driver->unload(l);
}

void world_check_rows(struct world *w, const char *sql, const char *want)
{
    char got[4096];
    assert_string_equal(world_rows(w, sql, got, sizeof(got)), want);
}

const char *world_model(struct world *w, char *out, size_t size)
{
    struct model m = {0};
    size_t n = 0;
    out[0] = 0;
    for (int32_t p = 0; p < WORLD_PARTS; p++) {
        (void)worst_each(w->log, "events", p, fold, &m);
    }
    long long count = 0;
    long long sum = 0;
    for (size_t k = 0; k < WORLD_KEYS; k++) {
        count += m.keys[k].count;
        sum += m.keys[k].sum;
        if (m.keys[k].count > 0) {
            n += (size_t)snprintf(out + n, size - n, "k%zu|%lld|%lld|%lld\n", k, m.keys[k].count,
                                  m.keys[k].sum, m.keys[k].last);
        }
    }
    if (count > 0) {
        (void)snprintf(out + n, size - n, "all|%lld|%lld\n", count, sum);
    }
    return out;
}

/* Every partition is somebody's, and nothing of it is left to do. */
bool world_settled(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    bool mine[WORLD_PARTS] = {false};
    for (size_t i = 0; i < WORLD_NODES; i++) {
        struct proj_status s = world_status(w, i, &a);
        for (size_t v = 0; v < s.version_count; v++) {
            for (size_t k = 0; s.versions[v].version == s.served && k < s.versions[v].shard_count;
                 k++) {
                const struct proj_shard_status *shard = &s.versions[v].shards[k];
                if (shard->mine && shard->next_offset >= 0 && shard->lag_events == 0) {
                    mine[shard->partition] = true;
                }
            }
        }
    }
    arena_deinit(&a);
    return mine[0] && mine[1] && mine[2];
}

void world_check(struct world *w, const char *version)
{
    char got[4096];
    char totals[512];
    char want[4096];
    char sql[200];
    snprintf(sql, sizeof(sql), "SELECT k, count, sum, last FROM keys%s ORDER BY k", version);
    world_rows(w, sql, got, sizeof(got));
    snprintf(sql, sizeof(sql), "SELECT id, count, sum FROM totals%s", version);
    strncat(got, world_rows(w, sql, totals, sizeof(totals)), sizeof(got) - strlen(got) - 1);
    assert_string_equal(got, world_model(w, want, sizeof(want)));
}

void world_begin(struct world *w, uint64_t seed, uint64_t check_ns)
{
    struct worst_config cfg;
    worst_config_good(&cfg, seed);
    world_init(w, seed, &cfg);
    w->check_ns = check_ns;
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
}

void world_begin_settled(struct world *w, uint64_t seed)
{
    world_begin(w, seed, 0);
    world_apply(w, 1);
    world_say(w, 50, 0);
    world_until(w, world_settled, 60000);
}
