/* States that folds make of streams, and the snapshots that they keep: one of other rules, or of
 * other upcasts, is never used. */
#include <stdio.h>

#include "core/compiler.h"
#include "es_world.h"

static void on_define(struct es_define *d)
{
    *(bool *)d->ctx = true;
}

static void define(struct es_world *w, enum es_definition_kind kind, const char *name,
                   const char *text)
{
    bool done = false;
    struct es_define d = {.kind = kind,
                          .name = str_of(name),
                          .text = text == NULL ? STR_NULL : str_of(text),
                          .arena = &w->arena,
                          .done = on_define,
                          .ctx = &done};
    es_define(w->es, &d);
    es_world_settle(w);
    assert_true(done);
    if (d.problem != ES_OK) {
        fail_msg("%s", d.ec.text);
    }
}

static void say(struct es_world *w, const char *type, const char *data, int times)
{
    for (int i = 0; i < times; i++) {
        struct es_shot *s = es_shot_make("f-1", "any", NULL);
        es_shot_add(s, "f-1", "-", data);
        s->events[0].envelope.type = str_of(type);
        es_shot_go(w, s);
        es_world_settle(w);
        assert_int_equal(s->a.problem, ES_OK);
        es_shot_free(s);
    }
    es_world_settle(w);
}

static void on_state(struct es_fold_state *s)
{
    *(bool *)s->ctx = true;
}

/* "STATE@revision", "from N" if a snapshot was used, and "without N" if those before N are not in
 * it; or the problem and why. */
static const char *folded_to(struct es_world *w, uint64_t to, char *out, size_t size)
{
    bool done = false;
    struct es_fold_state s = {.stream = STR_LIT("f-1"),
                              .to = to,
                              .until_ns = INT64_MAX,
                              .arena = &w->arena,
                              .done = on_state,
                              .ctx = &done};
    es_fold_state(w->es, &s);
    es_world_settle(w);
    assert_true(done);
    if (s.problem != ES_OK) {
        (void)snprintf(out, size, "%s: %s", es_problem_code(s.problem), s.ec.text);
        return out;
    }
    int n = snprintf(out, size, "%.*s@%llu", STR(s.state), (unsigned long long)s.revision);
    if (s.from_snapshot && n > 0 && (size_t)n < size) {
        n += snprintf(out + n, size - (size_t)n, " from %llu",
                      (unsigned long long)s.snapshot_revision);
    }
    if (s.incomplete_before > 0 && n > 0 && (size_t)n < size) {
        (void)snprintf(out + n, size - (size_t)n, " without %llu",
                       (unsigned long long)s.incomplete_before);
    }
    return out;
}

static const char *folded(struct es_world *w, char *out, size_t size)
{
    return folded_to(w, UINT64_MAX, out, size);
}

/* The snapshot that a read by this schema begins with: "STATE@revision", or "none". */
static void on_page(struct es_read_stream *r)
{
    *(bool *)r->ctx = true;
}

static const char *snapshot_of(struct es_world *w, const char *schema, char *out, size_t size)
{
    bool done = false;
    struct es_read_stream r = {.stream = STR_LIT("f-1"),
                               .to = UINT64_MAX,
                               .until_ns = INT64_MAX,
                               .limit = 100,
                               .limit_bytes = 1u << 20,
                               .snapshot_schema = str_of(schema),
                               .arena = &w->arena,
                               .done = on_page,
                               .ctx = &done};
    es_read_stream(w->es, &r);
    es_world_settle(w);
    assert_true(done);
    assert_int_equal(r.problem, ES_OK);
    if (r.has_snapshot) {
        (void)snprintf(out, size, "%.*s@%llu", STR(r.snapshot.state),
                       (unsigned long long)r.snapshot.revision);
    } else {
        (void)snprintf(out, size, "none");
    }
    es_read_stream_release(w->es, &r);
    return out;
}

