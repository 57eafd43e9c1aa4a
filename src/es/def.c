/* One definition: its text becomes a compiled fold or upcasts. */
#include "core/mem.h"
#include "es/define.h"
#include "json/yaml.h"

#define DEF_ARENA_BYTES (8u * 1024 * 1024)

struct es_def *es_def_new(enum es_definition_kind kind, struct str name, struct str text,
                          struct str file)
{
    struct es_def *d = mem_new(struct es_def);
    if (d == NULL) {
        return NULL;
    }
    d->refs = 1;
    d->kind = kind;
    arena_init(&d->arena, DEF_ARENA_BYTES);
    buf_init(&d->json, ES_DEFINITION_BYTES * 8);
    d->name = arena_str(&d->arena, name);
    d->text = arena_str(&d->arena, text);
    d->file = str_is_null(file) ? STR_LIT("") : arena_str(&d->arena, file);
    if (str_is_null(d->name) || str_is_null(d->text) || str_is_null(d->file)) {
        es_def_unref(d);
        return NULL;
    }
    return d;
}

void es_def_ref(struct es_def *d)
{
    d->refs++;
}

void es_def_unref(struct es_def *d)
{
    if (d != NULL && --d->refs == 0) {
        arena_deinit(&d->arena);
        buf_deinit(&d->json);
        mem_free(d);
    }
}

MUST_USE enum err es_def_compile(struct es_def *d, struct ectx *ec)
{
    struct yaml_map *map = NULL;
    struct json *v = NULL;
    const char *file = d->file.n > 0 ? d->file.p : "definition";
    enum err e = yaml_to_json(d->text, file, &d->json, &d->arena, &map, ec);
    e = e == ERR_OK ? json_parse(buf_str(&d->json), NULL, &d->arena, &v, ec) : e;
    const struct mapping_doc doc = {.file = file, .place = yaml_place, .ctx = map};
    if (e == ERR_OK) {
        e = d->kind == ES_FOLD ? mapping_fold_compile(&doc, v, &d->arena, &d->fold, ec)
                               : mapping_upcasts_compile(&doc, v, &d->arena, &d->upcasts, ec);
    }
    if (e == ERR_OK && d->kind == ES_FOLD && !str_eq(d->fold->name, d->name)) {
        e = ectx_fail(ec, ERR_CONFIG, "%s: the fold calls itself '%.*s', not '%.*s'", file,
                      STR(d->fold->name), STR(d->name));
    }
    return e;
}
