/*
 * Changes of a view as they are committed: GET /api/v1/views/{view}/changes. As server-sent events
 * (`id` is where to go on, so that Last-Event-ID resumes), as NDJSON, or, with `wait`, as one page
 * that is answered as soon as there is something (long poll).
 */
#include "api/event_json.h"
#include "api/views.h"
#include "core/mem.h"

#define ANSWER_BYTES (32u * 1024 * 1024)
#define PAGE_BYTES   (8u * 1024 * 1024)
#define PAGE_DEFAULT 500u
#define PAGE_MAX     10000u
#define WAIT_MAX_NS  (60ull * 1000 * 1000 * 1000)
#define HEARTBEAT_NS (15ull * 1000 * 1000 * 1000)

struct watcher {
    struct api_waiter waiter;
    struct api *api;
    struct proj_watching *watching;
    bool sse;
    /* one of the two */
    struct http_stream *out;
    struct api_call *poll;
    bool stuck; /* `out` is full */
    uint64_t said_ns;
    struct str view; /* in the heap */
    /* long poll */
    struct buf page;
    struct json_writer w;
    size_t count, limit;
    uint64_t deadline_ns;
    bool caught_up, finishing;
};

static void watcher_free(struct watcher *x)
{
    api_wait_end(&x->waiter);
    proj_unwatch(x->watching);
    buf_deinit(&x->page);
    mem_free((char *)(uintptr_t)x->view.p);
    mem_free(x);
}

/* ---- Frames --------------------------------------------------------------------------------- */

static const char *frame_name(enum proj_change_kind k)
{
    return k == PROJ_CHANGE_UPSERT || k == PROJ_CHANGE_DELETE ? "change" : proj_change_name(k);
}

static void write_frame(struct json_writer *w, const struct watcher *x,
                        const struct proj_change *ch)
{
    const bool row = ch->kind == PROJ_CHANGE_UPSERT || ch->kind == PROJ_CHANGE_DELETE;
    json_write_begin(w, '{');
    if (row) {
        json_write_member_str(w, "view", x->view);
        json_write_member_str(w, "kind", str_of(proj_change_name(ch->kind)));
        json_write_name(w, "key");
        json_write_raw(w, ch->key);
    }
    if (!str_is_null(ch->row)) {
        json_write_name(w, "row");
        api_write_line(w, ch->row);
    }
    if (ch->position != 0) {
        event_position_write(w, "position",
                             (struct es_position){.commit = ch->position, .index = ch->index});
    }
    if (ch->reason != NULL) {
        json_write_member_str(w, "reason", str_of(ch->reason));
    }
    if (ch->kind == PROJ_CHANGE_FELL_BEHIND) {
        json_write_name(w, "lag_events");
        json_write_u64(w, ch->lag_events);
    }
    json_write_member_i64(w, "version", ch->version);
    json_write_end(w, '}');
}

/* ---- Long poll ------------------------------------------------------------------------------ */

static void poll_finish(void *ctx)
{
    struct watcher *x = ctx;
    struct api_call *c = x->poll;
    char id[PROJ_CHANGE_ID];
    json_write_end(&x->w, ']');
    if (x->watching != NULL) {
        json_write_member_str(&x->w, "next", proj_watch_id(x->watching, id));
    }
    json_write_member_bool(&x->w, "caught_up", x->caught_up);
    json_write_end(&x->w, '}');
    struct buf page = x->page;
    buf_init(&x->page, 0);
    watcher_free(x);
    api_reply(c, 200, NULL, 0, &page);
}

/* Not within `deliver`, and after all that is there now. */
static void poll_finish_soon(struct watcher *x)
{
    if (!x->finishing) {
        x->finishing = true;
        env_poll_post(engine_poll(x->api->services.engine), poll_finish, x);
    }
}

static bool poll_deliver(struct watcher *x, const struct proj_change *ch)
{
    if (ch->kind == PROJ_CHANGE_CAUGHT_UP || ch->kind == PROJ_CHANGE_CHECKPOINT) {
        x->caught_up = true;
        return true;
    }
    x->caught_up = false;
    json_write_begin(&x->w, '{');
    json_write_name(&x->w, frame_name(ch->kind));
    write_frame(&x->w, x, ch);
    json_write_end(&x->w, '}');
    x->count++;
    poll_finish_soon(x);
    return x->count < x->limit && x->page.n < PAGE_BYTES;
}

/* ---- Streams -------------------------------------------------------------------------------- */

