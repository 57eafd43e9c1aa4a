/*
 * Definitions are records of `__leat_definitions`: key "fold/NAME" or "upcasts/NAME", value the
 * JSON {"text", "file"}, null when it is taken away. Here: which there are, and a new one.
 */
#include "es/define.h"

#include <stdlib.h>

#include "core/mem.h"

#define FILE_NAME_MAX     256u
#define CLASH_ARENA_BYTES (8u * 1024 * 1024)

static const char *prefix_of(enum es_definition_kind kind)
{
    return kind == ES_FOLD ? "fold/" : "upcasts/";
}

bool es_def_key_parse(struct str key, enum es_definition_kind *kind, struct str *name)
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

enum err es_def_put(struct es *es, struct str key, struct es_def *d)
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
    e = e == ERR_OK ? es_def_put(es, op->key, op->def) : e;
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
        define_end(op, a->err == ERR_AGAIN      ? ES_UNAVAILABLE
                       : a->err == ERR_NO_SPACE ? ES_STORAGE_FULL
                                                : ES_FAILED);
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
    return ES_OK;
}

/* The upcasts of that name that are on their way: the last ones, which hold in the end. */
static const struct es_def *on_its_way(const struct es *es, struct str name)
{
    const struct es_def *found = NULL;
    LIST_FOR_EACH (l, tmp, &es->defs->defines) {
        const struct es_def *def = CONTAINER_OF(l, struct define_op, link)->def;
        if (def != NULL && def->kind == ES_UPCASTS && str_eq(def->name, name)) {
            found = def;
        }
    }
    return found;
}

static void put_file(struct mapping_upcasts_file *files, size_t *count, const struct es_def *def)
{
    files[(*count)++] = (struct mapping_upcasts_file){.name = def->name, .u = def->upcasts};
}

/* All other files, declared and on their way. Of a name with both: what is declared, or, `then`,
 * what takes its place. */
static enum err others_join(struct es *es, struct str name, bool then, struct arena *a,
                            struct mapping_upcasts **out, struct ectx *ec)
{
    struct map_iter it = {0};
    size_t most = es->defs->by_name.count, count = 0;
    LIST_FOR_EACH (l, tmp, &es->defs->defines) {
        most++;
    }
    struct mapping_upcasts_file *files = arena_new_n(a, struct mapping_upcasts_file, most + 1);
    if (files == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the upcasts");
    }
    while (map_next(&es->defs->by_name, &it)) {
        const struct es_def *d = it.value;
        if (d->kind == ES_UPCASTS && !str_eq(d->name, name) &&
            (!then || on_its_way(es, d->name) == NULL)) {
            put_file(files, &count, d);
        }
    }
    LIST_FOR_EACH (l, tmp, &es->defs->defines) {
        const struct define_op *op = CONTAINER_OF(l, struct define_op, link);
        if (op->def != NULL && op->def->kind == ES_UPCASTS && !str_eq(op->def->name, name) &&
            on_its_way(es, op->def->name) == op->def &&
            (then || map_get(&es->defs->by_name, op->key) == NULL)) {
            put_file(files, &count, op->def);
        }
    }
    return mapping_upcasts_join(files, count, a, out, ec);
}

/* Its steps and those of all other files are one graph: now, and when those that are on their way
 * hold, of which each may fail. */
static enum err clashes_check(struct es *es, const struct define_op *op, struct ectx *ec)
{
    enum err e = ERR_OK;
    for (int then = 0; then <= !list_empty(&es->defs->defines) && e == ERR_OK; then++) {
        struct mapping_upcasts *u = NULL, *sum = NULL;
        struct arena a;
        arena_init(&a, CLASH_ARENA_BYTES);
        e = others_join(es, op->def->name, then != 0, &a, &u, ec);
        e = e == ERR_OK ? mapping_upcasts_add(u, op->def->upcasts, &a, &sum, ec) : e;
        arena_deinit(&a);
    }
    return e;
}

/* Compiles it, or finds what is to be taken away. */
static enum es_problem define_make(struct es *es, struct define_op *op, struct es_define *d)
{
    op->key = map_key(d->arena, d->kind, d->name);
    if (str_is_null(op->key)) {
        return ES_FAILED;
    }
    const bool known = map_get(&es->defs->by_name, op->key) != NULL;
    if (str_is_null(d->text)) {
        if (!known) {
            IGNORE(ectx_fail(&d->ec, ERR_NOT_FOUND, "there is no definition of that name"));
            return ES_DEFINITION_NOT_FOUND;
        }
        return ES_OK;
    }
    if (!known && es->defs->by_name.count >= ES_DEFINITIONS_MAX) {
        IGNORE(
            ectx_fail(&d->ec, ERR_LIMIT, "there are %u definitions already", ES_DEFINITIONS_MAX));
        return ES_BUSY;
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
    es_defs_load_stop(es);
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
    es_defs_load_free(es);
    while (map_next(&es->defs->by_name, &it)) {
        es_def_unref(it.value);
    }
    map_deinit(&es->defs->by_name);
    es_steps_unref(es->defs->steps);
    mem_free(es->defs);
    es->defs = NULL;
}
