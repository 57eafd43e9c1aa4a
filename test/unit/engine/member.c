/* Membership: who has which partitions, what is committed with an append, fencing, epochs. */
#include "world.h"

/* What a member was told. */
struct watcher {
    struct world *w;
    struct engine_member *member;
    char events[1024];
    uint64_t epoch; /* of the last assignment */
    int64_t committed;
    bool leave; /* at the next event */
};

static void note(struct watcher *x, const char *what, struct str topic, int32_t partition)
{
    const size_t n = strlen(x->events);
    (void)snprintf(x->events + n, sizeof(x->events) - n, "%s%s %.*s/%d", n > 0 ? "," : "", what,
                   STR(topic), partition);
    if (x->leave) {
        x->leave = false;
        engine_leave(x->w->engine, x->member);
        x->member = NULL;
    }
}

static void on_assigned(void *ctx, struct str topic, int32_t partition, int64_t committed,
                        uint64_t epoch)
{
    struct watcher *x = ctx;
    x->epoch = epoch;
    x->committed = committed;
    note(x, "+", topic, partition);
}

static void on_revoked(void *ctx, struct str topic, int32_t partition)
{
    note(ctx, "-", topic, partition);
}

static enum err join(struct world *w, struct watcher *x, const char *topic)
{
    const struct str topics[] = {str_of(topic), STR_LIT("later")};
    memset(x, 0, sizeof(*x));
    x->w = w;
    const struct engine_member_spec spec = {.group = STR_LIT("g"),
                                            .topics = topics,
                                            .topic_count = 2,
                                            .ctx = x,
                                            .assigned = on_assigned,
                                            .revoked = on_revoked};
    const enum err e = engine_join(w->engine, &spec, &x->member, &w->ec);
    world_settle(w);
    return e;
}

/* One record to `out` with the next offset of a/partition. */
static enum err step(struct world *w, struct engine_member *member, int32_t partition, int64_t next,
                     const char *value)
{
    const struct engine_record record = {.value = str_of(value), .timestamp_ms = -1};
    struct engine_part part = {.topic = STR_LIT("out"), .records = &record, .count = 1};
    const struct engine_input input = {STR_LIT("a"), partition, next};
    struct appended out = {.a = {.parts = &part,
                                 .part_count = value == NULL ? 0 : 1,
                                 .member = member,
                                 .inputs = &input,
                                 .input_count = 1}};
    world_append(w, &out);
    world_settle(w);
    assert_int_equal(out.done, 1);
    w->ec = out.a.ec;
    return out.a.err;
}

static int64_t committed(struct world *w, int32_t partition)
{
    struct groups_offset o;
    return groups_offset_get(w->groups, STR_LIT("g"), STR_LIT("a"), partition, &o) ? o.offset : -1;
}

static void begin(struct world *w)
{
    world_init(w);
    assert_int_equal(world_topic(w, "a", 2), ERR_OK);
    assert_int_equal(world_topic(w, "out", 1), ERR_OK);
}

TEST(a_member_gets_all_partitions_and_what_was_committed)
{
    /* Promise: positions of the input are committed in the frame of the output, are those of a
     * consumer group, and a later member goes on there, after a power cut too. */
    struct world w;
    struct watcher x;
    begin(&w);
    assert_int_equal(join(&w, &x, "a"), ERR_OK);
    assert_string_equal(x.events, "+ a/0,+ a/1");
    assert_int_equal(x.committed, -1);
    const uint64_t first = x.epoch;
    assert_true(first > 0);
    assert_int_equal(step(&w, x.member, 0, 5, "one"), ERR_OK);
    assert_int_equal(step(&w, x.member, 1, 7, NULL), ERR_OK);
    assert_int_equal(committed(&w, 0), 5);
    assert_int_equal(committed(&w, 1), 7);
    size_t count = 0;
    const struct groups_listing *list = groups_list(w.groups, &w.arena, &count);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].state, "Stable");
    engine_leave(w.engine, x.member);
    world_reopen(&w, REOPEN_POWER_CUT);
    assert_int_equal(committed(&w, 0), 5);
    assert_true(str_eq_z(world_get(&w, "out", 0, 0), "one"));
    assert_int_equal(join(&w, &x, "a"), ERR_OK);
    assert_string_equal(x.events, "+ a/0,+ a/1");
    assert_int_equal(x.committed, 7);
    assert_true(x.epoch > first);
    engine_leave(w.engine, x.member);
    world_deinit(&w);
}

TEST(a_member_that_another_has_replaced_commits_nothing)
{
    /* Promise: from the moment in which another member joins its group, a member's appends with
     * inputs end with ERR_FENCED and leave nothing behind. */
    struct world w;
    struct watcher old, new;
    begin(&w);
    assert_int_equal(join(&w, &old, "a"), ERR_OK);
    assert_int_equal(step(&w, old.member, 0, 1, "old"), ERR_OK);
    assert_int_equal(join(&w, &new, "a"), ERR_OK);
    assert_string_equal(old.events, "+ a/0,+ a/1,- a/1,- a/0");
    assert_string_equal(new.events, "+ a/0,+ a/1");
    assert_true(new.epoch > old.epoch);
    assert_int_equal(step(&w, old.member, 0, 2, "zombie"), ERR_FENCED);
    assert_int_equal(step(&w, new.member, 0, 3, "new"), ERR_OK);
    engine_leave(w.engine, old.member); /* takes nothing from the new one */
    assert_int_equal(step(&w, new.member, 1, 4, "more"), ERR_OK);
    assert_int_equal(committed(&w, 0), 3);
    assert_true(str_eq_z(world_get(&w, "out", 0, 0), "old,new,more"));
    engine_leave(w.engine, new.member);
    const uint64_t epoch = new.epoch;
    world_reopen(&w, REOPEN_POWER_CUT);
    assert_int_equal(join(&w, &new, "a"), ERR_OK);
    assert_true(new.epoch > epoch); /* also above those that committed nothing */
    engine_leave(w.engine, new.member);
    world_deinit(&w);
}

