/* Watches without memory: what cannot be told is told as a reset, or ends the watch by name; never
 * is a change left out. Each allocation fails once. */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "proj/feed.h"
#include "world.h"

struct told {
    struct world *w;
    struct proj_watching *watching;
    char after[PROJ_CHANGE_ID];
    size_t count[PROJ_CHANGE_FELL_BEHIND + 1];
    bool ended;
    enum err err;
};

static bool deliver(void *ctx, const struct proj_change *c)
{
    struct told *t = ctx;
    t->count[c->kind]++;
    return true;
}
static void closed(void *ctx, enum err e, const struct ectx *ec)
{
    struct told *t = ctx;
    (void)ec;
    t->ended = true;
    t->err = e;
    t->watching = NULL;
}

static enum err watch(struct told *t)
{
    const struct str columns[] = {STR_LIT("k"), STR_LIT("sum")};
    const struct proj_filter filters[] = {{STR_LIT("sum"), PROJ_GE, STR_LIT("0")}};
    const struct proj_watch call = {.view = STR_LIT("keys"),
                                    .columns = columns,
                                    .column_count = ARRAY_LEN(columns),
                                    .filters = filters,
                                    .filter_count = ARRAY_LEN(filters),
                                    .after = t->after[0] == 0 ? STR_NULL : str_of(t->after),
                                    .deliver = deliver,
                                    .closed = closed,
                                    .ctx = t};
    struct ectx ec = {0};
    enum err e = proj_watch(t->w->nodes[0].proj, &call, &t->watching, &ec);
    assert_int_equal(e == ERR_OK ? ERR_OK : ec.code, e);
    return e;
}

static struct projection *only(struct world *w)
{
    return CONTAINER_OF(w->nodes[0].proj->projections.next, struct projection, link);
}

/* A watch, and the feed that is made for the first one. */
static enum err begin_and_end(void *ctx)
{
    struct told *t = ctx;
    enum err e = watch(t);
    if (e == ERR_OK) {
        proj_unwatch(t->watching);
    }
    feed_free(only(t->w)->feed);
    return e;
}

static void begin(struct world *w, struct told *t)
{
    struct worst_config cfg;
    struct ectx ec;
    char text[2048];
    memset(t, 0, sizeof(*t));
    t->w = w;
    worst_config_good(&cfg, 1);
    world_init(w, 1, &cfg);
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
    assert_int_equal(world_command(w, PROJ_APPLY, world_definition(w, 1, text, sizeof(text)), &ec),
                     ERR_OK);
    world_say(w, 60, 0); /* of every key */
    world_until(w, world_settled, 60000);
}

TEST_WORLD(watch_that_cannot_begin_says_so_for_every_failing_allocation)
{
    struct world w;
    struct told t;
    begin(&w, &t);
    test_each_failing_alloc(begin_and_end, &t);
    assert_int_equal(w.nodes[0].proj->watch_count, 0);
    assert_int_equal(w.nodes[0].proj->feed_count, 0);
    world_deinit(&w);
}

/* Rows that wait to be told, to one that begins behind an id; what it was told must be all of them,
 * or a reset. */
TEST_WORLD(watch_leaves_out_no_row_for_a_failing_allocation)
{
    struct world w;
    struct told t;
    begin(&w, &t);
    assert_int_equal(watch(&t), ERR_OK);
    proj_watch_resume(t.watching);
    world_run(&w, 1000);
    (void)snprintf(t.after, sizeof(t.after), "%.*s",
                   STR(proj_watch_id(t.watching, (char[PROJ_CHANGE_ID]){0})));
    world_say(&w, 5, 0);
    world_until(&w, world_settled, 60000);
    world_run(&w, 1000);
    const size_t rows = t.count[PROJ_CHANGE_UPSERT];
    assert_in_range(rows, 1, 5);
    proj_unwatch(t.watching);
    size_t resets = 0;
    for (uint64_t n = 1, reached = 1; reached != 0; n++) {
        memset(t.count, 0, sizeof(t.count));
        assert_int_equal(watch(&t), ERR_OK);
        test_fail_alloc(n);
        proj_watch_resume(t.watching);
        reached = (uint64_t)test_fail_alloc_end();
        assert_false(t.ended);
        const size_t reset = t.count[PROJ_CHANGE_RESET];
        assert_int_equal(t.count[PROJ_CHANGE_UPSERT] + reset, rows);
        assert_int_equal(reset, reached);
        resets += reset;
        proj_unwatch(t.watching);
    }
    assert_true(resets >= rows);
    world_deinit(&w);
}

