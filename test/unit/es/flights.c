/* What is sequenced and not durable: who sees it, who waits for it. And ids that the server made.
 */
#include <stdio.h>

#include "es_world.h"

/* Runs the loop while appends cannot become durable. */
static void turn(struct es_world *w)
{
    for (int i = 0; i < 50; i++) {
        es_tick(w->es);
        env_poll_run(w->poll, 0);
    }
}

static struct es_shot *fire(struct es_world *w, const char *stream, const char *expected,
                            const char *ids)
{
    struct es_shot *s = es_shot_make(stream, expected, ids);
    es_shot_go(w, s);
    turn(w);
    return s;
}

TEST(a_retry_is_answered_only_when_the_original_is_durable)
{
    struct es_world w;
    es_world_init(&w, 1);
    assert_string_equal(es_world_append(&w, "order-1", "any", "x"), "ok 0-0");
    fake_engine_hold(w.engine, true);
    struct es_shot *first = fire(&w, "order-1", "0", "a b");
    struct es_shot *again = fire(&w, "order-1", "0", "a b");
    assert_string_equal(es_shot_said(first), "waits");
    assert_string_equal(es_shot_said(again), "waits");
    fake_engine_hold(w.engine, false);
    es_world_settle(&w);
    assert_string_equal(es_shot_said(first), "ok 1-2");
    assert_string_equal(es_shot_said(again), "same 1-2");
    assert_true(es_position_cmp(first->a.position, again->a.position) == 0);
    es_shot_free(first);
    es_shot_free(again);
    es_world_deinit(&w);
}

TEST(an_append_is_decided_on_what_is_sequenced_and_its_conflict_waits_for_it)
{
    struct es_world w;
    es_world_init(&w, 2);
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "x"), "ok 0-0");
    fake_engine_hold(w.engine, true);
    struct es_shot *first = fire(&w, "order-1", "0", "a");
    struct es_shot *second = fire(&w, "order-1", "0", "b"); /* loses to the first */
    struct es_shot *third = fire(&w, "order-1", "1", "c");  /* follows it */
    struct es_shot *other = fire(&w, "order-2", "exists", "d");
    assert_string_equal(es_shot_said(second), "waits");
    assert_string_equal(es_shot_said(other), "conflict none"); /* nothing to wait for */
    fake_engine_hold(w.engine, false);
    es_world_settle(&w);
    assert_string_equal(es_shot_said(first), "ok 1-1");
    assert_string_equal(es_shot_said(second), "conflict 1");
    assert_string_equal(es_shot_said(third), "ok 2-2");
    es_shot_free(first);
    es_shot_free(second);
    es_shot_free(third);
    es_shot_free(other);
    es_world_deinit(&w);
}

/* Two writers with one query: the second meets what the first has sequenced, and is told where. */
TEST(a_query_sees_what_is_in_flight)
{
    struct es_world w;
    es_world_init(&w, 3);
    fake_engine_hold(w.engine, true);
    struct es_shot *s[3];
    for (int i = 0; i < 3; i++) {
        char stream[32];
        snprintf(stream, sizeof(stream), "seat-%d", i);
        s[i] = es_shot_make(NULL, NULL, NULL);
        es_shot_add(s[i], stream, "-", "{}");
        es_shot_tag(s[i], 0, i < 2 ? "course:3 x" : "course:4 x");
        es_shot_query(s[i], "", i < 2 ? "course:3" : "course:4", (struct es_position){0, 0});
        es_shot_go(&w, s[i]);
    }
    turn(&w);
    assert_string_equal(es_shot_said(s[1]), "waits");
    fake_engine_hold(w.engine, false);
    es_world_settle(&w);
    assert_string_equal(es_shot_said(s[0]), "ok 0-0");
    assert_string_equal(es_shot_said(s[1]), "append-conflict");
    assert_string_equal(es_shot_said(s[2]), "ok 0-0");
    assert_int_equal(s[1]->a.violation_count, 1);
    const struct es_violation *v = &s[1]->a.violations[0];
    assert_true(es_position_cmp(v->first_match, s[0]->a.position) == 0);
    assert_true(str_eq_z(v->match_type, "Happened"));
    /* After that position it may. */
    struct es_shot *again = es_shot_make("seat-9", NULL, "-");
    es_shot_query(again, "Happened", "course:3 x", s[0]->a.position);
    es_shot_go(&w, again);
    es_world_settle(&w);
    assert_string_equal(es_shot_said(again), "ok 0-0");
    es_shot_free(again);
    for (int i = 0; i < 3; i++) {
        es_shot_free(s[i]);
    }
    es_world_deinit(&w);
}

