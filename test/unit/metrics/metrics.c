/* The registry never fails towards its callers, and what it writes is what Prometheus reads. */
#include "metrics/metrics.h"

#include <stdio.h>
#include <string.h>

#include "test.h"

static char *text_of(struct metrics *m, struct buf *b)
{
    buf_init(b, 16 * 1024 * 1024);
    metrics_write(m, b);
    buf_put_u8(b, 0);
    assert_false(buf_failed(b));
    return (char *)b->p;
}

TEST(metrics_counter_and_gauge_are_written_with_help_and_type)
{
    /* The text format: HELP and TYPE once a family, then its samples. */
    struct metrics *m = metrics_create();
    struct buf b;
    metric_add(metrics_counter(m, "leat_x_total", "Things.", "kind=\"a\""), 3);
    metric_add(metrics_counter(m, "leat_x_total", "Things.", "kind=\"b\""), 4);
    metric_set(metrics_gauge(m, "leat_y", "Level.", NULL), 1.5);
    char *text = text_of(m, &b);
    assert_non_null(strstr(text, "# HELP leat_x_total Things.\n# TYPE leat_x_total counter\n"
                                 "leat_x_total{kind=\"a\"} 3\nleat_x_total{kind=\"b\"} 4\n"));
    assert_non_null(strstr(text, "# TYPE leat_y gauge\nleat_y 1.5\n"));
    buf_deinit(&b);
    metrics_destroy(m);
}

TEST(metrics_same_name_and_labels_are_one_series)
{
    /* Two rooms that count the same thing add to one number. */
    struct metrics *m = metrics_create();
    struct metric *a = metrics_counter(m, "leat_x_total", "Things.", NULL);
    assert_ptr_equal(a, metrics_counter(m, "leat_x_total", "Things.", NULL));
    metric_add(a, 2);
    assert_true(metric_value(a) > 1.9 && metric_value(a) < 2.1);
    metrics_destroy(m);
}

TEST(metrics_histogram_is_cumulative)
{
    /* Every bucket counts what is below it; +Inf and _count count everything. */
    struct metrics *m = metrics_create();
    struct buf b;
    struct metric_histogram *h = metrics_histogram(m, "leat_t_seconds", "Time.", "api=\"x\"");
    metric_observe_ns(h, 5000);
    metric_observe_ns(h, 15000000);
    metric_observe_ns(h, UINT64_C(500000000000));
    char *text = text_of(m, &b);
    assert_non_null(strstr(text, "leat_t_seconds_bucket{api=\"x\",le=\"1e-05\"} 1\n"));
    assert_non_null(strstr(text, "leat_t_seconds_bucket{api=\"x\",le=\"100\"} 2\n"));
    assert_non_null(strstr(text, "leat_t_seconds_bucket{api=\"x\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "leat_t_seconds_count{api=\"x\"} 3\n"));
    buf_deinit(&b);
    metrics_destroy(m);
}

TEST(metrics_series_are_bounded)
{
    /* A peer that makes up names cannot make the registry grow: what is too much goes to a sink and
     * is counted. */
    struct metrics *m = metrics_create();
    struct buf b;
    char labels[64];
    for (unsigned i = 0; i < METRICS_SERIES_MAX + 10; i++) {
        snprintf(labels, sizeof(labels), "n=\"%u\"", i);
        metric_add(metrics_counter(m, "leat_x_total", "Things.", labels), 1);
    }
    char *text = text_of(m, &b);
    assert_non_null(strstr(text, "leat_metrics_series_dropped_total 11\n"));
    buf_deinit(&b);
    metrics_destroy(m);
}

TEST(metrics_labels_are_escaped)
{
    /* A topic name or client id cannot break the format. */
    struct buf b;
    buf_init(&b, 100);
    metrics_label(&b, "a", STR_LIT("x\"y\\z\n"));
    metrics_label(&b, "b", STR_LIT("w"));
    assert_true(str_eq_z(buf_str(&b), "a=\"x\\\"y\\\\z\\n\",b=\"w\""));
    buf_deinit(&b);
}

TEST(metrics_removed_series_is_not_written)
{
    /* A deleted topic leaves no numbers behind. */
    struct metrics *m = metrics_create();
    struct buf b;
    metric_add(metrics_counter(m, "leat_x_total", "Things.", "t=\"gone\""), 1);
    metrics_remove(m, "leat_x_total", "t=\"gone\"");
    assert_null(strstr(text_of(m, &b), "leat_x_total"));
    buf_deinit(&b);
    metrics_destroy(m);
}

static void emit(void *ctx, struct metrics_writer *w)
{
    (void)ctx;
    metrics_emit(w, "leat_s", "gauge", "Seen.", "i=\"1\"", 1);
    metrics_emit(w, "leat_s", "gauge", "Seen.", "i=\"2\"", 2);
}

TEST(metrics_scraped_values_have_one_head)
{
    /* Samples that are made when someone looks have HELP and TYPE once. */
    struct metrics *m = metrics_create();
    struct buf b;
    metrics_on_scrape(m, emit, NULL);
    char *text = text_of(m, &b);
    assert_non_null(strstr(
        text, "# HELP leat_s Seen.\n# TYPE leat_s gauge\nleat_s{i=\"1\"} 1\nleat_s{i=\"2\"} 2\n"));
    buf_deinit(&b);
    metrics_destroy(m);
}

static enum err register_some(void *ctx)
{
    (void)ctx;
    struct metrics *m = metrics_create();
    if (m == NULL) {
        return ERR_NO_MEMORY;
    }
    metric_add(metrics_counter(m, "leat_x_total", "Things.", "k=\"v\""), 1);
    metric_observe_ns(metrics_histogram(m, "leat_h_seconds", "Time.", NULL), 1);
    metrics_on_scrape(m, emit, NULL);
    metrics_destroy(m);
    return ERR_OK;
}

TEST(metrics_copes_without_memory)
{
    /* Counting goes on when there is no memory for a series. */
    test_each_failing_alloc(register_some, NULL);
}
