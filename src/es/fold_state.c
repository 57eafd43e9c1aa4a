/*
 * The state of a stream: a snapshot of the fold if there is one that may be used, and the events
 * after it, page by page. Between pages the state is text, so that a page's memory goes back: a
 * long stream needs no more memory than a short one.
 *
 * The tag of the fold's snapshots has a digest of its rules and of the upcasts that matter to them.
 * So a snapshot of other rules is another's, and a state is never of two sets of upcasts. Nor is it
 * of two lives of the stream: when what is to be read next is hidden by then, it begins anew.
 */
#include "core/mem.h"
#include "es/define.h"
#include "es/pages.h"

#define PAGE_EVENTS 500u
#define PAGE_FEWER  8u
#define PAGE_BYTES  (2u * 1024 * 1024)
#define PAGE_ARENA  (64u * 1024 * 1024)
/* No part of a state is larger than one may be: what fails below that is without memory. */
#define STATE_BYTES (2u * MAPPING_STATE_BYTES_MAX)
_Static_assert(ES_STATE_BYTES_MAX == MAPPING_STATE_BYTES_MAX, "what callers have room for");
#define BEGIN_MAX 8u /* times that it begins anew because something was changed meanwhile */

struct state_op {
    struct es *es;
    struct es_fold_state *s;
    struct es_def *def;
    struct str tag;   /* of its snapshots, by the upcasts of `upcasts` */
    uint64_t upcasts; /* es_upcasts_version when it began */
    unsigned begun;   /* how often */
    size_t events;    /* of a page; fewer if those of one need too much memory */
    bool no_snapshot; /* the one that is there is no state */
    struct es_pages pages;
    struct es_read_stream read;
    struct arena page; /* of one page: its events, and the state while it is folded */
    struct buf state;  /* text; empty: the fold's initial state */
};

static void state_end(struct state_op *op, enum es_problem problem)
{
    struct es_fold_state *s = op->s;
    if (problem == ES_OK) {
        s->fold_name = arena_str(s->arena, op->def->name);
        s->schema = op->tag;
        s->state = op->state.n > 0 ? arena_str(s->arena, buf_str(&op->state))
                                   : arena_str(s->arena, op->def->fold->initial);
        if (str_is_null(s->state) || str_is_null(s->fold_name) || str_is_null(s->schema)) {
            IGNORE(ectx_fail(&s->ec, ERR_NO_MEMORY, "the state is too large"));
            problem = ES_FAILED;
        }
    }
    arena_deinit(&op->page);
    buf_deinit(&op->state);
    es_def_unref(op->def);
    mem_free(op);
    s->problem = problem;
    s->internal = NULL;
    s->done(s);
}

static enum err fold_one(struct state_op *op, struct mapping_state *state, const struct es_event *e,
                         struct ectx *ec)
{
    struct mapping_event event;
    enum err err = es_mapping_event(e, &op->page, &event, ec);
    return err == ERR_OK ? mapping_fold_apply(op->def->fold, state, &event, ec) : err;
}

static bool wants(const void *ctx, const struct envelope *form)
{
    return mapping_fold_wants(ctx, form);
}

/* May a rule be for something that this event could become? */
static bool is_wanted(const struct state_op *op, const struct es_event *e)
{
    return mapping_upcasts_lead(op->es->defs->steps->u, &e->envelope, wants, op->def->fold);
}

/* In its newest form, which may be several events. */
static enum err event_fold(struct state_op *op, struct mapping_state *state,
                           const struct es_event *e, struct ectx *ec)
{
    struct es_event *forms;
    size_t count;
    enum err err = es_upcast(op->es, e, &op->page, &forms, &count, ec);
    if (err == ERR_MALFORMED && !is_wanted(op, e)) {
        return ERR_OK;
    }
    const struct es_event *form = e;
    if (err == ERR_OK && count == 0) {
        err = fold_one(op, state, e, ec);
    }
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        form = &forms[i];
        err = fold_one(op, state, form, ec);
    }
    return err == ERR_OK ? ERR_OK
                         : ectx_wrap(ec, err, "revision %llu (%.*s)",
                                     (unsigned long long)e->revision, STR(form->envelope.type));
}

