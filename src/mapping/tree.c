/*
 * A JSON tree that is changed. Its nodes are copies in an arena; a node whose `raw` is null is
 * written from its children, so that what was not touched is written as it stood.
 *
 * Invariant: on the way from the root to a change every `raw` is null.
 */
#include "mapping/mapping_int.h"

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
}

static bool is_container(const struct json *v)
{
    return v->kind == JSON_ARRAY || v->kind == JSON_OBJECT;
}

struct json *mapping_tree_copy(const struct json *v, struct arena *a)
{
    struct json *copy = arena_new(a, struct json);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *v;
    copy->next = NULL;
    copy->first = NULL;
    struct json **last = &copy->first;
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        struct json *child = mapping_tree_copy(m, a); /* as deep as the parser lets JSON be */
        if (child == NULL) {
            return NULL;
        }
        *last = child;
        last = &child->next;
    }
    return copy;
}

static struct json *tree_of_json(struct str value, struct arena *a)
{
    /* As the event has it; one that could be parsed there can be here. */
    const struct json_limits limits = {.allow_same_names = true};
    struct str text = arena_str(a, value);
    struct json *parsed = NULL;
    return !str_is_null(text) && json_parse(text, &limits, a, &parsed, NULL) == ERR_OK ? parsed
                                                                                       : NULL;
}

MUST_USE enum err mapping_tree_of_value(const struct mapping_value *v, struct arena *a,
                                        struct json **out, struct ectx *ec)
{
    if (v->kind == MAPPING_JSON) {
        *out = tree_of_json(v->text, a);
        return *out == NULL ? no_memory(ec) : ERR_OK;
    }
    struct json *n = arena_new(a, struct json);
    if (n == NULL) {
        return no_memory(ec);
    }
    struct buf b;
    buf_init(&b, MAPPING_STATE_BYTES_MAX);
    struct json_writer w;
    json_write_init(&w, &b);
    mapping_write_value(&w, v);
    n->raw = buf_failed(&b) ? STR_NULL : arena_str(a, buf_str(&b));
    const bool large = b.over;
    buf_deinit(&b);
    if (str_is_null(n->raw)) {
        return large ? ectx_fail(ec, ERR_MALFORMED, "a text of more than %u bytes, as JSON",
                                 MAPPING_STATE_BYTES_MAX)
                     : no_memory(ec);
    }
    n->kind = v->kind == MAPPING_NULL   ? JSON_NULL
              : v->kind == MAPPING_BOOL ? JSON_BOOL
              : v->kind == MAPPING_TEXT ? JSON_STRING
                                        : JSON_NUMBER;
    n->boolean = v->kind == MAPPING_BOOL && v->boolean;
    if (v->kind == MAPPING_TEXT) {
        n->string = arena_str(a, v->text);
        if (str_is_null(n->string)) {
            return no_memory(ec);
        }
    }
    *out = n;
    return ERR_OK;
}

void mapping_tree_write(const struct json *v, struct json_writer *w)
{
    if (v->raw.p != NULL || !is_container(v)) {
        json_write_raw(w, v->raw);
        return;
    }
    bool object = v->kind == JSON_OBJECT;
    json_write_begin(w, object ? '{' : '[');
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        if (object) {
            json_write_name_str(w, m->name);
        }
        mapping_tree_write(m, w);
    }
    json_write_end(w, object ? '}' : ']');
}

struct json **mapping_tree_find(struct json *v, struct str name)
{
    uint64_t index = 0;
    if (v->kind == JSON_ARRAY && !str_to_u64(name, &index)) {
        return NULL;
    }
    if (!is_container(v)) {
        return NULL;
    }
    uint64_t i = 0;
    for (struct json **link = &v->first; *link != NULL; link = &(*link)->next, i++) {
        if (v->kind == JSON_OBJECT ? str_eq((*link)->name, name) : i == index) {
            return link;
        }
    }
    return NULL;
}

MUST_USE bool mapping_tree_add(struct json *v, struct str name, struct json *child, struct arena *a)
{
    if (v->kind == JSON_OBJECT) {
        child->name = arena_str(a, name);
        if (str_is_null(child->name)) {
            return false;
        }
    }
    struct json **last = &v->first;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    child->next = NULL;
    *last = child;
    v->count++;
    v->raw = STR_NULL;
    return true;
}

void mapping_tree_take(struct json *v, struct json **link)
{
    *link = (*link)->next;
    v->count--;
    v->raw = STR_NULL;
}
