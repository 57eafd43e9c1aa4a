/* streams HTTP KAFKA: appends, reads, decisions and problems of streams, against a real server. */
#include "common.h"

static void appends(struct leat *l)
{
    struct leat_problem why;
    struct leat_appended told;
    show(strcmp(append(l, "c-append", LEAT_EXPECT_EXISTS, "a"), "revision-conflict") == 0,
         "exists, of a stream that is not there");
    show(strcmp(append(l, "c-append", LEAT_EXPECT_NO_STREAM, "a"), "ok 0-0") == 0, "no_stream");
    show(strcmp(append(l, "c-append", 0, "b c"), "ok 1-2") == 0, "a revision, two events");
    show(strcmp(append(l, "c-append", LEAT_EXPECT_EXISTS, "d"), "ok 3-3") == 0, "exists");
    show(strcmp(append(l, "c-append", LEAT_EXPECT_ANY, "e"), "ok 4-4") == 0, "any");
    show(strcmp(append(l, "c-append", 0, "b c"), "same 1-2") == 0, "a repetition");
    struct leat_new_event e = event_of(NULL, "Happened", "{}");
    int result = leat_append(l, "c-append", 7, &e, 1, &told, &why);
    show(result == -1 && why.status == 409 && strcmp(why.code, "revision-conflict") == 0 &&
             why.has_actual && why.actual == 4 && why.retryable && why.detail[0] != '\0',
         "a conflict says where the stream is: %s, %lld", why.code, (long long)why.actual);
    result = leat_append(l, "c-none", 7, &e, 1, &told, &why);
    show(result == -1 && why.has_actual && why.actual == LEAT_EXPECT_NO_STREAM,
         "a conflict says that there is no stream");
    e.id = "a";
    result = leat_append(l, "c-append", 4, &e, 1, &told, &why);
    show(result == -1 && strcmp(why.code, "event-id-reused") == 0 && why.original == 0,
         "an id with another body: %s, that of revision %lld", why.code, (long long)why.original);
    show(leat_append(l, "c-append", LEAT_EXPECT_ANY, &e, 0, &told, &why) == -1 &&
             strcmp(why.code, "invalid-argument") == 0,
         "no events");
    e.type = NULL;
    show(leat_append(l, "c-append", LEAT_EXPECT_ANY, &e, 1, &told, &why) == -1 &&
             strcmp(why.code, "invalid-argument") == 0 && why.status == 0,
         "an event without a type");
    e = event_of(NULL, "Happened", "{\"half\":");
    show(leat_append(l, "c-append", LEAT_EXPECT_ANY, &e, 1, NULL, NULL) == -1,
         "data that is no JSON is refused; nobody need ask why");
}

/* What stands beside one value in data or meta would be members, or events, of its own. */
static void pieces(struct leat *l)
{
    static const char nul[] = "1\0";
    static const struct {
        const char *data, *meta;
        size_t data_size;
        bool good;
    } rows[] = {
        {"1},{\"type\":\"Forged\",\"data\":2", NULL, 0, false},
        {"1,\"id\":\"forged\"", NULL, 0, false},
        {"{}}", NULL, 0, false},
        {"\"open", NULL, 0, false},
        {" ", NULL, 0, false},
        {nul, NULL, sizeof(nul) - 1, false},
        {"1", "{},\"id\":\"forged\"", 0, false},
        {"1", "[]", 0, false},
        {"1", "", 0, false},
        {" {\"a\":[1,{}]} ", " {\"b\":null} ", 0, true},
    };
    struct leat_problem why;
    struct leat_appended told;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct leat_new_event e = event_of(NULL, "Happened", rows[i].data);
        e.data_size = rows[i].data_size > 0 ? rows[i].data_size : e.data_size;
        e.meta = rows[i].meta;
        const int result = leat_append(l, "c-pieces", LEAT_EXPECT_NO_STREAM, &e, 1, &told, &why);
        show(rows[i].good
                 ? result == 0 && told.last_revision == 0
                 : result == -1 && strcmp(why.code, "invalid-argument") == 0 && why.status == 0,
             "data '%s' with meta '%s'", rows[i].data, rows[i].meta == NULL ? "" : rows[i].meta);
    }
}

