/* Definitions: what is right becomes SQL, what is wrong is told with its place. */
#include "base.h"

#include <stdio.h>

#include "core/compiler.h"

#define HEAD "{\"projection\":\"p\",\"source\":{\"category\":\"c\"},\"target\":\"sqlite:x\",\n"
#define TABLES \
    "\"tables\":{\"t\":{\"columns\":{\"id\":\"text\",\"n\":\"integer\"},\"key\":\"id\"}},\n"

static void expect(const char *text, const char *error)
{
    struct def *d = NULL;
    struct ectx ec = {0};
    assert_int_equal(def_create(str_of(text), STR_LIT("p.json"), 0, &d, &ec), ERR_CONFIG);
    char got[640];
    snprintf(got, sizeof(got), "%s|%s", ec.text, ec.hint);
    assert_string_equal(got, error);
}

TEST(def_errors_have_places)
{
    expect("{\"projection\":\"p\",\n \"projektion\":1}",
           "p.json:2:15: 'projektion' is not known in a projection|did you mean 'projection'?");
    expect("{\"projection\":\"My-Orders\"}",
           "p.json:1:16: 'My-Orders' cannot be the name of a projection|a name is a-z, 0-9 and _, "
           "at most 52 of them, no digit first, and does not begin with leat_, sqlite_ or pg_");
    expect("{\"projection\":\"p\",\"target\":\"mysql:x\"}",
           "p.json:1:29: 'mysql:x' is no target|sqlite:FILE, or postgresql://USER@HOST/DATABASE");
    expect(HEAD "\"on_error\":\"prak_key\"}",
           "p.json:2:13: 'prak_key' is no value of 'on_error'|did you mean 'park_key'?");
    expect(
        HEAD "\"key\":\"/dat/x\"}",
        "p.json:2:8: a pointer into an event begins with /data or /meta, not with '/dat'|did you "
        "mean /data?");
    expect(HEAD "\"tables\":{\"x__v1\":{}}}",
           "p.json:2:19: 'x__v1' cannot be the name of a table|names that end with __v and a "
           "number, or such a one with _i and a number, are those of the tables and indexes of "
           "versions");
    expect(HEAD "\"tables\":{\"x__v12_i3\":{}}}",
           "p.json:2:23: 'x__v12_i3' cannot be the name of a table|names that end with __v and a "
           "number, or such a one with _i and a number, are those of the tables and indexes of "
           "versions");
    expect(HEAD "\"tables\":{\"x__v\":{}}}", /* that is none */
           "p.json:2:18: 'columns' must be a mapping of 1 to 128 names to types|");
    expect(HEAD "\"tables\":{\"t\":{\"columns\":{\"id\":\"string\"}}}}",
           "p.json:2:33: 'string' is no value of 'id'|one of: text, integer, real, boolean, json");
    expect(HEAD "\"tables\":{\"t\":{\"columns\":{\"id\":\"text\"},\"key\":\"idd\"}}}",
           "p.json:2:47: table 't' has no column 'idd'|did you mean 'id'?");
    expect(
        HEAD TABLES "\"maps\":[{\"type\":\"A\"}]}",
        "p.json:3:9: this rule does nothing|give it an upsert, increment, update, delete, sql or "
        "live_only");
    expect(HEAD TABLES "\"maps\":[{\"type\":\"A\",\"upsert\":{\"table\":\"tt\",\"key\":{}}}]}",
           "p.json:3:40: upsert: there is no table 'tt'|");
    expect(HEAD TABLES
           "\"maps\":[{\"type\":\"A\",\"upsert\":{\"table\":\"t\",\"key\":{\"n\":1}}}]}",
           "p.json:3:30: upsert: 'key' must give every column of the key of 't', and no other|");
    expect(
        HEAD TABLES
        "\"maps\":[{\"type\":\"A\",\"upsert\":{\"table\":\"t\",\"key\":{\"id\":\"a b\"}}}]}",
        "p.json:3:56: 'a' is no value: expected a pointer (/data/x), a field ($id), a number, or "
        "'text'|for the text write \"'a'\", with both kinds of quotes");
    expect(HEAD TABLES
           "\"maps\":[{\"type\":\"A\",\"sql\":{\"statement\":\"UPDATE {x} SET n = 1\"}}]}",
           "p.json:3:48: '{x}' is no table of this projection|");
    expect(HEAD TABLES
           "\"maps\":[{\"type\":\"A\",\"sql\":{\"statement\":\"UPDATE {t} SET n = :m\"}}]}",
           "p.json:3:60: ':m' is not in 'bind'|");
    expect(HEAD TABLES "\"maps\":[{\"type\":\"A\",\"sql\":{\"statement\":\"DROP TABLE x\"}}]}",
           "p.json:3:41: SQL of one's own is INSERT, UPDATE, DELETE, REPLACE or WITH ...|");
    expect(HEAD TABLES
           "\"maps\":[{\"type\":\"A\",\"sql\":{\"statement\":\"DELETE FROM {t}; x\"}}]}",
           "p.json:3:56: one statement only: ';' ends it|");
    expect(HEAD TABLES
           "\"maps\":[{\"type\":\"A\",\"upsert\":{\"table\":\"t\",\"key\":{\"id\":\"x.y\"}}}]}",
           "p.json:3:56: 'x' is no lookup of this rule|");
    expect("{\"projection\":\"p\",}",
           "p.json: JSON line 1, column 19: expected a name in quotes, found '}'|");
}

