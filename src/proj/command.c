/*
 * Commands. What a projection is changes in the log first; when that is durable it happens here.
 * One change of a projection at a time: another one meanwhile is ERR_BUSY. What is not known yet
 * (its target, definitions, upcasts) is ERR_NOT_READY. A version that is to be served and has not
 * caught up is ERR_BEHIND.
 */
#include <string.h>

#include "core/compiler.h"
#include "proj/upcasts.h"

static void answer(struct proj_command *c, enum err e)
{
    c->err = e;
    c->done(c);
}

static void no_memory(struct proj_command *c)
{
    answer(c, ectx_fail(&c->ec, ERR_NO_MEMORY, "out of memory"));
}

/* ---- A definition */

static void applied(struct registry_change *change)
{
    struct proj_command *c = change->command;
    enum err e = change->err;
    if (e != ERR_OK) {
        c->ec = change->ec;
        registry_change_free(change);
        answer(c, e);
        return;
    }
    struct proj *p = c->internal;
    struct projection *pr = change->pr;
    struct def *d = change->add;
    struct run *r = NULL;
    if (pr == NULL) {
        e = projection_create(p, d, &pr, &c->ec);
        e = e != ERR_OK ? e : projection_library(p, d->driver, &pr->library, &c->ec);
    }
    e = e != ERR_OK ? e : run_create(pr, d, &r);
    if (e == ERR_OK) {
        since_free(pr->since);
        pr->since = change->since;
        change->since = NULL;
        change->add = NULL;
        c->created = true;
        c->version = d->version;
    } else {
        /* It is in the log: the next start has it. */
        (void)ectx_fail(&c->ec, e, "the definition is stored, but cannot begin yet: %s",
                        err_text(e));
    }
    registry_change_free(change);
    answer(c, e);
    if (pr != NULL && p->ready) {
        projection_go(pr);
    }
}

/* A view has one owner, in whatever target: readers ask for it by its name alone. What a version
 * of this projection has already is not asked again: definitions from before this was looked at
 * may share one, and must be able to be rebuilt. */
static enum err check_views(struct proj *p, struct projection *pr, const struct def *d,
                            struct ectx *ec)
{
    for (size_t i = 0; i < d->table_count; i++) {
        const struct str view = d->tables[i].name;
        if (pr != NULL && projection_declares(pr, view)) {
            continue;
        }
        struct str owner = registry_declares(p->registry, d->name, view);
        LIST_FOR_EACH (link, next, &p->projections) {
            struct projection *other = CONTAINER_OF(link, struct projection, link);
            owner = other != pr && projection_declares(other, view) ? other->name : owner;
        }
        if (!str_is_null(owner)) {
            enum err e = ectx_fail(ec, ERR_EXISTS, "view '%.*s' belongs to projection '%.*s'",
                                   STR(view), STR(owner));
            ectx_hint(ec, "names of tables are unique over all projections, whatever their target");
            return e;
        }
        const char *unseen = registry_unseen(p->registry);
        if (unseen != NULL) {
            enum err e =
                ectx_fail(ec, ERR_NOT_READY,
                          "view '%.*s' may belong to projection '%s', of which not every "
                          "version is understood: %s",
                          STR(view), unseen, registry_unusable(p->registry, str_of(unseen))->text);
            ectx_hint(ec, "start the version of Leat that declared it, or remove it there");
            return e;
        }
    }
    return ERR_OK;
}