/* All that an event can carry, and hard texts. */
static void everything(struct leat *l)
{
    static const char data[] =
        "{\"n\":12345678901234567890123,\"f\":0.10,\"t\":\"\\u00e9\\ud83d\\ude00\\n\"}";
    static const char *const tags[] = {"customer:7", "\"quoted\""};
    static const unsigned char bytes[] = {0, 1, 2, 253, 254, 255, 0};
    struct leat_new_event e[2] = {event_of("id \"1\"/\\", "Placed", data),
                                  event_of("raw", "Scanned", "")};
    struct leat_page *page;
    struct leat_problem why;
    const char *stream = "c-every/th\xc3\xadng ?&%#";
    e[0].meta = "{\"who\":\"me\"}";
    e[0].tags = tags;
    e[0].tag_count = 2;
    e[0].correlation_id = "corr";
    e[0].causation_id = "cause";
    e[0].traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    e[1].content_type = "application/octet-stream";
    e[1].data = bytes;
    e[1].data_size = sizeof(bytes);
    if (leat_append(l, stream, LEAT_EXPECT_NO_STREAM, e, 2, NULL, &why) != 0 ||
        leat_read_stream(l, stream, NULL, &page, &why) != 0) {
        show(false, "all that an event can carry: %s: %s", why.code, why.detail);
        return;
    }
    const struct leat_event *x = page->events;
    show(page->count == 2 && page->next == -1 && page->last_revision == 1, "two events are read");
    show(strcmp(x[0].stream, stream) == 0 && strcmp(x[0].id, "id \"1\"/\\") == 0 &&
             strcmp(x[0].type, "Placed") == 0 && x[0].revision == 0 && x[0].time != NULL &&
             x[0].position != NULL,
         "stream, id, type, revision, time and position");
    show(x[0].data_size == sizeof(data) - 1 && memcmp(x[0].data, data, sizeof(data) - 1) == 0,
         "data is the very text that was sent: '%.*s'", (int)x[0].data_size,
         (const char *)x[0].data);
    show(x[0].meta != NULL && strcmp(x[0].meta, "{\"who\":\"me\"}") == 0, "meta");
    show(x[0].correlation_id != NULL && strcmp(x[0].correlation_id, "corr") == 0 &&
             x[0].causation_id != NULL && strcmp(x[0].causation_id, "cause") == 0 &&
             x[0].traceparent != NULL && strcmp(x[0].traceparent, e[0].traceparent) == 0,
         "correlation, causation, trace");
    show(x[1].data_size == sizeof(bytes) && memcmp(x[1].data, bytes, sizeof(bytes)) == 0 &&
             x[1].content_type != NULL &&
             strcmp(x[1].content_type, "application/octet-stream") == 0 && !x[1].redacted,
         "bytes that are no JSON");
    leat_page_free(l, page);
}

/* The revisions of a page as text: "3 4 5 next 6". */
static const char *read_as(struct leat *l, const char *stream, const struct leat_read *r)
{
    static char said[512];
    struct leat_page *page;
    struct leat_problem why;
    if (leat_read_stream(l, stream, r, &page, &why) != 0) {
        (void)snprintf(said, sizeof(said), "%s", why.code);
        return said;
    }
    int n = 0;
    said[0] = '\0';
    for (size_t i = 0; i < page->count && i < 30; i++) {
        n += snprintf(said + n, sizeof(said) - (size_t)n, "%s%lld", i == 0 ? "" : " ",
                      (long long)page->events[i].revision);
    }
    if (page->next >= 0) {
        (void)snprintf(said + n, sizeof(said) - (size_t)n, " next %lld", (long long)page->next);
    }
    leat_page_free(l, page);
    return said;
}

#define READ(...) read_as(l, "c-read", &(const struct leat_read){__VA_ARGS__})
static void is(const char *found, const char *wanted, const char *name)
{
    show(strcmp(found, wanted) == 0, "%s: %s", name, found);
}

static void reads(struct leat *l)
{
    struct leat_page *page;
    char moment[64];
    is(READ(.limit = 2), "stream-not-found", "a stream that is not there");
    (void)append(l, "c-read", LEAT_EXPECT_NO_STREAM, "r0 r1 r2 r3");
    if (leat_read_stream(l, "c-read", NULL, &page, NULL) != 0) {
        show(false, "a stream is read");
        return;
    }
    (void)snprintf(moment, sizeof(moment), "%s", page->events[3].time);
    leat_page_free(l, page);
    (void)append(l, "c-read", 3, "r4 r5");
    is(READ(.limit = 0), "0 1 2 3 4 5", "all");
    is(READ(.limit = 4), "0 1 2 3 next 4", "the first page");
    is(READ(.from = 4, .limit = 4), "4 5", "the second page");
    is(READ(.from = 6), "", "behind the end");
    is(READ(.from = 1, .to = 3), "1 2 3", "up to a revision");
    is(READ(.from = -1, .backward = true, .limit = 2), "5 4 next 3", "backwards from the end");
    is(READ(.from = 3, .backward = true), "3 2 1 0", "backwards");
    is(READ(.from = 4, .to = 2, .backward = true), "4 3 2", "backwards, up to a revision");
    is(READ(.at = "2"), "0 1 2", "as it was at a revision");
    is(READ(.at = "soon"), "invalid-request", "at nonsense");
    /* The time of a stored event: the events of the same batch are there, later ones are not,
     * unless they came within its millisecond. */
    const char *then = READ(.at = moment);
    show(strncmp(then, "0 1 2 3", 7) == 0, "as it was at a time: %s", then);
}

