/*
 * What the changelog's records hold. A key's value says everything of that key, so that a record
 * replaces the one before it whole:
 *
 *   u8 format (1)  u8 flags (1 has state, 2 stopped, 4 parked, 8 resuming)  uvarint generation
 *   uvarint timers { varint due_ms  lstr name }
 *   if stopped or parked: varint parked_from  uvarint parked_count  lstr error
 *   the state, to the end
 *
 * null: there is nothing of the key. The record of the positions (PROC_POSITION_KEY):
 *
 *   u8 format (1)  u8 flags (1 paused)  uvarint generation  uvarint inputs { lstr topic  varint
 * next }
 *
 * Values of an older generation than the position's do not count: that is how a reset drops all
 * state at once. A record with PROC_BARRIER_KEY says nothing. Keys are stored as they are; one that
 * begins with a zero byte gets another before it, so that none is one of ours.
 */
#include "core/mem.h"
#include "core/slice.h"
#include "proc/proc_int.h"

#include <string.h>

enum { FORMAT = 1, HAS_STATE = 1, STOPPED = 2, PARKED = 4, RESUMING = 8, PAUSED = 1 };

static enum err bad(struct ectx *ec)
{
    return ectx_fail(ec, ERR_DAMAGED, "a record of the changelog is malformed");
}

static enum err head(struct slice *s, uint8_t *flags, uint64_t *generation, struct ectx *ec)
{
    uint8_t format;
    if (!slice_u8(s, &format) || !slice_u8(s, flags)) {
        return bad(ec);
    }
    if (format != FORMAT) {
        return ectx_fail(ec, ERR_VERSION, "a record of the changelog has format %u; this knows %d",
                         (unsigned)format, FORMAT);
    }
    return slice_uvarint64(s, generation) ? ERR_OK : bad(ec);
}

enum err proc_value_decode(struct str bytes, struct arena *a, struct proc_value *out,
                           uint64_t *generation, struct ectx *ec)
{
    struct slice s = slice_of(bytes.p, bytes.n);
    uint8_t flags;
    uint32_t count;
    enum err e = head(&s, &flags, generation, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (!slice_uvarint32(&s, &count) || count > PROC_TIMERS_MAX) {
        return bad(ec);
    }
    struct proc_timer *timers = count == 0 ? NULL : arena_new_n(a, struct proc_timer, count);
    if (count > 0 && timers == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!slice_varint64(&s, &timers[i].due_ms) || !slice_lstr(&s, &timers[i].name)) {
            return bad(ec);
        }
    }
    *out = (struct proc_value){.timers = timers, .timer_count = count};
    if ((flags & (STOPPED | PARKED)) != 0) {
        out->fate = (flags & STOPPED) != 0 ? PROC_STOPPED : PROC_PARKED;
        out->resuming = (flags & RESUMING) != 0;
        if (!slice_varint64(&s, &out->parked_from) || !slice_uvarint64(&s, &out->parked_count) ||
            !slice_lstr(&s, &out->error)) {
            return bad(ec);
        }
    }
    if ((flags & HAS_STATE) != 0) {
        out->state = str_make(s.p, slice_left(&s));
    } else if (slice_left(&s) != 0) {
        return bad(ec);
    }
    return ERR_OK;
}

void proc_value_encode(const struct proc_value *v, uint64_t generation, struct buf *out)
{
    const unsigned fate = v->fate == PROC_STOPPED ? STOPPED : v->fate == PROC_PARKED ? PARKED : 0;
    buf_put_u8(out, FORMAT);
    buf_put_u8(out, (uint8_t)((str_is_null(v->state) ? 0u : (unsigned)HAS_STATE) | fate |
                              (v->resuming ? (unsigned)RESUMING : 0u)));
    buf_put_uvarint(out, generation);
    buf_put_uvarint(out, v->timer_count);
    for (size_t i = 0; i < v->timer_count; i++) {
        buf_put_varint(out, v->timers[i].due_ms);
        buf_put_lstr(out, v->timers[i].name);
    }
    if (fate != 0) {
        buf_put_varint(out, v->parked_from);
        buf_put_uvarint(out, v->parked_count);
        buf_put_lstr(out, v->error);
    }
    buf_put_str(out, v->state);
}

bool proc_value_empty(const struct proc_value *v)
{
    return str_is_null(v->state) && v->timer_count == 0 && v->fate == PROC_LIVE;
}

int64_t proc_value_due(const struct proc_value *v)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < v->timer_count; i++) {
        due = v->timers[i].due_ms < due ? v->timers[i].due_ms : due;
    }
    return due;
}

size_t proc_value_size(const struct proc_value *v)
{
    size_t n = 16 + v->state.n + v->error.n;
    for (size_t i = 0; i < v->timer_count; i++) {
        n += 14 + v->timers[i].name.n;
    }
    return n;
}

enum err proc_position_decode(struct str bytes, struct proc_position *out, struct ectx *ec)
{
    struct slice s = slice_of(bytes.p, bytes.n);
    uint8_t flags;
    uint32_t count;
    struct proc_position p = {0};
    enum err e = head(&s, &flags, &p.generation, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (!slice_uvarint32(&s, &count) || count > PROC_TOPICS_MAX) {
        return bad(ec);
    }
    p.paused = (flags & PAUSED) != 0;
    p.count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (!slice_lstr(&s, &p.topics[i]) || !slice_varint64(&s, &p.next[i])) {
            return bad(ec);
        }
    }
    if (slice_left(&s) != 0) {
        return bad(ec);
    }
    *out = p;
    return ERR_OK;
}

void proc_position_encode(const struct proc_position *p, struct buf *out)
{
    buf_put_u8(out, FORMAT);
    buf_put_u8(out, p->paused ? PAUSED : 0);
    buf_put_uvarint(out, p->generation);
    buf_put_uvarint(out, p->count);
    for (size_t i = 0; i < p->count; i++) {
        buf_put_lstr(out, p->topics[i]);
        buf_put_varint(out, p->next[i]);
    }
}

struct str proc_log_key(struct str key, struct arena *a)
{
    if (key.n == 0 || key.p[0] != '\0') {
        return key.p == NULL ? STR_LIT("") : key;
    }
    char *p = arena_alloc(a, key.n + 1);
    if (p == NULL) {
        return STR_NULL;
    }
    memcpy(p + 1, key.p, key.n); /* the arena is zeroed */
    return str_make(p, key.n + 1);
}

struct str proc_state_key(struct str log_key)
{
    if (str_eq(log_key, STR_LIT(PROC_POSITION_KEY)) || str_eq(log_key, STR_LIT(PROC_BARRIER_KEY))) {
        return STR_NULL;
    }
    return log_key.n > 0 && log_key.p[0] == '\0' ? str_make(log_key.p + 1, log_key.n - 1) : log_key;
}
