/* What the administration handlers share. */
#include "kafka/admin.h"

MUST_USE bool kafka_seen_add(struct map *seen, struct str key)
{
    uintptr_t n = (uintptr_t)map_get(seen, key);
    return map_put(seen, key, (void *)(n + 1));
}

size_t kafka_seen_count(const struct map *seen, struct str key)
{
    return (size_t)(uintptr_t)map_get(seen, key);
}

struct str kafka_error_text(enum err e)
{
    if (e == ERR_UNKNOWN_TOPIC_OR_PARTITION) {
        return STR_LIT("This server does not host this topic-partition.");
    }
    if (e == ERR_UNKNOWN_TOPIC_ID) {
        return STR_LIT("This server does not host this topic ID.");
    }
    if (e == ERR_ELECTION_NOT_NEEDED) {
        return STR_LIT("Leader election not needed for topic partition.");
    }
    if (e == ERR_TOPIC_DELETION_DISABLED) {
        return STR_LIT("Topic deletion is disabled.");
    }
    return str_of(err_text(e));
}

struct str kafka_error_message(struct arena *a, enum err e, const struct ectx *ec)
{
    if (e == ERR_OK) {
        return STR_NULL;
    }
    struct str s = STR_NULL;
    if (ec != NULL && ec->text[0] != '\0') {
        s = ec->hint[0] == '\0' ? arena_str(a, str_of(ec->text))
                                : arena_printf(a, "%s (%s)", ec->text, ec->hint);
    }
    return str_is_null(s) ? kafka_error_text(e) : s;
}

MUST_USE enum err kafka_check_assignment(const int32_t *nodes, int32_t count, struct ectx *ec)
{
    if (count <= 0) {
        return ectx_fail(ec, ERR_INVALID_REPLICA_ASSIGNMENT,
                         "The manual partition assignment includes an empty replica list.");
    }
    for (int32_t i = 0; i < count; i++) {
        if (nodes[i] != BROKER_NODE_ID) {
            return ectx_fail(ec, ERR_INVALID_REPLICA_ASSIGNMENT,
                             "The manual partition assignment includes broker %d, but no such "
                             "broker is registered.",
                             nodes[i]);
        }
    }
    return count == 1
               ? ERR_OK
               : ectx_fail(ec, ERR_INVALID_REPLICA_ASSIGNMENT,
                           "The manual partition assignment includes the broker %d more than once.",
                           BROKER_NODE_ID);
}

MUST_USE enum err kafka_check_node(struct str name, struct ectx *ec)
{
    int64_t n;
    if (!str_to_i64(name, &n)) {
        return ectx_fail(ec, ERR_INVALID_REQUEST, "Node id must be an integer, but it is: %.*s",
                         STR(name));
    }
    if (n != BROKER_NODE_ID) {
        return ectx_fail(ec, ERR_INVALID_REQUEST,
                         "Unexpected broker id, expected %d or empty string, but received %.*s",
                         BROKER_NODE_ID, STR(name));
    }
    return ERR_OK;
}
