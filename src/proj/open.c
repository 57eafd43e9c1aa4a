/*
 * Opening a lane: the connection, then for each version its tables and statements; what the target
 * says about the projection comes back, and counts if it is the first lane. The first version of a
 * projection is served at once: there is nothing that readers could see instead.
 */
#include <string.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "proj/feed.h"
#include "proj/upcasts.h"

/* ---- On the worker */

struct found {
    struct opening *o;
    struct run *run; /* of a version's row */
    size_t index;
};
static bool take_projection(void *ctx, const struct mapping_value *values, size_t count)
{
    struct opening *o = ctx;
    (void)count;
    o->served = (uint32_t)values[0].integer;
    o->previous = (uint32_t)values[1].integer;
    return false;
}
static bool take_version(void *ctx, const struct mapping_value *values, size_t count)
{
    struct found *f = ctx;
    (void)count;
    f->o->has_row[f->index] = true;
    f->o->indexed[f->index] = values[0].integer != 0;
    f->o->drop_at_ms[f->index] = values[1].kind == MAPPING_NULL ? -1 : values[1].integer;
    return false;
}

static enum err ask(struct lane *l, const char *sql, const struct mapping_value *params,
                    size_t count, target_row_fn row, void *ctx, struct ectx *ec)
{
    const struct target_driver *driver = l->pr->driver;
    struct target_stmt *s = NULL;
    enum err e = driver->prepare(l->db, str_of(sql), &s, ec);
    e = e != ERR_OK ? e : driver->query(s, params, count, row, ctx, ec);
    driver->finalize(s);
    return e;
}