static enum err page_fold(struct state_op *op, struct ectx *ec)
{
    struct es_fold_state *s = op->s;
    struct es_read_stream *r = &op->read;
    struct mapping_state state;
    struct str text = op->state.n > 0 ? arena_str(&op->page, buf_str(&op->state)) : STR_NULL;
    if (op->state.n > 0 && str_is_null(text)) { /* null would be the fold's initial state */
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory to fold the stream");
    }
    if (r->has_snapshot) {
        text = r->snapshot.state;
        s->from_snapshot = true;
        s->snapshot_revision = r->snapshot.revision;
        s->revision = r->snapshot.revision;
        s->empty = false;
    }
    if (r->incomplete_before > r->from) { /* else it is of what the pages before have folded */
        s->incomplete_before = r->incomplete_before;
    }
    enum err e = mapping_state_init(op->def->fold, text, &op->page, &state, ec);
    op->no_snapshot = r->has_snapshot && (e == ERR_MALFORMED || e == ERR_LIMIT);
    for (size_t i = 0; e == ERR_OK && i < r->event_count; i++) {
        e = event_fold(op, &state, &r->events[i], ec);
        s->revision = r->events[i].revision;
        s->empty = false;
    }
    if (e == ERR_OK) {
        buf_clear(&op->state);
        mapping_state_write(&state, &op->state);
        if (op->state.n > MAPPING_STATE_BYTES_MAX) {
            e = ectx_fail(ec, ERR_LIMIT, "the state has more than %u bytes",
                          MAPPING_STATE_BYTES_MAX);
        } else if (buf_failed(&op->state)) {
            e = ectx_fail(ec, ERR_NO_MEMORY, "no memory to fold the stream");
        }
    }
    return e;
}

static void on_page(struct es_read_stream *r);

/* From the start, or from a snapshot: what is to be read. False: it has ended. */
static bool state_begin(struct state_op *op)
{
    struct es_fold_state *s = op->s;
    if (op->begun++ == BEGIN_MAX) {
        IGNORE(ectx_fail(&s->ec, ERR_AGAIN,
                         "the upcasts, or where the stream begins, were changed %u times meanwhile",
                         BEGIN_MAX));
        state_end(op, ES_BUSY);
        return false;
    }
    arena_reset(&op->page, PAGE_BYTES);
    buf_clear(&op->state);
    op->upcasts = es_upcasts_version(op->es);
    op->tag = es_fold_tag(op->es, op->def, s->arena);
    if (str_is_null(op->tag)) {
        IGNORE(ectx_fail(&s->ec, ERR_NO_MEMORY, "no memory to fold the stream"));
        state_end(op, ES_FAILED);
        return false;
    }
    s->empty = true;
    s->from_snapshot = false;
    s->incomplete_before = 0;
    op->read = (struct es_read_stream){.stream = s->stream,
                                       .to = s->to,
                                       .until_ns = s->until_ns,
                                       .limit = op->events,
                                       .limit_bytes = PAGE_BYTES,
                                       .snapshot_schema = op->no_snapshot ? STR_NULL : op->tag,
                                       .arena = &op->page,
                                       .done = on_page,
                                       .ctx = op};
    return true;
}

/* A page needs more than its memory: fewer events at a time, down to one. */
static bool too_much(struct state_op *op)
{
    if (op->events > 1) {
        op->events = op->events > PAGE_FEWER ? op->events / PAGE_FEWER : 1;
        op->begun = 0;
        return state_begin(op);
    }
    IGNORE(ectx_fail(&op->s->ec, ERR_LIMIT, "the state and one event need more than %u MiB",
                     PAGE_ARENA >> 20));
    state_end(op, ES_FOLD_FAILED);
    return false;
}

