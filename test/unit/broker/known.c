/*
 * Batches that the gate knows: they are in the log under another sequence. What that does to their
 * producer's sequence is durable before they are answered.
 */
#include "world.h"

struct known_gate {
    bool known; /* the next one */
};

static bool guards(void *ctx, struct str topic)
{
    (void)ctx;
    return str_eq_z(topic, "t");
}

static enum err check(void *ctx, struct broker_gate_item *item, struct ectx *ec)
{
    struct known_gate *g = ctx;
    if (!g->known) {
        return ERR_OK;
    }
    g->known = false;
    item->original_offset = 0;
    return ectx_fail(ec, ERR_DUPLICATE_SEQUENCE_NUMBER, "it is there");
}

static void sequenced(void *ctx, struct broker_gate_item *item, int64_t base_offset)
{
    (void)ctx;
    (void)item;
    (void)base_offset;
}

static void durable(void *ctx, struct broker_gate_item *item, uint64_t position)
{
    (void)ctx;
    (void)item;
    (void)position;
}

static void dropped(void *ctx, struct broker_gate_item *item)
{
    (void)ctx;
    (void)item;
}

static enum err change(void *ctx, struct str topic, const char *what, struct str setting,
                       struct ectx *ec)
{
    (void)ctx;
    (void)topic;
    (void)what;
    (void)setting;
    (void)ec;
    return ERR_OK;
}

static void gate_set(struct world *w, struct known_gate *g)
{
    const struct broker_gate gate = {g, guards, check, sequenced, durable, dropped, change};
    broker_gate_set(w->broker, &gate);
}

static void expect(struct world *w, int32_t sequence, enum err err, int64_t offset)
{
    int64_t at = -2;
    const struct send what = {7, 0, sequence, 1};
    enum err e = world_send(w, world_part(w, "t", 0), what, &at);
    if (e != err || (e == ERR_OK && at != offset)) {
        fail_msg("sequence %d: %s, offset %lld", sequence, err_name(e), (long long)at);
    }
}

/* Sequence 0 is stored, 1 is known, as 0 is. */
static void begin(struct world *w, struct known_gate *g)
{
    world_init(w);
    memset(g, 0, sizeof(*g));
    assert_int_equal(world_create(w, "t", 1), ERR_OK);
    gate_set(w, g);
    expect(w, 0, ERR_OK, 0);
    g->known = true;
}

TEST(broker_after_a_crash_a_known_batch_counts_for_its_producer)
{
    static const enum reopen how[] = {REOPEN_CLEAN, REOPEN_KILL, REOPEN_POWER_CUT};
    for (size_t i = 0; i < 2 * ARRAY_LEN(how); i++) {
        struct world w;
        struct known_gate g;
        begin(&w, &g);
        expect(&w, 1, ERR_OK, 0);
        if (i >= ARRAY_LEN(how)) {
            world_checkpoint(&w);
        }
        world_reopen(&w, how[i % ARRAY_LEN(how)]);
        gate_set(&w, &g);
        expect(&w, 1, ERR_OK, 0); /* the same answer, from the sequence */
        expect(&w, 3, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
        expect(&w, 2, ERR_OK, 1);
        expect(&w, 3, ERR_OK, 2);
        world_deinit(&w);
    }
}

/* The power goes at each operation: what was answered holds. */
TEST(broker_a_known_batch_is_answered_when_its_sequence_is_durable)
{
    int answered = 0;
    for (uint64_t n = 1; answered < 3 && n < 60; n++) {
        struct world w;
        struct known_gate g;
        struct sent s;
        begin(&w, &g);
        env_sim_cut_at(w.env, env_sim_ops(w.env) + n);
        world_send_start(&w, world_part(&w, "t", 0), (struct send){7, 0, 1, 1}, &s);
        for (int i = 0; i < 50 && !s.done; i++) {
            store_kick(w.store, true);
            env_poll_run(w.poll, 1000000);
        }
        const bool done = s.done && s.item.err == ERR_OK;
        world_reopen(&w, REOPEN_POWER_CUT);
        sent_free(&s);
        gate_set(&w, &g);
        if (!done) { /* it may be there, or not */
            g.known = true;
            expect(&w, 1, ERR_OK, 0);
        }
        g.known = false;
        expect(&w, 2, ERR_OK, 1);
        answered += done;
        world_deinit(&w);
    }
    assert_int_equal(answered, 3);
}
