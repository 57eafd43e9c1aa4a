/* leat projection watch: rows of a view as they change, page by page (long polls). */
#include <stdio.h>

#include "cli/interrupt.h"
#include "cli/stream.h"

#define PAGE_ARENA (256u << 20)

static void print_change(const struct json *v)
{
    const struct json *key = json_get(v, "key");
    const struct json *row = json_get(v, "row");
    out_printf("%.*s %.*s%s%.*s\n", STR(member_str(v, "kind")),
               STR(key == NULL ? STR_LIT("{}") : key->raw), row == NULL ? "" : " ",
               STR(row == NULL ? STR_LIT("") : row->raw));
}

/* One thing that was told: {"change": {...}}, {"reset": {...}}, ... */
static enum err print_frame(struct cli *cli, const struct json *frame)
{
    const struct json *v = frame->first;
    if (cli->json) {
        return print_raw(cli, frame->raw);
    }
    if (v == NULL) {
        return ERR_OK;
    }
    if (str_eq_z(v->name, "change")) {
        print_change(v);
    } else if (str_eq_z(v->name, "switched")) {
        out_printf("version %lld is served now: read the view again\n",
                   (long long)member_i64(v, "version", 0));
    } else if (str_eq_z(v->name, "reset")) {
        out_printf("read the view again: %.*s\n", STR(member_str(v, "reason")));
    } else if (str_eq_z(v->name, "fell_behind")) {
        out_printf("the projection is %lld events behind\n",
                   (long long)member_i64(v, "lag_events", 0));
    }
    return out_write(STR_LIT(""), &cli->ec);
}

/* One page; `next` is where the next one begins. A second each, so that Ctrl-C is heard. */
static enum err page(struct cli *cli, char *next, size_t size)
{
    int status = 0;
    struct json *v = NULL;
    const struct str view = http_encode(&cli->arena, cli->words[0]);
    const struct str path =
        str_is_null(view) ? STR_NULL
                          : arena_printf(&cli->arena, "/api/v1/views/%.*s/changes?wait=1s&from=%s",
                                         STR(view), next);
    enum err e = str_is_null(path) ? ectx_fail(&cli->ec, ERR_NO_MEMORY, "no memory")
                                   : http_api(cli, "GET", path.p, STR_NULL, &status, &v);
    const struct json *list = json_get(v, "changes");
    for (const struct json *m = list == NULL ? NULL : list->first; m != NULL && e == ERR_OK;
         m = m->next) {
        e = print_frame(cli, m);
    }
    const struct str id = member_str(v, "next");
    if (e == ERR_OK && (id.n == 0 || id.n >= size)) {
        /* Without it the same page would be asked for again and again. */
        e = ectx_fail(&cli->ec, ERR_MALFORMED,
                      "the answer does not say where the next page begins");
        ectx_hint(&cli->ec, "is there a leat of this version at %s?", cli->http);
    }
    if (e == ERR_OK) {
        (void)snprintf(next, size, "%.*s", STR(id));
    }
    return e;
}

int run_projection_watch(struct cli *cli)
{
    const int interrupt = interrupt_open();
    char next[64] = "end";
    enum err e = ERR_OK;
    while (e == ERR_OK && !interrupt_seen(interrupt)) {
        /* Pages without end: each has its own memory. */
        const struct arena kept = cli->arena;
        arena_init(&cli->arena, PAGE_ARENA);
        e = page(cli, next, sizeof(next));
        arena_deinit(&cli->arena);
        cli->arena = kept;
    }
    interrupt_close(interrupt);
    return cli_report(e, &cli->ec);
}
