/*
 * Queries as a consistency boundary: against brute force, over many entries, and an item without
 * types and tags, which any event matches.
 */
#include <stdio.h>

#include "es_world.h"

#define START ((struct es_position){0, 0})

/* ---- Any event ---- */

/* "ok", or where and what it met: "append-conflict 0 Happened". */
static const char *any_after(struct es_world *w, const char *stream, struct es_position after,
                             struct es_position *met)
{
    static char out[128];
    struct es_shot *s = es_shot_make(stream, NULL, "-");
    es_shot_query(s, "", "", after);
    es_shot_go(w, s);
    es_world_settle(w);
    snprintf(out, sizeof(out), "%s", es_shot_said(s));
    *met = s->a.position;
    if (s->a.violation_count > 0) {
        *met = s->a.violations[0].first_match;
        assert_true(str_eq_z(s->a.violations[0].match_type, "Happened"));
    }
    es_shot_free(s);
    return out;
}

static struct es_position appended(struct es_world *w, const char *stream)
{
    struct es_shot *s = es_shot_make(stream, NULL, "-");
    es_shot_go(w, s);
    es_world_settle(w);
    assert_int_equal(s->a.problem, ES_OK);
    struct es_position at = s->a.position;
    es_shot_free(s);
    return at;
}

TEST(an_item_without_types_and_tags_is_about_any_event)
{
    for (int how = 0; how < 5; how++) {
        struct es_world w;
        struct es_position met, first, second, third;
        es_world_init(&w, how == 4 ? ES_WORLD_SLOW : 11);
        fake_engine_set_late(w.engine, how == 3 ? 1 : 0);
        assert_string_equal(any_after(&w, "order-1", START, &first), "ok 0-0");
        assert_string_equal(any_after(&w, "order-2", START, &met), "append-conflict");
        assert_int_equal(es_position_cmp(met, first), 0);
        second = appended(&w, "seat-1");
        third = appended(&w, "order-3");
        if (how < 3) {
            es_world_restart(&w, (enum es_world_how)how);
        }
        /* Of those behind the position, the first. */
        assert_string_equal(any_after(&w, "order-2", START, &met), "append-conflict");
        assert_int_equal(es_position_cmp(met, first), 0);
        assert_string_equal(any_after(&w, "order-2", first, &met), "append-conflict");
        assert_int_equal(es_position_cmp(met, second), 0);
        assert_string_equal(any_after(&w, "order-2", second, &met), "append-conflict");
        assert_int_equal(es_position_cmp(met, third), 0);
        /* Behind the last event there is none, as of now. */
        assert_string_equal(any_after(&w, "order-2", third, &met), "ok 0-0");
        assert_true(es_position_cmp(met, third) > 0);
        assert_string_equal(any_after(&w, "order-2", third, &second), "append-conflict");
        assert_int_equal(es_position_cmp(met, second), 0);
        es_world_deinit(&w);
    }
}

