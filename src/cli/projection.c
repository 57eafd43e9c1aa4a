/* leat projection: ls, show, apply, check, rebuild, switch, rollback, ..., and its parked keys. */
#include <stdio.h>
#include <string.h>

#include "cli/definition.h"
#include "cli/stream.h"

#define BAR_WIDTH   30
#define POLL_MS     200
#define STATUS_KEPT (256u << 10)
#define PARKED_MAX  1000000 /* keys; a version stops at 100,000 events */

static const char *path_of(struct cli *cli, const char *suffix)
{
    const struct str name = http_encode(&cli->arena, cli->words[0]);
    const struct str path =
        str_is_null(name)
            ? STR_NULL
            : arena_printf(&cli->arena, "/api/v1/projections/%.*s%s", STR(name), suffix);
    if (str_is_null(path)) {
        IGNORE(ectx_fail(&cli->ec, ERR_NO_MEMORY, "the name does not fit into memory"));
    }
    return path.p;
}

static double number(const struct json *v, const char *name, double missing)
{
    double d;
    return json_f64(json_get(v, name), &d) ? d : missing;
}

static void print_versions(struct cli *cli, const struct json *p, struct table *t)
{
    const struct json *versions = json_get(p, "versions");
    for (const struct json *v = versions == NULL ? NULL : versions->first; v != NULL; v = v->next) {
        const struct str error = member_str(v, "error");
        table_str(t, COLOUR_BOLD, member_str(p, "name"));
        table_cell(t, COLOUR_NONE, "%lld", (long long)member_i64(v, "version", 0));
        table_str(t, COLOUR_NONE, member_str(v, "state"));
        table_cell(t, COLOUR_NONE, "%lld", (long long)member_i64(v, "lag_events", 0));
        table_cell(t, COLOUR_NONE, "%.1f", number(v, "lag_seconds", 0));
        table_cell(t, COLOUR_NONE, "%.0f", number(v, "events_per_second", 0));
        table_cell(t, COLOUR_NONE, "%lld", (long long)member_i64(v, "parked_events", 0));
        table_cell(t, COLOUR_NONE, "%lld", (long long)member_i64(v, "skipped_events", 0));
        table_str(t, COLOUR_RED, error);
    }
    (void)cli;
}

static enum err print_projections(struct cli *cli, const struct json *first)
{
    static const char *const titles[] = {"PROJECTION", ">VERSION", "STATE",    ">LAG", ">SECONDS",
                                         ">EVENTS/S",  ">PARKED",  ">SKIPPED", "ERROR"};
    struct table t;
    table_init(&t, cli, titles, ARRAY_LEN(titles));
    for (const struct json *p = first; p != NULL; p = p->next) {
        print_versions(cli, p, &t);
    }
    return table_print(&t, &cli->ec);
}

int run_projection_ls(struct cli *cli)
{
    int status = 0;
    struct json *v;
    enum err e = http_api(cli, "GET", "/api/v1/projections", STR_NULL, &status, &v);
    const struct json *list = json_get(v, "projections");
    if (e == ERR_OK && cli->json) {
        e = print_answer(cli, v);
    } else if (e == ERR_OK && (list == NULL || list->first == NULL)) {
        e = out_write(STR_LIT("no projections\n"), &cli->ec);
    } else if (e == ERR_OK) {
        e = print_projections(cli, list->first);
    }
    return cli_report(e, &cli->ec);
}

static enum err get_status(struct cli *cli, struct json **v)
{
    int status = 0;
    const char *path = path_of(cli, "");
    return path == NULL ? ERR_NO_MEMORY : http_api(cli, "GET", path, STR_NULL, &status, v);
}

static void print_rebuilds(const struct json *p)
{
    const struct json *versions = json_get(p, "versions");
    for (const struct json *v = versions == NULL ? NULL : versions->first; v != NULL; v = v->next) {
        const struct str why = member_str(v, "rebuild_because");
        if (why.n > 0) {
            out_printf("\nversion %lld is to be rebuilt: %.*s\n",
                       (long long)member_i64(v, "version", 0), STR(why));
        }
    }
}

static bool says(const struct json *v, const char *name)
{
    const struct json *m = json_get(v, name);
    return m != NULL && m->kind == JSON_BOOL && m->boolean;
}

/* The version that is built, and served when somebody says so (switch: manual), or NULL. */
static const struct json *waiting(const struct json *p)
{
    const struct json *versions = json_get(p, "versions");
    for (const struct json *v = versions == NULL ? NULL : versions->first; v != NULL; v = v->next) {
        if (says(v, "waits_for_switch")) {
            return v;
        }
    }
    return NULL;
}

