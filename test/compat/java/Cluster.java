package compat;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** What a client can learn about the broker, and the administration of groups. */
final class Cluster {
    private Cluster() {
    }

    static void add(Map<String, Driver.Scenario> all) {
        all.put("describe-cluster", Cluster::describe);
        all.put("group-admin", Cluster::groups);
    }

    private static void describe(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            var cluster = admin.describeCluster(new DescribeClusterOptions());
            facts.fact("nodes", cluster.nodes().get().size());
            facts.fact("controller is a node", cluster.nodes().get().contains(cluster.controller().get()));
            facts.fact("has an id", !cluster.clusterId().get().isEmpty());
            var node = cluster.nodes().get().iterator().next();
            facts.fact("address", (node.host() + ":" + node.port()).equals(setting.bootstrap));
            facts.fact("features", new TreeSet<>(admin.describeFeatures().featureMetadata().get().finalizedFeatures()
                .keySet()).toString());
            String topic = setting.topic(admin, "described", 2);
            setting.produce(topic, 1, 0, 50);
            var tp = new TopicPartition(topic, 1);
            var dirs = admin.describeLogDirs(List.of(node.id())).allDescriptions().get().get(node.id());
            facts.fact("log dirs", dirs.size());
            long found = dirs.values().stream().filter(d -> d.replicaInfos().containsKey(tp)
                && d.replicaInfos().get(tp).size() > 0 && d.error() == null).count();
            facts.fact("log dir holds the topic", found);
            facts.fact("log dir has sizes", dirs.values().stream().allMatch(d -> d.totalBytes().orElse(0) > 0
                && d.usableBytes().orElse(0) > 0));
            try (var producer = setting.producer()) {
                for (int i = 0; i < 7; i++) {
                    producer.send(Setting.sample(topic, 0, null, i)).get();
                }
                var active = admin.describeProducers(List.of(new TopicPartition(topic, 0))).all().get()
                    .get(new TopicPartition(topic, 0)).activeProducers();
                facts.fact("producers", active.size());
                var state = active.get(0);
                facts.fact("producer", List.of(state.producerEpoch(), state.lastSequence(),
                    state.coordinatorEpoch().orElse(-1), state.currentTransactionStartOffset().orElse(-1)));
            }
            facts.outcome("producers of an unknown topic", () -> admin.describeProducers(
                List.of(new TopicPartition(setting.prefix + "-none", 0)),
                new org.apache.kafka.clients.admin.DescribeProducersOptions().timeoutMs(3000)).all().get());
            var elected = admin.electLeaders(ElectionType.PREFERRED, Set.of(tp)).partitions().get();
            facts.fact("preferred election", elected.containsKey(tp)
                ? elected.get(tp).map(e -> e.getClass().getSimpleName()).orElse("ok") : "ElectionNotNeeded, left out");
            facts.outcome("unclean election", () -> {
                var result = admin.electLeaders(ElectionType.UNCLEAN, Set.of(tp)).partitions().get().get(tp);
                if (result != null && result.isPresent()) {
                    throw (Exception) result.get();
                }
            });
            facts.fact("config resources", admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC),
                new org.apache.kafka.clients.admin.ListConfigResourcesOptions()).all().get().stream()
                .filter(r -> r.name().equals(topic)).count());
        }
    }

    private static void groups(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = setting.topic(admin, "groups", 2);
            setting.produce(topic, 0, 0, 10);
            String group = setting.prefix + "-group";
            var tp = new TopicPartition(topic, 0);
            facts.outcome("describe unknown", () -> admin.describeConsumerGroups(List.of(group + "-none")).all().get());
            facts.outcome("delete unknown", () -> admin.deleteConsumerGroups(List.of(group + "-none")).all().get());
            facts.fact("offsets of unknown", admin.listConsumerGroupOffsets(group + "-none")
                .partitionsToOffsetAndMetadata().get().size());
            try (var consumer = setting.consumer("group.id", group, "auto.offset.reset", "earliest", "client.id", "reader")) {
                consumer.subscribe(List.of(topic));
                Setting.read(consumer, 10);
                consumer.commitSync(Duration.ofSeconds(10));
                var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
                var member = described.members().iterator().next();
                facts.fact("stable", List.of(described.groupState().toString(), described.partitionAssignor(),
                    member.clientId(), member.assignment().topicPartitions().size(), member.consumerId().startsWith("reader-")));
                facts.fact("listed stable", listed(admin, group, Set.of(GroupState.STABLE)));
                facts.fact("listed as empty", listed(admin, group, Set.of(GroupState.EMPTY)));
                facts.outcome("delete while in use", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
                facts.outcome("delete offsets while in use", () -> admin.deleteConsumerGroupOffsets(group, Set.of(tp)).all().get());
                facts.outcome("alter offsets while in use", () -> admin.alterConsumerGroupOffsets(group,
                    Map.of(tp, new OffsetAndMetadata(1))).all().get());
            }
            facts.fact("listed empty", listed(admin, group, Set.of(GroupState.EMPTY)));
            facts.outcome("alter offsets", () -> admin.alterConsumerGroupOffsets(group,
                Map.of(tp, new OffsetAndMetadata(4, "by hand"))).all().get());
            var offsets = admin.listConsumerGroupOffsets(Map.of(group, new ListConsumerGroupOffsetsSpec(),
                group + "-none", new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(tp)))).all().get();
            facts.fact("offsets", List.of(offsets.get(group).get(tp).offset(), offsets.get(group).get(tp).metadata(),
                offsets.get(group).size()));
            facts.fact("offset of a group without", String.valueOf(offsets.get(group + "-none").get(tp)));
            facts.outcome("delete offsets", () -> admin.deleteConsumerGroupOffsets(group, Set.of(tp)).all().get());
            facts.outcome("delete offsets of no topic", () -> admin.deleteConsumerGroupOffsets(group,
                Set.of(new TopicPartition(setting.prefix + "-none", 0))).all().get());
            facts.fact("offsets left", admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().size());
            facts.outcome("delete", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
            facts.fact("listed afterwards", listed(admin, group, Set.of()));
            // Offsets go with their topic.
            admin.alterConsumerGroupOffsets(group + "-2", Map.of(tp, new OffsetAndMetadata(4))).all().get();
            admin.deleteTopics(List.of(topic)).all().get();
            Setting.waitFor("the offsets to go", 20, () -> admin.listConsumerGroupOffsets(group + "-2")
                .partitionsToOffsetAndMetadata().get().isEmpty());
            facts.fact("offsets go with the topic", true);
        }
    }

    private static String listed(Admin admin, String group, Set<GroupState> states) throws Exception {
        for (GroupListing listing : admin.listGroups(new ListGroupsOptions().inGroupStates(states)).all().get()) {
            if (listing.groupId().equals(group)) {
                return listing.groupState().map(String::valueOf).orElse("-") + " "
                    + listing.type().map(String::valueOf).orElse("-") + " " + listing.protocol();
            }
        }
        return "not listed";
    }
}
