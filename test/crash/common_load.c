/* The threads besides the writers, and what is common. See common_load.h. */
#include "common_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common_load_int.h"
#include "common_server.h"

static const struct load_kind kinds[LOAD_WRITERS] = {
    {"one in flight, small", false, 1, 1, 1, 100, 200, 0, -1, RECORD_CODEC_NONE, "small"},
    {"pipelined, mixed", false, 8, 1, 20, 100, 20000, 2, -1, RECORD_CODEC_NONE, "mixed"},
    {"idempotent, pipelined", true, 5, 1, 10, 100, 2000, 1, -1, RECORD_CODEC_NONE, "small"},
    {"idempotent, large", true, 2, 1, 1, 60000, 300000, 12, -1, RECORD_CODEC_NONE, "large"},
    {"many partitions in a request", false, 2, 3, 3, 100, 70000, 6, 1, RECORD_CODEC_NONE, "mixed"},
    {"idempotent, compressed", true, 3, 1, 50, 50, 500, 3, -1, RECORD_CODEC_LZ4, "mixed"},
    {"relaxed durability", false, 4, 1, 5, 100, 90000, 4, -1, RECORD_CODEC_NONE, "relaxed"},
    {"idempotent, trimmed", true, 4, 1, 10, 100, 20000, 2, -1, RECORD_CODEC_NONE, "trimmed"},
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
    for (size_t i = 0; i < LOAD_TOPICS; i++) {
        const struct load_topic *t = &load_fixed_topics[i];
        for (int32_t p = 0; p < t->partitions; p++) {
            l->trimmed = model_part_add(m, t->name, p, t->relaxed); /* the last one */
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
    l->admin_random = load_random(&l->random);
    for (uint32_t i = 0; i < LOAD_GROUPS; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "counters-%u", i);
        l->groups[i] = model_group_add(m, name);
    }
    l->setting = model_setting_add(m, "small");
    l->member.group = model_group_add(m, "members");
    l->member.random = load_random(&l->random);
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
    do {
        struct client c;
        int16_t code = client_open(&c, l->port, LOAD_TIMEOUT_MS) ? 0 : -99;
        for (uint32_t i = 0; code != -99 && !atomic_load(&l->stop); i++) {
            uint32_t group = l->groups[i % LOAD_GROUPS];
            int64_t number = model_commit(l->model, group);
            code = load_commit(l, &c, group, number, -1, "");
            if (code == 0) {
                model_committed(l->model, group, number);
            }
            sleep_ms((double)(number % 4));
        }
        load_lost(l, &c, "committer");
    } while (load_again(l));
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

/* False: this connection is of no more use. */
static bool consumer_part(struct load *l, uint32_t part,
                          const struct wire_fetch_response_partition *p,
                          struct record_scratch *scratch)
{
    if (p->error_code == 0) {
        consumer_records(l, part, p, scratch);
        return true;
    }
    if (atomic_load(&l->reads_may_fail)) {
        return true;
    }
    if (p->error_code != load_code_unknown || !l->disk_may_go) {
        model_violation(l->model, MODEL_PROTOCOL, "fetch of %s/%d at %lld: error %d",
                        model_part_topic(l->model, part), model_part_index(l->model, part),
                        (long long)l->position[part], p->error_code);
    }
    return false;
}

/* Its offset is out of range: it goes on where the log begins. */
static bool consumer_is_behind(struct load *l, struct client *c, uint32_t part)
{
    int64_t log_start;
    if (!load_log_start(l, c, part, &log_start)) {
        return false;
    }
    if (log_start <= l->position[part] && !model_part_relaxed(l->model, part)) {
        model_violation(l->model, MODEL_PROTOCOL, "fetch of %s/%d at %lld: error 1",
                        model_part_topic(l->model, part), model_part_index(l->model, part),
                        (long long)l->position[part]);
        return false;
    }
    l->position[part] = log_start;
    return true;
}

static bool consumer_fetch(struct load *l, struct client *c, struct record_scratch *scratch)
{
    struct wire_fetch_response r;
    bool ok = load_fetch(l, c, 0, model_part_count(l->model), l->position, 50, &r);
    int64_t bytes = 0;
    uint32_t behind[MODEL_PARTS], behind_count = 0;
    for (int32_t i = 0; ok && i < r.responses_count; i++) {
        for (int32_t j = 0; ok && j < r.responses[i].partitions_count; j++) {
            const struct wire_fetch_response_partition *p = &r.responses[i].partitions[j];
            uint32_t part = load_part_of(l, r.responses[i].topic, p->partition_index);
            bytes += p->records.n > 0 ? p->records.n : 0;
            if (part != UINT32_MAX && p->error_code == 1) {
                behind[behind_count++] = part;
            } else {
                ok = part == UINT32_MAX || consumer_part(l, part, p, scratch);
            }
        }
    }
    for (uint32_t i = 0; ok && i < behind_count; i++) {
        ok = consumer_is_behind(l, c, behind[i]);
    }
    if (ok && bytes == 0 && l->faulty) {
        memset(l->position, 0, sizeof(l->position));
        sleep_ms(10);
    }
    return ok;
}

static void *consumer_run(void *arg)
{
    struct load *l = arg;
    struct record_scratch scratch;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    do {
        struct client c;
        bool ok = client_open(&c, l->port, LOAD_TIMEOUT_MS);
        while (ok && !atomic_load(&l->stop)) {
            ok = consumer_fetch(l, &c, &scratch);
        }
        load_lost(l, &c, "consumer");
    } while (load_again(l));
    record_scratch_deinit(&scratch);
    return NULL;
}

/* ---- Together ---------------------------------------------------------------------------------
 */

bool load_again(struct load *l)
{
    if (!l->faulty || atomic_load(&l->stop)) {
        return false;
    }
    sleep_ms(20);
    return !atomic_load(&l->stop);
}

void load_lost(struct load *l, struct client *c, const char *who)
{
    if (c->strange) {
        model_violation(l->model, MODEL_PROTOCOL, "%s: %s", who, c->why);
    }
    atomic_fetch_add(&l->closed, c->why[0] != '\0');
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
    if (!l->no_admin) {
        start(&l->admin, load_admin_run, l);
    }
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
    if (!l->no_admin) {
        pthread_join(l->admin, NULL);
    }
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

/* A fetch was refused: true if the records there were deleted meanwhile. Whether the log may begin
 * where it does is judged with the answer. */
static bool check_skips(struct load *l, struct client *c, uint32_t part, int16_t code, int64_t at)
{
    int64_t log_start = -1;
    if (code == 1 && load_log_start(l, c, part, &log_start) && log_start > at) {
        return true;
    }
    model_violation(l->model, MODEL_PROTOCOL, "fetch of %s/%d at %lld: error %d",
                    model_part_topic(l->model, part), model_part_index(l->model, part),
                    (long long)at, code);
    return false;
}

static bool check_part(struct load *l, struct client *c, uint32_t part, bool everything,
                       struct record_scratch *scratch)
{
    int64_t at[MODEL_PARTS];
    int64_t end = INT64_MAX;
    at[part] = model_read_begin(l->model, part, everything);
    l->kept_bytes[part] = 0;
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
            end = p->high_watermark < 0 ? at[part] : p->high_watermark;
            if (!check_skips(l, c, part, p->error_code, at[part])) {
                break;
            }
            at[part] = model_read_begin(l->model, part, everything);
            end = INT64_MAX;
            continue;
        }
        end = p->high_watermark;
        l->kept_bytes[part] += p->records.n > 0 ? p->records.n : 0;
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
    bool ok = load_check_topics(l, &c);
    if (ok && !l->fixed_topics_there) {
        ok = load_topics(l, 20000);
    }
    ok = ok && load_check_start(l, &c) && load_check_setting(l, &c);
    struct record_scratch scratch;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    for (uint32_t i = 0; ok && i < model_part_count(l->model); i++) {
        ok = check_part(l, &c, i, everything, &scratch);
    }
    record_scratch_deinit(&scratch);
    for (uint32_t i = 0; ok && i < LOAD_GROUPS; i++) {
        ok = check_group(l, &c, l->groups[i]);
    }
    ok = ok && check_group(l, &c, l->member.group);
    if (!ok) {
        model_violation(l->model, MODEL_PROTOCOL, "the check after a restart failed: %s", c.why);
    } else {
        model_settle(l->model);
    }
    client_close(&c);
    return ok;
}
