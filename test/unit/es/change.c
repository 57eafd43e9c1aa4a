/* Changes of streams: what each allows, what it refuses, what a restart remembers of it. */
#include <stdio.h>

#include "es_world.h"

static void change_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

static enum es_problem go(struct es_world *w, struct es_stream_change *c)
{
    c->stream = STR_LIT("order-1");
    return es_world_change(w, c);
}

static enum es_problem truncate_to(struct es_world *w, uint64_t before)
{
    struct es_stream_change c = {
        .kind = ES_CHANGE_SET, .set_truncate_before = true, .truncate_before = before};
    return go(w, &c);
}

static enum es_problem snapshot(struct es_world *w, uint64_t revision, const char *state)
{
    struct es_stream_change c = {.kind = ES_CHANGE_SNAPSHOT,
                                 .revision = revision,
                                 .schema = STR_LIT("Order.v1"),
                                 .state = str_of(state)};
    return go(w, &c);
}

static enum es_problem redact(struct es_world *w, uint64_t revision, const char *field)
{
    struct str fields = str_of(field);
    struct es_stream_change c = {.kind = ES_CHANGE_REDACT,
                                 .revision = revision,
                                 .reason = STR_LIT("asked for"),
                                 .fields = &fields,
                                 .field_count = field != NULL};
    return go(w, &c);
}

static struct es_stream_info left; /* what the last remove_stream found */

static enum es_problem remove_stream(struct es_world *w, bool hard, const char *expected)
{
    struct es_expected e;
    struct es_stream_change c = {.kind = hard ? ES_CHANGE_TOMBSTONE : ES_CHANGE_SOFT_DELETE};
    if (expected != NULL) {
        assert_true(es_expected_parse(str_of(expected), &e));
        c.expected = &e;
    }
    const enum es_problem p = go(w, &c);
    left = c.info;
    return p;
}

TEST(a_stream_that_is_not_there_cannot_be_changed)
{
    struct es_world w;
    es_world_init(&w, 1);
    assert_int_equal(truncate_to(&w, 0), ES_STREAM_NOT_FOUND);
    assert_int_equal(snapshot(&w, 0, "{}"), ES_STREAM_NOT_FOUND);
    assert_int_equal(remove_stream(&w, true, NULL), ES_STREAM_NOT_FOUND);
    es_world_deinit(&w);
}

TEST(settings_stay_until_they_are_set_again)
{
    struct es_world w;
    es_world_init(&w, 2);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c d"), "ok 0-3");
    struct es_stream_change c = {.kind = ES_CHANGE_SET,
                                 .set_max_age = true,
                                 .max_age_ms = 5000,
                                 .set_max_count = true,
                                 .max_count = 3};
    assert_int_equal(go(&w, &c), ES_OK);
    assert_int_equal(c.info.first_revision, 1);
    assert_int_equal(c.info.last_revision, 3);
    assert_int_equal(truncate_to(&w, 2), ES_OK);
    es_world_restart(&w, ES_WORLD_REBUILD);
    c = (struct es_stream_change){.kind = ES_CHANGE_SET, .set_max_count = true, .max_count = -1};
    assert_int_equal(go(&w, &c), ES_OK);
    assert_int_equal(c.info.max_age_ms, 5000);
    assert_int_equal(c.info.max_count, -1);
    assert_int_equal(c.info.truncate_before, 2);
    assert_true(c.info.created.commit > 0);
    assert_true(es_position_cmp(c.info.created, c.info.updated) < 0);
    assert_int_equal(truncate_to(&w, 1), ES_INVALID); /* it does not go back */
    assert_int_equal(truncate_to(&w, 5), ES_INVALID); /* nor beyond what there is */
    assert_int_equal(truncate_to(&w, 4), ES_OK);
    /* Truncated to nothing, it is still there. */
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "e"), "conflict 3");
    assert_string_equal(es_world_append(&w, "order-1", "3", "e"), "ok 4-4");
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "same 0-0");
    es_world_deinit(&w);
}