static void changed(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

/* Facts are no events, and what the end of the log is after a restart is not known in memory: it is
 * looked up once. */
TEST(any_event_means_events_alone)
{
    struct es_world w;
    struct es_position met;
    bool done = false;
    es_world_init(&w, 12);
    struct es_position last = appended(&w, "order-1");
    struct es_stream_change c = {.kind = ES_CHANGE_SET,
                                 .stream = STR_LIT("order-1"),
                                 .set_max_count = true,
                                 .max_count = 7,
                                 .arena = &w.arena,
                                 .done = changed,
                                 .ctx = &done};
    es_stream_change(w.es, &c);
    es_world_settle(&w);
    assert_true(done);
    assert_int_equal(c.problem, ES_OK);
    es_world_restart(&w, ES_WORLD_CLEAN);
    assert_true(es_position_cmp(es_head(w.es), last) > 0);
    for (int i = 0; i < 2; i++) {
        struct es_shot *s = es_shot_make(NULL, NULL, NULL); /* only checks */
        uint64_t reads = fake_engine_reads(w.engine);
        es_shot_query(s, "", "", last);
        es_shot_go(&w, s);
        es_world_settle(&w);
        assert_int_equal(s->a.problem, ES_OK);
        assert_int_equal(fake_engine_reads(w.engine) == reads, i > 0);
        es_shot_free(s);
    }
    /* That there was nothing behind the last one says nothing of what is before. */
    assert_string_equal(any_after(&w, "order-2", START, &met), "append-conflict");
    assert_int_equal(es_position_cmp(met, last), 0);
    assert_string_equal(any_after(&w, "order-2", last, &met), "ok 0-0");
    es_world_deinit(&w);
}

TEST(any_event_sees_what_is_in_flight_and_one_of_many_wins)
{
    enum { WRITERS = 40 };
    struct es_world w;
    struct es_shot *s[WRITERS];
    char stream[32];
    int won = 0;
    es_world_init(&w, 13);
    struct es_position last = appended(&w, "order-1");
    es_world_restart(&w, ES_WORLD_CLEAN);
    fake_engine_set_late(w.engine, 2);
    for (int i = 0; i < WRITERS; i++) {
        snprintf(stream, sizeof(stream), "seat-%d", i);
        s[i] = es_shot_make(stream, NULL, "-");
        es_shot_query(s[i], "", "", last);
        es_shot_go(&w, s[i]);
    }
    es_world_settle(&w);
    for (int i = 0; i < WRITERS; i++) {
        assert_true(s[i]->ended);
        won += s[i]->a.problem == ES_OK;
        if (s[i]->a.problem != ES_OK) {
            assert_string_equal(es_shot_said(s[i]), "append-conflict");
            assert_true(es_position_cmp(s[i]->a.violations[0].first_match, last) > 0);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        es_shot_free(s[i]);
    }
    assert_int_equal(won, 1);
    es_world_deinit(&w);
}

/* ---- What readers no longer get ---- */

static void change_order(struct es_world *w, struct es_stream_change c)
{
    bool done = false;
    c.stream = STR_LIT("order-1");
    c.arena = &w->arena;
    c.done = changed;
    c.ctx = &done;
    es_stream_change(w->es, &c);
    es_world_settle(w);
    assert_true(done);
    assert_int_equal(c.problem, ES_OK);
}

static void still_met(struct es_world *w, struct es_position at)
{
    for (int i = 0; i < 2; i++) {
        struct es_shot *s = es_shot_make("seat-1", NULL, "-");
        es_shot_query(s, "", "seat:7", i == 0 ? START : at);
        es_shot_go(w, s);
        es_world_settle(w);
        assert_string_equal(es_problem_code(s->a.problem), i == 0 ? "append-conflict" : "ok");
        if (i == 0) {
            assert_int_equal(es_position_cmp(s->a.violations[0].first_match, at), 0);
        }
        es_shot_free(s);
    }
}

/* A condition counts what has happened: a fact of the log stays one when it is redacted, truncated,
 * or its stream deleted, before and after a restart. */
TEST(what_is_hidden_from_readers_has_happened)
{
    static const struct es_stream_change changes[] = {
        {.kind = ES_CHANGE_REDACT, .revision = 1, .reason = {"asked for", 9}},
        {.kind = ES_CHANGE_SET, .set_truncate_before = true, .truncate_before = 3},
        {.kind = ES_CHANGE_SOFT_DELETE},
        {.kind = ES_CHANGE_TOMBSTONE},
    };
    struct es_world w;
    es_world_init(&w, 14);
    struct es_shot *s = es_shot_make("order-1", NULL, "a b c d");
    es_shot_tag(s, 1, "seat:7");
    es_shot_go(&w, s);
    es_world_settle(&w);
    const struct es_position at = {s->a.position.commit, 1};
    es_shot_free(s);
    still_met(&w, at);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        change_order(&w, changes[i]);
        still_met(&w, at);
        es_world_restart(&w, i % 2 == 0 ? ES_WORLD_REBUILD : ES_WORLD_CLEAN);
        still_met(&w, at);
    }
    es_world_deinit(&w);
}

/* ---- Many entries ---- */

enum { BULK = 10000, MANY = 200000 };
struct bulk {
    struct arena arena;
    struct es_append a;
    bool ended;
};

static void bulk_done(struct es_append *a)
{
    *(bool *)a->ctx = true;
}

/* MANY events with tag `all`, and alternately `even` and `odd`; every 5th is of type B, others A.
 * The types Rare and Other are of events without a tag. */
static struct es_position fill(struct es_world *w)
{
    static const struct str even[] = {{"all", 3}, {"even", 4}}, odd[] = {{"all", 3}, {"odd", 3}};
    struct es_position last = START;
    for (int i = 0; i < MANY / BULK; i++) {
        struct bulk *b = test_calloc(1, sizeof(*b));
        arena_init(&b->arena, 64 << 20);
        struct es_new_event *events = arena_new_n(&b->arena, struct es_new_event, BULK);
        for (int k = 0; k < BULK; k++) {
            struct es_new_event *x = &events[k];
            envelope_init(&x->envelope);
            x->stream = STR_LIT("bulk-1");
            x->envelope.type = k % 5 == 0 ? STR_LIT("B") : STR_LIT("A");
            x->data = STR_LIT("1");
            x->tags = k % 2 == 0 ? even : odd;
            x->tag_count = 2;
        }
        events[BULK / 2].tag_count = 0;
        events[BULK / 2].envelope.type = STR_LIT("Rare");
        b->a = (struct es_append){.events = events,
                                  .event_count = BULK,
                                  .arena = &b->arena,
                                  .done = bulk_done,
                                  .ctx = &b->ended};
        es_append(w->es, &b->a);
        es_world_settle(w);
        assert_true(b->ended);
        assert_int_equal(b->a.problem, ES_OK);
        last = b->a.position;
        arena_deinit(&b->arena);
        test_free(b);
    }
    es_world_flush(w);
    return last;
}

/* Turns of the loop until it is answered; in each, an append to another stream is answered too. */
static int turns(struct es_world *w, struct es_shot *s, size_t *flights)
{
    int n = 0;
    int others = 0;
    struct es_shot *other = NULL;
    es_shot_go(w, s);
    while (!s->ended) {
        if (other != NULL && other->ended) {
            assert_int_equal(other->a.problem, ES_OK);
            es_shot_free(other);
            other = NULL;
            others++;
        }
        if (other == NULL && !s->ended) {
            other = es_shot_make("other-1", NULL, "- - - - - - - -");
            es_shot_go(w, other);
        }
        assert_true(++n < 100000);
        assert_true(w->es->writer->walks_running <= ES_WALKS_RUNNING);
        *flights = w->es->writer->flight_count > *flights ? w->es->writer->flight_count : *flights;
        es_tick(w->es);
        env_poll_run(w->poll, 0);
    }
    es_world_settle(w);
    if (other != NULL) {
        es_shot_free(other);
    }
    assert_true(n < 20 || others > n / 20);
    return n;
}

static struct es_shot *query_of(const char *stream, const char *types, const char *tags,
                                struct es_position after)
{
    struct es_shot *s = es_shot_make(stream, NULL, "-");
    es_shot_query(s, types, tags, after);
    return s;
}

/* The answer is without bound, the loop goes on meanwhile, and little is held. */
static void long_query(struct es_world *w, struct es_position last)
{
    size_t flights = 0;
    struct es_shot *s = query_of("seat-1", "", "even odd", START);
    int n = turns(w, s, &flights);
    assert_string_equal(es_shot_said(s), "ok 0-0");
    assert_true(n > 100);
    assert_true(flights < 2000); /* no memo: what ended was let go */
    es_shot_free(s);
    /* By tag and a type that no event with the tag has: the types set the pace. */
    s = query_of("seat-2", "Rare Other", "all", START);
    n = turns(w, s, &flights);
    assert_string_equal(es_shot_said(s), "ok 0-0");
    assert_true(n < 200);
    es_shot_free(s);
    s = query_of("seat-3", "B", "odd even", last);
    n = turns(w, s, &flights);
    assert_string_equal(es_shot_said(s), "ok 0-0");
    assert_true(n < 20);
    es_shot_free(s);
    s = query_of("seat-4", "B A", "all odd", last);
    n = turns(w, s, &flights);
    assert_string_equal(es_shot_said(s), "ok 0-0");
    es_shot_free(s);
    s = query_of("seat-5", "Rare B", "odd all", START);
    n = turns(w, s, &flights);
    assert_string_equal(es_shot_said(s), "append-conflict");
    es_shot_free(s);
}

static void until_walked(struct es_world *w, size_t count)
{
    for (int i = 0; i < 1000 && w->es->writer->walk_count < count; i++) {
        es_tick(w->es);
        env_poll_run(w->poll, 0);
    }
    assert_int_equal(w->es->writer->walk_count, count);
}

static void typed(struct es_shot *s, const char *type)
{
    s->events[0].envelope.type = str_of(type);
}

/* An event that matches comes while the query is walked: it is refused for that. */
static void conflict_meanwhile(struct es_world *w, int when)
{
    char type[16];
    snprintf(type, sizeof(type), "After%d", when);
    struct es_shot *s = query_of("seat-6", type, "even odd", START);
    struct es_shot *event = es_shot_make("seat-7", NULL, "-");
    es_shot_tag(event, 0, "odd even");
    typed(event, type);
    es_shot_go(w, s);
    until_walked(w, 1);
    for (int i = 0; i < when; i++) {
        es_tick(w->es);
        env_poll_run(w->poll, 0);
    }
    assert_false(s->ended);
    es_shot_go(w, event);
    es_world_settle(w);
    assert_int_equal(event->a.problem, ES_OK);
    assert_string_equal(es_shot_said(s), "append-conflict");
    assert_int_equal(es_position_cmp(s->a.violations[0].first_match, event->a.position), 0);
    assert_true(str_eq_z(s->a.violations[0].match_type, type));
    es_shot_free(s);
    es_shot_free(event);
}

/* A query that was done while another was walked is looked at again. */
static void other_query_meanwhile(struct es_world *w)
{
    struct es_shot *s = query_of("seat-8", "", "quick", START);
    struct es_shot *event = es_shot_make("seat-9", NULL, "-");
    es_shot_query(s, "Never", "even odd", START);
    es_shot_tag(event, 0, "quick");
    es_shot_go(w, s);
    until_walked(w, 1);
    es_shot_go(w, event);
    es_world_settle(w);
    assert_int_equal(event->a.problem, ES_OK);
    assert_string_equal(es_shot_said(s), "append-conflict");
    assert_int_equal(s->a.violation_count, 1);
    assert_int_equal(s->a.violations[0].check, 0);
    es_shot_free(s);
    es_shot_free(event);
}

/* Forty at once, each with an event that the others' queries match: exactly one wins. */
static void one_wins(struct es_world *w, struct es_position after)
{
    enum { WRITERS = 40 };
    struct es_shot *s[WRITERS];
    char stream[32];
    int won = 0;
    for (int i = 0; i < WRITERS; i++) {
        snprintf(stream, sizeof(stream), "win-%d", i);
        s[i] = query_of(stream, "Won", "even odd", START);
        es_shot_tag(s[i], 0, "even odd");
        typed(s[i], "Won");
        es_shot_go(w, s[i]);
    }
    until_walked(w, WRITERS);
    assert_int_equal(w->es->writer->walks_running, ES_WALKS_RUNNING);
    es_world_settle(w);
    for (int i = 0; i < WRITERS; i++) {
        assert_true(s[i]->ended);
        won += s[i]->a.problem == ES_OK;
        if (s[i]->a.problem != ES_OK) {
            assert_string_equal(es_shot_said(s[i]), "append-conflict");
            assert_true(es_position_cmp(s[i]->a.violations[0].first_match, after) > 0);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        es_shot_free(s[i]);
    }
    assert_int_equal(won, 1);
}

/* Who waits is answered, by the problem with which all are. */
static void stopped(struct es_world *w)
{
    struct es_shot *s[6];
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        s[i] = query_of("seat-1", "Never", "even odd", START);
        es_shot_go(w, s[i]);
    }
    until_walked(w, ARRAY_LEN(s));
    assert_int_equal(w->es->writer->walks_running, ES_WALKS_RUNNING);
    es_world_restart(w, ES_WORLD_CLEAN);
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        assert_string_equal(es_shot_said(s[i]), "unavailable");
        es_shot_free(s[i]);
    }
}

