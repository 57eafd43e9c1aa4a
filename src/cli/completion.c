/*
 * Completion scripts for bash, zsh and fish, made from the tables. Names of topics, groups,
 * streams and projections are asked of the broker when Tab is pressed; one that is away costs at
 * most a second.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/out.h"

/* Things whose names `leat KIND ls` tells, below a line of titles. */
static const char *const NAMED[] = {"topic", "group", "stream", "projection"};

/* What the words of a command are: one of NAMED, "file" or nothing that can be completed. */
static const char *kind_of(const struct command *c)
{
    const bool name = strncmp(c->words, "NAME", 4) == 0;
    const bool makes = c->verb != NULL && strcmp(c->verb, "create") == 0;
    const bool file = strncmp(c->words, "DIR", 3) == 0 || strncmp(c->words, "FILE", 4) == 0;
    return strncmp(c->words, "TOPIC", 5) == 0 || (name && strcmp(c->noun, "topic") == 0 && !makes)
               ? "topic"
           : strcmp(c->noun, "group") == 0 && c->words[0] != '\0' ? "group"
           : strncmp(c->words, "STREAM", 6) == 0                  ? "stream"
           : name && strcmp(c->noun, "projection") == 0           ? "projection"
           : file                                                 ? "file"
                                                                  : "";
}

static bool is_named(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(NAMED); i++) {
        if (strcmp(NAMED[i], kind) == 0) {
            return true;
        }
    }
    return false;
}

static void put_named(struct buf *b, const char *between)
{
    for (size_t i = 0; i < ARRAY_LEN(NAMED); i++) {
        buf_printf(b, "%s%s", i == 0 ? "" : between, NAMED[i]);
    }
}

static bool first_of_noun(size_t i)
{
    return i == 0 || strcmp(COMMANDS[i].noun, COMMANDS[i - 1].noun) != 0;
}

/* Those that have verbs. */
static void put_nouns_with_verbs(struct buf *b, const char *between)
{
    bool any = false;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (first_of_noun(i) && COMMANDS[i].verb != NULL) {
            buf_printf(b, "%s%s", any ? between : "", COMMANDS[i].noun);
            any = true;
        }
    }
}

static void put_nouns(struct buf *b)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (first_of_noun(i) && COMMANDS[i].summary[0] != '\0') {
            buf_printf(b, "%s%s", b->p[b->n - 1] == '"' ? "" : " ", COMMANDS[i].noun);
        }
    }
}

/* Which options take a value, and the verbs and options of each command: data for the functions. */
static void put_bash_cases(struct buf *b)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *c = &COMMANDS[i];
        if (c->summary[0] == '\0') {
            continue;
        }
        if (first_of_noun(i) && c->verb != NULL) {
            buf_printf(b, "    '%s ') words=\"", c->noun);
            for (size_t k = i; k < COMMAND_COUNT && strcmp(COMMANDS[k].noun, c->noun) == 0; k++) {
                buf_printf(b, "%s%s", k == i ? "" : " ", COMMANDS[k].verb);
            }
            buf_put_z(b, "\" ;;\n");
        }
        buf_printf(b, "    '%s %s') kind='%s' options=\"", c->noun, c->verb == NULL ? "" : c->verb,
                   kind_of(c));
        const struct option *o;
        for (size_t k = 0; (o = command_option_at(c, k)) != NULL; k++) {
            buf_printf(b, "%s%s", k == 0 ? "" : " ", o->name);
        }
        buf_put_z(b, "\"");
        if (strcmp(c->noun, "bench") == 0) {
            buf_put_z(b, " words='produce consume end-to-end'");
        } else if (strcmp(c->noun, "completion") == 0) {
            buf_put_z(b, " words='bash zsh fish'");
        }
        buf_put_z(b, " ;;\n");
    }
}

