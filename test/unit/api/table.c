/* The tables: what one says the others have. */
#include "api/idempotency.h"
#include "world.h"
#include "json/json.h"

/* With everything that there is; its pages need nothing of it. */
static struct api_services everything(void)
{
    return (struct api_services){
        .es = (struct es *)(uintptr_t)1, .proj = (struct proj *)(uintptr_t)1, .version = "1"};
}

TEST(api_every_problem_that_a_route_names_is_in_the_table)
{
    const struct api_services s = everything();
    const struct api_resource *res;
    size_t seen = 0;
    for (size_t i = 0; (res = api_resource_at(&s, i)) != NULL; i++) {
        for (size_t j = 0; j < res->route_count; j++) {
            struct str rest = str_of(res->routes[j].problems);
            while (rest.n > 0) {
                const struct str code = str_cut(rest, ' ', &rest);
                if (code.n > 0 && api_problem_find(code) == NULL) {
                    fail_msg("%s names '%.*s'", res->routes[j].id, STR(code));
                }
                seen++;
            }
        }
    }
    assert_in_range(seen, 20, 10000);
}

TEST(api_a_page_of_nothing_is_refused)
{
    /* It was answered with all, or with nothing, as if that were the end. */
    static const struct api_resource *const all[] = {&api_streams,      &api_events,     &api_live,
                                                     &api_records,      &api_topics,     &api_views,
                                                     &api_view_changes, &api_projections};
    size_t seen = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        for (size_t j = 0; j < all[i]->route_count; j++) {
            const struct api_route *r = &all[i]->routes[j];
            for (size_t k = 0; k < r->param_count; k++) {
                if (strcmp(r->params[k].name, "limit") == 0) {
                    assert_int_equal(r->params[k].type, API_LIMIT);
                    seen++;
                }
            }
        }
    }
    assert_in_range(seen, 9, 100);
    struct world w = {0};
    world_init(&w);
    assert_int_equal(ask(&w, "GET", "/api/v1/topics?limit=1", "", NULL), 200);
    assert_int_equal(ask(&w, "GET", "/api/v1/topics?limit=0", "", NULL), 400);
    assert_true(has(&w, "limit: must be a whole number above 0"));
    world_deinit(&w);
}

TEST(api_the_paths_of_telemetry_stay_reserved)
{
    static const char *const paths[] = {"/v1/traces", "/v1/metrics", "/v1/logs"};
    struct world w = {0};
    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_int_equal(ask(&w, "POST", paths[i], "", "{}"), 501);
        assert_true(has(&w, "\"code\":\"not-implemented\"") && has(&w, paths[i]));
        assert_int_equal(ask(&w, "GET", paths[i], "", NULL), 405);
    }
    world_deinit(&w);
}

TEST(api_every_problem_of_the_event_store_and_of_the_house_is_in_the_table)
{
    for (int p = ES_INVALID; p <= ES_FAILED; p++) {
        const char *code = es_problem_code((enum es_problem)p);
        const struct api_problem_doc *doc = api_problem_find(str_of(code));
        if (doc == NULL || doc->status != es_problem_status((enum es_problem)p)) {
            fail_msg("%s is not in the table, or with another status", code);
        }
    }
    for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
        assert_non_null(api_problem_find(str_of(api_problem_of((enum err)e))));
    }
    /* A connection to a database that is lost is no fault of whoever asks. */
    assert_string_equal(api_problem_of(ERR_CLOSED), "unavailable");
}

TEST(api_problems_are_fit_for_a_page)
{
    /* Their texts go into HTML and JSON as they are. */
    const struct api_problem_doc *p;
    for (size_t i = 0; (p = api_problem_at(i)) != NULL; i++) {
        const char *texts[] = {p->code, p->title, p->meaning, p->what_to_do};
        for (size_t j = 0; j < ARRAY_LEN(texts); j++) {
            assert_true(texts[j][0] != '\0');
            assert_null(strpbrk(texts[j], "<>&\"\\"));
        }
        assert_in_range(p->status, 400, 599);
        assert_ptr_equal(api_problem_find(str_of(p->code)), p); /* once */
    }
}

/* The document, in memory that the caller gives back. */
static const struct json *document(const struct api_services *s, struct arena *a, struct buf *b)
{
    struct json *v = NULL;
    struct ectx ec = {0};
    arena_init(a, 16u << 20);
    buf_init(b, 4u << 20);
    api_openapi_write(s, b);
    assert_false(buf_failed(b));
    if (json_parse(buf_str(b), NULL, a, &v, &ec) != ERR_OK) {
        fail_msg("%s", ec.text);
    }
    return v;
}

TEST(api_the_document_is_json_and_has_every_route)
{
    const struct api_services s = everything();
    const struct api_resource *res;
    struct arena a;
    struct buf b;
    const struct json *v = document(&s, &a, &b);
    const struct json *paths = json_get(v, "paths");
    for (size_t i = 0; (res = api_resource_at(&s, i)) != NULL; i++) {
        for (size_t j = 0; j < res->route_count; j++) {
            const struct json *item = json_get(paths, res->routes[j].path);
            assert_non_null(item);
            bool found = false;
            for (const struct json *op = item->first; op != NULL; op = op->next) {
                found = found || str_eq_z(json_get(op, "operationId")->string, res->routes[j].id);
            }
            assert_true(found);
        }
    }
    buf_deinit(&b);
    arena_deinit(&a);
}

