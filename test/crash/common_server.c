/* See common_server.h. The server dies with this process, however that ends. */
#include "common_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

void sleep_ms(double ms)
{
    if (ms > 0) {
        usleep((useconds_t)(ms * 1000));
    }
}

static void child_streams(int out, const char *log)
{
    int err = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (err < 0) {
        _exit(126);
    }
    (void)dup2(err, 2);
    (void)dup2(out < 0 ? err : out, 1);
    int null = open("/dev/null", O_RDONLY);
    (void)dup2(null, 0);
}

bool server_spawn(struct server_process *s)
{
    const char *argv[8 + 2 * SERVER_SETS + 1] = {s->binary, "serve",       "--data", s->data,
                                                 "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"};
    size_t n = 8;
    for (size_t i = 0; i < SERVER_SETS && s->sets[i] != NULL; i++) {
        argv[n++] = "--set";
        argv[n++] = s->sets[i];
    }
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t parent = getpid();
    s->ready_ms = now_ms();
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(126);
        }
        child_streams(pipes[1], s->log);
        execv(s->binary, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(pipes[1]);
    s->out = pipes[0];
    return s->pid > 0;
}

bool server_wait_ready(struct server_process *s, double timeout_ms)
{
    char line[256];
    size_t n = 0;
    double end = now_ms() + timeout_ms;
    while (n < sizeof(line) - 1) {
        struct pollfd p = {.fd = s->out, .events = POLLIN};
        double left = end - now_ms();
        if (left <= 0 || poll(&p, 1, (int)left + 1) < 0) {
            return false;
        }
        if (p.revents == 0) {
            continue;
        }
        ssize_t got = read(s->out, line + n, sizeof(line) - 1 - n);
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
        line[n] = '\0';
        if (memchr(line, '\n', n) != NULL) {
            break;
        }
    }
    const char *at = strstr(line, "leat: ready kafka=127.0.0.1:");
    if (at == NULL) {
        return false;
    }
    s->port = (uint16_t)strtoul(strchr(at, '=') + 1 + strlen("127.0.0.1:"), NULL, 10);
    s->ready_ms = now_ms() - s->ready_ms;
    return true;
}

int server_end(struct server_process *s, int sig, double timeout_ms)
{
    if (s->pid <= 0) {
        return 0;
    }
    if (sig != 0) {
        kill(s->pid, sig);
    }
    int status = -1;
    double end = now_ms() + timeout_ms;
    for (;;) {
        pid_t got = waitpid(s->pid, &status, WNOHANG);
        if (got == s->pid) {
            break;
        }
        if (now_ms() > end) {
            kill(s->pid, SIGKILL);
            waitpid(s->pid, &status, 0);
            status = -1;
            break;
        }
        sleep_ms(1);
    }
    close(s->out);
    s->pid = 0;
    return status;
}

int run_program(const char *const argv[], const char *log)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        child_streams(-1, log);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int server_verify(const struct server_process *s)
{
    const char *argv[] = {s->binary, "verify", s->data, NULL};
    return run_program(argv, s->log);
}