TEST(a_soft_delete_ends_a_life_and_a_tombstone_all_of_them)
{
    struct es_world w;
    es_world_init(&w, 3);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b"), "ok 0-1");
    assert_int_equal(remove_stream(&w, false, "0"), ES_REVISION_CONFLICT);
    assert_int_equal(left.state, ES_ACTIVE);
    assert_int_equal(left.last_revision, 1);
    assert_int_equal(remove_stream(&w, false, "1"), ES_OK);
    assert_int_equal(remove_stream(&w, false, NULL), ES_STREAM_DELETED);
    assert_int_equal(remove_stream(&w, true, "1"), ES_REVISION_CONFLICT); /* it is not there */
    assert_int_equal(left.state, ES_SOFT_DELETED);
    es_world_restart(&w, ES_WORLD_KILL);
    assert_string_equal(es_world_append(&w, "order-1", "exists", "c"), "conflict none");
    assert_string_equal(es_world_append(&w, "order-1", "1", "c"), "conflict none");
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "c"), "ok 2-2");
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "c"), "same 2-2");
    assert_string_equal(es_world_append(&w, "order-1", "exists", "d"), "ok 3-3");
    assert_int_equal(remove_stream(&w, true, NULL), ES_OK);
    assert_int_equal(remove_stream(&w, true, NULL), ES_STREAM_TOMBSTONED);
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_string_equal(es_world_append(&w, "order-1", "any", "e"), "stream-tombstoned");
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "stream-tombstoned");
    assert_int_equal(truncate_to(&w, 4), ES_STREAM_TOMBSTONED);
    es_world_deinit(&w);
}

/* A retry is answered as the first time in any later life, and between them, too. */
TEST(what_an_earlier_life_has_is_known_under_what_it_could_have_expected)
{
    struct es_world w;
    es_world_init(&w, 8);
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "a"), "ok 0-0");
    assert_int_equal(remove_stream(&w, false, NULL), ES_OK);
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "b c"), "ok 1-2");
    assert_string_equal(es_world_append(&w, "order-1", "exists", "d"), "ok 3-3");
    assert_int_equal(remove_stream(&w, false, NULL), ES_OK);
    for (int again = 0; again < 2; again++) { /* deleted; then in its third life */
        assert_string_equal(es_world_append(&w, "order-1", "no_stream", "a"), "same 0-0");
        assert_string_equal(es_world_append(&w, "order-1", "no_stream", "b c"), "same 1-2");
        assert_string_equal(es_world_append(&w, "order-1", "any", "b c"), "same 1-2");
        assert_string_equal(es_world_append(&w, "order-1", "exists", "d"), "same 3-3");
        assert_string_equal(es_world_append(&w, "order-1", "2", "d"), "same 3-3");
        assert_string_equal(es_world_append(&w, "order-1", "no_stream", "b d"),
                            again == 0 ? "reused 1" : "conflict 4");
        es_world_restart(&w, ES_WORLD_REBUILD);
        assert_string_equal(es_world_append(&w, "order-1", "no_stream", "e"),
                            again == 0 ? "ok 4-4" : "same 4-4");
    }
    es_world_deinit(&w);
}

TEST(a_snapshot_does_not_go_back_and_is_of_what_there_is)
{
    struct es_world w;
    es_world_init(&w, 4);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c"), "ok 0-2");
    assert_int_equal(snapshot(&w, 3, "{}"), ES_EVENT_NOT_FOUND);
    assert_int_equal(snapshot(&w, 1, "{"), ES_INVALID);
    assert_int_equal(snapshot(&w, 1, "{\"n\":1}"), ES_OK);
    assert_int_equal(snapshot(&w, 0, "{}"), ES_SNAPSHOT_STALE);
    assert_int_equal(snapshot(&w, 1, "{}"), ES_OK);
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_int_equal(snapshot(&w, 0, "{}"), ES_SNAPSHOT_STALE);
    assert_int_equal(snapshot(&w, 2, "{}"), ES_OK);
    es_world_deinit(&w);
}

