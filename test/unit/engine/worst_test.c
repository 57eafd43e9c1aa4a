/*
 * The engine of the tests is as bad as it says (each kind of harm is met), and keeps what engine.h
 * promises all the same: an append is all or nothing, a fenced or aborted one shows nothing, order
 * within a partition, one owner whose appends count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/worst.h"
#include "env/env_sim.h"
#include "record/record.h"
#include "test.h"

enum { PARTS = 3 };

struct member {
    struct world *w;
    struct engine *engine;
    struct engine_member *m;
    bool mine[PARTS];
    uint64_t epoch[PARTS];
    int64_t next[PARTS];
    uint64_t assigned, revoked;
    struct op *op[PARTS];
};
struct world {
    struct env *env;
    struct env_poll *poll;
    struct worst_log *log;
    struct list ops; /* that are open */
    struct member members[2];
    uint64_t epoch[PARTS];
    uint64_t sent, outcome[ERR_COUNT], lag_seen;
    int64_t expected[PARTS]; /* last number whose append was acknowledged, +1 */
};

struct op {
    struct list link;
    struct member *m;
    int32_t n;
    int64_t number;
    char value[32];
    struct engine_record record;
    struct engine_part parts[2];
    struct engine_input input;
    struct engine_append append;
    bool orphan; /* the partition was taken away meanwhile */
};

static void world_init(struct world *w, uint64_t seed, bool bad)
{
    memset(w, 0, sizeof(*w));
    list_init(&w->ops);
    const struct env_sim_config sim = {.seed = seed};
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    struct worst_config cfg;
    bad ? worst_config_bad(&cfg, seed) : worst_config_good(&cfg, seed);
    w->log = worst_log_create(w->env, &cfg);
    worst_topic_make(w->log, "in", PARTS);
    worst_topic_make(w->log, "out", PARTS);
    worst_topic_make(w->log, "also", PARTS);
}

static void world_deinit(struct world *w)
{
    LIST_FOR_EACH (l, tmp, &w->ops) { /* of a killed process */
        free(CONTAINER_OF(l, struct op, link));
    }
    worst_log_destroy(w->log);
    env_poll_destroy(w->poll);
    env_destroy(w->env);
}

static void member_append(struct member *m, int32_t n);

static void append_done(struct engine_append *a)
{
    struct op *op = a->ctx;
    struct member *m = op->m;
    struct world *w = m->w;
    w->outcome[a->err]++;
    if (!op->orphan) {
        m->op[op->n] = NULL;
        if (a->err == ERR_OK) {
            m->next[op->n]++;
        }
        if (a->err == ERR_OK || a->err == ERR_ABORTED) {
            if (w->sent < 4000) {
                member_append(m, op->n);
            }
        }
    }
    list_remove(&op->link);
    free(op);
}

/* Number `next` goes to both topics, with the position after it. */
static void member_append(struct member *m, int32_t n)
{
    if (!m->mine[n] || m->op[n] != NULL) {
        return;
    }
    struct op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    *op = (struct op){.m = m, .n = n, .number = m->next[n]};
    (void)snprintf(op->value, sizeof(op->value), "%lld", (long long)op->number);
    op->record = (struct engine_record){.value = str_of(op->value), .timestamp_ms = -1};
    op->parts[0] = (struct engine_part){STR_LIT("out"), n, &op->record, 1, 0, 0};
    op->parts[1] = (struct engine_part){STR_LIT("also"), n, &op->record, 1, 0, 0};
    op->input = (struct engine_input){STR_LIT("in"), n, op->number + 1};
    op->append = (struct engine_append){.parts = op->parts,
                                        .part_count = 2,
                                        .member = m->m,
                                        .inputs = &op->input,
                                        .input_count = 1,
                                        .done = append_done,
                                        .ctx = op};
    list_push_back(&m->w->ops, &op->link);
    m->op[n] = op;
    m->w->sent++;
    engine_append(m->engine, &op->append);
}

static void assigned(void *ctx, struct str topic, int32_t n, int64_t committed, uint64_t epoch)
{
    struct member *m = ctx;
    assert_true(str_eq_z(topic, "in") && !m->mine[n]);
    assert_true(epoch > m->w->epoch[n]); /* grows with every assignment to anybody */
    m->w->epoch[n] = epoch;
    m->mine[n] = true;
    m->next[n] = committed == -1 ? 0 : committed;
    m->assigned++;
}

static void revoked(void *ctx, struct str topic, int32_t n)
{
    struct member *m = ctx;
    (void)topic;
    assert_true(m->mine[n]);
    m->mine[n] = false;
    m->revoked++;
    if (m->op[n] != NULL) {
        m->op[n]->orphan = true;
        m->op[n] = NULL;
    }
}

static void member_start(struct world *w, struct member *m)
{
    static const struct str topic = {"in", 2};
    const struct engine_member_spec spec = {.group = STR_LIT("g"),
                                            .topics = &topic,
                                            .topic_count = 1,
                                            .ctx = m,
                                            .assigned = assigned,
                                            .revoked = revoked};
    m->w = w;
    m->engine = worst_engine_create(w->log, w->poll);
    assert_int_equal(engine_join(m->engine, &spec, &m->m, NULL), ERR_OK);
}

