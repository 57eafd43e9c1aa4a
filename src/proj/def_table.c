/* Tables of a definition: columns with types, a key, indexes; and the SQL that makes them. */
#include "proj/def.h"

#include <string.h>

#include "core/compiler.h"

static const char *const type_names[] = {"text", "integer", "real", "boolean", "json"};

static enum err no_memory(struct def_parser *p)
{
    return ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
}

const struct def_table *def_table_find(const struct def *d, struct str name)
{
    for (size_t i = 0; i < d->table_count; i++) {
        if (str_eq(d->tables[i].name, name)) {
            return &d->tables[i];
        }
    }
    return NULL;
}

MUST_USE enum err def_column_find(struct def_parser *p, const struct json *at,
                                  const struct def_table *t, struct str name, size_t *out)
{
    const char *known[PROJ_COLUMNS_MAX];
    for (size_t i = 0; i < t->column_count; i++) {
        if (str_eq(t->columns[i].name, name)) {
            *out = i;
            return ERR_OK;
        }
        known[i] = t->columns[i].name.p; /* NUL-terminated: decoded into the arena */
    }
    enum err e = mapping_fail(&p->doc, at, 0, p->ec, "table '%.*s' has no column '%.*s'",
                              STR(t->name), (int)(name.n > 60 ? 60 : name.n), name.p);
    const char *near = mapping_nearest(name, known, t->column_count);
    if (near != NULL) {
        ectx_hint(p->ec, "did you mean '%s'?", near);
    }
    return e;
}

MUST_USE enum err def_check_comparable(struct def_parser *p, const struct json *at,
                                       const struct def_column *c, const char *member)
{
    if (!p->declared || c == NULL || c->type != DEF_JSON) {
        return ERR_OK;
    }
    enum err e = mapping_fail(&p->doc, at, 0, p->ec, "'%.*s' is of type json: it cannot be in '%s'",
                              STR(c->name), member);
    ectx_hint(p->ec, "a database does not compare JSON: put what is looked for into a column of "
                     "another type");
    return e;
}

static enum err parse_columns(struct def_parser *p, const struct json *v, struct def_table *t)
{
    const struct json *columns = json_get(v, "columns");
    if (columns == NULL || columns->kind != JSON_OBJECT || columns->count == 0 ||
        columns->count > PROJ_COLUMNS_MAX) {
        return mapping_fail(&p->doc, columns == NULL ? v : columns, 0, p->ec,
                            "'columns' must be a mapping of 1 to %u names to types",
                            PROJ_COLUMNS_MAX);
    }
    t->columns = arena_new_n(&p->d->arena, struct def_column, columns->count);
    if (t->columns == NULL) {
        return no_memory(p);
    }
    for (const struct json *c = columns->first; c != NULL; c = c->next) {
        enum err e = def_check_name(p, c, "column", c->name);
        size_t type = 0;
        e = e != ERR_OK ? e : def_word_of(p, c, c->name, type_names, ARRAY_LEN(type_names), &type);
        if (e != ERR_OK) {
            return e;
        }
        struct str name = arena_str(&p->d->arena, c->name); /* with a NUL, for hints */
        if (str_is_null(name)) {
            return no_memory(p);
        }
        t->columns[t->column_count++] =
            (struct def_column){.name = name, .type = (enum def_type)type};
    }
    return ERR_OK;
}

/* A list of columns (one name is a list of one). */
static enum err parse_column_list(struct def_parser *p, const struct json *v,
                                  const struct def_table *t, const char *member, size_t **out,
                                  size_t *count)
{
    bool list = v->kind == JSON_ARRAY;
    size_t n = list ? v->count : 1;
    *out = arena_new_n(&p->d->arena, size_t, n == 0 ? 1 : n);
    *count = 0;
    if (*out == NULL) {
        return no_memory(p);
    }
    for (const struct json *c = list ? v->first : v; c != NULL; c = list ? c->next : NULL) {
        if (c->kind != JSON_STRING) {
            return mapping_fail(&p->doc, c, 0, p->ec, "the name of a column was expected");
        }
        size_t column = 0;
        enum err e = def_column_find(p, c, t, c->string, &column);
        e = e != ERR_OK ? e : def_check_comparable(p, c, &t->columns[column], member);
        if (e != ERR_OK) {
            return e;
        }
        for (size_t i = 0; i < *count; i++) {
            if ((*out)[i] == column) {
                return mapping_fail(&p->doc, c, 0, p->ec, "'%.*s' is named twice", STR(c->string));
            }
        }
        (*out)[(*count)++] = column;
    }
    return *count > 0 ? ERR_OK
                      : mapping_fail(&p->doc, v, 0, p->ec, "at least one column was expected");
}

