/*
 * Changes of a stream that no event says: settings, truncation, deletion, redaction, snapshots.
 * Each is one fact, a record of __leat_streams with the stream as its key. A fact of a stream's
 * status is whole: the newest says everything.
 *
 * Changes of one stream are made one after the other: the next is tried when the one before is
 * durable, so that it is decided on what the index has.
 */
#include "es/erase.h"
#include "es/write.h"

struct change_op {
    struct es_wop op; /* first */
    struct es_stream_change *c;
    struct es_hash hash, slot;
    struct es_head *head;
    struct es_head_wait wait;
    uint64_t changes; /* of the stream, when the slot was looked up */
    bool slot_known, has_slot;
    struct es_slot_look slot_is; /* what is in it */
    struct es_slot_look folded;  /* what is to come into it, of a fold */
    struct es_position created;
    struct es_erase erase;
    struct es_field_look fields; /* of a redaction that names some */
    bool looked_again;           /* for its event, which was in flight no more */
    struct es_stream_get get;    /* what a max_age shows */
};

/* It waits for nothing here any more. */
static void change_leave(struct change_op *o)
{
    list_remove(&o->wait.link);
    es_erase_leave(o->op.es, &o->erase);
    if (o->head != NULL) {
        es_head_give(o->op.es, o->head);
    }
    es_wop_end(&o->op);
}

static void change_told(struct change_op *o, enum es_problem p)
{
    struct es_stream_change *c = o->c;
    c->internal = NULL;
    c->problem = p;
    c->done(c);
}

static void change_answer(struct change_op *o, enum es_problem p)
{
    change_leave(o);
    change_told(o, p);
}

static void change_fail(struct es_wop *op, enum es_problem p, const struct ectx *ec)
{
    struct change_op *o = (struct change_op *)(void *)op;
    o->c->ec = *ec;
    /* It is durable if it waits for the erasure, which the next start carries out. */
    change_answer(o, o->erase.told != NULL ? ES_OK : p);
}

static void change_error(struct change_op *o, enum err e, const char *what)
{
    if (o->c->ec.code == ERR_OK) {
        IGNORE(ectx_fail(&o->c->ec, e, "%s", what));
    }
    change_answer(o, es_write_problem(e));
}

static enum es_problem invalid(struct es_stream_change *c, const char *what)
{
    IGNORE(ectx_fail(&c->ec, ERR_MALFORMED, "%s", what));
    return ES_INVALID;
}

/* ---- Does the stream allow it?
 * ------------------------------------------------------------------------- */

static enum es_problem refuse(struct change_op *o, enum es_problem p, const char *what)
{
    IGNORE(ectx_fail(&o->c->ec, ERR_NOT_FOUND, "stream '%.*s' %s", STR(o->c->stream), what));
    return p;
}

static enum es_problem judge_state(struct change_op *o)
{
    const struct es_head *h = o->head;
    const struct es_stream_change *c = o->c;
    enum es_state now = es_state_now(&h->status, h->has_events, h->last);
    if (c->kind == ES_CHANGE_REDACT && h->has_events) {
        return ES_OK; /* Kafka clients still see what is truncated or deleted */
    }
    if (now == ES_TOMBSTONED) {
        return refuse(o, ES_STREAM_TOMBSTONED, "was deleted for ever");
    }
    if (!h->has_events) {
        return refuse(o, ES_STREAM_NOT_FOUND, "is not there");
    }
    if (now == ES_SOFT_DELETED && c->kind != ES_CHANGE_TOMBSTONE) {
        return refuse(o, ES_STREAM_DELETED, "was deleted");
    }
    const struct es_rule_stream s = {
        .has_events = h->has_events, .head = h->last, .status = h->status};
    if (c->expected != NULL && !es_rules_hold(c->expected, &s)) {
        es_rules_say(c->expected, c->stream, &s, &o->c->ec);
        return ES_REVISION_CONFLICT; /* and info says what is there: change_run */
    }
    return ES_OK;
}

