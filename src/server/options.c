/*
 * Command line, environment and file of `leat serve`. Each flag is an option of the table under
 * another name, so there is one way in which values are checked.
 */
#include "server/options.h"

#include <string.h>

#include "core/buf.h"
#include "core/log.h"
#include "core/mem.h"

#define CONFIG_FILE_MAX_BYTES (1024u * 1024)

const char server_usage[] =
    "usage: leat serve [--data DIR] [--kafka HOST:PORT] [--http HOST:PORT] [--advertise "
    "HOST:PORT]\n"
    "                  [--config FILE] [--set KEY=VALUE]... [--insecure-allow-anonymous]\n"
    "\n"
    "  --data DIR             where everything is kept (data)\n"
    "  --kafka HOST:PORT      the Kafka listener (127.0.0.1:9092); port 0 picks a free one\n"
    "  --http HOST:PORT       health, readiness, metrics (127.0.0.1:8080); port 0 picks a free "
    "one\n"
    "  --advertise HOST:PORT  what clients are told to connect to (the address they connected on)\n"
    "  --config FILE          options in YAML, see leat.conf(5)\n"
    "  --set KEY=VALUE        one option, for example --set num.partitions=3\n"
    "  --insecure-allow-anonymous  listen beyond loopback although nobody is authenticated\n"
    "\n"
    "Each is also an environment variable: LEAT_DATA, LEAT_KAFKA, ..., LEAT_NUM_PARTITIONS.\n"
    "Prints `leat: ready kafka=HOST:PORT http=HOST:PORT` when both answer. SIGTERM ends it.\n";

static const struct {
    const char *flag;
    const char *option;
} FLAGS[] = {{"--data", "leat.data"},
             {"--kafka", "leat.kafka"},
             {"--http", "leat.http"},
             {"--advertise", "leat.advertise"}};

static enum err load_file(struct env *env, struct config *c, const char *path, struct ectx *ec)
{
    struct env_file *f = NULL;
    uint64_t size = 0;
    enum err e = env_file_open(env, path, ENV_READ, &f, ec);
    if (e != ERR_OK) {
        return ectx_wrap(ec, e, "configuration file");
    }
    e = env_file_size(f, &size, ec);
    if (e == ERR_OK && size > CONFIG_FILE_MAX_BYTES) {
        e = ectx_fail(ec, ERR_LIMIT, "configuration file '%s' is over %u bytes", path,
                      CONFIG_FILE_MAX_BYTES);
    }
    char *text = e == ERR_OK ? mem_alloc(size + 1) : NULL;
    if (e == ERR_OK && text == NULL) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "could not read '%s': out of memory", path);
    }
    size_t got = 0;
    if (e == ERR_OK) {
        e = env_file_pread(f, text, size, 0, &got, ec);
    }
    if (e == ERR_OK) {
        e = config_load_yaml(c, str_make(text, got), path, ec);
    }
    mem_free(text);
    env_file_close(f);
    return e;
}

static void on_unknown_variable(void *ctx, struct str variable)
{
    (void)ctx;
    if (!str_eq_z(variable, "LEAT_CONFIG")) {
        LOG_WARN("config.unknown_variable", KV_STR("variable", variable),
                 KV_Z("hint", "it names no option and was ignored"));
    }
}

static enum err set_flag(struct config *c, const char *flag, const char *name, const char *value,
                         struct ectx *ec)
{
    enum err e = config_set(c, str_of(name), str_of(value), CONFIG_FROM_STATIC, ec);
    return e == ERR_OK ? ERR_OK : ectx_wrap(ec, e, "%s", flag);
}

