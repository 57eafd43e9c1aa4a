/*
 * Reading one stream. Its head, status and snapshot are looked up together; a head that is behind
 * that of the whole log is stepped back from. Then rounds of
 *
 *     places (a scan of the index) -> events (fetch) -> those that are shown (sieve) -> the limits
 *
 * until there is enough. As of a point in time a stream ends before its first later event;
 * backwards that place is looked for first (moment.c). A call passes over at most
 * ES_EVENTS_SCANNED_MAX events that it does not show; then it answers what it has, and where to go
 * on.
 *
 * A snapshot is used if it is of this life of the stream, joins what is shown without a gap, and
 * none of the events that it has folded was redacted after it was made. For a point in time none is
 * used: the times of what it has folded it does not say. The schema that a fold declares stands for
 * two slots, what clients have written under it and what the fold has: the newer one is used.
 */
#include "es/define.h"
#include "es/read_int.h"

#include "core/mem.h"

enum { LOOK_HEAD, LOOK_STATUS, LOOK_SNAPSHOT, LOOK_FOLD, LOOK_COUNT };

struct stream_read {
    struct es_task task;
    struct es_read_stream *r;
    enum {
        AT_LOOK,
        AT_HEAD,
        AT_BEFORE,
        AT_REDACTIONS,
        AT_SNAPSHOT,
        AT_MOMENT,
        AT_ROUND,
        AT_PLACES,
        AT_EVENTS,
        AT_SIEVE
    } at;
    const struct es_cat *cat;
    int32_t partition;
    struct es_hash hash;
    struct es_position end; /* the head of all when it began: nothing behind it is shown */
    struct es_sight sight;
    struct str
        tags[LOOK_COUNT]; /* of snapshots: as it was asked for; of the fold that declares it */
    struct str tag;       /* that of the one that may be used */
    uint64_t next, last;  /* revisions that are still to be read, both inclusive */
    bool left;            /* there are any */
    bool full;            /* no memory for more */
    size_t look_count;    /* of those that were looked up together */
    size_t scanned, bytes, cap, round;
    int64_t *times;
    struct es_look_set set;
    struct es_pick pick;
    struct es_fact_fetch fact;
    struct es_sieve sieve;
    /* not cleared */
    struct es_moment moment;
    struct es_look looks[LOOK_COUNT];
    uint8_t keys[ES_CHUNK * ES_KEY_EVENT];
    uint8_t values[ES_CHUNK * ES_VALUE_EVENT];
    struct es_pick_place places[ES_CHUNK];
};

static void answer(struct stream_read *s, enum es_problem problem)
{
    struct es_read_stream *r = s->r;
    r->problem = problem;
    r->internal = NULL;
    if (problem != ES_OK) {
        r->events = NULL;
        r->event_count = 0;
        r->has_snapshot = false;
        r->more = false;
        r->incomplete_before = 0;
    }
    es_task_end(&s->task);
    r->done(r);
}

static void read_fail(struct es_task *task, enum es_problem problem, const struct ectx *ec)
{
    struct stream_read *s = CONTAINER_OF(task, struct stream_read, task);
    s->r->ec = *ec;
    answer(s, problem);
}

static void read_release(struct es_task *task)
{
    struct stream_read *s = CONTAINER_OF(task, struct stream_read, task);
    es_pick_cancel(&s->pick);
    es_fact_fetch_cancel(&s->fact);
    es_sieve_cancel(&s->sieve);
    es_moment_cancel(&s->moment);
}

static void broken(struct stream_read *s, enum err e)
{
    if (s->r->ec.code == ERR_OK) {
        IGNORE(ectx_fail(&s->r->ec, e, "reading '%.*s'", STR(s->r->stream)));
    }
    answer(s, es_problem_of(e));
}

/* ---- Head, status, snapshot ---- */

