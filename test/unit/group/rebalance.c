/* The state machine: joins, syncs, heartbeats and leaves in every order that clients produce. */
#include "test.h"
#include "world.h"

static void open_world(struct world *w)
{
    world_init(w, 1);
    assert_int_equal(world_open(w), ERR_OK);
}

TEST(group_one_member_goes_through_its_life)
{
    /* Join, sync, heartbeat, leave: the errors and states that a lone consumer sees. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a"};
    assert_int_equal(client_beat(&w, &a), ERR_UNKNOWN_MEMBER_ID);
    client_join(&w, &a);
    assert_int_equal(a.err, ERR_MEMBER_ID_REQUIRED);
    assert_int_equal(strncmp(a.member, "a-", 2), 0);
    client_join(&w, &a);
    assert_int_equal(a.answers, 0); /* told when the number of the generation is durable */
    assert_string_equal(state_of(&w, "g"), "PreparingRebalance");
    world_settle(&w);
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.generation, 1);
    assert_string_equal(a.leader, a.member);
    assert_string_equal(a.protocol, "range");
    assert_string_equal(a.type, "consumer");
    assert_int_equal(a.members, 1);
    assert_string_equal(state_of(&w, "g"), "CompletingRebalance");
    assert_int_equal(client_beat(&w, &a), ERR_OK);
    assert_int_equal(client_commit(&w, &a, "t", 0, 1), ERR_REBALANCE_IN_PROGRESS);
    const struct client *all[] = {&a, NULL};
    client_sync(&w, &a, all);
    assert_int_equal(a.answers, 0); /* told when it is durable */
    world_settle(&w);
    assert_string_equal(a.assignment, "assignment of a");
    assert_string_equal(state_of(&w, "g"), "Stable");
    client_sync(&w, &a, NULL); /* once more: the same */
    assert_string_equal(a.assignment, "assignment of a");
    assert_int_equal(client_beat(&w, &a), ERR_OK);
    a.generation = 2;
    assert_int_equal(client_beat(&w, &a), ERR_ILLEGAL_GENERATION);
    a.generation = 1;
    assert_int_equal(client_leave(&w, &a), ERR_OK);
    assert_int_equal(client_leave(&w, &a), ERR_UNKNOWN_MEMBER_ID);
    assert_string_equal(state_of(&w, "g"), "Empty");
    world_deinit(&w);
}

