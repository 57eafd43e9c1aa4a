/* Crashes: what was acknowledged is there, nothing goes backwards, members go on. */
#include "core/mem.h"
#include "test.h"
#include "world.h"

TEST(group_survives_a_restart_without_a_rebalance)
{
    /* Members of a stable group notice nothing; their sessions begin anew. From the log, and from
     * an image. */
    for (int image = 0; image < 2; image++) {
        struct world w;
        world_init(&w, 1);
        assert_int_equal(world_open(&w), ERR_OK);
        struct client c[2] = {{.group = "g", .id = "a"},
                              {.group = "g", .id = "b", .instance = "ib"}};
        stable(&w, c, 2);
        assert_int_equal(client_commit(&w, &c[0], "t", 0, 10), ERR_OK);
        if (image == 1) {
            world_checkpoint(&w);
        }
        world_cut(&w, 5);
        env_sim_advance_ns(w.env, 60000 * NS_PER_MS);
        assert_int_equal(world_open(&w), ERR_OK);
        assert_string_equal(state_of(&w, "g"), "Stable");
        world_run(&w, 9000);
        for (int i = 0; i < 2; i++) {
            char expected[64];
            (void)snprintf(expected, sizeof(expected), "assignment of %s", c[i].id);
            assert_int_equal(client_beat(&w, &c[i]), ERR_OK);
            client_sync(&w, &c[i], NULL);
            assert_string_equal(c[i].assignment, expected);
            assert_int_equal(client_commit(&w, &c[i], "t", 0, 11 + i), ERR_OK);
        }
        assert_int_equal(committed(&w, "g", "t", 0), 12);
        /* the static member still returns without a rebalance */
        c[1].member[0] = '\0';
        client_join(&w, &c[1]);
        world_settle(&w);
        assert_int_equal(c[1].err, ERR_OK);
        assert_int_equal(c[1].generation, 1);
        world_run(&w, 11000);
        assert_string_equal(state_of(&w, "g"), "Empty");
        world_deinit(&w);
    }
}

TEST(group_image_holds_what_was_told_only)
{
    /* A checkpoint in the middle of a rebalance keeps the generation that was complete, and never
     * gives a number twice. */
    struct world w;
    world_init(&w, 1);
    assert_int_equal(world_open(&w), ERR_OK);
    struct client a = {.group = "g", .id = "a"};
    struct client b = {.group = "g", .id = "b"};
    stable(&w, &a, 1);
    struct client first = a;
    client_enter(&w, &b);
    client_join(&w, &a);
    world_settle(&w);
    assert_int_equal(a.generation, 2); /* told, not assigned */
    world_checkpoint(&w);
    world_cut(&w, 6);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_string_equal(state_of(&w, "g"), "Stable");
    assert_int_equal(client_beat(&w, &a), ERR_ILLEGAL_GENERATION);
    assert_int_equal(client_beat(&w, &first), ERR_OK);
    assert_int_equal(client_beat(&w, &b), ERR_UNKNOWN_MEMBER_ID);
    a.member[0] = first.member[0];
    client_join(&w, &a);
    world_settle(&w);
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.generation, 3);
    world_deinit(&w);
}

/* What the outside knows. */
struct model {
    int64_t acknowledged[3], sent[3]; /* by partition; offsets only grow */
    int32_t generation;               /* largest told */
};

static void note(struct model *m, const struct client *c)
{
    if (c->err == ERR_OK && c->generation > m->generation) {
        m->generation = c->generation;
    }
}

/* Some life of a group: two members come and go, commit all the while. Stops when the power is
 * off. */
static void live(struct world *w, struct model *m, uint64_t seed)
{
    struct client c[2] = {{.group = "g", .id = "a", .old = true},
                          {.group = "g", .id = "b", .instance = "ib"}};
    for (int step = 0; step < 24 && !env_sim_is_cut(w->env) && w->failures == 0; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct client *who = &c[(seed >> 33) & 1];
        int32_t before = who->generation;
        switch ((seed >> 40) % 5) {
        case 0:
        case 1:
            groups_ticket_drop(&c[0].ticket);
            groups_ticket_drop(&c[1].ticket);
            for (int i = 0; i < 2; i++) {
                int32_t told = c[i].generation;
                client_enter(w, &c[i]);
                if (c[i].err == ERR_UNKNOWN_MEMBER_ID || c[i].err == ERR_FENCED_INSTANCE_ID) {
                    c[i].member[0] = '\0';
                    client_enter(w, &c[i]);
                }
                (void)told;
            }
            for (int i = 0; i < 20 && (c[0].answers == 0 || c[1].answers == 0); i++) {
                if (env_sim_is_cut(w->env) || w->failures > 0) {
                    break;
                }
                world_run(w, 2000);
            }
            for (int i = 0; i < 2; i++) {
                if (c[i].answers > 0) {
                    /* A number is told for one generation only. */
                    assert_true(c[i].err != ERR_OK || c[i].generation >= before ||
                                c[i].generation >= m->generation - 1);
                    note(m, &c[i]);
                }
            }
            for (int i = 0; i < 2; i++) {
                const struct client *all[] = {&c[0], &c[1], NULL};
                if (c[i].answers > 0 && c[i].err == ERR_OK) {
                    client_sync(w, &c[i], strcmp(c[i].leader, c[i].member) == 0 ? all : NULL);
                }
            }
            world_settle(w);
            break;
        case 2:
            IGNORE(client_leave(w, who));
            world_settle(w);
            break;
        case 3:
            world_checkpoint(w);
            break;
        default: {
            int p = (int)((seed >> 50) % 3);
            m->sent[p]++;
            if (client_commit(w, who, "t", p, m->sent[p]) == ERR_OK) {
                m->acknowledged[p] = m->sent[p];
            }
            break;
        }
        }
        groups_ticket_drop(&c[0].ticket);
        groups_ticket_drop(&c[1].ticket);
    }
    groups_ticket_drop(&c[0].ticket);
    groups_ticket_drop(&c[1].ticket);
}

