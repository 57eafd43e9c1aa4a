/*
 * What a rule does, as SQL statements with numbered parameters. Each parameter is mentioned for the
 * first time in the order of its number, which is how SQLite counts $1, $2.
 */
#include "proj/def.h"

#include <string.h>

#include "core/compiler.h"

#define SQL_BYTES_MAX 65536u

static enum err no_memory(struct def_parser *p)
{
    return ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
}

MUST_USE enum err def_add_statement(struct def_parser *p, const struct json *at, struct buf *sql,
                                    struct str *out, size_t *index)
{
    if (buf_failed(sql) && sql->n < sql->max / 2) {
        return no_memory(p); /* buffers grow by doubling: it was not the limit */
    }
    if (buf_failed(sql)) {
        return mapping_fail(&p->doc, at, 0, p->ec, "the statement is longer than %u bytes",
                            SQL_BYTES_MAX);
    }
    struct def *d = p->d;
    if (d->statement_count == p->statement_room) {
        size_t room = p->statement_room == 0 ? 16 : 2 * p->statement_room;
        struct str *more = arena_new_n(&d->arena, struct str, room);
        if (more == NULL) {
            return no_memory(p);
        }
        if (d->statement_count > 0) {
            memcpy(more, d->statements, d->statement_count * sizeof(*more));
        }
        d->statements = more;
        p->statement_room = room;
    }
    struct str text = arena_str(&d->arena, buf_str(sql));
    if (str_is_null(text)) {
        return no_memory(p);
    }
    *out = text;
    *index = d->statement_count;
    d->statements[d->statement_count++] = text;
    return ERR_OK;
}

/* Assignments of a statement: columns and expressions. Where it looks for a row (`key`, `where`),
 * and where it adds (`by`), no JSON. */
struct assigns {
    size_t columns[PROJ_COLUMNS_MAX];
    struct mapping_expr *values[PROJ_COLUMNS_MAX];
    size_t count;
};

/* What `by` adds to. (The log may have others: SQLite took a text for a number.) */
static enum err check_adds(struct def_parser *p, const struct json *at, const struct def_column *c)
{
    if (!p->declared || c->type == DEF_INTEGER || c->type == DEF_REAL) {
        return ERR_OK;
    }
    return mapping_fail(&p->doc, at, 0, p->ec,
                        "'%.*s' is no number: 'by' adds to columns of type integer or real",
                        STR(c->name));
}

static enum err parse_assigns(struct def_parser *p, const struct json *op, const char *member,
                              const struct def_table *t, const struct mapping_names *names,
                              struct assigns *out)
{
    out->count = 0;
    const struct json *v = json_get(op, member);
    if (v == NULL) {
        return ERR_OK;
    }
    if (v->kind != JSON_OBJECT) {
        return mapping_fail(&p->doc, v, 0, p->ec, "'%s' must be a mapping of columns to values",
                            member);
    }
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        size_t column = 0;
        enum err e = def_column_find(p, m, t, m->name, &column);
        if (e == ERR_OK && strcmp(member, "set") != 0) {
            e = def_check_comparable(p, m, &t->columns[column], member);
        }
        if (e == ERR_OK && strcmp(member, "by") == 0) {
            e = check_adds(p, m, &t->columns[column]);
        }
        if (e == ERR_OK && out->count == PROJ_COLUMNS_MAX) {
            e = mapping_fail(&p->doc, m, 0, p->ec, "at most %u columns", PROJ_COLUMNS_MAX);
        }
        e = e != ERR_OK
                ? e
                : mapping_compile(&p->doc, m, names, &p->d->arena, &out->values[out->count], p->ec);
        if (e != ERR_OK) {
            return e;
        }
        out->columns[out->count++] = column;
    }
    return ERR_OK;
}

