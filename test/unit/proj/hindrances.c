/* What is done by itself and cannot be done: it waits longer each time, says why, and nobody else
 * waits for it. */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "proj/proj_int.h"
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

static struct projection *only(struct world *w)
{
    return CONTAINER_OF(w->nodes[0].proj->projections.next, struct projection, link);
}

static bool says(struct world *w, uint32_t version, const char *what)
{
    struct arena a;
    bool found = false;
    arena_init(&a, 1u << 20);
    struct proj_status s = world_status(w, 0, &a);
    for (size_t i = 0; i < s.version_count; i++) {
        char text[600];
        (void)snprintf(text, sizeof(text), "%.*s", STR(s.versions[i].error));
        found = found || (s.versions[i].version == version && strstr(text, what) != NULL);
    }
    arena_deinit(&a);
    return found;
}

/* How often something began that `is` says is under way, while events come in and are applied. */
static unsigned begun(struct world *w, bool (*is)(struct projection *pr), unsigned seconds)
{
    unsigned count = 0;
    bool was = is(only(w));
    for (unsigned i = 0; i < seconds; i++) {
        const uint64_t until = env_mono_ns(w->env) + 1000000000u;
        world_say(w, 3, 0);
        while (env_mono_ns(w->env) < until) {
            world_step(w);
            const bool now = is(only(w));
            count += now && !was;
            was = now;
            assert_false(only(w)->lanes[0].broken);
        }
    }
    return count;
}

static bool is_switching(struct projection *pr)
{
    return pr->switching;
}

static bool three_is_served(struct world *w)
{
    return world_served(w) == 3;
}

/* A view of somebody's own on top of ours goes on with the next version, if that has the columns.
 * If not, the switch says so and waits; the connection is as good as before. */
TEST(a_view_on_top_of_ours_stays_or_is_told)
{
    struct world w;
    struct ectx ec;
    char text[2048];
    server_on_postgres = true;
    begin(&w, 51);
    world_change_target(&w, "CREATE VIEW report AS SELECT SUM(count) AS n FROM keys");
    world_apply(&w, 2); /* a column more */
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    world_check_rows(&w, "SELECT n FROM report", "50\n");
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_EXISTS);
    assert_non_null(strstr(ec.text, "cannot drop view keys because other objects depend on it"));
    assert_int_equal(world_served(&w), 2);
    assert_int_equal(
        world_command(&w, PROJ_APPLY, world_definition(&w, 3, text, sizeof(text)), &ec), ERR_OK);
    world_run(&w, 3000);
    assert_in_range(begun(&w, is_switching, 30), 2, 6); /* after 1, 2, 4, 8, 16 seconds */
    assert_true(says(&w, 3, "cannot drop view keys"));
    world_until(&w, world_settled, 5000);
    world_check(&w, "__v2");
    world_change_target(&w, "DROP VIEW report");
    world_until(&w, three_is_served, 60000);
    assert_false(says(&w, 3, "cannot"));
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    server_on_postgres = false;
    world_deinit(&w);
}
