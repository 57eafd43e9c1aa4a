/*
 * Reads of the event store with the real log: CPU time of one event on each way to read it. Streams
 * are written round robin, an event at a time, so that the events of a stream lie far apart, each
 * in a batch of its own. CPU time counts; the machine is rarely quiet.
 *
 *   es_read DIR [STREAMS [EVENTS [BYTES]]]     an empty folder, or that of the last run; 2000
 *                                              streams of 100 events of 1024 bytes
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/broker.h"
#include "core/log.h"
#include "core/mem.h"
#include "engine/engine.h"
#include "es/es.h"
#include "group/group.h"

enum { SHOTS = 256, READS = 400, PAGE = 1000, LIVE = 10000 };

static struct env *env;
static struct env_poll *poll;
static struct store *store;
static struct broker *broker;
static struct groups *groups;
static struct engine *engine;
static struct es *es;
static bool ready;
static size_t streams = 2000, events = 100, bytes = 1024;

struct cpu {
    double loop, all; /* ns: of this thread, of all */
};

static double clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct cpu cpu_now(void)
{
    return (struct cpu){clock_ns(CLOCK_THREAD_CPUTIME_ID), clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
}

static void tell(const char *what, size_t count, struct cpu begin)
{
    struct cpu end = cpu_now();
    printf("%-36s %8zu events  %6.0f ns of the loop, %6.0f ns of all threads an event\n", what,
           count, (end.loop - begin.loop) / (double)count, (end.all - begin.all) / (double)count);
    fflush(stdout);
}

static void must(enum err e, const struct ectx *ec)
{
    if (e != ERR_OK) {
        fprintf(stderr, "es_read: %s: %s\n", err_name(e), ec->text);
        exit(1);
    }
}

static void on_advance(void *ctx, struct store_part *part)
{
    (void)ctx;
    broker_on_advance(broker, part);
    engine_on_advance(engine);
}

static void on_store_ready(void *ctx)
{
    (void)ctx;
    engine_on_ready(engine);
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    (void)ctx;
    must(ec->code, ec);
}

static void on_es_ready(void *ctx, enum err e, const struct ectx *ec)
{
    (void)ctx;
    must(e, ec);
    ready = true;
}

static void turn(void)
{
    static uint64_t ticked;
    env_poll_run(poll, 0);
    store_kick(store, true);
    uint64_t now = env_mono_ns(env);
    if (now - ticked > 100000000) {
        ticked = now;
        store_tick(store);
        (void)groups_tick(groups, now);
        (void)engine_tick(engine, now);
        es_tick(es);
    }
}

static void open_all(const char *dir, struct config *config, struct metrics *metrics)
{
    static char data[4096], index[4096];
    struct ectx ec = {0};
    struct store_participant pts[3];
    struct store_config cfg;
    must(env_linux_create(&env, &ec), &ec);
    must(env_poll_create(env, &poll, &ec), &ec);
    must(broker_create(env, config, metrics, &broker), &ec);
    must(groups_create(env, config, metrics, &groups), &ec);
    store_config_init(&cfg);
    (void)snprintf(data, sizeof(data), "%s/data", dir);
    (void)snprintf(index, sizeof(index), "%s/index", dir);
    cfg.dir = data;
    broker_participants(broker, pts);
    pts[2] = groups_participant(groups);
    must(store_open(env, poll, &cfg, pts, ARRAY_LEN(pts), &store, &ec), &ec);
    broker_attach(broker, store);
    groups_attach(groups, store);
    must(engine_embedded_create(env, poll, store, broker, groups, &engine), &ec);
    const struct store_hooks hooks = {NULL, on_advance, on_store_ready, on_failure};
    store_set_hooks(store, &hooks);
    must(es_create(engine, config, metrics, index, &es, &ec), &ec);
    es_start(es, on_es_ready, NULL);
    while (!ready) {
        turn();
    }
}

/* ---- Writing ---- */

struct shot {
    struct es_append a;
    struct es_new_event event;
    struct arena arena;
    char name[40];
    bool busy, again;
};

static void appended(struct es_append *a)
{
    struct shot *s = a->ctx;
    if (a->problem != ES_OK && a->problem != ES_BUSY) {
        fprintf(stderr, "es_read: %s: %s\n", es_problem_code(a->problem), a->ec.text);
        exit(1);
    }
    s->again = a->problem == ES_BUSY; /* the log has no room for the moment */
    s->busy = s->again;
}

static void wait_for(struct shot *s)
{
    while (s->busy) {
        turn();
        if (s->again) {
            s->again = false;
            es_append(es, &s->a);
        }
    }
}

static size_t fill(size_t total)
{
    static struct shot shots[SHOTS];
    static const struct str tags[] = {{"customer:7", 10}};
    char *data = mem_alloc(bytes);
    memset(data, 'x', bytes);
    data[0] = data[bytes - 1] = '"';
    for (size_t i = 0; i < SHOTS; i++) {
        arena_init(&shots[i].arena, 1 << 20);
    }
    for (size_t i = 0, at = 0; i < total; i++) {
        wait_for(&shots[at]);
        struct shot *s = &shots[at];
        at = (at + 1) % SHOTS;
        arena_reset(&s->arena, 65536);
        envelope_init(&s->event.envelope);
        (void)snprintf(s->name, sizeof(s->name), "order-%zu", i % streams);
        s->event.stream = str_of(s->name);
        s->event.envelope.type = i % 16 == 0 ? STR_LIT("OrderPaid") : STR_LIT("OrderPlaced");
        s->event.data = str_make(data, bytes);
        s->event.tags = tags;
        s->event.tag_count = i % 16 == 1;
        s->a = (struct es_append){
            .events = &s->event, .event_count = 1, .arena = &s->arena, .done = appended, .ctx = s};
        s->busy = true;
        es_append(es, &s->a);
    }
    for (size_t i = 0; i < SHOTS; i++) {
        wait_for(&shots[i]);
        arena_deinit(&shots[i].arena);
    }
    mem_free(data);
    return total;
}

/* ---- Reading ---- */

static bool done;

static void stream_done(struct es_read_stream *r)
{
    (void)r;
    done = true;
}

static void all_done(struct es_read_all *r)
{
    (void)r;
    done = true;
}

/* Under callgrind: --toggle-collect=count_streams and the like. */
void count_streams(struct arena *a);
__attribute__((noinline)) void count_streams(struct arena *a)
{
    size_t count = 0;
    struct cpu begin = cpu_now();
    for (size_t i = 0; i < READS; i++) {
        char name[40];
        (void)snprintf(name, sizeof(name), "order-%zu", i * 7919 % streams);
        arena_reset(a, 16 << 20);
        struct es_read_stream r = {.stream = str_of(name),
                                   .to = UINT64_MAX,
                                   .until_ns = INT64_MAX,
                                   .limit = 1000,
                                   .limit_bytes = 4 << 20,
                                   .arena = a,
                                   .done = stream_done};
        done = false;
        es_read_stream(es, &r);
        while (!done) {
            turn();
        }
        count += r.event_count;
        es_read_stream_release(es, &r);
    }
    tell("a stream", count, begin);
}

static void pages(const char *what, const struct es_filter *f, bool backward, struct arena *a)
{
    struct es_read_all r = {.filter = *f,
                            .backward = backward,
                            .from_end = backward,
                            .limit = PAGE,
                            .limit_bytes = 4 << 20,
                            .scan_max = 100000,
                            .arena = a,
                            .done = all_done};
    size_t count = 0;
    struct cpu begin = cpu_now();
    do {
        arena_reset(a, 16 << 20);
        done = false;
        es_read_all(es, &r);
        while (!done) {
            turn();
        }
        if (r.problem != ES_OK) {
            fprintf(stderr, "es_read: %s: %s\n", es_problem_code(r.problem), r.ec.text);
            exit(1);
        }
        count += r.event_count;
        r.after = r.next;
        r.from_end = false;
        es_read_all_release(es, &r);
    } while (r.more);
    tell(what, count, begin);
}

/* ---- Following ---- */

static size_t followed;

static bool follow(void *ctx, enum es_frame frame, const struct es_event *e,
                   struct es_position position, uint64_t scanned, uint64_t matched)
{
    (void)ctx;
    (void)e;
    (void)position;
    (void)scanned;
    (void)matched;
    followed += frame == ES_FRAME_EVENT;
    return true;
}

static void follow_closed(void *ctx, enum es_problem problem, const struct ectx *ec)
{
    (void)ctx;
    (void)problem;
    must(ec->code, ec);
}

/* Subscribers at the end of the log while events come. */
static void live(size_t count)
{
    static struct es_subscription *subs[1000];
    struct ectx ec = {0};
    const struct es_subscribe spec = {.filter = {.category = STR_LIT("order")},
                                      .from_end = true,
                                      .deliver = follow,
                                      .closed = follow_closed};
    for (size_t i = 0; i < count; i++) {
        must(es_subscribe(es, &spec, &subs[i], &ec) == ES_OK ? ERR_OK : ERR_UNKNOWN_SERVER_ERROR,
             &ec);
        es_subscription_resume(subs[i]);
    }
    for (int i = 0; i < 1000; i++) {
        turn();
    }
    followed = 0;
    struct cpu begin = cpu_now();
    size_t appended_events = fill(LIVE);
    for (int i = 0; i < 1000 && followed < appended_events * count; i++) {
        turn();
    }
    struct cpu end = cpu_now();
    printf("%4zu live subscribers: %zu of %zu told, %.0f ns of all threads an append\n", count,
           followed, appended_events * count, (end.all - begin.all) / (double)appended_events);
    for (size_t i = 0; i < count; i++) {
        es_unsubscribe(subs[i]);
    }
}

static void engine_done(struct engine_read *r)
{
    (void)r;
    done = true;
}

/* The same records without events made of them: what reading the log costs. */
static void plain(struct arena *a)
{
    size_t count = 0;
    struct engine_topic t;
    struct cpu begin = cpu_now();
    if (!engine_topic_get(engine, STR_LIT("es.order"), &t)) {
        exit(1);
    }
    for (int32_t p = 0; p < t.partition_count; p++) {
        struct engine_read r = {.topic = t.name, .partition = p, .max_bytes = 1 << 20};
        do {
            arena_reset(a, 16 << 20);
            r.arena = a;
            r.done = engine_done;
            r.offset = r.next_offset;
            done = false;
            engine_read(engine, &r);
            while (!done) {
                turn();
            }
            count += (size_t)(r.next_offset - r.offset);
            engine_read_release(engine, &r);
        } while (r.next_offset < r.end_offset);
    }
    tell("records of the engine, not looked at", count, begin);
}

int main(int argc, char **argv)
{
    static const struct str type = {"OrderPaid", 9}, tag = {"customer:7", 10};
    struct config config;
    struct arena a;
    if (argc < 2) {
        fprintf(stderr, "usage: es_read DIR [STREAMS [EVENTS [BYTES]]]\n");
        return 2;
    }
    streams = argc > 2 ? strtoul(argv[2], NULL, 10) : streams;
    events = argc > 3 ? strtoul(argv[3], NULL, 10) : events;
    bytes = argc > 4 ? strtoul(argv[4], NULL, 10) : bytes;
    log_set(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    config_init(&config, CONFIG_SCOPE_BROKER);
    arena_init(&a, 256 << 20);
    struct metrics *metrics = metrics_create();
    open_all(argv[1], &config, metrics);
    size_t there = 0;
    IGNORE(es_categories(es, &a, &there));
    if (there == 0) { /* else that of the last run */
        struct cpu begin = cpu_now();
        (void)fill(streams * events);
        tell("an append of one event", streams * events, begin);
    }
    plain(&a);
    count_streams(&a);
    pages("a category", &(struct es_filter){.category = STR_LIT("order")}, false, &a);
    pages("a category, backward", &(struct es_filter){.category = STR_LIT("order")}, true, &a);
    pages("one event in 16, by type", &(struct es_filter){.types = &type, .type_count = 1}, false,
          &a);
    pages("one event in 16, by tag", &(struct es_filter){.tags = &tag, .tag_count = 1}, false, &a);
    live(0);
    live(1);
    live(100);
    live(1000);
    arena_deinit(&a);
    es_stop(es);
    groups_stop(groups);
    store_close(store);
    es_destroy(es);
    engine_destroy(engine);
    groups_destroy(groups);
    broker_destroy(broker);
    metrics_destroy(metrics);
    config_deinit(&config);
    env_poll_destroy(poll);
    return 0;
}
