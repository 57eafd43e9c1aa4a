/*
 * Places of events -> events. Places that lie in one batch, or side by side, are read together;
 * up to ES_PICK_READS reads are out at once, and each puts its events where they belong, whatever
 * comes first.
 *
 * A slot has places [first, end), all in one partition, with offsets that ascend or descend. It
 * walks them in ascending order, for that is how batches come; `at` counts how many it has.
 */
#include "es/read_int.h"

enum { RUN_GAP = 4, RUN_MAX = 64, TOLD_AHEAD = 2 };

void es_pick_init(struct es_pick *f, struct es_task *task)
{
    *f = (struct es_pick){.task = task};
    list_init(&f->slots);
}

void es_pick_begin(struct es_pick *f, const struct es_pick_place *places, size_t count,
                   size_t max_bytes, struct es_event *events, int64_t *times, struct arena *a,
                   struct ectx *ec)
{
    for (size_t i = 0; i < count; i++) {
        events[i].stream = STR_NULL; /* not there yet */
    }
    f->bytes = 0;
    f->max_bytes = max_bytes;
    f->places = places;
    f->count = count;
    f->events = events;
    f->times = times;
    f->arena = a;
    f->ec = ec;
    f->err = ERR_OK;
    f->next = f->told = 0;
}

void es_pick_cancel(struct es_pick *f)
{
    struct list *l;
    while ((l = list_pop_front(&f->slots)) != NULL) {
        es_slot_give(CONTAINER_OF(l, struct es_slot, link));
    }
    f->reads = 0;
}

/* The end of the run of places that begins at `first`: what one read may bring. *wide: they are in
 * more than one batch. */
static size_t run_end(const struct es_pick *f, size_t first, bool *wide)
{
    const struct es_pick_place *p = &f->places[first];
    size_t end = first + 1;
    int64_t direction = 0;
    *wide = false;
    for (; end < f->count && end - first < RUN_MAX; end++) {
        const struct es_pick_place *q = &f->places[end];
        int64_t step = q->offset - f->places[end - 1].offset;
        if (q->cat != p->cat || q->partition != p->partition || step == 0 ||
            (direction != 0 && (step > 0) != (direction > 0)) ||
            (q->position.commit != f->places[end - 1].position.commit &&
             (step > RUN_GAP || step < -RUN_GAP))) {
            break;
        }
        direction = step;
        *wide = *wide || q->position.commit != p->position.commit;
    }
    return end;
}

/* Number `n` of the slot's places by offset. */
static size_t place_index(const struct es_pick *f, const struct es_slot *s, size_t n)
{
    bool descends = f->places[s->first].offset > f->places[s->end - 1].offset;
    return descends ? s->end - 1 - n : s->first + n;
}

static const struct es_pick_place *place_at(const struct es_pick *f, const struct es_slot *s)
{
    return &f->places[place_index(f, s, s->at)];
}

static enum err take_record(struct es_pick *f, struct es_slot *s, const struct record *r,
                            uint64_t commit)
{
    const struct es_pick_place *p = place_at(f, s);
    const struct es_record_place where = {p->cat->topic, p->partition, commit};
    size_t i = place_index(f, s, s->at);
    enum err e = es_record_read(r, &where, f->arena, &f->events[i], f->ec);
    if (e == ERR_NOT_FOUND) {
        return ectx_fail(f->ec, ERR_DAMAGED, "%.*s-%d: no event at offset %lld", STR(where.topic),
                         (int)where.partition, (long long)r->offset);
    }
    if (e != ERR_OK) {
        f->events[i].stream = STR_NULL;
        return e;
    }
    f->times[i] = r->timestamp;
    f->bytes += es_event_size(&f->events[i]);
    s->at++;
    return ERR_OK;
}

