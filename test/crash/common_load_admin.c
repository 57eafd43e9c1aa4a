/*
 * Topic administration: topics that come, grow and go, records that are deleted, a setting that
 * changes; and what of it is there after a restart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common_load_int.h"
#include "common_server.h"

/* Topics that the writers use. Small segments, so that rolls happen. */
const struct load_topic load_fixed_topics[LOAD_TOPICS] = {
    {"small", 4, false, {NULL, NULL}},
    {"mixed", 3, false, {"segment.bytes", "1048576"}},
    {"large", 2, false, {"segment.bytes", "4194304"}},
    {"relaxed", 1, true, {"leat.durability", "os"}},
    {"trimmed", 1, false, {"segment.bytes", "1048576"}},
};

/* Creates one topic; *code is the broker's error, valid if true is returned. */
static bool topic_create(struct load *l, struct client *c, const char *name, int32_t partitions,
                         const char *const config[2], int16_t *code, uint32_t *topic)
{
    struct wire_create_topics_request_config setting;
    struct wire_create_topics_request_topic t;
    struct wire_create_topics_request q;
    struct wire_create_topics_response r;
    WIRE_INIT(wire_create_topics_request_config, &setting);
    WIRE_INIT(wire_create_topics_request_topic, &t);
    WIRE_INIT(wire_create_topics_request, &q);
    t.name = str_of(name);
    t.num_partitions = partitions;
    t.replication_factor = 1;
    if (config[0] != NULL) {
        setting.name = str_of(config[0]);
        setting.value = str_of(config[1]);
        t.configs = &setting;
        t.configs_count = 1;
    }
    q.topics = &t;
    q.topics_count = 1;
    *topic = model_topic_create(l->model, name, partitions);
    if (*topic == UINT32_MAX || !client_call(c, WIRE_CREATE_TOPICS, 7, &q, &r) ||
        r.topics_count != 1) {
        return false;
    }
    *code = r.topics[0].error_code;
    if (*code == 0) {
        model_topic_created(l->model, *topic, r.topics[0].topic_id);
    } else if (*code != load_code_unknown) {
        model_topic_refused(l->model, *topic, *code);
    }
    return true;
}

static bool topics_list(struct client *c, struct wire_metadata_response *r)
{
    struct wire_metadata_request q;
    WIRE_INIT(wire_metadata_request, &q);
    q.topics_count = -1;
    return client_call(c, WIRE_METADATA, 12, &q, r);
}

static bool topic_listed(const struct wire_metadata_response *r, const char *name)
{
    for (int32_t i = 0; i < r->topics_count; i++) {
        if (str_eq_z(r->topics[i].name, name)) {
            return true;
        }
    }
    return false;
}

bool load_topics(struct load *l, double timeout_ms)
{
    struct client c;
    if (!client_open(&c, l->port, (int)timeout_ms)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; i < LOAD_TOPICS && ok; i++) {
        struct wire_metadata_response r;
        int16_t code = 0;
        uint32_t topic;
        ok = topics_list(&c, &r);
        if (ok && !topic_listed(&r, load_fixed_topics[i].name)) {
            ok = topic_create(l, &c, load_fixed_topics[i].name, load_fixed_topics[i].partitions,
                              load_fixed_topics[i].config, &code, &topic) &&
                 code == 0;
            if (!ok && code != 0) {
                model_note(l->model, "topic %s: error %d", load_fixed_topics[i].name, code);
            }
        }
    }
    client_close(&c);
    l->fixed_topics_there = ok;
    return ok;
}

static bool topic_delete(struct load *l, struct client *c, uint32_t topic)
{
    struct wire_delete_topics_request q;
    struct wire_delete_topics_response r;
    struct str name = str_of(model_topic_name(l->model, topic));
    WIRE_INIT(wire_delete_topics_request, &q);
    q.topic_names = &name;
    q.topic_names_count = 1;
    q.timeout_ms = 5000;
    model_topic_delete(l->model, topic);
    if (!client_call(c, WIRE_DELETE_TOPICS, 5, &q, &r) || r.responses_count != 1) {
        return false;
    }
    if (r.responses[0].error_code == 0) {
        model_topic_deleted(l->model, topic);
    }
    return true;
}

/* One partition more. */
static bool topic_grow(struct load *l, struct client *c, uint32_t topic)
{
    struct wire_create_partitions_request_topic t;
    struct wire_create_partitions_request q;
    struct wire_create_partitions_response r;
    WIRE_INIT(wire_create_partitions_request_topic, &t);
    WIRE_INIT(wire_create_partitions_request, &q);
    t.name = str_of(model_topic_name(l->model, topic));
    t.count = model_topic_grow(l->model, topic);
    t.assignments_count = -1;
    q.topics = &t;
    q.topics_count = 1;
    q.timeout_ms = 5000;
    if (!client_call(c, WIRE_CREATE_PARTITIONS, 3, &q, &r) || r.results_count != 1) {
        return false;
    }
    if (r.results[0].error_code == 0) {
        model_topic_grown(l->model, topic, t.count);
    }
    return true;
}

static bool records_delete(struct load *l, struct client *c, uint64_t dice)
{
    struct wire_delete_records_request_partition p;
    struct wire_delete_records_request_topic t;
    struct wire_delete_records_request q;
    struct wire_delete_records_response r;
    WIRE_INIT(wire_delete_records_request_partition, &p);
    WIRE_INIT(wire_delete_records_request_topic, &t);
    WIRE_INIT(wire_delete_records_request, &q);
    p.offset = model_trim(l->model, l->trimmed, dice);
    if (p.offset < 0) {
        return true;
    }
    t.name = str_of(model_part_topic(l->model, l->trimmed));
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
    if (answer->error_code == 0) {
        model_trimmed(l->model, l->trimmed, p.offset, answer->low_watermark);
    }
    return true;
}