static void clock_jumps(struct es_world *w)
{
    struct es_shot *s = query_of("seat-1", "Never", "even odd", START);
    es_shot_go(w, s);
    until_walked(w, 1);
    env_sim_advance_ns(w->env, ES_WALK_NS + 1);
    es_world_settle(w);
    assert_string_equal(es_shot_said(s), "busy");
    assert_int_equal(w->es->writer->walk_count, 0);
    es_shot_free(s);
}

TEST(a_query_over_many_entries_is_answered_while_the_loop_goes_on)
{
    static const int when[] = {0, 3, 100, 300};
    struct es_world w;
    es_world_init(&w, 21);
    struct es_position last = fill(&w);
    long_query(&w, last);
    for (size_t i = 0; i < ARRAY_LEN(when); i++) {
        conflict_meanwhile(&w, when[i]);
    }
    other_query_meanwhile(&w);
    one_wins(&w, last);
    clock_jumps(&w);
    stopped(&w);
    es_world_deinit(&w);
}

/* ---- Against brute force ---- */

enum { EVENTS = 160, QUERIES = 300, ITEMS = 3 };
struct known {
    struct es_position at;
    uint32_t type, tags; /* a bit for each tag */
};
struct random_item {
    uint32_t types, tags; /* bits */
};
static const char *const tag_names[] = {"t0", "t1", "t2", "t3", "t4"};
static const char *const type_names[] = {"A", "B", "C"};

