/* See worst.h: the log, its topics, what happens when. */
#include "worst_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "record/batch.h"
#include "record/record.h"

void worst_config_bad(struct worst_config *cfg, uint64_t seed)
{
    *cfg = (struct worst_config){
        .seed = seed,
        .delay_ns = 20000000,
        .late_ns = 2000000000,
        .abort_in = 6,
        .again_in = 15,
        .late_in = 10,
        .rebalance_in = 150,
        .zombie_in = 2,
        .little_in = 3,
        .empty_in = 6,
        .fail_in = 60,
        .within_in = 4,
        .gaps = true,
        .lag = true,
        .append_max_bytes = 4 << 20,
        .record_max_bytes = 1 << 20,
    };
}

void worst_config_good(struct worst_config *cfg, uint64_t seed)
{
    *cfg = (struct worst_config){
        .seed = seed, .delay_ns = 100000, .append_max_bytes = 4 << 20, .record_max_bytes = 1 << 20};
}

void *worst_alloc(size_t size)
{
    void *p = calloc(1, size);
    CHECK(p != NULL);
    return p;
}

/* ---- Chance and time ----------------------------------------------------------------------- */

uint64_t worst_random(struct worst_log *log, uint64_t below)
{
    uint64_t x = log->rng += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return below == 0 ? 0 : (x ^ (x >> 31)) % below;
}

bool worst_chance(struct worst_log *log, unsigned one_in)
{
    return one_in != 0 && worst_random(log, one_in) == 0;
}

uint64_t worst_delay(struct worst_log *log)
{
    return worst_random(log, log->cfg.delay_ns + 1);
}

void worst_plan(struct worst_log *log, struct worst_event *ev, uint64_t in_ns,
                void (*fn)(struct worst_event *ev))
{
    worst_forget(ev);
    ev->fn = fn;
    ev->at_ns = env_mono_ns(log->env) + in_ns;
    struct list *at = log->events.next; /* behind those of the same time */
    while (at != &log->events && CONTAINER_OF(at, struct worst_event, link)->at_ns <= ev->at_ns) {
        at = at->next;
    }
    list_insert_before(at, &ev->link);
}

void worst_forget(struct worst_event *ev)
{
    if (ev->link.next == NULL) {
        list_init(&ev->link);
    }
    list_remove(&ev->link);
}

bool worst_step(struct worst_log *log, uint64_t until_ns)
{
    const uint64_t now = env_mono_ns(log->env);
    struct worst_event *ev =
        list_empty(&log->events) ? NULL : CONTAINER_OF(log->events.next, struct worst_event, link);
    const uint64_t to = ev == NULL || ev->at_ns > until_ns ? until_ns : ev->at_ns;
    if (to > now) {
        env_sim_advance_ns(log->env, to - now);
    }
    if (ev == NULL || ev->at_ns > until_ns) {
        return false;
    }
    worst_forget(ev);
    ev->fn(ev);
    return true;
}

/* ---- Topics -------------------------------------------------------------------------------- */

struct worst_topic *worst_topic(struct worst_log *log, struct str name)
{
    for (size_t i = 0; i < log->topic_count; i++) {
        if (str_eq_z(name, log->topics[i]->name)) {
            return log->topics[i];
        }
    }
    return NULL;
}

static void topic_told(struct worst_log *log, const struct worst_topic *t)
{
    LIST_FOR_EACH (l, tmp, &log->engines) {
        struct worst_engine *e = CONTAINER_OF(l, struct worst_engine, link);
        if (e->dead) {
            continue;
        }
        LIST_FOR_EACH (w, next, &e->watches) {
            struct engine_topic_watch *watch = CONTAINER_OF(w, struct engine_topic_watch, link);
            watch->changed(watch, str_of(t->name), false);
        }
    }
}

static void parts_init(struct worst_topic *t, int32_t count)
{
    CHECK(count > 0 && count <= WORST_PARTITIONS);
    for (; t->count < count; t->count++) {
        list_init(&t->parts[t->count].entries);
    }
}