/* What a body may have, by its schema: any other member of it is refused. */
TEST(api_the_document_has_every_member_that_is_taken)
{
    static const struct {
        const char *schema, *members;
    } rows[] = {
        {"NewEvent", "stream id type version data data_base64 meta tags time source subject "
                     "correlation_id causation_id traceparent tracestate tenant content_type "
                     "data_schema schema extensions"},
        {"StreamAppend", "expected events"},
        {"Append", "store records checks"},
        {"StreamSettings", "max_age max_count truncate_before expected"},
        {"Redaction", "reason fields"},
        {"NewSnapshot", "revision schema state"},
        {"NewCategory", "partitions"},
    };
    const struct api_services s = everything();
    struct arena a;
    struct buf b;
    const struct json *v = document(&s, &a, &b);
    const struct json *schemas = json_get(json_get(v, "components"), "schemas");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct json *all = json_get(json_get(schemas, rows[i].schema), "properties");
        struct str rest = str_of(rows[i].members);
        size_t count = 0;
        for (; rest.n > 0; count++) {
            char name[64];
            const struct str cut = str_cut(rest, ' ', &rest);
            (void)snprintf(name, sizeof(name), "%.*s", STR(cut));
            if (json_get(all, name) == NULL) {
                fail_msg("%s: %s is not in the document", rows[i].schema, name);
            }
        }
        assert_int_equal(all->count, count);
    }
    buf_deinit(&b);
    arena_deinit(&a);
}

static const char *problems_of(const struct api_services *s, const char *id)
{
    const struct api_resource *res;
    for (size_t i = 0; (res = api_resource_at(s, i)) != NULL; i++) {
        for (size_t j = 0; j < res->route_count; j++) {
            if (strcmp(res->routes[j].id, id) == 0) {
                return res->routes[j].problems;
            }
        }
    }
    return NULL;
}

/* As test/unit/es/change.c has them. */
TEST(api_the_document_has_the_problems_of_a_change)
{
    const struct api_services s = everything();
    assert_string_equal(problems_of(&s, "redactEvent"),
                        "stream-not-found event-not-found field-not-found storage-full");
    assert_non_null(strstr(problems_of(&s, "putSnapshot"), " event-not-found"));
    assert_non_null(strstr(problems_of(&s, "setStream"), " stream-deleted"));
}

/* What writes to the log says that it may find the disk full. */
TEST(api_the_document_has_a_full_disk_where_something_is_written)
{
    static const char *const writes[] = {
        "appendToStream",    "append",           "setStream",
        "deleteStream",      "redactEvent",      "createCategory",
        "putSnapshot",       "putFold",          "deleteFold",
        "putUpcasts",        "deleteUpcasts",    "putProjection",
        "rebuildProjection", "pauseProjection",  "produce",
        "createTopic",       "deleteProjection", "dropProjectionVersion"};
    const struct api_services s = everything();
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        const char *problems = problems_of(&s, writes[i]);
        if (problems == NULL || strstr(problems, "storage-full") == NULL) {
            fail_msg("%s does not name storage-full", writes[i]);
        }
    }
}

/* Who moves a program to a log that is Kafka's must know what it loses: wherever a position is
 * taken or given in the order of all events. */
TEST(api_the_document_says_that_kafka_has_no_order_of_all_events)
{
    static const char *const paths[] = {"/api/v1/events", "/api/v1/subscriptions/live"};
    const struct api_services s = everything();
    struct arena a;
    struct buf b;
    const struct json *v = document(&s, &a, &b);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const struct json *get = json_get(json_get(json_get(v, "paths"), paths[i]), "get");
        int found = 0;
        for (const struct json *p = json_get(get, "parameters")->first; p != NULL; p = p->next) {
            if (str_eq_z(json_get(p, "name")->string, "store")) {
                const struct str text = json_get(p, "description")->string;
                found++;
                assert_non_null(memmem(text.p, text.n, "On Kafka a position is a vector", 31));
                assert_non_null(memmem(text.p, text.n, "no total order", 14));
            }
        }
        assert_int_equal(found, 1);
    }
    buf_deinit(&b);
    arena_deinit(&a);
}

TEST(api_what_a_service_lacks_is_not_in_the_document)
{
    const struct api_services none = {.version = "1"};
    struct buf b;
    buf_init(&b, 4u << 20);
    api_openapi_write(&none, &b);
    assert_null(memmem(b.p, b.n, "/api/v1/streams", 15));
    assert_non_null(memmem(b.p, b.n, "/api/v1/topics", 14));
    buf_deinit(&b);
}

static struct str expand(const char *text, const struct engine_part *parts, size_t count,
                         struct buf *out)
{
    buf_clear(out);
    return template_expand(str_of(text), parts, count, 0x1234, out) ? buf_str(out) : STR_NULL;
}

TEST(api_templates_are_filled_in)
{
    const struct engine_part parts[] = {{.base_offset = 100}, {.base_offset = -1}};
    struct buf b, t;
    struct json_writer w;
    buf_init(&b, 4096);
    buf_init(&t, 4096);
    json_write_init(&w, &t);
    json_write_begin(&w, '[');
    template_offset(&w, 0, 7);
    template_offset(&w, 1, 7);
    json_write_str(&w, STR_LIT("\1p\1")); /* of a client: never a marker */
    template_position(&w);
    json_write_end(&w, ']');
    buf_put_u8(&t, 0);
    struct str got = expand((char *)t.p, parts, 2, &b);
    const char *want = "[107,null,\"\\u0001p\\u0001\",\"p:";
    assert_int_equal(strncmp(got.p, want, strlen(want)), 0);
    assert_true(str_is_null(expand("\1o2+0\1", parts, 2, &b))); /* no such part */
    assert_true(str_is_null(expand("\1x\1", parts, 2, &b)));
    assert_true(str_is_null(expand("\1p", parts, 2, &b))); /* it does not end */
    assert_true(str_eq_z(expand("{}", parts, 2, &b), "{}"));
    buf_deinit(&t);
    buf_deinit(&b);
}
