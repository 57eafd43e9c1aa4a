/*
 * The judge is judged: a good history passes, and each anomaly planted into it is found under its
 * own name. A checker that finds nothing proves nothing.
 *
 * The history: four writers, three partitions and a relaxed one, records deleted from one; some
 * batches acknowledged, one refused, the last ones unknown; a consumer saw a part; a crash; then
 * everything is read from a plain array, the "log", into which the anomaly is planted.
 */
#include <stdio.h>
#include <string.h>

#include "common_model.h"

enum { ROWS = 64, SIZE = 40, PARTS = 4 };
struct row {
    int64_t offset;
    uint32_t writer, batch, index, size;
    bool spoiled;
};
struct log {
    struct row rows[ROWS];
    uint32_t count;
    int64_t end;
};
struct world {
    struct model *m;
    struct log logs[PARTS];
    uint32_t writers[PARTS], parts[PARTS], group, setting, topic_kept, topic_gone;
    int64_t start, setting_found; /* of part 3; of the setting */
    int32_t partitions;           /* of the topic that is kept */
    uint32_t refused;
    int64_t committed;
    struct uuid ids[2];
    bool no_topic, deleted_topic_there, strange_topic, other_id, cut;
    int64_t commit_found[2];
};

static void give(struct world *w, uint32_t part, int64_t offset, const struct row *row, bool live)
{
    char key[MODEL_KEY_SIZE + 1];
    uint8_t value[SIZE + 8];
    model_key(row->writer, row->batch, row->index, row->size, key);
    model_value(row->writer, row->batch, row->index, row->size, value);
    value[0] ^= row->spoiled;
    if (live) {
        model_seen(w->m, part, offset, str_of(key), str_make(value, row->size));
    } else {
        model_read(w->m, part, offset, str_of(key), str_make(value, row->size));
    }
}

enum fate { ACKED, STORED, NEITHER, REFUSE };
/* Sends a batch of two records; what happens to it. Returns its number. */
static uint32_t batch(struct world *w, uint32_t writer, uint32_t part, enum fate fate)
{
    struct log *log = &w->logs[part];
    uint32_t b = model_send(w->m, w->writers[writer], w->parts[part], 2);
    if (fate == ACKED || fate == STORED) {
        if (fate == ACKED) {
            model_ok(w->m, w->writers[writer], b, log->end);
        }
        for (uint32_t i = 0; i < 2; i++) {
            log->rows[log->count++] =
                (struct row){log->end++, w->writers[writer], b, i, SIZE, false};
        }
    } else if (fate == REFUSE) {
        model_refused(w->m, w->writers[writer], b, 10);
    }
    return b;
}

static void history(struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->m = model_create(NULL, true);
    for (uint32_t i = 0; i < PARTS; i++) {
        w->writers[i] = model_writer_add(w->m);
        w->parts[i] = model_part_add(w->m, i != 2 ? "t" : "relaxed", (int32_t)i, i == 2);
    }
    w->group = model_group_add(w->m, "g");
    w->setting = model_setting_add(w->m, "kept");
    memset(w->ids[0].b, 1, 16);
    memset(w->ids[1].b, 2, 16);
    w->topic_kept = model_topic_create(w->m, "kept", 2);
    model_topic_created(w->m, w->topic_kept, w->ids[0]);
    w->topic_gone = model_topic_create(w->m, "gone", 1);
    model_topic_created(w->m, w->topic_gone, w->ids[1]);
    model_topic_delete(w->m, w->topic_gone);
    model_topic_deleted(w->m, w->topic_gone);
    for (uint32_t i = 0; i < 4; i++) {
        batch(w, 0, 0, ACKED);
        batch(w, 1, 1, ACKED);
        batch(w, 1, 0, ACKED);
        batch(w, 2, 2, ACKED);
        batch(w, 3, 3, ACKED);
    }
    w->refused = batch(w, 0, 0, REFUSE);
    for (uint32_t i = 0; i < 5; i++) {
        give(w, w->parts[0], i, &w->logs[0].rows[i], true);
    }
    model_end_told(w->m, w->parts[0], 6);
    batch(w, 0, 0, STORED);
    batch(w, 0, 0, STORED);
    batch(w, 0, 0, NEITHER);
    batch(w, 1, 1, NEITHER);
    w->committed = model_commit(w->m, w->group);
    model_committed(w->m, w->group, w->committed);
    w->committed = model_commit(w->m, w->group);
    w->commit_found[0] = w->commit_found[1] = w->committed;
    /* Everything of part 3 but its last record is deleted, or all. */
    w->start = model_trim(w->m, w->parts[3], 6);
    model_trimmed(w->m, w->parts[3], w->start, w->start);
    (void)model_trim(w->m, w->parts[3], 0);
    model_committed(w->m, w->setting, model_commit(w->m, w->setting));
    model_committed(w->m, w->setting, model_commit(w->m, w->setting));
    w->setting_found = model_commit(w->m, w->setting);
    w->partitions = model_topic_grow(w->m, w->topic_kept);
    model_topic_grown(w->m, w->topic_kept, w->partitions);
}

