/* See procs.h: the processor and its processes. */
#include "procs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/hash.h"
#include "core/log.h"
#include "proc/proc_int.h"
#include "worst_int.h"

static const struct str input = {"in", 2};

int32_t procs_partition(const char *key)
{
    return (int32_t)((hash_murmur2(key, strlen(key)) & 0x7fffffffu) % PROCS_PARTS);
}

/* ---- The service --------------------------------------------------------------------------- */

static enum err emit(struct proc_step *s, const char *topic, struct str key, struct str value,
                     struct ectx *ec)
{
    const struct engine_record r = {.key = key, .value = value, .timestamp_ms = 1};
    return proc_emit(s, str_of(topic), -1, &r, ec);
}

static enum err on_timer(struct procs *w, struct proc_step *s, const struct proc_event *ev,
                         unsigned long long *fired, struct ectx *ec)
{
    char text[96];
    const int n =
        snprintf(text, sizeof(text), "%.*s %lld", STR(ev->timer), (long long)ev->timestamp_ms);
    if (ev->timestamp_ms > env_wall_ms(w->env)) {
        return ectx_fail(ec, ERR_INVALID_REQUEST, "a timer fired too early");
    }
    (*fired)++;
    return emit(s, "fired", ev->key, str_make(text, (size_t)n), ec);
}

static enum err on_command(struct procs *w, struct proc_step *s, const struct proc_event *ev,
                           unsigned long long *count, long long *sum, bool *gone, struct ectx *ec)
{
    char line[64], name[32] = "", text[96];
    long long n = 0, d = 0;
    enum err e = ERR_OK;
    (void)snprintf(line, sizeof(line), "%.*s", STR(ev->value));
    if (sscanf(line, "add %lld", &n) == 1) {
        (*count)++;
        *sum += w->real_time ? (long long)(env_mono_ns(w->env) % 1000) : n;
        const int k = snprintf(text, sizeof(text), "%llu %lld", *count, *sum);
        return emit(s, "out", ev->key, str_make(text, (size_t)k), ec);
    }
    if (sscanf(line, "timer %31s %lld", name, &d) == 2) {
        return proc_timer_set(s, str_of(name), ev->timestamp_ms + d, ec);
    }
    if (sscanf(line, "cancel %31s", name) == 1) {
        proc_timer_cancel(s, str_of(name));
        return ERR_OK;
    }
    if (sscanf(line, "fail %lld", &n) == 1) {
        e = emit(s, "out", ev->key, STR_LIT("of a step that fails"), ec);
        return e != ERR_OK || n <= (long long)w->mended
                   ? ectx_fail(ec, ERR_INVALID_RECORD, "told to fail")
                   : e;
    }
    if (sscanf(line, "many %lld", &n) == 1) {
        for (long long i = 0; i < n && e == ERR_OK; i++) {
            e = emit(s, "many", ev->key, STR_LIT("one of many"), ec);
        }
        return e;
    }
    if (sscanf(line, "big %lld", &n) == 1) {
        char *p = calloc(1, (size_t)n + 1);
        CHECK(p != NULL);
        e = emit(s, "many", ev->key, str_make(p, (size_t)n), ec);
        free(p);
        return e;
    }
    *gone = strcmp(line, "drop") == 0;
    return *gone ? ERR_OK : ectx_fail(ec, ERR_MALFORMED, "'%s' is no command", line);
}

static enum err step(void *ctx, struct proc_step *s, const struct proc_event *ev, struct ectx *ec)
{
    struct procs *w = ctx;
    unsigned long long count = 0, fired = 0;
    long long sum = 0;
    bool gone = false;
    char text[96];
    const struct str was = proc_state(s);
    w->executed++;
    if (!str_is_null(was)) {
        (void)snprintf(text, sizeof(text), "%.*s", STR(was));
        CHECK(sscanf(text, "%llu %lld %llu", &count, &sum, &fired) == 3);
    }
    enum err e = ev->kind == PROC_TIMER ? on_timer(w, s, ev, &fired, ec)
                                        : on_command(w, s, ev, &count, &sum, &gone, ec);
    if (e == ERR_OK) {
        const int n = snprintf(text, sizeof(text), "%llu %lld %llu", count, sum, fired);
        e = proc_state_set(s, gone ? STR_NULL : str_make(text, (size_t)n), ec);
    }
    return e;
}

