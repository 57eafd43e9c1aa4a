/* What a handler reads of its request. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/api_int.h"
#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/limits.h"
#include "envelope/envelope.h"

#define CURSOR_MAX      512u /* bytes of what a page ended with */
#define JSON_BYTE_BYTES 24u  /* api_arena_widen_json */

void api_arena_widen(struct api_call *c, uint64_t bytes)
{
    struct arena *a = c->arena;
    if (a->budget < LIMIT_REQUEST_ARENA_MAX) {
        const size_t left = LIMIT_REQUEST_ARENA_MAX - a->budget;
        a->budget += bytes < left ? (size_t)bytes : left;
    }
}

void api_arena_widen_json(struct api_call *c)
{
    api_arena_widen(c, c->request->body.n * (uint64_t)JSON_BYTE_BYTES);
}

void api_arena_widen_topics(struct api_call *c, size_t each_bytes)
{
    const int64_t most = config_i64(c->api->services.config, NULL, "leat.max.partitions");
    api_arena_widen(c, (uint64_t)(most + 1) * each_bytes);
}

struct str api_path(const struct api_call *c, size_t index)
{
    return index < c->request->param_count ? c->request->params[index] : STR_NULL;
}

struct str api_query(const struct api_call *c, const char *name)
{
    return http_query_get(c->request, name);
}

PRINTF_LIKE(2, 3) static bool refuse(struct api_call *c, const char *fmt, ...);
static bool refuse(struct api_call *c, const char *fmt, ...)
{
    struct ectx ec = {.code = ERR_INVALID_REQUEST};
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(ec.text, sizeof(ec.text), fmt, args);
    va_end(args);
    api_fail(c, ERR_INVALID_REQUEST, &ec);
    return false;
}

bool api_query_u64(struct api_call *c, const char *name, uint64_t missing, uint64_t max,
                   uint64_t *out)
{
    const struct str v = api_query(c, name);
    *out = missing;
    if (str_is_null(v)) {
        return true;
    }
    if (!str_to_u64(v, out)) {
        return refuse(c, "%s: must be a whole number of 0 or more", name);
    }
    return *out <= max || refuse(c, "%s: must be at most %llu", name, (unsigned long long)max);
}

bool api_query_bool(struct api_call *c, const char *name, bool missing, bool *out)
{
    const struct str v = api_query(c, name);
    *out = str_is_null(v) ? missing : str_eq_z(v, "true");
    return str_is_null(v) || *out || str_eq_z(v, "false") ||
           refuse(c, "%s: must be true or false", name);
}

bool api_query_duration(struct api_call *c, const char *name, uint64_t missing_ns, uint64_t max_ns,
                        uint64_t *out_ns)
{
    const struct str v = api_query(c, name);
    *out_ns = missing_ns;
    if (str_is_null(v)) {
        return true;
    }
    if (!duration_parse(v, out_ns)) {
        return refuse(c, "%s: must be a duration such as 500ms or 20s", name);
    }
    return *out_ns <= max_ns ||
           refuse(c, "%s: must be at most %llus", name, (unsigned long long)(max_ns / 1000000000u));
}

bool api_query_list(struct api_call *c, const char *name, size_t max, struct str **out,
                    size_t *count)
{
    struct str rest = c->request->query;
    struct str *list = NULL;
    *out = NULL;
    *count = 0;
    while (rest.n > 0) {
        struct str value;
        const struct str pair = str_cut(rest, '&', &rest);
        if (!str_eq_z(str_cut(pair, '=', &value), name)) {
            continue;
        }
        /* Cut before it is decoded: a comma within an item is %2C. Nothing between two commas is
         * a variable that was empty: as no condition at all it would let everything through. */
        do {
            const struct str raw = str_cut(value, ',', &value);
            if (raw.n == 0) {
                return refuse(c, "%s: there is an item without a text", name);
            }
            if (*count == max) {
                struct ectx ec = {0};
                IGNORE(ectx_fail(&ec, ERR_LIMIT, "%s: more than %zu of them", name, max));
                api_fail(c, ERR_LIMIT, &ec); /* too much of something is a 413 */
                return false;
            }
            list = list != NULL ? list : arena_new_n(c->arena, struct str, max);
            const struct str item = list == NULL ? STR_NULL : http_decode(c->request, raw);
            if (str_is_null(item)) {
                return refuse(c, "%s: is not decodable", name);
            }
            list[(*count)++] = item;
        } while (!str_is_null(value));
    }
    *out = list;
    return true;
}

/* ---- Bodies ------------------------------------------------------------------------------------
 */

/* The media type before any parameter, in any case. */
static bool media_type_is(struct str field, const char *media_type)
{
    struct str rest;
    const struct str type = str_trim(str_cut(field, ';', &rest));
    return type.n == strlen(media_type) && strncasecmp(type.p, media_type, type.n) == 0;
}

bool api_content_is(const struct api_call *c, const char *media_type)
{
    return media_type_is(http_header_get(c->request, "Content-Type"), media_type);
}

bool api_body(struct api_call *c, bool required, struct json **out)
{
    const struct str body = c->request->body;
    struct ectx ec = {0};
    *out = NULL;
    if (body.n == 0) {
        return !required || refuse(c, "the request needs a body: a JSON object");
    }
    enum err e = json_parse(body, NULL, c->arena, out, &ec);
    if (e == ERR_OK && (*out)->kind != JSON_OBJECT) {
        e = ectx_fail(&ec, ERR_INVALID_REQUEST, "the body must be a JSON object");
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
    }
    return e == ERR_OK;
}

static bool among(struct str name, struct str names)
{
    while (names.n > 0) {
        if (str_eq(name, str_cut(names, ' ', &names))) {
            return true;
        }
    }
    return false;
}

