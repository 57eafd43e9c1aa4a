/*
 * Parked keys: events that could not be applied, and what came after them with the same key, in
 * order, in a table of the target. The set of keys is in memory too, so that an event of a key that
 * is not parked costs one look.
 *
 * The event is kept whole (key, value, headers, time), because a topic with retention may have
 * dropped it before somebody looks.
 */
#include <string.h>

#include "core/base64.h"
#include "core/compiler.h"
#include "core/mem.h"
#include "core/utf8.h"
#include "proj/apply_int.h"

#define RECORD_TEXT_MAX (150u << 20) /* bytes of the largest record */
#define DATA_SHOWN_MAX  8192u        /* of the event's data, for a person who looks at the table */

/* ---- The set in memory */

static struct str set_key(struct arena *a, struct str shard, struct str key)
{
    return arena_printf(a, "%.*s\n%.*s", STR(shard), STR(key));
}

bool park_has(const struct apply *a, struct str shard, struct str key)
{
    if (a->parked.count == 0) {
        return false;
    }
    char text[512 + APPLY_KEY_MAX];
    size_t n = shard.n + 1 + key.n;
    if (n > sizeof(text)) {
        return false; /* longer ones are never put in: names and keys are bounded */
    }
    memcpy(text, shard.p, shard.n);
    text[shard.n] = '\n';
    if (key.n > 0) {
        memcpy(text + shard.n + 1, key.p, key.n);
    }
    return map_get(&a->parked, str_make(text, n)) != NULL;
}

MUST_USE bool park_count(struct apply *a, struct str shard, struct str key, int64_t by)
{
    struct str k = set_key(&a->batch_arena, shard, key);
    if (str_is_null(k)) {
        return false;
    }
    int64_t count = (int64_t)(intptr_t)map_get(&a->parked, k) + by;
    a->parked_count = (uint64_t)((int64_t)a->parked_count + by);
    if (count <= 0) {
        (void)map_remove(&a->parked, k);
        return true;
    }
    return map_put(&a->parked, k, (void *)(intptr_t)count);
}

void park_clear(struct apply *a)
{
    map_deinit(&a->parked);
    map_init(&a->parked);
    a->parked_count = 0;
}

struct loading {
    struct apply *a;
    struct str shard;
    bool failed;
};
static bool take_key(void *ctx, const struct mapping_value *values, size_t count)
{
    struct loading *l = ctx;
    (void)count;
    l->failed = !park_count(l->a, l->shard, values[0].text, values[1].integer);
    return !l->failed;
}

static enum err load_shard(struct apply *a, struct str shard, struct ectx *ec)
{
    struct loading l = {.a = a, .shard = shard};
    const struct mapping_value params[] = {apply_name(a), apply_version(a), apply_text(shard)};
    enum err e =
        a->driver->query(a->meta[META_PARKED_KEYS], params, ARRAY_LEN(params), take_key, &l, ec);
    return e == ERR_OK && l.failed ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory for parked keys")
                                   : e;
}

/* What is known of it goes. */
static void forget_shard(struct apply *a, struct str shard)
{
    struct map_iter it = {0};
    while (map_next(&a->parked, &it)) {
        struct str key;
        if (str_eq(str_cut(it.key, '\n', &key), shard)) {
            a->parked_count -= (uint64_t)(intptr_t)it.value;
            (void)map_remove(&a->parked, it.key);
        }
    }
}

MUST_USE enum err park_load_claimed(struct apply *a, struct str shard, bool again, struct ectx *ec)
{
    if (a->parked_stale) {
        return park_load(a, ec);
    }
    if (again) {
        forget_shard(a, shard);
    }
    enum err e = load_shard(a, shard, ec);
    a->parked_stale = e != ERR_OK;
    return e;
}

