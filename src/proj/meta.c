/*
 * Our own tables in the target: which version is served, checkpoints, parked events, actions that
 * wait. They are there so that what they say changes in the transaction of the rows it is about.
 *
 *   leat_projection  one row for each projection
 *   leat_version     one for each version that has tables
 *   leat_checkpoint  one for each shard (input partition) of a version
 *   leat_parked      one for each event that waits for a person
 *   leat_action      one for each live-only append that is not acknowledged yet
 */
#include <stdio.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "proj/apply_int.h"

#define SETUP_BYTES_MAX (512u << 10)

static const char *const meta_sql[META_COUNT] = {
    [META_SERVED] = "SELECT served FROM leat_projection WHERE projection = $1",
    [META_SERVED_TABLES] = "SELECT v.tables FROM leat_version v JOIN leat_projection p ON "
                           "p.projection = v.projection AND p.served = v.version",
    [META_CLAIM_GET] = "SELECT owner_epoch, position, topic_id FROM leat_checkpoint "
                       "WHERE projection = $1 AND version = $2 AND shard = $3",
    [META_CLAIM_INSERT] =
        "INSERT INTO leat_checkpoint (projection, version, shard, topic_id, owner_epoch, position, "
        "live_from, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
        "ON CONFLICT (projection, version, shard) DO NOTHING",
    [META_CLAIM_UPDATE] =
        "UPDATE leat_checkpoint SET owner_epoch = $1, updated_at = $2 "
        "WHERE projection = $3 AND version = $4 AND shard = $5 AND owner_epoch <= $6",
    [META_HOLD] = "UPDATE leat_checkpoint SET updated_at = updated_at WHERE projection = $1 AND "
                  "version = $2 AND shard = $3 AND owner_epoch = $4",
    [META_CHECKPOINT] =
        "UPDATE leat_checkpoint SET position = $1, updated_at = $2, last_time_ms = $3 "
        "WHERE projection = $4 AND version = $5 AND shard = $6 AND owner_epoch = $7 "
        "AND position = $8",
    [META_CHECK_SHARD] =
        "SELECT position, live_from FROM leat_checkpoint "
        "WHERE projection = $1 AND version = $2 AND shard = $3 AND topic_id = (SELECT o.topic_id "
        "FROM leat_checkpoint o WHERE o.projection = $1 AND o.version = $4 AND o.shard = $3)",
    [META_PARK] =
        "INSERT INTO leat_parked (projection, version, shard, record_offset, event_key, event_id, "
        "event_type, reason, data, record, parked_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    [META_UNPARK] = "DELETE FROM leat_parked WHERE projection = $1 AND version = $2 AND shard = $3 "
                    "AND record_offset = $4",
    [META_REASON] = "UPDATE leat_parked SET reason = $1 WHERE projection = $2 AND version = $3 "
                    "AND shard = $4 AND record_offset = $5",
    [META_PARKED_KEYS] = "SELECT event_key, COUNT(*) FROM leat_parked WHERE projection = $1 AND "
                         "version = $2 AND shard = $3 GROUP BY event_key",
    [META_PARKED_OF] = "SELECT record_offset, record FROM leat_parked WHERE projection = $1 AND "
                       "version = $2 AND event_key = $3 AND shard = $4 ORDER BY record_offset "
                       "LIMIT $5",
    [META_PARKED_COUNT] = "SELECT COUNT(*) FROM leat_parked WHERE projection = $1 AND version = $2 "
                          "AND event_key = $3",
    [META_ACTION] =
        "INSERT INTO leat_action (projection, version, id, shard, record_offset, gated, stream, "
        "type, data, causation, correlation, traceparent) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
        "ON CONFLICT (projection, version, id) DO NOTHING",
    [META_ACTION_TRIM] =
        "DELETE FROM leat_action WHERE projection = $1 AND version = $2 AND shard = $3 AND gated = "
        "1 AND record_offset < $4 AND NOT EXISTS (SELECT 1 FROM leat_parked p WHERE p.projection = "
        "$1 AND p.version = $5 AND p.shard = $3 AND p.record_offset = leat_action.record_offset)",
    [META_PARKED_RANGE] = /* two questions: each is one look at the index */
    "SELECT (SELECT MIN(record_offset) FROM leat_parked WHERE projection = $1 AND version = $2 "
    "AND shard = $3), (SELECT MAX(record_offset) FROM leat_parked WHERE projection = $1 AND "
    "version = $2 AND shard = $3)",
};