/* True: it may go on. */
static bool at_look(struct stream_read *s)
{
    struct es_look *l = s->looks;
    s->end = es_head(s->task.es);
    for (size_t i = 0; i < LOOK_COUNT; i++) {
        l[i].kind = ES_LOOK_GET;
        l[i].has_at_most = false;
        memcpy(l[i].key, s->hash.b, sizeof(s->hash.b));
    }
    l[LOOK_HEAD].kind = ES_LOOK_LAST;
    l[LOOK_HEAD].table = ES_T_EVENTS;
    l[LOOK_STATUS].table = ES_T_FACTS;
    s->set.looks = l;
    s->set.count = LOOK_SNAPSHOT;
    for (size_t i = LOOK_SNAPSHOT; i < LOOK_COUNT && !str_is_null(s->tags[i]); i++) {
        struct es_hash slot = es_hash_slot(s->task.es, &s->hash, s->tags[i]);
        l[i].table = ES_T_SNAPSHOTS;
        memcpy(l[i].key, slot.b, sizeof(slot.b));
        s->set.count = i + 1;
    }
    s->look_count = s->set.count;
    s->at = AT_HEAD;
    return es_task_look(&s->task, &s->set);
}

/* Is an entry of the stream behind the head of all? It came since, or it is of an append of which
 * the index has not all yet: nobody sees a part of one. */
static bool is_behind(const struct stream_read *s, const uint8_t *value)
{
    struct es_place p;
    es_value_event_read(value, &p);
    return es_position_cmp(p.position, s->end) > 0;
}

/* The newest one is. Those before it, from the newest on. */
static bool ask_before(struct stream_read *s)
{
    struct es_look *l = &s->looks[LOOK_HEAD];
    const uint64_t revision = es_key_event_revision(l->key_out);
    if (revision == 0) {
        l->err = ERR_NOT_FOUND;
        return true; /* at_head again */
    }
    es_key_event(l->key, &s->hash, 0);
    es_key_event(l->at_most, &s->hash, revision - 1);
    l->kind = ES_LOOK_SCAN;
    l->scan = (struct index_scan){.from = l->key,
                                  .to = l->at_most,
                                  .descending = true,
                                  .max = ES_CHUNK,
                                  .keys = s->keys,
                                  .values = s->values};
    s->set.count = 1;
    s->at = AT_BEFORE;
    return es_task_look(&s->task, &s->set);
}

/* The first that is not is the head, if one is here. */
static bool at_before(struct stream_read *s)
{
    struct es_look *l = &s->looks[LOOK_HEAD];
    const size_t n = l->err == ERR_OK ? l->scan.count : 0;
    size_t i = 0;
    while (i + 1 < n && is_behind(s, &s->values[i * ES_VALUE_EVENT])) {
        i++;
    }
    if (n > 0) {
        memcpy(l->key_out, &s->keys[i * ES_KEY_EVENT], ES_KEY_EVENT);
        memcpy(l->value, &s->values[i * ES_VALUE_EVENT], ES_VALUE_EVENT);
    } else if (l->err == ERR_OK) {
        l->err = ERR_NOT_FOUND;
    }
    s->set.count = s->look_count;
    s->at = AT_HEAD;
    return true;
}

static enum es_problem problem_of_state(struct stream_read *s)
{
    struct es_read_stream *r = s->r;
    if (s->sight.state == ES_TOMBSTONED) {
        IGNORE(ectx_fail(&r->ec, ERR_NOT_FOUND, "stream '%.*s' is gone for ever", STR(r->stream)));
        return ES_STREAM_TOMBSTONED;
    }
    if (s->sight.state == ES_SOFT_DELETED) {
        IGNORE(ectx_fail(&r->ec, ERR_NOT_FOUND, "stream '%.*s' is deleted", STR(r->stream)));
        return ES_STREAM_DELETED;
    }
    if (!s->sight.exists) {
        IGNORE(ectx_fail(&r->ec, ERR_NOT_FOUND, "there is no stream '%.*s'", STR(r->stream)));
        return ES_STREAM_NOT_FOUND;
    }
    return ES_OK;
}

/* What is to be read of what is shown. */
static void range_set(struct stream_read *s)
{
    struct es_read_stream *r = s->r;
    uint64_t floor = s->sight.floor, head = s->sight.head;
    if (!r->backward) {
        uint64_t from = r->from_end ? head + 1 : r->from;
        s->next = from < floor ? floor : from;
        s->last = r->to < head ? r->to : head;
        s->left = s->next <= s->last;
        r->next = s->next;
    } else {
        s->next = r->from_end || r->from > head ? head : r->from;
        s->last = r->to > floor ? r->to : floor;
        s->left = s->next >= s->last;
        r->next = s->next;
    }
}

