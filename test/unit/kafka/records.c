/* Produce, Fetch, ListOffsets, DeleteRecords, epochs and producers over the wire. */
#include "world.h"

static void fill_produce(struct world *w, struct wire_produce_request *req, int16_t acks,
                         struct wire_records records)
{
    produce_fill(w, req, "t", 0, records);
    req->acks = acks;
}

TEST(kafka_what_is_produced_is_fetched_in_every_pair_of_versions)
{
    /* Byte for byte but for the offset and the epoch, which the broker writes. */
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    int64_t offset = 0;
    int16_t fetch_version = 4;
    for (int16_t version = 3; version <= 13; version++) {
        struct wire_produce_request req;
        struct wire_produce_response res;
        struct wire_fetch_response got;
        struct wire_records sent = batch_of(&w, 3, 1000, -1, 0);
        fill_produce(&w, &req, version % 2 == 0 ? 1 : -1, sent);
        call(&c, KEY_PRODUCE, version, &req, &res);
        assert_int_equal(res.responses[0].partition_responses[0].error_code, 0);
        assert_int_equal(res.responses[0].partition_responses[0].base_offset, offset);
        for (int i = 0; i < 2 && fetch_version <= 18; i++, fetch_version++) {
            struct wire_fetch_request *fetch = fetch_of(&w, "t", 0, offset + 1);
            fetch->topics[0].topic_id = w.id;
            call(&c, KEY_FETCH, fetch_version, fetch, &got);
            assert_int_equal(got.error_code, 0);
            const struct wire_fetch_response_partition *p = &got.responses[0].partitions[0];
            assert_int_equal(p->error_code, 0);
            assert_int_equal(p->high_watermark, offset + 3);
            assert_int_equal(p->last_stable_offset, offset + 3);
            assert_int_equal(p->records.n, sent.n);
            assert_int_equal((int64_t)get_be64(p->records.p), offset);
            assert_memory_equal(p->records.p + BATCH_AT_MAGIC, sent.p + BATCH_AT_MAGIC,
                                (size_t)sent.n - BATCH_AT_MAGIC);
        }
        offset += 3;
    }
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_produce_refuses_what_it_must)
{
    struct world w;
    struct client c;
    struct wire_produce_request req;
    struct wire_produce_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    struct wire_records good = batch_of(&w, 1, 1000, -1, 0);
    fill_produce(&w, &req, 2, good);
    call(&c, KEY_PRODUCE, 9, &req, &res);
    assert_int_equal(res.responses[0].partition_responses[0].error_code, 21); /* acks */
    fill_produce(&w, &req, -1, good);
    req.transactional_id = STR_LIT("tx");
    call(&c, KEY_PRODUCE, 9, &req, &res);
    assert_int_equal(res.responses[0].partition_responses[0].error_code, 53); /* final */
    fill_produce(&w, &req, -1, good);
    req.topic_data[0].name = STR_LIT("no-such");
    call(&c, KEY_PRODUCE, 9, &req, &res);
    assert_int_equal(res.responses[0].partition_responses[0].error_code, 3);
    fill_produce(&w, &req, -1, good);
    req.topic_data[0].topic_id.b[0] ^= 1;
    call(&c, KEY_PRODUCE, 13, &req, &res);
    assert_int_equal(res.responses[0].partition_responses[0].error_code, 100);
    fill_produce(&w, &req, -1, batch_of(&w, 1, 1000, -1, 0));
    ((uint8_t *)(uintptr_t)req.topic_data[0].partition_data[0].records.p)[70] ^= 1;
    call(&c, KEY_PRODUCE, 9, &req, &res);
    assert_int_equal(res.responses[0].partition_responses[0].error_code, 2);
    fill_produce(&w, &req, -1, (struct wire_records){.n = -1});
    call(&c, KEY_PRODUCE, 9, &req, &res);
    assert_int_not_equal(res.responses[0].partition_responses[0].error_code, 0);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_acks_0_has_no_answer_and_an_error_closes)
{
    struct world w;
    struct client c;
    struct wire_produce_request req;
    struct wire_metadata_request ask;
    struct wire_metadata_response metadata;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    WIRE_INIT(wire_metadata_request, &ask);
    fill_produce(&w, &req, 0, batch_of(&w, 1, 1000, -1, 0));
    client_send(&c, KEY_PRODUCE, 9, &req);
    call(&c, KEY_METADATA, 9, &ask, &metadata); /* the next answer is that of the next request */
    req.topic_data[0].name = STR_LIT("no-such");
    client_send(&c, KEY_PRODUCE, 9, &req);
    assert_true(client_is_closed(&c));
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_a_batch_sent_again_gets_its_first_offset)
{
    struct world w;
    struct client c;
    struct wire_init_producer_id_request init;
    struct wire_init_producer_id_response pid;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    WIRE_INIT(wire_init_producer_id_request, &init);
    init.transactional_id = STR_NULL;
    call(&c, KEY_INIT_PRODUCER_ID, 4, &init, &pid);
    assert_int_equal(pid.error_code, 0);
    assert_int_equal(pid.producer_epoch, 0);
    int64_t first = pid.producer_id;
    for (int again = 0; again < 2; again++) {
        struct wire_produce_response_partition p =
            produce(&c, "t", 0, batch_of(&w, 2, 1000, first, 0));
        assert_int_equal(p.error_code, 0);
        assert_int_equal(p.base_offset, 0);
    }
    assert_int_equal(produce(&c, "t", 0, batch_of(&w, 1, 1000, first, 5)).error_code, 45);
    /* As in Kafka: naming the id gives a new one. */
    init.producer_id = first;
    init.producer_epoch = 0;
    call(&c, KEY_INIT_PRODUCER_ID, 4, &init, &pid);
    assert_int_equal(pid.error_code, 0);
    assert_int_not_equal(pid.producer_id, first);
    init.producer_epoch = -1;
    call(&c, KEY_INIT_PRODUCER_ID, 4, &init, &pid);
    assert_int_equal(pid.error_code, 42);
    init.transactional_id = STR_LIT("tx");
    call(&c, KEY_INIT_PRODUCER_ID, 4, &init, &pid);
    assert_int_equal(pid.error_code, 53);
    struct wire_describe_producers_request ask;
    struct wire_describe_producers_response res;
    WIRE_INIT(wire_describe_producers_request, &ask);
    ask.topics = NEW(&w, wire_describe_producers_request_topic, 1);
    ask.topics_count = 1;
    ask.topics[0].name = STR_LIT("t");
    int32_t parts[] = {0, 1};
    ask.topics[0].partition_indexes = parts;
    ask.topics[0].partition_indexes_count = 2;
    call(&c, KEY_DESCRIBE_PRODUCERS, 0, &ask, &res);
    assert_int_equal(res.topics[0].partitions[0].active_producers_count, 1);
    assert_int_equal(res.topics[0].partitions[0].active_producers[0].producer_id, first);
    assert_int_equal(res.topics[0].partitions[0].active_producers[0].last_sequence, 1);
    assert_int_equal(res.topics[0].partitions[1].error_code, 3);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_a_long_poll_ends_with_records_time_or_topic)
{
    struct world w;
    struct client c;
    struct client other;
    struct wire_fetch_response res;
    world_init(&w);
    client_open(&w, &c);
    client_open(&w, &other);
    world_create(&w, &c, "t", 1);
    struct wire_fetch_request *fetch = fetch_of(&w, "t", 0, 0);
    fetch->max_wait_ms = 500;
    uint64_t before = env_mono_ns(w.env);
    call(&c, KEY_FETCH, 11, fetch, &res); /* time */
    assert_true(env_mono_ns(w.env) - before >= 500000000);
    assert_int_equal(res.responses[0].partitions[0].records.n, 0);
    fetch->max_wait_ms = 60000;
    int32_t id = client_send(&c, KEY_FETCH, 11, fetch);
    assert_false(client_has_answer(&c));
    produce(&other, "t", 0, batch_of(&w, 1, 1000, -1, 0));
    client_receive(&c, KEY_FETCH, 11, id, &res); /* records */
    assert_true(res.responses[0].partitions[0].records.n > 0);
    fetch->topics[0].partitions[0].fetch_offset = 1;
    id = client_send(&c, KEY_FETCH, 11, fetch);
    assert_false(client_has_answer(&c));
    struct wire_delete_topics_request del;
    struct wire_delete_topics_response deleted;
    WIRE_INIT(wire_delete_topics_request, &del);
    struct str names[] = {STR_LIT("t")};
    del.topic_names = names;
    del.topic_names_count = 1;
    call(&other, KEY_DELETE_TOPICS, 5, &del, &deleted);
    client_receive(&c, KEY_FETCH, 11, id, &res); /* the topic is gone */
    assert_int_equal(res.responses[0].partitions[0].error_code, 3);
    client_close(&c);
    client_close(&other);
    world_deinit(&w);
}

