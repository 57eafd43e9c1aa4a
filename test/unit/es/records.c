/* What a Kafka producer may store is what every reader can read; and readers live with records that
 * an earlier build let pass. */
#include <stdio.h>

#include "es/gate.h"
#include "es/read_int.h"
#include "es_world.h"
#include "record/builder.h"

#define HEADERS 48

struct row {
    struct record_header headers[HEADERS];
    size_t count;
    struct str value;
};

static void row_init(struct row *r, const char *id, const char *type)
{
    r->count = 0;
    r->value = STR_LIT("{\"n\":1}");
    if (id != NULL) {
        r->headers[r->count++] = (struct record_header){STR_LIT("ce_id"), str_of(id)};
    }
    if (type != NULL) {
        r->headers[r->count++] = (struct record_header){STR_LIT("ce_type"), str_of(type)};
    }
}

static void row_add(struct row *r, const char *name, struct str value)
{
    assert_true(r->count < HEADERS);
    r->headers[r->count++] = (struct record_header){str_of(name), value};
}

static int32_t partition_of(struct es_world *w, const char *stream)
{
    return es_cat_partition(es_cat_find(w->es, STR_LIT("order")), str_of(stream));
}

/* Produces the row; *message: of the record that is refused. */
static enum err produce(struct es_world *w, const char *stream, struct row *r, struct arena *a,
                        struct str *message)
{
    struct engine_gate_item item;
    row_add(r, "leat-expected-version", STR_LIT("any"));
    const struct engine_record record = {.key = str_of(stream),
                                         .value = r->value,
                                         .headers = r->headers,
                                         .header_count = r->count,
                                         .timestamp_ms = 5};
    const enum err e = fake_engine_produce(w->engine, STR_LIT("es.order"), partition_of(w, stream),
                                           &record, 1, a, &item);
    es_world_settle(w);
    r->count--;
    *message = STR_NULL;
    if (e == ERR_INVALID_RECORD) {
        assert_int_equal(item.record_error_count, 1);
        *message = item.record_errors[0].message;
    }
    return e;
}

static void stream_done(struct es_read_stream *r)
{
    *(bool *)r->ctx = true;
}

/* Into arena `a`; to be released. */
static void stream_read(struct es_world *w, const char *stream, struct arena *a,
                        struct es_read_stream *r)
{
    bool done = false;
    *r = (struct es_read_stream){.stream = str_of(stream),
                                 .to = UINT64_MAX,
                                 .until_ns = INT64_MAX,
                                 .limit = 1000,
                                 .limit_bytes = 1 << 20,
                                 .arena = a,
                                 .done = stream_done,
                                 .ctx = &done};
    es_read_stream(w->es, r);
    es_world_settle(w);
    assert_true(done);
    if (r->problem != ES_OK) {
        fail_msg("%s: %s", stream, r->ec.text);
    }
}

static void all_done(struct es_read_all *r)
{
    *(bool *)r->ctx = true;
}

/* How many events of that type (null: of any) there are, by the index or by the records. */
static size_t count_of(struct es_world *w, struct str type, bool records)
{
    size_t n = 0;
    struct es_position after = {0, 0};
    for (bool more = true; more;) {
        struct arena a;
        bool done = false;
        arena_init(&a, 32 << 20);
        struct es_read_all r = {.filter = {.types = &type, .type_count = str_is_null(type) ? 0 : 1},
                                .after = after,
                                .limit = 50,
                                .limit_bytes = 1 << 20,
                                .scan_max = 1000,
                                .arena = &a,
                                .done = all_done,
                                .ctx = &done};
        if (records) {
            r.filter = (struct es_filter){0};
        }
        es_read_all(w->es, &r);
        es_world_settle(w);
        assert_true(done);
        assert_int_equal(r.problem, ES_OK);
        for (size_t i = 0; i < r.event_count; i++) {
            n += str_is_null(type) || str_eq(r.events[i].envelope.type, type);
        }
        more = r.more;
        after = r.next;
        es_read_all_release(w->es, &r);
        arena_deinit(&a);
    }
    return n;
}

static struct str repeated(struct arena *a, char c, size_t n)
{
    char *p = arena_alloc(a, n);
    memset(p, c, n);
    return str_make(p, n);
}

