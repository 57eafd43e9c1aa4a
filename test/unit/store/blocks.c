/* Batches in whole blocks: where they lie, that they are written from where they were, that readers
 * find them from memory, from the device and
 * ahead, and that what stands around them is not mistaken for damage. */
#include "env/env_int.h"
#include "store/ahead.h"
#include "test.h"
#include "world.h"

enum { SMALL = 100, LARGE = 9000 };

/* Small ones go through the ring, large ones (above 2048 bytes here) to their place. */
static size_t size_of(int i)
{
    return i % 3 == 2 ? LARGE + (size_t)i * 7 : SMALL;
}

static struct store_part *fill(struct world *w, int count)
{
    struct store_part *p = world_add(w, 1, "a", 0, false);
    for (int i = 0; i < count; i++) {
        assert_int_equal(world_append(w, p, size_of(i), 1, i), i);
    }
    return p;
}

TEST(store_large_and_small_batches_stand_side_by_side)
{
    /* The gaps before and after a batch in blocks are no damage: not for a reader, not for the
     * check, not after a cut, a start and a clean stop. */
    struct world w;
    world_init(&w, 41, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = fill(&w, 60);
    assert_int_equal(world_count(&w, p, 0), 60);
    world_checkpoint(&w);
    assert_int_equal(world_count(&w, p, 0), 60);
    world_cut(&w, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    p = store_part_find(w.store, 1);
    for (int from = 0; from < 60; from++) {
        assert_int_equal(world_count(&w, p, from), 60 - from);
    }
    struct store_stats st;
    store_stats_get(w.store, &st);
    assert_int_equal(st.damaged_reads, 0);
    assert_true(st.place_bytes == 0 && st.cold_reads > 0);
    world_close(&w);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 60);
    world_deinit(&w);
}

TEST(store_writes_in_place_never_share_a_block)
{
    /* A write in place that tears must not be able to touch what was acknowledged before. */
    struct world w;
    world_init(&w, 42, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = fill(&w, 12);
    for (uint32_t i = 0; i < p->tail.count; i++) {
        const struct tail_entry *e = tail_at(&p->tail, i);
        if (e->size > 2048) {
            assert_int_equal(e->position % ENTRY_BLOCK, 0);
            assert_int_equal(e->end % ENTRY_BLOCK, 0);
            assert_true(e->filed && e->memory != NULL);
        } else {
            assert_false(e->filed);
        }
        assert_true(i == 0 || e->position >= tail_at(&p->tail, i - 1)->end);
    }
    assert_int_equal(p->tail.count, 12);
    world_deinit(&w);
}

TEST(store_memory_of_batches_in_place_is_bounded)
{
    /* Readers that follow closely find them in memory; the oldest go, and are read from the file.
     */
    struct world w;
    world_init(&w, 43, 0);
    w.part_cfg.segment_bytes = 1 << 30;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    const int count = 80;
    for (int i = 0; i < count; i++) {
        assert_int_equal(world_append(&w, p, 700000, 1, i), i);
        assert_true(w.store->cache_bytes <= STORE_CACHE_MAX + (1 << 20));
    }
    struct store_stats st;
    assert_int_equal(world_count(&w, p, count - 5), 5);
    store_stats_get(w.store, &st);
    assert_int_equal(st.cold_reads, 0); /* the newest: memory */
    assert_true(p->tail.count < 12);
    /* Reading ahead saves workers' reads that somebody waits for, and holds little. */
    int64_t next = 0;
    while (next < count) {
        struct store_read r;
        arena_reset(&w.arena, 1 << 20);
        assert_int_equal(world_read(&w, p, next, 1 << 20, &r), ERR_OK);
        assert_int_equal(get_be64(r.chunks[0].p), next);
        next = r.next_offset;
        store_read_release(&r);
        assert_true(w.store->ahead_bytes <= AHEAD_PIECES * AHEAD_PIECE_MAX);
    }
    store_stats_get(w.store, &st);
    assert_true(st.cold_reads > 0 && st.ahead_reads > 30);
    assert_int_equal(world_count(&w, p, 0), count);
    world_deinit(&w);
}

/* Reads on until something is read ahead; where that goes on. */
static int64_t read_until_ahead(struct world *w, struct store_part *p)
{
    struct store_read r;
    int64_t next = 0;
    while (list_empty(&p->aheads)) {
        assert_true(next < 30);
        assert_int_equal(world_read(w, p, next, 20000, &r), ERR_OK);
        next = r.next_offset;
        store_read_release(&r);
    }
    world_settle(w);
    return next;
}

static struct store_part *restart(struct world *w)
{
    world_close(w);
    assert_int_equal(world_open(w), ERR_OK);
    return store_part_find(w->store, 1);
}

TEST(store_reads_ahead_only_what_was_asked_for)
{
    /* A piece serves reads of what it holds, within their limits; any other read goes its own way,
     * and what nobody wants is given back. */
    struct world w;
    struct store_read r;
    struct store_stats st;
    world_init(&w, 44, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    (void)fill(&w, 90);
    struct store_part *p = restart(&w);
    const int64_t next = read_until_ahead(&w, p);
    store_stats_get(w.store, &st);
    const uint64_t before = st.ahead_reads;
    assert_int_equal(world_read(&w, p, 1, 20000, &r), ERR_OK);
    assert_int_equal(get_be64(r.chunks[0].p), 1);
    store_read_release(&r);
    store_stats_get(w.store, &st);
    assert_int_equal(st.ahead_reads, before);
    assert_int_equal(world_read(&w, p, next, 12000, &r), ERR_OK);
    assert_int_equal(get_be64(r.chunks[0].p), next);
    assert_true(r.bytes <= 12000);
    store_read_release(&r);
    store_stats_get(w.store, &st);
    assert_int_equal(st.ahead_reads, before + 1);
    for (int i = 0; i < 30; i++) {
        env_sim_advance_ns(w.env, 100u * 1000 * 1000);
        store_tick(w.store);
        world_settle(&w);
    }
    assert_true(list_empty(&p->aheads));
    assert_int_equal(w.store->ahead_bytes, 0);
    assert_int_equal(world_count(&w, p, 0), 90);
    world_deinit(&w);
}

/* Pieces that are not read yet. */
static uint32_t under_way(struct store_part *p)
{
    uint32_t n = 0;
    LIST_FOR_EACH (l, tmp, &p->aheads) {
        n += CONTAINER_OF(l, struct read_ahead, link)->ready_ns == 0;
    }
    return n;
}

TEST(store_reads_several_pieces_ahead_at_once)
{
    /* A device is slow with one read at a time: pieces do not wait for each other. A reader takes
     * from several, and waits for one that holds its offset anywhere. */
    struct world w;
    struct store_read r;
    struct store_stats st;
    world_init(&w, 48, 0);
    w.part_cfg.segment_bytes = 1 << 20;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 80; i++) {
        assert_int_equal(world_append(&w, p, LARGE, 1, i), i);
    }
    p = restart(&w);
    int64_t next = read_until_ahead(&w, p);
    assert_int_equal(p->ahead_count, AHEAD_PIECES);
    assert_int_equal(under_way(p), 0);
    const struct read_ahead *a = CONTAINER_OF(p->aheads.next, struct read_ahead, link);
    const size_t piece = a->task.bytes;
    const uint32_t each = a->task.ref_count;
    assert_true(each > 1);
    assert_int_equal(store_read(p, next, INT64_MAX, 2 * piece, true, &w.arena, &r, NULL), ERR_OK);
    assert_int_equal(r.chunk_count, 2 * each);
    for (size_t i = 0; i < r.chunk_count; i++) {
        assert_int_equal(get_be64(r.chunks[i].p), next + (int64_t)i);
    }
    next = r.next_offset;
    store_read_release(&r);
    assert_int_equal(under_way(p), 2);
    assert_int_equal(p->ahead_count, AHEAD_PIECES);
    a = CONTAINER_OF(p->aheads.prev, struct read_ahead, link);
    store_stats_get(w.store, &st);
    const uint64_t ahead = st.ahead_reads, cold = st.cold_reads;
    const int64_t inside = a->task.offset + 1;
    assert_int_equal(a->ready_ns, 0);
    assert_int_equal(world_read(&w, p, inside, 20000, &r), ERR_OK);
    assert_int_equal(get_be64(r.chunks[0].p), inside);
    store_read_release(&r);
    store_stats_get(w.store, &st);
    assert_int_equal(st.ahead_reads, ahead + 1);
    assert_int_equal(st.cold_reads, cold);
    assert_int_equal(world_count(&w, p, next), 80 - next);
    assert_true(w.store->ahead_bytes > 0 || p->ahead_count == 0);
    world_deinit(&w);
}

TEST(store_reading_ahead_never_speaks_of_damage)
{
    /* The piece that meets it is dropped; the reader that asks for it is told. */
    struct world w;
    struct store_stats st;
    struct store_read r;
    world_init(&w, 45, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = fill(&w, 60);
    p = restart(&w);
    uint64_t size;
    uint8_t *b = env_sim_file_bytes(w.env, "/data/topics/a/0-1-00000000000000000000.seg", &size);
    assert_non_null(b);
    const size_t harm = size / 2 / ENTRY_BLOCK * ENTRY_BLOCK + 200; /* in some large batch */
    b[harm] ^= 1;
    int64_t next = 0;
    enum err e = ERR_OK;
    while (e == ERR_OK && next < 60) {
        store_stats_get(w.store, &st);
        assert_int_equal(st.damaged_reads, 0);
        assert_int_equal(p->damage_count, 0);
        e = world_read(&w, p, next, 20000, &r);
        next = e == ERR_OK ? r.next_offset : next;
        if (e == ERR_OK) {
            store_read_release(&r);
        }
    }
    assert_int_equal(e, ERR_DAMAGED);
    assert_int_equal(p->damage_count, 1);
    assert_int_equal(p->damage[0].from, next);
    assert_int_equal(p->damage[0].to, next + 1);
    assert_int_equal(world_count(&w, p, next + 1), 60 - (next + 1));
    assert_int_equal(p->damage_count, 1);
    world_deinit(&w);
}

TEST(store_memory_of_batches_keeps_no_segment_alive)
{
    /* What is deleted goes, although readers could still have had it from memory. */
    struct world w;
    world_init(&w, 46, 0);
    w.part_cfg.segment_bytes = 20000;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(world_append(&w, p, LARGE, 1, i), i);
    }
    assert_int_equal(p->tail.count, 30);
    assert_true(p->seg_count > 10);
    struct store_frame *f = store_frame_begin(w.store);
    assert_int_equal(store_frame_log_start(f, p, 30), ERR_OK);
    store_frame_commit(f, NULL, NULL);
    world_settle(&w);
    assert_int_equal(p->seg_count, 1);
    assert_int_equal(p->tail.count, 0);
    assert_int_equal(w.store->cache_bytes, 0);
    assert_int_equal(world_append(&w, p, LARGE, 1, 30), 30);
    assert_int_equal(world_count(&w, p, 30), 1);
    world_deinit(&w);
}

TEST(store_quarantine_ends_with_the_batch)
{
    /* A batch whose memory has gone while one before it waits to be packed: when its bytes are
     * damaged, that is said of its offsets and of no others. */
    struct world w;
    struct store_read r;
    world_init(&w, 47, 0);
    w.part_cfg.segment_bytes = 1 << 30;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    assert_int_equal(world_append(&w, p, SMALL, 1, 0), 0);
    for (int i = 1; i < 20; i++) {
        assert_int_equal(world_append(&w, p, 700000, 1, i), i);
    }
    assert_int_equal(p->tail.count, 20);
    const struct tail_entry *e = tail_at(&p->tail, 3);
    assert_null(e->memory);
    uint64_t size;
    uint8_t *b = env_sim_file_bytes(w.env, "/data/topics/a/0-1-00000000000000000000.seg", &size);
    assert_non_null(b);
    b[e->position + 20] ^= 1;
    assert_int_equal(world_read(&w, p, 3, 1 << 20, &r), ERR_DAMAGED);
    assert_int_equal(p->damage_count, 1);
    assert_int_equal(p->damage[0].from, 3);
    assert_int_equal(p->damage[0].to, 4);
    assert_int_equal(world_count(&w, p, 4), 16);
    assert_int_equal(world_append(&w, p, SMALL, 1, 20), 20);
    assert_int_equal(world_count(&w, p, 4), 17);
    world_deinit(&w);
}

/* ---- A device that is not what it was -------------------------------------------------------- */

/* A file of bytes. `hidden`: a byte that reads of more than `hides_above` bytes get wrong. */
struct odd_file {
    struct env_file base;
    const uint8_t *bytes;
    size_t size, hidden, hides_above;
    uint32_t reads;
};

static enum err odd_pread(struct env_file *file, void *p, size_t n, uint64_t offset, size_t *got,
                          struct ectx *ec)
{
    struct odd_file *f = CONTAINER_OF(file, struct odd_file, base);
    if (++f->reads > 50) {
        return ectx_fail(ec, ERR_IO, "the reader goes round and round");
    }
    *got = offset >= f->size ? 0 : n < f->size - offset ? n : f->size - (size_t)offset;
    memcpy(p, f->bytes + offset, *got);
    if (n > f->hides_above && f->hidden >= offset && f->hidden < offset + *got) {
        ((uint8_t *)p)[f->hidden - offset] ^= 1;
    }
    return ERR_OK;
}

TEST(store_reader_ends_where_cache_and_device_differ)
{
    /* A header that the device has lost and the page cache still has, or that one read shows and
     * the next does not: named as damage of that batch, after few reads. */
    static const struct env_ops ops = {.file_pread = odd_pread};
    struct world w;
    world_init(&w, 49, 0);
    w.part_cfg.segment_bytes = 1 << 20;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(world_append(&w, p, LARGE, 1, i), i);
    }
    const size_t lost = tail_at(&p->tail, 7)->position;
    uint64_t size;
    const uint8_t *b =
        env_sim_file_bytes(w.env, "/data/topics/a/0-1-00000000000000000000.seg", &size);
    assert_non_null(b);
    for (int changing = 0; changing < 2; changing++) {
        struct odd_file cache = {.base = {&ops}, .bytes = b, .size = size, .hides_above = SIZE_MAX};
        struct odd_file device = cache;
        device.hidden = lost + 20;
        device.hides_above = changing ? 16 << 10 : 0; /* the search for the next entry sees it */
        struct read_task t = {.file = &cache.base,
                              .direct = &device.base,
                              .end = p->segs[0]->size,
                              .position = lost,
                              .expected = 7,
                              .segment_end = 12,
                              .offset = 7,
                              .limit = 12,
                              .max_bytes = 1 << 20,
                              .at_least_one = true};
        segment_identity_get(p->segs[0], &t.id);
        assert_int_equal(read_task_prepare(p, &t, &w.ec), ERR_OK);
        assert_int_equal(read_task_run(&t), ERR_DAMAGED);
        assert_int_equal(t.damage.from, 7);
        assert_int_equal(t.damage.to, 8);
        assert_int_equal(t.ref_count, 0);
        assert_int_equal(cache.reads, 0);
        assert_true(device.reads >= 2 && device.reads < 20);
        read_task_free(&t);
    }
    world_deinit(&w);
}

/* Breaks the frames in the ring that name batches of partition 1 from `offset` on. */
static int break_frames(struct world *w, int64_t offset)
{
    int broken = 0;
    for (int file = 0; file < 4; file++) {
        char path[64];
        uint64_t size;
        (void)snprintf(path, sizeof(path), "/data/wal/ring-%03d", file);
        uint8_t *b = env_sim_file_bytes(w->env, path, &size);
        for (size_t i = 0; b != NULL && i + ENTRY_HEADER_SIZE <= size; i++) {
            if (memcmp(b + i, "LTE1", 4) == 0 && get_le32(b + i + 64) == 1 &&
                (int64_t)get_le64(b + i + 16) >= offset) {
                b[i + 72] ^= 1;
                broken++;
            }
        }
    }
    return broken;
}

TEST(store_finds_batches_in_blocks_behind_damaged_frames)
{
    /* What is in its place is taken over although the frames that name it are damaged: behind a
     * small batch at the next block, behind a large one right there. */
    struct world w;
    struct store_part_info info;
    world_init(&w, 50, 0);
    w.part_cfg.segment_bytes = 1 << 20;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    struct store_part *q = world_add(&w, 2, "b", 0, false);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(world_append(&w, p, SMALL, 1, i), i);
    }
    world_checkpoint(&w);
    assert_true(p->segs[0]->size % ENTRY_BLOCK != 0);
    for (int i = 4; i < 9; i++) {
        assert_int_equal(world_append(&w, p, LARGE, 1, i), i);
    }
    assert_int_equal(world_append(&w, q, SMALL, 1, 0), 0); /* a later frame proves the gap */
    env_sim_process_kill(w.env);
    store_close(w.store);
    w.store = NULL;
    env_poll_destroy(w.poll);
    assert_int_equal(env_poll_create(w.env, &w.poll, NULL), ERR_OK);
    assert_int_equal(break_frames(&w, 4), 5);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_true(w.store->ring_damaged_bytes > 0);
    p = store_part_find(w.store, 1);
    store_part_info_get(p, &info);
    assert_int_equal(p->segs[0]->end, 9);
    for (int64_t offset = 0; offset < 9; offset++) {
        struct store_read r;
        assert_int_equal(world_read(&w, p, offset, 1, &r), ERR_OK);
        assert_int_equal(r.chunk_count, 1);
        assert_int_equal(get_be64(r.chunks[0].p), offset);
        store_read_release(&r);
    }
    assert_true(info.log_end > 9); /* and nothing that was told above it is told again */
    assert_int_equal(world_count(&w, store_part_find(w.store, 2), 0), 1);
    world_deinit(&w);
}

