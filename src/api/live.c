/*
 * Subscriptions: GET /api/v1/subscriptions/live catches up from a position and then follows. As
 * server-sent events (what browsers and curl take; `id` is the position, so that Last-Event-ID
 * resumes), as NDJSON, or, with `wait`, as one page that is answered as soon as there is something
 * (long poll).
 */
#include <stdio.h>

#include "api/es_common.h"
#include "core/mem.h"

#define LIVE_WAIT_MAX_NS (60ull * 1000 * 1000 * 1000)
#define LIVE_PAGE_BYTES  (8u * 1024 * 1024)
/* Beyond its time, a poll of a stream from its end waits so long for where that is. */
#define LIVE_SEEK_NS (5ull * 1000 * 1000 * 1000)

#define LIVE_SCRATCH_BYTES (64u * 1024 * 1024)
#define LIVE_SCRATCH_KEEP  (16u * 1024)

static const char *const FRAMES[] = {"record", "checkpoint", "caught_up", "fell_behind"};

struct live {
    struct api_waiter waiter;
    struct api *api;
    struct es_subscription *sub;
    enum envelope_form form;
    bool of_stream, sse;
    /* one of the two */
    struct http_stream *out;
    struct api_call *poll;
    bool stuck; /* `out` is full */
    struct arena scratch;
    uint64_t said_ns;
    /* long poll */
    struct buf page;
    struct json_writer w;
    size_t count, limit;
    struct es_position next;
    bool begun; /* of a stream: next_revision is known */
    uint64_t next_revision;
    uint64_t deadline_ns;
    bool caught_up, finishing;
};

static void live_free(struct live *l)
{
    api_wait_end(&l->waiter);
    if (l->sub != NULL) {
        es_unsubscribe(l->sub);
    }
    buf_deinit(&l->page);
    arena_deinit(&l->scratch);
    mem_free(l);
}

/* A place in a stream: after this revision. */
static size_t revision_text(char out[ES_POSITION_TEXT], uint64_t revision)
{
    return (size_t)snprintf(out, ES_POSITION_TEXT, "r%llu", (unsigned long long)revision);
}

/* ---- Long poll ------------------------------------------------------------------------------ */

/* Where to go on, as `from` takes it. */
static void write_next(struct live *l)
{
    char text[ES_POSITION_TEXT];
    if (!l->of_stream) {
        event_position_write(&l->w, "next", l->next);
    } else if (l->next_revision == 0) {
        json_write_member_str(&l->w, "next", STR_LIT("start"));
    } else {
        const size_t n = revision_text(text, l->next_revision - 1);
        json_write_member_str(&l->w, "next", str_make(text, n));
    }
}

/* Nothing came yet, nothing was told: where would the next call go on? */
static bool place_known(struct live *l)
{
    if (l->of_stream && !l->begun && l->sub != NULL) {
        l->begun = es_subscription_next_revision(l->sub, &l->next_revision);
    }
    return !l->of_stream || l->begun;
}

static void poll_finish(void *ctx)
{
    struct live *l = ctx;
    struct api_call *c = l->poll;
    if (l->of_stream && !l->begun) { /* "end" again would pass over what comes until then */
        struct ectx ec = {0};
        IGNORE(ectx_fail(&ec, ERR_AGAIN, "the stream's end could not be looked up yet"));
        live_free(l);
        api_problem(c, "unavailable", &ec, STR_NULL);
        return;
    }
    json_write_end(&l->w, ']');
    write_next(l);
    json_write_member_bool(&l->w, "caught_up", l->caught_up);
    json_write_end(&l->w, '}');
    struct buf page = l->page;
    buf_init(&l->page, 0);
    live_free(l);
    api_reply(c, 200, NULL, 0, &page);
}

/* Not within `deliver`: the subscription is in use there. */
static void poll_finish_soon(struct live *l)
{
    if (!l->finishing) {
        l->finishing = true;
        IGNORE(place_known(l)); /* now: what is offered from here on is not taken */
        env_poll_post(engine_poll(l->api->services.engine), poll_finish, l);
    }
}