/* Was the stream deleted and begun again, or truncated, since the page before? The state would be
 * of two lives, or have a hole that it does not tell. The first page begins wherever the stream
 * does. */
static bool is_cut_off(const struct es_read_stream *r)
{
    return r->from > 0 && r->first_revision > r->from;
}

/* True: there is more to be read. False: it has ended, and the operation is gone. */
static bool page_take(struct es_pages *p)
{
    struct state_op *op = CONTAINER_OF(p, struct state_op, pages);
    struct es_read_stream *r = &op->read;
    if (r->problem != ES_OK) {
        op->s->ec = r->ec;
        state_end(op, r->problem);
        return false;
    }
    if (op->upcasts != es_upcasts_version(op->es) || is_cut_off(r)) {
        es_read_stream_release(op->es, r);
        return state_begin(op);
    }
    struct ectx ec = {0};
    const enum err e = page_fold(op, &ec);
    const bool more = r->more;
    const uint64_t next = r->next;
    es_read_stream_release(op->es, r);
    if (e == ERR_NO_MEMORY && op->page.over) {
        return too_much(op);
    }
    if (op->no_snapshot && e != ERR_OK && op->s->from_snapshot) {
        return state_begin(op);
    }
    if (e != ERR_OK) {
        op->s->ec = ec;
        state_end(op, e == ERR_MALFORMED || e == ERR_LIMIT ? ES_FOLD_FAILED : ES_FAILED);
        return false;
    }
    if (!more) {
        state_end(op, ES_OK);
        return false;
    }
    arena_reset(&op->page, PAGE_BYTES);
    r->from = next;
    r->snapshot_schema = STR_NULL;
    return true;
}

static void page_ask(struct es_pages *p)
{
    struct state_op *op = CONTAINER_OF(p, struct state_op, pages);
    es_read_stream(op->es, &op->read);
}

static void on_page(struct es_read_stream *r)
{
    struct state_op *op = r->ctx;
    es_pages_answered(&op->pages);
}

static enum es_problem find_fold(struct es *es, struct es_fold_state *s, struct es_def **out)
{
    struct str category;
    if (!es_stream_name_check(s->stream, &category, &s->ec)) {
        return ES_INVALID;
    }
    *out = es_def_fold(es, s->fold, category);
    if (*out != NULL) {
        return ES_OK;
    }
    if (str_is_null(s->fold)) {
        IGNORE(ectx_fail(&s->ec, ERR_NOT_FOUND,
                         "category '%.*s' has no fold, or several: then say which", STR(category)));
    } else {
        IGNORE(ectx_fail(&s->ec, ERR_NOT_FOUND, "category '%.*s' has no fold '%.*s'", STR(category),
                         STR(s->fold)));
    }
    ectx_hint(&s->ec, "declare it: PUT /api/v1/folds/NAME");
    return ES_FOLD_NOT_FOUND;
}

void es_fold_state(struct es *es, struct es_fold_state *s)
{
    struct es_def *def = NULL;
    struct state_op *op = NULL;
    enum es_problem p = es_life_check(es, &s->ec);
    p = p == ES_OK ? find_fold(es, s, &def) : p;
    if (p == ES_OK && (op = mem_new(struct state_op)) == NULL) {
        es_def_unref(def);
        IGNORE(ectx_fail(&s->ec, ERR_NO_MEMORY, "no memory to fold the stream"));
        p = ES_FAILED;
    }
    if (op == NULL) {
        s->problem = p;
        s->done(s);
        return;
    }
    op->es = es;
    op->s = s;
    op->def = def;
    op->events = PAGE_EVENTS;
    arena_init(&op->page, PAGE_ARENA);
    buf_init(&op->state, STATE_BYTES);
    op->pages = (struct es_pages){.ask = page_ask, .take = page_take};
    if (state_begin(op)) {
        es_pages_run(&op->pages);
    }
}