static void on_change(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

static enum es_problem change(struct es_world *w, struct es_stream_change c)
{
    bool done = false;
    c.stream = STR_LIT("f-1");
    c.arena = &w->arena;
    c.done = on_change;
    c.ctx = &done;
    es_stream_change(w->es, &c);
    es_world_settle(w);
    assert_true(done);
    return c.problem;
}

static enum es_problem try_snapshot(struct es_world *w, const char *schema, uint64_t revision,
                                    const char *text)
{
    return change(w, (struct es_stream_change){.kind = ES_CHANGE_SNAPSHOT,
                                               .revision = revision,
                                               .schema = str_of(schema),
                                               .state = str_of(text)});
}

static void write_snapshot(struct es_world *w, const char *schema, uint64_t revision,
                           const char *text)
{
    assert_int_equal(try_snapshot(w, schema, revision, text), ES_OK);
}

#define FOLD(by)                                                    \
    "fold: f\ncategory: f\nschema: f-1\nsnapshot_every: 4\nmaps:\n" \
    "  - { type: N.v2, increment: { /n: " by " } }\n"

TEST(a_fold_with_other_rules_does_not_use_the_snapshots_of_the_old_ones)
{
    struct es_world w;
    char got[200];
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    say(&w, "N.v2", "{\"n\":2}", 5);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":10}@4 from 3");
    assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "{\"n\":8}@3");
    /* The schema is the same, the rules are not. */
    define(&w, ES_FOLD, "f", FOLD("/data/n * 10"));
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":100}@4");
    assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "none");
    say(&w, "N.v2", "{\"n\":2}", 4);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":180}@8 from 7");
    assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "{\"n\":160}@7");
    /* And back: what the first rules had folded still is what they fold. */
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":18}@8 from 3");
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":18}@8 from 3");
    es_world_deinit(&w);
}

TEST(a_fold_with_other_upcasts_does_not_use_the_snapshots_of_the_old_ones)
{
    struct es_world w;
    char got[200];
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    say(&w, "N.v1", "{\"m\":2}", 3);
    say(&w, "N.v2", "{\"n\":3}", 2);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":6}@4 from 3");
    define(&w, ES_UPCASTS, "u", "upcasts: [ { from: N.v1, to: N.v2, rename: { /data/m: n } } ]\n");
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":12}@4");
    assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "none");
    /* Of what does not matter to it, it keeps them. */
    say(&w, "N.v2", "{\"n\":1}", 4);
    define(&w, ES_UPCASTS, "o", "upcasts: [ { from: O.v1, to: O.v2 } ]\n");
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":16}@8 from 7");
    /* Another file takes its events further, and away. */
    define(&w, ES_UPCASTS, "v", "upcasts: [ { from: N.v2, to: N.v3 } ]\n");
    assert_string_equal(folded(&w, got, sizeof(got)), "{}@8");
    define(&w, ES_UPCASTS, "v", NULL);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":16}@8 from 7");
    es_world_deinit(&w);
}

TEST(a_fold_that_says_nothing_has_a_snapshot_every_hundred_events)
{
    struct es_world w;
    char got[200];
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f",
           "fold: f\ncategory: f\nschema: f-1\n"
           "maps: [ { type: N.v2, increment: { /n: /data/n } } ]\n");
    say(&w, "N.v2", "{\"n\":2}", 99);
    assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "none");
    say(&w, "N.v2", "{\"n\":2}", 1);
    assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "{\"n\":200}@99");
    say(&w, "N.v2", "{\"n\":2}", 99);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":398}@198 from 99");
    say(&w, "N.v2", "{\"n\":2}", 1);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":400}@199 from 199");
    es_world_deinit(&w);
}

/* The schema is its owner's: what clients write under it is theirs, and no state of the fold. */
TEST(a_clients_snapshot_of_the_schema_is_the_clients)
{
    struct es_world w;
    char got[200];
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    say(&w, "N.v2", "{\"n\":2}", 6);
    write_snapshot(&w, "f-1", 2, "\"mine\"");
    assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "{\"n\":8}@3"); /* the newer */
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":12}@5 from 3");
    write_snapshot(&w, "f-1", 4, "\"mine\"");
    assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "\"mine\"@4");
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":12}@5 from 3");
    define(&w, ES_FOLD, "f", FOLD("/data/n + 1"));
    assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "\"mine\"@4");
    define(&w, ES_FOLD, "f", NULL);
    assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "\"mine\"@4");
    es_world_deinit(&w);
}

