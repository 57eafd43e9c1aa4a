/*
 * Metrics: counters, gauges and histograms by name and labels, and their exposition as Prometheus
 * text (format 0.0.4). Names are `leat_<noun>_<unit or total>`; a log event that counts has the
 * same words.
 *
 * Updates are relaxed atomics and may come from any thread; registering and writing happen on the
 * loop. The number of series is bounded (METRICS_SERIES_MAX): beyond it a registration returns a
 * sink that is not shown and `leat_metrics_series_dropped_total` counts it.
 */
#ifndef LEAT_METRICS_METRICS_H
#define LEAT_METRICS_METRICS_H

#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

#define METRICS_SERIES_MAX 100000u

struct metrics;
struct metric;
struct metric_histogram;

struct metrics *metrics_create(void); /* NULL: out of memory */
void metrics_destroy(struct metrics *m);

/* `labels` is the inside of the braces, already escaped (metrics_label helps), or NULL. The same
 * name and labels give the same series. Never NULL: when out of memory or over the limit, a sink.
 */
struct metric *metrics_counter(struct metrics *m, const char *name, const char *help,
                               const char *labels);
struct metric *metrics_gauge(struct metrics *m, const char *name, const char *help,
                             const char *labels);
/* Log-scaled buckets from 10 us to 100 s, in seconds. */
struct metric_histogram *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                           const char *labels);
void metric_add(struct metric *c, uint64_t n);
void metric_set(struct metric *g, double v);
double metric_value(const struct metric *x);
void metric_observe_ns(struct metric_histogram *h, uint64_t ns);
/* Removes a series (a deleted topic's). Its pointer is void afterwards. */
void metrics_remove(struct metrics *m, const char *name, const char *labels);

/* Appends `key="value"` with the value escaped, and a comma before it if the buffer is not empty.
 */
void metrics_label(struct buf *b, const char *key, struct str value);

/* Values that are computed when someone looks: fn appends with metrics_emit. Called in order of
 * registration. */
struct metrics_writer;
void metrics_on_scrape(struct metrics *m, void (*fn)(void *ctx, struct metrics_writer *w),
                       void *ctx);
/* Samples of one family must be emitted together; the first call of a family writes HELP and TYPE
 * ("gauge" or "counter"). */
void metrics_emit(struct metrics_writer *w, const char *name, const char *type, const char *help,
                  const char *labels, double value);

void metrics_write(struct metrics *m, struct buf *out);

#endif
