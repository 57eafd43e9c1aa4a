/*
 * The order of the whole log over many partitions: a cursor for each, and a heap by the position of
 * its next batch. A batch comes out when every cursor is either ready or at its end, so that
 * nothing lower can follow.
 *
 *     NEW -> SEEKING -> EMPTY -> READING -> READY -> EMPTY ...
 *                         \-> END (again EMPTY with a higher bound)
 *
 * Forward, a cursor reads on. Backward, it reads a window that ends where it is, and takes the
 * batches from the last to the first; the window grows while it brings little.
 *
 * Memory: ES_SCAN_SLOTS cursors keep what they have read. With more of them the others remember
 * only the position, and read again when their turn comes.
 */
#include "es/read_int.h"

#include "core/mem.h"

enum { ES_SCAN_SLOTS = 64, ES_SCAN_OUT = 8 };
#define CHUNK_MIN  (16u << 10)
#define CHUNK_MAX  (512u << 10)
#define WINDOW_MIN 16
#define WINDOW_MAX 65536

static void scan_fail(struct es_scan *s, enum err e, const struct ectx *ec)
{
    if (s->err == ERR_OK) {
        s->err = e;
        if (s->ec != NULL && ec != NULL) {
            *s->ec = *ec;
        }
    }
}

static enum err no_memory(struct es_scan *s)
{
    s->err =
        ectx_fail(s->ec, ERR_NO_MEMORY, "no memory for reading %zu partitions", s->cursor_count);
    return s->err;
}

void es_scan_init(struct es_scan *s, struct es_task *task)
{
    memset(s, 0, sizeof(*s));
    s->task = task;
    list_init(&s->work);
    list_init(&s->ended);
    list_init(&s->parked);
    heap_init(&s->ready);
}

/* ---- Cursors ---- */

static void slot_drop(struct es_cursor *c)
{
    if (c->slot != NULL) {
        es_slot_give(c->slot);
        c->slot = NULL;
        c->scan->held--;
    }
}

static void to_work(struct es_cursor *c, enum es_cursor_state state)
{
    c->state = state;
    list_remove(&c->link);
    list_push_back(&c->scan->work, &c->link);
}

static void to_end(struct es_cursor *c)
{
    slot_drop(c);
    c->state = ES_CURSOR_END;
    list_remove(&c->link);
    list_push_back(&c->scan->ended, &c->link);
}

static void to_ready(struct es_cursor *c)
{
    struct es_scan *s = c->scan;
    c->position = c->slot->read.batches[c->batch].position;
    c->state = ES_CURSOR_READY;
    if (!heap_insert(&s->ready, &c->node, s->backward ? ~c->position : c->position)) {
        slot_drop(c);
        IGNORE(no_memory(s));
        return;
    }
    if (s->held > ES_SCAN_SLOTS && !c->wanted) {
        slot_drop(c);
    }
}

static enum err cat_add(struct es_scan *s, const struct es_cat *cat)
{
    size_t wanted = s->cursor_count + (size_t)cat->partitions;
    if (wanted > s->cursor_cap) {
        size_t cap = wanted > 2 * s->cursor_cap ? wanted : 2 * s->cursor_cap;
        struct es_cursor **grown = mem_realloc(s->cursors, cap * sizeof(struct es_cursor *));
        if (grown == NULL) {
            return no_memory(s);
        }
        s->cursors = grown;
        s->cursor_cap = cap;
    }
    for (int32_t i = 0; i < cat->partitions; i++) {
        struct es_cursor *c = mem_new(struct es_cursor);
        if (c == NULL) {
            return no_memory(s);
        }
        c->scan = s;
        c->cat = cat;
        c->partition = i;
        c->window = WINDOW_MIN;
        c->from = -1;
        heap_node_init(&c->node);
        list_init(&c->link);
        s->cursors[s->cursor_count++] = c;
        to_work(c, ES_CURSOR_NEW);
    }
    return ERR_OK;
}

static bool cat_known(const struct es_scan *s, const struct es_cat *cat)
{
    for (size_t i = 0; i < s->cursor_count; i += (size_t)s->cursors[i]->cat->partitions) {
        if (s->cursors[i]->cat == cat) {
            return true;
        }
    }
    return false;
}

