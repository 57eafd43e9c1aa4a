/*
 * Definitions are records of `__leat_definitions`: key "fold/NAME" or "upcasts/NAME", value the
 * JSON
 * {"text", "file"}, null when it is taken away. They are read at the start; one that a newer build
 * wrote and this one cannot compile is left out and told.
 */
#include "es/define.h"

#include <stdlib.h>

#include "core/log.h"
#include "core/mem.h"

#define LOAD_BYTES        (1024u * 1024)
#define LOAD_ARENA_BYTES  (16u * 1024 * 1024)
#define FILE_NAME_MAX     256u
#define CLASH_ARENA_BYTES (8u * 1024 * 1024)

static const char *prefix_of(enum es_definition_kind kind)
{
    return kind == ES_FOLD ? "fold/" : "upcasts/";
}

/* "fold/order" -> kind and name. */
static bool key_parse(struct str key, enum es_definition_kind *kind, struct str *name)
{
    *kind = str_starts(key, "fold/") ? ES_FOLD : ES_UPCASTS;
    const char *prefix = prefix_of(*kind);
    if (!str_starts(key, prefix)) {
        return false;
    }
    *name = str_make(key.p + strlen(prefix), key.n - strlen(prefix));
    return name->n > 0 && name->n <= ES_DEFINITION_NAME;
}

