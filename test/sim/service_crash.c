/*
 * Topics, idempotent producers, committed offsets and groups on the simulated disk: the real
 * broker, groups and store are cut at any operation, what was not flushed is kept, lost, torn and
 * reordered in many ways, the next start is cut too, every I/O and every allocation fails once,
 * also those of a recovery, I/O takes seconds or never returns, the wall clock jumps.
 *
 * The promises (oracle: struct smodel, outside of the simulated world):
 *   - every acknowledged batch is there once, at its offset; what else is there is a prefix;
 *   - a batch sent again gets its original offset and adds nothing; the next sequence is accepted,
 * one of an unknown outcome ends up exactly once, a gap is refused, a lower epoch is fenced: all as
 * svc_predict reads it off the partition, before and after any crash;
 *   - a producer id is given once;
 *   - an acknowledged commit is there, or a newer one that was sent; a number of a generation means
 * one rebalance; members of a settled group go on after a crash;
 *   - topics, partitions, settings and log starts that were acknowledged are there whole.
 * The same with a planted fault (faults.def): one that this program does not notice fails the run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker_int.h"
#include "common_brought.h"
#include "common_service.h"
#include "core/mem.h"

enum { PER_CALL = 3 };

/* ---- Calls on their way --------------------------------------------------------------------- */

struct scall {
    struct list link; /* first: see call_free */
    struct sproc *p;
    int slot, part, group, who;
    struct uuid id; /* of the topic as it was */
    int64_t value;
    bool in_call, done;
    enum kind going; /* what is not finished if the world ends now */
    /* produce */
    struct broker_produce produce;
    struct broker_produce_item items[PER_CALL];
    struct sbatch sent[PER_CALL];
    int slots[PER_CALL], parts[PER_CALL];
    struct uuid ids[PER_CALL];
    struct brought brought[PER_CALL];
    struct arena arena;
    /* commit */
    struct groups_ticket ticket;
    struct groups_commit_item item;
    char metadata[32];
};

static struct scall *call_new(struct sproc *p, enum kind going)
{
    struct scall *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        abort();
    }
    c->p = p;
    c->going = going;
    arena_init(&c->arena, 1 << 20);
    list_push_back(&p->calls, &c->link);
    return c;
}

static void call_free(struct list *l)
{
    struct scall *c = CONTAINER_OF(l, struct scall, link);
    list_remove(&c->link);
    for (int i = 0; i < PER_CALL; i++) {
        free(c->brought[i].buffer);
    }
    arena_deinit(&c->arena);
    free(c);
}

/* The topic this call was about, if it is still the same one. */
static struct stopic *topic_of(struct smodel *m, int slot, struct uuid id)
{
    struct stopic *t = &m->topics[slot];
    return t->exists && uuid_eq(t->id, id) ? t : NULL;
}

static struct topic *real_topic(struct sproc *p, int slot)
{
    return broker_topic(p->broker, str_of(svc_topic_name(slot)));
}

static bool may_be_refused(const struct sproc *p, enum err e)
{
    return p->m->may_fail || p->dead || env_sim_is_cut(p->env) ||
           (p->m->may_lose_memory && (e == ERR_NO_MEMORY || e == ERR_COORDINATOR_NOT_AVAILABLE ||
                                      e == ERR_INVALID_COMMIT_OFFSET_SIZE));
}

/* ---- Topics --------------------------------------------------------------------------------- */

static void topic_changed(void *ctx, enum err e, const struct ectx *ec)
{
    struct scall *c = ctx;
    struct smodel *m = c->p->m;
    struct stopic *t = &m->topics[c->slot];
    if (e != ERR_OK) {
        if (!may_be_refused(c->p, e)) {
            svc_bad(m, "change %d of topic %s: %s: %s", (int)t->pending, svc_topic_name(c->slot),
                    err_name(e), ec->text);
        }
    } else if (t->pending == SVC_DELETE) {
        svc_topic_reset(t);
        count_kind(KIND_DID_DELETE);
    } else {
        const struct topic *now = real_topic(c->p, c->slot);
        if (now == NULL || now->partition_count != t->new_parts) {
            svc_bad(m, "topic %s: a change is done and not seen", svc_topic_name(c->slot));
            return;
        }
        t->id = now->id;
        t->exists = true;
        t->parts = t->new_parts;
        t->setting = t->new_setting;
        count_kind(t->pending == SVC_CREATE ? KIND_DID_CREATE
                   : t->pending == SVC_GROW ? KIND_DID_GROW
                                            : KIND_DID_CONFIG);
    }
    t->pending = SVC_NONE;
    call_free(&c->link);
}

