/* See world.h. */
#include "world.h"

#include "core/log.h"

static void on_advance(void *ctx, struct store_part *part)
{
    struct world *w = ctx;
    broker_on_advance(w->broker, part);
}

static void on_ready(void *ctx)
{
    (void)ctx;
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    (void)ctx;
    (void)ec;
}

static void boot(struct world *w)
{
    struct store_config cfg;
    struct store_participant participants[2];
    struct ectx ec = {0};
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    config_init(&w->config, CONFIG_SCOPE_BROKER);
    w->metrics = metrics_create();
    assert_int_equal(broker_create(w->env, &w->config, w->metrics, &w->broker), ERR_OK);
    store_config_init(&cfg);
    cfg.dir = "/data";
    cfg.ring_file_bytes = 1 << 20;
    cfg.ring_file_count = 4;
    cfg.min_free_bytes = 64 << 10;
    broker_participants(w->broker, participants);
    enum err e = store_open(w->env, w->poll, &cfg, participants, 2, &w->store, &ec);
    if (e != ERR_OK) {
        fail_msg("store_open: %s %s", err_name(e), ec.text);
    }
    const struct store_hooks hooks = {w, on_advance, on_ready, on_failure};
    store_set_hooks(w->store, &hooks);
    broker_attach(w->broker, w->store);
}

static void halt(struct world *w)
{
    store_close(w->store);
    broker_destroy(w->broker);
    metrics_destroy(w->metrics);
    config_deinit(&w->config);
    env_poll_destroy(w->poll);
    w->store = NULL;
}

void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    const struct env_sim_config sim = {.seed = 11, .write_ns = 1000, .sync_ns = 100000};
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    arena_init(&w->arena, 16 << 20);
    boot(w);
}

void world_deinit(struct world *w)
{
    halt(w);
    arena_deinit(&w->arena);
    env_destroy(w->env);
}

void world_reopen(struct world *w, enum reopen how)
{
    if (how != REOPEN_CLEAN) { /* before the store is closed, or that would be a clean stop */
        env_sim_cut_at(w->env, env_sim_ops(w->env) + 1);
    }
    halt(w);
    if (how == REOPEN_KILL) {
        env_sim_process_kill(w->env);
    } else if (how == REOPEN_POWER_CUT) {
        env_sim_power_cut(w->env, 5);
    }
    boot(w);
}

void world_settle(struct world *w)
{
    for (int i = 0; i < 10000; i++) {
        store_kick(w->store, true);
        if (env_poll_run(w->poll, 0) == 0 && env_job_pending(w->poll) == 0) {
            return;
        }
    }
    fail_msg("does not settle");
}

void world_checkpoint(struct world *w)
{
    struct store_stats before;
    struct store_stats after;
    store_stats_get(w->store, &before);
    store_checkpoint_request(w->store);
    for (int i = 0; i < 100; i++) {
        store_tick(w->store);
        world_settle(w);
        store_stats_get(w->store, &after);
        if (after.checkpoints > before.checkpoints) {
            return;
        }
        env_sim_advance_ns(w->env, 1000000000);
    }
    fail_msg("no checkpoint");
}

void world_done(void *ctx, enum err e, const struct ectx *ec)
{
    struct world *w = ctx;
    w->err = e;
    w->ec = *ec;
    w->ended++;
}

static enum err finish(struct world *w, int before)
{
    world_settle(w);
    assert_int_equal(w->ended, before + 1);
    return w->err;
}

enum err world_create(struct world *w, const char *name, int32_t partitions)
{
    struct broker_topic_spec spec = {
        .name = str_of(name), .partitions = partitions, .replication_factor = -1};
    int before = w->ended;
    broker_topic_create(w->broker, &spec, false, world_done, w);
    return finish(w, before);
}

enum err world_delete(struct world *w, const char *name)
{
    int before = w->ended;
    broker_topic_delete(w->broker, broker_topic(w->broker, str_of(name)), world_done, w);
    return finish(w, before);
}

enum err world_set(struct world *w, const char *topic, const char *key, const char *value)
{
    struct broker_alter op = {value == NULL ? BROKER_DELETE : BROKER_SET, str_of(key),
                              str_of(value)};
    int before = w->ended;
    broker_topic_alter(w->broker, broker_topic(w->broker, str_of(topic)), &op, 1, false, world_done,
                       w);
    return finish(w, before);
}

struct partition *world_part(struct world *w, const char *topic, int32_t index)
{
    struct partition *p = broker_partition(broker_topic(w->broker, str_of(topic)), index);
    assert_non_null(p);
    return p;
}

static void on_produced(struct broker_produce *p)
{
    struct sent *s = p->ctx;
    s->done = true;
}

void world_send_start(struct world *w, struct partition *p, struct send what, struct sent *out)
{
    struct batch_builder b;
    struct batch_spec spec;
    struct record_scratch scratch;
    memset(out, 0, sizeof(*out));
    batch_builder_init(&b, 1 << 20);
    batch_spec_init(&spec);
    record_scratch_init(&scratch, 1 << 20);
    buf_init(&out->bytes, 1 << 20);
    for (int32_t i = 0; i < what.count; i++) {
        assert_int_equal(
            batch_builder_append(&b, env_wall_ms(w->env), STR_LIT("k"), STR_LIT("v"), NULL, 0),
            ERR_OK);
    }
    if (what.pid >= 0) {
        spec.producer_id = what.pid;
        spec.producer_epoch = what.epoch;
        spec.base_sequence = what.sequence;
    }
    assert_int_equal(batch_builder_finish(&b, &spec, &scratch, &out->bytes, NULL), ERR_OK);
    record_scratch_deinit(&scratch);
    batch_builder_deinit(&b);
    arena_init(&out->arena, 1 << 20);
    out->item =
        (struct broker_produce_item){.partition = p, .bytes = out->bytes.p, .size = out->bytes.n};
    out->produce = (struct broker_produce){.api_version = 9,
                                           .items = &out->item,
                                           .item_count = 1,
                                           .arena = &out->arena,
                                           .done = on_produced,
                                           .ctx = out};
    broker_produce(w->broker, &out->produce);
}

void sent_free(struct sent *s)
{
    arena_deinit(&s->arena);
    buf_deinit(&s->bytes);
}

enum err world_send(struct world *w, struct partition *p, struct send what, int64_t *offset)
{
    struct sent s;
    world_send_start(w, p, what, &s);
    world_settle(w);
    assert_true(s.done);
    if (offset != NULL) {
        *offset = s.item.base_offset;
    }
    enum err e = s.item.err;
    sent_free(&s);
    return e;
}
