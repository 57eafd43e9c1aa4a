/*
 * Membership in the embedded engine. There is one process, so a member gets all partitions of its
 * topics, and new ones as they come; the only one it can lose them to is a later member of the same
 * group, or the deletion of a topic.
 *
 * The epoch is the number by which the member owns the group (group/owner.c): recorded in the log
 * before a partition is assigned with it, and above all before it. A member asks for a new one
 * whenever it is to get more partitions, so the epoch of a partition grows with each assignment.
 *
 *     ASKING -> (number durable) -> assigned -> ASKING ...      a topic appears or grows
 *     any -> FENCED                                             a later member has joined
 */
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "engine/embedded_int.h"

enum { MEMBER_TOPICS_MAX = 4096 };

struct member_topic {
    struct str name; /* owned */
    struct uuid id;
    int32_t assigned; /* partitions [0, assigned) are the member's */
};

struct engine_member {
    struct list link; /* in embedded.members */
    struct embedded *m;
    struct engine_member_spec spec; /* group is owned; topics are below */
    int32_t number;                 /* the epoch */
    bool asking;                    /* it is on its way to the disk */
    bool wants;                     /* a new one is to be asked for */
    bool fenced;
    bool left;     /* while a callback runs: to be freed after it */
    uint32_t busy; /* callbacks that run */
    struct groups_ticket ticket;
    size_t topic_count;
    struct member_topic topics[];
};

static void member_free(struct engine_member *mb)
{
    list_remove(&mb->link);
    groups_ticket_drop(&mb->ticket);
    for (size_t i = 0; i < mb->topic_count; i++) {
        mem_free((void *)(uintptr_t)mb->topics[i].name.p);
    }
    mem_free((void *)(uintptr_t)mb->spec.group.p);
    mem_free(mb);
}

/* A callback may make the member leave. */
static void busy_end(struct engine_member *mb)
{
    if (--mb->busy == 0 && mb->left) {
        member_free(mb);
    }
}

static void revoke(struct engine_member *mb, struct member_topic *t)
{
    mb->busy++;
    while (t->assigned > 0 && !mb->left) {
        t->assigned--;
        mb->spec.revoked(mb->spec.ctx, t->name, t->assigned);
    }
    busy_end(mb);
}

static void fence(struct engine_member *mb)
{
    mb->fenced = true;
    mb->wants = false;
    groups_ticket_drop(&mb->ticket);
    LOG_INFO("engine.member_fenced", KV_STR("group", mb->spec.group), KV_I64("epoch", mb->number));
    mb->busy++;
    for (size_t i = 0; i < mb->topic_count && !mb->left; i++) {
        revoke(mb, &mb->topics[i]);
    }
    busy_end(mb);
}

/* ---- Getting partitions --------------------------------------------------------------------- */

static int64_t committed(struct engine_member *mb, struct str topic, int32_t partition)
{
    struct groups_offset o;
    return groups_offset_get(mb->m->groups, mb->spec.group, topic, partition, &o) ? o.offset : -1;
}

static void assign(struct engine_member *mb, struct member_topic *t)
{
    const uint64_t epoch = (uint64_t)mb->number;
    for (;;) {
        const struct topic *now = broker_topic(mb->m->broker, t->name);
        if (now == NULL || mb->left || mb->fenced || t->assigned >= now->partition_count) {
            return;
        }
        t->id = now->id;
        const int32_t p = t->assigned++;
        mb->spec.assigned(mb->spec.ctx, t->name, p, committed(mb, t->name, p), epoch);
    }
}

static void assign_all(void *ctx)
{
    struct engine_member *mb = ctx;
    mb->asking = false;
    mb->busy++;
    for (size_t i = 0; i < mb->topic_count && !mb->left && !mb->fenced; i++) {
        assign(mb, &mb->topics[i]);
    }
    busy_end(mb);
}

static void on_owned(struct groups_ticket *ticket, const struct groups_answer *a)
{
    struct engine_member *mb = CONTAINER_OF(ticket, struct engine_member, ticket);
    if (a->err != ERR_OK) { /* the server stops, or lacks memory for what was committed */
        LOG_WARN("engine.member_waits", KV_STR("group", mb->spec.group),
                 KV_Z("detail", err_text(a->err)));
        mb->asking = false;
        return;
    }
    assign_all(mb);
}

