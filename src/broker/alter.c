/*
 * Changing configuration: of topics, and dynamically of the node. A change builds the new set
 * aside, checks it whole, writes it as one fact, and puts it into force when that is durable. Names
 * that are not mentioned stay as they are (except in a replacement).
 */
#include <string.h>

#include "broker/broker_int.h"
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"

MUST_USE enum err config_copy(const struct config *from, struct config *to)
{
    struct map_iter it = {0};
    while (map_next(&from->values, &it)) {
        const struct config_value *v = it.value;
        enum err e = v->derived ? ERR_OK : config_set(to, it.key, str_of(v->text), v->source, NULL);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

void broker_config_rebuild(struct broker *b)
{
    struct config fresh;
    config_init(&fresh, CONFIG_SCOPE_BROKER);
    enum err e = config_copy(&b->static_config, &fresh);
    e = e == ERR_OK ? config_copy(&b->dynamic_default, &fresh) : e;
    e = e == ERR_OK ? config_copy(&b->dynamic_node, &fresh) : e;
    if (e != ERR_OK) {
        LOG_WARN("config.rebuild_failed", KV_Z("error", err_name(e)),
                 KV_Z("hint", "the change is stored and takes effect at the next start"));
        config_deinit(&fresh);
        return;
    }
    config_deinit(b->config);
    *b->config = fresh;
}

void broker_config_entry(struct broker *b, const struct topic *t, const struct config_option *o,
                         struct broker_config_entry *out)
{
    const struct config *c = t != NULL ? &t->config : b->config;
    out->option = o;
    out->value = config_text(c, t != NULL ? b->config : NULL, o->name, &out->source);
    out->is_default = out->source == CONFIG_FROM_DEFAULT;
    out->read_only = t == NULL && (o->flags & CONFIG_READ_ONLY) != 0;
    out->sensitive = (o->flags & CONFIG_SECRET) != 0;
}

static size_t add_layer(struct broker_config_layer *out, size_t n, const struct config *c,
                        const char *name, enum config_source source)
{
    const struct config_value *v = name == NULL ? NULL : map_get(&c->values, str_of(name));
    if (v == NULL) {
        return n;
    }
    out[n] = (struct broker_config_layer){name, v->text, source};
    return n + 1;
}

size_t broker_config_layers(const struct broker *b, const struct topic *t,
                            const struct config_option *o,
                            struct broker_config_layer out[BROKER_CONFIG_LAYERS])
{
    const char *name = t == NULL ? o->name : o->broker_name;
    const char *value = o->default_value;
    size_t n = t == NULL ? 0 : add_layer(out, 0, &t->config, o->name, CONFIG_FROM_TOPIC);
    n = add_layer(out, n, &b->dynamic_node, name, CONFIG_FROM_DYNAMIC_BROKER);
    n = add_layer(out, n, &b->dynamic_default, name, CONFIG_FROM_DYNAMIC_DEFAULT);
    n = add_layer(out, n, &b->static_config, name, CONFIG_FROM_STATIC);
    if (t != NULL && name != NULL) {
        const struct config_option *of_broker =
            config_option_find(CONFIG_SCOPE_BROKER, str_of(name));
        value = of_broker == NULL ? NULL : of_broker->default_value;
    }
    if (name != NULL && value != NULL) {
        out[n++] = (struct broker_config_layer){name, value, CONFIG_FROM_DEFAULT};
    }
    return n;
}

struct alter {
    struct list link; /* in broker->altering while it is on its way to the disk */
    struct broker *b;
    struct topic *t; /* NULL: the node's */
    bool cluster_default;
    struct config fresh;
    broker_done done;
    void *ctx;
};

static void alter_end(struct alter *a, enum err e, const struct ectx *ec)
{
    static const struct ectx none = {.code = ERR_OK};
    list_remove(&a->link);
    a->done(a->ctx, e, ec == NULL ? &none : ec);
    config_deinit(&a->fresh);
    mem_free(a);
}

void alters_free(struct broker *b)
{
    struct list *l;
    while ((l = list_pop_front(&b->altering)) != NULL) {
        struct alter *a = CONTAINER_OF(l, struct alter, link);
        config_deinit(&a->fresh);
        mem_free(a);
    }
}

static void on_altered(void *ctx, uint64_t position)
{
    struct alter *a = ctx;
    struct broker *b = a->b;
    (void)position;
    struct config *to = a->t != NULL         ? &a->t->config
                        : a->cluster_default ? &b->dynamic_default
                                             : &b->dynamic_node;
    struct config old = *to;
    *to = a->fresh;
    a->fresh = old;
    if (a->t != NULL) {
        topic_configure(b, topic_full_of(a->t));
        LOG_INFO("topic.configured", KV_STR("topic", a->t->name),
                 KV_Z("durability", topic_durability(b, a->t)));
    } else {
        broker_config_rebuild(b);
        topics_configure_all(b);
        LOG_INFO("config.changed", KV_Z("scope", a->cluster_default ? "cluster default" : "node"));
    }
    alter_end(a, ERR_OK, NULL);
}

static bool list_has(struct str list, struct str one)
{
    while (list.n > 0) {
        if (str_eq(str_trim(str_cut(list, ',', &list)), one)) {
            return true;
        }
    }
    return false;
}

/* The list with the words of `value` added or taken out. */
static void list_change(struct buf *out, struct str list, struct str value, bool add)
{
    struct str rest = list;
    while (rest.n > 0) {
        struct str one = str_trim(str_cut(rest, ',', &rest));
        if (add || !list_has(value, one)) {
            buf_put_z(out, out->n > 0 ? "," : "");
            buf_put_str(out, one);
        }
    }
    rest = value;
    while (add && rest.n > 0) {
        struct str one = str_trim(str_cut(rest, ',', &rest));
        if (!list_has(list, one)) {
            buf_put_z(out, out->n > 0 ? "," : "");
            buf_put_str(out, one);
        }
    }
}

static enum err apply_list_op(struct alter *a, const struct config_option *o,
                              const struct broker_alter *op, enum config_source source,
                              struct ectx *ec)
{
    if (o->type != CONFIG_LIST) {
        return ectx_fail(ec, ERR_INVALID_CONFIG,
                         "Config value append is not allowed for config key: %s", o->name);
    }
    const char *now = config_text(&a->fresh, a->t != NULL ? a->b->config : NULL, o->name, NULL);
    struct buf list;
    buf_init(&list, 64 * 1024);
    list_change(&list, str_of(now), op->value, op->op == BROKER_APPEND);
    enum err e = buf_failed(&list) ? ERR_NO_MEMORY
                                   : config_set(&a->fresh, op->name, buf_str(&list), source, ec);
    buf_deinit(&list);
    return e;
}

static enum err apply_op(struct alter *a, const struct broker_alter *op, struct ectx *ec)
{
    enum config_source source = a->t != NULL         ? CONFIG_FROM_TOPIC
                                : a->cluster_default ? CONFIG_FROM_DYNAMIC_DEFAULT
                                                     : CONFIG_FROM_DYNAMIC_BROKER;
    const struct config_option *o = config_option_find(a->fresh.scope, op->name);
    if (o == NULL && op->op == BROKER_DELETE && config_refusal(a->fresh.scope, op->name) != NULL) {
        return ERR_OK; /* it is not set */
    }
    if (o == NULL) {
        return config_set(&a->fresh, op->name, op->value, source, ec); /* says why not */
    }
    if (a->t == NULL && (o->flags & CONFIG_READ_ONLY) != 0) {
        return ectx_fail(ec, ERR_INVALID_REQUEST,
                         "Cannot update these configs dynamically: %s: set it in the file, the "
                         "environment or a flag, and restart",
                         o->name);
    }
    switch (op->op) {
    case BROKER_DELETE:
        config_unset(&a->fresh, op->name);
        return ERR_OK;
    case BROKER_SET:
        if (str_is_null(op->value)) {
            return ectx_fail(ec, ERR_INVALID_REQUEST, "Null value not supported for : %s", o->name);
        }
        return config_set(&a->fresh, op->name, op->value, source, ec);
    case BROKER_APPEND:
    case BROKER_SUBTRACT:
        return apply_list_op(a, o, op, source, ec);
    }
    return ectx_fail(ec, ERR_INVALID_REQUEST, "Unknown operation %d", (int)op->op);
}

static enum err check_ops(const struct broker_alter *ops, size_t count, struct ectx *ec)
{
    struct map seen;
    enum err e = ERR_OK;
    map_init(&seen);
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        if (map_get(&seen, ops[i].name) != NULL) {
            e = ectx_fail(ec, ERR_INVALID_REQUEST, "Error due to duplicate config keys: %.*s",
                          STR(ops[i].name));
        } else if (!map_put(&seen, ops[i].name, (void *)(uintptr_t)&ops[i])) {
            e = ERR_NO_MEMORY;
        }
    }
    map_deinit(&seen);
    return e;
}

/* What a change builds on: the newest change that is on its way, else what is in force. Two changes
 * at the same time must not undo each other. */
static const struct config *base_of(const struct broker *b, const struct topic *t,
                                    bool cluster_default)
{
    for (const struct list *l = b->altering.prev; l != &b->altering; l = l->prev) {
        const struct alter *a = CONTAINER_OF((struct list *)(uintptr_t)l, struct alter, link);
        if (a->t == t && a->cluster_default == cluster_default) {
            return &a->fresh;
        }
    }
    return t != NULL ? &t->config : cluster_default ? &b->dynamic_default : &b->dynamic_node;
}

/* `base`: what is there now and stays, or NULL to begin with nothing. */
static void run_alter(struct broker *b, struct topic *t, bool cluster_default,
                      const struct config *base, const struct broker_alter *ops, size_t count,
                      bool validate_only, broker_done done, void *ctx)
{
    struct ectx ec = {.code = ERR_OK};
    struct alter *a = mem_new(struct alter);
    if (a == NULL) {
        enum err e =
            ectx_fail(&ec, ERR_NO_MEMORY, "could not change the configuration: out of memory");
        done(ctx, e, &ec);
        return;
    }
    list_init(&a->link);
    a->b = b;
    a->t = t;
    a->cluster_default = cluster_default;
    a->done = done;
    a->ctx = ctx;
    config_init(&a->fresh, t != NULL ? CONFIG_SCOPE_TOPIC : CONFIG_SCOPE_BROKER);
    enum err e = base == NULL ? ERR_OK : config_copy(base, &a->fresh);
    e = e == ERR_OK ? check_ops(ops, count, &ec) : e;
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        e = apply_op(a, &ops[i], &ec);
    }
    struct buf fact;
    buf_init(&fact, store_frame_max_bytes(b->store));
    if (e == ERR_OK && !validate_only) {
        if (t != NULL) {
            fact_config(&fact, t->id, &a->fresh);
        } else {
            fact_broker_config(&fact, cluster_default, &a->fresh);
        }
        e = broker_commit_fact(b, STORE_TAG_TOPICS, &fact, on_altered, a);
        if (e == ERR_OK) {
            list_push_back(&b->altering, &a->link);
            buf_deinit(&fact);
            return;
        }
    }
    buf_deinit(&fact);
    if (e != ERR_OK && ec.text[0] == '\0') {
        e = ectx_fail(&ec, e, "could not change the configuration: %s", err_text(e));
    }
    alter_end(a, e, &ec);
}

