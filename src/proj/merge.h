/*
 * Changes of rows, merged by key in memory until they must be seen, so that the target gets one
 * change for each row of a step instead of one for each event, and many rows in one piece.
 *
 * What the tables say at the end is what the statements one by one would have made of them. What
 * cannot be merged without a doubt about that is not: the caller runs it, after what was held back
 * for that table. Not merged are
 *
 *   SQL of one's own (it may look at anything: all that is held back goes first), update and
 *   delete of other rows than one by its whole key, values that are not plainly of their column's
 *   type, long texts in indexed columns, a sum of reals (its last digits depend on the order), an
 *   upsert of a row that was only to be changed if it is there
 *
 * A failure here is that of no event: the transaction is done once more without merging.
 *
 * Into PostgreSQL, rows that are put go by COPY as long as no key of them was there before; when
 * one was, the transaction is lost (merge_guess_lost) and done again with INSERT ... ON CONFLICT
 * from arrays, and so is everything into that table from then on.
 */
#ifndef LEAT_PROJ_MERGE_H
#define LEAT_PROJ_MERGE_H

#include "proj/def.h"
#include "proj/target.h"

#define MERGE_ROWS_MAX   65536u      /* held back at once: beyond, they go */
#define MERGE_BYTES_MAX  (32u << 20) /* of them */
#define MERGE_TEXT_MAX   (1u << 20)  /* of one statement: longer ones are not merged */
#define MERGE_SHAPES_MAX 64u         /* kinds of change to one table: beyond, not merged */

struct merge;

MUST_USE enum err merge_create(const struct target_driver *driver, struct target_db *db,
                               const struct def *d, struct merge **out, struct ectx *ec);
void merge_destroy(struct merge *m); /* NULL is fine */

/* Takes a statement with its values (copied). *taken false: the caller is to run it now; what must
 * go before it has gone. */
MUST_USE enum err merge_op(struct merge *m, const struct def_op *op,
                           const struct mapping_value *params, bool *taken, struct ectx *ec);
/* Everything goes to the target: before somebody looks at it, and before COMMIT. */
MUST_USE enum err merge_flush(struct merge *m, struct ectx *ec);
/* The transaction is taken back. */
void merge_drop(struct merge *m);
/* Whether that was because a row was there already; once for each time. */
bool merge_guess_lost(struct merge *m);

#endif
