/*
 * A definition from its text: the head of it. Tables are in def_table.c, rules in def_rule.c, their
 * statements in def_sql.c.
 */
#include "proj/def.h"

#include <string.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "engine/engine.h"
#include "envelope/envelope.h"
#include "json/yaml.h"

#define KEEP_MS_MAX (365ll * 24 * 3600 * 1000)

static bool is_name(struct str s)
{
    if (s.n == 0 || s.n > PROJ_NAME_MAX || (s.p[0] >= '0' && s.p[0] <= '9')) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            return false;
        }
    }
    return !str_starts(s, "leat_") && !str_starts(s, "sqlite_") && !str_starts(s, "pg_");
}

MUST_USE enum err def_check_name(struct def_parser *p, const struct json *at, const char *what,
                                 struct str name)
{
    if (is_name(name)) {
        return ERR_OK;
    }
    enum err e = mapping_fail(&p->doc, at, 0, p->ec, "'%.*s' cannot be the name of a %s",
                              (int)(name.n > 80 ? 80 : name.n), name.p, what);
    ectx_hint(p->ec,
              "a name is a-z, 0-9 and _, at most %u of them, no digit first, and does not "
              "begin with leat_, sqlite_ or pg_",
              PROJ_NAME_MAX);
    return e;
}

/* Where a value of a JSON text stands: of text the first character behind the quote. */
static bool place_in_text(void *ctx, const struct json *v, uint32_t *line, uint32_t *column)
{
    const struct def *d = ctx;
    if (v->raw.p < d->text.p || v->raw.p > d->text.p + d->text.n) {
        return false;
    }
    const char *end = v->raw.p + (v->kind == JSON_STRING);
    *line = 1;
    *column = 1;
    for (const char *c = d->text.p; c < end; c++) {
        *line += *c == '\n';
        *column = *c == '\n' ? 1 : *column + 1;
    }
    return true;
}

/* The document as JSON, whichever of the two it is written in. */
static enum err read_document(struct def_parser *p, struct json **root)
{
    struct def *d = p->d;
    struct str text = d->text;
    p->doc.file = d->file.p;
    if (str_starts(text, "\xEF\xBB\xBF")) { /* a byte order mark, of an editor */
        text = str_make(text.p + 3, text.n - 3);
    }
    if (str_starts(str_trim(text), "{")) {
        p->doc.place = place_in_text;
        p->doc.ctx = d;
    } else {
        struct yaml_map *map = NULL;
        enum err e = yaml_to_json(text, d->file.p, &d->json, &d->arena, &map, p->ec);
        if (e != ERR_OK) {
            return e == ERR_LIMIT ? ERR_CONFIG : e;
        }
        text = buf_str(&d->json);
        p->doc.place = yaml_place;
        p->doc.ctx = map;
    }
    enum err e = json_parse(text, NULL, &d->arena, root, p->ec);
    return e == ERR_MALFORMED || e == ERR_LIMIT ? ectx_wrap(p->ec, ERR_CONFIG, "%s", d->file.p) : e;
}

MUST_USE enum err def_word_of(struct def_parser *p, const struct json *v, struct str name,
                              const char *const *words, size_t count, size_t *out)
{
    for (size_t i = 0; v->kind == JSON_STRING && i < count; i++) {
        if (str_eq_z(v->string, words[i])) {
            *out = i;
            return ERR_OK;
        }
    }
    struct str s = v->kind == JSON_STRING ? v->string : v->raw;
    enum err e = mapping_fail(&p->doc, v, 0, p->ec, "'%.*s' is no value of '%.*s'",
                              (int)(s.n > 60 ? 60 : s.n), s.p, STR(name));
    const char *near = mapping_nearest(s, words, count);
    if (near != NULL) {
        ectx_hint(p->ec, "did you mean '%s'?", near);
        return e;
    }
    struct buf all;
    buf_init(&all, sizeof(p->ec->hint) - 1);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&all, "%s%s", i == 0 ? "" : ", ", words[i]);
    }
    ectx_hint(p->ec, "one of: %.*s", STR(buf_str(&all)));
    buf_deinit(&all);
    return e;
}

/* An optional member that is one of a few words. */
static enum err word_member(struct def_parser *p, const struct json *v, const char *name,
                            const char *const *words, size_t count, size_t *out)
{
    const struct json *m = json_get(v, name);
    return m == NULL ? ERR_OK : def_word_of(p, m, str_of(name), words, count, out);
}

#define CATEGORY_MAX 240u /* "es." and it are a topic's name */

