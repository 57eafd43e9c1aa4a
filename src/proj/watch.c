/*
 * Those who watch a view: each goes through the feed's ring at its own speed. One that is so slow
 * that its next change has left the ring is told, and ends.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "proj/feed.h"
#include "proj/query_int.h"
#include "proj/watch_filter.h"

#define ASKED_BYTES (1u << 20)
#define ROW_BYTES   (2u * FEED_BYTES + (1u << 20)) /* as JSON, with its escapes */

struct proj_watching {
    struct list link;
    struct feed *feed; /* NULL: ended within `deliver` */
    struct proj_watch w;
    struct arena arena; /* of what was asked */
    const struct def_table *table;
    size_t table_index;
    struct watch_filter filter;
    size_t shown[PROJ_COLUMNS_MAX];
    size_t shown_count;
    uint64_t seq;   /* of the next entry */
    bool must_read; /* the first word is a reset */
    bool started, full, busy;
    bool caught_up;
    uint64_t told_position, told_ns;
    uint64_t began_ns; /* what the log had then is told, or in the view, before it has caught up */
    enum err ended;    /* by itself, with `ec` */
    struct ectx ec;
};

/* ---- Ids: "v:INSTANCE-SEQUENCE" */

static struct str id_format(const struct feed *f, uint64_t seq, char out[PROJ_CHANGE_ID])
{
    int n = snprintf(out, PROJ_CHANGE_ID, "v:%016" PRIx64 "-%" PRIu64, f->instance, seq);
    return str_make(out, (size_t)n);
}

