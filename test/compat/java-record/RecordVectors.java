/*
 * Apache Kafka's own classes as the measure for src/record. Three modes:
 *
 *   write DIR      makes test vectors: NAME.bin (record batches) and NAME.txt (what is in them)
 *   dump FILE...   prints what Kafka reads from batches, in the form of test/unit/record/record_dump.h
 *   judge FILE...  validates each file as a produce request under each set of rules, as a broker would,
 *                  and prints the outcome: one line per file and set
 *
 * Needs the jars of Apache Kafka 4.3 (run.sh says which). Some of the classes are internal to Kafka and may move.
 */
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Random;
import java.util.zip.CRC32C;

import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.CorruptRecordException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.DefaultRecordBatch;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;
import org.apache.kafka.storage.internals.log.RecordValidationException;

public class RecordVectors {
    static final long NOW = 1_700_000_000_000L;

    // ---- dump: the text form --------------------------------------------------------------------

    static String bytes(ByteBuffer b) {
        if (b == null) {
            return "null";
        }
        byte[] all = new byte[b.remaining()];
        b.duplicate().get(all);
        if (all.length <= 32) {
            return "'" + HexFormat.of().formatHex(all) + "'";
        }
        CRC32C crc = new CRC32C();
        crc.update(all);
        return String.format("%d:%08x", all.length, crc.getValue());
    }

    static void dump(MemoryRecords records, boolean stored, PrintStream out) {
        for (MutableRecordBatch any : records.batches()) {
            DefaultRecordBatch b = (DefaultRecordBatch) any;
            out.printf("batch base=%d last=%d epoch=%d codec=%s time=%s first=%d max=%d producer=%d/%d/%d%s%s%s "
                    + "records=%d", b.baseOffset(), b.lastOffset(), b.partitionLeaderEpoch(),
                b.compressionType().name, b.timestampType() == TimestampType.CREATE_TIME ? "create" : "append",
                b.baseTimestamp(), b.maxTimestamp(), b.producerId(), b.producerEpoch(), b.baseSequence(),
                b.isTransactional() ? " transactional" : "", b.isControlBatch() ? " control" : "",
                b.deleteHorizonMs().isPresent() ? " horizon" : "", b.countOrNull());
            if (stored) {
                b.ensureValid();
                out.printf(" size=%d crc=%08x", b.sizeInBytes(), b.checksum());
            }
            out.printf("%n");
            for (Record r : b) {
                out.printf("record %d %d %s %s%n", r.offset(), r.timestamp(), bytes(r.key()), bytes(r.value()));
                for (Header h : r.headers()) {
                    byte[] v = h.value();
                    out.printf("header %s %s%n", bytes(ByteBuffer.wrap(h.key().getBytes(StandardCharsets.UTF_8))),
                        bytes(v == null ? null : ByteBuffer.wrap(v)));
                }
                if (b.isControlBatch()) {
                    ControlRecordType type = ControlRecordType.parse(r.key());
                    out.printf("marker %s %d%n", type.name().toLowerCase(),
                        EndTransactionMarker.deserialize(r).coordinatorEpoch());
                }
            }
        }
    }

    // ---- write: the vectors ---------------------------------------------------------------------

    static void save(Path dir, String name, ByteBuffer bytes) throws IOException {
        byte[] all = new byte[bytes.remaining()];
        bytes.duplicate().get(all);
        Files.write(dir.resolve(name + ".bin"), all);
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        dump(MemoryRecords.readableRecords(ByteBuffer.wrap(all)), true, new PrintStream(text));
        Files.write(dir.resolve(name + ".txt"), text.toByteArray());
    }

    static MemoryRecordsBuilder builder(Compression c, TimestampType type, long base, long pid, int epoch, int seq,
                                        boolean txn) {
        return MemoryRecords.builder(ByteBuffer.allocate(1 << 20), RecordBatch.CURRENT_MAGIC_VALUE, c, type, base,
            NOW + 5000, pid, (short) epoch, seq, txn, 3);
    }

    static byte[] z(String s) {
        return s == null ? null : s.getBytes(StandardCharsets.UTF_8);
    }

    static void mixed(MemoryRecordsBuilder b) {
        b.append(NOW, z("key"), z("value"));
        b.append(NOW + 1000, (byte[]) null, z("no key"));
        b.append(NOW - 1000, z("no value"), (byte[]) null);
        b.append(NOW + 2, new byte[0], new byte[0]);
        b.append(NOW + 3, z("headers"), z("x"), new Header[] {
            new RecordHeader("one", z("1")), new RecordHeader("empty", new byte[0]),
            new RecordHeader("null", (byte[]) null), new RecordHeader("", z("no name")),
            new RecordHeader("\u00fcnic\u00f6de", z("\u20ac"))});
        b.append(NOW + 1000, (byte[]) null, (byte[]) null);
    }

