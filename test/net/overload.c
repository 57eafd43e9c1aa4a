/*
 * Load of many clients on one server, from one thread and with prebuilt frames, so that what is
 * measured is the server.
 *
 *   overload HOST:PORT SECONDS ROLE...
 *
 * A ROLE is NAME,KIND,COUNT[,option=value]... and stands for COUNT connections. KIND is produce,
 * fetch, metadata or versions. Options:
 *
 *   rate=N      requests a second of each connection, at even distances whatever the answers do
 *               (latency counts from the moment a request was due); 0: as fast as `depth` permits
 *   depth=N     requests in flight of one connection (rate=0: 1, else 64)
 *   topic=T  partitions=N   produce and fetch; each request goes to the next partition
 *   bytes=N     produce: of a batch; fetch: the most of an answer
 *   drain=N     bytes a second that each connection reads (0: all): a slow reader
 *
 * The first fifth of the time warms up and is not counted. Prints one JSON line for each role:
 * requests answered a second, errors, those that were due and could not be sent, latencies in us.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common_frames.h"
#include "core/bytes.h"

#define ROLES_MAX     8
#define DEPTH_MAX     256u
#define LATENCIES_MAX 4000000u
#define HEAD_MAX      128u /* of an answer: up to its error code */
#define EVENTS        256
#define NS            1000000000u
#define DRAIN_TICK_NS 10000000u
#define PUSH_MAX      131072u /* bytes sent at a time: the others of this thread have their turn */

struct conn {
    struct role *role;
    int fd;
    uint32_t partition;
    uint32_t sent, answered; /* requests; their difference is in flight */
    uint64_t due[DEPTH_MAX]; /* by number of request: when it was due */
    bool begun;              /* a frame is on its way */
    size_t out_at;           /* bytes of it that are sent */
    uint32_t owed;           /* open loop: due and not yet begun */
    uint64_t owed_since;
    uint8_t head[HEAD_MAX];
    size_t in_have, in_total; /* of the current answer, its size included */
    size_t allowance;         /* slow reader: bytes that it may read now */
    bool writable_wanted;
};

struct role {
    char name[32];
    char kind[16];
    char topic[64];
    uint32_t count, depth, partitions;
    double rate;
    size_t bytes, drain;
    struct frame frame;
    struct conn *conns;
    uint32_t next; /* open loop: whose turn it is */
    uint64_t next_due, interval;
    uint32_t *latencies;
    size_t latency_count;
    uint64_t answered, errors, missed, bytes_in;
};

struct load {
    int epoll_fd;
    struct role roles[ROLES_MAX];
    size_t role_count;
    uint64_t start, warm, end;
};

static void option(struct role *r, const char *text)
{
    const char *eq = strchr(text, '=');
    size_t n = eq == NULL ? 0 : (size_t)(eq - text);
    if (n == 0) {
        die(text, "expected option=value");
    }
    double number = strtod(eq + 1, NULL);
    if (strncmp(text, "rate", n) == 0) {
        r->rate = number;
    } else if (strncmp(text, "depth", n) == 0) {
        r->depth = (uint32_t)number;
    } else if (strncmp(text, "partitions", n) == 0) {
        r->partitions = (uint32_t)number;
    } else if (strncmp(text, "bytes", n) == 0) {
        r->bytes = (size_t)number;
    } else if (strncmp(text, "drain", n) == 0) {
        r->drain = (size_t)number;
    } else if (strncmp(text, "topic", n) == 0) {
        snprintf(r->topic, sizeof(r->topic), "%s", eq + 1);
    } else {
        die(text, "no such option");
    }
}

/* Text that does not compress to nothing, as services send it, in records of 1 KiB, so that a large
 * batch costs the server what a real one does. */
static void produce_frame(struct role *r)
{
    char *text = malloc(r->bytes);
    uint32_t seed = 7;
    if (text == NULL) {
        die("produce", "out of memory");
    }
    for (size_t i = 0; i < r->bytes; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = (char)('a' + (seed >> 24) % 26);
    }
    frame_produce(&r->frame, r->topic, text, r->bytes, 1024);
    free(text);
}

