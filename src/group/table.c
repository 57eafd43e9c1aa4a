/* The table of groups: making, finding, freeing; states with their invariants; owned strings and
 * timers. */
#include "core/check.h"
#include "core/mem.h"
#include "group/group_int.h"

#define GROUP_FIXED_BYTES 512u /* what an empty group costs, about */

bool str_own(struct str *to, struct str from)
{
    struct str s = STR_NULL;
    if (!str_is_null(from)) {
        s.p = str_dup_z(from);
        if (s.p == NULL) {
            return false;
        }
        s.n = from.n;
    }
    str_disown(to);
    *to = s;
    return true;
}

void str_disown(struct str *s)
{
    mem_free((void *)(uintptr_t)s->p);
    *s = STR_NULL;
}

uint64_t groups_now(const struct groups *g)
{
    return env_mono_ns(g->env);
}

void timer_set(struct groups *g, struct group_timer *t, uint64_t at_ns)
{
    heap_update(&g->timers, &t->node, at_ns);
    g->dirty = true;
}

struct group *group_find(const struct groups *g, struct str id)
{
    return map_get(&g->by_id, id);
}

struct group *group_make(struct groups *g, struct str id)
{
    if (g->live && (g->count >= GROUPS_MAX || g->bytes >= GROUPS_BYTES_MAX)) {
        return NULL;
    }
    struct group *gr = mem_new(struct group);
    if (gr == NULL) {
        return NULL;
    }
    gr->owner = g;
    list_init(&gr->link);
    list_init(&gr->owed_link);
    list_init(&gr->members);
    list_init(&gr->pending);
    map_init(&gr->by_id);
    map_init(&gr->by_instance);
    map_init(&gr->topics);
    heap_node_init(&gr->phase.node);
    gr->phase.kind = TIMER_PHASE;
    gr->state_since_ns = (int64_t)groups_now(g);
    gr->protocol_type = STR_NULL;
    gr->protocol_name = STR_NULL;
    if (!str_own(&gr->id, id.p == NULL ? STR_LIT("") : id) ||
        !heap_insert(&g->timers, &gr->phase.node, NEVER) || !map_put(&g->by_id, gr->id, gr)) {
        heap_remove(&g->timers, &gr->phase.node);
        str_disown(&gr->id);
        mem_free(gr);
        return NULL;
    }
    list_push_back(&g->all, &gr->link);
    g->count++;
    g->bytes += GROUP_FIXED_BYTES + id.n;
    return gr;
}

void group_free(struct group *gr)
{
    struct groups *g = gr->owner;
    CHECK(gr->in_flight == 0);
    LIST_FOR_EACH (l, next, &gr->members) {
        member_remove(CONTAINER_OF(l, struct group_member, link));
    }
    LIST_FOR_EACH (l, next, &gr->pending) {
        group_pending_remove(CONTAINER_OF(l, struct group_pending, link));
    }
    offsets_free(gr);
    map_remove(&g->by_id, gr->id);
    list_remove(&gr->link);
    list_remove(&gr->owed_link);
    heap_remove(&g->timers, &gr->phase.node);
    map_deinit(&gr->by_id);
    map_deinit(&gr->by_instance);
    map_deinit(&gr->topics);
    g->count--;
    g->bytes -= GROUP_FIXED_BYTES + gr->id.n + gr->recorded_n;
    mem_free(gr->recorded);
    str_disown(&gr->protocol_type);
    str_disown(&gr->protocol_name);
    str_disown(&gr->id);
    mem_free(gr);
}

void group_free_if_unused(struct group *gr)
{
    /* A lease or a record means that the log knows the group: only a DELETE fact ends that. */
    if (gr->state == GROUP_EMPTY && gr->in_flight == 0 && gr->pending_count == 0 &&
        gr->offset_count == 0 && gr->leased == 0 && gr->recorded_n == 0 && !gr->owes_record) {
        group_free(gr);
    }
}

const char *group_state_name(enum group_state s)
{
    switch (s) {
    case GROUP_EMPTY:
        return "Empty";
    case GROUP_PREPARING:
        return "PreparingRebalance";
    case GROUP_COMPLETING:
        return "CompletingRebalance";
    case GROUP_STABLE:
        return "Stable";
    case GROUP_DEAD:
    case GROUP_STATE_COUNT:
        break;
    }
    return "Dead";
}

void group_set_state(struct group *gr, enum group_state state)
{
    gr->state = state;
    gr->state_since_ns = (int64_t)groups_now(gr->owner);
    group_check(gr);
}

void group_check(const struct group *gr)
{
#ifdef LEAT_DEBUG
    size_t members = 0;
    size_t joining = 0;
    size_t needing = 0;
    LIST_FOR_EACH (l, next, &gr->members) {
        const struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        members++;
        joining += m->awaiting_join ? 1 : 0;
        needing += m->needs_sync ? 1 : 0;
        DCHECK(!m->awaiting_sync || gr->state == GROUP_COMPLETING);
        DCHECK(member_find(gr, m->id) == m);
    }
    DCHECK(members == gr->member_count && members == gr->by_id.count);
    DCHECK(joining == gr->awaiting_join_count && needing == gr->needs_sync_count);
    switch (gr->state) {
    case GROUP_EMPTY:
        DCHECK(members == 0 && gr->leader == NULL);
        break;
    case GROUP_COMPLETING:
    case GROUP_STABLE:
        DCHECK(members > 0 && gr->leader != NULL);
        DCHECK(!str_is_null(gr->protocol_name) && gr->generation > 0);
        break;
    case GROUP_PREPARING:
        DCHECK(gr->leader != NULL || members == 0);
        break;
    case GROUP_DEAD:
    case GROUP_STATE_COUNT:
        DCHECK(false);
        break;
    }
#else
    (void)gr;
#endif
}
