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
struct text {
    struct leat *leat;
    char *p;
    size_t n, capacity;
    bool failed;
};
void text_init(struct text *t, struct leat *l);
void text_deinit(struct text *t);
void text_put(struct text *t, const void *p, size_t n);
void text_put_z(struct text *t, const char *z);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_put_json(struct text *t, const char *z);    /* a JSON string, with its quotes */
void text_put_encoded(struct text *t, const char *z); /* percent-encoded, for a path or query */
void text_put_base64(struct text *t, const void *p, size_t n);
/* Decodes base64 text in place. The number of bytes; SIZE_MAX: it is none. */
size_t lib_base64_decode(char *text);

/* json.c: a value is a piece of a text; p NULL: there is none. */
struct json {
    char *p, *end;
};
/* The whole text (with a NUL after it) is one value. */
bool json_parse(char *text, size_t n, struct json *out);
/* The next of an array or object, *at is NULL at first. key: of an object. */
bool json_each(const struct json *container, char **at, struct json *key, struct json *value);
void json_members(const struct json *object, const char *const *names, struct json *values,
                  size_t count);
bool json_is(const struct json *v, const char *token); /* "true", "null" */
int64_t json_number(const struct json *v, int64_t missing);
/* These write into the text. */
const char *json_text(const struct json *v); /* of a string; NULL: it is none */
const char *json_end(const struct json *v);  /* any value as its own text, with a NUL behind it */
/* Digits, and nothing else. */
bool lib_number(const char *p, size_t n, int64_t *out);

/* call.c */
struct call {
    const char *method;
    struct text path, body; /* body: n 0 is none */
    bool once;              /* it must not be sent again by itself */
};
void call_init(struct call *c, struct leat *l, const char *method);
void call_deinit(struct call *c);
/* An answer with a status below 400, in `reply` (which the caller ends), else a problem. An empty
 * one is `out` without p. */
int lib_call(struct leat *l, const struct call *c, struct text *reply, struct json *out,
             struct leat_problem *problem);

#endif
