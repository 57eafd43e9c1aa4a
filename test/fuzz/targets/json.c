/*
 * Any text as JSON. Input: byte 0 chooses: the rest is a text, or choices of which a text is made
 * that is good, or nearly.
 *
 * Beyond "no crash, no leak": what is accepted is what a plain reader of the grammar accepts
 * (written here, one byte at a time, knowing nothing of the library); json_valid agrees with
 * json_parse; each value's raw bytes parse again to the same; a tree of less depth has the same raw
 * bytes; strings written by the writer read back; an error has a text.
 */
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "fuzz/common.h"
#include "json/json.h"

#define TEXT_MAX  8192
#define MADE_DEEP 12

/* ---- The plain reader ------------------------------------------------------------------------ */

struct reader {
    const char *p, *end;
};

static void skip_white(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r')) {
        r->p++;
    }
}

static bool take(struct reader *r, char c)
{
    if (r->p == r->end || *r->p != c) {
        return false;
    }
    r->p++;
    return true;
}

static size_t take_digits(struct reader *r)
{
    const char *begin = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        r->p++;
    }
    return (size_t)(r->p - begin);
}

static bool read_number(struct reader *r)
{
    (void)take(r, '-');
    if (!take(r, '0') && take_digits(r) == 0) {
        return false;
    }
    if (take(r, '.') && take_digits(r) == 0) {
        return false;
    }
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+')) {
            (void)take(r, '-');
        }
        return take_digits(r) > 0;
    }
    return true;
}

static bool read_hex(struct reader *r, unsigned *out)
{
    char hex[5] = {0};
    if (r->end - r->p < 4) {
        return false;
    }
    memcpy(hex, r->p, 4);
    r->p += 4;
    if (strspn(hex, "0123456789abcdefABCDEF") != 4) {
        return false;
    }
    *out = (unsigned)strtoul(hex, NULL, 16);
    return true;
}

static bool read_string(struct reader *r)
{
    if (!take(r, '"')) {
        return false;
    }
    while (r->p < r->end && *r->p != '"') {
        unsigned char c = (unsigned char)*r->p++;
        unsigned code, low;
        if (c < 0x20) {
            return false;
        }
        if (c != '\\') {
            continue;
        }
        if (!take(r, 'u')) {
            if (r->p == r->end || *r->p == '\0' || strchr("\"\\/bfnrt", *r->p) == NULL) {
                return false;
            }
            r->p++;
            continue;
        }
        if (!read_hex(r, &code) || (code >= 0xDC00 && code < 0xE000)) {
            return false;
        }
        if (code >= 0xD800 && code < 0xDC00 &&
            (!take(r, '\\') || !take(r, 'u') || !read_hex(r, &low) || low < 0xDC00 ||
             low > 0xDFFF)) {
            return false;
        }
    }
    return take(r, '"');
}

static bool read_value(struct reader *r, unsigned depth);

static bool read_container(struct reader *r, bool object, unsigned depth)
{
    r->p++;
    skip_white(r);
    if (depth > JSON_DEPTH_DEFAULT) {
        return false;
    }
    if (take(r, object ? '}' : ']')) {
        return true;
    }
    do {
        skip_white(r);
        if (object) {
            if (!read_string(r)) {
                return false;
            }
            skip_white(r);
            if (!take(r, ':')) {
                return false;
            }
        }
        if (!read_value(r, depth)) {
            return false;
        }
        skip_white(r);
    } while (take(r, ','));
    return take(r, object ? '}' : ']');
}

static bool read_word(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0) {
        return false;
    }
    r->p += n;
    return true;
}

static bool read_value(struct reader *r, unsigned depth)
{
    skip_white(r);
    if (r->p == r->end) {
        return false;
    }
    switch (*r->p) {
    case '{':
    case '[':
        return read_container(r, *r->p == '{', depth + 1);
    case '"':
        return read_string(r);
    case 'n':
        return read_word(r, "null");
    case 't':
        return read_word(r, "true");
    case 'f':
        return read_word(r, "false");
    default:
        return read_number(r);
    }
}

static bool is_json(struct str text)
{
    struct reader r = {text.p, text.p + text.n};
    if (!utf8_valid(text) || !read_value(&r, 0)) {
        return false;
    }
    skip_white(&r);
    return r.p == r.end;
}

/* ---- What must hold of a tree ---------------------------------------------------------------- */

static void same_value(const struct json *x, const struct json *y)
{
    CHECK(x->kind == y->kind && x->count == y->count && x->boolean == y->boolean);
    CHECK(str_eq(x->raw, y->raw) && str_eq(x->string, y->string));
}

static void check_value(const struct json *v, struct arena *a)
{
    struct json *again;
    CHECK(json_parse(v->raw, NULL, a, &again, NULL) == ERR_OK);
    same_value(v, again);
    int64_t whole;
    double real;
    if (json_i64(v, &whole)) {
        CHECK(json_f64(v, &real) || v->raw.n >= 1000);
    }
    if (v->kind != JSON_STRING) {
        return;
    }
    struct buf b;
    struct json_writer w;
    buf_init(&b, 16 * TEXT_MAX);
    json_write_init(&w, &b);
    json_write_str(&w, v->string);
    CHECK(!buf_failed(&b) && json_parse(buf_str(&b), NULL, a, &again, NULL) == ERR_OK);
    CHECK(str_eq(again->string, v->string));
    buf_deinit(&b);
}

