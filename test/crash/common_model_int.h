/* The insides of the model, shared by common_model.c and common_model_admin.c. */
#ifndef LEAT_TEST_CRASH_MODEL_INT_H
#define LEAT_TEST_CRASH_MODEL_INT_H

#include <pthread.h>

#include "common_model.h"

#define IGNORE_RESULT(x) \
    do {                 \
        if (x) {         \
        }                \
    } while (0)

enum model_state {
    MODEL_UNKNOWN,       /* sent, no answer */
    MODEL_OK,            /* acknowledged */
    MODEL_REFUSED_BATCH, /* a definite error */
    MODEL_PRESENT,       /* unknown, then found after a crash */
    MODEL_ABSENT,        /* unknown, then not found: must not come back */
};

struct model_batch {
    uint32_t part, records;
    enum model_state state;
    uint32_t found; /* records read in a row */
    bool doubt;     /* it may be missing although later ones of its writer are there */
    int64_t offset; /* -1: not known */
};

struct model_writer {
    struct model_batch *batches;
    size_t cap;
    uint32_t count, settled;
};

struct model_part {
    char topic[32];
    int32_t index;
    bool relaxed;
    uint64_t *told;
    size_t told_cap;
    int64_t told_count;
    int64_t end_told;  /* highest high watermark */
    int64_t judged;    /* everything below was read and judged */
    int64_t next;      /* of the reading that is going on */
    int64_t acked_end; /* of the last acknowledged batch */
    /* Up to where it was asked to delete records, and was told that they are. */
    int64_t start_asked, start_told;
    int64_t retained; /* the highest start that only retention explains */
    uint64_t order[MODEL_WRITERS];
};

struct model_group {
    char name[32];
    bool setting;
    int64_t sent, acked, first_read;
};

enum topic_state { TOPIC_UNKNOWN, TOPIC_THERE, TOPIC_DELETING, TOPIC_GONE };
struct model_topic {
    char name[32];
    enum topic_state state;
    int32_t partitions, partitions_asked;
    struct uuid id;
    bool has_id, found;
};

struct model {
    pthread_mutex_t mutex;
    int fd;
    bool quiet, after_cut, dark, retention;
    uint64_t counts[MODEL_KIND_COUNT];
    struct model_totals totals;
    struct model_part parts[MODEL_PARTS];
    uint32_t part_count;
    struct model_writer writers[MODEL_WRITERS];
    uint32_t writer_count;
    struct model_group groups[MODEL_GROUPS];
    uint32_t group_count;
    struct model_topic topics[MODEL_TOPICS];
    uint32_t topic_count;
};

/* With the mutex held. */
__attribute__((format(printf, 2, 3))) void model_line(struct model *m, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void model_violation_locked(struct model *m,
                                                                  enum model_kind kind,
                                                                  const char *fmt, ...);
/* Grows a zeroed array; ends the program when there is no memory. */
void *model_more(void *p, size_t *cap, size_t want, size_t size);

#endif
