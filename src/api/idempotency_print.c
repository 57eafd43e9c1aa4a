/*
 * What tells one request from another: the method, the address, the conditions, the body, and the
 * headers that its handler reads. What a retry may change counts for nothing: the order and the
 * case of headers, those of the way (User-Agent, Date), the trace, and what the client prefers.
 *
 * A print is two parts, `FIRST-MORE`; earlier builds kept the first alone.
 */
#include <stdio.h>
#include <string.h>

#include "api/idempotency_int.h"
#include "core/crc32c.h"
#include "core/hash.h"
#include "envelope/envelope.h"

#define SEPARATOR '-'

/* Two sums by different rules. */
struct sums {
    uint32_t crc, mix;
};

static void add(struct sums *s, struct str part)
{
    const uint8_t end = 0;
    s->crc = crc32c(s->crc, part.p, part.n);
    s->crc = crc32c(s->crc, &end, 1);
    s->mix = s->mix * 31 + hash_murmur2(part.n == 0 ? "" : part.p, part.n);
}

static void add_any_case(struct sums *s, struct str part)
{
    char lower[64];
    for (size_t at = 0; at < part.n; at += sizeof(lower)) {
        const size_t n = part.n - at < sizeof(lower) ? part.n - at : sizeof(lower);
        for (size_t i = 0; i < n; i++) {
            const char c = part.p[at + i];
            lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
        add(s, str_make(lower, n));
    }
}

/* Headers come in any order: their sums are added up. */
static void add_header(struct sums *all, struct str name, struct str value, bool any_case)
{
    struct sums one = {0};
    add_any_case(&one, name);
    if (any_case) {
        add_any_case(&one, value);
    } else {
        add(&one, value);
    }
    all->crc += one.crc;
    all->mix += one.mix;
}

static bool is_binary(const struct api_call *c)
{
    return (c->route->flags & API_CLOUDEVENTS) != 0 &&
           (!str_is_null(http_header_get(c->request, "ce-type")) ||
            !str_is_null(http_header_get(c->request, "ce-specversion")));
}

static struct sums of_headers(const struct api_call *c)
{
    const struct http_request *r = c->request;
    struct sums all = {0};
    if (!is_binary(c)) { /* how the body is read; its parameters say nothing */
        struct str rest;
        const struct str type = str_cut(http_header_get(r, "Content-Type"), ';', &rest);
        add_header(&all, STR_LIT("content-type"), str_trim(type), true);
        return all;
    }
    for (size_t i = 0; i < r->header_count; i++) {
        const struct http_header *h = &r->headers[i];
        if (h->value.n > 0 && envelope_http_reads(h->name)) {
            add_header(&all, h->name, str_trim(h->value), false);
        }
    }
    return all;
}

void idempotency_print(const struct api_call *c, char out[IDEMPOTENCY_PRINT])
{
    const struct http_request *r = c->request;
    const struct str match = http_header_get(r, "If-Match");
    const struct str none = http_header_get(r, "If-None-Match");
    const struct str parts[] = {r->method, r->target, r->query, r->body, match, none};
    const size_t count = !str_is_null(match) || !str_is_null(none) ? 6 : 4; /* as earlier builds */
    const struct sums more = of_headers(c);
    struct sums first = {0};
    for (size_t i = 0; i < count; i++) {
        add(&first, parts[i]);
    }
    (void)snprintf(out, IDEMPOTENCY_PRINT, "%08x%08x%zx%c%08x%08x", first.crc, first.mix, r->body.n,
                   SEPARATOR, more.crc, more.mix);
}

bool idempotency_same(const char *kept, const char *print)
{
    const char *more = strchr(print, SEPARATOR);
    if (strchr(kept, SEPARATOR) != NULL || more == NULL) {
        return strcmp(kept, print) == 0;
    }
    const size_t n = (size_t)(more - print);
    return strlen(kept) == n && memcmp(kept, print, n) == 0;
}
