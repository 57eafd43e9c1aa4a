/*
 * Incremental fetch sessions (KIP-227): what a consumer asked for is remembered, so that later
 * fetches carry only changes and later responses only partitions with something to say. A bounded
 * cache; when it is full, the session that was idle longest gives way (its client gets
 * FETCH_SESSION_ID_NOT_FOUND and begins anew), but not one that was used within
 * FETCH_SESSION_EVICT_NS: then a client fetches with full lists (session id 0), which is legal.
 */
#ifndef LEAT_KAFKA_FETCH_SESSION_H
#define LEAT_KAFKA_FETCH_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"
#include "core/err.h"
#include "core/list.h"
#include "core/map.h"
#include "core/str.h"
#include "core/uuid.h"

#define FETCH_SESSION_EVICT_NS       120000000000ull
#define FETCH_SESSION_PARTITIONS_MAX 100000u
/* Of all sessions together: for each slot this many, but never less than one session may have. */
#define FETCH_SESSION_PARTITIONS_A_SLOT 1000u

struct fetch_sessions;

/* What is fetched of one partition. */
struct fetch_want {
    struct str topic;     /* v0-12 */
    struct uuid topic_id; /* v13+ */
    int32_t partition;
    int32_t current_leader_epoch, last_fetched_epoch;
    int64_t fetch_offset;
    int32_t max_bytes;
};
/* A partition of a session: what is wanted, and what was told last. */
struct fetch_cached {
    struct list link;       /* in session->order */
    struct fetch_want want; /* its topic is the session's own copy */
    int64_t told_high_watermark, told_log_start;
};
struct fetch_session {
    struct list link; /* in the cache, by last use */
    struct fetch_sessions *all;
    int32_t id;
    int32_t epoch; /* that the next request must carry */
    bool by_id;
    uint64_t used_ns;
    struct map parts; /* key of fetch_key -> struct fetch_cached */
    struct list order;
};

MUST_USE enum err fetch_sessions_create(size_t slots, struct fetch_sessions **out);
void fetch_sessions_destroy(struct fetch_sessions *s); /* NULL is fine */
/* A new session with the id `id` (random, not 0; taken ones are refused), or NULL: no slot, no
 * memory. */
struct fetch_session *fetch_session_new(struct fetch_sessions *s, int32_t id, bool by_id,
                                        uint64_t now_ns);
struct fetch_session *fetch_session_find(struct fetch_sessions *s, int32_t id);
void fetch_session_close(struct fetch_sessions *s, struct fetch_session *session);
void fetch_session_touch(struct fetch_sessions *s, struct fetch_session *session, uint64_t now_ns);
size_t fetch_sessions_count(const struct fetch_sessions *s);

/* Adds or changes a partition. ERR_LIMIT, ERR_NO_MEMORY. */
MUST_USE enum err fetch_session_put(struct fetch_session *session, const struct fetch_want *want);
void fetch_session_forget(struct fetch_session *session, struct str topic, struct uuid id,
                          int32_t partition);
struct fetch_cached *fetch_session_part(struct fetch_session *session,
                                        const struct fetch_want *want);
/* It had data: others come first next time, so that all get their turn. */
void fetch_session_to_back(struct fetch_session *session, struct fetch_cached *part);

#endif
