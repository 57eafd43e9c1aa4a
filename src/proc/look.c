/* What can be seen of a processor: status, parked keys, a key's state, metrics. */
#include "core/mem.h"
#include "proc/proc_int.h"

#include <string.h>

const char *proc_task_state_name(enum proc_task_state s)
{
    static const char *const names[] = {
        [PROC_TASK_RESTORING] = "restoring", [PROC_TASK_RUNNING] = "running",
        [PROC_TASK_PAUSED] = "paused",       [PROC_TASK_WAITING] = "waiting",
        [PROC_TASK_BLOCKED] = "blocked",     [PROC_TASK_FENCED] = "fenced"};
    return names[s];
}

static enum proc_task_state state_of(const struct proc_task *t)
{
    return t->fenced                        ? PROC_TASK_FENCED
           : t->blocked                     ? PROC_TASK_BLOCKED
           : t->waiting                     ? PROC_TASK_WAITING
           : t->phase <= PROC_PHASE_RESTORE ? PROC_TASK_RESTORING
           : t->paused                      ? PROC_TASK_PAUSED
                                            : PROC_TASK_RUNNING;
}

static void task_status(const struct proc_task *t, struct proc_task_status *out)
{
    *out = (struct proc_task_status){.partition = t->partition,
                                     .state = state_of(t),
                                     .epoch = t->epoch,
                                     .keys = t->key_count,
                                     .state_bytes = t->state_bytes,
                                     .timers = t->timer_count,
                                     .parked_keys = t->parked_keys,
                                     .parked_events = t->parked_events};
    if (t->waiting || t->blocked) {
        out->ec = t->ec;
    }
    const int64_t now = env_wall_ms(t->p->env);
    for (size_t i = 0; i < t->input_count; i++) {
        const struct proc_input *in = &t->inputs[i];
        int64_t start = 0, end = 0;
        if (in->next == -1 ||
            engine_bounds(t->p->engine, in->topic, t->partition, &start, &end) != ERR_OK) {
            continue;
        }
        out->next_offset += in->next;
        out->end_offset += end > in->next ? end : in->next;
        const int64_t age = in->last_ms == 0 ? 0 : now - in->last_ms;
        out->lag_ms = end > in->next && age > out->lag_ms ? age : out->lag_ms;
    }
}

enum err proc_status(struct proc *p, struct arena *a, struct proc_status *out)
{
    static const char *const phases[] = {[PROC_LIFE_INPUTS] = "waiting for its inputs",
                                         [PROC_LIFE_TOPICS] = "making its topics",
                                         [PROC_LIFE_JOIN] = "joining its group",
                                         [PROC_LIFE_RUN] = "running",
                                         [PROC_LIFE_STOPPED] = "stopped"};
    *out = (struct proc_status){.name = p->spec.name,
                                .phase = phases[p->life],
                                .steps = p->n.steps,
                                .timers_fired = p->n.timers_fired,
                                .outputs = p->n.outputs,
                                .commits = p->commits,
                                .aborts = p->aborts,
                                .skipped = p->n.skipped,
                                .lost = p->lost,
                                .steps_per_second = p->rate};
    if (p->life != PROC_LIFE_RUN) {
        out->ec = p->ec;
    }
    size_t n = 0;
    LIST_FOR_EACH (l, tmp, &p->tasks) {
        n++;
    }
    out->tasks = arena_new_n(a, struct proc_task_status, n + 1);
    if (out->tasks == NULL) {
        return ERR_NO_MEMORY;
    }
    LIST_FOR_EACH (l, tmp, &p->tasks) {
        task_status(CONTAINER_OF(l, struct proc_task, link), &out->tasks[out->task_count++]);
    }
    return ERR_OK;
}

static bool parked_row(const struct proc_task *t, const struct proc_entry *en, struct arena *a,
                       struct proc_parked_key *out)
{
    struct proc_value v;
    uint64_t generation;
    if (proc_value_decode(str_make(en->blob, en->blob_bytes), a, &v, &generation, NULL) != ERR_OK) {
        return false;
    }
    *out = (struct proc_parked_key){.partition = t->partition,
                                    .key = arena_str(a, en->key),
                                    .why = v.fate == PROC_STOPPED ? PROC_STOP_KEY : PROC_PARK_KEY,
                                    .resuming = v.resuming,
                                    .events = v.parked_count,
                                    .first_offset = v.parked_from,
                                    .error = arena_str(a, v.error)};
    return !str_is_null(out->key) && (str_is_null(v.error) || !str_is_null(out->error));
}

