/* Inside of the metrics room: the registry's structures, shared by metrics.c and exposition.c. */
#ifndef LEAT_METRICS_METRICS_INT_H
#define LEAT_METRICS_METRICS_INT_H

#include <stdatomic.h>

#include "core/list.h"
#include "core/map.h"
#include "metrics/metrics.h"

#define METRIC_BUCKETS 29

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_histogram {
    _Atomic uint64_t bucket[METRIC_BUCKETS + 1]; /* the last one: above all bounds */
    _Atomic uint64_t sum_ns;
};
struct metric {
    struct list link; /* in its family */
    char *labels;
    _Atomic uint64_t count;
    _Atomic uint64_t gauge_bits; /* a double's */
    struct metric_histogram histogram;
};
struct metrics_family {
    struct list link; /* in metrics->order */
    char *name, *help;
    enum metric_kind kind;
    struct list series;
    struct map by_labels;
};
struct metrics_scrape {
    struct list link;
    void (*fn)(void *ctx, struct metrics_writer *w);
    void *ctx;
};
struct metrics {
    struct map families;
    struct list order, scrapes;
    size_t series_count;
    struct metric *dropped;
    struct metric sink;
};
struct metrics_writer {
    struct buf *out;
    const char *family; /* whose HELP and TYPE stand last */
};

uint64_t metric_bucket_ns(size_t i);

#endif
