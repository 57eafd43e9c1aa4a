/* Group offsets and topics: what was told about them, and the judgement. See common_model.h. */
#include "common_model_int.h"

#include <stdio.h>
#include <string.h>

/* ---- Groups -----------------------------------------------------------------------------------
 */

uint32_t model_group_add(struct model *m, const char *name)
{
    struct model_group *g = &m->groups[m->group_count];
    (void)snprintf(g->name, sizeof(g->name), "%s", name);
    return m->group_count++;
}

uint32_t model_setting_add(struct model *m, const char *topic)
{
    uint32_t group = model_group_add(m, topic);
    m->groups[group].setting = true;
    return group;
}

const char *model_group_name(const struct model *m, uint32_t group)
{
    return m->groups[group].name;
}

int64_t model_commit(struct model *m, uint32_t group)
{
    pthread_mutex_lock(&m->mutex);
    int64_t n = ++m->groups[group].sent;
    model_line(m, "commit %u %lld", group, (long long)n);
    pthread_mutex_unlock(&m->mutex);
    return n;
}

void model_committed(struct model *m, uint32_t group, int64_t number)
{
    pthread_mutex_lock(&m->mutex);
    if (!m->dark) {
        m->groups[group].acked = number;
        m->totals.settings += m->groups[group].setting;
        m->totals.commits += !m->groups[group].setting;
    }
    model_line(m, "committed %u %lld", group, (long long)number);
    pthread_mutex_unlock(&m->mutex);
}

void model_commit_read(struct model *m, uint32_t group, bool first, int64_t offset,
                       struct str metadata)
{
    pthread_mutex_lock(&m->mutex);
    struct model_group *g = &m->groups[group];
    int64_t found = offset < 0 ? 0 : offset;
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)found);
    if (found < g->acked) {
        model_violation_locked(m, g->setting ? MODEL_CONFIG_BACK : MODEL_COMMIT_BACK,
                               "%s: %lld was acknowledged, it has %lld", g->name,
                               (long long)g->acked, (long long)found);
    } else if (found > g->sent) {
        model_violation_locked(m, g->setting ? MODEL_CONFIG_INVENTED : MODEL_COMMIT_INVENTED,
                               "%s: it has %lld, at most %lld was sent", g->name, (long long)found,
                               (long long)g->sent);
    } else if (found > 0 && !str_eq_z(metadata, text)) {
        model_violation_locked(m, MODEL_COMMIT_TORN, "%s: offset %lld has metadata '%.*s'", g->name,
                               (long long)found, STR(metadata));
    }
    if (first) {
        g->first_read = found;
    } else if (found != g->first_read) {
        model_violation_locked(m, MODEL_COMMIT_TORN,
                               "group %s: partitions of one commit have %lld and %lld", g->name,
                               (long long)g->first_read, (long long)found);
    }
    pthread_mutex_unlock(&m->mutex);
}

/* ---- Topics -----------------------------------------------------------------------------------
 */

uint32_t model_topic_create(struct model *m, const char *name, int32_t partitions)
{
    pthread_mutex_lock(&m->mutex);
    uint32_t topic = UINT32_MAX;
    if (m->topic_count < MODEL_TOPICS) {
        topic = m->topic_count++;
        struct model_topic *t = &m->topics[topic];
        (void)snprintf(t->name, sizeof(t->name), "%s", name);
        t->partitions = t->partitions_asked = partitions;
        t->state = TOPIC_UNKNOWN;
        model_line(m, "create %u %s %d", topic, name, partitions);
    }
    pthread_mutex_unlock(&m->mutex);
    return topic;
}

static void topic_set(struct model *m, uint32_t topic, enum topic_state state, const char *what)
{
    pthread_mutex_lock(&m->mutex);
    if (!m->dark || state == TOPIC_DELETING) {
        m->topics[topic].state = state;
    }
    model_line(m, "%s %u", what, topic);
    pthread_mutex_unlock(&m->mutex);
}

void model_topic_created(struct model *m, uint32_t topic, struct uuid id)
{
    pthread_mutex_lock(&m->mutex);
    struct model_topic *t = &m->topics[topic];
    if (m->dark) {
        pthread_mutex_unlock(&m->mutex);
        return;
    }
    for (uint32_t i = 0; i < m->topic_count; i++) {
        if (i != topic && m->topics[i].has_id && uuid_eq(m->topics[i].id, id)) {
            model_violation_locked(m, MODEL_TOPIC_CHANGED, "%s has the id of %s", t->name,
                                   m->topics[i].name);
        }
    }
    t->state = TOPIC_THERE;
    t->id = id;
    t->has_id = true;
    m->totals.topics++;
    model_line(m, "created %u", topic);
    pthread_mutex_unlock(&m->mutex);
}

