/* Events that plain Kafka clients produce: what the gate lets pass, what it adds, what it says. */
#include <stdio.h>

#include "es_world.h"

struct sent {
    struct engine_record records[4];
    struct record_header headers[4][6];
    size_t count;
    struct engine_gate_item item;
    struct arena arena;
};

static void sent_init(struct sent *s)
{
    memset(s, 0, sizeof(*s));
    arena_init(&s->arena, 16 << 20);
}

/* One record more; NULL: without that header. */
static void sent_add(struct sent *s, const char *stream, const char *id, const char *expected)
{
    struct record_header *h = s->headers[s->count];
    size_t n = 0;
    h[n++] = (struct record_header){STR_LIT("ce_type"), STR_LIT("Happened")};
    h[n++] = (struct record_header){STR_LIT("leat-revision"), STR_LIT("77")}; /* not believed */
    if (id != NULL) {
        h[n++] = (struct record_header){STR_LIT("ce_id"), str_of(id)};
    }
    if (expected != NULL) {
        h[n++] = (struct record_header){STR_LIT("leat-expected-version"), str_of(expected)};
    }
    s->records[s->count++] = (struct engine_record){.key = str_of(stream),
                                                    .value = STR_LIT("\"DATA\""),
                                                    .headers = h,
                                                    .header_count = n,
                                                    .timestamp_ms = 5};
}

static int32_t partition_of(struct es_world *w, const char *stream)
{
    struct str category;
    assert_true(es_stream_name_check(str_of(stream), &category, NULL));
    return es_cat_partition(es_cat_find(w->es, category), str_of(stream));
}

static enum err sent_go(struct es_world *w, struct sent *s, int32_t partition)
{
    enum err e = fake_engine_produce(w->engine, STR_LIT("es.order"), partition, s->records,
                                     s->count, &s->arena, &s->item);
    es_world_settle(w);
    return e;
}

/* A batch of one stream; "ok" or the first record's message. */
static const char *produce(struct es_world *w, const char *stream, const char *id,
                           const char *expected)
{
    static char said[256];
    struct sent s;
    sent_init(&s);
    sent_add(&s, stream, id, expected);
    enum err e = sent_go(w, &s, partition_of(w, stream));
    snprintf(said, sizeof(said), "%s", e == ERR_OK ? "ok" : err_name(e));
    if (e == ERR_DUPLICATE_SEQUENCE_NUMBER) {
        snprintf(said, sizeof(said), "there, at %lld", (long long)s.item.original_offset);
    }
    if (e == ERR_INVALID_RECORD) {
        assert_int_equal(s.item.record_error_count, 1);
        snprintf(said, sizeof(said), "%.*s", STR(s.item.record_errors[0].message));
    }
    arena_deinit(&s.arena);
    return said;
}

TEST(a_produced_batch_follows_the_rules_of_appends)
{
    struct es_world w;
    es_world_init(&w, 1);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    assert_string_equal(produce(&w, "order-1", "b", "0"), "ok");
    assert_string_equal(es_world_append(&w, "order-1", "1", "c"), "ok 2-2");
    assert_string_equal(produce(&w, "order-1", "d", "0"),
                        "revision-conflict: stream 'order-1' is at revision 2, expected 0");
    assert_string_equal(produce(&w, "order-2", "d", "exists"),
                        "revision-conflict: there is no stream 'order-2', expected exists");
    /* A retry of what is there. */
    assert_string_equal(produce(&w, "order-1", "b", "0"), "there, at 1");
    assert_string_equal(es_world_append(&w, "order-1", "0", "b"), "same 1-1");
    assert_string_equal(produce(&w, "order-1", "a", "2"),
                        "event-id-reused: id 'a' is that of revision 0 of stream 'order-1'");
    assert_string_equal(produce(&w, "order-1", NULL, "any"), "ok");
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_string_equal(es_world_append(&w, "order-1", "3", "e"), "ok 4-4");
    es_world_deinit(&w);
}

