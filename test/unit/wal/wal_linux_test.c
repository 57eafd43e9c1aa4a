/*
 * The log on the real disk with its real lanes: what the simulation cannot show, which is threads.
 * Under TSan this is the test of the hand-over between the loop and the lanes.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "wal/wal_int.h"

#define FRAMES 600

struct shop {
    struct env *env;
    struct env_poll *poll;
    struct wal *wal;
    struct wal_config cfg;
    struct env_file *segment;
    struct wal_frame frames[FRAMES];
    struct wal_place places[FRAMES];
    struct iovec body[FRAMES], bulk[FRAMES];
    int next, done;
    size_t replayed;
    uint64_t last;
};

static void on_done(struct wal_frame *f);

static void submit_next(struct shop *s)
{
    int i = s->next++;
    struct wal_frame *f = &s->frames[i];
    f->body = &s->body[i];
    f->body_count = 1;
    f->places = &s->places[i];
    f->place_count = i % 3 == 0 ? 1 : 0;
    f->done = on_done;
    assert_true(wal_has_room(s->wal, s->body[i].iov_len));
    wal_submit(s->wal, f);
}

static struct shop *the_shop; /* a frame has no context of its own; one test at a time */

static void on_done(struct wal_frame *f)
{
    struct shop *s = the_shop;
    assert_ptr_equal(f, &s->frames[s->done]); /* in order */
    s->done++;
    if (s->next < FRAMES) { /* submitted from inside of done */
        submit_next(s);
        wal_kick(s->wal, false);
    }
}

static enum err on_frame(void *ctx, uint64_t position, struct slice body, bool flushed,
                         struct ectx *ec)
{
    struct shop *s = ctx;
    (void)flushed;
    (void)ec;
    assert_true(s->replayed == 0 || position > s->last);
    assert_int_equal(slice_left(&body), s->body[s->replayed].iov_len);
    assert_memory_equal(body.p, s->body[s->replayed].iov_base, slice_left(&body));
    s->last = position;
    s->replayed++;
    return ERR_OK;
}
static void on_damage(void *ctx, uint64_t from, uint64_t to)
{
    (void)ctx;
    (void)from;
    (void)to;
    fail();
}

TEST(wal_on_the_real_disk_with_real_lanes)
{
    struct shop *s = mem_new(struct shop);
    struct ectx ec;
    char ring[512], path[512];
    the_shop = s;
    snprintf(ring, sizeof(ring), "%s/ring", test_dir());
    snprintf(path, sizeof(path), "%s/segment", test_dir());
    assert_int_equal(env_linux_create(&s->env, &ec), ERR_OK);
    assert_int_equal(env_poll_create(s->env, &s->poll, &ec), ERR_OK);
    assert_int_equal(
        env_file_open(s->env, path, ENV_READ | ENV_WRITE | ENV_CREATE, &s->segment, &ec), ERR_OK);
    s->cfg = (struct wal_config){.dir = ring,
                                 .file_bytes = 4u << 20,
                                 .file_count = 4,
                                 .group_bytes = 1u << 20,
                                 .generation = 1};
    struct wal_visitor v = {s, on_frame, on_damage};
    assert_int_equal(wal_open(s->env, s->poll, &s->cfg, &v, &s->wal, &ec), ERR_OK);
    uint64_t start = wal_tail(s->wal);
    uint64_t offset = 0;
    for (int i = 0; i < FRAMES; i++) {
        size_t n = 10 + (size_t)(i * 7919 % 20000);
        s->body[i] = (struct iovec){mem_alloc(n), n};
        memset(s->body[i].iov_base, i, n);
        s->bulk[i] = (struct iovec){mem_alloc(30000), 30000};
        memset(s->bulk[i].iov_base, i, 30000);
        s->places[i] = (struct wal_place){s->segment, offset, &s->bulk[i], 1, i % 2 == 0};
        offset += i % 3 == 0 ? 30000 : 0;
    }
    for (int i = 0; i < 20; i++) {
        submit_next(s);
        wal_kick(s->wal, i == 0);
    }
    while (s->done < FRAMES) {
        (void)env_poll_run(s->poll, UINT64_MAX);
    }
    assert_int_equal(wal_flushed(s->wal), wal_tail(s->wal));
    wal_close(s->wal);
    s->cfg.start = start;
    s->cfg.start_generation = 1;
    s->cfg.generation = 2;
    assert_int_equal(wal_open(s->env, s->poll, &s->cfg, &v, &s->wal, &ec), ERR_OK);
    assert_int_equal(s->replayed, FRAMES);
    wal_close(s->wal);
    env_file_close(s->segment);
    env_poll_destroy(s->poll);
    env_destroy(s->env);
    for (int i = 0; i < FRAMES; i++) {
        mem_free(s->body[i].iov_base);
        mem_free(s->bulk[i].iov_base);
    }
    mem_free(s);
}
