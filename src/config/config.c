/*
 * Sets of configured values: checking, setting, and what is in force (own value, else the broker's,
 * else the default).
 */
#include "config/config.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/mem.h"

static bool is_choice(const char *choices, struct str value)
{
    struct str rest = str_of(choices);
    while (rest.n > 0) {
        struct str one = str_cut(rest, ',', &rest);
        if (str_eq(one, value)) {
            return true;
        }
    }
    return false;
}

static enum err fail_value(const struct config_option *o, struct str value, struct ectx *ec,
                           const char *expected)
{
    return ectx_fail(ec, ERR_INVALID_CONFIG, "Invalid value %.*s for configuration %s: %s",
                     STR(value), o->name, expected);
}

static enum err check_number(const struct config_option *o, struct str value, struct ectx *ec)
{
    double number;
    int64_t integer;
    if (o->type == CONFIG_DOUBLE) {
        if (!str_to_f64(value, &number)) {
            return fail_value(o, value, ec, "must be a number");
        }
    } else {
        if (!str_to_i64(value, &integer) ||
            (o->type == CONFIG_INT && (integer > INT32_MAX || integer < INT32_MIN))) {
            return fail_value(o, value, ec,
                              o->type == CONFIG_INT ? "must be a 32-bit whole number"
                                                    : "must be a 64-bit whole number");
        }
        number = (double)integer;
    }
    if (o->min <= o->max && (number < o->min || number > o->max)) {
        char expected[96];
        snprintf(expected, sizeof(expected), "must be between %.0f and %.0f", o->min, o->max);
        return fail_value(o, value, ec, expected);
    }
    return ERR_OK;
}

static enum err check_list(const struct config_option *o, struct str value, struct ectx *ec)
{
    struct str rest = value;
    while (rest.n > 0) {
        struct str one = str_trim(str_cut(rest, ',', &rest));
        if (o->choices != NULL && !is_choice(o->choices, one)) {
            if (strcmp(o->name, "cleanup.policy") == 0 && str_eq_z(one, "compact")) {
                return ectx_fail(ec, ERR_INVALID_CONFIG,
                                 "cleanup.policy=compact is refused: log compaction is not offered "
                                 "by this version; use cleanup.policy=delete");
            }
            char expected[160];
            snprintf(expected, sizeof(expected), "must be a list of: %s", o->choices);
            return fail_value(o, value, ec, expected);
        }
    }
    return value.n > 0 ? ERR_OK : fail_value(o, value, ec, "must not be empty");
}

MUST_USE enum err config_check(const struct config_option *o, struct str value, struct ectx *ec)
{
    switch (o->type) {
    case CONFIG_BOOLEAN:
        return is_choice("true,false", value) ? ERR_OK
                                              : fail_value(o, value, ec, "must be true or false");
    case CONFIG_INT:
    case CONFIG_SHORT:
    case CONFIG_LONG:
    case CONFIG_DOUBLE:
        return check_number(o, value, ec);
    case CONFIG_LIST:
        return check_list(o, value, ec);
    case CONFIG_STRING:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        if (o->choices != NULL && !is_choice(o->choices, value)) {
            char expected[160];
            snprintf(expected, sizeof(expected), "must be one of: %s", o->choices);
            return fail_value(o, value, ec, expected);
        }
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_INVALID_CONFIG, "configuration %s has no type", o->name);
}

void config_init(struct config *c, enum config_scope scope)
{
    c->scope = scope;
    map_init(&c->values);
}

static void value_free(struct config_value *v)
{
    if (v != NULL) {
        mem_free(v->text);
        mem_free(v);
    }
}

void config_deinit(struct config *c)
{
    struct map_iter it = {0};
    while (map_next(&c->values, &it)) {
        value_free(it.value);
    }
    map_deinit(&c->values);
}

static enum err put(struct config *c, struct str name, struct str text, enum config_source source,
                    bool derived, struct ectx *ec)
{
    struct config_value *v = mem_new(struct config_value);
    if (v != NULL) {
        v->text = str_dup_z(text);
        v->source = source;
        v->derived = derived;
    }
    struct config_value *old = map_get(&c->values, name);
    if (v == NULL || v->text == NULL || !map_put(&c->values, name, v)) {
        value_free(v);
        return ectx_fail(ec, ERR_NO_MEMORY, "could not set %.*s: out of memory", STR(name));
    }
    value_free(old);
    return ERR_OK;
}

