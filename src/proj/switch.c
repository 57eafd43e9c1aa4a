/*
 * Serving another version: one transaction that replaces the views and the row that says so.
 *
 * Readers never see time go back: the version that is served now is held (it applies nothing) until
 * the other one has, shard by shard, at least what it has; then the switch. If that takes too long,
 * the hold ends and the switch failed; a version that was built by itself tries again later, after
 * a pause that grows, and says why.
 */
#include <string.h>

#include "core/compiler.h"
#include "core/log.h"
#include "core/mem.h"
#include "proj/feed.h"

#define SQL_BYTES_MAX (64u << 10)

/* Can the view of one version become that of the other as it stands? PostgreSQL lets a view keep
 * its columns and have more behind them. What somebody made on top of it, and who may read it,
 * stays then. */
static bool can_replace(const struct target_driver *driver, const struct def *from,
                        const struct def_table *to)
{
    const struct def_table *t = from == NULL ? NULL : def_table_find(from, to->name);
    if (driver != &target_postgres || t == NULL || t->column_count > to->column_count) {
        return false;
    }
    for (size_t i = 0; i < t->column_count; i++) {
        if (!str_eq(t->columns[i].name, to->columns[i].name) ||
            t->columns[i].type != to->columns[i].type) {
            return false;
        }
    }
    return true;
}

static void drop_view(struct str name, struct buf *sql)
{
    buf_put_z(sql, "DROP VIEW IF EXISTS ");
    def_put_name(sql, name);
    buf_put_z(sql, ";\n");
}

/* Views: of the one not served any more they go, of the other they come. */
static void write_views(const struct target_driver *driver, const struct def *from,
                        const struct def *to, struct buf *sql)
{
    for (size_t i = 0; from != NULL && i < from->table_count; i++) {
        const struct def_table *t = def_table_find(to, from->tables[i].name);
        if (t == NULL || !can_replace(driver, from, t)) {
            drop_view(from->tables[i].name, sql);
        }
    }
    for (size_t i = 0; i < to->table_count; i++) {
        const struct def_table *t = &to->tables[i];
        buf_put_z(sql, can_replace(driver, from, t) ? "CREATE OR REPLACE VIEW " : "CREATE VIEW ");
        def_put_name(sql, t->name);
        buf_put_z(sql, " AS SELECT * FROM ");
        def_put_table(sql, t->name, to->version);
        buf_put_z(sql, ";\n");
    }
}

/* Of the other version's actions those go that the served one has dealt with (see action.c). One of
 * the served one that waits was written while it became the served one. */
static void open_actions(const struct def *from, const struct def *to, struct buf *sql)
{
    buf_printf(
        sql,
        "DELETE FROM leat_action WHERE projection = '%.*s' AND version = %u AND gated = 1 "
        "AND record_offset < (SELECT o.position FROM leat_checkpoint o JOIN leat_checkpoint n "
        "ON n.projection = o.projection AND n.shard = o.shard AND n.topic_id = o.topic_id AND "
        "n.version = leat_action.version WHERE o.projection = "
        "'%.*s' AND o.version = %u AND o.shard = leat_action.shard) AND NOT EXISTS (SELECT "
        "1 FROM leat_parked p WHERE p.projection = '%.*s' AND p.version = %u AND p.shard = "
        "leat_action.shard AND p.record_offset = leat_action.record_offset);\n",
        STR(to->name), to->version, STR(to->name), from->version, STR(to->name), from->version);
    buf_printf(sql,
               "UPDATE leat_action SET gated = 0 WHERE projection = '%.*s' AND version IN (%u, %u) "
               "AND gated = 1;\n",
               STR(to->name), from->version, to->version);
}