static void print_waiting(const struct cli *cli, const struct json *p)
{
    const struct json *v = waiting(p);
    if (v != NULL) {
        out_printf("version %lld is ready: leat projection switch %s serves it\n",
                   (long long)member_i64(v, "version", 0), cli->words[0]);
    }
}

int run_projection_show(struct cli *cli)
{
    struct json *v;
    enum err e = get_status(cli, &v);
    if (e == ERR_OK && cli->json) {
        e = print_answer(cli, v);
    } else if (e == ERR_OK) {
        const struct json *views = json_get(v, "views");
        out_printf("target: %.*s\nserved: version %lld\nviews: %.*s\n\n",
                   STR(member_str(v, "target")), (long long)member_i64(v, "served_version", 0),
                   STR(views == NULL ? STR_LIT("[]") : views->raw));
        e = print_projections(cli, v);
        print_rebuilds(v);
        print_waiting(cli, v);
    }
    return cli_report(e, &cli->ec);
}

static bool in_state(const struct json *v, const char *state)
{
    return str_eq_z(member_str(v, "state"), state);
}

/* What is still to be done for `version` (0: for whatever is being built): that version, or NULL. A
 * first version is served from the beginning, while it catches up: with what was there `seconds`
 * ago, when somebody began to follow it, as a log never stands still. */
static const struct json *unfinished(const struct json *p, int64_t version, double seconds)
{
    const struct json *versions = json_get(p, "versions");
    for (const struct json *v = versions == NULL ? NULL : versions->first; v != NULL; v = v->next) {
        const struct json *there = json_get(v, "caught_up");
        const bool lags = there != NULL && there->kind == JSON_BOOL && !there->boolean &&
                          number(v, "lag_seconds", 0) + 1 > seconds;
        if (in_state(v, "building") || in_state(v, "starting") || in_state(v, "unreachable") ||
            (member_i64(v, "version", 0) == version && in_state(v, "live") && lags)) {
            return v;
        }
    }
    return NULL;
}

/* It will not go on by itself. */
static const struct json *stopped(const struct json *p, int64_t version)
{
    const struct json *versions = json_get(p, "versions");
    for (const struct json *v = versions == NULL ? NULL : versions->first; v != NULL; v = v->next) {
        if (in_state(v, "stopped") && (version == 0 || member_i64(v, "version", 0) == version)) {
            return v;
        }
    }
    return NULL;
}

static void draw(const struct json *v)
{
    const double progress = number(v, "progress", 0);
    const double left = number(v, "eta_seconds", -1);
    char bar[BAR_WIDTH + 1], time[32] = "?";
    const int full = (int)(progress * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i < full ? '#' : '.';
    }
    bar[BAR_WIDTH] = '\0';
    if (left >= 0) {
        (void)format_duration(left, time);
    }
    fprintf(stderr, "\r[%s] %3.0f %%  %.0f events/s  %s left   ", bar, progress * 100,
            number(v, "events_per_second", 0), time);
}

static const struct json *version_of(const struct json *p, int64_t version)
{
    const struct json *versions = json_get(p, "versions");
    for (const struct json *v = versions == NULL ? NULL : versions->first; v != NULL; v = v->next) {
        if (member_i64(v, "version", 0) == version) {
            return v;
        }
    }
    return NULL;
}

/* Until nothing is being built any more, or what is waits for `switch`, and `version` has caught
 * up. Ends when nothing was applied for --timeout. `out`: the last status. */
