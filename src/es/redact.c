/*
 * What a redaction leaves of an event's data. Fields are JSON pointers; `null` stands where they
 * pointed to, every other byte stays as it was (spaces at the end go). Whatever cannot be
 * understood (data that is not JSON, a pointer that is none) hides all of the data: a redaction is
 * a promise.
 */
#include "es/read_int.h"

#include <stdio.h>

/* Parts of the text that become null. */
struct cut {
    size_t begin, end;
};

/* Sorted by begin; those within another are dropped. */
static size_t cuts_find(const struct json *root, struct str text, const struct str *fields,
                        size_t field_count, struct cut *cuts)
{
    size_t n = 0;
    for (size_t i = 0; i < field_count; i++) {
        const struct json *v = json_pointer(root, fields[i]);
        if (v == NULL) {
            continue;
        }
        struct cut c = {.begin = (size_t)(v->raw.p - text.p)};
        c.end = c.begin + v->raw.n;
        size_t at = n++;
        for (; at > 0 && cuts[at - 1].begin > c.begin; at--) {
            cuts[at] = cuts[at - 1];
        }
        cuts[at] = c;
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && cuts[i].begin < cuts[kept - 1].end) {
            if (cuts[i].end > cuts[kept - 1].end) {
                cuts[kept - 1].end = cuts[i].end; /* both begin where an array or object does */
            }
        } else {
            cuts[kept++] = cuts[i];
        }
    }
    return kept;
}

static struct str splice(struct str text, const struct cut *cuts, size_t n, struct arena *a)
{
    char *out = arena_alloc(a, text.n + 4 * n + 1);
    if (out == NULL) {
        return STR_NULL;
    }
    size_t from = 0, to = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(out + to, text.p + from, cuts[i].begin - from);
        to += cuts[i].begin - from;
        memcpy(out + to, "null", 4);
        to += 4;
        from = cuts[i].end;
    }
    memcpy(out + to, text.p + from, text.n - from);
    to += text.n - from;
    while (to > 0 && out[to - 1] == ' ') {
        to--; /* of data that was erased in its place */
    }
    return str_make(out, to);
}

/* The data as long as it was: `null` where it fits, 0 in the place of shorter values if there is no
 * room for more, spaces behind it. */
static void splice_in_place(struct str text, const struct cut *cuts, size_t n, char *out)
{
    size_t size = text.n, from = 0, to = 0;
    for (size_t i = 0; i < n; i++) {
        size = size - (cuts[i].end - cuts[i].begin) + 4;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(out + to, text.p + from, cuts[i].begin - from);
        to += cuts[i].begin - from;
        const bool fits = size <= text.n || cuts[i].end - cuts[i].begin >= 4;
        memcpy(out + to, fits ? "null" : "0", fits ? 4 : 1);
        to += fits ? 4 : 1;
        from = cuts[i].end;
    }
    memcpy(out + to, text.p + from, text.n - from);
    to += text.n - from;
    memset(out + to, ' ', text.n - to);
}

static enum err find_cuts(struct str data, const struct str *fields, size_t field_count,
                          struct arena *a, struct cut *cuts, size_t *n, struct ectx *ec)
{
    struct json *root;
    bool understood = field_count > 0 && field_count <= ES_FIELDS_MAX;
    for (size_t i = 0; i < field_count && understood; i++) {
        understood = json_pointer_check(fields[i], NULL) == ERR_OK;
    }
    const enum err err = understood ? json_parse(data, NULL, a, &root, ec) : ERR_MALFORMED;
    if (err == ERR_OK) {
        *n = cuts_find(root, data, fields, field_count, cuts);
    }
    return err;
}

enum err es_redact_in_place(struct str data, const struct str *fields, size_t field_count,
                            struct arena *a, char *out, struct ectx *ec)
{
    struct cut cuts[ES_FIELDS_MAX];
    size_t n = 0;
    const enum err err = find_cuts(data, fields, field_count, a, cuts, &n, ec);
    if (err == ERR_NO_MEMORY) {
        return err;
    }
    if (err != ERR_OK) {
        cuts[0] = (struct cut){0, data.n};
        n = 1;
    }
    splice_in_place(data, cuts, n, out);
    return ERR_OK;
}

/* ---- Are they there? ---- */

/* Does the pointer end in, or lead into, what a redaction has left? */
static bool lies_in_redacted(const struct json *root, struct str pointer)
{
    const struct json *v = NULL;
    while (v == NULL) {
        while (pointer.n > 0 && pointer.p[pointer.n - 1] != '/') {
            pointer.n--;
        }
        pointer.n -= pointer.n > 0;
        v = json_pointer(root, pointer);
    }
    return str_eq_z(v->raw, "null") || str_eq_z(v->raw, "0");
}

