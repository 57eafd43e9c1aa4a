/* Inside of merging: rows that are held back, and the kinds of change that they are. */
#ifndef LEAT_PROJ_MERGE_INT_H
#define LEAT_PROJ_MERGE_INT_H

#include "proj/merge.h"

enum { STATE_NONE, STATE_SET, STATE_ADD }; /* of a column; NONE of a key */

/* What is done to a row: rows of one shape are one statement. Made when it is first needed, kept
 * for the life of the connection. */
struct merge_shape {
    enum def_effect effect;
    uint8_t *states; /* of each column */
    size_t *columns; /* in the order of the parameters */
    enum def_type *types;
    size_t column_count;
    struct target_stmt *one; /* of one row; NULL: not needed so far */
    const char *many, *copy; /* SQL; NULL: not needed so far */
};

struct merge_table;
struct merge_row {
    const struct merge_table *table;
    struct merge_shape *shape;
    uint64_t hash;                /* of the key */
    struct mapping_value *values; /* of each column */
};

struct merge_table {
    const struct def_table *t;
    bool able;                /* its keys are such that equal ones are found */
    bool fresh;               /* no key that was put had been there before */
    struct merge_row **slots; /* by the hash of the key; a power of two */
    size_t cap;
    struct merge_row **rows;
    size_t count, room;
    struct merge_shape shapes[MERGE_SHAPES_MAX];
    size_t shape_count;
};

struct merge {
    const struct target_driver *driver;
    struct target_db *db;
    const struct def *d;
    struct merge_table *tables; /* as the definition's */
    size_t count;               /* rows of all tables */
    struct arena rows;          /* until they are written */
    struct arena kept;          /* shapes */
    bool guess_lost;
};

/* merge_sql.c: statements of a shape. NULL: no memory. */
const char *merge_sql_one(const struct merge *m, const struct merge_table *t,
                          const struct merge_shape *s, struct arena *a);
const char *merge_sql_many(const struct merge *m, const struct merge_table *t,
                           const struct merge_shape *s, struct arena *a);
const char *merge_sql_copy(const struct merge *m, const struct merge_table *t,
                           const struct merge_shape *s, struct arena *a);

/* merge_write.c */
MUST_USE enum err merge_flush_table(struct merge *m, struct merge_table *t, struct ectx *ec);

#endif