static enum err cats_add(struct es_scan *s)
{
    const struct map *cats = &s->task->es->cats;
    if (s->cats_seen == cats->count) {
        return ERR_OK;
    }
    struct map_iter it = {0};
    bool first = s->cursor_count == 0;
    while (map_next(cats, &it)) {
        const struct es_cat *cat = it.value;
        if (first || !cat_known(s, cat)) {
            enum err e = cat_add(s, cat);
            if (e != ERR_OK) {
                return e;
            }
        }
    }
    s->cats_seen = cats->count;
    return ERR_OK;
}

enum err es_scan_begin(struct es_scan *s, const struct es_cat *cat, struct es_position after,
                       bool from_end, bool backward, size_t chunk_bytes, struct ectx *ec)
{
    s->cat = cat;
    s->after = after;
    s->from_end = from_end;
    s->backward = backward;
    s->chunk_bytes = chunk_bytes;
    s->ec = ec;
    s->err = ERR_OK;
    return cat != NULL ? cat_add(s, cat) : cats_add(s);
}

enum err es_scan_bound(struct es_scan *s, uint64_t bound)
{
    s->bound = bound;
    struct list *l;
    while ((l = list_pop_front(&s->ended)) != NULL) {
        to_work(CONTAINER_OF(l, struct es_cursor, link), ES_CURSOR_EMPTY);
    }
    return s->cat != NULL ? ERR_OK : cats_add(s);
}

/* ---- Where to begin ---- */

static void seek_done(void *ctx, enum err e, int64_t offset, const struct ectx *ec)
{
    struct es_cursor *c = ctx;
    struct es_scan *s = c->scan;
    s->out--;
    if (e != ERR_OK) {
        scan_fail(s, e, ec);
    }
    c->next = offset;
    to_work(c, ES_CURSOR_EMPTY);
    es_task_wake(s->task);
}

/* The first offset that is above a position. */
static void seek_start(struct es_cursor *c, uint64_t position)
{
    struct es_scan *s = c->scan;
    const struct engine_seek what = {.by = ENGINE_SEEK_POSITION, .position = position};
    c->state = ES_CURSOR_SEEKING;
    s->out++;
    if (!es_seek_start(s->task->es, c->cat, c->partition, &what, seek_done, c, &c->seek)) {
        s->out--;
        IGNORE(no_memory(s));
    }
}

/* True: nothing of it is in the log. */
static bool bounds(struct es_cursor *c, int64_t *start, int64_t *end)
{
    struct es_scan *s = c->scan;
    enum err e = engine_bounds(s->task->es->engine, c->cat->topic, c->partition, start, end);
    if (e != ERR_OK) {
        struct ectx ec = {0};
        IGNORE(ectx_fail(&ec, e, "the log has no %.*s-%d", STR(c->cat->topic), (int)c->partition));
        scan_fail(s, e, &ec);
        return true;
    }
    return *start >= *end;
}

static void work_new(struct es_cursor *c)
{
    struct es_scan *s = c->scan;
    int64_t start, end;
    if (bounds(c, &start, &end)) {
        if (s->err == ERR_OK) {
            c->next = end;
            to_end(c);
        }
        return;
    }
    if (s->backward && s->from_end) {
        c->next = end;
        to_work(c, ES_CURSOR_EMPTY);
    } else if (s->backward) {
        seek_start(c, s->after.commit); /* the batch of `after` itself may have events before it */
    } else if (s->after.commit == 0) {
        c->next = start;
        to_work(c, ES_CURSOR_EMPTY);
    } else {
        seek_start(c, s->after.commit - 1); /* ... or behind it */
    }
}

/* ---- Reading ---- */

/* Forward: the first batch that ends above `next`. */
static void take_forward(struct es_cursor *c)
{
    const struct engine_read *r = &c->slot->read;
    for (c->batch = 0; c->batch < r->batch_count; c->batch++) {
        struct batch_header h;
        const struct str b = r->batches[c->batch].bytes;
        enum err e = batch_header_parse((const uint8_t *)b.p, b.n, &h, c->scan->ec);
        if (e != ERR_OK) {
            scan_fail(c->scan, e, NULL);
            return;
        }
        if (batch_last_offset(&h) >= c->next) {
            to_ready(c);
            return;
        }
    }
    c->next = r->next_offset; /* offsets may have gaps */
    to_work(c, ES_CURSOR_EMPTY);
    if (r->batch_count == 0) {
        to_end(c);
    }
}