/* Was something redacted that the snapshot has folded? Its state may still say it. */
static bool ask_redactions(struct stream_read *s, uint64_t revision)
{
    struct es_look *l = &s->looks[0];
    l->kind = ES_LOOK_SCAN;
    l->table = ES_T_REDACTIONS;
    es_key_redaction(l->key, &s->hash, s->sight.status.born, 0); /* no life knows of one before */
    es_key_redaction(l->at_most, &s->hash, revision, INT64_MAX);
    l->scan = (struct index_scan){.from = l->key,
                                  .to = l->at_most,
                                  .max = sizeof(s->keys) / ES_KEY_REDACTION,
                                  .keys = s->keys,
                                  .values = s->values};
    s->set.count = 1;
    s->at = AT_REDACTIONS;
    return es_task_look(&s->task, &s->set);
}

/* Facts of a stream are in one partition: the later one has the higher offset. */
static bool at_redactions(struct stream_read *s)
{
    const struct es_look *l = &s->looks[0];
    if (l->err != ERR_OK && l->err != ERR_NOT_FOUND) {
        broken(s, l->err);
        return false;
    }
    size_t n = l->err == ERR_OK ? l->scan.count : 0;
    bool later = n > 0 && l->scan.more; /* that many are not looked through */
    for (size_t i = 0; i < n && !later; i++) {
        later = es_key_redaction_fact(&s->keys[i * ES_KEY_REDACTION]) > s->fact.offset;
    }
    s->at = AT_ROUND;
    if (!later) {
        es_fact_fetch_begin(&s->fact, &s->task, s->r->stream, s->fact.offset, s->r->arena,
                            &s->r->ec);
        s->at = AT_SNAPSHOT;
    }
    return true;
}

/* The newest one that may be used. */
static void choose_snapshot(struct stream_read *s, uint64_t *out)
{
    const struct es_read_stream *r = s->r;
    if (r->backward || r->from_end || r->until_ns != INT64_MAX) {
        return;
    }
    for (size_t i = LOOK_SNAPSHOT; i < s->set.count; i++) {
        uint64_t revision;
        int64_t fact;
        if (s->looks[i].err != ERR_OK) {
            continue;
        }
        es_value_snapshot_read(s->looks[i].value, &revision, &fact);
        if (revision <= s->sight.head && revision <= r->to && revision + 1 >= r->from &&
            revision + 1 >= s->sight.floor && revision >= s->sight.status.born &&
            (str_is_null(s->tag) || revision > *out)) {
            s->tag = s->tags[i];
            s->fact.offset = fact;
            *out = revision;
        }
    }
}

static bool at_head(struct stream_read *s)
{
    struct es_read_stream *r = s->r;
    const struct es_look *l = s->looks;
    for (size_t i = 0; i < s->set.count; i++) {
        if (l[i].err != ERR_OK && l[i].err != ERR_NOT_FOUND) {
            broken(s, l[i].err);
            return false;
        }
    }
    struct es_status status;
    uint64_t head = 0;
    if (l[LOOK_HEAD].err == ERR_OK) {
        head = es_key_event_revision(l[LOOK_HEAD].key_out);
        if (is_behind(s, l[LOOK_HEAD].value)) {
            return ask_before(s);
        }
    }
    if (l[LOOK_STATUS].err == ERR_OK) {
        es_value_fact_read(l[LOOK_STATUS].value, &status);
    }
    es_sight_make(&s->sight, l[LOOK_HEAD].err == ERR_OK ? &head : NULL,
                  l[LOOK_STATUS].err == ERR_OK ? &status : NULL);
    enum es_problem problem = problem_of_state(s);
    if (problem != ES_OK) {
        answer(s, problem);
        return false;
    }
    r->last_revision = head;
    r->first_revision = s->sight.floor > head ? head + 1 : s->sight.floor;
    r->incomplete_before = s->sight.floor > s->sight.status.born ? r->first_revision : 0;
    s->sieve.sight = &s->sight;
    s->sieve.hash = s->hash;
    range_set(s);
    s->at = AT_ROUND;
    if (r->until_ns != INT64_MAX && r->backward && s->left) {
        es_moment_begin(&s->moment, s->cat, s->partition, &s->hash, s->sight.floor, head + 1,
                        r->until_ns, &r->ec);
        s->at = AT_MOMENT;
    }
    uint64_t revision = 0;
    choose_snapshot(s, &revision);
    return str_is_null(s->tag) || ask_redactions(s, revision);
}

