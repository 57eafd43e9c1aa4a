/* The rules of an append over facts alone, one row a case; and the hash that all keys begin with.
 */
#include <openssl/evp.h>
#include <openssl/params.h>

#include "es/write.h"
#include "test.h"

/* Known ids of one stream: the revision of each event of the append; -1: new; with '!' another
 * body. */
static const struct {
    const char *what;
    int head; /* -1: no events */
    int born; /* 0: never deleted */
    enum es_state_fact state;
    int events[3], count;
    bool other_body; /* of the last event */
    const char *expected;
    enum es_ruling ruling;
} rows[] = {
    {"first", -1, 0, ES_FACT_ACTIVE, {-1}, 1, false, "no_stream", ES_RULE_APPEND},
    {"first of any", -1, 0, ES_FACT_ACTIVE, {-1, -1}, 2, false, "any", ES_RULE_APPEND},
    {"nothing there", -1, 0, ES_FACT_ACTIVE, {-1}, 1, false, "exists", ES_RULE_CONFLICT},
    {"nothing at 0", -1, 0, ES_FACT_ACTIVE, {-1}, 1, false, "0", ES_RULE_CONFLICT},
    {"next", 5, 0, ES_FACT_ACTIVE, {-1}, 1, false, "5", ES_RULE_APPEND},
    {"behind", 5, 0, ES_FACT_ACTIVE, {-1}, 1, false, "4", ES_RULE_CONFLICT},
    {"ahead", 5, 0, ES_FACT_ACTIVE, {-1}, 1, false, "6", ES_RULE_CONFLICT},
    {"there is one", 5, 0, ES_FACT_ACTIVE, {-1}, 1, false, "no_stream", ES_RULE_CONFLICT},
    /* e0..e5 at -1, 0, 1, 2, 3, 4 */
    {"e0 at -1", 5, 0, ES_FACT_ACTIVE, {0}, 1, false, "no_stream", ES_RULE_ORIGINAL},
    {"e0 any", 5, 0, ES_FACT_ACTIVE, {0}, 1, false, "any", ES_RULE_ORIGINAL},
    {"e0 at 5", 5, 0, ES_FACT_ACTIVE, {0}, 1, false, "5", ES_RULE_REUSED},
    {"e0 at 6", 5, 0, ES_FACT_ACTIVE, {0}, 1, false, "6", ES_RULE_CONFLICT},
    {"e0 at 4", 5, 0, ES_FACT_ACTIVE, {0}, 1, false, "4", ES_RULE_CONFLICT},
    /* [e0] */
    {"e0 at 0", 0, 0, ES_FACT_ACTIVE, {0}, 1, false, "0", ES_RULE_REUSED},
    /* [e0, e1] at -1 */
    {"[e0] at -1", 1, 0, ES_FACT_ACTIVE, {0}, 1, false, "no_stream", ES_RULE_ORIGINAL},
    {"[e0] any", 1, 0, ES_FACT_ACTIVE, {0}, 1, false, "any", ES_RULE_ORIGINAL},
    {"[e1] at 0", 1, 0, ES_FACT_ACTIVE, {1}, 1, false, "0", ES_RULE_ORIGINAL},
    {"[e1] any", 1, 0, ES_FACT_ACTIVE, {1}, 1, false, "any", ES_RULE_ORIGINAL},
    {"[e0,e1,e2] at -1", 1, 0, ES_FACT_ACTIVE, {0, 1, -1}, 3, false, "no_stream", ES_RULE_PARTIAL},
    /* other bodies come first */
    {"other body", 1, 0, ES_FACT_ACTIVE, {0}, 1, true, "any", ES_RULE_REUSED},
    {"other body, partial", 1, 0, ES_FACT_ACTIVE, {-1, 1}, 2, true, "any", ES_RULE_REUSED},
    {"other body, conflict", 1, 0, ES_FACT_ACTIVE, {0}, 1, true, "9", ES_RULE_REUSED},
    /* order and place */
    {"gap", 5, 0, ES_FACT_ACTIVE, {1, 3}, 2, false, "any", ES_RULE_REUSED},
    {"reversed", 5, 0, ES_FACT_ACTIVE, {3, 2}, 2, false, "any", ES_RULE_REUSED},
    {"exists implies no first", 5, 0, ES_FACT_ACTIVE, {0}, 1, false, "exists", ES_RULE_REUSED},
    {"exists implies a later one", 5, 0, ES_FACT_ACTIVE, {2}, 1, false, "exists", ES_RULE_ORIGINAL},
    /* deleted and begun again: head 5, deleted, two more */
    {"deleted, no_stream", 5, 6, ES_FACT_SOFT_DELETED, {-1}, 1, false, "no_stream", ES_RULE_APPEND},
    {"deleted, any", 5, 6, ES_FACT_SOFT_DELETED, {-1}, 1, false, "any", ES_RULE_APPEND},
    {"deleted, exists", 5, 6, ES_FACT_SOFT_DELETED, {-1}, 1, false, "exists", ES_RULE_CONFLICT},
    {"deleted, its head", 5, 6, ES_FACT_SOFT_DELETED, {-1}, 1, false, "5", ES_RULE_CONFLICT},
    {"again there", 7, 6, ES_FACT_SOFT_DELETED, {-1}, 1, false, "no_stream", ES_RULE_CONFLICT},
    {"again there, its head", 7, 6, ES_FACT_SOFT_DELETED, {-1}, 1, false, "7", ES_RULE_APPEND},
    {"retry of the rebirth",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {6},
     1,
     false,
     "no_stream",
     ES_RULE_ORIGINAL},
    {"retry of the first birth",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {0},
     1,
     false,
     "no_stream",
     ES_RULE_ORIGINAL},
    {"an earlier life: its middle may be a beginning",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {3},
     1,
     false,
     "no_stream",
     ES_RULE_ORIGINAL},
    {"an earlier life: a run",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {3, 4},
     2,
     false,
     "no_stream",
     ES_RULE_ORIGINAL},
    {"an earlier life: up to its end",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {4, 5},
     2,
     false,
     "no_stream",
     ES_RULE_ORIGINAL},
    {"an earlier life: exists",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {3},
     1,
     false,
     "exists",
     ES_RULE_ORIGINAL},
    {"an earlier life: never the first of all",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {0},
     1,
     false,
     "exists",
     ES_RULE_REUSED},
    {"an earlier life: the one before",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {3},
     1,
     false,
     "2",
     ES_RULE_ORIGINAL},
    {"an earlier life: elsewhere",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {3},
     1,
     false,
     "4",
     ES_RULE_CONFLICT},
    {"an earlier life: elsewhere, at the head",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {3},
     1,
     false,
     "7",
     ES_RULE_REUSED},
    {"an earlier life: a gap",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {2, 4},
     2,
     false,
     "no_stream",
     ES_RULE_CONFLICT},
    {"two lives in one append",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {5, 6},
     2,
     false,
     "no_stream",
     ES_RULE_CONFLICT},
    {"the present life: not its beginning",
     7,
     6,
     ES_FACT_SOFT_DELETED,
     {7},
     1,
     false,
     "no_stream",
     ES_RULE_CONFLICT},
    {"deleted now: its last life, too",
     7,
     8,
     ES_FACT_SOFT_DELETED,
     {6, 7},
     2,
     false,
     "no_stream",
     ES_RULE_ORIGINAL},
    {"deleted now: exists", 7, 8, ES_FACT_SOFT_DELETED, {7}, 1, false, "exists", ES_RULE_ORIGINAL},
    {"deleted now: the one before",
     7,
     8,
     ES_FACT_SOFT_DELETED,
     {7},
     1,
     false,
     "6",
     ES_RULE_ORIGINAL},
    {"deleted now: elsewhere", 7, 8, ES_FACT_SOFT_DELETED, {7}, 1, false, "5", ES_RULE_CONFLICT},
    {"tombstoned", 5, 0, ES_FACT_TOMBSTONED, {-1}, 1, false, "any", ES_RULE_TOMBSTONED},
    {"tombstoned, known", 5, 0, ES_FACT_TOMBSTONED, {0}, 1, false, "any", ES_RULE_TOMBSTONED},
};

