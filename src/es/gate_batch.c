/* Batches that Kafka clients produce to es.* topics: read, and built again with their revisions. */
#include "core/mem.h"
#include "es/gate.h"
#include "record/builder.h"

/* ---- Refusing
 * ---------------------------------------------------------------------------------------- */

void es_gate_refuse_record(struct engine_gate_item *item, size_t index, struct str message)
{
    size_t n = item->record_error_count;
    if (item->record_errors != NULL && !str_is_null(message)) {
        item->record_errors[n].index = (int32_t)index;
        item->record_errors[n].message = message;
        item->record_error_count++;
    }
}

enum err es_gate_refuse(struct engine_gate_item *item, struct ectx *ec)
{
    item->error = item->record_error_count > 0
                      ? item->record_errors[0].message
                      : STR_LIT("the batch was refused by the event store");
    return ectx_fail(ec, ERR_INVALID_RECORD, "%.*s", STR(item->error));
}

enum err es_gate_refuse_one(struct engine_gate_item *item, size_t index, const char *what,
                            struct ectx *ec)
{
    es_gate_refuse_record(item, index, arena_printf(item->arena, "%s", what));
    return es_gate_refuse(item, ec);
}

/* ---- Reading the batch
 * ---------------------------------------------------------------------------------- */

static enum err take_record(struct gate_op *g, size_t i, struct ectx *ec)
{
    struct es_view v;
    struct es_plan_event *x = &g->plan.events[i];
    enum err e = es_gate_record_read(&g->records[i], &g->arena, &v, &g->envelopes[i], ec);
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

enum err es_gate_read(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec)
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
        return es_gate_refuse_one(item, 0, "a batch has at most 10000 events", ec);
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
    g->envelopes = arena_new_n(&g->arena, const struct envelope *, count + 1);
    if (g->records == NULL || g->expected == NULL || g->says == NULL || x == NULL ||
        g->envelopes == NULL || es_plan_init(&g->plan, &g->op, count, 0) != ERR_OK) {
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
            es_gate_refuse_record(item, i, arena_printf(item->arena, "%s", why.text));
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
    e = item->record_error_count == 0 ? es_plan_same_ids(&g->plan, &first, &second) : ERR_OK;
    if (e == ERR_NO_MEMORY) {
        return e;
    }
    if (e != ERR_OK) {
        es_gate_refuse_record(item, second, STR_LIT("its ce_id is that of a record before it"));
    }
    return item->record_error_count > 0 ? es_gate_refuse(item, ec) : ERR_OK;
}

/* ---- The batch that is stored
 * -------------------------------------------------------------------------- */

/* Not its attributes: the mark of what was erased is the event store's alone. Nor its time, which
 * ce_time keeps: that of a record is when it was appended, so that the times of a partition go up
 * (young.c), whatever the clocks of its producers say. */
static enum err put_record(struct gate_op *g, struct batch_builder *b, size_t i, int64_t now_ms,
                           struct record_header *headers)
{
    const struct record *r = &g->records[i];
    const size_t n = es_gate_record_headers(g, i, headers);
    return n == 0 ? ERR_NO_MEMORY : batch_builder_append(b, now_ms, r->key, r->value, headers, n);
}

enum err es_gate_build(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec)
{
    struct batch_builder b;
    struct batch_spec spec;
    struct buf out;
    const int64_t now_ms = env_wall_ms(g->op.es->env);
    int32_t most = 0;
    for (size_t i = 0; i < g->plan.event_count; i++) {
        most = g->records[i].header_count > most ? g->records[i].header_count : most;
    }
    struct record_header *headers =
        mem_zalloc((size_t)most + 1 + ES_GATE_HEADERS, sizeof(struct record_header));
    batch_spec_init(&spec);
    spec.producer_id = g->header.producer_id;
    spec.producer_epoch = g->header.producer_epoch;
    spec.base_sequence = g->header.base_sequence;
    spec.transactional = batch_is_transactional(&g->header);
    buf_init(&out, engine_append_max_bytes(g->op.es->engine));
    batch_builder_init(&b, out.max);
    enum err e = headers == NULL ? ERR_NO_MEMORY : ERR_OK;
    for (size_t i = 0; i < g->plan.event_count && e == ERR_OK; i++) {
        e = put_record(g, &b, i, now_ms, headers);
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