static bool poll_deliver(struct live *l, enum es_frame frame, const struct es_event *event,
                         struct es_position position)
{
    l->next = position;
    if (frame == ES_FRAME_EVENT) {
        event_write(&l->w, l->api->services.es, event, l->form, &l->scratch, 0);
        arena_reset(&l->scratch, LIVE_SCRATCH_KEEP);
        l->count++;
        l->next_revision = event->revision + 1;
        l->begun = true;
    } else if (frame == ES_FRAME_CAUGHT_UP) {
        l->caught_up = true;
    }
    if (l->count >= l->limit || l->page.n >= LIVE_PAGE_BYTES ||
        (l->count > 0 && frame != ES_FRAME_EVENT) || (l->count > 0 && l->caught_up)) {
        poll_finish_soon(l);
        return false;
    }
    return true;
}

/* ---- Streams -------------------------------------------------------------------------------- */

static void write_progress(struct json_writer *w, enum es_frame frame, struct es_position position,
                           uint64_t scanned, uint64_t matched)
{
    json_write_begin(w, '{');
    if (frame == ES_FRAME_CHECKPOINT) {
        event_position_write(w, "position", position);
        json_write_name(w, "scanned");
        json_write_u64(w, scanned);
        json_write_name(w, "matched");
        json_write_u64(w, matched);
    } else {
        event_position_write(w, "head", position);
    }
    json_write_end(w, '}');
}

static struct str frame_id(const struct live *l, enum es_frame frame, const struct es_event *event,
                           struct es_position position, char text[ES_POSITION_TEXT])
{
    if (!l->of_stream) {
        return str_make(text, es_position_format(position, text));
    }
    uint64_t next;
    if (frame == ES_FRAME_EVENT) {
        return str_make(text, revision_text(text, event->revision));
    }
    if (!es_subscription_next_revision(l->sub, &next)) {
        return STR_NULL;
    }
    return next == 0 ? STR_LIT("start") : str_make(text, revision_text(text, next - 1));
}

/* What is said of a frame: one line for each form of an event. */
static void write_lines(struct live *l, struct json_writer *w, enum es_frame frame,
                        const struct es_event *event, struct es_position position, uint64_t scanned,
                        uint64_t matched)
{
    if (frame == ES_FRAME_EVENT) {
        event_write(w, l->api->services.es, event, l->form, &l->scratch, '\n');
        arena_reset(&l->scratch, LIVE_SCRATCH_KEEP);
        return;
    }
    if (!l->sse) {
        json_write_begin(w, '{');
        json_write_name(w, FRAMES[frame]);
    }
    write_progress(w, frame, position, scanned, matched);
    if (!l->sse) {
        json_write_end(w, '}');
    }
    buf_put_u8(w->out, '\n');
}

/* The id is that of the last form: whoever comes back behind it has seen them all. */
static bool send_events(struct live *l, struct str lines, struct str id, enum es_frame frame)
{
    bool room = true;
    while (lines.n > 0) {
        struct str line = str_cut(lines, '\n', &lines);
        room = http_stream_event(l->out, lines.n > 0 ? STR_NULL : id, str_of(FRAMES[frame]), line);
    }
    return room;
}

static bool stream_deliver(struct live *l, enum es_frame frame, const struct es_event *event,
                           struct es_position position, uint64_t scanned, uint64_t matched)
{
    struct buf b;
    struct json_writer w;
    char text[ES_POSITION_TEXT];
    bool room;
    buf_init(&b, ES_ANSWER_BYTES);
    json_write_init(&w, &b);
    write_lines(l, &w, frame, event, position, scanned, matched);
    if (buf_failed(&b)) {
        /* It cannot be told, and must not be left out. */
        struct http_stream *out = l->out;
        l->out = NULL;
        http_stream_break(out);
        room = false;
    } else if (l->sse) {
        room = send_events(l, buf_str(&b), frame_id(l, frame, event, position, text), frame);
    } else {
        room = http_stream_write(l->out, buf_str(&b));
    }
    buf_deinit(&b);
    l->stuck = !room;
    l->said_ns = env_mono_ns(l->api->services.env);
    return room;
}