static void put_tables(const struct target_driver *driver, struct buf *sql)
{
    const char *number = driver->types[DEF_INTEGER];
    const char *end = driver->table_suffix;
    buf_printf(sql,
               "CREATE TABLE IF NOT EXISTS leat_projection (projection TEXT NOT NULL PRIMARY KEY, "
               "served %s NOT NULL, previous %s NOT NULL, switched_at %s NOT NULL)%s;\n",
               number, number, number, end);
    buf_printf(sql,
               "CREATE TABLE IF NOT EXISTS leat_version (projection TEXT NOT NULL, version %s NOT "
               "NULL, tables TEXT NOT NULL, indexed %s NOT NULL, created_at %s NOT NULL, drop_at "
               "%s, PRIMARY KEY "
               "(projection, version))%s;\n",
               number, number, number, number, end);
    buf_printf(sql,
               "CREATE TABLE IF NOT EXISTS leat_checkpoint (projection TEXT NOT NULL, version %s "
               "NOT NULL, shard TEXT NOT NULL, topic_id TEXT NOT NULL, owner_epoch %s NOT NULL, "
               "position %s NOT NULL, live_from %s NOT NULL, updated_at %s NOT NULL, last_time_ms "
               "%s, PRIMARY KEY (projection, version, shard))%s;\n",
               number, number, number, number, number, number, end);
    buf_printf(sql,
               "CREATE TABLE IF NOT EXISTS leat_parked (projection TEXT NOT NULL, version %s NOT "
               "NULL, shard TEXT NOT NULL, record_offset %s NOT NULL, event_key TEXT NOT NULL, "
               "event_id TEXT, event_type TEXT, reason TEXT NOT NULL, data TEXT, record TEXT NOT "
               "NULL, parked_at %s NOT NULL, PRIMARY KEY (projection, version, shard, "
               "record_offset))%s;\n"
               "CREATE INDEX IF NOT EXISTS leat_parked_by_key ON leat_parked (projection, version, "
               "event_key);\n",
               number, number, number, end);
    buf_printf(sql,
               "CREATE TABLE IF NOT EXISTS leat_action (projection TEXT NOT NULL, version %s NOT "
               "NULL, id TEXT NOT NULL, shard TEXT NOT NULL, record_offset %s NOT NULL, gated %s "
               "NOT NULL, stream TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL, causation "
               "TEXT, correlation TEXT, traceparent TEXT, PRIMARY KEY (projection, version, id))%s;"
               "\n",
               number, number, number, end);
}

static bool take_number(void *ctx, const struct mapping_value *values, size_t count)
{
    (void)count;
    *(int64_t *)ctx = values[0].integer;
    return false;
}
enum err apply_ask(const struct target_driver *driver, struct target_db *db, const char *sql,
                   const struct mapping_value *params, size_t count, int64_t *out, struct ectx *ec)
{
    struct target_stmt *s = NULL;
    *out = 0;
    enum err e = driver->prepare(db, str_of(sql), &s, ec);
    e = e != ERR_OK ? e : driver->query(s, params, count, take_number, out, ec);
    driver->finalize(s);
    return e;
}

/* The rows of the projection and of the version. Is it this transaction that makes the latter, and
 * so has to make its tables? Whoever does the same at the same time waits here. */
static enum err put_version_row(const struct target_driver *driver, struct target_db *db,
                                const struct def *d, int64_t now_ms, bool *made, struct ectx *ec)
{
    static const char *const rows[] = {
        "INSERT INTO leat_projection (projection, served, previous, switched_at) VALUES ($1, 0, 0, "
        "$2) ON CONFLICT (projection) DO NOTHING",
        "INSERT INTO leat_version (projection, version, indexed, created_at, tables) VALUES ($1, "
        "$2, 0, $3, $4) ON CONFLICT (projection, version) DO NOTHING",
        /* An earlier build did not tell the columns of the types json and boolean. */
        "UPDATE leat_version SET tables = $1 WHERE projection = $2 AND version = $3 AND tables <> "
        "$1"};
    struct buf names;
    buf_init(&names, DEF_NAMES_BYTES);
    def_write_names(d, &names);
    const struct mapping_value name = {.kind = MAPPING_TEXT, .text = d->name};
    const struct mapping_value version = {.kind = MAPPING_INT, .integer = d->version};
    const struct mapping_value now = {.kind = MAPPING_INT, .integer = now_ms};
    const struct mapping_value tables = {.kind = MAPPING_TEXT, .text = buf_str(&names)};
    const struct mapping_value params[][4] = {
        {name, now}, {name, version, now, tables}, {tables, name, version}};
    static const size_t counts[] = {2, 4, 3};
    uint64_t changed[ARRAY_LEN(rows)] = {0};
    enum err e = buf_failed(&names) ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory") : ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(rows) && e == ERR_OK; i++) {
        struct target_stmt *s = NULL;
        e = driver->prepare(db, str_of(rows[i]), &s, ec);
        e = e != ERR_OK ? e : driver->run(s, params[i], counts[i], &changed[i], ec);
        driver->finalize(s);
    }
    *made = changed[1] > 0;
    buf_deinit(&names);
    return e;
}

