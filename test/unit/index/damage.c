/*
 * Bits that flipped, files that are cut, missing or in the wrong place: a start or a look-up says
 * ERR_DAMAGED and the owner is told, once; there is never a wrong answer.
 */
#include <stdio.h>

#include "test.h"
#include "world.h"

enum { PATHS = 64 };

struct paths {
    char names[PATHS][INDEX_PATH_MAX];
    uint32_t count;
};

static bool add_path(void *ctx, const char *name, bool is_dir)
{
    struct paths *p = ctx;
    (void)is_dir;
    assert_true(p->count < PATHS);
    (void)snprintf(p->names[p->count++], INDEX_PATH_MAX, "/index/%s", name);
    return true;
}

/* Several runs in each table, of several blocks. */
static void make(struct world *w, struct paths *p)
{
    uint32_t number;
    world_init(w, 11, 0);
    w->cfg.memory_bytes = 64 << 10;
    w->prefixes = 300;
    assert_int_equal(world_open(w), ERR_OK);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 1500 >> i; k++) {
            assert_int_equal(world_put(w), ERR_OK);
        }
        assert_int_equal(world_cover(w, true), ERR_OK);
        world_settle(w);
    }
    world_close(w, true);
    p->count = 0;
    assert_int_equal(env_dir_list(w->env, "/index", add_path, p, NULL), ERR_OK);
    assert_int_equal(p->count, 10);
    assert_int_equal(world_open(w), ERR_OK);
    assert_true(world_adopt(w, &number));
    assert_int_equal(number, 3);
    world_check(w);
    world_close(w, false);
}

/* Everything is asked; how the harm was noticed. */
static void judge(struct world *w, uint32_t *at_open, uint32_t *later)
{
    w->harmed = w->tolerated_count = 0;
    w->tolerated = ERR_DAMAGED;
    enum err e = world_open(w);
    if (e != ERR_OK) {
        assert_int_equal(e, ERR_DAMAGED);
        assert_true(w->ec.text[0] != '\0');
        ++*at_open;
        return;
    }
    world_check(w);
    world_settle(w);
    assert_int_equal(w->harmed, w->tolerated_count > 0 ? 1 : 0);
    *later += w->harmed;
    world_close(w, false);
}

TEST(index_never_answers_wrongly_when_a_bit_has_flipped)
{
    struct world w;
    struct paths p;
    uint32_t at_open = 0, later = 0, flips = 0;
    make(&w, &p);
    struct env_sim_disk *disk = env_sim_disk_save(w.env);
    for (uint32_t i = 0; i < p.count; i++) {
        uint64_t size = 0;
        assert_non_null(env_sim_file_bytes(w.env, p.names[i], &size));
        for (uint64_t at = 0; at < size; at += 1 + world_random(&w, size < 1000 ? 1 : 400)) {
            env_sim_disk_restore(w.env, disk);
            env_sim_file_bytes(w.env, p.names[i], &size)[at] ^=
                (uint8_t)(1u << world_random(&w, 8));
            env_poll_destroy(w.poll);
            assert_int_equal(env_poll_create(w.env, &w.poll, NULL), ERR_OK);
            judge(&w, &at_open, &later);
            flips++;
        }
    }
    assert_true(later > 50 && at_open > 50);
    assert_int_equal(at_open + later, flips); /* none was overlooked: filters are loaded, too */
    env_sim_disk_free(disk);
    world_deinit(&w);
}

static void file_to(struct world *w, const char *path, uint64_t size)
{
    struct env_file *f;
    assert_int_equal(env_file_open(w->env, path, ENV_READ | ENV_WRITE, &f, NULL), ERR_OK);
    assert_int_equal(env_file_truncate(f, size, NULL), ERR_OK);
    env_file_close(f);
}

TEST(index_notices_files_that_are_cut_missing_or_misplaced)
{
    struct world w;
    struct paths p;
    uint32_t at_open = 0, later = 0, harms = 0;
    make(&w, &p);
    struct env_sim_disk *disk = env_sim_disk_save(w.env);
    for (uint32_t i = 0; i < p.count; i++) {
        for (int harm = 0; harm < 5; harm++) {
            uint64_t size = 0;
            env_sim_disk_restore(w.env, disk);
            env_poll_destroy(w.poll);
            assert_int_equal(env_poll_create(w.env, &w.poll, NULL), ERR_OK);
            assert_non_null(env_sim_file_bytes(w.env, p.names[i], &size));
            const char *other = p.names[(i + 1) % p.count];
            if (harm == 0) {
                assert_int_equal(env_unlink(w.env, p.names[i], NULL), ERR_OK);
            } else if (harm == 1) {
                file_to(&w, p.names[i], size - 1);
            } else if (harm == 2) {
                file_to(&w, p.names[i], 0);
            } else if (harm == 3) {
                file_to(&w, p.names[i], size + INDEX_BLOCK);
            } else {
                assert_int_equal(env_rename(w.env, p.names[i], other, NULL), ERR_OK);
            }
            judge(&w, &at_open, &later);
            harms++;
        }
    }
    assert_int_equal(at_open, harms);
    env_sim_disk_free(disk);
    world_deinit(&w);
}

TEST(index_that_is_discarded_begins_anew)
{
    struct world w;
    struct paths p;
    make(&w, &p);
    assert_int_equal(index_discard(w.env, "/index", NULL), ERR_OK);
    p.count = 0;
    assert_int_equal(env_dir_list(w.env, "/index", add_path, &p, NULL), ERR_OK);
    assert_int_equal(p.count, 0);
    uint32_t number;
    assert_int_equal(world_open(&w), ERR_OK);
    assert_true(world_adopt(&w, &number));
    assert_int_equal(number, 0);
    world_check(&w);
    assert_int_equal(index_discard(w.env, "/not-there", NULL), ERR_OK);
    world_deinit(&w);
}

TEST(index_of_other_tables_is_refused)
{
    struct world w;
    struct paths p;
    make(&w, &p);
    w.tables[1].value_bytes++;
    assert_int_equal(world_open(&w), ERR_VERSION);
    w.tables[1].value_bytes--;
    w.tables[2].name = "other";
    assert_int_equal(world_open(&w), ERR_VERSION);
    w.tables[2].name = "tags";
    w.cfg.table_count--;
    assert_int_equal(world_open(&w), ERR_VERSION);
    w.cfg.table_count++;
    assert_int_equal(world_open(&w), ERR_OK);
    world_deinit(&w);
}

TEST(index_stops_merging_what_is_damaged_and_says_so)
{
    struct world w;
    struct paths p;
    make(&w, &p);
    /* Four runs alike are merged; one of them is damaged where no look-up has looked. */
    assert_int_equal(world_open(&w), ERR_OK);
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 1500; k++) {
            assert_int_equal(world_put(&w), ERR_OK);
        }
        if (i == 0) {
            uint64_t size = 0;
            for (uint32_t k = 0; k < p.count; k++) {
                uint8_t *bytes = env_sim_file_bytes(w.env, p.names[k], &size);
                if (bytes != NULL && size > 2 * INDEX_BLOCK) {
                    bytes[INDEX_BLOCK + 100] ^= 1;
                }
            }
        }
        assert_int_equal(world_cover(&w, true), ERR_OK);
        world_settle(&w);
    }
    assert_int_equal(w.harmed, 1);
    assert_int_equal(w.ec.code, ERR_DAMAGED);
    w.tolerated = ERR_DAMAGED;
    world_check(&w);
    world_deinit(&w);
}
