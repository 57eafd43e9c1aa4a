package compat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Where the brokers are, what to call things, and the few helpers that every scenario needs. */
public final class Setting {
    public final String bootstrap;
    public final String cut;
    public final String prefix;
    public final boolean gate;

    Setting(String bootstrap, String cut, String prefix, boolean gate) {
        this.bootstrap = bootstrap;
        this.cut = cut;
        this.prefix = prefix;
        this.gate = gate;
    }

    Admin admin() {
        return admin(bootstrap);
    }

    Admin admin(String where) {
        Properties p = new Properties();
        p.put("bootstrap.servers", where);
        p.put("default.api.timeout.ms", 15000);
        p.put("request.timeout.ms", 10000);
        return Admin.create(p);
    }

    /** Creates the topic and waits until its leader is known. */
    String topic(Admin admin, String name, int partitions, String... configs) throws Exception {
        Map<String, String> map = new HashMap<>();
        for (int i = 0; i < configs.length; i += 2) {
            map.put(configs[i], configs[i + 1]);
        }
        String full = prefix + "-" + name;
        admin.createTopics(List.of(new NewTopic(full, partitions, (short) 1).configs(map))).all()
            .get(30, TimeUnit.SECONDS);
        var names = List.of(full);
        waitFor("topic " + full, 20, () -> "ok".equals(Errors.nameOf(() ->
            admin.describeTopics(names).allTopicNames().get())));
        return full;
    }

    KafkaProducer<byte[], byte[]> producer(Object... more) {
        return new KafkaProducer<>(properties(more), new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(Object... more) {
        Properties p = properties(more);
        p.putIfAbsent("enable.auto.commit", "false");
        p.putIfAbsent("default.api.timeout.ms", 10000);
        return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Properties properties(Object... more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < more.length; i += 2) {
            p.put(more[i], more[i + 1]);
        }
        return p;
    }

    /** Record number i of every scenario that does not care: null keys and values among them. */
    static ProducerRecord<byte[], byte[]> sample(String topic, Integer partition, Long time, int i) {
        byte[] key = i % 5 == 0 ? null : ("k" + i).getBytes();
        byte[] value = i % 7 == 6 ? null : ("v" + i + "-" + "x".repeat(100)).getBytes();
        var record = new ProducerRecord<>(topic, partition, time, key, value);
        record.headers().add("number", String.valueOf(i).getBytes());
        record.headers().add("empty", null);
        return record;
    }

    void produce(String topic, int partition, int from, int count) throws Exception {
        try (var producer = producer("linger.ms", 5)) {
            List<java.util.concurrent.Future<?>> sent = new ArrayList<>();
            for (int i = from; i < from + count; i++) {
                sent.add(producer.send(sample(topic, partition, null, i)));
            }
            for (var future : sent) {
                future.get();
            }
        }
    }

    /** Reads `count` records from `from` (a position of the assigned consumer), or fails after 20 s. */
    static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> all = new ArrayList<>();
        long end = System.currentTimeMillis() + 20000;
        while (all.size() < count && System.currentTimeMillis() < end) {
            consumer.poll(Duration.ofMillis(200)).forEach(all::add);
        }
        return all;
    }

    List<ConsumerRecord<byte[], byte[]>> readFrom(String topic, long offset, int count) {
        try (var consumer = consumer()) {
            var partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seek(partition, offset);
            return read(consumer, count);
        }
    }

    long end(Admin admin, String topic, int partition) throws Exception {
        var tp = new TopicPartition(topic, partition);
        return admin.listOffsets(Map.of(tp, org.apache.kafka.clients.admin.OffsetSpec.latest()))
            .partitionResult(tp).get().offset();
    }

    static String text(byte[] bytes) {
        return bytes == null ? "~" : new String(bytes);
    }

    /** One short text for a list of records: offsets, keys, values and headers all count. */
    static String digest(List<ConsumerRecord<byte[], byte[]>> records) throws Exception {
        var sha = java.security.MessageDigest.getInstance("SHA-256");
        for (var record : records) {
            StringBuilder line = new StringBuilder();
            line.append(record.offset()).append('|').append(text(record.key())).append('|').append(text(record.value()));
            record.headers().forEach(h -> line.append('|').append(h.key()).append('=').append(text(h.value())));
            sha.update(line.append('\n').toString().getBytes());
        }
        StringBuilder hex = new StringBuilder();
        byte[] bytes = sha.digest();
        for (int i = 0; i < 8; i++) {
            hex.append(String.format("%02x", bytes[i]));
        }
        return hex.toString();
    }

    static void waitFor(String what, int seconds, java.util.concurrent.Callable<Boolean> test) throws Exception {
        long end = System.currentTimeMillis() + seconds * 1000L;
        while (!test.call()) {
            if (System.currentTimeMillis() > end) {
                throw new IllegalStateException("waited " + seconds + " s in vain for: " + what);
            }
            Thread.sleep(50);
        }
    }
}