static enum err serve_first(struct lane *l, const struct def *d, int64_t now_ms, struct ectx *ec)
{
    const struct target_driver *driver = l->pr->driver;
    enum err e = driver->exec(l->db, driver->begin, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = switch_write(driver, l->db, NULL, d, now_ms, ec);
    e = e != ERR_OK ? e : driver->exec(l->db, "COMMIT", ec);
    if (e != ERR_OK) {
        IGNORE(driver->exec(l->db, "ROLLBACK", NULL) == ERR_OK);
    }
    return e;
}

static enum err open_run(struct lane *l, size_t i, struct ectx *ec)
{
    struct opening *o = &l->open;
    struct run *r = o->runs[i];
    const struct target_driver *driver = l->pr->driver;
    apply_destroy(r->apply[l->index]);
    r->apply[l->index] = NULL;
    struct mapping_value params[] = {
        {.kind = MAPPING_TEXT, .text = r->d->name},
        {.kind = MAPPING_INT, .integer = r->d->version},
    };
    struct found found = {.o = o, .run = r, .index = i};
    o->has_row[i] = false;
    enum err made = apply_setup(driver, l->db, r->d, o->now_ms, ec);
    /* What the target says of it is asked in any case: one that is kept and cannot be opened would
     * pass for one that is being built. */
    struct ectx own;
    struct ectx *why = made == ERR_OK ? ec : &own;
    bool there = made == ERR_OK || made == ERR_STOPPED;
    enum err e = !there
                     ? ERR_OK
                     : ask(l, "SELECT served, previous FROM leat_projection WHERE projection = $1",
                           params, 1, take_projection, o, why);
    if (made == ERR_OK && e == ERR_OK && o->served == 0) {
        e = serve_first(l, r->d, o->now_ms, ec);
        o->served = e == ERR_OK ? r->d->version : 0;
    }
    e = e != ERR_OK ? e
                    : ask(l,
                          "SELECT indexed, drop_at FROM leat_version WHERE projection = $1 AND "
                          "version = $2",
                          params, 2, take_version, &found, why);
    if (made != ERR_OK) {
        *ec = e == ERR_OK || !there ? *ec : own;
        return e == ERR_OK || !there ? made : e;
    }
    e = e != ERR_OK ? e : apply_create(driver, l->db, r->d, &r->apply[l->index], ec);
    const uint64_t parked_max = r->pr->p->config.parked_max;
    if (e == ERR_OK && parked_max != 0) {
        apply_parked_max(r->apply[l->index], parked_max);
    }
    return e;
}

static void open_run_all(struct work *w)
{
    struct lane *l = w->lane;
    struct opening *o = &l->open;
    if (o->fresh) {
        for (size_t i = 0; i < o->closing_count; i++) {
            apply_destroy(o->closing[i]);
        }
        o->closing_count = 0;
        l->pr->driver->close(l->db);
        l->db = NULL;
        w->err = l->pr->driver->open(l->pr->library, l->pr->where, 0, &l->db, &w->ec);
    }
    /* Whatever becomes of the versions below: what is served is known only when none is left whose
     * number could come again. */
    if (o->count > 0 && o->make && l->index == 0 && w->err == ERR_OK) {
        w->err = drop_orphans(l, o->known, o->known_count, &w->ec);
    }
    for (size_t i = 0; i < o->count && o->make && w->err == ERR_OK; i++) {
        o->err[i] = open_run(l, i, &o->ec[i]);
    }
}

/* ---- On the loop */

static void opened_run(struct lane *l, struct run *r, size_t i)
{
    struct opening *o = &l->open;
    if (l->index == 0 && o->has_row[i]) {
        r->indexed = o->indexed[i];
        r->drop_at_ms = o->drop_at_ms[i];
    }
    if (o->err[i] != ERR_OK && l->index >= r->pr->lane_count) {
        lanes_refused(r->pr);
        return;
    }
    if (o->err[i] == ERR_STOPPED) {
        r->gone = true;
        run_stop_for(r, &o->ec[i]);
        return;
    }
    if (o->err[i] != ERR_OK) {
        run_failed(r, &o->ec[i]);
        /* Else it is the version's own trouble, and the others go on. */
        l->broken = l->broken || o->err[i] == ERR_CLOSED;
        return;
    }
    run_fine(r);
    r->open[l->index] = true;
    r->pr->actions_waiting = r->pr->actions_waiting || r->d->has_actions; /* of those before us */
}

/* Nobody is at work on it, and what failed is not the definition: another connection may find
 * another server behind the name (one that can write), or other rights. What is being dropped can
 * go on here, unless nothing can be written. */
static bool is_of_no_use(const struct lane *l)
{
    const struct opening *o = &l->open;
    bool failed = false;
    bool dropping = false;
    LIST_FOR_EACH (link, next, &l->pr->runs) {
        const struct run *r = CONTAINER_OF(link, struct run, link);
        if (r->open[l->index]) {
            return false;
        }
        dropping = dropping || r->dropping;
    }
    for (size_t i = 0; i < o->count; i++) {
        const enum err e = o->err[i];
        failed =
            failed || e == ERR_READ_ONLY ||
            (!dropping && e != ERR_OK && e != ERR_STOPPED && e != ERR_CONFIG && e != ERR_AGAIN);
    }
    return failed;
}

static void open_done(struct work *w)
{
    struct lane *l = w->lane;
    struct projection *pr = l->pr;
    struct opening *o = &l->open;
    bool good = w->err == ERR_OK;
    l->connected = l->db != NULL;
    l->opening = false;
    l->broken = l->broken && !o->fresh;
    if (l->index == 0) { /* it makes and drops; another one may be one that it cannot have */
        pr->unreachable = !l->connected;
    }
    if (!good) {
        l->broken = true;
        if (l->index > 0) {
            lanes_refused(pr);
        }
        /* One that no shard is on yet stands in nobody's way. */
        for (size_t i = 0; i < o->count && l->index < pr->lane_count; i++) {
            run_failed(o->runs[i], &w->ec);
        }
        LIST_FOR_EACH (link, next, &pr->runs) {
            if (pr->removing) { /* so that it can be told why that takes so long */
                run_failed(CONTAINER_OF(link, struct run, link), &w->ec);
            }
        }
    }
    for (size_t i = 0; i < o->count && o->make && w->err == ERR_OK; i++) {
        opened_run(l, o->runs[i], i);
        good = good && (o->err[i] == ERR_OK || o->err[i] == ERR_STOPPED);
    }
    l->broken = l->broken || is_of_no_use(l);
    pr->looked = pr->looked || (w->err == ERR_OK && l->index == 0);
    /* Switches run on the first, one after the other with this. What another one read may be from
     * before a switch that ended since. */
    if (o->served != 0 && !pr->switching && l->index == 0) {
        bool other = pr->known && pr->served != o->served;
        pr->served = o->served;
        pr->previous = o->previous;
        pr->known = true;
        if (other) { /* a switch of which we did not hear */
            feed_switched(pr);
        }
    }
    uint64_t now = env_mono_ns(pr->p->env);
    if (good) {
        pr->backoff_ns = 0;
    } else if (l->index < pr->lane_count) {
        pr->backoff_ns = pr->backoff_ns == 0 ? BACKOFF_MIN_NS : 2 * pr->backoff_ns;
        pr->backoff_ns = pr->backoff_ns > BACKOFF_MAX_NS ? BACKOFF_MAX_NS : pr->backoff_ns;
        pr->retry_ns = now + pr->backoff_ns;
    }
    projection_go(pr);
}

/* The first lane drops a version, and its end frees what a worker that closes another connection
 * still has in its hands of it. */
static bool waits_for_drop(const struct lane *l)
{
    bool sent = false;
    LIST_FOR_EACH (link, next, &l->pr->runs) {
        sent = sent || CONTAINER_OF(link, struct run, link)->drop_sent;
    }
    return sent && l->index > 0;
}

void lane_open(struct lane *l)
{
    struct projection *pr = l->pr;
    struct opening *o = &l->open;
    bool fresh = !l->connected || l->broken;
    /* What is prepared on the old connection goes with it, and a job may be using it: the tick
     * comes again. */
    if (l->opening || (fresh && (l->current != NULL || waits_for_drop(l)))) {
        return;
    }
    if (!fresh && pr->removing) {
        return;
    }
    if (!fresh && !pr->reached) {
        reached_write(pr);
        return;
    }
    if (fresh) {
        lane_let_go(l);
    }
    o->count = 0;
    o->served = 0;
    o->fresh = fresh;
    o->make = pr->reached && !pr->removing;
    o->now_ms = env_wall_ms(pr->p->env);
    o->known_count = 0;
    o->closing_count = 0;
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        o->known[o->known_count++] = r->d->version;
        if (run_wants_lane(r, l)) {
            CHECK(o->count < PROJ_VERSIONS_MAX);
            o->runs[o->count] = r;
            o->err[o->count++] = ERR_OK;
        }
    }
    if (o->count == 0 && !o->fresh) {
        return; /* with a connection, versions that are on their way out can go */
    }
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        if (o->fresh && r->apply[l->index] != NULL) {
            o->closing[o->closing_count++] = r->apply[l->index];
            r->apply[l->index] = NULL;
        }
    }
    l->connected = l->connected && !fresh;
    l->opening = true;
    o->work = (struct work){.run = open_run_all, .done = open_done};
    lane_submit(l, &o->work);
}

void lane_close(struct lane *l)
{
    for (size_t i = 0; i < l->open.closing_count; i++) {
        apply_destroy(l->open.closing[i]);
    }
    l->open.closing_count = 0;
    LIST_FOR_EACH (link, next, &l->pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        apply_destroy(r->apply[l->index]);
        r->apply[l->index] = NULL;
        r->open[l->index] = false;
    }
    l->pr->driver->close(l->db);
    l->db = NULL;
    changes_deinit(&l->changes);
    upcasts_unref(l->upcasts); /* of a batch that never ended */
    l->upcasts = NULL;
    l->connected = false;
}
