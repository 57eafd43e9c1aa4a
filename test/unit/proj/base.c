/* Batches of events, a definition on a file, rows as text: what the tests of projections share. */
#include "base.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/compiler.h"
#include "record/builder.h"
#include "server.h"

const char *const base_orders =
    "{\"projection\":\"orders\",\"version\":1,\"source\":{\"category\":\"order\"},"
    "\"target\":\"sqlite:%s\",\"key\":\"$key\",\"tables\":{"
    "\"orders\":{\"columns\":{\"id\":\"text\",\"status\":\"text\",\"total\":\"integer\","
    "\"customer\":\"text\"},\"key\":\"id\",\"indexes\":[\"status\"]},"
    "\"stock\":{\"columns\":{\"sku\":\"text\",\"sold\":\"integer\",\"seen\":\"integer\"},"
    "\"key\":\"sku\"},"
    "\"customers\":{\"columns\":{\"id\":\"text\",\"name\":\"text\"},\"key\":\"id\"}},"
    "\"maps\":["
    "{\"type\":\"CustomerNamed\",\"upsert\":{\"table\":\"customers\",\"key\":{\"id\":\"/data/id\"},"
    "\"set\":{\"name\":\"/data/name\"}}},"
    "{\"type\":\"OrderPlaced\",\"lookup\":{\"c\":{\"from\":\"customers\",\"key\":{\"id\":\"/data/"
    "customer\"},\"columns\":\"name\"}},"
    "\"upsert\":{\"table\":\"orders\",\"key\":{\"id\":\"$key\"},\"set\":{\"status\":\"'placed'\","
    "\"total\":\"/data/price * /data/quantity\",\"customer\":\"c.name ?? 'unknown'\"}}},"
    "{\"type\":\"OrderPlaced\",\"each\":\"/data/items\",\"increment\":{\"table\":\"stock\","
    "\"key\":{\"sku\":\"@/sku\"},\"by\":{\"sold\":\"@/n\"}},"
    "\"sql\":{\"statement\":\"UPDATE {stock} SET seen = COALESCE(seen, 0) + 1 WHERE sku = :sku\","
    "\"bind\":{\"sku\":\"@/sku\"}}},"
    "{\"type\":\"OrderShipped\",\"update\":{\"table\":\"orders\",\"where\":{\"id\":\"$key\"},"
    "\"set\":{\"status\":\"'shipped'\"},\"by\":{\"total\":\"/data/fee ?? 0\"}}},"
    "{\"type\":\"OrderCancelled\",\"delete\":{\"table\":\"orders\",\"key\":{\"id\":\"$key\"}}}]}";

void base_batch(struct buf *out, int64_t base_offset, const struct base_event *events, size_t count)
{
    struct batch_builder b;
    batch_builder_init(&b, 1u << 20);
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof(id), "e%lld", (long long)base_offset + (long long)i);
        const struct record_header headers[] = {
            {STR_LIT("ce_specversion"), STR_LIT("1.0")},
            {STR_LIT("ce_id"), str_of(id)},
            {STR_LIT("ce_source"), STR_LIT("/test")},
            {STR_LIT("ce_type"), str_of(events[i].type)},
            {STR_LIT("content-type"), STR_LIT("application/json")}};
        assert_int_equal(batch_builder_append(&b, 1000 + base_offset + (int64_t)i,
                                              str_of(events[i].key), str_of(events[i].data),
                                              headers, ARRAY_LEN(headers)),
                         ERR_OK);
    }
    struct batch_spec spec;
    batch_spec_init(&spec);
    spec.base_offset = base_offset;
    assert_int_equal(batch_builder_finish(&b, &spec, NULL, out, NULL), ERR_OK);
    batch_builder_deinit(&b);
}

struct printing {
    char *out;
    size_t size, n;
};
static bool print_row(void *ctx, const struct mapping_value *values, size_t count)
{
    struct printing *p = ctx;
    struct arena a;
    arena_init(&a, 1u << 20);
    for (size_t i = 0; i < count; i++) {
        struct str text = STR_LIT("NULL");
        if (values[i].kind != MAPPING_NULL) {
            assert_true(mapping_value_text(&values[i], &a, &text));
        }
        p->n +=
            (size_t)snprintf(p->out + p->n, p->size - p->n, "%s%.*s", i == 0 ? "" : "|", STR(text));
        assert_true(p->n < p->size);
    }
    p->n += (size_t)snprintf(p->out + p->n, p->size - p->n, "\n");
    arena_deinit(&a);
    return true;
}

const char *base_rows(const struct target_driver *driver, struct target_db *db, const char *sql,
                      char *out, size_t size)
{
    struct printing p = {out, size, 0};
    struct target_stmt *s = NULL;
    struct ectx ec = {0};
    out[0] = 0;
    if (driver->prepare(db, str_of(sql), &s, &ec) != ERR_OK ||
        driver->query(s, NULL, 0, print_row, &p, &ec) != ERR_OK) {
        snprintf(out, size, "%s", ec.text);
    }
    driver->finalize(s);
    return out;
}

/* One folder for the process, so that a second database of a test is the same file. */
static const char *folder(void)
{
    static const char *dir;
    dir = dir == NULL ? test_dir() : dir;
    return dir;
}

