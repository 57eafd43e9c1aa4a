/*
 * The administrator of a soak: topics that are created, grown and deleted, records that are
 * deleted, configurations that change. It is the only one who does so; what it was told must be
 * there at once and after every restart.
 *
 * A configuration is checked as a counter: every change sets base + n with a larger n, so what is
 * found must lie between the last acknowledged and the last that was sent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common_load_int.h"
#include "common_server.h"
#include "common_soak.h"
#include "record/builder.h"

enum { UNKNOWN_TOPIC = 3, GROWN_MOST = 8 };

/* retention.bytes: more than what is in flight, so that retention takes nothing that has no answer;
 * little enough for every partition to reach it soon, because a soak looks for growth. The numbers
 * add at most a few bytes. */
static const struct setting {
    const char *topic, *key;
    int64_t base;
} settings[SOAK_CONFIGS] = {
    {"small", "retention.bytes", 1 << 20},   {"mixed", "retention.bytes", 4 << 20},
    {"large", "retention.bytes", 8 << 20},   {"small", "max.message.bytes", 4 << 20},
    {"mixed", "max.message.bytes", 4 << 20}, {"relaxed", "retention.ms", 600000000},
};

/* An answer that leaves the outcome open: a failing disk, a time-out. */
static bool is_open(int16_t code)
{
    return code == load_code_unknown || code == 7;
}

static void unexpected(struct soak *s, const char *what, const char *name, int16_t code)
{
    if (code != 0 && !is_open(code)) {
        model_violation(s->model, MODEL_PROTOCOL, "%s %s: error %d", what, name, code);
    }
}

/* ---- Topics -----------------------------------------------------------------------------------
 */

static bool topic_create(struct soak *s, struct client *c, uint32_t slot, int32_t partitions)
{
    struct wire_create_topics_request_topic t;
    struct wire_create_topics_request q;
    struct wire_create_topics_response r;
    char name[32];
    (void)snprintf(name, sizeof(name), "change-%u", slot);
    if (s->topics[slot] == UINT32_MAX) {
        s->topics[slot] = model_topic_create(s->model, name, partitions);
    } else {
        model_topic_again(s->model, s->topics[slot], partitions);
    }
    WIRE_INIT(wire_create_topics_request_topic, &t);
    WIRE_INIT(wire_create_topics_request, &q);
    t.name = str_of(name);
    t.num_partitions = partitions;
    t.replication_factor = 1;
    q.topics = &t;
    q.topics_count = 1;
    if (!client_call(c, WIRE_CREATE_TOPICS, 7, &q, &r) || r.topics_count != 1) {
        return false;
    }
    int16_t code = r.topics[0].error_code;
    unexpected(s, "create", name, code);
    if (code == 0) {
        model_topic_created(s->model, s->topics[slot], r.topics[0].topic_id);
        s->totals.created++;
    }
    return true;
}

static bool topic_delete(struct soak *s, struct client *c, uint32_t slot)
{
    struct wire_delete_topics_request q;
    struct wire_delete_topics_response r;
    struct str name = str_of(model_topic_name(s->model, s->topics[slot]));
    WIRE_INIT(wire_delete_topics_request, &q);
    q.topic_names = &name;
    q.topic_names_count = 1;
    q.timeout_ms = 5000;
    model_topic_delete(s->model, s->topics[slot]);
    if (!client_call(c, WIRE_DELETE_TOPICS, 5, &q, &r) || r.responses_count != 1) {
        return false;
    }
    unexpected(s, "delete", name.p, r.responses[0].error_code);
    if (r.responses[0].error_code == 0) {
        model_topic_deleted(s->model, s->topics[slot]);
        s->totals.deleted++;
    }
    return true;
}

static bool topic_grow(struct soak *s, struct client *c, uint32_t slot)
{
    struct wire_create_partitions_request_topic t;
    struct wire_create_partitions_request q;
    struct wire_create_partitions_response r;
    const char *name = model_topic_name(s->model, s->topics[slot]);
    WIRE_INIT(wire_create_partitions_request_topic, &t);
    WIRE_INIT(wire_create_partitions_request, &q);
    t.name = str_of(name);
    t.count = model_topic_grow(s->model, s->topics[slot]);
    t.assignments_count = -1;
    q.topics = &t;
    q.topics_count = 1;
    q.timeout_ms = 5000;
    if (!client_call(c, WIRE_CREATE_PARTITIONS, 3, &q, &r) || r.results_count != 1) {
        return false;
    }
    unexpected(s, "add partitions to", name, r.results[0].error_code);
    if (r.results[0].error_code == 0) {
        model_topic_grown(s->model, s->topics[slot], t.count);
        s->totals.grown++;
    }
    return true;
}