void model_topic_refused(struct model *m, uint32_t topic, int16_t code)
{
    (void)code;
    topic_set(m, topic, TOPIC_GONE, "create-refused");
}

void model_topic_delete(struct model *m, uint32_t topic)
{
    topic_set(m, topic, TOPIC_DELETING, "delete");
}

void model_topic_deleted(struct model *m, uint32_t topic)
{
    topic_set(m, topic, TOPIC_GONE, "deleted");
}

int32_t model_topic_grow(struct model *m, uint32_t topic)
{
    pthread_mutex_lock(&m->mutex);
    struct model_topic *t = &m->topics[topic];
    int32_t partitions = t->partitions_asked = t->partitions + 1;
    model_line(m, "grow %u %d", topic, partitions);
    pthread_mutex_unlock(&m->mutex);
    return partitions;
}

void model_topic_grown(struct model *m, uint32_t topic, int32_t partitions)
{
    pthread_mutex_lock(&m->mutex);
    if (!m->dark) {
        m->topics[topic].partitions = partitions;
        m->totals.grown++;
    }
    model_line(m, "grown %u %d", topic, partitions);
    pthread_mutex_unlock(&m->mutex);
}

uint32_t model_topic_pick(struct model *m, uint64_t salt)
{
    pthread_mutex_lock(&m->mutex);
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < m->topic_count && found == UINT32_MAX; i++) {
        uint32_t at = (uint32_t)((salt + i) % m->topic_count);
        /* Topics that the load writes to have names of their own and stay. */
        if (m->topics[at].state == TOPIC_THERE && strncmp(m->topics[at].name, "made-", 5) == 0) {
            found = at;
        }
    }
    pthread_mutex_unlock(&m->mutex);
    return found;
}

const char *model_topic_name(const struct model *m, uint32_t topic)
{
    return m->topics[topic].name;
}

void model_topics_begin(struct model *m)
{
    pthread_mutex_lock(&m->mutex);
    for (uint32_t i = 0; i < m->topic_count; i++) {
        m->topics[i].found = false;
    }
    pthread_mutex_unlock(&m->mutex);
}

void model_topics_read(struct model *m, struct str name, struct uuid id, int32_t partitions)
{
    pthread_mutex_lock(&m->mutex);
    /* The newest of that name: a deleted one's name may be used again. */
    struct model_topic *t = NULL;
    for (uint32_t i = m->topic_count; i > 0 && t == NULL; i--) {
        t = str_eq_z(name, m->topics[i - 1].name) ? &m->topics[i - 1] : NULL;
    }
    if (t == NULL) {
        model_violation_locked(m, MODEL_TOPIC_INVENTED, "%.*s", STR(name));
    } else if (t->state == TOPIC_GONE) {
        model_violation_locked(m, MODEL_TOPIC_RETURNED, "%s", t->name);
    } else if ((t->partitions != partitions && t->partitions_asked != partitions) ||
               (t->has_id && !uuid_eq(t->id, id))) {
        model_violation_locked(m, MODEL_TOPIC_CHANGED, "%s has %d partitions, was made with %d%s",
                               t->name, partitions, t->partitions,
                               t->has_id && !uuid_eq(t->id, id) ? ", and another id" : "");
    }
    if (t != NULL) {
        t->found = true;
        t->partitions = t->partitions_asked = partitions; /* known now, for ever */
        t->id = id;
        t->has_id = true;
    }
    pthread_mutex_unlock(&m->mutex);
}

void model_topics_end(struct model *m)
{
    pthread_mutex_lock(&m->mutex);
    for (uint32_t i = 0; i < m->topic_count; i++) {
        struct model_topic *t = &m->topics[i];
        if (t->state == TOPIC_THERE && !t->found) {
            model_violation_locked(m, MODEL_TOPIC_LOST, "%s", t->name);
        }
        /* What was unknown is known now, for ever. */
        if (t->state == TOPIC_UNKNOWN || t->state == TOPIC_DELETING) {
            t->state = t->found ? TOPIC_THERE : TOPIC_GONE;
        }
    }
    pthread_mutex_unlock(&m->mutex);
}
