/* Members of a group: their table, their protocols, static members (KIP-345) and ids that were
 * given out but not used yet (KIP-394). No rebalancing here: see rebalance.c. */
#include "core/check.h"
#include "core/mem.h"
#include "group/group_int.h"

struct group_member *member_find(const struct group *gr, struct str id)
{
    return str_is_null(id) ? NULL : map_get(&gr->by_id, id);
}

struct group_member *member_find_static(const struct group *gr, struct str instance_id)
{
    return str_is_null(instance_id) ? NULL : map_get(&gr->by_instance, instance_id);
}

static void protocols_free(struct group_protocol *p, size_t n)
{
    for (size_t i = 0; p != NULL && i < n; i++) {
        str_disown(&p[i].name);
        str_disown(&p[i].metadata);
    }
    mem_free(p);
}

static struct group_protocol *protocols_copy(const struct groups_join *j)
{
    struct group_protocol *p = mem_zalloc(j->protocol_count, sizeof(*p));
    for (size_t i = 0; p != NULL && i < j->protocol_count; i++) {
        struct str metadata = j->protocols[i].metadata;
        if (!str_own(&p[i].name, j->protocols[i].name) ||
            !str_own(&p[i].metadata, str_is_null(metadata) ? STR_LIT("") : metadata)) {
            protocols_free(p, j->protocol_count);
            return NULL;
        }
    }
    return p;
}

static uint64_t member_bytes(const struct group_member *m)
{
    uint64_t n = 256 + m->id.n + m->instance_id.n + m->client_id.n;
    for (size_t i = 0; i < m->protocol_count; i++) {
        n += m->protocols[i].name.n + m->protocols[i].metadata.n;
    }
    return n;
}

static void member_free(struct group_member *m)
{
    protocols_free(m->protocols, m->protocol_count);
    str_disown(&m->id);
    str_disown(&m->instance_id);
    str_disown(&m->client_id);
    str_disown(&m->client_host);
    str_disown(&m->assignment);
    str_disown(&m->next_assignment);
    mem_free(m);
}

static struct group_member *member_make(struct group *gr, struct str id,
                                        const struct groups_join *j)
{
    struct group_member *m = mem_new(struct group_member);
    if (m == NULL) {
        return NULL;
    }
    list_init(&m->link);
    m->group = gr;
    m->session_timeout_ms = j->session_timeout_ms;
    m->rebalance_timeout_ms = j->rebalance_timeout_ms;
    heap_node_init(&m->session.node);
    m->session.kind = TIMER_MEMBER;
    m->protocols = protocols_copy(j);
    m->protocol_count = j->protocol_count;
    if (m->protocols == NULL || !str_own(&m->id, id) || !str_own(&m->instance_id, j->instance_id) ||
        !str_own(&m->client_id, j->client_id) || !str_own(&m->client_host, j->client_host)) {
        member_free(m);
        return NULL;
    }
    return m;
}

struct group_member *member_add(struct group *gr, struct str id, const struct groups_join *j)
{
    struct groups *g = gr->owner;
    if (gr->member_count == 0 && !str_own(&gr->protocol_type, j->protocol_type)) {
        return NULL;
    }
    struct group_member *m = member_make(gr, id, j);
    if (m == NULL) {
        return NULL;
    }
    bool ok = heap_insert(&g->timers, &m->session.node, NEVER) && map_put(&gr->by_id, m->id, m);
    if (ok && !str_is_null(m->instance_id) && !map_put(&gr->by_instance, m->instance_id, m)) {
        map_remove(&gr->by_id, m->id);
        ok = false;
    }
    if (!ok) {
        heap_remove(&g->timers, &m->session.node);
        member_free(m);
        return NULL;
    }
    list_push_back(&gr->members, &m->link);
    gr->member_count++;
    g->bytes += member_bytes(m);
    if (gr->leader == NULL) {
        gr->leader = m;
    }
    return m;
}

