/* The gate, and which topics are the server's own: what clients may do with them. */
#include "broker/broker_int.h"

#define INTERNAL_PREFIX "__leat_"

void broker_gate_set(struct broker *b, const struct broker_gate *gate)
{
    if (gate == NULL) {
        broker_gate_expire(b, 0); /* else it would pass unjudged */
    }
    b->has_gate = gate != NULL;
    if (gate != NULL) {
        b->gate = *gate;
    }
}

bool broker_topic_is_internal(struct str name)
{
    const struct str prefix = STR_LIT(INTERNAL_PREFIX);
    return name.n >= prefix.n && str_eq(str_make(name.p, prefix.n), prefix);
}

enum err broker_client_may(struct broker *b, struct str topic, const char *what, struct str setting,
                           struct ectx *ec)
{
    if (broker_topic_is_internal(topic)) {
        return ectx_fail(ec, ERR_POLICY_VIOLATION,
                         "Topic '%.*s' is the server's own (" INTERNAL_PREFIX
                         "...): clients may read it, and not %s it.",
                         STR(topic), what);
    }
    if (!b->has_gate || !b->gate.guards(b->gate.ctx, topic)) {
        return ERR_OK;
    }
    struct ectx why = {.code = ERR_OK};
    if (b->gate.change(b->gate.ctx, topic, what, setting, &why) == ERR_OK) {
        return ERR_OK;
    }
    if (ec != NULL) {
        *ec = why;
        ec->code = ERR_POLICY_VIOLATION;
    }
    return ERR_POLICY_VIOLATION;
}