static void read_all(struct world *w)
{
    model_topics_begin(w->m);
    if (!w->no_topic) {
        model_topics_read(w->m, STR_LIT("kept"), w->ids[w->other_id ? 1 : 0], w->partitions);
    }
    if (w->deleted_topic_there) {
        model_topics_read(w->m, STR_LIT("gone"), w->ids[1], 1);
    }
    if (w->strange_topic) {
        model_topics_read(w->m, STR_LIT("strange"), w->ids[1], 1);
    }
    model_topics_end(w->m);
    model_start_read(w->m, w->parts[3], w->start);
    char value[24];
    (void)snprintf(value, sizeof(value), "%lld", (long long)w->setting_found);
    model_commit_read(w->m, w->setting, true, w->setting_found, str_of(value));
    for (uint32_t p = 0; p < PARTS; p++) {
        int64_t from = model_read_begin(w->m, w->parts[p], false);
        for (uint32_t i = 0; i < w->logs[p].count; i++) {
            if (w->logs[p].rows[i].offset >= from) {
                give(w, w->parts[p], w->logs[p].rows[i].offset, &w->logs[p].rows[i], false);
            }
        }
        model_read_end(w->m, w->parts[p], w->logs[p].end);
    }
    for (uint32_t i = 0; i < 2; i++) {
        char text[24];
        (void)snprintf(text, sizeof(text), "%lld", (long long)w->commit_found[i]);
        model_commit_read(w->m, w->group, i == 0, w->commit_found[i], str_of(text));
    }
    model_settle(w->m);
}

/* ---- Anomalies --------------------------------------------------------------------------------
 */