static enum es_problem judge(struct change_op *o)
{
    const struct es_head *h = o->head;
    struct es_stream_change *c = o->c;
    enum es_problem p = judge_state(o);
    if (p != ES_OK) {
        return p;
    }
    if (c->kind == ES_CHANGE_SET && c->set_truncate_before) {
        if (c->truncate_before > h->last + 1) {
            return invalid(c, "truncate_before is at most the revision after the last one");
        }
        if (c->truncate_before < h->status.truncate_before) {
            return invalid(c, "truncate_before does not go back: what was truncated may be gone");
        }
    }
    bool of_event = c->kind == ES_CHANGE_REDACT || c->kind == ES_CHANGE_SNAPSHOT;
    if (of_event && c->revision > h->last) {
        return refuse(o, ES_EVENT_NOT_FOUND, "has no such revision");
    }
    if (c->kind == ES_CHANGE_SNAPSHOT && c->revision < h->status.born) {
        return refuse(o, ES_EVENT_NOT_FOUND, "has that revision no more");
    }
    if (o->has_slot && !o->slot_is.harmed && o->slot_is.revision > c->revision &&
        o->slot_is.revision >= h->status.born) {
        return refuse(o, ES_SNAPSHOT_STALE, "has a snapshot of a later revision");
    }
    return ES_OK;
}

/* ---- The fact
 * ---------------------------------------------------------------------------------------- */

static void make_status(const struct change_op *o, struct es_status *out)
{
    const struct es_stream_change *c = o->c;
    const struct es_head *h = o->head;
    *out = h->status;
    if (c->kind == ES_CHANGE_SOFT_DELETE) {
        out->fact_state = ES_FACT_SOFT_DELETED;
        out->born = out->truncate_before = h->last + 1;
        return;
    }
    if (c->kind == ES_CHANGE_TOMBSTONE) {
        out->fact_state = ES_FACT_TOMBSTONED;
        out->truncate_before = h->last + 1;
        return;
    }
    out->fact_state = ES_FACT_ACTIVE; /* it is: judge_state */
    out->max_age_ms = c->set_max_age ? c->max_age_ms : out->max_age_ms;
    out->max_count = c->set_max_count ? c->max_count : out->max_count;
    out->truncate_before = c->set_truncate_before ? c->truncate_before : out->truncate_before;
}

static void make_fact(const struct change_op *o, struct es_fact *out)
{
    const struct es_stream_change *c = o->c;
    memset(out, 0, sizeof(*out));
    out->revision = c->revision;
    if (c->kind == ES_CHANGE_REDACT) {
        out->kind = ES_FACT_REDACTION;
        out->reason = c->reason;
        out->field_count = c->field_count;
        for (size_t i = 0; i < c->field_count; i++) {
            out->fields[i] = c->fields[i];
        }
    } else if (c->kind == ES_CHANGE_SNAPSHOT) {
        out->kind = ES_FACT_SNAPSHOT;
        out->schema = c->schema;
        out->snapshot = c->state;
        out->incomplete_before = c->incomplete_before;
    } else {
        out->kind = ES_FACT_STATE;
        make_status(o, &out->status);
    }
}

/* The stream as the change leaves it (what comes after it may be sequenced already when it is
 * durable). */
static void fill_info(struct change_op *o, const struct es_status *status)
{
    const struct es_head *h = o->head;
    struct es_stream_info *info = &o->c->info;
    struct str category;
    IGNORE(es_stream_name_check(o->c->stream, &category, NULL));
    const struct es_cat *cat = es_cat_find(o->op.es, category);
    uint64_t first = status->truncate_before;
    if (status->max_count > 0 && h->last + 1 > first + (uint64_t)status->max_count) {
        first = h->last + 1 - (uint64_t)status->max_count;
    }
    *info = (struct es_stream_info){.state = es_state_now(status, h->has_events, h->last),
                                    .first_revision = first,
                                    .last_revision = h->last,
                                    .empty = first > h->last,
                                    .max_age_ms = status->max_age_ms,
                                    .max_count = status->max_count,
                                    .truncate_before = status->truncate_before};
    if (cat != NULL) {
        info->topic = cat->topic;
        info->partition = es_cat_partition(cat, o->c->stream);
    }
}

/* Durable in any case; whether it is out of the log is told, not a failure. */
static void told_erased(struct es_erase *x, enum err e, const struct ectx *ec)
{
    struct change_op *o = CONTAINER_OF(x, struct change_op, erase);
    o->c->erased = e == ERR_OK;
    if (e != ERR_OK) {
        o->c->ec = *ec;
    }
    change_answer(o, ES_OK);
}

