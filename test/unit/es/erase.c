/* Erasure: what is redacted goes out of the log's records too, and nothing else does. */
#include <stdio.h>

#include "es/erase.h"
#include "es/read_int.h"
#include "es_world.h"

struct done {
    bool ended;
};

static void change_done(struct es_stream_change *c)
{
    ((struct done *)c->ctx)->ended = true;
}

static struct es_stream_change redact(struct es_world *w, const char *stream, uint64_t revision,
                                      const char *field)
{
    struct done done = {false};
    struct str fields = str_of(field);
    struct es_stream_change c = {.kind = ES_CHANGE_REDACT,
                                 .stream = str_of(stream),
                                 .revision = revision,
                                 .reason = STR_LIT("asked for"),
                                 .fields = &fields,
                                 .field_count = field != NULL,
                                 .arena = &w->arena,
                                 .done = change_done,
                                 .ctx = &done};
    es_stream_change(w->es, &c);
    for (int i = 0; i < 200 && !done.ended; i++) {
        es_world_settle(w);
        env_sim_advance_ns(w->env, 1000000000);
    }
    assert_true(done.ended);
    return c;
}

static void read_done(struct engine_read *r)
{
    *(bool *)r->ctx = true;
}

/* The value of a record as a Kafka client sees it, and whether it says that it was erased. */
static struct str record_at(struct es_world *w, const char *stream, int64_t offset, bool *erased)
{
    struct record_scratch scratch;
    struct str category, out = STR_NULL;
    bool ended = false;
    assert_true(es_stream_name_check(str_of(stream), &category, NULL));
    const struct es_cat *cat = es_cat_find(w->es, category);
    assert_non_null(cat);
    struct engine_read r = {.topic = cat->topic,
                            .partition = es_cat_partition(cat, str_of(stream)),
                            .offset = offset,
                            .max_bytes = 1,
                            .arena = &w->arena,
                            .done = read_done,
                            .ctx = &ended};
    engine_read(w->engine, &r);
    es_world_settle(w);
    assert_true(ended && r.err == ERR_OK && r.batch_count == 1);
    struct batch_header h;
    struct record_iter it;
    struct record record;
    const uint8_t *p = (const uint8_t *)r.batches[0].bytes.p;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    assert_int_equal(batch_header_parse(p, r.batches[0].bytes.n, &h, NULL), ERR_OK);
    assert_int_equal(batch_verify_crc(p, &h, NULL), ERR_OK);
    assert_int_equal(record_iter_init(&it, &h, p, &scratch, 1 << 20, NULL), ERR_OK);
    while (record_next(&it, &record)) {
        if (record.offset == offset) {
            out = arena_str(&w->arena, record.value);
            *erased = record.attributes == RECORD_ATTR_ERASED;
            assert_true(*erased || record.attributes == 0);
        }
    }
    assert_int_equal(record_iter_end(&it, NULL), ERR_OK);
    record_scratch_deinit(&scratch);
    engine_read_release(w->engine, &r);
    return out;
}

static struct str value_at(struct es_world *w, const char *stream, int64_t offset)
{
    bool erased = false;
    return record_at(w, stream, offset, &erased);
}

static bool is_marked(struct es_world *w, const char *stream, int64_t offset)
{
    bool erased = false;
    IGNORE(record_at(w, stream, offset, &erased).n > 0);
    return erased;
}

static void check_value(struct es_world *w, const char *stream, int64_t offset, const char *want)
{
    struct str v = value_at(w, stream, offset);
    while (v.n > 0 && v.p[v.n - 1] == ' ') {
        v.n--;
    }
    if (!str_eq_z(v, want)) {
        fail_msg("offset %lld: '%.*s', not '%s'", (long long)offset, STR(v), want);
    }
}