/* Backward: the last batch that begins below `next`, if this read reached it. */
static void take_backward(struct es_cursor *c)
{
    const struct engine_read *r = &c->slot->read;
    size_t below = 0, bytes = 0;
    bool reached = r->batch_count == 0 || r->next_offset >= c->next;
    for (size_t i = 0; i < r->batch_count; i++) {
        struct batch_header h;
        const struct str b = r->batches[i].bytes;
        enum err e = batch_header_parse((const uint8_t *)b.p, b.n, &h, c->scan->ec);
        if (e != ERR_OK) {
            scan_fail(c->scan, e, NULL);
            return;
        }
        if (h.base_offset >= c->next) {
            reached = true;
            break;
        }
        below = i + 1;
        bytes += b.n;
    }
    if (!reached) { /* too wide a window: go on to where it ends */
        c->from = r->next_offset;
        c->window = c->next - c->from;
        to_work(c, ES_CURSOR_EMPTY);
        return;
    }
    if (below == 0) { /* a gap */
        c->next = c->from;
        c->from = -1;
        to_work(c, ES_CURSOR_EMPTY);
        return;
    }
    if (bytes < c->scan->chunk_bytes / 2 && c->window < WINDOW_MAX) {
        c->window *= 2;
    }
    c->first = 0;
    c->batch = below - 1;
    c->from = -1;
    to_ready(c);
}

static void take(struct es_cursor *c)
{
    struct es_scan *s = c->scan;
    if (c->slot->read.err != ERR_OK) {
        scan_fail(s, c->slot->read.err, &c->slot->read.ec);
        return;
    }
    if (s->backward) {
        take_backward(c);
    } else {
        take_forward(c);
    }
    if (c->state != ES_CURSOR_READY) {
        slot_drop(c);
    }
}

static void answered(struct es_slot *slot)
{
    struct es_cursor *c = slot->owner;
    struct es_task *task = c->scan->task;
    c->scan->out--;
    take(c);
    es_task_wake(task);
}

static size_t chunk_of(const struct es_scan *s)
{
    size_t live = s->ready.n + s->out + 1;
    size_t n = s->chunk_bytes / live;
    return n < CHUNK_MIN ? CHUNK_MIN : n > CHUNK_MAX ? CHUNK_MAX : n;
}

static void work_empty(struct es_cursor *c)
{
    struct es_scan *s = c->scan;
    int64_t start, end, offset;
    if (bounds(c, &start, &end)) {
        if (s->err == ERR_OK) {
            to_end(c);
        }
        return;
    }
    if (!s->backward) {
        offset = c->next < start ? start : c->next;
        if (offset >= end) {
            to_end(c);
            return;
        }
    } else {
        if (c->next <= start) {
            to_end(c);
            return;
        }
        if (c->from < start || c->from >= c->next) {
            c->from = c->next - c->window > start ? c->next - c->window : start;
        }
        offset = c->from;
    }
    if (c->slot == NULL) {
        c->slot = es_slot_take(s->task->es);
        if (c->slot == NULL) {
            IGNORE(no_memory(s));
            return;
        }
        s->held++;
    }
    c->slot->owner = c;
    c->slot->answered = answered;
    c->state = ES_CURSOR_READING;
    s->out++;
    if (es_slot_ask(c->slot, c->cat->topic, c->partition, offset, chunk_of(s))) {
        s->out--;
        take(c);
    }
}

bool es_scan_run(struct es_scan *s)
{
    for (;;) {
        struct list *l;
        while (s->err == ERR_OK && s->out < ES_SCAN_OUT && (l = list_pop_front(&s->work)) != NULL) {
            struct es_cursor *c = CONTAINER_OF(l, struct es_cursor, link);
            if (c->state == ES_CURSOR_NEW) {
                work_new(c);
            } else {
                work_empty(c);
            }
        }
        if (s->err != ERR_OK) {
            return true;
        }
        if (s->out > 0) {
            return false;
        }
        struct heap_node *n = heap_min(&s->ready);
        if (n == NULL) {
            return true;
        }
        struct es_cursor *top = CONTAINER_OF(n, struct es_cursor, node);
        if (s->backward && top->position > s->bound) { /* newer than what is to be read */
            es_scan_pop(s, NULL);
        } else if (top->slot == NULL && top->position <= s->bound) {
            heap_remove(&s->ready, n);
            top->wanted = true;
            to_work(top, ES_CURSOR_EMPTY);
        } else {
            return true;
        }
    }
}

