/*
 * Consuming: GET /api/v1/topics/{topic}/records. One page, which may wait for its first record
 * (long poll); NDJSON up to the end as of now, or up to `limit`; or server-sent events that catch
 * up and then follow, whose ids are offsets, so that a browser's Last-Event-ID goes on where it
 * was.
 *
 *     step -> engine_read -> on_read: records are written -> step ...
 *                                     the peer is slow: until `writable`
 */
#include <stdio.h>

#include "api/records.h"
#include "api/topics.h"
#include "core/mem.h"

#define PAGE_DEFAULT 500u
#define PAGE_MAX     10000u
#define PAGE_BYTES   (8u * 1024 * 1024) /* of a page's records, about */
#define ANSWER_BYTES (512u * 1024 * 1024)
#define READ_BYTES   (1u << 20)
#define ARENA_BYTES  (1u << 20)
#define WAIT_MAX_NS  60000000000ull
#define HEARTBEAT_NS 15000000000ull

enum form { FORM_PAGE, FORM_NDJSON, FORM_SSE };

struct consume {
    struct api_waiter waiter;
    struct api *api;
    enum form form;
    struct api_call *c;      /* FORM_PAGE; FORM_NDJSON until its head is sent */
    struct http_stream *out; /* the others */
    char *topic;
    int32_t partition;
    int64_t offset;   /* the next one wanted */
    int64_t until;    /* FORM_NDJSON: the end when it began */
    uint64_t left;    /* records */
    uint64_t wait_ns; /* of a page */
    struct engine_read read;
    struct arena arena;
    struct record_scratch scratch;
    struct buf page; /* and one record of the others */
    struct json_writer w;
    bool reading, stuck, caught_up, over;
    bool within, again; /* a read may be answered before its call returns */
    bool *gone_now;     /* of the call that stands on it */
};

static void consume_free(struct consume *x)
{
    if (x->gone_now != NULL) {
        *x->gone_now = true;
    }
    if (x->reading) {
        engine_read_cancel(x->api->services.engine, &x->read);
    }
    api_wait_end(&x->waiter);
    record_scratch_deinit(&x->scratch);
    arena_deinit(&x->arena);
    buf_deinit(&x->page);
    mem_free(x->topic);
    mem_free(x);
}

/* ---- Ends --------------------------------------------------------------------------------------
 */

static void write_bounds(struct json_writer *w, const struct consume *x)
{
    json_write_member_i64(w, "start_offset", x->read.start_offset);
    json_write_member_i64(w, "end_offset", x->read.end_offset);
}

static void page_reply(struct consume *x)
{
    struct api_call *c = x->c;
    json_write_end(&x->w, ']');
    json_write_member_i64(&x->w, "next_offset", x->offset);
    write_bounds(&x->w, x);
    json_write_end(&x->w, '}');
    struct buf page = x->page;
    buf_init(&x->page, 0);
    consume_free(x);
    api_reply(c, 200, NULL, 0, &page);
}

static void finish_with(struct consume *x, const char *code, const struct ectx *ec)
{
    if (x->out == NULL) {
        struct api_call *c = x->c;
        char members[96];
        const bool range = ec->code == ERR_OFFSET_OUT_OF_RANGE;
        int n = snprintf(members, sizeof(members), "\"start_offset\":%lld,\"end_offset\":%lld",
                         (long long)x->read.start_offset, (long long)x->read.end_offset);
        const struct ectx copy = *ec;
        consume_free(x);
        if (c == NULL) {
            return; /* http has answered */
        }
        api_problem(c, code, &copy, range ? str_make(members, (size_t)n) : STR_NULL);
        return;
    }
    struct http_stream *out = x->out;
    const bool lines = x->form == FORM_NDJSON;
    const struct ectx copy = *ec;
    consume_free(x);
    if (lines) { /* it should have had an end of its own */
        api_stream_problem(out, code, &copy);
    } else {
        api_stream_closed(out, true, code, &copy);
    }
}

