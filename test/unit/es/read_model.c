/* See read_model.h. */
#include "read_model.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const categories[] = {"order", "user", "stock"};
static const char *const types[] = {"Placed", "Paid", "Shipped.v2", "Rare"};
static const char *const tags[] = {"red", "blue", "customer:7", "rare"};

void model_init(struct model *m, struct es_world *w, uint64_t seed)
{
    memset(m, 0, sizeof(*m));
    m->w = w;
    m->rng = seed * 0x9e3779b97f4a7c15u + 1;
    arena_init(&m->arena, 256 << 20);
}

void model_deinit(struct model *m)
{
    for (size_t i = 0; i < MODEL_WRITERS; i++) {
        if (m->shots[i] != NULL) {
            es_shot_free(m->shots[i]);
        }
    }
    arena_deinit(&m->arena);
}

uint64_t model_rnd(struct model *m, uint64_t below)
{
    m->rng ^= m->rng << 13;
    m->rng ^= m->rng >> 7;
    m->rng ^= m->rng << 17;
    return (m->rng >> 11) % below;
}

const char *model_stream(size_t i)
{
    static char names[MODEL_STREAMS][32];
    snprintf(names[i], sizeof(names[i]), "%s-%zu", categories[i % ARRAY_LEN(categories)], i);
    return names[i];
}

static size_t stream_random(struct model *m)
{
    size_t s;
    do {
        s = model_rnd(m, MODEL_STREAMS);
    } while (m->dead != NULL && m->dead(m->dead_ctx, s));
    return s;
}

static struct es_shot *shot_random(struct model *m)
{
    struct es_shot *s = es_shot_make(NULL, NULL, NULL);
    size_t n = 1 + model_rnd(m, 4) * model_rnd(m, 2);
    size_t stream = stream_random(m);
    for (size_t i = 0; i < n; i++) {
        char id[32], data[64], tag[64] = "";
        snprintf(id, sizeof(id), "e%llu", (unsigned long long)m->next_id++);
        snprintf(data, sizeof(data), "{\"n\":%llu}", (unsigned long long)m->next_id);
        if (model_rnd(m, 3) == 0) {
            stream = stream_random(m);
        }
        es_shot_add(s, model_stream(stream), id, data);
        s->events[i].envelope.type = str_of(types[model_rnd(m, 20) == 0 ? 3 : model_rnd(m, 3)]);
        for (size_t t = 0; t < ARRAY_LEN(tags); t++) {
            if (model_rnd(m, t == 3 ? 25 : 3) == 0) {
                snprintf(tag + strlen(tag), sizeof(tag) - strlen(tag), "%s%s",
                         tag[0] == '\0' ? "" : " ", tags[t]);
            }
        }
        es_shot_tag(s, i, tag);
    }
    return s;
}

static void shots_check(struct model *m)
{
    for (size_t i = 0; i < MODEL_WRITERS; i++) {
        struct es_shot *s = m->shots[i];
        if (s != NULL && s->ended) {
            if (s->a.problem != ES_OK) {
                fail_msg("append: %s: %s", es_problem_code(s->a.problem), s->a.ec.text);
            }
            es_shot_free(s);
            m->shots[i] = NULL;
        }
    }
}

/* The shot's own `done`, and then whoever wants to know. */
struct told {
    struct model *m;
    void (*done)(struct es_append *a);
    void *ctx;
};

static void shot_told(struct es_append *a)
{
    struct told *t = a->ctx;
    a->ctx = t->ctx;
    t->done(a);
    if (t->m->told != NULL) {
        t->m->told(t->m->told_ctx);
    }
}

void model_step(struct model *m)
{
    size_t i = model_rnd(m, MODEL_WRITERS);
    if (m->shots[i] == NULL) {
        m->shots[i] = shot_random(m);
        m->appended++;
        struct told *t = arena_new(&m->shots[i]->arena, struct told);
        *t = (struct told){m, m->shots[i]->a.done, m->shots[i]->a.ctx};
        m->shots[i]->a.done = shot_told;
        m->shots[i]->a.ctx = t;
        es_shot_go(m->w, m->shots[i]);
    }
    for (uint64_t n = model_rnd(m, 4); n > 0; n--) {
        env_poll_run(m->w->poll, 0);
    }
    shots_check(m);
}

void model_finish(struct model *m)
{
    es_world_settle(m->w);
    shots_check(m);
    for (size_t i = 0; i < MODEL_WRITERS; i++) {
        assert_null(m->shots[i]);
    }
}

void model_write(struct model *m, size_t appends)
{
    uint64_t end = m->appended + appends;
    while (m->appended < end) {
        model_step(m);
    }
    model_finish(m);
}

static void read_done(struct engine_read *r)
{
    *(bool *)r->ctx = true;
}

