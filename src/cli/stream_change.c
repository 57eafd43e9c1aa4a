/* leat stream append, snapshot, truncate, delete, redact. */
#include <stdio.h>
#include <string.h>

#include "cli/stream.h"

/* A body under construction. */
struct body {
    struct buf b;
    struct json_writer w;
};

static void body_begin(struct body *x)
{
    buf_init(&x->b, HTTP_BODY_MAX);
    json_write_init(&x->w, &x->b);
    json_write_begin(&x->w, '{');
}

/* Sends it and prints the answer (JSON), or hands it out (*answer). */
static enum err body_send(struct cli *cli, struct body *x, const char *method, const char *path,
                          struct json **answer)
{
    int status = 0;
    json_write_end(&x->w, '}');
    enum err e = buf_failed(&x->b)
                     ? ectx_fail(&cli->ec, ERR_LIMIT, "the request is over %u bytes", HTTP_BODY_MAX)
                     : http_api(cli, method, path, buf_str(&x->b), &status, answer);
    buf_deinit(&x->b);
    if (e == ERR_OK && cli->json) {
        e = print_answer(cli, *answer);
    }
    return e;
}

static void put_expected(struct body *x, const struct cli *cli)
{
    uint64_t revision;
    if (cli_has(cli, OPT_EXPECTED)) {
        const char *text = cli->values[OPT_EXPECTED];
        json_write_name(&x->w, "expected");
        if (str_to_u64(str_of(text), &revision)) {
            json_write_u64(&x->w, revision);
        } else {
            json_write_z(&x->w, text);
        }
    }
}

/* JSON of a person: an argument, or the input if it is missing or "-". */
static enum err json_argument(struct cli *cli, size_t word, const char *what, struct str *out)
{
    struct str s;
    enum err e = ERR_OK;
    if (cli->word_count > word && strcmp(cli->words[word], "-") != 0) {
        s = str_trim(str_of(cli->words[word]));
    } else {
        e = stream_read_input(cli, &s);
    }
    struct json *v;
    struct json_limits limits = {.build_depth = 1, .allow_same_names = true};
    if (e == ERR_OK && json_parse(s, &limits, &cli->arena, &v, &cli->ec) != ERR_OK) {
        e = ectx_wrap(&cli->ec, ERR_CONFIG, "%s is no JSON", what);
    }
    if (e == ERR_OK) {
        *out = s;
    }
    return e;
}

static enum err send_event(struct cli *cli, struct str data, const char *path, struct json **answer)
{
    struct body x;
    body_begin(&x);
    put_expected(&x, cli);
    json_write_name(&x.w, "events");
    json_write_begin(&x.w, '[');
    json_write_begin(&x.w, '{');
    if (cli_has(cli, OPT_ID)) {
        json_write_member_str(&x.w, "id", str_of(cli->values[OPT_ID]));
    }
    json_write_member_str(&x.w, "type", str_of(cli->words[1]));
    json_write_name(&x.w, "data");
    json_write_raw(&x.w, data);
    if (cli_has(cli, OPT_META)) {
        json_write_name(&x.w, "meta");
        json_write_raw(&x.w, str_of(cli->values[OPT_META]));
    }
    if (cli->lists[OPT_TAG].count > 0) {
        json_write_name(&x.w, "tags");
        json_write_begin(&x.w, '[');
        for (size_t i = 0; i < cli->lists[OPT_TAG].count; i++) {
            json_write_z(&x.w, cli->lists[OPT_TAG].items[i]);
        }
        json_write_end(&x.w, ']');
    }
    json_write_end(&x.w, '}');
    json_write_end(&x.w, ']');
    return body_send(cli, &x, "POST", path, answer);
}

int run_stream_append(struct cli *cli)
{
    struct str data = STR_NULL;
    struct json *answer = NULL;
    const char *path = stream_path(cli, cli->words[0], "/events");
    enum err e = path == NULL ? ERR_NO_MEMORY : json_argument(cli, 2, "DATA", &data);
    if (e == ERR_OK && cli_has(cli, OPT_META) && !json_valid(str_of(cli->values[OPT_META]))) {
        e = ectx_fail(&cli->ec, ERR_CONFIG, "--meta is no JSON");
    }
    e = e == ERR_OK ? send_event(cli, data, path, &answer) : e;
    if (e == ERR_OK && !cli->json) {
        const struct json *same = json_get(answer, "idempotent");
        out_printf("revision %lld%s\n", (long long)member_i64(answer, "last_revision", -1),
                   same != NULL && same->boolean ? " (it was there already)" : "");
    }
    return cli_report(e, &cli->ec);
}

