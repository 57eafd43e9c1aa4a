/*
 * What is PostgreSQL's own, on the real server: its errors, rows in one piece, a connection that is
 * lost. What both targets must do is tested on both, where TEST_ON_BOTH stands.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "core/compiler.h"
#include "core/hash.h"
#include "server.h"
#include "world.h"

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
    server_schema(target, sizeof(target));
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
        "3|order-3|increment of stock: column 'sold' takes whole numbers of 64 bits, not this "
        "text\n");
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

TEST(postgres_that_does_not_answer_is_broken_off)
{
    char target[256];
    server_schema(target, sizeof(target));
    base_interrupt(&target_postgres, target, "SELECT pg_sleep(60)", ERR_CLOSED);
}

static bool take_first(void *ctx, const struct mapping_value *values, size_t count)
{
    assert_int_equal(count, 1);
    snprintf(ctx, 64, "%lld", (long long)values[0].integer);
    return true;
}

struct hanging {
    struct target_db *db;
    enum err err;
    struct ectx ec;
    atomic_bool ended;
};
static void *ask_hanging(void *ctx)
{
    struct hanging *h = ctx;
    struct target_stmt *s = NULL;
    h->err = target_postgres.prepare(h->db, STR_LIT("SELECT 1"), &s, &h->ec);
    target_postgres.finalize(s);
    atomic_store(&h->ended, true);
    return NULL;
}

/* A server that hangs does not keep a worker: its socket is broken off some seconds after it should
 * have ended the statement. Connections that wait for nothing, or not yet so long, are left alone.
 */
TEST(postgres_that_hangs_is_broken_off)
{
    char target[256];
    char pid[32];
    struct target_library *l = NULL;
    struct target_db *other = NULL;
    struct target_db *idle = NULL;
    struct hanging h = {.err = ERR_OK};
    struct hanging slow = {.err = ERR_OK};
    pthread_t threads[2];
    struct ectx ec;
    server_schema(target, sizeof(target));
    assert_int_equal(target_postgres.load(&l, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(target), TARGET_READ_ONLY, &h.db, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(target), 0, &slow.db, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(target), 0, &other, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(target), TARGET_READ_ONLY, &idle, &ec), ERR_OK);
    target_postgres.set_timeout(h.db, 50000000);
    target_postgres.set_timeout(idle, 50000000);
    pid_t first =
        (pid_t)atoi(base_rows(&target_postgres, h.db, "SELECT pg_backend_pid()", pid, sizeof(pid)));
    pid_t second = (pid_t)atoi(
        base_rows(&target_postgres, slow.db, "SELECT pg_backend_pid()", pid, sizeof(pid)));
    assert_int_equal(kill(first, SIGSTOP), 0);
    assert_int_equal(kill(second, SIGSTOP), 0);
    time_t begun = time(NULL);
    assert_int_equal(pthread_create(&threads[0], NULL, ask_hanging, &h), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, ask_hanging, &slow), 0);
    while (!atomic_load(&h.ended) && time(NULL) - begun < 20) {
        target_postgres.expire(l);
        (void)usleep(20000);
    }
    bool early = atomic_load(&slow.ended);
    assert_int_equal(kill(first, SIGCONT), 0);
    assert_int_equal(kill(second, SIGCONT), 0);
    if (!atomic_load(&h.ended)) {
        target_postgres.interrupt(l);
    }
    assert_int_equal(pthread_join(threads[0], NULL), 0);
    assert_int_equal(pthread_join(threads[1], NULL), 0);
    assert_int_equal(h.err, ERR_CLOSED);
    assert_non_null(strstr(h.ec.text, "no answer for 3 s: broken off"));
    assert_true(time(NULL) - begun >= 2);
    assert_false(early);
    assert_int_equal(slow.err, ERR_OK);
    assert_int_equal(target_postgres.exec(idle, "SELECT 1", &ec), ERR_OK);
    assert_int_equal(target_postgres.exec(other, "SELECT 1", &ec), ERR_OK);
    target_postgres.close(h.db);
    target_postgres.close(slow.db);
    target_postgres.close(other);
    target_postgres.close(idle);
    target_postgres.unload(l);
}