static void erase(struct change_op *o)
{
    const struct es_flight_part *p = &o->op.flight->parts[0];
    o->erase.stream = o->hash;
    o->erase.revision = o->c->revision;
    o->erase.fact = p->base_offset;
    o->erase.partition = p->partition;
    o->erase.told = told_erased;
    o->op.flight = NULL; /* it is freed while we wait */
    es_erase_ask(o->op.es, &o->erase);
}

/* It is durable in any case; what cannot be looked up is shown without its max_age. What came after
 * the change counts for nothing: of the look-up, which is later, only what it says about the events
 * up to the last one of then. */
static void told_shown(struct es_stream_get *g)
{
    struct change_op *o = g->ctx;
    struct es_stream_info *info = &o->c->info;
    if (g->problem == ES_OK && g->info.state == ES_ACTIVE) {
        const uint64_t end = info->last_revision + 1;
        const uint64_t first = g->info.first_revision < end ? g->info.first_revision : end;
        info->first_revision = first > info->first_revision ? first : info->first_revision;
        info->empty = info->first_revision == end;
    }
    change_told(o, ES_OK);
}

/* Settings: what they leave, by the time of the events, too. */
static void answer_shown(struct change_op *o)
{
    struct es *es = o->op.es;
    o->get = (struct es_stream_get){
        .stream = o->c->stream, .arena = o->c->arena, .done = told_shown, .ctx = o};
    change_leave(o);
    es_stream_get(es, &o->get);
}

static void told_durable(struct es_flight_wait *w)
{
    struct change_op *o = CONTAINER_OF(w, struct change_op, op.flight_wait);
    uint8_t key[ES_KEY_EVENT];
    uint8_t value[ES_VALUE_EVENT];
    struct es_place first;
    es_key_event(key, &o->hash, 0);
    if (o->created.commit == 0 && index_get(o->op.es->index, ES_T_EVENTS, key, value) == ERR_OK) {
        es_value_event_read(value, &first); /* it was in flight when it was looked up */
        o->created = first.position;
    }
    o->c->info.created = o->created;
    o->c->info.updated = (struct es_position){o->op.flight->parts[0].position, 0};
    if (o->c->kind == ES_CHANGE_TOMBSTONE) {
        es_reader_tombstoned(o->op.es, o->c->stream);
    }
    if (o->c->kind == ES_CHANGE_REDACT && !ES_FAULT(erased_early)) {
        erase(o);
        return;
    }
    o->c->erased = ES_FAULT(erased_early);
    if (o->c->kind == ES_CHANGE_SET && o->c->info.max_age_ms >= 0 && !o->c->info.empty) {
        answer_shown(o);
        return;
    }
    change_answer(o, ES_OK);
}

static void told_again(struct es_flight_wait *w)
{
    struct es_wop *op = CONTAINER_OF(w, struct es_wop, flight_wait);
    op->run(op);
}

static enum err change_send(struct change_op *o, struct es_flight *f)
{
    struct es *es = o->op.es;
    struct es_stream_change *c = o->c;
    struct es_fact *fact = arena_new(c->arena, struct es_fact);
    struct engine_record *record = arena_new(c->arena, struct engine_record);
    bool also = false;
    if (fact == NULL || record == NULL) {
        return ERR_NO_MEMORY;
    }
    make_fact(o, fact);
    *record = (struct engine_record){
        .key = c->stream, .value = es_fact_format(fact, c->arena), .timestamp_ms = -1};
    if (str_is_null(record->value)) {
        return ERR_NO_MEMORY;
    }
    int32_t partition = es_facts_partition(es, c->stream);
    f->parts[0] = (struct es_flight_part){.partition = partition, .count = 1};
    f->part_count = 1;
    f->engine_parts[0] = (struct engine_part){
        .topic = STR_LIT(ES_STREAMS_TOPIC), .partition = partition, .records = record, .count = 1};
    f->has_fact = true;
    f->fact = (struct es_flight_fact){.head = o->head,
                                      .kind = (int)fact->kind,
                                      .status = fact->status,
                                      .revision = fact->revision,
                                      .whole = fact->field_count == 0,
                                      .slot = o->slot};
    enum err e = c->also != NULL ? c->also(c, &f->engine_parts[1]) : ERR_OK;
    if (e == ERR_OK) {
        also = f->engine_parts[1].count > 0;
        e = es_flight_enter(f);
    }
    if (e != ERR_OK) {
        return e;
    }
    fill_info(o, fact->kind == ES_FACT_STATE ? &fact->status : &o->head->status);
    o->op.flight = f;
    es_wop_wait_flight(&o->op, f, told_durable);
    return es_flight_send(f, also, &c->ec);
}