TEST(checks_alone_are_answered_when_what_they_saw_is_durable)
{
    struct es_world w;
    es_world_init(&w, 4);
    fake_engine_hold(w.engine, true);
    struct es_shot *first = fire(&w, "order-1", "no_stream", "a");
    struct es_shot *check = es_shot_make(NULL, NULL, NULL);
    es_shot_check(check, "order-1", "0");
    es_shot_check(check, "order-7", "no_stream");
    es_shot_go(&w, check);
    turn(&w);
    assert_string_equal(es_shot_said(check), "waits");
    fake_engine_hold(w.engine, false);
    es_world_settle(&w);
    assert_int_equal(check->a.problem, ES_OK);
    es_shot_free(first);
    es_shot_free(check);
    es_world_deinit(&w);
}

TEST(every_violated_check_is_named)
{
    struct es_world w;
    es_world_init(&w, 5);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b"), "ok 0-1");
    struct es_shot *s = es_shot_make("order-2", NULL, "-");
    es_shot_check(s, "order-1", "no_stream");
    es_shot_check(s, "order-1", "1");
    es_shot_check(s, "order-3", "exists");
    es_shot_query(s, "Happened", "", (struct es_position){0, 0});
    es_shot_go(&w, s);
    es_world_settle(&w);
    assert_string_equal(es_shot_said(s), "append-conflict");
    assert_int_equal(s->a.violation_count, 3);
    assert_int_equal(s->a.violations[0].check, 0);
    assert_true(s->a.violations[0].exists);
    assert_int_equal(s->a.violations[0].actual, 1);
    assert_int_equal(s->a.violations[1].check, 2);
    assert_false(s->a.violations[1].exists);
    assert_int_equal(s->a.violations[2].check, 3);
    es_shot_free(s);
    es_world_deinit(&w);
}

TEST(appends_wait_while_the_log_has_no_room_and_are_decided_then)
{
    struct es_world w;
    es_world_init(&w, 10);
    assert_string_equal(es_world_append(&w, "order-1", "any", "x"), "ok 0-0");
    fake_engine_set_full(w.engine, true);
    struct es_shot *first = fire(&w, "order-1", "0", "a");
    struct es_shot *second = fire(&w, "order-1", "0", "b");
    assert_string_equal(es_shot_said(first), "waits");
    assert_string_equal(es_shot_said(second), "waits");
    fake_engine_set_full(w.engine, false);
    es_world_settle(&w);
    assert_string_equal(es_shot_said(first), "ok 1-1");
    assert_string_equal(es_shot_said(second), "conflict 1");
    fake_engine_set_full(w.engine, true);
    struct es_shot *third = fire(&w, "order-1", "any", "c");
    es_world_restart(&w, ES_WORLD_CLEAN);
    assert_string_equal(es_shot_said(third), "unavailable");
    fake_engine_set_full(w.engine, false);
    assert_string_equal(es_world_append(&w, "order-1", "1", "c"), "ok 2-2");
    es_shot_free(first);
    es_shot_free(second);
    es_shot_free(third);
    es_world_deinit(&w);
}

static void left_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

static void defined(struct es_define *d)
{
    *(bool *)d->ctx = true;
}

/* Refused by its name, at once, with the log's hint; reads and repetitions go on, and so does all
 * of it when there is space. */
