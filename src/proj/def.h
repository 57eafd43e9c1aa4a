/*
 * A definition of a projection, compiled: what it reads, its tables, what each event does. Made
 * once from YAML or JSON; read-only from then on, so that workers share it.
 */
#ifndef LEAT_PROJ_DEF_H
#define LEAT_PROJ_DEF_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "mapping/mapping.h"
#include "proj/proj.h"
#include "proj/target.h"

#define DEF_ARENA_BYTES (8u << 20) /* a compiled definition */
#define DEF_TOPICS_MAX  16u
#define DEF_TYPES_MAX   256u
#define DEF_OPS_MAX     16u /* of one rule */
#define DEF_LOOKUPS_MAX 8u  /* of one rule */
#define DEF_INDEXES_MAX 16u /* of one table */
#define DEF_INDEXED_MAX \
    2000u /* bytes of texts in a key or an index; PostgreSQL's entry has 2,704 */
#define DEF_ACTIONS_MAX 16u
#define DEF_VERSION_MAX 1000000
#define DEF_KEEP_MS     (24ll * 3600 * 1000) /* how long a version is kept after a switch */

struct def_column {
    struct str name;
    enum def_type type;
    size_t text_max; /* bytes of a text, as it is in the key or an index; 0: no limit of its own */
};
struct def_index {
    size_t *columns;
    size_t count;
    bool unique;
};
struct def_table {
    struct str name;
    struct def_column *columns;
    size_t column_count;
    size_t *key; /* columns */
    size_t key_count;
    struct def_index *indexes;
    size_t index_count;
};

/* A row that is found before the rule is applied: columns of it by name. */
struct def_lookup {
    struct str name, from; /* `from`: a table of this projection, or a view */
    struct str *columns;
    bool *is_json; /* by column */
    bool own;      /* a table of this projection: is_json and the types are known */
    enum def_type *types;
    size_t column_count;
    struct str *key_columns;
    enum def_type *key_types;
    struct mapping_expr **key;
    size_t key_count;
    bool required; /* no such row: the event's key is parked */
    struct str sql;
    size_t stmt; /* index of the prepared statement */
};
/* What a statement does to rows, as far as it is known, so that the changes of many events can be
 * merged (merge.h). */
enum def_effect {
    DEF_OWN,    /* SQL of one's own: anything */
    DEF_PUT,    /* the row is there afterwards */
    DEF_CHANGE, /* if it is there */
    DEF_REMOVE,
};
enum def_use { DEF_KEY, DEF_SET, DEF_ADD };
struct def_param {
    size_t column;
    enum def_use use;
};
/* One statement for an event (or for each element of `each`). */
struct def_op {
    const struct json *at;
    struct str what; /* "upsert of orders", for messages */
    struct str sql;
    struct mapping_expr **params;
    bool *must; /* the parameter may not be null: a key, an increment */
    size_t param_count;
    size_t stmt;
    enum def_effect effect;
    const struct def_table *table; /* NULL: DEF_OWN */
    uint32_t tables;               /* DEF_OWN: those that it names, as bits */
    struct def_param *uses;        /* of the parameters; NULL: DEF_OWN */
    bool by_key;                   /* at most one row, named by its whole key, which stays */
};
/* A live-only append to the event store. */
struct def_action {
    struct str name;
    struct mapping_expr *stream, *type;
    struct str *fields; /* of its data */
    struct mapping_expr **values;
    size_t count;
};
struct def_rule {
    struct mapping_type type;
    struct mapping_expr *each, *when;
    struct def_lookup *lookups;
    size_t lookup_count;
    struct mapping_row *row_names; /* of the lookups, as expressions know them */
    struct def_op *ops;
    size_t op_count;
    struct def_action *actions;
    size_t action_count;
};

