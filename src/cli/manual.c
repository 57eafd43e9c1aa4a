/*
 * Manual pages in mdoc-free man(7), made from the tables of commands and options, so that they
 * never tell another story than --help. tools/manual.sh writes them to man/;
 * test/parts/50-cli fails if one is stale.
 *
 *   leat manual leat | NOUN | conf
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/out.h"
#include "config/config.h"
#include "server/server.h"

/* The day of the interface, not of the build: the same source gives the same page. */
#define PAGE_DATE "2026-11-20"
/* A word with escapes may still pass it a little. */
#define LINE_COLUMNS 70

/* Text with what troff would take for its own escaped. */
static void put_text(struct buf *b, struct str s)
{
    bool start = b->n == 0 || b->p[b->n - 1] == '\n';
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (start && (c == '.' || c == '\'')) {
            buf_put_z(b, "\\&");
        }
        start = c == '\n';
        if (c == '\\') {
            buf_put_z(b, "\\e");
        } else if (c == '-') {
            buf_put_z(b, "\\-");
        } else if (c == '`') {
            buf_put_z(b, "\\(ga");
        } else {
            buf_put_u8(b, (uint8_t)c);
        }
    }
}

static size_t column_of(const struct buf *b)
{
    size_t at = b->n;
    while (at > 0 && b->p[at - 1] != '\n') {
        at--;
    }
    return b->n - at;
}

/* Running text, broken between words: long source lines are no good style in a manual. */
static void put_wrapped(struct buf *b, struct str s)
{
    struct str rest = s;
    while (rest.n > 0) {
        struct str word = str_cut(rest, ' ', &rest);
        if (column_of(b) > 0 && b->p[b->n - 1] != '\n') {
            buf_put_u8(b, column_of(b) + word.n > LINE_COLUMNS ? '\n' : ' ');
        }
        put_text(b, word);
    }
}

static void put_z(struct buf *b, const char *z)
{
    put_text(b, str_of(z));
}

static void put_paragraphs(struct buf *b, const char *text)
{
    struct str rest = str_of(text);
    while (rest.n > 0) {
        struct str one = str_cut(rest, '\n', &rest);
        if (one.n == 0) {
            buf_put_z(b, ".PP\n");
        } else {
            put_wrapped(b, one);
            buf_put_u8(b, '\n');
        }
    }
}

/* Help is told in small letters; a page begins a sentence. */
static void put_sentence(struct buf *b, struct str s)
{
    char first = s.n > 0 ? s.p[0] : ' ';
    size_t at = b->n;
    put_wrapped(b, s);
    if (first >= 'a' && first <= 'z' && at < b->n) {
        b->p[at] = (uint8_t)(first - 'a' + 'A');
    }
}

static void put_options(struct buf *b, const struct command *c)
{
    const struct option *o;
    for (size_t i = 0; (o = command_option_at(c, i)) != NULL; i++) {
        buf_put_z(b, ".TP\n");
        if (o->letter != 0) {
            buf_printf(b, "\\fB\\-%c\\fR, ", o->letter);
        }
        buf_put_z(b, "\\fB");
        put_z(b, o->name);
        buf_put_z(b, "\\fR");
        if (o->arg != NULL) {
            buf_put_z(b, " \\fI");
            put_z(b, o->arg);
            buf_put_z(b, "\\fR");
        }
        buf_put_u8(b, '\n');
        put_sentence(b, str_of(o->help));
        buf_put_z(b, o->repeat ? ". May be repeated.\n" : ".\n");
    }
}

static void put_examples(struct buf *b, const struct command *c)
{
    struct str rest = str_of(c->examples);
    while (rest.n > 0) {
        struct str what, one = str_cut(str_cut(rest, '\n', &rest), '\t', &what);
        buf_put_z(b, ".TP\n\\fB");
        put_text(b, one);
        buf_put_z(b, "\\fR\n");
        put_sentence(b, what);
        buf_put_z(b, ".\n");
    }
}

static void put_command(struct buf *b, const struct command *c, bool sub)
{
    char synopsis[256];
    help_synopsis(c, synopsis, sizeof(synopsis));
    if (sub) {
        buf_put_z(b, ".SS ");
        put_z(b, synopsis);
        buf_put_u8(b, '\n');
        put_z(b, c->summary);
        buf_put_z(b, ".\n");
    }
    if (c->text != NULL) {
        buf_put_z(b, sub ? ".PP\n" : "");
        put_paragraphs(b, c->text);
    }
    buf_put_z(b, sub ? "" : ".SH OPTIONS\n");
    put_options(b, c);
    if (c->examples != NULL) {
        buf_put_z(b, sub ? ".PP\nExamples:\n" : ".SH EXAMPLES\n");
        put_examples(b, c);
    }
}

