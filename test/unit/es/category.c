/* Categories: made by themselves up to a limit, explicitly beyond; an index that is harmed. */
#include <stdio.h>
#include <stdlib.h>

#include "es_world.h"

struct creating {
    struct es_category_create call;
    bool ended;
};

static void create_done(struct es_category_create *c)
{
    ((struct creating *)c->ctx)->ended = true;
}

static enum es_problem create(struct es_world *w, const char *name, int32_t partitions,
                              bool *created)
{
    struct creating c = {.call = {.name = str_of(name), .partitions = partitions}};
    c.call.done = create_done;
    c.call.ctx = &c;
    es_category_create(w->es, &c.call);
    es_world_settle(w);
    assert_true(c.ended);
    *created = c.call.created;
    return c.call.problem;
}

static void set_option(struct es_world *w, const char *name, const char *value)
{
    assert_int_equal(config_set(&w->config, str_of(name), str_of(value), CONFIG_FROM_STATIC, NULL),
                     ERR_OK);
    es_world_restart(w, ES_WORLD_CLEAN);
}

TEST(categories_come_by_themselves_up_to_a_limit_and_explicitly_beyond)
{
    struct es_world w;
    bool created;
    es_world_init(&w, 1);
    set_option(&w, "leat.es.categories.auto.max", "2");
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    assert_string_equal(es_world_append(&w, "user-1", "any", "a"), "ok 0-0");
    assert_string_equal(es_world_append(&w, "cart-1", "any", "a"), "category-not-found");
    assert_int_equal(create(&w, "cart", 3, &created), ES_OK);
    assert_true(created);
    assert_int_equal(create(&w, "cart", 3, &created), ES_OK);
    assert_false(created);
    assert_string_equal(es_world_append(&w, "cart-1", "any", "a"), "ok 0-0");
    size_t count;
    struct es_category *all = es_categories(w.es, &w.arena, &count);
    assert_int_equal(count, 3);
    assert_true(str_eq_z(all[0].name, "cart") && str_eq_z(all[0].topic, "es.cart"));
    assert_int_equal(all[0].partitions, 3);
    assert_int_equal(all[0].events, 1);
    assert_int_equal(all[1].partitions, 8);
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_string_equal(es_world_append(&w, "cart-1", "0", "b"), "ok 1-1");
    es_world_deinit(&w);
}

static size_t category_count(struct es_world *w)
{
    size_t count = 0;
    assert_true(es_categories(w->es, &w->arena, &count) != NULL || count == 0);
    return count;
}

/* An append that is refused leaves nothing behind. */
TEST(what_is_refused_makes_no_category)
{
    struct es_world w;
    es_world_init(&w, 6);
    set_option(&w, "leat.es.categories.auto.max", "2");
    for (unsigned late = 0; late < 2; late++) {
        fake_engine_set_late(w.engine, late * 2);
        assert_string_equal(es_world_append(&w, "ghost-1", "5", "a"), "conflict none");
        assert_string_equal(es_world_append(&w, "ghost-1", "exists", "a"), "conflict none");
        struct es_shot *s = es_shot_make("ghost-1", NULL, "a");
        es_shot_check(s, "other-1", "exists");
        es_shot_go(&w, s);
        es_world_settle(&w);
        assert_string_equal(es_shot_said(s), "append-conflict");
        es_shot_free(s);
        /* Of three only two may come: then none does, and the third is at fault. */
        s = es_shot_make(NULL, NULL, NULL);
        es_shot_add(s, "one-1", "a", "1");
        es_shot_add(s, "two-1", "b", "1");
        es_shot_add(s, "two-2", "c", "1");
        es_shot_add(s, "three-1", "d", "1");
        es_shot_go(&w, s);
        es_world_settle(&w);
        assert_string_equal(es_shot_said(s), "category-not-found");
        assert_int_equal(s->a.culprit, 3);
        es_shot_free(s);
        assert_int_equal(category_count(&w), 0);
    }
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "a"), "ok 0-0");
    struct es_shot *s = es_shot_make("ghost-1", NULL, "g"); /* a query that is met */
    es_shot_query(s, "Happened", NULL, (struct es_position){0, 0});
    es_shot_go(&w, s);
    es_world_settle(&w);
    assert_string_equal(es_shot_said(s), "append-conflict");
    es_shot_free(s);
    assert_int_equal(category_count(&w), 1);
    /* Two that want the same one at once do not count it twice. */
    struct es_shot *both[2];
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        both[i] = es_shot_make("user-1", "any", i == 0 ? "a" : "b");
        es_shot_go(&w, both[i]);
    }
    es_world_settle(&w);
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        assert_true(both[i]->ended);
        assert_int_equal(both[i]->a.problem, ES_OK);
        es_shot_free(both[i]);
    }
    assert_int_equal(category_count(&w), 2);
    es_world_deinit(&w);
}

