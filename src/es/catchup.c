/*
 * The index follows the log: at the start it lacks what came after its last flush, or everything.
 * Each partition of each es.* topic and of __leat_streams is read from where the index covers it to
 * its end, one after the other; entries are the same as those of an append (entries.c).
 *
 * A record that is no event (somebody else wrote it, before there was an event store) is counted
 * and passed over. Damage in the log ends the start: an index that lacks events would give their
 * revisions away again.
 */
#include "core/log.h"
#include "core/mem.h"
#include "es/write.h"

#define READ_BYTES  (1u << 20)
#define COVER_BYTES (16u << 20) /* read between two notes of how far it is */

struct target {
    struct es_cat *cat; /* NULL: facts */
    int32_t partition;
    int64_t next, end;
};
struct es_catchup {
    struct es *es;
    struct target *targets;
    size_t count, at;
    struct engine_read read;
    struct arena arena, facts;
    struct record_scratch scratch;
    bool reading, answered, stepping;
    size_t bytes; /* since the last cover */
    uint64_t events, foreign;
};

static struct str topic_of(const struct target *t)
{
    return t->cat == NULL ? STR_LIT(ES_STREAMS_TOPIC) : t->cat->topic;
}

/* What the record says may be what an erasure has left: its body is no one's to compare with. Facts
 * are read before events, so all redactions are known. If the disk would have to be asked (the
 * filters of the index are in memory, so that is rare): perhaps. */
static bool may_be_erased(struct es *es, const struct es_hash *stream, uint64_t revision)
{
    uint8_t prefix[ES_KEY_EVENT], key[INDEX_KEY_MAX], value[INDEX_VALUE_MAX];
    es_key_event(prefix, stream, revision);
    return index_last(es->index, ES_T_REDACTIONS, prefix, NULL, key, value) != ERR_NOT_FOUND;
}

/* Puts one event's entries. */
static enum err put_event(struct es_catchup *c, const struct target *t, const struct record *r,
                          struct es_position position)
{
    struct es *es = c->es;
    struct es_view v;
    struct es_hash terms[1 + ES_TAGS_MAX];
    uint64_t carried = 0;
    if (!es_view_event(r, &v)) {
        c->foreign++;
        return ERR_OK;
    }
    struct es_entry x = {.stream = es_hash_stream(es, v.stream),
                         .revision = v.revision,
                         .body = es_body_hash(es, v.type, v.data, v.meta, v.tags, v.tag_count),
                         .terms = terms,
                         .term_count = 1 + v.tag_count,
                         .cat = t->cat,
                         .partition = t->partition,
                         .place = {r->offset, position}};
    x.id = es_hash_id(es, &x.stream, v.id);
    x.needs_id_entry = !es_id_place(v.stream, v.id, &carried) || carried != v.revision;
    x.needs_id_entry = x.needs_id_entry && !ES_FAULT(ids_skipped);
    if (x.needs_id_entry && may_be_erased(es, &x.stream, x.revision)) {
        x.body = ES_BODY_ANY;
    }
    terms[0] = es_hash_type(es, v.type);
    for (size_t i = 0; i < v.tag_count; i++) {
        terms[1 + i] = es_hash_tag(es, v.tags[i]);
    }
    c->events++;
    return es_entry_put(es, &x);
}

static enum err put_fact(struct es_catchup *c, int32_t partition, const struct record *r)
{
    struct es *es = c->es;
    struct es_fact *f;
    struct ectx ec = {.code = ERR_OK};
    arena_reset(&c->facts, 1 << 16);
    f = arena_new(&c->facts, struct es_fact);
    enum err e = f == NULL ? ERR_NO_MEMORY : es_fact_parse(r->value, &c->facts, f, &ec);
    if (e == ERR_NO_MEMORY) {
        return e;
    }
    if (ES_FAULT(facts_skipped)) {
        return ERR_OK;
    }
    if (e != ERR_OK || r->key.n == 0) {
        LOG_WARN("es.fact_unknown", KV_I64("offset", r->offset), KV_ERR(&ec));
        c->foreign++;
        return ERR_OK;
    }
    struct es_hash stream = es_hash_stream(es, r->key);
    struct es_hash slot = es_hash_slot(es, &stream, f->schema);
    return es_fact_put(es, &stream, (int)f->kind, &f->status, f->revision, f->field_count == 0,
                       &slot, partition, r->offset);
}

