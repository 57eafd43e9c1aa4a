/* What may be absent: tagged fields, fields of other versions, defaults, nulls; and record chunks.
 */
#include <string.h>

#include "unit/test.h"
#include "wire/gen/describe_topic_partitions.h"
#include "wire/sample.h"
#include "wire/walk.h"

static struct arena arena;
static struct buf out;

static struct sample begin(void)
{
    struct sample s;
    wire_init(&sample_type, &s);
    arena_init(&arena, 1 << 20);
    buf_init(&out, 1 << 20);
    return s;
}

static void end(void)
{
    buf_deinit(&out);
    arena_deinit(&arena);
}

/* The tables with nothing but the tagged fields. */
static struct wire_message only_tagged(void)
{
    struct wire_message m = sample_type;
    while (m.field_count > 0 && m.fields[0].tagged.min > m.fields[0].tagged.max) {
        m.fields++;
        m.field_count--;
    }
    m.field_count = 3;
    return m;
}

TEST(wire_tagged_fields_are_sent_only_if_they_differ_and_in_order)
{
    struct sample s = begin();
    struct wire_message m = only_tagged();
    assert_int_equal(wire_encode(&m, 1, &s, &out, NULL, NULL), ERR_OK);
    assert_int_equal(out.n, 1);
    assert_int_equal(out.p[0], 0);
    buf_clear(&out);
    s.tag_number = 8;
    s.tag_text = STR_LIT("hi");
    s.tag_item.name = STR_LIT("n");
    assert_int_equal(wire_encode(&m, 1, &s, &out, NULL, NULL), ERR_OK);
    const uint8_t want[] = {3, 0, 4, 0, 0, 0, 8, 1, 3, 3, 'h', 'i', 5, 4, 2, 'n', 1, 0};
    assert_int_equal(out.n, sizeof(want));
    assert_memory_equal(out.p, want, sizeof(want));
    struct sample back;
    struct slice in = slice_of(out.p, out.n);
    assert_int_equal(wire_decode(&m, 1, &in, &arena, &back, NULL), ERR_OK);
    assert_int_equal(back.tag_number, 8);
    assert_true(str_eq_z(back.tag_text, "hi"));
    assert_true(str_eq_z(back.tag_item.name, "n"));
    end();
}

TEST(wire_the_size_of_a_tagged_field_may_need_more_bytes)
{
    /* the value is moved when its size needs two or three bytes: 16383 is the last of two */
    static char text[20000];
    memset(text, 'q', sizeof(text));
    static const size_t sizes[] = {1, 125, 126, 127, 128, 16380, 16381, 16382, 20000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct sample s = begin();
        struct wire_message m = only_tagged();
        s.tag_number = 9;
        s.tag_text = str_make(text, sizes[i]);
        s.tag_item.name = STR_LIT("after");
        assert_int_equal(wire_encode(&m, 1, &s, &out, NULL, NULL), ERR_OK);
        struct sample back;
        struct slice in = slice_of(out.p, out.n);
        assert_int_equal(wire_decode(&m, 1, &in, &arena, &back, NULL), ERR_OK);
        assert_int_equal(slice_left(&in), 0);
        assert_true(str_eq(back.tag_text, s.tag_text));
        assert_true(str_eq_z(back.tag_item.name, "after"));
        end();
    }
}

TEST(wire_unknown_tags_are_skipped_and_wrong_sizes_are_refused)
{
    struct wire_message m = only_tagged();
    static const struct {
        uint8_t n;
        uint8_t bytes[12];
        enum err want;
    } cases[] = {
        {4, {1, 9, 1, 0xaa}, ERR_OK},
        {9, {2, 0, 4, 0, 0, 0, 1, 0x7f, 0}, ERR_OK}, /* a known one, then an unknown empty one */
        {9, {1, 0xff, 0xff, 0xff, 0xff, 0x0f, 2, 1, 2}, ERR_OK}, /* the largest tag */
        {4, {1, 9, 2, 0xaa}, ERR_TRUNCATED},                     /* longer than the message */
        {1, {1}, ERR_TRUNCATED},
        {2, {1, 9}, ERR_TRUNCATED},
        {6, {1, 0, 3, 0, 0, 0}, ERR_TRUNCATED},             /* int32 of three bytes */
        {8, {1, 0, 5, 0, 0, 0, 1, 1}, ERR_MALFORMED},       /* int32 of five bytes */
        {5, {0xff, 0xff, 0xff, 0xff, 0x0f}, ERR_TRUNCATED}, /* four thousand million tags */
        {7, {1, 0xff, 0xff, 0xff, 0xff, 0x7f, 0}, ERR_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sample s = begin();
        struct slice in = slice_of(cases[i].bytes, cases[i].n);
        enum err e = wire_decode(&m, 1, &in, &arena, &s, NULL);
        if (e != cases[i].want) {
            fail_msg("case %zu: %s", i, err_name(e));
        }
        end();
    }
}

TEST(wire_a_value_that_the_version_cannot_carry)
{
    struct sample s = begin();
    struct ectx ec = {0};
    s.late = 5; /* ignorable: dropped */
    assert_int_equal(wire_encode(&sample_type, 0, &s, &out, NULL, &ec), ERR_MALFORMED);
    struct sample_item one = {.name = STR_LIT("o")};
    s.one = &one; /* v0 needs it */
    assert_int_equal(wire_encode(&sample_type, 0, &s, &out, NULL, &ec), ERR_OK);
    size_t n = out.n;
    s.strict = 5;
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, &ec), ERR_UNSUPPORTED_VERSION);
    assert_string_equal(ec.text, "Sample v1: strict: this version cannot carry the value");
    assert_int_equal(out.n, n);
    assert_false(buf_failed(&out));
    s.strict = 0;
    s.tag_item.name = STR_LIT("t"); /* a struct that v0 does not have and that is not ignorable */
    assert_int_equal(wire_encode(&sample_type, 0, &s, &out, NULL, &ec), ERR_UNSUPPORTED_VERSION);
    assert_int_equal(wire_encode(&sample_type, 2, &s, &out, NULL, &ec), ERR_OK);
    end();
}

