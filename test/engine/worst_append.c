/*
 * Appends as transactions. Each goes through: submitted -> written (offsets taken, open) -> decided
 * (committed, aborted, fenced: positions move now) -> shown (each partition by itself) and answered
 * (in any order). A process that dies takes its answers along, not its transactions.
 */
#include "worst_int.h"

#include <stdlib.h>
#include <string.h>

#include "record/builder.h"

struct txn_part {
    struct worst_event ev; /* when it is shown */
    struct worst_txn *txn;
    struct worst_partition *partition;
    struct worst_entry *entry;
    uint8_t *bytes; /* until it is written */
    size_t size;
    int32_t count;
};
struct txn_input {
    struct worst_claim *claim;
    uint64_t epoch; /* when it was submitted; 0: it was not the member's */
    int64_t next_offset;
};
struct worst_txn {
    struct worst_event ev;
    struct list link;
    struct worst_log *log;
    struct worst_engine *engine; /* NULL: nobody waits for the answer */
    struct engine_append *append;
    struct txn_part *parts;
    struct txn_input *inputs;
    size_t part_count, input_count, hidden;
    bool written, decided, answered, too_large;
    enum err err;
};

uint8_t *worst_build(const struct engine_record *records, size_t count, int64_t now_ms,
                     size_t *size)
{
    struct batch_builder b;
    struct buf out;
    uint8_t *bytes = NULL;
    batch_builder_init(&b, SIZE_MAX / 2);
    buf_init(&out, SIZE_MAX / 2);
    enum err e = ERR_OK;
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        const struct engine_record *r = &records[i];
        e = batch_builder_append(&b, r->timestamp_ms == -1 ? now_ms : r->timestamp_ms, r->key,
                                 r->value, r->headers, r->header_count);
    }
    struct batch_spec spec;
    batch_spec_init(&spec);
    if (e == ERR_OK && batch_builder_finish(&b, &spec, NULL, &out, NULL) == ERR_OK) {
        bytes = worst_alloc(out.n); /* of its exact size: a read beyond it is found */
        memcpy(bytes, out.p, out.n);
        *size = out.n;
    }
    buf_deinit(&out);
    batch_builder_deinit(&b);
    return bytes;
}

struct worst_entry *worst_entry_add(struct worst_partition *p, struct worst_entry *en)
{
    en->base_offset = p->end;
    batch_set_base_offset(en->bytes, NULL, en->base_offset);
    p->end += en->count;
    list_push_back(&p->entries, &en->link);
    return en;
}

int64_t worst_stable(const struct worst_partition *p)
{
    LIST_FOR_EACH (l, tmp, &p->entries) {
        const struct worst_entry *en = CONTAINER_OF(l, struct worst_entry, link);
        if (en->fate == WORST_OPEN) {
            return en->base_offset;
        }
    }
    return p->end;
}

static void txn_free(struct worst_txn *t)
{
    worst_forget(&t->ev);
    for (size_t i = 0; i < t->part_count; i++) {
        worst_forget(&t->parts[i].ev);
        free(t->parts[i].bytes);
    }
    list_remove(&t->link);
    free(t->parts);
    free(t->inputs);
    free(t);
}

static void txn_maybe_free(struct worst_txn *t)
{
    if (t->decided && t->hidden == 0 && t->answered) {
        txn_free(t);
    }
}

static void part_shown(struct worst_event *ev)
{
    struct txn_part *part = CONTAINER_OF(ev, struct txn_part, ev);
    struct worst_txn *t = part->txn;
    struct worst_log *log = t->log;
    part->entry->fate = t->err == ERR_OK ? WORST_COMMITTED : WORST_ABORTED;
    if (log->cfg.gaps) {
        part->partition->end++; /* the marker */
        log->stats.gaps++;
    }
    t->hidden--;
    txn_maybe_free(t);
    worst_wake_readers(log);
}