/* A connection that lives for months does not collect statements at the server: neither those that
 * are asked once, nor those that are finalized, whatever became of the transaction. */
TEST(postgres_forgets_statements)
{
    static const char count[] = "SELECT COUNT(*) FROM pg_prepared_statements";
    char target[256];
    char got[64];
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct target_stmt *kept = NULL;
    struct ectx ec;
    server_schema(target, sizeof(target));
    assert_int_equal(target_postgres.load(&l, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(target), 0, &db, &ec), ERR_OK);
    assert_int_equal(target_postgres.prepare(db, STR_LIT("SELECT 7"), &kept, &ec), ERR_OK);
    for (int i = 0; i < 20; i++) {
        struct target_stmt *s = NULL;
        const struct mapping_value one = {.kind = MAPPING_INT, .integer = 1};
        assert_int_equal(target_ask(&target_postgres, db, STR_LIT("SELECT CAST($1 AS BIGINT)"),
                                    &one, 1, take_first, got, &ec),
                         ERR_OK);
        assert_string_equal(got, "1");
        bool fails = i % 2 == 1;
        assert_int_equal(target_postgres.exec(db, "BEGIN", &ec), ERR_OK);
        assert_int_equal(target_postgres.prepare(db, STR_LIT("SELECT 1"), &s, &ec), ERR_OK);
        assert_int_equal(target_postgres.exec(db, fails ? "SELECT 1/0" : "SELECT 1", &ec),
                         fails ? ERR_MALFORMED : ERR_OK);
        target_postgres.finalize(s);
        assert_int_equal(target_postgres.prepare(db, STR_LIT("SELECT 2"), &s, &ec),
                         fails ? ERR_IO : ERR_OK);
        if (!fails) {
            target_postgres.finalize(s);
        }
        assert_int_equal(target_postgres.exec(db, "ROLLBACK", &ec), ERR_OK);
    }
    assert_string_equal(base_rows(&target_postgres, db, count, got, sizeof(got)), "2\n");
    assert_int_equal(target_postgres.query(kept, NULL, 0, take_first, got, &ec), ERR_OK);
    assert_string_equal(got, "7");
    target_postgres.finalize(kept);
    target_postgres.close(db);
    target_postgres.unload(l);
}

struct large {
    size_t rows, wanted;
};
static bool take_large(void *ctx, const struct mapping_value *values, size_t count)
{
    struct large *l = ctx;
    assert_int_equal(count, 2);
    assert_int_equal(values[1].text.n, 200000);
    l->rows++;
    return l->rows < l->wanted;
}
static size_t rows_made(struct target_db *db)
{
    char got[64];
    return (size_t)atoi(
        base_rows(&target_postgres, db, "SELECT last_value FROM made", got, sizeof(got)));
}

/* Whoever has enough of 200 MB has not got all of it into memory: the server was not even asked for
 * most of it. What is done next on the connection reads over the rest, and is right. */
