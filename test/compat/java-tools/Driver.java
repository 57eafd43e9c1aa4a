package compat.tools;

import compat.Facts;
import compat.Setting;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.tools.ClusterTool;
import org.apache.kafka.tools.ConsoleProducer;
import org.apache.kafka.tools.ConsumerPerformance;
import org.apache.kafka.tools.DeleteRecordsCommand;
import org.apache.kafka.tools.GetOffsetShell;
import org.apache.kafka.tools.LeaderElectionCommand;
import org.apache.kafka.tools.LogDirsCommand;
import org.apache.kafka.tools.ProducerPerformance;
import org.apache.kafka.tools.TopicCommand;
import org.apache.kafka.tools.consumer.ConsoleConsumer;
import org.apache.kafka.tools.consumer.group.ConsumerGroupCommand;

/** Runs the compatibility scenarios with Apache Kafka's command-line tools. */
public final class Driver {
    private Driver() {
    }

    public static void main(String[] args) {
        Map<String, compat.Driver.Scenario> all = new LinkedHashMap<>();
        all.put("produce-codecs", Driver::codecs);
        all.put("produce-errors", Driver::produceErrors);
        all.put("auto-create", Driver::autoCreate);
        all.put("consume-positions", Driver::positions);
        all.put("list-offsets", Driver::listOffsets);
        for (String name : List.of("group-join-leave", "group-member-dies", "group-static-members")) {
            all.put(name, (setting, facts) -> facts.notApplicable("the tools are single members; the java driver runs "
                + "the same consumer class in groups"));
        }
        all.put("commit-seek", Driver::commitSeek);
        all.put("idempotent-retry", Driver::idempotentRetry);
        all.put("topic-admin", Driver::topicAdmin);
        all.put("config-admin", Driver::configAdmin);
        all.put("delete-records", Driver::deleteRecords);
        all.put("describe-cluster", Driver::describeCluster);
        all.put("group-admin", Driver::groupAdmin);
        all.put("large-message", Driver::largeMessage);
        all.put("large-batch", Driver::largeBatch);
        all.put("many-partitions", Driver::manyPartitions);
        all.put("transactional-id", Driver::transactionalId);
        all.put("read-committed", Driver::readCommitted);
        all.put("compact-policy", Driver::compactPolicy);
        for (String name : List.of("events-append", "events-batch", "events-refused", "events-idempotent", "events-retry",
                "events-partitioner")) {
            all.put(name, (setting, facts) -> facts.notApplicable("the console producer is the producer of the java driver"));
        }
        all.put("events-read", (setting, facts) -> facts.notApplicable("the console consumer is the consumer of the java "
            + "driver"));
        all.put("events-admin", Driver::eventsAdmin);
        compat.Driver.main(args, all);
    }

