/*
 * Live-only actions: appends to the event store that follow from events which happen now, and never
 * from a rebuild.
 *
 * An action is a row of leat_action, written in the transaction of its event's rows and deleted
 * when the append is durable; its id derives from projection, action and event, so that a second
 * attempt is recognised by the store. Once in the log, whatever crashes:
 *
 *   served version     its events from live_from on: rows that may be sent (gated 0)
 *   any other version  those that the served one has not dealt with: rows that wait (gated 1). It
 *                      has dealt with what is below its position, but not with what is parked in
 *                      it. What it has dealt with is its own affair: those rows are deleted
 *   the switch         in its transaction: of the other version's rows those go that the served one
 *                      has dealt with, the rest may be sent from now on
 *
 * What one dealt with and the next one has parked and applies later is an action of both. The
 * second one has the same id, and the event store knows it.
 */
#include "proj/apply_int.h"

#include "core/compiler.h"
#include "json/json.h"

#define DATA_BYTES_MAX (1u << 20)
#define ID_MAX         128u

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for an action");
}

struct position_row {
    bool found;
    int64_t position, live_from;
};
static bool take_position(void *ctx, const struct mapping_value *values, size_t count)
{
    struct position_row *row = ctx;
    (void)count;
    *row = (struct position_row){true, values[0].integer, values[1].integer};
    return false;
}
struct range_row {
    bool found;
    int64_t first, last;
};
static bool take_range(void *ctx, const struct mapping_value *values, size_t count)
{
    struct range_row *row = ctx;
    (void)count;
    if (values[0].kind != MAPPING_NULL) {
        *row = (struct range_row){true, values[0].integer, values[1].integer};
    }
    return false;
}
static bool take_served(void *ctx, const struct mapping_value *values, size_t count)
{
    (void)count;
    *(uint32_t *)ctx = (uint32_t)values[0].integer;
    return false;
}

/* Of a version, in the topic that we read: one that has another of this name has reached nothing
 * of it. */
static enum err position_of(struct apply *a, uint32_t version, struct str shard,
                            struct position_row *row, struct ectx *ec)
{
    const struct mapping_value params[] = {apply_name(a), apply_int(version), apply_text(shard),
                                           apply_version(a)};
    return a->driver->query(a->meta[META_CHECK_SHARD], params, ARRAY_LEN(params), take_position,
                            row, ec);
}

/* Of which offsets of the shard actions follow, as of this transaction. The order of the questions
 * matters: what was parked after the first is counted among what is not reached. */
static enum err look_at_gate(struct apply *a, struct str shard, struct ectx *ec)
{
    if (a->gate.known && str_eq(a->gate.shard, shard)) {
        return ERR_OK;
    }
    struct mapping_value name = apply_name(a);
    uint32_t served = 0;
    enum err e = a->driver->query(a->meta[META_SERVED], &name, 1, take_served, &served, ec);
    bool direct = served == a->d->version;
    struct position_row own = {0};
    struct position_row reached = {0};
    struct range_row parked = {0};
    e = e != ERR_OK ? e : position_of(a, a->d->version, shard, &own, ec);
    if (e == ERR_OK && !direct) {
        const struct mapping_value params[] = {apply_name(a), apply_int(served), apply_text(shard)};
        e = position_of(a, served, shard, &reached, ec);
        e = e != ERR_OK ? e
                        : a->driver->query(a->meta[META_PARKED_RANGE], params, ARRAY_LEN(params),
                                           take_range, &parked, ec);
    }
    if (e == ERR_OK) {
        a->gate.known = true;
        a->gate.shard = shard;
        a->gate.direct = direct;
        a->gate.served = served;
        a->gate.live_from = own.live_from > reached.live_from ? own.live_from : reached.live_from;
        a->gate.reached = reached.position;
        a->gate.parked_first = parked.found ? parked.first : 1;
        a->gate.parked_last = parked.found ? parked.last : 0;
    }
    return e;
}

/* Between the parked ones are others: their rows go before the transaction ends. */
static bool is_through(const struct apply *a, int64_t offset)
{
    return offset >= a->gate.live_from &&
           (offset >= a->gate.reached ||
            (offset >= a->gate.parked_first && offset <= a->gate.parked_last));
}

static enum err write_data(struct apply *a, const struct def_action *x,
                           const struct mapping_scope *scope, struct str *out, struct ectx *ec)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, DATA_BYTES_MAX);
    json_write_init(&w, &b);
    json_write_begin(&w, '{');
    enum err e = ERR_OK;
    for (size_t i = 0; i < x->count && e == ERR_OK; i++) {
        struct mapping_value v;
        e = mapping_eval(x->values[i], scope, &v, ec);
        if (e == ERR_OK) {
            json_write_name_str(&w, x->fields[i]);
            mapping_write_value(&w, &v);
        }
    }
    json_write_end(&w, '}');
    *out = e != ERR_OK || buf_failed(&b) ? STR_NULL : arena_str(&a->event_arena, buf_str(&b));
    if (e == ERR_OK && b.over) { /* every time: it is the event's fault */
        e = ectx_fail(ec, ERR_MALFORMED, "its data is larger than %u bytes", DATA_BYTES_MAX);
    }
    buf_deinit(&b);
    return e != ERR_OK ? e : str_is_null(*out) ? no_memory(ec) : ERR_OK;
}