static void stop(struct api_waiter *waiter)
{
    struct consume *x = CONTAINER_OF(waiter, struct consume, waiter);
    struct ectx ec = {0};
    IGNORE(ectx_fail(&ec, ERR_STOPPED, "the server stops"));
    finish_with(x, "unavailable", &ec);
}

static void tick(struct api_waiter *waiter, uint64_t now_ns)
{
    (void)waiter; /* the reads keep the time */
    (void)now_ns;
}

static void gone(void *ctx)
{
    consume_free(ctx);
}

static void writable(void *ctx);

/* The head. False: http has answered. */
static bool begin_stream(struct consume *x)
{
    static const struct http_stream_hooks hooks = {.writable = writable, .closed = gone};
    /* So that a proxy passes on each event as it comes. */
    static const struct http_header unbuffered = {STR_LIT("X-Accel-Buffering"), STR_LIT("no")};
    const struct http_head head = {.status = 200,
                                   .content_type = x->form == FORM_SSE ? "text/event-stream"
                                                                       : "application/x-ndjson",
                                   .headers = &unbuffered,
                                   .header_count = x->form == FORM_SSE ? 1 : 0};
    struct http_request *request = x->c->request;
    x->c = NULL;
    x->out = http_stream_begin(request, &head, &hooks, x);
    return x->out != NULL;
}

/* ---- Records -----------------------------------------------------------------------------------
 */

/* False: enough for now. */
static bool give(struct consume *x, const struct record *r)
{
    char id[24];
    x->offset = r->offset + 1;
    x->left--;
    if (x->form == FORM_PAGE) {
        record_write(&x->w, x->partition, r);
        return x->left > 0 && x->page.n < PAGE_BYTES && !buf_failed(&x->page);
    }
    buf_clear(&x->page);
    json_write_init(&x->w, &x->page);
    record_write(&x->w, x->partition, r);
    if (buf_failed(&x->page) || (x->out == NULL && !begin_stream(x))) {
        x->over = true;
        return false;
    }
    if (x->form == FORM_NDJSON) {
        buf_put_u8(&x->page, '\n');
        x->stuck = !http_stream_write(x->out, buf_str(&x->page));
    } else {
        const int n = snprintf(id, sizeof(id), "%lld", (long long)r->offset);
        x->stuck = !http_stream_event(x->out, str_make(id, (size_t)n), STR_LIT("record"),
                                      buf_str(&x->page));
    }
    return x->left > 0 && !x->stuck;
}

/* *whole: all of it was wanted and given. */
static enum err give_batch(struct consume *x, const struct engine_batch *b, bool *whole,
                           struct ectx *ec)
{
    struct batch_header h;
    struct record_iter it;
    struct record r;
    const uint8_t *p = (const uint8_t *)b->bytes.p;
    enum err e = batch_header_parse(p, b->bytes.n, &h, ec);
    e = e == ERR_OK ? record_iter_init(&it, &h, p, &x->scratch, RECORD_DECOMPRESSED_MAX, ec) : e;
    if (e != ERR_OK) {
        return e;
    }
    *whole = true;
    while (*whole && record_next(&it, &r)) {
        if (r.offset >= x->offset) {
            *whole = give(x, &r);
        }
    }
    return *whole ? record_iter_end(&it, ec) : ERR_OK;
}

