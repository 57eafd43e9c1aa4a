/* Read your writes: waiting until a projection has applied what was written. */
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "core/compiler.h"
#include "server.h"
#include "world.h"

static void begin(struct world *w, uint64_t seed)
{
    struct worst_config cfg;
    worst_config_good(&cfg, seed);
    world_init(w, seed, &cfg);
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
}

struct waiting {
    struct proj_wait call;
    bool done;
};
static void waited(struct proj_wait *call)
{
    CONTAINER_OF(call, struct waiting, call)->done = true;
}

/* What was written is there when the wait is over; and it ends in time if it is not. */
TEST_WORLD_ON_BOTH(projection_waits_for_what_was_written)
{
    struct world w;
    struct ectx ec;
    begin(&w, 9);
    world_apply(&w, 1);
    world_until(&w, world_settled, 60000);
    world_say(&w, 200, 0);
    int64_t offset = worst_produce(w.log, "events", 0, STR_LIT("k0"),
                                   STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":77}}"), 1);
    const struct engine_input input = {STR_LIT("events"), 0, offset + 1};
    struct waiting wait = {.call = {.name = STR_LIT("sums"),
                                    .inputs = &input,
                                    .input_count = 1,
                                    .deadline_ns = env_mono_ns(w.env) + 60000000000u,
                                    .done = waited}};
    proj_wait(w.nodes[0].proj, &wait.call);
    assert_false(wait.done);
    while (!wait.done) {
        world_step(&w);
    }
    assert_int_equal(wait.call.err, ERR_OK);
    world_check_rows(&w, "SELECT last FROM keys WHERE k = 'k0'", "77\n");

    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK);
    world_say(&w, 30, 0);
    const struct engine_input later = {STR_LIT("events"), 0, offset + 3};
    wait = (struct waiting){.call = {.name = STR_LIT("sums"),
                                     .inputs = &later,
                                     .input_count = 1,
                                     .deadline_ns = env_mono_ns(w.env) + 2000000000u,
                                     .done = waited}};
    proj_wait(w.nodes[0].proj, &wait.call);
    while (!wait.done) {
        world_step(&w);
    }
    assert_int_equal(wait.call.err, ERR_REQUEST_TIMED_OUT);
    assert_int_equal(wait.call.lag_events, 2);
    /* Whoever waits when it ends is told so. */
    wait.done = false;
    wait.call.deadline_ns = UINT64_MAX;
    proj_wait(w.nodes[0].proj, &wait.call);
    world_stop(&w, 0);
    assert_true(wait.done);
    assert_int_equal(wait.call.err, ERR_STOPPED);
    world_deinit(&w);
}

static void asked(struct proj_query *q)
{
    *(bool *)q->ctx = true;
}

static enum err ask(struct world *w, const char *view)
{
    struct arena a;
    bool done = false;
    arena_init(&a, 1u << 20);
    struct proj_query q = {.view = str_of(view), .arena = &a, .done = asked, .ctx = &done};
    proj_query(w->nodes[0].proj, &q);
    while (!done) {
        world_step(w);
    }
    arena_deinit(&a);
    return q.err;
}

/* A projection that was just declared is not ready, which is not the same as that there is none;
 * whoever waits for a position waits for its first version, too. */
TEST_WORLD_ON_BOTH(projection_is_waited_for_before_it_serves)
{
    struct world w;
    struct ectx ec = {0};
    struct proj_watching *watching = NULL;
    begin(&w, 12);
    world_say(&w, 200, 0);
    int64_t offset = worst_produce(w.log, "events", 0, STR_LIT("k0"),
                                   STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":78}}"), 1);
    assert_int_equal(ask(&w, "keys"), ERR_NOT_FOUND);
    world_apply(&w, 1);
    assert_int_equal(world_served(&w), 0);
    assert_int_equal(ask(&w, "keys"), ERR_NOT_READY);
    assert_int_equal(ask(&w, "locks"), ERR_NOT_FOUND);
    const struct proj_watch watch = {.view = STR_LIT("keys")};
    assert_int_equal(proj_watch(w.nodes[0].proj, &watch, &watching, &ec), ERR_NOT_READY);
    assert_string_equal(
        ec.text, "projection 'sums' declares view 'keys', but serves no version with it yet");
    assert_true(str_eq_z(proj_view_projection(w.nodes[0].proj, STR_LIT("keys")), "sums"));
    assert_true(str_is_null(proj_view_projection(w.nodes[0].proj, STR_LIT("locks"))));

    const struct engine_input input = {STR_LIT("events"), 0, offset + 1};
    struct waiting late = {.call = {.name = STR_LIT("sums"),
                                    .inputs = &input,
                                    .input_count = 1,
                                    .deadline_ns = env_mono_ns(w.env),
                                    .done = waited}};
    struct waiting nothing = late, wait = late;
    nothing.call.input_count = 0;
    wait.call.deadline_ns = nothing.call.deadline_ns = env_mono_ns(w.env) + 60000000000u;
    proj_wait(w.nodes[0].proj, &late.call);
    assert_true(late.done);
    assert_int_equal(late.call.err, ERR_REQUEST_TIMED_OUT);
    assert_non_null(strstr(late.call.ec.text, "no version of 'sums' is served yet"));
    proj_wait(w.nodes[0].proj, &wait.call);
    proj_wait(w.nodes[0].proj, &nothing.call);
    assert_false(wait.done || nothing.done);
    while (!wait.done || !nothing.done) {
        world_step(&w);
    }
    assert_int_equal(wait.call.err, ERR_OK);
    assert_int_equal(nothing.call.err, ERR_OK);
    assert_int_equal(world_served(&w), 1);
    world_check_rows(&w, "SELECT last FROM keys WHERE k = 'k0'", "78\n");
    assert_int_equal(ask(&w, "keys"), ERR_OK);
    world_deinit(&w);
}

