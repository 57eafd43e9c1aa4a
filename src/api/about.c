/* What the API says of itself: its document, and a page for each problem. */
#include <stdio.h>

#include "api/api_int.h"

static void get_openapi(struct api_call *c)
{
    const struct api *a = c->api;
    const struct str etag = str_of(a->openapi_etag);
    const struct http_header headers[] = {{STR_LIT("ETag"), etag},
                                          {STR_LIT("Cache-Control"), STR_LIT("no-cache")}};
    const bool same = api_none_match(c, etag);
    const struct http_head head = {.status = same ? 304 : 200,
                                   .content_type = same ? NULL : "application/json",
                                   .headers = headers,
                                   .header_count = ARRAY_LEN(headers)};
    http_reply_with(c->request, &head, same ? STR_LIT("") : buf_str(&a->openapi));
}

static void get_problems(struct api_call *c)
{
    struct api_object o;
    const struct api_problem_doc *p;
    api_object_begin(&o, 1u << 20);
    json_write_name(&o.w, "problems");
    json_write_begin(&o.w, '[');
    for (size_t i = 0; (p = api_problem_at(i)) != NULL; i++) {
        json_write_begin(&o.w, '{');
        json_write_member_str(&o.w, "code", str_of(p->code));
        json_write_member_i64(&o.w, "status", p->status);
        json_write_member_bool(&o.w, "retryable", p->retryable);
        json_write_member_str(&o.w, "title", str_of(p->title));
        json_write_member_str(&o.w, "meaning", str_of(p->meaning));
        json_write_member_str(&o.w, "what_to_do", str_of(p->what_to_do));
        json_write_end(&o.w, '}');
    }
    json_write_end(&o.w, ']');
    api_object_reply(c, 200, NULL, 0, &o);
}

static void get_problem(struct api_call *c)
{
    const struct api_problem_doc *p = api_problem_find(api_path(c, 0));
    const bool html = api_accepts(c, "text/html");
    struct buf b;
    if (p == NULL) {
        struct ectx ec = {0};
        IGNORE(ectx_fail(&ec, ERR_NOT_FOUND, "there is no problem with the code '%.*s'",
                         STR(api_path(c, 0))));
        ectx_hint(&ec, "GET /problems lists them");
        api_fail(c, ERR_NOT_FOUND, &ec);
        return;
    }
    buf_init(&b, 8192);
    /* The table's texts have no characters that HTML would read otherwise (a test holds it). */
    buf_printf(&b,
               html ? "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
                      "<title>%s</title><h1>%s</h1><p><code>%s</code>, status %d%s</p>"
                      "<h2>What it means</h2><p>%s</p><h2>What to do</h2><p>%s</p></html>\n"
                    : "%s\n\n%s\n\ncode: %s\nstatus: %d%s\n\nWhat it means: %s\n\n"
                      "What to do: %s\n",
               html ? p->title : "Problem", p->title, p->code, p->status,
               p->retryable ? ", may be tried again" : "", p->meaning, p->what_to_do);
    const struct http_head head = {.status = 200,
                                   .content_type = html ? "text/html; charset=utf-8"
                                                        : "text/plain; charset=utf-8"};
    http_reply_take(c->request, &head, &b);
}

static const struct api_param CODE[] = {
    {"code", API_PATH, API_STRING, true, "invalid-request", "The problem's code."},
};
static const struct api_route ROUTES[] = {
    {"GET", "/api/v1/openapi.json", get_openapi, "getOpenApi", "This document.", NULL, 0, NULL,
     "OpenApi", 200, 0, "", NULL},
    {"GET", "/problems", get_problems, "listProblems", "List all problems.", NULL, 0, NULL,
     "ProblemList", 200, 0, "", NULL},
    {"GET", "/problems/{code}", get_problem, "getProblem",
     "Explain a problem: what it means, and what to do.", CODE, ARRAY_LEN(CODE), NULL, NULL, 200,
     API_TEXT, "not-found", NULL},
};
static const struct api_schema SCHEMAS[] = {
    {"OpenApi",
     "{\"type\":\"object\",\"required\":[\"openapi\",\"info\",\"paths\"],\"properties\":{"
     "\"openapi\":{\"type\":\"string\"}},\"additionalProperties\":true}"},
    {"ProblemList",
     "{\"type\":\"object\",\"required\":[\"problems\"],\"properties\":{\"problems\":{\"type\":"
     "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"code\",\"status\",\"title\"],"
     "\"properties\":{\"code\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},"
     "\"retryable\":{\"type\":\"boolean\"},\"title\":{\"type\":\"string\"},"
     "\"meaning\":{\"type\":\"string\"},\"what_to_do\":{\"type\":\"string\"}}}}}}"},
};
const struct api_resource api_about = {"About",           "The API itself.", ROUTES,
                                       ARRAY_LEN(ROUTES), SCHEMAS,           ARRAY_LEN(SCHEMAS)};
