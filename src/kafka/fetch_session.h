/*
 * Incremental fetch sessions (KIP-227): what a consumer asked for is remembered, so that later
 * fetches carry only changes and later responses only partitions with something to say. A bounded
 * cache; when it is full, the oldest idle session gives way, and a client without one fetches with
 * full lists (session id 0), which is legal.
 */
#ifndef LEAT_KAFKA_FETCH_SESSION_H
#define LEAT_KAFKA_FETCH_SESSION_H

#include <stddef.h>

#include "core/compiler.h"
#include "core/err.h"

struct fetch_sessions;

MUST_USE enum err fetch_sessions_create(size_t slots, struct fetch_sessions **out);
void fetch_sessions_destroy(struct fetch_sessions *s); /* NULL is fine */

#endif
