/*
 * A source: the events that a filter lets through and that may be seen, in the order of the log, in
 * rounds. Whole categories are scanned; types and tags are looked up in the index (terms.c), unless
 * they are too many.
 *
 *     GATHER   scan:  records of batches -> events
 *              terms: entries of the index -> places -> FETCH -> events
 *     SIEVE    out with what may not be seen
 *
 * `progress` moves only when a round is done, and over everything that the round has looked at,
 * shown or not. Nothing above `head` is looked at: that was read before the round began, and all
 * that is below it was visible then. So who has seen a position never meets a lower one later.
 */
#include "es/read_int.h"

#include "core/mem.h"

static const struct es_position position_last = {UINT64_MAX, UINT32_MAX};

void es_source_init(struct es_source *s, struct es_task *task)
{
    memset(s, 0, sizeof(*s));
    s->task = task;
    es_terms_init(&s->terms, task);
    es_pick_init(&s->pick, task);
    es_sieve_init(&s->sieve, task);
}

void es_source_cancel(struct es_source *s)
{
    if (s->scan != NULL) {
        es_scan_cancel(s->scan);
        mem_free(s->scan);
        s->scan = NULL;
    }
    es_pick_cancel(&s->pick);
    es_sieve_cancel(&s->sieve);
}

void es_source_destroy(struct es_source *s)
{
    es_terms_destroy(&s->terms);
}

/* ---- Filters ---- */

enum es_problem es_filter_check(const struct es_filter *f, struct ectx *ec)
{
    if (f->store.p != NULL && !str_eq_z(f->store, "default")) {
        IGNORE(ectx_fail(ec, ERR_NOT_FOUND, "there is no store '%.*s'; this node has one: default",
                         STR(f->store)));
        return ES_INVALID;
    }
    if (f->tag_count + f->type_count > ES_TERMS_MAX) {
        IGNORE(ectx_fail(ec, ERR_LIMIT, "a filter has at most %d types and tags together, not %zu",
                         ES_TERMS_MAX, f->tag_count + f->type_count));
        return ES_INVALID;
    }
    return ES_OK;
}

bool es_filter_record(const struct es_filter *f, const struct record *r)
{
    if (f->type_count == 0 && f->tag_count == 0) {
        return true;
    }
    struct es_view v;
    if (es_view_read(r, &v, NULL) != ERR_OK) {
        return false;
    }
    bool type = f->type_count == 0;
    for (size_t i = 0; i < f->type_count; i++) {
        type = type || str_eq(v.type, f->types[i]);
    }
    size_t tags = 0;
    for (size_t i = 0; i < f->tag_count; i++) {
        for (size_t k = 0; k < v.tag_count; k++) {
            if (str_eq(v.tags[k], f->tags[i])) {
                tags++;
                break;
            }
        }
    }
    return type && tags == f->tag_count;
}

/* ---- Beginning ---- */

static enum err reading_begin(struct es_source *s, struct es_position after, bool from_end,
                              struct ectx *ec)
{
    if (s->by_terms) {
        return es_terms_begin(&s->terms, &s->filter, after, from_end, s->backward, s->head.commit,
                              ec);
    }
    struct es_reader *r = s->task->es->reader;
    s->scan = from_end ? NULL : es_scan_unpark(r, s->cat, s->backward, after);
    if (s->scan != NULL) {
        s->scan->task = s->task;
        s->scan->ec = ec;
        return s->backward ? ERR_OK : es_scan_bound(s->scan, s->head.commit);
    }
    s->scan = mem_new(struct es_scan);
    if (s->scan == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a read");
    }
    es_scan_init(s->scan, s->task);
    s->scan->bound = s->head.commit;
    return es_scan_begin(s->scan, s->cat, after, from_end, s->backward, s->chunk_bytes, ec);
}