/* Under the tag of a fold's own snapshots nobody writes but the server, whatever is declared. */
TEST(a_client_writes_no_snapshot_under_a_folds_own_tag)
{
    struct es_world w;
    char got[200];
    bool done = false;
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    say(&w, "N.v2", "{\"n\":2}", 3);
    struct es_fold_state s = {.stream = STR_LIT("f-1"),
                              .to = UINT64_MAX,
                              .until_ns = INT64_MAX,
                              .arena = &w.arena,
                              .done = on_state,
                              .ctx = &done};
    es_fold_state(w.es, &s);
    es_world_settle(&w);
    assert_true(done);
    assert_int_equal(s.problem, ES_OK);
    assert_int_equal(try_snapshot(&w, s.schema.p, 2, "{\"n\":\"forged\"}"), ES_INVALID);
    define(&w, ES_FOLD, "f", NULL);
    assert_int_equal(try_snapshot(&w, s.schema.p, 2, "{\"n\":500}"), ES_INVALID);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":6}@2");
    write_snapshot(&w, "f-1-0123456789abcde", 2, "1");
    write_snapshot(&w, "f-1-0123456789ABCDEF", 2, "1");
    write_snapshot(&w, "0123456789abcdef", 2, "1");
    es_world_deinit(&w);
}

/* What is folded of a truncated stream says what is not in it; a snapshot made of it, too. */
TEST(a_state_says_which_events_are_not_in_it)
{
    struct es_world w;
    char got[200];
    es_world_init(&w, 1);
    say(&w, "N.v2", "{\"n\":2}", 3);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":6}@2");
    assert_int_equal(
        change(&w, (struct es_stream_change){.set_truncate_before = true, .truncate_before = 2}),
        ES_OK);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":2}@2 without 2");
    assert_string_equal(folded_to(&w, 1, got, sizeof(got)), "{}@0 without 2");
    say(&w, "N.v2", "{\"n\":2}", 2);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":6}@4 from 3 without 2");
    /* What the snapshot has is not missed; what it no longer joins is. */
    assert_int_equal(
        change(&w, (struct es_stream_change){.set_truncate_before = true, .truncate_before = 4}),
        ES_OK);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":6}@4 from 3 without 2");
    assert_int_equal(
        change(&w, (struct es_stream_change){.set_truncate_before = true, .truncate_before = 5}),
        ES_OK);
    assert_string_equal(folded(&w, got, sizeof(got)), "{}@0 without 5");
    /* Another life of the stream begins anew. */
    assert_int_equal(change(&w, (struct es_stream_change){.kind = ES_CHANGE_SOFT_DELETE}), ES_OK);
    say(&w, "N.v2", "{\"n\":2}", 1);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":2}@5");
    es_world_restart(&w, ES_WORLD_REBUILD);
    say(&w, "N.v2", "{\"n\":2}", 3);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":8}@8 from 7");
    assert_int_equal(
        change(&w, (struct es_stream_change){.set_truncate_before = true, .truncate_before = 7}),
        ES_OK);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":8}@8 from 7");
    es_world_deinit(&w);
}

/* Deleted and begun again while it is folded, after so many turns of the loop: a state is of the
 * life before, or of the one after. Says which it was. */
