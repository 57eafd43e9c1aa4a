/*
 * Queries: of a view, and of the parked keys. Each runs on a worker with a read-only connection of
 * its own, so that it neither waits for the projection nor holds it up; bounded in rows, bytes and
 * time. The table of the served version is read, not the view, so that columns and rows belong
 * together while a switch is under way.
 */
#include <string.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "proj/apply_int.h"
#include "proj/query_int.h"

#define PARKED_SHOWN_MAX 1000u

/* ---- On the worker */

static enum err open_reader(struct query *q)
{
    struct projection *pr = q->pr;
    if (q->db == NULL) {
        return pr->driver->open(pr->library, pr->where, TARGET_READ_ONLY, &q->db, &q->ec);
    }
    return ERR_OK;
}

static void run(struct query *q, target_row_fn row)
{
    const struct target_driver *driver = q->pr->driver;
    enum err e = open_reader(q);
    if (e == ERR_OK) {
        driver->set_timeout(q->db, PROJ_QUERY_NS_MAX);
        e = target_ask(driver, q->db, buf_str(&q->sql), q->params, q->param_count, row, q, &q->ec);
        if (e == ERR_CONFIG) { /* what was asked for was checked: what we keep is not there */
            e = ectx_wrap(&q->ec, ERR_IO, "projection '%.*s' cannot be read", STR(q->pr->name));
        }
    }
    q->keep = (e == ERR_OK || e == ERR_REQUEST_TIMED_OUT) && q->err == ERR_OK && !q->full;
    /* Whoever asked did nothing wrong: 503. Not found is a file that is not there. */
    e = e == ERR_CLOSED || e == ERR_NOT_FOUND ? ERR_AGAIN : e;
    q->err = q->err != ERR_OK ? q->err : e;
}

static bool view_row(void *ctx, const struct mapping_value *values, size_t count)
{
    struct query *q = ctx;
    (void)count;
    q->full = q->row_count > 0 && q->rows.n > PROJ_QUERY_BYTES_MAX;
    if (q->row_count == q->limit || q->full) {
        q->more = true;
        return false;
    }
    json_write_begin(&q->w, '{');
    for (size_t i = 0; i < q->shown_count; i++) {
        query_write_cell(&q->w, &q->table->columns[q->shown[i]], &values[i]);
    }
    json_write_end(&q->w, '}');
    q->row_count++;
    if (buf_failed(&q->rows)) {
        q->err =
            ectx_fail(&q->ec, ERR_LIMIT, "a row is larger than %u bytes, or there is no memory",
                      PROJ_QUERY_BYTES_MAX);
        return false;
    }
    arena_reset(&q->cells, 64u << 10);
    for (size_t i = 0; i < q->order_count; i++) {
        q->last[i] = values[q->shown_count + i];
        if (q->last[i].kind == MAPPING_TEXT || q->last[i].kind == MAPPING_JSON) {
            q->last[i].text = arena_str(&q->cells, q->last[i].text);
            if (str_is_null(q->last[i].text)) {
                q->err = ectx_fail(&q->ec, ERR_LIMIT, "the columns of the order are too large");
                return false;
            }
        }
    }
    return true;
}

static void view_run(struct env_job *job)
{
    struct query *q = CONTAINER_OF(job, struct query, job);
    json_write_begin(&q->w, '[');
    run(q, view_row);
    json_write_end(&q->w, ']');
}

static bool parked_row(void *ctx, const struct mapping_value *values, size_t count)
{
    struct query *q = ctx;
    (void)count;
    if (q->row_count == q->limit) {
        q->more = true;
        return false;
    }
    struct proj_parked *row = &q->found[q->row_count++];
    struct str text[6];
    for (size_t i = 0; i < ARRAY_LEN(text); i++) {
        text[i] = values[i].kind == MAPPING_NULL ? STR_NULL : arena_str(&q->arena, values[i].text);
        if (values[i].kind != MAPPING_NULL && str_is_null(text[i])) {
            q->err = ectx_fail(&q->ec, ERR_NO_MEMORY, "out of memory");
            return false;
        }
    }
    struct str partition;
    int64_t number = 0;
    *row = (struct proj_parked){.key = text[0],
                                .topic = str_cut(text[1], '/', &partition),
                                .event_id = text[2],
                                .type = text[3],
                                .reason = text[4],
                                .offset = values[6].integer,
                                .parked_ms = values[7].integer,
                                .events = (uint64_t)values[8].integer};
    row->partition = str_to_i64(partition, &number) ? (int32_t)number : -1;
    return true;
}

