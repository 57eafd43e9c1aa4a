/*
 * From text to tree. The library finds where tokens begin (scan.cpp); here they are read in order:
 * their order is checked, each token is checked inside, and what is to be built becomes nodes.
 *
 *     WANT_VALUE --value--> WANT_AFTER --','--> WANT_VALUE or WANT_NAME --name--> WANT_COLON
 * --':'--> |  ^                  |  ^
 *      '[' '{'               ']' '}'
 *
 * Between the end of a token and the beginning of the next there is only white space, or else the
 * token is not well-formed inside: a token is taken to reach to the next one without the white
 * space before it. Nothing recurses.
 */
#include <string.h>

#include "core/mem.h"
#include "json/json.h"
#include "json/json_int.h"
#include "json/parse_int.h"

enum want {
    WANT_VALUE,
    WANT_FIRST_ELEMENT, /* or ']' */
    WANT_FIRST_NAME,    /* or '}' */
    WANT_NAME,
    WANT_COLON,
    WANT_AFTER_ELEMENT, /* ',' or ']' */
    WANT_AFTER_MEMBER,  /* ',' or '}' */
    WANT_END,
};

static const char *const wanted[] = {
    [WANT_VALUE] = "a value",
    [WANT_FIRST_ELEMENT] = "a value or ']'",
    [WANT_FIRST_NAME] = "a name in quotes or '}'",
    [WANT_NAME] = "a name in quotes",
    [WANT_COLON] = "':'",
    [WANT_AFTER_ELEMENT] = "',' or ']'",
    [WANT_AFTER_MEMBER] = "',' or '}'",
    [WANT_END] = "nothing after the value",
};

/* A container that is open. */
struct level {
    struct json *value; /* NULL: not in the tree */
    struct json **tail; /* where the next child goes; NULL: children are not built */
    bool object;
};

struct walk {
    struct str text;
    const uint32_t *index;
    uint32_t count, at; /* of tokens */
    enum want want;
    const struct json_limits *limits;
    uint32_t depth, depth_max;
    bool build;
    struct str name;   /* of the member whose value comes */
    struct json *root; /* of the tree, when build */
    struct arena *arena;
    struct ectx *ec;
    struct level levels[JSON_DEPTH_MAX];
};

