/*
 * Load of prebuilt requests for leat (Kafka's protocol, HTTP), Apache Kafka, Redis, NATS and
 * PostgreSQL: the client costs next to nothing and is the same for all, so what is measured is the
 * broker.
 *
 *   wire create   --proto P --at HOST:PORT --name N [--partitions N] [--config a=b,..]
 *   wire inflight --proto P --at HOST:PORT --name N [--bytes N] [--seconds S]
 *       one message in flight, a blocking client; also --warm-least
 *   wire fleet    ... [--connections 64] [--depth 1] [--partitions 1] [--warm-least N]
 *       an epoll loop keeps `depth` messages in flight on each connection, over the partitions in
 *       turn; N messages at least are not counted
 *   wire paced    ... [--rate 5000] [--connections 1]
 *       sends when a message is due, whatever is unanswered; latency counts from when it was due
 *   wire commits  --at HOST:PORT --name TOPIC --groups N [--rate N] [--connections N]
 *       OffsetCommit of N groups in turn, each once in N/rate seconds
 *   wire end      --at HOST:PORT --name TOPIC      the end offset of partition 0
 *
 * Also: --pid of the broker (its CPU and memory), --dir of its data (bytes that reach the device),
 * --warm S seconds that are not counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/bytes.h"
#include "load/common.h"
#include "load/common_proto.h"

#define INPUT_BYTES   16384u
#define ANSWER_BYTES  (1u << 20) /* of one message in flight: a page of events */
#define RATE_MOST     400000u    /* messages a second that samples are kept for */
#define DRAIN_LIMIT_S 30.0

struct target {
    const struct protocol *protocol;
    struct place place;
    const char *address;
    int pid;
    const char *dir; /* NULL: not told */
};

static struct target target_of(struct options *o)
{
    const char *dir = option_text(o, "dir", "");
    return (struct target){.protocol = protocol_find(option_text(o, "proto", "kafka")),
                           .place = {option_text(o, "name", NULL),
                                     (uint32_t)option_u64(o, "partitions", 1),
                                     option_text(o, "config", "")},
                           .address = option_text(o, "at", NULL),
                           .pid = (int)option_u64(o, "pid", 0),
                           .dir = *dir != '\0' ? dir : NULL};
}

static int greeted(const struct target *t, unsigned id)
{
    int fd = dial(t->address);
    if (t->protocol->greet != NULL) {
        t->protocol->greet(fd, id);
    }
    return fd;
}

/* ---- One message in flight */

static void exchange(int fd, const struct protocol *p, struct frame *frame, uint64_t sequence,
                     uint8_t *input)
{
    size_t n = 0;
    if (p->vary != NULL) {
        p->vary(&frame->bytes, sequence);
    }
    if (!write_all(fd, frame->bytes.p, frame->bytes.n)) {
        die("send", "the connection was closed");
    }
    for (;;) {
        ssize_t got = read(fd, input + n, ANSWER_BYTES - n);
        if (got <= 0) {
            die("receive", "the connection was closed");
        }
        n += (size_t)got;
        bool counts = false;
        for (size_t size = p->answer(input, n, &counts); size > 0;
             size = p->answer(input, n, &counts)) {
            if (counts) {
                return;
            }
            memmove(input, input + size, n - size);
            n -= size;
        }
    }
}

static void run_inflight(struct options *o)
{
    struct target t = target_of(o);
    double seconds = option_real(o, "seconds", 5);
    double warm = option_real(o, "warm", 0.5);
    uint64_t warm_least = option_u64(o, "warm-least", 0);
    size_t bytes = (size_t)option_u64(o, "bytes", 1024);
    options_end(o);
    struct frame frame;
    struct samples s;
    struct meter m;
    uint8_t *input = take_memory(ANSWER_BYTES);
    t.protocol->message(&frame, &t.place, bytes);
    samples_init(&s, (size_t)(seconds * 100000) + 1000);
    int fd = greeted(&t, 0);
    uint64_t sequence = 0;
    if (t.protocol->sign != NULL) {
        t.protocol->sign(&frame.bytes, 0);
    }
    for (double began = now_s(); now_s() - began < warm || sequence < warm_least;) {
        exchange(fd, t.protocol, &frame, sequence++, input);
    }
    meter_start(&m, t.pid, t.dir);
    for (double began = now_s(); now_s() - began < seconds;) {
        uint64_t at = now_ns();
        exchange(fd, t.protocol, &frame, sequence++, input);
        samples_add(&s, now_ns() - at);
    }
    meter_stop(&m);
    printf("{\"what\":\"inflight\",\"bytes\":%zu,\"messages\":%zu,\"per_second\":%.0f", bytes,
           s.count, (double)s.count / m.seconds);
    samples_print(&s, "");
    meter_print(&m);
    printf("}\n");
    close(fd);
    samples_deinit(&s);
    frame_deinit(&frame);
    free(input);
}

