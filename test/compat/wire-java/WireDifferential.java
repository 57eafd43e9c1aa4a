/*
 * The other side of the codec test: Kafka's own message classes and message definitions, both from
 * kafka-clients.
 *
 *   java -cp 'LIBS/*' WireDifferential.java tables TABLES
 *       TABLES is what `wire_codec tables` printed. Makes the same lines from the definitions in the jar
 *       and reports every line that only one side has.
 *   java -cp 'LIBS/*' WireDifferential.java cases TABLES OUT SEED COUNT
 *       For every message and version in TABLES, COUNT random messages, built through Kafka's JSON
 *       converters and written by Kafka's serializer. One case in OUT is: name, version, the bytes to
 *       decode, the bytes that must come out again. They differ only by tagged fields that nobody knows,
 *       put into every struct of every third message.
 */
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.InputStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.ApiVersionsResponseData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.RawTaggedField;

public class WireDifferential {
    static final ObjectMapper JSON = new ObjectMapper().configure(JsonParser.Feature.ALLOW_COMMENTS, true);
    static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    static final int FOREVER = 255;

    public static void main(String[] args) throws Exception {
        List<String> tables = Files.readAllLines(Path.of(args[1]));
        switch (args[0]) {
            case "tables" -> compareTables(tables);
            case "cases" -> writeCases(tables, Path.of(args[2]), Long.parseLong(args[3]), Integer.parseInt(args[4]));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    static JsonNode definition(String message) throws Exception {
        try (InputStream in = ApiKeys.class.getResourceAsStream("/common/message/" + message + ".json")) {
            if (in == null) {
                throw new IllegalStateException("the jar has no definition of " + message);
            }
            return JSON.readTree(in);
        }
    }

    record Range(int low, int high) {
        static Range of(JsonNode node) {
            String s = node == null ? "none" : node.asText();
            if (s.equals("none")) {
                return new Range(1, 0);
            }
            if (s.endsWith("+")) {
                return new Range(Integer.parseInt(s.substring(0, s.length() - 1)), FOREVER);
            }
            String[] p = s.split("-");
            return new Range(Integer.parseInt(p[0]), Integer.parseInt(p[p.length - 1]));
        }

        boolean has(int version) {
            return version >= low && version <= high;
        }

        @Override
        public String toString() {
            return low > high ? "none" : low + "-" + high;
        }
    }

    static String snake(String s) {
        return s.replaceAll("([a-z0-9])([A-Z])", "$1_$2").replaceAll("([A-Z]+)([A-Z][a-z])", "$1_$2").toLowerCase();
    }

    // ---- The tables -------------------------------------------------------------------------------

    static void compareTables(List<String> ours) throws Exception {
        TreeSet<String> theirs = new TreeSet<>();
        for (String line : ours) {
            String[] words = line.split(" ");
            if (words[0].equals("api")) {
                theirs.add(apiLine(ApiKeys.forId(Integer.parseInt(words[1]))));
            } else if (words[0].equals("message")) {
                JsonNode d = definition(words[1]);
                Range versions = Range.of(d.get("validVersions"));
                boolean unstable = d.path("latestVersionUnstable").asBoolean(false)
                    || words[1].endsWith("Response")
                    && definition(words[1].replace("Response", "Request")).path("latestVersionUnstable").asBoolean(false);
                int high = versions.high() - (unstable ? 1 : 0);
                theirs.add("message " + words[1] + " " + versions.low() + "-" + high
                    + " flexible " + Range.of(d.get("flexibleVersions")));
                fieldLines(words[1], d.get("fields"), theirs);
            }
        }
        int failed = 0;
        TreeSet<String> mine = new TreeSet<>(ours);
        for (String line : mine) {
            if (!theirs.contains(line)) {
                System.out.println("FAIL only in our tables:  " + line);
                failed++;
            }
        }
        for (String line : theirs) {
            if (!mine.contains(line)) {
                System.out.println("FAIL only in Kafka's:     " + line);
                failed++;
            }
        }
        System.out.println((mine.size() - failed > 0 ? mine.size() - failed : 0) + " passed, " + failed + " failed, 0 skipped");
        System.exit(failed == 0 ? 0 : 1);
    }

    static String apiLine(ApiKeys key) {
        ApiVersionsResponseData.ApiVersion v =
            key.toApiVersionForApiResponse(false, ApiMessageType.ListenerType.BROKER).orElseThrow();
        return "api " + key.id + " " + key.name + " " + v.minVersion() + "-" + v.maxVersion()
            + " served " + key.oldestVersion();
    }

    static void fieldLines(String path, JsonNode fields, TreeSet<String> out) {
        for (JsonNode f : fields) {
            String name = path + "." + snake(f.get("name").asText());
            String type = f.get("type").asText();
            boolean array = type.startsWith("[]");
            String base = array ? type.substring(2) : type;
            boolean struct = Character.isUpperCase(base.charAt(0));
            StringBuilder b = new StringBuilder("field " + name + " " + (array ? "[]" : "") + (struct ? "struct" : base));
            b.append(" ").append(Range.of(f.get("versions")));
            b.append(" null ").append(Range.of(f.get("nullableVersions")));
            b.append(" tagged ").append(Range.of(f.get("taggedVersions")));
            b.append(" tag ").append(f.has("tag") ? f.get("tag").asInt() : 0);
            b.append(" default ").append(defaultText(f, array, base, struct));
            b.append(f.path("ignorable").asBoolean(false) ? " ignorable" : "");
            b.append(f.path("flexibleVersions").asText().equals("none") ? " classic" : "");
            out.add(b.toString());
            if (struct && f.has("fields")) {
                fieldLines(name, f.get("fields"), out);
            }
        }
    }

    static String defaultText(JsonNode f, boolean array, String base, boolean struct) {
        String text = f.has("default") ? f.get("default").asText() : null;
        if ("null".equals(text) || base.equals("records")) {
            return "null";
        }
        if (array || struct || base.equals("bytes")) {
            return "empty";
        }
        return switch (base) {
            case "string" -> "'" + (text == null ? "" : text) + "'";
            case "bool" -> text == null ? "false" : text;
            case "uuid" -> Uuid.ZERO_UUID.toString();
            default -> text == null || text.isEmpty() ? "0" : Long.decode(text).toString();
        };
    }

    // ---- The messages -----------------------------------------------------------------------------

    static void writeCases(List<String> tables, Path out, long seed, int count) throws Exception {
        int cases = 0;
        try (DataOutputStream o = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(out)))) {
            for (String line : tables) {
                String[] words = line.split(" ");
                if (!words[0].equals("message")) {
                    continue;
                }
                String[] range = words[2].split("-");
                for (int v = Integer.parseInt(range[0]); v <= Integer.parseInt(range[1]); v++) {
                    Random random = new Random(seed * 1_000_003 + words[1].hashCode() * 31L + v);
                    for (int i = 0; i < count; i++, cases++) {
                        writeCase(o, words[1], (short) v, random, i);
                    }
                }
            }
        }
        System.out.println(cases + " cases");
    }

