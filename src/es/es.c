/*
 * The event store's life.
 *
 *   NEW --es_start--> CATCHING_UP --(index has all of the log)--> READY --es_stop--> STOPPED
 *                          ^                                        |
 *                          '-- (what is in flight has ended) -- REBUILDING <-- the index is harmed
 *
 * The index is derived: what is wrong with it (damage, another version, offsets that the log does
 * not have) ends with a new one, filled from the log. A log that is damaged ends the start.
 */
#include "core/log.h"
#include "core/mem.h"
#include "es/define.h"
#include "es/erase.h"
#include "es/write.h"

#define COVER_NS     1000000000u /* the index is told how far it is, so often */
#define FILTER_BYTES (64u << 20)

enum es_problem es_life_check(const struct es *es, struct ectx *ec)
{
    static const char *const why[] = {
        [ES_NEW] = "the event store has not been started",
        [ES_CATCHING_UP] = "the event store is starting: its index follows the log",
        [ES_REBUILDING] = "the event store makes its index anew",
        [ES_STOPPED] = "the event store has stopped",
    };
    if (es->failure.code != ERR_OK) {
        if (ec != NULL) {
            *ec = es->failure;
        }
        return ES_UNAVAILABLE;
    }
    if (es->life == ES_READY) {
        return ES_OK;
    }
    IGNORE(ectx_fail(ec, es->life == ES_STOPPED ? ERR_STOPPED : ERR_AGAIN, "%s", why[es->life]));
    return ES_UNAVAILABLE;
}

bool es_ready(const struct es *es)
{
    return es->life == ES_READY && es->failure.code == ERR_OK;
}

enum err es_create(struct engine *e, const struct config *config, struct metrics *metrics,
                   const char *dir, struct es **out, struct ectx *ec)
{
    enum err err = engine_require(e, ENGINE_SEQUENCES | ENGINE_GLOBAL_ORDER, "the event store", ec);
    if (err != ERR_OK) {
        return err;
    }
    struct es *es = mem_new(struct es);
    if (es == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the event store");
    }
    es->engine = e;
    es->env = engine_env(e);
    es->metrics = metrics;
    es->life = ES_NEW;
    list_init(&es->making);
    map_init(&es->cats);
    map_init(&es->cats_by_hash);
    es->default_partitions = (int32_t)config_i64(config, NULL, "leat.es.partitions");
    es->auto_categories_max = (size_t)config_i64(config, NULL, "leat.es.categories.auto.max");
    es->event_max_bytes = (size_t)config_i64(config, NULL, "leat.es.event.max.bytes");
    es->index_memory_bytes = (uint64_t)config_i64(config, NULL, "leat.es.index.memory.bytes");
    es->dir = str_dup_z(str_of(dir));
    if (es->dir == NULL || es_gauges_create(es) != ERR_OK || es_writer_create(es) != ERR_OK ||
        es_reader_create(es, &es->reader) != ERR_OK || es_defs_create(es) != ERR_OK ||
        es_autos_create(es) != ERR_OK || es_eraser_create(es) != ERR_OK) {
        es_destroy(es);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the event store");
    }
    *out = es;
    return ERR_OK;
}

/* ---- The index
 * ---------------------------------------------------------------------------------------- */

static void index_harmed(void *ctx, const struct ectx *ec)
{
    struct es *es = ctx;
    LOG_ERROR("es.index_harmed", KV_ERR(ec));
    if (es->life == ES_READY || es->life == ES_CATCHING_UP) {
        es->life = ES_REBUILDING; /* at a tick: this call comes from within the index */
    }
}

static void index_memory_free(void *ctx)
{
    struct es *es = ctx;
    if (es->life == ES_CATCHING_UP) {
        es_catchup_step(es);
    } else if (es->life == ES_READY) {
        es_flights_advance(es);
    }
}

static enum err open_index(struct es *es, struct ectx *ec)
{
    const struct index_config cfg = {.dir = es->dir,
                                     .tables = es_tables,
                                     .table_count = ES_T_COUNT,
                                     .memory_bytes = es->index_memory_bytes,
                                     .filter_bytes = FILTER_BYTES};
    const struct index_hooks hooks = {es, index_harmed, index_memory_free};
    enum err e =
        index_open(es->env, engine_poll(es->engine), es->metrics, &cfg, &hooks, &es->index, ec);
    if (e != ERR_OK) {
        es->index = NULL;
        return e;
    }
    es->writer->type_n = 0; /* it was hashed with another key */
    struct str covered = index_covered(es->index);
    if (covered.n == 0) {
        env_random(es->env, es->hash_key, sizeof(es->hash_key));
    } else if (!es_covered_key(covered, es->hash_key)) {
        return ectx_fail(ec, ERR_DAMAGED, "the index in '%s' does not say how far it is", es->dir);
    }
    return ERR_OK;
}

static void close_index(struct es *es, bool flush)
{
    index_close(es->index, flush);
    es->index = NULL;
}

