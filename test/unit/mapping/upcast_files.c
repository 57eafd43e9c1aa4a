/* Steps of several files are one graph: chains go on from one file to the next, clashes and circles
 * are told with their place, and what came all the same has an order. */
#include <stdio.h>

#include "common.h"

#include "core/compiler.h"

#define FILES_MAX 4u

struct files {
    struct bench b[FILES_MAX]; /* each a document of its own */
    struct mapping_upcasts_file list[FILES_MAX];
    size_t count;
    struct arena arena;
    struct ectx ec;
};

static const char *const names[FILES_MAX] = {"one", "two", "three", "four"};

static void files_init(struct files *f, const char *const *texts, size_t count)
{
    memset(f, 0, sizeof(*f));
    arena_init(&f->arena, 8u << 20);
    for (size_t i = 0; i < count; i++) {
        struct bench *b = &f->b[i];
        struct mapping_upcasts *u = NULL;
        bench_init(b, texts[i], "x", NULL);
        assert_int_equal(mapping_upcasts_compile(&b->doc, b->root, &b->arena, &u, &b->ec), ERR_OK);
        f->list[i] = (struct mapping_upcasts_file){.name = str_of(names[i]), .u = u};
    }
    f->count = count;
}

static void files_deinit(struct files *f)
{
    for (size_t i = 0; i < f->count; i++) {
        bench_deinit(&f->b[i]);
    }
    arena_deinit(&f->arena);
}

/* "TYPE DATA" lines of what an event becomes; or the error. */
static const char *became(struct files *f, const struct mapping_upcasts *u, const char *type,
                          const char *data, char *out, size_t size)
{
    struct bench b;
    struct mapping_upcasted *made = NULL;
    size_t count = 0;
    size_t n = 0;
    bench_init(&b, "{}", type, data);
    out[0] = 0;
    if (mapping_upcast(u, &b.event, &b.arena, &made, &count, &f->ec) != ERR_OK) {
        snprintf(out, size, "%s", f->ec.text);
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        n += (size_t)snprintf(out + n, size - n, "%.*s %.*s\n", STR(made[i].type),
                              STR(made[i].data));
    }
    bench_deinit(&b);
    return out;
}

#define V(n, to, more) "{\"from\":\"A.v" #n "\",\"to\":\"A.v" #to "\"" more "}"
#define FILE_OF(steps) "{\"upcasts\":[" steps "]}"

/* A chain may go back and forth between files, whatever their order. */
TEST(mapping_upcasts_go_on_in_the_next_file)
{
    static const char *const texts[] = {
        FILE_OF(V(1, 2, ",\"set\":{\"/data/b\":\"/data/a + 1\"}") "," V(
            3, 4, ",\"set\":{\"/data/d\":\"/data/c + 1\"}")),
        FILE_OF(V(2, 3, ",\"set\":{\"/data/c\":\"/data/b + 1\"}")),
        FILE_OF("{\"from\":\"A.v4\",\"split\":[{\"to\":\"B.v1\"},"
                "{\"to\":\"C.v1\",\"pick\":[\"/data/d\"]}]}"),
    };
    struct files f;
    struct mapping_upcasts *u = NULL;
    char got[300];
    files_init(&f, texts, 3);
    const char *const want = "B.v1 {\"a\":1,\"b\":2,\"c\":3,\"d\":4}\nC.v1 {\"d\":4}\n";
    assert_int_equal(mapping_upcasts_join(f.list, 3, &f.arena, &u, &f.ec), ERR_OK);
    assert_string_equal(became(&f, u, "A.v1", "{\"a\":1}", got, sizeof(got)), want);
    assert_string_equal(became(&f, u, "A.v4", "{\"d\":4}", got, sizeof(got)),
                        "B.v1 {\"d\":4}\nC.v1 {\"d\":4}\n");
    assert_string_equal(became(&f, u, "B.v1", "{}", got, sizeof(got)), "");
    /* The other way round, and one after the other. */
    struct mapping_upcasts_file back[] = {f.list[2], f.list[1], f.list[0]};
    assert_int_equal(mapping_upcasts_join(back, 3, &f.arena, &u, &f.ec), ERR_OK);
    assert_string_equal(became(&f, u, "A.v1", "{\"a\":1}", got, sizeof(got)), want);
    struct mapping_upcasts *sum = NULL;
    assert_int_equal(mapping_upcasts_join(back, 2, &f.arena, &u, &f.ec), ERR_OK);
    assert_int_equal(mapping_upcasts_add(u, f.list[0].u, &f.arena, &sum, &f.ec), ERR_OK);
    assert_string_equal(became(&f, sum, "A.v1", "{\"a\":1}", got, sizeof(got)), want);
    /* Which events come through a file's steps. */
    static const struct {
        const char *type;
        size_t file;
        bool yes;
    } through[] = {{"A.v1", 0, true}, {"A.v1", 1, true},  {"A.v1", 2, true}, {"A.v3", 1, false},
                   {"A.v4", 2, true}, {"A.v4", 0, false}, {"B.v1", 2, false}};
    for (size_t i = 0; i < ARRAY_LEN(through); i++) {
        struct envelope e;
        envelope_init(&e);
        e.type = str_of(through[i].type);
        assert_int_equal(mapping_upcasts_through(sum, &e, f.list[through[i].file].u),
                         through[i].yes);
    }
    files_deinit(&f);
}

