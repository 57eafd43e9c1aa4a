/* --property NAME=VALUE: what librdkafka shall do differently. */
#include "cli/properties.h"

MUST_USE enum err properties_add(struct cli *cli, struct rdkafka_setting *s, size_t *count)
{
    const struct cli_list *list = &cli->lists[OPT_PROPERTY];
    for (size_t i = 0; i < list->count; i++) {
        struct str name, value;
        enum err e = cli_pair(list->items[i], "--property", &name, &value, &cli->ec);
        if (e != ERR_OK) {
            return e;
        }
        name = arena_str(&cli->arena, name);
        if (name.p == NULL) {
            return ectx_fail(&cli->ec, ERR_NO_MEMORY, "out of memory");
        }
        s[(*count)++] = (struct rdkafka_setting){name.p, value.p};
    }
    return ERR_OK;
}
