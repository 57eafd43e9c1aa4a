/* Every example of docs/projections.md is right, as it stands there. */
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "env/env.h"
#include "json/yaml.h"

static void check_definition(struct str text)
{
    struct def *d = NULL;
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct apply *a = NULL;
    struct ectx ec = {0};
    enum err e = def_create(text, STR_LIT("docs"), 0, &d, &ec);
    e = e != ERR_OK ? e : target_sqlite.load(&l, &ec);
    e = e != ERR_OK ? e : target_sqlite.open(l, STR_NULL, TARGET_MEMORY, &db, &ec);
    e = e != ERR_OK ? e : apply_setup(&target_sqlite, db, d, 0, &ec);
    e = e != ERR_OK ? e : apply_create(&target_sqlite, db, d, &a, &ec);
    if (e != ERR_OK) {
        fail_msg("%s %s\n%.*s", ec.text, ec.hint, STR(text));
    }
    apply_destroy(a);
    target_sqlite.close(db);
    target_sqlite.unload(l);
    def_destroy(d);
}

static void check_mapping(struct str text)
{
    struct arena a;
    struct buf json;
    struct yaml_map *map = NULL;
    struct json *v = NULL;
    struct ectx ec = {0};
    struct mapping_fold *fold = NULL;
    struct mapping_upcasts *upcasts = NULL;
    arena_init(&a, 4u << 20);
    buf_init(&json, 1u << 20);
    enum err e = yaml_to_json(text, "docs", &json, &a, &map, &ec);
    e = e != ERR_OK ? e : json_parse(buf_str(&json), NULL, &a, &v, &ec);
    const struct mapping_doc doc = {.file = "docs", .place = yaml_place, .ctx = map};
    if (e == ERR_OK) {
        e = str_starts(text, "fold:") ? mapping_fold_compile(&doc, v, &a, &fold, &ec)
                                      : mapping_upcasts_compile(&doc, v, &a, &upcasts, &ec);
    }
    if (e != ERR_OK) {
        fail_msg("%s %s\n%.*s", ec.text, ec.hint, STR(text));
    }
    buf_deinit(&json);
    arena_deinit(&a);
}

TEST(docs_show_definitions_that_are_right)
{
    FILE *file = fopen("docs/projections.md", "r");
    if (file == NULL) {
        TEST_SKIP("the tests are not run from the checkout's folder");
    }
    static char text[65536];
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    assert_int_equal(fclose(file), 0);
    text[n] = 0;
    int definitions = 0;
    int mappings = 0;
    for (const char *at = text; (at = strstr(at, "```yaml\n")) != NULL;) {
        at += strlen("```yaml\n");
        const char *end = strstr(at, "```");
        struct str block = str_make(at, (size_t)(end - at));
        if (str_starts(block, "projection:")) {
            check_definition(block);
            definitions++;
        } else {
            check_mapping(block);
            mappings++;
        }
        at = end;
    }
    assert_int_equal(definitions, 3);
    assert_int_equal(mappings, 2);
}
