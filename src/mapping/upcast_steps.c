/*
 * Upcasts: the steps form a graph whose nodes are "type.vN". It has no circle, so every chain ends.
 */
#include "core/compiler.h"
#include "mapping/upcast_int.h"

const struct upcast_step *upcast_find(const struct mapping_upcasts *u, struct str base,
                                      struct str version)
{
    for (size_t i = 0; i < u->count; i++) {
        const struct upcast_step *s = &u->steps[i];
        if (str_eq(s->from_base, base) && str_is_null(s->from_version) == str_is_null(version) &&
            str_eq(s->from_version, version)) {
            return s;
        }
    }
    return NULL;
}

/* Depth-first; a step that is met again while it is being seen closes a circle. */
static enum err check_circles(const struct mapping_doc *doc, const struct mapping_upcasts *u,
                              struct upcast_step *s, unsigned depth, struct ectx *ec)
{
    if (s->seen == SEEN) {
        return ERR_OK;
    }
    if (s->seen == BEING_SEEN) {
        return mapping_fail(doc, s->at, 0, ec, "the steps from '%.*s' lead back to it",
                            STR(s->from));
    }
    if (depth >= MAPPING_CHAIN_MAX) {
        return mapping_fail(doc, s->at, 0, ec, "more than %u steps in a row", MAPPING_CHAIN_MAX);
    }
    s->seen = BEING_SEEN;
    for (size_t i = 0; i < s->part_count; i++) {
        for (size_t k = 0; k < u->count; k++) {
            struct upcast_step *next = &u->steps[k];
            if (next == upcast_find(u, s->parts[i].to_base, s->parts[i].to_version)) {
                enum err e = check_circles(doc, u, next, depth + 1, ec);
                if (e != ERR_OK) {
                    return e;
                }
            }
        }
    }
    s->seen = SEEN;
    return ERR_OK;
}

MUST_USE enum err upcast_check_circles(const struct mapping_doc *doc,
                                       const struct mapping_upcasts *u, struct ectx *ec)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < u->count && e == ERR_OK; i++) {
        e = check_circles(doc, u, &u->steps[i], 0, ec);
    }
    return e;
}

bool mapping_upcasts_known(const struct mapping_upcasts *u, const struct envelope *e)
{
    struct str suffix;
    struct str base = mapping_type_base(e->type, &suffix);
    return upcast_find(u, base, str_is_null(suffix) ? e->version : suffix) != NULL;
}

struct str mapping_upcasts_shared(const struct mapping_upcasts *a, const struct mapping_upcasts *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (upcast_find(a, b->steps[i].from_base, b->steps[i].from_version) != NULL) {
            return b->steps[i].from;
        }
    }
    return STR_NULL;
}

bool mapping_upcasts_lead(const struct mapping_upcasts *u, const struct envelope *e,
                          bool (*fits)(const void *ctx, const struct envelope *form),
                          const void *ctx)
{
    struct str suffix;
    struct str base = mapping_type_base(e->type, &suffix);
    const bool suffixed = !str_is_null(suffix) || str_is_null(e->version);
    const struct upcast_step *first =
        upcast_find(u, base, str_is_null(suffix) ? e->version : suffix);
    const struct upcast_step *todo[MAPPING_RULES_MAX];
    bool seen[MAPPING_RULES_MAX] = {false};
    size_t count = 0;
    if (fits(ctx, e)) {
        return true;
    }
    if (first != NULL) {
        seen[first - u->steps] = true;
        todo[count++] = first;
    }
    for (size_t at = 0; at < count; at++) { /* each step once: paths may be many */
        for (size_t i = 0; i < todo[at]->part_count; i++) {
            const struct upcast_part *p = &todo[at]->parts[i];
            const struct upcast_step *next = upcast_find(u, p->to_base, p->to_version);
            if (next == NULL) {
                struct envelope form = *e;
                form.type = suffixed ? p->to : p->to_base;
                form.version = p->to_version;
                if (fits(ctx, &form)) {
                    return true;
                }
            } else if (!seen[next - u->steps]) {
                seen[next - u->steps] = true;
                todo[count++] = next;
            }
        }
    }
    return false;
}