enum err es_source_begin(struct es_source *s, const struct es_filter *filter,
                         struct es_position after, bool from_end, bool backward,
                         struct es_position head, size_t chunk_bytes, struct ectx *ec)
{
    s->filter = *filter;
    s->backward = backward;
    s->head = head;
    s->chunk_bytes = chunk_bytes;
    s->by_terms = filter->type_count + filter->tag_count > 0;
    s->progress = from_end ? position_last : after;
    if (filter->category.p != NULL) {
        s->cat = es_cat_find(s->task->es, filter->category);
        s->missing = s->cat == NULL;
    }
    return s->missing ? ERR_OK : reading_begin(s, after, from_end, ec);
}

enum err es_source_bound(struct es_source *s, struct es_position head)
{
    s->head = head;
    s->terms_ended = false;
    if (s->missing) {
        s->cat = es_cat_find(s->task->es, s->filter.category);
        if (s->cat == NULL) {
            return ERR_OK;
        }
        s->missing = false;
        return reading_begin(s, s->progress, false, s->ec);
    }
    if (s->by_terms) {
        es_terms_bound(&s->terms, head.commit);
        return ERR_OK;
    }
    return es_scan_bound(s->scan, head.commit);
}

void es_source_round(struct es_source *s, size_t max_events, size_t max_bytes, size_t max_scanned,
                     struct arena *a, struct ectx *ec)
{
    s->arena = a;
    s->ec = s->terms.ec = ec;
    if (s->scan != NULL) {
        s->scan->ec = ec;
    }
    s->max_events = max_events;
    s->max_bytes = max_bytes;
    s->max_scanned = max_scanned;
    s->at = ES_SOURCE_GATHER;
    s->round = s->bytes = s->count = s->scanned = s->terms.scanned = 0;
    s->ended = s->full = false;
    s->err = ERR_OK;
    s->gathered = s->progress;
}

/* ---- Gathering from batches ---- */

static bool enough(const struct es_source *s)
{
    return s->full || s->round >= s->max_events || s->bytes >= s->max_bytes ||
           s->scanned >= s->max_scanned;
}

/* No memory ends the round if there is something to show. */
static void no_memory(struct es_source *s)
{
    if (s->base + s->round > 0) {
        s->full = true;
        if (s->ec != NULL) {
            *s->ec = (struct ectx){0};
        }
    } else {
        s->err = ectx_fail(s->ec, ERR_NO_MEMORY, "no memory for one event");
    }
}

static void event_add(struct es_source *s, const struct record *r,
                      const struct es_record_place *place)
{
    if (!es_events_room(&s->events, &s->times, &s->cap, s->base + s->round, 1, s->arena)) {
        no_memory(s);
        return;
    }
    struct es_event *e = &s->events[s->base + s->round];
    enum err err = es_record_read(r, place, s->arena, e, s->ec);
    if (err == ERR_NOT_FOUND) {
        metric_add(s->task->es->reader->foreign, 1);
    } else if (err == ERR_NO_MEMORY) {
        no_memory(s);
    } else if (err != ERR_OK) {
        s->err = err;
    } else {
        s->times[s->base + s->round++] = r->timestamp;
        s->bytes += es_event_size(e);
    }
}

/* Is it still to be looked at? */
static bool ahead(const struct es_source *s, struct es_position p)
{
    int order = es_position_cmp(p, s->gathered);
    return s->backward ? order < 0 : order > 0;
}

static struct es_position position_of(const struct es_record_place *place, const struct record *r)
{
    return (struct es_position){place->commit, (uint32_t)r->offset_delta};
}

/* True: the whole batch was looked at. */
static bool batch_forward(struct es_source *s, struct record_iter *it,
                          const struct es_record_place *place)
{
    struct record r;
    while (!enough(s) && s->err == ERR_OK) {
        if (!record_next(it, &r)) {
            return true;
        }
        struct es_position p = position_of(place, &r);
        if (!ahead(s, p)) {
            continue;
        }
        if (es_filter_record(&s->filter, &r)) {
            event_add(s, &r, place);
        }
        if (!s->full && s->err == ERR_OK) {
            s->gathered = p;
        }
    }
    return false;
}

/* The last ones of the batch that are wanted; two walks, because records can only be walked
 * forward. `again`: a second iterator at the beginning. */
