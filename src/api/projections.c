/*
 * Projections: declared, shown, rebuilt, switched, rolled back, paused; their parked keys; waiting
 * for a position. The read models that they keep are read in views.c.
 */
#include "api/views.h"
#include "envelope/envelope.h"
#include "es/es.h"
#include "proj/proj.h"

#define ANSWER_BYTES (64u * 1024 * 1024)
/* One projection's status: input partitions of its versions, each with the name of its topic. */
#define STATUS_BYTES \
    (PROJ_VERSIONS_MAX * PROJ_SHARDS_MAX * (sizeof(struct proj_shard_status) + 288) + (64u << 10))
#define STATUS_KEEP_BYTES (64u * 1024)
#define PARKED_DEFAULT    100u
#define PARKED_MAX        1000u
#define PARKED_BYTES      4096u /* a key, with the id and the type of its event, and the reason */
#define WAIT_DEFAULT_NS   (2ull * 1000 * 1000 * 1000)
#define WAIT_MAX_NS       (60ull * 1000 * 1000 * 1000)
#define CHECK_ROWS_MAX    1000u
#define CHECK_EVENTS_MAX  1000000000u

static struct proj *proj_of(const struct api_call *c)
{
    return c->api->services.proj;
}

static void fail_why(struct api_call *c, enum err e, enum proj_why why, const struct ectx *ec)
{
    static const char *const codes[] = {[PROJ_WHY_NONE] = "projection-not-found",
                                        [PROJ_NO_VERSION] = "projection-version-not-found",
                                        [PROJ_NOT_PARKED] = "key-not-parked",
                                        [PROJ_STAYS_PARKED] = "key-stays-parked",
                                        [PROJ_VERSION_STOPPED] = "projection-version-stopped"};
    if (e == ERR_NOT_FOUND || why == PROJ_STAYS_PARKED || why == PROJ_VERSION_STOPPED) {
        api_problem(c, codes[why], ec, STR_NULL);
    } else if (e == ERR_CONFIG) {
        api_problem(c, "definition-invalid", ec, STR_NULL);
    } else if (e == ERR_EXISTS) {
        api_problem(c, "projection-version-conflict", ec, STR_NULL);
    } else if (e == ERR_BEHIND) {
        api_problem(c, "projection-behind", ec, STR_NULL);
    } else if (e == ERR_BUSY || e == ERR_NOT_READY) {
        api_problem(c, e == ERR_BUSY ? "projection-busy" : "projection-not-ready", ec, STR_NULL);
    } else {
        api_fail(c, e, ec);
    }
}

static void fail(struct api_call *c, enum err e, const struct ectx *ec)
{
    fail_why(c, e, PROJ_WHY_NONE, ec);
}

/* ---- Showing -------------------------------------------------------------------------------- */

static void write_shard(struct json_writer *w, const struct proj_shard_status *s)
{
    json_write_begin(w, '{');
    json_write_member_str(w, "topic", s->topic);
    json_write_member_i64(w, "partition", s->partition);
    json_write_member_bool(w, "mine", s->mine);
    json_write_member_i64(w, "next_offset", s->next_offset);
    json_write_member_i64(w, "end_offset", s->end_offset);
    json_write_name(w, "lag_events");
    json_write_u64(w, s->lag_events);
    json_write_name(w, "owner_epoch");
    json_write_u64(w, s->owner_epoch);
    json_write_end(w, '}');
}