/* Whoever waits holds on to nothing of the version that was served when it began. */
TEST_WORLD(wait_outlives_the_version_that_it_began_with)
{
    struct world w;
    struct ectx ec;
    begin(&w, 13);
    world_apply(&w, 1);
    world_until(&w, world_settled, 60000);
    const struct engine_input never = {STR_LIT("events"), 0, 1000000};
    struct waiting wait = {.call = {.name = STR_LIT("sums"),
                                    .inputs = &never,
                                    .input_count = 1,
                                    .deadline_ns = UINT64_MAX,
                                    .done = waited}};
    proj_wait(w.nodes[0].proj, &wait.call);
    world_apply(&w, 2);
    world_until(&w, world_two_is_served, 60000);
    w.for_version = 1;
    assert_int_equal(world_command(&w, PROJ_DROP_VERSION, NULL, &ec), ERR_OK);
    world_until(&w, world_one_version, 60000);
    world_run(&w, 1000);
    assert_false(wait.done);
    proj_wait_cancel(w.nodes[0].proj, &wait.call);
    world_deinit(&w);
}

/* A version of which the source is these topics. */
static void apply_over(struct world *w, uint32_t version, const char *topics)
{
    char text[2048];
    char other[2100];
    struct ectx ec;
    (void)world_definition(w, version, text, sizeof(text));
    char *at = strstr(text, "[events]");
    (void)snprintf(other, sizeof(other), "%.*s%s%s", (int)(at - text), text, topics,
                   at + strlen("[events]"));
    if (world_command(w, PROJ_APPLY, other, &ec) != ERR_OK) {
        fail_msg("%s %s", ec.text, ec.hint);
    }
}

static void say_more(struct world *w, const char *topic)
{
    (void)worst_produce(w->log, topic, 0, STR_LIT("k0"),
                        STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":1}}"), 1);
}

/* What is served says of which topics the events are missing, not the version that was the first
 * when the wait began: neither before it is known, nor when another one is served meanwhile. */
TEST_WORLD_ON_BOTH(wait_is_for_the_topics_of_what_is_served)
{
    struct world w;
    struct ectx ec;
    begin(&w, 14);
    worst_topic_make(w.log, "more", 1);
    world_apply(&w, 1);
    world_say(&w, 20, 0);
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK);
    apply_over(&w, 2, "[events, more]");
    say_more(&w, "more");
    const struct engine_input input = {STR_LIT("more"), 0, 1};
    struct waiting first = {.call = {.name = STR_LIT("sums"),
                                     .inputs = &input,
                                     .input_count = 1,
                                     .deadline_ns = env_mono_ns(w.env),
                                     .done = waited}};
    proj_wait(w.nodes[0].proj, &first.call); /* version 1 does not read it */
    assert_true(first.done);
    assert_int_equal(first.call.err, ERR_OK);
    assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK);
    say_more(&w, "more");
    world_run(&w, 1000); /* an engine may show later what it has acknowledged */
    world_kill(&w, 0);
    world_up(&w, 0);
    while (!w.nodes[0].ready) {
        world_step(&w);
    }
    assert_int_equal(world_served(&w), 0); /* not known yet */
    const struct engine_input next = {STR_LIT("more"), 0, 2};
    struct waiting wait = {.call = {.name = STR_LIT("sums"),
                                    .inputs = &next,
                                    .input_count = 1,
                                    .deadline_ns = env_mono_ns(w.env) + 500000000000u,
                                    .done = waited}};
    proj_wait(w.nodes[0].proj, &wait.call);
    world_until(&w, world_two_is_served, 4000);
    world_run(&w, 500);
    assert_false(wait.done);
    assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
    while (!wait.done) {
        world_step(&w);
    }
    assert_int_equal(wait.call.err, ERR_OK);
    world_stop(&w, 0);
    world_deinit(&w);
}
