/* Rules of a definition: for which events, with which rows looked up, what is done, in this order:
 * upsert, increment, update, delete, sql, and the live-only actions. */
#include "proj/def.h"

#include <string.h>

#include "core/compiler.h"

static const char *const op_kinds[] = {"upsert", "increment", "update", "delete", "sql"};

static enum err no_memory(struct def_parser *p)
{
    return ectx_fail(p->ec, ERR_NO_MEMORY, "out of memory");
}

static size_t entries(const struct json *v)
{
    return v == NULL ? 0 : v->kind == JSON_ARRAY ? v->count : 1;
}

static enum err parse_lookups(struct def_parser *p, const struct json *v, struct def_rule *rule)
{
    const struct json *lookups = json_get(v, "lookup");
    if (lookups == NULL) {
        return ERR_OK;
    }
    if (lookups->kind != JSON_OBJECT || lookups->count > DEF_LOOKUPS_MAX) {
        return mapping_fail(&p->doc, lookups, 0, p->ec,
                            "'lookup' must be a mapping of at most %u names to look-ups",
                            DEF_LOOKUPS_MAX);
    }
    rule->lookups = arena_new_n(&p->d->arena, struct def_lookup, lookups->count + 1);
    rule->row_names = arena_new_n(&p->d->arena, struct mapping_row, lookups->count + 1);
    if (rule->lookups == NULL || rule->row_names == NULL) {
        return no_memory(p);
    }
    for (const struct json *m = lookups->first; m != NULL; m = m->next) {
        struct def_lookup *l = &rule->lookups[rule->lookup_count];
        l->name = m->name;
        enum err e = def_check_name(p, m, "lookup", m->name);
        e = e != ERR_OK ? e : def_parse_lookup(p, m, l);
        if (e != ERR_OK) {
            return e;
        }
        p->d->looks_around = true;
        rule->row_names[rule->lookup_count++] =
            (struct mapping_row){.name = l->name, .columns = l->columns, .count = l->column_count};
    }
    return ERR_OK;
}

static enum err parse_ops(struct def_parser *p, const struct json *v, struct def_rule *rule,
                          const struct mapping_names *names)
{
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(op_kinds); i++) {
        count += entries(json_get(v, op_kinds[i]));
    }
    if (count > DEF_OPS_MAX) {
        return mapping_fail(&p->doc, v, 0, p->ec, "a rule has at most %u statements", DEF_OPS_MAX);
    }
    rule->ops = arena_new_n(&p->d->arena, struct def_op, count + 1);
    if (rule->ops == NULL) {
        return no_memory(p);
    }
    for (size_t i = 0; i < ARRAY_LEN(op_kinds); i++) {
        const struct json *m = json_get(v, op_kinds[i]);
        bool list = m != NULL && m->kind == JSON_ARRAY;
        for (const struct json *op = list ? m->first : m; op != NULL; op = list ? op->next : NULL) {
            enum err e = def_parse_op(p, op_kinds[i], op, names, &rule->ops[rule->op_count]);
            if (e != ERR_OK) {
                return e;
            }
            p->d->looks_around = p->d->looks_around || !rule->ops[rule->op_count].by_key;
            rule->op_count++;
        }
    }
    return ERR_OK;
}

static enum err parse_action(struct def_parser *p, const struct json *v,
                             const struct mapping_names *names, struct def_action *action)
{
    static const char *const members[] = {"name", "stream", "type", "data"};
    enum err e = mapping_check_members(&p->doc, v, "an action", members, ARRAY_LEN(members), p->ec);
    e = e != ERR_OK ? e : mapping_text(&p->doc, v, "name", true, &action->name, p->ec);
    e = e != ERR_OK ? e : def_check_name(p, json_get(v, "name"), "action", action->name);
    const struct json *data = json_get(v, "data");
    if (e == ERR_OK && (json_get(v, "stream") == NULL || json_get(v, "type") == NULL)) {
        e = mapping_fail(&p->doc, v, 0, p->ec, "an action needs 'stream' and 'type'");
    }
    if (e == ERR_OK && data != NULL &&
        (data->kind != JSON_OBJECT || data->count > MAPPING_ASSIGN_MAX)) {
        e = mapping_fail(&p->doc, data, 0, p->ec, "'data' must be a mapping of names to values");
    }
    struct arena *a = &p->d->arena;
    e = e != ERR_OK
            ? e
            : mapping_compile(&p->doc, json_get(v, "stream"), names, a, &action->stream, p->ec);
    e = e != ERR_OK ? e
                    : mapping_compile(&p->doc, json_get(v, "type"), names, a, &action->type, p->ec);
    size_t count = data == NULL ? 0 : data->count;
    action->fields = arena_new_n(a, struct str, count + 1);
    action->values = arena_new_n(a, struct mapping_expr *, count + 1);
    if (e == ERR_OK && (action->fields == NULL || action->values == NULL)) {
        return no_memory(p);
    }
    for (const struct json *m = data == NULL ? NULL : data->first; m != NULL && e == ERR_OK;
         m = m->next) {
        e = mapping_compile(&p->doc, m, names, a, &action->values[action->count], p->ec);
        action->fields[action->count] = m->name;
        action->count += e == ERR_OK;
    }
    return e;
}

/* The id of an append derives from projection, event and action: two actions of one name would be
 * taken for each other. */
