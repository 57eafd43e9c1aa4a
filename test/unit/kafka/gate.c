/* The gate before guarded topics, and topics of the server itself, as clients meet them. */
#include "world.h"

#include <stdio.h>

/* A gate over topics that begin with "g": what it does next, and what it was told. */
struct gate {
    struct broker *broker;
    enum err say;       /* to the next checks */
    struct str replace; /* each batch by one whose records have this value; null: it stays */
    int checks, sequenced, durable, dropped;
    int64_t last_offset;
    uint64_t last_position;
    char changes[256];
};

static bool guards(void *ctx, struct str topic)
{
    (void)ctx;
    return topic.n > 0 && topic.p[0] == 'g';
}

static void replace(struct broker_gate_item *item, struct str value)
{
    struct batch_header h;
    struct batch_builder b;
    struct batch_spec spec;
    struct buf out;
    assert_int_equal(batch_header_parse((const uint8_t *)item->batch.p, item->batch.n, &h, NULL),
                     ERR_OK);
    batch_builder_init(&b, 1 << 16);
    batch_spec_init(&spec);
    spec.producer_id = h.producer_id;
    spec.producer_epoch = h.producer_epoch;
    spec.base_sequence = h.base_sequence;
    buf_init(&out, 1 << 16);
    for (int32_t i = 0; i < h.record_count; i++) {
        assert_int_equal(batch_builder_append(&b, h.base_timestamp, STR_NULL, value, NULL, 0),
                         ERR_OK);
    }
    assert_int_equal(batch_builder_finish(&b, &spec, NULL, &out, NULL), ERR_OK);
    item->replacement = arena_str(item->arena, buf_str(&out));
    buf_deinit(&out);
    batch_builder_deinit(&b);
}

static enum err check(void *ctx, struct broker_gate_item *item, struct ectx *ec)
{
    struct gate *g = ctx;
    g->checks++;
    if (g->say == ERR_INVALID_RECORD) {
        item->error = STR_LIT("expected revision 3, and the stream is at 5");
        item->record_errors = arena_new_n(item->arena, struct broker_record_error, 1);
        item->record_errors[0] = (struct broker_record_error){1, STR_LIT("this one")};
        item->record_error_count = 1;
        return ectx_fail(ec, g->say, "not shown");
    }
    if (g->say == ERR_OK && !str_is_null(g->replace)) {
        replace(item, g->replace);
    }
    return g->say;
}

static void sequenced(void *ctx, struct broker_gate_item *item, int64_t base_offset)
{
    struct gate *g = ctx;
    (void)item;
    g->sequenced++;
    g->last_offset = base_offset;
}

static void durable(void *ctx, struct broker_gate_item *item, uint64_t position)
{
    struct gate *g = ctx;
    (void)item;
    g->durable++;
    assert_true(position > g->last_position);
    g->last_position = position;
}

static void dropped(void *ctx, struct broker_gate_item *item)
{
    struct gate *g = ctx;
    (void)item;
    g->dropped++;
}

static enum err change(void *ctx, struct str topic, const char *what, struct str setting,
                       struct ectx *ec)
{
    struct gate *g = ctx;
    const size_t n = strlen(g->changes);
    (void)snprintf(g->changes + n, sizeof(g->changes) - n, "%s%s%.*s;", what,
                   str_is_null(setting) ? "" : " ", STR(setting));
    if (str_eq_z(setting, "max.message.bytes")) {
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_PERMISSION, "'%.*s' keeps everything", STR(topic));
}

static void on_changed(void *ctx, enum err e, const struct ectx *ec)
{
    (void)ctx;
    if (e != ERR_OK) {
        fail_msg("%s", ec->text);
    }
}

static void begin(struct world *w, struct client *c, struct gate *g)
{
    world_init(w);
    memset(g, 0, sizeof(*g));
    g->broker = w->broker;
    client_open(w, c);
    world_create(w, c, "plain", 1);
    world_create(w, c, "g1", 2);
    const struct broker_gate gate = {g, guards, check, sequenced, durable, dropped, change};
    broker_gate_set(w->broker, &gate);
}

static void end(struct world *w, struct client *c)
{
    client_close(c);
    world_deinit(w);
}

static int32_t send_produce(struct client *c, const char *topic, struct wire_records records)
{
    struct wire_produce_request *req = arena_new(&c->w->arena, struct wire_produce_request);
    produce_fill(c->w, req, topic, 0, records);
    return client_send(c, KEY_PRODUCE, 9, req);
}