static void fold_over_two_lives(struct es_world *w, size_t turns, bool *first, bool *second)
{
    enum { EVENTS = 3, BYTES = 900000 }; /* two of them are a page */
    char got[200], want[2][200];
    char *data = test_malloc(BYTES + 1);
    const int n = snprintf(data, BYTES, "{\"n\":1,\"pad\":\"");
    memset(data + n, 'x', BYTES - (size_t)n);
    memcpy(data + BYTES - 2, "\"}", 3);
    say(w, "N.v2", data, EVENTS);
    test_free(data);
    (void)snprintf(want[0], sizeof(want[0]), "%s", folded(w, got, sizeof(got)));
    assert_true(str_starts(str_of(got), "{\"n\":3}@"));
    bool done = false, deleted = false;
    struct es_fold_state s = {.stream = STR_LIT("f-1"),
                              .to = UINT64_MAX,
                              .until_ns = INT64_MAX,
                              .arena = &w->arena,
                              .done = on_state,
                              .ctx = &done};
    es_fold_state(w->es, &s);
    for (size_t i = 0; i < turns; i++) {
        env_poll_run(w->poll, 0);
    }
    struct es_stream_change c = {.kind = ES_CHANGE_SOFT_DELETE,
                                 .stream = STR_LIT("f-1"),
                                 .arena = &w->arena,
                                 .done = on_change,
                                 .ctx = &deleted};
    es_stream_change(w->es, &c);
    say(w, "N.v2", "{\"n\":100}", 1);
    assert_true(done && deleted);
    assert_int_equal(c.problem, ES_OK);
    if (s.problem == ES_STREAM_DELETED) {
        return;
    }
    assert_int_equal(s.problem, ES_OK);
    (void)snprintf(got, sizeof(got), "%.*s@%llu", STR(s.state), (unsigned long long)s.revision);
    (void)folded(w, want[1], sizeof(want[1]));
    assert_true(str_starts(str_of(want[1]), "{\"n\":100}@"));
    *first = *first || strcmp(got, want[0]) == 0;
    *second = *second || strcmp(got, want[1]) == 0;
    if (strcmp(got, want[0]) != 0) {
        assert_string_equal(got, want[1]);
    }
}

TEST(a_state_is_of_one_life_of_its_stream)
{
    struct es_world w;
    bool first = false, second = false;
    es_world_init(&w, 1);
    fake_engine_set_late(w.engine, 1);
    fake_engine_set_codec(w.engine, RECORD_CODEC_ZSTD);
    define(&w, ES_FOLD, "f",
           "fold: f\ncategory: f\nsnapshot_every: 0\n"
           "maps: [ { type: '*', increment: { /n: /data/n } } ]\n");
    for (size_t turns = 0; turns < 24; turns++) {
        fold_over_two_lives(&w, turns, &first, &second);
        assert_int_equal(change(&w, (struct es_stream_change){.kind = ES_CHANGE_SOFT_DELETE}),
                         ES_OK);
    }
    assert_true(first && second);
    es_world_deinit(&w);
}

TEST(a_state_says_which_events_were_too_old_for_it)
{
    struct es_world w;
    char got[200];
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    say(&w, "N.v2", "{\"n\":2}", 2);
    env_sim_advance_ns(w.env, 30000000000u);
    say(&w, "N.v2", "{\"n\":2}", 1);
    assert_int_equal(
        change(&w, (struct es_stream_change){.set_max_age = true, .max_age_ms = 25000}), ES_OK);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":2}@2 without 2");
    say(&w, "N.v2", "{\"n\":2}", 2);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":6}@4 from 3 without 2");
    env_sim_advance_ns(w.env, 30000000000u);
    say(&w, "N.v2", "{\"n\":2}", 1);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":6}@5 from 3 without 5");
    es_world_deinit(&w);
}

#define LISTS                                                \
    "fold: f\ncategory: f\nschema: f-1\nsnapshot_every: 4\n" \
    "maps: [ { type: '*', append: { /all: /data/n } } ]\n"

/* The promise of a redaction: no snapshot that the server makes by itself shows the data again. The
 * redaction is on its way while the stream is folded: it is before the snapshot in the log. */
