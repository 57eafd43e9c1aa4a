/*
 * Upcasts: an old event in its newest form. A step says from which type and version to which, and
 * how the data changes; steps are followed until none begins at what was made.
 *
 * An event in a form that no step begins at stays as it is: bringing an event up twice is bringing
 * it up once.
 */
#include "core/compiler.h"
#include "mapping/upcast_int.h"

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
}

struct chain {
    const struct mapping_upcasts *u;
    struct arena *a;
    struct mapping_upcasted *made;
    size_t count;
    size_t work; /* parts that were made on the way */
    bool suffix; /* the type carries its version */
    struct ectx *ec;
};

static enum err follow(struct chain *c, const struct mapping_event *event, struct str base,
                       struct str version, bool first);

/* What a part makes of the event's data; null: it does not apply. */
static enum err part_apply(const struct upcast_part *p, const struct mapping_event *event,
                           struct chain *c, struct json **out)
{
    const struct json_limits limits = {.allow_same_names = true}; /* as events may have them */
    const struct mapping_scope scope = {.event = event, .arena = c->a};
    struct str text = STR_NULL;
    bool yes = false;
    *out = NULL;
    enum err e = mapping_test(p->when, &scope, &yes, c->ec);
    if (e != ERR_OK || !yes) {
        return e;
    }
    e = upcast_change(p, event, c->a, &text, c->ec);
    e = e != ERR_OK ? e : json_parse(text, &limits, c->a, out, c->ec);
    return e == ERR_LIMIT ? ERR_MALFORMED : e; /* it became too deep */
}

static enum err step_apply(const struct upcast_step *s, const struct mapping_event *event,
                           struct chain *c)
{
    for (size_t i = 0; i < s->part_count; i++) {
        const struct upcast_part *p = &s->parts[i];
        struct json *data = NULL;
        if (++c->work > MAPPING_WORK_MAX) {
            return ectx_fail(c->ec, ERR_MALFORMED, "its upcasts take more than %u steps",
                             MAPPING_WORK_MAX);
        }
        enum err e = part_apply(p, event, c, &data);
        if (e != ERR_OK) {
            return e == ERR_MALFORMED
                       ? ectx_wrap(c->ec, e, "upcast from %.*s to %.*s", STR(s->from), STR(p->to))
                       : e;
        }
        if (data == NULL) {
            continue;
        }
        struct envelope envelope = *event->envelope;
        struct mapping_event next = *event;
        envelope.type = c->suffix ? p->to : p->to_base;
        envelope.version = p->to_version;
        next.envelope = &envelope;
        next.data = data;
        e = follow(c, &next, p->to_base, p->to_version, false);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err follow(struct chain *c, const struct mapping_event *event, struct str base,
                       struct str version, bool first)
{
    const struct upcast_node *node = upcast_find(c->u, base, version);
    if (node != NULL) {
        return step_apply(node->step, event, c);
    }
    if (first) {
        return ERR_OK;
    }
    if (c->count == MAPPING_SPLIT_MAX) {
        return ectx_fail(c->ec, ERR_MALFORMED, "one event became more than %u", MAPPING_SPLIT_MAX);
    }
    c->made[c->count] = (struct mapping_upcasted){.type = event->envelope->type,
                                                  .version = event->envelope->version,
                                                  .data = event->data->raw,
                                                  .index = (uint32_t)c->count};
    c->count++;
    return ERR_OK;
}

MUST_USE enum err mapping_upcast(const struct mapping_upcasts *u, const struct mapping_event *event,
                                 struct arena *a, struct mapping_upcasted **out, size_t *count,
                                 struct ectx *ec)
{
    struct str suffix;
    struct str base = mapping_type_base(event->envelope->type, &suffix);
    struct str version = str_is_null(suffix) ? event->envelope->version : suffix;
    *out = NULL;
    *count = 0;
    if (event->redacted || upcast_find(u, base, version) == NULL) {
        return ERR_OK;
    }
    if (event->data == NULL) {
        return ectx_fail(ec, ERR_MALFORMED,
                         "the data of this event is no JSON, so it cannot be "
                         "brought into its newest form");
    }
    struct chain c = {.u = u,
                      .a = a,
                      .ec = ec,
                      .suffix = !str_is_null(suffix) || str_is_null(event->envelope->version),
                      .made = arena_new_n(a, struct mapping_upcasted, MAPPING_SPLIT_MAX)};
    if (c.made == NULL) {
        return no_memory(ec);
    }
    enum err e = follow(&c, event, base, version, true);
    if (e == ERR_OK) {
        *out = c.made;
        *count = c.count;
    }
    return e;
}
