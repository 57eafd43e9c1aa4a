/* The option table (options.def) as data, look-ups in it, and the reasons for what is refused. */
#include <string.h>

#include "config/config.h"

static const struct config_option OPTIONS[] = {
#define OPTION(name, scope, type, value, min, max, choices, broker_name, flags, doc) \
    {name, CONFIG_SCOPE_##scope, CONFIG_##type, value, min, max, choices, broker_name, flags, doc},
#include "config/options.def"
#undef OPTION
};

size_t config_option_count(void)
{
    return ARRAY_LEN(OPTIONS);
}

const struct config_option *config_option_at(size_t i)
{
    return &OPTIONS[i];
}

const struct config_option *config_option_find(enum config_scope scope, struct str name)
{
    size_t low = 0;
    size_t high = ARRAY_LEN(OPTIONS);
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = OPTIONS[mid].scope == scope ? str_cmp(name, str_of(OPTIONS[mid].name))
                                            : (scope < OPTIONS[mid].scope ? -1 : 1);
        if (c == 0) {
            return &OPTIONS[mid];
        }
        if (c < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return NULL;
}

/* What Kafka has and we do not take, by the beginning of its name, with the reason. */
static const struct {
    const char *prefix;
    const char *reason;
} REFUSED[] = {
    {"delete.retention.ms", "log compaction is not offered"},
    {"min.compaction.lag.ms", "log compaction is not offered"},
    {"max.compaction.lag.ms", "log compaction is not offered"},
    {"min.cleanable.dirty.ratio", "log compaction is not offered"},
    {"log.cleaner.", "log compaction is not offered"},
    {"log.cleanup.policy", "only the policy delete is offered, and it is the default"},
    {"remote.", "tiered storage is not offered"},
    {"local.retention.", "tiered storage is not offered"},
    {"leader.replication.throttled.replicas", "one node replicates nothing"},
    {"follower.replication.throttled.replicas", "one node replicates nothing"},
    {"replica.", "one node replicates nothing"},
    {"controller.", "there is no controller quorum: one node"},
    {"process.roles", "there is one role: leat serve"},
    {"listeners", "use leat.kafka (--kafka HOST:PORT)"},
    {"advertised.listeners", "use leat.advertise (--advertise HOST:PORT)"},
    {"listener.", "TLS and SASL are not offered"},
    {"ssl.", "TLS is not offered"},
    {"sasl.", "SASL is not offered"},
    {"log.dir", "use leat.data (--data DIR)"},
    {"transaction", "transactions are not offered"},
    {"offsets.topic.", "offsets are kept in the log itself, not in a topic"},
    {"group.consumer.", "the consumer group protocol of KIP-848 is not offered"},
    {"group.share.", "share groups are not offered"},
    {"group.streams.", "streams groups are not offered"},
    {"quota.", "quotas are not offered"},
    {"num.network.threads", "threads are started as they are needed"},
    {"num.io.threads", "threads are started as they are needed"},
};

const char *config_refusal(enum config_scope scope, struct str name)
{
    (void)scope;
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        if (str_starts(name, REFUSED[i].prefix)) {
            return REFUSED[i].reason;
        }
    }
    return NULL;
}

/* Edit distance, bounded to names of usual length. */
static size_t distance(struct str a, struct str b)
{
    size_t row[80];
    if (a.n >= ARRAY_LEN(row) || b.n >= ARRAY_LEN(row)) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b.n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t change = diagonal + (a.p[i - 1] == b.p[j - 1] ? 0 : 1);
            size_t best = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < best ? change : best;
        }
    }
    return row[b.n];
}

const char *config_nearest(enum config_scope scope, struct str name)
{
    const char *best = NULL;
    size_t best_distance = name.n / 3 + 1;
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++) {
        size_t d = OPTIONS[i].scope == scope ? distance(name, str_of(OPTIONS[i].name)) : SIZE_MAX;
        if (d < best_distance) {
            best_distance = d;
            best = OPTIONS[i].name;
        }
    }
    return best;
}
