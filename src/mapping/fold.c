/*
 * Folds: a definition of how the events of one stream become its state (JSON).
 *
 * A snapshot is of use only to the fold that made it, with the upcasts that it was made with: the
 * digest covers the text of all rules and of those steps, and is part of the tag of its snapshots.
 */
#include <string.h>

#include "core/compiler.h"
#include "mapping/mapping_int.h"

/* Another one when the same rules come to mean something else: snapshots from before are void. */
#define MEANING                "2"
#define SNAPSHOT_EVERY_DEFAULT 100u
#define SNAPSHOT_EVERY_MAX     1000000

/* FNV-1a: the hash stands in snapshots, so it must never change (core/hash.h is seeded). */
uint64_t mapping_hash_text(uint64_t hash, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        hash = (hash ^ (unsigned char)s.p[i]) * 0x100000001b3ull;
    }
    return hash;
}

static enum err rule_compile(const struct mapping_doc *doc, const struct json *v, struct arena *a,
                             struct mapping_rule *rule, struct ectx *ec)
{
    static const char *const members[] = {"type",      "when",   "each",  "set",
                                          "increment", "append", "remove"};
    static const struct {
        const char *name;
        enum assign_kind kind;
    } parts[] = {{"set", ASSIGN_SET},
                 {"increment", ASSIGN_INCREMENT},
                 {"append", ASSIGN_APPEND},
                 {"remove", ASSIGN_REMOVE}};
    enum err e = mapping_check_members(doc, v, "a rule of a fold", members, ARRAY_LEN(members), ec);
    if (e != ERR_OK) {
        return e;
    }
    if (json_get(v, "type") == NULL) {
        return mapping_fail(doc, v, 0, ec, "this rule has no 'type'");
    }
    e = mapping_type_compile(doc, json_get(v, "type"), &rule->type, ec);
    if (e == ERR_OK && json_get(v, "each") != NULL) {
        e = mapping_compile_each(doc, json_get(v, "each"), a, &rule->each, ec);
    }
    struct mapping_names names = {.items = rule->each != NULL};
    if (e == ERR_OK && json_get(v, "when") != NULL) {
        e = mapping_compile(doc, json_get(v, "when"), &names, a, &rule->when, ec);
    }
    size_t room = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct json *part = json_get(v, parts[i].name);
        room += part == NULL ? 0 : part->count;
    }
    room = room > MAPPING_ASSIGN_MAX ? MAPPING_ASSIGN_MAX : room;
    rule->assigns.list = arena_new_n(a, struct mapping_assign, room == 0 ? 1 : room);
    if (e == ERR_OK && rule->assigns.list == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < ARRAY_LEN(parts) && e == ERR_OK; i++) {
        e = mapping_assigns_compile(doc, v, parts[i].name, parts[i].kind, &names, a, &rule->assigns,
                                    ec);
    }
    return e;
}

