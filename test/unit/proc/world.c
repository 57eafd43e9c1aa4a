/* See world.h. */
#include "world.h"

#include "record/record.h"

void world_init(struct procs *w, bool embedded)
{
    struct worst_config cfg;
    worst_config_good(&cfg, 3);
    if (embedded) {
        procs_init_embedded(w, 3);
    } else {
        procs_init(w, 3, &cfg);
    }
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

enum err call(struct procs *w, struct proc_call *c)
{
    bool done = false;
    c->done = call_done;
    c->ctx = &done;
    proc_call(w->nodes[0].proc, c);
    for (int i = 0; i < 100000 && !done; i++) {
        (void)procs_step(w, env_mono_ns(w->env) + 100000000);
    }
    assert_true(done);
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