    static void write(Path dir) throws IOException {
        for (CompressionType type : CompressionType.values()) {
            Compression c = Compression.of(type).build();
            MemoryRecordsBuilder b = builder(c, TimestampType.CREATE_TIME, 0, -1, -1, -1, false);
            mixed(b);
            save(dir, type.name + "-mixed", b.build().buffer());
            b = builder(c, TimestampType.CREATE_TIME, 7_000_000_000L, 4711, 2, Integer.MAX_VALUE - 2, false);
            Random random = new Random(1);
            for (int i = 0; i < 150; i++) { // values of all sizes around the first varint border
                byte[] value = new byte[i];
                for (int j = 0; j < value.length; j++) {
                    value[j] = (byte) ("abcdefgh".charAt(random.nextInt(8)));
                }
                b.append(NOW + i * 37L * (i % 3 - 1), i % 5 == 0 ? null : z("k" + i), value);
            }
            save(dir, type.name + "-many", b.build().buffer());
            if (type != CompressionType.NONE) { // more than a block of snappy (32 KiB) and lz4 (64 KiB)
                b = builder(c, TimestampType.CREATE_TIME, 0, -1, -1, -1, false);
                for (int i = 0; i < 3; i++) {
                    b.append(NOW, z("k"), z(("block " + i + ", ").repeat(7000)));
                }
                save(dir, type.name + "-blocks", b.build().buffer());
            }
            b = builder(c, TimestampType.LOG_APPEND_TIME, 100, -1, -1, -1, false);
            mixed(b);
            save(dir, type.name + "-append-time", b.build().buffer());
            b = builder(c, TimestampType.CREATE_TIME, 5, 9, 1, 0, true);
            b.append(NOW, z("in"), z("a transaction"));
            save(dir, type.name + "-transactional", b.build().buffer());
        }
        save(dir, "control-commit", MemoryRecords.withEndTransactionMarker(12, NOW, 3, 9, (short) 1,
            new EndTransactionMarker(ControlRecordType.COMMIT, 17)).buffer());
        save(dir, "control-abort", MemoryRecords.withEndTransactionMarker(13, NOW, 3, 9, (short) 1,
            new EndTransactionMarker(ControlRecordType.ABORT, 18)).buffer());
        MemoryRecordsBuilder gaps = builder(Compression.NONE, TimestampType.CREATE_TIME, 50, -1, -1, -1, false);
        gaps.appendWithOffset(52, NOW, z("a"), z("1")); // as after compaction
        gaps.appendWithOffset(57, NOW + 7, z("b"), z("2"));
        gaps.overrideLastOffset(60);
        save(dir, "none-gaps", gaps.build().buffer());
        MemoryRecordsBuilder horizon = new MemoryRecordsBuilder(
            new org.apache.kafka.common.utils.ByteBufferOutputStream(4096), (byte) 2, Compression.NONE,
            TimestampType.CREATE_TIME, 70, NOW, -1, (short) -1, -1, false, false, 3, 4096, NOW + 86_400_000L);
        horizon.append(NOW, z("deleted"), (byte[]) null);
        horizon.append(NOW + 1, z("deleted too"), (byte[]) null);
        save(dir, "none-delete-horizon", horizon.build().buffer());
        ByteBuffer empty = ByteBuffer.allocate(61);
        DefaultRecordBatch.writeEmptyHeader(empty, (byte) 2, 9, (short) 1, 40, 80, 84, 3, TimestampType.CREATE_TIME,
            NOW, false, false);
        empty.flip();
        save(dir, "empty", empty);
        ByteBuffer run = ByteBuffer.allocate(1 << 20);
        long at = 0;
        for (CompressionType type : CompressionType.values()) {
            MemoryRecordsBuilder b = builder(Compression.of(type).build(), TimestampType.CREATE_TIME, at, -1, -1, -1, false);
            mixed(b);
            run.put(b.build().buffer());
            at += 6;
        }
        run.flip();
        save(dir, "run", run);
    }

    // ---- judge: a produce request at the broker's door --------------------------------------------

    /* The sets of rules; record_tool.c has the same. */
    record Rules(String name, int version, int maxBytes, boolean appendTime, long before, long after, String codec,
                 boolean keys) { }

