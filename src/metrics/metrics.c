/*
 * The registry: series by "name{labels}" in a map, families in order of their first registration,
 * so that the samples of one family stand together as the text format demands.
 */
#include "metrics/metrics.h"

#include <math.h>
#include <stdatomic.h>

#include "core/check.h"
#include "core/list.h"
#include "core/map.h"
#include "core/mem.h"
#include "metrics/metrics_int.h"

struct metrics *metrics_create(void)
{
    struct metrics *m = mem_new(struct metrics);
    if (m == NULL) {
        return NULL;
    }
    map_init(&m->families);
    list_init(&m->order);
    list_init(&m->scrapes);
    m->dropped =
        metrics_counter(m, "leat_metrics_series_dropped_total",
                        "Series that were not kept: limit reached or out of memory.", NULL);
    return m;
}

static void series_free(struct metric *s)
{
    mem_free(s->labels);
    mem_free(s);
}

void metrics_destroy(struct metrics *m)
{
    if (m == NULL) {
        return;
    }
    struct list *l;
    while ((l = list_pop_front(&m->order)) != NULL) {
        struct metrics_family *f = CONTAINER_OF(l, struct metrics_family, link);
        struct list *sl;
        while ((sl = list_pop_front(&f->series)) != NULL) {
            series_free(CONTAINER_OF(sl, struct metric, link));
        }
        map_deinit(&f->by_labels);
        mem_free(f->name);
        mem_free(f->help);
        mem_free(f);
    }
    while ((l = list_pop_front(&m->scrapes)) != NULL) {
        mem_free(CONTAINER_OF(l, struct metrics_scrape, link));
    }
    map_deinit(&m->families);
    mem_free(m);
}

static struct metrics_family *family_get(struct metrics *m, const char *name, const char *help,
                                         enum metric_kind kind)
{
    struct metrics_family *f = map_get(&m->families, str_of(name));
    if (f != NULL) {
        return f->kind == kind ? f : NULL;
    }
    f = mem_new(struct metrics_family);
    if (f == NULL) {
        return NULL;
    }
    f->name = str_dup_z(str_of(name));
    f->help = str_dup_z(str_of(help));
    f->kind = kind;
    list_init(&f->series);
    map_init(&f->by_labels);
    if (f->name == NULL || f->help == NULL || !map_put(&m->families, str_of(name), f)) {
        mem_free(f->name);
        mem_free(f->help);
        mem_free(f);
        return NULL;
    }
    list_push_back(&m->order, &f->link);
    return f;
}

/* What is handed out when a series cannot be kept: updates go nowhere. */
static struct metric *sink(struct metrics *m)
{
    if (m->dropped != NULL) {
        metric_add(m->dropped, 1);
    }
    return &m->sink;
}

static struct metric *series_get(struct metrics *m, const char *name, const char *help,
                                 const char *labels, enum metric_kind kind)
{
    struct metrics_family *f = family_get(m, name, help, kind);
    if (f == NULL) {
        return sink(m);
    }
    struct str key = str_of(labels == NULL ? "" : labels);
    struct metric *s = map_get(&f->by_labels, key);
    if (s != NULL) {
        return s;
    }
    if (m->series_count >= METRICS_SERIES_MAX) {
        return sink(m);
    }
    s = mem_new(struct metric);
    if (s == NULL) {
        return sink(m);
    }
    s->labels = str_dup_z(key);
    if (s->labels == NULL || !map_put(&f->by_labels, key, s)) {
        series_free(s);
        return sink(m);
    }
    m->series_count++;
    list_push_back(&f->series, &s->link);
    return s;
}

struct metric *metrics_counter(struct metrics *m, const char *name, const char *help,
                               const char *labels)
{
    return series_get(m, name, help, labels, METRIC_COUNTER);
}

struct metric *metrics_gauge(struct metrics *m, const char *name, const char *help,
                             const char *labels)
{
    return series_get(m, name, help, labels, METRIC_GAUGE);
}

struct metric_histogram *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                           const char *labels)
{
    return &series_get(m, name, help, labels, METRIC_HISTOGRAM)->histogram;
}

void metrics_remove(struct metrics *m, const char *name, const char *labels)
{
    struct metrics_family *f = map_get(&m->families, str_of(name));
    if (f == NULL) {
        return;
    }
    struct metric *s = map_remove(&f->by_labels, str_of(labels == NULL ? "" : labels));
    if (s != NULL) {
        list_remove(&s->link);
        series_free(s);
        m->series_count--;
    }
}

void metric_add(struct metric *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->count, n, memory_order_relaxed);
}

void metric_set(struct metric *g, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    atomic_store_explicit(&g->gauge_bits, bits, memory_order_relaxed);
}

double metric_value(const struct metric *x)
{
    uint64_t bits = atomic_load_explicit(&x->gauge_bits, memory_order_relaxed);
    double gauge;
    memcpy(&gauge, &bits, sizeof(gauge));
    return gauge + (double)atomic_load_explicit(&x->count, memory_order_relaxed);
}

/* Upper bounds 10 us * 10^(i/4): four buckets a decade, seven decades. */
static const uint64_t BUCKET_NS[METRIC_BUCKETS] = {
    10000,       17783,       31623,       56234,       100000,      177828,
    316228,      562341,      1000000,     1778279,     3162278,     5623413,
    10000000,    17782794,    31622777,    56234133,    100000000,   177827941,
    316227766,   562341325,   1000000000,  1778279410,  3162277660,  5623413252,
    10000000000, 17782794100, 31622776602, 56234132519, 100000000000};

void metric_observe_ns(struct metric_histogram *h, uint64_t ns)
{
    size_t low = 0;
    size_t high = METRIC_BUCKETS;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (ns <= BUCKET_NS[mid]) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    atomic_fetch_add_explicit(&h->bucket[low], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, ns, memory_order_relaxed);
}

uint64_t metric_bucket_ns(size_t i)
{
    return BUCKET_NS[i];
}
