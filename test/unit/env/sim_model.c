/*
 * The simulated disk against a naive model: what an application sees is exact at any moment, and
 * what it finds after a power cut is made of pieces that were really written, nothing else.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim_test.h"

/* ---- Content ---- */

#define FILE_MAX 20000u
#define VERSIONS 64u
#define SECTOR   512u

/* All that one file has been since its last sync; version 0 is the synced one. */
struct model {
    uint8_t bytes[VERSIONS][FILE_MAX];
    size_t size[VERSIONS];
    size_t n;    /* versions; the last one is now */
    bool shrunk; /* since the sync: sectors may also show zeros in part */
};

static size_t model_step(struct model *m)
{
    assert_true(m->n < VERSIONS);
    memcpy(m->bytes[m->n], m->bytes[m->n - 1], FILE_MAX);
    m->size[m->n] = m->size[m->n - 1];
    return m->n++;
}

static void model_synced(struct model *m)
{
    memmove(m->bytes[0], m->bytes[m->n - 1], FILE_MAX);
    m->size[0] = m->size[m->n - 1];
    m->n = 1;
    m->shrunk = false;
}

static void random_change(struct env_file *f, struct model *m, uint64_t *rng)
{
    static uint8_t data[FILE_MAX];
    uint64_t kind = sim_draw(rng, 10);
    size_t at = sim_draw(rng, 15000), n = 1 + sim_draw(rng, sim_draw(rng, 2) ? 5000 : 300);
    if (kind < 6) {
        memset(data, (int)(1 + sim_draw(rng, 255)), n);
        size_t half = n / 2;
        struct iovec iov[2] = {{data, half}, {data + half, n - half}};
        assert_int_equal(env_file_pwritev(f, iov, 2, at, NULL), ERR_OK);
        size_t v = model_step(m);
        memcpy(m->bytes[v] + at, data, n);
        m->size[v] = at + n > m->size[v] ? at + n : m->size[v];
    } else if (kind < 7) {
        assert_int_equal(env_file_truncate(f, at, NULL), ERR_OK);
        size_t v = model_step(m);
        m->shrunk = m->shrunk || at < m->size[v];
        memset(m->bytes[v] + at, 0, FILE_MAX - at);
        m->size[v] = at;
    } else if (kind < 8) {
        assert_int_equal(env_file_allocate(f, at, n, true, NULL), ERR_OK);
        size_t v = model_step(m);
        m->size[v] = at + n > m->size[v] ? at + n : m->size[v];
    } else if (kind < 9) {
        assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
        model_synced(m);
    }
}

static void assert_now(struct env_file *f, const struct model *m)
{
    static uint8_t got[FILE_MAX];
    size_t n = 0;
    assert_int_equal(env_file_pread(f, got, FILE_MAX, 0, &n, NULL), ERR_OK);
    assert_int_equal(n, m->size[m->n - 1]);
    assert_memory_equal(got, m->bytes[m->n - 1], n);
}

