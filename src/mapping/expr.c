/*
 * Expressions: text to a tree. Recursive descent, one function for each level of binding:
 *
 *     or < and < not < comparison < ?? < + - < * / < unary - < value
 *
 * Everything lies in the document's arena. A message points at the character.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "mapping/mapping_int.h"

const char *const mapping_functions[FN_COUNT] = {"date",  "hour",   "month",  "lower",
                                                 "upper", "text",   "number", "int",
                                                 "round", "length", "exists"};

struct parser {
    const struct mapping_doc *doc;
    const struct json *at;
    size_t column_add;
    struct str text;
    size_t i;
    const struct mapping_names *names;
    struct arena *a;
    struct ectx *ec;
    unsigned depth;
    enum err err; /* the first failure */
};

static enum err compile_template_at(struct parser *p, struct str text, size_t column_add,
                                    struct node **out);
static struct node *parse_expr(struct parser *p, int level);

PRINTF_LIKE(3, 4)
static struct node *fail(struct parser *p, size_t at, const char *fmt, ...)
{
    if (p->err != ERR_OK) {
        return NULL;
    }
    char text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    p->err = mapping_fail(p->doc, p->at, p->column_add + at, p->ec, "%s", text);
    return NULL;
}

static struct node *new_node(struct parser *p, enum node_kind kind, size_t from)
{
    struct node *n = arena_new(p->a, struct node);
    if (n == NULL) {
        if (p->err == ERR_OK) {
            p->err = ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
        }
        return NULL;
    }
    n->kind = kind;
    n->source = str_make(p->text.p + from, p->i - from);
    return n;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
static void skip_space(struct parser *p)
{
    while (p->i < p->text.n && (p->text.p[p->i] == ' ' || p->text.p[p->i] == '\n' ||
                                p->text.p[p->i] == '\t' || p->text.p[p->i] == '\r')) {
        p->i++;
    }
}
static char peek(const struct parser *p, size_t ahead)
{
    return p->i + ahead < p->text.n ? p->text.p[p->i + ahead] : 0;
}
/* Takes `z` if it stands here; a word must end there too. */
static bool take(struct parser *p, const char *z)
{
    size_t n = strlen(z);
    if (p->text.n - p->i < n || memcmp(p->text.p + p->i, z, n) != 0) {
        return false;
    }
    if (is_word(z[0]) && is_word(peek(p, n))) {
        return false;
    }
    p->i += n;
    return true;
}

/* One part of a pointer, with ~0 and ~1 decoded. */
static bool decode_segment(struct parser *p, struct str raw, struct str *out)
{
    if (memchr(raw.p, '~', raw.n) == NULL) {
        *out = raw;
        return true;
    }
    char *text = arena_alloc(p->a, raw.n + 1);
    if (text == NULL) {
        p->err = ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '~') {
            i++;
            if (i == raw.n || (raw.p[i] != '0' && raw.p[i] != '1')) {
                fail(p, p->i, "'~' in a pointer must be followed by 0 or 1 (~0 is ~, ~1 is /)");
                return false;
            }
            text[n++] = raw.p[i] == '0' ? '~' : '/';
        } else {
            text[n++] = raw.p[i];
        }
    }
    *out = str_make(text, n);
    return true;
}

static bool ends_pointer(char c)
{
    return c == 0 || c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == ')' || c == ',' ||
           c == '}';
}

/* The segments of the pointer that begins here, with a slash. */
static bool take_segments(struct parser *p, struct str **out, size_t *count)
{
    struct str found[MAPPING_PARTS_MAX];
    size_t n = 0;
    while (peek(p, 0) == '/') {
        size_t from = ++p->i;
        while (peek(p, 0) != '/' && !ends_pointer(peek(p, 0))) {
            p->i++;
        }
        if (n == MAPPING_PARTS_MAX) {
            fail(p, from, "a pointer has at most %u parts", MAPPING_PARTS_MAX);
            return false;
        }
        if (!decode_segment(p, str_make(p->text.p + from, p->i - from), &found[n])) {
            return false;
        }
        n++;
    }
    struct str *list = arena_new_n(p->a, struct str, n == 0 ? 1 : n);
    if (list == NULL) {
        p->err = ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
        return false;
    }
    if (n > 0) {
        memcpy(list, found, n * sizeof(found[0]));
    }
    *out = list;
    *count = n;
    return true;
}

