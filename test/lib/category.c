/*
 * category HTTP KAFKA REDACTED: a category by Fetch. Streams are filled over HTTP, by the library
 * and with snapshots and truncation in between; what the category gives must be the same events,
 * each stream in its order. The category REDACTED has what redactions have left: see
 * `without_data`.
 */
#include "common.h"

#define STREAMS  40
#define EVENTS   25
#define OPENINGS 10

static int next_of[STREAMS];

static bool fits(const struct leat_event *e)
{
    int stream, n = 0;
    char data[64];
    if (sscanf(e->stream, "cat-%d%n", &stream, &n) != 1 || e->stream[n] != '\0' || stream < 0 ||
        stream >= STREAMS) {
        return false;
    }
    const int size =
        snprintf(data, sizeof(data), "{\"stream\":%d,\"n\":%lld}", stream, (long long)e->revision);
    return e->revision == next_of[stream]++ && e->data_size == (size_t)size &&
           memcmp(e->data, data, (size_t)size) == 0 && strcmp(e->type, "Counted") == 0 &&
           e->id != NULL && e->time != NULL && e->partition >= 0 && e->offset >= 0 && !e->redacted;
}

static void fill(struct leat *l, int round)
{
    char name[32], data[64], correlation[128];
    memset(correlation, 'x', sizeof(correlation) - 1);
    correlation[120] = '\0';
    for (int i = 0; i < STREAMS; i++) {
        (void)snprintf(name, sizeof(name), "cat-%d", i);
        (void)snprintf(data, sizeof(data), "{\"stream\":%d,\"n\":%d}", i, round);
        struct leat_new_event e = event_of(NULL, "Counted", data);
        struct leat_problem why;
        e.meta = "{\"a\":1}";
        e.correlation_id = correlation;
        if (leat_append(l, name, round - 1 < 0 ? LEAT_EXPECT_NO_STREAM : round - 1, &e, 1, NULL,
                        &why) != 0) {
            show(false, "%s: append %d: %s: %s", name, round, why.code, why.detail);
            return;
        }
    }
}

/* Events until there is nothing more; the number of those that fit. */
static int drain(struct leat_category *c, int wanted, struct leat_problem *why)
{
    struct leat_event e;
    int good = 0, quiet = 0;
    while (good < wanted && quiet < 20) {
        const int got = leat_category_next(c, 500, &e, why);
        if (got < 0) {
            return -1;
        }
        quiet = got == 0 ? quiet + 1 : 0;
        if (got == 1) {
            if (!fits(&e)) {
                show(false, "event %s %lld does not fit", e.stream, (long long)e.revision);
                return -1;
            }
            good += strcmp(e.meta == NULL ? "" : e.meta, "{\"a\":1}") == 0 &&
                    e.correlation_id != NULL && strlen(e.correlation_id) == 120;
        }
    }
    return good;
}

/* Its end is that of the call: what is appended as soon as it has returned comes. */
static void begin_at_the_call(struct leat *l)
{
    int got = 0;
    for (int i = 0; i < OPENINGS; i++) {
        struct leat_category *c;
        struct leat_problem why = {.code = ""};
        struct leat_event e;
        struct leat_new_event first = event_of(NULL, "Counted", "0");
        if (leat_category_open(l, "cat", true, &c, &why) != 0 ||
            leat_append(l, "cat-at-once", LEAT_EXPECT_ANY, &first, 1, NULL, &why) != 0) {
            show(false, "opened and appended to: %s: %s", why.code, why.detail);
            return;
        }
        for (int quiet = 0; quiet < 3; quiet++) {
            const int next = leat_category_next(c, 500, &e, &why);
            got += next == 1 && strcmp(e.stream, "cat-at-once") == 0 && e.revision == i;
            quiet = next == 1 ? 3 : quiet;
        }
        leat_category_close(c);
    }
    show(got == OPENINGS, "from the end as of the call: %d of %d", got, OPENINGS);
}

/* "redacted", "short": all of the data was, of 23 bytes and of two; "none": it never had data;
 * "null": the data is JSON null; "fields": a field was redacted. By the type of each. */
static void without_data(struct leat *l, const char *category)
{
    struct leat_category *c;
    struct leat_problem why = {.code = ""};
    struct leat_event e;
    int good = 0, count = 0;
    if (leat_category_open(l, category, false, &c, &why) != 0) {
        show(false, "%s is opened: %s: %s", category, why.code, why.detail);
        return;
    }
    for (int i = 0; i < 40 && !leat_category_caught_up(c); i++) {
        while (leat_category_next(c, 500, &e, &why) == 1) {
            const bool redacted = strcmp(e.type, "redacted") == 0 || strcmp(e.type, "short") == 0;
            const bool none = strcmp(e.type, "none") == 0;
            const char *prefix =
                strcmp(e.type, "null") == 0 ? "null" : "{\"mail\": null, \"keep\": 1}";
            const size_t n = strlen(prefix);
            const bool fine = redacted || none ? e.data == NULL && e.data_size == 0
                                               : e.data_size >= n && memcmp(e.data, prefix, n) == 0;
            show(fine && e.redacted == redacted, "%s: data of %zu bytes, %sredacted", e.type,
                 e.data_size, e.redacted ? "" : "not ");
            good += fine;
            count++;
        }
    }
    show(good == 5 && count == 5, "events without data, and their like: %d of %d", good, count);
    leat_category_close(c);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    struct leat *l = client_open(argv[1], argv[2]);
    struct leat_category *c, *end;
    struct leat_problem why = {.code = ""};
    struct leat_event e;
    for (int i = 0; i < EVENTS; i++) {
        fill(l, i);
    }
    if (leat_category_open(l, "cat", false, &c, &why) != 0 ||
        leat_category_open(l, "cat", true, &end, &why) != 0) {
        show(false, "a category is opened: %s: %s", why.code, why.detail);
        return finish();
    }
    show(!leat_category_caught_up(c), "not caught up before anything was read");
    int got = drain(c, STREAMS * EVENTS, &why);
    show(got == STREAMS * EVENTS, "all events, each stream in its order: %d %s", got, why.detail);
    for (int i = 0; i < 40 && !leat_category_caught_up(c); i++) {
        show(leat_category_next(c, 500, &e, &why) == 0, "nothing more");
    }
    show(leat_category_caught_up(c), "caught up");
    /* The one that begins at the end is at it now, and gets what comes. */
    for (int i = 0; i < 40 && !leat_category_caught_up(end); i++) {
        show(leat_category_next(end, 500, &e, &why) == 0, "nothing old");
    }
    fill(l, EVENTS);
    got = drain(c, STREAMS, &why);
    show(got == STREAMS, "what comes is followed: %d %s", got, why.detail);
    for (int i = 0; i < STREAMS; i++) {
        next_of[i]--;
    }
    got = drain(end, STREAMS, &why);
    show(got == STREAMS, "from the end: only what comes: %d %s", got, why.detail);
    begin_at_the_call(l);
    without_data(l, argv[3]);
    leat_category_close(end);
    leat_category_close(c);
    leat_category_close(NULL);
    leat_close(l);
    return finish();
}
