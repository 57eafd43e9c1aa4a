/* Leader epochs of a partition (KIP-101, KIP-320). */
#ifndef LEAT_KAFKA_EPOCH_H
#define LEAT_KAFKA_EPOCH_H

#include <stdint.h>

struct partition;

/*
 * The end of an epoch, as Kafka's LeaderEpochFileCache.endOffsetFor answers: the largest epoch <=
 * `asked` and the offset at which the next one begins (the high watermark for the newest). Asked
 * for an epoch before the first: `asked` itself and the first one's start. Asked for one that is
 * not there yet: -1, -1.
 */
void epoch_end(const struct partition *p, int32_t asked, int32_t *epoch, int64_t *end);

#endif
