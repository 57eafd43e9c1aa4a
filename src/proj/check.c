/*
 * Trying a definition: over the events that the log has now, into a database in memory. Reads on
 * the loop, applies on a worker, partition by partition; then the rows as JSON. Whatever the target
 * is, the scratch is SQLite. Views of others that are looked up are there, but empty.
 */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "core/map.h"
#include "core/mem.h"
#include "proj/proj_int.h"
#include "proj/query_int.h"
#include "proj/upcasts.h"
#include "json/json.h"

#define CHECK_READ_BYTES   (1u << 20)
#define CHECK_WAIT_NS      100000000u /* for an engine that has nothing yet */
#define CHECK_RESULT_BYTES (16u << 20)
#define CHECK_PAGES_MAX    65536 /* of 4 KiB: 256 MiB */
#define CHECK_PARKED_SHOWN 100u

struct check {
    struct list link;
    struct proj *p;
    struct proj_check *call;
    struct def *d;
    struct target_db *db;
    struct apply *apply;
    struct upcasts *upcasts;
    struct env_job job;
    struct engine_read read;
    struct arena arena;
    bool reading; /* a read is under way */
    bool held;    /* its batches are ours to give back */
    size_t topic;
    int32_t partition;
    int64_t end; /* of the partition, when its turn came */
    char shard[320];
    bool claim;
    struct apply_claim claim_call;
    struct apply_read apply_read;
    struct apply_counts counts;
    enum err err;
    struct ectx ec;
    struct buf result;
    struct json_writer w;
    size_t rows;
};

static void check_free(struct check *c)
{
    list_remove(&c->link);
    c->p->check_count--;
    if (c->held) {
        engine_read_release(c->p->e, &c->read);
    }
    apply_destroy(c->apply);
    upcasts_unref(c->upcasts);
    target_sqlite.close(c->db);
    def_destroy(c->d);
    arena_deinit(&c->arena);
    buf_deinit(&c->result);
    mem_free(c);
}

static void finish(struct check *c, enum err e)
{
    struct proj_check *call = c->call;
    call->err = e;
    if (e != ERR_OK) {
        call->ec = c->ec;
    } else {
        call->result = arena_str(call->arena, buf_str(&c->result));
        if (str_is_null(call->result)) {
            call->err = ectx_fail(&call->ec, ERR_NO_MEMORY, "out of memory");
        }
    }
    struct proj *p = c->p;
    check_free(c);
    call->done(call);
    proj_ended(p);
}

static void submit(struct check *c, void (*run)(struct env_job *job),
                   void (*done)(struct env_job *job))
{
    c->job.run = run;
    c->job.done = done;
    env_job_submit(c->p->poll, ENV_LANE_QUERY, &c->job);
}

/* ---- The rows, on the worker */

static bool write_row(void *ctx, const struct mapping_value *values, size_t count)
{
    struct check *c = ctx;
    const struct def_table *t = &c->d->tables[c->topic];
    json_write_begin(&c->w, '{');
    for (size_t i = 0; i < count; i++) {
        query_write_cell(&c->w, &t->columns[i], &values[i]);
    }
    json_write_end(&c->w, '}');
    return !buf_failed(&c->result);
}
static bool write_count(void *ctx, const struct mapping_value *values, size_t count)
{
    struct check *c = ctx;
    (void)count;
    json_write_member_i64(&c->w, "rows", values[0].integer);
    return false;
}
static bool write_parked(void *ctx, const struct mapping_value *values, size_t count)
{
    static const char *const names[] = {"key", "shard", "offset", "type", "reason"};
    struct check *c = ctx;
    json_write_begin(&c->w, '{');
    for (size_t i = 0; i < count && i < ARRAY_LEN(names); i++) {
        json_write_name(&c->w, names[i]);
        mapping_write_value(&c->w, &values[i]);
    }
    json_write_end(&c->w, '}');
    return !buf_failed(&c->result);
}

static enum err ask(struct check *c, struct str sql, target_row_fn row)
{
    struct target_stmt *s = NULL;
    enum err e = target_sqlite.prepare(c->db, sql, &s, &c->ec);
    e = e != ERR_OK ? e : target_sqlite.query(s, NULL, 0, row, c, &c->ec);
    target_sqlite.finalize(s);
    return e;
}