/* Backwards, what was later is passed over without reading it. */
static bool at_moment(struct stream_read *s)
{
    if (!es_moment_run(&s->moment)) {
        return false;
    }
    if (s->moment.err != ERR_OK) {
        broken(s, s->moment.err);
        return false;
    }
    const uint64_t end = s->moment.revision;
    s->next = s->next >= end && end > 0 ? end - 1 : s->next;
    s->left = end > 0 && s->next >= s->last;
    s->r->next = s->next;
    s->at = AT_ROUND;
    return true;
}

static bool at_snapshot(struct stream_read *s)
{
    struct es_read_stream *r = s->r;
    const struct es_fact *f = &s->fact.fact;
    if (!es_fact_fetch_run(&s->fact)) {
        return false;
    }
    s->at = AT_ROUND;
    if (s->fact.err == ERR_NO_MEMORY || s->fact.err == ERR_STOPPED) {
        broken(s, s->fact.err);
        return false;
    }
    /* One that cannot be read, or is of something else, is none: the events say it all. */
    if (s->fact.err == ERR_OK && f->kind == ES_FACT_SNAPSHOT && str_eq(f->schema, s->tag) &&
        f->revision <= s->sight.head && f->revision <= r->to && f->revision + 1 >= s->next &&
        f->revision >= s->sight.status.born) {
        r->has_snapshot = true;
        r->snapshot = (struct es_snapshot){.revision = f->revision,
                                           .schema = f->schema,
                                           .state = f->snapshot,
                                           .time_ns = s->fact.time_ms * 1000000};
        r->incomplete_before = f->incomplete_before;
        s->next = r->next = f->revision + 1;
        s->left = s->next <= s->last;
    }
    r->ec = (struct ectx){0};
    return true;
}

/* ---- Rounds ---- */

/* Nothing is shown or passed over yet: where there is no memory now will be none the next time. */
static bool is_stuck(const struct stream_read *s)
{
    return s->r->event_count + s->scanned == 0;
}

static bool at_round(struct stream_read *s)
{
    struct es_read_stream *r = s->r;
    if (!s->left || s->full || r->event_count >= r->limit || s->scanned >= ES_EVENTS_SCANNED_MAX ||
        (r->event_count > 0 && s->bytes >= r->limit_bytes)) {
        r->more = s->left;
        answer(s, ES_OK);
        return false;
    }
    uint64_t wanted = r->backward ? s->next - s->last + 1 : s->last - s->next + 1;
    size_t limit = r->limit - r->event_count;
    /* Bytes are guessed by what came so far; at first 1 KiB an event. */
    size_t each = r->event_count > 0 ? s->bytes / r->event_count + 1 : 1024;
    size_t fits = (r->limit_bytes > s->bytes ? r->limit_bytes - s->bytes : 0) / each + 1;
    s->round = wanted < ES_CHUNK ? (size_t)wanted : ES_CHUNK;
    s->round = limit < s->round ? limit : s->round;
    s->round = fits < s->round ? fits : s->round;
    if (r->backward && r->event_count == 0) {
        s->round = 1; /* batches are walked forward: of several the last could find no memory */
    }
    struct es_look *l = &s->looks[0];
    uint64_t end = r->backward ? s->next - (s->round - 1) : s->next + (s->round - 1);
    l->kind = ES_LOOK_SCAN;
    l->table = ES_T_EVENTS;
    es_key_event(l->key, &s->hash, r->backward ? end : s->next);
    es_key_event(l->at_most, &s->hash, r->backward ? s->next : end);
    l->scan = (struct index_scan){.from = l->key,
                                  .to = l->at_most,
                                  .descending = r->backward,
                                  .max = s->round,
                                  .keys = s->keys,
                                  .values = s->values};
    s->set.count = 1;
    s->at = AT_PLACES;
    return es_task_look(&s->task, &s->set);
}

