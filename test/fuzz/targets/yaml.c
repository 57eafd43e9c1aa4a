/*
 * Any text as YAML. Input: the text.
 *
 * Beyond "no crash, no leak": what is accepted became valid JSON, every value of which leads back
 * to a line and column of the text; JSON that is accepted means itself; an error has a text and
 * names the file.
 */
#include <string.h>

#include "fuzz/common.h"
#include "json/yaml.h"

#define TEXT_MAX 8192

static uint32_t lines_of(struct str s)
{
    uint32_t n = 1;
    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '\n' || s.p[i] == '\r' ? 1 : 0;
    }
    return n;
}

static void check_places(void *map, const struct json *v, uint32_t line_max)
{
    uint32_t line, column;
    CHECK(yaml_place(map, v, &line, &column));
    CHECK(line >= 1 && line <= line_max && column >= 1 && column <= TEXT_MAX + 2);
    for (const struct json *c = v->first; c != NULL; c = c->next) {
        check_places(map, c, line_max);
    }
}

/* Do two trees mean the same, but for how strings are escaped? */
static void check_same(const struct json *x, const struct json *y)
{
    CHECK(x->kind == y->kind && x->count == y->count && x->boolean == y->boolean);
    CHECK(str_eq(x->string, y->string) && str_eq(x->name, y->name));
    const struct json *d = y->first;
    for (const struct json *c = x->first; c != NULL; c = c->next, d = d->next) {
        check_same(c, d);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct buf out;
    struct yaml_map *map;
    struct json *v, *same;
    struct ectx ec = {0};
    if (size > TEXT_MAX) {
        return 0;
    }
    struct str text = str_make(data, size);
    arena_init(&a, 16u << 20);
    buf_init(&out, 1u << 20);
    enum err e = yaml_to_json(text, "f.yaml", &out, &a, &map, &ec);
    if (e == ERR_OK) {
        CHECK(json_valid(buf_str(&out)));
        CHECK(json_parse(buf_str(&out), NULL, &a, &v, &ec) == ERR_OK);
        /* YAML has line breaks that are none of ours */
        check_places(map, v, lines_of(text) + TEXT_MAX);
        if (json_parse(text, NULL, &a, &same, NULL) == ERR_OK) {
            check_same(same, v);
        }
    } else {
        CHECK((e == ERR_CONFIG || e == ERR_LIMIT) && strncmp(ec.text, "f.yaml:", 7) == 0);
    }
    buf_deinit(&out);
    arena_deinit(&a);
    return 0;
}