static bool stream_deliver(struct watcher *x, const struct proj_change *ch)
{
    struct buf b;
    struct json_writer w;
    bool room = false;
    buf_init(&b, ANSWER_BYTES);
    json_write_init(&w, &b);
    if (!x->sse) {
        json_write_begin(&w, '{');
        json_write_name(&w, frame_name(ch->kind));
    }
    write_frame(&w, x, ch);
    if (!x->sse) {
        json_write_member_str(&w, "id", ch->id);
        json_write_end(&w, '}');
        buf_put_u8(&b, '\n');
    }
    if (buf_failed(&b)) { /* it cannot be told, and must not be left out */
        struct http_stream *out = x->out;
        x->out = NULL;
        http_stream_break(out);
    } else if (x->sse) {
        room = http_stream_event(x->out, ch->id, str_of(frame_name(ch->kind)), buf_str(&b));
    } else {
        room = http_stream_write(x->out, buf_str(&b));
    }
    buf_deinit(&b);
    x->stuck = !room;
    x->said_ns = env_mono_ns(x->api->services.env);
    return room;
}

static bool on_change(void *ctx, const struct proj_change *ch)
{
    struct watcher *x = ctx;
    return x->poll != NULL ? poll_deliver(x, ch) : x->out != NULL && stream_deliver(x, ch);
}

static const char *code_of(enum err e)
{
    return e == ERR_LIMIT ? "watch-too-slow" : view_problem_of(e);
}

/* It has ended by itself. */
static void on_closed(void *ctx, enum err e, const struct ectx *ec)
{
    struct watcher *x = ctx;
    x->watching = NULL;
    if (x->poll != NULL) {
        if (!x->finishing) {
            struct api_call *c = x->poll;
            watcher_free(x);
            api_problem(c, code_of(e), ec, STR_NULL);
        }
        return; /* else the page says what it has */
    }
    if (x->out != NULL) {
        api_stream_closed(x->out, x->sse, code_of(e), ec);
    }
    watcher_free(x);
}

static void on_writable(void *ctx)
{
    struct watcher *x = ctx;
    x->stuck = false;
    if (x->watching != NULL) {
        proj_watch_resume(x->watching);
    }
}

static void on_gone(void *ctx)
{
    struct watcher *x = ctx;
    x->out = NULL;
    watcher_free(x);
}

static void on_tick(struct api_waiter *w, uint64_t now_ns)
{
    struct watcher *x = CONTAINER_OF(w, struct watcher, waiter);
    if (x->poll != NULL) {
        if (now_ns >= x->deadline_ns) {
            poll_finish_soon(x);
        }
    } else if (x->out == NULL) { /* a row that could not be told */
        watcher_free(x);
    } else if (x->sse && !x->stuck && now_ns - x->said_ns >= HEARTBEAT_NS) {
        x->said_ns = now_ns;
        x->stuck = !http_stream_comment(x->out, STR_LIT("still here"));
    }
}

static void on_stop(struct api_waiter *w)
{
    struct watcher *x = CONTAINER_OF(w, struct watcher, waiter);
    if (x->poll != NULL) {
        poll_finish_soon(x);
        return;
    }
    if (x->out != NULL) {
        struct ectx ec = {0};
        IGNORE(ectx_fail(&ec, ERR_STOPPED, "the server stops"));
        api_stream_closed(x->out, x->sse, "unavailable", &ec);
    }
    watcher_free(x);
}

/* ---- The request ---------------------------------------------------------------------------- */

static bool begin_poll(struct watcher *x, struct api_call *c, uint64_t wait_ns, uint64_t limit)
{
    x->poll = c;
    x->limit = (size_t)limit;
    x->deadline_ns = env_mono_ns(c->api->services.env) + wait_ns;
    json_write_init(&x->w, &x->page);
    json_write_begin(&x->w, '{');
    json_write_member_str(&x->w, "view", x->view);
    json_write_name(&x->w, "changes");
    json_write_begin(&x->w, '[');
    return true;
}

static bool begin_stream(struct watcher *x, struct api_call *c)
{
    static const struct http_stream_hooks hooks = {.writable = on_writable, .closed = on_gone};
    /* So that a proxy passes on each event as it comes. */
    static const struct http_header unbuffered = {STR_LIT("X-Accel-Buffering"), STR_LIT("no")};
    const struct http_head head = {.status = 200,
                                   .content_type =
                                       x->sse ? "text/event-stream" : "application/x-ndjson",
                                   .headers = &unbuffered,
                                   .header_count = 1};
    x->out = http_stream_begin(c->request, &head, &hooks, x);
    return x->out != NULL;
}

