/* W3C Trace Context (Recommendation 2021-11-23): is this a traceparent, a tracestate? */
#include "envelope/envelope.h"
#include "envelope/envelope_int.h"

#define TRACEPARENT_SIZE 55u /* "00-" 32 "-" 16 "-" 2 */
#define TRACESTATE_MAX   512u

/* `n` lower-case hexadecimal digits at `at`, and not all zero if `zero` is false. */
static bool hex_at(struct str s, size_t at, size_t n, bool zero)
{
    for (size_t i = at; i < at + n; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        zero = zero || c != '0';
    }
    return zero;
}

bool traceparent_valid(struct str s)
{
    if (s.n < TRACEPARENT_SIZE || !hex_at(s, 0, 2, true) || s.p[2] != '-' ||
        !hex_at(s, 3, 32, false) || s.p[35] != '-' || !hex_at(s, 36, 16, false) || s.p[52] != '-' ||
        !hex_at(s, 53, 2, true)) {
        return false;
    }
    struct str version = str_make(s.p, 2);
    if (str_eq_z(version, "ff")) {
        return false;
    }
    /* A version that is not known yet may say more, after another dash. */
    return s.n == TRACEPARENT_SIZE ||
           (!str_eq_z(version, "00") && s.p[TRACEPARENT_SIZE] == '-' && s.n <= TRACESTATE_MAX);
}

bool tracestate_valid(struct str s)
{
    if (s.n == 0 || s.n > TRACESTATE_MAX) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if ((s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] > 0x7E) {
            return false;
        }
    }
    return true;
}