static enum err text_of(struct apply *a, const struct mapping_expr *x,
                        const struct mapping_scope *scope, struct str *out, struct ectx *ec)
{
    struct mapping_value v;
    enum err e = mapping_eval(x, scope, &v, ec);
    if (e == ERR_OK && v.kind == MAPPING_NULL) {
        struct str source = mapping_source(x);
        e = ectx_fail(ec, ERR_MALFORMED, "%.*s is not there", STR(source));
    }
    return e != ERR_OK ? e : mapping_value_text(&v, &a->event_arena, out) ? ERR_OK : no_memory(ec);
}

static const char *made_anew(const struct apply *a, struct str shard)
{
    for (size_t i = 0; i < a->shard_count; i++) {
        if (str_eq_z(shard, a->shards[i].name)) {
            return a->shards[i].anew;
        }
    }
    return "";
}

/* Of projection, action and event; of no version, so also not of which forms its rules want. */
static struct str id_of(struct apply *a, const struct def_action *x, const struct apply_event *e)
{
    struct str id = arena_printf(&a->event_arena, "%.*s.%.*s.%.*s.%lld", STR(a->d->name),
                                 STR(x->name), STR(e->shard), (long long)e->record->offset);
    const char *anew = made_anew(a, e->shard);
    if (anew[0] != 0) {
        id = arena_printf(&a->event_arena, "%.*s.%s", STR(id), anew);
    }
    const uint32_t form = e->form_count == 0 ? 0 : e->forms[e->form].index;
    if (form > 0) { /* one of several events that an old one became */
        id = arena_printf(&a->event_arena, "%.*s.%u", STR(id), form);
    }
    if (id.n <= ID_MAX) {
        return id;
    }
    uint64_t h[2] = {0xcbf29ce484222325ull, 0x84222325cbf29ce4ull};
    for (size_t i = 0; i < id.n; i++) {
        h[0] = (h[0] ^ (unsigned char)id.p[i]) * 0x100000001b3ull;
        h[1] = (h[1] ^ (unsigned char)id.p[id.n - 1 - i]) * 0x100000001b3ull;
    }
    return arena_printf(&a->event_arena, "leat.%016llx%016llx", (unsigned long long)h[0],
                        (unsigned long long)h[1]);
}

MUST_USE enum err apply_actions(struct apply *a, const struct def_rule *rule,
                                const struct apply_event *event, const struct mapping_scope *scope,
                                bool *dirty, struct ectx *ec)
{
    bool yes = false;
    enum err e = rule->action_count == 0 ? ERR_OK : mapping_test(rule->when, scope, &yes, ec);
    if (e != ERR_OK || !yes) {
        return e;
    }
    e = look_at_gate(a, event->shard, ec);
    a->doubt = e == ERR_MALFORMED;
    if (e != ERR_OK || !is_through(a, event->record->offset)) {
        return e;
    }
    for (size_t i = 0; i < rule->action_count && e == ERR_OK; i++) {
        const struct def_action *x = &rule->actions[i];
        struct str stream;
        struct str type;
        struct str data;
        e = text_of(a, x->stream, scope, &stream, ec);
        e = e != ERR_OK ? e : text_of(a, x->type, scope, &type, ec);
        e = e != ERR_OK ? e : write_data(a, x, scope, &data, ec);
        if (e != ERR_OK) {
            return e == ERR_MALFORMED ? ectx_wrap(ec, e, "action %.*s", STR(x->name)) : e;
        }
        struct str id = id_of(a, x, event);
        if (str_is_null(id)) {
            return no_memory(ec);
        }
        const struct mapping_value params[] = {apply_name(a),
                                               apply_version(a),
                                               apply_text(id),
                                               apply_text(event->shard),
                                               apply_int(event->record->offset),
                                               apply_int(a->gate.direct ? 0 : 1),
                                               apply_text(stream),
                                               apply_text(type),
                                               apply_text(data),
                                               apply_text(event->envelope.id),
                                               apply_text(event->envelope.correlation),
                                               apply_text(event->envelope.traceparent)};
        *dirty = true;
        e = apply_meta(a, META_ACTION, params, ARRAY_LEN(params), NULL, ec);
        a->counts->actions++;
    }
    return e;
}

/* Rows that wait and whose events the served version has dealt with meanwhile. */
MUST_USE enum err apply_actions_trim(struct apply *a, struct str shard, struct ectx *ec)
{
    if (!a->d->has_actions) {
        return ERR_OK;
    }
    enum err e = look_at_gate(a, shard, ec);
    if (e != ERR_OK || a->gate.direct) {
        return e;
    }
    const struct mapping_value params[] = {apply_name(a), apply_version(a), apply_text(shard),
                                           apply_int(a->gate.reached), apply_int(a->gate.served)};
    return apply_meta(a, META_ACTION_TRIM, params, ARRAY_LEN(params), NULL, ec);
}