TEST(postgres_does_not_read_what_nobody_wants)
{
    static const char sql[] =
        "SELECT nextval('made'), repeat('x', 200000) FROM generate_series(1, 1000)";
    char target[256];
    char got[64];
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct target_db *other = NULL;
    struct target_stmt *s = NULL;
    struct target_stmt *insert = NULL;
    struct ectx ec;
    server_schema(target, sizeof(target));
    assert_int_equal(target_postgres.load(&l, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(target), 0, &db, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(target), 0, &other, &ec), ERR_OK);
    assert_int_equal(
        target_postgres.exec(db, "CREATE SEQUENCE made; CREATE TABLE t (n BIGINT)", &ec), ERR_OK);
    assert_int_equal(target_postgres.prepare(db, str_of(sql), &s, &ec), ERR_OK);
    assert_int_equal(
        target_postgres.prepare(db, STR_LIT("INSERT INTO t VALUES ($1)"), &insert, &ec), ERR_OK);
    for (int round = 0; round < 3; round++) {
        struct large some = {.wanted = 5};
        assert_int_equal(target_postgres.exec(other, "ALTER SEQUENCE made RESTART", &ec), ERR_OK);
        assert_int_equal(round == 0 ? target_ask(&target_postgres, db, str_of(sql), NULL, 0,
                                                 take_large, &some, &ec)
                                    : target_postgres.query(s, NULL, 0, take_large, &some, &ec),
                         ERR_OK);
        assert_int_equal(some.rows, 5);
        assert_true(rows_made(other) < 500);
        if (round == 0) {
            assert_int_equal(target_postgres.exec(db, "SELECT 1", &ec), ERR_OK);
            assert_int_equal(rows_made(other), 1000);
        } else if (round == 1) {
            const struct mapping_value one = {.kind = MAPPING_INT, .integer = 1};
            assert_int_equal(target_postgres.run(insert, &one, 1, NULL, &ec), ERR_OK);
            assert_int_equal(target_postgres.flush(db, &ec), ERR_OK);
            assert_string_equal(
                base_rows(&target_postgres, other, "SELECT n FROM t", got, sizeof(got)), "1\n");
        }
    }
    target_postgres.finalize(s);
    target_postgres.finalize(insert);
    target_postgres.close(db);
    assert_true(rows_made(other) < 500); /* nothing is read to close it */
    target_postgres.close(other);
    target_postgres.unload(l);
}

static bool count_rows(void *ctx, const struct mapping_value *values, size_t count)
{
    (void)values;
    ++*(size_t *)ctx;
    return count == 1;
}

/* A failure in the middle is one, though rows were told already; and the connection goes on. */
TEST(postgres_queries_may_fail_after_some_rows)
{
    char target[256];
    size_t rows = 0;
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct ectx ec;
    server_schema(target, sizeof(target));
    assert_int_equal(target_postgres.load(&l, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(target), 0, &db, &ec), ERR_OK);
    assert_int_equal(target_ask(&target_postgres, db,
                                STR_LIT("SELECT 1 / (30 - g) FROM generate_series(1, 50) g"), NULL,
                                0, count_rows, &rows, &ec),
                     ERR_MALFORMED);
    assert_non_null(strstr(ec.text, "division by zero"));
    assert_true(rows < 30);
    rows = 0;
    assert_int_equal(target_ask(&target_postgres, db,
                                STR_LIT("SELECT g FROM generate_series(1, 50) g"), NULL, 0,
                                count_rows, &rows, &ec),
                     ERR_OK);
    assert_int_equal(rows, 50);
    assert_int_equal(target_ask(&target_postgres, db, STR_LIT("SELECT nothing"), NULL, 0,
                                count_rows, &rows, &ec),
                     ERR_CONFIG);
    target_postgres.close(db);
    target_postgres.unload(l);
}

/* What writes has five minutes, or less where the role or the database says so; what makes indexes
 * has the server's own limit. */
TEST(postgres_limits_what_writes)
{
    char target[256];
    char got[64];
    struct ectx ec;
    server_schema(target, sizeof(target));
    for (int round = 0; round < 3; round++) {
        static const char *const options[] = {"", "%20-cstatement_timeout%3D7000",
                                              "%20-cstatement_timeout%3D900000"};
        static const char *const limits[] = {"5min\n", "7s\n", "5min\n"};
        static const char *const own[] = {"0\n", "7s\n", "15min\n"};
        char with[400];
        struct target_library *l = NULL;
        struct target_db *db = NULL;
        snprintf(with, sizeof(with), "%s%s", target, options[round]);
        assert_int_equal(target_postgres.load(&l, &ec), ERR_OK);
        assert_int_equal(target_postgres.open(l, str_of(with), 0, &db, &ec), ERR_OK);
        assert_string_equal(
            base_rows(&target_postgres, db, "SHOW statement_timeout", got, sizeof(got)),
            limits[round]);
        assert_int_equal(
            target_postgres.exec_long(
                db, "CREATE TABLE was AS SELECT current_setting('statement_timeout')", &ec),
            ERR_OK);
        assert_string_equal(base_rows(&target_postgres, db, "SELECT * FROM was", got, sizeof(got)),
                            own[round]);
        assert_int_equal(target_postgres.exec(db, "DROP TABLE was", &ec), ERR_OK);
        assert_string_equal(
            base_rows(&target_postgres, db, "SHOW statement_timeout", got, sizeof(got)),
            limits[round]);
        target_postgres.close(db);
        target_postgres.unload(l);
    }
}