/* ---- Snapshots ------------------------------------------------------------------------------ */

#define DIGEST_CHARS 17 /* of a fold's own tag: "order" and "-89abcdef01234567" */

/* What a snapshot is written with. */
struct snapshot {
    struct str state;
    int64_t revision;
    struct str schema;
};

/* Snapshots are kept by schema: which are there, if the category has a fold. */
static void hint_at_schemas(struct cli *cli)
{
    const struct ectx failed = cli->ec;
    struct json *v = NULL;
    const bool folded = stream_state(cli, cli->words[0], "", &v) == ERR_OK && v != NULL;
    cli->ec = failed;
    if (folded) {
        ectx_hint(&cli->ec, "those of the fold '%.*s' are shown with --schema %.*s",
                  STR(member_str(v, "fold")), STR(member_str(v, "schema")));
    } else {
        ectx_hint(&cli->ec, "each schema has its own: --schema TAG");
    }
}

static enum err show_snapshot(struct cli *cli, const char *path, struct str tag)
{
    int status = 0;
    struct json *v = NULL;
    const struct str full = arena_printf(&cli->arena, "%s?schema=%.*s", path, STR(tag));
    enum err e =
        str_is_null(full) ? ERR_NO_MEMORY : http_api(cli, "GET", full.p, STR_NULL, &status, &v);
    if (e != ERR_OK && str_eq_z(member_str(v, "code"), "snapshot-not-found")) {
        hint_at_schemas(cli);
    }
    if (e != ERR_OK || cli->json) {
        return e != ERR_OK ? e : print_raw(cli, v == NULL ? STR_LIT("null") : v->raw);
    }
    const struct json *state = json_get(v, "state");
    out_printf("revision %lld, schema %.*s, %.*s\n", (long long)member_i64(v, "revision", -1),
               STR(member_str(v, "schema")), STR(member_str(v, "time")));
    return print_raw(cli, state == NULL ? STR_LIT("null") : state->raw);
}

/* The state to write: of the fold, under the schema that the fold declares (the tag with the digest
 * of its rules is the server's alone), or what a person gave. */
static enum err snapshot_take(struct cli *cli, const char *at, struct snapshot *s)
{
    struct json *v = NULL;
    enum err e;
    if (cli->word_count < 2) {
        e = stream_state(cli, cli->words[0], at, &v);
        const struct json *value = json_get(v, "state");
        if (e == ERR_OK && value == NULL) {
            return ectx_fail(&cli->ec, ERR_NOT_FOUND, "the category has no fold of that name");
        }
        if (e == ERR_OK) {
            const struct str tag = member_str(v, "schema");
            s->state = value->raw;
            s->revision = member_i64(v, "revision", -1);
            s->schema = tag.n > DIGEST_CHARS ? str_make(tag.p, tag.n - DIGEST_CHARS) : s->schema;
        }
    } else {
        e = json_argument(cli, 1, "STATE", &s->state);
        e = e == ERR_OK ? stream_last_revision(cli, cli->words[0], at, &s->revision) : e;
    }
    if (cli_has(cli, OPT_SCHEMA)) {
        s->schema = str_of(cli->values[OPT_SCHEMA]);
    }
    return e == ERR_OK && s->revision < 0
               ? ectx_fail(&cli->ec, ERR_NOT_FOUND, "the stream has no events yet")
               : e;
}

static enum err write_snapshot(struct cli *cli, const char *path)
{
    const char *at = "";
    struct snapshot s = {.revision = -1, .schema = STR_LIT("default")};
    struct json *answer = NULL;
    enum err e = stream_moment(cli, cli->values[OPT_AT], &at);
    e = e == ERR_OK ? snapshot_take(cli, at, &s) : e;
    if (e == ERR_OK) {
        struct body x;
        body_begin(&x);
        json_write_member_i64(&x.w, "revision", s.revision);
        json_write_member_str(&x.w, "schema", s.schema);
        json_write_name(&x.w, "state");
        json_write_raw(&x.w, s.state);
        e = body_send(cli, &x, "PUT", path, &answer);
    }
    if (e == ERR_OK && !cli->json) {
        out_printf("snapshot of revision %lld written, schema %.*s\n", (long long)s.revision,
                   STR(s.schema));
    }
    return e;
}

