/*
 * An append: checked in its own words first, then tried (write.h) until the rules decide.
 *
 * What is decided on what is in flight is answered when that is durable: a conflict, a known id, an
 * append that only checks. The append itself is answered when its own flight is.
 */
#include "core/mem.h"
#include "es/define.h"
#include "es/write.h"

struct append_query {
    struct es_query *query;
    size_t check;
    bool type_asked;
    struct str type;
};
struct append_op {
    struct es_wop op; /* first */
    struct es_append *a;
    struct es_plan plan;
    bool planned;
    struct es_rule_expectation *expectations; /* of `expected`, if there is one, then of checks */
    uint32_t *expectation_checks;             /* index of the check; UINT32_MAX: `expected` */
    struct append_query *queries;
    size_t query_count;
    struct es_query_pass pass; /* over them */
    bool places_known;         /* of an original answer */
};

static void append_answer(struct append_op *o, enum es_problem p)
{
    struct es_append *a = o->a;
    if (o->planned) {
        es_plan_end(&o->plan);
    }
    es_wop_end(&o->op);
    a->internal = NULL;
    a->problem = p;
    es_gauges_append(o->op.es, a, p);
    a->done(a);
}

static void append_fail(struct es_wop *op, enum es_problem p, const struct ectx *ec)
{
    struct append_op *o = (struct append_op *)(void *)op;
    o->a->ec = *ec;
    append_answer(o, p);
}

/* What an error of a look-up or of the log is to the caller. */
enum es_problem es_write_problem(enum err e)
{
    switch ((int)e) {
    case ERR_OK:
        return ES_OK;
    case ERR_AGAIN:
        return ES_BUSY;
    case ERR_MALFORMED:
        return ES_INVALID;
    case ERR_LIMIT:
        return ES_CATEGORY_NOT_FOUND;
    case ERR_MESSAGE_TOO_LARGE:
        return ES_BATCH_TOO_LARGE;
    case ERR_NO_SPACE:
        return ES_STORAGE_FULL;
    case ERR_NO_MEMORY:
    case ERR_IO:
    case ERR_STOPPED:
    case ERR_DAMAGED:
        return ES_UNAVAILABLE;
    default:
        return ES_FAILED;
    }
}

/* Without words it is of a look-up. */
static void append_error(struct append_op *o, enum err e)
{
    if (o->a->ec.code == ERR_OK) {
        IGNORE(ectx_fail(&o->a->ec, e, "could not look up what the append depends on"));
    }
    append_answer(o, o->pass.failed && e == ERR_LIMIT ? ES_BUSY : es_write_problem(e));
}

/* ---- The plan
 * ---------------------------------------------------------------------------------------- */

static enum err plan_checks(struct append_op *o)
{
    struct es_append *a = o->a;
    size_t n = 0;
    o->expectations = arena_new_n(a->arena, struct es_rule_expectation, a->check_count + 1);
    o->expectation_checks = arena_new_n(a->arena, uint32_t, a->check_count + 1);
    o->queries = arena_new_n(a->arena, struct append_query, a->check_count + 1);
    if (o->expectations == NULL || o->expectation_checks == NULL || o->queries == NULL) {
        return ERR_NO_MEMORY;
    }
    if (a->expected != NULL) {
        o->expectation_checks[n] = UINT32_MAX;
        o->expectations[n++] = (struct es_rule_expectation){o->plan.events[0].stream, *a->expected};
    }
    for (size_t i = 0; i < a->check_count; i++) {
        const struct es_check *c = &a->checks[i];
        if (c->kind == ES_CHECK_QUERY) {
            struct append_query *q = &o->queries[o->query_count++];
            q->check = i;
            q->query = es_query_create(&o->op, &o->pass, c);
            if (q->query == NULL) {
                return ERR_NO_MEMORY;
            }
            continue;
        }
        uint32_t stream;
        enum err e = es_plan_stream(&o->plan, c->stream, &stream, &a->ec);
        if (e != ERR_OK) {
            return ectx_wrap(&a->ec, e, "checks[%zu]", i);
        }
        o->expectation_checks[n] = (uint32_t)i;
        o->expectations[n++] = (struct es_rule_expectation){stream, c->expected};
    }
    o->plan.rules.expectations = o->expectations;
    o->plan.rules.expectation_count = n;
    return ERR_OK;
}