TEST(def_of_yaml_has_the_places_of_the_yaml)
{
    expect("projection: p\n"
           "source: { category: c }\n"
           "target: sqlite:x\n"
           "tables:\n"
           "  t: { columns: { id: text }, key: id }\n"
           "maps:\n"
           "  - type: A\n"
           "    upsert:\n"
           "      table: t\n"
           "      key: { id: /data/a * $tpye }\n",
           "p.json:10:28: '$tpye' is no field of an event|did you mean '$type'?");
    expect("projection: p\n  x: 1\n",
           "p.json:2:4: not valid YAML: mapping values are not allowed in this context|");
}

#define SOURCE(source) \
    "{\"projection\":\"p\",\"source\":" source ",\"target\":\"sqlite:x\",\n" TABLES
#define MAP(type) \
    "\"maps\":[{\"type\":\"" type "\",\"upsert\":{\"table\":\"t\",\"key\":{\"id\":\"$key\"}}}]}"

/* What no event can ever meet is a mistake, unless it is in the log already. */
TEST(def_refuses_what_could_never_be_applied)
{
    static const char *const bad = SOURCE("{\"category\":\"yy-c\"}") MAP("A");
    static const char *const good[] = {
        SOURCE("{\"category\":[\"a.B_9\",\"c\"],\"types\":[\"A\",\"B.v2\"]}") MAP("A.v3"),
        SOURCE("{\"category\":\"c\",\"types\":[\"A\",\"B.v2\"]}") MAP("B"),
        SOURCE("{\"category\":\"c\",\"types\":[\"A\"]}") MAP("*"),
        SOURCE("{\"topics\":\"yy-c\",\"types\":\"*\"}") MAP("B"),
    };
    static const char *const hint =
        "what stands before the first '-' of a stream's name: letters of ASCII, digits, '.' and "
        "'_'";
    char error[400];
    struct def *d = NULL;
    struct ectx ec = {0};
    snprintf(error, sizeof(error), "p.json:1:41: 'yy-c' is no category|%s", hint);
    expect(bad, error);
    snprintf(error, sizeof(error), "p.json:1:46: 'd-' is no category|%s", hint);
    expect(SOURCE("{\"category\":[\"c\",\"d-\"]}") MAP("A"), error);
    expect(SOURCE("{\"category\":\"c\",\"types\":[\"A\",\"B.v2\"]}") MAP("B.v3"),
           "p.json:3:18: 'B.v3' is none of 'types' of the source|add it there, or leave 'types' "
           "out: then it is all that the maps name");
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (def_create(str_of(good[i]), STR_LIT("p"), 0, &d, &ec) != ERR_OK) {
            fail_msg("%zu: %s", i, ec.text);
        }
        def_destroy(d);
    }
    assert_int_equal(def_create(str_of(bad), STR_LIT("p"), 1, &d, &ec), ERR_OK);
    def_destroy(d);
}

