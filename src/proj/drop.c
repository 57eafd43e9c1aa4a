/*
 * A version goes: first the log says so, then it leaves its group, then, when nothing of it is
 * under way, its tables and rows are dropped. Cut short after the first step, the next start finds
 * tables that no definition speaks of, and drops them; so does the removal of the projection.
 */
#include "core/check.h"
#include "core/compiler.h"
#include "core/log.h"
#include "core/mem.h"
#include "proj/proj_int.h"

/* Are our own tables there? */
static enum err look_for_ours(struct lane *l, bool *there, struct ectx *ec)
{
    const struct mapping_value table = {.kind = MAPPING_TEXT, .text = STR_LIT("leat_version")};
    int64_t count = 0;
    enum err e = apply_ask(l->pr->driver, l->db, l->pr->driver->has_table, &table, 1, &count, ec);
    *there = count > 0;
    return e;
}

/* What of a version is there. What could not be made (a table of somebody else has its name) is
 * not ours to drop. */
struct made {
    bool ours; /* our own tables */
    bool tables, served;
};
static enum err look_at(struct lane *l, const struct def *d, struct made *out, struct ectx *ec)
{
    const struct target_driver *driver = l->pr->driver;
    const struct mapping_value params[] = {{.kind = MAPPING_TEXT, .text = d->name},
                                           {.kind = MAPPING_INT, .integer = d->version}};
    int64_t there = 0;
    int64_t served = 0;
    bool ours = false;
    enum err e = look_for_ours(l, &ours, ec);
    if (e != ERR_OK || !ours) {
        return e;
    }
    e = apply_ask(driver, l->db,
                  "SELECT COUNT(*) FROM leat_version WHERE projection = $1 AND version = $2",
                  params, ARRAY_LEN(params), &there, ec);
    e = e != ERR_OK ? e
                    : apply_ask(driver, l->db,
                                "SELECT COUNT(*) FROM leat_projection WHERE projection = $1 AND "
                                "served = $2",
                                params, ARRAY_LEN(params), &served, ec);
    *out = (struct made){.ours = true, .tables = there > 0, .served = served > 0};
    return e;
}

/* A whole transaction. The log says already that the version went, and its number may be taken
 * again: so it is on the disk before that can happen. */
static enum err exec_drop(struct lane *l, struct buf *sql, struct ectx *ec)
{
    const struct target_driver *driver = l->pr->driver;
    buf_put_z(sql, "COMMIT;\n");
    buf_put_u8(sql, 0);
    if (buf_failed(sql)) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    enum err e = driver->set_durable(l->db, true, ec);
    if (e == ERR_OK) {
        e = driver->exec(l->db, (const char *)sql->p, ec);
        if (e != ERR_OK) {
            IGNORE(driver->exec(l->db, "ROLLBACK", NULL) == ERR_OK);
        }
    }
    IGNORE(driver->set_durable(l->db, false, NULL) == ERR_OK);
    return e;
}

/* ---- Versions that have tables here and are not known any more: a drop that was cut short */

struct orphans {
    const uint32_t *known;
    size_t known_count;
    struct str name;
    struct buf sql;
    size_t count;
};
static bool take_orphan(void *ctx, const struct mapping_value *values, size_t count)
{
    struct orphans *f = ctx;
    (void)count;
    for (size_t i = 0; i < f->known_count; i++) {
        if (f->known[i] == (uint32_t)values[0].integer) {
            return true;
        }
    }
    f->count++;
    def_write_drop(f->name, (uint32_t)values[0].integer, values[1].text, &f->sql);
    return true;
}

MUST_USE enum err drop_orphans(struct lane *l, const uint32_t *known, size_t count, struct ectx *ec)
{
    const struct target_driver *driver = l->pr->driver;
    const struct mapping_value name = {.kind = MAPPING_TEXT, .text = l->pr->name};
    struct orphans f = {.known = known, .known_count = count, .name = l->pr->name};
    struct target_stmt *s = NULL;
    bool ours = false;
    enum err e = look_for_ours(l, &ours, ec);
    if (e != ERR_OK || !ours) {
        return e;
    }
    buf_init(&f.sql, 256u << 10);
    buf_printf(&f.sql, "%s;\n", driver->begin);
    e = driver->prepare(
        l->db, STR_LIT("SELECT version, tables FROM leat_version WHERE projection = $1"), &s, ec);
    e = e != ERR_OK ? e : driver->query(s, &name, 1, take_orphan, &f, ec);
    driver->finalize(s);
    if (e == ERR_OK && f.count > 0) {
        e = exec_drop(l, &f.sql, ec);
    }
    buf_deinit(&f.sql);
    return e;
}

/* ---- A version that is known */

