/*
 * The decide loop: load, decide, append under the condition that nothing came in between, begin
 * again if something did.
 */
#include <string.h>

#include "lib.h"

/* All events after the snapshot as one page: the pages are joined. */
struct history {
    struct leat_page joined;
    struct leat_event *events;
    struct leat_page **pages;
    size_t page_count, event_room;
};

static void history_free(struct leat *l, struct history *h)
{
    for (size_t i = 0; i < h->page_count; i++) {
        leat_page_free(l, h->pages[i]);
    }
    if (h->pages != NULL) {
        (void)lib_realloc(l, h->pages, 0);
    }
    if (h->events != NULL) {
        (void)lib_realloc(l, h->events, 0);
    }
    *h = (struct history){0};
}

static bool history_add(struct leat *l, struct history *h, struct leat_page *page)
{
    struct leat_page **pages =
        lib_realloc(l, h->pages, (h->page_count + 1) * sizeof(struct leat_page *));
    if (pages == NULL) {
        leat_page_free(l, page);
        return false;
    }
    h->pages = pages;
    h->pages[h->page_count++] = page;
    const size_t count = h->joined.count + page->count;
    if (count > h->event_room) {
        struct leat_event *events = lib_realloc(l, h->events, count * 2 * sizeof(*events));
        if (events == NULL) {
            return false;
        }
        h->events = events;
        h->event_room = count * 2;
    }
    if (page->count > 0) {
        memcpy(h->events + h->joined.count, page->events, page->count * sizeof(*h->events));
    }
    h->joined.events = h->events;
    h->joined.count = count;
    h->joined.last_revision = page->last_revision;
    h->joined.next = -1;
    if (h->page_count == 1) {
        h->joined.snapshot_revision = page->snapshot_revision;
        h->joined.snapshot = page->snapshot;
    }
    return true;
}

/* 0; 1: there is no such stream; -1. */
static int history_load(struct leat *l, const char *stream, const char *schema, struct history *h,
                        struct leat_problem *problem)
{
    struct leat_read read = {.limit = LIB_PAGE_MAX, .snapshot_schema = schema};
    struct leat_problem why;
    h->joined.snapshot_revision = -1;
    for (;;) {
        struct leat_page *page;
        if (leat_read_stream(l, stream, &read, &page, &why) != 0) {
            const bool none = strcmp(why.code, "stream-not-found") == 0 ||
                              strcmp(why.code, "stream-deleted") == 0;
            if (none && h->page_count == 0) {
                return 1;
            }
            if (problem != NULL) {
                *problem = why;
            }
            return -1;
        }
        if (!history_add(l, h, page)) {
            return lib_fail(problem, "no-memory", "no memory for the stream");
        }
        if (page->next < 0) {
            return 0;
        }
        read.from = page->next;
        read.snapshot_schema = NULL;
    }
}

int leat_decide(struct leat *l, const char *stream, const char *snapshot_schema,
                int (*decide)(void *ctx, struct leat_decision *d), void *ctx, unsigned tries,
                struct leat_appended *out, struct leat_problem *problem)
{
    struct leat_problem why = {.original = -1};
    if (stream == NULL || decide == NULL) {
        return lib_fail(problem, "invalid-argument", "a stream and a decision, please");
    }
    for (unsigned i = 0; i < (tries == 0 ? LIB_TRIES : tries); i++) {
        struct history h = {0};
        const int loaded = history_load(l, stream, snapshot_schema, &h, &why);
        int result = loaded < 0 ? -1 : 0;
        if (result == 0) {
            struct leat_decision d = {.history = &h.joined,
                                      .exists = loaded == 0,
                                      .revision = loaded == 0 ? h.joined.last_revision
                                                              : LEAT_EXPECT_NO_STREAM};
            const int64_t expected = d.revision;
            result = decide(ctx, &d);
            if (result != 0) {
                (void)lib_fail(&why, "rejected", "the decision was %d", result);
            } else if (d.count > 0) {
                result = leat_append(l, stream, expected, d.events, d.count, out, &why);
            } else if (out != NULL) {
                *out = (struct leat_appended){.first_revision = -1, .last_revision = expected};
            }
        }
        history_free(l, &h);
        if (result == 0 || strcmp(why.code, "revision-conflict") != 0) {
            if (result != 0 && problem != NULL) {
                *problem = why;
            }
            return result;
        }
    }
    if (problem != NULL) {
        *problem = why;
    }
    return -1;
}
