/*
 * Events by type and tag: lists of the index (table `terms`), sorted by position. With tags, those
 * that are in the list of every tag: each list is moved on to the farthest head of all until all
 * heads are the same, so that the shortest list sets the pace. Types are then a look at the entry.
 * Without tags, the lists of the types are merged.
 *
 * A list is loaded in parts. When the others are far ahead, what lies between is not loaded. What
 * is in memory is there at once; after many parts a job loads one all the same, so that a filter
 * that matches little does not hold the loop.
 */
#include "es/read_int.h"

#include "core/mem.h"

static const struct es_position position_last = {UINT64_MAX, UINT32_MAX};

static struct es_position position_next(struct es_position p)
{
    if (p.index < UINT32_MAX) {
        return (struct es_position){p.commit, p.index + 1};
    }
    return p.commit < UINT64_MAX ? (struct es_position){p.commit + 1, 0} : p;
}

static struct es_position position_before(struct es_position p)
{
    if (p.index > 0) {
        return (struct es_position){p.commit, p.index - 1};
    }
    return p.commit > 0 ? (struct es_position){p.commit - 1, UINT32_MAX} : p;
}

/* Below 0: a comes first, in the direction of the reading. */
static int order(const struct es_terms *t, struct es_position a, struct es_position b)
{
    return t->backward ? es_position_cmp(b, a) : es_position_cmp(a, b);
}

void es_terms_init(struct es_terms *t, struct es_task *task)
{
    memset(t, 0, sizeof(*t));
    t->task = task;
}

void es_terms_destroy(struct es_terms *t)
{
    mem_free(t->lists);
    mem_free(t->looks);
    t->lists = NULL;
    t->looks = NULL;
}

enum err es_terms_begin(struct es_terms *t, const struct es_filter *f, struct es_position after,
                        bool from_end, bool backward, uint64_t bound, struct ectx *ec)
{
    t->backward = backward;
    t->bound = bound;
    t->ec = ec;
    t->err = ERR_OK;
    t->category = f->category.p == NULL ? 0 : es_hash_category(t->task->es, f->category);
    t->any_category = f->category.p == NULL;
    t->type_count = f->type_count;
    t->tag_count = f->tag_count;
    t->list_count = f->tag_count > 0 ? f->tag_count : f->type_count;
    CHECK(t->list_count > 0 && f->type_count + f->tag_count <= ES_TERMS_MAX);
    t->lists = mem_zalloc(t->list_count, sizeof(*t->lists));
    t->looks = mem_zalloc(t->list_count, sizeof(*t->looks));
    if (t->lists == NULL || t->looks == NULL) {
        t->err = ectx_fail(ec, ERR_NO_MEMORY, "no memory for a filter");
        return t->err;
    }
    for (size_t i = 0; i < t->type_count; i++) {
        struct es_hash h = es_hash_type(t->task->es, f->types[i]);
        t->type_shorts[i] = es_hash_short(&h);
    }
    struct es_position first = after;
    if (from_end) {
        first = position_last;
    } else {
        first = backward ? position_before(after) : position_next(after);
    }
    /* Backward before the very first position there is nothing. */
    bool nothing = backward && !from_end && after.commit == 0 && after.index == 0;
    for (size_t i = 0; i < t->list_count; i++) {
        struct es_posting *l = &t->lists[i];
        l->hash = f->tag_count > 0 ? es_hash_tag(t->task->es, f->tags[i])
                                   : es_hash_type(t->task->es, f->types[i]);
        l->resume = first;
        l->more = !nothing;
    }
    return ERR_OK;
}

void es_terms_bound(struct es_terms *t, uint64_t bound)
{
    t->bound = bound;
    for (size_t i = 0; i < t->list_count; i++) {
        t->lists[i].more = true;
    }
}

/* ---- Loading ---- */

static void look_make(struct es_terms *t, struct es_look *look, struct es_posting *l)
{
    struct es_position low = {0, 0}, high = {t->bound, UINT32_MAX};
    if (!t->backward) {
        low = l->resume;
    } else if (es_position_cmp(l->resume, high) < 0) {
        high = l->resume;
    }
    look->kind = t->at_once < ES_TERMS_AT_ONCE ? ES_LOOK_SCAN : ES_LOOK_SCAN_LATER;
    look->table = ES_T_TERMS;
    es_key_term(look->key, &l->hash, low);
    es_key_term(look->at_most, &l->hash, high);
    look->scan = (struct index_scan){.from = look->key,
                                     .to = look->at_most,
                                     .descending = t->backward,
                                     .max = ES_POSTINGS,
                                     .keys = l->keys,
                                     .values = l->values};
}

static void look_take(struct es_terms *t, const struct es_look *look, struct es_posting *l)
{
    size_t n = look->err == ERR_OK ? look->scan.count : 0;
    t->at_once += n + 1;
    l->at = 0;
    l->count = n;
    l->more = look->err == ERR_OK && look->scan.more;
    for (size_t i = 0; i < n; i++) {
        es_term_read(&l->keys[i * ES_KEY_TERM], &l->values[i * ES_VALUE_TERM], &l->items[i]);
    }
    if (n > 0) {
        struct es_position last = l->items[n - 1].position;
        l->resume = t->backward ? position_before(last) : position_next(last);
    }
}