/* Nobody may use it: it does not stand in the way. */
TEST(a_snapshot_that_a_redaction_has_harmed_does_not_refuse_an_older_one)
{
    struct es_world w;
    es_world_init(&w, 9);
    fake_engine_set_late(w.engine, 2);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c d e f"), "ok 0-5");
    assert_int_equal(redact(&w, 1, NULL), ES_OK);
    assert_int_equal(snapshot(&w, 4, "{}"), ES_OK);
    assert_int_equal(redact(&w, 5, NULL), ES_OK); /* before it, and behind it */
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_int_equal(snapshot(&w, 2, "{}"), ES_SNAPSHOT_STALE);
    assert_int_equal(redact(&w, 3, NULL), ES_OK);
    es_world_restart(&w, ES_WORLD_KILL);
    assert_int_equal(snapshot(&w, 2, "{}"), ES_OK);
    assert_int_equal(snapshot(&w, 1, "{}"), ES_SNAPSHOT_STALE);
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_int_equal(snapshot(&w, 1, "{}"), ES_SNAPSHOT_STALE);
    assert_int_equal(redact(&w, 0, NULL), ES_OK);
    assert_int_equal(snapshot(&w, 0, "{}"), ES_OK);
    es_world_deinit(&w);
}

TEST(a_redaction_is_of_an_event_that_is_there)
{
    struct es_world w;
    es_world_init(&w, 5);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c"), "ok 0-2");
    assert_int_equal(redact(&w, 1, "/email"), ES_FIELD_NOT_FOUND);
    assert_int_equal(redact(&w, 1, NULL), ES_OK);
    assert_int_equal(redact(&w, 1, "/email"), ES_OK); /* all of it is gone */
    assert_int_equal(redact(&w, 3, NULL), ES_EVENT_NOT_FOUND);
    assert_int_equal(redact(&w, 1, "email"), ES_INVALID);
    assert_int_equal(redact(&w, 1, ""), ES_INVALID);
    assert_int_equal(truncate_to(&w, 2), ES_OK);
    assert_int_equal(redact(&w, 1, NULL), ES_OK);
    es_world_deinit(&w);
}

/* The look-up for its event goes to the disk while the event is in flight, and ends when it is in
 * flight no more. */
TEST(a_redaction_of_fields_finds_an_event_that_becomes_durable_meanwhile)
{
    size_t waited = 0;
    struct str field = STR_LIT("/email");
    for (uint64_t seed = ES_WORLD_SLOW; seed < ES_WORLD_SLOW + 80; seed++) {
        struct es_world w;
        bool done = false;
        es_world_init(&w, seed);
        for (unsigned i = 1; i < 9; i++) { /* its keys are not the last ones of the index */
            char stream[16];
            (void)snprintf(stream, sizeof(stream), "order-%u", i % 10);
            assert_string_equal(es_world_append(&w, stream, "any", "a"), "ok 0-0");
        }
        es_world_flush(&w);
        fake_engine_hold(w.engine, true);
        struct es_shot *s = es_shot_make(NULL, NULL, NULL);
        es_shot_add(s, "order-1", "b", "{\"email\":\"e\"}");
        es_shot_go(&w, s);
        struct es_stream_change c = {.kind = ES_CHANGE_REDACT,
                                     .stream = STR_LIT("order-1"),
                                     .revision = 1,
                                     .reason = STR_LIT("asked for"),
                                     .fields = &field,
                                     .field_count = 1,
                                     .arena = &w.arena,
                                     .done = change_done,
                                     .ctx = &done};
        es_stream_change(w.es, &c);
        waited += !list_empty(&w.es->writer->looks);
        fake_engine_hold(w.engine, false);
        es_world_settle(&w);
        assert_true(done && s->ended);
        if (c.problem != ES_OK) {
            fail_msg("seed %llu: %s: %s", (unsigned long long)seed, es_problem_code(c.problem),
                     c.ec.text);
        }
        es_shot_free(s);
        es_world_deinit(&w);
    }
    assert_true(waited > 10);
}