/* ---- What is refused ---- */

TEST(a_kafka_record_that_no_reader_could_read_is_refused_with_the_header_named)
{
    static const struct {
        const char *name, *value, *message;
    } rows[] = {
        {"ce_time", "yesterday", "ce_time: 'yesterday' is no RFC 3339 time"},
        {"CE_Time", "yesterday", "CE_Time: 'yesterday' is no RFC 3339 time"},
        {"ce_specversion", "0.3", "ce_specversion: only CloudEvents 1.0 is supported"},
        {"ce_source", "a\nb", "ce_source: 'a?b' has control characters or is no UTF-8"},
        {"ce_traceparent", "bad", "ce_traceparent: 'bad' is no W3C traceparent"},
        {"ce_color", "\xC3", "ce_color: is no UTF-8"},
        {"ce_color", "x\ny", "ce_color: has control characters"},
        {"ce_type", "a\tb", "ce_type: 'a?b' has control characters or is no UTF-8"},
        {"CE_ID", "", "CE_ID: must not be empty"},
        {"leat-meta", "oops", "leat-meta: is no JSON object"},
        {"leat-meta", "", "leat-meta: is no JSON object"},
        {"leat-meta", "[1]", "leat-meta: is no JSON object"},
        {"leat-meta", "{},\"revision\":99", "leat-meta: is no JSON object"},
        {"Leat-Meta", "oops", "leat-meta: is no JSON object"},
        {"leat-tag", "\xC3", "leat-tag: is no UTF-8"},
        {"LEAT-TAG", "", "leat-tag: 0 bytes; a tag has 1 to 256"},
        {"Leat-Expected-Version", "3", "leat-expected-version stands there twice"},
    };
    struct es_world w;
    struct arena a;
    struct str message;
    struct row row;
    es_world_init(&w, 1);
    arena_init(&a, 64 << 20);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        row_init(&row, "b", "T");
        row_add(&row, rows[i].name, str_of(rows[i].value));
        assert_int_equal(produce(&w, "order-1", &row, &a, &message), ERR_INVALID_RECORD);
        assert_string_equal(message.p, rows[i].message);
    }
    static const struct {
        const char *name;
        size_t n;
        const char *message;
    } lengths[] = {{"ce_subject", 257, "ce_subject: longer than 256 bytes"},
                   {"x-correlation-id", 129, "x-correlation-id: longer than 128 bytes"},
                   {"ce_id", 129, "ce_id: longer than 128 bytes"},
                   {"ce_type", 257, "ce_type: longer than 256 bytes"},
                   {"leat-tag", 257, "leat-tag: 257 bytes; a tag has 1 to 256"}};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        row_init(&row, "b", "T");
        row_add(&row, lengths[i].name, repeated(&a, 'x', lengths[i].n));
        assert_int_equal(produce(&w, "order-1", &row, &a, &message), ERR_INVALID_RECORD);
        assert_string_equal(message.p, lengths[i].message);
    }
    row_init(&row, "b", "T");
    for (int i = 0; i <= (int)ENVELOPE_OTHER_MAX; i++) {
        row_add(&row, arena_printf(&a, "ce_other%d", i).p, STR_LIT("x"));
    }
    assert_int_equal(produce(&w, "order-1", &row, &a, &message), ERR_INVALID_RECORD);
    assert_string_equal(message.p, "ce_other32: more than 32 extension attributes");
    row_init(&row, "b", NULL);
    row.value = STR_LIT("{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"T\",\"source\":\"/\"}");
    assert_int_equal(produce(&w, "order-1", &row, &a, &message), ERR_INVALID_RECORD);
    assert_string_equal(message.p, "ce_type: missing, or not of 1 to 256 bytes");
    row_init(&row, "b", "T");
    row_add(&row, "Content-Type", STR_LIT("application/json"));
    row.value = STR_LIT("plain");
    assert_int_equal(produce(&w, "order-1", &row, &a, &message), ERR_INVALID_RECORD);
    assert_string_equal(message.p, "value: is no JSON, which its content-type promises");
    /* Nothing of it is there. */
    assert_int_equal(count_of(&w, STR_NULL, true), 1);
    arena_deinit(&a);
    es_world_deinit(&w);
}

