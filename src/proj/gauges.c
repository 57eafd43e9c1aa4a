/* What a scrape shows of each version: lag in events and time, parked and skipped events, is it
 * served. */
#include <stdio.h>

#include "core/compiler.h"
#include "proj/proj_int.h"

#define LABELS_MAX  256u
#define ARENA_BYTES (64u << 20)

enum gauge {
    GAUGE_LAG,
    GAUGE_LAG_SECONDS,
    GAUGE_PARKED,
    GAUGE_SKIPPED,
    GAUGE_SERVED,
    GAUGE_UP,
    GAUGE_COUNT
};
static const struct {
    const char *name, *help;
} gauges[GAUGE_COUNT] = {
    {"leat_projection_lag_events", "Offsets between what a version has applied and the end"},
    {"leat_projection_lag_seconds", "Age of the oldest event that a version has not applied"},
    {"leat_projection_parked_events", "Events that wait with their key"},
    {"leat_projection_skipped_events", "Events that were skipped since the start"},
    {"leat_projection_served", "1 for the version whose tables the views show"},
    {"leat_projection_up", "0 for a version that cannot be opened in its database, or has stopped"},
};

static double value_of(enum gauge g, const struct proj_status *s,
                       const struct proj_version_status *v)
{
    switch (g) {
    case GAUGE_LAG:
        return (double)v->lag_events;
    case GAUGE_LAG_SECONDS:
        return (double)v->lag_ms / 1000;
    case GAUGE_PARKED:
        return (double)v->parked_events;
    case GAUGE_SKIPPED:
        return (double)v->skipped_events;
    case GAUGE_SERVED:
        return s->served == v->version;
    case GAUGE_UP:
        return v->state == PROJ_KEPT ? str_is_null(v->error)
                                     : v->state != PROJ_STARTING && v->state != PROJ_UNREACHABLE &&
                                           v->state != PROJ_STOPPED;
    case GAUGE_COUNT:
        break;
    }
    return 0;
}

static void emit(struct metrics_writer *w, enum gauge g, const struct proj_status *s)
{
    for (size_t i = 0; i < s->version_count; i++) {
        struct buf labels;
        char version[16];
        buf_init(&labels, LABELS_MAX);
        metrics_label(&labels, "projection", s->name);
        (void)snprintf(version, sizeof(version), "%u", s->versions[i].version);
        metrics_label(&labels, "version", str_of(version));
        buf_put_u8(&labels, 0);
        if (!buf_failed(&labels)) {
            metrics_emit(w, gauges[g].name, "gauge", gauges[g].help, (const char *)labels.p,
                         value_of(g, s, &s->versions[i]));
        }
        buf_deinit(&labels);
    }
}

/* Without memory a family is shorter, or missing: the next scrape has it. */
static void scrape(void *ctx, struct metrics_writer *w)
{
    struct proj *p = ctx;
    struct arena a;
    size_t count = 0;
    arena_init(&a, ARENA_BYTES);
    struct str *names = proj_names(p, &a, &count);
    struct proj_status *all = names == NULL ? NULL : arena_new_n(&a, struct proj_status, count + 1);
    size_t known = 0;
    for (size_t i = 0; all != NULL && i < count; i++) {
        known += proj_status(p, names[i], &a, &all[known]) == ERR_OK;
    }
    for (int g = 0; g < GAUGE_COUNT; g++) {
        for (size_t i = 0; i < known; i++) {
            emit(w, (enum gauge)g, &all[i]);
        }
    }
    arena_deinit(&a);
}

void gauges_register(struct proj *p)
{
    metrics_on_scrape(p->config.metrics, scrape, p);
}
