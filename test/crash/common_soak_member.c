/*
 * The members of a group that is never at rest. What must hold, whatever they do:
 *
 *   - a generation has one leader, and each of its members gets what that leader gave it
 * (ASSIGNMENT);
 *   - generations only grow, also over a crash, once one is complete (MEMBER);
 *   - when somebody was told of a generation, no commit of an older one is taken (FENCE);
 *   - an acknowledged commit is never behind (COMMIT_BACK, judged by soak_check_group).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common_load_int.h"
#include "common_server.h"
#include "common_soak.h"

enum { NO_ANSWER = -99, ILLEGAL_GENERATION = 22, UNKNOWN_MEMBER = 25, MEMBER_ID_REQUIRED = 79 };
enum { SESSION_MS = 6000, REBALANCE_MS = 2500 };

static const char group_name[] = "rebalancers";
static const char topic_name[] = "small";

/* ---- What everybody knows ---------------------------------------------------------------------
 */

static int32_t told_now(struct soak *s)
{
    pthread_mutex_lock(&s->mutex);
    int32_t told = s->told;
    pthread_mutex_unlock(&s->mutex);
    return told;
}

static void tell(struct soak *s, const struct soak_member *m, int32_t told_before)
{
    pthread_mutex_lock(&s->mutex);
    if (m->generation < told_before) {
        model_violation(s->model, MODEL_MEMBER, "generation %d was told, then %d", told_before,
                        m->generation);
    }
    s->told = m->generation > s->told ? m->generation : s->told;
    pthread_mutex_unlock(&s->mutex);
}

/* The leader writes its plan down before it sends it. */
static void plan_make(struct soak *s, const struct soak_member *me,
                      const struct wire_join_group_response *r)
{
    pthread_mutex_lock(&s->mutex);
    if (s->plan.generation >= me->generation) {
        model_violation(s->model, MODEL_ASSIGNMENT, "generation %d has two leaders",
                        me->generation);
    }
    s->plan_before = s->plan;
    memset(&s->plan, 0, sizeof(s->plan));
    s->plan.generation = me->generation;
    for (int32_t i = 0; i < r->members_count && s->plan.count < ARRAY_LEN(s->plan.ids); i++) {
        (void)snprintf(s->plan.ids[i], SOAK_ID, "%.*s", STR(r->members[i].member_id));
        s->plan.count++;
    }
    for (uint32_t p = 0; p < SOAK_PARTS && s->plan.count > 0; p++) {
        s->plan.masks[(p + (uint32_t)me->generation) % s->plan.count] |= 1u << p;
    }
    pthread_mutex_unlock(&s->mutex);
}

static void plan_compare(struct soak *s, struct soak_member *me, struct str given)
{
    char text[16];
    pthread_mutex_lock(&s->mutex);
    const struct soak_plan *plan =
        s->plan.generation == me->generation ? &s->plan : &s->plan_before;
    bool known = plan->generation == me->generation, found = false;
    for (uint32_t i = 0; known && i < plan->count; i++) {
        if (strcmp(plan->ids[i], me->id) == 0) {
            (void)snprintf(text, sizeof(text), "mask-%u", plan->masks[i]);
            found = str_eq_z(given, text);
            me->mask = plan->masks[i];
        }
    }
    /* Two generations may pass while an answer is on its way: then nobody knows the plan. */
    if (!found && (known || s->plan.generation < me->generation)) {
        model_violation(s->model, MODEL_ASSIGNMENT, "generation %d, member %s got '%.*s'",
                        me->generation, me->id, STR(given));
    }
    me->mask = found ? me->mask : 0;
    if (me->generation > s->complete) {
        s->complete = me->generation;
        s->totals.generations++;
    }
    pthread_mutex_unlock(&s->mutex);
}

/* ---- Requests ---------------------------------------------------------------------------------
 */

static int16_t sync_send(struct soak_member *me, struct client *c, bool leader)
{
    struct soak *s = me->soak;
    struct wire_sync_group_request_assignment a[SOAK_MEMBERS + 8];
    struct wire_sync_group_request q;
    struct wire_sync_group_response r;
    char texts[SOAK_MEMBERS + 8][16];
    struct soak_plan plan = {.count = 0};
    WIRE_INIT(wire_sync_group_request, &q);
    if (leader) {
        pthread_mutex_lock(&s->mutex);
        plan = s->plan;
        pthread_mutex_unlock(&s->mutex);
    }
    for (uint32_t i = 0; i < plan.count; i++) {
        WIRE_INIT(wire_sync_group_request_assignment, &a[i]);
        (void)snprintf(texts[i], sizeof(texts[i]), "mask-%u", plan.masks[i]);
        a[i].member_id = str_of(plan.ids[i]);
        a[i].assignment = str_of(texts[i]);
    }
    q.group_id = str_of(group_name);
    q.generation_id = me->generation;
    q.member_id = str_of(me->id);
    q.assignments = a;
    q.assignments_count = (int32_t)plan.count;
    if (!client_call(c, WIRE_SYNC_GROUP, 3, &q, &r)) {
        return NO_ANSWER;
    }
    if (r.error_code == 0) {
        plan_compare(s, me, r.assignment);
    }
    return r.error_code;
}