/* ---- Batches that bring their memory -------------------------------------------------------- */

struct owner {
    struct pool *pool;
    uint8_t *buffer;
    size_t cap, asked;
    bool refuse;
};

static uint8_t *give(void *ctx, size_t *cap)
{
    struct owner *o = ctx;
    uint8_t *buffer = o->refuse ? NULL : o->buffer;
    o->asked++;
    if (buffer != NULL) {
        *cap = o->cap;
        o->buffer = NULL;
    }
    return buffer;
}

static void on_frame(void *ctx, uint64_t position)
{
    (void)position;
    *(bool *)ctx = true;
}

/* A batch `at` bytes behind the beginning of a buffer, with something else all around it. */
static enum err append_at(struct world *w, struct store_part *p, struct owner *o, size_t at,
                          const uint8_t *bytes, size_t size, int64_t *offset)
{
    struct store_batch b = {
        .size = size, .info = {.max_timestamp = 1, .producer_id = -1}, .take = give, .take_ctx = o};
    o->buffer = pool_take(o->pool, at + b.size + 3, &o->cap);
    o->asked = 0;
    bool done = false;
    enum err e = ERR_NO_MEMORY;
    struct store_frame *f = o->buffer == NULL ? NULL : store_frame_begin(w->store);
    uint8_t *held = o->buffer;
    if (f != NULL) {
        memset(held, 0xee, o->cap);
        b.bytes = held + at;
        memcpy(b.bytes, bytes, b.size);
        e = store_frame_batch(f, p, &b, &w->ec);
        if (e == ERR_OK) {
            store_frame_commit(f, on_frame, &done);
            for (int i = 0; i < 10 && !done; i++) { /* without memory the next turn tries again */
                store_tick(w->store);
                world_settle(w);
            }
            assert_true(done);
            *offset = b.info.base_offset;
        } else {
            store_frame_drop(f);
        }
    }
    assert_true(e == ERR_OK || o->buffer == held); /* taken only with success */
    if (o->buffer != NULL) {
        pool_give(o->pool, o->buffer, o->cap);
    }
    return e;
}