MUST_USE enum err park_load(struct apply *a, struct ectx *ec)
{
    park_clear(a);
    for (size_t i = 0; i < a->shard_count; i++) {
        enum err e = load_shard(a, str_of(a->shards[i].name), ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    a->parked_stale = false;
    return ERR_OK;
}

/* ---- A record as text */

struct str park_encode(const struct record *r, uint64_t position, struct arena *a)
{
    struct buf b;
    buf_init(&b, RECORD_TEXT_MAX);
    buf_put_u8(&b, 1); /* version of this form */
    buf_put_le64(&b, (uint64_t)r->offset);
    buf_put_le64(&b, (uint64_t)r->timestamp);
    buf_put_le64(&b, position);
    buf_put_lstr(&b, r->key);
    buf_put_lstr(&b, r->value);
    buf_put_le32(&b, (uint32_t)r->header_count);
    buf_put_lstr(&b, str_make(r->headers.p, slice_left(&r->headers)));
    buf_put_le32(&b, (uint32_t)r->offset_delta); /* what was parked earlier ends before it */
    buf_put_u8(&b, r->attributes);               /* or before this */
    struct str text = buf_failed(&b) ? STR_NULL : base64url_encode(buf_str(&b), a);
    buf_deinit(&b);
    return text;
}

bool park_decode(struct str text, struct arena *a, struct record *out, uint64_t *position)
{
    struct str bytes;
    if (!base64url_decode(text, a, &bytes)) {
        return false;
    }
    struct slice s = slice_of(bytes.p, bytes.n);
    struct record r = {0};
    struct str headers;
    uint8_t version = 0;
    uint64_t offset = 0;
    uint64_t timestamp = 0;
    uint32_t header_count = 0;
    if (!slice_u8(&s, &version) || version != 1 || !slice_le64(&s, &offset) ||
        !slice_le64(&s, &timestamp) || !slice_le64(&s, position) || !slice_lstr(&s, &r.key) ||
        !slice_lstr(&s, &r.value) || !slice_le32(&s, &header_count) || !slice_lstr(&s, &headers)) {
        return false;
    }
    uint32_t index = 0;
    if (slice_left(&s) > 0 && !slice_le32(&s, &index)) {
        return false;
    }
    if (slice_left(&s) > 0 && !slice_u8(&s, &r.attributes)) {
        return false;
    }
    r.offset = (int64_t)offset;
    r.offset_delta = (int32_t)index;
    r.timestamp = (int64_t)timestamp;
    r.header_count = (int32_t)header_count;
    r.headers = slice_of(headers.p, headers.n);
    *out = r;
    return true;
}

/* ---- Parking */

/* What a text column can hold: valid UTF-8 without NUL. */
static struct mapping_value shown(struct str s, size_t max)
{
    struct str cut = s.n > max ? STR_NULL : s;
    return str_is_null(cut) || !utf8_valid(cut) || memchr(cut.p, 0, cut.n) != NULL
               ? (struct mapping_value){.kind = MAPPING_NULL}
               : apply_text(cut);
}

MUST_USE enum err park_event(struct apply *a, const struct apply_event *e, const char *reason,
                             struct ectx *ec)
{
    struct arena text; /* its own: a transaction may park far more than it has memory for */
    arena_init(&text, 2u * RECORD_TEXT_MAX);
    struct str record = park_encode(e->record, e->position, &text);
    if (str_is_null(record)) {
        arena_deinit(&text);
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for a parked event");
    }
    struct str why = str_of(reason);
    const struct mapping_value params[] = {
        apply_name(a),
        apply_version(a),
        apply_text(e->shard),
        apply_int(e->record->offset),
        apply_text(e->key),
        shown(e->envelope.id, ENVELOPE_ID_MAX),
        shown(e->envelope.type, ENVELOPE_TYPE_MAX),
        apply_text(utf8_valid(why) ? why : STR_LIT("(not UTF-8)")),
        shown(e->data_text, DATA_SHOWN_MAX),
        apply_text(record),
        apply_int(a->now_ms)};
    enum err err = apply_meta(a, META_PARK, params, ARRAY_LEN(params), NULL, ec);
    arena_deinit(&text);
    if (err == ERR_OK && !park_count(a, e->shard, e->key, 1)) {
        err = ectx_fail(ec, ERR_NO_MEMORY, "out of memory for parked keys");
    }
    return err;
}