/* ---- What is accepted is read back ---- */

static uint64_t below(uint64_t *rng, uint64_t n)
{
    *rng ^= *rng << 13;
    *rng ^= *rng >> 7;
    *rng ^= *rng << 17;
    return (*rng >> 11) % n;
}

static const char *random_case(uint64_t *rng, struct arena *a, const char *name)
{
    char *out = (char *)(uintptr_t)arena_printf(a, "%s", name).p;
    for (size_t i = 0; below(rng, 3) == 0 && out[i] != 0; i++) {
        out[i] =
            below(rng, 2) == 0 && out[i] >= 'a' && out[i] <= 'z' ? (char)(out[i] - 32) : out[i];
    }
    return out;
}

static void row_random(struct row *r, uint64_t *rng, struct arena *a)
{
    static const char *const names[] = {"ce_id",          "ce_type",       "ce_specversion",
                                        "ce_time",        "ce_source",     "ce_subject",
                                        "ce_dataversion", "ce_dataschema", "ce_correlationid",
                                        "ce_causationid", "ce_tenantid",   "ce_tenant",
                                        "ce_traceparent", "ce_tracestate", "ce_datacontenttype",
                                        "ce_color",       "ce_",           "content-type",
                                        "traceparent",    "tracestate",    "correlation-id",
                                        "x-tenant-id",    "leat-meta",     "leat-tag",
                                        "leat-revision",  "leat-other",    "x-own"};
    static const char *const values[] = {
        "1.0",
        "a",
        "",
        "T.v3",
        "2026-02-11T14:00:00+02:00",
        "yesterday",
        "{\"a\":1}",
        "{}",
        "oops",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "k=v",
        "application/json",
        "text/plain",
        "a\x01",
        "\xC3\xA9",
        "\xC3",
        "7",
        "0.3",
        "\"quoted\"",
        "T.v1111111111111111111111111111111111111111111111111111111111111111111111111"};
    static const char *const data[] = {"{\"n\":1}", "[]", "plain", "{\"specversion\":\"1.0\"}", ""};
    row_init(r, below(rng, 3) > 0 ? arena_printf(a, "i%llu", (unsigned long long)*rng).p : NULL,
             below(rng, 8) > 0 ? "T" : NULL);
    for (uint64_t n = below(rng, 5); n > 0; n--) {
        const char *name = random_case(rng, a, names[below(rng, ARRAY_LEN(names))]);
        const uint64_t kind = below(rng, 12);
        row_add(r, name,
                kind == 0   ? STR_NULL
                : kind == 1 ? repeated(a, 'x', 60 + below(rng, 1100))
                            : str_of(values[below(rng, ARRAY_LEN(values))]));
    }
    r->value = str_of(data[below(rng, ARRAY_LEN(data))]);
}

static bool same_or_absent(struct str said, struct str got)
{
    return str_is_null(said) || str_eq(said, got);
}

/* The row as a record; its bytes are in *b. */
static void record_make(const struct row *row, struct str stream, struct buf *b, struct record *out)
{
    struct batch_builder builder;
    struct batch_spec spec;
    struct batch_header h;
    struct record_iter it;
    batch_spec_init(&spec);
    buf_init(b, 1 << 20);
    batch_builder_init(&builder, 1 << 20);
    assert_int_equal(
        batch_builder_append(&builder, 5, stream, row->value, row->headers, row->count), ERR_OK);
    assert_int_equal(batch_builder_finish(&builder, &spec, NULL, b, NULL), ERR_OK);
    batch_builder_deinit(&builder);
    assert_int_equal(batch_header_parse(b->p, b->n, &h, NULL), ERR_OK);
    assert_int_equal(record_iter_init(&it, &h, b->p, NULL, SIZE_MAX, NULL), ERR_OK);
    assert_true(record_next(&it, out));
}