/* The same text, built to `depth` levels only. */
static void check_depth(struct str text, const struct json *whole, uint32_t depth, struct arena *a)
{
    struct json_limits limits = {.build_depth = depth};
    struct json *v;
    CHECK(json_parse(text, &limits, a, &v, NULL) == ERR_OK);
    CHECK(str_eq(v->raw, whole->raw) && v->kind == whole->kind);
    const struct json *x = v->first, *y = whole->first;
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        CHECK(x->kind == y->kind && str_eq(x->raw, y->raw) && str_eq(x->name, y->name));
        bool container = x->kind == JSON_ARRAY || x->kind == JSON_OBJECT;
        CHECK(x->unbuilt == (container && depth == 1));
    }
    CHECK(x == NULL && y == NULL);
}

static void check_text(struct str text)
{
    struct arena a;
    struct json *v = NULL;
    struct ectx ec = {0};
    struct json_limits any = {.allow_same_names = true};
    arena_init(&a, 64u << 20);
    bool good = is_json(text);
    enum err e = json_parse(text, &any, &a, &v, &ec);
    CHECK(good == (e == ERR_OK) && good == json_valid(text));
    if (!good) {
        CHECK((e == ERR_MALFORMED || e == ERR_LIMIT) && ec.text[0] != '\0' && v == NULL);
        arena_deinit(&a);
        return;
    }
    struct json *strict;
    if (json_parse(text, NULL, &a, &strict, &ec) == ERR_OK) {
        same_value(v, strict);
        check_depth(text, v, 1, &a);
        check_depth(text, v, 2, &a);
        check_value(v, &a);
        size_t left = 64;
        for (const struct json *c = v->first; c != NULL && left-- > 0; c = c->next) {
            check_value(c, &a);
            CHECK(v->kind != JSON_OBJECT || json_get_str(v, c->name) == c);
        }
    } else {
        CHECK(strstr(ec.text, "a second member") != NULL);
    }
    arena_deinit(&a);
}

/* ---- Texts that are made --------------------------------------------------------------------- */

static void put_space(struct fuzz_source *s, struct buf *b)
{
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t \r", "\x0C", "\xC2\xA0"};
    buf_put_z(b, spaces[fuzz_below(s, fuzz_below(s, 40) == 39 ? 8 : 6)]);
}

static void put_string(struct fuzz_source *s, struct buf *b)
{
    static const char *const parts[] = {
        "a",
        "name",
        " ",
        "\xC3\xA9",
        "\xF0\x9F\x98\x80",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0041",
        "\\ud83d\\ude00",
        "/",
        "{[,:]}",
        "\\u0000",
        "\\uDBFF\\uDFFF",
        "\\ud800",
        "\\u12",
        "\\x",
        "\x01",
        "\xFF",
        "\\ud800\\u0041",
        "\xED\xA0\x80",
        "\"",
        "\\",
    };
    buf_put_u8(b, '"');
    for (uint32_t n = fuzz_below(s, 6); n > 0; n--) {
        buf_put_z(b, parts[fuzz_below(s, fuzz_below(s, 30) == 29 ? 24 : 15)]);
    }
    buf_put_u8(b, '"');
}

static void put_value(struct fuzz_source *s, struct buf *b, unsigned depth)
{
    static const char *const plain[] = {"null", "true",    "false", "0",    "-1", "12.50",
                                        "1e9",  "-0.0E-7", "01",    "nul",  "1.", "+1",
                                        "1e",   "- 1",     "NaN",   "tr ue"};
    put_space(s, b);
    uint32_t kind = fuzz_below(s, depth >= MADE_DEEP ? 2 : 5);
    if (kind == 0) {
        buf_put_z(b, plain[fuzz_below(s, fuzz_below(s, 30) == 29 ? 16 : 8)]);
    } else if (kind == 1) {
        put_string(s, b);
    } else {
        bool object = kind == 2;
        buf_put_u8(b, object ? '{' : '[');
        for (uint32_t n = fuzz_below(s, 5), i = 0; i < n; i++) {
            if (i > 0 && fuzz_below(s, 60) != 59) {
                buf_put_u8(b, ',');
            }
            if (object) {
                put_space(s, b);
                put_string(s, b);
                put_space(s, b);
                buf_put_z(b, fuzz_below(s, 60) == 59 ? "" : ":");
            }
            put_value(s, b, depth + 1);
        }
        put_space(s, b);
        buf_put_z(b, fuzz_below(s, 60) == 59 ? "," : "");
        buf_put_u8(b, object != (fuzz_below(s, 60) == 59) ? '}' : ']');
    }
    put_space(s, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > TEXT_MAX) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        char *copy = malloc(size); /* of its own, so that no byte beside it is read unseen */
        CHECK(copy != NULL);
        memcpy(copy, data + 1, size - 1);
        check_text(str_make(copy, size - 1));
        free(copy);
        return 0;
    }
    struct fuzz_source s = fuzz_source_bytes(data + 1, size - 1);
    struct buf b;
    buf_init(&b, 1u << 20);
    put_value(&s, &b, 0);
    check_text(b.p == NULL ? STR_LIT("") : buf_str(&b));
    buf_deinit(&b);
    return 0;
}
