/*
 * DeleteTopics (key 20, v1-6). By name, or (v6) by name or id. The answer comes when the deletions
 * are durable; from the moment of the request the topics are gone for everybody.
 *
 * Errors of one topic: INVALID_REQUEST (neither or both of name and id, given twice, a name and an
 * id of the same topic), UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, TOPIC_DELETION_DISABLED
 * (before v3: INVALID_REQUEST).
 */
#include "kafka/admin.h"
#include "wire/gen/all.h"

struct delete_work {
    struct kafka *k;
    struct kafka_request *r;
    struct wire_delete_topics_response *res;
    struct map names, ids; /* times each was given; only while the request is taken apart */
    int32_t pending;
};
struct delete_part {
    struct kafka_continuation ready;
    struct delete_work *work;
    struct wire_delete_topics_response_topic *out;
    bool wanted; /* false: answered already */
};

static struct str id_key(const struct uuid *id)
{
    return str_make(id->b, sizeof(id->b));
}

static void answer(struct wire_delete_topics_response_topic *out, enum err e, struct str message)
{
    out->error_code = err_kafka(e);
    out->error_message = message;
}

static void on_deleted(void *ctx, enum err e, const struct ectx *ec)
{
    struct delete_part *part = ctx;
    struct delete_work *w = part->work;
    answer(part->out, e, kafka_error_message(w->r->arena, e, ec));
    if (--w->pending == 0) {
        kafka_reply(w->r, w->res);
    }
}

static void start(struct kafka_continuation *ready)
{
    struct delete_part *part = CONTAINER_OF(ready, struct delete_part, ready);
    struct delete_work *w = part->work;
    struct topic *t = broker_topic_by_id(w->k->s.broker, part->out->topic_id);
    if (t == NULL) { /* another request was faster */
        on_deleted(part, ERR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
        return;
    }
    struct ectx ec = {.code = ERR_OK};
    enum err e = broker_client_may(w->k->s.broker, t->name, "delete", STR_NULL, &ec);
    if (e != ERR_OK) {
        on_deleted(part, e, &ec);
    } else {
        broker_topic_delete(w->k->s.broker, t, on_deleted, part);
    }
}

/* Name and id of the i-th topic that the request names, whatever its version. */
static struct wire_delete_topics_request_topic wanted(const struct kafka_request *r, int32_t i)
{
    const struct wire_delete_topics_request *req = r->body;
    if (r->version >= 6) {
        return req->topics[i];
    }
    return (struct wire_delete_topics_request_topic){.name = req->topic_names[i]};
}

static bool count_times(struct delete_work *w, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct wire_delete_topics_request_topic want = wanted(w->r, i);
        bool has_id = !uuid_is_zero(want.topic_id);
        if (!str_is_null(want.name) && !has_id && !kafka_seen_add(&w->names, want.name)) {
            return false;
        }
        if (str_is_null(want.name) && has_id && !kafka_seen_add(&w->ids, id_key(&want.topic_id))) {
            return false;
        }
    }
    return true;
}

static void look_up(struct delete_work *w, struct delete_part *part, bool by_id)
{
    struct wire_delete_topics_response_topic *out = part->out;
    enum err e;
    struct topic *t = kafka_topic_find(w->k, by_id, out->name, out->topic_id, &e);
    if (t == NULL) {
        answer(out, e, kafka_error_text(e));
        return;
    }
    bool also_by_id = !by_id && kafka_seen_count(&w->ids, id_key(&t->id)) > 0;
    out->topic_id = t->id;
    if (also_by_id) {
        answer(out, ERR_INVALID_REQUEST,
               STR_LIT("The provided topic name maps to an ID that was already supplied."));
        return;
    }
    if (by_id) {
        out->name = arena_str(w->r->arena, t->name);
    }
    part->wanted = true;
}

