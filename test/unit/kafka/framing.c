/* What comes before a handler: versions, broken requests, order, room for appends. */
#include "world.h"

TEST(kafka_api_versions_are_those_of_kafka_and_nothing_that_is_not_served)
{
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    for (int16_t version = 0; version <= 4; version++) {
        struct wire_api_versions_request req;
        struct wire_api_versions_response res;
        WIRE_INIT(wire_api_versions_request, &req);
        req.client_software_name = STR_LIT("test-client");
        req.client_software_version = STR_LIT("1.0");
        call(&c, KEY_API_VERSIONS, version, &req, &res);
        assert_int_equal(res.error_code, 0);
        assert_int_equal(res.api_keys_count, 31);
        assert_int_equal(res.api_keys[0].api_key, KEY_PRODUCE);
        assert_int_equal(res.api_keys[0].min_version, 0);
        assert_int_equal(res.api_keys[0].max_version, 13);
        assert_int_equal(res.supported_features_count, 0);
        assert_int_equal(res.finalized_features_count, 0);
        for (int32_t i = 0; i < res.api_keys_count; i++) {
            int16_t key = res.api_keys[i].api_key;
            bool transactional = key >= 24 && key <= 28;
            assert_false(transactional || key == 68 || key == 76);
        }
    }
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_an_unknown_version_of_api_versions_is_answered_in_version_0)
{
    /* KIP-511: how a newer client learns what to speak. The body is not looked at. */
    static const uint8_t request[] = {0, 0, 0, 13, 0, 18, 0, 99, 0, 0, 0, 5, 0xff, 0xff, 0, 2, 3};
    struct world w;
    struct client c;
    struct wire_api_versions_response res;
    world_init(&w);
    client_open(&w, &c);
    client_send_bytes(&c, request, sizeof(request));
    client_receive(&c, KEY_API_VERSIONS, 0, 5, &res);
    assert_int_equal(res.error_code, 35);
    assert_int_equal(res.api_keys_count, 1);
    assert_int_equal(res.api_keys[0].api_key, KEY_API_VERSIONS);
    assert_int_equal(res.api_keys[0].max_version, 4);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_what_is_not_kafka_closes_the_connection_and_nothing_else)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"\x16\x03\x01\x02\x00\x01\x00\x01", 8},                          /* TLS */
        {"\x80\x00\x00\x00\x00\x00\x00\x00", 8},                          /* negative length */
        {"\x7f\xff\xff\xff\x00\x00\x00\x00", 8},                          /* 2 GB */
        {"\x00\x00\x00\x04\x00\x12\x00\x00", 8},                          /* too short */
        {"\x00\x00\x00\x0a\x03\xe7\x00\x00\x00\x00\x00\x01\xff\xff", 14}, /* unknown API */
        {"\x00\x00\x00\x0a\x00\x03\x00\x63\x00\x00\x00\x01\xff\xff", 14}, /* unknown version */
        {"\x00\x00\x00\x0e\x00\x03\x00\x01\x00\x00\x00\x01\xff\xff\x7f\xff\xff\xff", 18},
    };
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct client c;
        client_open(&w, &c);
        client_send_bytes(&c, bad[i].bytes, bad[i].n);
        assert_true(client_is_closed(&c));
        client_close(&c);
    }
    struct client c;
    client_open(&w, &c);
    world_create(&w, &c, "still-well", 1);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_every_version_that_is_told_is_answered)
{
    /* An empty request of each API and version has an answer that decodes; none closes the
     * connection. */
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    for (size_t i = 0; i < kafka_api_count(); i++) {
        const struct wire_api *api = wire_api_find(kafka_api_at(i)->key);
        for (int16_t version = api->served_min; version <= api->max; version++) {
            void *req = arena_alloc(&w.arena, api->request->size);
            void *res = arena_alloc(&w.arena, api->response->size);
            wire_init(api->request, req);
            if (api->key == KEY_PRODUCE) {
                ((struct wire_produce_request *)req)->acks = 1;
            }
            call(&c, api->key, version, req, res);
        }
    }
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_answers_leave_in_the_order_of_their_requests)
{
    /* A long poll holds back what was asked after it on the same connection. */
    struct world w;
    struct client c;
    struct client other;
    struct wire_fetch_response fetched;
    struct wire_metadata_response metadata;
    world_init(&w);
    client_open(&w, &c);
    client_open(&w, &other);
    world_create(&w, &c, "t", 1);
    struct wire_fetch_request *fetch = fetch_of(&w, "t", 0, 0);
    fetch->max_wait_ms = 60000;
    struct wire_metadata_request ask;
    WIRE_INIT(wire_metadata_request, &ask);
    int32_t first = client_send(&c, KEY_FETCH, 11, fetch);
    int32_t second = client_send(&c, KEY_METADATA, 9, &ask);
    assert_false(client_has_answer(&c));
    produce(&other, "t", 0, batch_of(&w, 2, 1000, -1, 0));
    client_receive(&c, KEY_FETCH, 11, first, &fetched);
    assert_true(fetched.responses[0].partitions[0].records.n > 0);
    client_receive(&c, KEY_METADATA, 9, second, &metadata);
    client_close(&c);
    client_close(&other);
    world_deinit(&w);
}

