/*
 * The other half of actions, on the loop: rows of leat_action that may be sent are appended, one
 * after the other in the order of their events, and deleted when the append is durable. If we die
 * in between, the next one sends them again, and the event store knows their ids.
 *
 * A row that waits (gated 1) and whose version is served may be sent too: the transaction that
 * wrote it began before the switch and ended after it.
 */
#include <string.h>

#include "core/compiler.h"
#include "core/log.h"
#include "core/mem.h"
#include "proj/apply_int.h"
#include "proj/proj_int.h"

#define RETRY_NS (500ull * 1000 * 1000)

struct sending {
    struct work work;
    struct projection *pr;
    struct arena arena;
    struct sent {
        uint32_t version;
        struct str id, stream, type, data, causation, correlation, traceparent;
        enum { SEND_WAITS, SEND_DONE, SEND_REFUSED } state;
    } * rows;
    size_t count, at;
    bool failed;
    struct proj_action action;
    bool appending;
};

static const char fetch_sql[] =
    "SELECT version, id, stream, type, data, causation, correlation, traceparent FROM leat_action "
    "WHERE projection = $1 AND (gated = 0 OR (gated = 1 AND version = (SELECT served FROM "
    "leat_projection p WHERE p.projection = $1))) ORDER BY record_offset, id LIMIT 64";
static const char delete_sql[] =
    "DELETE FROM leat_action WHERE projection = $1 AND version = $2 AND id = $3";
static const char refuse_sql[] =
    "UPDATE leat_action SET gated = 2 WHERE projection = $1 AND version = $2 AND id = $3";

static bool take_row(void *ctx, const struct mapping_value *values, size_t count)
{
    struct sending *s = ctx;
    struct sent *row = &s->rows[s->count];
    struct str *texts[] = {&row->id,        &row->stream,      &row->type,       &row->data,
                           &row->causation, &row->correlation, &row->traceparent};
    row->version = (uint32_t)values[0].integer;
    for (size_t i = 0; i + 1 < count && i < ARRAY_LEN(texts); i++) {
        bool null = values[i + 1].kind == MAPPING_NULL;
        *texts[i] = null ? STR_NULL : arena_str(&s->arena, values[i + 1].text);
        s->failed = s->failed || (!null && str_is_null(*texts[i]));
    }
    s->count++;
    return !s->failed && s->count < SEND_MAX;
}

static void fetch_run(struct work *w)
{
    struct sending *s = CONTAINER_OF(w, struct sending, work);
    const struct target_driver *driver = s->pr->driver;
    struct mapping_value name = apply_text(s->pr->name);
    enum err e = w->lane->db == NULL ? ectx_fail(&w->ec, ERR_CLOSED, "no connection") : ERR_OK;
    e = e != ERR_OK
            ? e
            : target_ask(driver, w->lane->db, str_of(fetch_sql), &name, 1, take_row, s, &w->ec);
    w->err = e == ERR_OK && s->failed ? ectx_fail(&w->ec, ERR_NO_MEMORY, "out of memory") : e;
}

static void settle_run(struct work *w)
{
    struct sending *s = CONTAINER_OF(w, struct sending, work);
    const struct target_driver *driver = s->pr->driver;
    enum err e = w->lane->db == NULL ? ectx_fail(&w->ec, ERR_CLOSED, "no connection")
                                     : driver->exec(w->lane->db, driver->begin, &w->ec);
    if (e != ERR_OK) {
        w->err = e;
        return;
    }
    struct target_stmt *gone = NULL;
    struct target_stmt *refused = NULL;
    e = driver->prepare(w->lane->db, str_of(delete_sql), &gone, &w->ec);
    e = e != ERR_OK ? e : driver->prepare(w->lane->db, str_of(refuse_sql), &refused, &w->ec);
    for (size_t i = 0; i < s->count && e == ERR_OK; i++) {
        const struct sent *row = &s->rows[i];
        const struct mapping_value params[] = {apply_text(s->pr->name), apply_int(row->version),
                                               apply_text(row->id)};
        if (row->state != SEND_WAITS) {
            e = driver->run(row->state == SEND_DONE ? gone : refused, params, ARRAY_LEN(params),
                            NULL, &w->ec);
        }
    }
    e = e != ERR_OK ? e : driver->exec(w->lane->db, "COMMIT", &w->ec);
    driver->finalize(gone);
    driver->finalize(refused);
    if (e != ERR_OK) {
        IGNORE(driver->exec(w->lane->db, "ROLLBACK", NULL) == ERR_OK);
    }
    w->err = e;
}

