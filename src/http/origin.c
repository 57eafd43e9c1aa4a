/*
 * Pages in browsers. A page may read what its own server answers; what another server answers only
 * if that one says so (CORS, the Fetch standard). Nothing is said unless the operator has named the
 * page's origin: a wildcard would open a server on somebody's machine to every page that they look
 * at. There are no cookies here, so none are allowed.
 */
#include <ctype.h>
#include <string.h>

#include "core/mem.h"
#include "http/http_int.h"

/* How long a browser may believe that it may send: a change of the option is seen after that. */
#define PREFLIGHT_SECONDS "600"

/* scheme "://" host [":" port], in small letters, as browsers write it; never "null". */
static bool is_origin(struct str s)
{
    const char *slashes = memmem(s.p, s.n, "://", 3);
    if (slashes == NULL || slashes == s.p || s.n > 255) {
        return false;
    }
    const size_t host_at = (size_t)(slashes + 3 - s.p);
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        const bool of_scheme = i < host_at && (c == ':' || c == '/' || c == '+');
        const bool of_host = i >= host_at && (c == ':' || c == '[' || c == ']');
        if (!islower(c) && !isdigit(c) && c != '-' && c != '.' && !of_scheme && !of_host) {
            return false;
        }
    }
    return s.n > host_at;
}

MUST_USE enum err http_origins_set(struct http *h, struct str list, struct ectx *ec)
{
    char *text = mem_alloc(list.n + 1);
    struct str origins[HTTP_ORIGINS_MAX];
    size_t count = 0;
    if (text == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for origins");
    }
    memcpy(text, list.n == 0 ? "" : list.p, list.n);
    struct str rest = str_make(text, list.n);
    while (rest.n > 0) {
        const struct str origin = str_trim(str_cut(rest, ',', &rest));
        enum err e = ERR_OK;
        if (origin.n > 0 && !is_origin(origin)) {
            e = ectx_fail(ec, ERR_CONFIG, "'%.*s' is not the origin of a web page", STR(origin));
            ectx_hint(ec, "write it as browsers do: https://shop.example or "
                          "http://localhost:5173, without a path; there is no wildcard");
        } else if (count == HTTP_ORIGINS_MAX) {
            e = ectx_fail(ec, ERR_LIMIT, "more than %u origins", HTTP_ORIGINS_MAX);
        }
        if (e != ERR_OK) {
            mem_free(text);
            return e;
        }
        if (origin.n > 0) {
            origins[count++] = origin;
        }
    }
    mem_free(h->origin_text);
    h->origin_text = text;
    memcpy(h->origins, origins, count * sizeof(*origins));
    h->origin_count = count;
    return ERR_OK;
}

void http_origin_check(struct http_exchange *x)
{
    const struct http *h = x->http;
    if (h->origin_count == 0) {
        return;
    }
    const struct str origin = http_header_get(&x->request, "Origin");
    for (size_t i = 0; i < h->origin_count; i++) {
        if (str_eq(origin, h->origins[i])) {
            x->origin = h->origins[i];
            x->request.origin_allowed = true;
        }
    }
}

size_t http_origin_max(const struct http_exchange *x)
{
    return x->http->origin_count == 0 ? 0 : 128 + x->origin.n;
}

void http_origin_put(struct buf *b, const struct http_exchange *x)
{
    if (x->http->origin_count == 0) {
        return;
    }
    buf_put_z(b, "Vary: Origin\r\n");
    if (!str_is_null(x->origin)) {
        buf_put_z(b, "Access-Control-Allow-Origin: ");
        buf_put_str(b, x->origin);
        buf_put_z(b, "\r\nAccess-Control-Expose-Headers: *\r\n");
    }
}

void http_answer_options(struct http_exchange *x, struct str allow)
{
    struct http_request *r = &x->request;
    struct http_header headers[4] = {{STR_LIT("Allow"), allow}};
    struct http_head head = {.status = 204, .headers = headers, .header_count = 1};
    const struct str wanted = http_header_get(r, "Access-Control-Request-Headers");
    if (!str_is_null(x->origin) &&
        !str_is_null(http_header_get(r, "Access-Control-Request-Method"))) {
        headers[1] = (struct http_header){STR_LIT("Access-Control-Allow-Methods"), allow};
        headers[2] =
            (struct http_header){STR_LIT("Access-Control-Max-Age"), STR_LIT(PREFLIGHT_SECONDS)};
        /* The page is trusted; which headers mean something is up to the routes. */
        headers[3] = (struct http_header){STR_LIT("Access-Control-Allow-Headers"), wanted};
        head.header_count = str_is_null(wanted) || wanted.n == 0 ? 3 : 4;
    }
    if (str_is_null(allow)) {
        struct ectx ec = {0};
        enum err e = ectx_fail(&ec, ERR_NO_MEMORY, "out of memory for an HTTP reply");
        http_problem(r, e, &ec);
        return;
    }
    http_reply_with(r, &head, STR_NULL);
}
