/*
 * Events from plain Kafka clients: a produced batch for an es.* topic passes here before it gets
 * its offset. Each stream's first record in it says what it expects (leat-expected-version); then
 * the same rules hold as for the API's appends. All of the batch is stored or none of it: one
 * conflict refuses it, and the answer names each record at fault.
 *
 * What is stored is the batch with leat-revision in each record, and a ce_id where there was none.
 * A retry of what is there already is answered DUPLICATE_SEQUENCE_NUMBER, which producers take as
 * done.
 *
 * A batch that has to wait (ERR_AGAIN) is checked again as if it were new, and may never come back;
 * so the op is ours, with a copy of the batch, found again by its bytes, and forgotten after a
 * while.
 */
#include <stdio.h>

#include "core/mem.h"
#include "es/write.h"
#include "record/builder.h"

#define GATE_ARENA     (256u << 20)
#define GATE_BYTES_MAX (64u << 20)  /* of batches that wait */
#define GATE_KEEP_NS   15000000000u /* longer than the broker lets a produce request wait */

struct gate_op {
    struct es_wop op; /* first */
    struct list link; /* writer.gates: of those that wait to be asked again */
    uint64_t since_ns;
    struct str topic;
    int32_t partition;
    struct str batch;
    size_t bytes; /* of it, in writer.gate_bytes */
    struct arena arena;
    struct batch_header header;
    struct record *records;
    struct es_expected *expected; /* of each record, if it says one */
    bool *says;
    struct es_plan plan;
    bool planned;
    bool waited; /* for what it was decided on to be durable */
};

static void gate_free(struct gate_op *g)
{
    list_remove(&g->link);
    if (g->planned) {
        es_plan_end(&g->plan);
    }
    g->op.es->writer->gate_bytes -= g->bytes;
    es_wop_end(&g->op);
    arena_deinit(&g->arena);
    mem_free(g);
}

static void gate_fail(struct es_wop *op, enum es_problem p, const struct ectx *ec)
{
    (void)p;
    (void)ec; /* who asks again is told why */
    gate_free((struct gate_op *)(void *)op);
}

static void gate_run(struct es_wop *op)
{
    engine_gate_retry(op->es->engine);
}

static void told_gate(struct es_flight_wait *w)
{
    struct gate_op *g = CONTAINER_OF(w, struct gate_op, op.flight_wait);
    g->waited = true;
    gate_run(&g->op);
}

/* ---- Refusing
 * ---------------------------------------------------------------------------------------- */

static void refuse_record(struct engine_gate_item *item, size_t index, struct str message)
{
    size_t n = item->record_error_count;
    if (item->record_errors != NULL && !str_is_null(message)) {
        item->record_errors[n].index = (int32_t)index;
        item->record_errors[n].message = message;
        item->record_error_count++;
    }
}

/* ERR_INVALID_RECORD. The first record's message is the batch's, too. */
static enum err refuse(struct engine_gate_item *item, struct ectx *ec)
{
    item->error = item->record_error_count > 0
                      ? item->record_errors[0].message
                      : STR_LIT("the batch was refused by the event store");
    return ectx_fail(ec, ERR_INVALID_RECORD, "%.*s", STR(item->error));
}

static enum err refuse_one(struct engine_gate_item *item, size_t index, const char *what,
                           struct ectx *ec)
{
    refuse_record(item, index, arena_printf(item->arena, "%s", what));
    return refuse(item, ec);
}

/* ---- Reading the batch
 * ---------------------------------------------------------------------------------- */