static enum err ask(struct engine_member *mb, struct ectx *ec)
{
    mb->ticket.done = on_owned;
    const enum err e = groups_own(mb->m->groups, mb->spec.group, &mb->number, &mb->ticket, ec);
    mb->wants = e != ERR_OK;
    mb->asking = e == ERR_OK;
    if (e == ERR_OK && ENGINE_FAULT(assigned_early)) {
        groups_ticket_drop(&mb->ticket);
        env_poll_post(mb->m->base.poll, assign_all, mb);
    }
    mb->m->members_due = mb->m->members_due || mb->wants;
    return e;
}

/* Partitions that it should have and has not. */
static bool lacks(struct engine_member *mb)
{
    for (size_t i = 0; i < mb->topic_count; i++) {
        const struct topic *t = broker_topic(mb->m->broker, mb->topics[i].name);
        if (t != NULL && t->partition_count > mb->topics[i].assigned) {
            return true;
        }
    }
    return false;
}

void members_go_on(struct embedded *m)
{
    m->members_due = false;
    LIST_FOR_EACH (l, next, &m->members) {
        struct engine_member *mb = CONTAINER_OF(l, struct engine_member, link);
        if (mb->fenced || mb->asking) {
            continue;
        }
        struct ectx ec = {0};
        const bool again = mb->wants;
        if ((again || lacks(mb)) && ask(mb, &ec) != ERR_OK && ec.code != ERR_AGAIN && !again) {
            LOG_WARN("engine.member_waits", KV_STR("group", mb->spec.group), KV_ERR(&ec));
        }
    }
}

void members_on_topic(struct embedded *m, struct topic *t, bool gone)
{
    LIST_FOR_EACH (l, next, &m->members) {
        CONTAINER_OF(l, struct engine_member, link)->busy++; /* none of them goes meanwhile */
    }
    LIST_FOR_EACH (l, next, &m->members) {
        struct engine_member *mb = CONTAINER_OF(l, struct engine_member, link);
        for (size_t i = 0; i < mb->topic_count && !mb->fenced; i++) {
            if (!str_eq(mb->topics[i].name, t->name)) {
                continue;
            }
            if (gone) {
                revoke(mb, &mb->topics[i]);
            } else {
                m->members_due = true; /* with the next tick */
            }
        }
    }
    struct list *l = m->members.next;
    while (l != &m->members) {
        struct engine_member *mb = CONTAINER_OF(l, struct engine_member, link);
        l = l->next;
        if (mb->busy > 0) { /* else it has joined meanwhile */
            busy_end(mb);
        }
    }
}

/* ---- Commits -------------------------------------------------------------------------------- */

static const struct member_topic *find_topic(const struct engine_member *mb, struct str name)
{
    for (size_t i = 0; i < mb->topic_count; i++) {
        if (str_eq(mb->topics[i].name, name)) {
            return &mb->topics[i];
        }
    }
    return NULL;
}

static enum err put_inputs(const struct engine_append *a, struct groups_commit_item *items,
                           struct ectx *ec)
{
    const struct engine_member *mb = a->member;
    for (size_t i = 0; i < a->input_count; i++) {
        const struct engine_input *in = &a->inputs[i];
        const struct member_topic *t = find_topic(mb, in->topic);
        const int32_t assigned = t != NULL && ENGINE_FAULT(zombie_commits) ? INT32_MAX
                                 : t != NULL                               ? t->assigned
                                                                           : 0;
        if (t == NULL || broker_topic(mb->m->broker, t->name) == NULL || in->partition < 0 ||
            in->partition >= assigned) {
            return ectx_fail(ec, ERR_FENCED,
                             "partition %d of topic '%.*s' is not assigned to this member of group "
                             "'%.*s'",
                             in->partition, STR(in->topic), STR(mb->spec.group));
        }
        items[i] = (struct groups_commit_item){
            .topic = in->topic,
            .topic_id = t->id,
            .partition = in->partition,
            .offset = {.offset = in->next_offset, .leader_epoch = -1, .metadata = STR_LIT("")}};
    }
    return ERR_OK;
}

/* Of the planted fault. */
static int32_t newest(struct embedded *m, const struct engine_member *mb)
{
    int32_t number = mb->number;
    LIST_FOR_EACH (l, next, &m->members) {
        const struct engine_member *other = CONTAINER_OF(l, struct engine_member, link);
        number = str_eq(other->spec.group, mb->spec.group) && other->number > number ? other->number
                                                                                     : number;
    }
    return number;
}

