/*
 * Events that wait. A record of the parked topic has the key of the state, the event's value and
 * timestamp, its headers, and PROC_PARKED_HEADERS more at the end: where it came from. A tool that
 * reads the topic sees the event as it was, and why it is there.
 */
#include "core/mem.h"
#include "proc/proc_int.h"

#include <stdio.h>
#include <string.h>

enum { TOPIC, PARTITION, OFFSET, KEY, TIMER, ERROR };
static const char *const names[PROC_PARKED_HEADERS] = {
    [TOPIC] = "leat-parked-topic",   [PARTITION] = "leat-parked-partition",
    [OFFSET] = "leat-parked-offset", [KEY] = "leat-parked-key",
    [TIMER] = "leat-parked-timer",   [ERROR] = "leat-parked-error"};

static struct record_header *headers_of(struct proc_batch *b, const struct proc_event *ev,
                                        struct str error, size_t *count)
{
    const size_t theirs = ev->header_count > 0 ? (size_t)ev->header_count : 0;
    struct record_header *h = proc_batch_alloc(b, (theirs + PROC_PARKED_HEADERS) * sizeof(*h) + 64);
    if (h == NULL) {
        return NULL;
    }
    struct slice s = ev->headers;
    size_t n = 0;
    while (n < theirs && record_header_next(&s, &h[n])) {
        n++;
    }
    char *text = (char *)&h[theirs + PROC_PARKED_HEADERS];
    const int a = snprintf(text, 32, "%d", (int)ev->partition);
    const int c = snprintf(text + 32, 32, "%lld", (long long)ev->offset);
    const bool timer = ev->kind == PROC_TIMER;
    const struct str values[PROC_PARKED_HEADERS] = {
        [TOPIC] = timer ? STR_NULL : ev->topic,    [PARTITION] = str_make(text, (size_t)a),
        [OFFSET] = str_make(text + 32, (size_t)c), [KEY] = timer ? STR_NULL : ev->record_key,
        [TIMER] = timer ? ev->timer : STR_NULL,    [ERROR] = error};
    for (size_t i = 0; i < PROC_PARKED_HEADERS; i++) {
        h[n++] = (struct record_header){str_of(names[i]), values[i]};
    }
    *count = n;
    return h;
}

enum proc_step_result proc_park(struct proc_batch *b, struct proc_work *w,
                                const struct proc_event *ev, struct ectx *ec)
{
    const struct proc *p = b->p;
    const uint64_t most = w->v.fate == PROC_STOPPED ? p->spec.waiting_max : p->spec.parked_max;
    if (w->v.parked_count >= most) {
        (void)ectx_fail(ec, ERR_LIMIT, "%llu events of key '%.*s' wait already",
                        (unsigned long long)most, (int)(w->key.n < 64 ? w->key.n : 64), w->key.p);
        ectx_hint(ec, "resume or discard the key; it failed with %.*s", STR(w->v.error));
        return PROC_STEP_BLOCKED;
    }
    size_t count = 0;
    const struct str error = w->v.parked_count == 0 ? w->v.error : STR_NULL;
    const struct record_header *headers = headers_of(b, ev, error, &count);
    const struct engine_record r = {.key = w->key,
                                    .value = ev->value,
                                    .headers = headers,
                                    .header_count = count,
                                    .timestamp_ms = ev->timestamp_ms};
    enum err e = headers == NULL ? ERR_NO_MEMORY
                                 : proc_batch_emit(b, p->parked_topic, b->task->partition, &r, ec);
    if (e != ERR_OK) {
        ec->code = e;
        return b->full && b->n.steps > 0 ? PROC_STEP_FULL : PROC_STEP_WAIT;
    }
    w->v.parked_count++;
    w->changed = true;
    b->n.parked++;
    return PROC_STEP_DONE;
}

enum err proc_unpark(const struct record *r, struct proc_event *ev, struct ectx *ec)
{
    struct slice s = r->headers;
    struct record_header h[PROC_PARKED_HEADERS];
    const int32_t theirs = r->header_count - (int32_t)PROC_PARKED_HEADERS;
    bool good = theirs >= 0;
    for (int32_t i = 0; i < theirs && good; i++) {
        good = record_header_next(&s, &h[0]);
    }
    const uint8_t *end = s.p;
    for (size_t i = 0; i < PROC_PARKED_HEADERS && good; i++) {
        good = record_header_next(&s, &h[i]) && str_eq_z(h[i].key, names[i]);
    }
    int64_t partition = 0, offset = 0;
    good =
        good && str_to_i64(h[PARTITION].value, &partition) && str_to_i64(h[OFFSET].value, &offset);
    if (!good) {
        return ectx_fail(ec, ERR_DAMAGED, "the record at offset %lld is no parked event",
                         (long long)r->offset);
    }
    const bool timer = str_is_null(h[TOPIC].value);
    *ev = (struct proc_event){
        .kind = timer ? PROC_TIMER : PROC_RECORD,
        .key = r->key,
        .timestamp_ms = r->timestamp,
        .topic = h[TOPIC].value,
        .partition = (int32_t)partition,
        .offset = offset,
        .parked_offset = r->offset,
        .record_key = h[KEY].value,
        .value = r->value,
        .header_count = theirs,
        .headers = slice_of(r->headers.p, (size_t)(end - r->headers.p)),
        .again = true,
        .timer = timer ? h[TIMER].value : STR_NULL,
    };
    return ERR_OK;
}
