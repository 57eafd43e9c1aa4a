/* See world.h. */
#include "world.h"

#include "core/log.h"
#include "core/mem.h"
#include "test.h"

void world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    const struct env_sim_config sim = {.seed = seed, .write_ns = 1000, .sync_ns = 100000};
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    store_config_init(&w->store_cfg);
    w->store_cfg.dir = "/data";
    w->store_cfg.ring_file_bytes = 64 << 10;
    w->store_cfg.ring_file_count = 4;
    w->store_cfg.min_free_bytes = 64 << 10;
    config_init(&w->config, CONFIG_SCOPE_BROKER);
    w->metrics = metrics_create();
    assert_non_null(w->metrics);
}

void world_set(struct world *w, const char *name, const char *value)
{
    assert_int_equal(
        config_set(&w->config, str_of(name), str_of(value), CONFIG_FROM_STATIC, &w->ec), ERR_OK);
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    struct world *w = ctx;
    w->ec = *ec;
    w->failures++;
}

static void on_advance(void *ctx, struct store_part *part)
{
    (void)ctx;
    (void)part;
}

static void on_ready(void *ctx)
{
    (void)ctx;
}

enum err world_open(struct world *w)
{
    metrics_destroy(w->metrics);
    w->metrics = metrics_create();
    enum err e = groups_create(w->env, &w->config, w->metrics, &w->groups);
    if (e != ERR_OK) {
        return e;
    }
    struct store_participant p = groups_participant(w->groups);
    e = store_open(w->env, w->poll, &w->store_cfg, &p, 1, &w->store, &w->ec);
    if (e != ERR_OK) {
        w->store = NULL;
        groups_destroy(w->groups);
        w->groups = NULL;
        return e;
    }
    const struct store_hooks hooks = {w, on_advance, on_ready, on_failure};
    store_set_hooks(w->store, &hooks);
    groups_attach(w->groups, w->store);
    return ERR_OK;
}

void world_close(struct world *w)
{
    if (w->groups != NULL) {
        groups_stop(w->groups);
    }
    if (w->store != NULL) {
        store_close(w->store);
    }
    w->store = NULL;
    groups_destroy(w->groups);
    w->groups = NULL;
}

void world_cut(struct world *w, uint64_t choice)
{
    /* Off before the store is closed, or closing it would be a clean stop on the new machine. */
    env_sim_cut_at(w->env, env_sim_ops(w->env) + 1);
    world_close(w);
    env_sim_power_cut(w->env, choice);
    env_poll_destroy(w->poll);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
}

void world_deinit(struct world *w)
{
    world_close(w);
    env_poll_destroy(w->poll);
    metrics_destroy(w->metrics);
    config_deinit(&w->config);
    env_destroy(w->env);
}

void world_settle(struct world *w)
{
    for (int i = 0; i < 10000; i++) {
        groups_tick(w->groups, env_mono_ns(w->env));
        store_kick(w->store, true);
        size_t calls = env_poll_run(w->poll, 0);
        if (calls == 0 && env_job_pending(w->poll) == 0 && !groups_dirty(w->groups)) {
            return;
        }
    }
    fail_msg("does not settle");
}

void world_run(struct world *w, uint64_t ms)
{
    uint64_t end = env_mono_ns(w->env) + ms * NS_PER_MS;
    world_settle(w);
    while (env_mono_ns(w->env) < end && !env_sim_is_cut(w->env)) {
        uint64_t now = env_mono_ns(w->env);
        uint64_t step = end - now < 100 * NS_PER_MS ? end - now : 100 * NS_PER_MS;
        /* Long times are walked from one thing that is due to the next. */
        uint64_t due = groups_tick(w->groups, now);
        if (due > now + step) {
            step = (due < end ? due : end) - now;
        }
        env_sim_advance_ns(w->env, step);
        store_tick(w->store);
        world_settle(w);
    }
}