/* ---- Many connections */

struct conn {
    int fd;
    struct buf frame;  /* the one being sent, or the one of this connection */
    size_t sent;       /* of it */
    uint32_t wanted;   /* messages to send, the one being sent included */
    uint64_t sequence; /* of the message that is sent next */
    uint64_t *began;   /* when each unanswered message began, a ring of `slots` */
    uint32_t slots, head, count;
    size_t input_count;
    uint8_t input[INPUT_BYTES]; /* last: what is before it lies side by side */
};

struct load {
    const struct target *target;
    struct conn *conns;
    uint32_t conn_count, depth;
    int epoll;
    struct frame *frames; /* taken in turn, or over the partitions if it is one */
    uint32_t frame_count;
    uint64_t next;           /* message to send */
    bool closed;             /* closed loop: an answer asks for the next message */
    struct samples *samples; /* NULL: not counted */
    uint64_t answered;
};

/* What is sent next on this connection. */
static const struct buf *frame_of(struct load *l, struct conn *c)
{
    uint32_t partitions = l->target->place.partitions;
    if (c->sent == 0 && partitions > 1 && l->frames[0].partition_at > 0) {
        put_be32(c->frame.p + l->frames[0].partition_at, (uint32_t)(l->next % partitions));
    } else if (c->sent == 0 && l->frame_count > 1) {
        const struct buf *f = &l->frames[l->next % l->frame_count].bytes;
        buf_clear(&c->frame);
        buf_put(&c->frame, f->p, f->n);
    }
    if (c->sent == 0 && l->target->protocol->vary != NULL) {
        l->target->protocol->vary(&c->frame, c->sequence);
    }
    return &c->frame;
}

static void pump(struct load *l, struct conn *c)
{
    while (c->wanted > 0) {
        const struct buf *f = frame_of(l, c);
        ssize_t n = send(c->fd, f->p + c->sent, f->n - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0) {
            die_errno("send");
        }
        c->sent += (size_t)n;
        if (c->sent == f->n) {
            c->sent = 0;
            c->wanted--;
            c->sequence++;
            l->next++;
        }
    }
}

static void want(struct load *l, struct conn *c, uint64_t began_ns)
{
    if (c->count == c->slots) {
        die("load", "more messages are unanswered than there is room for");
    }
    c->began[(c->head + c->count++) % c->slots] = began_ns;
    c->wanted++;
    pump(l, c);
}

static void take_answers(struct load *l, struct conn *c)
{
    for (;;) {
        ssize_t n =
            recv(c->fd, c->input + c->input_count, INPUT_BYTES - c->input_count, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            die("receive", "the connection was closed");
        }
        size_t room = INPUT_BYTES - c->input_count;
        c->input_count += (size_t)n;
        size_t at = 0;
        bool counts = false;
        size_t size;
        while ((size = l->target->protocol->answer(c->input + at, c->input_count - at, &counts)) >
               0) {
            at += size;
            if (!counts) {
                continue;
            }
            if (c->count == 0) {
                die("receive", "an answer to no message");
            }
            uint64_t now = now_ns();
            if (l->samples != NULL) {
                samples_add(l->samples, now - c->began[c->head]);
            }
            l->answered++;
            c->head = (c->head + 1) % c->slots;
            c->count--;
            if (l->closed) {
                want(l, c, now);
            }
        }
        memmove(c->input, c->input + at, c->input_count - at);
        c->input_count -= at;
        if ((size_t)n < room) {
            return; /* a later arrival makes a new event */
        }
    }
}

static void turn(struct load *l, uint64_t wait_ns)
{
    struct epoll_event events[128];
    struct timespec t = {(time_t)(wait_ns / 1000000000u), (long)(wait_ns % 1000000000u)};
    int n = epoll_pwait2(l->epoll, events, ARRAY_LEN(events), &t, NULL);
    if (n < 0 && errno != EINTR) {
        die_errno("epoll");
    }
    for (int i = 0; i < n; i++) {
        struct conn *c = &l->conns[events[i].data.u32];
        if ((events[i].events & EPOLLOUT) != 0) {
            pump(l, c);
        }
        take_answers(l, c);
    }
}

