/* SQL of one's own that a database reads in another way than we do: refused, with the reason. */
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "core/compiler.h"
#include "server.h"

static const char head[] = "projection: own\n"
                           "source: { category: order }\n"
                           "target: \"%s\"\n"
                           "tables: { t: { columns: { id: text, a: text }, key: id } }\n"
                           "maps:\n"
                           "  - type: A\n"
                           "    upsert: { table: t, key: { id: $key } }\n"
                           "    sql: { statement: %s, bind: { x: /data/x } }\n";

static void definition(char *out, size_t size, const char *file, const char *sql)
{
    char target[256] = "";
    if (server_on_postgres) {
        server_schema(target, sizeof(target));
    } else {
        snprintf(target, sizeof(target), "sqlite:%s/%s", test_dir(), file);
    }
    snprintf(out, size, head, target, sql);
}

/* Only a name: SQLite knows no such operators, so nothing else can be meant. */
TEST(own_sql_with_parameters_of_the_database_is_refused)
{
    static const char *const bad[] = {
        "\"UPDATE {t} SET a = @x WHERE id = :x\"", "\"UPDATE {t} SET a = #x WHERE id = :x\"",
        "\"UPDATE {t} SET a = @1 WHERE id = :x\"", "\"UPDATE {t} SET a = :ü WHERE id = :x\""};
    static const char *const good[] = {"\"UPDATE {t} SET a = 'a@x #x' WHERE id = :x\"",
                                       "\"UPDATE {t} SET a = 1 /* @x */ WHERE id = :x\"",
                                       "\"UPDATE {t} SET a = \\\"id\\\" WHERE id = :x -- @x\""};
    char text[1000];
    struct ectx ec;
    struct def *d = NULL;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(text, sizeof(text), head, "sqlite:x", bad[i]);
        assert_int_equal(def_create(str_of(text), STR_LIT("o"), 0, &d, &ec), ERR_CONFIG);
        assert_non_null(strstr(ec.text, "' is not allowed: parameters are written :name"));
        /* The log may have it since an earlier build. */
        assert_int_equal(def_create(str_of(text), STR_LIT("o"), 1, &d, &ec), ERR_OK);
        def_destroy(d);
        /* PostgreSQL has operators there. */
        snprintf(text, sizeof(text), head, "postgresql://x/y", bad[i]);
        assert_int_equal(def_create(str_of(text), STR_LIT("o"), 0, &d, &ec), ERR_OK);
        def_destroy(d);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(text, sizeof(text), head, "sqlite:x", good[i]);
        assert_int_equal(def_create(str_of(text), STR_LIT("o"), 0, &d, &ec), ERR_OK);
        def_destroy(d);
    }
}

/* What the log has already: its version says why, and no event is ever tried. */
TEST_ON_BOTH(own_sql_in_the_log_with_other_parameters_is_told)
{
    char text[1000];
    struct ectx ec;
    struct def *d = NULL;
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct apply *a = NULL;
    definition(text, sizeof(text), "own.db",
               server_on_postgres ? "\"UPDATE {t} SET a = E'\\\\':x'\""
                                  : "\"UPDATE {t} SET a = @x WHERE id = :x\"");
    assert_int_equal(def_create(str_of(text), STR_LIT("o"), 1, &d, &ec), ERR_OK);
    assert_int_equal(d->driver->load(&l, &ec), ERR_OK);
    assert_int_equal(d->driver->open(l, d->where, 0, &db, &ec), ERR_OK);
    assert_int_equal(apply_setup(d->driver, db, d, 1, &ec), ERR_OK);
    assert_int_equal(apply_create(d->driver, db, d, &a, &ec), ERR_CONFIG);
    assert_string_equal(ec.text, server_on_postgres
                                     ? "to postgres this SQL of one's own has 0 parameters, and 1 "
                                       "are written :name outside of texts, quoted names and "
                                       "comments"
                                     : "to sqlite this SQL of one's own has 2 parameters, and 1 "
                                       "are written :name outside of texts, quoted names and "
                                       "comments");
    assert_non_null(strstr(ec.hint, "UPDATE"));
    d->driver->close(db);
    d->driver->unload(l);
    def_destroy(d);
}

/* However it came there: a statement that gets other values than it has parameters is an error. */
TEST(sqlite_refuses_another_number_of_values)
{
    const struct mapping_value one = {.kind = MAPPING_INT, .integer = 1};
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct target_stmt *s = NULL;
    struct ectx ec;
    uint64_t changed = 0;
    assert_int_equal(target_sqlite.load(&l, &ec), ERR_OK);
    assert_int_equal(target_sqlite.open(l, STR_LIT("-"), TARGET_MEMORY, &db, &ec), ERR_OK);
    assert_int_equal(target_sqlite.exec(db, "CREATE TABLE t (a, b)", &ec), ERR_OK);
    assert_int_equal(target_sqlite.prepare(db, STR_LIT("INSERT INTO t VALUES ($1, @x)"), &s, &ec),
                     ERR_OK);
    assert_int_equal(target_sqlite.run(s, &one, 1, &changed, &ec), ERR_CONFIG);
    assert_string_equal(ec.text, "SQLite: 1 values for a statement of 2 parameters");
    target_sqlite.finalize(s);
    target_sqlite.close(db);
    target_sqlite.unload(l);
}

/* What a statement gives back is nobody's, however wide it is. */
TEST_ON_BOTH(own_sql_may_return_many_columns)
{
    char text[4000];
    char sql[2000];
    struct bench b;
    int n = snprintf(sql, sizeof(sql), "\"UPDATE {t} SET a = :x RETURNING 1");
    for (unsigned i = 0; i < TARGET_PARAMS_MAX; i++) {
        n += snprintf(sql + n, sizeof(sql) - (size_t)n, ", 1");
    }
    snprintf(sql + n, sizeof(sql) - (size_t)n, "\"");
    definition(text, sizeof(text), "wide.db", sql);
    bench_init_text(&b, text);
    bench_claim(&b, 1);
    const struct base_event events[] = {{"A", "order-1", "{\"x\":\"y\"}"}};
    assert_int_equal(bench_apply(&b, events, 1), ERR_OK);
    assert_string_equal(bench_rows(&b, "SELECT id, a FROM t__v1"), "order-1|y\n");
    bench_deinit(&b);
}
