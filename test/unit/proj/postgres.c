/*
 * PostgreSQL as a target: the real server, started by the test on a socket of its own, stopped when
 * the process ends. What SQLite must do, it must do too; and a lost connection is not the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "core/compiler.h"
#include "world.h"

#define BIN "$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)"

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
             "--no-sync && " BIN "/pg_ctl -D %s/data -w -l %s/log -o \"-k %s -c "
             "listen_addresses=\" start",
             server_dir, server_dir, server_dir, server_dir, server_dir);
    assert_int_equal(shell(text), 0);
    IGNORE(atexit(server_stop));
}

static void fresh_database(char *target, size_t size, const char *name)
{
    char text[1024];
    server_start();
    snprintf(text, sizeof(text), BIN "/createdb -h %s -U leat %s", server_dir, name);
    assert_int_equal(shell(text), 0);
    snprintf(target, size, "postgresql://leat@/%s?host=%s", name, server_dir);
}

/* base_orders, into this target. */
static const char *orders_into(const char *target, char *out, size_t size)
{
    const char *at = strstr(base_orders, "sqlite:%s");
    snprintf(out, size, "%.*s%s%s", (int)(at - base_orders), base_orders, target, at + 9);
    return out;
}

#define PLACED(n, sku)                                                                 \
    "{\"price\":10,\"quantity\":" #n ",\"customer\":\"c1\",\"items\":[{\"sku\":\"" sku \
    "\",\"n\":2},{\"sku\":\"z\",\"n\":1}]}"

TEST(postgres_applies_parks_and_fences)
{
    char target[256];
    char text[8192];
    struct bench b;
    struct bench other;
    fresh_database(target, sizeof(target), "orders");
    orders_into(target, text, sizeof(text));
    bench_init_text(&b, text);
    bench_claim(&b, 1);
    const struct base_event events[] = {
        {"CustomerNamed", "customer-c1", "{\"id\":\"c1\",\"name\":\"Ada\"}"},
        {"OrderPlaced", "order-1", PLACED(3, "a")},
        {"OrderPlaced", "order-2", "{\"price\":\"ten\",\"quantity\":1}"},
        {"OrderPlaced", "order-3",
         "{\"price\":1,\"quantity\":1,\"customer\":\"c1\",\"items\":[{\"sku\":\"q\",\"n\":1},"
         "{\"sku\":\"q\",\"n\":\"x\"}]}"},
        {"OrderShipped", "order-1", "{\"fee\":5}"},
        {"OrderPlaced", "order-4", PLACED(1, "b")},
        {"OrderCancelled", "order-4", "{}"},
    };
    if (bench_apply(&b, events, ARRAY_LEN(events)) != ERR_OK) {
        fail_msg("%s", b.ec.text);
    }
    assert_int_equal(b.counts.parked, 2);
    assert_string_equal(bench_rows(&b, "SELECT * FROM orders__v1 ORDER BY id"),
                        "order-1|shipped|35|Ada\n");
    assert_string_equal(bench_rows(&b, "SELECT * FROM stock__v1 ORDER BY sku"),
                        "a|2|1\nb|2|1\nz|2|2\n");
    assert_string_equal(
        bench_rows(&b, "SELECT record_offset, event_key, reason FROM leat_parked ORDER BY 1"),
        "2|order-2|upsert of orders: /data/price is text, and a number is needed\n"
        "3|order-3|PostgreSQL: invalid input syntax for type bigint: \"x\"\n");
    bench_init_text(&other, text);
    bench_claim(&other, 2);
    assert_int_equal(other.next, 7);
    assert_int_equal(bench_apply(&b, events, 1), ERR_FENCED);
    const struct base_event next[] = {{"OrderShipped", "order-2", "{}"}};
    assert_int_equal(bench_apply(&other, next, 1), ERR_OK);
    assert_int_equal(other.counts.parked, 1);
    bool more = false;
    assert_int_equal(
        apply_retry(other.a, STR_LIT("order-2"), true, 9, &other.counts, &more, &other.ec), ERR_OK);
    assert_int_equal(other.counts.parked_now, 1);
    bench_deinit(&other);
    bench_deinit(&b);
}

/* The whole of it, with kills and rebalances, and a server that closes connections. */
TEST(postgres_projection_equals_a_fold_of_the_log)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct world w;
        struct worst_config cfg;
        struct ectx ec;
        char name[32];
        char text[2048];
        worst_config_bad(&cfg, seed);
        world_init(&w, seed, &cfg);
        snprintf(name, sizeof(name), "sums%d", (int)seed);
        fresh_database(w.target, sizeof(w.target), name);
        worst_topic_make(w.log, "events", WORLD_PARTS);
        world_up(&w, 0);
        world_run(&w, 500);
        enum err e =
            world_command(&w, PROJ_APPLY, world_definition(&w, 1, text, sizeof(text)), &ec);
        if (e != ERR_OK) {
            fail_msg("%s %s", ec.text, ec.hint);
        }
        for (int round = 0; round < 6; round++) {
            world_say(&w, 1 + world_random(&w, 60), 0);
            size_t node = world_random(&w, WORLD_NODES);
            if (w.nodes[node].proj == NULL) {
                world_up(&w, node);
            } else if (world_random(&w, 3) == 0) {
                world_kill(&w, node);
            }
            uint64_t steps = world_random(&w, 3000);
            for (uint64_t i = 0; i < steps; i++) {
                world_step(&w);
            }
            if (round == 3) {
                char kill[256];
                snprintf(kill, sizeof(kill),
                         BIN "/psql -h %s -U leat postgres -c \"SELECT pg_terminate_backend(pid) "
                             "FROM pg_stat_activity WHERE pid <> pg_backend_pid()\"",
                         server_dir);
                assert_int_equal(shell(kill), 0);
            }
        }
        for (size_t i = 0; i < WORLD_NODES; i++) {
            if (w.nodes[i].proj == NULL) {
                world_up(&w, i);
            }
        }
        worst_config_good(&cfg, seed);
        worst_log_set(w.log, &cfg);
        world_until(&w, world_settled, 600000);
        world_check(&w, "");
        world_deinit(&w);
    }
}

TEST(target_is_shown_without_its_password)
{
    static const char *const cases[][2] = {
        {"postgresql://u:secret@h:5432/db?sslmode=require",
         "postgresql://u:***@h:5432/db?sslmode=require"},
        {"postgres://u@h/db", "postgres://u@h/db"},
        {"postgres:///db?host=/tmp", "postgres:///db?host=/tmp"},
        {"postgres://u:p@ss@h/db", "postgres://u:***@h/db"},
        {"sqlite:a:b@c", "sqlite:a:b@c"},
    };
    struct arena a;
    arena_init(&a, 4096);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char got[128];
        snprintf(got, sizeof(got), "%.*s", STR(target_shown(str_of(cases[i][0]), &a)));
        assert_string_equal(got, cases[i][1]);
    }
    arena_deinit(&a);
}
