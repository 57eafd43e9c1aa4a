/* Rules see events in their newest form; what was applied before an upcast changed is told. */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "proj/upcasts.h"
#include "record/record.h"
#include "server.h"
#include "world.h"

static const char definition[] = "projection: sums\n"
                                 "version: 1\n"
                                 "source: { category: old }\n"
                                 "target: \"sqlite:views.db\"\n"
                                 "tables:\n"
                                 "  keys:\n"
                                 "    columns: { k: text, sum: integer, fees: integer }\n"
                                 "    key: k\n"
                                 "maps:\n"
                                 "  - type: Added.v2\n"
                                 "    increment: { table: keys, key: { k: $key }, by: { sum: "
                                 "/data/amount } }\n"
                                 "  - type: Charged\n"
                                 "    increment: { table: keys, key: { k: $key }, by: { fees: "
                                 "/data/fee } }\n";
static const char renamed[] = "upcasts:\n"
                              "  - { from: Added.v1, to: Added.v2, rename: { /data/n: amount } }\n";
static const char split[] =
    "upcasts:\n"
    "  - from: Added.v1\n"
    "    split:\n"
    "      - { to: Added.v2, set: { /data/amount: /data/n * 10 } }\n"
    "      - { to: Charged.v1, when: exists(/data/fee), pick: [ /data/fee ] }\n"
    "      - { to: Unwanted.v1 }\n";

struct store {
    uint64_t version;
    const char *text;
    const char *second; /* of another file; NULL: there is none */
};
static uint64_t version_of(void *ctx)
{
    return ((struct store *)ctx)->version;
}
static const struct str *texts_of(void *ctx, struct arena *a, size_t *count)
{
    struct str *texts = arena_new_n(a, struct str, 2);
    const struct store *s = ctx;
    *count = 0;
    if (texts != NULL && s->text != NULL) {
        texts[(*count)++] = str_of(s->text);
    }
    if (texts != NULL && s->second != NULL) {
        texts[(*count)++] = str_of(s->second);
    }
    return texts;
}

static int64_t say(struct world *w, const char *type, const char *data)
{
    char value[200];
    (void)snprintf(value, sizeof(value), "{\"eventType\":\"%s\",\"data\":%s}", type, data);
    return worst_produce(w->log, "es.old", 1, STR_LIT("k1"), str_of(value), 1);
}

static void mark(struct world *w, int64_t offset)
{
    worst_mark(w->log, "es.old", 1, offset, RECORD_ATTR_ERASED);
}

static void expect(struct world *w, const char *sql, const char *want)
{
    char got[1000];
    assert_string_equal(world_rows(w, sql, got, sizeof(got)), want);
}

static struct proj_version_status newest(struct world *w, struct arena *a)
{
    struct proj_status s = world_status(w, 0, a);
    return s.versions[s.version_count - 1];
}

