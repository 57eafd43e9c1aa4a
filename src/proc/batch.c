/*
 * What the steps of a task did since the last commit, and its way into the log: one append with the
 * outputs, the keys that changed, and the positions.
 */
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "proc/proc_int.h"

#include <string.h>

/* What a record costs beside its key, value and headers. */
enum { RECORD_BYTES = 32, HEADER_BYTES = 10 };

struct proc_batch *proc_batch_begin(struct proc_task *t)
{
    struct proc_batch *b = mem_new(struct proc_batch);
    if (b == NULL) {
        return NULL;
    }
    b->p = t->p;
    b->task = t;
    b->paused = t->paused;
    b->generation = t->generation;
    arena_init(&b->arena, PROC_BATCH_ARENA);
    map_init(&b->out_map);
    list_init(&b->works);
    list_init(&b->link);
    for (size_t i = 0; i < t->input_count; i++) {
        b->next[i] = t->inputs[i].next;
    }
    return b;
}

static void batch_free(struct proc_batch *b)
{
    LIST_FOR_EACH (l, tmp, &b->works) {
        struct proc_work *w = CONTAINER_OF(l, struct proc_work, link);
        mem_free(w->blob);
    }
    list_remove(&b->link);
    map_deinit(&b->out_map);
    arena_deinit(&b->arena);
    mem_free(b);
}

/* The entry has nothing to do with the batch any more. */
static void work_leave(struct proc_task *t, struct proc_work *w)
{
    struct proc_entry *en = w->entry;
    en->work = NULL;
    if (en->blob == NULL) {
        proc_entry_free(t, en);
    } else if (en->due == UINT64_MAX) {
        heap_remove(&t->timers, &en->node);
    } else {
        heap_update(&t->timers, &en->node, en->due);
    }
}

void proc_batch_drop(struct proc_batch *b)
{
    if (b->task != NULL) {
        LIST_FOR_EACH (l, tmp, &b->works) {
            work_leave(b->task, CONTAINER_OF(l, struct proc_work, link));
        }
        if (b->task->batch == b) {
            b->task->batch = NULL;
        }
    }
    batch_free(b);
}

/* ---- Memory -------------------------------------------------------------------------------- */

void *proc_batch_alloc(struct proc_batch *b, size_t size)
{
    void *p = arena_alloc(&b->arena, size);
    if (p == NULL) {
        const bool over = size > b->arena.budget || b->arena.used > b->arena.budget - size;
        b->full = b->full || over;
        b->no_memory = b->no_memory || !over;
    }
    return p;
}