/* The parameters of `op`, from its lists in order; only what is set may be null. */
struct param_list {
    const struct assigns *of;
    enum def_use use;
};
static enum err take_params(struct def_parser *p, const struct param_list *lists, size_t count,
                            struct def_op *op)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += lists[i].of->count;
    }
    if (n > TARGET_PARAMS_MAX) {
        return mapping_fail(&p->doc, op->at, 0, p->ec, "at most %u values in one statement",
                            TARGET_PARAMS_MAX);
    }
    op->params = arena_new_n(&p->d->arena, struct mapping_expr *, n + 1);
    op->must = arena_new_n(&p->d->arena, bool, n + 1);
    op->uses = arena_new_n(&p->d->arena, struct def_param, n + 1);
    if (op->params == NULL || op->must == NULL || op->uses == NULL) {
        return no_memory(p);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < lists[i].of->count; k++) {
            op->params[op->param_count] = lists[i].of->values[k];
            op->uses[op->param_count] = (struct def_param){lists[i].of->columns[k], lists[i].use};
            op->must[op->param_count++] = lists[i].use != DEF_SET;
        }
    }
    return ERR_OK;
}

static bool same_columns(const struct assigns *a, const struct def_table *t)
{
    if (a->count != t->key_count) {
        return false;
    }
    for (size_t i = 0; i < t->key_count; i++) {
        bool found = false;
        for (size_t k = 0; k < a->count && !found; k++) {
            found = a->columns[k] == t->key[i];
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* One row, by its key, and the key stays as it is. */
static bool is_by_key(const struct def_table *t, const struct assigns *where,
                      const struct def_op *op)
{
    for (size_t i = 0; i < op->param_count; i++) {
        for (size_t k = 0; k < t->key_count; k++) {
            if (op->uses[i].use != DEF_KEY && op->uses[i].column == t->key[k]) {
                return false;
            }
        }
    }
    return same_columns(where, t);
}

static struct str column_name(const struct def_table *t, size_t column)
{
    return t->columns[column].name;
}

static void put_insert(const struct def *d, const struct def_table *t, const struct assigns *key,
                       const struct assigns *set, const struct assigns *add, struct buf *sql)
{
    const struct assigns *lists[] = {key, set, add};
    buf_put_z(sql, "INSERT INTO ");
    def_put_table(sql, t->name, d->version);
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (size_t k = 0; k < lists[i]->count; k++) {
            buf_put_z(sql, n++ == 0 ? " (" : ", ");
            def_put_name(sql, column_name(t, lists[i]->columns[k]));
        }
    }
    buf_put_z(sql, ") VALUES (");
    for (size_t i = 1; i <= n; i++) {
        buf_printf(sql, "%s$%zu", i == 1 ? "" : ", ", i);
    }
    buf_put_z(sql, ") ON CONFLICT (");
    for (size_t k = 0; k < key->count; k++) {
        buf_put_z(sql, k == 0 ? "" : ", ");
        def_put_name(sql, column_name(t, key->columns[k]));
    }
    buf_put_z(sql, set->count + add->count == 0 ? ") DO NOTHING" : ") DO UPDATE SET ");
    for (size_t k = 0; k < set->count + add->count; k++) {
        bool adds = k >= set->count;
        struct str name = column_name(t, adds ? add->columns[k - set->count] : set->columns[k]);
        buf_put_z(sql, k == 0 ? "" : ", ");
        def_put_name(sql, name);
        buf_put_z(sql, " = ");
        if (adds) {
            buf_put_z(sql, "COALESCE(");
            def_put_table(sql, t->name, d->version);
            buf_put_z(sql, ".");
            def_put_name(sql, name);
            buf_put_z(sql, ", 0) + ");
        }
        buf_put_z(sql, "excluded.");
        def_put_name(sql, name);
    }
}

static void put_where(const struct def_table *t, const struct assigns *where, size_t from,
                      struct buf *sql)
{
    for (size_t k = 0; k < where->count; k++) {
        buf_put_z(sql, k == 0 ? " WHERE " : " AND ");
        def_put_name(sql, column_name(t, where->columns[k]));
        buf_printf(sql, " = $%zu", from + k);
    }
}

static void put_update(const struct def *d, const struct def_table *t, const struct assigns *set,
                       const struct assigns *add, const struct assigns *where, struct buf *sql)
{
    buf_put_z(sql, "UPDATE ");
    def_put_table(sql, t->name, d->version);
    buf_put_z(sql, " SET ");
    for (size_t k = 0; k < set->count + add->count; k++) {
        bool adds = k >= set->count;
        struct str name = column_name(t, adds ? add->columns[k - set->count] : set->columns[k]);
        buf_put_z(sql, k == 0 ? "" : ", ");
        def_put_name(sql, name);
        buf_put_z(sql, " = ");
        if (adds) {
            buf_put_z(sql, "COALESCE(");
            def_put_name(sql, name);
            buf_put_z(sql, ", 0) + ");
        }
        buf_printf(sql, "$%zu", k + 1);
    }
    put_where(t, where, set->count + add->count + 1, sql);
}

static enum err find_table(struct def_parser *p, const struct json *v, const char *kind,
                           const struct def_table **out)
{
    struct str name;
    enum err e = mapping_text(&p->doc, v, "table", true, &name, p->ec);
    if (e != ERR_OK) {
        return e;
    }
    *out = def_table_find(p->d, name);
    if (*out != NULL) {
        return ERR_OK;
    }
    const char *known[PROJ_TABLES_MAX];
    for (size_t i = 0; i < p->d->table_count; i++) {
        known[i] = p->d->tables[i].name.p;
    }
    e = mapping_fail(&p->doc, json_get(v, "table"), 0, p->ec, "%s: there is no table '%.*s'", kind,
                     (int)(name.n > 60 ? 60 : name.n), name.p);
    const char *near = mapping_nearest(name, known, p->d->table_count);
    if (near != NULL) {
        ectx_hint(p->ec, "did you mean '%s'?", near);
    }
    return e;
}

static enum err finish_op(struct def_parser *p, const char *kind, enum def_effect effect,
                          const struct def_table *t, struct buf *sql, struct def_op *op)
{
    op->effect = effect;
    op->table = t;
    op->what = arena_printf(&p->d->arena, "%s of %.*s", kind, STR(t->name));
    if (str_is_null(op->what)) {
        return no_memory(p);
    }
    return def_add_statement(p, op->at, sql, &op->sql, &op->stmt);
}

/* Columns that are set twice in one statement make no sense in any database. */
static enum err check_disjoint(struct def_parser *p, const struct json *at,
                               const struct def_table *t, const struct assigns *a,
                               const struct assigns *b)
{
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            if (a->columns[i] == b->columns[k]) {
                return mapping_fail(&p->doc, at, 0, p->ec, "column '%.*s' is given twice",
                                    STR(column_name(t, a->columns[i])));
            }
        }
    }
    return ERR_OK;
}

