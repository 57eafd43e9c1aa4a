/*
 * From libyaml's events to JSON text, in one pass. Events and not its document tree: an alias is
 * refused when it is met, so that nothing can be made larger than it is written, and the depth is
 * bounded before anything is built.
 */
#include "json/yaml.h"

#include <string.h>

#include <yaml.h>

#include "json/yaml_int.h"

struct place {
    uint32_t at; /* of the value in the JSON text */
    uint32_t line, column;
};

struct yaml_map {
    struct str text; /* the JSON */
    struct place *places;
    size_t count, cap;
};

struct key {
    struct key *next;
    struct str name;
};

struct level {
    bool mapping;
    bool want_value; /* a key has been read */
    uint32_t count;
    struct key *keys;
};

struct walk {
    const char *file;
    struct buf *out;
    struct json_writer w;
    struct arena *arena;
    struct ectx *ec;
    struct yaml_map *map;
    bool started, ended; /* the one document */
    uint32_t depth;
    struct level levels[JSON_DEPTH_DEFAULT];
};

static enum err fail_at(const struct walk *w, const yaml_mark_t *mark, enum err e, const char *what)
{
    return ectx_fail(w->ec, e, "%s:%zu:%zu: %s", w->file, mark->line + 1, mark->column + 1, what);
}

static enum err no_memory(const struct walk *w)
{
    return ectx_fail(w->ec, ERR_NO_MEMORY, "%s: no memory, or larger than its budget", w->file);
}

/* Remembers where the value comes from that is written next. */
static bool place_add(struct walk *w, const yaml_mark_t *mark, uint32_t column_add)
{
    struct yaml_map *m = w->map;
    if (m->count == m->cap) {
        size_t cap = m->cap == 0 ? 64 : 2 * m->cap;
        struct place *more = arena_new_n(w->arena, struct place, cap);
        if (more == NULL) {
            return false;
        }
        if (m->count > 0) {
            memcpy(more, m->places, m->count * sizeof(*more));
        }
        m->places = more;
        m->cap = cap;
    }
    m->places[m->count++] = (struct place){
        .at = (uint32_t)w->out->n + (w->w.comma ? 1u : 0u),
        .line = (uint32_t)mark->line + 1,
        .column = (uint32_t)mark->column + 1 + column_add,
    };
    return true;
}

/* A value begins: may it stand here? */
static enum err value_begins(struct walk *w, const yaml_mark_t *mark, uint32_t column_add)
{
    if (w->depth > 0) {
        struct level *l = &w->levels[w->depth - 1];
        if (l->mapping && !l->want_value) {
            return fail_at(w, mark, ERR_CONFIG, "a key must be plain text");
        }
        l->want_value = false;
    }
    return place_add(w, mark, column_add) ? ERR_OK : no_memory(w);
}

static enum err open_level(struct walk *w, const yaml_mark_t *mark, bool mapping)
{
    enum err e = value_begins(w, mark, 0);
    if (e != ERR_OK) {
        return e;
    }
    if (w->depth == JSON_DEPTH_DEFAULT) {
        return fail_at(w, mark, ERR_LIMIT, "nested too deep");
    }
    w->levels[w->depth++] = (struct level){.mapping = mapping};
    json_write_begin(&w->w, mapping ? '{' : '[');
    return ERR_OK;
}

static enum err read_key(struct walk *w, const yaml_event_t *event, struct str name)
{
    struct level *l = &w->levels[w->depth - 1];
    const yaml_mark_t *mark = &event->start_mark;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && name.n == 0) {
        return fail_at(w, mark, ERR_CONFIG, "a key is missing");
    }
    if (plain && str_eq_z(name, "<<")) {
        return fail_at(w, mark, ERR_CONFIG, "merge keys are not supported: write the members here");
    }
    for (const struct key *k = l->keys; k != NULL; k = k->next) {
        if (str_eq(k->name, name)) {
            char what[128];
            (void)snprintf(what, sizeof(what), "a second member '%.*s' in one mapping",
                           name.n > 64 ? 64 : (int)name.n, name.p);
            return fail_at(w, mark, ERR_CONFIG, what);
        }
    }
    if (l->count++ == YAML_MEMBERS_MAX) {
        return fail_at(w, mark, ERR_LIMIT, "too many members in one mapping");
    }
    struct key *k = arena_new(w->arena, struct key);
    if (k == NULL) {
        return no_memory(w);
    }
    k->name = name.n == 0 ? STR_LIT("") : arena_str(w->arena, name);
    k->next = l->keys;
    l->keys = k;
    l->want_value = true;
    json_write_name_str(&w->w, name);
    return str_is_null(k->name) ? no_memory(w) : ERR_OK;
}