static enum err ask_table(struct check *c, const struct def_table *t, bool rows)
{
    struct buf sql;
    buf_init(&sql, 65536);
    buf_put_z(&sql, rows ? "SELECT " : "SELECT COUNT(*)");
    for (size_t i = 0; rows && i < t->column_count; i++) {
        buf_put_z(&sql, i == 0 ? "" : ", ");
        def_put_name(&sql, t->columns[i].name);
    }
    buf_put_z(&sql, " FROM ");
    def_put_table(&sql, t->name, c->d->version);
    for (size_t i = 0; rows && i < t->key_count; i++) {
        buf_put_z(&sql, i == 0 ? " ORDER BY " : ", ");
        def_put_name(&sql, t->columns[t->key[i]].name);
    }
    if (rows) {
        buf_printf(&sql, " LIMIT %zu", c->call->rows_max == 0 ? 100 : c->call->rows_max);
    }
    enum err e = ask(c, buf_str(&sql), rows ? write_row : write_count);
    buf_deinit(&sql);
    return e;
}

static void result_run(struct env_job *job)
{
    struct check *c = CONTAINER_OF(job, struct check, job);
    enum err e = ERR_OK;
    json_write_begin(&c->w, '{');
    json_write_name(&c->w, "tables");
    json_write_begin(&c->w, '{');
    for (size_t i = 0; i < c->d->table_count && e == ERR_OK; i++) {
        c->topic = i;
        json_write_name_str(&c->w, c->d->tables[i].name);
        json_write_begin(&c->w, '{');
        e = ask_table(c, &c->d->tables[i], false);
        json_write_name(&c->w, "first");
        json_write_begin(&c->w, '[');
        e = e != ERR_OK ? e : ask_table(c, &c->d->tables[i], true);
        json_write_end(&c->w, ']');
        json_write_end(&c->w, '}');
    }
    json_write_end(&c->w, '}');
    json_write_name(&c->w, "parked");
    json_write_begin(&c->w, '[');
    char sql[160];
    int n = snprintf(sql, sizeof(sql),
                     "SELECT event_key, shard, record_offset, event_type, reason FROM leat_parked "
                     "ORDER BY shard, record_offset LIMIT %u",
                     CHECK_PARKED_SHOWN);
    e = e != ERR_OK ? e : ask(c, str_make(sql, (size_t)n), write_parked);
    json_write_end(&c->w, ']');
    json_write_end(&c->w, '}');
    if (e == ERR_OK && buf_failed(&c->result)) {
        e = ectx_fail(&c->ec, ERR_LIMIT, "the result is larger than %u bytes: ask for fewer rows",
                      CHECK_RESULT_BYTES);
    }
    c->err = e;
}

static void result_done(struct env_job *job)
{
    struct check *c = CONTAINER_OF(job, struct check, job);
    finish(c, c->err);
}

/* ---- Partition by partition */

static void next(struct check *c);

static void apply_run(struct env_job *job)
{
    struct check *c = CONTAINER_OF(job, struct check, job);
    c->err = c->claim ? apply_claim(c->apply, &c->claim_call, &c->ec)
                      : apply_reads(c->apply, &c->apply_read, 1, 0, &c->counts, &c->ec);
}

static void apply_done(struct env_job *job)
{
    struct check *c = CONTAINER_OF(job, struct check, job);
    int64_t at = c->claim ? c->claim_call.next_offset : c->apply_read.next_offset;
    if (c->held) {
        engine_read_release(c->p->e, &c->read);
        c->held = false;
        arena_reset(&c->arena, CHECK_READ_BYTES);
    }
    if (!c->claim && c->err == ERR_OK) {
        c->call->events += c->counts.events;
        c->call->applied += c->counts.applied;
        c->call->parked += c->counts.parked;
        c->call->skipped += c->counts.skipped;
        if (c->apply_read.stopped) {
            c->err = ectx_fail(&c->ec, ERR_MALFORMED, "%s at %lld: %s", c->shard, (long long)at,
                               c->counts.reason);
        }
    }
    if (c->err == ERR_NO_SPACE) {
        (void)ectx_fail(&c->ec, ERR_LIMIT, "the result does not fit into the scratch database");
        ectx_hint(&c->ec, "try it on fewer events");
        c->err = ERR_LIMIT;
    }
    c->claim = false;
    c->apply_read.from = at;
    if (c->p->stopping && c->err == ERR_OK) {
        c->err = ectx_fail(&c->ec, ERR_STOPPED, "stopping");
    }
    if (c->err != ERR_OK) {
        finish(c, c->err);
    } else {
        next(c);
    }
}

