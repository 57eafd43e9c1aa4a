/*
 * Topics and dynamic configuration as facts in the log (tag STORE_TAG_TOPICS) and as a section of
 * the checkpoint image. Little-endian; strings are le32 length and bytes (buf_put_lstr).
 *
 *   CREATE         u8 1, topic
 *   DELETE         u8 2, id[16]
 *   GROW           u8 3, id[16], le32 first part id, le32 count
 *   CONFIG         u8 4, id[16], settings          the whole set, it replaces what was there
 *   BROKER_CONFIG  u8 5, u8 cluster default?, settings
 *   topic    = lstr name, id[16], settings, le32 count, le32 part id each
 *   settings = le32 count, (lstr name, lstr value) each
 *   image    = le32 next part id, settings of the cluster default, settings of the node, le32
 * count, topic each
 */
#include "broker/broker_int.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/mem.h"

static void put_settings(struct buf *out, const struct config *c)
{
    buf_put_le32(out, (uint32_t)c->values.count);
    struct map_iter it = {0};
    while (map_next(&c->values, &it)) {
        const struct config_value *v = it.value;
        buf_put_lstr(out, it.key);
        buf_put_lstr(out, str_of(v->text));
    }
}

static void put_topic(struct buf *out, const struct topic_full *t, const uint32_t *part_ids)
{
    buf_put_lstr(out, t->t.name);
    buf_put(out, t->t.id.b, sizeof(t->t.id.b));
    put_settings(out, &t->t.config);
    buf_put_le32(out, (uint32_t)t->t.partition_count);
    for (int32_t i = 0; i < t->t.partition_count; i++) {
        buf_put_le32(out, part_ids != NULL ? part_ids[i] : store_part_id(t->t.partitions[i]->part));
    }
}

void fact_create(struct buf *out, const struct topic_full *t, const uint32_t *part_ids)
{
    buf_put_u8(out, FACT_CREATE);
    put_topic(out, t, part_ids);
}

void fact_delete(struct buf *out, struct uuid id)
{
    buf_put_u8(out, FACT_DELETE);
    buf_put(out, id.b, sizeof(id.b));
}

void fact_grow(struct buf *out, struct uuid id, uint32_t first_part_id, int32_t count)
{
    buf_put_u8(out, FACT_GROW);
    buf_put(out, id.b, sizeof(id.b));
    buf_put_le32(out, first_part_id);
    buf_put_le32(out, (uint32_t)count);
}

void fact_config(struct buf *out, struct uuid id, const struct config *c)
{
    buf_put_u8(out, FACT_CONFIG);
    buf_put(out, id.b, sizeof(id.b));
    put_settings(out, c);
}

void fact_broker_config(struct buf *out, bool cluster_default, const struct config *c)
{
    buf_put_u8(out, FACT_BROKER_CONFIG);
    buf_put_u8(out, cluster_default ? 1 : 0);
    put_settings(out, c);
}

/* ---- Reading back
 * ---------------------------------------------------------------------------------- */

static enum err damaged(struct ectx *ec, const char *what)
{
    return ectx_fail(ec, ERR_DAMAGED, "topics: %s cannot be read", what);
}

static bool take_id(struct slice *in, struct uuid *id)
{
    const uint8_t *p;
    if (!slice_take(in, sizeof(id->b), &p)) {
        return false;
    }
    memcpy(id->b, p, sizeof(id->b));
    return true;
}

/* A value that this version does not take any more is left out, so that a start never fails for it.
 */
static enum err take_settings(struct slice *in, struct config *c, enum config_source source,
                              const char *what, struct ectx *ec)
{
    uint32_t n;
    if (!slice_le32(in, &n)) {
        return damaged(ec, what);
    }
    for (uint32_t i = 0; i < n; i++) {
        struct str name;
        struct str value;
        if (!slice_lstr(in, &name) || !slice_lstr(in, &value)) {
            return damaged(ec, what);
        }
        if (config_set(c, name, value, source, NULL) == ERR_NO_MEMORY) {
            return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for %s", what);
        }
    }
    return ERR_OK;
}

static enum err add_part(struct broker *b, struct topic_full *t, uint32_t part_id, struct ectx *ec)
{
    enum err e = topic_add_part(b, t, part_id);
    return e == ERR_OK ? ERR_OK
                       : ectx_fail(ec, e, "topics: partition %d of '%.*s' (number %u): %s",
                                   t->t.partition_count, STR(t->t.name), part_id, err_text(e));
}

static enum err apply_topic(struct broker *b, struct slice *in, struct ectx *ec)
{
    struct str name;
    struct uuid id;
    uint32_t count = 0;
    if (!slice_lstr(in, &name) || !take_id(in, &id)) {
        return damaged(ec, "a topic");
    }
    if (map_get(&b->by_name, name) != NULL ||
        map_get(&b->by_id, str_make(id.b, sizeof(id.b))) != NULL) {
        return damaged(ec, "a topic that is there already");
    }
    struct topic_full *t = topic_create_empty(b, name, id);
    if (t == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for topics");
    }
    enum err e = take_settings(in, &t->t.config, CONFIG_FROM_TOPIC, "a topic's configuration", ec);
    if (e == ERR_OK && !slice_le32(in, &count)) {
        e = damaged(ec, "a topic's partitions");
    }
    for (uint32_t i = 0; e == ERR_OK && i < count; i++) {
        uint32_t part_id;
        if (!slice_le32(in, &part_id)) {
            e = damaged(ec, "a topic's partitions");
            break;
        }
        e = add_part(b, t, part_id, ec);
        b->next_part_id = part_id >= b->next_part_id ? part_id + 1 : b->next_part_id;
    }
    if (e == ERR_OK && topic_register(b, t) != ERR_OK) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "out of memory for topics");
    }
    if (e != ERR_OK) {
        topic_drop(b, t);
    }
    return e;
}

