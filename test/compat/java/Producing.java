package compat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/** Everything that begins with a produce request. */
final class Producing {
    private Producing() {
    }

    static void add(Map<String, Driver.Scenario> all) {
        all.put("produce-codecs", Producing::codecs);
        all.put("produce-errors", Producing::errors);
        all.put("auto-create", Producing::autoCreate);
        all.put("idempotent-retry", Producing::idempotentRetry);
        all.put("large-message", Producing::largeMessage);
        all.put("large-batch", Producing::largeBatch);
        all.put("many-partitions", Producing::manyPartitions);
        all.put("transactional-id", Producing::transactionalId);
    }

    private static List<RecordMetadata> all(List<Future<RecordMetadata>> sent) throws Exception {
        List<RecordMetadata> got = new ArrayList<>();
        for (var future : sent) {
            got.add(future.get());
        }
        return got;
    }

    private static void codecs(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                String topic = setting.topic(admin, "codec-" + codec, 1);
                int from = 0;
                for (String acks : List.of("0", "1", "all")) {
                    // Without idempotence acks is free; the other scenarios have it on.
                    try (var producer = setting.producer("acks", acks, "compression.type", codec, "linger.ms", 20,
                            "enable.idempotence", false)) {
                        List<Future<RecordMetadata>> sent = new ArrayList<>();
                        for (int i = from; i < from + 20; i++) {
                            sent.add(producer.send(Setting.sample(topic, 0, null, i)));
                        }
                        producer.flush();
                        var got = all(sent);
                        facts.fact(codec + ".acks=" + acks, List.of(got.get(0).offset(), got.get(19).offset()));
                    }
                    from += 20;
                    int want = from;
                    Setting.waitFor("the end of " + topic, 10, () -> setting.end(admin, topic, 0) == want);
                }
                var records = setting.readFrom(topic, 0, 60);
                facts.fact(codec + ".count", records.size());
                facts.fact(codec + ".digest", Setting.digest(records));
            }
            // The broker compresses itself when the topic says so, and what is read stays equal.
            String own = setting.topic(admin, "codec-broker", 1, "compression.type", "zstd");
            setting.produce(own, 0, 0, 60);
            facts.fact("broker-side.digest", Setting.digest(setting.readFrom(own, 0, 60)));
        }
    }

    private static void errors(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = setting.topic(admin, "errors", 1, "max.message.bytes", "10000",
                "message.timestamp.after.max.ms", "60000");
            try (var producer = setting.producer("max.block.ms", 3000, "delivery.timeout.ms", 8000,
                    "request.timeout.ms", 5000)) {
                facts.outcome("too large", () -> producer.send(new ProducerRecord<>(topic, new byte[20000])).get());
                facts.outcome("no such partition", () -> producer.send(new ProducerRecord<>(topic, 7, null,
                    new byte[10])).get());
                long far = System.currentTimeMillis() + 3600_000L;
                facts.outcome("timestamp in the future", () -> producer.send(new ProducerRecord<>(topic, 0, far, null,
                    new byte[10])).get());
                facts.outcome("invalid topic", () -> producer.send(new ProducerRecord<>("bad/name", new byte[10])).get());
                facts.outcome("afterwards", () -> producer.send(new ProducerRecord<>(topic, new byte[10])).get());
            }
            facts.fact("end", setting.end(admin, topic, 0));
            String append = setting.topic(admin, "log-append", 1, "message.timestamp.type", "LogAppendTime");
            try (var producer = setting.producer()) {
                var meta = producer.send(new ProducerRecord<>(append, 0, 1000L, null, new byte[10])).get();
                facts.fact("log append time told", meta.timestamp() > 1000L);
                var read = setting.readFrom(append, 0, 1).get(0);
                facts.fact("log append time read", read.timestampType() + " " + (read.timestamp() == meta.timestamp()));
            }
        }
    }

    private static void autoCreate(Setting setting, Facts facts) throws Exception {
        String topic = setting.prefix + "-made-by-produce";
        try (var producer = setting.producer("max.block.ms", 10000); Admin admin = setting.admin()) {
            facts.fact("offset", producer.send(new ProducerRecord<>(topic, "a".getBytes())).get().offset());
            var made = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            facts.fact("partitions", made.partitions().size());
            facts.fact("replicas", made.partitions().get(0).replicas().size());
        }
    }

    private static void idempotentRetry(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin(setting.cut)) {
            retry(setting, facts, admin, "one at a time", true, 1, "cut.0.3.");
            retry(setting, facts, admin, "pipelined", true, 5, "cut.0.4.");
            retry(setting, facts, admin, "without idempotence", false, 1, "cut.0.3.");
        }
    }

    private static void retry(Setting setting, Facts facts, Admin admin, String name, boolean idempotent, int flight,
            String rule) throws Exception {
        String topic = setting.topic(admin, "retry-" + name.replace(' ', '-'), 1);
        List<Long> offsets = new ArrayList<>();
        try (var producer = setting.producer("bootstrap.servers", setting.cut, "client.id",
                rule + setting.prefix + "-" + name.replace(' ', '-'), "enable.idempotence", idempotent, "acks", "all",
                "max.in.flight.requests.per.connection", flight, "batch.size", 0)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                var future = producer.send(Setting.sample(topic, 0, null, i));
                sent.add(future);
                if (flight == 1) {
                    future.get();
                }
            }
            for (var meta : all(sent)) {
                offsets.add(meta.offset());
            }
        }
        try (var consumer = setting.consumer("bootstrap.servers", setting.cut)) {
            long end = setting.end(admin, topic, 0);
            facts.fact(name + ".end", end);
            facts.fact(name + ".offsets", idempotent || flight == 1 ? offsets : offsets.size());
            var partition = new org.apache.kafka.common.TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            facts.fact(name + ".digest", Setting.digest(Setting.read(consumer, (int) end)));
        }
    }

    private static void largeMessage(Setting setting, Facts facts) throws Exception {
        byte[] value = new byte[10 * 1024 * 1024];
        new java.util.Random(7).nextBytes(value);
        try (Admin admin = setting.admin()) {
            String topic = setting.topic(admin, "large", 1, "max.message.bytes", "12000000");
            String small = setting.topic(admin, "not-large", 1);
            try (var producer = setting.producer("max.request.size", 20000000, "buffer.memory", 64000000L)) {
                facts.fact("offset", producer.send(new ProducerRecord<>(topic, value)).get().offset());
                facts.fact("offset 2", producer.send(new ProducerRecord<>(topic, value)).get().offset());
                facts.outcome("above the default limit", () -> producer.send(new ProducerRecord<>(small, value)).get());
            }
            // The default fetch limits are below 10 MB: the first batch comes whole all the same.
            var records = setting.readFrom(topic, 0, 2);
            facts.fact("count", records.size());
            facts.fact("equal", records.stream().allMatch(r -> Arrays.equals(r.value(), value)));
        }
    }

    private static void largeBatch(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            for (String codec : List.of("none", "lz4")) {
                String topic = setting.topic(admin, "batch-" + codec, 1);
                try (var producer = setting.producer("batch.size", 900000, "linger.ms", 2000, "compression.type", codec)) {
                    List<Future<RecordMetadata>> sent = new ArrayList<>();
                    for (int i = 0; i < 10000; i++) {
                        sent.add(producer.send(new ProducerRecord<>(topic, 0, null, ("record " + i).getBytes())));
                    }
                    producer.flush();
                    var got = all(sent);
                    facts.fact(codec + ".offsets", List.of(got.get(0).offset(), got.get(9999).offset()));
                }
                var records = setting.readFrom(topic, 0, 10000);
                facts.fact(codec + ".count", records.size());
                facts.fact(codec + ".digest", Setting.digest(records));
                facts.fact(codec + ".from the middle", setting.readFrom(topic, 5000, 5000).get(0).offset());
            }
        }
    }

    private static void manyPartitions(Setting setting, Facts facts) throws Exception {
        int partitions = setting.gate ? 2000 : 1000;
        try (Admin admin = setting.admin()) {
            String topic = setting.topic(admin, "many", partitions);
            Setting.waitFor("all leaders", 60, () -> admin.describeTopics(List.of(topic)).allTopicNames().get()
                .get(topic).partitions().stream().filter(p -> p.leader() != null).count() == partitions);
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            try (KafkaProducer<byte[], byte[]> producer = setting.producer("linger.ms", 50, "delivery.timeout.ms", 120000,
                    "batch.size", 100)) {
                for (int i = 0; i < partitions; i++) {
                    sent.add(producer.send(new ProducerRecord<>(topic, i, null, ("p" + i).getBytes())));
                }
                facts.fact("all at offset 0", all(sent).stream().allMatch(meta -> meta.offset() == 0));
            }
            try (var consumer = setting.consumer("auto.offset.reset", "earliest", "group.id", setting.prefix + "-many")) {
                consumer.subscribe(List.of(topic));
                var records = Setting.read(consumer, partitions);
                facts.fact("read", records.size());
                facts.fact("partitions read", (int) records.stream().map(r -> r.partition()).distinct().count());
                facts.fact("values", records.stream().allMatch(r -> Setting.text(r.value()).equals("p" + r.partition())));
                consumer.commitSync(java.time.Duration.ofSeconds(30));
            }
            facts.fact("committed", admin.listConsumerGroupOffsets(setting.prefix + "-many")
                .partitionsToOffsetAndMetadata().get().size());
            admin.deleteTopics(List.of(topic)).all().get();
        }
    }

    private static void transactionalId(Setting setting, Facts facts) throws Exception {
        try (Admin admin = setting.admin()) {
            String topic = setting.topic(admin, "transactions", 1);
            try (var producer = setting.producer("transactional.id", setting.prefix + "-tx", "max.block.ms", 8000)) {
                facts.outcome("init", producer::initTransactions);
                facts.outcome("begin", producer::beginTransaction);
                facts.outcome("send", () -> producer.send(new ProducerRecord<>(topic, "in a transaction".getBytes())).get());
                facts.outcome("commit", producer::commitTransaction);
            }
            // A commit is answered before its marker lies in every partition; a refusal leaves nothing to wait for.
            for (int i = 0; i < 20 && setting.end(admin, topic, 0) < 2; i++) {
                Thread.sleep(100);
            }
            facts.fact("visible records", setting.end(admin, topic, 0) > 0 ? setting.readFrom(topic, 0, 1).size() : 0);
        }
    }
}
