/* What an index tells of itself, labelled with the name of its folder. Set when work was done. */
#include "index/index_int.h"

static const struct {
    const char *name, *help;
    bool counter;
} rows[INDEX_GAUGES] = {
    {"leat_index_runs", "Runs of an index.", false},
    {"leat_index_run_bytes", "Bytes of the runs of an index.", false},
    {"leat_index_run_entries", "Entries in the runs of an index.", false},
    {"leat_index_memory_bytes", "New entries of an index that are only in memory.", false},
    {"leat_index_filter_bytes", "Filters of an index in memory.", false},
    {"leat_index_flushes_total", "Memories of an index that were written.", true},
    {"leat_index_merges_total", "Merges of runs of an index.", true},
    {"leat_index_written_bytes_total", "Bytes of runs written, by flushes and merges.", true},
    {"leat_index_disk_reads_total", "Blocks that look-ups on workers read.", true},
};

static void labels_make(const struct index *ix, struct buf *b)
{
    const char *slash = strrchr(ix->dir, '/');
    metrics_label(b, "index", str_of(slash != NULL ? slash + 1 : ix->dir));
    buf_put_u8(b, 0);
}

void gauges_open(struct index *ix, struct metrics *metrics)
{
    struct buf b;
    buf_init(&b, 4 * INDEX_PATH_MAX);
    labels_make(ix, &b);
    if (metrics != NULL && !buf_failed(&b)) { /* without memory nothing is shown */
        ix->metrics = metrics;
        for (int i = 0; i < INDEX_GAUGES; i++) {
            ix->gauges[i] = (rows[i].counter ? metrics_counter : metrics_gauge)(
                metrics, rows[i].name, rows[i].help, (char *)b.p);
        }
    }
    buf_deinit(&b);
}

void gauges_close(struct index *ix)
{
    struct buf b;
    if (ix->metrics == NULL) {
        return;
    }
    buf_init(&b, 4 * INDEX_PATH_MAX);
    labels_make(ix, &b);
    for (int i = 0; i < INDEX_GAUGES && !buf_failed(&b); i++) {
        metrics_remove(ix->metrics, rows[i].name, (char *)b.p);
    }
    buf_deinit(&b);
}

void gauges_set(struct index *ix)
{
    struct index_stats s;
    if (ix->metrics == NULL) {
        return;
    }
    index_stats_get(ix, &s);
    const uint64_t values[INDEX_GAUGES] = {s.run_count,    s.run_bytes,     s.run_entries,
                                           s.memory_bytes, s.filter_bytes,  s.flushes,
                                           s.merges,       s.written_bytes, s.disk_reads};
    for (int i = 0; i < INDEX_GAUGES; i++) {
        if (rows[i].counter) {
            metric_add(ix->gauges[i], values[i] - ix->counted[i]);
            ix->counted[i] = values[i];
        } else {
            metric_set(ix->gauges[i], (double)values[i]);
        }
    }
}
