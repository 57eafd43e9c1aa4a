/*
 * Many idle connections: each asks for the versions and the metadata as a client does when it
 * starts, and then is silent. Commands on standard input, one answer line each:
 *
 *   crowd HOST:PORT COUNT [poll TOPIC]
 *
 *   (at the start)  "open COUNT"     all were answered
 *   ping            "alive N worst_us U"   each was asked again, one at a time
 *   (end of input)  closes all and ends
 *
 * With `poll TOPIC` each then waits in a Fetch at the end of the topic, as an idle consumer does.
 * A source address takes at most PER_SOURCE connections: the ephemeral ports of one do not suffice.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common_frames.h"
#include "core/bytes.h"

#define PER_SOURCE 10000u
#define WAIT_MS    60000
/* In flight while they open: less than the server's backlog. */
#define AT_ONCE 256u

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    if (poll(&p, 1, WAIT_MS) != 1) {
        die("crowd", "no answer within a minute");
    }
}

static void send_all(int fd, const struct frame *f)
{
    wait_for(fd, POLLOUT);
    if (send(fd, f->bytes.p, f->bytes.n, MSG_NOSIGNAL) != (ssize_t)f->bytes.n) {
        die("crowd: send", strerror(errno));
    }
}

/* One whole answer; its bytes are of no interest. */
static void take_answer(int fd)
{
    uint8_t scratch[65536];
    size_t have = 0;
    size_t total = 4;
    while (have < total) {
        size_t room = total - have < sizeof(scratch) ? total - have : sizeof(scratch);
        wait_for(fd, POLLIN);
        ssize_t n = recv(fd, scratch, have < 4 ? 4 - have : room, 0);
        if (n <= 0) {
            die("crowd: receive", n == 0 ? "closed by the server" : strerror(errno));
        }
        if (have == 0 && n >= 4) {
            total = 4 + (size_t)get_be32(scratch);
        } else if (have < 4) {
            die("crowd", "a size in pieces");
        }
        have += (size_t)n;
    }
}

static void open_some(const char *address, int *fds, uint32_t from, uint32_t to)
{
    struct frame versions;
    struct frame metadata;
    frame_versions(&versions);
    frame_metadata(&metadata);
    for (uint32_t i = from; i < to; i++) {
        fds[i] = frame_dial(address, 1 + i / PER_SOURCE, false);
        if (fds[i] < 0) {
            die("crowd: connect", strerror(errno));
        }
    }
    for (uint32_t i = from; i < to; i++) {
        send_all(fds[i], &versions);
    }
    for (uint32_t i = from; i < to; i++) {
        take_answer(fds[i]);
        send_all(fds[i], &metadata);
    }
    for (uint32_t i = from; i < to; i++) {
        take_answer(fds[i]);
    }
    frame_deinit(&versions);
    frame_deinit(&metadata);
}

static void ping(const int *fds, uint32_t count)
{
    struct frame versions;
    uint64_t worst = 0;
    frame_versions(&versions);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = now_ns();
        send_all(fds[i], &versions);
        take_answer(fds[i]);
        uint64_t took = now_ns() - start;
        worst = took > worst ? took : worst;
    }
    printf("alive %u worst_us %llu\n", count, (unsigned long long)(worst / 1000));
    fflush(stdout);
    frame_deinit(&versions);
}

int main(int argc, char **argv)
{
    if (argc != 3 && !(argc == 5 && strcmp(argv[3], "poll") == 0)) {
        fprintf(stderr, "usage: see the head of test/net/crowd.c\n");
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    uint32_t count = (uint32_t)strtoul(argv[2], NULL, 10);
    int *fds = calloc(count + 1, sizeof(*fds));
    if (fds == NULL) {
        die("crowd", "out of memory");
    }
    for (uint32_t i = 0; i < count; i += AT_ONCE) {
        open_some(argv[1], fds, i, i + AT_ONCE < count ? i + AT_ONCE : count);
    }
    if (argc == 5) {
        struct frame fetch;
        frame_fetch(&fetch, argv[4], 0, 1 << 20, 1 << 30);
        for (uint32_t i = 0; i < count; i++) {
            send_all(fds[i], &fetch);
        }
        frame_deinit(&fetch);
    }
    printf("open %u\n", count);
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strcmp(line, "ping\n") == 0) {
            ping(fds, count);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        close(fds[i]);
    }
    free(fds);
    return 0;
}