TEST(the_rules_of_appends_row_by_row)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct es_rule_event events[3];
        struct es_rule_stream stream = {.has_events = rows[i].head >= 0,
                                        .head = rows[i].head < 0 ? 0 : (uint64_t)rows[i].head};
        struct es_rule_expectation x = {0};
        size_t culprit;
        es_status_init(&stream.status);
        stream.status.fact_state = rows[i].state;
        stream.status.born = (uint64_t)rows[i].born;
        for (int k = 0; k < rows[i].count; k++) {
            bool known = rows[i].events[k] >= 0;
            events[k] =
                (struct es_rule_event){.known = known,
                                       .same_body = !(rows[i].other_body && k + 1 == rows[i].count),
                                       .revision = known ? (uint64_t)rows[i].events[k] : 0};
        }
        assert_true(es_expected_parse(str_of(rows[i].expected), &x.expected));
        const struct es_rules r = {.events = events,
                                   .event_count = (size_t)rows[i].count,
                                   .streams = &stream,
                                   .stream_count = 1,
                                   .expectations = &x,
                                   .expectation_count = 1};
        enum es_ruling ruling = es_rules_judge(&r, &culprit);
        if (ruling != rows[i].ruling) {
            fail_msg("%s: %d, not %d", rows[i].what, (int)ruling, (int)rows[i].ruling);
        }
    }
}

