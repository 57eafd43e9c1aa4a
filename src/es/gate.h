/*
 * What the files of the gate share: gate.c decides and speaks with the engine, gate_batch.c reads
 * the batch that came and builds the one that is stored, gate_record.c does so for each record.
 */
#ifndef LEAT_ES_GATE_H
#define LEAT_ES_GATE_H

#include "es/write.h"

struct gate_op {
    struct es_wop op; /* first */
    struct list link; /* writer.gates: of those that wait to be asked again */
    uint64_t since_ns;
    struct str topic;
    int32_t partition;
    struct str batch;
    size_t bytes; /* of it, in writer.gate_bytes */
    struct arena arena;
    struct batch_header header;
    struct record *records;
    const struct envelope **envelopes; /* of each record, as far as it goes (envelope_copy) */
    struct es_expected *expected;      /* of each record, if it says one */
    bool *says;
    struct es_plan plan;
    bool planned;
    bool waited; /* for what it was decided on to be durable */
    bool placed; /* `original` was looked for: of a batch that is there already; -1: not known */
    int64_t original;
};

/* One record at fault, with the words for the client. */
void es_gate_refuse_record(struct engine_gate_item *item, size_t index, struct str message);
/* ERR_INVALID_RECORD. The first record's message is the batch's, too. */
enum err es_gate_refuse(struct engine_gate_item *item, struct ectx *ec);
enum err es_gate_refuse_one(struct engine_gate_item *item, size_t index, const char *what,
                            struct ectx *ec);
/* The whole batch into the op. ERR_INVALID_RECORD: refused, with the records at fault. */
MUST_USE enum err es_gate_read(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec);
/* Everything that a reader needs of it; *envelope in the arena, as far as it goes. ERR_MALFORMED
 * names the header. */
MUST_USE enum err es_gate_record_read(const struct record *r, struct arena *a, struct es_view *view,
                                      const struct envelope **envelope, struct ectx *ec);
/* All headers of the record as it is stored; room for its own and ES_GATE_HEADERS and one more. 0:
 * no memory. */
#define ES_GATE_HEADERS (ENVELOPE_HEADERS_MAX + 1u)
size_t es_gate_record_headers(struct gate_op *g, size_t i, struct record_header *out);
/* item->replacement: the batch with revisions and ids. */
MUST_USE enum err es_gate_build(struct gate_op *g, struct engine_gate_item *item, struct ectx *ec);

#endif
