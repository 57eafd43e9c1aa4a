/* Large batches: they are written from where they were received, and nothing that the answer or the
 * next request needs goes with them. */
#include "core/pool.h"
#include "kafka/kafka_int.h"
#include "world.h"

enum { LARGE = 5000 }; /* records: about 100 KB */

static void fill_produce(struct world *w, struct wire_produce_request *req, int32_t partitions,
                         struct wire_records records)
{
    WIRE_INIT(wire_produce_request, req);
    req->acks = -1;
    req->transactional_id = STR_NULL;
    req->topic_data = NEW(w, wire_produce_request_topic, 1);
    req->topic_data_count = 1;
    req->topic_data[0].name = STR_LIT("t");
    req->topic_data[0].topic_id = w->id;
    req->topic_data[0].partition_data = NEW(w, wire_produce_request_partition, partitions);
    req->topic_data[0].partition_data_count = partitions;
    for (int32_t i = 0; i < partitions; i++) {
        req->topic_data[0].partition_data[i].index = i;
        req->topic_data[0].partition_data[i].records = records;
    }
}

static uint64_t taken(const struct world *w)
{
    struct store_stats st;
    store_stats_get(w->store, &st);
    return st.taken;
}

/* What was produced at `offset` is fetched byte for byte. */
static void expect_fetched(struct world *w, struct client *c, int32_t index, int64_t offset,
                           struct wire_records sent)
{
    struct wire_fetch_response got;
    call(c, KEY_FETCH, 11, fetch_of(w, "t", index, offset), &got);
    const struct wire_fetch_response_partition *p = &got.responses[0].partitions[0];
    assert_int_equal(p->error_code, 0);
    assert_true(p->records.n >= sent.n);
    assert_int_equal((int64_t)get_be64(p->records.p), offset);
    assert_memory_equal(p->records.p + BATCH_AT_MAGIC, sent.p + BATCH_AT_MAGIC,
                        (size_t)sent.n - BATCH_AT_MAGIC);
}