static struct node *parse_pointer(struct parser *p)
{
    static const char *const roots[] = {"data", "meta"};
    size_t from = p->i;
    struct str *segments = NULL;
    size_t count = 0;
    if (!take_segments(p, &segments, &count)) {
        return NULL;
    }
    bool meta = str_eq_z(segments[0], "meta");
    if (!meta && !str_eq_z(segments[0], "data")) {
        fail(p, from, "a pointer into an event begins with /data or /meta, not with '/%.*s'",
             (int)(segments[0].n > 60 ? 60 : segments[0].n), segments[0].p);
        const char *near = mapping_nearest(segments[0], roots, ARRAY_LEN(roots));
        if (p->ec != NULL) {
            ectx_hint(p->ec, "did you mean /%s%s%.*s?", near == NULL ? "data" : near,
                      near == NULL ? "/" : "", near == NULL ? (int)segments[0].n : 0,
                      segments[0].p);
        }
        return NULL;
    }
    struct node *n = new_node(p, meta ? NODE_META : NODE_DATA, from);
    if (n != NULL) {
        n->segments = segments + 1;
        n->segment_count = count - 1;
    }
    return n;
}

static struct node *parse_item(struct parser *p)
{
    size_t from = p->i++;
    if (p->names == NULL || !p->names->items) {
        return fail(p, from, "'@' is the element of `each`, and there is no `each` here");
    }
    if (take(p, "index")) {
        return new_node(p, NODE_ITEM_INDEX, from);
    }
    struct str *segments = NULL;
    size_t count = 0;
    if (!take_segments(p, &segments, &count)) {
        return NULL;
    }
    if (!ends_pointer(peek(p, 0))) {
        return fail(p, p->i, "after '@' a pointer (@/name) or 'index' was expected");
    }
    struct node *n = new_node(p, NODE_ITEM, from);
    if (n != NULL) {
        n->segments = segments;
        n->segment_count = count;
    }
    return n;
}

static struct node *parse_field(struct parser *p)
{
    size_t from = p->i++;
    while (is_word(peek(p, 0))) {
        p->i++;
    }
    struct str name = str_make(p->text.p + from + 1, p->i - from - 1);
    int field = mapping_field_index(name);
    if (field < 0) {
        size_t count;
        const char *const *fields = mapping_fields(&count);
        struct str full = str_make(p->text.p + from, p->i - from);
        fail(p, from, "'%.*s' is no field of an event", (int)(full.n > 60 ? 60 : full.n), full.p);
        const char *near = mapping_nearest(full, fields, count);
        if (p->ec != NULL && near != NULL) {
            ectx_hint(p->ec, "did you mean '%s'?", near);
        } else if (p->ec != NULL) {
            ectx_hint(p->ec, "fields are $id, $type, $time, $key, $stream, $revision, ...");
        }
        return NULL;
    }
    struct node *n = new_node(p, NODE_FIELD, from);
    if (n != NULL) {
        n->op = field;
    }
    return n;
}

static struct node *parse_number(struct parser *p)
{
    size_t from = p->i;
    p->i += peek(p, 0) == '-';
    while (is_word(peek(p, 0)) || peek(p, 0) == '.' ||
           ((peek(p, 0) == '-' || peek(p, 0) == '+') &&
            (p->text.p[p->i - 1] == 'e' || p->text.p[p->i - 1] == 'E'))) {
        p->i++;
    }
    struct str s = str_make(p->text.p + from, p->i - from);
    struct node *n = new_node(p, NODE_CONST, from);
    if (n == NULL) {
        return NULL;
    }
    if (str_to_i64(s, &n->constant.integer)) {
        n->constant.kind = MAPPING_INT;
    } else if (mapping_is_whole(s)) {
        return fail(p, from, "%.*s does not fit into 64 bits", (int)(s.n > 60 ? 60 : s.n), s.p);
    } else if (str_to_f64(s, &n->constant.real)) {
        n->constant.kind = MAPPING_REAL;
    } else {
        return fail(p, from, "'%.*s' is no number", (int)(s.n > 60 ? 60 : s.n), s.p);
    }
    return n;
}