static bool live_deliver(void *ctx, enum es_frame frame, const struct es_event *event,
                         struct es_position position, uint64_t scanned, uint64_t matched)
{
    struct live *l = ctx;
    if (l->poll != NULL) {
        return !l->finishing && poll_deliver(l, frame, event, position);
    }
    return l->out != NULL && stream_deliver(l, frame, event, position, scanned, matched);
}

static void live_writable(void *ctx)
{
    struct live *l = ctx;
    l->stuck = false;
    if (l->sub != NULL) {
        es_subscription_resume(l->sub);
    }
}

static void live_gone(void *ctx)
{
    struct live *l = ctx;
    l->out = NULL;
    live_free(l);
}

/* The subscription has ended by itself. */
static void live_closed(void *ctx, enum es_problem problem, const struct ectx *ec)
{
    struct live *l = ctx;
    l->sub = NULL;
    if (l->poll != NULL) {
        if (!l->finishing) {
            struct api_call *c = l->poll;
            live_free(l);
            es_reply_problem(c, problem, 0, ec, STR_NULL);
        }
        return;
    }
    if (l->out != NULL) {
        api_stream_closed(l->out, l->sse, es_code_of(problem, ec), ec);
    }
    live_free(l);
}

static void live_tick(struct api_waiter *w, uint64_t now_ns)
{
    struct live *l = CONTAINER_OF(w, struct live, waiter);
    if (l->poll != NULL) {
        if (now_ns >= l->deadline_ns &&
            (place_known(l) || now_ns >= l->deadline_ns + LIVE_SEEK_NS)) {
            poll_finish_soon(l);
        }
        return;
    }
    if (l->out == NULL) { /* an event that could not be made */
        live_free(l);
    } else if (l->sse && !l->stuck && now_ns - l->said_ns >= ES_LIVE_HEARTBEAT) {
        l->said_ns = now_ns;
        l->stuck = !http_stream_comment(l->out, STR_LIT("still here"));
    }
}

static void live_stop(struct api_waiter *w)
{
    struct live *l = CONTAINER_OF(w, struct live, waiter);
    if (l->poll != NULL) {
        poll_finish_soon(l);
        return;
    }
    if (l->out != NULL) {
        struct ectx ec = {0};
        IGNORE(ectx_fail(&ec, ERR_STOPPED, "the server stops"));
        api_stream_closed(l->out, l->sse, "unavailable", &ec);
    }
    live_free(l);
}

/* ---- The request ---------------------------------------------------------------------------- */

/* Where to begin: Last-Event-ID, else `from`: start, end, a position; of a stream a revision (the
 * events after it). */
static struct str place_of(const struct api_call *c)
{
    const struct str last = http_header_get(c->request, "last-event-id");
    return str_is_null(last) || last.n == 0 ? api_query(c, "from") : last;
}

/* "r5", or "5". */
static bool revision_of(struct str from, uint64_t *out)
{
    const bool marked = from.n > 1 && from.p[0] == 'r';
    return str_to_u64(marked ? str_make(from.p + 1, from.n - 1) : from, out);
}

static enum err read_from(struct api_call *c, struct es_subscribe *s, struct ectx *ec)
{
    const struct str from = place_of(c);
    if (str_is_null(from) || str_eq_z(from, "start")) {
        return ERR_OK;
    }
    if (str_eq_z(from, "end")) {
        s->from_end = true;
        return ERR_OK;
    }
    if (!str_is_null(s->stream)) {
        s->has_after_revision = true;
        return revision_of(from, &s->after_revision)
                   ? ERR_OK
                   : ectx_fail(ec, ERR_MALFORMED,
                               "from: of a stream it must be a revision, or start, or end");
    }
    return es_position_parse(from, &s->after)
               ? ERR_OK
               : ectx_fail(ec, ERR_MALFORMED,
                           "from: must be a position that this server gave, or start, or end");
}