TEST(a_full_disk_is_storage_full_to_all_that_writes)
{
    const struct es_stream_change changes[] = {
        {.kind = ES_CHANGE_SET, .set_max_count = true, .max_count = 10},
        {.kind = ES_CHANGE_SNAPSHOT, .schema = STR_LIT("Order.v1"), .state = STR_LIT("{}")},
        {.kind = ES_CHANGE_REDACT, .reason = STR_LIT("asked for")},
        {.kind = ES_CHANGE_SOFT_DELETE},
    };
    struct es_world w;
    es_world_init(&w, 19);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    for (int full = 1; full >= 0; full--) {
        fake_engine_refuse(w.engine, full != 0 ? ERR_NO_SPACE : ERR_OK);
        const enum es_problem wanted = full != 0 ? ES_STORAGE_FULL : ES_OK;
        struct es_shot *s = fire(&w, "order-1", "0", "b");
        es_world_settle(&w);
        assert_string_equal(es_shot_said(s), full != 0 ? "storage-full" : "ok 1-1");
        assert_int_equal(s->a.ec.hint[0] != '\0', full);
        es_shot_free(s);
        assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "same 0-0");
        for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
            struct es_stream_change c = changes[i];
            c.stream = STR_LIT("order-1");
            assert_int_equal(es_world_change(&w, &c), wanted);
            assert_int_equal(c.ec.hint[0] != '\0', full);
        }
        bool done = false;
        struct es_define d = {.kind = ES_FOLD,
                              .name = STR_LIT("orders"),
                              .text = STR_LIT("fold: orders\ncategory: order\n"
                                              "maps: [ { type: A, increment: { /n: 1 } } ]\n"),
                              .file = STR_LIT("orders.yaml"),
                              .arena = &w.arena,
                              .done = defined,
                              .ctx = &done};
        es_define(w.es, &d);
        es_world_settle(&w);
        assert_true(done);
        if (d.problem != wanted) {
            fail_msg("%d: %s", (int)d.problem, d.ec.text);
        }
    }
    es_world_deinit(&w);
}

/* Nobody is left without an answer, and what was answered so is not written later. */
TEST(an_append_that_finds_no_room_for_long_is_answered_and_never_written)
{
    struct es_world w;
    bool done = false;
    es_world_init(&w, 13);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    fake_engine_set_full(w.engine, true);
    struct es_shot *first = fire(&w, "order-1", "any", "-");
    struct es_stream_change c = {.kind = ES_CHANGE_SOFT_DELETE,
                                 .stream = STR_LIT("order-1"),
                                 .arena = &w.arena,
                                 .done = left_done,
                                 .ctx = &done};
    es_stream_change(w.es, &c);
    env_sim_advance_ns(w.env, ES_ROOM_WAIT_NS / 2);
    es_world_settle(&w);
    struct es_shot *second = fire(&w, "order-1", "any", "-");
    assert_string_equal(es_shot_said(first), "waits");
    assert_false(done);
    env_sim_advance_ns(w.env, ES_ROOM_WAIT_NS / 2);
    es_world_settle(&w);
    assert_string_equal(es_shot_said(first), "unavailable");
    assert_int_equal(first->a.ec.code, ERR_AGAIN);
    assert_true(done);
    assert_int_equal(c.problem, ES_UNAVAILABLE);
    assert_string_equal(es_shot_said(second), "waits");
    assert_int_equal(w.es->writer->op_count, 1);
    fake_engine_set_full(w.engine, false);
    es_world_settle(&w);
    assert_string_equal(es_shot_said(second), "ok 1-1");
    es_shot_free(first);
    es_shot_free(second);
    es_world_deinit(&w);
}

#define FIRST_SHOTS 48u

static unsigned rnd(uint64_t *rng, unsigned below)
{
    return (unsigned)((*rng = *rng * 6364136223846793005u + 1442695040888963407u) >> 33) % below;
}

/* Whatever an append waits for (its category, the heads of its streams, a query, room in the log,
 * the disk of the index, its own flush), it is sequenced once. */
static struct es_shot *first_shot(uint64_t *rng, uint64_t seed, unsigned i)
{
    static const char *const expected[] = {"no_stream", "any", NULL};
    static const char *const ids[] = {"-", "i", "- j", "i -", "- -"};
    char stream[32];
    snprintf(stream, sizeof(stream), "cat%u-%llu-%u", rnd(rng, 3), (unsigned long long)seed, i);
    struct es_shot *s = es_shot_make(stream, expected[rnd(rng, 3)], ids[rnd(rng, 5)]);
    if (rnd(rng, 3) == 0) {
        es_shot_tag(s, 0, "course:1");
    }
    if (rnd(rng, 3) == 0) { /* met by nobody, but looked up */
        es_shot_query(s, rnd(rng, 2) == 0 ? "none" : "", "course:1 course:2",
                      (struct es_position){0, 0});
    }
    return s;
}