TEST(mapping_upcasts_that_clash_are_told_with_their_place)
{
    static const struct {
        const char *first, *second, *error;
    } cases[] = {
        {FILE_OF(V(1, 2, "")), FILE_OF(V(0, 1, "") "," V(1, 3, "")),
         "orders.yaml:1:49: a second step from 'A.v1': the upcasts 'one' have one, in line 1"},
        {FILE_OF(V(1, 2, "")), FILE_OF(V(2, 1, "")),
         "orders.yaml:1:13: the steps from 'A.v2' lead back to it: A.v2 -> A.v1 ('one') -> A.v2"},
        {FILE_OF(V(1, 2, "") "," V(3, 4, "")), FILE_OF(V(0, 1, "") "," V(2, 3, "") "," V(4, 1, "")),
         "orders.yaml:1:41: the steps from 'A.v2' lead back to it: "
         "A.v2 -> A.v3 ('one') -> A.v4 -> A.v1 ('one') -> A.v2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct files f;
        struct mapping_upcasts *u = NULL, *sum = NULL;
        files_init(&f, (const char *const[]){cases[i].first, cases[i].second}, 2);
        assert_int_equal(mapping_upcasts_join(f.list, 1, &f.arena, &u, &f.ec), ERR_OK);
        assert_int_equal(mapping_upcasts_add(u, f.list[1].u, &f.arena, &sum, &f.ec), ERR_CONFIG);
        assert_string_equal(f.ec.text, cases[i].error);
        assert_null(sum);
        files_deinit(&f);
    }
}

/* What an earlier build has taken: the first file holds; one that closes a circle is left out. */
TEST(mapping_upcasts_that_clash_all_the_same_have_an_order)
{
    static const char *const texts[] = {
        FILE_OF(V(1, 2, "")),
        FILE_OF(V(1, 7, "") "," V(2, 3, "")),
        FILE_OF(V(3, 1, "") "," V(8, 9, "")),
        FILE_OF(V(3, 4, "")),
    };
    struct files f;
    struct mapping_upcasts *u = NULL;
    char got[100];
    files_init(&f, texts, 4);
    assert_int_equal(mapping_upcasts_join(f.list, 4, &f.arena, &u, &f.ec), ERR_OK);
    assert_string_equal(became(&f, u, "A.v1", "{}", got, sizeof(got)), "A.v4 {}\n");
    assert_string_equal(became(&f, u, "A.v8", "{}", got, sizeof(got)), "");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f.list[i].left_out, i == 2);
    }
    files_deinit(&f);
}

/* from A.v`first` to A.v`last`, step by step; or back, which is another order in the file. */
static const char *chain(char *out, size_t size, int first, int last, bool back)
{
    size_t n = (size_t)snprintf(out, size, "{\"upcasts\":[");
    for (int i = 0; i < last - first; i++) {
        const int at = back ? last - 1 - i : first + i;
        n += (size_t)snprintf(out + n, size - n, "%s{\"from\":\"A.v%d\",\"to\":\"A.v%d\"}",
                              i == 0 ? "" : ",", at, at + 1);
    }
    (void)snprintf(out + n, size - n, "]}");
    return out;
}

