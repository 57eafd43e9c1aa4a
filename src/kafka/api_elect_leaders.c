/*
 * ElectLeaders (key 43, v0-2; KIP-183, KIP-460). The only node leads everything, so no election is
 * ever needed: ELECTION_NOT_NEEDED for each partition that is asked for. As in Kafka, a request for
 * all partitions (null) names the topics and leaves out the partitions that need none: all of them.
 *
 * Errors: INVALID_REQUEST (a kind of election that does not exist); of one partition
 * UNKNOWN_TOPIC_OR_PARTITION, ELECTION_NOT_NEEDED.
 */
#include "kafka/admin.h"
#include "wire/gen/all.h"

enum { ELECTION_PREFERRED = 0, ELECTION_UNCLEAN = 1 };

static bool all_topics(struct kafka *k, struct kafka_request *r,
                       struct wire_elect_leaders_response *res)
{
    size_t n = 0;
    struct topic **all = broker_topics(k->s.broker, r->arena, &n);
    res->replica_election_results =
        WIRE_NEW_N(r->arena, wire_elect_leaders_response_topic, (int64_t)n);
    if (all == NULL || res->replica_election_results == NULL) {
        return false;
    }
    res->replica_election_results_count = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        res->replica_election_results[i].topic = all[i]->name;
    }
    return true;
}

static void one_partition(struct kafka *k, struct kafka_request *r, struct str topic, int32_t index,
                          struct wire_elect_leaders_response_partition *out)
{
    enum err e;
    struct ectx ec = {.code = ERR_OK};
    struct topic *t = kafka_topic_find(k, false, topic, (struct uuid){{0}}, &e);
    if (t == NULL) {
        e = ectx_fail(&ec, e, "No such topic as %.*s", STR(topic));
    } else if (broker_partition(t, index) == NULL) {
        e = ectx_fail(&ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "No such partition as %.*s-%d",
                      STR(topic), index);
    } else {
        e = ERR_ELECTION_NOT_NEEDED;
    }
    out->partition_id = index;
    out->error_code = err_kafka(e);
    out->error_message = kafka_error_message(r->arena, e, &ec);
}

static bool named(struct kafka *k, struct kafka_request *r, bool invalid,
                  struct wire_elect_leaders_response *res)
{
    const struct wire_elect_leaders_request *req = r->body;
    res->replica_election_results =
        WIRE_NEW_N(r->arena, wire_elect_leaders_response_topic, req->topic_partitions_count);
    if (res->replica_election_results == NULL) {
        return false;
    }
    res->replica_election_results_count = req->topic_partitions_count;
    for (int32_t i = 0; i < req->topic_partitions_count; i++) {
        const struct wire_elect_leaders_request_topic *t = &req->topic_partitions[i];
        struct wire_elect_leaders_response_topic *out = &res->replica_election_results[i];
        out->topic = t->topic;
        out->partition_result =
            WIRE_NEW_N(r->arena, wire_elect_leaders_response_partition, t->partitions_count);
        if (out->partition_result == NULL) {
            return false;
        }
        out->partition_result_count = t->partitions_count;
        for (int32_t j = 0; j < t->partitions_count; j++) {
            struct wire_elect_leaders_response_partition *p = &out->partition_result[j];
            if (invalid) {
                p->partition_id = t->partitions[j];
                p->error_code = err_kafka(ERR_INVALID_REQUEST);
                p->error_message = STR_LIT("Unknown election type");
            } else {
                one_partition(k, r, t->topic, t->partitions[j], p);
            }
        }
    }
    return true;
}

KAFKA_HANDLER(api_elect_leaders)
{
    const struct wire_elect_leaders_request *req = r->body;
    struct wire_elect_leaders_response res;
    WIRE_INIT(wire_elect_leaders_response, &res);
    bool invalid =
        req->election_type != ELECTION_PREFERRED && req->election_type != ELECTION_UNCLEAN;
    res.error_code = invalid ? err_kafka(ERR_INVALID_REQUEST) : 0;
    bool ok = true;
    if (req->topic_partitions_count >= 0) {
        ok = named(k, r, invalid, &res);
    } else if (!invalid) {
        ok = all_topics(k, r, &res);
    }
    if (!ok) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(r, &res);
}