static void change_topic(struct sproc *p)
{
    struct smodel *m = p->m;
    const int slot = (int)svc_rnd(m, SVC_TOPICS);
    struct stopic *t = &m->topics[slot];
    if (t->pending != SVC_NONE) {
        return;
    }
    const uint64_t what = svc_rnd(m, 6);
    char value[32];
    struct topic *real = real_topic(p, slot);
    struct scall *c = call_new(p, KIND_IN_CONFIG);
    c->slot = slot;
    t->new_parts = t->parts;
    t->new_setting = 100000 + (int64_t)svc_rnd(m, 90000);
    (void)snprintf(value, sizeof(value), "%lld", (long long)t->new_setting);
    if (!t->exists) {
        const struct broker_setting s = {STR_LIT("max.message.bytes"), str_of(value)};
        t->new_parts = 1 + (int32_t)svc_rnd(m, 2);
        t->pending = SVC_CREATE;
        c->going = KIND_IN_CREATE;
        const struct broker_topic_spec spec = {.name = str_of(svc_topic_name(slot)),
                                               .partitions = t->new_parts,
                                               .replication_factor = 1,
                                               .settings = &s,
                                               .setting_count = 1};
        broker_topic_create(p->broker, &spec, false, topic_changed, c);
    } else if (what == 0) {
        t->pending = SVC_DELETE;
        c->going = KIND_IN_DELETE;
        broker_topic_delete(p->broker, real, topic_changed, c);
    } else if (what < 3 && t->parts < SVC_PARTS) {
        t->new_parts = t->parts + 1;
        t->new_setting = t->setting;
        t->pending = SVC_GROW;
        c->going = KIND_IN_GROW;
        broker_topic_add_partitions(p->broker, real, t->new_parts, false, topic_changed, c);
    } else {
        const struct broker_alter op = {BROKER_SET, STR_LIT("max.message.bytes"), str_of(value)};
        t->pending = SVC_CONFIG;
        broker_topic_alter(p->broker, real, &op, 1, false, topic_changed, c);
    }
}

static void start_moved(void *ctx, enum err e, int64_t low)
{
    struct scall *c = ctx;
    struct stopic *t = topic_of(c->p->m, c->slot, c->id);
    if (e != ERR_OK && !may_be_refused(c->p, e)) {
        svc_bad(c->p->m, "deleting records: %s", err_name(e));
    }
    if (e == ERR_OK && low < c->value) {
        svc_bad(c->p->m, "deleted records up to %lld, not %lld", (long long)low,
                (long long)c->value);
    }
    count_kind_n(KIND_DID_DELETE_RECORDS, e == ERR_OK);
    if (e == ERR_OK && t != NULL && t->part[c->part].start_told < c->value) {
        t->part[c->part].start_told = c->value;
    }
    call_free(&c->link);
}

/* A partition that can be used now, or NULL. */
static struct partition *any_part(struct sproc *p, int *slot, int *part)
{
    *slot = (int)svc_rnd(p->m, SVC_TOPICS);
    struct topic *real = real_topic(p, *slot);
    if (real == NULL || !p->m->topics[*slot].exists) {
        return NULL;
    }
    *part = (int)svc_rnd(p->m, (uint64_t)real->partition_count);
    return broker_partition(real, *part);
}

static void delete_records(struct sproc *p)
{
    struct store_part_info info;
    int slot, part;
    struct partition *real = any_part(p, &slot, &part);
    if (real == NULL) {
        return;
    }
    store_part_info_get(real->part, &info);
    if (info.high_watermark == info.log_start) {
        return;
    }
    struct spart *sp = &p->m->topics[slot].part[part];
    struct scall *c = call_new(p, KIND_IN_DELETE_RECORDS);
    c->slot = slot;
    c->part = part;
    c->id = real->topic->id;
    c->value = info.log_start + 1 +
               (int64_t)svc_rnd(p->m, (uint64_t)(info.high_watermark - info.log_start));
    sp->start_sent = c->value > sp->start_sent ? c->value : sp->start_sent;
    broker_delete_records(p->broker, real, c->value, start_moved, c);
}

/* ---- Producing ------------------------------------------------------------------------------ */

static void acknowledge(struct scall *c, int i)
{
    struct smodel *m = c->p->m;
    struct stopic *t = topic_of(m, c->slots[i], c->ids[i]);
    if (c->items[i].err != ERR_OK || t == NULL) {
        return;
    }
    struct spart *sp = &t->part[c->parts[i]];
    for (uint32_t k = sp->n; k-- > 0;) {
        if (sp->b[k].base == c->items[i].base_offset) {
            sp->b[k].acked = true;
            count_kind(sp->b[k].payload >= 2000 ? KIND_DID_LARGE : KIND_DID_SMALL);
            return;
        }
    }
    svc_bad(m, "%s-%d: offset %lld was acknowledged, there is no such batch",
            svc_topic_name(c->slots[i]), c->parts[i], (long long)c->items[i].base_offset);
}

static void produced(struct broker_produce *bp)
{
    struct scall *c = bp->ctx;
    c->done = true;
    if (c->in_call) {
        return;
    }
    for (size_t i = 0; i < bp->item_count; i++) {
        acknowledge(c, (int)i);
    }
    call_free(&c->link);
}