static enum err take_batch(struct es_pick *f, struct es_slot *s, const struct engine_batch *b)
{
    struct batch_header h;
    struct record_iter it;
    struct record r;
    const uint8_t *bytes = (const uint8_t *)b->bytes.p;
    size_t count = s->end - s->first;
    enum err e = batch_header_parse(bytes, b->bytes.n, &h, f->ec);
    if (e != ERR_OK || batch_last_offset(&h) < place_at(f, s)->offset) {
        return e;
    }
    e = record_iter_init(&it, &h, bytes, &f->task->es->reader->scratch, ES_DECOMPRESS_MAX, f->ec);
    while (e == ERR_OK && s->at < count && record_next(&it, &r)) {
        int64_t wanted = place_at(f, s)->offset;
        if (r.offset > wanted) {
            return ectx_fail(f->ec, ERR_DAMAGED, "%.*s-%d: nothing at offset %lld",
                             STR(place_at(f, s)->cat->topic), (int)place_at(f, s)->partition,
                             (long long)wanted);
        }
        if (r.offset == wanted) {
            e = take_record(f, s, &r, b->position);
        }
    }
    return e != ERR_OK || s->at == count ? e : record_iter_end(&it, f->ec);
}

/* Takes what the slot's read has brought. True: it must be asked again for the rest. */
static bool take(struct es_pick *f, struct es_slot *s)
{
    size_t before = s->at, count = s->end - s->first;
    if (f->err != ERR_OK) {
        return false;
    }
    if (s->read.err != ERR_OK) {
        if (f->ec != NULL) {
            *f->ec = s->read.ec;
        }
        f->err = s->read.err;
        return false;
    }
    for (size_t i = 0; i < s->read.batch_count && s->at < count && f->err == ERR_OK; i++) {
        f->err = take_batch(f, s, &s->read.batches[i]);
    }
    if (f->err == ERR_OK && s->at == before) {
        f->err = ectx_fail(f->ec, ERR_DAMAGED, "%.*s-%d: the log has nothing at offset %lld",
                           STR(place_at(f, s)->cat->topic), (int)place_at(f, s)->partition,
                           (long long)place_at(f, s)->offset);
    }
    /* With enough bytes it may stop half-way; the first place comes in any case. */
    return f->err == ERR_OK && s->at < count && (f->bytes < f->max_bytes || s->first == 0);
}

/* Asks until it must wait or has all. */
static void slot_go(struct es_pick *f, struct es_slot *s, size_t max_bytes)
{
    do {
        const struct es_pick_place *p = place_at(f, s);
        if (!es_slot_ask(s, p->cat->topic, p->partition, p->offset, max_bytes)) {
            return;
        }
    } while (take(f, s));
    f->reads--;
    es_slot_give(s);
}

static void slot_answered(struct es_slot *s)
{
    struct es_pick *f = s->owner;
    if (take(f, s)) {
        slot_go(f, s, ES_PICK_RUN);
    } else {
        f->reads--;
        es_slot_give(s);
    }
    es_task_wake(f->task);
}

/* The next ones are told before they are read: bytes that are in memory, but in no cache of the
 * processor, come while another event is looked at. */
static void tell(struct es_pick *f)
{
    f->told = f->told < f->next ? f->next : f->told; /* one read may have had many */
    for (; f->told < f->next + TOLD_AHEAD && f->told < f->count; f->told++) {
        const struct es_pick_place *p = &f->places[f->told];
        if (f->told == 0 || p->position.commit != p[-1].position.commit) {
            engine_read_soon(f->task->es->engine, p->cat->topic, p->partition, p->offset);
        }
    }
}

bool es_pick_run(struct es_pick *f)
{
    while (f->err == ERR_OK && f->next < f->count && f->reads < ES_PICK_READS &&
           (f->next == 0 || f->bytes < f->max_bytes)) {
        bool wide;
        tell(f);
        struct es_slot *s = es_slot_take(f->task->es);
        if (s == NULL) {
            f->err = ectx_fail(f->ec, ERR_NO_MEMORY, "no memory for a read");
            break;
        }
        s->owner = f;
        s->answered = slot_answered;
        s->first = f->next;
        s->end = f->next = run_end(f, f->next, &wide);
        s->at = 0;
        list_push_back(&f->slots, &s->link);
        f->reads++;
        slot_go(f, s, wide ? ES_PICK_RUN : 1);
    }
    if (f->err != ERR_OK) {
        es_pick_cancel(f);
    }
    if (f->reads > 0) {
        return false;
    }
    size_t n = 0;
    while (n < f->count && f->events[n].stream.p != NULL) {
        n++;
    }
    f->count = n;
    return true;
}
