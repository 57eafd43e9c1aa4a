/* Positions as text, problems as codes. */
#include <string.h>

#include "es/es.h"
#include "test.h"

TEST(a_position_has_one_text)
{
    /* What is given to a client comes back as the same position, and sorts as text as in the log.
     */
    static const struct es_position some[] = {{0, 0}, {0, 1},        {0, UINT32_MAX},
                                              {1, 0}, {0xabcdef, 7}, {UINT64_MAX, UINT32_MAX}};
    char last[ES_POSITION_TEXT] = "";
    for (size_t i = 0; i < ARRAY_LEN(some); i++) {
        char text[ES_POSITION_TEXT];
        size_t n = es_position_format(some[i], text);
        assert_int_equal(strlen(text), n);
        struct es_position back;
        assert_true(es_position_parse(str_make(text, n), &back));
        assert_int_equal(es_position_cmp(some[i], back), 0);
        assert_true(strcmp(last, text) < 0);
        memcpy(last, text, sizeof(last));
        if (i > 0) {
            assert_true(es_position_cmp(some[i - 1], some[i]) < 0);
            assert_true(es_position_cmp(some[i], some[i - 1]) > 0);
        }
    }
}

TEST(other_texts_are_no_positions)
{
    static const char *const bad[] = {"",
                                      "p:",
                                      "p:0",
                                      "5",
                                      "p:00000000000000000000000",
                                      "p:0000000000000000000000000",
                                      "P:000000000000000000000000",
                                      "p:00000000000000000000000A",
                                      "p:00000000000000000000000g",
                                      "p:-00000000000000000000001",
                                      "p: 00000000000000000000001",
                                      "q:000000000000000000000000"};
    struct es_position p = {.commit = 42, .index = 43};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(es_position_parse(str_of(bad[i]), &p));
    }
    assert_false(es_position_parse(STR_NULL, &p));
    assert_int_equal(p.commit, 42);
}

TEST(every_problem_has_its_own_code)
{
    for (int i = 0; i <= ES_FAILED; i++) {
        const char *code = es_problem_code((enum es_problem)i);
        assert_non_null(code);
        int status = es_problem_status((enum es_problem)i);
        assert_true(i == ES_OK ? status == 200 : status >= 400 && status < 600);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(code, es_problem_code((enum es_problem)j));
        }
    }
    assert_string_equal(es_problem_code(ES_REVISION_CONFLICT), "revision-conflict");
    assert_int_equal(es_problem_status(ES_STREAM_TOMBSTONED), 410);
}
