/* The offline check, and starts on a directory that lacks something. */
#include "store/store_int.h"
#include "test.h"
#include "world.h"

struct findings {
    uint32_t problems, notes;
    char text[600];
};

static void found(void *ctx, bool is_problem, const char *text)
{
    struct findings *f = ctx;
    *(is_problem ? &f->problems : &f->notes) += 1;
    if (is_problem || f->problems == 0) {
        (void)snprintf(f->text, sizeof(f->text), "%s", text);
    }
}

static struct store_verify_report check(struct world *w, struct findings *f)
{
    struct store_verify_report r = {0};
    *f = (struct findings){0};
    assert_int_equal(store_verify(w->env, "/data", found, f, &r, &w->ec), ERR_OK);
    assert_int_equal(r.problems, f->problems);
    return r;
}

static struct store_part *fill(struct world *w, size_t size, int from, int to)
{
    struct store_part *p = store_part_find(w->store, 1);
    p = p == NULL ? world_add(w, 1, "a", 0, false) : p;
    for (int i = from; i < to; i++) {
        assert_int_equal(world_append(w, p, size, 1, i), i);
    }
    return p;
}

TEST(store_index_outlives_a_stop)
{
    /* Without the index a fetch walks the whole segment. The image of a stop names all that the
     * index file holds, of batches in the ring and of batches in their place alike: a lost file is
     * noticed by the check. */
    for (int in_place = 0; in_place < 2; in_place++) {
        struct world w;
        struct findings f;
        struct env_stat st;
        world_init(&w, 31, 0);
        w.part_cfg.index_interval_bytes = 600;
        w.cfg.inline_max_bytes = in_place ? 100 : 65536;
        assert_int_equal(world_open(&w), ERR_OK);
        (void)fill(&w, 400, 0, 40);
        world_close(&w);
        const char *idx = "/data/topics/a/0-1-00000000000000000000.idx";
        assert_int_equal(env_stat(w.env, idx, &st, NULL), ERR_OK);
        assert_true(st.size >= 15 * 24);
        (void)check(&w, &f);
        assert_int_equal(f.problems + f.notes, 0);
        assert_int_equal(env_unlink(w.env, idx, NULL), ERR_OK);
        (void)check(&w, &f);
        assert_int_equal(f.notes, 1);
        assert_non_null(strstr(f.text, ".idx: the index is missing"));
        assert_int_equal(world_open(&w), ERR_OK);
        assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 40);
        world_deinit(&w);
    }
}

TEST(store_verify_reads_what_frames_name)
{
    /* A batch in its place behind the last image: the check reads its bytes, as a start does. */
    struct world w;
    struct findings f;
    world_init(&w, 32, 0);
    w.cfg.inline_max_bytes = 100;
    assert_int_equal(world_open(&w), ERR_OK);
    (void)fill(&w, 400, 0, 20);
    world_cut(&w, 0);
    assert_int_equal(check(&w, &f).batches, 20);
    assert_int_equal(f.problems, 0);
    uint64_t size;
    uint8_t *b = env_sim_file_bytes(w.env, "/data/topics/a/0-1-00000000000000000000.seg", &size);
    assert_non_null(b);
    b[4096 + 300] ^= 1; /* the second block: batches in place have blocks of their own */
    (void)check(&w, &f);
    assert_int_equal(f.problems, 1);
    assert_non_null(strstr(f.text, "offsets 1 to 1"));
    world_deinit(&w);
}

