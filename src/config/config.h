/*
 * Configuration: one table of options (options.def) with Kafka's names, defaults, types and
 * documentation, and ours under `leat.`. From it come: parsing and validation of the file, the
 * environment and the flags; the answers of DescribeConfigs; man page and docs. Pure: no I/O here.
 *
 * An option that is accepted has an effect, or is satisfied anyway by one flushing node
 * (CONFIG_SATISFIED, listed in docs/compatibility.md); any other is refused with a reason.
 */
#ifndef LEAT_CONFIG_CONFIG_H
#define LEAT_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/map.h"
#include "core/str.h"

/* Kafka's ConfigDef types, with the numbers that DescribeConfigs (v3+) uses. */
enum config_type {
    CONFIG_BOOLEAN = 1,
    CONFIG_STRING = 2,
    CONFIG_INT = 3,
    CONFIG_SHORT = 4,
    CONFIG_LONG = 5,
    CONFIG_DOUBLE = 6,
    CONFIG_LIST = 7,
    CONFIG_CLASS = 8,
    CONFIG_PASSWORD = 9
};
/* DescribeConfigs ConfigSource. */
enum config_source {
    CONFIG_FROM_TOPIC = 1,           /* DYNAMIC_TOPIC_CONFIG */
    CONFIG_FROM_DYNAMIC_BROKER = 2,  /* DYNAMIC_BROKER_CONFIG */
    CONFIG_FROM_DYNAMIC_DEFAULT = 3, /* DYNAMIC_DEFAULT_BROKER_CONFIG */
    CONFIG_FROM_STATIC = 4,          /* STATIC_BROKER_CONFIG: file, environment, flag */
    CONFIG_FROM_DEFAULT = 5          /* DEFAULT_CONFIG */
};
enum config_scope { CONFIG_SCOPE_BROKER, CONFIG_SCOPE_TOPIC, CONFIG_SCOPE_GROUP };
enum {                       /* flags */
       CONFIG_READ_ONLY = 1, /* cannot be altered while running */
       CONFIG_SATISFIED = 2, /* accepted; one flushing node satisfies any value */
       CONFIG_SECRET = 4,
};

struct config_option {
    const char *name;
    enum config_scope scope;
    enum config_type type;
    const char *default_value; /* NULL: null */
    double min, max;           /* numbers; min > max: no range */
    const char *choices;       /* comma-separated, for STRING and LIST; NULL: any */
    const char *broker_name; /* topic options: the broker option that is its default; NULL: none */
    unsigned flags;
    const char *doc;
};
size_t config_option_count(void);
const struct config_option *config_option_at(size_t i); /* sorted by scope, then name */
const struct config_option *config_option_find(enum config_scope scope, struct str name);
/* Is the value one that the option takes? Text says what was wrong and what would be right.
 * ERR_INVALID_CONFIG. Options that Kafka has and we refuse (cleanup.policy=compact, ...) say why.
 */
MUST_USE enum err config_check(const struct config_option *o, struct str value, struct ectx *ec);
/* Why an option that Kafka knows and we do not take is refused; NULL if it is not Kafka's either.
 */
const char *config_refusal(enum config_scope scope, struct str name);

/* A set of values that differ from the defaults. Values are text as given, checked. */
struct config {
    enum config_scope scope;
    struct map values; /* name -> struct config_value */
};
struct config_value {
    char *text;
    enum config_source source;
    bool derived; /* filled in from a coarser unit (log.retention.hours) */
};
void config_init(struct config *c, enum config_scope scope);
void config_deinit(struct config *c);
MUST_USE enum err config_set(struct config *c, struct str name, struct str value,
                             enum config_source source, struct ectx *ec);
void config_unset(struct config *c, struct str name);
bool config_has(const struct config *c, const char *name);
/* The text that is in force: own, else (topic) the broker's, else the default; NULL for null.
 * `broker` may be NULL. CHECKs that the option exists. */
const char *config_text(const struct config *c, const struct config *broker, const char *name,
                        enum config_source *source);
int64_t config_i64(const struct config *c, const struct config *broker, const char *name);
double config_f64(const struct config *c, const struct config *broker, const char *name);
bool config_bool(const struct config *c, const struct config *broker, const char *name);

/* YAML text (a map of option names to scalars or lists; dotted names or nested maps alike) into a
 * broker config, source STATIC. Errors name line, option and what to do. */
MUST_USE enum err config_load_yaml(struct config *c, struct str text, const char *file_name,
                                   struct ectx *ec);
/* Variables of an environment block: LEAT_DATA sets leat.data, LEAT_NUM_PARTITIONS sets
 * num.partitions; `unknown` is called for each LEAT_ variable that names no option (some belong to
 * others: LEAT_CONFIG, LEAT_SET). */
MUST_USE enum err config_load_env(struct config *c, char *const *environ_block,
                                  void (*unknown)(void *ctx, struct str variable), void *ctx,
                                  struct ectx *ec);
/* "leat.some.option" -> the nearest known name, for "did you mean"; NULL if nothing is near. */
const char *config_nearest(enum config_scope scope, struct str name);
/* Markdown or troff table of all options, for docs and man pages. */
struct buf;
void config_write_docs(struct buf *out, bool troff);

#endif