static bool topic_step(struct soak *s, struct client *c, uint64_t dice)
{
    uint32_t slot = (uint32_t)(dice >> 8) % SOAK_TOPICS;
    int32_t partitions = -1;
    bool there = false;
    if (s->topics[slot] != UINT32_MAX) {
        there = model_topic_known(s->model, s->topics[slot], &partitions);
    }
    if (partitions < 0) {
        return topic_create(s, c, slot, 1 + (int32_t)(dice >> 16 & 1));
    }
    if (!there) {
        return true; /* nobody knows before the next check */
    }
    if (partitions < GROWN_MOST && (dice >> 20) % 3 != 0) {
        return topic_grow(s, c, slot);
    }
    return topic_delete(s, c, slot);
}

/* One record into a topic that may be gone or may come and go meanwhile. */
static bool stray(struct soak *s, struct client *c, uint64_t dice)
{
    struct ectx ec = {0};
    struct batch_spec spec;
    struct batch_builder builder;
    struct record_scratch scratch;
    struct buf bytes;
    struct wire_produce_request_partition p;
    struct wire_produce_request_topic t;
    struct wire_produce_request q;
    struct wire_produce_response r;
    char name[32];
    (void)snprintf(name, sizeof(name), "change-%u", (uint32_t)(dice >> 8) % SOAK_TOPICS);
    batch_spec_init(&spec);
    batch_builder_init(&builder, 1 << 16);
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    buf_init(&bytes, 1 << 16);
    bool ok =
        batch_builder_append(&builder, 1, STR_LIT("stray"), STR_LIT("stray"), NULL, 0) == ERR_OK &&
        batch_builder_finish(&builder, &spec, &scratch, &bytes, &ec) == ERR_OK;
    WIRE_INIT(wire_produce_request_partition, &p);
    WIRE_INIT(wire_produce_request_topic, &t);
    WIRE_INIT(wire_produce_request, &q);
    p.records.p = bytes.p;
    p.records.n = (int64_t)bytes.n;
    t.name = str_of(name);
    t.partition_data = &p;
    t.partition_data_count = 1;
    q.acks = -1;
    q.timeout_ms = 5000;
    q.topic_data = &t;
    q.topic_data_count = 1;
    ok = ok && client_call(c, WIRE_PRODUCE, 9, &q, &r) && r.responses_count == 1 &&
         r.responses[0].partition_responses_count == 1;
    if (ok && r.responses[0].partition_responses[0].error_code != UNKNOWN_TOPIC) {
        unexpected(s, "produce to", name, r.responses[0].partition_responses[0].error_code);
    }
    s->totals.strays += ok;
    buf_deinit(&bytes);
    record_scratch_deinit(&scratch);
    batch_builder_deinit(&builder);
    return ok;
}

/* ---- Records ----------------------------------------------------------------------------------
 */

static bool records_delete(struct soak *s, struct client *c, uint64_t dice)
{
    struct wire_delete_records_request_partition p;
    struct wire_delete_records_request_topic t;
    struct wire_delete_records_request q;
    struct wire_delete_records_response r;
    uint32_t part = (uint32_t)(dice >> 8) % model_part_count(s->model);
    int64_t to = model_trim_judged(s->model, part, dice >> 16);
    if (to < 0) {
        return true;
    }
    WIRE_INIT(wire_delete_records_request_partition, &p);
    WIRE_INIT(wire_delete_records_request_topic, &t);
    WIRE_INIT(wire_delete_records_request, &q);
    p.partition_index = model_part_index(s->model, part);
    p.offset = to;
    t.name = str_of(model_part_topic(s->model, part));
    t.partitions = &p;
    t.partitions_count = 1;
    q.topics = &t;
    q.topics_count = 1;
    q.timeout_ms = 5000;
    if (!client_call(c, WIRE_DELETE_RECORDS, 2, &q, &r) || r.topics_count != 1 ||
        r.topics[0].partitions_count != 1) {
        return false;
    }
    const struct wire_delete_records_response_partition *answer = &r.topics[0].partitions[0];
    /* Retention may have gone further meanwhile: then there is nothing at that offset. */
    if (answer->error_code == 0) {
        model_trimmed(s->model, part, to, answer->low_watermark);
        s->totals.trims++;
    } else if (answer->error_code != 1) {
        unexpected(s, "delete records of", model_part_topic(s->model, part), answer->error_code);
    }
    return true;
}

