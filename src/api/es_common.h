/* What the resources of the event store share: expectations, problems, pages of events. */
#ifndef LEAT_API_ES_COMMON_H
#define LEAT_API_ES_COMMON_H

#include "api/api_int.h"
#include "api/event_json.h"

#define ES_PAGE_DEFAULT   500u
#define ES_PAGE_MAX       10000u
#define ES_PAGE_BYTES     (8u * 1024 * 1024)
#define ES_ANSWER_BYTES   (64u * 1024 * 1024)
#define ES_SCAN_MAX       20000u
#define ES_MEMBERS_BYTES  (64u * 1024)
#define ES_ETAG_SIZE      40u
#define ES_LIVE_HEARTBEAT 15000000000ull

/*
 * What the request expects of the stream: If-Match: "r5", If-Match: * (exists), If-None-Match: *
 * (does not exist), the query parameter `expected`, or the body's member. At most one of them.
 * *by_header: its failure is a 412, else a 409. False: answered.
 */
bool es_expected_get(struct api_call *c, const struct json *body, struct es_expected *out,
                     bool *given, bool *by_header);
/* "r5" with its quotes. */
struct str es_etag(uint64_t revision, char out[ES_ETAG_SIZE]);
/* Answers with a problem of the event store; members as buf_str (may be empty). */
void es_reply_problem(struct api_call *c, enum es_problem p, int status, const struct ectx *ec,
                      struct str members);
/* The code of the problem: of ES_FAILED and ES_INVALID it is that of the error. */
const char *es_code_of(enum es_problem p, const struct ectx *ec);
/* The members of a conflict: which stream, what was expected, what is there. */
void es_conflict_write(struct json_writer *w, struct str stream, const struct es_expected *expected,
                       enum es_state state, bool exists, uint64_t actual);
/* The event store is there and ready; else answered. */
bool es_get(struct api_call *c, struct es **out);
/* The request's arena holds the largest event, and once more what is made of it: one event is
 * always shown. */
void es_arena_widen(struct api_call *c);
/* A moment of `at`: a revision or a time. *revision UINT64_MAX: not given. False: answered. */
bool es_moment_get(struct api_call *c, uint64_t *revision, int64_t *until_ns);
/* `form` of events: native (the default), cloudevents, envelope. False: answered. */
bool es_form_get(struct api_call *c, enum envelope_form *form);
#define ES_FORM_PARAM                                                                       \
    {                                                                                       \
        "form", API_QUERY, API_STRING, false, "native",                                     \
            "How events are written: native, cloudevents (structured), envelope (eventId, " \
            "eventType, ...)."                                                              \
    }
#define ES_STORE_PARAM                                                                           \
    {                                                                                            \
        "store", API_QUERY, API_STRING, false, "default",                                        \
            "The scope of positions: default is the whole log of this server, where a position " \
            "is one place in one order of all events. On Kafka a position is a vector (an "      \
            "offset for each partition), and all events have no total order."                    \
    }
/* category, type (list), tag (list), store. */
bool es_filter_get(struct api_call *c, struct es_filter *out);
void es_info_write(struct json_writer *w, struct str stream, const struct es_stream_info *info);
/* A member `snapshot`, on one line. */
void events_write_snapshot(struct json_writer *w, const struct es_snapshot *s);
/* event_lines.c: answers with all pages as NDJSON, or with `limit` events of the read if limited.
 */
void events_lines_of_stream(struct api_call *c, struct es *es, const struct es_read_stream *range,
                            enum envelope_form form, bool limited);
void events_lines_of_all(struct api_call *c, struct es *es, const struct es_read_all *range,
                         enum envelope_form form, bool limited);

#endif
