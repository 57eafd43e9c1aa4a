/*
 * The rules of an append, as one pure function over facts: which of its events are known, where,
 * and what the streams are. Nothing here knows an index or a log.
 */
#ifndef LEAT_ES_RULES_H
#define LEAT_ES_RULES_H

#include "es/es_int.h"

struct es_rule_event {
    uint32_t stream; /* of es_rules.streams */
    bool known;      /* its id names an event of the stream */
    bool same_body;
    uint64_t revision; /* that it is known at */
};
struct es_rule_stream {
    bool has_events;
    uint64_t head;
    struct es_status status;
    uint64_t first, next; /* es_rules_judge's own */
};
struct es_rule_expectation {
    uint32_t stream;
    struct es_expected expected;
};
struct es_rules {
    const struct es_rule_event *events;
    size_t event_count;
    struct es_rule_stream *streams;
    size_t stream_count;
    const struct es_rule_expectation *expectations;
    size_t expectation_count;
    bool query_violated; /* an event matches a query that none may match */
};
enum es_ruling {
    ES_RULE_APPEND,
    ES_RULE_ORIGINAL, /* it is there: the original answer */
    ES_RULE_TOMBSTONED,
    ES_RULE_REUSED,
    ES_RULE_PARTIAL,
    ES_RULE_CONFLICT,
};
/* *culprit: index of the event that decided, for TOMBSTONED, REUSED, PARTIAL. */
enum es_ruling es_rules_judge(const struct es_rules *r, size_t *culprit);
/* Does it hold now? */
bool es_rules_hold(const struct es_expected *e, const struct es_rule_stream *s);
/* That it does not: what was expected, and what is there. */
void es_rules_say(const struct es_expected *e, struct str stream, const struct es_rule_stream *s,
                  struct ectx *ec);

#endif
