/*
 * A value of a definition (an expression, a template, a constant) as something to be evaluated.
 */
#include "mapping/expr_int.h"

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
    struct node *root = expr_parse(&p, 0);
    if (p.err == ERR_OK) {
        expr_skip_space(&p);
        if (p.i < text.n) {
            size_t left = text.n - p.i;
            expr_fail(&p, p.i, "'%.*s' was not expected here", (int)(left > 60 ? 60 : left),
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
    p.err = expr_template(&p, text, column_add, &root);
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
    struct node *n = expr_node(&p, NODE_CONST, 0);
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