TEST(kafka_a_large_batch_is_written_from_where_it_was_received)
{
    /* In every version; two requests on their way at once, and a small one behind them. */
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    int64_t offset = 0;
    for (int16_t version = 3; version <= 13; version++) {
        struct wire_produce_request req[3];
        struct wire_produce_response res;
        struct wire_records sent[3];
        int32_t id[3];
        const uint64_t before = taken(&w);
        for (int i = 0; i < 3; i++) {
            sent[i] = batch_of(&w, i < 2 ? LARGE + i : 2, 1000 + i, -1, 0);
            fill_produce(&w, &req[i], 1, sent[i]);
            id[i] = client_send(&c, KEY_PRODUCE, version, &req[i]);
        }
        for (int i = 0; i < 3; i++) {
            client_receive(&c, KEY_PRODUCE, version, id[i], &res);
            assert_int_equal(res.responses_count, 1);
            assert_true(version >= 13 ? uuid_eq(res.responses[0].topic_id, w.id)
                                      : str_eq(res.responses[0].name, STR_LIT("t")));
            assert_int_equal(res.responses[0].partition_responses[0].error_code, 0);
            assert_int_equal(res.responses[0].partition_responses[0].base_offset,
                             offset + (i > 0 ? LARGE : 0) + (i > 1 ? LARGE + 1 : 0));
        }
        for (int i = 0; i < 3; i++) {
            expect_fetched(&w, &c, 0, offset, sent[i]);
            offset += i < 2 ? LARGE + i : 2;
        }
        assert_int_equal(taken(&w) - before, 2);
    }
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_several_large_batches_of_a_request_are_stored_too)
{
    /* They share a buffer, so each is copied. */
    struct world w;
    struct client c;
    struct wire_produce_request req;
    struct wire_produce_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 3);
    struct wire_records sent = batch_of(&w, LARGE, 1000, -1, 0);
    for (int round = 0; round < 2; round++) {
        /* One alone before it, so that this one is received into the same place. */
        fill_produce(&w, &req, 1, sent);
        call(&c, KEY_PRODUCE, 9, &req, &res);
        assert_int_equal(taken(&w), round + 1);
        fill_produce(&w, &req, 3, sent);
        call(&c, KEY_PRODUCE, 9, &req, &res);
        for (int32_t i = 0; i < 3; i++) {
            assert_int_equal(res.responses[0].partition_responses[i].error_code, 0);
            expect_fetched(&w, &c, i, (int64_t)(i == 0 ? 2 * round + 1 : round) * LARGE, sent);
        }
        assert_int_equal(taken(&w), round + 1);
    }
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_what_is_refused_or_known_already_takes_nothing_with_it)
{
    struct world w;
    struct client c;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    struct wire_records good = batch_of(&w, LARGE, 1000, 7, 0);
    assert_int_equal(produce(&c, "t", 0, good).error_code, 0);
    assert_int_equal(taken(&w), 1);
    struct wire_produce_response_partition again = produce(&c, "t", 0, good);
    assert_int_equal(again.error_code, 0);
    assert_int_equal(again.base_offset, 0);
    struct wire_records bad = batch_of(&w, LARGE, 1000, -1, 0);
    ((uint8_t *)(uintptr_t)bad.p)[bad.n - 5] ^= 1;
    assert_int_equal(produce(&c, "t", 0, bad).error_code, 2); /* CORRUPT_MESSAGE */
    assert_int_equal(taken(&w), 1);
    expect_fetched(&w, &c, 0, 0, good);
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_memory_that_the_log_took_outlives_the_client_and_the_failure)
{
    /* The client goes, or the device fails, while the log holds the request's memory; whatever the
     * moment, nothing is leaked or freed twice (the sanitizers see to that). */
    for (uint64_t after = 0; after < 16; after++) {
        struct world w;
        struct client c;
        struct wire_produce_request req;
        world_init(&w);
        client_open(&w, &c);
        world_create(&w, &c, "t", 1);
        produce(&c, "t", 0, batch_of(&w, 2, 500, -1, 0));
        if (after % 2 == 1) {
            env_sim_fail_nth(w.env, ENV_SIM_WRITE, 1 + after / 4, ERR_IO, true);
        }
        for (int i = 0; i < (after % 2 == 1 ? 1 : 3); i++) {
            fill_produce(&w, &req, 1, batch_of(&w, LARGE, 1000, -1, 0));
            client_send(&c, KEY_PRODUCE, 9, &req);
        }
        turns(&w, (int)after);
        client_close(&c);
        turns(&w, after % 3 == 0 ? 0 : 30);
        world_deinit(&w);
    }
}

TEST(kafka_knows_where_the_batch_of_a_request_begins)
{
    /* From its first bytes, in every version; with fewer it says nothing, and of anything else. */
    struct world w;
    world_init(&w);
    const struct wire_api *api = wire_api_find(KEY_PRODUCE);
    for (int16_t version = 3; version <= api->max; version++) {
        for (int tx = 0; tx < 2; tx++) {
            struct wire_produce_request req;
            struct buf b;
            buf_init(&b, 1 << 20);
            w.id = (struct uuid){{1, 2, 3}};
            struct wire_records sent = batch_of(&w, LARGE, 1000, -1, 0);
            fill_produce(&w, &req, 1, sent);
            if (tx == 1) {
                req.transactional_id = STR_LIT("a transaction");
            }
            assert_int_equal(
                wire_request_put(&b, NULL, api, version, 5, STR_LIT("some client"), &req, NULL),
                ERR_OK);
            size_t at = 0;
            while (memcmp(b.p + at, sent.p, (size_t)sent.n) != 0) {
                at++;
            }
            for (size_t n = 0; n < at; n++) {
                assert_true(kafka_lay(NULL, b.p, n) == NET_ANYWHERE);
            }
            for (size_t n = at; n < at + 10; n++) {
                assert_int_equal((kafka_lay(NULL, b.p, n) + at) % POOL_ALIGN, STORE_BATCH_LEAD);
            }
            const size_t one = at - (version >= 9 ? 3 + 4 + 1 : 4 + 4 + 4);
            b.p[one + (version >= 9 ? 0 : 3)]++; /* two partitions */
            assert_true(kafka_lay(NULL, b.p, b.n) == NET_ANYWHERE);
            b.p[one + (version >= 9 ? 0 : 3)]--;
            b.p[5] = KEY_FETCH;
            assert_true(kafka_lay(NULL, b.p, b.n) == NET_ANYWHERE);
            buf_deinit(&b);
        }
    }
    world_deinit(&w);
}
