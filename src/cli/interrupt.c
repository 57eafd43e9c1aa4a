/* Signals by descriptor: nothing is shared with a handler. */
#include "cli/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int interrupt_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd >= 0 && pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool interrupt_seen(int fd)
{
    struct signalfd_siginfo info;
    return fd >= 0 && read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

void interrupt_close(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}
