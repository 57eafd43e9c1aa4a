/* Headers: which version of them belongs to which request, and what a server does with odd ones. */
#include <string.h>

#include "core/bytes.h"
#include "unit/test.h"
#include "wire/frame.h"
#include "wire/gen/all.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static enum err head_of(const uint8_t *p, size_t n, struct wire_request_head *head, size_t *left)
{
    struct arena arena;
    arena_init(&arena, 4096);
    struct slice in = slice_of(p, n);
    enum err e = wire_request_head(&in, &arena, head, NULL);
    *left = slice_left(&in);
    arena_deinit(&arena);
    return e;
}

TEST(frame_request_header_v1_and_v2)
{
    struct wire_request_head h;
    size_t left;
    /* Metadata v8 is the last with header v1, v9 the first with v2 */
    assert_int_equal(head_of(BYTES(0, 3, 0, 8, 0, 0, 0, 7, 0, 1, 'c', 99), &h, &left), ERR_OK);
    assert_int_equal(left, 1);
    assert_int_equal(h.key, 3);
    assert_int_equal(h.version, 8);
    assert_int_equal(h.correlation_id, 7);
    assert_true(str_eq_z(h.client_id, "c"));
    assert_true(h.supported);
    assert_int_equal(head_of(BYTES(0, 3, 0, 9, 0, 0, 0, 7, 0, 1, 'c', 0, 99), &h, &left), ERR_OK);
    assert_int_equal(left, 1);
    /* tags of the header are skipped */
    assert_int_equal(head_of(BYTES(0, 3, 0, 9, 0, 0, 0, 7, 0, 0, 1, 5, 2, 1, 2, 99), &h, &left),
                     ERR_OK);
    assert_int_equal(left, 1);
}

TEST(frame_null_client_id_is_empty)
{
    struct wire_request_head h;
    size_t left;
    assert_int_equal(head_of(BYTES(0, 3, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 0), &h, &left), ERR_OK);
    assert_non_null(h.client_id.p);
    assert_int_equal(h.client_id.n, 0);
    assert_int_equal(left, 0);
}

TEST(frame_unknown_keys_and_versions_are_told_apart)
{
    struct wire_request_head h;
    size_t left;
    assert_int_equal(head_of(BYTES(0x12, 0x34, 0, 1, 0, 0, 0, 7, 1, 2, 3), &h, &left), ERR_OK);
    assert_null(h.api);
    assert_false(h.supported);
    assert_int_equal(h.key, 0x1234);
    assert_int_equal(h.correlation_id, 7);
    /* ApiVersions of a newer client: the header can still be read */
    assert_int_equal(head_of(BYTES(0, 18, 0, 9, 0, 0, 0, 7, 0, 1, 'c', 0, 1), &h, &left), ERR_OK);
    assert_ptr_equal(h.api, wire_api_find(WIRE_API_VERSIONS));
    assert_false(h.supported);
    /* Produce 2 is advertised, not served */
    assert_int_equal(head_of(BYTES(0, 0, 0, 2, 0, 0, 0, 7, 0, 0), &h, &left), ERR_OK);
    assert_false(h.supported);
    assert_int_equal(head_of(BYTES(0, 0, 0, 3, 0, 0, 0, 7, 0, 0), &h, &left), ERR_OK);
    assert_true(h.supported);
    assert_int_equal(head_of(BYTES(0, 0, 0xff, 0xff, 0, 0, 0, 7, 0, 0), &h, &left), ERR_OK);
    assert_false(h.supported);
}

TEST(frame_header_cut_at_every_byte)
{
    const uint8_t whole[] = {0, 3, 0, 9, 0, 0, 0, 7, 0, 1, 'c', 1, 5, 1, 0};
    struct wire_request_head h;
    size_t left;
    for (size_t n = 0; n < sizeof(whole); n++) {
        assert_int_equal(head_of(whole, n, &h, &left), ERR_TRUNCATED);
    }
    assert_int_equal(head_of(whole, sizeof(whole), &h, &left), ERR_OK);
}