static enum err plan_make(struct append_op *o)
{
    struct es_append *a = o->a;
    enum err e = es_plan_init(&o->plan, &o->op, a->event_count, a->check_count);
    if (e != ERR_OK) {
        return e;
    }
    o->planned = true;
    for (size_t i = 0; i < a->event_count; i++) {
        const struct es_new_event *x = &a->events[i];
        struct es_plan_event *out = &o->plan.events[i];
        e = es_plan_stream(&o->plan, x->stream, &out->stream, &a->ec);
        if (e != ERR_OK) {
            a->culprit = i;
            return ectx_wrap(&a->ec, e, "events[%zu]", i);
        }
        out->id = x->envelope.id;
        out->type = x->envelope.type;
        out->data = x->data;
        out->meta = x->meta;
        out->tags = x->tags;
        out->tag_count = x->tag_count;
        es_plan_event(&o->plan, i);
    }
    if (a->expected != NULL && o->plan.stream_count > 1) {
        return ectx_fail(&a->ec, ERR_MALFORMED,
                         "'expected' is of one stream; an append to several has checks");
    }
    size_t first;
    size_t second;
    e = es_plan_same_ids(&o->plan, &first, &second);
    if (e == ERR_NO_MEMORY) {
        return e;
    }
    if (e != ERR_OK) {
        a->culprit = second;
        return ectx_fail(&a->ec, ERR_MALFORMED, "events[%zu] has the id of events[%zu]: '%.*s'",
                         second, first, STR(a->events[second].envelope.id));
    }
    return plan_checks(o);
}

/* ---- Answers
 * ------------------------------------------------------------------------------------------ */

static void told_decided(struct es_flight_wait *w)
{
    struct append_op *o = CONTAINER_OF(w, struct append_op, op.flight_wait);
    append_answer(o, o->a->problem);
}

static void told_again(struct es_flight_wait *w)
{
    struct es_wop *op = CONTAINER_OF(w, struct es_wop, flight_wait);
    op->run(op);
}

/* With `p`, when what it was decided on is durable. */
static void append_decide(struct append_op *o, enum es_problem p)
{
    if (o->plan.newest == NULL) {
        append_answer(o, p);
        return;
    }
    o->a->problem = p;
    es_wop_wait_flight(&o->op, o->plan.newest, told_decided);
}

static bool fill_streams(struct append_op *o, bool original)
{
    struct es_append *a = o->a;
    const struct es_plan *p = &o->plan;
    a->streams = arena_new_n(a->arena, struct es_appended, p->stream_count + 1);
    a->stream_count = 0;
    for (size_t i = 0; a->streams != NULL && i < p->stream_count; i++) {
        const struct es_plan_stream *s = &p->streams[i];
        if (s->event_count > 0) {
            uint64_t first = original ? p->rules_events[s->first_event].revision
                                      : p->events[s->first_event].revision;
            a->streams[a->stream_count++] =
                (struct es_appended){s->name, first, first + s->event_count - 1};
        }
    }
    return a->streams != NULL;
}

static void position_max(struct es_append *a, struct es_position p)
{
    if (p.commit > a->position.commit ||
        (p.commit == a->position.commit && p.index > a->position.index)) {
        a->position = p;
    }
}

static void places_take(struct es_wop *op, struct es_look *looks, size_t count)
{
    struct append_op *o = (struct append_op *)(void *)op;
    o->places_known = true;
    for (size_t i = 0; i < count; i++) {
        struct es_place place;
        if (looks[i].err == ERR_OK) {
            es_value_event_read(looks[i].value, &place);
            position_max(o->a, place.position);
        } else {
            op->look_err = looks[i].err;
        }
    }
}