/* One batch. Stops in front of the record whose entries the index did not take. */
static enum err take_batch(struct es_catchup *c, struct target *t, const struct engine_batch *b,
                           struct ectx *ec)
{
    struct batch_header h;
    struct record_iter it;
    struct record r;
    const uint8_t *p = (const uint8_t *)b->bytes.p;
    enum err e = batch_header_parse(p, b->bytes.n, &h, ec);
    if (e == ERR_OK) {
        e = record_iter_init(&it, &h, p, &c->scratch, SIZE_MAX, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    while (record_next(&it, &r)) {
        if (r.offset < t->next) {
            continue;
        }
        struct es_position position = {b->position, (uint32_t)(r.offset - h.base_offset)};
        e = t->cat == NULL ? put_fact(c, t->partition, &r) : put_event(c, t, &r, position);
        if (e != ERR_OK) {
            return ERR_AGAIN;
        }
        t->next = r.offset + 1;
    }
    c->bytes += b->bytes.n;
    return record_iter_end(&it, ec);
}

static void catchup_free(struct es_catchup *c)
{
    if (c->reading) {
        engine_read_cancel(c->es->engine, &c->read);
    }
    arena_deinit(&c->arena);
    arena_deinit(&c->facts);
    record_scratch_deinit(&c->scratch);
    mem_free(c->targets);
    mem_free(c);
}

void es_catchup_stop(struct es *es)
{
    if (es->catchup != NULL) {
        catchup_free(es->catchup);
        es->catchup = NULL;
    }
}

static void catchup_end(struct es_catchup *c, enum err e, const struct ectx *ec)
{
    struct es *es = c->es;
    if (e == ERR_OK) {
        LOG_INFO("es.caught_up", KV_U64("events", c->events), KV_U64("foreign", c->foreign));
    }
    es_catchup_stop(es);
    es_started(es, e, ec);
}

/* What was read. ERR_AGAIN: the index takes no more for now. */
static enum err take_read(struct es_catchup *c, struct ectx *ec)
{
    struct engine_read *r = &c->read;
    struct target *t = &c->targets[c->at];
    const int64_t before = t->next;
    enum err e = r->err;
    if (e == ERR_OFFSET_OUT_OF_RANGE && r->start_offset > t->next) {
        t->next = r->start_offset; /* records were deleted */
        return ERR_OK;
    }
    if (e != ERR_OK) {
        *ec = r->ec;
        return e;
    }
    for (size_t i = 0; i < r->batch_count && e == ERR_OK; i++) {
        e = take_batch(c, t, &r->batches[i], ec);
    }
    if (e == ERR_OK) {
        t->next = r->next_offset > t->next ? r->next_offset : t->next;
        e = t->next > before ? ERR_OK : ERR_AGAIN; /* nothing came: later, then */
    }
    engine_read_release(c->es->engine, r);
    int64_t *covered = t->cat == NULL ? c->es->facts_covered : t->cat->covered;
    covered[t->partition] = t->next;
    return e;
}

static void read_done(struct engine_read *r)
{
    struct es_catchup *c = r->ctx;
    c->reading = false;
    c->answered = true;
    if (!c->stepping) {
        es_catchup_step(c->es);
    }
}

static void read_begin(struct es_catchup *c)
{
    const struct target *t = &c->targets[c->at];
    arena_reset(&c->arena, 1 << 16);
    c->read = (struct engine_read){.topic = topic_of(t),
                                   .partition = t->partition,
                                   .offset = t->next,
                                   .max_bytes = READ_BYTES,
                                   .arena = &c->arena,
                                   .done = read_done,
                                   .ctx = c};
    c->reading = true;
    c->answered = false;
    engine_read(c->es->engine, &c->read);
}

void es_catchup_step(struct es *es)
{
    struct es_catchup *c = es->catchup;
    struct ectx ec = {.code = ERR_OK};
    if (c == NULL || c->stepping) {
        return;
    }
    c->stepping = true;
    while (!c->reading && (c->answered || c->at < c->count)) {
        enum err e = ERR_OK;
        if (c->answered) {
            c->answered = false;
            e = take_read(c, &ec);
        }
        if (e != ERR_OK && e != ERR_AGAIN) {
            catchup_end(c, ectx_wrap(&ec, e, "the event store could not follow the log"), &ec);
            return;
        }
        if (c->bytes > COVER_BYTES || e == ERR_AGAIN || !index_ready(es->index)) {
            c->bytes = 0;
            IGNORE(es_covered_tell(es, false)); /* the next time, then */
        }
        if (e == ERR_AGAIN || !index_ready(es->index)) {
            break; /* at the next tick, or when the index is ready */
        }
        while (c->at < c->count && c->targets[c->at].next >= c->targets[c->at].end) {
            c->at++;
        }
        if (c->at < c->count) {
            read_begin(c);
        }
    }
    c->stepping = false;
    if (c->at == c->count && !c->reading && !c->answered) {
        catchup_end(c, ERR_OK, NULL);
    }
}

/* Where a partition's reading begins and ends. ERR_DAMAGED: the index knows more than the log. */
static enum err add_target(struct es_catchup *c, struct es_cat *cat, int32_t partition,
                           int64_t covered, struct ectx *ec)
{
    struct target *t = &c->targets[c->count];
    int64_t start;
    *t = (struct target){.cat = cat, .partition = partition};
    enum err e = engine_bounds(c->es->engine, topic_of(t), partition, &start, &t->end);
    if (e != ERR_OK) {
        return ectx_fail(ec, e, "could not find where topic '%.*s' begins", STR(topic_of(t)));
    }
    if (covered > t->end) {
        return ectx_fail(ec, ERR_DAMAGED,
                         "the index of the event store knows offset %lld of '%.*s', which ends at "
                         "%lld",
                         (long long)covered, STR(topic_of(t)), (long long)t->end);
    }
    t->next = covered > start ? covered : start;
    c->count++;
    return ERR_OK;
}

enum err es_catchup_start(struct es *es, struct ectx *ec)
{
    struct map_iter it = {0};
    size_t count = (size_t)es->facts_partitions;
    enum err e = ERR_OK;
    while (map_next(&es->cats, &it)) {
        count += (size_t)((const struct es_cat *)it.value)->partitions;
    }
    struct es_catchup *c = mem_new(struct es_catchup);
    if (c == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory to follow the log");
    }
    c->es = es;
    arena_init(&c->arena, 64 << 20);
    arena_init(&c->facts, 256 << 20);
    record_scratch_init(&c->scratch, RECORD_DECOMPRESSED_MAX);
    c->targets = mem_zalloc(count, sizeof(*c->targets));
    if (c->targets == NULL) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "no memory to follow the log");
    }
    for (int32_t i = 0; e == ERR_OK && i < es->facts_partitions; i++) {
        e = add_target(c, NULL, i, es->facts_covered[i], ec);
    }
    it = (struct map_iter){0};
    while (e == ERR_OK && map_next(&es->cats, &it)) {
        struct es_cat *cat = it.value;
        for (int32_t i = 0; e == ERR_OK && i < cat->partitions; i++) {
            e = add_target(c, cat, i, cat->covered[i], ec);
        }
    }
    if (e != ERR_OK) {
        catchup_free(c);
        return e;
    }
    es->catchup = c;
    return ERR_OK;
}