/* Kafka's coarser spellings of the same setting: they fill in the ms form unless that is set
 * itself. The finer the unit, the more it counts. */
static const struct {
    const char *name;
    const char *ms_name;
    int64_t factor;
    int rank;
} UNITS[] = {
    {"log.retention.minutes", "log.retention.ms", 60000, 2},
    {"log.retention.hours", "log.retention.ms", 3600000, 1},
    {"log.roll.hours", "log.roll.ms", 3600000, 1},
};

static enum err put_derived(struct config *c, struct str name, struct str text,
                            enum config_source source, struct ectx *ec)
{
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (!str_eq_z(name, UNITS[i].name)) {
            continue;
        }
        const struct config_value *there = map_get(&c->values, str_of(UNITS[i].ms_name));
        bool finer_is_set = UNITS[i].rank == 1 && config_has(c, "log.retention.minutes") &&
                            str_starts(name, "log.retention");
        if ((there != NULL && !there->derived) || finer_is_set) {
            return ERR_OK;
        }
        int64_t n = -1;
        IGNORE(str_to_i64(text, &n)); /* it was checked */
        char ms[32];
        snprintf(ms, sizeof(ms), "%lld", (long long)(n < 0 ? -1 : n * UNITS[i].factor));
        return put(c, str_of(UNITS[i].ms_name), str_of(ms), source, true, ec);
    }
    return ERR_OK;
}

MUST_USE enum err config_set(struct config *c, struct str name, struct str value,
                             enum config_source source, struct ectx *ec)
{
    const struct config_option *o = config_option_find(c->scope, name);
    if (o == NULL) {
        const char *reason = config_refusal(c->scope, name);
        if (reason != NULL) {
            return ectx_fail(ec, ERR_INVALID_CONFIG, "configuration %.*s is refused: %s", STR(name),
                             reason);
        }
        enum err e = ectx_fail(ec, ERR_INVALID_CONFIG, "Unknown %s config name: %.*s",
                               c->scope == CONFIG_SCOPE_TOPIC ? "topic" : "broker", STR(name));
        const char *near = config_nearest(c->scope, name);
        if (near != NULL) {
            ectx_hint(ec, "did you mean %s?", near);
        }
        return e;
    }
    enum err e = config_check(o, value, ec);
    if (e == ERR_OK) {
        e = put(c, name, value, source, false, ec);
    }
    if (e == ERR_OK) {
        e = put_derived(c, name, value, source, ec);
    }
    return e;
}

void config_unset(struct config *c, struct str name)
{
    value_free(map_remove(&c->values, name));
}

bool config_has(const struct config *c, const char *name)
{
    return map_get(&c->values, str_of(name)) != NULL;
}

const char *config_text(const struct config *c, const struct config *broker, const char *name,
                        enum config_source *source)
{
    const struct config_option *o = config_option_find(c->scope, str_of(name));
    CHECK(o != NULL);
    const struct config_value *v = map_get(&c->values, str_of(name));
    if (v == NULL && broker != NULL && c->scope == CONFIG_SCOPE_TOPIC && o->broker_name != NULL) {
        v = map_get(&broker->values, str_of(o->broker_name));
    }
    if (source != NULL) {
        *source = v != NULL ? v->source : CONFIG_FROM_DEFAULT;
    }
    return v != NULL ? v->text : o->default_value;
}

int64_t config_i64(const struct config *c, const struct config *broker, const char *name)
{
    int64_t n = -1;
    const char *text = config_text(c, broker, name, NULL);
    if (text != NULL) {
        CHECK(str_to_i64(str_of(text), &n)); /* config_check saw it */
    }
    return n;
}

double config_f64(const struct config *c, const struct config *broker, const char *name)
{
    double n = -1;
    const char *text = config_text(c, broker, name, NULL);
    if (text != NULL) {
        CHECK(str_to_f64(str_of(text), &n));
    }
    return n;
}

bool config_bool(const struct config *c, const struct config *broker, const char *name)
{
    const char *text = config_text(c, broker, name, NULL);
    return text != NULL && strcmp(text, "true") == 0;
}