/* Three events of one stream in one batch. */
static const char *append_three(struct es_world *w, const char *stream)
{
    static const char *const data[] = {"{\"email\":\"SECRETONE@x.org\",\"keep\":1}",
                                       "{\"email\":\"SECRETTWO@x.org\",\"keep\":2}",
                                       "{\"email\":\"STAYS@x.org\",\"keep\":3}"};
    static char said[64];
    struct es_shot *s = es_shot_make(stream, "any", "");
    es_shot_add(s, stream, "a", data[0]);
    es_shot_add(s, stream, "b", data[1]);
    es_shot_add(s, stream, "c", data[2]);
    es_shot_go(w, s);
    es_world_settle(w);
    snprintf(said, sizeof(said), "%s", es_shot_said(s));
    es_shot_free(s);
    return said;
}

TEST(redacted_data_is_in_the_log_no_more_and_its_neighbours_are)
{
    struct es_world w;
    es_world_init(&w, 1);
    fake_engine_set_late(w.engine, 2);
    assert_string_equal(append_three(&w, "c-1"), "ok 0-2");
    const size_t n = value_at(&w, "c-1", 0).n;
    assert_true(redact(&w, "c-1", 0, NULL).erased);
    assert_true(redact(&w, "c-1", 1, "/email").erased);
    assert_int_equal(fake_engine_rewrites(w.engine), 2);
    assert_false(fake_engine_has(w.engine, STR_LIT("SECRET")));
    assert_int_equal(value_at(&w, "c-1", 0).n, n);
    check_value(&w, "c-1", 0, "null");
    check_value(&w, "c-1", 1, "{\"email\":null,\"keep\":2}");
    check_value(&w, "c-1", 2, "{\"email\":\"STAYS@x.org\",\"keep\":3}");
    /* Again, and more of it: there is nothing left of what was asked for first. */
    assert_true(redact(&w, "c-1", 0, "/email").erased);
    assert_int_equal(fake_engine_rewrites(w.engine), 2);
    assert_true(redact(&w, "c-1", 1, "/keep").erased);
    check_value(&w, "c-1", 1, "{\"email\":null,\"keep\":0}");
    es_world_deinit(&w);
}

static enum es_problem hide(struct es_world *w, struct es_stream_change c)
{
    struct done done = {false};
    c.stream = STR_LIT("c-1");
    c.arena = &w->arena;
    c.done = change_done;
    c.ctx = &done;
    es_stream_change(w->es, &c);
    es_world_settle(w);
    assert_true(done.ended);
    return c.problem;
}

/* Kafka clients still read what is truncated or deleted: it can be erased, too, and stays hidden.
 */
TEST(an_event_that_is_hidden_can_be_erased)
{
    struct es_world w;
    es_world_init(&w, 1);
    assert_string_equal(append_three(&w, "c-1"), "ok 0-2");
    assert_int_equal(hide(&w, (struct es_stream_change){.kind = ES_CHANGE_SET,
                                                        .set_truncate_before = true,
                                                        .truncate_before = 1}),
                     ES_OK);
    assert_true(redact(&w, "c-1", 0, NULL).erased);
    check_value(&w, "c-1", 0, "null");
    assert_int_equal(hide(&w, (struct es_stream_change){.kind = ES_CHANGE_SOFT_DELETE}), ES_OK);
    assert_true(redact(&w, "c-1", 1, NULL).erased);
    check_value(&w, "c-1", 1, "null");
    assert_string_equal(es_world_append(&w, "c-1", "exists", "d"), "conflict none");
    assert_int_equal(hide(&w, (struct es_stream_change){.kind = ES_CHANGE_TOMBSTONE}), ES_OK);
    assert_true(redact(&w, "c-1", 2, "/email").erased);
    check_value(&w, "c-1", 2, "{\"email\":null,\"keep\":3}");
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_int_equal(redact(&w, "c-1", 3, NULL).problem, ES_EVENT_NOT_FOUND);
    assert_string_equal(es_world_append(&w, "c-1", "any", "d"), "stream-tombstoned");
    es_world_deinit(&w);
}

