/* The threads besides the writers, and what is common. See common_load.h. */
#include "common_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common_load_int.h"
#include "common_server.h"

/* Topics that the writers use. Small segments, so that rolls happen. */
static const struct fixed_topic {
    const char *name;
    int32_t partitions;
    bool relaxed;
    const char *config[2];
} fixed_topics[] = {
    {"small", 4, false, {NULL, NULL}},
    {"mixed", 3, false, {"segment.bytes", "1048576"}},
    {"large", 2, false, {"segment.bytes", "4194304"}},
    {"relaxed", 1, true, {"leat.durability", "os"}},
};

static const struct load_kind kinds[LOAD_WRITERS] = {
    {"one in flight, small", false, 1, 1, 1, 100, 200, 0, -1, RECORD_CODEC_NONE, "small"},
    {"pipelined, mixed", false, 8, 1, 20, 100, 20000, 2, -1, RECORD_CODEC_NONE, "mixed"},
    {"idempotent, pipelined", true, 5, 1, 10, 100, 2000, 1, -1, RECORD_CODEC_NONE, "small"},
    {"idempotent, large", true, 2, 1, 1, 60000, 300000, 12, -1, RECORD_CODEC_NONE, "large"},
    {"many partitions in a request", false, 2, 3, 3, 100, 70000, 6, 1, RECORD_CODEC_NONE, "mixed"},
    {"idempotent, compressed", true, 3, 1, 50, 50, 500, 3, -1, RECORD_CODEC_LZ4, "mixed"},
    {"relaxed durability", false, 4, 1, 5, 100, 90000, 4, -1, RECORD_CODEC_NONE, "relaxed"},
};

