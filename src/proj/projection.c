/* One projection: its lanes and versions, and what happens to them by itself: opening again after a
 * failure, serving a version that was built, dropping one that was kept long enough. */
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "proj/feed.h"

struct projection *projection_find(struct proj *p, struct str name)
{
    LIST_FOR_EACH (link, next, &p->projections) {
        struct projection *pr = CONTAINER_OF(link, struct projection, link);
        if (!pr->gone && str_eq(pr->name, name)) {
            return pr;
        }
    }
    return NULL;
}

void pause_begin(struct pause *p, uint64_t now)
{
    p->began_ns = now;
}

void pause_grow(struct pause *p, uint64_t now)
{
    uint64_t least = 2 * (now - p->began_ns);
    p->ns = p->ns == 0 ? PAUSE_MIN_NS : 2 * p->ns;
    p->ns = p->ns > PAUSE_MAX_NS ? PAUSE_MAX_NS : p->ns;
    p->ns = p->ns < least ? least : p->ns;
    p->until_ns = now + p->ns;
}

/* A file that is named without a folder is in ours. */
static char *place_of(const struct proj *p, const struct def *d)
{
    bool plain = d->driver == &target_sqlite && memchr(d->where.p, '/', d->where.n) == NULL;
    if (!plain) {
        return str_dup_z(d->where);
    }
    size_t size = strlen(p->dir) + d->where.n + 2;
    char *path = mem_alloc(size);
    if (path != NULL) {
        (void)snprintf(path, size, "%s/%.*s", p->dir, STR(d->where));
    }
    return path;
}

MUST_USE enum err projection_library(struct proj *p, const struct target_driver *driver,
                                     struct target_library **out, struct ectx *ec)
{
    struct target_library **loaded = driver == &target_sqlite ? &p->sqlite : &p->postgres;
    enum err e = *loaded == NULL ? driver->load(loaded, ec) : ERR_OK;
    if (e == ERR_OK) {
        *out = *loaded;
    }
    return e;
}

MUST_USE enum err projection_create(struct proj *p, struct def *d, struct projection **out,
                                    struct ectx *ec)
{
    if (p->count == PROJ_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "there are %u projections, the most that may be", PROJ_MAX);
    }
    struct projection *pr = mem_new(struct projection);
    char *name = str_dup_z(d->name);
    char *target = str_dup_z(d->target);
    char *where = place_of(p, d);
    size_t size = d->name.n + sizeof("#reached");
    char *reached = mem_alloc(size);
    if (pr == NULL || name == NULL || target == NULL || where == NULL || reached == NULL) {
        mem_free(pr);
        mem_free(reached);
        mem_free(name);
        mem_free(target);
        mem_free(where);
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    pr->p = p;
    (void)snprintf(reached, size, "%s#reached", name);
    pr->name = str_of(name);
    pr->reached_key = reached;
    pr->target = str_of(target);
    pr->where = str_of(where);
    pr->driver = d->driver;
    pr->lane_count = 1;
    pr->lane_goal = 1;
    list_init(&pr->runs);
    for (unsigned i = 0; i < d->driver->lanes; i++) {
        lane_init(&pr->lanes[i], pr, i);
    }
    list_push_back(&p->projections, &pr->link);
    p->count++;
    *out = pr;
    return ERR_OK;
}

static void close_readers(struct projection *pr)
{
    while (pr->reader_count > 0) {
        pr->driver->close(pr->readers[--pr->reader_count]);
    }
}

enum err projection_not_open(const struct projection *pr, struct ectx *ec)
{
    return ectx_fail(ec, ERR_NOT_READY, "the target of '%.*s' is not open yet", STR(pr->name));
}

static void close_run(struct work *w)
{
    w->lane->pr->driver->close(w->lane->db);
    w->lane->db = NULL;
}
static void close_done(struct work *w)
{
    (void)w; /* the next tick frees the projection */
}

/* SQLite's last connection to a file writes what is in its log into it, and waits for the disk: on
 * a worker. Those that read go first, so that it is this one. */
bool projection_close_target(struct projection *pr)
{
    struct lane *l = &pr->lanes[0];
    if (l->db == NULL || !list_empty(&pr->runs)) {
        return true;
    }
    feed_free(pr->feed);
    close_readers(pr);
    l->connected = false;
    l->open.work = (struct work){.run = close_run, .done = close_done};
    lane_submit(l, &l->open.work);
    return false;
}

void projection_destroy(struct projection *pr)
{
    wait_forget(pr);
    feed_free(pr->feed);
    since_free(pr->since);
    sending_free(pr->sending);
    for (unsigned i = 0; i < pr->driver->lanes; i++) {
        lane_close(&pr->lanes[i]);
    }
    pr->p->lanes_extra -= pr->lanes_extra;
    close_readers(pr);
    LIST_FOR_EACH (link, next, &pr->runs) {
        run_destroy(CONTAINER_OF(link, struct run, link));
    }
    list_remove(&pr->link);
    pr->p->count--;
    mem_free((char *)(uintptr_t)pr->name.p);
    mem_free((char *)(uintptr_t)pr->target.p);
    mem_free((char *)(uintptr_t)pr->where.p);
    mem_free(pr->reached_key);
    mem_free(pr);
}