TEST(a_redaction_while_a_stream_is_folded_leaves_no_snapshot_with_the_data)
{
    size_t waited = 0;
    for (uint64_t seed = 1; seed < 30; seed++) {
        struct es_world w;
        char got[200];
        bool done = false;
        const struct str field = STR_LIT("/n");
        es_world_init(&w, seed);
        define(&w, ES_FOLD, "f", LISTS);
        say(&w, "N", "{\"n\":2}", 3);
        struct es_shot *s = es_shot_make("f-1", "any", NULL);
        es_shot_add(s, "f-1", "-", "{\"n\":2}");
        es_shot_go(&w, s);
        while (!s->ended) {
            assert_true(env_poll_run(w.poll, 0) > 0);
        }
        fake_engine_hold(w.engine, true);
        struct es_stream_change c = {.kind = ES_CHANGE_REDACT,
                                     .stream = STR_LIT("f-1"),
                                     .revision = 1,
                                     .reason = STR_LIT("asked for"),
                                     .fields = &field,
                                     .field_count = 1,
                                     .arena = &w.arena,
                                     .done = on_change,
                                     .ctx = &done};
        es_stream_change(w.es, &c);
        for (int i = 0; i < 100; i++) {
            es_tick(w.es); /* it begins to fold */
            env_poll_run(w.poll, 0);
        }
        assert_false(done);
        waited += w.es->writer->op_count == 2; /* the redaction, and the snapshot behind it */
        fake_engine_hold(w.engine, false);
        es_world_settle(&w);
        assert_true(done);
        assert_int_equal(c.problem, ES_OK);
        assert_string_equal(snapshot_of(&w, "f-1", got, sizeof(got)), "none");
        assert_string_equal(folded(&w, got, sizeof(got)), "{\"all\":[2,null,2,2]}@3");
        say(&w, "N", "{\"n\":3}", 4); /* the next one is made again, and used */
        assert_string_equal(folded(&w, got, sizeof(got)),
                            "{\"all\":[2,null,2,2,3,3,3,3]}@7 from 7");
        es_shot_free(s);
        es_world_deinit(&w);
    }
    assert_true(waited > 5);
}

/* Every so many events, whoever has written them. */
TEST(events_of_kafka_clients_bring_snapshots_too)
{
    struct es_world w;
    char got[200];
    struct arena a;
    struct engine_gate_item item;
    struct record_header headers[] = {{STR_LIT("ce_type"), STR_LIT("N.v2")},
                                      {STR_LIT("leat-expected-version"), STR_LIT("any")}};
    struct engine_record records[8];
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        records[i] = (struct engine_record){.key = STR_LIT("f-1"),
                                            .value = STR_LIT("{\"n\":2}"),
                                            .headers = headers,
                                            .header_count = ARRAY_LEN(headers),
                                            .timestamp_ms = 5};
    }
    es_world_init(&w, 1);
    arena_init(&a, 16 << 20);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    say(&w, "N.v2", "{\"n\":2}", 1);
    const int32_t partition = es_cat_partition(es_cat_find(w.es, STR_LIT("f")), STR_LIT("f-1"));
    static const struct {
        size_t count;
        const char *folded;
    } steps[] = {{2, "{\"n\":6}@2"},
                 {3, "{\"n\":12}@5 from 5"},
                 {1, "{\"n\":14}@6 from 5"},
                 {8, "{\"n\":30}@14 from 14"}};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_int_equal(fake_engine_produce(w.engine, STR_LIT("es.f"), partition, records,
                                             steps[i].count, &a, &item),
                         ERR_OK);
        es_world_settle(&w);
        assert_string_equal(folded(&w, got, sizeof(got)), steps[i].folded);
    }
    /* One that is on its way at the end goes with it. */
    fake_engine_hold(w.engine, true);
    assert_int_equal(
        fake_engine_produce(w.engine, STR_LIT("es.f"), partition, records, 8, &a, &item), ERR_OK);
    es_world_restart(&w, ES_WORLD_KILL);
    arena_deinit(&a);
    es_world_deinit(&w);
}

/* A long name leaves room for the digest. */
TEST(a_fold_with_a_long_name_keeps_snapshots)
{
    struct es_world w;
    char name[ES_DEFINITION_NAME + 1];
    char text[1000];
    char got[200];
    memset(name, 'n', ES_DEFINITION_NAME);
    name[ES_DEFINITION_NAME] = 0;
    (void)snprintf(text, sizeof(text),
                   "fold: %s\ncategory: f\nsnapshot_every: 2\n"
                   "maps: [ { type: '*', increment: { /n: 1 } } ]\n",
                   name);
    es_world_init(&w, 1);
    define(&w, ES_FOLD, name, text);
    say(&w, "N.v2", "{}", 3);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":3}@2 from 1");
    es_world_deinit(&w);
}

