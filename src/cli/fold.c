/* leat fold and leat upcast: declared, listed, taken away; upcasts tried on the log. */
#include <stdio.h>
#include <string.h>

#include "cli/definition.h"
#include "cli/stream.h"

static bool is_fold(const struct cli *cli)
{
    return strcmp(cli->command->noun, "fold") == 0;
}

static const char *base_of(const struct cli *cli)
{
    return is_fold(cli) ? "/api/v1/folds" : "/api/v1/upcasts";
}

int run_definition_ls(struct cli *cli)
{
    int status = 0;
    struct json *v;
    enum err e = http_api(cli, "GET", base_of(cli), STR_NULL, &status, &v);
    const struct json *list = json_get(v, "definitions");
    if (e == ERR_OK && cli->json) {
        e = print_answer(cli, v);
    } else if (e == ERR_OK && (list == NULL || list->first == NULL)) {
        e = out_write(STR_LIT("none\n"), &cli->ec);
    } else if (e == ERR_OK) {
        for (const struct json *d = list->first; d != NULL; d = d->next) {
            out_printf("%.*s\n", STR(member_str(d, "name")));
        }
    }
    return cli_report(e, &cli->ec);
}

int run_definition_show(struct cli *cli)
{
    int status = 0;
    struct json *v;
    const struct str name = http_encode(&cli->arena, cli->words[0]);
    const struct str path = arena_printf(&cli->arena, "%s/%.*s", base_of(cli), STR(name));
    enum err e =
        str_is_null(path) ? ERR_NO_MEMORY : http_api(cli, "GET", path.p, STR_NULL, &status, &v);
    if (e == ERR_OK) {
        e = cli->json ? print_answer(cli, v)
                      : print_raw(cli, str_trim(member_str(v, "definition")));
    }
    return cli_report(e, &cli->ec);
}

int run_definition_apply(struct cli *cli)
{
    int status = 0;
    struct json *v = NULL;
    struct definition d;
    enum err e = definition_read(cli, cli->words[0], is_fold(cli) ? "fold" : NULL, &d);
    const struct str path = e == ERR_OK ? arena_printf(&cli->arena, "%s/%.*s?file=%.*s",
                                                       base_of(cli), STR(d.name), STR(d.file))
                                        : STR_NULL;
    if (e == ERR_OK) {
        e = str_is_null(path) ? ERR_NO_MEMORY : http_api(cli, "PUT", path.p, d.text, &status, &v);
    }
    if (e == ERR_OK) {
        out_printf("%s: %.*s\n", status == 201 ? "declared" : "replaced",
                   STR(member_str(v, "name")));
    }
    return cli_report(e, &cli->ec);
}

int run_definition_delete(struct cli *cli)
{
    int status = 0;
    struct json *v = NULL;
    const struct str name = http_encode(&cli->arena, cli->words[0]);
    const struct str path = arena_printf(&cli->arena, "%s/%.*s", base_of(cli), STR(name));
    enum err e =
        str_is_null(path) ? ERR_NO_MEMORY : http_api(cli, "DELETE", path.p, STR_NULL, &status, &v);
    e = e == ERR_OK ? out_write(STR_LIT("deleted\n"), &cli->ec) : e;
    return cli_report(e, &cli->ec);
}

int run_stream_upcast(struct cli *cli)
{
    int status = 0;
    struct json *v = NULL;
    struct definition d;
    if (!cli_has(cli, OPT_AGAINST_LOG)) {
        return cli_report(ectx_fail(&cli->ec, ERR_CONFIG, "--against-log is needed"), &cli->ec);
    }
    enum err e = definition_read(cli, cli->words[0], NULL, &d);
    const struct str path =
        e == ERR_OK ? arena_printf(&cli->arena, "/api/v1/upcast-checks?file=%.*s&name=%.*s",
                                   STR(d.file), STR(d.name))
                    : STR_NULL;
    if (e == ERR_OK) {
        e = str_is_null(path) ? ERR_NO_MEMORY : http_api(cli, "POST", path.p, d.text, &status, &v);
    }
    const int64_t failed = e == ERR_OK ? member_i64(v, "failed", 0) : 0;
    if (e == ERR_OK && cli->json) {
        e = print_answer(cli, v);
    } else if (e == ERR_OK) {
        const struct json *list = json_get(v, "failures");
        out_printf("%lld events read, %lld brought into a newer form (%lld events), %lld failed\n",
                   (long long)member_i64(v, "events", 0), (long long)member_i64(v, "upcast", 0),
                   (long long)member_i64(v, "became", 0), (long long)failed);
        for (const struct json *f = list == NULL ? NULL : list->first; f != NULL; f = f->next) {
            out_printf("%.*s %lld (%.*s): %.*s\n", STR(member_str(f, "stream")),
                       (long long)member_i64(f, "revision", -1), STR(member_str(f, "type")),
                       STR(member_str(f, "reason")));
        }
    }
    if (e == ERR_OK && failed > 0) {
        e = ectx_fail(&cli->ec, ERR_INVALID_RECORD, "%lld events have no newest form",
                      (long long)failed);
    }
    return cli_report(e, &cli->ec);
}
