/*
 * SQL of one's own: {table} becomes this version's table, :name becomes a numbered parameter. Text,
 * quoted names and comments are left as they are. One statement, and only one that changes rows.
 */
#include "proj/def.h"

#include <string.h>
#include <strings.h>

#include "core/compiler.h"

#define SQL_BYTES_MAX 65536u

struct rewriting {
    struct def_parser *p;
    const struct json *at, *bind;
    struct str sql;
    size_t i;
    struct buf out;
    struct str names[TARGET_PARAMS_MAX];
    size_t count;
    uint32_t tables; /* that it names, as bits */
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
/* What SQLite takes for a parameter behind '@', '#' and ':'. A database without them has operators
 * there, and tells for itself what it does not understand. */
static bool is_foreign_param(const struct rewriting *r, char c, char next)
{
    return (c == '@' || c == '#' || c == ':') && (is_word(next) || ((unsigned char)next & 0x80)) &&
           r->p->declared && r->p->d->driver == &target_sqlite;
}
static char at(const struct rewriting *r, size_t i)
{
    return i < r->sql.n ? r->sql.p[i] : 0;
}

/* Copies up to and with `end` (twice in a row: a part of the text). */
static void copy_quoted(struct rewriting *r, char end)
{
    do {
        buf_put_u8(&r->out, (uint8_t)at(r, r->i++));
        if (at(r, r->i) == end && at(r, r->i + 1) == end) {
            buf_put(&r->out, r->sql.p + r->i, 2);
            r->i += 2;
        }
    } while (r->i < r->sql.n && at(r, r->i) != end);
    if (r->i < r->sql.n) {
        buf_put_u8(&r->out, (uint8_t)at(r, r->i++));
    }
}

static void skip_comment(struct rewriting *r)
{
    bool line = at(r, r->i) == '-';
    r->i += 2;
    while (r->i < r->sql.n &&
           !(line ? at(r, r->i) == '\n' : at(r, r->i) == '*' && at(r, r->i + 1) == '/')) {
        r->i++;
    }
    r->i += line ? 0 : 2;
    r->i = r->i > r->sql.n ? r->sql.n : r->i;
    buf_put_u8(&r->out, ' ');
}

static struct str take_word(struct rewriting *r)
{
    size_t from = ++r->i;
    while (is_word(at(r, r->i))) {
        r->i++;
    }
    return str_make(r->sql.p + from, r->i - from);
}

static enum err put_param(struct rewriting *r)
{
    size_t from = r->i;
    struct str name = take_word(r);
    if (json_get_str(r->bind, name) == NULL) {
        return mapping_fail(&r->p->doc, r->at, from, r->p->ec, "':%.*s' is not in 'bind'",
                            (int)(name.n > 60 ? 60 : name.n), name.p);
    }
    size_t i = 0;
    while (i < r->count && !str_eq(r->names[i], name)) {
        i++;
    }
    if (i == r->count) {
        if (r->count == TARGET_PARAMS_MAX) {
            return mapping_fail(&r->p->doc, r->at, from, r->p->ec, "at most %u parameters",
                                TARGET_PARAMS_MAX);
        }
        r->names[r->count++] = name;
    }
    buf_printf(&r->out, "$%zu", i + 1);
    return ERR_OK;
}

static enum err put_own_table(struct rewriting *r)
{
    size_t from = r->i;
    struct str name = take_word(r);
    const struct def_table *t = def_table_find(r->p->d, name);
    if (t == NULL || at(r, r->i) != '}') {
        return mapping_fail(&r->p->doc, r->at, from, r->p->ec,
                            "'{%.*s}' is no table of this projection",
                            (int)(name.n > 60 ? 60 : name.n), name.p);
    }
    r->i++;
    r->tables |= 1u << (t - r->p->d->tables);
    def_put_table(&r->out, name, r->p->d->version);
    return ERR_OK;
}

static enum err rewrite(struct rewriting *r)
{
    enum err e = ERR_OK;
    while (r->i < r->sql.n && e == ERR_OK) {
        char c = at(r, r->i);
        char next = at(r, r->i + 1);
        if (c == '\'' || c == '"' || c == '`') {
            copy_quoted(r, c);
        } else if ((c == '-' && next == '-') || (c == '/' && next == '*')) {
            skip_comment(r);
        } else if (c == ':' && next == ':') { /* PostgreSQL's cast */
            buf_put_z(&r->out, "::");
            r->i += 2;
        } else if (c == ':' && is_word(next)) {
            e = put_param(r);
        } else if (c == '{') {
            e = put_own_table(r);
        } else if (c == '$' || c == '?' || c == ';' || is_foreign_param(r, c, next)) {
            return mapping_fail(&r->p->doc, r->at, r->i, r->p->ec,
                                c == ';' ? "one statement only: ';' ends it"
                                         : "'%c' is not allowed: parameters are written :name",
                                c);
        } else {
            buf_put_u8(&r->out, (uint8_t)c);
            r->i++;
        }
    }
    return e == ERR_OK && buf_failed(&r->out) && r->out.n < r->out.max / 2
               ? ectx_fail(r->p->ec, ERR_NO_MEMORY, "out of memory")
               : e;
}

static enum err check_kind(struct rewriting *r)
{
    static const char *const kinds[] = {"insert", "update", "delete", "replace", "with"};
    struct str text = str_trim(buf_str(&r->out));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t n = strlen(kinds[i]);
        if (text.n > n && strncasecmp(text.p, kinds[i], n) == 0 && !is_word(text.p[n])) {
            return ERR_OK;
        }
    }
    return mapping_fail(&r->p->doc, r->at, 0, r->p->ec,
                        "SQL of one's own is INSERT, UPDATE, DELETE, REPLACE or WITH ...");
}