/* What comes after what was read. False: x is gone. */
static bool go_on(struct consume *x)
{
    const bool at_end = x->offset >= x->read.end_offset;
    if (x->over) {
        struct ectx ec = {0};
        IGNORE(ectx_fail(&ec, ERR_NO_MEMORY, "out of memory for a record"));
        finish_with(x, "no-memory", &ec);
        return false;
    }
    if (x->form == FORM_PAGE) {
        page_reply(x);
        return false;
    }
    if (x->out == NULL && !begin_stream(x)) { /* there was no record */
        consume_free(x);
        return false;
    }
    if (x->left == 0 || (x->form == FORM_NDJSON && x->offset >= x->until)) {
        struct http_stream *out = x->out;
        consume_free(x);
        http_stream_end(out);
        return false;
    }
    if (x->form == FORM_SSE && at_end && !x->caught_up) {
        char text[64];
        const int n = snprintf(text, sizeof(text), "{\"next_offset\":%lld}", (long long)x->offset);
        x->caught_up = true;
        x->stuck =
            !http_stream_event(x->out, STR_NULL, STR_LIT("caught_up"), str_make(text, (size_t)n)) ||
            x->stuck;
    } else if (x->form == FORM_SSE && x->caught_up && x->read.batch_count == 0) {
        x->stuck = !http_stream_comment(x->out, STR_LIT("still here")) || x->stuck;
    }
    return true;
}

static void step(struct consume *x);

static void on_read(struct engine_read *r)
{
    struct consume *x = r->ctx;
    struct ectx ec = r->ec;
    enum err e = r->err;
    bool whole = true;
    x->reading = false;
    if (e == ERR_OK) {
        for (size_t i = 0; i < r->batch_count && whole && e == ERR_OK; i++) {
            e = give_batch(x, &r->batches[i], &whole, &ec);
        }
        if (whole && e == ERR_OK && r->next_offset > x->offset) {
            x->offset = r->next_offset;
        }
        engine_read_release(x->api->services.engine, r);
    }
    record_scratch_trim(&x->scratch);
    if (e != ERR_OK) {
        ec.code = e;
        finish_with(x, api_problem_of(e), &ec);
        return;
    }
    if (!go_on(x)) {
        return;
    }
    if (x->within) {
        x->again = true;
    } else {
        step(x);
    }
}

static void read_next(struct consume *x)
{
    arena_reset(&x->arena, ARENA_BYTES / 4);
    const uint64_t wait = x->form == FORM_PAGE                  ? x->wait_ns
                          : x->form == FORM_SSE && x->caught_up ? HEARTBEAT_NS
                                                                : 0;
    x->read = (struct engine_read){.topic = str_of(x->topic),
                                   .partition = x->partition,
                                   .offset = x->offset,
                                   .max_bytes = READ_BYTES,
                                   .wait_ns = wait,
                                   .arena = &x->arena,
                                   .done = on_read,
                                   .ctx = x};
    x->reading = true;
    engine_read(x->api->services.engine, &x->read);
}

/*
 * Reads on, if there is nothing in the way. x may be gone afterwards. What is in memory is answered
 * before the call returns: a loop, which ends at the latest when as much is queued as a stream may.
 */
static void step(struct consume *x)
{
    bool gone_now = false;
    x->gone_now = &gone_now;
    do {
        x->again = false;
        if (!x->reading && !x->stuck) {
            x->within = true;
            read_next(x);
            if (gone_now) {
                return;
            }
            x->within = false;
        }
    } while (x->again);
    x->gone_now = NULL;
}

static void writable(void *ctx)
{
    struct consume *x = ctx;
    x->stuck = false;
    step(x);
}

/* ---- The request -------------------------------------------------------------------------------
 */

static bool refuse(struct api_call *c, enum err e, const struct ectx *ec, struct str members)
{
    api_problem(c, api_problem_of(e), ec, members);
    return false;
}

