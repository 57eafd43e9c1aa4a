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

struct alter {
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
    a->done(a->ctx, e, ec == NULL ? &none : ec);
    config_deinit(&a->fresh);
    mem_free(a);
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
        LOG_INFO("topic.configured", KV_STR("topic", a->t->name));
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
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (str_eq(ops[i].name, ops[j].name)) {
                return ectx_fail(ec, ERR_INVALID_REQUEST,
                                 "Error due to duplicate config keys: %.*s", STR(ops[i].name));
            }
        }
    }
    return ERR_OK;
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
    run_alter(b, t, false, &t->config, ops, count, validate_only, done, ctx);
}

void broker_topic_replace_config(struct broker *b, struct topic *t,
                                 const struct broker_setting *settings, size_t count,
                                 bool validate_only, broker_done done, void *ctx)
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
    run_alter(b, t, false, NULL, ops, count, validate_only, done, ctx);
    mem_free(ops);
}

void broker_alter(struct broker *b, bool cluster_default, const struct broker_alter *ops,
                  size_t count, bool validate_only, broker_done done, void *ctx)
{
    run_alter(b, NULL, cluster_default, cluster_default ? &b->dynamic_default : &b->dynamic_node,
              ops, count, validate_only, done, ctx);
}