static void cut_rows(struct log *log, uint32_t left)
{
    log->count = left;
    log->end = log->rows[left - 1].offset + 1;
}
static void none(struct world *w)
{
    w->cut = false;
}
static void lost_tail(struct world *w)
{
    cut_rows(&w->logs[1], 6);
}
static void seen_lost(struct world *w)
{
    cut_rows(&w->logs[0], 4);
}
static void swapped(struct world *w)
{
    struct log *log = &w->logs[1];
    for (uint32_t i = 0; i < 2; i++) {
        struct row a = log->rows[i];
        log->rows[i].batch = log->rows[i + 2].batch;
        log->rows[i + 2].batch = a.batch;
    }
}
static void doubled(struct world *w)
{
    struct log *log = &w->logs[0];
    for (uint32_t i = 0; i < 2; i++) {
        log->rows[log->count] = log->rows[0 + i];
        log->rows[log->count++].offset = log->end++;
    }
}
static void reordered(struct world *w)
{
    /* The two unknown batches at the end, which no offset was told of. */
    struct log *log = &w->logs[0];
    uint32_t a = log->count - 4;
    uint32_t first = log->rows[a].batch;
    for (uint32_t i = 0; i < 2; i++) {
        log->rows[a + i].batch = log->rows[a + 2 + i].batch;
        log->rows[a + 2 + i].batch = first;
    }
}
static void hole(struct world *w)
{
    /* Of two unknown batches the second alone is there. */
    struct log *log = &w->logs[0];
    for (uint32_t i = 0; i < 2; i++) {
        log->rows[log->count - 4 + i].batch = log->rows[log->count - 2 + i].batch;
    }
    cut_rows(log, log->count - 2);
}
static void invented(struct world *w)
{
    w->logs[0].rows[w->logs[0].count] = (struct row){w->logs[0].end++, 0, 99, 0, SIZE, false};
    w->logs[0].count++;
}
static void refused(struct world *w)
{
    struct log *log = &w->logs[0];
    for (uint32_t i = 0; i < 2; i++) {
        log->rows[log->count++] =
            (struct row){log->end++, w->writers[0], w->refused, i, SIZE, false};
    }
}
static void torn(struct world *w)
{
    cut_rows(&w->logs[0], w->logs[0].count - 1);
}
static void spoiled(struct world *w)
{
    w->logs[1].rows[3].spoiled = true;
}
static void gap(struct world *w)
{
    struct log *log = &w->logs[0];
    for (uint32_t i = log->count - 2; i < log->count; i++) {
        log->rows[i].offset += 5;
    }
    log->end += 5;
}
static void end_back(struct world *w)
{
    /* Nothing was told of the records, but the high watermark was. */
    model_end_told(w->m, w->parts[0], w->logs[0].end + 7);
}
static void commit_back(struct world *w)
{
    w->commit_found[0] = w->commit_found[1] = w->committed - 2;
}
static void commit_invented(struct world *w)
{
    w->commit_found[0] = w->commit_found[1] = w->committed + 1;
}
static void commit_torn(struct world *w)
{
    w->commit_found[1] = w->committed - 1;
}
static void no_topic(struct world *w)
{
    w->no_topic = true;
}
static void topic_returned(struct world *w)
{
    w->deleted_topic_there = true;
}
static void topic_changed(struct world *w)
{
    w->other_id = true;
}
static void topic_shrunk(struct world *w)
{
    w->partitions--;
}
static void start_back(struct world *w)
{
    w->start--;
}
static void start_invented(struct world *w)
{
    w->start += 2;
}
/* The unknown deletion happened. */
static void start_unknown(struct world *w)
{
    w->start++;
}
static void setting_back(struct world *w)
{
    w->setting_found -= 2;
}
static void setting_invented(struct world *w)
{
    w->setting_found++;
}
/* A writer whose server lives on goes on behind a batch without an answer. */
static void doubted(struct world *w)
{
    hole(w);
    model_doubt(w->m, w->writers[0], w->refused + 1);
}
static void topic_invented(struct world *w)
{
    w->strange_topic = true;
}
/* A relaxed partition after a cut may lose its tail ... */
static void relaxed_lost(struct world *w)
{
    w->cut = true;
    cut_rows(&w->logs[2], 4);
    w->logs[2].end = 8;
}
/* ... but not after a kill ... */
static void relaxed_killed(struct world *w)
{
    cut_rows(&w->logs[2], 4);
    w->logs[2].end = 8;
}
/* ... and never give an offset out twice. */
static void relaxed_reused(struct world *w)
{
    relaxed_lost(w);
    w->logs[2].end = 4;
    batch(w, 2, 2, STORED);
    w->logs[2].end = 8;
}

