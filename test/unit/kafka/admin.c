/* Topics, configuration and what describes them, over the wire. */
#include "world.h"

static void expect_str(struct str s, const char *z)
{
    if (!str_eq_z(s, z)) {
        fail_msg("'%.*s' instead of '%s'", STR(s), z);
    }
}

TEST(kafka_topics_are_created_each_for_itself)
{
    struct world w;
    struct client c;
    struct wire_create_topics_request req;
    struct wire_create_topics_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "there", 1);
    WIRE_INIT(wire_create_topics_request, &req);
    static const char *const names[] = {"good", "twice", "twice", "there", "bad name", "manual",
                                        "hole", "other", "both",  "set",   "wrong"};
    static const int16_t codes[] = {0, 42, 36, 17, 0, 39, 39, 42, 0, 40};
    req.topics = NEW(&w, wire_create_topics_request_topic, ARRAY_LEN(names));
    req.topics_count = ARRAY_LEN(names);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        req.topics[i].name = str_of(names[i]);
        req.topics[i].num_partitions = i == 0 ? 3 : -1;
        req.topics[i].replication_factor = -1;
    }
    int32_t node[] = {1};
    int32_t stranger[] = {2};
    for (size_t i = 5; i <= 8; i++) {
        struct wire_create_topics_request_topic *t = &req.topics[i];
        t->assignments = NEW(&w, wire_create_topics_request_assignment, 2);
        t->assignments_count = 2;
        t->assignments[0].broker_ids = i == 7 ? stranger : node;
        t->assignments[0].broker_ids_count = 1;
        t->assignments[1].partition_index = i == 6 ? 2 : 1;
        t->assignments[1].broker_ids = node;
        t->assignments[1].broker_ids_count = 1;
    }
    req.topics[8].num_partitions = 2; /* with assignments as well */
    for (size_t i = 9; i <= 10; i++) {
        req.topics[i].configs = NEW(&w, wire_create_topics_request_config, 1);
        req.topics[i].configs_count = 1;
        req.topics[i].configs[0].name = STR_LIT("cleanup.policy");
        req.topics[i].configs[0].value = i == 9 ? STR_LIT("delete") : STR_LIT("compact");
    }
    call(&c, KEY_CREATE_TOPICS, 7, &req, &res);
    assert_int_equal(res.topics_count, ARRAY_LEN(codes));
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        const struct wire_create_topics_response_topic *t = &res.topics[i];
        if (t->error_code != codes[i]) {
            fail_msg("%.*s: %d %.*s", STR(t->name), t->error_code, STR(t->error_message));
        }
        assert_int_equal(str_is_null(t->error_message), codes[i] == 0);
        assert_int_equal(uuid_is_zero(t->topic_id), codes[i] != 0);
    }
    assert_int_equal(res.topics[0].num_partitions, 3);
    assert_int_equal(res.topics[0].replication_factor, 1);
    assert_true(res.topics[0].configs_count > 15);
    assert_int_equal(res.topics[4].num_partitions, 2);
    expect_str(res.topics[8].configs[0].name, "cleanup.policy");
    assert_int_equal(res.topics[8].configs[0].config_source, 1);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_validating_creates_nothing)
{
    struct world w;
    struct client c;
    struct wire_create_topics_request req;
    struct wire_create_topics_response res;
    world_init(&w);
    client_open(&w, &c);
    WIRE_INIT(wire_create_topics_request, &req);
    req.topics = NEW(&w, wire_create_topics_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = STR_LIT("t");
    req.topics[0].num_partitions = -1;
    req.topics[0].replication_factor = -1;
    req.validate_only = true;
    for (int again = 0; again < 2; again++) {
        call(&c, KEY_CREATE_TOPICS, 7, &req, &res);
        assert_int_equal(res.topics[0].error_code, 0);
        assert_int_equal(res.topics[0].num_partitions, 1);
        assert_true(res.topics[0].configs_count > 15);
    }
    client_close(&c);
    world_deinit(&w);
}

static void delete_by(struct client *c, struct str name, struct uuid id, int16_t error)
{
    struct wire_delete_topics_request req;
    struct wire_delete_topics_response res;
    WIRE_INIT(wire_delete_topics_request, &req);
    req.topics = NEW(c->w, wire_delete_topics_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = name;
    req.topics[0].topic_id = id;
    call(c, KEY_DELETE_TOPICS, 6, &req, &res);
    assert_int_equal(res.responses_count, 1);
    assert_int_equal(res.responses[0].error_code, error);
}

TEST(kafka_topics_are_deleted_by_name_or_id)
{
    const struct uuid none = {{0}};
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "a", 1);
    struct uuid a = w.id;
    delete_by(&c, STR_NULL, none, 42);
    delete_by(&c, STR_LIT("a"), a, 42);
    delete_by(&c, STR_NULL, a, 0);
    delete_by(&c, STR_NULL, a, 100);
    delete_by(&c, STR_LIT("a"), none, 3);
    world_create(&w, &c, "a", 1);
    assert_memory_not_equal(w.id.b, a.b, 16);
    delete_by(&c, STR_NULL, a, 100);
    /* The same topic by name and by id, and a name twice. */
    struct wire_delete_topics_request req;
    struct wire_delete_topics_response res;
    WIRE_INIT(wire_delete_topics_request, &req);
    req.topics = NEW(&w, wire_delete_topics_request_topic, 4);
    req.topics_count = 4;
    req.topics[0].name = STR_LIT("a");
    req.topics[1].topic_id = w.id;
    req.topics[2].name = STR_LIT("b");
    req.topics[3].name = STR_LIT("b");
    call(&c, KEY_DELETE_TOPICS, 6, &req, &res);
    assert_int_equal(res.responses_count, 3);
    assert_int_equal(res.responses[0].error_code, 42);
    assert_int_equal(res.responses[2].error_code, 42);
    world_set(&w, "delete.topic.enable", "false");
    delete_by(&c, STR_LIT("x"), none, 73);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_metadata_names_topics_by_name_id_and_all)
{
    struct world w;
    struct client c;
    struct wire_metadata_request req;
    struct wire_metadata_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "b", 2);
    world_create(&w, &c, "a", 1);
    WIRE_INIT(wire_metadata_request, &req);
    req.topics_count = -1;
    for (int16_t version = 1; version <= 13; version++) {
        call(&c, KEY_METADATA, version, &req, &res);
        assert_int_equal(res.brokers_count, 1);
        assert_int_equal(res.brokers[0].port, w.addr.port);
        assert_int_equal(res.controller_id, 1);
        assert_int_equal(res.topics_count, 2);
        expect_str(res.topics[0].name, "a");
        assert_int_equal(res.topics[1].partitions_count, 2);
        assert_int_equal(res.topics[1].partitions[1].leader_id, 1);
    }
    req.topics = NEW(&w, wire_metadata_request_topic, 2);
    req.topics_count = 2;
    req.topics[0].topic_id = w.id;
    req.topics[0].name = STR_NULL;
    req.topics[1].topic_id.b[3] = 9;
    req.topics[1].name = STR_NULL;
    req.include_topic_authorized_operations = true;
    call(&c, KEY_METADATA, 12, &req, &res);
    expect_str(res.topics[0].name, "a");
    assert_int_equal(res.topics[0].topic_authorized_operations, 0xdf8);
    assert_int_equal(res.topics[1].error_code, 100);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_metadata_creates_topics_if_both_sides_allow_it)
{
    struct world w;
    struct client c;
    struct wire_metadata_request req;
    struct wire_metadata_response res;
    world_init(&w);
    client_open(&w, &c);
    WIRE_INIT(wire_metadata_request, &req);
    req.topics = NEW(&w, wire_metadata_request_topic, 3);
    req.topics_count = 3;
    req.topics[0].name = STR_LIT("new");
    req.topics[1].name = STR_LIT("not allowed");
    req.topics[2].name = STR_LIT("new");
    req.allow_auto_topic_creation = false;
    call(&c, KEY_METADATA, 9, &req, &res);
    assert_int_equal(res.topics_count, 2);
    assert_int_equal(res.topics[0].error_code, 3);
    req.allow_auto_topic_creation = true;
    world_set(&w, "auto.create.topics.enable", "false");
    call(&c, KEY_METADATA, 9, &req, &res);
    assert_int_equal(res.topics[0].error_code, 3);
    world_set(&w, "auto.create.topics.enable", "true");
    call(&c, KEY_METADATA, 9, &req, &res);
    assert_int_equal(res.topics[0].error_code, 0);
    assert_int_equal(res.topics[0].partitions_count, 1);
    assert_int_equal(res.topics[1].error_code, 17);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_partitions_are_added)
{
    static const struct {
        const char *name;
        int32_t count;
        int32_t assigned; /* -1: the broker chooses */
        int16_t error;
    } cases[] = {
        {"t", 2, -1, 37}, {"t", 1, -1, 37}, {"none", 3, -1, 3},
        {"t", 4, 1, 39},  {"t", 3, 1, 0},   {"t", 5, -1, 0},
    };
    struct world w;
    struct client c;
    struct wire_create_partitions_request req;
    struct wire_create_partitions_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 2);
    int32_t node[] = {1};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        WIRE_INIT(wire_create_partitions_request, &req);
        req.topics = NEW(&w, wire_create_partitions_request_topic, 1);
        req.topics_count = 1;
        req.topics[0].name = str_of(cases[i].name);
        req.topics[0].count = cases[i].count;
        req.topics[0].assignments = NEW(&w, wire_create_partitions_request_assignment, 1);
        req.topics[0].assignments[0].broker_ids = node;
        req.topics[0].assignments[0].broker_ids_count = 1;
        req.topics[0].assignments_count = cases[i].assigned;
        call(&c, KEY_CREATE_PARTITIONS, 3, &req, &res);
        assert_int_equal(res.results[0].error_code, cases[i].error);
    }
    assert_int_equal(produce(&c, "t", 4, batch_of(&w, 1, 1000, -1, 0)).error_code, 0);
    client_close(&c);
    world_deinit(&w);
}