static void txn_answer(struct worst_event *ev)
{
    struct worst_txn *t = CONTAINER_OF(ev, struct worst_txn, ev);
    struct engine_append *a = t->append;
    for (size_t i = 0; i < t->part_count && t->err == ERR_OK; i++) {
        a->parts[i].base_offset = t->parts[i].entry->base_offset;
        a->parts[i].position = 0;
    }
    a->err = t->err;
    a->position = 0;
    if (t->err != ERR_OK) {
        (void)ectx_fail(&a->ec, t->err, "the append was not done: %s", err_text(t->err));
    }
    t->answered = true;
    t->engine = NULL;
    txn_maybe_free(t);
    a->done(a);
}

static void txn_write(struct worst_txn *t)
{
    for (size_t i = 0; i < t->part_count; i++) {
        struct txn_part *part = &t->parts[i];
        struct worst_entry *en = worst_alloc(sizeof(*en));
        en->fate = WORST_OPEN;
        en->count = part->count;
        en->bytes = part->bytes;
        en->size = part->size;
        part->bytes = NULL;
        part->entry = worst_entry_add(part->partition, en);
    }
    t->written = true;
}

/* Everything but the inputs' owners is known. */
static void txn_decide(struct worst_txn *t, bool abort)
{
    struct worst_log *log = t->log;
    t->err = t->too_large ? ERR_MESSAGE_TOO_LARGE : abort ? ERR_ABORTED : ERR_OK;
    for (size_t i = 0; i < t->input_count; i++) {
        if (t->inputs[i].epoch == 0 || t->inputs[i].epoch != t->inputs[i].claim->epoch) {
            t->err = ERR_FENCED;
        }
    }
    for (size_t i = 0; i < t->input_count && t->err == ERR_OK; i++) {
        t->inputs[i].claim->committed = t->inputs[i].next_offset;
    }
    log->stats.committed += t->err == ERR_OK;
    log->stats.aborted += t->err == ERR_ABORTED;
    log->stats.fenced += t->err == ERR_FENCED;
    t->decided = true;
    t->hidden = t->part_count;
    for (size_t i = 0; i < t->part_count; i++) {
        t->parts[i].txn = t;
        worst_plan(log, &t->parts[i].ev, log->cfg.lag ? worst_delay(log) * 3 : 0, part_shown);
    }
    log->stats.lagged += log->cfg.lag && t->part_count > 1;
}

static void txn_fate(struct worst_event *ev)
{
    struct worst_txn *t = CONTAINER_OF(ev, struct worst_txn, ev);
    struct worst_log *log = t->log;
    txn_decide(t, worst_chance(log, log->cfg.abort_in));
    if (t->engine == NULL) {
        t->answered = true;
        txn_maybe_free(t);
        return;
    }
    const bool late = worst_chance(log, log->cfg.late_in);
    log->stats.late += late;
    worst_plan(log, &t->ev, late ? worst_random(log, log->cfg.late_ns) : worst_delay(log),
               txn_answer);
}

static void txn_written(struct worst_event *ev)
{
    struct worst_txn *t = CONTAINER_OF(ev, struct worst_txn, ev);
    txn_write(t);
    worst_plan(t->log, &t->ev, worst_delay(t->log), txn_fate);
}

void worst_txns_forget(struct worst_engine *e)
{
    struct worst_log *log = e->log;
    LIST_FOR_EACH (l, tmp, &log->txns) {
        struct worst_txn *t = CONTAINER_OF(l, struct worst_txn, link);
        if (t->engine != e) {
            continue;
        }
        t->engine = NULL;
        worst_forget(&t->ev);
        if (!t->decided && (t->written || worst_chance(log, 2))) {
            if (!t->written) {
                txn_write(t);
            }
            txn_decide(t, worst_chance(log, 2));
        }
        if (!t->decided) { /* it never left the process */
            txn_free(t);
            continue;
        }
        t->answered = true;
        txn_maybe_free(t);
    }
}

