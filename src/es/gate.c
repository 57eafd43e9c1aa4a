/*
 * Events from plain Kafka clients: a produced batch for an es.* topic passes here before it gets
 * its offset. Each stream's first record in it says what it expects (leat-expected-version); then
 * the same rules hold as for the API's appends. All of the batch is stored or none of it: one
 * conflict refuses it, and the answer names each record at fault.
 *
 * What is stored is the batch with leat-revision in each record, and a ce_id where there was none.
 * A retry of what is there already is answered as stored, with the offset of the original, if its
 * events lie side by side in the log as they do in the batch.
 *
 * A batch that has to wait (ERR_AGAIN) is checked again as if it were new, and may never come back;
 * so the op is ours, with a copy of the batch, found again by its bytes, and forgotten after a
 * while.
 */
#include "es/gate.h"
#include "core/mem.h"
#include "es/define.h"

#define GATE_ARENA     (256u << 20)
#define GATE_BYTES_MAX (64u << 20)  /* of batches that wait */
#define GATE_KEEP_NS   15000000000u /* longer than the broker lets a produce request wait */

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
    es_gate_refuse_record(item, record, message);
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
    return es_gate_refuse(item, ec);
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
    return item->record_error_count > 0 ? es_gate_refuse(item, ec) : ERR_OK;
}

static enum err refuse_id(struct gate_op *g, struct engine_gate_item *item, const char *code,
                          size_t culprit, struct ectx *ec)
{
    struct str message = arena_printf(
        item->arena, "%s: id '%.*s' is that of revision %llu of stream '%.*s'", code,
        STR(g->plan.events[culprit].id), (unsigned long long)g->plan.rules_events[culprit].revision,
        STR(g->plan.streams[g->plan.events[culprit].stream].name));
    es_gate_refuse_record(item, culprit, message);
    return es_gate_refuse(item, ec);
}

static enum err admit(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec)
{
    struct es_flight *f = es_plan_flight(&g->plan, 0);
    if (f == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the batch");
    }
    enum err e = check_later(g, item, ec);
    if (e == ERR_OK) {
        e = es_gate_build(g, item, ec);
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

/* Where the events of a batch lie that are there already: the base offset, or -1. */
static void places_take(struct es_wop *op, struct es_look *looks, size_t count)
{
    struct gate_op *g = (struct gate_op *)(void *)op;
    struct es_place place;
    int64_t base = -1;
    g->placed = true;
    g->original = -1;
    for (size_t i = 0; i < count; i++) {
        if (looks[i].err != ERR_OK) {
            return;
        }
        es_value_event_read(looks[i].value, &place);
        base = i == 0 ? place.offset : base;
        if (place.offset - base != (int64_t)i) {
            return;
        }
    }
    g->original = base;
}

static enum err answer_original(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec)
{
    if (!g->placed) {
        const size_t count = g->plan.event_count;
        struct es_look *looks = es_wop_looks_begin(&g->op, count, places_take);
        if (looks == NULL) {
            return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the batch");
        }
        for (size_t i = 0; i < count; i++) {
            const struct es_plan_stream *s = &g->plan.streams[g->plan.events[i].stream];
            looks[i].kind = ES_LOOK_GET;
            looks[i].table = ES_T_EVENTS;
            es_key_event(looks[i].key, &s->hash, g->plan.rules_events[i].revision);
        }
        if (!es_wop_looks_go(&g->op, count)) {
            return ERR_AGAIN;
        }
    }
    item->original_offset = g->original;
    item->error = STR_LIT("the events are there already");
    return ectx_fail(ec, ERR_DUPLICATE_SEQUENCE_NUMBER, "the events are there already");
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
        return answer_original(g, item, ec);
    case ES_RULE_CONFLICT:
        return refuse_conflicts(g, item, ec);
    case ES_RULE_REUSED:
        return refuse_id(g, item, "event-id-reused", culprit, ec);
    case ES_RULE_PARTIAL:
        return refuse_id(g, item, "partial-duplicate", culprit, ec);
    case ES_RULE_TOMBSTONED:
        return es_gate_refuse_one(item, culprit,
                                  "stream-tombstoned: the stream was deleted for ever", ec);
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
        str_is_null(g->topic) || str_is_null(g->batch) ? ERR_NO_MEMORY : es_gate_read(g, item, ec);
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
    es_auto_snapshot_after(g->op.es, &g->plan, f);
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
    if (strcmp(what, "create") == 0) {
        const size_t prefix = sizeof(ES_TOPIC_PREFIX) - 1;
        struct str category = str_make(topic.p + prefix, topic.n - prefix);
        return ectx_fail(
            ec, ERR_POLICY_VIOLATION,
            "'%.*s' is a topic of the event store: PUT /api/v1/categories/%.*s makes it",
            STR(topic), STR(category));
    }
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