struct sized {
    const char *head, *item, *end; /* '#' in the item: its number */
    size_t most;
    const char *error; /* with one more */
};
#define SIZED_BYTES (PROJ_DEFINITION_BYTES + 2)
static char sized_text[SIZED_BYTES];

/* `count` items between its head and its end. */
static const char *write_sized(const struct sized *s, size_t count)
{
    size_t n = (size_t)snprintf(sized_text, SIZED_BYTES, "%s", s->head);
    for (size_t i = 0; i < count; i++) {
        n += (size_t)snprintf(sized_text + n, SIZED_BYTES - n, "%s", i == 0 ? "" : ",");
        for (const char *p = s->item; *p != 0; p++) {
            if (*p == '#') {
                n += (size_t)snprintf(sized_text + n, SIZED_BYTES - n, "%zu", i);
            } else {
                sized_text[n++] = *p;
            }
        }
    }
    (void)snprintf(sized_text + n, SIZED_BYTES - n, "%s", s->end);
    return sized_text;
}

static void check_sized(const char *text, const char *error)
{
    struct def *d = NULL;
    struct ectx ec = {0};
    const enum err e = def_create(str_of(text), STR_LIT("p.json"), 0, &d, &ec);
    if ((e == ERR_OK) != (error == NULL) || (error != NULL && strstr(ec.text, error) == NULL)) {
        fail_msg("%.60s...: '%s', not '%s'", text, e == ERR_OK ? "" : ec.text, error);
    }
    def_destroy(d);
}

#define RULE TABLES "\"maps\":[{\"type\":\"A\","
#define MAP_OF(t, c) \
    "\"maps\":[{\"type\":\"A0\",\"delete\":{\"table\":\"" t "\",\"where\":{\"" c "\":1}}}]}"
#define OF_SOURCE(members) "{\"projection\":\"p\",\"target\":\"sqlite:x\",\"source\":{" members
#define SEVENTEEN                                                                           \
    "\"c0\":\"text\",\"c1\":\"text\",\"c2\":\"text\",\"c3\":\"text\",\"c4\":\"text\","      \
    "\"c5\":\"text\",\"c6\":\"text\",\"c7\":\"text\",\"c8\":\"text\",\"c9\":\"text\","      \
    "\"c10\":\"text\",\"c11\":\"text\",\"c12\":\"text\",\"c13\":\"text\",\"c14\":\"text\"," \
    "\"c15\":\"text\",\"c16\":\"text\""