static void read_done(struct engine_read *r)
{
    struct check *c = r->ctx;
    c->reading = false;
    if (c->p->stopping || r->err != ERR_OK) {
        c->held = r->err == ERR_OK;
        c->ec = r->ec;
        finish(c, r->err != ERR_OK ? r->err : ectx_fail(&c->ec, ERR_STOPPED, "stopping"));
        return;
    }
    c->held = true;
    if (r->next_offset <= c->apply_read.from) { /* nothing yet; a hole is passed by */
        engine_read_release(c->p->e, r);
        c->held = false;
        arena_reset(&c->arena, CHECK_READ_BYTES);
        next(c);
        return;
    }
    c->apply_read.shard = str_of(c->shard);
    c->apply_read.topic = c->d->topics[c->topic];
    c->apply_read.partition = c->partition;
    c->apply_read.epoch = 1;
    c->apply_read.next_offset = r->next_offset;
    c->apply_read.batches = r->batches;
    c->apply_read.batch_count = r->batch_count;
    submit(c, apply_run, apply_done);
}

/* The next partition that exists; false: there is none. */
static bool begin_partition(struct check *c)
{
    struct engine_topic topic;
    for (; c->topic < c->d->topic_count; c->topic++, c->partition = -1) {
        struct str name = c->d->topics[c->topic];
        while (engine_topic_get(c->p->e, name, &topic) && ++c->partition < topic.partition_count) {
            int64_t start = 0;
            if (engine_bounds(c->p->e, name, c->partition, &start, &c->end) != ERR_OK ||
                start >= c->end) {
                continue;
            }
            (void)snprintf(c->shard, sizeof(c->shard), "%.*s/%d", STR(name), c->partition);
            c->claim = true;
            c->claim_call = (struct apply_claim){.shard = str_of(c->shard),
                                                 .topic_id = topic.id,
                                                 .epoch = 1,
                                                 .start_offset = start,
                                                 .end_offset = c->end};
            return true;
        }
    }
    return false;
}

static void next(struct check *c)
{
    bool enough = c->call->events_max != 0 && c->call->events >= c->call->events_max;
    if (c->apply_read.from < c->end && !enough) {
        c->reading = true;
        c->read = (struct engine_read){.topic = c->d->topics[c->topic],
                                       .partition = c->partition,
                                       .offset = c->apply_read.from,
                                       .max_bytes = CHECK_READ_BYTES,
                                       .wait_ns = CHECK_WAIT_NS,
                                       .arena = &c->arena,
                                       .done = read_done,
                                       .ctx = c};
        engine_read(c->p->e, &c->read);
        return;
    }
    if (!enough && begin_partition(c)) {
        submit(c, apply_run, apply_done);
        return;
    }
    json_write_init(&c->w, &c->result);
    submit(c, result_run, result_done);
}

/* ---- The beginning */

static bool put_once(struct map *seen, const struct str *columns, size_t count, struct buf *sql)
{
    for (size_t i = 0; i < count; i++) {
        if (map_get(seen, columns[i]) == NULL) {
            buf_put_z(sql, seen->count == 0 ? " (" : ", ");
            def_put_name(sql, columns[i]);
            if (!map_put(seen, columns[i], seen)) {
                return false;
            }
        }
    }
    return true;
}

/* With all columns that any look-up of it names. */
static bool put_view(const struct def *d, struct str name, struct buf *sql)
{
    struct map seen;
    bool good = true;
    map_init(&seen);
    buf_put_z(sql, "CREATE TABLE ");
    def_put_name(sql, name);
    for (size_t i = 0; i < d->rule_count; i++) {
        for (size_t k = 0; k < d->rules[i].lookup_count && good; k++) {
            const struct def_lookup *l = &d->rules[i].lookups[k];
            good = !str_eq(l->from, name) || (put_once(&seen, l->columns, l->column_count, sql) &&
                                              put_once(&seen, l->key_columns, l->key_count, sql));
        }
    }
    buf_put_z(sql, ");\n");
    map_deinit(&seen);
    return good;
}

/* What others would show: there, and empty. False: no memory. */
static bool put_foreign(const struct def *d, struct buf *sql)
{
    struct map views;
    bool good = true;
    map_init(&views);
    for (size_t i = 0; i < d->rule_count; i++) {
        for (size_t k = 0; k < d->rules[i].lookup_count && good; k++) {
            const struct def_lookup *l = &d->rules[i].lookups[k];
            if (!l->own && map_get(&views, l->from) == NULL) {
                good = put_view(d, l->from, sql) && map_put(&views, l->from, &views);
            }
        }
    }
    map_deinit(&views);
    return good;
}

