/* A server fills in its answer for the newest version; older ones carry what they can. */
#include "test.h"
#include "wire/gen/list_offsets.h"

TEST(wire_a_response_leaves_out_what_an_old_version_cannot_carry)
{
    /* ListOffsets v2 has no leader epoch: the answer is sent without it, a request would be
     * refused. */
    struct wire_list_offsets_response_partition p;
    struct wire_list_offsets_response_topic t;
    struct wire_list_offsets_response res;
    struct buf strict;
    struct buf lenient;
    struct ectx ec = {0};
    WIRE_INIT(wire_list_offsets_response_partition, &p);
    WIRE_INIT(wire_list_offsets_response_topic, &t);
    WIRE_INIT(wire_list_offsets_response, &res);
    p.leader_epoch = 3;
    t.partitions = &p;
    t.partitions_count = 1;
    res.topics = &t;
    res.topics_count = 1;
    buf_init(&strict, 1000);
    buf_init(&lenient, 1000);
    assert_int_equal(wire_encode(&wire_list_offsets_response_type, 2, &res, &strict, NULL, &ec),
                     ERR_UNSUPPORTED_VERSION);
    assert_int_equal(
        wire_encode_response(&wire_list_offsets_response_type, 2, &res, &lenient, NULL, &ec),
        ERR_OK);
    p.leader_epoch = -1;
    assert_int_equal(wire_encode(&wire_list_offsets_response_type, 2, &res, &strict, NULL, &ec),
                     ERR_OK);
    assert_true(str_eq(buf_str(&strict), buf_str(&lenient)));
    buf_deinit(&strict);
    buf_deinit(&lenient);
}
