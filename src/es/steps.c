/*
 * All upcasts that are declared as one graph of steps: an event goes on from the steps of one file
 * to those of another. Made anew when one of them changes; who works with it over several turns of
 * the loop keeps a reference.
 *
 * A declaration that clashes is refused. What an earlier build has taken all the same stays: of two
 * steps from one form that of the first file by name holds, and a file that closes a circle with
 * those before it is left out. Projections do the same with the same files in the same order.
 */
#include "es/define.h"

#include <stdlib.h>

#include "core/log.h"
#include "core/mem.h"

#define STEPS_ARENA_BYTES (8u * 1024 * 1024)

void es_steps_unref(struct es_steps *s)
{
    if (s == NULL || --s->refs > 0) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        es_def_unref(s->defs[i]);
    }
    mem_free(s->defs);
    arena_deinit(&s->arena);
    mem_free(s);
}

struct es_steps *es_steps_now(struct es *es)
{
    struct es_steps *s = es->defs->steps;
    if (s != NULL) {
        s->refs++;
    }
    return s;
}

static int compare(const void *a, const void *b)
{
    const struct es_def *const *x = a, *const *y = b;
    return str_cmp((*x)->name, (*y)->name);
}

static void take(struct es_steps *s, struct es_def *d)
{
    es_def_ref(d);
    s->defs[s->count++] = d;
}

/* The upcasts that are declared, but for `name`; in its place `instead`, if that is not NULL. */
static void collect(struct es_steps *s, struct es *es, struct str name, struct es_def *instead)
{
    struct map_iter it = {0};
    while (map_next(&es->defs->by_name, &it)) {
        struct es_def *d = it.value;
        if (d->kind == ES_UPCASTS && !str_eq(d->name, name)) {
            take(s, d);
        }
    }
    if (instead != NULL) {
        take(s, instead);
    }
    if (s->count > 0) {
        qsort(s->defs, s->count, sizeof(struct es_def *), compare);
    }
}

static enum err join(struct es_steps *s, struct ectx *ec)
{
    struct mapping_upcasts_file *files =
        arena_new_n(&s->arena, struct mapping_upcasts_file, s->count + 1);
    if (files == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the upcasts");
    }
    for (size_t i = 0; i < s->count; i++) {
        files[i] =
            (struct mapping_upcasts_file){.name = s->defs[i]->name, .u = s->defs[i]->upcasts};
    }
    const enum err e = mapping_upcasts_join(files, s->count, &s->arena, &s->u, ec);
    for (size_t i = 0; i < s->count && e == ERR_OK; i++) {
        if (files[i].left_out) {
            LOG_WARN("es.upcasts_left_out", KV_STR("name", files[i].name),
                     KV_Z("reason", "with those before it by name its steps lead in a circle, or "
                                    "there are too many"));
        }
    }
    return e;
}

MUST_USE enum err es_steps_make(struct es *es, struct str name, struct es_def *instead,
                                struct es_steps **out, struct ectx *ec)
{
    struct es_steps *s = mem_new(struct es_steps);
    struct es_def **defs = mem_zalloc(es->defs->by_name.count + 1, sizeof(struct es_def *));
    if (s == NULL || defs == NULL) {
        mem_free(s);
        mem_free(defs);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the upcasts");
    }
    s->refs = 1;
    s->defs = defs;
    arena_init(&s->arena, STEPS_ARENA_BYTES);
    collect(s, es, name, instead);
    const enum err e = join(s, ec);
    if (e != ERR_OK) {
        es_steps_unref(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void es_steps_take(struct es *es, struct es_steps *s)
{
    es_steps_unref(es->defs->steps);
    es->defs->steps = s;
}

/* ---- What a fold makes of them */

_Static_assert(MAPPING_TAG_BYTES_MAX <= ES_SCHEMA_MAX, "a fold's tag is a schema tag");

struct str es_fold_tag(struct es *es, struct es_def *d, struct arena *a)
{
    const struct es_defs *defs = es->defs;
    if (d->digest_of != defs->changes + 1) {
        d->digest = mapping_fold_digest(d->fold, defs->steps == NULL ? NULL : defs->steps->u);
        d->digest_of = defs->changes + 1;
    }
    return mapping_fold_tag(d->fold, d->digest, a);
}

MUST_USE bool es_fold_tag_of_schema(struct es *es, struct str stream, struct str schema,
                                    struct arena *a, struct str *out)
{
    struct map_iter it = {0};
    struct str id;
    const struct str category = str_cut(stream, '-', &id);
    struct es_def *found = NULL;
    *out = STR_NULL;
    if (es->defs->by_name.count == es->defs->upcasts) {
        return true; /* no folds */
    }
    while (map_next(&es->defs->by_name, &it)) {
        struct es_def *d = it.value;
        if (d->kind == ES_FOLD && str_eq(d->fold->category, category) &&
            !str_is_null(d->fold->schema) && str_eq(d->fold->schema, schema)) {
            if (found != NULL) {
                return true; /* two folds, perhaps of different rules: none is meant */
            }
            found = d;
        }
    }
    if (found == NULL) {
        return true;
    }
    *out = es_fold_tag(es, found, a);
    return !str_is_null(*out);
}