/* Versions go, by themselves and on command, when their connection was lost just before. */
TEST_WORLD(postgres_versions_are_dropped_after_a_lost_connection)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    char text[2048];
    char got[64];
    server_on_postgres = true;
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    server_on_postgres = false;
    w.keep = "5s";
    worst_topic_make(w.log, "events", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    assert_int_equal(
        world_command(&w, PROJ_APPLY, world_definition(&w, 1, text, sizeof(text)), &ec), ERR_OK);
    world_say(&w, 50, 0);
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
    world_until(&w, world_two_is_served, 60000);
    server_end_connections();
    world_run(&w, 30000); /* the drop is the first to notice */
    world_say(&w, 50, 0);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    assert_string_equal(
        world_rows(&w, "SELECT version FROM leat_version ORDER BY 1", got, sizeof(got)), "2\n");
    server_end_connections();
    assert_int_equal(world_command(&w, PROJ_REMOVE, NULL, &ec), ERR_OK);
    assert_string_equal(world_rows(&w, "SELECT COUNT(*) FROM leat_version", got, sizeof(got)),
                        "0\n");
    world_deinit(&w);
}

/* A definition that looks at other rows has one transaction at a time, on whatever connection: an
 * order that finds no customer yet, and a customer who finds no order yet, would miss each other.
 */
TEST(postgres_transactions_that_look_around_are_one_after_the_other)
{
    char target[256];
    char text[8192];
    char plain[1024];
    struct bench looks;
    struct bench by_key;
    struct bench other;
    server_schema(target, sizeof(target));
    orders_into(target, text, sizeof(text));
    snprintf(plain, sizeof(plain),
             "{\"projection\":\"plain\",\"version\":1,\"source\":{\"category\":\"order\"},"
             "\"target\":\"%s\",\"tables\":{\"seen\":{\"columns\":{\"id\":\"text\"},\"key\":"
             "\"id\"}},\"maps\":[{\"type\":\"CustomerNamed\",\"upsert\":{\"table\":\"seen\","
             "\"key\":{\"id\":\"$key\"}}}]}",
             target);
    bench_init_text(&looks, text);
    bench_init_text(&other, text);
    bench_init_text(&by_key, plain);
    bench_claim(&looks, 1);
    bench_claim(&by_key, 1);
    struct ectx ec;
    assert_int_equal(target_postgres.exec(looks.db, "SET lock_timeout = '20ms'", &ec), ERR_OK);
    assert_int_equal(target_postgres.exec(other.db, "BEGIN", &ec), ERR_OK);
    int32_t high = (int32_t)hash_murmur2("orders", 6);
    assert_int_equal(target_postgres.lock(other.db, high, 1, &ec), ERR_OK);
    const struct base_event event[] = {
        {"CustomerNamed", "customer-c1", "{\"id\":\"c1\",\"name\":\"Ada\"}"}};
    assert_int_equal(bench_apply(&looks, event, 1), ERR_AGAIN);
    assert_int_equal(bench_apply(&by_key, event, 1), ERR_OK);
    assert_int_equal(target_postgres.exec(other.db, "ROLLBACK", &ec), ERR_OK);
    assert_int_equal(bench_apply(&looks, event, 1), ERR_OK);
    bench_deinit(&by_key);
    bench_deinit(&other);
    bench_deinit(&looks);
}