static enum err apply_grow(struct broker *b, struct slice *in, struct topic_full *t,
                           struct ectx *ec)
{
    uint32_t first;
    uint32_t count;
    if (!slice_le32(in, &first) || !slice_le32(in, &count) || count > LIMIT_PARTITIONS ||
        first > UINT32_MAX - count) {
        return damaged(ec, "a change of partitions");
    }
    for (uint32_t i = 0; i < count; i++) {
        enum err e = add_part(b, t, first + i, ec);
        if (e != ERR_OK) {
            return e;
        }
        b->partition_count++;
    }
    b->next_part_id = first + count > b->next_part_id ? first + count : b->next_part_id;
    broker_gauges(b);
    return ERR_OK;
}

static enum err apply_config(struct broker *b, struct slice *in, struct topic_full *t,
                             struct ectx *ec)
{
    struct config fresh;
    config_init(&fresh, CONFIG_SCOPE_TOPIC);
    enum err e = take_settings(in, &fresh, CONFIG_FROM_TOPIC, "a topic's configuration", ec);
    if (e != ERR_OK) {
        config_deinit(&fresh);
        return e;
    }
    config_deinit(&t->t.config);
    t->t.config = fresh;
    topic_configure(b, t);
    return ERR_OK;
}

static enum err apply_broker_config(struct broker *b, struct slice *in, bool cluster_default,
                                    struct ectx *ec)
{
    struct config fresh;
    config_init(&fresh, CONFIG_SCOPE_BROKER);
    enum config_source source =
        cluster_default ? CONFIG_FROM_DYNAMIC_DEFAULT : CONFIG_FROM_DYNAMIC_BROKER;
    enum err e = take_settings(in, &fresh, source, "the node's configuration", ec);
    if (e != ERR_OK) {
        config_deinit(&fresh);
        return e;
    }
    struct config *to = cluster_default ? &b->dynamic_default : &b->dynamic_node;
    config_deinit(to);
    *to = fresh;
    return ERR_OK;
}

static enum err apply(void *ctx, uint64_t position, struct slice body, struct ectx *ec)
{
    struct broker *b = ctx;
    uint8_t kind;
    uint8_t flag;
    struct uuid id;
    (void)position;
    if (!slice_u8(&body, &kind)) {
        return damaged(ec, "an empty fact");
    }
    if (kind == FACT_CREATE) {
        return apply_topic(b, &body, ec);
    }
    if (kind == FACT_BROKER_CONFIG) {
        return slice_u8(&body, &flag) ? apply_broker_config(b, &body, flag != 0, ec)
                                      : damaged(ec, "the node's configuration");
    }
    if (!take_id(&body, &id)) {
        return damaged(ec, "a fact");
    }
    struct topic *t = map_get(&b->by_id, str_make(id.b, sizeof(id.b)));
    if (t == NULL) {
        return damaged(ec, "a fact about an unknown topic");
    }
    switch (kind) {
    case FACT_DELETE:
        topic_unregister(b, topic_full_of(t));
        return ERR_OK;
    case FACT_GROW:
        return apply_grow(b, &body, topic_full_of(t), ec);
    case FACT_CONFIG:
        return apply_config(b, &body, topic_full_of(t), ec);
    default:
        return ectx_fail(ec, ERR_VERSION, "topics: unknown fact %u: written by a newer version",
                         kind);
    }
}

static enum err snapshot(void *ctx, struct buf *out)
{
    struct broker *b = ctx;
    buf_put_le32(out, b->next_part_id);
    put_settings(out, &b->dynamic_default);
    put_settings(out, &b->dynamic_node);
    buf_put_le32(out, (uint32_t)b->topic_count);
    struct map_iter it = {0};
    while (map_next(&b->by_name, &it)) {
        struct topic *t = it.value;
        put_topic(out, topic_full_of(t), NULL);
    }
    return buf_failed(out) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err restore(void *ctx, struct slice image, struct ectx *ec)
{
    struct broker *b = ctx;
    uint32_t next;
    uint32_t count = 0;
    if (!slice_le32(&image, &next)) {
        return damaged(ec, "the image");
    }
    enum err e =
        take_settings(&image, &b->dynamic_default, CONFIG_FROM_DYNAMIC_DEFAULT, "the image", ec);
    if (e == ERR_OK) {
        e = take_settings(&image, &b->dynamic_node, CONFIG_FROM_DYNAMIC_BROKER, "the image", ec);
    }
    if (e == ERR_OK && !slice_le32(&image, &count)) {
        e = damaged(ec, "the image");
    }
    for (uint32_t i = 0; e == ERR_OK && i < count; i++) {
        e = apply_topic(b, &image, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    b->next_part_id = next > b->next_part_id ? next : b->next_part_id;
    return ERR_OK;
}

static void attach(void *ctx, struct store *store)
{
    struct broker *b = ctx;
    b->store = store;
}

static void part_id_used(void *ctx, uint32_t part_id)
{
    struct broker *b = ctx;
    b->next_part_id = part_id >= b->next_part_id ? part_id + 1 : b->next_part_id;
}

struct store_participant topics_participant(struct broker *b)
{
    return (struct store_participant){.tag = STORE_TAG_TOPICS,
                                      .name = "topics",
                                      .ctx = b,
                                      .attach = attach,
                                      .apply = apply,
                                      .part_id_used = part_id_used,
                                      .snapshot = snapshot,
                                      .restore = restore};
}