static void load_init(struct load *l, const struct target *t, uint32_t conns, uint32_t slots)
{
    prctl(PR_SET_TIMERSLACK, 1ul, 0, 0, 0);
    l->target = t;
    l->conn_count = conns;
    l->conns = take_memory(conns * sizeof(*l->conns));
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i < conns; i++) {
        struct conn *c = &l->conns[i];
        c->fd = greeted(t, i);
        c->slots = slots;
        c->began = take_memory(slots * sizeof(*c->began));
        buf_init(&c->frame, 64u << 20);
        buf_put(&c->frame, l->frames[0].bytes.p, l->frames[0].bytes.n);
        if (buf_failed(&c->frame)) {
            die("request", "there is no memory");
        }
        if (t->protocol->sign != NULL) {
            t->protocol->sign(&c->frame, i);
        }
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = i};
        if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0) {
            die_errno("epoll");
        }
    }
}

static void load_deinit(struct load *l)
{
    for (uint32_t i = 0; i < l->conn_count; i++) {
        close(l->conns[i].fd);
        free(l->conns[i].began);
        buf_deinit(&l->conns[i].frame);
    }
    for (uint32_t i = 0; i < l->frame_count; i++) {
        frame_deinit(&l->frames[i]);
    }
    free(l->frames);
    free(l->conns);
    close(l->epoll);
}

static uint64_t unanswered(const struct load *l)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < l->conn_count; i++) {
        count += l->conns[i].count;
    }
    return count;
}

/* Waits for what is unanswered, up to a limit; false: some of it still is. */
static bool settle(struct load *l)
{
    l->closed = false;
    for (double began = now_s(); unanswered(l) > 0;) {
        turn(l, 100000000);
        if (now_s() - began > DRAIN_LIMIT_S) {
            return false;
        }
    }
    return true;
}

/* What is unanswered counts as if it were answered now: its true latency is longer. */
static void abandon(struct load *l)
{
    uint64_t now = now_ns();
    for (uint32_t i = 0; i < l->conn_count; i++) {
        struct conn *c = &l->conns[i];
        for (; c->count > 0; c->count--, c->head = (c->head + 1) % c->slots) {
            samples_add(l->samples, now - c->began[c->head]);
        }
    }
}

static void print_result(struct load *l, const char *what, size_t bytes, double took_s,
                         struct meter *m, struct samples *s, const char *extra)
{
    printf("{\"what\":\"%s\",\"bytes\":%zu,\"connections\":%u,\"depth\":%u,\"partitions\":%u,"
           "\"messages\":%llu,\"per_second\":%.1f%s",
           what, bytes, l->conn_count, l->depth, l->target->place.partitions,
           (unsigned long long)l->answered, (double)l->answered / took_s, extra);
    samples_print(s, "");
    meter_print(m);
    printf("}\n");
}

static void make_frames(struct load *l, uint32_t count)
{
    l->frame_count = count;
    l->frames = take_memory(count * sizeof(*l->frames));
}

static void run_fleet(struct options *o)
{
    struct target t = target_of(o);
    struct load l = {.depth = (uint32_t)option_u64(o, "depth", 1), .closed = true};
    uint32_t conns = (uint32_t)option_u64(o, "connections", 64);
    double seconds = option_real(o, "seconds", 5);
    double warm = option_real(o, "warm", 1);
    uint64_t warm_least = option_u64(o, "warm-least", 0);
    size_t bytes = (size_t)option_u64(o, "bytes", 1024);
    options_end(o);
    struct samples s;
    struct meter m;
    make_frames(&l, 1);
    t.protocol->message(&l.frames[0], &t.place, bytes);
    samples_init(&s, (size_t)(seconds * RATE_MOST) + 1000);
    load_init(&l, &t, conns, l.depth + 1);
    for (uint32_t i = 0; i < conns * l.depth; i++) {
        want(&l, &l.conns[i % conns], now_ns());
    }
    double warmed = now_s();
    while (now_s() - warmed < warm || l.answered < warm_least) {
        turn(&l, 10000000);
    }
    double warm_rate = (double)l.answered / (now_s() - warmed);
    l.samples = &s;
    l.answered = 0;
    meter_start(&m, t.pid, t.dir);
    double began = now_s();
    uint64_t worst = UINT64_MAX;
    uint64_t before = 0;
    for (double mark = began + 1; now_s() - began < seconds;) {
        turn(&l, 10000000);
        if (now_s() >= mark) {
            worst = l.answered - before < worst ? l.answered - before : worst;
            before = l.answered;
            mark += 1;
            meter_sample(&m);
        }
    }
    double took = now_s() - began;
    meter_stop(&m);
    l.samples = NULL;
    uint64_t counted = l.answered;
    if (!settle(&l)) {
        die("fleet", "some messages were not answered in time");
    }
    l.answered = counted;
    char extra[96];
    snprintf(extra, sizeof(extra), ",\"worst_second\":%llu,\"warm_per_second\":%.1f",
             (unsigned long long)(worst == UINT64_MAX ? 0 : worst), warm_rate);
    print_result(&l, "fleet", bytes, took, &m, &s, extra);
    samples_deinit(&s);
    load_deinit(&l);
}

