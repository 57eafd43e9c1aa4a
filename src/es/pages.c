/* The loop over pages. `take` may end the operation: nothing of it is looked at afterwards. */
#include "es/pages.h"

void es_pages_run(struct es_pages *p)
{
    do {
        p->answered = false;
        p->in_call = true;
        p->ask(p);
        p->in_call = false;
    } while (p->answered && p->take(p));
}

void es_pages_answered(struct es_pages *p)
{
    p->answered = true;
    if (!p->in_call && p->take(p)) {
        es_pages_run(p);
    }
}