/* The table of limits (docs/projections.md): as much as that is taken, and one more is refused. */
TEST(def_has_at_most_what_the_limits_say)
{
    static const struct sized cases[] = {
        {OF_SOURCE("\"topics\":["), "\"t#\"", "]},\n" TABLES MAP_OF("t", "n"), 16,
         "'topics' has 17 entries; at most 16 are allowed"},
        {OF_SOURCE("\"category\":["), "\"c#\"", "]},\n" TABLES MAP_OF("t", "n"), 16,
         "'category' has 17 entries; at most 16 are allowed"},
        {OF_SOURCE("\"category\":\"c\",\"topics\":["), "\"t#\"", "]},\n" TABLES MAP_OF("t", "n"),
         15, "'source' needs a 'category' or 'topics', at most 16 of them"},
        {OF_SOURCE("\"category\":\"c\",\"types\":["), "\"A#\"", "]},\n" TABLES MAP_OF("t", "n"),
         256, "'types' has 257 entries; at most 256 are allowed"},
        {HEAD "\"tables\":{", "\"t#\":{\"columns\":{\"id\":\"text\"},\"key\":\"id\"}",
         "},\n" MAP_OF("t0", "id"), 16, "'tables' must be a mapping of 1 to 16 tables"},
        {HEAD "\"tables\":{\"t\":{\"columns\":{", "\"c#\":\"text\"",
         "},\"key\":\"c0\"}},\n" MAP_OF("t", "c0"), 128,
         "'columns' must be a mapping of 1 to 128 names to types"},
        {HEAD "\"tables\":{\"t\":{\"columns\":{" SEVENTEEN "},\"key\":\"c0\",\"indexes\":[",
         "\"c#\"", "]}},\n" MAP_OF("t", "c0"), 16,
         "'indexes' must be a list of at most 16 columns or lists of columns"},
        {HEAD TABLES "\"maps\":[",
         "{\"type\":\"A#\",\"delete\":{\"table\":\"t\",\"where\":{\"n\":1}}}", "]}", 256,
         "'maps' must be a list of 1 to 256 rules"},
        {HEAD RULE "\"upsert\":{\"table\":\"t\",\"key\":{\"id\":\"$key\"}},\"delete\":[",
         "{\"table\":\"t\",\"where\":{\"n\":#}}", "]}]}", 15, "a rule has at most 16 statements"},
        {HEAD RULE "\"delete\":{\"table\":\"t\",\"where\":{\"n\":1}},\"lookup\":{",
         "\"l#\":{\"from\":\"t\",\"key\":{\"id\":\"$key\"},\"columns\":\"n\"}", "}}]}", 8,
         "'lookup' must be a mapping of at most 8 names to look-ups"},
        {HEAD RULE "\"live_only\":[", "{\"name\":\"a#\",\"stream\":\"'s-1'\",\"type\":\"'T'\"}",
         "]}]}", 16, "a rule has at most 16 actions"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_sized(write_sized(&cases[i], cases[i].most), NULL);
        check_sized(write_sized(&cases[i], cases[i].most + 1), cases[i].error);
    }
}

TEST(def_has_names_and_a_text_as_long_as_the_limits_say)
{
    static const char text[] = "{\"projection\":\"%.*s\",\"source\":{\"category\":\"c\"},"
                               "\"target\":\"sqlite:x\",\"tables\":{\"%.*s\":{\"columns\":{"
                               "\"%.*s\":\"text\"},\"key\":\"%.*s\"}},\"maps\":[{\"type\":\"A\","
                               "\"delete\":{\"table\":\"%.*s\",\"where\":{\"%.*s\":1}}}]}";
    static const char *const what[] = {"", "the name of a projection", "the name of a table",
                                       "the name of a column"};
    char name[PROJ_NAME_MAX + 2];
    memset(name, 'n', sizeof(name));
    for (size_t i = 0; i < ARRAY_LEN(what); i++) { /* which of them is one longer */
        const int p = (int)PROJ_NAME_MAX + (i == 1);
        const int t = (int)PROJ_NAME_MAX + (i == 2);
        const int c = (int)PROJ_NAME_MAX + (i == 3);
        snprintf(sized_text, SIZED_BYTES, text, p, name, t, name, c, name, c, name, t, name, c,
                 name);
        check_sized(sized_text, i == 0 ? NULL : what[i]);
    }
    assert_int_equal(PROJ_NAME_MAX, 52);
    snprintf(sized_text, SIZED_BYTES, text, 1, name, 1, name, 1, name, 1, name, 1, name, 1, name);
    const size_t n = strlen(sized_text);
    memset(sized_text + n, ' ', SIZED_BYTES - n - 1);
    sized_text[256u << 10] = 0;
    check_sized(sized_text, NULL);
    sized_text[256u << 10] = ' ';
    sized_text[(256u << 10) + 1] = 0;
    check_sized(sized_text, "a definition has at most 262144 bytes; this has 262145");
}

/* On PostgreSQL such a statement could not be prepared. */
TEST(def_adds_to_numbers)
{
    static const char text[] =
        "projection: p\nsource: { category: c }\ntarget: \"%s\"\ntables:\n"
        "  t: { columns: { id: text, n: %s }, key: id }\nmaps:\n  - type: A\n"
        "    increment: { table: t, key: { id: $id }, by: { n: 1 } }\n";
    static const char *const targets[] = {"sqlite:x", "postgresql://x/y"};
    static const char *const bad[] = {"text", "boolean"}, *const good[] = {"integer", "real"};
    char declared[400];
    struct ectx ec;
    struct def *d = NULL;
    for (size_t i = 0; i < 4; i++) {
        snprintf(declared, sizeof(declared), text, targets[i % 2], bad[i / 2]);
        expect(declared, "p.json:8:55: 'n' is no number: 'by' adds to columns of type integer or "
                         "real|");
        assert_int_equal(def_create(str_of(declared), STR_LIT("p"), 1, &d, &ec), ERR_OK);
        def_destroy(d);
        snprintf(declared, sizeof(declared), text, targets[i % 2], good[i / 2]);
        assert_int_equal(def_create(str_of(declared), STR_LIT("p"), 0, &d, &ec), ERR_OK);
        def_destroy(d);
    }
}

/* PostgreSQL has no comparison of JSON: such a table, index or statement could never be made. */
TEST(def_compares_no_json)
{
#define JSON_TABLE "text, j: json }, key: id }\nmaps:\n  - type: A\n"
    static const char head[] = "projection: p\nsource: { category: c }\ntarget: \"%s\"\ntables:\n"
                               "  t: { columns: { id: %s";
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"json }, key: id }\n", "p.json:5:36: 'id' is of type json: it cannot be in 'key'"},
        {"text, j: json }, key: id, indexes: [ [ id, j ] ] }\n",
         "p.json:5:66: 'j' is of type json: it cannot be in 'indexes'"},
        {JSON_TABLE "    update: { table: t, where: { j: 1 }, set: { id: 1 } }\n",
         "p.json:8:37: 'j' is of type json: it cannot be in 'where'"},
        {JSON_TABLE "    update: { table: t, where: { id: 1 }, by: { j: 1 } }\n",
         "p.json:8:52: 'j' is of type json: it cannot be in 'by'"},
        {JSON_TABLE "    delete: { table: t, where: { j: 1 } }\n",
         "p.json:8:37: 'j' is of type json: it cannot be in 'where'"},
        {JSON_TABLE "    lookup: { x: { from: t, key: { j: 1 }, columns: [ id ] } }\n"
                    "    delete: { table: t, key: { id: x.id } }\n",
         "p.json:8:39: 'j' is of type json: it cannot be in 'key'"},
    };
    static const char good[] =
        JSON_TABLE "    lookup: { x: { from: t, key: { id: 1 }, columns: [ j ] } }\n"
                   "    update: { table: t, where: { id: 1 }, set: { j: x.j } }\n";
    static const char *const targets[] = {"sqlite:x", "postgresql://x/y"};
    char text[1000];
    char error[400];
    struct ectx ec;
    struct def *d = NULL;
    for (size_t i = 0; i < 2 * ARRAY_LEN(bad); i++) {
        snprintf(text, sizeof(text), head, targets[i % 2], bad[i / 2].text);
        snprintf(error, sizeof(error),
                 "%s|a database does not compare JSON: put what is looked for into a column of "
                 "another type",
                 bad[i / 2].error);
        expect(text, error);
    }
    for (size_t i = 0; i < 2; i++) {
        snprintf(text, sizeof(text), head, targets[i], good);
        assert_int_equal(def_create(str_of(text), STR_LIT("p"), 0, &d, &ec), ERR_OK);
        def_destroy(d);
        /* In SQLite it was made, and the log may have it. */
        snprintf(text, sizeof(text), head, targets[i], bad[2].text);
        assert_int_equal(def_create(str_of(text), STR_LIT("p"), 1, &d, &ec), ERR_OK);
        def_destroy(d);
    }
}