struct proc_parked_key *proc_parked(struct proc *p, struct arena *a, size_t max, size_t *count,
                                    bool *more)
{
    size_t all = 0;
    LIST_FOR_EACH (l, tmp, &p->tasks) {
        all += CONTAINER_OF(l, struct proc_task, link)->parked_keys;
    }
    *count = 0;
    *more = all > max;
    const size_t room = *more ? max : all;
    struct proc_parked_key *rows = arena_new_n(a, struct proc_parked_key, room + 1);
    LIST_FOR_EACH (l, tmp, &p->tasks) {
        const struct proc_task *t = CONTAINER_OF(l, struct proc_task, link);
        struct map_iter it = {0};
        while (rows != NULL && *count < room && t->parked_keys > 0 && map_next(&t->entries, &it)) {
            const struct proc_entry *en = it.value;
            if (en->fate == PROC_LIVE || en->blob == NULL) {
                continue;
            }
            if (!parked_row(t, en, a, &rows[*count])) {
                return NULL;
            }
            (*count)++;
        }
    }
    return rows;
}

enum err proc_look(struct proc *p, int32_t partition, struct str key, struct arena *a,
                   struct str *value)
{
    const struct proc_task *t = proc_task_of(p, partition);
    const struct proc_entry *en = t == NULL ? NULL : proc_entry_get(t, key);
    struct proc_value v;
    uint64_t generation;
    if (en == NULL || en->blob == NULL) {
        return ERR_NOT_FOUND;
    }
    enum err e = proc_value_decode(str_make(en->blob, en->blob_bytes), a, &v, &generation, NULL);
    if (e != ERR_OK || str_is_null(v.state)) {
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    }
    const struct str copy = arena_str(a, v.state);
    if (str_is_null(copy)) {
        return ERR_NO_MEMORY;
    }
    *value = copy;
    return ERR_OK;
}

/* ---- Metrics ------------------------------------------------------------------------------- */

/* X(field, kind, name, help) */
#define METRICS(X)                                                                                 \
    X(steps, counter, "leat_processor_steps_total", "Steps whose effects are in the log")          \
    X(timers, counter, "leat_processor_timers_fired_total", "Steps that a timer caused")           \
    X(outputs, counter, "leat_processor_outputs_total", "Records that steps have emitted")         \
    X(commits, counter, "leat_processor_commits_total", "Batches of steps that were committed")    \
    X(aborts, counter, "leat_processor_aborts_total", "Batches that were executed again")          \
    X(skipped, counter, "leat_processor_skipped_total", "Events left out after an error")          \
    X(lost, counter, "leat_processor_lost_total",                                                  \
      "Offsets of the input that were deleted before they were read")                              \
    X(lag, gauge, "leat_processor_lag_records", "Offsets between its position and the end")        \
    X(lag_seconds, gauge, "leat_processor_lag_seconds",                                            \
      "Age of what was executed last while more is there")                                         \
    X(parked, gauge, "leat_processor_parked_events", "Events of keys that were stopped or parked") \
    X(parked_keys, gauge, "leat_processor_parked_keys", "Keys that were stopped or parked")        \
    X(keys, gauge, "leat_processor_keys", "Keys with state, timers or parked events")              \
    X(state_bytes, gauge, "leat_processor_state_bytes", "Memory of the state")                     \
    X(tasks, gauge, "leat_processor_tasks", "Partitions that this process has")

void proc_metrics_make(struct proc *p)
{
#define MAKE(field, kind, name, help) \
    p->m.field = metrics_##kind(p->metrics, name, help, p->labels);
    METRICS(MAKE)
#undef MAKE
}

void proc_metrics_remove(struct proc *p)
{
#define REMOVE(field, kind, name, help) metrics_remove(p->metrics, name, p->labels);
    METRICS(REMOVE)
#undef REMOVE
    memset(&p->m, 0, sizeof(p->m));
}

void proc_metrics_tick(struct proc *p, uint64_t now_ns)
{
    const uint64_t since = now_ns - p->rate_at_ns;
    if (since < 1000000000u) {
        return;
    }
    const double rate = (double)(p->n.steps - p->rate_steps) * 1e9 / (double)since;
    p->rate = p->rate == 0 ? rate : p->rate * 0.7 + rate * 0.3;
    p->rate_at_ns = now_ns;
    p->rate_steps = p->n.steps;
    uint64_t parked = 0, parked_keys = 0, keys = 0, tasks = 0;
    int64_t lag = 0, lag_ms = 0;
    LIST_FOR_EACH (l, tmp, &p->tasks) {
        struct proc_task_status s;
        task_status(CONTAINER_OF(l, struct proc_task, link), &s);
        lag += s.end_offset - s.next_offset;
        lag_ms = s.lag_ms > lag_ms ? s.lag_ms : lag_ms;
        parked += s.parked_events;
        parked_keys += s.parked_keys;
        keys += s.keys;
        tasks++;
    }
    metric_set(p->m.lag, (double)lag);
    metric_set(p->m.lag_seconds, (double)lag_ms / 1000);
    metric_set(p->m.parked, (double)parked);
    metric_set(p->m.parked_keys, (double)parked_keys);
    metric_set(p->m.keys, (double)keys);
    metric_set(p->m.state_bytes, (double)p->state_bytes);
    metric_set(p->m.tasks, (double)tasks);
}