/* One argument; *i moves past its value. */
static enum err take_argument(struct server_options *o, int argc, char **argv, int *i,
                              struct ectx *ec)
{
    const char *arg = argv[*i];
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
        o->help = true;
        return ERR_OK;
    }
    if (strcmp(arg, "--insecure-allow-anonymous") == 0) {
        return set_flag(&o->config, arg, "leat.insecure.allow.anonymous", "true", ec);
    }
    struct str value;
    struct str flag = str_cut(str_of(arg), '=', &value);
    bool inline_value = value.p != NULL && flag.n < strlen(arg);
    const char *text = inline_value ? value.p : (*i + 1 < argc ? argv[*i + 1] : NULL);
    const char *option = NULL;
    for (size_t f = 0; f < ARRAY_LEN(FLAGS); f++) {
        option = str_eq_z(flag, FLAGS[f].flag) ? FLAGS[f].option : option;
    }
    bool is_set = str_eq_z(flag, "--set");
    bool is_config = str_eq_z(flag, "--config");
    if (option == NULL && !is_set && !is_config) {
        enum err e = ectx_fail(ec, ERR_CONFIG, "unknown argument '%s'", arg);
        ectx_hint(ec, "leat serve --help lists them");
        return e;
    }
    if (text == NULL) {
        return ectx_fail(ec, ERR_CONFIG, "%.*s needs a value", STR(flag));
    }
    *i += inline_value ? 0 : 1;
    if (is_config) {
        return ERR_OK; /* was read first */
    }
    if (is_set) {
        struct str set_value;
        struct str key = str_cut(str_of(text), '=', &set_value);
        if (key.n == strlen(text)) {
            return ectx_fail(ec, ERR_CONFIG, "--set %s: expected KEY=VALUE", text);
        }
        enum err e = config_set(&o->config, key, set_value, CONFIG_FROM_STATIC, ec);
        return e == ERR_OK ? ERR_OK : ectx_wrap(ec, e, "--set");
    }
    return set_flag(&o->config, arg, option, text, ec);
}

static const char *find_config_file(int argc, char **argv, char *const *environ_block)
{
    const char *path = NULL;
    for (char *const *p = environ_block; *p != NULL; p++) {
        if (strncmp(*p, "LEAT_CONFIG=", 12) == 0) {
            path = *p + 12;
        }
    }
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0) {
            path = argv[i] + 9;
        } else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            path = argv[i + 1];
        }
    }
    return path;
}

static enum err parse_addr(const struct config *c, const char *name, struct env_addr *out,
                           struct ectx *ec)
{
    const char *text = config_text(c, NULL, name, NULL);
    if (text == NULL) {
        *out = (struct env_addr){.host = ""};
        return ERR_OK;
    }
    enum err e = env_addr_parse(str_of(text), out, ec);
    return e == ERR_OK ? ERR_OK : ectx_wrap(ec, e, "%s", name);
}

static enum err check_exposure(const struct server_options *o, struct ectx *ec)
{
    bool exposed = !env_addr_is_loopback(&o->kafka) || !env_addr_is_loopback(&o->http);
    if (!exposed || config_bool(&o->config, NULL, "leat.insecure.allow.anonymous")) {
        return ERR_OK;
    }
    enum err e = ectx_fail(ec, ERR_CONFIG,
                           "refusing to listen beyond loopback (%s, %s): clients are not "
                           "authenticated, anyone who can connect could read and write everything",
                           o->kafka.host, o->http.host);
    ectx_hint(ec, "add --insecure-allow-anonymous if the network is yours alone");
    return e;
}

MUST_USE enum err server_options_load(struct env *env, int argc, char **argv,
                                      char *const *environ_block, struct server_options *out,
                                      struct ectx *ec)
{
    struct server_options o = {.help = false};
    config_init(&o.config, CONFIG_SCOPE_BROKER);
    const char *file = find_config_file(argc, argv, environ_block);
    enum err e = file == NULL ? ERR_OK : load_file(env, &o.config, file, ec);
    if (e == ERR_OK) {
        e = config_load_env(&o.config, environ_block, on_unknown_variable, NULL, ec);
    }
    for (int i = 0; e == ERR_OK && i < argc; i++) {
        e = take_argument(&o, argc, argv, &i, ec);
    }
    if (e == ERR_OK && !o.help) {
        e = parse_addr(&o.config, "leat.kafka", &o.kafka, ec);
        e = e == ERR_OK ? parse_addr(&o.config, "leat.http", &o.http, ec) : e;
        e = e == ERR_OK ? parse_addr(&o.config, "leat.advertise", &o.advertise, ec) : e;
        e = e == ERR_OK ? check_exposure(&o, ec) : e;
    }
    if (e != ERR_OK) {
        config_deinit(&o.config);
        return e;
    }
    *out = o;
    return ERR_OK;
}

void server_options_deinit(struct server_options *o)
{
    config_deinit(&o->config);
}