/* Editors put it there. */
TEST(def_reads_behind_a_byte_order_mark)
{
    static const char *const texts[] = {
        "\xEF\xBB\xBFprojection: p\nsource: { category: c }\ntarget: sqlite:x\n"
        "tables: { t: { columns: { id: text }, key: id } }\n"
        "maps: [ { type: A, upsert: { table: t, key: { id: $key } } } ]\n",
        "\xEF\xBB\xBF" HEAD TABLES
        "\"maps\":[{\"type\":\"A\",\"upsert\":{\"table\":\"t\",\"key\":{\"id\":\"$key\"}}}]}"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct def *d = NULL;
        struct ectx ec = {0};
        if (def_create(str_of(texts[i]), STR_LIT("p"), 0, &d, &ec) != ERR_OK) {
            fail_msg("%s", ec.text);
        }
        def_destroy(d);
    }
}

TEST(def_makes_statements)
{
    struct def *d = NULL;
    struct ectx ec = {0};
    assert_int_equal(
        def_create(
            STR_LIT(HEAD TABLES
                    "\"version\":3,\"maps\":[{\"type\":\"A\","
                    "\"increment\":{\"table\":\"t\",\"key\":{\"id\":\"$key\"},\"by\":{\"n\":1}},"
                    "\"update\":{\"table\":\"t\",\"where\":{\"n\":5},\"set\":{\"id\":\"'x'\"}},"
                    "\"delete\":{\"table\":\"t\",\"where\":{\"n\":5,\"id\":\"$id\"}},"
                    "\"sql\":{\"statement\":\"UPDATE {t} SET n = :b, id = ':b' || :a -- :c\\n "
                    "WHERE n = :b AND 'it''s' = \\\"q:x\\\" AND n = "
                    "n::int\",\"bind\":{\"a\":1,\"b\":2}}}]}"),
            STR_LIT("p.json"), 0, &d, &ec),
        ERR_OK);
    assert_int_equal(d->statement_count, 4);
    static const char *const expected[] = {
        "INSERT INTO \"t__v3\" (\"id\", \"n\") VALUES ($1, $2) ON CONFLICT (\"id\") DO UPDATE SET "
        "\"n\" = COALESCE(\"t__v3\".\"n\", 0) + excluded.\"n\"",
        "UPDATE \"t__v3\" SET \"id\" = $1 WHERE \"n\" = $2",
        "DELETE FROM \"t__v3\" WHERE \"n\" = $1 AND \"id\" = $2",
        "UPDATE \"t__v3\" SET n = $1, id = ':b' || $2  \n WHERE n = $1 AND 'it''s' = \"q:x\" AND n "
        "= "
        "n::int",
    };
    for (size_t i = 0; i < 4; i++) {
        char got[512];
        snprintf(got, sizeof(got), "%.*s", STR(d->statements[i]));
        assert_string_equal(got, expected[i]);
    }
    def_destroy(d);
}

static enum err make(void *ctx)
{
    struct def *d = NULL;
    enum err e = def_create(str_of(ctx), STR_LIT("x"), 0, &d, NULL);
    def_destroy(d);
    return e;
}
TEST(def_copes_without_memory)
{
    char text[8192]; /* the target keeps its %s: it is only a name here */
    snprintf(text, sizeof(text), "%s", base_orders);
    test_each_failing_alloc(make, text);
}
