package compat;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;

/** Administration of topics and of configuration. */
final class Topics {
    private Topics() {
    }

    static void add(Map<String, Driver.Scenario> all) {
        all.put("topic-admin", Topics::topicAdmin);
        all.put("config-admin", Topics::configAdmin);
        all.put("delete-records", Topics::deleteRecords);
        all.put("compact-policy", Topics::compactPolicy);
    }

    private static void topicAdmin(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = setting.prefix + "-topic";
            var made = admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1).configs(
                Map.of("retention.ms", "3600000"))));
            made.all().get();
            facts.fact("create tells", List.of(made.numPartitions(topic).get(), made.replicationFactor(topic).get()));
            facts.fact("create tells config", made.config(topic).get().get("retention.ms").value());
            String standard = setting.prefix + "-standard";
            var plain = admin.createTopics(List.of(new NewTopic(standard, Optional.empty(), Optional.empty())));
            facts.fact("defaults", List.of(plain.numPartitions(standard).get(), plain.replicationFactor(standard).get()));
            refusals(setting, facts, admin, topic);
            settled(admin, topic);
            var described = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            facts.fact("describe", List.of(described.partitions().size(), described.isInternal(),
                described.partitions().get(0).replicas().size(), described.partitions().get(0).isr().size()));
            facts.fact("describe by id", admin.describeTopics(TopicCollection.ofTopicIds(List.of(described.topicId())))
                .allTopicIds().get().get(described.topicId()).name().equals(topic));
            facts.outcome("describe unknown", () -> admin.describeTopics(List.of(setting.prefix + "-none"))
                .allTopicNames().get());
            facts.outcome("describe unknown id", () -> admin.describeTopics(TopicCollection.ofTopicIds(
                List.of(Uuid.randomUuid()))).allTopicIds().get());
            partitions(setting, facts, admin, topic);
            facts.outcome("delete", () -> admin.deleteTopics(List.of(topic)).all().get());
            facts.outcome("delete again", () -> admin.deleteTopics(List.of(topic)).all().get());
            Setting.waitFor("its end", 10, () -> !admin.listTopics().names().get().contains(topic));
            facts.outcome("create again", () -> admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get());
            settled(admin, topic);
            var fresh = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            facts.fact("a new id", !fresh.topicId().equals(described.topicId()));
            facts.fact("a new log", setting.end(admin, topic, 0));
            facts.outcome("delete by id", () -> admin.deleteTopics(TopicCollection.ofTopicIds(
                List.of(fresh.topicId()))).all().get());
            facts.outcome("delete an unknown id", () -> admin.deleteTopics(TopicCollection.ofTopicIds(
                List.of(Uuid.randomUuid()))).all().get());
        }
    }

    /** A topic that was just made is known to the controller first, and to the broker a moment later. */
    private static void settled(Admin admin, String topic) throws Exception {
        Setting.waitFor("the topic", 10, () -> "ok".equals(Errors.nameOf(() ->
            admin.describeTopics(List.of(topic)).allTopicNames().get())));
    }

    private static void refusals(Setting setting, Facts facts, Admin admin, String topic) {
        String fresh = setting.prefix + "-refused";
        create(facts, admin, "exists", new NewTopic(topic, 3, (short) 1));
        create(facts, admin, "bad name", new NewTopic("a/b", 1, (short) 1));
        create(facts, admin, "name ..", new NewTopic("..", 1, (short) 1));
        create(facts, admin, "empty name", new NewTopic("", 1, (short) 1));
        create(facts, admin, "name of 250", new NewTopic("n".repeat(250), 1, (short) 1));
        create(facts, admin, "no partitions", new NewTopic(fresh, 0, (short) 1));
        create(facts, admin, "three replicas", new NewTopic(fresh, 1, (short) 3));
        create(facts, admin, "no replica", new NewTopic(fresh, 1, (short) 0));
        create(facts, admin, "unknown broker", new NewTopic(fresh, Map.of(0, List.of(99))));
        create(facts, admin, "gap in assignment", new NewTopic(fresh, Map.of(1, List.of(1))));
        create(facts, admin, "unknown config", new NewTopic(fresh, 1, (short) 1).configs(Map.of("no.such", "1")));
        create(facts, admin, "bad value", new NewTopic(fresh, 1, (short) 1).configs(Map.of("retention.ms", "soon")));
        create(facts, admin, "bad enum", new NewTopic(fresh, 1, (short) 1).configs(Map.of("compression.type", "rar")));
        create(facts, admin, "out of range", new NewTopic(fresh, 1, (short) 1).configs(Map.of("segment.bytes", "1")));
        facts.outcome("create.validate only", () -> admin.createTopics(List.of(new NewTopic(fresh, 1, (short) 1)),
            new CreateTopicsOptions().validateOnly(true)).all().get());
        facts.outcome("create.not made", () -> admin.describeTopics(List.of(fresh)).allTopicNames().get());
        create(facts, admin, "with a dot", new NewTopic(setting.prefix + ".dot", 1, (short) 1));
        create(facts, admin, "collides", new NewTopic(setting.prefix + "_dot", 1, (short) 1));
    }

    private static void create(Facts facts, Admin admin, String name, NewTopic topic) {
        facts.outcome("create." + name, () -> admin.createTopics(List.of(topic)).all().get());
    }

    private static void partitions(Setting setting, Facts facts, Admin admin, String topic) throws Exception {
        facts.outcome("partitions.validate only", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(9)),
            new CreatePartitionsOptions().validateOnly(true)).all().get());
        facts.outcome("partitions.to 5", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get());
        facts.outcome("partitions.to 5 again", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get());
        facts.outcome("partitions.to 4", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get());
        facts.outcome("partitions.unknown topic", () -> admin.createPartitions(Map.of(setting.prefix + "-none",
            NewPartitions.increaseTo(4))).all().get());
        Setting.waitFor("five partitions", 10, () -> admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic)
            .partitions().size() == 5);
        setting.produce(topic, 4, 0, 3);
        facts.fact("partitions.new one holds", setting.end(admin, topic, 4));
    }

    private static List<Object> show(ConfigEntry entry) {
        List<Object> all = new ArrayList<>();
        all.add(entry.value());
        all.add(entry.source().toString());
        all.add(entry.type().toString());
        all.add(entry.isReadOnly() ? "read-only" : "writable");
        all.add(entry.isSensitive() ? "sensitive" : "plain");
        return all;
    }

    private static ConfigEntry get(Admin admin, ConfigResource resource, String key) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(key);
    }

    private static void configAdmin(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = setting.topic(admin, "config", 1, "retention.ms", "7200000");
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            // Leat's own keys have no counterpart; every key of Kafka must be there.
            for (var entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
                if (!entry.name().startsWith("leat.")) {
                    facts.fact("topic default " + entry.name(), show(entry));
                }
            }
            alter(facts, admin, "set", resource, op("max.message.bytes", "2000000", OpType.SET));
            facts.fact("set shows", show(get(admin, resource, "max.message.bytes")));
            facts.fact("others stay", show(get(admin, resource, "retention.ms")));
            alter(facts, admin, "delete", resource, op("max.message.bytes", "", OpType.DELETE));
            facts.fact("delete shows", show(get(admin, resource, "max.message.bytes")));
            alter(facts, admin, "append delete", resource, op("cleanup.policy", "delete", OpType.APPEND));
            facts.fact("append shows", show(get(admin, resource, "cleanup.policy")));
            alter(facts, admin, "append to no list", resource, op("retention.ms", "1", OpType.APPEND));
            alter(facts, admin, "unknown key", resource, op("no.such.key", "1", OpType.SET));
            alter(facts, admin, "bad value", resource, op("retention.ms", "later", OpType.SET));
            alter(facts, admin, "negative size", resource, op("segment.bytes", "-5", OpType.SET));
            alter(facts, admin, "same key twice", resource, op("retention.ms", "1", OpType.SET),
                op("retention.ms", "2", OpType.SET));
            alter(facts, admin, "unknown topic", new ConfigResource(ConfigResource.Type.TOPIC, setting.prefix + "-none"),
                op("retention.ms", "1", OpType.SET));
            facts.outcome("validate only", () -> admin.incrementalAlterConfigs(Map.of(resource,
                List.of(op("retention.ms", "5", OpType.SET))), new AlterConfigsOptions().validateOnly(true)).all().get());
            facts.fact("unchanged", get(admin, resource, "retention.ms").value());
            facts.outcome("describe unknown topic", () -> admin.describeConfigs(List.of(
                new ConfigResource(ConfigResource.Type.TOPIC, setting.prefix + "-none"))).all().get());
            broker(facts, admin);
        }
    }

    /** Of the broker's keys a chosen list: those that say what a client may expect. */
    private static void broker(Facts facts, Admin admin) throws Exception {
        String id = admin.describeCluster().nodes().get().iterator().next().idString();
        var node = new ConfigResource(ConfigResource.Type.BROKER, id);
        var config = admin.describeConfigs(List.of(node)).all().get().get(node);
        for (String key : List.of("auto.create.topics.enable", "compression.type", "default.replication.factor",
                "delete.topic.enable", "group.initial.rebalance.delay.ms", "group.max.session.timeout.ms",
                "group.max.size", "group.min.session.timeout.ms", "log.cleanup.policy", "log.flush.interval.messages",
                "log.message.timestamp.after.max.ms", "log.message.timestamp.before.max.ms", "log.message.timestamp.type",
                "log.retention.bytes", "log.retention.check.interval.ms", "log.retention.hours", "log.retention.ms",
                "log.roll.hours", "log.segment.bytes", "message.max.bytes", "min.insync.replicas", "num.partitions",
                "offset.metadata.max.bytes", "offsets.retention.check.interval.ms", "offsets.retention.minutes",
                "socket.request.max.bytes", "transactional.id.expiration.ms", "fetch.max.bytes")) {
            var entry = config.get(key);
            facts.fact("broker " + key, entry == null ? null : show(entry));
        }
        var all = new ConfigResource(ConfigResource.Type.BROKER, "");
        alter(facts, admin, "broker default set", all, op("log.retention.ms", "500000000", OpType.SET));
        Setting.waitFor("the default", 10, () -> get(admin, all, "log.retention.ms") != null);
        facts.fact("broker default shows", show(get(admin, all, "log.retention.ms")));
        alter(facts, admin, "broker default delete", all, op("log.retention.ms", "", OpType.DELETE));
        alter(facts, admin, "broker read-only key", node, op("group.max.size", "9", OpType.SET));
    }

    private static AlterConfigOp op(String key, String value, OpType type) {
        return new AlterConfigOp(new ConfigEntry(key, value), type);
    }

    private static void alter(Facts facts, Admin admin, String name, ConfigResource resource, AlterConfigOp... ops) {
        Collection<AlterConfigOp> list = List.of(ops);
        facts.outcome("alter." + name, () -> {
            admin.incrementalAlterConfigs(Map.of(resource, list)).all().get();
            // Kafka answers when its controller has it; its broker shows it a moment later.
            Thread.sleep(400);
        });
    }

    private static void deleteRecords(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = setting.topic(admin, "delete-records", 1);
            setting.produce(topic, 0, 0, 100);
            var tp = new TopicPartition(topic, 0);
            facts.fact("low watermark", delete(admin, tp, 40));
            facts.fact("first left", setting.readFrom(topic, 40, 60).get(0).offset());
            try (var consumer = setting.consumer("auto.offset.reset", "earliest")) {
                consumer.assign(List.of(tp));
                facts.fact("begins at", consumer.beginningOffsets(List.of(tp)).get(tp));
                consumer.seek(tp, 3);
                facts.fact("before the start, reset earliest", Setting.read(consumer, 1).get(0).offset());
            }
            facts.fact("backwards", delete(admin, tp, 10));
            facts.outcome("behind the end", () -> delete(admin, tp, 101));
            facts.outcome("unknown topic", () -> delete(admin, new TopicPartition(setting.prefix + "-none", 0), 1));
            facts.fact("all", delete(admin, tp, -1));
            setting.produce(topic, 0, 0, 1);
            facts.fact("next offset", setting.end(admin, topic, 0));
        }
    }

    private static long delete(Admin admin, TopicPartition tp, long offset) throws Exception {
        return admin.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(offset)),
            new org.apache.kafka.clients.admin.DeleteRecordsOptions().timeoutMs(3000)).lowWatermarks().get(tp).get().lowWatermark();
    }

    private static void compactPolicy(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            create(facts, admin, "compact", new NewTopic(setting.prefix + "-compact", 1, (short) 1).configs(
                Map.of("cleanup.policy", "compact")));
            create(facts, admin, "compact and delete", new NewTopic(setting.prefix + "-both", 1, (short) 1).configs(
                Map.of("cleanup.policy", "compact,delete")));
            String topic = setting.topic(admin, "to-compact", 1);
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            alter(facts, admin, "compact", resource, op("cleanup.policy", "compact", OpType.SET));
            facts.fact("policy", get(admin, resource, "cleanup.policy").value());
        }
    }
}
