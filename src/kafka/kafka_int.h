/* Inside of the kafka room: connections, requests in hand, and what the framework's files share. */
#ifndef LEAT_KAFKA_KAFKA_INT_H
#define LEAT_KAFKA_KAFKA_INT_H

#include "core/list.h"
#include "kafka/kafka.h"

struct fetch_sessions;

#define KAFKA_API_VERSIONS_KEY 18

struct kafka_api_metrics {
    struct metric *requests;
    struct metric_histogram *duration;
};

/* One of several appends of a request, which waits for the store; see kafka_when_ready. */
struct kafka_continuation {
    struct list link;
    void (*run)(struct kafka_continuation *c);
    uint64_t since_ns;
};

struct kafka {
    struct kafka_services s;
    uint32_t request_max_bytes;
    struct list parked;        /* pending requests that wait for the store, in order of arrival */
    struct list continuations; /* rest of requests that have begun, in order; before `parked` */
    uint64_t expire_ns;        /* not before: the next look for those that have waited too long */
    bool late;                 /* a request is called that has waited too long */
    struct metric *waits_expired;
    struct list in_hand; /* every request that has no answer yet */
    bool stopping;       /* long polls are answered at once */
    struct list free_pending;
    size_t free_pending_count;
    struct kafka_api_metrics *api_metrics; /* by row of the table */
    struct metric *malformed;
    struct fetch_sessions *fetch_sessions;
    struct list waiting_fetches; /* long polls, of api_fetch.c */
};

struct kafka_conn {
    struct kafka *kafka;
    struct net_conn *conn; /* NULL once it is gone */
    struct list requests;  /* struct kafka_pending, in hand */
};

/* A request from its last byte to its encoded reply. Recycled with its arena. */
struct kafka_pending {
    struct kafka_request r; /* its `internal` is this */
    const struct kafka_api_row *row;
    struct kafka_conn *conn; /* NULL once it is gone */
    struct net_message *message;
    struct arena arena;
    struct list link;        /* in conn->requests */
    struct list hand_link;   /* in kafka->in_hand */
    struct list parked_link; /* in kafka->parked */
};

extern const struct net_protocol KAFKA_PROTOCOL;

struct kafka_pending *pending_get(struct kafka *k, size_t message_bytes);
void pending_put(
    struct kafka *k,
    struct kafka_pending *p); /* forgets the request; its message is released already */
/* lay.c: net_protocol's wish. A Produce request with one batch wants to lie so that the log can
 * write the batch from there. */
size_t kafka_lay(void *state, const uint8_t *p, size_t n);
/* Decodes and handles one message; the rows's handler may answer later. */
void kafka_dispatch(struct kafka_conn *c, struct net_message *m);
/*
 * A request that appends more than once: dispatch promised room for one frame only, so each append
 * goes through here. Runs it now, or when the store has room, in order. `c` lives in the request's
 * arena.
 */
void kafka_when_ready(struct kafka *k, struct kafka_continuation *c,
                      void (*run)(struct kafka_continuation *c));
/* Whether this Metadata request may have to make a topic. */
bool metadata_may_create(struct kafka *k, const struct kafka_request *r);
/* The connection's own answer to an ApiVersions request of a version that we do not know: version
 * 0, error 35. */
void api_versions_reply_unsupported(struct kafka_request *r);

/* lookup.c: the topic that a request names by name or (by_id) by id. NULL and *e:
 * UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID. */
struct topic *kafka_topic_find(struct kafka *k, bool by_id, struct str name, struct uuid id,
                               enum err *e);
struct partition *kafka_partition_find(struct kafka *k, bool by_id, struct str name, struct uuid id,
                                       int32_t index, enum err *e);
/* KIP-320: is the leader epoch that the client knows (-1: it does not say) the partition's? */
enum err kafka_check_epoch(const struct partition *p, int32_t client_epoch);
/* The list of the only node, for replicas and in-sync replicas. */
extern int32_t KAFKA_NODES[1]; /* never written; wire arrays are not const */
#define KAFKA_NO_BUDGET "request over its memory budget"

#endif
