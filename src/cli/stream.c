/* leat stream ls, show, diff: what is there, what was there, what changed. */
#include <stdio.h>
#include <string.h>

#include "cli/stream.h"

#define PAGE 1000

static enum err list_pages(struct cli *cli, struct pages *p)
{
    struct str category =
        cli->word_count > 0 ? http_encode(&cli->arena, cli->words[0]) : STR_LIT("");
    struct str prefix =
        cli_has(cli, OPT_PREFIX) ? http_encode(&cli->arena, cli->values[OPT_PREFIX]) : STR_LIT("");
    struct str cursor = STR_LIT("");
    do {
        int status = 0;
        struct json *v = NULL;
        const size_t left = p->most - p->count;
        struct str path =
            arena_printf(&cli->arena, "/api/v1/streams?limit=%d%s%.*s%s%.*s%s%.*s",
                         left < PAGE ? (int)left : PAGE, category.n > 0 ? "&category=" : "",
                         STR(category), prefix.n > 0 ? "&prefix=" : "", STR(prefix),
                         cursor.n > 0 ? "&cursor=" : "", STR(cursor));
        if (str_is_null(path)) {
            return ectx_fail(&cli->ec, ERR_NO_MEMORY, "the names do not fit into memory");
        }
        enum err e = http_api(cli, "GET", path.p, STR_NULL, &status, &v);
        if (e != ERR_OK) {
            return e;
        }
        pages_add(p, json_get(v, "streams"));
        p->more = json_get(v, "next_cursor");
        cursor = member_str(v, "next_cursor");
        if (cursor.n > 0) {
            struct str z = arena_str(&cli->arena, cursor);
            cursor = str_is_null(z) ? z : http_encode(&cli->arena, z.p);
        }
    } while (cursor.n > 0 && p->count < p->most);
    return ERR_OK;
}

int run_stream_ls(struct cli *cli)
{
    static const char *const titles[] = {"STREAM", "STATE", ">FIRST", ">LAST"};
    int64_t limit;
    struct pages p;
    enum err e = cli_number(cli, OPT_LIMIT, 1, STREAM_LIMIT_MAX, STREAM_LIMIT, &limit, &cli->ec);
    if (e == ERR_OK) {
        pages_init(&p, limit);
        e = list_pages(cli, &p);
    }
    if (e == ERR_OK && cli->json) {
        e = pages_print(cli, "streams", &p, NULL);
    } else if (e == ERR_OK && p.count == 0) {
        e = out_write(STR_LIT("no streams\n"), &cli->ec);
    } else if (e == ERR_OK) {
        struct table t;
        table_init(&t, cli, titles, ARRAY_LEN(titles));
        for (const struct json *v = p.first; v != NULL; v = v->next) {
            table_str(&t, COLOUR_BOLD, member_str(v, "stream"));
            table_str(&t, COLOUR_NONE, member_str(v, "state"));
            table_str(&t, COLOUR_NONE, member_str(v, "first_revision"));
            table_str(&t, COLOUR_NONE, member_str(v, "last_revision"));
        }
        e = table_print(&t, &cli->ec);
        pages_tell_more(&p, "--limit");
    }
    return cli_report(e, &cli->ec);
}

/* Events from a revision up to a moment (encoded; "": now). */
static enum err read_events(struct cli *cli, const char *stream, int64_t from, const char *at,
                            struct pages *p)
{
    const char *path = stream_path(cli, stream, "/events");
    while (path != NULL) {
        int status = 0;
        struct json *v = NULL;
        size_t left = p->most - p->count;
        struct str full =
            arena_printf(&cli->arena, "%s?from=%lld&limit=%d%s%s", path, (long long)from,
                         left < PAGE ? (int)left : PAGE, at[0] == '\0' ? "" : "&at=", at);
        if (str_is_null(full)) {
            break;
        }
        enum err e = http_api(cli, "GET", full.p, STR_NULL, &status, &v);
        if (e != ERR_OK) {
            return e;
        }
        pages_add(p, json_get(v, "events"));
        p->more = json_get(v, "next");
        const int64_t next = member_i64(v, "next", -1);
        if (next < 0 || p->count >= p->most) {
            return ERR_OK;
        }
        if (next <= from) {
            return ectx_fail(&cli->ec, ERR_MALFORMED, PAGES_STAND_STILL);
        }
        from = next;
    }
    return ectx_fail(&cli->ec, ERR_NO_MEMORY, "the stream does not fit into memory");
}

static enum err print_state(struct cli *cli, const struct json *state, const char *title)
{
    const struct json *value = json_get(state, "state");
    if (value == NULL) {
        return ERR_OK;
    }
    out_printf("\n%s (fold %.*s, revision %lld):\n", title, STR(member_str(state, "fold")),
               (long long)member_i64(state, "revision", -1));
    const long long before = member_i64(state, "incomplete_before", 0);
    if (before > 0) {
        out_printf("incomplete: the events before revision %lld are hidden, and not in it\n",
                   before);
    }
    return print_raw(cli, value->raw);
}

