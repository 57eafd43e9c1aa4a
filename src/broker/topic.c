/*
 * Topics: creating, growing and deleting them. A change is one frame; what it does in memory
 * becomes visible when the frame is durable. Until then a topic that is being created is only a
 * reserved name, and one that is being deleted is gone already.
 */
#include "broker/broker.h"

#include <stdio.h>

#include "broker/broker_int.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/mem.h"

MUST_USE enum err broker_topic_name_check(struct str name, struct ectx *ec)
{
    if (name.n == 0) {
        return ectx_fail(ec, ERR_INVALID_TOPIC,
                         "Topic name is invalid: the empty string is not allowed");
    }
    if (str_eq_z(name, ".") || str_eq_z(name, "..")) {
        return ectx_fail(ec, ERR_INVALID_TOPIC,
                         "Topic name is invalid: '.' or '..' is not allowed");
    }
    if (name.n > LIMIT_TOPIC_NAME) {
        return ectx_fail(ec, ERR_INVALID_TOPIC,
                         "Topic name is invalid: the length of '%.40s...' is longer than the max "
                         "allowed length %d",
                         name.p, LIMIT_TOPIC_NAME);
    }
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '.' || c == '_' || c == '-';
        if (!ok) {
            return ectx_fail(ec, ERR_INVALID_TOPIC,
                             "Topic name is invalid: '%.*s' contains one or more characters other "
                             "than ASCII alphanumerics, '.', '_' and '-'",
                             STR(name));
        }
    }
    return ERR_OK;
}

static bool has_dot_or_underscore(struct str name)
{
    return memchr(name.p, '.', name.n) != NULL || memchr(name.p, '_', name.n) != NULL;
}

/* The name with '_' for each '.', in `out`. Names that differ only in that collide: so would
 * Kafka's metric names, so it refuses them. */
static struct str dotted_key(struct str name, char out[LIMIT_TOPIC_NAME])
{
    size_t n = name.n < LIMIT_TOPIC_NAME ? name.n : LIMIT_TOPIC_NAME;
    for (size_t i = 0; i < n; i++) {
        out[i] = name.p[i] == '.' ? '_' : name.p[i];
    }
    return str_make(out, n);
}

static bool dotted_add(struct broker *b, struct topic *t)
{
    char key[LIMIT_TOPIC_NAME];
    return !has_dot_or_underscore(t->name) || map_put(&b->dotted, dotted_key(t->name, key), t);
}

static void dotted_remove(struct broker *b, const struct topic *t)
{
    char key[LIMIT_TOPIC_NAME];
    if (map_get(&b->dotted, dotted_key(t->name, key)) == t) {
        map_remove(&b->dotted, dotted_key(t->name, key));
    }
}

