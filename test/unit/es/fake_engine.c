/* See fake_engine.h. */
#include "fake_engine.h"

#include "core/bytes.h"
#include "core/hash.h"
#include "core/mem.h"
#include "record/builder.h"
#include "test.h"

enum { TOPICS_MAX = 64, PARTITIONS_MAX = 16, BATCH_MAX = 4 << 20, TOLD_MAX = 8 };

struct held_batch {
    uint8_t *bytes;
    size_t size;
    int64_t base, end;
    uint64_t position;
    int64_t max_timestamp;
    bool visible;
};
struct fake_part {
    struct held_batch *batches;
    size_t count, cap;
    int64_t start, next, visible;
};
struct fake_topic {
    char name[256];
    struct uuid id;
    int32_t partition_count;
    struct fake_part parts[PARTITIONS_MAX];
};
/* An append that is sequenced and not yet durable. */
struct pending {
    struct list link;
    struct engine_append *a;
    struct engine_gate_item *item; /* or a batch that passed the gate */
    uint64_t position;
    struct fake_part *parts[PARTITIONS_MAX];
    size_t batches[PARTITIONS_MAX];
    size_t part_count;
};
/* A read or seek that is answered later. */
struct late {
    struct list link;
    struct engine_read *read;
    struct engine_seek *seek;
};
/* A rewrite that was asked for. */
struct rewriting {
    struct list link;
    struct engine *e;
    struct engine_rewrite *r; /* NULL: forgotten */
};
/* Bytes of a batch that was replaced: a read may hold them. */
struct grave {
    struct list link;
    uint8_t *bytes;
};
struct engine {
    struct env *env;
    struct env_poll *poll;
    struct fake_topic *topics[TOPICS_MAX];
    size_t topic_count;
    uint64_t seed, rng, late_one_in;
    uint64_t position, visible; /* last given, last visible */
    bool hold, posted, full;
    enum record_codec codec;
    bool marks;
    struct record_scratch scratch;
    struct list rewritings, graves;
    enum err fail_rewrites;
    unsigned fail_rewrites_left;
    uint64_t rewrites;
    struct list pending, late, watches, topic_watches, room_watches;
    struct engine_gate gate;
    bool has_gate;
    unsigned lacks;
    enum err refuse;
    enum err fail_reads;
    unsigned fail_reads_left;
    uint64_t reads, batches_read, reads_told, seeks;
    struct told {
        int32_t partition;
        int64_t offset;
    } told[TOLD_MAX]; /* the last ones, a ring */
    uint64_t told_count;
    size_t held;
};

static uint64_t rnd(struct engine *e)
{
    e->rng ^= e->rng << 13;
    e->rng ^= e->rng >> 7;
    e->rng ^= e->rng << 17;
    return e->rng;
}

struct engine *fake_engine_create(struct env *env, struct env_poll *poll, uint64_t seed)
{
    struct engine *e = test_calloc(1, sizeof(*e));
    *e = (struct engine){
        .env = env, .poll = poll, .seed = seed, .rng = seed * 2 + 1, .position = 1000};
    e->visible = e->position;
    list_init(&e->pending);
    list_init(&e->rewritings);
    list_init(&e->graves);
    list_init(&e->late);
    list_init(&e->watches);
    list_init(&e->topic_watches);
    list_init(&e->room_watches);
    record_scratch_init(&e->scratch, RECORD_DECOMPRESSED_MAX);
    return e;
}

void engine_destroy(struct engine *e)
{
    if (e == NULL) {
        return;
    }
    fake_engine_restart(e, NULL);
    for (size_t i = 0; i < e->topic_count; i++) {
        for (int p = 0; p < PARTITIONS_MAX; p++) {
            struct fake_part *part = &e->topics[i]->parts[p];
            for (size_t b = 0; b < part->count; b++) {
                test_free(part->batches[b].bytes);
            }
            test_free(part->batches);
        }
        test_free(e->topics[i]);
    }
    LIST_FOR_EACH (l, tmp, &e->graves) {
        struct grave *g = CONTAINER_OF(l, struct grave, link);
        test_free(g->bytes);
        test_free(g);
    }
    record_scratch_deinit(&e->scratch);
    test_free(e);
}

