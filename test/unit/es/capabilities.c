/* What the event store asks of its engine: on one that is Kafka's it does not begin. */
#include "es_world.h"

/* Without one order a tag query would pass what it must not; without sequences so would an
 * expectation. It says who needs what, and nothing is made. */
TEST(an_engine_without_what_the_event_store_needs_is_refused_by_name)
{
    static const struct {
        unsigned lacks;
        const char *says;
    } cases[] = {{ENGINE_GLOBAL_ORDER, "the event store needs one order"},
                 {ENGINE_SEQUENCES, "the event store needs sequences"},
                 {ENGINE_GLOBAL_ORDER | ENGINE_SEQUENCES | ENGINE_GATE | ENGINE_REWRITE,
                  "the event store needs one order sequences"}};
    struct es_world w;
    es_world_init(&w, 31);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct es *es = NULL;
        struct ectx ec = {.code = ERR_OK};
        fake_engine_lack(w.engine, cases[i].lacks);
        assert_int_equal(es_create(w.engine, &w.config, w.metrics, "/other", &es, &ec),
                         ERR_UNSUPPORTED_VERSION);
        assert_null(es);
        assert_int_equal(ec.code, ERR_UNSUPPORTED_VERSION);
        assert_non_null(strstr(ec.text, cases[i].says));
        assert_non_null(strstr(ec.text, "'fake'"));
    }
    fake_engine_lack(w.engine, 0);
    es_world_deinit(&w);
}

/* What is only of use is not asked for: a redaction hides then, and says that it could not erase.
 */
TEST(without_a_gate_and_rewrites_the_event_store_says_what_it_cannot_do)
{
    struct es_world w;
    es_world_init(&w, 32);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a"), "ok 0-0");
    fake_engine_lack(w.engine, ENGINE_GATE | ENGINE_REWRITE);
    es_world_restart(&w, ES_WORLD_CLEAN);
    assert_string_equal(es_world_append(&w, "order-1", "0", "b"), "ok 1-1");
    struct es_stream_change c = {
        .kind = ES_CHANGE_REDACT, .stream = STR_LIT("order-1"), .reason = STR_LIT("asked for")};
    assert_int_equal(es_world_change(&w, &c), ES_OK);
    assert_false(c.erased);
    assert_non_null(strstr(c.ec.text, "the engine 'fake' cannot replace what it has stored"));
    es_world_deinit(&w);
}