TEST(a_query_that_is_met_is_a_conflict_unless_the_events_are_there)
{
    struct es_rule_event event = {.known = false};
    struct es_rule_stream stream = {.has_events = true, .head = 3};
    size_t culprit;
    es_status_init(&stream.status);
    struct es_rules r = {.events = &event,
                         .event_count = 1,
                         .streams = &stream,
                         .stream_count = 1,
                         .query_violated = true};
    assert_int_equal(es_rules_judge(&r, &culprit), ES_RULE_CONFLICT);
    event = (struct es_rule_event){.known = true, .same_body = true, .revision = 2};
    assert_int_equal(es_rules_judge(&r, &culprit), ES_RULE_ORIGINAL);
}

TEST(expectations_are_parsed_whole)
{
    static const char *const wrong[] = {"",         "Any", "-1", "any ",
                                        "nostream", "5x",  "+5", "18446744073709551616"};
    struct es_expected e;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(es_expected_parse(str_of(wrong[i]), &e));
    }
    assert_true(es_expected_parse(STR_LIT("18446744073709551615"), &e));
    assert_true(e.kind == ES_REVISION && e.revision == UINT64_MAX);
}

/* Another implementation of it says the same, for every length up to two words and beyond. */
TEST(the_hash_is_siphash_2_4_with_128_bits)
{
    uint8_t key[16];
    uint8_t bytes[80];
    size_t size = 16;
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    assert_non_null(mac);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        uint8_t wanted[16];
        size_t got = 0;
        const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t("size", &size),
                                     OSSL_PARAM_construct_end()};
        EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
        assert_int_equal(EVP_MAC_init(ctx, key, sizeof(key), params), 1);
        assert_int_equal(EVP_MAC_update(ctx, bytes, n), 1);
        assert_int_equal(EVP_MAC_final(ctx, wanted, &got, sizeof(wanted)), 1);
        EVP_MAC_CTX_free(ctx);
        struct es_hash h = es_siphash(key, str_make(bytes, n));
        assert_memory_equal(h.b, wanted, 16);
    }
    EVP_MAC_free(mac);
}