static enum err take_record(struct gate_op *g, size_t i, struct ectx *ec)
{
    struct es_view v;
    struct es_plan_event *x = &g->plan.events[i];
    enum err e = es_view_read(&g->records[i], &v, ec);
    if (e == ERR_OK) {
        e = es_plan_stream(&g->plan, v.stream, &x->stream, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    struct str *tags = arena_new_n(&g->arena, struct str, v.tag_count + 1);
    if (tags == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(tags, v.tags, v.tag_count * sizeof(*tags));
    x->id = v.id;
    x->type = v.type;
    x->data = v.data;
    x->meta = v.meta;
    x->tags = tags;
    x->tag_count = v.tag_count;
    g->says[i] = !str_is_null(v.expected);
    if (g->says[i] && !es_expected_parse(v.expected, &g->expected[i])) {
        return ectx_fail(ec, ERR_MALFORMED,
                         ES_HEADER_EXPECTED
                         ": '%.*s' is none of no_stream, exists, any, a revision",
                         v.expected.n > 32 ? 32 : (int)v.expected.n, v.expected.p);
    }
    if (v.data.n + v.meta.n > g->op.es->event_max_bytes) {
        return ectx_fail(ec, ERR_MALFORMED, "the event has %zu bytes; an event has at most %zu",
                         v.data.n + v.meta.n, g->op.es->event_max_bytes);
    }
    es_plan_event(&g->plan, i);
    const struct es_cat *cat = es_cat_of_topic(g->op.es, g->topic);
    const struct es_plan_stream *s = &g->plan.streams[x->stream];
    if (cat == NULL || !str_eq(s->category, cat->name)) {
        return ectx_fail(ec, ERR_MALFORMED, "stream '%.*s' is not of topic '%.*s', but of es.%.*s",
                         STR(s->name), STR(g->topic), STR(s->category));
    }
    if (es_cat_partition(cat, s->name) != g->partition) {
        return ectx_fail(ec, ERR_MALFORMED,
                         "stream '%.*s' belongs into partition %d (murmur2 of the key), not %d",
                         STR(s->name), es_cat_partition(cat, s->name), g->partition);
    }
    if (s->first_event == i && !g->says[i]) {
        return ectx_fail(ec, ERR_MALFORMED,
                         "the first record of stream '%.*s' has no header " ES_HEADER_EXPECTED,
                         STR(s->name));
    }
    return ERR_OK;
}

/* The whole batch into the op. ERR_INVALID_RECORD: refused, with the records at fault. */
static enum err read_batch(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec)
{
    struct record_iter it;
    struct record_scratch *scratch = &g->op.es->writer->scratch;
    const uint8_t *p = (const uint8_t *)g->batch.p;
    enum err e = batch_header_parse(p, g->batch.n, &g->header, ec);
    if (e == ERR_OK) {
        e = record_iter_init(&it, &g->header, p, scratch, RECORD_DECOMPRESSED_MAX, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    size_t count = (size_t)g->header.record_count;
    if (count > ES_EVENTS_MAX) {
        return refuse_one(item, 0, "a batch has at most 10000 events", ec);
    }
    if (batch_codec(&g->header) != RECORD_CODEC_NONE) {
        /* The scratch is used again: its records move into the arena. */
        struct str plain = arena_str(&g->arena, str_make(it.p, (size_t)(it.end - it.p)));
        if (str_is_null(plain)) {
            return ERR_NO_MEMORY;
        }
        it.p = (const uint8_t *)plain.p;
        it.end = it.p + plain.n;
    }
    g->records = arena_new_n(&g->arena, struct record, count + 1);
    g->expected = arena_new_n(&g->arena, struct es_expected, count + 1);
    g->says = arena_new_n(&g->arena, bool, count + 1);
    struct es_rule_expectation *x = arena_new_n(&g->arena, struct es_rule_expectation, count + 1);
    if (g->records == NULL || g->expected == NULL || g->says == NULL || x == NULL ||
        es_plan_init(&g->plan, &g->op, count, 0) != ERR_OK) {
        return ERR_NO_MEMORY;
    }
    g->planned = true;
    for (size_t i = 0; i < count && record_next(&it, &g->records[i]); i++) {
        struct ectx why = {.code = ERR_OK};
        e = take_record(g, i, &why);
        if (e == ERR_NO_MEMORY) {
            return e;
        }
        if (e != ERR_OK) {
            refuse_record(item, i, arena_printf(item->arena, "%s", why.text));
        }
    }
    e = record_iter_end(&it, ec);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < g->plan.stream_count; i++) {
        x[i] =
            (struct es_rule_expectation){(uint32_t)i, g->expected[g->plan.streams[i].first_event]};
    }
    g->plan.rules.expectations = x;
    g->plan.rules.expectation_count = g->plan.stream_count;
    size_t first;
    size_t second;
    if (item->record_error_count == 0 && es_plan_same_ids(&g->plan, &first, &second)) {
        refuse_record(item, second, STR_LIT("its ce_id is that of a record before it"));
    }
    return item->record_error_count > 0 ? refuse(item, ec) : ERR_OK;
}

/* ---- The batch that is stored
 * -------------------------------------------------------------------------- */

static enum err put_record(struct gate_op *g, struct batch_builder *b, size_t i,
                           struct record_header *headers)
{
    const struct record *r = &g->records[i];
    const struct es_plan_event *x = &g->plan.events[i];
    struct slice in = r->headers;
    size_t n = 0;
    bool has_id = false;
    char revision[24];
    while (record_header_next(&in, &headers[n])) {
        if (str_eq_z(headers[n].key, ES_HEADER_REVISION) ||
            str_eq_z(headers[n].key, ES_HEADER_EXPECTED) ||
            (str_eq_z(headers[n].key, "ce_id") && str_is_null(headers[n].value))) {
            continue;
        }
        has_id |= str_eq_z(headers[n].key, "ce_id");
        n++;
    }
    if (!has_id) {
        headers[n++] = (struct record_header){STR_LIT("ce_id"), x->id};
    }
    int length = snprintf(revision, sizeof(revision), "%llu", (unsigned long long)x->revision);
    headers[n++] =
        (struct record_header){STR_LIT(ES_HEADER_REVISION), str_make(revision, (size_t)length)};
    return batch_builder_append(b, r->timestamp, r->key, r->value, headers, n);
}

static enum err build(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec)
{
    struct batch_builder b;
    struct batch_spec spec;
    struct buf out;
    int32_t most = 0;
    for (size_t i = 0; i < g->plan.event_count; i++) {
        most = g->records[i].header_count > most ? g->records[i].header_count : most;
    }
    struct record_header *headers = mem_zalloc((size_t)most + 3, sizeof(struct record_header));
    batch_spec_init(&spec);
    spec.producer_id = g->header.producer_id;
    spec.producer_epoch = g->header.producer_epoch;
    spec.base_sequence = g->header.base_sequence;
    spec.transactional = batch_is_transactional(&g->header);
    buf_init(&out, engine_append_max_bytes(g->op.es->engine));
    batch_builder_init(&b, out.max);
    enum err e = headers == NULL ? ERR_NO_MEMORY : ERR_OK;
    for (size_t i = 0; i < g->plan.event_count && e == ERR_OK; i++) {
        e = put_record(g, &b, i, headers);
    }
    if (e == ERR_OK) {
        e = batch_builder_finish(&b, &spec, NULL, &out, ec);
    }
    if (e == ERR_OK) {
        item->replacement = arena_str(item->arena, buf_str(&out));
        e = str_is_null(item->replacement) ? ERR_NO_MEMORY : ERR_OK;
    }
    batch_builder_deinit(&b);
    buf_deinit(&out);
    mem_free(headers);
    if (e == ERR_LIMIT) {
        return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE, "the batch is too large with its revisions");
    }
    return e == ERR_NO_MEMORY ? ectx_fail(ec, e, "no memory for the batch") : e;
}

/* ---- The verdict
 * ------------------------------------------------------------------------------------- */

static struct str said(struct arena *a, const struct es_expected *e)
{
    static const char *const names[] = {"any", "no_stream", "exists"};
    return e->kind == ES_REVISION ? arena_printf(a, "%llu", (unsigned long long)e->revision)
                                  : str_of(names[e->kind]);
}

static void conflict(struct engine_gate_item *item, size_t record, const struct es_plan_stream *s,
                     const struct es_expected *expected, bool exists, uint64_t actual)
{
    struct str e = said(item->arena, expected);
    struct str message;
    if (exists) {
        message = arena_printf(
            item->arena, "revision-conflict: stream '%.*s' is at revision %llu, expected %.*s",
            STR(s->name), (unsigned long long)actual, STR(e));
    } else {
        message =
            arena_printf(item->arena, "revision-conflict: there is no stream '%.*s', expected %.*s",
                         STR(s->name), STR(e));
    }
    refuse_record(item, record, message);
}

static enum err refuse_conflicts(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec)
{
    for (size_t i = 0; i < g->plan.stream_count; i++) {
        const struct es_plan_stream *s = &g->plan.streams[i];
        const struct es_rule_stream *r = &g->plan.rules.streams[i];
        const struct es_expected *x = &g->expected[s->first_event];
        enum es_state now = es_state_now(&r->status, r->has_events, r->head);
        if (!es_rules_hold(x, r)) {
            conflict(item, s->first_event, s, x, now == ES_ACTIVE && r->has_events, r->head);
        }
    }
    return refuse(item, ec);
}

/* What later records of a stream expect is of the events before them in the batch. */
static enum err check_later(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec)
{
    for (size_t i = 0; i < g->plan.event_count; i++) {
        const struct es_plan_event *x = &g->plan.events[i];
        const struct es_plan_stream *s = &g->plan.streams[x->stream];
        const struct es_expected *e = &g->expected[i];
        if (g->says[i] && i != s->first_event &&
            (e->kind == ES_NO_STREAM ||
             (e->kind == ES_REVISION && e->revision + 1 != x->revision))) {
            conflict(item, i, s, e, true, x->revision - 1);
        }
    }
    return item->record_error_count > 0 ? refuse(item, ec) : ERR_OK;
}

static enum err refuse_id(struct gate_op *g, struct engine_gate_item *item, const char *code,
                          size_t culprit, struct ectx *ec)
{
    struct str message = arena_printf(
        item->arena, "%s: id '%.*s' is that of revision %llu of stream '%.*s'", code,
        STR(g->plan.events[culprit].id), (unsigned long long)g->plan.rules_events[culprit].revision,
        STR(g->plan.streams[g->plan.events[culprit].stream].name));
    refuse_record(item, culprit, message);
    return refuse(item, ec);
}

static enum err admit(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec)
{
    struct es_flight *f = es_plan_flight(&g->plan, 0);
    if (f == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the batch");
    }
    enum err e = check_later(g, item, ec);
    if (e == ERR_OK) {
        e = build(g, item, ec);
    }
    if (e == ERR_OK && es_flight_enter(f) != ERR_OK) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "no memory for the batch");
    }
    if (e != ERR_OK) {
        es_flight_drop(f);
        return e;
    }
    g->op.flight = f;
    item->internal = g;
    return ERR_OK;
}

/* ERR_OK: it is entered. Otherwise the op is no longer needed, unless it is ERR_AGAIN. */
static enum err judge(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec)
{
    size_t culprit;
    enum err e = es_plan_look(&g->plan, ec);
    if (e != ERR_OK) {
        return e;
    }
    enum es_ruling ruling = es_rules_judge(&g->plan.rules, &culprit);
    /* What it is refused for is durable before that is told: once, as there is always something in
     * flight of a busy stream. */
    struct es_flight *f = ruling == ES_RULE_ORIGINAL ? g->plan.newest_id : g->plan.newest;
    if (ruling != ES_RULE_APPEND && f != NULL && (!g->waited || ruling == ES_RULE_ORIGINAL)) {
        list_remove(&g->op.flight_wait.link);
        es_wop_wait_flight(&g->op, f, told_gate);
        return ERR_AGAIN;
    }
    switch (ruling) {
    case ES_RULE_APPEND:
        return admit(g, item, ec);
    case ES_RULE_ORIGINAL:
        item->error = STR_LIT("the events are there already");
        return ectx_fail(ec, ERR_DUPLICATE_SEQUENCE_NUMBER, "the events are there already");
    case ES_RULE_CONFLICT:
        return refuse_conflicts(g, item, ec);
    case ES_RULE_REUSED:
        return refuse_id(g, item, "event-id-reused", culprit, ec);
    case ES_RULE_PARTIAL:
        return refuse_id(g, item, "partial-duplicate", culprit, ec);
    case ES_RULE_TOMBSTONED:
        return refuse_one(item, culprit, "stream-tombstoned: the stream was deleted for ever", ec);
    }
    return ERR_INVALID_RECORD;
}

/* ---- What the engine calls
 * ---------------------------------------------------------------------------- */

static struct gate_op *gate_find(struct es_writer *w, const struct engine_gate_item *item)
{
    LIST_FOR_EACH (l, tmp, &w->gates) {
        struct gate_op *g = CONTAINER_OF(l, struct gate_op, link);
        if (g->partition == item->partition && str_eq(g->topic, item->topic) &&
            str_eq(g->batch, item->batch)) {
            return g;
        }
    }
    return NULL;
}

static enum err gate_new(struct es *es, struct engine_gate_item *item, struct gate_op **out,
                         struct ectx *ec)
{
    struct gate_op *g = mem_new(struct gate_op);
    if (g == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the batch");
    }
    if (es->writer->gate_bytes > GATE_BYTES_MAX ||
        es_wop_init(&g->op, es, ES_WOP_GATE, &g->arena, ec) != ES_OK) {
        mem_free(g);
        es->writer->gate_again = true; /* at the next tick */
        return ERR_AGAIN;
    }
    es->writer->gate_bytes += item->batch.n;
    g->bytes = item->batch.n;
    arena_init(&g->arena, GATE_ARENA);
    list_init(&g->link);
    g->op.run = gate_run;
    g->op.fail = gate_fail;
    g->since_ns = env_mono_ns(es->env);
    g->topic = arena_str(&g->arena, item->topic);
    g->partition = item->partition;
    g->batch = arena_str(&g->arena, item->batch);
    enum err e =
        str_is_null(g->topic) || str_is_null(g->batch) ? ERR_NO_MEMORY : read_batch(g, item, ec);
    if (e != ERR_OK) {
        gate_free(g);
        return e == ERR_NO_MEMORY ? ectx_fail(ec, e, "no memory for the batch") : e;
    }
    *out = g;
    return ERR_OK;
}

/* For each record, and one more for a pair of same ids. Without memory records are not named. */
static void errors_room(struct engine_gate_item *item)
{
    struct batch_header h;
    size_t count = 0;
    if (batch_header_parse((const uint8_t *)item->batch.p, item->batch.n, &h, NULL) == ERR_OK) {
        count = (size_t)h.record_count < ES_EVENTS_MAX ? (size_t)h.record_count : ES_EVENTS_MAX;
    }
    item->record_error_count = 0;
    item->record_errors = arena_array(item->arena, count + 2, sizeof(*item->record_errors));
}

static enum err gate_check(void *ctx, struct engine_gate_item *item, struct ectx *ec)
{
    struct es *es = ctx;
    item->internal = NULL;
    if (es->failure.code != ERR_OK || es->life == ES_STOPPED) {
        return ectx_fail(ec, ERR_KAFKA_STORAGE_ERROR, "the event store has stopped");
    }
    if (es->life != ES_READY || !index_ready(es->index)) {
        es->writer->gate_again = true;
        return ERR_AGAIN;
    }
    errors_room(item);
    struct gate_op *g = gate_find(es->writer, item);
    enum err e = ERR_OK;
    if (g == NULL) {
        e = gate_new(es, item, &g, ec);
    }
    if (e != ERR_OK || g == NULL) {
        return e;
    }
    CHECK(g != NULL);
    list_remove(&g->link);
    if (g->op.pending > 0) {
        list_push_back(&es->writer->gates, &g->link); /* it is told when there is an answer */
        return ERR_AGAIN;
    }
    e = judge(g, item, ec);
    if (e == ERR_AGAIN) {
        list_push_back(&es->writer->gates, &g->link);
    } else if (e != ERR_OK) {
        gate_free(g);
    }
    return e;
}

/* From here it is a flight like any other. */
static void gate_sequenced(void *ctx, struct engine_gate_item *item, int64_t base_offset)
{
    struct gate_op *g = item->internal;
    struct es_flight *f = g->op.flight;
    (void)ctx;
    f->parts[0].base_offset = base_offset;
    es_flight_sequenced(f);
    item->internal = f;
    gate_free(g);
}

static void gate_durable(void *ctx, struct engine_gate_item *item, uint64_t position)
{
    struct es_flight *f = item->internal;
    (void)ctx;
    f->parts[0].position = position;
    es_flight_ended(f, ERR_OK, NULL);
}

static void gate_dropped(void *ctx, struct engine_gate_item *item)
{
    struct gate_op *g = item->internal;
    (void)ctx;
    es_flight_drop(g->op.flight);
    gate_free(g);
}

static bool gate_guards(void *ctx, struct str topic)
{
    (void)ctx;
    return str_starts(topic, ES_TOPIC_PREFIX);
}

static enum err gate_change(void *ctx, struct str topic, const char *what, struct str setting,
                            struct ectx *ec)
{
    static const char *const kept[] = {"retention.ms", "retention.bytes", "cleanup.policy",
                                       "leat.durability", "compression.type"};
    (void)ctx;
    if (strcmp(what, "change") != 0) {
        return ectx_fail(ec, ERR_POLICY_VIOLATION,
                         "'%.*s' holds streams of the event store, which keeps all of them: %s is "
                         "not for clients",
                         STR(topic), what);
    }
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        if (str_eq_z(setting, kept[i])) {
            return ectx_fail(ec, ERR_POLICY_VIOLATION,
                             "'%.*s' holds streams of the event store, which keeps all of them: %s "
                             "cannot be changed",
                             STR(topic), kept[i]);
        }
    }
    return ERR_OK;
}

void es_gate_open(struct es *es)
{
    const struct engine_gate gate = {es,           gate_guards,  gate_check, gate_sequenced,
                                     gate_durable, gate_dropped, gate_change};
    if (engine_capabilities(es->engine) & ENGINE_GATE) {
        engine_gate_set(es->engine, &gate);
        es->gated = true;
    }
}

void es_gate_close(struct es *es)
{
    if (es->gated) {
        engine_gate_set(es->engine, NULL);
        es->gated = false;
    }
}

void es_gate_tick(struct es *es)
{
    struct es_writer *w = es->writer;
    uint64_t now = env_mono_ns(es->env);
    LIST_FOR_EACH (l, tmp, &w->gates) {
        struct gate_op *g = CONTAINER_OF(l, struct gate_op, link);
        if (now - g->since_ns > GATE_KEEP_NS) {
            gate_free(g); /* it did not come back */
        }
    }
    if (w->gate_again && es->life == ES_READY) {
        w->gate_again = false;
        engine_gate_retry(es->engine);
    }
}