static enum err rules_compile(const struct mapping_doc *doc, const struct json *v, struct arena *a,
                              struct mapping_fold *f, struct ectx *ec)
{
    const struct json *maps = json_get(v, "maps");
    if (maps == NULL || maps->kind != JSON_ARRAY || maps->count == 0) {
        return mapping_fail(doc, maps == NULL ? v : maps, 0, ec,
                            "'maps' must be a list of rules, at least one");
    }
    if (maps->count > MAPPING_RULES_MAX) {
        return mapping_fail(doc, maps, 0, ec, "a definition has at most %u rules",
                            MAPPING_RULES_MAX);
    }
    f->rules = arena_new_n(a, struct mapping_rule, maps->count);
    if (f->rules == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    for (const struct json *m = maps->first; m != NULL; m = m->next) {
        enum err e = rule_compile(doc, m, a, &f->rules[f->rule_count], ec);
        if (e != ERR_OK) {
            return e;
        }
        f->rule_count++;
    }
    f->hash = mapping_hash_text(0xcbf29ce484222325ull, STR_LIT(MEANING));
    f->hash = mapping_hash_text(mapping_hash_text(f->hash, f->initial), maps->raw);
    return ERR_OK;
}

static enum err header_compile(const struct mapping_doc *doc, const struct json *v,
                               struct mapping_fold *f, struct ectx *ec)
{
    enum err e = mapping_text(doc, v, "fold", true, &f->name, ec);
    e = e != ERR_OK ? e : mapping_text(doc, v, "category", true, &f->category, ec);
    e = e != ERR_OK ? e : mapping_text(doc, v, "schema", false, &f->schema, ec);
    const struct json *every = json_get(v, "snapshot_every");
    int64_t number = SNAPSHOT_EVERY_DEFAULT;
    if (e == ERR_OK && every != NULL &&
        (!json_i64(every, &number) || number < 0 || number > SNAPSHOT_EVERY_MAX)) {
        e = mapping_fail(doc, every, 0, ec, "'snapshot_every' must be a whole number from 0 to %d",
                         SNAPSHOT_EVERY_MAX);
    }
    f->snapshot_every = (uint32_t)number;
    const struct json *initial = json_get(v, "initial");
    f->initial = initial == NULL ? STR_LIT("{}") : initial->raw;
    if (e == ERR_OK && initial != NULL && initial->kind != JSON_OBJECT) {
        e = mapping_fail(doc, initial, 0, ec, "'initial' must be a mapping");
    }
    return e;
}

MUST_USE enum err mapping_fold_compile(const struct mapping_doc *doc, const struct json *v,
                                       struct arena *a, struct mapping_fold **out, struct ectx *ec)
{
    static const char *const members[] = {"fold",           "category", "schema",
                                          "snapshot_every", "initial",  "maps"};
    struct mapping_fold *f = arena_new(a, struct mapping_fold);
    if (f == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    enum err e = mapping_check_members(doc, v, "a fold", members, ARRAY_LEN(members), ec);
    e = e != ERR_OK ? e : header_compile(doc, v, f, ec);
    e = e != ERR_OK ? e : rules_compile(doc, v, a, f, ec);
    if (e != ERR_OK) {
        return e;
    }
    *out = f;
    return ERR_OK;
}

/* At most `max` bytes, and no part of a character. */
static struct str cut(struct str s, size_t max)
{
    size_t n = s.n < max ? s.n : max;
    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80) {
        n--;
    }
    return str_make(s.p, n);
}

struct str mapping_fold_tag(const struct mapping_fold *f, uint64_t digest, struct arena *a)
{
    const struct str tag = str_is_null(f->schema) ? f->name : f->schema;
    return arena_printf(a, "%.*s-%016llx", STR(cut(tag, MAPPING_TAG_BYTES_MAX - 17)),
                        (unsigned long long)digest);
}

bool mapping_fold_tag_is(struct str tag)
{
    if (tag.n < 17 || tag.p[tag.n - 17] != '-') {
        return false;
    }
    for (size_t i = tag.n - 16; i < tag.n; i++) {
        if (memchr("0123456789abcdef", tag.p[i], 16) == NULL) {
            return false;
        }
    }
    return true;
}

MUST_USE enum err mapping_state_init(const struct mapping_fold *f, struct str text, struct arena *a,
                                     struct mapping_state *out, struct ectx *ec)
{
    /* As deep as rules can make it: values of events below the parts of a pointer. */
    const struct json_limits limits = {.depth_max = MAPPING_PARTS_MAX + JSON_DEPTH_DEFAULT,
                                       .allow_same_names = true};
    struct json *root = NULL;
    enum err e = json_parse(str_is_null(text) ? f->initial : text, &limits, a, &root, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (root->kind != JSON_OBJECT) {
        return ectx_fail(ec, ERR_MALFORMED, "a state is a JSON object");
    }
    *out = (struct mapping_state){.root = root, .arena = a};
    return ERR_OK;
}

static enum err rule_apply(const struct mapping_rule *r, const struct mapping_scope *scope,
                           struct mapping_state *s, struct ectx *ec)
{
    bool yes = false;
    enum err e = mapping_test(r->when, scope, &yes, ec);
    for (size_t i = 0; yes && i < r->assigns.count && e == ERR_OK; i++) {
        e = mapping_assign_do(&r->assigns.list[i], scope, &s->root, ec);
    }
    return e;
}

MUST_USE enum err mapping_fold_apply(const struct mapping_fold *f, struct mapping_state *s,
                                     const struct mapping_event *event, struct ectx *ec)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < f->rule_count && e == ERR_OK; i++) {
        const struct mapping_rule *r = &f->rules[i];
        if (!mapping_type_matches(&r->type, event->envelope)) {
            continue;
        }
        struct mapping_scope scope = {.event = event, .arena = s->arena};
        if (r->each == NULL) {
            e = rule_apply(r, &scope, s, ec);
            continue;
        }
        size_t count = 0;
        e = mapping_each(r->each, &scope, &scope.item, &count, ec);
        for (; e == ERR_OK && scope.item != NULL; scope.item = scope.item->next) {
            e = rule_apply(r, &scope, s, ec);
            scope.item_index++;
        }
    }
    return e;
}

void mapping_state_write(const struct mapping_state *s, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    mapping_tree_write(s->root, &w);
}