static bool batch_backward(struct es_source *s, struct record_iter *it, struct record_iter *again,
                           const struct es_record_place *place)
{
    struct record r;
    size_t matches = 0, passed = 0, begin = s->base + s->round;
    struct es_position lowest = s->gathered;
    while (record_next(it, &r)) {
        matches += ahead(s, position_of(place, &r)) && es_filter_record(&s->filter, &r);
    }
    size_t room = begin == 0 ? 1 : s->max_events - s->round; /* one fits, if not all do */
    size_t skip = matches > room ? matches - room : 0;
    bool first = true;
    while (s->err == ERR_OK && !s->full && record_next(again, &r)) {
        struct es_position p = position_of(place, &r);
        if (!ahead(s, p) || !es_filter_record(&s->filter, &r) || passed++ < skip) {
            continue;
        }
        lowest = first ? p : lowest;
        first = false;
        event_add(s, &r, place);
    }
    if (s->full) { /* the last ones of it are missing: the next call gives the batch */
        s->round = begin - s->base;
        if (begin == 0) {
            s->err = ectx_fail(s->ec, ERR_NO_MEMORY, "no memory for the events of one batch");
        }
        return false;
    }
    for (size_t i = begin, j = s->base + s->round; i + 1 < j; i++) {
        j--;
        struct es_event e = s->events[i];
        int64_t t = s->times[i];
        s->events[i] = s->events[j];
        s->times[i] = s->times[j];
        s->events[j] = e;
        s->times[j] = t;
    }
    if (skip > 0) {
        s->gathered = lowest;
        return false;
    }
    return s->err == ERR_OK;
}

static void batch_gather(struct es_source *s, const struct engine_batch *b,
                         const struct es_cursor *c)
{
    struct batch_header h;
    struct record_iter it, again;
    const uint8_t *bytes = (const uint8_t *)b->bytes.p;
    const struct es_record_place place = {c->cat->topic, c->partition, b->position};
    s->err = batch_header_parse(bytes, b->bytes.n, &h, s->ec);
    if (s->err == ERR_OK) {
        s->err = record_iter_init(&it, &h, bytes, &s->task->es->reader->scratch, ES_DECOMPRESS_MAX,
                                  s->ec);
    }
    if (s->err != ERR_OK) {
        return;
    }
    again = it;
    struct es_position from = s->gathered;
    bool whole =
        s->backward ? batch_backward(s, &it, &again, &place) : batch_forward(s, &it, &place);
    if (s->err == ERR_OK && whole) {
        struct es_position end = {b->position, s->backward ? 0 : (uint32_t)h.last_offset_delta};
        s->err = record_iter_end(&it, s->ec);
        if (ahead(s, end) || es_position_cmp(from, s->gathered) != 0) {
            s->scanned++; /* not the batch in which it began, if that had nothing more */
        }
        s->gathered = ahead(s, end) ? end : s->gathered;
        es_scan_pop(s->scan, &h);
    }
}

static bool gather_scan(struct es_source *s)
{
    while (s->err == ERR_OK && !enough(s)) {
        const struct es_cursor *c;
        if (!es_scan_run(s->scan)) {
            return false;
        }
        s->err = s->scan->err;
        const struct engine_batch *b = s->err == ERR_OK ? es_scan_top(s->scan, &c) : NULL;
        if (b == NULL) {
            s->ended = true;
            break;
        }
        size_t before = s->round;
        struct es_position from = s->gathered;
        size_t scanned = s->scanned;
        batch_gather(s, b, c);
        if (s->backward && s->round == before && s->scanned == scanned &&
            es_position_cmp(from, s->gathered) == 0) {
            break; /* the batch waits for the next round */
        }
    }
    s->at = ES_SOURCE_SIEVE;
    return true;
}

/* ---- Gathering from the index ---- */

/* Without places that wait, the lists tell how far everything was looked at. */
static void terms_progress(struct es_source *s)
{
    if (s->place_count > 0) {
        return;
    }
    s->ended = s->terms_ended;
    struct es_position passed = es_terms_passed(&s->terms);
    if (!s->ended && ahead(s, passed)) {
        s->gathered = passed;
    }
}