TEST(wire_null_is_refused_when_encoding_too)
{
    struct sample s = begin();
    struct ectx ec = {0};
    struct sample_item one = {.name = STR_NULL};
    struct str texts[] = {STR_LIT("x"), STR_NULL};
    s.one = &one;
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, &ec), ERR_MALFORMED);
    assert_string_equal(ec.text, "Sample v1: one.name: must not be null in this version");
    s.one = NULL;
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, &ec), ERR_OK);
    s.texts = texts;
    s.texts_count = 2;
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, &ec), ERR_MALFORMED);
    s.texts_count = 0;
    s.items_count = -1;
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, &ec), ERR_MALFORMED);
    s.items_count = 1;
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, &ec), ERR_MALFORMED);
    end();
}

TEST(wire_strings_longer_than_kafka_takes_are_not_sent)
{
    static char text[40000];
    struct sample s = begin();
    struct ectx ec = {0};
    s.text = str_make(text, 32767);
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, &ec), ERR_OK);
    s.text = str_make(text, 32768);
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, &ec), ERR_LIMIT);
    s.text = STR_LIT("");
    s.blob = str_make(text, (size_t)INT32_MAX);
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, &ec), ERR_LIMIT);
    end();
}

TEST(wire_the_arena_budget_bounds_what_a_small_message_can_ask_for)
{
    /* 4000 empty structs are 12 kB on the wire and 128 kB in memory */
    struct sample s = begin();
    struct ectx ec = {0};
    struct wire_field room;
    struct wire_message m = sample_only("items", &room);
    m.tagged = false;
    s.items_count = 4000;
    s.items = wire_array(&arena, &sample_item_type, s.items_count);
    assert_int_equal(wire_encode(&m, 1, &s, &out, NULL, NULL), ERR_OK);
    struct arena small;
    arena_init(&small, 64 * 1024);
    struct slice in = slice_of(out.p, out.n);
    assert_int_equal(wire_decode(&m, 1, &in, &small, &s, &ec), ERR_LIMIT);
    assert_true(small.used <= small.budget);
    arena_deinit(&small);
    arena_init(&small, 1 << 20);
    in = slice_of(out.p, out.n);
    test_fail_alloc(1);
    assert_int_equal(wire_decode(&m, 1, &in, &small, &s, &ec), ERR_NO_MEMORY);
    assert_true(test_fail_alloc_end());
    in = slice_of(out.p, out.n);
    assert_int_equal(wire_decode(&m, 1, &in, &small, &s, &ec), ERR_OK);
    assert_int_equal(s.items_count, 4000);
    arena_deinit(&small);
    end();
}

TEST(wire_a_buffer_that_is_too_small_changes_nothing)
{
    struct sample s = begin();
    struct ectx ec = {0};
    s.text = STR_LIT("some text that is longer than the buffer may become");
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, NULL), ERR_OK);
    size_t whole = out.n;
    for (size_t max = 0; max < whole; max++) {
        struct buf b;
        buf_init(&b, max + 3);
        buf_put_z(&b, "abc");
        assert_int_equal(wire_encode(&sample_type, 1, &s, &b, NULL, &ec), ERR_LIMIT);
        assert_int_equal(b.n, 3);
        assert_false(buf_failed(&b));
        buf_deinit(&b);
    }
    end();
}

