/* The functions of expressions: of times, texts and numbers. A failure names the part that failed.
 */
#include <math.h>
#include <string.h>

#include "core/compiler.h"
#include "mapping/mapping_int.h"

#define NS_A_DAY   (86400ll * 1000000000)
#define NS_AN_HOUR (3600ll * 1000000000)
#define DIGITS_MAX 12     /* of round(): beyond it a double has none to spare */
#define EXACT_END  0x1p53 /* from here on doubles have no digits behind the point */

static int cut(struct str s)
{
    return (int)(s.n > 80 ? 80 : s.n);
}
static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for the values of one event");
}

/* Days since 1970 to a date (proleptic Gregorian; Howard Hinnant's civil_from_days). */
static void civil(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

static enum err time_part(const struct node *n, const struct mapping_scope *s,
                          struct mapping_value *v, struct ectx *ec)
{
    int64_t ns = 0;
    if (v->kind == MAPPING_TEXT
            ? !time_parse_rfc3339(v->text, &ns)
            : v->kind != MAPPING_INT || __builtin_mul_overflow(v->integer, 1000000, &ns)) {
        return ectx_fail(ec, ERR_MALFORMED,
                         "%.*s is no time (RFC 3339 text, or milliseconds since 1970)",
                         cut(n->a->source), n->a->source.p);
    }
    int64_t days = ns / NS_A_DAY - (ns % NS_A_DAY < 0);
    int64_t hour = (ns - days * NS_A_DAY) / NS_AN_HOUR;
    int64_t year;
    unsigned month;
    unsigned day;
    civil(days, &year, &month, &day);
    struct str text =
        n->op == FN_DATE ? arena_printf(s->arena, "%04lld-%02u-%02u", (long long)year, month, day)
        : n->op == FN_MONTH ? arena_printf(s->arena, "%04lld-%02u", (long long)year, month)
                            : arena_printf(s->arena, "%04lld-%02u-%02uT%02lld", (long long)year,
                                           month, day, (long long)hour);
    *v = (struct mapping_value){.kind = MAPPING_TEXT, .text = text};
    return str_is_null(text) ? no_memory(ec) : ERR_OK;
}

static enum err letter_case(const struct node *n, const struct mapping_scope *s,
                            struct mapping_value *v, struct ectx *ec)
{
    if (v->kind != MAPPING_TEXT) {
        return ectx_fail(ec, ERR_MALFORMED, "%.*s is %s, and text is needed", cut(n->a->source),
                         n->a->source.p, mapping_kind_name(v->kind));
    }
    char *text = arena_alloc(s->arena, v->text.n + 1);
    if (text == NULL) {
        return no_memory(ec);
    }
    for (size_t i = 0; i < v->text.n; i++) { /* ASCII letters only, whatever the locale */
        char c = v->text.p[i];
        bool upper = n->op == FN_UPPER;
        text[i] = upper && c >= 'a' && c <= 'z'    ? (char)(c - 32)
                  : !upper && c >= 'A' && c <= 'Z' ? (char)(c + 32)
                                                   : c;
    }
    v->text = str_make(text, v->text.n);
    return ERR_OK;
}

static enum err to_number(const struct node *n, struct mapping_value *v, struct ectx *ec)
{
    struct mapping_value r = *v;
    if (v->kind == MAPPING_TEXT) {
        if (str_to_i64(v->text, &r.integer)) {
            r.kind = MAPPING_INT;
        } else if (mapping_is_whole(v->text)) {
            return ectx_fail(ec, ERR_MALFORMED, "%.*s does not fit into 64 bits", cut(n->source),
                             n->source.p);
        } else if (str_to_f64(v->text, &r.real) && isfinite(r.real)) {
            r.kind = MAPPING_REAL;
        }
    } else if (v->kind == MAPPING_BOOL) {
        r = (struct mapping_value){.kind = MAPPING_INT, .integer = v->boolean};
    }
    enum err e = mapping_need_number(n->a, &r, ec);
    if (e == ERR_OK && n->op == FN_INT && r.kind == MAPPING_REAL) {
        if (!(r.real >= -MAPPING_WHOLE_END && r.real < MAPPING_WHOLE_END)) {
            return ectx_fail(ec, ERR_MALFORMED, "%.*s does not fit into 64 bits", cut(n->source),
                             n->source.p);
        }
        r = (struct mapping_value){.kind = MAPPING_INT, .integer = (int64_t)r.real};
    }
    *v = r;
    return e;
}

static enum err round_to(const struct node *n, const struct mapping_value *digits,
                         struct mapping_value *v, struct ectx *ec)
{
    enum err e = mapping_need_number(n->a, v, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (digits->kind != MAPPING_INT || digits->integer < 0 || digits->integer > DIGITS_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, "%.*s: digits must be a whole number from 0 to %d",
                         cut(n->source), n->source.p, DIGITS_MAX);
    }
    double scale = pow(10, (double)digits->integer);
    if (v->kind == MAPPING_REAL && fabs(v->real * scale) < EXACT_END) { /* else it is round */
        v->real = round(v->real * scale) / scale + 0.0;                 /* -0 becomes 0 */
    }
    return ERR_OK;
}

static enum err length_of(const struct node *n, const struct mapping_scope *s,
                          struct mapping_value *v, struct ectx *ec)
{
    const struct json_limits limits = {.build_depth = 1, .allow_same_names = true};
    const struct json *json = mapping_json_of(n->a, s);
    int64_t count = 0;
    if (v->kind == MAPPING_JSON && json == NULL) { /* of a row, or chosen by ?? */
        struct json *parsed;
        enum err e = json_parse(v->text, &limits, s->arena, &parsed, ec);
        if (e != ERR_OK) {
            return e == ERR_NO_MEMORY ? no_memory(ec) : ERR_MALFORMED;
        }
        json = parsed;
    }
    if (v->kind == MAPPING_TEXT) { /* characters: bytes that begin one */
        for (size_t i = 0; i < v->text.n; i++) {
            count += ((unsigned char)v->text.p[i] & 0xc0) != 0x80;
        }
    } else if (v->kind == MAPPING_JSON) {
        count = json->count;
    } else if (v->kind != MAPPING_NULL) {
        return ectx_fail(ec, ERR_MALFORMED, "%.*s is %s, and text, an array or object is needed",
                         cut(n->a->source), n->a->source.p, mapping_kind_name(v->kind));
    }
    *v = (struct mapping_value){.kind = MAPPING_INT, .integer = count};
    return ERR_OK;
}

MUST_USE enum err mapping_call(const struct node *n, const struct mapping_scope *s,
                               const struct mapping_value *second, struct mapping_value *out,
                               struct ectx *ec)
{
    if (n->op == FN_EXISTS) {
        *out = (struct mapping_value){.kind = MAPPING_BOOL, .boolean = out->kind != MAPPING_NULL};
        return ERR_OK;
    }
    if (n->op == FN_LENGTH) {
        return length_of(n, s, out, ec);
    }
    if (out->kind == MAPPING_NULL) {
        return ERR_OK; /* of what is absent: absent */
    }
    switch ((enum function)n->op) {
    case FN_DATE:
    case FN_HOUR:
    case FN_MONTH:
        return time_part(n, s, out, ec);
    case FN_LOWER:
    case FN_UPPER:
        return letter_case(n, s, out, ec);
    case FN_TEXT: {
        struct str text;
        if (!mapping_value_text(out, s->arena, &text)) {
            return no_memory(ec);
        }
        *out = (struct mapping_value){.kind = MAPPING_TEXT, .text = text};
        return ERR_OK;
    }
    case FN_NUMBER:
    case FN_INT:
        return to_number(n, out, ec);
    case FN_ROUND:
        return round_to(n, second, out, ec);
    case FN_LENGTH:
    case FN_EXISTS:
    case FN_COUNT:
        break;
    }
    return ERR_OK;
}
