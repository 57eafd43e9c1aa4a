/*
 * What this machine allows, for figures to be read beside. Nothing of Leat is in here: plain system
 * calls on one thread, the client a process of its own.
 *
 *   floor latency --dir DIR [--seconds S] [--bytes N]   one request in flight: receive N bytes,
 *       write 4 KiB with O_DIRECT|O_DSYNC into blocks that were written before, answer; as the
 *       blocking client sees it, beside the write alone and the exchange alone
 *   floor disk --dir DIR [--seconds S]     streams of 1 MiB writes, durable one by one
 *   floor ingest --dir DIR [--seconds S]   receive 1 MiB, write it durably, answer: the CPU that
 *       any durable broker pays for a gigabyte
 *   floor socket --dir DIR [--seconds S]   receive, and three ways to send from the page cache
 *   floor warm [--mib N]   touches memory, so that the first touch, which is dear on a virtual
 *       machine whose host took the pages back, is in nobody's figure
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load/common.h"

#define MIB        (1024u * 1024)
#define BLOCK      4096u
#define SMALL_FILE (64u * MIB)  /* for single blocks */
#define LARGE_FILE (512u * MIB) /* for streams: written again and again */

static const char *dir;
static uint8_t *bytes; /* 1 MiB */

/* A new file without a name. `written` bytes of it are on the device already. */
static int make_file(int flags, size_t written)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/floor.XXXXXX", dir);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        die_errno(path);
    }
    for (size_t at = 0; at < written; at += MIB) {
        if (pwrite(fd, bytes, MIB, (off_t)at) != (ssize_t)MIB) {
            die_errno("write");
        }
    }
    if (fsync(fd) != 0) {
        die_errno("fsync");
    }
    int again = open(path, O_RDWR | O_CLOEXEC | flags);
    if (again < 0 || unlink(path) != 0) {
        die_errno(path);
    }
    close(fd);
    return again;
}

