/* Errors as application/problem+json (RFC 9457), each with a code that has a page. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/utf8.h"
#include "http/http_int.h"

/* Members may be lists: a conflict of 10,000 events has some 400 KiB. What is larger goes without.
 */
#define PROBLEM_MAX (2u * 1024 * 1024)

static void put_member(struct buf *b, const char *name, const char *text)
{
    buf_printf(b, ",\"%s\":\"", name);
    utf8_json_escape(b, str_of(text));
    buf_put_z(b, "\"");
}

static void put_problem(struct buf *b, const struct http_problem_spec *p, struct str members,
                        const struct ectx *ec)
{
    buf_init(b, PROBLEM_MAX);
    buf_printf(b, "{\"type\":\"/problems/%s\",\"title\":\"", p->code);
    utf8_json_escape(b, str_of(p->title));
    buf_printf(b, "\",\"status\":%d,\"code\":\"%s\",\"retryable\":%s", p->status, p->code,
               p->retryable ? "true" : "false");
    if (p->retry_after_ms >= 0) {
        buf_printf(b, ",\"retry_after_ms\":%lld", (long long)p->retry_after_ms);
    }
    put_member(b, "detail", ec == NULL ? "" : ec->text);
    if (ec != NULL && ec->hint[0] != '\0') {
        put_member(b, "hint", ec->hint);
    }
    if (members.n > 0) {
        buf_put_z(b, ",");
        buf_put_str(b, members);
    }
    buf_put_z(b, "}\n");
}

void http_problem_with(struct http_request *r, const struct http_problem_spec *p,
                       const struct ectx *ec)
{
    struct http_header few[8];
    struct http_header *headers = few;
    size_t count = 0;
    char seconds[24];
    struct buf b;
    if (p->header_count >= ARRAY_LEN(few)) {
        headers = arena_new_n(r->arena, struct http_header, p->header_count + 1);
    }
    for (size_t i = 0; headers != NULL && i < p->header_count; i++) {
        headers[count++] = p->headers[i];
    }
    if (headers != NULL && p->retry_after_ms >= 0) {
        int n = snprintf(seconds, sizeof(seconds), "%lld",
                         (long long)((p->retry_after_ms + 999) / 1000));
        headers[count++] =
            (struct http_header){STR_LIT("Retry-After"), str_make(seconds, (size_t)n)};
    }
    put_problem(&b, p, p->members, ec);
    if (buf_failed(&b)) { /* code, detail and hint are short */
        buf_deinit(&b);
        put_problem(&b, p, STR_NULL, ec);
    }
    const struct http_head head = {.status = p->status,
                                   .content_type = "application/problem+json",
                                   .headers = headers,
                                   .header_count = count};
    if (buf_failed(&b)) {
        buf_deinit(&b);
        http_reply_with(r, &head, STR_LIT("{}\n"));
        return;
    }
    http_reply_take(r, &head, &b);
}

/* "ERR_NO_MEMORY" is "no-memory". */
static void code_of(enum err e, char out[64])
{
    const char *name = err_name(e);
    size_t n = 0;
    for (const char *c = strncmp(name, "ERR_", 4) == 0 ? name + 4 : name; *c != '\0' && n < 63;
         c++) {
        out[n++] = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
    }
    out[n] = '\0';
}

void http_problem(struct http_request *r, enum err e, const struct ectx *ec)
{
    char code[64];
    code_of(e, code);
    const struct http_problem_spec spec = {.code = code,
                                           .status = err_http(e),
                                           .title = err_text(e),
                                           .retryable = err_retriable(e),
                                           .retry_after_ms = -1};
    http_problem_with(r, &spec, ec);
}

void http_answer_refusal(struct http_exchange *x)
{
    static const struct {
        int status;
        const char *code, *title;
    } kinds[] = {
        {400, "malformed-request", "Not a valid HTTP request"},
        {413, "body-too-large", "The body is over the limit"},
        {417, "expectation-failed", "What is expected cannot be done"},
        {421, "wrong-host", "This server does not answer for that host"},
        {431, "head-too-large", "The head is over the limit"},
        {501, "not-implemented", "This is not offered"},
        {503, "no-memory", "Out of memory"},
        {505, "version-not-supported", "This version of HTTP is not spoken here"},
    };
    struct http_problem_spec spec = {.status = x->status, .retry_after_ms = -1};
    spec.code = kinds[0].code;
    spec.title = kinds[0].title;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].status == x->status) {
            spec.code = kinds[i].code;
            spec.title = kinds[i].title;
        }
    }
    spec.retryable = x->status == 503;
    x->keep_alive = false;
    const struct ectx ec = x->ec; /* the reply ends x */
    http_problem_with(&x->request, &spec, &ec);
}