static bool name_check(struct str name)
{
    bool good = name.n > 0 && name.n <= ES_DEFINITION_NAME;
    for (size_t i = 0; good && i < name.n; i++) {
        const char c = name.p[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    }
    return good;
}

static struct str map_key(struct arena *a, enum es_definition_kind kind, struct str name)
{
    return arena_printf(a, "%s%.*s", prefix_of(kind), STR(name));
}

/* Takes the place of the one of that name, and the reference, also if it fails; `d` NULL: there is
 * none any more. */
static enum err def_put(struct es *es, struct str key, struct es_def *d)
{
    struct es_defs *defs = es->defs;
    struct es_def *old = map_get(&defs->by_name, key);
    if (d != NULL && !map_put(&defs->by_name, key, d)) {
        es_def_unref(d);
        return ERR_NO_MEMORY;
    }
    if (d == NULL && old != NULL) {
        (void)map_remove(&defs->by_name, key);
    }
    defs->upcasts += d != NULL && d->kind == ES_UPCASTS;
    defs->upcasts -= old != NULL && old->kind == ES_UPCASTS;
    defs->changes +=
        (d != NULL && d->kind == ES_UPCASTS) || (old != NULL && old->kind == ES_UPCASTS);
    es_def_unref(old);
    return ERR_OK;
}

uint64_t es_upcasts_version(const struct es *es)
{
    return es->defs->loaded ? 1 + es->defs->changes : 0;
}

MUST_USE enum err es_defs_create(struct es *es)
{
    es->defs = mem_new(struct es_defs);
    if (es->defs == NULL) {
        return ERR_NO_MEMORY;
    }
    map_init(&es->defs->by_name);
    list_init(&es->defs->defines);
    return ERR_OK;
}

struct es_def *es_def_fold(struct es *es, struct str name, struct str category)
{
    struct map_iter it = {0};
    struct es_def *found = NULL;
    while (map_next(&es->defs->by_name, &it)) {
        struct es_def *d = it.value;
        if (d->kind != ES_FOLD || !str_eq(d->fold->category, category) ||
            (!str_is_null(name) && !str_eq(d->name, name))) {
            continue;
        }
        if (found != NULL) {
            return NULL; /* two: which one must be said */
        }
        found = d;
    }
    if (found != NULL) {
        es_def_ref(found);
    }
    return found;
}

static int compare(const void *a, const void *b)
{
    const struct es_definition *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

struct es_definition *es_definitions(struct es *es, enum es_definition_kind kind, struct arena *a,
                                     size_t *count)
{
    struct map_iter it = {0};
    struct es_definition *list = arena_new_n(a, struct es_definition, es->defs->by_name.count + 1);
    *count = 0;
    while (list != NULL && map_next(&es->defs->by_name, &it)) {
        const struct es_def *d = it.value;
        if (d->kind != kind) {
            continue;
        }
        struct es_definition *out = &list[(*count)++];
        *out = (struct es_definition){.kind = kind,
                                      .name = arena_str(a, d->name),
                                      .category = kind == ES_FOLD ? arena_str(a, d->fold->category)
                                                                  : STR_NULL,
                                      .text = arena_str(a, d->text)};
        if (str_is_null(out->name) || str_is_null(out->text)) {
            return NULL;
        }
    }
    if (list != NULL) {
        qsort(list, *count, sizeof(*list), compare);
    }
    return list;
}

/* ---- A new one ------------------------------------------------------------------------------ */

struct define_op {
    struct list link;
    struct es *es;
    struct es_define *d;
    struct es_def *def; /* NULL: it is taken away */
    struct str key;
    struct engine_append append;
    struct engine_part part;
    struct engine_record record;
    struct buf value;
};

static void define_free(struct define_op *op)
{
    list_remove(&op->link);
    buf_deinit(&op->value);
    es_def_unref(op->def);
    mem_free(op);
}

static void define_answer(struct es_define *d, enum es_problem problem)
{
    d->problem = problem;
    d->internal = NULL;
    d->done(d);
}

static void define_end(struct define_op *op, enum es_problem problem)
{
    struct es_define *d = op->d;
    define_free(op);
    if (d != NULL) { /* else it was answered when the event store stopped */
        define_answer(d, problem);
    }
}

/* From now on it holds. */
static enum err use(struct define_op *op)
{
    struct es *es = op->es;
    const struct es_def *old = map_get(&es->defs->by_name, op->key);
    const struct es_def *any = op->def != NULL ? op->def : old;
    struct es_steps *steps = NULL;
    struct ectx ec;
    enum err e = any != NULL && any->kind == ES_UPCASTS
                     ? es_steps_make(es, any->name, op->def, &steps, &ec)
                     : ERR_OK;
    if (e == ERR_OK && op->def != NULL) {
        es_def_ref(op->def);
    }
    e = e == ERR_OK ? def_put(es, op->key, op->def) : e;
    if (e != ERR_OK) {
        es_steps_unref(steps);
    } else if (steps != NULL) {
        es_steps_take(es, steps);
    }
    return e;
}

static void on_defined(struct engine_append *a)
{
    struct define_op *op = a->ctx;
    if (op->d == NULL) {
        define_free(op);
        return;
    }
    if (a->err != ERR_OK) {
        op->d->ec = a->ec;
        if (a->ec.code == ERR_OK) {
            IGNORE(ectx_fail(&op->d->ec, a->err, "the definition could not be written"));
        }
        define_end(op, a->err == ERR_AGAIN || a->err == ERR_NO_SPACE ? ES_UNAVAILABLE : ES_FAILED);
        return;
    }
    op->d->created = map_get(&op->es->defs->by_name, op->key) == NULL;
    if (use(op) != ERR_OK) { /* it is in the log: the next start has it */
        IGNORE(ectx_fail(&op->d->ec, ERR_NO_MEMORY, "no memory to use the definition now"));
        define_end(op, ES_FAILED);
        return;
    }
    define_end(op, ES_OK);
}

static enum err value_make(struct define_op *op)
{
    struct json_writer w;
    buf_init(&op->value, ES_DEFINITION_BYTES * 8);
    if (op->def == NULL) {
        return ERR_OK;
    }
    json_write_init(&w, &op->value);
    json_write_begin(&w, '{');
    json_write_member_str(&w, "text", op->def->text);
    json_write_member_str(&w, "file", op->def->file);
    json_write_end(&w, '}');
    return buf_failed(&op->value) ? ERR_NO_MEMORY : ERR_OK;
}

static enum es_problem define_check(struct es *es, struct es_define *d)
{
    const enum es_problem life = es_life_check(es, &d->ec);
    if (life != ES_OK) {
        return life;
    }
    if (!name_check(d->name)) {
        IGNORE(ectx_fail(&d->ec, ERR_CONFIG,
                         "the name must have 1 to %u letters, digits, '-', '_' or '.'",
                         ES_DEFINITION_NAME));
        return ES_DEFINITION_INVALID;
    }
    if (d->text.n > ES_DEFINITION_BYTES || d->file.n > FILE_NAME_MAX) {
        IGNORE(ectx_fail(&d->ec, ERR_LIMIT, "the definition has %zu bytes; at most %u are allowed",
                         d->text.n, ES_DEFINITION_BYTES));
        return ES_DEFINITION_INVALID;
    }
    if (!str_is_null(d->text) && es->defs->by_name.count >= ES_DEFINITIONS_MAX) {
        IGNORE(
            ectx_fail(&d->ec, ERR_LIMIT, "there are %u definitions already", ES_DEFINITIONS_MAX));
        return ES_BUSY;
    }
    return ES_OK;
}

/* Its steps and those of all other files are one graph: of files that are declared, and of those
 * that are on their way. */
static enum err clashes_check(struct es *es, const struct define_op *op, struct ectx *ec)
{
    struct es_steps *steps = NULL;
    struct mapping_upcasts *u = NULL, *sum = NULL;
    struct arena a;
    arena_init(&a, CLASH_ARENA_BYTES);
    enum err e = es_steps_make(es, op->def->name, NULL, &steps, ec);
    u = e == ERR_OK ? steps->u : NULL;
    LIST_FOR_EACH (l, tmp, &es->defs->defines) {
        const struct es_def *other = CONTAINER_OF(l, struct define_op, link)->def;
        if (e == ERR_OK && other != NULL && other->kind == ES_UPCASTS &&
            !str_eq(other->name, op->def->name)) {
            struct mapping_upcasts_file files[] = {{.u = u},
                                                   {.name = other->name, .u = other->upcasts}};
            e = mapping_upcasts_join(files, ARRAY_LEN(files), &a, &u, ec);
        }
    }
    e = e == ERR_OK ? mapping_upcasts_add(u, op->def->upcasts, &a, &sum, ec) : e;
    es_steps_unref(steps);
    arena_deinit(&a);
    return e;
}

/* Compiles it, or finds what is to be taken away. */
static enum es_problem define_make(struct es *es, struct define_op *op, struct es_define *d)
{
    op->key = map_key(d->arena, d->kind, d->name);
    if (str_is_null(op->key)) {
        return ES_FAILED;
    }
    if (str_is_null(d->text)) {
        if (map_get(&es->defs->by_name, op->key) == NULL) {
            IGNORE(ectx_fail(&d->ec, ERR_NOT_FOUND, "there is no definition of that name"));
            return ES_DEFINITION_NOT_FOUND;
        }
        return ES_OK;
    }
    op->def = es_def_new(d->kind, d->name, d->text, d->file);
    enum err e = op->def == NULL ? ERR_NO_MEMORY : es_def_compile(op->def, &d->ec);
    if (e == ERR_OK && d->kind == ES_UPCASTS) {
        e = clashes_check(es, op, &d->ec);
    }
    return e == ERR_OK ? ES_OK : e == ERR_NO_MEMORY ? ES_FAILED : ES_DEFINITION_INVALID;
}

void es_define(struct es *es, struct es_define *d)
{
    struct define_op *op = NULL;
    enum es_problem p = define_check(es, d);
    if (p == ES_OK && (op = mem_new(struct define_op)) == NULL) {
        IGNORE(ectx_fail(&d->ec, ERR_NO_MEMORY, "no memory for the definition"));
        p = ES_FAILED;
    }
    if (op == NULL) {
        d->problem = p;
        d->done(d);
        return;
    }
    op->es = es;
    op->d = d;
    list_init(&op->link);
    p = define_make(es, op, d);
    if (p == ES_OK && value_make(op) != ERR_OK) {
        p = ES_FAILED;
    }
    if (p != ES_OK) {
        if (p == ES_FAILED && d->ec.code == ERR_OK) {
            IGNORE(ectx_fail(&d->ec, ERR_NO_MEMORY, "no memory for the definition"));
        }
        define_end(op, p);
        return;
    }
    list_push_back(&es->defs->defines, &op->link);
    op->record = (struct engine_record){.key = op->key,
                                        .value = op->def == NULL ? STR_NULL : buf_str(&op->value),
                                        .timestamp_ms = -1};
    op->part = (struct engine_part){
        .topic = STR_LIT(ES_DEFINITIONS_TOPIC), .records = &op->record, .count = 1};
    op->append =
        (struct engine_append){.parts = &op->part, .part_count = 1, .done = on_defined, .ctx = op};
    engine_append(es->engine, &op->append);
}

/* ---- Reading them at the start -------------------------------------------------------------- */

struct es_load {
    struct es *es;
    void (*done)(struct es *es, enum err e, const struct ectx *ec);
    struct engine_ensure ensure;
    struct engine_read read;
    struct arena arena;
    struct record_scratch scratch;
    int64_t end;
    bool answered, in_call;
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
    if (str_is_null(r->key) || !key_parse(r->key, &kind, &name)) {
        return ERR_OK;
    }
    if (str_is_null(r->value)) {
        return def_put(op->es, r->key, NULL);
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
        e = def_put(op->es, r->key, d);
    } else {
        es_def_unref(d);
    }
    if (e != ERR_OK && e != ERR_NO_MEMORY) {
        LOG_WARN("es.definition_refused", KV_STR("key", r->key), KV_ERR(ec));
        e = def_put(op->es, r->key, NULL);
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
static bool load_page(struct es_load *op)
{
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

/* Page after page; a loop, because what is in memory is answered within the call. */
static void load_run(struct es_load *op)
{
    op->reading = true;
    do {
        op->answered = false;
        op->in_call = true;
        arena_reset(&op->arena, 0);
        engine_read(op->es->engine, &op->read);
        op->in_call = false;
    } while (op->answered && load_page(op));
}

static void on_load_read(struct engine_read *read)
{
    struct es_load *op = read->ctx;
    op->answered = true;
    if (!op->in_call && load_page(op)) {
        load_run(op);
    }
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
    load_run(op);
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

/* ---- The end -----------------------------------------------------------------------------------
 */

void es_defs_stop(struct es *es)
{
    LIST_FOR_EACH (n, tmp, &es->defs->defines) {
        struct define_op *op = CONTAINER_OF(n, struct define_op, link);
        struct es_define *d = op->d;
        op->d = NULL;
        op->key = STR_NULL; /* was in the caller's arena */
        if (d != NULL) {
            IGNORE(ectx_fail(&d->ec, ERR_STOPPED, "the event store stops"));
            define_answer(d, ES_UNAVAILABLE);
        }
    }
    if (es->defs->load != NULL && es->defs->load->reading) {
        engine_read_cancel(es->engine, &es->defs->load->read);
        load_free(es->defs->load);
    }
}

void es_defs_destroy(struct es *es)
{
    struct map_iter it = {0};
    if (es->defs == NULL) {
        return;
    }
    LIST_FOR_EACH (n, tmp, &es->defs->defines) {
        define_free(CONTAINER_OF(n, struct define_op, link)); /* the store failed: no answer came */
    }
    if (es->defs->load != NULL) {
        load_free(es->defs->load);
    }
    while (map_next(&es->defs->by_name, &it)) {
        es_def_unref(it.value);
    }
    map_deinit(&es->defs->by_name);
    es_steps_unref(es->defs->steps);
    mem_free(es->defs);
    es->defs = NULL;
}