static void role_parse(struct role *r, char *text)
{
    char *rest = text;
    const char *name = strsep(&rest, ",");
    const char *kind = strsep(&rest, ",");
    const char *count = strsep(&rest, ",");
    if (count == NULL) {
        die(text, "expected NAME,KIND,COUNT");
    }
    snprintf(r->name, sizeof(r->name), "%s", name);
    snprintf(r->kind, sizeof(r->kind), "%s", kind);
    snprintf(r->topic, sizeof(r->topic), "load");
    r->count = (uint32_t)strtoul(count, NULL, 10);
    r->partitions = 1;
    r->bytes = 100;
    while (rest != NULL) {
        option(r, strsep(&rest, ","));
    }
    r->depth = r->depth == 0 ? (r->rate > 0 ? 64 : 1) : r->depth;
    if (r->depth > DEPTH_MAX || r->count == 0) {
        die(r->name, "depth or count out of range");
    }
    if (strcmp(r->kind, "produce") == 0) {
        produce_frame(r);
    } else if (strcmp(r->kind, "fetch") == 0) {
        frame_fetch(&r->frame, r->topic, 0, (int32_t)r->bytes, 100);
    } else if (strcmp(r->kind, "metadata") == 0) {
        frame_metadata(&r->frame);
    } else if (strcmp(r->kind, "versions") == 0) {
        frame_versions(&r->frame);
    } else {
        die(r->kind, "no such kind");
    }
}

static void want_writable(struct load *l, struct conn *c, bool want)
{
    if (c->writable_wanted == want) {
        return;
    }
    c->writable_wanted = want;
    struct epoll_event ev = {.events = (c->role->drain > 0 ? 0u : (uint32_t)EPOLLIN) |
                                       (want ? (uint32_t)EPOLLOUT : 0u),
                             .data.ptr = c};
    epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
}

/* Goes on with the frame that is on its way; false: the socket takes no more now. */
static bool push(struct load *l, struct conn *c)
{
    const struct frame *f = &c->role->frame;
    uint8_t start[512];
    size_t n = f->bytes.n < sizeof(start) ? f->bytes.n : sizeof(start);
    memcpy(start, f->bytes.p, n);
    put_be32(start + FRAME_CORRELATION_AT, c->sent);
    if (f->partition_at != 0) {
        put_be32(start + f->partition_at, c->partition);
    }
    while (c->out_at < f->bytes.n) {
        struct iovec iov[2];
        int count = 0;
        if (c->out_at < n) {
            iov[count++] = (struct iovec){start + c->out_at, n - c->out_at};
        }
        size_t at = c->out_at < n ? n : c->out_at;
        size_t left = f->bytes.n - at;
        iov[count++] = (struct iovec){f->bytes.p + at, left < PUSH_MAX ? left : PUSH_MAX};
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            want_writable(l, c, true);
            return false;
        }
        if (sent < 0) {
            die(c->role->name, strerror(errno));
        }
        c->out_at += (size_t)sent;
        if (c->out_at < f->bytes.n) {
            want_writable(l, c, true);
            return false;
        }
    }
    c->out_at = 0;
    c->begun = false;
    c->sent++;
    c->partition = (c->partition + 1) % c->role->partitions;
    want_writable(l, c, false);
    return true;
}

/* Begins what is due or permitted. */
static void pump(struct load *l, struct conn *c, uint64_t now)
{
    const struct role *r = c->role;
    if (c->begun && !push(l, c)) {
        return;
    }
    while (c->sent - c->answered < r->depth && now < l->end && (r->rate <= 0 || c->owed > 0)) {
        uint64_t due = now;
        if (r->rate > 0) {
            due = c->owed_since;
            c->owed--;
            c->owed_since += r->interval * r->count;
        }
        c->due[c->sent % DEPTH_MAX] = due;
        c->begun = true;
        if (!push(l, c)) {
            return;
        }
    }
}

