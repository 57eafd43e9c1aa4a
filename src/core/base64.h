/* Base64 (RFC 4648 section 4): the standard alphabet, with padding. */
#ifndef LEAT_CORE_BASE64_H
#define LEAT_CORE_BASE64_H

#include "core/buf.h"
#include "core/str.h"

/* Appends the text; errors are the buffer's. */
void base64_encode(struct buf *out, struct str bytes);
/* Appends the bytes. False, and nothing appended: not base64 (another character, missing or wrong
 * padding, bits that are not zero behind the end), or no memory. */
bool base64_decode(struct buf *out, struct str text);

#endif
