/*
 * Expressions: text to a tree. Recursive descent, one function for each level of binding:
 *
 *     or < and < not < comparison < ?? < + - < * / < unary - < value
 *
 * Everything lies in the document's arena. A message points at the character.
 */
#include <string.h>

#include "mapping/expr_int.h"

const char *const mapping_functions[FN_COUNT] = {"date",  "hour",   "month",  "lower",
                                                 "upper", "text",   "number", "int",
                                                 "round", "length", "exists"};

static struct node *parse_number(struct parser *p)
{
    size_t from = p->i;
    p->i += expr_peek(p, 0) == '-';
    while (expr_is_word(expr_peek(p, 0)) || expr_peek(p, 0) == '.' ||
           ((expr_peek(p, 0) == '-' || expr_peek(p, 0) == '+') &&
            (p->text.p[p->i - 1] == 'e' || p->text.p[p->i - 1] == 'E'))) {
        p->i++;
    }
    struct str s = str_make(p->text.p + from, p->i - from);
    struct node *n = expr_node(p, NODE_CONST, from);
    if (n == NULL) {
        return NULL;
    }
    if (str_to_i64(s, &n->constant.integer)) {
        n->constant.kind = MAPPING_INT;
    } else if (mapping_is_whole(s)) {
        return expr_fail(p, from, "%.*s does not fit into 64 bits", (int)(s.n > 60 ? 60 : s.n),
                         s.p);
    } else if (str_to_f64(s, &n->constant.real)) {
        n->constant.kind = MAPPING_REAL;
    } else {
        return expr_fail(p, from, "'%.*s' is no number", (int)(s.n > 60 ? 60 : s.n), s.p);
    }
    return n;
}

static struct node *parse_text(struct parser *p)
{
    size_t from = p->i++;
    for (;;) {
        char c = expr_peek(p, 0);
        if (c == 0 && p->i >= p->text.n) {
            return expr_fail(p, from, "this text has no closing '");
        }
        p->i++;
        if (c == '\'') {
            if (expr_peek(p, 0) != '\'') {
                break;
            }
            p->i++;
        }
    }
    struct node *out = NULL;
    enum err e = expr_template(p, str_make(p->text.p + from + 1, p->i - from - 2),
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
        expr_fail(p, from, "'%.*s' is no function", (int)(name.n > 60 ? 60 : name.n), name.p);
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
    struct node *a = expr_parse(p, 0);
    struct node *b = NULL;
    expr_skip_space(p);
    if (a != NULL && expr_peek(p, 0) == ',') {
        p->i++;
        b = expr_parse(p, 0);
        expr_skip_space(p);
    }
    if (p->err != ERR_OK) {
        return NULL;
    }
    if (expr_peek(p, 0) != ')') {
        return expr_fail(p, p->i, "')' was expected");
    }
    p->i++;
    if ((b != NULL) != (function == FN_ROUND)) {
        return expr_fail(p, from, "%s takes %s", mapping_functions[function],
                         function == FN_ROUND ? "two values: round(x, digits)" : "one value");
    }
    struct node *n = expr_node(p, NODE_CALL, from);
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
    while (expr_is_word(expr_peek(p, 0))) {
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
            return expr_fail(p, from, "'%.*s' has no column '%.*s'", STR(row), STR(column));
        }
        struct node *n = expr_node(p, NODE_COLUMN, from);
        if (n != NULL) {
            n->row = r;
            n->row_column = column;
        }
        return n;
    }
    return expr_fail(p, from, "'%.*s' is no lookup of this rule", (int)(row.n > 60 ? 60 : row.n),
                     row.p);
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
        if (expr_take(p, words[i].word)) {
            struct node *n = expr_node(p, NODE_CONST, from);
            if (n != NULL) {
                n->constant = words[i].value;
            }
            return n;
        }
    }
    while (expr_is_word(expr_peek(p, 0))) {
        p->i++;
    }
    struct str word = str_make(p->text.p + from, p->i - from);
    if (word.n == 0) {
        return p->i >= p->text.n
                   ? expr_fail(p, p->i, "a value was expected here")
                   : expr_fail(p, p->i, "a value was expected, not '%c'", expr_peek(p, 0));
    }
    if (expr_peek(p, 0) == '(') {
        return parse_call(p, from, word);
    }
    if (expr_peek(p, 0) == '.') {
        return parse_column(p, from, word);
    }
    expr_fail(p, from,
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
    expr_skip_space(p);
    char c = expr_peek(p, 0);
    size_t from = p->i;
    if (c == '/') {
        return expr_pointer(p);
    }
    if (c == '@') {
        return expr_item(p);
    }
    if (c == '$') {
        return expr_field(p);
    }
    if (c == '\'') {
        return parse_text(p);
    }
    const char digit = c == '-' ? expr_peek(p, 1) : c;
    if (digit >= '0' && digit <= '9') {
        return parse_number(p);
    }
    if (c == '-') {
        if (p->depth >= MAPPING_EXPR_DEPTH_MAX) {
            return expr_fail(p, p->i, "an expression nests at most %u deep",
                             MAPPING_EXPR_DEPTH_MAX);
        }
        p->i++;
        p->depth++;
        struct node *a = parse_value(p);
        p->depth--;
        struct node *n = a == NULL ? NULL : expr_node(p, NODE_NEGATE, from);
        if (n != NULL) {
            n->a = a;
        }
        return n;
    }
    if (c == '(') {
        p->i++;
        struct node *n = expr_parse(p, 0);
        expr_skip_space(p);
        if (n != NULL && expr_peek(p, 0) != ')') {
            return expr_fail(p, p->i, "')' was expected");
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
        if (expr_take(p, levels[level].of[i].text)) {
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
    expr_skip_space(p);
    size_t from = p->i;
    if (level == LEVEL_NOT && expr_take(p, "not")) {
        struct node *a = expr_parse(p, LEVEL_NOT);
        struct node *n = a == NULL ? NULL : expr_node(p, NODE_NOT, from);
        if (n != NULL) {
            n->a = a;
        }
        return n;
    }
    struct node *a = expr_parse(p, level + 1);
    enum binary_op op;
    unsigned operators = 0;
    while (a != NULL) {
        expr_skip_space(p);
        size_t at = p->i;
        if (!take_operator(p, level, &op)) {
            break;
        }
        if (level == LEVEL_COMPARE && operators > 0) {
            return expr_fail(p, at, "comparisons do not chain: join them by `and`");
        }
        if (++operators > MAPPING_PARTS_MAX) {
            return expr_fail(p, at, "an expression has at most %u operators in a row",
                             MAPPING_PARTS_MAX);
        }
        struct node *b = expr_parse(p, level + 1);
        struct node *n = b == NULL ? NULL : expr_node(p, NODE_BINARY, from);
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

struct node *expr_parse(struct parser *p, int level)
{
    /* Each level below is one call deeper, so the depth counts whole expressions only. */
    if (level == 0 || level == LEVEL_NOT) {
        if (p->depth >= MAPPING_EXPR_DEPTH_MAX) {
            return expr_fail(p, p->i, "an expression nests at most %u deep",
                             MAPPING_EXPR_DEPTH_MAX);
        }
        p->depth++;
        struct node *n = parse_level(p, level);
        p->depth--;
        return n;
    }
    return parse_level(p, level);
}