TEST(names_that_cannot_be_are_refused)
{
    static const char *const names[] = {"", "-1", "a b-1", "or/der-1", "\x01-1", "\xff"};
    char longest[ES_STREAM_NAME_MAX + 2];
    struct es_world w;
    bool created;
    es_world_init(&w, 2);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_string_equal(es_world_append(&w, names[i], "any", "a"), "invalid-request");
    }
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, "order-", 6);
    longest[ES_STREAM_NAME_MAX + 1] = 0;
    assert_string_equal(es_world_append(&w, longest, "any", "a"), "invalid-request");
    longest[ES_STREAM_NAME_MAX] = 0;
    assert_string_equal(es_world_append(&w, longest, "any", "a"), "ok 0-0");
    assert_string_equal(es_world_append(&w, "order-a-b c", "any", "a"), "ok 0-0");
    assert_string_equal(es_world_append(&w, "alone", "any", "a"), "ok 0-0");
    assert_int_equal(create(&w, "no-dash", -1, &created), ES_INVALID);
    assert_int_equal(create(&w, "many", 100000, &created), ES_INVALID);
    es_world_deinit(&w);
}

TEST(what_is_too_large_is_told_with_both_sizes)
{
    struct es_world w;
    es_world_init(&w, 3);
    set_option(&w, "leat.es.event.max.bytes", "2048");
    char *data = test_calloc(1, 3001);
    memset(data, 'x', 3000);
    struct es_shot *s = es_shot_make("order-1", NULL, "-");
    es_shot_add(s, "order-1", "-", data);
    es_shot_go(&w, s);
    assert_string_equal(es_shot_said(s), "event-too-large");
    assert_int_equal(s->a.culprit, 1);
    assert_non_null(strstr(s->a.ec.text, "3015 bytes"));
    assert_non_null(strstr(s->a.ec.text, "2048"));
    es_shot_free(s);
    set_option(&w, "leat.es.event.max.bytes", "1048576");
    s = es_shot_make("order-1", NULL, NULL);
    char *large = test_calloc(1, 600001);
    memset(large, 'x', 600000);
    es_shot_add(s, "order-1", "-", large);
    es_shot_add(s, "order-1", "-", large); /* together above the engine's 1 MiB */
    es_shot_go(&w, s);
    assert_string_equal(es_shot_said(s), "batch-too-large");
    assert_non_null(strstr(s->a.ec.text, "1048576"));
    es_shot_free(s);
    test_free(data);
    test_free(large);
    es_world_deinit(&w);
}

/* ---- The index is harmed while it serves ---- */

struct files {
    char names[64][64];
    size_t count;
};

static bool each_file(void *ctx, const char *name, bool is_dir)
{
    struct files *f = ctx;
    if (!is_dir && f->count < ARRAY_LEN(f->names)) {
        snprintf(f->names[f->count++], 64, "/index/%s", name);
    }
    return true;
}

/* One byte of each block of its files. */
static void harm(struct es_world *w)
{
    struct files files = {.count = 0};
    size_t harmed = 0;
    assert_int_equal(env_dir_list(w->env, "/index", each_file, &files, NULL), ERR_OK);
    for (size_t i = 0; i < files.count; i++) {
        uint64_t size;
        uint8_t *bytes = env_sim_file_bytes(w->env, files.names[i], &size);
        for (uint64_t at = 2000; bytes != NULL && at < size; at += 4096) {
            bytes[at] ^= 0x40;
            harmed++;
        }
    }
    assert_true(harmed > 0);
}

static void all_done(struct es_read_all *r)
{
    *(bool *)r->ctx = true;
}

/* How many events have the type of all that the tests append. */
static size_t of_their_type(struct es_world *w)
{
    struct str type = STR_LIT("Happened");
    bool done = false;
    struct es_read_all r = {.filter = {.types = &type, .type_count = 1},
                            .limit = 1000,
                            .limit_bytes = 1 << 20,
                            .scan_max = 1000,
                            .arena = &w->arena,
                            .done = all_done,
                            .ctx = &done};
    es_read_all(w->es, &r);
    es_world_settle(w);
    assert_true(done);
    assert_int_equal(r.problem, ES_OK);
    assert_false(r.more);
    const size_t count = r.event_count;
    es_read_all_release(w->es, &r);
    return count;
}