static struct wire_describe_configs_response_resource describe(struct client *c, int8_t type,
                                                               const char *name, const char *key)
{
    struct wire_describe_configs_request req;
    struct wire_describe_configs_response res;
    WIRE_INIT(wire_describe_configs_request, &req);
    req.resources = NEW(c->w, wire_describe_configs_request_resource, 1);
    req.resources_count = 1;
    req.resources[0].resource_type = type;
    req.resources[0].resource_name = str_of(name);
    struct str keys[] = {str_of(key)};
    req.resources[0].configuration_keys = keys;
    req.resources[0].configuration_keys_count = key == NULL ? -1 : 1;
    req.include_synonyms = true;
    req.include_documentation = true;
    call(c, KEY_DESCRIBE_CONFIGS, 4, &req, &res);
    assert_int_equal(res.results_count, 1);
    return res.results[0];
}

static int16_t alter(struct client *c, int8_t type, const char *name, int8_t op, const char *key,
                     const char *value)
{
    struct wire_incremental_alter_configs_request req;
    struct wire_incremental_alter_configs_response res;
    WIRE_INIT(wire_incremental_alter_configs_request, &req);
    req.resources = NEW(c->w, wire_incremental_alter_configs_request_resource, 1);
    req.resources_count = 1;
    req.resources[0].resource_type = type;
    req.resources[0].resource_name = str_of(name);
    req.resources[0].configs = NEW(c->w, wire_incremental_alter_configs_request_config, 1);
    req.resources[0].configs_count = 1;
    req.resources[0].configs[0].name = str_of(key);
    req.resources[0].configs[0].config_operation = op;
    req.resources[0].configs[0].value = str_of(value);
    call(c, KEY_INCREMENTAL_ALTER_CONFIGS, 1, &req, &res);
    assert_int_equal(res.responses_count, 1);
    assert_int_equal(str_is_null(res.responses[0].error_message), res.responses[0].error_code == 0);
    return res.responses[0].error_code;
}