static struct node *parse_text(struct parser *p)
{
    size_t from = p->i++;
    for (;;) {
        char c = peek(p, 0);
        if (c == 0 && p->i >= p->text.n) {
            return fail(p, from, "this text has no closing '");
        }
        p->i++;
        if (c == '\'') {
            if (peek(p, 0) != '\'') {
                break;
            }
            p->i++;
        }
    }
    struct node *out = NULL;
    enum err e = compile_template_at(p, str_make(p->text.p + from + 1, p->i - from - 2),
                                     p->column_add + from + 1, &out);
    if (e != ERR_OK && p->err == ERR_OK) {
        p->err = e;
    }
    return out;
}

static struct node *parse_call(struct parser *p, size_t from, struct str name)
{
    int function = -1;
    for (int i = 0; i < FN_COUNT; i++) {
        function = str_eq_z(name, mapping_functions[i]) ? i : function;
    }
    if (function < 0) {
        fail(p, from, "'%.*s' is no function", (int)(name.n > 60 ? 60 : name.n), name.p);
        const char *near = mapping_nearest(name, mapping_functions, FN_COUNT);
        if (p->ec != NULL) {
            ectx_hint(p->ec, near == NULL ? "%s" : "did you mean '%s'?",
                      near == NULL ? "functions are date, hour, month, lower, upper, text, number, "
                                     "int, round, length, exists"
                                   : near);
        }
        return NULL;
    }
    p->i++; /* ( */
    struct node *a = parse_expr(p, 0);
    struct node *b = NULL;
    skip_space(p);
    if (a != NULL && peek(p, 0) == ',') {
        p->i++;
        b = parse_expr(p, 0);
        skip_space(p);
    }
    if (p->err != ERR_OK) {
        return NULL;
    }
    if (peek(p, 0) != ')') {
        return fail(p, p->i, "')' was expected");
    }
    p->i++;
    if ((b != NULL) != (function == FN_ROUND)) {
        return fail(p, from, "%s takes %s", mapping_functions[function],
                    function == FN_ROUND ? "two values: round(x, digits)" : "one value");
    }
    struct node *n = new_node(p, NODE_CALL, from);
    if (n != NULL) {
        n->op = function;
        n->a = a;
        n->b = b;
    }
    return n;
}

static struct node *parse_column(struct parser *p, size_t from, struct str row)
{
    size_t column_from = ++p->i;
    while (is_word(peek(p, 0))) {
        p->i++;
    }
    struct str column = str_make(p->text.p + column_from, p->i - column_from);
    for (size_t r = 0; p->names != NULL && r < p->names->row_count; r++) {
        const struct mapping_row *known = &p->names->rows[r];
        if (!str_eq(known->name, row)) {
            continue;
        }
        bool found = known->count == 0;
        for (size_t c = 0; c < known->count && !found; c++) {
            found = str_eq(known->columns[c], column);
        }
        if (!found) {
            return fail(p, from, "'%.*s' has no column '%.*s'", STR(row), STR(column));
        }
        struct node *n = new_node(p, NODE_COLUMN, from);
        if (n != NULL) {
            n->row = r;
            n->row_column = column;
        }
        return n;
    }
    return fail(p, from, "'%.*s' is no lookup of this rule", (int)(row.n > 60 ? 60 : row.n), row.p);
}