static void open_run(struct env_job *job)
{
    struct check *c = CONTAINER_OF(job, struct check, job);
    struct buf sql;
    buf_init(&sql, 256u << 10);
    buf_printf(&sql, "PRAGMA max_page_count=%d;\n", CHECK_PAGES_MAX);
    const bool good = put_foreign(c->d, &sql);
    buf_put_u8(&sql, 0);
    enum err e = target_sqlite.open(c->p->sqlite, STR_LIT("-"), TARGET_MEMORY, &c->db, &c->ec);
    if (e == ERR_OK) {
        const uint64_t most_ns = c->p->config.check_ns; /* SQL of one's own may never end */
        target_sqlite.set_timeout(c->db, most_ns == 0 ? PROJ_QUERY_NS_MAX : most_ns);
        e = !good || buf_failed(&sql) ? ectx_fail(&c->ec, ERR_NO_MEMORY, "out of memory")
                                      : target_sqlite.exec(c->db, (const char *)sql.p, &c->ec);
    }
    buf_deinit(&sql);
    e = e != ERR_OK ? e : apply_setup(&target_sqlite, c->db, c->d, 0, &c->ec);
    e = e != ERR_OK ? e : apply_create(&target_sqlite, c->db, c->d, &c->apply, &c->ec);
    if (e == ERR_OK) {
        apply_upcast(c->apply, c->upcasts);
    }
    c->err = e;
}

static void open_done(struct env_job *job)
{
    struct check *c = CONTAINER_OF(job, struct check, job);
    if (c->err != ERR_OK || c->p->stopping) {
        finish(c, c->err != ERR_OK ? c->err : ectx_fail(&c->ec, ERR_STOPPED, "stopping"));
        return;
    }
    c->partition = -1;
    next(c);
}

static void refuse(struct proj_check *call, enum err e)
{
    call->err = e;
    call->done(call);
}

void check_stop_all(struct proj *p)
{
    LIST_FOR_EACH (link, after, &p->checks) {
        struct check *c = CONTAINER_OF(link, struct check, link);
        if (c->reading) {
            engine_read_cancel(p->e, &c->read);
            c->reading = false;
            finish(c, ectx_fail(&c->ec, ERR_STOPPED, "stopping"));
        }
    }
}

void check_free_all(struct proj *p)
{
    LIST_FOR_EACH (link, after, &p->checks) {
        check_free(CONTAINER_OF(link, struct check, link));
    }
}

void proj_check(struct proj *p, struct proj_check *call)
{
    struct def *d = NULL;
    memset(&call->ec, 0, sizeof(call->ec));
    call->events = 0;
    call->applied = 0;
    call->parked = 0;
    call->skipped = 0;
    call->result = STR_NULL;
    enum err e = p->stopping ? ectx_fail(&call->ec, ERR_STOPPED, "stopping") : ERR_OK;
    if (e == ERR_OK && p->check_count >= PROJ_CHECKS_MAX) {
        e = ectx_fail(&call->ec, ERR_AGAIN, "%u checks are under way", PROJ_CHECKS_MAX);
    }
    e = e != ERR_OK ? e : def_create(call->definition, call->file, 0, &d, &call->ec);
    struct target_library *library = NULL;
    e = e != ERR_OK ? e : projection_library(p, &target_sqlite, &library, &call->ec);
    struct upcasts *upcasts = NULL;
    if (e == ERR_OK && upcasts_matter(p, d) && (upcasts = upcasts_now(p)) == NULL) {
        e = ectx_fail(&call->ec, ERR_NOT_READY, "the event store's upcasts are not known yet");
    }
    struct check *c = e != ERR_OK ? NULL : mem_new(struct check);
    if (c == NULL) {
        def_destroy(d);
        upcasts_unref(upcasts);
        refuse(call, e != ERR_OK ? e : ectx_fail(&call->ec, ERR_NO_MEMORY, "out of memory"));
        return;
    }
    d->driver = &target_sqlite;
    c->p = p;
    c->call = call;
    c->d = d;
    c->upcasts = upcasts;
    arena_init(&c->arena, READ_ARENA_BYTES);
    buf_init(&c->result, CHECK_RESULT_BYTES);
    list_push_back(&p->checks, &c->link);
    p->check_count++;
    submit(c, open_run, open_done);
}