static bool name_is_taken(const struct def *d, const struct def_rule *rule, struct str name)
{
    for (size_t r = 0; r <= d->rule_count; r++) {
        const struct def_rule *other = r == d->rule_count ? rule : &d->rules[r];
        for (size_t i = 0; i < other->action_count; i++) {
            if (str_eq(other->actions[i].name, name)) {
                return true;
            }
        }
    }
    return false;
}

static enum err parse_actions(struct def_parser *p, const struct json *v, struct def_rule *rule,
                              const struct mapping_names *names)
{
    const struct json *actions = json_get(v, "live_only");
    if (actions == NULL) {
        return ERR_OK;
    }
    if (rule->each != NULL) {
        return mapping_fail(&p->doc, actions, 0, p->ec, "a rule with 'each' has no 'live_only'");
    }
    if (entries(actions) > DEF_ACTIONS_MAX) {
        return mapping_fail(&p->doc, actions, 0, p->ec, "a rule has at most %u actions",
                            DEF_ACTIONS_MAX);
    }
    rule->actions = arena_new_n(&p->d->arena, struct def_action, entries(actions) + 1);
    if (rule->actions == NULL) {
        return no_memory(p);
    }
    bool list = actions->kind == JSON_ARRAY;
    for (const struct json *m = list ? actions->first : actions; m != NULL;
         m = list ? m->next : NULL) {
        struct def_action *action = &rule->actions[rule->action_count];
        enum err e = parse_action(p, m, names, action);
        if (e == ERR_OK && name_is_taken(p->d, rule, action->name)) {
            e = mapping_fail(&p->doc, m, 0, p->ec, "a second action '%.*s'", STR(action->name));
        }
        if (e != ERR_OK) {
            return e;
        }
        rule->action_count++;
        p->d->has_actions = true;
    }
    return ERR_OK;
}

/* A rule for events that `source.types` leaves out would never be applied. */
static enum err check_type(struct def_parser *p, const struct json *type,
                           const struct def_rule *rule)
{
    bool comes = p->d->type_count == 0 || !p->declared;
    for (size_t i = 0; i < p->d->type_count && !comes; i++) {
        comes = def_types_meet(&p->d->types[i], &rule->type);
    }
    if (comes) {
        return ERR_OK;
    }
    enum err e = mapping_fail(&p->doc, type, 0, p->ec, "'%.*s' is none of 'types' of the source",
                              (int)(type->string.n > 80 ? 80 : type->string.n), type->string.p);
    ectx_hint(p->ec, "add it there, or leave 'types' out: then it is all that the maps name");
    return e;
}

static enum err parse_rule(struct def_parser *p, const struct json *v, struct def_rule *rule)
{
    static const char *const members[] = {"type",      "each",   "when",   "lookup", "upsert",
                                          "increment", "update", "delete", "sql",    "live_only"};
    enum err e = mapping_check_members(&p->doc, v, "a rule", members, ARRAY_LEN(members), p->ec);
    if (e == ERR_OK && json_get(v, "type") == NULL) {
        e = mapping_fail(&p->doc, v, 0, p->ec, "this rule has no 'type'");
    }
    e = e != ERR_OK ? e : mapping_type_compile(&p->doc, json_get(v, "type"), &rule->type, p->ec);
    e = e != ERR_OK ? e : check_type(p, json_get(v, "type"), rule);
    if (e == ERR_OK && json_get(v, "each") != NULL) {
        e = mapping_compile_each(&p->doc, json_get(v, "each"), &p->d->arena, &rule->each, p->ec);
    }
    e = e != ERR_OK ? e : parse_lookups(p, v, rule);
    struct mapping_names names = {
        .items = rule->each != NULL, .rows = rule->row_names, .row_count = rule->lookup_count};
    if (e == ERR_OK && json_get(v, "when") != NULL) {
        e = mapping_compile(&p->doc, json_get(v, "when"), &names, &p->d->arena, &rule->when, p->ec);
    }
    e = e != ERR_OK ? e : parse_ops(p, v, rule, &names);
    e = e != ERR_OK ? e : parse_actions(p, v, rule, &names);
    if (e == ERR_OK && rule->op_count + rule->action_count == 0) {
        e = mapping_fail(&p->doc, v, 0, p->ec, "this rule does nothing");
        ectx_hint(p->ec, "give it an upsert, increment, update, delete, sql or live_only");
    }
    return e;
}

MUST_USE enum err def_parse_rules(struct def_parser *p, const struct json *v)
{
    const struct json *maps = json_get(v, "maps");
    if (maps == NULL || maps->kind != JSON_ARRAY || maps->count == 0 ||
        maps->count > MAPPING_RULES_MAX) {
        return mapping_fail(&p->doc, maps == NULL ? v : maps, 0, p->ec,
                            "'maps' must be a list of 1 to %u rules", MAPPING_RULES_MAX);
    }
    p->d->rules = arena_new_n(&p->d->arena, struct def_rule, maps->count);
    if (p->d->rules == NULL) {
        return no_memory(p);
    }
    for (const struct json *m = maps->first; m != NULL; m = m->next) {
        enum err e = parse_rule(p, m, &p->d->rules[p->d->rule_count]);
        if (e != ERR_OK) {
            return e;
        }
        p->d->rule_count++;
    }
    return ERR_OK;
}