/* The hash key is that of the index: categories are found by their new hashes. */
static enum err rehash_cats(struct es *es)
{
    struct map_iter it = {0};
    map_deinit(&es->cats_by_hash);
    map_init(&es->cats_by_hash);
    while (map_next(&es->cats, &it)) {
        struct es_cat *c = it.value;
        c->hash = es_hash_category(es, c->name);
        memset(c->covered, 0, (size_t)c->partitions * sizeof(*c->covered));
        if (!map_put_u64(&es->cats_by_hash, c->hash, c)) {
            return ERR_NO_MEMORY;
        }
    }
    memset(es->facts_covered, 0, (size_t)es->facts_partitions * sizeof(*es->facts_covered));
    return ERR_OK;
}

/* The index as it is, and where it is behind the log. ERR_DAMAGED, ERR_VERSION: discard it. */
static enum err begin_with_index(struct es *es, struct ectx *ec)
{
    enum err e = open_index(es, ec);
    if (e == ERR_OK) {
        e = rehash_cats(es);
    }
    if (e == ERR_OK && index_covered(es->index).n > 0 &&
        !es_covered_apply(es, index_covered(es->index))) {
        e = ectx_fail(ec, ERR_DAMAGED, "the index in '%s' is not of this log", es->dir);
    }
    return e == ERR_OK ? es_catchup_start(es, ec) : e;
}

static void begin(struct es *es)
{
    struct ectx ec = {.code = ERR_OK};
    enum err e = begin_with_index(es, &ec);
    if (e == ERR_DAMAGED || e == ERR_VERSION) {
        LOG_WARN("es.index_discarded", KV_ERR(&ec));
        close_index(es, false);
        e = index_discard(es->env, es->dir, &ec);
        if (e == ERR_OK) {
            e = begin_with_index(es, &ec);
        }
    }
    es->covered_ns = env_mono_ns(es->env);
    if (e != ERR_OK) {
        es_started(es, e, &ec);
        return;
    }
    es_catchup_step(es);
}

/* ---- Starting
 * ---------------------------------------------------------------------------------------- */

void es_started(struct es *es, enum err e, const struct ectx *ec)
{
    if (e == ERR_OK && es->life == ES_CATCHING_UP) {
        es->life = ES_READY;
        es_query_events_end(es, (struct es_position){es_head(es).commit + 1, 0});
        es_eraser_start(es);
        es_reader_advanced(es);
    } else if (e != ERR_OK) {
        es->failure = *ec;
        es->failure.code = e;
    }
    if (es->ready != NULL && (e != ERR_OK || es->life == ES_READY)) {
        void (*ready)(void *ctx, enum err err, const struct ectx *text) = es->ready;
        const struct ectx none = {.code = ERR_OK};
        es->ready = NULL; /* of the first time, not of rebuilding */
        ready(es->ready_ctx, e, ec == NULL ? &none : ec);
    }
}

static void topic_changed(struct engine_topic_watch *w, struct str topic, bool gone)
{
    struct es *es = CONTAINER_OF(w, struct es, watch);
    struct engine_topic t;
    struct es_cat *c;
    struct ectx ec = {.code = ERR_OK};
    size_t prefix = sizeof(ES_TOPIC_PREFIX) - 1;
    if (gone || topic.n <= prefix || memcmp(topic.p, ES_TOPIC_PREFIX, prefix) != 0 ||
        es_cat_of_topic(es, topic) != NULL || !engine_topic_get(es->engine, topic, &t)) {
        return;
    }
    enum err e = es_cat_add(es, &t, &c, &ec);
    if (e != ERR_OK) {
        LOG_WARN("es.category_missed", KV_STR("topic", topic), KV_ERR(&ec));
    }
}

static enum err load_topics(struct es *es, struct ectx *ec)
{
    struct engine_topic facts;
    struct arena a;
    size_t count = 0;
    if (!engine_topic_get(es->engine, STR_LIT(ES_STREAMS_TOPIC), &facts)) {
        return ectx_fail(ec, ERR_NOT_FOUND, "topic '" ES_STREAMS_TOPIC "' is not there");
    }
    es->facts_id = facts.id;
    es->facts_partitions = facts.partition_count;
    es->facts_covered = mem_zalloc((size_t)facts.partition_count, sizeof(*es->facts_covered));
    arena_init(&a, 64 << 20);
    struct engine_topic *topics = engine_topics(es->engine, STR_LIT(ES_TOPIC_PREFIX), &a, &count);
    enum err e = es->facts_covered == NULL || topics == NULL
                     ? ectx_fail(ec, ERR_NO_MEMORY, "no memory for the list of topics")
                     : ERR_OK;
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        struct es_cat *c;
        if (topics[i].name.n > sizeof(ES_TOPIC_PREFIX) - 1) {
            e = es_cat_add(es, &topics[i], &c, ec);
        }
    }
    arena_deinit(&a);
    return e;
}

static void definitions_loaded(struct es *es, enum err e, const struct ectx *ec)
{
    if (es->life != ES_CATCHING_UP) {
        return; /* stopped meanwhile */
    }
    if (e != ERR_OK) {
        es_started(es, e, ec);
        return;
    }
    begin(es);
}

