/* See procs.h: what the processor must have done, from what was said to it. */
#include "procs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "proc/proc_int.h"
#include "record/record.h"
#include "worst_int.h"

enum { TIMERS = 16 };

struct line {
    char text[48];
};
struct timer {
    char name[32];
    int64_t due;
};
/* A key: its outputs in order, its timers in any order, its state. */
struct account {
    char key[8];
    struct line *out;
    size_t out_count;
    struct line *fired; /* that may have fired */
    bool *may_not;      /* ... or not: replaced or cancelled near its time */
    size_t fired_count;
    unsigned long long count;
    long long sum;
    bool exists;
    struct timer timers[TIMERS];
    size_t timer_count;
};
struct model {
    struct account accounts[64];
    size_t count;
    size_t lines; /* that an account may have of a kind */
};

static struct account *account_of(struct model *m, const char *key)
{
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->accounts[i].key, key) == 0) {
            return &m->accounts[i];
        }
    }
    CHECK(m->count < 64);
    struct account *a = &m->accounts[m->count++];
    (void)snprintf(a->key, sizeof(a->key), "%s", key);
    a->out = worst_alloc(m->lines * sizeof(*a->out));
    a->fired = worst_alloc(m->lines * sizeof(*a->fired));
    a->may_not = worst_alloc(m->lines * sizeof(*a->may_not));
    return a;
}

static void model_free(struct model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->accounts[i].out);
        free(m->accounts[i].fired);
        free(m->accounts[i].may_not);
    }
    free(m);
}

/* It was set before; whether it fires before it is replaced depends on when the steps run. */
static void timer_ends(struct account *a, size_t i, bool surely)
{
    (void)snprintf(a->fired[a->fired_count].text, sizeof(a->fired[0].text), "%.20s %lld",
                   a->timers[i].name, (long long)a->timers[i].due);
    a->may_not[a->fired_count++] = !surely;
    a->timers[i] = a->timers[--a->timer_count];
}

static void timer_set(struct account *a, const char *name, int64_t due, bool cancel)
{
    for (size_t i = 0; i < a->timer_count; i++) {
        if (strcmp(a->timers[i].name, name) == 0) {
            timer_ends(a, i, false);
            break;
        }
    }
    if (!cancel) {
        CHECK(a->timer_count < TIMERS);
        (void)snprintf(a->timers[a->timer_count].name, sizeof(a->timers[0].name), "%s", name);
        a->timers[a->timer_count++].due = due;
    }
}

static struct model *model_make(const struct procs *w)
{
    struct model *m = worst_alloc(sizeof(*m));
    m->lines = w->event_count + 1; /* an event makes at most one of each */
    for (size_t i = 0; i < w->event_count; i++) {
        const struct procs_event *ev = &w->events[i];
        struct account *a = account_of(m, i > 0 && ev->key[0] == '\0' ? w->events[0].key : ev->key);
        char name[32];
        long long n;
        if (sscanf(ev->command, "add %lld", &n) == 1) {
            a->count++;
            a->sum += n;
            (void)snprintf(a->out[a->out_count++].text, sizeof(a->out[0].text), "%llu %lld",
                           a->count, a->sum);
        } else if (sscanf(ev->command, "timer %31s %lld", name, &n) == 2) {
            timer_set(a, name, ev->time_ms + n, false);
        } else if (sscanf(ev->command, "cancel %31s", name) == 1) {
            timer_set(a, name, 0, true);
        } else if (strncmp(ev->command, "fail ", 5) == 0 && w->skip_fails) {
            continue;
        } else if (strncmp(ev->command, "fail ", 5) == 0) {
            (void)snprintf(a->out[a->out_count++].text, sizeof(a->out[0].text),
                           "of a step that fails");
        } else if (strcmp(ev->command, "reset") == 0) {
            for (size_t k = 0; k < m->count; k++) {
                while (m->accounts[k].timer_count > 0) {
                    timer_ends(&m->accounts[k], 0, true);
                }
                m->accounts[k].count = 0;
                m->accounts[k].sum = 0;
                m->accounts[k].exists = false;
            }
            continue;
        } else if (strcmp(ev->command, "drop") == 0) {
            a->count = 0;
            a->sum = 0;
            a->exists = false;
            continue;
        }
        a->exists = true;
    }
    for (size_t i = 0; i < m->count; i++) {
        while (m->accounts[i].timer_count > 0) {
            timer_ends(&m->accounts[i], 0, true);
        }
    }
    return m;
}

/* ---- What the log has ---------------------------------------------------------------------- */

struct look {
    struct procs *w;
    struct model *m;
    int32_t partition;
    size_t seen[64];    /* outputs of each account */
    bool *fired[64];    /* which */
    uint64_t fires[64]; /* how many */
    char states[64][96];
    char wrong[300];
};

static struct account *known(struct look *k, const struct record *r, size_t *i)
{
    for (*i = 0; *i < k->m->count; (*i)++) {
        if (str_eq_z(r->key, k->m->accounts[*i].key)) {
            return &k->m->accounts[*i];
        }
    }
    (void)snprintf(k->wrong, sizeof(k->wrong), "key '%.*s' was never said", STR(r->key));
    return NULL;
}

static void on_out(void *ctx, const struct record *r)
{
    struct look *k = ctx;
    size_t i;
    struct account *a = known(k, r, &i);
    if (a == NULL || k->wrong[0] != '\0') {
        return;
    }
    const size_t n = k->seen[i]++;
    if (n >= a->out_count || !str_eq_z(r->value, a->out[n].text)) {
        (void)snprintf(k->wrong, sizeof(k->wrong),
                       "output %zu of key %s is '%.*s' (offset %lld), should be '%s'", n, a->key,
                       STR(r->value), (long long)r->offset,
                       n >= a->out_count ? "none" : a->out[n].text);
    }
}