/* ---- A try
 * ---------------------------------------------------------------------------------------- */

static void looks_take(struct es_wop *op, struct es_look *looks, size_t count)
{
    struct change_op *o = (struct change_op *)(void *)op;
    struct es_place place;
    o->slot_known = true;
    for (size_t i = 0; i < count; i++) {
        if (looks[i].err != ERR_OK && looks[i].err != ERR_NOT_FOUND) {
            op->look_err = looks[i].err;
        } else if (looks[i].err == ERR_OK && looks[i].table == ES_T_EVENTS) {
            es_value_event_read(looks[i].value, &place);
            o->created = place.position;
        } else if (looks[i].err == ERR_OK) {
            o->has_slot = true;
            es_value_snapshot_read(looks[i].value, &o->slot_is.revision, &o->slot_is.fact);
            o->slot_is.from = o->head->status.born; /* no life knows of one before */
        }
    }
}

/* Where the stream began, and the snapshot that is there. true: it is known. */
static bool look_further(struct change_op *o)
{
    bool snapshot = o->c->kind == ES_CHANGE_SNAPSHOT;
    struct es_look *looks = es_wop_looks_begin(&o->op, 2, looks_take);
    if (looks == NULL) {
        o->op.look_err = ERR_NO_MEMORY;
        return true;
    }
    looks[0].kind = looks[1].kind = ES_LOOK_GET;
    looks[0].table = ES_T_EVENTS;
    es_key_event(looks[0].key, &o->hash, 0);
    looks[1].table = ES_T_SNAPSHOTS;
    memcpy(looks[1].key, o->slot.b, sizeof(o->slot.b));
    return es_wop_looks_go(&o->op, snapshot ? 2 : 1);
}

static void change_now(struct change_op *o)
{
    struct es_flight *f = es_flight_create(o->op.es, 0, 0, 1);
    enum err e = f == NULL ? ERR_NO_MEMORY : change_send(o, f);
    if (e != ERR_OK) {
        list_remove(&o->op.flight_wait.link);
        if (f != NULL) {
            es_flight_drop(f);
        }
        change_error(o, e, "no memory for the change");
    }
}

/* False: it waits, or was answered. A look-up that went to the disk tells of the index as it was
 * when it was asked: an event whose flight has ended since is there when it is asked again. */
static bool fields_there(struct change_op *o)
{
    struct es_stream_change *c = o->c;
    enum err e = es_fields_look(&o->op, &o->fields, c, &o->hash);
    if (e == ERR_OK && o->fields.absent && o->head->flight == NULL && !o->looked_again) {
        o->looked_again = true;
        o->fields = (struct es_field_look){0};
        e = es_fields_look(&o->op, &o->fields, c, &o->hash);
    }
    if (e == ERR_OK && o->fields.absent && o->head->flight != NULL) {
        o->fields = (struct es_field_look){0};
        es_wop_wait_flight(&o->op, o->head->flight, told_again);
        return false;
    }
    if (e == ERR_OK && o->fields.absent) {
        e = ERR_DAMAGED; /* it is not in flight, nor in the index */
    }
    if (e == ERR_NOT_FOUND) {
        fill_info(o, &o->head->status);
        change_answer(o, ES_FIELD_NOT_FOUND);
    } else if (e != ERR_OK && e != ERR_AGAIN) {
        change_error(o, e, "could not read the event that is to be redacted");
    }
    return e == ERR_OK;
}

/* Was something that a fold has read redacted before it comes here? Then its state may still say
 * it, and nobody would see that: readers count a redaction only if it is later than the snapshot.
 * Changes are made one after the other, so the index has all that are before this one. False: it
 * waits, or was answered. */