static enum err parse_insert(struct def_parser *p, const char *kind, const struct json *v,
                             const struct mapping_names *names, struct def_op *op)
{
    static const char *const upsert[] = {"table", "key", "set"};
    static const char *const increment[] = {"table", "key", "by", "set"};
    bool adds = strcmp(kind, "increment") == 0;
    const struct def_table *t = NULL;
    struct assigns key;
    struct assigns set;
    struct assigns add;
    enum err e =
        mapping_check_members(&p->doc, v, kind, adds ? increment : upsert, adds ? 4 : 3, p->ec);
    e = e != ERR_OK ? e : find_table(p, v, kind, &t);
    e = e != ERR_OK ? e : parse_assigns(p, v, "key", t, names, &key);
    e = e != ERR_OK ? e : parse_assigns(p, v, "set", t, names, &set);
    e = e != ERR_OK ? e : parse_assigns(p, v, "by", t, names, &add);
    if (e == ERR_OK && !same_columns(&key, t)) {
        e = mapping_fail(&p->doc, v, 0, p->ec,
                         "%s: 'key' must give every column of the key of "
                         "'%.*s', and no other",
                         kind, STR(t->name));
    }
    if (e == ERR_OK && adds && add.count == 0) {
        e = mapping_fail(&p->doc, v, 0, p->ec, "increment: 'by' is missing");
    }
    e = e != ERR_OK ? e : check_disjoint(p, v, t, &key, &set);
    e = e != ERR_OK ? e : check_disjoint(p, v, t, &key, &add);
    e = e != ERR_OK ? e : check_disjoint(p, v, t, &set, &add);
    const struct param_list lists[] = {{&key, DEF_KEY}, {&set, DEF_SET}, {&add, DEF_ADD}};
    e = e != ERR_OK ? e : take_params(p, lists, ARRAY_LEN(lists), op);
    if (e == ERR_OK) {
        struct buf sql;
        buf_init(&sql, SQL_BYTES_MAX);
        put_insert(p->d, t, &key, &set, &add, &sql);
        op->by_key = is_by_key(t, &key, op);
        e = finish_op(p, kind, DEF_PUT, t, &sql, op);
        buf_deinit(&sql);
    }
    return e;
}