/* The events are there: where the last of each stream is. */
static void answer_original(struct append_op *o)
{
    struct es_append *a = o->a;
    const struct es_plan *p = &o->plan;
    if (p->newest_id != NULL) {
        es_wop_wait_flight(&o->op, p->newest_id, told_again); /* T-E2: not before it is durable */
        return;
    }
    if (!o->places_known) {
        struct es_look *looks = es_wop_looks_begin(&o->op, p->stream_count, places_take);
        size_t n = 0;
        for (size_t i = 0; looks != NULL && i < p->stream_count; i++) {
            const struct es_plan_stream *s = &p->streams[i];
            if (s->event_count > 0) {
                looks[n].kind = ES_LOOK_GET;
                looks[n].table = ES_T_EVENTS;
                es_key_event(looks[n++].key, &s->hash, p->rules_events[s->last_event].revision);
            }
        }
        if (looks != NULL && !es_wop_looks_go(&o->op, n)) {
            return;
        }
    }
    if (!o->places_known || o->op.look_err != ERR_OK || !fill_streams(o, true)) {
        enum err e = o->op.look_err == ERR_OK ? ERR_NO_MEMORY : o->op.look_err;
        IGNORE(ectx_fail(&a->ec, e, "could not look up the original append"));
        append_answer(o, ES_UNAVAILABLE);
        return;
    }
    a->idempotent = true;
    append_answer(o, ES_OK);
}

static void type_take(struct es_wop *op, void *ctx, const struct es_view *v)
{
    struct append_query *q = ctx;
    if (v != NULL) {
        q->type = arena_str(op->arena, v->type);
    }
}

/* The types of the events that queries met. true: all are there. */
static bool ask_types(struct append_op *o)
{
    for (size_t i = 0; i < o->query_count; i++) {
        struct append_query *q = &o->queries[i];
        const struct es_term *m = &q->query->match;
        const struct es_cat *c = es_cat_by_hash(o->op.es, m->category);
        if (q->query->matched && !q->type_asked && c != NULL) {
            const struct es_peek f = {c, m->partition, m->offset, type_take, q, NULL};
            q->type_asked = true;
            IGNORE(es_wop_peek(&o->op, &f)); /* without memory there is no type in the answer */
        }
    }
    return o->op.pending == 0;
}

static void add_violation(struct append_op *o, size_t check, const struct es_rule_stream *s,
                          const struct append_query *q)
{
    struct es_violation *v = &o->a->violations[o->a->violation_count++];
    *v = (struct es_violation){.check = check};
    if (q != NULL) {
        v->first_match = q->query->match.position;
        v->match_type = q->type;
        return;
    }
    enum es_state now = es_state_now(&s->status, s->has_events, s->head);
    v->exists = now == ES_ACTIVE && s->has_events;
    v->deleted = now != ES_ACTIVE;
    v->tombstoned = now == ES_TOMBSTONED;
    v->actual = s->head;
}