TEST(kafka_a_batch_passes_the_gate_before_it_gets_its_offset)
{
    /* Promise: every batch for a guarded topic is shown to the gate once, which hears of its offset
     * and of its position; other topics' are not. A duplicate is not shown again. */
    struct world w;
    struct client c;
    struct gate g;
    begin(&w, &c, &g);
    assert_int_equal(produce(&c, "plain", 0, batch_of(&w, 2, 1000, -1, 0)).error_code, 0);
    assert_int_equal(g.checks, 0);
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 2, 1000, 7, 0)).base_offset, 0);
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 3, 1000, 7, 2)).base_offset, 2);
    assert_int_equal(g.checks, 2);
    assert_int_equal(g.sequenced, 2);
    assert_int_equal(g.durable, 2);
    assert_int_equal(g.last_offset, 2);
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 3, 1000, 7, 2)).base_offset, 2);
    assert_int_equal(g.checks, 2);
    /* What is wrong by itself does not reach it. */
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 3, 1000, 7, 99)).error_code, 45);
    assert_int_equal(g.checks, 2);
    end(&w, &c);
}

TEST(kafka_a_refused_batch_leaves_no_trace)
{
    /* Promise: one conflict refuses the whole batch, names the record, and the producer's sequence
     * stays where it was, as when Kafka refuses a record. */
    struct world w;
    struct client c;
    struct gate g;
    begin(&w, &c, &g);
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 2, 1000, 7, 0)).error_code, 0);
    g.say = ERR_INVALID_RECORD;
    struct wire_produce_response_partition p = produce(&c, "g1", 0, batch_of(&w, 2, 1000, 7, 2));
    assert_int_equal(p.error_code, 87);
    assert_int_equal(p.base_offset, -1);
    assert_true(str_eq_z(p.error_message, "expected revision 3, and the stream is at 5"));
    assert_int_equal(p.record_errors_count, 1);
    assert_int_equal(p.record_errors[0].batch_index, 1);
    assert_true(str_eq_z(p.record_errors[0].batch_index_error_message, "this one"));
    g.say = ERR_OK;
    /* librdkafka and Java give the sequence to the next batch; who goes on behind is told so. */
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 2, 1000, 7, 4)).error_code, 45);
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 2, 1000, 7, 2)).base_offset, 2);
    assert_int_equal(g.durable, 2);
    assert_int_equal(g.dropped, 0);
    end(&w, &c);
}

TEST(kafka_the_gate_may_put_another_batch_in_place)
{
    /* Promise: what the gate gives is what is stored, and what is too large then is refused and
     * the gate told that it was not appended. */
    struct world w;
    struct client c;
    struct gate g;
    begin(&w, &c, &g);
    g.replace = STR_LIT("by the gate");
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 1, 1000, 7, 0)).base_offset, 0);
    struct wire_fetch_response res;
    call(&c, KEY_FETCH, 11, fetch_of(&w, "g1", 0, 0), &res);
    const struct wire_records got = res.responses[0].partitions[0].records;
    assert_non_null(memmem(got.p, (size_t)got.n, "by the gate", 11));
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 1, 1000, 7, 1)).base_offset, 1);
    char much[2000];
    memset(much, 'x', sizeof(much));
    g.replace = str_make(much, sizeof(much));
    const struct broker_alter op = {BROKER_SET, STR_LIT("max.message.bytes"), STR_LIT("1000")};
    broker_topic_alter(w.broker, broker_topic(w.broker, STR_LIT("g1")), &op, 1, false, on_changed,
                       &w);
    turns(&w, 5);
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 1, 1000, 7, 2)).error_code, 10);
    assert_int_equal(g.dropped, 1);
    assert_int_equal(g.sequenced, 2);
    g.replace = STR_NULL;
    assert_int_equal(produce(&c, "g1", 0, batch_of(&w, 1, 1000, 7, 2)).base_offset, 2);
    end(&w, &c);
}