/* An event that has no newest form ends the fold only if a rule may want it. */
TEST(a_fold_passes_over_what_it_does_not_want)
{
    struct es_world w;
    char got[300];
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    define(&w, ES_UPCASTS, "u",
           "upcasts: [ { from: X.v1, to: X.v2, set: { /data/a: /data/b * 2 } } ]\n");
    say(&w, "X.v1", "{}", 1);
    say(&w, "N.v2", "{\"n\":1}", 1);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":1}@1");
    define(&w, ES_UPCASTS, "v", "upcasts: [ { from: X.v2, to: N.v2 } ]\n");
    assert_string_equal(folded(&w, got, sizeof(got)),
                        "fold-failed: revision 0 (X.v1): upcast from X.v1 to X.v2: /data/b is not "
                        "there, and a number is needed");
    es_world_deinit(&w);
}

TEST(a_state_that_is_too_large_is_told)
{
    struct es_world w;
    char got[300];
    const size_t size = 900000;
    char *data = test_calloc(1, size + 1);
    memset(data, 'x', size);
    data[0] = data[size - 1] = '"';
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f",
           "fold: f\ncategory: f\nsnapshot_every: 0\n"
           "maps: [ { type: '*', append: { /all: /data } } ]\n");
    say(&w, "N", data, 4);
    (void)folded(&w, got, sizeof(got));
    assert_memory_equal(got, "{\"all\":[\"xxx", 12);
    say(&w, "N", data, 1);
    assert_string_equal(folded(&w, got, sizeof(got)),
                        "fold-failed: the state has more than 4194304 bytes");
    test_free(data);
    es_world_deinit(&w);
}

/* Events that need much memory each are folded a few at a time, and one that needs too much is
 * told.
 */
TEST(a_fold_of_events_that_need_much_memory_takes_fewer_at_a_time)
{
    struct es_world w;
    char got[300];
    const size_t elements = 200000; /* of some 100 bytes each, built */
    char *data = test_calloc(1, 2 * elements + 3);
    for (size_t i = 0; i < elements; i++) {
        memcpy(data + 1 + 2 * i, "0,", 2);
    }
    data[0] = '[';
    data[2 * elements] = ']';
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f",
           "fold: f\ncategory: f\nsnapshot_every: 0\n"
           "maps: [ { type: '*', increment: { /n: length(/data) } } ]\n");
    say(&w, "N", data, 4);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":800000}@3");
    define(&w, ES_FOLD, "f",
           "fold: f\ncategory: f\nsnapshot_every: 0\n"
           "maps: [ { type: '*', append: { /all: /data } } ]\n");
    assert_string_equal(folded(&w, got, sizeof(got)),
                        "fold-failed: the state and one event need more than 64 MiB");
    test_free(data);
    es_world_deinit(&w);
}

/* ---- Without memory: declared or not, folded or not, but never half. */

static bool try_define(uint64_t n)
{
    struct es_world w;
    bool done = false;
    char got[200];
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    define(&w, ES_UPCASTS, "b", "upcasts: [ { from: N.v1, to: N.v2, rename: { /data/m: n } } ]\n");
    say(&w, "N.v0", "{\"m\":2}", 1);
    struct es_define d = {.kind = ES_UPCASTS,
                          .name = STR_LIT("a"),
                          .text = STR_LIT("upcasts: [ { from: N.v0, to: N.v1 } ]\n"),
                          .arena = &w.arena,
                          .done = on_define,
                          .ctx = &done};
    test_fail_alloc(n);
    es_define(w.es, &d);
    es_world_settle(&w);
    const bool reached = test_fail_alloc_end() != 0;
    assert_true(done);
    if (d.problem != ES_OK && d.problem != ES_UNAVAILABLE) {
        assert_int_equal(d.problem, ES_FAILED);
        if (d.ec.code != ERR_NO_MEMORY) {
            fail_msg("allocation %llu: %s", (unsigned long long)n, d.ec.text);
        }
    }
    assert_string_equal(folded(&w, got, sizeof(got)), d.problem == ES_OK ? "{\"n\":2}@0" : "{}@0");
    es_world_restart(&w, ES_WORLD_CLEAN);
    define(&w, ES_UPCASTS, "a", "upcasts: [ { from: N.v0, to: N.v1 } ]\n");
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":2}@0");
    es_world_deinit(&w);
    return reached;
}