static enum err wait_build(struct cli *cli, int64_t version, struct json **out)
{
    const uint64_t patience = (uint64_t)cli->timeout_ms * 1000000u;
    const uint64_t began = clock_ns();
    uint64_t ends = began + patience;
    int64_t applied = -1;
    for (;;) {
        arena_reset(&cli->arena, STATUS_KEPT);
        const enum err e = get_status(cli, out);
        if (e != ERR_OK) {
            return e;
        }
        const struct json *build = unfinished(*out, version, (double)(clock_ns() - began) / 1e9);
        const struct json *stop = stopped(*out, version);
        const bool done = build == NULL || says(build, "waits_for_switch");
        const struct json *shown = build == NULL ? version_of(*out, version) : build;
        if (cli->progress && shown != NULL) {
            draw(shown);
        }
        if (stop != NULL) {
            return ectx_fail(&cli->ec, ERR_STOPPED, "version %lld has stopped: %.*s",
                             (long long)member_i64(stop, "version", 0),
                             STR(member_str(stop, "error")));
        }
        if (says(*out, "paused")) {
            const enum err p = ectx_fail(&cli->ec, ERR_STOPPED, "the projection is paused");
            ectx_hint(&cli->ec, "leat projection resume %s", cli->words[0]);
            return p;
        }
        if (done) {
            return ERR_OK;
        }
        if (member_i64(build, "applied", 0) != applied) {
            applied = member_i64(build, "applied", 0);
            ends = clock_ns() + patience;
        }
        if (clock_ns() > ends) {
            IGNORE(ectx_fail(&cli->ec, ERR_STOPPED, "version %lld does not go on (%.0f %%)",
                             (long long)member_i64(build, "version", 0),
                             number(build, "progress", 0) * 100));
            ectx_hint(&cli->ec, "leat projection show %s says why; --timeout waits longer",
                      cli->words[0]);
            return ERR_STOPPED;
        }
        clock_sleep_ms(POLL_MS);
    }
}

static enum err follow_build(struct cli *cli, int64_t version)
{
    /* The statuses have memory of their own, of which one is kept: a build may take hours. */
    const struct arena kept = cli->arena;
    struct json *v = NULL;
    arena_init(&cli->arena, CLI_ARENA_BYTES);
    enum err e = wait_build(cli, version, &v);
    if (cli->progress) {
        fprintf(stderr, "\n"); /* the bar stays; what is said next has a line of its own */
    }
    if (e == ERR_OK && cli->json) {
        e = print_answer(cli, v);
    } else if (e == ERR_OK) {
        out_printf("serving version %lld\n", (long long)member_i64(v, "served_version", 0));
        print_waiting(cli, v);
    }
    arena_deinit(&cli->arena);
    cli->arena = kept;
    return e;
}

static enum err print_version(struct cli *cli, const struct json *v, const char *what)
{
    if (cli->json) { /* with --follow the last status is the one document */
        return cli_has(cli, OPT_FOLLOW) ? ERR_OK : print_answer(cli, v);
    }
    out_printf("%s: %.*s, version %lld\n", what, STR(member_str(v, "name")),
               (long long)member_i64(v, "version", 0));
    return ERR_OK;
}

int run_projection_apply(struct cli *cli)
{
    int status = 0;
    struct json *v = NULL;
    struct definition d;
    enum err e = definition_read(cli, cli->words[0], "projection", &d);
    const struct str path = e == ERR_OK
                                ? arena_printf(&cli->arena, "/api/v1/projections/%.*s?file=%.*s",
                                               STR(d.name), STR(d.file))
                                : STR_NULL;
    if (e == ERR_OK) {
        e = str_is_null(path) ? ERR_NO_MEMORY : http_api(cli, "PUT", path.p, d.text, &status, &v);
    }
    e = e == ERR_OK ? print_version(cli, v, "declared") : e;
    if (e == ERR_OK && cli_has(cli, OPT_FOLLOW)) {
        const struct str name = member_str(v, "name");
        cli->words[0] = arena_str(&cli->arena, name).p;
        e = cli->words[0] == NULL ? ERR_NO_MEMORY : follow_build(cli, member_i64(v, "version", 0));
    }
    return cli_report(e, &cli->ec);
}

static int command(struct cli *cli, const char *suffix, const char *what)
{
    int status = 0;
    struct json *v = NULL;
    const char *path = path_of(cli, suffix);
    enum err e =
        path == NULL ? ERR_NO_MEMORY : http_api(cli, "POST", path, STR_LIT("{}"), &status, &v);
    e = e == ERR_OK ? print_version(cli, v, what) : e;
    if (e == ERR_OK && cli_has(cli, OPT_FOLLOW)) {
        e = follow_build(cli, member_i64(v, "version", 0));
    }
    return cli_report(e, &cli->ec);
}

int run_projection_rebuild(struct cli *cli)
{
    return command(cli, "/rebuild", "rebuilding");
}
int run_projection_switch(struct cli *cli)
{
    return command(cli, "/switch", "serving");
}
int run_projection_rollback(struct cli *cli)
{
    return command(cli, "/rollback", "serving");
}
int run_projection_cancel(struct cli *cli)
{
    return command(cli, "/cancel", "cancelled");
}
int run_projection_pause(struct cli *cli)
{
    return command(cli, "/pause", "paused");
}
int run_projection_resume(struct cli *cli)
{
    return command(cli, "/resume", "resumed");
}