static struct node *parse_word(struct parser *p)
{
    static const struct {
        const char *word;
        struct mapping_value value;
    } words[] = {{"true", {.kind = MAPPING_BOOL, .boolean = true}},
                 {"false", {.kind = MAPPING_BOOL}},
                 {"null", {.kind = MAPPING_NULL}}};
    size_t from = p->i;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (take(p, words[i].word)) {
            struct node *n = new_node(p, NODE_CONST, from);
            if (n != NULL) {
                n->constant = words[i].value;
            }
            return n;
        }
    }
    while (is_word(peek(p, 0))) {
        p->i++;
    }
    struct str word = str_make(p->text.p + from, p->i - from);
    if (word.n == 0) {
        return p->i >= p->text.n ? fail(p, p->i, "a value was expected here")
                                 : fail(p, p->i, "a value was expected, not '%c'", peek(p, 0));
    }
    if (peek(p, 0) == '(') {
        return parse_call(p, from, word);
    }
    if (peek(p, 0) == '.') {
        return parse_column(p, from, word);
    }
    fail(p, from,
         "'%.*s' is no value: expected a pointer (/data/x), a field ($id), a number, or "
         "'text'",
         (int)(word.n > 60 ? 60 : word.n), word.p);
    if (p->ec != NULL) {
        ectx_hint(p->ec, "for the text write \"'%.*s'\", with both kinds of quotes",
                  (int)(word.n > 60 ? 60 : word.n), word.p);
    }
    return NULL;
}

static struct node *parse_value(struct parser *p)
{
    skip_space(p);
    char c = peek(p, 0);
    size_t from = p->i;
    if (c == '/') {
        return parse_pointer(p);
    }
    if (c == '@') {
        return parse_item(p);
    }
    if (c == '$') {
        return parse_field(p);
    }
    if (c == '\'') {
        return parse_text(p);
    }
    const char digit = c == '-' ? peek(p, 1) : c;
    if (digit >= '0' && digit <= '9') {
        return parse_number(p);
    }
    if (c == '-') {
        if (p->depth >= MAPPING_EXPR_DEPTH_MAX) {
            return fail(p, p->i, "an expression nests at most %u deep", MAPPING_EXPR_DEPTH_MAX);
        }
        p->i++;
        p->depth++;
        struct node *a = parse_value(p);
        p->depth--;
        struct node *n = a == NULL ? NULL : new_node(p, NODE_NEGATE, from);
        if (n != NULL) {
            n->a = a;
        }
        return n;
    }
    if (c == '(') {
        p->i++;
        struct node *n = parse_expr(p, 0);
        skip_space(p);
        if (n != NULL && peek(p, 0) != ')') {
            return fail(p, p->i, "')' was expected");
        }
        p->i++;
        return n;
    }
    return parse_word(p);
}

