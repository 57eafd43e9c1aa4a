/* Answers: JSON, nothing, problems. */
#include <string.h>

#include "api/api_int.h"
#include "api/idempotency.h"

#define RETRY_AFTER_MS 1000
#define LATE_BYTES     8192u /* a problem that comes too late */

/* May the request have had an effect? */
static bool may_change(const struct api_call *c)
{
    const struct str method = c->request->method;
    return !str_eq(method, STR_LIT("GET")) && !str_eq(method, STR_LIT("HEAD"));
}

static void out_of_memory(struct api_call *c, bool again)
{
    struct ectx ec = {0};
    if (again && may_change(c)) { /* "no memory, try again" would say that nothing was done */
        idempotency_leave(c);
        http_reply_lost(c->request);
        return;
    }
    enum err e = ectx_fail(&ec, ERR_NO_MEMORY, "the answer does not fit into memory");
    api_fail(c, e, &ec);
}

void api_reply(struct api_call *c, int status, const struct http_header *headers,
               size_t header_count, struct buf *json)
{
    const struct http_head head = {.status = status,
                                   .content_type = "application/json",
                                   .headers = headers,
                                   .header_count = header_count};
    if (buf_failed(json)) {
        const bool again = !json->over;
        buf_deinit(json);
        out_of_memory(c, again);
        return;
    }
    idempotency_leave(c);
    http_reply_take(c->request, &head, json);
}

void api_object_begin(struct api_object *o, size_t max)
{
    buf_init(&o->b, max);
    json_write_init(&o->w, &o->b);
    json_write_begin(&o->w, '{');
}

void api_object_reply(struct api_call *c, int status, const struct http_header *headers,
                      size_t header_count, struct api_object *o)
{
    json_write_end(&o->w, '}');
    api_reply(c, status, headers, header_count, &o->b);
}

void api_reply_empty(struct api_call *c, int status, const struct http_header *headers,
                     size_t header_count)
{
    const struct http_head head = {
        .status = status, .headers = headers, .header_count = header_count};
    idempotency_leave(c);
    http_reply_with(c->request, &head, STR_LIT(""));
}

/* No memory, since the request's arena is spent: another time it would be the same. */
static bool never_fits(const struct api_call *c, const char *code, const struct ectx *ec)
{
    return c->arena->over &&
           (strcmp(code, "no-memory") == 0 || (ec != NULL && ec->code == ERR_NO_MEMORY));
}

static void too_large(const struct api_call *c, struct ectx *ec)
{
    *ec = (struct ectx){0};
    IGNORE(
        ectx_fail(ec, ERR_LIMIT,
                  "the request, of %zu bytes of body, needs more than %zu bytes of memory, which "
                  "is the most that a request of its size may take",
                  c->request->body.n, c->arena->budget));
    ectx_hint(ec, "send less at once, or ask for less: the same request would fail again");
}

void api_problem_with(struct api_call *c, int status, const char *code, const struct ectx *ec,
                      struct str members, const struct http_header *headers, size_t header_count)
{
    struct ectx over;
    if (never_fits(c, code, ec)) {
        too_large(c, &over);
        ec = &over;
        code = "too-large";
        status = 0;
    }
    const struct api_problem_doc *doc = api_problem_find(str_of(code));
    struct http_problem_spec spec = {.code = code,
                                     .status = status,
                                     .title = doc == NULL ? code : doc->title,
                                     .retryable = doc != NULL && doc->retryable && !c->not_again,
                                     .retry_after_ms = -1,
                                     .members = members,
                                     .headers = headers,
                                     .header_count = header_count};
    if (status == 0) {
        spec.status = doc == NULL ? 500 : doc->status;
    }
    if (spec.retryable && (spec.status == 503 || spec.status == 429)) {
        spec.retry_after_ms = RETRY_AFTER_MS;
    }
    idempotency_leave(c);
    http_problem_with(c->request, &spec, ec);
}

void api_problem(struct api_call *c, const char *code, const struct ectx *ec, struct str members)
{
    api_problem_with(c, 0, code, ec, members, NULL, 0);
}

void api_fail(struct api_call *c, enum err e, const struct ectx *ec)
{
    const struct ectx none = {.code = e};
    api_problem(c, api_problem_of(e), ec == NULL ? &none : ec, STR_NULL);
}

/* `name`: NULL for the object alone. */
static void put_late(struct buf *b, const char *name, const char *code, const struct ectx *ec)
{
    const struct api_problem_doc *doc = api_problem_find(str_of(code));
    struct json_writer w;
    json_write_init(&w, b);
    json_write_begin(&w, '{');
    if (name != NULL) {
        json_write_name(&w, name);
        json_write_begin(&w, '{');
    }
    json_write_member_str(&w, "code", str_of(code));
    json_write_member_i64(&w, "status", doc == NULL ? 500 : doc->status);
    json_write_member_str(&w, "detail", str_of(ec == NULL ? "" : ec->text));
    if (name != NULL) {
        json_write_end(&w, '}');
    }
    json_write_end(&w, '}');
    buf_put_u8(b, '\n');
}

void api_stream_problem(struct http_stream *out, const char *code, const struct ectx *ec)
{
    struct buf b;
    buf_init(&b, LATE_BYTES);
    put_late(&b, "problem", code, ec);
    if (!buf_failed(&b)) {
        (void)http_stream_write(out, buf_str(&b));
    }
    buf_deinit(&b);
    http_stream_break(out);
}

void api_stream_closed(struct http_stream *out, bool sse, const char *code, const struct ectx *ec)
{
    struct buf b;
    buf_init(&b, LATE_BYTES);
    put_late(&b, sse ? NULL : "closed", code, ec);
    if (buf_failed(&b)) {
        http_stream_break(out);
    } else {
        (void)(sse ? http_stream_event(out, STR_NULL, STR_LIT("closed"), str_trim(buf_str(&b)))
                   : http_stream_write(out, buf_str(&b)));
        http_stream_end(out);
    }
    buf_deinit(&b);
}

bool api_is_json(struct json_writer *w, struct str text)
{
    const enum err e = json_check(text);
    w->out->failed = w->out->failed || e == ERR_NO_MEMORY;
    return e == ERR_OK;
}

void api_write_line(struct json_writer *w, struct str json)
{
    const size_t at = w->out->n;
    json_write_raw(w, json);
    if (json.n == 0 || buf_failed(w->out) ||
        (memchr(json.p, '\n', json.n) == NULL && memchr(json.p, '\r', json.n) == NULL)) {
        return;
    }
    for (size_t i = at; i < w->out->n; i++) {
        uint8_t *c = &w->out->p[i];
        *c = *c == '\n' || *c == '\r' ? ' ' : *c;
    }
}
