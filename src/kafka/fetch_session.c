/* The cache of incremental fetch sessions; see fetch_session.h. */
#include "kafka/fetch_session.h"

#include "core/bytes.h"
#include "core/limits.h"
#include "core/mem.h"

struct fetch_sessions {
    size_t slots;
    size_t parts; /* of all sessions together */
    struct map by_id;
    struct list by_use; /* idle longest first */
};

/* id (16 bytes), partition, name: what names a partition in a session. */
struct fetch_key {
    char bytes[20 + LIMIT_TOPIC_NAME];
    size_t n;
};

static struct fetch_key key_of(struct str topic, struct uuid id, int32_t partition)
{
    struct fetch_key key;
    size_t n = topic.n > LIMIT_TOPIC_NAME ? LIMIT_TOPIC_NAME : topic.n;
    memcpy(key.bytes, id.b, 16);
    put_le32(key.bytes + 16, (uint32_t)partition);
    if (n > 0) {
        memcpy(key.bytes + 20, topic.p, n);
    }
    key.n = 20 + n;
    return key;
}

MUST_USE enum err fetch_sessions_create(size_t slots, struct fetch_sessions **out)
{
    struct fetch_sessions *s = mem_new(struct fetch_sessions);
    if (s == NULL) {
        return ERR_NO_MEMORY;
    }
    s->slots = slots;
    map_init(&s->by_id);
    list_init(&s->by_use);
    *out = s;
    return ERR_OK;
}

static void cached_free(struct fetch_cached *c)
{
    list_remove(&c->link);
    mem_free((void *)(uintptr_t)c->want.topic.p);
    mem_free(c);
}

void fetch_session_close(struct fetch_sessions *s, struct fetch_session *session)
{
    map_remove_u64(&s->by_id, (uint32_t)session->id);
    list_remove(&session->link);
    s->parts -= session->parts.count;
    while (!list_empty(&session->order)) {
        cached_free(CONTAINER_OF(session->order.next, struct fetch_cached, link));
    }
    map_deinit(&session->parts);
    mem_free(session);
}

void fetch_sessions_destroy(struct fetch_sessions *s)
{
    if (s == NULL) {
        return;
    }
    while (!list_empty(&s->by_use)) {
        fetch_session_close(s, CONTAINER_OF(s->by_use.next, struct fetch_session, link));
    }
    map_deinit(&s->by_id);
    mem_free(s);
}

size_t fetch_sessions_count(const struct fetch_sessions *s)
{
    return s->by_id.count;
}

static bool make_slot(struct fetch_sessions *s, uint64_t now_ns)
{
    if (s->by_id.count < s->slots) {
        return true;
    }
    if (list_empty(&s->by_use)) {
        return false; /* no slots at all */
    }
    struct fetch_session *oldest = CONTAINER_OF(s->by_use.next, struct fetch_session, link);
    if (now_ns - oldest->used_ns < FETCH_SESSION_EVICT_NS) {
        return false;
    }
    fetch_session_close(s, oldest);
    return true;
}

struct fetch_session *fetch_session_new(struct fetch_sessions *s, int32_t id, bool by_id,
                                        uint64_t now_ns)
{
    if (id <= 0 || map_get_u64(&s->by_id, (uint32_t)id) != NULL || !make_slot(s, now_ns)) {
        return NULL;
    }
    struct fetch_session *session = mem_new(struct fetch_session);
    if (session == NULL || !map_put_u64(&s->by_id, (uint32_t)id, session)) {
        mem_free(session);
        return NULL;
    }
    session->all = s;
    session->id = id;
    session->epoch = 1;
    session->by_id = by_id;
    session->used_ns = now_ns;
    map_init(&session->parts);
    list_init(&session->order);
    list_push_back(&s->by_use, &session->link);
    return session;
}

struct fetch_session *fetch_session_find(struct fetch_sessions *s, int32_t id)
{
    return map_get_u64(&s->by_id, (uint32_t)id);
}

void fetch_session_touch(struct fetch_sessions *s, struct fetch_session *session, uint64_t now_ns)
{
    session->used_ns = now_ns;
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    list_remove(&session->link);
    list_push_back(&s->by_use, &session->link);
}

struct fetch_cached *fetch_session_part(struct fetch_session *session,
                                        const struct fetch_want *want)
{
    struct fetch_key key = key_of(want->topic, want->topic_id, want->partition);
    return map_get(&session->parts, str_make(key.bytes, key.n));
}

static size_t parts_max(const struct fetch_sessions *s)
{
    size_t n = s->slots * FETCH_SESSION_PARTITIONS_A_SLOT;
    return n < FETCH_SESSION_PARTITIONS_MAX ? FETCH_SESSION_PARTITIONS_MAX : n;
}

MUST_USE enum err fetch_session_put(struct fetch_session *session, const struct fetch_want *want)
{
    struct fetch_cached *c = fetch_session_part(session, want);
    if (c != NULL) {
        struct str topic = c->want.topic;
        c->want = *want;
        c->want.topic = topic;
        return ERR_OK;
    }
    if (session->parts.count >= FETCH_SESSION_PARTITIONS_MAX ||
        session->all->parts >= parts_max(session->all)) {
        return ERR_LIMIT;
    }
    c = mem_new(struct fetch_cached);
    char *topic = str_dup_z(want->topic);
    struct fetch_key key = key_of(want->topic, want->topic_id, want->partition);
    if (c == NULL || topic == NULL || !map_put(&session->parts, str_make(key.bytes, key.n), c)) {
        mem_free(c);
        mem_free(topic);
        return ERR_NO_MEMORY;
    }
    c->want = *want;
    c->want.topic = str_make(topic, want->topic.n);
    c->told_high_watermark = -1;
    c->told_log_start = -1;
    list_push_back(&session->order, &c->link);
    session->all->parts++;
    return ERR_OK;
}

void fetch_session_forget(struct fetch_session *session, struct str topic, struct uuid id,
                          int32_t partition)
{
    struct fetch_key key = key_of(topic, id, partition);
    struct fetch_cached *c = map_remove(&session->parts, str_make(key.bytes, key.n));
    if (c != NULL) {
        session->all->parts--;
        cached_free(c);
    }
}

void fetch_session_to_back(struct fetch_session *session, struct fetch_cached *part)
{
    list_remove(&part->link);
    list_push_back(&session->order, &part->link);
}
