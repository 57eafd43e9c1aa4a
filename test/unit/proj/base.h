/* What tests of projections share: batches of events, a database of the test's own, rows as text.
 */
#ifndef LEAT_TEST_UNIT_PROJ_BASE_H
#define LEAT_TEST_UNIT_PROJ_BASE_H

#include "core/buf.h"
#include "engine/engine.h"
#include "proj/apply.h"
#include "proj/def.h"
#include "proj/target.h"
#include "test.h"

/* A projection of orders: upsert, increment, update, delete, own SQL, each, a look-up. %s: target.
 */
extern const char *const base_orders;

struct base_event {
    const char *type, *key, *data;
};
/* One batch that begins at base_offset, appended to `out`. */
void base_batch(struct buf *out, int64_t base_offset, const struct base_event *events,
                size_t count);
/* Every row of a query as "a|b\n...", in `out`. */
const char *base_rows(const struct target_driver *driver, struct target_db *db, const char *sql,
                      char *out, size_t size);

/* A definition applied to a file by hand: no loop, no engine. */
struct bench {
    struct target_library *library;
    struct target_db *db;
    struct def *d;
    struct apply *a;
    struct apply_counts counts;
    struct ectx ec;
    int64_t next; /* the checkpoint of the only shard, es.order/0 */
    uint64_t epoch;
};
void bench_init_text(struct bench *b, const char *text);
/* %s in the definition is the file, in a folder of the tests; on PostgreSQL sqlite:%s is a schema
 * of its own. */
void bench_init(struct bench *b, const char *definition, const char *file);
void bench_deinit(struct bench *b);
void bench_claim(struct bench *b, uint64_t epoch);
/* Applies events from b->next on. */
enum err bench_apply(struct bench *b, const struct base_event *events, size_t count);
const char *bench_rows(struct bench *b, const char *sql);
/* A claim and one transaction from records that are built already: for test_each_failing_alloc. */
struct bench_attempt {
    struct bench b;
    struct buf bytes; /* batches of es.order/0 */
    int64_t next_offset;
};
enum err bench_attempt(void *ctx);

/* A statement that takes a minute ends soon, with this error, when another thread interrupts; what
 * begins after that does too. */
void base_interrupt(const struct target_driver *driver, const char *where, const char *sql,
                    enum err expected);

#endif