/* The operators of each level, longest first. */
struct level {
    struct {
        const char *text;
        enum binary_op op;
    } of[6];
    size_t count;
};
static const struct level levels[] = {
    {{{"or", OP_OR}}, 1},
    {{{"and", OP_AND}}, 1},
    {{{"not", OP_OR}}, 0}, /* unary, see below */
    {{{"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE}, {">=", OP_GE}, {"<", OP_LT}, {">", OP_GT}}, 6},
    {{{"?\?", OP_ELSE}}, 1},
    {{{"+", OP_ADD}, {"-", OP_SUB}}, 2},
    {{{"*", OP_MUL}, {"/", OP_DIV}}, 2},
};
enum { LEVEL_NOT = 2, LEVEL_COMPARE = 3 };

static bool take_operator(struct parser *p, int level, enum binary_op *op)
{
    for (size_t i = 0; i < levels[level].count; i++) {
        if (take(p, levels[level].of[i].text)) {
            *op = levels[level].of[i].op;
            return true;
        }
    }
    return false;
}

static struct node *parse_level(struct parser *p, int level)
{
    if (level == (int)ARRAY_LEN(levels)) {
        return parse_value(p);
    }
    skip_space(p);
    size_t from = p->i;
    if (level == LEVEL_NOT && take(p, "not")) {
        struct node *a = parse_expr(p, LEVEL_NOT);
        struct node *n = a == NULL ? NULL : new_node(p, NODE_NOT, from);
        if (n != NULL) {
            n->a = a;
        }
        return n;
    }
    struct node *a = parse_expr(p, level + 1);
    enum binary_op op;
    unsigned operators = 0;
    while (a != NULL) {
        skip_space(p);
        size_t at = p->i;
        if (!take_operator(p, level, &op)) {
            break;
        }
        if (level == LEVEL_COMPARE && operators > 0) {
            return fail(p, at, "comparisons do not chain: join them by `and`");
        }
        if (++operators > MAPPING_PARTS_MAX) {
            return fail(p, at, "an expression has at most %u operators in a row",
                        MAPPING_PARTS_MAX);
        }
        struct node *b = parse_expr(p, level + 1);
        struct node *n = b == NULL ? NULL : new_node(p, NODE_BINARY, from);
        if (n == NULL) {
            return NULL;
        }
        n->op = (int)op;
        n->a = a;
        n->b = b;
        a = n;
    }
    return a;
}

static struct node *parse_expr(struct parser *p, int level)
{
    /* Each level below is one call deeper, so the depth counts whole expressions only. */
    if (level == 0 || level == LEVEL_NOT) {
        if (p->depth >= MAPPING_EXPR_DEPTH_MAX) {
            return fail(p, p->i, "an expression nests at most %u deep", MAPPING_EXPR_DEPTH_MAX);
        }
        p->depth++;
        struct node *n = parse_level(p, level);
        p->depth--;
        return n;
    }
    return parse_level(p, level);
}

/* ---- Templates */

static bool add_part(struct node ***last, struct node *n)
{
    if (n == NULL) {
        return false;
    }
    **last = n;
    *last = &n->next;
    return true;
}

/* Characters up to a brace or the end, with '' {{ }} undone; false: no memory. */
static bool take_characters(struct parser *p, struct node ***last)
{
    size_t from = p->i;
    char *text = arena_alloc(p->a, p->text.n - p->i + 1);
    if (text == NULL) {
        p->err = ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
        return false;
    }
    size_t n = 0;
    while (p->i < p->text.n) {
        char c = peek(p, 0);
        bool twice = peek(p, 1) == c;
        if (c == '{' && !twice) {
            break;
        }
        if (c == '}' && !twice) {
            fail(p, p->i, "a single '}': write }} for the character");
            return false;
        }
        p->i += (c == '{' || c == '}' || c == '\'') && twice ? 2 : 1;
        text[n++] = c;
    }
    struct node *part = new_node(p, NODE_CONST, from);
    if (part != NULL) {
        part->constant = (struct mapping_value){.kind = MAPPING_TEXT, .text = str_make(text, n)};
    }
    return add_part(last, part);
}

static struct node *parse_template(struct parser *p)
{
    struct node *first = NULL;
    struct node **last = &first;
    size_t parts = 0;
    do {
        if (++parts > MAPPING_PARTS_MAX) {
            return fail(p, p->i, "a text has at most %u parts", MAPPING_PARTS_MAX);
        }
        if (peek(p, 0) == '{' && peek(p, 1) != '{') {
            p->i++;
            struct node *n = parse_expr(p, 0);
            skip_space(p);
            if (n != NULL && peek(p, 0) != '}') {
                return fail(p, p->i, "'}' was expected");
            }
            p->i++;
            if (!add_part(&last, n)) {
                return NULL;
            }
        } else if (!take_characters(p, &last)) {
            return NULL;
        }
    } while (p->i < p->text.n);
    if (first->next == NULL && first->kind == NODE_CONST) {
        return first;
    }
    struct node *n = new_node(p, NODE_TEMPLATE, 0);
    if (n != NULL) {
        n->a = first;
    }
    return n;
}

static enum err compile_template_at(struct parser *outer, struct str text, size_t column_add,
                                    struct node **out)
{
    struct parser p = *outer;
    p.text = text;
    p.i = 0;
    p.column_add = column_add;
    p.depth = outer->depth + 1;
    if (p.depth >= MAPPING_EXPR_DEPTH_MAX) {
        fail(&p, 0, "an expression nests at most %u deep", MAPPING_EXPR_DEPTH_MAX);
        return p.err;
    }
    *out = parse_template(&p);
    return p.err;
}

/* ---- Compiling */

static enum err finish(struct parser *p, struct node *root, struct str text,
                       struct mapping_expr **out)
{
    if (p->err != ERR_OK) {
        return p->err;
    }
    struct mapping_expr *x = arena_new(p->a, struct mapping_expr);
    if (x == NULL) {
        return ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
    }
    x->root = root;
    x->source = text;
    *out = x;
    return ERR_OK;
}

MUST_USE enum err mapping_compile_text(const struct mapping_doc *doc, const struct json *at,
                                       size_t column_add, struct str text,
                                       const struct mapping_names *names, struct arena *a,
                                       struct mapping_expr **out, struct ectx *ec)
{
    if (text.n > MAPPING_EXPR_BYTES_MAX) {
        return mapping_fail(doc, at, column_add, ec, "an expression has at most %u bytes",
                            MAPPING_EXPR_BYTES_MAX);
    }
    struct parser p = {.doc = doc,
                       .at = at,
                       .column_add = column_add,
                       .text = text,
                       .names = names,
                       .a = a,
                       .ec = ec};
    struct node *root = parse_expr(&p, 0);
    if (p.err == ERR_OK) {
        skip_space(&p);
        if (p.i < text.n) {
            size_t left = text.n - p.i;
            fail(&p, p.i, "'%.*s' was not expected here", (int)(left > 60 ? 60 : left),
                 text.p + p.i);
            if (ec != NULL) {
                ectx_hint(ec, "operators stand between spaces: a * b");
            }
        }
    }
    return finish(&p, root, text, out);
}

MUST_USE enum err mapping_compile_template(const struct mapping_doc *doc, const struct json *at,
                                           size_t column_add, struct str text,
                                           const struct mapping_names *names, struct arena *a,
                                           struct mapping_expr **out, struct ectx *ec)
{
    struct parser p = {.doc = doc, .at = at, .names = names, .a = a, .ec = ec};
    if (text.n > MAPPING_EXPR_BYTES_MAX) {
        return mapping_fail(doc, at, column_add, ec, "an expression has at most %u bytes",
                            MAPPING_EXPR_BYTES_MAX);
    }
    struct node *root = NULL;
    p.err = compile_template_at(&p, text, column_add, &root);
    return finish(&p, root, text, out);
}

MUST_USE enum err mapping_compile(const struct mapping_doc *doc, const struct json *v,
                                  const struct mapping_names *names, struct arena *a,
                                  struct mapping_expr **out, struct ectx *ec)
{
    if (v == NULL) {
        return mapping_fail(doc, v, 0, ec, "a value is missing");
    }
    if (v->kind == JSON_STRING) {
        return mapping_compile_text(doc, v, 0, v->string, names, a, out, ec);
    }
    if (v->kind == JSON_ARRAY || v->kind == JSON_OBJECT) {
        return mapping_fail(doc, v, 0, ec,
                            "a value must be a number, true, false, null or an expression");
    }
    struct parser p = {.doc = doc, .at = v, .text = v->raw, .a = a, .ec = ec};
    struct node *n = new_node(&p, NODE_CONST, 0);
    if (n != NULL && mapping_value_of_json(v, &n->constant, ec) != ERR_OK) {
        return mapping_fail(doc, v, 0, ec, "%.*s does not fit into 64 bits",
                            (int)(v->raw.n > 60 ? 60 : v->raw.n), v->raw.p);
    }
    return finish(&p, n, v->raw, out);
}

MUST_USE enum err mapping_compile_each(const struct mapping_doc *doc, const struct json *v,
                                       struct arena *a, struct mapping_expr **out, struct ectx *ec)
{
    enum err e = mapping_compile(doc, v, NULL, a, out, ec);
    if (e == ERR_OK && (*out)->root->kind != NODE_DATA && (*out)->root->kind != NODE_META) {
        return mapping_fail(doc, v, 0, ec, "`each` must be a pointer to an array (/data/items)");
    }
    return e;
}

struct str mapping_source(const struct mapping_expr *x)
{
    return x->source;
}