/* ---- Processes ----------------------------------------------------------------------------- */

static void init(struct procs *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    const struct env_sim_config sim = {.seed = seed, .write_ns = 1000, .sync_ns = 100000};
    CHECK(env_sim_create(&sim, &w->env) == ERR_OK);
    w->spec = (struct proc_spec){.name = STR_LIT("sums"),
                                 .topics = &input,
                                 .topic_count = 1,
                                 .on_error = PROC_PARK_KEY,
                                 .batch_steps = 8,
                                 .ctx = w,
                                 .step = step};
    for (size_t i = 0; i < PROCS_NODES; i++) {
        w->nodes[i].w = w;
    }
}

static void make_topics(struct procs *w)
{
    procs_topic(w, "in", PROCS_PARTS);
    procs_topic(w, "out", PROCS_PARTS);
    procs_topic(w, "fired", PROCS_PARTS);
    procs_topic(w, "many", PROCS_PARTS);
}

void procs_init(struct procs *w, uint64_t seed, const struct worst_config *cfg)
{
    init(w, seed);
    CHECK(env_poll_create(w->env, &w->poll, NULL) == ERR_OK);
    w->log = worst_log_create(w->env, cfg);
    make_topics(w);
}

void procs_init_embedded(struct procs *w, uint64_t seed)
{
    init(w, seed);
    procs_machine_make(w);
    make_topics(w);
}

void procs_topic(struct procs *w, const char *name, int32_t partitions)
{
    if (w->machine != NULL) {
        procs_machine_topic(w, name, partitions);
    } else {
        worst_topic_make(w->log, name, partitions);
    }
}

int64_t procs_produce(struct procs *w, const char *topic, int32_t partition, struct str key,
                      struct str value, int64_t timestamp_ms)
{
    return w->machine != NULL ? procs_machine_produce(w, topic, partition, key, value, timestamp_ms)
                              : worst_produce(w->log, topic, partition, key, value, timestamp_ms);
}

void procs_each(struct procs *w, const char *topic, int32_t partition,
                void (*fn)(void *ctx, const struct record *r), void *ctx)
{
    if (w->machine != NULL) {
        procs_machine_each(w, topic, partition, fn, ctx);
    } else if (worst_topic(w->log, str_of(topic)) != NULL) {
        (void)worst_each(w->log, topic, partition, fn, ctx);
    }
}

enum err procs_up(struct procs *w, size_t node)
{
    struct procs_node *n = &w->nodes[node];
    CHECK(n->proc == NULL && (w->machine == NULL || node == 0));
    n->engine = w->machine != NULL ? procs_machine_engine(w->machine)
                                   : worst_engine_create(w->log, w->poll);
    w->metrics[node] = metrics_create();
    enum err e = w->metrics[node] == NULL
                     ? ERR_NO_MEMORY
                     : proc_create(n->engine, w->metrics[node], &w->spec, &n->proc, NULL);
    if (e != ERR_OK) {
        n->proc = NULL;
        procs_kill(w, node);
    }
    return e;
}

static void node_forget(struct procs *w, size_t node)
{
    struct procs_node *n = &w->nodes[node];
    proc_destroy(n->proc);
    metrics_destroy(w->metrics[node]);
    w->metrics[node] = NULL;
    n->engine = NULL;
    n->proc = NULL;
}

void procs_kill(struct procs *w, size_t node)
{
    struct procs_node *n = &w->nodes[node];
    if (n->engine == NULL) {
        return;
    }
    if (w->machine != NULL) {
        if (n->proc != NULL) {
            proc_stop(n->proc);
        }
        w->kills++;
        procs_machine_crash(w->machine, w->kills % 2 == 0, w->kills);
        node_forget(w, node);
        return;
    }
    worst_kill(n->engine);
    if (n->proc != NULL) {
        proc_stop(n->proc);
    }
    engine_destroy(n->engine);
    node_forget(w, node);
}

void procs_stop(struct procs *w, size_t node)
{
    struct procs_node *n = &w->nodes[node];
    struct engine *e = n->engine;
    proc_stop(n->proc);
    while (!proc_idle(n->proc)) {
        (void)procs_step(w, env_mono_ns(w->env) + 1000000);
    }
    node_forget(w, node);
    if (w->machine == NULL) {
        engine_destroy(e);
    }
}