static enum err check_next(struct projection *pr, const struct def *d, struct ectx *ec)
{
    size_t count = 0;
    uint32_t newest = 0;
    LIST_FOR_EACH (link, next, &pr->runs) {
        newest = CONTAINER_OF(link, struct run, link)->d->version;
        count++;
    }
    struct run *building = run_building(pr);
    if (!pr->known) {
        enum err e = projection_not_open(pr, ec);
        ectx_hint(ec,
                  "leat projection show %.*s says why; what could never begin is deleted "
                  "(leat projection delete %.*s) and declared anew",
                  STR(pr->name), STR(pr->name));
        return e;
    }
    if (!str_eq(d->target, pr->target)) {
        enum err e = ectx_fail(ec, ERR_CONFIG, "'target' differs from that of version %u", newest);
        ectx_hint(ec, "all versions of a projection have one target; use another name");
        return e;
    }
    if (d->version <= newest) {
        enum err e = ectx_fail(ec, ERR_EXISTS, "version %u of '%.*s' is there with another text",
                               d->version, STR(pr->name));
        ectx_hint(ec, "use version %u", newest + 1);
        return e;
    }
    if (building != NULL) {
        enum err e = ectx_fail(ec, ERR_EXISTS, "version %u is being built", building->d->version);
        ectx_hint(ec, "wait for it, or cancel it");
        return e;
    }
    if (count == PROJ_VERSIONS_MAX) {
        const struct run *oldest = CONTAINER_OF(pr->runs.next, struct run, link);
        enum err e =
            ectx_fail(ec, ERR_EXISTS, "%u versions of '%.*s' are there, the most that may be",
                      PROJ_VERSIONS_MAX, STR(pr->name));
        ectx_hint(ec,
                  "drop one that is kept for a way back: leat projection drop %.*s --version %u",
                  STR(pr->name), oldest->d->version);
        return e;
    }
    return ERR_OK;
}

/* What is history, as of now: a new projection begins to know it, a new version adds its topics. */
static enum err look_since(struct proj *p, const struct projection *pr, const struct def *d,
                           struct registry_change *change)
{
    if (pr != NULL && pr->since == NULL) {
        return ERR_OK;
    }
    change->since = since_new();
    bool room = change->since != NULL && (pr == NULL || since_copy(pr->since, change->since));
    return room ? since_add(change->since, p->e, d) : ERR_NO_MEMORY;
}

/* What is not understood of a projection would be lost by any change. */
static enum err check_usable(struct proj *p, struct str name, struct ectx *ec)
{
    const struct ectx *why = registry_unusable(p->registry, name);
    if (why == NULL) {
        return ERR_OK;
    }
    enum err e = ectx_fail(ec, ERR_NOT_READY, "projection '%.*s' cannot be used: %s",
                           (int)(name.n > 80 ? 80 : name.n), name.p, why->text);
    ectx_hint(ec, "nothing of it was changed: %s", why->hint);
    return e;
}

static void apply_def(struct proj *p, struct proj_command *c, struct def *d)
{
    struct projection *pr = projection_find(p, d->name);
    enum err e = ERR_OK;
    c->applied_name = arena_str(c->arena, d->name);
    struct run *same = pr == NULL ? NULL : run_find(pr, d->version);
    c->version = d->version;
    if (registry_is_busy(p->registry, d->name) || (pr != NULL && pr->removing)) {
        e = ectx_fail(&c->ec, ERR_BUSY, "another change of '%.*s' is under way", STR(d->name));
    } else if (same != NULL && same->dropping) { /* the log does not have it any more */
        e = ectx_fail(&c->ec, ERR_BUSY, "version %u of '%.*s' is being dropped", d->version,
                      STR(d->name));
        ectx_hint(&c->ec, "wait until it is gone, or use version %u",
                  CONTAINER_OF(pr->runs.prev, struct run, link)->d->version + 1);
    } else if (same != NULL && str_eq(same->d->text, d->text)) {
        def_destroy(d);
        answer(c, ERR_OK);
        return;
    } else if (d->has_actions && p->config.append == NULL) {
        e = ectx_fail(&c->ec, ERR_CONFIG, "'live_only' needs an event store, and there is none");
    } else if (pr == NULL && p->count == PROJ_MAX) {
        e = ectx_fail(&c->ec, ERR_LIMIT, "there are %u projections, the most that may be",
                      PROJ_MAX);
    }
    d->upcasts = upcasts_matter(p, d) ? upcasts_hash(p) : 0;
    if (e == ERR_OK && upcasts_matter(p, d) && d->upcasts == 0) {
        e = ectx_fail(&c->ec, ERR_NOT_READY, "the event store's upcasts are not known yet");
    }
    struct target_library *library = NULL; /* looked at before the log says that there is one */
    e = e != ERR_OK ? e : projection_library(p, d->driver, &library, &c->ec);
    e = e != ERR_OK || pr == NULL ? e : check_next(pr, d, &c->ec);
    e = e != ERR_OK ? e : check_views(p, pr, d, &c->ec);
    struct registry_change *change = e != ERR_OK ? NULL : registry_change_new(pr, d->name);
    if (e == ERR_OK) {
        e = change == NULL ? ERR_NO_MEMORY : look_since(p, pr, d, change);
        if (e != ERR_OK) {
            (void)ectx_fail(&c->ec, e, "the ends of its topics: %s", err_text(e));
        }
    }
    if (e != ERR_OK) {
        def_destroy(d);
        if (change != NULL) {
            registry_change_free(change);
        }
        answer(c, e);
        return;
    }
    c->internal = p;
    change->add = d;
    change->command = c;
    change->done = applied;
    registry_write(p->registry, change);
}