static int16_t join(struct soak_member *me, struct client *c)
{
    struct soak *s = me->soak;
    struct wire_join_group_request_protocol p;
    struct wire_join_group_request q;
    struct wire_join_group_response r;
    int32_t told = told_now(s);
    WIRE_INIT(wire_join_group_request_protocol, &p);
    p.name = STR_LIT("own");
    p.metadata = STR_LIT("subscription");
    WIRE_INIT(wire_join_group_request, &q);
    q.group_id = str_of(group_name);
    q.session_timeout_ms = SESSION_MS;
    q.rebalance_timeout_ms = REBALANCE_MS;
    q.member_id = str_of(me->id);
    q.protocol_type = STR_LIT("consumer");
    q.protocols = &p;
    q.protocols_count = 1;
    if (!client_call(c, WIRE_JOIN_GROUP, 4, &q, &r)) {
        return NO_ANSWER;
    }
    if (r.error_code == MEMBER_ID_REQUIRED) {
        (void)snprintf(me->id, sizeof(me->id), "%.*s", STR(r.member_id));
        return r.error_code;
    }
    if (r.error_code != 0) {
        return r.error_code;
    }
    (void)snprintf(me->id, sizeof(me->id), "%.*s", STR(r.member_id));
    me->generation_before = me->generation;
    me->generation = r.generation_id;
    tell(s, me, told);
    bool leader = str_eq(r.leader, r.member_id);
    if (leader) {
        plan_make(s, me, &r);
    }
    int16_t code = sync_send(me, c, leader);
    me->joined = code == 0;
    return code;
}

static int16_t heartbeat(struct soak_member *me, struct client *c)
{
    struct wire_heartbeat_request q;
    struct wire_heartbeat_response r;
    WIRE_INIT(wire_heartbeat_request, &q);
    q.group_id = str_of(group_name);
    q.generation_id = me->generation;
    q.member_id = str_of(me->id);
    return client_call(c, WIRE_HEARTBEAT, 3, &q, &r) ? r.error_code : NO_ANSWER;
}

static int16_t leave(struct soak_member *me, struct client *c)
{
    struct wire_leave_group_request_member m;
    struct wire_leave_group_request q;
    struct wire_leave_group_response r;
    WIRE_INIT(wire_leave_group_request_member, &m);
    m.member_id = str_of(me->id);
    WIRE_INIT(wire_leave_group_request, &q);
    q.group_id = str_of(group_name);
    q.members = &m;
    q.members_count = 1;
    bool ok = client_call(c, WIRE_LEAVE_GROUP, 3, &q, &r);
    me->id[0] = '\0';
    me->joined = false;
    return ok ? r.error_code : NO_ANSWER;
}

static int16_t commit(struct soak_member *me, struct client *c, int32_t generation, uint32_t part)
{
    struct soak *s = me->soak;
    struct wire_offset_commit_request_partition p;
    struct wire_offset_commit_request_topic t;
    struct wire_offset_commit_request q;
    struct wire_offset_commit_response r;
    pthread_mutex_lock(&s->mutex);
    int64_t number = ++s->commits[part].sent;
    int32_t told = s->told;
    pthread_mutex_unlock(&s->mutex);
    WIRE_INIT(wire_offset_commit_request_partition, &p);
    p.partition_index = (int32_t)part;
    p.committed_offset = number;
    WIRE_INIT(wire_offset_commit_request_topic, &t);
    t.name = str_of(topic_name);
    t.partitions = &p;
    t.partitions_count = 1;
    WIRE_INIT(wire_offset_commit_request, &q);
    q.group_id = str_of(group_name);
    q.generation_id_or_member_epoch = generation;
    q.member_id = str_of(me->id);
    q.topics = &t;
    q.topics_count = 1;
    if (!client_call(c, WIRE_OFFSET_COMMIT, 7, &q, &r) || r.topics_count != 1 ||
        r.topics[0].partitions_count != 1) {
        return NO_ANSWER;
    }
    int16_t code = r.topics[0].partitions[0].error_code;
    pthread_mutex_lock(&s->mutex);
    if (code == 0) {
        s->totals.commits++;
        s->commits[part].acked = number > s->commits[part].acked ? number : s->commits[part].acked;
        if (generation < told) {
            model_violation(s->model, MODEL_FENCE,
                            "a commit of generation %d was taken, %d was told before", generation,
                            told);
        }
    } else if (generation < told) {
        s->totals.fenced++;
    }
    pthread_mutex_unlock(&s->mutex);
    return code;
}

