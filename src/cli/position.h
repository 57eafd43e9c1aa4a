/* A place in a topic as people name it: start, end, 42, -10, 2026-11-20T20:00:00Z, -15m. */
#ifndef LEAT_CLI_POSITION_H
#define LEAT_CLI_POSITION_H

#include "cli/cluster.h"

enum position_kind {
    POSITION_START,
    POSITION_END,
    POSITION_OFFSET, /* that offset */
    POSITION_LAST,   /* so many before the end */
    POSITION_TIME    /* the first record of that time or later; the end if there is none */
};
struct position {
    enum position_kind kind;
    int64_t value;
};
MUST_USE enum err position_parse(const char *text, const char *option, struct position *out,
                                 struct ectx *ec);

/* A partition and the offsets that matter. */
struct place {
    int32_t partition, leader;
    int64_t start, end; /* of the log */
    int64_t at;         /* the position, between start and end */
};
/* Places of all partitions of a topic, or of one (`only` >= 0). In order of the partitions. */
MUST_USE enum err position_resolve(struct client *c, const struct wire_metadata_response_topic *t,
                                   int32_t only, const struct position *p, struct place **out,
                                   size_t *count, struct ectx *ec);

#endif
