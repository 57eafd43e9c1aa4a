/* Starting, killing and verifying the real binary. */
#ifndef LEAT_TEST_CRASH_SERVER_H
#define LEAT_TEST_CRASH_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SERVER_SETS = 12 };

struct server_process {
    const char *binary, *data; /* of the caller */
    const char *log;           /* standard error is appended here */
    const char *sets[SERVER_SETS];
    pid_t pid; /* 0: not running */
    int out;
    uint16_t port;
    double ready_ms; /* of the last start */
};

double now_ms(void);
void sleep_ms(double ms);

/* Starts it and does not wait. */
bool server_spawn(struct server_process *s);
/* Waits for the ready line. false: it ended, or not within timeout_ms. */
bool server_wait_ready(struct server_process *s, double timeout_ms);
/* Sends the signal if any (0: none) and waits for the end: the status of waitpid, -1: it did not
 * end within timeout_ms and was killed. */
int server_end(struct server_process *s, int sig, double timeout_ms);
/* Runs `leat verify`: its exit status; -1: it did not run or did not end by itself. The output is
 * appended to the log. */
int server_verify(const struct server_process *s);
/* Runs a program and waits: its exit status, or -1. */
int run_program(const char *const argv[], const char *log);

#endif
