/*
 * The judges of a soak are judged: what grows is found and what is at rest is not; a log start that
 * moves back and deleted records that return are found; what is saved and loaded judges as before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common_soak.h"

enum { SAMPLES = 240, RECORDS = 3 };

static unsigned passed, failed;

static void show(const char *name, bool good)
{
    printf("%s %s\n", good ? "ok" : "FAIL", name);
    passed += good;
    failed += !good;
}

/* ---- The trend --------------------------------------------------------------------------------
 */

static const double mib = 1 << 20;

/* Memory of 20 MiB in a life of 60 s, with noise, as a function of the sample. */
static bool grows(double slope_a_minute, double saw, double step_at)
{
    double at[SAMPLES], value[SAMPLES], rise;
    uint64_t random = 7;
    for (int i = 0; i < SAMPLES; i++) {
        double part = (double)i / (SAMPLES - 1);
        at[i] = part * 60000;
        value[i] = 20 * mib + slope_a_minute * part + saw * (double)(i % 20) / 20 +
                   (double)(load_random(&random) % 4096) * 256 +
                   (step_at > 0 && part > step_at ? 4 * mib : 0);
    }
    return soak_grows(at, value, SAMPLES, 8 * mib, &rise);
}

static void trend(void)
{
    show("trend: noise is at rest", !grows(0, 0, 0));
    show("trend: a saw is at rest", !grows(0, 12 * mib, 0));
    show("trend: one small step is at rest", !grows(0, 0, 0.5));
    show("trend: falling is no growth", !grows(-15 * mib, 0, 0));
    show("trend: a leak is found", grows(12 * mib, 0, 0));
    show("trend: a leak under a saw is found", grows(14 * mib, 12 * mib, 0));
    double t[2] = {0, 1}, v[2] = {0, 1e9}, rise;
    show("trend: two samples say nothing", !soak_grows(t, v, 2, 1, &rise));
    const struct soak_counter c = {.sent = 9, .acked = 5};
    show("counter: between acknowledged and sent",
         soak_counter_holds(&c, 5) && soak_counter_holds(&c, 9));
    show("counter: behind or never sent",
         !soak_counter_holds(&c, 4) && !soak_counter_holds(&c, 10));
}

/* ---- The log start ----------------------------------------------------------------------------
 */

static struct model *begin(void)
{
    struct model *m = model_create(NULL, true);
    model_retention(m);
    (void)model_part_add(m, "t", 0, false);
    (void)model_writer_add(m);
    for (uint32_t b = 0; b < 10; b++) {
        (void)model_send(m, 0, 0, RECORDS);
        (void)model_ok(m, 0, b, (int64_t)b * RECORDS);
    }
    return m;
}

/* Reads what is there from `start` on, without the records of batch `missing`. */
static void read_from(struct model *m, int64_t start, uint32_t missing)
{
    model_crashed(m, "kill");
    model_start_moved(m, 0, model_floor(m, 0), start);
    int64_t end = 10 * RECORDS;
    for (int64_t o = model_read_begin(m, 0, true); o < end; o++) {
        uint32_t batch = (uint32_t)(o / RECORDS);
        char key[MODEL_KEY_SIZE + 1];
        uint8_t value[16];
        if (batch == missing) {
            continue;
        }
        model_key(0, batch, (uint32_t)(o % RECORDS), sizeof(value), key);
        model_value(0, batch, (uint32_t)(o % RECORDS), sizeof(value), value);
        model_read(m, 0, o, str_of(key), str_make(value, sizeof(value)));
    }
    model_read_end(m, 0, end);
    model_settle(m);
}

enum { NONE = 99 };

static void log_start(void)
{
    struct model *m = begin();
    read_from(m, 6, NONE);
    show("start: retention may delete", model_violations(m) == 0 && model_retention_took(m, 0));
    read_from(m, 6, NONE);
    int64_t to = model_trim_judged(m, 0, 4);
    show("start: deletes only what was judged", to > 6 && to <= 10 * RECORDS);
    model_trimmed(m, 0, to, to);
    read_from(m, to, NONE);
    show("start: deleted records are gone",
         model_violations(m) == 0 && !model_retention_took(m, 0));
    read_from(m, to - 1, NONE);
    show("start: it moved back", model_count_of(m, MODEL_START_BACK) > 0);
    model_destroy(m);

    m = begin();
    read_from(m, 0, NONE);
    to = model_trim_judged(m, 0, 4);
    model_trimmed(m, 0, to, to - 1);
    show("start: less was deleted than was asked for", model_violations(m) > 0);
    model_destroy(m);

    m = begin();
    read_from(m, 6, 1);
    show("start: a batch below it may be gone", model_violations(m) == 0);
    read_from(m, 6, 2);
    show("start: a batch above it must be there", model_count_of(m, MODEL_LOST) > 0);
    model_destroy(m);
}

/* ---- Topics and the state ---------------------------------------------------------------------
 */

static void topics(void)
{
    struct model *m = begin();
    struct uuid id = {{1}};
    int32_t partitions = 0;
    uint32_t topic = model_topic_create(m, "again", 1);
    model_topic_created(m, topic, id);
    show("topic: it is there", model_topic_known(m, topic, &partitions) && partitions == 1);
    model_topic_delete(m, topic);
    model_topic_deleted(m, topic);
    show("topic: it is gone", !model_topic_known(m, topic, &partitions) && partitions == -1);
    id.b[0] = 2;
    model_topic_again(m, topic, 2);
    model_topic_created(m, topic, id);
    model_topics_begin(m);
    model_topics_read(m, STR_LIT("again"), id, 2);
    model_topics_end(m);
    show("topic: it may come again", model_violations(m) == 0);
    id.b[0] = 1;
    model_topics_begin(m);
    model_topics_read(m, STR_LIT("again"), id, 2);
    model_topics_end(m);
    show("topic: the old one is found", model_count_of(m, MODEL_TOPIC_CHANGED) > 0);
    model_destroy(m);
}

static struct model *reloaded(struct model *m, long cut)
{
    FILE *f = tmpfile();
    struct model *next = model_create(NULL, true);
    bool ok = f != NULL && model_save(m, f) && fflush(f) == 0;
    if (ok && cut > 0) {
        ok = ftruncate(fileno(f), ftell(f) - cut) == 0;
    }
    if (f != NULL) {
        rewind(f);
        ok = ok && model_load(next, f);
        fclose(f);
    }
    model_destroy(m);
    if (!ok) {
        model_destroy(next);
        return NULL;
    }
    return next;
}

static void state(void)
{
    struct model *m = reloaded(begin(), 0);
    show("state: it is read", m != NULL);
    read_from(m, 6, NONE);
    show("state: nothing is wrong with it", model_violations(m) == 0);
    m = reloaded(m, 0);
    read_from(m, 6, 5);
    show("state: what is lost after it is found", model_count_of(m, MODEL_LOST) > 0);
    model_destroy(m);
    m = reloaded(begin(), 0);
    read_from(m, 6, NONE);
    m = reloaded(m, 0);
    read_from(m, 3, NONE);
    show("state: a start that moved back is found", model_count_of(m, MODEL_START_BACK) > 0);
    m = reloaded(m, 1);
    show("state: half a file is refused", m == NULL);
    if (m != NULL) {
        model_destroy(m);
    }
}

int main(void)
{
    trend();
    log_start();
    topics();
    state();
    printf("%u passed, %u failed, 0 skipped\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