void broker_topic_alter(struct broker *b, struct topic *t, const struct broker_alter *ops,
                        size_t count, bool validate_only, broker_done done, void *ctx)
{
    run_alter(b, t, false, base_of(b, t, false), ops, count, validate_only, done, ctx);
}

static void run_replace(struct broker *b, struct topic *t, bool cluster_default,
                        const struct broker_setting *settings, size_t count, bool validate_only,
                        broker_done done, void *ctx)
{
    struct broker_alter *ops = mem_zalloc(count + 1, sizeof(*ops));
    if (ops == NULL) {
        struct ectx ec = {.code = ERR_OK};
        enum err e =
            ectx_fail(&ec, ERR_NO_MEMORY, "could not change the configuration: out of memory");
        done(ctx, e, &ec);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct broker_alter){BROKER_SET, settings[i].name, settings[i].value};
    }
    run_alter(b, t, cluster_default, NULL, ops, count, validate_only, done, ctx);
    mem_free(ops);
}

void broker_topic_replace_config(struct broker *b, struct topic *t,
                                 const struct broker_setting *settings, size_t count,
                                 bool validate_only, broker_done done, void *ctx)
{
    run_replace(b, t, false, settings, count, validate_only, done, ctx);
}

void broker_replace(struct broker *b, bool cluster_default, const struct broker_setting *settings,
                    size_t count, bool validate_only, broker_done done, void *ctx)
{
    run_replace(b, NULL, cluster_default, settings, count, validate_only, done, ctx);
}

void broker_alter(struct broker *b, bool cluster_default, const struct broker_alter *ops,
                  size_t count, bool validate_only, broker_done done, void *ctx)
{
    run_alter(b, NULL, cluster_default, base_of(b, NULL, cluster_default), ops, count,
              validate_only, done, ctx);
}