static void parked_run(struct env_job *job)
{
    run(CONTAINER_OF(job, struct query, job), parked_row);
}

/* ---- On the loop */

static void query_free(struct query *q)
{
    struct projection *pr = q->pr;
    if (q->db != NULL && q->keep && pr->reader_count < READERS_MAX && !pr->gone) {
        pr->readers[pr->reader_count++] = q->db;
        pr->reader_ns = env_mono_ns(pr->p->env);
    } else {
        pr->driver->close(q->db);
    }
    list_remove(&q->link);
    pr->query_count--;
    q->p->query_count--;
    if (q->run != NULL) {
        q->run->queries--;
    }
    buf_deinit(&q->sql);
    buf_deinit(&q->rows);
    arena_deinit(&q->arena);
    arena_deinit(&q->cells);
    mem_free(q);
}

void query_free_all(struct proj *p)
{
    LIST_FOR_EACH (link, next, &p->queries) {
        query_free(CONTAINER_OF(link, struct query, link));
    }
}

static struct query *query_new(struct projection *pr)
{
    struct query *q = mem_new(struct query);
    if (q == NULL) {
        return NULL;
    }
    q->p = pr->p;
    q->pr = pr;
    arena_init(&q->arena, QUERY_ARENA_BYTES);
    arena_init(&q->cells, QUERY_ARENA_BYTES);
    buf_init(&q->sql, QUERY_SQL_BYTES);
    buf_init(&q->rows, 2u * PROJ_QUERY_BYTES_MAX);
    json_write_init(&q->w, &q->rows);
    list_push_back(&pr->p->queries, &q->link);
    pr->query_count++;
    pr->p->query_count++;
    return q;
}

static void submit(struct query *q, void (*job_run)(struct env_job *job),
                   void (*job_done)(struct env_job *job))
{
    struct projection *pr = q->pr;
    if (pr->reader_count > 0) {
        q->db = pr->readers[--pr->reader_count];
    }
    q->job.run = job_run;
    q->job.done = job_done;
    env_job_submit(q->p->poll, ENV_LANE_QUERY, &q->job);
}

static void view_done(struct env_job *job)
{
    struct query *q = CONTAINER_OF(job, struct query, job);
    struct proj_query *call = q->call;
    call->err = q->err;
    call->ec = q->ec;
    if (q->err == ERR_OK) {
        struct str cursor = q->more ? query_cursor(q) : STR_NULL;
        call->rows = arena_str(call->arena, buf_str(&q->rows));
        call->row_count = q->row_count;
        call->next_cursor = q->more ? arena_str(call->arena, cursor) : STR_NULL;
        if (str_is_null(call->rows) || (q->more && str_is_null(call->next_cursor))) {
            call->err = ectx_fail(&call->ec, ERR_NO_MEMORY, "out of memory");
        }
    }
    struct proj *p = q->p;
    query_free(q);
    call->done(call);
    proj_ended(p);
}

static void refuse_query(struct proj_query *call, enum err e)
{
    call->err = e;
    call->done(call);
}

void proj_query(struct proj *p, struct proj_query *call)
{
    memset(&call->ec, 0, sizeof(call->ec));
    call->rows = STR_NULL;
    call->next_cursor = STR_NULL;
    call->row_count = 0;
    struct run *r = p->stopping ? NULL : view_find(p, call->view);
    struct query *q = NULL;
    if (p->stopping) {
        refuse_query(call, ectx_fail(&call->ec, ERR_STOPPED, "stopping"));
    } else if (r == NULL) {
        refuse_query(call, view_fail(p, call->view, &call->ec));
    } else if (p->query_count >= PROJ_QUERIES_MAX) {
        refuse_query(call,
                     ectx_fail(&call->ec, ERR_AGAIN, "%u queries are under way", PROJ_QUERIES_MAX));
    } else if ((q = query_new(r->pr)) == NULL) {
        refuse_query(call, ectx_fail(&call->ec, ERR_NO_MEMORY, "out of memory"));
    } else {
        q->call = call;
        q->run = r;
        r->queries++;
        q->table = def_table_find(r->d, call->view);
        call->version = r->d->version;
        enum err e = query_build(q, call, call->version);
        q->last = arena_new_n(&q->arena, struct mapping_value, q->order_count + 1);
        if (e == ERR_OK && q->last == NULL) {
            e = ectx_fail(&q->ec, ERR_NO_MEMORY, "out of memory");
        }
        if (e != ERR_OK) {
            call->ec = q->ec;
            query_free(q);
            refuse_query(call, e);
        } else {
            submit(q, view_run, view_done);
        }
    }
}

