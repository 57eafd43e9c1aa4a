/*
 * An engine in memory, for the tests of this room: no store, no broker. Its log survives
 * fake_restart, which a crash of the process would look like. It answers reads at once or later, as
 * the seed says, and makes what was appended visible only when the loop runs.
 */
#ifndef LEAT_TEST_ES_FAKE_ENGINE_H
#define LEAT_TEST_ES_FAKE_ENGINE_H

#include "engine/engine.h"
#include "env/env_sim.h"

struct engine *fake_engine_create(struct env *env, struct env_poll *poll, uint64_t seed);
/* It lacks these capabilities (ENGINE_...) from now on; it has all others. */
void fake_engine_lack(struct engine *e, unsigned capabilities);
/* One in `one_in` reads and seeks is answered later (0: none, 1: all). */
void fake_engine_set_late(struct engine *e, uint64_t one_in);
/* Appends are durable only when this is false again. */
void fake_engine_hold(struct engine *e, bool hold);
/* The log has no room: appends are refused with ERR_AGAIN; with false who waits is told. */
void fake_engine_set_full(struct engine *e, bool full);
/* Appends are refused with `err`, and nothing of them is written; ERR_OK: no more. */
void fake_engine_refuse(struct engine *e, enum err err);
/* The next `count` reads end with `err`. */
void fake_engine_fail_reads(struct engine *e, enum err err, unsigned count);
/* The next `count` rewrites end with `err`. */
void fake_engine_fail_rewrites(struct engine *e, enum err err, unsigned count);
uint64_t fake_engine_rewrites(const struct engine *e);
/* Whether any (uncompressed) batch of it holds these bytes. */
bool fake_engine_has(const struct engine *e, struct str text);
/* The partition's log begins at `start` from now on. */
void fake_engine_set_start(struct engine *e, struct str topic, int32_t partition, int64_t start);
/* Forgets what is not committed and everything that was asked for; another poll. */
void fake_engine_restart(struct engine *e, struct env_poll *poll);
/* What batches are compressed with from now on. */
void fake_engine_set_codec(struct engine *e, enum record_codec codec);
/* What is produced has attribute bits in its first record, as if it were erased. */
void fake_engine_set_marks(struct engine *e, bool marks);
/* Reads so far, and batches that they returned. */
uint64_t fake_engine_reads(const struct engine *e);
uint64_t fake_engine_batches(const struct engine *e);
uint64_t fake_engine_seeks(const struct engine *e); /* so far */
/* Reads so far of which engine_read_soon told shortly before. */
uint64_t fake_engine_reads_told(const struct engine *e);
/* Batches that are held by reads that nobody has released. */
size_t fake_engine_held(const struct engine *e);
/* A batch as a plain producer would send it, through the gate. ERR_AGAIN is retried by the loop. */
enum err fake_engine_produce(struct engine *e, struct str topic, int32_t partition,
                             const struct engine_record *records, size_t count, struct arena *a,
                             struct engine_gate_item *item);
/* What the gate says to a change of a topic that it guards, as a client asks for it. */
enum err fake_engine_change(struct engine *e, struct str topic, const char *what,
                            struct str setting, struct ectx *ec);

#endif