static void put_statuses(struct buf *b)
{
    buf_put_z(b, ".SH EXIT STATUS\n"
                 ".TP\n0\nDone.\n"
                 ".TP\n1\nIt was tried and did not work.\n"
                 ".TP\n2\nWrong arguments or configuration.\n"
                 ".TP\n3\nDamage was found (verify).\n"
                 ".TP\n4\nA write or flush failed and the store stopped (serve).\n"
                 ".TP\n5\nNo broker answered.\n");
}

static void put_environment(struct buf *b, const struct command *c)
{
    buf_put_z(b, ".SH ENVIRONMENT\n");
    if (c->online) {
        buf_put_z(b, ".TP\n.B LEAT_BOOTSTRAP\n"
                     "The broker to talk to, if \\-\\-bootstrap is not given.\n");
    }
    if (c->http) {
        buf_put_z(b, ".TP\n.B LEAT_HTTP\n"
                     "The HTTP address of leat, if \\-\\-http is not given.\n");
    }
    buf_put_z(b, ".TP\n.B NO_COLOR\nIf set and not empty, nothing is coloured.\n");
}

static void put_page_head(struct buf *b, const char *name, const char *section, const char *summary)
{
    buf_printf(b, ".\\\" Made by tools/manual.sh from the tables of src/cli. Do not edit.\n.TH ");
    for (const char *p = name; *p != '\0'; p++) {
        buf_put_u8(b, (uint8_t)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p));
    }
    buf_printf(b, " %s %s \"leat %s\" \"Leat manual\"\n.SH NAME\n", section, PAGE_DATE,
               server_version);
    put_z(b, name);
    buf_put_z(b, " \\- ");
    put_z(b, summary);
    buf_put_u8(b, '\n');
}

static void put_main_page(struct buf *b)
{
    put_page_head(b, "leat", "1", "a durable event log that speaks the Kafka protocol");
    buf_put_z(b, ".SH SYNOPSIS\n.B leat\n.I COMMAND\n[\\fIARGUMENT\\fR...]\n.SH DESCRIPTION\n");
    put_paragraphs(
        b,
        "leat is one program: a server that stores records durably and speaks the Kafka wire\n"
        "protocol, and the commands to look after it.\n"
        "\n"
        "topic, group, produce, consume, status and bench work against any Kafka cluster without\n"
        "TLS (--bootstrap HOST:PORT, several separated by commas); stream, fold, upcast and\n"
        "projection ask a leat over its HTTP API (--http HOST:PORT). Output is for people; -o\n"
        "json makes it one JSON document on one line.\n");
    buf_put_z(b, ".SH COMMANDS\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *c = &COMMANDS[i];
        if (c->summary[0] == '\0') {
            continue;
        }
        buf_printf(b, ".TP\n\\fBleat %s%s%s\\fR", c->noun, c->verb == NULL ? "" : " ",
                   c->verb == NULL ? "" : c->verb);
        buf_put_z(b, "\n");
        put_z(b, c->summary);
        buf_put_z(b, ".\n");
    }
    const struct command any = {.online = true, .http = true};
    put_environment(b, &any);
    put_statuses(b);
    buf_put_z(b, ".SH SEE ALSO\n");
    const char *last = "";
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *c = &COMMANDS[i];
        if (c->summary[0] != '\0' && strcmp(c->noun, last) != 0) {
            buf_printf(b, ".BR leat\\-%s (1),\n", c->noun);
            last = c->noun;
        }
    }
    buf_put_z(b, ".BR leat.conf (5)\n");
}

static void put_noun_page(struct buf *b, const char *noun, size_t n, const struct command *first)
{
    char name[40];
    snprintf(name, sizeof(name), "leat-%s", noun);
    bool alone = n == 1;
    put_page_head(b, name, "1", noun_summary(first));
    buf_put_z(b, ".SH SYNOPSIS\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(COMMANDS[i].noun, noun) == 0) {
            char synopsis[256];
            help_synopsis(&COMMANDS[i], synopsis, sizeof(synopsis));
            put_z(b, synopsis);
            buf_put_z(b, "\n.br\n");
        }
    }
    b->n -= strlen(".br\n");
    buf_put_z(b, ".SH DESCRIPTION\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(COMMANDS[i].noun, noun) == 0) {
            put_command(b, &COMMANDS[i], !alone);
        }
    }
    if (first->online || first->http) {
        put_environment(b, first);
    }
    put_statuses(b);
    buf_put_z(b, ".SH SEE ALSO\n.BR leat (1),\n.BR leat.conf (5)\n");
}

