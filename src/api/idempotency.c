/* The table of keys: who enters, what is kept, what is let go. */
#include "api/idempotency.h"

#include <string.h>

#include "api/idempotency_int.h"
#include "core/log.h"
#include "core/mem.h"

/* What a request needs in the table before its answer is known, for the limit. */
#define ENTRY_RESERVE 4096u

MUST_USE enum err idempotency_create(struct api *a, struct api_idempotency **out)
{
    struct api_idempotency *i = mem_new(struct api_idempotency);
    if (i == NULL) {
        return ERR_NO_MEMORY;
    }
    i->api = a;
    i->max_bytes = (size_t)config_i64(a->services.config, NULL, "leat.idempotency.max.bytes");
    map_init(&i->keys);
    list_init(&i->by_age);
    arena_init(&i->arena, 4u << 20);
    arena_init(&i->batches, 4u << 20);
    *out = i;
    return ERR_OK;
}

size_t idempotency_cost(const struct idempotency_entry *e)
{
    return sizeof(*e) + 2 * e->key.n + (str_is_null(e->value) ? ENTRY_RESERVE : e->value.n);
}

static void entry_free(struct idempotency_entry *e)
{
    mem_free((void *)(uintptr_t)e->key.p);
    mem_free((void *)(uintptr_t)e->value.p);
    mem_free(e);
}

void idempotency_destroy(struct api_idempotency *i)
{
    if (i == NULL) {
        return;
    }
    struct map_iter it = {0};
    while (map_next(&i->keys, &it)) {
        entry_free(it.value);
    }
    map_deinit(&i->keys);
    arena_deinit(&i->arena);
    arena_deinit(&i->batches);
    mem_free(i);
}

void idempotency_remove(struct api_idempotency *i, struct idempotency_entry *e)
{
    i->bytes -= idempotency_cost(e);
    list_remove(&e->link);
    map_remove(&i->keys, e->key);
    entry_free(e);
}

struct idempotency_entry *idempotency_add(struct api_idempotency *i, struct str key)
{
    struct idempotency_entry *e = mem_new(struct idempotency_entry);
    if (e == NULL) {
        return NULL;
    }
    list_init(&e->link);
    e->running = true;
    e->key = str_make(str_dup_z(key), key.n);
    if (str_is_null(e->key) || !map_put(&i->keys, e->key, e)) {
        entry_free(e);
        return NULL;
    }
    i->bytes += idempotency_cost(e);
    return e;
}

static int64_t now_ms(const struct api_idempotency *i)
{
    return env_wall_ms(i->api->services.env);
}

void idempotency_tick(struct api_idempotency *i)
{
    const int64_t now = now_ms(i);
    while (!list_empty(&i->by_age)) {
        struct idempotency_entry *e = CONTAINER_OF(i->by_age.next, struct idempotency_entry, link);
        if (e->expires_ms > now) {
            break;
        }
        idempotency_remove(i, e);
    }
}

void idempotency_ready(struct api_idempotency *i)
{
    i->state = IDEMPOTENCY_READY;
    LOG_INFO("idempotency.loaded", KV_U64("keys", i->keys.count), KV_U64("bytes", i->bytes));
}

bool idempotency_is_ready(const struct api_idempotency *i)
{
    return i->state == IDEMPOTENCY_READY;
}

/* ---- Entering ----------------------------------------------------------------------------------
 */

static bool answer(struct api_call *c, const char *code, const char *text)
{
    struct ectx ec = {0};
    IGNORE(ectx_fail(&ec, ERR_INVALID_REQUEST, "%s", text));
    api_problem(c, code, &ec, STR_NULL);
    return false;
}

static bool refuse_full(struct api_call *c)
{
    return answer(c, "idempotency-full", IDEMPOTENCY_FULL);
}

static bool check_key(struct api_call *c, struct str key)
{
    bool ok = key.n > 0 && key.n <= IDEMPOTENCY_KEY_MAX;
    for (size_t i = 0; i < key.n && ok; i++) {
        ok = key.p[i] > 0x20 && key.p[i] < 0x7f;
    }
    return ok || answer(c, "invalid-request",
                        "Idempotency-Key: must be 1 to 255 printable ASCII characters");
}

