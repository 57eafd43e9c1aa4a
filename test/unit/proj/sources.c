/* Versions that read other topics than the one before. */
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "core/compiler.h"
#include "server.h"
#include "world.h"

static void apply_of(struct world *w, uint32_t version, const char *topics)
{
    char text[2048];
    char all[2100];
    struct ectx ec;
    char rest[2100];
    (void)snprintf(all, sizeof(all), "%s", world_definition(w, version, text, sizeof(text)));
    char *at = strstr(all, "[events]");
    assert_non_null(at);
    (void)snprintf(rest, sizeof(rest), "%s", at + strlen("[events]"));
    (void)snprintf(at, sizeof(all) - (size_t)(at - all), "[%s]%s", topics, rest);
    if (world_command(w, PROJ_APPLY, all, &ec) != ERR_OK) {
        fail_msg("%s %s", ec.text, ec.hint);
    }
}

static bool one_is_served(struct world *w)
{
    return world_served(w) == 1 && world_settled(w);
}

static bool three_is_served(struct world *w)
{
    return world_served(w) == 3;
}

TEST_WORLD_ON_BOTH(a_version_may_read_a_topic_less_or_more)
{
    struct world w;
    struct worst_config cfg;
    worst_config_good(&cfg, 5);
    world_init(&w, 5, &cfg);
    worst_topic_make(w.log, "events", WORLD_PARTS);
    worst_topic_make(w.log, "more", 2);
    world_up(&w, 0);
    world_run(&w, 500);
    for (int i = 0; i < 5; i++) {
        (void)worst_produce(w.log, "more", i % 2, STR_LIT("m"),
                            STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":1}}"), 1);
    }
    apply_of(&w, 1, "events, more");
    world_until(&w, one_is_served, 60000);
    world_run(&w, 5000);
    world_check_rows(&w, "SELECT count FROM keys WHERE k = 'm'", "5\n");
    apply_of(&w, 2, "events");
    world_until(&w, world_two_is_served, 60000);
    world_check_rows(&w, "SELECT COUNT(*) FROM keys WHERE k = 'm'", "0\n");
    apply_of(&w, 3, "events, more");
    world_until(&w, three_is_served, 60000);
    world_run(&w, 5000);
    world_check_rows(&w, "SELECT count FROM keys WHERE k = 'm'", "5\n");
    world_deinit(&w);
}