static struct watcher *watcher_new(struct api_call *c)
{
    struct watcher *x = mem_new(struct watcher);
    char *view = str_dup_z(api_path(c, 0));
    if (x == NULL || view == NULL) {
        mem_free(x);
        mem_free(view);
        api_fail(c, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    x->api = c->api;
    x->view = str_of(view);
    x->waiter = (struct api_waiter){.tick = on_tick, .stop = on_stop};
    x->said_ns = env_mono_ns(c->api->services.env);
    list_init(&x->waiter.link);
    buf_init(&x->page, ANSWER_BYTES);
    return x;
}

static void watch(struct api_call *c)
{
    struct ectx ec = {0};
    uint64_t wait_ns, limit;
    struct str *columns;
    struct proj_filter *filters = arena_new_n(c->arena, struct proj_filter, VIEW_FILTERS_MAX);
    const struct str last = http_header_get(c->request, "last-event-id");
    struct proj_watch call = {.view = api_path(c, 0),
                              .filters = filters,
                              .after =
                                  str_is_null(last) || last.n == 0 ? api_query(c, "from") : last,
                              .deliver = on_change,
                              .closed = on_closed};
    if (filters == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    if (!api_may_wait(c) || !view_filters_read(c, filters, &call.filter_count) ||
        !api_query_list(c, "columns", VIEW_COLUMNS_MAX, &columns, &call.column_count) ||
        !api_query_duration(c, "wait", UINT64_MAX, WAIT_MAX_NS, &wait_ns) ||
        !api_query_u64(c, "limit", PAGE_DEFAULT, PAGE_MAX, &limit)) {
        return;
    }
    struct watcher *x = watcher_new(c);
    if (x == NULL) {
        return;
    }
    call.columns = columns;
    call.after = str_eq_z(call.after, "end") ? STR_NULL : call.after;
    call.ctx = x;
    x->sse = !api_accepts(c, "application/x-ndjson");
    enum err e = proj_watch(c->api->services.proj, &call, &x->watching, &ec);
    if (e != ERR_OK) {
        x->watching = NULL;
        watcher_free(x);
        api_problem(c, e == ERR_AGAIN ? "too-many-open" : view_problem_of(e), &ec, STR_NULL);
        return;
    }
    if (wait_ns != UINT64_MAX ? begin_poll(x, c, wait_ns, limit) : begin_stream(x, c)) {
        api_wait(c->api, &x->waiter);
        proj_watch_resume(x->watching);
        return;
    }
    watcher_free(x); /* http has answered */
}

static bool is_ready(const struct api *a)
{
    return proj_is_serving(a->services.proj);
}

static void get_changes(struct api_call *c)
{
    if (str_is_null(api_query(c, "wait"))) {
        api_when_ready(c, is_ready, watch);
    } else {
        watch(c); /* a program that polls can be told to come back */
    }
}

static const struct api_param PARAMS[] = {
    {"view", API_PATH, API_STRING, true, "orders", "The view."},
    {"filter", API_QUERY, API_LIST, false, NULL,
     "As in a query of the view; texts by eq, ne and prefix only. A row that leaves what is "
     "filtered is told as deleted."},
    {"columns", API_QUERY, API_LIST, false, NULL, "Only these columns of the rows."},
    {"from", API_QUERY, API_STRING, false, "end",
     "After this id of a change, or end: from now on (end)."},
    {"Last-Event-ID", API_HEADER, API_STRING, false, NULL, "As `from`; browsers send it."},
    {"wait", API_QUERY, API_DURATION, false, "1s",
     "One page, answered as soon as there is something, at the latest after this time."},
    {"limit", API_QUERY, API_LIMIT, false, NULL, "With wait: how many changes at most (500)."},
};
static const struct api_route ROUTES[] = {
    {"GET", "/api/v1/views/{view}/changes", get_changes, "watchView",
     "Rows of a view as they change: server-sent events, NDJSON, or one page (long poll).", PARAMS,
     ARRAY_LEN(PARAMS), NULL, "ViewChanges", 200, API_SSE | API_NDJSON_OUT,
     "view-not-found projection-not-ready watch-too-slow too-many-open", NULL},
};
static const struct api_schema SCHEMAS[] = {
    {"ViewChanges",
     "{\"type\":\"object\",\"required\":[\"view\",\"changes\",\"caught_up\"],\"properties\":{"
     "\"view\":{\"type\":\"string\"},\"changes\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"object\"}},\"next\":{\"type\":\"string\"},"
     "\"caught_up\":{\"type\":\"boolean\"}}}"},
};
const struct api_resource api_view_changes = {
    "View changes", "The rows of read models as they change.",
    ROUTES,         ARRAY_LEN(ROUTES),
    SCHEMAS,        ARRAY_LEN(SCHEMAS)};