TEST(a_repeated_batch_is_told_where_it_lies)
{
    /* Promise: the base offset of the original, also after a restart and a rebuild of the index; -1
     * if its events do not lie side by side, because each came in a batch of its own. */
    struct es_world w;
    es_world_init(&w, 6);
    assert_string_equal(es_world_append(&w, "order-1", "any", "x"), "ok 0-0");
    for (int i = 0; i < 4; i++) {
        struct sent s;
        sent_init(&s);
        sent_add(&s, "order-1", "a", "0");
        sent_add(&s, "order-1", "b", NULL);
        sent_add(&s, "order-1", "c", NULL);
        enum err e = sent_go(&w, &s, partition_of(&w, "order-1"));
        assert_int_equal(e, i == 0 ? ERR_OK : ERR_DUPLICATE_SEQUENCE_NUMBER);
        assert_true(i == 0 || s.item.original_offset == 1);
        arena_deinit(&s.arena);
        if (i > 0) {
            es_world_restart(&w, i == 1 ? ES_WORLD_CLEAN : ES_WORLD_REBUILD);
        }
    }
    char other[32];
    int n = 2;
    do {
        snprintf(other, sizeof(other), "order-%d", n++);
    } while (partition_of(&w, other) != partition_of(&w, "order-1"));
    assert_string_equal(es_world_append(&w, "order-1", "3", "d"), "ok 4-4");
    assert_string_equal(es_world_append(&w, other, "any", "z"), "ok 0-0");
    assert_string_equal(es_world_append(&w, "order-1", "4", "e"), "ok 5-5");
    struct sent s;
    sent_init(&s);
    sent_add(&s, "order-1", "d", "3");
    sent_add(&s, "order-1", "e", NULL);
    assert_int_equal(sent_go(&w, &s, partition_of(&w, "order-1")), ERR_DUPLICATE_SEQUENCE_NUMBER);
    assert_int_equal(s.item.original_offset, -1);
    arena_deinit(&s.arena);
    es_world_deinit(&w);
}

TEST(a_plain_produce_without_the_header_is_refused)
{
    struct es_world w;
    es_world_init(&w, 2);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    assert_string_equal(produce(&w, "order-1", "b", NULL),
                        "the first record of stream 'order-1' has no header leat-expected-version");
    assert_string_equal(produce(&w, "order-1", "b", "soon"),
                        "leat-expected-version: 'soon' is none of no_stream, exists, any, a "
                        "revision");
    assert_string_equal(produce(&w, "order", "b", "soon"),
                        "leat-expected-version: 'soon' is none of no_stream, exists, any, a "
                        "revision");
    es_world_deinit(&w);
}

TEST(a_record_in_the_wrong_partition_is_told_the_right_one)
{
    struct es_world w;
    char wanted[128];
    struct sent s;
    es_world_init(&w, 3);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    int32_t right = partition_of(&w, "order-1");
    sent_init(&s);
    sent_add(&s, "order-1", "b", "any");
    assert_int_equal(sent_go(&w, &s, (right + 1) % 8), ERR_INVALID_RECORD);
    snprintf(wanted, sizeof(wanted),
             "stream 'order-1' belongs into partition %d (murmur2 of the key), not %d", (int)right,
             (int)(right + 1) % 8);
    assert_true(str_eq_z(s.item.record_errors[0].message, wanted));
    arena_deinit(&s.arena);
    es_world_deinit(&w);
}

