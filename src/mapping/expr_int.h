/* Parsing of expressions: what its files share. */
#ifndef LEAT_MAPPING_EXPR_INT_H
#define LEAT_MAPPING_EXPR_INT_H

#include "core/compiler.h"
#include "mapping/mapping_int.h"

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

/* parser.c */
/* The first failure is kept, with its place; returns NULL. */
PRINTF_LIKE(3, 4)
struct node *expr_fail(struct parser *p, size_t at, const char *fmt, ...);
/* Its source begins at `from` and ends here; NULL: no memory. */
struct node *expr_node(struct parser *p, enum node_kind kind, size_t from);
bool expr_is_word(char c);
void expr_skip_space(struct parser *p);
char expr_peek(const struct parser *p, size_t ahead); /* 0: behind the end */
/* Takes `z` if it stands here; a word must end there too. */
bool expr_take(struct parser *p, const char *z);

/* read.c: what is read of an event. Each stands at its first character. */
struct node *expr_pointer(struct parser *p); /* /data/... */
struct node *expr_item(struct parser *p);    /* @... */
struct node *expr_field(struct parser *p);   /* $... */

/* expr.c: everything that binds at least as strongly as `level`; 0: a whole expression. */
struct node *expr_parse(struct parser *p, int level);

/* template.c: the inside of '...', of `outer`'s document from column_add on. */
enum err expr_template(struct parser *outer, struct str text, size_t column_add, struct node **out);

#endif