uint64_t load_random(uint64_t *state)
{
    uint64_t x = (*state += 0x9E3779B97F4A7C15u);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void load_init(struct load *l, struct model *m, uint64_t seed)
{
    memset(l, 0, sizeof(*l));
    l->model = m;
    l->random = seed;
    for (size_t i = 0; i < ARRAY_LEN(fixed_topics); i++) {
        for (int32_t p = 0; p < fixed_topics[i].partitions; p++) {
            model_part_add(m, fixed_topics[i].name, p, fixed_topics[i].relaxed);
        }
    }
    for (uint32_t i = 0; i < LOAD_WRITERS; i++) {
        struct load_writer *w = &l->writers[i];
        w->load = l;
        w->kind = &kinds[i];
        w->id = model_writer_add(m);
        w->random = load_random(&l->random);
        w->producer_id = -1;
        for (uint32_t p = 0; p < model_part_count(m); p++) {
            if (strcmp(model_part_topic(m, p), kinds[i].topic) == 0) {
                w->parts[w->part_count++] = p;
            }
        }
    }
    l->group = model_group_add(m, "counters");
    l->member.group = model_group_add(m, "members");
    l->member.random = load_random(&l->random);
}

/* ---- Topics -----------------------------------------------------------------------------------
 */

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
    for (size_t i = 0; i < ARRAY_LEN(fixed_topics) && ok; i++) {
        struct wire_metadata_response r;
        int16_t code = 0;
        uint32_t topic;
        ok = topics_list(&c, &r);
        if (ok && !topic_listed(&r, fixed_topics[i].name)) {
            ok = topic_create(l, &c, fixed_topics[i].name, fixed_topics[i].partitions,
                              fixed_topics[i].config, &code, &topic) &&
                 code == 0;
            if (!ok && code != 0) {
                model_note(l->model, "topic %s: error %d", fixed_topics[i].name, code);
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

static void *admin_run(void *arg)
{
    struct load *l = arg;
    uint64_t random = load_random(&l->random);
    struct client c;
    static const char *const none[2] = {NULL, NULL};
    if (!client_open(&c, l->port, LOAD_TIMEOUT_MS)) {
        return NULL;
    }
    bool ok = true;
    while (ok && !atomic_load(&l->stop)) {
        uint64_t dice = load_random(&random);
        uint32_t topic = dice % 3 == 0 ? model_topic_pick(l->model, dice >> 8) : UINT32_MAX;
        int16_t code;
        if (topic != UINT32_MAX) {
            ok = topic_delete(l, &c, topic);
        } else {
            char name[32];
            (void)snprintf(name, sizeof(name), "made-%u", l->topic_number++);
            ok = topic_create(l, &c, name, 1 + (int32_t)((dice >> 8) % 4 * ((dice >> 20) % 8 == 0)),
                              none, &code, &topic);
        }
        sleep_ms(20 + (double)(dice >> 32 & 31));
    }
    load_lost(l, &c, "admin");
    return NULL;
}

/* ---- Committing -------------------------------------------------------------------------------
 */

int16_t load_commit(struct load *l, struct client *c, uint32_t group, int64_t number,
                    int32_t generation, const char *member)
{
    struct wire_offset_commit_request_partition p[LOAD_COMMIT_PARTS];
    struct wire_offset_commit_request_topic t;
    struct wire_offset_commit_request q;
    struct wire_offset_commit_response r;
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)number);
    for (int32_t i = 0; i < LOAD_COMMIT_PARTS; i++) {
        WIRE_INIT(wire_offset_commit_request_partition, &p[i]);
        p[i].partition_index = i;
        p[i].committed_offset = number;
        p[i].committed_metadata = str_of(text);
    }
    WIRE_INIT(wire_offset_commit_request_topic, &t);
    t.name = STR_LIT("small");
    t.partitions = p;
    t.partitions_count = LOAD_COMMIT_PARTS;
    WIRE_INIT(wire_offset_commit_request, &q);
    q.group_id = str_of(model_group_name(l->model, group));
    q.generation_id_or_member_epoch = generation;
    q.member_id = str_of(member);
    q.topics = &t;
    q.topics_count = 1;
    if (!client_call(c, WIRE_OFFSET_COMMIT, 7, &q, &r) || r.topics_count != 1 ||
        r.topics[0].partitions_count != LOAD_COMMIT_PARTS) {
        return -99;
    }
    int16_t code = 0;
    for (int32_t i = 0; i < LOAD_COMMIT_PARTS; i++) {
        code = code == 0 ? r.topics[0].partitions[i].error_code : code;
    }
    return code;
}

static void *committer_run(void *arg)
{
    struct load *l = arg;
    struct client c;
    if (!client_open(&c, l->port, LOAD_TIMEOUT_MS)) {
        return NULL;
    }
    int16_t code = 0;
    while (code != -99 && !atomic_load(&l->stop)) {
        int64_t number = model_commit(l->model, l->group);
        code = load_commit(l, &c, l->group, number, -1, "");
        if (code == 0) {
            model_committed(l->model, l->group, number);
        }
        sleep_ms((double)(number % 4));
    }
    load_lost(l, &c, "committer");
    return NULL;
}

/* ---- Consuming --------------------------------------------------------------------------------
 */

static void consumer_records(struct load *l, uint32_t part,
                             const struct wire_fetch_response_partition *p,
                             struct record_scratch *scratch)
{
    struct load_walk walk;
    struct record record;
    load_walk_init(&walk, p, l->position[part], scratch);
    while (load_walk_next(&walk, &record)) {
        if (record.offset >= p->high_watermark) {
            model_violation(l->model, MODEL_PROTOCOL,
                            "%s/%d: offset %lld was readable, the high watermark is %lld",
                            model_part_topic(l->model, part), model_part_index(l->model, part),
                            (long long)record.offset, (long long)p->high_watermark);
        }
        if (record.offset > l->position[part] && !model_part_relaxed(l->model, part)) {
            model_violation(l->model, MODEL_GAP, "%s/%d: a consumer got %lld after %lld",
                            model_part_topic(l->model, part), model_part_index(l->model, part),
                            (long long)record.offset, (long long)l->position[part] - 1);
        }
        model_seen(l->model, part, record.offset, record.key, record.value);
        l->position[part] = record.offset + 1;
    }
    if (walk.problem[0] != '\0') {
        model_violation(l->model, MODEL_PROTOCOL, "%s/%d: %s", model_part_topic(l->model, part),
                        model_part_index(l->model, part), walk.problem);
    }
    model_end_told(l->model, part, p->high_watermark);
}

static void *consumer_run(void *arg)
{
    struct load *l = arg;
    struct client c;
    struct record_scratch scratch;
    if (!client_open(&c, l->port, LOAD_TIMEOUT_MS)) {
        return NULL;
    }
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    bool ok = true;
    while (ok && !atomic_load(&l->stop)) {
        struct wire_fetch_response r;
        ok = load_fetch(l, &c, 0, model_part_count(l->model), l->position, 50, &r);
        for (int32_t i = 0; ok && i < r.responses_count; i++) {
            for (int32_t j = 0; j < r.responses[i].partitions_count; j++) {
                const struct wire_fetch_response_partition *p = &r.responses[i].partitions[j];
                uint32_t part = load_part_of(l, r.responses[i].topic, p->partition_index);
                if (part == UINT32_MAX) {
                    continue;
                }
                if (p->error_code == 1 && model_part_relaxed(l->model, part)) {
                    l->position[part] = p->log_start_offset < 0 ? 0 : p->log_start_offset;
                } else if (p->error_code == load_code_unknown && l->disk_may_go) {
                    ok = false;
                } else if (p->error_code != 0) {
                    model_violation(l->model, MODEL_PROTOCOL, "fetch of %s/%d at %lld: error %d",
                                    model_part_topic(l->model, part),
                                    model_part_index(l->model, part), (long long)l->position[part],
                                    p->error_code);
                    ok = false;
                } else {
                    consumer_records(l, part, p, &scratch);
                }
            }
        }
    }
    record_scratch_deinit(&scratch);
    load_lost(l, &c, "consumer");
    return NULL;
}

/* ---- Together ---------------------------------------------------------------------------------
 */

void load_lost(struct load *l, struct client *c, const char *who)
{
    if (c->strange) {
        model_violation(l->model, MODEL_PROTOCOL, "%s: %s", who, c->why);
    }
    client_close(c);
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    if (pthread_create(thread, NULL, fn, arg) != 0) {
        perror("thread");
        abort();
    }
}

void load_start(struct load *l, uint16_t port)
{
    l->port = port;
    l->running = true;
    atomic_store(&l->stop, false);
    for (size_t i = 0; i < LOAD_WRITERS; i++) {
        start(&l->writers[i].thread, load_writer_run, &l->writers[i]);
    }
    start(&l->consumer, consumer_run, l);
    start(&l->committer, committer_run, l);
    start(&l->admin, admin_run, l);
    start(&l->member.thread, load_member_run, l);
}

void load_stop(struct load *l)
{
    if (!l->running) {
        return;
    }
    l->running = false;
    atomic_store(&l->stop, true);
    for (size_t i = 0; i < LOAD_WRITERS; i++) {
        pthread_join(l->writers[i].thread, NULL);
    }
    pthread_join(l->consumer, NULL);
    pthread_join(l->committer, NULL);
    pthread_join(l->admin, NULL);
    pthread_join(l->member.thread, NULL);
}

/* ---- The check --------------------------------------------------------------------------------
 */

static bool check_group(struct load *l, struct client *c, uint32_t group)
{
    struct wire_offset_fetch_request q;
    struct wire_offset_fetch_response r;
    int32_t indexes[LOAD_COMMIT_PARTS];
    struct wire_offset_fetch_request_topic t;
    for (int32_t i = 0; i < LOAD_COMMIT_PARTS; i++) {
        indexes[i] = i;
    }
    WIRE_INIT(wire_offset_fetch_request_topic, &t);
    t.name = STR_LIT("small");
    t.partition_indexes = indexes;
    t.partition_indexes_count = LOAD_COMMIT_PARTS;
    WIRE_INIT(wire_offset_fetch_request, &q);
    q.group_id = str_of(model_group_name(l->model, group));
    q.topics = &t;
    q.topics_count = 1;
    if (!client_call(c, WIRE_OFFSET_FETCH, 7, &q, &r)) {
        return false;
    }
    if (r.error_code != 0 || r.topics_count != 1 ||
        r.topics[0].partitions_count != LOAD_COMMIT_PARTS) {
        model_violation(l->model, MODEL_PROTOCOL, "offset fetch: error %d", r.error_code);
        return true;
    }
    for (int32_t i = 0; i < LOAD_COMMIT_PARTS; i++) {
        const struct wire_offset_fetch_response_partition *p = &r.topics[0].partitions[i];
        model_commit_read(l->model, group, i == 0, p->committed_offset, p->metadata);
    }
    return true;
}

static bool check_topics(struct load *l, struct client *c)
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

static bool check_part(struct load *l, struct client *c, uint32_t part, bool everything,
                       struct record_scratch *scratch)
{
    int64_t at[MODEL_PARTS];
    int64_t end = INT64_MAX;
    at[part] = model_read_begin(l->model, part, everything);
    while (at[part] < end) {
        struct wire_fetch_response r;
        if (!load_fetch(l, c, part, 1, at, 0, &r)) {
            return false;
        }
        if (r.responses_count != 1 || r.responses[0].partitions_count != 1) {
            return false;
        }
        const struct wire_fetch_response_partition *p = &r.responses[0].partitions[0];
        if (p->error_code != 0) {
            model_violation(l->model, MODEL_PROTOCOL, "fetch of %s/%d at %lld: error %d",
                            model_part_topic(l->model, part), model_part_index(l->model, part),
                            (long long)at[part], p->error_code);
            end = p->high_watermark < 0 ? at[part] : p->high_watermark;
            break;
        }
        end = p->high_watermark;
        int64_t before = at[part];
        struct load_walk walk;
        struct record record;
        load_walk_init(&walk, p, at[part], scratch);
        while (load_walk_next(&walk, &record)) {
            model_read(l->model, part, record.offset, record.key, record.value);
            at[part] = record.offset + 1;
        }
        if (walk.problem[0] != '\0' || (at[part] == before && before < end)) {
            /* Above the last record of a relaxed partition nothing may be left. */
            if (walk.problem[0] != '\0' || !model_part_relaxed(l->model, part)) {
                model_violation(l->model, MODEL_PROTOCOL,
                                "%s/%d: nothing can be read at %lld, the end is %lld. %s",
                                model_part_topic(l->model, part), model_part_index(l->model, part),
                                (long long)before, (long long)end, walk.problem);
            }
            break;
        }
    }
    model_read_end(l->model, part, end);
    return true;
}

bool load_check(struct load *l, uint16_t port, bool everything)
{
    struct client c;
    l->port = port;
    if (!client_open(&c, port, 20000)) {
        model_violation(l->model, MODEL_BOOT, "it said ready and takes no connection");
        return false;
    }
    bool ok = check_topics(l, &c);
    if (ok && !l->fixed_topics_there) {
        ok = load_topics(l, 20000);
    }
    struct record_scratch scratch;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    for (uint32_t i = 0; ok && i < model_part_count(l->model); i++) {
        ok = check_part(l, &c, i, everything, &scratch);
    }
    record_scratch_deinit(&scratch);
    ok = ok && check_group(l, &c, l->group) && check_group(l, &c, l->member.group);
    if (!ok) {
        model_violation(l->model, MODEL_PROTOCOL, "the check after a restart failed: %s", c.why);
    } else {
        model_settle(l->model);
    }
    client_close(&c);
    return ok;
}