static bool id_parse(struct str id, uint64_t *instance, uint64_t *seq)
{
    if (id.n < 20 || id.p[0] != 'v' || id.p[1] != ':' || id.p[18] != '-') {
        return false;
    }
    *instance = 0;
    for (size_t i = 2; i < 18; i++) {
        char c = id.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        *instance = *instance << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return str_to_u64(str_make(id.p + 19, id.n - 19), seq);
}

/* ---- What it wants, against the definition that is served */

static enum err resolve(struct proj_watching *x, const struct run *r, struct ectx *ec)
{
    x->table = r == NULL ? NULL : def_table_find(r->d, x->w.view);
    if (x->table == NULL) {
        return ectx_fail(ec, ERR_NOT_FOUND, "there is no view '%.*s' any more", STR(x->w.view));
    }
    x->table_index = (size_t)(x->table - r->d->tables);
    x->shown_count = x->w.column_count == 0 ? x->table->column_count : x->w.column_count;
    if (x->shown_count > PROJ_COLUMNS_MAX) {
        return ectx_fail(ec, ERR_INVALID_REQUEST, "at most %u columns", PROJ_COLUMNS_MAX);
    }
    for (size_t i = 0; i < x->shown_count; i++) {
        x->shown[i] = i;
        enum err e = x->w.column_count == 0
                         ? ERR_OK
                         : query_column(x->table, x->w.columns[i], &x->shown[i], ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    return watch_filter_make(&x->filter, x->table, x->w.filters, x->w.filter_count, ec);
}

/* What the caller gave, copied. */
static bool copy(struct proj_watching *x, const struct proj_watch *w)
{
    struct arena *a = &x->arena;
    struct str *columns = arena_new_n(a, struct str, w->column_count + 1);
    struct proj_filter *filters = arena_new_n(a, struct proj_filter, w->filter_count + 1);
    bool good = columns != NULL && filters != NULL;
    for (size_t i = 0; good && i < w->column_count; i++) {
        columns[i] = arena_str(a, w->columns[i]);
        good = !str_is_null(columns[i]);
    }
    for (size_t i = 0; good && i < w->filter_count; i++) {
        const struct proj_filter *f = &w->filters[i];
        filters[i] = (struct proj_filter){
            .column = arena_str(a, f->column), .op = f->op, .value = arena_str(a, f->value)};
        good = !str_is_null(filters[i].column) &&
               (str_is_null(f->value) || !str_is_null(filters[i].value));
    }
    x->w = *w;
    x->w.view = arena_str(a, w->view);
    x->w.columns = columns;
    x->w.filters = filters;
    x->w.after = STR_NULL;
    return good && !str_is_null(x->w.view);
}

/* ---- Telling */

static bool tell(struct proj_watching *x, struct proj_change *c, uint64_t seq)
{
    char id[PROJ_CHANGE_ID];
    c->id = id_format(x->feed, seq, id);
    c->version = c->version == 0 ? x->feed->pr->served : c->version;
    x->told_ns = env_mono_ns(x->feed->pr->p->env);
    x->full = !x->w.deliver(x->w.ctx, c);
    return x->feed != NULL; /* false: unwatched meanwhile */
}

static void write_row(struct json_writer *w, const struct proj_watching *x,
                      const struct mapping_value *cells, const size_t *columns, size_t count)
{
    json_write_begin(w, '{');
    for (size_t i = 0; i < count; i++) {
        query_write_cell(w, &x->table->columns[columns[i]], &cells[columns[i]]);
    }
    json_write_end(w, '}');
}

static bool tell_row(struct proj_watching *x, const struct feed_entry *e, uint64_t seq)
{
    enum watch_match match = watch_filter_match(&x->filter, e);
    if (match == WATCH_NEVER) {
        return true;
    }
    struct buf key, row;
    struct json_writer w;
    buf_init(&key, ROW_BYTES);
    buf_init(&row, ROW_BYTES);
    json_write_init(&w, &key);
    write_row(&w, x, e->cells, x->table->key, x->table->key_count);
    bool there = match == WATCH_YES && e->kind == PROJ_CHANGE_UPSERT;
    if (there) {
        json_write_init(&w, &row);
        write_row(&w, x, e->cells, x->shown, x->shown_count);
    }
    struct proj_change c = {.kind = there ? PROJ_CHANGE_UPSERT : PROJ_CHANGE_DELETE,
                            .position = e->position,
                            .index = e->index,
                            .version = e->version,
                            .key = buf_str(&key),
                            .row = there ? buf_str(&row) : STR_NULL};
    if (buf_failed(&key) || buf_failed(&row)) { /* must not be left out */
        c = (struct proj_change){.kind = PROJ_CHANGE_RESET, .reason = "a row does not fit"};
    }
    bool alive = tell(x, &c, seq);
    buf_deinit(&key);
    buf_deinit(&row);
    return alive;
}

static void finish(struct proj_watching *x)
{
    if (x->feed != NULL) {
        list_remove(&x->link);
        x->feed->pr->p->watch_count--;
        x->feed = NULL;
    }
    if (!x->busy) {
        arena_deinit(&x->arena);
        mem_free(x);
    }
}

static void end(struct proj_watching *x, enum err e, const struct ectx *ec)
{
    void (*closed)(void *ctx, enum err e, const struct ectx *ec) = x->w.closed;
    void *ctx = x->w.ctx;
    struct ectx copy = *ec;
    finish(x);
    closed(ctx, e, &copy);
}

/* One entry. False: it has ended, or is to (x->ended). */
static bool tell_entry(struct proj_watching *x, const struct feed_entry *e, uint64_t seq)
{
    if ((e->tables >> x->table_index & 1) == 0 && e->kind != PROJ_CHANGE_SWITCHED) {
        return true;
    }
    if (e->kind == PROJ_CHANGE_UPSERT || e->kind == PROJ_CHANGE_DELETE) {
        return tell_row(x, e, seq);
    }
    x->caught_up = false;
    if (e->kind == PROJ_CHANGE_SWITCHED) {
        x->ended = resolve(x, run_find(x->feed->pr, x->feed->pr->served), &x->ec);
        if (x->ended != ERR_OK) {
            return false;
        }
    }
    struct proj_change c = {.kind = e->kind, .reason = e->reason, .version = e->version};
    return tell(x, &c, seq);
}

static bool tell_caught_up(struct proj_watching *x, uint64_t position)
{
    struct proj_change c = {
        .kind = PROJ_CHANGE_CAUGHT_UP, .position = position, .index = UINT32_MAX};
    x->caught_up = true;
    x->told_position = c.position;
    return tell(x, &c, x->seq - 1);
}

/* The end of everything that tells: false if there is nobody any more. */
static bool leave(struct proj_watching *x, bool alive)
{
    x->busy = false;
    if (!alive && x->feed != NULL) {
        end(x, x->ended, &x->ec);
    } else if (!alive) {
        finish(x);
    }
    return alive;
}

/* All that there is. False: it has ended. */
static bool pump(struct proj_watching *x)
{
    if (!x->started || x->full || x->busy) {
        return true;
    }
    bool alive = true;
    x->busy = true;
    if (x->must_read) {
        struct proj_change c = {.kind = PROJ_CHANGE_RESET,
                                .reason = "what came after this id is not known any more"};
        x->must_read = false;
        alive = tell(x, &c, x->seq - 1);
    }
    while (alive && !x->full && x->seq != x->feed->next) {
        uint64_t seq = x->seq++;
        alive = tell_entry(x, x->feed->ring[seq % FEED_ENTRIES], seq);
    }
    uint64_t position = 0;
    if (alive && !x->full && !x->caught_up && feed_settled(x->feed, x->began_ns, &position)) {
        alive = tell_caught_up(x, position);
    }
    return leave(x, alive);
}

void watch_pump_all(struct feed *f)
{
    LIST_FOR_EACH (link, next, &f->watchers) {
        (void)pump(CONTAINER_OF(link, struct proj_watching, link));
    }
}

/* ---- By itself */

static void tick(struct proj_watching *x, uint64_t now)
{
    struct feed *f = x->feed;
    if (!pump(x) || !x->started || x->full || !x->caught_up) {
        return;
    }
    struct proj_change c = {.kind = PROJ_CHANGE_CHECKPOINT, .index = UINT32_MAX};
    bool settled = feed_settled(f, x->began_ns, &c.position);
    if (f->behind_ns != 0 && now - f->behind_ns >= FEED_BEHIND_NS) {
        struct run *r = run_find(f->pr, f->pr->served);
        c = (struct proj_change){.kind = PROJ_CHANGE_FELL_BEHIND};
        LIST_FOR_EACH (link, next, &r->shards) {
            int64_t log_end = 0;
            c.lag_events += shard_lag(CONTAINER_OF(link, struct shard, link), &log_end);
        }
        x->caught_up = false;
    } else if (c.position <= x->told_position || now - x->told_ns < FEED_CHECKPOINT_NS ||
               !settled) {
        return;
    }
    x->told_position = c.position;
    x->busy = true;
    (void)leave(x, tell(x, &c, x->seq - 1));
}

void watch_tick_all(struct feed *f, uint64_t now)
{
    LIST_FOR_EACH (link, next, &f->watchers) {
        tick(CONTAINER_OF(link, struct proj_watching, link), now);
    }
}

void watch_end_slow(struct feed *f)
{
    LIST_FOR_EACH (link, next, &f->watchers) {
        struct proj_watching *x = CONTAINER_OF(link, struct proj_watching, link);
        if (x->seq < f->first && !x->busy) {
            struct ectx ec;
            enum err e = ectx_fail(&ec, ERR_LIMIT,
                                   "too slow: what was to be told next is not kept any more");
            ectx_hint(&ec, "read the view again, then watch it again");
            end(x, e, &ec);
        }
    }
}

void watch_skip_all(struct feed *f)
{
    LIST_FOR_EACH (link, next, &f->watchers) {
        CONTAINER_OF(link, struct proj_watching, link)->seq = f->next;
    }
}

void watch_end_all(struct feed *f, enum err e, const char *why)
{
    LIST_FOR_EACH (link, next, &f->watchers) {
        struct ectx ec;
        end(CONTAINER_OF(link, struct proj_watching, link), ectx_fail(&ec, e, "%s", why), &ec);
    }
}

/* ---- Calls */

/* Where it begins. */
static enum err place(struct proj_watching *x, struct str after, struct ectx *ec)
{
    uint64_t instance = 0;
    uint64_t seq = 0;
    x->seq = x->feed->next;
    if (str_is_null(after)) {
        return ERR_OK;
    }
    if (!id_parse(after, &instance, &seq)) {
        return ectx_fail(ec, ERR_INVALID_REQUEST, "this is not the id of a change");
    }
    x->must_read =
        instance != x->feed->instance || seq + 1 < x->feed->first || seq >= x->feed->next;
    x->seq = x->must_read ? x->seq : seq + 1;
    return ERR_OK;
}

MUST_USE enum err proj_watch(struct proj *p, const struct proj_watch *w, struct proj_watching **out,
                             struct ectx *ec)
{
    if (p->stopping) {
        return ectx_fail(ec, ERR_STOPPED, "stopping");
    }
    struct run *r = view_find(p, w->view);
    if (r == NULL) {
        return view_fail(p, w->view, ec);
    }
    if (p->watch_count == PROJ_WATCHES_MAX) {
        return ectx_fail(ec, ERR_AGAIN, "%u watch already, as many as may", PROJ_WATCHES_MAX);
    }
    struct proj_watching *x = mem_new(struct proj_watching);
    if (x == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    arena_init(&x->arena, ASKED_BYTES);
    enum err e = copy(x, w) ? ERR_OK : ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    e = e != ERR_OK ? e : resolve(x, r, ec);
    if (e == ERR_OK) {
        x->feed = feed_of(r->pr, ec);
        e = x->feed == NULL ? ec->code : place(x, w->after, ec);
    }
    if (e != ERR_OK) {
        arena_deinit(&x->arena);
        mem_free(x);
        return e;
    }
    x->began_ns = env_mono_ns(p->env);
    list_push_back(&x->feed->watchers, &x->link);
    x->feed->idle_since_ns = 0;
    p->watch_count++;
    *out = x;
    return ERR_OK;
}

void proj_watch_resume(struct proj_watching *x)
{
    x->started = true;
    x->full = false;
    (void)pump(x);
}

struct str proj_watch_id(const struct proj_watching *x, char out[PROJ_CHANGE_ID])
{
    return id_format(x->feed, x->seq - 1, out);
}

void proj_unwatch(struct proj_watching *x)
{
    if (x != NULL) {
        finish(x);
    }
}
