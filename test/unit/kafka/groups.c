/* The group APIs in each of their versions: what a client of that age sends is understood, what it
 * gets can be read. The rules of groups are tested in test/unit/group. */
#include <stdio.h>

#include "world.h"

enum {
    KEY_OFFSET_COMMIT = 8,
    KEY_OFFSET_FETCH = 9,
    KEY_FIND_COORDINATOR = 10,
    KEY_JOIN_GROUP = 11,
    KEY_HEARTBEAT = 12,
    KEY_LEAVE_GROUP = 13,
    KEY_SYNC_GROUP = 14,
    KEY_DESCRIBE_GROUPS = 15,
    KEY_LIST_GROUPS = 16,
    KEY_DELETE_GROUPS = 42,
    KEY_OFFSET_DELETE = 47,
};

/* The version of an API that a client of age `age` uses. */
static int16_t at_most(int16_t key, int16_t age)
{
    const struct wire_api *api = wire_api_find(key);
    int16_t v = age < api->min ? api->min : age;
    return v > api->max ? api->max : v;
}

TEST(find_coordinator_in_every_version)
{
    /* Groups are here; transactions and share groups get an error that ends the asking. */
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    for (int16_t v = 0; v <= 6; v++) {
        for (int8_t type = 0; type <= (v == 0 ? 0 : 3); type++) {
            struct wire_find_coordinator_request req;
            struct wire_find_coordinator_response res;
            struct str keys[] = {STR_LIT("one"), STR_LIT("two")};
            WIRE_INIT(wire_find_coordinator_request, &req);
            req.key_type = type;
            if (v >= 4) {
                req.coordinator_keys = keys;
                req.coordinator_keys_count = 2;
            } else {
                req.key = keys[0];
            }
            call(&c, KEY_FIND_COORDINATOR, v, &req, &res);
            int16_t code = v >= 4 ? res.coordinators[1].error_code : res.error_code;
            int32_t port = v >= 4 ? res.coordinators[1].port : res.port;
            static const int16_t expected[] = {0, 53, 42, 42};
            assert_int_equal(code, expected[type]);
            assert_int_equal(port, type == 0 ? w.addr.port : -1);
            if (v >= 4) {
                assert_int_equal(res.coordinators_count, 2);
                assert_true(str_eq_z(res.coordinators[1].key, "two"));
                assert_true(type == 0 || res.coordinators[1].error_message.n > 0);
            } else if (v >= 1 && type > 0) {
                assert_true(res.error_message.n > 0);
            }
        }
    }
    client_close(&c);
    world_deinit(&w);
}

/* One consumer whose requests have the versions of `age`. */
struct member {
    struct client *c;
    int16_t age;
    struct str group, id;
    int32_t generation;
};

static void join(struct member *m)
{
    struct world *w = m->c->w;
    int16_t v = at_most(KEY_JOIN_GROUP, m->age);
    struct wire_join_group_request req;
    struct wire_join_group_response res;
    struct wire_join_group_request_protocol *p = NEW(w, wire_join_group_request_protocol, 1);
    WIRE_INIT(wire_join_group_request, &req);
    p->name = STR_LIT("range");
    p->metadata = STR_LIT("metadata");
    req.group_id = m->group;
    req.session_timeout_ms = 10000;
    req.rebalance_timeout_ms = v >= 1 ? 20000 : -1;
    req.protocol_type = STR_LIT("consumer");
    req.protocols = p;
    req.protocols_count = 1;
    call(m->c, KEY_JOIN_GROUP, v, &req, &res);
    if (v >= 4) {
        assert_int_equal(res.error_code, 79);
        req.member_id = res.member_id;
        call(m->c, KEY_JOIN_GROUP, v, &req, &res);
    }
    assert_int_equal(res.error_code, 0);
    assert_int_equal(res.generation_id, 1);
    assert_true(str_eq_z(res.protocol_name, "range"));
    assert_true(v < 7 || str_eq_z(res.protocol_type, "consumer"));
    assert_true(str_eq(res.leader, res.member_id));
    assert_int_equal(res.members_count, 1);
    assert_true(str_eq_z(res.members[0].metadata, "metadata"));
    m->id = res.member_id;
    m->generation = res.generation_id;
}

