/*
 * The metadata of an event as one struct, whatever carried it: CloudEvents 1.0 (headers of a Kafka
 * record `ce_*`, HTTP headers `ce-*`, a structured JSON event), the JSON envelopes that teams use
 * (eventId, eventType, data or payload, ...), a bare record. Read, completed, checked, written.
 *
 * What a client leaves out and can be derived is filled in by envelope_complete; what is malformed
 * is refused with the field's name as the client wrote it. Nothing is guessed: a value that is not
 * JSON is opaque data with no fields.
 *
 * Sources: CloudEvents 1.0.2, its Kafka, HTTP and JSON bindings, the distributed-tracing and
 * partitioning extensions; W3C Trace Context (Recommendation 2021-11-23).
 *
 * Pure functions over memory: strings are views into the input or lie in the arena.
 */
#ifndef LEAT_ENVELOPE_ENVELOPE_H
#define LEAT_ENVELOPE_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "record/record.h"
#include "json/json.h"

#define ENVELOPE_ID_MAX         128u /* bytes of id, correlation, causation, tenant */
#define ENVELOPE_TYPE_MAX       256u
#define ENVELOPE_SUBJECT_MAX    256u /* a stream's name fits */
#define ENVELOPE_OTHER_NAME_MAX 128u
#define ENVELOPE_OTHER_MAX      32u /* extension attributes that are kept as they are */

/* A null string: absent. */
struct envelope {
    struct str id;
    struct str type;
    struct str version; /* of the event's type: "3"; from dataversion, eventVersion, schemaVersion,
                           version, or the type's suffix ".v3" (the type keeps its suffix) */
    int64_t time_ns;    /* since 1970; INT64_MIN: absent */
    struct str source, subject;
    struct str correlation, causation;
    struct str traceparent, tracestate; /* valid ones only */
    struct str tenant;
    struct str content_type;
    struct str data_schema;
    /* Extension attributes that are none of the above, and members of the envelope's `metadata`. */
    size_t other_count;
    struct {
        struct str name, value;
    } other[ENVELOPE_OTHER_MAX]; /* beyond other_count: not cleared, not copied */
};
void envelope_init(struct envelope *e);
/* What there is of it: a fraction of the struct. */
void envelope_copy(struct envelope *to, const struct envelope *from);

/* What was found around the data. */
enum envelope_form {
    ENVELOPE_NONE,       /* no metadata: a bare record */
    ENVELOPE_BINARY,     /* ce_* headers; the value is the data */
    ENVELOPE_STRUCTURED, /* application/cloudevents+json */
    ENVELOPE_JSON,       /* a JSON envelope of a team: eventId/eventType and data or payload */
    ENVELOPE_NATIVE,     /* the short form of the native API (envelope_read_json only) */
};

/*
 * From a Kafka record: headers first (ce_*, content-type, traceparent, tracestate, correlation-id
 * and the like), then, if the value is a structured CloudEvent or a JSON envelope, what it says.
 * *data: the event's own data (the value, or `data`/`payload` inside it; a base64 body decoded).
 * A record without any of it is ENVELOPE_NONE with everything absent, but for what plain headers
 * say (content-type, traceparent, correlation-id, ...). What an event says of itself counts before
 * a plain header. A plain traceparent header that is not valid counts as absent, as W3C wants it;
 * one that the event itself carries is refused. ERR_MALFORMED names the field ("ce_time: '...' is
 * no RFC 3339 time").
 */
MUST_USE enum err envelope_read_record(const struct record *r, struct arena *a,
                                       struct envelope *out, struct str *data,
                                       enum envelope_form *form, struct ectx *ec);
/* What can be read of a record with headers ce_* that envelope_read_record refuses: those that are
 * malformed count as absent. The value is its data. */
void envelope_read_what_can(const struct record *r, struct arena *a, struct envelope *out);
/* Does the envelope write this header of a record itself: ce_NAME, content-type, traceparent,
 * tracestate, in any case? */
bool envelope_owns_header(struct str name);
/* Data whose content type promises JSON must be JSON; no data, and a content type that is absent,
 * promise nothing. `name`: what the client knows it as ("value", "the body"). ERR_MALFORMED,
 * ERR_NO_MEMORY. */