TEST(a_compressed_batch_is_packed_again_without_the_data)
{
    for (int codec = RECORD_CODEC_NONE; codec < RECORD_CODEC_COUNT; codec++) {
        struct es_world w;
        es_world_init(&w, 2);
        fake_engine_set_codec(w.engine, (enum record_codec)codec);
        assert_string_equal(append_three(&w, "c-1"), "ok 0-2");
        assert_true(redact(&w, "c-1", 0, NULL).erased);
        assert_true(redact(&w, "c-1", 1, "/email").erased);
        check_value(&w, "c-1", 0, "null");
        check_value(&w, "c-1", 1, "{\"email\":null,\"keep\":2}");
        check_value(&w, "c-1", 2, "{\"email\":\"STAYS@x.org\",\"keep\":3}");
        /* Where all of the data is gone it may be too much for a batch that was packed well. */
        assert_true(is_marked(&w, "c-1", 0) || codec == RECORD_CODEC_GZIP);
        assert_true(is_marked(&w, "c-1", 1));
        assert_false(is_marked(&w, "c-1", 2));
        assert_int_equal(redact(&w, "c-1", 2, "/nothing").problem, ES_FIELD_NOT_FOUND);
        assert_false(is_marked(&w, "c-1", 2));
        es_world_deinit(&w);
    }
}

/* Data that no codec makes smaller leaves room for the mark, whatever packs the batch. */
static struct es_stream_change redact_two(struct es_world *w, const char *a, const char *b)
{
    struct done done = {false};
    const struct str fields[] = {str_of(a), str_of(b)};
    struct es_stream_change c = {.kind = ES_CHANGE_REDACT,
                                 .stream = STR_LIT("c-1"),
                                 .reason = STR_LIT("asked for"),
                                 .fields = fields,
                                 .field_count = 2,
                                 .arena = &w->arena,
                                 .done = change_done,
                                 .ctx = &done};
    es_stream_change(w->es, &c);
    es_world_settle(w);
    assert_true(done.ended);
    return c;
}

/* Whoever names a field that is not there has meant another one: it must not be told as done. */
TEST(a_redaction_of_fields_that_are_not_there_is_refused)
{
    static const char *const wrong[] = {"/nope", "/data/mail", "/list/-/pii", "/list/2", "/mail/x"};
    static const enum es_world_how how[] = {ES_WORLD_CLEAN, ES_WORLD_KILL, ES_WORLD_REBUILD};
    const char *data =
        "{\"mail\":\"SECRET@x.org\",\"list\":[{\"pii\":\"SECRET\"},0],\"keep\":null}";
    struct es_world w;
    es_world_init(&w, 12);
    struct es_shot *s = es_shot_make("c-1", "any", "");
    es_shot_add(s, "c-1", "a", data);
    es_shot_add(s, "c-1", "b", "SECRET, and no JSON");
    es_shot_go(&w, s);
    es_world_settle(&w);
    es_shot_free(s);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        const struct es_stream_change c = redact(&w, "c-1", 0, wrong[i]);
        assert_int_equal(c.problem, ES_FIELD_NOT_FOUND);
        assert_int_equal(c.missing_count, 1);
        assert_true(str_eq_z(c.missing[0], wrong[i]));
        assert_non_null(strstr(c.ec.text, wrong[i]));
        assert_string_equal(c.ec.hint, "the stored data has: mail, list, keep");
    }
    /* One of two: then neither. */
    struct es_stream_change c = redact_two(&w, "/mail", "/email");
    assert_int_equal(c.problem, ES_FIELD_NOT_FOUND);
    assert_int_equal(c.missing_count, 1);
    assert_true(str_eq_z(c.missing[0], "/email"));
    assert_int_equal(redact(&w, "c-1", 1, "/mail").problem, ES_FIELD_NOT_FOUND);
    check_value(&w, "c-1", 0, data);
    check_value(&w, "c-1", 1, "SECRET, and no JSON");
    assert_int_equal(fake_engine_rewrites(w.engine), 0);
    assert_false(fake_engine_has(w.engine, STR_LIT("\"redaction\"")));
    /* The same again, whatever is left of it: as the first time. What was never there still is not.
     */
    assert_true(redact_two(&w, "/mail", "/list/0/pii").erased);
    for (size_t i = 0; i < ARRAY_LEN(how); i++) {
        assert_true(redact_two(&w, "/mail", "/list/0/pii").erased);
        assert_int_equal(redact(&w, "c-1", 0, "/nope").problem, ES_FIELD_NOT_FOUND);
        es_world_restart(&w, how[i]);
        es_world_settle(&w);
    }
    assert_true(redact(&w, "c-1", 0, "/list").erased);
    assert_true(redact_two(&w, "/mail", "/list/0/pii").erased);
    assert_true(redact(&w, "c-1", 0, NULL).erased);
    assert_true(redact_two(&w, "/mail", "/list/0/pii").erased);
    es_world_deinit(&w);
}