static void sync(struct member *m)
{
    struct world *w = m->c->w;
    int16_t v = at_most(KEY_SYNC_GROUP, m->age);
    struct wire_sync_group_request req;
    struct wire_sync_group_response res;
    struct wire_sync_group_request_assignment *a = NEW(w, wire_sync_group_request_assignment, 1);
    WIRE_INIT(wire_sync_group_request, &req);
    a->member_id = m->id;
    a->assignment = STR_LIT("assignment");
    req.group_id = m->group;
    req.member_id = m->id;
    req.generation_id = m->generation;
    req.assignments = a;
    req.assignments_count = 1;
    if (v >= 5) {
        call(m->c, KEY_SYNC_GROUP, v, &req, &res);
        assert_int_equal(res.error_code, 23); /* both protocol fields are due */
        req.protocol_type = STR_LIT("consumer");
        req.protocol_name = STR_LIT("range");
    }
    call(m->c, KEY_SYNC_GROUP, v, &req, &res);
    assert_int_equal(res.error_code, 0);
    assert_true(str_eq_z(res.assignment, "assignment"));
    assert_true(v < 5 || str_eq_z(res.protocol_name, "range"));
}

static void beat(struct member *m)
{
    struct wire_heartbeat_request req;
    struct wire_heartbeat_response res;
    WIRE_INIT(wire_heartbeat_request, &req);
    req.group_id = m->group;
    req.member_id = m->id;
    req.generation_id = m->generation;
    call(m->c, KEY_HEARTBEAT, at_most(KEY_HEARTBEAT, m->age), &req, &res);
    assert_int_equal(res.error_code, 0);
}

/* Partition 0 of "t" is there, 9 is not, and neither is the second topic. */
static void commit(struct member *m, int64_t offset)
{
    struct world *w = m->c->w;
    int16_t v = at_most(KEY_OFFSET_COMMIT, m->age);
    struct wire_offset_commit_request req;
    struct wire_offset_commit_response res;
    struct wire_offset_commit_request_topic *t = NEW(w, wire_offset_commit_request_topic, 2);
    WIRE_INIT(wire_offset_commit_request, &req);
    req.group_id = m->group;
    req.member_id = m->id;
    req.generation_id_or_member_epoch = m->generation;
    req.topics = t;
    req.topics_count = 2;
    for (int i = 0; i < 2; i++) {
        if (v >= 10) {
            t[i].topic_id = i == 0 ? w->id : (struct uuid){{1, 2, 3}};
        } else {
            t[i].name = i == 0 ? STR_LIT("t") : STR_LIT("unknown");
        }
        t[i].partitions = NEW(w, wire_offset_commit_request_partition, 2);
        t[i].partitions_count = 2;
        for (int j = 0; j < 2; j++) {
            t[i].partitions[j].partition_index = j == 0 ? 0 : 9;
            t[i].partitions[j].committed_offset = offset;
            t[i].partitions[j].committed_metadata = STR_LIT("note");
            if (v >= 6) {
                t[i].partitions[j].committed_leader_epoch = 2;
            }
        }
    }
    call(m->c, KEY_OFFSET_COMMIT, v, &req, &res);
    assert_int_equal(res.topics_count, 2);
    assert_int_equal(res.topics[0].partitions[0].error_code, 0);
    assert_int_equal(res.topics[0].partitions[1].error_code, 3);
    assert_int_equal(res.topics[1].partitions[0].error_code, v >= 10 ? 100 : 3);
}

