/*
 * Idempotency-Key: the answer of a POST is kept under the client's key for 24 hours, and the same
 * request again gets it and does nothing. The answer is a record of the topic __leat_idempotency
 * that travels in the append of the effect: there is no half of it after a crash. The table of keys
 * is memory, rebuilt from the topic at start.
 *
 * What an answer says of the log (offsets, positions) is not known before its append. So it is kept
 * as a template, with markers; offsets are found again by the commit position of the record.
 */
#ifndef LEAT_API_IDEMPOTENCY_H
#define LEAT_API_IDEMPOTENCY_H

#include "api/api_int.h"

#define IDEMPOTENCY_TOPIC   "__leat_idempotency"
#define IDEMPOTENCY_KEEP_MS (24ll * 3600 * 1000)
#define IDEMPOTENCY_KEY_MAX 255u
#define IDEMPOTENCY_FULL                                                                         \
    "the answers of the last 24 hours take all of leat.idempotency.max.bytes, or with this one " \
    "would"
#define IDEMPOTENCY_ANSWER_MAX (4u * 1024 * 1024) /* a record with its answer */

MUST_USE enum err idempotency_create(struct api *a, struct api_idempotency **out);
/* Makes the topic if it is missing, and reads it. Keys are answered 503 until it is done. */
void idempotency_start(struct api_idempotency *i);
bool idempotency_is_ready(const struct api_idempotency *i);
void idempotency_tick(struct api_idempotency *i);
void idempotency_stop(struct api_idempotency *i);
void idempotency_destroy(struct api_idempotency *i);

/* Before the handler. False: answered (an answer again, in progress, another request, full). */
bool idempotency_enter(struct api_call *c);
/*
 * The record to be appended with the effect, behind all others; in the arena. `body` is a template;
 * parts are those of the append that its markers name. *has: false if the request has no key.
 * False: answered (the answer is too large to be kept, the table is full, or no memory).
 */
bool idempotency_part(struct api_call *c, const struct http_head *head, struct str body,
                      const struct engine_part *parts, size_t part_count, struct engine_part *out,
                      bool *has);
/* The same without an answer, for who answers in its own way; the request has a key. ERR_LIMIT: too
 * large to be kept. ERR_BUSY: the table is full (IDEMPOTENCY_FULL). ERR_NO_MEMORY. */
MUST_USE enum err idempotency_make(struct api_call *c, const struct http_head *head,
                                   struct str body, const struct engine_part *parts,
                                   size_t part_count, struct engine_part *out);
/* After the append: where it is (engine_append.position). */
void idempotency_done(struct api_call *c, uint64_t position);
/*
 * An effect that was there already: the answer is appended on its own, and given when it is kept.
 * Without a key it is given at once. `body` is JSON without markers; the buffer is taken.
 */
void idempotency_keep(struct api_call *c, const struct http_head *head, struct buf *body);
/* By every answer (answer.c): the key is known from now on, if its record was appended; else it is
 * free again. */
void idempotency_leave(struct api_call *c);

/* ---- Templates (template.c): JSON with markers that no JSON text can hold ----------------------
 */

/* A value: the offset of the part's first record plus `delta`. */
void template_offset(struct json_writer *w, size_t part, int64_t delta);
/* A value: the position of the append, as text. */
void template_position(struct json_writer *w);
/* base_offset -1 in a part: null stands for its offsets. False: no memory, or no such part. */
bool template_expand(struct str t, const struct engine_part *parts, size_t part_count,
                     uint64_t position, struct buf *out);

#endif
