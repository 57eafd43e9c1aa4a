/* See world.h. */
#include "world.h"

#include "core/log.h"

static void on_advance(void *ctx, struct store_part *part)
{
    struct world *w = ctx;
    broker_on_advance(w->broker, part);
    engine_on_advance(w->engine);
}

static void on_ready(void *ctx)
{
    struct world *w = ctx;
    engine_on_ready(w->engine);
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    (void)ctx;
    (void)ec;
}

static void on_topic_gone(void *ctx, struct str topic)
{
    struct world *w = ctx;
    groups_topic_deleted(w->groups, topic);
}

static void boot(struct world *w)
{
    struct store_config cfg;
    struct store_participant participants[3];
    struct ectx ec = {0};
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    config_init(&w->config, CONFIG_SCOPE_BROKER);
    w->metrics = metrics_create();
    assert_int_equal(broker_create(w->env, &w->config, w->metrics, &w->broker), ERR_OK);
    assert_int_equal(groups_create(w->env, &w->config, w->metrics, &w->groups), ERR_OK);
    store_config_init(&cfg);
    cfg.dir = "/data";
    cfg.ring_file_bytes = 1 << 20;
    cfg.ring_file_count = 4;
    cfg.min_free_bytes = 64 << 10;
    cfg.inline_max_bytes = w->inline_max_bytes > 0 ? w->inline_max_bytes : cfg.inline_max_bytes;
    broker_participants(w->broker, participants);
    participants[2] = groups_participant(w->groups);
    enum err e = store_open(w->env, w->poll, &cfg, participants, 3, &w->store, &ec);
    if (e != ERR_OK) {
        fail_msg("store_open: %s %s", err_name(e), ec.text);
    }
    broker_attach(w->broker, w->store);
    groups_attach(w->groups, w->store);
    broker_on_topic_gone(w->broker, on_topic_gone, w);
    assert_int_equal(
        engine_embedded_create(w->env, w->poll, w->store, w->broker, w->groups, &w->engine),
        ERR_OK);
    const struct store_hooks hooks = {w, on_advance, on_ready, on_failure};
    store_set_hooks(w->store, &hooks);
}