int run_projection_template(struct cli *cli)
{
    int status = 0;
    struct json *v = NULL;
    const struct str what = http_encode(&cli->arena, cli->words[0]);
    const struct str category = http_encode(&cli->arena, cli->words[1]);
    const struct str path = arena_printf(
        &cli->arena, "/api/v1/projection-templates/%.*s?category=%.*s", STR(what), STR(category));
    enum err e = str_is_null(what) || str_is_null(category) || str_is_null(path)
                     ? ectx_fail(&cli->ec, ERR_NO_MEMORY, "no memory")
                     : http_api(cli, "GET", path.p, STR_NULL, &status, &v);
    if (e == ERR_OK) {
        e = cli->json ? print_answer(cli, v) : out_write(member_str(v, "definition"), &cli->ec);
    }
    return cli_report(e, &cli->ec);
}

int run_projection_drop(struct cli *cli)
{
    int status = 0;
    int64_t version = 0;
    struct json *v = NULL;
    enum err e = cli_number(cli, OPT_VERSION, 1, UINT32_MAX, 0, &version, &cli->ec);
    if (e == ERR_OK && version == 0) {
        e = ectx_fail(&cli->ec, ERR_CONFIG, "--version is needed: which one is to be dropped");
        ectx_hint(&cli->ec, "leat projection show %s lists them", cli->words[0]);
    }
    const struct str suffix = arena_printf(&cli->arena, "/versions/%lld", (long long)version);
    const char *path = e != ERR_OK || str_is_null(suffix) ? NULL : path_of(cli, suffix.p);
    if (e == ERR_OK) {
        e = path == NULL ? ERR_NO_MEMORY : http_api(cli, "DELETE", path, STR_NULL, &status, &v);
    }
    e = e == ERR_OK ? out_write(STR_LIT("dropped\n"), &cli->ec) : e;
    return cli_report(e, &cli->ec);
}

int run_projection_delete(struct cli *cli)
{
    int status = 0;
    struct json *v = NULL;
    if (cli_has(cli, OPT_DRY_RUN)) {
        enum err e = get_status(cli, &v);
        if (e == ERR_OK) {
            out_printf("would remove it, its tables and its views %.*s\n",
                       STR(json_get(v, "views") == NULL ? STR_LIT("") : json_get(v, "views")->raw));
        }
        return cli_report(e, &cli->ec);
    }
    const char *path = path_of(cli, "");
    enum err e =
        path == NULL ? ERR_NO_MEMORY : http_api(cli, "DELETE", path, STR_NULL, &status, &v);
    e = e == ERR_OK ? out_write(STR_LIT("deleted\n"), &cli->ec) : e;
    return cli_report(e, &cli->ec);
}

int run_projection_check(struct cli *cli)
{
    int status = 0;
    struct json *v = NULL;
    struct definition d;
    if (!cli_has(cli, OPT_AGAINST_LOG)) {
        return cli_report(
            ectx_fail(&cli->ec, ERR_CONFIG, "--against-log is needed: nothing else is checked yet"),
            &cli->ec);
    }
    enum err e = definition_read(cli, cli->words[0], "projection", &d);
    const struct str path =
        e == ERR_OK ? arena_printf(&cli->arena, "/api/v1/projection-checks?file=%.*s", STR(d.file))
                    : STR_NULL;
    if (e == ERR_OK) {
        e = str_is_null(path) ? ERR_NO_MEMORY : http_api(cli, "POST", path.p, d.text, &status, &v);
    }
    if (e == ERR_OK && cli->json) {
        e = print_answer(cli, v);
    } else if (e == ERR_OK) {
        const struct json *result = json_get(v, "result");
        const struct json *tables = json_get(result, "tables");
        out_printf("%lld events read, %lld applied, %lld parked",
                   (long long)member_i64(v, "events", 0), (long long)member_i64(v, "applied", 0),
                   (long long)member_i64(v, "parked_events", 0));
        const int64_t skipped = member_i64(v, "skipped_events", 0);
        if (skipped > 0) {
            out_printf(", %lld skipped", (long long)skipped);
        }
        out_printf("\n");
        for (const struct json *t = tables == NULL ? NULL : tables->first; t != NULL; t = t->next) {
            const struct json *rows = json_get(t, "first");
            out_printf("\n%.*s: %lld rows\n", STR(t->name), (long long)member_i64(t, "rows", 0));
            for (const struct json *r = rows == NULL ? NULL : rows->first; r != NULL; r = r->next) {
                out_printf("  %.*s\n", STR(r->raw));
            }
        }
        const struct json *parked = json_get(result, "parked");
        for (const struct json *p = parked == NULL ? NULL : parked->first; p != NULL; p = p->next) {
            out_printf("parked: %.*s\n", STR(p->raw));
        }
    }
    const int64_t parked_events = e == ERR_OK ? member_i64(v, "parked_events", 0) : 0;
    if (parked_events > 0) {
        e = ectx_fail(&cli->ec, ERR_INVALID_RECORD, "%lld events would be parked",
                      (long long)parked_events);
    }
    return cli_report(e, &cli->ec);
}