static void write_version(struct json_writer *w, const struct proj_version_status *v)
{
    json_write_begin(w, '{');
    json_write_member_i64(w, "version", v->version);
    json_write_member_str(w, "state", str_of(proj_state_name(v->state)));
    if (!str_is_null(v->error)) {
        json_write_member_str(w, "error", v->error);
    }
    json_write_member_bool(w, "caught_up", v->caught_up);
    json_write_member_bool(w, "waits_for_switch", v->waits);
    if (v->upcasts_changed) {
        json_write_member_str(w, "rebuild_because",
                              STR_LIT("upcasts were changed since this version was declared"));
    }
    json_write_name(w, "lag_events");
    json_write_u64(w, v->lag_events);
    json_write_name(w, "lag_seconds");
    json_write_f64(w, (double)v->lag_ms / 1000);
    json_write_name(w, "applied");
    json_write_u64(w, v->applied);
    json_write_name(w, "events_per_second");
    json_write_f64(w, v->per_second);
    json_write_name(w, "progress");
    json_write_f64(w, v->progress);
    if (v->eta_ms >= 0) {
        json_write_name(w, "eta_seconds");
        json_write_f64(w, (double)v->eta_ms / 1000);
    }
    json_write_name(w, "parked_events");
    json_write_u64(w, v->parked_events);
    json_write_name(w, "skipped_events");
    json_write_u64(w, v->skipped_events);
    json_write_name(w, "shards");
    json_write_begin(w, '[');
    for (size_t i = 0; i < v->shard_count; i++) {
        write_shard(w, &v->shards[i]);
    }
    json_write_end(w, ']');
    json_write_end(w, '}');
}

static void write_status(struct json_writer *w, const struct proj_status *s)
{
    json_write_begin(w, '{');
    json_write_member_str(w, "name", s->name);
    json_write_member_str(w, "target", s->target);
    json_write_member_i64(w, "served_version", s->served);
    json_write_member_bool(w, "paused", s->paused);
    if (s->removing) {
        json_write_member_bool(w, "removing", true);
    }
    json_write_name(w, "views");
    json_write_begin(w, '[');
    for (size_t i = 0; i < s->view_count; i++) {
        json_write_str(w, s->views[i]);
    }
    json_write_end(w, ']');
    json_write_name(w, "versions");
    json_write_begin(w, '[');
    for (size_t i = 0; i < s->version_count; i++) {
        write_version(w, &s->versions[i]);
    }
    json_write_end(w, ']');
    json_write_end(w, '}');
}

/* All, or the error of the first that cannot be told; one at a time is in memory. */
static enum err write_all(struct json_writer *w, struct proj *p, const struct str *names,
                          size_t count)
{
    struct arena one;
    enum err e = ERR_OK;
    arena_init(&one, STATUS_BYTES);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        struct proj_status s;
        arena_reset(&one, STATUS_KEEP_BYTES);
        e = proj_status(p, names[i], &one, &s);
        if (e == ERR_OK) {
            write_status(w, &s);
        } else if (e == ERR_NOT_FOUND) {
            e = ERR_OK; /* it is gone */
        }
    }
    arena_deinit(&one);
    return e;
}