static bool at_places(struct stream_read *s)
{
    struct es_read_stream *r = s->r;
    const struct es_look *l = &s->looks[0];
    if (l->err != ERR_OK && l->err != ERR_NOT_FOUND) {
        broken(s, l->err);
        return false;
    }
    size_t n = l->err == ERR_OK ? l->scan.count : 0;
    uint64_t wanted = s->next;
    for (size_t i = 0; i < n; i++) {
        struct es_place p;
        if (es_key_event_revision(&s->keys[i * ES_KEY_EVENT]) != wanted) {
            n = i;
            break;
        }
        wanted = r->backward ? wanted - 1 : wanted + 1;
        es_value_event_read(&s->values[i * ES_VALUE_EVENT], &p);
        s->places[i] = (struct es_pick_place){
            .cat = s->cat, .partition = s->partition, .offset = p.offset, .position = p.position};
    }
    if (n < s->round) {
        IGNORE(ectx_fail(&r->ec, ERR_DAMAGED, "stream '%.*s': the index has no revision %llu",
                         STR(r->stream), (unsigned long long)wanted));
        answer(s, ES_FAILED);
        return false;
    }
    if (!es_events_room(&r->events, &s->times, &s->cap, r->event_count, n, r->arena)) {
        if (is_stuck(s)) {
            broken(s, ERR_NO_MEMORY);
            return false;
        }
        s->full = true;
        s->at = AT_ROUND;
        return true;
    }
    size_t bytes = r->limit_bytes > s->bytes ? r->limit_bytes - s->bytes : 1;
    es_pick_begin(&s->pick, s->places, n, bytes, &r->events[r->event_count],
                  &s->times[r->event_count], r->arena, &r->ec);
    s->at = AT_EVENTS;
    return true;
}

static bool at_events(struct stream_read *s)
{
    struct es_read_stream *r = s->r;
    if (!es_pick_run(&s->pick)) {
        return false;
    }
    if (s->pick.err != ERR_OK &&
        (s->pick.err != ERR_NO_MEMORY || (s->pick.count == 0 && is_stuck(s)))) {
        broken(s, s->pick.err);
        return false;
    }
    s->full = s->pick.err != ERR_OK; /* the arena is: what is there will do */
    r->ec = (struct ectx){0};
    s->round = s->pick.count;
    es_sieve_begin(&s->sieve, &r->events[r->event_count], &s->times[r->event_count], s->pick.count,
                   r->arena, &r->ec);
    s->at = AT_SIEVE;
    return true;
}

/* Up to where has the sieve hidden some of this round? They are too old (max_age). */
static void note_hidden(struct stream_read *s)
{
    const struct es_event *found = s->sieve.events;
    uint64_t end = s->next + s->round;
    for (size_t i = s->sieve.count; i > 0 && found[i - 1].revision + 1 == end; i--) {
        end--;
    }
    if (!s->r->backward && end > s->next && s->sieve.count < s->round) {
        s->r->incomplete_before = end;
    }
}

/* Takes what the sieve has left, as far as the limits let it. */
static bool at_sieve(struct stream_read *s)
{
    struct es_read_stream *r = s->r;
    if (!es_sieve_run(&s->sieve)) {
        return false;
    }
    if (s->sieve.err != ERR_OK) {
        if (s->sieve.err == ERR_NO_MEMORY && !is_stuck(s)) {
            s->full = true;
            s->at = AT_ROUND;
            r->ec = (struct ectx){0};
            return true;
        }
        broken(s, s->sieve.err);
        return false;
    }
    struct es_event *found = s->sieve.events;
    bool later = false;
    note_hidden(s);
    uint64_t end = r->backward ? s->next - s->round : s->next + s->round;
    for (size_t i = 0; i < s->sieve.count; i++) {
        later = !r->backward && found[i].envelope.time_ns > r->until_ns;
        if (later) {
            break;
        }
        s->bytes += es_event_size(&found[i]);
        if (r->event_count > 0 && s->bytes > r->limit_bytes) {
            end = found[i].revision; /* this one comes first the next time */
            break;
        }
        if (&r->events[r->event_count] != &found[i]) {
            r->events[r->event_count] = found[i];
        }
        r->event_count++;
    }
    s->scanned += s->round;
    s->left = !later && (r->backward ? end != UINT64_MAX && end >= s->last : end <= s->last);
    s->next = r->next = end;
    s->at = AT_ROUND;
    return true;
}

