/*
 * Positions as text. Clients get them and give them back; what is inside is ours alone ("p:" and 24
 * hexadecimal digits: commit position and index in the batch), so that it may change when there is
 * more than one shard. Fixed width: as text they sort as they do in the log, which helps a person
 * who looks at them. One position has one text: anything else is refused, so that nobody begins to
 * make his own.
 */
#include "es/es.h"

enum { COMMIT_DIGITS = 16, INDEX_DIGITS = 8, POSITION_CHARS = 2 + COMMIT_DIGITS + INDEX_DIGITS };
_Static_assert((unsigned)POSITION_CHARS < ES_POSITION_TEXT, "a NUL fits behind it");

static void hex_format(uint64_t v, unsigned digits, char *out)
{
    for (unsigned i = digits; i-- > 0; v >>= 4) {
        out[i] = "0123456789abcdef"[v & 15];
    }
}

static bool hex_parse(const char *p, unsigned digits, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < digits; i++) {
        unsigned digit;
        if (p[i] >= '0' && p[i] <= '9') {
            digit = (unsigned)(p[i] - '0');
        } else if (p[i] >= 'a' && p[i] <= 'f') {
            digit = (unsigned)(p[i] - 'a') + 10;
        } else {
            return false;
        }
        v = v << 4 | digit;
    }
    *out = v;
    return true;
}

size_t es_position_format(struct es_position p, char out[ES_POSITION_TEXT])
{
    out[0] = 'p';
    out[1] = ':';
    hex_format(p.commit, COMMIT_DIGITS, out + 2);
    hex_format(p.index, INDEX_DIGITS, out + 2 + COMMIT_DIGITS);
    out[POSITION_CHARS] = '\0';
    return POSITION_CHARS;
}

bool es_position_parse(struct str s, struct es_position *out)
{
    uint64_t commit, index;
    if (s.n != POSITION_CHARS || s.p[0] != 'p' || s.p[1] != ':' ||
        !hex_parse(s.p + 2, COMMIT_DIGITS, &commit) ||
        !hex_parse(s.p + 2 + COMMIT_DIGITS, INDEX_DIGITS, &index)) {
        return false;
    }
    *out = (struct es_position){.commit = commit, .index = (uint32_t)index};
    return true;
}

int es_position_cmp(struct es_position a, struct es_position b)
{
    if (a.commit != b.commit) {
        return a.commit < b.commit ? -1 : 1;
    }
    return a.index == b.index ? 0 : a.index < b.index ? -1 : 1;
}
