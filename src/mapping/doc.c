/*
 * A definition as a document: messages with file, line and column, members that are not known,
 * texts.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "mapping/mapping_int.h"

#define NAME_MAX_COMPARED 64u /* longer names have no neighbours */

enum err mapping_fail(const struct mapping_doc *doc, const struct json *at, size_t column_add,
                      struct ectx *ec, const char *fmt, ...)
{
    char text[320];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    uint32_t line = 0;
    uint32_t column = 0;
    const char *file = doc->file == NULL ? "definition" : doc->file;
    if (at != NULL && doc->place != NULL && doc->place(doc->ctx, at, &line, &column)) {
        return ectx_fail(ec, ERR_CONFIG, "%s:%u:%zu: %s", file, line, column + column_add, text);
    }
    return ectx_fail(ec, ERR_CONFIG, "%s: %s", file, text);
}

/* How many single changes make b of a (Levenshtein). */
static size_t distance(struct str a, struct str b)
{
    size_t row[NAME_MAX_COMPARED + 1];
    for (size_t j = 0; j <= b.n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t change = diagonal + (a.p[i - 1] != b.p[j - 1]);
            size_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < other ? change : other;
        }
    }
    return row[b.n];
}

const char *mapping_nearest(struct str s, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        struct str name = str_of(names[i]);
        if (s.n > NAME_MAX_COMPARED || name.n > NAME_MAX_COMPARED) {
            continue;
        }
        size_t d = distance(s, name);
        if (d < least && d * 5 <= 2 * (s.n > name.n ? s.n : name.n)) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

static void hint_names(struct ectx *ec, struct str name, const char *const *names, size_t count)
{
    const char *near = mapping_nearest(name, names, count);
    if (near != NULL) {
        ectx_hint(ec, "did you mean '%s'?", near);
        return;
    }
    char all[160];
    size_t n = 0;
    all[0] = 0;
    for (size_t i = 0; i < count && n < sizeof(all); i++) {
        int more = snprintf(all + n, sizeof(all) - n, "%s%s", i == 0 ? "" : ", ", names[i]);
        n += more < 0 ? 0 : (size_t)more;
    }
    ectx_hint(ec, "known are: %s", all);
}

MUST_USE enum err mapping_check_members(const struct mapping_doc *doc, const struct json *v,
                                        const char *what, const char *const *names, size_t count,
                                        struct ectx *ec)
{
    if (v == NULL || v->kind != JSON_OBJECT) {
        return mapping_fail(doc, v, 0, ec, "%s must be a mapping (name: value)", what);
    }
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        bool known = false;
        for (size_t i = 0; i < count && !known; i++) {
            known = str_eq_z(m->name, names[i]);
        }
        if (!known) {
            enum err e =
                mapping_fail(doc, m, 0, ec, "'%.*s' is not known in %s", STR(m->name), what);
            if (ec != NULL) {
                hint_names(ec, m->name, names, count);
            }
            return e;
        }
    }
    return ERR_OK;
}

MUST_USE enum err mapping_text(const struct mapping_doc *doc, const struct json *v,
                               const char *name, bool required, struct str *out, struct ectx *ec)
{
    const struct json *m = json_get(v, name);
    if (m == NULL || m->kind == JSON_NULL) {
        *out = STR_NULL;
        return required ? mapping_fail(doc, v, 0, ec, "'%s' is missing", name) : ERR_OK;
    }
    if (m->kind != JSON_STRING || m->string.n == 0) {
        return mapping_fail(doc, m, 0, ec, "'%s' must be a text", name);
    }
    *out = m->string;
    return ERR_OK;
}

MUST_USE enum err mapping_texts(const struct mapping_doc *doc, const struct json *v,
                                const char *name, bool required, size_t max, struct arena *a,
                                struct str **out, size_t *count, struct ectx *ec)
{
    const struct json *m = json_get(v, name);
    *out = NULL;
    *count = 0;
    if (m == NULL || m->kind == JSON_NULL) {
        return required ? mapping_fail(doc, v, 0, ec, "'%s' is missing", name) : ERR_OK;
    }
    bool list = m->kind == JSON_ARRAY;
    size_t n = list ? m->count : 1;
    if (n > max) {
        return mapping_fail(doc, m, 0, ec, "'%s' has %zu entries; at most %zu are allowed", name, n,
                            max);
    }
    struct str *texts = arena_new_n(a, struct str, n == 0 ? 1 : n);
    if (texts == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    size_t i = 0;
    for (const struct json *t = list ? m->first : m; t != NULL && i < n; t = t->next) {
        if (t->kind != JSON_STRING || t->string.n == 0) {
            return mapping_fail(doc, t, 0, ec, "'%s' must be a text or a list of texts", name);
        }
        texts[i++] = t->string;
    }
    *out = texts;
    *count = n;
    return ERR_OK;
}
