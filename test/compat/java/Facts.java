package compat;

import java.util.Collection;
import java.util.Map;

/** Prints the facts of one scenario as JSON lines, and nothing else on standard output. */
public final class Facts {
    private final String scenario;
    private final java.io.PrintStream out;

    public Facts(String scenario, java.io.PrintStream out) {
        this.scenario = scenario;
        this.out = out;
    }

    public void start() {
        line("\"start\":true");
    }

    public void fact(String name, Object value) {
        line("\"fact\":" + json(name) + ",\"value\":" + json(value));
    }

    /** The name of the error that the work ended with, or "ok". */
    public void outcome(String name, Work work) {
        fact(name, Errors.nameOf(work));
    }

    public void notApplicable(String reason) {
        line("\"na\":" + json(reason));
    }

    public void error(Throwable problem) {
        line("\"error\":" + json(String.valueOf(problem)));
    }

    public void done() {
        line("\"done\":true");
    }

    private synchronized void line(String rest) {
        out.println("{\"s\":" + json(scenario) + "," + rest + "}");
        out.flush();
    }

    static String json(Object value) {
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return String.valueOf(value);
        }
        StringBuilder text = new StringBuilder();
        if (value instanceof Map<?, ?> map) {
            map.forEach((key, item) -> text.append(text.length() == 0 ? "" : ",")
                .append(json(String.valueOf(key))).append(':').append(json(item)));
            return "{" + text + "}";
        }
        if (value instanceof Collection<?> items) {
            items.forEach(item -> text.append(text.length() == 0 ? "" : ",").append(json(item)));
            return "[" + text + "]";
        }
        text.append('"');
        for (char c : String.valueOf(value).toCharArray()) {
            if (c == '"' || c == '\\') {
                text.append('\\').append(c);
            } else if (c < 0x20 || c > 0x7e) {
                text.append(String.format("\\u%04x", (int) c));
            } else {
                text.append(c);
            }
        }
        return text.append('"').toString();
    }
}
