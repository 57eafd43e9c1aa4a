/*
 * A projection goes: the log says that it is being removed, each version is dropped (drop.c), and
 * then the log has no word of it any more. That is the end of it, and its name is free.
 *
 * What was never reached has nothing in its target, so that a mistyped one stands in no way. That
 * it was reached is in the log before anything is made.
 */
#include "core/log.h"
#include "core/mem.h"
#include "proj/proj_int.h"

/* ---- Reached */

static void reached(struct registry_change *c)
{
    struct projection *pr = c->pr;
    pr->reaching = false;
    pr->reached = c->err == ERR_OK;
    if (!pr->reached) { /* again with the next tick */
        LIST_FOR_EACH (link, next, &pr->runs) {
            run_failed(CONTAINER_OF(link, struct run, link), &c->ec);
        }
    }
    bool go = pr->reached;
    registry_change_free(c);
    if (go) {
        projection_go(pr);
    }
}

void reached_write(struct projection *pr)
{
    if (pr->reaching) {
        return;
    }
    struct registry_change *c = registry_change_new(pr, str_of(pr->reached_key));
    if (c != NULL) {
        pr->reaching = true;
        c->reached = true;
        c->done = reached;
        registry_write(pr->p->registry, c);
    }
}

/* ---- Removing */

void remove_answer(struct projection *pr, enum err e, const struct ectx *ec)
{
    struct proj_command *c = pr->remove_command;
    pr->remove_command = NULL;
    if (c != NULL) {
        c->err = e;
        if (e != ERR_OK) {
            c->ec = *ec;
        }
        c->done(c);
    }
}

void remove_begin(struct projection *pr, struct proj_command *c)
{
    pr->removing = true;
    pr->remove_command = c;
    pr->remove_deadline_ns = env_mono_ns(pr->p->env) + REMOVE_WAIT_NS;
    LIST_FOR_EACH (link, next, &pr->runs) { /* what stood in its way may be gone */
        CONTAINER_OF(link, struct run, link)->drop_pause = (struct pause){0};
    }
    if (pr->p->stopping) { /* the log said so in the last moment */
        struct ectx ec;
        remove_answer(pr, ectx_fail(&ec, ERR_STOPPED, "stopping"), &ec);
    }
    projection_go(pr);
}

static void removed(struct registry_change *c)
{
    struct projection *pr = c->pr;
    bool done = c->err == ERR_OK;
    registry_change_free(c);
    pr->remove_sent = false;
    if (done) {
        pr->gone = true; /* freed by the tick: we may stand in one of its calls */
        LOG_INFO("projection.removed", KV_STR("projection", pr->name));
        remove_answer(pr, ERR_OK, NULL);
    }
}

void remove_go(struct projection *pr)
{
    if (pr->reaching || pr->gone) {
        return;
    }
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        if (pr->reached && !r->dropping) {
            run_drop(r, NULL);
        } else if (pr->reached) {
            run_drop_go(r);
        }
    }
    bool left = pr->reached && !list_empty(&pr->runs);
    if (left || pr->remove_sent || registry_is_busy(pr->p->registry, pr->name)) {
        return;
    }
    struct registry_change *c = registry_change_new(pr, pr->name);
    if (c != NULL) {
        pr->remove_sent = true;
        c->removed = true;
        c->done = removed;
        registry_write(pr->p->registry, c);
    }
}

void remove_tick(struct projection *pr, uint64_t now)
{
    if (pr->remove_command != NULL && now >= pr->remove_deadline_ns) {
        struct ectx ec;
        const struct run *r =
            list_empty(&pr->runs) ? NULL : CONTAINER_OF(pr->runs.next, struct run, link);
        enum err e = ectx_fail(
            &ec, ERR_REQUEST_TIMED_OUT, "'%.*s' is being removed, and that goes on by itself: %s",
            STR(pr->name), r != NULL && r->failed ? r->error.text : "it takes its time");
        remove_answer(pr, e, &ec);
    }
}
