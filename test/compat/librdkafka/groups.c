/* Members that join, leave, vanish and return. A member is a client that the scenario polls in turn
 * with the others, so that no threads are needed; librdkafka sends the heartbeats by itself. */
#include "common.h"

#include <stdio.h>
#include <string.h>

struct member {
    rd_kafka_t *client;
    int assigned;        /* number of partitions */
    uint64_t partitions; /* which ones, one bit each */
    int rebalances;      /* times that the assignment changed */
    int count;           /* records read and committed */
    uint64_t seen[8];    /* offsets read, one bit each, of partitions 0 to 7 */
    rd_kafka_resp_err_t failure;
};

static void poll_member(struct member *member, int milliseconds)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_message_t *message = rd_kafka_consumer_poll(member->client, milliseconds);
    if (message && !message->err) {
        member->count++;
        if (message->partition < 8 && message->offset < 64) {
            member->seen[message->partition] |= 1ULL << message->offset;
        }
        rd_kafka_commit_message(member->client, message, 0);
    } else if (message && message->err != RD_KAFKA_RESP_ERR__TRANSPORT &&
               message->err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        member->failure = message->err;
    }
    if (message) {
        rd_kafka_message_destroy(message);
    }
    char problem[256];
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(member->client, problem, sizeof problem);
    if (fatal) {
        member->failure = fatal;
    }
    if (rd_kafka_assignment(member->client, &list) == RD_KAFKA_RESP_ERR_NO_ERROR && list) {
        uint64_t partitions = 0;
        for (int i = 0; i < list->cnt; i++) {
            partitions |= 1ULL << list->elems[i].partition;
        }
        member->rebalances += partitions != member->partitions;
        member->partitions = partitions;
        member->assigned = list->cnt;
        rd_kafka_topic_partition_list_destroy(list);
    }
}

