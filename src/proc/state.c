/*
 * The keys of a task: what is committed. An entry holds the bytes of its changelog record; it is
 * read when a step needs it. Entries with timers are in a heap by the time of the first one.
 */
#include "core/check.h"
#include "core/mem.h"
#include "proc/proc_int.h"

#include <string.h>

/* What an entry costs beside its key and value: the struct, the allocation, its slot in the map
 * (twice: it doubles). */
enum { ENTRY_BYTES = sizeof(struct proc_entry) + 96 };

struct proc_entry *proc_entry_get(const struct proc_task *t, struct str key)
{
    return map_get(&t->entries, key);
}

struct proc_entry *proc_entry_make(struct proc_task *t, struct str key)
{
    struct proc_entry *en = mem_zalloc(1, sizeof(*en) + key.n + 1);
    if (en == NULL) {
        return NULL;
    }
    if (key.n > 0) {
        memcpy(en + 1, key.p, key.n);
    }
    en->key = str_make(en + 1, key.n);
    en->due = UINT64_MAX;
    heap_node_init(&en->node);
    list_init(&en->resuming);
    if (!map_put(&t->entries, en->key, en)) {
        mem_free(en);
        return NULL;
    }
    return en;
}

/* The sums of the task without this entry. */
static void uncount(struct proc_task *t, const struct proc_entry *en)
{
    if (en->blob == NULL) {
        return;
    }
    const uint64_t bytes = ENTRY_BYTES + en->key.n * 2 + en->blob_bytes;
    t->key_count--;
    t->state_bytes -= bytes;
    t->p->state_bytes -= bytes;
    t->timer_count -= en->timer_count;
    t->parked_keys -= en->fate != PROC_LIVE;
    t->parked_events -= en->parked_count;
}

void proc_entry_free(struct proc_task *t, struct proc_entry *en)
{
    CHECK(en->work == NULL);
    uncount(t, en);
    if (t->again_entry == en) {
        t->again_entry = NULL;
        proc_input_release(&t->aux);
    }
    heap_remove(&t->timers, &en->node);
    list_remove(&en->resuming);
    (void)map_remove(&t->entries, en->key);
    mem_free(en->blob);
    mem_free(en);
}

void proc_entry_set(struct proc_task *t, struct proc_entry *en, uint8_t *blob, size_t bytes,
                    const struct proc_value *v)
{
    if (blob == NULL) {
        proc_entry_free(t, en);
        return;
    }
    uncount(t, en);
    mem_free(en->blob);
    en->blob = blob;
    en->blob_bytes = bytes;
    en->timer_count = (uint32_t)v->timer_count;
    en->fate = v->fate;
    en->parked_from = v->parked_from;
    en->parked_count = v->fate == PROC_LIVE ? 0 : v->parked_count;
    const uint64_t all = ENTRY_BYTES + en->key.n * 2 + bytes;
    t->key_count++;
    t->state_bytes += all;
    t->p->state_bytes += all;
    t->timer_count += en->timer_count;
    t->parked_keys += en->fate != PROC_LIVE;
    t->parked_events += en->parked_count;
    const int64_t due = proc_value_due(v);
    en->due = due == INT64_MAX ? UINT64_MAX : due < 0 ? 0 : (uint64_t)due;
    if (en->due == UINT64_MAX) {
        heap_remove(&t->timers, &en->node);
    } else {
        CHECK(en->node.index != HEAP_NONE); /* whoever set the timer saw to it */
        heap_update(&t->timers, &en->node, en->due);
    }
    if (en->fate != PROC_LIVE && v->resuming) {
        if (list_empty(&en->resuming)) {
            list_push_back(&t->resuming, &en->resuming);
        }
    } else {
        list_remove(&en->resuming);
        if (t->again_entry == en) {
            t->again_entry = NULL;
            proc_input_release(&t->aux);
        }
    }
}

void proc_entries_clear(struct proc_task *t)
{
    struct map_iter it = {0};
    while (map_next(&t->entries, &it)) {
        proc_entry_free(t, it.value);
    }
}
