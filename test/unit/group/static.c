/* Static members (KIP-345, KIP-814): R31. */
#include "test.h"
#include "world.h"

static void open_world(struct world *w)
{
    world_init(w, 1);
    assert_int_equal(world_open(w), ERR_OK);
}

TEST(static_member_returns_without_rebalance)
{
    /* A restart within the session timeout keeps generation and assignment; the old id is fenced
     * everywhere. */
    struct world w;
    open_world(&w);
    struct client c[2] = {{.group = "g", .id = "a", .instance = "ia"},
                          {.group = "g", .id = "b", .instance = "ib"}};
    stable(&w, c, 2);
    struct client *leader = strcmp(c[0].leader, c[0].member) == 0 ? &c[0] : &c[1];
    struct client *follower = leader == &c[0] ? &c[1] : &c[0];
    struct client old = *follower;
    follower->member[0] = '\0';
    client_join(&w, follower);
    assert_int_equal(follower->answers, 0); /* durable first */
    world_settle(&w);
    assert_int_equal(follower->err, ERR_OK);
    assert_int_equal(follower->generation, 1);
    assert_string_equal(follower->leader, leader->member);
    assert_string_not_equal(follower->member, old.member);
    assert_string_equal(state_of(&w, "g"), "Stable");
    client_sync(&w, follower, NULL);
    char expected[64];
    (void)snprintf(expected, sizeof(expected), "assignment of %s", follower->id);
    assert_string_equal(follower->assignment, expected);
    assert_int_equal(client_beat(&w, leader), ERR_OK);
    assert_int_equal(client_beat(&w, &old), ERR_FENCED_INSTANCE_ID);
    assert_int_equal(client_commit(&w, &old, "t", 0, 1), ERR_FENCED_INSTANCE_ID);
    client_sync(&w, &old, NULL);
    assert_int_equal(old.err, ERR_FENCED_INSTANCE_ID);
    assert_int_equal(client_leave(&w, &old), ERR_FENCED_INSTANCE_ID);
    client_join(&w, &old);
    assert_int_equal(old.err, ERR_FENCED_INSTANCE_ID);
    world_deinit(&w);
}

TEST(static_leader_returns)
{
    /* KIP-814: a new client is told that it leads and may keep the assignment; an old one must not
     * believe that it leads. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a", .instance = "ia"};
    stable(&w, &a, 1);
    char first[128];
    memcpy(first, a.member, sizeof(first));
    a.member[0] = '\0';
    client_join(&w, &a);
    world_settle(&w);
    assert_int_equal(a.err, ERR_OK);
    assert_string_equal(a.leader, first);
    assert_false(a.skip);
    assert_int_equal(a.members, 0);
    a.member[0] = '\0';
    a.can_skip = true;
    client_join(&w, &a);
    world_settle(&w);
    assert_string_equal(a.leader, a.member);
    assert_true(a.skip);
    assert_int_equal(a.members, 1);
    assert_int_equal(a.generation, 1);
    world_deinit(&w);
}

TEST(static_member_with_other_protocols_rebalances)
{
    /* When the chosen protocol would change the group must agree anew. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a", .instance = "ia", .protocols = {"x", "y"}};
    stable(&w, &a, 1);
    a.member[0] = '\0';
    a.protocols[0] = "y";
    a.protocols[1] = NULL;
    client_join(&w, &a);
    world_settle(&w);
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.generation, 2);
    assert_string_equal(a.protocol, "y");
    world_deinit(&w);
}

TEST(static_member_returns_during_a_rebalance)
{
    /* While the leader assigns, a returning member needs a new round; whoever waits under the old
     * id is fenced. */
    struct world w;
    open_world(&w);
    struct client c[2] = {{.group = "g", .id = "a", .instance = "ia"},
                          {.group = "g", .id = "b", .instance = "ib"}};
    client_enter(&w, &c[0]);
    client_enter(&w, &c[1]);
    world_settle(&w);
    struct client *follower = strcmp(c[0].leader, c[0].member) == 0 ? &c[1] : &c[0];
    struct client *leader = follower == &c[0] ? &c[1] : &c[0];
    client_sync(&w, follower, NULL);
    struct client twin = {.group = "g", .id = follower->id, .instance = follower->instance};
    client_join(&w, &twin);
    assert_int_equal(follower->err, ERR_FENCED_INSTANCE_ID);
    assert_int_equal(client_beat(&w, leader), ERR_REBALANCE_IN_PROGRESS);
    struct client third = {.group = "g", .id = follower->id, .instance = follower->instance};
    client_join(&w, &third);
    assert_int_equal(twin.err, ERR_FENCED_INSTANCE_ID);
    client_join(&w, leader);
    world_settle(&w);
    assert_int_equal(third.err, ERR_OK);
    assert_int_equal(third.generation, 2);
    world_deinit(&w);
}

TEST(static_members_stay_over_a_rebalance_and_are_removed_by_name)
{
    /* A static member that is away keeps its place until its session ends; an administrator removes
     * it by its instance id. */
    struct world w;
    open_world(&w);
    struct client c[2] = {
        {.group = "g", .id = "a", .instance = "ia", .session_ms = 60000, .rebalance_ms = 5000},
        {.group = "g", .id = "b", .session_ms = 60000, .rebalance_ms = 5000}};
    stable(&w, c, 2);
    struct client d = {.group = "g", .id = "d", .session_ms = 60000, .rebalance_ms = 5000};
    client_enter(&w, &d);
    client_join(&w, &c[1]);
    world_run(&w, 5100);
    assert_int_equal(d.err, ERR_OK);
    assert_int_equal(group_find(w.groups, STR_LIT("g"))->member_count, 3);
    assert_int_equal(groups_leave(w.groups, STR_LIT("g"), STR_LIT(""), STR_LIT("nobody")),
                     ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(groups_leave(w.groups, STR_LIT("g"), STR_LIT(""), STR_LIT("ia")), ERR_OK);
    assert_int_equal(client_beat(&w, &c[0]), ERR_UNKNOWN_MEMBER_ID);
    assert_string_equal(state_of(&w, "g"), "PreparingRebalance");
    world_deinit(&w);
}