enum def_on_error { DEF_PARK_KEY, DEF_STOP, DEF_SKIP };
struct def {
    struct arena arena;
    struct buf json; /* made of the YAML, if it was YAML */
    struct str file, text;
    struct str name;
    uint32_t version;
    struct str target, where;
    const struct target_driver *driver;
    struct str *topics;
    size_t topic_count;
    struct mapping_type *types; /* none: those of the rules */
    size_t type_count;
    struct mapping_expr *key;
    enum def_on_error on_error;
    bool switch_auto;
    int64_t keep_ms;
    struct def_table *tables;
    size_t table_count;
    struct def_rule *rules;
    size_t rule_count;
    /* Statements of all rules, in the order of their indexes. */
    struct str *statements;
    size_t statement_count;
    bool has_actions;
    bool looks_around; /* what an event does depends on other rows than its own, by key */
    bool as_stored;    /* its rules see events as they are stored, without upcasts */
    uint64_t upcasts;  /* hash of those that were declared when this version was; 0: not known */
};

/* `version`: of the tables' names; 0: as the text says. The arena holds everything; ERR_CONFIG with
 * file, line and column. */
MUST_USE enum err def_create(struct str text, struct str file, uint32_t version, struct def **out,
                             struct ectx *ec);
void def_destroy(struct def *d);
const struct def_table *def_table_find(const struct def *d, struct str name);
/* Tables that this version needs, and (later, when they are full) their indexes. */
void def_write_tables(const struct def *d, bool may_be_there, struct buf *out);
void def_write_indexes(const struct def *d, struct buf *out);
/* Their names, joined by commas, each with its columns of the types that a database may not tell:
 * json, and boolean with a '?' ("orders:items:notes:?paid,stock"); and, from such a list,
 * everything of a version goes. */
#define DEF_NAMES_BYTES (256u << 10) /* as long as a definition may be */
void def_write_names(const struct def *d, struct buf *out);
/* Is this a column of the type json, as such a list says? UNKNOWN: the table is not in it. */
enum def_known { DEF_UNKNOWN, DEF_NO, DEF_YES };
enum def_known def_json_column(struct str names, struct str table, struct str column);
/* Of the type boolean? A list that an earlier build has written says of none that it is. */
bool def_boolean_column(struct str names, struct str table, struct str column);
void def_write_drop(struct str projection, uint32_t version, struct str names, struct buf *out);
/* "orders" quoted, with the version if it is a table of d. */
void def_put_name(struct buf *out, struct str name);
void def_put_table(struct buf *out, struct str name, uint32_t version);

/* Of the room's own files. */
struct def_parser {
    struct def *d;
    struct mapping_doc doc;
    struct ectx *ec;
    bool declared; /* by somebody, just now: else it is an old one again */
    size_t statement_room;
};
/* May an event be of both types? */
bool def_types_meet(const struct mapping_type *a, const struct mapping_type *b);
MUST_USE enum err def_check_name(struct def_parser *p, const struct json *at, const char *what,
                                 struct str name);
/* v is one of a few words: its index. */
MUST_USE enum err def_word_of(struct def_parser *p, const struct json *v, struct str name,
                              const char *const *words, size_t count, size_t *out);
MUST_USE enum err def_column_find(struct def_parser *p, const struct json *at,
                                  const struct def_table *t, struct str name, size_t *out);
/* A new definition compares no JSON: PostgreSQL cannot, and SQLite would compare its text.
 * `member`: of the definition, for the message; c == NULL: it is not known. */
MUST_USE enum err def_check_comparable(struct def_parser *p, const struct json *at,
                                       const struct def_column *c, const char *member);
MUST_USE enum err def_parse_tables(struct def_parser *p, const struct json *v);
MUST_USE enum err def_parse_rules(struct def_parser *p, const struct json *v);
MUST_USE enum err def_parse_op(struct def_parser *p, const char *kind, const struct json *v,
                               const struct mapping_names *names, struct def_op *out);
MUST_USE enum err def_parse_own_sql(struct def_parser *p, const struct json *v,
                                    const struct mapping_names *names, struct def_op *out);
MUST_USE enum err def_parse_lookup(struct def_parser *p, const struct json *v,
                                   struct def_lookup *out);
MUST_USE enum err def_add_statement(struct def_parser *p, const struct json *at, struct buf *sql,
                                    struct str *out, size_t *index);

#endif
