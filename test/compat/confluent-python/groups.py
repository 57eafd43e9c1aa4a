"""Members that join, leave, vanish and return."""

import time

from basics import Member, admin, consumer, produce, topic, wait_sizes
from confluent_kafka import TopicPartition
from pydriver import wait_for


def described(client, group):
    return client.describe_consumer_groups([group])[group].result(10)


def join_leave(setting, facts):
    client = admin(setting)
    for assignor in ("range", "roundrobin", "cooperative-sticky"):
        name = topic(setting, client, "join-" + assignor, 6)
        group = "%s-join-%s" % (setting.prefix, assignor)
        how = {"partition_assignment_strategy": assignor, "heartbeat_interval_ms": 300, "session_timeout_ms": 6000}
        a = Member(setting, name, group, **how)
        wait_sizes(a, 6)
        b = Member(setting, name, group, **how)
        wait_sizes(a, 3, b, 3)
        facts.fact(assignor + ".two share", [len(a.assigned), len(b.assigned), len(a.assigned | b.assigned)])
        for partition in range(6):
            produce(setting, name, range(10), partition)
        wait_for("all records", 20, lambda: a.count + b.count >= 60)
        facts.fact(assignor + ".each read half", [a.count, b.count])
        known = described(client, group)
        facts.fact(assignor + ".described", [known.state.name, len(known.members), known.partition_assignor])
        b.close()
        wait_sizes(a, 6)
        produce(setting, name, range(10, 15), 3)
        wait_for("the rest", 20, lambda: len(a.seen | b.seen) >= 65)
        facts.fact(assignor + ".nothing twice", a.count + b.count)
        a.close()
        facts.fact(assignor + ".failures", [a.failure, b.failure])
        known = described(client, group)
        facts.fact(assignor + ".afterwards", [known.state.name, len(known.members)])
        source = consumer(setting, group)
        facts.fact(assignor + ".committed", [part.offset for part in source.committed(
            [TopicPartition(name, partition) for partition in range(6)], 10)])
        source.close()
    name = topic(setting, client, "join-inconsistent", 2)
    group = setting.prefix + "-join-inconsistent"
    a = Member(setting, name, group, partition_assignment_strategy="range")
    wait_sizes(a, 2)
    b = Member(setting, name, group, partition_assignment_strategy="roundrobin")
    wait_for("a refusal", 20, lambda: b.failure is not None)
    facts.fact("inconsistent protocols", b.failure)
    a.close()
    b.close()


def member_dies(setting, facts):
    client = admin(setting, setting.cut)
    name = topic(setting, client, "dies", 6)
    group = setting.prefix + "-dies"
    how = {"bootstrap_servers": setting.cut, "session_timeout_ms": 6000, "heartbeat_interval_ms": 500}
    a = Member(setting, name, group, **how)
    wait_sizes(a, 6)
    b = Member(setting, name, group, client_id="die.12.6." + setting.prefix, **how)
    wait_sizes(a, 3, b, 3)
    facts.fact("two share", [len(a.assigned), len(b.assigned)])
    wait_sizes(a, 6)
    facts.fact("one is left", len(a.assigned))
    facts.fact("members", len(described(client, group).members))
    b.abandon()
    a.close()
    facts.fact("failure", a.failure)


def static_members(setting, facts):
    client = admin(setting)
    name = topic(setting, client, "static", 6)
    group = setting.prefix + "-static"
    how = {"session_timeout_ms": 20000, "heartbeat_interval_ms": 300}
    a = Member(setting, name, group, group_instance_id="one", **how)
    wait_sizes(a, 6)
    b = Member(setting, name, group, group_instance_id="two", **how)
    wait_sizes(a, 3, b, 3)
    before, rebalances = b.assigned, a.rebalances
    b.close()
    time.sleep(1.5)
    facts.fact("no rebalance when it goes", [a.rebalances == rebalances, len(a.assigned)])
    again = Member(setting, name, group, group_instance_id="two", **how)
    wait_sizes(a, 3, again, 3)
    facts.fact("same partitions", again.assigned == before)
    facts.fact("no rebalance when it returns", a.rebalances == rebalances)
    facts.fact("instances", sorted(m.group_instance_id for m in described(client, group).members))
    twin = Member(setting, name, group, group_instance_id="two", **how)
    wait_for("the fence", 20, lambda: again.failure is not None)
    facts.fact("the double", again.failure)
    wait_sizes(a, 3, twin, 3)
    facts.fact("the newer one stays", len(twin.assigned))
    twin.close()
    a.close()
    facts.fact("failure", a.failure)


SCENARIOS = {"group-join-leave": join_leave, "group-member-dies": member_dies, "group-static-members": static_members}
