/*
 * Base64 (RFC 4648), with padding. Decoding is strict: one text for each run of bytes; another
 * character, missing or wrong padding, bits that are not zero behind the end are refused.
 */
#ifndef LEAT_CORE_BASE64_H
#define LEAT_CORE_BASE64_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"

/* The standard alphabet (section 4). Appends the text; errors are the buffer's. */
void base64_encode(struct buf *out, struct str bytes);
/* Appends the bytes. False, and nothing appended: not base64, or no memory. */
bool base64_decode(struct buf *out, struct str text);

/* The alphabet for URLs (section 5), into the arena. Null: no memory. */
struct str base64url_encode(struct str bytes, struct arena *a);
/* False: not base64, or no memory. */
bool base64url_decode(struct str text, struct arena *a, struct str *out);

#endif
