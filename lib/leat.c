/* Open, close, memory, problems. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

static void *default_allocate(void *ctx, void *p, size_t size)
{
    (void)ctx;
    if (size == 0) {
        free(p);
        return NULL;
    }
    return realloc(p, size);
}

void *lib_realloc(struct leat *l, void *p, size_t size)
{
    return l->options.allocate(l->options.ctx, p, size);
}

char *lib_copy(struct leat *l, const char *text)
{
    const size_t n = strlen(text) + 1;
    char *copy = lib_realloc(l, NULL, n);
    if (copy != NULL) {
        memcpy(copy, text, n);
    }
    return copy;
}

int lib_fail(struct leat_problem *p, const char *code, const char *format, ...)
{
    if (p != NULL) {
        va_list list;
        *p = (struct leat_problem){.original = -1};
        (void)snprintf(p->code, sizeof(p->code), "%s", code);
        va_start(list, format);
        (void)vsnprintf(p->detail, sizeof(p->detail), format, list);
        va_end(list);
        p->retryable = strcmp(code, "unreachable") == 0 || strcmp(code, "timeout") == 0;
    }
    return -1;
}

int leat_open(const struct leat_options *options, struct leat **out, struct leat_problem *problem)
{
    struct leat_options o = {0};
    if (options != NULL) {
        o = *options;
    }
    if (o.allocate == NULL) {
        o.allocate = default_allocate;
    }
    if (o.timeout_ms == 0) {
        o.timeout_ms = LIB_TIMEOUT_MS;
    }
    struct leat *l = o.allocate(o.ctx, NULL, sizeof(*l));
    if (l == NULL) {
        return lib_fail(problem, "no-memory", "no memory for a client");
    }
    *l = (struct leat){.options = o};
    l->http = lib_copy(l, o.http == NULL ? "127.0.0.1:8080" : o.http);
    l->kafka = lib_copy(l, o.kafka == NULL ? "127.0.0.1:9092" : o.kafka);
    l->curl = curl_easy_init();
    if (l->http == NULL || l->kafka == NULL || l->curl == NULL) {
        leat_close(l);
        return lib_fail(problem, "no-memory", "no memory for a client");
    }
    *out = l;
    return 0;
}

void leat_close(struct leat *l)
{
    if (l == NULL) {
        return;
    }
    if (l->curl != NULL) {
        curl_easy_cleanup(l->curl);
    }
    char *const texts[] = {l->http, l->kafka};
    for (size_t i = 0; i < 2; i++) {
        if (texts[i] != NULL) {
            (void)lib_realloc(l, texts[i], 0);
        }
    }
    l->options.allocate(l->options.ctx, l, 0);
}