/* The names of the data's members, as far as there is room for them. */
static void say_members(const struct json *root, struct ectx *ec)
{
    char names[160];
    size_t n = 0;
    if (root->kind != JSON_OBJECT || root->first == NULL) {
        ectx_hint(ec, "the stored data is no object with members");
        return;
    }
    for (const struct json *m = root->first; m != NULL; m = m->next) {
        const bool fits = n + m->name.n + 2 <= sizeof(names) - sizeof(", ...");
        const struct str add = fits ? m->name : STR_LIT("...");
        const struct str comma = n > 0 ? STR_LIT(", ") : STR_LIT("");
        memcpy(names + n, comma.p, comma.n);
        memcpy(names + n + comma.n, add.p, add.n);
        n += comma.n + add.n;
        if (!fits) {
            break;
        }
    }
    ectx_hint(ec, "the stored data has: %.*s", (int)n, names);
}

static enum err say_missing(const struct str *fields, size_t field_count, const bool *missing,
                            struct ectx *ec)
{
    char names[256];
    size_t n = 0;
    for (size_t i = 0; i < field_count; i++) {
        const int m = !missing[i] || n >= sizeof(names)
                          ? 0
                          : snprintf(names + n, sizeof(names) - n, "%s'%.*s'", n > 0 ? ", " : "",
                                     STR(fields[i]));
        n += m > 0 ? (size_t)m : 0;
    }
    return ectx_fail(ec, ERR_NOT_FOUND, "the event's stored data has no %.*s",
                     (int)(n < sizeof(names) ? n : sizeof(names) - 1), names);
}

enum err es_redact_check(struct str data, const struct str *fields, size_t field_count, bool before,
                         struct arena *a, bool *missing, struct ectx *ec)
{
    struct json *root = NULL;
    struct ectx why = {0};
    const enum err parsed = json_parse(data, NULL, a, &root, &why);
    size_t count = 0;
    if (parsed == ERR_NO_MEMORY) {
        return ectx_fail(ec, parsed, "%s", why.text);
    }
    for (size_t i = 0; i < field_count; i++) {
        missing[i] = root == NULL || (json_pointer(root, fields[i]) == NULL &&
                                      !(before && lies_in_redacted(root, fields[i])));
        count += missing[i];
    }
    if (count == 0) {
        return ERR_OK;
    }
    const enum err e = say_missing(fields, field_count, missing, ec);
    if (root == NULL) {
        ectx_hint(ec,
                  "without fields all of the data is redacted; it has none that can be told: %s",
                  why.text);
    } else {
        say_members(root, ec);
    }
    return e;
}

/* Where the data was, or in the answer's memory if it became longer (`null` for a 1). Without room
 * for that it is what stands in the log when the redaction is out of it. */
static enum err data_put(struct es_event *e, const struct cut *cuts, size_t n,
                         struct arena *scratch, struct arena *a, struct ectx *ec)
{
    struct str text = splice(e->data, cuts, n, scratch);
    const struct str longer = text.n > e->data.n ? arena_str(a, text) : STR_NULL;
    if (longer.p != NULL) {
        e->data = longer;
        return ERR_OK;
    }
    if (text.p != NULL && text.n > e->data.n) {
        char *out = arena_take(scratch, e->data.n);
        if (out != NULL) {
            splice_in_place(e->data, cuts, n, out);
        }
        text = str_make(out, e->data.n);
    }
    if (text.p == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a redacted event");
    }
    memcpy((char *)(uintptr_t)e->data.p, text.p, text.n); /* the copy that the answer has */
    e->data.n = text.n;
    return ERR_OK;
}

enum err es_redact(struct es_event *e, const struct str *fields, size_t field_count,
                   struct arena *a, struct ectx *ec)
{
    struct cut cuts[ES_FIELDS_MAX];
    struct arena scratch;
    size_t n = 0;
    if (e->data.p == NULL) {
        return ERR_OK;
    }
    arena_init(&scratch, ES_REDACT_ARENA);
    enum err err = find_cuts(e->data, fields, field_count, &scratch, cuts, &n, ec);
    if (err == ERR_OK) {
        err = data_put(e, cuts, n, &scratch, a, ec);
    } else if (err != ERR_NO_MEMORY) {
        e->data = STR_NULL;
        err = ERR_OK;
    }
    arena_deinit(&scratch);
    return err;
}