/* The event is judged by what is stored, so it is waited for. */
TEST(a_redaction_of_an_event_in_flight_looks_at_its_fields)
{
    struct es_world w;
    struct done done[2] = {{false}, {false}};
    const struct str fields[] = {STR_LIT("/email"), STR_LIT("/nope")};
    struct es_stream_change c[2];
    es_world_init(&w, 13);
    assert_string_equal(es_world_append(&w, "c-1", "any", "z"), "ok 0-0");
    fake_engine_hold(w.engine, true);
    struct es_shot *s = es_shot_make("c-1", "any", "");
    es_shot_add(s, "c-1", "a", "{\"email\":\"SECRET@x.org\"}");
    es_shot_go(&w, s);
    for (int i = 0; i < 2; i++) {
        c[i] = (struct es_stream_change){.kind = ES_CHANGE_REDACT,
                                         .stream = STR_LIT("c-1"),
                                         .revision = 1,
                                         .reason = STR_LIT("asked for"),
                                         .fields = &fields[i],
                                         .field_count = 1,
                                         .arena = &w.arena,
                                         .done = change_done,
                                         .ctx = &done[i]};
        es_stream_change(w.es, &c[i]);
        assert_false(done[i].ended);
    }
    fake_engine_hold(w.engine, false);
    es_world_settle(&w);
    assert_true(done[0].ended && done[1].ended);
    assert_string_equal(es_shot_said(s), "ok 1-1");
    assert_int_equal(c[0].problem, ES_OK);
    assert_true(c[0].erased);
    assert_int_equal(c[1].problem, ES_FIELD_NOT_FOUND);
    es_shot_free(s);
    es_world_deinit(&w);
}

TEST(an_erased_event_is_marked_in_a_batch_of_any_codec)
{
    for (int codec = RECORD_CODEC_NONE; codec < RECORD_CODEC_COUNT; codec++) {
        struct es_world w;
        char data[512];
        uint64_t seed = 1;
        data[0] = data[sizeof(data) - 2] = '"';
        data[sizeof(data) - 1] = '\0';
        for (size_t i = 1; i < sizeof(data) - 2; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            data[i] = (char)('A' + (seed >> 33) % 26 + ((seed >> 50) % 2) * 32);
        }
        es_world_init(&w, 2);
        fake_engine_set_codec(w.engine, (enum record_codec)codec);
        struct es_shot *s = es_shot_make("c-1", "any", "");
        es_shot_add(s, "c-1", "a", data);
        es_shot_add(s, "c-1", "b", "{\"keep\":2}");
        es_shot_go(&w, s);
        es_world_settle(&w);
        es_shot_free(s);
        assert_true(redact(&w, "c-1", 0, NULL).erased);
        check_value(&w, "c-1", 0, "null");
        assert_true(is_marked(&w, "c-1", 0));
        assert_false(is_marked(&w, "c-1", 1));
        es_world_deinit(&w);
    }
}

