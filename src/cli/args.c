/* Reads arguments by the tables of commands.c. Options may stand anywhere; `--` ends them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/err.h"
#include "server/server.h"

#define NEAREST_MAX 40

const struct option *command_option_at(const struct command *c, size_t at)
{
    if (at < c->option_count) {
        return &c->options[at];
    }
    at -= c->option_count;
    const struct option *common[5];
    size_t n = 0;
    if (c->output) {
        common[n++] = &OPTION_OUTPUT;
    }
    if (c->online) {
        common[n++] = &OPTION_BOOTSTRAP;
    }
    if (c->http) {
        common[n++] = &OPTION_HTTP;
    }
    if (c->online || c->http) {
        common[n++] = &OPTION_TIMEOUT;
    }
    common[n++] = &OPTION_HELP;
    return at < n ? common[at] : NULL;
}

bool command_noun_known(const char *noun)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(COMMANDS[i].noun, noun) == 0) {
            return true;
        }
    }
    return false;
}

const struct command *command_find(int argc, char **argv, int *used)
{
    const struct command *bare = NULL;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *c = &COMMANDS[i];
        if (strcmp(c->noun, argv[0]) != 0) {
            continue;
        }
        if (c->verb == NULL) {
            bare = c;
        } else if (argc > 1 && strcmp(c->verb, argv[1]) == 0) {
            *used = 2;
            return c;
        }
    }
    *used = 1;
    return bare;
}

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters to change, add or drop to make one of the other (Levenshtein). */
static size_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    size_t row[NEAREST_MAX + 1];
    if (n > NEAREST_MAX || m > NEAREST_MAX) {
        return NEAREST_MAX;
    }
    for (size_t k = 0; k <= m; k++) {
        row[k] = k;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= m; k++) {
            size_t above = row[k];
            size_t change = diagonal + (a[i - 1] == b[k - 1] ? 0 : 1);
            row[k] = min_of(change, min_of(above, row[k - 1]) + 1);
            diagonal = above;
        }
    }
    return row[m];
}