/* What to send: the next batch, one again, one that went lost, a gap, or an epoch too late. */
static struct sbatch choose_batch(struct smodel *m, struct spart *sp)
{
    struct sbatch b = {.uid = m->uid++,
                       .pid = -1,
                       .payload = 8 + (uint32_t)svc_rnd(m, 200),
                       .count = 1 + (int32_t)svc_rnd(m, 3)};
    b.payload = svc_rnd(m, 8) == 0 ? 2000 + (uint32_t)svc_rnd(m, 1500) : b.payload;
    if (sp->lost_count > 0 && svc_rnd(m, 4) != 0) {
        b = sp->lost[0];
        sp->lost_count--;
        count_kind(KIND_DID_LOST_AGAIN);
        memmove(sp->lost, sp->lost + 1, sp->lost_count * sizeof(sp->lost[0]));
        return b;
    }
    const struct sproducer *pr = &m->producers[svc_rnd(m, SVC_PRODUCERS)];
    const uint64_t what = svc_rnd(m, 20);
    if (pr->id < 0 || what < 4) {
        return b;
    }
    if (what < 9 && sp->n > 0) { /* any of the last few batches again */
        const uint32_t back = (uint32_t)svc_rnd(m, sp->n < 12 ? sp->n : 12);
        if (sp->b[sp->n - 1 - back].pid >= 0) {
            return sp->b[sp->n - 1 - back];
        }
    }
    b.pid = pr->id;
    b.epoch = pr->epoch;
    b.seq = svc_next_sequence(sp, b.pid, b.epoch);
    if (b.seq < 0) { /* not known here: it may begin anywhere, so that sequences wrap soon */
        b.seq = svc_rnd(m, 2) == 0 ? 0 : INT32_MAX - (int32_t)svc_rnd(m, 8);
    } else if (what == 18) {
        b.seq = (int32_t)(((int64_t)b.seq + 1 + (int64_t)svc_rnd(m, 3)) % (1ll << 31));
    } else if (what == 19 && b.epoch > 0) {
        b.epoch--;
    }
    return b;
}

static void check_item(struct sproc *p, struct scall *c, int i, enum svc_verdict want,
                       int64_t original)
{
    static const enum err errors[] = {ERR_OK, ERR_OK, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      ERR_INVALID_PRODUCER_EPOCH};
    struct smodel *m = p->m;
    struct spart *sp = &m->topics[c->slots[i]].part[c->parts[i]];
    struct broker_produce_item *it = &c->items[i];
    const struct sbatch *b = &c->sent[i];
    const int64_t offset = want == SVC_DUPLICATE ? original : svc_end(sp);
    if (it->err != errors[want] || (it->err == ERR_OK && it->base_offset != offset)) {
        if (it->err != ERR_OK && (may_be_refused(p, it->err) || it->err == ERR_NO_SPACE)) {
            return;
        }
        svc_bad(m,
                "%s-%d: producer %lld epoch %d sequence %d count %d: %s at offset %lld, expected "
                "%s at %lld",
                svc_topic_name(c->slots[i]), c->parts[i], (long long)b->pid, b->epoch, b->seq,
                b->count, err_name(it->err), (long long)it->base_offset, err_name(errors[want]),
                (long long)offset);
        return;
    }
    count_kind_n(KIND_DID_DUPLICATE, want == SVC_DUPLICATE);
    count_kind_n(KIND_DID_OUT_OF_ORDER, want == SVC_OUT_OF_ORDER);
    count_kind_n(KIND_DID_FENCED, want == SVC_FENCED);
    if (want == SVC_NEW) {
        sp->b[sp->n] = *b;
        sp->b[sp->n].base = it->base_offset;
        sp->b[sp->n].acked = sp->b[sp->n].kept = false;
        sp->n++;
    }
}

static void add_item(struct scall *c, struct partition *real, int slot, int part, struct sbatch b)
{
    const size_t i = c->produce.item_count++;
    uint8_t *bytes = brought_make(&c->brought[i], SVC_BATCH_MAX, b.uid % 2 == 0);
    const size_t size = svc_batch_fill(bytes, &b);
    c->sent[i] = b;
    c->slots[i] = slot;
    c->parts[i] = part;
    c->ids[i] = real->topic->id;
    c->items[i] = (struct broker_produce_item){.partition = real,
                                               .bytes = bytes,
                                               .size = size,
                                               .take = brought_take,
                                               .take_ctx = &c->brought[i]};
}

static void send_call(struct sproc *p, struct scall *c)
{
    enum svc_verdict want[PER_CALL];
    int64_t original[PER_CALL];
    const size_t n = c->produce.item_count;
    for (size_t i = 0; i < n; i++) {
        const struct spart *sp = &p->m->topics[c->slots[i]].part[c->parts[i]];
        want[i] = c->sent[i].pid < 0 ? SVC_NEW : svc_predict(sp, &c->sent[i], &original[i]);
    }
    c->produce.api_version = 9;
    c->produce.items = c->items;
    c->produce.arena = &c->arena;
    c->produce.done = produced;
    c->produce.ctx = c;
    c->in_call = true;
    broker_produce(p->broker, &c->produce);
    c->in_call = false;
    for (size_t i = 0; i < n; i++) {
        check_item(p, c, (int)i, want[i], want[i] == SVC_DUPLICATE ? original[i] : -1);
    }
    if (c->done) {
        produced(&c->produce);
    }
}