static enum err read_scalar(struct walk *w, const yaml_event_t *event)
{
    const char *tag = (const char *)event->data.scalar.tag;
    struct str s = str_make(event->data.scalar.value, event->data.scalar.length);
    bool text = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    bool quoted = event->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
                  event->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    const yaml_mark_t *mark = &event->start_mark;
    if (event->data.scalar.anchor != NULL) {
        return fail_at(w, mark, ERR_CONFIG, "anchors are not supported");
    }
    if (tag != NULL && strcmp(tag, YAML_STR_TAG) != 0 && strcmp(tag, "!") != 0) {
        return fail_at(w, mark, ERR_CONFIG, "tags are not supported, but for !!str");
    }
    text = text || tag != NULL;
    if (w->depth > 0 && w->levels[w->depth - 1].mapping && !w->levels[w->depth - 1].want_value) {
        return read_key(w, event, s);
    }
    enum err e = value_begins(w, mark, quoted ? 1 : 0);
    if (e != ERR_OK) {
        return e;
    }
    if (text) {
        json_write_str(&w->w, s.p == NULL ? STR_LIT("") : s);
        return ERR_OK;
    }
    const char *problem = yaml_plain_put(&w->w, s);
    return problem == NULL ? ERR_OK : fail_at(w, mark, ERR_CONFIG, problem);
}

static enum err read_event(struct walk *w, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (w->started) {
            return fail_at(w, mark, ERR_CONFIG, "a second document: only one is allowed");
        }
        w->started = true;
        return ERR_OK;
    case YAML_ALIAS_EVENT:
        return fail_at(w, mark, ERR_CONFIG, "aliases are not supported: write it out");
    case YAML_SCALAR_EVENT:
        return read_scalar(w, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: {
        bool mapping = event->type == YAML_MAPPING_START_EVENT;
        const yaml_char_t *anchor =
            mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
        const yaml_char_t *tag =
            mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
        if (anchor != NULL || tag != NULL) {
            return fail_at(w, mark, ERR_CONFIG, "anchors and tags are not supported");
        }
        return open_level(w, mark, mapping);
    }
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        json_write_end(&w->w, event->type == YAML_MAPPING_END_EVENT ? '}' : ']');
        w->depth--;
        return ERR_OK;
    case YAML_STREAM_END_EVENT:
        w->ended = true;
        return ERR_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return ERR_OK;
}

static enum err parse_failed(const struct walk *w, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        return no_memory(w);
    }
    const char *problem = parser->problem == NULL ? "unreadable" : parser->problem;
    if (parser->error == YAML_READER_ERROR) {
        return ectx_fail(w->ec, ERR_CONFIG, "%s: byte %zu: not valid YAML: %s", w->file,
                         parser->problem_offset, problem);
    }
    return ectx_fail(w->ec, ERR_CONFIG, "%s:%zu:%zu: not valid YAML: %s", w->file,
                     parser->problem_mark.line + 1, parser->problem_mark.column + 1, problem);
}

static enum err read_all(struct walk *w, struct str yaml)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return no_memory(w);
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml.p, yaml.n);
    enum err e = ERR_OK;
    while (e == ERR_OK && !w->ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            e = parse_failed(w, &parser);
            break;
        }
        e = read_event(w, &event);
        yaml_event_delete(&event);
        if (e == ERR_OK && buf_failed(w->out)) {
            e = no_memory(w);
        }
    }
    yaml_parser_delete(&parser);
    return e;
}

MUST_USE enum err yaml_to_json(struct str yaml, const char *file, struct buf *out, struct arena *a,
                               struct yaml_map **map, struct ectx *ec)
{
    struct walk w = {.file = file, .out = out, .arena = a, .ec = ec};
    buf_clear(out);
    json_write_init(&w.w, out);
    if (yaml.n >= 3 && memcmp(yaml.p, "\xEF\xBB\xBF", 3) == 0) {
        /* A byte order mark: libyaml takes it for a column, and the second line for a mistake. */
        yaml = str_make(yaml.p + 3, yaml.n - 3);
    }
    if (yaml.n > YAML_TEXT_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "%s: %zu bytes are over the limit of %u", file, yaml.n,
                         YAML_TEXT_MAX);
    }
    w.map = arena_new(a, struct yaml_map);
    if (w.map == NULL) {
        return no_memory(&w);
    }
    enum err e = read_all(&w, yaml.n == 0 ? STR_LIT("") : yaml);
    if (e == ERR_OK && !w.started) {
        e = ectx_fail(ec, ERR_CONFIG, "%s: the document is empty", file);
    }
    if (e != ERR_OK) {
        return e;
    }
    w.map->text = buf_str(out);
    *map = w.map;
    return ERR_OK;
}

bool yaml_place(void *map, const struct json *v, uint32_t *line, uint32_t *column)
{
    const struct yaml_map *m = map;
    uintptr_t begin = (uintptr_t)m->text.p, at = (uintptr_t)v->raw.p;
    if (at < begin || at - begin >= m->text.n) {
        return false;
    }
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->places[middle].at < at - begin) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == m->count || m->places[low].at != at - begin) {
        return false;
    }
    *line = m->places[low].line;
    *column = m->places[low].column;
    return true;
}