static void read_go(struct es_task *task)
{
    static bool (*const steps[])(struct stream_read *) = {
        [AT_LOOK] = at_look,         [AT_HEAD] = at_head,
        [AT_BEFORE] = at_before,     [AT_REDACTIONS] = at_redactions,
        [AT_SNAPSHOT] = at_snapshot, [AT_MOMENT] = at_moment,
        [AT_ROUND] = at_round,       [AT_PLACES] = at_places,
        [AT_EVENTS] = at_events,     [AT_SIEVE] = at_sieve,
    };
    struct stream_read *s = CONTAINER_OF(task, struct stream_read, task);
    if (s->set.pending > 0) {
        return;
    }
    while (steps[s->at](s)) {
    }
}

/* ---- The call ---- */

static enum es_problem begin(struct es *es, struct es_read_stream *r, struct stream_read **out)
{
    struct str category;
    if (es_stream_name_check(r->stream, &category, &r->ec) == false) {
        return ES_INVALID;
    }
    enum es_problem p = es_life_check(es, &r->ec);
    if (p != ES_OK) {
        return p;
    }
    const struct es_cat *cat = es_cat_find(es, category);
    if (cat == NULL) {
        IGNORE(ectx_fail(&r->ec, ERR_NOT_FOUND, "there is no stream '%.*s'", STR(r->stream)));
        return ES_STREAM_NOT_FOUND;
    }
    struct stream_read *s = mem_alloc(sizeof(*s));
    if (s == NULL) {
        IGNORE(ectx_fail(&r->ec, ERR_NO_MEMORY, "no memory for a read"));
        return ES_FAILED;
    }
    memset(s, 0, offsetof(struct stream_read, looks));
    s->r = r;
    s->cat = cat;
    s->partition = es_cat_partition(cat, r->stream);
    s->hash = es_hash_stream(es, r->stream);
    s->tags[LOOK_SNAPSHOT] = r->snapshot_schema;
    s->task.go = read_go;
    s->task.fail = read_fail;
    s->task.release = read_release;
    es_pick_init(&s->pick, &s->task);
    es_sieve_init(&s->sieve, &s->task);
    es_moment_init(&s->moment, &s->task);
    if (!str_is_null(r->snapshot_schema) &&
        !es_fold_tag_of_schema(es, r->stream, r->snapshot_schema, r->arena, &s->tags[LOOK_FOLD])) {
        IGNORE(ectx_fail(&r->ec, ERR_NO_MEMORY, "no memory for a read"));
        mem_free(s);
        return ES_FAILED;
    }
    p = es_task_begin(es, &s->task, &r->ec);
    if (p != ES_OK) {
        mem_free(s);
        return p;
    }
    *out = s;
    return ES_OK;
}

void es_read_stream(struct es *es, struct es_read_stream *r)
{
    struct stream_read *s = NULL;
    r->ec = (struct ectx){0};
    r->internal = NULL;
    r->events = NULL;
    r->event_count = 0;
    r->has_snapshot = r->more = false;
    r->first_revision = r->last_revision = r->next = r->incomplete_before = 0;
    r->problem = begin(es, r, &s);
    if (r->problem != ES_OK) {
        r->done(r);
        return;
    }
    r->internal = s;
    es_task_wake(&s->task);
}

void es_read_stream_release(struct es *es, struct es_read_stream *r)
{
    (void)es;
    struct stream_read *s = r->internal;
    if (s != NULL) {
        r->internal = NULL;
        es_task_end(&s->task); /* `done` does not come any more */
    }
    r->events = NULL; /* they lie in the caller's arena */
    r->event_count = 0;
}