/* Projections believe the mark: it is the event store's alone. */
TEST(a_producer_cannot_mark_a_record_as_erased)
{
    struct es_world w;
    struct str category;
    struct engine_gate_item item;
    struct record_header headers[] = {{STR_LIT("ce_type"), STR_LIT("Happened")},
                                      {STR_LIT("leat-expected-version"), STR_LIT("any")}};
    const struct engine_record record = {.key = STR_LIT("c-1"),
                                         .value = STR_LIT("{\"keep\":1}"),
                                         .headers = headers,
                                         .header_count = ARRAY_LEN(headers),
                                         .timestamp_ms = 5};
    es_world_init(&w, 11);
    assert_string_equal(es_world_append(&w, "c-2", "any", "a"), "ok 0-0"); /* makes the topic */
    assert_true(es_stream_name_check(record.key, &category, NULL));
    const struct es_cat *cat = es_cat_find(w.es, category);
    assert_non_null(cat);
    const int32_t partition = es_cat_partition(cat, record.key);
    const int64_t offset = partition == es_cat_partition(cat, STR_LIT("c-2")) ? 1 : 0;
    fake_engine_set_marks(w.engine, true);
    assert_int_equal(
        fake_engine_produce(w.engine, cat->topic, partition, &record, 1, &w.arena, &item), ERR_OK);
    es_world_settle(&w);
    check_value(&w, "c-1", offset, "{\"keep\":1}");
    assert_false(is_marked(&w, "c-1", offset));
    es_world_deinit(&w);
}

TEST(a_retry_of_an_erased_event_is_answered_as_the_first_time)
{
    /* Nobody can compare what it says with what is not there any more: its id decides. */
    static const enum es_world_how how[] = {ES_WORLD_CLEAN, ES_WORLD_KILL, ES_WORLD_REBUILD};
    for (size_t i = 0; i < ARRAY_LEN(how); i++) {
        struct es_world w;
        es_world_init(&w, 3);
        assert_string_equal(append_three(&w, "c-1"), "ok 0-2");
        assert_true(redact(&w, "c-1", 0, NULL).erased);
        assert_string_equal(append_three(&w, "c-1"), "same 0-2");
        es_world_restart(&w, how[i]);
        es_world_settle(&w);
        assert_string_equal(append_three(&w, "c-1"), "same 0-2");
        assert_int_equal(fake_engine_rewrites(w.engine), 1);
        es_world_deinit(&w);
    }
}

TEST(a_start_carries_out_what_was_not)
{
    /* The fact is durable, the erasure failed: the answer says so, and the next start does it, with
     * the same index and with a new one. */
    static const enum es_world_how how[] = {ES_WORLD_CLEAN, ES_WORLD_KILL, ES_WORLD_REBUILD};
    for (size_t i = 0; i < ARRAY_LEN(how); i++) {
        struct es_world w;
        char stream[16];
        es_world_init(&w, 4);
        for (int k = 0; k < 40; k++) { /* more than one page of them */
            snprintf(stream, sizeof(stream), "c-%d", k);
            assert_string_equal(append_three(&w, stream), "ok 0-2");
            if (k % 3 == 0) {
                fake_engine_fail_rewrites(w.engine, ERR_DAMAGED, 1);
            }
            const struct es_stream_change c = redact(&w, stream, 0, NULL);
            assert_int_equal(c.problem, ES_OK);
            assert_int_equal(c.erased, k % 3 != 0);
            assert_true(c.erased || c.ec.code == ERR_DAMAGED);
            assert_true(redact(&w, stream, 1, "/email").erased);
        }
        assert_true(fake_engine_has(w.engine, STR_LIT("SECRETONE")));
        const uint64_t before = fake_engine_rewrites(w.engine);
        es_world_restart(&w, how[i]);
        es_world_settle(&w);
        assert_false(fake_engine_has(w.engine, STR_LIT("SECRET")));
        assert_int_equal(fake_engine_rewrites(w.engine), before + 14);
        es_world_restart(&w, how[i]);
        es_world_settle(&w);
        assert_int_equal(fake_engine_rewrites(w.engine), before + 14);
        es_world_deinit(&w);
    }
}