static enum err check_free(struct broker *b, struct str name, struct ectx *ec)
{
    if (map_get(&b->by_name, name) != NULL || map_get(&b->creating, name) != NULL) {
        return ectx_fail(ec, ERR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.", STR(name));
    }
    if (!has_dot_or_underscore(name)) {
        return ERR_OK;
    }
    char key[LIMIT_TOPIC_NAME];
    const struct topic *other = map_get(&b->dotted, dotted_key(name, key));
    if (other != NULL) {
        return ectx_fail(ec, ERR_INVALID_TOPIC, "Topic '%.*s' collides with existing topic: %.*s",
                         STR(name), STR(other->name));
    }
    return ERR_OK;
}

static enum err check_replicas(struct broker *b, const struct broker_topic_spec *spec,
                               struct ectx *ec)
{
    if (spec->has_assignments) {
        return spec->assignments_valid
                   ? ERR_OK
                   : ectx_fail(ec, ERR_INVALID_REPLICA_ASSIGNMENT,
                               "each partition must be assigned to node %d, once", BROKER_NODE_ID);
    }
    if (spec->replication_factor == -1 || spec->replication_factor == 1) {
        return ERR_OK;
    }
    if (spec->replication_factor > 1 &&
        config_bool(b->config, NULL, "leat.replication.factor.clamp")) {
        LOG_WARN("topic.replication_factor_clamped", KV_STR("topic", spec->name),
                 KV_I64("asked", spec->replication_factor), KV_I64("given", 1));
        return ERR_OK;
    }
    if (spec->replication_factor <= 0) {
        return ectx_fail(
            ec, ERR_INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.");
    }
    return ectx_fail(ec, ERR_INVALID_REPLICATION_FACTOR,
                     "Unable to replicate the partition %d time(s): there is one node. "
                     "leat.replication.factor.clamp=true creates such topics with one replica",
                     spec->replication_factor);
}

static enum err check_partitions(struct broker *b, int32_t more, struct ectx *ec)
{
    int64_t max = config_i64(b->config, NULL, "leat.max.partitions");
    if (more <= 0) {
        return ectx_fail(
            ec, ERR_INVALID_PARTITIONS,
            "Number of partitions must be larger than 0, or -1 to use the default value.");
    }
    if ((int64_t)b->partition_count + more > max) {
        return ectx_fail(ec, ERR_POLICY_VIOLATION,
                         "%d more partitions would exceed leat.max.partitions=%lld (there are %u)",
                         more, (long long)max, b->partition_count);
    }
    return ERR_OK;
}

/* ---- Building and tearing down in memory
 * ----------------------------------------------------------- */

struct topic_full *topic_create_empty(struct broker *b, struct str name, struct uuid id)
{
    (void)b;
    struct topic_full *t = mem_new(struct topic_full);
    char *copy = str_dup_z(name);
    if (t == NULL || copy == NULL) {
        mem_free(t);
        mem_free(copy);
        return NULL;
    }
    t->t.name = str_make(copy, name.n);
    t->t.id = id;
    config_init(&t->t.config, CONFIG_SCOPE_TOPIC);
    return t;
}

static void part_config_of(struct broker *b, const struct topic *t, uint32_t part_id,
                           struct store_part_config *out)
{
    const struct config *c = &t->config;
    store_part_config_init(out);
    out->segment_bytes = (uint64_t)config_i64(c, b->config, "segment.bytes");
    out->segment_ms = (uint64_t)config_i64(c, b->config, "segment.ms");
    uint64_t jitter = (uint64_t)config_i64(c, b->config, "segment.jitter.ms");
    if (jitter > 0 && out->segment_ms > 1) {
        jitter = jitter < out->segment_ms ? jitter : out->segment_ms - 1;
        /* A fixed share for each partition, so that a restart does not change it. */
        out->segment_ms -= (uint64_t)part_id * 2654435761u % (jitter + 1);
    }
    out->retention_ms = config_i64(c, b->config, "retention.ms");
    out->retention_bytes = config_i64(c, b->config, "retention.bytes");
    out->index_interval_bytes = (uint32_t)config_i64(c, b->config, "index.interval.bytes");
    out->file_delete_delay_ms = (uint64_t)config_i64(c, b->config, "file.delete.delay.ms");
    out->durability = str_eq_z(str_of(config_text(c, b->config, "leat.durability", NULL)), "os")
                          ? STORE_OS
                          : STORE_FSYNC;
}

static void rules_of(struct broker *b, const struct topic *t, struct record_rules *r)
{
    const struct config *c = &t->config;
    static const char *const codecs[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};
    record_rules_init(r);
    r->max_message_bytes = (int32_t)config_i64(c, b->config, "max.message.bytes");
    r->log_append_time = str_eq_z(str_of(config_text(c, b->config, "message.timestamp.type", NULL)),
                                  "LogAppendTime");
    r->timestamp_before_max_ms = config_i64(c, b->config, "message.timestamp.before.max.ms");
    r->timestamp_after_max_ms = config_i64(c, b->config, "message.timestamp.after.max.ms");
    struct str type = str_of(config_text(c, b->config, "compression.type", NULL));
    r->codec = RECORD_KEEP_CODEC;
    for (int i = 0; i < (int)ARRAY_LEN(codecs); i++) {
        r->codec = str_eq_z(type, codecs[i]) ? i : r->codec;
    }
    if (r->codec == RECORD_CODEC_GZIP) {
        r->level = (int32_t)config_i64(c, b->config, "compression.gzip.level");
    } else if (r->codec == RECORD_CODEC_LZ4) {
        r->level = (int32_t)config_i64(c, b->config, "compression.lz4.level");
    } else if (r->codec == RECORD_CODEC_ZSTD) {
        r->level = (int32_t)config_i64(c, b->config, "compression.zstd.level");
    }
}

const char *topic_durability(const struct broker *b, const struct topic *t)
{
    return config_text(&t->config, b->config, "leat.durability", NULL);
}

void topic_configure(struct broker *b, struct topic_full *t)
{
    rules_of(b, &t->t, &t->rules);
    for (int32_t i = 0; i < t->t.partition_count; i++) {
        struct store_part_config cfg;
        struct store_part *part = t->t.partitions[i]->part;
        part_config_of(b, &t->t, store_part_id(part), &cfg);
        store_part_configure(part, &cfg);
    }
}

void topics_configure_all(struct broker *b)
{
    struct map_iter it = {0};
    while (map_next(&b->by_name, &it)) {
        struct topic *t = it.value;
        topic_configure(b, topic_full_of(t));
    }
}

MUST_USE enum err topic_add_part(struct broker *b, struct topic_full *t, uint32_t part_id)
{
    int32_t n = t->t.partition_count;
    struct partition **grown = t->t.partitions;
    if ((n & (n - 1)) == 0) { /* room doubles at each power of two */
        grown = mem_realloc(grown, (n == 0 ? 1 : 2 * (size_t)n) * sizeof(struct partition *));
    }
    if (grown == NULL) {
        return ERR_NO_MEMORY;
    }
    t->t.partitions = grown;
    struct partition *p = mem_new(struct partition);
    struct partition_state *state = mem_new(struct partition_state);
    if (p == NULL || state == NULL) {
        mem_free(p);
        mem_free(state);
        return ERR_NO_MEMORY;
    }
    char dir[LIMIT_TOPIC_NAME + 16];
    snprintf(dir, sizeof(dir), "%.*s.%02x%02x%02x%02x", STR(t->t.name), t->t.id.b[0], t->t.id.b[1],
             t->t.id.b[2], t->t.id.b[3]);
    struct store_part_config cfg;
    part_config_of(b, &t->t, part_id, &cfg);
    enum err e = store_part_add(b->store, part_id, str_of(dir), n, &cfg, &p->part);
    if (e != ERR_OK) {
        mem_free(p);
        mem_free(state);
        return e;
    }
    p->topic = &t->t;
    p->index = n;
    p->state = state;
    list_init(&p->waiters);
    map_init(&state->producers);
    list_init(&state->producers_by_use);
    store_part_set_user(p->part, p);
    grown[n] = p;
    t->t.partition_count = n + 1;
    return ERR_OK;
}

static void partition_destroy(struct broker *b, struct partition *p)
{
    producers_free(b, p->state);
    map_deinit(&p->state->producers);
    mem_free(p->state);
    mem_free(p);
}

/* Takes back partitions from the end, with what the store knows of them. */
static void remove_parts(struct broker *b, struct topic_full *t, int32_t keep)
{
    while (t->t.partition_count > keep) {
        struct partition *p = t->t.partitions[--t->t.partition_count];
        store_part_set_user(p->part, NULL);
        store_part_remove(b->store, store_part_id(p->part));
        partition_destroy(b, p);
    }
}

void topic_destroy(struct broker *b, struct topic_full *t)
{
    int32_t count = t->growing ? t->grown_count : t->t.partition_count;
    for (int32_t i = 0; i < count; i++) {
        partition_destroy(b, t->t.partitions[i]);
    }
    mem_free(t->t.partitions);
    config_deinit(&t->t.config);
    mem_free((void *)(uintptr_t)t->t.name.p);
    mem_free(t);
}

void topic_drop(struct broker *b, struct topic_full *t)
{
    remove_parts(b, t, 0);
    topic_destroy(b, t);
}

static struct metric *topic_metric(struct broker *b, const struct topic *t, const char *name,
                                   const char *help)
{
    struct buf label;
    buf_init(&label, 1024);
    metrics_label(&label, "topic", t->name);
    buf_put_u8(&label, 0);
    struct metric *m =
        metrics_counter(b->metrics, name, help, buf_failed(&label) ? NULL : (const char *)label.p);
    buf_deinit(&label);
    return m;
}

static void topic_metrics_remove(struct broker *b, const struct topic *t)
{
    static const char *const names[] = {"leat_topic_bytes_in_total", "leat_topic_records_in_total",
                                        "leat_topic_batches_in_total"};
    struct buf label;
    buf_init(&label, 1024);
    metrics_label(&label, "topic", t->name);
    buf_put_u8(&label, 0);
    for (size_t i = 0; !buf_failed(&label) && i < ARRAY_LEN(names); i++) {
        metrics_remove(b->metrics, names[i], (const char *)label.p);
    }
    buf_deinit(&label);
}

MUST_USE enum err topic_register(struct broker *b, struct topic_full *t)
{
    struct str id = str_make(t->t.id.b, sizeof(t->t.id.b));
    if (!map_put(&b->by_name, t->t.name, &t->t) || !map_put(&b->by_id, id, &t->t) ||
        !dotted_add(b, &t->t)) {
        map_remove(&b->by_name, t->t.name);
        map_remove(&b->by_id, id);
        return ERR_NO_MEMORY;
    }
    b->topic_count++;
    b->partition_count += (uint32_t)t->t.partition_count;
    t->bytes_in = topic_metric(b, &t->t, "leat_topic_bytes_in_total", "Bytes of batches appended.");
    t->records_in = topic_metric(b, &t->t, "leat_topic_records_in_total", "Records appended.");
    t->batches_in = topic_metric(b, &t->t, "leat_topic_batches_in_total", "Batches appended.");
    topic_configure(b, t);
    broker_gauges(b);
    return ERR_OK;
}

void topic_unregister(struct broker *b, struct topic_full *t)
{
    map_remove(&b->by_name, t->t.name);
    map_remove(&b->by_id, str_make(t->t.id.b, sizeof(t->t.id.b)));
    dotted_remove(b, &t->t);
    topic_metrics_remove(b, &t->t);
    b->topic_count--;
    b->partition_count -= (uint32_t)t->t.partition_count;
    broker_gauges(b);
    produce_topic_gone(b, &t->t);
    /* Whoever waits on its partitions hears that they are gone. */
    for (int32_t i = 0; i < t->t.partition_count; i++) {
        struct partition *p = t->t.partitions[i];
        struct list *l;
        while ((l = list_pop_front(&p->waiters)) != NULL) {
            struct broker_waiter *w = CONTAINER_OF(l, struct broker_waiter, link);
            w->wake(w, p, true);
        }
    }
    topic_drop(b, t);
}

/* ---- Changes
 * ------------------------------------------------------------------------------------------ */

struct topic_change {
    struct list link; /* in broker->changing */
    struct broker *b;
    struct topic_full *t;
    broker_done done;
    void *ctx;
    int32_t old_count;
};

static void change_end(struct topic_change *c, enum err e, const struct ectx *ec)
{
    static const struct ectx none = {.code = ERR_OK};
    list_remove(&c->link);
    c->done(c->ctx, e, ec == NULL ? &none : ec);
    mem_free(c);
}

/* It did not begin. */
static void change_forget(struct topic_change *c)
{
    if (c != NULL) {
        list_remove(&c->link);
        mem_free(c);
    }
}

void topic_changes_free(struct broker *b)
{
    struct list *l;
    while ((l = list_pop_front(&b->changing)) != NULL) {
        struct topic_change *c = CONTAINER_OF(l, struct topic_change, link);
        if (c->t != NULL && map_get(&b->creating, c->t->t.name) == c->t) {
            map_remove(&b->creating, c->t->t.name);
            map_remove(&b->by_name, c->t->t.name);
            map_remove(&b->by_id, str_make(c->t->t.id.b, sizeof(c->t->t.id.b)));
            topic_destroy(b, c->t);
        }
        mem_free(c);
    }
}

static struct topic_change *change_begin(struct broker *b, struct topic_full *t, broker_done done,
                                         void *ctx)
{
    struct topic_change *c = mem_new(struct topic_change);
    if (c != NULL) {
        c->b = b;
        c->t = t;
        c->done = done;
        c->ctx = ctx;
        list_init(&c->link);
        list_push_back(&b->changing, &c->link);
    }
    return c;
}

MUST_USE enum err broker_commit_fact(struct broker *b, uint16_t tag, struct buf *fact,
                                     void (*done)(void *ctx, uint64_t position), void *ctx)
{
    if (!store_ready(b->store)) {
        return ERR_REQUEST_TIMED_OUT; /* the caller should have waited; a client tries again */
    }
    struct store_frame *f = buf_failed(fact) ? NULL : store_frame_begin(b->store);
    if (f == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err e = store_frame_fact(f, tag, buf_str(fact));
    if (e != ERR_OK) {
        store_frame_drop(f);
        return e;
    }
    store_frame_commit(f, done, ctx);
    return ERR_OK;
}

static void on_created(void *ctx, uint64_t position)
{
    struct topic_change *c = ctx;
    (void)position;
    map_remove(&c->b->creating, c->t->t.name);
    c->b->partition_count -= (uint32_t)c->t->t.partition_count; /* they were reserved */
    enum err e = topic_register(c->b, c->t);
    CHECK(e == ERR_OK); /* the maps have it since the start */
    c->t->t.deleting = false;
    LOG_INFO("topic.created", KV_STR("topic", c->t->t.name),
             KV_I64("partitions", c->t->t.partition_count),
             KV_Z("durability", topic_durability(c->b, &c->t->t)));
    topic_tell(c->b, &c->t->t, BROKER_TOPIC_CREATED);
    change_end(c, ERR_OK, NULL);
}

static enum err set_settings(struct config *c, const struct broker_topic_spec *spec,
                             struct ectx *ec)
{
    for (size_t i = 0; i < spec->setting_count; i++) {
        const struct broker_setting *s = &spec->settings[i];
        if (str_is_null(s->value)) {
            return ectx_fail(ec, ERR_INVALID_CONFIG,
                             "Null value not supported for topic configs: %.*s", STR(s->name));
        }
        enum err e = config_set(c, s->name, s->value, CONFIG_FROM_TOPIC, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err check_create(struct broker *b, const struct broker_topic_spec *spec,
                             int32_t partitions, struct ectx *ec)
{
    enum err e = broker_topic_name_check(spec->name, ec);
    e = e == ERR_OK ? check_free(b, spec->name, ec) : e;
    e = e == ERR_OK ? check_partitions(b, partitions, ec) : e;
    e = e == ERR_OK ? check_replicas(b, spec, ec) : e;
    if (e == ERR_OK) {
        struct config c;
        config_init(&c, CONFIG_SCOPE_TOPIC);
        e = set_settings(&c, spec, ec);
        config_deinit(&c);
    }
    return e;
}

/* The topic in memory with its parts, and its fact on the way; takes everything back on failure. */
static enum err start_create(struct topic_change *c, const struct broker_topic_spec *spec,
                             int32_t partitions, struct ectx *ec)
{
    struct broker *b = c->b;
    uint8_t random[16];
    env_random(b->env, random, sizeof(random));
    struct topic_full *t = topic_create_empty(b, spec->name, uuid_v4(random));
    uint32_t *ids = mem_zalloc((size_t)partitions, sizeof(uint32_t));
    struct buf fact;
    buf_init(&fact, store_frame_max_bytes(b->store));
    enum err e = t == NULL || ids == NULL ? ERR_NO_MEMORY : set_settings(&t->t.config, spec, ec);
    uint32_t first = b->next_part_id;
    for (int32_t i = 0; e == ERR_OK && i < partitions; i++) {
        ids[i] = b->next_part_id++;
        e = topic_add_part(b, t, ids[i]);
    }
    /* It is in the maps from now on, hidden, so that registering it later needs no memory. */
    bool reserved = e == ERR_OK && map_put(&b->creating, t->t.name, t) && dotted_add(b, &t->t) &&
                    map_put(&b->by_name, t->t.name, &t->t) &&
                    map_put(&b->by_id, str_make(t->t.id.b, 16), &t->t);
    e = e == ERR_OK && !reserved ? ERR_NO_MEMORY : e;
    if (e == ERR_OK) {
        c->t = t;
        t->t.deleting = true;
        fact_create(&fact, t, ids);
        b->partition_count += (uint32_t)partitions;
        e = broker_commit_fact(b, STORE_TAG_TOPICS, &fact, on_created, c);
        b->partition_count -= e == ERR_OK ? 0u : (uint32_t)partitions;
    }
    if (e != ERR_OK && t != NULL) {
        map_remove(&b->creating, t->t.name);
        map_remove(&b->by_name, t->t.name);
        map_remove(&b->by_id, str_make(t->t.id.b, 16));
        dotted_remove(b, &t->t);
        topic_drop(b, t);
        b->next_part_id = first;
    }
    buf_deinit(&fact);
    mem_free(ids);
    if (e != ERR_OK && (ec->code == ERR_OK || ec->text[0] == '\0')) {
        return ectx_fail(ec, e, "could not create the topic: %s", err_text(e));
    }
    return e;
}

void broker_topic_create(struct broker *b, const struct broker_topic_spec *spec, bool validate_only,
                         broker_done done, void *ctx)
{
    struct ectx ec = {.code = ERR_OK};
    int32_t partitions = spec->partitions;
    if (partitions == -1) {
        partitions = (int32_t)config_i64(b->config, NULL, "num.partitions");
    }
    enum err e = check_create(b, spec, partitions, &ec);
    if (e != ERR_OK || validate_only) {
        done(ctx, e, &ec);
        return;
    }
    struct topic_change *c = change_begin(b, NULL, done, ctx);
    if (c == NULL) {
        e = ectx_fail(&ec, ERR_NO_MEMORY, "could not create the topic: out of memory");
        done(ctx, e, &ec);
        return;
    }
    e = start_create(c, spec, partitions, &ec);
    if (e != ERR_OK) {
        change_end(c, e, &ec);
    }
}

static void on_deleted(void *ctx, uint64_t position)
{
    struct topic_change *c = ctx;
    (void)position;
    struct broker *b = c->b;
    LOG_INFO("topic.deleted", KV_STR("topic", c->t->t.name));
    if (b->topic_gone != NULL) {
        b->topic_gone(b->topic_gone_ctx, c->t->t.name);
    }
    topic_tell(b, &c->t->t, BROKER_TOPIC_GONE);
    topic_unregister(b, c->t);
    change_end(c, ERR_OK, NULL);
}

/* Of the planted fault. */
static void told_early(void *ctx, enum err e, const struct ectx *ec)
{
    (void)ctx;
    (void)e;
    (void)ec;
}

void broker_topic_delete(struct broker *b, struct topic *t, broker_done done, void *ctx)
{
    struct ectx ec = {.code = ERR_OK};
    if (!config_bool(b->config, NULL, "delete.topic.enable")) {
        enum err e = ectx_fail(&ec, ERR_TOPIC_DELETION_DISABLED, "delete.topic.enable is false");
        done(ctx, e, &ec);
        return;
    }
    struct topic_change *c = change_begin(b, topic_full_of(t), done, ctx);
    struct buf fact;
    buf_init(&fact, 64);
    fact_delete(&fact, t->id);
    enum err e =
        c == NULL ? ERR_NO_MEMORY : broker_commit_fact(b, STORE_TAG_TOPICS, &fact, on_deleted, c);
    buf_deinit(&fact);
    if (e == ERR_OK) {
        t->deleting = true;
        if (BROKER_FAULT(topic_early)) {
            done(ctx, ERR_OK, &ec);
            c->done = told_early;
        }
        return;
    }
    change_forget(c);
    e = ectx_fail(&ec, e, "could not delete the topic: %s", err_text(e));
    done(ctx, e, &ec);
}

static void on_grown(void *ctx, uint64_t position)
{
    struct topic_change *c = ctx;
    (void)position;
    c->t->growing = false;
    c->t->t.partition_count = c->t->grown_count;
    broker_gauges(c->b);
    LOG_INFO("topic.grown", KV_STR("topic", c->t->t.name),
             KV_I64("partitions", c->t->t.partition_count));
    topic_tell(c->b, &c->t->t, BROKER_TOPIC_GROWN);
    change_end(c, ERR_OK, NULL);
}

static enum err check_grow(struct broker *b, const struct topic_full *t, int32_t new_total,
                           struct ectx *ec)
{
    if (t->growing) {
        return ectx_fail(ec, ERR_INVALID_PARTITIONS,
                         "partitions of this topic are being added already");
    }
    if (new_total == t->t.partition_count) {
        return ectx_fail(ec, ERR_INVALID_PARTITIONS, "Topic already has %d partition(s).",
                         new_total);
    }
    if (new_total < t->t.partition_count) {
        return ectx_fail(
            ec, ERR_INVALID_PARTITIONS,
            "The topic %.*s currently has %d partition(s); %d would not be an increase.",
            STR(t->t.name), t->t.partition_count, new_total);
    }
    return check_partitions(b, new_total - t->t.partition_count, ec);
}

void broker_topic_add_partitions(struct broker *b, struct topic *topic, int32_t new_total,
                                 bool validate_only, broker_done done, void *ctx)
{
    struct ectx ec = {.code = ERR_OK};
    struct topic_full *t = topic_full_of(topic);
    int32_t old_total = topic->partition_count;
    enum err e = check_grow(b, t, new_total, &ec);
    if (e != ERR_OK || validate_only) {
        done(ctx, e, &ec);
        return;
    }
    struct topic_change *c = change_begin(b, t, done, ctx);
    struct buf fact;
    buf_init(&fact, 64);
    e = c == NULL ? ERR_NO_MEMORY : ERR_OK;
    uint32_t first = b->next_part_id;
    while (e == ERR_OK && topic->partition_count < new_total) {
        e = topic_add_part(b, t, b->next_part_id++);
    }
    if (e == ERR_OK) {
        fact_grow(&fact, topic->id, first, new_total - old_total);
        e = broker_commit_fact(b, STORE_TAG_TOPICS, &fact, on_grown, c);
    }
    buf_deinit(&fact);
    if (e == ERR_OK) {
        /* The new ones are seen when the fact is durable. */
        t->growing = true;
        t->grown_count = new_total;
        b->partition_count += (uint32_t)(new_total - old_total);
        topic->partition_count = old_total;
        return;
    }
    remove_parts(b, t, old_total);
    b->next_part_id = first;
    change_forget(c);
    e = ectx_fail(&ec, e, "could not add partitions: %s", err_text(e));
    done(ctx, e, &ec);
}
