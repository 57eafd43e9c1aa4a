/*
 * A processor as a whole: waits for its inputs, makes its topics, joins its group, and has a task
 * for each partition number that is its own.
 */
#include "core/check.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/mem.h"
#include "proc/proc_int.h"

#include <stdio.h>
#include <string.h>

#ifdef LEAT_DEBUG
struct proc_faults proc_faults;
#endif

static void advance(struct proc *p);

struct proc_task *proc_task_of(struct proc *p, int32_t partition)
{
    LIST_FOR_EACH (l, tmp, &p->tasks) {
        struct proc_task *t = CONTAINER_OF(l, struct proc_task, link);
        if (t->partition == partition) {
            return t;
        }
    }
    return NULL;
}

/* ---- Who has what -------------------------------------------------------------------------- */

static struct proc_input *input_of(struct proc_task *t, struct str topic)
{
    for (size_t i = 0; t != NULL && i < t->input_count; i++) {
        if (str_eq(t->inputs[i].topic, topic)) {
            return &t->inputs[i];
        }
    }
    return NULL;
}

static void assigned(void *ctx, struct str topic, int32_t partition, int64_t committed,
                     uint64_t epoch)
{
    struct proc *p = ctx;
    struct proc_task *t = proc_task_of(p, partition);
    struct proc_input *in = input_of(t, topic);
    if (t != NULL && (in == NULL || in->assigned || t->fenced || t->phase != PROC_PHASE_BARRIER)) {
        proc_task_drop(t, ERR_FENCED); /* it was another life of it */
        t = NULL;
    }
    t = t == NULL ? proc_task_make(p, partition) : t;
    in = input_of(t, topic);
    if (in == NULL) {
        p->missed = true; /* no memory: proc_tick leaves and joins again */
        return;
    }
    in->assigned = true;
    in->committed = committed;
    t->epoch = epoch > t->epoch ? epoch : t->epoch;
    struct engine_topic state;
    if (!engine_topic_get(p->engine, p->state_topic, &state) ||
        partition >= state.partition_count) {
        (void)ectx_fail(&t->ec, ERR_INVALID_PARTITIONS,
                        "'%.*s' has a partition %d, '%.*s' has %d: keys have moved between "
                        "partitions, their state has not",
                        STR(topic), (int)partition, STR(p->state_topic),
                        (int)state.partition_count);
        ectx_hint(&t->ec, "copy the input to a topic of its own, or start a new processor");
        t->waiting = t->grown = true;
        return;
    }
    proc_task_run(t);
}

static void revoked(void *ctx, struct str topic, int32_t partition)
{
    struct proc *p = ctx;
    struct proc_task *t = proc_task_of(p, partition);
    if (input_of(t, topic) == NULL) {
        return;
    }
    /* What else of it is ours stays assigned: a new life of the task waits for the rest. */
    struct proc_task *next = proc_task_make(p, partition);
    for (size_t i = 0; next != NULL && i < next->input_count; i++) {
        struct proc_input *was = input_of(t, next->inputs[i].topic);
        if (was != NULL && !str_eq(was->topic, topic)) {
            next->inputs[i].assigned = was->assigned;
            next->inputs[i].committed = was->committed;
            next->kept |= was->assigned;
        }
    }
    p->missed = p->missed || next == NULL;
    proc_task_drop(t, ERR_FENCED);
    if (next != NULL && !next->kept) {
        proc_task_drop(next, ERR_FENCED);
    }
}

/* ---- Getting there ------------------------------------------------------------------------- */

static void come_back(struct proc *p, enum err e)
{
    p->ec.code = e;
    p->retry_at_ns = env_mono_ns(p->env) + PROC_RETRY_LAST_NS;
}

static int32_t partitions_wanted(struct proc *p)
{
    int32_t most = 0;
    for (size_t i = 0; i < p->spec.topic_count; i++) {
        struct engine_topic t;
        if (!engine_topic_get(p->engine, p->topics[i], &t)) {
            (void)ectx_fail(&p->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION,
                            "the input topic '%.*s' is not there yet", STR(p->topics[i]));
            return 0;
        }
        most = t.partition_count > most ? t.partition_count : most;
    }
    return most;
}

static void topic_made(struct engine_ensure *en)
{
    struct proc *p = en->ctx;
    p->making--;
    if (p->life == PROC_LIFE_STOPPED) {
        return;
    }
    if (en->err != ERR_OK) {
        p->ec = en->ec;
        come_back(p, en->err);
        p->life = PROC_LIFE_INPUTS;
        return;
    }
    if (p->making == 0 && p->life == PROC_LIFE_TOPICS) {
        p->life = PROC_LIFE_JOIN;
        advance(p);
    }
}

