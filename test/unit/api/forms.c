/* Events in every form that a request may have: what is taken of them, and what is said of others.
 */
#include "world.h"

#define NATIVE     "Content-Type: application/json\r\n"
#define STRUCTURED "Content-Type: application/cloudevents+json\r\n"
#define BATCH      "Content-Type: application/cloudevents-batch+json\r\n"
#define CE         "\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"/\",\"type\":\"t\""

static void open_events(struct world *w)
{
    *w = (struct world){.events = true};
    world_init(w);
    for (int i = 0; i < 1000 && !es_ready(w->es); i++) {
        turn(w);
    }
}

/* Taken: what a read of the event has. Refused: what the problem says. */
struct row {
    const char *headers, *body;
    int status;
    const char *told;
};

static void expect(const struct row *rows, size_t count)
{
    struct world w;
    open_events(&w);
    for (size_t i = 0; i < count; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/api/v1/streams/form-%zu/events", i);
        int status = ask(&w, "POST", path, rows[i].headers, rows[i].body);
        if (status == 201 && rows[i].status == 201) {
            status = ask(&w, "GET", path, "", NULL) == 200 ? 201 : 0;
        }
        if (status != rows[i].status || !has(&w, rows[i].told)) {
            fail_msg("%zu: %d, wanted %d with %s: %.*s", i, status, rows[i].status, rows[i].told,
                     STR(w.body));
        }
    }
    world_deinit(&w);
}

/* It came back in base64. */
TEST(api_json_is_json_in_any_case_of_its_type)
{
    static const struct row rows[] = {
        {NATIVE,
         "{\"events\":[{\"type\":\"t\",\"content_type\":\"APPLICATION/JSON\",\"data\":{\"a\":1}}]}",
         201, "\"data\":{\"a\":1}"},
        {"ce-specversion: 1.0\r\nce-id: i\r\nce-source: /\r\nce-type: t\r\nContent-Type: "
         "application/vnd.x+JSON; charset=utf-8\r\n",
         "{\"a\":1}", 201, "\"data\":{\"a\":1}"},
        {"ce-specversion: 1.0\r\nce-id: i\r\nce-source: /\r\nce-type: t\r\nContent-Type: "
         "text/plain\r\n",
         "{\"a\":1}", 201, "\"data_base64\":\"eyJhIjoxfQ==\""},
    };
    expect(rows, ARRAY_LEN(rows));
}

/* They were read as whatever they looked like. */
TEST(api_the_content_type_says_what_a_cloudevent_is)
{
    static const struct row rows[] = {
        {STRUCTURED, "{\"specversion\":1.0,\"id\":\"i\",\"source\":\"/\",\"type\":\"t\"}", 400,
         "event.specversion: must be a string: "},
        {STRUCTURED, "{\"id\":\"i\",\"source\":\"/\",\"type\":\"t\"}", 400,
         "event.specversion: is missing: "},
        {STRUCTURED, "{\"eventType\":\"t\",\"data\":1}", 400, "event.specversion: is missing: "},
        {BATCH, "[{" CE "},{\"type\":\"t\"}]", 400, "batch[1].specversion: is missing: "},
        {BATCH, "[1]", 400, "batch[0]: must be an object"},
        {NATIVE, "{\"events\":[{" CE "},{\"type\":\"u\"}]}", 201, "\"type\":\"u\""},
    };
    expect(rows, ARRAY_LEN(rows));
}

/* It was left out in silence. */
TEST(api_meta_of_a_cloudevent_is_kept)
{
    static const struct row rows[] = {
        {STRUCTURED, "{" CE ",\"meta\":{\"a\": 1},\"data\":2}", 201, "\"meta\":{\"a\": 1}"},
        {BATCH, "[{" CE ",\"meta\":{\"a\": 1},\"data\":2}]", 201, "\"meta\":{\"a\": 1}"},
        {STRUCTURED, "{" CE ",\"meta\":\"text\"}", 201, "\"extensions\":{\"meta\":\"text\"}"},
        {STRUCTURED, "{" CE ",\"meta\":null}", 201, "\"data\":null}]"},
        {NATIVE, "{\"events\":[{\"type\":\"t\",\"meta\":\"text\"}]}", 400,
         "events[0].meta: must be an object"},
    };
    expect(rows, ARRAY_LEN(rows));
}

TEST(api_errors_of_events_say_where)
{
    static const struct row rows[] = {
        {NATIVE, "{\"events\":[{\"type\":\"t\"},{\"type\":\"t\",\"tags\":[\"a\",1]}]}", 400,
         "\"events[1].tags[1]: must be a text that is not empty\""},
        {NATIVE, "{\"events\":[{\"type\":\"t\",\"extensions\":{\"o\":{}}}]}", 400,
         "\"events[0].extensions.o: must be a string"},
        {STRUCTURED, "{" CE ",\"time\":\"now\"}", 400, "\"event.time: 'now' is no RFC 3339 time\""},
        {BATCH, "[{" CE ",\"time\":\"now\"}]", 400, "\"batch[0].time: 'now' is no RFC 3339 time\""},
    };
    struct world w;
    expect(rows, ARRAY_LEN(rows));
    open_events(&w);
    assert_int_equal(ask(&w, "POST", "/api/v1/append", "",
                         "{\"checks\":[{\"stream\":\"a-1\",\"expected\":\"any\"},"
                         "{\"stream\":\"-1\",\"expected\":\"any\"}]}"),
                     400);
    assert_true(has(&w, "\"detail\":\"checks[1]: "));
    assert_int_equal(ask(&w, "POST", "/api/v1/append", "",
                         "{\"records\":[{\"stream\":\"a-1\",\"type\":\"t\"},"
                         "{\"stream\":\"-1\",\"type\":\"t\"}]}"),
                     400);
    if (!has(&w, "\"detail\":\"events[1]: ") && !has(&w, "\"detail\":\"records[1]")) {
        fail_msg("%.*s", STR(w.body));
    }
    world_deinit(&w);
}
