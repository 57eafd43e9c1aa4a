/*
 * Events as NDJSON: as many pages as there are, sent as they are read, a line for each event.
 *
 *     first page -> head and its lines -> next page, when the connection takes more -> ... -> end
 *
 * The head waits for the first page, so that what is wrong with the request is a problem with its
 * status. What goes wrong later is told by a last line, {"problem": ...}, and the reply is broken
 * off: nobody takes a part of a stream for the whole.
 */
#include "api/es_common.h"
#include "core/mem.h"

#define LINES_PAGE        500u
#define LINES_ARENA_BYTES (64u * 1024 * 1024)
/* Of a page's events, about: all of it is queued at once. */
#define LINES_PAGE_BYTES HTTP_STREAM_HIGH
#define LINES_ARENA_KEEP (16u * 1024) /* while the peer is slow */

/* One read at a time. With neither `c` nor `out` the peer is gone, or was told that the server
 * stops: the read that is still under way is waited for. */
struct lines {
    struct api_waiter waiter;
    struct es *es;
    struct api_call *c;      /* until the head is sent */
    struct http_stream *out; /* from then on */
    struct arena arena;      /* of a page, reset for the next */
    struct arena kept;       /* what the read's parameters point to */
    bool of_stream, reading, full, limited;
    bool within, again; /* a read may be answered before its call returns */
    bool *freed;        /* of the loop that is at it */
    enum envelope_form form;
    size_t left; /* events that may still be sent, if limited */
    struct es_read_stream stream;
    struct es_read_all all;
};

static void lines_free(struct lines *k)
{
    api_wait_end(&k->waiter);
    arena_deinit(&k->arena);
    arena_deinit(&k->kept);
    if (k->freed != NULL) {
        *k->freed = true;
    }
    mem_free(k);
}

/* Says what is wrong to whom there still is; k may be freed afterwards. */
static void tell(struct lines *k, enum es_problem problem, const struct ectx *ec)
{
    struct api_call *c = k->c;
    struct http_stream *out = k->out;
    k->c = NULL;
    k->out = NULL;
    if (c != NULL) {
        es_reply_problem(c, problem, 0, ec, STR_NULL);
    } else if (out != NULL) {
        api_stream_problem(out, es_code_of(problem, ec), ec);
    }
}

static void on_writable(void *ctx);
static void on_gone(void *ctx);

/* False: http has answered. */
static bool begin(struct lines *k)
{
    static const struct http_stream_hooks hooks = {.writable = on_writable, .closed = on_gone};
    static const struct http_head head = {.status = 200, .content_type = "application/x-ndjson"};
    struct http_request *request = k->c->request;
    k->c = NULL;
    k->out = http_stream_begin(request, &head, &hooks, k);
    return k->out != NULL;
}

/* ---- Pages ---------------------------------------------------------------------------------- */

static void next_page(struct lines *k)
{
    const size_t limit = !k->limited || k->left > LINES_PAGE ? LINES_PAGE : k->left;
    k->reading = true;
    arena_reset(&k->arena, 256u * 1024);
    if (k->of_stream) {
        k->stream.limit = limit;
        es_read_stream(k->es, &k->stream);
    } else {
        k->all.limit = limit;
        es_read_all(k->es, &k->all);
    }
}

/* Reads on; k may be gone afterwards. What is in memory is answered before the call returns, and
 * pages without a line (of events that are hidden) never fill the connection: a loop, so that they
 * take no stack, however many there are. */
static void step(struct lines *k)
{
    bool freed = false;
    if (k->within) {
        k->again = true;
        return;
    }
    k->freed = &freed;
    do {
        k->again = false;
        k->within = true;
        next_page(k);
        if (freed) {
            return;
        }
        k->within = false;
    } while (k->again);
    k->freed = NULL;
}

static void put_lines(struct lines *k, const struct es_event *events, size_t count, struct buf *b)
{
    struct json_writer w;
    json_write_init(&w, b);
    if (k->of_stream && k->stream.has_snapshot) {
        json_write_begin(&w, '{');
        events_write_snapshot(&w, &k->stream.snapshot);
        json_write_end(&w, '}');
        buf_put_u8(b, '\n');
        json_write_init(&w, b);
    }
    for (size_t i = 0; i < count; i++) {
        event_write(&w, k->es, &events[i], k->form, &k->arena, '\n');
    }
}

/* The read is over. What it said is told, or what is wrong with it; then the next page. */
static void page(struct lines *k, enum es_problem problem, struct ectx *ec,
                 const struct es_event *events, size_t count, bool more)
{
    struct buf b;
    buf_init(&b, ES_ANSWER_BYTES);
    if (problem == ES_OK) {
        put_lines(k, events, count, &b);
        if (k->of_stream) {
            es_read_stream_release(k->es, &k->stream);
        } else {
            es_read_all_release(k->es, &k->all);
        }
    }
    if (buf_failed(&b)) {
        problem = ES_FAILED;
        IGNORE(ectx_fail(ec, ERR_NO_MEMORY, "the events of a page do not fit into memory"));
    }
    k->reading = false;
    k->left -= k->limited ? count : 0;
    more = more && !(k->limited && k->left == 0);
    if (problem != ES_OK) {
        tell(k, problem, ec);
    } else if (k->out != NULL || (k->c != NULL && begin(k))) {
        k->full = !http_stream_write(k->out, buf_str(&b));
    }
    buf_deinit(&b);
    if (k->full) {
        arena_reset(&k->arena, LINES_ARENA_KEEP);
    }
    if (k->out == NULL) {
        lines_free(k);
    } else if (!more) {
        http_stream_end(k->out);
        lines_free(k);
    } else if (!k->full) {
        step(k);
    }
}

