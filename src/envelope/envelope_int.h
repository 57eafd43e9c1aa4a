/* The table of the fields, from which everything here is read and written, and what the files of
 * the room share. docs/events.md shows the table. */
#ifndef LEAT_ENVELOPE_ENVELOPE_INT_H
#define LEAT_ENVELOPE_ENVELOPE_INT_H

#include "envelope/envelope.h"

enum field {
    FIELD_ID,
    FIELD_TYPE,
    FIELD_VERSION,
    FIELD_TIME,
    FIELD_SOURCE,
    FIELD_SUBJECT,
    FIELD_CORRELATION,
    FIELD_CAUSATION,
    FIELD_TRACEPARENT,
    FIELD_TRACESTATE,
    FIELD_TENANT,
    FIELD_CONTENT_TYPE,
    FIELD_DATA_SCHEMA,
    FIELD_COUNT,
    FIELD_NONE = FIELD_COUNT
};

enum field_kind { KIND_TEXT, KIND_TIME, KIND_TRACEPARENT, KIND_TRACESTATE };

#define FIELD_NAMES_MAX 6u /* with the NULL at the end */
struct field_row {
    enum field_kind kind;
    size_t offset; /* of the struct str; KIND_TIME: of time_ns */
    uint32_t max;  /* bytes */
    bool required; /* may be absent, but not empty */
    bool number;   /* a JSON number is taken as its digits */
    /* What it is called: the first is also how it is written; of several that are there the first
     * counts. */
    const char *members[FIELD_NAMES_MAX];    /* of the native API's JSON */
    const char *attributes[FIELD_NAMES_MAX]; /* of CloudEvents: ce_X, ce-X, member X */
    const char *team[FIELD_NAMES_MAX];       /* of a team's JSON envelope, and of its metadata */
    const char *headers[FIELD_NAMES_MAX];    /* plain headers, in any case */
    const char *derived;                     /* for docs/events.md: where from, if it is absent */
};
extern const struct field_row envelope_fields[FIELD_COUNT];

/* The field that this name means in a list, and its rank there; FIELD_NONE. */
enum name_list { NAMES_MEMBERS, NAMES_ATTRIBUTES, NAMES_TEAM, NAMES_HEADERS };
enum field field_find(enum name_list list, struct str name, bool any_case, size_t *rank);
/* The same for a header of a record, in any case: an attribute (without ce_), or a plain one. Those
 * that we write are found at once. *at: where to look first; 0 at the first header of a record. */
enum field field_of_header(bool attribute, struct str name, size_t *at);

/* Of a field that is text. */
struct str *field_str(struct envelope *e, enum field f);
const struct str *field_view(const struct envelope *e, enum field f);
bool field_absent(const struct envelope *e, enum field f);

/* One event as it is read. */
struct reading {
    const char *at; /* where it is, for errors: "events[3]"; "" */
    enum envelope_form form;
    bool api;     /* members of the API around it are not the event's */
    bool forgive; /* what is malformed counts as absent (headers of a record) */
    bool strict;  /* extensions without control characters: not of what may be stored already */
    struct arena *arena;
    struct ectx *ec;
};

/* Puts a value into its field after checking it. `name` is what the client wrote, for errors. An
 * empty value that is not required counts as absent. */
MUST_USE enum err field_set(const struct reading *r, struct envelope *e, enum field f,
                            struct str value, struct str name);
/* One more extension attribute; `written`: what the client called it. */
MUST_USE enum err other_add(const struct reading *r, struct envelope *e, struct str name,
                            struct str value, struct str written);
/* "events[3].type: WHAT"; long names are cut. */
PRINTF_LIKE(3, 4)
enum err field_fail(const struct reading *r, struct str name, const char *fmt, ...);
/* What holds between fields, after all are read. */
void fields_settle(struct envelope *e);

/* An object whose members are built, in the form of the reading. */
MUST_USE enum err read_object(const struct reading *r, const struct json *v, struct envelope *e,
                              struct str *data);
/* What an object says it is: STRUCTURED, JSON, or NONE. */
enum envelope_form form_of(const struct json *v);

/* Is it this media type, whatever its parameters? */
bool media_is(struct str content_type, const char *type);
/* Are the bytes events with their metadata (structured mode, batches)? */
bool media_is_cloudevents(struct str content_type);

#endif
