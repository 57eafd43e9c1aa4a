/*
 * What may be seen of a stream, the same on every way to read: nothing of a deleted or tombstoned
 * one, nothing below its truncation, no more than max_count events, none older than max_age (by
 * the time of its record in the log), and of a redacted event no data.
 *
 * Most logs have no facts at all, and most events no redaction: the first look of each round asks
 * for that, and if so nothing else is asked.
 */
#include "es/read_int.h"
#include "es/write.h"

#include "core/mem.h"

void es_sight_make(struct es_sight *s, const uint64_t *head, const struct es_status *status)
{
    s->exists = head != NULL;
    s->head = head == NULL ? 0 : *head;
    if (status == NULL) {
        es_status_init(&s->status);
    } else {
        s->status = *status;
    }
    s->state = es_state_now(&s->status, s->exists, s->head);
    s->floor = s->status.truncate_before;
    if (s->status.max_count >= 0 && s->head + 1 > (uint64_t)s->status.max_count &&
        s->floor < s->head + 1 - (uint64_t)s->status.max_count) {
        s->floor = s->head + 1 - (uint64_t)s->status.max_count;
    }
    if (s->state != ES_ACTIVE) {
        s->floor = UINT64_MAX;
    }
}

bool es_sight_shows(const struct es_sight *s, uint64_t revision, int64_t time_ms, int64_t now_ms)
{
    return s->state == ES_ACTIVE && revision >= s->floor &&
           (s->status.max_age_ms < 0 || time_ms >= now_ms - s->status.max_age_ms);
}

void es_sieve_init(struct es_sieve *s, struct es_task *task)
{
    memset(s, 0, sizeof(*s));
    s->task = task;
    arena_init(&s->scratch, ES_REDACT_ARENA);
}

void es_sieve_begin(struct es_sieve *s, struct es_event *events, int64_t *times, size_t count,
                    struct arena *a, struct ectx *ec)
{
    s->events = events;
    s->times = times;
    s->count = count;
    s->arena = a;
    s->ec = ec;
    s->err = ERR_OK;
    s->at = ES_SIEVE_ANY;
    s->i = s->kept = 0;
    s->has_seen = s->asked = false;
    s->now_ms = env_wall_ms(s->task->es->env);
    s->fact.slot = NULL;
}

void es_sieve_cancel(struct es_sieve *s)
{
    es_fact_fetch_cancel(&s->fact);
    arena_deinit(&s->scratch);
}

/* ---- Look-ups ---- */

static void look_scan(struct es_sieve *s, size_t which, enum es_table table)
{
    struct es_look *l = &s->looks[which];
    l->kind = ES_LOOK_SCAN;
    l->table = table;
    l->scan = (struct index_scan){.from = l->key,
                                  .to = l->at_most,
                                  .max = 1,
                                  .keys = s->keys[which],
                                  .values = s->values[which]};
}

/* True: answered, `asked` is false again. False: wait. */
static bool look_run(struct es_sieve *s, size_t count)
{
    if (s->asked) {
        if (s->set.pending > 0) {
            return false;
        }
    } else {
        s->set.looks = s->looks;
        s->set.count = count;
        s->asked = true;
        if (!es_task_look(s->task, &s->set)) {
            return false;
        }
    }
    s->asked = false;
    for (size_t i = 0; i < count && s->err == ERR_OK; i++) {
        enum err e = s->looks[i].err;
        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            s->err = ectx_fail(s->ec, e, "the index of the event store could not be read");
        }
    }
    return true;
}

static bool found(const struct es_look *l)
{
    return l->err == ERR_OK && (l->kind != ES_LOOK_SCAN || l->scan.count > 0);
}

/* Redactions between two revisions of one stream, or of all. */
static void ask_redactions(struct es_sieve *s, bool all, uint64_t first, uint64_t last,
                           int64_t fact)
{
    struct es_look *l = &s->looks[0];
    if (all) {
        memset(l->key, 0, sizeof(l->key));
        memset(l->at_most, 0xff, sizeof(l->at_most));
    } else {
        es_key_redaction(l->key, &s->hash, first, fact);
        es_key_redaction(l->at_most, &s->hash, last, INT64_MAX);
    }
    look_scan(s, 0, ES_T_REDACTIONS);
}

static void ask_any(struct es_sieve *s)
{
    if (s->sight != NULL) {
        uint64_t a = s->events[0].revision, b = s->events[s->count - 1].revision;
        ask_redactions(s, false, a < b ? a : b, a < b ? b : a, 0);
        return;
    }
    ask_redactions(s, true, 0, 0, 0);
    memset(s->looks[1].key, 0, sizeof(s->looks[1].key));
    memset(s->looks[1].at_most, 0xff, sizeof(s->looks[1].at_most));
    look_scan(s, 1, ES_T_FACTS);
}

/* ---- Steps: each says whether it could go on ---- */

static bool step_any(struct es_sieve *s)
{
    if (!s->asked) {
        ask_any(s);
    }
    if (!look_run(s, s->sight != NULL ? 1 : 2)) {
        return false;
    }
    s->any_redactions = found(&s->looks[0]);
    s->any_facts = s->sight != NULL || found(&s->looks[1]);
    s->at = ES_SIEVE_STATUS;
    return true;
}

