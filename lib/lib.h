/* What the files of libleat share. */
#ifndef LEAT_LIB_LIB_H
#define LEAT_LIB_LIB_H

#include <curl/curl.h>
#include <jansson.h>

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
/* The bytes of base64 text; NULL: none, or no memory. Free with lib_realloc. */
void *lib_base64_decode(struct leat *l, const char *text, size_t *size);

/* call.c: an answer with a status below 400 as JSON (NULL if it is empty), else a problem. */
int lib_call(struct leat *l, const char *method, const struct text *path, const struct text *body,
             json_t **out, struct leat_problem *problem);

/* A member; NULL, or `missing`, if it is not there. */
const char *lib_member_text(const json_t *v, const char *name);
int64_t lib_member_number(const json_t *v, const char *name, int64_t missing);

#endif