const struct engine_batch *es_scan_top(struct es_scan *s, const struct es_cursor **at)
{
    struct heap_node *n = heap_min(&s->ready);
    if (n == NULL) {
        return NULL;
    }
    const struct es_cursor *c = CONTAINER_OF(n, struct es_cursor, node);
    if (c->position > s->bound) {
        return NULL;
    }
    *at = c;
    return &c->slot->read.batches[c->batch];
}

void es_scan_pop(struct es_scan *s, const struct batch_header *h)
{
    struct es_cursor *c = CONTAINER_OF(heap_min(&s->ready), struct es_cursor, node);
    struct batch_header own;
    heap_remove(&s->ready, &c->node);
    c->wanted = false;
    if (c->slot == NULL) { /* only backward: one that is too new, whose bytes were dropped */
        c->wanted = true;
        to_work(c, ES_CURSOR_EMPTY);
        return;
    }
    if (h == NULL) {
        const struct str b = c->slot->read.batches[c->batch].bytes;
        enum err e = batch_header_parse((const uint8_t *)b.p, b.n, &own, s->ec);
        if (e != ERR_OK) {
            scan_fail(s, e, NULL);
            return;
        }
        h = &own;
    }
    c->next = s->backward ? h->base_offset : batch_last_offset(h) + 1;
    bool last = s->backward ? c->batch == c->first : c->batch + 1 == c->slot->read.batch_count;
    if (last) {
        slot_drop(c);
        to_work(c, ES_CURSOR_EMPTY);
        return;
    }
    c->batch = s->backward ? c->batch - 1 : c->batch + 1;
    to_ready(c);
}

void es_scan_cancel(struct es_scan *s)
{
    heap_deinit(&s->ready); /* looks at the nodes */
    heap_init(&s->ready);
    for (size_t i = 0; i < s->cursor_count; i++) {
        struct es_cursor *c = s->cursors[i];
        es_seek_cancel(&c->seek);
        slot_drop(c);
        list_remove(&c->link);
        mem_free(c);
    }
    mem_free(s->cursors);
    s->cursors = NULL;
    s->cursor_count = s->cursor_cap = 0;
}

/* ---- Between two pages ---- */

static void parked_remove(struct es_reader *r, struct es_scan *s)
{
    list_remove(&s->parked);
    r->parked_count--;
}

struct es_scan *es_scan_unpark(struct es_reader *r, const struct es_cat *cat, bool backward,
                               struct es_position at)
{
    LIST_FOR_EACH (l, tmp, &r->parked) {
        struct es_scan *s = CONTAINER_OF(l, struct es_scan, parked);
        if (s->cat == cat && s->backward == backward && es_position_cmp(s->parked_at, at) == 0) {
            parked_remove(r, s);
            return s;
        }
    }
    return NULL;
}

static void parked_free(struct es_reader *r, struct es_scan *s)
{
    parked_remove(r, s);
    es_scan_cancel(s);
    mem_free(s);
}

void es_scan_park(struct es_reader *r, struct es_scan *s, struct es_position at)
{
    CHECK(s->out == 0);
    s->task = NULL;
    s->ec = NULL;
    s->parked_at = at;
    s->parked_ticks = 0;
    list_push_back(&r->parked, &s->parked);
    if (++r->parked_count > ES_PARKED_MAX) {
        parked_free(r, CONTAINER_OF(r->parked.next, struct es_scan, parked));
    }
}

void es_scan_parked_drop(struct es_reader *r, bool all)
{
    LIST_FOR_EACH (l, tmp, &r->parked) {
        struct es_scan *s = CONTAINER_OF(l, struct es_scan, parked);
        if (all || ++s->parked_ticks >= ES_PARKED_TICKS) {
            parked_free(r, s);
        }
    }
}
