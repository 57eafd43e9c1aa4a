/* The printed form: what a person reads in a log, and that a peer cannot write into it. */
#include <string.h>

#include "unit/test.h"
#include "wire/gen/all.h"
#include "wire/sample.h"

static void expect_dump(const struct wire_message *m, int16_t version, const void *in, size_t limit,
                        const char *want)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    wire_dump(m, version, in, &out, limit);
    buf_put_u8(&out, 0);
    assert_string_equal((const char *)out.p, want);
    buf_deinit(&out);
}

TEST(dump_prints_names_values_and_nulls_of_the_version)
{
    int32_t numbers[] = {1, -2};
    struct str texts[] = {STR_LIT("a"), STR_LIT("b")};
    struct sample_item items[] = {{STR_LIT("n"), numbers, 2}};
    struct sample s;
    wire_init(&sample_type, &s);
    s.flag = true;
    s.i8 = -1;
    s.u16 = 65535;
    s.u32 = UINT32_MAX;
    s.i64 = INT64_MIN;
    s.f64 = 0.5;
    s.blob = STR_LIT("xyz");
    s.texts = texts;
    s.texts_count = 2;
    s.items = items;
    s.items_count = 1;
    s.strict = 3;
    expect_dump(
        &sample_type, 1, &s, 4000,
        "{flag=true i8=-1 i16=0 u16=65535 i32=0 u32=4294967295 i64=-9223372036854775808 f64=0.5 "
        "id=AAAAAAAAAAAAAAAAAAAAAA text=\"\" maybe=null blob=3 bytes texts=[\"a\" \"b\"] "
        "items=[{name=\"n\" numbers=[1 -2]}] one=null records=null}");
    struct wire_chunk chunks[] = {{STR_LIT("1234")}, {STR_LIT("5")}};
    s.records.chunks = chunks;
    s.records.chunk_count = 2;
    struct wire_field room;
    struct wire_message m = sample_only("records", &room);
    expect_dump(&m, 1, &s, 4000, "{records=5 bytes}");
}

TEST(dump_keeps_its_limit_and_escapes_what_peers_wrote)
{
    struct sample s;
    struct wire_field room;
    wire_init(&sample_type, &s);
    struct wire_message m = sample_only("text", &room);
    s.text = STR_LIT("a\n\x1b[2J");
    expect_dump(&m, 1, &s, 4000, "{text=\"a\\x0a\\x1b[2J\"}");
    expect_dump(&m, 1, &s, 9, "{text=\"a\\...");
    expect_dump(&m, 1, &s, 0, "...");
    struct str texts[500];
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        texts[i] = STR_LIT("0123456789");
    }
    m = sample_only("texts", &room);
    s.texts = texts;
    s.texts_count = 500;
    struct buf out;
    buf_init(&out, 1 << 16);
    wire_dump(&m, 1, &s, &out, 100);
    assert_int_equal(out.n, 103);
    buf_deinit(&out);
}