bool projection_idle(const struct projection *pr)
{
    for (unsigned i = 0; i < pr->driver->lanes; i++) {
        if (!lane_idle(&pr->lanes[i])) {
            return false;
        }
    }
    for (const struct list *link = pr->runs.next; link != &pr->runs; link = link->next) {
        const struct run *r =
            (const struct run *)(const void *)((const char *)link - offsetof(struct run, link));
        if (r->telling) {
            return false;
        }
    }
    return pr->work_pending == 0 && !pr->reaching && pr->query_count == 0 && pr->sending == NULL &&
           !feed_busy(pr);
}

const char *projection_work(const struct projection *pr)
{
    for (unsigned i = 0; i < pr->driver->lanes; i++) {
        const struct lane *l = &pr->lanes[i];
        if (l->current != NULL) {
            return l->opening                ? "opening its target"
                   : l->current == &l->batch ? "a transaction of events"
                   : pr->switching           ? "a switch"
                                             : "a change of its tables";
        }
    }
    return pr->sending != NULL   ? "an action on its way"
           : pr->query_count > 0 ? "queries"
                                 : "positions on their way to its group";
}

void projection_close(struct projection *pr)
{
    struct ectx ec;
    (void)ectx_fail(&ec, ERR_STOPPED, "stopping");
    switch_fail(pr, ERR_STOPPED, &ec);
    remove_answer(pr, ERR_STOPPED, &ec);
    if (pr->feed != NULL) {
        watch_end_all(pr->feed, ERR_STOPPED, "stopping");
    }
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        run_leave(r);
        run_drop_answer(r, ERR_OK, NULL); /* the log says so: the next start drops its tables */
    }
}

static bool needs_opening(const struct lane *l)
{
    if (!l->connected || l->broken) {
        return true;
    }
    LIST_FOR_EACH (link, next, &l->pr->runs) {
        if (run_wants_lane(CONTAINER_OF(link, struct run, link), l)) {
            return true;
        }
    }
    return false;
}

/* ---- By itself */

void projection_go(struct projection *pr)
{
    struct proj *p = pr->p;
    if (p->stopping || pr->gone || pr->unusable) {
        return;
    }
    uint64_t now = env_mono_ns(p->env);
    if (pr->removing && !pr->reached) {
        remove_go(pr);
        return;
    }
    /* When one that no shard is on was refused, the others wait for the next time too. */
    unsigned goal = pr->lanes_refused ? 0 : pr->lane_goal;
    for (unsigned i = 0; i < pr->lane_count || i < goal; i++) {
        /* The first makes the tables that the others find. A version that it cannot make does not
         * hold up those that it could. */
        const struct lane *first = &pr->lanes[0];
        bool turn = i == 0 || (pr->known && first->connected && !first->broken && !first->opening);
        if (turn && now >= pr->retry_ns && needs_opening(&pr->lanes[i])) {
            lane_open(&pr->lanes[i]);
        }
    }
    if (pr->removing) {
        remove_go(pr);
        return;
    }
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        if (r->dropping) {
            run_drop_go(r);
        } else {
            run_go(r);
        }
    }
    switch_go(pr);
    for (unsigned i = 0; i < pr->lane_count; i++) {
        lane_pump(&pr->lanes[i]);
    }
}

void projection_moved(struct projection *pr, struct run *r)
{
    (void)r;
    switch_go(pr);
    wait_check(pr->p, env_mono_ns(pr->p->env));
}

static void forgotten(struct registry_change *c)
{
    struct run *r = c->err == ERR_OK ? run_find(c->pr, c->without) : NULL;
    registry_change_free(c);
    if (r != NULL && !r->dropping) {
        run_drop(r, NULL);
    }
}

/* A version that was kept in case of a way back goes when its time is over. */
static void drop_kept(struct projection *pr)
{
    int64_t now = env_wall_ms(pr->p->env);
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        if (r->drop_at_ms < 0 || now < r->drop_at_ms || r->dropping || pr->switch_to != NULL ||
            pr->sending != NULL || pr->actions_waiting || r->d->version == pr->served ||
            registry_is_busy(pr->p->registry, pr->name)) {
            continue;
        }
        struct registry_change *c = registry_change_new(pr, pr->name);
        if (c != NULL) {
            c->without = r->d->version;
            c->done = forgotten;
            registry_write(pr->p->registry, c);
        }
        return;
    }
}

void projection_tick(struct projection *pr, uint64_t now)
{
    if (pr->unusable) {
        return;
    }
    LIST_FOR_EACH (link, next, &pr->runs) {
        run_tick(CONTAINER_OF(link, struct run, link), now);
    }
    lanes_tick(pr, now);
    projection_go(pr);
    feed_tick(pr, now);
    remove_tick(pr, now);
    if (now - pr->reader_ns >= READERS_IDLE_NS) {
        close_readers(pr);
    }
    struct run *building = pr->removing || pr->paused ? NULL : run_building(pr);
    if (building != NULL && pr->switch_to == NULL && building->d->switch_auto &&
        building->indexed && now >= building->switch_pause.until_ns && run_is_near(building)) {
        switch_begin(pr, building, NULL);
    }
    if (!pr->removing) {
        drop_kept(pr);
    }
    if (pr->actions_waiting) {
        actions_send(pr);
    }
}