static void kick(struct world *w)
{
    for (size_t i = 0; i < 2; i++) {
        for (int32_t n = 0; n < PARTS && w->sent < 4000; n++) {
            member_append(&w->members[i], n);
        }
    }
}

struct check {
    int64_t next;
};

static void in_order(void *ctx, const struct record *r)
{
    struct check *c = ctx;
    int64_t number = 0;
    assert_true(str_to_i64(r->value, &number));
    assert_int_equal(number, c->next);
    c->next++;
}

/* Everything visible: each number once, in order; in both topics once all is shown. */
static void check_outputs(struct world *w, bool settled)
{
    for (int32_t n = 0; n < PARTS; n++) {
        struct check out = {0}, also = {0};
        (void)worst_each(w->log, "out", n, in_order, &out);
        (void)worst_each(w->log, "also", n, in_order, &also);
        const int64_t committed = worst_committed(w->log, "g", "in", n);
        w->lag_seen += out.next != also.next;
        if (settled) {
            assert_int_equal(out.next, also.next);
            assert_int_equal(out.next, committed == -1 ? 0 : committed);
        }
    }
}

static void run(struct world *w, uint64_t ms)
{
    const uint64_t until = env_mono_ns(w->env) + ms * 1000000;
    size_t steps = 0;
    while (worst_step(w->log, until)) {
        kick(w);
        if (++steps % 20 == 0) {
            check_outputs(w, false);
        }
    }
}

TEST(appends_are_all_or_nothing_and_everything_bad_happens)
{
    struct worst_stats sum = {0};
    uint64_t lag = 0, again = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world w;
        world_init(&w, seed, true);
        member_start(&w, &w.members[0]);
        member_start(&w, &w.members[1]);
        run(&w, 20000);
        w.sent = UINT64_MAX / 2; /* nothing new */
        run(&w, 20000);
        check_outputs(&w, true);
        const struct worst_stats *s = worst_log_stats(w.log);
        assert_true(s->committed > 100);
        sum.aborted += s->aborted;
        sum.fenced += s->fenced;
        sum.late += s->late;
        sum.rebalances += s->rebalances;
        sum.zombies += s->zombies;
        sum.gaps += s->gaps;
        again += w.outcome[ERR_AGAIN];
        lag += w.lag_seen;
        for (size_t i = 0; i < 2; i++) {
            engine_leave(w.members[i].engine, w.members[i].m);
            engine_destroy(w.members[i].engine);
        }
        world_deinit(&w);
    }
    assert_true(sum.aborted > 0 && sum.fenced > 0 && sum.late > 0 && sum.rebalances > 0);
    assert_true(sum.zombies > 0 && sum.gaps > 0 && again > 0 && lag > 0);
}

TEST(a_killed_process_leaves_appends_done_or_not_and_its_partitions_to_others)
{
    uint64_t done = 0, lost = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world w;
        world_init(&w, seed, true);
        member_start(&w, &w.members[0]);
        run(&w, 300 + seed * 7);
        struct op *open[PARTS];
        int64_t before[PARTS];
        for (int32_t n = 0; n < PARTS; n++) {
            open[n] = w.members[0].op[n];
            before[n] = w.members[0].next[n];
        }
        worst_kill(w.members[0].engine);
        memset(w.members[0].mine, 0, sizeof(w.members[0].mine));
        member_start(&w, &w.members[1]);
        w.sent = UINT64_MAX / 2;
        run(&w, 5000);
        check_outputs(&w, true);
        for (int32_t n = 0; n < PARTS; n++) {
            assert_true(w.members[1].mine[n]);
            if (open[n] != NULL) {
                done += w.members[1].next[n] == before[n] + 1;
                lost += w.members[1].next[n] == before[n];
            }
        }
        engine_leave(w.members[0].engine, w.members[0].m);
        engine_destroy(w.members[0].engine);
        engine_leave(w.members[1].engine, w.members[1].m);
        engine_destroy(w.members[1].engine);
        world_deinit(&w);
    }
    assert_true(done > 0 && lost > 0);
}

struct reader {
    struct engine *engine;
    struct engine_read read;
    struct arena arena;
    int64_t seen, failures, empty, within;
    bool calling, done;
};