/* Where to begin, and whether that is there. */
static bool read_offset(struct api_call *c, struct consume *x)
{
    struct engine *engine = c->api->services.engine;
    struct str text = api_query(c, "offset");
    const struct str last = http_header_get(c->request, "Last-Event-ID");
    int64_t start = 0, end = 0;
    struct ectx ec = {0};
    enum err e = engine_bounds(engine, api_path(c, 0), x->partition, &start, &end);
    if (e != ERR_OK) {
        IGNORE(ectx_fail(&ec, e, "topic '%.*s' has no partition %d", STR(api_path(c, 0)),
                         x->partition));
        return refuse(c, e, &ec, STR_NULL);
    }
    x->until = end;
    x->offset = start;
    if (!str_is_null(last) && last.n > 0) {
        if (!str_to_i64(last, &x->offset) || x->offset < 0 || x->offset == INT64_MAX) {
            e = ectx_fail(&ec, ERR_INVALID_REQUEST,
                          "Last-Event-ID: must be the id of an event of this topic");
            return refuse(c, e, &ec, STR_NULL);
        }
        x->offset++;
    } else if (str_eq_z(text, "latest")) {
        x->offset = end;
    } else if (!str_is_null(text) && !str_eq_z(text, "earliest") &&
               (!str_to_i64(text, &x->offset) || x->offset < 0)) {
        e = ectx_fail(&ec, ERR_INVALID_REQUEST,
                      "offset: must be a whole number of 0 or more, earliest or latest");
        return refuse(c, e, &ec, STR_NULL);
    }
    if (x->offset < start || x->offset > end) {
        char members[96];
        const int n =
            snprintf(members, sizeof(members), "\"start_offset\":%lld,\"end_offset\":%lld",
                     (long long)start, (long long)end);
        e = ectx_fail(&ec, ERR_OFFSET_OUT_OF_RANGE,
                      "offset %lld is not there: the partition holds %lld to %lld",
                      (long long)x->offset, (long long)start, (long long)end);
        return refuse(c, e, &ec, str_make(members, (size_t)n));
    }
    return true;
}

static bool read_request(struct api_call *c, struct consume *x)
{
    struct engine_topic topic;
    uint64_t partition;
    x->form = api_accepts(c, "text/event-stream")      ? FORM_SSE
              : api_accepts(c, "application/x-ndjson") ? FORM_NDJSON
                                                       : FORM_PAGE;
    const uint64_t all = x->form == FORM_PAGE ? PAGE_DEFAULT : UINT64_MAX;
    const uint64_t most = x->form == FORM_PAGE ? PAGE_MAX : UINT64_MAX;
    if (!api_topic_get(c, api_path(c, 0), &topic) ||
        !api_query_u64(c, "partition", 0, INT32_MAX, &partition) ||
        !api_query_u64(c, "limit", all, most, &x->left) ||
        !api_query_duration(c, "wait", 0, WAIT_MAX_NS, &x->wait_ns)) {
        return false;
    }
    x->partition = (int32_t)partition;
    return read_offset(c, x);
}

/* The head of lines waits for the first record, so that a problem with it has a status. */
static bool begin(struct api_call *c, struct consume *x)
{
    x->c = c;
    if (x->form == FORM_SSE) {
        return begin_stream(x);
    }
    if (x->form == FORM_PAGE) {
        json_write_init(&x->w, &x->page);
        json_write_begin(&x->w, '{');
        json_write_name(&x->w, "records");
        json_write_begin(&x->w, '[');
    }
    return true;
}

void records_get(struct api_call *c)
{
    struct api *a = c->api;
    struct consume want = {0};
    if (!read_request(c, &want) || !api_may_wait(c)) {
        return;
    }
    struct consume *x = mem_new(struct consume);
    want.topic = x == NULL ? NULL : str_dup_z(api_path(c, 0));
    if (want.topic == NULL) {
        mem_free(x);
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    *x = want;
    x->api = a;
    x->waiter = (struct api_waiter){.tick = tick, .stop = stop};
    list_init(&x->waiter.link);
    arena_init(&x->arena, ARENA_BYTES);
    record_scratch_init(&x->scratch, RECORD_DECOMPRESSED_MAX);
    buf_init(&x->page, ANSWER_BYTES);
    api_wait(a, &x->waiter);
    if (begin(c, x)) {
        step(x);
    } else {
        consume_free(x); /* http has answered */
    }
}