/* So long that nothing is deleted for it while the test runs. */
enum { RETENTION_MS = 1000000000 };

static bool setting_change(struct load *l, struct client *c)
{
    struct wire_incremental_alter_configs_request_config setting;
    struct wire_incremental_alter_configs_request_resource resource;
    struct wire_incremental_alter_configs_request q;
    struct wire_incremental_alter_configs_response r;
    int64_t number = model_commit(l->model, l->setting);
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)(RETENTION_MS + number));
    WIRE_INIT(wire_incremental_alter_configs_request_config, &setting);
    WIRE_INIT(wire_incremental_alter_configs_request_resource, &resource);
    WIRE_INIT(wire_incremental_alter_configs_request, &q);
    setting.name = STR_LIT("retention.ms");
    setting.value = str_of(text);
    resource.resource_type = 2;
    resource.resource_name = str_of(model_group_name(l->model, l->setting));
    resource.configs = &setting;
    resource.configs_count = 1;
    q.resources = &resource;
    q.resources_count = 1;
    if (!client_call(c, WIRE_INCREMENTAL_ALTER_CONFIGS, 1, &q, &r) || r.responses_count != 1) {
        return false;
    }
    if (r.responses[0].error_code == 0) {
        model_committed(l->model, l->setting, number);
    }
    return true;
}

static bool admin_step(struct load *l, struct client *c, uint64_t dice)
{
    static const char *const none[2] = {NULL, NULL};
    uint32_t topic;
    switch (dice % 8) {
    case 0:
    case 1:
        topic = model_topic_pick(l->model, dice >> 8);
        if (topic != UINT32_MAX) {
            return topic_delete(l, c, topic);
        }
        break;
    case 2:
        topic = model_topic_pick(l->model, dice >> 8);
        if (topic != UINT32_MAX) {
            return topic_grow(l, c, topic);
        }
        break;
    case 3:
    case 4:
        return records_delete(l, c, dice >> 8);
    case 5:
        return setting_change(l, c);
    default:
        break;
    }
    char name[32];
    int16_t code;
    (void)snprintf(name, sizeof(name), "made-%u", l->topic_number++);
    return topic_create(l, c, name, 1 + (int32_t)((dice >> 8) % 4 * ((dice >> 20) % 8 == 0)), none,
                        &code, &topic);
}

void *load_admin_run(void *arg)
{
    struct load *l = arg;
    uint64_t random = l->admin_random;
    do {
        struct client c;
        bool ok = client_open(&c, l->port, LOAD_TIMEOUT_MS);
        while (ok && !atomic_load(&l->stop)) {
            uint64_t dice = load_random(&random);
            ok = admin_step(l, &c, dice);
            sleep_ms(10 + (double)(dice >> 32 & 31));
        }
        load_lost(l, &c, "admin");
    } while (load_again(l));
    l->admin_random = random;
    return NULL;
}

/* ---- After a restart --------------------------------------------------------------------------
 */

bool load_check_topics(struct load *l, struct client *c)
{
    struct wire_metadata_response r;
    if (!topics_list(c, &r)) {
        return false;
    }
    model_topics_begin(l->model);
    for (int32_t i = 0; i < r.topics_count; i++) {
        if (!r.topics[i].is_internal) {
            model_topics_read(l->model, r.topics[i].name, r.topics[i].topic_id,
                              r.topics[i].partitions_count);
        }
    }
    model_topics_end(l->model);
    return true;
}

bool load_check_start(struct load *l, struct client *c)
{
    struct wire_list_offsets_request_partition p;
    struct wire_list_offsets_request_topic t;
    struct wire_list_offsets_request q;
    struct wire_list_offsets_response r;
    WIRE_INIT(wire_list_offsets_request_partition, &p);
    WIRE_INIT(wire_list_offsets_request_topic, &t);
    WIRE_INIT(wire_list_offsets_request, &q);
    p.timestamp = -2;
    t.name = str_of(model_part_topic(l->model, l->trimmed));
    t.partitions = &p;
    t.partitions_count = 1;
    q.replica_id = -1;
    q.topics = &t;
    q.topics_count = 1;
    if (!client_call(c, WIRE_LIST_OFFSETS, 6, &q, &r) || r.topics_count != 1 ||
        r.topics[0].partitions_count != 1 || r.topics[0].partitions[0].error_code != 0) {
        return false;
    }
    model_start_read(l->model, l->trimmed, r.topics[0].partitions[0].offset);
    return true;
}

bool load_check_setting(struct load *l, struct client *c)
{
    struct str key = STR_LIT("retention.ms");
    struct wire_describe_configs_request_resource resource;
    struct wire_describe_configs_request q;
    struct wire_describe_configs_response r;
    WIRE_INIT(wire_describe_configs_request_resource, &resource);
    WIRE_INIT(wire_describe_configs_request, &q);
    resource.resource_type = 2;
    resource.resource_name = str_of(model_group_name(l->model, l->setting));
    resource.configuration_keys = &key;
    resource.configuration_keys_count = 1;
    q.resources = &resource;
    q.resources_count = 1;
    if (!client_call(c, WIRE_DESCRIBE_CONFIGS, 4, &q, &r) || r.results_count != 1 ||
        r.results[0].error_code != 0 || r.results[0].configs_count != 1) {
        return false;
    }
    char text[24];
    (void)snprintf(text, sizeof(text), "%.*s", STR(r.results[0].configs[0].value));
    int64_t value = strtoll(text, NULL, 10) - RETENTION_MS;
    value = value < 0 ? 0 : value; /* the default, which is smaller */
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    model_commit_read(l->model, l->setting, true, value, str_of(text));
    return true;
}