bool proc_batch_copy(struct proc_batch *b, struct str s, struct str *out)
{
    if (str_is_null(s)) {
        *out = s;
        return true;
    }
    char *p = proc_batch_alloc(b, s.n + 1);
    if (p == NULL) {
        return false;
    }
    if (s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    *out = str_make(p, s.n);
    return true;
}

struct proc_work *proc_batch_work(struct proc_batch *b, struct str key, struct ectx *ec)
{
    struct proc_task *t = b->task;
    struct proc_entry *en = proc_entry_get(t, key);
    if (en != NULL && en->work != NULL) {
        return en->work;
    }
    struct proc_work *w = proc_batch_alloc(b, sizeof(*w));
    if (w == NULL || !proc_batch_copy(b, key, &w->key)) {
        return NULL;
    }
    if (en != NULL) {
        uint64_t generation;
        enum err e = proc_value_decode(str_make(en->blob, en->blob_bytes), &b->arena, &w->v,
                                       &generation, ec);
        if (e != ERR_OK) {
            CHECK(e == ERR_NO_MEMORY); /* it was decoded when it came */
            b->no_memory = true;
            return NULL;
        }
    } else {
        en = proc_entry_make(t, key);
        if (en == NULL) {
            b->no_memory = true;
            return NULL;
        }
    }
    w->entry = en;
    en->work = w;
    list_push_back(&b->works, &w->link);
    return w;
}

/* ---- Outputs ------------------------------------------------------------------------------- */

static struct proc_out *out_of(struct proc_batch *b, struct str topic, int32_t partition)
{
    char key[LIMIT_TOPIC_NAME + 5];
    if (topic.n > LIMIT_TOPIC_NAME) {
        return NULL;
    }
    memcpy(key, &partition, 4);
    memcpy(key + 4, topic.p, topic.n);
    const struct str k = str_make(key, topic.n + 4);
    struct proc_out *o = map_get(&b->out_map, k);
    if (o != NULL) {
        return o;
    }
    o = proc_batch_alloc(b, sizeof(*o));
    if (o == NULL || !proc_batch_copy(b, topic, &o->topic)) {
        return NULL;
    }
    o->partition = partition;
    if (!map_put(&b->out_map, k, o)) {
        b->no_memory = true;
        return NULL;
    }
    o->next = b->outs; /* order among partitions means nothing */
    b->outs = o;
    b->out_count++;
    return o;
}

static bool out_room(struct proc_batch *b, struct proc_out *o)
{
    if (o->count < o->cap) {
        return true;
    }
    const size_t cap = o->cap == 0 ? 4 : o->cap * 2;
    struct engine_record *records = proc_batch_alloc(b, cap * sizeof(*records));
    if (records == NULL) {
        return false;
    }
    if (o->count > 0) {
        memcpy(records, o->records, o->count * sizeof(*records));
    }
    o->records = records;
    o->cap = cap;
    return true;
}

static bool record_copy(struct proc_batch *b, const struct engine_record *r,
                        struct engine_record *out)
{
    *out = *r;
    struct record_header *headers = NULL;
    if (r->header_count > 0) {
        headers = proc_batch_alloc(b, r->header_count * sizeof(*headers));
        if (headers == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < r->header_count; i++) {
        if (!proc_batch_copy(b, r->headers[i].key, &headers[i].key) ||
            !proc_batch_copy(b, r->headers[i].value, &headers[i].value)) {
            return false;
        }
    }
    out->headers = headers;
    return proc_batch_copy(b, r->key, &out->key) && proc_batch_copy(b, r->value, &out->value);
}

static size_t record_bytes(const struct engine_record *r)
{
    size_t n = RECORD_BYTES + r->key.n + r->value.n;
    for (size_t i = 0; i < r->header_count; i++) {
        n += HEADER_BYTES + r->headers[i].key.n + r->headers[i].value.n;
    }
    return n;
}

enum err proc_batch_emit(struct proc_batch *b, struct str topic, int32_t partition,
                         const struct engine_record *r, struct ectx *ec)
{
    struct engine_topic t;
    if (!engine_topic_get(b->p->engine, topic, &t) || partition >= t.partition_count ||
        partition < -1) {
        return ectx_fail(ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "no partition %d of topic '%.*s'",
                         (int)partition, STR(topic));
    }
    const size_t bytes = record_bytes(r);
    const size_t most = engine_append_max_bytes(b->p->engine) / 2;
    if (bytes > most || b->bytes > most - bytes) {
        b->full = true;
        return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                         "a step emits more than the %zu bytes that one append may have", most);
    }
    struct proc_out *o =
        out_of(b, topic, partition == -1 ? engine_partition_of(&t, r->key) : partition);
    struct engine_record copy;
    if (o == NULL || !out_room(b, o) || !record_copy(b, r, &copy)) {
        return ectx_fail(ec, b->full ? ERR_MESSAGE_TOO_LARGE : ERR_NO_MEMORY,
                         "no memory for what a step emits");
    }
    if (o->touched != b->step) {
        o->touched = b->step;
        o->mark = o->count;
    }
    o->records[o->count++] = copy;
    b->bytes += bytes;
    return ERR_OK;
}

void proc_batch_rewind(struct proc_batch *b)
{
    for (struct proc_out *o = b->outs; o != NULL; o = o->next) {
        if (o->touched == b->step) {
            o->count = o->mark;
        }
    }
}

/* ---- Into the log -------------------------------------------------------------------------- */

static enum err log_key(struct proc_batch *b, struct proc_work *w, struct str *out)
{
    *out = proc_log_key(w->key, &b->arena);
    return str_is_null(*out) ? ERR_NO_MEMORY : ERR_OK;
}

/* The records of the changelog: keys that changed, positions last. */
static enum err changelog(struct proc_batch *b, struct engine_part *part)
{
    size_t most = 1, n = 0;
    LIST_FOR_EACH (l, tmp, &b->works) {
        most++;
    }
    struct engine_record *records = arena_new_n(&b->arena, struct engine_record, most);
    struct buf out;
    buf_init(&out, UINT32_MAX);
    enum err e = records == NULL ? ERR_NO_MEMORY : ERR_OK;
    LIST_FOR_EACH (l, tmp, &b->works) {
        struct proc_work *w = CONTAINER_OF(l, struct proc_work, link);
        const bool empty = proc_value_empty(&w->v);
        w->changed = w->changed && !(empty && w->entry->blob == NULL);
        if (!w->changed || e != ERR_OK) {
            continue;
        }
        struct engine_record *r = &records[n++];
        r->timestamp_ms = -1;
        e = log_key(b, w, &r->key);
        if (e == ERR_OK && !empty) {
            buf_clear(&out);
            proc_value_encode(&w->v, b->generation, &out);
            mem_free(w->blob); /* of a submit that failed */
            w->blob = buf_failed(&out) ? NULL : mem_alloc(out.n);
            if (w->blob == NULL) {
                e = ERR_NO_MEMORY;
                break;
            }
            memcpy(w->blob, out.p, out.n);
            w->blob_bytes = out.n;
            r->value = str_make(w->blob, w->blob_bytes);
        }
    }
    buf_clear(&out);
    struct proc_position pos = {
        .paused = b->paused, .generation = b->generation, .count = b->task->input_count};
    for (size_t i = 0; i < pos.count; i++) {
        pos.topics[i] = b->p->topics[i];
        pos.next[i] = b->next[i];
    }
    proc_position_encode(&pos, &out);
    if (e == ERR_OK && PROC_FAULT(no_position) && n > 0) {
        part->count = n;
    } else if (e == ERR_OK) {
        records[n].key = STR_LIT(PROC_POSITION_KEY);
        records[n].timestamp_ms = -1;
        records[n].value = arena_str(&b->arena, buf_str(&out));
        e = buf_failed(&out) || str_is_null(records[n].value) ? ERR_NO_MEMORY : ERR_OK;
        n++;
    }
    buf_deinit(&out);
    *part = (struct engine_part){.topic = b->p->state_topic,
                                 .partition = b->task->partition,
                                 .records = records,
                                 .count = n};
    return e;
}

static void commit(struct proc_task *t, struct proc_batch *b)
{
    struct proc *p = b->p;
    if (b->barrier) {
        t->barrier = b->append.parts[0].base_offset;
        t->phase = PROC_PHASE_RESTORE;
        t->batch = NULL;
        return;
    }
    if (b->cleared) {
        CHECK(list_empty(&b->works));
        proc_entries_clear(t);
    }
    LIST_FOR_EACH (l, tmp, &b->works) {
        struct proc_work *w = CONTAINER_OF(l, struct proc_work, link);
        if (!w->changed) {
            work_leave(t, w);
            continue;
        }
        w->entry->work = NULL;
        proc_entry_set(t, w->entry, w->blob, w->blob_bytes, &w->v);
        w->blob = NULL;
    }
    for (const struct proc_skipped *s = b->skipped; s != NULL; s = s->next) {
        LOG_WARN("processor.skipped", KV_STR("processor", p->spec.name), KV_STR("event", s->what));
    }
    p->commits++;
    p->n.steps += b->n.steps;
    p->n.timers_fired += b->n.timers_fired;
    p->n.outputs += b->n.outputs;
    p->n.skipped += b->n.skipped;
    p->n.parked += b->n.parked;
    p->n.again += b->n.again;
    metric_add(p->m.commits, 1);
    metric_add(p->m.steps, b->n.steps);
    metric_add(p->m.timers, b->n.timers_fired);
    metric_add(p->m.outputs, b->n.outputs);
    metric_add(p->m.skipped, b->n.skipped);
    list_init(&b->works);
    b->task = NULL;
    t->batch = NULL;
    proc_task_committed(t, b);
}

/* The append's records, not the log, are at fault: of a batch of one step, its step is. */
static bool blames_records(enum err e)
{
    return e == ERR_MESSAGE_TOO_LARGE || e == ERR_RECORD_LIST_TOO_LARGE ||
           e == ERR_INVALID_RECORD || e == ERR_INVALID_TIMESTAMP || e == ERR_LIMIT;
}

static void batch_failed(struct proc_task *t, struct proc_batch *b, enum err e,
                         const struct ectx *ec)
{
    const uint64_t steps = b->n.steps;
    if (e == ERR_ABORTED) {
        b->p->aborts++;
        metric_add(b->p->m.aborts, 1);
        return; /* once more, at once */
    }
    if (e == ERR_FENCED) {
        t->fenced = true;
        return;
    }
    if (blames_records(e) && steps > 1) {
        t->single = (uint32_t)steps; /* to find which one */
    } else if (blames_records(e) && steps == 1 && !b->condemned) {
        t->condemned = b->last_event;
        t->condemned_ec = *ec;
        t->condemned_ec.code = e;
    } else {
        proc_task_wait(t, ec, false);
    }
}

static void batch_undo(struct proc_task *t, struct proc_batch *b)
{
    const enum err e = b->append.err;
    if (PROC_FAULT(state_kept)) {
        LIST_FOR_EACH (l, tmp, &b->works) {
            struct proc_work *w = CONTAINER_OF(l, struct proc_work, link);
            if (w->changed) {
                w->entry->work = NULL;
                proc_entry_set(t, w->entry, w->blob, w->blob_bytes, &w->v);
                w->blob = NULL;
                list_remove(&w->link);
            }
        }
    }
    b->append.ec.code = e;
    batch_failed(t, b, e, &b->append.ec);
    if (!PROC_FAULT(abort_kept)) {
        for (size_t i = 0; i < t->input_count; i++) {
            proc_input_rewind(&t->inputs[i], t->inputs[i].next);
        }
    }
    proc_batch_drop(b);
    proc_again_reset(t);
    if (t->fenced) {
        proc_requests_end(t, ERR_FENCED);
    }
}

static void batch_done(struct engine_append *a)
{
    struct proc_batch *b = a->ctx;
    struct proc_task *t = b->task;
    list_remove(&b->link);
    if (t == NULL) {
        batch_free(b);
        return;
    }
    const bool outer = t->running;
    t->running = true; /* whoever is told of it may end the task */
    if (a->err == ERR_OK) {
        commit(t, b);
        batch_free(b);
    } else {
        batch_undo(t, b);
    }
    t->running = outer;
    proc_task_run(t);
}

static void send(struct proc_batch *b)
{
    b->task->batch = b;
    list_push_back(&b->p->batches, &b->link);
    b->append.done = batch_done;
    b->append.ctx = b;
    engine_append(b->p->engine, &b->append);
}

enum err proc_batch_barrier(struct proc_batch *b, struct ectx *ec)
{
    struct engine_part *part = arena_new(&b->arena, struct engine_part);
    struct engine_record *r = arena_new(&b->arena, struct engine_record);
    if (part == NULL || r == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a barrier");
    }
    *r = (struct engine_record){
        .key = STR_LIT(PROC_BARRIER_KEY), .value = STR_LIT(""), .timestamp_ms = -1};
    *part = (struct engine_part){
        .topic = b->p->state_topic, .partition = b->task->partition, .records = r, .count = 1};
    b->append = (struct engine_append){.parts = part, .part_count = 1};
    b->barrier = true;
    send(b);
    return ERR_OK;
}

enum err proc_batch_submit(struct proc_batch *b, struct ectx *ec)
{
    struct proc_task *t = b->task;
    struct engine_append *a = &b->append;
    struct engine_part *parts = arena_new_n(&b->arena, struct engine_part, b->out_count + 1);
    size_t n = 0;
    if (parts == NULL || changelog(b, &parts[n++]) != ERR_OK) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for what a batch of steps did");
    }
    for (const struct proc_out *o = b->outs; o != NULL; o = o->next) {
        if (o->count > 0) {
            parts[n++] = (struct engine_part){.topic = o->topic,
                                              .partition = o->partition,
                                              .records = o->records,
                                              .count = o->count};
        }
    }
    for (size_t i = 0; i < t->input_count; i++) {
        b->inputs[i] = (struct engine_input){b->p->topics[i], t->partition, b->next[i]};
    }
    *a = (struct engine_append){.parts = parts,
                                .part_count = n,
                                .member = b->p->member,
                                .inputs = b->inputs,
                                .input_count = PROC_FAULT(no_inputs) ? 0 : t->input_count};
    send(b);
    return ERR_OK;
}
