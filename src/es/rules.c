/*
 * The rules, in their order (an event id names one event of a stream for the stream's life):
 *
 *   0  a stream that is written has a tombstone                     tombstoned, for ever
 *   1  an id is known with another body                             event-id-reused
 *   2  all ids are known, each stream's in order and contiguous,
 *      at the place that its expectations imply; in an earlier
 *      life of the stream that is any place                         the original answer
 *   3  some are known, some are not                                 partial-duplicate
 *   4  an expectation or a query fails                              revision-conflict
 *   5  all are known, elsewhere                                     event-id-reused
 *      else                                                         it is appended
 *
 * Only 1 to 3 and 5 look at ids, so an append whose events are all new goes from 0 to 4.
 */
#include "es/rules.h"

bool es_expected_parse(struct str s, struct es_expected *out)
{
    uint64_t revision = 0;
    if (str_eq_z(s, "any")) {
        *out = (struct es_expected){ES_ANY, 0};
    } else if (str_eq_z(s, "no_stream")) {
        *out = (struct es_expected){ES_NO_STREAM, 0};
    } else if (str_eq_z(s, "exists")) {
        *out = (struct es_expected){ES_EXISTS, 0};
    } else if (str_to_u64(s, &revision)) {
        *out = (struct es_expected){ES_REVISION, revision};
    } else {
        return false;
    }
    return true;
}

bool es_rules_hold(const struct es_expected *e, const struct es_rule_stream *s)
{
    enum es_state now = es_state_now(&s->status, s->has_events, s->head);
    bool there = now == ES_ACTIVE && s->has_events;
    switch (e->kind) {
    case ES_ANY:
        return true;
    case ES_NO_STREAM:
        return now != ES_TOMBSTONED && !there;
    case ES_EXISTS:
        return there;
    case ES_REVISION:
        return there && s->head == e->revision;
    }
    return false;
}

void es_rules_say(const struct es_expected *e, struct str stream, const struct es_rule_stream *s,
                  struct ectx *ec)
{
    static const char *const names[] = {"any", "no_stream", "exists"};
    const enum es_state now = es_state_now(&s->status, s->has_events, s->head);
    const bool there = now == ES_ACTIVE && s->has_events;
    char digits[STR_U64_MAX];
    const struct str expected =
        e->kind == ES_REVISION ? str_of_u64(e->revision, digits) : str_of(names[e->kind]);
    if (there) {
        IGNORE(ectx_fail(ec, ERR_EXISTS, "stream '%.*s' is at revision %llu, expected was %.*s",
                         STR(stream), (unsigned long long)s->head, STR(expected)));
    } else {
        IGNORE(ectx_fail(ec, ERR_EXISTS, "stream '%.*s' %s, expected was %.*s", STR(stream),
                         now == ES_ACTIVE ? "has no events" : "was deleted", STR(expected)));
    }
}

/* Could an append with this expectation have put its events from `first` to before `next` there?
 * Where the lives before the present one began is not kept: anything that lies within them may have
 * begun one. (The ids are those of the call, and so is what they name: to say that it is there is
 * true in any case.) */
static bool implies(const struct es_expected *e, const struct es_rule_stream *s)
{
    const uint64_t first = s->first;
    const bool begins = first == 0 || (s->status.born > 0 && first == s->status.born);
    switch (e->kind) {
    case ES_ANY:
        return true;
    case ES_NO_STREAM:
        return begins || s->next <= s->status.born;
    case ES_EXISTS:
        return !begins;
    case ES_REVISION:
        return first > 0 && e->revision == first - 1;
    }
    return false;
}

/* Every event is known: does each stream's run lie there in one piece, where it should? */
static bool is_original(const struct es_rules *r)
{
    for (size_t i = 0; i < r->stream_count; i++) {
        r->streams[i].first = UINT64_MAX;
    }
    for (size_t i = 0; i < r->event_count; i++) {
        const struct es_rule_event *e = &r->events[i];
        struct es_rule_stream *s = &r->streams[e->stream];
        if (s->first == UINT64_MAX) {
            s->first = s->next = e->revision;
        }
        if (e->revision != s->next) {
            return false;
        }
        s->next++;
    }
    for (size_t i = 0; i < r->expectation_count; i++) {
        const struct es_rule_stream *s = &r->streams[r->expectations[i].stream];
        if (s->first != UINT64_MAX && !implies(&r->expectations[i].expected, s)) {
            return false;
        }
    }
    return true;
}

static bool expectations_hold(const struct es_rules *r)
{
    for (size_t i = 0; i < r->expectation_count; i++) {
        if (!es_rules_hold(&r->expectations[i].expected, &r->streams[r->expectations[i].stream])) {
            return false;
        }
    }
    return !r->query_violated;
}

enum es_ruling es_rules_judge(const struct es_rules *r, size_t *culprit)
{
    size_t known = 0;
    size_t first_known = 0;
    *culprit = 0;
    for (size_t i = 0; i < r->event_count; i++) {
        if (r->streams[r->events[i].stream].status.fact_state == ES_FACT_TOMBSTONED) {
            *culprit = i;
            return ES_RULE_TOMBSTONED;
        }
    }
    for (size_t i = r->event_count; i-- > 0;) {
        if (r->events[i].known) {
            known++;
            first_known = i;
        }
    }
    for (size_t i = first_known; known > 0 && i < r->event_count; i++) {
        if (r->events[i].known && !r->events[i].same_body) {
            *culprit = i;
            return ES_RULE_REUSED;
        }
    }
    *culprit = first_known;
    if (known > 0 && known == r->event_count && is_original(r)) {
        return ES_RULE_ORIGINAL;
    }
    if (known > 0 && known < r->event_count) {
        return ES_RULE_PARTIAL;
    }
    if (!expectations_hold(r)) {
        return ES_RULE_CONFLICT;
    }
    return known > 0 ? ES_RULE_REUSED : ES_RULE_APPEND;
}