static void fetch_v1(struct member *m, int16_t v, bool all, int64_t offset)
{
    struct world *w = m->c->w;
    struct wire_offset_fetch_request req;
    struct wire_offset_fetch_response res;
    int32_t partitions[] = {0, 1};
    WIRE_INIT(wire_offset_fetch_request, &req);
    req.group_id = m->group;
    req.topics_count = all ? -1 : 1;
    if (!all) {
        req.topics = NEW(w, wire_offset_fetch_request_topic, 1);
        req.topics[0].name = STR_LIT("t");
        req.topics[0].partition_indexes = partitions;
        req.topics[0].partition_indexes_count = 2;
    }
    call(m->c, KEY_OFFSET_FETCH, v, &req, &res);
    assert_int_equal(res.error_code, 0);
    assert_int_equal(res.topics_count, 1);
    assert_int_equal(res.topics[0].partitions_count, all ? 1 : 2);
    assert_int_equal(res.topics[0].partitions[0].committed_offset, offset);
    assert_true(str_eq_z(res.topics[0].partitions[0].metadata, "note"));
    if (!all) {
        assert_int_equal(res.topics[0].partitions[1].committed_offset, -1);
        assert_int_equal(res.topics[0].partitions[1].error_code, 0);
    }
}

static void fetch_v8(struct member *m, int16_t v, bool all, int64_t offset)
{
    struct world *w = m->c->w;
    struct wire_offset_fetch_request req;
    struct wire_offset_fetch_response res;
    int32_t partitions[] = {0, 1};
    WIRE_INIT(wire_offset_fetch_request, &req);
    req.groups = NEW(w, wire_offset_fetch_request_group, 2);
    req.groups_count = 2;
    for (int i = 0; i < 2; i++) {
        struct wire_offset_fetch_request_group *g = &req.groups[i];
        g->group_id = i == 0 ? m->group : STR_LIT("nobody");
        g->topics_count = all ? -1 : 2;
        g->topics = all ? NULL : NEW(w, wire_offset_fetch_request_group_topic, 2);
        for (int j = 0; !all && j < 2; j++) {
            if (v >= 10) {
                g->topics[j].topic_id = j == 0 ? w->id : (struct uuid){{1, 2, 3}};
            } else {
                g->topics[j].name = j == 0 ? STR_LIT("t") : STR_LIT("unknown");
            }
            g->topics[j].partition_indexes = partitions;
            g->topics[j].partition_indexes_count = 2;
        }
    }
    call(m->c, KEY_OFFSET_FETCH, v, &req, &res);
    assert_int_equal(res.groups_count, 2);
    assert_int_equal(res.groups[0].error_code, 0);
    assert_int_equal(res.groups[1].error_code, 0);
    assert_int_equal(res.groups[0].topics_count, all ? 1 : 2);
    assert_int_equal(res.groups[1].topics_count, all ? 0 : 2);
    assert_int_equal(res.groups[0].topics[0].partitions[0].committed_offset, offset);
    assert_true(v < 10 || uuid_eq(res.groups[0].topics[0].topic_id, w->id));
    if (!all) {
        assert_int_equal(res.groups[0].topics[0].partitions[1].committed_offset, -1);
        assert_int_equal(res.groups[0].topics[1].partitions[0].error_code, v >= 10 ? 100 : 0);
        assert_int_equal(res.groups[1].topics[0].partitions[0].committed_offset, -1);
    }
}

static void fetch(struct member *m, int64_t offset)
{
    int16_t v = at_most(KEY_OFFSET_FETCH, m->age);
    for (int all = 0; all < (v >= 2 ? 2 : 1); all++) {
        if (v >= 8) {
            fetch_v8(m, v, all == 1, offset);
        } else {
            fetch_v1(m, v, all == 1, offset);
        }
    }
}

