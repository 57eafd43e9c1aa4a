/* Durations as people write them: "1h30m" (humantime) or "PT1H30M" (ISO 8601, without years and
 * months, which have no fixed length). */
#include "envelope/envelope.h"

#define SECOND UINT64_C(1000000000)

struct unit {
    const char *name;
    uint64_t ns;
};

static const struct unit units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", SECOND},
    {"m", 60 * SECOND},
    {"min", 60 * SECOND},
    {"h", 3600 * SECOND},
    {"d", 86400 * SECOND},
    {"w", 7 * 86400 * SECOND},
};
/* In their only order; those before T, then those after it. */
static const struct unit iso_units[] = {
    {"W", 7 * 86400 * SECOND}, {"D", 86400 * SECOND}, {"H", 3600 * SECOND},
    {"M", 60 * SECOND},        {"S", SECOND},
};
#define ISO_TIME 2u /* index of the first after T */

static bool take_digits(struct str *s, uint64_t *out)
{
    size_t n = 0;
    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9') {
        n++;
    }
    if (!str_to_u64(str_make(s->p, n), out)) {
        return false;
    }
    s->p += n;
    s->n -= n;
    return true;
}

static bool add(uint64_t *total, uint64_t count, uint64_t unit)
{
    uint64_t ns;
    return !__builtin_mul_overflow(count, unit, &ns) && !__builtin_add_overflow(*total, ns, total);
}

/* "PT1.5S": the fraction of a second, up to nine digits. */
static bool take_fraction(struct str *s, uint64_t *ns)
{
    uint64_t v = 0, unit = SECOND;
    while (s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9' && unit > 1) {
        unit /= 10;
        v += (uint64_t)(s->p[0] - '0') * unit;
        s->p++;
        s->n--;
    }
    *ns = v;
    return unit < SECOND && s->n == 1 && s->p[0] == 'S';
}

static bool parse_iso(struct str s, uint64_t *out)
{
    uint64_t total = 0, count, fraction = 0;
    size_t next = 0; /* the first unit that may still come */
    bool time = false, any = false;
    while (s.n > 0) {
        if (s.p[0] == 'T' && !time) {
            time = true;
            any = false; /* something must follow */
            next = next > ISO_TIME ? next : ISO_TIME;
            s.p++;
            s.n--;
            continue;
        }
        if (!take_digits(&s, &count) || s.n == 0) {
            return false;
        }
        if (s.p[0] == '.') {
            s.p++;
            s.n--;
            if (!time || !take_fraction(&s, &fraction)) {
                return false;
            }
        }
        size_t limit = time ? ARRAY_LEN(iso_units) : ISO_TIME;
        while (next < limit && iso_units[next].name[0] != s.p[0]) {
            next++;
        }
        if (next >= limit || !add(&total, count, iso_units[next].ns) || !add(&total, fraction, 1)) {
            return false;
        }
        next++;
        any = true;
        s.p++;
        s.n--;
    }
    *out = total;
    return any;
}

bool duration_parse(struct str s, uint64_t *ns)
{
    uint64_t total = 0, count;
    if (s.n > 0 && s.p[0] == 'P') {
        return parse_iso(str_make(s.p + 1, s.n - 1), ns);
    }
    if (s.n == 0) {
        return false;
    }
    while (s.n > 0) {
        if (!take_digits(&s, &count)) {
            return false;
        }
        size_t n = 0;
        while (n < s.n && s.p[n] >= 'a' && s.p[n] <= 'z') {
            n++;
        }
        struct str name = str_make(s.p, n);
        const struct unit *found = NULL;
        for (size_t i = 0; i < ARRAY_LEN(units) && found == NULL; i++) {
            found = str_eq_z(name, units[i].name) ? &units[i] : NULL;
        }
        if (found == NULL || !add(&total, count, found->ns)) {
            return false;
        }
        s.p += n;
        s.n -= n;
        while (s.n > 1 && s.p[0] == ' ') { /* "1h 30m" */
            s.p++;
            s.n--;
        }
    }
    *ns = total;
    return true;
}
