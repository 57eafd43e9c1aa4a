/*
 * What one run of a command is given: its words and options, where it writes, and memory that lives
 * as long as the run. The tables of commands and options (commands.c) are the only place where they
 * are named: parsing, help, completion and the manual pages are all made from them.
 */
#ifndef LEAT_CLI_CLI_H
#define LEAT_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"

#define CLI_WORDS_MAX 64
/* Values of one option that may be given again (--set a=b --set c=d). */
#define CLI_LIST_MAX 64
/* Answers of brokers, tables and texts of one run. */
#define CLI_ARENA_BYTES   (1024u * 1024 * 1024)
#define CLI_OUTPUT_MAX    (1024u * 1024 * 1024)
#define CLI_TIMEOUT_MS    10000
#define CLI_BOOTSTRAP     "127.0.0.1:9092"
#define CLI_HTTP          "127.0.0.1:8080"
#define CLI_TIMEOUT_MAX_S 86400
#define CLI_CLIENT_ID     "leat-cli"

enum option_id {
    OPT_HELP,
    OPT_BOOTSTRAP,
    OPT_TIMEOUT,
    OPT_OUTPUT,
    OPT_HTTP,
    OPT_PARTITIONS,
    OPT_REPLICATION,
    OPT_SET,
    OPT_UNSET,
    OPT_ALL,
    OPT_IF_EXISTS,
    OPT_IF_NOT_EXISTS,
    OPT_FROM,
    OPT_TO,
    OPT_PARTITION,
    OPT_GROUP,
    OPT_COUNT_OF,
    OPT_FOLLOW,
    OPT_KEY,
    OPT_HEADER,
    OPT_SEPARATOR,
    OPT_CODEC,
    OPT_ACKS,
    OPT_IDEMPOTENT,
    OPT_TOPIC,
    OPT_DRY_RUN,
    OPT_SIZE,
    OPT_RATE,
    OPT_SECONDS,
    OPT_LINGER,
    OPT_ONE_IN_FLIGHT,
    OPT_KEEP,
    OPT_PROPERTY,
    OPT_AT,
    OPT_LIMIT,
    OPT_EXPECTED,
    OPT_ID,
    OPT_TAG,
    OPT_META,
    OPT_PREFIX,
    OPT_FOLD,
    OPT_SCHEMA,
    OPT_BEFORE,
    OPT_HARD,
    OPT_REASON,
    OPT_FIELD,
    OPT_AGAINST_LOG,
    OPT_VERSION,
    OPT_OTHER, /* of a command that reads its arguments itself: only told, never looked up */
    OPTION_COUNT
};

struct option {
    enum option_id id;
    char letter;      /* -o; 0: none */
    const char *name; /* "--output" */
    const char *arg;  /* what its value is called; NULL: it takes none */
    const char *help;
    bool repeat;
};

struct cli;
struct command {
    const char *noun, *verb; /* verb NULL: the noun alone */
    const char *words;       /* "NAME [NAME...]", "" for none: for the synopsis */
    size_t word_min, word_max;
    const char *summary;  /* one line */
    const char *text;     /* paragraphs, separated by an empty line */
    const char *examples; /* lines: COMMAND, tab, what it does */
    const struct option *options;
    size_t option_count;
    bool online;                 /* takes --bootstrap and --timeout too */
    bool http;                   /* takes --http and --timeout too */
    bool output;                 /* takes --output too */
    int (*run)(struct cli *cli); /* returns the exit status; NULL: main.c runs it */
};

struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t count;
};

struct cli {
    const struct command *command;
    const char *words[CLI_WORDS_MAX];
    size_t word_count;
    const char *values[OPTION_COUNT]; /* the last one given; "" for one without a value */
    struct cli_list lists[OPTION_COUNT];
    const char *bootstrap, *http;
    bool http_named; /* by --http or LEAT_HTTP */
    int timeout_ms;
    const char *output; /* "text", "json", ... */
    bool json;
    bool colour;   /* standard output is a terminal that wants it */
    bool progress; /* standard error is a terminal */
    struct arena arena;
    struct ectx ec;
};

