/* See es_world.h. */
#include "es_world.h"

#include <stdio.h>

#include "core/log.h"

#define DIR "/index"

void es_world_on_ready(void *ctx, enum err e, const struct ectx *ec)
{
    struct es_world *w = ctx;
    w->started = true;
    w->start_err = e;
    w->start_ec = *ec;
}

static void start(struct es_world *w)
{
    struct ectx ec = {.code = ERR_OK};
    w->metrics = metrics_create();
    enum err e = es_create(w->engine, &w->config, w->metrics, DIR, &w->es, &ec);
    if (e != ERR_OK) {
        fail_msg("es_create: %s", ec.text);
    }
    w->started = false;
    es_start(w->es, es_world_on_ready, w);
    es_world_settle(w);
    if (!w->started || w->start_err != ERR_OK) {
        fail_msg("es_start: %s", w->started ? w->start_ec.text : "not ready");
    }
}

void es_world_init(struct es_world *w, uint64_t seed)
{
    const struct env_sim_config sim = {
        .seed = seed, .write_ns = 1000, .sync_ns = 100000, .slow_jobs = seed >= ES_WORLD_SLOW};
    memset(w, 0, sizeof(*w));
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    config_init(&w->config, CONFIG_SCOPE_BROKER);
    arena_init(&w->arena, 64 << 20);
    w->engine = fake_engine_create(w->env, w->poll, seed);
    start(w);
}

static void halt(struct es_world *w)
{
    es_stop(w->es);
    es_world_settle(w);
    es_destroy(w->es);
    metrics_destroy(w->metrics);
    w->es = NULL;
}

void es_world_deinit(struct es_world *w)
{
    halt(w);
    engine_destroy(w->engine);
    config_deinit(&w->config);
    arena_deinit(&w->arena);
    env_poll_destroy(w->poll);
    env_destroy(w->env);
}

void es_world_restart(struct es_world *w, enum es_world_how how)
{
    if (how == ES_WORLD_KILL) {
        env_sim_process_kill(w->env);
    }
    halt(w);
    if (how == ES_WORLD_REBUILD) {
        assert_int_equal(index_discard(w->env, DIR, NULL), ERR_OK);
    }
    env_poll_destroy(w->poll);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    fake_engine_restart(w->engine, w->poll);
    start(w);
}

void es_world_settle(struct es_world *w)
{
    for (int i = 0; i < 100000; i++) {
        if (w->es != NULL) {
            es_tick(w->es);
        }
        if (env_poll_run(w->poll, 0) == 0 && env_job_pending(w->poll) == 0) {
            return;
        }
    }
    fail_msg("does not settle");
}

static void change_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

enum es_problem es_world_change(struct es_world *w, struct es_stream_change *c)
{
    bool done = false;
    c->arena = &w->arena;
    c->done = change_done;
    c->ctx = &done;
    es_stream_change(w->es, c);
    es_world_settle(w);
    assert_true(done);
    return c->problem;
}

void es_world_flush(struct es_world *w)
{
    assert_int_equal(es_covered_tell(w->es, true), ERR_OK);
    es_world_settle(w);
}

/* ---- Appends ---- */

static void shot_done(struct es_append *a)
{
    struct es_shot *s = a->ctx;
    assert_false(s->ended);
    s->ended = true;
}

static struct str kept(struct es_shot *s, const char *z)
{
    return arena_str(&s->arena, str_of(z));
}

void es_shot_add(struct es_shot *s, const char *stream, const char *id, const char *data)
{
    struct es_new_event *x = &s->events[s->a.event_count++];
    envelope_init(&x->envelope);
    x->stream = kept(s, stream);
    x->envelope.type = STR_LIT("Happened");
    if (strcmp(id, "-") != 0) {
        x->envelope.id = kept(s, id);
    }
    x->data = kept(s, data);
}

static void add_ids(struct es_shot *s, const char *stream, const char *ids)
{
    struct str rest = str_of(ids);
    while (rest.n > 0) {
        struct str id = str_cut(rest, ' ', &rest);
        es_shot_add(s, stream, arena_str(&s->arena, id).p, "\"DATA\"");
    }
}