/* Two connected TCP sockets on loopback: a socket pair would be another path through the kernel. */
static void connect_pair(int pair[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || pair[0] < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr *)&at, &size) != 0 ||
        connect(pair[0], (struct sockaddr *)&at, sizeof(at)) != 0) {
        die_errno("loopback");
    }
    pair[1] = accept(listener, NULL, NULL);
    if (pair[1] < 0) {
        die_errno("accept");
    }
    setsockopt(pair[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(pair[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    close(listener);
}

/* Starts `serve(fd)` in a process of its own, which ends when the other side closes; it returns its
 * CPU seconds since cpu_began, which `serve` sets when it is ready, through the pipe. */
struct server {
    pid_t pid;
    int fd, report;
};
static double cpu_began;

static struct server start_server(void (*serve)(int fd))
{
    int pair[2];
    int report[2];
    connect_pair(pair);
    fflush(stdout);
    if (pipe(report) != 0) {
        die_errno("pipe");
    }
    pid_t pid = fork();
    if (pid < 0) {
        die_errno("fork");
    }
    if (pid == 0) {
        close(pair[0]);
        serve(pair[1]);
        double cpu = cpu_self_s() - cpu_began;
        _exit(write_all(report[1], &cpu, sizeof(cpu)) ? 0 : 1);
    }
    close(pair[1]);
    close(report[1]);
    return (struct server){pid, pair[0], report[0]};
}

static double stop_server(struct server *s)
{
    double cpu = 0;
    int status = 0;
    shutdown(s->fd, SHUT_RDWR);
    close(s->fd);
    if (!read_all(s->report, &cpu, sizeof(cpu)) || waitpid(s->pid, &status, 0) != s->pid ||
        status != 0) {
        die("floor", "the server's half failed");
    }
    close(s->report);
    return cpu;
}

/* ---- One request in flight */

static size_t request_bytes;
static int target_fd; /* -1: write nothing */

#define ANSWER_BYTES 60u /* about an answer of Produce */

static void write_block(uint64_t i)
{
    off_t at = (off_t)(i * BLOCK % SMALL_FILE);
    if (pwrite(target_fd, bytes, BLOCK, at) != (ssize_t)BLOCK) {
        die_errno("write");
    }
}

static void serve_requests(int fd)
{
    uint8_t *request = take_memory(request_bytes);
    cpu_began = cpu_self_s();
    for (uint64_t i = 0; read_all(fd, request, request_bytes); i++) {
        if (target_fd >= 0) {
            write_block(i);
        }
        if (!write_all(fd, request, ANSWER_BYTES)) {
            break;
        }
    }
    free(request);
}

static void measure_exchange(double seconds, const char *prefix)
{
    struct samples s;
    uint8_t answer[ANSWER_BYTES];
    struct server server = start_server(serve_requests);
    uint8_t *request = take_memory(request_bytes);
    samples_init(&s, (size_t)(seconds * 200000) + 1000);
    double began = now_s();
    while (now_s() - began < seconds) {
        uint64_t t = now_ns();
        if (!write_all(server.fd, request, request_bytes) ||
            !read_all(server.fd, answer, sizeof(answer))) {
            die("exchange", "the connection was closed");
        }
        samples_add(&s, now_ns() - t);
    }
    double rate = (double)s.count / (now_s() - began);
    double cpu = stop_server(&server);
    printf(",\"%sper_second\":%.0f,\"%scpu_us_each\":%.2f", prefix, rate, prefix,
           cpu * 1e6 / (double)s.count);
    samples_print(&s, prefix);
    samples_deinit(&s);
    free(request);
}

static void run_latency(struct options *o)
{
    double seconds = option_real(o, "seconds", 3);
    request_bytes = (size_t)option_u64(o, "bytes", 1100); /* 1 KiB and what a request adds */
    options_end(o);
    struct meter m;
    meter_start(&m, 0, dir);
    printf("{\"what\":\"latency\",\"bytes\":%zu", request_bytes);
    target_fd = make_file(O_DIRECT | O_DSYNC, SMALL_FILE);
    measure_exchange(seconds, "");
    struct samples s;
    samples_init(&s, (size_t)(seconds * 200000) + 1000);
    double began = now_s();
    for (uint64_t i = 0; now_s() - began < seconds / 2; i++) {
        uint64_t t = now_ns();
        write_block(i);
        samples_add(&s, now_ns() - t);
    }
    samples_print(&s, "write_");
    samples_deinit(&s);
    close(target_fd);
    target_fd = -1;
    measure_exchange(seconds / 2, "exchange_");
    meter_stop(&m);
    meter_print(&m);
    printf("}\n");
}

/* ---- Streams to the disk */

struct stream {
    int fd;
    uint64_t from, span, written; /* writes go round in [from, from + span) */
    bool sync;
    double until;
};

static void *run_stream(void *ctx)
{
    struct stream *s = ctx;
    while (now_s() < s->until) {
        off_t at = (off_t)(s->from + s->written % s->span);
        if (pwrite(s->fd, bytes, MIB, at) != (ssize_t)MIB || (s->sync && fdatasync(s->fd) != 0)) {
            die_errno("write");
        }
        s->written += MIB;
    }
    return NULL;
}

/* `threads` streams into one file, each in its own part of it. */
static void measure_stream(const char *name, int fd, bool sync, unsigned threads, double seconds,
                           uint64_t span)
{
    enum { MOST = 8 };
    struct stream s[MOST];
    pthread_t t[MOST];
    double cpu = cpu_self_s();
    uint64_t device = device_written_bytes(dir);
    double began = now_s();
    for (unsigned i = 0; i < threads; i++) {
        s[i] = (struct stream){fd, span / threads * i, span / threads, 0, sync, began + seconds};
        if (pthread_create(&t[i], NULL, run_stream, &s[i]) != 0) {
            die_errno("thread");
        }
    }
    double written = 0;
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(t[i], NULL);
        written += (double)s[i].written;
    }
    double took = now_s() - began;
    printf(",\"%s_gb_s\":%.3f,\"%s_cpu_s_gb\":%.3f,\"%s_device_ratio\":%.3f", name,
           written / took / 1e9, name, (cpu_self_s() - cpu) / written * 1e9, name,
           (double)(device_written_bytes(dir) - device) / written);
    close(fd);
}

static void run_disk(struct options *o)
{
    double seconds = option_real(o, "seconds", 2);
    options_end(o);
    struct meter m;
    meter_start(&m, 0, dir);
    printf("{\"what\":\"disk\"");
    measure_stream("buffered_growing", make_file(0, 0), true, 1, seconds, UINT64_C(1) << 40);
    measure_stream("buffered_written", make_file(0, LARGE_FILE), true, 1, seconds, LARGE_FILE);
    measure_stream("direct_written", make_file(O_DIRECT | O_DSYNC, LARGE_FILE), false, 1, seconds,
                   LARGE_FILE);
    measure_stream("direct_written_4", make_file(O_DIRECT | O_DSYNC, LARGE_FILE), false, 4, seconds,
                   LARGE_FILE);
    int fd = make_file(O_DIRECT | O_DSYNC, 0);
    uint64_t span = (uint64_t)(seconds * 4e9) / MIB * MIB; /* never reached twice */
    if (posix_fallocate(fd, 0, (off_t)span) != 0) {
        die("fallocate", "there is no space for it");
    }
    measure_stream("direct_fallocated", fd, false, 1, seconds, span);
    meter_stop(&m);
    meter_print(&m);
    printf("}\n");
}

/* ---- Sockets */

static double stream_seconds;

static void serve_ingest(int fd)
{
    uint8_t *request = take_memory(MIB);
    uint64_t at = 0;
    cpu_began = cpu_self_s();
    while (read_all(fd, request, MIB)) {
        if (target_fd >= 0 && pwrite(target_fd, request, MIB, (off_t)at) != (ssize_t)MIB) {
            die_errno("write");
        }
        at = (at + MIB) % LARGE_FILE;
        if (target_fd >= 0 && !write_all(fd, request, ANSWER_BYTES)) {
            break;
        }
    }
    free(request);
}

/* Keeps 5 requests of 1 MiB in flight if there are answers. */
static void measure_ingest(const char *name)
{
    struct server server = start_server(serve_ingest);
    uint8_t answer[ANSWER_BYTES];
    uint64_t sent = 0;
    uint64_t answered = 0;
    double began = now_s();
    while (now_s() - began < stream_seconds) {
        if (!write_all(server.fd, bytes, MIB)) {
            die("ingest", "the connection was closed");
        }
        sent++;
        for (; target_fd >= 0 && sent - answered >= 5; answered++) {
            if (!read_all(server.fd, answer, sizeof(answer))) {
                die("ingest", "the connection was closed");
            }
        }
    }
    while (target_fd >= 0 && answered < sent && read_all(server.fd, answer, sizeof(answer))) {
        answered++;
    }
    double took = now_s() - began;
    double cpu = stop_server(&server);
    printf(",\"%s_gb_s\":%.3f,\"%s_cpu_s_gb\":%.3f", name, (double)(sent * MIB) / took / 1e9, name,
           cpu / (double)(sent * MIB) * 1e9);
}

static void run_ingest(struct options *o)
{
    struct meter m;
    stream_seconds = option_real(o, "seconds", 2);
    options_end(o);
    meter_start(&m, 0, dir);
    printf("{\"what\":\"ingest\"");
    target_fd = make_file(O_DIRECT | O_DSYNC, LARGE_FILE);
    measure_ingest("direct_written");
    close(target_fd);
    meter_stop(&m);
    meter_print(&m);
    printf("}\n");
}

enum way { WAY_SENDFILE, WAY_PREAD, WAY_MMAP };
static enum way send_way;
static int cached_fd; /* LARGE_FILE bytes, all in the page cache */

/* Sends the file again and again until the client has closed. */
static void serve_file(int fd)
{
    uint8_t *copy = take_memory(MIB);
    uint8_t *map = mmap(NULL, LARGE_FILE, PROT_READ, MAP_SHARED | MAP_POPULATE, cached_fd, 0);
    if (map == MAP_FAILED) {
        die_errno("mmap");
    }
    cpu_began = cpu_self_s();
    for (uint64_t at = 0;; at = (at + MIB) % LARGE_FILE) {
        bool sent = false;
        if (send_way == WAY_SENDFILE) {
            off_t from = (off_t)at;
            size_t left = MIB;
            while (left > 0) {
                ssize_t n = sendfile(fd, cached_fd, &from, left);
                if (n <= 0) {
                    break;
                }
                left -= (size_t)n;
            }
            sent = left == 0;
        } else if (send_way == WAY_PREAD) {
            sent =
                pread(cached_fd, copy, MIB, (off_t)at) == (ssize_t)MIB && write_all(fd, copy, MIB);
        } else {
            sent = write_all(fd, map + at, MIB);
        }
        if (!sent) {
            break;
        }
    }
    free(copy);
}

static void measure_send(const char *name, enum way way)
{
    send_way = way;
    struct server server = start_server(serve_file);
    uint8_t *into = take_memory(MIB);
    double got = 0;
    double began = now_s();
    while (now_s() - began < stream_seconds) {
        ssize_t n = read(server.fd, into, MIB);
        if (n <= 0) {
            die("send", "the connection was closed");
        }
        got += (double)n;
    }
    double took = now_s() - began;
    double cpu = stop_server(&server);
    printf(",\"%s_gb_s\":%.3f,\"%s_cpu_s_gb\":%.3f", name, got / took / 1e9, name, cpu / got * 1e9);
    free(into);
}

static void run_socket(struct options *o)
{
    struct meter m;
    stream_seconds = option_real(o, "seconds", 2);
    options_end(o);
    cached_fd = make_file(0, LARGE_FILE);
    meter_start(&m, 0, NULL);
    printf("{\"what\":\"socket\"");
    target_fd = -1;
    measure_ingest("receive");
    measure_send("sendfile", WAY_SENDFILE);
    measure_send("pread_write", WAY_PREAD);
    measure_send("mmap_write", WAY_MMAP);
    meter_stop(&m);
    meter_print(&m);
    printf("}\n");
}

/* ---- Memory */

static size_t touch_bytes;

static void *touch(void *ctx)
{
    (void)ctx;
    uint8_t *p = mmap(NULL, touch_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        die_errno("mmap");
    }
    for (size_t at = 0; at < touch_bytes; at += BLOCK) {
        p[at] = 1;
    }
    return NULL; /* all of it goes when the process ends: two threads need it at the same time */
}

static void run_warm(struct options *o)
{
    uint64_t mib = option_u64(o, "mib", 4096);
    pthread_t t[2];
    options_end(o);
    touch_bytes = mib * MIB / 2;
    double began = now_s();
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&t[i], NULL, touch, NULL) != 0) {
            die_errno("thread");
        }
    }
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    printf("{\"what\":\"warm\",\"mib\":%llu,\"seconds\":%.3f}\n", (unsigned long long)mib,
           now_s() - began);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    struct options o;
    options_init(&o, argc, argv, 2);
    dir = option_text(&o, "dir", ".");
    bytes = take_memory(MIB);
    make_payload((char *)bytes, MIB, 1);
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(mode, "latency") == 0) {
        run_latency(&o);
    } else if (strcmp(mode, "disk") == 0) {
        run_disk(&o);
    } else if (strcmp(mode, "ingest") == 0) {
        run_ingest(&o);
    } else if (strcmp(mode, "socket") == 0) {
        run_socket(&o);
    } else if (strcmp(mode, "warm") == 0) {
        run_warm(&o);
    } else {
        die("usage", "floor latency|disk|ingest|socket|warm [--dir DIR] [--seconds S]");
    }
    free(bytes);
    return 0;
}