static void check(struct world *w, const struct model *m, uint64_t seed, uint64_t op)
{
    for (int p = 0; p < 3; p++) {
        int64_t is = committed(w, "g", "t", p);
        is = is < 0 ? 0 : is;
        if (is < m->acknowledged[p] || is > m->sent[p]) {
            fail_msg("seed=%d op=%d: offset %d of partition %d, acknowledged %d, sent %d",
                     (int)seed, (int)op, (int)is, p, (int)m->acknowledged[p], (int)m->sent[p]);
        }
    }
    const struct group *gr = group_find(w->groups, STR_LIT("g"));
    int32_t known = gr == NULL ? 0 : gr->leased > gr->generation ? gr->leased : gr->generation;
    if (known < m->generation) {
        fail_msg("seed=%d op=%d: generation %d was told, %d is known", (int)seed, (int)op,
                 (int)m->generation, (int)known);
    }
}

TEST(group_power_cut_at_every_operation)
{
    /* L22: the power goes off before each disk operation of a group's life; after it every
     * acknowledged commit is there, none went back, and the largest generation that was told is
     * known, so that it is not told again. Then life goes on. */
    for (uint64_t seed = 1; seed <= 8; seed++) {
        for (uint64_t op = 1;; op++) {
            struct world w;
            struct model m = {0};
            world_init(&w, seed);
            assert_int_equal(world_open(&w), ERR_OK);
            env_sim_cut_at(w.env, env_sim_ops(w.env) + op);
            live(&w, &m, seed);
            bool was_cut = env_sim_is_cut(w.env);
            world_cut(&w, seed * 1000 + op);
            w.failures = 0;
            enum err e = world_open(&w);
            if (e != ERR_OK) {
                fail_msg("seed=%d op=%d: %s", (int)seed, (int)op, w.ec.text);
            }
            check(&w, &m, seed, op);
            live(&w, &m, seed + 100);
            check(&w, &m, seed, op);
            world_close(&w);
            assert_int_equal(world_open(&w), ERR_OK);
            check(&w, &m, seed, op);
            world_deinit(&w);
            if (!was_cut) {
                break;
            }
        }
    }
}

TEST(group_facts_of_any_bytes_are_refused)
{
    /* Bytes from the disk are never believed: every prefix and every changed byte of real facts and
     * of an image is an error or harmless. */
    struct world w;
    world_init(&w, 1);
    assert_int_equal(world_open(&w), ERR_OK);
    struct client c[2] = {{.group = "g", .id = "a"}, {.group = "g", .id = "b"}};
    stable(&w, c, 2);
    assert_int_equal(client_commit(&w, &c[0], "t", 0, 10), ERR_OK);
    struct buf image;
    buf_init(&image, 1 << 20);
    struct store_participant p = groups_participant(w.groups);
    assert_int_equal(p.snapshot(p.ctx, &image), ERR_OK);
    for (size_t i = 0; i < image.n; i++) {
        for (int change = 0; change < 4; change++) {
            struct groups *g;
            assert_int_equal(groups_create(w.env, &w.config, w.metrics, &g), ERR_OK);
            g->store = w.store;
            uint8_t *copy = mem_alloc(image.n);
            assert_non_null(copy);
            memcpy(copy, image.p, image.n);
            static const uint8_t bits[] = {0x01, 0x80, 0xFF};
            size_t n = change == 3 ? i : image.n;
            copy[i] = change == 3 ? copy[i] : (uint8_t)(copy[i] ^ bits[change]);
            struct store_participant q = groups_participant(g);
            struct ectx ec;
            IGNORE(q.restore(q.ctx, slice_of(copy, n), &ec) != ERR_OK);
            groups_destroy(g);
            mem_free(copy);
        }
    }
    buf_deinit(&image);
    world_deinit(&w);
}