static bool fold_holds(struct change_op *o)
{
    struct es_slot_look *l = &o->folded;
    const uint64_t born = o->head->status.born;
    l->revision = o->c->revision;
    l->fact = o->c->facts_before - 1;
    l->from = l->from > born ? l->from : born;
    enum err e = es_slot_look(&o->op, l, &o->hash);
    if (e == ERR_AGAIN) {
        return false;
    }
    if (e != ERR_OK) {
        change_error(o, e, "could not look up what was redacted");
        return false;
    }
    if (l->harmed) {
        fill_info(o, &o->head->status);
        change_answer(o, refuse(o, ES_SNAPSHOT_STALE, "has had redactions since it was folded"));
        return false;
    }
    return true;
}

static void change_run(struct es_wop *op)
{
    struct change_op *o = (struct change_op *)(void *)op;
    struct es_stream_change *c = o->c;
    enum es_problem p = es_life_check(op->es, &c->ec);
    if (p != ES_OK) {
        change_answer(o, p);
        return;
    }
    if (!es_wop_room(op)) {
        return;
    }
    enum err e = op->look_err;
    if (e == ERR_OK) {
        e = es_head_load(op->es, o->head, &o->wait);
    }
    if (e == ERR_AGAIN) {
        op->pending++;
        return;
    }
    if (e == ERR_OK && o->head->change != NULL) {
        es_wop_wait_flight(op, o->head->change, told_again);
        return;
    }
    if (o->changes != o->head->changes) {
        o->slot_known = o->has_slot = false; /* what was looked up may be old */
        o->fields = (struct es_field_look){0};
        o->slot_is = o->folded = (struct es_slot_look){0};
        o->changes = o->head->changes;
    }
    if (e == ERR_OK && !o->slot_known && !look_further(o)) {
        return;
    }
    e = e == ERR_OK ? op->look_err : e;
    if (e != ERR_OK) {
        change_error(o, e, "could not read the stream's head");
        return;
    }
    p = judge(o);
    if (p == ES_SNAPSHOT_STALE && !o->slot_is.known) {
        e = es_slot_look(op, &o->slot_is, &o->hash);
        if (e == ERR_AGAIN) {
            return;
        }
        c->ec = (struct ectx){.code = ERR_OK};
        if (e != ERR_OK) {
            change_error(o, e, "could not look up the snapshot that is there");
            return;
        }
        p = judge(o);
    }
    if (p != ES_OK) {
        fill_info(o, &o->head->status);
        change_answer(o, p);
        return;
    }
    if ((c->kind != ES_CHANGE_REDACT || c->field_count == 0 || fields_there(o)) &&
        (!c->of_fold || fold_holds(o))) {
        change_now(o);
    }
}

static void head_told(struct es_head_wait *w, enum err e)
{
    es_wop_told(w->ctx, e);
}

void es_stream_change(struct es *es, struct es_stream_change *c)
{
    struct change_op *o = arena_new(c->arena, struct change_op);
    c->ec = (struct ectx){.code = ERR_OK};
    memset(&c->info, 0, sizeof(c->info));
    c->missing = NULL;
    c->missing_count = 0;
    c->problem = es_life_check(es, &c->ec);
    if (c->problem == ES_OK) {
        c->problem = es_change_check(es, c);
    }
    if (c->problem == ES_OK && o == NULL) {
        IGNORE(ectx_fail(&c->ec, ERR_NO_MEMORY, "no memory for the change"));
        c->problem = ES_UNAVAILABLE;
    }
    if (c->problem == ES_OK) {
        c->problem = es_wop_init(&o->op, es, ES_WOP_CHANGE, c->arena, &c->ec);
    }
    if (c->problem != ES_OK) {
        c->done(c);
        return;
    }
    o->c = c;
    o->op.run = change_run;
    o->op.fail = change_fail;
    o->wait.told = head_told;
    o->wait.ctx = o;
    list_init(&o->wait.link);
    list_init(&o->erase.link);
    o->hash = es_hash_stream(es, c->stream);
    o->slot = es_hash_slot(es, &o->hash, c->schema);
    c->internal = o;
    o->head = es_head_take(es, &o->hash);
    if (o->head == NULL) {
        change_error(o, ERR_NO_MEMORY, "no memory for the stream's head");
        return;
    }
    change_run(&o->op);
}