void bench_init_text(struct bench *b, const char *text)
{
    memset(b, 0, sizeof(*b));
    enum err e = def_create(str_of(text), STR_LIT("orders.json"), 0, &b->d, &b->ec);
    if (e != ERR_OK) {
        fail_msg("%s %s", b->ec.text, b->ec.hint);
    }
    assert_int_equal(b->d->driver->load(&b->library, &b->ec), ERR_OK);
    e = b->d->driver->open(b->library, b->d->where, 0, &b->db, &b->ec);
    e = e != ERR_OK ? e : apply_setup(b->d->driver, b->db, b->d, 1, &b->ec);
    e = e != ERR_OK ? e : apply_create(b->d->driver, b->db, b->d, &b->a, &b->ec);
    if (e != ERR_OK) {
        fail_msg("%s %s", b->ec.text, b->ec.hint);
    }
}

void bench_init(struct bench *b, const char *definition, const char *file)
{
    char text[8192];
    char target[256];
    const char *at = strstr(definition, "%s");
    if (server_on_postgres) { /* in place of sqlite:%s */
        server_schema(target, sizeof(target));
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - 7 - definition), definition, target,
                 at + 2);
        bench_init_text(b, text);
        return;
    }
    snprintf(text, sizeof(text), "%.*s%s/%s%s", (int)(at - definition), definition, folder(), file,
             at + 2);
    bench_init_text(b, text);
}

void bench_deinit(struct bench *b)
{
    apply_destroy(b->a);
    b->d->driver->close(b->db);
    b->d->driver->unload(b->library);
    def_destroy(b->d);
}

void bench_claim(struct bench *b, uint64_t epoch)
{
    struct apply_claim c = {.shard = STR_LIT("es.order/0"), .epoch = epoch, .now_ms = 5};
    assert_int_equal(apply_claim(b->a, &c, &b->ec), ERR_OK);
    b->next = c.next_offset;
    b->epoch = epoch;
}

enum err bench_apply(struct bench *b, const struct base_event *events, size_t count)
{
    struct buf bytes;
    buf_init(&bytes, 4u << 20);
    base_batch(&bytes, b->next, events, count);
    struct engine_batch batch = {.bytes = buf_str(&bytes)};
    struct apply_read read = {.shard = STR_LIT("es.order/0"),
                              .topic = STR_LIT("es.order"),
                              .epoch = b->epoch,
                              .from = b->next,
                              .next_offset = b->next + (int64_t)count,
                              .batches = &batch,
                              .batch_count = 1};
    enum err e = apply_reads(b->a, &read, 1, 7, &b->counts, &b->ec);
    if (e == ERR_OK) {
        b->next = read.next_offset;
    }
    buf_deinit(&bytes);
    return e;
}

const char *bench_rows(struct bench *b, const char *sql)
{
    static char out[16384];
    return base_rows(b->d->driver, b->db, sql, out, sizeof(out));
}

/* ---- Interrupts */

struct interrupted {
    const struct target_driver *driver;
    struct target_db *db;
    const char *sql;
    enum err err;
};
static void *run_long(void *ctx)
{
    struct interrupted *x = ctx;
    x->err = x->driver->exec(x->db, x->sql, NULL);
    return NULL;
}

void base_interrupt(const struct target_driver *driver, const char *where, const char *sql,
                    enum err expected)
{
    struct interrupted x = {.driver = driver, .sql = sql};
    struct target_library *l = NULL;
    struct ectx ec;
    pthread_t thread;
    assert_int_equal(driver->load(&l, &ec), ERR_OK);
    assert_int_equal(driver->open(l, str_of(where), 0, &x.db, &ec), ERR_OK);
    time_t begun = time(NULL);
    assert_int_equal(pthread_create(&thread, NULL, run_long, &x), 0);
    assert_int_equal(usleep(50000), 0);
    driver->interrupt(l);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(x.err, expected);
    driver->close(x.db);
    x.db = NULL;
    if (driver->open(l, str_of(where), 0, &x.db, &ec) == ERR_OK) {
        (void)run_long(&x);
        assert_int_equal(x.err, expected);
        driver->close(x.db);
    }
    assert_true(time(NULL) - begun < 20);
    driver->unload(l);
}

enum err bench_attempt(void *ctx)
{
    struct bench_attempt *o = ctx;
    struct bench *b = &o->b;
    struct apply *a = NULL;
    struct apply_claim c = {.shard = STR_LIT("es.order/0"), .epoch = ++b->epoch};
    enum err e = apply_create(b->d->driver, b->db, b->d, &a, NULL);
    e = e != ERR_OK ? e : apply_claim(a, &c, NULL);
    struct engine_batch batch = {.bytes = buf_str(&o->bytes)};
    struct apply_read read = {.shard = STR_LIT("es.order/0"),
                              .topic = STR_LIT("es.order"),
                              .epoch = b->epoch,
                              .next_offset = o->next_offset,
                              .batches = &batch,
                              .batch_count = 1};
    e = e != ERR_OK ? e : apply_reads(a, &read, 1, 7, &b->counts, NULL);
    apply_destroy(a);
    return e;
}