static uint64_t rnd(uint64_t *rng, uint64_t below)
{
    *rng = *rng * 6364136223846793005u + 1442695040888963407u;
    return (*rng >> 33) % below;
}

static size_t names_of(uint32_t bits, const char *const *names, struct str *out)
{
    size_t n = 0;
    for (uint32_t i = 0; bits >> i != 0; i++) {
        if ((bits >> i & 1) != 0) {
            out[n++] = str_of(names[i]);
        }
    }
    return n;
}

static void known_append(struct es_world *w, uint64_t *rng, struct known *k)
{
    struct str tags[8];
    struct es_shot *s = es_shot_make(rnd(rng, 2) == 0 ? "order-1" : "seat-1", NULL, "-");
    k->type = (uint32_t)rnd(rng, 20) % 3 * (rnd(rng, 3) > 0);
    k->tags = (uint32_t)rnd(rng, 32) & (uint32_t)rnd(rng, 32);
    typed(s, type_names[k->type]);
    s->events[0].tags = tags;
    s->events[0].tag_count = names_of(k->tags, tag_names, tags);
    es_shot_go(w, s);
    es_world_settle(w);
    assert_int_equal(s->a.problem, ES_OK);
    k->at = s->a.position;
    es_shot_free(s);
}

static const struct known *first_match(const struct known *known, const struct random_item *items,
                                       size_t count, struct es_position after)
{
    for (size_t i = 0; i < EVENTS; i++) {
        const struct known *k = &known[i];
        for (size_t n = 0; n < count && es_position_cmp(k->at, after) > 0; n++) {
            bool type = items[n].types == 0 || (items[n].types >> k->type & 1) != 0;
            if (type && (k->tags & items[n].tags) == items[n].tags) {
                return k;
            }
        }
    }
    return NULL;
}