/* All of them, a page after the other. */
static enum err parked_pages(struct cli *cli, struct pages *p)
{
    const char *first = path_of(cli, "/parked?limit=1000"), *path = first;
    while (path != NULL) {
        int status = 0;
        struct json *v = NULL;
        enum err e = http_api(cli, "GET", path, STR_NULL, &status, &v);
        if (e != ERR_OK) {
            return e;
        }
        pages_add(p, json_get(v, "parked"));
        const struct json *next = json_get(v, "next_cursor");
        if (next == NULL) {
            return ERR_OK;
        }
        if (p->count == p->most) {
            return ectx_fail(&cli->ec, ERR_LIMIT, "more than %zu keys are parked", p->most);
        }
        const struct str cursor = http_encode_str(&cli->arena, next->string);
        path = str_is_null(cursor)
                   ? NULL
                   : arena_printf(&cli->arena, "%s&cursor=%.*s", first, STR(cursor)).p;
    }
    return ectx_fail(&cli->ec, ERR_NO_MEMORY, "the keys do not fit into memory");
}

int run_projection_parked(struct cli *cli)
{
    static const char *const titles[] = {"KEY", ">EVENTS", "TYPE", "EVENT", "REASON"};
    struct table t;
    struct pages all;
    pages_init(&all, PARKED_MAX);
    enum err e = parked_pages(cli, &all);
    if (e == ERR_OK && cli->json) {
        e = pages_print(cli, "parked", &all, NULL);
    } else if (e == ERR_OK && all.count == 0) {
        e = out_write(STR_LIT("nothing is parked\n"), &cli->ec);
    } else if (e == ERR_OK) {
        table_init(&t, cli, titles, ARRAY_LEN(titles));
        for (const struct json *p = all.first; p != NULL; p = p->next) {
            table_str(&t, COLOUR_BOLD, member_str(p, "key"));
            table_str(&t, COLOUR_NONE, member_str(p, "events"));
            table_str(&t, COLOUR_NONE, member_str(p, "type"));
            table_str(&t, COLOUR_DIM, member_str(p, "event_id"));
            table_str(&t, COLOUR_RED, member_str(p, "reason"));
        }
        e = table_print(&t, &cli->ec);
    }
    return cli_report(e, &cli->ec);
}

/* What became of the key's events; those that stay are no failure of a skip. */
static enum err print_tried(struct cli *cli, const struct json *v, const char *verb)
{
    const enum err e = print_version(cli, v, verb);
    if (e != ERR_OK || cli->json) {
        return e;
    }
    const int64_t parked = member_i64(v, "parked_events", 0);
    out_printf("%lld skipped, %lld applied, %lld still parked\n",
               (long long)member_i64(v, "skipped", 0), (long long)member_i64(v, "applied", 0),
               (long long)parked);
    if (parked > 0 && json_get(v, "reason") != NULL) {
        out_printf("the first of them: %.*s\n", STR(member_str(v, "reason")));
    }
    return ERR_OK;
}

static int key_command(struct cli *cli, const char *verb)
{
    int status = 0;
    struct json *v = NULL;
    const struct str key = http_encode(&cli->arena, cli->words[1]);
    const struct str suffix =
        str_is_null(key) ? STR_NULL
                         : arena_printf(&cli->arena, "/parked/%s?key=%.*s", verb, STR(key));
    const char *path = str_is_null(suffix) ? NULL : path_of(cli, suffix.p);
    enum err e = path == NULL ? ectx_fail(&cli->ec, ERR_NO_MEMORY, "no memory")
                              : http_api(cli, "POST", path, STR_LIT("{}"), &status, &v);
    e = e == ERR_OK ? print_tried(cli, v, verb) : e;
    return cli_report(e, &cli->ec);
}

int run_projection_retry(struct cli *cli)
{
    return key_command(cli, "retry");
}
int run_projection_skip(struct cli *cli)
{
    return key_command(cli, "skip");
}
