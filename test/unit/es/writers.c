/*
 * Forty writers at once, on the same tags and the same streams, with answers that come late. What
 * they are told must be a serial history.
 */
#include <stdio.h>

#include "es_world.h"

enum { WRITERS = 40, TIMES = 10, GROUPS = 5 };

struct success {
    struct es_position after, at;
};
struct writers;
struct writer {
    struct writers *all;
    int number, done, conflicts;
    bool alone; /* on a tag of its own */
    struct es_position after;
    struct es_shot *shot;
};
struct writers {
    struct es_world w;
    uint64_t rng;
    struct writer writer[WRITERS];
    struct success success[GROUPS][WRITERS * TIMES];
    size_t count[GROUPS];
};

static uint64_t rnd(struct writers *s, uint64_t below)
{
    s->rng = s->rng * 6364136223846793005u + 1442695040888963407u;
    return (s->rng >> 33) % below;
}

static void tag_append(struct writers *s, struct writer *x)
{
    char tag[32];
    char stream[32];
    snprintf(tag, sizeof(tag), x->alone ? "own:%d" : "shared:%d",
             x->alone ? x->number : x->number % GROUPS);
    snprintf(stream, sizeof(stream), "writer-%d", x->number);
    x->shot = es_shot_make(NULL, NULL, NULL);
    es_shot_add(x->shot, stream, "-", "{}");
    es_shot_tag(x->shot, 0, tag);
    es_shot_query(x->shot, "", tag, x->after);
    es_shot_go(&s->w, x->shot);
}

static void tag_answered(struct writers *s, struct writer *x)
{
    const struct es_append *a = &x->shot->a;
    int group = x->number % GROUPS;
    if (a->problem == ES_OK) {
        if (!x->alone) {
            s->success[group][s->count[group]++] = (struct success){x->after, a->position};
        }
        x->after = a->position;
        x->done++;
    } else {
        assert_int_equal(a->problem, ES_APPEND_CONFLICT);
        assert_true(es_position_cmp(a->violations[0].first_match, x->after) > 0);
        x->after = a->violations[0].first_match; /* it has read up to there */
        x->conflicts++;
    }
    es_shot_free(x->shot);
    x->shot = NULL;
}

static bool turn(struct writers *s, void (*begin)(struct writers *s, struct writer *x),
                 void (*answered)(struct writers *s, struct writer *x))
{
    bool left = false;
    for (int i = 0; i < WRITERS; i++) {
        struct writer *x = &s->writer[i];
        if (x->shot != NULL && x->shot->ended) {
            answered(s, x);
        }
        if (x->shot == NULL && x->done < TIMES && rnd(s, 3) > 0) {
            begin(s, x);
        }
        left |= x->shot != NULL || x->done < TIMES;
    }
    fake_engine_hold(s->w.engine, rnd(s, 2) == 0);
    es_tick(s->w.es);
    env_poll_run(s->w.poll, 0);
    return left;
}

static struct writers *writers_new(uint64_t seed)
{
    struct writers *s = test_calloc(1, sizeof(*s));
    s->rng = seed;
    es_world_init(&s->w, seed);
    fake_engine_set_late(s->w.engine, 3);
    for (int i = 0; i < WRITERS; i++) {
        s->writer[i] = (struct writer){.all = s, .number = i, .alone = i >= WRITERS - 8};
    }
    return s;
}

static void writers_free(struct writers *s)
{
    fake_engine_hold(s->w.engine, false);
    es_world_deinit(&s->w);
    test_free(s);
}

/* Each success of a tag has seen every one before it; who shares a tag with nobody is never
 * refused. */
TEST(writers_on_one_tag_are_serial_and_others_do_not_disturb)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct writers *s = writers_new(seed);
        int conflicts = 0;
        for (int i = 0; turn(s, tag_append, tag_answered); i++) {
            assert_true(i < 200000);
            if (i % 500 == 499) {
                IGNORE(es_covered_tell(s->w.es, true)); /* look-ups need the disk */
            }
        }
        for (int g = 0; g < GROUPS; g++) {
            struct success *x = s->success[g];
            for (size_t i = 0; i < s->count[g]; i++) {
                for (size_t k = 0; k < s->count[g]; k++) {
                    bool before = es_position_cmp(x[k].at, x[i].at) < 0;
                    assert_true(k == i || es_position_cmp(x[k].at, x[i].at) != 0);
                    assert_true(!before || es_position_cmp(x[k].at, x[i].after) <= 0);
                }
            }
        }
        for (int i = 0; i < WRITERS; i++) {
            conflicts += s->writer[i].conflicts;
            assert_true(!s->writer[i].alone || s->writer[i].conflicts == 0);
        }
        assert_true(conflicts > 100);
        writers_free(s);
    }
}

/* ---- One stream: what each has read and written is one list ---- */

static void stream_append(struct writers *s, struct writer *x)
{
    char expected[32];
    char id[32];
    snprintf(id, sizeof(id), "w%d-%d", x->number, x->done);
    if (x->after.commit == 0) {
        snprintf(expected, sizeof(expected), "no_stream");
    } else {
        snprintf(expected, sizeof(expected), "%llu", (unsigned long long)x->after.commit - 1);
    }
    x->shot = es_shot_make("order-1", expected, id);
    es_shot_go(&s->w, x->shot);
}

/* `after.commit` counts the events that the writer knows. */
static void stream_answered(struct writers *s, struct writer *x)
{
    const struct es_append *a = &x->shot->a;
    if (a->problem == ES_OK) {
        assert_int_equal(a->streams[0].first_revision, x->after.commit);
        assert_true(s->count[0] < WRITERS * TIMES);
        s->success[0][s->count[0]++].at.commit = a->streams[0].first_revision;
        x->done++;
        x->after.commit = a->streams[0].first_revision + 1;
    } else {
        assert_int_equal(a->problem, ES_REVISION_CONFLICT);
        assert_true(a->exists && a->actual_revision + 1 > x->after.commit);
        x->after.commit = a->actual_revision + 1;
        x->conflicts++;
    }
    es_shot_free(x->shot);
    x->shot = NULL;
}

TEST(writers_of_one_stream_never_share_a_revision)
{
    struct writers *s = writers_new(9);
    bool used[WRITERS * TIMES] = {false};
    for (int i = 0; turn(s, stream_append, stream_answered); i++) {
        assert_true(i < 200000);
    }
    assert_int_equal(s->count[0], WRITERS * TIMES);
    for (size_t i = 0; i < s->count[0]; i++) {
        uint64_t revision = s->success[0][i].at.commit;
        assert_true(revision < WRITERS * TIMES && !used[revision]);
        used[revision] = true;
    }
    writers_free(s);
}
