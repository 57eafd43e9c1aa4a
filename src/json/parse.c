/*
 * From text to tree. The library finds where tokens begin (scan.cpp); here they are read in order:
 * their order is checked, each token is checked inside, and what is to be built becomes nodes.
 *
 *     [name ':'] value, then as many ']' and '}' as there are, then ',' and so on
 *
 * Between the end of a token and the beginning of the next there is only white space, or else the
 * token is not well-formed inside: a token is taken to reach to the next one without the white
 * space before it. Nothing recurses. This is the hot path of appends over HTTP: what is not built
 * costs a look at each token and nothing else.
 */
#include <string.h>

#include "core/mem.h"
#include "json/json.h"
#include "json/json_int.h"
#include "json/parse_int.h"

/* The places of a text's tokens are on the stack up to so many bytes of it. */
#define SMALL_TEXT 2048u

/* A container that is open. */
struct level {
    struct json *value; /* NULL: not in the tree */
    struct json **tail; /* where the next child goes; NULL: children are not built */
    bool object;
    bool fresh; /* it has no child yet */
};

struct walk {
    struct str text;
    const uint32_t *index; /* index[count] is the end of the text */
    uint32_t count, at;    /* of tokens */
    size_t next_escape;    /* place of the first backslash from here on, or behind the text */
    uint32_t depth, depth_max, build_depth;
    struct str name;   /* of the member whose value comes */
    struct json *root; /* of the tree */
    struct arena *arena;
    const struct json_limits *limits;
    struct ectx *ec;
    struct level levels[JSON_DEPTH_MAX + 1]; /* the first is the text itself */
};