static void answered(struct load *l, struct conn *c, uint64_t now)
{
    struct role *r = c->role;
    uint64_t due = c->due[c->answered % DEPTH_MAX];
    if (get_be32(c->head + 4) != c->answered) {
        die(r->name, "an answer out of order");
    }
    c->answered++;
    if (due < l->warm || now > l->end) {
        return;
    }
    r->answered++;
    r->bytes_in += c->in_total;
    if (r->frame.error_at != 0 &&
        (r->frame.error_at + 2 > c->in_total || get_be16(c->head + r->frame.error_at) != 0)) {
        r->errors++;
    }
    if (r->latency_count < LATENCIES_MAX) {
        r->latencies[r->latency_count++] = (uint32_t)((now - due) / 1000);
    }
}

/* Takes the bytes of one piece of an answer. */
static void take(struct load *l, struct conn *c, const uint8_t *p, size_t n, uint64_t now)
{
    while (n > 0) {
        size_t want = c->in_have < 4 ? 4 - c->in_have : c->in_total - c->in_have;
        size_t part = n < want ? n : want;
        if (c->in_have < HEAD_MAX) {
            size_t room = HEAD_MAX - c->in_have;
            memcpy(c->head + c->in_have, p, part < room ? part : room);
        }
        c->in_have += part;
        p += part;
        n -= part;
        if (c->in_have == 4) {
            c->in_total = 4 + (size_t)get_be32(c->head);
        }
        if (c->in_have >= 4 && c->in_have == c->in_total) {
            answered(l, c, now);
            c->in_have = 0;
        }
    }
}

static void receive(struct load *l, struct conn *c)
{
    static uint8_t scratch[1u << 20];
    bool slow = c->role->drain > 0;
    for (;;) {
        size_t room = slow && c->allowance < sizeof(scratch) ? c->allowance : sizeof(scratch);
        /* What nobody looks at is not even copied. */
        bool discard = c->in_have >= HEAD_MAX;
        room = discard && c->in_total - c->in_have < room ? c->in_total - c->in_have : room;
        if (room == 0) {
            break;
        }
        ssize_t n = recv(c->fd, scratch, room, MSG_DONTWAIT | (discard ? MSG_TRUNC : 0));
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n <= 0) {
            die(c->role->name, n == 0 ? "closed by the server" : strerror(errno));
        }
        c->allowance -= slow ? (size_t)n : 0;
        take(l, c, scratch, (size_t)n, now_ns());
        if ((size_t)n < room && !discard) {
            break;
        }
    }
    pump(l, c, now_ns());
}

static void connect_all(struct load *l, const char *address)
{
    for (size_t i = 0; i < l->role_count; i++) {
        struct role *r = &l->roles[i];
        r->conns = calloc(r->count, sizeof(*r->conns));
        r->latencies = malloc(LATENCIES_MAX * sizeof(*r->latencies));
        if (r->conns == NULL || r->latencies == NULL) {
            die(r->name, "out of memory");
        }
        for (uint32_t j = 0; j < r->count; j++) {
            struct conn *c = &r->conns[j];
            c->role = r;
            c->partition = j % r->partitions;
            c->fd = frame_dial(address, (uint32_t)i, false);
            struct epoll_event ev = {.events = r->drain > 0 ? 0u : (uint32_t)EPOLLIN,
                                     .data.ptr = c};
            if (c->fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
                die(r->name, strerror(errno));
            }
            if (j % 256 == 255) {
                usleep(20000); /* the server's backlog */
            }
        }
    }
    usleep(200000);
}

/* Makes the requests of the open loops due; returns when the next one is. */
static uint64_t make_due(struct load *l, uint64_t now)
{
    uint64_t next = l->end;
    for (size_t i = 0; i < l->role_count; i++) {
        struct role *r = &l->roles[i];
        while (r->rate > 0 && r->next_due <= now && r->next_due < l->end) {
            struct conn *c = &r->conns[r->next];
            if (c->owed == 0) {
                c->owed_since = r->next_due;
            }
            c->owed++;
            pump(l, c, now);
            r->next = (r->next + 1) % r->count;
            r->next_due += r->interval;
        }
        if (r->rate > 0 && r->next_due < next) {
            next = r->next_due;
        }
    }
    return next;
}