static void make_topics(struct proc *p, int32_t partitions)
{
    /* They keep everything: what is in them is state. Compaction follows when the log has it. A
     * record may be larger than that of the input which it holds. */
    static const struct engine_setting settings[] = {
        {"retention.ms", "-1"}, {"retention.bytes", "-1"}, {"max.message.bytes", "16777216"}};
    const struct str names[2] = {p->state_topic, p->parked_topic};
    p->life = PROC_LIFE_TOPICS;
    p->making = 2;
    for (size_t i = 0; i < 2; i++) {
        p->made[i] = (struct engine_ensure){.name = names[i],
                                            .partitions = partitions,
                                            .settings = settings,
                                            .setting_count = ARRAY_LEN(settings),
                                            .done = topic_made,
                                            .ctx = p};
        engine_topic_ensure(p->engine, &p->made[i]);
    }
}

static void join(struct proc *p)
{
    const struct engine_member_spec spec = {.group = p->group,
                                            .topics = p->topics,
                                            .topic_count = p->spec.topic_count,
                                            .ctx = p,
                                            .assigned = assigned,
                                            .revoked = revoked};
    p->life = PROC_LIFE_RUN; /* it may be told at once */
    enum err e = engine_join(p->engine, &spec, &p->member, &p->ec);
    if (e != ERR_OK) {
        p->member = NULL;
        p->life = PROC_LIFE_JOIN;
        come_back(p, e);
        return;
    }
    LOG_INFO("processor.joined", KV_STR("processor", p->spec.name), KV_STR("group", p->group));
    LIST_FOR_EACH (l, tmp, &p->tasks) { /* told before `member` was known */
        proc_task_run(CONTAINER_OF(l, struct proc_task, link));
    }
}

static void advance(struct proc *p)
{
    if (p->life == PROC_LIFE_INPUTS && p->making == 0) {
        const int32_t partitions = partitions_wanted(p);
        if (partitions == 0) {
            return; /* the watch tells when it comes */
        }
        make_topics(p, partitions);
    } else if (p->life == PROC_LIFE_JOIN) {
        join(p);
    }
}

static void topics_changed(struct engine_topic_watch *w, struct str topic, bool gone)
{
    struct proc *p = CONTAINER_OF(w, struct proc, watch);
    (void)topic;
    (void)gone;
    if (p->life == PROC_LIFE_INPUTS && p->retry_at_ns == 0) {
        advance(p);
    }
}

/* ---- Life ---------------------------------------------------------------------------------- */

static bool name_is_good(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-')) {
            return false;
        }
    }
    return s.n > 0 && s.n <= PROC_NAME_MAX;
}

static enum err check_spec(const struct proc_spec *spec, struct ectx *ec)
{
    if (!name_is_good(spec->name)) {
        return ectx_fail(ec, ERR_CONFIG,
                         "'%.*s' is no name for a processor: a-z, 0-9, '.', '_' and '-', at most "
                         "%u of them",
                         STR(spec->name), PROC_NAME_MAX);
    }
    if (spec->topic_count == 0 || spec->topic_count > PROC_TOPICS_MAX || spec->step == NULL) {
        return ectx_fail(ec, ERR_CONFIG, "the processor '%.*s' needs a step and 1 to %u inputs",
                         STR(spec->name), PROC_TOPICS_MAX);
    }
    for (size_t i = 0; i < spec->topic_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (str_eq(spec->topics[i], spec->topics[k])) {
                return ectx_fail(ec, ERR_CONFIG, "the processor '%.*s' has the input '%.*s' twice",
                                 STR(spec->name), STR(spec->topics[i]));
            }
        }
    }
    return ERR_OK;
}

static struct str keep(struct proc *p, struct str before, struct str s, struct str after)
{
    char *at = p->names + p->names_used;
    struct str out = str_make(at, before.n + s.n + after.n);
    memcpy(at, before.p, before.n);
    memcpy(at + before.n, s.p, s.n);
    memcpy(at + before.n + s.n, after.p, after.n);
    p->names_used += out.n;
    return out;
}

static bool copy_names(struct proc *p, const struct proc_spec *spec)
{
    size_t n = spec->name.n * 4 + 64;
    for (size_t i = 0; i < spec->topic_count; i++) {
        n += spec->topics[i].n;
    }
    p->names = mem_alloc(n);
    if (p->names == NULL) {
        return false;
    }
    const struct str none = STR_LIT("");
    p->spec.name = keep(p, none, spec->name, none);
    p->group = keep(p, STR_LIT("leat-"), spec->name, none);
    p->state_topic = keep(p, STR_LIT("__leat_"), spec->name, STR_LIT("-state"));
    p->parked_topic = keep(p, STR_LIT("__leat_"), spec->name, STR_LIT("-parked"));
    for (size_t i = 0; i < spec->topic_count; i++) {
        p->topics[i] = keep(p, none, spec->topics[i], none);
    }
    p->spec.topics = p->topics;
    (void)snprintf(p->labels, sizeof(p->labels), "processor=\"%.*s\"", STR(spec->name));
    return true;
}

