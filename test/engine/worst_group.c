/*
 * Groups. A claim is one partition of one topic in one group. Its owner is who may commit; its
 * epoch grows whenever that changes, and an append that was submitted under another epoch is
 * fenced. A zombie is a former owner who has not been told yet.
 */
#include "worst_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct worst_claim *worst_claim_of(struct worst_group *g, const struct worst_topic *t,
                                   int32_t partition)
{
    for (size_t i = 0; i < g->claim_count; i++) {
        if (g->claims[i].topic == t && g->claims[i].partition == partition) {
            return &g->claims[i];
        }
    }
    return NULL;
}

static struct worst_claim *claim_make(struct worst_group *g, struct worst_topic *t, int32_t n)
{
    struct worst_claim *c = worst_claim_of(g, t, n);
    if (c == NULL) {
        CHECK(g->claim_count < WORST_GROUPS * WORST_PARTITIONS);
        c = &g->claims[g->claim_count++];
        *c = (struct worst_claim){.topic = t, .partition = n, .group = g, .committed = -1};
    }
    return c;
}

struct worst_group *worst_group(struct worst_log *log, struct str name)
{
    for (size_t i = 0; i < log->group_count; i++) {
        if (str_eq_z(name, log->groups[i].name)) {
            return &log->groups[i];
        }
    }
    CHECK(log->group_count < WORST_GROUPS);
    struct worst_group *g = &log->groups[log->group_count++];
    (void)snprintf(g->name, sizeof(g->name), "%.*s", STR(name));
    g->log = log;
    return g;
}

int64_t worst_committed(struct worst_log *log, const char *group, const char *topic,
                        int32_t partition)
{
    struct worst_topic *t = worst_topic(log, str_of(topic));
    CHECK(t != NULL);
    const struct worst_claim *c = worst_claim_of(worst_group(log, str_of(group)), t, partition);
    return c == NULL ? -1 : c->committed;
}

void worst_commit(struct worst_log *log, const char *group, const char *topic, int32_t partition,
                  int64_t offset)
{
    struct worst_topic *t = worst_topic(log, str_of(topic));
    CHECK(t != NULL);
    claim_make(worst_group(log, str_of(group)), t, partition)->committed = offset;
}

/* ---- Who gets what ------------------------------------------------------------------------- */

static bool subscribes(const struct engine_member *m, const struct worst_topic *t)
{
    for (size_t i = 0; i < m->spec.topic_count; i++) {
        if (str_eq_z(m->topics[i], t->name)) {
            return true;
        }
    }
    return false;
}

static bool is_member(const struct worst_group *g, const struct engine_member *m)
{
    size_t i = 0;
    while (i < g->member_count && g->members[i] != m) {
        i++;
    }
    return i < g->member_count;
}

static struct engine_member *pick(struct worst_group *g, const struct worst_claim *c)
{
    struct engine_member *can[WORST_MEMBERS];
    size_t n = 0;
    for (size_t i = 0; i < g->claim_count && !g->log->cfg.scatter; i++) {
        const struct worst_claim *other = &g->claims[i];
        if (other->partition == c->partition && other->owner != NULL &&
            subscribes(other->owner, c->topic)) {
            return other->owner;
        }
    }
    for (size_t i = 0; i < g->member_count; i++) {
        if (subscribes(g->members[i], c->topic)) {
            can[n++] = g->members[i];
        }
    }
    return n == 0 ? NULL : can[worst_random(g->log, n)];
}

static void tell_zombie(struct worst_claim *c)
{
    struct engine_member *m = c->zombie;
    worst_forget(&c->wake);
    c->zombie = NULL;
    if (m != NULL) {
        c->group->log->stats.revoked++;
        m->spec.revoked(m->spec.ctx, str_of(c->topic->name), c->partition);
    }
}

static void zombie_wakes(struct worst_event *ev)
{
    tell_zombie(CONTAINER_OF(ev, struct worst_claim, wake));
}

static void settle(struct worst_event *ev)
{
    struct worst_group *g = CONTAINER_OF(ev, struct worst_group, settle);
    for (size_t i = 0; i < g->member_count; i++) {
        for (size_t k = 0; k < g->members[i]->spec.topic_count; k++) {
            struct worst_topic *t = worst_topic(g->log, g->members[i]->topics[k]);
            for (int32_t n = 0; t != NULL && n < t->count; n++) {
                (void)claim_make(g, t, n);
            }
        }
    }
    for (size_t i = 0; i < g->claim_count; i++) {
        struct worst_claim *c = &g->claims[i];
        struct engine_member *m = c->owner == NULL ? pick(g, c) : NULL;
        if (m == NULL) {
            continue;
        }
        if (c->zombie == m) {
            tell_zombie(c);
            if (!is_member(g, m)) {
                continue; /* it left when it was told; that gives all out anew */
            }
        }
        c->owner = m;
        c->epoch++;
        g->log->stats.assigned++;
        m->spec.assigned(m->spec.ctx, str_of(c->topic->name), c->partition, c->committed, c->epoch);
    }
}