TEST(an_index_that_is_harmed_is_made_anew_from_the_log)
{
    struct es_world w;
    es_world_init(&w, 4);
    for (int i = 0; i < 40; i++) {
        char stream[32];
        snprintf(stream, sizeof(stream), "order-%d", i);
        assert_string_equal(es_world_append(&w, stream, "any", "a b c"), "ok 0-2");
    }
    es_world_flush(&w);
    harm(&w);
    es_heads_forget(w.es);
    /* Whoever meets the damage first is told to come again, or gets the right answer. */
    int answered = 0;
    for (int i = 0; i < 40; i++) {
        char stream[32];
        snprintf(stream, sizeof(stream), "order-%d", i);
        const char *said = es_world_append(&w, stream, "any", "b c");
        if (strcmp(said, "unavailable") == 0) {
            continue;
        }
        assert_string_equal(said, "same 1-2");
        answered++;
    }
    assert_true(answered > 20);
    assert_true(es_ready(w.es));
    const struct es_position before = es_head(w.es);
    assert_string_equal(es_world_append(&w, "order-7", "2", "d"), "ok 3-3");
    /* It is of the type of all before it, and is found by it. */
    for (int i = 0; i < 2; i++) {
        struct es_shot *check = es_shot_make("order-8", NULL, "-");
        es_shot_query(check, "Happened", "", before);
        es_shot_go(&w, check);
        es_world_settle(&w);
        assert_string_equal(es_shot_said(check), "append-conflict");
        es_shot_free(check);
        assert_int_equal(of_their_type(&w), 121);
        es_world_restart(&w, ES_WORLD_CLEAN);
    }
    assert_string_equal(es_world_append(&w, "order-7", "2", "d"), "same 3-3");
    es_world_deinit(&w);
}

/* An event store of this world's log, with its index in `dir`. */
static void open_at(struct es_world *w, const char *dir)
{
    struct ectx ec = {.code = ERR_OK};
    w->metrics = metrics_create();
    assert_int_equal(es_create(w->engine, &w->config, w->metrics, dir, &w->es, &ec), ERR_OK);
    w->started = false;
    es_start(w->es, es_world_on_ready, w);
    es_world_settle(w);
    assert_true(w->started);
    assert_int_equal(w->start_err, ERR_OK);
}

static void shut(struct es_world *w)
{
    es_stop(w->es);
    es_world_settle(w);
    es_destroy(w->es);
    metrics_destroy(w->metrics);
}

TEST(an_index_of_another_log_is_made_anew)
{
    /* Promise: also if that log has the same topics, and all the offsets that the index knows. */
    struct es_world w;
    es_world_init(&w, 7);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c"), "ok 0-2");
    shut(&w);
    struct engine *first = w.engine;
    w.engine = fake_engine_create(w.env, w.poll, 8);
    open_at(&w, "/other");
    assert_string_equal(es_world_append(&w, "order-1", "any", "p q r"), "ok 0-2");
    assert_string_equal(es_world_append(&w, "order-1", "any", "s t"), "ok 3-4");
    shut(&w);
    open_at(&w, "/index");
    assert_string_equal(es_world_append(&w, "order-1", "any", "q r"), "same 1-2");
    assert_string_equal(es_world_append(&w, "order-1", "4", "a"), "ok 5-5");
    /* The next start takes it as it is. */
    uint8_t key[sizeof(w.es->hash_key)];
    memcpy(key, w.es->hash_key, sizeof(key));
    es_world_restart(&w, ES_WORLD_CLEAN);
    assert_memory_equal(w.es->hash_key, key, sizeof(key));
    assert_string_equal(es_world_append(&w, "order-1", "any", "q r"), "same 1-2");
    engine_destroy(first);
    es_world_deinit(&w);
}

static double shown(struct es_world *w, const char *sample)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    metrics_write(w->metrics, &text);
    buf_put_u8(&text, 0);
    const char *at = strstr((const char *)text.p, sample);
    assert_non_null(at);
    double v = strtod(at + strlen(sample), NULL);
    buf_deinit(&text);
    return v;
}

TEST(what_was_appended_and_what_it_costs_is_shown)
{
    struct es_world w;
    es_world_init(&w, 5);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c"), "ok 0-2");
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b c"), "same 0-2");
    assert_string_equal(es_world_append(&w, "order-1", "0", "d"), "conflict 2");
    assert_string_equal(es_world_append(&w, "-", "0", "d"), "invalid-request");
    assert_true(shown(&w, "\nleat_es_events_total ") == 3);
    assert_true(shown(&w, "leat_es_appends_total{outcome=\"appended\"} ") == 1);
    assert_true(shown(&w, "leat_es_appends_total{outcome=\"known\"} ") == 1);
    assert_true(shown(&w, "leat_es_appends_total{outcome=\"conflict\"} ") == 1);
    assert_true(shown(&w, "leat_es_appends_total{outcome=\"refused\"} ") == 1);
    es_world_flush(&w);
    env_sim_advance_ns(w.env, 2000000000);
    es_world_settle(&w);
    assert_true(shown(&w, "\nleat_es_index_bytes_per_event ") > 100);
    assert_true(shown(&w, "\nleat_es_events_in_flight ") == 0);
    es_world_deinit(&w);
}
