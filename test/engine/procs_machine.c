/*
 * See procs.h: Leat's own engine under the processor, on a simulated machine with a disk. A kill
 * ends the whole process, by turns with the power; the machine is up again at once, the processor
 * when procs_up is called.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"
#include "core/check.h"
#include "group/group.h"
#include "procs.h"
#include "record/record.h"
#include "store/store.h"
#include "worst_int.h"

struct procs_machine {
    struct procs *w;
    struct config config;
    struct metrics *metrics;
    struct store *store;
    struct broker *broker;
    struct groups *groups;
    struct engine *engine;
    uint64_t tick_at_ns;
};

static void on_advance(void *ctx, struct store_part *part)
{
    struct procs_machine *m = ctx;
    broker_on_advance(m->broker, part);
    engine_on_advance(m->engine);
}

static void on_ready(void *ctx)
{
    engine_on_ready(((struct procs_machine *)ctx)->engine);
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    (void)ctx;
    (void)ec;
}

static void boot(struct procs_machine *m)
{
    struct env *env = m->w->env;
    struct store_config cfg;
    struct store_participant participants[3];
    CHECK(env_poll_create(env, &m->w->poll, NULL) == ERR_OK);
    config_init(&m->config, CONFIG_SCOPE_BROKER);
    m->metrics = metrics_create();
    CHECK(m->metrics != NULL);
    CHECK(broker_create(env, &m->config, m->metrics, &m->broker) == ERR_OK);
    CHECK(groups_create(env, &m->config, m->metrics, &m->groups) == ERR_OK);
    store_config_init(&cfg);
    cfg.dir = "/data";
    cfg.ring_file_bytes = 1 << 20;
    cfg.ring_file_count = 4;
    cfg.min_free_bytes = 64 << 10;
    broker_participants(m->broker, participants);
    participants[2] = groups_participant(m->groups);
    CHECK(store_open(env, m->w->poll, &cfg, participants, 3, &m->store, NULL) == ERR_OK);
    broker_attach(m->broker, m->store);
    groups_attach(m->groups, m->store);
    CHECK(engine_embedded_create(env, m->w->poll, m->store, m->broker, m->groups, &m->engine) ==
          ERR_OK);
    const struct store_hooks hooks = {m, on_advance, on_ready, on_failure};
    store_set_hooks(m->store, &hooks);
}

/* Whoever uses the engine was stopped. */
static void halt(struct procs_machine *m)
{
    groups_stop(m->groups);
    store_close(m->store);
    engine_destroy(m->engine);
    groups_destroy(m->groups);
    broker_destroy(m->broker);
    metrics_destroy(m->metrics);
    config_deinit(&m->config);
    env_poll_destroy(m->w->poll);
}

void procs_machine_make(struct procs *w)
{
    w->machine = worst_alloc(sizeof(*w->machine));
    w->machine->w = w;
    boot(w->machine);
}

void procs_machine_free(struct procs *w)
{
    halt(w->machine);
    free(w->machine);
}

struct engine *procs_machine_engine(struct procs_machine *m)
{
    return m->engine;
}

void procs_machine_crash(struct procs_machine *m, bool power, uint64_t choice)
{
    struct env *env = m->w->env;
    power ? env_sim_power_cut(env, choice) : env_sim_process_kill(env);
    env_sim_cut_at(env, UINT64_MAX);
    halt(m);
    boot(m);
}

bool procs_machine_turn(struct procs_machine *m, uint64_t until_ns)
{
    struct env *env = m->w->env;
    const uint64_t now = env_mono_ns(env);
    store_kick(m->store, true);
    const size_t calls = env_poll_run(m->w->poll, 0);
    if (now >= m->tick_at_ns) {
        store_tick(m->store);
        m->tick_at_ns = now + 100000000;
    }
    (void)groups_tick(m->groups, now);
    (void)engine_tick(m->engine, now);
    if (env_sim_is_cut(env)) {
        return false;
    }
    if (calls == 0 && env_job_pending(m->w->poll) == 0) {
        store_kick(m->store, true);
        if (env_poll_run(m->w->poll, 0) == 0 && env_job_pending(m->w->poll) == 0) {
            const uint64_t to = now + 1000000 < until_ns ? now + 1000000 : until_ns;
            env_sim_advance_ns(env, to > now ? to - now : 0);
        }
    }
    return env_mono_ns(env) < until_ns;
}