static bool step_status(struct es_sieve *s)
{
    if (s->sight != NULL || !s->any_facts) {
        if (s->any_redactions && s->sight == NULL) {
            s->hash = es_hash_stream(s->task->es, s->events[s->i].stream);
        }
        s->at = ES_SIEVE_JUDGE;
        return true;
    }
    if (!s->asked) {
        struct es_hash hash = es_hash_stream(s->task->es, s->events[s->i].stream);
        if (s->has_seen && es_hash_eq(&hash, &s->hash)) {
            s->at = ES_SIEVE_JUDGE;
            return true;
        }
        s->hash = hash;
        s->has_seen = false;
        s->looks[0].kind = ES_LOOK_GET;
        s->looks[0].table = ES_T_FACTS;
        memcpy(s->looks[0].key, hash.b, sizeof(hash.b));
    }
    if (!look_run(s, 1)) {
        return false;
    }
    s->has_status = found(&s->looks[0]);
    if (s->has_status) {
        es_value_fact_read(s->looks[0].value, &s->status);
    }
    s->at = ES_SIEVE_HEAD;
    return true;
}

/* The head matters if there is a limit of events, or a deletion that an append may have ended. */
static bool step_head(struct es_sieve *s)
{
    uint64_t head = s->events[s->i].revision;
    if (s->has_status &&
        (s->status.max_count >= 0 || s->status.fact_state == ES_FACT_SOFT_DELETED)) {
        if (!s->asked) {
            s->looks[0].kind = ES_LOOK_LAST;
            s->looks[0].table = ES_T_EVENTS;
            memcpy(s->looks[0].key, s->hash.b, sizeof(s->hash.b));
            s->looks[0].has_at_most = false;
        }
        if (!look_run(s, 1)) {
            return false;
        }
        if (found(&s->looks[0])) {
            head = es_key_event_revision(s->looks[0].key_out);
        }
    }
    es_sight_make(&s->seen, &head, s->has_status ? &s->status : NULL);
    s->has_seen = true;
    s->at = ES_SIEVE_JUDGE;
    return true;
}

/* On to the next event, with or without this one. */
static void next(struct es_sieve *s, bool keep)
{
    if (keep) {
        if (s->kept != s->i) {
            s->events[s->kept] = s->events[s->i];
            s->times[s->kept] = s->times[s->i];
        }
        s->kept++;
    }
    s->i++;
    s->at = ES_SIEVE_STATUS;
}

static bool step_judge(struct es_sieve *s)
{
    const struct es_event *e = &s->events[s->i];
    const struct es_sight *sight = s->sight;
    if (sight == NULL && s->any_facts && !ES_FAULT(sieve_blind)) {
        sight = &s->seen;
    }
    if (sight != NULL && !es_sight_shows(sight, e->revision, s->times[s->i], s->now_ms)) {
        next(s, false);
    } else if (s->any_redactions) {
        ask_redactions(s, false, e->revision, e->revision, 0);
        s->at = ES_SIEVE_REDACTIONS;
    } else {
        next(s, true);
    }
    return true;
}

/* One redaction of event i; after it the next one. */
static bool step_redactions(struct es_sieve *s)
{
    struct es_event *e = &s->events[s->i];
    if (!look_run(s, 1)) {
        return false;
    }
    if (!found(&s->looks[0])) {
        next(s, true);
        return true;
    }
    e->redacted = true;
    struct es_redaction_value value;
    es_value_redaction_read(s->values[0], &value);
    if (value.whole) {
        e->data = STR_NULL;
        next(s, true);
        return true;
    }
    es_fact_fetch_begin(&s->fact, s->task, e->stream, es_key_redaction_fact(s->keys[0]),
                        &s->scratch, s->ec);
    s->at = ES_SIEVE_FACT;
    return true;
}

/* Only some fields. A fact that is not what the index says takes all of the data away: what was
 * to be hidden is not shown because something is broken. */
static bool step_fact(struct es_sieve *s)
{
    struct es_event *e = &s->events[s->i];
    if (!es_fact_fetch_run(&s->fact)) {
        return false;
    }
    const struct es_fact *fact = &s->fact.fact;
    if (s->fact.err == ERR_OK && fact->kind == ES_FACT_REDACTION && fact->revision == e->revision) {
        s->err = es_redact(e, fact->fields, fact->field_count, s->arena, s->ec);
    } else if (s->fact.err == ERR_OK || s->fact.err == ERR_NOT_FOUND) {
        e->data = STR_NULL;
    } else {
        s->err = s->fact.err;
    }
    arena_reset(&s->scratch, 0);
    ask_redactions(s, false, e->revision, e->revision, s->fact.offset + 1);
    s->at = ES_SIEVE_REDACTIONS;
    return true;
}

bool es_sieve_run(struct es_sieve *s)
{
    static bool (*const steps[])(struct es_sieve *) = {
        [ES_SIEVE_ANY] = step_any,
        [ES_SIEVE_STATUS] = step_status,
        [ES_SIEVE_HEAD] = step_head,
        [ES_SIEVE_JUDGE] = step_judge,
        [ES_SIEVE_REDACTIONS] = step_redactions,
        [ES_SIEVE_FACT] = step_fact,
    };
    while (s->err == ERR_OK && s->i < s->count) {
        if (!steps[s->at](s)) {
            return false;
        }
    }
    if (s->err == ERR_OK) {
        s->count = s->kept;
    }
    return true;
}