TEST(store_a_batch_is_written_from_where_it_lies)
{
    /* When its memory may be taken and it lies right; else it is copied. Readers, then and after a
     * start, find the same, and the memory goes back where it belongs. */
    static const struct {
        size_t at;
        bool refuse, taken;
        size_t value;
    } cases[] = {{STORE_BATCH_LEAD, false, true, LARGE},
                 {ENTRY_BLOCK + STORE_BATCH_LEAD, false, true, LARGE},
                 {STORE_BATCH_LEAD, false, true, 3 * ENTRY_BLOCK - 165},
                 {STORE_BATCH_LEAD, true, false, LARGE},
                 {STORE_BATCH_LEAD + 1, false, false, LARGE},
                 {0, false, false, LARGE},
                 {STORE_BATCH_LEAD, false, false, SMALL}};
    struct pool pool;
    struct world w;
    pool_init(&pool, 64 << 20);
    world_init(&w, 48, 0);
    w.cfg.pool = &pool;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    struct store_stats before, after;
    int64_t offset = -1;
    const int count = (int)(3 * ARRAY_LEN(cases));
    for (int i = 0; i < count; i++) {
        const size_t k = (size_t)i % ARRAY_LEN(cases);
        struct owner o = {.pool = &pool, .refuse = cases[k].refuse};
        store_stats_get(w.store, &before);
        size_t size;
        uint8_t *bytes = world_batch(cases[k].value + (size_t)i, 1, i, (uint8_t)i, &size);
        assert_int_equal(append_at(&w, p, &o, cases[k].at, bytes, size, &offset), ERR_OK);
        mem_free(bytes);
        store_stats_get(w.store, &after);
        assert_int_equal(offset, i);
        assert_int_equal(after.taken - before.taken, cases[k].taken ? 1 : 0);
        assert_int_equal(o.asked, cases[k].taken || cases[k].refuse ? 1 : 0);
        assert_int_equal(world_count(&w, p, i), 1);
    }
    assert_int_equal(world_count(&w, p, 0), count);
    world_cut(&w, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), count);
    world_deinit(&w);
    assert_true(pool.free_bytes > 0);
    pool_deinit(&pool);
}