static void produce(struct sproc *p)
{
    struct scall *c = call_new(p, KIND_IN_FRAMES);
    const uint64_t want = 1 + svc_rnd(p->m, PER_CALL);
    for (uint64_t i = 0; i < want; i++) {
        int slot, part;
        struct partition *real = any_part(p, &slot, &part);
        bool used = real == NULL || p->m->topics[slot].part[part].n + 1 >= SVC_BATCHES;
        for (size_t k = 0; k < c->produce.item_count; k++) {
            used = used || (c->slots[k] == slot && c->parts[k] == part);
        }
        if (!used) {
            add_item(c, real, slot, part, choose_batch(p->m, &p->m->topics[slot].part[part]));
        }
    }
    send_call(p, c);
}

/* After a start: of each partition the last batches are sent again, and whatever was lost. */
static void resend_all(struct sproc *p)
{
    for (int k = 0; k < SVC_TOPICS * SVC_PARTS && !p->m->bad; k++) {
        const int slot = k / SVC_PARTS, part = k % SVC_PARTS;
        struct spart *sp = &p->m->topics[slot].part[part];
        for (uint32_t i = sp->n; i > 0 && i + 4 > sp->n && !p->dead && !p->m->bad; i--) {
            struct partition *real = broker_partition(real_topic(p, slot), part);
            if (real == NULL || !store_ready(p->store) || sp->b[i - 1].pid < 0) {
                continue;
            }
            struct scall *c = call_new(p, KIND_IN_FRAMES);
            add_item(c, real, slot, part, sp->b[i - 1]);
            send_call(p, c);
        }
    }
}

/* ---- Producer ids --------------------------------------------------------------------------- */

static void id_given(void *ctx, enum err e, struct broker_producer_id pid)
{
    struct scall *c = ctx;
    struct smodel *m = c->p->m;
    if (e != ERR_OK) {
        /* Not available: a second lease was needed while a checkpoint held frames back. */
        if (!may_be_refused(c->p, e) && e != ERR_COORDINATOR_NOT_AVAILABLE) {
            svc_bad(m, "a producer id: %s", err_name(e));
        }
    } else if (c->value >= 0) {
        if (pid.id != c->value || pid.epoch != c->part + 1) {
            svc_bad(m, "producer %lld epoch %d became %lld epoch %d", (long long)c->value, c->part,
                    (long long)pid.id, pid.epoch);
        } else if (c->who >= 0 && m->producers[c->who].id == pid.id) {
            m->producers[c->who].epoch = pid.epoch;
            count_kind(KIND_DID_BUMP);
        }
    } else {
        if (pid.id <= m->largest_pid || pid.epoch != 0) {
            svc_bad(m, "producer id %lld epoch %d was given, %lld was before", (long long)pid.id,
                    pid.epoch, (long long)m->largest_pid);
        }
        m->largest_pid = pid.id;
        count_kind(KIND_DID_PRODUCER_ID);
        if (c->who >= 0) {
            m->producers[c->who] = (struct sproducer){pid.id, 0};
        }
    }
    call_free(&c->link);
}

static void ask_id(struct sproc *p)
{
    struct smodel *m = p->m;
    const int who = (int)svc_rnd(m, SVC_PRODUCERS);
    const struct sproducer *pr = &m->producers[who];
    const bool bump = pr->id >= 0 && svc_rnd(m, 8) != 0;
    /* Many at once need a second lease. */
    const uint64_t more = svc_rnd(m, 16) == 0 ? 700 : 0;
    for (uint64_t i = 0; i <= more; i++) {
        struct scall *c = call_new(p, KIND_IN_PRODUCER_ID);
        c->who = i == 0 ? who : -1;
        c->value = i == 0 && bump ? pr->id : -1;
        c->part = i == 0 && bump ? pr->epoch : -1;
        broker_producer_id_new(p->broker, c->value, (int16_t)c->part, id_given, c);
    }
}

/* ---- Offsets -------------------------------------------------------------------------------- */

static void committed(struct groups_ticket *t, const struct groups_answer *a)
{
    struct scall *c = CONTAINER_OF(t, struct scall, ticket);
    struct sproc *p = c->p;
    if (p->closing) {
        return;
    }
    struct stopic *st = topic_of(p->m, c->slot, c->id);
    enum err e = a->err != ERR_OK ? a->err : c->item.err;
    p->busy_groups[c->group]--;
    if (e != ERR_OK && !may_be_refused(p, e) &&
        (c->group != SVC_GROUPS - 1 || (e != ERR_ILLEGAL_GENERATION && e != ERR_UNKNOWN_MEMBER_ID &&
                                        e != ERR_REBALANCE_IN_PROGRESS))) {
        svc_bad(p->m, "a commit of %s: %s", svc_group_name(c->group), err_name(e));
    }
    if (e == ERR_OK && st != NULL) {
        int64_t *told = &st->part[c->part].offset_told[c->group];
        *told = c->value > *told ? c->value : *told;
        count_kind(KIND_DID_COMMIT);
    }
    call_free(&c->link);
}