void world_checkpoint(struct world *w)
{
    store_checkpoint_request(w->store);
    for (int i = 0; i < 20; i++) {
        store_tick(w->store);
        world_settle(w);
    }
}

static void keep(char *to, size_t n, struct str s)
{
    (void)snprintf(to, n, "%.*s", STR(str_is_null(s) ? STR_LIT("") : s));
}

static void on_joined(struct groups_ticket *t, const struct groups_answer *a)
{
    struct client *c = CONTAINER_OF(t, struct client, ticket);
    c->answers++;
    c->err = a->err;
    c->generation = a->generation;
    keep(c->member, sizeof(c->member), a->member_id);
    keep(c->leader, sizeof(c->leader), a->leader);
    keep(c->protocol, sizeof(c->protocol), a->protocol_name);
    keep(c->type, sizeof(c->type), a->protocol_type);
    c->members = a->member_count;
    c->skip = a->skip_assignment;
}

static void on_synced(struct groups_ticket *t, const struct groups_answer *a)
{
    struct client *c = CONTAINER_OF(t, struct client, ticket);
    c->answers++;
    c->err = a->err;
    keep(c->assignment, sizeof(c->assignment), a->assignment);
}

static void on_other(struct groups_ticket *t, const struct groups_answer *a)
{
    struct client *c = CONTAINER_OF(t, struct client, ticket);
    c->answers++;
    c->err = a->err;
}

static void begin(struct client *c,
                  void (*done)(struct groups_ticket *t, const struct groups_answer *a))
{
    c->err = ERR_COUNT; /* no answer yet */
    c->answers = 0;
    c->ticket = (struct groups_ticket){.done = done};
}

static void subscription(struct buf *b, const char *topic)
{
    buf_put_be16(b, 0);
    buf_put_be32(b, 1);
    buf_put_be16(b, (uint16_t)strlen(topic));
    buf_put_z(b, topic);
    buf_put_be32(b, 0xFFFFFFFFu);
}

void client_join(struct world *w, struct client *c)
{
    struct groups_protocol p[4];
    struct buf metadata;
    buf_init(&metadata, 1024);
    if (c->topics != NULL) {
        subscription(&metadata, c->topics);
    } else {
        buf_put_z(&metadata, "m");
    }
    size_t n = 0;
    if (c->protocols[0] == NULL) {
        c->protocols[0] = "range";
    }
    while (n < 4 && c->protocols[n] != NULL) {
        p[n] = (struct groups_protocol){str_of(c->protocols[n]), buf_str(&metadata)};
        n++;
    }
    char member[128];
    memcpy(member, c->member, sizeof(member));
    struct groups_join j = {.group_id = str_of(c->group),
                            .member_id = str_of(member),
                            .instance_id = str_of(c->instance),
                            .client_id = str_of(c->id == NULL ? "client" : c->id),
                            .client_host = STR_LIT("/127.0.0.1"),
                            .protocol_type = STR_LIT("consumer"),
                            .protocols = p,
                            .protocol_count = n,
                            .session_timeout_ms = c->session_ms == 0 ? 10000 : c->session_ms,
                            .rebalance_timeout_ms = c->rebalance_ms == 0 ? 20000 : c->rebalance_ms,
                            .needs_member_id = !c->old,
                            .can_skip = c->can_skip};
    begin(c, on_joined);
    groups_join(w->groups, &j, &c->ticket);
    buf_deinit(&metadata);
}

void client_enter(struct world *w, struct client *c)
{
    client_join(w, c);
    if (c->err == ERR_MEMBER_ID_REQUIRED) {
        client_join(w, c);
    }
}