void procs_deinit(struct procs *w)
{
    for (size_t i = 0; i < PROCS_NODES; i++) {
        procs_kill(w, i);
    }
    if (w->machine != NULL) {
        procs_machine_free(w);
    } else {
        worst_log_destroy(w->log);
        env_poll_destroy(w->poll);
    }
    env_destroy(w->env);
}

bool procs_step(struct procs *w, uint64_t until_ns)
{
    uint64_t due = until_ns;
    const uint64_t now = env_mono_ns(w->env);
    for (size_t i = 0; i < PROCS_NODES; i++) {
        struct proc *p = w->nodes[i].proc;
        if (p != NULL && proc_due_ns(p) <= now) {
            proc_tick(p);
        }
        const uint64_t next = p == NULL ? UINT64_MAX : proc_due_ns(p);
        due = next < due ? next : due;
    }
    if (w->machine != NULL) {
        return procs_machine_turn(w->machine, until_ns);
    }
    due = due <= now ? now + 1000000 : due; /* what is due and does not go: some time passes */
    due = due > until_ns ? until_ns : due;
    return worst_step(w->log, due) || env_mono_ns(w->env) < until_ns;
}

void procs_run(struct procs *w, uint64_t ms)
{
    const uint64_t until = env_mono_ns(w->env) + ms * 1000000;
    while (procs_step(w, until)) {
    }
}

void procs_say(struct procs *w, const char *key, const char *command)
{
    CHECK(w->event_count < PROCS_EVENTS);
    struct procs_event *ev = &w->events[w->event_count++];
    (void)snprintf(ev->key, sizeof(ev->key), "%s", key);
    (void)snprintf(ev->command, sizeof(ev->command), "%s", command);
    ev->partition = procs_partition(key);
    ev->time_ms = env_wall_ms(w->env);
    ev->offset = procs_produce(w, "in", ev->partition, str_of(key), str_of(command), ev->time_ms);
}

static void call_done(struct proc_call *c)
{
    struct procs_node *n = c->ctx;
    n->calling = false;
    n->calls_done += c->err == ERR_OK;
}

void procs_control(struct procs *w, size_t node, enum proc_call_kind kind)
{
    struct procs_node *n = &w->nodes[node];
    if (n->proc != NULL && !n->calling) {
        n->call = (struct proc_call){
            .kind = kind, .partition = -1, .to = PROC_TO_START, .done = call_done, .ctx = n};
        n->calling = true;
        proc_call(n->proc, &n->call);
    }
}

void procs_reset(struct procs *w, uint64_t generation)
{
    for (size_t i = 0; i < PROCS_NODES; i++) {
        struct procs_node *n = &w->nodes[i];
        struct proc *p = n->proc;
        if (p == NULL || n->calling || p->life != PROC_LIFE_RUN) {
            continue;
        }
        LIST_FOR_EACH (l, tmp, &p->tasks) {
            const struct proc_task *t = CONTAINER_OF(l, struct proc_task, link);
            if (t->phase == PROC_PHASE_RUN && t->batch == NULL && !t->fenced &&
                t->generation < generation) {
                n->call = (struct proc_call){.kind = PROC_RESET,
                                             .partition = t->partition,
                                             .to = PROC_TO_START,
                                             .done = call_done,
                                             .ctx = n};
                n->calling = true;
                proc_call(p, &n->call);
                break;
            }
        }
    }
}

struct proc_status procs_status(struct procs *w)
{
    struct proc_status sum = {0};
    for (size_t i = 0; i < PROCS_NODES; i++) {
        struct arena a;
        struct proc_status s;
        arena_init(&a, 1 << 20);
        if (w->nodes[i].proc != NULL && proc_status(w->nodes[i].proc, &a, &s) == ERR_OK) {
            sum.steps += s.steps;
            sum.skipped += s.skipped;
            sum.aborts += s.aborts;
            sum.commits += s.commits;
            sum.lost += s.lost;
            sum.timers_fired += s.timers_fired;
            sum.task_count += s.task_count;
            sum.steps_per_second += s.steps_per_second;
        }
        arena_deinit(&a);
    }
    return sum;
}