/* The event as it is read agrees with what the record said when it was produced. */
static void check_event(const struct row *row, const struct es_event *e, struct arena *a)
{
    struct buf b;
    struct record r;
    struct envelope said;
    enum envelope_form form;
    struct str data;
    record_make(row, e->stream, &b, &r);
    assert_int_equal(envelope_read_record(&r, a, &said, &data, &form, NULL), ERR_OK);
    const struct envelope *got = &e->envelope;
    assert_true(same_or_absent(said.id, got->id) && got->id.n > 0);
    assert_true(same_or_absent(said.type, got->type) && got->type.n > 0);
    assert_true(same_or_absent(said.version, got->version));
    assert_true(same_or_absent(said.source, got->source) && got->source.n > 0);
    assert_true(same_or_absent(said.subject, got->subject) && got->subject.n > 0);
    assert_true(same_or_absent(said.correlation, got->correlation) && got->correlation.n > 0);
    assert_true(same_or_absent(said.causation, got->causation));
    assert_true(same_or_absent(said.traceparent, got->traceparent));
    assert_true(same_or_absent(said.tracestate, got->tracestate));
    assert_true(same_or_absent(said.tenant, got->tenant));
    assert_true(same_or_absent(said.content_type, got->content_type));
    assert_true(same_or_absent(said.data_schema, got->data_schema));
    assert_true(got->time_ns == (said.time_ns == INT64_MIN ? 5000000 : said.time_ns));
    assert_int_equal(said.other_count, got->other_count);
    for (size_t i = 0; i < said.other_count; i++) {
        assert_true(str_eq(said.other[i].name, got->other[i].name));
        assert_true(str_eq(said.other[i].value, got->other[i].value));
    }
    assert_true(str_eq(e->data, row->value));
    const bool json = str_eq_z(got->content_type, "application/json");
    assert_true(json ? row->value.n == 0 || json_valid(row->value)
                     : !str_is_null(said.content_type) || !json_valid(row->value));
    assert_true(str_is_null(e->meta) || json_valid(e->meta));
    buf_deinit(&b);
}

TEST(whatever_the_gate_takes_is_read_back_whole)
{
    /* Promise: of many records with headers in any case, twice, empty, too long, malformed,
     * each that is accepted is an event without anything left out, under its type in the index,
     * too, and its id is known. */
    enum { TRIES = 1500 };
    struct es_world w;
    uint64_t rng = 0x9e3779b97f4a7c15u;
    size_t accepted = 0, refused = 0;
    es_world_init(&w, 2);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    for (int i = 0; i < TRIES; i++) {
        struct arena a;
        struct row row;
        struct str message;
        struct es_read_stream read;
        const uint64_t seed = rng;
        arena_init(&a, 64 << 20);
        row_random(&row, &rng, &a);
        char stream[32];
        snprintf(stream, sizeof(stream), "order-%d", 2 + i);
        const enum err e = produce(&w, stream, &row, &a, &message);
        if (e == ERR_INVALID_RECORD) {
            assert_true(message.n > 0);
            refused++;
            arena_deinit(&a);
            continue;
        }
        assert_int_equal(e, ERR_OK);
        accepted++;
        stream_read(&w, stream, &a, &read);
        if (read.event_count != 1 || !str_is_null(read.events[0].metadata_error)) {
            fail_msg("seed %llx: %zu events, %s", (unsigned long long)seed, read.event_count,
                     read.event_count == 0 ? "" : read.events[0].metadata_error.p);
        }
        check_event(&row, &read.events[0], &a);
        if (i % 50 == 0) { /* by the index: under the type that is shown */
            const struct str type = read.events[0].envelope.type;
            assert_true(count_of(&w, type, false) > 0);
            assert_int_equal(count_of(&w, type, false), count_of(&w, type, true));
        }
        /* The id that is shown is the one that is known. */
        struct row again = row;
        row_add(&again, "ce_id", arena_str(&a, read.events[0].envelope.id));
        assert_int_equal(produce(&w, stream, &again, &a, &message), ERR_DUPLICATE_SEQUENCE_NUMBER);
        es_read_stream_release(w.es, &read);
        arena_deinit(&a);
    }
    assert_true(accepted > TRIES / 8 && refused > TRIES / 8);
    const size_t all = count_of(&w, STR_NULL, true);
    assert_int_equal(all, accepted + 1);
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_int_equal(count_of(&w, STR_NULL, true), all);
    es_world_deinit(&w);
}

/* ---- What an earlier build let pass ---- */