void client_sync(struct world *w, struct client *c, const struct client *const *members)
{
    struct groups_assignment a[16];
    char text[16][160];
    size_t n = 0;
    while (members != NULL && members[n] != NULL) {
        (void)snprintf(text[n], sizeof(text[n]), "assignment of %s", members[n]->id);
        a[n] = (struct groups_assignment){str_of(members[n]->member), str_of(text[n])};
        n++;
    }
    struct groups_sync s = {.group_id = str_of(c->group),
                            .member_id = str_of(c->member),
                            .instance_id = str_of(c->instance),
                            .protocol_type = STR_LIT("consumer"),
                            .protocol_name = str_of(c->protocol),
                            .generation = c->generation,
                            .assignments = a,
                            .assignment_count = n};
    begin(c, on_synced);
    groups_sync(w->groups, &s, &c->ticket);
}

enum err client_beat(struct world *w, const struct client *c)
{
    return groups_heartbeat(w->groups, str_of(c->group), str_of(c->member), str_of(c->instance),
                            c->generation);
}

enum err client_leave(struct world *w, const struct client *c)
{
    return groups_leave(w->groups, str_of(c->group), str_of(c->member), str_of(c->instance));
}

struct uuid topic_id(const char *topic)
{
    struct uuid id = {{0}};
    memcpy(id.b, topic, strlen(topic) < 16 ? strlen(topic) : 16);
    return id;
}

static enum err commit(struct world *w, struct client *c, struct groups_commit *gc,
                       const char *topic, int32_t partition, int64_t offset)
{
    struct groups_commit_item item = {.topic = str_of(topic),
                                      .topic_id = topic_id(topic),
                                      .partition = partition,
                                      .offset = {offset, 3, STR_LIT("note")}};
    gc->items = &item;
    gc->count = 1;
    begin(c, on_other);
    groups_commit(w->groups, gc, &c->ticket);
    if (c->answers == 0) {
        world_settle(w);
    }
    groups_ticket_drop(&c->ticket);
    return c->err == ERR_OK ? item.err : c->err;
}

enum err client_commit(struct world *w, struct client *c, const char *topic, int32_t partition,
                       int64_t offset)
{
    struct groups_commit gc = {.group_id = str_of(c->group),
                               .member_id = str_of(c->member),
                               .instance_id = str_of(c->instance),
                               .generation = c->generation,
                               .retention_ms = -1};
    return commit(w, c, &gc, topic, partition, offset);
}

enum err simple_commit(struct world *w, const char *group, const char *topic, int32_t partition,
                       int64_t offset, int64_t retention_ms)
{
    struct client c = {.group = group};
    struct groups_commit gc = {.group_id = str_of(group),
                               .member_id = STR_LIT(""),
                               .instance_id = STR_NULL,
                               .generation = -1,
                               .retention_ms = retention_ms};
    return commit(w, &c, &gc, topic, partition, offset);
}

int64_t committed(struct world *w, const char *group, const char *topic, int32_t partition)
{
    struct groups_offset o;
    return groups_offset_get(w->groups, str_of(group), str_of(topic), partition, &o) ? o.offset
                                                                                     : -1;
}

const char *state_of(struct world *w, const char *group)
{
    const struct group *gr = group_find(w->groups, str_of(group));
    if (gr != NULL) {
        group_check(gr);
    }
    return gr == NULL ? "none" : group_state_name(gr->state);
}

void stable(struct world *w, struct client *c, size_t n)
{
    const struct client *all[17] = {NULL};
    struct client *leader = NULL;
    for (size_t i = 0; i < n; i++) {
        client_enter(w, &c[i]);
        all[i] = &c[i];
    }
    world_settle(w);
    for (size_t i = 0; i < n; i++) {
        if (c[i].err != ERR_OK) {
            fail_msg("member %zu: %s", i, err_name(c[i].err));
        }
        leader = strcmp(c[i].leader, c[i].member) == 0 ? &c[i] : leader;
    }
    assert_non_null(leader);
    for (size_t i = 0; i < n; i++) {
        client_sync(w, &c[i], &c[i] == leader ? all : NULL);
    }
    world_settle(w);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(c[i].err, ERR_OK);
    }
    assert_string_equal(state_of(w, c[0].group), "Stable");
}