static void put_bash(struct buf *b)
{
    buf_put_z(b,
              "# bash completion of leat. Made by `leat completion bash`.\n"
              "_leat_names() {\n"
              "    leat \"$1\" ls --timeout 1 2>/dev/null | sed -e 1d -e 's/ .*//'\n"
              "}\n"
              "\n"
              "_leat() {\n"
              "    local current=\"${COMP_WORDS[COMP_CWORD]}\" noun=\"${COMP_WORDS[1]}\" verb=''\n"
              "    local words='' options='' kind=''\n"
              "    COMPREPLY=()\n"
              "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
              "        words=\"");
    put_nouns(b);
    buf_put_z(b, "\"\n"
                 "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                 "        return\n"
                 "    fi\n"
                 "    case $noun in\n"
                 "    ");
    put_nouns_with_verbs(b, " | ");
    buf_put_z(b, ") [ \"$COMP_CWORD\" -gt 2 ] && verb=\"${COMP_WORDS[2]}\" ;;\n"
                 "    esac\n"
                 "    case \"$noun $verb\" in\n");
    put_bash_cases(b);
    buf_put_z(b, "    esac\n"
                 "    case $current in\n"
                 "    -*) words=$options kind='' ;;\n"
                 "    esac\n"
                 "    case ${COMP_WORDS[COMP_CWORD - 1]} in\n"
                 "    -o | --output) words='text json' kind='' ;;\n"
                 "    --codec) words='none gzip snappy lz4 zstd' kind='' ;;\n"
                 "    --acks) words='all 1 0' kind='' ;;\n"
                 "    --from | --to) words='start end' kind='' ;;\n"
                 "    --topic) kind=topic ;;\n"
                 "    --group) kind=group ;;\n"
                 "    --data | --config) kind=file ;;\n"
                 "    esac\n"
                 "    case $kind in\n"
                 "    ");
    put_named(b, " | ");
    buf_put_z(b, ") words=$(_leat_names \"$kind\") ;;\n"
                 "    file)\n"
                 "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
                 "        return\n"
                 "        ;;\n"
                 "    esac\n"
                 "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                 "}\n"
                 "complete -F _leat leat\n");
}

/* In single quotes, as zsh and fish both read them; brackets and colons mean something to zsh. */
static void put_quoted(struct buf *b, const char *z, bool zsh)
{
    for (; *z != '\0'; z++) {
        if (*z == '\'') {
            buf_put_z(b, zsh ? "'\\''" : "\\'");
        } else if (zsh && (*z == '[' || *z == ']' || *z == ':')) {
            buf_printf(b, "\\%c", *z);
        } else {
            buf_put_u8(b, (uint8_t)*z);
        }
    }
}

static void put_zsh_command(struct buf *b, const struct command *c)
{
    buf_printf(b, "    '%s %s') _arguments", c->noun, c->verb == NULL ? "" : c->verb);
    const struct option *o;
    for (size_t k = 0; (o = command_option_at(c, k)) != NULL; k++) {
        buf_printf(b, " \\\n        '%s%s%s[", o->repeat ? "*" : "", o->name,
                   o->arg == NULL ? "" : "=");
        put_quoted(b, o->help, true);
        buf_put_z(b, "]");
        if (o->arg != NULL) {
            buf_put_z(b, ":");
            put_quoted(b, o->arg, true);
            bool is_file = strcmp(o->arg, "FILE") == 0 || strcmp(o->arg, "DIR") == 0;
            buf_put_z(b, strcmp(o->name, "--output") == 0  ? ":(text json)"
                         : strcmp(o->name, "--codec") == 0 ? ":(none gzip snappy lz4 zstd)"
                         : strcmp(o->name, "--acks") == 0  ? ":(all 1 0)"
                         : strcmp(o->name, "--topic") == 0 ? ":_leat_topics"
                         : strcmp(o->name, "--group") == 0 ? ":_leat_groups"
                         : is_file                         ? ":_files"
                                                           : ": ");
        }
        buf_put_z(b, "'");
    }
    const char *kind = kind_of(c);
    if (is_named(kind)) {
        buf_printf(b, " \\\n        '*:%s:_leat_%ss'", kind, kind);
    }
    buf_put_z(b, strcmp(kind, "file") == 0 ? " \\\n        '*:file:_files'"
                 : strcmp(c->noun, "bench") == 0
                     ? " \\\n        ':load:(produce consume end-to-end)'"
                 : strcmp(c->noun, "completion") == 0 ? " \\\n        ':shell:(bash zsh fish)'"
                                                      : "");
    buf_put_z(b, " ;;\n");
}

static void put_zsh_words(struct buf *b, const char *noun)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *c = &COMMANDS[i];
        bool wanted = noun == NULL ? first_of_noun(i) : strcmp(c->noun, noun) == 0;
        if (wanted && c->summary[0] != '\0') {
            buf_printf(b, " \\\n            '%s:", noun == NULL ? c->noun : c->verb);
            put_quoted(b, noun == NULL ? noun_summary(c) : c->summary, true);
            buf_put_z(b, "'");
        }
    }
}