/* ---- Configurations ---------------------------------------------------------------------------
 */

/* What it has, as the number above the base; 0: not set. */
static bool config_read(struct client *c, const struct setting *setting, int64_t *out)
{
    struct str key = str_of(setting->key);
    struct wire_describe_configs_request_resource resource;
    struct wire_describe_configs_request q;
    struct wire_describe_configs_response r;
    WIRE_INIT(wire_describe_configs_request_resource, &resource);
    WIRE_INIT(wire_describe_configs_request, &q);
    resource.resource_type = 2;
    resource.resource_name = str_of(setting->topic);
    resource.configuration_keys = &key;
    resource.configuration_keys_count = 1;
    q.resources = &resource;
    q.resources_count = 1;
    if (!client_call(c, WIRE_DESCRIBE_CONFIGS, 4, &q, &r) || r.results_count != 1 ||
        r.results[0].error_code != 0 || r.results[0].configs_count != 1) {
        return false;
    }
    char text[32];
    const struct wire_describe_configs_response_config *found = &r.results[0].configs[0];
    (void)snprintf(text, sizeof(text), "%.*s", STR(found->value));
    *out = found->config_source == 1 ? strtoll(text, NULL, 10) - setting->base : 0;
    return true;
}

static bool config_compare(struct soak *s, struct client *c, size_t slot)
{
    int64_t found = -1;
    if (!config_read(c, &settings[slot], &found)) {
        return false;
    }
    if (!soak_counter_holds(&s->configs[slot], found)) {
        model_violation(
            s->model, found < s->configs[slot].acked ? MODEL_CONFIG_BACK : MODEL_CONFIG_INVENTED,
            "%s of %s is %lld + %lld; change %lld was acknowledged, %lld was the last",
            settings[slot].key, settings[slot].topic, (long long)settings[slot].base,
            (long long)found, (long long)s->configs[slot].acked, (long long)s->configs[slot].sent);
    }
    return true;
}

static bool config_change(struct soak *s, struct client *c, size_t slot)
{
    const struct setting *setting = &settings[slot];
    struct wire_incremental_alter_configs_request_config change;
    struct wire_incremental_alter_configs_request_resource resource;
    struct wire_incremental_alter_configs_request q;
    struct wire_incremental_alter_configs_response r;
    int64_t number = ++s->configs[slot].sent;
    char text[32];
    (void)snprintf(text, sizeof(text), "%lld", (long long)(setting->base + number));
    WIRE_INIT(wire_incremental_alter_configs_request_config, &change);
    WIRE_INIT(wire_incremental_alter_configs_request_resource, &resource);
    WIRE_INIT(wire_incremental_alter_configs_request, &q);
    change.name = str_of(setting->key);
    change.value = str_of(text);
    resource.resource_type = 2;
    resource.resource_name = str_of(setting->topic);
    resource.configs = &change;
    resource.configs_count = 1;
    q.resources = &resource;
    q.resources_count = 1;
    if (!client_call(c, WIRE_INCREMENTAL_ALTER_CONFIGS, 1, &q, &r) || r.responses_count != 1) {
        return false;
    }
    unexpected(s, "configure", setting->topic, r.responses[0].error_code);
    if (r.responses[0].error_code == 0) {
        s->configs[slot].acked = number;
        s->totals.configs++;
    }
    return config_compare(s, c, slot);
}

bool soak_check_configs(struct soak *s, struct client *c)
{
    for (size_t i = 0; i < SOAK_CONFIGS; i++) {
        if (!config_compare(s, c, i)) {
            return false;
        }
    }
    return true;
}

void *soak_admin_run(void *arg)
{
    struct soak *s = arg;
    struct client c;
    if (!client_open(&c, s->port, LOAD_TIMEOUT_MS)) {
        return NULL;
    }
    bool ok = true;
    while (ok && !atomic_load(&s->stop)) {
        uint64_t dice = load_random(&s->random);
        switch (dice % 8) {
        case 0:
            ok = records_delete(s, &c, dice);
            break;
        case 1:
            ok = config_change(s, &c, (size_t)(dice >> 8) % SOAK_CONFIGS);
            break;
        case 2:
            ok = stray(s, &c, dice);
            break;
        default:
            ok = topic_step(s, &c, dice);
            break;
        }
        soak_pause(s, 20 + (double)(dice >> 32 & 31));
    }
    load_lost(s->load, &c, "administrator");
    return NULL;
}