static void answer_conflict(struct append_op *o)
{
    struct es_append *a = o->a;
    const struct es_rules *r = &o->plan.rules;
    bool own = false;
    if (!ask_types(o)) {
        return;
    }
    a->violation_count = 0;
    a->violations = arena_new_n(a->arena, struct es_violation, a->check_count + 1);
    if (a->violations == NULL) {
        IGNORE(ectx_fail(&a->ec, ERR_NO_MEMORY, "no memory for the violations"));
        append_answer(o, ES_UNAVAILABLE);
        return;
    }
    size_t next_query = 0;
    size_t next = 0;
    if (a->expected != NULL) {
        const struct es_rule_stream *s = &r->streams[r->expectations[0].stream];
        own = !es_rules_hold(&r->expectations[0].expected, s);
        enum es_state now = es_state_now(&s->status, s->has_events, s->head);
        a->exists = now == ES_ACTIVE && s->has_events;
        a->actual_revision = s->head;
        next = 1;
    }
    for (size_t i = 0; i < a->check_count; i++) {
        if (a->checks[i].kind == ES_CHECK_QUERY) {
            const struct append_query *q = &o->queries[next_query++];
            if (q->query->matched) {
                add_violation(o, i, NULL, q);
            }
            continue;
        }
        const struct es_rule_expectation *x = &r->expectations[next++];
        if (!es_rules_hold(&x->expected, &r->streams[x->stream])) {
            add_violation(o, i, &r->streams[x->stream], NULL);
        }
    }
    if (own) {
        es_rules_say(a->expected, o->plan.streams[r->expectations[0].stream].name,
                     &r->streams[r->expectations[0].stream], &a->ec);
    } else {
        IGNORE(ectx_fail(&a->ec, ERR_EXISTS, "checks of the append do not hold"));
    }
    append_decide(o, own ? ES_REVISION_CONFLICT : ES_APPEND_CONFLICT);
}

static void answer_id(struct append_op *o, enum es_problem p, size_t culprit, const char *what)
{
    struct es_append *a = o->a;
    a->culprit = culprit;
    a->original_revision = o->plan.rules_events[culprit].revision;
    IGNORE(ectx_fail(&a->ec, ERR_EXISTS, "events[%zu]: id '%.*s' %s %llu of stream '%.*s'", culprit,
                     STR(a->events[culprit].envelope.id), what,
                     (unsigned long long)a->original_revision, STR(a->events[culprit].stream)));
    append_decide(o, p);
}

static void answer_partial(struct append_op *o, size_t culprit)
{
    struct es_append *a = o->a;
    const struct es_rules *r = &o->plan.rules;
    a->known_count = 0;
    a->known = arena_new_n(a->arena, struct es_known, r->event_count);
    for (size_t i = 0; a->known != NULL && i < r->event_count; i++) {
        if (r->events[i].known) {
            a->known[a->known_count++] = (struct es_known){i, r->events[i].revision};
        }
    }
    answer_id(o, ES_PARTIAL_DUPLICATE, culprit, "is there already, others are not: revision");
}

/* ---- It may be appended
 * -------------------------------------------------------------------------------- */

static void told_durable(struct es_flight_wait *w)
{
    struct append_op *o = CONTAINER_OF(w, struct append_op, op.flight_wait);
    const struct es_flight *f = o->op.flight;
    for (size_t i = 0; i < f->part_count; i++) {
        if (f->parts[i].count > 0) {
            position_max(
                o->a, (struct es_position){f->parts[i].position, (uint32_t)f->parts[i].count - 1});
        }
    }
    if (f->append.part_count > f->part_count) { /* what `also` has kept is the end of the append */
        position_max(o->a, (struct es_position){f->engine_parts[f->part_count].position, 0});
    }
    for (size_t i = 0; i < o->a->stream_count; i++) {
        const struct es_appended *s = &o->a->streams[i];
        es_auto_snapshot(o->op.es, s->stream, s->first_revision, s->last_revision);
    }
    append_answer(o, ES_OK);
}