static void commit_offset(struct sproc *p)
{
    struct smodel *m = p->m;
    int slot, part;
    const int group = (int)svc_rnd(m, SVC_GROUPS);
    struct partition *real = any_part(p, &slot, &part);
    const struct smember *sm =
        group == SVC_GROUPS - 1 ? &m->members[svc_rnd(m, SVC_MEMBERS)] : NULL;
    if (real == NULL || m->group_deleting[group] || (sm != NULL && sm->step != SVC_STABLE)) {
        return;
    }
    struct scall *c = call_new(p, KIND_IN_COMMIT);
    c->slot = slot;
    c->part = part;
    c->group = group;
    c->id = real->topic->id;
    c->value = (int64_t)m->uid++;
    c->ticket.done = committed;
    (void)snprintf(c->metadata, sizeof(c->metadata), "m%lld", (long long)c->value);
    c->item = (struct groups_commit_item){
        .topic = real->topic->name,
        .topic_id = c->id,
        .partition = part,
        .offset = {c->value, (int32_t)(c->value % 100), str_of(c->metadata)}};
    struct groups_commit gc = {.group_id = str_of(svc_group_name(group)),
                               .member_id = sm == NULL ? STR_LIT("") : str_of(sm->id),
                               .instance_id = STR_NULL,
                               .generation = sm == NULL ? -1 : sm->generation,
                               .retention_ms = -1,
                               .items = &c->item,
                               .count = 1};
    m->topics[slot].part[part].offset_sent[group] = c->value;
    p->busy_groups[group]++;
    groups_commit(p->groups, &gc, &c->ticket);
}

static void group_gone(struct groups_ticket *t, const struct groups_answer *a)
{
    struct scall *c = CONTAINER_OF(t, struct scall, ticket);
    struct sproc *p = c->p;
    if (p->closing) {
        return;
    }
    if (a->err == ERR_OK) {
        count_kind(KIND_DID_GROUP_DELETE);
        for (int k = 0; k < SVC_TOPICS * SVC_PARTS; k++) {
            struct spart *sp = &p->m->topics[k / SVC_PARTS].part[k % SVC_PARTS];
            sp->offset_told[c->group] = sp->offset_sent[c->group] = -1;
        }
    } else if (a->err != ERR_GROUP_ID_NOT_FOUND && !may_be_refused(p, a->err)) {
        svc_bad(p->m, "deleting a group: %s", err_name(a->err));
    }
    p->m->group_deleting[c->group] = false;
    call_free(&c->link);
}

static void delete_group(struct sproc *p)
{
    const int group = (int)svc_rnd(p->m, SVC_GROUPS - 1);
    if (p->busy_groups[group] > 0 || p->m->group_deleting[group]) {
        return;
    }
    struct scall *c = call_new(p, KIND_IN_GROUP_DELETE);
    c->group = group;
    c->ticket.done = group_gone;
    p->m->group_deleting[group] = true;
    groups_delete(p->groups, str_of(svc_group_name(group)), &c->ticket);
}

/* ---- The workload --------------------------------------------------------------------------- */

/* The wall clock jumps by a day or years. Nothing here may care: ages of offsets and producers,
 * sessions and leases go by the monotonic one. */
static void jump_clock(struct sproc *p)
{
    const int64_t ms = svc_rnd(p->m, 2) == 0 ? 86400000 : 315360000000;
    const bool back = svc_rnd(p->m, 2) == 0;
    env_sim_jump_wall_ms(p->env, back ? -ms : ms);
    count_kind(back ? KIND_CLOCK_BACK : KIND_CLOCK_FORWARD);
    store_tick(p->store);
    broker_tick(p->broker);
}

/* What a process that ends now leaves unfinished. */
static uint64_t going_now(const struct sproc *p, bool started)
{
    if (!started) {
        return going_bit(KIND_IN_START);
    }
    uint64_t going = store_watch_going(p->store);
    LIST_FOR_EACH (n, tmp, &p->calls) {
        going |= going_bit(CONTAINER_OF(n, struct scall, link)->going);
    }
    for (int i = 0; i < SVC_MEMBERS; i++) {
        const enum sstep step = p->m->members[i].step;
        going |= step != SVC_IDLE && step != SVC_STABLE ? going_bit(KIND_IN_REBALANCE) : 0;
    }
    return going;
}

static void work(struct sproc *p, uint64_t turns)
{
    struct smodel *m = p->m;
    for (uint64_t t = 0; t < turns && !m->bad && !p->dead && !env_sim_is_cut(p->env); t++) {
        uint64_t what = svc_rnd(m, 40);
        if (m->calm && what >= 35 && svc_rnd(m, 12) != 0) {
            what = 0;
        }
        if (store_ready(p->store)) {
            if (what < 17) {
                produce(p);
            } else if (what < 20) {
                change_topic(p);
            } else if (what < 26) {
                commit_offset(p);
            } else if (what < 32) {
                svc_step_member(p);
            } else if (what == 32) {
                ask_id(p);
            } else if (what == 33) {
                delete_records(p);
            } else if (what == 34 && svc_rnd(m, 3) == 0) {
                delete_group(p);
            }
        }
        if (what == 35 || what == 36) {
            store_checkpoint_request(p->store);
            store_tick(p->store);
        } else if (what == 37) {
            env_sim_advance_ns(p->env, 1000000000u * svc_rnd(m, 4));
            store_tick(p->store);
            broker_tick(p->broker);
        } else if (what == 38) {
            store_tick(p->store);
        } else if (what == 39 && svc_rnd(m, 3) == 0) {
            jump_clock(p);
        }
        if (svc_rnd(m, 3) != 0) {
            store_kick(p->store, svc_rnd(m, 2) == 0);
        }
        svc_turn(p, svc_rnd(m, 6));
    }
}