static bool check_state(struct api_call *c)
{
    const struct api_idempotency *i = c->api->idempotency;
    if (i == NULL || i->stopped) {
        return answer(c, "unavailable", "the server does not keep Idempotency-Keys now");
    }
    if (i->state == IDEMPOTENCY_READY) {
        return true;
    }
    if (i->state == IDEMPOTENCY_FAILED) {
        api_problem(c, "unavailable", &i->failure, STR_NULL);
        return false;
    }
    return answer(c, "unavailable", "the Idempotency-Keys are still being read after the start");
}

bool idempotency_enter(struct api_call *c)
{
    const struct str key = str_trim(http_header_get(c->request, "Idempotency-Key"));
    struct api_idempotency *i = c->api->idempotency;
    char print[IDEMPOTENCY_PRINT];
    if (str_is_null(key) || !str_eq_z(c->request->method, "POST")) {
        return true; /* other methods are idempotent as they are */
    }
    if ((c->route->flags & API_IDEMPOTENT) == 0) {
        return answer(c, "idempotency-not-possible",
                      "Idempotency-Key is not honoured here: leave it out");
    }
    if (!check_key(c, key) || !check_state(c)) {
        return false;
    }
    idempotency_print(c, print);
    struct idempotency_entry *e = map_get(&i->keys, key);
    if (e != NULL && e->expires_ms <= now_ms(i) && !e->running) {
        idempotency_remove(i, e);
        e = NULL;
    }
    if (e != NULL && !idempotency_same(e->print, print)) {
        return answer(c, "idempotency-mismatch",
                      "this Idempotency-Key was given with another method, path, query, condition, "
                      "body, type of the body or CloudEvents header (ce-id, ce-type, ...)");
    }
    if (e != NULL && e->running) {
        return answer(c, "idempotency-in-progress",
                      "the first request with this Idempotency-Key is on its way");
    }
    if (e != NULL) {
        idempotency_replay(c, e);
        return false;
    }
    if (i->bytes + ENTRY_RESERVE > i->max_bytes) {
        return refuse_full(c);
    }
    e = idempotency_add(i, key);
    if (e == NULL) {
        return answer(c, "no-memory", "out of memory for an Idempotency-Key");
    }
    memcpy(e->print, print, sizeof(print));
    c->idempotency = e;
    return true;
}

/* ---- Keeping -----------------------------------------------------------------------------------
 */

static void put_record(struct buf *b, const struct idempotency_entry *e,
                       const struct http_head *head, struct str body,
                       const struct engine_part *parts, size_t part_count)
{
    struct json_writer w;
    json_write_init(&w, b);
    json_write_begin(&w, '{');
    json_write_member_i64(&w, "v", 1);
    json_write_member_str(&w, "print", str_of(e->print));
    json_write_member_i64(&w, "status", head->status);
    json_write_name(&w, "headers");
    json_write_begin(&w, '{');
    for (size_t i = 0; i < head->header_count; i++) {
        json_write_name_str(&w, head->headers[i].name);
        json_write_str(&w, head->headers[i].value);
    }
    json_write_end(&w, '}');
    json_write_name(&w, "parts");
    json_write_begin(&w, '[');
    for (size_t i = 0; i < part_count; i++) {
        json_write_begin(&w, '{');
        json_write_member_str(&w, "topic", parts[i].topic);
        json_write_member_i64(&w, "partition", parts[i].partition);
        json_write_member_i64(&w, "count", (int64_t)parts[i].count);
        json_write_end(&w, '}');
    }
    json_write_end(&w, ']');
    json_write_member_str(&w, "body", body);
    json_write_end(&w, '}');
}

/* The entry's value from now on, and counted as such. False: over the limit, nothing is changed. */
static bool take_value(struct api_idempotency *i, struct idempotency_entry *e, struct str value)
{
    const size_t others = i->bytes - idempotency_cost(e);
    struct idempotency_entry with = *e;
    with.value = value;
    if (others + idempotency_cost(&with) > i->max_bytes) {
        return false;
    }
    mem_free((void *)(uintptr_t)e->value.p);
    e->value = value;
    i->bytes = others + idempotency_cost(e);
    return true;
}

