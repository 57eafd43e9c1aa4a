/*
 * Fetch (key 1, v4-18). Whole batches from the one that holds the offset, up to the high watermark;
 * at least one batch from the first partition that has any, whatever the limits (KIP-74). Sessions:
 * KIP-227. Topic ids: v13+ (KIP-516). A long poll waits for min_bytes or max_wait_ms.
 * read_committed equals read_uncommitted: there are no transactions, the last stable offset is the
 * high watermark. Record bytes go from where they are to the socket without a copy.
 */
#include "core/log.h"
#include "core/mem.h"
#include "kafka/fetch.h"

#define EMPTY_RECORDS ((struct wire_records){.p = (const uint8_t *)"", .n = 0})

/* ---- The reply
 * --------------------------------------------------------------------------------------- */

struct fetch_hold {
    int32_t count;
    struct store_read reads[];
};

static void hold_release(void *ctx)
{
    struct fetch_hold *h = ctx;
    for (int32_t i = 0; i < h->count; i++) {
        store_read_release(&h->reads[i]);
    }
    mem_free(h);
}

static bool has_news(const struct fetch_part *part, const struct fetch_cached *cached)
{
    return cached == NULL || part->err != ERR_OK || part->diverging_epoch >= 0 ||
           (part->has_read && part->read.bytes > 0) ||
           part->high_watermark != cached->told_high_watermark ||
           part->log_start != cached->told_log_start;
}

static bool set_records(struct fetch_work *w, const struct fetch_part *part,
                        struct wire_fetch_response_partition *out)
{
    out->records = EMPTY_RECORDS;
    if (!part->has_read || part->read.bytes == 0) {
        return true;
    }
    struct wire_chunk *chunks = arena_new_n(w->r->arena, struct wire_chunk, part->read.chunk_count);
    if (chunks == NULL) {
        return false;
    }
    for (size_t i = 0; i < part->read.chunk_count; i++) {
        chunks[i].bytes = part->read.chunks[i];
    }
    out->records = (struct wire_records){.chunks = chunks, .chunk_count = part->read.chunk_count};
    return true;
}

static bool fill_partition(struct fetch_work *w, const struct fetch_part *part,
                           struct wire_fetch_response_partition *out)
{
    const struct wire_fetch_request *req = w->r->body;
    out->partition_index = part->want.partition;
    /* What is damaged is a storage error to clients; the log says which offsets. */
    out->error_code = err_kafka(part->err);
    out->high_watermark = part->high_watermark;
    out->last_stable_offset = part->high_watermark;
    out->log_start_offset = part->log_start;
    out->aborted_transactions_count = req->isolation_level == 1 && part->err == ERR_OK ? 0 : -1;
    if (part->diverging_epoch >= 0) {
        out->diverging_epoch.epoch = part->diverging_epoch;
        out->diverging_epoch.end_offset = part->diverging_end;
    }
    return set_records(w, part, out);
}

static bool same_topic(const struct fetch_work *w, const struct fetch_want *a,
                       const struct fetch_want *b)
{
    return w->by_id ? uuid_eq(a->topic_id, b->topic_id) : str_eq(a->topic, b->topic);
}

/* Groups consecutive partitions of one topic, as they were asked for. */
static bool fill_topics(struct fetch_work *w, const int32_t *told, int32_t told_count,
                        struct wire_fetch_response *res)
{
    struct arena *a = w->r->arena;
    res->responses = WIRE_NEW_N(a, wire_fetch_response_topic, told_count);
    if (res->responses == NULL) {
        return false;
    }
    int32_t topics = 0;
    for (int32_t from = 0; from < told_count;) {
        const struct fetch_want *first = &w->parts[told[from]].want;
        int32_t to = from + 1;
        while (to < told_count && same_topic(w, first, &w->parts[told[to]].want)) {
            to++;
        }
        struct wire_fetch_response_topic *t = &res->responses[topics++];
        t->topic = first->topic;
        t->topic_id = first->topic_id;
        t->partitions = WIRE_NEW_N(a, wire_fetch_response_partition, to - from);
        if (t->partitions == NULL) {
            return false;
        }
        t->partitions_count = to - from;
        for (int32_t i = from; i < to; i++) {
            if (!fill_partition(w, &w->parts[told[i]], &t->partitions[i - from])) {
                return false;
            }
        }
        from = to;
    }
    res->responses_count = topics;
    return true;
}

