/*
 * What `leat serve` is given. Input: lines; one that begins with LEAT_ is a variable of the
 * environment, every other an argument; after an empty line comes the file that --config=/conf
 * reads.
 *
 * Beyond "no crash, no leak": a refusal says why; what was taken has addresses that can be written
 * down, and does not listen to everybody unasked.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "env/env_sim.h"
#include "fuzz/common.h"
#include "server/options.h"

#define WORDS_MAX 64

static void write_file(struct env *env, const char *text, size_t n)
{
    struct env_file *f;
    CHECK(env_file_open(env, "/conf", ENV_WRITE | ENV_CREATE, &f, NULL) == ERR_OK);
    CHECK(env_file_pwrite(f, text, n, 0, NULL) == ERR_OK);
    env_file_close(f);
}

static void load(struct env *env, int argc, char **argv, char **block)
{
    struct server_options o;
    struct ectx ec = {0};
    enum err e = server_options_load(env, argc, argv, block, &o, &ec);
    if (e != ERR_OK) {
        CHECK(ec.text[0] != '\0');
        return;
    }
    if (!o.help) {
        bool exposed = !env_addr_is_loopback(&o.kafka) || !env_addr_is_loopback(&o.http);
        CHECK(!exposed || config_bool(&o.config, NULL, "leat.insecure.allow.anonymous"));
        CHECK(memchr(o.kafka.host, '\0', sizeof(o.kafka.host)) != NULL);
    }
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *option = config_option_at(i);
        const char *text = option->scope == o.config.scope
                               ? config_text(&o.config, NULL, option->name, NULL)
                               : NULL;
        CHECK(text == NULL || !config_has(&o.config, option->name) ||
              config_check(option, str_of(text), NULL) == ERR_OK);
    }
    server_options_deinit(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct env_sim_config sim = {.seed = 2};
    char *argv[WORDS_MAX + 1], *block[WORDS_MAX + 1];
    int argc = 0;
    size_t variables = 0;
    struct env *env;
    char *text = malloc(size + 1);
    CHECK(text != NULL && env_sim_create(&sim, &env) == ERR_OK);
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    char *line = text, *end = text + size;
    while (line < end && *line != '\n') {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop == NULL ? end : stop;
        *stop = '\0';
        if (strncmp(line, "LEAT_", 5) == 0 && variables < WORDS_MAX) {
            block[variables++] = line;
        } else if (argc < WORDS_MAX) {
            argv[argc++] = line;
        }
        line = stop + 1;
    }
    argv[argc] = block[variables] = NULL;
    size_t left = line < end ? (size_t)(end - line) - 1 : 0;
    write_file(env, left > 0 ? line + 1 : "", left);
    load(env, argc, argv, block);
    env_destroy(env);
    free(text);
    return 0;
}

/* Another line. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
    static const char *const flags[] = {"--data=d\n",
                                        "--kafka=127.0.0.1:1\n",
                                        "--http\n[::1]:2\n",
                                        "--advertise=h:3\n",
                                        "--config=/conf\n",
                                        "--help\n",
                                        "--insecure-allow-anonymous\n",
                                        "--set\n",
                                        "LEAT_CONFIG=/conf\n"};
    struct fuzz_source s = fuzz_source_seed(seed);
    struct buf line;
    buf_init(&line, 1000);
    switch (fuzz_below(&s, 6)) {
    case 0:
        buf_put_z(&line, "--set=");
        fuzz_option_put(&s, FUZZ_OPTION_PAIR, &line);
        buf_put_z(&line, "\n");
        break;
    case 1:
        fuzz_option_put(&s, FUZZ_OPTION_VARIABLE, &line);
        buf_put_z(&line, "\n");
        break;
    case 2:
        buf_put_z(&line, flags[fuzz_below(&s, ARRAY_LEN(flags))]);
        break;
    case 3: /* into the file, whatever is before it */
        buf_put_z(&line, fuzz_below(&s, 4) == 0 ? "\n" : "");
        fuzz_option_put(&s, FUZZ_OPTION_YAML, &line);
        buf_put_z(&line, "\n");
        break;
    default:
        break;
    }
    size = line.n > 0 ? fuzz_insert(&s, data, size, max, buf_str(&line))
                      : LLVMFuzzerMutate(data, size, max);
    buf_deinit(&line);
    return size;
}