    static final Map<String, JsonNode> DEFINITIONS = new HashMap<>();
    static final Map<String, Method> READERS = new HashMap<>();

    static void writeCase(DataOutputStream o, String name, short version, Random random, int i) throws Exception {
        JsonNode d = DEFINITIONS.get(name);
        if (d == null) {
            d = definition(name);
            DEFINITIONS.put(name, d);
            // RequestHeader -> RequestHeaderData, ConsumerProtocolSubscription stays as it is
            String data = "org.apache.kafka.common.message." + name;
            try {
                Class.forName(data + "DataJsonConverter");
                data += "Data";
            } catch (ClassNotFoundException e) {
                // the class has no suffix
            }
            READERS.put(name, Class.forName(data + "JsonConverter").getMethod("read", JsonNode.class, short.class));
        }
        // The first message of each version is the plainest one, the second has everything that is optional.
        Shape shape = new Shape(random, i == 0 ? 0.0 : i == 1 ? 1.0 : 0.5, i == 0 ? 1.0 : i == 1 ? 0.0 : 0.2);
        Message message = (Message) READERS.get(name).invoke(null, shape.struct(d.get("fields"), version), version);
        byte[] plain = bytes(message, version);
        byte[] input = plain;
        if (i % 3 == 2 && Range.of(d.get("flexibleVersions")).has(version)) {
            addUnknownTags(message, d.get("fields"), version, random);
            input = bytes(message, version);
        }
        byte[] n = name.getBytes(StandardCharsets.US_ASCII);
        o.writeByte(n.length);
        o.write(n);
        o.writeShort(version);
        o.writeInt(input.length);
        o.write(input);
        o.writeInt(plain.length);
        o.write(plain);
    }

