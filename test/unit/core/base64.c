/* Base64, by the vectors of RFC 4648 section 10. */
#include "core/base64.h"
#include "test.h"

static const struct {
    const char *bytes, *text;
} VECTORS[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xff\xfe\xfd", "//79"},
    {"\xfb\xef", "++8="},
};

TEST(base64_has_the_vectors_of_the_rfc)
{
    for (size_t i = 0; i < sizeof(VECTORS) / sizeof(VECTORS[0]); i++) {
        struct buf b;
        buf_init(&b, 64);
        base64_encode(&b, str_of(VECTORS[i].bytes));
        assert_true(str_eq_z(buf_str(&b), VECTORS[i].text));
        buf_clear(&b);
        assert_true(base64_decode(&b, str_of(VECTORS[i].text)));
        assert_true(str_eq_z(buf_str(&b), VECTORS[i].bytes));
        buf_deinit(&b);
    }
}

TEST(base64_refuses_what_is_not_canonical)
{
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",  "Zh==",     "Zm9=", "Zm 9v",
                                      "Zm9-", "====", "=Zg=", "Zg==Zg==", "Z===", "Zm9v\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct buf b;
        buf_init(&b, 64);
        buf_put_z(&b, "kept");
        assert_false(base64_decode(&b, str_of(bad[i])));
        assert_true(str_eq_z(buf_str(&b), "kept"));
        buf_deinit(&b);
    }
}

TEST(base64_says_when_there_is_no_room)
{
    struct buf b;
    buf_init(&b, 3);
    assert_false(base64_decode(&b, str_of("Zm9vYmFy")));
    buf_deinit(&b);
}

TEST(base64_for_urls_differs_in_two_digits_and_is_as_strict)
{
    static const char *const bad[] = {"//79", "++8=", "__7", "-_=8", "=AAA", "AA=A", "Zh=="};
    struct arena a;
    struct str out;
    arena_init(&a, 4096);
    assert_true(str_eq_z(base64url_encode(str_of("\xff\xfe\xfd"), &a), "__79"));
    assert_true(str_eq_z(base64url_encode(str_of("\xfb\xef"), &a), "--8="));
    for (size_t i = 0; i < sizeof(VECTORS) / sizeof(VECTORS[0]); i++) {
        struct str text = base64url_encode(str_of(VECTORS[i].bytes), &a);
        assert_true(base64url_decode(text, &a, &out));
        assert_true(str_eq_z(out, VECTORS[i].bytes));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(base64url_decode(str_of(bad[i]), &a, &out));
    }
    arena_deinit(&a);
    arena_init(&a, 4);
    assert_true(str_is_null(base64url_encode(str_of("foobar"), &a)));
    assert_false(base64url_decode(str_of("Zm9vYmFy"), &a, &out));
    arena_deinit(&a);
}