static void describe(struct member *m)
{
    int16_t v = at_most(KEY_DESCRIBE_GROUPS, m->age);
    struct wire_describe_groups_request req;
    struct wire_describe_groups_response res;
    struct str ids[] = {m->group, STR_LIT("nobody")};
    WIRE_INIT(wire_describe_groups_request, &req);
    req.groups = ids;
    req.groups_count = 2;
    req.include_authorized_operations = v >= 3;
    call(m->c, KEY_DESCRIBE_GROUPS, v, &req, &res);
    assert_int_equal(res.groups_count, 2);
    assert_true(str_eq_z(res.groups[0].group_state, "Stable"));
    assert_true(str_eq_z(res.groups[0].protocol_data, "range"));
    assert_int_equal(res.groups[0].members_count, 1);
    assert_true(str_eq(res.groups[0].members[0].member_id, m->id));
    assert_true(str_eq_z(res.groups[0].members[0].member_assignment, "assignment"));
    assert_true(v < 3 || res.groups[0].authorized_operations == 3400);
    assert_true(str_eq_z(res.groups[1].group_state, "Dead"));
    assert_int_equal(res.groups[1].error_code, v >= 6 ? 69 : 0);
}

static int32_t list(struct member *m, const char *state, const char *type)
{
    int16_t v = at_most(KEY_LIST_GROUPS, m->age);
    struct wire_list_groups_request req;
    struct wire_list_groups_response res;
    struct str states[] = {str_of(state)};
    struct str types[] = {str_of(type)};
    WIRE_INIT(wire_list_groups_request, &req);
    if (v >= 4 && state != NULL) {
        req.states_filter = states;
        req.states_filter_count = 1;
    }
    if (v >= 5 && type != NULL) {
        req.types_filter = types;
        req.types_filter_count = 1;
    }
    call(m->c, KEY_LIST_GROUPS, v, &req, &res);
    assert_int_equal(res.error_code, 0);
    if (res.groups_count == 1) {
        assert_true(str_eq(res.groups[0].group_id, m->group));
        assert_true(v < 4 || str_eq_z(res.groups[0].group_state, "Stable"));
        assert_true(v < 5 || str_eq_z(res.groups[0].group_type, "classic"));
    }
    return res.groups_count;
}

static void leave(struct member *m)
{
    struct world *w = m->c->w;
    int16_t v = at_most(KEY_LEAVE_GROUP, m->age);
    struct wire_leave_group_request req;
    struct wire_leave_group_response res;
    WIRE_INIT(wire_leave_group_request, &req);
    req.group_id = m->group;
    if (v >= 3) {
        req.members = NEW(w, wire_leave_group_request_member, 2);
        req.members_count = 2;
        req.members[0].member_id = m->id;
        req.members[1].member_id = STR_LIT("nobody");
    } else {
        req.member_id = m->id;
    }
    call(m->c, KEY_LEAVE_GROUP, v, &req, &res);
    assert_int_equal(res.error_code, 0);
    if (v >= 3) {
        assert_int_equal(res.members_count, 2);
        assert_int_equal(res.members[0].error_code, 0);
        assert_int_equal(res.members[1].error_code, 25);
    }
    req.group_id = STR_LIT("nobody");
    call(m->c, KEY_LEAVE_GROUP, v, &req, &res);
    assert_int_equal(res.error_code, 25);
}

static void delete_groups(struct member *m, int16_t first)
{
    struct wire_delete_groups_request req;
    struct wire_delete_groups_response res;
    struct str ids[] = {m->group, STR_LIT("nobody")};
    WIRE_INIT(wire_delete_groups_request, &req);
    req.groups_names = ids;
    req.groups_names_count = 2;
    call(m->c, KEY_DELETE_GROUPS, at_most(KEY_DELETE_GROUPS, m->age), &req, &res);
    assert_int_equal(res.results_count, 2);
    assert_int_equal(res.results[0].error_code, first);
    assert_int_equal(res.results[1].error_code, 69);
}