TEST(one_conflict_refuses_the_batch_and_each_record_at_fault_is_named)
{
    struct es_world w;
    struct sent s;
    char other[32] = "";
    es_world_init(&w, 4);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    /* Another stream of the same partition. */
    for (int i = 2; other[0] == 0; i++) {
        char name[32];
        snprintf(name, sizeof(name), "order-%d", i);
        if (partition_of(&w, name) == partition_of(&w, "order-1")) {
            memcpy(other, name, sizeof(other));
        }
    }
    sent_init(&s);
    sent_add(&s, other, "x", "no_stream");
    sent_add(&s, other, "y", NULL);
    sent_add(&s, "order-1", "b", "0");
    sent_add(&s, "order-1", "c", "7"); /* it would be at revision 2 */
    assert_int_equal(sent_go(&w, &s, partition_of(&w, "order-1")), ERR_INVALID_RECORD);
    assert_int_equal(s.item.record_error_count, 1);
    assert_int_equal(s.item.record_errors[0].index, 3);
    arena_deinit(&s.arena);
    sent_init(&s);
    sent_add(&s, other, "x", "no_stream");
    sent_add(&s, other, "y", "0");
    sent_add(&s, "order-1", "b", "0");
    sent_add(&s, "order-1", "c", "1");
    assert_int_equal(sent_go(&w, &s, partition_of(&w, "order-1")), ERR_OK);
    arena_deinit(&s.arena);
    assert_string_equal(es_world_append(&w, other, "1", "z"), "ok 2-2");
    assert_string_equal(es_world_append(&w, "order-1", "2", "z"), "ok 3-3");
    es_world_deinit(&w);
}

static bool has_header(const struct record *r, const char *name, const char *value)
{
    struct slice headers = r->headers;
    struct record_header h;
    bool has = false;
    while (record_header_next(&headers, &h)) {
        has |= str_eq_z(h.key, name) && str_eq_z(h.value, value);
    }
    return has;
}

TEST(what_is_stored_has_its_revision_and_an_id_and_no_expectation)
{
    struct es_world w;
    struct sent s;
    struct batch_header h;
    struct record_iter it;
    struct record r;
    struct es_view v;
    es_world_init(&w, 5);
    env_sim_advance_ns(w.env, 7000000);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    sent_init(&s);
    sent_add(&s, "order-1", NULL, "0");
    sent_add(&s, "order-1", "mine", NULL);
    assert_int_equal(sent_go(&w, &s, partition_of(&w, "order-1")), ERR_OK);
    const int64_t now_ms = env_wall_ms(w.env);
    const uint8_t *p = (const uint8_t *)s.item.replacement.p;
    assert_int_equal(batch_header_parse(p, s.item.replacement.n, &h, NULL), ERR_OK);
    assert_int_equal(batch_verify_crc(p, &h, NULL), ERR_OK);
    assert_int_equal(record_iter_init(&it, &h, p, NULL, SIZE_MAX, NULL), ERR_OK);
    for (uint64_t i = 1; i <= 2; i++) {
        assert_true(record_next(&it, &r));
        assert_int_equal(es_view_read(&r, &v, NULL), ERR_OK);
        assert_int_equal(v.revision, i);
        assert_int_equal(r.timestamp, now_ms); /* when it was appended; ce_time is its own */
        assert_true(str_is_null(v.expected));
        assert_true(i == 2 ? str_eq_z(v.id, "mine") : v.id.n == 36);
        assert_true(has_header(&r, "ce_source", "/leat/streams/order-1"));
        assert_true(has_header(&r, "ce_specversion", "1.0"));
        assert_true(has_header(&r, "ce_time", "1970-01-01T00:00:00.005Z"));
    }
    arena_deinit(&s.arena);
    es_world_deinit(&w);
}

static void change_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

static void read_done(struct es_read_stream *r)
{
    *(bool *)r->ctx = true;
}

/* From `first` to the last there is no hole, and that is what the answer says. */
static void check_shown(struct es_world *w, uint64_t first, uint64_t last)
{
    bool done = false;
    struct es_read_stream r = {.stream = STR_LIT("order-1"),
                               .to = UINT64_MAX,
                               .until_ns = INT64_MAX,
                               .limit = 10,
                               .limit_bytes = 1 << 20,
                               .arena = &w->arena,
                               .done = read_done,
                               .ctx = &done};
    es_read_stream(w->es, &r);
    es_world_settle(w);
    assert_true(done);
    assert_int_equal(r.problem, ES_OK);
    assert_int_equal(r.event_count, last - first + 1);
    for (size_t i = 0; i < r.event_count; i++) {
        assert_int_equal(r.events[i].revision, first + i);
    }
    assert_int_equal(r.incomplete_before, first);
    es_read_stream_release(w->es, &r);
}