/* A stream is one of a category, and all of it is told: what else would choose is not left out. */
static bool filter_fits(struct api_call *c, const struct es_subscribe *s)
{
    struct ectx ec = {0};
    const char *name = !str_is_null(s->filter.category) ? "category"
                       : s->filter.type_count > 0       ? "type"
                       : s->filter.tag_count > 0        ? "tag"
                                                        : NULL;
    if (str_is_null(s->stream) || name == NULL) {
        return true;
    }
    IGNORE(ectx_fail(&ec, ERR_MALFORMED, "%s: cannot be given together with stream", name));
    ectx_hint(&ec, "all events of a stream are told; choose by category, type and tag without it");
    api_fail(c, ERR_MALFORMED, &ec);
    return false;
}

static bool begin_poll(struct live *l, struct api_call *c, uint64_t wait_ns, uint64_t limit)
{
    l->poll = c;
    l->limit = (size_t)limit;
    l->deadline_ns = env_mono_ns(c->api->services.env) + wait_ns;
    json_write_init(&l->w, &l->page);
    json_write_begin(&l->w, '{');
    json_write_name(&l->w, "events");
    json_write_begin(&l->w, '[');
    return true;
}

static bool begin_stream(struct live *l, struct api_call *c)
{
    static const struct http_stream_hooks hooks = {.writable = live_writable, .closed = live_gone};
    /* So that a proxy passes on each event as it comes. */
    static const struct http_header unbuffered = {STR_LIT("X-Accel-Buffering"), STR_LIT("no")};
    const struct http_head head = {.status = 200,
                                   .content_type =
                                       l->sse ? "text/event-stream" : "application/x-ndjson",
                                   .headers = &unbuffered,
                                   .header_count = 1};
    l->out = http_stream_begin(c->request, &head, &hooks, l);
    return l->out != NULL;
}

static void subscribe(struct api_call *c)
{
    struct es *es;
    struct ectx ec = {0};
    uint64_t wait_ns, limit;
    enum envelope_form form;
    struct es_subscribe s = {.stream = api_query(c, "stream"), .deliver = live_deliver};
    if (!api_may_wait(c) || !es_get(c, &es) || !es_filter_get(c, &s.filter) ||
        !filter_fits(c, &s) || !es_form_get(c, &form) ||
        !api_query_duration(c, "wait", UINT64_MAX, LIVE_WAIT_MAX_NS, &wait_ns) ||
        !api_query_u64(c, "limit", ES_PAGE_DEFAULT, ES_PAGE_MAX, &limit)) {
        return;
    }
    enum err e = read_from(c, &s, &ec);
    struct live *l = e == ERR_OK ? mem_new(struct live) : NULL;
    if (l == NULL) {
        api_fail(c, e == ERR_OK ? ERR_NO_MEMORY : e, &ec);
        return;
    }
    l->api = c->api;
    l->form = form;
    l->of_stream = !str_is_null(s.stream);
    l->waiter = (struct api_waiter){.tick = live_tick, .stop = live_stop};
    l->said_ns = env_mono_ns(c->api->services.env);
    l->next = s.from_end ? es_head(es) : s.after;
    list_init(&l->waiter.link);
    buf_init(&l->page, ES_ANSWER_BYTES);
    arena_init(&l->scratch, LIVE_SCRATCH_BYTES);
    s.ctx = l;
    s.closed = live_closed;
    const bool poll = wait_ns != UINT64_MAX;
    l->sse = !api_accepts(c, "application/x-ndjson");
    /* The subscription first: what is wrong with it is still a problem with a status. It delivers
     * nothing before the loop turns again or `resume`; what needs the request's memory is copied.
     */
    enum es_problem p = es_subscribe(es, &s, &l->sub, &ec);
    if (p != ES_OK) {
        l->sub = NULL;
        live_free(l);
        es_reply_problem(c, p, 0, &ec, STR_NULL);
        return;
    }
    if (poll ? begin_poll(l, c, wait_ns, limit) : begin_stream(l, c)) {
        api_wait(c->api, &l->waiter);
        es_subscription_resume(l->sub);
        return;
    }
    live_free(l); /* http has answered */
}

struct place {
    struct api_call *c;
    uint64_t revision;
    struct es_stream_get get;
};

