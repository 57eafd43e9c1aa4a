/*
 * Upcasts: the steps form a graph whose nodes are "type.vN", wherever they are declared. It has no
 * circle, and no path of more than MAPPING_CHAIN_MAX steps: so every chain ends, and what walks
 * along it may call itself.
 */
#include "core/compiler.h"
#include "mapping/upcast_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int compare_forms(struct str base, struct str version, const struct upcast_step *s)
{
    int c = str_cmp(base, s->from_base);
    c = c != 0 ? c : (int)!str_is_null(version) - (int)!str_is_null(s->from_version);
    return c != 0 ? c : str_cmp(version, s->from_version);
}

const struct upcast_node *upcast_find(const struct mapping_upcasts *u, struct str base,
                                      struct str version)
{
    size_t low = 0;
    size_t high = u->count;
    while (low < high) {
        const size_t at = low + (high - low) / 2;
        const int c = compare_forms(base, version, u->nodes[at].step);
        if (c == 0) {
            return &u->nodes[at];
        }
        if (c < 0) {
            high = at;
        } else {
            low = at + 1;
        }
    }
    return NULL;
}

const struct upcast_node *upcast_find_event(const struct mapping_upcasts *u,
                                            const struct envelope *e)
{
    struct str suffix;
    const struct str base = mapping_type_base(e->type, &suffix);
    return upcast_find(u, base, str_is_null(suffix) ? e->version : suffix);
}

static int compare_nodes(const void *a, const void *b)
{
    const struct upcast_node *x = a;
    const struct upcast_node *y = b;
    const int c = compare_forms(x->step->from_base, x->step->from_version, y->step);
    return c != 0 ? c : (x->order > y->order) - (x->order < y->order);
}

void upcast_sort(struct mapping_upcasts *u)
{
    size_t count = 0;
    if (u->count > 0) {
        qsort(u->nodes, u->count, sizeof(*u->nodes), compare_nodes);
    }
    for (size_t i = 0; i < u->count; i++) {
        const struct upcast_step *s = u->nodes[i].step;
        if (count == 0 ||
            compare_forms(s->from_base, s->from_version, u->nodes[count - 1].step) != 0) {
            u->nodes[count++] = u->nodes[i];
        }
    }
    u->count = count;
}

enum err upcast_fail(const struct upcast_step *s, struct ectx *ec, const char *fmt, ...)
{
    char text[320];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return mapping_fail(&s->home->doc, s->at, 0, ec, "%s", text);
}

/* ---- Circles */

struct circle {
    struct mapping_upcasts *u;
    const struct mapping_upcasts *file;
    const struct upcast_node *path[MAPPING_CHAIN_MAX + 1];
    struct ectx *ec;
};

/* path[from..to) lead back to path[from]: "A.v1 -> A.v2 ('other') -> A.v1". */
static enum err circle_fail(const struct circle *c, size_t from, size_t to)
{
    char way[200];
    size_t n = 0;
    size_t first = from;
    for (size_t i = to; i > from; i--) { /* the first of the file at hand, if one is */
        first = c->path[i - 1]->step->home == c->file ? i - 1 : first;
    }
    const struct upcast_step *at = c->path[first]->step;
    for (size_t i = 0; i < to - from && n < sizeof(way); i++) {
        const struct upcast_node *node = c->path[from + (first - from + i) % (to - from)];
        const bool other = node->step->home != at->home && !str_is_null(node->name);
        const int more =
            snprintf(way + n, sizeof(way) - n, other ? "%.*s ('%.*s') -> " : "%.*s -> ",
                     STR(node->step->from), STR(node->name));
        n += more < 0 ? 0 : (size_t)more;
    }
    return to - from == 1
               ? upcast_fail(at, c->ec, "the steps from '%.*s' lead back to it", STR(at->from))
               : upcast_fail(at, c->ec, "the steps from '%.*s' lead back to it: %s%.*s",
                             STR(at->from), way, STR(at->from));
}

