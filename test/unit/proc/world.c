/* See world.h. */
#include "world.h"

#include "engine/worst_int.h"
#include "record/record.h"

uint64_t world_seed;

void world_init(struct procs *w, enum engine_is is)
{
    struct worst_config cfg;
    if (is == LEATS_OWN) {
        procs_init_embedded(w, 3);
        return;
    }
    world_config(&cfg, is);
    procs_init(w, cfg.seed, &cfg);
}

void world_config(struct worst_config *cfg, enum engine_is is)
{
    is == AT_ITS_WORST ? worst_config_bad(cfg, world_seed) : worst_config_good(cfg, 3);
}

void start(struct procs *w)
{
    assert_int_equal(procs_up(w, 0), ERR_OK);
    procs_run(w, 100);
}

void say_some(struct procs *w, uint64_t *rng, size_t n)
{
    char key[8], command[40];
    for (size_t i = 0; i < n; i++) {
        *rng = *rng * 6364136223846793005u + 1442695040888963407u;
        const unsigned x = (unsigned)(*rng >> 33);
        (void)snprintf(key, sizeof(key), "k%u", x % PROCS_KEYS);
        if (x / 8 % 8 == 0) {
            (void)snprintf(command, sizeof(command), "timer t%u %u", x / 64 % 3, x / 256 % 900);
        } else if (x / 8 % 16 == 1) {
            (void)snprintf(command, sizeof(command), "cancel t%u", x / 64 % 3);
        } else {
            (void)snprintf(command, sizeof(command), "add %u", x / 64 % 1000);
        }
        procs_say(w, key, command);
    }
}

void settled(struct procs *w)
{
    char why[300] = "";
    if (!procs_settle(w, 600000)) {
        (void)procs_check(w, true, why, sizeof(why));
        fail_msg("it did not settle: %s", why);
    }
}

static void call_done(struct proc_call *c)
{
    *(bool *)c->ctx = true;
}

static bool has_all(struct procs *w)
{
    return procs_status(w).task_count == PROCS_PARTS && task(w, 0).state != PROC_TASK_FENCED &&
           task(w, 1).state != PROC_TASK_FENCED && task(w, 2).state != PROC_TASK_FENCED;
}

enum err call(struct procs *w, struct proc_call *c)
{
    bool done = false;
    const struct worst_config was = w->log == NULL ? (struct worst_config){0} : w->log->cfg;
    struct worst_config quiet = was;
    quiet.rebalance_in = 0;
    if (was.rebalance_in != 0) {
        worst_log_set(w->log, &quiet);
        procs_run(w, 5000); /* what has begun ends */
        UNTIL(w, has_all(w));
    }
    c->done = call_done;
    c->ctx = &done;
    proc_call(w->nodes[0].proc, c);
    for (int i = 0; i < 100000 && !done; i++) {
        (void)procs_step(w, env_mono_ns(w->env) + 100000000);
    }
    assert_true(done);
    if (was.rebalance_in != 0) {
        worst_log_set(w->log, &was);
    }
    return c->err;
}

enum err control(struct procs *w, enum proc_call_kind kind, const char *key)
{
    struct proc_call c = {.kind = kind, .partition = -1, .key = str_of(key)};
    return call(w, &c);
}

struct proc_task_status task(struct procs *w, int32_t partition)
{
    struct arena a;
    struct proc_status s;
    struct proc_task_status out = {.partition = -1};
    arena_init(&a, 1 << 20);
    assert_int_equal(proc_status(w->nodes[0].proc, &a, &s), ERR_OK);
    for (size_t i = 0; i < s.task_count; i++) {
        if (s.tasks[i].partition == partition) {
            out = s.tasks[i];
        }
    }
    arena_deinit(&a);
    return out;
}

struct joined {
    char *at;
    size_t left;
};

static void join(void *ctx, const struct record *r)
{
    struct joined *j = ctx;
    const int n = snprintf(j->at, j->left, "%.*s,", STR(r->value));
    assert_true(n >= 0 && (size_t)n < j->left);
    j->at += n;
    j->left -= (size_t)n;
}

const char *values(struct procs *w, const char *topic)
{
    static char text[8192];
    struct joined j = {text, sizeof(text)};
    text[0] = '\0';
    for (int32_t n = 0; n < PROCS_PARTS; n++) {
        procs_each(w, topic, n, join, &j);
    }
    return text;
}

void until_values(struct procs *w, const char *topic, const char *want)
{
    const uint64_t until = env_mono_ns(w->env) + 600000000000u;
    while (strcmp(values(w, topic), want) != 0) {
        if (!procs_step(w, until)) {
            assert_string_equal(values(w, topic), want);
        }
    }
    procs_run(w, 1000);
    assert_string_equal(values(w, topic), want);
}

const char *key_in(int32_t n, int from)
{
    static char keys[8][8];
    static int next;
    char *key = keys[next++ % 8];
    for (int i = from;; i++) {
        (void)snprintf(key, 8, "k%d", i);
        if (procs_partition(key) == n) {
            return key;
        }
    }
}
