/* Do the members of an object have different names? By pairs if they are few, else sorted: no input
 * makes it quadratic. */
#include <stdio.h>
#include <string.h>

#include "json/parse_int.h"

#define BY_PAIRS_MAX 16u

static enum err fail_same(struct str text, const struct json *second, struct ectx *ec)
{
    char what[96];
    (void)snprintf(what, sizeof(what), "a second member \"%.*s\" in one object",
                   second->name.n > 48 ? 48 : (int)second->name.n, second->name.p);
    return json_fail_at(text, (size_t)(second->raw.p - text.p), what, ec);
}

static const struct json *same_by_pairs(const struct json *object)
{
    for (const struct json *v = object->first; v != NULL; v = v->next) {
        for (const struct json *before = object->first; before != v; before = before->next) {
            if (str_eq(v->name, before->name)) {
                return v;
            }
        }
    }
    return NULL;
}

/* Shorter names first: the length alone decides most comparisons. */
static int name_order(const struct json *x, const struct json *y)
{
    if (x->name.n != y->name.n) {
        return x->name.n < y->name.n ? -1 : 1;
    }
    return x->name.n == 0 ? 0 : memcmp(x->name.p, y->name.p, x->name.n);
}

/* One round of a merge sort: runs of `width` in `from` become runs of twice that in `to`. */
static void merge_runs(const struct json **from, const struct json **to, size_t n, size_t width)
{
    for (size_t at = 0; at < n; at += 2 * width) {
        size_t i = at, i_end = at + width < n ? at + width : n;
        size_t j = i_end, j_end = i_end + width < n ? i_end + width : n;
        for (size_t k = at; k < j_end; k++) {
            bool left = j == j_end || (i < i_end && name_order(from[i], from[j]) <= 0);
            to[k] = left ? from[i++] : from[j++];
        }
    }
}

MUST_USE enum err json_names_differ(struct str text, const struct json *object, struct arena *a,
                                    struct ectx *ec)
{
    size_t n = object->count;
    if (n <= BY_PAIRS_MAX) {
        const struct json *same = same_by_pairs(object);
        return same == NULL ? ERR_OK : fail_same(text, same, ec);
    }
    const struct json **from = arena_new_n(a, const struct json *, n);
    const struct json **to = arena_new_n(a, const struct json *, n);
    if (from == NULL || to == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "JSON: no memory, or more than its budget");
    }
    size_t at = 0;
    for (const struct json *v = object->first; v != NULL; v = v->next) {
        from[at++] = v;
    }
    for (size_t width = 1; width < n; width *= 2) {
        merge_runs(from, to, n, width);
        const struct json **swap = from;
        from = to;
        to = swap;
    }
    for (size_t i = 1; i < n; i++) {
        if (name_order(from[i - 1], from[i]) == 0) {
            return fail_same(text, from[i], ec);
        }
    }
    return ERR_OK;
}