TEST(kafka_a_request_that_the_gate_holds_keeps_its_place)
{
    /* Promise: while the gate reads, what the same connection sends waits behind the request, other
     * connections go on, and answers keep their order. */
    struct world w;
    struct client c;
    struct client other;
    struct gate g;
    begin(&w, &c, &g);
    client_open(&w, &other);
    g.say = ERR_AGAIN;
    const int32_t first = send_produce(&c, "g1", batch_of(&w, 2, 1000, 7, 0));
    const int32_t second = send_produce(&c, "g1", batch_of(&w, 2, 1000, 7, 2));
    const int32_t third = send_produce(&c, "plain", batch_of(&w, 2, 1000, -1, 0));
    turns(&w, 20);
    assert_false(client_has_answer(&c));
    assert_int_equal(g.checks, 1); /* the second one was not looked at */
    assert_int_equal(produce(&other, "plain", 0, batch_of(&w, 1, 1000, -1, 0)).base_offset, 0);
    broker_gate_retry(w.broker);
    turns(&w, 20);
    assert_false(client_has_answer(&c));
    assert_int_equal(g.checks, 2);
    g.say = ERR_OK;
    broker_gate_retry(w.broker);
    struct wire_produce_response res;
    client_receive(&c, KEY_PRODUCE, 9, first, &res);
    assert_int_equal(res.responses[0].partition_responses[0].base_offset, 0);
    client_receive(&c, KEY_PRODUCE, 9, second, &res);
    assert_int_equal(res.responses[0].partition_responses[0].base_offset, 2);
    client_receive(&c, KEY_PRODUCE, 9, third, &res);
    assert_int_equal(res.responses[0].partition_responses[0].base_offset, 1);
    assert_int_equal(g.durable, 2);
    client_close(&other);
    end(&w, &c);
}

TEST(kafka_what_a_gate_holds_when_it_goes_is_not_let_pass)
{
    /* Promise: without its gate a held batch is answered with an error that clients retry, never
     * stored unjudged; and a server may end while a request is held. */
    struct world w;
    struct client c;
    struct gate g;
    struct wire_produce_response res;
    begin(&w, &c, &g);
    g.say = ERR_AGAIN;
    int32_t id = send_produce(&c, "g1", batch_of(&w, 2, 1000, 7, 0));
    turns(&w, 20);
    assert_int_equal(g.checks, 1);
    broker_gate_set(w.broker, NULL);
    broker_gate_retry(w.broker);
    client_receive(&c, KEY_PRODUCE, 9, id, &res);
    assert_int_equal(res.responses[0].partition_responses[0].error_code, 7);
    struct store_part_info info;
    store_part_info_get(broker_partition(broker_topic(w.broker, STR_LIT("g1")), 0)->part, &info);
    assert_int_equal(info.log_end, 0);
    const struct broker_gate gate = {&g, guards, check, sequenced, durable, dropped, change};
    broker_gate_set(w.broker, &gate);
    (void)send_produce(&c, "g1", batch_of(&w, 2, 1000, 7, 0));
    turns(&w, 20);
    assert_int_equal(g.checks, 2);
    end(&w, &c);
}

TEST(kafka_a_held_request_ends_when_nobody_answers_or_its_topic_goes)
{
    /* Promise: a request never waits for the gate for ever, a topic may go meanwhile, and so may
     * its client. */
    struct world w;
    struct client c;
    struct client gone;
    struct gate g;
    struct wire_produce_response res;
    begin(&w, &c, &g);
    g.say = ERR_AGAIN;
    int32_t id = send_produce(&c, "g1", batch_of(&w, 2, 1000, 7, 0));
    turns(&w, 20);
    env_sim_advance_ns(w.env, 29ull * 1000000000);
    broker_tick(w.broker);
    assert_false(client_has_answer(&c));
    env_sim_advance_ns(w.env, 2ull * 1000000000);
    broker_tick(w.broker);
    client_receive(&c, KEY_PRODUCE, 9, id, &res);
    assert_int_equal(res.responses[0].partition_responses[0].error_code, 7);

    client_open(&w, &gone);
    (void)send_produce(&gone, "g1", batch_of(&w, 2, 1000, -1, 0));
    turns(&w, 20);
    client_close(&gone);
    id = send_produce(&c, "g1", batch_of(&w, 2, 1000, 7, 0));
    turns(&w, 20);
    broker_topic_delete(w.broker, broker_topic(w.broker, STR_LIT("g1")), on_changed, &w);
    turns(&w, 20);
    g.say = ERR_OK;
    broker_gate_retry(w.broker);
    client_receive(&c, KEY_PRODUCE, 9, id, &res);
    assert_int_equal(res.responses[0].partition_responses[0].error_code, 3);
    assert_int_equal(g.sequenced, 0);
    end(&w, &c);
}

