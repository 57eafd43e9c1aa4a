/* A fetch in hand: shared by api_fetch.c (request, sessions, reply) and fetch_read.c (reading,
 * waiting). */
#ifndef LEAT_KAFKA_FETCH_H
#define LEAT_KAFKA_FETCH_H

#include "kafka/fetch_session.h"
#include "kafka/kafka_int.h"
#include "wire/gen/fetch.h"

struct fetch_work;

/* One partition of a fetch: what is wanted and what was found. */
struct fetch_part {
    struct fetch_want want;
    struct partition *partition; /* looked up at each attempt; NULL with err set */
    enum err err;
    int64_t high_watermark, log_start;
    int32_t diverging_epoch; /* -1: none */
    int64_t diverging_end;
    struct store_read read; /* valid if has_read */
    bool has_read;
    struct broker_waiter waiter;
    struct fetch_work *work;
};
struct fetch_work {
    struct kafka *k;
    struct kafka_request *r;
    struct fetch_part *parts;
    int32_t count;
    int32_t session_id; /* 0: none */
    bool incremental;   /* only partitions with something to say are told */
    bool by_id;
    int32_t at;    /* the partition that is being read */
    int64_t bytes; /* found so far */
    int64_t max_bytes;
    int32_t min_bytes;
    uint64_t deadline_ns;
    size_t arena_used; /* before the first attempt */
    bool waiting, reading, gone, last_attempt, any_error;
    struct net_timer timer;
    struct store_read_job job;
    struct list link; /* in kafka->waiting_fetches while waiting */
};

/* Reads what there is; replies, or waits for more until the deadline. */
void fetch_attempt(struct fetch_work *w);
/* Makes the reply from what was found (api_fetch.c). */
void fetch_reply(struct fetch_work *w);
void fetch_release_reads(struct fetch_work *w);
/* A waiting fetch: stop waiting and answer with what there is. */
void fetch_wake(struct fetch_work *w);

#endif
