/*
 * Events of the event store as the native API writes and reads them. One form everywhere: pages,
 * NDJSON, server-sent events, snapshots' tails.
 */
#ifndef LEAT_API_EVENT_JSON_H
#define LEAT_API_EVENT_JSON_H

#include "core/arena.h"
#include "core/buf.h"
#include "es/es.h"
#include "json/json.h"

/*
 * {"stream","revision","position","id","type",...,"data" or "data_base64","meta","tags"}; a
 * redacted event has "redacted": true, one whose record is malformed "metadata_error". In its
 * newest form: a split event is several, one after the other. One that cannot be brought there is
 * written as it is stored, with "upcast_error". `a`: for the time of the call. `form`: of its
 * metadata (envelope_write_members). `after`: put behind each ("\n" for NDJSON; else 0).
 */
void event_write(struct json_writer *w, struct es *es, const struct es_event *e,
                 enum envelope_form form, struct arena *a, char after);
/* As it is stored. */
void event_write_stored(struct json_writer *w, const struct es_event *e, enum envelope_form form);

/*
 * An event of a request. `stream` null: it must be a member of the event (multi-stream append).
 * `at` names it in errors ("events[3]"). Data: member `data` (raw JSON), `data_base64`, or what an
 * envelope carries. ERR_MALFORMED, ERR_LIMIT, ERR_NO_MEMORY.
 */
MUST_USE enum err event_read(const struct json *v, struct str stream, const char *at,
                             struct arena *a, struct es_new_event *out, struct ectx *ec);

/* "expected": a revision, or "no_stream", "exists", "any". */
MUST_USE enum err event_expected_read(const struct json *v, struct es_expected *out,
                                      struct ectx *ec);
/* "checks" of an append. */
MUST_USE enum err event_checks_read(const struct json *v, struct arena *a, struct es_check **out,
                                    size_t *count, struct ectx *ec);
/* A list of texts; absent: none. */
MUST_USE enum err event_texts_read(const struct json *v, const char *name, size_t max,
                                   struct arena *a, struct str **out, size_t *count,
                                   struct ectx *ec);
void event_position_write(struct json_writer *w, const char *name, struct es_position p);

#endif