static enum err encode_once(void *ctx)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    enum err e = wire_encode(&sample_type, 1, ctx, &b, NULL, NULL);
    buf_deinit(&b);
    return e;
}

TEST(wire_encode_survives_every_failing_allocation)
{
    struct sample s = begin();
    char text[3000];
    memset(text, 'm', sizeof(text));
    s.text = s.tag_text = str_make(text, sizeof(text));
    test_each_failing_alloc(encode_once, &s);
    end();
}

TEST(wire_record_chunks_are_noted_not_copied)
{
    struct sample s = begin();
    struct wire_chunk chunks[] = {{STR_LIT("hello ")}, {STR_LIT("world")}};
    struct wire_splices sp = {.arena = &arena};
    s.records.chunks = chunks;
    s.records.chunk_count = 2;
    s.tag_number = 1; /* something after them */
    assert_int_equal(wire_encode(&sample_type, 1, &s, &out, NULL, NULL), ERR_OK);
    struct buf spliced;
    buf_init(&spliced, 1 << 16);
    for (int i = 1; i <= 20; i++) {
        size_t start = spliced.n;
        assert_int_equal(wire_encode(&sample_type, 1, &s, &spliced, &sp, NULL), ERR_OK);
        assert_int_equal(sp.count, i);
        assert_int_equal(sp.bytes, 11 * i);
        assert_int_equal(spliced.n - start, out.n - 11);
        const struct wire_splice *item = &sp.items[i - 1];
        size_t before = item->at - start;
        assert_ptr_equal(item->chunks, chunks);
        assert_int_equal(item->bytes, 11);
        assert_memory_equal(out.p, spliced.p + start, before);
        assert_memory_equal(out.p + before, "hello world", 11);
        assert_memory_equal(out.p + before + 11, spliced.p + item->at, out.n - before - 11);
    }
    s.strict = 1; /* an encode that fails leaves the list as it was */
    assert_int_equal(wire_encode(&sample_type, 1, &s, &spliced, &sp, NULL),
                     ERR_UNSUPPORTED_VERSION);
    assert_int_equal(sp.count, 20);
    assert_int_equal(sp.bytes, 220);
    buf_deinit(&spliced);
    end();
}

TEST(wire_records_null_empty_and_a_view)
{
    struct sample s = begin(), back;
    struct wire_field room;
    struct wire_message m = sample_only("records", &room);
    assert_int_equal(s.records.n, -1);
    assert_int_equal(wire_encode(&m, 0, &s, &out, NULL, NULL), ERR_OK);
    assert_memory_equal(out.p, "\xff\xff\xff\xff", 4);
    s.records = (struct wire_records){(const uint8_t *)"", 0, NULL, 0};
    assert_int_equal(wire_encode(&m, 0, &s, &out, NULL, NULL), ERR_OK);
    assert_memory_equal(out.p + 4, "\0\0\0\0", 4);
    s.records = (struct wire_records){(const uint8_t *)"abc", 3, NULL, 0};
    buf_clear(&out);
    assert_int_equal(wire_encode(&m, 0, &s, &out, NULL, NULL), ERR_OK);
    struct slice in = slice_of(out.p, out.n);
    assert_int_equal(wire_decode(&m, 0, &in, &arena, &back, NULL), ERR_OK);
    assert_int_equal(back.records.n, 3);
    assert_ptr_equal(back.records.p, out.p + 4);
    assert_int_equal(arena.used, 0);
    end();
}

TEST(wire_array_gives_defaults_and_null_only_for_failure)
{
    begin();
    struct sample *p = wire_array(&arena, &sample_type, 3);
    assert_non_null(p);
    assert_int_equal(p[2].tag_number, 7);
    assert_non_null(p[2].text.p);
    assert_non_null(wire_array(&arena, &sample_type, 0));
    assert_null(wire_array(&arena, &sample_type, -1));
    assert_null(wire_array(&arena, &sample_type, 1 << 20));
    assert_null(wire_array(&arena, &sample_type, INT64_MAX));
    end();
}

TEST(wire_the_default_of_an_array_may_be_null)
{
    /* then an empty one differs from it, so it is sent where the field is tagged */
    struct wire_describe_topic_partitions_response_partition p;
    const struct wire_message *m = &wire_describe_topic_partitions_response_partition_type;
    wire_init(m, &p);
    assert_int_equal(p.eligible_leader_replicas_count, -1);
    assert_int_equal(p.isr_nodes_count, 0);
    for (size_t i = 0; i < m->field_count; i++) {
        assert_true(walk_is_default(m, &m->fields[i], &p));
    }
    p.eligible_leader_replicas_count = 0;
    size_t differ = 0;
    for (size_t i = 0; i < m->field_count; i++) {
        differ += !walk_is_default(m, &m->fields[i], &p);
    }
    assert_int_equal(differ, 1);
}