MUST_USE enum err idempotency_make(struct api_call *c, const struct http_head *head,
                                   struct str body, const struct engine_part *parts,
                                   size_t part_count, struct engine_part *out)
{
    struct idempotency_entry *e = c->idempotency;
    struct buf b;
    buf_init(&b, IDEMPOTENCY_ANSWER_MAX);
    put_record(&b, e, head, body, parts, part_count);
    struct engine_record *r = arena_new(c->arena, struct engine_record);
    if (buf_failed(&b) || r == NULL) {
        const bool large = r != NULL && 2 * body.n > IDEMPOTENCY_ANSWER_MAX / 2;
        buf_deinit(&b);
        return large ? ERR_LIMIT : ERR_NO_MEMORY;
    }
    if (!take_value(c->api->idempotency, e, buf_str(&b))) {
        buf_deinit(&b);
        return ERR_BUSY;
    } /* its memory is the entry's now */
    *r = (struct engine_record){.key = e->key, .value = e->value, .timestamp_ms = -1};
    *out = (struct engine_part){.topic = STR_LIT(IDEMPOTENCY_TOPIC), .records = r, .count = 1};
    return ERR_OK;
}

bool idempotency_part(struct api_call *c, const struct http_head *head, struct str body,
                      const struct engine_part *parts, size_t part_count, struct engine_part *out,
                      bool *has)
{
    *has = c->idempotency != NULL;
    if (!*has) {
        return true;
    }
    switch ((int)idempotency_make(c, head, body, parts, part_count, out)) {
    case ERR_OK:
        return true;
    case ERR_LIMIT:
        return answer(c, "too-large",
                      "the answer is too large to be kept under an Idempotency-Key");
    case ERR_BUSY:
        return refuse_full(c);
    default:
        return answer(c, "no-memory", "out of memory for an Idempotency-Key");
    }
}

void idempotency_done(struct api_call *c, uint64_t position)
{
    struct idempotency_entry *e = c->idempotency;
    if (e != NULL) {
        e->position = position;
    }
}

struct keeping {
    struct api_call *c;
    struct http_head head;
    struct buf body;
    struct engine_part part;
    struct engine_append append;
};

static void on_kept(struct engine_append *ap)
{
    struct keeping *k = ap->ctx;
    if (ap->err != ERR_OK) {
        buf_deinit(&k->body);
        api_fail(k->c, ap->err, &ap->ec);
        return;
    }
    idempotency_done(k->c, ap->position);
    api_reply(k->c, k->head.status, k->head.headers, k->head.header_count, &k->body);
}

/* The headers' texts are the caller's. */
static bool copy_headers(struct keeping *k, const struct http_head *head)
{
    struct arena *a = k->c->arena;
    struct http_header *to = arena_new_n(a, struct http_header, head->header_count + 1);
    for (size_t i = 0; to != NULL && i < head->header_count; i++) {
        to[i].name = arena_str(a, head->headers[i].name);
        to[i].value = arena_str(a, head->headers[i].value);
        if (str_is_null(to[i].name) || str_is_null(to[i].value)) {
            return false;
        }
    }
    k->head = *head;
    k->head.headers = to;
    return to != NULL;
}

void idempotency_keep(struct api_call *c, const struct http_head *head, struct buf *body)
{
    if (c->idempotency == NULL || buf_failed(body)) {
        api_reply(c, head->status, head->headers, head->header_count, body);
        return;
    }
    struct keeping *k = arena_new(c->arena, struct keeping);
    bool has = false;
    if (k != NULL) {
        k->c = c;
    }
    if (k == NULL || !copy_headers(k, head)) {
        buf_deinit(body);
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    if (!idempotency_part(c, head, buf_str(body), NULL, 0, &k->part, &has)) {
        buf_deinit(body);
        return;
    }
    k->body = *body;
    k->append =
        (struct engine_append){.parts = &k->part, .part_count = 1, .done = on_kept, .ctx = k};
    engine_append(c->api->services.engine, &k->append);
}

void idempotency_leave(struct api_call *c)
{
    struct api_idempotency *i = c->api->idempotency;
    struct idempotency_entry *e = c->idempotency;
    if (e == NULL) {
        return;
    }
    if (str_is_null(e->value) || e->position == 0) {
        c->idempotency = NULL;
        idempotency_remove(i, e); /* nothing was appended */
        return;
    }
    c->idempotency = NULL;
    e->running = false;
    e->expires_ms = now_ms(i) + IDEMPOTENCY_KEEP_MS;
    list_push_back(&i->by_age, &e->link);
}
