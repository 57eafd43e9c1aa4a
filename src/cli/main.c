/* The program `leat`: the first argument names what to do, the table says who does it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/compiler.h"
#include "server/server.h"
#include "server/server_int.h"

static int serve(int argc, char **argv)
{
    return server_serve(argc, argv, environ);
}

static int version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("leat %s\n", server_version);
    return EXIT_OK;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv); /* the arguments after the name; returns the exit status */
    const char *help;
} NOUNS[] = {
    {"serve", serve, "run the server"},
    {"verify", server_verify, "check a data directory that no server has open"},
    {"version", version, "print the version"},
};

static void usage(FILE *out)
{
    fprintf(out, "usage: leat COMMAND [ARGUMENTS]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(NOUNS); i++) {
        fprintf(out, "  %-10s %s\n", NOUNS[i].name, NOUNS[i].help);
    }
    fprintf(out, "\n`leat COMMAND --help` tells more.\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_OK;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (size_t i = 0; i < ARRAY_LEN(NOUNS); i++) {
        if (strcmp(name, NOUNS[i].name) == 0) {
            return NOUNS[i].run(argc - 2, argv + 2);
        }
    }
    fprintf(stderr, "leat: there is no command '%s'\n\n", name);
    usage(stderr);
    return EXIT_USAGE;
}
