/* See world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/mem.h"
#include "test.h"

/* ---- The model (its memory is not the program's: it never fails) ------------------------------
 */

static const struct index_table *table_of(const struct world *w, unsigned t)
{
    return &w->tables[t];
}

static size_t model_bound(const struct model_table *m, const uint8_t *key, size_t n)
{
    size_t lo = 0, hi = m->count;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (memcmp(m->entries[mid], key, n) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void model_put(struct world *w, unsigned t, const uint8_t *key, const uint8_t *value)
{
    struct model_table *m = &w->now.tables[t];
    const struct index_table *spec = table_of(w, t);
    const size_t at = model_bound(m, key, spec->key_bytes);
    if (at == m->count || memcmp(m->entries[at], key, spec->key_bytes) != 0) {
        if (m->count == m->cap) {
            m->cap = m->cap == 0 ? 64 : m->cap * 2;
            m->entries = realloc(m->entries, m->cap * sizeof(*m->entries));
            assert_non_null(m->entries);
        }
        memmove(m->entries + at + 1, m->entries + at, (m->count - at) * sizeof(*m->entries));
        m->count++;
        memcpy(m->entries[at], key, spec->key_bytes);
    }
    memcpy(m->entries[at] + spec->key_bytes, value, spec->value_bytes);
}

static void model_copy(struct model *to, const struct model *from)
{
    for (int t = 0; t < WORLD_TABLES; t++) {
        const struct model_table *f = &from->tables[t];
        struct model_table *m = &to->tables[t];
        if (m->cap < f->count) {
            m->cap = f->count;
            m->entries = realloc(m->entries, m->cap * sizeof(*m->entries));
            assert_non_null(m->entries);
        }
        m->count = f->count;
        if (f->count > 0) {
            memcpy(m->entries, f->entries, f->count * sizeof(*f->entries));
        }
    }
}

static void model_free(struct model *m)
{
    for (int t = 0; t < WORLD_TABLES; t++) {
        free(m->tables[t].entries);
    }
}

/* ---- The machine ------------------------------------------------------------------------------
 */

uint64_t world_random(struct world *w, uint64_t below)
{
    w->rng += 0x9e3779b97f4a7c15u;
    uint64_t x = w->rng;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % below;
}

void world_init(struct world *w, uint64_t seed, uint64_t disk_bytes)
{
    memset(w, 0, sizeof(*w));
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    const struct env_sim_config sim = {
        .seed = seed, .disk_bytes = disk_bytes, .write_ns = 1000, .sync_ns = 100000};
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    w->tables[0] = (struct index_table){"events", 16, 8, 8, false};
    w->tables[1] = (struct index_table){"ids", 24, 16, 12, false};
    w->tables[2] = (struct index_table){"tags", 4, 2, 0, false};
    w->cfg = (struct index_config){.dir = "/index",
                                   .tables = w->tables,
                                   .table_count = WORLD_TABLES,
                                   .memory_bytes = 16 << 10,
                                   .filter_bytes = 1 << 20};
    w->step_bytes = 2000;
    w->rng = seed;
    w->prefixes = 40;
    w->numbers = 30;
}

void world_deinit(struct world *w)
{
    if (w->ix != NULL) {
        world_close(w, false);
    }
    if (w->poll != NULL) {
        env_poll_destroy(w->poll);
    }
    env_destroy(w->env);
    model_free(&w->now);
    for (int i = 0; i < WORLD_COVERS; i++) {
        model_free(&w->covers[i].state);
    }
}

static void on_harmed(void *ctx, const struct ectx *ec)
{
    struct world *w = ctx;
    w->harmed++;
    w->ec = *ec;
}

static void on_ready(void *ctx)
{
    struct world *w = ctx;
    w->ready++;
}

enum err world_open(struct world *w)
{
    const struct index_hooks hooks = {w, on_harmed, on_ready};
    return index_open_steps(w->env, w->poll, &w->cfg, &hooks, w->step_bytes, &w->ix, &w->ec);
}

void world_close(struct world *w, bool flush)
{
    index_close(w->ix, flush);
    w->ix = NULL;
}

void world_stop(struct world *w)
{
    /* Off before the index is closed, or closing it would be work on the new machine. */
    if (!env_sim_is_cut(w->env)) {
        env_sim_cut_at(w->env, env_sim_ops(w->env) + 1);
    }
    if (w->ix != NULL) {
        world_close(w, true);
    }
    if (w->poll != NULL) {
        env_poll_destroy(w->poll);
        w->poll = NULL;
    }
}

static void world_boot(struct world *w)
{
    env_sim_cut_at(w->env, UINT64_MAX);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
}

void world_cut(struct world *w, enum env_sim_keep keep, uint64_t choice)
{
    world_stop(w);
    env_sim_power_cut_as(w->env, keep, choice);
    world_boot(w);
}

void world_kill(struct world *w)
{
    world_stop(w);
    env_sim_process_kill(w->env);
    world_boot(w);
}

void world_turn(struct world *w)
{
    (void)env_poll_run(w->poll, 0);
}

void world_settle(struct world *w)
{
    for (int i = 0; i < 100000; i++) {
        if (env_poll_run(w->poll, 0) == 0 && env_job_pending(w->poll) == 0) {
            return;
        }
    }
    fail_msg("does not settle");
}

/* ---- Putting ----------------------------------------------------------------------------------
 */

void world_key(struct world *w, unsigned table, uint8_t *key)
{
    const uint64_t prefix = world_random(w, w->prefixes), number = world_random(w, w->numbers);
    uint8_t k[INDEX_KEY_MAX] = {0};
    put_be64(k, filter_hash(&prefix, 8));
    if (table == 1) {
        put_be64(k + 8, prefix);
        put_be64(k + 16, number);
    } else if (table == 2) {
        put_be16(k + 2, (uint16_t)number);
    } else {
        put_be64(k + 8, number);
    }
    memcpy(key, k, table_of(w, table)->key_bytes);
}

enum err world_put_this(struct world *w, unsigned table, const uint8_t *key, const uint8_t *value)
{
    enum err e = index_put(w->ix, table, key, value);
    if (e == ERR_OK) {
        model_put(w, table, key, value);
    }
    return e;
}

enum err world_put(struct world *w)
{
    uint8_t key[INDEX_KEY_MAX], value[INDEX_VALUE_MAX];
    const unsigned t = (unsigned)world_random(w, WORLD_TABLES);
    world_key(w, t, key);
    for (int i = 0; i < 32; i += 8) {
        put_le64(value + i, world_random(w, UINT64_MAX));
    }
    return world_put_this(w, t, key, value);
}

enum err world_cover(struct world *w, bool now)
{
    const uint32_t number = ++w->cover_count;
    char text[16];
    (void)snprintf(text, sizeof(text), "%u", number);
    w->covers[number % WORLD_COVERS].number = number;
    model_copy(&w->covers[number % WORLD_COVERS].state, &w->now);
    return index_cover(w->ix, str_of(text), now);
}

bool world_adopt(struct world *w, uint32_t *number)
{
    uint64_t n = 0;
    const struct str covered = index_covered(w->ix);
    if (covered.n > 0 && !str_to_u64(covered, &n)) {
        return false;
    }
    *number = (uint32_t)n;
    if (n == 0) {
        for (int t = 0; t < WORLD_TABLES; t++) {
            w->now.tables[t].count = 0;
        }
        return true;
    }
    if (w->covers[n % WORLD_COVERS].number != n) {
        return false;
    }
    model_copy(&w->now, &w->covers[n % WORLD_COVERS].state);
    return true;
}

/* ---- Looking ----------------------------------------------------------------------------------
 */

static void job_done(struct index_job *job)
{
    *(bool *)job->ctx = true;
}

static enum err job_wait(struct world *w, struct index_job *job)
{
    bool done = false;
    job->done = job_done;
    job->ctx = &done;
    index_submit(w->ix, job);
    for (int i = 0; i < 100000 && !done && !env_sim_is_cut(w->env); i++) {
        (void)env_poll_run(w->poll, 0);
    }
    if (!done) {
        return ERR_STOPPED;
    }
    return job->err;
}

enum err world_get(struct world *w, unsigned table, const uint8_t *key, uint8_t *value)
{
    enum err e = index_get(w->ix, table, key, value);
    if (e == ERR_AGAIN) {
        struct index_job job = {.kind = INDEX_JOB_GET, .table = table, .key = key, .value = value};
        e = job_wait(w, &job);
    }
    return e;
}

enum err world_last(struct world *w, unsigned table, const uint8_t *prefix, const uint8_t *key,
                    uint8_t *key_out, uint8_t *value)
{
    enum err e = index_last(w->ix, table, prefix, key, key_out, value);
    if (e == ERR_AGAIN) {
        struct index_job job = {.kind = INDEX_JOB_LAST,
                                .table = table,
                                .prefix = prefix,
                                .key = key,
                                .key_out = key_out,
                                .value = value};
        e = job_wait(w, &job);
    }
    return e;
}

enum err world_scan(struct world *w, struct index_scan *s)
{
    enum err e = index_scan(w->ix, s);
    if (e == ERR_AGAIN) {
        struct index_job job = {.kind = INDEX_JOB_SCAN, .scan = s};
        e = job_wait(w, &job);
    }
    return e;
}

/* No answer, and there is a reason. */
static bool excused(struct world *w, enum err e)
{
    if (e == ERR_STOPPED && env_sim_is_cut(w->env)) {
        return true;
    }
    if (w->tolerated != ERR_OK && e == w->tolerated) {
        w->tolerated_count++;
        return true;
    }
    return false;
}

static void check_get(struct world *w, unsigned t, const uint8_t *key)
{
    const struct index_table *spec = table_of(w, t);
    const struct model_table *m = &w->now.tables[t];
    uint8_t value[INDEX_VALUE_MAX];
    const size_t at = model_bound(m, key, spec->key_bytes);
    const bool there = at < m->count && memcmp(m->entries[at], key, spec->key_bytes) == 0;
    enum err e = world_get(w, t, key, value);
    if (excused(w, e)) {
        return;
    }
    assert_int_equal(e, there ? ERR_OK : ERR_NOT_FOUND);
    if (there) {
        assert_memory_equal(value, m->entries[at] + spec->key_bytes, spec->value_bytes);
    }
}

static void check_last(struct world *w, unsigned t)
{
    const struct index_table *spec = table_of(w, t);
    const struct model_table *m = &w->now.tables[t];
    uint8_t prefix[INDEX_KEY_MAX], bound[INDEX_KEY_MAX], key[INDEX_KEY_MAX], value[INDEX_VALUE_MAX];
    world_key(w, t, prefix);
    memcpy(bound, prefix, sizeof(bound));
    const bool any = world_random(w, 2) == 0;
    if (any) {
        memset(bound + spec->prefix_bytes, 0xff, (size_t)(spec->key_bytes - spec->prefix_bytes));
    }
    size_t at = model_bound(m, bound, spec->key_bytes);
    if (at == m->count || memcmp(m->entries[at], bound, spec->key_bytes) != 0) {
        at--; /* SIZE_MAX: none */
    }
    const bool there = at != SIZE_MAX && memcmp(m->entries[at], prefix, spec->prefix_bytes) == 0;
    enum err e = world_last(w, t, prefix, any ? NULL : bound, key, value);
    if (excused(w, e)) {
        return;
    }
    assert_int_equal(e, there ? ERR_OK : ERR_NOT_FOUND);
    if (there) {
        assert_memory_equal(key, m->entries[at], spec->key_bytes);
        assert_memory_equal(value, m->entries[at] + spec->key_bytes, spec->value_bytes);
    }
}

static void check_scan(struct world *w, unsigned t, const uint8_t *from, const uint8_t *to,
                       size_t max, bool descending)
{
    const struct index_table *spec = table_of(w, t);
    const struct model_table *m = &w->now.tables[t];
    uint8_t *keys = malloc(max * spec->key_bytes + 1),
            *values = malloc(max * spec->value_bytes + 1);
    assert_true(keys != NULL && values != NULL);
    struct index_scan s = {.table = t,
                           .from = from,
                           .to = to,
                           .descending = descending,
                           .max = max,
                           .keys = keys,
                           .values = values};
    enum err e = world_scan(w, &s);
    if (!excused(w, e)) {
        assert_int_equal(e, ERR_OK);
        const size_t lo = model_bound(m, from, spec->key_bytes);
        size_t hi = model_bound(m, to, spec->key_bytes);
        hi += hi < m->count && memcmp(m->entries[hi], to, spec->key_bytes) == 0 ? 1 : 0;
        const size_t all = hi > lo ? hi - lo : 0;
        assert_int_equal(s.count, all < max ? all : max);
        assert_int_equal(s.more, all > max);
        for (size_t i = 0; i < s.count; i++) {
            const uint8_t *entry = m->entries[descending ? hi - 1 - i : lo + i];
            assert_memory_equal(keys + i * spec->key_bytes, entry, spec->key_bytes);
            assert_memory_equal(values + i * spec->value_bytes, entry + spec->key_bytes,
                                spec->value_bytes);
        }
    }
    free(keys);
    free(values);
}

static void check_some_scan(struct world *w, unsigned t)
{
    uint8_t from[INDEX_KEY_MAX], to[INDEX_KEY_MAX];
    const struct index_table *spec = table_of(w, t);
    world_key(w, t, from);
    if (world_random(w, 2) == 0) {
        memcpy(to, from, spec->prefix_bytes); /* all of a prefix, or its end */
        memset(to + spec->prefix_bytes, 0xff, (size_t)(spec->key_bytes - spec->prefix_bytes));
    } else {
        world_key(w, t, to);
    }
    check_scan(w, t, from, to, world_random(w, 50), world_random(w, 2) == 0);
}

void world_look(struct world *w, uint32_t count)
{
    uint8_t key[INDEX_KEY_MAX];
    for (uint32_t i = 0; i < count && !env_sim_is_cut(w->env); i++) {
        const unsigned t = (unsigned)world_random(w, WORLD_TABLES);
        switch (world_random(w, 3)) {
        case 0:
            world_key(w, t, key);
            check_get(w, t, key);
            break;
        case 1:
            check_last(w, t);
            break;
        default:
            check_some_scan(w, t);
            break;
        }
    }
}

void world_check(struct world *w)
{
    uint8_t low[INDEX_KEY_MAX] = {0}, high[INDEX_KEY_MAX];
    memset(high, 0xff, sizeof(high));
    for (unsigned t = 0; t < WORLD_TABLES; t++) {
        check_scan(w, t, low, high, w->now.tables[t].count + 3, false);
        check_scan(w, t, low, high, w->now.tables[t].count + 3, true);
        for (size_t i = 0; i < w->now.tables[t].count; i++) {
            check_get(w, t, w->now.tables[t].entries[i]);
        }
    }
    world_look(w, 50);
}