TEST(kafka_configuration_is_described_with_where_it_is_from)
{
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    struct wire_describe_configs_response_resource r = describe(&c, 2, "t", NULL);
    assert_int_equal(r.error_code, 0);
    assert_true(r.configs_count > 15);
    for (int32_t i = 0; i < r.configs_count; i++) {
        assert_int_equal(r.configs[i].config_source, 5);
        assert_false(str_is_null(r.configs[i].documentation));
        assert_true(r.configs[i].config_type > 0);
    }
    assert_int_equal(alter(&c, 4, "", 0, "message.max.bytes", "7000"), 0);
    r = describe(&c, 2, "t", "max.message.bytes");
    assert_int_equal(r.configs_count, 1);
    expect_str(r.configs[0].value, "7000");
    assert_int_equal(r.configs[0].config_source, 3);
    assert_int_equal(alter(&c, 2, "t", 0, "max.message.bytes", "8000"), 0);
    r = describe(&c, 2, "t", "max.message.bytes");
    expect_str(r.configs[0].value, "8000");
    assert_int_equal(r.configs[0].config_source, 1);
    assert_int_equal(r.configs[0].config_type, 3);
    assert_int_equal(r.configs[0].synonyms_count, 3);
    expect_str(r.configs[0].synonyms[0].name, "max.message.bytes");
    expect_str(r.configs[0].synonyms[1].name, "message.max.bytes");
    expect_str(r.configs[0].synonyms[2].value, "1048588");
    r = describe(&c, 4, "", NULL); /* only what is set for all nodes */
    assert_int_equal(r.configs_count, 1);
    expect_str(r.configs[0].name, "message.max.bytes");
    r = describe(&c, 4, "1", "leat.data");
    assert_int_equal(r.configs_count, 1);
    assert_true(r.configs[0].read_only);
    assert_int_equal(describe(&c, 2, "none", NULL).error_code, 3);
    assert_int_equal(describe(&c, 2, "a b", NULL).error_code, 17);
    assert_int_equal(describe(&c, 4, "2", NULL).error_code, 42);
    assert_int_equal(describe(&c, 4, "x", NULL).error_code, 42);
    assert_int_equal(describe(&c, 77, "x", NULL).error_code, 42);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_configuration_is_altered_or_refused_with_a_reason)
{
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    assert_int_equal(alter(&c, 2, "t", 0, "retention.ms", "5"), 0);
    assert_int_equal(alter(&c, 2, "t", 0, "retention.ms", "x"), 40);
    assert_int_equal(alter(&c, 2, "t", 0, "retention.ms", NULL), 42);
    assert_int_equal(alter(&c, 2, "t", 9, "retention.ms", "1"), 42);
    assert_int_equal(alter(&c, 2, "t", 2, "retention.ms", "1"), 40); /* not a list */
    assert_int_equal(alter(&c, 2, "t", 0, "nothing", "1"), 40);
    assert_int_equal(alter(&c, 2, "none", 0, "retention.ms", "5"), 3);
    assert_int_equal(alter(&c, 4, "2", 0, "message.max.bytes", "5"), 42);
    assert_int_equal(alter(&c, 77, "x", 0, "a", "b"), 42);
    expect_str(describe(&c, 2, "t", "retention.ms").configs[0].value, "5");
    assert_int_equal(alter(&c, 2, "t", 1, "retention.ms", NULL), 0);
    expect_str(describe(&c, 2, "t", "retention.ms").configs[0].value, "604800000");
    /* AlterConfigs replaces; a resource that is there twice is refused twice. */
    assert_int_equal(alter(&c, 2, "t", 0, "retention.ms", "5"), 0);
    struct wire_alter_configs_request req;
    struct wire_alter_configs_response res;
    WIRE_INIT(wire_alter_configs_request, &req);
    req.resources = NEW(&w, wire_alter_configs_request_resource, 2);
    req.resources_count = 1;
    for (int i = 0; i < 2; i++) {
        req.resources[i].resource_type = 2;
        req.resources[i].resource_name = STR_LIT("t");
        req.resources[i].configs = NEW(&w, wire_alter_configs_request_config, 1);
        req.resources[i].configs_count = 1;
        req.resources[i].configs[0].name = STR_LIT("segment.ms");
        req.resources[i].configs[0].value = STR_LIT("77");
    }
    call(&c, KEY_ALTER_CONFIGS, 2, &req, &res);
    assert_int_equal(res.responses[0].error_code, 0);
    expect_str(describe(&c, 2, "t", "retention.ms").configs[0].value, "604800000");
    expect_str(describe(&c, 2, "t", "segment.ms").configs[0].value, "77");
    req.resources_count = 2;
    call(&c, KEY_ALTER_CONFIGS, 1, &req, &res);
    assert_int_equal(res.responses[0].error_code, 42);
    assert_int_equal(res.responses[1].error_code, 42);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_describe_topic_partitions_goes_on_where_its_cursor_says)
{
    struct world w;
    struct client c;
    struct wire_describe_topic_partitions_request req;
    struct wire_describe_topic_partitions_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "b", 3);
    world_create(&w, &c, "a", 3);
    WIRE_INIT(wire_describe_topic_partitions_request, &req);
    req.response_partition_limit = 4;
    call(&c, KEY_DESCRIBE_TOPIC_PARTITIONS, 0, &req, &res);
    assert_int_equal(res.topics_count, 2);
    expect_str(res.topics[0].name, "a");
    assert_int_equal(res.topics[0].partitions_count, 3);
    assert_int_equal(res.topics[1].partitions_count, 1);
    assert_non_null(res.next_cursor);
    expect_str(res.next_cursor->topic_name, "b");
    assert_int_equal(res.next_cursor->partition_index, 1);
    struct wire_describe_topic_partitions_request_cursor cursor = {.topic_name = STR_LIT("b"),
                                                                   .partition_index = 1};
    req.cursor = &cursor;
    call(&c, KEY_DESCRIBE_TOPIC_PARTITIONS, 0, &req, &res);
    assert_int_equal(res.topics_count, 1);
    assert_int_equal(res.topics[0].partitions_count, 2);
    assert_int_equal(res.topics[0].partitions[0].partition_index, 1);
    assert_null(res.next_cursor);
    req.topics = NEW(&w, wire_describe_topic_partitions_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = STR_LIT("a");
    call(&c, KEY_DESCRIBE_TOPIC_PARTITIONS, 0, &req, &res);
    assert_int_equal(res.topics[0].error_code, 42); /* the cursor's topic is not among them */
    req.cursor = NULL;
    req.topics[0].name = STR_LIT("none");
    call(&c, KEY_DESCRIBE_TOPIC_PARTITIONS, 0, &req, &res);
    assert_int_equal(res.topics[0].error_code, 3);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_the_cluster_is_one_node_that_leads_everything)
{
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 2);
    struct wire_describe_cluster_request cluster;
    struct wire_describe_cluster_response described;
    WIRE_INIT(wire_describe_cluster_request, &cluster);
    cluster.include_cluster_authorized_operations = true;
    call(&c, KEY_DESCRIBE_CLUSTER, 2, &cluster, &described);
    assert_int_equal(described.error_code, 0);
    assert_int_equal(described.brokers[0].port, w.addr.port);
    assert_int_equal(described.cluster_id.n, 22);
    assert_int_equal(described.cluster_authorized_operations, 0x1fa0);
    cluster.endpoint_type = 2;
    call(&c, KEY_DESCRIBE_CLUSTER, 1, &cluster, &described);
    assert_int_equal(described.error_code, 114);
    struct wire_elect_leaders_request elect;
    struct wire_elect_leaders_response elected;
    WIRE_INIT(wire_elect_leaders_request, &elect);
    elect.topic_partitions = NEW(&w, wire_elect_leaders_request_topic, 1);
    elect.topic_partitions_count = 1;
    elect.topic_partitions[0].topic = STR_LIT("t");
    int32_t parts[] = {0, 1, 2};
    elect.topic_partitions[0].partitions = parts;
    elect.topic_partitions[0].partitions_count = 3;
    call(&c, KEY_ELECT_LEADERS, 2, &elect, &elected);
    assert_int_equal(elected.replica_election_results[0].partition_result[0].error_code, 84);
    assert_int_equal(elected.replica_election_results[0].partition_result[2].error_code, 3);
    elect.election_type = 5;
    call(&c, KEY_ELECT_LEADERS, 2, &elect, &elected);
    assert_int_equal(elected.error_code, 42);
    struct wire_describe_log_dirs_request dirs;
    struct wire_describe_log_dirs_response dir;
    produce(&c, "t", 1, batch_of(&w, 10, 1000, -1, 0));
    WIRE_INIT(wire_describe_log_dirs_request, &dirs);
    dirs.topics_count = -1;
    call(&c, KEY_DESCRIBE_LOG_DIRS, 4, &dirs, &dir);
    assert_int_equal(dir.results_count, 1);
    assert_int_equal(dir.results[0].topics[0].partitions_count, 2);
    assert_int_equal(dir.results[0].topics[0].partitions[0].partition_size, 0);
    assert_true(dir.results[0].topics[0].partitions[1].partition_size > 0);
    struct wire_list_config_resources_request list;
    struct wire_list_config_resources_response listed;
    WIRE_INIT(wire_list_config_resources_request, &list);
    call(&c, KEY_LIST_CONFIG_RESOURCES, 0, &list, &listed);
    assert_int_equal(listed.config_resources_count, 0);
    call(&c, KEY_LIST_CONFIG_RESOURCES, 1, &list, &listed);
    assert_int_equal(listed.config_resources_count, 3);
    int8_t odd[] = {3};
    list.resource_types = odd;
    list.resource_types_count = 1;
    call(&c, KEY_LIST_CONFIG_RESOURCES, 1, &list, &listed);
    assert_int_equal(listed.error_code, 35);
    client_close(&c);
    world_deinit(&w);
}
