/*
 * Upcasts tried on the whole log before they are declared: they must go together with those that
 * are declared in other files; then every event of the store is read as it is stored, those that
 * come through a step on trial are brought into their newest form, and that form must be one that
 * all upcasts leave as it is (bringing it up twice is bringing it up once). Nothing is written.
 */
#include "core/mem.h"
#include "es/define.h"
#include "es/pages.h"

#define PAGE_EVENTS 500u
#define PAGE_BYTES  (4u * 1024 * 1024)
#define PAGE_ARENA  (64u * 1024 * 1024)
#define SCAN_MAX    4096u
#define CHECK_ARENA (8u * 1024 * 1024)

struct check_op {
    struct es *es;
    struct es_upcast_check *c;
    struct es_def *def;
    struct es_steps *steps;    /* those that are declared, but for what it takes the place of */
    struct mapping_upcasts *u; /* they and those on trial */
    struct es_read_all read;
    struct arena page;
    struct arena arena; /* of `u` */
    struct es_pages pages;
};

static void check_end(struct check_op *op, enum es_problem problem)
{
    struct es_upcast_check *c = op->c;
    arena_deinit(&op->page);
    arena_deinit(&op->arena);
    es_steps_unref(op->steps);
    es_def_unref(op->def);
    mem_free(op);
    c->problem = problem;
    c->internal = NULL;
    c->done(c);
}

static void note(struct check_op *op, const struct es_event *e, const struct ectx *ec)
{
    struct es_upcast_check *c = op->c;
    c->failed++;
    if (c->failure_count < ES_UPCAST_FAILURES_MAX) {
        struct es_upcast_failure *f = &c->failures[c->failure_count];
        f->stream = arena_str(c->arena, e->stream);
        f->type = arena_str(c->arena, e->envelope.type);
        f->reason = arena_str(c->arena, str_of(ec->text));
        f->revision = e->revision;
        c->failure_count += !str_is_null(f->reason);
    }
}

/* What was made is in its newest form: no step begins there. */
static enum err settled(const struct check_op *op, const struct es_event *e,
                        const struct mapping_upcasted *made, struct ectx *ec)
{
    struct envelope form = e->envelope;
    form.type = made->type;
    form.version = made->version;
    return mapping_upcasts_known(op->u, &form)
               ? ectx_fail(ec, ERR_MALFORMED, "it became %.*s, which is not the newest form",
                           STR(made->type))
               : ERR_OK;
}

static enum err event_try(struct check_op *op, const struct es_event *e, struct ectx *ec)
{
    struct mapping_event event;
    struct mapping_upcasted *made;
    size_t count = 0;
    op->c->events++;
    if (str_is_null(e->data) || !mapping_upcasts_through(op->u, &e->envelope, op->def->upcasts)) {
        return ERR_OK;
    }
    enum err err = es_mapping_event(e, &op->page, &event, ec);
    err = err == ERR_OK ? mapping_upcast(op->u, &event, &op->page, &made, &count, ec) : err;
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        err = settled(op, e, &made[i], ec);
    }
    op->c->upcast += err == ERR_OK && count > 0;
    op->c->made += err == ERR_OK ? count : 0;
    return err;
}

/* True: there is more to be read. False: it has ended, and the operation is gone. */
static bool page_take(struct es_pages *p)
{
    struct check_op *op = CONTAINER_OF(p, struct check_op, pages);
    struct es_read_all *r = &op->read;
    enum err err = ERR_OK;
    if (r->problem != ES_OK) {
        op->c->ec = r->ec;
        check_end(op, r->problem);
        return false;
    }
    for (size_t i = 0; i < r->event_count && err != ERR_NO_MEMORY; i++) {
        struct ectx ec = {0};
        err = event_try(op, &r->events[i], &ec);
        if (err != ERR_OK && err != ERR_NO_MEMORY) {
            note(op, &r->events[i], &ec);
        }
    }
    const bool more = r->more && (op->c->events_max == 0 || op->c->events < op->c->events_max);
    r->after = r->next;
    es_read_all_release(op->es, r);
    if (err == ERR_NO_MEMORY) {
        IGNORE(ectx_fail(&op->c->ec, err, "no memory to try the upcasts"));
        check_end(op, ES_FAILED);
        return false;
    }
    if (!more) {
        check_end(op, ES_OK);
        return false;
    }
    arena_reset(&op->page, PAGE_BYTES);
    return true;
}

static void page_ask(struct es_pages *p)
{
    struct check_op *op = CONTAINER_OF(p, struct check_op, pages);
    es_read_all(op->es, &op->read);
}

static void on_page(struct es_read_all *r)
{
    struct check_op *op = r->ctx;
    es_pages_answered(&op->pages);
}

void es_upcast_check(struct es *es, struct es_upcast_check *c)
{
    struct check_op *op = NULL;
    enum es_problem p = es_life_check(es, &c->ec);
    c->events = c->upcast = c->made = c->failed = 0;
    c->failure_count = 0;
    if (p == ES_OK && (op = mem_new(struct check_op)) == NULL) {
        p = ES_FAILED;
    }
    if (op == NULL) {
        c->problem = p;
        c->done(c);
        return;
    }
    op->es = es;
    op->c = c;
    arena_init(&op->page, PAGE_ARENA);
    arena_init(&op->arena, CHECK_ARENA);
    const struct str name = str_is_null(c->name) ? STR_LIT("check") : c->name;
    op->def = es_def_new(ES_UPCASTS, name, c->text, c->file);
    enum err e = op->def == NULL ? ERR_NO_MEMORY : es_def_compile(op->def, &c->ec);
    e = e == ERR_OK ? es_steps_make(es, c->name, NULL, &op->steps, &c->ec) : e;
    e = e == ERR_OK
            ? mapping_upcasts_add(op->steps->u, op->def->upcasts, &op->arena, &op->u, &c->ec)
            : e;
    if (e != ERR_OK) {
        check_end(op, e == ERR_NO_MEMORY ? ES_FAILED : ES_DEFINITION_INVALID);
        return;
    }
    op->read = (struct es_read_all){.limit = PAGE_EVENTS,
                                    .limit_bytes = PAGE_BYTES,
                                    .scan_max = SCAN_MAX,
                                    .arena = &op->page,
                                    .done = on_page,
                                    .ctx = op};
    op->pages = (struct es_pages){.ask = page_ask, .take = page_take};
    es_pages_run(&op->pages);
}
