/*
 * The two members of the last group: they join, get their assignment, send heartbeats, join again,
 * leave. What they were told is kept in struct smodel; a number of a generation that comes twice,
 * or an assignment of another rebalance, is a broken promise.
 */
#include <stdio.h>
#include <string.h>

#include "common_service.h"

static void keep(char *to, size_t size, struct str s)
{
    (void)snprintf(to, size, "%.*s", STR(str_is_null(s) ? STR_LIT("") : s));
}

static void member_failed(struct smember *sm, enum err e)
{
    sm->step = SVC_IDLE;
    if (e == ERR_UNKNOWN_MEMBER_ID) {
        sm->id[0] = '\0';
    }
}

static void joined(struct groups_ticket *t, const struct groups_answer *a)
{
    struct smember_call *mc = CONTAINER_OF(t, struct smember_call, ticket);
    struct sproc *p = mc->proc;
    struct smodel *m = p->m;
    struct smember *sm = &m->members[mc->who];
    if (p->closing) {
        return;
    }
    if (a->err != ERR_OK) {
        member_failed(sm, a->err);
        return;
    }
    keep(sm->id, sizeof(sm->id), a->member_id);
    keep(mc->protocol, sizeof(mc->protocol), a->protocol_name);
    /* Either a new number, or the one in force, which a crash may have made that of the last
     * complete rebalance. */
    char *leader = m->leaders[a->generation % SVC_GENERATIONS];
    const bool fresh = a->generation > m->generation;
    if (!fresh && (a->generation != p->generation || !str_eq_z(a->leader, leader))) {
        svc_bad(m, "generation %d led by %.*s was told; %d is in force, %d was told, led by %s",
                a->generation, STR(a->leader), p->generation, m->generation, leader);
    }
    m->generation = fresh ? a->generation : m->generation;
    p->generation = a->generation;
    keep(leader, sizeof(m->leaders[0]), a->leader);
    sm->generation = a->generation;
    sm->step = SVC_JOINED;
    mc->leads = str_eq(a->leader, a->member_id);
    memset(mc->ids, 0, sizeof(mc->ids));
    for (size_t i = 0; i < a->member_count && i < SVC_MEMBERS; i++) {
        keep(mc->ids[i], sizeof(mc->ids[i]), a->members[i].member_id);
    }
}

static void synced(struct groups_ticket *t, const struct groups_answer *a)
{
    struct smember_call *mc = CONTAINER_OF(t, struct smember_call, ticket);
    struct smodel *m = mc->proc->m;
    struct smember *sm = &m->members[mc->who];
    char want[120];
    if (mc->proc->closing) {
        return;
    }
    if (a->err != ERR_OK) {
        member_failed(sm, a->err);
        return;
    }
    (void)snprintf(want, sizeof(want), "g%d %s", sm->generation, sm->id);
    if (!str_eq_z(a->assignment, want)) {
        svc_bad(m, "member %d got the assignment '%.*s', not '%s'", mc->who, STR(a->assignment),
                want);
    }
    sm->step = SVC_STABLE;
    m->synced = sm->generation > m->synced ? sm->generation : m->synced;
    m->settled = true;
    for (int i = 0; i < SVC_MEMBERS; i++) {
        const struct smember *x = &m->members[i];
        m->settled = m->settled &&
                     (x->id[0] == '\0' ? x->step == SVC_IDLE
                                       : x->step == SVC_STABLE && x->generation == sm->generation);
    }
    count_kind_n(KIND_DID_REBALANCE, m->settled);
}

static void join_group(struct sproc *p, int who)
{
    struct smember *sm = &p->m->members[who];
    struct smember_call *mc = &p->member_calls[who];
    const struct groups_protocol protocol = {STR_LIT("range"), STR_LIT("m")};
    char id[80];
    memcpy(id, sm->id, sizeof(id));
    const struct groups_join j = {.group_id = str_of(svc_group_name(SVC_GROUPS - 1)),
                                  .member_id = str_of(id),
                                  .instance_id = STR_NULL,
                                  .client_id = str_of(who == 0 ? "a" : "b"),
                                  .client_host = STR_LIT("/127.0.0.1"),
                                  .protocol_type = STR_LIT("consumer"),
                                  .protocols = &protocol,
                                  .protocol_count = 1,
                                  .session_timeout_ms = 1800000,
                                  .rebalance_timeout_ms = 5000};
    p->m->settled = false;
    sm->step = SVC_JOINING;
    *mc = (struct smember_call){.ticket = {.done = joined}, .proc = p, .who = who};
    groups_join(p->groups, &j, &mc->ticket);
}

static void sync_group(struct sproc *p, int who)
{
    struct smember *sm = &p->m->members[who];
    struct smember_call *mc = &p->member_calls[who];
    struct groups_assignment a[SVC_MEMBERS];
    char text[SVC_MEMBERS][120];
    size_t n = 0;
    for (int i = 0; mc->leads && i < SVC_MEMBERS && mc->ids[i][0] != '\0'; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "g%d %s", sm->generation, mc->ids[i]);
        a[n++] = (struct groups_assignment){str_of(mc->ids[i]), str_of(text[i])};
    }
    const struct groups_sync s = {.group_id = str_of(svc_group_name(SVC_GROUPS - 1)),
                                  .member_id = str_of(sm->id),
                                  .instance_id = STR_NULL,
                                  .protocol_type = STR_LIT("consumer"),
                                  .protocol_name = str_of(mc->protocol),
                                  .generation = sm->generation,
                                  .assignments = a,
                                  .assignment_count = n};
    sm->step = SVC_SYNCING;
    mc->ticket = (struct groups_ticket){.done = synced};
    groups_sync(p->groups, &s, &mc->ticket);
}

void svc_step_member(struct sproc *p)
{
    struct smodel *m = p->m;
    const int who = (int)svc_rnd(m, SVC_MEMBERS);
    struct smember *sm = &m->members[who];
    const struct str group = str_of(svc_group_name(SVC_GROUPS - 1));
    if (sm->step == SVC_IDLE) {
        join_group(p, who);
    } else if (sm->step == SVC_JOINED) {
        sync_group(p, who);
    } else if (sm->step == SVC_STABLE) {
        enum err e = groups_heartbeat(p->groups, group, str_of(sm->id), STR_NULL, sm->generation);
        if (e != ERR_OK) {
            member_failed(sm, e);
        } else if (svc_rnd(m, 6) == 0) {
            join_group(p, who);
        } else if (svc_rnd(m, 12) == 0) {
            m->settled = false;
            if (groups_leave(p->groups, group, str_of(sm->id), STR_NULL) == ERR_OK) {
                member_failed(sm, ERR_UNKNOWN_MEMBER_ID);
            }
        }
    }
}