static void ask_one(struct es_world *w, uint64_t *rng, const struct known *known, size_t *met)
{
    struct random_item random[ITEMS];
    struct es_query_item items[ITEMS];
    struct str names[ITEMS][2][8];
    const size_t count = 1 + rnd(rng, ITEMS);
    for (size_t i = 0; i < count; i++) {
        random[i].types = (uint32_t)rnd(rng, 8) & (uint32_t)rnd(rng, 8);
        random[i].tags = (uint32_t)(rnd(rng, 8) == 0 ? 0 : rnd(rng, 32) | rnd(rng, 32));
        items[i].types = names[i][0];
        items[i].type_count = names_of(random[i].types, type_names, names[i][0]);
        items[i].tags = names[i][1];
        items[i].tag_count = names_of(random[i].tags, tag_names, names[i][1]);
    }
    struct es_position after = rnd(rng, 4) == 0 ? START : known[rnd(rng, EVENTS)].at;
    struct es_check check = {
        .kind = ES_CHECK_QUERY, .items = items, .item_count = count, .after = after};
    struct es_shot *s = es_shot_make(NULL, NULL, NULL);
    s->a.checks = &check;
    s->a.check_count = 1;
    es_shot_go(w, s);
    es_world_settle(w);
    const struct known *k = first_match(known, random, count, after);
    assert_string_equal(es_problem_code(s->a.problem), k == NULL ? "ok" : "append-conflict");
    if (k != NULL) {
        assert_int_equal(es_position_cmp(s->a.violations[0].first_match, k->at), 0);
        assert_true(str_eq_z(s->a.violations[0].match_type, type_names[k->type]));
    }
    *met += k != NULL;
    es_shot_free(s);
}