enum err apply_name_is_free(const struct target_driver *driver, struct target_db *db,
                            struct str name, struct ectx *ec)
{
    const struct mapping_value param = {.kind = MAPPING_TEXT, .text = name};
    int64_t count = 0;
    enum err e = apply_ask(driver, db, driver->has_name, &param, 1, &count, ec);
    if (e == ERR_OK && count > 0) {
        e = ectx_fail(ec, ERR_CONFIG,
                      "%.*s is in the target already, and is not of this projection: rename or "
                      "drop it, or declare the table with another name",
                      STR(name));
        ectx_hint(ec, "what somebody else has made is neither written to nor dropped");
    }
    return e;
}

enum { TABLE_NAME_SIZE = PROJ_NAME_MAX + 16 };

static struct str table_name(const struct def *d, size_t table, char out[TABLE_NAME_SIZE])
{
    (void)snprintf(out, TABLE_NAME_SIZE, "%.*s__v%u", STR(d->tables[table].name), d->version);
    return str_of(out);
}

/* What somebody else has made is neither written to nor dropped. */
static enum err look_for_others(const struct target_driver *driver, struct target_db *db,
                                const struct def *d, struct ectx *ec)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < d->table_count && e == ERR_OK; i++) {
        char name[TABLE_NAME_SIZE];
        e = apply_name_is_free(driver, db, table_name(d, i, name), ec);
    }
    return e;
}

/* A table that is empty below a checkpoint would be served as if nothing had happened. */
static enum err look_for_tables(const struct target_driver *driver, struct target_db *db,
                                const struct def *d, bool *began, struct ectx *ec)
{
    const struct mapping_value params[] = {{.kind = MAPPING_TEXT, .text = d->name},
                                           {.kind = MAPPING_INT, .integer = d->version}};
    int64_t count = 0;
    enum err e = apply_ask(driver, db,
                           "SELECT COUNT(*) FROM leat_checkpoint WHERE projection = $1 AND version "
                           "= $2 AND position > 0",
                           params, ARRAY_LEN(params), &count, ec);
    *began = count > 0;
    for (size_t i = 0; i < d->table_count && e == ERR_OK && *began; i++) {
        char name[TABLE_NAME_SIZE];
        const struct mapping_value table = {.kind = MAPPING_TEXT, .text = table_name(d, i, name)};
        e = apply_ask(driver, db, driver->has_table, &table, 1, &count, ec);
        if (e == ERR_OK && count == 0) {
            e = ectx_fail(
                ec, ERR_STOPPED,
                "table %s is gone from the target, with what was applied to it: a rebuild "
                "makes it again (leat projection rebuild %.*s)",
                name, STR(d->name));
        }
    }
    return e;
}

MUST_USE enum err apply_setup(const struct target_driver *driver, struct target_db *db,
                              const struct def *d, int64_t now_ms, struct ectx *ec)
{
    struct buf ours;
    struct buf sql;
    bool began = false;
    bool made = false;
    buf_init(&ours, SETUP_BYTES_MAX);
    buf_init(&sql, SETUP_BYTES_MAX);
    buf_printf(&ours, "%s;\n", driver->begin);
    put_tables(driver, &ours);
    buf_put_u8(&ours, 0);
    enum err e = buf_failed(&ours) ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory")
                                   : driver->exec(db, (const char *)ours.p, ec);
    e = e != ERR_OK ? e : look_for_tables(driver, db, d, &began, ec);
    e = e != ERR_OK ? e : put_version_row(driver, db, d, now_ms, &made, ec);
    e = e != ERR_OK || !made || began ? e : look_for_others(driver, db, d, ec);
    if (!began) {
        def_write_tables(d, !made, &sql);
    }
    buf_put_z(&sql, "COMMIT;\n");
    buf_put_u8(&sql, 0);
    e = e != ERR_OK        ? e
        : buf_failed(&sql) ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory")
                           : driver->exec(db, (const char *)sql.p, ec);
    buf_deinit(&ours);
    buf_deinit(&sql);
    if (e != ERR_OK) {
        /* What failed inside a transaction leaves it open. */
        IGNORE(driver->exec(db, "ROLLBACK", NULL) == ERR_OK);
    }
    return e;
}

MUST_USE enum err meta_prepare(struct apply *a, struct ectx *ec)
{
    for (int i = 0; i < META_COUNT; i++) {
        enum err e = a->driver->prepare(a->db, str_of(meta_sql[i]), &a->meta[i], ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}
