/*
 * Queries of dynamic consistency boundaries: is there an event after a position that has one of
 * these types and all of these tags? Answered from the table of terms, whose keys are term and
 * position: types OR by the type's hash in each entry, tags AND by asking every tag in turn for its
 * first entry at or after the candidate, until all agree (each jumps over what the others lack).
 * An item with neither is about any event: then the end of the last one says it. No record is read.
 *
 * Progress is kept between tries: what was passed over stays passed over, since entries come in the
 * order of positions, but for those of one flight; what comes after the end was reached is in
 * flight or in a flight that is kept. When the memo that keeps them is given back, progress goes
 * back to what was whole. What needs many look-ups is left to query_walk.c.
 */
#include "es/query.h"
#include "core/mem.h"

enum { STEPS_OF_DISK = 16 }; /* a look-up by a job counts as so many */

static struct es_hash *hashes(struct es_wop *op, const struct str *names, size_t count, bool tags)
{
    struct es_hash *out = arena_new_n(op->arena, struct es_hash, count + 1);
    for (size_t i = 0; out != NULL && i < count; i++) {
        out[i] = tags ? es_hash_tag(op->es, names[i]) : es_hash_type(op->es, names[i]);
    }
    return out;
}

struct es_query *es_query_create(struct es_wop *op, struct es_query_pass *pass,
                                 const struct es_check *check)
{
    struct es_query *q = arena_new(op->arena, struct es_query);
    if (q == NULL) {
        return NULL;
    }
    q->items = arena_new_n(op->arena, struct es_query_progress, check->item_count + 1);
    q->item_count = check->item_count;
    struct es_position from = {0, 0};
    if (check->after.commit > 0 || check->after.index > 0) {
        from = es_position_next(check->after);
    }
    for (size_t i = 0; q->items != NULL && i < q->item_count; i++) {
        const struct es_query_item *item = &check->items[i];
        struct es_query_progress *p = &q->items[i];
        p->types = hashes(op, item->types, item->type_count, false);
        p->tags = hashes(op, item->tags, item->tag_count, true);
        if (p->types == NULL || p->tags == NULL) {
            return NULL;
        }
        p->type_count = item->type_count;
        p->tag_count = item->tag_count;
        p->tag_mask = es_term_mask(p->tags, p->tag_count);
        p->at = from;
        p->query = q;
        pass->terms += item->type_count + item->tag_count;
    }
    q->from = from;
    return q->items == NULL ? NULL : q;
}

bool es_query_has_type(const struct es_query_progress *p, uint64_t type)
{
    for (size_t i = 0; i < p->type_count; i++) {
        if (es_hash_short(&p->types[i]) == type) {
            return true;
        }
    }
    return p->type_count == 0;
}

void es_query_found(struct es_query_progress *p, const struct es_term *t)
{
    struct es_query *q = p->query;
    p->found = *t;
    p->has_found = p->ended = true;
    if (!q->matched || es_position_before(t->position, q->match.position)) {
        q->matched = true;
        q->match = *t;
    }
}

void es_query_step(struct es_query_progress *p, bool found, const struct es_term *t)
{
    if (p->tag_count == 0) { /* types alone: the least of all */
        if (found && (!p->has_found || es_position_before(t->position, p->found.position))) {
            p->found = *t;
            p->has_found = true;
        }
        if (++p->next == p->type_count) {
            p->ended = true;
            if (p->has_found) {
                es_query_found(p, &p->found);
            }
        }
        return;
    }
    if (!found) {
        p->ended = true;
        return;
    }
    p->agreed = p->agreed > 0 && !es_position_before(p->at, t->position) ? p->agreed + 1 : 1;
    p->at = t->position;
    p->next = (p->next + 1) % p->tag_count;
    if (p->agreed < p->tag_count) {
        return;
    }
    if (es_query_has_type(p, t->type)) {
        es_query_found(p, t);
    }
    p->at = es_position_next(p->at);
    p->agreed = 0;
}

/* The question of `next`: a scan for one entry, in the keys and values of a look. */
static void question_lay(const struct es_query_progress *p, struct es_look *l)
{
    const struct es_hash *term = p->tag_count == 0 ? &p->types[p->next] : &p->tags[p->next];
    es_key_term(l->key, term, p->at);
    es_key_term(l->at_most, term, (struct es_position){UINT64_MAX, UINT32_MAX});
    l->kind = ES_LOOK_SCAN;
    l->table = ES_T_TERMS;
    l->scan = (struct index_scan){.table = ES_T_TERMS,
                                  .from = l->key,
                                  .to = l->at_most,
                                  .max = 1,
                                  .keys = l->key_out,
                                  .values = l->value};
}

static void question_answered(struct es_query_progress *p, const struct es_look *l)
{
    struct es_term t = {.offset = -1};
    if (l->scan.count > 0) {
        es_term_read(l->key_out, l->value, &t);
    }
    es_query_step(p, l->scan.count > 0, &t);
}

static void question_take(struct es_wop *op, struct es_look *looks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (looks[i].err == ERR_OK || looks[i].err == ERR_NOT_FOUND) {
            question_answered(looks[i].ctx, &looks[i]);
        } else {
            op->look_err = looks[i].err;
        }
    }
}

/* Asks by a job. */
static enum err question_submit(struct es_wop *op, struct es_query_progress *p)
{
    struct es_look *l = es_wop_looks_begin(op, 1, question_take);
    if (l == NULL) {
        return ERR_NO_MEMORY;
    }
    question_lay(p, l);
    l->ctx = p;
    return es_wop_looks_go(op, 1) ? ERR_OK : ERR_AGAIN;
}

