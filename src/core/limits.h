/* Every named limit that a peer can run into, with its reason. */
#ifndef LEAT_CORE_LIMITS_H
#define LEAT_CORE_LIMITS_H

/* Kafka's socket.request.max.bytes default: the largest request frame. */
#define LIMIT_REQUEST_BYTES (100u * 1024 * 1024)
/* What decoding one request may allocate beyond the frame itself: 32 times the bytes received plus
 * this. */
#define LIMIT_REQUEST_ARENA_BASE (256u * 1024)
/* ... and never more than this: 32 times 100 MiB would be 3 GiB. */
#define LIMIT_REQUEST_ARENA_MAX (128u * 1024 * 1024)
/* What making one response may allocate (record bytes not counted): 100,000 partitions need about
 * 20 MiB. */
#define LIMIT_RESPONSE_ARENA (256u * 1024 * 1024)
/* Kafka: topic names are at most 249 characters, so that "-NNNNN" directories fit in 255. */
#define LIMIT_TOPIC_NAME 249
/* Partitions of one topic that a decoded fact may claim; leat.max.partitions is what users meet. */
#define LIMIT_PARTITIONS 1000000u

#endif
