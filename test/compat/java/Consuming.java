package compat;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** Where a reader may begin, and what it remembers. */
final class Consuming {
    static final long BASE = 1_600_000_000_000L;

    private Consuming() {
    }

    static void add(Map<String, Driver.Scenario> all) {
        all.put("consume-positions", Consuming::positions);
        all.put("list-offsets", Consuming::listOffsets);
        all.put("commit-seek", Consuming::commitSeek);
        all.put("read-committed", Consuming::readCommitted);
    }

    /** 100 records, one second apart, in ten batches. */
    private static String timed(Setting setting, Admin admin, String name) throws Exception {
        String topic = setting.topic(admin, name, 1, "retention.ms", "-1");
        try (var producer = setting.producer("linger.ms", 1000)) {
            for (int i = 0; i < 100; i++) {
                producer.send(Setting.sample(topic, 0, BASE + i * 1000L, i));
                if (i % 10 == 9) {
                    producer.flush();
                }
            }
        }
        return topic;
    }

    private static void positions(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = timed(setting, admin, "positions");
            var tp = new TopicPartition(topic, 0);
            var only = List.of(tp);
            try (var consumer = setting.consumer()) {
                consumer.assign(only);
                consumer.seekToBeginning(only);
                var records = Setting.read(consumer, 100);
                facts.fact("earliest", List.of(records.get(0).offset(), records.size()));
                facts.fact("digest", Setting.digest(records));
                facts.fact("timestamps", records.stream().allMatch(r -> r.timestamp() == BASE + r.offset() * 1000));
                facts.fact("leader epoch", records.get(0).leaderEpoch().orElse(-1));
                consumer.seekToEnd(only);
                facts.fact("latest", consumer.position(tp));
                setting.produce(topic, 0, 100, 1);
                facts.fact("after latest", Setting.read(consumer, 1).get(0).offset());
                consumer.seek(tp, 37);
                facts.fact("offset 37", Setting.read(consumer, 1).get(0).offset());
                // Carrying an epoch makes the client validate the position with OffsetForLeaderEpoch.
                consumer.seek(tp, new OffsetAndMetadata(41, Optional.of(0), ""));
                facts.fact("offset 41 with epoch", Setting.read(consumer, 1).get(0).offset());
                Map<String, Long> asked = new java.util.LinkedHashMap<>();
                asked.put("exact", BASE + 50_000);
                asked.put("between", BASE + 50_001);
                asked.put("before all", 0L);
                asked.put("after all", BASE * 2);
                for (var entry : asked.entrySet()) {
                    var found = consumer.offsetsForTimes(Map.of(tp, entry.getValue())).get(tp);
                    facts.fact("time " + entry.getKey(), found == null ? null
                        : List.of(found.offset(), found.timestamp() - BASE, found.leaderEpoch().orElse(-1)));
                }
                facts.fact("begin and end", List.of(consumer.beginningOffsets(only).get(tp),
                    consumer.endOffsets(only).get(tp)));
                consumer.seek(tp, 1000);
                facts.fact("behind the end, reset latest", positionAfterReset(consumer, tp));
            }
            for (String reset : List.of("none", "earliest")) {
                try (var consumer = setting.consumer("auto.offset.reset", reset, "group.id", setting.prefix + "-" + reset)) {
                    consumer.assign(only);
                    facts.outcome("no committed offset, reset " + reset, () -> consumer.poll(Duration.ofSeconds(3)));
                    consumer.seek(tp, 1000);
                    if (reset.equals("none")) {
                        facts.outcome("behind the end, reset none", () -> {
                            for (int i = 0; i < 30; i++) {
                                consumer.poll(Duration.ofMillis(200));
                            }
                        });
                    } else {
                        facts.fact("behind the end, reset earliest", Setting.read(consumer, 1).get(0).offset());
                    }
                }
            }
            try (var consumer = setting.consumer("max.partition.fetch.bytes", 10, "fetch.max.bytes", 10,
                    "max.poll.records", 1000)) {
                consumer.assign(only);
                consumer.seek(tp, 5);
                facts.fact("tiny fetch limits", Setting.read(consumer, 96).size());
            }
            try (var consumer = setting.consumer("fetch.min.bytes", 1000000, "fetch.max.wait.ms", 500)) {
                consumer.assign(only);
                consumer.seek(tp, 99);
                facts.fact("minimum bytes not reached", Setting.read(consumer, 2).size());
            }
        }
    }

    private static long positionAfterReset(KafkaConsumer<byte[], byte[]> consumer, TopicPartition tp) throws Exception {
        Setting.waitFor("a reset", 10, () -> {
            consumer.poll(Duration.ofMillis(100));
            return consumer.position(tp) != 1000;
        });
        return consumer.position(tp);
    }

    private static void listOffsets(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = timed(setting, admin, "list-offsets");
            String empty = setting.topic(admin, "list-offsets-empty", 1);
            Map<String, OffsetSpec> specs = new HashMap<>();
            specs.put("earliest", OffsetSpec.earliest());
            specs.put("latest", OffsetSpec.latest());
            specs.put("largest timestamp", OffsetSpec.maxTimestamp());
            specs.put("earliest local", OffsetSpec.earliestLocal());
            specs.put("latest tiered", OffsetSpec.latestTiered());
            specs.put("time exact", OffsetSpec.forTimestamp(BASE + 73_000));
            specs.put("time after all", OffsetSpec.forTimestamp(BASE * 2));
            for (var spec : specs.entrySet()) {
                for (String name : List.of(topic, empty)) {
                    var tp = new TopicPartition(name, 0);
                    var where = spec.getKey() + (name.equals(topic) ? "" : ", empty");
                    try {
                        var got = admin.listOffsets(Map.of(tp, spec.getValue())).partitionResult(tp).get();
                        facts.fact(where, List.of(got.offset(), got.timestamp() < 0 ? -1 : got.timestamp() - BASE,
                            got.leaderEpoch().orElse(-1)));
                    } catch (Exception problem) {
                        facts.outcome(where, () -> {
                            throw problem;
                        });
                    }
                }
            }
            var nowhere = new TopicPartition(setting.prefix + "-nowhere", 0);
            facts.outcome("unknown topic", () -> admin.listOffsets(Map.of(nowhere, OffsetSpec.latest()),
                new org.apache.kafka.clients.admin.ListOffsetsOptions().timeoutMs(3000)).all().get());
        }
    }

    private static void commitSeek(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = setting.topic(admin, "commit", 2);
            setting.produce(topic, 0, 0, 20);
            var tp = new TopicPartition(topic, 0);
            var other = new TopicPartition(topic, 1);
            String group = setting.prefix + "-commit";
            try (var consumer = setting.consumer("group.id", group, "auto.offset.reset", "earliest")) {
                consumer.assign(List.of(tp));
                facts.fact("nothing committed", consumer.committed(java.util.Set.of(tp)).get(tp) == null);
                facts.fact("first read", Setting.read(consumer, 20).size());
                consumer.commitSync(Map.of(tp, new OffsetAndMetadata(5, Optional.of(0), "a note")));
                tell(facts, "committed", consumer, tp);
                consumer.seek(tp, 2);
                facts.fact("after seek", Setting.read(consumer, 1).get(0).offset());
                facts.outcome("metadata too large", () -> consumer.commitSync(
                    Map.of(tp, new OffsetAndMetadata(6, "m".repeat(5000)))));
                tell(facts, "still committed", consumer, tp);
            }
            try (var consumer = setting.consumer("group.id", group, "auto.offset.reset", "latest")) {
                consumer.subscribe(List.of(topic));
                facts.fact("resumed at", Setting.read(consumer, 1).get(0).offset());
                consumer.commitSync(Map.of(tp, new OffsetAndMetadata(1000), other, new OffsetAndMetadata(0)));
                tell(facts, "behind the end", consumer, tp);
                tell(facts, "second partition", consumer, other);
                // A commit that does not come from a member, while the group has members.
                try (var stranger = setting.consumer("group.id", group)) {
                    stranger.assign(List.of(tp));
                    facts.outcome("commit of a stranger", () -> stranger.commitSync(Map.of(tp, new OffsetAndMetadata(3))));
                }
            }
            var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            facts.fact("all committed", List.of(offsets.get(tp).offset(), offsets.get(other).offset()));
            facts.outcome("unknown topic", () -> admin.alterConsumerGroupOffsets(group,
                Map.of(new TopicPartition(setting.prefix + "-nowhere", 0), new OffsetAndMetadata(1))).all().get());
            // Auto commit: on close what was polled is committed.
            try (var consumer = setting.consumer("group.id", group + "-auto", "auto.offset.reset", "earliest",
                    "enable.auto.commit", "true")) {
                consumer.subscribe(List.of(topic));
                Setting.read(consumer, 20);
            }
            facts.fact("auto commit", admin.listConsumerGroupOffsets(group + "-auto").partitionsToOffsetAndMetadata()
                .get().get(tp).offset());
        }
    }

    private static void tell(Facts facts, String name, KafkaConsumer<byte[], byte[]> consumer, TopicPartition tp) {
        var got = consumer.committed(java.util.Set.of(tp)).get(tp);
        facts.fact(name, got == null ? null : List.of(got.offset(), got.metadata(), got.leaderEpoch().orElse(-1)));
    }

    private static void readCommitted(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = setting.topic(admin, "read-committed", 1);
            setting.produce(topic, 0, 0, 50);
            var tp = new TopicPartition(topic, 0);
            for (String level : List.of("read_committed", "read_uncommitted")) {
                try (var consumer = setting.consumer("isolation.level", level, "auto.offset.reset", "earliest")) {
                    consumer.assign(List.of(tp));
                    facts.fact(level + ".digest", Setting.digest(Setting.read(consumer, 50)));
                    facts.fact(level + ".end", consumer.endOffsets(List.of(tp)).get(tp));
                }
            }
        }
    }
}
