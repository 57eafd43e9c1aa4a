package compat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** The event store met by a plain client: see harness/events.py for what each scenario shows. */
final class Events {
    private Events() {
    }

    static void add(Map<String, Driver.Scenario> all) {
        all.put("events-append", Events::append);
        all.put("events-batch", Events::batch);
        all.put("events-refused", Events::refused);
        all.put("events-idempotent", Events::idempotent);
        all.put("events-retry", Events::retry);
        all.put("events-partitioner", Events::partitioner);
        all.put("events-read", Events::read);
        all.put("events-admin", Events::administration);
    }

    private static ProducerRecord<byte[], byte[]> event(String topic, Integer partition, String stream, String expected,
            String id, String type) {
        var record = new ProducerRecord<>(topic, partition, stream.getBytes(), "{\"n\":1}".getBytes());
        record.headers().add("ce_type", type.getBytes());
        if (expected != null) {
            record.headers().add("leat-expected-version", expected.getBytes());
        }
        if (id != null) {
            record.headers().add("ce_id", id.getBytes());
        }
        return record;
    }

    private static ProducerRecord<byte[], byte[]> event(String topic, String stream, String expected) {
        return event(topic, null, stream, expected, null, "OrderPlaced");
    }

    /** "ok", or the exception's class and text. */
    private static Object told(Work work) {
        try {
            work.run();
            return "ok";
        } catch (Exception problem) {
            Throwable cause = Errors.unwrap(problem);
            return List.of(cause.getClass().getSimpleName(), String.valueOf(cause.getMessage()));
        }
    }

    private static Object append(KafkaProducer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record) {
        return told(() -> producer.send(record).get());
    }

    private static long sum(Setting setting, Admin admin, String topic) throws Exception {
        long all = 0;
        for (int i = 0; i < (topic.endsWith("one") ? 1 : 4); i++) {
            all += setting.end(admin, topic, i);
        }
        return all;
    }

    private static void append(Setting setting, Facts facts) throws Exception {
        String topic = "es." + setting.prefix + "one";
        String stream = setting.prefix + "one-append";
        try (Admin admin = setting.admin(); var producer = setting.producer()) {
            long before = sum(setting, admin, topic);
            for (String[] each : new String[][] {{"no_stream", "no_stream"}, {"revision", "0"}, {"exists", "exists"},
                {"any", "any"}, {"no_stream again", "no_stream"}, {"wrong revision", "7"}, {"afterwards", "3"}}) {
                facts.fact(each[0], append(producer, event(topic, stream, each[1])));
            }
            facts.fact("exists, of none", append(producer, event(topic, stream + "-none", "exists")));
            facts.fact("count", sum(setting, admin, topic) - before);
        }
    }