static void looked(struct es_look_set *set)
{
    *(bool *)set->ctx = true;
}

static size_t redactions_left(struct es_world *w)
{
    uint8_t from[ES_KEY_REDACTION], to[ES_KEY_REDACTION];
    uint8_t keys[8 * ES_KEY_REDACTION], values[8 * ES_VALUE_REDACTION];
    size_t left = 0;
    bool done = false;
    memset(from, 0, sizeof(from));
    memset(to, 0xff, sizeof(to));
    struct es_look look = {
        .kind = ES_LOOK_SCAN,
        .table = ES_T_REDACTIONS,
        .scan = {.from = from, .to = to, .max = 8, .keys = keys, .values = values}};
    struct es_look_set set = {.looks = &look, .count = 1, .done = looked, .ctx = &done};
    if (!es_look(w->es, &set)) {
        es_world_settle(w);
        assert_true(done);
    }
    assert_int_equal(look.err, ERR_OK);
    assert_true(look.scan.count > 0 && !look.scan.more);
    for (size_t i = 0; i < look.scan.count; i++) {
        struct es_redaction_value value;
        es_value_redaction_read(&values[i * ES_VALUE_REDACTION], &value);
        left += !value.erased;
    }
    return left;
}

static void log_begins(struct es_world *w, const char *stream, int64_t offset)
{
    struct str category;
    assert_true(es_stream_name_check(str_of(stream), &category, NULL));
    const struct es_cat *cat = es_cat_find(w->es, category);
    assert_non_null(cat);
    fake_engine_set_start(w->engine, cat->topic, es_cat_partition(cat, str_of(stream)), offset);
}

TEST(an_event_that_the_log_has_deleted_is_erased)
{
    struct es_world w;
    es_world_init(&w, 9);
    assert_string_equal(append_three(&w, "c-1"), "ok 0-2");
    fake_engine_fail_rewrites(w.engine, ERR_DAMAGED, 2);
    assert_false(redact(&w, "c-1", 0, NULL).erased);
    assert_false(redact(&w, "c-1", 2, NULL).erased);
    assert_int_equal(redactions_left(&w), 2);
    log_begins(&w, "c-1", 2);
    es_world_restart(&w, ES_WORLD_KILL);
    es_world_settle(&w);
    assert_int_equal(redactions_left(&w), 0);
    assert_int_equal(fake_engine_rewrites(w.engine), 1); /* of the one that is there */
    assert_true(redact(&w, "c-1", 1, "/email").erased);
    assert_int_equal(redactions_left(&w), 0);
    assert_int_equal(fake_engine_rewrites(w.engine), 1);
    es_world_deinit(&w);
}

/* Redactions of which was told that they are hidden only. */
static double told_hidden(struct es_world *w)
{
    return metric_value(
        metrics_counter(w->metrics, "leat_es_redactions_total", "", "outcome=\"hidden\""));
}

TEST(a_new_index_knows_that_events_below_the_start_of_the_log_are_gone)
{
    struct es_world w;
    es_world_init(&w, 10);
    assert_string_equal(append_three(&w, "c-1"), "ok 0-2");
    fake_engine_fail_rewrites(w.engine, ERR_DAMAGED, 2);
    assert_false(redact(&w, "c-1", 0, NULL).erased);
    assert_false(redact(&w, "c-1", 2, NULL).erased);
    assert_true(redact(&w, "c-1", 1, "/email").erased);
    log_begins(&w, "c-1", 2);
    assert_true(told_hidden(&w) > 0);
    for (int round = 0; round < 2; round++) {
        es_world_restart(&w, round == 0 ? ES_WORLD_REBUILD : ES_WORLD_CLEAN);
        es_world_settle(&w);
        assert_false(told_hidden(&w) > 0); /* counted anew with each start */
        assert_int_equal(redactions_left(&w), 0);
        assert_int_equal(fake_engine_rewrites(w.engine), 2); /* one of them before */
    }
    es_world_deinit(&w);
}

