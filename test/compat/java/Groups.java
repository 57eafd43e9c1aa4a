package compat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;

/** Members that join, leave, vanish and return. */
final class Groups {
    private static final Map<String, String> ASSIGNORS = Map.of(
        "range", "org.apache.kafka.clients.consumer.RangeAssignor",
        "roundrobin", "org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

    private Groups() {
    }

    static void add(Map<String, Driver.Scenario> all) {
        all.put("group-join-leave", Groups::joinLeave);
        all.put("group-member-dies", Groups::memberDies);
        all.put("group-static-members", Groups::staticMembers);
    }

    private static void waitSizes(int a, Member first, int b, Member second) throws Exception {
        Setting.waitFor("assignments of " + a + " and " + b, 40, () ->
            first.assigned.size() == a && (second == null || second.assigned.size() == b));
    }

    private static void joinLeave(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            for (String assignor : new TreeSet<>(ASSIGNORS.keySet())) {
                String topic = setting.topic(admin, "join-" + assignor, 6);
                String group = setting.prefix + "-join-" + assignor;
                Object[] how = {"group.id", group, "auto.offset.reset", "earliest", "heartbeat.interval.ms", 300,
                    "session.timeout.ms", 6000, "partition.assignment.strategy", ASSIGNORS.get(assignor)};
                Member a = new Member(setting, topic, how);
                waitSizes(6, a, 0, null);
                facts.fact(assignor + ".alone", a.assigned.size());
                Member b = new Member(setting, topic, how);
                waitSizes(3, a, 3, b);
                Set<Integer> both = new TreeSet<>(a.assigned);
                both.addAll(b.assigned);
                facts.fact(assignor + ".two share", List.of(a.assigned.size(), b.assigned.size(), both.size()));
                for (int partition = 0; partition < 6; partition++) {
                    setting.produce(topic, partition, 0, 10);
                }
                Setting.waitFor("all records", 20, () -> a.count.get() + b.count.get() >= 60);
                facts.fact(assignor + ".each read half", List.of(a.count.get(), b.count.get()));
                var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
                facts.fact(assignor + ".described", List.of(described.groupState().toString(), described.members().size(),
                    described.partitionAssignor(), described.type().toString(), described.isSimpleConsumerGroup()));
                b.close();
                waitSizes(6, a, 0, null);
                facts.fact(assignor + ".one left", a.assigned.size());
                setting.produce(topic, 3, 10, 5);
                Setting.waitFor("the rest", 20, () -> a.read.size() + b.read.size() >= 65);
                facts.fact(assignor + ".nothing twice", a.count.get() + b.count.get() == 65);
                a.close();
                facts.fact(assignor + ".failures", String.valueOf(a.failure) + " " + b.failure);
                described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
                facts.fact(assignor + ".afterwards", List.of(described.groupState().toString(), described.members().size()));
                List<Long> committed = new ArrayList<>();
                var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
                for (int partition = 0; partition < 6; partition++) {
                    var tp = new org.apache.kafka.common.TopicPartition(topic, partition);
                    committed.add(offsets.containsKey(tp) ? offsets.get(tp).offset() : -1);
                }
                facts.fact(assignor + ".committed", committed);
            }
            // A pattern subscription would meet other runs' topics; a second topic is the same code.
            String topic = setting.topic(admin, "join-inconsistent", 2);
            String group = setting.prefix + "-join-inconsistent";
            try (Member a = new Member(setting, topic, "group.id", group, "partition.assignment.strategy",
                    ASSIGNORS.get("range"))) {
                waitSizes(2, a, 0, null);
                Member b = new Member(setting, topic, "group.id", group, "partition.assignment.strategy",
                    ASSIGNORS.get("roundrobin"));
                Setting.waitFor("a refusal", 20, () -> b.failure != null);
                facts.outcome("inconsistent protocols", () -> {
                    throw (Exception) b.failure;
                });
            }
        }
    }

    private static void memberDies(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin(setting.cut)) {
            String topic = setting.topic(admin, "dies", 6);
            String group = setting.prefix + "-dies";
            Member a = new Member(setting, topic, "bootstrap.servers", setting.cut, "group.id", group,
                "session.timeout.ms", 6000, "heartbeat.interval.ms", 500);
            waitSizes(6, a, 0, null);
            Member b = new Member(setting, topic, "bootstrap.servers", setting.cut, "group.id", group,
                "session.timeout.ms", 6000, "heartbeat.interval.ms", 500, "client.id", "die.12.6." + setting.prefix);
            waitSizes(3, a, 3, b);
            facts.fact("two share", List.of(a.assigned.size(), b.assigned.size()));
            waitSizes(6, a, 0, null);
            facts.fact("one is left", a.assigned.size());
            var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            facts.fact("members", described.members().size());
            b.abandon();
            a.close();
            facts.fact("failure", String.valueOf(a.failure));
        }
    }

    private static void staticMembers(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = setting.topic(admin, "static", 6);
            String group = setting.prefix + "-static";
            Object[] one = {"group.id", group, "group.instance.id", "one", "session.timeout.ms", 20000,
                "heartbeat.interval.ms", 300};
            Object[] two = {"group.id", group, "group.instance.id", "two", "session.timeout.ms", 20000,
                "heartbeat.interval.ms", 300};
            Member a = new Member(setting, topic, one);
            waitSizes(6, a, 0, null);
            Member b = new Member(setting, topic, two);
            waitSizes(3, a, 3, b);
            Set<Integer> before = b.assigned;
            int rebalances = a.rebalances;
            b.close();
            Thread.sleep(1500);
            facts.fact("no rebalance when it goes", a.rebalances == rebalances && a.assigned.size() == 3);
            Member again = new Member(setting, topic, two);
            waitSizes(3, a, 3, again);
            facts.fact("same partitions", again.assigned.equals(before));
            facts.fact("no rebalance when it returns", a.rebalances == rebalances);
            var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            facts.fact("instances", described.members().stream().map(m -> m.groupInstanceId().orElse("-")).sorted().toList());
            Member twin = new Member(setting, topic, two);
            Setting.waitFor("the fence", 20, () -> again.failure != null);
            facts.outcome("the double", () -> {
                throw (Exception) again.failure;
            });
            waitSizes(3, a, 3, twin);
            facts.fact("the newer one stays", twin.assigned.size());
            twin.close();
            facts.outcome("remove by instance", () -> admin.removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("two")))).all().get());
            waitSizes(6, a, 0, null);
            facts.fact("after removal", a.assigned.size());
            facts.outcome("remove an unknown instance", () -> admin.removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("three")))).all().get());
            a.close();
            facts.fact("failure", String.valueOf(a.failure));
        }
    }
}