TEST(a_max_age_makes_no_holes_where_kafka_clients_give_old_times)
{
    struct es_world w;
    bool done = false;
    es_world_init(&w, 7);
    env_sim_advance_ns(w.env, 100000000000);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    env_sim_advance_ns(w.env, 10000000000);
    assert_string_equal(produce(&w, "order-1", "b", "0"), "ok"); /* of 1970, it says */
    env_sim_advance_ns(w.env, 10000000000);
    assert_string_equal(es_world_append(&w, "order-1", "1", "c"), "ok 2-2");
    struct es_stream_change age = {.kind = ES_CHANGE_SET,
                                   .stream = STR_LIT("order-1"),
                                   .set_max_age = true,
                                   .max_age_ms = 25000,
                                   .arena = &w.arena,
                                   .done = change_done,
                                   .ctx = &done};
    es_stream_change(w.es, &age);
    es_world_settle(&w);
    assert_true(done);
    assert_int_equal(age.problem, ES_OK);
    for (uint64_t first = 0; first < 3; first++) {
        check_shown(&w, first, 2);
        env_sim_advance_ns(w.env, 10000000000);
    }
    es_world_deinit(&w);
}

/* Heads and ids that are on the disk alone: the batch waits, and is checked again. */
TEST(a_batch_whose_look_ups_need_the_disk_waits_for_them)
{
    struct es_world w;
    char stream[32];
    es_world_init(&w, 6);
    for (int i = 0; i < 40; i++) {
        snprintf(stream, sizeof(stream), "order-%d", i);
        assert_string_equal(es_world_append(&w, stream, "any", "a b"), "ok 0-1");
    }
    es_world_flush(&w);
    es_world_restart(&w, ES_WORLD_CLEAN);
    for (int i = 0; i < 40; i++) {
        snprintf(stream, sizeof(stream), "order-%d", i);
        const char *said = produce(&w, stream, i % 2 == 0 ? "c" : "a", i % 2 == 0 ? "1" : "any");
        assert_true(i % 2 == 0 ? strcmp(said, "ok") == 0 : strncmp(said, "there, at ", 10) == 0);
    }
    assert_true(list_empty(&w.es->writer->gates));
    es_world_deinit(&w);
}

/* Promise: what would shorten, move or weaken what is stored is refused, and the client is told
 * which part of its wish it was; a setting that does not is the client's affair. */
TEST(changes_of_a_categorys_topic_are_refused_with_the_reason)
{
#define KEEPS "'es.order' holds streams of the event store, which keeps all of them: "
    static const struct {
        const char *what, *setting, *said; /* NULL: allowed */
    } cases[] = {
        {"change", "retention.ms", KEEPS "retention.ms cannot be changed"},
        {"change", "retention.bytes", KEEPS "retention.bytes cannot be changed"},
        {"change", "cleanup.policy", KEEPS "cleanup.policy cannot be changed"},
        {"change", "leat.durability", KEEPS "leat.durability cannot be changed"},
        {"change", "compression.type", KEEPS "compression.type cannot be changed"},
        {"change", "max.message.bytes", NULL},
        {"change", "segment.bytes", NULL},
        {"delete", NULL, KEEPS "delete is not for clients"},
        {"add partitions", NULL, KEEPS "add partitions is not for clients"},
        {"delete records", NULL, KEEPS "delete records is not for clients"},
        {"create", NULL,
         "'es.order' is a topic of the event store: PUT /api/v1/categories/order makes it"},
    };
#undef KEEPS
    struct es_world w;
    es_world_init(&w, 8);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ectx ec = {.code = ERR_OK};
        const struct str setting = cases[i].setting == NULL ? STR_NULL : str_of(cases[i].setting);
        const enum err e =
            fake_engine_change(w.engine, STR_LIT("es.order"), cases[i].what, setting, &ec);
        assert_int_equal(e, cases[i].said == NULL ? ERR_OK : ERR_POLICY_VIOLATION);
        assert_string_equal(ec.text, cases[i].said == NULL ? "" : cases[i].said);
    }
    es_world_deinit(&w);
}