static void wait_for(struct procs *w, const bool *done)
{
    for (int i = 0; i < 1000000 && !*done; i++) {
        (void)procs_step(w, env_mono_ns(w->env) + 1000000);
    }
    CHECK(*done);
}

/* ---- What others do ------------------------------------------------------------------------ */

static void ensured(struct engine_ensure *t)
{
    *(bool *)t->ctx = true;
}

void procs_machine_topic(struct procs *w, const char *name, int32_t partitions)
{
    bool done = false;
    struct engine_ensure t = {
        .name = str_of(name), .partitions = partitions, .done = ensured, .ctx = &done};
    engine_topic_ensure(w->machine->engine, &t);
    wait_for(w, &done);
    CHECK(t.err == ERR_OK);
}

static void appended(struct engine_append *a)
{
    *(bool *)a->ctx = true;
}

int64_t procs_machine_produce(struct procs *w, const char *topic, int32_t partition, struct str key,
                              struct str value, int64_t timestamp_ms)
{
    const struct engine_record r = {.key = key, .value = value, .timestamp_ms = timestamp_ms};
    for (;;) {
        bool done = false;
        struct engine_part part = {
            .topic = str_of(topic), .partition = partition, .records = &r, .count = 1};
        struct engine_append a = {.parts = &part, .part_count = 1, .done = appended, .ctx = &done};
        engine_append(w->machine->engine, &a);
        wait_for(w, &done);
        CHECK(a.err == ERR_OK || a.err == ERR_AGAIN);
        if (a.err == ERR_OK) {
            return part.base_offset;
        }
        (void)procs_step(w, env_mono_ns(w->env) + 1000000);
    }
}

static void read_end(struct engine_read *r)
{
    *(bool *)r->ctx = true;
}

static void walk(const struct engine_read *r, void (*fn)(void *ctx, const struct record *r),
                 void *ctx)
{
    struct record_scratch scratch;
    record_scratch_init(&scratch, 64 << 20);
    for (size_t i = 0; i < r->batch_count; i++) {
        const uint8_t *p = (const uint8_t *)r->batches[i].bytes.p;
        struct batch_header h;
        struct record_iter it;
        struct record rec;
        CHECK(batch_header_parse(p, r->batches[i].bytes.n, &h, NULL) == ERR_OK);
        CHECK(record_iter_init(&it, &h, p, &scratch, 64 << 20, NULL) == ERR_OK);
        while (record_next(&it, &rec)) {
            if (rec.offset >= r->offset) {
                fn(ctx, &rec);
            }
        }
    }
    record_scratch_deinit(&scratch);
}

void procs_machine_each(struct procs *w, const char *topic, int32_t partition,
                        void (*fn)(void *ctx, const struct record *r), void *ctx)
{
    struct engine *e = w->machine->engine;
    int64_t at, end;
    if (engine_bounds(e, str_of(topic), partition, &at, &end) != ERR_OK) {
        return;
    }
    while (at < end) {
        bool done = false;
        struct arena a;
        arena_init(&a, 4 << 20);
        struct engine_read r = {.topic = str_of(topic),
                                .partition = partition,
                                .offset = at,
                                .max_bytes = 1 << 20,
                                .arena = &a,
                                .done = read_end,
                                .ctx = &done};
        engine_read(e, &r);
        wait_for(w, &done);
        CHECK(r.err == ERR_OK);
        walk(&r, fn, ctx);
        at = r.next_offset;
        engine_read_release(e, &r);
        arena_deinit(&a);
    }
}
