/*
 * The eraser (erase.h): a machine with one redaction at a time. Who waits for one comes before what
 * a start has found.
 *
 *   PICK -> FACT -> PLACE -> EVENT -> REWRITE -> MARK -> PICK
 *     |               what the fact says; where the event is; its batch; another in its place
 *     '-- PAGE: the next redactions of the index, as long as a start has not seen all
 *
 * What fails for the moment is tried again after a second, ten times; what cannot be done is told,
 * counted, and tried again by the next start.
 */
#include "es/erase.h"

#include "core/bytes.h"
#include "core/log.h"
#include "core/mem.h"
#include "es/write.h"

enum { PAGE = 16, TRIES_MAX = 10 };
#define RETRY_NS    1000000000u
#define ARENA_BYTES (192u << 20) /* a batch, unpacked and packed again */

enum step { PICK, PAGE_LOOK, FACT, FACT_READ, PLACE, PLACE_LOOK, EVENT, EVENT_READ, REWRITE, MARK };

struct es_eraser {
    struct es *es;
    struct list requests;
    struct es_erase *request; /* of the redaction at hand; NULL: nobody waits for it */
    enum step at;
    bool running, out, stale; /* out: something is asked for; stale: nobody wants the answer */
    bool reading;
    bool held; /* the read's batches are to be given back */
    uint32_t tries;
    uint64_t not_before_ns;
    /* the redaction at hand */
    uint8_t key[ES_KEY_REDACTION];
    struct es_redaction_value value;
    struct arena arena;
    struct str stream;
    struct es_fact *fact;
    const struct es_cat *cat;
    struct es_place place;
    struct es_erasure erasure;
    struct engine_read read;
    struct engine_rewrite rewrite;
    struct es_look_set set;
    struct es_look look;
    struct record_scratch scratch;
    /* a start's way through the index */
    bool sweeping, more;
    uint8_t from[ES_KEY_REDACTION], to[ES_KEY_REDACTION];
    uint8_t keys[PAGE * ES_KEY_REDACTION], values[PAGE * ES_VALUE_REDACTION];
    size_t page_count, page_at;
};

static void run(struct es_eraser *x);

/* ---- The end of one ------------------------------------------------------------------------- */

static bool finish(struct es_eraser *x, enum err e, const struct ectx *ec)
{
    struct es_erase *request = x->request;
    const bool passes = e == ERR_NO_MEMORY || e == ERR_AGAIN || e == ERR_LIMIT || e == ERR_ABORTED;
    if (passes && ++x->tries < TRIES_MAX) {
        x->not_before_ns = env_mono_ns(x->es->env) + RETRY_NS;
        x->at = FACT;
        return false;
    }
    if (e != ERR_OK) {
        LOG_WARN("es.not_erased", KV_STR("stream", x->stream),
                 KV_U64("revision", es_key_event_revision(x->key)), KV_ERR(ec),
                 KV_Z("effect", "hidden from readers of the event store, still in the topic"));
    }
    es_gauges_erased(x->es, e == ERR_OK);
    x->request = NULL;
    x->at = PICK;
    if (request != NULL) {
        request->told(request, e, ec);
    }
    return true;
}

static bool finish_with(struct es_eraser *x, enum err e, const char *what)
{
    struct ectx ec = {.code = ERR_OK};
    return finish(x, ectx_fail(&ec, e, "%s", what), &ec);
}

/* ---- What is asked for ---------------------------------------------------------------------- */

static void came(struct es_eraser *x)
{
    x->out = false;
    if (x->stale) {
        x->stale = false;
        x->at = PICK;
        return; /* the next tick goes on, if it may */
    }
    run(x);
}

static void look_done(struct es_look_set *set)
{
    came(set->ctx);
}

static void read_release(struct es_eraser *x)
{
    if (x->held) {
        x->held = false;
        engine_read_release(x->es->engine, &x->read);
    }
}

/* True: it is answered. */
static bool ask_look(struct es_eraser *x)
{
    x->set = (struct es_look_set){.looks = &x->look, .count = 1, .done = look_done, .ctx = x};
    x->out = !es_look(x->es, &x->set);
    return !x->out;
}

static void read_done(struct engine_read *r)
{
    struct es_eraser *x = r->ctx;
    x->held = r->err == ERR_OK;
    if (x->reading) {
        came(x);
    } else {
        x->reading = true; /* within the call */
    }
}