MUST_USE enum err envelope_check_data(const struct envelope *e, struct str data, const char *name,
                                      struct ectx *ec);
/* From a JSON object that a client sent over HTTP: a structured CloudEvent, a team's envelope, or
 * the short form of the native API ({"id", "type", "data", "meta", ...}). `at` names it in errors
 * ("events[3]"). *data is its raw JSON (or decoded data_base64). The members `stream`, `meta` (of a
 * CloudEvent: if it is an object, else it is an extension) and `tags` are the API's and are left
 * alone; objects that were not built (build_depth) are parsed
 * here. */
MUST_USE enum err envelope_read_json(const struct json *v, const char *at, struct arena *a,
                                     struct envelope *out, struct str *data,
                                     enum envelope_form *form, struct ectx *ec);
/* From the headers of an HTTP request: CloudEvents binary mode (ce-id, ce-type, ...; values are
 * percent-decoded, HTTP binding 3.1.3.2) and plain headers as those of a record. Other headers are
 * ignored. */
struct envelope_http {
    size_t count;
    struct {
        struct str name, value;
    } const *headers;
};
MUST_USE enum err envelope_read_http(const struct envelope_http *h, struct arena *a,
                                     struct envelope *out, struct ectx *ec);
/* Does it take something of a header with this name, beside the trace of the request? */
bool envelope_http_reads(struct str name);

/* What to fill in where it is absent. */
struct envelope_defaults {
    struct str id;     /* made by the caller (UUIDv7) */
    int64_t time_ns;   /* now */
    struct str source; /* "/leat/streams/order-42" */
    struct str subject;
    struct str traceparent; /* of the request that brought it */
    struct str content_type;
};
/* Fills in id, time, source, subject, traceparent, content type; the version from the type's
 * suffix; the correlation from id if there is none (an event that nothing caused begins one). */
void envelope_complete(struct envelope *e, const struct envelope_defaults *d);

/* As headers of a Kafka record, CloudEvents binary mode: ce_specversion first, then in a fixed
 * order. Returns how many were written to out; ENVELOPE_HEADERS_MAX is always enough. Times are
 * formatted into the arena. 0: no memory. */
#define ENVELOPE_HEADERS_MAX (16u + ENVELOPE_OTHER_MAX)
size_t envelope_write_headers(const struct envelope *e, struct arena *a,
                              struct record_header out[ENVELOPE_HEADERS_MAX]);
/* As members of a JSON object that is open in w, data aside. ENVELOPE_NATIVE: snake_case, the
 * others in `extensions`. ENVELOPE_STRUCTURED: those of a CloudEvent. ENVELOPE_JSON: those of a
 * team's envelope, the others in `metadata`. envelope_read_json reads each back to the same. */
void envelope_write_members(const struct envelope *e, enum envelope_form form,
                            struct json_writer *w);

/* ---- Times and trace context
 * ------------------------------------------------------------------- */

/* RFC 3339, with up to nine digits of a second; any offset. False: it is not one. */
bool time_parse_rfc3339(struct str s, int64_t *ns);
/* The same as people write it: the seconds may be left out ("2026-02-11T14:00Z"). */
bool time_parse_moment(struct str s, int64_t *ns);
/* "2026-02-11T14:00:00.123Z": UTC, as many digits as needed of 0, 3, 6, 9. */
#define TIME_TEXT_SIZE 36u
size_t time_format_rfc3339(int64_t ns, char out[TIME_TEXT_SIZE]);
/* "30s", "1h30m", "500ms", "PT30S": a duration (reference: humantime and ISO 8601). */
bool duration_parse(struct str s, uint64_t *ns);

/* Is data of this content type JSON: application/json, text/json, or a suffix +json, in any case?
 * An absent one is (the native API's default). */
bool media_is_json(struct str content_type);

/* W3C traceparent: version, ids not zero, lower-case hex; a higher version may be longer. */
bool traceparent_valid(struct str s);
/* Printable ASCII of at most 512 bytes: all that is checked of a tracestate. */
bool tracestate_valid(struct str s);

#endif
