/* What is under way when a version or a projection goes, and what of it is left behind. */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "server.h"
#include "world.h"

static void begin(struct world *w, uint64_t seed)
{
    struct worst_config cfg;
    worst_config_good(&cfg, seed);
    world_init(w, seed, &cfg);
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
    world_apply(w, 1);
    world_say(w, 50, 0);
    world_until(w, world_settled, 60000);
}

struct once {
    struct proj_command c;
    bool done;
};
static void done_once(struct proj_command *c)
{
    CONTAINER_OF(c, struct once, c)->done = true;
}
static struct once once_of(enum proj_command_kind kind)
{
    return (struct once){.c = {.kind = kind, .name = STR_LIT("sums"), .done = done_once}};
}

struct reader {
    struct proj_query q;
    struct arena arena;
    bool busy;
};
static void was_read(struct proj_query *q)
{
    CONTAINER_OF(q, struct reader, q)->busy = false;
}

/* A query knows the columns from the definition: that stays until the query has been answered. */
TEST_ON_BOTH(a_query_that_is_under_way_ends_before_its_version_goes)
{
    struct reader readers[8];
    for (uint64_t seed = 1; seed <= server_seeds(5); seed++) {
        struct world w;
        begin(&w, seed);
        size_t answered = 0;
        for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
            readers[i] = (struct reader){.q = {.view = STR_LIT("keys"), .done = was_read}};
            readers[i].q.arena = &readers[i].arena;
            arena_init(&readers[i].arena, 4u << 20);
        }
        struct once call = once_of(PROJ_REMOVE);
        proj_command(w.nodes[0].proj, &call.c);
        while (!call.done) {
            for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
                if (!readers[i].busy) {
                    readers[i].busy = true;
                    proj_query(w.nodes[0].proj, &readers[i].q); /* until there is no such view */
                    answered += readers[i].busy;
                }
            }
            world_step(&w);
        }
        assert_int_equal(call.c.err, ERR_OK);
        assert_true(answered >= ARRAY_LEN(readers));
        for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
            assert_false(readers[i].busy);
            arena_deinit(&readers[i].arena);
        }
        world_deinit(&w);
    }
}
