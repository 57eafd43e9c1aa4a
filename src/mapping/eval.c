/*
 * Expressions: tree to value, for one event. Allocates only for texts that are made (templates,
 * functions, $time). A failure names the part that failed.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "mapping/mapping_int.h"

static enum err eval(const struct node *n, const struct mapping_scope *s, struct mapping_value *out,
                     struct ectx *ec);

static int cut(struct str s)
{
    return (int)(s.n > 80 ? 80 : s.n);
}
static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for the values of one event");
}
static bool is_number(const struct mapping_value *v)
{
    return v->kind == MAPPING_INT || v->kind == MAPPING_REAL;
}
static double as_real(const struct mapping_value *v)
{
    return v->kind == MAPPING_INT ? (double)v->integer : v->real;
}

MUST_USE enum err mapping_need_number(const struct node *n, const struct mapping_value *v,
                                      struct ectx *ec)
{
    if (is_number(v)) {
        return ERR_OK;
    }
    if (v->kind == MAPPING_NULL) {
        return ectx_fail(ec, ERR_MALFORMED, "%.*s is not there, and a number is needed",
                         cut(n->source), n->source.p);
    }
    return ectx_fail(ec, ERR_MALFORMED, "%.*s is %s, and a number is needed", cut(n->source),
                     n->source.p, mapping_kind_name(v->kind));
}

static enum err arithmetic(const struct node *n, struct mapping_value *a,
                           const struct mapping_value *b, struct ectx *ec)
{
    enum err e = mapping_need_number(n->a, a, ec);
    e = e != ERR_OK ? e : mapping_need_number(n->b, b, ec);
    if (e != ERR_OK) {
        return e;
    }
    bool whole = a->kind == MAPPING_INT && b->kind == MAPPING_INT;
    if (n->op == OP_DIV) {
        if (!(as_real(b) < 0) && !(as_real(b) > 0)) {
            return ectx_fail(ec, ERR_MALFORMED, "%.*s divides by zero", cut(n->source),
                             n->source.p);
        }
        /* Whole numbers that divide evenly stay whole; the least by -1 does not fit, and would
         * trap.
         */
        whole = whole && (b->integer == -1 || a->integer % b->integer == 0);
    }
    if (!whole) {
        double x = as_real(a);
        double y = as_real(b);
        double r = n->op == OP_ADD   ? x + y
                   : n->op == OP_SUB ? x - y
                   : n->op == OP_MUL ? x * y
                                     : x / y;
        if (!isfinite(r)) {
            return ectx_fail(ec, ERR_MALFORMED, "%.*s is too large", cut(n->source), n->source.p);
        }
        *a = (struct mapping_value){.kind = MAPPING_REAL, .real = r};
        return ERR_OK;
    }
    int64_t r = 0;
    bool over = n->op == OP_ADD    ? __builtin_add_overflow(a->integer, b->integer, &r)
                : n->op == OP_SUB  ? __builtin_sub_overflow(a->integer, b->integer, &r)
                : n->op == OP_MUL  ? __builtin_mul_overflow(a->integer, b->integer, &r)
                : b->integer == -1 ? __builtin_sub_overflow(0, a->integer, &r)
                                   : (r = a->integer / b->integer, false);
    if (over) {
        return ectx_fail(ec, ERR_MALFORMED, "%.*s does not fit into 64 bits", cut(n->source),
                         n->source.p);
    }
    *a = (struct mapping_value){.kind = MAPPING_INT, .integer = r};
    return ERR_OK;
}

/* A whole number against a real, exactly: beyond 2^53 not every whole number is a double. */
static int order_mixed(int64_t a, double b)
{
    if (b >= MAPPING_WHOLE_END || b < -MAPPING_WHOLE_END) {
        return b < 0 ? 1 : -1;
    }
    const int64_t below = (int64_t)floor(b);
    if (a != below) {
        return a > below ? 1 : -1;
    }
    return b > floor(b) ? -1 : 0;
}

/* -1, 0, 1; false: values of these kinds have no order (they are then unequal). */
static bool order(const struct mapping_value *a, const struct mapping_value *b, int *out)
{
    if (a->kind == MAPPING_INT && b->kind == MAPPING_INT) {
        *out = (a->integer > b->integer) - (a->integer < b->integer);
        return true;
    }
    if (a->kind == MAPPING_INT && is_number(b)) {
        *out = order_mixed(a->integer, b->real);
        return true;
    }
    if (is_number(a) && b->kind == MAPPING_INT) {
        *out = -order_mixed(b->integer, a->real);
        return true;
    }
    if (is_number(a) && is_number(b)) {
        *out = (a->real > b->real) - (a->real < b->real);
        return true;
    }
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind == MAPPING_TEXT || a->kind == MAPPING_JSON) {
        int c = str_cmp(a->text, b->text);
        *out = (c > 0) - (c < 0);
        return true;
    }
    *out = a->kind == MAPPING_BOOL ? (int)a->boolean - (int)b->boolean : 0;
    return true;
}