/* What a transaction changed: its key waits to be read, or a reset is told. */
TEST_WORLD(feed_forgets_no_key_for_a_failing_allocation)
{
    struct world w;
    struct told t;
    begin(&w, &t);
    assert_int_equal(watch(&t), ERR_OK);
    proj_watch_resume(t.watching);
    world_run(&w, 1000);
    struct projection *pr = only(&w);
    struct run *r = run_find(pr, 1);
    const struct mapping_value key = {.kind = MAPPING_TEXT, .text = STR_LIT("k1")};
    struct change change = {.table = 0, .position = 1, .index = 0, .key = &key};
    const struct changes changes = {.list = &change, .count = 1};
    size_t upserts = 0;
    for (uint64_t n = 1, reached = 1; reached != 0; n++) {
        memset(t.count, 0, sizeof(t.count));
        test_fail_alloc(n);
        feed_committed(pr, r, &changes);
        reached = (uint64_t)test_fail_alloc_end();
        world_run(&w, 2500); /* resets are not told more often than once a second */
        assert_int_equal(t.count[PROJ_CHANGE_UPSERT] + t.count[PROJ_CHANGE_RESET], 1);
        upserts += t.count[PROJ_CHANGE_UPSERT];
    }
    assert_true(upserts > 0);
    /* A reset itself is told as soon as there is memory for it. */
    memset(t.count, 0, sizeof(t.count));
    test_fail_alloc(1);
    feed_gap(pr, r);
    assert_true(test_fail_alloc_end());
    assert_int_equal(t.count[PROJ_CHANGE_RESET], 0);
    world_run(&w, 2500);
    assert_int_equal(t.count[PROJ_CHANGE_RESET], 1);
    /* A switch that cannot be told ends the watch: it would show rows of another version. */
    test_fail_alloc(1);
    feed_switched(pr);
    assert_true(test_fail_alloc_end());
    assert_true(t.ended);
    assert_int_equal(t.err, ERR_NO_MEMORY);
    world_deinit(&w);
}

static enum err read_once(void *ctx)
{
    struct feed *f = ctx;
    struct reading *r = &f->reading;
    feed_read_close(f);
    feed_read_run(&r->job);
    for (size_t i = 0; i < r->count; i++) {
        assert_true(r->made[i] != NULL || r->err != ERR_OK);
        mem_free(r->made[i]);
        r->made[i] = NULL;
    }
    return r->err;
}

/* The worker: a row that is there, and one that is gone. */
TEST_WORLD(feed_reads_rows_or_fails_for_every_failing_allocation)
{
    struct world w;
    struct told t;
    begin(&w, &t);
    assert_int_equal(watch(&t), ERR_OK);
    proj_watch_resume(t.watching);
    world_run(&w, 1000);
    struct projection *pr = only(&w);
    const struct mapping_value keys[] = {{.kind = MAPPING_TEXT, .text = STR_LIT("k1")},
                                         {.kind = MAPPING_TEXT, .text = STR_LIT("gone")}};
    struct change list[] = {{.table = 0, .position = 1, .key = &keys[0]},
                            {.table = 0, .position = 2, .key = &keys[1]}};
    const struct changes changes = {.list = list, .count = ARRAY_LEN(list)};
    feed_committed(pr, run_find(pr, 1), &changes); /* the job waits for the world's next step */
    assert_true(pr->feed->reading.busy);
    assert_int_equal(pr->feed->reading.count, 2);
    test_each_failing_alloc(read_once, pr->feed);
    memset(t.count, 0, sizeof(t.count));
    world_run(&w, 1000);
    assert_int_equal(t.count[PROJ_CHANGE_UPSERT], 1);
    assert_int_equal(t.count[PROJ_CHANGE_DELETE], 1);
    world_stop(&w, 0);
    world_deinit(&w);
}
