/* The option table as text for people: Markdown for docs/configuration.md, troff for leat.conf(5).
 */
#include "config/config.h"
#include "core/buf.h"

static const char *const TYPE_NAMES[] = {"",     "boolean", "string", "int",   "short",
                                         "long", "double",  "list",   "class", "password"};

static void put_markdown(struct buf *out, const struct config_option *o)
{
    buf_printf(out, "| `%s` | %s | %s%s%s | %s%s |\n", o->name, TYPE_NAMES[o->type],
               o->default_value == NULL ? "" : "`",
               o->default_value == NULL ? "none" : o->default_value,
               o->default_value == NULL ? "" : "`", o->doc,
               (o->flags & CONFIG_SATISFIED) != 0 ? " Any value is satisfied." : "");
}

static void put_troff(struct buf *out, const struct config_option *o)
{
    buf_printf(out, ".TP\n.B %s\n(%s, default %s)\n%s\n", o->name, TYPE_NAMES[o->type],
               o->default_value == NULL ? "none" : o->default_value, o->doc);
}

void config_write_docs(struct buf *out, bool troff)
{
    enum config_scope scope = CONFIG_SCOPE_GROUP;
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);
        if (o->scope != scope) {
            scope = o->scope;
            const char *title = scope == CONFIG_SCOPE_TOPIC ? "Topic options" : "Broker options";
            if (troff) {
                buf_printf(out, ".SH %s\n",
                           scope == CONFIG_SCOPE_TOPIC ? "TOPIC OPTIONS" : "BROKER OPTIONS");
            } else {
                buf_printf(out,
                           "\n## %s\n\n| name | type | default | meaning |\n|---|---|---|---|\n",
                           title);
            }
        }
        if (troff) {
            put_troff(out, o);
        } else {
            put_markdown(out, o);
        }
    }
}
