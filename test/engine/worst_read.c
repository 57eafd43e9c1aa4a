/* Reads, seeks and new topics: what is asked and answered some time later. */
#include "worst_int.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "record/record.h"

struct call {
    struct worst_event ev;
    struct list link; /* of the engine's; in none: done, and held until it is released */
    struct worst_engine *engine;
    struct engine_read *read;
    struct engine_seek *seek;
    struct engine_ensure *ensure;
    uint64_t deadline_ns;
    uint8_t **copies;
    size_t copy_count;
};

static struct call *call_new(struct worst_engine *e)
{
    struct call *c = worst_alloc(sizeof(*c));
    c->engine = e;
    list_push_back(&e->calls, &c->link);
    return c;
}

static void call_free(struct call *c)
{
    worst_forget(&c->ev);
    list_remove(&c->link);
    for (size_t i = 0; i < c->copy_count; i++) {
        free(c->copies[i]);
    }
    free(c->copies);
    free(c);
}

void worst_calls_forget(struct worst_engine *e)
{
    LIST_FOR_EACH (l, tmp, &e->calls) {
        struct call *c = CONTAINER_OF(l, struct call, link);
        if (c->read != NULL) {
            c->read->internal = NULL;
        }
        call_free(c);
    }
}

enum err worst_bounds(struct engine *base, struct str topic, int32_t partition, int64_t *start,
                      int64_t *end)
{
    struct worst_topic *t = worst_topic(worst_of(base)->log, topic);
    if (t == NULL || partition < 0 || partition >= t->count) {
        return ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    *start = t->parts[partition].start;
    *end = worst_stable(&t->parts[partition]);
    return ERR_OK;
}

/* ---- Reads --------------------------------------------------------------------------------- */

static bool wanted(const struct worst_entry *en, int64_t offset, int64_t stable)
{
    return en->fate == WORST_COMMITTED && en->base_offset + en->count > offset &&
           en->base_offset < stable;
}

static enum err fill(struct call *c, const struct worst_partition *p, bool little)
{
    struct engine_read *r = c->read;
    const int64_t stable = worst_stable(p);
    size_t most = 0, bytes = 0;
    LIST_FOR_EACH (l, tmp, &p->entries) {
        most += wanted(CONTAINER_OF(l, struct worst_entry, link), r->offset, stable);
    }
    most = little && most > 1 ? 1 : most;
    r->batches = arena_new_n(r->arena, struct engine_batch, most + 1);
    if (r->batches == NULL) {
        return ectx_fail(&r->ec, ERR_NO_MEMORY, "out of memory");
    }
    c->copies = worst_alloc((most + 1) * sizeof(*c->copies));
    r->next_offset = stable;
    LIST_FOR_EACH (l, tmp, &p->entries) {
        const struct worst_entry *en = CONTAINER_OF(l, struct worst_entry, link);
        if (!wanted(en, r->offset, stable)) {
            continue;
        }
        if (r->batch_count == most || (r->batch_count > 0 && bytes + en->size > r->max_bytes)) {
            r->next_offset = en->base_offset;
            break;
        }
        uint8_t *copy = worst_alloc(en->size);
        memcpy(copy, en->bytes, en->size);
        c->copies[c->copy_count++] = copy;
        r->batches[r->batch_count++] = (struct engine_batch){str_make(copy, en->size), 0};
        bytes += en->size;
    }
    return ERR_OK;
}

static void read_end(struct call *c, enum err e)
{
    struct engine_read *r = c->read;
    list_remove(&c->link);
    worst_forget(&c->ev);
    r->err = e;
    if (e == ERR_OK) {
        c->engine->batches_held++;
    } else {
        r->internal = NULL;
        r->batch_count = 0;
        call_free(c);
    }
    r->done(r);
}

static void read_look(struct worst_event *ev);

static bool read_now(struct call *c)
{
    struct engine_read *r = c->read;
    struct worst_log *log = c->engine->log;
    const struct worst_topic *t = worst_topic(log, r->topic);
    if (t == NULL || r->partition < 0 || r->partition >= t->count) {
        read_end(c, ectx_fail(&r->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "no partition %d of '%.*s'",
                              (int)r->partition, STR(r->topic)));
        return true;
    }
    const struct worst_partition *p = &t->parts[r->partition];
    r->start_offset = p->start;
    r->end_offset = worst_stable(p);
    r->batch_count = 0;
    if (r->offset < p->start || r->offset > p->end) {
        read_end(c, ectx_fail(&r->ec, ERR_OFFSET_OUT_OF_RANGE, "%lld is not in %lld to %lld",
                              (long long)r->offset, (long long)p->start, (long long)p->end));
        return true;
    }
    if (worst_chance(log, log->cfg.fail_in)) {
        log->stats.failed++;
        read_end(c, ectx_fail(&r->ec, ERR_IO, "the connection was lost"));
        return true;
    }
    if (worst_stable(p) > r->offset) {
        const bool empty = worst_chance(log, log->cfg.empty_in);
        const bool little = worst_chance(log, log->cfg.little_in);
        log->stats.empty += empty;
        log->stats.little += !empty && little;
        enum err e = ERR_OK;
        r->next_offset = r->offset;
        if (!empty) {
            e = fill(c, p, little);
        }
        read_end(c, e);
        return true;
    }
    if (env_mono_ns(log->env) >= c->deadline_ns) {
        r->next_offset = r->offset;
        read_end(c, ERR_OK);
        return true;
    }
    return false;
}

static void read_look(struct worst_event *ev)
{
    struct call *c = CONTAINER_OF(ev, struct call, ev);
    struct worst_log *log = c->engine->log;
    if (!read_now(c)) {
        worst_plan(log, &c->ev, c->deadline_ns - env_mono_ns(log->env), read_look);
    }
}

void worst_wake_readers(struct worst_log *log)
{
    LIST_FOR_EACH (l, tmp, &log->engines) {
        struct worst_engine *e = CONTAINER_OF(l, struct worst_engine, link);
        LIST_FOR_EACH (k, next, &e->calls) {
            struct call *c = CONTAINER_OF(k, struct call, link);
            const uint64_t now = env_mono_ns(log->env);
            if (c->read != NULL && c->ev.at_ns > now + log->cfg.delay_ns) {
                worst_plan(log, &c->ev, worst_delay(log), read_look);
            }
        }
    }
}

void worst_read(struct engine *base, struct engine_read *r)
{
    struct worst_engine *e = worst_of(base);
    struct worst_log *log = e->log;
    r->internal = NULL;
    if (e->dead) {
        return;
    }
    log->stats.reads++;
    worst_maybe_rebalance(log);
    struct call *c = call_new(e);
    c->read = r;
    c->deadline_ns =
        r->wait_ns > UINT64_MAX / 2 ? UINT64_MAX / 2 : env_mono_ns(log->env) + r->wait_ns;
    r->internal = c;
    if (worst_chance(log, log->cfg.within_in) && read_now(c)) {
        return; /* within the call */
    }
    worst_plan(log, &c->ev, worst_delay(log), read_look);
}

void worst_read_cancel(struct engine *base, struct engine_read *r)
{
    struct call *c = r->internal;
    if (c == NULL) {
        return;
    }
    if (list_empty(&c->link)) { /* done and not released */
        worst_read_release(base, r);
        return;
    }
    r->internal = NULL;
    call_free(c);
}

void worst_read_release(struct engine *base, struct engine_read *r)
{
    struct call *c = r->internal;
    CHECK(c != NULL && list_empty(&c->link));
    worst_of(base)->batches_held--;
    r->internal = NULL;
    call_free(c);
}

/* ---- Seeks --------------------------------------------------------------------------------- */

static int64_t find_time(const struct worst_partition *p, int64_t timestamp_ms)
{
    const int64_t stable = worst_stable(p);
    LIST_FOR_EACH (l, tmp, &p->entries) {
        const struct worst_entry *en = CONTAINER_OF(l, struct worst_entry, link);
        struct batch_header h;
        struct record_place at;
        if (!wanted(en, p->start, stable)) {
            continue;
        }
        CHECK(batch_header_parse(en->bytes, en->size, &h, NULL) == ERR_OK);
        CHECK(record_find_timestamp(&h, en->bytes, timestamp_ms, p->start, NULL, &at, NULL) ==
              ERR_OK);
        if (at.offset >= 0) {
            return at.offset;
        }
    }
    return stable;
}

static void seek_done(struct worst_event *ev)
{
    struct call *c = CONTAINER_OF(ev, struct call, ev);
    struct engine_seek *s = c->seek;
    const struct worst_topic *t = worst_topic(c->engine->log, s->topic);
    call_free(c);
    s->err = ERR_OK;
    if (t == NULL || s->partition < 0 || s->partition >= t->count) {
        s->err = ectx_fail(&s->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "no partition %d of '%.*s'",
                           (int)s->partition, STR(s->topic));
    } else if (s->by == ENGINE_SEEK_POSITION) {
        s->err = ectx_fail(&s->ec, ERR_UNSUPPORTED_VERSION, "there are no commit positions");
    } else {
        s->offset = find_time(&t->parts[s->partition], s->timestamp_ms);
    }
    s->done(s);
}

void worst_seek(struct engine *base, struct engine_seek *s)
{
    struct worst_engine *e = worst_of(base);
    if (!e->dead) {
        struct call *c = call_new(e);
        c->seek = s;
        worst_plan(e->log, &c->ev, worst_delay(e->log), seek_done);
    }
}

/* ---- New topics ---------------------------------------------------------------------------- */

static void ensure_done(struct worst_event *ev)
{
    struct call *c = CONTAINER_OF(ev, struct call, ev);
    struct engine_ensure *t = c->ensure;
    struct worst_log *log = c->engine->log;
    call_free(c);
    t->err = ERR_OK;
    t->created = worst_topic(log, t->name) == NULL;
    if (t->created) {
        char *name = str_dup_z(t->name);
        if (name == NULL) {
            t->created = false;
            t->err = ectx_fail(&t->ec, ERR_NO_MEMORY, "out of memory");
        } else {
            worst_topic_make(log, name, t->partitions == -1 ? 1 : t->partitions);
        }
        mem_free(name);
    }
    t->done(t);
}

void worst_ensure(struct engine *base, struct engine_ensure *t)
{
    struct worst_engine *e = worst_of(base);
    if (!e->dead) {
        struct call *c = call_new(e);
        c->ensure = t;
        worst_plan(e->log, &c->ev, worst_delay(e->log), ensure_done);
    }
}