static enum err parse_update(struct def_parser *p, const struct json *v,
                             const struct mapping_names *names, struct def_op *op)
{
    static const char *const members[] = {"table", "where", "set", "by"};
    const struct def_table *t = NULL;
    struct assigns where;
    struct assigns set;
    struct assigns add;
    enum err e = mapping_check_members(&p->doc, v, "update", members, ARRAY_LEN(members), p->ec);
    e = e != ERR_OK ? e : find_table(p, v, "update", &t);
    e = e != ERR_OK ? e : parse_assigns(p, v, "where", t, names, &where);
    e = e != ERR_OK ? e : parse_assigns(p, v, "set", t, names, &set);
    e = e != ERR_OK ? e : parse_assigns(p, v, "by", t, names, &add);
    if (e == ERR_OK && (where.count == 0 || set.count + add.count == 0)) {
        e = mapping_fail(&p->doc, v, 0, p->ec, "update needs 'where', and 'set' or 'by'");
    }
    e = e != ERR_OK ? e : check_disjoint(p, v, t, &set, &add);
    const struct param_list lists[] = {{&set, DEF_SET}, {&add, DEF_ADD}, {&where, DEF_KEY}};
    e = e != ERR_OK ? e : take_params(p, lists, ARRAY_LEN(lists), op);
    if (e == ERR_OK) {
        struct buf sql;
        buf_init(&sql, SQL_BYTES_MAX);
        put_update(p->d, t, &set, &add, &where, &sql);
        op->by_key = is_by_key(t, &where, op);
        e = finish_op(p, "update", DEF_CHANGE, t, &sql, op);
        buf_deinit(&sql);
    }
    return e;
}

static enum err parse_delete(struct def_parser *p, const struct json *v,
                             const struct mapping_names *names, struct def_op *op)
{
    static const char *const members[] = {"table", "where", "key"};
    const struct def_table *t = NULL;
    struct assigns where;
    bool by_key = json_get(v, "key") != NULL;
    enum err e = mapping_check_members(&p->doc, v, "delete", members, ARRAY_LEN(members), p->ec);
    e = e != ERR_OK ? e : find_table(p, v, "delete", &t);
    e = e != ERR_OK ? e : parse_assigns(p, v, by_key ? "key" : "where", t, names, &where);
    if (e == ERR_OK && (where.count == 0 || (by_key && json_get(v, "where") != NULL))) {
        e = mapping_fail(&p->doc, v, 0, p->ec, "delete needs 'key' or 'where'");
    }
    const struct param_list list = {&where, DEF_KEY};
    e = e != ERR_OK ? e : take_params(p, &list, 1, op);
    if (e == ERR_OK) {
        struct buf sql;
        buf_init(&sql, SQL_BYTES_MAX);
        buf_put_z(&sql, "DELETE FROM ");
        def_put_table(&sql, t->name, p->d->version);
        put_where(t, &where, 1, &sql);
        op->by_key = is_by_key(t, &where, op);
        e = finish_op(p, "delete", DEF_REMOVE, t, &sql, op);
        buf_deinit(&sql);
    }
    return e;
}

MUST_USE enum err def_parse_op(struct def_parser *p, const char *kind, const struct json *v,
                               const struct mapping_names *names, struct def_op *out)
{
    out->at = v;
    if (strcmp(kind, "update") == 0) {
        return parse_update(p, v, names, out);
    }
    if (strcmp(kind, "delete") == 0) {
        return parse_delete(p, v, names, out);
    }
    if (strcmp(kind, "sql") == 0) {
        return def_parse_own_sql(p, v, names, out);
    }
    return parse_insert(p, kind, v, names, out);
}

