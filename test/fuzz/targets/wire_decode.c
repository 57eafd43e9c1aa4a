/*
 * Any bytes as any message. Input: byte 0 chooses the message, byte 1 the version, the rest is the
 * message (message 255 is a whole request with its header).
 *
 * Beyond "no crash, no leak": what decodes must encode, into bytes that decode again and encode to
 * the same bytes; the arena must never pass its budget; a dump must keep its limit.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/common.h"
#include "wire/frame.h"
#include "wire/gen/all.h"

#define BUDGET (1u << 20)

static const struct wire_message *choose(uint8_t byte)
{
    static const struct wire_message *const others[] = {
        &wire_request_header_type,
        &wire_response_header_type,
        &wire_consumer_protocol_subscription_type,
        &wire_consumer_protocol_assignment_type,
    };
    size_t apis = 2 * wire_api_count();
    size_t i = byte % (apis + ARRAY_LEN(others));
    if (i >= apis) {
        return others[i - apis];
    }
    const struct wire_api *api = wire_api_at(i / 2);
    return i % 2 == 0 ? api->request : api->response;
}

static void round_trip(const struct wire_message *m, int16_t version, const struct slice *input)
{
    struct arena arena;
    struct buf first, second, text;
    struct ectx ec = {0};
    arena_init(&arena, BUDGET);
    buf_init(&first, 4 * BUDGET);
    buf_init(&second, 4 * BUDGET);
    buf_init(&text, BUDGET);
    void *message = malloc(m->size);
    void *again = malloc(m->size);
    CHECK(message != NULL && again != NULL);
    struct slice in = *input;
    enum err e = wire_decode(m, version, &in, &arena, message, &ec);
    CHECK(arena.used <= BUDGET);
    if (e == ERR_OK) {
        CHECK(in.p >= input->p && in.p <= in.end);
        CHECK(wire_encode(m, version, message, &first, NULL, &ec) == ERR_OK);
        struct slice back = slice_of(first.p, first.n);
        /* Elements may be larger in memory than on the wire: the second copy may not fit the
         * budget. */
        e = wire_decode(m, version, &back, &arena, again, &ec);
        CHECK(e == ERR_OK || e == ERR_LIMIT);
        if (e == ERR_OK) {
            CHECK(slice_left(&back) == 0);
            CHECK(wire_encode(m, version, again, &second, NULL, &ec) == ERR_OK);
            CHECK(first.n == second.n && (first.n == 0 || memcmp(first.p, second.p, first.n) == 0));
        }
        wire_dump(m, version, message, &text, 1000);
        CHECK(!buf_failed(&text) && text.n <= 1003);
    } else {
        CHECK(ec.code == e && ec.text[0] != '\0');
    }
    free(message);
    free(again);
    buf_deinit(&first);
    buf_deinit(&second);
    buf_deinit(&text);
    arena_deinit(&arena);
}

static void whole_request(struct slice *in)
{
    struct arena arena;
    arena_init(&arena, BUDGET);
    struct wire_request_head head;
    if (wire_request_head(in, &arena, &head, NULL) == ERR_OK && head.supported) {
        round_trip(head.api->request, head.version, in);
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct slice in = slice_of(data + 2, size - 2);
    if (data[0] == 255) {
        whole_request(&in);
        return 0;
    }
    const struct wire_message *m = choose(data[0]);
    round_trip(m, (int16_t)(m->min + data[1] % (m->max - m->min + 1)), &in);
    return 0;
}

/* By the tables: a message that is legal, or one value of what is there changed. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
    struct fuzz_source s = fuzz_source_seed(seed);
    uint32_t how = fuzz_below(&s, 4);
    if (how == 0 || max < 2 || (size >= 2 && data[0] == 255)) {
        return LLVMFuzzerMutate(data, size, max);
    }
    if (how == 1 || size < 2) {
        data[0] = (uint8_t)fuzz_below(&s, 255);
        data[1] = fuzz_u8(&s);
    }
    const struct wire_message *m = choose(data[0]);
    int16_t version = (int16_t)(m->min + data[1] % (m->max - m->min + 1));
    size_t n = how == 1 || size < 2
                   ? fuzz_wire_make_bytes(m, version, &s, data + 2, max - 2)
                   : fuzz_wire_change_bytes(m, version, &s, data + 2, size - 2, max - 2);
    return n > 0 || size < 2 ? n + 2 : LLVMFuzzerMutate(data, size, max);
}
