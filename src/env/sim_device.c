/*
 * A device that is slow, or that no longer answers. A slow one holds a job back before it runs: the
 * lane waits, the loop and the other lanes go on. One that does not answer never lets a job end:
 * the rest of its `run` is played (there is one thread), but nothing that it does takes place and
 * nobody is told. The draws have a stream of their own, so a world without this is the same.
 */
#include "env/sim_int.h"

#define POOL_WORKERS 2u /* so that two that are stuck are all; the Linux world has more */

void env_sim_set_slow(struct env *env, uint64_t one_in, uint64_t most_ns)
{
    struct sim_device *dev = &sim_of(env)->device;
    dev->slow_one_in = most_ns == 0 ? 0 : one_in;
    dev->slow_most_ns = most_ns;
}

void env_sim_stick_nth(struct env *env, enum env_sim_op kind, uint64_t n, bool all)
{
    struct sim_device *dev = &sim_of(env)->device;
    dev->stick_after[kind] = n;
    dev->stick_all = all;
}

bool env_sim_is_stuck(struct env *env)
{
    const struct sim_device *dev = &sim_of(env)->device;
    uint32_t n = 0;
    for (unsigned i = 0; i < ENV_LANE_COUNT; i++) {
        n += dev->stuck[i];
    }
    return n > 0;
}

void sim_device_boot(struct sim *w)
{
    w->device = (struct sim_device){.slow_one_in = w->device.slow_one_in,
                                    .slow_most_ns = w->device.slow_most_ns};
}

/* ---- Slow ---- */

static bool draw_slow(struct sim *w, uint64_t *ns)
{
    struct sim_device *dev = &w->device;
    if (dev->slow_one_in == 0 || sim_rng_below(&w->rng_device, dev->slow_one_in) != 0) {
        return false;
    }
    *ns = 1 + sim_rng_below(&w->rng_device, dev->slow_most_ns);
    return true;
}

void sim_device_take_time(struct sim *w, enum env_sim_op op)
{
    uint64_t ns;
    if (!w->device.in_job && op != ENV_SIM_OPEN && draw_slow(w, &ns)) {
        env_sim_advance_ns(&w->base, ns);
    }
}

bool sim_device_lane_free(struct sim *w, unsigned lane)
{
    struct sim_device *dev = &w->device;
    uint64_t ns;
    if (dev->stuck[lane] >= (env_lane_is_pool(lane) ? POOL_WORKERS : 1)) {
        return false;
    }
    if (!dev->drawn[lane]) {
        dev->drawn[lane] = true;
        dev->wait_until[lane] = draw_slow(w, &ns) ? w->mono_ns + ns : w->mono_ns;
    }
    return w->mono_ns >= dev->wait_until[lane];
}

uint64_t sim_device_next_ns(const struct sim *w)
{
    const struct sim_device *dev = &w->device;
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < ENV_LANE_COUNT; i++) {
        const bool waits =
            !list_empty(&w->lanes[i]) && dev->drawn[i] && dev->wait_until[i] > w->mono_ns;
        if (waits && dev->wait_until[i] < next) {
            next = dev->wait_until[i];
        }
    }
    return next;
}

/* ---- Stuck ---- */

static bool stick_due(uint64_t *after)
{
    return *after > 0 && --*after == 0;
}

bool sim_device_hangs(struct sim *w)
{
    return w->device.hung > 0 && ++w->device.hung > 0;
}

bool sim_device_sticks(struct sim *w, enum env_sim_op op)
{
    struct sim_device *dev = &w->device;
    const bool any = stick_due(&dev->stick_after[ENV_SIM_OP_COUNT]);
    const bool kind = stick_due(&dev->stick_after[op]);
    const bool changes = op != ENV_SIM_READ && op != ENV_SIM_OPEN;
    if (!any && !kind && !(dev->dead && changes)) {
        return false;
    }
    dev->dead = dev->dead || dev->stick_all;
    if (dev->in_job) {
        dev->hung = 1;
    } else {
        sim_power_off(w, op); /* the loop hangs: nothing happens any more until it goes */
    }
    return true;
}

void sim_device_job_begins(struct sim *w, unsigned lane)
{
    w->device.in_job = true;
    w->device.drawn[lane] = false;
}

bool sim_device_job_ends(struct sim *w, unsigned lane)
{
    struct sim_device *dev = &w->device;
    const bool hangs = dev->hung > 0;
    dev->in_job = false;
    dev->hung = 0;
    dev->stuck[lane] += hangs;
    return hangs;
}