static enum err take_binds(struct rewriting *r, const struct mapping_names *names,
                           struct def_op *op)
{
    struct def_parser *p = r->p;
    op->params = arena_new_n(&p->d->arena, struct mapping_expr *, r->count + 1);
    op->must = arena_new_n(&p->d->arena, bool, r->count + 1);
    if (op->params == NULL || op->must == NULL) {
        return ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
    }
    op->param_count = r->count;
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->count && e == ERR_OK; i++) {
        e = mapping_compile(&p->doc, json_get_str(r->bind, r->names[i]), names, &p->d->arena,
                            &op->params[i], p->ec);
    }
    for (const struct json *m = r->bind == NULL ? NULL : r->bind->first; m != NULL && e == ERR_OK;
         m = m->next) {
        bool used = false;
        for (size_t i = 0; i < r->count && !used; i++) {
            used = str_eq(r->names[i], m->name);
        }
        if (!used) {
            e = mapping_fail(&p->doc, m, 0, p->ec, "':%.*s' does not stand in the statement",
                             STR(m->name));
        }
    }
    return e;
}

MUST_USE enum err def_parse_own_sql(struct def_parser *p, const struct json *v,
                                    const struct mapping_names *names, struct def_op *op)
{
    static const char *const members[] = {"statement", "bind"};
    struct rewriting *r = arena_new(&p->d->arena, struct rewriting);
    if (r == NULL) {
        return ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
    }
    r->p = p;
    r->bind = json_get(v, "bind");
    r->at = json_get(v, "statement");
    enum err e = mapping_check_members(&p->doc, v, "sql", members, ARRAY_LEN(members), p->ec);
    e = e != ERR_OK ? e : mapping_text(&p->doc, v, "statement", true, &r->sql, p->ec);
    if (e == ERR_OK && r->bind != NULL && r->bind->kind != JSON_OBJECT) {
        e = mapping_fail(&p->doc, r->bind, 0, p->ec, "'bind' must be a mapping of names to values");
    }
    buf_init(&r->out, SQL_BYTES_MAX);
    e = e != ERR_OK ? e : rewrite(r);
    e = e != ERR_OK ? e : check_kind(r);
    e = e != ERR_OK ? e : take_binds(r, names, op);
    op->what = STR_LIT("sql");
    op->tables = r->tables;
    e = e != ERR_OK ? e : def_add_statement(p, r->at, &r->out, &op->sql, &op->stmt);
    buf_deinit(&r->out);
    return e;
}
