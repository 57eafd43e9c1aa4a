/* What the files of libleat share. */
#ifndef LEAT_LIB_LIB_H
#define LEAT_LIB_LIB_H

#include <curl/curl.h>

#include "leat.h"

#define LIB_TIMEOUT_MS 10000u
#define LIB_ANSWER_MAX (128u * 1024 * 1024) /* bytes of one answer */
#define LIB_PAGE       500u
#define LIB_PAGE_MAX   10000u
#define LIB_TRIES      10u

struct leat {
    struct leat_options options;
    char *http, *kafka;
    CURL *curl;
};

/* leat.c */
void *lib_realloc(struct leat *l, void *p, size_t size); /* NULL: no memory; size 0 frees */
char *lib_copy(struct leat *l, const char *text);
/* Fills the problem (which may be NULL) and returns -1. */
int lib_fail(struct leat_problem *p, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* text.c: grows; `failed` once there is no memory. */
struct lib_text {
    struct leat *leat;
    char *p;
    size_t n, capacity;
    bool failed;
};
void lib_text_init(struct lib_text *t, struct leat *l);
void lib_text_deinit(struct lib_text *t);
void lib_text_put(struct lib_text *t, const void *p, size_t n);
void lib_text_put_z(struct lib_text *t, const char *z);
void lib_text_printf(struct lib_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void lib_text_put_json(struct lib_text *t, const char *z); /* a JSON string, with its quotes */
void lib_text_put_encoded(struct lib_text *t,
                          const char *z); /* percent-encoded, for a path or query */
void lib_text_put_base64(struct lib_text *t, const void *p, size_t n);
/* Decodes base64 text in place. The number of bytes; SIZE_MAX: it is none. */
size_t lib_base64_decode(char *text);

/* json.c: a value is a piece of a text; p NULL: there is none. */
struct lib_json {
    char *p, *end;
};
/* The whole text (with a NUL after it) is one value. */
bool lib_json_parse(char *text, size_t n, struct lib_json *out);
/* The next of an array or object, *at is NULL at first. key: of an object. */
bool lib_json_each(const struct lib_json *container, char **at, struct lib_json *key,
                   struct lib_json *value);
void lib_json_members(const struct lib_json *object, const char *const *names,
                      struct lib_json *values, size_t count);
bool lib_json_is(const struct lib_json *v, const char *token); /* "true", "null" */
int64_t lib_json_number(const struct lib_json *v, int64_t missing);
/* These write into the text. */
const char *lib_json_text(const struct lib_json *v); /* of a string; NULL: it is none */
const char *lib_json_end(
    const struct lib_json *v); /* any value as its own text, with a NUL behind it */
/* Digits, and nothing else. */
bool lib_number(const char *p, size_t n, int64_t *out);

/* answer.c: the body of an answer as JSON, or, of a status of 400 and above, as a problem. */
int lib_answer(long status, struct lib_text *body, struct lib_json *out,
               struct leat_problem *problem);

/* call.c */
struct lib_call {
    const char *method;
    struct lib_text path, body; /* body: n 0 is none */
    bool once;                  /* it must not be sent again by itself */
};
void lib_call_init(struct lib_call *c, struct leat *l, const char *method);
void lib_call_deinit(struct lib_call *c);
/* An answer with a status below 400, in `reply` (which the caller ends), else a problem. An empty
 * one is `out` without p. */
int lib_call(struct leat *l, const struct lib_call *c, struct lib_text *reply, struct lib_json *out,
             struct leat_problem *problem);

#endif