/* Until everything is answered, so that a clean end is one. */
static bool drain(struct sproc *p)
{
    for (int i = 0; i < 2000 && !p->dead && !env_sim_is_cut(p->env); i++) {
        store_kick(p->store, true);
        store_tick(p->store);
        svc_turn(p, 100);
        if (list_empty(&p->calls)) {
            return true;
        }
    }
    if (!p->dead && !env_sim_is_cut(p->env)) {
        svc_bad(p->m, "calls hang: the service does not come to rest");
    }
    return false;
}

/* ---- Crashing ------------------------------------------------------------------------------- */

static struct env *world(uint64_t seed)
{
    struct env *env;
    struct env_sim_config cfg = {
        .seed = seed, .write_ns = 20000, .sync_ns = 100000, .slow_jobs = seed % 2 == 0};
    if (env_sim_create(&cfg, &env) != ERR_OK) {
        abort();
    }
    if (seed % 4 == 3) { /* a slow disk */
        env_sim_set_slow(env, 12, 2500000000u);
        count_kind(KIND_SLOW);
    }
    return env;
}

static void model_init(struct smodel *m, uint64_t seed)
{
    memset(m, 0, sizeof(*m));
    m->rng = seed * 1000003;
    m->calm = run_mix(seed) % 3 == 0;
    for (int i = 0; i < SVC_TOPICS; i++) {
        svc_topic_reset(&m->topics[i]);
    }
    for (int i = 0; i < SVC_PRODUCERS; i++) {
        m->producers[i].id = -1;
    }
}

static struct smodel *model_new(void)
{
    struct smodel *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        abort();
    }
    return m;
}

/* The world of `m` has ended. Start, judge, go on, cut again: `depth` times. `kill`: the first end
 * may have been one of the process alone. */
static void crash_again(struct env *env, struct smodel *m, uint64_t choice, int depth, bool kill)
{
    bool clean = false;
    for (int i = 0; i < depth && !m->bad && !m->given_up; i++) {
        struct sproc p;
        if (!clean) {
            const bool killed = svc_rnd(m, 6) == 0 && (kill || i > 0);
            crash_and_count(env, m->going, killed, i == 0, choice + 8 * (uint64_t)i);
        }
        const bool last = i + 1 == depth;
        const uint64_t left = svc_rnd(m, 3) == 0 ? svc_rnd(m, 40) : svc_rnd(m, 200);
        env_sim_cut_at(env, last ? UINT64_MAX : env_sim_ops(env) + left);
        const bool started = svc_start(&p, env, m, clean) == ERR_OK && !env_sim_is_cut(env);
        clean = false;
        if (started && !p.dead && !m->bad) {
            resend_all(&p);
            work(&p, last ? 10 : 40);
            m->going = going_now(&p, started);
            if (last || svc_rnd(m, 4) == 0) {
                clean = !m->bad && drain(&p);
            }
        } else {
            m->going = going_now(&p, started);
        }
        env_sim_cut_at(env, UINT64_MAX);
        const bool cut = env_sim_is_cut(env);
        if (!clean && !cut) {
            env_sim_process_kill(env);
        }
        svc_end_proc(&p, call_free);
        clean = clean && !cut && !p.dead;
        count_kind_n(KIND_DID_CLEAN_STOP, clean);
    }
}

/* Runs a world until it is cut, killed or through; the process is gone after it. */
static void first_life(struct env *env, struct smodel *m, uint64_t turns)
{
    struct sproc p;
    const bool started = svc_start(&p, env, m, false) == ERR_OK && !env_sim_is_cut(env);
    if (started) {
        work(&p, turns);
    }
    m->going = going_now(&p, started);
    if (!env_sim_is_cut(env)) {
        env_sim_process_kill(env);
    }
    svc_end_proc(&p, call_free);
}

/* One seed: a run is cut at `points` of its operations (all, if there are no more), each in several
 * ways, and goes on from there. */