static void get_projections(struct api_call *c)
{
    size_t count = 0;
    if (!view_known(c)) {
        return;
    }
    const struct str *names = proj_names(proj_of(c), c->arena, &count);
    if (names == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    struct api_object o;
    api_object_begin(&o, ANSWER_BYTES);
    json_write_name(&o.w, "projections");
    json_write_begin(&o.w, '[');
    const enum err e = write_all(&o.w, proj_of(c), names, count);
    json_write_end(&o.w, ']');
    if (e != ERR_OK) {
        buf_deinit(&o.b);
        api_fail(c, e, NULL);
        return;
    }
    api_object_reply(c, 200, NULL, 0, &o);
}

static void get_projection(struct api_call *c)
{
    struct proj_status s;
    struct ectx ec = {0};
    struct buf b;
    struct json_writer w;
    if (!view_known(c)) {
        return;
    }
    api_arena_widen(c, STATUS_BYTES);
    const enum err e = proj_status(proj_of(c), api_path(c, 0), c->arena, &s);
    if (e != ERR_OK) {
        IGNORE(e == ERR_NOT_FOUND
                   ? ectx_fail(&ec, e, "there is no projection '%.*s'", STR(api_path(c, 0)))
                   : ectx_fail(&ec, e, "out of memory for the status"));
        fail(c, e, &ec);
        return;
    }
    buf_init(&b, ANSWER_BYTES);
    json_write_init(&w, &b);
    write_status(&w, &s);
    api_reply(c, 200, NULL, 0, &b);
}

static void get_definition(struct api_call *c)
{
    uint64_t version;
    struct ectx ec = {0};
    if (!view_known(c) || !api_query_u64(c, "version", 0, UINT32_MAX, &version)) {
        return;
    }
    const struct str text = proj_definition(proj_of(c), api_path(c, 0), (uint32_t)version);
    if (str_is_null(text)) {
        const bool there = !str_is_null(proj_definition(proj_of(c), api_path(c, 0), 0));
        IGNORE(ectx_fail(&ec, ERR_NOT_FOUND, "there is no such projection or version"));
        fail_why(c, ERR_NOT_FOUND, there ? PROJ_NO_VERSION : PROJ_WHY_NONE, &ec);
        return;
    }
    struct api_object o;
    api_object_begin(&o, ANSWER_BYTES);
    json_write_member_str(&o.w, "name", api_path(c, 0));
    json_write_member_str(&o.w, "definition", text);
    api_object_reply(c, 200, NULL, 0, &o);
}

static void get_template(struct api_call *c)
{
    const struct str what = api_path(c, 0);
    const struct str name = api_query(c, "name");
    const struct str target = api_query(c, "target");
    struct ectx ec = {0};
    struct str text;
    struct proj_ready_made r = {.what = what,
                                .name = str_is_null(name) ? what : name,
                                .category = api_query(c, "category"),
                                .target = target};
    if (str_is_null(target)) {
        r.target = arena_printf(c->arena, "sqlite:%.*s.db", STR(r.name));
    }
    const enum err e = proj_ready_made(&r, c->arena, &text, &ec);
    if (e != ERR_OK) {
        fail(c, e, &ec);
        return;
    }
    struct api_object o;
    api_object_begin(&o, ANSWER_BYTES);
    json_write_member_str(&o.w, "name", r.name);
    json_write_member_str(&o.w, "definition", text);
    api_object_reply(c, 200, NULL, 0, &o);
}

/* ---- Commands ------------------------------------------------------------------------------- */

struct command_call {
    struct api_call *c;
    struct proj_command command;
};

/* What became of the events of a parked key. */
static void write_tried(struct json_writer *w, const struct proj_command *p)
{
    json_write_member_str(w, "key", p->key);
    json_write_name(w, "skipped");
    json_write_u64(w, p->skipped);
    json_write_name(w, "applied");
    json_write_u64(w, p->applied);
    json_write_name(w, "parked_events");
    json_write_u64(w, p->parked);
    if (!str_is_null(p->reason)) {
        json_write_member_str(w, "reason", p->reason);
    }
}

static void on_command(struct proj_command *p)
{
    struct command_call *x = p->ctx;
    struct api_object o;
    if (p->err == ERR_CLOSED) { /* who repeats a skip or a rollback may do it twice */
        api_problem(x->c, "outcome-unknown", &p->ec, STR_NULL);
        return;
    }
    if (p->err != ERR_OK) {
        fail_why(x->c, p->err, p->why, &p->ec);
        return;
    }
    if (p->kind == PROJ_REMOVE || p->kind == PROJ_DROP_VERSION) {
        api_reply_empty(x->c, 204, NULL, 0);
        return;
    }
    api_object_begin(&o, ANSWER_BYTES);
    json_write_member_str(&o.w, "name", p->kind == PROJ_APPLY ? p->applied_name : p->name);
    json_write_member_i64(&o.w, "version", p->version);
    if (p->kind == PROJ_APPLY) {
        json_write_member_bool(&o.w, "created", p->created);
    }
    if (p->kind == PROJ_RETRY_KEY || p->kind == PROJ_SKIP_KEY) {
        write_tried(&o.w, p);
    }
    api_object_reply(x->c, p->kind == PROJ_APPLY && p->created ? 201 : 200, NULL, 0, &o);
}

static struct command_call *command_new(struct api_call *c, enum proj_command_kind kind)
{
    struct command_call *x = arena_new(c->arena, struct command_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    x->c = c;
    x->command = (struct proj_command){
        .kind = kind, .name = api_path(c, 0), .arena = c->arena, .done = on_command, .ctx = x};
    return x;
}

static void put_projection(struct api_call *c)
{
    struct command_call *x = command_new(c, PROJ_APPLY);
    if (x == NULL) {
        return;
    }
    struct ectx ec = {0};
    if (c->request->body.n == 0) {
        IGNORE(ectx_fail(&ec, ERR_MALFORMED, "the body is empty: the definition, in YAML or JSON"));
        api_fail(c, ERR_MALFORMED, &ec);
        return;
    }
    x->command.definition = c->request->body;
    x->command.called = api_path(c, 0);
    x->command.file = api_query(c, "file");
    proj_command(proj_of(c), &x->command);
}

static void simple(struct api_call *c, enum proj_command_kind kind)
{
    struct command_call *x = command_new(c, kind);
    if (x != NULL) {
        proj_command(proj_of(c), &x->command);
    }
}

static void post_command(struct api_call *c)
{
    static const struct {
        const char *suffix;
        enum proj_command_kind kind;
    } kinds[] = {{"/rebuild", PROJ_REBUILD}, {"/switch", PROJ_SWITCH}, {"/rollback", PROJ_ROLLBACK},
                 {"/cancel", PROJ_CANCEL},   {"/pause", PROJ_PAUSE},   {"/resume", PROJ_RESUME}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_ends(str_of(c->route->path), kinds[i].suffix)) {
            simple(c, kinds[i].kind);
            return;
        }
    }
}

static void delete_projection(struct api_call *c)
{
    simple(c, PROJ_REMOVE);
}

static void delete_version(struct api_call *c)
{
    uint64_t version;
    struct ectx ec = {0};
    struct command_call *x = command_new(c, PROJ_DROP_VERSION);
    if (x == NULL) {
        return;
    }
    if (!str_to_u64(api_path(c, 1), &version) || version > UINT32_MAX) {
        IGNORE(ectx_fail(&ec, ERR_NOT_FOUND, "'%.*s' is no version", STR(api_path(c, 1))));
        fail_why(c, ERR_NOT_FOUND, PROJ_NO_VERSION, &ec);
        return;
    }
    x->command.for_version = (uint32_t)version;
    proj_command(proj_of(c), &x->command);
}

static void post_key(struct api_call *c)
{
    uint64_t version;
    struct command_call *x =
        command_new(c, str_ends(str_of(c->route->path), "/skip") ? PROJ_SKIP_KEY : PROJ_RETRY_KEY);
    if (x != NULL && api_query_u64(c, "version", 0, UINT32_MAX, &version)) {
        const struct str key = api_query(c, "key"); /* or a part of the path, which is not empty */
        x->command.key = str_is_null(key) ? api_path(c, 1) : key;
        x->command.for_version = (uint32_t)version;
        proj_command(proj_of(c), &x->command);
    }
}

/* ---- Parked keys ---------------------------------------------------------------------------- */

struct parked_call {
    struct api_call *c;
    struct proj_parked_list list;
};

static void on_parked(struct proj_parked_list *l)
{
    struct parked_call *x = l->ctx;
    struct api_object o;
    if (l->err != ERR_OK) {
        fail_why(x->c, l->err, l->why, &l->ec);
        return;
    }
    api_object_begin(&o, ANSWER_BYTES);
    json_write_name(&o.w, "parked");
    json_write_begin(&o.w, '[');
    for (size_t i = 0; i < l->count; i++) {
        const struct proj_parked *p = &l->parked[i];
        json_write_begin(&o.w, '{');
        json_write_member_str(&o.w, "key", p->key);
        json_write_member_str(&o.w, "event_id", p->event_id);
        json_write_member_str(&o.w, "type", p->type);
        json_write_member_str(&o.w, "reason", p->reason);
        json_write_member_str(&o.w, "topic", p->topic);
        json_write_member_i64(&o.w, "partition", p->partition);
        json_write_member_i64(&o.w, "offset", p->offset);
        json_write_name(&o.w, "events");
        json_write_u64(&o.w, p->events);
        json_write_end(&o.w, '}');
    }
    json_write_end(&o.w, ']');
    if (l->more && l->count > 0) {
        json_write_member_str(&o.w, "next_cursor", l->parked[l->count - 1].key);
    }
    api_object_reply(x->c, 200, NULL, 0, &o);
}

static void get_parked(struct api_call *c)
{
    uint64_t limit, version;
    if (!api_query_u64(c, "limit", PARKED_DEFAULT, PARKED_MAX, &limit) ||
        !api_query_u64(c, "version", 0, UINT32_MAX, &version)) {
        return;
    }
    struct parked_call *x = arena_new(c->arena, struct parked_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    api_arena_widen(c, (limit + 1) * (uint64_t)PARKED_BYTES);
    x->list = (struct proj_parked_list){.name = api_path(c, 0),
                                        .version = (uint32_t)version,
                                        .after = api_query(c, "cursor"),
                                        .limit = (size_t)limit,
                                        .arena = c->arena,
                                        .done = on_parked,
                                        .ctx = x};
    proj_parked_list(proj_of(c), &x->list);
}

/* ---- Waiting and checking ------------------------------------------------------------------- */

struct wait_call {
    struct api_call *c;
    struct proj_wait wait;
};

static void on_wait(struct proj_wait *p)
{
    struct wait_call *x = p->ctx;
    struct api_object o;
    if (p->err == ERR_REQUEST_TIMED_OUT) {
        view_reply_behind(x->c, p);
        return;
    }
    if (p->err != ERR_OK) {
        fail(x->c, p->err, &p->ec);
        return;
    }
    api_object_begin(&o, ANSWER_BYTES);
    json_write_member_str(&o.w, "name", p->name);
    json_write_member_bool(&o.w, "caught_up", true);
    api_object_reply(x->c, 200, NULL, 0, &o);
}

static void get_wait(struct api_call *c)
{
    struct es_position position = {0};
    struct ectx ec = {0};
    uint64_t timeout;
    if (!api_query_duration(c, "timeout", WAIT_DEFAULT_NS, WAIT_MAX_NS, &timeout)) {
        return;
    }
    if (!es_position_parse(api_query(c, "at_least"), &position)) {
        IGNORE(ectx_fail(&ec, ERR_MALFORMED, "at_least: is no position that this server gave"));
        api_fail(c, ERR_MALFORMED, &ec);
        return;
    }
    struct wait_call *x = arena_new(c->arena, struct wait_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->wait = (struct proj_wait){.name = api_path(c, 0),
                                 .position = position.commit,
                                 .deadline_ns = env_mono_ns(c->api->services.env) + timeout,
                                 .done = on_wait,
                                 .ctx = x};
    proj_wait(proj_of(c), &x->wait);
}

struct check_call {
    struct api_call *c;
    struct proj_check check;
};

static void on_check(struct proj_check *p)
{
    struct check_call *x = p->ctx;
    struct api_object o;
    if (p->err != ERR_OK) {
        fail(x->c, p->err, &p->ec);
        return;
    }
    api_object_begin(&o, ANSWER_BYTES);
    json_write_name(&o.w, "events");
    json_write_u64(&o.w, p->events);
    json_write_name(&o.w, "applied");
    json_write_u64(&o.w, p->applied);
    json_write_name(&o.w, "parked_events");
    json_write_u64(&o.w, p->parked);
    json_write_name(&o.w, "skipped_events");
    json_write_u64(&o.w, p->skipped);
    json_write_name(&o.w, "result");
    json_write_raw(&o.w, p->result);
    api_object_reply(x->c, 200, NULL, 0, &o);
}

static void post_check(struct api_call *c)
{
    uint64_t rows, events;
    if (!api_query_u64(c, "rows", 0, CHECK_ROWS_MAX, &rows) ||
        !api_query_u64(c, "events", 0, CHECK_EVENTS_MAX, &events)) {
        return;
    }
    struct check_call *x = arena_new(c->arena, struct check_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->check = (struct proj_check){.definition = c->request->body,
                                   .file = api_query(c, "file"),
                                   .events_max = events,
                                   .rows_max = (size_t)rows,
                                   .arena = c->arena,
                                   .done = on_check,
                                   .ctx = x};
    proj_check(proj_of(c), &x->check);
}

/* ---- Routes --------------------------------------------------------------------------------- */

#define NAME_PARAM                                                      \
    {                                                                   \
        "name", API_PATH, API_STRING, true, "orders", "The projection." \
    }
static const struct api_param NAME[] = {NAME_PARAM};
static const struct api_param PUT_PARAMS[] = {
    NAME_PARAM, {"file", API_QUERY, API_STRING, false, "orders.yaml", "What errors call it."}};
static const struct api_param VERSION_PARAMS[] = {
    NAME_PARAM,
    {"version", API_QUERY, API_INTEGER, false, NULL, "Of this version (the one that is served)."}};
static const struct api_param DROP_PARAMS[] = {
    NAME_PARAM, {"version", API_PATH, API_INTEGER, true, "1", "The version."}};
static const struct api_param KEY_PARAMS[] = {
    NAME_PARAM,
    {"key", API_PATH, API_STRING, true, "42", "The key."},
    {"version", API_QUERY, API_INTEGER, false, NULL, "Of this version (the one that is served)."}};
static const struct api_param KEY_QUERY_PARAMS[] = {
    NAME_PARAM,
    {"key", API_QUERY, API_STRING, true, "42", "The key; it may be empty."},
    {"version", API_QUERY, API_INTEGER, false, NULL, "Of this version (the one that is served)."}};
static const struct api_param PARKED_PARAMS[] = {
    NAME_PARAM,
    {"version", API_QUERY, API_INTEGER, false, NULL, "Of this version (the one that is served)."},
    {"limit", API_QUERY, API_LIMIT, false, NULL, "How many keys at most (100, 1000)."},
    {"cursor", API_QUERY, API_CURSOR, false, NULL, "next_cursor of the page before."}};
static const struct api_param WAIT_PARAMS[] = {
    NAME_PARAM,
    {"at_least", API_QUERY, API_POSITION, true, "p:000000000000000000000000",
     "A position that an append was answered with."},
    {"timeout", API_QUERY, API_DURATION, false, "2s", "How long at most (2s, 60s)."}};
static const struct api_param CHECK_PARAMS[] = {
    {"file", API_QUERY, API_STRING, false, "orders.yaml", "What errors call it."},
    {"rows", API_QUERY, API_INTEGER, false, NULL, "Rows of each table that are shown (100)."},
    {"events", API_QUERY, API_INTEGER, false, NULL, "Events at most (all)."}};
static const struct api_param TEMPLATE_PARAMS[] = {
    {"what", API_PATH, API_STRING, true, "event_store", "event_store or snapshots."},
    {"category", API_QUERY, API_STRING, true, "order", "Of this category."},
    {"name", API_QUERY, API_STRING, false, NULL, "Of the projection and its table (as `what`)."},
    {"target", API_QUERY, API_STRING, false, NULL, "Where the table is (sqlite:NAME.db)."}};
static const char DEFINITION_EXAMPLE[] =
    "{\"projection\":\"orders\",\"version\":1,\"source\":{\"category\":\"order\"},"
    "\"target\":\"sqlite:read.db\",\"tables\":{\"orders\":{\"columns\":{\"id\":\"text\","
    "\"total\":\"integer\"},\"key\":\"id\"}},\"maps\":[{\"type\":\"OrderPlaced\",\"upsert\":{"
    "\"table\":\"orders\",\"key\":{\"id\":\"$stream\"},\"set\":{\"total\":\"/data/total\"}}}]}";
#define COMMAND_PROBLEMS                                                                 \
    "projection-not-found projection-version-not-found projection-version-conflict "     \
    "projection-behind projection-busy projection-not-ready projection-version-stopped " \
    "storage-full outcome-unknown"
#define KEY_PROBLEMS                                                                     \
    "projection-not-found projection-version-not-found key-not-parked key-stays-parked " \
    "projection-version-stopped projection-not-ready storage-full outcome-unknown"
#define COMMAND(suffix, id, summary)                                                           \
    {                                                                                          \
        "POST", "/api/v1/projections/{name}" suffix, post_command, id, summary, NAME, 1, NULL, \
            "ProjectionVersion", 200, 0, COMMAND_PROBLEMS, NULL                                \
    }
static const struct api_route ROUTES[] = {
    {"GET", "/api/v1/projections", get_projections, "listProjections", "List the projections.",
     NULL, 0, NULL, "ProjectionList", 200, 0, "projection-not-ready", NULL},
    {"GET", "/api/v1/projections/{name}", get_projection, "getProjection",
     "Show a projection: versions, lag, progress, parked events.", NAME, ARRAY_LEN(NAME), NULL,
     "Projection", 200, 0, "projection-not-found projection-not-ready", NULL},
    {"GET", "/api/v1/projections/{name}/definition", get_definition, "getProjectionDefinition",
     "The definition as it was given.", VERSION_PARAMS, ARRAY_LEN(VERSION_PARAMS), NULL,
     "DefinitionText", 200, 0,
     "projection-not-found projection-version-not-found projection-not-ready", NULL},
    {"PUT", "/api/v1/projections/{name}", put_projection, "putProjection",
     "Declare a projection (YAML or JSON); a higher version is built beside the served one.",
     PUT_PARAMS, ARRAY_LEN(PUT_PARAMS), "ProjectionDefinition", "ProjectionVersion", 201,
     API_YAML_IN,
     "definition-invalid projection-version-conflict projection-busy projection-not-ready "
     "storage-full",
     DEFINITION_EXAMPLE},
    {"DELETE", "/api/v1/projections/{name}", delete_projection, "deleteProjection",
     "Remove a projection with its tables and views.", NAME, ARRAY_LEN(NAME), NULL, NULL, 204, 0,
     "projection-not-found projection-busy projection-not-ready storage-full", NULL},
    COMMAND("/rebuild", "rebuildProjection",
            "Build the served definition anew beside the served "
            "tables."),
    COMMAND("/switch", "switchProjection", "Serve the version that was built."),
    COMMAND("/rollback", "rollbackProjection", "Serve the version before this one again."),
    COMMAND("/cancel", "cancelProjection", "Drop the version that is being built."),
    {"DELETE", "/api/v1/projections/{name}/versions/{version}", delete_version,
     "dropProjectionVersion",
     "Drop a version that is not served, with its tables: kept ones go before their time.",
     DROP_PARAMS, ARRAY_LEN(DROP_PARAMS), NULL, NULL, 204, 0, COMMAND_PROBLEMS, NULL},
    COMMAND("/pause", "pauseProjection", "Apply nothing for the moment."),
    COMMAND("/resume", "resumeProjection", "Go on."),
    {"GET", "/api/v1/projections/{name}/parked", get_parked, "listParkedKeys",
     "Keys whose events wait because one of them could not be applied.", PARKED_PARAMS,
     ARRAY_LEN(PARKED_PARAMS), NULL, "ParkedList", 200, 0,
     "projection-not-found projection-version-not-found projection-not-ready", NULL},
    {"POST", "/api/v1/projections/{name}/keys/{key}/retry", post_key, "retryParkedKey",
     "Apply the parked events of a key again, in order.", KEY_PARAMS, ARRAY_LEN(KEY_PARAMS), NULL,
     "KeyTried", 200, 0, KEY_PROBLEMS, NULL},
    {"POST", "/api/v1/projections/{name}/keys/{key}/skip", post_key, "skipParkedEvent",
     "Drop the first parked event of a key, then go on with the others until one cannot be "
     "applied.",
     KEY_PARAMS, ARRAY_LEN(KEY_PARAMS), NULL, "KeyTried", 200, 0, KEY_PROBLEMS, NULL},
    {"POST", "/api/v1/projections/{name}/parked/retry", post_key, "retryParked",
     "As retryParkedKey, of any key: also the empty one, which no path can name.", KEY_QUERY_PARAMS,
     ARRAY_LEN(KEY_QUERY_PARAMS), NULL, "KeyTried", 200, 0, KEY_PROBLEMS, NULL},
    {"POST", "/api/v1/projections/{name}/parked/skip", post_key, "skipParked",
     "As skipParkedEvent, of any key: also the empty one, which no path can name.",
     KEY_QUERY_PARAMS, ARRAY_LEN(KEY_QUERY_PARAMS), NULL, "KeyTried", 200, 0, KEY_PROBLEMS, NULL},
    {"GET", "/api/v1/projections/{name}/wait", get_wait, "waitForProjection",
     "Wait until what is served has applied everything up to a position.", WAIT_PARAMS,
     ARRAY_LEN(WAIT_PARAMS), NULL, "ProjectionCaughtUp", 200, 0,
     "projection-not-found projection-behind projection-not-ready", NULL},
    {"GET", "/api/v1/projection-templates/{what}", get_template, "getProjectionTemplate",
     "A definition that is ready-made: the textbook tables of events and of snapshots.",
     TEMPLATE_PARAMS, ARRAY_LEN(TEMPLATE_PARAMS), NULL, "DefinitionText", 200, 0,
     "projection-not-found", NULL},
    {"POST", "/api/v1/projection-checks", post_check, "checkProjection",
     "Run a definition over the log in memory and show the rows that it makes.", CHECK_PARAMS,
     ARRAY_LEN(CHECK_PARAMS), "ProjectionDefinition", "ProjectionCheck", 200, API_YAML_IN,
     "definition-invalid projection-not-ready", DEFINITION_EXAMPLE},
};
static const struct api_schema SCHEMAS[] = {
    {"ProjectionDefinition", "{\"type\":\"object\"}"},
    {"ProjectionVersion",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"version\":{\"type\":"
     "\"integer\"},\"created\":{\"type\":\"boolean\"}}}"},
    {"Projection",
     "{\"type\":\"object\",\"required\":[\"name\",\"versions\"],\"properties\":{\"name\":{\"type\":"
     "\"string\"},\"target\":{\"type\":\"string\"},\"served_version\":{\"type\":\"integer\"},"
     "\"paused\":{\"type\":\"boolean\"},\"views\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"string\"}},\"versions\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":["
     "\"version\",\"state\"],\"properties\":{\"version\":{\"type\":\"integer\"},\"state\":{"
     "\"type\":"
     "\"string\",\"enum\":[\"starting\",\"unreachable\",\"building\",\"live\",\"kept\",\"paused\","
     "\"stopped\"]},\"error\":{\"type\":\"string\"},\"parked_events\":{\"type\":\"integer\"},"
     "\"skipped_events\":{\"type\":\"integer\",\"description\":\"Since the start of the server: by "
     "on_error: skip, or by hand.\"}}}}}}"},
    {"ProjectionList",
     "{\"type\":\"object\",\"properties\":{\"projections\":{\"type\":\"array\",\"items\":{\"$ref\":"
     "\"#/components/schemas/Projection\"}}}}"},
    {"ParkedList",
     "{\"type\":\"object\",\"properties\":{\"parked\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"object\"}},\"next_cursor\":{\"type\":\"string\"}}}"},
    {"KeyTried",
     "{\"type\":\"object\",\"required\":[\"name\",\"version\",\"key\",\"skipped\",\"applied\","
     "\"parked_events\"],\"properties\":{\"name\":{\"type\":\"string\"},\"version\":{\"type\":"
     "\"integer\"},\"key\":{\"type\":\"string\"},\"skipped\":{\"type\":\"integer\"},\"applied\":{"
     "\"type\":\"integer\"},\"parked_events\":{\"type\":\"integer\"},\"reason\":{\"type\":"
     "\"string\"}}}"},
    {"ProjectionCaughtUp",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"caught_up\":{\"type\":"
     "\"boolean\"}}}"},
    {"ProjectionCheck",
     "{\"type\":\"object\",\"properties\":{\"events\":{\"type\":\"integer\"},\"applied\":{"
     "\"type\":\"integer\"},\"parked_events\":{\"type\":\"integer\"},\"skipped_events\":{\"type\":"
     "\"integer\"},\"result\":{\"type\":"
     "\"object\"}}}"},
};
const struct api_resource api_projections = {
    "Projections", "Read models that are kept from events, exactly once.",
    ROUTES,        ARRAY_LEN(ROUTES),
    SCHEMAS,       ARRAY_LEN(SCHEMAS)};
