/*
 * The answers of the server, read where they lie: a value is a piece of the text, its strings are
 * decoded in place (they never grow), and data stays the very bytes that the server sent, however
 * long its numbers are. lib_json_parse checks the whole text once; after that every walk is within
 * it.
 *
 * lib_json_text and lib_json_end write into the text. A value is not walked again once something
 * within it was written, so: first find all members, then take them.
 */
#include <string.h>

#include "lib.h"

#define DEPTH_MAX 512

static char *skip_space(char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
        p++;
    }
    return p;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits after \u; -1: they are none. */
static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_of(p[i]);
        if (digit < 0) {
            return -1;
        }
        v = v * 16 + digit;
    }
    return v;
}

/* Each returns what follows the value, or NULL: it is none. The text ends with NUL. */
static char *skip_string(char *p)
{
    for (p++; *p != '"'; p++) {
        if ((unsigned char)*p < ' ') {
            return NULL;
        }
        if (*p == '\\') {
            p++;
            if (*p == '\0' || strchr("\"\\/bfnrtu", *p) == NULL || (*p == 'u' && hex4(p + 1) < 0)) {
                return NULL;
            }
        }
    }
    return p + 1;
}

static char *skip_number(char *p)
{
    const char *start = p;
    while ((*p >= '0' && *p <= '9') || *p == '-' || *p == '+' || *p == '.' || *p == 'e' ||
           *p == 'E') {
        p++;
    }
    return p == start ? NULL : p;
}

static char *skip_value(char *p, int depth);

static char *skip_members(char *p, bool object, int depth)
{
    const char close = object ? '}' : ']';
    p = skip_space(p + 1);
    if (*p == close) {
        return p + 1;
    }
    for (;;) {
        if (object) {
            p = *p == '"' ? skip_string(p) : NULL;
            p = p == NULL ? NULL : skip_space(p);
            if (p == NULL || *p != ':') {
                return NULL;
            }
            p = skip_space(p + 1);
        }
        p = skip_value(p, depth + 1);
        if (p == NULL) {
            return NULL;
        }
        p = skip_space(p);
        if (*p == close) {
            return p + 1;
        }
        if (*p != ',') {
            return NULL;
        }
        p = skip_space(p + 1);
    }
}

static char *skip_value(char *p, int depth)
{
    static const char *const words[] = {"true", "false", "null"};
    if (depth > DEPTH_MAX) {
        return NULL;
    }
    switch (*p) {
    case '"':
        return skip_string(p);
    case '{':
    case '[':
        return skip_members(p, *p == '{', depth);
    default:
        for (size_t i = 0; i < 3; i++) {
            const size_t n = strlen(words[i]);
            if (strncmp(p, words[i], n) == 0) {
                return p + n;
            }
        }
        return skip_number(p);
    }
}

bool lib_json_parse(char *text, size_t n, struct lib_json *out)
{
    char *p = skip_space(text);
    char *end = skip_value(p, 0);
    if (end == NULL || skip_space(end) != text + n) {
        return false;
    }
    *out = (struct lib_json){p, end};
    return true;
}

bool lib_json_each(const struct lib_json *container, char **at, struct lib_json *key,
                   struct lib_json *value)
{
    const bool object = container->p != NULL && *container->p == '{';
    if (container->p == NULL || (!object && *container->p != '[')) {
        return false;
    }
    char *p = skip_space(*at == NULL ? container->p + 1 : *at);
    if (p == container->end - 1) {
        return false;
    }
    p = *p == ',' ? skip_space(p + 1) : p;
    if (object) {
        key->p = p;
        key->end = skip_string(p);
        p = skip_space(skip_space(key->end) + 1);
    }
    value->p = p;
    value->end = skip_value(p, 0);
    *at = value->end;
    return true;
}

bool lib_json_is(const struct lib_json *v, const char *token)
{
    const size_t n = strlen(token);
    return v->p != NULL && (size_t)(v->end - v->p) == n && memcmp(v->p, token, n) == 0;
}

static bool named(const struct lib_json *key, const char *name)
{
    const size_t n = strlen(name);
    return (size_t)(key->end - key->p) == n + 2 && memcmp(key->p + 1, name, n) == 0;
}

void lib_json_members(const struct lib_json *object, const char *const *names,
                      struct lib_json *values, size_t count)
{
    char *at = NULL;
    struct lib_json key = {NULL, NULL};
    struct lib_json value;
    memset(values, 0, count * sizeof(*values));
    if (object->p == NULL || *object->p != '{') {
        return;
    }
    while (lib_json_each(object, &at, &key, &value)) {
        for (size_t i = 0; i < count; i++) {
            if (named(&key, names[i])) {
                values[i] = value;
            }
        }
    }
}

static char *put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* The character that p, behind \u, names; *end is what follows it. */
static unsigned take_escape(const char *p, const char **end)
{
    unsigned c = (unsigned)hex4(p);
    *end = p + 4;
    if (c >= 0xd800 && c < 0xdc00 && p[4] == '\\' && p[5] == 'u') {
        const unsigned low = (unsigned)hex4(p + 6);
        if (low >= 0xdc00 && low < 0xe000) {
            *end = p + 10;
            return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return c >= 0xd800 && c < 0xe000 ? 0xfffd : c;
}

const char *lib_json_text(const struct lib_json *v)
{
    static const char plain[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    if (v->p == NULL || *v->p != '"') {
        return NULL;
    }
    char *out = v->p;
    for (const char *p = v->p + 1; p < v->end - 1;) {
        if (*p != '\\') {
            *out++ = *p++;
        } else if (p[1] == 'u') {
            out = put_utf8(out, take_escape(p + 2, &p));
        } else {
            *out++ = meant[strchr(plain, p[1]) - plain];
            p += 2;
        }
    }
    *out = '\0';
    return v->p;
}

const char *lib_json_end(const struct lib_json *v)
{
    if (v->p == NULL) {
        return NULL;
    }
    *v->end = '\0';
    return v->p;
}

bool lib_number(const char *p, size_t n, int64_t *out)
{
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || v > (INT64_MAX - 9) / 10) {
            return false;
        }
        v = v * 10 + (p[i] - '0');
    }
    *out = v;
    return n > 0;
}

int64_t lib_json_number(const struct lib_json *v, int64_t missing)
{
    int64_t number;
    return v->p != NULL && lib_number(v->p, (size_t)(v->end - v->p), &number) ? number : missing;
}
