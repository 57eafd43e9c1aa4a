/* When the device fails, or clients go, in the middle of everything. */
#include "world.h"

/* What members of groups send. */
static void send_of_groups(struct world *w, struct client *c)
{
    struct wire_offset_commit_request commit;
    WIRE_INIT(wire_offset_commit_request, &commit);
    commit.group_id = STR_LIT("g");
    commit.generation_id_or_member_epoch = -1;
    commit.topics = NEW(w, wire_offset_commit_request_topic, 1);
    commit.topics_count = 1;
    commit.topics[0].name = STR_LIT("t");
    commit.topics[0].partitions = NEW(w, wire_offset_commit_request_partition, 1);
    commit.topics[0].partitions_count = 1;
    commit.topics[0].partitions[0].committed_offset = 1;
    commit.topics[0].partitions[0].committed_metadata = STR_LIT("m");

    struct wire_join_group_request join;
    WIRE_INIT(wire_join_group_request, &join);
    join.group_id = STR_LIT("j");
    join.session_timeout_ms = join.rebalance_timeout_ms = 30000;
    join.protocol_type = STR_LIT("consumer");
    join.protocols = NEW(w, wire_join_group_request_protocol, 1);
    join.protocols_count = 1;
    join.protocols[0].name = STR_LIT("range");
    join.protocols[0].metadata = STR_LIT("x");

    client_send(c, 8, 7, &commit);
    client_send(c, 11, 3, &join);
}

/* One request of every kind that waits for the disk or for others, none of them awaited. */
static void send_everything(struct world *w, struct client *c)
{
    struct wire_create_topics_request create;
    WIRE_INIT(wire_create_topics_request, &create);
    create.topics = NEW(w, wire_create_topics_request_topic, 2);
    create.topics_count = 2;
    create.topics[0].name = STR_LIT("new.one");
    create.topics[1].name = STR_LIT("new.two");
    create.topics[0].num_partitions = create.topics[1].num_partitions = 3;
    create.topics[0].replication_factor = create.topics[1].replication_factor = -1;

    struct wire_metadata_request metadata;
    WIRE_INIT(wire_metadata_request, &metadata);
    metadata.topics = NEW(w, wire_metadata_request_topic, 1);
    metadata.topics_count = 1;
    metadata.topics[0].name = STR_LIT("made-by-metadata");
    metadata.allow_auto_topic_creation = true;

    struct wire_produce_request produce;
    WIRE_INIT(wire_produce_request, &produce);
    produce.acks = -1;
    produce.transactional_id = STR_NULL;
    produce.topic_data = NEW(w, wire_produce_request_topic, 1);
    produce.topic_data_count = 1;
    produce.topic_data[0].name = STR_LIT("t");
    produce.topic_data[0].partition_data = NEW(w, wire_produce_request_partition, 1);
    produce.topic_data[0].partition_data_count = 1;
    produce.topic_data[0].partition_data[0].records = batch_of(w, 3, 1000, 7, 0);

    struct wire_create_partitions_request grow;
    WIRE_INIT(wire_create_partitions_request, &grow);
    grow.topics = NEW(w, wire_create_partitions_request_topic, 1);
    grow.topics_count = 1;
    grow.topics[0].name = STR_LIT("t");
    grow.topics[0].count = 5;
    grow.topics[0].assignments_count = -1;

    struct wire_incremental_alter_configs_request alter;
    WIRE_INIT(wire_incremental_alter_configs_request, &alter);
    alter.resources = NEW(w, wire_incremental_alter_configs_request_resource, 1);
    alter.resources_count = 1;
    alter.resources[0].resource_type = 2;
    alter.resources[0].resource_name = STR_LIT("t");
    alter.resources[0].configs = NEW(w, wire_incremental_alter_configs_request_config, 1);
    alter.resources[0].configs_count = 1;
    alter.resources[0].configs[0].name = STR_LIT("retention.ms");
    alter.resources[0].configs[0].value = STR_LIT("5000");

    struct wire_init_producer_id_request pid;
    WIRE_INIT(wire_init_producer_id_request, &pid);
    pid.transactional_id = STR_NULL;
    pid.producer_id = -1;
    pid.producer_epoch = -1;

    struct wire_delete_records_request cut;
    WIRE_INIT(wire_delete_records_request, &cut);
    cut.topics = NEW(w, wire_delete_records_request_topic, 1);
    cut.topics_count = 1;
    cut.topics[0].name = STR_LIT("t");
    cut.topics[0].partitions = NEW(w, wire_delete_records_request_partition, 1);
    cut.topics[0].partitions_count = 1;
    cut.topics[0].partitions[0].offset = -1;

    struct wire_delete_topics_request delete;
    WIRE_INIT(wire_delete_topics_request, &delete);
    struct str names[] = {STR_LIT("u")};
    delete.topic_names = names;
    delete.topic_names_count = 1;

    struct wire_fetch_request *poll = fetch_of(w, "u", 0, 0);
    poll->max_wait_ms = 60000;

    client_send(c, KEY_CREATE_TOPICS, 5, &create);
    client_send(c, KEY_METADATA, 9, &metadata);
    client_send(c, KEY_PRODUCE, 9, &produce);
    client_send(c, KEY_PRODUCE, 9, &produce); /* a duplicate of what is not durable yet */
    client_send(c, KEY_CREATE_PARTITIONS, 3, &grow);
    client_send(c, KEY_INCREMENTAL_ALTER_CONFIGS, 1, &alter);
    client_send(c, KEY_INIT_PRODUCER_ID, 4, &pid);
    send_of_groups(w, c);
    client_send(c, KEY_FETCH, 11, poll);
    client_send(c, KEY_DELETE_RECORDS, 2, &cut);
    client_send(c, KEY_DELETE_TOPICS, 5, &delete);
}

static void world_with_topics(struct world *w, struct client *c)
{
    world_init(w);
    client_open(w, c);
    world_create(w, c, "t", 1);
    world_create(w, c, "u", 1);
    produce(c, "t", 0, batch_of(w, 2, 500, -1, 0));
}

TEST(kafka_a_failing_device_leaves_nothing_behind)
{
    /* What was on its way is neither answered as done nor leaked (the leak check sees to that). */
    for (uint64_t nth = 1; nth <= 4; nth++) {
        struct world w;
        struct client c;
        world_with_topics(&w, &c);
        env_sim_fail_nth(w.env, ENV_SIM_SYNC, nth, ERR_IO, true);
        env_sim_fail_nth(w.env, ENV_SIM_WRITE, nth, ERR_IO, true);
        send_everything(&w, &c);
        turns(&w, 50);
        client_close(&c);
        turns(&w, nth % 2 == 0 ? 5 : 0); /* 0: the server still thinks that it is there */
        world_deinit(&w);
    }
}

TEST(kafka_a_client_may_go_at_any_moment)
{
    /* Its requests go on without it, and nobody answers into memory that is gone. */
    for (int after = 0; after < 12; after++) {
        struct world w;
        struct client c;
        struct client next;
        world_with_topics(&w, &c);
        send_everything(&w, &c);
        turns(&w, after);
        client_close(&c);
        turns(&w, 100);
        client_open(&w, &next);
        assert_int_equal(produce(&next, "t", 0, batch_of(&w, 1, 2000, -1, 0)).error_code, 0);
        assert_non_null(broker_topic(w.broker, STR_LIT("new.two")));
        assert_null(broker_topic(w.broker, STR_LIT("u")));
        client_close(&next);
        world_deinit(&w);
    }
}
