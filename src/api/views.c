/*
 * Read models, read-only: rows of a view by key, filter and order, a page at a time. With
 * `at_least` the answer waits until the view has applied everything up to a position: read your
 * writes.
 */
#include "api/views.h"
#include "es/es.h"

#define ANSWER_BYTES (32u * 1024 * 1024)
/* All views of all projections, each with the names of its columns and of its key. */
#define VIEWS_BYTES                               \
    (((uint64_t)PROJ_MAX + 1) * PROJ_TABLES_MAX * \
     (sizeof(struct proj_view) + 2 * (PROJ_COLUMNS_MAX + 2) * sizeof(struct str)))
#define ORDER_MAX       8u
#define ROWS_BYTES      (PROJ_QUERY_BYTES_MAX * 2u + (1u << 20)) /* a page and a row, its cursor */
#define ROWS_DEFAULT    100u
#define WAIT_DEFAULT_NS (2ull * 1000 * 1000 * 1000)
#define WAIT_MAX_NS     (60ull * 1000 * 1000 * 1000)

static struct proj *proj_of(const struct api_call *c)
{
    return c->api->services.proj;
}

bool view_known(struct api_call *c)
{
    struct ectx ec = {0};
    if (proj_is_known(proj_of(c))) {
        return true;
    }
    IGNORE(ectx_fail(&ec, ERR_NOT_READY, "the definitions of projections are not known yet"));
    api_problem(c, "projection-not-ready", &ec, STR_NULL);
    return false;
}

/* ---- Which views ---------------------------------------------------------------------------- */

static void write_names(struct json_writer *w, const char *name, const struct str *list,
                        size_t count)
{
    json_write_name(w, name);
    json_write_begin(w, '[');
    for (size_t i = 0; i < count; i++) {
        json_write_str(w, list[i]);
    }
    json_write_end(w, ']');
}

static void get_views(struct api_call *c)
{
    size_t count = 0;
    if (!view_known(c)) {
        return;
    }
    api_arena_widen(c, VIEWS_BYTES);
    const struct proj_view *views = proj_views(proj_of(c), c->arena, &count);
    if (views == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    struct api_object o;
    api_object_begin(&o, ANSWER_BYTES);
    json_write_name(&o.w, "views");
    json_write_begin(&o.w, '[');
    for (size_t i = 0; i < count; i++) {
        json_write_begin(&o.w, '{');
        json_write_member_str(&o.w, "name", views[i].name);
        json_write_member_str(&o.w, "projection", views[i].projection);
        write_names(&o.w, "columns", views[i].columns, views[i].column_count);
        write_names(&o.w, "key", views[i].key, views[i].key_count);
        json_write_end(&o.w, '}');
    }
    json_write_end(&o.w, ']');
    api_object_reply(c, 200, NULL, 0, &o);
}

/* ---- A query -------------------------------------------------------------------------------- */

struct view_call {
    struct api_call *c;
    struct proj_query query;
    struct arena rows; /* a page is larger than what a request may have of its own */
    struct proj_wait wait;
    struct proj_filter filters[VIEW_FILTERS_MAX];
    struct proj_order order[ORDER_MAX];
};

const char *view_problem_of(enum err e)
{
    return e == ERR_NOT_FOUND   ? "view-not-found"
           : e == ERR_AGAIN     ? "unavailable"
           : e == ERR_NOT_READY ? "projection-not-ready"
                                : api_problem_of(e);
}

static void fail(struct api_call *c, enum err e, const struct ectx *ec)
{
    api_problem(c, view_problem_of(e), ec, STR_NULL);
}

static void on_rows(struct proj_query *q)
{
    struct view_call *x = q->ctx;
    struct api_object o;
    if (q->err != ERR_OK) {
        arena_deinit(&x->rows);
        fail(x->c, q->err, &q->ec);
        return;
    }
    api_object_begin(&o, ANSWER_BYTES);
    json_write_member_str(&o.w, "view", q->view);
    json_write_member_i64(&o.w, "version", q->version);
    json_write_name(&o.w, "rows");
    json_write_raw(&o.w, q->rows);
    if (!str_is_null(q->next_cursor)) {
        json_write_member_str(&o.w, "next_cursor", q->next_cursor);
    }
    arena_deinit(&x->rows);
    api_object_reply(x->c, 200, NULL, 0, &o);
}

void view_reply_behind(struct api_call *c, const struct proj_wait *p)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, ANSWER_BYTES);
    json_write_init(&w, &b);
    json_write_name(&w, "lag_events");
    json_write_u64(&w, p->lag_events);
    api_problem(c, "projection-behind", &p->ec, buf_str(&b));
    buf_deinit(&b);
}

