package compat;

import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.common.errors.ApiException;

/** Turns what a client throws into the protocol's name of the error. */
final class Errors {
    private Errors() {
    }

    static Throwable unwrap(Throwable problem) {
        while ((problem instanceof ExecutionException || problem instanceof CompletionException)
                && problem.getCause() != null) {
            problem = problem.getCause();
        }
        return problem;
    }

    static String nameOf(Work work) {
        try {
            work.run();
            return "ok";
        } catch (Exception problem) {
            Throwable cause = unwrap(problem);
            cause.printStackTrace();
            var known = org.apache.kafka.common.protocol.Errors.forException(cause);
            boolean unknown = known == org.apache.kafka.common.protocol.Errors.UNKNOWN_SERVER_ERROR;
            // A subclass that has no code of its own is named by its class.
            return unknown || !(cause instanceof ApiException) ? cause.getClass().getSimpleName() : known.name();
        }
    }
}