static enum err parse_indexes(struct def_parser *p, const struct json *v, struct def_table *t)
{
    const struct json *indexes = json_get(v, "indexes");
    if (indexes == NULL) {
        return ERR_OK;
    }
    if (indexes->kind != JSON_ARRAY || indexes->count > DEF_INDEXES_MAX) {
        return mapping_fail(&p->doc, indexes, 0, p->ec,
                            "'indexes' must be a list of at most %u columns or lists of columns",
                            DEF_INDEXES_MAX);
    }
    t->indexes = arena_new_n(&p->d->arena, struct def_index, indexes->count + 1);
    if (t->indexes == NULL) {
        return no_memory(p);
    }
    for (const struct json *i = indexes->first; i != NULL; i = i->next) {
        struct def_index *index = &t->indexes[t->index_count];
        enum err e = parse_column_list(p, i, t, "indexes", &index->columns, &index->count);
        if (e != ERR_OK) {
            return e;
        }
        t->index_count++;
    }
    return ERR_OK;
}

/* The texts of one entry share what it may have. */
static void limit_texts(struct def_table *t, const size_t *columns, size_t count)
{
    size_t texts = 0;
    for (size_t i = 0; i < count; i++) {
        texts += t->columns[columns[i]].type == DEF_TEXT;
    }
    for (size_t i = 0; i < count; i++) {
        struct def_column *c = &t->columns[columns[i]];
        const size_t most = texts == 0 ? 0 : DEF_INDEXED_MAX / texts;
        if (c->type == DEF_TEXT && (c->text_max == 0 || c->text_max > most)) {
            c->text_max = most;
        }
    }
}

/* An index is made when its table is full, or is there already: what fits must not depend on it. */
static void limit_indexed(struct def_table *t)
{
    limit_texts(t, t->key, t->key_count);
    for (size_t i = 0; i < t->index_count; i++) {
        limit_texts(t, t->indexes[i].columns, t->indexes[i].count);
    }
}

static bool cut_number(struct str *s)
{
    size_t n = s->n;
    while (n > 0 && s->p[n - 1] >= '0' && s->p[n - 1] <= '9') {
        n--;
    }
    bool some = n < s->n;
    s->n = n;
    return some;
}

/* "orders__v2" and "orders__v2_i1" are names that we give to tables and indexes. */
static bool is_generated(struct str name)
{
    bool number = cut_number(&name);
    if (number && str_ends(name, "_i")) {
        name.n -= 2;
        number = cut_number(&name);
    }
    return number && str_ends(name, "__v");
}

static enum err check_table_name(struct def_parser *p, const struct json *at)
{
    enum err e = def_check_name(p, at, "table", at->name);
    if (e == ERR_OK && p->declared && is_generated(at->name)) {
        e = mapping_fail(&p->doc, at, 0, p->ec, "'%.*s' cannot be the name of a table",
                         STR(at->name));
        ectx_hint(p->ec,
                  "names that end with __v and a number, or such a one with _i and a number, "
                  "are those of the tables and indexes of versions");
    }
    return e;
}

MUST_USE enum err def_parse_tables(struct def_parser *p, const struct json *v)
{
    static const char *const members[] = {"columns", "key", "indexes"};
    const struct json *tables = json_get(v, "tables");
    if (tables == NULL || tables->kind != JSON_OBJECT || tables->count == 0 ||
        tables->count > PROJ_TABLES_MAX) {
        return mapping_fail(&p->doc, tables == NULL ? v : tables, 0, p->ec,
                            "'tables' must be a mapping of 1 to %u tables", PROJ_TABLES_MAX);
    }
    p->d->tables = arena_new_n(&p->d->arena, struct def_table, tables->count);
    if (p->d->tables == NULL) {
        return no_memory(p);
    }
    for (const struct json *m = tables->first; m != NULL; m = m->next) {
        struct def_table *t = &p->d->tables[p->d->table_count];
        t->name = arena_str(&p->d->arena, m->name);
        enum err e = str_is_null(t->name) ? no_memory(p) : check_table_name(p, m);
        e = e != ERR_OK
                ? e
                : mapping_check_members(&p->doc, m, "a table", members, ARRAY_LEN(members), p->ec);
        e = e != ERR_OK ? e : parse_columns(p, m, t);
        if (e == ERR_OK && json_get(m, "key") == NULL) {
            e = mapping_fail(&p->doc, m, 0, p->ec, "table '%.*s' has no 'key'", STR(t->name));
        }
        e = e != ERR_OK
                ? e
                : parse_column_list(p, json_get(m, "key"), t, "key", &t->key, &t->key_count);
        e = e != ERR_OK ? e : parse_indexes(p, m, t);
        if (e != ERR_OK) {
            return e;
        }
        limit_indexed(t);
        p->d->table_count++;
    }
    return ERR_OK;
}

/* ---- SQL. Names are a-z, 0-9 and _ (checked), so that quoting them is enough. */

void def_put_name(struct buf *out, struct str name)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"') {
            buf_put_u8(out, '"');
        }
        buf_put_u8(out, (uint8_t)name.p[i]);
    }
    buf_put_u8(out, '"');
}

