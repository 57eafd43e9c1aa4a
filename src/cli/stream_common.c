/* What the commands of streams share. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/stream.h"
#include "core/utf8.h"

#define INPUT_MAX  (16u * 1024 * 1024)
#define PAGE_ARENA (256u << 20)

const char *stream_path(struct cli *cli, const char *stream, const char *suffix)
{
    struct str name = http_encode(&cli->arena, stream);
    struct str path = str_is_null(name)
                          ? STR_NULL
                          : arena_printf(&cli->arena, "/api/v1/streams/%.*s%s", STR(name), suffix);
    if (str_is_null(path)) {
        IGNORE(ectx_fail(&cli->ec, ERR_NO_MEMORY, "the name does not fit into memory"));
    }
    return path.p;
}

/* Year, month, day, hour in all their digits? Then it is RFC 3339, but for what may be left out. A
 * day alone with a zone is not. */
static bool is_exact(const char *text)
{
    const size_t n = strlen(text);
    return n >= 10 && text[4] == '-' && text[7] == '-' &&
           (n == 10 || (n >= 16 && (text[10] == 'T' || text[10] == ' ') && text[13] == ':'));
}

/* To the digit: "2026-02-11" -> "2026-02-11T00:00Z", "2026-02-11 14:00" -> "2026-02-11T14:00Z". */
static struct str rfc3339(struct cli *cli, const char *text)
{
    const size_t n = strlen(text);
    const bool zone = n > 16 && (text[n - 1] == 'Z' || strchr("+-", text[n - 6]) != NULL);
    return n == 10 ? arena_printf(&cli->arena, "%sT00:00Z", text)
                   : arena_printf(&cli->arena, "%.10sT%s%s", text, text + 11, zone ? "" : "Z");
}

MUST_USE enum err stream_moment(struct cli *cli, const char *text, const char **out)
{
    int64_t ms;
    uint64_t revision;
    struct str s = STR_LIT("");
    if (text != NULL && str_to_u64(str_of(text), &revision)) {
        s = arena_printf(&cli->arena, "%llu", (unsigned long long)revision);
    } else if (text != NULL) {
        char when[40];
        enum err e = parse_time(text, &ms, &cli->ec);
        if (e == ERR_OK && !is_exact(text) && ms < 0) {
            e = ectx_fail(&cli->ec, ERR_CONFIG, "'%s' is before 1970", text);
        }
        if (e != ERR_OK) {
            ectx_hint(&cli->ec, "write a revision, a time as 2026-02-11T14:00Z, or -15m");
            return e;
        }
        /* What is below a millisecond is of the moment, too. */
        s = is_exact(text) ? rfc3339(cli, text) : str_of(format_time_ms(ms, when));
        s = str_is_null(s) ? s : http_encode_str(&cli->arena, s);
    }
    if (str_is_null(s)) {
        return ectx_fail(&cli->ec, ERR_NO_MEMORY, "the moment does not fit into memory");
    }
    *out = s.p;
    return ERR_OK;
}

struct str member_str(const struct json *v, const char *name)
{
    const struct json *m = json_get(v, name);
    return m == NULL || m->kind == JSON_NULL ? STR_LIT("")
           : m->kind == JSON_STRING          ? m->string
                                             : m->raw;
}

int64_t member_i64(const struct json *v, const char *name, int64_t missing)
{
    int64_t n;
    return json_i64(json_get(v, name), &n) ? n : missing;
}

MUST_USE enum err print_raw(struct cli *cli, struct str raw)
{
    enum err e = out_write(raw, &cli->ec);
    return e == ERR_OK ? out_write(STR_LIT("\n"), &cli->ec) : e;
}

MUST_USE enum err print_answer(struct cli *cli, const struct json *v)
{
    return print_raw(cli, v == NULL ? STR_LIT("{}") : v->raw);
}

void pages_init(struct pages *p, int64_t most)
{
    *p = (struct pages){.most = (size_t)most};
    p->last = &p->first;
}

void pages_add(struct pages *p, struct json *array)
{
    struct json *v = array == NULL ? NULL : array->first;
    while (v != NULL && p->count < p->most) {
        struct json *next = v->next;
        *p->last = v;
        p->last = &v->next;
        v->next = NULL;
        p->count++;
        v = next;
    }
}

MUST_USE enum err pages_print(struct cli *cli, const char *name, const struct pages *p,
                              const struct json *folded)
{
    const struct json *before = json_get(folded, "incomplete_before");
    const struct json *state = json_get(folded, "state");
    struct buf b;
    struct json_writer w;
    buf_init(&b, CLI_OUTPUT_MAX);
    json_write_init(&w, &b);
    json_write_begin(&w, '{');
    json_write_name(&w, name);
    json_write_begin(&w, '[');
    for (const struct json *v = p->first; v != NULL; v = v->next) {
        json_write_raw(&w, v->raw);
    }
    json_write_end(&w, ']');
    if (before != NULL) {
        json_write_name(&w, "incomplete_before");
        json_write_raw(&w, before->raw);
    }
    if (state != NULL) {
        json_write_name(&w, "state");
        json_write_raw(&w, state->raw);
    }
    if (p->more != NULL) {
        json_write_name_str(&w, p->more->name);
        json_write_raw(&w, p->more->raw);
    }
    json_write_end(&w, '}');
    enum err e = buf_failed(&b) ? ectx_fail(&cli->ec, ERR_NO_MEMORY, "no memory for the output")
                                : print_raw(cli, buf_str(&b));
    buf_deinit(&b);
    return e;
}

void pages_tell_more(const struct pages *p, const char *how)
{
    if (p->more != NULL) {
        fprintf(stderr, "leat: %zu shown, there are more: %s\n", p->count, how);
    }
}

