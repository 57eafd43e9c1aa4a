/* Intrusive doubly linked list. The head is a node that is not an element. A node that is in no
 * list points to itself, so list_remove twice is harmless. */
#ifndef LEAT_CORE_LIST_H
#define LEAT_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/compiler.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->next = n->prev = n;
}
static inline void list_insert_before(struct list *at, struct list *n)
{
    n->prev = at->prev;
    n->next = at;
    at->prev->next = n;
    at->prev = n;
}
static inline void list_push_back(struct list *head, struct list *n)
{
    list_insert_before(head, n);
}
static inline void list_push_front(struct list *head, struct list *n)
{
    list_insert_before(head->next, n);
}
/* The first node, removed, or NULL. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *n = head->next;
    if (n == head) {
        return NULL;
    }
    list_remove(n);
    return n;
}

/* `var` may be removed inside the loop. */
#define LIST_FOR_EACH(var, tmp, head)                                      \
    for (struct list *var = (head)->next, *tmp = var->next; var != (head); \
         var = tmp, tmp = var->next)

#endif