/* Is this sector one that the file had, as far as the final size shows it? */
static bool sector_known(const struct model *m, const uint8_t *p, size_t at, size_t n)
{
    for (size_t v = 0; v < m->n; v++) {
        if (memcmp(m->bytes[v] + at, p, n) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < n && m->shrunk; i++) {
        bool known = p[i] == 0;
        for (size_t v = 0; v < m->n && !known; v++) {
            known = m->bytes[v][at + i] == p[i];
        }
        if (!known) {
            return false;
        }
    }
    return m->shrunk;
}

static void assert_possible(struct env *env, const struct model *m)
{
    uint64_t size = 0;
    const uint8_t *p = env_sim_file_bytes(env, "f", &size);
    assert_non_null(p);
    bool size_known = false;
    for (size_t v = 0; v < m->n; v++) {
        size_known = size_known || m->size[v] == size;
    }
    assert_true(size_known);
    for (size_t at = 0; at < size; at += SECTOR) {
        size_t n = size - at < SECTOR ? (size_t)size - at : SECTOR;
        assert_true(sector_known(m, p + at, at, n));
    }
}

TEST(sim_disk_agrees_with_a_naive_model)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        uint64_t rng = seed;
        struct model *m = calloc(1, sizeof(*m));
        assert_non_null(m);
        m->n = 1;
        struct env *env = sim_new(seed);
        struct env_file *f = sim_open(env, "f", ENV_READ | ENV_WRITE | ENV_CREATE);
        assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
        for (int i = 0; i < 120; i++) {
            random_change(f, m, &rng);
            assert_now(f, m);
            if (m->n == VERSIONS || i % 20 == 19) {
                env_file_close(f);
                struct env_sim_disk *d = env_sim_disk_save(env);
                uint64_t hash = env_sim_disk_hash(env);
                for (uint64_t c = 0; c < 20; c++) {
                    env_sim_disk_restore(env, d);
                    env_sim_power_cut(env, c);
                    assert_possible(env, m);
                    uint64_t once = env_sim_disk_hash(env);
                    env_sim_power_cut_as(env, ENV_SIM_LOSE_ALL, 0);
                    assert_true(env_sim_disk_hash(env) == once); /* a found disk is on the disk */
                }
                env_sim_disk_restore(env, d);
                env_sim_power_cut_as(env, ENV_SIM_KEEP_ALL, 0);
                assert_true(env_sim_disk_hash(env) == hash);
                env_sim_disk_restore(env, d);
                env_sim_disk_free(d);
                f = sim_open(env, "f", ENV_READ | ENV_WRITE);
                assert_now(f, m); /* a save is not disturbed by what is done to the disk */
                assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
                model_synced(m);
            }
        }
        env_file_close(f);
        env_destroy(env);
        free(m);
    }
}

/* ---- Names ---- */

#define NAMES 5
#define DIRS  2

/* For each name the files that it may show after a cut: bit i = the file with number i, bit 0 =
 * nothing. */
struct names {
    unsigned now[DIRS * NAMES];
    uint64_t may[DIRS * NAMES];
};

static const char *name_path(size_t i)
{
    static char path[2][8];
    static unsigned turn;
    char *p = path[turn++ % 2];
    snprintf(p, 8, "%c/%c", (char)('x' + i / NAMES), (char)('a' + i % NAMES));
    return p;
}

static void names_set(struct names *m, size_t i, unsigned file)
{
    m->now[i] = file;
    m->may[i] |= (uint64_t)1 << file;
}

static void names_change(struct env *env, struct names *m, uint64_t *rng, unsigned *next)
{
    size_t a = sim_draw(rng, (uint64_t)DIRS * NAMES), b = sim_draw(rng, (uint64_t)DIRS * NAMES);
    uint64_t kind = sim_draw(rng, 8);
    if (kind < 3 && m->now[a] == 0 && *next < 60) {
        char text[4] = {'#', (char)(' ' + *next), '\0'};
        sim_write_file(env, name_path(a), text, true);
        names_set(m, a, (*next)++);
    } else if (kind < 5 && m->now[a] != 0) {
        assert_int_equal(env_unlink(env, name_path(a), NULL), ERR_OK);
        names_set(m, a, 0);
    } else if (kind < 7 && m->now[a] != 0 && a != b) {
        assert_int_equal(env_rename(env, name_path(a), name_path(b), NULL), ERR_OK);
        names_set(m, b, m->now[a]);
        names_set(m, a, 0);
    } else if (kind == 7) {
        size_t dir = sim_draw(rng, DIRS);
        assert_int_equal(env_dir_sync(env, dir == 0 ? "x" : "y", NULL), ERR_OK);
        for (size_t i = dir * NAMES; i < (dir + 1) * NAMES; i++) {
            m->may[i] = (uint64_t)1 << m->now[i];
        }
        /* a rename across is synced by either side, so the other directory is left to `may` */
    }
}

static unsigned name_shows(struct env *env, size_t i)
{
    const char *text = sim_content(env, name_path(i));
    if (text == NULL) {
        return 0;
    }
    assert_int_equal(strlen(text), 2); /* all files were synced: whole, wherever they turn up */
    return (unsigned)(text[1] - ' ');
}

