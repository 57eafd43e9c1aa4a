/*
 * The program `leat`: the first words name a command of the table, which then runs.
 *
 * serve and verify read their own arguments and live in the server's room; everything else is a
 * client and lives here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/out.h"
#include "core/mem.h"
#include "server/server.h"

int run_version(struct cli *cli)
{
    if (!cli->json) {
        out_printf("leat %s\n", server_version);
        return EXIT_OK;
    }
    struct doc j;
    doc_init(&j);
    doc_object(&j, NULL);
    doc_z(&j, "version", server_version);
    doc_end(&j, '}');
    enum err e = doc_print(&j, &cli->ec);
    doc_deinit(&j);
    return cli_report(e, &cli->ec);
}

static int unknown_command(int argc, char **argv)
{
    const char *names[64];
    size_t n = 0;
    struct ectx ec = {0};
    bool noun_known = command_noun_known(argv[0]);
    for (size_t i = 0; i < COMMAND_COUNT && n < ARRAY_LEN(names); i++) {
        if (!noun_known || strcmp(COMMANDS[i].noun, argv[0]) == 0) {
            names[n++] = noun_known ? COMMANDS[i].verb : COMMANDS[i].noun;
        }
    }
    const char *typed = noun_known ? argv[1] : argv[0];
    const char *near = cli_nearest(typed, names, n);
    if (noun_known) {
        IGNORE(ectx_fail(&ec, ERR_CONFIG, "`leat %s` has no command '%s'", argv[0], typed));
    } else {
        IGNORE(ectx_fail(&ec, ERR_CONFIG, "there is no command '%s'", typed));
    }
    if (near != NULL) {
        ectx_hint(&ec, "did you mean `leat %s%s%s`?", noun_known ? argv[0] : "",
                  noun_known ? " " : "", near);
    } else {
        ectx_hint(&ec, "`leat help%s%s` lists them", noun_known ? " " : "",
                  noun_known ? argv[0] : "");
    }
    (void)argc;
    return cli_report(ERR_CONFIG, &ec);
}

static bool wants_colour(void)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct cli *cli = mem_new(struct cli);
    bool help = false;
    if (cli == NULL) {
        fprintf(stderr, "leat: out of memory\n");
        return EXIT_FAILED;
    }
    cli->command = command;
    cli->colour = wants_colour();
    cli->progress = isatty(STDERR_FILENO);
    arena_init(&cli->arena, CLI_ARENA_BYTES);
    enum err e = cli_parse(cli, argc, argv, &help, &cli->ec);
    int status;
    if (e != ERR_OK) {
        status = cli_report(e, &cli->ec);
    } else if (help) {
        help_command(command);
        status = EXIT_OK;
    } else {
        status = command->run(cli);
    }
    arena_deinit(&cli->arena);
    mem_free(cli);
    /* A full disk or a closed pipe shows at the last flush. */
    if (fflush(stdout) != 0 && status == EXIT_OK) {
        fprintf(stderr, "leat: could not write the output\n");
        status = EXIT_FAILED;
    }
    return status;
}

static bool is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help_all();
        return EXIT_USAGE;
    }
    if (is_help(argv[1])) {
        help_all();
        return EXIT_OK;
    }
    if (strcmp(argv[1], "serve") == 0) {
        return server_serve(argc - 2, argv + 2, environ);
    }
    if (strcmp(argv[1], "verify") == 0) {
        return server_verify(argc - 2, argv + 2);
    }
    char version[] = "version";
    argv[1] = strcmp(argv[1], "--version") == 0 ? version : argv[1];
    int used = 0;
    const struct command *command = command_find(argc - 1, argv + 1, &used);
    if (command == NULL) {
        bool bare = command_noun_known(argv[1]) && (argc == 2 || is_help(argv[2]));
        if (bare) {
            help_noun(argv[1]);
            return argc == 2 ? EXIT_USAGE : EXIT_OK;
        }
        return unknown_command(argc - 1, argv + 1);
    }
    return run(command, argc - 1 - used, argv + 1 + used);
}
