/* What the files of the room share: the library's scan, and the checks of single tokens. */
#ifndef LEAT_JSON_JSON_INT_H
#define LEAT_JSON_JSON_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum json_scan {
    JSON_SCAN_OK,
    JSON_SCAN_BAD,      /* no UTF-8, a control character in a string, a string without its end */
    JSON_SCAN_NO_MEMORY /* the library's own, some hundred bytes */
};
/* Entries that the library may write for a text of n bytes. */
#define JSON_SCAN_ENTRIES(n) ((((n) + 63) / 64) * 64 + 64)
/*
 * Where the tokens begin: the places of { } [ ] : , and of the first byte of each string, number
 * and word outside strings, rising. 0 < n <= JSON_TEXT_MAX; reads these bytes and no others.
 */
enum json_scan json_scan(const char *p, size_t n, uint32_t *index, uint32_t *count);

#ifdef __cplusplus
}
#else

#include "core/str.h"

/* RFC 8259, section 6. */
bool json_number_ok(struct str s);
/* The inside of a string whose bytes json_scan has accepted: are its escapes good? *decoded_n: how
 * many bytes it has when they are decoded. *bad_at, if not: where. */
bool json_escapes_ok(struct str inside, size_t *decoded_n, size_t *bad_at, const char **why);
/* Decodes good escapes into `out`, which has room for decoded_n bytes. */
void json_unescape(struct str inside, char *out);

#endif
#endif