    static byte[] bytes(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer b = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(b), cache, version);
        if (b.hasRemaining()) {
            throw new IllegalStateException("size and bytes of " + message.getClass() + " differ");
        }
        return b.array();
    }

    static void addUnknownTags(Object o, JsonNode fields, int version, Random random) throws Exception {
        if (o instanceof Collection<?> c) {
            for (Object element : new ArrayList<>(c)) {
                addUnknownTags(element, fields, version, random);
            }
            return;
        }
        if (!(o instanceof Message m)) {
            return;
        }
        for (int i = 0, n = 1 + random.nextInt(3); i < n; i++) {
            byte[] data = new byte[random.nextInt(5) == 0 ? 300 : random.nextInt(4)];
            random.nextBytes(data);
            int tag = i == 2 ? 1 << 30 : 200 + i * 1000 + random.nextInt(1000);
            m.unknownTaggedFields().add(new RawTaggedField(tag, data));
        }
        for (JsonNode f : fields) {
            if (f.has("fields") && Range.of(f.get("versions")).has(version)) {
                Field field = o.getClass().getDeclaredField(camel(f));
                field.setAccessible(true);
                addUnknownTags(field.get(o), f.get("fields"), version, random);
            }
        }
    }

    static String camel(JsonNode field) {
        String name = field.get("name").asText();
        return Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    /** Random JSON of a message, in the form that Kafka's converters read. */
    record Shape(Random random, double present, double absent) {
        JsonNode struct(JsonNode fields, int version) {
            ObjectNode out = NODES.objectNode();
            for (JsonNode f : fields) {
                boolean tagged = Range.of(f.get("taggedVersions")).has(version);
                if (!Range.of(f.get("versions")).has(version) || tagged && random.nextDouble() >= present) {
                    continue;
                }
                out.set(camel(f), value(f, version));
            }
            return out;
        }

        JsonNode value(JsonNode f, int version) {
            if (Range.of(f.get("nullableVersions")).has(version) && random.nextDouble() < absent) {
                return NODES.nullNode();
            }
            String type = f.get("type").asText();
            if (!type.startsWith("[]")) {
                return one(type, f, version);
            }
            ArrayNode array = NODES.arrayNode();
            int n = present == 0 ? 0 : random.nextInt(20) == 0 ? 130 : random.nextInt(4);
            boolean small = Character.isLowerCase(type.charAt(2));
            for (int i = 0; i < (small ? n : Math.min(n, 5)); i++) {
                array.add(one(type.substring(2), f, version));
            }
            return array;
        }

        JsonNode one(String type, JsonNode f, int version) {
            return switch (type) {
                case "bool" -> NODES.booleanNode(random.nextBoolean());
                case "int8" -> NODES.numberNode((int) integer(8));
                case "int16" -> NODES.numberNode((int) integer(16));
                case "uint16" -> NODES.numberNode((int) integer(16) & 0xffff);
                case "int32" -> NODES.numberNode((int) integer(32));
                case "uint32" -> NODES.numberNode(integer(32) & 0xffffffffL);
                case "int64" -> NODES.numberNode(integer(64));
                case "float64" -> NODES.numberNode(random.nextDouble());
                case "uuid" -> NODES.textNode(random.nextInt(5) == 0 ? Uuid.ZERO_UUID.toString()
                    : new Uuid(random.nextLong(), random.nextLong()).toString());
                case "string" -> NODES.textNode(text());
                case "bytes", "records" -> NODES.textNode(Base64.getEncoder().encodeToString(blob()));
                default -> struct(f.get("fields"), version);
            };
        }

        long integer(int bits) {
            long low = -1L << (bits - 1);
            return switch (random.nextInt(6)) {
                case 0 -> 0;
                case 1 -> -1;
                case 2 -> low;
                case 3 -> ~low;
                default -> random.nextLong() >> (64 - bits);
            };
        }

        String text() {
            int n = random.nextInt(40) == 0 ? 200 + random.nextInt(4000) : random.nextInt(12);
            StringBuilder b = new StringBuilder();
            for (int i = 0; i < n; i++) {
                b.appendCodePoint(random.nextInt(8) == 0 ? 0xe4 + random.nextInt(4000) : ' ' + random.nextInt(95));
            }
            return b.toString();
        }

        byte[] blob() {
            byte[] b = new byte[random.nextInt(20) == 0 ? 20_000 : random.nextInt(200)];
            random.nextBytes(b);
            return b;
        }
    }
}