/* false: it is another mention of one that is answered already. */
static bool prepare(struct delete_work *w, const struct wire_delete_topics_request_topic *want,
                    struct delete_part *part)
{
    struct wire_delete_topics_response_topic *out = part->out;
    bool has_id = !uuid_is_zero(want->topic_id);
    bool has_name = !str_is_null(want->name);
    out->name = want->name;
    out->topic_id = want->topic_id;
    if (has_id == has_name) {
        answer(out, ERR_INVALID_REQUEST,
               has_id ? STR_LIT("You may not specify both topic name and topic id.")
                      : STR_LIT("Neither topic name nor id were specified."));
        return true;
    }
    struct map *seen = has_id ? &w->ids : &w->names;
    struct str key = has_id ? id_key(&want->topic_id) : want->name;
    size_t times = kafka_seen_count(seen, key);
    if (times == 0) {
        return false;
    }
    if (times > 1) {
        map_remove(seen, key);
        answer(out, ERR_INVALID_REQUEST,
               has_id ? STR_LIT("Duplicate topic id.") : STR_LIT("Duplicate topic name."));
        return true;
    }
    look_up(w, part, has_id);
    return true;
}

static int32_t prepare_all(struct delete_work *w, struct delete_part *parts, int32_t count)
{
    int32_t n = 0;
    if (!count_times(w, count)) {
        return -1;
    }
    for (int32_t i = 0; i < count; i++) {
        struct wire_delete_topics_request_topic want = wanted(w->r, i);
        parts[n] = (struct delete_part){.work = w, .out = &w->res->responses[n]};
        n += prepare(w, &want, &parts[n]) ? 1 : 0;
    }
    return n;
}

static void refuse_all(struct delete_work *w, int32_t count)
{
    enum err e = w->r->version < 3 ? ERR_INVALID_REQUEST : ERR_TOPIC_DELETION_DISABLED;
    for (int32_t i = 0; i < count; i++) {
        struct wire_delete_topics_request_topic want = wanted(w->r, i);
        w->res->responses[i].name = want.name;
        w->res->responses[i].topic_id = want.topic_id;
        answer(&w->res->responses[i], e, kafka_error_text(ERR_TOPIC_DELETION_DISABLED));
    }
    w->res->responses_count = count;
    kafka_reply(w->r, w->res);
}

static void run(struct delete_work *w, struct delete_part *parts, int32_t count)
{
    map_init(&w->names);
    map_init(&w->ids);
    int32_t n = prepare_all(w, parts, count);
    map_deinit(&w->names);
    map_deinit(&w->ids);
    if (n < 0) {
        kafka_close(w->r, KAFKA_NO_BUDGET);
        return;
    }
    w->res->responses_count = n;
    w->pending = 1;
    for (int32_t i = 0; i < n; i++) {
        if (parts[i].wanted) {
            w->pending++;
            kafka_when_ready(w->k, &parts[i].ready, start);
        }
    }
    if (--w->pending == 0) {
        kafka_reply(w->r, w->res);
    }
}

KAFKA_HANDLER(api_delete_topics)
{
    const struct wire_delete_topics_request *req = r->body;
    int32_t count = r->version >= 6 ? req->topics_count : req->topic_names_count;
    struct delete_work *w = arena_new(r->arena, struct delete_work);
    struct wire_delete_topics_response *res =
        arena_new(r->arena, struct wire_delete_topics_response);
    struct wire_delete_topics_response_topic *topics =
        WIRE_NEW_N(r->arena, wire_delete_topics_response_topic, count);
    struct delete_part *parts =
        topics == NULL ? NULL : arena_new_n(r->arena, struct delete_part, (size_t)count + 1);
    if (w == NULL || res == NULL || parts == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    WIRE_INIT(wire_delete_topics_response, res);
    res->responses = topics;
    *w = (struct delete_work){.k = k, .r = r, .res = res};
    if (!config_bool(k->s.config, NULL, "delete.topic.enable")) {
        refuse_all(w, count);
        return;
    }
    run(w, parts, count);
}
