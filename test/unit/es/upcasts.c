/* Files of upcasts that speak of one type: a second is refused; of those that were there, the first
 * by name is taken, as projections take it. */
#include <stdio.h>

#include "es_world.h"

static void on_define(struct es_define *d)
{
    *(bool *)d->ctx = true;
}

static void define_begin(struct es_world *w, struct es_define *d, const char *name,
                         const char *text, bool *done)
{
    *done = false;
    *d = (struct es_define){.kind = ES_UPCASTS,
                            .name = str_of(name),
                            .text = text == NULL ? STR_NULL : str_of(text),
                            .file = STR_LIT("new.yaml"),
                            .arena = &w->arena,
                            .done = on_define,
                            .ctx = done};
    es_define(w->es, d);
}

static enum es_problem define(struct es_world *w, const char *name, const char *text,
                              struct ectx *ec)
{
    struct es_define d;
    bool done;
    define_begin(w, &d, name, text, &done);
    es_world_settle(w);
    assert_true(done);
    *ec = d.ec;
    return d.problem;
}

/* "TYPE DATA" of what an event of type A.v1 is read as. */
static const char *upcast(struct es_world *w, char *out, size_t size)
{
    struct es_event e = {.stream = STR_LIT("s-1"), .data = STR_LIT("{}"), .topic = STR_LIT("es.s")};
    struct es_event *forms = NULL;
    struct ectx ec;
    size_t count = 0;
    envelope_init(&e.envelope);
    e.envelope.id = STR_LIT("1");
    e.envelope.type = STR_LIT("A.v1");
    assert_int_equal(es_upcast(w->es, &e, &w->arena, &forms, &count, &ec), ERR_OK);
    assert_true(count <= 1);
    (void)snprintf(out, size, "%.*s", STR(count == 0 ? e.envelope.type : forms[0].envelope.type));
    return out;
}

#define FROM_A_TO(to) "upcasts: [ { from: A.v1, to: " to " } ]\n"

TEST(a_second_file_of_upcasts_from_one_type_is_refused)
{
    struct es_world w;
    struct ectx ec;
    struct es_define first, second;
    bool first_done, second_done;
    char got[100];
    es_world_init(&w, 1);
    assert_int_equal(define(&w, "one", FROM_A_TO("One.v1"), &ec), ES_OK);
    assert_int_equal(define(&w, "two",
                            "upcasts:\n"
                            "  - { from: B.v1, to: B.v2 }\n"
                            "  - { from: A.v1, to: Two.v1 }\n",
                            &ec),
                     ES_DEFINITION_INVALID);
    assert_string_equal(
        ec.text, "new.yaml:3:13: a second step from 'A.v1': the upcasts 'one' have one, in line 1");
    assert_string_equal(upcast(&w, got, sizeof(got)), "One.v1");
    /* It may be replaced, stand beside others, and make room. */
    assert_int_equal(define(&w, "one", FROM_A_TO("Other.v1"), &ec), ES_OK);
    assert_string_equal(upcast(&w, got, sizeof(got)), "Other.v1");
    assert_int_equal(define(&w, "two", "upcasts: [ { from: A.v2, to: Two.v1 } ]\n", &ec), ES_OK);
    assert_int_equal(define(&w, "one", NULL, &ec), ES_OK);
    assert_int_equal(define(&w, "two", FROM_A_TO("Two.v1"), &ec), ES_OK);
    assert_string_equal(upcast(&w, got, sizeof(got)), "Two.v1");
    /* Two at once: the one that came first. */
    assert_int_equal(define(&w, "two", NULL, &ec), ES_OK);
    define_begin(&w, &first, "f", FROM_A_TO("F.v1"), &first_done);
    define_begin(&w, &second, "e", FROM_A_TO("E.v1"), &second_done);
    es_world_settle(&w);
    assert_true(first_done && second_done);
    assert_int_equal(first.problem, ES_OK);
    assert_int_equal(second.problem, ES_DEFINITION_INVALID);
    assert_string_equal(upcast(&w, got, sizeof(got)), "F.v1");
    es_world_deinit(&w);
}

/* Two at once, the first of which takes the place of a file: the second goes with what comes and
 * with what there is, for the first may fail. */
