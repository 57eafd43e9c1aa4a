/* What the group handlers share: a request that waits for one answer of the group room, and lets go
 * of it when its connection goes away. */
#ifndef LEAT_KAFKA_GROUP_CALL_H
#define LEAT_KAFKA_GROUP_CALL_H

#include "core/compiler.h"
#include "group/group.h"
#include "kafka/kafka_int.h"

/* In the request's arena. */
struct group_call {
    struct groups_ticket ticket;
    struct kafka_request *r;
    void *work; /* the handler's own */
};

/* NULL: over the request's budget; the connection was closed. */
static inline struct group_call *group_call_of(struct groups_ticket *t)
{
    return CONTAINER_OF(t, struct group_call, ticket);
}
struct group_call *group_call_begin(struct kafka_request *r,
                                    void (*done)(struct groups_ticket *t,
                                                 const struct groups_answer *a));
/* An array of n zeroed objects of `size` bytes (never NULL for n <= 0); NULL: over the budget. */
void *kafka_array(struct kafka_request *r, int64_t n, size_t size);
#define KAFKA_ARRAY(r, type, n) ((type *)kafka_array((r), (n), sizeof(type)))

#endif