/* Depth-first; a step that is met again while it is open closes a circle. */
static enum err check_node(struct circle *c, struct upcast_node *node, unsigned depth)
{
    if (node->height > 0 && depth + node->height <= MAPPING_CHAIN_MAX) {
        return ERR_OK;
    }
    for (unsigned i = 0; node->open && i < depth; i++) {
        if (c->path[i] == node) {
            return circle_fail(c, i, depth);
        }
    }
    if (node->height > 0 || depth >= MAPPING_CHAIN_MAX) {
        return upcast_fail(node->step, c->ec, "'%.*s': more than %u steps in a row",
                           STR(node->step->from), MAPPING_CHAIN_MAX);
    }
    unsigned height = 1;
    node->open = true;
    c->path[depth] = node;
    for (size_t i = 0; i < node->step->part_count; i++) {
        const struct upcast_part *p = &node->step->parts[i];
        const struct upcast_node *found = upcast_find(c->u, p->to_base, p->to_version);
        if (found != NULL) {
            struct upcast_node *next = &c->u->nodes[found - c->u->nodes];
            const enum err e = check_node(c, next, depth + 1);
            if (e != ERR_OK) {
                return e;
            }
            height = next->height + 1u > height ? next->height + 1u : height;
        }
    }
    node->open = false;
    node->height = (uint8_t)height;
    return ERR_OK;
}

MUST_USE enum err upcast_check_circles(struct mapping_upcasts *u,
                                       const struct mapping_upcasts *file, struct ectx *ec)
{
    struct circle c = {.u = u, .file = file, .ec = ec};
    enum err e = ERR_OK;
    for (size_t i = 0; i < u->count; i++) {
        u->nodes[i].height = 0;
        u->nodes[i].open = false;
    }
    for (size_t i = 0; i < u->count && e == ERR_OK; i++) {
        e = check_node(&c, &u->nodes[i], 0);
    }
    return e;
}

/* ---- What may come of an event */

#define SEEN_BITS 64u

struct visit {
    const struct mapping_upcasts *u;
    uint64_t seen[(MAPPING_STEPS_MAX + SEEN_BITS - 1) / SEEN_BITS];
    const struct envelope *e;
    bool suffixed;
    bool (*fits)(const void *ctx, const struct envelope *form);
    const void *ctx;
    const struct mapping_upcasts *through; /* instead of fits: a step of this file */
};

/* Each step once: paths may be many. No deeper than a chain is long. */
static bool visit_node(struct visit *v, const struct upcast_node *node)
{
    const size_t index = (size_t)(node - v->u->nodes);
    uint64_t *seen = &v->seen[index / SEEN_BITS];
    const uint64_t bit = 1ull << index % SEEN_BITS;
    if ((*seen & bit) != 0) {
        return false;
    }
    *seen |= bit;
    if (v->through != NULL && node->step->home == v->through) {
        return true;
    }
    for (size_t i = 0; i < node->step->part_count; i++) {
        const struct upcast_part *p = &node->step->parts[i];
        const struct upcast_node *next = upcast_find(v->u, p->to_base, p->to_version);
        struct envelope form = *v->e;
        form.type = v->suffixed ? p->to : p->to_base;
        form.version = p->to_version;
        const bool ends = next == NULL && v->through == NULL;
        if ((next != NULL && visit_node(v, next)) || (ends && v->fits(v->ctx, &form))) {
            return true;
        }
    }
    return false;
}

bool mapping_upcasts_known(const struct mapping_upcasts *u, const struct envelope *e)
{
    return upcast_find_event(u, e) != NULL;
}

bool mapping_upcasts_lead(const struct mapping_upcasts *u, const struct envelope *e,
                          bool (*fits)(const void *ctx, const struct envelope *form),
                          const void *ctx)
{
    struct str suffix;
    (void)mapping_type_base(e->type, &suffix);
    const struct upcast_node *first = upcast_find_event(u, e);
    struct visit v = {.u = u,
                      .e = e,
                      .suffixed = !str_is_null(suffix) || str_is_null(e->version),
                      .fits = fits,
                      .ctx = ctx};
    return fits(ctx, e) || (first != NULL && visit_node(&v, first));
}