TEST(store_bytes_around_a_batch_that_was_taken_are_not_written)
{
    /* The request around it is private: what follows the batch in its last block is zeros. */
    struct pool pool;
    struct world w;
    pool_init(&pool, 1 << 20);
    world_init(&w, 49, 0);
    w.cfg.pool = &pool;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    struct owner o = {.pool = &pool};
    int64_t offset;
    size_t length;
    uint8_t *bytes = world_batch(LARGE, 1, 1, 1, &length);
    assert_int_equal(append_at(&w, p, &o, ENTRY_BLOCK + STORE_BATCH_LEAD, bytes, length, &offset),
                     ERR_OK);
    mem_free(bytes);
    const struct tail_entry *e = tail_at(&p->tail, 0);
    uint64_t size;
    const uint8_t *b =
        env_sim_file_bytes(w.env, "/data/topics/a/0-1-00000000000000000000.seg", &size);
    assert_true(size >= e->end);
    for (uint64_t i = e->position + e->size; i < e->end; i++) {
        assert_int_equal(b[i], 0);
    }
    assert_memory_equal(b + e->position, e->memory, e->size);
    world_deinit(&w);
    pool_deinit(&pool);
}

struct failing {
    struct world *w;
    struct store_part *part;
    struct pool *pool;
    uint8_t *bytes;
    size_t size;
};

static enum err append_failing(void *ctx)
{
    const struct failing *f = ctx;
    struct owner o = {.pool = f->pool};
    int64_t offset;
    return append_at(f->w, f->part, &o, STORE_BATCH_LEAD, f->bytes, f->size, &offset);
}

TEST(store_memory_that_a_batch_brings_has_one_owner_when_memory_is_short)
{
    struct pool pool;
    struct world w;
    pool_init(&pool, 0); /* nothing is kept: all memory is asked for */
    world_init(&w, 50, 0);
    w.cfg.pool = &pool;
    w.part_cfg.segment_bytes = 20000; /* with new segments */
    assert_int_equal(world_open(&w), ERR_OK);
    struct failing f = {.w = &w, .part = world_add(&w, 1, "a", 0, false), .pool = &pool};
    f.bytes = world_batch(LARGE, 1, 5, 5, &f.size);
    test_each_failing_alloc(append_failing, &f);
    test_each_failing_alloc(append_failing, &f); /* and into a segment that is there */
    mem_free(f.bytes);
    struct store_part_info info;
    store_part_info_get(f.part, &info);
    assert_int_equal(world_count(&w, f.part, 0), info.high_watermark);
    world_deinit(&w);
    pool_deinit(&pool);
}