    private static void batch(Setting setting, Facts facts) throws Exception {
        String topic = "es." + setting.prefix + "one";
        String a = setting.prefix + "one-batch";
        try (Admin admin = setting.admin(); var producer = setting.producer("linger.ms", 5000)) {
            long before = sum(setting, admin, topic);
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String[] each : new String[][] {{a, "no_stream"}, {a, null}, {a + "-b", "9"}, {a + "-c", "exists"}}) {
                sent.add(producer.send(event(topic, each[0], each[1])));
            }
            producer.flush();
            List<Object> all = new ArrayList<>();
            for (var each : sent) {
                all.add(told(each::get));
            }
            facts.fact("records", all);
            facts.fact("count", sum(setting, admin, topic) - before);
            var last = producer.send(event(topic, a, "no_stream"));
            producer.flush();
            facts.fact("afterwards", told(last::get));
        }
    }

    private static void refused(Setting setting, Facts facts) throws Exception {
        String topic = "es." + setting.prefix;
        String stream = setting.prefix + "-refused";
        try (Admin admin = setting.admin(); var producer = setting.producer()) {
            facts.fact("no expectation", append(producer, event(topic, stream, null)));
            facts.fact("bad expectation", append(producer, event(topic, stream, "-1")));
            facts.fact("other category", append(producer, event(topic, "other-1", "any")));
            List<Object> all = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                all.add(append(producer, event(topic, i, stream, "exists", null, "OrderPlaced")));
            }
            facts.fact("partitions 0 to 3", all);
            facts.fact("count", sum(setting, admin, topic));
            facts.fact("afterwards", append(producer, event(topic, stream, "no_stream")));
        }
    }

    private static void idempotent(Setting setting, Facts facts) throws Exception {
        String topic = "es." + setting.prefix + "one";
        String stream = setting.prefix + "one-idempotent";
        try (Admin admin = setting.admin()) {
            long before = sum(setting, admin, topic);
            try (var producer = setting.producer("enable.idempotence", true)) {
                facts.fact("first", append(producer, event(topic, stream, "no_stream")));
                facts.fact("refused", append(producer, event(topic, stream, "no_stream")));
                facts.fact("next", append(producer, event(topic, null, stream, "0", "known", "OrderPlaced")));
                facts.fact("repeated", append(producer, event(topic, null, stream, "0", "known", "OrderPlaced")));
                facts.fact("after it", append(producer, event(topic, stream, "1")));
            }
            facts.fact("count", sum(setting, admin, topic) - before);
            before = sum(setting, admin, topic);
            List<Object> all = new ArrayList<>();
            try (var producer = setting.producer("enable.idempotence", true, "batch.size", 0)) {
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (int i = 0; i < 10; i++) {
                    sent.add(producer.send(event(topic, stream + "-" + i, i == 3 ? "5" : "no_stream")));
                }
                for (var each : sent) {
                    all.add(told(each::get));
                }
            }
            facts.fact("ten in flight, the fourth refused", all);
            facts.fact("stored is what was told",
                sum(setting, admin, topic) - before == all.stream().filter("ok"::equals).count());
        }
    }

    private static void retry(Setting setting, Facts facts) throws Exception {
        String topic = "es." + setting.prefix + "one";
        Object[][] cases = {{"with id", false, "0", "e2"}, {"without id", false, "0", null},
            {"any without id", false, "any", null}, {"idempotent, without id", true, "0", null}};
        try (Admin admin = setting.admin(setting.cut)) {
            for (int i = 0; i < cases.length; i++) {
                String name = (String) cases[i][0];
                String stream = setting.prefix + "one-retry-" + i;
                long before = sum(setting, admin, topic);
                try (var producer = setting.producer("bootstrap.servers", setting.cut, "client.id",
                        "cut.0.2." + setting.prefix + "-" + i, "enable.idempotence", cases[i][1], "acks", "all")) {
                    producer.send(event(topic, stream, "no_stream")).get();
                    facts.fact(name, append(producer,
                        event(topic, null, stream, (String) cases[i][2], (String) cases[i][3], "OrderPlaced")));
                }
                facts.fact(name + ".count", sum(setting, admin, topic) - before);
            }
        }
    }

    private static void partitioner(Setting setting, Facts facts) throws Exception {
        String topic = "es." + setting.prefix;
        try (Admin admin = setting.admin(); var producer = setting.producer()) {
            long before = sum(setting, admin, topic);
            int good = 0;
            for (int i = 0; i < 20; i++) {
                good += "ok".equals(append(producer, event(topic, setting.prefix + "-part-" + i, "no_stream"))) ? 1 : 0;
            }
            facts.fact("by default", good);
            facts.fact("as advised", good);
            facts.fact("count", sum(setting, admin, topic) - before);
        }
    }

    private static void read(Setting setting, Facts facts) throws Exception {
        String topic = "es." + setting.prefix + "one";
        String stream = setting.prefix + "one-read";
        String[] types = {"OrderPlaced", "OrderPaid", "OrderShipped"};
        try (Admin admin = setting.admin(); var producer = setting.producer()) {
            long begin = sum(setting, admin, topic);
            for (int i = 0; i < types.length; i++) {
                producer.send(event(topic, null, stream, i == 0 ? "no_stream" : String.valueOf(i - 1), "e" + i, types[i]))
                    .get();
            }
            var found = setting.readFrom(topic, begin, 3);
            facts.fact("keys", found.stream().map(r -> Setting.text(r.key())).toList());
            facts.fact("revisions", found.stream()
                .map(r -> Integer.valueOf(Setting.text(r.headers().lastHeader("leat-revision").value()))).toList());
            facts.fact("ids", found.stream().map(r -> Setting.text(r.headers().lastHeader("ce_id").value())).toList());
            facts.fact("types", found.stream().map(r -> Setting.text(r.headers().lastHeader("ce_type").value())).toList());
            List<String> names = new ArrayList<>();
            found.get(0).headers().forEach(header -> names.add(header.key()));
            facts.fact("headers", names);
        }
    }

    private static void administration(Setting setting, Facts facts) throws Exception {
        String topic = "es." + setting.prefix + "one";
        try (Admin admin = setting.admin()) {
            facts.fact("create topic", told(() -> admin.createTopics(
                List.of(new NewTopic("es." + setting.prefix + "two", 1, (short) 1))).all().get()));
            facts.fact("delete topic", told(() -> admin.deleteTopics(List.of(topic)).all().get()));
            facts.fact("add partitions",
                told(() -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all().get()));
            facts.fact("delete records", told(() -> admin.deleteRecords(
                Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(1))).all().get()));
            for (String[] each : new String[][] {{"retention.ms", "1000"}, {"retention.bytes", "1000000"},
                {"cleanup.policy", "compact"}, {"leat.durability", "os"}, {"max.message.bytes", "2000000"}}) {
                var alter = List.of(new AlterConfigOp(new ConfigEntry(each[0], each[1]), AlterConfigOp.OpType.SET));
                facts.fact(each[0], told(() -> admin.incrementalAlterConfigs(
                    Map.of(new ConfigResource(ConfigResource.Type.TOPIC, topic), alter)).all().get()));
            }
            facts.fact("topic is there", admin.listTopics().names().get().contains(topic));
        }
    }
}