void fake_engine_set_late(struct engine *e, uint64_t one_in)
{
    e->late_one_in = one_in;
}

void fake_engine_set_codec(struct engine *e, enum record_codec codec)
{
    e->codec = codec;
}

void fake_engine_fail_reads(struct engine *e, enum err err, unsigned count)
{
    e->fail_reads = err;
    e->fail_reads_left = count;
}

uint64_t fake_engine_reads(const struct engine *e)
{
    return e->reads;
}

uint64_t fake_engine_seeks(const struct engine *e)
{
    return e->seeks;
}

uint64_t fake_engine_reads_told(const struct engine *e)
{
    return e->reads_told;
}

uint64_t fake_engine_batches(const struct engine *e)
{
    return e->batches_read;
}

size_t fake_engine_held(const struct engine *e)
{
    return e->held;
}

unsigned engine_capabilities(const struct engine *e)
{
    return (ENGINE_GLOBAL_ORDER | ENGINE_SEQUENCES | ENGINE_GATE | ENGINE_REWRITE) & ~e->lacks;
}

void fake_engine_lack(struct engine *e, unsigned capabilities)
{
    e->lacks = capabilities;
}

enum err engine_require(const struct engine *e, unsigned capabilities, const char *who,
                        struct ectx *ec)
{
    const unsigned missing = capabilities & ~engine_capabilities(e);
    return missing == 0
               ? ERR_OK
               : ectx_fail(ec, ERR_UNSUPPORTED_VERSION, "%s needs%s%s, says '%s'", who,
                           (missing & ENGINE_GLOBAL_ORDER) != 0 ? " one order" : "",
                           (missing & ENGINE_SEQUENCES) != 0 ? " sequences" : "", engine_name(e));
}

const char *engine_name(const struct engine *e)
{
    (void)e;
    return "fake";
}

struct env *engine_env(const struct engine *e)
{
    return e->env;
}

struct env_poll *engine_poll(const struct engine *e)
{
    return e->poll;
}

/* ---- Rewriting ---- */

static struct fake_part *part_of(struct engine *e, struct str topic, int32_t partition);

/* As the store does it: it must be the batch that was read, and not grow. */
static enum err rewrite(struct engine *e, struct engine_rewrite *r)
{
    struct fake_part *p = part_of(e, r->topic, r->partition);
    for (size_t i = 0; i < p->count; i++) {
        struct held_batch *b = &p->batches[i];
        if (b->base != r->base_offset) {
            continue;
        }
        if (get_be32(b->bytes + BATCH_AT_CRC) != r->old_crc) {
            return ectx_fail(&r->ec, ERR_ABORTED, "another batch is there");
        }
        struct batch_header h;
        if (r->batch.n > b->size ||
            batch_header_parse((const uint8_t *)r->batch.p, r->batch.n, &h, &r->ec) != ERR_OK) {
            return ectx_fail(&r->ec, ERR_MESSAGE_TOO_LARGE, "it is too large");
        }
        assert_int_equal(batch_verify_crc((const uint8_t *)r->batch.p, &h, &r->ec), ERR_OK);
        assert_int_equal(h.base_offset, b->base);
        assert_int_equal(h.size, r->batch.n);
        struct grave *g = test_calloc(1, sizeof(*g));
        list_init(&g->link);
        g->bytes = b->bytes;
        list_push_back(&e->graves, &g->link);
        b->bytes = test_malloc(r->batch.n);
        b->size = r->batch.n;
        memcpy(b->bytes, r->batch.p, b->size);
        e->rewrites++;
        return ERR_OK;
    }
    return ectx_fail(&r->ec, ERR_NOT_FOUND, "no batch begins there");
}

static void rewrite_now(void *ctx)
{
    struct rewriting *x = ctx;
    struct engine *e = x->e;
    struct engine_rewrite *r = x->r;
    list_remove(&x->link);
    test_free(x);
    if (r == NULL) {
        return;
    }
    if (e->fail_rewrites_left > 0) {
        e->fail_rewrites_left--;
        r->err = ectx_fail(&r->ec, e->fail_rewrites, "the test says so");
    } else {
        r->err = rewrite(e, r);
    }
    r->done(r);
}