/* No chain is longer than MAPPING_CHAIN_MAX, however its steps are written down: what follows it
 * calls itself. */
TEST(mapping_upcasts_in_a_row_are_bounded)
{
    char text[8192];
    char other[8192];
    char got[100];
    for (int back = 0; back <= 1; back++) {
        for (int more = 0; more <= 1; more++) {
            struct bench b;
            struct mapping_upcasts *u = NULL;
            bench_init(&b, chain(text, sizeof(text), 10, 42 + more, back == 1), "x", NULL);
            assert_int_equal(mapping_upcasts_compile(&b.doc, b.root, &b.arena, &u, &b.ec),
                             more ? ERR_CONFIG : ERR_OK);
            if (more) {
                assert_non_null(strstr(b.ec.text, "more than 32 steps in a row"));
            }
            bench_deinit(&b);
        }
    }
    struct files f;
    struct mapping_upcasts *u = NULL, *sum = NULL;
    files_init(&f,
               (const char *const[]){chain(text, sizeof(text), 30, 42, false),
                                     chain(other, sizeof(other), 10, 30, true),
                                     "{\"upcasts\":[{\"from\":\"A.v9\",\"to\":\"A.v10\"}]}"},
               3);
    assert_int_equal(mapping_upcasts_join(f.list, 1, &f.arena, &u, &f.ec), ERR_OK);
    assert_int_equal(mapping_upcasts_add(u, f.list[1].u, &f.arena, &sum, &f.ec), ERR_OK);
    assert_string_equal(became(&f, sum, "A.v10", "{}", got, sizeof(got)), "A.v42 {}\n");
    u = sum;
    assert_int_equal(mapping_upcasts_add(u, f.list[2].u, &f.arena, &sum, &f.ec), ERR_CONFIG);
    assert_non_null(strstr(f.ec.text, "more than 32 steps in a row"));
    files_deinit(&f);
}

/* Splits that make nothing in the end would be gone through for ever. */
TEST(mapping_upcasts_of_one_event_are_bounded)
{
    char text[32768];
    char got[200];
    size_t n = (size_t)snprintf(text, sizeof(text), "{\"upcasts\":[");
    for (int step = 1; step <= 12; step++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s{\"from\":\"A.v%d\",\"split\":[",
                              step == 1 ? "" : ",", step);
        for (int part = 0; part < 10; part++) {
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s{\"to\":\"A.v%d\"%s}",
                                  part == 0 ? "" : ",", step + 1,
                                  step == 12 ? ",\"when\":false" : "");
        }
        n += (size_t)snprintf(text + n, sizeof(text) - n, "]}");
    }
    (void)snprintf(text + n, sizeof(text) - n, "]}");
    struct files f;
    files_init(&f, (const char *const[]){text}, 1);
    assert_non_null(strstr(became(&f, f.list[0].u, "A.v1", "{}", got, sizeof(got)),
                           "its upcasts take more than 2048 steps"));
    files_deinit(&f);
}

/* What a step makes too large is the event's fault: it is so every time. */
TEST(mapping_upcast_of_too_much_data_is_refused)
{
    struct files f;
    const size_t size = 1100000;
    char *data = test_calloc(1, size + 1);
    memset(data, 'x', size);
    memcpy(data, "{\"a\":\"", 6);
    memcpy(data + size - 2, "\"}", 2);
    files_init(&f,
               (const char *const[]){FILE_OF(V(1, 2,
                                               ",\"set\":{\"/data/b\":\"/data/a\","
                                               "\"/data/c\":\"/data/a\","
                                               "\"/data/d\":\"/data/a\"}"))},
               1);
    struct bench b;
    struct mapping_upcasted *made = NULL;
    size_t count = 0;
    bench_init(&b, "{}", "A.v1", "{}");
    struct arena large;
    arena_init(&large, 64u << 20);
    struct json *v = NULL;
    assert_int_equal(json_parse(str_of(data), NULL, &large, &v, NULL), ERR_OK);
    b.event.data = v;
    assert_int_equal(mapping_upcast(f.list[0].u, &b.event, &large, &made, &count, &f.ec),
                     ERR_MALFORMED);
    assert_string_equal(f.ec.text,
                        "upcast from A.v1 to A.v2: its data would have more than 4194304 "
                        "bytes");
    arena_deinit(&large);
    bench_deinit(&b);
    files_deinit(&f);
    test_free(data);
}