TEST(store_verify_follows_the_older_image)
{
    /* The newest image is bad and the older one is of a clean stop: what came after that stop is
     * in the ring, and is looked at. */
    static const char *const names[] = {"/data/checkpoint-a", "/data/checkpoint-b"};
    struct world w;
    struct findings f;
    world_init(&w, 33, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    (void)fill(&w, 100, 0, 10);
    world_close(&w);
    assert_int_equal(world_open(&w), ERR_OK);
    (void)fill(&w, 100, 10, 30);
    world_cut(&w, 0);
    const uint64_t whole = check(&w, &f).batches;
    assert_int_equal(whole, 30);
    for (int i = 0; i < 2; i++) {
        uint64_t size;
        uint8_t *b = env_sim_file_bytes(w.env, names[i], &size);
        assert_non_null(b);
        b[150] ^= 1;
        assert_int_equal(check(&w, &f).batches, whole);
        assert_int_equal(f.problems, 0);
        assert_true(f.notes > 0);
        b = env_sim_file_bytes(w.env, names[i], &size);
        assert_non_null(b);
        b[150] ^= 1;
    }
    world_deinit(&w);
}

TEST(store_refuses_a_ring_that_lost_a_file)
{
    /* After an unclean stop the ring holds what was acknowledged. Making a lost file anew would
     * forget it and give its offsets again: the start is refused, the check names the file. */
    for (int shorter = 0; shorter < 2; shorter++) {
        struct world w;
        struct findings f;
        world_init(&w, 34, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        (void)fill(&w, 100, 0, 10);
        world_cut(&w, 0);
        const char *path = "/data/wal/ring-000";
        if (shorter) {
            struct env_file *file;
            assert_int_equal(env_file_open(w.env, path, ENV_READ | ENV_WRITE, &file, NULL), ERR_OK);
            assert_int_equal(env_file_truncate(file, 4096, NULL), ERR_OK);
            env_file_close(file);
        } else {
            assert_int_equal(env_unlink(w.env, path, NULL), ERR_OK);
        }
        (void)check(&w, &f);
        assert_int_equal(f.problems, 1);
        assert_non_null(strstr(f.text, "wal/ring-000"));
        assert_int_equal(world_open(&w), ERR_DAMAGED);
        assert_non_null(strstr(w.ec.text, "ring-000"));
        assert_int_equal(world_open(&w), ERR_DAMAGED); /* the refusal made nothing */
        world_deinit(&w);
    }
}

/* In the first partition of an image's section: how many entries its first segment's index has. */
static uint8_t *index_count_at(uint8_t *section)
{
    uint8_t *p = section + 4 + 8;                     /* partitions, id, index */
    p += 4 + get_le32(p) + 4 + 24;                    /* folder, flags, three offsets */
    p += 4 + (size_t)get_le32(p) * 12;                /* epochs */
    return p + 4 + (size_t)get_le32(p) * 16 + 4 + 48; /* damage, segments, six numbers */
}

TEST(store_verify_says_so_when_an_image_makes_no_sense)
{
    /* Images whose checksums are right, and whose first section counts more partitions than it has
     * (the check ended with an error and not a word), or more entries in an index than any may
     * have (a read asked for the memory of all of them). */
    static const char *const names[] = {"/data/checkpoint-a", "/data/checkpoint-b"};
    enum { HEADER = 128, SECTION = 24 };
    for (int harm = 0; harm < 2; harm++) {
        struct world w;
        struct findings f;
        world_init(&w, 35, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        (void)fill(&w, 100, 0, 3);
        struct uuid id = store_id(w.store);
        world_close(&w);
        for (int i = 0; i < 2; i++) {
            uint64_t size;
            uint8_t *b = env_sim_file_bytes(w.env, names[i], &size);
            assert_non_null(b);
            uint8_t seed_of[24];
            memcpy(seed_of, id.b, 16);
            memcpy(seed_of + 16, b + 32, 8);
            uint8_t *section = b + HEADER;
            if (harm == 0) {
                put_le32(section + SECTION, 1000);
            } else if (get_le32(section + SECTION) > 0) {
                put_le32(index_count_at(section + SECTION), STORE_INDEX_ENTRIES_MAX + 1);
            }
            uint32_t crc = crc32c(crc32c(0, seed_of, sizeof(seed_of)), section, 2);
            put_le32(section + 4, crc32c(crc, section + 8, (size_t)get_le64(section + 8) + 16));
        }
        (void)check(&w, &f);
        assert_true(f.problems > 0);
        assert_non_null(strstr(f.text, "section of the store cannot be read"));
        world_deinit(&w);
    }
}

TEST(store_verify_refuses_an_image_that_begins_within_a_block_of_the_log)
{
    /* The headers' checksums are right. A frame's header was looked for across the end of a ring
     * file, and read from behind the buffer. */
    static const char *const names[] = {"/data/checkpoint-a", "/data/checkpoint-b"};
    struct world w;
    struct findings f;
    world_init(&w, 37, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    (void)fill(&w, 100, 0, 3);
    world_close(&w);
    for (int i = 0; i < 2; i++) {
        uint64_t size;
        uint8_t *b = env_sim_file_bytes(w.env, names[i], &size);
        assert_non_null(b);
        put_le64(b + 40, w.cfg.ring_file_bytes - 8);
        put_le32(b + 12, crc32c(0, b + 16, 112));
    }
    (void)check(&w, &f);
    assert_int_equal(f.problems, 1);
    assert_non_null(strstr(f.text, "no valid image"));
    world_deinit(&w);
}

TEST(store_verify_refuses_a_ring_of_impossible_size)
{
    /* A meta file with a right checksum and a ring of four billion files: each was told of. */
    struct world w;
    struct findings f = {0};
    struct store_verify_report r;
    uint64_t size;
    world_init(&w, 36, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    (void)fill(&w, 100, 0, 3);
    world_cut(&w, 0);
    uint8_t *b = env_sim_file_bytes(w.env, "/data/meta", &size);
    put_le32(b + 36, UINT32_MAX);
    put_le32(b + 60, crc32c(0, b, 60));
    assert_int_equal(store_verify(w.env, "/data", found, &f, &r, &w.ec), ERR_CONFIG);
    assert_non_null(strstr(w.ec.text, "a ring of 4294967295 files"));
    assert_int_equal(f.problems, 0);
    world_deinit(&w);
}
