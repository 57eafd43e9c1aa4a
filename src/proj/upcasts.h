/*
 * Upcasts, compiled for the workers: what the event store declares, as it was when a transaction
 * began. Read-only once it is made; counted on the loop alone.
 */
#ifndef LEAT_PROJ_UPCASTS_H
#define LEAT_PROJ_UPCASTS_H

#include "proj/proj_int.h"

#define UPCASTS_ARENA_BYTES (256u << 20) /* all of them, compiled */

struct upcasts {
    unsigned refs;
    struct arena arena;
    struct buf *json; /* of each file: what was compiled views it */
    size_t count;
    struct mapping_upcasts *all; /* the steps of all files, as in the event store */
    uint64_t hash;               /* of their texts; never 0 */
};

/* Those that are declared now, with a reference; NULL: not known yet, or no memory. */
struct upcasts *upcasts_now(struct proj *p);
void upcasts_unref(struct upcasts *u); /* NULL is fine */
/* The hash of those that are declared now; 0: not known. */
uint64_t upcasts_hash(struct proj *p);
/* Do they matter to what this definition reads? */
bool upcasts_matter(const struct proj *p, const struct def *d);

/* On a worker. Does a step speak of this event? Then its newest forms: *count 0: it is in that
 * form. ERR_MALFORMED: it cannot be brought there. */
bool upcasts_know(const struct upcasts *u, const struct envelope *e);
/* May it become something that `fits`? */
bool upcasts_lead(const struct upcasts *u, const struct envelope *e,
                  bool (*fits)(const void *ctx, const struct envelope *form), const void *ctx);
MUST_USE enum err upcasts_make(const struct upcasts *u, const struct mapping_event *event,
                               struct arena *a, struct mapping_upcasted **out, size_t *count,
                               struct ectx *ec);

#endif