TEST(the_first_append_of_a_stream_never_finds_itself)
{
    size_t waited = 0, roomless = 0;
    for (uint64_t seed = ES_WORLD_SLOW; seed < ES_WORLD_SLOW + 30; seed++) {
        struct es_world w;
        struct es_shot *shots[FIRST_SHOTS];
        uint64_t rng = seed;
        bool full = false;
        es_world_init(&w, seed);
        fake_engine_set_late(w.engine, 1 + seed % 3);
        es_faults.walk_soon = seed % 2 == 0;
        for (unsigned i = 0; i < FIRST_SHOTS; i++) {
            if (rnd(&rng, 4) == 0) {
                fake_engine_hold(w.engine, rnd(&rng, 2) == 0);
            }
            if (rnd(&rng, 4) == 0) {
                full = !full;
                fake_engine_set_full(w.engine, full);
            }
            if (rnd(&rng, 8) == 0 && !full) {
                es_world_flush(&w);
            }
            shots[i] = first_shot(&rng, seed, i);
            es_shot_go(&w, shots[i]);
            waited += !shots[i]->ended;
            roomless += !list_empty(&w.es->writer->roomless);
            for (unsigned k = rnd(&rng, 6); k > 0; k--) {
                es_tick(w.es);
                env_poll_run(w.poll, 0);
            }
        }
        fake_engine_hold(w.engine, false);
        fake_engine_set_full(w.engine, false);
        es_world_settle(&w);
        es_faults.walk_soon = false;
        for (unsigned i = 0; i < FIRST_SHOTS; i++) {
            const struct es_append *a = &shots[i]->a;
            if (!shots[i]->ended || a->problem != ES_OK || a->idempotent ||
                a->streams[0].first_revision != 0) {
                fail_msg("seed %llu, append %u: %s", (unsigned long long)seed, i,
                         es_shot_said(shots[i]));
            }
            es_shot_free(shots[i]);
        }
        es_world_deinit(&w);
    }
    assert_true(waited > 500 && roomless > 100);
}

/* What a query has looked up stays true while it waits for the disk: an event that comes, is
 * durable and leaves memory meanwhile is not missed. */
TEST(a_query_that_waits_for_the_disk_misses_nothing_that_comes_meanwhile)
{
    size_t waited = 0;
    for (uint64_t seed = ES_WORLD_SLOW; seed < ES_WORLD_SLOW + 40; seed++) {
        struct es_world w;
        es_world_init(&w, seed);
        struct es_shot *old = es_shot_make("seat-0", NULL, "-");
        es_shot_tag(old, 0, "course:3");
        es_shot_go(&w, old);
        es_world_settle(&w);
        assert_string_equal(es_world_append(&w, "seat-1", "any", "-"), "ok 0-0");
        for (int i = 0; i < 10; i++) {
            es_world_flush(&w);
            struct es_shot *check = es_shot_make("seat-2", NULL, "-");
            es_shot_query(check, "", "course:3", old->a.position);
            struct es_shot *event = es_shot_make("seat-1", NULL, "-");
            es_shot_tag(event, 0, "course:3");
            es_shot_go(&w, check);
            bool waits = list_empty(&w.es->writer->flights);
            es_shot_go(&w, event);
            es_world_settle(&w);
            assert_string_equal(es_problem_code(event->a.problem), "ok");
            waited += waits;
            /* Made before the event, or refused for it. */
            if (check->a.problem == ES_OK) {
                assert_true(es_position_cmp(check->a.position, event->a.position) < 0);
            } else {
                assert_string_equal(es_shot_said(check), "append-conflict");
            }
            es_shot_free(old);
            es_shot_free(check);
            old = event;
        }
        es_shot_free(old);
        es_world_deinit(&w);
    }
    assert_true(waited > 20);
}

