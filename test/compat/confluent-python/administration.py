"""Administration of topics, configuration and groups."""

import time

from basics import admin, consumer, create, error_name, produce, read, result_of, topic
from confluent_kafka import (ConsumerGroupState, ConsumerGroupTopicPartitions, ElectionType, KafkaException,
                             TopicCollection, TopicPartition)
from confluent_kafka.admin import (AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewPartitions,
                                   ResourceType)
from pydriver import wait_for


def topic_admin(setting, facts):
    client = admin(setting)
    name, fresh = setting.prefix + "-topic", setting.prefix + "-refused"

    def refused(label, *arguments, **more):
        facts.fact("create." + label, error_name(lambda: create(client, *arguments, **more)))

    refused("new", name, 3, {"retention.ms": "3600000"})
    refused("exists", name, 3)
    refused("bad name", "a/b")
    refused("name ..", "..")
    refused("name of 250", "n" * 250)
    refused("three replicas", fresh, 1, replicas=3)
    refused("unknown config", fresh, 1, {"no.such": "1"})
    refused("bad value", fresh, 1, {"retention.ms": "soon"})
    refused("bad enum", fresh, 1, {"compression.type": "rar"})
    refused("out of range", fresh, 1, {"segment.bytes": "1"})
    refused("validate only", fresh, 1, validate_only=True)
    facts.fact("create.not made", error_name(
        lambda: result_of(client.describe_topics(TopicCollection([fresh])))))
    wait_for("the topic", 10, lambda: name in client.list_topics().topics)
    known = result_of(client.describe_topics(TopicCollection([name])))
    facts.fact("describe", [len(known.partitions), known.is_internal, len(known.partitions[0].replicas),
                            len(known.partitions[0].isr)])

    def grow(label, count, which=name, **more):
        facts.fact("partitions." + label, error_name(
            lambda: result_of(client.create_partitions([NewPartitions(which, count)], **more))))
    grow("validate only", 9, validate_only=True)
    grow("to 5", 5)
    grow("to 5 again", 5)
    grow("to 4", 4)
    grow("unknown topic", 4, setting.prefix + "-none")
    wait_for("five partitions", 10, lambda: len(client.list_topics(name).topics[name].partitions) == 5)
    produce(setting, name, range(3), 4)
    facts.fact("delete", error_name(lambda: result_of(client.delete_topics([name]))))
    facts.fact("delete again", error_name(lambda: result_of(client.delete_topics([name]))))
    wait_for("its end", 10, lambda: name not in client.list_topics().topics)
    refused("again", name)


def show(entry):
    return [entry.value, ConfigSource(entry.source).name, entry.is_read_only, entry.is_sensitive, entry.is_default]


def config_admin(setting, facts):
    client = admin(setting)
    name = topic(setting, client, "config", 1, retention_ms="7200000")

    def config(which=name, kind=ResourceType.TOPIC):
        return result_of(client.describe_configs([ConfigResource(kind, which)], request_timeout=5))

    for key in ("cleanup.policy", "compression.type", "max.message.bytes", "message.timestamp.type", "retention.bytes",
                "retention.ms", "segment.bytes", "segment.ms"):
        facts.fact("topic default " + key, show(config()[key]))

    def alter(label, *entries, which=name):
        made = [ConfigEntry(key, value, incremental_operation=operation) for key, value, operation in entries]
        resource = ConfigResource(ResourceType.TOPIC, which, incremental_configs=made)
        result = error_name(lambda: result_of(client.incremental_alter_configs([resource])))
        facts.fact("alter." + label, result)
        if result == "ok":
            time.sleep(0.4)  # Kafka answers when its controller has it; its broker shows it a moment later

    put, drop, append = AlterConfigOpType.SET, AlterConfigOpType.DELETE, AlterConfigOpType.APPEND
    alter("set", ("max.message.bytes", "2000000", put))
    facts.fact("set shows", show(config()["max.message.bytes"]))
    facts.fact("others stay", show(config()["retention.ms"]))
    alter("delete", ("max.message.bytes", None, drop))
    facts.fact("delete shows", show(config()["max.message.bytes"]))
    alter("append delete", ("cleanup.policy", "delete", append))
    alter("append to no list", ("retention.ms", "1", append))
    alter("unknown key", ("no.such.key", "1", put))
    alter("bad value", ("retention.ms", "later", put))
    alter("unknown topic", ("retention.ms", "1", put), which=setting.prefix + "-none")
    # The old request names every key: what it leaves out returns to its default.
    alter("set again", ("max.message.bytes", "2000000", put))
    old = ConfigResource(ResourceType.TOPIC, name, set_config={"retention.ms": "1000000"})
    facts.fact("alter the old way", error_name(lambda: result_of(client.alter_configs([old]))))
    time.sleep(0.4)
    facts.fact("old way shows", [show(config()["retention.ms"]), show(config()["max.message.bytes"])])
    facts.fact("describe unknown topic", error_name(lambda: config(setting.prefix + "-none")))
    broker = str(next(iter(client.list_topics().brokers)))
    known = config(broker, ResourceType.BROKER)
    for key in ("auto.create.topics.enable", "message.max.bytes", "num.partitions", "log.retention.hours"):
        facts.fact("broker " + key, show(known[key]))


