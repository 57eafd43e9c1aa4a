/*
 * Templates: characters with {expressions} between them, in texts and in segments of paths.
 */
#include "mapping/expr_int.h"

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
        char c = expr_peek(p, 0);
        bool twice = expr_peek(p, 1) == c;
        if (c == '{' && !twice) {
            break;
        }
        if (c == '}' && !twice) {
            expr_fail(p, p->i, "a single '}': write }} for the character");
            return false;
        }
        p->i += (c == '{' || c == '}' || c == '\'') && twice ? 2 : 1;
        text[n++] = c;
    }
    struct node *part = expr_node(p, NODE_CONST, from);
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
            return expr_fail(p, p->i, "a text has at most %u parts", MAPPING_PARTS_MAX);
        }
        if (expr_peek(p, 0) == '{' && expr_peek(p, 1) != '{') {
            p->i++;
            struct node *n = expr_parse(p, 0);
            expr_skip_space(p);
            if (n != NULL && expr_peek(p, 0) != '}') {
                return expr_fail(p, p->i, "'}' was expected");
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
    struct node *n = expr_node(p, NODE_TEMPLATE, 0);
    if (n != NULL) {
        n->a = first;
    }
    return n;
}

enum err expr_template(struct parser *outer, struct str text, size_t column_add, struct node **out)
{
    struct parser p = *outer;
    p.text = text;
    p.i = 0;
    p.column_add = column_add;
    p.depth = outer->depth + 1;
    if (p.depth >= MAPPING_EXPR_DEPTH_MAX) {
        expr_fail(&p, 0, "an expression nests at most %u deep", MAPPING_EXPR_DEPTH_MAX);
        return p.err;
    }
    *out = parse_template(&p);
    return p.err;
}
