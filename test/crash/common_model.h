/*
 * What the outside knows about a broker that is killed again and again, and the judge of what it
 * finds afterwards.
 *
 * Writers tell what they are about to send (model_send), what was acknowledged (model_ok) and what
 * was refused for good (model_refused). A batch with neither is *unknown*: it may be stored once,
 * whole, or not at all. A consumer tells what it saw. After each restart somebody reads the
 * partitions and gives every record to model_read; model_settle decides about the unknown ones.
 * What contradicts anything told before is a violation, counted by its kind and printed.
 *
 * Everything is also appended to a history file (one line a fact, written before the request leaves
 * and after the answer came), which lies outside of the data directory and is kept on a failure.
 *
 * A record's key names it (writer, batch, index, size of the value), and its value is a function of
 * the key: content is checked without being kept. All functions may be called from any thread.
 */
#ifndef LEAT_TEST_CRASH_MODEL_H
#define LEAT_TEST_CRASH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/str.h"
#include "core/uuid.h"

enum { MODEL_WRITERS = 32, MODEL_PARTS = 32, MODEL_GROUPS = 8, MODEL_TOPICS = 4096 };
enum { MODEL_KEY_SIZE = 24 };

/* The anomalies by name. */
#define MODEL_KINDS(X)                                                    \
    X(LOST, "acknowledged, and not there")                                \
    X(TAKEN_BACK, "a consumer saw it, and it is not there")               \
    X(RENUMBERED, "this offset was told with another record")             \
    X(DOUBLED, "stored twice")                                            \
    X(REORDERED, "a writer's records are not in the order of sending")    \
    X(HOLE, "a later batch is there, an earlier one of its writer not")   \
    X(INVENTED, "nobody sent it")                                         \
    X(REFUSED, "it was refused, and is there")                            \
    X(RETURNED, "it was gone after an earlier crash, and is there again") \
    X(TORN, "only a part of a batch is there")                            \
    X(VALUE, "its bytes are not those that were sent")                    \
    X(GAP, "offsets are skipped")                                         \
    X(END_BACK, "the high watermark moved back")                          \
    X(COMMIT_BACK, "a group's offset is behind an acknowledged commit")   \
    X(COMMIT_INVENTED, "a group's offset was never committed")            \
    X(COMMIT_TORN, "a part of an offset commit is there")                 \
    X(MEMBER, "a group forgot what it had told its member")               \
    X(START_BACK, "deleted records are there again")                      \
    X(START_INVENTED, "more was deleted than was asked for")              \
    X(CONFIG_BACK, "an acknowledged setting is not there")                \
    X(CONFIG_INVENTED, "a setting has a value that nobody gave it")       \
    X(FENCE, "a group believed a member of the past")                     \
    X(ASSIGNMENT, "a member got another assignment than its leader gave") \
    X(GROWTH, "memory, descriptors or disk grow")                         \
    X(TOPIC_LOST, "the topic was created, and is not there")              \
    X(TOPIC_RETURNED, "the topic was deleted, and is there")              \
    X(TOPIC_CHANGED, "the topic has another id or number of partitions")  \
    X(TOPIC_INVENTED, "nobody created this topic")                        \
    X(PROTOCOL, "an answer that cannot be")                               \
    X(BOOT, "the server did not start")                                   \
    X(VERIFY, "leat verify found something")                              \
    X(EXIT, "the server ended in another way than it was told to")

enum model_kind {
#define MODEL_ENUM(name, text) MODEL_##name,
    MODEL_KINDS(MODEL_ENUM)
#undef MODEL_ENUM
        MODEL_KIND_COUNT
};
const char *model_kind_name(enum model_kind kind);

struct model;

/* history: a path to append to, or NULL. quiet: violations are counted and not printed. */
struct model *model_create(const char *history, bool quiet);
void model_destroy(struct model *m);
uint64_t model_violations(struct model *m);
uint64_t model_count_of(struct model *m, enum model_kind kind);
__attribute__((format(printf, 3, 4))) void model_violation(struct model *m, enum model_kind kind,
                                                           const char *fmt, ...);
/* A line of the history that is no fact. */
__attribute__((format(printf, 2, 3))) void model_note(struct model *m, const char *fmt, ...);

struct model_totals {
    uint64_t sent, acked, refused, seen, read, commits, topics, present, absent, given_up;
    uint64_t grown, trims, settings;
};
void model_totals_get(struct model *m, struct model_totals *out);

/*
 * The power is about to be cut. From here to model_crashed no answer counts: every request without
 * one stays unknown, what a consumer gets is not noted. Necessary because a flush that is under way
 * when ext4 is shut down may return success although its data is gone (a loop of write and
 * fdatasync shows it, about one cut in three on a busy machine); real power leaves nobody to say
 * so.
 */
void model_dark(struct model *m);
bool model_is_dark(struct model *m);

/* ---- Partitions and records -------------------------------------------------------------------
 */

/* relaxed: a power cut may take acknowledged records back, but never give an offset out twice. */
uint32_t model_part_add(struct model *m, const char *topic, int32_t index, bool relaxed);
uint32_t model_part_count(const struct model *m);
const char *model_part_topic(const struct model *m, uint32_t part);
int32_t model_part_index(const struct model *m, uint32_t part);
bool model_part_relaxed(const struct model *m, uint32_t part);

