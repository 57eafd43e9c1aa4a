/*
 * A query that passes over many entries, or that is about any event, is *walked*: a task that
 * looks at one item of it up to what the index had when it began. Workers read slices of the lists
 * (ES_WALK_BYTES of them all), the loop merges them. Then the item has nothing before the walk's
 * end, or a match; the op looks again, and finds only what has come since.
 *
 *   tags, types  each tag's list is moved on to the farthest head of all, so that the shortest sets
 *                the pace. Where all tags agree on an event of another type, the lists of the types
 *                say how far there is none: a rare type sets the pace, too.
 *   neither      a scan of the log for its first event behind the position
 *
 * A list that is used entry by entry is read in slices that grow; one that is jumped over in slices
 * that shrink. Few walks run at once, others wait; all walks of an op take ES_WALK_NS at the most.
 */
#include "core/mem.h"
#include "es/query.h"
#include "es/read_int.h"

enum { SLICE_FIRST = 32, SLICE_LEAST = 4, SLICE_MOST = 512 };
#define SCAN_CHUNK (64u << 10)

struct walk_list {
    const struct es_hash *term;
    uint8_t *keys, *values;
    size_t at, count;
    size_t want, hits;         /* entries of the next slice; how many of this one were asked for */
    bool more;                 /* there may be others behind them */
    struct es_position resume; /* where those begin */
};
struct es_query_walk {
    struct es_task task;
    struct list link; /* writer.walks, while it waits */
    struct es *es;
    struct es_wop *op;
    struct es_query_pass *pass;
    struct es_query_progress *p;
    struct es_position bound; /* the index has all that is up to it */
    bool running, ended;
    struct walk_list *lists; /* of tags, then of types */
    size_t slice_most;
    struct walk_list *asked; /* `look` is out for it, or answered */
    struct es_look look;
    struct es_look_set set;
    bool typing; /* asking the types, from next_type on; `nearest` is the least so far */
    size_t next_type;
    bool has_nearest;
    struct es_position nearest;
    bool scanning;
    struct es_scan scan;
    enum err err;
    struct ectx ec;
};

/* ---- Lists ---- */

static struct es_position entry_position(const struct walk_list *l, size_t i)
{
    struct es_term t;
    es_term_read(&l->keys[i * ES_KEY_TERM], &l->values[i * ES_VALUE_TERM], &t);
    return t.position;
}

enum seek { SEEK_FOUND, SEEK_END, SEEK_ASKED };

static void ask(struct es_query_walk *w, struct walk_list *l, struct es_position from)
{
    struct es_look *look = &w->look;
    if (l->hits * 4 >= l->count) {
        l->want = l->want * 2 < w->slice_most ? l->want * 2 : w->slice_most;
    } else {
        l->want = l->want / 2 > SLICE_LEAST ? l->want / 2 : SLICE_LEAST;
    }
    l->resume = es_position_before(l->resume, from) ? from : l->resume;
    memset(look, 0, sizeof(*look));
    look->kind = ES_LOOK_SCAN_LATER;
    look->table = ES_T_TERMS;
    es_key_term(look->key, l->term, l->resume);
    es_key_term(look->at_most, l->term, w->bound);
    look->scan = (struct index_scan){.from = look->key,
                                     .to = look->at_most,
                                     .max = l->want,
                                     .keys = l->keys,
                                     .values = l->values};
    w->set.looks = look;
    w->set.count = 1;
    w->asked = l;
    IGNORE(es_task_look(&w->task, &w->set)); /* a job is never answered at once */
}

static void answered(struct es_query_walk *w)
{
    struct walk_list *l = w->asked;
    const struct es_look *look = &w->look;
    w->asked = NULL;
    l->at = l->count = l->hits = 0;
    l->more = false;
    if (look->err == ERR_OK) {
        l->count = look->scan.count;
        l->more = look->scan.more;
    } else if (look->err != ERR_NOT_FOUND) {
        w->err = ectx_fail(&w->ec, look->err, "the index of tags could not be read");
    }
    if (l->count > 0) {
        l->resume = es_position_next(entry_position(l, l->count - 1));
    }
}

/* The first entry at or after `from`, which is not below what was asked for before. */
static enum seek list_seek(struct es_query_walk *w, struct walk_list *l, struct es_position from)
{
    if (l->at < l->count && es_position_before(entry_position(l, l->count - 1), from)) {
        l->at = l->count;
    }
    while (l->at < l->count && es_position_before(entry_position(l, l->at), from)) {
        l->at++;
    }
    if (l->at < l->count) {
        l->hits++;
        return SEEK_FOUND;
    }
    if (!l->more) {
        return SEEK_END;
    }
    ask(w, l, from);
    return SEEK_ASKED;
}

