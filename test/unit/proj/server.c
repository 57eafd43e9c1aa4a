/* The real PostgreSQL for tests: one server for the process, a schema for each test. */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/compiler.h"
#include "proj/target.h"

#define BIN "$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)"

bool server_on_postgres;
static char server_dir[64];

static int shell(const char *command)
{
    char text[2048];
    /* The server does not run as root. */
    snprintf(text, sizeof(text), "%s sh -c '%s' >/dev/null 2>&1",
             geteuid() == 0 ? "cd / && runuser -u postgres --" : "", command);
    return system(text);
}
static void server_stop(void)
{
    char text[1024];
    snprintf(text, sizeof(text), BIN "/pg_ctl -D %s/data -m immediate stop; rm -rf %s", server_dir,
             server_dir);
    IGNORE(shell(text));
}

static void server_start(void)
{
    if (server_dir[0] != 0) {
        return;
    }
    if (system("ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1") != 0) {
        TEST_SKIP("PostgreSQL is not installed (package postgresql)");
    }
    char text[1024];
    snprintf(server_dir, sizeof(server_dir), "/tmp/leat-pg-%d", (int)getpid());
    snprintf(text, sizeof(text),
             "mkdir -m 700 %s && " BIN "/initdb -D %s/data -A trust -U leat -E UTF8 --locale=C "
             "--no-sync && " BIN "/pg_ctl -D %s/data -w -l %s/log -o \"-k %s -c fsync=off -c "
             "listen_addresses=\" start",
             server_dir, server_dir, server_dir, server_dir, server_dir);
    assert_int_equal(shell(text), 0);
    IGNORE(atexit(server_stop));
}

static void server_exec(const char *sql)
{
    char target[256];
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct ectx ec = {0};
    snprintf(target, sizeof(target), "postgresql://leat@/postgres?host=%s", server_dir);
    assert_int_equal(target_postgres.load(&l, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(target), 0, &db, &ec), ERR_OK);
    if (target_postgres.exec(db, sql, &ec) != ERR_OK) {
        fail_msg("%s: %s", sql, ec.text);
    }
    target_postgres.close(db);
    target_postgres.unload(l);
}

/* A database takes 0.3 s to make, a schema nothing. */
void server_schema(char *target, size_t size)
{
    static unsigned schemas;
    char sql[96];
    server_start();
    snprintf(sql, sizeof(sql), "CREATE SCHEMA test%u", ++schemas);
    server_exec(sql);
    snprintf(target, size, "postgresql://leat@/postgres?host=%s&options=-csearch_path%%3Dtest%u",
             server_dir, schemas);
}

void server_one_connection(char *target, size_t size)
{
    char sql[200];
    char all[256];
    const char *schema = strstr(target, "%3D") + 3;
    snprintf(sql, sizeof(sql),
             "CREATE ROLE one_%s LOGIN CONNECTION LIMIT 1; GRANT ALL ON SCHEMA %s TO one_%s",
             schema, schema, schema);
    server_exec(sql);
    snprintf(all, sizeof(all), "%s", target);
    snprintf(target, size, "postgresql://one_%s@%s", schema, strchr(all, '@') + 1);
}

static bool take_count(void *ctx, const struct mapping_value *values, size_t count)
{
    *(size_t *)ctx = count == 1 ? (size_t)values[0].integer : 0;
    return false;
}

size_t server_connections(void)
{
    char target[256];
    size_t n = 0;
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct target_stmt *s = NULL;
    struct ectx ec = {0};
    snprintf(target, sizeof(target), "postgresql://leat@/postgres?host=%s", server_dir);
    assert_int_equal(target_postgres.load(&l, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(target), TARGET_READ_ONLY, &db, &ec), ERR_OK);
    assert_int_equal(
        target_postgres.prepare(db,
                                STR_LIT("SELECT COUNT(*) FROM pg_stat_activity WHERE pid <> "
                                        "pg_backend_pid() AND backend_type = 'client backend'"),
                                &s, &ec),
        ERR_OK);
    assert_int_equal(target_postgres.query(s, NULL, 0, take_count, &n, &ec), ERR_OK);
    target_postgres.finalize(s);
    target_postgres.close(db);
    target_postgres.unload(l);
    return n;
}

void server_end_connections(void)
{
    server_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
                "pg_backend_pid() AND backend_type = 'client backend'");
}

uint64_t server_seeds(uint64_t sqlite)
{
    const char *tier = getenv("LEAT_TIER");
    uint64_t most = tier != NULL && strcmp(tier, "gate") == 0 ? 5 : 1;
    return server_on_postgres && most < sqlite ? most : sqlite;
}