void worst_topic_make(struct worst_log *log, const char *name, int32_t partitions)
{
    CHECK(log->topic_count < WORST_TOPICS && worst_topic(log, str_of(name)) == NULL);
    struct worst_topic *t = worst_alloc(sizeof(*t));
    (void)snprintf(t->name, sizeof(t->name), "%s", name);
    t->id.b[0] = (uint8_t)(log->topic_count + 1);
    parts_init(t, partitions);
    log->topics[log->topic_count++] = t;
    topic_told(log, t);
}

void worst_topic_grow(struct worst_log *log, const char *name, int32_t partitions)
{
    struct worst_topic *t = worst_topic(log, str_of(name));
    CHECK(t != NULL);
    parts_init(t, partitions);
    topic_told(log, t);
    worst_rebalance(log);
}

static bool topic_get(struct engine *base, struct str name, struct engine_topic *out)
{
    const struct worst_topic *t = worst_topic(worst_of(base)->log, name);
    if (t == NULL || worst_of(base)->dead) {
        return false;
    }
    *out = (struct engine_topic){str_of(t->name), t->id, t->count};
    return true;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct engine_topic *)a)->name, ((const struct engine_topic *)b)->name);
}

static struct engine_topic *topics(struct engine *base, struct str prefix, struct arena *a,
                                   size_t *count)
{
    struct worst_log *log = worst_of(base)->log;
    struct engine_topic *out = arena_new_n(a, struct engine_topic, log->topic_count + 1);
    *count = 0;
    for (size_t i = 0; out != NULL && i < log->topic_count; i++) {
        const struct worst_topic *t = log->topics[i];
        if (strlen(t->name) >= prefix.n && memcmp(t->name, prefix.p, prefix.n) == 0) {
            out[(*count)++] = (struct engine_topic){str_of(t->name), t->id, t->count};
        }
    }
    if (out != NULL) {
        qsort(out, *count, sizeof(*out), by_name);
    }
    return out;
}

static void topic_watch(struct engine *base, struct engine_topic_watch *w)
{
    list_push_back(&worst_of(base)->watches, &w->link);
}

static void topic_unwatch(struct engine *base, struct engine_topic_watch *w)
{
    (void)base;
    list_remove(&w->link);
}

static struct worst_partition *partition_of(struct worst_log *log, const char *topic,
                                            int32_t partition)
{
    struct worst_topic *t = worst_topic(log, str_of(topic));
    CHECK(t != NULL && partition >= 0 && partition < t->count);
    return &t->parts[partition];
}

int64_t worst_produce(struct worst_log *log, const char *topic, int32_t partition, struct str key,
                      struct str value, int64_t timestamp_ms)
{
    const struct engine_record r = {.key = key, .value = value, .timestamp_ms = timestamp_ms};
    return worst_produce_record(log, topic, partition, &r);
}

int64_t worst_produce_record(struct worst_log *log, const char *topic, int32_t partition,
                             const struct engine_record *r)
{
    struct worst_partition *p = partition_of(log, topic, partition);
    struct worst_entry *en = worst_alloc(sizeof(*en));
    en->fate = WORST_COMMITTED;
    en->count = 1;
    en->bytes = worst_build(r, 1, env_wall_ms(log->env), &en->size);
    CHECK(en->bytes != NULL);
    worst_entry_add(p, en);
    worst_wake_readers(log);
    return en->base_offset;
}

void worst_mark(struct worst_log *log, const char *topic, int32_t partition, int64_t offset,
                uint8_t attributes)
{
    const struct worst_partition *p = partition_of(log, topic, partition);
    LIST_FOR_EACH (l, tmp, &p->entries) {
        struct worst_entry *en = CONTAINER_OF(l, struct worst_entry, link);
        if (en->base_offset == offset) {
            uint8_t *at = en->bytes + BATCH_HEADER_SIZE;
            struct batch_header h;
            while ((*at & 0x80) != 0) {
                at++;
            }
            at[1] = attributes; /* behind its length */
            CHECK(batch_header_parse(en->bytes, en->size, &h, NULL) == ERR_OK);
            put_be32(en->bytes + BATCH_AT_CRC, batch_crc(en->bytes, &h));
            return;
        }
    }
    CHECK(false);
}

void worst_gap(struct worst_log *log, const char *topic, int32_t partition, int32_t n)
{
    partition_of(log, topic, partition)->end += n;
    log->stats.gaps++;
    worst_wake_readers(log);
}