static void facts_ensured(struct engine_ensure *t)
{
    struct es *es = t->ctx;
    struct ectx ec = t->ec;
    enum err e = t->err;
    if (es->life != ES_CATCHING_UP) {
        return; /* stopped meanwhile */
    }
    if (e == ERR_OK) {
        e = load_topics(es, &ec);
    }
    if (e != ERR_OK) {
        es_started(es, e, &ec);
        return;
    }
    es->watch.changed = topic_changed;
    es->watching = true;
    engine_topic_watch(es->engine, &es->watch);
    es_defs_load(es, definitions_loaded);
}

void es_start(struct es *es, void (*ready)(void *ctx, enum err e, const struct ectx *ec), void *ctx)
{
    static const struct engine_setting settings[] = {
        {"retention.ms", "-1"},
        {"retention.bytes", "-1"},
        {"max.message.bytes", "4194304"}, /* as of categories: the largest snapshot fits */
        {"compression.type", "uncompressed"},
        {"leat.durability", "fsync"},
    };
    CHECK(es->life == ES_NEW);
    es->life = ES_CATCHING_UP;
    es->ready = ready;
    es->ready_ctx = ctx;
    es->ensure = (struct engine_ensure){.name = STR_LIT(ES_STREAMS_TOPIC),
                                        .partitions = es->default_partitions,
                                        .settings = settings,
                                        .setting_count = ARRAY_LEN(settings),
                                        .done = facts_ensured,
                                        .ctx = es};
    es_gate_open(es);
    engine_topic_ensure(es->engine, &es->ensure);
}

/* ---- Running
 * ------------------------------------------------------------------------------------------ */

/* The index was harmed: nothing is begun any more; what is in flight ends and is answered as what
 * it is, stored, and then a new index is filled from the log. */
static void rebuild_step(struct es *es)
{
    struct ectx ec = {.code = ERR_OK};
    es_wops_fail_unsent(es);
    es_reader_stop(es, false);
    es_catchup_stop(es);
    es_eraser_stop(es);
    LIST_FOR_EACH (l, tmp, &es->writer->flights) {
        if (!CONTAINER_OF(l, struct es_flight, link)->ended) {
            return;
        }
    }
    es_flights_tell(es);
    es_wops_fail_unsent(es); /* those that wait for something else by now */
    if (es->looks > 0 || !list_empty(&es->writer->peeks) || !es_eraser_idle(es)) {
        return;
    }
    es_flights_free(es);
    es_heads_forget(es);
    close_index(es, false);
    enum err e = index_discard(es->env, es->dir, &ec);
    es->life = ES_CATCHING_UP;
    if (e != ERR_OK) {
        es_started(es, e, &ec);
        return;
    }
    begin(es);
}

/* About every second, and when the index's memory is full: a flush begins only then. */
static void cover_tick(struct es *es)
{
    uint64_t now = env_mono_ns(es->env);
    struct index_stats stats = {0};
    index_stats_get(es->index, &stats);
    bool second = now - es->covered_ns >= COVER_NS;
    if (!second && stats.memory_bytes < es->index_memory_bytes) {
        return;
    }
    es->covered_ns = now;
    IGNORE(es_covered_tell(es, false)); /* without memory: at a later tick, then */
    es_gauges_tick(es);
}

void es_tick(struct es *es)
{
    if (es->failure.code != ERR_OK) {
        es_wops_fail(es);
    } else if (es->life == ES_REBUILDING) {
        rebuild_step(es);
    } else if (es->life == ES_CATCHING_UP) {
        if (es->index != NULL) {
            index_tick(es->index);
        }
        es_catchup_step(es);
    } else if (es->life == ES_READY) {
        index_tick(es->index);
        es_flights_advance(es);
        cover_tick(es);
        es_wops_tick(es);
        es_gate_tick(es);
        es_reader_tick(es);
        es_auto_tick(es);
        es_eraser_tick(es);
    }
}

void es_stop(struct es *es)
{
    if (es->life == ES_STOPPED) {
        return;
    }
    bool full = es->life == ES_READY && es->failure.code == ERR_OK;
    es->life = ES_STOPPED;
    es_auto_stop(es);
    es_defs_stop(es);
    es_gate_close(es);
    es_wops_fail(es);
    es_cats_stop(es);
    es_reader_stop(es, true);
    es_catchup_stop(es);
    es_eraser_stop(es);
    if (es->watching) {
        engine_topic_unwatch(es->engine, &es->watch);
        es->watching = false;
    }
    if (full) {
        IGNORE(es_covered_tell(es, false)); /* what it lacks is read again */
    }
}

void es_destroy(struct es *es)
{
    if (es == NULL) {
        return;
    }
    CHECK(es->life == ES_NEW || es->life == ES_STOPPED);
    if (es->index != NULL) {
        close_index(es, es->failure.code == ERR_OK);
    }
    es_eraser_destroy(es);
    es_reader_destroy(es->reader);
    es_writer_destroy(es);
    es_gauges_destroy(es);
    es_autos_destroy(es);
    es_defs_destroy(es);
    es_cats_free(es);
    mem_free(es->facts_covered);
    mem_free(es->dir);
    mem_free(es);
}
