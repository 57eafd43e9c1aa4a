/*
 * A view of bytes with a length: not NUL-terminated, not owned, passed by value. `p == NULL` is the
 * null string of the Kafka protocol (distinct from the empty one). Print with "%.*s", STR(s).
 */
#ifndef LEAT_CORE_STR_H
#define LEAT_CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(s)       (int)(s).n, (s).p
#define STR_LIT(lit) ((struct str){(lit), sizeof(lit) - 1})
#define STR_NULL     ((struct str){NULL, 0})

static inline struct str str_of(const char *z)
{
    return (struct str){z, z == NULL ? 0 : strlen(z)};
}
static inline struct str str_make(const void *p, size_t n)
{
    return (struct str){(const char *)p, n};
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool str_eq_z(struct str a, const char *z)
{
    return str_eq(a, str_of(z));
}
static inline bool str_is_null(struct str s)
{
    return s.p == NULL;
}

int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
struct str str_trim(struct str s); /* without ASCII white space at both ends */
/* The part before the first `sep` (all of it if there is none); `*rest` is what follows. */
struct str str_cut(struct str s, char sep, struct str *rest);
/* Whole-string decimal numbers; false (and *out untouched) on anything else, overflow included. */
bool str_to_i64(struct str s, int64_t *out);
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_f64(struct str s, double *out);
/* A number as decimal digits, which lie at the end of `room`. */
#define STR_U64_MAX 20
struct str str_of_u64(uint64_t v, char room[STR_U64_MAX]);
/* A heap copy with a NUL added; NULL when out of memory. Free with mem_free. */
char *str_dup_z(struct str s);

#endif
