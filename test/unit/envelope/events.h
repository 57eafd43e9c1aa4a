/* What the tests of events share: records with headers, and an envelope as text. */
#ifndef LEAT_TEST_UNIT_ENVELOPE_EVENTS_H
#define LEAT_TEST_UNIT_ENVELOPE_EVENTS_H

#include "core/buf.h"
#include "envelope/envelope.h"

#define EVENT_HEADERS_MAX 64u

/* Headers in the form of a record; the buffer is the caller's and must outlive the record. */
struct record event_record(struct buf *b, const struct record_header *headers, size_t count,
                           struct str value);
/* The members that the native API would show, as one JSON object; compared as a string. */
const char *event_text(struct buf *b, const struct envelope *e);
const char *event_text_as(struct buf *b, const struct envelope *e, enum envelope_form form);
const char *event_form_name(enum envelope_form form);

#endif
