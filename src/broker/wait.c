/* Waiters on a partition: long polls and whoever else must know when the high watermark moves. */
#include "broker/broker_int.h"

void broker_wait(struct partition *p, struct broker_waiter *w)
{
    list_push_back(&p->waiters, &w->link);
}

void broker_wait_cancel(struct broker_waiter *w)
{
    list_remove(&w->link);
}

/* Each waiter that is there now is woken once; it may leave, or others may, while this runs. */
void broker_on_advance(struct broker *b, struct store_part *part)
{
    (void)b;
    struct partition *p = store_part_user(part);
    if (p == NULL || list_empty(&p->waiters)) {
        return;
    }
    struct list woken = p->waiters;
    woken.next->prev = &woken;
    woken.prev->next = &woken;
    list_init(&p->waiters);
    struct list *l;
    while ((l = list_pop_front(&woken)) != NULL) {
        struct broker_waiter *w = CONTAINER_OF(l, struct broker_waiter, link);
        list_push_back(&p->waiters, &w->link);
        w->wake(w, p, false);
    }
}