/* ---- A member's life --------------------------------------------------------------------------
 */

static void count(struct soak *s, uint64_t *total)
{
    pthread_mutex_lock(&s->mutex);
    (*total)++;
    pthread_mutex_unlock(&s->mutex);
}

/* False: the connection is lost, or given up by dying. */
static bool step(struct soak_member *me, struct client *c)
{
    struct soak *s = me->soak;
    uint64_t dice = load_random(&me->random);
    int16_t code;
    if (!me->joined) {
        code = join(me, c);
    } else if (dice % 400 == 0) {
        count(s, &s->totals.left);
        code = leave(me, c);
        soak_pause(s, (double)(dice >> 32 & 511));
    } else if (dice % 400 == 1) {
        /* Its session ends some seconds later; it comes back as somebody else. */
        count(s, &s->totals.died);
        me->id[0] = '\0';
        me->joined = false;
        return false;
    } else if (dice % 1600 == 2) {
        /* Asleep for longer than its session, then it goes on as if nothing had happened. */
        soak_pause(s, SESSION_MS + 1000);
        count(s, &s->totals.late);
        code = commit(me, c, me->generation, (uint32_t)(dice >> 40) % SOAK_PARTS);
    } else if (dice % 40 == 3 && me->generation_before > 0) {
        /* A commit that was long on its way: of this member, from before the last rebalance. */
        (void)commit(me, c, me->generation_before, (uint32_t)(dice >> 40) % SOAK_PARTS);
        code = heartbeat(me, c);
    } else if (dice % 4 == 0 || me->mask == 0) {
        code = heartbeat(me, c);
    } else {
        uint32_t part = (uint32_t)(dice >> 40) % SOAK_PARTS;
        while ((me->mask >> part & 1) == 0) {
            part = (part + 1) % SOAK_PARTS;
        }
        code = commit(me, c, me->generation, part);
    }
    if (code == NO_ANSWER) {
        return false;
    }
    if (code != 0) {
        /* A rebalance, or it was thrown out. */
        me->joined = false;
        if (code == UNKNOWN_MEMBER) {
            me->id[0] = '\0';
        }
    }
    sleep_ms(4);
    return true;
}

void *soak_member_run(void *arg)
{
    struct soak_member *me = arg;
    struct soak *s = me->soak;
    struct client c;
    bool up = true;
    while (up && !atomic_load(&s->stop)) {
        up = client_open(&c, s->port, LOAD_TIMEOUT_MS);
        if (up) {
            while (!atomic_load(&s->stop) && step(me, &c)) {
                /* until it dies or the server does */
            }
            load_lost(s->load, &c, "member of a moving group");
        }
    }
    return NULL;
}

bool soak_check_group(struct soak *s, struct client *c)
{
    int32_t indexes[SOAK_PARTS];
    struct wire_offset_fetch_request_topic t;
    struct wire_offset_fetch_request q;
    struct wire_offset_fetch_response r;
    for (int32_t i = 0; i < SOAK_PARTS; i++) {
        indexes[i] = i;
    }
    WIRE_INIT(wire_offset_fetch_request_topic, &t);
    t.name = str_of(topic_name);
    t.partition_indexes = indexes;
    t.partition_indexes_count = SOAK_PARTS;
    WIRE_INIT(wire_offset_fetch_request, &q);
    q.group_id = str_of(group_name);
    q.topics = &t;
    q.topics_count = 1;
    if (!client_call(c, WIRE_OFFSET_FETCH, 7, &q, &r) || r.error_code != 0 || r.topics_count != 1 ||
        r.topics[0].partitions_count != SOAK_PARTS) {
        return false;
    }
    for (uint32_t i = 0; i < SOAK_PARTS; i++) {
        int64_t found = r.topics[0].partitions[i].committed_offset;
        found = found < 0 ? 0 : found;
        if (!soak_counter_holds(&s->commits[i], found)) {
            model_violation(
                s->model, found < s->commits[i].acked ? MODEL_COMMIT_BACK : MODEL_COMMIT_INVENTED,
                "group %s, partition %u has %lld; %lld was acknowledged, %lld sent", group_name, i,
                (long long)found, (long long)s->commits[i].acked, (long long)s->commits[i].sent);
        }
    }
    return true;
}
