/*
 * An answer again. Its offsets are looked up by the commit position of the append: the record of
 * the key was the last of it, so the first offset above that position, less the number of records,
 * is where the append began in a partition. Without a record behind it that is still there, it is
 * not known any more.
 */
#include "api/idempotency_int.h"

struct replay {
    struct api_call *c;
    struct json *kept;
    struct engine_part *parts;
    size_t part_count, at;
    uint64_t position;
    struct engine_seek seek;
    bool within, again; /* a look-up may end before its call returns: no recursion then */
};

static void failed(struct replay *x, enum err e, const struct ectx *ec)
{
    api_fail(x->c, e, ec);
}

static void reply(struct replay *x)
{
    const struct json *body = json_get(x->kept, "body");
    const struct json *fields = json_get(x->kept, "headers");
    int64_t status = 0;
    struct buf b;
    size_t n = 0;
    buf_init(&b, 4 * IDEMPOTENCY_ANSWER_MAX);
    struct http_header *headers = arena_new_n(x->c->arena, struct http_header,
                                              1u + (fields == NULL ? 0u : (size_t)fields->count));
    if (headers == NULL || body == NULL || !json_i64(json_get(x->kept, "status"), &status) ||
        !template_expand(body->string, x->parts, x->part_count, x->position, &b)) {
        struct ectx ec = {0};
        enum err e = ectx_fail(&ec, ERR_NO_MEMORY, "out of memory for the answer of the key");
        buf_deinit(&b);
        failed(x, e, &ec);
        return;
    }
    headers[n++] = (struct http_header){STR_LIT("Idempotency-Replayed"), STR_LIT("true")};
    for (const struct json *f = fields == NULL ? NULL : fields->first; f != NULL; f = f->next) {
        headers[n++] = (struct http_header){f->name, f->string};
    }
    api_reply(x->c, (int)status, headers, n, &b);
}

static void look_up(struct replay *x);

static void on_found(struct engine_seek *s)
{
    struct replay *x = s->ctx;
    struct engine_part *p = &x->parts[x->at];
    int64_t start = 0, end = 0;
    /* A topic that is gone has no offsets any more. Nor can they be told when what lay behind them
     * is deleted: the first that is above the position is then only the first that there is. */
    const bool known =
        s->err == ERR_OK &&
        engine_bounds(x->c->api->services.engine, s->topic, s->partition, &start, &end) == ERR_OK &&
        s->offset > start;
    p->base_offset = known ? s->offset - (int64_t)p->count : -1;
    x->at++;
    if (x->within) {
        x->again = true;
    } else {
        look_up(x);
    }
}

static void look_up(struct replay *x)
{
    do {
        x->again = false;
        if (x->at == x->part_count) {
            reply(x);
            return;
        }
        x->seek = (struct engine_seek){.topic = x->parts[x->at].topic,
                                       .partition = x->parts[x->at].partition,
                                       .by = ENGINE_SEEK_POSITION,
                                       .position = x->position,
                                       .done = on_found,
                                       .ctx = x};
        x->within = true;
        engine_seek(x->c->api->services.engine, &x->seek);
        x->within = false;
    } while (x->again);
}

void idempotency_replay(struct api_call *c, const struct idempotency_entry *e)
{
    struct ectx ec = {0};
    struct replay *x = arena_new(c->arena, struct replay);
    /* The entry may expire meanwhile. */
    const struct str value = arena_str(c->arena, e->value);
    enum err err = ERR_NO_MEMORY;
    if (x != NULL && !str_is_null(value)) {
        *x = (struct replay){.c = c, .position = e->position};
        err = json_parse(value, NULL, c->arena, &x->kept, &ec);
    }
    if (err == ERR_OK) {
        const struct json *parts = json_get(x->kept, "parts");
        const size_t count = parts == NULL ? 0 : parts->count;
        x->parts = arena_new_n(c->arena, struct engine_part, count + 1);
        err = x->parts == NULL ? ERR_NO_MEMORY : ERR_OK;
        for (const struct json *p = parts == NULL ? NULL : parts->first; p != NULL && err == ERR_OK;
             p = p->next) {
            int64_t partition = 0, records = 0;
            const struct json *topic = json_get(p, "topic");
            if (topic == NULL || !json_i64(json_get(p, "partition"), &partition) ||
                !json_i64(json_get(p, "count"), &records)) {
                err = ectx_fail(&ec, ERR_DAMAGED, "the kept answer is not one of this version");
                break;
            }
            x->parts[x->part_count++] = (struct engine_part){
                .topic = topic->string, .partition = (int32_t)partition, .count = (size_t)records};
        }
    }
    if (err != ERR_OK) {
        api_fail(c, err, &ec);
        return;
    }
    look_up(x);
}