MUST_USE enum err api_only(const struct json *object, const char *names, struct ectx *ec)
{
    for (const struct json *m = object == NULL ? NULL : object->first; m != NULL; m = m->next) {
        if (!among(m->name, str_of(names))) {
            return ectx_fail(ec, ERR_MALFORMED, "%.*s: there is no such member here",
                             (int)(m->name.n > 64 ? 64 : m->name.n), m->name.p);
        }
    }
    return ERR_OK;
}

/* ---- What the client would like ----------------------------------------------------------------
 */

/* How much this media type is wanted, in thousandths; exact names only, wildcards want JSON. */
static int wish(struct str accept, const char *media_type)
{
    struct str rest = accept;
    while (rest.n > 0) {
        const struct str item = str_cut(rest, ',', &rest);
        if (!media_type_is(item, media_type)) {
            continue;
        }
        const char *q = memmem(item.p, item.n, "q=", 2);
        double weight = 1;
        if (q != NULL) {
            struct str more;
            const struct str text =
                str_cut(str_make(q + 2, item.n - (size_t)(q + 2 - item.p)), ';', &more);
            weight = str_to_f64(str_trim(text), &weight) ? weight : 0;
        }
        return (int)(weight * 1000);
    }
    return -1;
}

bool api_accepts(const struct api_call *c, const char *media_type)
{
    const struct str accept = http_header_get(c->request, "Accept");
    const int it = str_is_null(accept) ? -1 : wish(accept, media_type);
    return it > 0 && it > wish(accept, "application/json");
}

struct str api_traceparent(const struct api_call *c)
{
    const struct str v = str_trim(http_header_get(c->request, "traceparent"));
    return v.n > 0 && traceparent_valid(v) ? v : STR_NULL;
}

/* The value of one preference (RFC 7240, 2); null: not there. */
static struct str preference(struct str prefer, const char *name)
{
    struct str rest = prefer;
    while (rest.n > 0) {
        struct str value;
        const struct str item = str_cut(rest, ',', &rest);
        const struct str key = str_trim(str_cut(item, '=', &value));
        if (key.n == strlen(name) && strncasecmp(key.p, name, key.n) == 0) {
            struct str more;
            const struct str v = str_trim(str_cut(value, ';', &more));
            const bool quoted = v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"';
            return quoted ? str_make(v.p + 1, v.n - 2) : v;
        }
    }
    return STR_NULL;
}

struct str api_prefer_durability(const struct api_call *c)
{
    const struct http_request *r = c->request;
    for (size_t i = 0; i < r->header_count; i++) { /* there may be several */
        if (r->headers[i].name.n != 6 || strncasecmp(r->headers[i].name.p, "Prefer", 6) != 0) {
            continue;
        }
        const struct str wish = preference(r->headers[i].value, "durability");
        if (!str_is_null(wish)) {
            return str_eq_z(wish, "fsync") || str_eq_z(wish, "os") ? wish : STR_NULL;
        }
    }
    return STR_NULL;
}

size_t api_prefer_applied(const struct api_call *c, struct str has, struct http_header *applied)
{
    if (str_is_null(api_prefer_durability(c))) {
        return 0;
    }
    *applied = (struct http_header){STR_LIT("Preference-Applied"),
                                    str_eq_z(has, "os") ? STR_LIT("durability=os")
                                                        : STR_LIT("durability=fsync")};
    return 1;
}

bool api_none_match(const struct api_call *c, struct str etag)
{
    struct str rest = http_header_get(c->request, "If-None-Match");
    while (rest.n > 0) {
        struct str item = str_trim(str_cut(rest, ',', &rest));
        if (str_starts(item, "W/")) {
            item = str_make(item.p + 2, item.n - 2);
        }
        if (str_eq_z(item, "*") || str_eq(item, etag)) {
            return true;
        }
    }
    return false;
}

/* ---- Cursors: 8 hex digits of a checksum over kind and bytes, then the bytes in hex ------------
 */

static uint32_t cursor_sum(char kind, struct str at)
{
    const uint32_t sum = crc32c(0, &kind, 1);
    return crc32c(sum, at.p, at.n);
}

void api_cursor_write(struct json_writer *w, const char *name, char kind, struct str at)
{
    static const char hex[] = "0123456789abcdef";
    char text[8 + 2 * CURSOR_MAX + 1];
    size_t n = (size_t)snprintf(text, sizeof(text), "%08x", cursor_sum(kind, at));
    for (size_t i = 0; i < at.n && i < CURSOR_MAX; i++) {
        text[n++] = hex[(unsigned char)at.p[i] >> 4];
        text[n++] = hex[(unsigned char)at.p[i] & 15];
    }
    json_write_member_str(w, name, str_make(text, n));
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool api_cursor_get(struct api_call *c, char kind, struct str *at)
{
    const struct str text = api_query(c, "cursor");
    *at = STR_NULL;
    if (str_is_null(text)) {
        return true;
    }
    uint8_t bytes[4 + CURSOR_MAX];
    bool ok = text.n >= 8 && text.n % 2 == 0 && text.n <= 2 * sizeof(bytes);
    for (size_t i = 0; ok && i < text.n / 2; i++) {
        const int hi = hex_value(text.p[2 * i]), lo = hex_value(text.p[2 * i + 1]);
        ok = hi >= 0 && lo >= 0;
        bytes[i] = (uint8_t)(hi * 16 + lo);
    }
    if (ok) {
        *at = arena_str(c->arena, str_make(bytes + 4, text.n / 2 - 4));
        ok = !str_is_null(*at) && get_be32(bytes) == cursor_sum(kind, *at);
    }
    return ok || refuse(c, "cursor: is not the next_cursor of a page of this list");
}
