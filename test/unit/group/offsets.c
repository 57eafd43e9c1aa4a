/* Committed offsets: who may commit, what is seen when, what expires, what is deleted. */
#include "test.h"
#include "world.h"

static void open_world(struct world *w)
{
    world_init(w, 1);
    assert_int_equal(world_open(w), ERR_OK);
}

static const uint64_t DAY_MS = 86400000;

TEST(offsets_of_simple_consumers)
{
    /* Without membership commits go to groups without members, with metadata and epoch as given. */
    struct world w;
    open_world(&w);
    assert_int_equal(simple_commit(&w, "g", "t", 1, 42, -1), ERR_OK);
    struct groups_offset o;
    assert_true(groups_offset_get(w.groups, STR_LIT("g"), STR_LIT("t"), 1, &o));
    assert_int_equal(o.offset, 42);
    assert_int_equal(o.leader_epoch, 3);
    assert_true(str_eq_z(o.metadata, "note"));
    assert_int_equal(committed(&w, "g", "t", 0), -1);
    assert_int_equal(committed(&w, "other", "t", 1), -1);
    assert_string_equal(state_of(&w, "g"), "Empty");
    struct client a = {.group = "g", .id = "a"};
    stable(&w, &a, 1);
    assert_int_equal(simple_commit(&w, "g", "t", 1, 43, -1), ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(committed(&w, "g", "t", 1), 42);
    /* the empty group id is one, as in Kafka */
    assert_int_equal(simple_commit(&w, "", "t", 1, 5, -1), ERR_OK);
    assert_int_equal(committed(&w, "", "t", 1), 5);
    world_deinit(&w);
}

TEST(offsets_of_members_are_checked)
{
    /* L22: only a member of the current generation commits; nobody else moves an offset. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a"};
    stable(&w, &a, 1);
    assert_int_equal(client_commit(&w, &a, "t", 0, 10), ERR_OK);
    struct client late = a;
    late.generation = 0;
    assert_int_equal(client_commit(&w, &late, "t", 0, 1), ERR_ILLEGAL_GENERATION);
    (void)snprintf(late.member, sizeof(late.member), "nobody");
    assert_int_equal(client_commit(&w, &late, "t", 0, 1), ERR_UNKNOWN_MEMBER_ID);
    struct client stranger = {.group = "unknown", .generation = 1};
    assert_int_equal(client_commit(&w, &stranger, "t", 0, 1), ERR_ILLEGAL_GENERATION);
    assert_int_equal(committed(&w, "g", "t", 0), 10);
    assert_string_equal(state_of(&w, "unknown"), "none");
    world_deinit(&w);
}

static void ignore_answer(struct groups_ticket *t, const struct groups_answer *a)
{
    (void)t;
    (void)a;
}

TEST(offsets_are_seen_when_they_are_durable)
{
    /* A fetch never shows what a crash could take back, and a refused part does not stop others. */
    struct world w;
    open_world(&w);
    char large[4097];
    memset(large, 'x', sizeof(large));
    struct groups_commit_item items[3] = {
        {.topic = STR_LIT("t"), .partition = 0, .offset = {7, -1, STR_NULL}},
        {.topic = STR_LIT("t"), .partition = 1, .offset = {7, -1, str_make(large, 4097)}},
        {.err = ERR_UNKNOWN_TOPIC_OR_PARTITION}};
    struct groups_commit c = {.group_id = STR_LIT("g"),
                              .member_id = STR_LIT(""),
                              .generation = -1,
                              .retention_ms = -1,
                              .items = items,
                              .count = 3};
    struct groups_ticket t = {.done = ignore_answer};
    groups_commit(w.groups, &c, &t);
    assert_int_equal(committed(&w, "g", "t", 0), -1);
    world_settle(&w);
    assert_int_equal(committed(&w, "g", "t", 0), 7);
    assert_int_equal(items[0].err, ERR_OK);
    assert_int_equal(items[1].err, ERR_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(committed(&w, "g", "t", 1), -1);
    world_deinit(&w);
}

TEST(offsets_too_many_for_a_frame_are_refused)
{
    /* The limit has an answer. */
    struct world w;
    open_world(&w);
    enum { N = 2000 };
    static struct groups_commit_item items[N];
    for (int i = 0; i < N; i++) {
        items[i] = (struct groups_commit_item){.topic = STR_LIT("a-topic-with-a-long-name"),
                                               .partition = i,
                                               .offset = {1, -1, STR_NULL}};
    }
    struct groups_commit c = {.group_id = STR_LIT("g"),
                              .member_id = STR_LIT(""),
                              .generation = -1,
                              .retention_ms = -1,
                              .items = items,
                              .count = N};
    struct groups_ticket t = {.done = ignore_answer};
    groups_commit(w.groups, &c, &t);
    assert_null(t.slot); /* answered at once */
    assert_string_equal(state_of(&w, "g"), "none");
    world_deinit(&w);
}

TEST(offsets_expire_after_the_group_became_empty)
{
    /* With members nothing expires; then a week from when the last one left, not from the commit.
     */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a", .topics = "t", .session_ms = 1800000};
    stable(&w, &a, 1);
    assert_int_equal(client_commit(&w, &a, "t", 0, 1), ERR_OK);
    assert_int_equal(client_commit(&w, &a, "unread", 0, 1), ERR_OK);
    for (int i = 0; i < 8 * 24 * 3; i++) {
        world_run(&w, DAY_MS / 24 / 3);
        assert_int_equal(client_beat(&w, &a), ERR_OK);
    }
    assert_int_equal(committed(&w, "g", "t", 0), 1);
    assert_int_equal(committed(&w, "g", "unread", 0), -1); /* not subscribed: from the commit */
    assert_int_equal(client_leave(&w, &a), ERR_OK);
    world_run(&w, 7 * DAY_MS - 1800000);
    assert_int_equal(committed(&w, "g", "t", 0), 1);
    world_run(&w, 3 * 1800000);
    assert_int_equal(committed(&w, "g", "t", 0), -1);
    assert_string_equal(state_of(&w, "g"), "none");
    world_deinit(&w);
}

TEST(offsets_of_simple_consumers_expire_from_the_commit)
{
    /* Also over restarts: running time counts. v2 to v4 of the request may say how long. */
    struct world w;
    open_world(&w);
    assert_int_equal(simple_commit(&w, "g", "t", 0, 1, -1), ERR_OK);
    assert_int_equal(simple_commit(&w, "g", "t", 1, 1, 3600000), ERR_OK);
    world_run(&w, 3 * DAY_MS);
    assert_int_equal(committed(&w, "g", "t", 0), 1);
    assert_int_equal(committed(&w, "g", "t", 1), -1);
    assert_int_equal(simple_commit(&w, "g", "t", 2, 1, -1), ERR_OK);
    world_close(&w);
    env_sim_advance_ns(w.env, 30 * DAY_MS * NS_PER_MS); /* the server was off */
    assert_int_equal(world_open(&w), ERR_OK);
    /* The simulated monotonic clock goes on while the server is off: what must not happen is that
     * restored ages jump with it. */
    world_run(&w, 3 * DAY_MS);
    assert_int_equal(committed(&w, "g", "t", 0), 1);
    world_run(&w, 2 * DAY_MS);
    assert_int_equal(committed(&w, "g", "t", 0), -1);
    assert_int_equal(committed(&w, "g", "t", 2), 1);
    world_run(&w, 4 * DAY_MS);
    assert_string_equal(state_of(&w, "g"), "none");
    world_close(&w);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_string_equal(state_of(&w, "g"), "none");
    world_deinit(&w);
}

static enum err delete_group(struct world *w, const char *group)
{
    struct groups_ticket t = {.done = ignore_answer};
    groups_delete(w->groups, str_of(group), &t);
    bool waits = t.slot != NULL;
    world_settle(w);
    return waits ? ERR_OK : ERR_GROUP_ID_NOT_FOUND;
}

TEST(group_deletion)
{
    /* Only empty groups, with everything; it stays deleted, and what comes after it stays. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a"};
    stable(&w, &a, 1);
    assert_int_equal(client_commit(&w, &a, "t", 0, 9), ERR_OK);
    assert_int_not_equal(delete_group(&w, "g"), ERR_OK);
    assert_int_not_equal(delete_group(&w, "nobody"), ERR_OK);
    assert_int_equal(client_leave(&w, &a), ERR_OK);
    world_settle(&w);
    assert_int_equal(delete_group(&w, "g"), ERR_OK);
    assert_string_equal(state_of(&w, "g"), "none");
    world_cut(&w, 1);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_string_equal(state_of(&w, "g"), "none");
    /* A commit that is on its way together with the deletion, and after it. */
    assert_int_equal(simple_commit(&w, "g", "t", 0, 1, -1), ERR_OK);
    struct groups_ticket t = {.done = ignore_answer};
    groups_delete(w.groups, STR_LIT("g"), &t);
    assert_int_equal(simple_commit(&w, "g", "t", 1, 2, -1), ERR_OK);
    assert_int_equal(committed(&w, "g", "t", 0), -1);
    assert_int_equal(committed(&w, "g", "t", 1), 2);
    world_cut(&w, 2);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_int_equal(committed(&w, "g", "t", 0), -1);
    assert_int_equal(committed(&w, "g", "t", 1), 2);
    world_deinit(&w);
}

TEST(offset_deletion)
{
    /* KIP-496: not of topics that the group reads. */
    struct world w;
    open_world(&w);
    struct client a = {.group = "g", .id = "a", .topics = "read"};
    stable(&w, &a, 1);
    assert_int_equal(client_commit(&w, &a, "read", 0, 1), ERR_OK);
    assert_int_equal(client_commit(&w, &a, "unread", 0, 1), ERR_OK);
    struct groups_offset_name names[3] = {{STR_LIT("read"), 0, ERR_OK},
                                          {STR_LIT("unread"), 0, ERR_OK},
                                          {STR_LIT("unread"), 1, ERR_OK}};
    struct groups_ticket t = {.done = ignore_answer};
    groups_offsets_delete(w.groups, STR_LIT("g"), names, 3, &t);
    world_settle(&w);
    assert_int_equal(names[0].err, ERR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(names[1].err, ERR_OK);
    assert_int_equal(committed(&w, "g", "read", 0), 1);
    assert_int_equal(committed(&w, "g", "unread", 0), -1);
    world_cut(&w, 3);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_int_equal(committed(&w, "g", "read", 0), 1);
    assert_int_equal(committed(&w, "g", "unread", 0), -1);
    world_deinit(&w);
}

static bool only_new(void *ctx, struct str topic, struct uuid id)
{
    (void)topic;
    return uuid_eq(id, *(struct uuid *)ctx);
}

TEST(offsets_go_with_their_topic)
{
    /* A deleted topic takes its offsets along; a topic made again does not inherit, even if a crash
     * came before the offsets were forgotten. */
    struct world w;
    open_world(&w);
    assert_int_equal(simple_commit(&w, "g", "t", 0, 5, -1), ERR_OK);
    assert_int_equal(simple_commit(&w, "g", "u", 0, 6, -1), ERR_OK);
    groups_topic_deleted(w.groups, STR_LIT("t"));
    assert_int_equal(committed(&w, "g", "t", 0), -1);
    world_cut(&w, 4);
    assert_int_equal(world_open(&w), ERR_OK);
    struct uuid u = topic_id("u");
    groups_forget_topics(w.groups, only_new, &u);
    assert_int_equal(committed(&w, "g", "t", 0), -1);
    assert_int_equal(committed(&w, "g", "u", 0), 6);
    world_deinit(&w);
}

TEST(groups_are_listed_and_described)
{
    /* What an administrator sees, in each state. */
    struct world w;
    open_world(&w);
    struct arena a;
    arena_init(&a, 1 << 20);
    struct client c = {.group = "b", .id = "x", .instance = "i"};
    stable(&w, &c, 1);
    assert_int_equal(simple_commit(&w, "a", "t", 0, 1, -1), ERR_OK);
    size_t n = 0;
    const struct groups_listing *list = groups_list(w.groups, &a, &n);
    assert_int_equal(n, 2);
    assert_true(str_eq_z(list[0].group_id, "a"));
    assert_string_equal(list[0].state, "Empty");
    assert_true(str_eq_z(list[0].protocol_type, ""));
    assert_true(str_eq_z(list[1].protocol_type, "consumer"));
    struct groups_info info;
    assert_int_equal(groups_describe(w.groups, STR_LIT("none"), &a, &info), ERR_GROUP_ID_NOT_FOUND);
    assert_int_equal(groups_describe(w.groups, STR_LIT("b"), &a, &info), ERR_OK);
    assert_string_equal(info.state, "Stable");
    assert_true(str_eq_z(info.protocol_name, "range"));
    assert_int_equal(info.member_count, 1);
    assert_true(str_eq_z(info.members[0].instance_id, "i"));
    assert_true(str_eq_z(info.members[0].client_id, "x"));
    assert_true(str_eq_z(info.members[0].metadata, "m"));
    assert_true(str_eq_z(info.members[0].assignment, "assignment of x"));
    struct buf text;
    buf_init(&text, 1 << 20);
    metrics_write(w.metrics, &text);
    buf_put_u8(&text, 0);
    assert_non_null(strstr((const char *)text.p, "leat_groups{state=\"Stable\"} 1"));
    assert_non_null(strstr((const char *)text.p, "leat_offset_commits_total 1"));
    buf_deinit(&text);
    arena_deinit(&a);
    world_deinit(&w);
}
