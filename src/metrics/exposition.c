/* Prometheus text format 0.0.4: HELP and TYPE once per family, then its samples. */
#include <math.h>

#include "core/mem.h"
#include "metrics/metrics_int.h"

void metrics_label(struct buf *b, const char *key, struct str value)
{
    if (b->n > 0) {
        buf_put_u8(b, ',');
    }
    buf_put_z(b, key);
    buf_put_z(b, "=\"");
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\n') {
            buf_put_z(b, "\\n");
        } else if (c == '"' || c == '\\') {
            buf_put_u8(b, '\\');
            buf_put_u8(b, (uint8_t)c);
        } else {
            buf_put_u8(b, (uint8_t)c);
        }
    }
    buf_put_u8(b, '"');
}

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_value(struct buf *out, double v)
{
    if (isfinite(v) && v == floor(v) && fabs(v) < 9e15) {
        buf_printf(out, "%.0f\n", v);
    } else if (isnan(v)) {
        buf_put_z(out, "NaN\n");
    } else if (!isfinite(v)) {
        buf_put_z(out, v > 0 ? "+Inf\n" : "-Inf\n");
    } else {
        buf_printf(out, "%.9g\n", v);
    }
}

static void put_sample(struct buf *out, const char *name, const char *labels, double v)
{
    buf_put_z(out, name);
    if (labels != NULL && labels[0] != '\0') {
        buf_printf(out, "{%s}", labels);
    }
    buf_put_u8(out, ' ');
    put_value(out, v);
}

static void put_histogram(struct buf *out, const char *name, const struct metric *s)
{
    const char *comma = s->labels[0] == '\0' ? "" : ",";
    uint64_t total = 0;
    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        total += atomic_load_explicit(&s->histogram.bucket[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{%s%sle=\"%.6g\"} %llu\n", name, s->labels, comma,
                   (double)metric_bucket_ns(i) / 1e9, (unsigned long long)total);
    }
    total += atomic_load_explicit(&s->histogram.bucket[METRIC_BUCKETS], memory_order_relaxed);
    buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, s->labels, comma,
               (unsigned long long)total);
    const char *open = s->labels[0] == '\0' ? "" : "{";
    const char *close = s->labels[0] == '\0' ? "" : "}";
    uint64_t sum = atomic_load_explicit(&s->histogram.sum_ns, memory_order_relaxed);
    buf_printf(out, "%s_sum%s%s%s %.9g\n", name, open, s->labels, close, (double)sum / 1e9);
    buf_printf(out, "%s_count%s%s%s %llu\n", name, open, s->labels, close,
               (unsigned long long)total);
}

void metrics_on_scrape(struct metrics *m, void (*fn)(void *ctx, struct metrics_writer *w),
                       void *ctx)
{
    struct metrics_scrape *s = mem_new(struct metrics_scrape);
    if (s == NULL) {
        metric_add(m->dropped, 1);
        return;
    }
    s->fn = fn;
    s->ctx = ctx;
    list_push_back(&m->scrapes, &s->link);
}

void metrics_emit(struct metrics_writer *w, const char *name, const char *type, const char *help,
                  const char *labels, double value)
{
    if (w->family == NULL || strcmp(w->family, name) != 0) {
        put_head(w->out, name, type, help);
        w->family = name;
    }
    put_sample(w->out, name, labels, value);
}

void metrics_write(struct metrics *m, struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    LIST_FOR_EACH (l, next, &m->order) {
        const struct metrics_family *f = CONTAINER_OF(l, struct metrics_family, link);
        if (list_empty(&f->series)) {
            continue;
        }
        put_head(out, f->name, types[f->kind], f->help);
        LIST_FOR_EACH (sl, snext, &f->series) {
            const struct metric *s = CONTAINER_OF(sl, struct metric, link);
            if (f->kind == METRIC_HISTOGRAM) {
                put_histogram(out, f->name, s);
            } else {
                put_sample(out, f->name, s->labels, metric_value(s));
            }
        }
    }
    LIST_FOR_EACH (l, next, &m->scrapes) {
        struct metrics_scrape *s = CONTAINER_OF(l, struct metrics_scrape, link);
        struct metrics_writer w = {.out = out, .family = NULL};
        s->fn(s->ctx, &w);
    }
}