static void snapshot_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

static void snapshot_shown(struct es_read_stream *r)
{
    *(bool *)r->ctx = true;
}

/* It is asked for while its events are in flight: it is never there without them. */
TEST(a_snapshot_does_not_outlive_the_events_that_it_folds)
{
    struct es_world w;
    es_world_init(&w, 12);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    fake_engine_hold(w.engine, true);
    struct es_shot *s = fire(&w, "order-1", "0", "b c");
    bool done = false;
    struct es_stream_change c = {.kind = ES_CHANGE_SNAPSHOT,
                                 .stream = STR_LIT("order-1"),
                                 .revision = 2,
                                 .schema = STR_LIT("S.v1"),
                                 .state = STR_LIT("3"),
                                 .arena = &w.arena,
                                 .done = snapshot_done,
                                 .ctx = &done};
    es_stream_change(w.es, &c);
    turn(&w);
    assert_false(done);
    es_world_restart(&w, ES_WORLD_KILL); /* what was not durable is gone */
    assert_true(done);
    assert_int_equal(c.problem, ES_UNAVAILABLE);
    fake_engine_hold(w.engine, false);
    done = false;
    struct es_read_stream r = {.stream = STR_LIT("order-1"),
                               .to = UINT64_MAX,
                               .until_ns = INT64_MAX,
                               .limit = 10,
                               .limit_bytes = 1 << 20,
                               .snapshot_schema = STR_LIT("S.v1"),
                               .arena = &w.arena,
                               .done = snapshot_shown,
                               .ctx = &done};
    es_read_stream(w.es, &r);
    es_world_settle(&w);
    assert_true(done);
    assert_int_equal(r.problem, ES_OK);
    assert_false(r.has_snapshot);
    assert_int_equal(r.event_count, 1);
    es_read_stream_release(w.es, &r);
    es_shot_free(s);
    es_world_deinit(&w);
}

static void change_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

/* Whoever was told that it is not would send it again, and with ids of the server it would be there
 * twice. */
/* `full`: the index that goes takes no more entries, so the append is never in it. */
static void store_while_made_anew(bool full)
{
    struct es_world w;
    bool set = false, redacted = false;
    es_world_init(&w, 14);
    struct es_shot *secret = es_shot_make("order-1", NULL, NULL);
    es_shot_add(secret, "order-1", "-", "\"SECRET\"");
    es_shot_go(&w, secret);
    es_world_settle(&w);
    assert_string_equal(es_world_append(&w, "order-2", "any", "a b c"), "ok 0-2");
    fake_engine_hold(w.engine, true);
    struct es_shot *append = fire(&w, "order-1", "0", "- -");
    struct es_shot *loses = fire(&w, "order-1", "0", "-");
    struct es_stream_change settings = {.kind = ES_CHANGE_SET,
                                        .stream = STR_LIT("order-2"),
                                        .set_max_count = true,
                                        .max_count = 2,
                                        .arena = &w.arena,
                                        .done = change_done,
                                        .ctx = &set};
    struct es_stream_change redaction = {.kind = ES_CHANGE_REDACT,
                                         .stream = STR_LIT("order-1"),
                                         .reason = STR_LIT("asked for"),
                                         .arena = &w.arena,
                                         .done = change_done,
                                         .ctx = &redacted};
    es_stream_change(w.es, &settings);
    es_stream_change(w.es, &redaction);
    w.es->life = ES_REBUILDING; /* as the index says that it is harmed */
    turn(&w);
    assert_string_equal(es_shot_said(append), "waits");
    assert_string_equal(es_shot_said(loses), "unavailable"); /* nothing of it is stored */
    assert_false(set || redacted);
    es_faults.put_stops = full;
    fake_engine_hold(w.engine, false);
    es_world_settle(&w);
    es_faults.put_stops = false;
    assert_true(es_ready(w.es));
    assert_string_equal(es_shot_said(append), "ok 1-2");
    assert_true(es_position_cmp(append->a.position, secret->a.position) > 0);
    assert_true(set && redacted);
    assert_int_equal(settings.problem, ES_OK);
    assert_int_equal(settings.info.first_revision, 1);
    assert_int_equal(redaction.problem, ES_OK);
    assert_false(redaction.erased);
    assert_int_equal(redaction.ec.code, ERR_AGAIN);
    es_world_settle(&w); /* what a start has found */
    assert_false(fake_engine_has(w.engine, STR_LIT("SECRET")));
    assert_int_equal(w.es->writer->op_count, 0);
    assert_string_equal(es_world_append(&w, "order-1", "2", "-"), "ok 3-3");
    es_shot_free(secret);
    es_shot_free(append);
    es_shot_free(loses);
    es_world_deinit(&w);
}