TEST(kafka_the_parts_of_a_request_before_a_held_one_are_written)
{
    /* Promise: a held batch keeps its own request from being answered, not the batches before it
     * from being stored; each gets its own answer. */
    struct world w;
    struct client c;
    struct gate g;
    begin(&w, &c, &g);
    struct wire_produce_request req;
    struct wire_produce_response res;
    produce_fill(&w, &req, "plain", 0, batch_of(&w, 2, 1000, -1, 0));
    struct wire_produce_request_topic *topics = NEW(&w, wire_produce_request_topic, 3);
    topics[0] = req.topic_data[0];
    produce_fill(&w, &req, "g1", 0, batch_of(&w, 1, 1000, -1, 0));
    topics[1] = req.topic_data[0];
    produce_fill(&w, &req, "none", 0, batch_of(&w, 1, 1000, -1, 0));
    topics[2] = req.topic_data[0];
    req.topic_data = topics;
    req.topic_data_count = 3;
    g.say = ERR_AGAIN;
    const int32_t id = client_send(&c, KEY_PRODUCE, 9, &req);
    turns(&w, 20);
    assert_false(client_has_answer(&c));
    struct store_part_info info;
    store_part_info_get(broker_partition(broker_topic(w.broker, STR_LIT("plain")), 0)->part, &info);
    assert_int_equal(info.high_watermark, 2);
    g.say = ERR_OK;
    broker_gate_retry(w.broker);
    client_receive(&c, KEY_PRODUCE, 9, id, &res);
    assert_int_equal(res.responses[0].partition_responses[0].base_offset, 0);
    assert_int_equal(res.responses[0].partition_responses[0].log_start_offset, 0);
    assert_int_equal(res.responses[1].partition_responses[0].base_offset, 0);
    assert_int_equal(res.responses[1].partition_responses[0].log_start_offset, 0);
    assert_int_equal(res.responses[2].partition_responses[0].error_code, 3);
    assert_int_equal(g.durable, 1);
    end(&w, &c);
}

/* ---- Changes -------------------------------------------------------------------------------- */