static int count_events(void *ctx, struct leat_decision *d)
{
    *(size_t *)ctx = d->history->count + (d->exists ? 100 : 0);
    return 0;
}

static int close_account(void *ctx, struct leat_decision *d)
{
    static const struct leat_new_event closed = {.type = "Closed", .data = "{}", .data_size = 2};
    (void)ctx;
    d->events = &closed;
    d->count = d->exists ? 1 : 0;
    return d->exists ? 0 : 42;
}

/* Somebody else comes in between, as often as ctx says. */
struct meddler {
    struct leat *other;
    int times, calls;
    int64_t revision;
};
static int meddle(void *ctx, struct leat_decision *d)
{
    static const struct leat_new_event done = {.type = "Done", .data = "{}", .data_size = 2};
    struct meddler *m = ctx;
    m->calls++;
    m->revision = d->revision;
    if (m->times > 0) {
        m->times--;
        struct leat_new_event e = event_of(NULL, "Meddled", "{}");
        (void)leat_append(m->other, "c-meddled", LEAT_EXPECT_ANY, &e, 1, NULL, NULL);
    }
    d->events = &done;
    d->count = 1;
    return 0;
}

static void decides(struct leat *l, struct leat *other)
{
    size_t count = 7;
    struct leat_appended told;
    struct leat_problem why;
    struct meddler m = {.other = other, .times = 3};
    show(leat_decide(l, "c-decide", NULL, count_events, &count, 0, NULL, NULL) == 0 && count == 0,
         "decide: a stream that is not there has no history; nothing wanted, nothing done");
    show(leat_decide(l, "c-decide", NULL, close_account, NULL, 0, NULL, &why) == 42 &&
             strcmp(why.code, "rejected") == 0,
         "decide: giving up");
    (void)append(l, "c-decide", LEAT_EXPECT_NO_STREAM, "d0 d1");
    show(leat_decide(l, "c-decide", NULL, close_account, NULL, 0, &told, &why) == 0 &&
             told.first_revision == 2,
         "decide: appended");
    show(leat_decide(l, "c-decide", NULL, count_events, &count, 0, &told, NULL) == 0 &&
             count == 103 && told.first_revision == -1 && told.last_revision == 2,
         "decide: the history is there");
    const int result = leat_decide(l, "c-meddled", NULL, meddle, &m, 0, &told, &why);
    show(result == 0 && m.calls == 4 && m.revision == 2 && told.first_revision == 3,
         "decide: it begins again after a conflict: %d calls", m.calls);
    m = (struct meddler){.other = other, .times = 99};
    show(leat_decide(l, "c-meddled", NULL, meddle, &m, 2, &told, &why) == -1 && m.calls == 2 &&
             strcmp(why.code, "revision-conflict") == 0,
         "decide: it gives up after so many tries");
}

static void problems(const char *kafka)
{
    struct leat_options options = {.http = "127.0.0.1:1", .kafka = kafka, .timeout_ms = 2000};
    struct leat_problem why;
    struct leat_category *c;
    struct leat *l;
    struct leat_new_event e = event_of("x", "T", "{}");
    show(leat_open(&options, &l, &why) == 0, "nothing is sent when it is opened");
    int result = leat_append(l, "c-1", LEAT_EXPECT_ANY, &e, 1, NULL, &why);
    show(result == -1 && strcmp(why.code, "unreachable") == 0 && why.retryable && why.status == 0,
         "nobody listens: %s: %s", why.code, why.detail);
    result = leat_category_open(l, "no such/thing", false, &c, &why);
    show(result == -1 && !why.retryable, "a category that cannot be: %s: %s", why.code, why.detail);
    result = leat_category_open(l, "nothing", false, &c, &why);
    show(result == -1 && strcmp(why.code, "category-not-found") == 0,
         "a category that is not there: %s", why.code);
    leat_close(l);
    options.kafka = "127.0.0.1:1";
    show(leat_open(&options, &l, &why) == 0 && leat_category_open(l, "c", false, &c, &why) == -1 &&
             why.retryable,
         "no Kafka port: %s: %s", why.code, why.detail);
    leat_close(l);
    leat_close(NULL);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    struct leat *l = client_open(argv[1], argv[2]);
    struct leat *other = client_open(argv[1], argv[2]);
    appends(l);
    pieces(l);
    everything(l);
    reads(l);
    decides(l, other);
    problems(argv[2]);
    leat_close(other);
    leat_close(l);
    return finish();
}
