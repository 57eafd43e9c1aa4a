/* When no checkpoint can be made for long: the ring is full, and nobody is left without an answer.
 */
#include "store/store_int.h"
#include "world.h"

/* One produce that the client gives `timeout_ms`; the error, and how long it took. */
static int16_t produce_within(struct client *c, struct wire_records records, int32_t timeout_ms,
                              uint64_t *took_ms)
{
    struct wire_produce_request req;
    struct wire_produce_response res;
    const uint64_t begun = env_mono_ns(c->w->env);
    produce_fill(c->w, &req, "t", 0, records);
    req.timeout_ms = timeout_ms;
    call(c, KEY_PRODUCE, 9, &req, &res);
    *took_ms = (env_mono_ns(c->w->env) - begun) / 1000000;
    return res.responses[0].partition_responses[0].error_code;
}

static int16_t metadata(struct client *c, const char *topic, uint64_t *took_ms)
{
    struct wire_metadata_request req;
    struct wire_metadata_response res;
    const uint64_t begun = env_mono_ns(c->w->env);
    WIRE_INIT(wire_metadata_request, &req);
    req.topics = NEW(c->w, wire_metadata_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = str_of(topic);
    req.allow_auto_topic_creation = true;
    call(c, KEY_METADATA, 9, &req, &res);
    *took_ms = (env_mono_ns(c->w->env) - begun) / 1000000;
    return res.topics[0].error_code;
}

static int16_t commit(struct client *c, uint64_t *took_ms)
{
    struct wire_offset_commit_request req;
    struct wire_offset_commit_response res;
    const uint64_t begun = env_mono_ns(c->w->env);
    WIRE_INIT(wire_offset_commit_request, &req);
    req.group_id = STR_LIT("g");
    req.generation_id_or_member_epoch = -1;
    req.topics = NEW(c->w, wire_offset_commit_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = STR_LIT("t");
    req.topics[0].partitions = NEW(c->w, wire_offset_commit_request_partition, 1);
    req.topics[0].partitions_count = 1;
    req.topics[0].partitions[0].committed_offset = 1;
    req.topics[0].partitions[0].committed_metadata = STR_LIT("m");
    call(c, 8, 7, &req, &res);
    *took_ms = (env_mono_ns(c->w->env) - begun) / 1000000;
    return res.topics[0].partitions[0].error_code;
}

static int64_t high_watermark(struct client *c)
{
    struct wire_fetch_response res;
    call(c, KEY_FETCH, 11, fetch_of(c->w, "t", 0, 0), &res);
    assert_int_equal(res.responses[0].partitions[0].error_code, 0);
    assert_true(res.responses[0].partitions[0].records.n > 0);
    return res.responses[0].partitions[0].high_watermark;
}

TEST(kafka_a_full_ring_without_checkpoints_is_answered_in_time_and_goes_on_by_itself)
{
    /* A request that the store has no room for gets a retriable error within its own timeout, and
     * nothing of it is stored; reads and Metadata go on; the first checkpoint ends it. */
    struct world w;
    struct client c;
    struct store_stall stall;
    uint64_t took;
    world_init_ring(&w, 64 << 10);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    env_sim_fail_nth(w.env, ENV_SIM_OPEN, 1, ERR_NO_DESCRIPTORS, true);
    int64_t acked = 0;
    int32_t sequence = 0;
    int16_t code = 0;
    while (code == 0 && sequence < 500) {
        code = produce_within(&c, batch_of(&w, 40, 1000, 7, 40 * sequence), 6000, &took);
        sequence += code == 0 ? 1 : 0;
        acked += code == 0 ? 40 : 0;
    }
    assert_true(acked > 40);
    assert_int_equal(code, 56);
    assert_true(took >= 3000 && took < 4500);
    assert_true(store_stalled(w.store, &stall) && stall.full);
    assert_non_null(strstr(stall.why, "descriptor"));
    assert_int_equal(produce_within(&c, batch_of(&w, 1, 1000, -1, 0), 2000, &took), 56);
    assert_true(took >= 1000 && took < 2500);
    assert_int_equal(high_watermark(&c), acked);
    assert_int_equal(metadata(&c, "t", &took), 0);
    assert_true(took < 100);
    assert_int_equal(metadata(&c, "new", &took), 7);
    assert_true(took >= 14000 && took < 17000);
    assert_int_equal(commit(&c, &took), 15);
    assert_true(took >= 14000 && took < 17000);
    env_sim_fail_nth(w.env, ENV_SIM_OPEN, 1, ERR_OK, false);
    assert_int_equal(produce_within(&c, batch_of(&w, 40, 1000, 7, 40 * sequence), 60000, &took), 0);
    assert_true(took < 3000);
    acked += 40;
    assert_int_equal(high_watermark(&c), acked);
    assert_int_equal(commit(&c, &took), 0);
    assert_int_equal(metadata(&c, "new", &took), 0);
    turns(&w, 200);
    assert_false(store_stalled(w.store, &stall));
    client_close(&c);
    world_deinit(&w);
}

TEST(kafka_a_device_that_hangs_keeps_nobody_waiting_who_has_no_place_yet)
{
    /* What has its place in the log waits for the device; who comes when there is no room is told.
     */
    struct world w;
    struct client c;
    struct client late;
    struct store_stall stall;
    uint64_t took;
    world_init_ring(&w, 64 << 10);
    client_open(&w, &c);
    client_open(&w, &late);
    world_create(&w, &c, "t", 1);
    struct wire_produce_request req;
    produce_fill(&w, &req, "t", 0, batch_of(&w, 400, 1000, -1, 0));
    req.timeout_ms = 60000;
    env_sim_stick_nth(w.env, ENV_SIM_WRITE, 1, true);
    client_send(&c, KEY_PRODUCE, 9, &req);
    for (int i = 0; i < 10; i++) { /* the loop itself must not hang */
        env_poll_run(w.poll, 1000000);
        store_kick(w.store, false);
    }
    assert_true(env_sim_is_stuck(w.env));
    for (int i = 0; i < 60 && store_ready(w.store); i++) {
        client_send(&c, KEY_PRODUCE, 9, &req);
        turns(&w, 3);
    }
    assert_int_equal(produce_within(&late, batch_of(&w, 1, 1000, -1, 0), 4000, &took), 56);
    assert_true(took >= 9000 && took < 12000); /* so long it may have been slow only */
    assert_true(store_stalled(w.store, &stall) && stall.full);
    assert_false(client_has_answer(&c));
    client_close(&c);
    client_close(&late);
    env_sim_process_kill(w.env);
    world_deinit(&w);
}

TEST(kafka_a_slow_store_lets_requests_wait)
{
    /* Whoever waits for a store that goes on is not refused, however long it takes. */
    struct world w;
    struct client c[8];
    world_init_ring(&w, 64 << 10);
    client_open(&w, &c[0]);
    world_create(&w, &c[0], "t", 1);
    for (size_t i = 1; i < ARRAY_LEN(c); i++) {
        client_open(&w, &c[i]);
    }
    env_sim_set_slow(w.env, 1, 9ull * 1000 * 1000 * 1000);
    struct wire_produce_request req;
    produce_fill(&w, &req, "t", 0, batch_of(&w, 400, 1000, -1, 0));
    req.timeout_ms = 100;
    for (int round = 0; round < 12; round++) {
        int32_t ids[8];
        for (size_t i = 0; i < ARRAY_LEN(c); i++) {
            ids[i] = client_send(&c[i], KEY_PRODUCE, 9, &req);
        }
        for (size_t i = 0; i < ARRAY_LEN(c); i++) {
            struct wire_produce_response res;
            client_receive(&c[i], KEY_PRODUCE, 9, ids[i], &res);
            assert_int_equal(res.responses[0].partition_responses[0].error_code, 0);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        client_close(&c[i]);
    }
    world_deinit(&w);
}

TEST(kafka_a_fetch_above_the_memory_of_reads_waits_instead_of_spinning)
{
    /* Replies that slow readers do not take hold all that reads may hold: a Fetch waits for as long
     * as it is ready to wait, then answers empty; with memory it gets its records. */
    struct world w;
    struct client c;
    struct wire_fetch_response res;
    world_init(&w);
    client_open(&w, &c);
    world_create(&w, &c, "t", 1);
    for (int i = 0; i < 3; i++) {
        produce(&c, "t", 0, batch_of(&w, 10, 1000, -1, 0));
    }
    store_checkpoint_request(w.store); /* so that the batches are in files only */
    turns(&w, 100);
    struct wire_fetch_request *fetch = fetch_of(&w, "t", 0, 0);
    fetch->max_wait_ms = 2000;
    w.store->read_bytes += STORE_READ_MEMORY_MAX + 1ull;
    uint64_t begun = env_mono_ns(w.env);
    call(&c, KEY_FETCH, 11, fetch, &res);
    assert_true(env_mono_ns(w.env) - begun >= 1999u * 1000 * 1000);
    assert_int_equal(res.responses[0].partitions[0].error_code, 0);
    assert_int_equal(res.responses[0].partitions[0].records.n, 0);
    w.store->read_bytes -= STORE_READ_MEMORY_MAX + 1ull;
    begun = env_mono_ns(w.env);
    call(&c, KEY_FETCH, 11, fetch, &res);
    assert_true(env_mono_ns(w.env) - begun < 1000u * 1000 * 1000);
    assert_true(res.responses[0].partitions[0].records.n > 0);
    client_close(&c);
    world_deinit(&w);
}