struct es_shot *es_shot_make(const char *stream, const char *expected, const char *ids)
{
    struct es_shot *s = test_calloc(1, sizeof(*s));
    arena_init(&s->arena, 64 << 20);
    s->events = arena_new_n(&s->arena, struct es_new_event, 64);
    s->a.events = s->events;
    s->a.arena = &s->arena;
    s->a.done = shot_done;
    s->a.ctx = s;
    if (expected != NULL) {
        assert_true(es_expected_parse(str_of(expected), &s->expected));
        s->a.expected = &s->expected;
    }
    if (ids != NULL) {
        add_ids(s, stream, ids);
    }
    return s;
}

static struct es_check *new_check(struct es_shot *s)
{
    if (s->a.checks == NULL) {
        s->a.checks = arena_new_n(&s->arena, struct es_check, 16);
    }
    /* The test's own array. */
    return (struct es_check *)(uintptr_t)&s->a.checks[s->a.check_count++];
}

void es_shot_check(struct es_shot *s, const char *stream, const char *expected)
{
    struct es_check *c = new_check(s);
    c->kind = ES_CHECK_STREAM;
    c->stream = kept(s, stream);
    assert_true(es_expected_parse(str_of(expected), &c->expected));
}

static struct str *words(struct es_shot *s, const char *text, size_t *count)
{
    struct str *out = arena_new_n(&s->arena, struct str, 16);
    struct str rest = kept(s, text);
    *count = 0;
    while (rest.n > 0) {
        out[(*count)++] = str_cut(rest, ' ', &rest);
    }
    return out;
}

void es_shot_query(struct es_shot *s, const char *types, const char *tags, struct es_position after)
{
    struct es_check *c = new_check(s);
    struct es_query_item *item = arena_new(&s->arena, struct es_query_item);
    item->types = words(s, types, &item->type_count);
    item->tags = words(s, tags, &item->tag_count);
    c->kind = ES_CHECK_QUERY;
    c->items = item;
    c->item_count = 1;
    c->after = after;
}

void es_shot_tag(struct es_shot *s, size_t event, const char *tags)
{
    s->events[event].tags = words(s, tags, &s->events[event].tag_count);
}

void es_shot_go(struct es_world *w, struct es_shot *s)
{
    es_append(w->es, &s->a);
}

void es_shot_free(struct es_shot *s)
{
    arena_deinit(&s->arena);
    test_free(s);
}

const char *es_shot_said(const struct es_shot *s)
{
    static char out[128];
    const struct es_append *a = &s->a;
    if (!s->ended) {
        return "waits";
    }
    unsigned long long first = a->stream_count > 0 ? a->streams[0].first_revision : 0;
    unsigned long long last = a->stream_count > 0 ? a->streams[0].last_revision : 0;
    switch ((int)a->problem) {
    case ES_OK:
        snprintf(out, sizeof(out), "%s %llu-%llu", a->idempotent ? "same" : "ok", first, last);
        break;
    case ES_REVISION_CONFLICT:
        if (a->exists) {
            snprintf(out, sizeof(out), "conflict %llu", (unsigned long long)a->actual_revision);
        } else {
            snprintf(out, sizeof(out), "conflict none");
        }
        break;
    case ES_EVENT_ID_REUSED:
        snprintf(out, sizeof(out), "reused %llu", (unsigned long long)a->original_revision);
        break;
    case ES_PARTIAL_DUPLICATE:
        snprintf(out, sizeof(out), "partial %llu", (unsigned long long)a->original_revision);
        break;
    default:
        snprintf(out, sizeof(out), "%s", es_problem_code(a->problem));
        break;
    }
    return out;
}

const char *es_world_append(struct es_world *w, const char *stream, const char *expected,
                            const char *ids)
{
    struct es_shot *s = es_shot_make(stream, expected, ids);
    es_shot_go(w, s);
    es_world_settle(w);
    const char *said = es_shot_said(s);
    es_shot_free(s);
    return said;
}