static const struct plant {
    const char *name;
    void (*fn)(struct world *w);
    enum model_kind kind; /* MODEL_KIND_COUNT: nothing must be found */
} plants[] = {
    {"the good history", none, MODEL_KIND_COUNT},
    {"a lost acknowledged batch", lost_tail, MODEL_LOST},
    {"a lost record that was seen", seen_lost, MODEL_TAKEN_BACK},
    {"two acknowledged batches swapped", swapped, MODEL_RENUMBERED},
    {"a batch twice", doubled, MODEL_DOUBLED},
    {"unknown batches swapped", reordered, MODEL_REORDERED},
    {"the second unknown batch alone", hole, MODEL_HOLE},
    {"a record of nobody", invented, MODEL_INVENTED},
    {"a refused batch", refused, MODEL_REFUSED},
    {"half a batch", torn, MODEL_TORN},
    {"a changed byte", spoiled, MODEL_VALUE},
    {"skipped offsets", gap, MODEL_GAP},
    {"the high watermark moved back", end_back, MODEL_END_BACK},
    {"a commit lost", commit_back, MODEL_COMMIT_BACK},
    {"a commit of nobody", commit_invented, MODEL_COMMIT_INVENTED},
    {"half a commit", commit_torn, MODEL_COMMIT_TORN},
    {"a topic lost", no_topic, MODEL_TOPIC_LOST},
    {"a deleted topic", topic_returned, MODEL_TOPIC_RETURNED},
    {"a topic with another id", topic_changed, MODEL_TOPIC_CHANGED},
    {"a topic of nobody", topic_invented, MODEL_TOPIC_INVENTED},
    {"a topic lost a partition", topic_shrunk, MODEL_TOPIC_CHANGED},
    {"deleted records that are back", start_back, MODEL_START_BACK},
    {"more deleted than asked for", start_invented, MODEL_START_INVENTED},
    {"an unknown deletion that happened", start_unknown, MODEL_KIND_COUNT},
    {"a setting lost", setting_back, MODEL_CONFIG_BACK},
    {"a setting of nobody", setting_invented, MODEL_CONFIG_INVENTED},
    {"a doubtful batch that is missing", doubted, MODEL_KIND_COUNT},
    {"relaxed: the tail lost by a cut", relaxed_lost, MODEL_KIND_COUNT},
    {"relaxed: the tail lost by a kill", relaxed_killed, MODEL_LOST},
    {"relaxed: an offset used twice", relaxed_reused, MODEL_RENUMBERED},
};

int main(void)
{
    unsigned passed = 0, failed = 0;
    for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
        static struct world w;
        history(&w);
        plants[i].fn(&w);
        model_crashed(w.m, w.cut ? "cut" : "kill");
        read_all(&w);
        bool good = plants[i].kind == MODEL_KIND_COUNT ? model_violations(w.m) == 0
                                                       : model_count_of(w.m, plants[i].kind) > 0;
        passed += good;
        failed += !good;
        printf("%s %s\n", good ? "ok" : "FAIL", plants[i].name);
        for (int k = 0; !good && k < MODEL_KIND_COUNT; k++) {
            uint64_t n = model_count_of(w.m, (enum model_kind)k);
            if (n > 0) {
                printf("  %s: %llu\n", model_kind_name((enum model_kind)k), (unsigned long long)n);
            }
        }
        model_destroy(w.m);
    }
    /* What was gone after one crash must not return after the next. */
    static struct world w;
    history(&w);
    struct log saved = w.logs[1];
    model_crashed(w.m, "kill");
    read_all(&w);
    w.logs[1] = saved;
    w.logs[1].rows[w.logs[1].count++] =
        (struct row){w.logs[1].end++, w.writers[1], 8, 0, SIZE, false};
    model_crashed(w.m, "kill");
    read_all(&w);
    bool good = model_count_of(w.m, MODEL_RETURNED) > 0;
    printf("%s a batch that returns after the next crash\n", good ? "ok" : "FAIL");
    passed += good;
    failed += !good;
    model_destroy(w.m);
    printf("%u passed, %u failed, 0 skipped\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