/* Is it to be walked? */
static bool too_long(const struct es_wop *op, const struct es_query_pass *pass,
                     const struct es_query_progress *p)
{
    if (p->tag_count == 0 && p->type_count == 0) {
        return es_position_before(p->at, op->es->writer->events_end);
    }
    if (p->tag_count > 0 && pass->since_ns == 0 && ES_FAULT(walk_soon)) {
        return true;
    }
    return p->tag_count > 0 && pass->steps > ES_QUERY_STEPS_NOW + pass->terms;
}

/* Back to what the index had whole when the pass began. Behind that it may lack events of a flight
 * whose entries were being put, which only a memo keeps in sight. Not before what was asked for. */
static void item_back(const struct es_query_pass *pass, struct es_query_progress *p)
{
    const struct es_position from = p->query->from;
    const struct es_position back = es_position_before(pass->upto, from) ? from : pass->upto;
    p->at = es_position_before(back, p->at) ? back : p->at;
    p->next = p->agreed = 0;
}

static enum err item_walk(struct es_wop *op, struct es_query_pass *pass,
                          struct es_query_progress *p)
{
    op->holding = true;
    item_back(pass, p);
    enum err e = es_query_walk(op, pass, p);
    op->holding = false;
    pass->walking = e == ERR_OK;
    return e == ERR_OK ? ERR_AGAIN : e;
}

static enum err item_look(struct es_wop *op, struct es_query_pass *pass,
                          struct es_query_progress *p)
{
    while (!p->ended) {
        struct es_look l;
        if (too_long(op, pass, p)) {
            return item_walk(op, pass, p);
        }
        if (p->tag_count == 0 && p->type_count == 0) {
            p->ended = true; /* the index has no event there */
            return ERR_OK;
        }
        pass->steps++;
        question_lay(p, &l);
        enum err e = index_scan(op->es->index, &l.scan);
        if (e == ERR_AGAIN) {
            pass->steps += STEPS_OF_DISK;
            e = question_submit(op, p);
        } else if (e == ERR_OK || e == ERR_NOT_FOUND) {
            question_answered(p, &l);
            e = ERR_OK;
        }
        if (e == ERR_OK) {
            e = op->look_err;
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static bool event_has(const struct es_flight_event *x, const struct es_hash *term)
{
    for (uint32_t i = 0; i < x->term_count; i++) {
        if (es_hash_eq(&x->terms[i], term)) {
            return true;
        }
    }
    return false;
}

static bool event_matches(const struct es_flight_event *x, const struct es_query_progress *p)
{
    if ((x->term_mask & p->tag_mask) != p->tag_mask ||
        !es_query_has_type(p, es_hash_short(&x->terms[0]))) {
        return false;
    }
    for (size_t i = 0; i < p->tag_count; i++) {
        if (!event_has(x, &p->tags[i])) {
            return false;
        }
    }
    return true;
}

/* What the index does not have, or not when it was asked. */
static void look_in_flights(struct es_query *q, const struct list *flights)
{
    LIST_FOR_EACH (l, tmp, flights) {
        struct es_flight *f = CONTAINER_OF(l, struct es_flight, link);
        for (size_t i = 0; i < f->event_count; i++) {
            const struct es_flight_event *x = &f->events[i];
            bool matches = false;
            for (size_t k = 0; k < q->item_count && !matches; k++) {
                matches = (f->term_mask & q->items[k].tag_mask) == q->items[k].tag_mask &&
                          event_matches(x, &q->items[k]);
            }
            if (!matches) {
                continue;
            }
            if (!f->retired) {
                q->flight = f;
                return; /* told when it is in the index: then this is tried again */
            }
            const struct es_flight_part *part = &f->parts[x->part];
            struct es_term t = {es_flight_event_position(x), part->cat->hash, part->partition,
                                part->base_offset + x->index, es_hash_short(&x->terms[0])};
            if (!es_position_before(t.position, q->from) &&
                (!q->matched || es_position_before(t.position, q->match.position))) {
                q->matched = true;
                q->match = t;
            }
        }
    }
}

enum err es_query_look(struct es_wop *op, struct es_query_pass *pass, struct es_query *q)
{
    struct es_writer *w = op->es->writer;
    if (pass->failed) {
        return ERR_LIMIT;
    }
    if (!pass->begun) {
        es_wop_memo(op);
        pass->begun = true;
        pass->steps = 0;
        pass->upto = es_position_next(es_head(op->es));
    }
    for (size_t i = 0; i < q->item_count; i++) {
        enum err e = item_look(op, pass, &q->items[i]);
        if (e != ERR_OK) {
            return e;
        }
    }
    q->flight = NULL;
    look_in_flights(q, &w->retired);
    if (!q->matched) {
        look_in_flights(q, &w->flights);
    }
    return ERR_OK;
}

void es_query_restart(const struct es_query_pass *pass, struct es_query *q)
{
    for (size_t i = 0; i < q->item_count; i++) {
        struct es_query_progress *p = &q->items[i];
        if (p->ended && p->has_found) {
            continue;
        }
        if (p->ended && es_position_before(p->at, pass->upto)) {
            p->at = pass->upto;
        }
        item_back(pass, p);
        p->ended = p->has_found = false;
    }
}

void es_query_events_end(struct es *es, struct es_position end)
{
    struct es_writer *w = es->writer;
    if (es_position_before(w->events_end, end)) {
        w->events_end = end;
    }
}
