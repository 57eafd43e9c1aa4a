/* Where broker values come from: a YAML file (nested maps or dotted names alike) and LEAT_
 * environment variables. */
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "config/config.h"
#include "core/buf.h"

#define YAML_DEPTH_MAX 8
#define NAME_MAX_BYTES 256u

struct yaml_walk {
    struct config *c;
    const char *file;
    yaml_document_t doc;
    struct ectx *ec;
};

static enum err load_node(struct yaml_walk *w, yaml_node_t *node, const char *name, int depth);

static enum err fail_at(struct yaml_walk *w, const yaml_node_t *node, const char *what)
{
    return ectx_fail(w->ec, ERR_CONFIG, "%s:%zu: %s", w->file, node->start_mark.line + 1, what);
}

static enum err set_at(struct yaml_walk *w, const yaml_node_t *node, const char *name,
                       struct str value)
{
    enum err e = config_set(w->c, str_of(name), value, CONFIG_FROM_STATIC, w->ec);
    return e == ERR_OK ? ERR_OK : ectx_wrap(w->ec, e, "%s:%zu", w->file, node->start_mark.line + 1);
}

static enum err load_map(struct yaml_walk *w, yaml_node_t *node, const char *prefix, int depth)
{
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_document_get_node(&w->doc, pair->key);
        yaml_node_t *value = yaml_document_get_node(&w->doc, pair->value);
        if (key == NULL || value == NULL || key->type != YAML_SCALAR_NODE) {
            return fail_at(w, node, "option names must be plain words");
        }
        char name[NAME_MAX_BYTES];
        int n = snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".",
                         (const char *)key->data.scalar.value);
        if (n < 0 || (size_t)n >= sizeof(name)) {
            return fail_at(w, key, "option name too long");
        }
        enum err e = load_node(w, value, name, depth + 1);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err load_list(struct yaml_walk *w, yaml_node_t *node, const char *name)
{
    struct buf b;
    buf_init(&b, 64 * 1024);
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        yaml_node_t *one = yaml_document_get_node(&w->doc, *item);
        if (one == NULL || one->type != YAML_SCALAR_NODE) {
            buf_deinit(&b);
            return fail_at(w, node, "list entries must be plain words");
        }
        if (b.n > 0) {
            buf_put_u8(&b, ',');
        }
        buf_put(&b, one->data.scalar.value, one->data.scalar.length);
    }
    enum err e =
        buf_failed(&b) ? fail_at(w, node, "list too long") : set_at(w, node, name, buf_str(&b));
    buf_deinit(&b);
    return e;
}

static enum err load_node(struct yaml_walk *w, yaml_node_t *node, const char *name, int depth)
{
    if (depth > YAML_DEPTH_MAX) {
        return fail_at(w, node, "nested too deep");
    }
    switch (node->type) {
    case YAML_MAPPING_NODE:
        return load_map(w, node, name, depth);
    case YAML_SEQUENCE_NODE:
        return load_list(w, node, name);
    case YAML_SCALAR_NODE:
        if (name[0] == '\0') {
            return fail_at(w, node, "expected `option: value` lines");
        }
        return set_at(w, node, name, str_make(node->data.scalar.value, node->data.scalar.length));
    case YAML_NO_NODE:
        break;
    }
    return fail_at(w, node, "expected a value");
}

MUST_USE enum err config_load_yaml(struct config *c, struct str text, const char *file_name,
                                   struct ectx *ec)
{
    yaml_parser_t parser;
    struct yaml_walk w = {.c = c, .file = file_name, .ec = ec};
    if (!yaml_parser_initialize(&parser)) {
        return ectx_fail(ec, ERR_NO_MEMORY, "%s: out of memory", file_name);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    if (!yaml_parser_load(&parser, &w.doc)) {
        enum err e = ectx_fail(ec, ERR_CONFIG, "%s:%zu: not valid YAML: %s", file_name,
                               parser.problem_mark.line + 1,
                               parser.problem == NULL ? "unreadable" : parser.problem);
        yaml_parser_delete(&parser);
        return e;
    }
    yaml_node_t *root = yaml_document_get_root_node(&w.doc);
    enum err e = root == NULL ? ERR_OK : load_node(&w, root, "", 0); /* an empty file is fine */
    yaml_document_delete(&w.doc);
    yaml_parser_delete(&parser);
    return e;
}

/* "NUM_PARTITIONS" -> "num.partitions"; false: too long. */
static bool env_to_name(struct str upper, const char *prefix, char out[NAME_MAX_BYTES])
{
    size_t n = strlen(prefix);
    if (n + upper.n + 1 > NAME_MAX_BYTES) {
        return false;
    }
    memcpy(out, prefix, n);
    for (size_t i = 0; i < upper.n; i++) {
        char ch = upper.p[i];
        out[n + i] = ch == '_' ? '.' : (ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch);
    }
    out[n + upper.n] = '\0';
    return true;
}

MUST_USE enum err config_load_env(struct config *c, char *const *environ_block,
                                  void (*unknown)(void *ctx, struct str variable), void *ctx,
                                  struct ectx *ec)
{
    for (char *const *p = environ_block; *p != NULL; p++) {
        struct str value;
        struct str variable = str_cut(str_of(*p), '=', &value);
        if (!str_starts(variable, "LEAT_")) {
            continue;
        }
        struct str rest = str_make(variable.p + 5, variable.n - 5);
        char ours[NAME_MAX_BYTES];
        char kafkas[NAME_MAX_BYTES];
        if (!env_to_name(rest, "leat.", ours) || !env_to_name(rest, "", kafkas)) {
            unknown(ctx, variable);
            continue;
        }
        const char *name = config_option_find(c->scope, str_of(ours)) != NULL ? ours : kafkas;
        if (config_option_find(c->scope, str_of(name)) == NULL) {
            unknown(ctx, variable);
            continue;
        }
        enum err e = config_set(c, str_of(name), value, CONFIG_FROM_STATIC, ec);
        if (e != ERR_OK) {
            return ectx_wrap(ec, e, "environment variable %.*s", STR(variable));
        }
    }
    return ERR_OK;
}