static enum err join_once(void *ctx)
{
    struct files *f = ctx;
    struct arena a;
    struct mapping_upcasts *u = NULL, *sum = NULL;
    arena_init(&a, 1u << 20);
    enum err e = mapping_upcasts_join(f->list, 1, &a, &u, NULL);
    e = e == ERR_OK ? mapping_upcasts_add(u, f->list[1].u, &a, &sum, NULL) : e;
    arena_deinit(&a);
    return e;
}

TEST(mapping_upcasts_go_together_or_there_is_no_memory)
{
    struct files f;
    files_init(&f, (const char *const[]){FILE_OF(V(1, 2, "")), FILE_OF(V(2, 3, ""))}, 2);
    test_each_failing_alloc(join_once, &f);
    files_deinit(&f);
}

#define PARTS(most)                                                                    \
    "{\"from\":\"A.v4\",\"split\":[{\"to\":\"C.v1\",\"when\":\"/data/a > " most "\"}," \
    "{\"to\":\"D.v1\",\"when\":\"/data/a < 0\"}]}"

/* What matters to a fold changes the tag of its snapshots, and nothing else does. */
TEST(mapping_fold_digest_covers_the_upcasts_that_matter)
{
    static const char fold[] = "{\"fold\":\"f\",\"category\":\"c\",\"schema\":\"s-1\",\"maps\":["
                               "{\"type\":\"A.v3\",\"set\":{\"/a\":\"/data/a\"}},"
                               "{\"type\":\"Old\",\"set\":{\"/o\":1}}]}";
    static const struct {
        const char *text;
        bool matters;
    } cases[] = {
        {FILE_OF(V(1, 2, "")), false}, /* leads to nothing that it wants */
        {FILE_OF(V(1, 2, "") "," V(2, 3, "")), true},
        {FILE_OF(V(2, 3, ",\"set\":{\"/data/a\":1}")), true},
        {FILE_OF(V(2, 3, ",\"set\":{\"/data/a\":2}")), true},
        {FILE_OF(V(3, 4, "")), true}, /* takes away what it wants */
        {FILE_OF("{\"from\":\"Old\",\"to\":\"New\"}"), true},
        {FILE_OF("{\"from\":\"B.v1\",\"to\":\"B.v2\"}"), false},
        {FILE_OF("{\"from\":\"B.v1\",\"split\":[{\"to\":\"B.v2\"},{\"to\":\"A.v3\"}]}"), true},
        /* If nothing comes of all steps, it is folded as what it was. */
        {FILE_OF(V(3, 4, "") "," PARTS("1")), true},
        {FILE_OF(V(3, 4, "") "," PARTS("2")), true},
        {FILE_OF(PARTS("2")), false},
    };
    char tags[ARRAY_LEN(cases)][64];
    char plain[64];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;
        struct files f;
        struct mapping_fold *x = NULL;
        bench_init(&b, fold, "x", NULL);
        files_init(&f, &cases[i].text, 1);
        assert_int_equal(mapping_fold_compile(&b.doc, b.root, &b.arena, &x, &b.ec), ERR_OK);
        const uint64_t none = mapping_fold_digest(x, NULL);
        const uint64_t with = mapping_fold_digest(x, f.list[0].u);
        (void)snprintf(plain, sizeof(plain), "%.*s", STR(mapping_fold_tag(x, none, &b.arena)));
        (void)snprintf(tags[i], sizeof(tags[i]), "%.*s", STR(mapping_fold_tag(x, with, &b.arena)));
        assert_int_equal(none != with, cases[i].matters);
        for (size_t k = 0; k < i; k++) {
            if (cases[i].matters && cases[k].matters) {
                assert_string_not_equal(tags[i], tags[k]);
            }
        }
        files_deinit(&f);
        bench_deinit(&b);
    }
    assert_memory_equal(plain, "s-1-", 4);
    assert_int_equal(strlen(plain), 20);
}