static void drain_slowly(struct load *l)
{
    for (size_t i = 0; i < l->role_count; i++) {
        struct role *r = &l->roles[i];
        for (uint32_t j = 0; r->drain > 0 && j < r->count; j++) {
            r->conns[j].allowance += r->drain / (NS / DRAIN_TICK_NS);
            receive(l, &r->conns[j]);
        }
    }
}

static void run(struct load *l)
{
    uint64_t drain_at = l->start;
    for (size_t i = 0; i < l->role_count; i++) {
        struct role *r = &l->roles[i];
        r->interval = r->rate > 0 ? (uint64_t)((double)NS / (r->rate * (double)r->count)) : 0;
        r->next_due = l->start;
        for (uint32_t j = 0; j < r->count; j++) {
            pump(l, &r->conns[j], l->start);
        }
    }
    for (uint64_t now = now_ns(); now < l->end; now = now_ns()) {
        uint64_t next = make_due(l, now);
        if (now >= drain_at) {
            drain_slowly(l);
            drain_at = now + DRAIN_TICK_NS;
        }
        next = next < drain_at ? next : drain_at;
        now = now_ns();
        uint64_t wait = next > now ? next - now : 0;
        struct timespec limit = {.tv_sec = (time_t)(wait / NS), .tv_nsec = (long)(wait % NS)};
        struct epoll_event events[EVENTS];
        int n = epoll_pwait2(l->epoll_fd, events, EVENTS, &limit, NULL);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if ((events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && c->role->drain == 0) {
                receive(l, c);
            } else {
                pump(l, c, now_ns());
            }
        }
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(const struct load *l, struct role *r)
{
    double seconds = (double)(l->end - l->warm) / NS;
    size_t n = r->latency_count;
    uint64_t in_flight = 0;
    uint64_t least = UINT64_MAX;
    uint64_t total = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        r->missed += r->conns[i].owed;
        in_flight += r->conns[i].sent - r->conns[i].answered;
        total += r->conns[i].answered;
        least = r->conns[i].answered < least ? r->conns[i].answered : least;
    }
    qsort(r->latencies, n, sizeof(*r->latencies), compare);
    printf("{\"role\":\"%s\",\"answered\":%llu,\"per_second\":%.1f,\"bytes_per_second\":%.0f,"
           "\"request_bytes\":%zu,\"errors\":%llu,\"missed\":%llu,\"in_flight\":%llu,\"total\":%"
           "llu,\"least\":%llu,"
           "\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u}\n",
           r->name, (unsigned long long)r->answered, (double)r->answered / seconds,
           (double)r->bytes_in / seconds, r->frame.bytes.n, (unsigned long long)r->errors,
           (unsigned long long)r->missed, (unsigned long long)in_flight, (unsigned long long)total,
           (unsigned long long)least, n ? r->latencies[n / 2] : 0,
           n ? r->latencies[n * 99 / 100] : 0, n ? r->latencies[n * 999 / 1000] : 0,
           n ? r->latencies[n - 1] : 0);
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc - 3 > ROLES_MAX) {
        fprintf(stderr, "usage: see the head of test/net/overload.c\n");
        return 2;
    }
    static struct load l;
    l.role_count = (size_t)(argc - 3);
    l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < l.role_count; i++) {
        role_parse(&l.roles[i], argv[3 + i]);
    }
    connect_all(&l, argv[1]);
    double seconds = strtod(argv[2], NULL);
    l.start = now_ns();
    l.warm = l.start + (uint64_t)(seconds * 0.2 * NS);
    l.end = l.start + (uint64_t)(seconds * NS);
    run(&l);
    for (size_t i = 0; i < l.role_count; i++) {
        struct role *r = &l.roles[i];
        report(&l, r);
        for (uint32_t j = 0; j < r->count; j++) {
            close(r->conns[j].fd);
        }
        free(r->conns);
        free(r->latencies);
        frame_deinit(&r->frame);
    }
    close(l.epoll_fd);
    return 0;
}
