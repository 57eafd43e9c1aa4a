/*
 * Commands on a parked key: its events are tried again, on one connection after the other, since a
 * key may have events in several partitions. The first of them is dropped before that, or not.
 */
#include <string.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "proj/feed.h"
#include "proj/upcasts.h"

static void answer(struct proj_command *c, enum err e)
{
    c->err = e;
    c->done(c);
}

struct retry {
    struct work work;
    struct proj_command *c;
    struct run *run;
    struct str key; /* heap */
    unsigned lane;
    bool skip, more, found, stays;
    bool absent; /* the version is not open on this connection: nothing was done */
    int64_t now_ms;
    struct apply_counts counts;
    struct changes changes; /* if it `collects` */
    bool collects;
    struct upcasts *upcasts;
};

static void retry_run(struct work *w)
{
    struct retry *r = CONTAINER_OF(w, struct retry, work);
    struct apply *a = r->run->apply[w->lane->index];
    r->absent = a == NULL;
    if (a != NULL) {
        apply_watch(a, r->collects ? &r->changes : NULL);
        apply_upcast(a, r->upcasts);
    }
    w->err = a == NULL ? ectx_fail(&w->ec, ERR_NOT_READY, "no connection to the target")
                       : apply_retry(a, r->key, r->skip, r->now_ms, &r->counts, &r->more, &w->ec);
}

static void retry_next(struct retry *r);

/* `e`: of the last attempt. What was skipped is told, whatever came after it. */
static void retry_end(struct retry *r, enum err e)
{
    struct proj_command *c = r->c;
    c->version = r->run->d->version;
    c->ec = r->work.ec;
    bool done = e == ERR_OK || (e == ERR_NOT_FOUND && (r->found || c->parked > 0));
    if (done && !r->stays && c->parked > 0) {
        c->reason = STR_LIT("it has events in partitions that are not this process's at present");
        r->stays = true;
    }
    if (c->skipped > 0) {
        c->reason = done ? c->reason : arena_str(c->arena, str_of(c->ec.text));
        e = ERR_OK;
    } else if (done && r->stays) {
        c->why = PROJ_STAYS_PARKED;
        e = ectx_fail(&c->ec, ERR_MALFORMED, "the key stays parked: %.*s", STR(c->reason));
    } else if (done) {
        e = ERR_OK;
    } else if (e == ERR_NOT_FOUND) {
        c->why = PROJ_NOT_PARKED;
    } else if (e == ERR_CLOSED) {
        e = ectx_wrap(&c->ec, e, "it is not known whether that was done");
        ectx_hint(&c->ec,
                  "look at the parked events before you repeat it: leat projection parked "
                  "%.*s",
                  STR(r->run->pr->name));
    }
    mem_free((char *)(uintptr_t)r->key.p);
    changes_deinit(&r->changes);
    upcasts_unref(r->upcasts);
    mem_free(r);
    answer(c, e);
}

static void retry_done(struct work *w)
{
    struct retry *r = CONTAINER_OF(w, struct retry, work);
    struct proj_command *c = r->c;
    struct projection *pr = r->run->pr;
    pr->work_pending--;
    r->run->calls--;
    enum err e = w->err;
    if (e == ERR_OK) {
        r->found = true;
        run_count(r->run, &r->counts, w->lane->index);
        feed_committed(pr, r->run, r->collects ? &r->changes : NULL);
        pr->actions_waiting = pr->actions_waiting || r->counts.actions > 0;
        if (pr->actions_waiting) {
            actions_send(pr);
        }
    } else if (e != ERR_NOT_FOUND && e != ERR_AGAIN && !r->absent) {
        feed_gap(pr, r->run); /* it may be committed: no checkpoint tells */
    }
    if (e == ERR_OK) {
        r->skip = false;
        c->applied += r->counts.applied;
        c->skipped += r->counts.skipped;
    }
    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        c->parked = r->counts.left;
    }
    if (e == ERR_OK && r->counts.parked > 0) {
        r->stays = true;
        c->reason = arena_str(c->arena, str_of(r->counts.reason));
    }
    bool on = e == ERR_OK || e == ERR_NOT_FOUND;
    if (on && !(e == ERR_OK && r->more)) {
        r->lane++; /* the key may have events on other connections */
        on = r->lane < pr->lane_count;
    }
    if (on && !pr->p->stopping) {
        retry_next(r);
        return;
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_AGAIN && !r->absent) {
        lane_fail(w->lane, &w->ec);
    }
    retry_end(r, e);
}

static void retry_next(struct retry *r)
{
    struct projection *pr = r->run->pr;
    pr->work_pending++;
    r->run->calls++;
    r->more = false;
    r->now_ms = env_wall_ms(pr->p->env);
    memset(&r->counts, 0, sizeof(r->counts));
    r->collects = feed_collects(pr, r->run);
    r->work = (struct work){.run = retry_run, .done = retry_done};
    lane_submit(&pr->lanes[r->lane], &r->work);
}

void parked_key_command(struct projection *pr, struct proj_command *c)
{
    if (!pr->known && c->for_version == 0) {
        answer(c, projection_not_open(pr, &c->ec));
        return;
    }
    struct run *run = run_find(pr, c->for_version != 0 ? c->for_version : pr->served);
    struct retry *r = mem_new(struct retry);
    char *key = str_dup_z(str_is_null(c->key) ? STR_LIT("") : c->key);
    if (run == NULL || run->dropping || r == NULL || key == NULL) {
        mem_free(r);
        mem_free(key);
        c->why = run == NULL || run->dropping ? PROJ_NO_VERSION : PROJ_WHY_NONE;
        answer(c, run == NULL || run->dropping
                      ? ectx_fail(&c->ec, ERR_NOT_FOUND, "there is no such version")
                      : ectx_fail(&c->ec, ERR_NO_MEMORY, "out of memory"));
        return;
    }
    if (run->gone) { /* it is on no connection: the others need theirs */
        mem_free(r);
        mem_free(key);
        c->why = PROJ_VERSION_STOPPED;
        c->version = run->d->version;
        answer(c, ectx_fail(&c->ec, ERR_EXISTS, "version %u has stopped: %s", run->d->version,
                            run->error.text));
        return;
    }
    if (upcasts_matter(pr->p, run->d) && (r->upcasts = upcasts_now(pr->p)) == NULL) {
        mem_free(r);
        mem_free(key);
        answer(c, ectx_fail(&c->ec, ERR_NOT_READY, "the event store's upcasts are not known yet"));
        return;
    }
    changes_init(&r->changes);
    r->c = c;
    r->run = run;
    r->key = str_of(key);
    r->skip = c->kind == PROJ_SKIP_KEY;
    retry_next(r);
}