static bool run_seed(uint64_t seed, uint64_t points, uint64_t choices, char *why, size_t size)
{
    struct smodel *m = model_new(), *saved = model_new();
    const uint64_t turns = 60 + run_mix(seed) % 200;
    struct env *env = world(seed);
    model_init(m, seed);
    first_life(env, m, turns);
    const uint64_t ops = env_sim_ops(env);
    env_destroy(env);
    points = points > ops ? ops : points;
    for (uint64_t k = 0; k < points && !m->bad; k++) {
        const uint64_t at = points == ops ? k : run_mix(seed + k) % ops;
        env = world(seed);
        model_init(m, seed);
        env_sim_cut_at(env, at);
        first_life(env, m, turns);
        struct env_sim_disk *disk = env_sim_disk_save(env);
        *saved = *m;
        for (uint64_t c = 0; c < choices && !m->bad; c++) {
            *m = *saved;
            m->rng += c << 32;
            env_sim_disk_restore(env, disk);
            crash_again(env, m, seed * 136 + k * 16 + c, 4, true);
        }
        if (m->bad) {
            snprintf(why, size, "seed %llu, cut at %llu: %s", (unsigned long long)seed,
                     (unsigned long long)at, m->why);
        }
        env_sim_disk_free(disk);
        env_destroy(env);
    }
    const bool bad = m->bad;
    if (bad && why[0] == '\0') {
        snprintf(why, size, "seed %llu: %s", (unsigned long long)seed, m->why);
    }
    free(m);
    free(saved);
    return !bad;
}

/* ---- Failing operations and allocations ----------------------------------------------------- */

static const enum env_sim_op fail_kinds[] = {ENV_SIM_OP_COUNT, ENV_SIM_READ, ENV_SIM_WRITE,
                                             ENV_SIM_SYNC,     ENV_SIM_OPEN, ENV_SIM_ALLOCATE};

static void fail_nth(struct env *env, enum env_sim_op kind, uint64_t k)
{
    env_sim_fail_nth(env, kind, k, kind == ENV_SIM_OPEN && k % 3 == 0 ? ERR_NO_DESCRIPTORS : ERR_IO,
                     k % 2 == 0);
}

/* Every k-th operation of a kind fails, then the process starts again. */
static bool run_failures(uint64_t seed, char *why, size_t size)
{
    struct smodel *m = model_new();
    for (size_t kind = 0; kind < ARRAY_LEN(fail_kinds) && !m->bad; kind++) {
        bool reached = true;
        for (uint64_t k = 1; reached && !m->bad; k++) {
            struct env *env = world(seed);
            model_init(m, seed);
            m->may_fail = true;
            fail_nth(env, fail_kinds[kind], k);
            first_life(env, m, 60);
            reached = env_sim_ops(env) > k;
            env_sim_fail_nth(env, fail_kinds[kind], 0, ERR_OK, false);
            m->may_fail = false;
            count_kind(KIND_FAILED_OP);
            if (!m->bad) {
                /* A folder whose flush failed is not the same on the medium and in memory, and
                 * nothing but a new mount makes it so: no start without one. */
                crash_again(env, m, seed + k, 2,
                            fail_kinds[kind] != ENV_SIM_SYNC &&
                                fail_kinds[kind] != ENV_SIM_OP_COUNT);
            }
            env_destroy(env);
            if (m->bad) {
                snprintf(why, size, "seed %llu, operation %llu (kind %d) failed: %s",
                         (unsigned long long)seed, (unsigned long long)k, (int)fail_kinds[kind],
                         m->why);
            }
        }
    }
    const bool bad = m->bad;
    free(m);
    return !bad;
}

static uint64_t alloc_countdown;

static int alloc_fails(void *ctx, size_t n)
{
    (void)ctx;
    (void)n;
    return alloc_countdown > 0 && --alloc_countdown == 0;
}

/* Every k-th allocation fails, of a start on an empty disk and of the work after it. */
static bool run_allocs(uint64_t seed, char *why, size_t size)
{
    struct smodel *m = model_new();
    bool reached = true;
    for (uint64_t k = 1; reached && !m->bad; k++) {
        struct env *env = world(seed);
        model_init(m, seed);
        m->may_lose_memory = true;
        alloc_countdown = k;
        mem_set_fail_hook(alloc_fails, NULL);
        first_life(env, m, 60);
        mem_set_fail_hook(NULL, NULL);
        reached = alloc_countdown == 0;
        alloc_countdown = 0;
        m->may_lose_memory = false;
        count_kind(KIND_FAILED_ALLOC);
        if (!m->bad) {
            crash_again(env, m, seed + k, 2, true);
        }
        env_destroy(env);
        if (m->bad) {
            snprintf(why, size, "seed %llu, allocation %llu failed: %s", (unsigned long long)seed,
                     (unsigned long long)k, m->why);
        }
    }
    const bool bad = m->bad;
    free(m);
    return !bad;
}

/* One start on the disk that `saved` was cut on, in which the k-th operation of a kind fails, or
 * (kind -1) the k-th allocation. Then a start without harm. false: there were not so many. */