int run_stream_snapshot(struct cli *cli)
{
    const bool fold = cli_has(cli, OPT_FOLD), writes = fold || cli->word_count == 2;
    if (cli->word_count == 2 && fold) {
        return cli_report(ectx_fail(&cli->ec, ERR_CONFIG,
                                    "STATE and --fold exclude each other: one of them is written"),
                          &cli->ec);
    }
    if (!writes && cli_has(cli, OPT_AT)) {
        return cli_report(
            ectx_fail(&cli->ec, ERR_CONFIG,
                      "--at is of a snapshot that is written: STATE or --fold is needed"),
            &cli->ec);
    }
    const char *path = stream_path(cli, cli->words[0], "/snapshot");
    const struct str tag =
        http_encode(&cli->arena, cli_has(cli, OPT_SCHEMA) ? cli->values[OPT_SCHEMA] : "default");
    const enum err e = path == NULL || str_is_null(tag) ? ERR_NO_MEMORY
                       : writes                         ? write_snapshot(cli, path)
                                                        : show_snapshot(cli, path, tag);
    return cli_report(e, &cli->ec);
}

/* ---- What takes something away -------------------------------------------------------------- */

static enum err stream_info(struct cli *cli, struct json **out)
{
    int status = 0;
    const char *path = stream_path(cli, cli->words[0], "");
    return path == NULL ? ERR_NO_MEMORY : http_api(cli, "GET", path, STR_NULL, &status, out);
}

/* What --dry-run says as JSON: the thing (`what`) as it is now, and what would be done with it. */
static void dry_begin(struct body *x, const char *what, const struct json *v)
{
    body_begin(x);
    json_write_member_bool(&x->w, "dry_run", true);
    json_write_name(&x->w, what);
    json_write_raw(&x->w, v == NULL ? STR_LIT("null") : v->raw);
}

static enum err dry_print(struct cli *cli, struct body *x)
{
    json_write_end(&x->w, '}');
    const enum err e = buf_failed(&x->b)
                           ? ectx_fail(&cli->ec, ERR_NO_MEMORY, "no memory for the output")
                           : print_raw(cli, buf_str(&x->b));
    buf_deinit(&x->b);
    return e;
}

static void say_revisions(const struct json *info)
{
    out_printf("it is %.*s, with revisions %.*s to %.*s\n", STR(member_str(info, "state")),
               STR(member_str(info, "first_revision")), STR(member_str(info, "last_revision")));
}

int run_stream_truncate(struct cli *cli)
{
    int64_t before;
    struct json *v = NULL;
    enum err e = cli_number(cli, OPT_BEFORE, 0, INT64_MAX, -1, &before, &cli->ec);
    if (e == ERR_OK && before < 0) {
        e = ectx_fail(&cli->ec, ERR_CONFIG, "--before is needed: the first revision that stays");
    }
    if (e == ERR_OK && cli_has(cli, OPT_DRY_RUN)) {
        e = stream_info(cli, &v);
        if (e == ERR_OK && cli->json) {
            struct body x;
            dry_begin(&x, "stream", v);
            json_write_member_i64(&x.w, "truncate_before", before);
            e = dry_print(cli, &x);
        } else if (e == ERR_OK) {
            say_revisions(v);
            out_printf("would hide every event before revision %lld\n", (long long)before);
        }
        return cli_report(e, &cli->ec);
    }
    const char *path = stream_path(cli, cli->words[0], "");
    if (e == ERR_OK) {
        struct body x;
        body_begin(&x);
        json_write_member_i64(&x.w, "truncate_before", before);
        e = path == NULL ? ERR_NO_MEMORY : body_send(cli, &x, "PATCH", path, &v);
    }
    if (e == ERR_OK && !cli->json) {
        say_revisions(v);
    }
    return cli_report(e, &cli->ec);
}