static bool is_white(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static enum err no_memory(struct walk *w)
{
    return ectx_fail(w->ec, ERR_NO_MEMORY, "JSON: no memory, or more than its budget");
}

static enum err unexpected(const struct walk *w, size_t at)
{
    return json_fail_expected(w->text, at, wanted[w->want], w->ec);
}

/* The token that begins at index `at`, to the next one, without white space at its end. */
static struct str token_at(const struct walk *w, uint32_t at)
{
    size_t begin = w->index[at];
    size_t end = at + 1 < w->count ? w->index[at + 1] : w->text.n;
    while (end > begin + 1 && is_white(w->text.p[end - 1])) {
        end--;
    }
    return str_make(w->text.p + begin, end - begin);
}

static size_t place_of(const struct walk *w, const char *p)
{
    return (size_t)(p - w->text.p);
}

/* Checks a string and, if it is to be kept, decodes it: a view where nothing is escaped. */
static enum err read_string(struct walk *w, struct str raw, bool keep, struct str *out)
{
    if (raw.n < 2 || raw.p[raw.n - 1] != '"') {
        return unexpected(w, place_of(w, raw.p));
    }
    struct str inside = str_make(raw.p + 1, raw.n - 2);
    if (memchr(inside.p, '\\', inside.n) == NULL) {
        *out = inside;
        return ERR_OK;
    }
    size_t n, bad_at;
    const char *why;
    if (!json_escapes_ok(inside, &n, &bad_at, &why)) {
        return json_fail_at(w->text, place_of(w, inside.p) + bad_at, why, w->ec);
    }
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

/* Where the children of the innermost open container go, NULL if nobody wants them. */
static struct json **place_for_value(struct walk *w)
{
    return w->depth == 0 ? (w->build ? &w->root : NULL) : w->levels[w->depth - 1].tail;
}

/* A node for the value that begins, in its place; *out NULL: it is not to be built. */
static enum err node_add(struct walk *w, enum json_kind kind, struct str raw, struct json **out)
{
    *out = NULL;
    struct json **place = place_for_value(w);
    if (place == NULL) {
        return ERR_OK;
    }
    struct json *v = arena_new(w->arena, struct json);
    if (v == NULL) {
        return no_memory(w);
    }
    v->kind = kind;
    v->raw = raw;
    *place = v;
    if (w->depth > 0) {
        struct level *l = &w->levels[w->depth - 1];
        l->tail = &v->next;
        l->value->count++;
        v->name = w->name;
    }
    *out = v;
    return ERR_OK;
}

/* A value is complete: what may follow it? */
static void value_ends(struct walk *w)
{
    w->want = w->depth == 0                    ? WANT_END
              : w->levels[w->depth - 1].object ? WANT_AFTER_MEMBER
                                               : WANT_AFTER_ELEMENT;
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
    struct level *l = &w->levels[w->depth++];
    *l = (struct level){.value = v, .object = object};
    if (v != NULL && (w->limits->build_depth == 0 || w->depth <= w->limits->build_depth)) {
        l->tail = &v->first;
    } else if (v != NULL) {
        v->unbuilt = true;
    }
    w->want = object ? WANT_FIRST_NAME : WANT_FIRST_ELEMENT;
    return ERR_OK;
}

static enum err close_container(struct walk *w, struct str token)
{
    struct level *l = &w->levels[--w->depth];
    if (l->value != NULL) {
        l->value->raw.n = (size_t)(token.p + 1 - l->value->raw.p);
    }
    if (l->tail != NULL && l->object && !w->limits->allow_same_names) {
        enum err e = json_names_differ(w->text, l->value, w->arena, w->ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    value_ends(w);
    return ERR_OK;
}

/* null, true, false and numbers. */
static enum err read_plain(struct walk *w, struct str raw)
{
    enum json_kind kind = JSON_NUMBER;
    if (str_eq(raw, STR_LIT("null"))) {
        kind = JSON_NULL;
    } else if (str_eq(raw, STR_LIT("true")) || str_eq(raw, STR_LIT("false"))) {
        kind = JSON_BOOL;
    } else if (!json_number_ok(raw)) {
        size_t at = place_of(w, raw.p);
        bool digit = raw.p[0] == '-' || (raw.p[0] >= '0' && raw.p[0] <= '9');
        return digit ? json_fail_at(w->text, at, "this is no JSON number", w->ec)
                     : unexpected(w, at);
    }
    struct json *v;
    enum err e = node_add(w, kind, raw, &v);
    if (e == ERR_OK && v != NULL) {
        v->boolean = raw.p[0] == 't';
    }
    value_ends(w);
    return e;
}

static enum err read_value(struct walk *w, struct str token)
{
    switch (token.p[0]) {
    case '{':
        return open_container(w, token, true);
    case '[':
        return open_container(w, token, false);
    case '"': {
        struct str s = STR_NULL;
        struct json *v;
        enum err e = read_string(w, token, place_for_value(w) != NULL, &s);
        if (e == ERR_OK) {
            e = node_add(w, JSON_STRING, token, &v);
        }
        if (e == ERR_OK && v != NULL) {
            v->string = s;
        }
        value_ends(w);
        return e;
    }
    default:
        return read_plain(w, token);
    }
}

static enum err read_name(struct walk *w, struct str token)
{
    if (token.p[0] != '"') {
        return unexpected(w, place_of(w, token.p));
    }
    w->name = STR_NULL;
    enum err e = read_string(w, token, place_for_value(w) != NULL, &w->name);
    w->want = WANT_COLON;
    return e;
}

static enum err read_token(struct walk *w, struct str token)
{
    char c = token.p[0];
    switch (w->want) {
    case WANT_VALUE:
        return read_value(w, token);
    case WANT_FIRST_ELEMENT:
        return c == ']' ? close_container(w, token) : read_value(w, token);
    case WANT_FIRST_NAME:
        return c == '}' ? close_container(w, token) : read_name(w, token);
    case WANT_NAME:
        return read_name(w, token);
    case WANT_COLON:
        if (c != ':') {
            break;
        }
        w->want = WANT_VALUE;
        return ERR_OK;
    case WANT_AFTER_ELEMENT:
    case WANT_AFTER_MEMBER:
        if (c == ',') {
            w->want = w->want == WANT_AFTER_MEMBER ? WANT_NAME : WANT_VALUE;
            return ERR_OK;
        }
        if (c == (w->want == WANT_AFTER_MEMBER ? '}' : ']')) {
            return close_container(w, token);
        }
        break;
    case WANT_END:
        break;
    }
    return unexpected(w, place_of(w, token.p));
}

static enum err walk_tokens(struct walk *w)
{
    for (w->at = 0; w->at < w->count; w->at++) {
        enum err e = read_token(w, token_at(w, w->at));
        if (e != ERR_OK) {
            return e;
        }
    }
    return w->want == WANT_END ? ERR_OK : unexpected(w, w->text.n);
}

static enum err scan_and_walk(struct walk *w)
{
    if (w->text.n == 0) {
        return unexpected(w, 0);
    }
    if (w->text.n > JSON_TEXT_MAX) {
        return ectx_fail(w->ec, ERR_LIMIT, "JSON: %zu bytes are over the limit of %u", w->text.n,
                         JSON_TEXT_MAX);
    }
    uint32_t *index = mem_alloc(JSON_SCAN_ENTRIES(w->text.n) * sizeof(*index));
    if (index == NULL) {
        return no_memory(w);
    }
    enum err e = ERR_OK;
    switch (json_scan(w->text.p, w->text.n, index, &w->count)) {
    case JSON_SCAN_OK:
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
    mem_free(index);
    return e;
}

static void walk_init(struct walk *w, struct str text, const struct json_limits *limits,
                      struct ectx *ec)
{
    static const struct json_limits none = {0};
    w->text = text;
    w->limits = limits == NULL ? &none : limits;
    w->want = WANT_VALUE;
    w->depth = 0;
    w->depth_max = w->limits->depth_max == 0 ? JSON_DEPTH_DEFAULT : w->limits->depth_max;
    w->depth_max = w->depth_max > JSON_DEPTH_MAX ? JSON_DEPTH_MAX : w->depth_max;
    w->build = false;
    w->name = STR_NULL;
    w->root = NULL;
    w->arena = NULL;
    w->ec = ec;
}

MUST_USE enum err json_parse(struct str text, const struct json_limits *limits, struct arena *a,
                             struct json **out, struct ectx *ec)
{
    struct walk w;
    walk_init(&w, text, limits, ec);
    w.build = true;
    w.arena = a;
    enum err e = scan_and_walk(&w);
    if (e == ERR_OK) {
        *out = w.root;
    }
    return e;
}

bool json_valid(struct str text)
{
    struct walk w;
    walk_init(&w, text, NULL, NULL);
    return scan_and_walk(&w) == ERR_OK;
}
