/* What the steps of a task did since the last commit: keys, outputs, memory. */
#include "core/check.h"
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

bool proc_batch_more(const struct proc_batch *b)
{
    const size_t most = engine_append_max_bytes(b->p->engine) / 4;
    return b->n.steps < b->steps_max &&
           b->bytes < (most < PROC_BATCH_BYTES ? most : PROC_BATCH_BYTES);
}

void proc_batch_free(struct proc_batch *b)
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
void proc_work_leave(struct proc_task *t, struct proc_work *w)
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
            proc_work_leave(b->task, CONTAINER_OF(l, struct proc_work, link));
        }
        if (b->task->batch == b) {
            b->task->batch = NULL;
        }
    }
    proc_batch_free(b);
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
