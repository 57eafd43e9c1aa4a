/* Reading a stream: a page, with everything that its events point to. */
#include <string.h>

#include "lib.h"

struct page {
    struct leat_page page; /* first */
    struct leat_event *events;
    json_t *answer; /* texts are views of it */
    void **owned;   /* dumps and decoded data */
    size_t owned_count, owned_room;
};

void leat_page_free(struct leat *l, struct leat_page *page)
{
    struct page *p = (struct page *)page;
    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < p->owned_count; i++) {
        (void)lib_realloc(l, p->owned[i], 0);
    }
    json_decref(p->answer);
    if (p->owned != NULL) {
        (void)lib_realloc(l, p->owned, 0);
    }
    if (p->events != NULL) {
        (void)lib_realloc(l, p->events, 0);
    }
    (void)lib_realloc(l, p, 0);
}

/* Takes ownership; false: no room was left for it (it is freed). */
static bool own(struct leat *l, struct page *p, void *memory)
{
    if (memory == NULL || p->owned_count == p->owned_room) {
        if (memory != NULL) {
            (void)lib_realloc(l, memory, 0);
        }
        return false;
    }
    p->owned[p->owned_count++] = memory;
    return true;
}

static int dump(const char *bytes, size_t n, void *ctx)
{
    text_put(ctx, bytes, n);
    return 0;
}

/* A value as its JSON text; NULL: no memory. */
static char *text_of(struct leat *l, struct page *p, const json_t *v, size_t *size)
{
    struct text t;
    text_init(&t, l);
    if (json_dump_callback(v, dump, &t, JSON_COMPACT | JSON_ENCODE_ANY) != 0 || t.failed ||
        !own(l, p, t.p)) {
        if (t.failed) {
            text_deinit(&t);
        }
        return NULL;
    }
    *size = t.n;
    return t.p;
}

static bool event_read(struct leat *l, struct page *p, const json_t *v, struct leat_event *e)
{
    const json_t *data = json_object_get(v, "data");
    const json_t *meta = json_object_get(v, "meta");
    const char *base64 = lib_member_text(v, "data_base64");
    size_t size = 0;
    *e = (struct leat_event){.stream = lib_member_text(v, "stream"),
                             .id = lib_member_text(v, "id"),
                             .type = lib_member_text(v, "type"),
                             .time = lib_member_text(v, "time"),
                             .revision = lib_member_number(v, "revision", -1),
                             .position = lib_member_text(v, "position"),
                             .content_type = lib_member_text(v, "content_type"),
                             .correlation_id = lib_member_text(v, "correlation_id"),
                             .causation_id = lib_member_text(v, "causation_id"),
                             .traceparent = lib_member_text(v, "traceparent"),
                             .redacted = json_is_true(json_object_get(v, "redacted")),
                             .partition = -1,
                             .offset = -1};
    if (e->stream == NULL || e->id == NULL || e->type == NULL || e->revision < 0) {
        return false;
    }
    if (meta != NULL && (e->meta = text_of(l, p, meta, &size)) == NULL) {
        return false;
    }
    if (base64 != NULL) {
        void *bytes = lib_base64_decode(l, base64, &e->data_size);
        e->data = bytes;
        return own(l, p, bytes);
    }
    if (data != NULL && !(e->redacted && json_is_null(data))) {
        e->data = text_of(l, p, data, &e->data_size);
        return e->data != NULL;
    }
    return true;
}

static int page_make(struct leat *l, json_t *answer, struct leat_page **out,
                     struct leat_problem *problem)
{
    const json_t *events = json_object_get(answer, "events");
    const json_t *snapshot = json_object_get(answer, "snapshot");
    const size_t count = json_array_size(events);
    struct page *p = lib_realloc(l, NULL, sizeof(*p));
    if (p == NULL) {
        json_decref(answer);
        return lib_fail(problem, "no-memory", "no memory for the answer");
    }
    *p = (struct page){.answer = answer, .owned_room = count * 2 + 1};
    p->events = lib_realloc(l, NULL, (count + 1) * sizeof(*p->events));
    p->owned = lib_realloc(l, NULL, p->owned_room * sizeof(*p->owned));
    bool good = p->events != NULL && p->owned != NULL;
    for (size_t i = 0; good && i < count; i++) {
        good = event_read(l, p, json_array_get(events, i), &p->events[i]);
    }
    p->page = (struct leat_page){.events = p->events,
                                 .count = count,
                                 .last_revision = lib_member_number(answer, "last_revision", -1),
                                 .next = lib_member_number(answer, "next", -1),
                                 .snapshot_revision = -1};
    if (good && snapshot != NULL) {
        size_t size;
        p->page.snapshot_revision = lib_member_number(snapshot, "revision", -1);
        p->page.snapshot = text_of(l, p, json_object_get(snapshot, "state"), &size);
        good = p->page.snapshot != NULL;
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
    struct text path;
    json_t *v = NULL;
    if (stream == NULL) {
        return lib_fail(problem, "invalid-argument", "a stream, please");
    }
    text_init(&path, l);
    text_put_z(&path, "/api/v1/streams/");
    text_put_encoded(&path, stream);
    text_printf(&path, "/events?limit=%zu",
                r->limit == 0             ? (size_t)LIB_PAGE
                : r->limit > LIB_PAGE_MAX ? (size_t)LIB_PAGE_MAX
                                          : r->limit);
    if (r->from < 0) {
        text_put_z(&path, "&from=end");
    } else {
        text_printf(&path, "&from=%lld", (long long)r->from);
    }
    if (r->to > 0) {
        text_printf(&path, "&to=%lld", (long long)r->to);
    }
    if (r->backward) {
        text_put_z(&path, "&dir=back");
    }
    if (r->at != NULL) {
        text_put_z(&path, "&at=");
        text_put_encoded(&path, r->at);
    }
    if (r->snapshot_schema != NULL) {
        text_put_z(&path, "&snapshot=auto&schema=");
        text_put_encoded(&path, r->snapshot_schema);
    }
    const int result = lib_call(l, "GET", &path, NULL, &v, problem);
    text_deinit(&path);
    return result == 0 ? page_make(l, v, out, problem) : result;
}