void def_put_table(struct buf *out, struct str name, uint32_t version)
{
    buf_printf(out, "\"%.*s__v%u\"", STR(name), version);
}

static void put_columns(struct buf *out, const struct def_table *t, const size_t *columns,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_put_z(out, i == 0 ? "(" : ", ");
        def_put_name(out, t->columns[columns[i]].name);
    }
    buf_put_z(out, ")");
}

static bool in_key(const struct def_table *t, size_t column)
{
    for (size_t i = 0; i < t->key_count; i++) {
        if (t->key[i] == column) {
            return true;
        }
    }
    return false;
}

/* Where the database has no type for truths: a 7 is shown as true, and no filter would find it. */
static void put_check(const struct def *d, const struct def_column *c, struct buf *out)
{
    if (c->type == DEF_BOOLEAN && strcmp(d->driver->types[DEF_BOOLEAN], "INTEGER") == 0) {
        buf_put_z(out, " CHECK (");
        def_put_name(out, c->name);
        buf_put_z(out, " IN (0, 1))");
    }
}

void def_write_tables(const struct def *d, bool may_be_there, struct buf *out)
{
    for (size_t i = 0; i < d->table_count; i++) {
        const struct def_table *t = &d->tables[i];
        buf_put_z(out, may_be_there ? "CREATE TABLE IF NOT EXISTS " : "CREATE TABLE ");
        def_put_table(out, t->name, d->version);
        for (size_t c = 0; c < t->column_count; c++) {
            buf_put_z(out, c == 0 ? " (" : ", ");
            def_put_name(out, t->columns[c].name);
            buf_printf(out, " %s%s", d->driver->types[t->columns[c].type],
                       in_key(t, c) ? " NOT NULL" : "");
            put_check(d, &t->columns[c], out);
        }
        buf_put_z(out, ", PRIMARY KEY ");
        put_columns(out, t, t->key, t->key_count);
        buf_printf(out, ")%s;\n", d->driver->table_suffix);
    }
}

void def_write_indexes(const struct def *d, struct buf *out)
{
    for (size_t i = 0; i < d->table_count; i++) {
        const struct def_table *t = &d->tables[i];
        for (size_t k = 0; k < t->index_count; k++) {
            buf_printf(out, "CREATE INDEX IF NOT EXISTS \"%.*s__v%u_i%zu\" ON ", STR(t->name),
                       d->version, k + 1);
            def_put_table(out, t->name, d->version);
            buf_put_z(out, " ");
            put_columns(out, t, t->indexes[k].columns, t->indexes[k].count);
            buf_put_z(out, ";\n");
        }
    }
}

void def_write_names(const struct def *d, struct buf *out)
{
    for (size_t i = 0; i < d->table_count; i++) {
        buf_put_z(out, i == 0 ? "" : ",");
        buf_put_str(out, d->tables[i].name);
        for (size_t k = 0; k < d->tables[i].column_count; k++) {
            const enum def_type type = d->tables[i].columns[k].type;
            if (type == DEF_JSON || type == DEF_BOOLEAN) {
                buf_put_z(out, type == DEF_JSON ? ":" : ":?");
                buf_put_str(out, d->tables[i].columns[k].name);
            }
        }
    }
}

static enum def_known find_column(struct str names, struct str table, bool marked,
                                  struct str column)
{
    while (!str_is_null(names)) {
        struct str columns;
        struct str entry = str_cut(names, ',', &names);
        if (!str_eq(str_cut(entry, ':', &columns), table)) {
            continue;
        }
        while (!str_is_null(columns)) {
            struct str name = str_cut(columns, ':', &columns);
            const bool mark = str_starts(name, "?");
            if (mark == marked && str_eq(str_make(name.p + mark, name.n - mark), column)) {
                return DEF_YES;
            }
        }
        return DEF_NO;
    }
    return DEF_UNKNOWN;
}

enum def_known def_json_column(struct str names, struct str table, struct str column)
{
    return find_column(names, table, false, column);
}

bool def_boolean_column(struct str names, struct str table, struct str column)
{
    return find_column(names, table, true, column) == DEF_YES;
}

void def_write_drop(struct str projection, uint32_t version, struct str names, struct buf *out)
{
    static const char *const ours[] = {"leat_action", "leat_parked", "leat_checkpoint",
                                       "leat_version"};
    for (struct str rest = names; !str_is_null(rest);) {
        struct str columns;
        struct str name = str_cut(str_cut(rest, ',', &rest), ':', &columns);
        buf_put_z(out, "DROP TABLE IF EXISTS ");
        def_put_table(out, name, version);
        buf_put_z(out, ";\n");
    }
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        buf_printf(out, "DELETE FROM %s WHERE projection = '%.*s' AND version = %u;\n", ours[i],
                   STR(projection), version);
    }
}
