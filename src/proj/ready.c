/* Definitions that are ready-made: the textbook tables of events and of snapshots, for those who
 * think in SQL. */
#include "core/compiler.h"
#include "mapping/mapping.h"
#include "proj/proj.h"

/* The stream and the revision are the key: an event id is one in its stream only. */
static const char event_store[] =
    "projection: %.*s\n"
    "version: 1\n"
    "source: { category: \"%.*s\", as_stored: true }\n"
    "target: \"%.*s\"\n"
    "key: $key\n"
    "tables:\n"
    "  %.*s:\n"
    "    columns:\n"
    "      aggregate_id: text\n"
    "      aggregate_version: integer\n"
    "      event_id: text\n"
    "      aggregate_type: text\n"
    "      event_type: text\n"
    "      event_version: text\n"
    "      event_data: json\n"
    "      metadata: json\n"
    "      created_at: text\n"
    "    key: [aggregate_id, aggregate_version]\n"
    "    indexes: [event_id, event_type, [aggregate_type, created_at]]\n"
    "maps:\n"
    "  - type: \"*\"\n"
    "    upsert:\n"
    "      table: %.*s\n"
    "      key: { aggregate_id: $stream, aggregate_version: $revision ?? $offset }\n"
    "      set:\n"
    "        event_id: $id\n"
    "        aggregate_type: $category\n"
    "        event_type: $type\n"
    "        event_version: $version\n"
    "        event_data: /data\n"
    "        metadata: /meta\n"
    "        created_at: $time\n";

/*
 * Snapshots are facts about streams, in the event store's own topic; so are the changes that void
 * them: a redaction of what they have folded, truncation beyond them, the end of a life of the
 * stream. One row for each stream and schema tag, as there is one slot.
 */
static const char snapshots[] =
    "projection: %.*s\n"
    "version: 1\n"
    "source: { topics: [__leat_streams] }\n"
    "target: \"%.*s\"\n"
    "key: $key\n"
    "tables:\n"
    "  %.*s:\n"
    "    columns:\n"
    "      aggregate_id: text\n"
    "      snapshot_type: text\n"
    "      aggregate_type: text\n"
    "      aggregate_version: integer\n"
    "      snapshot_data: json\n"
    "      created_at: text\n"
    "    key: [aggregate_id, snapshot_type]\n"
    "    indexes: [[aggregate_type, created_at]]\n"
    "maps:\n"
    "  - type: \"*\"\n"
    "    when: $category == '%.*s' and /data/fact == 'snapshot'\n"
    "    upsert:\n"
    "      table: %.*s\n"
    "      key: { aggregate_id: $key, snapshot_type: /data/schema }\n"
    "      set:\n"
    "        aggregate_type: $category\n"
    "        aggregate_version: /data/revision\n"
    "        snapshot_data: /data/state\n"
    "        created_at: $time\n"
    "  - type: \"*\"\n"
    "    when: $category == '%.*s' and /data/fact == 'redaction'\n"
    "    sql:\n"
    "      statement: DELETE FROM {%.*s} WHERE aggregate_id = :id AND aggregate_version >= :at\n"
    "      bind: { id: $key, at: /data/revision }\n"
    "  - type: \"*\"\n"
    "    when: $category == '%.*s' and /data/fact == 'state' and /data/state == 'active'\n"
    "    sql:\n"
    "      statement: DELETE FROM {%.*s} WHERE aggregate_id = :id AND aggregate_version < :from\n"
    "      bind: { id: $key, from: /data/truncate_before - 1 }\n"
    "  - type: \"*\"\n"
    "    when: $category == '%.*s' and /data/fact == 'state' and /data/state != 'active'\n"
    "    delete: { table: %.*s, where: { aggregate_id: $key } }\n";

MUST_USE enum err proj_ready_made(const struct proj_ready_made *r, struct arena *a, struct str *out,
                                  struct ectx *ec)
{
    static const char *const known[] = {"event_store", "snapshots"};
    const bool events = str_eq_z(r->what, known[0]);
    if (!events && !str_eq_z(r->what, known[1])) {
        enum err e = ectx_fail(ec, ERR_NOT_FOUND, "'%.*s' is no ready-made projection",
                               (int)(r->what.n > 60 ? 60 : r->what.n), r->what.p);
        ectx_hint(ec, "there are: %s, %s", known[0], known[1]);
        return e;
    }
    const struct str texts[] = {r->name, r->category, r->target};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t k = 0; k < texts[i].n; k++) {
            char c = texts[i].p[k];
            if ((unsigned char)c < ' ' || c == '"' || c == '\'' || c == '\\' || texts[i].n > 512) {
                return ectx_fail(ec, ERR_INVALID_REQUEST,
                                 "a name, category or target with quotes or control characters");
            }
        }
    }
    *out = events ? arena_printf(a, event_store, STR(r->name), STR(r->category), STR(r->target),
                                 STR(r->name), STR(r->name))
                  : arena_printf(a, snapshots, STR(r->name), STR(r->target), STR(r->name),
                                 STR(r->category), STR(r->name), STR(r->category), STR(r->name),
                                 STR(r->category), STR(r->name), STR(r->category), STR(r->name));
    return str_is_null(*out) ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory") : ERR_OK;
}
