/*
 * Any text as configuration. Input: byte 0 chooses: a YAML file, an environment (one variable per
 * line), or one topic option (NAME=VALUE) as a client sets it.
 *
 * Beyond "no crash, no leak": an error has a text, and whatever was taken can be read back, every
 * option by its type.
 */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "fuzz/common.h"

#define VARIABLES_MAX 64

static void read_back(const struct config *c)
{
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);
        if (o->scope != c->scope) {
            continue;
        }
        const char *text = config_text(c, NULL, o->name, NULL);
        if (text == NULL) {
            continue;
        }
        CHECK(!config_has(c, o->name) || config_check(o, str_of(text), NULL) == ERR_OK);
        switch (o->type) {
        case CONFIG_BOOLEAN:
            (void)config_bool(c, NULL, o->name);
            break;
        case CONFIG_INT:
        case CONFIG_SHORT:
        case CONFIG_LONG:
            (void)config_i64(c, NULL, o->name);
            break;
        case CONFIG_DOUBLE:
            (void)config_f64(c, NULL, o->name);
            break;
        case CONFIG_STRING:
        case CONFIG_LIST:
        case CONFIG_CLASS:
        case CONFIG_PASSWORD:
            break;
        }
    }
}

static void on_unknown(void *ctx, struct str variable)
{
    unsigned *count = ctx;
    CHECK(variable.n > 0);
    *count += 1;
}

static enum err load_env(struct config *c, char *text, struct ectx *ec)
{
    char *block[VARIABLES_MAX + 1];
    size_t n = 0;
    unsigned unknown = 0;
    while (text != NULL && n < VARIABLES_MAX) {
        char *end = strchr(text, '\n');
        block[n++] = text;
        if (end != NULL) {
            *end++ = '\0';
        }
        text = end;
    }
    block[n] = NULL;
    enum err e = config_load_env(c, block, on_unknown, &unknown, ec);
    CHECK(unknown <= n);
    return e;
}

static enum err set_one(struct config *c, const char *text, struct ectx *ec)
{
    struct str value;
    struct str name = str_cut(str_of(text), '=', &value);
    const char *near = config_nearest(CONFIG_SCOPE_TOPIC, name);
    CHECK(near == NULL || config_option_find(CONFIG_SCOPE_TOPIC, str_of(near)) != NULL);
    return config_set(c, name, value, CONFIG_FROM_TOPIC, ec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c;
    struct ectx ec = {0};
    enum err e;
    if (size < 1) {
        return 0;
    }
    char *text = malloc(size);
    CHECK(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    config_init(&c, data[0] % 3 == 2 ? CONFIG_SCOPE_TOPIC : CONFIG_SCOPE_BROKER);
    switch (data[0] % 3) {
    case 0:
        e = config_load_yaml(&c, str_make(text, size - 1), "leat.conf", &ec);
        break;
    case 1:
        e = load_env(&c, text, &ec);
        break;
    default:
        e = set_one(&c, text, &ec);
        break;
    }
    CHECK(e == ERR_OK || ec.text[0] != '\0');
    read_back(&c);
    config_deinit(&c);
    free(text);
    return 0;
}

/* Another option, in the form that byte 0 asks for. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
    struct fuzz_source s = fuzz_source_seed(seed);
    struct buf line;
    if (size < 1 || fuzz_below(&s, 3) != 0) {
        return LLVMFuzzerMutate(data, size, max);
    }
    buf_init(&line, 1000);
    uint32_t form = data[0] % 3u;
    fuzz_option_put(&s, (enum fuzz_option_form)form, &line);
    buf_put_z(&line, form == FUZZ_OPTION_PAIR ? "" : "\n");
    if (form == FUZZ_OPTION_PAIR) {
        size = 1;
    }
    size = 1 + fuzz_insert(&s, data + 1, size - 1, max - 1, buf_str(&line));
    buf_deinit(&line);
    return size;
}