static enum err compare(const struct node *n, struct mapping_value *a,
                        const struct mapping_value *b, struct ectx *ec)
{
    int c = 0;
    bool ordered = order(a, b, &c);
    bool r;
    if (n->op == OP_EQ || n->op == OP_NE) {
        r = (ordered && c == 0) == (n->op == OP_EQ);
    } else if (a->kind == MAPPING_NULL || b->kind == MAPPING_NULL) {
        r = false; /* nothing is above or below what is absent */
    } else if (!ordered) {
        return ectx_fail(ec, ERR_MALFORMED, "%.*s compares %s with %s", cut(n->source), n->source.p,
                         mapping_kind_name(a->kind), mapping_kind_name(b->kind));
    } else {
        r = n->op == OP_LT ? c < 0 : n->op == OP_LE ? c <= 0 : n->op == OP_GT ? c > 0 : c >= 0;
    }
    *a = (struct mapping_value){.kind = MAPPING_BOOL, .boolean = r};
    return ERR_OK;
}

static enum err truth(const struct node *n, const struct mapping_value *v, bool *out,
                      struct ectx *ec)
{
    if (v->kind == MAPPING_BOOL || v->kind == MAPPING_NULL) {
        *out = v->kind == MAPPING_BOOL && v->boolean;
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_MALFORMED, "%.*s is %s, and true or false is needed", cut(n->source),
                     n->source.p, mapping_kind_name(v->kind));
}

static enum err eval_logic(const struct node *n, const struct mapping_scope *s,
                           struct mapping_value *out, struct ectx *ec)
{
    struct mapping_value v;
    bool yes = false;
    enum err e = eval(n->a, s, &v, ec);
    e = e != ERR_OK ? e : truth(n->a, &v, &yes, ec);
    if (e == ERR_OK && yes == (n->op == OP_AND)) {
        e = eval(n->b, s, &v, ec);
        e = e != ERR_OK ? e : truth(n->b, &v, &yes, ec);
    }
    *out = (struct mapping_value){.kind = MAPPING_BOOL, .boolean = yes};
    return e;
}

static enum err eval_binary(const struct node *n, const struct mapping_scope *s,
                            struct mapping_value *out, struct ectx *ec)
{
    if (n->op == OP_OR || n->op == OP_AND) {
        return eval_logic(n, s, out, ec);
    }
    enum err e = eval(n->a, s, out, ec);
    if (e != ERR_OK || (n->op == OP_ELSE && out->kind != MAPPING_NULL)) {
        return e;
    }
    struct mapping_value b;
    e = eval(n->b, s, &b, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (n->op == OP_ELSE) {
        *out = b;
        return ERR_OK;
    }
    return n->op >= OP_ADD ? arithmetic(n, out, &b, ec) : compare(n, out, &b, ec);
}

const struct json *mapping_json_of(const struct node *n, const struct mapping_scope *s)
{
    const struct json *root = n->kind == NODE_DATA   ? s->event->data
                              : n->kind == NODE_META ? s->event->meta
                              : n->kind == NODE_ITEM ? s->item
                                                     : NULL;
    return mapping_walk(root, n->segments, n->segment_count);
}

static enum err eval_call(const struct node *n, const struct mapping_scope *s,
                          struct mapping_value *out, struct ectx *ec)
{
    struct mapping_value second = {.kind = MAPPING_NULL};
    enum err e = eval(n->a, s, out, ec);
    if (e == ERR_OK && n->b != NULL && out->kind != MAPPING_NULL) {
        e = eval(n->b, s, &second, ec);
    }
    return e == ERR_OK ? mapping_call(n, s, &second, out, ec) : e;
}

static enum err eval_template(const struct node *n, const struct mapping_scope *s,
                              struct mapping_value *out, struct ectx *ec)
{
    struct str parts[MAPPING_PARTS_MAX];
    size_t count = 0;
    size_t bytes = 0;
    for (const struct node *part = n->a; part != NULL; part = part->next) {
        struct mapping_value v;
        enum err e = eval(part, s, &v, ec);
        if (e != ERR_OK) {
            return e;
        }
        if (v.kind == MAPPING_NULL) {
            /* A key with a hole in it would be somebody else's key. */
            return ectx_fail(ec, ERR_MALFORMED, "%.*s is not there, and it is a part of a text",
                             cut(part->source), part->source.p);
        }
        if (!mapping_value_text(&v, s->arena, &parts[count])) {
            return no_memory(ec);
        }
        bytes += parts[count++].n;
    }
    char *text = arena_alloc(s->arena, bytes + 1);
    if (text == NULL) {
        return no_memory(ec);
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n > 0) {
            memcpy(text + at, parts[i].p, parts[i].n);
        }
        at += parts[i].n;
    }
    *out = (struct mapping_value){.kind = MAPPING_TEXT, .text = str_make(text, bytes)};
    return ERR_OK;
}

