/*
 * JSON (RFC 8259): text to a tree of views, JSON pointers (RFC 6901), and a writer. A library
 * parses (docs/adr); nothing else in the house knows it.
 *
 * The tree is in the caller's arena and views the caller's text: both must outlive it. `raw` is
 * each value's bytes exactly as they stand in the text, so that data passes through unchanged:
 * numbers keep their digits, members their order.
 *
 * Pure functions over memory. Nothing blocks.
 */
#ifndef LEAT_JSON_JSON_H
#define LEAT_JSON_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

#define JSON_TEXT_MAX      (128u * 1024 * 1024) /* bytes of a text; longer ones: ERR_LIMIT */
#define JSON_DEPTH_DEFAULT 64u
#define JSON_DEPTH_MAX     256u /* no limit may be set higher */

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    bool boolean;
    bool unbuilt;       /* an array or object below build_depth: checked, but it has only `raw` */
    uint32_t count;     /* of elements or members */
    struct str raw;     /* without white space around it */
    struct str string;  /* JSON_STRING, decoded to UTF-8 (may hold NUL bytes) */
    struct str name;    /* decoded; null if the parent is not an object */
    struct json *first; /* elements or members in their order */
    struct json *next;
};

struct json_limits {
    uint32_t depth_max;    /* nesting; 0: 64 */
    uint32_t build_depth;  /* containers nested deeper than this are checked, not built; 0: all are.
                              1 builds the outermost value and its children */
    bool allow_same_names; /* else two members of one (built) object with one name are refused */
};

/* The one value in `text`. All of the text is checked, whatever is built: grammar, UTF-8, unpaired
 * surrogates, depth. ERR_MALFORMED with line, column and what was expected; ERR_LIMIT: too deep;
 * ERR_NO_MEMORY: over the arena's budget. limits may be NULL. */
MUST_USE enum err json_parse(struct str text, const struct json_limits *limits, struct arena *a,
                             struct json **out, struct ectx *ec);
/* Is this one valid JSON value and nothing else, at most JSON_DEPTH_DEFAULT deep? ERR_OK: it is.
 * ERR_NO_MEMORY: there is none to find out (four bytes for each of the text, while it runs).
 * Others: it is not. */
MUST_USE enum err json_check(struct str text);
/* The same for those who refuse what is not known to be JSON. */
bool json_valid(struct str text);

/* A member by name; NULL if there is none, or v is NULL or no object. */
struct json *json_get(const struct json *v, const char *name);
struct json *json_get_str(const struct json *v, struct str name);
struct json *json_at(const struct json *v, size_t index);
/* RFC 6901: "" is v itself, "/a/0/b~1c". NULL: nothing there. The pointer's own form is checked by
 * json_pointer_check. */
struct json *json_pointer(const struct json *v, struct str pointer);
MUST_USE enum err json_pointer_check(struct str pointer, struct ectx *ec);

/* Whole numbers only ("1.0" and "1e3" are); false: not a number, not whole, out of range. */
bool json_i64(const struct json *v, int64_t *out);
/* The nearest double; false also for numbers beyond it (1e400) and of more than 1,000 characters.
 */
bool json_f64(const struct json *v, double *out);

/*
 * Writing: commas and escapes. Containers are begun and ended by the caller; what is put after a
 * name, or into an array, is one value. Errors are the buffer's (buf_failed).
 *
 *     struct json_writer w;
 *     json_write_init(&w, &buf);
 *     json_write_begin(&w, '{');
 *     json_write_name(&w, "stream");  json_write_str(&w, stream);
 *     json_write_end(&w, '}');
 */
struct json_writer {
    struct buf *out;
    bool comma; /* something stands before what comes next */
};
void json_write_init(struct json_writer *w, struct buf *out);
void json_write_begin(struct json_writer *w, char open); /* '{' or '[' */
void json_write_end(struct json_writer *w, char close);
/* A name of our own: printable ASCII without quotes and backslashes. */
void json_write_name(struct json_writer *w, const char *name);
void json_write_name_str(struct json_writer *w, struct str name);
void json_write_str(struct json_writer *w, struct str s); /* null string: null */
void json_write_z(struct json_writer *w, const char *z);
void json_write_i64(struct json_writer *w, int64_t v);
void json_write_u64(struct json_writer *w, uint64_t v);
/* The shortest that reads back: 3450, 0.1, 1e+21. Not finite: null. */
void json_write_f64(struct json_writer *w, double v);
#define JSON_F64_SIZE 40u
void json_f64_text(double v, char out[JSON_F64_SIZE]); /* the same as a text; v is finite */
void json_write_bool(struct json_writer *w, bool v);
void json_write_null(struct json_writer *w);
/* Bytes that are a JSON value already. */
void json_write_raw(struct json_writer *w, struct str json);
/* Name and value at once, the commonest case. */
void json_write_member_str(struct json_writer *w, const char *name, struct str s);
void json_write_member_i64(struct json_writer *w, const char *name, int64_t v);
void json_write_member_bool(struct json_writer *w, const char *name, bool v);

#endif