/* In one turn, and walked (`walk_soon`), with the entries in memory and on disk. */
TEST(queries_answer_as_brute_force_does)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct es_world w;
        struct known known[EVENTS];
        uint64_t rng = seed;
        size_t met = 0;
        es_world_init(&w, seed == 4 ? ES_WORLD_SLOW : seed);
        for (size_t i = 0; i < EVENTS; i++) {
            known_append(&w, &rng, &known[i]);
            if (i == EVENTS / 2 && seed != 1) {
                es_world_flush(&w);
            }
        }
        if (seed == 3) {
            es_world_restart(&w, ES_WORLD_CLEAN);
        }
#ifdef LEAT_DEBUG
        es_faults.walk_soon = seed > 1;
#endif
        for (size_t i = 0; i < QUERIES; i++) {
            ask_one(&w, &rng, known, &met);
        }
#ifdef LEAT_DEBUG
        es_faults.walk_soon = false;
#endif
        assert_true(met > QUERIES / 4 && met < QUERIES * 9 / 10);
        es_world_deinit(&w);
    }
}

#ifdef LEAT_DEBUG
/* ---- An append of which the index has only a part ---- */

/* Two parts, events of both in turn: what the index lacks lies before what it has. */
static struct es_shot *part_put(struct es_world *w, size_t others)
{
    struct es_shot *s = es_shot_make(NULL, NULL, NULL);
    s->a.events = s->events = arena_new_n(&s->arena, struct es_new_event, others + 2);
    es_shot_add(s, "order-1", "-", "1");
    for (size_t i = 1; i <= others; i++) {
        es_shot_add(s, "seat-1", "-", "1");
        es_shot_tag(s, i, "t");
    }
    es_shot_add(s, "order-1", "-", "1");
    es_shot_tag(s, others + 1, "t");
    typed(s, "Begun");
    s->events[others + 1].envelope.type = STR_LIT("Wanted");
    es_faults.put_stops = true;
    es_shot_go(w, s);
    es_world_settle(w);
    assert_string_equal(es_shot_said(s), "waits");
    return s;
}