static void halt(struct world *w)
{
    groups_stop(w->groups);
    store_close(w->store);
    engine_destroy(w->engine);
    groups_destroy(w->groups);
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
    arena_init(&w->arena, 64 << 20);
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
        const size_t calls = env_poll_run(w->poll, 0);
        (void)groups_tick(w->groups, env_mono_ns(w->env));
        (void)engine_tick(w->engine, env_mono_ns(w->env));
        if (calls == 0 && env_job_pending(w->poll) == 0) {
            store_kick(w->store, true);
            if (env_poll_run(w->poll, 0) == 0 && env_job_pending(w->poll) == 0) {
                return;
            }
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

/* ---- Topics --------------------------------------------------------------------------------- */

static void on_ensured(struct engine_ensure *t)
{
    *(int *)t->ctx += 1;
}

enum err world_topic(struct world *w, const char *name, int32_t partitions)
{
    int done = 0;
    struct engine_ensure t = {
        .name = str_of(name), .partitions = partitions, .done = on_ensured, .ctx = &done};
    engine_topic_ensure(w->engine, &t);
    world_settle(w);
    assert_int_equal(done, 1);
    w->ec = t.ec;
    return t.err;
}

void world_done(void *ctx, enum err e, const struct ectx *ec)
{
    struct world *w = ctx;
    w->err = e;
    w->ec = *ec;
}

enum err world_set(struct world *w, const char *topic, const char *name, const char *value)
{
    const struct broker_alter op = {BROKER_SET, str_of(name), str_of(value)};
    broker_topic_alter(w->broker, broker_topic(w->broker, str_of(topic)), &op, 1, false, world_done,
                       w);
    world_settle(w);
    return w->err;
}

enum err world_topic_delete(struct world *w, const char *name)
{
    broker_topic_delete(w->broker, broker_topic(w->broker, str_of(name)), world_done, w);
    world_settle(w);
    return w->err;
}

enum err world_topic_grow(struct world *w, const char *name, int32_t partitions)
{
    broker_topic_add_partitions(w->broker, broker_topic(w->broker, str_of(name)), partitions, false,
                                world_done, w);
    world_settle(w);
    return w->err;
}

/* ---- Appends and reads ---------------------------------------------------------------------- */

static void on_appended(struct engine_append *a)
{
    struct appended *out = a->ctx;
    out->done++;
}

void world_append(struct world *w, struct appended *out)
{
    out->done = 0;
    out->a.done = on_appended;
    out->a.ctx = out;
    engine_append(w->engine, &out->a);
}

int64_t world_put(struct world *w, const char *topic, int32_t partition, const char *value)
{
    const struct engine_record record = {
        .key = STR_LIT("k"), .value = str_of(value), .timestamp_ms = -1};
    struct engine_part part = {
        .topic = str_of(topic), .partition = partition, .records = &record, .count = 1};
    struct appended out = {.a = {.parts = &part, .part_count = 1}};
    world_append(w, &out);
    world_settle(w);
    assert_int_equal(out.done, 1);
    w->err = out.a.err;
    w->ec = out.a.ec;
    return out.a.err == ERR_OK ? part.base_offset : -1;
}

static void on_read(struct engine_read *r)
{
    struct reading *out = r->ctx;
    out->done++;
}

void world_read(struct world *w, struct reading *out, const char *topic, int64_t offset,
                uint64_t wait_ns)
{
    memset(out, 0, sizeof(*out));
    arena_init(&out->arena, 1 << 20);
    out->r = (struct engine_read){.topic = str_of(topic),
                                  .offset = offset,
                                  .max_bytes = 1 << 20,
                                  .wait_ns = wait_ns,
                                  .arena = &out->arena,
                                  .done = on_read,
                                  .ctx = out};
    engine_read(w->engine, &out->r);
}

void reading_free(struct world *w, struct reading *r)
{
    if (r->done == 0) {
        engine_read_cancel(w->engine, &r->r);
    } else if (r->r.err == ERR_OK) {
        engine_read_release(w->engine, &r->r);
    }
    arena_deinit(&r->arena);
}

struct str reading_values(struct world *w, const struct reading *r)
{
    struct buf out;
    struct record_scratch scratch;
    buf_init(&out, 1 << 20);
    record_scratch_init(&scratch, 1 << 20);
    for (size_t i = 0; i < r->r.batch_count; i++) {
        struct batch_header h;
        struct record_iter it;
        struct record record;
        const uint8_t *p = (const uint8_t *)r->r.batches[i].bytes.p;
        assert_int_equal(batch_header_parse(p, r->r.batches[i].bytes.n, &h, NULL), ERR_OK);
        assert_int_equal(batch_verify_crc(p, &h, NULL), ERR_OK);
        assert_int_equal(record_iter_init(&it, &h, p, &scratch, 1 << 20, NULL), ERR_OK);
        while (record_next(&it, &record)) {
            if (record.offset >= r->r.offset) {
                buf_put_z(&out, out.n > 0 ? "," : "");
                buf_put_str(&out, record.value);
            }
        }
        assert_int_equal(record_iter_end(&it, NULL), ERR_OK);
    }
    const struct str s = arena_str(&w->arena, out.n == 0 ? STR_LIT("") : buf_str(&out));
    buf_deinit(&out);
    record_scratch_deinit(&scratch);
    return s;
}

struct str world_get(struct world *w, const char *topic, int32_t partition, int64_t offset)
{
    struct reading r;
    memset(&r, 0, sizeof(r));
    arena_init(&r.arena, 1 << 20);
    r.r = (struct engine_read){.topic = str_of(topic),
                               .partition = partition,
                               .offset = offset,
                               .max_bytes = 1 << 20,
                               .arena = &r.arena,
                               .done = on_read,
                               .ctx = &r};
    engine_read(w->engine, &r.r);
    world_settle(w);
    assert_int_equal(r.done, 1);
    w->err = r.r.err;
    w->ec = r.r.ec;
    const struct str s = r.r.err == ERR_OK ? reading_values(w, &r) : STR_NULL;
    reading_free(w, &r);
    return s;
}

static void on_sought(struct engine_seek *s)
{
    *(int *)s->ctx += 1;
}

static int64_t seek(struct world *w, struct engine_seek *s)
{
    int done = 0;
    s->done = on_sought;
    s->ctx = &done;
    engine_seek(w->engine, s);
    world_settle(w);
    assert_int_equal(done, 1);
    w->err = s->err;
    w->ec = s->ec;
    return s->err == ERR_OK ? s->offset : -1;
}

int64_t world_seek(struct world *w, const char *topic, uint64_t position)
{
    struct engine_seek s = {
        .topic = str_of(topic), .by = ENGINE_SEEK_POSITION, .position = position};
    return seek(w, &s);
}

int64_t world_seek_time(struct world *w, const char *topic, int64_t timestamp_ms)
{
    struct engine_seek s = {
        .topic = str_of(topic), .by = ENGINE_SEEK_TIME, .timestamp_ms = timestamp_ms};
    return seek(w, &s);
}

/* ---- Producing ------------------------------------------------------------------------------ */

static void on_produced(struct broker_produce *p)
{
    struct produced *out = p->ctx;
    out->done++;
}

void world_produce(struct world *w, struct produced *out, const char *topic, int32_t partition,
                   const char *value)
{
    world_produce_as(w, out, topic, partition, value, -1, -1);
}

void world_produce_as(struct world *w, struct produced *out, const char *topic, int32_t partition,
                      const char *value, int64_t producer, int32_t sequence)
{
    struct batch_builder b;
    struct batch_spec spec;
    memset(out, 0, sizeof(*out));
    batch_builder_init(&b, 1 << 20);
    batch_spec_init(&spec);
    if (producer >= 0) {
        spec.producer_id = producer;
        spec.producer_epoch = 0;
        spec.base_sequence = sequence;
    }
    buf_init(&out->bytes, 1 << 20);
    assert_int_equal(
        batch_builder_append(&b, env_wall_ms(w->env), STR_LIT("k"), str_of(value), NULL, 0),
        ERR_OK);
    assert_int_equal(batch_builder_finish(&b, &spec, NULL, &out->bytes, NULL), ERR_OK);
    batch_builder_deinit(&b);
    arena_init(&out->arena, 1 << 20);
    out->item = (struct broker_produce_item){
        .partition = broker_partition(broker_topic(w->broker, str_of(topic)), partition),
        .bytes = out->bytes.p,
        .size = out->bytes.n};
    assert_non_null(out->item.partition);
    out->produce = (struct broker_produce){.api_version = 9,
                                           .items = &out->item,
                                           .item_count = 1,
                                           .arena = &out->arena,
                                           .done = on_produced,
                                           .ctx = out};
    broker_produce(w->broker, &out->produce);
}

void produced_free(struct produced *p)
{
    arena_deinit(&p->arena);
    buf_deinit(&p->bytes);
}

/* ---- Groups --------------------------------------------------------------------------------- */

struct asked {
    struct groups_ticket ticket;
    enum err err;
    int done;
};

static void on_answer(struct groups_ticket *t, const struct groups_answer *a)
{
    struct asked *x = CONTAINER_OF(t, struct asked, ticket);
    x->err = a->err;
    x->done++;
}

static enum err answer(struct world *w, struct asked *x)
{
    world_settle(w);
    assert_int_equal(x->done, 1);
    return x->err;
}

enum err world_commit(struct world *w, const char *group, const char *topic, int32_t partition,
                      int64_t offset)
{
    struct asked x = {.ticket = {.done = on_answer}};
    struct groups_commit_item item = {.topic = str_of(topic),
                                      .topic_id = broker_topic(w->broker, str_of(topic))->id,
                                      .partition = partition,
                                      .offset = {offset, -1, STR_LIT("")}};
    struct groups_commit c = {.group_id = str_of(group),
                              .member_id = STR_LIT(""),
                              .generation = -1,
                              .retention_ms = -1,
                              .items = &item,
                              .count = 1};
    groups_commit(w->groups, &c, &x.ticket);
    return answer(w, &x);
}

enum err world_group_delete(struct world *w, const char *group)
{
    struct asked x = {.ticket = {.done = on_answer}};
    groups_delete(w->groups, str_of(group), &x.ticket);
    return answer(w, &x);
}

enum err world_group_join(struct world *w, const char *group)
{
    struct asked x = {.ticket = {.done = on_answer}};
    const struct groups_protocol protocol = {STR_LIT("range"), STR_LIT("")};
    const struct groups_join j = {.group_id = str_of(group),
                                  .member_id = STR_LIT(""),
                                  .client_id = STR_LIT("c"),
                                  .client_host = STR_LIT("h"),
                                  .protocol_type = STR_LIT("consumer"),
                                  .protocols = &protocol,
                                  .protocol_count = 1,
                                  .session_timeout_ms = 10000,
                                  .rebalance_timeout_ms = 10000};
    groups_join(w->groups, &j, &x.ticket);
    return answer(w, &x);
}

static void on_assigned(void *ctx, struct str topic, int32_t partition, int64_t committed,
                        uint64_t epoch)
{
    (void)ctx;
    (void)topic;
    (void)partition;
    (void)committed;
    (void)epoch;
}

static void on_revoked(void *ctx, struct str topic, int32_t partition)
{
    (void)ctx;
    (void)topic;
    (void)partition;
}

struct engine_member *world_join(struct world *w, const char *group, const char *topic)
{
    const struct str topics[] = {str_of(topic)};
    const struct engine_member_spec spec = {.group = str_of(group),
                                            .topics = topics,
                                            .topic_count = 1,
                                            .ctx = w,
                                            .assigned = on_assigned,
                                            .revoked = on_revoked};
    struct engine_member *member = NULL;
    assert_int_equal(engine_join(w->engine, &spec, &member, &w->ec), ERR_OK);
    world_settle(w);
    return member;
}

static int none(void *ctx, size_t size)
{
    (void)ctx;
    (void)size;
    return 1;
}

void test_fail_all_allocs(bool on)
{
    mem_set_fail_hook(on ? none : NULL, NULL);
}
