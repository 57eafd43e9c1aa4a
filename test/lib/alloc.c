/*
 * alloc HTTP KAFKA: every allocation of libleat fails once. The call says "no-memory", nothing is
 * lost or leaks, and the next call works. (libcurl and librdkafka have their own memory.)
 */
#include "common.h"

struct heap {
    long left;  /* allocations until one fails; -1: none does */
    long alive; /* blocks */
    bool failed;
};

static void *allocate(void *ctx, void *p, size_t size)
{
    struct heap *h = ctx;
    if (size == 0) {
        h->alive -= p != NULL;
        free(p);
        return NULL;
    }
    if (h->left >= 0 && h->left-- == 0) {
        h->failed = true;
        h->left = -1;
        return NULL;
    }
    h->alive += p == NULL;
    return realloc(p, size);
}

static int once(struct leat *l, const char *what, long n, struct leat_problem *why)
{
    char id[64] = "";
    struct leat_page *page;
    struct leat_appended told;
    struct leat_new_event e = event_of(id, "Happened", "{\"text\":\"\\u00e9\"}");
    (void)snprintf(id, sizeof(id), "%s-%ld", what, n);
    e.meta = "{}";
    if (strcmp(what, "append") == 0) {
        return leat_append(l, "alloc-1", LEAT_EXPECT_ANY, &e, 1, &told, why);
    }
    const struct leat_read read = {.limit = 3, .snapshot_schema = "none", .at = "1"};
    if (leat_read_stream(l, "alloc-1", &read, &page, why) != 0) {
        return -1;
    }
    leat_page_free(l, page);
    return 0;
}

static int decision(void *ctx, struct leat_decision *d)
{
    d->events = ctx;
    d->count = 1;
    return 0;
}

/* Events of the category until all are read; -1 with no-memory may happen on the way. */
static int read_category(struct leat *l, bool *no_memory, struct leat_problem *why)
{
    struct leat_category *c;
    struct leat_event e;
    int count = 0;
    if (leat_category_open(l, "alloc", false, &c, why) != 0) {
        *no_memory = strcmp(why->code, "no-memory") == 0;
        return -1;
    }
    while (count < 2) {
        const int got = leat_category_next(c, 10000, &e, why);
        if (got < 0 && strcmp(why->code, "no-memory") == 0) {
            *no_memory = true; /* the same event comes again */
        } else if (got != 1) {
            break;
        } else if (e.revision == count) {
            count++;
        }
    }
    leat_category_close(c);
    return count;
}

static void each(const char *what, const char *http, const char *kafka)
{
    long failures = 0;
    bool good = true;
    for (long n = 0; good; n++) {
        struct heap h = {.left = n};
        struct leat_options options = {
            .http = http, .kafka = kafka, .allocate = allocate, .ctx = &h};
        struct leat_problem why = {.code = ""};
        struct leat *l = NULL;
        bool no_memory = false;
        int result = leat_open(&options, &l, &why);
        if (result == 0 && strcmp(what, "decide") == 0) {
            struct leat_new_event e = event_of(NULL, "Decided", "{}");
            result = leat_decide(l, "alloc-2", NULL, decision, &e, 1, NULL, &why);
        } else if (result == 0 && strcmp(what, "category") == 0) {
            const int count = read_category(l, &no_memory, &why);
            good = count == 2 || (count == -1 && no_memory);
            result = no_memory ? -1 : 0;
        } else if (result == 0) {
            result = once(l, what, n, &why);
        }
        good =
            good && (h.failed ? result == -1 && strcmp(why.code, "no-memory") == 0 : result == 0);
        if (result == -1 && l != NULL && strcmp(what, "category") != 0) {
            good = good && once(l, "append", n + 1000, &why) == 0; /* it works again */
        }
        leat_close(l);
        good = good && h.alive == 0;
        if (!good) {
            show(false, "%s, allocation %ld fails: %d %s: %s; %ld blocks", what, n, result,
                 why.code, why.detail, h.alive);
        }
        failures += h.failed;
        if (!h.failed) {
            break;
        }
    }
    show(good && failures > 2, "%s: each of %ld allocations failed once", what, failures);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    struct leat *l = client_open(argv[1], argv[2]);
    (void)append(l, "alloc-1", LEAT_EXPECT_NO_STREAM, "a b c d");
    leat_close(l);
    each("append", argv[1], argv[2]);
    each("read", argv[1], argv[2]);
    each("decide", argv[1], argv[2]);
    each("category", argv[1], argv[2]);
    return finish();
}
