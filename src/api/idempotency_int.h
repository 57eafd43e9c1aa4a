/* Inside of the idempotency of the api room: the table of keys. */
#ifndef LEAT_API_IDEMPOTENCY_INT_H
#define LEAT_API_IDEMPOTENCY_INT_H

#include "api/idempotency.h"
#include "core/map.h"

enum idempotency_state { IDEMPOTENCY_LOADING, IDEMPOTENCY_READY, IDEMPOTENCY_FAILED };

/* What tells one request from another. */
#define IDEMPOTENCY_PRINT 48u

struct idempotency_entry {
    struct list link; /* in by_age: oldest first; running ones are in none */
    struct str key;   /* heap */
    char print[IDEMPOTENCY_PRINT];
    bool running;
    int64_t expires_ms;
    uint64_t position; /* of its record, or of the append: nothing later is below it */
    struct str value;  /* heap: the record's value; null: not known yet */
};
struct api_idempotency {
    struct api *api;
    struct map keys;
    struct list by_age;
    size_t bytes, max_bytes;
    enum idempotency_state state;
    bool stopped;
    struct ectx failure;
    /* loading */
    struct engine_ensure ensure;
    struct engine_seek seek;
    struct engine_read read;
    struct arena arena;   /* of one record */
    struct arena batches; /* of one read */
    bool reading;
};

/* idempotency_print.c */
void idempotency_print(const struct api_call *c, char out[IDEMPOTENCY_PRINT]);
/* `kept`: also of an earlier build, which did not look at headers. */
bool idempotency_same(const char *kept, const char *print);

size_t idempotency_cost(const struct idempotency_entry *e);
void idempotency_remove(struct api_idempotency *i, struct idempotency_entry *e);
/* NULL: out of memory. */
struct idempotency_entry *idempotency_add(struct api_idempotency *i, struct str key);
void idempotency_ready(struct api_idempotency *i);
/* replay.c: answers with what is kept. */
void idempotency_replay(struct api_call *c, const struct idempotency_entry *e);

#endif