    /** What kafka-topics.sh and its like show of es.* topics, and what they say when they may not change them. */
    private static void eventsAdmin(Setting setting, Facts facts) throws Exception {
        String topic = "es." + setting.prefix + "one";
        facts.fact("list", topics(setting, "--list").lines().stream().filter(name -> name.startsWith("es." + setting.prefix))
            .sorted().toList());
        Tool described = topics(setting, "--describe", "--topic", "es." + setting.prefix);
        facts.fact("describe", List.of(described.find("PartitionCount: (\\d+)"), described.find("ReplicationFactor: (\\d+)"),
            described.count("Leader: 1")));
        Tool settings = Tool.run(kafka.admin.ConfigCommand::main, with(setting, "--describe", "--entity-type", "topics",
            "--entity-name", topic));
        facts.fact("retention", List.of(String.valueOf(settings.find("(retention.ms=\\S+)")),
            String.valueOf(settings.find("(retention.bytes=\\S+)"))));
        facts.fact("create topic", said(topics(setting, "--create", "--topic", "es." + setting.prefix + "two")));
        facts.fact("delete topic", said(topics(setting, "--delete", "--topic", topic)));
        facts.fact("add partitions", said(topics(setting, "--alter", "--topic", topic, "--partitions", "2")));
        Path file = Files.createTempFile("leat", ".json");
        Files.writeString(file, "{\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":1}],\"version\":1}");
        facts.fact("delete records", said(Tool.run(DeleteRecordsCommand::main,
            with(setting, "--offset-json-file", file.toString()))));
        Files.delete(file);
        for (String each : List.of("retention.ms=1000", "retention.bytes=1000000", "cleanup.policy=compact", "leat.durability=os",
            "max.message.bytes=2000000")) {
            facts.fact(each.substring(0, each.indexOf('=')), said(configs(setting, "--alter", "--entity-type", "topics",
                "--entity-name", topic, "--add-config", each)));
        }
        facts.fact("topic is there", topics(setting, "--list").lines().contains(topic));
    }

    /** "ok", or what a person reads first. */
    private static Object said(Tool done) {
        String found = (done.out + "\n" + done.err).lines().filter(line -> line.contains("'es.") || line.contains("Exception: "))
            .findFirst().orElse("");
        return done.outcome().equals("ok") ? "ok" : List.of(done.outcome(), found);
    }

    // ---- the tools -------------------------------------------------------------------------------

    private static String[] with(Setting setting, String... more) {
        List<String> all = new ArrayList<>(List.of("--bootstrap-server", setting.bootstrap));
        all.addAll(Arrays.asList(more));
        return all.toArray(String[]::new);
    }

    private static Tool topics(Setting setting, String... more) {
        return Tool.run(TopicCommand::main, with(setting, more));
    }

    private static Tool configs(Setting setting, String... more) {
        Tool done = Tool.run(kafka.admin.ConfigCommand::main, with(setting, more));
        try {
            // Kafka answers an alteration when its controller has it; its broker shows it a moment later.
            Thread.sleep(300);
        } catch (InterruptedException problem) {
            Thread.currentThread().interrupt();
        }
        return done;
    }

    private static Tool groups(Setting setting, String... more) {
        return Tool.run(ConsumerGroupCommand::main, with(setting, more));
    }

    private static Tool offsets(Setting setting, String... more) {
        return Tool.run(GetOffsetShell::main, with(setting, more));
    }

    private static Tool consume(Setting setting, String... more) {
        return Tool.run(ConsoleConsumer::main, with(setting, more));
    }

    private static Tool produce(Setting setting, String topic, String lines, String... more) {
        List<String> all = new ArrayList<>(List.of("--topic", topic));
        all.addAll(Arrays.asList(more));
        return Tool.feed(lines, ConsoleProducer::main, with(setting, all.toArray(String[]::new)));
    }

    private static String topic(Setting setting, String name, String... more) {
        String full = setting.prefix + "-" + name;
        List<String> all = new ArrayList<>(List.of("--create", "--topic", full));
        all.addAll(Arrays.asList(more));
        Tool made = topics(setting, all.toArray(String[]::new));
        if (made.status != 0) {
            throw new IllegalStateException("create " + full + ": " + made.outcome());
        }
        return full;
    }

    private static String numbered(int from, int to) {
        return IntStream.range(from, to).mapToObj(i -> "k" + i + ":v" + i + "\n").collect(Collectors.joining());
    }

    private static final String[] KEYED = {"--reader-property", "parse.key=true", "--reader-property", "key.separator=:"};

    private static String[] join(String[] first, String... second) {
        List<String> all = new ArrayList<>(Arrays.asList(first));
        all.addAll(Arrays.asList(second));
        return all.toArray(String[]::new);
    }

    // ---- the scenarios ---------------------------------------------------------------------------

    private static void codecs(Setting setting, Facts facts) {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String topic = topic(setting, "codec-" + codec);
            int from = 0;
            for (String acks : List.of("0", "1", "all")) {
                Tool sent = produce(setting, topic, numbered(from, from + 20), join(KEYED, "--compression-codec", codec,
                    "--request-required-acks", acks));
                facts.fact(codec + ".acks=" + acks, sent.outcome());
                from += 20;
            }
            Tool read = consume(setting, "--topic", topic, "--from-beginning", "--max-messages", "60", "--timeout-ms",
                "10000", "--formatter-property", "print.key=true", "--formatter-property", "print.offset=true");
            facts.fact(codec + ".read", List.of(read.lines().size(), read.lines().stream().sorted().toList().hashCode()));
        }
    }

    private static void produceErrors(Setting setting, Facts facts) {
        String topic = topic(setting, "errors", "--config", "max.message.bytes=1000");
        facts.fact("too large", produce(setting, topic, "x".repeat(5000) + "\n", "--sync").outcome());
        facts.fact("invalid topic", produce(setting, "bad/name", "x\n", "--sync", "--max-block-ms", "3000").outcome());
        facts.fact("offsets", offsets(setting, "--topic", topic).lines());
    }

    private static void autoCreate(Setting setting, Facts facts) {
        String topic = setting.prefix + "-made-by-produce";
        facts.fact("produce", produce(setting, topic, "a\n", "--sync").status);
        Tool known = topics(setting, "--describe", "--topic", topic);
        facts.fact("described", List.of(known.find("PartitionCount: (\\d+)"), known.find("ReplicationFactor: (\\d+)")));
    }

    private static void positions(Setting setting, Facts facts) {
        String topic = topic(setting, "positions");
        produce(setting, topic, numbered(0, 100), KEYED);
        String[] base = {"--topic", topic, "--timeout-ms", "4000", "--formatter-property", "print.offset=true"};
        facts.fact("from the beginning", consume(setting, join(base, "--from-beginning", "--max-messages", "100")).lines().hashCode());
        for (String offset : List.of("37", "earliest", "99")) {
            Tool read = consume(setting, join(base, "--partition", "0", "--offset", offset, "--max-messages", "1"));
            facts.fact("offset " + offset, read.lines());
        }
        facts.fact("offset latest", consume(setting, "--topic", topic, "--timeout-ms", "1500", "--partition", "0", "--offset",
            "latest").lines());
    }

    private static void listOffsets(Setting setting, Facts facts) {
        String topic = topic(setting, "list-offsets", "--partitions", "3");
        produce(setting, topic, numbered(0, 30), KEYED);
        for (String time : List.of("-1", "latest", "-2", "earliest", "-4", "earliest-local", "-5", "latest-tiered",
                "9999999999999", "0")) {
            facts.fact("time " + time, offsets(setting, "--topic", topic, "--time", time).lines());
        }
        facts.fact("all largest timestamps", offsets(setting, "--topic", topic, "--time", "max-timestamp").lines().size());
        facts.fact("one partition", offsets(setting, "--topic-partitions", topic + ":1").lines());
        facts.fact("unknown topic", offsets(setting, "--topic", setting.prefix + "-none").outcome());
    }

    private static void commitSeek(Setting setting, Facts facts) {
        String topic = topic(setting, "commit");
        produce(setting, topic, numbered(0, 20), KEYED);
        String group = setting.prefix + "-commit";
        String[] base = {"--topic", topic, "--group", group, "--timeout-ms", "8000", "--formatter-property", "print.offset=true"};
        facts.fact("first five", consume(setting, join(base, "--from-beginning", "--max-messages", "5")).lines());
        facts.fact("the next", consume(setting, join(base, "--max-messages", "2")).lines());
        facts.fact("reset to 3", groups(setting, "--reset-offsets", "--group", group, "--topic", topic, "--to-offset", "3",
            "--execute").outcome());
        facts.fact("after the reset", consume(setting, join(base, "--max-messages", "1")).lines());
    }

    private static void idempotentRetry(Setting setting, Facts facts) {
        String topic = setting.prefix + "-retry";
        String[] through = {"--bootstrap-server", setting.cut};
        Tool.run(TopicCommand::main, join(through, "--create", "--topic", topic));
        Tool sent = Tool.run(ProducerPerformance::main, join(through, "--topic", topic, "--num-records", "50",
            "--record-size", "100", "--throughput", "-1", "--command-property", "client.id=cut.0.3." + setting.prefix,
            "batch.size=0", "enable.idempotence=true", "acks=all"));
        facts.fact("sent", sent.find("(50 records sent)"));
        facts.fact("offsets", Tool.run(GetOffsetShell::main, join(through, "--topic", topic)).lines());
        Tool read = Tool.run(ConsoleConsumer::main, join(through, "--topic", topic, "--from-beginning", "--max-messages", "50",
            "--timeout-ms", "8000"));
        facts.fact("read", read.lines().size());
    }

    private static void topicAdmin(Setting setting, Facts facts) {
        String topic = topic(setting, "topic", "--partitions", "3", "--config", "retention.ms=3600000");
        Tool known = topics(setting, "--describe", "--topic", topic);
        facts.fact("describe", List.of(known.find("PartitionCount: (\\d+)"), known.find("ReplicationFactor: (\\d+)"),
            known.find("Configs: (.*)"), known.count("Leader: \\d+")));
        facts.fact("exists", topics(setting, "--create", "--topic", topic).outcome());
        facts.fact("if not exists", topics(setting, "--create", "--if-not-exists", "--topic", topic).outcome());
        facts.fact("three replicas", topics(setting, "--create", "--topic", topic + "3", "--replication-factor", "3").outcome());
        facts.fact("bad config", topics(setting, "--create", "--topic", topic + "c", "--config", "retention.ms=soon").outcome());
        facts.fact("bad name", topics(setting, "--create", "--topic", "a/b").outcome());
        facts.fact("to 5", topics(setting, "--alter", "--topic", topic, "--partitions", "5").outcome());
        facts.fact("to 4", topics(setting, "--alter", "--topic", topic, "--partitions", "4").outcome());
        facts.fact("describe again", topics(setting, "--describe", "--topic", topic).find("PartitionCount: (\\d+)"));
        facts.fact("listed", topics(setting, "--list").lines().contains(topic));
        facts.fact("unavailable", topics(setting, "--describe", "--unavailable-partitions").lines().size());
        facts.fact("delete", topics(setting, "--delete", "--topic", topic).outcome());
        facts.fact("delete again", topics(setting, "--delete", "--topic", topic).outcome());
        facts.fact("listed afterwards", topics(setting, "--list").lines().contains(topic));
    }

    private static void configAdmin(Setting setting, Facts facts) {
        String topic = topic(setting, "config", "--config", "retention.ms=7200000");
        String[] entity = {"--entity-type", "topics", "--entity-name", topic};
        facts.fact("add", configs(setting, join(entity, "--alter", "--add-config", "max.message.bytes=2000000")).outcome());
        facts.fact("shows", configs(setting, join(entity, "--describe")).lines().stream().filter(line -> line.contains("="))
            .sorted().toList());
        facts.fact("remove", configs(setting, join(entity, "--alter", "--delete-config", "max.message.bytes")).outcome());
        facts.fact("shows less", configs(setting, join(entity, "--describe")).lines().stream().filter(line -> line.contains("="))
            .sorted().toList());
        facts.fact("remove what is not there", configs(setting, join(entity, "--alter", "--delete-config",
            "segment.bytes")).outcome());
        facts.fact("unknown key", configs(setting, join(entity, "--alter", "--add-config", "no.such.key=1")).outcome());
        facts.fact("unknown topic", configs(setting, "--entity-type", "topics", "--entity-name", setting.prefix + "-none",
            "--alter", "--add-config", "retention.ms=1").outcome());
        facts.fact("all keys", configs(setting, join(entity, "--describe", "--all")).find("\\s(retention.bytes=\\S+)"));
        facts.fact("broker default", configs(setting, "--entity-type", "brokers", "--entity-default", "--alter",
            "--add-config", "log.cleaner.backoff.ms=15001").outcome().startsWith("status") ? "refused" : "accepted");
        configs(setting, "--entity-type", "brokers", "--entity-default", "--alter", "--delete-config", "log.cleaner.backoff.ms");
    }

    private static void deleteRecords(Setting setting, Facts facts) throws Exception {
        String topic = topic(setting, "delete-records");
        produce(setting, topic, numbered(0, 100), KEYED);
        Path file = Files.createTempFile("compat", ".json");
        for (int offset : new int[] {40, 101}) {
            Files.writeString(file, "{\"version\":1,\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":"
                + offset + "}]}");
            Tool done = Tool.run(DeleteRecordsCommand::main, with(setting, "--offset-json-file", file.toString()));
            facts.fact("to " + offset, List.of(done.status, String.valueOf(done.find("low_watermark: (\\d+)")),
                done.outcome()));
        }
        Files.delete(file);
        facts.fact("earliest", offsets(setting, "--topic", topic, "--time", "earliest").lines());
    }

    private static void describeCluster(Setting setting, Facts facts) throws Exception {
        String topic = topic(setting, "described", "--partitions", "2");
        facts.fact("cluster id", Tool.run(ClusterTool::main, "cluster-id", "--bootstrap-server", setting.bootstrap)
            .find("(Cluster ID): \\S+"));
        facts.fact("endpoints", Tool.run(ClusterTool::main, "list-endpoints", "--bootstrap-server", setting.bootstrap)
            .lines().size());
        Tool dirs = Tool.run(LogDirsCommand::main, with(setting, "--describe", "--topic-list", topic));
        facts.fact("log dirs", List.of(dirs.status, dirs.count("\"partition\":\"" + topic + "-[01]\"")));
        facts.fact("preferred election", Tool.run(LeaderElectionCommand::main, with(setting, "--election-type", "preferred",
            "--topic", topic, "--partition", "0")).status);
        // What is advertised of what the client knows: none of its interfaces may be unusable.
        Tool versions = Tool.run(org.apache.kafka.tools.BrokerApiVersionsCommand::main, with(setting));
        facts.fact("api versions", List.of(versions.status, versions.count("Produce\\(0\\)"),
            String.valueOf(versions.find("(Fetch\\(1\\): .*?),?\\n"))));
    }

    private static void groupAdmin(Setting setting, Facts facts) {
        String topic = topic(setting, "groups");
        produce(setting, topic, numbered(0, 10), KEYED);
        String group = setting.prefix + "-group";
        facts.fact("read", consume(setting, "--topic", topic, "--group", group, "--from-beginning", "--max-messages", "10",
            "--timeout-ms", "8000").lines().size());
        facts.fact("listed", groups(setting, "--list").lines().contains(group));
        Tool state = groups(setting, "--describe", "--group", group, "--state");
        facts.fact("state", state.find("\\b(Empty|Stable|Dead)\\b"));
        facts.fact("lag", groups(setting, "--describe", "--group", group).find(topic + "\\s+(0\\s+\\d+\\s+\\d+\\s+\\d+)"));
        facts.fact("describe unknown", groups(setting, "--describe", "--group", group + "-none").status);
        for (String[] where : new String[][] {{"--to-earliest"}, {"--to-latest"}, {"--to-offset", "4"}, {"--shift-by", "2"}}) {
            Tool done = groups(setting, join(new String[] {"--reset-offsets", "--group", group, "--topic", topic, "--execute"},
                where));
            facts.fact("reset " + String.join(" ", where), done.find(topic + "\\s+0\\s+(\\d+)"));
        }
        facts.fact("dry run", groups(setting, "--reset-offsets", "--group", group, "--topic", topic, "--to-earliest",
            "--dry-run").find(topic + "\\s+0\\s+(\\d+)"));
        facts.fact("after the dry run", groups(setting, "--describe", "--group", group).find(topic + "\\s+0\\s+(\\d+)"));
        facts.fact("delete offsets", groups(setting, "--delete-offsets", "--group", group, "--topic", topic)
            .find("(Successful)"));
        facts.fact("delete", groups(setting, "--delete", "--group", group).outcome());
        facts.fact("delete again", groups(setting, "--delete", "--group", group).outcome());
        facts.fact("listed afterwards", groups(setting, "--list").lines().contains(group));
    }

    private static Tool load(Setting setting, String topic, int count, int size, String... properties) {
        String[] base = {"--topic", topic, "--num-records", String.valueOf(count), "--record-size", String.valueOf(size),
            "--throughput", "-1", "--bootstrap-server", setting.bootstrap, "--command-property"};
        return Tool.run(ProducerPerformance::main, join(base, properties));
    }

    private static void largeMessage(Setting setting, Facts facts) {
        String topic = topic(setting, "large", "--config", "max.message.bytes=12000000");
        Tool sent = load(setting, topic, 3, 10 * 1024 * 1024, "max.request.size=20000000", "buffer.memory=64000000");
        facts.fact("sent", List.of(sent.status, String.valueOf(sent.find("(3 records sent)"))));
        facts.fact("offsets", offsets(setting, "--topic", topic).lines());
        Tool read = Tool.run(ConsumerPerformance::main, with(setting, "--topic", topic, "--num-records", "3", "--timeout",
            "10000"));
        facts.fact("read", List.of(read.status, read.count(", 3, ")));
    }

    private static void largeBatch(Setting setting, Facts facts) {
        String topic = topic(setting, "batch");
        Tool sent = load(setting, topic, 10000, 50, "batch.size=900000", "linger.ms=2000", "compression.type=zstd");
        facts.fact("sent", String.valueOf(sent.find("(10000 records sent)")));
        facts.fact("offsets", offsets(setting, "--topic", topic).lines());
        Tool read = Tool.run(ConsumerPerformance::main, with(setting, "--topic", topic, "--num-records", "10000", "--timeout",
            "10000"));
        facts.fact("read", List.of(read.status, read.count(", 10000, ")));
    }

    private static void manyPartitions(Setting setting, Facts facts) {
        int partitions = setting.gate ? 2000 : 1000;
        String topic = topic(setting, "many", "--partitions", String.valueOf(partitions));
        facts.fact("described", topics(setting, "--describe", "--topic", topic).count("Partition: \\d+"));
        facts.fact("offsets", offsets(setting, "--topic", topic).lines().size());
        facts.fact("delete", topics(setting, "--delete", "--topic", topic).outcome());
    }

    private static void transactionalId(Setting setting, Facts facts) {
        String topic = topic(setting, "transactions");
        Tool sent = load(setting, topic, 10, 10, "transactional.id=" + setting.prefix + "-tx", "max.block.ms=8000");
        facts.fact("produce", sent.outcome());
    }

    private static void readCommitted(Setting setting, Facts facts) {
        String topic = topic(setting, "read-committed");
        produce(setting, topic, numbered(0, 50), KEYED);
        for (String level : List.of("read_committed", "read_uncommitted")) {
            facts.fact(level, consume(setting, "--topic", topic, "--from-beginning", "--isolation-level", level,
                "--max-messages", "50", "--timeout-ms", "8000").lines().hashCode());
        }
    }

    private static void compactPolicy(Setting setting, Facts facts) {
        facts.fact("create", topics(setting, "--create", "--topic", setting.prefix + "-compact", "--config",
            "cleanup.policy=compact").outcome());
        String topic = topic(setting, "to-compact");
        facts.fact("alter", configs(setting, "--entity-type", "topics", "--entity-name", topic, "--alter", "--add-config",
            "cleanup.policy=compact").outcome());
    }
}
