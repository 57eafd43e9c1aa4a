/*
 * Erasure: what a redaction hides from readers of the event store is also taken out of the record
 * in es.CATEGORY, so that Kafka clients do not see it and the log's files do not have it.
 *
 *   the fact is durable, and in the index --> the event's batch is replaced (engine_rewrite) -->
 *   the index notes that --> the redaction is answered
 *
 * A start looks for redactions of which the index does not know that they were carried out (the
 * process ended in between, the index was made anew, an older version made them) and carries them
 * out. One at a time.
 */
#ifndef LEAT_ES_ERASE_H
#define LEAT_ES_ERASE_H

#include "es/es_int.h"
#include "record/scratch.h"

/* A redaction that somebody waits for. */
struct es_erase {
    struct list link; /* the eraser's */
    struct es_hash stream;
    uint64_t revision;
    int64_t fact; /* offset of the redaction in __leat_streams, */
    int32_t partition;
    /* ERR_OK: the data is nowhere in the log any more. Others: readers of the event store do not
     * see it, but it is still there, and `ec` says why. Perhaps within the call. */
    void (*told)(struct es_erase *x, enum err e, const struct ectx *ec);
};
void es_erase_ask(struct es *es, struct es_erase *x);
void es_erase_leave(struct es *es, struct es_erase *x); /* waits no more; harmless after told */

MUST_USE enum err es_eraser_create(struct es *es);
void es_eraser_destroy(struct es *es);
void es_eraser_start(struct es *es);      /* the index is there: looks for what is left to do */
void es_eraser_stop(struct es *es);       /* begins nothing any more until the next start */
bool es_eraser_idle(const struct es *es); /* nothing is out */
void es_eraser_tick(struct es *es);

/* erase_fact.c: what the redaction says; both in the arena. */
struct es_erase_fact {
    struct str stream;
    struct es_fact *fact;
};
/* `key`: of the redaction in the index. ERR_NOT_FOUND: the fact is not there, or of another one. */
MUST_USE enum err es_erase_fact_read(const struct es *es, const struct engine_read *r,
                                     const uint8_t key[ES_KEY_REDACTION],
                                     struct record_scratch *scratch, struct arena *a,
                                     struct es_erase_fact *out, struct ectx *ec);

/* erase_batch.c: the batch without the data. */
struct es_erasure {
    struct str old;
    int64_t offset; /* of the event */
    const struct str *fields;
    size_t field_count;
    struct record_scratch *scratch;
    struct arena *arena;
    /* out */
    struct es_view view; /* of the event */
    struct str batch;    /* in the arena; null: the data is gone already */
};
/* ERR_MESSAGE_TOO_LARGE: compressed again it is larger than it was. ERR_NOT_FOUND, ERR_MALFORMED:
 * no such event. */
MUST_USE enum err es_erase_batch(struct es_erasure *x, struct ectx *ec);

#endif