static void apply(struct proj *p, struct proj_command *c)
{
    struct def *d = NULL;
    enum err e = def_create(c->definition, c->file, 0, &d, &c->ec);
    if (e == ERR_OK && !str_is_null(c->called) && !str_eq(c->called, d->name)) {
        e = ectx_fail(&c->ec, ERR_CONFIG, "%.*s: the projection calls itself '%.*s', not '%.*s'",
                      STR(d->file), STR(d->name), (int)(c->called.n > 80 ? 80 : c->called.n),
                      c->called.p);
        def_destroy(d);
    } else if (e == ERR_OK) {
        e = check_usable(p, d->name, &c->ec);
        if (e != ERR_OK) {
            def_destroy(d);
        }
    }
    if (e != ERR_OK) {
        answer(c, e);
    } else {
        apply_def(p, c, d);
    }
}

static void rebuild(struct proj *p, struct projection *pr, struct proj_command *c)
{
    struct run *served = run_find(pr, pr->served);
    if (served == NULL) {
        answer(c, ectx_fail(&c->ec, ERR_NOT_READY, "no version of '%.*s' is served yet",
                            STR(pr->name)));
        return;
    }
    struct def *d = NULL;
    uint32_t next = CONTAINER_OF(pr->runs.prev, struct run, link)->d->version + 1;
    enum err e = def_create(served->d->text, served->d->file, next, &d, &c->ec);
    if (e != ERR_OK) {
        answer(c, e);
    } else {
        apply_def(p, c, d);
    }
}

/* ---- Changes of what is there */

static void paused(struct registry_change *change)
{
    struct proj_command *c = change->command;
    struct projection *pr = change->pr;
    enum err e = change->err;
    c->ec = change->ec;
    if (e == ERR_OK) {
        pr->paused = change->paused;
        c->version = pr->served != 0 ? pr->served
                                     : CONTAINER_OF(pr->runs.prev, struct run, link)->d->version;
        LIST_FOR_EACH (link, next, &pr->runs) {
            struct run *r = CONTAINER_OF(link, struct run, link);
            r->stopped = r->stopped && pr->paused; /* resume tries again what had stopped */
            r->gone = r->gone && pr->paused;
            LIST_FOR_EACH (at, after, &r->shards) {
                struct shard *s = CONTAINER_OF(at, struct shard, link);
                if (pr->paused) {
                    shard_rewind(s);
                }
            }
        }
    }
    registry_change_free(change);
    answer(c, e);
    projection_go(pr);
}

static void cancelled(struct registry_change *change)
{
    struct proj_command *c = change->command;
    struct run *r = run_find(change->pr, change->without);
    enum err e = change->err;
    c->ec = change->ec;
    registry_change_free(change);
    if (e != ERR_OK || r == NULL || r->dropping) {
        answer(c, e);
    } else {
        run_drop(r, c);
    }
}

