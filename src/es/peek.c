/*
 * One event's record, read from the log for an op: whether an id that the server made is there, and
 * the type of an event that a query met. Rare, so each has a small arena of its own.
 */
#include "core/mem.h"
#include "es/write.h"

#define PEEK_BYTES (64u * 1024) /* asked for; one batch may be larger */

struct peek {
    struct list link;    /* writer.peeks */
    struct list op_link; /* op.peeks */
    struct es_wop *op;   /* NULL: it was answered */
    struct es *es;
    struct es_peek what;
    struct engine_read read;
    struct arena arena;
    bool starting, ended;
};

static enum err broken(enum err e)
{
    return e == ERR_NO_MEMORY ? e : ERR_DAMAGED;
}

/* The record at the offset, as a view. ERR_NOT_FOUND: there is none, or it is no event. */
static enum err find_event(struct peek *f, struct es_view *out)
{
    const struct engine_read *r = &f->read;
    for (size_t i = 0; i < r->batch_count; i++) {
        struct batch_header h;
        struct record_iter it;
        struct record record;
        const uint8_t *p = (const uint8_t *)r->batches[i].bytes.p;
        enum err e = batch_header_parse(p, r->batches[i].bytes.n, &h, NULL);
        if (e == ERR_OK && batch_last_offset(&h) < f->what.offset) {
            continue;
        }
        if (e == ERR_OK) {
            e = record_iter_init(&it, &h, p, &f->es->writer->scratch, RECORD_DECOMPRESSED_MAX,
                                 NULL);
        }
        if (e != ERR_OK) {
            return broken(e);
        }
        while (record_next(&it, &record)) {
            if (record.offset == f->what.offset) {
                return es_view_read(&record, out, NULL) == ERR_OK ? ERR_OK : ERR_NOT_FOUND;
            }
        }
        return record_iter_end(&it, NULL) == ERR_OK ? ERR_NOT_FOUND : ERR_DAMAGED;
    }
    return ERR_NOT_FOUND;
}

static void peek_free(struct peek *f)
{
    list_remove(&f->link);
    list_remove(&f->op_link);
    arena_deinit(&f->arena);
    mem_free(f);
}

static void peek_end(struct peek *f)
{
    struct es_wop *op = f->op;
    if (op != NULL) {
        struct es_view v;
        const enum err e = f->read.err == ERR_OK ? find_event(f, &v) : f->read.err;
        if (f->what.err != NULL) {
            *f->what.err = e == ERR_NOT_FOUND ? ERR_OK : e;
        }
        f->what.take(op, f->what.ctx, e == ERR_OK ? &v : NULL);
    }
    if (f->read.err == ERR_OK) {
        engine_read_release(f->es->engine, &f->read);
    }
    peek_free(f);
}

static void read_done(struct engine_read *r)
{
    struct peek *f = r->ctx;
    struct es_wop *op = f->op;
    f->ended = true;
    if (!f->starting) {
        peek_end(f);
        if (op != NULL) {
            es_wop_told(op, ERR_OK);
        }
    }
}

enum err es_wop_peek(struct es_wop *op, const struct es_peek *what)
{
    struct peek *f = mem_new(struct peek);
    if (f == NULL) {
        return ERR_NO_MEMORY;
    }
    f->op = op;
    f->es = op->es;
    f->what = *what;
    arena_init(&f->arena, 64 << 20);
    list_init(&f->link);
    list_init(&f->op_link);
    list_push_back(&op->es->writer->peeks, &f->link);
    list_push_back(&op->peeks, &f->op_link);
    f->read = (struct engine_read){.topic = what->cat->topic,
                                   .partition = what->partition,
                                   .offset = what->offset,
                                   .max_bytes = PEEK_BYTES,
                                   .arena = &f->arena,
                                   .done = read_done,
                                   .ctx = f};
    f->starting = true;
    engine_read(op->es->engine, &f->read);
    f->starting = false;
    if (f->ended) {
        peek_end(f);
    } else {
        op->pending++;
    }
    return ERR_OK;
}

void es_wop_peeks_leave(struct es_wop *op)
{
    struct list *l;
    while ((l = list_pop_front(&op->peeks)) != NULL) {
        CONTAINER_OF(l, struct peek, op_link)->op = NULL;
    }
}

void es_peeks_free(struct es *es)
{
    LIST_FOR_EACH (l, tmp, &es->writer->peeks) {
        peek_free(CONTAINER_OF(l, struct peek, link));
    }
}