uint32_t model_writer_add(struct model *m);
/* Before it is sent; the number of the batch. */
uint32_t model_send(struct model *m, uint32_t writer, uint32_t part, uint32_t records);
/* An idempotent writer sends it again after a restart, with its old sequence. */
void model_send_again(struct model *m, uint32_t writer, uint32_t batch);
/* False: it came too late to count (model_dark), the batch stays unknown. */
bool model_ok(struct model *m, uint32_t writer, uint32_t batch, int64_t base_offset);
void model_refused(struct model *m, uint32_t writer, uint32_t batch, int16_t code);
/* The server lives on and this batch has no answer: its writer goes on behind it, so it may be
 * missing although later ones are there. */
void model_doubt(struct model *m, uint32_t writer, uint32_t batch);
/* True if the batch is known to be stored or was acknowledged. */
bool model_is_stored(struct model *m, uint32_t writer, uint32_t batch);

/* A consumer got this record; the high watermark that came with it. */
void model_seen(struct model *m, uint32_t part, int64_t offset, struct str key, struct str value);
void model_end_told(struct model *m, uint32_t part, int64_t end);

void model_key(uint32_t writer, uint32_t batch, uint32_t index, uint32_t size,
               char out[MODEL_KEY_SIZE + 1]);
void model_value(uint32_t writer, uint32_t batch, uint32_t index, uint32_t size, uint8_t *out);

/*
 * DeleteRecords, for a partition with one writer that is idempotent, so that everything below the
 * end of an acknowledged batch is acknowledged. The offset up to which to delete, about to be
 * asked for; -1: there is nothing to delete.
 */
int64_t model_trim(struct model *m, uint32_t part, uint64_t salt);
/* It was acknowledged, with this first offset. */
void model_trimmed(struct model *m, uint32_t part, int64_t offset, int64_t start);

/*
 * Retention (common_model_soak.c): from here on the broker may delete the oldest segments by
 * itself. Where a log begins is then judged with every answer that says so: it never moves back.
 * An answer is compared with what was known before its request left (model_floor), because two
 * connections may give us theirs in another order.
 */
void model_retention(struct model *m);
int64_t model_floor(struct model *m, uint32_t part);
void model_start_moved(struct model *m, uint32_t part, int64_t floor, int64_t start);
/* True if the log begins where retention has put it, and nobody else. */
bool model_retention_took(struct model *m, uint32_t part);
/* As model_trim for a partition with any writers: deletes only what was read and judged. */
int64_t model_trim_judged(struct model *m, uint32_t part, uint64_t salt);

/* ---- After a restart --------------------------------------------------------------------------
 */

/* What happened: how is "kill" or "cut"; only a cut may take from relaxed partitions. */
void model_crashed(struct model *m, const char *how);
/* The first offset of a partition whose records were deleted; before it is read. */
void model_start_read(struct model *m, uint32_t part, int64_t start);
/* Reading a partition: everything, or what was not judged yet. Returns the offset to begin with. */
int64_t model_read_begin(struct model *m, uint32_t part, bool everything);
void model_read(struct model *m, uint32_t part, int64_t offset, struct str key, struct str value);
void model_read_end(struct model *m, uint32_t part, int64_t end);
/* After all partitions were read. */
void model_settle(struct model *m);

/* ---- Groups -----------------------------------------------------------------------------------
 * Counters that only grow, committed as offsets of all partitions at once. A setting of a topic is
 * the same: its value only grows.
 */

uint32_t model_group_add(struct model *m, const char *name);
uint32_t model_setting_add(struct model *m, const char *topic);
const char *model_group_name(const struct model *m, uint32_t group);
int64_t model_commit(struct model *m, uint32_t group); /* the next number, about to be sent */
void model_committed(struct model *m, uint32_t group, int64_t number);
/* What the broker has for one of the partitions after a restart; -1: nothing. first: the first of
 * this group. */
void model_commit_read(struct model *m, uint32_t group, bool first, int64_t offset,
                       struct str metadata);

/* ---- Topics -----------------------------------------------------------------------------------
 */

/* About to be created; its number, UINT32_MAX: the table is full. */
uint32_t model_topic_create(struct model *m, const char *name, int32_t partitions);
void model_topic_created(struct model *m, uint32_t topic, struct uuid id);
void model_topic_refused(struct model *m, uint32_t topic, int16_t code);
void model_topic_delete(struct model *m, uint32_t topic);
void model_topic_deleted(struct model *m, uint32_t topic);
/* It is about to get one partition more: how many it will have. Later: it has them. */
int32_t model_topic_grow(struct model *m, uint32_t topic);
void model_topic_grown(struct model *m, uint32_t topic, int32_t partitions);
/* A topic that is gone is created again: its row is used again (common_model_soak.c). */
void model_topic_again(struct model *m, uint32_t topic, int32_t partitions);
/* True if it is known to be there; its partitions, -1: known to be gone. */
bool model_topic_known(struct model *m, uint32_t topic, int32_t *partitions);
/* A topic that is there and not to be deleted, or UINT32_MAX. salt: which of them. */
uint32_t model_topic_pick(struct model *m, uint64_t salt);
const char *model_topic_name(const struct model *m, uint32_t topic);
/* Everything that the broker lists after a restart, between begin and end. */
void model_topics_begin(struct model *m);
void model_topics_read(struct model *m, struct str name, struct uuid id, int32_t partitions);
void model_topics_end(struct model *m);

/* ---- Going on later (common_model_save.c) ------------------------------------------------------
 */

bool model_save(const struct model *m, FILE *out);
/* false: not written by this program, or not whole; the model is then of no use. */
bool model_load(struct model *m, FILE *in);
/* Begins a new history file when this one is longer than `bytes`; the one before is kept. */
void model_history_turn(struct model *m, const char *path, uint64_t bytes);

#endif