bool mapping_upcasts_through(const struct mapping_upcasts *u, const struct envelope *e,
                             const struct mapping_upcasts *file)
{
    const struct upcast_node *first = upcast_find_event(u, e);
    struct visit v = {.u = u, .e = e, .through = file};
    return first != NULL && visit_node(&v, first);
}

/* ---- What matters to a fold */

struct sight {
    const struct mapping_upcasts *u;
    const struct mapping_fold *f;
    uint64_t known[(MAPPING_STEPS_MAX + SEEN_BITS - 1) / SEEN_BITS];
    uint64_t seen[(MAPPING_STEPS_MAX + SEEN_BITS - 1) / SEEN_BITS];
    uint64_t taken[(MAPPING_STEPS_MAX + SEEN_BITS - 1) / SEEN_BITS];
};

bool mapping_fold_wants(const struct mapping_fold *f, const struct envelope *e)
{
    for (size_t i = 0; i < f->rule_count; i++) {
        if (mapping_type_matches(&f->rules[i].type, e)) {
            return true;
        }
    }
    return false;
}

static bool wants_form(const struct mapping_fold *f, struct str type, struct str version)
{
    struct envelope form;
    envelope_init(&form);
    form.type = type;
    form.version = version;
    return mapping_fold_wants(f, &form);
}

/* May something that the fold wants come out of this step? */
static bool sees(struct sight *s, const struct upcast_node *node)
{
    const size_t index = (size_t)(node - s->u->nodes);
    const uint64_t bit = 1ull << index % SEEN_BITS;
    if ((s->known[index / SEEN_BITS] & bit) != 0) {
        return (s->seen[index / SEEN_BITS] & bit) != 0;
    }
    bool yes = false;
    for (size_t i = 0; i < node->step->part_count && !yes; i++) {
        const struct upcast_part *p = &node->step->parts[i];
        const struct upcast_node *next = upcast_find(s->u, p->to_base, p->to_version);
        yes = next != NULL ? sees(s, next) : wants_form(s->f, p->to, p->to_version);
    }
    s->known[index / SEEN_BITS] |= bit;
    s->seen[index / SEEN_BITS] |= yes ? bit : 0;
    return yes;
}

/* This step and all that may follow it: each once. */
static void take_on(struct sight *s, const struct upcast_node *node)
{
    const size_t index = (size_t)(node - s->u->nodes);
    const uint64_t bit = 1ull << index % SEEN_BITS;
    if ((s->taken[index / SEEN_BITS] & bit) != 0) {
        return;
    }
    s->taken[index / SEEN_BITS] |= bit;
    for (size_t i = 0; i < node->step->part_count; i++) {
        const struct upcast_part *p = &node->step->parts[i];
        const struct upcast_node *next = upcast_find(s->u, p->to_base, p->to_version);
        if (next != NULL) {
            take_on(s, next);
        }
    }
}

/* A step matters if the fold wants what may come of it, or would want what it takes away, or comes
 * after such a one: if nothing comes of all of them, the event stays what it was. */
uint64_t mapping_fold_digest(const struct mapping_fold *f, const struct mapping_upcasts *u)
{
    struct sight s = {.u = u, .f = f};
    uint64_t digest = f->hash;
    for (size_t i = 0; u != NULL && i < u->count; i++) {
        const struct upcast_step *step = u->nodes[i].step;
        if (wants_form(f, step->from, step->from_version)) {
            take_on(&s, &u->nodes[i]);
        }
    }
    for (size_t i = 0; u != NULL && i < u->count; i++) {
        if (sees(&s, &u->nodes[i]) || (s.taken[i / SEEN_BITS] & 1ull << i % SEEN_BITS) != 0) {
            digest = mapping_hash_text(digest, u->nodes[i].step->at->raw);
        }
    }
    return digest;
}