static bool lists_make(struct es_query_walk *w)
{
    const struct es_query_progress *p = w->p;
    const size_t count = p->tag_count + p->type_count;
    const size_t entry = ES_KEY_TERM + ES_VALUE_TERM;
    w->slice_most = ES_WALK_BYTES / (count * entry);
    w->slice_most = w->slice_most < SLICE_MOST ? w->slice_most : SLICE_MOST;
    const size_t slice = w->slice_most * entry;
    w->lists = mem_zalloc(1, count * (sizeof(*w->lists) + slice));
    if (w->lists == NULL) {
        w->err = ectx_fail(&w->ec, ERR_NO_MEMORY, "no memory for a query");
        return false;
    }
    uint8_t *at = (uint8_t *)&w->lists[count];
    for (size_t i = 0; i < count; i++, at += slice) {
        struct walk_list *l = &w->lists[i];
        l->term = i < p->tag_count ? &p->tags[i] : &p->types[i - p->tag_count];
        l->keys = at;
        l->values = at + w->slice_most * ES_KEY_TERM;
        l->want = SLICE_FIRST / 2;
        l->more = true;
    }
    return true;
}

/* ---- An item with tags ---- */

/* Asks a tag. False: a list is asked. */
static bool step_tag(struct es_query_walk *w)
{
    struct es_query_progress *p = w->p;
    struct walk_list *l = &w->lists[p->next];
    struct es_term t = {.offset = -1};
    enum seek s = list_seek(w, l, p->at);
    if (s == SEEK_ASKED) {
        return false;
    }
    if (s == SEEK_FOUND) {
        es_term_read(&l->keys[l->at * ES_KEY_TERM], &l->values[l->at * ES_VALUE_TERM], &t);
    }
    es_query_step(p, s == SEEK_FOUND, &t);
    if (s == SEEK_FOUND && p->agreed == 0 && !p->ended) { /* all agree on one of another type */
        w->typing = true;
        w->next_type = 0;
        w->has_nearest = false;
    }
    return true;
}

/* Asks the types for their first event from here on. False: a list is asked. */
static bool step_types(struct es_query_walk *w)
{
    struct es_query_progress *p = w->p;
    for (; w->next_type < p->type_count; w->next_type++) {
        struct walk_list *l = &w->lists[p->tag_count + w->next_type];
        enum seek s = list_seek(w, l, p->at);
        if (s == SEEK_ASKED) {
            return false;
        }
        if (s == SEEK_FOUND) {
            struct es_position at = entry_position(l, l->at);
            w->nearest = !w->has_nearest || es_position_before(at, w->nearest) ? at : w->nearest;
            w->has_nearest = true;
        }
    }
    w->typing = false;
    p->ended = !w->has_nearest;
    p->at = w->has_nearest ? w->nearest : p->at;
    return true;
}

/* True: the item has ended, or err. */
static bool walk_tags(struct es_query_walk *w)
{
    if (w->asked != NULL) {
        if (w->set.pending > 0) {
            return false;
        }
        answered(w);
    } else if (w->lists == NULL && !lists_make(w)) {
        return true;
    }
    while (w->err == ERR_OK && !w->p->ended) {
        if (!(w->typing ? step_types(w) : step_tag(w))) {
            return false;
        }
    }
    return true;
}

/* ---- An item without types and tags ---- */

/* Its first event at or after the place that is looked for. */
static void batch_look(struct es_query_walk *w, const struct engine_batch *b,
                       const struct es_cursor *c, struct batch_header *h)
{
    struct record_iter it;
    struct record r;
    const uint8_t *bytes = (const uint8_t *)b->bytes.p;
    w->err = batch_header_parse(bytes, b->bytes.n, h, &w->ec);
    if (w->err == ERR_OK) {
        w->err =
            record_iter_init(&it, h, bytes, &w->es->reader->scratch, ES_DECOMPRESS_MAX, &w->ec);
    }
    while (w->err == ERR_OK && !w->p->ended && record_next(&it, &r)) {
        struct es_view v;
        struct es_term t = {.position = {b->position, (uint32_t)r.offset_delta},
                            .category = c->cat->hash,
                            .partition = c->partition,
                            .offset = h->base_offset + r.offset_delta};
        if (!es_position_before(t.position, w->p->at) && es_view_event(&r, &v)) {
            es_query_found(w->p, &t);
        }
    }
    if (w->err == ERR_OK && !w->p->ended) {
        w->err = record_iter_end(&it, &w->ec);
    }
}

/* True: the log was looked at up to the bound, or to the first event; or err. */
static bool walk_log(struct es_query_walk *w)
{
    if (!w->scanning) {
        struct es_position after = w->p->at;
        if (after.index > 0) {
            after.index--;
        } else if (after.commit > 0) {
            after = (struct es_position){after.commit - 1, UINT32_MAX};
        }
        es_scan_init(&w->scan, &w->task);
        w->scanning = true;
        w->err = es_scan_begin(&w->scan, NULL, after, false, false, SCAN_CHUNK, &w->ec);
        if (w->err == ERR_OK) {
            w->err = es_scan_bound(&w->scan, w->bound.commit);
        }
    }
    while (w->err == ERR_OK && !w->p->ended) {
        const struct es_cursor *c = NULL;
        struct batch_header h;
        if (!es_scan_run(&w->scan)) {
            return false;
        }
        w->err = w->scan.err;
        const struct engine_batch *b = w->err == ERR_OK ? es_scan_top(&w->scan, &c) : NULL;
        if (b == NULL) {
            return true;
        }
        batch_look(w, b, c, &h);
        if (w->err == ERR_OK) {
            es_scan_pop(&w->scan, &h);
        }
    }
    return true;
}