TEST(what_passes_is_tried_again)
{
    static const enum err passes[] = {ERR_ABORTED, ERR_NO_MEMORY, ERR_AGAIN, ERR_LIMIT};
    for (size_t i = 0; i < ARRAY_LEN(passes); i++) {
        struct es_world w;
        es_world_init(&w, 5);
        assert_string_equal(append_three(&w, "c-1"), "ok 0-2");
        fake_engine_fail_rewrites(w.engine, passes[i], 3);
        assert_true(redact(&w, "c-1", 0, NULL).erased);
        fake_engine_fail_rewrites(w.engine, passes[i], 1000);
        const struct es_stream_change c = redact(&w, "c-1", 1, NULL);
        assert_int_equal(c.problem, ES_OK);
        assert_false(c.erased);
        assert_int_equal(c.ec.code, passes[i]);
        fake_engine_fail_rewrites(w.engine, ERR_OK, 0);
        es_world_deinit(&w);
    }
}

TEST(a_stop_beside_an_erasure)
{
    /* At any moment of it: the call is answered, nothing is left behind, the next start ends it. */
    for (int steps = 0; steps < 24; steps++) {
        struct es_world w;
        struct done done = {false};
        es_world_init(&w, 6);
        fake_engine_set_late(w.engine, 2);
        assert_string_equal(append_three(&w, "c-1"), "ok 0-2");
        struct es_stream_change c = {.kind = ES_CHANGE_REDACT,
                                     .stream = STR_LIT("c-1"),
                                     .reason = STR_LIT("asked for"),
                                     .arena = &w.arena,
                                     .done = change_done,
                                     .ctx = &done};
        es_stream_change(w.es, &c);
        for (int i = 0; i < steps; i++) {
            es_tick(w.es);
            (void)env_poll_run(w.poll, 0);
        }
        const bool erased = done.ended;
        es_world_restart(&w, steps % 2 == 0 ? ES_WORLD_CLEAN : ES_WORLD_KILL);
        assert_true(done.ended);
        es_world_settle(&w);
        if (erased || fake_engine_has(w.engine, STR_LIT("\"redaction\""))) {
            assert_false(fake_engine_has(w.engine, STR_LIT("SECRETONE")));
        }
        assert_int_equal(fake_engine_held(w.engine), 0);
        es_world_deinit(&w);
    }
}

static bool try_redact(uint64_t n, const char *field)
{
    struct es_world w;
    struct done done = {false};
    es_world_init(&w, 7);
    fake_engine_set_codec(w.engine, RECORD_CODEC_ZSTD);
    assert_string_equal(append_three(&w, "c-1"), "ok 0-2");
    const struct str fields = str_of(field);
    struct es_stream_change c = {.kind = ES_CHANGE_REDACT,
                                 .stream = STR_LIT("c-1"),
                                 .reason = STR_LIT("asked for"),
                                 .fields = &fields,
                                 .field_count = field != NULL,
                                 .arena = &w.arena,
                                 .done = change_done,
                                 .ctx = &done};
    test_fail_alloc(n);
    es_stream_change(w.es, &c);
    for (int i = 0; i < 20 && !done.ended; i++) {
        es_world_settle(&w);
        env_sim_advance_ns(w.env, 1000000000);
    }
    const bool reached = test_fail_alloc_end() != 0;
    assert_true(done.ended);
    assert_true(c.problem == ES_OK || c.problem == ES_UNAVAILABLE);
    assert_true(c.problem != ES_OK || c.erased); /* memory that comes back is enough */
    if (c.problem == ES_OK) {
        check_value(&w, "c-1", 0, field == NULL ? "null" : "{\"email\":null,\"keep\":1}");
    }
    check_value(&w, "c-1", 1, "{\"email\":\"SECRETTWO@x.org\",\"keep\":2}");
    es_world_deinit(&w);
    return reached;
}