static bool ask_read(struct es_eraser *x, struct str topic, int32_t partition, int64_t offset)
{
    x->read = (struct engine_read){.topic = topic,
                                   .partition = partition,
                                   .offset = offset,
                                   .max_bytes = 1,
                                   .arena = &x->arena,
                                   .done = read_done,
                                   .ctx = x};
    x->reading = false;
    engine_read(x->es->engine, &x->read);
    x->out = !x->reading;
    x->reading = true;
    return !x->out;
}

static void rewrite_done(struct engine_rewrite *r)
{
    struct es_eraser *x = r->ctx;
    if (x->out) {
        came(x);
    } else {
        x->out = true; /* within the call */
    }
}

/* ---- Steps: each says whether it could go on ------------------------------------------------ */

static void take(struct es_eraser *x, const uint8_t *key, const struct es_redaction_value *value)
{
    memcpy(x->key, key, sizeof(x->key));
    x->value = *value;
    x->stream = STR_NULL;
    x->tries = 0;
    x->at = FACT;
}

static bool step_pick(struct es_eraser *x)
{
    struct list *l = list_pop_front(&x->requests);
    struct es_redaction_value value = {0};
    if (l != NULL) {
        uint8_t key[ES_KEY_REDACTION];
        x->request = CONTAINER_OF(l, struct es_erase, link);
        value.partition = x->request->partition;
        es_key_redaction(key, &x->request->stream, x->request->revision, x->request->fact);
        take(x, key, &value);
        return true;
    }
    while (x->page_at < x->page_count) {
        const size_t i = x->page_at++;
        es_value_redaction_read(&x->values[i * ES_VALUE_REDACTION], &value);
        if (!value.erased) {
            take(x, &x->keys[i * ES_KEY_REDACTION], &value);
            return true;
        }
    }
    if (!x->sweeping) {
        return false;
    }
    x->look = (struct es_look){
        .kind = ES_LOOK_SCAN,
        .table = ES_T_REDACTIONS,
        .scan = {.from = x->from, .to = x->to, .max = PAGE, .keys = x->keys, .values = x->values}};
    x->at = PAGE_LOOK;
    return ask_look(x);
}

static bool step_page(struct es_eraser *x)
{
    const struct index_scan *s = &x->look.scan;
    x->at = PICK;
    x->page_at = x->page_count = 0;
    if (x->look.err != ERR_OK && x->look.err != ERR_NOT_FOUND) {
        x->not_before_ns = env_mono_ns(x->es->env) + RETRY_NS;
        return false;
    }
    x->page_count = x->look.err == ERR_OK ? s->count : 0;
    x->sweeping = x->page_count > 0 && s->more;
    if (x->page_count > 0) {
        memcpy(x->from, &x->keys[(x->page_count - 1) * ES_KEY_REDACTION], sizeof(x->from));
        for (size_t i = sizeof(x->from); i-- > 0 && ++x->from[i] == 0;) {
            continue; /* the next key */
        }
    }
    return true;
}

static bool step_fact(struct es_eraser *x)
{
    arena_reset(&x->arena, 1 << 16);
    x->stream = STR_NULL;
    x->at = FACT_READ;
    return ask_read(x, STR_LIT(ES_STREAMS_TOPIC), x->value.partition,
                    es_key_redaction_fact(x->key));
}

static bool step_fact_read(struct es_eraser *x)
{
    struct ectx ec = {.code = ERR_OK};
    struct str category;
    enum err e = x->read.err;
    if (e != ERR_OK) {
        return finish(x, e, &x->read.ec);
    }
    struct es_erase_fact f = {.stream = STR_NULL};
    e = es_erase_fact_read(x->es, &x->read, x->key, &x->scratch, &x->arena, &f, &ec);
    x->stream = f.stream;
    x->fact = f.fact;
    read_release(x);
    if (e == ERR_OK && es_stream_name_check(x->stream, &category, &ec)) {
        x->cat = es_cat_find(x->es, category);
        e = x->cat == NULL ? ectx_fail(&ec, ERR_NOT_FOUND, "its category is not there") : ERR_OK;
    } else if (e == ERR_OK) {
        e = ERR_NOT_FOUND;
    }
    x->at = PLACE;
    return e == ERR_OK || finish(x, e, &ec);
}