/* Nothing is there: who asks for a place behind this one is answered from memory. */
static void log_quiet(struct es_query_walk *w, struct es_position begun)
{
    struct es_writer *writer = w->es->writer;
    if (!es_position_before(es_position_next(w->bound), writer->events_end) &&
        es_position_before(begun, writer->events_end)) {
        writer->events_end = begun;
    }
}

/* ---- Life ---- */

static void walks_start(struct es *es)
{
    struct es_writer *w = es->writer;
    if (w->walks_starting) {
        return; /* whoever is at it goes on with it */
    }
    w->walks_starting = true;
    while (w->walks_running < ES_WALKS_RUNNING && !list_empty(&w->walks)) {
        struct es_query_walk *walk =
            CONTAINER_OF(list_pop_front(&w->walks), struct es_query_walk, link);
        walk->running = true;
        w->walks_running++;
        es_task_wake(&walk->task);
    }
    w->walks_starting = false;
}

/* It is over: the memory goes when no look-up needs it. */
static void walk_end(struct es_query_walk *w)
{
    struct es_writer *writer = w->es->writer;
    w->ended = true;
    if (w->op != NULL) {
        w->op->walk = NULL;
    }
    list_remove(&w->link);
    writer->walk_count--;
    writer->walks_running -= w->running;
    es_task_end(&w->task);
}

static void walk_fail(struct es_task *task, enum es_problem problem, const struct ectx *ec)
{
    struct es_query_walk *w = CONTAINER_OF(task, struct es_query_walk, task);
    struct es_wop *op = w->op;
    (void)problem;
    walk_end(w);
    es_wop_told(op, ec->code);
}

/* Of what the item is at now: nothing before it. */
static void walk_conclude(struct es_query_walk *w)
{
    struct es_query_progress *p = w->p;
    if (p->has_found) {
        return;
    }
    if (p->tag_count == 0) {
        log_quiet(w, p->at);
    }
    if (!es_position_before(w->bound, p->at)) {
        p->at = es_position_next(w->bound);
    }
    p->ended = false;
    p->next = p->agreed = 0;
}

static void walk_go(struct es_task *task)
{
    struct es_query_walk *w = CONTAINER_OF(task, struct es_query_walk, task);
    struct es_wop *op = w->op;
    struct es *es = w->es;
    if (!w->running || w->ended) {
        return;
    }
    if (env_mono_ns(es->env) - w->pass->since_ns > ES_WALK_NS) {
        w->pass->failed = true;
        IGNORE(ectx_fail(&w->pass->ec, ERR_LIMIT,
                         "the query was not answered within %llu s: give a later 'after'",
                         (unsigned long long)(ES_WALK_NS / 1000000000u)));
    } else if (!(w->p->tag_count > 0 ? walk_tags(w) : walk_log(w))) {
        return;
    } else if (w->err == ERR_OK) {
        walk_conclude(w);
    }
    enum err e = w->err;
    walk_end(w);
    es_wop_told(op, e);
    walks_start(es);
}

static void walk_release(struct es_task *task)
{
    struct es_query_walk *w = CONTAINER_OF(task, struct es_query_walk, task);
    if (w->scanning) {
        es_scan_cancel(&w->scan);
    }
}

static void walk_destroy(struct es_task *task)
{
    struct es_query_walk *w = CONTAINER_OF(task, struct es_query_walk, task);
    mem_free(w->lists);
}

enum err es_query_walk(struct es_wop *op, struct es_query_pass *pass, struct es_query_progress *p)
{
    struct es *es = op->es;
    struct es_writer *writer = es->writer;
    CHECK(op->walk == NULL);
    if (writer->walk_count >= ES_WALKS_MAX) {
        pass->failed = true;
        return ectx_fail(&pass->ec, ERR_LIMIT,
                         "%u queries that pass over many events are under way", ES_WALKS_MAX);
    }
    struct es_query_walk *w = mem_new(struct es_query_walk);
    if (w == NULL) {
        return ERR_NO_MEMORY;
    }
    w->task.go = walk_go;
    w->task.fail = walk_fail;
    w->task.release = walk_release;
    w->task.destroy = walk_destroy;
    if (es_task_begin(es, &w->task, &pass->ec) != ES_OK) {
        mem_free(w);
        pass->failed = true;
        return ERR_LIMIT;
    }
    w->es = es;
    w->op = op;
    w->pass = pass;
    w->p = p;
    w->bound = es_head(es);
    pass->since_ns = pass->since_ns == 0 ? env_mono_ns(es->env) : pass->since_ns;
    op->walk = w;
    op->pending++;
    writer->walk_count++;
    list_push_back(&writer->walks, &w->link);
    walks_start(es);
    return ERR_OK;
}

void es_query_walk_leave(struct es_wop *op)
{
    struct es_query_walk *w = op->walk;
    if (w != NULL) {
        w->op = NULL;
        op->walk = NULL;
        walk_end(w);
        walks_start(op->es);
    }
}