static void on_appended(struct engine_append *a)
{
    *(bool *)a->ctx = true;
}

static void write_raw(struct es_world *w, const char *stream, const struct row *row)
{
    bool done = false;
    struct engine_record r = {.key = str_of(stream),
                              .value = row->value,
                              .headers = row->headers,
                              .header_count = row->count,
                              .timestamp_ms = 5};
    struct engine_part part = {.topic = STR_LIT("es.order"),
                               .partition = partition_of(w, stream),
                               .records = &r,
                               .count = 1};
    struct engine_append a = {.parts = &part, .part_count = 1, .done = on_appended, .ctx = &done};
    engine_append(w->engine, &a);
    es_world_settle(w);
    assert_true(done);
    assert_int_equal(a.err, ERR_OK);
}

static void list_done(struct es_stream_list *l)
{
    *(bool *)l->ctx = true;
}

static size_t streams(struct es_world *w)
{
    bool done = false;
    struct es_stream_list l = {.prefix = STR_LIT("order"),
                               .limit = 100,
                               .arena = &w->arena,
                               .done = list_done,
                               .ctx = &done};
    es_stream_list(w->es, &l);
    es_world_settle(w);
    assert_true(done);
    assert_int_equal(l.problem, ES_OK);
    return l.count;
}

TEST(a_malformed_record_of_an_older_log_is_shown_as_far_as_it_can_be_read)
{
    /* Promise: nothing fails for it, its revision is taken, what is malformed is left out and said.
     */
    static const struct {
        const char *name, *value, *error;
    } rows[] = {
        {"ce_time", "yesterday", "ce_time: 'yesterday' is no RFC 3339 time"},
        {"ce_specversion", "0.3", "ce_specversion: only CloudEvents 1.0 is supported"},
        {"ce_source", "a\nb", "ce_source: 'a?b' has control characters or is no UTF-8"},
        {"ce_type", "T\n", "ce_type: 'T?' has control characters or is no UTF-8"},
        {"leat-meta", "oops", "leat-meta: is no JSON object"},
        {"leat-meta", "{},\"revision\":99", "leat-meta: is no JSON object"},
        {"CE_ID", "", "CE_ID: must not be empty"},
    };
    struct es_world w;
    struct row row;
    struct es_read_stream read;
    struct arena a;
    char id[16], revision[16], expected[16], said[32];
    es_world_init(&w, 3);
    arena_init(&a, 64 << 20);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(id, sizeof(id), "b%zu", i);
        snprintf(revision, sizeof(revision), "%zu", i);
        row_init(&row, arena_printf(&a, "%s", id).p, "T");
        row_add(&row, "ce_subject", STR_LIT("it"));
        row_add(&row, "leat-tag", STR_LIT("red"));
        row_add(&row, rows[i].name, str_of(rows[i].value));
        row_add(&row, "leat-revision", str_of(revision));
        write_raw(&w, "order-2", &row);
    }
    row_init(&row, "first", "T"); /* the list of streams reads this one */
    row_add(&row, "ce_time", STR_LIT("never"));
    row_add(&row, "leat-revision", STR_LIT("0"));
    write_raw(&w, "order-3", &row);
    es_world_restart(&w, ES_WORLD_REBUILD);
    stream_read(&w, "order-2", &a, &read);
    assert_int_equal(read.event_count, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct es_event *e = &read.events[i];
        assert_string_equal(e->metadata_error.p, rows[i].error);
        assert_int_equal(e->revision, i);
        assert_true(str_eq_z(e->envelope.type, i == 3 ? "T\n" : "T"));
        assert_true(e->envelope.id.n == 2 && str_eq_z(e->envelope.subject, "it"));
        assert_true(str_is_null(e->meta) && e->envelope.time_ns == INT64_MIN);
        assert_int_equal(e->tag_count, 1);
        assert_true(str_eq_z(e->data, "{\"n\":1}"));
    }
    es_read_stream_release(w.es, &read);
    const size_t all = ARRAY_LEN(rows) + 2;
    assert_int_equal(count_of(&w, STR_NULL, true), all);
    assert_int_equal(count_of(&w, STR_LIT("T"), false), all - 2); /* not T\n and that of "a" */
    assert_int_equal(count_of(&w, STR_LIT("T\n"), false), 1);
    assert_int_equal(streams(&w), 3);
    snprintf(expected, sizeof(expected), "%zu", ARRAY_LEN(rows) - 1);
    snprintf(said, sizeof(said), "ok %zu-%zu", ARRAY_LEN(rows), ARRAY_LEN(rows));
    assert_string_equal(es_world_append(&w, "order-2", expected, "next"), said);
    arena_deinit(&a);
    es_world_deinit(&w);
}