static int16_t create(struct client *c, const char *name, struct str *why)
{
    struct wire_create_topics_request req;
    struct wire_create_topics_response res;
    WIRE_INIT(wire_create_topics_request, &req);
    req.topics = NEW(c->w, wire_create_topics_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = str_of(name);
    req.topics[0].num_partitions = 1;
    req.topics[0].replication_factor = 1;
    call(c, KEY_CREATE_TOPICS, 7, &req, &res);
    *why = res.topics[0].error_message;
    return res.topics[0].error_code;
}

static int16_t delete_topic(struct client *c, const char *name, struct str *why)
{
    struct wire_delete_topics_request req;
    struct wire_delete_topics_response res;
    WIRE_INIT(wire_delete_topics_request, &req);
    req.topics = NEW(c->w, wire_delete_topics_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = str_of(name);
    call(c, KEY_DELETE_TOPICS, 6, &req, &res);
    *why = res.responses[0].error_message;
    return res.responses[0].error_code;
}

static int16_t grow(struct client *c, const char *name, struct str *why)
{
    struct wire_create_partitions_request req;
    struct wire_create_partitions_response res;
    WIRE_INIT(wire_create_partitions_request, &req);
    req.topics = NEW(c->w, wire_create_partitions_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = str_of(name);
    req.topics[0].count = 9;
    req.topics[0].assignments_count = -1;
    call(c, KEY_CREATE_PARTITIONS, 3, &req, &res);
    *why = res.results[0].error_message;
    return res.results[0].error_code;
}

static int16_t delete_records(struct client *c, const char *name)
{
    struct wire_delete_records_request req;
    struct wire_delete_records_response res;
    WIRE_INIT(wire_delete_records_request, &req);
    req.topics = NEW(c->w, wire_delete_records_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = str_of(name);
    req.topics[0].partitions = NEW(c->w, wire_delete_records_request_partition, 1);
    req.topics[0].partitions_count = 1;
    req.topics[0].partitions[0].offset = -1;
    call(c, KEY_DELETE_RECORDS, 2, &req, &res);
    return res.topics[0].partitions[0].error_code;
}

static int16_t set(struct client *c, const char *name, const char *key, struct str *why)
{
    struct wire_incremental_alter_configs_request req;
    struct wire_incremental_alter_configs_response res;
    WIRE_INIT(wire_incremental_alter_configs_request, &req);
    req.resources = NEW(c->w, wire_incremental_alter_configs_request_resource, 1);
    req.resources_count = 1;
    req.resources[0].resource_type = 2;
    req.resources[0].resource_name = str_of(name);
    req.resources[0].configs = NEW(c->w, wire_incremental_alter_configs_request_config, 1);
    req.resources[0].configs_count = 1;
    req.resources[0].configs[0].name = str_of(key);
    req.resources[0].configs[0].value = STR_LIT("5000");
    call(c, KEY_INCREMENTAL_ALTER_CONFIGS, 1, &req, &res);
    *why = res.responses[0].error_message;
    return res.responses[0].error_code;
}

/* The old call, which resets what it does not name: it names nothing. */
static int16_t set_nothing(struct client *c, const char *name)
{
    struct wire_alter_configs_request req;
    struct wire_alter_configs_response res;
    WIRE_INIT(wire_alter_configs_request, &req);
    req.resources = NEW(c->w, wire_alter_configs_request_resource, 1);
    req.resources_count = 1;
    req.resources[0].resource_type = 2;
    req.resources[0].resource_name = str_of(name);
    call(c, KEY_ALTER_CONFIGS, 1, &req, &res);
    return res.responses[0].error_code;
}

static struct wire_metadata_response_topic metadata(struct client *c, const char *name)
{
    struct wire_metadata_request req;
    struct wire_metadata_response res;
    WIRE_INIT(wire_metadata_request, &req);
    req.topics = NEW(c->w, wire_metadata_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = str_of(name);
    req.allow_auto_topic_creation = true;
    call(c, KEY_METADATA, 9, &req, &res);
    return res.topics[0];
}

TEST(kafka_changes_of_a_guarded_topic_are_refused_with_the_reason)
{
    /* Promise: what would break the promises of a service's topic is refused with POLICY_VIOLATION
     * and the service's words, however it is asked for; what the service allows is done. */
    struct world w;
    struct client c;
    struct gate g;
    struct str why;
    begin(&w, &c, &g);
    assert_int_equal(set(&c, "g1", "max.message.bytes", &why), 0);
    assert_int_equal(delete_topic(&c, "g1", &why), 44);
    assert_true(str_eq_z(why, "'g1' keeps everything"));
    assert_int_equal(grow(&c, "g1", &why), 44);
    assert_true(str_eq_z(why, "'g1' keeps everything"));
    assert_int_equal(delete_records(&c, "g1"), 44);
    assert_int_equal(set(&c, "g1", "retention.ms", &why), 44);
    assert_true(str_eq_z(why, "'g1' keeps everything"));
    assert_int_equal(create(&c, "g2", &why), 44);
    assert_int_equal(metadata(&c, "g2").error_code, 3);
    assert_null(broker_topic(w.broker, STR_LIT("g2")));
    assert_string_equal(g.changes, "change max.message.bytes;delete;add partitions;delete records;"
                                   "change retention.ms;create;create;");
    assert_int_equal(set_nothing(&c, "g1"), 0); /* resets the one that may be changed */
    const struct broker_alter op = {BROKER_SET, STR_LIT("retention.ms"), STR_LIT("-1")};
    broker_topic_alter(w.broker, broker_topic(w.broker, STR_LIT("g1")), &op, 1, false, on_changed,
                       NULL);
    turns(&w, 5);
    assert_int_equal(set_nothing(&c, "g1"), 44); /* it would reset the retention */
    assert_int_equal(metadata(&c, "g1").partitions_count, 2);
    assert_int_equal(delete_topic(&c, "plain", &why), 0);
    end(&w, &c);
}

TEST(kafka_topics_of_the_server_are_read_only)
{
    /* Promise: topics "__leat_..." are seen as internal and can be read; clients write and change
     * nothing in them. */
    struct world w;
    struct client c;
    struct str why;
    world_init(&w);
    client_open(&w, &c);
    assert_int_equal(create(&c, "__leat_x", &why), 44);
    assert_int_equal(metadata(&c, "__leat_x").error_code, 3);
    const struct broker_topic_spec spec = {
        .name = STR_LIT("__leat_x"), .partitions = 1, .replication_factor = -1};
    broker_topic_create(w.broker, &spec, false, on_changed, NULL);
    turns(&w, 5);
    assert_true(metadata(&c, "__leat_x").is_internal);
    world_create(&w, &c, "__leatx", 1);
    assert_false(metadata(&c, "__leatx").is_internal);
    const struct wire_produce_response_partition p =
        produce(&c, "__leat_x", 0, batch_of(&w, 1, 1000, -1, 0));
    assert_int_equal(p.error_code, 44);
    assert_non_null(memmem(p.error_message.p, p.error_message.n, "server's own", 12));
    assert_int_equal(delete_topic(&c, "__leat_x", &why), 44);
    assert_non_null(memmem(why.p, why.n, "server's own", 12));
    assert_int_equal(grow(&c, "__leat_x", &why), 44);
    assert_int_equal(delete_records(&c, "__leat_x"), 44);
    assert_int_equal(set(&c, "__leat_x", "retention.ms", &why), 44);
    struct wire_fetch_response res;
    call(&c, KEY_FETCH, 11, fetch_of(&w, "__leat_x", 0, 0), &res);
    assert_int_equal(res.responses[0].partitions[0].error_code, 0);
    end(&w, &c);
}