static void read_done(struct engine_read *r)
{
    struct reader *rd = r->ctx;
    rd->done = true;
    rd->within += rd->calling;
    if (r->err != ERR_OK) {
        assert_int_equal(r->err, ERR_IO);
        rd->failures++;
        return;
    }
    rd->empty += r->batch_count == 0;
    for (size_t i = 0; i < r->batch_count; i++) {
        const uint8_t *bytes = (const uint8_t *)r->batches[i].bytes.p;
        struct batch_header h;
        struct record_iter it;
        struct record rec;
        assert_int_equal(batch_header_parse(bytes, r->batches[i].bytes.n, &h, NULL), ERR_OK);
        assert_int_equal(record_iter_init(&it, &h, bytes, NULL, SIZE_MAX, NULL), ERR_OK);
        while (record_next(&it, &rec)) {
            int64_t number = 0;
            if (rec.offset < r->offset) {
                continue;
            }
            assert_true(rec.offset < r->next_offset);
            assert_true(str_to_i64(rec.value, &number));
            assert_int_equal(number, rd->seen);
            rd->seen++;
        }
    }
    assert_true(r->next_offset >= r->offset && r->next_offset <= r->end_offset);
    r->offset = r->next_offset;
    engine_read_release(rd->engine, r);
}

TEST(reads_return_little_late_and_nothing_but_lose_nothing)
{
    struct world w;
    world_init(&w, 5, true);
    struct reader rd = {.engine = worst_engine_create(w.log, w.poll)};
    arena_init(&rd.arena, 1 << 20);
    rd.read = (struct engine_read){.topic = STR_LIT("in"),
                                   .max_bytes = 500,
                                   .wait_ns = 50000000,
                                   .arena = &rd.arena,
                                   .done = read_done,
                                   .ctx = &rd};
    char text[32];
    for (int i = 0; i < 500; i++) {
        const int n = snprintf(text, sizeof(text), "%d", i);
        (void)worst_produce(w.log, "in", 0, STR_NULL, str_make(text, (size_t)n), 5);
        if (i % 7 == 0) {
            worst_gap(w.log, "in", 0, 3);
        }
        rd.done = false;
        rd.calling = true;
        arena_reset(&rd.arena, 1 << 20);
        engine_read(rd.engine, &rd.read);
        rd.calling = false;
        while (!rd.done) {
            (void)worst_step(w.log, env_mono_ns(w.env) + 1000000000);
        }
    }
    for (int i = 0; i < 50; i++) {
        rd.done = false;
        engine_read(rd.engine, &rd.read);
        while (!rd.done) {
            (void)worst_step(w.log, env_mono_ns(w.env) + 1000000000);
        }
    }
    assert_int_equal(rd.seen, 500);
    assert_true(rd.failures > 0 && rd.empty > 0 && rd.within > 0);
    assert_true(worst_log_stats(w.log)->little > 0);
    /* Cancelled: not answered any more. */
    rd.done = false;
    engine_read(rd.engine, &rd.read);
    if (!rd.done) {
        engine_read_cancel(rd.engine, &rd.read);
        while (worst_step(w.log, env_mono_ns(w.env) + 1000000000)) {
        }
        assert_false(rd.done);
    }
    worst_trim(w.log, "in", 0, 100);
    int64_t start = 0, end = 0;
    assert_int_equal(engine_bounds(rd.engine, STR_LIT("in"), 0, &start, &end), ERR_OK);
    assert_int_equal(start, 100);
    assert_int_equal(engine_bounds(rd.engine, STR_LIT("none"), 0, &start, &end),
                     ERR_UNKNOWN_TOPIC_OR_PARTITION);
    arena_deinit(&rd.arena);
    engine_destroy(rd.engine);
    world_deinit(&w);
}

TEST(told_to_behave_it_behaves)
{
    struct world w;
    world_init(&w, 9, false);
    member_start(&w, &w.members[0]);
    run(&w, 200);
    w.sent = UINT64_MAX / 2;
    run(&w, 1000);
    check_outputs(&w, true);
    const struct worst_stats *s = worst_log_stats(w.log);
    assert_true(s->committed > 100);
    assert_int_equal(s->committed, s->appends);
    assert_int_equal(s->gaps + s->fenced + s->aborted + s->late, 0);
    assert_int_equal(engine_capabilities(w.members[0].engine), 0);
    struct ectx ec;
    assert_int_equal(engine_require(w.members[0].engine, ENGINE_GLOBAL_ORDER, "a test", &ec),
                     ERR_UNSUPPORTED_VERSION);
    assert_non_null(strstr(ec.text, "a test needs one order"));
    static const struct {
        unsigned capability;
        const char *what;
    } each[] = {{ENGINE_SEQUENCES, "a test needs an order that is made within the call"},
                {ENGINE_GATE, "a test needs a gate"},
                {ENGINE_REWRITE, "a test needs batches that can be replaced"}};
    for (size_t i = 0; i < ARRAY_LEN(each); i++) {
        assert_int_equal(engine_require(w.members[0].engine, each[i].capability, "a test", &ec),
                         ERR_UNSUPPORTED_VERSION);
        assert_non_null(strstr(ec.text, each[i].what));
        assert_non_null(strstr(ec.text, engine_name(w.members[0].engine)));
        assert_non_null(strstr(ec.hint, "Leat's own log"));
    }
    assert_int_equal(engine_require(w.members[0].engine, 0, "a test", &ec), ERR_OK);
    engine_leave(w.members[0].engine, w.members[0].m);
    engine_destroy(w.members[0].engine);
    world_deinit(&w);
}