TEST(an_erasure_without_memory_is_made_later)
{
    static const char *const fields[] = {NULL, "/email"};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        uint64_t n = 1;
        while (try_redact(n, fields[i])) {
            n++;
        }
        assert_true(n > 10);
    }
}

enum { SIZE_MOST = 2048 };

static const char *append_sized(struct es_world *w, size_t size, char digit)
{
    static char said[64];
    char id[ES_EVENT_ID_MAX + 1] = {0}, data[SIZE_MOST + 1] = {0};
    struct es_shot *s = es_shot_make("c-1", "any", "");
    memset(id, 'i', ES_EVENT_ID_MAX);
    memset(data, digit, size);
    es_shot_add(s, "c-1", id, data);
    es_shot_go(w, s);
    es_world_settle(w);
    snprintf(said, sizeof(said), "%s", es_shot_said(s));
    es_shot_free(s);
    return said;
}

static bool try_redact_sized(uint64_t n, size_t size)
{
    struct es_world w;
    es_world_init(&w, 8);
    assert_string_equal(append_sized(&w, size, '7'), "ok 0-0");
    test_fail_alloc(n);
    const struct es_stream_change c = redact(&w, "c-1", 0, NULL);
    const bool reached = test_fail_alloc_end() != 0;
    if (c.erased) { /* then its id decides */
        assert_string_equal(append_sized(&w, size, '8'), "same 0-0");
    }
    es_world_deinit(&w);
    return reached;
}

/* With data of many sizes: with one of them the id does not fit into the arena's block. */
TEST(an_erasure_without_memory_for_the_id_is_made_later)
{
    for (size_t size = 1; size <= SIZE_MOST; size += ES_EVENT_ID_MAX) {
        uint64_t n = 1;
        while (try_redact_sized(n, size)) {
            n++;
        }
        assert_true(n > 10);
    }
}

static void in_place(const char *data, const char *field, const char *want)
{
    struct arena a;
    char out[128];
    struct str fields = str_of(field);
    arena_init(&a, 1 << 20);
    const size_t n = strlen(data);
    assert_int_equal(strlen(want), n);
    assert_int_equal(es_redact_in_place(str_of(data), &fields, field != NULL, &a, out, NULL),
                     ERR_OK);
    if (memcmp(out, want, n) != 0) {
        fail_msg("'%s' without '%s': '%.*s', not '%s'", data, field, (int)n, out, want);
    }
    arena_deinit(&a);
}

TEST(what_stands_in_the_place_of_redacted_data_is_as_long_as_it_was)
{
    in_place("{\"email\":\"ann@x\",\"n\":1}", NULL, "null                   ");
    in_place("{\"email\":\"ann@x\",\"n\":1}", "/email", "{\"email\":null,\"n\":1}   ");
    /* No room for `null`. */
    in_place("{\"n\":1}", "/n", "{\"n\":0}");
    in_place("{\"n\":12}", "/n", "{\"n\":0} ");
    in_place("{\"n\":\"\"}", "/n", "{\"n\":0} ");
    in_place("7", NULL, "0");
    in_place("\"ab", NULL, "0  ");
    in_place("not JSON", "/n", "null    ");
    in_place("{\"a\":[1,2,3]}", "/a/1", "{\"a\":[1,0,3]}");
    in_place("{\"a\":[1,2,3]}", "/a", "{\"a\":null}   ");
    in_place("{\"a\":[1,2,3]}", "/b", "{\"a\":[1,2,3]}");
}