static bool step_place(struct es_eraser *x)
{
    x->look = (struct es_look){.kind = ES_LOOK_GET, .table = ES_T_EVENTS};
    memcpy(x->look.key, x->key, ES_KEY_EVENT);
    x->at = PLACE_LOOK;
    return ask_look(x);
}

/* Where the log of the event's partition begins. */
static int64_t log_start(const struct es_eraser *x)
{
    int64_t start = 0, end = 0;
    const enum err e = engine_bounds(x->es->engine, x->cat->topic,
                                     es_cat_partition(x->cat, x->stream), &start, &end);
    return e == ERR_OK ? start : 0;
}

/* The topic's log begins behind the event: nobody can read it any more. Its id is not known. */
static bool is_gone(struct es_eraser *x)
{
    x->erasure = (struct es_erasure){.offset = -1};
    x->at = MARK;
    return true;
}

static bool step_place_look(struct es_eraser *x)
{
    if (x->look.err == ERR_NOT_FOUND && log_start(x) > 0) {
        return is_gone(x); /* an index that was made anew has what the log has: not this one */
    }
    if (x->look.err != ERR_OK) {
        return finish_with(x, x->look.err, "the event is not in the index");
    }
    es_value_event_read(x->look.value, &x->place);
    x->at = EVENT;
    return true;
}

static bool step_event(struct es_eraser *x)
{
    x->at = EVENT_READ;
    return ask_read(x, x->cat->topic, es_cat_partition(x->cat, x->stream), x->place.offset);
}

/* The batch without the data, in the arena; null: it has none any more. */
static enum err event_take(struct es_eraser *x, struct ectx *ec)
{
    if (x->read.batch_count == 0) {
        return ectx_fail(ec, ERR_NOT_FOUND, "the log has nothing at offset %lld",
                         (long long)x->place.offset);
    }
    const struct str old = x->read.batches[0].bytes;
    x->erasure = (struct es_erasure){.old = old,
                                     .offset = x->place.offset,
                                     .fields = x->fact->fields,
                                     .field_count = x->fact->field_count,
                                     .scratch = &x->scratch,
                                     .arena = &x->arena};
    x->rewrite = (struct engine_rewrite){.topic = x->cat->topic,
                                         .partition = es_cat_partition(x->cat, x->stream),
                                         .done = rewrite_done,
                                         .ctx = x};
    enum err e = es_erase_batch(&x->erasure, ec);
    if (e == ERR_OK) {
        const struct str id = x->erasure.view.id;
        x->erasure.view.id = arena_str(&x->arena, id);
        if (id.n > 0 && x->erasure.view.id.p == NULL) {
            return ectx_fail(ec, ERR_NO_MEMORY, "no memory for an event's id");
        }
        x->rewrite.base_offset = (int64_t)get_be64((const uint8_t *)old.p + BATCH_AT_BASE_OFFSET);
        x->rewrite.old_crc = get_be32((const uint8_t *)old.p + BATCH_AT_CRC);
        x->rewrite.batch = x->erasure.batch;
    }
    return e;
}

static bool step_event_read(struct es_eraser *x)
{
    struct ectx ec = {.code = ERR_OK};
    if (x->read.err == ERR_OFFSET_OUT_OF_RANGE && x->place.offset < log_start(x)) {
        return is_gone(x);
    }
    if (x->read.err != ERR_OK) {
        return finish(x, x->read.err, &x->read.ec);
    }
    const enum err e = event_take(x, &ec);
    read_release(x);
    record_scratch_trim(&x->scratch);
    if (e != ERR_OK) {
        return finish(x, e, &ec);
    }
    if (str_is_null(x->erasure.batch)) {
        x->at = MARK;
        return true;
    }
    x->at = REWRITE;
    x->out = false;
    engine_rewrite(x->es->engine, &x->rewrite);
    const bool ended = x->out;
    x->out = !ended;
    return ended;
}

static bool step_rewrite(struct es_eraser *x)
{
    if (x->rewrite.err != ERR_OK) {
        return finish(x, x->rewrite.err, &x->rewrite.ec);
    }
    x->at = MARK;
    return true;
}

