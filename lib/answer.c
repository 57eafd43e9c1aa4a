/* What the server answered: JSON, or a problem document as a struct. */
#include <stdio.h>

#include "lib.h"

static int problem_of(struct leat_problem *p, long status, const struct lib_json *v)
{
    enum { CODE, DETAIL, HINT, RETRYABLE, ACTUAL, ORIGINAL, COUNT };
    static const char *const names[COUNT] = {"code",      "detail", "hint",
                                             "retryable", "actual", "original_revision"};
    struct lib_json m[COUNT];
    lib_json_members(v, names, m, COUNT);
    const char *code = lib_json_text(&m[CODE]);
    const char *detail = lib_json_text(&m[DETAIL]);
    const char *hint = lib_json_text(&m[HINT]);
    (void)lib_fail(p, code == NULL ? "http-error" : code, "%s",
                   detail == NULL ? "the server gave no reason" : detail);
    if (p != NULL) {
        p->status = (int)status;
        p->retryable = lib_json_is(&m[RETRYABLE], "true");
        (void)snprintf(p->hint, sizeof(p->hint), "%s", hint == NULL ? "" : hint);
        p->has_actual = m[ACTUAL].p != NULL;
        p->actual = lib_json_number(&m[ACTUAL], LEAT_EXPECT_NO_STREAM);
        p->original = lib_json_number(&m[ORIGINAL], -1);
    }
    return -1;
}

int lib_answer(long status, struct lib_text *body, struct lib_json *out,
               struct leat_problem *problem)
{
    struct lib_json v = {NULL, NULL};
    const bool good = body->n == 0 || lib_json_parse(body->p, body->n, &v);
    if (status >= 400) {
        return problem_of(problem, status, &v);
    }
    if (!good) {
        return lib_fail(problem, "malformed-answer", "the answer is no JSON");
    }
    *out = v;
    return 0;
}