static void parked_done(struct env_job *job)
{
    struct query *q = CONTAINER_OF(job, struct query, job);
    struct proj_parked_list *l = q->parked;
    l->err = q->err;
    l->ec = q->ec;
    if (q->err == ERR_OK) {
        l->parked = arena_new_n(l->arena, struct proj_parked, q->row_count + 1);
        bool good = l->parked != NULL;
        for (size_t i = 0; i < q->row_count && good; i++) {
            struct proj_parked *row = &l->parked[i];
            *row = q->found[i];
            struct str *texts[] = {&row->key, &row->topic, &row->event_id, &row->type,
                                   &row->reason};
            for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
                bool null = str_is_null(*texts[k]);
                *texts[k] = arena_str(l->arena, *texts[k]);
                good = good && (null || !str_is_null(*texts[k]));
            }
        }
        l->count = q->row_count;
        l->more = q->more;
        if (!good) {
            l->err = ectx_fail(&l->ec, ERR_NO_MEMORY, "out of memory");
        }
    }
    struct proj *p = q->p;
    query_free(q);
    l->done(l);
    proj_ended(p);
}

static void refuse_list(struct proj_parked_list *l, enum err e)
{
    l->err = e;
    l->done(l);
}

void proj_parked_list(struct proj *p, struct proj_parked_list *l)
{
    static const char sql[] =
        "SELECT f.event_key, f.shard, f.event_id, f.event_type, f.reason, f.shard, "
        "f.record_offset, f.parked_at, g.events FROM (SELECT event_key, MIN(shard) AS shard, "
        "COUNT(*) AS events FROM leat_parked WHERE projection = $1 "
        "AND version = $2 AND (CAST($3 AS TEXT) IS NULL OR event_key > $3) GROUP BY event_key "
        "ORDER BY event_key "
        "LIMIT $4) g "
        "JOIN leat_parked f ON f.projection = $1 AND f.version = $2 AND f.event_key = g.event_key "
        "AND f.shard = g.shard AND f.record_offset = (SELECT MIN(m.record_offset) FROM leat_parked "
        "m WHERE m.projection = $1 AND m.version = $2 AND m.event_key = g.event_key AND m.shard = "
        "g.shard) ORDER BY f.event_key";
    struct projection *pr = p->stopping ? NULL : projection_find(p, l->name);
    memset(&l->ec, 0, sizeof(l->ec));
    l->count = 0;
    l->more = false;
    l->why = PROJ_WHY_NONE;
    struct run *r = pr == NULL || l->version == 0 ? NULL : run_find(pr, l->version);
    size_t limit = l->limit == 0 || l->limit > PARKED_SHOWN_MAX ? PARKED_SHOWN_MAX : l->limit;
    struct query *q = NULL;
    if (!p->ready || (pr != NULL && pr->served == 0)) {
        refuse_list(l, ectx_fail(&l->ec, ERR_NOT_READY, "no version of it is served yet"));
    } else if (pr == NULL || pr->gone) {
        refuse_list(l, ectx_fail(&l->ec, ERR_NOT_FOUND, "there is no projection '%.*s'",
                                 (int)(l->name.n > 80 ? 80 : l->name.n), l->name.p));
    } else if (l->version != 0 && (r == NULL || r->dropping)) {
        l->why = PROJ_NO_VERSION;
        refuse_list(l, ectx_fail(&l->ec, ERR_NOT_FOUND, "'%.*s' has no version %u", STR(pr->name),
                                 l->version));
    } else if (p->query_count >= PROJ_QUERIES_MAX) {
        refuse_list(l, ectx_fail(&l->ec, ERR_AGAIN, "%u queries are under way", PROJ_QUERIES_MAX));
    } else if ((q = query_new(pr)) == NULL ||
               (q->found = arena_new_n(&q->arena, struct proj_parked, limit)) == NULL) {
        if (q != NULL) {
            query_free(q);
        }
        refuse_list(l, ectx_fail(&l->ec, ERR_NO_MEMORY, "out of memory"));
    } else {
        q->parked = l;
        q->limit = limit;
        buf_put_z(&q->sql, sql);
        q->params[0] = apply_text(pr->name);
        q->params[1] = apply_int(l->version != 0 ? l->version : pr->served);
        q->params[2] = apply_text(l->after);
        q->params[3] = apply_int((int64_t)limit + 1);
        q->param_count = 4;
        submit(q, parked_run, parked_done);
    }
}
