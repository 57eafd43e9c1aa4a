/*
 * Which rows a transaction changes: noted by the worker while somebody watches, read by the loop
 * when the transaction is committed. Keys alone; what the rows say is read afterwards (feed.c).
 */
#ifndef LEAT_PROJ_CHANGES_H
#define LEAT_PROJ_CHANGES_H

#include "core/arena.h"
#include "proj/def.h"

#define CHANGES_MAX   4096u      /* of one transaction: beyond, they are `lost` */
#define CHANGES_BYTES (1u << 20) /* of their keys */

struct change {
    size_t table;
    uint64_t position;               /* of the event */
    uint32_t index;                  /* of it in its commit */
    const struct mapping_value *key; /* in the order of the table's key */
};
struct changes {
    struct arena arena;
    struct change *list;
    size_t count, room;
    uint32_t index;   /* that changes have from now on */
    uint32_t unknown; /* tables (bits) of which rows were changed, and nobody knows which */
    bool lost;        /* there were more */
};
void changes_init(struct changes *c);
void changes_deinit(struct changes *c);
void changes_clear(struct changes *c);

struct apply;
/* A statement that changes rows by their whole key, or of which nothing is known. */
void changes_note(struct changes *c, const struct def *d, const struct def_op *op,
                  const struct mapping_value *params, uint64_t position);
/* A statement that names its rows by other columns: run so that it tells their keys. */
MUST_USE enum err changes_run(struct apply *a, const struct def_op *op,
                              const struct mapping_value *params, uint64_t position,
                              struct ectx *ec);
/* Must it be run by changes_run? */
bool changes_must_ask(const struct def_op *op);

#endif
