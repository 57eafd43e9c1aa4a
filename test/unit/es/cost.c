/* What an append costs the index: blocks that are read of a cold disk, and entries. */
#include <stdio.h>

#include "es_world.h"

enum { APPENDS = 200 };

static struct index_stats stats_of(const struct es_world *w)
{
    struct index_stats s;
    index_stats_get(w->es->index, &s);
    return s;
}

/* `count` streams from `first` on get an event more, under the revision that they have. */
static void append_to(struct es_world *w, int first, int count, int revision, bool own_id)
{
    char stream[32], expected[16], id[32], said[32];
    (void)snprintf(expected, sizeof(expected), "%d", revision - 1);
    (void)snprintf(said, sizeof(said), "ok %d-%d", revision, revision);
    for (int i = first; i < first + count; i++) {
        (void)snprintf(stream, sizeof(stream), "order-%d", i);
        (void)snprintf(id, sizeof(id), "%d.%d", i, revision);
        assert_string_equal(
            es_world_append(w, stream, revision == 0 ? "no_stream" : expected, own_id ? id : "-"),
            said);
    }
}

static void restart_cold(struct es_world *w)
{
    env_sim_set_cold(w->env, false);
    es_world_flush(w);
    es_world_restart(w, ES_WORLD_CLEAN);
    env_sim_set_cold(w->env, true);
}

/* The streams' heads are on the disk alone: a block for each. Whether an id is known and whether
 * there are facts is told by filters, which are wrong about one time in a hundred, for each run. */
static void check_appends(struct es_world *w, int first, int revision)
{
    const struct index_stats before = stats_of(w);
    append_to(w, first, APPENDS, revision, true);
    const uint64_t reads = stats_of(w).disk_reads - before.disk_reads;
    assert_true(before.run_count > 8);
    assert_in_range(reads, APPENDS, APPENDS + APPENDS * before.run_count / 100);
}

TEST(an_append_reads_one_block_of_a_cold_disk)
{
    /* Promise: at most one random read an append under an expected revision, with an id of the
     * client, whether the stream was written once or again and again, in several runs. */
    static const int sizes[] = {1600, 400, 200, 100}; /* too different to be merged */
    struct es_world w;
    int count = 0;
    es_world_init(&w, 1);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        append_to(&w, count, sizes[i], 0, true);
        es_world_flush(&w);
        count += sizes[i];
    }
    restart_cold(&w);
    check_appends(&w, 1500, 1); /* of two of the runs */
    check_appends(&w, count - APPENDS, 1);
    for (int revision = 2; revision < 5; revision++) {
        restart_cold(&w);
        check_appends(&w, 1500, revision);
    }
    es_world_deinit(&w);
}

static size_t id_entries(struct es_world *w)
{
    static uint8_t keys[2 * APPENDS][ES_KEY_ID], values[2 * APPENDS][ES_VALUE_ID];
    const uint8_t from[ES_KEY_ID] = {0};
    uint8_t to[ES_KEY_ID];
    memset(to, 0xff, sizeof(to));
    struct index_scan scan = {.table = ES_T_IDS,
                              .from = from,
                              .to = to,
                              .max = 2 * APPENDS,
                              .keys = keys[0],
                              .values = values[0]};
    assert_int_equal(index_scan(w->es->index, &scan), ERR_OK); /* all is in memory */
    assert_false(scan.more);
    return scan.count;
}

TEST(an_id_that_the_server_makes_has_no_entry)
{
    /* Promise: nor when the index is made again from the log. */
    struct es_world w;
    es_world_init(&w, 1);
    append_to(&w, 0, APPENDS, 0, false);
    assert_int_equal(id_entries(&w), 0);
    append_to(&w, 0, APPENDS, 1, true);
    assert_int_equal(id_entries(&w), APPENDS);
    append_to(&w, 0, APPENDS, 2, false);
    assert_int_equal(id_entries(&w), APPENDS);
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_int_equal(id_entries(&w), APPENDS);
    es_world_deinit(&w);
}