enum err member_commit(struct embedded *m, const struct engine_append *a, struct group_op **out,
                       struct str *fact, struct ectx *ec)
{
    const struct engine_member *mb = a->member;
    CHECK(mb != NULL);
    if (mb->fenced && !ENGINE_FAULT(zombie_commits)) {
        return ectx_fail(ec, ERR_FENCED, "another member has joined group '%.*s'",
                         STR(mb->spec.group));
    }
    struct groups_commit_item *items = mem_zalloc(a->input_count, sizeof(*items));
    if (items == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a commit");
    }
    struct groups_commit c = {.group_id = mb->spec.group,
                              .generation =
                                  ENGINE_FAULT(zombie_commits) ? newest(m, mb) : mb->number,
                              .items = items,
                              .count = a->input_count};
    enum err e = put_inputs(a, items, ec);
    e = e == ERR_OK ? groups_carry(m->groups, &c, out, fact, ec) : e;
    mem_free(items);
    return e;
}

/* ---- Joining and leaving -------------------------------------------------------------------- */

static bool own(struct str *to, struct str from)
{
    const char *copy = str_dup_z(from);
    *to = str_make(copy, copy == NULL ? 0 : from.n);
    return copy != NULL;
}

static struct engine_member *member_make(struct embedded *m, const struct engine_member_spec *spec)
{
    struct engine_member *mb =
        mem_zalloc(1, sizeof(*mb) + spec->topic_count * sizeof(struct member_topic));
    if (mb == NULL) {
        return NULL;
    }
    mb->m = m;
    mb->spec = *spec;
    mb->spec.topics = NULL;
    list_init(&mb->link);
    bool ok = own(&mb->spec.group, spec->group);
    for (size_t i = 0; i < spec->topic_count && ok; i++) {
        ok = own(&mb->topics[i].name, spec->topics[i]);
        mb->topic_count = i + 1;
    }
    if (!ok) {
        member_free(mb);
        return NULL;
    }
    return mb;
}

enum err embedded_join(struct engine *e, const struct engine_member_spec *spec,
                       struct engine_member **out, struct ectx *ec)
{
    struct embedded *m = embedded_of(e);
    if (spec->group.n == 0) {
        return ectx_fail(ec, ERR_INVALID_GROUP_ID, "a group needs a name");
    }
    if (spec->topic_count > MEMBER_TOPICS_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "%zu topics for one member: at most %d", spec->topic_count,
                         MEMBER_TOPICS_MAX);
    }
    struct engine_member *mb = member_make(m, spec);
    if (mb == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a member of group '%.*s'",
                         STR(spec->group));
    }
    const enum err err = ask(mb, ec);
    if (err != ERR_OK && err != ERR_AGAIN) {
        member_free(mb);
        return err;
    }
    struct list *l = m->members.next;
    while (l != &m->members) {
        struct engine_member *other = CONTAINER_OF(l, struct engine_member, link);
        l = l->next;
        if (!other->fenced && str_eq(other->spec.group, mb->spec.group)) {
            fence(other);
            l = m->members.next; /* what it has called may have changed the list */
        }
    }
    list_push_back(&m->members, &mb->link);
    *out = mb;
    return ERR_OK;
}

void embedded_leave(struct engine *e, struct engine_member *mb)
{
    (void)e;
    if (!mb->fenced) {
        groups_disown(mb->m->groups, mb->spec.group, mb->number);
    }
    groups_ticket_drop(&mb->ticket);
    mb->left = true;
    mb->wants = false;
    mb->fenced = true;
    if (mb->busy == 0) {
        member_free(mb);
    }
}

/* A group that is being deleted. */
struct forget {
    struct list link; /* in embedded.forgets */
    struct groups_ticket ticket;
};

static void on_forgotten(struct groups_ticket *ticket, const struct groups_answer *a)
{
    struct forget *f = CONTAINER_OF(ticket, struct forget, ticket);
    if (a->err != ERR_OK && a->err != ERR_GROUP_ID_NOT_FOUND) {
        LOG_WARN("engine.group_stays", KV_Z("detail", err_text(a->err)));
    }
    list_remove(&f->link);
    mem_free(f);
}

void embedded_group_forget(struct engine *e, struct str group)
{
    struct embedded *m = embedded_of(e);
    struct forget *f = mem_new(struct forget);
    if (f != NULL) {
        f->ticket.done = on_forgotten;
        list_push_back(&m->forgets, &f->link);
        groups_delete(m->groups, group, &f->ticket);
    }
}

void members_free(struct embedded *m)
{
    struct list *l;
    while ((l = list_pop_front(&m->forgets)) != NULL) {
        struct forget *f = CONTAINER_OF(l, struct forget, link);
        groups_ticket_drop(&f->ticket);
        mem_free(f);
    }
    while ((l = list_pop_front(&m->members)) != NULL) {
        member_free(CONTAINER_OF(l, struct engine_member, link));
    }
}