/* The index knows it; and an id whose body cannot be compared any more names the event with any. */
static bool step_mark(struct es_eraser *x)
{
    struct es *es = x->es;
    const struct es_view *v = &x->erasure.view;
    uint8_t value[INDEX_VALUE_MAX];
    uint64_t carried = 0;
    const uint64_t revision = es_key_event_revision(x->key);
    if (!index_ready(es->index)) {
        return false;
    }
    enum err e = ERR_OK;
    if (v->id.n > 0 && (!es_id_place(x->stream, v->id, &carried) || carried != revision)) {
        struct es_hash stream;
        memcpy(stream.b, x->key, sizeof(stream.b));
        const struct es_hash id = es_hash_id(es, &stream, v->id);
        es_value_id(value, revision, ES_BODY_ANY);
        e = index_put(es->index, ES_T_IDS, id.b, value);
    }
    x->value.erased = true;
    x->value.whole = x->fact->field_count == 0;
    es_value_redaction(value, &x->value);
    if (e == ERR_OK) {
        e = index_put(es->index, ES_T_REDACTIONS, x->key, value);
    }
    return e == ERR_OK ? finish(x, ERR_OK, NULL) : finish_with(x, e, "no memory in the index");
}

static void run(struct es_eraser *x)
{
    static bool (*const steps[])(struct es_eraser *) = {
        [PICK] = step_pick,       [PAGE_LOOK] = step_page,
        [FACT] = step_fact,       [FACT_READ] = step_fact_read,
        [PLACE] = step_place,     [PLACE_LOOK] = step_place_look,
        [EVENT] = step_event,     [EVENT_READ] = step_event_read,
        [REWRITE] = step_rewrite, [MARK] = step_mark,
    };
    const struct es *es = x->es;
    if (x->running) {
        return;
    }
    x->running = true;
    while (!x->out && es->life == ES_READY && es->failure.code == ERR_OK &&
           env_mono_ns(es->env) >= x->not_before_ns && steps[x->at](x)) {
        continue;
    }
    x->running = false;
}

/* ---- Who asks, and life --------------------------------------------------------------------- */

void es_erase_ask(struct es *es, struct es_erase *x)
{
    if ((engine_capabilities(es->engine) & ENGINE_REWRITE) == 0) {
        struct ectx ec = {.code = ERR_OK};
        const enum err e =
            ectx_fail(&ec, ERR_UNSUPPORTED_VERSION,
                      "the engine '%s' cannot replace what it has stored", engine_name(es->engine));
        x->told(x, e, &ec);
        return;
    }
    list_push_back(&es->eraser->requests, &x->link);
    run(es->eraser);
}

void es_erase_leave(struct es *es, struct es_erase *x)
{
    list_remove(&x->link);
    if (es->eraser->request == x) {
        es->eraser->request = NULL; /* it is carried out all the same */
    }
}

enum err es_eraser_create(struct es *es)
{
    struct es_eraser *x = mem_new(struct es_eraser);
    if (x == NULL) {
        return ERR_NO_MEMORY;
    }
    x->es = es;
    list_init(&x->requests);
    arena_init(&x->arena, ARENA_BYTES);
    record_scratch_init(&x->scratch, RECORD_DECOMPRESSED_MAX);
    es->eraser = x;
    return ERR_OK;
}

void es_eraser_destroy(struct es *es)
{
    struct es_eraser *x = es->eraser;
    if (x != NULL) {
        arena_deinit(&x->arena);
        record_scratch_deinit(&x->scratch);
        mem_free(x);
        es->eraser = NULL;
    }
}

void es_eraser_start(struct es *es)
{
    struct es_eraser *x = es->eraser;
    x->sweeping = (engine_capabilities(es->engine) & ENGINE_REWRITE) != 0;
    x->page_at = x->page_count = 0;
    memset(x->from, 0, sizeof(x->from));
    memset(x->to, 0xff, sizeof(x->to));
    x->not_before_ns = 0;
}

void es_eraser_stop(struct es *es)
{
    struct es_eraser *x = es->eraser;
    const bool reads = x->at == FACT_READ || x->at == EVENT_READ;
    if (x->out && reads) {
        engine_read_cancel(es->engine, &x->read);
        x->out = false;
    }
    read_release(x);
    x->stale = x->out;
    x->sweeping = false;
    x->page_at = x->page_count = 0;
    x->request = NULL;
    x->at = x->out ? x->at : PICK;
}

bool es_eraser_idle(const struct es *es)
{
    return !es->eraser->out;
}

void es_eraser_tick(struct es *es)
{
    run(es->eraser);
}