TEST(sim_names_agree_with_a_naive_model)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t rng = seed;
        struct names m = {0};
        unsigned next = 1;
        struct env *env = sim_new(seed);
        assert_int_equal(env_dir_make(env, "x", NULL), ERR_OK);
        assert_int_equal(env_dir_make(env, "y", NULL), ERR_OK);
        assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
        for (size_t i = 0; i < DIRS * NAMES; i++) {
            m.may[i] = 1;
        }
        for (int i = 0; i < 40; i++) {
            names_change(env, &m, &rng, &next);
        }
        for (size_t i = 0; i < DIRS * NAMES; i++) {
            assert_int_equal(name_shows(env, i), m.now[i]);
        }
        struct env_sim_disk *d = env_sim_disk_save(env);
        for (uint64_t c = 0; c < 20; c++) {
            env_sim_disk_restore(env, d);
            env_sim_power_cut(env, c);
            uint64_t seen = 0;
            for (size_t i = 0; i < DIRS * NAMES; i++) {
                unsigned file = name_shows(env, i);
                assert_true(m.may[i] >> file & 1);
                assert_true(file == 0 || (seen >> file & 1) == 0); /* no file has two names */
                seen |= (uint64_t)1 << file;
            }
        }
        env_sim_disk_restore(env, d);
        assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
        env_sim_power_cut_as(env, ENV_SIM_LOSE_ALL, 0);
        for (size_t i = 0; i < DIRS * NAMES; i++) {
            assert_int_equal(name_shows(env, i), m.now[i]);
        }
        env_sim_disk_free(d);
        env_destroy(env);
    }
}

TEST(sim_directories_behave)
{
    struct env *env = sim_new(1);
    assert_int_equal(env_dir_make(env, "d/e", NULL), ERR_NOT_FOUND);
    assert_int_equal(env_dir_make(env, "d", NULL), ERR_OK);
    assert_int_equal(env_dir_make(env, "/d/", NULL), ERR_EXISTS);
    sim_write_file(env, "./d//f", "x", false);
    assert_string_equal(sim_content(env, "d/f"), "x");
    assert_int_not_equal(env_dir_remove(env, "d", NULL), ERR_OK);
    assert_int_not_equal(env_unlink(env, "d", NULL), ERR_OK);
    assert_int_not_equal(env_rename(env, "d", "d/sub", NULL), ERR_OK);
    assert_int_equal(env_rename(env, "none", "x", NULL), ERR_NOT_FOUND);
    struct env_file *f = NULL;
    assert_int_equal(env_file_open(env, "none", ENV_READ, &f, NULL), ERR_NOT_FOUND);
    assert_int_equal(env_file_open(env, "d/f", ENV_WRITE | ENV_CREATE | ENV_EXCLUSIVE, &f, NULL),
                     ERR_EXISTS);
    assert_int_equal(env_rename(env, "d", "g", NULL), ERR_OK);
    assert_string_equal(sim_content(env, "g/f"), "x");
    assert_int_equal(env_unlink(env, "g/f", NULL), ERR_OK);
    assert_int_equal(env_dir_remove(env, "g", NULL), ERR_OK);
    assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
    assert_int_equal(env_sim_pending_ops(env), 0);
    env_destroy(env);
}

TEST(sim_open_file_survives_its_unlink_until_it_is_closed)
{
    struct env *env = sim_new(1);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
    sim_put(f, 0, "still");
    assert_int_equal(env_unlink(env, "a", NULL), ERR_OK);
    char b[8] = {0};
    size_t got = 0;
    assert_int_equal(env_file_pread(f, b, 8, 0, &got, NULL), ERR_OK);
    assert_string_equal(b, "still");
    assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
    struct env_sim_disk *d = env_sim_disk_save(env);
    env_file_close(f);
    env_sim_disk_restore(env, d);
    assert_null(sim_content(env, "a"));
    env_sim_disk_free(d);
    env_destroy(env);
}