static bool is_white(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static enum err no_memory(struct walk *w)
{
    return ectx_fail(w->ec, ERR_NO_MEMORY, "JSON: no memory, or more than its budget");
}

/* The token that is next is not what was expected, or there is none. */
static enum err unexpected(const struct walk *w, const char *expected)
{
    return json_fail_expected(w->text, w->index[w->at], expected, w->ec);
}

static enum err expected_value(const struct walk *w)
{
    bool first = w->levels[w->depth].fresh;
    return unexpected(w, first ? "a value or ']'" : "a value");
}

/* The first byte of the next token; 0, which is none's: there is none. */
static inline char next_char(const struct walk *w)
{
    return w->at < w->count ? w->text.p[w->index[w->at]] : '\0';
}

/* The next token, to the one after it, without white space at its end. */
static inline struct str next_token(const struct walk *w)
{
    size_t begin = w->index[w->at], end = w->index[w->at + 1];
    while (end > begin + 1 && is_white(w->text.p[end - 1])) {
        end--;
    }
    return str_make(w->text.p + begin, end - begin);
}

static inline size_t place_of(const struct walk *w, const char *p)
{
    return (size_t)(p - w->text.p);
}

static size_t escape_from(const struct walk *w, size_t at)
{
    const char *found = memchr(w->text.p + at, '\\', w->text.n - at);
    return found == NULL ? w->text.n : place_of(w, found);
}

/* Checks the escapes of a string and, if it is to be kept, decodes it. */
static enum err read_escapes(struct walk *w, struct str inside, bool keep, struct str *out)
{
    size_t n, bad_at;
    const char *why;
    if (!json_escapes_ok(inside, &n, &bad_at, &why)) {
        return json_fail_at(w->text, place_of(w, inside.p) + bad_at, why, w->ec);
    }
    w->next_escape = escape_from(w, place_of(w, inside.p) + inside.n);
    if (!keep) {
        return ERR_OK;
    }
    char *decoded = arena_alloc(w->arena, n);
    if (decoded == NULL) {
        return no_memory(w);
    }
    json_unescape(inside, decoded);
    *out = str_make(decoded, n);
    return ERR_OK;
}

/* The string that is next: a view where nothing is escaped. The scan has found its end, so what
 * does not end in a quote has something behind it. */
static inline enum err read_string(struct walk *w, struct str raw, bool keep, struct str *out)
{
    if (raw.n < 2 || raw.p[raw.n - 1] != '"') {
        return unexpected(w, "only a string here");
    }
    struct str inside = str_make(raw.p + 1, raw.n - 2);
    if (w->next_escape < place_of(w, raw.p) + raw.n) {
        return read_escapes(w, inside, keep, out);
    }
    *out = inside;
    return ERR_OK;
}

/* A node for the value that begins, in its place; *out NULL: it is not to be built. */
static inline enum err node_add(struct walk *w, enum json_kind kind, struct str raw,
                                struct json **out)
{
    struct level *l = &w->levels[w->depth];
    l->fresh = false;
    *out = NULL;
    if (l->tail == NULL) {
        return ERR_OK;
    }
    struct json *v = arena_new(w->arena, struct json);
    if (v == NULL) {
        return no_memory(w);
    }
    v->kind = kind;
    v->raw = raw;
    *l->tail = v;
    l->tail = &v->next;
    if (l->value != NULL) {
        l->value->count++;
    }
    if (l->object) {
        v->name = w->name;
    }
    *out = v;
    return ERR_OK;
}

static enum err open_container(struct walk *w, struct str token, bool object)
{
    if (w->depth == w->depth_max) {
        return json_fail_deep(w->text, place_of(w, token.p), w->depth_max, w->ec);
    }
    struct json *v;
    enum err e = node_add(w, object ? JSON_OBJECT : JSON_ARRAY, token, &v);
    if (e != ERR_OK) {
        return e;
    }
    struct level *l = &w->levels[++w->depth];
    l->value = v;
    l->tail = NULL;
    l->object = object;
    l->fresh = true;
    if (v != NULL && w->depth <= w->build_depth) {
        l->tail = &v->first;
    } else if (v != NULL) {
        v->unbuilt = true;
    }
    return ERR_OK;
}

/* At a '}' or ']' that fits. */
static enum err close_container(struct walk *w)
{
    struct level *l = &w->levels[w->depth--];
    if (l->value != NULL) {
        l->value->raw.n = w->index[w->at] + 1 - place_of(w, l->value->raw.p);
    }
    w->at++;
    if (l->tail != NULL && l->object && !w->limits->allow_same_names) {
        return json_names_differ(w->text, l->value, w->arena, w->ec);
    }
    return ERR_OK;
}

/* null, true, false and numbers. */
static enum err read_plain(struct walk *w, struct str raw)
{
    enum json_kind kind = JSON_NUMBER;
    char c = raw.p[0];
    bool digit = c == '-' || (c >= '0' && c <= '9');
    if (digit && !json_number_ok(raw)) {
        return json_fail_at(w->text, w->index[w->at], "this is no JSON number", w->ec);
    }
    if (!digit) {
        kind = c == 'n' ? JSON_NULL : JSON_BOOL;
        if (!str_eq(raw, STR_LIT("null")) && !str_eq(raw, STR_LIT("true")) &&
            !str_eq(raw, STR_LIT("false"))) {
            return expected_value(w);
        }
    }
    struct json *v;
    enum err e = node_add(w, kind, raw, &v);
    if (e == ERR_OK && v != NULL) {
        v->boolean = c == 't';
    }
    return e;
}

/* The value that is next, or the beginning of a container. */
static inline enum err read_value(struct walk *w)
{
    if (w->at == w->count) {
        return expected_value(w);
    }
    struct str token = next_token(w);
    enum err e;
    char c = token.p[0];
    if (c == '"') {
        struct str s = STR_NULL;
        struct json *v;
        e = read_string(w, token, w->levels[w->depth].tail != NULL, &s);
        if (e == ERR_OK) {
            e = node_add(w, JSON_STRING, token, &v);
        }
        if (e == ERR_OK && v != NULL) {
            v->string = s;
        }
    } else if (c == '{' || c == '[') {
        e = open_container(w, token, c == '{');
    } else {
        e = read_plain(w, token);
    }
    w->at++;
    return e;
}

/* The name that is next and its colon. */
static inline enum err read_name(struct walk *w)
{
    struct level *l = &w->levels[w->depth];
    if (next_char(w) != '"') {
        return unexpected(w, l->fresh ? "a name in quotes or '}'" : "a name in quotes");
    }
    enum err e = read_string(w, next_token(w), l->tail != NULL, &w->name);
    l->fresh = false;
    w->at++;
    if (e == ERR_OK && next_char(w) != ':') {
        return unexpected(w, "':'");
    }
    w->at++;
    return e;
}

/* What follows a value: its containers may end, then there is a comma, or the text ends. */
static inline enum err read_after(struct walk *w)
{
    while (w->depth > 0) {
        struct level *l = &w->levels[w->depth];
        char c = next_char(w);
        if (c == (l->object ? '}' : ']')) {
            enum err e = close_container(w);
            if (e != ERR_OK) {
                return e;
            }
        } else if (l->fresh) {
            return ERR_OK; /* just opened: its first child comes */
        } else if (c == ',') {
            w->at++;
            return ERR_OK;
        } else {
            return unexpected(w, l->object ? "',' or '}'" : "',' or ']'");
        }
    }
    return w->at == w->count ? ERR_OK : unexpected(w, "nothing after the value");
}

static enum err walk_tokens(struct walk *w)
{
    enum err e;
    w->next_escape = escape_from(w, 0);
    do {
        if (w->levels[w->depth].object && (e = read_name(w)) != ERR_OK) {
            return e;
        }
        if ((e = read_value(w)) != ERR_OK || (e = read_after(w)) != ERR_OK) {
            return e;
        }
    } while (w->depth > 0);
    return ERR_OK;
}

static enum err scan_and_walk(struct walk *w)
{
    if (w->text.n == 0) {
        return json_fail_expected(w->text, 0, "a value", w->ec);
    }
    if (w->text.n > JSON_TEXT_MAX) {
        return ectx_fail(w->ec, ERR_LIMIT, "JSON: %zu bytes are over the limit of %u", w->text.n,
                         JSON_TEXT_MAX);
    }
    NOT_ZEROED uint32_t few[JSON_SCAN_ENTRIES(SMALL_TEXT)];
    const bool small = w->text.n <= SMALL_TEXT;
    uint32_t *index = small ? few : mem_alloc(JSON_SCAN_ENTRIES(w->text.n) * sizeof(*index));
    if (index == NULL) {
        return no_memory(w);
    }
    enum err e = ERR_OK;
    switch (json_scan(w->text.p, w->text.n, index, &w->count)) {
    case JSON_SCAN_OK:
        index[w->count] = (uint32_t)w->text.n;
        w->index = index;
        e = walk_tokens(w);
        break;
    case JSON_SCAN_BAD:
        e = json_fail_scan(w->text, w->ec);
        break;
    case JSON_SCAN_NO_MEMORY:
        e = no_memory(w);
        break;
    }
    if (!small) {
        mem_free(index);
    }
    return e;
}

static void walk_init(struct walk *w, struct str text, const struct json_limits *limits,
                      struct arena *a, struct ectx *ec)
{
    static const struct json_limits none = {0};
    w->text = text;
    w->limits = limits == NULL ? &none : limits;
    w->at = 0;
    w->depth = 0;
    w->depth_max = w->limits->depth_max == 0 ? JSON_DEPTH_DEFAULT : w->limits->depth_max;
    w->depth_max = w->depth_max > JSON_DEPTH_MAX ? JSON_DEPTH_MAX : w->depth_max;
    w->build_depth = w->limits->build_depth == 0 ? JSON_DEPTH_MAX : w->limits->build_depth;
    w->name = STR_NULL;
    w->root = NULL;
    w->arena = a;
    w->ec = ec;
    /* Without an arena nothing is built. */
    w->levels[0] = (struct level){.tail = a == NULL ? NULL : &w->root};
}

MUST_USE enum err json_parse(struct str text, const struct json_limits *limits, struct arena *a,
                             struct json **out, struct ectx *ec)
{
    NOT_ZEROED struct walk w;
    walk_init(&w, text, limits, a, ec);
    enum err e = scan_and_walk(&w);
    if (e == ERR_OK) {
        *out = w.root;
    }
    return e;
}

MUST_USE enum err json_check(struct str text)
{
    NOT_ZEROED struct walk w;
    walk_init(&w, text, NULL, NULL, NULL);
    return scan_and_walk(&w);
}

bool json_valid(struct str text)
{
    return json_check(text) == ERR_OK;
}