static void record_load(struct model *m, const struct record *r, uint64_t position)
{
    struct es_view v;
    struct ectx ec = {0};
    assert_int_equal(es_view_read(r, &v, &ec), ERR_OK);
    assert_true(m->count < MODEL_EVENTS_MAX);
    struct model_event *x = &m->events[m->count++];
    *x = (struct model_event){.position = {position, (uint32_t)r->offset_delta},
                              .stream = arena_str(&m->arena, v.stream),
                              .type = arena_str(&m->arena, v.type),
                              .id = arena_str(&m->arena, v.id),
                              .data = arena_str(&m->arena, v.data),
                              .revision = v.revision,
                              .time_ms = r->timestamp};
    struct str rest;
    x->category = str_cut(x->stream, '-', &rest);
    for (size_t i = 0; i < v.tag_count; i++) {
        x->tags[x->tag_count++] = arena_str(&m->arena, v.tags[i]);
    }
}

static void partition_load(struct model *m, struct str topic, int32_t partition)
{
    int64_t offset = 0, start, end;
    assert_int_equal(engine_bounds(m->w->engine, topic, partition, &start, &end), ERR_OK);
    struct record_scratch scratch;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    while (offset < end) {
        bool done = false;
        struct arena a;
        arena_init(&a, 1 << 20);
        struct engine_read r = {.topic = topic,
                                .partition = partition,
                                .offset = offset,
                                .max_bytes = 65536,
                                .arena = &a,
                                .done = read_done,
                                .ctx = &done};
        engine_read(m->w->engine, &r);
        while (!done) {
            env_poll_run(m->w->poll, 0);
        }
        assert_int_equal(r.err, ERR_OK);
        for (size_t i = 0; i < r.batch_count; i++) {
            struct batch_header h;
            struct record_iter it;
            struct record record;
            const uint8_t *p = (const uint8_t *)r.batches[i].bytes.p;
            assert_int_equal(batch_header_parse(p, r.batches[i].bytes.n, &h, NULL), ERR_OK);
            assert_int_equal(record_iter_init(&it, &h, p, &scratch, 64 << 20, NULL), ERR_OK);
            while (record_next(&it, &record)) {
                record_load(m, &record, r.batches[i].position);
            }
        }
        offset = r.next_offset;
        engine_read_release(m->w->engine, &r);
        arena_deinit(&a);
    }
    record_scratch_deinit(&scratch);
}

static int by_position(const void *a, const void *b)
{
    return es_position_cmp(((const struct model_event *)a)->position,
                           ((const struct model_event *)b)->position);
}

void model_load(struct model *m)
{
    size_t n;
    arena_reset(&m->arena, 0);
    m->count = 0;
    m->events = arena_new_n(&m->arena, struct model_event, MODEL_EVENTS_MAX);
    assert_non_null(m->events);
    struct engine_topic *topics =
        engine_topics(m->w->engine, STR_LIT(ES_TOPIC_PREFIX), &m->arena, &n);
    for (size_t i = 0; i < n; i++) {
        for (int32_t p = 0; p < topics[i].partition_count; p++) {
            partition_load(m, topics[i].name, p);
        }
    }
    qsort(m->events, m->count, sizeof(m->events[0]), by_position);
}

static bool among(struct str s, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(s, list[i])) {
            return true;
        }
    }
    return false;
}

bool model_matches(const struct model_event *e, const struct es_filter *f)
{
    if ((f->category.p != NULL && !str_eq(f->category, e->category)) ||
        (f->type_count > 0 && !among(e->type, f->types, f->type_count))) {
        return false;
    }
    for (size_t i = 0; i < f->tag_count; i++) {
        if (!among(f->tags[i], e->tags, e->tag_count)) {
            return false;
        }
    }
    return true;
}

void model_filter(struct model *m, struct es_filter *out)
{
    struct str *t = arena_new_n(&m->arena, struct str, 8);
    *out = (struct es_filter){.types = t, .tags = t + 4};
    if (model_rnd(m, 3) == 0) {
        out->category = str_of(categories[model_rnd(m, ARRAY_LEN(categories))]);
    }
    for (uint64_t n = model_rnd(m, 4) * model_rnd(m, 2); n > 0; n--) {
        t[out->type_count++] = str_of(types[model_rnd(m, ARRAY_LEN(types))]);
    }
    for (uint64_t n = model_rnd(m, 4) * model_rnd(m, 2); n > 0; n--) {
        t[4 + out->tag_count++] = str_of(tags[model_rnd(m, ARRAY_LEN(tags))]);
    }
}

void model_same(const struct model_event *x, const struct es_event *e)
{
    assert_int_equal(es_position_cmp(x->position, e->position), 0);
    assert_true(str_eq(x->stream, e->stream));
    assert_int_equal(x->revision, e->revision);
    assert_true(str_eq(x->type, e->envelope.type));
    assert_true(str_eq(x->id, e->envelope.id));
    assert_true(str_eq(x->data, e->data));
    assert_int_equal(x->tag_count, e->tag_count);
    for (size_t i = 0; i < x->tag_count; i++) {
        assert_true(str_eq(x->tags[i], e->tags[i]));
    }
}