void worst_txns_free(struct worst_log *log)
{
    LIST_FOR_EACH (l, tmp, &log->txns) {
        txn_free(CONTAINER_OF(l, struct worst_txn, link));
    }
}

/* What is known before anything is done. */
static enum err refuse(struct worst_engine *e, struct engine_append *a)
{
    struct worst_log *log = e->log;
    size_t bytes = 0;
    for (size_t i = 0; i < a->part_count; i++) {
        const struct engine_part *p = &a->parts[i];
        const struct worst_topic *t = worst_topic(log, p->topic);
        if (t == NULL || p->partition < 0 || p->partition >= t->count) {
            return ectx_fail(&a->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "no partition %d of '%.*s'",
                             (int)p->partition, STR(p->topic));
        }
        CHECK(p->count > 0);
        for (size_t k = 0; k < i; k++) {
            CHECK(a->parts[k].partition != p->partition || !str_eq(a->parts[k].topic, p->topic));
        }
        for (size_t k = 0; k < p->count; k++) {
            bytes += p->records[k].key.n + p->records[k].value.n;
        }
    }
    if (bytes > log->cfg.append_max_bytes) {
        return ectx_fail(&a->ec, ERR_MESSAGE_TOO_LARGE, "%zu bytes in one append", bytes);
    }
    if (worst_chance(log, log->cfg.again_in)) {
        return ectx_fail(&a->ec, ERR_AGAIN, "no room for the moment");
    }
    return ERR_OK;
}

static enum err txn_fill(struct worst_txn *t, struct engine_append *a)
{
    struct worst_log *log = t->log;
    for (size_t i = 0; i < a->part_count; i++) {
        const struct engine_part *p = &a->parts[i];
        struct txn_part *part = &t->parts[i];
        part->partition = &worst_topic(log, p->topic)->parts[p->partition];
        part->count = (int32_t)p->count;
        part->bytes = worst_build(p->records, p->count, env_wall_ms(log->env), &part->size);
        if (part->bytes == NULL) {
            return ectx_fail(&a->ec, ERR_NO_MEMORY, "out of memory");
        }
        for (size_t k = 0; k < p->count; k++) {
            t->too_large |= p->records[k].value.n > log->cfg.record_max_bytes;
        }
    }
    for (size_t i = 0; i < a->input_count; i++) {
        const struct engine_input *in = &a->inputs[i];
        struct worst_topic *topic = worst_topic(log, in->topic);
        CHECK(topic != NULL && a->member != NULL);
        t->inputs[i].claim = worst_claim_of(a->member->group, topic, in->partition);
        CHECK(t->inputs[i].claim != NULL);
        t->inputs[i].epoch = t->inputs[i].claim->owner == a->member ? t->inputs[i].claim->epoch : 0;
        t->inputs[i].next_offset = in->next_offset;
    }
    return ERR_OK;
}

void worst_append(struct engine *base, struct engine_append *a)
{
    struct worst_engine *e = worst_of(base);
    struct worst_log *log = e->log;
    if (e->dead) {
        return;
    }
    log->stats.appends++;
    worst_maybe_rebalance(log);
    a->err = refuse(e, a);
    if (a->err != ERR_OK) {
        log->stats.refused++;
        a->done(a);
        return;
    }
    struct worst_txn *t = worst_alloc(sizeof(*t));
    t->log = log;
    t->engine = e;
    t->append = a;
    t->parts = worst_alloc((a->part_count + 1) * sizeof(*t->parts));
    t->inputs = worst_alloc((a->input_count + 1) * sizeof(*t->inputs));
    t->part_count = a->part_count;
    t->input_count = a->input_count;
    list_push_back(&log->txns, &t->link);
    a->err = txn_fill(t, a);
    if (a->err != ERR_OK) {
        txn_free(t);
        a->done(a);
        return;
    }
    worst_plan(log, &t->ev, worst_delay(log), txn_written);
}
