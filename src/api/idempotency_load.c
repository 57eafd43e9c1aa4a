/* The topic of keys: made if it is missing, and read at start. */
#include "api/idempotency_int.h"
#include "core/log.h"
#include "core/mem.h"
#include "record/batch.h"
#include "record/record.h"

#define READ_BYTES (1u << 20)

static void load_failed(struct api_idempotency *i, const struct ectx *ec)
{
    i->state = IDEMPOTENCY_FAILED;
    i->failure = *ec;
    IGNORE(ectx_wrap(&i->failure, ec->code, "the kept Idempotency-Keys could not be read"));
    LOG_ERROR("idempotency.load_failed", KV_ERR(ec));
}

static enum err load_record(struct api_idempotency *i, const struct record *r, uint64_t position,
                            struct ectx *ec)
{
    const struct json_limits limits = {.build_depth = 1};
    struct json *v = NULL;
    const int64_t expires = r->timestamp + IDEMPOTENCY_KEEP_MS;
    if (expires <= env_wall_ms(i->api->services.env) || r->key.n == 0 || r->value.n == 0) {
        return ERR_OK;
    }
    enum err e = json_parse(r->value, &limits, &i->arena, &v, ec);
    if (e == ERR_NO_MEMORY) {
        return e;
    }
    const struct json *print = json_get(v, "print");
    if (e != ERR_OK || print == NULL || print->string.n >= IDEMPOTENCY_PRINT) {
        LOG_WARN("idempotency.skipped", KV_I64("offset", r->offset),
                 KV_Z("reason", "not a record of this version"));
        return ERR_OK;
    }
    struct idempotency_entry *entry = map_get(&i->keys, r->key);
    if (entry != NULL) {
        idempotency_remove(i, entry); /* it had expired when this one was made */
    }
    entry = idempotency_add(i, r->key);
    if (entry == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for an Idempotency-Key");
    }
    i->bytes -= idempotency_cost(entry);
    memcpy(entry->print, print->string.p, print->string.n);
    entry->value = str_make(str_dup_z(r->value), r->value.n);
    entry->running = false;
    entry->expires_ms = expires;
    entry->position = position;
    i->bytes += idempotency_cost(entry);
    list_push_back(&i->by_age, &entry->link);
    return str_is_null(entry->value) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err load_batch(struct api_idempotency *i, const struct engine_batch *b, struct ectx *ec)
{
    struct batch_header h;
    struct record_iter it;
    struct record r;
    struct record_scratch scratch;
    const uint8_t *p = (const uint8_t *)b->bytes.p;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    enum err e = batch_header_parse(p, b->bytes.n, &h, ec);
    e = e == ERR_OK ? record_iter_init(&it, &h, p, &scratch, RECORD_DECOMPRESSED_MAX, ec) : e;
    while (e == ERR_OK && record_next(&it, &r)) {
        arena_reset(&i->arena, READ_BYTES);
        e = load_record(i, &r, b->position, ec);
    }
    e = e == ERR_OK ? record_iter_end(&it, ec) : e;
    record_scratch_deinit(&scratch);
    return e;
}

static void read_on(struct api_idempotency *i);

static void on_read(struct engine_read *r)
{
    struct api_idempotency *i = r->ctx;
    struct ectx ec = r->ec;
    enum err e = r->err;
    i->reading = false;
    if (e == ERR_OK) {
        for (size_t n = 0; n < r->batch_count && e == ERR_OK; n++) {
            e = load_batch(i, &r->batches[n], &ec);
        }
        engine_read_release(i->api->services.engine, r);
    }
    if (e != ERR_OK) {
        load_failed(i, &ec);
        return;
    }
    /* All that are promised are kept. Above the limit (it was lowered, or an earlier build counted
     * less) further keys are refused until some have expired. */
    if (r->next_offset >= r->end_offset || r->batch_count == 0) {
        idempotency_ready(i);
        return;
    }
    r->offset = r->next_offset;
    arena_reset(&i->batches, READ_BYTES);
    read_on(i);
}

static void read_go(void *ctx)
{
    struct api_idempotency *i = ctx;
    if (!i->stopped) {
        engine_read(i->api->services.engine, &i->read);
    } else {
        i->reading = false;
    }
}

/* In a turn of its own: a read may be answered before it returns, and there may be many. */
static void read_on(struct api_idempotency *i)
{
    i->reading = true;
    env_poll_post(engine_poll(i->api->services.engine), read_go, i);
}

static void on_seek(struct engine_seek *s)
{
    struct api_idempotency *i = s->ctx;
    if (s->err != ERR_OK) {
        load_failed(i, &s->ec);
        return;
    }
    i->read = (struct engine_read){.topic = STR_LIT(IDEMPOTENCY_TOPIC),
                                   .offset = s->offset,
                                   .max_bytes = READ_BYTES,
                                   .arena = &i->batches,
                                   .done = on_read,
                                   .ctx = i};
    read_on(i);
}

static void on_ensured(struct engine_ensure *t)
{
    struct api_idempotency *i = t->ctx;
    if (t->err != ERR_OK) {
        load_failed(i, &t->ec);
        return;
    }
    if (t->created) {
        idempotency_ready(i);
        return;
    }
    i->seek = (struct engine_seek){.topic = STR_LIT(IDEMPOTENCY_TOPIC),
                                   .by = ENGINE_SEEK_TIME,
                                   .timestamp_ms =
                                       env_wall_ms(i->api->services.env) - IDEMPOTENCY_KEEP_MS,
                                   .done = on_seek,
                                   .ctx = i};
    engine_seek(i->api->services.engine, &i->seek);
}

void idempotency_start(struct api_idempotency *i)
{
    /* An hour more than keys are kept. */
    static const struct engine_setting settings[] = {{"cleanup.policy", "delete"},
                                                     {"retention.ms", "90000000"},
                                                     {"retention.bytes", "-1"},
                                                     {"max.message.bytes", "8388608"},
                                                     {"leat.durability", "fsync"}};
    i->ensure = (struct engine_ensure){.name = STR_LIT(IDEMPOTENCY_TOPIC),
                                       .partitions = 1,
                                       .settings = settings,
                                       .setting_count = ARRAY_LEN(settings),
                                       .done = on_ensured,
                                       .ctx = i};
    engine_topic_ensure(i->api->services.engine, &i->ensure);
}

void idempotency_stop(struct api_idempotency *i)
{
    if (i->reading && !i->stopped) {
        engine_read_cancel(i->api->services.engine, &i->read);
    }
    i->stopped = true;
}
