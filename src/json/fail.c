/* Errors with their place in the text. Nothing here runs for good texts. */
#include <stdio.h>

#include "core/utf8.h"
#include "json/json_int.h"
#include "json/parse_int.h"

void json_line_column(struct str text, size_t at, size_t *line, size_t *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < at && i < text.n; i++) {
        if (text.p[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text.p[i] & 0xC0) != 0x80) {
            ++*column;
        }
    }
}

MUST_USE enum err json_fail_at(struct str text, size_t at, const char *what, struct ectx *ec)
{
    size_t line, column;
    json_line_column(text, at, &line, &column);
    return ectx_fail(ec, ERR_MALFORMED, "JSON line %zu, column %zu: %s", line, column, what);
}

MUST_USE enum err json_fail_expected(struct str text, size_t at, const char *expected,
                                     struct ectx *ec)
{
    char what[96];
    unsigned char c = at < text.n ? (unsigned char)text.p[at] : 0;
    if (at >= text.n) {
        (void)snprintf(what, sizeof(what), "expected %s, but the text ends", expected);
    } else if (c > 0x20 && c < 0x7F) {
        (void)snprintf(what, sizeof(what), "expected %s, found '%c'", expected, c);
    } else {
        (void)snprintf(what, sizeof(what), "expected %s, found the byte 0x%02x", expected, c);
    }
    return json_fail_at(text, at, what, ec);
}

MUST_USE enum err json_fail_deep(struct str text, size_t at, uint32_t depth_max, struct ectx *ec)
{
    size_t line, column;
    json_line_column(text, at, &line, &column);
    return ectx_fail(ec, ERR_LIMIT, "JSON line %zu, column %zu: nested deeper than %u", line,
                     column, depth_max);
}

/* Bytes of the character that begins with c, by its first byte alone. */
static size_t character_size(unsigned char c)
{
    return c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

MUST_USE enum err json_fail_scan(struct str text, struct ectx *ec)
{
    bool in_string = false;
    size_t string_at = 0;
    for (size_t i = 0; i < text.n;) {
        unsigned char c = (unsigned char)text.p[i];
        size_t size = character_size(c);
        if (size > text.n - i || !utf8_valid(str_make(text.p + i, size))) {
            return json_fail_at(text, i, "no valid UTF-8", ec);
        }
        if (in_string && c < 0x20) {
            return json_fail_at(text, i, "a control character in a string must be escaped", ec);
        }
        if (in_string && c == '\\' && i + 1 < text.n) {
            unsigned char next = (unsigned char)text.p[i + 1];
            if (next >= 0x80) {
                return json_fail_at(text, i, "there is no such escape", ec);
            }
            size = next >= 0x20 ? 2 : 1;
        } else if (c == '"') {
            in_string = !in_string;
            string_at = i;
        }
        i += size;
    }
    if (in_string) {
        return json_fail_at(text, string_at, "the string that begins here has no end", ec);
    }
    return json_fail_expected(text, text.n, "a value", ec); /* nothing but white space */
}
