/*
 * What the parsers of expressions share: characters, nodes, the first failure and its place.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mapping/expr_int.h"

struct node *expr_fail(struct parser *p, size_t at, const char *fmt, ...)
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

struct node *expr_node(struct parser *p, enum node_kind kind, size_t from)
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

bool expr_is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
void expr_skip_space(struct parser *p)
{
    while (p->i < p->text.n && (p->text.p[p->i] == ' ' || p->text.p[p->i] == '\n' ||
                                p->text.p[p->i] == '\t' || p->text.p[p->i] == '\r')) {
        p->i++;
    }
}
char expr_peek(const struct parser *p, size_t ahead)
{
    return p->i + ahead < p->text.n ? p->text.p[p->i + ahead] : 0;
}
bool expr_take(struct parser *p, const char *z)
{
    size_t n = strlen(z);
    if (p->text.n - p->i < n || memcmp(p->text.p + p->i, z, n) != 0) {
        return false;
    }
    if (expr_is_word(z[0]) && expr_is_word(expr_peek(p, n))) {
        return false;
    }
    p->i += n;
    return true;
}
