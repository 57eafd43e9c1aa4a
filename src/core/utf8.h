/* UTF-8 validation (RFC 3629) and escaping for logs and terminals. */
#ifndef LEAT_CORE_UTF8_H
#define LEAT_CORE_UTF8_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/str.h"

bool utf8_valid(struct str s);
/* Nothing but characters from blank to tilde; the empty string too. */
bool utf8_printable_ascii(struct str s);
/* Appends `s` with control characters and invalid bytes as \xNN, so that nothing a peer sends can
 * move a terminal's cursor or forge a log line. */
void utf8_escape(struct buf *b, struct str s);
/* `s` is the inside of a JSON string as it stands: printable ASCII without quotes and backslashes.
 */
bool utf8_json_plain(struct str s);
/* Appends `s` as the inside of a JSON string (RFC 8259): quotes, backslash, control characters
 * escaped; invalid UTF-8 becomes U+FFFD. */
void utf8_json_escape(struct buf *b, struct str s);

#endif