TEST(a_definition_without_memory_is_not_used_by_half)
{
    uint64_t n = 1;
    while (try_define(n)) {
        n++;
    }
    assert_true(n > 10);
}

#define H "fold: h\ncategory: g\nmaps: [ { type: '*', set: { /n: /data/n } } ]\n"

/* With as many as there may be, each can still be replaced. */
TEST(the_limit_of_definitions_is_one_of_names)
{
    struct es_world w;
    char name[32], text[200], got[300];
    bool done = false;
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f", FOLD("/data/m"));
    for (unsigned i = 1; i < ES_DEFINITIONS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "g%u", i);
        (void)snprintf(text, sizeof(text),
                       "fold: %s\ncategory: g\nmaps: [ { type: '*', set: { /n: /data/n } } ]\n",
                       name);
        define(&w, ES_FOLD, name, text);
    }
    struct es_define d = {.kind = ES_FOLD,
                          .name = STR_LIT("h"),
                          .text = STR_LIT(H),
                          .arena = &w.arena,
                          .done = on_define,
                          .ctx = &done};
    es_define(w.es, &d);
    es_world_settle(&w);
    assert_true(done);
    assert_int_equal(d.problem, ES_BUSY);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    say(&w, "N.v2", "{\"n\":1}", 1);
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":1}@0");
    define(&w, ES_FOLD, "g8", NULL);
    define(&w, ES_FOLD, "h", H);
    es_world_deinit(&w);
}

/* `pad`: bytes of each event; with a megabyte the three are two pages, and the state goes on from
 * one to the next. */
static bool try_fold(uint64_t n, size_t pad)
{
    struct es_world w;
    bool done = false;
    char got[200];
    es_world_init(&w, 1);
    define(&w, ES_FOLD, "f", FOLD("/data/n"));
    define(&w, ES_UPCASTS, "b", "upcasts: [ { from: N.v1, to: N.v2, rename: { /data/m: n } } ]\n");
    char *data = test_calloc(1, pad + 64);
    (void)snprintf(data, pad + 64, "{\"m\":2,\"pad\":\"%*s\"}", (int)pad, "");
    say(&w, "N.v1", data, 3);
    test_free(data);
    struct es_fold_state s = {.stream = STR_LIT("f-1"),
                              .to = UINT64_MAX,
                              .until_ns = INT64_MAX,
                              .arena = &w.arena,
                              .done = on_state,
                              .ctx = &done};
    test_fail_alloc(n);
    es_fold_state(w.es, &s);
    es_world_settle(&w);
    const bool reached = test_fail_alloc_end() != 0;
    assert_true(done);
    if (s.problem == ES_OK) {
        (void)snprintf(got, sizeof(got), "%.*s", STR(s.state));
        assert_string_equal(got, "{\"n\":6}");
    } else {
        if (s.problem != ES_FAILED && s.problem != ES_UNAVAILABLE) {
            fail_msg("allocation %llu: %s: %s", (unsigned long long)n, es_problem_code(s.problem),
                     s.ec.text);
        }
    }
    assert_string_equal(folded(&w, got, sizeof(got)), "{\"n\":6}@2");
    es_world_deinit(&w);
    return reached;
}

TEST(a_fold_without_memory_says_so)
{
    uint64_t n = 1;
    while (try_fold(n, 0)) {
        n++;
    }
    assert_true(n > 5);
    const uint64_t of_a_page = n;
    for (n = 1; try_fold(n, 1000000); n++) {
    }
    assert_true(n > of_a_page);
}
