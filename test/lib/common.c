/* See common.h. */
#include "common.h"

static int passed, failed;

void show(bool good, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    printf(good ? "ok " : "FAIL ");
    vprintf(format, list);
    printf("\n");
    (void)fflush(stdout);
    va_end(list);
    passed += good;
    failed += !good;
}

int finish(void)
{
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}

struct leat *client_open(const char *http, const char *kafka)
{
    const struct leat_options options = {.http = http, .kafka = kafka};
    struct leat_problem why;
    struct leat *l;
    if (leat_open(&options, &l, &why) != 0) {
        printf("FAIL open: %s\n0 passed, 1 failed, 0 skipped\n", why.detail);
        exit(1);
    }
    return l;
}

struct leat_new_event event_of(const char *id, const char *type, const char *data)
{
    return (struct leat_new_event){.id = id, .type = type, .data = data, .data_size = strlen(data)};
}

const char *append(struct leat *l, const char *stream, int64_t expected, const char *ids)
{
    static char said[128];
    char names[8][32], data[8][64];
    struct leat_new_event events[8];
    struct leat_appended told;
    struct leat_problem why;
    size_t count = 0;
    int used = 0;
    while (count < 8 && sscanf(ids, "%31s%n", names[count], &used) == 1) {
        (void)snprintf(data[count], sizeof(data[count]), "{\"id\":\"%s\"}", names[count]);
        events[count] = event_of(names[count], "Happened", data[count]);
        ids += used;
        count++;
    }
    if (leat_append(l, stream, expected, events, count, &told, &why) != 0) {
        (void)snprintf(said, sizeof(said), "%s", why.code);
        return said;
    }
    (void)snprintf(said, sizeof(said), "%s %lld-%lld", told.idempotent ? "same" : "ok",
                   (long long)told.first_revision, (long long)told.last_revision);
    return said;
}