TEST(headers_in_other_case_or_twice_mean_the_same_to_index_and_readers)
{
    /* Promise: the last one counts for both, also of an older log, where both are still there. */
    struct es_world w;
    struct row row;
    struct str message;
    struct es_read_stream read;
    struct arena a;
    es_world_init(&w, 4);
    arena_init(&a, 64 << 20);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    for (int i = 0; i < 2; i++) {
        const char *stream = i == 0 ? "order-2" : "order-3";
        row_init(&row, "i1", "Low");
        row_add(&row, "CE_TYPE", STR_LIT("Up"));
        row_add(&row, "Ce_Id", STR_LIT("i2"));
        row_add(&row, "LEAT-TAG", STR_LIT("red"));
        row_add(&row, "Leat-Meta", STR_LIT("{\"by\":\"me\"}"));
        if (i == 0) {
            assert_int_equal(produce(&w, stream, &row, &a, &message), ERR_OK);
        } else {
            row_add(&row, "leat-revision", STR_LIT("0"));
            write_raw(&w, stream, &row);
            es_world_restart(&w, ES_WORLD_REBUILD);
        }
        stream_read(&w, stream, &a, &read);
        assert_int_equal(read.event_count, 1);
        assert_true(str_eq_z(read.events[0].envelope.type, "Up"));
        assert_true(str_eq_z(read.events[0].envelope.id, "i2"));
        assert_true(str_eq_z(read.events[0].meta, "{\"by\":\"me\"}"));
        assert_int_equal(read.events[0].tag_count, 1);
        es_read_stream_release(w.es, &read);
        assert_int_equal(count_of(&w, STR_LIT("Low"), false), 0);
        assert_int_equal(count_of(&w, STR_LIT("Up"), false), 2 * i + 1);
        row_init(&row, "i1", "Up");
        assert_int_equal(produce(&w, stream, &row, &a, &message), ERR_OK);
        row_init(&row, "i2", "Other");
        assert_int_equal(produce(&w, stream, &row, &a, &message), ERR_INVALID_RECORD);
        assert_true(str_starts(message, "event-id-reused"));
        es_world_restart(&w, ES_WORLD_REBUILD);
        assert_int_equal(count_of(&w, STR_LIT("Up"), false), 2 * (i + 1));
    }
    arena_deinit(&a);
    es_world_deinit(&w);
}

static enum err read_twice(void *ctx)
{
    const struct record *r = ctx;
    const struct es_record_place place = {.topic = STR_LIT("es.order")};
    const struct envelope *envelope;
    struct es_view v;
    struct es_event e;
    struct arena a;
    struct ectx ec = {.code = ERR_OK};
    arena_init(&a, 1 << 20);
    enum err err = es_gate_record_read(r, &a, &v, &envelope, &ec);
    err = err == ERR_OK ? es_record_read(r, &place, &a, &e, &ec) : err;
    assert_true(err != ERR_OK || (str_eq_z(e.meta, "{\"by\":\"me\"}") && e.tag_count == 1 &&
                                  str_is_null(e.metadata_error)));
    arena_deinit(&a);
    return err;
}

TEST(without_memory_a_record_is_neither_refused_nor_shown_as_malformed)
{
    struct row row;
    struct buf b;
    struct record r;
    row_init(&row, "i1", "T");
    row_add(&row, "leat-revision", STR_LIT("0"));
    row_add(&row, "leat-tag", STR_LIT("red"));
    row_add(&row, "leat-meta", STR_LIT("{\"by\":\"me\"}"));
    record_make(&row, STR_LIT("order-1"), &b, &r);
    test_each_failing_alloc(read_twice, &r);
    buf_deinit(&b);
}