void worst_trim(struct worst_log *log, const char *topic, int32_t partition, int64_t start)
{
    struct worst_partition *p = partition_of(log, topic, partition);
    CHECK(start <= worst_stable(p));
    p->start = start > p->start ? start : p->start;
}

size_t worst_each(struct worst_log *log, const char *topic, int32_t partition,
                  void (*fn)(void *ctx, const struct record *r), void *ctx)
{
    const struct worst_partition *p = partition_of(log, topic, partition);
    const int64_t stable = worst_stable(p);
    size_t n = 0;
    LIST_FOR_EACH (l, tmp, &p->entries) {
        const struct worst_entry *en = CONTAINER_OF(l, struct worst_entry, link);
        if (en->base_offset >= stable || en->fate != WORST_COMMITTED) {
            continue;
        }
        struct batch_header h;
        struct record_iter it;
        struct record r;
        CHECK(batch_header_parse(en->bytes, en->size, &h, NULL) == ERR_OK);
        CHECK(record_iter_init(&it, &h, en->bytes, NULL, SIZE_MAX, NULL) == ERR_OK);
        while (record_next(&it, &r)) {
            fn(ctx, &r);
            n++;
        }
    }
    return n;
}

/* ---- Life ---------------------------------------------------------------------------------- */

/* `base` is the first member. */
static size_t append_max_bytes(const struct engine *base)
{
    return ((const struct worst_engine *)(const void *)base)->log->cfg.append_max_bytes;
}

void worst_kill(struct engine *base)
{
    struct worst_engine *e = worst_of(base);
    if (!e->dead) {
        e->dead = true;
        worst_calls_forget(e);
        worst_txns_forget(e);
        worst_members_forget(e);
    }
}

static void destroy(struct engine *base)
{
    struct worst_engine *e = worst_of(base);
    const bool was_dead = e->dead;
    worst_kill(base);
    CHECK(was_dead || e->batches_held == 0); /* everything was released */
    list_remove(&e->link);
    free(e);
}

static const struct engine_ops ops = {
    .topic_get = topic_get,
    .topics = topics,
    .topic_ensure = worst_ensure,
    .topic_watch = topic_watch,
    .topic_unwatch = topic_unwatch,
    .bounds = worst_bounds,
    .append = worst_append,
    .append_max_bytes = append_max_bytes,
    .read = worst_read,
    .read_cancel = worst_read_cancel,
    .read_release = worst_read_release,
    .seek = worst_seek,
    .join = worst_join,
    .leave = worst_leave,
    .group_forget = worst_group_forget,
    .destroy = destroy,
};

struct engine *worst_engine_create(struct worst_log *log, struct env_poll *poll)
{
    struct worst_engine *e = worst_alloc(sizeof(*e));
    e->base = (struct engine){&ops, "worst", 0, log->env, poll};
    e->log = log;
    list_init(&e->calls);
    list_init(&e->watches);
    list_push_back(&log->engines, &e->link);
    return &e->base;
}

struct worst_log *worst_log_create(struct env *env, const struct worst_config *cfg)
{
    struct worst_log *log = worst_alloc(sizeof(*log));
    log->env = env;
    log->cfg = *cfg;
    log->rng = cfg->seed;
    list_init(&log->events);
    list_init(&log->engines);
    list_init(&log->txns);
    return log;
}

void worst_log_set(struct worst_log *log, const struct worst_config *cfg)
{
    log->cfg = *cfg;
}

const struct worst_stats *worst_log_stats(const struct worst_log *log)
{
    return &log->stats;
}

void worst_log_destroy(struct worst_log *log)
{
    if (log == NULL) {
        return;
    }
    CHECK(list_empty(&log->engines));
    worst_txns_free(log);
    for (size_t i = 0; i < log->topic_count; i++) {
        for (int32_t k = 0; k < log->topics[i]->count; k++) {
            LIST_FOR_EACH (l, tmp, &log->topics[i]->parts[k].entries) {
                struct worst_entry *en = CONTAINER_OF(l, struct worst_entry, link);
                free(en->bytes);
                free(en);
            }
        }
        free(log->topics[i]);
    }
    free(log);
}