static bool gather_terms(struct es_source *s)
{
    size_t most = s->max_events < ES_CHUNK ? s->max_events : ES_CHUNK;
    most = s->backward && s->base == 0 ? 1 : most; /* as in batch_backward */
    while (s->err == ERR_OK && s->place_count < most && !s->terms_ended) {
        struct es_term term;
        enum es_found found;
        if (!es_terms_run(&s->terms, s->max_scanned, &term, &found)) {
            return false;
        }
        s->err = s->terms.err;
        s->scanned = s->terms.scanned;
        if (s->err != ERR_OK || found == ES_FOUND_LATER) {
            break;
        }
        if (found == ES_FOUND_END) {
            s->terms_ended = true;
            break;
        }
        const struct es_cat *cat = es_cat_by_hash(s->task->es, term.category);
        if (cat == NULL) {
            s->err = ectx_fail(s->ec, ERR_DAMAGED, "the index names a category that is not there");
            break;
        }
        s->places[s->place_count++] = (struct es_pick_place){.cat = cat,
                                                             .partition = term.partition,
                                                             .offset = term.offset,
                                                             .position = term.position};
    }
    s->at = ES_SOURCE_SIEVE;
    s->round = s->place_count < most ? s->place_count : most;
    if (s->err == ERR_OK && s->round > 0 &&
        !es_events_room(&s->events, &s->times, &s->cap, s->base, s->round, s->arena)) {
        s->round = 0;
        no_memory(s);
        return true;
    }
    if (s->err == ERR_OK && s->round > 0) {
        es_pick_begin(&s->pick, s->places, s->round, s->max_bytes, &s->events[s->base],
                      &s->times[s->base], s->arena, s->ec);
        s->at = ES_SOURCE_PICK;
    } else {
        terms_progress(s);
    }
    return true;
}

/* The events of the round's places are here, or as many as there was room for. The other places
 * wait for the next round. */
static void picked(struct es_source *s)
{
    s->err = s->pick.err;
    s->round = s->pick.count;
    if (s->err == ERR_NO_MEMORY && s->base + s->round > 0) {
        s->err = ERR_OK;
        no_memory(s);
    }
    s->place_count -= s->round;
    memmove(s->places, &s->places[s->round], s->place_count * sizeof(s->places[0]));
    if (s->round > 0) {
        s->gathered = s->events[s->base + s->round - 1].position;
    }
    if (s->err == ERR_OK) {
        terms_progress(s);
    }
    s->at = ES_SOURCE_SIEVE;
}

/* True: the round is done. */
static bool round_end(struct es_source *s)
{
    if (!es_sieve_run(&s->sieve)) {
        return false;
    }
    s->err = s->sieve.err;
    if (s->err != ERR_OK) {
        return true;
    }
    s->count = s->sieve.count;
    s->progress = s->gathered;
    if (s->ended && !s->backward && ahead(s, s->head)) {
        s->progress = s->head; /* nothing of it is left */
    }
    return true;
}

bool es_source_run(struct es_source *s)
{
    if (s->missing) {
        s->ended = true;
        return true;
    }
    for (;;) {
        switch (s->at) {
        case ES_SOURCE_GATHER:
            if (!(s->by_terms ? gather_terms(s) : gather_scan(s))) {
                return false;
            }
            break;
        case ES_SOURCE_PICK:
            if (!es_pick_run(&s->pick)) {
                return false;
            }
            picked(s);
            break;
        case ES_SOURCE_SIEVE:
            return round_end(s);
        }
        if (s->err != ERR_OK) {
            return true;
        }
        if (s->at == ES_SOURCE_SIEVE) {
            size_t base = s->round > 0 ? s->base : 0;
            es_sieve_begin(&s->sieve, s->events + base, s->times + base, s->round, s->arena, s->ec);
        }
    }
}

void es_source_park(struct es_source *s)
{
    bool over = s->backward && s->ended;
    if (s->scan != NULL && !over && s->err == ERR_OK && s->scan->err == ERR_OK &&
        s->scan->out == 0) {
        es_scan_park(s->task->es->reader, s->scan, s->progress);
        s->scan = NULL;
    }
}