TEST(kafka_fetch_sessions_tell_only_what_is_new)
{
    struct world w;
    struct client c;
    struct wire_fetch_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 2);
    struct wire_fetch_request *fetch = fetch_of(&w, "t", 0, 0);
    fetch->session_epoch = 0;
    call(&c, KEY_FETCH, 11, fetch, &res);
    assert_true(res.session_id > 0);
    assert_int_equal(res.responses_count, 1);
    int32_t session = res.session_id;
    struct wire_fetch_request next;
    WIRE_INIT(wire_fetch_request, &next);
    next.session_id = session;
    next.session_epoch = 1;
    call(&c, KEY_FETCH, 11, &next, &res);
    assert_int_equal(res.error_code, 0);
    assert_int_equal(res.responses_count, 0); /* nothing new */
    produce(&c, "t", 0, batch_of(&w, 1, 1000, -1, 0));
    next.session_epoch = 2;
    call(&c, KEY_FETCH, 11, &next, &res);
    assert_int_equal(res.responses_count, 1);
    assert_true(res.responses[0].partitions[0].records.n > 0);
    call(&c, KEY_FETCH, 11, &next, &res); /* the same epoch again */
    assert_int_equal(res.error_code, 71);
    next.session_id = session ^ 1;
    call(&c, KEY_FETCH, 11, &next, &res);
    assert_int_equal(res.error_code, 70);
    client_close(&c);
    world_deinit(&w);
}

