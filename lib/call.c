/* One HTTP request and its answer, over a connection that is kept. */
#include <stdio.h>
#include <string.h>

#include "lib.h"

static size_t receive(char *p, size_t size, size_t count, void *ctx)
{
    struct lib_text *t = ctx;
    const size_t n = size * count;
    if (n > LIB_ANSWER_MAX - t->n) {
        return 0;
    }
    lib_text_put(t, p, n);
    return t->failed ? 0 : n;
}

/* Why curl gave up. */
static int failure(CURLcode code, const struct lib_text *reply, const char *url, const char *error,
                   struct leat_problem *problem)
{
    if (reply->failed || code == CURLE_OUT_OF_MEMORY) {
        return lib_fail(problem, "no-memory", "no memory for the answer");
    }
    if (code == CURLE_WRITE_ERROR) {
        return lib_fail(problem, "malformed-answer", "the answer is larger than %u MiB",
                        LIB_ANSWER_MAX >> 20);
    }
    if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL ||
        code == CURLE_PARTIAL_FILE) {
        return lib_fail(problem, "malformed-answer", "%s: %s", url, error);
    }
    return lib_fail(problem, code == CURLE_OPERATION_TIMEDOUT ? "timeout" : "unreachable", "%s: %s",
                    url, error);
}

static struct curl_slist *headers_make(void)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    /* no round trip before the body */
    struct curl_slist *all = headers == NULL ? NULL : curl_slist_append(headers, "Expect:");
    if (all == NULL) {
        curl_slist_free_all(headers);
    }
    return all;
}

void lib_call_init(struct lib_call *c, struct leat *l, const char *method)
{
    c->method = method;
    c->once = false;
    lib_text_init(&c->path, l);
    lib_text_init(&c->body, l);
}

void lib_call_deinit(struct lib_call *c)
{
    lib_text_deinit(&c->path);
    lib_text_deinit(&c->body);
}

struct upload {
    const struct lib_text *body;
    size_t sent;
};

static size_t give(char *to, size_t size, size_t count, void *ctx)
{
    struct upload *u = ctx;
    const size_t left = u->body->n - u->sent;
    const size_t n = size * count < left ? size * count : left;
    if (n > 0) {
        memcpy(to, u->body->p + u->sent, n);
    }
    u->sent += n;
    return n;
}

/*
 * curl sends a request again by itself if a connection that was kept breaks before the answer. That
 * is fine for what happens once all the same. Other bodies are read by a function that cannot begin
 * again, so that curl gives up instead.
 */
static void set_body(CURL *curl, const struct lib_call *c, struct upload *u)
{
    *u = (struct upload){.body = &c->body};
    if (c->once) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(curl, CURLOPT_READDATA, u);
    } else {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, c->body.p);
    }
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.n);
}

int lib_call(struct leat *l, const struct lib_call *c, struct lib_text *reply, struct lib_json *out,
             struct leat_problem *problem)
{
    struct upload upload;
    struct lib_text url;
    char error[CURL_ERROR_SIZE] = "";
    long status = 0;
    lib_text_init(&url, l);
    lib_text_put_z(&url, "http://");
    lib_text_put_z(&url, l->http);
    lib_text_put(&url, c->path.p, c->path.n);
    if (c->path.failed || c->body.failed || url.failed) {
        lib_text_deinit(&url);
        return lib_fail(problem, "no-memory", "no memory for the request");
    }
    struct curl_slist *headers = headers_make();
    if (headers == NULL) {
        lib_text_deinit(&url);
        return lib_fail(problem, "no-memory", "no memory for the request");
    }
    curl_easy_reset(l->curl); /* keeps the connection */
    curl_easy_setopt(l->curl, CURLOPT_URL, url.p);
    curl_easy_setopt(l->curl, CURLOPT_CUSTOMREQUEST, c->method);
    curl_easy_setopt(l->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(l->curl, CURLOPT_TIMEOUT_MS, (long)l->options.timeout_ms);
    curl_easy_setopt(l->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(l->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(l->curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(l->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(l->curl, CURLOPT_WRITEDATA, reply);
    if (c->body.n > 0) {
        set_body(l->curl, c, &upload);
    }
    const CURLcode code = curl_easy_perform(l->curl);
    curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &status);
    const int result = code == CURLE_OK
                           ? lib_answer(status, reply, out, problem)
                           : failure(code, reply, url.p,
                                     error[0] != '\0' ? error : curl_easy_strerror(code), problem);
    curl_slist_free_all(headers);
    lib_text_deinit(&url);
    return result;
}