TEST(group_checks_what_a_join_asks_for)
{
    /* Each refusal with Kafka's code. */
    struct world w;
    open_world(&w);
    static const struct {
        const char *group, *member;
        int32_t session_ms;
        enum err err;
    } rows[] = {{"", "", 10000, ERR_INVALID_GROUP_ID},
                {"g", "", 5999, ERR_INVALID_SESSION_TIMEOUT},
                {"g", "", 1800001, ERR_INVALID_SESSION_TIMEOUT},
                {"g", "x", 10000, ERR_UNKNOWN_MEMBER_ID}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client c = {.group = rows[i].group, .session_ms = rows[i].session_ms};
        (void)snprintf(c.member, sizeof(c.member), "%s", rows[i].member);
        client_join(&w, &c);
        assert_int_equal(c.err, rows[i].err);
    }
    assert_int_equal(w.groups->count, 0); /* nothing is left of them */
    struct client a = {.group = "g", .id = "a", .protocols = {"range", "sticky"}};
    stable(&w, &a, 1);
    struct client b = {.group = "g", .id = "b", .protocols = {"other"}};
    client_join(&w, &b);
    assert_int_equal(b.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
    (void)snprintf(b.member, sizeof(b.member), "nobody");
    b.protocols[0] = "range";
    client_join(&w, &b);
    assert_int_equal(b.err, ERR_UNKNOWN_MEMBER_ID);
    (void)snprintf(a.protocol, sizeof(a.protocol), "sticky");
    client_sync(&w, &a, NULL);
    assert_int_equal(a.err, ERR_INCONSISTENT_GROUP_PROTOCOL);
    world_deinit(&w);
}

TEST(group_second_member_makes_a_new_generation)
{
    /* R13: nobody is thrown out because somebody else joins; everybody gets what it was assigned.
     */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a"};
    struct client b = {.group = "g", .id = "b"};
    stable(&w, &a, 1);
    client_enter(&w, &b);
    world_settle(&w);
    assert_int_equal(b.answers, 0);
    assert_int_equal(client_beat(&w, &a), ERR_REBALANCE_IN_PROGRESS);
    assert_int_equal(client_commit(&w, &a, "t", 0, 7), ERR_OK); /* it may still finish its work */
    client_join(&w, &a);
    world_settle(&w);
    assert_int_equal(a.generation, 2);
    assert_int_equal(b.generation, 2);
    assert_string_equal(b.leader, a.member);
    assert_int_equal(a.members, 2);
    assert_int_equal(b.members, 0);
    client_sync(&w, &b, NULL);
    world_settle(&w);
    assert_int_equal(b.answers, 0); /* waits for the leader */
    const struct client *all[] = {&a, &b, NULL};
    client_sync(&w, &a, all);
    world_settle(&w);
    assert_string_equal(a.assignment, "assignment of a");
    assert_string_equal(b.assignment, "assignment of b");
    world_deinit(&w);
}

TEST(group_rebalance_ends_without_who_does_not_come)
{
    /* After the longest rebalance timeout the others go on; who is late is no member any more. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a", .rebalance_ms = 8000, .session_ms = 30000};
    struct client b = {.group = "g", .id = "b", .rebalance_ms = 8000, .session_ms = 30000};
    stable(&w, &a, 1);
    client_enter(&w, &b);
    world_run(&w, 7900);
    assert_int_equal(b.answers, 0);
    world_run(&w, 200);
    assert_int_equal(b.err, ERR_OK);
    assert_string_equal(b.leader, b.member);
    assert_int_equal(client_beat(&w, &a), ERR_UNKNOWN_MEMBER_ID);
    /* b never syncs: it is given up too, and the group is empty. */
    world_run(&w, 8100);
    assert_string_equal(state_of(&w, "g"), "Empty");
    world_deinit(&w);
}

TEST(group_rebalance_sends_waiting_syncs_back)
{
    /* A follower that waits for its assignment is told to join again; a third member joining must
     * not leave it hanging. */
    struct world w;
    open_world(&w);
    struct client c[2] = {{.group = "g", .id = "a"}, {.group = "g", .id = "b"}};
    client_enter(&w, &c[0]);
    client_enter(&w, &c[1]);
    world_settle(&w);
    struct client *follower = strcmp(c[0].leader, c[0].member) == 0 ? &c[1] : &c[0];
    struct client *leader = follower == &c[0] ? &c[1] : &c[0];
    client_sync(&w, follower, NULL);
    struct client d = {.group = "g", .id = "d"};
    client_enter(&w, &d);
    assert_int_equal(follower->err, ERR_REBALANCE_IN_PROGRESS);
    client_sync(&w, leader, NULL);
    assert_int_equal(leader->err, ERR_REBALANCE_IN_PROGRESS);
    client_join(&w, leader);
    client_join(&w, follower);
    world_settle(&w);
    assert_int_equal(d.err, ERR_OK);
    assert_int_equal(d.generation, 2);
    assert_int_equal(leader->generation, 2);
    world_deinit(&w);
}

TEST(group_assignment_of_an_older_generation_is_not_used)
{
    /* The leader's assignment is on its way to the disk when a member joins: it must not reach the
     * next generation. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a"};
    struct client b = {.group = "g", .id = "b"};
    client_enter(&w, &a);
    world_settle(&w);
    const struct client *all[] = {&a, NULL};
    client_sync(&w, &a, all);
    client_enter(&w, &b);
    assert_int_equal(a.err, ERR_REBALANCE_IN_PROGRESS);
    client_join(&w, &a);
    world_settle(&w);
    assert_string_equal(state_of(&w, "g"), "CompletingRebalance");
    assert_int_equal(a.generation, 2);
    world_deinit(&w);
}

TEST(group_join_twice_and_sync_twice)
{
    /* A client that lost its connection asks again: the old call ends, the new one is answered. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a"};
    stable(&w, &a, 1);
    struct client b = {.group = "g", .id = "b"};
    client_enter(&w, &b);
    char old_member[128];
    memcpy(old_member, b.member, sizeof(old_member));
    struct client again = {.group = "g", .id = "b"};
    struct groups_ticket *first = &b.ticket;
    assert_non_null(first->slot);
    const struct group *gr = group_find(w.groups, STR_LIT("g"));
    /* the member's id was not told yet in an answer: take it from the group */
    LIST_FOR_EACH (l, next, &gr->members) {
        const struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        if (m->join_ticket == first) {
            (void)snprintf(again.member, sizeof(again.member), "%.*s", STR(m->id));
        }
    }
    client_join(&w, &again);
    assert_int_equal(b.err, ERR_REBALANCE_IN_PROGRESS);
    client_join(&w, &a);
    world_settle(&w);
    assert_int_equal(again.err, ERR_OK);
    /* In CompletingRebalance a join with the same protocols is told the generation again. */
    client_join(&w, &again);
    assert_int_equal(again.err, ERR_OK);
    assert_int_equal(again.generation, 2);
    client_sync(&w, &again, NULL);
    struct client twin = again;
    twin.ticket = (struct groups_ticket){0};
    client_sync(&w, &twin, NULL);
    assert_int_equal(again.err, ERR_REBALANCE_IN_PROGRESS);
    const struct client *all[] = {&a, &twin, NULL};
    client_sync(&w, &a, all);
    world_settle(&w);
    assert_string_equal(twin.assignment, "assignment of b");
    world_deinit(&w);
}

TEST(group_leader_joins_again_to_rebalance)
{
    /* A stable leader that joins makes everybody join; a stable follower that joins does not. */
    struct world w;
    open_world(&w);
    struct client c[2] = {{.group = "g", .id = "a"}, {.group = "g", .id = "b"}};
    stable(&w, c, 2);
    struct client *leader = strcmp(c[0].leader, c[0].member) == 0 ? &c[0] : &c[1];
    struct client *follower = leader == &c[0] ? &c[1] : &c[0];
    client_join(&w, follower);
    assert_int_equal(follower->err, ERR_OK);
    assert_int_equal(follower->generation, 1);
    assert_string_equal(state_of(&w, "g"), "Stable");
    client_join(&w, leader);
    assert_string_equal(state_of(&w, "g"), "PreparingRebalance");
    follower->protocols[1] = "other";
    client_join(&w, follower);
    world_settle(&w);
    assert_int_equal(follower->generation, 2);
    assert_string_equal(leader->leader, leader->member);
    world_deinit(&w);
}

TEST(group_members_expire_by_silence)
{
    /* Every call of a member is a sign of life; without one the session ends. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a"};
    stable(&w, &a, 1);
    for (int i = 0; i < 4; i++) {
        world_run(&w, 6000);
        assert_int_equal(client_beat(&w, &a), ERR_OK);
        world_run(&w, 6000);
        assert_int_equal(client_commit(&w, &a, "t", 0, i), ERR_OK);
    }
    world_run(&w, 9900);
    assert_string_equal(state_of(&w, "g"), "Stable");
    world_run(&w, 200);
    assert_int_equal(client_beat(&w, &a), ERR_UNKNOWN_MEMBER_ID);
    assert_string_equal(state_of(&w, "g"), "Empty");
    assert_true(metric_value(w.groups->expired) == 1);
    world_deinit(&w);
}

TEST(group_pending_ids_expire)
{
    /* An id that was given out and never used is forgotten, and does not hold up a rebalance for
     * ever. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a"};
    struct client ghost = {.group = "g", .id = "ghost"};
    stable(&w, &a, 1);
    client_join(&w, &ghost);
    assert_int_equal(ghost.err, ERR_MEMBER_ID_REQUIRED);
    client_join(&w, &a); /* the leader wants a rebalance */
    world_settle(&w);
    assert_int_equal(a.answers, 0); /* waits for the ghost */
    world_run(&w, 10100);
    assert_int_equal(a.err, ERR_OK);
    client_join(&w, &ghost);
    assert_int_equal(ghost.err, ERR_UNKNOWN_MEMBER_ID);
    struct client lone = {.group = "other", .id = "ghost"};
    client_join(&w, &lone);
    assert_string_equal(state_of(&w, "other"), "Empty");
    world_run(&w, 10100);
    assert_string_equal(state_of(&w, "other"), "none"); /* nothing stays of a group never used */
    world_deinit(&w);
}

TEST(group_initial_delay_collects_members)
{
    /* group.initial.rebalance.delay.ms: who arrives meanwhile is in the first generation, and the
     * delay is extended, at most to a rebalance timeout. */
    struct world w;
    world_init(&w, 1);
    world_set(&w, "group.initial.rebalance.delay.ms", "3000");
    assert_int_equal(world_open(&w), ERR_OK);
    struct client c[3] = {{.group = "g", .id = "a", .rebalance_ms = 7000},
                          {.group = "g", .id = "b", .rebalance_ms = 7000},
                          {.group = "g", .id = "c", .rebalance_ms = 7000}};
    client_enter(&w, &c[0]);
    world_run(&w, 2000);
    client_enter(&w, &c[1]);
    world_run(&w, 2000);
    assert_int_equal(c[0].answers, 0);
    client_enter(&w, &c[2]);
    world_run(&w, 2900);
    assert_int_equal(c[0].answers, 0);
    world_run(&w, 200); /* 3 + 3 + 1 seconds */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(c[i].err, ERR_OK);
        assert_int_equal(c[i].generation, 1);
    }
    world_deinit(&w);
}

