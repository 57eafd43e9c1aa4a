/*
 * All events of a category through libleat, which reads them by Fetch: what the C client costs
 * beside `rdk consume` of the same topic.
 *
 *   category read --http HOST:PORT --at HOST:PORT --name CATEGORY --count N
 *
 * Also: --pid of the broker. The clock starts with the first event.
 */
#include <leat.h>
#include <string.h>

#include "load/common.h"

int main(int argc, char **argv)
{
    struct options o;
    struct leat *l;
    struct leat_category *c;
    struct leat_problem problem;
    struct leat_event event;
    struct meter m;
    options_init(&o, argc, argv, 2);
    const struct leat_options options = {.http = option_text(&o, "http", NULL),
                                         .kafka = option_text(&o, "at", NULL)};
    const char *name = option_text(&o, "name", NULL);
    const uint64_t count = option_u64(&o, "count", 1000000);
    const int pid = (int)option_u64(&o, "pid", 0);
    options_end(&o);
    if (argc < 2 || strcmp(argv[1], "read") != 0) {
        die("usage", "category read: see the head of category.c");
    }
    if (leat_open(&options, &l, &problem) != 0 ||
        leat_category_open(l, name, false, &c, &problem) != 0) {
        die("category", problem.detail);
    }
    uint64_t bytes = 0;
    uint64_t events = 0;
    double began = 0;
    while (events <= count) { /* the first is not counted */
        if (leat_category_next(c, 10000, &event, &problem) != 1) {
            die("category", "it ended before all events had come");
        }
        if (events++ == 0) {
            meter_start(&m, pid, NULL);
            began = now_s();
        } else {
            bytes += event.data_size;
        }
        if (events % 65536 == 0) {
            meter_sample(&m);
        }
    }
    const double seconds = now_s() - began;
    meter_stop(&m);
    printf("{\"what\":\"category\",\"messages\":%llu,\"payload_bytes\":%llu,\"per_second\":%.0f",
           (unsigned long long)(events - 1), (unsigned long long)bytes,
           (double)(events - 1) / seconds);
    meter_print(&m);
    printf("}\n");
    leat_category_close(c);
    leat_close(l);
    return 0;
}