static void on_stream(struct es_read_stream *r)
{
    struct lines *k = r->ctx;
    struct ectx ec = r->ec;
    enum es_problem problem = r->problem;
    const bool first = k->c != NULL;
    if (problem == ES_OK && !first && !r->backward && r->first_revision > r->from) {
        const unsigned long long from = r->from, now = r->first_revision;
        es_read_stream_release(k->es, r);
        problem = ES_EVENT_NOT_FOUND;
        IGNORE(ectx_fail(&ec, ERR_NOT_FOUND,
                         "the events from revision %llu on were hidden while they were read: the "
                         "stream begins at %llu now",
                         from, now));
    }
    const size_t count = problem == ES_OK ? r->event_count : 0;
    r->from = r->next;
    r->from_end = false;
    r->snapshot_schema = STR_NULL;
    page(k, problem, &ec, r->events, count, r->more);
}

static void on_all(struct es_read_all *r)
{
    struct lines *k = r->ctx;
    struct ectx ec = r->ec;
    r->after = r->next;
    r->from_end = false;
    page(k, r->problem, &ec, r->events, r->event_count, r->more);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static void on_writable(void *ctx)
{
    struct lines *k = ctx;
    k->full = false;
    if (!k->reading) {
        step(k);
    }
}

static void on_gone(void *ctx)
{
    struct lines *k = ctx;
    k->out = NULL;
    if (!k->reading) {
        lines_free(k);
    }
}

static void on_tick(struct api_waiter *w, uint64_t now_ns)
{
    (void)w;
    (void)now_ns;
}

static void on_stop(struct api_waiter *w)
{
    struct lines *k = CONTAINER_OF(w, struct lines, waiter);
    struct ectx ec = {0};
    IGNORE(ectx_fail(&ec, ERR_STOPPED, "the server stops"));
    tell(k, ES_UNAVAILABLE, &ec);
    if (!k->reading) {
        lines_free(k);
    }
}

/* NULL: answered. */
static struct lines *lines_new(struct api_call *c, struct es *es, bool limited, size_t limit)
{
    if (!api_may_wait(c)) {
        return NULL;
    }
    struct lines *k = mem_new(struct lines);
    if (k == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    k->c = c;
    k->es = es;
    k->limited = limited;
    k->left = limit;
    k->waiter = (struct api_waiter){.tick = on_tick, .stop = on_stop};
    list_init(&k->waiter.link);
    arena_init(&k->arena, LINES_ARENA_BYTES);
    arena_init(&k->kept, 256u * 1024);
    api_wait(c->api, &k->waiter);
    return k;
}

static bool keep(struct lines *k, struct str *s)
{
    if (!str_is_null(*s)) {
        *s = arena_str(&k->kept, *s);
        return !str_is_null(*s);
    }
    return true;
}

static bool keep_list(struct lines *k, const struct str **list, size_t count)
{
    struct str *copy = count == 0 ? NULL : arena_new_n(&k->kept, struct str, count);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = (*list)[i];
        if (!keep(k, &copy[i])) {
            return false;
        }
    }
    *list = copy;
    return count == 0 || copy != NULL;
}

static void read_first(struct lines *k, bool kept)
{
    if (kept) {
        step(k);
        return;
    }
    api_fail(k->c, ERR_NO_MEMORY, NULL);
    lines_free(k);
}

/* The request's memory goes with its answer, which may come before a read that is under way is
 * over: what the reads need is copied first. */
void events_lines_of_stream(struct api_call *c, struct es *es, const struct es_read_stream *range,
                            enum envelope_form form, bool limited)
{
    struct lines *k = lines_new(c, es, limited, range->limit);
    if (k == NULL) {
        return;
    }
    k->form = form;
    k->of_stream = true;
    k->stream = *range;
    k->stream.limit_bytes = LINES_PAGE_BYTES;
    k->stream.arena = &k->arena;
    k->stream.done = on_stream;
    k->stream.ctx = k;
    read_first(k, keep(k, &k->stream.stream) && keep(k, &k->stream.snapshot_schema));
}

void events_lines_of_all(struct api_call *c, struct es *es, const struct es_read_all *range,
                         enum envelope_form form, bool limited)
{
    struct lines *k = lines_new(c, es, limited, range->limit);
    if (k == NULL) {
        return;
    }
    k->form = form;
    k->all = *range;
    k->all.limit_bytes = LINES_PAGE_BYTES;
    k->all.arena = &k->arena;
    k->all.done = on_all;
    k->all.ctx = k;
    read_first(k, keep(k, &k->all.filter.store) && keep(k, &k->all.filter.category) &&
                      keep_list(k, &k->all.filter.types, k->all.filter.type_count) &&
                      keep_list(k, &k->all.filter.tags, k->all.filter.tag_count));
}