def describe_cluster(setting, facts):
    client = admin(setting)
    known = client.describe_cluster().result(10)
    facts.fact("nodes", len(known.nodes))
    facts.fact("controller is a node", known.controller.id in [node.id for node in known.nodes])
    facts.fact("address", "%s:%d" % (known.nodes[0].host, known.nodes[0].port) == setting.bootstrap)
    facts.fact("has an id", bool(known.cluster_id))
    name = topic(setting, client, "described")

    def elect(kind):
        for problem in client.elect_leaders(kind, [TopicPartition(name, 0)]).result(10).values():
            if problem is not None:
                raise KafkaException(problem)
    facts.fact("preferred election", error_name(lambda: elect(ElectionType.PREFERRED)))
    facts.fact("unclean election", error_name(lambda: elect(ElectionType.UNCLEAN)))


def group_admin(setting, facts):
    client = admin(setting)
    name = topic(setting, client, "groups", 2)
    produce(setting, name, range(10))
    group = setting.prefix + "-group"
    part = TopicPartition(name, 0)

    def listed(states=None):
        found = client.list_consumer_groups(states=states or set()).result(10).valid
        return [(each.state.name, each.is_simple_consumer_group) for each in found if each.group_id == group]

    def delete(which):
        return error_name(lambda: result_of(client.delete_consumer_groups([which])))

    def alter(offset, metadata=""):
        asked = [ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, offset, metadata)])]
        for each in result_of(client.alter_consumer_group_offsets(asked)).topic_partitions:
            if each.error:
                raise KafkaException(each.error)

    facts.fact("describe unknown", error_name(lambda: result_of(client.describe_consumer_groups([group + "-none"]))))
    facts.fact("delete unknown", delete(group + "-none"))
    source = consumer(setting, group, client_id="reader")
    source.subscribe([name])
    read(source, 10)
    source.commit(asynchronous=False)
    known = result_of(client.describe_consumer_groups([group]))
    member = known.members[0]
    facts.fact("stable", [known.state.name, known.partition_assignor, member.client_id,
                          len(member.assignment.topic_partitions), member.member_id.startswith("reader-")])
    facts.fact("listed", listed())
    facts.fact("listed stable", listed({ConsumerGroupState.STABLE}))
    facts.fact("listed as empty", listed({ConsumerGroupState.EMPTY}))
    facts.fact("delete while in use", delete(group))
    facts.fact("alter offsets while in use", error_name(lambda: alter(1)))
    source.close()
    facts.fact("listed empty", listed({ConsumerGroupState.EMPTY}))
    facts.fact("alter offsets", error_name(lambda: alter(4, "by hand")))
    got = result_of(client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [part])]))
    facts.fact("offsets", [[each.offset, each.metadata] for each in got.topic_partitions])
    facts.fact("delete", delete(group))
    facts.fact("listed afterwards", listed())


SCENARIOS = {
    "topic-admin": topic_admin,
    "config-admin": config_admin,
    "describe-cluster": describe_cluster,
    "group-admin": group_admin,
}