/* commands.c */
extern const struct command COMMANDS[];
extern const size_t COMMAND_COUNT;
/* Options that every command with `online` or `http`, and every one, takes. */
extern const struct option OPTION_BOOTSTRAP, OPTION_HTTP, OPTION_TIMEOUT, OPTION_OUTPUT,
    OPTION_HELP;

/* All options of a command, in the order of help, through `at`; NULL after the last. */
const struct option *command_option_at(const struct command *c, size_t at);
/* One line about the noun of a command: its own summary, or of all that it can do. */
const char *noun_summary(const struct command *c);
/* True if a noun has that name. */
bool command_noun_known(const char *noun);
/* The command, or NULL. *used is the number of words that name it (1 or 2). */
const struct command *command_find(int argc, char **argv, int *used);

/*
 * args.c: reads the arguments after the command's name. ERR_CONFIG with the reason and a hint. The
 * pointers stay those of argv. *help is set if help was asked for.
 */
MUST_USE enum err cli_parse(struct cli *cli, int argc, char **argv, bool *help, struct ectx *ec);
static inline bool cli_has(const struct cli *cli, enum option_id id)
{
    return cli->values[id] != NULL;
}
/* A number between min and max, or `missing` when not given. */
MUST_USE enum err cli_number(const struct cli *cli, enum option_id id, int64_t min, int64_t max,
                             int64_t missing, int64_t *out, struct ectx *ec);
/* "key=value": both sides. */
MUST_USE enum err cli_pair(const char *text, const char *option, struct str *key, struct str *value,
                           struct ectx *ec);
/* The known name that is nearest to what was typed, if near enough to be meant; else NULL. */
const char *cli_nearest(const char *typed, const char *const *names, size_t count);

/* Reports an error on standard error and returns the exit status that belongs to it. */
int cli_report(enum err e, const struct ectx *ec);

/* help.c */
void help_all(void);
void help_noun(const char *noun);
void help_command(const struct command *c);
void help_synopsis(const struct command *c, char *out, size_t size);
int run_help(struct cli *cli);
/* manual.c: a manual page in troff; completion.c: a completion script. */
int run_manual(struct cli *cli);
int run_completion(struct cli *cli);

int run_topic_ls(struct cli *cli);
int run_topic_show(struct cli *cli);
int run_topic_create(struct cli *cli);
int run_topic_delete(struct cli *cli);
int run_topic_config(struct cli *cli);
int run_topic_tail(struct cli *cli);
int run_produce(struct cli *cli);
int run_consume(struct cli *cli);
int run_group_ls(struct cli *cli);
int run_group_show(struct cli *cli);
int run_group_lag(struct cli *cli);
int run_group_seek(struct cli *cli);
int run_group_delete(struct cli *cli);
int run_stream_ls(struct cli *cli);
int run_stream_show(struct cli *cli);
int run_stream_diff(struct cli *cli);
int run_stream_append(struct cli *cli);
int run_stream_snapshot(struct cli *cli);
int run_stream_truncate(struct cli *cli);
int run_stream_delete(struct cli *cli);
int run_stream_redact(struct cli *cli);
int run_stream_upcast(struct cli *cli);
int run_definition_ls(struct cli *cli);
int run_definition_show(struct cli *cli);
int run_definition_apply(struct cli *cli);
int run_definition_delete(struct cli *cli);
int run_projection_ls(struct cli *cli);
int run_projection_show(struct cli *cli);
int run_projection_apply(struct cli *cli);
int run_projection_check(struct cli *cli);
int run_projection_rebuild(struct cli *cli);
int run_projection_switch(struct cli *cli);
int run_projection_rollback(struct cli *cli);
int run_projection_cancel(struct cli *cli);
int run_projection_pause(struct cli *cli);
int run_projection_resume(struct cli *cli);
int run_projection_template(struct cli *cli);
int run_projection_drop(struct cli *cli);
int run_projection_watch(struct cli *cli);
int run_projection_delete(struct cli *cli);
int run_projection_parked(struct cli *cli);
int run_projection_retry(struct cli *cli);
int run_projection_skip(struct cli *cli);
int run_status(struct cli *cli);
int run_bench(struct cli *cli);
int run_version(struct cli *cli);

#endif
