/* Reading a stream: a page, with everything that its events point to. */
#include <string.h>

#include "lib.h"

struct page {
    struct leat_page page; /* first */
    struct leat_event *events;
    struct lib_text answer; /* all texts and data are pieces of it */
};

void leat_page_free(struct leat *l, struct leat_page *page)
{
    struct page *p = (struct page *)page;
    if (p == NULL) {
        return;
    }
    lib_text_deinit(&p->answer);
    if (p->events != NULL) {
        (void)lib_realloc(l, p->events, 0);
    }
    (void)lib_realloc(l, p, 0);
}

/* false: it is no event. */
static bool event_read(const struct lib_json *v, struct leat_event *e)
{
    enum {
        STREAM,
        ID,
        TYPE,
        TIME,
        REVISION,
        POSITION,
        CONTENT_TYPE,
        CORRELATION,
        CAUSATION,
        TRACEPARENT,
        META,
        DATA,
        DATA_BASE64,
        REDACTED,
        COUNT
    };
    static const char *const names[COUNT] = {
        "stream",   "id",           "type",           "time",         "revision",
        "position", "content_type", "correlation_id", "causation_id", "traceparent",
        "meta",     "data",         "data_base64",    "redacted"};
    struct lib_json m[COUNT];
    lib_json_members(v, names, m, COUNT);
    *e = (struct leat_event){.redacted = lib_json_is(&m[REDACTED], "true"),
                             .revision = lib_json_number(&m[REVISION], -1),
                             .partition = -1,
                             .offset = -1};
    if (m[DATA].p != NULL && !(e->redacted && lib_json_is(&m[DATA], "null"))) {
        e->data = m[DATA].p;
        e->data_size = (size_t)(m[DATA].end - m[DATA].p);
    }
    e->stream = lib_json_text(&m[STREAM]);
    e->id = lib_json_text(&m[ID]);
    e->type = lib_json_text(&m[TYPE]);
    e->time = lib_json_text(&m[TIME]);
    e->position = lib_json_text(&m[POSITION]);
    e->content_type = lib_json_text(&m[CONTENT_TYPE]);
    e->correlation_id = lib_json_text(&m[CORRELATION]);
    e->causation_id = lib_json_text(&m[CAUSATION]);
    e->traceparent = lib_json_text(&m[TRACEPARENT]);
    e->meta = lib_json_end(&m[META]);
    if (lib_json_text(&m[DATA_BASE64]) != NULL) {
        e->data = m[DATA_BASE64].p;
        e->data_size = lib_base64_decode(m[DATA_BASE64].p);
    }
    return e->stream != NULL && e->id != NULL && e->type != NULL && e->revision >= 0 &&
           e->data_size != SIZE_MAX;
}

static size_t count_of(const struct lib_json *array)
{
    size_t n = 0;
    char *at = NULL;
    struct lib_json key, value;
    while (lib_json_each(array, &at, &key, &value)) {
        n++;
    }
    return n;
}

static bool snapshot_read(const struct lib_json *v, struct leat_page *page)
{
    static const char *const names[] = {"revision", "state"};
    struct lib_json m[2];
    lib_json_members(v, names, m, 2);
    page->snapshot_revision = lib_json_number(&m[0], -1);
    page->snapshot = lib_json_end(&m[1]);
    return page->snapshot_revision >= 0 && page->snapshot != NULL;
}

/* Takes the text over. */
static int page_make(struct leat *l, struct lib_text *answer, const struct lib_json *v,
                     struct leat_page **out, struct leat_problem *problem)
{
    enum { EVENTS, LAST, NEXT, SNAPSHOT, COUNT };
    static const char *const names[COUNT] = {"events", "last_revision", "next", "snapshot"};
    struct lib_json m[COUNT];
    struct page *p = lib_realloc(l, NULL, sizeof(*p));
    if (p == NULL) {
        lib_text_deinit(answer);
        return lib_fail(problem, "no-memory", "no memory for the answer");
    }
    *p = (struct page){.answer = *answer};
    lib_json_members(v, names, m, COUNT);
    const size_t count = count_of(&m[EVENTS]);
    p->events = lib_realloc(l, NULL, (count + 1) * sizeof(*p->events));
    if (p->events == NULL) {
        leat_page_free(l, &p->page);
        return lib_fail(problem, "no-memory", "no memory for the answer");
    }
    p->page = (struct leat_page){.events = p->events,
                                 .count = count,
                                 .last_revision = lib_json_number(&m[LAST], -1),
                                 .next = lib_json_number(&m[NEXT], -1),
                                 .snapshot_revision = -1};
    bool good = m[EVENTS].p != NULL && *m[EVENTS].p == '[';
    char *at = NULL;
    struct lib_json key, value;
    for (size_t i = 0; good && lib_json_each(&m[EVENTS], &at, &key, &value); i++) {
        good = event_read(&value, &p->events[i]);
    }
    if (good && m[SNAPSHOT].p != NULL) {
        good = snapshot_read(&m[SNAPSHOT], &p->page);
    }
    if (!good) {
        leat_page_free(l, &p->page);
        return lib_fail(problem, "malformed-answer", "the answer is no page of events");
    }
    *out = &p->page;
    return 0;
}

int leat_read_stream(struct leat *l, const char *stream, const struct leat_read *read,
                     struct leat_page **out, struct leat_problem *problem)
{
    const struct leat_read none = {0};
    const struct leat_read *r = read == NULL ? &none : read;
    struct lib_call call;
    struct lib_text reply;
    struct lib_json v;
    if (stream == NULL) {
        return lib_fail(problem, "invalid-argument", "a stream, please");
    }
    lib_call_init(&call, l, "GET");
    lib_text_init(&reply, l);
    lib_text_put_z(&call.path, "/api/v1/streams/");
    lib_text_put_encoded(&call.path, stream);
    lib_text_printf(&call.path, "/events?limit=%zu",
                    r->limit == 0             ? (size_t)LIB_PAGE
                    : r->limit > LIB_PAGE_MAX ? (size_t)LIB_PAGE_MAX
                                              : r->limit);
    if (r->from < 0) {
        lib_text_put_z(&call.path, "&from=end");
    } else {
        lib_text_printf(&call.path, "&from=%lld", (long long)r->from);
    }
    if (r->to > 0) {
        lib_text_printf(&call.path, "&to=%lld", (long long)r->to);
    }
    if (r->backward) {
        lib_text_put_z(&call.path, "&dir=back");
    }
    if (r->at != NULL) {
        lib_text_put_z(&call.path, "&at=");
        lib_text_put_encoded(&call.path, r->at);
    }
    if (r->snapshot_schema != NULL) {
        lib_text_put_z(&call.path, "&snapshot=auto&schema=");
        lib_text_put_encoded(&call.path, r->snapshot_schema);
    }
    const int result = lib_call(l, &call, &reply, &v, problem);
    lib_call_deinit(&call);
    if (result != 0) {
        lib_text_deinit(&reply);
        return result;
    }
    return page_make(l, &reply, &v, out, problem);
}
