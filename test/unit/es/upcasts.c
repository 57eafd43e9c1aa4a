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
    assert_string_equal(ec.text, "new.yaml: a second step from 'A.v1': the upcasts 'one' have one");
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