int run_stream_show(struct cli *cli)
{
    int64_t limit, from;
    const char *at = "";
    struct pages p;
    struct json *state = NULL;
    enum err e = cli_number(cli, OPT_LIMIT, 1, STREAM_LIMIT_MAX, STREAM_LIMIT, &limit, &cli->ec);
    e = e == ERR_OK ? cli_number(cli, OPT_FROM, 0, INT64_MAX, 0, &from, &cli->ec) : e;
    e = e == ERR_OK ? stream_moment(cli, cli->values[OPT_AT], &at) : e;
    if (e == ERR_OK) {
        pages_init(&p, limit);
        e = read_events(cli, cli->words[0], from, at, &p);
    }
    e = e == ERR_OK ? stream_state(cli, cli->words[0], at, &state) : e;
    if (e == ERR_OK && cli->json) {
        e = pages_print(cli, "events", &p, state);
    } else if (e == ERR_OK) {
        struct json all = {.kind = JSON_ARRAY, .first = p.first};
        e = p.count == 0 ? out_write(STR_LIT("no events\n"), &cli->ec)
                         : stream_print_events(cli, &all);
        e = e == ERR_OK ? print_state(cli, state, "state") : e;
        pages_tell_more(&p, "--limit, --from");
    }
    return cli_report(e, &cli->ec);
}

/* ---- diff ----------------------------------------------------------------------------------- */

struct differ {
    struct cli *cli;
    struct buf path; /* of where we are, as a JSON pointer */
    size_t changes;
};

static void tell(struct differ *d, char sign, const struct json *before, const struct json *after)
{
    d->changes++;
    const char *colour = colour_on(d->cli, sign == '+'   ? COLOUR_GREEN
                                           : sign == '-' ? COLOUR_RED
                                                         : COLOUR_YELLOW);
    struct str path = d->path.n == 0 ? STR_LIT("/") : buf_str(&d->path);
    struct str a = before == NULL ? STR_LIT("") : before->raw;
    struct str b = after == NULL ? STR_LIT("") : after->raw;
    out_printf("%s%c %.*s: %.*s%s%.*s%s\n", colour, sign, STR(path), STR(a),
               before != NULL && after != NULL ? " -> " : "", STR(b),
               colour_off(d->cli, COLOUR_RED));
}

static void compare(struct differ *d, const struct json *before, const struct json *after)
{
    if (before == NULL || after == NULL) {
        if (before != after) {
            tell(d, before == NULL ? '+' : '-', before, after);
        }
        return;
    }
    if (before->kind != JSON_OBJECT || after->kind != JSON_OBJECT) {
        if (!str_eq(before->raw, after->raw)) {
            tell(d, '~', before, after);
        }
        return;
    }
    const size_t here = d->path.n;
    for (const struct json *v = before->first; v != NULL; v = v->next) {
        buf_put_u8(&d->path, '/');
        buf_put_str(&d->path, v->name);
        compare(d, v, json_get_str(after, v->name));
        d->path.n = here;
    }
    for (const struct json *v = after->first; v != NULL; v = v->next) {
        if (json_get_str(before, v->name) == NULL) {
            buf_put_u8(&d->path, '/');
            buf_put_str(&d->path, v->name);
            compare(d, NULL, v);
            d->path.n = here;
        }
    }
}

static enum err print_diff(struct cli *cli, const struct pages *p, const struct json *before,
                           const struct json *after)
{
    if (cli->json) {
        struct buf b;
        struct json_writer w;
        buf_init(&b, CLI_OUTPUT_MAX);
        json_write_init(&w, &b);
        json_write_begin(&w, '{');
        json_write_name(&w, "events");
        json_write_begin(&w, '[');
        for (const struct json *v = p->first; v != NULL; v = v->next) {
            json_write_raw(&w, v->raw);
        }
        json_write_end(&w, ']');
        json_write_name(&w, "before");
        json_write_raw(&w, before == NULL ? STR_LIT("null") : before->raw);
        json_write_name(&w, "after");
        json_write_raw(&w, after == NULL ? STR_LIT("null") : after->raw);
        if (p->more != NULL) {
            json_write_name_str(&w, p->more->name);
            json_write_raw(&w, p->more->raw);
        }
        json_write_end(&w, '}');
        enum err e = buf_failed(&b) ? ERR_NO_MEMORY : print_raw(cli, buf_str(&b));
        buf_deinit(&b);
        return e;
    }
    struct json all = {.kind = JSON_ARRAY, .first = p->first};
    enum err e = p->count == 0 ? out_write(STR_LIT("no events between\n"), &cli->ec)
                               : stream_print_events(cli, &all);
    if (e == ERR_OK && (before != NULL || after != NULL)) {
        struct differ d = {.cli = cli};
        buf_init(&d.path, CLI_OUTPUT_MAX);
        out_printf("\nstate:\n");
        compare(&d, before, after);
        if (d.changes == 0) {
            out_printf("  the same\n");
        }
        buf_deinit(&d.path);
    }
    pages_tell_more(p, "--from, --to");
    return e;
}

int run_stream_diff(struct cli *cli)
{
    const char *from = "", *to = "";
    struct json *before = NULL, *after = NULL;
    struct pages p;
    int64_t last;
    if (!cli_has(cli, OPT_FROM)) {
        return cli_report(ectx_fail(&cli->ec, ERR_CONFIG, "--from is needed: a time or a revision"),
                          &cli->ec);
    }
    enum err e = stream_moment(cli, cli->values[OPT_FROM], &from);
    e = e == ERR_OK ? stream_moment(cli, cli->values[OPT_TO], &to) : e;
    /* The last event of the first moment: what follows it is the difference. */
    e = e == ERR_OK ? stream_last_revision(cli, cli->words[0], from, &last) : e;
    if (e == ERR_OK) {
        pages_init(&p, STREAM_LIMIT_MAX);
        e = read_events(cli, cli->words[0], last + 1, to, &p);
    }
    e = e == ERR_OK ? stream_state(cli, cli->words[0], from, &before) : e;
    e = e == ERR_OK ? stream_state(cli, cli->words[0], to, &after) : e;
    if (e == ERR_OK) {
        e = print_diff(cli, &p, json_get(before, "state"), json_get(after, "state"));
    }
    return cli_report(e, &cli->ec);
}