enum err proc_create(struct engine *e, struct metrics *metrics, const struct proc_spec *spec,
                     struct proc **out, struct ectx *ec)
{
    enum err err = check_spec(spec, ec);
    if (err == ERR_OK) {
        char who[PROC_NAME_MAX + 20];
        (void)snprintf(who, sizeof(who), "the processor '%.*s'", STR(spec->name));
        err = engine_require(e, spec->capabilities, who, ec);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct proc *p = mem_new(struct proc);
    if (p == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a processor");
    }
    p->engine = e;
    p->env = engine_env(e);
    p->spec = *spec;
    p->spec.batch_steps = spec->batch_steps == 0 ? PROC_BATCH_STEPS : spec->batch_steps;
    p->spec.waiting_max = spec->waiting_max == 0 ? PROC_WAITING_MAX : spec->waiting_max;
    p->spec.parked_max = spec->parked_max == 0 ? PROC_PARKED_MAX : spec->parked_max;
    p->spec.state_bytes_max = spec->state_bytes_max == 0 ? PROC_STATE_BYTES : spec->state_bytes_max;
    list_init(&p->tasks);
    list_init(&p->batches);
    list_init(&p->seeks);
    if (!copy_names(p, spec)) {
        mem_free(p);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a processor");
    }
    p->metrics = metrics;
    proc_metrics_make(p);
    p->watch.changed = topics_changed;
    engine_topic_watch(e, &p->watch);
    p->rate_at_ns = env_mono_ns(p->env);
    *out = p;
    advance(p);
    return ERR_OK;
}

/* A task could not be made for lack of memory: leave, and be given all anew. */
static void join_again(struct proc *p)
{
    p->missed = false;
    while (!list_empty(&p->tasks)) {
        proc_task_drop(CONTAINER_OF(p->tasks.next, struct proc_task, link), ERR_FENCED);
    }
    engine_leave(p->engine, p->member);
    p->member = NULL;
    p->life = PROC_LIFE_JOIN;
    (void)ectx_fail(&p->ec, ERR_NO_MEMORY, "no memory for a partition");
    come_back(p, ERR_NO_MEMORY);
}

void proc_tick(struct proc *p)
{
    if (p->life == PROC_LIFE_STOPPED) {
        return;
    }
    const uint64_t now = env_mono_ns(p->env);
    if (p->missed && p->member != NULL) {
        join_again(p);
    }
    if (p->life != PROC_LIFE_RUN) {
        if (p->retry_at_ns == 0 || now >= p->retry_at_ns) {
            p->retry_at_ns = 0;
            advance(p);
        }
        return;
    }
    proc_metrics_tick(p, now);
    /* A turn may end tasks by what it calls: the list is walked by partition. */
    for (int64_t at = -1;;) {
        struct proc_task *next = NULL;
        LIST_FOR_EACH (l, tmp, &p->tasks) {
            struct proc_task *t = CONTAINER_OF(l, struct proc_task, link);
            if (t->partition > at && (next == NULL || t->partition < next->partition)) {
                next = t;
            }
        }
        if (next == NULL) {
            return;
        }
        at = next->partition;
        if (proc_task_due_ns(next) <= now) {
            proc_task_run(next);
        }
    }
}

uint64_t proc_due_ns(const struct proc *p)
{
    if (p->life == PROC_LIFE_STOPPED) {
        return UINT64_MAX;
    }
    uint64_t due = p->missed && p->member != NULL ? 0 : UINT64_MAX;
    if (p->life != PROC_LIFE_RUN && p->retry_at_ns != 0) {
        due = p->retry_at_ns;
    }
    LIST_FOR_EACH (l, tmp, &p->tasks) {
        const uint64_t at = proc_task_due_ns(CONTAINER_OF(l, struct proc_task, link));
        due = at < due ? at : due;
    }
    return due;
}

void proc_stop(struct proc *p)
{
    if (p->life == PROC_LIFE_STOPPED) {
        return;
    }
    p->life = PROC_LIFE_STOPPED;
    engine_topic_unwatch(p->engine, &p->watch);
    while (!list_empty(&p->tasks)) {
        proc_task_drop(CONTAINER_OF(p->tasks.next, struct proc_task, link), ERR_STOPPED);
    }
    if (p->member != NULL) {
        engine_leave(p->engine, p->member);
        p->member = NULL;
    }
    proc_metrics_remove(p);
}

bool proc_idle(const struct proc *p)
{
    return p->making == 0 && list_empty(&p->batches) && list_empty(&p->seeks);
}

void proc_destroy(struct proc *p)
{
    if (p == NULL) {
        return;
    }
    CHECK(p->life == PROC_LIFE_STOPPED);
    LIST_FOR_EACH (l, tmp, &p->batches) { /* their engine is gone */
        proc_batch_drop(CONTAINER_OF(l, struct proc_batch, link));
    }
    LIST_FOR_EACH (l, tmp, &p->seeks) {
        mem_free(CONTAINER_OF(l, struct proc_seek, link));
    }
    mem_free(p->names);
    mem_free(p);
}