    static final Rules[] RULES = {
        new Rules("default", 13, 1048588, false, Long.MAX_VALUE, 3600000, "producer", false),
        new Rules("old", 6, 1048588, false, Long.MAX_VALUE, 3600000, "producer", false),
        new Rules("small", 13, 300, false, Long.MAX_VALUE, 3600000, "producer", false),
        new Rules("append", 13, 1048588, true, Long.MAX_VALUE, 3600000, "producer", false),
        new Rules("bounds", 13, 1048588, false, 500, 500, "producer", false),
        new Rules("keys", 13, 1048588, false, Long.MAX_VALUE, 3600000, "producer", true),
        new Rules("gzip", 13, 1048588, false, Long.MAX_VALUE, 3600000, "gzip", false),
        new Rules("none", 13, 1048588, true, Long.MAX_VALUE, 3600000, "none", false),
        new Rules("zstd", 13, 1048588, true, Long.MAX_VALUE, 3600000, "zstd", false),
    };

    static final Time CLOCK = (Time) Proxy.newProxyInstance(RecordVectors.class.getClassLoader(),
        new Class<?>[] {Time.class}, (p, m, a) -> switch (m.getName()) {
            case "milliseconds", "hiResClockMs" -> NOW;
            case "nanoseconds" -> 0L;
            default -> null;
        });
    static final LogValidator.MetricsRecorder METRICS = new LogValidator.MetricsRecorder() {
        public void recordInvalidMagic() { }
        public void recordInvalidOffset() { }
        public void recordInvalidSequence() { }
        public void recordInvalidChecksums() { }
        public void recordNoKeyCompactedTopic() { }
    };

    static String judge(byte[] bytes, Rules rules) {
        MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes.clone()));
        try {
            ProduceRequest.validateRecords((short) rules.version(), records);
            // What UnifiedLog does between the request and the validator.
            int valid = 0;
            CompressionType source = CompressionType.NONE;
            for (MutableRecordBatch batch : records.batches()) {
                if (batch.baseOffset() != 0) {
                    throw new InvalidRecordException("base offset");
                }
                if (batch.sizeInBytes() > rules.maxBytes()) {
                    throw new RecordTooLargeException("size");
                }
                if (!batch.isValid()) {
                    throw new CorruptRecordException("crc");
                }
                valid += batch.sizeInBytes();
                source = batch.compressionType();
            }
            ByteBuffer trimmed = records.buffer().duplicate();
            trimmed.limit(valid);
            Compression target = rules.codec().equals("producer") ? Compression.of(source).build()
                : Compression.of(rules.codec()).build();
            LogValidator validator = new LogValidator(MemoryRecords.readableRecords(trimmed),
                new TopicPartition("t", 0), CLOCK, source, target, rules.keys(), (byte) 2,
                rules.appendTime() ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME, rules.before(),
                rules.after(), 3, AppendOrigin.CLIENT);
            LogValidator.ValidationResult result = validator.validateMessagesAndAssignOffsets(
                PrimitiveRef.ofLong(1000), METRICS, BufferSupplier.NO_CACHING);
            if (result.messageSizeMaybeChanged()) {
                for (MutableRecordBatch batch : result.validatedRecords().batches()) {
                    if (batch.sizeInBytes() > rules.maxBytes()) {
                        throw new RecordTooLargeException("size");
                    }
                }
            }
            ByteArrayOutputStream text = new ByteArrayOutputStream();
            dump(result.validatedRecords(), false, new PrintStream(text));
            CRC32C crc = new CRC32C();
            crc.update(text.toByteArray());
            return String.format("ok max=%d dump=%08x", result.maxTimestampMs(), crc.getValue());
        } catch (RecordValidationException e) {
            StringBuilder s = new StringBuilder(Errors.forException(e.invalidException()).name());
            for (int i = 0; i < e.recordErrors().size() && i < 3; i++) {
                s.append(' ').append(e.recordErrors().get(i).batchIndex);
            }
            return s.toString();
        } catch (Exception e) {
            return Errors.forException(e).name();
        }
    }

    public static void main(String[] args) throws IOException {
        if (args[0].equals("write")) {
            write(Path.of(args[1]));
            return;
        }
        for (int i = 1; i < args.length; i++) {
            Path file = Path.of(args[i]);
            byte[] bytes = Files.readAllBytes(file);
            if (args[0].equals("dump")) {
                System.out.println("file " + file.getFileName());
                dump(MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)), true, System.out);
            } else {
                for (Rules rules : RULES) {
                    System.out.println(file.getFileName() + " " + rules.name() + " " + judge(bytes, rules));
                }
            }
        }
    }
}