MUST_USE enum err switch_write(const struct target_driver *driver, struct target_db *db,
                               const struct def *from, const struct def *to, int64_t now_ms,
                               struct ectx *ec)
{
    for (size_t i = 0; i < to->table_count; i++) {
        const struct str view = to->tables[i].name;
        bool ours = from != NULL && def_table_find(from, view) != NULL;
        enum err free = ours ? ERR_OK : apply_name_is_free(driver, db, view, ec);
        if (free != ERR_OK) {
            return free;
        }
    }
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    write_views(driver, from, to, &sql);
    buf_printf(&sql,
               "UPDATE leat_projection SET previous = %u, served = %u, switched_at = %lld WHERE "
               "projection = '%.*s';\n",
               from == NULL ? 0 : from->version, to->version, (long long)now_ms, STR(to->name));
    buf_printf(&sql,
               "UPDATE leat_version SET drop_at = NULL WHERE projection = '%.*s' AND version = "
               "%u;\n",
               STR(to->name), to->version);
    if (from != NULL) {
        buf_printf(&sql,
                   "UPDATE leat_version SET drop_at = %lld WHERE projection = '%.*s' AND version = "
                   "%u;\n",
                   (long long)(now_ms + to->keep_ms), STR(to->name), from->version);
    }
    if (from != NULL) {
        open_actions(from, to, &sql);
    }
    buf_put_u8(&sql, 0);
    enum err e = buf_failed(&sql) ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory")
                                  : driver->exec(db, (const char *)sql.p, ec);
    buf_deinit(&sql);
    return e;
}

/* ---- On the worker */

struct behind {
    int64_t count;
};
static bool take_count(void *ctx, const struct mapping_value *values, size_t count)
{
    struct behind *b = ctx;
    (void)count;
    b->count = values[0].integer;
    return false;
}

/* Is there a shard in which the other version has less? In the transaction, so that it stays so.
 * What this one has of a topic that was made anew since, or that the other one does not read, is
 * nothing that the other one could have.
 */
static enum err check_behind(struct lane *l, const struct def *from, const struct def *to,
                             struct ectx *ec)
{
    const struct target_driver *driver = l->pr->driver;
    struct target_stmt *s = NULL;
    struct behind b = {0};
    const struct mapping_value params[] = {{.kind = MAPPING_TEXT, .text = to->name},
                                           {.kind = MAPPING_INT, .integer = from->version},
                                           {.kind = MAPPING_INT, .integer = to->version}};
    enum err e = driver->prepare(
        l->db,
        STR_LIT("SELECT COUNT(*) FROM leat_checkpoint o WHERE o.projection = $1 AND o.version = $2 "
                "AND NOT EXISTS (SELECT 1 FROM leat_checkpoint n WHERE n.projection = o.projection "
                "AND n.version = $3 AND n.shard = o.shard AND n.position >= o.position) "
                "AND EXISTS (SELECT 1 FROM leat_checkpoint r WHERE r.projection = o.projection "
                "AND r.version = $3 AND "
                "RTRIM(r.shard, '0123456789') = RTRIM(o.shard, '0123456789')) "
                "AND NOT EXISTS (SELECT 1 FROM leat_checkpoint t WHERE t.projection = o.projection "
                "AND t.version = $3 AND t.topic_id <> o.topic_id AND "
                "RTRIM(t.shard, '0123456789') = RTRIM(o.shard, '0123456789'))"),
        &s, ec);
    e = e != ERR_OK ? e : driver->query(s, params, ARRAY_LEN(params), take_count, &b, ec);
    driver->finalize(s);
    return e == ERR_OK && b.count > 0
               ? ectx_fail(ec, ERR_BEHIND, "version %u is behind version %u in %lld partitions",
                           to->version, from->version, (long long)b.count)
               : e;
}

