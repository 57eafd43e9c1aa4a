/*
 * Definitions are read at the start, a page of their topic at a time. One that a newer build wrote
 * and this one cannot compile is left out and told.
 */
#include "core/log.h"
#include "core/mem.h"
#include "es/define.h"
#include "es/pages.h"

#define LOAD_BYTES       (1024u * 1024)
#define LOAD_ARENA_BYTES (16u * 1024 * 1024)

struct es_load {
    struct es *es;
    void (*done)(struct es *es, enum err e, const struct ectx *ec);
    struct engine_ensure ensure;
    struct engine_read read;
    struct arena arena;
    struct record_scratch scratch;
    int64_t end;
    struct es_pages pages;
    bool reading; /* else its topic is being made, which nobody can call back */
};

static void load_free(struct es_load *op)
{
    op->es->defs->load = NULL;
    record_scratch_deinit(&op->scratch);
    arena_deinit(&op->arena);
    mem_free(op);
}

static void load_end(struct es_load *op, enum err e, const struct ectx *ec)
{
    struct es *es = op->es;
    void (*done)(struct es *, enum err, const struct ectx *) = op->done;
    struct ectx copy = *ec;
    struct es_steps *steps = NULL;
    load_free(op);
    e = e == ERR_OK ? es_steps_make(es, STR_NULL, NULL, &steps, &copy) : e;
    if (e == ERR_OK) {
        es_steps_take(es, steps);
    }
    es->defs->loaded = e == ERR_OK;
    done(es, e, &copy);
}

static enum err load_record(struct es_load *op, const struct record *r, struct ectx *ec)
{
    enum es_definition_kind kind;
    struct str name;
    struct json *v;
    if (str_is_null(r->key) || !es_def_key_parse(r->key, &kind, &name)) {
        return ERR_OK;
    }
    if (str_is_null(r->value)) {
        return es_def_put(op->es, r->key, NULL);
    }
    struct arena a;
    arena_init(&a, LOAD_ARENA_BYTES);
    enum err e = json_parse(r->value, NULL, &a, &v, ec);
    const struct json *text = e == ERR_OK ? json_get(v, "text") : NULL;
    const struct json *file = e == ERR_OK ? json_get(v, "file") : NULL;
    struct es_def *d =
        text == NULL || text->kind != JSON_STRING
            ? NULL
            : es_def_new(kind, name, text->string,
                         file != NULL && file->kind == JSON_STRING ? file->string : STR_NULL);
    if (e == ERR_OK && d == NULL) {
        e = ERR_NO_MEMORY;
    }
    e = e == ERR_OK ? es_def_compile(d, ec) : e;
    if (e == ERR_OK) {
        e = es_def_put(op->es, r->key, d);
    } else {
        es_def_unref(d);
    }
    if (e != ERR_OK && e != ERR_NO_MEMORY) {
        LOG_WARN("es.definition_refused", KV_STR("key", r->key), KV_ERR(ec));
        e = es_def_put(op->es, r->key, NULL);
    }
    arena_deinit(&a);
    return e;
}

static enum err load_batches(struct es_load *op, struct ectx *ec)
{
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < op->read.batch_count; i++) {
        struct slice run = slice_of(op->read.batches[i].bytes.p, op->read.batches[i].bytes.n);
        struct batch b;
        struct record_iter it;
        struct record r;
        e = batch_next(&run, &b, ec);
        e = e == ERR_OK
                ? record_iter_init(&it, &b.header, b.bytes, &op->scratch, LOAD_ARENA_BYTES, ec)
                : e;
        while (e == ERR_OK && record_next(&it, &r)) {
            if (r.offset >= op->read.offset) {
                e = load_record(op, &r, ec);
            }
        }
        e = e == ERR_OK ? record_iter_end(&it, ec) : e;
    }
    return e;
}

/* True: another page is to be read. False: it has ended, and `op` is gone. */
static bool page_take(struct es_pages *p)
{
    struct es_load *op = CONTAINER_OF(p, struct es_load, pages);
    struct engine_read *read = &op->read;
    struct ectx ec = read->ec;
    enum err e = read->err;
    const int64_t next = read->next_offset;
    if (e == ERR_OK) {
        e = load_batches(op, &ec);
        engine_read_release(op->es->engine, read);
    }
    if (e != ERR_OK || next >= op->end) {
        load_end(op, e, &ec);
        return false;
    }
    read->offset = next;
    return true;
}

static void page_ask(struct es_pages *p)
{
    struct es_load *op = CONTAINER_OF(p, struct es_load, pages);
    arena_reset(&op->arena, 0);
    engine_read(op->es->engine, &op->read);
}

static void on_load_read(struct engine_read *read)
{
    struct es_load *op = read->ctx;
    es_pages_answered(&op->pages);
}

static void on_ensured(struct engine_ensure *t)
{
    struct es_load *op = t->ctx;
    struct ectx ec = t->ec;
    int64_t start = 0;
    enum err e = t->err;
    if (e == ERR_OK) {
        e = engine_bounds(op->es->engine, t->name, 0, &start, &op->end);
    }
    if (e != ERR_OK || start >= op->end) {
        load_end(op, e, &ec);
        return;
    }
    op->read = (struct engine_read){.topic = STR_LIT(ES_DEFINITIONS_TOPIC),
                                    .offset = start,
                                    .max_bytes = LOAD_BYTES,
                                    .arena = &op->arena,
                                    .done = on_load_read,
                                    .ctx = op};
    op->reading = true;
    op->pages = (struct es_pages){.ask = page_ask, .take = page_take};
    es_pages_run(&op->pages);
}

void es_defs_load(struct es *es, void (*done)(struct es *es, enum err e, const struct ectx *ec))
{
    static const struct engine_setting settings[] = {
        {"retention.ms", "-1"}, {"retention.bytes", "-1"}, {"leat.durability", "fsync"}};
    struct es_load *op = mem_new(struct es_load);
    struct ectx ec = {0};
    if (op == NULL) {
        done(es, ectx_fail(&ec, ERR_NO_MEMORY, "no memory to read the definitions"), &ec);
        return;
    }
    op->es = es;
    op->done = done;
    es->defs->load = op;
    arena_init(&op->arena, LOAD_ARENA_BYTES);
    record_scratch_init(&op->scratch, LOAD_ARENA_BYTES);
    op->ensure = (struct engine_ensure){.name = STR_LIT(ES_DEFINITIONS_TOPIC),
                                        .partitions = 1,
                                        .settings = settings,
                                        .setting_count = ARRAY_LEN(settings),
                                        .done = on_ensured,
                                        .ctx = op};
    engine_topic_ensure(es->engine, &op->ensure);
}

void es_defs_load_stop(struct es *es)
{
    struct es_load *op = es->defs->load;
    if (op != NULL && op->reading) {
        engine_read_cancel(es->engine, &op->read);
        load_free(op);
    }
}

void es_defs_load_free(struct es *es)
{
    if (es->defs->load != NULL) {
        load_free(es->defs->load);
    }
}