static void on_looked_up(struct es_stream_get *g)
{
    const struct place *x = g->ctx;
    struct ectx ec = {0};
    if (g->problem == ES_OK && x->revision > g->info.last_revision) {
        IGNORE(ectx_fail(&ec, ERR_OFFSET_OUT_OF_RANGE,
                         "from: revision %llu is above the end of the stream, which is %llu",
                         (unsigned long long)x->revision,
                         (unsigned long long)g->info.last_revision));
    } else if (g->problem == ES_STREAM_NOT_FOUND) {
        IGNORE(ectx_fail(&ec, ERR_OFFSET_OUT_OF_RANGE,
                         "from: there is no stream '%.*s' that could have had a revision %llu",
                         STR(g->stream), (unsigned long long)x->revision));
    } else {
        subscribe(x->c); /* which tells what is wrong, if anything is */
        return;
    }
    ectx_hint(&ec, "from=end follows from now on, from=start from the first event");
    es_reply_problem(x->c, ES_POSITION_UNKNOWN, 0, &ec, STR_NULL);
}

/* A revision that the stream has not had is none that this server gave: what comes below it would
 * be passed over in silence. */
static void look_up(struct api_call *c)
{
    struct es *es = c->api->services.es;
    const struct str stream = api_query(c, "stream");
    uint64_t revision;
    if (str_is_null(stream) || !es_ready(es) || !revision_of(place_of(c), &revision)) {
        subscribe(c);
        return;
    }
    struct place *x = arena_new(c->arena, struct place);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->revision = revision;
    x->get =
        (struct es_stream_get){.stream = stream, .arena = c->arena, .done = on_looked_up, .ctx = x};
    es_stream_get(es, &x->get);
}

static bool is_ready(const struct api *a)
{
    return es_ready(a->services.es);
}

static void get_live(struct api_call *c)
{
    if (str_is_null(api_query(c, "wait"))) {
        api_when_ready(c, is_ready, look_up);
    } else {
        look_up(c); /* a program that polls can be told to come back */
    }
}

static const struct api_param PARAMS[] = {
    {"category", API_QUERY, API_STRING, false, NULL, "Events of this category only."},
    {"stream", API_QUERY, API_STRING, false, NULL,
     "Events of this stream only, all of them: without category, type and tag."},
    {"type", API_QUERY, API_LIST, false, NULL,
     "Of this type, as it was written (upcasts may make another of it); several: any of them."},
    {"tag", API_QUERY, API_LIST, false, NULL, "With this tag; several: all of them."},
    {"from", API_QUERY, API_STRING, false, "end",
     "After this position (of a stream: this revision), or start, or end (start); `next` of the "
     "page before."},
    {"Last-Event-ID", API_HEADER, API_STRING, false, NULL, "As `from`; browsers send it."},
    {"wait", API_QUERY, API_DURATION, false, "1s",
     "One page, answered as soon as there is something, at the latest after this time."},
    {"limit", API_QUERY, API_LIMIT, false, NULL, "With wait: how many events at most (500)."},
    ES_STORE_PARAM,
    ES_FORM_PARAM,
};
static const struct api_route ROUTES[] = {
    {"GET", "/api/v1/subscriptions/live", get_live, "subscribe",
     "Catch up from a position and follow: server-sent events, NDJSON, or one page (long poll).",
     PARAMS, ARRAY_LEN(PARAMS), NULL, "LivePage", 200, API_SSE | API_NDJSON_OUT,
     "stream-not-found stream-deleted stream-tombstoned category-not-found position-unknown "
     "too-many-open",
     NULL},
};
static const struct api_schema SCHEMAS[] = {
    {"LivePage",
     "{\"type\":\"object\",\"required\":[\"events\",\"next\",\"caught_up\"],\"properties\":{"
     "\"events\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Event\"}},"
     "\"next\":{\"type\":\"string\"},\"caught_up\":{\"type\":\"boolean\"}}}"},
};
const struct api_resource api_live = {"Subscriptions", "Events as they come.",
                                      ROUTES,          ARRAY_LEN(ROUTES),
                                      SCHEMAS,         ARRAY_LEN(SCHEMAS)};
