package compat;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Runs the named scenarios one after another with Apache Kafka's own Java clients. */
public final class Driver {
    /** One scenario. */
    @FunctionalInterface
    public interface Scenario {
        void run(Setting setting, Facts facts) throws Exception;
    }

    private Driver() {
    }

    static Map<String, Scenario> scenarios() {
        Map<String, Scenario> all = new LinkedHashMap<>();
        Producing.add(all);
        Consuming.add(all);
        Groups.add(all);
        Topics.add(all);
        Cluster.add(all);
        Events.add(all);
        return all;
    }

    public static void main(String[] args) {
        main(args, scenarios());
    }

    /** Shared with the driver of the tools. */
    public static void main(String[] args, Map<String, Scenario> all) {
        PrintStream out = System.out;
        System.setOut(System.err);
        Map<String, String> options = new LinkedHashMap<>();
        List<String> names = new ArrayList<>();
        for (int i = 0; i < args.length; i++) {
            if (args[i].startsWith("--")) {
                options.put(args[i].substring(2), args[++i]);
            } else {
                names.add(args[i]);
            }
        }
        Setting setting = new Setting(options.get("bootstrap"), options.get("cut"), options.get("prefix"),
            "gate".equals(options.get("scale")));
        for (String name : names) {
            Facts facts = new Facts(name, out);
            facts.start();
            try {
                Scenario scenario = all.get(name);
                if (scenario == null) {
                    facts.error(new IllegalArgumentException("no such scenario"));
                    continue;
                }
                scenario.run(setting, facts);
            } catch (Throwable problem) {
                Throwable cause = Errors.unwrap(problem);
                cause.printStackTrace();
                facts.error(cause);
            }
            facts.done();
        }
        System.exit(0);
    }
}