TEST_WORLD(projection_sees_events_in_their_newest_form)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct arena a;
    struct store store = {.version = 0, .text = renamed};
    const struct proj_upcasts upcasts = {&store, version_of, texts_of};
    arena_init(&a, 4u << 20);
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    w.upcasts = &upcasts;
    worst_topic_make(w.log, "es.old", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    /* Nothing is declared or applied before the upcasts are known. */
    assert_int_equal(world_command(&w, PROJ_APPLY, definition, &ec), ERR_NOT_READY);
    store.version = 1;
    assert_int_equal(world_command(&w, PROJ_APPLY, definition, &ec), ERR_OK);
    (void)say(&w, "Added.v1", "{\"n\":5}");
    (void)say(&w, "Added.v2", "{\"amount\":7}");
    world_until(&w, world_settled, 60000);
    expect(&w, "SELECT * FROM keys", "k1|12|NULL\n");
    assert_false(newest(&w, &a).upcasts_changed);

    world_stop(&w, 0);
    store.version = 0;
    (void)say(&w, "Added.v1", "{\"n\":1}");
    world_up(&w, 0);
    world_run(&w, 5000);
    expect(&w, "SELECT * FROM keys", "k1|12|NULL\n"); /* it waits */
    store.version = 2;
    world_until(&w, world_settled, 60000);
    expect(&w, "SELECT * FROM keys", "k1|13|NULL\n");
    assert_false(newest(&w, &a).upcasts_changed); /* the same texts */

    /* Another upcast: from now on, and for all of it after a rebuild. */
    store.text = split;
    store.version = 3;
    assert_true(newest(&w, &a).upcasts_changed);
    (void)say(&w, "Added.v1", "{\"n\":2,\"fee\":3}");
    world_until(&w, world_settled, 60000);
    expect(&w, "SELECT * FROM keys", "k1|33|3\n");
    assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
    world_run(&w, 10000);
    assert_int_equal(world_status(&w, 0, &a).served, 2);
    expect(&w, "SELECT * FROM keys", "k1|87|3\n"); /* (5 + 1 + 2) * 10 + 7 */
    assert_false(newest(&w, &a).upcasts_changed);
    const struct proj_status both = world_status(&w, 0, &a);
    assert_int_equal(both.versions[0].state, PROJ_KEPT);
    assert_false(both.versions[0].upcasts_changed); /* it is not rebuilt any more */

    /* One that cannot be brought there is parked with its reason; nothing of it is applied. */
    (void)say(&w, "Added.v1", "{\"n\":\"x\"}");
    world_run(&w, 3000);
    expect(&w, "SELECT * FROM keys", "k1|87|3\n");
    expect(&w, "SELECT event_key, substr(reason, 1, 10) FROM leat_parked WHERE version = 2",
           "k1|its upcast\n");
    arena_deinit(&a);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* What the tests below share: a world with one file of upcasts, and a projection in it. */
static void begin(struct world *w, struct store *store, const struct proj_upcasts *upcasts,
                  const char *text)
{
    struct worst_config cfg;
    struct ectx ec;
    worst_config_good(&cfg, 1);
    world_init(w, 1, &cfg);
    w->upcasts = upcasts;
    store->version = 1;
    worst_topic_make(w->log, "es.old", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
    if (world_command(w, PROJ_APPLY, text, &ec) != ERR_OK) {
        fail_msg("%s %s", ec.text, ec.hint);
    }
}

static void end(struct world *w)
{
    world_stop(w, 0);
    world_deinit(w);
}

/* The id of an action is of the event alone: not of which forms of it this version's rules want. */
TEST_WORLD(the_id_of_an_action_does_not_depend_on_the_rules_of_a_version)
{
    static const char text[] =
        "projection: sums\n"
        "version: %d\n"
        "source: { category: old }\n"
        "target: \"sqlite:views.db\"\n"
        "tables: { keys: { columns: { k: text, sum: integer }, key: k } }\n"
        "maps:\n"
        "  - type: Charged\n"
        "    live_only: { name: bill, stream: \"'bill-{$key}'\", type: \"'Billed'\", data: { fee: "
        "/data/fee } }\n"
        "%s";
    static const char more[] = "  - type: Added.v2\n"
                               "    increment: { table: keys, key: { k: $key }, by: { sum: "
                               "/data/amount } }\n";
    struct world w;
    struct ectx ec;
    char made[1000];
    struct store store = {.text = split};
    const struct proj_upcasts upcasts = {&store, version_of, texts_of};
    (void)snprintf(made, sizeof(made), text, 1, "");
    begin(&w, &store, &upcasts, made);
    w.appends_good = true;
    (void)say(&w, "Added.v1", "{\"n\":2,\"fee\":3}");
    world_run(&w, 3000);
    assert_int_equal(w.appended.count, 1);
    assert_non_null(map_get(&w.appended, STR_LIT("sums.bill.es.old/1.0.1")));
    (void)snprintf(made, sizeof(made), text, 2, more);
    assert_int_equal(world_command(&w, PROJ_APPLY, made, &ec), ERR_OK);
    world_run(&w, 10000);
    (void)say(&w, "Added.v1", "{\"n\":2,\"fee\":3}");
    world_run(&w, 3000);
    expect(&w, "SELECT * FROM keys", "k1|40\n"); /* it is the second version that is served */
    assert_int_equal(w.appended.count, 2);
    assert_non_null(map_get(&w.appended, STR_LIT("sums.bill.es.old/1.1.1")));
    end(&w);
}

/* As the event store writes them: the envelope in headers, the value is the data. */
static int64_t say_bare(struct world *w, const char *type, const char *data)
{
    const struct record_header headers[] = {{STR_LIT("ce_specversion"), STR_LIT("1.0")},
                                            {STR_LIT("ce_id"), STR_LIT("one")},
                                            {STR_LIT("ce_source"), STR_LIT("test")},
                                            {STR_LIT("ce_type"), str_of(type)}};
    const struct engine_record r = {.key = STR_LIT("k1"),
                                    .value = data == NULL ? STR_NULL : str_of(data),
                                    .headers = headers,
                                    .header_count = ARRAY_LEN(headers),
                                    .timestamp_ms = 1};
    return worst_produce_record(w->log, "es.old", 1, &r);
}

/* What a redaction left has no newest form, and parks nothing. */
TEST_WORLD(a_redacted_event_is_not_upcast)
{
    static const char text[] =
        "projection: sums\n"
        "source: { category: old }\n"
        "target: \"sqlite:views.db\"\n"
        "tables: { keys: { columns: { k: text, kept: integer, gone: integer }, key: k } }\n"
        "maps:\n"
        "  - type: Added\n"
        "    when: not $redacted\n"
        "    increment: { table: keys, key: { k: $key }, by: { kept: /data/amount } }\n"
        "  - type: Added.v1\n"
        "    when: $redacted\n"
        "    increment: { table: keys, key: { k: $key }, by: { gone: 1 } }\n";
    struct world w;
    struct store store = {.text = split};
    const struct proj_upcasts upcasts = {&store, version_of, texts_of};
    begin(&w, &store, &upcasts, text);
    (void)say(&w, "Added.v1", "{\"n\":2}");
    mark(&w, say(&w, "Added.v1", "null    "));
    mark(&w, say(&w, "Added.v1", " null"));
    (void)say(&w, "Added.v1", "{\"n\":3}");
    world_run(&w, 3000);
    expect(&w, "SELECT event_key, reason FROM leat_parked", "");
    expect(&w, "SELECT * FROM keys", "k1|50|2\n");
    static const char *const left[] = {"null   ", "null ", "0  ", "0 "};
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        (void)say_bare(&w, "Added.v1", left[i]);
    }
    (void)say_bare(&w, "Added.v1", "{\"n\":4}");
    world_run(&w, 3000);
    expect(&w, "SELECT event_key, reason FROM leat_parked", "");
    expect(&w, "SELECT * FROM keys", "k1|90|6\n");
    end(&w);
}

/* An event that never had data is none that was redacted: nothing but its data is null. */
TEST_WORLD(an_event_without_data_is_not_redacted)
{
    static const char text[] =
        "projection: sums\n"
        "source: { category: old }\n"
        "target: \"sqlite:views.db\"\n"
        "tables: { keys: { columns: { k: text, empty: integer, gone: integer }, key: k } }\n"
        "maps:\n"
        "  - type: Added\n"
        "    when: not $redacted and not exists(/data/n)\n"
        "    increment: { table: keys, key: { k: $key }, by: { empty: 1 } }\n"
        "  - type: Added\n"
        "    when: $redacted\n"
        "    increment: { table: keys, key: { k: $key }, by: { gone: 1 } }\n";
    struct world w;
    struct store store = {.text = split};
    const struct proj_upcasts upcasts = {&store, version_of, texts_of};
    begin(&w, &store, &upcasts, text);
    (void)say_bare(&w, "Added", NULL);
    (void)say_bare(&w, "Added", "null");
    (void)say_bare(&w, "Added", "0");
    (void)say(&w, "Added", "null");
    world_run(&w, 3000);
    expect(&w, "SELECT event_key, reason FROM leat_parked", "");
    expect(&w, "SELECT * FROM keys", "k1|4|NULL\n");
    mark(&w, say_bare(&w, "Added", "null")); /* as true was */
    (void)say_bare(&w, "Added", "null ");
    world_run(&w, 3000);
    expect(&w, "SELECT * FROM keys", "k1|4|2\n");
    end(&w);
}

/* Nor is one of which only some fields were erased: they read as null, the others as they are. A
 * parked one stays so. */
TEST_WORLD_ON_BOTH(an_event_with_redacted_fields_is_not_upcast)
{
    static const char format[] =
        "projection: sums\n"
        "source: { category: old }\n"
        "target: \"%s\"\n"
        "tables: { keys: { columns: { k: text, kept: integer, gone: integer, fee: integer, city: "
        "text }, key: k } }\n"
        "maps:\n"
        "  - type: Added.v2\n"
        "    increment: { table: keys, key: { k: $key }, by: { kept: /data/amount } }\n"
        "  - type: Added.v1\n"
        "    when: $redacted\n"
        "    increment: { table: keys, key: { k: $key }, by: { gone: 1 }, set: { fee: /data/fee, "
        "city: /data/city } }\n"
        "  - type: Fine.v1\n"
        "    increment: { table: keys, key: { k: $key }, by: { gone: /data/must } }\n";
    struct world w;
    struct ectx ec;
    struct store store = {.text = split};
    const struct proj_upcasts upcasts = {&store, version_of, texts_of};
    char text[2048];
    struct worst_config cfg;
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    w.upcasts = &upcasts;
    store.version = 1;
    worst_topic_make(w.log, "es.old", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    (void)snprintf(text, sizeof(text), format, w.target[0] == 0 ? "sqlite:views.db" : w.target);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    static const char *const left[] = {"{\"n\":3,\"fee\":null,\"city\":\"Ulm\"}  ",
                                       "{\"n\":4,      \"city\":\"Bonn\"}"};
    (void)say_bare(&w, "Added.v1", "{\"n\":2}");
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        worst_mark(w.log, "es.old", 1, say_bare(&w, "Added.v1", left[i]), RECORD_ATTR_ERASED);
    }
    world_run(&w, 3000);
    expect(&w, "SELECT event_key, reason FROM leat_parked", "");
    expect(&w, "SELECT * FROM keys", "k1|20|2|NULL|Bonn\n");
    worst_mark(w.log, "es.old", 1, say_bare(&w, "Added.v1", "0"), RECORD_ATTR_ERASED);
    world_run(&w, 3000);
    expect(&w, "SELECT * FROM keys", "k1|20|3|NULL|NULL\n");
    /* Behind one that cannot be applied it waits, and is what it was when its turn comes. */
    (void)say_bare(&w, "Fine.v1", "{}");
    worst_mark(w.log, "es.old", 1, say_bare(&w, "Added.v1", "{\"n\":5,\"city\":\"Jena\"}"),
               RECORD_ATTR_ERASED);
    world_run(&w, 3000);
    expect(&w, "SELECT COUNT(*) FROM leat_parked", "2\n");
    assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k1", &ec), ERR_OK);
    expect(&w, "SELECT * FROM keys", "k1|20|4|NULL|Jena\n");
    end(&w);
}

/* What cannot be upcast is in nobody's way who does not want what it would have become. */
TEST_WORLD(an_event_that_is_not_wanted_parks_nothing_if_its_upcast_fails)
{
    static const char text[] =
        "projection: sums\n"
        "source: { category: old }\n"
        "target: \"sqlite:views.db\"\n"
        "tables: { keys: { columns: { k: text, fees: integer }, key: k } }\n"
        "maps:\n"
        "  - type: Charged\n"
        "    increment: { table: keys, key: { k: $key }, by: { fees: /data/fee } }\n";
    static const char steps[] =
        "upcasts:\n"
        "  - { from: Added.v1, to: Added.v2, set: { /data/amount: /data/n * 10 } }\n"
        "  - { from: Added.v2, to: Added.v3 }\n"
        "  - { from: Charged.v1, to: Charged.v2 }\n"
        "  - { from: Charged.v2, to: Charged.v3, set: { /data/fee: /data/n * 10 } }\n";
    struct world w;
    struct store store = {.text = steps};
    const struct proj_upcasts upcasts = {&store, version_of, texts_of};
    begin(&w, &store, &upcasts, text);
    (void)say(&w, "Added.v1", "{\"n\":\"x\"}");
    (void)say(&w, "Charged.v1", "{\"n\":2}");
    world_run(&w, 3000);
    expect(&w, "SELECT event_key, reason FROM leat_parked", "");
    expect(&w, "SELECT * FROM keys", "k1|20\n");
    (void)say(&w, "Charged.v1", "{\"n\":\"x\"}");
    world_run(&w, 3000);
    expect(&w, "SELECT event_key, substr(reason, 1, 10) FROM leat_parked", "k1|its upcast\n");
    end(&w);
}

/* A chain goes on in another file, as it does in the event store; a clash has the same order. */
TEST_WORLD(projection_sees_what_the_upcasts_of_several_files_make)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct store store = {.version = 1,
                          .text = "upcasts: [ { from: Added.v0, to: Added.v1, set: { /data/n: "
                                  "/data/old + 1 } } ]\n",
                          .second = renamed};
    const struct proj_upcasts upcasts = {&store, version_of, texts_of};
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    w.upcasts = &upcasts;
    worst_topic_make(w.log, "es.old", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    assert_int_equal(world_command(&w, PROJ_APPLY, definition, &ec), ERR_OK);
    (void)say(&w, "Added.v0", "{\"old\":9}");
    (void)say(&w, "Added.v1", "{\"n\":5}");
    world_until(&w, world_settled, 60000);
    expect(&w, "SELECT * FROM keys", "k1|15|NULL\n");
    store.second = "upcasts:\n"
                   "  - { from: Added.v0, to: Unwanted.v1 }\n"
                   "  - { from: Added.v1, to: Added.v2, set: { /data/amount: /data/n * 100 } }\n";
    store.version = 2;
    (void)say(&w, "Added.v0", "{\"old\":0}");
    world_until(&w, world_settled, 60000);
    expect(&w, "SELECT * FROM keys", "k1|115|NULL\n");
    end(&w);
}

/* An event that needs more memory than one may have parks its key; it does not stop the projection,
 * which would need as much the next time. */
TEST_WORLD(an_event_that_needs_too_much_memory_is_parked)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct store store = {.version = 1, .text = renamed};
    const struct proj_upcasts upcasts = {&store, version_of, texts_of};
    const size_t elements = 900000; /* of some 100 bytes each, built */
    const size_t size = 2 * elements + 200;
    char *value = test_calloc(1, size);
    size_t n =
        (size_t)snprintf(value, size, "{\"eventType\":\"Added.v1\",\"data\":{\"n\":1,\"x\":[0");
    for (size_t i = 1; i < elements; i++) {
        value[n++] = ',';
        value[n++] = '0';
    }
    (void)snprintf(value + n, size - n, "]}}");
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    w.upcasts = &upcasts;
    worst_topic_make(w.log, "es.old", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    assert_int_equal(world_command(&w, PROJ_APPLY, definition, &ec), ERR_OK);
    (void)worst_produce(w.log, "es.old", 1, STR_LIT("big"), str_of(value), 1);
    (void)say(&w, "Added.v2", "{\"amount\":7}");
    world_until(&w, world_settled, 60000);
    expect(&w, "SELECT * FROM keys", "k1|7|NULL\n");
    expect(&w, "SELECT event_key, reason FROM leat_parked",
           "big|it needs more than the 64 MiB that an event may have\n");
    test_free(value);
    end(&w);
}

/* A definition may want what is stored. */
TEST_WORLD(projection_sees_events_as_they_are_stored_if_it_says_so)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct store store = {.version = 1, .text = renamed};
    const struct proj_upcasts upcasts = {&store, version_of, texts_of};
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    w.upcasts = &upcasts;
    worst_topic_make(w.log, "es.old", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    assert_int_equal(world_command(&w, PROJ_APPLY,
                                   "projection: sums\n"
                                   "source: { category: old, as_stored: true }\n"
                                   "target: \"sqlite:views.db\"\n"
                                   "tables:\n"
                                   "  keys: { columns: { k: text, type: text }, key: k }\n"
                                   "maps:\n"
                                   "  - type: \"*\"\n"
                                   "    upsert: { table: keys, key: { k: $key }, set: { type: "
                                   "$type } }\n",
                                   &ec),
                     ERR_OK);
    (void)say(&w, "Added.v1", "{\"n\":5}");
    world_until(&w, world_settled, 60000);
    expect(&w, "SELECT * FROM keys", "k1|Added.v1\n");
    world_stop(&w, 0);
    world_deinit(&w);
}

static enum err once_more(void *ctx)
{
    struct world *w = ctx;
    struct proj *p = w->nodes[0].proj;
    ((struct store *)w->upcasts->ctx)->version++; /* so that they are compiled anew */
    struct upcasts *u = upcasts_now(p);
    if (u == NULL) {
        return ERR_NO_MEMORY;
    }
    struct arena a;
    struct ectx ec = {0};
    struct json *data = NULL;
    struct envelope envelope;
    struct mapping_upcasted *made = NULL;
    size_t count = 0;
    arena_init(&a, 1u << 20);
    envelope_init(&envelope);
    envelope.type = STR_LIT("Added.v1");
    enum err e = json_parse(STR_LIT("{\"n\":5,\"fee\":1}"), NULL, &a, &data, NULL);
    const struct mapping_event event = {.envelope = &envelope, .data = data};
    e = e != ERR_OK ? e : upcasts_make(u, &event, &a, &made, &count, &ec);
    if (e == ERR_OK) {
        assert_int_equal(count, 3);
    } else {
        assert_int_equal(e, ERR_NO_MEMORY);
    }
    arena_deinit(&a);
    upcasts_unref(u);
    return e;
}

/* Without memory for them there are none, and what reads the event store waits: with the next
 * attempt it goes on. */
TEST_WORLD(upcasts_survive_every_failing_allocation)
{
    struct world w;
    struct store store = {.text = split, .second = NULL};
    const struct proj_upcasts upcasts = {&store, version_of, texts_of};
    begin(&w, &store, &upcasts, definition);
    test_each_failing_alloc(once_more, &w);
    (void)say(&w, "Added.v1", "{\"n\":2,\"fee\":3}");
    world_until(&w, world_settled, 60000);
    expect(&w, "SELECT * FROM keys", "k1|20|3\n");
    /* The last attempt fails: nothing is applied in its old form. */
    store.version++;
    test_fail_alloc(1);
    assert_null(upcasts_now(w.nodes[0].proj));
    assert_true(test_fail_alloc_end());
    (void)say(&w, "Added.v1", "{\"n\":1}");
    world_until(&w, world_settled, 60000);
    expect(&w, "SELECT * FROM keys", "k1|30|3\n");
    end(&w);
}