TEST(upcasts_go_with_those_that_are_on_their_way)
{
    static const struct {
        const char *first, *second;
        enum es_problem problem;
    } cases[] = {
        {FROM_A_TO("B.v1"), "upcasts: [ { from: B.v1, to: A.v1 } ]\n", ES_DEFINITION_INVALID},
        {"upcasts: [ { from: B.v1, to: B.v2 } ]\n", "upcasts: [ { from: B.v1, to: C.v1 } ]\n",
         ES_DEFINITION_INVALID},
        {"upcasts: [ { from: B.v1, to: B.v2 } ]\n", FROM_A_TO("C.v1"), ES_DEFINITION_INVALID},
        {FROM_A_TO("B.v1"), "upcasts: [ { from: B.v1, to: B.v2 } ]\n", ES_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct es_world w;
        struct ectx ec;
        struct es_define first, second;
        bool first_done, second_done;
        es_world_init(&w, 1);
        assert_int_equal(define(&w, "f", FROM_A_TO("A.v2"), &ec), ES_OK);
        define_begin(&w, &first, "f", cases[i].first, &first_done);
        define_begin(&w, &second, "e", cases[i].second, &second_done);
        es_world_settle(&w);
        assert_true(first_done && second_done);
        assert_int_equal(first.problem, ES_OK);
        assert_int_equal(second.problem, cases[i].problem);
        es_world_deinit(&w);
    }
}

/* Steps go on from file to file; what leads in a circle through several is refused. */
TEST(upcasts_of_several_files_are_one_chain)
{
    struct es_world w;
    struct ectx ec;
    char got[100];
    es_world_init(&w, 1);
    assert_int_equal(define(&w, "z", FROM_A_TO("A.v2"), &ec), ES_OK);
    assert_int_equal(define(&w, "b", "upcasts: [ { from: A.v3, to: A.v4 } ]\n", &ec), ES_OK);
    assert_string_equal(upcast(&w, got, sizeof(got)), "A.v2");
    assert_int_equal(define(&w, "m", "upcasts: [ { from: A.v2, to: A.v3 } ]\n", &ec), ES_OK);
    assert_string_equal(upcast(&w, got, sizeof(got)), "A.v4");
    assert_int_equal(define(&w, "c", "upcasts: [ { from: A.v4, to: A.v1 } ]\n", &ec),
                     ES_DEFINITION_INVALID);
    assert_string_equal(ec.text,
                        "new.yaml:1:12: the steps from 'A.v4' lead back to it: A.v4 -> A.v1 ('z') "
                        "-> A.v2 ('m') -> A.v3 ('b') -> A.v4");
    /* What takes the place of one is not held against it. */
    assert_int_equal(define(&w, "m", "upcasts: [ { from: A.v2, to: B.v1 } ]\n", &ec), ES_OK);
    assert_string_equal(upcast(&w, got, sizeof(got)), "B.v1");
    assert_int_equal(define(&w, "c", "upcasts: [ { from: A.v4, to: A.v1 } ]\n", &ec), ES_OK);
    es_world_restart(&w, ES_WORLD_CLEAN);
    assert_string_equal(upcast(&w, got, sizeof(got)), "B.v1");
    assert_int_equal(define(&w, "m", NULL, &ec), ES_OK);
    assert_string_equal(upcast(&w, got, sizeof(got)), "A.v2");
    es_world_deinit(&w);
}

/* Two that are on their way at once may close a circle, too. */
TEST(upcasts_on_their_way_count)
{
    struct es_world w;
    struct ectx ec;
    struct es_define first, second;
    bool first_done, second_done;
    char got[100];
    es_world_init(&w, 1);
    assert_int_equal(define(&w, "a", FROM_A_TO("A.v2"), &ec), ES_OK);
    define_begin(&w, &first, "b", "upcasts: [ { from: A.v2, to: A.v3 } ]\n", &first_done);
    define_begin(&w, &second, "c", "upcasts: [ { from: A.v3, to: A.v1 } ]\n", &second_done);
    es_world_settle(&w);
    assert_true(first_done && second_done);
    assert_int_equal(first.problem, ES_OK);
    assert_int_equal(second.problem, ES_DEFINITION_INVALID);
    assert_string_equal(upcast(&w, got, sizeof(got)), "A.v3");
    es_world_deinit(&w);
}

static void on_checked(struct es_upcast_check *c)
{
    *(bool *)c->ctx = true;
}

static struct es_upcast_check check(struct es_world *w, const char *name, const char *text)
{
    bool done = false;
    struct es_upcast_check c = {.name = str_of(name),
                                .text = str_of(text),
                                .file = STR_LIT("try.yaml"),
                                .arena = &w->arena,
                                .done = on_checked,
                                .ctx = &done};
    es_upcast_check(w->es, &c);
    es_world_settle(w);
    assert_true(done);
    return c;
}

static void say(struct es_world *w, const char *type)
{
    struct es_shot *s = es_shot_make("s-1", "any", NULL);
    es_shot_add(s, "s-1", "-", "{\"n\":1}");
    s->events[0].envelope.type = str_of(type);
    es_shot_go(w, s);
    es_world_settle(w);
    assert_int_equal(s->a.problem, ES_OK);
    es_shot_free(s);
}

/* On trial they stand beside what is declared: clashes are told, chains are followed. */
TEST(upcasts_on_trial_go_together_with_those_that_are_declared)
{
    struct es_world w;
    struct ectx ec;
    es_world_init(&w, 1);
    static const char *const types[] = {"A.v1", "A.v1", "A.v2", "A.v3", "B.v1", "B.v2"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        say(&w, types[i]);
    }
    assert_int_equal(define(&w, "one",
                            "upcasts:\n"
                            "  - { from: A.v1, to: A.v2 }\n"
                            "  - { from: B.v1, to: B.v2, set: { /data/x: /data/y * 2 } }\n",
                            &ec),
                     ES_OK);
    struct es_upcast_check c = check(&w, "two", FROM_A_TO("A.v9"));
    assert_int_equal(c.problem, ES_DEFINITION_INVALID);
    assert_string_equal(c.ec.text,
                        "try.yaml:1:20: a second step from 'A.v1': the upcasts 'one' have one, in "
                        "line 2");
    c = check(&w, "two", "upcasts: [ { from: A.v2, to: A.v1 } ]\n");
    assert_int_equal(c.problem, ES_DEFINITION_INVALID);
    /* In the place of what is declared. */
    c = check(&w, "one", FROM_A_TO("A.v9"));
    assert_int_equal(c.problem, ES_OK);
    assert_int_equal(c.upcast, 2);
    /* What comes through other steps alone is not looked at (B.v1 could not be read). */
    c = check(&w, "two", "upcasts: [ { from: A.v2, to: A.v3, set: { /data/m: /data/n } } ]\n");
    assert_int_equal(c.problem, ES_OK);
    assert_int_equal(c.events, 6);
    assert_int_equal(c.upcast, 3);
    assert_int_equal(c.made, 3);
    assert_int_equal(c.failed, 0);
    c = check(&w, "two", "upcasts: [ { from: A.v2, to: A.v3, set: { /data/m: /data/o + 1 } } ]\n");
    assert_int_equal(c.failed, 3);
    assert_string_equal(c.failures[0].reason.p, "upcast from A.v2 to A.v3: /data/o is not there, "
                                                "and a number is needed");
    es_world_deinit(&w);
}

static void on_appended(struct engine_append *a)
{
    *(bool *)a->ctx = true;
}

/* As a build that did not refuse has written them. */
static void write_definition(struct es_world *w, int n)
{
    char key[40];
    char value[200];
    bool done = false;
    (void)snprintf(key, sizeof(key), "upcasts/n%d", n);
    (void)snprintf(value, sizeof(value),
                   "{\"text\":\"upcasts: [ { from: A.v1, to: N%d.v1 } ]\",\"file\":\"\"}", n);
    struct engine_record r = {.key = str_of(key), .value = str_of(value), .timestamp_ms = -1};
    struct engine_part part = {.topic = STR_LIT(ES_DEFINITIONS_TOPIC), .records = &r, .count = 1};
    struct engine_append a = {.parts = &part, .part_count = 1, .done = on_appended, .ctx = &done};
    engine_append(w->engine, &a);
    es_world_settle(w);
    assert_true(done);
    assert_int_equal(a.err, ERR_OK);
}

TEST(of_two_files_of_upcasts_the_first_by_name_is_taken)
{
    struct es_world w;
    struct ectx ec;
    char got[100];
    char want[100];
    char name[20];
    es_world_init(&w, 1);
    for (int i = 0; i < 8; i++) {
        write_definition(&w, i * 5 % 8);
    }
    es_world_restart(&w, ES_WORLD_CLEAN);
    for (int i = 0; i < 8; i++) {
        (void)snprintf(want, sizeof(want), "N%d.v1", i);
        assert_string_equal(upcast(&w, got, sizeof(got)), want);
        (void)snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(define(&w, name, NULL, &ec), ES_OK);
    }
    assert_string_equal(upcast(&w, got, sizeof(got)), "A.v1");
    es_world_deinit(&w);
}