TEST(a_member_follows_its_topics)
{
    /* Promise: new topics and partitions are assigned with a higher epoch, what is deleted is
     * revoked, and a topic made anew begins anew. */
    struct world w;
    struct watcher x;
    begin(&w);
    assert_int_equal(join(&w, &x, "a"), ERR_OK);
    uint64_t epoch = x.epoch;
    x.events[0] = '\0';
    assert_int_equal(world_topic(&w, "later", 1), ERR_OK);
    assert_string_equal(x.events, "+ later/0");
    assert_true(x.epoch > epoch);
    epoch = x.epoch;
    assert_int_equal(step(&w, x.member, 0, 9, "one"), ERR_OK);
    assert_int_equal(world_topic_grow(&w, "a", 3), ERR_OK);
    assert_string_equal(x.events, "+ later/0,+ a/2");
    assert_true(x.epoch > epoch);
    epoch = x.epoch;
    x.events[0] = '\0';
    assert_int_equal(world_topic_delete(&w, "a"), ERR_OK);
    assert_string_equal(x.events, "- a/2,- a/1,- a/0");
    assert_int_equal(step(&w, x.member, 0, 9, "gone"), ERR_FENCED);
    x.events[0] = '\0';
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    assert_string_equal(x.events, "+ a/0");
    assert_int_equal(x.committed, -1);
    assert_true(x.epoch > epoch);
    engine_leave(w.engine, x.member);
    world_deinit(&w);
}

TEST(a_member_may_leave_while_it_is_told_something)
{
    /* Promise: leaving from within a callback is safe, and nothing follows. */
    struct world w;
    struct watcher x;
    begin(&w);
    memset(&x, 0, sizeof(x));
    assert_int_equal(join(&w, &x, "a"), ERR_OK);
    x.leave = true;
    x.events[0] = '\0';
    assert_int_equal(world_topic_delete(&w, "a"), ERR_OK);
    assert_string_equal(x.events, "- a/1");
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    assert_string_equal(x.events, "- a/1");
    world_deinit(&w);
}

TEST(an_owned_group_is_closed_to_consumers)
{
    /* Promise: nobody else commits to the group of a service, joins it or deletes it; when the
     * service has gone its position can be moved as that of any group. */
    struct world w;
    struct watcher x;
    begin(&w);
    assert_int_equal(join(&w, &x, "a"), ERR_OK);
    assert_int_equal(step(&w, x.member, 0, 1, "one"), ERR_OK);
    assert_int_equal(world_commit(&w, "g", "a", 0, 77), ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(world_group_delete(&w, "g"), ERR_NON_EMPTY_GROUP);
    assert_int_equal(world_group_join(&w, "g"), ERR_INCONSISTENT_GROUP_PROTOCOL);
    engine_leave(w.engine, x.member);
    assert_int_equal(world_commit(&w, "g", "a", 0, 77), ERR_OK);
    assert_int_equal(join(&w, &x, "a"), ERR_OK);
    assert_int_equal(committed(&w, 0), 77);
    engine_leave(w.engine, x.member);
    assert_int_equal(world_group_delete(&w, "g"), ERR_OK);
    assert_int_equal(committed(&w, 0), -1);
    world_deinit(&w);
}

TEST(positions_of_a_service_do_not_expire)
{
    /* Promise: however long a service rests, it goes on where it was, with a higher epoch. */
    struct world w;
    struct watcher x;
    begin(&w);
    assert_int_equal(join(&w, &x, "a"), ERR_OK);
    assert_int_equal(step(&w, x.member, 0, 1, "one"), ERR_OK);
    const uint64_t epoch = x.epoch;
    for (int round = 0; round < 2; round++) {
        if (round == 1) {
            engine_leave(w.engine, x.member);
        }
        env_sim_advance_ns(w.env, 30ull * 24 * 3600 * 1000000000);
        (void)groups_tick(w.groups, env_mono_ns(w.env));
        world_settle(&w);
        assert_int_equal(committed(&w, 0), 1);
    }
    assert_int_equal(join(&w, &x, "a"), ERR_OK);
    assert_true(x.epoch > epoch);
    engine_leave(w.engine, x.member);
    world_deinit(&w);
}

/* A group that is over is deleted with its positions; not one that has a member. */
TEST(a_group_that_is_over_is_forgotten)
{
    struct world w;
    struct watcher x;
    begin(&w);
    assert_int_equal(join(&w, &x, "a"), ERR_OK);
    assert_int_equal(step(&w, x.member, 0, 7, "v"), ERR_OK);
    engine_group_forget(w.engine, STR_LIT("g"));
    world_settle(&w);
    assert_int_equal(committed(&w, 0), 7);
    engine_leave(w.engine, x.member);
    world_settle(&w);
    assert_int_equal(committed(&w, 0), 7);
    engine_group_forget(w.engine, STR_LIT("g"));
    engine_group_forget(w.engine, STR_LIT("never-there"));
    world_settle(&w);
    assert_int_equal(committed(&w, 0), -1);
    size_t count = 1;
    (void)groups_list(w.groups, &w.arena, &count);
    assert_int_equal(count, 0);
    world_deinit(&w);
}
