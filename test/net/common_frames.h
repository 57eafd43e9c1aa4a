/* What the load programs of this folder share: request frames that are built once, and connections.
 */
#ifndef LEAT_TEST_NET_COMMON_FRAMES_H
#define LEAT_TEST_NET_COMMON_FRAMES_H

#include <stdint.h>

#include "core/buf.h"

/* Places in a frame that is sent again and again, whose numbers are written into each copy. */
#define FRAME_CORRELATION_AT 8

struct frame {
    struct buf bytes;
    size_t partition_at; /* big-endian; 0: the request names no partition */
    size_t error_at;     /* of the error code in the answer, its size included; 0: not looked at */
};

void frame_versions(struct frame *f);
void frame_metadata(struct frame *f); /* all topics */
void frame_produce(struct frame *f, const char *topic, size_t value_bytes);
/* From the partition's start; waits `wait_ms` if there is nothing. */
void frame_fetch(struct frame *f, const char *topic, int64_t offset, int32_t bytes,
                 int32_t wait_ms);
void frame_deinit(struct frame *f);

/* A non-blocking connection that has begun; source 0: the system's choice, else 127.0.0.1 + source.
 * -1: errno says why. */
int frame_dial(const char *address, uint32_t source);

uint64_t now_ns(void);
_Noreturn void die(const char *what, const char *why);

#endif