/* Loads every list that is empty and may have more. True: they are loaded, or err. */
static bool load(struct es_terms *t)
{
    if (t->set.pending > 0) {
        return false;
    }
    if (t->set.count == 0) {
        for (size_t i = 0; i < t->list_count; i++) {
            struct es_posting *l = &t->lists[i];
            if (l->at == l->count && l->more) {
                l->asked = &t->looks[t->set.count++];
                look_make(t, l->asked, l);
            }
        }
        if (t->set.count == 0) {
            return true;
        }
        t->set.looks = t->looks;
        if (!es_task_look(t->task, &t->set)) {
            t->at_once = 0;
            return false;
        }
    }
    t->set.count = 0;
    for (size_t i = 0; i < t->list_count; i++) {
        struct es_posting *l = &t->lists[i];
        if (l->asked != NULL) {
            if (l->asked->err != ERR_OK && l->asked->err != ERR_NOT_FOUND) {
                t->err = ectx_fail(t->ec, l->asked->err, "the index of tags could not be read");
            }
            look_take(t, l->asked, l);
            l->asked = NULL;
        }
    }
    return true;
}

/* ---- Matching ---- */

/* Passes over what comes before `p`. */
static void list_skip(struct es_terms *t, struct es_posting *l, struct es_position p)
{
    while (l->at < l->count && order(t, l->items[l->at].position, p) < 0) {
        l->at++;
        t->scanned++;
    }
    if (l->at == l->count && l->more && order(t, l->resume, p) < 0) {
        l->resume = p;
    }
}

static bool wanted(const struct es_terms *t, const struct es_term *term)
{
    if (!t->any_category && term->category != t->category) {
        return false;
    }
    if (t->tag_count == 0 || t->type_count == 0) {
        return true;
    }
    for (size_t i = 0; i < t->type_count; i++) {
        if (t->type_shorts[i] == term->type) {
            return true;
        }
    }
    return false;
}

enum step { STEP_LOAD, STEP_END, STEP_FOUND, STEP_AGAIN };

/* An event that every list has. */
static enum step step_all(struct es_terms *t, struct es_term *out)
{
    struct es_position farthest = {0, 0};
    for (size_t i = 0; i < t->list_count; i++) {
        const struct es_posting *l = &t->lists[i];
        if (l->at == l->count) {
            return l->more ? STEP_LOAD : STEP_END;
        }
        struct es_position p = l->items[l->at].position;
        if (i == 0 || order(t, p, farthest) > 0) {
            farthest = p;
        }
    }
    bool same = true;
    for (size_t i = 0; i < t->list_count; i++) {
        struct es_posting *l = &t->lists[i];
        list_skip(t, l, farthest);
        same = same && l->at < l->count && order(t, l->items[l->at].position, farthest) == 0;
    }
    if (!same) {
        return STEP_AGAIN;
    }
    *out = t->lists[0].items[t->lists[0].at];
    for (size_t i = 0; i < t->list_count; i++) {
        t->lists[i].at++;
    }
    t->scanned++;
    return STEP_FOUND;
}

/* The first event of any list. */
static enum step step_any(struct es_terms *t, struct es_term *out)
{
    struct es_posting *first = NULL;
    for (size_t i = 0; i < t->list_count; i++) {
        struct es_posting *l = &t->lists[i];
        if (l->at == l->count) {
            if (l->more) {
                return STEP_LOAD;
            }
        } else if (first == NULL ||
                   order(t, l->items[l->at].position, first->items[first->at].position) < 0) {
            first = l;
        }
    }
    if (first == NULL) {
        return STEP_END;
    }
    *out = first->items[first->at];
    t->scanned++;
    for (size_t i = 0; i < t->list_count; i++) {
        struct es_posting *l = &t->lists[i];
        if (l->at < l->count && order(t, l->items[l->at].position, out->position) == 0) {
            l->at++; /* also of a type that was named twice */
        }
    }
    return STEP_FOUND;
}

bool es_terms_run(struct es_terms *t, size_t max_scanned, struct es_term *out, enum es_found *found)
{
    for (;;) {
        if (!load(t)) {
            return false;
        }
        if (t->err != ERR_OK) {
            return true;
        }
        enum step step = t->tag_count > 0 ? step_all(t, out) : step_any(t, out);
        if (step == STEP_FOUND && wanted(t, out)) {
            *found = ES_FOUND_ONE;
            return true;
        }
        if (step == STEP_END) {
            *found = ES_FOUND_END;
            return true;
        }
        if (step != STEP_LOAD && t->scanned >= max_scanned) {
            *found = ES_FOUND_LATER;
            return true;
        }
    }
}

/* A list that has ended holds nobody: behind its entries there are none. Without any other the end
 * is where the last of their entries were. */
struct es_position es_terms_passed(const struct es_terms *t)
{
    struct es_position nearest = {0, 0}, farthest = t->lists[0].resume;
    bool any = false;
    for (size_t i = 0; i < t->list_count; i++) {
        const struct es_posting *l = &t->lists[i];
        if (l->at < l->count || l->more) {
            struct es_position p = l->at < l->count ? l->items[l->at].position : l->resume;
            nearest = !any || order(t, p, nearest) < 0 ? p : nearest;
            any = true;
        } else if (order(t, l->resume, farthest) > 0) {
            farthest = l->resume;
        }
    }
    nearest = any ? nearest : farthest;
    return t->backward ? position_next(nearest) : position_before(nearest);
}