/* Which partitions are told; the session remembers what was told of them. */
static int32_t choose(struct fetch_work *w, int32_t *told)
{
    int32_t n = 0;
    struct fetch_session *session =
        w->session_id == 0 ? NULL : fetch_session_find(w->k->fetch_sessions, w->session_id);
    for (int32_t i = 0; i < w->count; i++) {
        struct fetch_part *part = &w->parts[i];
        struct fetch_cached *cached =
            session == NULL ? NULL : fetch_session_part(session, &part->want);
        if (w->incremental && !has_news(part, cached)) {
            continue;
        }
        told[n++] = i;
        if (cached != NULL) {
            cached->told_high_watermark = part->high_watermark;
            cached->told_log_start = part->log_start;
            if (part->has_read && part->read.bytes > 0) {
                fetch_session_to_back(session, cached);
            }
        }
    }
    return n;
}

static struct fetch_hold *hold_reads(struct fetch_work *w)
{
    struct fetch_hold *h =
        mem_alloc(sizeof(struct fetch_hold) + (size_t)w->count * sizeof(struct store_read));
    if (h == NULL) {
        return NULL;
    }
    h->count = 0;
    for (int32_t i = 0; i < w->count; i++) {
        if (w->parts[i].has_read) {
            h->reads[h->count++] = w->parts[i].read;
            w->parts[i].has_read = false;
        }
    }
    return h;
}