static bool fail_in_start(struct env *env, const struct env_sim_disk *disk,
                          const struct smodel *saved, int kind, uint64_t k, struct smodel *m)
{
    struct sproc p;
    *m = *saved;
    env_sim_disk_restore(env, disk);
    env_sim_power_cut(env, k);
    const uint64_t before = env_sim_ops(env);
    m->may_lose_memory = kind < 0;
    m->may_fail = kind >= 0;
    if (kind < 0) {
        alloc_countdown = k;
        mem_set_fail_hook(alloc_fails, NULL);
    } else {
        fail_nth(env, (enum env_sim_op)kind, k);
    }
    const bool started = svc_start(&p, env, m, false) == ERR_OK;
    const bool reached = kind < 0 ? alloc_countdown == 0 : env_sim_ops(env) - before > k;
    mem_set_fail_hook(NULL, NULL);
    alloc_countdown = 0;
    if (kind >= 0) {
        env_sim_fail_nth(env, (enum env_sim_op)kind, 0, ERR_OK, false);
    }
    m->going = going_now(&p, started);
    m->may_lose_memory = m->may_fail = false;
    env_sim_process_kill(env);
    svc_end_proc(&p, call_free);
    count_kind(kind < 0 ? KIND_FAILED_ALLOC_IN_START : KIND_FAILED_OP_IN_START);
    crash_again(env, m, run_mix(k), 2, false);
    return reached;
}

/* Every k-th operation and allocation of a recovery fails. */
static bool run_starts(uint64_t seed, char *why, size_t size)
{
    struct smodel *m = model_new(), *saved = model_new();
    struct env *env = world(seed);
    model_init(saved, seed);
    first_life(env, saved, 80);
    struct env_sim_disk *disk = env_sim_disk_save(env);
    for (size_t kind = 0; kind <= ARRAY_LEN(fail_kinds) && !m->bad; kind++) {
        const int what = kind < ARRAY_LEN(fail_kinds) ? (int)fail_kinds[kind] : -1;
        for (uint64_t k = 1; fail_in_start(env, disk, saved, what, k, m); k++) {
            if (m->bad) {
                snprintf(why, size, "seed %llu, %s %llu (kind %d) of a recovery failed: %s",
                         (unsigned long long)seed, what < 0 ? "allocation" : "operation",
                         (unsigned long long)k, what, m->why);
                break;
            }
        }
    }
    const bool bad = m->bad;
    env_sim_disk_free(disk);
    env_destroy(env);
    free(m);
    free(saved);
    return !bad;
}

/* Some operation never returns: what needs it is not answered, and after the power cut nothing is
 * missing that was. */
static bool run_stuck(uint64_t seed, char *why, size_t size)
{
    static const enum env_sim_op stick[] = {ENV_SIM_OP_COUNT, ENV_SIM_WRITE, ENV_SIM_SYNC,
                                            ENV_SIM_ALLOCATE};
    struct smodel *m = model_new();
    for (uint64_t round = 0; round < 8 && !m->bad; round++) {
        struct env *env = world(seed);
        struct sproc p;
        model_init(m, seed * 131 + round);
        const bool started = svc_start(&p, env, m, false) == ERR_OK;
        env_sim_stick_nth(env, stick[round % ARRAY_LEN(stick)], 1 + svc_rnd(m, 60),
                          svc_rnd(m, 2) == 0);
        for (int i = 0; started && i < 20 && !env_sim_is_stuck(env); i++) {
            work(&p, 10);
        }
        count_kind_n(KIND_STUCK, env_sim_is_stuck(env));
        work(&p, 60);
        m->going = going_now(&p, started);
        if (!env_sim_is_cut(env)) {
            env_sim_process_kill(env);
        }
        svc_end_proc(&p, call_free);
        crash_again(env, m, seed + round, 2, true);
        env_destroy(env);
        if (m->bad) {
            snprintf(why, size, "seed %llu, stuck in round %llu: %s", (unsigned long long)seed,
                     (unsigned long long)round, m->why);
        }
    }
    const bool bad = m->bad;
    free(m);
    return !bad;
}

/* ---- What one seed is good for -------------------------------------------------------------- */

static bool one_seed(uint64_t s, bool every, char *why, size_t size)
{
    /* Most seeds are cut at some operations in many ways, some at each operation in one. */
    const bool each = s % 8 == 1;
    return run_seed(s, each ? UINT64_MAX : 40, each ? 1 : 6, why, size) &&
           run_stuck(s, why, size) &&
           (!every ||
            (run_failures(s, why, size) && run_allocs(s, why, size) && run_starts(s, why, size)));
}

static bool fault_seed(uint64_t s, char *why, size_t size)
{
    return run_seed(s, 40, 4, why, size);
}

int main(int argc, char **argv)
{
    struct run_program p = {
        .name = "service_crash", .bit = RUN_SERVICE, .seed = one_seed, .fault_seed = fault_seed};
#ifdef LEAT_DEBUG
    const struct fault_row faults[] = {
#define FAULT(program, name, on, wrong, breaks) FAULT_##program(name, on, wrong, breaks)
#define FAULT_service(name, on, wrong, breaks)  {name, &on, wrong, breaks},
#define FAULT_wal(name, on, wrong, breaks)
#define FAULT_store(name, on, wrong, breaks)
#define FAULT_engine(name, on, wrong, breaks)
#define FAULT_es(name, on, wrong, breaks)
#define FAULT_proc(name, on, wrong, breaks)
#include "faults.def"
    };
    p.faults = faults;
    p.fault_count = ARRAY_LEN(faults);
#endif
    return run_main(&p, argc, argv);
}