MUST_USE enum err stream_state(struct cli *cli, const char *stream, const char *at,
                               struct json **out)
{
    int status = 0;
    const char *fold = cli->values[OPT_FOLD];
    struct str name = fold == NULL ? STR_LIT("") : http_encode(&cli->arena, fold);
    const char *path = stream_path(cli, stream, "/state?");
    struct str full =
        path == NULL || str_is_null(name)
            ? STR_NULL
            : arena_printf(&cli->arena, "%s%s%.*s%s%s", path,
                           fold == NULL ? "" : "fold=", STR(name), at[0] == '\0' ? "" : "&at=", at);
    if (str_is_null(full)) {
        return ectx_fail(&cli->ec, ERR_NO_MEMORY, "the name does not fit into memory");
    }
    enum err e = http_api(cli, "GET", full.p, STR_NULL, &status, out);
    if (e != ERR_OK && status == 404 && fold == NULL && *out != NULL &&
        str_eq_z(member_str(*out, "code"), "fold-not-found")) {
        *out = NULL;
        return ERR_OK;
    }
    return e;
}

/* The last revision of one page, if it has any, and where the next one begins (-1: nowhere). */
static enum err last_of_page(struct cli *cli, const char *path, const char *at, int64_t *last,
                             int64_t *next)
{
    int status = 0;
    struct json *v = NULL;
    const struct str full = arena_printf(&cli->arena, "%s%s%s", path, at[0] == 0 ? "" : "&at=", at);
    const enum err e = str_is_null(full)
                           ? ectx_fail(&cli->ec, ERR_NO_MEMORY, "the name does not fit into memory")
                           : http_api(cli, "GET", full.p, STR_NULL, &status, &v);
    const struct json *events = e == ERR_OK ? json_get(v, "events") : NULL;
    for (const struct json *m = events == NULL ? NULL : events->first; m != NULL; m = m->next) {
        *last = member_i64(m, "revision", -1);
    }
    *next = member_i64(v, "next", -1);
    return e;
}

MUST_USE enum err stream_last_revision(struct cli *cli, const char *stream, const char *at,
                                       int64_t *out)
{
    int64_t last = -1, from = 0, next = 0;
    const char *path = stream_path(cli, stream, "/events");
    enum err e = path == NULL ? ERR_NO_MEMORY : ERR_OK;
    /* At a time a stream ends before its first later event, which only a read forwards finds: where
     * clients' times go back, there are events of that time behind it. */
    const bool forwards = strchr(at, '-') != NULL;
    while (e == ERR_OK && next >= 0) {
        const struct arena kept = cli->arena; /* each page has its own memory */
        arena_init(&cli->arena, PAGE_ARENA);
        const struct str page =
            forwards ? arena_printf(&cli->arena, "%s?limit=1000&from=%lld", path, (long long)from)
                     : arena_printf(&cli->arena, "%s?limit=1&from=end&dir=back", path);
        e = str_is_null(page) ? ectx_fail(&cli->ec, ERR_NO_MEMORY, "no memory")
                              : last_of_page(cli, page.p, at, &last, &next);
        next = forwards ? next : -1;
        if (e == ERR_OK && next >= 0 && next <= from) {
            e = ectx_fail(&cli->ec, ERR_MALFORMED, PAGES_STAND_STILL);
        }
        from = next;
        arena_deinit(&cli->arena);
        cli->arena = kept;
    }
    if (e == ERR_OK) {
        *out = last;
    }
    return e;
}

MUST_USE enum err stream_print_events(struct cli *cli, const struct json *events)
{
    static const char *const titles[] = {">REVISION", "TIME", "TYPE", "ID", "DATA"};
    struct table t;
    table_init(&t, cli, titles, ARRAY_LEN(titles));
    for (const struct json *v = events == NULL ? NULL : events->first; v != NULL; v = v->next) {
        const struct json *data = json_get(v, "data");
        const struct json *redacted = json_get(v, "redacted");
        table_cell(&t, COLOUR_NONE, "%lld", (long long)member_i64(v, "revision", -1));
        table_str(&t, COLOUR_DIM, member_str(v, "time"));
        table_str(&t, COLOUR_BOLD, member_str(v, "type"));
        table_str(&t, COLOUR_DIM, member_str(v, "id"));
        table_str(&t, COLOUR_NONE,
                  redacted != NULL && redacted->boolean && (data == NULL || data->kind == JSON_NULL)
                      ? STR_LIT("(redacted)")
                  : data == NULL ? member_str(v, "data_base64")
                                 : data->raw);
    }
    return table_print(&t, &cli->ec);
}

MUST_USE enum err stream_read_input(struct cli *cli, struct str *out)
{
    struct buf b;
    buf_init(&b, INPUT_MAX);
    enum err e = ERR_OK;
    for (;;) {
        if (!buf_reserve(&b, 65536)) {
            e = ectx_fail(&cli->ec, ERR_LIMIT, "the input is over %u bytes", INPUT_MAX);
            break;
        }
        ssize_t n = read(STDIN_FILENO, b.p + b.n, 65536);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            e = ectx_fail(&cli->ec, err_of_errno(errno), "could not read the input");
        }
        if (n <= 0) {
            break;
        }
        b.n += (size_t)n;
    }
    if (e == ERR_OK) {
        *out = arena_str(&cli->arena, str_trim(buf_str(&b)));
        e = b.n > 0 && str_is_null(*out)
                ? ectx_fail(&cli->ec, ERR_NO_MEMORY, "the input does not fit into memory")
                : ERR_OK;
    }
    buf_deinit(&b);
    return e;
}