static enum err write_records(struct append_op *o, struct es_flight *f)
{
    struct es_append *a = o->a;
    struct engine_record *records = arena_new_n(a->arena, struct engine_record, a->event_count + 1);
    struct engine_record *at = records;
    for (size_t i = 0; records != NULL && i < f->part_count; i++) {
        f->engine_parts[i] = (struct engine_part){.topic = f->parts[i].cat->topic,
                                                  .partition = f->parts[i].partition,
                                                  .records = at,
                                                  .count = f->parts[i].count};
        at += f->parts[i].count;
    }
    for (size_t i = 0; records != NULL && i < a->event_count; i++) {
        const struct es_flight_event *x = &f->events[i];
        const struct engine_part *part = &f->engine_parts[x->part];
        struct es_plan_event *planned = &o->plan.events[i];
        struct es_record r = {planned->id, x->revision, &o->plan.streams[planned->stream].source};
        if (!es_record_write(o->op.es, &a->events[i], &r, a->arena,
                             &records[(size_t)(part->records - records) + x->index])) {
            return ERR_NO_MEMORY;
        }
    }
    return records == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err append_send(struct append_op *o, struct es_flight *f)
{
    struct es_append *a = o->a;
    enum err e = write_records(o, f);
    bool also = false;
    if (e == ERR_OK && !fill_streams(o, false)) {
        e = ERR_NO_MEMORY;
    }
    if (e == ERR_OK && a->also != NULL) {
        struct engine_part *extra = &f->engine_parts[f->part_count];
        e = a->also(a, extra);
        also = extra->count > 0;
    }
    if (e == ERR_OK) {
        e = es_flight_enter(f);
    }
    if (e != ERR_OK) {
        return e == ERR_NO_MEMORY ? ectx_fail(&a->ec, e, "no memory for the append") : e;
    }
    o->op.flight = f;
    es_wop_wait_flight(&o->op, f, told_durable);
    return es_flight_send(f, also, &a->ec);
}

static void append_now(struct append_op *o)
{
    struct es_append *a = o->a;
    if (a->event_count == 0) { /* it only checks: what it has seen becomes durable first */
        struct list *flights = &o->op.es->writer->flights;
        a->position = (struct es_position){engine_position(o->op.es->engine), UINT32_MAX};
        o->plan.newest =
            list_empty(flights) ? NULL : CONTAINER_OF(flights->prev, struct es_flight, link);
        append_decide(o, ES_OK);
        return;
    }
    struct es_flight *f = es_plan_flight(&o->plan, 0);
    enum err e = f == NULL ? ectx_fail(&a->ec, ERR_NO_MEMORY, "no memory for the append")
                           : append_send(o, f);
    if (e != ERR_OK) {
        list_remove(&o->op.flight_wait.link);
        if (f != NULL) {
            es_flight_drop(f);
        }
        append_answer(o, es_write_problem(e));
    }
}

/* ---- A try
 * ---------------------------------------------------------------------------------------- */

/* Does an event match a query? ERR_AGAIN: it waits, or `pass.walking`. */
static enum err look_queries(struct append_op *o)
{
    for (size_t i = 0; i < o->query_count; i++) {
        struct es_query *q = o->queries[i].query;
        enum err e = es_query_look(&o->op, &o->pass, q);
        if (e == ERR_LIMIT) {
            return ectx_fail(&o->a->ec, e, "checks[%zu]: %s", o->queries[i].check, o->pass.ec.text);
        }
        if (e == ERR_OK && q->flight != NULL) {
            es_wop_wait_flight(&o->op, q->flight, told_again);
            return ERR_AGAIN;
        }
        if (e != ERR_OK) {
            return e;
        }
        o->plan.rules.query_violated |= q->matched;
    }
    return ERR_OK;
}

/* A query is walked: what was looked up is forgotten, for the memo that kept it true is given back.
 * True: that is over already. */
static bool walk_begun(struct append_op *o)
{
    o->pass.walking = o->pass.begun = false;
    es_wop_memo_leave(&o->op);
    es_plan_forget(&o->plan);
    for (size_t i = 0; i < o->query_count; i++) {
        es_query_restart(&o->pass, o->queries[i].query);
    }
    return o->op.pending == 0;
}

/* The facts, and what the rules say of them. ERR_AGAIN: it waits. */
static enum err look(struct append_op *o)
{
    for (;;) {
        size_t culprit;
        o->plan.rules.query_violated = false;
        enum err e = es_plan_look(&o->plan, &o->a->ec);
        if (e != ERR_OK || o->query_count == 0) {
            return e;
        }
        enum es_ruling ruling = es_rules_judge(&o->plan.rules, &culprit);
        if (ruling != ES_RULE_APPEND && ruling != ES_RULE_CONFLICT && ruling != ES_RULE_REUSED) {
            return ERR_OK;
        }
        e = look_queries(o);
        if (!o->pass.walking) {
            return e;
        }
        if (!walk_begun(o)) {
            return ERR_AGAIN;
        }
    }
}

static void append_run(struct es_wop *op)
{
    struct append_op *o = (struct append_op *)(void *)op;
    struct es_append *a = o->a;
    size_t culprit = 0;
    enum es_problem life = es_life_check(op->es, &a->ec);
    if (life != ES_OK) {
        append_answer(o, life);
        return;
    }
    if (!es_wop_room(op)) {
        return;
    }
    enum err e = look(o);
    if (e == ERR_AGAIN) {
        return;
    }
    if (e != ERR_OK) {
        append_error(o, e);
        return;
    }
    enum es_ruling ruling = es_rules_judge(&o->plan.rules, &culprit);
    switch (ruling) {
    case ES_RULE_APPEND:
        e = es_plan_categories(&o->plan, &culprit, &a->ec);
        if (e == ERR_OK) {
            append_now(o);
        } else if (e != ERR_AGAIN) {
            a->culprit = culprit;
            append_error(o, e);
        }
        return;
    case ES_RULE_ORIGINAL:
        answer_original(o);
        return;
    case ES_RULE_CONFLICT:
        answer_conflict(o);
        return;
    case ES_RULE_REUSED:
        answer_id(o, ES_EVENT_ID_REUSED, culprit, "is that of revision");
        return;
    case ES_RULE_PARTIAL:
        answer_partial(o, culprit);
        return;
    case ES_RULE_TOMBSTONED:
        a->culprit = culprit;
        IGNORE(ectx_fail(&a->ec, ERR_NOT_FOUND, "stream '%.*s' was deleted for ever",
                         STR(a->events[culprit].stream)));
        append_decide(o, ES_STREAM_TOMBSTONED);
        return;
    }
}

void es_append(struct es *es, struct es_append *a)
{
    struct append_op *o = arena_new(a->arena, struct append_op);
    a->idempotent = false;
    a->ec = (struct ectx){.code = ERR_OK};
    a->streams = NULL;
    a->violations = NULL;
    a->stream_count = a->violation_count = a->culprit = 0;
    a->size_bytes = a->max_bytes = 0;
    a->position = (struct es_position){0, 0};
    a->original_revision = a->actual_revision = 0;
    a->exists = false;
    a->problem = es_life_check(es, &a->ec);
    if (a->problem == ES_OK) {
        a->problem = es_append_check(es, a);
    }
    if (a->problem == ES_OK && o == NULL) {
        IGNORE(ectx_fail(&a->ec, ERR_NO_MEMORY, "no memory for the append"));
        a->problem = ES_UNAVAILABLE;
    }
    if (a->problem == ES_OK && !index_ready(es->index)) {
        IGNORE(ectx_fail(&a->ec, ERR_AGAIN, "the index of the event store is behind"));
        a->problem = ES_BUSY;
    }
    if (a->problem == ES_OK) {
        a->problem = es_wop_init(&o->op, es, ES_WOP_APPEND, a->arena, &a->ec);
    }
    if (a->problem != ES_OK) {
        es_gauges_append(es, a, a->problem);
        a->done(a);
        return;
    }
    o->a = a;
    o->op.run = append_run;
    o->op.fail = append_fail;
    a->internal = o;
    enum err e = plan_make(o);
    if (e != ERR_OK) {
        if (e == ERR_NO_MEMORY) {
            IGNORE(ectx_fail(&a->ec, e, "no memory for the append"));
        }
        append_answer(o, es_write_problem(e));
        return;
    }
    append_run(&o->op);
}