static void put_conf_page(struct buf *b)
{
    put_page_head(b, "leat.conf", "5", "options of the leat server and of its topics");
    buf_put_z(b, ".SH DESCRIPTION\n");
    put_paragraphs(
        b,
        "leat serve --config FILE reads a YAML file that maps names of options to values, as in\n"
        "the first example below. Each option can also be given as --set NAME=VALUE and as an\n"
        "environment variable: LEAT_ and the name in capitals, with underscores for dots.\n"
        "Flags win over the environment, the environment over the file, the file over the\n"
        "defaults.\n"
        "\n"
        "The names and meanings are those of Kafka where Kafka has the option; options that\n"
        "begin with leat. are of this server alone. Topic options are set on a topic with\n"
        "leat topic config NAME --set KEY=VALUE.\n");
    struct buf table;
    buf_init(&table, CLI_OUTPUT_MAX);
    config_write_docs(&table, true);
    /* Lines of the table that begin with a macro are its layout, all others its text. */
    struct str rest = buf_str(&table);
    while (rest.n > 0) {
        struct str one = str_cut(rest, '\n', &rest);
        if (one.n == 0) {
            continue;
        }
        if (str_starts(one, ".")) {
            buf_put_str(b, one);
        } else {
            put_wrapped(b, one);
        }
        buf_put_u8(b, '\n');
    }
    b->failed = b->failed || buf_failed(&table);
    buf_deinit(&table);
    buf_put_z(b, ".SH EXAMPLES\n.nf\n.RS\nleat.data: /var/lib/leat\nnum.partitions: 3\n"
                 "log.retention.hours: 72\n.RE\n.fi\n"
                 ".SH SEE ALSO\n.BR leat (1),\n.BR leat\\-serve (1)\n");
}

/* docs/configuration.md: the option table in Markdown. */
static void put_options_page(struct buf *b)
{
    buf_put_z(
        b,
        "# Configuration\n\n"
        "Made from the option table (`src/config/options.def`) by `leat manual options`; do not "
        "edit.\n\n"
        "An option is set in a YAML file (`leat serve --config FILE`), by an environment variable\n"
        "(`LEAT_` and the name in capitals, underscores for dots, without `LEAT.` twice:\n"
        "`LEAT_NUM_PARTITIONS`, `LEAT_DATA`), or by a flag (`--set num.partitions=3`). Flags win "
        "over\n"
        "the environment, the environment over the file, the file over the default.\n\n"
        "Names and meanings are Kafka's where Kafka has the option; `leat.` options are ours. "
        "Kafka's other\n"
        "options are refused with a reason. Those whose text ends with *Any value is satisfied* "
        "are\n"
        "accepted and need no effect on one flushing node.\n");
    config_write_docs(b, false);
}

int run_manual(struct cli *cli)
{
    struct buf b;
    const char *page = cli->words[0];
    buf_init(&b, CLI_OUTPUT_MAX);
    size_t n = 0;
    const struct command *first = NULL;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(COMMANDS[i].noun, page) == 0) {
            first = first == NULL ? &COMMANDS[i] : first;
            n++;
        }
    }
    enum err e = ERR_OK;
    if (strcmp(page, "leat") == 0) {
        put_main_page(&b);
    } else if (strcmp(page, "conf") == 0) {
        put_conf_page(&b);
    } else if (strcmp(page, "options") == 0) {
        put_options_page(&b);
    } else if (first != NULL) {
        put_noun_page(&b, page, n, first);
    } else {
        e = ectx_fail(&cli->ec, ERR_CONFIG, "there is no page '%s'", page);
    }
    if (e == ERR_OK && buf_failed(&b)) {
        e = ectx_fail(&cli->ec, ERR_NO_MEMORY, "out of memory");
    }
    if (e == ERR_OK) {
        e = out_write(buf_str(&b), &cli->ec);
    }
    buf_deinit(&b);
    return cli_report(e, &cli->ec);
}