void member_remove(struct group_member *m)
{
    struct group *gr = m->group;
    /* In a rebalance or at the end of the server a waiting call has been answered before. */
    DCHECK(m->join_ticket == NULL && m->sync_ticket == NULL);
    gr->awaiting_join_count -= m->awaiting_join ? 1 : 0;
    gr->needs_sync_count -= m->needs_sync ? 1 : 0;
    gr->owner->bytes -= member_bytes(m);
    map_remove(&gr->by_id, m->id);
    if (!str_is_null(m->instance_id) && map_get(&gr->by_instance, m->instance_id) == m) {
        map_remove(&gr->by_instance, m->instance_id);
    }
    heap_remove(&gr->owner->timers, &m->session.node);
    list_remove(&m->link);
    gr->member_count--;
    if (gr->leader == m) {
        gr->leader = list_empty(&gr->members)
                         ? NULL
                         : CONTAINER_OF(gr->members.next, struct group_member, link);
    }
    member_free(m);
}

enum err member_update(struct group_member *m, const struct groups_join *j)
{
    struct group_protocol *p = protocols_copy(j);
    if (p == NULL) {
        return ERR_NO_MEMORY;
    }
    m->group->owner->bytes -= member_bytes(m);
    protocols_free(m->protocols, m->protocol_count);
    m->protocols = p;
    m->protocol_count = j->protocol_count;
    m->group->owner->bytes += member_bytes(m);
    m->session_timeout_ms = j->session_timeout_ms;
    m->rebalance_timeout_ms = j->rebalance_timeout_ms;
    return ERR_OK;
}

bool member_same_protocols(const struct group_member *m, const struct groups_join *j)
{
    if (m->protocol_count != j->protocol_count) {
        return false;
    }
    for (size_t i = 0; i < m->protocol_count; i++) {
        if (!str_eq(m->protocols[i].name, j->protocols[i].name) ||
            !str_eq(m->protocols[i].metadata, j->protocols[i].metadata)) {
            return false;
        }
    }
    return true;
}

enum err member_replace(struct group_member *m, struct str new_id)
{
    struct group *gr = m->group;
    struct str id = STR_NULL;
    if (!str_own(&id, new_id)) {
        return ERR_NO_MEMORY;
    }
    if (!map_put(&gr->by_id, id, m)) {
        str_disown(&id);
        return ERR_NO_MEMORY;
    }
    member_fail_join(m, ERR_FENCED_INSTANCE_ID, m->id);
    member_answer_sync(m, ERR_FENCED_INSTANCE_ID);
    map_remove(&gr->by_id, m->id);
    gr->owner->bytes += id.n;
    gr->owner->bytes -= m->id.n;
    str_disown(&m->id);
    m->id = id;
    return ERR_OK;
}

enum err member_validate(const struct group *gr, struct str id, struct str instance_id)
{
    if (!str_is_null(instance_id)) {
        const struct group_member *m = member_find_static(gr, instance_id);
        if (m == NULL) {
            return ERR_UNKNOWN_MEMBER_ID;
        }
        if (!str_eq(m->id, id)) {
            return ERR_FENCED_INSTANCE_ID;
        }
    }
    return member_find(gr, id) == NULL ? ERR_UNKNOWN_MEMBER_ID : ERR_OK;
}

void member_touch(struct group_member *m)
{
    struct groups *g = m->group->owner;
    timer_set(g, &m->session, groups_now(g) + (uint64_t)m->session_timeout_ms * NS_PER_MS);
}

struct group_pending *group_pending_find(const struct group *gr, struct str id)
{
    LIST_FOR_EACH (l, next, &gr->pending) {
        struct group_pending *p = CONTAINER_OF(l, struct group_pending, link);
        if (str_eq(p->id, id)) {
            return p;
        }
    }
    return NULL;
}