static void on_there(struct proj_wait *p)
{
    struct view_call *x = p->ctx;
    if (p->err == ERR_REQUEST_TIMED_OUT) {
        view_reply_behind(x->c, p);
    } else if (p->err != ERR_OK) {
        fail(x->c, p->err, &p->ec);
    } else {
        proj_query(proj_of(x->c), &x->query);
    }
}

/* COLUMN:OP:VALUE, or COLUMN:is_null, which may have :true or :false behind it. */
static bool filter_parse(struct str text, struct proj_filter *out)
{
    static const struct {
        const char *name;
        enum proj_op op;
    } ops[] = {{"eq", PROJ_EQ},         {"ne", PROJ_NE},          {"lt", PROJ_LT},
               {"lte", PROJ_LE},        {"gt", PROJ_GT},          {"gte", PROJ_GE},
               {"prefix", PROJ_PREFIX}, {"is_null", PROJ_IS_NULL}};
    struct str rest, value;
    out->column = str_cut(text, ':', &rest);
    if (out->column.n == 0 || out->column.n == text.n) {
        return false;
    }
    const struct str op = str_cut(rest, ':', &value);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (str_eq_z(op, ops[i].name) && (op.n < rest.n || ops[i].op == PROJ_IS_NULL)) {
            out->op = ops[i].op;
            out->value = value;
            return ops[i].op != PROJ_IS_NULL || op.n == rest.n || str_eq_z(value, "true") ||
                   str_eq_z(value, "false");
        }
    }
    return false;
}

bool view_filters_read(struct api_call *c, struct proj_filter filters[VIEW_FILTERS_MAX],
                       size_t *count)
{
    struct str *texts;
    struct ectx ec = {0};
    if (!api_query_list(c, "filter", VIEW_FILTERS_MAX, &texts, count)) {
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        if (!filter_parse(texts[i], &filters[i])) {
            IGNORE(ectx_fail(&ec, ERR_MALFORMED, "filter '%.*s': must be COLUMN:OP:VALUE",
                             STR(texts[i])));
            ectx_hint(&ec, "OP is eq, ne, lt, lte, gt, gte or prefix; or COLUMN:is_null, "
                           "COLUMN:is_null:false");
            api_fail(c, ERR_MALFORMED, &ec);
            return false;
        }
    }
    return true;
}