int run_stream_delete(struct cli *cli)
{
    struct json *v = NULL;
    int status = 0;
    const bool hard = cli_has(cli, OPT_HARD);
    if (cli_has(cli, OPT_DRY_RUN)) {
        enum err e = stream_info(cli, &v);
        if (e == ERR_OK && cli->json) {
            struct body x;
            dry_begin(&x, "stream", v);
            json_write_member_bool(&x.w, "hard", hard);
            e = dry_print(cli, &x);
        } else if (e == ERR_OK) {
            say_revisions(v);
            out_printf(hard ? "would delete it for ever\n"
                            : "would delete it; an append revives it at the next revision\n");
        }
        return cli_report(e, &cli->ec);
    }
    struct str expected = cli_has(cli, OPT_EXPECTED)
                              ? http_encode(&cli->arena, cli->values[OPT_EXPECTED])
                              : STR_LIT("any");
    const char *path =
        stream_path(cli, cli->words[0], hard ? "?hard=true&expected=" : "?expected=");
    struct str full = path == NULL || str_is_null(expected)
                          ? STR_NULL
                          : arena_printf(&cli->arena, "%s%.*s", path, STR(expected));
    enum err e = str_is_null(full)
                     ? ectx_fail(&cli->ec, ERR_NO_MEMORY, "the name does not fit into memory")
                     : http_api(cli, "DELETE", full.p, STR_NULL, &status, &v);
    if (e == ERR_OK) {
        e = cli->json ? print_raw(cli, STR_LIT("{}")) : out_write(STR_LIT("deleted\n"), &cli->ec);
    }
    return cli_report(e, &cli->ec);
}

/* The named fields, if there are any: else all of the data is meant. */
static void put_fields(const struct cli *cli, struct body *x)
{
    if (cli->lists[OPT_FIELD].count > 0) {
        json_write_name(&x->w, "fields");
        json_write_begin(&x->w, '[');
        for (size_t i = 0; i < cli->lists[OPT_FIELD].count; i++) {
            json_write_z(&x->w, cli->lists[OPT_FIELD].items[i]);
        }
        json_write_end(&x->w, ']');
    }
}

static enum err dry_redact(struct cli *cli, const char *path)
{
    int status = 0;
    struct json *v = NULL;
    enum err e = http_api(cli, "GET", path, STR_NULL, &status, &v);
    if (e == ERR_OK && cli->json) {
        struct body x;
        dry_begin(&x, "event", v);
        put_fields(cli, &x);
        return dry_print(cli, &x);
    }
    if (e == ERR_OK) {
        struct json all = {.kind = JSON_ARRAY, .first = v};
        e = stream_print_events(cli, &all);
        out_printf("would lose its data%s\n",
                   cli->lists[OPT_FIELD].count > 0 ? " (the named fields)" : "");
    }
    return e;
}

int run_stream_redact(struct cli *cli)
{
    struct json *v = NULL;
    uint64_t revision;
    if (!str_to_u64(str_of(cli->words[1]), &revision)) {
        return cli_report(ectx_fail(&cli->ec, ERR_CONFIG, "'%s' is no revision", cli->words[1]),
                          &cli->ec);
    }
    if (!cli_has(cli, OPT_REASON)) {
        return cli_report(ectx_fail(&cli->ec, ERR_CONFIG, "--reason is needed, for the record"),
                          &cli->ec);
    }
    char suffix[64];
    snprintf(suffix, sizeof(suffix), "/events/%llu", (unsigned long long)revision);
    const char *path = stream_path(cli, cli->words[0], suffix);
    if (path == NULL) {
        return cli_report(ERR_NO_MEMORY, &cli->ec);
    }
    if (cli_has(cli, OPT_DRY_RUN)) {
        return cli_report(dry_redact(cli, path), &cli->ec);
    }
    struct body x;
    struct str full = arena_printf(&cli->arena, "%s/redact", path);
    body_begin(&x);
    json_write_member_str(&x.w, "reason", str_of(cli->values[OPT_REASON]));
    put_fields(cli, &x);
    enum err e = str_is_null(full) ? ERR_NO_MEMORY : body_send(cli, &x, "POST", full.p, &v);
    if (e == ERR_OK && !cli->json) {
        const struct json *erased = json_get(v, "erased");
        const struct json *why = json_get(v, "not_erased_because");
        if (why != NULL && why->kind == JSON_STRING) {
            out_printf("redacted, but still in the topic: %.*s\n", STR(why->string));
        } else {
            const bool gone = erased != NULL && erased->kind == JSON_BOOL && erased->boolean;
            e = out_write(gone ? STR_LIT("erased\n") : STR_LIT("redacted\n"), &cli->ec);
        }
    }
    return cli_report(e, &cli->ec);
}
