/* What the event store tells of itself. */
#include "core/mem.h"
#include "es/write.h"

struct es_gauges {
    struct metric *events;  /* appended */
    struct metric *appends; /* made */
    struct metric *originals;
    struct metric *conflicts;
    struct metric *refused; /* anything else */
    struct metric *erased, *not_erased;
    struct metric *in_flight, *waiting, *heads, *index_bytes, *index_bytes_per_event;
};

static struct metric *outcome(struct es *es, const char *labels)
{
    return metrics_counter(es->metrics, "leat_es_appends_total",
                           "Appends to the event store, by their outcome.", labels);
}

static struct metric *erasure(struct es *es, const char *labels)
{
    return metrics_counter(es->metrics, "leat_es_redactions_total",
                           "Redactions that were carried out: erased from the log, or only hidden "
                           "from readers of the event store.",
                           labels);
}

enum err es_gauges_create(struct es *es)
{
    struct es_gauges *g = mem_new(struct es_gauges);
    if (g == NULL) {
        return ERR_NO_MEMORY;
    }
    g->events = metrics_counter(es->metrics, "leat_es_events_total",
                                "Events that were appended through the event store.", NULL);
    g->appends = outcome(es, "outcome=\"appended\"");
    g->originals = outcome(es, "outcome=\"known\"");
    g->conflicts = outcome(es, "outcome=\"conflict\"");
    g->refused = outcome(es, "outcome=\"refused\"");
    g->erased = erasure(es, "outcome=\"erased\"");
    g->not_erased = erasure(es, "outcome=\"hidden\"");
    g->in_flight = metrics_gauge(es->metrics, "leat_es_events_in_flight",
                                 "Events that are sequenced and not yet in the index.", NULL);
    g->waiting =
        metrics_gauge(es->metrics, "leat_es_calls_waiting",
                      "Appends, changes and produced batches that are not answered.", NULL);
    g->heads =
        metrics_gauge(es->metrics, "leat_es_heads", "Streams whose head is in memory.", NULL);
    g->index_bytes = metrics_gauge(es->metrics, "leat_es_index_bytes",
                                   "Bytes of the event store's index on disk.", NULL);
    g->index_bytes_per_event = metrics_gauge(
        es->metrics, "leat_es_index_bytes_per_event",
        "Bytes of the index for each event of the log; 0 before its first flush.", NULL);
    es->gauges = g;
    return ERR_OK;
}

void es_gauges_destroy(struct es *es)
{
    mem_free(es->gauges);
    es->gauges = NULL;
}

void es_gauges_append(struct es *es, const struct es_append *a, enum es_problem p)
{
    struct es_gauges *g = es->gauges;
    if (p == ES_OK && !a->idempotent) {
        metric_add(g->appends, 1);
        metric_add(g->events, a->event_count);
    } else if (p == ES_OK) {
        metric_add(g->originals, 1);
    } else if (p == ES_REVISION_CONFLICT || p == ES_APPEND_CONFLICT) {
        metric_add(g->conflicts, 1);
    } else {
        metric_add(g->refused, 1);
    }
}

void es_gauges_erased(struct es *es, bool erased)
{
    metric_add(erased ? es->gauges->erased : es->gauges->not_erased, 1);
}

void es_gauges_tick(struct es *es)
{
    struct es_gauges *g = es->gauges;
    const struct es_writer *w = es->writer;
    struct map_iter it = {0};
    struct index_stats stats = {0};
    uint64_t events = 0;
    index_stats_get(es->index, &stats);
    while (map_next(&es->cats, &it)) {
        const struct es_cat *c = it.value;
        for (int32_t i = 0; i < c->partitions; i++) {
            events += (uint64_t)c->covered[i];
        }
    }
    metric_set(g->in_flight, (double)w->flight_count);
    metric_set(g->waiting, (double)w->op_count);
    metric_set(g->heads, (double)w->head_count);
    metric_set(g->index_bytes, (double)stats.run_bytes);
    metric_set(g->index_bytes_per_event,
               events == 0 ? 0 : (double)stats.run_bytes / (double)events);
}
