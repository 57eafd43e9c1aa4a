/* One definition: its text becomes a compiled fold or upcasts. */
#include "core/mem.h"
#include "es/define.h"
#include "json/yaml.h"

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