/* Its first part's second event matches, and is refused for, when the rest comes beside a walk. */
static void refused_for_the_rest(struct es_world *w, struct es_shot *s, struct es_shot *part)
{
    es_shot_go(w, s);
    assert_int_equal(w->es->writer->walk_count, 1);
    es_faults.put_stops = false;
    es_world_settle(w);
    assert_int_equal(part->a.problem, ES_OK);
    assert_string_equal(es_shot_said(s), "append-conflict");
    assert_int_equal(s->a.violation_count, 1);
    assert_int_equal(s->a.violations[0].check, 0);
    assert_true(str_eq_z(s->a.violations[0].match_type, "Wanted"));
    assert_true(es_position_cmp(s->a.violations[0].first_match, part->a.position) < 0);
    es_shot_free(s);
    es_shot_free(part);
}

static void fill_little(struct es_world *w)
{
    for (int i = 0; i < 8; i++) {
        struct es_shot *s = es_shot_make("bulk-1", NULL, NULL);
        for (size_t k = 0; k < 60; k++) {
            es_shot_add(s, "bulk-1", "-", "1");
            es_shot_tag(s, k, k % 2 == 0 ? "even" : "odd");
        }
        es_shot_go(w, s);
        es_world_settle(w);
        assert_int_equal(s->a.problem, ES_OK);
        es_shot_free(s);
    }
}

TEST(the_rest_of_an_append_comes_while_another_query_is_walked)
{
    struct es_world w;
    es_world_init(&w, 15);
    fill_little(&w);
    struct es_shot *part = part_put(&w, 1);
    struct es_shot *s = query_of("win-1", "Wanted", "t", START);
    struct es_shot *walked = query_of("win-1", "", "even odd", START);
    const struct es_query_item items[] = {s->a.checks[0].items[0], walked->a.checks[0].items[0]};
    const struct es_check check = {
        .kind = ES_CHECK_QUERY, .items = items, .item_count = 2, .after = START};
    s->a.checks = &check;
    refused_for_the_rest(&w, s, part);
    es_shot_free(walked);
    es_world_deinit(&w);
}

TEST(the_rest_of_an_append_comes_while_its_query_is_walked)
{
    struct es_world w;
    es_world_init(&w, 16);
    IGNORE(es_world_append(&w, "bulk-1", "any", "a"));
    struct es_shot *part = part_put(&w, 400);
    refused_for_the_rest(&w, query_of("win-1", "Wanted", "t", START), part);
    es_world_deinit(&w);
}

/* What was asked for begins behind all that the index has whole: a walk does not go back before it.
 */
TEST(a_walk_begins_where_the_query_does)
{
    struct es_world w;
    es_world_init(&w, 17);
    struct es_shot *part = part_put(&w, 2);
    const struct es_position after = {engine_position(w.engine), UINT32_MAX};
    assert_true(es_position_cmp(after, es_head(w.es)) > 0);
    struct es_shot *s = query_of("win-1", "", "t", after);
    es_faults.walk_soon = true;
    es_shot_go(&w, s);
    assert_int_equal(w.es->writer->walk_count, 1);
    es_faults.put_stops = false;
    es_world_settle(&w);
    es_faults.walk_soon = false;
    assert_int_equal(part->a.problem, ES_OK);
    assert_string_equal(es_shot_said(s), "ok 0-0");
    es_shot_free(s);
    es_shot_free(part);
    es_world_deinit(&w);
}
#endif
