/*
 * Answers with places that are filled in later. A marker begins and ends with the byte 1, which
 * JSON text never holds (the writer escapes it): \1 p \1 is the position, \1 o PART + DELTA \1 an
 * offset.
 */
#include <stdio.h>

#include "api/idempotency.h"

#define MARK '\1'

void template_offset(struct json_writer *w, size_t part, int64_t delta)
{
    char text[64];
    const int n = snprintf(text, sizeof(text), "%co%zu+%lld%c", MARK, part, (long long)delta, MARK);
    json_write_raw(w, str_make(text, (size_t)n));
}

void template_position(struct json_writer *w)
{
    json_write_raw(w, STR_LIT("\1p\1"));
}

static bool put_marker(struct str m, const struct engine_part *parts, size_t part_count,
                       uint64_t position, struct buf *out)
{
    if (str_eq_z(m, "p")) {
        char text[ES_POSITION_TEXT];
        const struct es_position p = {.commit = position};
        buf_put_u8(out, '"');
        buf_put(out, text, es_position_format(p, text));
        buf_put_u8(out, '"');
        return true;
    }
    struct str delta_text;
    uint64_t part;
    int64_t delta;
    if (m.n < 2 || m.p[0] != 'o' ||
        !str_to_u64(str_cut(str_make(m.p + 1, m.n - 1), '+', &delta_text), &part) ||
        !str_to_i64(delta_text, &delta) || part >= part_count) {
        return false;
    }
    if (parts[part].base_offset < 0) {
        buf_put_z(out, "null");
    } else {
        buf_printf(out, "%lld", (long long)(parts[part].base_offset + delta));
    }
    return true;
}

bool template_expand(struct str t, const struct engine_part *parts, size_t part_count,
                     uint64_t position, struct buf *out)
{
    struct str rest = t;
    while (rest.n > 0) {
        struct str after;
        buf_put_str(out, str_cut(rest, MARK, &after));
        if (str_is_null(after)) {
            break;
        }
        const struct str marker = str_cut(after, MARK, &rest);
        if (str_is_null(rest) || !put_marker(marker, parts, part_count, position, out)) {
            return false;
        }
    }
    return !buf_failed(out);
}