static struct wire_list_offsets_response_partition list_offset(struct client *c, int16_t version,
                                                               int64_t timestamp, int32_t epoch)
{
    struct wire_list_offsets_request req;
    struct wire_list_offsets_response res;
    WIRE_INIT(wire_list_offsets_request, &req);
    req.replica_id = -1;
    req.topics = NEW(c->w, wire_list_offsets_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = STR_LIT("t");
    req.topics[0].partitions = NEW(c->w, wire_list_offsets_request_partition, 1);
    req.topics[0].partitions_count = 1;
    req.topics[0].partitions[0].timestamp = timestamp;
    req.topics[0].partitions[0].current_leader_epoch = epoch;
    call(c, KEY_LIST_OFFSETS, version, &req, &res);
    return res.topics[0].partitions[0];
}

TEST(kafka_offsets_are_found_by_every_kind_of_time)
{
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    assert_int_equal(list_offset(&c, 7, -3, -1).offset, -1); /* an empty log has no maximum */
    produce(&c, "t", 0, batch_of(&w, 3, 1000, -1, 0));       /* 0-2: 1000, 1001, 1002 */
    produce(&c, "t", 0, batch_of(&w, 3, 5000, -1, 0));       /* 3-5 */
    produce(&c, "t", 0, batch_of(&w, 2, 3000, -1, 0));       /* 6-7 */
    static const struct {
        int16_t version;
        int64_t timestamp;
        int16_t error;
        int64_t offset, found;
    } cases[] = {
        {1, -1, 0, 8, -1},    {11, -1, 0, 8, -1},    {1, -2, 0, 0, -1},     {7, -3, 0, 5, 5002},
        {6, -3, 35, -1, -1},  {8, -4, 0, 0, -1},     {7, -4, 35, -1, -1},   {9, -5, 0, -1, -1},
        {8, -5, 35, -1, -1},  {11, -6, 0, -1, -1},   {10, -6, 35, -1, -1},  {11, -7, 35, -1, -1},
        {5, 0, 0, 0, 1000},   {5, 1001, 0, 1, 1001}, {5, 1003, 0, 3, 5000}, {5, 5002, 0, 5, 5002},
        {5, 5003, 0, -1, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct wire_list_offsets_response_partition p =
            list_offset(&c, cases[i].version, cases[i].timestamp, -1);
        if (p.error_code != cases[i].error || p.offset != cases[i].offset ||
            p.timestamp != cases[i].found) {
            fail_msg("case %zu: error %d, offset %lld, time %lld", i, p.error_code,
                     (long long)p.offset, (long long)p.timestamp);
        }
        if (p.offset >= 0 && cases[i].version >= 4) {
            assert_int_equal(p.leader_epoch, 0);
        }
    }
    assert_int_equal(list_offset(&c, 5, -1, 0).error_code, 0);
    assert_int_equal(list_offset(&c, 5, -1, 1).error_code, 75);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_a_partition_asked_twice_is_an_error_for_both)
{
    struct world w;
    struct client c;
    struct wire_list_offsets_request req;
    struct wire_list_offsets_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 2);
    WIRE_INIT(wire_list_offsets_request, &req);
    req.topics = NEW(&w, wire_list_offsets_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = STR_LIT("t");
    req.topics[0].partitions = NEW(&w, wire_list_offsets_request_partition, 3);
    req.topics[0].partitions_count = 3;
    req.topics[0].partitions[1].partition_index = 1;
    for (int i = 0; i < 3; i++) {
        req.topics[0].partitions[i].timestamp = -1;
    }
    call(&c, KEY_LIST_OFFSETS, 5, &req, &res);
    assert_int_equal(res.topics[0].partitions[0].error_code, 42);
    assert_int_equal(res.topics[0].partitions[1].error_code, 0);
    assert_int_equal(res.topics[0].partitions[2].error_code, 42);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_records_are_deleted_up_to_an_offset)
{
    struct world w;
    struct client c;
    struct wire_delete_records_request req;
    struct wire_delete_records_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    for (int i = 0; i < 4; i++) {
        produce(&c, "t", 0, batch_of(&w, 2, 1000, -1, 0));
    }
    WIRE_INIT(wire_delete_records_request, &req);
    req.topics = NEW(&w, wire_delete_records_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = STR_LIT("t");
    req.topics[0].partitions = NEW(&w, wire_delete_records_request_partition, 2);
    req.topics[0].partitions_count = 2;
    req.topics[0].partitions[0].offset = 3;
    req.topics[0].partitions[1].partition_index = 9;
    call(&c, KEY_DELETE_RECORDS, 2, &req, &res);
    assert_int_equal(res.topics[0].partitions[0].error_code, 0);
    assert_int_equal(res.topics[0].partitions[0].low_watermark, 3);
    assert_int_equal(res.topics[0].partitions[1].error_code, 3);
    assert_int_equal(res.topics[0].partitions[1].low_watermark, -1);
    assert_int_equal(list_offset(&c, 5, -2, -1).offset, 3);
    struct wire_fetch_response fetched;
    call(&c, KEY_FETCH, 11, fetch_of(&w, "t", 0, 2), &fetched);
    assert_int_equal(fetched.responses[0].partitions[0].error_code, 1);
    req.topics[0].partitions_count = 1;
    req.topics[0].partitions[0].offset = 9;
    call(&c, KEY_DELETE_RECORDS, 0, &req, &res);
    assert_int_equal(res.topics[0].partitions[0].error_code, 1);
    req.topics[0].partitions[0].offset = -1;
    call(&c, KEY_DELETE_RECORDS, 0, &req, &res);
    assert_int_equal(res.topics[0].partitions[0].low_watermark, 8);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_an_epoch_ends_at_the_high_watermark)
{
    struct world w;
    struct client c;
    struct wire_offset_for_leader_epoch_request req;
    struct wire_offset_for_leader_epoch_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    produce(&c, "t", 0, batch_of(&w, 4, 1000, -1, 0));
    WIRE_INIT(wire_offset_for_leader_epoch_request, &req);
    req.topics = NEW(&w, wire_offset_for_leader_epoch_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].topic = STR_LIT("t");
    req.topics[0].partitions = NEW(&w, wire_offset_for_leader_epoch_request_partition, 3);
    req.topics[0].partitions_count = 3;
    req.topics[0].partitions[1].leader_epoch = 5; /* not there yet */
    req.topics[0].partitions[2].current_leader_epoch = 3;
    for (int16_t version = 2; version <= 4; version++) {
        call(&c, KEY_OFFSET_FOR_LEADER_EPOCH, version, &req, &res);
        const struct wire_offset_for_leader_epoch_response_partition *p = res.topics[0].partitions;
        assert_int_equal(p[0].error_code, 0);
        assert_int_equal(p[0].leader_epoch, 0);
        assert_int_equal(p[0].end_offset, 4);
        assert_int_equal(p[1].error_code, 0);
        assert_int_equal(p[1].leader_epoch, -1);
        assert_int_equal(p[1].end_offset, -1);
        assert_int_equal(p[2].error_code, 75);
    }
    client_close(&c);
    world_deinit(&w);
}
