/*
 * Every message of every API in every version, filled from a seed by walking its table: it must
 * come back as it was, cut anywhere it must be refused, and damaged anywhere it must not do harm
 * (that is what AddressSanitizer watches; every input lies in memory of exactly its size).
 */
#include <stdlib.h>
#include <string.h>

#include "unit/test.h"
#include "wire/gen/all.h"
#include "wire/walk.h"

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void fill(const struct wire_message *m, int16_t version, void *at, struct arena *a,
                 uint64_t *seed);

static void fill_value(const struct wire_field *f, int16_t version, void *at, struct arena *a,
                       uint64_t *seed, bool nullable)
{
    static const char text[] = "the text of a field, some of which is used";
    uint64_t r = next(seed);
    bool null = nullable && r % 4 == 0;
    switch ((enum wire_type)f->type) {
    case WIRE_BOOL:
        *(bool *)at = r % 2 == 0;
        return;
    case WIRE_STRING:
    case WIRE_BYTES:
        *(struct str *)at = null ? STR_NULL : str_make(text, r / 8 % sizeof(text));
        return;
    case WIRE_RECORDS:
        *(struct wire_records *)at =
            (struct wire_records){(const uint8_t *)text, null ? -1 : (int64_t)(r % 40), NULL, 0};
        return;
    case WIRE_STRUCT:
        fill(f->message, version, at, a, seed);
        return;
    case WIRE_INT8:
    case WIRE_INT16:
    case WIRE_UINT16:
    case WIRE_INT32:
    case WIRE_UINT32:
    case WIRE_INT64:
    case WIRE_FLOAT64:
        memcpy(at, &r, walk_size(f));
        return;
    case WIRE_UUID:
        memcpy(at, &r, sizeof(r));
        return;
    }
}

static void fill(const struct wire_message *m, int16_t version, void *out, struct arena *a,
                 uint64_t *seed)
{
    wire_init(m, out);
    for (size_t i = 0; i < m->field_count; i++) {
        const struct wire_field *f = &m->fields[i];
        bool nullable = walk_has(f->nullable, version);
        if (!walk_has(f->versions, version)) {
            continue;
        }
        void *at = walk_at(out, f->offset);
        if ((f->flags & WIRE_ARRAY) != 0) {
            int32_t n = (int32_t)(next(seed) % 4) - (nullable ? 1 : 0);
            *(int32_t *)walk_at(out, f->count_offset) = n;
            char *array = n <= 0 ? NULL : arena_array(a, (size_t)n, walk_size(f));
            memcpy(at, &array, sizeof(array));
            for (int32_t j = 0; j < n; j++) {
                fill_value(f, version, array + (size_t)j * walk_size(f), a, seed, false);
            }
        } else if ((f->flags & WIRE_POINTER) != 0) {
            void *p = next(seed) % 2 == 0 ? NULL : arena_alloc(a, f->message->size);
            if (p != NULL) {
                fill(f->message, version, p, a, seed);
            }
            memcpy(at, &p, sizeof(p));
        } else {
            fill_value(f, version, at, a, seed, nullable);
        }
    }
}

/* Decodes a copy that ends where the bytes end. */
static enum err decode_exact(const struct wire_message *m, int16_t version, const uint8_t *p,
                             size_t n, struct arena *a, void *out)
{
    uint8_t *copy = malloc(n == 0 ? 1 : n);
    assert_non_null(copy);
    memcpy(copy, p, n);
    struct slice in = slice_of(copy, n);
    enum err e = wire_decode(m, version, &in, a, out, NULL);
    free(copy);
    arena_reset(a, SIZE_MAX);
    return e;
}

static void check_version(const struct wire_message *m, int16_t version, uint64_t *seed)
{
    struct arena arena;
    struct buf first, second;
    struct ectx ec = {0};
    arena_init(&arena, 1 << 20);
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    void *value = malloc(m->size), *back = malloc(m->size);
    assert_non_null(value);
    assert_non_null(back);
    fill(m, version, value, &arena, seed);
    if (wire_encode(m, version, value, &first, NULL, &ec) != ERR_OK) {
        fail_msg("%s", ec.text);
    }
    struct slice in = slice_of(first.p, first.n);
    if (wire_decode(m, version, &in, &arena, back, &ec) != ERR_OK) {
        fail_msg("%s", ec.text);
    }
    assert_int_equal(slice_left(&in), 0);
    assert_int_equal(wire_encode(m, version, back, &second, NULL, &ec), ERR_OK);
    assert_int_equal(first.n, second.n);
    assert_memory_equal(first.n == 0 ? (const void *)"" : first.p,
                        second.n == 0 ? (const void *)"" : second.p, first.n);
    arena_reset(&arena, SIZE_MAX);
    for (size_t n = 0; n < first.n; n++) {
        if (decode_exact(m, version, first.p, n, &arena, back) == ERR_OK) {
            fail_msg("%s v%d: %zu of %zu bytes were enough", m->name, version, n, first.n);
        }
    }
    for (size_t n = 0; n < first.n; n++) { /* every byte wrong once: any answer, no harm */
        uint8_t was = first.p[n];
        first.p[n] = (uint8_t)next(seed);
        enum err e = decode_exact(m, version, first.p, first.n, &arena, back);
        assert_true(e == ERR_OK || e == ERR_TRUNCATED || e == ERR_MALFORMED || e == ERR_LIMIT);
        first.p[n] = was;
    }
    free(value);
    free(back);
    buf_deinit(&first);
    buf_deinit(&second);
    arena_deinit(&arena);
}

static void check_message(const struct wire_message *m)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    for (int16_t v = m->min; v <= m->max; v++) {
        for (int i = 0; i < 6; i++) {
            check_version(m, v, &seed);
        }
    }
}

TEST(wire_every_message_and_version_comes_back_and_is_refused_when_cut)
{
    for (size_t i = 0; i < wire_api_count(); i++) {
        check_message(wire_api_at(i)->request);
        check_message(wire_api_at(i)->response);
    }
    check_message(&wire_request_header_type);
    check_message(&wire_response_header_type);
    check_message(&wire_consumer_protocol_subscription_type);
    check_message(&wire_consumer_protocol_assignment_type);
}

TEST(wire_api_list_is_complete_and_in_order)
{
    /* clients judge a broker by this list: a wrong minimum turns compression off (Produce) or
     * groups (JoinGroup) */
    assert_int_equal(wire_api_count(), 31);
    for (size_t i = 0; i < wire_api_count(); i++) {
        const struct wire_api *api = wire_api_at(i);
        assert_ptr_equal(wire_api_find(api->key), api);
        assert_true(i == 0 || wire_api_at(i - 1)->key < api->key);
        assert_true(api->min <= api->served_min && api->served_min <= api->max);
        assert_int_equal(api->request->min, api->served_min);
        assert_int_equal(api->response->max, api->max);
        assert_int_equal(api->request->flexible_since, api->flexible_since);
    }
    assert_null(wire_api_at(wire_api_count()));
    assert_null(wire_api_find(-1));
    assert_null(wire_api_find(4));
    assert_null(wire_api_find(INT16_MAX));
    assert_int_equal(wire_api_find(WIRE_PRODUCE)->min, 0);
    assert_int_equal(wire_api_find(WIRE_PRODUCE)->served_min, 3);
    assert_int_equal(wire_api_find(WIRE_JOIN_GROUP)->min, 0);
    assert_int_equal(wire_api_find(WIRE_FETCH)->max, 18);
}
