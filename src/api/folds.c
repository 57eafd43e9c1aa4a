/*
 * Folds and upcasts: definitions of the event store in YAML (or JSON), and the state of a stream
 * that a fold makes of its events.
 */
#include "api/es_common.h"
#include "core/limits.h"

/* ---- Definitions ---------------------------------------------------------------------------- */

struct define_call {
    struct api_call *c;
    struct es_define define;
};

static enum es_definition_kind kind_of(const struct api_call *c)
{
    return str_starts(str_of(c->route->path), "/api/v1/folds") ? ES_FOLD : ES_UPCASTS;
}

static void on_defined(struct es_define *d)
{
    struct define_call *x = d->ctx;
    if (d->problem != ES_OK) {
        es_reply_problem(x->c, d->problem, 0, &d->ec, STR_NULL);
        return;
    }
    if (str_is_null(d->text)) {
        api_reply_empty(x->c, 204, NULL, 0);
        return;
    }
    struct api_object o;
    api_object_begin(&o, ES_ANSWER_BYTES);
    json_write_member_str(&o.w, "name", d->name);
    json_write_member_bool(&o.w, "created", d->created);
    api_object_reply(x->c, d->created ? 201 : 200, NULL, 0, &o);
}

static void define(struct api_call *c, struct str text)
{
    struct es *es;
    if (!es_get(c, &es)) {
        return;
    }
    struct define_call *x = arena_new(c->arena, struct define_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->define = (struct es_define){.kind = kind_of(c),
                                   .name = api_path(c, 0),
                                   .text = text,
                                   .file = api_query(c, "file"),
                                   .arena = c->arena,
                                   .done = on_defined,
                                   .ctx = x};
    es_define(es, &x->define);
}

static void put_definition(struct api_call *c)
{
    const struct str body = c->request->body;
    if (body.n == 0) {
        struct ectx ec = {0};
        IGNORE(ectx_fail(&ec, ERR_MALFORMED, "the body is empty: the definition, in YAML or JSON"));
        api_fail(c, ERR_MALFORMED, &ec);
        return;
    }
    define(c, body);
}

static void delete_definition(struct api_call *c)
{
    define(c, STR_NULL);
}

static void write_definition(struct json_writer *w, const struct es_definition *d)
{
    json_write_begin(w, '{');
    json_write_member_str(w, "name", d->name);
    if (d->kind == ES_FOLD) {
        json_write_member_str(w, "category", d->category);
    }
    json_write_member_str(w, "definition", d->text);
    json_write_end(w, '}');
}

static bool definitions(struct api_call *c, const struct es_definition **list, size_t *count)
{
    struct es *es;
    if (!es_get(c, &es)) {
        return false;
    }
    api_arena_widen(c, LIMIT_REQUEST_ARENA_MAX); /* a copy of each, of up to 256 KiB */
    *list = es_definitions(es, kind_of(c), c->arena, count);
    if (*list == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
    }
    return *list != NULL;
}

static void get_definitions(struct api_call *c)
{
    const struct es_definition *list;
    size_t count;
    struct api_object o;
    if (!definitions(c, &list, &count)) {
        return;
    }
    api_object_begin(&o, ES_ANSWER_BYTES);
    json_write_name(&o.w, "definitions");
    json_write_begin(&o.w, '[');
    for (size_t i = 0; i < count; i++) {
        write_definition(&o.w, &list[i]);
    }
    json_write_end(&o.w, ']');
    api_object_reply(c, 200, NULL, 0, &o);
}

static void get_definition(struct api_call *c)
{
    const struct es_definition *list;
    size_t count;
    if (!definitions(c, &list, &count)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (str_eq(list[i].name, api_path(c, 0))) {
            struct buf b;
            struct json_writer w;
            buf_init(&b, ES_ANSWER_BYTES);
            json_write_init(&w, &b);
            write_definition(&w, &list[i]);
            api_reply(c, 200, NULL, 0, &b);
            return;
        }
    }
    struct ectx ec = {0};
    IGNORE(ectx_fail(&ec, ERR_NOT_FOUND, "there is no definition '%.*s'", STR(api_path(c, 0))));
    es_reply_problem(c, ES_DEFINITION_NOT_FOUND, 0, &ec, STR_NULL);
}

/* ---- Upcasts on trial ----------------------------------------------------------------------- */

struct check_call {
    struct api_call *c;
    struct es_upcast_check check;
};

static void write_failures(struct json_writer *w, const struct es_upcast_check *k)
{
    json_write_name(w, "failures");
    json_write_begin(w, '[');
    for (size_t i = 0; i < k->failure_count; i++) {
        json_write_begin(w, '{');
        json_write_member_str(w, "stream", k->failures[i].stream);
        json_write_name(w, "revision");
        json_write_u64(w, k->failures[i].revision);
        json_write_member_str(w, "type", k->failures[i].type);
        json_write_member_str(w, "reason", k->failures[i].reason);
        json_write_end(w, '}');
    }
    json_write_end(w, ']');
}

static void on_checked(struct es_upcast_check *k)
{
    struct check_call *x = k->ctx;
    struct api_object o;
    if (k->problem != ES_OK) {
        es_reply_problem(x->c, k->problem, 0, &k->ec, STR_NULL);
        return;
    }
    api_object_begin(&o, ES_ANSWER_BYTES);
    json_write_name(&o.w, "events");
    json_write_u64(&o.w, k->events);
    json_write_name(&o.w, "upcast");
    json_write_u64(&o.w, k->upcast);
    json_write_name(&o.w, "became");
    json_write_u64(&o.w, k->made);
    json_write_name(&o.w, "failed");
    json_write_u64(&o.w, k->failed);
    write_failures(&o.w, k);
    api_object_reply(x->c, 200, NULL, 0, &o);
}

static void post_check(struct api_call *c)
{
    struct es *es;
    uint64_t events;
    if (!es_get(c, &es) || !api_query_u64(c, "events", 0, UINT64_MAX, &events)) {
        return;
    }
    struct check_call *x = arena_new(c->arena, struct check_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->check.text = c->request->body;
    x->check.file = api_query(c, "file");
    x->check.name = api_query(c, "name");
    x->check.events_max = events;
    x->check.arena = c->arena;
    x->check.done = on_checked;
    x->check.ctx = x;
    es_upcast_check(es, &x->check);
}

/* ---- State ---------------------------------------------------------------------------------- */

struct state_call {
    struct api_call *c;
    struct es_fold_state state;
};

static void on_state(struct es_fold_state *s)
{
    struct state_call *x = s->ctx;
    if (s->problem != ES_OK) {
        es_reply_problem(x->c, s->problem, 0, &s->ec, STR_NULL);
        return;
    }
    struct api_object o;
    api_object_begin(&o, ES_ANSWER_BYTES);
    json_write_member_str(&o.w, "stream", s->stream);
    json_write_member_str(&o.w, "fold", s->fold_name);
    json_write_member_str(&o.w, "schema", s->schema);
    json_write_name(&o.w, "revision");
    if (s->empty) {
        json_write_null(&o.w);
    } else {
        json_write_u64(&o.w, s->revision);
    }
    if (s->from_snapshot) {
        json_write_name(&o.w, "snapshot_revision");
        json_write_u64(&o.w, s->snapshot_revision);
    }
    if (s->incomplete_before > 0) {
        json_write_name(&o.w, "incomplete_before");
        json_write_u64(&o.w, s->incomplete_before);
    }
    json_write_name(&o.w, "state");
    json_write_raw(&o.w, s->state);
    api_object_reply(x->c, 200, NULL, 0, &o);
}

static void get_state(struct api_call *c)
{
    struct es *es;
    uint64_t to;
    int64_t until_ns;
    if (!es_get(c, &es) || !es_moment_get(c, &to, &until_ns)) {
        return;
    }
    api_arena_widen(c, ES_STATE_BYTES_MAX);
    struct state_call *x = arena_new(c->arena, struct state_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->state = (struct es_fold_state){.stream = api_path(c, 0),
                                      .fold = api_query(c, "fold"),
                                      .to = to,
                                      .until_ns = until_ns,
                                      .arena = c->arena,
                                      .done = on_state,
                                      .ctx = x};
    es_fold_state(es, &x->state);
}

/* ---- Routes --------------------------------------------------------------------------------- */

static const struct api_param NAME[] = {
    {"name", API_PATH, API_STRING, true, "order", "The definition's name."},
};
static const struct api_param PUT_PARAMS[] = {
    {"name", API_PATH, API_STRING, true, "order", "The definition's name."},
    {"file", API_QUERY, API_STRING, false, "order.yaml", "What errors call it."},
};
static const struct api_param STATE_PARAMS[] = {
    {"stream", API_PATH, API_STRING, true, "order-42", "The stream: CATEGORY-ID."},
    {"fold", API_QUERY, API_STRING, false, NULL, "The fold, if its category has several."},
    {"at", API_QUERY, API_STRING, false, NULL,
     "As it was at this revision, or at this RFC 3339 time."},
};
static const struct api_param CHECK_PARAMS[] = {
    {"name", API_QUERY, API_STRING, false, "order",
     "The declared ones whose place they are to take."},
    {"file", API_QUERY, API_STRING, false, "order.yaml", "What errors call it."},
    {"events", API_QUERY, API_INTEGER, false, NULL, "Events at most (all)."},
};
static const char FOLD_EXAMPLE[] =
    "{\"fold\":\"order\",\"category\":\"order\",\"maps\":[{\"type\":\"OrderPlaced\","
    "\"set\":{\"/total\":\"/data/total\"}}]}";
static const char UPCASTS_EXAMPLE[] =
    "{\"upcasts\":[{\"from\":\"OrderPlaced.v1\",\"to\":\"OrderPlaced.v2\","
    "\"default\":{\"/data/currency\":\"'EUR'\"}}]}";
static const struct api_route ROUTES[] = {
    {"GET", "/api/v1/folds", get_definitions, "listFolds", "List the folds.", NULL, 0, NULL,
     "DefinitionList", 200, 0, "", NULL},
    {"GET", "/api/v1/folds/{name}", get_definition, "getFold", "Show a fold.", NAME,
     ARRAY_LEN(NAME), NULL, "DefinitionText", 200, 0, "definition-not-found", NULL},
    {"PUT", "/api/v1/folds/{name}", put_definition, "putFold",
     "Declare a fold (YAML or JSON), or replace it.", PUT_PARAMS, ARRAY_LEN(PUT_PARAMS), "Fold",
     "Defined", 201, API_YAML_IN, "definition-invalid busy storage-full", FOLD_EXAMPLE},
    {"DELETE", "/api/v1/folds/{name}", delete_definition, "deleteFold", "Take a fold away.", NAME,
     ARRAY_LEN(NAME), NULL, NULL, 204, 0, "definition-not-found storage-full", NULL},
    {"GET", "/api/v1/upcasts", get_definitions, "listUpcasts", "List the upcasts.", NULL, 0, NULL,
     "DefinitionList", 200, 0, "", NULL},
    {"GET", "/api/v1/upcasts/{name}", get_definition, "getUpcasts", "Show upcasts.", NAME,
     ARRAY_LEN(NAME), NULL, "DefinitionText", 200, 0, "definition-not-found", NULL},
    {"PUT", "/api/v1/upcasts/{name}", put_definition, "putUpcasts",
     "Declare upcasts (YAML or JSON), or replace them: from now on events are read in their newest "
     "form.",
     PUT_PARAMS, ARRAY_LEN(PUT_PARAMS), "Upcasts", "Defined", 201, API_YAML_IN,
     "definition-invalid busy storage-full", UPCASTS_EXAMPLE},
    {"DELETE", "/api/v1/upcasts/{name}", delete_definition, "deleteUpcasts", "Take upcasts away.",
     NAME, ARRAY_LEN(NAME), NULL, NULL, 204, 0, "definition-not-found storage-full", NULL},
    {"POST", "/api/v1/upcast-checks", post_check, "checkUpcasts",
     "Try upcasts, beside those that are declared, on every event that is stored.", CHECK_PARAMS,
     ARRAY_LEN(CHECK_PARAMS), "Upcasts", "UpcastCheck", 200, API_YAML_IN, "definition-invalid",
     UPCASTS_EXAMPLE},
    {"GET", "/api/v1/streams/{stream}/state", get_state, "foldStream",
     "The state that a fold makes of a stream's events, now or at a moment.", STATE_PARAMS,
     ARRAY_LEN(STATE_PARAMS), NULL, "State", 200, 0,
     "stream-not-found stream-deleted stream-tombstoned fold-not-found fold-failed", NULL},
};
static const struct api_schema SCHEMAS[] = {
    {"DefinitionText", "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
                       "\"category\":{\"type\":\"string\"},\"definition\":{\"type\":\"string\"}}}"},
    {"DefinitionList",
     "{\"type\":\"object\",\"properties\":{\"definitions\":{\"type\":\"array\",\"items\":"
     "{\"$ref\":\"#/components/schemas/DefinitionText\"}}}}"},
    {"Defined", "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
                "\"created\":{\"type\":\"boolean\"}}}"},
    {"Fold", "{\"type\":\"object\",\"required\":[\"fold\",\"category\",\"maps\"],\"properties\":{"
             "\"fold\":{\"type\":\"string\"},\"category\":{\"type\":\"string\"},"
             "\"schema\":{\"type\":\"string\"},\"snapshot_every\":{\"type\":\"integer\"},"
             "\"initial\":{\"type\":\"object\"},\"maps\":{\"type\":\"array\",\"items\":{\"type\":"
             "\"object\"}}}}"},
    {"Upcasts",
     "{\"type\":\"object\",\"required\":[\"upcasts\"],\"properties\":{\"upcasts\":{\"type\":"
     "\"array\",\"items\":{\"type\":\"object\"}}}}"},
    {"UpcastCheck",
     "{\"type\":\"object\",\"properties\":{\"events\":{\"type\":\"integer\"},\"upcast\":{\"type\":"
     "\"integer\"},\"became\":{\"type\":\"integer\"},\"failed\":{\"type\":\"integer\"},"
     "\"failures\":{"
     "\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}"},
    {"State", "{\"type\":\"object\",\"properties\":{\"stream\":{\"type\":\"string\"},"
              "\"fold\":{\"type\":\"string\"},\"schema\":{\"type\":\"string\"},"
              "\"revision\":{\"type\":[\"integer\",\"null\"]},"
              "\"snapshot_revision\":{\"type\":\"integer\"},\"incomplete_before\":{\"type\":"
              "\"integer\",\"description\":\"Events before this revision are hidden (truncated, "
              "beyond max_count, too old) and not in the state. Absent: all are in it.\"},"
              "\"state\":{}}}"},
};
const struct api_resource api_folds = {
    "Folds and upcasts",
    "What state the events of a stream make, and how old events look in their newest form.",
    ROUTES,
    ARRAY_LEN(ROUTES),
    SCHEMAS,
    ARRAY_LEN(SCHEMAS)};
