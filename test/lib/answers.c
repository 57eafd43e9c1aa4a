/*
 * answers HTTP: calls a server that answers what a test wants, one call after the other, and prints
 * what became of each: a read and an append in turns, until the server is gone.
 */
#include "common.h"

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 2;
    }
    const struct leat_options options = {.http = argv[1], .timeout_ms = 700};
    struct leat_problem why;
    struct leat *l;
    if (leat_open(&options, &l, &why) != 0) {
        return 1;
    }
    for (int i = 0;; i++) {
        struct leat_page *page;
        struct leat_appended told;
        struct leat_new_event e = event_of(NULL, "T", "{}");
        const int result = i % 2 == 0 ? leat_read_stream(l, "a-1", NULL, &page, &why)
                                      : leat_append(l, "a-1", LEAT_EXPECT_ANY, &e, 1, &told, &why);
        if (result == 0 && i % 2 == 0) {
            printf("ok %zu", page->count);
            for (size_t k = 0; k < page->count; k++) {
                printf(" [%s %.*s]", page->events[k].id, (int)page->events[k].data_size,
                       page->events[k].data == NULL ? "" : (const char *)page->events[k].data);
            }
            printf("\n");
            leat_page_free(l, page);
        } else {
            printf("%s\n", result == 0 ? "ok" : why.code);
        }
        (void)fflush(stdout);
        if (result != 0 && why.status == 410) {
            break; /* the server's last answer */
        }
    }
    leat_close(l);
    return 0;
}
