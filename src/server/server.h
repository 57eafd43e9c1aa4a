/*
 * The server: wiring only. Builds the rooms in order, runs the loop, takes them down in reverse.
 * `leat serve` and `leat verify` begin here.
 */
#ifndef LEAT_SERVER_SERVER_H
#define LEAT_SERVER_SERVER_H

/* `leat serve`: argv are the arguments after the noun. Returns the process's exit status. */
int server_serve(int argc, char **argv, char *const *environ_block);
/* `leat verify DIR`. */
int server_verify(int argc, char **argv);

/* "0.1.0". */
extern const char server_version[];

/* Exit statuses of leat, for scripts. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,      /* it was tried and did not work */
    EXIT_USAGE = 2,       /* wrong arguments or configuration */
    EXIT_DAMAGE = 3,      /* verify found damage */
    EXIT_STORAGE = 4,     /* serve: a write or flush failed; the store stopped */
    EXIT_UNREACHABLE = 5, /* no broker answered */
};

#endif