static void switch_run(struct work *w)
{
    struct projection *pr = CONTAINER_OF(w, struct projection, switch_work);
    struct lane *l = w->lane;
    const struct target_driver *driver = pr->driver;
    const struct run *from = pr->switch_from;
    const struct def *to = pr->switch_to->d;
    if (l->db == NULL) {
        w->err = ectx_fail(&w->ec, ERR_CLOSED, "no connection");
        return;
    }
    /* What was told must stay: a switch is on the disk before it is acknowledged. */
    enum err e = driver->set_durable(l->db, true, &w->ec);
    e = e != ERR_OK ? e : driver->exec(l->db, driver->begin, &w->ec);
    if (e == ERR_OK) {
        e = check_behind(l, from->d, to, &w->ec);
        e = e != ERR_OK ? e
                        : switch_write(driver, l->db, from->d, to, env_wall_ms(pr->p->env), &w->ec);
        e = e != ERR_OK ? e : driver->exec(l->db, "COMMIT", &w->ec);
        if (e != ERR_OK) {
            IGNORE(driver->exec(l->db, "ROLLBACK", NULL) == ERR_OK);
        }
    }
    IGNORE(driver->set_durable(l->db, false, NULL) == ERR_OK);
    w->err = e;
}

/* ---- On the loop */

static void end(struct projection *pr, enum err e, const struct ectx *ec)
{
    struct proj_command *c = pr->switch_command;
    struct run *to = pr->switch_to;
    pr->switch_to = NULL;
    pr->switch_command = NULL;
    if (e == ERR_OK) {
        to->hindered = false;
        to->switch_pause = (struct pause){0};
    } else if (c == NULL) {
        run_hindered(to, ec);
        pause_grow(&to->switch_pause, env_mono_ns(pr->p->env));
    }
    if (c != NULL) {
        c->err = e;
        if (e != ERR_OK) {
            c->ec = *ec;
        }
        if (e == ERR_CLOSED) {
            IGNORE(ectx_wrap(&c->ec, e, "it is not known whether that was done") == e);
            ectx_hint(&c->ec,
                      "look at what is served before you repeat it: leat projection show "
                      "%.*s",
                      STR(pr->name));
        }
        c->version = to->d->version;
        c->done(c);
    }
}

void switch_fail(struct projection *pr, enum err e, const struct ectx *ec)
{
    if (pr->switch_to != NULL && !pr->switching) {
        end(pr, e, ec);
    }
}

/* What could be tried again, if the version were not on its way out. */
static enum err fail_dropping(const struct projection *pr, struct ectx *ec)
{
    return ectx_fail(ec, ERR_ABORTED, "version %u is being dropped", pr->switch_to->d->version);
}

void switch_dropped(struct run *r)
{
    struct projection *pr = r->pr;
    if (pr->switch_to == r) {
        struct ectx ec;
        switch_fail(pr, fail_dropping(pr, &ec), &ec);
    }
}

static void switch_done(struct work *w)
{
    struct projection *pr = CONTAINER_OF(w, struct projection, switch_work);
    pr->switching = false;
    pr->work_pending--;
    bool again = w->err == ERR_AGAIN || w->err == ERR_BEHIND;
    bool leaves = pr->removing || pr->switch_to->dropping; /* that came while it was under way */
    /* By itself it does not hold the served version for a view that somebody reads for long. */
    bool waits = w->err == ERR_BEHIND || pr->switch_command != NULL;
    if (again && waits && !leaves && !pr->p->stopping &&
        env_mono_ns(pr->p->env) < pr->switch_deadline_ns) {
        return; /* it is tried again as soon as something moved */
    }
    if (again && leaves) {
        w->err = fail_dropping(pr, &w->ec);
    } else if (again && pr->p->stopping) {
        w->err = ectx_fail(&w->ec, ERR_STOPPED, "stopping");
    }
    if (w->err == ERR_OK) {
        struct run *from = run_find(pr, pr->served);
        pr->previous = pr->served;
        pr->served = pr->switch_to->d->version;
        pr->switch_to->drop_at_ms = -1;
        from->drop_at_ms = env_wall_ms(pr->p->env) + pr->switch_to->d->keep_ms;
        LOG_INFO("projection.switched", KV_STR("projection", pr->name),
                 KV_U64("from", pr->previous), KV_U64("to", pr->served));
        pr->actions_waiting =
            pr->actions_waiting || from->d->has_actions || pr->switch_to->d->has_actions;
        feed_switched(pr);
    } else if (lane_is_lost(w->err)) {
        lane_fail(w->lane, &w->ec);
    } else if (w->err == ERR_CONFIG) { /* what is in the target does not permit it */
        w->err = ERR_EXISTS;
        w->ec.code = ERR_EXISTS;
        if (w->ec.hint[0] == 0) {
            ectx_hint(&w->ec,
                      "drop what was made on top of the view, and make it again afterwards");
        }
    }
    end(pr, w->err, &w->ec);
    projection_go(pr);
    actions_send(pr);
}