void engine_rewrite(struct engine *e, struct engine_rewrite *r)
{
    struct rewriting *x = test_calloc(1, sizeof(*x));
    *x = (struct rewriting){.e = e, .r = r};
    list_init(&x->link);
    list_push_back(&e->rewritings, &x->link);
    env_poll_post(e->poll, rewrite_now, x);
}

void fake_engine_fail_rewrites(struct engine *e, enum err err, unsigned count)
{
    e->fail_rewrites = err;
    e->fail_rewrites_left = count;
}

uint64_t fake_engine_rewrites(const struct engine *e)
{
    return e->rewrites;
}

bool fake_engine_has(const struct engine *e, struct str text)
{
    for (size_t t = 0; t < e->topic_count; t++) {
        for (int p = 0; p < PARTITIONS_MAX; p++) {
            const struct fake_part *part = &e->topics[t]->parts[p];
            for (size_t i = 0; i < part->count; i++) {
                if (memmem(part->batches[i].bytes, part->batches[i].size, text.p, text.n) != NULL) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* ---- Topics ---- */

static struct fake_topic *topic_find(const struct engine *e, struct str name)
{
    for (size_t i = 0; i < e->topic_count; i++) {
        if (str_eq_z(name, e->topics[i]->name)) {
            return e->topics[i];
        }
    }
    return NULL;
}

static struct engine_topic topic_view(struct fake_topic *t)
{
    return (struct engine_topic){
        .name = str_of(t->name), .id = t->id, .partition_count = t->partition_count};
}

bool engine_topic_get(struct engine *e, struct str name, struct engine_topic *out)
{
    struct fake_topic *t = topic_find(e, name);
    if (t != NULL) {
        *out = topic_view(t);
    }
    return t != NULL;
}

struct engine_topic *engine_topics(struct engine *e, struct str prefix, struct arena *a,
                                   size_t *count)
{
    struct engine_topic *out = arena_new_n(a, struct engine_topic, e->topic_count + 1);
    if (out == NULL) {
        return NULL;
    }
    size_t n = 0;
    for (size_t i = 0; i < e->topic_count; i++) {
        struct engine_topic t = topic_view(e->topics[i]);
        if (t.name.n < prefix.n || memcmp(t.name.p, prefix.p, prefix.n) != 0) {
            continue;
        }
        size_t at = n++;
        for (; at > 0 && str_cmp(out[at - 1].name, t.name) > 0; at--) {
            out[at] = out[at - 1];
        }
        out[at] = t;
    }
    *count = n;
    return out;
}

void engine_topic_ensure(struct engine *e, struct engine_ensure *t)
{
    struct fake_topic *topic = topic_find(e, t->name);
    t->err = ERR_OK;
    t->created = topic == NULL;
    if (topic == NULL) {
        assert_true(e->topic_count < TOPICS_MAX && t->name.n < sizeof(topic->name));
        topic = test_calloc(1, sizeof(*topic));
        memcpy(topic->name, t->name.p, t->name.n);
        put_le64(topic->id.b, e->seed);
        put_le64(topic->id.b + 8, e->topic_count);
        topic->partition_count = t->partitions < 0 ? 3 : t->partitions;
        assert_in_range(topic->partition_count, 1, PARTITIONS_MAX);
        e->topics[e->topic_count++] = topic;
        LIST_FOR_EACH (l, tmp, &e->topic_watches) {
            struct engine_topic_watch *w = CONTAINER_OF(l, struct engine_topic_watch, link);
            w->changed(w, str_of(topic->name), false);
        }
    }
    t->done(t);
}

void engine_topic_watch(struct engine *e, struct engine_topic_watch *w)
{
    list_push_back(&e->topic_watches, &w->link);
}

void engine_topic_unwatch(struct engine *e, struct engine_topic_watch *w)
{
    (void)e;
    list_remove(&w->link);
}

static struct fake_part *part_find(struct engine *e, struct str topic, int32_t partition)
{
    struct fake_topic *t = topic_find(e, topic);
    return t == NULL || partition < 0 || partition >= t->partition_count ? NULL
                                                                         : &t->parts[partition];
}

/* One that the test knows to be there. */
static struct fake_part *part_of(struct engine *e, struct str topic, int32_t partition)
{
    struct fake_part *p = part_find(e, topic, partition);
    CHECK(p != NULL);
    return p;
}

enum err engine_bounds(struct engine *e, struct str topic, int32_t partition, int64_t *start,
                       int64_t *end)
{
    struct fake_part *p = part_find(e, topic, partition);
    if (p == NULL) {
        return ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    *start = p->start;
    *end = p->visible;
    return ERR_OK;
}

void fake_engine_set_start(struct engine *e, struct str topic, int32_t partition, int64_t start)
{
    part_of(e, topic, partition)->start = start;
}

int32_t engine_partition_of(const struct engine_topic *t, struct str key)
{
    return key.p == NULL ? 0
                         : (int32_t)((hash_murmur2(key.p, key.n) & 0x7fffffffu) %
                                     (uint32_t)t->partition_count);
}

/* ---- Appending ---- */

static void commit(void *ctx);

static void post(struct engine *e)
{
    if (!e->posted && !e->hold) {
        e->posted = true;
        env_poll_post(e->poll, commit, e);
    }
}

void fake_engine_hold(struct engine *e, bool hold)
{
    e->hold = hold;
    if (!hold && (!list_empty(&e->pending) || !list_empty(&e->late))) {
        post(e);
    }
}

static void answer(struct engine *e, struct late *l);

static void pending_done(struct engine *e, struct pending *p)
{
    struct engine_append *a = p->a;
    struct engine_gate_item *item = p->item;
    uint64_t position = p->position;
    test_free(p);
    if (a != NULL) {
        a->done(a);
    } else {
        e->gate.durable(e->gate.ctx, item, position);
    }
}

/* Some of what is pending becomes durable, in order: one group, which is visible before the first
 * of it is told. Some late reads are answered, in any order. */
static void commit(void *ctx)
{
    struct engine *e = ctx;
    e->posted = false;
    size_t most = e->hold ? 0 : 1 + rnd(e) % 4;
    struct list *l, group;
    list_init(&group);
    while (most-- > 0 && (l = list_pop_front(&e->pending)) != NULL) {
        struct pending *p = CONTAINER_OF(l, struct pending, link);
        for (size_t i = 0; i < p->part_count; i++) {
            struct held_batch *b = &p->parts[i]->batches[p->batches[i]];
            b->visible = true;
            p->parts[i]->visible = b->end;
        }
        e->visible = p->position;
        list_push_back(&group, l);
    }
    bool any = !list_empty(&group);
    while ((l = list_pop_front(&group)) != NULL) {
        pending_done(e, CONTAINER_OF(l, struct pending, link));
    }
    if (any) {
        LIST_FOR_EACH (w, tmp, &e->watches) {
            struct engine_position_watch *watch =
                CONTAINER_OF(w, struct engine_position_watch, link);
            watch->moved(watch);
        }
    }
    LIST_FOR_EACH (node, tmp, &e->late) {
        if (rnd(e) % 2 == 0) {
            list_remove(node);
            answer(e, CONTAINER_OF(node, struct late, link));
            break; /* others may have been cancelled by it */
        }
    }
    if (!list_empty(&e->pending) || !list_empty(&e->late)) {
        post(e);
    }
}

static struct held_batch *batch_add(struct fake_part *p)
{
    if (p->count == p->cap) {
        p->cap = p->cap * 2 + 16;
        p->batches = test_realloc(p->batches, p->cap * sizeof(*p->batches));
    }
    p->batches[p->count] = (struct held_batch){0};
    return &p->batches[p->count++];
}

/* Gives a batch its place. */
static void sequence(struct engine *e, struct fake_part *p, struct str bytes, struct pending *to)
{
    struct held_batch *b = batch_add(p);
    b->bytes = test_malloc(bytes.n);
    memcpy(b->bytes, bytes.p, bytes.n);
    b->size = bytes.n;
    struct batch_header h;
    assert_int_equal(batch_header_parse(b->bytes, b->size, &h, NULL), ERR_OK);
    batch_set_base_offset(b->bytes, &h, p->next);
    b->base = p->next;
    b->end = p->next = batch_last_offset(&h) + 1;
    b->max_timestamp = h.max_timestamp;
    e->position += 1 + rnd(e) % 1000;
    b->position = e->position;
    to->position = b->position;
    assert_true(to->part_count < PARTITIONS_MAX);
    to->parts[to->part_count] = p;
    to->batches[to->part_count++] = p->count - 1;
}

/* The tests may let the allocator fail, within it too. */
static enum err batch_build(struct engine *e, const struct engine_record *records, size_t count,
                            struct buf *out)
{
    struct batch_builder b;
    batch_builder_init(&b, BATCH_MAX);
    enum err err = ERR_OK;
    for (size_t r = 0; r < count && err == ERR_OK; r++) {
        int64_t ts = records[r].timestamp_ms < 0 ? env_wall_ms(e->env) : records[r].timestamp_ms;
        err = batch_builder_append(&b, ts, records[r].key, records[r].value, records[r].headers,
                                   records[r].header_count);
    }
    struct batch_spec spec;
    batch_spec_init(&spec);
    spec.codec = e->codec;
    if (err == ERR_OK) {
        err = batch_builder_finish(&b, &spec, &e->scratch, out, NULL);
    }
    batch_builder_deinit(&b);
    return err;
}

bool engine_append_ready(const struct engine *e)
{
    return !e->full;
}

void engine_room_watch(struct engine *e, struct engine_room_watch *w)
{
    list_push_back(&e->room_watches, &w->link);
}

void engine_room_unwatch(struct engine_room_watch *w)
{
    list_remove(&w->link);
}

void fake_engine_set_full(struct engine *e, bool full)
{
    struct list *l;
    e->full = full;
    while (!e->full && (l = list_pop_front(&e->room_watches)) != NULL) {
        struct engine_room_watch *w = CONTAINER_OF(l, struct engine_room_watch, link);
        w->room(w);
    }
}

void fake_engine_refuse(struct engine *e, enum err err)
{
    e->refuse = err;
}

void engine_append(struct engine *e, struct engine_append *a)
{
    struct buf bytes[PARTITIONS_MAX];
    assert_in_range(a->part_count, 1, PARTITIONS_MAX);
    a->ec = (struct ectx){.code = ERR_OK};
    a->err = e->full ? ERR_AGAIN : e->refuse;
    if (e->refuse != ERR_OK) {
        IGNORE(ectx_fail(&a->ec, e->refuse, "the test refuses it"));
        ectx_hint(&a->ec, "let the test end that");
    }
    for (size_t i = 0; i < a->part_count; i++) {
        buf_init(&bytes[i], BATCH_MAX);
        assert_non_null(part_find(e, a->parts[i].topic, a->parts[i].partition));
        if (a->err == ERR_OK) {
            a->err = batch_build(e, a->parts[i].records, a->parts[i].count, &bytes[i]);
        }
    }
    struct pending *to = test_calloc(1, sizeof(*to));
    to->a = a;
    for (size_t i = 0; i < a->part_count; i++) {
        if (a->err == ERR_OK) {
            struct fake_part *p = part_of(e, a->parts[i].topic, a->parts[i].partition);
            a->parts[i].base_offset = p->next;
            sequence(e, p, buf_str(&bytes[i]), to);
            a->parts[i].position = to->position;
        }
        buf_deinit(&bytes[i]);
    }
    if (a->err != ERR_OK) {
        test_free(to);
        a->done(a);
        return;
    }
    a->position = to->position;
    list_push_back(&e->pending, &to->link);
    post(e);
}

size_t engine_append_max_bytes(const struct engine *e)
{
    (void)e;
    return 1 << 20;
}

void engine_gate_set(struct engine *e, const struct engine_gate *gate)
{
    e->has_gate = gate != NULL;
    if (gate != NULL) {
        e->gate = *gate;
    }
}

void engine_gate_retry(struct engine *e)
{
    (void)e;
}

void fake_engine_set_marks(struct engine *e, bool marks)
{
    e->marks = marks;
}

static void mark(uint8_t *batch, size_t n)
{
    struct batch_header h;
    uint8_t *p = batch + BATCH_HEADER_SIZE;
    while ((*p & 0x80) != 0) { /* the record's length */
        p++;
    }
    p[1] = 0xff;
    assert_int_equal(batch_header_parse(batch, n, &h, NULL), ERR_OK);
    put_be32(batch + BATCH_AT_CRC, batch_crc(batch, &h));
}

enum err fake_engine_produce(struct engine *e, struct str topic, int32_t partition,
                             const struct engine_record *records, size_t count, struct arena *a,
                             struct engine_gate_item *item)
{
    struct buf bytes;
    buf_init(&bytes, BATCH_MAX);
    assert_int_equal(batch_build(e, records, count, &bytes), ERR_OK);
    if (e->marks) {
        mark(bytes.p, bytes.n);
    }
    *item = (struct engine_gate_item){
        .topic = topic, .partition = partition, .batch = arena_str(a, buf_str(&bytes)), .arena = a};
    buf_deinit(&bytes);
    struct ectx ec = {0};
    enum err err;
    while ((err = e->gate.check(e->gate.ctx, item, &ec)) == ERR_AGAIN && env_sim_step(e->env)) {
    }
    if (err == ERR_OK) {
        struct pending *to = test_calloc(1, sizeof(*to));
        to->item = item;
        struct fake_part *p = part_of(e, topic, partition);
        int64_t base = p->next;
        sequence(e, p, item->replacement.p != NULL ? item->replacement : item->batch, to);
        e->gate.sequenced(e->gate.ctx, item, base);
        list_push_back(&e->pending, &to->link);
        post(e);
    }
    return err;
}

enum err fake_engine_change(struct engine *e, struct str topic, const char *what,
                            struct str setting, struct ectx *ec)
{
    assert_true(e->has_gate && e->gate.guards(e->gate.ctx, topic));
    return e->gate.change(e->gate.ctx, topic, what, setting, ec);
}

/* ---- Reading ---- */

void engine_read_soon(struct engine *e, struct str topic, int32_t partition, int64_t offset)
{
    assert_non_null(part_find(e, topic, partition));
    e->told[e->told_count++ % TOLD_MAX] = (struct told){partition, offset};
}

static bool was_told(const struct engine *e, int32_t partition, int64_t offset)
{
    for (size_t i = 0; i < TOLD_MAX && i < e->told_count; i++) {
        if (e->told[i].partition == partition && e->told[i].offset == offset) {
            return true;
        }
    }
    return false;
}

static void read_answer(struct engine *e, struct engine_read *r)
{
    struct fake_part *p = part_find(e, r->topic, r->partition);
    r->batches = NULL;
    r->batch_count = 0;
    r->next_offset = r->offset;
    e->reads++;
    e->reads_told += was_told(e, r->partition, r->offset);
    if (e->fail_reads_left > 0) {
        e->fail_reads_left--;
        r->err = ectx_fail(&r->ec, e->fail_reads, "as the test wants it");
        return;
    }
    if (p == NULL) {
        r->err = ectx_fail(&r->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "no such partition");
        return;
    }
    r->start_offset = p->start;
    r->end_offset = p->visible;
    if (r->offset < p->start || r->offset > p->visible) {
        r->err = ectx_fail(&r->ec, ERR_OFFSET_OUT_OF_RANGE, "offset %lld", (long long)r->offset);
        return;
    }
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->batches[middle].end <= r->offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    size_t n = 0, bytes = 0;
    while (low + n < p->count && p->batches[low + n].visible &&
           (n == 0 || bytes + p->batches[low + n].size <= r->max_bytes)) {
        bytes += p->batches[low + n++].size;
    }
    r->err = ERR_OK;
    if (n == 0) {
        return;
    }
    r->batches = arena_new_n(r->arena, struct engine_batch, n);
    if (r->batches == NULL) {
        r->err = ectx_fail(&r->ec, ERR_NO_MEMORY, "no memory for batches");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct held_batch *b = &p->batches[low + i];
        /* A copy, so that the sanitizer sees who uses it after the release. */
        uint8_t *copy = test_malloc(b->size);
        memcpy(copy, b->bytes, b->size);
        r->batches[i] =
            (struct engine_batch){.bytes = str_make(copy, b->size), .position = b->position};
        r->next_offset = b->end;
    }
    r->batch_count = n;
    e->held += n;
    e->batches_read += n;
}

static void seek_answer(struct engine *e, struct engine_seek *s)
{
    struct fake_part *p = part_find(e, s->topic, s->partition);
    e->seeks++;
    if (p == NULL) {
        s->err = ectx_fail(&s->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "no such partition");
        return;
    }
    s->err = ERR_OK;
    s->offset = p->visible;
    for (size_t i = 0; i < p->count && p->batches[i].visible; i++) {
        if (s->by == ENGINE_SEEK_POSITION ? p->batches[i].position > s->position
                                          : p->batches[i].max_timestamp >= s->timestamp_ms) {
            s->offset = p->batches[i].base;
            return;
        }
    }
}

static void answer(struct engine *e, struct late *l)
{
    struct engine_read *r = l->read;
    struct engine_seek *s = l->seek;
    test_free(l);
    if (r != NULL) {
        r->internal = NULL;
        read_answer(e, r);
        r->done(r);
    } else {
        s->internal = NULL;
        seek_answer(e, s);
        s->done(s);
    }
}

static void ask(struct engine *e, struct engine_read *r, struct engine_seek *s)
{
    struct late *l = test_calloc(1, sizeof(*l));
    l->read = r;
    l->seek = s;
    list_init(&l->link);
    if (e->late_one_in == 0 || rnd(e) % e->late_one_in != 0) {
        answer(e, l);
        return;
    }
    if (r != NULL) {
        r->internal = l;
    } else {
        s->internal = l;
    }
    list_push_back(&e->late, &l->link);
    post(e);
}

void engine_read(struct engine *e, struct engine_read *r)
{
    ask(e, r, NULL);
}

void engine_seek(struct engine *e, struct engine_seek *s)
{
    ask(e, NULL, s);
}

void engine_read_cancel(struct engine *e, struct engine_read *r)
{
    (void)e;
    struct late *l = r->internal;
    if (l != NULL) {
        list_remove(&l->link);
        test_free(l);
        r->internal = NULL;
    }
}

void engine_read_release(struct engine *e, struct engine_read *r)
{
    for (size_t i = 0; i < r->batch_count; i++) {
        union {
            const char *read_only;
            void *p;
        } bytes = {.read_only = r->batches[i].bytes.p};
        test_free(bytes.p);
    }
    e->held -= r->batch_count;
    r->batch_count = 0;
}

uint64_t engine_position(const struct engine *e)
{
    return e->visible;
}

void engine_position_watch(struct engine *e, struct engine_position_watch *w)
{
    list_push_back(&e->watches, &w->link);
}

void engine_position_unwatch(struct engine *e, struct engine_position_watch *w)
{
    (void)e;
    list_remove(&w->link);
}

void fake_engine_restart(struct engine *e, struct env_poll *poll)
{
    struct list *l;
    while ((l = list_pop_front(&e->pending)) != NULL) {
        test_free(CONTAINER_OF(l, struct pending, link));
    }
    while ((l = list_pop_front(&e->late)) != NULL) {
        test_free(CONTAINER_OF(l, struct late, link));
    }
    while ((l = list_pop_front(&e->rewritings)) != NULL) {
        test_free(CONTAINER_OF(l, struct rewriting, link));
    }
    for (size_t i = 0; i < e->topic_count; i++) {
        for (int p = 0; p < PARTITIONS_MAX; p++) {
            struct fake_part *part = &e->topics[i]->parts[p];
            while (part->count > 0 && !part->batches[part->count - 1].visible) {
                test_free(part->batches[--part->count].bytes);
            }
            part->next = part->visible;
        }
    }
    list_init(&e->watches);
    list_init(&e->topic_watches);
    e->has_gate = false;
    e->posted = false;
    e->hold = false;
    e->poll = poll;
}