void sending_free(struct sending *s)
{
    if (s != NULL) {
        s->pr->sending = NULL;
        arena_deinit(&s->arena);
        mem_free(s->rows);
        mem_free(s);
    }
}

static void end(struct sending *s, bool again, bool later)
{
    struct projection *pr = s->pr;
    struct proj *p = pr->p;
    sending_free(s);
    /* Rows that were committed while these were on their way have said so already. */
    pr->actions_waiting = pr->actions_waiting || again || later;
    pr->actions_retry_ns = later ? env_mono_ns(p->env) + RETRY_NS : 0;
    if (pr->actions_waiting && !later) {
        actions_send(pr);
    }
}

static void settle_done(struct work *w)
{
    struct sending *s = CONTAINER_OF(w, struct sending, work);
    s->pr->work_pending--;
    bool left = false;
    for (size_t i = 0; i < s->count; i++) {
        left = left || s->rows[i].state == SEND_WAITS;
    }
    bool full = s->count == SEND_MAX;
    if (w->err != ERR_OK && w->err != ERR_AGAIN) {
        lane_fail(w->lane, &w->ec);
    }
    end(s, full || left || w->err != ERR_OK, left || w->err != ERR_OK);
}

static void settle(struct sending *s)
{
    s->pr->work_pending++;
    s->work = (struct work){.run = settle_run, .done = settle_done};
    lane_submit(&s->pr->lanes[0], &s->work);
}

static void append_next(struct sending *s);

static void appended(struct proj_action *action)
{
    struct sending *s = CONTAINER_OF(action, struct sending, action);
    struct sent *row = &s->rows[s->at];
    s->appending = false;
    if (action->err == ERR_OK) {
        row->state = SEND_DONE;
    } else if (err_retriable(action->err) || action->err == ERR_NO_MEMORY) {
        settle(s); /* what was done; the rest later, in order */
        return;
    } else {
        row->state = SEND_REFUSED;
        LOG_ERROR("projection.action_refused", KV_STR("projection", s->pr->name),
                  KV_STR("id", row->id), KV_STR("stream", row->stream), KV_ERR(&action->ec));
    }
    s->at++;
    append_next(s);
}

static void append_next(struct sending *s)
{
    struct proj *p = s->pr->p;
    if (s->at == s->count || p->stopping) {
        settle(s);
        return;
    }
    const struct sent *row = &s->rows[s->at];
    s->action = (struct proj_action){.stream = row->stream,
                                     .id = row->id,
                                     .type = row->type,
                                     .data = row->data,
                                     .causation = row->causation,
                                     .correlation = row->correlation,
                                     .traceparent = row->traceparent,
                                     .done = appended};
    s->appending = true;
    p->config.append(p->config.append_ctx, &s->action);
}

static void fetch_done(struct work *w)
{
    struct sending *s = CONTAINER_OF(w, struct sending, work);
    s->pr->work_pending--;
    if (w->err != ERR_OK && w->err != ERR_AGAIN) {
        lane_fail(w->lane, &w->ec);
    }
    if (w->err != ERR_OK || s->count == 0) {
        end(s, w->err != ERR_OK, w->err != ERR_OK);
        return;
    }
    append_next(s);
}

static bool has_actions(const struct projection *pr)
{
    LIST_FOR_EACH (link, next, &pr->runs) {
        if (CONTAINER_OF(link, struct run, link)->d->has_actions) {
            return true;
        }
    }
    return false;
}

void actions_send(struct projection *pr)
{
    struct proj *p = pr->p;
    if (pr->sending != NULL || p->stopping || pr->removing || pr->gone || !pr->known ||
        p->config.append == NULL || !pr->lanes[0].connected || pr->lanes[0].broken ||
        !has_actions(pr) || env_mono_ns(p->env) < pr->actions_retry_ns) {
        return;
    }
    struct sending *s = mem_new(struct sending);
    struct sent *rows = mem_zalloc(SEND_MAX, sizeof(*s->rows));
    if (s == NULL || rows == NULL) {
        mem_free(s);
        mem_free(rows);
        return; /* the next tick */
    }
    arena_init(&s->arena, 128u << 20);
    s->pr = pr;
    s->rows = rows;
    pr->sending = s;
    pr->actions_waiting = false;
    pr->work_pending++;
    s->work = (struct work){.run = fetch_run, .done = fetch_done};
    lane_submit(&pr->lanes[0], &s->work);
}