bool switch_holds(const struct projection *pr, const struct run *r)
{
    return pr->switch_to != NULL && pr->switch_to != r;
}

void switch_begin(struct projection *pr, struct run *to, struct proj_command *c)
{
    pr->switch_to = to;
    pr->switch_command = c;
    uint64_t now = env_mono_ns(pr->p->env);
    pause_begin(&to->switch_pause, now);
    pr->switch_deadline_ns = now + SWITCH_HOLD_NS;
    switch_go(pr);
}

static bool reads_topic(const struct def *d, struct str topic)
{
    for (size_t i = 0; i < d->topic_count; i++) {
        if (str_eq(d->topics[i], topic)) {
            return true;
        }
    }
    return false;
}

/* Nothing of the held version is under way, and the other one has what it has, of the topics that
 * it reads? */
static bool is_due(const struct projection *pr, struct run *from)
{
    for (unsigned i = 0; i < pr->driver->lanes; i++) {
        if (pr->lanes[i].batch_run == from) {
            return false;
        }
    }
    LIST_FOR_EACH (link, next, &pr->switch_to->shards) {
        struct shard *t = CONTAINER_OF(link, struct shard, link);
        if (t->mine && t->claim != CLAIM_HELD) {
            return false; /* its topic may be another one than it has read */
        }
    }
    LIST_FOR_EACH (link, next, &from->shards) {
        struct shard *s = CONTAINER_OF(link, struct shard, link);
        struct shard *t = shard_find(pr->switch_to, s->topic, s->partition);
        struct engine_topic topic;
        if (!reads_topic(pr->switch_to->d, s->topic)) {
            continue;
        }
        if (engine_topic_get(pr->p->e, s->topic, &topic) && s->partition >= topic.partition_count) {
            continue; /* the topic was made anew, with fewer */
        }
        if (t == NULL || t->claim != CLAIM_HELD) {
            return false;
        }
        if (s->other_topic || (from->stopped && s->claim != CLAIM_HELD)) {
            continue; /* it cannot be claimed: check_behind asks the target */
        }
        if (s->claim != CLAIM_HELD || t->next_offset < s->next_offset) {
            return false;
        }
    }
    return true;
}

void switch_go(struct projection *pr)
{
    struct run *from = run_find(pr, pr->served);
    if (pr->switch_to == NULL || pr->switching) {
        return;
    }
    if (env_mono_ns(pr->p->env) >= pr->switch_deadline_ns) {
        struct ectx ec;
        (void)ectx_fail(&ec, ERR_BEHIND, "version %u has not caught up with version %u in time",
                        pr->switch_to->d->version, pr->served);
        end(pr, ERR_BEHIND, &ec);
        projection_go(pr);
        return;
    }
    /* What is on its way into the log may be that one of the two is dropped. */
    if (from != NULL && !registry_is_busy(pr->p->registry, pr->name) && is_due(pr, from)) {
        pr->switching = true;
        pr->switch_from = from;
        pr->work_pending++;
        pr->switch_work = (struct work){.run = switch_run, .done = switch_done};
        lane_submit(&pr->lanes[0], &pr->switch_work);
    }
}
