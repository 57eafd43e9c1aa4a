package compat.tools;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.utils.Exit;

/** Calls the main() of one of Kafka's tools inside this JVM, as its shell script would, and keeps what it says. */
final class Tool {
    /** The main() of a tool. */
    @FunctionalInterface
    interface Main {
        void main(String[] args) throws Exception;
    }

    /** Thrown instead of ending the JVM. */
    static final class Ended extends Error {
    }

    private static final Pattern EXCEPTION = Pattern.compile("([A-Z][A-Za-z]*Exception)\\b");

    final int status;
    final String out;
    final String err;

    private Tool(int status, String out, String err) {
        this.status = status;
        this.out = out;
        this.err = err;
    }

    static Tool run(Main main, String... args) {
        return feed("", main, args);
    }

    static Tool feed(String input, Main main, String... args) {
        PrintStream realOut = System.out;
        PrintStream realErr = System.err;
        InputStream realIn = System.in;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Integer[] status = {null};
        Exit.setExitProcedure((code, message) -> {
            // Some tools catch everything around their own exit(0) and exit again: the first one counts.
            if (status[0] == null) {
                status[0] = code;
            }
            throw new Ended();
        });
        // What a tool leaves to the end of its JVM (ConsoleProducer closes its producer there) is done here.
        List<Runnable> hooks = new ArrayList<>();
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        try {
            main.main(args);
        } catch (Ended ended) {
            // status is known
        } catch (Throwable problem) {
            status[0] = 1;
            problem.printStackTrace();
        } finally {
            hooks.forEach(Runnable::run);
            System.setOut(realOut);
            System.setErr(realErr);
            System.setIn(realIn);
        }
        String said = out.toString(StandardCharsets.UTF_8);
        String complained = err.toString(StandardCharsets.UTF_8);
        realErr.println(String.join(" ", args) + "\n" + said + complained);
        return new Tool(status[0] == null ? 0 : status[0], said, complained);
    }

    /** "ok", or the status and the exceptions that were named. */
    String outcome() {
        List<String> names = new ArrayList<>();
        Matcher matcher = EXCEPTION.matcher(out + err);
        while (matcher.find()) {
            if (!names.contains(matcher.group(1)) && !matcher.group(1).equals("ExecutionException")) {
                names.add(matcher.group(1));
            }
        }
        return status == 0 && names.isEmpty() ? "ok" : "status " + status + " " + names;
    }

    List<String> lines() {
        return out.lines().filter(line -> !line.isBlank()).toList();
    }

    /** What the first group of the pattern matched in the output, or null. */
    String find(String pattern) {
        Matcher matcher = Pattern.compile(pattern).matcher(out);
        return matcher.find() ? matcher.group(1) : null;
    }

    int count(String pattern) {
        return (int) Pattern.compile(pattern).matcher(out).results().count();
    }
}
