/*
 * Queries of dynamic consistency boundaries, from within: what query.c (in one turn of the loop)
 * and query_walk.c (over many turns) share.
 */
#ifndef LEAT_ES_QUERY_H
#define LEAT_ES_QUERY_H

#include "es/write.h"

struct es_query_progress { /* of an item */
    struct es_query *query;
    const struct es_hash *types, *tags; /* neither: all events */
    uint64_t tag_mask;                  /* of flights */
    size_t type_count, tag_count;
    bool ended;
    struct es_position at; /* nothing before it matches */
    size_t next;           /* tag to ask (types, if there are no tags) */
    size_t agreed;         /* tags that have an event at `at` */
    struct es_term found;  /* with types alone: the first of those asked; valid if has_found */
    bool has_found;
};

static inline bool es_position_before(struct es_position a, struct es_position b)
{
    return a.commit != b.commit ? a.commit < b.commit : a.index < b.index;
}
static inline struct es_position es_position_next(struct es_position p)
{
    if (p.index == UINT32_MAX) {
        return (struct es_position){p.commit + 1, 0};
    }
    return (struct es_position){p.commit, p.index + 1};
}

/* Takes the answer to the question of `next`: the first entry of a term at or after `at`. */
void es_query_step(struct es_query_progress *p, bool found, const struct es_term *t);
/* The first event that matches. */
void es_query_found(struct es_query_progress *p, const struct es_term *t);
/* Has an event with this type one that the item wants? */
bool es_query_has_type(const struct es_query_progress *p, uint64_t type);
/* Begins a walk; op->pending counts it, unless it is over when this returns. ERR_LIMIT: too many
 * wait, or it has taken too long: pass->ec says so. */
MUST_USE enum err es_query_walk(struct es_wop *op, struct es_query_pass *pass,
                                struct es_query_progress *p);

#endif
