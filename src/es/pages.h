/*
 * Reading page after page. What is in memory is answered within the call that asks, so the next
 * page is asked for by a loop: a long stream needs no stack of its length.
 */
#ifndef LEAT_ES_PAGES_H
#define LEAT_ES_PAGES_H

#include <stdbool.h>

/* A member of the operation that reads. */
struct es_pages {
    void (*ask)(struct es_pages *p); /* begins to read a page */
    /* What was read. True: there is more. False: it has ended, and `p` is gone. */
    bool (*take)(struct es_pages *p);
    bool in_call, answered; /* of the page that is asked for */
};

void es_pages_run(struct es_pages *p);
/* For the read's `done`: `p` may be gone afterwards. */
void es_pages_answered(struct es_pages *p);

#endif