TEST(group_votes_for_a_protocol)
{
    /* The protocol that all know and most prefer. */
    struct world w;
    open_world(&w);
    struct client c[3] = {{.group = "g", .id = "a", .protocols = {"x", "y", "z"}},
                          {.group = "g", .id = "b", .protocols = {"z", "y"}},
                          {.group = "g", .id = "c", .protocols = {"y", "z"}}};
    stable(&w, c, 3);
    assert_string_equal(c[0].protocol, "y");
    world_deinit(&w);
}

TEST(group_max_size_is_kept)
{
    /* The one too many is refused, the others stay. */
    struct world w;
    world_init(&w, 1);
    world_set(&w, "group.max.size", "2");
    assert_int_equal(world_open(&w), ERR_OK);
    struct client c[2] = {{.group = "g", .id = "a"}, {.group = "g", .id = "b"}};
    stable(&w, c, 2);
    struct client d = {.group = "g", .id = "d"};
    client_enter(&w, &d);
    assert_int_equal(d.err, ERR_GROUP_MAX_SIZE_REACHED);
    assert_string_equal(d.member, "");
    assert_int_equal(client_beat(&w, &c[0]), ERR_OK);
    world_deinit(&w);
}

TEST(group_callers_may_go_away)
{
    /* A dropped ticket is never called, the member still counts; at the stop whoever waits is
     * answered. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a"};
    struct client b = {.group = "g", .id = "b"};
    stable(&w, &a, 1);
    client_enter(&w, &b);
    groups_ticket_drop(&b.ticket);
    groups_ticket_drop(&b.ticket);
    client_join(&w, &a);
    world_settle(&w);
    assert_int_equal(b.answers, 0);
    assert_int_equal(a.generation, 2);
    assert_int_equal(a.members, 2);
    const struct client *all[] = {&a, NULL};
    client_sync(&w, &a, all);
    groups_ticket_drop(&a.ticket);
    world_settle(&w);
    assert_int_equal(a.answers, 0);
    assert_string_equal(state_of(&w, "g"), "Stable");
    struct client d = {.group = "g", .id = "d"};
    client_enter(&w, &d);
    groups_stop(w.groups);
    assert_int_equal(d.err, ERR_COORDINATOR_NOT_AVAILABLE);
    world_deinit(&w);
}

static enum err scenario(void *ctx)
{
    struct world *w = ctx;
    struct client a = {.group = "g", .id = "a", .old = true};
    client_join(w, &a);
    world_settle(w);
    if (a.answers == 0) {
        world_run(w, 1000); /* an owed fact, or a protocol that could not be chosen, comes later */
    }
    if (a.err == ERR_OK) {
        const struct client *all[] = {&a, NULL};
        client_sync(w, &a, all);
        world_settle(w);
    }
    enum err e = a.err;
    if (e == ERR_OK) {
        e = client_commit(w, &a, "t", 1, 5);
    }
    groups_ticket_drop(&a.ticket);
    group_check(group_find(w->groups, STR_LIT("g")) == NULL
                    ? CONTAINER_OF(w->groups->all.next, struct group, link)
                    : group_find(w->groups, STR_LIT("g")));
    return e;
}

TEST(group_copes_without_memory)
{
    /* Every allocation of a join, a sync and a commit fails once: an error that the client retries,
     * no crash, no leak. (The store's own failures are its own tests.) */
    for (uint64_t n = 1; n < 200; n++) {
        struct world w;
        open_world(&w);
        assert_int_equal(simple_commit(&w, "g", "t", 0, 1, -1), ERR_OK);
        test_fail_alloc(n);
        enum err e = scenario(&w);
        int failed = test_fail_alloc_end();
        if (w.failures == 0) {
            world_settle(&w);
            assert_int_equal(committed(&w, "g", "t", 0), 1);
            assert_true(e != ERR_OK || committed(&w, "g", "t", 1) == 5);
        }
        world_deinit(&w);
        if (!failed) {
            assert_int_equal(e, ERR_OK);
            return;
        }
    }
    fail_msg("allocations without end");
}