static void removing(struct registry_change *change)
{
    struct proj_command *c = change->command;
    struct projection *pr = change->pr;
    enum err e = change->err;
    c->ec = change->ec;
    registry_change_free(change);
    if (e != ERR_OK) {
        answer(c, e);
        return;
    }
    remove_begin(pr, c);
}

/* What it has made can be dropped, or is being dropped already? */
static enum err check_remove(const struct projection *pr, struct ectx *ec)
{
    if (!pr->unreachable || (!pr->reached && !pr->reaching)) {
        return ERR_OK;
    }
    const struct run *r =
        list_empty(&pr->runs) ? NULL : CONTAINER_OF(pr->runs.prev, struct run, link);
    enum err e = ectx_fail(ec, ERR_NOT_READY,
                           "the target of '%.*s' cannot be reached, and its tables are there: %s",
                           STR(pr->name), r != NULL && r->failed ? r->error.text : "no connection");
    ectx_hint(ec, pr->removing ? "its removal goes on when the target is there again"
                               : "nothing was changed: delete it when the target is there again");
    return e;
}

/* May this version go before its time? */
static enum err check_drop(struct projection *pr, struct proj_command *c)
{
    const uint32_t version = c->for_version;
    struct ectx *ec = &c->ec;
    struct run *r = run_find(pr, version);
    if (r == NULL || r->dropping) {
        c->why = PROJ_NO_VERSION;
        return ectx_fail(ec, ERR_NOT_FOUND, "'%.*s' has no version %u", STR(pr->name), version);
    }
    if (!pr->known) {
        return projection_not_open(pr, ec);
    }
    if (version == pr->served) {
        enum err e = ectx_fail(ec, ERR_EXISTS, "version %u is the one that is served", version);
        ectx_hint(ec, "serve another one first, or delete the projection");
        return e;
    }
    return pr->switch_to == NULL && pr->sending == NULL && !pr->actions_waiting
               ? ERR_OK
               : ectx_fail(ec, ERR_BUSY, "a switch is under way, or live-only actions are");
}

static void change(struct proj *p, struct projection *pr, struct proj_command *c)
{
    struct run *building = run_building(pr);
    enum err e = c->kind == PROJ_DROP_VERSION ? check_drop(pr, c)
                 : c->kind == PROJ_REMOVE     ? check_remove(pr, &c->ec)
                                              : ERR_OK;
    if (e != ERR_OK) {
        answer(c, e);
        return;
    }
    if (c->kind == PROJ_CANCEL && (building == NULL || pr->switching)) {
        c->why = PROJ_NO_VERSION;
        answer(c, ectx_fail(&c->ec, ERR_NOT_FOUND, "no version of '%.*s' is being built",
                            STR(pr->name)));
        return;
    }
    struct registry_change *r = registry_change_new(pr, pr->name);
    if (r == NULL) {
        no_memory(c);
        return;
    }
    r->command = c;
    if (c->kind == PROJ_CANCEL || c->kind == PROJ_DROP_VERSION) {
        r->without = c->kind == PROJ_CANCEL ? building->d->version : c->for_version;
        r->done = cancelled;
    } else if (c->kind == PROJ_REMOVE) {
        r->removing = true;
        r->done = removing;
    } else {
        r->paused = c->kind == PROJ_PAUSE;
        r->done = paused;
    }
    registry_write(p->registry, r);
}

/* Where the way back leads: to what was served before, or else to the newest that is kept. */
static struct run *kept(struct projection *pr)
{
    struct run *newest = NULL;
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        if (r->drop_at_ms < 0 || r->dropping || r->d->version == pr->served) {
            continue;
        }
        newest = r;
        if (r->d->version == pr->previous) {
            break;
        }
    }
    return newest;
}

