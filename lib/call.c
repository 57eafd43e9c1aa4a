/* One HTTP request and its answer, over a connection that is kept. */
#include <stdio.h>
#include <string.h>

#include "lib.h"

const char *lib_member_text(const json_t *v, const char *name)
{
    return json_string_value(json_object_get(v, name));
}

int64_t lib_member_number(const json_t *v, const char *name, int64_t missing)
{
    const json_t *m = json_object_get(v, name);
    return json_is_integer(m) ? (int64_t)json_integer_value(m) : missing;
}

static size_t receive(char *p, size_t size, size_t count, void *ctx)
{
    struct text *t = ctx;
    const size_t n = size * count;
    if (n > LIB_ANSWER_MAX - t->n) {
        return 0;
    }
    text_put(t, p, n);
    return t->failed ? 0 : n;
}

static int problem_of(struct leat_problem *p, long status, const json_t *v)
{
    const char *detail = lib_member_text(v, "detail");
    const char *code = lib_member_text(v, "code");
    const char *hint = lib_member_text(v, "hint");
    (void)lib_fail(p, code == NULL ? "http-error" : code, "%s",
                   detail == NULL ? "the server gave no reason" : detail);
    if (p != NULL) {
        const json_t *actual = json_object_get(v, "actual");
        p->status = (int)status;
        p->retryable = json_is_true(json_object_get(v, "retryable"));
        (void)snprintf(p->hint, sizeof(p->hint), "%s", hint == NULL ? "" : hint);
        p->has_actual = actual != NULL;
        p->actual =
            json_is_integer(actual) ? (int64_t)json_integer_value(actual) : LEAT_EXPECT_NO_STREAM;
        p->original = lib_member_number(v, "original_revision", -1);
    }
    return -1;
}

static int answer(long status, const struct text *body, json_t **out, struct leat_problem *problem)
{
    json_error_t error;
    json_t *v = body->n == 0 ? NULL : json_loadb(body->p, body->n, JSON_ALLOW_NUL, &error);
    if (status >= 400) {
        const int result = problem_of(problem, status, v);
        json_decref(v);
        return result;
    }
    if (body->n > 0 && v == NULL) {
        return lib_fail(problem, "malformed-answer", "the answer is no JSON: %s", error.text);
    }
    if (out != NULL) {
        *out = v;
    } else {
        json_decref(v);
    }
    return 0;
}

int lib_call(struct leat *l, const char *method, const struct text *path, const struct text *body,
             json_t **out, struct leat_problem *problem)
{
    struct text url, reply;
    char error[CURL_ERROR_SIZE] = "";
    long status = 0;
    text_init(&url, l);
    text_init(&reply, l);
    text_put_z(&url, "http://");
    text_put_z(&url, l->http);
    text_put(&url, path->p, path->n);
    if (path->failed || url.failed || (body != NULL && body->failed)) {
        text_deinit(&url);
        return lib_fail(problem, "no-memory", "no memory for the request");
    }
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:"); /* no round trip before the body */
    curl_easy_reset(l->curl);                        /* keeps the connection */
    curl_easy_setopt(l->curl, CURLOPT_URL, url.p);
    curl_easy_setopt(l->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(l->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(l->curl, CURLOPT_TIMEOUT_MS, (long)l->options.timeout_ms);
    curl_easy_setopt(l->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(l->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(l->curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(l->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(l->curl, CURLOPT_WRITEDATA, &reply);
    if (body != NULL) {
        curl_easy_setopt(l->curl, CURLOPT_POSTFIELDS, body->p);
        curl_easy_setopt(l->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->n);
    }
    const CURLcode code = curl_easy_perform(l->curl);
    curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &status);
    int result;
    if (code != CURLE_OK) {
        const bool late = code == CURLE_OPERATION_TIMEDOUT;
        result = lib_fail(problem, late ? "timeout" : "unreachable", "%s: %s", url.p,
                          error[0] != '\0' ? error : curl_easy_strerror(code));
    } else {
        result = answer(status, &reply, out, problem);
    }
    curl_slist_free_all(headers);
    text_deinit(&url);
    text_deinit(&reply);
    return result;
}