static struct mapping_value column_value(const struct node *n, const struct mapping_scope *s)
{
    struct mapping_value none = {.kind = MAPPING_NULL};
    if (n->row >= s->row_count) {
        return none;
    }
    const struct mapping_row *row = &s->rows[n->row];
    for (size_t i = 0; i < row->count; i++) {
        if (str_eq(row->columns[i], n->row_column)) {
            return row->values[i];
        }
    }
    return none;
}

static enum err eval_unary(const struct node *n, const struct mapping_scope *s,
                           struct mapping_value *out, struct ectx *ec)
{
    enum err e = eval(n->a, s, out, ec);
    bool yes = false;
    if (e == ERR_OK && n->kind == NODE_NOT) {
        e = truth(n->a, out, &yes, ec);
        *out = (struct mapping_value){.kind = MAPPING_BOOL, .boolean = !yes};
        return e;
    }
    e = e != ERR_OK ? e : mapping_need_number(n->a, out, ec);
    if (e == ERR_OK && out->kind == MAPPING_REAL) {
        out->real = -out->real;
    } else if (e == ERR_OK && __builtin_sub_overflow(0, out->integer, &out->integer)) {
        e = ectx_fail(ec, ERR_MALFORMED, "%.*s does not fit into 64 bits", cut(n->source),
                      n->source.p);
    }
    return e;
}

static enum err eval(const struct node *n, const struct mapping_scope *s, struct mapping_value *out,
                     struct ectx *ec)
{
    switch (n->kind) {
    case NODE_CONST:
        *out = n->constant;
        return ERR_OK;
    case NODE_DATA:
    case NODE_META:
    case NODE_ITEM: {
        enum err e = mapping_value_of_json(mapping_json_of(n, s), out, ec);
        return e == ERR_OK ? e : ectx_wrap(ec, e, "%.*s", cut(n->source), n->source.p);
    }
    case NODE_ITEM_INDEX:
        *out = (struct mapping_value){.kind = MAPPING_INT, .integer = (int64_t)s->item_index};
        return ERR_OK;
    case NODE_FIELD:
        *out = mapping_field_value(s, n->op);
        return ERR_OK;
    case NODE_COLUMN:
        *out = column_value(n, s);
        return ERR_OK;
    case NODE_TEMPLATE:
        return eval_template(n, s, out, ec);
    case NODE_NOT:
    case NODE_NEGATE:
        return eval_unary(n, s, out, ec);
    case NODE_BINARY:
        return eval_binary(n, s, out, ec);
    case NODE_CALL:
        return eval_call(n, s, out, ec);
    }
    return ERR_OK;
}

MUST_USE enum err mapping_eval(const struct mapping_expr *x, const struct mapping_scope *scope,
                               struct mapping_value *out, struct ectx *ec)
{
    struct mapping_value v;
    enum err e = eval(x->root, scope, &v, ec);
    if (e == ERR_OK) {
        *out = v;
    }
    return e;
}

MUST_USE enum err mapping_test(const struct mapping_expr *x, const struct mapping_scope *scope,
                               bool *out, struct ectx *ec)
{
    if (x == NULL) {
        *out = true;
        return ERR_OK;
    }
    struct mapping_value v;
    enum err e = eval(x->root, scope, &v, ec);
    return e != ERR_OK ? e : truth(x->root, &v, out, ec);
}

MUST_USE enum err mapping_each(const struct mapping_expr *x, const struct mapping_scope *scope,
                               const struct json **first, size_t *count, struct ectx *ec)
{
    const struct json *v = mapping_json_of(x->root, scope);
    *first = NULL;
    *count = 0;
    if (v == NULL || v->kind == JSON_NULL) {
        return ERR_OK;
    }
    if (v->kind != JSON_ARRAY) {
        return ectx_fail(ec, ERR_MALFORMED, "%.*s is no array, and `each` needs one",
                         cut(x->source), x->source.p);
    }
    if (v->count > MAPPING_EACH_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, "%.*s has %u elements; at most %u are allowed",
                         cut(x->source), x->source.p, v->count, MAPPING_EACH_MAX);
    }
    *first = v->first;
    *count = v->count;
    return ERR_OK;
}