void fetch_reply(struct fetch_work *w)
{
    struct kafka_request *r = w->r;
    struct wire_fetch_response res;
    WIRE_INIT(wire_fetch_response, &res);
    res.session_id = w->session_id;
    int32_t *told = arena_new_n(r->arena, int32_t, (size_t)w->count + 1);
    if (told == NULL || !fill_topics(w, told, choose(w, told), &res)) {
        fetch_release_reads(w);
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    struct fetch_hold *hold = hold_reads(w);
    if (hold == NULL) {
        fetch_release_reads(w);
        kafka_close(r, "out of memory for a fetch");
        return;
    }
    kafka_reply_held(r, &res, hold_release, hold);
}

/* ---- The request
 * --------------------------------------------------------------------------------------- */

static void want_of(const struct wire_fetch_request_topic *t,
                    const struct wire_fetch_request_partition *p, struct fetch_want *out)
{
    *out = (struct fetch_want){.topic = t->topic,
                               .topic_id = t->topic_id,
                               .partition = p->partition,
                               .current_leader_epoch = p->current_leader_epoch,
                               .last_fetched_epoch = p->last_fetched_epoch,
                               .fetch_offset = p->fetch_offset,
                               .max_bytes = p->partition_max_bytes};
}

static int32_t count_requested(const struct wire_fetch_request *req)
{
    int64_t n = 0;
    for (int32_t i = 0; i < req->topics_count; i++) {
        n += req->topics[i].partitions_count < 0 ? 0 : req->topics[i].partitions_count;
    }
    return n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

static bool parts_alloc(struct fetch_work *w, int32_t n)
{
    w->parts = arena_new_n(w->r->arena, struct fetch_part, (size_t)n + 1);
    if (w->parts == NULL) {
        return false;
    }
    for (int32_t i = 0; i < n; i++) {
        list_init(&w->parts[i].waiter.link);
        w->parts[i].work = w;
    }
    w->count = n;
    return true;
}

static bool parts_from_request(struct fetch_work *w, const struct wire_fetch_request *req)
{
    int32_t at = 0;
    if (!parts_alloc(w, count_requested(req))) {
        return false;
    }
    for (int32_t i = 0; i < req->topics_count; i++) {
        for (int32_t j = 0; j < req->topics[i].partitions_count; j++) {
            want_of(&req->topics[i], &req->topics[i].partitions[j], &w->parts[at++].want);
        }
    }
    return true;
}

/* The session may end while the fetch waits, so the wants are copied, names too. */
static bool parts_from_session(struct fetch_work *w, const struct fetch_session *session)
{
    int32_t at = 0;
    if (!parts_alloc(w, (int32_t)session->parts.count)) {
        return false;
    }
    LIST_FOR_EACH (l, next, &session->order) {
        const struct fetch_cached *c = CONTAINER_OF(l, struct fetch_cached, link);
        struct fetch_want *want = &w->parts[at++].want;
        *want = c->want;
        want->topic = arena_str(w->r->arena, c->want.topic);
        if (str_is_null(want->topic)) {
            return false;
        }
    }
    return true;
}

static enum err session_update(struct fetch_session *session, const struct wire_fetch_request *req)
{
    for (int32_t i = 0; i < req->topics_count; i++) {
        for (int32_t j = 0; j < req->topics[i].partitions_count; j++) {
            struct fetch_want want;
            want_of(&req->topics[i], &req->topics[i].partitions[j], &want);
            enum err e = fetch_session_put(session, &want);
            if (e != ERR_OK) {
                return e;
            }
        }
    }
    for (int32_t i = 0; i < req->forgotten_topics_data_count; i++) {
        const struct wire_fetch_request_forgotten_topic *t = &req->forgotten_topics_data[i];
        for (int32_t j = 0; j < t->partitions_count; j++) {
            fetch_session_forget(session, t->topic, t->topic_id, t->partitions[j]);
        }
    }
    return ERR_OK;
}

/* A full fetch that asks for a session. Without a slot it goes on without one. */
static void session_open(struct fetch_work *w, const struct wire_fetch_request *req,
                         uint64_t now_ns)
{
    uint32_t random = 0;
    env_random(w->k->s.env, &random, sizeof(random));
    struct fetch_session *session =
        fetch_session_new(w->k->fetch_sessions, (int32_t)(random & 0x7fffffffu), w->by_id, now_ns);
    if (session == NULL) {
        return;
    }
    if (session_update(session, req) != ERR_OK) {
        fetch_session_close(w->k->fetch_sessions, session);
        return;
    }
    w->session_id = session->id;
}

/* Finds what is to be fetched, by the rules of sessions. An error is for the whole response. */
static enum err resolve(struct fetch_work *w, const struct wire_fetch_request *req)
{
    struct fetch_sessions *all = w->k->fetch_sessions;
    uint64_t now_ns = env_mono_ns(w->k->s.env);
    struct fetch_session *session =
        req->session_id == 0 ? NULL : fetch_session_find(all, req->session_id);
    if (req->session_epoch == 0 || req->session_epoch == -1 || w->r->version < 7) {
        if (session != NULL) {
            fetch_session_close(all, session);
        }
        if (req->session_epoch == 0 && w->r->version >= 7) {
            session_open(w, req, now_ns);
        }
        return parts_from_request(w, req) ? ERR_OK : ERR_NO_MEMORY;
    }
    if (session == NULL) {
        return ERR_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (session->epoch != req->session_epoch) {
        return ERR_INVALID_FETCH_SESSION_EPOCH;
    }
    if (session->by_id != w->by_id) {
        return ERR_FETCH_SESSION_TOPIC_ID_ERROR;
    }
    fetch_session_touch(all, session, now_ns);
    if (session_update(session, req) != ERR_OK) {
        /* No room for what was added: the client begins anew, with a full list. */
        fetch_session_close(all, session);
        return ERR_FETCH_SESSION_ID_NOT_FOUND;
    }
    w->session_id = session->id;
    w->incremental = true;
    return parts_from_session(w, session) ? ERR_OK : ERR_NO_MEMORY;
}

static void reply_error(struct kafka_request *r, enum err e)
{
    struct wire_fetch_response res;
    WIRE_INIT(wire_fetch_response, &res);
    res.error_code = err_kafka(e);
    kafka_reply(r, &res);
}

KAFKA_HANDLER(api_fetch)
{
    const struct wire_fetch_request *req = r->body;
    struct fetch_work *w = arena_new(r->arena, struct fetch_work);
    if (w == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    *w =
        (struct fetch_work){.k = k, .r = r, .by_id = r->version >= 13, .last_attempt = k->stopping};
    list_init(&w->link);
    heap_node_init(&w->timer.node);
    int64_t broker_max = config_i64(k->s.config, NULL, "fetch.max.bytes");
    w->max_bytes = req->max_bytes < broker_max ? req->max_bytes : broker_max;
    int64_t fair = kafka_reply_bytes(r);
    w->max_bytes = w->max_bytes < fair ? w->max_bytes : fair;
    w->min_bytes = req->min_bytes < w->max_bytes ? req->min_bytes : (int32_t)w->max_bytes;
    uint64_t wait_ms = req->max_wait_ms < 0 ? 0 : (uint64_t)req->max_wait_ms;
    w->deadline_ns = env_mono_ns(k->s.env) + wait_ms * 1000000;
    enum err e = resolve(w, req);
    if (e == ERR_NO_MEMORY) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    if (e != ERR_OK) {
        reply_error(r, e);
        return;
    }
    w->arena_used = r->arena->used;
    fetch_attempt(w);
}

void kafka_stop(struct kafka *k)
{
    k->stopping = true;
    while (!list_empty(&k->waiting_fetches)) {
        fetch_wake(CONTAINER_OF(k->waiting_fetches.next, struct fetch_work, link));
    }
    broker_gate_expire(k->s.broker, 0);
}
