/* Live-only actions of events that were parked: once in the log, whichever version applies them in
 * the end, and at once. */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "server.h"
#include "world.h"

static void say(struct world *w, int key, const char *type, const char *data)
{
    char k[16];
    char value[200];
    snprintf(k, sizeof(k), "k%d", key);
    snprintf(value, sizeof(value), "{\"eventType\":\"%s\",\"data\":%s}", type, data);
    (void)worst_produce(w->log, "events", key % WORLD_PARTS, str_of(k), str_of(value),
                        env_wall_ms(w->env));
}

static void begin(struct world *w, uint64_t seed)
{
    struct worst_config cfg;
    worst_config_good(&cfg, seed);
    world_init(w, seed, &cfg);
    w->actions = true;
    w->appends_good = true;
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
}

static size_t awaited;
static bool are_appended(struct world *w)
{
    return w->appended.count == awaited && w->nodes[0].append == NULL;
}

TEST_ON_BOTH(actions_of_a_key_that_is_skipped_go_at_once)
{
    struct world w;
    struct ectx ec;
    begin(&w, 3);
    world_apply(&w, 1);
    say(&w, 0, "Added", "{\"n\":\"bad\"}");
    say(&w, 0, "Added", "{\"n\":900}");
    world_until(&w, world_settled, 60000);
    world_run(&w, 2000);
    assert_int_equal(w.appended.count, 0);
    assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k0", &ec), ERR_OK);
    awaited = 1;
    world_until(&w, are_appended, 5000); /* and no other event came */
    world_stop(&w, 0);
    world_deinit(&w);
}