TEST(frame_response_header_is_v0_for_api_versions_always)
{
    for (size_t i = 0; i < wire_api_count(); i++) {
        const struct wire_api *api = wire_api_at(i);
        for (int16_t v = api->served_min; v <= api->max; v++) {
            bool flexible = v >= api->flexible_since;
            assert_int_equal(wire_request_header_version(api, v), flexible ? 2 : 1);
            assert_int_equal(wire_response_header_version(api, v),
                             flexible && api->key != WIRE_API_VERSIONS ? 1 : 0);
        }
    }
}

TEST(frame_response_has_size_header_and_body)
{
    struct buf out;
    struct arena arena;
    buf_init(&out, 4096);
    arena_init(&arena, 4096);
    struct wire_heartbeat_response r;
    wire_init(&wire_heartbeat_response_type, &r);
    r.error_code = 27;
    const struct wire_api *api = wire_api_find(WIRE_HEARTBEAT);
    assert_int_equal(wire_response_put(&out, NULL, api, 4, 258, &r, NULL), ERR_OK);
    const uint8_t want[] = {0, 0, 0, 12, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 27, 0};
    assert_int_equal(out.n, sizeof(want));
    assert_memory_equal(out.p, want, sizeof(want));
    struct slice in = slice_of(out.p + 4, out.n - 4);
    int32_t correlation_id = 0;
    assert_int_equal(wire_response_head(&in, &arena, api, 4, &correlation_id, NULL), ERR_OK);
    assert_int_equal(correlation_id, 258);
    assert_int_equal(slice_left(&in), 7);
    assert_int_equal(wire_response_put(&out, NULL, api, 5, 1, &r, NULL), ERR_UNSUPPORTED_VERSION);
    assert_int_equal(out.n, sizeof(want));
    buf_deinit(&out);
    arena_deinit(&arena);
}

TEST(frame_size_counts_what_was_spliced)
{
    struct buf out;
    struct arena arena;
    buf_init(&out, 4096);
    arena_init(&arena, 1 << 16);
    struct wire_splices sp = {.arena = &arena};
    struct wire_chunk chunk = {STR_LIT("0123456789")};
    struct wire_fetch_response r;
    wire_init(&wire_fetch_response_type, &r);
    r.responses = WIRE_NEW_N(&arena, wire_fetch_response_topic, 1);
    r.responses_count = 1;
    r.responses->partitions = WIRE_NEW_N(&arena, wire_fetch_response_partition, 2);
    r.responses->partitions_count = 2;
    for (int i = 0; i < 2; i++) {
        r.responses->partitions[i].records.chunks = &chunk;
        r.responses->partitions[i].records.chunk_count = 1;
    }
    const struct wire_api *api = wire_api_find(WIRE_FETCH);
    assert_int_equal(wire_response_put(&out, &sp, api, 16, 1, &r, NULL), ERR_OK);
    assert_int_equal(sp.count, 2);
    assert_int_equal(get_be32(out.p), out.n - 4 + 20);
    assert_true(sp.items[0].at < sp.items[1].at && sp.items[1].at < out.n);
    buf_deinit(&out);
    arena_deinit(&arena);
}

TEST(frame_request_of_a_client_is_read_by_the_server)
{
    struct buf out;
    buf_init(&out, 4096);
    struct wire_find_coordinator_request r;
    struct wire_request_head h;
    size_t left;
    wire_init(&wire_find_coordinator_request_type, &r);
    r.key = STR_LIT("g");
    const struct wire_api *api = wire_api_find(WIRE_FIND_COORDINATOR);
    assert_int_equal(wire_request_put(&out, NULL, api, 3, 5, STR_LIT("me"), &r, NULL), ERR_OK);
    assert_int_equal(get_be32(out.p), out.n - 4);
    assert_int_equal(head_of(out.p + 4, out.n - 4, &h, &left), ERR_OK);
    assert_ptr_equal(h.api, api);
    assert_true(h.supported);
    assert_int_equal(left, 4);
    struct buf small;
    buf_init(&small, 10);
    assert_int_equal(wire_request_put(&small, NULL, api, 3, 5, STR_LIT("me"), &r, NULL), ERR_LIMIT);
    assert_int_equal(small.n, 0);
    assert_false(buf_failed(&small));
    buf_deinit(&small);
    buf_deinit(&out);
}
