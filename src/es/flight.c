/*
 * Flights: what is sequenced and not yet durable and in the index. They end in the order in which
 * they were sequenced: the entries of one are put when it and all before it are durable, and then
 * its waiters are told. A flight that a memo may need (write.h) is kept after that, in `retired`.
 *
 * Failure: a flight that the log lost takes the store with it (nothing after it was stored either,
 * and heads have moved): everything is refused from then on, with the reason. Memory that the index
 * does not get is asked for again at the next tick; until then the flight answers as before.
 */
#include "core/log.h"
#include "core/mem.h"
#include "es/write.h"

#define PREFETCH_AHEAD 4 /* events whose places in the index are on their way */

#ifdef LEAT_DEBUG
struct es_faults es_faults;
#endif

/* One piece of memory: a flight is made and freed for each append. Counts are below the limits of
 * appends and of batches, so the sum cannot overflow. */
struct es_flight *es_flight_create(struct es *es, size_t events, size_t terms, size_t parts)
{
    struct es_flight *f;
    const size_t events_bytes = (events + 1) * sizeof(*f->events);
    const size_t parts_bytes = (parts + 1) * sizeof(*f->parts);
    const size_t engine_bytes = (parts + 1) * sizeof(*f->engine_parts);
    const size_t terms_bytes = (terms + 1) * sizeof(*f->terms);
    f = mem_zalloc(1, sizeof(*f) + events_bytes + parts_bytes + engine_bytes + terms_bytes);
    if (f == NULL) {
        return NULL;
    }
    uint8_t *at = (uint8_t *)f->room;
    f->events = (void *)at;
    f->parts = (void *)(at += events_bytes);
    f->engine_parts = (void *)(at += parts_bytes);
    f->terms = (void *)(at + engine_bytes);
    list_init(&f->link);
    list_init(&f->waiters);
    f->es = es;
    return f;
}

/* Mostly an event has the type of the one before. */
static struct es_hash type_hash(struct es *es, struct str type)
{
    struct es_writer *w = es->writer;
    if (type.n == 0 || type.n > sizeof(w->type)) {
        return es_hash_type(es, type);
    }
    if (!str_eq(type, str_make(w->type, w->type_n))) {
        w->type_hash = es_hash_type(es, type);
        memcpy(w->type, type.p, type.n);
        w->type_n = type.n;
    }
    return w->type_hash;
}

static uint64_t term_bit(const struct es_hash *term)
{
    return 1ull << (term->b[15] & 63);
}

struct es_flight_event *es_flight_add(struct es_flight *f, struct es_head *h, struct str type,
                                      const struct str *tags, size_t tag_count)
{
    struct es_flight_event *x = &f->events[f->event_count++];
    struct es_hash *terms = &f->terms[f->term_count];
    x->flight = f;
    x->head = h;
    x->terms = terms;
    x->term_count = (uint32_t)(1 + tag_count);
    f->term_count += 1 + tag_count;
    terms[0] = type_hash(f->es, type);
    for (size_t i = 0; i < tag_count; i++) {
        terms[1 + i] = es_hash_tag(f->es, tags[i]);
    }
    for (size_t i = 0; i < x->term_count; i++) {
        x->term_mask |= term_bit(&terms[i]);
    }
    f->term_mask |= x->term_mask;
    return x;
}

uint64_t es_term_mask(const struct es_hash *terms, size_t count)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < count; i++) {
        mask |= term_bit(&terms[i]);
    }
    return mask;
}

static enum err id_insert(struct es_writer *w, struct es_flight_event *x)
{
    uint64_t key = es_hash_short(&x->id);
    x->next = map_get_u64(&w->ids, key);
    return map_put_u64(&w->ids, key, x) ? ERR_OK : ERR_NO_MEMORY;
}