static struct member join(const struct setting *setting, const char *group, const char *topic,
                          const char *const *more)
{
    struct member member = {.client = consumer_new(setting, group, more)};
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(member.client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return member;
}

static void wait_sizes(struct member *a, int count, struct member *b, int other)
{
    int64_t end = now_ms() + 40000;
    while (a->assigned != count || (b && b->assigned != other)) {
        if (now_ms() > end) {
            fail("assignments are %d and %d instead of %d and %d", a->assigned, b ? b->assigned : 0,
                 count, other);
        }
        poll_member(a, 20);
        if (b) {
            poll_member(b, 20);
        }
    }
}

/* Gives up its partitions, then closes: of a cooperative member close() alone may end the client
 * before it has told the group (librdkafka 2.0), and then it stays a member until its session times
 * out. */
static void leave(struct member *member)
{
    rd_kafka_unsubscribe(member->client);
    wait_sizes(member, 0, NULL, 0);
    consumer_end(member->client);
}

static int distinct(const struct member *a, const struct member *b)
{
    int count = 0;
    for (int i = 0; i < 8; i++) {
        count += __builtin_popcountll(a->seen[i] | b->seen[i]);
    }
    return count;
}

static void wait_distinct(struct member *a, const struct member *b, int count)
{
    int64_t end = now_ms() + 20000;
    while (distinct(a, b) < count && now_ms() < end) {
        poll_member(a, 10);
    }
}

static void wait_count(struct member *a, struct member *b, int count)
{
    int64_t end = now_ms() + 20000;
    while (a->count + (b ? b->count : 0) < count && now_ms() < end) {
        poll_member(a, 10);
        if (b && b->client) {
            poll_member(b, 10);
        }
    }
}

static const char *state_in_the_end(rd_kafka_t *client, const char *group)
{
    const struct rd_kafka_group_list *known;
    const char *state = "?";
    for (int i = 0; i < 100 && strcmp(state, "Empty 0") != 0; i++) {
        if (rd_kafka_list_groups(client, group, &known, 10000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (known->group_cnt == 1) {
                state = text("%s %d", known->groups[0].state, known->groups[0].member_cnt);
            }
            rd_kafka_group_list_destroy(known);
        }
        sleep_ms(50);
    }
    return state;
}

static void join_leave(const struct setting *setting)
{
    const char *const assignors[] = {"range", "roundrobin", "cooperative-sticky"};
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    for (int i = 0; i < 3; i++) {
        char topic[128], group[128];
        snprintf(topic, sizeof topic, "%s",
                 topic_new(admin, setting, text("join-%s", assignors[i]), 6, NULL));
        snprintf(group, sizeof group, "%s-join-%s", setting->prefix, assignors[i]);
        const char *const *how = CONF("partition.assignment.strategy", assignors[i],
                                      "heartbeat.interval.ms", "300", "session.timeout.ms", "6000");
        struct member a = join(setting, group, topic, how);
        wait_sizes(&a, 6, NULL, 0);
        struct member b = join(setting, group, topic, how);
        wait_sizes(&a, 3, &b, 3);
        fact_json(text("%s.two share", assignors[i]), "[%d, %d, %s]", a.assigned, b.assigned,
                  (a.partitions | b.partitions) == 0x3f ? "true" : "false");
        for (int32_t partition = 0; partition < 6; partition++) {
            produce_samples(setting, topic, partition, 0, 10);
        }
        wait_count(&a, &b, 60);
        fact_json(text("%s.each read half", assignors[i]), "[%d, %d]", a.count, b.count);
        leave(&b);
        b.client = NULL;
        wait_sizes(&a, 6, NULL, 0);
        produce_samples(setting, topic, 3, 10, 5);
        /* Distinct records: before 2.4 librdkafka may read again from where it began before the
         * rebalance, although it was told the committed offset (confluentinc/librdkafka issue
         * 4637). Other clients count repetitions. */
        wait_distinct(&a, &b, 65);
        fact_number(text("%s.all were read", assignors[i]), distinct(&a, &b));
        fact_json(text("%s.failures", assignors[i]), "[%d, %d]", a.failure, b.failure);
        leave(&a);
        fact_text(text("%s.afterwards", assignors[i]), state_in_the_end(admin, group));
    }
    rd_kafka_destroy(admin);
}

static void member_dies(const struct setting *setting)
{
    struct setting through = *setting;
    through.bootstrap = setting->cut;
    char topic[128], group[128];
    rd_kafka_t *admin = producer_new(setting->cut, NULL);
    snprintf(topic, sizeof topic, "%s", topic_new(admin, &through, "dies", 6, NULL));
    snprintf(group, sizeof group, "%s-dies", setting->prefix);
    struct member a = join(&through, group, topic,
                           CONF("session.timeout.ms", "6000", "heartbeat.interval.ms", "500"));
    wait_sizes(&a, 6, NULL, 0);
    struct member b = join(&through, group, topic,
                           CONF("session.timeout.ms", "6000", "heartbeat.interval.ms", "500",
                                "client.id", text("die.12.6.%s", setting->prefix)));
    wait_sizes(&a, 3, &b, 3);
    fact_json("two share", "[%d, %d]", a.assigned, b.assigned);
    wait_sizes(&a, 6, NULL, 0);
    fact_number("one is left", a.assigned);
    fact_number("failure", a.failure);
    leave(&a);
    /* b believes that it is alive; closing it would wait for answers that never come. It ends with
     * this process. */
    rd_kafka_destroy(admin);
}

static void static_members(const struct setting *setting)
{
    char topic[128], group[128];
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    snprintf(topic, sizeof topic, "%s", topic_new(admin, setting, "static", 6, NULL));
    snprintf(group, sizeof group, "%s-static", setting->prefix);
    const char *const *one = CONF("group.instance.id", "one", "session.timeout.ms", "20000",
                                  "heartbeat.interval.ms", "300");
    const char *const *two = CONF("group.instance.id", "two", "session.timeout.ms", "20000",
                                  "heartbeat.interval.ms", "300");
    struct member a = join(setting, group, topic, one);
    wait_sizes(&a, 6, NULL, 0);
    struct member b = join(setting, group, topic, two);
    wait_sizes(&a, 3, &b, 3);
    uint64_t before = b.partitions;
    int rebalances = a.rebalances;
    leave(&b);
    struct member again = join(setting, group, topic, two);
    wait_sizes(&a, 3, &again, 3);
    fact_bool("same partitions", again.partitions == before);
    fact_bool("no rebalance", a.rebalances == rebalances);
    struct member twin = join(setting, group, topic, two);
    for (int64_t end = now_ms() + 20000; !again.failure && now_ms() < end;) {
        poll_member(&again, 50);
        poll_member(&twin, 20);
        poll_member(&a, 20);
    }
    fact_error("the double", again.failure);
    wait_sizes(&a, 3, &twin, 3);
    fact_number("the newer one stays", twin.assigned);
    leave(&again);
    leave(&twin);
    leave(&a);
    rd_kafka_destroy(admin);
}

const struct scenario group_scenarios[] = {
    {"group-join-leave", join_leave, NULL},
    {"group-member-dies", member_dies, NULL},
    {"group-static-members", static_members, NULL},
    {NULL, NULL, NULL},
};
