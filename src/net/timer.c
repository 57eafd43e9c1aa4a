/* Timers of the loop: a heap by due time. One-shot; a timer may re-arm itself in its function. */
#include "net/net_int.h"

void net_timers_init(struct net *n)
{
    heap_init(&n->timers);
}

MUST_USE enum err net_timer_set(struct net *n, struct net_timer *t, uint64_t at_ns)
{
    if (t->node.index != HEAP_NONE) {
        heap_update(&n->timers, &t->node, at_ns);
        return ERR_OK;
    }
    return heap_insert(&n->timers, &t->node, at_ns) ? ERR_OK : ERR_NO_MEMORY;
}

void net_timer_cancel(struct net *n, struct net_timer *t)
{
    heap_remove(&n->timers, &t->node);
}

uint64_t net_timers_run(struct net *n, uint64_t now_ns)
{
    struct heap_node *first;
    while ((first = heap_min(&n->timers)) != NULL && first->key <= now_ns) {
        struct net_timer *t = CONTAINER_OF(first, struct net_timer, node);
        heap_remove(&n->timers, first);
        t->fn(t);
    }
    return first == NULL ? UINT64_MAX : first->key;
}