static void plan_settle(struct worst_group *g, uint64_t in_ns)
{
    worst_plan(g->log, &g->settle, in_ns, settle);
}

/* Nobody has it any more; who had it is told now, or too late. */
static void take_away(struct worst_claim *c, bool politely)
{
    struct worst_log *log = c->group->log;
    struct engine_member *m = c->owner;
    if (m == NULL) {
        return;
    }
    tell_zombie(c); /* of an earlier time */
    c->owner = NULL;
    c->epoch++;
    c->zombie = m;
    if (politely) {
        tell_zombie(c);
    } else {
        log->stats.zombies++;
        worst_plan(log, &c->wake, worst_random(log, log->cfg.late_ns + 1), zombie_wakes);
    }
}

static void rebalance(struct worst_group *g)
{
    struct worst_log *log = g->log;
    const bool politely = !worst_chance(log, log->cfg.zombie_in);
    const uint64_t mask = worst_random(log, UINT64_MAX);
    log->stats.rebalances++;
    for (size_t i = 0; i < g->claim_count; i++) {
        if ((mask >> (g->claims[i].partition & 63) & 1) != 0) {
            take_away(&g->claims[i], politely);
        }
    }
    plan_settle(g, worst_delay(log));
}

void worst_rebalance(struct worst_log *log)
{
    for (size_t i = 0; i < log->group_count; i++) {
        rebalance(&log->groups[i]);
    }
}

static void rebalance_due(struct worst_event *ev)
{
    worst_rebalance(CONTAINER_OF(ev, struct worst_log, rebalance));
}

void worst_maybe_rebalance(struct worst_log *log)
{
    if (worst_chance(log, log->cfg.rebalance_in)) {
        worst_plan(log, &log->rebalance, worst_delay(log), rebalance_due);
    }
}

/* ---- Members ------------------------------------------------------------------------------- */

enum err worst_join(struct engine *base, const struct engine_member_spec *spec,
                    struct engine_member **out, struct ectx *ec)
{
    struct worst_engine *e = worst_of(base);
    struct worst_group *g = worst_group(e->log, spec->group);
    if (spec->topic_count == 0 || spec->topic_count > WORST_GROUPS) {
        return ectx_fail(ec, ERR_LIMIT, "%zu topics", spec->topic_count);
    }
    CHECK(g->member_count < WORST_MEMBERS);
    struct engine_member *m = worst_alloc(sizeof(*m));
    m->engine = e;
    m->group = g;
    m->spec = *spec;
    for (size_t i = 0; i < spec->topic_count; i++) {
        (void)snprintf(m->names[i], sizeof(m->names[i]), "%.*s", STR(spec->topics[i]));
        m->topics[i] = str_of(m->names[i]);
    }
    if (!e->dead) {
        g->members[g->member_count++] = m;
        rebalance(g);
    }
    *out = m;
    return ERR_OK;
}

static void member_remove(struct engine_member *m, uint64_t missed_in_ns)
{
    struct worst_group *g = m->group;
    for (size_t i = 0; i < g->claim_count; i++) {
        struct worst_claim *c = &g->claims[i];
        if (c->zombie == m) {
            worst_forget(&c->wake);
            c->zombie = NULL;
        }
        if (c->owner == m) {
            c->owner = NULL;
            c->epoch++;
        }
    }
    for (size_t i = 0; i < g->member_count; i++) {
        if (g->members[i] == m) {
            g->members[i] = g->members[--g->member_count];
            break;
        }
    }
    plan_settle(g, missed_in_ns);
}

void worst_leave(struct engine *base, struct engine_member *m)
{
    struct worst_log *log = worst_of(base)->log;
    if (m->engine != NULL && !m->engine->dead) {
        member_remove(m, worst_delay(log));
    }
    free(m);
}

void worst_members_forget(struct worst_engine *e)
{
    for (size_t i = 0; i < e->log->group_count; i++) {
        struct worst_group *g = &e->log->groups[i];
        for (size_t k = g->member_count; k-- > 0;) {
            if (g->members[k]->engine == e) {
                /* Its owner calls engine_leave for the memory. */
                member_remove(g->members[k], worst_random(e->log, e->log->cfg.late_ns + 1));
            }
        }
    }
}

/* Positions alone: an epoch never comes back here. */
void worst_group_forget(struct engine *base, struct str group)
{
    struct worst_group *g = worst_group(worst_of(base)->log, group);
    for (size_t i = 0; i < g->claim_count && g->member_count == 0; i++) {
        g->claims[i].committed = -1;
    }
}
