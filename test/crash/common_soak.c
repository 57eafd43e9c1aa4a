/* Starting, stopping and checking a soak's own threads; the trend. See common_soak.h. */
#include "common_soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common_load_int.h"
#include "common_server.h"

void soak_init(struct soak *s, struct load *l, uint64_t seed)
{
    memset(s, 0, sizeof(*s));
    s->load = l;
    s->model = l->model;
    s->random = seed;
    pthread_mutex_init(&s->mutex, NULL);
    for (size_t i = 0; i < SOAK_MEMBERS; i++) {
        s->members[i].soak = s;
        s->members[i].random = load_random(&s->random);
    }
    for (size_t i = 0; i < SOAK_TOPICS; i++) {
        s->topics[i] = UINT32_MAX;
    }
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    if (pthread_create(thread, NULL, fn, arg) != 0) {
        perror("thread");
        abort();
    }
}

void soak_start(struct soak *s, uint16_t port)
{
    s->port = port;
    s->running = true;
    atomic_store(&s->stop, false);
    for (size_t i = 0; i < SOAK_MEMBERS; i++) {
        start(&s->members[i].thread, soak_member_run, &s->members[i]);
    }
    start(&s->admin, soak_admin_run, s);
}

void soak_stop(struct soak *s)
{
    if (!s->running) {
        return;
    }
    s->running = false;
    atomic_store(&s->stop, true);
    for (size_t i = 0; i < SOAK_MEMBERS; i++) {
        pthread_join(s->members[i].thread, NULL);
    }
    pthread_join(s->admin, NULL);
}

void soak_pause(const struct soak *s, double ms)
{
    double end = now_ms() + ms;
    for (double left = ms; left > 0 && !atomic_load(&s->stop); left = end - now_ms()) {
        sleep_ms(left < 50 ? left : 50);
    }
}

bool soak_counter_holds(const struct soak_counter *c, int64_t found)
{
    return found >= c->acked && found <= c->sent;
}

bool soak_check(struct soak *s, uint16_t port)
{
    struct client c;
    /* A generation that nobody completed may be forgotten, and its number given again. */
    s->told = s->complete;
    if (s->plan.generation > s->complete) {
        s->plan = s->plan_before;
    }
    if (!client_open(&c, port, 20000)) {
        return false;
    }
    bool ok = soak_check_group(s, &c) && soak_check_configs(s, &c);
    if (!ok) {
        model_violation(s->model, MODEL_PROTOCOL, "the soak's check failed: %s", c.why);
    }
    client_close(&c);
    return ok;
}

bool soak_grows(const double *at, const double *value, size_t count, double allowance, double *rise)
{
    double n = (double)count, sum_t = 0, sum_v = 0, sum_tt = 0, sum_tv = 0;
    *rise = 0;
    if (count < 3) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        double t = at[i] - at[0];
        sum_t += t;
        sum_v += value[i];
        sum_tt += t * t;
        sum_tv += t * value[i];
    }
    double below = n * sum_tt - sum_t * sum_t;
    if (below <= 0) {
        return false;
    }
    *rise = (n * sum_tv - sum_t * sum_v) / below * (at[count - 1] - at[0]);
    return *rise > allowance;
}