const char *cli_nearest(const char *typed, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(typed) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t d = edit_distance(typed, names[i]);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

static enum err unknown_option(const struct cli *cli, const char *arg, struct ectx *ec)
{
    const char *names[OPTION_COUNT];
    size_t n = 0;
    const struct option *o;
    while (n < OPTION_COUNT && (o = command_option_at(cli->command, n)) != NULL) {
        names[n++] = o->name;
    }
    char flag[64];
    snprintf(flag, sizeof(flag), "%.*s", (int)min_of(strcspn(arg, "="), 63), arg);
    const char *near = cli_nearest(flag, names, n);
    const char *verb = cli->command->verb;
    enum err e = ectx_fail(ec, ERR_CONFIG, "`leat %s%s%s` has no option %s", cli->command->noun,
                           verb == NULL ? "" : " ", verb == NULL ? "" : verb, flag);
    if (near != NULL) {
        ectx_hint(ec, "did you mean %s?", near);
    } else {
        ectx_hint(ec, "leat %s%s%s --help lists them", cli->command->noun, verb == NULL ? "" : " ",
                  verb == NULL ? "" : verb);
    }
    return e;
}

static const struct option *find_option(const struct command *c, const char *arg, bool is_long)
{
    size_t n = strcspn(arg, "=");
    const struct option *o;
    for (size_t i = 0; (o = command_option_at(c, i)) != NULL; i++) {
        if (is_long ? strlen(o->name) == n && strncmp(o->name, arg, n) == 0
                    : o->letter != 0 && o->letter == arg[1]) {
            return o;
        }
    }
    return NULL;
}

/* One option; *i moves past its value. */
static enum err take_option(struct cli *cli, int argc, char **argv, int *i, struct ectx *ec)
{
    const char *arg = argv[*i];
    bool is_long = arg[1] == '-';
    const struct option *o = find_option(cli->command, arg, is_long);
    if (o == NULL) {
        return unknown_option(cli, arg, ec);
    }
    const char *value = NULL;
    if (is_long && strchr(arg, '=') != NULL) {
        value = strchr(arg, '=') + 1;
    } else if (!is_long && arg[2] != '\0') {
        value = arg + 2;
    }
    if (o->arg == NULL) {
        if (value != NULL) {
            return ectx_fail(ec, ERR_CONFIG, "%s takes no value", o->name);
        }
        cli->values[o->id] = "";
        return ERR_OK;
    }
    if (value == NULL) {
        if (*i + 1 >= argc) {
            return ectx_fail(ec, ERR_CONFIG, "%s needs a value: %s", o->name, o->arg);
        }
        *i += 1;
        value = argv[*i];
    }
    cli->values[o->id] = value;
    if (o->repeat) {
        struct cli_list *list = &cli->lists[o->id];
        if (list->count == CLI_LIST_MAX) {
            return ectx_fail(ec, ERR_CONFIG, "%s is given more than %d times", o->name,
                             CLI_LIST_MAX);
        }
        list->items[list->count++] = value;
    }
    return ERR_OK;
}

static enum err check_words(const struct cli *cli, struct ectx *ec)
{
    const struct command *c = cli->command;
    char synopsis[256];
    help_synopsis(c, synopsis, sizeof(synopsis));
    enum err e = ERR_OK;
    if (cli->word_count < c->word_min) {
        e = ectx_fail(ec, ERR_CONFIG, "`leat %s%s%s` needs %s", c->noun, c->verb == NULL ? "" : " ",
                      c->verb == NULL ? "" : c->verb, c->words);
    } else if (cli->word_count > c->word_max) {
        e = ectx_fail(ec, ERR_CONFIG, "unexpected argument '%s'", cli->words[c->word_max]);
    }
    if (e != ERR_OK) {
        ectx_hint(ec, "usage: %s", synopsis);
    }
    return e;
}

static enum err settle(struct cli *cli, struct ectx *ec)
{
    const char *from_env = getenv("LEAT_BOOTSTRAP");
    cli->bootstrap = cli_has(cli, OPT_BOOTSTRAP)               ? cli->values[OPT_BOOTSTRAP]
                     : from_env != NULL && from_env[0] != '\0' ? from_env
                                                               : CLI_BOOTSTRAP;
    const char *http_env = getenv("LEAT_HTTP");
    if (!cli_has(cli, OPT_HTTP) && http_env != NULL && http_env[0] != '\0') {
        cli->http = http_env;
        cli->http_named = true;
    } else {
        cli->http_named = cli_has(cli, OPT_HTTP);
        cli->http = cli->http_named ? cli->values[OPT_HTTP] : CLI_HTTP;
    }
    cli->output = cli_has(cli, OPT_OUTPUT) ? cli->values[OPT_OUTPUT] : "text";
    cli->json = strcmp(cli->output, "json") == 0;
    bool is_consume = strcmp(cli->command->noun, "consume") == 0 ||
                      (cli->command->verb != NULL && strcmp(cli->command->verb, "tail") == 0);
    if (!cli->json && strcmp(cli->output, "text") != 0 &&
        !(is_consume && strcmp(cli->output, "value") == 0)) {
        return ectx_fail(ec, ERR_CONFIG, "--output %s: must be %s", cli->output,
                         is_consume ? "text, json or value" : "text or json");
    }
    int64_t seconds = 0;
    enum err e =
        cli_number(cli, OPT_TIMEOUT, 1, CLI_TIMEOUT_MAX_S, CLI_TIMEOUT_MS / 1000, &seconds, ec);
    if (e == ERR_OK) {
        cli->timeout_ms = (int)(seconds * 1000);
    }
    return e;
}

MUST_USE enum err cli_parse(struct cli *cli, int argc, char **argv, bool *help, struct ectx *ec)
{
    bool only_words = false;
    *help = false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        bool is_option = !only_words && arg[0] == '-' && arg[1] != '\0';
        if (is_option && strcmp(arg, "--") == 0) {
            only_words = true;
        } else if (is_option) {
            enum err e = take_option(cli, argc, argv, &i, ec);
            if (e != ERR_OK) {
                return e;
            }
        } else if (cli->word_count == CLI_WORDS_MAX) {
            return ectx_fail(ec, ERR_CONFIG, "more than %d arguments", CLI_WORDS_MAX);
        } else {
            cli->words[cli->word_count++] = arg;
        }
    }
    if (cli_has(cli, OPT_HELP)) {
        *help = true;
        return ERR_OK;
    }
    enum err e = check_words(cli, ec);
    return e == ERR_OK ? settle(cli, ec) : e;
}

MUST_USE enum err cli_number(const struct cli *cli, enum option_id id, int64_t min, int64_t max,
                             int64_t missing, int64_t *out, struct ectx *ec)
{
    if (!cli_has(cli, id)) {
        *out = missing;
        return ERR_OK;
    }
    const struct option *o;
    const char *name = "the option";
    for (size_t i = 0; (o = command_option_at(cli->command, i)) != NULL; i++) {
        name = o->id == id ? o->name : name;
    }
    int64_t v;
    if (!str_to_i64(str_of(cli->values[id]), &v) || v < min || v > max) {
        return ectx_fail(ec, ERR_CONFIG, "%s '%s': must be a whole number from %lld to %lld", name,
                         cli->values[id], (long long)min, (long long)max);
    }
    *out = v;
    return ERR_OK;
}

MUST_USE enum err cli_pair(const char *text, const char *option, struct str *key, struct str *value,
                           struct ectx *ec)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return ectx_fail(ec, ERR_CONFIG, "%s '%s': must be KEY=VALUE", option, text);
    }
    *key = str_make(text, (size_t)(equals - text));
    *value = str_of(equals + 1);
    return ERR_OK;
}

int cli_report(enum err e, const struct ectx *ec)
{
    if (e == ERR_OK) {
        return EXIT_OK;
    }
    fprintf(stderr, "leat: %s\n", ec->text[0] != '\0' ? ec->text : err_text(e));
    if (ec->hint[0] != '\0') {
        fprintf(stderr, "leat: hint: %s\n", ec->hint);
    }
    switch ((int)e) {
    case ERR_CONFIG:
        return EXIT_USAGE;
    case ERR_CLOSED:
    case ERR_REQUEST_TIMED_OUT:
        return EXIT_UNREACHABLE;
    default:
        return EXIT_FAILED;
    }
}