static void drop_run(struct work *w)
{
    struct run *r = CONTAINER_OF(w, struct run, drop_work);
    struct lane *l = w->lane;
    const struct target_driver *driver = r->pr->driver;
    apply_destroy(r->apply[l->index]);
    r->apply[l->index] = NULL;
    struct buf names;
    struct buf sql;
    buf_init(&names, DEF_NAMES_BYTES);
    buf_init(&sql, 64u << 10); /* the names of its tables are the most */
    def_write_names(r->d, &names);
    struct made made = {0};
    w->err = l->db == NULL ? ectx_fail(&w->ec, ERR_CLOSED, "no connection to the target")
                           : look_at(l, r->d, &made, &w->ec);
    if (r->pr->removing && w->err == ERR_OK) {
        w->err = drop_orphans(l, r->drop_known, r->drop_known_count, &w->ec);
    }
    buf_printf(&sql, "%s;\n", driver->begin);
    for (size_t i = 0; r->pr->removing && made.served && i < r->d->table_count; i++) {
        buf_put_z(&sql, "DROP VIEW IF EXISTS ");
        def_put_name(&sql, r->d->tables[i].name);
        buf_put_z(&sql, ";\n");
    }
    if (made.tables) {
        def_write_drop(r->d->name, r->d->version, buf_str(&names), &sql);
    }
    if (r->pr->removing) {
        buf_printf(&sql,
                   "DELETE FROM leat_projection WHERE projection = '%.*s' AND NOT EXISTS (SELECT 1 "
                   "FROM leat_version v WHERE v.projection = leat_projection.projection);\n",
                   STR(r->d->name));
    }
    if (w->err == ERR_OK && buf_failed(&names)) {
        w->err = ectx_fail(&w->ec, ERR_NO_MEMORY, "out of memory");
    } else if (w->err == ERR_OK && (made.tables || (made.ours && r->pr->removing))) {
        w->err = exec_drop(l, &sql, &w->ec);
    }
    buf_deinit(&names);
    buf_deinit(&sql);
}

void run_drop_answer(struct run *r, enum err e, const struct ectx *ec)
{
    struct proj_command *c = r->drop_command;
    r->drop_command = NULL;
    if (c != NULL) {
        c->version = r->d->version;
        c->err = e;
        if (e != ERR_OK) {
            c->ec = *ec;
        }
        c->done(c);
    }
}

static void drop_done(struct work *w)
{
    struct run *r = CONTAINER_OF(w, struct run, drop_work);
    struct projection *pr = r->pr;
    pr->work_pending--;
    if (w->err != ERR_OK) {
        /* It is a matter of the next start then, if not of the next second. */
        r->failed = true;
        r->error = w->ec;
        r->drop_sent = false;
        pause_grow(&r->drop_pause, env_mono_ns(pr->p->env));
        if (lane_is_lost(w->err) || w->err == ERR_READ_ONLY) { /* another may be able to write */
            lane_fail(w->lane, &w->ec);
        }
        return;
    }
    LOG_INFO("projection.dropped", KV_STR("projection", pr->name),
             KV_U64("version", r->d->version));
    char group[RUN_GROUP];
    engine_group_forget(pr->p->e, str_of(run_group(r, group)));
    struct proj_command *c = r->drop_command;
    uint32_t version = r->d->version;
    run_destroy(r);
    if (c != NULL) {
        c->version = version;
        c->err = ERR_OK;
        c->done(c);
    }
    projection_go(pr);
}

void run_drop(struct run *r, struct proj_command *c)
{
    r->dropping = true;
    r->drop_command = c;
    r->drop_deadline_ns = env_mono_ns(r->pr->p->env) + REMOVE_WAIT_NS;
    switch_dropped(r);
    run_leave(r);
    r->pr->retry_ns = 0; /* a connection that is to be made anew is so now */
    run_drop_go(r);
}

void run_drop_tick(struct run *r, uint64_t now)
{
    if (r->drop_command != NULL && now >= r->drop_deadline_ns) {
        struct ectx ec;
        enum err e = ectx_fail(&ec, ERR_REQUEST_TIMED_OUT,
                               "version %u is being dropped, and that goes on by itself: %s",
                               r->d->version, r->failed ? r->error.text : "it takes its time");
        run_drop_answer(r, e, &ec);
    }
}

static bool is_busy(const struct run *r)
{
    if (r->telling || r->indexing || (r->pr->switching && r->pr->switch_to == r)) {
        return true;
    }
    for (unsigned i = 0; i < r->pr->driver->lanes; i++) {
        if (r->pr->lanes[i].batch_run == r || r->pr->lanes[i].opening) {
            return true;
        }
    }
    LIST_FOR_EACH (link, next, &((struct run *)(uintptr_t)r)->shards) {
        if (CONTAINER_OF(link, struct shard, link)->claim == CLAIM_PENDING) {
            return true;
        }
    }
    return r->calls > 0 || r->queries > 0;
}

void run_drop_go(struct run *r)
{
    const struct lane *l = &r->pr->lanes[0];
    uint64_t now = env_mono_ns(r->pr->p->env);
    if (r->dropping && !r->drop_sent && r->pr->unreachable) {
        /* The log says so, that counts: its tables go when the target can be reached. */
        run_drop_answer(r, ERR_OK, NULL);
    }
    if (r->dropping && r->pr->p->stopping) { /* likewise, with the next start */
        run_drop_answer(r, ERR_OK, NULL);
    }
    /* Without a connection it would fail, and each failure puts off the next attempt to connect. */
    if (!r->dropping || r->drop_sent || r->pr->p->stopping || !l->connected || l->broken ||
        is_busy(r) || now < r->drop_pause.until_ns) {
        return;
    }
    r->drop_sent = true;
    pause_begin(&r->drop_pause, now);
    r->drop_known_count = 0;
    LIST_FOR_EACH (link, next, &r->pr->runs) {
        CHECK(r->drop_known_count < PROJ_VERSIONS_MAX);
        r->drop_known[r->drop_known_count++] = CONTAINER_OF(link, struct run, link)->d->version;
    }
    r->pr->work_pending++;
    r->drop_work = (struct work){.run = drop_run, .done = drop_done};
    lane_submit(&r->pr->lanes[0], &r->drop_work);
}