/* As the event store has it: no stream is of another one. */
static bool is_category(struct str s)
{
    bool good = s.n > 0 && s.n <= CATEGORY_MAX;
    for (size_t i = 0; i < s.n && good; i++) {
        const char c = s.p[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_';
    }
    return good;
}

static enum err check_categories(struct def_parser *p, const struct json *source,
                                 const struct str *categories, size_t count)
{
    const struct json *list = json_get(source, "category");
    const struct json *item = list == NULL || list->kind == JSON_STRING ? list : list->first;
    for (size_t i = 0; i < count && p->declared; i++, item = item->next) {
        if (!is_category(categories[i])) {
            enum err e =
                mapping_fail(&p->doc, item, 0, p->ec, "'%.*s' is no category",
                             (int)(categories[i].n > 80 ? 80 : categories[i].n), categories[i].p);
            ectx_hint(p->ec, "what stands before the first '-' of a stream's name: letters of "
                             "ASCII, digits, '.' and '_'");
            return e;
        }
    }
    return ERR_OK;
}

bool def_types_meet(const struct mapping_type *a, const struct mapping_type *b)
{
    return a->any || b->any ||
           (str_eq(a->base, b->base) &&
            (str_is_null(a->version) || str_is_null(b->version) || str_eq(a->version, b->version)));
}

static enum err parse_source(struct def_parser *p, const struct json *v)
{
    static const char *const members[] = {"category", "topics", "types", "as_stored"};
    struct def *d = p->d;
    const struct json *source = json_get(v, "source");
    if (source == NULL) {
        return mapping_fail(&p->doc, v, 0, p->ec, "'source' is missing");
    }
    struct str *categories;
    struct str *topics;
    struct str *types;
    size_t category_count;
    size_t topic_count;
    enum err e =
        mapping_check_members(&p->doc, source, "source", members, ARRAY_LEN(members), p->ec);
    e = e != ERR_OK ? e
                    : mapping_texts(&p->doc, source, "category", false, DEF_TOPICS_MAX, &d->arena,
                                    &categories, &category_count, p->ec);
    e = e != ERR_OK ? e
                    : mapping_texts(&p->doc, source, "topics", false, DEF_TOPICS_MAX, &d->arena,
                                    &topics, &topic_count, p->ec);
    e = e != ERR_OK ? e
                    : mapping_texts(&p->doc, source, "types", false, DEF_TYPES_MAX, &d->arena,
                                    &types, &d->type_count, p->ec);
    e = e != ERR_OK ? e : check_categories(p, source, categories, category_count);
    if (e != ERR_OK) {
        return e;
    }
    const struct json *as_stored = json_get(source, "as_stored");
    if (as_stored != NULL && as_stored->kind != JSON_BOOL) {
        return mapping_fail(&p->doc, as_stored, 0, p->ec, "'as_stored' must be true or false");
    }
    d->as_stored = as_stored != NULL && as_stored->boolean;
    size_t count = category_count + topic_count;
    if (count == 0 || count > DEF_TOPICS_MAX) {
        return mapping_fail(&p->doc, source, 0, p->ec,
                            "'source' needs a 'category' or 'topics', at most %u of them",
                            DEF_TOPICS_MAX);
    }
    d->topics = arena_new_n(&d->arena, struct str, count);
    d->types = arena_new_n(&d->arena, struct mapping_type, d->type_count + 1);
    if (d->topics == NULL || d->types == NULL) {
        return ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        struct str name = i < category_count
                              ? arena_printf(&d->arena, "es.%.*s", STR(categories[i]))
                              : topics[i - category_count];
        if (str_is_null(name)) {
            return ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
        }
        d->topics[d->topic_count++] = name;
        for (size_t k = 0; k + 1 < d->topic_count; k++) {
            if (str_eq(d->topics[k], name)) {
                return mapping_fail(&p->doc, source, 0, p->ec, "'%.*s' is named twice", STR(name));
            }
        }
    }
    const struct json *list = json_get(source, "types");
    const struct json *item = list == NULL || list->kind == JSON_STRING ? list : list->first;
    for (size_t i = 0; i < d->type_count && e == ERR_OK; i++, item = item->next) {
        e = mapping_type_compile(&p->doc, item, &d->types[i], p->ec);
    }
    return e;
}

static enum err parse_version(struct def_parser *p, const struct json *v, uint32_t version)
{
    const struct json *member = json_get(v, "version");
    int64_t number = 1;
    if (member != NULL && (!json_i64(member, &number) || number < 1 || number > DEF_VERSION_MAX)) {
        return mapping_fail(&p->doc, member, 0, p->ec,
                            "'version' must be a whole number from 1 to %d", DEF_VERSION_MAX);
    }
    p->d->version = version == 0 ? (uint32_t)number : version;
    return ERR_OK;
}

static enum err parse_head(struct def_parser *p, const struct json *v, uint32_t version)
{
    static const char *const on_error[] = {"park_key", "stop", "skip"};
    static const char *const switches[] = {"auto", "manual"};
    struct def *d = p->d;
    struct str keep;
    size_t word = 0;
    enum err e = mapping_text(&p->doc, v, "projection", true, &d->name, p->ec);
    e = e != ERR_OK ? e : def_check_name(p, json_get(v, "projection"), "projection", d->name);
    e = e != ERR_OK ? e : parse_version(p, v, version);
    e = e != ERR_OK ? e : mapping_text(&p->doc, v, "target", true, &d->target, p->ec);
    if (e == ERR_OK) {
        struct ectx why;
        e = target_parse(d->target, &d->driver, &d->where, &why);
        if (e != ERR_OK) {
            e = mapping_fail(&p->doc, json_get(v, "target"), 0, p->ec, "%s", why.text);
            ectx_hint(p->ec, "%s", why.hint);
        }
    }
    e = e != ERR_OK ? e : word_member(p, v, "on_error", on_error, ARRAY_LEN(on_error), &word);
    d->on_error = (enum def_on_error)word;
    word = 0;
    e = e != ERR_OK ? e : word_member(p, v, "switch", switches, ARRAY_LEN(switches), &word);
    d->switch_auto = word == 0;
    e = e != ERR_OK ? e : mapping_text(&p->doc, v, "keep", false, &keep, p->ec);
    d->keep_ms = DEF_KEEP_MS;
    if (e == ERR_OK && !str_is_null(keep)) {
        uint64_t ns = 0;
        if (!duration_parse(keep, &ns) || ns / 1000000 > (uint64_t)KEEP_MS_MAX) {
            return mapping_fail(&p->doc, json_get(v, "keep"), 0, p->ec,
                                "'keep' must be a duration of at most a year (24h, 30m)");
        }
        d->keep_ms = (int64_t)(ns / 1000000);
    }
    return e;
}

static enum err parse_key(struct def_parser *p, const struct json *v)
{
    static const struct json record_key = {
        .kind = JSON_STRING, .string = {"$key", 4}, .raw = {"\"$key\"", 6}};
    const struct json *key = json_get(v, "key");
    return mapping_compile(&p->doc, key == NULL ? &record_key : key, NULL, &p->d->arena, &p->d->key,
                           p->ec);
}

static enum err parse(struct def_parser *p, const struct json *v, uint32_t version)
{
    static const char *const members[] = {"projection", "version", "source", "target", "key",
                                          "on_error",   "switch",  "keep",   "tables", "maps"};
    enum err e =
        mapping_check_members(&p->doc, v, "a projection", members, ARRAY_LEN(members), p->ec);
    e = e != ERR_OK ? e : parse_head(p, v, version);
    e = e != ERR_OK ? e : parse_source(p, v);
    e = e != ERR_OK ? e : parse_key(p, v);
    e = e != ERR_OK ? e : def_parse_tables(p, v);
    return e != ERR_OK ? e : def_parse_rules(p, v);
}

MUST_USE enum err def_create(struct str text, struct str file, uint32_t version, struct def **out,
                             struct ectx *ec)
{
    struct ectx own;
    ec = ec == NULL ? &own : ec;
    if (text.n > PROJ_DEFINITION_BYTES) {
        return ectx_fail(ec, ERR_CONFIG, "a definition has at most %u bytes; this has %zu",
                         PROJ_DEFINITION_BYTES, text.n);
    }
    struct def *d = mem_new(struct def);
    if (d == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    arena_init(&d->arena, DEF_ARENA_BYTES);
    buf_init(&d->json, DEF_ARENA_BYTES);
    d->text = arena_str(&d->arena, text);
    d->file = arena_str(&d->arena, file.n == 0 ? STR_LIT("definition") : file);
    struct def_parser p = {.d = d, .ec = ec, .declared = version == 0};
    struct json *root = NULL;
    enum err e = str_is_null(d->text) || str_is_null(d->file)
                     ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory")
                     : ERR_OK;
    e = e != ERR_OK ? e : read_document(&p, &root);
    e = e != ERR_OK ? e : parse(&p, root, version);
    if (e != ERR_OK) {
        def_destroy(d);
        return e;
    }
    *out = d;
    return ERR_OK;
}

void def_destroy(struct def *d)
{
    if (d != NULL) {
        arena_deinit(&d->arena);
        buf_deinit(&d->json);
        mem_free(d);
    }
}