TEST(kafka_a_request_with_more_appends_than_the_ring_has_room_for_is_answered)
{
    /* Each append waits for room of its own. */
    enum { TOPICS = 1500 };
    char name[240];
    struct world w;
    struct client c;
    struct wire_create_topics_request req;
    struct wire_create_topics_response res;
    world_init_ring(&w, 64 << 10);
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    client_open(&w, &c);
    WIRE_INIT(wire_create_topics_request, &req);
    req.topics = NEW(&w, wire_create_topics_request_topic, TOPICS);
    req.topics_count = TOPICS;
    for (int32_t i = 0; i < TOPICS; i++) {
        req.topics[i].name = arena_printf(&w.arena, "%s%d", name, i);
        req.topics[i].num_partitions = 1 + i % 3;
        req.topics[i].replication_factor = 1;
    }
    call(&c, KEY_CREATE_TOPICS, 5, &req, &res);
    assert_int_equal(res.topics_count, TOPICS);
    for (int32_t i = 0; i < TOPICS; i++) {
        assert_int_equal(res.topics[i].error_code, 0);
        assert_int_equal(res.topics[i].num_partitions, 1 + i % 3);
    }
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_a_client_that_goes_while_its_request_waits_leaves_nothing_behind)
{
    /* A long poll, an append on its way to the disk, a pipeline of both; the leak check sees the
     * rest. */
    struct world w;
    struct client c;
    struct client other;
    world_init(&w);
    client_open(&w, &other);
    world_create(&w, &other, "t", 1);
    struct wire_fetch_request *fetch = fetch_of(&w, "t", 0, 0);
    fetch->max_wait_ms = 60000;
    for (int kind = 0; kind < 3; kind++) {
        client_open(&w, &c);
        if (kind != 1) {
            client_send(&c, KEY_FETCH, 11, fetch);
            turns(&w, 3);
        }
        if (kind != 0) {
            struct wire_create_topics_request req;
            WIRE_INIT(wire_create_topics_request, &req);
            req.topics = NEW(&w, wire_create_topics_request_topic, 1);
            req.topics_count = 1;
            req.topics[0].name = arena_printf(&w.arena, "made-%d", kind);
            req.topics[0].num_partitions = 1;
            req.topics[0].replication_factor = 1;
            client_send(&c, KEY_CREATE_TOPICS, 5, &req);
            env_poll_run(w.poll, 1000);
        }
        client_close(&c);
        turns(&w, 5);
    }
    produce(&other, "t", 0, batch_of(&w, 1, 1000, -1, 0));
    client_open(&w, &c);
    client_send(&c, KEY_FETCH, 11, fetch_of(&w, "t", 0, 1));
    fetch->topics[0].partitions[0].fetch_offset = 1;
    client_send(&c, KEY_FETCH, 11, fetch); /* in hand when the server goes */
    turns(&w, 3);
    client_close(&other);
    struct buf in = c.in;
    struct env_sock *sock = c.sock;
    net_destroy(w.net);
    env_sock_close(sock);
    buf_deinit(&in);
    w.net = NULL;
    world_deinit(&w);
}