TEST(group_life_in_every_version)
{
    /* Clients of every age: the first versions, the last ones, and each between. */
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 2);
    for (int16_t age = 0; age <= 10; age++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "g%d", age);
        struct member m = {.c = &c, .age = age, .group = str_of(name)};
        join(&m);
        sync(&m);
        beat(&m);
        commit(&m, 100 + age);
        fetch(&m, 100 + age);
        describe(&m);
        assert_int_equal(list(&m, NULL, NULL), 1);
        assert_int_equal(list(&m, "STABLE", "Classic"), 1);
        assert_int_equal(list(&m, age >= 4 ? "Empty" : NULL, NULL), age >= 4 ? 0 : 1);
        assert_int_equal(list(&m, NULL, age >= 5 ? "consumer" : NULL), age >= 5 ? 0 : 1);
        delete_groups(&m, 68);
        leave(&m);
        delete_groups(&m, 0);
        assert_int_equal(list(&m, NULL, NULL), 0);
    }
    client_close(&c);
    world_deinit(&w);
}

TEST(offset_delete_by_its_only_version)
{
    /* What exists is forgotten; an unknown topic is said to be unknown; an unknown group fails the
     * whole. */
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 2);
    struct member m = {
        .c = &c, .age = 7, .group = STR_LIT("g"), .id = STR_LIT(""), .generation = -1};
    commit(&m, 5);
    struct wire_offset_delete_request req;
    struct wire_offset_delete_response res;
    WIRE_INIT(wire_offset_delete_request, &req);
    req.group_id = m.group;
    req.topics = NEW(&w, wire_offset_delete_request_topic, 2);
    req.topics_count = 2;
    for (int i = 0; i < 2; i++) {
        req.topics[i].name = i == 0 ? STR_LIT("t") : STR_LIT("unknown");
        req.topics[i].partitions = NEW(&w, wire_offset_delete_request_partition, 1);
        req.topics[i].partitions_count = 1;
    }
    call(&c, KEY_OFFSET_DELETE, 0, &req, &res);
    assert_int_equal(res.error_code, 0);
    assert_int_equal(res.topics[0].partitions[0].error_code, 0);
    assert_int_equal(res.topics[1].partitions[0].error_code, 3);
    struct groups_offset o;
    assert_false(groups_offset_get(w.groups, STR_LIT("g"), STR_LIT("t"), 0, &o));
    req.group_id = STR_LIT("nobody");
    call(&c, KEY_OFFSET_DELETE, 0, &req, &res);
    assert_int_equal(res.error_code, 69);
    assert_int_equal(res.topics_count, 0);
    client_close(&c);
    world_deinit(&w);
}

TEST(group_requests_of_closed_connections)
{
    /* A join and a commit wait, their connections go: the group goes on, nothing is answered into
     * nowhere. */
    struct world w;
    struct client a;
    struct client b;
    world_init(&w);
    client_open(&w, &a);
    client_open(&w, &b);
    world_create(&w, &a, "t", 1);
    struct member m = {.c = &a, .age = 3, .group = STR_LIT("g")};
    join(&m);
    sync(&m);
    struct wire_join_group_request req;
    struct wire_join_group_request_protocol *p = NEW(&w, wire_join_group_request_protocol, 1);
    WIRE_INIT(wire_join_group_request, &req);
    p->name = STR_LIT("range");
    req.group_id = m.group;
    req.session_timeout_ms = 10000;
    req.rebalance_timeout_ms = 20000;
    req.protocol_type = STR_LIT("consumer");
    req.protocols = p;
    req.protocols_count = 1;
    client_send(&b, KEY_JOIN_GROUP, 3, &req);
    turns(&w, 5);
    client_close(&b);
    turns(&w, 5);
    struct arena arena;
    struct groups_info info;
    arena_init(&arena, 1 << 16);
    assert_int_equal(groups_describe(w.groups, m.group, &arena, &info), ERR_OK);
    assert_string_equal(info.state, "PreparingRebalance");
    assert_int_equal(info.member_count, 2);
    arena_deinit(&arena);
    client_close(&a);
    world_deinit(&w);
}