static void on_fired(void *ctx, const struct record *r)
{
    struct look *k = ctx;
    size_t i;
    struct account *a = known(k, r, &i);
    if (a == NULL || k->wrong[0] != '\0') {
        return;
    }
    /* The same may be there twice: set again to the same time. One that must fire comes first. */
    size_t found = a->fired_count;
    for (size_t n = 0; n < a->fired_count; n++) {
        if (!k->fired[i][n] && str_eq_z(r->value, a->fired[n].text) &&
            (found == a->fired_count || !a->may_not[n])) {
            found = n;
        }
    }
    if (found < a->fired_count) {
        k->fired[i][found] = true;
        k->fires[i]++;
        return;
    }
    (void)snprintf(k->wrong, sizeof(k->wrong), "timer '%.*s' of key %s fired twice, or never set",
                   STR(r->value), a->key);
}

static void on_state(void *ctx, const struct record *r)
{
    struct look *k = ctx;
    const struct str key = proc_state_key(r->key);
    struct proc_value v = {0};
    struct arena a;
    uint64_t generation;
    size_t i = 0;
    if (str_is_null(key)) {
        return;
    }
    while (i < k->m->count && !str_eq_z(key, k->m->accounts[i].key)) {
        i++;
    }
    arena_init(&a, 1 << 16);
    if (i == k->m->count || (!str_is_null(r->value) &&
                             proc_value_decode(r->value, &a, &v, &generation, NULL) != ERR_OK)) {
        (void)snprintf(k->wrong, sizeof(k->wrong), "a strange record in the changelog");
    } else {
        (void)snprintf(k->states[i], sizeof(k->states[i]), "%.*s%s%s", STR(v.state),
                       v.timer_count > 0 ? " and timers" : "",
                       v.fate != PROC_LIVE ? " and waiting events" : "");
    }
    arena_deinit(&a);
}

static void judge_whole(struct look *k)
{
    for (size_t i = 0; i < k->m->count && k->wrong[0] == '\0'; i++) {
        const struct account *a = &k->m->accounts[i];
        char state[96] = "";
        if (k->seen[i] != a->out_count) {
            (void)snprintf(k->wrong, sizeof(k->wrong), "key %s has %zu outputs of %zu", a->key,
                           k->seen[i], a->out_count);
            return;
        }
        for (size_t n = 0; n < a->fired_count; n++) {
            if (!k->fired[i][n] && !a->may_not[n]) {
                (void)snprintf(k->wrong, sizeof(k->wrong), "timer '%s' of key %s never fired",
                               a->fired[n].text, a->key);
                return;
            }
        }
        if (a->exists) {
            (void)snprintf(state, sizeof(state), "%llu %lld %llu", a->count, a->sum,
                           (unsigned long long)(k->fires[i] - k->w->fires_before[i]));
        }
        if (strcmp(state, k->states[i]) != 0) {
            (void)snprintf(k->wrong, sizeof(k->wrong), "key %s has the state '%s', should be '%s'",
                           a->key, k->states[i], state);
        }
    }
}

static struct look *look_at(struct procs *w)
{
    struct look *k = worst_alloc(sizeof(*k));
    k->w = w;
    k->m = model_make(w);
    for (size_t i = 0; i < k->m->count; i++) {
        k->fired[i] = worst_alloc(k->m->lines);
    }
    for (int32_t n = 0; n < PROCS_PARTS; n++) {
        procs_each(w, "out", n, on_out, k);
        procs_each(w, "fired", n, on_fired, k);
        procs_each(w, "__leat_sums-state", n, on_state, k);
    }
    return k;
}

static void look_free(struct look *k)
{
    for (size_t i = 0; i < k->m->count; i++) {
        free(k->fired[i]);
    }
    model_free(k->m);
    free(k);
}

bool procs_check(struct procs *w, bool whole, char *why, size_t size)
{
    struct look *k = look_at(w);
    if (whole && k->wrong[0] == '\0') {
        judge_whole(k);
    }
    const bool good = k->wrong[0] == '\0';
    (void)snprintf(why, size, "%s", k->wrong);
    look_free(k);
    return good;
}

void procs_expect_again(struct procs *w)
{
    struct look *k = look_at(w);
    memcpy(w->fires_before, k->fires, sizeof(w->fires_before));
    look_free(k);
    const size_t n = w->event_count;
    CHECK(n * 2 + 1 <= PROCS_EVENTS);
    memset(&w->events[n], 0, sizeof(w->events[n]));
    w->events[n].partition = -1;
    (void)snprintf(w->events[n].command, sizeof(w->events[n].command), "reset");
    memcpy(&w->events[n + 1], &w->events[0], n * sizeof(w->events[0]));
    w->event_count = n * 2 + 1;
}

/* ---- Until it is done ---------------------------------------------------------------------- */

static bool done(struct procs *w)
{
    char why[300];
    for (int32_t n = 0; n < PROCS_PARTS; n++) {
        int64_t last = -1;
        for (size_t i = 0; i < w->event_count; i++) {
            last = w->events[i].partition == n ? w->events[i].offset : last;
        }
        if (last >= 0 && w->machine == NULL &&
            worst_committed(w->log, "leat-sums", "in", n) <= last) {
            return false;
        }
    }
    return procs_check(w, true, why, sizeof(why));
}

bool procs_settle(struct procs *w, uint64_t ms)
{
    const uint64_t until = env_mono_ns(w->env) + ms * 1000000;
    for (uint64_t n = 1; procs_step(w, until); n++) {
        if (n % 64 == 0 && done(w)) {
            return true;
        }
    }
    return done(w);
}
