/* What parse.c asks of its neighbours: messages with a place, and the check of names. */
#ifndef LEAT_JSON_PARSE_INT_H
#define LEAT_JSON_PARSE_INT_H

#include "json/json.h"

/* Line and column (in characters) of a byte of the text, both from 1. */
void json_line_column(struct str text, size_t at, size_t *line, size_t *column);
/* "line 3, column 7: expected ',' or '}', found 'x'" */
MUST_USE enum err json_fail_expected(struct str text, size_t at, const char *expected,
                                     struct ectx *ec);
MUST_USE enum err json_fail_at(struct str text, size_t at, const char *what, struct ectx *ec);
MUST_USE enum err json_fail_deep(struct str text, size_t at, uint32_t depth_max, struct ectx *ec);
/* Says what the library's scan did not like. */
MUST_USE enum err json_fail_scan(struct str text, struct ectx *ec);

/* ERR_MALFORMED: two members of this object have one name. Takes O(n log n). */
MUST_USE enum err json_names_differ(struct str text, const struct json *object, struct arena *a,
                                    struct ectx *ec);

#endif
