/* Positions in words, resolved by asking the leaders. */
#include "cli/position.h"

#include <string.h>

#include "cli/out.h"

MUST_USE enum err position_parse(const char *text, const char *option, struct position *out,
                                 struct ectx *ec)
{
    int64_t v;
    if (strcmp(text, "start") == 0 || strcmp(text, "beginning") == 0) {
        *out = (struct position){POSITION_START, 0};
        return ERR_OK;
    }
    if (strcmp(text, "end") == 0) {
        *out = (struct position){POSITION_END, 0};
        return ERR_OK;
    }
    if (str_to_i64(str_of(text), &v)) {
        *out = (struct position){v < 0 ? POSITION_LAST : POSITION_OFFSET, v < 0 ? -v : v};
        return ERR_OK;
    }
    if (parse_time(text, &v, ec) == ERR_OK) {
        *out = (struct position){POSITION_TIME, v};
        return ERR_OK;
    }
    enum err e = ectx_fail(ec, ERR_CONFIG, "%s '%s' is no position", option, text);
    ectx_hint(ec, "write start, end, an offset (42), -10 (ten before the end), a time "
                  "(2026-11-20T20:15:00Z) or -15m");
    return e;
}

/* Asks for one time in all places; a partition without a leader is an error here. */
static enum err ask(struct client *c, struct str topic, const struct place *places, size_t n,
                    int64_t time, struct offset_query *q, struct ectx *ec)
{
    for (size_t i = 0; i < n; i++) {
        q[i] = (struct offset_query){.topic = topic,
                                     .partition = places[i].partition,
                                     .leader = places[i].leader,
                                     .time = time};
    }
    enum err e = cluster_offsets(c, q, n, ec);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        if (q[i].code == CODE_LEADER_NOT_AVAILABLE) {
            e = ectx_fail(ec, ERR_NOT_LEADER_OR_FOLLOWER, "partition %d of '%.*s' has no leader",
                          q[i].partition, STR(topic));
        } else {
            e = client_code(q[i].code, STR_NULL, ec, "offsets of partition %d of '%.*s'",
                            q[i].partition, STR(topic));
        }
    }
    return e;
}

static int64_t within(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

MUST_USE enum err position_resolve(struct client *c, const struct wire_metadata_response_topic *t,
                                   int32_t only, const struct position *p, struct place **out,
                                   size_t *count, struct ectx *ec)
{
    size_t cap = t->partitions_count > 0 ? (size_t)t->partitions_count : 0;
    struct place *places = arena_new_n(client_arena(c), struct place, cap + 1);
    struct offset_query *q = arena_new_n(client_arena(c), struct offset_query, cap + 1);
    if (places == NULL || q == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    size_t n = 0;
    for (size_t i = 0; i < cap; i++) {
        if (only < 0 || t->partitions[i].partition_index == only) {
            places[n++] = (struct place){.partition = t->partitions[i].partition_index,
                                         .leader = t->partitions[i].leader_id};
        }
    }
    if (n == 0) {
        enum err e = ectx_fail(ec, ERR_UNKNOWN_TOPIC_OR_PARTITION,
                               "topic '%.*s' has no partition %d", STR(t->name), only);
        ectx_hint(ec, "it has %d, counted from 0", t->partitions_count);
        return e;
    }
    enum err e = ask(c, t->name, places, n, OFFSET_START, q, ec);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        places[i].start = q[i].offset;
    }
    if (e == ERR_OK) {
        e = ask(c, t->name, places, n, OFFSET_END, q, ec);
    }
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        places[i].end = q[i].offset;
        int64_t wanted = p->kind == POSITION_START    ? places[i].start
                         : p->kind == POSITION_OFFSET ? p->value
                         : p->kind == POSITION_LAST   ? clamped_sub(places[i].end, p->value)
                                                      : places[i].end;
        places[i].at = within(wanted, places[i].start, places[i].end);
    }
    if (e == ERR_OK && p->kind == POSITION_TIME) {
        e = ask(c, t->name, places, n, p->value, q, ec);
        for (size_t i = 0; i < n && e == ERR_OK; i++) {
            places[i].at = q[i].offset < 0 ? places[i].end : q[i].offset;
        }
    }
    if (e == ERR_OK) {
        *out = places;
        *count = n;
    }
    return e;
}