static void put_zsh(struct buf *b)
{
    buf_put_z(b, "#compdef leat\n"
                 "# zsh completion of leat. Made by `leat completion zsh`.\n");
    for (size_t i = 0; i < ARRAY_LEN(NAMED); i++) {
        buf_printf(b,
                   "_leat_%ss() {\n"
                   "    local -a names\n"
                   "    names=(${(f)\"$(leat %s ls --timeout 1 2>/dev/null | sed -e 1d -e 's/ "
                   ".*//')\"})\n"
                   "    compadd -a names\n"
                   "}\n",
                   NAMED[i], NAMED[i]);
    }
    buf_put_z(b, "_leat() {\n"
                 "    local noun=$words[2] verb=''\n"
                 "    local -a list\n"
                 "    if (( CURRENT == 2 )); then\n"
                 "        list=(");
    put_zsh_words(b, NULL);
    buf_put_z(b, ")\n"
                 "        _describe command list\n"
                 "        return\n"
                 "    fi\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (first_of_noun(i) && COMMANDS[i].verb != NULL) {
            buf_printf(b, "    if [[ $noun == %s ]] && (( CURRENT == 3 )); then\n        list=(",
                       COMMANDS[i].noun);
            put_zsh_words(b, COMMANDS[i].noun);
            buf_put_z(b, ")\n        _describe command list\n        return\n    fi\n");
        }
    }
    buf_put_z(b, "    if [[ $noun == (");
    put_nouns_with_verbs(b, "|");
    buf_put_z(b, ") ]]; then\n"
                 "        verb=$words[3]\n"
                 "        shift words\n"
                 "        (( CURRENT-- ))\n"
                 "    fi\n"
                 "    shift words\n"
                 "    (( CURRENT-- ))\n"
                 "    case \"$noun $verb\" in\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (COMMANDS[i].summary[0] != '\0') {
            put_zsh_command(b, &COMMANDS[i]);
        }
    }
    buf_put_z(b, "    esac\n}\n_leat \"$@\"\n");
}

static void put_fish(struct buf *b)
{
    buf_put_z(b, "# fish completion of leat. Made by `leat completion fish`.\n"
                 "function __leat_names\n"
                 "    leat $argv[1] ls --timeout 1 2>/dev/null | sed -e 1d -e 's/ .*//'\n"
                 "end\n"
                 "complete -c leat -f\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *c = &COMMANDS[i];
        if (c->summary[0] == '\0') {
            continue;
        }
        if (first_of_noun(i)) {
            buf_printf(b, "complete -c leat -n __fish_use_subcommand -a %s -d '", c->noun);
            put_quoted(b, noun_summary(c), false);
            buf_put_z(b, "'\n");
        }
        char when[160];
        if (c->verb != NULL) {
            buf_printf(b,
                       "complete -c leat -n '__fish_seen_subcommand_from %s; and test (count "
                       "(commandline -opc)) -eq 2' -a %s -d '",
                       c->noun, c->verb);
            put_quoted(b, c->summary, false);
            buf_put_z(b, "'\n");
            snprintf(when, sizeof(when),
                     "__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s", c->noun,
                     c->verb);
        } else {
            snprintf(when, sizeof(when), "__fish_seen_subcommand_from %s", c->noun);
        }
        const struct option *o;
        for (size_t k = 0; (o = command_option_at(c, k)) != NULL; k++) {
            buf_printf(b, "complete -c leat -n '%s' -l %s%s", when, o->name + 2,
                       o->arg == NULL ? "" : " -r");
            if (o->letter != 0) {
                buf_printf(b, " -s %c", o->letter);
            }
            buf_put_z(b, " -d '");
            put_quoted(b, o->help, false);
            buf_put_z(b, "'\n");
        }
        const char *kind = kind_of(c);
        if (is_named(kind)) {
            buf_printf(b, "complete -c leat -n '%s' -a '(__leat_names %s)'\n", when, kind);
        } else if (strcmp(kind, "file") == 0) {
            buf_printf(b, "complete -c leat -n '%s' -F\n", when);
        } else if (strcmp(c->noun, "bench") == 0) {
            buf_printf(b, "complete -c leat -n '%s' -a 'produce consume end-to-end'\n", when);
        } else if (strcmp(c->noun, "completion") == 0) {
            buf_printf(b, "complete -c leat -n '%s' -a 'bash zsh fish'\n", when);
        }
    }
}

int run_completion(struct cli *cli)
{
    struct buf b;
    buf_init(&b, CLI_OUTPUT_MAX);
    enum err e = ERR_OK;
    const char *shell = cli->words[0];
    if (strcmp(shell, "bash") == 0) {
        put_bash(&b);
    } else if (strcmp(shell, "zsh") == 0) {
        put_zsh(&b);
    } else if (strcmp(shell, "fish") == 0) {
        put_fish(&b);
    } else {
        e = ectx_fail(&cli->ec, ERR_CONFIG, "'%s' is no shell that is known: bash, zsh or fish",
                      shell);
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