TEST(what_is_stored_while_the_index_is_made_anew_is_answered_as_stored)
{
    store_while_made_anew(false);
    store_while_made_anew(true);
}

/* ---- Ids that the server made ---- */

static void read_done(struct es_read_stream *r)
{
    *(bool *)r->ctx = true;
}

/* The id of an event, as readers see it. */
static void id_of(struct es_world *w, const char *stream, uint64_t revision, char out[64])
{
    bool done = false;
    struct es_read_stream r = {.stream = str_of(stream),
                               .from = revision,
                               .to = revision,
                               .until_ns = INT64_MAX,
                               .limit = 1,
                               .limit_bytes = 1 << 20,
                               .arena = &w->arena,
                               .done = read_done,
                               .ctx = &done};
    es_read_stream(w->es, &r);
    es_world_settle(w);
    assert_true(done);
    assert_int_equal(r.problem, ES_OK);
    assert_int_equal(r.event_count, 1);
    snprintf(out, 64, "%.*s", STR(r.events[0].envelope.id));
    es_read_stream_release(w->es, &r);
}

/* They are found without an entry, by what they carry; also when the log has to be asked later. */
TEST(ids_that_the_server_made_are_known_when_they_come_back)
{
    for (int how = 0; how < 4; how++) {
        struct es_world w;
        char id[3][64];
        char text[256];
        es_world_init(&w, 6);
        assert_string_equal(es_world_append(&w, "order-1", "any", "- - -"), "ok 0-2");
        for (uint64_t i = 0; i < 3; i++) {
            id_of(&w, "order-1", i, id[i]);
        }
        if (how == 1) {
            es_world_restart(&w, ES_WORLD_CLEAN);
        } else if (how == 2) {
            es_world_restart(&w, ES_WORLD_REBUILD);
        }
        fake_engine_set_late(w.engine, how == 3 ? 1 : 0);
        snprintf(text, sizeof(text), "%s %s", id[1], id[2]);
        assert_string_equal(es_world_append(&w, "order-1", "0", text), "same 1-2");
        assert_string_equal(es_world_append(&w, "order-1", "2", id[0]), "reused 0");
        snprintf(text, sizeof(text), "%s fresh", id[1]);
        assert_string_equal(es_world_append(&w, "order-1", "any", text), "partial 1");
        /* Of another stream it is an id like any other. */
        assert_string_equal(es_world_append(&w, "order-2", "any", id[0]), "ok 0-0");
        assert_string_equal(es_world_append(&w, "order-2", "any", id[0]), "same 0-0");
        es_world_deinit(&w);
    }
}

/* It cannot be told whether it is there: then nothing is said of it, and nothing is stored. */
TEST(an_event_that_cannot_be_read_is_not_stored_a_second_time)
{
    static const enum err why[] = {ERR_NO_MEMORY, ERR_IO, ERR_DAMAGED};
    for (size_t i = 0; i < 2 * ARRAY_LEN(why); i++) {
        struct es_world w;
        char id[64];
        es_world_init(&w, 6);
        fake_engine_set_late(w.engine, i % 2);
        assert_string_equal(es_world_append(&w, "order-1", "any", "- -"), "ok 0-1");
        id_of(&w, "order-1", 1, id);
        es_world_restart(&w, ES_WORLD_REBUILD);
        static const char *const expected[] = {"any", "1", "0"};
        for (size_t k = 0; k < ARRAY_LEN(expected); k++) {
            fake_engine_fail_reads(w.engine, why[i / 2], 1);
            struct es_shot *s = es_shot_make("order-1", expected[k], id);
            es_shot_go(&w, s);
            es_world_settle(&w);
            assert_true(s->ended);
            assert_int_equal(s->a.problem, ES_UNAVAILABLE);
            assert_int_equal(s->a.ec.code, why[i / 2]);
            es_shot_free(s);
        }
        assert_string_equal(es_world_append(&w, "order-1", "0", id), "same 1-1");
        assert_string_equal(es_world_append(&w, "order-1", "1", "-"), "ok 2-2");
        es_world_deinit(&w);
    }
}