static bool read_order(struct view_call *x)
{
    struct str *texts;
    size_t count;
    struct ectx ec = {0};
    if (!api_query_list(x->c, "order", ORDER_MAX, &texts, &count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct str way;
        x->order[i].column = str_cut(texts[i], ':', &way);
        x->order[i].descending = str_eq_z(way, "desc");
        if (x->order[i].column.n == 0 ||
            (way.n > 0 && !x->order[i].descending && !str_eq_z(way, "asc"))) {
            IGNORE(ectx_fail(&ec, ERR_MALFORMED,
                             "order '%.*s': must be COLUMN, COLUMN:asc or "
                             "COLUMN:desc",
                             STR(texts[i])));
            api_fail(x->c, ERR_MALFORMED, &ec);
            return false;
        }
    }
    x->query.order = x->order;
    x->query.order_count = count;
    return true;
}

static void get_rows(struct api_call *c)
{
    uint64_t limit, timeout;
    struct str *columns;
    struct es_position position;
    struct ectx ec = {0};
    struct view_call *x = arena_new(c->arena, struct view_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    const struct str at_least = api_query(c, "at_least");
    x->c = c;
    x->query.filters = x->filters;
    if (!view_filters_read(c, x->filters, &x->query.filter_count) || !read_order(x) ||
        !api_query_u64(c, "limit", ROWS_DEFAULT, PROJ_QUERY_ROWS_MAX, &limit) ||
        !api_query_duration(c, "timeout", WAIT_DEFAULT_NS, WAIT_MAX_NS, &timeout) ||
        !api_query_list(c, "columns", VIEW_COLUMNS_MAX, &columns, &x->query.column_count)) {
        return;
    }
    if (!str_is_null(at_least) && !es_position_parse(at_least, &position)) {
        IGNORE(ectx_fail(&ec, ERR_MALFORMED, "at_least: is no position that this server gave"));
        api_fail(c, ERR_MALFORMED, &ec);
        return;
    }
    x->query.view = api_path(c, 0);
    x->query.columns = columns;
    x->query.limit = (size_t)limit;
    x->query.cursor = api_query(c, "cursor");
    arena_init(&x->rows, ROWS_BYTES);
    x->query.arena = &x->rows;
    x->query.done = on_rows;
    x->query.ctx = x;
    const struct str projection = proj_view_projection(proj_of(c), x->query.view);
    if (str_is_null(at_least) || str_is_null(projection)) {
        proj_query(proj_of(c), &x->query); /* also tells that there is no such view */
        return;
    }
    x->wait = (struct proj_wait){.name = projection,
                                 .position = position.commit,
                                 .deadline_ns = env_mono_ns(c->api->services.env) + timeout,
                                 .done = on_there,
                                 .ctx = x};
    proj_wait(proj_of(c), &x->wait);
}

static const struct api_param ROWS_PARAMS[] = {
    {"view", API_PATH, API_STRING, true, "orders", "The view."},
    {"filter", API_QUERY, API_LIST, false, NULL,
     "COLUMN:OP:VALUE with eq, ne, lt, lte, gt, gte, prefix, or COLUMN:is_null, "
     "COLUMN:is_null:false; "
     "several: all."},
    {"order", API_QUERY, API_LIST, false, NULL, "COLUMN or COLUMN:desc; several: in turn."},
    {"columns", API_QUERY, API_LIST, false, NULL, "Only these columns."},
    {"limit", API_QUERY, API_LIMIT, false, NULL, "How many rows at most (100, 10000)."},
    {"cursor", API_QUERY, API_CURSOR, false, NULL, "next_cursor of the page before."},
    {"at_least", API_QUERY, API_POSITION, false, NULL,
     "Wait until everything up to this position is in the view."},
    {"timeout", API_QUERY, API_DURATION, false, NULL, "How long to wait at most (2s, 60s)."},
};
static const struct api_route ROUTES[] = {
    {"GET", "/api/v1/views", get_views, "listViews", "List the views that are served.", NULL, 0,
     NULL, "ViewList", 200, 0, "projection-not-ready", NULL},
    {"GET", "/api/v1/views/{view}", get_rows, "queryView",
     "Rows of a view: by filter, in an order, a page at a time.", ROWS_PARAMS,
     ARRAY_LEN(ROWS_PARAMS), NULL, "ViewRows", 200, 0,
     "view-not-found projection-behind projection-not-ready", NULL},
};
static const struct api_schema SCHEMAS[] = {
    {"ViewList",
     "{\"type\":\"object\",\"properties\":{\"views\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"projection\":{\"type\":"
     "\"string\"},\"columns\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"key\":{"
     "\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}}}}"},
    {"ViewRows",
     "{\"type\":\"object\",\"required\":[\"view\",\"rows\"],\"properties\":{\"view\":{\"type\":"
     "\"string\"},\"version\":{\"type\":\"integer\"},\"rows\":{\"type\":\"array\",\"items\":{"
     "\"type\":\"object\"}},\"next_cursor\":{\"type\":\"string\"}}}"},
};
const struct api_resource api_views = {
    "Views", "The rows of read models.", ROUTES, ARRAY_LEN(ROUTES), SCHEMAS, ARRAY_LEN(SCHEMAS)};
