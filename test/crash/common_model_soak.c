/*
 * What a soak asks of the model beyond a crash test: logs that begin later and later, because of
 * retention, and topics whose names are used again. See common_model.h.
 *
 * Records are deleted only where they were read and judged before, so no batch without an answer
 * can lie below the start, and what the judge says of those stays sound.
 */
#include "common_model_int.h"

void model_retention(struct model *m)
{
    pthread_mutex_lock(&m->mutex);
    m->retention = true;
    pthread_mutex_unlock(&m->mutex);
}

int64_t model_floor(struct model *m, uint32_t part)
{
    pthread_mutex_lock(&m->mutex);
    int64_t floor = m->parts[part].start_told;
    pthread_mutex_unlock(&m->mutex);
    return floor;
}

void model_start_moved(struct model *m, uint32_t part, int64_t floor, int64_t start)
{
    pthread_mutex_lock(&m->mutex);
    struct model_part *p = &m->parts[part];
    if (m->retention && !m->dark) {
        if (start < floor) {
            model_violation_locked(m, MODEL_START_BACK, "%s/%d: it began at %lld, now at %lld",
                                   p->topic, p->index, (long long)floor, (long long)start);
        }
        p->retained = start > p->start_asked && start > p->retained ? start : p->retained;
        if (start > p->start_told) {
            p->start_told = start;
            model_line(m, "start %u %lld", part, (long long)start);
        }
    }
    pthread_mutex_unlock(&m->mutex);
}

bool model_retention_took(struct model *m, uint32_t part)
{
    pthread_mutex_lock(&m->mutex);
    const struct model_part *p = &m->parts[part];
    bool took = p->retained > 0 && p->retained == p->start_told;
    pthread_mutex_unlock(&m->mutex);
    return took;
}

int64_t model_trim_judged(struct model *m, uint32_t part, uint64_t salt)
{
    pthread_mutex_lock(&m->mutex);
    struct model_part *p = &m->parts[part];
    int64_t from = p->start_asked > p->start_told ? p->start_asked : p->start_told;
    int64_t to = -1;
    if (p->judged > from && !p->relaxed) {
        to = from + 1 + (int64_t)(salt % (uint64_t)(p->judged - from));
        p->start_asked = to;
        model_line(m, "trim %u %lld", part, (long long)to);
    }
    pthread_mutex_unlock(&m->mutex);
    return to;
}

/* ---- Topics that change -----------------------------------------------------------------------
 */

void model_topic_again(struct model *m, uint32_t topic, int32_t partitions)
{
    pthread_mutex_lock(&m->mutex);
    struct model_topic *t = &m->topics[topic];
    t->state = TOPIC_UNKNOWN;
    t->partitions = t->partitions_asked = partitions;
    t->has_id = false;
    model_line(m, "create %u %s %d", topic, t->name, partitions);
    pthread_mutex_unlock(&m->mutex);
}

bool model_topic_known(struct model *m, uint32_t topic, int32_t *partitions)
{
    pthread_mutex_lock(&m->mutex);
    const struct model_topic *t = &m->topics[topic];
    bool there = t->state == TOPIC_THERE;
    *partitions = t->state == TOPIC_GONE ? -1 : t->partitions;
    pthread_mutex_unlock(&m->mutex);
    return there;
}
