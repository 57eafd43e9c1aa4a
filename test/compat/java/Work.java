package compat;

/** Something that may fail with any exception. */
@FunctionalInterface
public interface Work {
    void run() throws Exception;
}