TEST(an_id_in_the_servers_form_that_lies_gets_an_entry)
{
    struct es_world w;
    char id[UUID_TEXT_SIZE];
    es_world_init(&w, 7);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c"), "ok 0-2");
    es_id_make(w.es, STR_LIT("order-1"), 1, id); /* carries 1, is put at 3 */
    assert_string_equal(es_world_append(&w, "order-1", "any", id), "ok 3-3");
    assert_string_equal(es_world_append(&w, "order-1", "any", id), "same 3-3");
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_string_equal(es_world_append(&w, "order-1", "any", id), "same 3-3");
    es_world_deinit(&w);
}

TEST(an_id_carries_its_stream_and_revision_and_no_other)
{
    struct es_world w;
    char text[UUID_TEXT_SIZE];
    uint64_t revision;
    struct uuid u;
    es_world_init(&w, 8);
    for (uint64_t r = 0; r < 1 << 24; r = r * 5 + 1) {
        struct str id = es_id_make(w.es, STR_LIT("order-1"), r, text);
        assert_true(uuid_parse(id, &u));
        assert_int_equal(u.b[6] >> 4, 7);
        assert_int_equal(u.b[8] >> 6, 2);
        assert_true(es_id_place(STR_LIT("order-1"), id, &revision));
        assert_int_equal(revision, r);
        assert_false(es_id_place(STR_LIT("order-2"), id, &revision));
    }
    struct str id = es_id_make(w.es, STR_LIT("order-1"), 1 << 24, text);
    assert_true(uuid_parse(id, &u));
    assert_false(es_id_place(STR_LIT("order-1"), id, &revision));
    es_world_deinit(&w);
}

/* Any subset of known ids, in any order, mixed with new ones: never a second event with an id. */
TEST(an_id_never_names_two_events)
{
    struct es_world w;
    uint64_t rng = 99;
    size_t partial = 0;
    size_t same = 0;
    es_world_init(&w, 9);
    assert_string_equal(es_world_append(&w, "order-1", "any", "e0 e1 e2 e3 e4 e5"), "ok 0-5");
    for (int round = 0; round < 300; round++) {
        char ids[64] = "";
        int last = -2;
        bool run = true;
        size_t known = 0;
        size_t count = 1 + (size_t)((rng = rng * 6364136223846793005u + 1) >> 61) % 4;
        unsigned used = 0;
        for (size_t i = 0; i < count; i++) {
            int id = (int)((rng = rng * 6364136223846793005u + 1) >> 60) % 12; /* 6 are new */
            while ((used >> id & 1) != 0) {
                id = (id + 1) % 12;
            }
            used |= 1u << id;
            known += id < 6;
            run &= last == -2 || id == last + 1;
            last = id;
            char one[32];
            if (id < 6) {
                snprintf(one, sizeof(one), "%se%d", i > 0 ? " " : "", id);
            } else {
                snprintf(one, sizeof(one), "%sn%d_%d", i > 0 ? " " : "", round, id);
            }
            strncat(ids, one, sizeof(ids) - strlen(ids) - 1);
        }
        const char *said = es_world_append(&w, "order-1", "any", ids);
        const char *wanted = known == 0      ? "ok"
                             : known < count ? "partial"
                             : run           ? "same"
                                             : "reused";
        if (strncmp(said, wanted, strlen(wanted)) != 0) {
            fail_msg("%s: %s, not %s", ids, said, wanted);
        }
        partial += known > 0 && known < count;
        same += known == count && run;
    }
    assert_true(partial > 50 && same > 10);
    es_world_deinit(&w);
}
