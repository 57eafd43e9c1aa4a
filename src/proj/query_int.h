/* A query as SQL: made on the loop, run by a worker, answered on the loop. */
#ifndef LEAT_PROJ_QUERY_INT_H
#define LEAT_PROJ_QUERY_INT_H

#include "proj/proj_int.h"

#define QUERY_SQL_BYTES   (256u << 10)
#define QUERY_ARENA_BYTES (4u << 20)

struct query {
    struct list link;
    struct env_job job;
    struct proj *p;
    struct projection *pr;
    struct run *run; /* whose definition `table` is of; NULL: of none */
    struct proj_query *call;
    struct proj_parked_list *parked; /* instead of `call` */
    struct target_db *db;
    bool keep; /* the connection is good for another one */
    bool full; /* there may be many rows left on it */
    struct arena arena;
    struct buf sql;
    struct mapping_value params[TARGET_PARAMS_MAX];
    size_t param_count;
    /* Of a view: the columns that are shown, then those of the order. */
    const struct def_table *table;
    const size_t *shown;
    size_t shown_count;
    const struct proj_order *order;
    const size_t *order_columns;
    size_t order_count;
    uint64_t hash; /* of what a cursor belongs to */
    size_t limit;
    /* out */
    enum err err;
    struct ectx ec;
    struct buf rows;
    struct json_writer w;
    size_t row_count;
    bool more;
    struct mapping_value *last; /* order columns of the last row, in `cells` */
    struct arena cells;
    struct proj_parked *found;
};

/* query_sql.c; the first three for whoever shows rows */
MUST_USE enum err query_column(const struct def_table *t, struct str name, size_t *out,
                               struct ectx *ec);
/* What a person wrote, as a value of the column's type. */
MUST_USE enum err query_value(const struct def_table *t, size_t column, struct str text,
                              struct mapping_value *out, struct ectx *ec);
void query_write_cell(struct json_writer *w, const struct def_column *c,
                      const struct mapping_value *v);
MUST_USE enum err query_build(struct query *q, const struct proj_query *call, uint32_t version);
struct str query_cursor(struct query *q); /* null: no memory */

#endif