/* Sends message i at its time, i / rate. */
static void run_on_time(struct load *l, double rate, double seconds)
{
    uint64_t began = now_ns();
    uint64_t count = (uint64_t)(rate * seconds);
    for (uint64_t i = 0; i < count;) {
        uint64_t due = began + (uint64_t)((double)i * 1e9 / rate);
        uint64_t now = now_ns();
        if (now >= due) {
            want(l, &l->conns[i % l->conn_count], due);
            i++;
            turn(l, 0);
        } else {
            turn(l, due - now);
        }
    }
}

static void run_paced(struct options *o, bool commits)
{
    struct target t = target_of(o);
    struct load l = {0};
    double rate = option_real(o, "rate", commits ? 1000 : 5000);
    double seconds = option_real(o, "seconds", 10);
    double warm = option_real(o, "warm", 2);
    uint32_t conns = (uint32_t)option_u64(o, "connections", 1);
    size_t bytes = commits ? 0 : (size_t)option_u64(o, "bytes", 1024);
    uint32_t groups = commits ? (uint32_t)option_u64(o, "groups", 1000) : 1;
    options_end(o);
    struct samples s;
    struct meter m;
    make_frames(&l, groups);
    int first = commits ? dial(t.address) : -1;
    for (uint32_t i = 0; i < groups && commits; i++) {
        char group[32];
        snprintf(group, sizeof(group), "group-%u", i);
        kafka_commit(&l.frames[i], group, t.place.name, i);
        kafka_await_group(first, group, &l.frames[i].bytes);
    }
    if (first >= 0) {
        close(first);
    }
    if (!commits) {
        t.protocol->message(&l.frames[0], &t.place, bytes);
    }
    samples_init(&s, (size_t)(rate * (seconds + warm)) + 1000);
    load_init(&l, &t, conns, (uint32_t)(rate * (seconds + warm)) + 16);
    meter_start(&m, t.pid, t.dir);
    double began = now_s();
    run_on_time(&l, rate, warm);
    bool held = settle(&l);
    l.samples = &s;
    if (held) { /* else the first seconds have shown enough */
        l.answered = 0;
        meter_start(&m, t.pid, t.dir);
        began = now_s();
        run_on_time(&l, rate, seconds);
        held = settle(&l);
    }
    abandon(&l);
    double took = now_s() - began;
    meter_stop(&m);
    print_result(&l, commits ? "commits" : "paced", bytes, took, &m, &s,
                 held ? ",\"answered_all\":1" : ",\"answered_all\":0");
    samples_deinit(&s);
    load_deinit(&l);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    struct options o;
    options_init(&o, argc, argv, 2);
    if (strcmp(mode, "create") == 0 || strcmp(mode, "end") == 0) {
        struct target t = target_of(&o);
        options_end(&o);
        int fd = dial(t.address);
        if (*mode == 'c') {
            t.protocol->create(fd, &t.place);
            printf("{\"created\":\"%s\"}\n", t.place.name);
        } else {
            printf("{\"end\":%lld}\n", (long long)kafka_end_offset(fd, t.place.name, 0));
        }
        close(fd);
    } else if (strcmp(mode, "inflight") == 0) {
        run_inflight(&o);
    } else if (strcmp(mode, "fleet") == 0) {
        run_fleet(&o);
    } else if (strcmp(mode, "paced") == 0) {
        run_paced(&o, false);
    } else if (strcmp(mode, "commits") == 0) {
        run_paced(&o, true);
    } else {
        die("usage", "wire create|inflight|fleet|paced|commits|end: see the head of wire.c");
    }
    return 0;
}
