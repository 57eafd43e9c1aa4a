/* The gate as the engine offers it: what is told in which order, and that a retry is never lost. */
#include "world.h"

struct gate {
    struct world *w;
    bool hold_once; /* the next check wants to read, and has read at once */
    bool refuse;
    bool known; /* the next batch is there already, at offset 0 */
    char told[256];
};

static void tell(struct gate *g, const char *what)
{
    const size_t n = strlen(g->told);
    (void)snprintf(g->told + n, sizeof(g->told) - n, "%s ", what);
}

static bool guards(void *ctx, struct str topic)
{
    (void)ctx;
    return str_eq_z(topic, "a");
}

static enum err check(void *ctx, struct engine_gate_item *item, struct ectx *ec)
{
    struct gate *g = ctx;
    tell(g, "check");
    assert_true(str_eq_z(item->topic, "a"));
    assert_int_equal(item->partition, 1);
    if (g->hold_once) {
        g->hold_once = false;
        engine_gate_retry(g->w->engine);
        return ERR_AGAIN;
    }
    if (g->refuse) {
        item->record_errors = arena_alloc(item->arena, sizeof(*item->record_errors));
        item->record_errors[0].index = 0;
        item->record_errors[0].message = STR_LIT("no");
        item->record_error_count = 1;
        item->error = STR_LIT("not at all");
        return ectx_fail(ec, ERR_INVALID_RECORD, "hidden");
    }
    if (g->known) {
        g->known = false;
        item->original_offset = 0;
        return ectx_fail(ec, ERR_DUPLICATE_SEQUENCE_NUMBER, "hidden");
    }
    item->internal = g;
    return ERR_OK;
}

static void sequenced(void *ctx, struct engine_gate_item *item, int64_t base_offset)
{
    struct gate *g = ctx;
    assert_ptr_equal(item->internal, g);
    assert_int_equal(base_offset, 0);
    tell(g, "sequenced");
}

static void durable(void *ctx, struct engine_gate_item *item, uint64_t position)
{
    struct gate *g = ctx;
    assert_ptr_equal(item->internal, g);
    assert_int_equal(position, engine_position(g->w->engine));
    tell(g, "durable");
}

static void dropped(void *ctx, struct engine_gate_item *item)
{
    (void)item;
    tell(ctx, "dropped");
}

static enum err change(void *ctx, struct str topic, const char *what, struct str setting,
                       struct ectx *ec)
{
    (void)ctx;
    (void)setting;
    return ectx_fail(ec, ERR_PERMISSION, "'%.*s': no %s", STR(topic), what);
}

static void begin(struct world *w, struct gate *g)
{
    world_init(w);
    memset(g, 0, sizeof(*g));
    g->w = w;
    assert_int_equal(world_topic(w, "a", 2), ERR_OK);
    assert_int_equal(world_topic(w, "b", 2), ERR_OK);
    const struct engine_gate gate = {g, guards, check, sequenced, durable, dropped, change};
    assert_int_equal(engine_require(w->engine, ENGINE_GATE, "a test", NULL), ERR_OK);
    engine_gate_set(w->engine, &gate);
}

TEST(the_gate_is_told_what_becomes_of_a_batch)
{
    /* Promise: check, sequenced, durable in this order, with what the gate has kept in the item; a
     * retry asked for within the check itself is not lost. */
    struct world w;
    struct gate g;
    begin(&w, &g);
    struct produced p;
    world_produce(&w, &p, "b", 1, "x");
    world_settle(&w);
    assert_int_equal(p.item.err, ERR_OK);
    assert_string_equal(g.told, "");
    produced_free(&p);
    g.hold_once = true;
    world_produce(&w, &p, "a", 1, "x");
    assert_string_equal(g.told, "check ");
    assert_int_equal(p.done, 0);
    world_settle(&w);
    assert_int_equal(p.done, 1);
    assert_int_equal(p.item.err, ERR_OK);
    assert_string_equal(g.told, "check check sequenced durable ");
    produced_free(&p);
    /* What the server appends itself is not shown to it. */
    assert_int_equal(world_put(&w, "a", 1, "own"), 1);
    assert_string_equal(g.told, "check check sequenced durable ");
    world_deinit(&w);
}

static void produce_as(struct gate *g, int32_t sequence, enum err err, int64_t base_offset)
{
    struct produced p;
    world_produce_as(g->w, &p, "a", 1, "x", 7, sequence);
    world_settle(g->w);
    assert_int_equal(p.done, 1);
    assert_int_equal(p.item.err, err);
    assert_int_equal(p.item.base_offset, base_offset);
    produced_free(&p);
}

TEST(a_batch_that_the_gate_knows_is_answered_as_stored)
{
    /* Promise: the producer is told the offset of the original, nothing is appended, and its next
     * batch has the sequence after it: no producer must begin anew for a repetition. */
    struct world w;
    struct gate g;
    begin(&w, &g);
    produce_as(&g, 0, ERR_OK, 0);
    g.known = true;
    produce_as(&g, 1, ERR_OK, 0);
    assert_string_equal(g.told, "check sequenced durable check ");
    produce_as(&g, 1, ERR_OK, 0); /* the sequence is known now, too */
    assert_int_equal(world_put(&w, "a", 1, "own"), 1);
    produce_as(&g, 3, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    g.known = true;
    struct produced p;
    world_produce(&w, &p, "a", 1, "x"); /* without a producer */
    world_settle(&w);
    assert_int_equal(p.item.err, ERR_OK);
    assert_int_equal(p.item.base_offset, 0);
    produced_free(&p);
    assert_int_equal(world_put(&w, "a", 1, "own"), 2);
    world_deinit(&w);
}

TEST(the_gates_refusal_reaches_the_client)
{
    /* Promise: error, message and the records at fault, and nothing is appended. */
    struct world w;
    struct gate g;
    struct produced p;
    begin(&w, &g);
    g.refuse = true;
    world_produce(&w, &p, "a", 1, "x");
    world_settle(&w);
    assert_int_equal(p.item.err, ERR_INVALID_RECORD);
    assert_true(str_eq_z(p.item.error_message, "not at all"));
    assert_int_equal(p.item.record_error_count, 1);
    assert_true(str_eq_z(p.item.record_errors[0].message, "no"));
    produced_free(&p);
    struct ectx ec = {0};
    assert_int_equal(broker_client_may(w.broker, STR_LIT("a"), "delete", STR_NULL, &ec),
                     ERR_POLICY_VIOLATION);
    assert_string_equal(ec.text, "'a': no delete");
    assert_int_equal(broker_client_may(w.broker, STR_LIT("b"), "delete", STR_NULL, &ec), ERR_OK);
    /* Without a gate everything passes. */
    engine_gate_set(w.engine, NULL);
    assert_int_equal(broker_client_may(w.broker, STR_LIT("a"), "delete", STR_NULL, &ec), ERR_OK);
    world_produce(&w, &p, "a", 1, "x");
    world_settle(&w);
    assert_int_equal(p.item.err, ERR_OK);
    assert_int_equal(p.item.base_offset, 0);
    produced_free(&p);
    world_deinit(&w);
}
