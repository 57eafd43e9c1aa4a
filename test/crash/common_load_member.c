/*
 * The one member of a group: joins, syncs, heartbeats, commits with its generation. After a restart
 * it goes on as the member that it was, as a client does that survived its broker: a group's result
 * is told only when it is durable, so the broker must still know it.
 */
#include <stdio.h>
#include <string.h>

#include "common_load_int.h"
#include "common_server.h"

enum { UNKNOWN_MEMBER = 25, ILLEGAL_GENERATION = 22, REBALANCING = 27, MEMBER_ID_REQUIRED = 79 };

static const char assignment[] = "everything";

/* One JoinGroup; the error, or -99 without an answer. */
static int16_t join(struct load *l, struct client *c)
{
    struct load_member *me = &l->member;
    struct wire_join_group_request_protocol p;
    struct wire_join_group_request q;
    struct wire_join_group_response r;
    WIRE_INIT(wire_join_group_request_protocol, &p);
    p.name = STR_LIT("range");
    p.metadata = STR_LIT("subscription");
    WIRE_INIT(wire_join_group_request, &q);
    q.group_id = str_of(model_group_name(l->model, me->group));
    q.session_timeout_ms = 60000;
    q.rebalance_timeout_ms = 5000;
    q.member_id = str_of(me->id);
    q.protocol_type = STR_LIT("consumer");
    q.protocols = &p;
    q.protocols_count = 1;
    if (!client_call(c, WIRE_JOIN_GROUP, 4, &q, &r)) {
        return -99;
    }
    if (r.error_code == 0 || r.error_code == MEMBER_ID_REQUIRED) {
        (void)snprintf(me->id, sizeof(me->id), "%.*s", STR(r.member_id));
    }
    if (r.error_code == 0 && !model_is_dark(l->model)) {
        if (r.generation_id <= me->complete) {
            model_violation(l->model, MODEL_MEMBER, "generation %d was complete, now it is %d",
                            me->complete, r.generation_id);
        }
        me->generation = r.generation_id;
    }
    return r.error_code;
}

static int16_t sync_group(struct load *l, struct client *c)
{
    struct load_member *me = &l->member;
    struct wire_sync_group_request_assignment a;
    struct wire_sync_group_request q;
    struct wire_sync_group_response r;
    WIRE_INIT(wire_sync_group_request_assignment, &a);
    a.member_id = str_of(me->id);
    a.assignment = str_of(assignment);
    WIRE_INIT(wire_sync_group_request, &q);
    q.group_id = str_of(model_group_name(l->model, me->group));
    q.generation_id = me->generation;
    q.member_id = str_of(me->id);
    q.assignments = &a;
    q.assignments_count = 1;
    if (!client_call(c, WIRE_SYNC_GROUP, 3, &q, &r)) {
        return -99;
    }
    if (r.error_code == 0 && !str_eq_z(r.assignment, assignment)) {
        model_violation(l->model, MODEL_MEMBER, "another assignment than the leader's");
    }
    return r.error_code;
}

static int16_t heartbeat(struct load *l, struct client *c)
{
    struct wire_heartbeat_request q;
    struct wire_heartbeat_response r;
    WIRE_INIT(wire_heartbeat_request, &q);
    q.group_id = str_of(model_group_name(l->model, l->member.group));
    q.generation_id = l->member.generation;
    q.member_id = str_of(l->member.id);
    return client_call(c, WIRE_HEARTBEAT, 3, &q, &r) ? r.error_code : -99;
}

static bool commit(struct load *l, struct client *c)
{
    int64_t number = model_commit(l->model, l->member.group);
    int16_t code = load_commit(l, c, l->member.group, number, l->member.generation, l->member.id);
    if (code == 0) {
        model_committed(l->model, l->member.group, number);
        atomic_fetch_add(&l->member.commits, 1);
    } else if (code == UNKNOWN_MEMBER || code == ILLEGAL_GENERATION || code == REBALANCING) {
        model_violation(l->model, MODEL_MEMBER, "commit of a member in generation %d: error %d",
                        l->member.generation, code);
    }
    return code == 0;
}

/* Becomes a member again, with a new generation. */
static bool rejoin(struct load *l, struct client *c)
{
    l->member.joined = false;
    int16_t code = join(l, c);
    if (code == MEMBER_ID_REQUIRED || code == UNKNOWN_MEMBER) {
        if (code == UNKNOWN_MEMBER) {
            l->member.id[0] = '\0';
        }
        code = join(l, c);
        code = code == MEMBER_ID_REQUIRED ? join(l, c) : code;
    }
    l->member.joined = code == 0 && sync_group(l, c) == 0 && !model_is_dark(l->model);
    if (l->member.joined) {
        l->member.complete = l->member.generation;
    }
    return l->member.joined;
}

void *load_member_run(void *arg)
{
    struct load *l = arg;
    do {
        struct client c;
        bool ok = client_open(&c, l->port, LOAD_TIMEOUT_MS);
        if (ok && l->member.joined) {
            int16_t code = heartbeat(l, &c);
            if (code == UNKNOWN_MEMBER || code == ILLEGAL_GENERATION || code == REBALANCING) {
                model_violation(
                    l->model, MODEL_MEMBER,
                    "generation %d was complete before the crash, its member gets error %d",
                    l->member.generation, code);
            }
            ok = code == 0;
        }
        for (uint64_t i = 0; ok && !atomic_load(&l->stop); i++) {
            if (!l->member.joined || load_random(&l->member.random) % 24 == 0) {
                ok = rejoin(l, &c);
            } else {
                ok = i % 3 == 0 ? heartbeat(l, &c) == 0 : commit(l, &c);
            }
            sleep_ms(2);
        }
        load_lost(l, &c, "member");
    } while (load_again(l));
    return NULL;
}