static const struct def_column *find_column(const struct def_table *t, struct str name)
{
    for (size_t i = 0; t != NULL && i < t->column_count; i++) {
        if (str_eq(t->columns[i].name, name)) {
            return &t->columns[i];
        }
    }
    return NULL;
}

/* DEF_TEXT: there is no such column, as the statement will say; or it is not known. */
static enum def_type type_of_column(const struct def_table *t, struct str name)
{
    const struct def_column *c = find_column(t, name);
    return c == NULL ? DEF_TEXT : c->type;
}

MUST_USE enum err def_parse_lookup(struct def_parser *p, const struct json *v,
                                   struct def_lookup *out)
{
    static const char *const members[] = {"from", "key", "columns", "required"};
    enum err e = mapping_check_members(&p->doc, v, "a lookup", members, ARRAY_LEN(members), p->ec);
    e = e != ERR_OK ? e : mapping_text(&p->doc, v, "from", true, &out->from, p->ec);
    e = e != ERR_OK ? e : def_check_name(p, json_get(v, "from"), "view", out->from);
    e = e != ERR_OK ? e
                    : mapping_texts(&p->doc, v, "columns", true, PROJ_COLUMNS_MAX, &p->d->arena,
                                    &out->columns, &out->column_count, p->ec);
    const struct json *key = json_get(v, "key");
    const struct json *required = json_get(v, "required");
    if (e == ERR_OK && (key == NULL || key->kind != JSON_OBJECT || key->count == 0 ||
                        key->count > PROJ_COLUMNS_MAX || out->column_count == 0)) {
        e = mapping_fail(&p->doc, v, 0, p->ec,
                         "a lookup needs 'key' (columns to values) and "
                         "'columns'");
    }
    if (e == ERR_OK && required != NULL && required->kind != JSON_BOOL) {
        e = mapping_fail(&p->doc, required, 0, p->ec, "'required' must be true or false");
    }
    if (e != ERR_OK) {
        return e;
    }
    out->required = required != NULL && required->boolean;
    out->key_columns = arena_new_n(&p->d->arena, struct str, key->count);
    out->key = arena_new_n(&p->d->arena, struct mapping_expr *, key->count);
    out->is_json = arena_new_n(&p->d->arena, bool, out->column_count);
    out->types = arena_new_n(&p->d->arena, enum def_type, out->column_count);
    out->key_types = arena_new_n(&p->d->arena, enum def_type, key->count);
    if (out->key_columns == NULL || out->key == NULL || out->is_json == NULL ||
        out->types == NULL || out->key_types == NULL) {
        return no_memory(p);
    }
    const struct def_table *own = def_table_find(p->d, out->from);
    out->own = own != NULL;
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    for (size_t i = 0; i < out->column_count && e == ERR_OK; i++) {
        e = def_check_name(p, json_get(v, "columns"), "column", out->columns[i]);
        out->types[i] = type_of_column(own, out->columns[i]);
        out->is_json[i] = out->types[i] == DEF_JSON;
        buf_put_z(&sql, i == 0 ? "SELECT " : ", ");
        def_put_name(&sql, out->columns[i]);
    }
    buf_put_z(&sql, " FROM ");
    if (out->own) {
        def_put_table(&sql, out->from, p->d->version);
    } else {
        def_put_name(&sql, out->from);
    }
    for (const struct json *m = key->first; m != NULL && e == ERR_OK; m = m->next) {
        size_t i = out->key_count;
        e = def_check_name(p, m, "column", m->name);
        e = e != ERR_OK ? e : def_check_comparable(p, m, find_column(own, m->name), "key");
        e = e != ERR_OK ? e : mapping_compile(&p->doc, m, NULL, &p->d->arena, &out->key[i], p->ec);
        buf_put_z(&sql, i == 0 ? " WHERE " : " AND ");
        def_put_name(&sql, m->name);
        buf_printf(&sql, " = $%zu", i + 1);
        out->key_columns[i] = m->name;
        out->key_types[i] = type_of_column(own, m->name);
        out->key_count++;
    }
    buf_put_z(&sql, " LIMIT 1");
    e = e != ERR_OK ? e : def_add_statement(p, v, &sql, &out->sql, &out->stmt);
    buf_deinit(&sql);
    return e;
}
