/* What the load programs here and in bench/load share: request frames of Kafka's protocol that are
 * built once and sent many times, and connections. */
#ifndef LEAT_TEST_NET_COMMON_FRAMES_H
#define LEAT_TEST_NET_COMMON_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"

/* Places in a frame that is sent again and again, whose numbers are written into each copy. */
#define FRAME_CORRELATION_AT 8

struct frame {
    struct buf bytes;
    size_t partition_at; /* big-endian; 0: the request names no partition */
    size_t error_at;     /* of the error code in the answer, its size included; 0: not looked at */
};

/* Makes a frame of a request of the wire tables. Like all of these it dies of what goes wrong. */
void frame_init(struct frame *f, int16_t key, int16_t version, const void *body);
void frame_versions(struct frame *f);
void frame_metadata(struct frame *f); /* all topics */
/* One batch with `text`, cut into records of `record_bytes`; acks=all, partition 0. */
void frame_produce(struct frame *f, const char *topic, const char *text, size_t text_bytes,
                   size_t record_bytes);
/* From the partition's start; waits `wait_ms` if there is nothing. */
void frame_fetch(struct frame *f, const char *topic, int64_t offset, int32_t bytes,
                 int32_t wait_ms);
void frame_deinit(struct frame *f);

/* A connection to HOST:PORT with TCP_NODELAY; if not `blocking`, one that has begun. source 0: the
 * system's choice, else 127.0.0.1 + source. -1: errno says why. */
int frame_dial(const char *address, uint32_t source, bool blocking);

uint64_t now_ns(void);
_Noreturn void die(const char *what, const char *why);

#endif