struct group_pending *group_pending_add(struct group *gr, struct str id, int32_t timeout_ms)
{
    struct groups *g = gr->owner;
    struct group_pending *p = mem_new(struct group_pending);
    if (p == NULL) {
        return NULL;
    }
    heap_node_init(&p->timer.node);
    p->timer.kind = TIMER_PENDING;
    p->group = gr;
    list_init(&p->link);
    if (!str_own(&p->id, id) || !heap_insert(&g->timers, &p->timer.node, NEVER)) {
        str_disown(&p->id);
        mem_free(p);
        return NULL;
    }
    timer_set(g, &p->timer, groups_now(g) + (uint64_t)timeout_ms * NS_PER_MS);
    list_push_back(&gr->pending, &p->link);
    gr->pending_count++;
    return p;
}

void group_pending_remove(struct group_pending *p)
{
    heap_remove(&p->group->owner->timers, &p->timer.node);
    list_remove(&p->link);
    p->group->pending_count--;
    str_disown(&p->id);
    mem_free(p);
}

struct str member_protocol(const struct group_member *m, struct str name)
{
    for (size_t i = 0; i < m->protocol_count; i++) {
        if (str_eq(m->protocols[i].name, name)) {
            return m->protocols[i].metadata;
        }
    }
    return STR_NULL;
}

/* Does every member name it? */
static bool supported_by_all(const struct group *gr, struct str protocol)
{
    LIST_FOR_EACH (l, next, &gr->members) {
        if (str_is_null(member_protocol(CONTAINER_OF(l, struct group_member, link), protocol))) {
            return false;
        }
    }
    return true;
}

bool group_supports(const struct group *gr, const struct groups_join *j)
{
    if (gr->state == GROUP_EMPTY || gr->member_count == 0) {
        return j->protocol_type.n > 0 && j->protocol_count > 0;
    }
    if (!str_eq(gr->protocol_type, j->protocol_type)) {
        return false;
    }
    for (size_t i = 0; i < j->protocol_count; i++) {
        if (supported_by_all(gr, j->protocols[i].name)) {
            return true;
        }
    }
    return false;
}

/* How many members have `name` as the first of what all can do (`candidates`). */
static size_t votes_for(const struct group *gr, struct str name, const bool *candidate,
                        const struct group_member *first)
{
    size_t votes = 0;
    LIST_FOR_EACH (l, next, &gr->members) {
        const struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        bool found = false;
        for (size_t i = 0; !found && i < m->protocol_count; i++) {
            for (size_t c = 0; !found && c < first->protocol_count; c++) {
                if (candidate[c] && str_eq(first->protocols[c].name, m->protocols[i].name)) {
                    found = true;
                    votes += str_eq(m->protocols[i].name, name) ? 1 : 0;
                }
            }
        }
    }
    return votes;
}

struct str group_vote(const struct group *gr)
{
    bool candidate[GROUP_PROTOCOLS_MAX] = {false};
    struct str best = STR_NULL;
    size_t best_votes = 0;
    if (list_empty(&gr->members)) {
        return STR_NULL;
    }
    const struct group_member *first = CONTAINER_OF(gr->members.next, struct group_member, link);
    for (size_t c = 0; c < first->protocol_count && c < GROUP_PROTOCOLS_MAX; c++) {
        candidate[c] = supported_by_all(gr, first->protocols[c].name);
    }
    for (size_t c = 0; c < first->protocol_count && c < GROUP_PROTOCOLS_MAX; c++) {
        size_t votes = candidate[c] ? votes_for(gr, first->protocols[c].name, candidate, first) : 0;
        if (votes > best_votes) {
            best = first->protocols[c].name;
            best_votes = votes;
        }
    }
    return best;
}

uint64_t group_rebalance_ns(const struct group *gr)
{
    int32_t ms = 0;
    LIST_FOR_EACH (l, next, &gr->members) {
        const struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        ms = m->rebalance_timeout_ms > ms ? m->rebalance_timeout_ms : ms;
    }
    return (uint64_t)ms * NS_PER_MS;
}
