/* Shared by the files of this room: the tree of an expression, rules, places in a state. */
#ifndef LEAT_MAPPING_MAPPING_INT_H
#define LEAT_MAPPING_MAPPING_INT_H

#include "mapping/mapping.h"

#define MAPPING_PARTS_MAX 64u /* of a pointer or a template */

enum node_kind {
    NODE_CONST,
    NODE_DATA,       /* segments below /data */
    NODE_META,       /* segments below /meta */
    NODE_ITEM,       /* segments below @ */
    NODE_ITEM_INDEX, /* @index */
    NODE_FIELD,      /* field */
    NODE_COLUMN,     /* row.column */
    NODE_TEMPLATE,   /* a list of nodes, linked by next */
    NODE_NOT,
    NODE_NEGATE,
    NODE_BINARY, /* op, a, b */
    NODE_CALL,   /* op (an index into the functions), arguments in a and b */
};
enum binary_op {
    OP_OR,
    OP_AND,
    OP_EQ,
    OP_NE,
    OP_LE,
    OP_GE,
    OP_LT,
    OP_GT,
    OP_ELSE, /* ?? */
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
};
enum function {
    FN_DATE,
    FN_HOUR,
    FN_MONTH,
    FN_LOWER,
    FN_UPPER,
    FN_TEXT,
    FN_NUMBER,
    FN_INT,
    FN_ROUND,
    FN_LENGTH,
    FN_EXISTS,
    FN_COUNT
};
extern const char *const mapping_functions[FN_COUNT];
/* The index of a field ("id", without the $), or -1. */
int mapping_field_index(struct str name);
struct mapping_value mapping_field_value(const struct mapping_scope *s, int field);

struct node {
    enum node_kind kind;
    int op; /* binary_op, function, field */
    struct node *a, *b, *next;
    struct str source; /* for messages */
    struct mapping_value constant;
    const struct str *segments;
    size_t segment_count;
    size_t row;            /* NODE_COLUMN: index into the scope's rows */
    struct str row_column; /* and the column's name */
};
struct mapping_expr {
    struct node *root;
    struct str source;
};

/* The text of one expression that may be a part of a longer one (a template in a path): compiled
 * for `at` + `column_add` of the document. */
MUST_USE enum err mapping_compile_text(const struct mapping_doc *doc, const struct json *at,
                                       size_t column_add, struct str text,
                                       const struct mapping_names *names, struct arena *a,
                                       struct mapping_expr **out, struct ectx *ec);
/* The inside of '...' or of a path's segment: characters and {expressions}. */
MUST_USE enum err mapping_compile_template(const struct mapping_doc *doc, const struct json *at,
                                           size_t column_add, struct str text,
                                           const struct mapping_names *names, struct arena *a,
                                           struct mapping_expr **out, struct ectx *ec);

uint64_t mapping_hash_text(uint64_t hash, struct str s);

/* Values. */
/* What follows `segments` below v; NULL: nothing there. */
const struct json *mapping_walk(const struct json *v, const struct str *segments, size_t count);
const char *mapping_kind_name(enum mapping_kind k);
#define MAPPING_WHOLE_END 0x1p63 /* the first double above every whole number */
/* The JSON that a pointer shows; NULL for anything else. */
const struct json *mapping_json_of(const struct node *n, const struct mapping_scope *s);
MUST_USE enum err mapping_need_number(const struct node *n, const struct mapping_value *v,
                                      struct ectx *ec);
/* A function (NODE_CALL) of the value in *out and, if it has two, `second`. */
MUST_USE enum err mapping_call(const struct node *n, const struct mapping_scope *s,
                               const struct mapping_value *second, struct mapping_value *out,
                               struct ectx *ec);
/* -?digits: a number that must stay whole. */
bool mapping_is_whole(struct str s);

/* ---- Places in a state, and what is done there (folds, upcasts) */

struct path_segment {
    struct str name;           /* decoded */
    struct mapping_expr *made; /* not NULL: made by a template */
};
struct mapping_path {
    struct path_segment *segments;
    size_t count;
    struct str source;
};
MUST_USE enum err mapping_path_compile(const struct mapping_doc *doc, const struct json *at,
                                       struct str text, const struct mapping_names *names,
                                       struct arena *a, struct mapping_path *out, struct ectx *ec);

enum assign_kind { ASSIGN_SET, ASSIGN_DEFAULT, ASSIGN_INCREMENT, ASSIGN_APPEND, ASSIGN_REMOVE };
struct mapping_assign {
    enum assign_kind kind;
    struct mapping_path path;
    struct mapping_expr *value; /* NULL: ASSIGN_REMOVE */
};
struct mapping_assigns {
    struct mapping_assign *list;
    size_t count;
};
/* The member `name` of v, an object of pointers to expressions (or, for REMOVE, a list of
 * pointers), added to `out`, whose list has room for MAPPING_ASSIGN_MAX. */
MUST_USE enum err mapping_assigns_compile(const struct mapping_doc *doc, const struct json *v,
                                          const char *name, enum assign_kind kind,
                                          const struct mapping_names *names, struct arena *a,
                                          struct mapping_assigns *out, struct ectx *ec);
/* Does one to the tree at *root (whose nodes lie in the scope's arena). */
MUST_USE enum err mapping_assign_do(const struct mapping_assign *s,
                                    const struct mapping_scope *scope, struct json **root,
                                    struct ectx *ec);

/* A tree that is changed: nodes whose `raw` is null are written from their children. */
struct json *mapping_tree_copy(const struct json *v, struct arena *a); /* NULL: no memory */
/* ERR_MALFORMED: a text that no state has room for. */
MUST_USE enum err mapping_tree_of_value(const struct mapping_value *v, struct arena *a,
                                        struct json **out, struct ectx *ec);
void mapping_tree_write(const struct json *v, struct json_writer *w);
/* The place of `name` below v: a link that points to the child, or NULL. */
struct json **mapping_tree_find(struct json *v, struct str name);
MUST_USE bool mapping_tree_add(struct json *v, struct str name, struct json *child,
                               struct arena *a);
void mapping_tree_take(struct json *v, struct json **link);

struct mapping_rule {
    struct mapping_type type;
    struct mapping_expr *each, *when;
    struct mapping_assigns assigns;
};

#endif