static void id_remove(struct es_writer *w, struct es_flight_event *x)
{
    uint64_t key = es_hash_short(&x->id);
    struct es_flight_event *at = map_get_u64(&w->ids, key);
    if (at == x) {
        if (x->next == NULL) {
            map_remove_u64(&w->ids, key);
        } else {
            bool put = map_put_u64(&w->ids, key, x->next); /* replaces: needs no memory */
            CHECK(put);
        }
        return;
    }
    while (at->next != x) {
        at = at->next;
    }
    at->next = x->next;
}

struct es_flight_event *es_flight_event_find(struct es *es, const struct es_hash *id)
{
    struct es_flight_event *x = map_get_u64(&es->writer->ids, es_hash_short(id));
    while (x != NULL && !es_hash_eq(&x->id, id)) {
        x = x->next;
    }
    return x;
}

struct es_position es_flight_event_position(const struct es_flight_event *x)
{
    return (struct es_position){x->flight->parts[x->part].position, x->index};
}

enum err es_flight_enter(struct es_flight *f)
{
    struct es_writer *w = f->es->writer;
    for (size_t i = 0; i < f->event_count; i++) {
        if (id_insert(w, &f->events[i]) != ERR_OK) {
            while (i-- > 0) {
                id_remove(w, &f->events[i]);
            }
            return ERR_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < f->event_count; i++) {
        f->events[i].head->pins++;
    }
    if (f->has_fact) {
        f->fact.head->pins++;
    }
    w->flight_count += f->event_count;
    f->entered = true;
    return ERR_OK;
}

static void unpin(struct es_flight *f)
{
    for (size_t i = 0; i < f->event_count; i++) {
        es_head_give(f->es, f->events[i].head);
    }
    if (f->has_fact) {
        es_head_give(f->es, f->fact.head);
    }
}

static void flight_free(struct es_flight *f)
{
    list_remove(&f->link);
    mem_free(f->kept);
    mem_free(f);
}

static void leave(struct es_flight *f)
{
    struct es_writer *w = f->es->writer;
    for (size_t i = 0; i < f->event_count; i++) {
        id_remove(w, &f->events[i]);
    }
    w->flight_count -= f->event_count;
    f->entered = false;
}

void es_flight_drop(struct es_flight *f)
{
    if (f->entered) {
        leave(f);
        unpin(f);
    }
    flight_free(f);
}

void es_flight_sequenced(struct es_flight *f)
{
    struct es_writer *w = f->es->writer;
    f->seq = ++w->seq;
    uint64_t visible = engine_position(f->es->engine);
    if (list_empty(&w->flights) && !f->ended && visible > w->indexed) {
        w->indexed = visible; /* of everything before this one */
    }
    list_push_back(&w->flights, &f->link);
    for (size_t i = 0; i < f->event_count; i++) {
        struct es_flight_event *x = &f->events[i];
        if (!ES_FAULT(head_kept)) {
            x->head->has_events = true;
            x->head->last = x->revision;
        }
        x->head->flight = f;
    }
    if (f->has_fact) {
        f->fact.head->flight = f;
        f->fact.head->change = f;
        f->fact.head->changes++;
        if (f->fact.kind == ES_FACT_STATE) {
            f->fact.status.fact = f->parts[f->fact.part].base_offset;
            f->fact.head->status = f->fact.status;
        }
    }
}

/* The index has all of it. */
static void cover(const struct es_flight *f)
{
    struct es_writer *w = f->es->writer;
    for (size_t i = 0; i < f->part_count; i++) {
        const struct es_flight_part *p = &f->parts[i];
        int64_t *covered = p->cat == NULL ? f->es->facts_covered : p->cat->covered;
        covered[p->partition] = p->base_offset + (int64_t)p->count;
        w->indexed = p->position > w->indexed ? p->position : w->indexed;
        if (p->cat != NULL && p->count > 0) {
            p->cat->events += p->count;
            es_query_events_end(f->es, (struct es_position){p->position, (uint32_t)p->count});
        }
    }
    if (f->append.part_count > f->part_count) { /* of what `also` has added, which is told, too */
        const uint64_t last = f->engine_parts[f->part_count].position;
        w->indexed = last > w->indexed ? last : w->indexed;
    }
}

static void tell(struct list *waiters)
{
    struct list *l;
    while ((l = list_pop_front(waiters)) != NULL) {
        struct es_flight_wait *wait = CONTAINER_OF(l, struct es_flight_wait, link);
        wait->told(wait);
    }
}

static void append_done(struct engine_append *a)
{
    struct es_flight *f = a->ctx;
    f->ended = true;
    f->err = a->err;
    if (f->sending) {
        return; /* es_flight_send goes on with it */
    }
    for (size_t i = 0; i < f->part_count; i++) {
        f->parts[i].position = f->engine_parts[i].position;
    }
    es_flight_ended(f, a->err, &a->ec);
}

enum err es_flight_send(struct es_flight *f, bool also, struct ectx *ec)
{
    f->append = (struct engine_append){.parts = f->engine_parts,
                                       .part_count = f->part_count + also,
                                       .done = append_done,
                                       .ctx = f};
    f->sending = true;
    engine_append(f->es->engine, &f->append);
    f->sending = false;
    if (f->ended && f->err != ERR_OK) {
        if (f->append.ec.code == ERR_OK) {
            return ectx_fail(ec, f->err, "the log did not take it: %s", err_text(f->err));
        }
        *ec = f->append.ec;
        return f->err;
    }
    for (size_t i = 0; i < f->part_count; i++) {
        f->parts[i].base_offset = f->engine_parts[i].base_offset;
    }
    es_flight_sequenced(f);
    if (ES_FAULT(covered_early)) {
        cover(f);
    }
    if (ES_FAULT(answer_early)) {
        tell(&f->waiters);
    }
    if (f->ended) {
        append_done(&f->append);
    }
    return ERR_OK;
}

void es_flight_ended(struct es_flight *f, enum err e, const struct ectx *ec)
{
    struct es *es = f->es;
    f->ended = true;
    f->err = e;
    if (e != ERR_OK && es->failure.code == ERR_OK) {
        es->failure = *ec;
        es->failure.code = e;
        LOG_ERROR("es.append_lost", KV_ERR(&es->failure));
    }
    if (es->life != ES_STOPPED) {
        es_flights_advance(es);
    }
}

/* Ids lie anywhere in the index's memory; what else is put lies beside what was put before. */
static void prefetch_id(const struct es_flight *f, size_t event)
{
    if (event < f->event_count && f->events[event].needs_id_entry) {
        index_prefetch(f->es->index, ES_T_IDS, f->events[event].id.b);
    }
}

/* Entries of what is durable. False: the index takes no more for now. */
static bool flight_put(struct es_flight *f)
{
    struct es *es = f->es;
    if (f->link.next != &es->writer->flights) {
        prefetch_id(CONTAINER_OF(f->link.next, struct es_flight, link), 0);
    }
    while (f->put < f->event_count) {
        if (ES_FAULT(put_stops) && f->put > 0 && f->put + 1 == f->event_count) {
            return false;
        }
        prefetch_id(f, f->put + PREFETCH_AHEAD);
        const struct es_flight_event *x = &f->events[f->put];
        const struct es_flight_part *p = &f->parts[x->part];
        const struct es_entry entry = {
            .stream = x->head->hash,
            .id = x->id,
            .needs_id_entry = x->needs_id_entry,
            .revision = x->revision,
            .body = x->body,
            .terms = x->terms,
            .term_count = x->term_count,
            .cat = p->cat,
            .partition = p->partition,
            .place = {p->base_offset + x->index, {p->position, x->index}},
        };
        if (es_entry_put(es, &entry) != ERR_OK) {
            return false;
        }
        f->put++;
    }
    const struct es_flight_fact *fact = &f->fact;
    return !f->has_fact ||
           es_fact_put(es, &fact->head->hash, fact->kind, &fact->status, fact->revision,
                       fact->whole, &fact->slot, f->parts[fact->part].partition,
                       f->parts[fact->part].base_offset) == ERR_OK;
}

/* It is in the index: nothing depends on it any more, except memos. */
static void flight_pop(struct es_flight *f, struct list *told)
{
    struct es *es = f->es;
    struct es_writer *w = es->writer;
    cover(f);
    for (size_t i = 0; i < f->event_count; i++) {
        struct es_head *h = f->events[i].head;
        h->flight = h->flight == f ? NULL : h->flight;
    }
    if (f->has_fact) {
        struct es_head *h = f->fact.head;
        h->flight = h->flight == f ? NULL : h->flight;
        h->change = h->change == f ? NULL : h->change;
    }
    unpin(f);
    struct list *l;
    while ((l = list_pop_front(&f->waiters)) != NULL) {
        list_push_back(told, l);
    }
    list_remove(&f->link);
    f->retired_tick = w->tick;
    f->retired = true;
    list_push_back(&w->retired, &f->link);
}

void es_flights_advance(struct es *es)
{
    struct es_writer *w = es->writer;
    struct list told;
    if (w->advancing || es->index == NULL) {
        return; /* whoever is at it goes on with what has come */
    }
    w->advancing = true;
    list_init(&told);
    while (!list_empty(&w->flights) && es->failure.code == ERR_OK) {
        bool popped = false;
        while (!list_empty(&w->flights)) {
            struct es_flight *f = CONTAINER_OF(w->flights.next, struct es_flight, link);
            if (!f->ended || f->err != ERR_OK || !index_ready(es->index) || !flight_put(f)) {
                break;
            }
            flight_pop(f, &told);
            popped = true;
        }
        if (!popped) {
            break;
        }
        es_reader_advanced(es);
        tell(&told);
        es_flights_release(es);
    }
    w->advancing = false;
    if (es->failure.code != ERR_OK) {
        es_wops_fail(es);
    }
}

/* What readers may see is what the index has, not what the log has: between the flush of an append
 * and the entries in the index a reader of the index would pass over it. */
struct es_position es_head(const struct es *es)
{
    const struct es_writer *w = es->writer;
    uint64_t visible = w->indexed;
    if (list_empty(&w->flights) && engine_position(es->engine) > visible) {
        visible = engine_position(es->engine);
    }
    return (struct es_position){visible, UINT32_MAX};
}

void es_flights_release(struct es *es)
{
    struct es_writer *w = es->writer;
    uint64_t oldest = UINT64_MAX;
    if (!list_empty(&w->memos)) {
        oldest = CONTAINER_OF(w->memos.next, struct es_wop, memo_link)->memo_tick;
    }
    while (!list_empty(&w->retired)) {
        struct es_flight *f = CONTAINER_OF(w->retired.next, struct es_flight, link);
        if (f->retired_tick >= oldest) {
            return;
        }
        leave(f);
        flight_free(f);
    }
}

void es_flights_tell(struct es *es)
{
    struct list told, *l;
    list_init(&told);
    LIST_FOR_EACH (n, tmp, &es->writer->flights) {
        struct es_flight *f = CONTAINER_OF(n, struct es_flight, link);
        CHECK(f->ended && f->err == ERR_OK);
        while ((l = list_pop_front(&f->waiters)) != NULL) {
            list_push_back(&told, l);
        }
    }
    tell(&told);
}

void es_flights_free(struct es *es)
{
    struct es_writer *w = es->writer;
    struct list *l;
    while ((l = list_pop_front(&w->retired)) != NULL) {
        struct es_flight *f = CONTAINER_OF(l, struct es_flight, link);
        leave(f);
        flight_free(f);
    }
    while ((l = list_pop_front(&w->flights)) != NULL) {
        es_flight_drop(CONTAINER_OF(l, struct es_flight, link));
    }
}
