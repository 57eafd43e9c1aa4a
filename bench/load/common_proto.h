/*
 * The protocols that the load programs speak: Kafka's (leat, Apache Kafka), RESP (Redis Streams:
 * XADD), NATS (JetStream: a publish with a reply) and HTTP (leat's event store). Requests are built
 * once and sent many times; an answer is only told from the next and looked at for an error.
 */
#ifndef BENCH_LOAD_COMMON_PROTO_H
#define BENCH_LOAD_COMMON_PROTO_H

#include "core/buf.h"
#include "load/common.h"
#include "net/common_frames.h"

/* What is written to: a topic, a stream's key, a subject. */
struct place {
    const char *name;
    uint32_t partitions;
    const char *config; /* name=value,... for a new topic; "" for none */
};

struct protocol {
    const char *name;
    /* Makes a frame: one durable message of `bytes` for `place`. */
    void (*message)(struct frame *out, const struct place *place, size_t bytes);
    /* Said once on a new connection, blocking. `id` tells connections apart. NULL: nothing. */
    void (*greet)(int fd, unsigned id);
    /* Makes a request that message() built belong to connection `id`. NULL: nothing to do. */
    void (*sign)(struct buf *frame, unsigned id);
    /* Changes what differs from message to message, before each is sent; `sequence` counts those of
     * the connection from 0. NULL: nothing does. */
    void (*vary)(struct buf *frame, uint64_t sequence);
    /* The size of the first answer in p[0..n), 0 if it is not whole. Dies of an answer that says
     * that the message was not stored. *counts = false: it answers no message. */
    size_t (*answer)(const uint8_t *p, size_t n, bool *counts);
    /* Makes the place, empty. */
    void (*create)(int fd, const struct place *place);
};

const struct protocol *protocol_find(const char *name); /* dies if there is none */

/* Conditional appends to leat's event store over HTTP (common_http.c). The place's name is a
 * category; each connection has a stream of its own, and each message expects the revision that the
 * one before has made. Of config: events=N in one request (1); streams=N for each connection, which
 * gets messages in turn; run=N a number in the streams' names, else of the time; read=N: a message
 * reads the first N events of a stream that writers=N connections have written so. */
extern const struct protocol protocol_es;

/* PostgreSQL over its socket (common_pg.c): the same with a table named `bench`. Of config: copy,
 * streams, select. */
extern const struct protocol protocol_pg;
/* One of `streams`, far from that of sequence - 1. */
static inline uint64_t scattered(uint64_t sequence, uint64_t streams)
{
    return sequence * 7919 % streams; /* a prime */
}

/* OffsetCommit of one partition by a group without members. */
void kafka_commit(struct frame *out, const char *group, const char *topic, int64_t offset);
/* Asks for the coordinator of a group and commits until the broker takes it: Apache Kafka makes the
 * topic of its offsets when the first group asks. */
void kafka_await_group(int fd, const char *group, const struct buf *commit);
/* Sends `frame` and waits for the answer; it goes to reply[0..capacity), its size is returned. */
size_t kafka_call(int fd, const struct buf *frame, uint8_t *reply, size_t capacity);
/* The end of a partition. */
int64_t kafka_end_offset(int fd, const char *topic, int32_t partition);

#endif