/* Two at once: the second is decided on what the first has left. */
TEST(changes_of_one_stream_are_made_one_after_the_other)
{
    struct es_world w;
    bool done[2] = {false, false};
    es_world_init(&w, 6);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c"), "ok 0-2");
    fake_engine_hold(w.engine, true);
    struct es_stream_change c[2] = {{.kind = ES_CHANGE_SET, .set_max_age = true, .max_age_ms = 7},
                                    {.kind = ES_CHANGE_SET, .set_max_count = true, .max_count = 2}};
    for (int i = 0; i < 2; i++) {
        c[i].stream = STR_LIT("order-1");
        c[i].arena = &w.arena;
        c[i].done = change_done;
        c[i].ctx = &done[i];
        es_stream_change(w.es, &c[i]);
    }
    fake_engine_hold(w.engine, false);
    es_world_settle(&w);
    assert_true(done[0] && done[1]);
    assert_int_equal(c[1].problem, ES_OK);
    assert_int_equal(c[1].info.max_age_ms, 7);
    assert_int_equal(c[1].info.max_count, 2);
    es_world_deinit(&w);
}

#ifdef LEAT_DEBUG
/* What comes after it, and is in the index when it is answered, is not in it. */
TEST(the_answer_to_a_max_age_is_about_the_stream_as_it_was_then)
{
    struct es_world w;
    bool done = false;
    es_world_init(&w, 1);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c"), "ok 0-2");
    env_sim_advance_ns(w.env, 10000000000u);
    es_faults.put_stops = true; /* all three come into the index at once */
    struct es_shot *before = es_shot_make("order-2", NULL, "x y");
    es_shot_go(&w, before);
    struct es_stream_change c = {.kind = ES_CHANGE_SET,
                                 .stream = STR_LIT("order-1"),
                                 .set_max_age = true,
                                 .max_age_ms = 5000,
                                 .arena = &w.arena,
                                 .done = change_done,
                                 .ctx = &done};
    es_stream_change(w.es, &c);
    struct es_shot *after = es_shot_make("order-1", "2", "d e");
    es_shot_go(&w, after);
    es_world_settle(&w);
    assert_false(before->ended || done || after->ended);
    es_faults.put_stops = false;
    es_world_settle(&w);
    assert_true(done);
    assert_string_equal(es_shot_said(after), "ok 3-4");
    assert_int_equal(c.problem, ES_OK);
    assert_int_equal(c.info.last_revision, 2);
    assert_int_equal(c.info.first_revision, 3);
    assert_true(c.info.empty);
    es_shot_free(before);
    es_shot_free(after);
    es_world_deinit(&w);
}
#endif

/* The slot that the second looks at is the one that the first has filled. */
TEST(snapshots_in_flight_count)
{
    struct es_world w;
    bool done[2] = {false, false};
    struct es_stream_change c[2];
    es_world_init(&w, 7);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c"), "ok 0-2");
    fake_engine_hold(w.engine, true);
    for (int i = 0; i < 2; i++) {
        c[i] = (struct es_stream_change){.kind = ES_CHANGE_SNAPSHOT,
                                         .stream = STR_LIT("order-1"),
                                         .revision = i == 0 ? 2 : 1,
                                         .schema = STR_LIT("Order.v1"),
                                         .state = STR_LIT("{}"),
                                         .arena = &w.arena,
                                         .done = change_done,
                                         .ctx = &done[i]};
        es_stream_change(w.es, &c[i]);
    }
    fake_engine_hold(w.engine, false);
    es_world_settle(&w);
    assert_true(done[0] && done[1]);
    assert_int_equal(c[0].problem, ES_OK);
    assert_int_equal(c[1].problem, ES_SNAPSHOT_STALE);
    es_world_deinit(&w);
}
