/* What `--help` and `leat help` print. All of it comes from the tables. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "server/server.h"

void help_synopsis(const struct command *c, char *out, size_t size)
{
    snprintf(out, size, "leat %s%s%s%s%s%s", c->noun, c->verb == NULL ? "" : " ",
             c->verb == NULL ? "" : c->verb, c->words[0] == '\0' ? "" : " ", c->words,
             command_option_at(c, 1) == NULL ? "" : " [OPTION...]");
}

void help_command(const struct command *c)
{
    char synopsis[256];
    help_synopsis(c, synopsis, sizeof(synopsis));
    printf("usage: %s\n\n%s.\n", synopsis, c->summary);
    if (c->text != NULL) {
        printf("\n%s\n", c->text);
    }
    printf("\nOptions:\n");
    const struct option *o;
    for (size_t i = 0; (o = command_option_at(c, i)) != NULL; i++) {
        char left[64];
        char letter[5] = "    ";
        if (o->letter != 0) {
            snprintf(letter, sizeof(letter), "-%c, ", o->letter);
        }
        snprintf(left, sizeof(left), "%s%s %s", letter, o->name, o->arg == NULL ? "" : o->arg);
        printf("  %-33s %s%s\n", left, o->help, o->repeat ? " (may be repeated)" : "");
    }
    if (c->examples != NULL) {
        printf("\nExamples:\n");
        struct str rest = str_of(c->examples);
        while (rest.n > 0) {
            struct str what, one = str_cut(str_cut(rest, '\n', &rest), '\t', &what);
            printf("  %.*s\n      %.*s\n", STR(one), STR(what));
        }
    }
}

void help_noun(const char *noun)
{
    size_t n = 0;
    const struct command *only = NULL;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(COMMANDS[i].noun, noun) == 0) {
            only = &COMMANDS[i];
            n++;
        }
    }
    if (n == 1 && only->verb == NULL) {
        help_command(only);
        return;
    }
    printf("usage: leat %s COMMAND [ARGUMENTS]\n\n", noun);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(COMMANDS[i].noun, noun) == 0) {
            printf("  %-10s %s\n", COMMANDS[i].verb, COMMANDS[i].summary);
        }
    }
    printf("\n`leat %s COMMAND --help` tells more.\n", noun);
}

void help_all(void)
{
    printf("usage: leat COMMAND [ARGUMENTS]\n\n"
           "A durable event log that speaks the Kafka protocol. topic, group, produce, consume, "
           "status\n"
           "and bench work against any Kafka cluster (--bootstrap HOST:PORT, LEAT_BOOTSTRAP); "
           "stream,\n"
           "fold, upcast and projection ask a leat over HTTP (--http HOST:PORT, LEAT_HTTP).\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *c = &COMMANDS[i];
        if (c->summary[0] != '\0') {
            char name[40];
            snprintf(name, sizeof(name), "%s %s", c->noun, c->verb == NULL ? "" : c->verb);
            printf("  %-15s %s\n", name, c->summary);
        }
    }
    printf("\n`leat COMMAND --help` tells more. Exit status: 0 done, 1 failed, 2 wrong arguments,\n"
           "3 damage found, 4 storage failed, 5 no broker answered.\n");
}

int run_help(struct cli *cli)
{
    if (cli->word_count == 0) {
        help_all();
        return EXIT_OK;
    }
    char noun[32], verb[32];
    snprintf(noun, sizeof(noun), "%s", cli->words[0]);
    snprintf(verb, sizeof(verb), "%s", cli->word_count > 1 ? cli->words[1] : "");
    if (!command_noun_known(noun)) {
        IGNORE(ectx_fail(&cli->ec, ERR_CONFIG, "there is no command '%s'", noun));
        ectx_hint(&cli->ec, "`leat help` lists them");
        return cli_report(ERR_CONFIG, &cli->ec);
    }
    char *argv[] = {noun, verb};
    int used = 0;
    const struct command *c = command_find(verb[0] == '\0' ? 1 : 2, argv, &used);
    if (c == NULL || (verb[0] == '\0' && c->verb == NULL)) {
        help_noun(noun);
    } else {
        help_command(c);
    }
    return EXIT_OK;
}