/* Why a version cannot be served now: it lags, or it does nothing any more. */
static enum err why_behind(struct run *r, struct proj_command *c)
{
    const uint32_t version = r->d->version;
    uint64_t lag = 0;
    LIST_FOR_EACH (link, next, &r->shards) {
        int64_t end = 0;
        lag += shard_lag(CONTAINER_OF(link, struct shard, link), &end);
    }
    if (r->stopped) {
        c->why = PROJ_VERSION_STOPPED;
        enum err e =
            ectx_fail(&c->ec, ERR_EXISTS, "version %u has stopped: %s", version, r->error.text);
        ectx_hint(&c->ec, "leat projection resume %.*s lets it try again", STR(r->d->name));
        return e;
    }
    return lag == 0 ? ectx_fail(&c->ec, ERR_BEHIND, "version %u has only just begun", version)
                    : ectx_fail(&c->ec, ERR_BEHIND, "version %u is %llu events behind", version,
                                (unsigned long long)lag);
}

static void change_served(struct projection *pr, struct proj_command *c)
{
    bool back = c->kind == PROJ_ROLLBACK;
    struct run *to = back ? kept(pr) : run_building(pr);
    if (!pr->known || pr->switch_to != NULL) {
        answer(c, ectx_fail(&c->ec, pr->known ? ERR_BUSY : ERR_NOT_READY,
                            pr->known ? "a switch is under way" : "the target is not open yet"));
    } else if (to == NULL || to->dropping) {
        c->why = PROJ_NO_VERSION;
        answer(c, ectx_fail(&c->ec, ERR_NOT_FOUND,
                            back ? "no version is kept any more" : "no version is being built"));
    } else if (!run_is_near(to) && (!back || !run_may_apply(to))) {
        /* One that is kept is near all the time: the hold is enough for it, under any load. */
        c->version = to->d->version;
        answer(c, why_behind(to, c));
    } else {
        switch_begin(pr, to, c);
    }
}

void proj_command(struct proj *p, struct proj_command *c)
{
    c->created = false;
    c->why = PROJ_WHY_NONE;
    c->version = 0;
    c->applied_name = STR_NULL;
    c->applied = c->skipped = c->parked = 0;
    c->reason = STR_NULL;
    memset(&c->ec, 0, sizeof(c->ec));
    if (!p->ready || p->stopping) {
        answer(c, ectx_fail(&c->ec, p->stopping ? ERR_STOPPED : ERR_NOT_READY,
                            p->stopping ? "stopping" : "projections are not known yet"));
        return;
    }
    if (c->kind == PROJ_APPLY) {
        apply(p, c);
        return;
    }
    struct projection *pr = projection_find(p, c->name);
    enum err e = check_usable(p, c->name, &c->ec);
    if (e == ERR_OK && pr == NULL) {
        e = ectx_fail(&c->ec, ERR_NOT_FOUND, "there is no projection '%.*s'",
                      (int)(c->name.n > 80 ? 80 : c->name.n), c->name.p);
    }
    if (e != ERR_OK) {
        answer(c, e);
        return;
    }
    if (pr->removing) {
        e = c->kind != PROJ_REMOVE || pr->remove_command != NULL
                ? ectx_fail(&c->ec, ERR_BUSY, "'%.*s' is being removed", STR(pr->name))
                : check_remove(pr, &c->ec);
        if (e != ERR_OK) {
            answer(c, e);
        } else {
            remove_begin(pr, c);
        }
        return;
    }
    bool stored = c->kind == PROJ_REBUILD || c->kind == PROJ_CANCEL || c->kind == PROJ_PAUSE ||
                  c->kind == PROJ_RESUME || c->kind == PROJ_REMOVE || c->kind == PROJ_DROP_VERSION;
    if (stored && registry_is_busy(p->registry, pr->name)) {
        answer(c,
               ectx_fail(&c->ec, ERR_BUSY, "another change of '%.*s' is under way", STR(pr->name)));
    } else if (c->kind == PROJ_REBUILD) {
        rebuild(p, pr, c);
    } else if (stored) {
        change(p, pr, c);
    } else if (c->kind == PROJ_SWITCH || c->kind == PROJ_ROLLBACK) {
        change_served(pr, c);
    } else {
        parked_key_command(pr, c);
    }
}