struct collision {
    struct bench *b;
    enum err err;
};
static void *collide(void *ctx)
{
    struct collision *c = ctx;
    const struct base_event events[] = {{"A", "k1", "{\"id\":\"x\"}"},
                                        {"B", "k2", "{\"id\":\"y\"}"}};
    c->err = bench_apply(c->b, events, 2);
    return NULL;
}

/* Two rules change one table by a value of their data: their rows are written shape by shape, y
 * before x here, and x before y by somebody else. After the deadlock it is one at a time. */
TEST(postgres_takes_the_lock_after_a_deadlock)
{
    char target[256];
    char text[1024];
    struct bench b;
    struct bench other;
    struct ectx ec;
    char waiting[64] = "";
    pthread_t thread;
    server_schema(target, sizeof(target));
    snprintf(text, sizeof(text),
             "{\"projection\":\"shapes\",\"version\":1,\"source\":{\"category\":\"order\"},"
             "\"target\":\"%s\",\"tables\":{\"sums\":{\"columns\":{\"id\":\"text\",\"a\":"
             "\"integer\",\"b\":\"integer\"},\"key\":\"id\"}},\"maps\":["
             "{\"type\":\"A\",\"increment\":{\"table\":\"sums\",\"key\":{\"id\":\"/data/id\"},"
             "\"by\":{\"a\":1}}},"
             "{\"type\":\"B\",\"increment\":{\"table\":\"sums\",\"key\":{\"id\":\"/data/id\"},"
             "\"by\":{\"b\":1}}}]}",
             target);
    bench_init_text(&b, text);
    bench_init_text(&other, text);
    bench_claim(&b, 1);
    struct collision c = {.b = &b};
    (void)collide(&c);
    assert_int_equal(c.err, ERR_OK); /* the rows are there */
    assert_int_equal(target_postgres.exec(b.db, "SET deadlock_timeout = '300ms'", &ec), ERR_OK);
    assert_int_equal(target_postgres.exec(other.db,
                                          "SET deadlock_timeout = '60s'; BEGIN; "
                                          "UPDATE sums__v1 SET a = a WHERE id = 'x'",
                                          &ec),
                     ERR_OK);
    assert_int_equal(pthread_create(&thread, NULL, collide, &c), 0);
    while (strcmp(waiting, "1\n") != 0) {
        base_rows(&target_postgres, other.db, "SELECT COUNT(*) FROM pg_locks WHERE NOT granted",
                  waiting, sizeof(waiting));
    }
    assert_int_equal(
        target_postgres.exec(other.db, "UPDATE sums__v1 SET a = a WHERE id = 'y'", &ec), ERR_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(c.err, ERR_AGAIN);
    assert_non_null(strstr(b.ec.text, "deadlock"));
    assert_int_equal(target_postgres.exec(other.db, "ROLLBACK; BEGIN", &ec), ERR_OK);
    assert_int_equal(target_postgres.lock(other.db, (int32_t)hash_murmur2("shapes", 6), 1, &ec),
                     ERR_OK);
    assert_int_equal(target_postgres.exec(b.db, "SET lock_timeout = '20ms'", &ec), ERR_OK);
    (void)collide(&c);
    assert_int_equal(c.err, ERR_AGAIN); /* it waits for its turn */
    assert_int_equal(target_postgres.exec(other.db, "ROLLBACK", &ec), ERR_OK);
    (void)collide(&c);
    assert_int_equal(c.err, ERR_OK);
    assert_string_equal(bench_rows(&b, "SELECT * FROM sums__v1 ORDER BY id"),
                        "x|2|NULL\ny|NULL|2\n");
    bench_deinit(&other);
    bench_deinit(&b);
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

struct retry_call {
    struct bench *b;
    uint64_t claims; /* with this epoch first; 0: it has claimed */
    enum err claimed, err;
};
static void *retry_key(void *ctx)
{
    struct retry_call *r = ctx;
    struct apply_claim c = {.shard = STR_LIT("es.order/0"), .epoch = r->claims, .now_ms = 5};
    bool more = false;
    r->claimed = r->claims == 0 ? ERR_OK : apply_claim(r->b->a, &c, &r->b->ec);
    r->err = apply_retry(r->b->a, STR_LIT("late"), false, 9, &r->b->counts, &more, &r->b->ec);
    return NULL;
}

/* The next owner of a partition waits for a retry that the owner before it has begun, and does not
 * apply the same events again. */
TEST(postgres_does_not_retry_a_key_twice_when_its_partition_goes)
{
    char target[256];
    char text[1024];
    char waiting[64] = "";
    struct bench b;
    struct bench other;
    struct bench third;
    struct ectx ec;
    pthread_t threads[2];
    server_schema(target, sizeof(target));
    snprintf(text, sizeof(text),
             "{\"projection\":\"twice\",\"version\":1,\"source\":{\"category\":\"order\"},"
             "\"target\":\"%s\",\"tables\":{\"sums\":{\"columns\":{\"id\":\"text\",\"n\":"
             "\"integer\"},\"key\":\"id\"}},\"maps\":[{\"type\":\"A\",\"increment\":{"
             "\"table\":\"sums\",\"key\":{\"id\":\"/data/id\"},\"by\":{\"n\":\"/data/n\"}}}]}",
             target);
    bench_init_text(&b, text);
    bench_init_text(&other, text);
    bench_init_text(&third, text);
    bench_claim(&b, 1);
    const struct base_event events[] = {{"A", "early", "{\"id\":\"x\",\"n\":1}"},
                                        {"A", "late", "{\"id\":\"x\",\"n\":7}"}};
    assert_int_equal(target_postgres.exec(
                         third.db, "ALTER TABLE sums__v1 ADD CONSTRAINT few CHECK (n < 5)", &ec),
                     ERR_OK);
    assert_int_equal(bench_apply(&b, events, ARRAY_LEN(events)), ERR_OK);
    assert_int_equal(b.counts.parked, 1);
    assert_int_equal(
        target_postgres.exec(third.db, "ALTER TABLE sums__v1 DROP CONSTRAINT few", &ec), ERR_OK);
    assert_int_equal(target_postgres.exec(
                         third.db, "BEGIN; SELECT 1 FROM sums__v1 WHERE id = 'x' FOR UPDATE", &ec),
                     ERR_OK);
    assert_int_equal(target_postgres.exec(b.db, "SET lock_timeout = 0", &ec), ERR_OK);
    assert_int_equal(target_postgres.exec(other.db, "SET lock_timeout = 0", &ec), ERR_OK);
    struct retry_call calls[] = {{.b = &b}, {.b = &other, .claims = 2}};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        const char *const all_wait = i == 0 ? "1\n" : "2\n";
        assert_int_equal(pthread_create(&threads[i], NULL, retry_key, &calls[i]), 0);
        while (strcmp(waiting, all_wait) != 0) {
            base_rows(&target_postgres, third.db, "SELECT COUNT(*) FROM pg_locks WHERE NOT granted",
                      waiting, sizeof(waiting));
        }
    }
    assert_int_equal(target_postgres.exec(third.db, "ROLLBACK", &ec), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(calls[i].claimed, ERR_OK);
    }
    assert_string_equal(bench_rows(&third, "SELECT id, n FROM sums__v1"), "x|8\n");
    assert_string_equal(bench_rows(&third, "SELECT COUNT(*) FROM leat_parked"), "0\n");
    assert_int_equal(calls[0].err, ERR_OK);
    assert_int_equal(calls[1].err, ERR_NOT_FOUND);
    bench_deinit(&third);
    bench_deinit(&other);
    bench_deinit(&b);
}
