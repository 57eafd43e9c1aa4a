/*
 * The event store on the simulated disk, with the real engine, broker and store: appends to several
 * streams, deletions, retries; cut at any operation, of the log or of the index, and started again.
 *
 * The promises (oracle: struct xmodel, outside of the simulated world):
 *   - an append is there whole, in all of its streams, or not at all; what was acknowledged is
 * there, at the revisions that were told;
 *   - each stream's revisions are 0, 1, 2, ... without a gap; an id is there once;
 *   - the index, whatever it was when the power went, has the head of each stream and the place of
 *     each event, and knows what was deleted;
 *   - pages of all events in the order of the log have each event that is not deleted once; who
 *     follows from the last position that it was told, over any number of crashes, is told each
 *     event once, in order, and its position is always known;
 *   - an append that is sent again is answered with its original revisions if it is there, and is
 *     made if it is not: its outcome may have been lost, its events are never twice.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"
#include "common_run.h"
#include "core/log.h"
#include "engine/engine.h"
#include "env/env_sim.h"
#include "es/write.h"
#include "group/group.h"

enum { STREAMS = 6, APPENDS = 600, PER = 2, MOST = 3, SLOTS = 8, REVISIONS = APPENDS * MOST };

#define DATA "{\"filling\":\"0123456789012345678901234567890123456789\"}"

static const char *const stream_names[STREAMS] = {"order-1", "order-2", "order-3",
                                                  "user-1",  "user-2",  "user-3"};

struct xrun { /* events of one stream in an append */
    int stream, count;
    uint64_t first; /* if it was told */
};
struct xappend {
    struct xrun r[PER];
    int n;
    bool acked;
    bool found; /* at the last start, or acknowledged since */
};
struct xmodel {
    uint64_t rng;
    struct xappend a[APPENDS];
    uint32_t n;
    struct es_position told;      /* to the one who follows; he is outside of it all */
    uint64_t told_next[STREAMS];  /* the revision that he expects */
    uint64_t deleted_at[STREAMS]; /* a soft delete was acknowledged: its life ended before this */
    /* Events whose data was to be erased; those of which it was told that they are. */
    bool redacted[STREAMS][REVISIONS], erased[STREAMS][REVISIONS];
    bool bad;
    char why[300];
};
struct xproc;
struct xshot {
    struct es_append a;
    struct es_new_event events[PER * MOST];
    char ids[PER * MOST][32];
    struct es_expected expected;
    struct arena arena;
    struct xproc *p;
    uint32_t index;
    bool busy, again;
};
struct xproc {
    struct env *env;
    struct env_poll *poll;
    struct config config;
    struct metrics *metrics;
    struct store *store;
    struct broker *broker;
    struct groups *groups;
    struct engine *engine;
    struct es *es;
    struct xmodel *m;
    struct arena arena;
    struct xshot *shots;
    bool dead, ready, closing;
    uint32_t in_flight;
    struct es_stream_change change;
    bool change_busy;
    int change_stream;
    struct es_subscription *sub;
};

static uint64_t rnd(struct xmodel *m, uint64_t below)
{
    m->rng++;
    return run_mix(m->rng) % below;
}

__attribute__((format(printf, 2, 3))) static void bad(struct xmodel *m, const char *fmt, ...)
{
    if (!m->bad) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(m->why, sizeof(m->why), fmt, ap);
        va_end(ap);
        m->bad = true;
    }
}

static bool gone(const struct xproc *p)
{
    return p->dead || p->closing || p->m->bad || env_sim_is_cut(p->env);
}

/* ---- One process ---- */

static void on_advance(void *ctx, struct store_part *part)
{
    struct xproc *p = ctx;
    broker_on_advance(p->broker, part);
    engine_on_advance(p->engine);
}

static void on_store_ready(void *ctx)
{
    engine_on_ready(((struct xproc *)ctx)->engine);
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    (void)ec;
    ((struct xproc *)ctx)->dead = true;
}

static void on_es_ready(void *ctx, enum err e, const struct ectx *ec)
{
    struct xproc *p = ctx;
    p->ready = e == ERR_OK;
    if (e != ERR_OK && !gone(p)) {
        bad(p->m, "the event store does not start: %s: %s", err_name(e), ec->text);
    }
}

static void turn(struct xproc *p, uint64_t steps)
{
    for (uint64_t i = 0; i < steps && !env_sim_is_cut(p->env); i++) {
        if (!env_sim_step(p->env)) {
            break;
        }
    }
    if (!env_sim_is_cut(p->env) && !p->dead) {
        (void)groups_tick(p->groups, env_mono_ns(p->env));
        (void)engine_tick(p->engine, env_mono_ns(p->env));
        es_tick(p->es);
    }
}

static enum err open_all(struct xproc *p, struct ectx *ec)
{
    struct store_config cfg;
    struct store_participant pts[3];
    enum err e = env_poll_create(p->env, &p->poll, ec);
    p->metrics = e == ERR_OK ? metrics_create() : NULL;
    e = e == ERR_OK ? broker_create(p->env, &p->config, p->metrics, &p->broker) : e;
    e = e == ERR_OK ? groups_create(p->env, &p->config, p->metrics, &p->groups) : e;
    if (e != ERR_OK) {
        return e;
    }
    store_config_init(&cfg);
    cfg.dir = "/d";
    cfg.ring_file_bytes = 128 << 10;
    cfg.ring_file_count = 3;
    cfg.inline_max_bytes = 4000;
    cfg.checkpoint_bytes = 60000;
    cfg.checkpoint_ms = 5000;
    cfg.min_free_bytes = 4096;
    broker_participants(p->broker, pts);
    pts[2] = groups_participant(p->groups);
    struct store *opened = NULL;
    e = store_open(p->env, p->poll, &cfg, pts, ARRAY_LEN(pts), &opened, ec);
    p->store = opened;
    if (e != ERR_OK) {
        return e;
    }
    broker_attach(p->broker, p->store);
    groups_attach(p->groups, p->store);
    e = engine_embedded_create(p->env, p->poll, p->store, p->broker, p->groups, &p->engine);
    return e == ERR_OK ? es_create(p->engine, &p->config, p->metrics, "/i", &p->es, ec) : e;
}

static void end_proc(struct xproc *p)
{
    p->closing = true;
    if (p->es != NULL) {
        es_stop(p->es);
    }
    if (p->groups != NULL) {
        groups_stop(p->groups);
    }
    store_close(p->store);
    es_destroy(p->es);
    engine_destroy(p->engine);
    groups_destroy(p->groups);
    broker_destroy(p->broker);
    metrics_destroy(p->metrics);
    config_deinit(&p->config);
    if (p->poll != NULL) {
        env_poll_destroy(p->poll);
    }
    for (int i = 0; p->shots != NULL && i < SLOTS; i++) {
        arena_deinit(&p->shots[i].arena);
    }
    arena_deinit(&p->arena);
    free(p->shots);
}

/* ---- Judging a start: the log itself ---- */

struct xseen { /* of a stream, from the log */
    uint64_t count;
    uint64_t uid[REVISIONS]; /* by revision; UINT64_MAX: not seen */
    int nth[REVISIONS];
    int64_t offset[REVISIONS];
};

struct reading {
    struct engine_read r;
    bool done;
};

static void read_done(struct engine_read *r)
{
    ((struct reading *)r->ctx)->done = true;
}

static int stream_of(struct str name)
{
    for (int i = 0; i < STREAMS; i++) {
        if (str_eq_z(name, stream_names[i])) {
            return i;
        }
    }
    return -1;
}

/* What a Kafka client reads: the data, or nothing of it if it was asked to be erased; nothing for
 * sure if it was told that it is. */
static void judge_data(struct xmodel *m, int s, uint64_t revision, struct str value)
{
    const bool gone = value.n >= 4 && memcmp(value.p, "null", 4) == 0;
    if (!gone && !str_eq_z(value, DATA)) {
        bad(m, "%s: revision %llu has other data", stream_names[s], (unsigned long long)revision);
    } else if (gone && !m->redacted[s][revision]) {
        bad(m, "%s: revision %llu was erased, and nobody asked", stream_names[s],
            (unsigned long long)revision);
    } else if (!gone && m->erased[s][revision]) {
        bad(m, "%s: revision %llu was erased, and is there again", stream_names[s],
            (unsigned long long)revision);
    }
    m->erased[s][revision] = gone;
}

static void judge_record(struct xmodel *m, struct xseen *seen, const struct record *r)
{
    struct es_view v;
    unsigned long long uid = 0;
    int nth = 0;
    char id[64];
    if (es_view_read(r, &v, NULL) != ERR_OK || !v.has_revision) {
        bad(m, "offset %lld holds no event", (long long)r->offset);
        return;
    }
    int s = stream_of(v.stream);
    (void)snprintf(id, sizeof(id), "%.*s", STR(v.id));
    if (s < 0 || sscanf(id, "u%llu-%d", &uid, &nth) != 2 || uid >= m->n ||
        v.revision >= REVISIONS) {
        bad(m, "event '%s' was never sent", id);
        return;
    }
    struct xseen *x = &seen[s];
    if (x->uid[v.revision] != UINT64_MAX) {
        bad(m, "%s: revision %llu is there twice", stream_names[s], (unsigned long long)v.revision);
        return;
    }
    judge_data(m, s, v.revision, r->value);
    x->uid[v.revision] = uid;
    x->nth[v.revision] = nth;
    x->offset[v.revision] = r->offset;
    x->count++;
}

static bool read_part(struct xproc *p, struct xseen *seen, const struct es_cat *cat, int part)
{
    int64_t start = 0, end = 0, next = 0;
    if (engine_bounds(p->engine, cat->topic, part, &start, &end) != ERR_OK) {
        return true;
    }
    while (next < end && !p->m->bad) {
        static struct reading x; /* outlives a job that a cut forgets */
        arena_reset(&p->arena, 1 << 20);
        x = (struct reading){.r = {.topic = cat->topic,
                                   .partition = part,
                                   .offset = next,
                                   .max_bytes = 1 << 16,
                                   .arena = &p->arena,
                                   .done = read_done}};
        x.r.ctx = &x;
        engine_read(p->engine, &x.r);
        while (!x.done && !env_sim_is_cut(p->env)) {
            (void)env_poll_run(p->poll, 1000000);
        }
        if (!x.done || x.r.err != ERR_OK) {
            engine_read_cancel(p->engine, &x.r);
            if (!gone(p)) {
                bad(p->m, "reading the log: %s", x.done ? err_name(x.r.err) : "it hangs");
            }
            return false;
        }
        for (size_t i = 0; i < x.r.batch_count; i++) {
            struct batch_header h;
            struct record_iter it;
            struct record r;
            const uint8_t *bytes = (const uint8_t *)x.r.batches[i].bytes.p;
            if (batch_header_parse(bytes, x.r.batches[i].bytes.n, &h, NULL) == ERR_OK &&
                record_iter_init(&it, &h, bytes, NULL, SIZE_MAX, NULL) == ERR_OK) {
                while (record_next(&it, &r)) {
                    judge_record(p->m, seen, &r);
                }
            }
        }
        next = x.r.next_offset;
        engine_read_release(p->engine, &x.r);
    }
    return true;
}

/* Every append whole or not at all; acknowledged ones at the revisions that were told. */
static void judge_appends(struct xmodel *m, const struct xseen *seen)
{
    static uint64_t first[APPENDS][PER];
    static int count[APPENDS][PER];
    memset(count, 0, sizeof(count));
    for (int s = 0; s < STREAMS && !m->bad; s++) {
        for (uint64_t r = 0; r < seen[s].count; r++) {
            uint64_t uid = seen[s].uid[r];
            if (uid == UINT64_MAX) {
                bad(m, "%s: revision %llu is missing, %llu are there", stream_names[s],
                    (unsigned long long)r, (unsigned long long)seen[s].count);
                return;
            }
            struct xappend *a = &m->a[uid];
            int k = a->r[0].stream == s ? 0 : 1;
            if (k >= a->n || a->r[k].stream != s || seen[s].nth[r] != k * MOST + count[uid][k]) {
                bad(m, "%s: revision %llu is no event of append %llu, or not the next",
                    stream_names[s], (unsigned long long)r, (unsigned long long)uid);
                return;
            }
            first[uid][k] = count[uid][k] == 0 ? r : first[uid][k];
            if (r != first[uid][k] + (uint64_t)count[uid][k]) {
                bad(m, "append %llu is in two pieces", (unsigned long long)uid);
                return;
            }
            count[uid][k]++;
        }
    }
    for (uint32_t i = 0; i < m->n && !m->bad; i++) {
        struct xappend *a = &m->a[i];
        bool there = count[i][0] > 0;
        for (int k = 0; k < a->n; k++) {
            if (count[i][k] != (there ? a->r[k].count : 0)) {
                bad(m, "append %u is there in part", i);
            } else if (there && a->acked && first[i][k] != a->r[k].first) {
                bad(m, "append %u was told %llu and is at %llu", i,
                    (unsigned long long)a->r[k].first, (unsigned long long)first[i][k]);
            }
            a->r[k].first = there ? first[i][k] : a->r[k].first;
        }
        if (!there && a->acked) {
            bad(m, "append %u was acknowledged and is gone", i);
        }
        a->found = a->acked = there; /* shown: it must never go */
    }
}

static void look_done(struct es_look_set *set)
{
    (void)set; /* whoever asked looks at `pending` */
}

/* The index has what the log has. */
static void judge_index(struct xproc *p, const struct xseen *seen)
{
    struct xmodel *m = p->m;
    for (int s = 0; s < STREAMS && !gone(p); s++) {
        static struct es_look_set set;
        static struct es_look looks[3];
        struct es_hash hash = es_hash_stream(p->es, str_of(stream_names[s]));
        uint64_t some = seen[s].count == 0 ? 0 : rnd(m, seen[s].count);
        memset(looks, 0, sizeof(looks));
        looks[0].kind = ES_LOOK_LAST;
        looks[0].table = ES_T_EVENTS;
        looks[1].table = ES_T_EVENTS;
        looks[2].table = ES_T_FACTS;
        memcpy(looks[0].key, hash.b, 16);
        memcpy(looks[2].key, hash.b, 16);
        es_key_event(looks[1].key, &hash, some);
        set = (struct es_look_set){.looks = looks, .count = 3, .done = look_done};
        bool now = es_look(p->es, &set);
        for (int i = 0; !now && set.pending > 0 && i < 100000 && !env_sim_is_cut(p->env); i++) {
            turn(p, 10);
        }
        if (gone(p)) {
            return;
        }
        uint64_t count = looks[0].err == ERR_OK ? es_key_event_revision(looks[0].key_out) + 1 : 0;
        if (count != seen[s].count) {
            bad(m, "%s has %llu events, and the index says %llu", stream_names[s],
                (unsigned long long)seen[s].count, (unsigned long long)count);
            return;
        }
        struct es_place place = {.offset = -1};
        if (looks[1].err == ERR_OK) {
            es_value_event_read(looks[1].value, &place);
        }
        if (count > 0 && place.offset != seen[s].offset[some]) {
            bad(m, "%s: revision %llu is at offset %lld, and the index says %lld", stream_names[s],
                (unsigned long long)some, (long long)seen[s].offset[some], (long long)place.offset);
        }
        struct es_status status;
        es_status_init(&status);
        if (looks[2].err == ERR_OK) {
            es_value_fact_read(looks[2].value, &status);
        }
        if (status.born < m->deleted_at[s]) {
            bad(m, "%s was deleted at %llu, and that is forgotten", stream_names[s],
                (unsigned long long)m->deleted_at[s]);
        }
        m->deleted_at[s] = status.born;
    }
}

static void all_done(struct es_read_all *r)
{
    *(bool *)r->ctx = true;
}

/* Pages of all events: each that is not deleted, once, where the log has it. */
static void judge_pages(struct xproc *p, const struct xseen *seen)
{
    struct xmodel *m = p->m;
    struct es_position after = {0, 0};
    uint64_t count[STREAMS] = {0};
    for (bool more = true; more && !gone(p);) {
        static struct arena arena;
        bool done = false;
        arena_deinit(&arena);
        arena_init(&arena, 8 << 20);
        struct es_read_all r = {.after = after,
                                .limit = 1 + rnd(m, 40),
                                .limit_bytes = 1 << 20,
                                .scan_max = 1 + rnd(m, 60),
                                .arena = &arena,
                                .done = all_done,
                                .ctx = &done};
        es_read_all(p->es, &r);
        for (int i = 0; !done && i < 100000 && !env_sim_is_cut(p->env); i++) {
            turn(p, 10);
        }
        if (gone(p) || !done) {
            es_read_all_release(p->es, &r);
            return;
        }
        if (r.problem != ES_OK) {
            bad(m, "reading all: %s: %s", es_problem_code(r.problem), r.ec.text);
            return;
        }
        for (size_t i = 0; i < r.event_count; i++) {
            const struct es_event *e = &r.events[i];
            int s = stream_of(e->stream);
            if (s < 0 || es_position_cmp(e->position, after) <= 0 || e->revision >= REVISIONS ||
                e->offset != seen[s].offset[e->revision]) {
                bad(m, "reading all: an event that is not next");
                return;
            }
            after = e->position;
            count[s]++;
        }
        after = r.next;
        more = r.more;
        es_read_all_release(p->es, &r);
    }
    for (int s = 0; s < STREAMS && !gone(p); s++) {
        if (count[s] != seen[s].count - m->deleted_at[s]) {
            bad(m, "reading all: %llu events of %s, not %llu", (unsigned long long)count[s],
                stream_names[s], (unsigned long long)(seen[s].count - m->deleted_at[s]));
        }
    }
}

/* ---- Who follows ---- */

static bool deliver(void *ctx, enum es_frame frame, const struct es_event *e,
                    struct es_position position, uint64_t scanned, uint64_t matched)
{
    struct xproc *p = ctx;
    struct xmodel *m = p->m;
    uint8_t value[ES_VALUE_FACT];
    struct es_status status;
    (void)scanned;
    (void)matched;
    if (frame != ES_FRAME_EVENT && frame != ES_FRAME_CHECKPOINT) {
        return true;
    }
    if (es_position_cmp(position, m->told) <= 0) {
        bad(m, "who follows was told a position twice, or a lower one");
    }
    m->told = position;
    if (frame == ES_FRAME_CHECKPOINT) {
        return rnd(m, 8) != 0;
    }
    int s = stream_of(e->stream);
    if (s >= 0 && e->revision != m->told_next[s]) {
        struct es_hash hash = es_hash_stream(p->es, e->stream);
        enum err err = index_get(p->es->index, ES_T_FACTS, hash.b, value);
        es_status_init(&status);
        if (err == ERR_OK) {
            es_value_fact_read(value, &status);
        }
        bool known = err == ERR_OK || err == ERR_NOT_FOUND; /* else the disk is needed, or gone */
        if (known && (e->revision < m->told_next[s] || status.born < e->revision)) {
            bad(m, "who follows %s was told %llu, not %llu", stream_names[s],
                (unsigned long long)e->revision, (unsigned long long)m->told_next[s]);
        }
    }
    if (s >= 0) {
        m->told_next[s] = e->revision + 1;
    }
    return rnd(m, 8) != 0;
}

static void follow_closed(void *ctx, enum es_problem problem, const struct ectx *ec)
{
    struct xproc *p = ctx;
    p->sub = NULL;
    if (problem != ES_UNAVAILABLE && !gone(p)) {
        bad(p->m, "who follows was left: %s", ec->text);
    }
}

static void follow(struct xproc *p)
{
    const struct es_subscribe spec = {
        .after = p->m->told, .ctx = p, .deliver = deliver, .closed = follow_closed};
    struct ectx ec = {.code = ERR_OK};
    enum es_problem problem = es_subscribe(p->es, &spec, &p->sub, &ec);
    if (problem != ES_OK) {
        p->sub = NULL;
        bad(p->m, "who follows is not known any more: %s: %s", es_problem_code(problem), ec.text);
        return;
    }
    es_subscription_resume(p->sub);
}

static void judge(struct xproc *p)
{
    struct xseen *seen = calloc(STREAMS, sizeof(*seen));
    struct map_iter it = {0};
    bool read = true;
    if (seen == NULL) {
        abort();
    }
    for (int s = 0; s < STREAMS; s++) {
        for (int r = 0; r < REVISIONS; r++) {
            seen[s].uid[r] = UINT64_MAX;
        }
    }
    while (read && map_next(&p->es->cats, &it)) {
        const struct es_cat *cat = it.value;
        for (int i = 0; i < cat->partitions && read; i++) {
            read = read_part(p, seen, cat, i);
        }
    }
    if (read && !gone(p)) {
        judge_appends(p->m, seen);
        judge_index(p, seen);
        judge_pages(p, seen);
    }
    free(seen);
}

/* ---- The workload ---- */

static void shot_done(struct es_append *a)
{
    struct xshot *x = a->ctx;
    struct xproc *p = x->p;
    struct xappend *o = &p->m->a[x->index];
    x->busy = false;
    p->in_flight--;
    if (a->problem == ES_UNAVAILABLE || a->problem == ES_BUSY) {
        return; /* its outcome is lost, or it was refused */
    }
    bool conflict = a->problem == ES_REVISION_CONFLICT && x->expected.kind != ES_ANY;
    if (conflict && !o->acked) {
        return;
    }
    if (a->problem != ES_OK || a->stream_count != (size_t)o->n || (o->acked && !a->idempotent)) {
        if (!gone(p)) {
            bad(p->m, "append %u%s: %s %s", x->index, x->again ? " again" : "",
                es_problem_code(a->problem), a->ec.text);
        }
        return;
    }
    for (int k = 0; k < o->n; k++) {
        if (o->acked && a->streams[k].first_revision != o->r[k].first) {
            bad(p->m, "append %u again: revision %llu, and it is at %llu", x->index,
                (unsigned long long)a->streams[k].first_revision,
                (unsigned long long)o->r[k].first);
        }
        if (x->expected.kind == ES_REVISION && k == 0 &&
            a->streams[0].first_revision != x->expected.revision + 1) {
            bad(p->m, "append %u expected %llu and is at %llu", x->index,
                (unsigned long long)x->expected.revision,
                (unsigned long long)a->streams[0].first_revision);
        }
        o->r[k].first = a->streams[k].first_revision;
    }
    o->acked = o->found = true;
}

static struct xshot *free_shot(struct xproc *p)
{
    for (int i = 0; i < SLOTS; i++) {
        if (!p->shots[i].busy) {
            return &p->shots[i];
        }
    }
    return NULL;
}

static void send_append(struct xproc *p, uint32_t index, bool again, const struct es_expected *e)
{
    struct xshot *x = free_shot(p);
    const struct xappend *o = &p->m->a[index];
    if (x == NULL) {
        return;
    }
    struct arena arena = x->arena;
    arena_reset(&arena, 1 << 16);
    *x = (struct xshot){.arena = arena, .p = p, .index = index, .busy = true, .again = again};
    x->expected = *e;
    for (int k = 0; k < o->n; k++) {
        for (int i = 0; i < o->r[k].count; i++) {
            struct es_new_event *ev = &x->events[x->a.event_count];
            char *id = x->ids[x->a.event_count++];
            (void)snprintf(id, 32, "u%u-%d", index, k * MOST + i);
            envelope_init(&ev->envelope);
            ev->stream = str_of(stream_names[o->r[k].stream]);
            ev->envelope.id = str_of(id);
            ev->envelope.type = STR_LIT("Happened");
            ev->data = STR_LIT(DATA);
        }
    }
    x->a.events = x->events;
    x->a.expected = e->kind == ES_ANY ? NULL : &x->expected;
    x->a.arena = &x->arena;
    x->a.done = shot_done;
    x->a.ctx = x;
    p->in_flight++;
    es_append(p->es, &x->a);
}

static void new_append(struct xproc *p)
{
    struct xmodel *m = p->m;
    if (m->n == APPENDS || p->in_flight == SLOTS) {
        return;
    }
    struct xappend *a = &m->a[m->n];
    struct es_expected e = {ES_ANY, 0};
    *a = (struct xappend){.n = 1 + (int)rnd(m, PER)};
    for (int k = 0; k < a->n; k++) {
        a->r[k] = (struct xrun){.stream = (int)rnd(m, STREAMS), .count = 1 + (int)rnd(m, MOST)};
    }
    if (a->n > 1 && a->r[1].stream == a->r[0].stream) {
        a->n = 1;
    }
    if (a->n == 1 && rnd(m, 4) == 0) {
        e = (struct es_expected){ES_REVISION, rnd(m, 20)};
    }
    count_kind_n(KIND_DID_MULTI, a->n > 1);
    send_append(p, m->n++, false, &e);
}

/* Something from before, again: it is there or it is not, and never twice. */
static void old_append(struct xproc *p)
{
    struct xmodel *m = p->m;
    const struct es_expected any = {ES_ANY, 0};
    if (m->n == 0 || p->in_flight == SLOTS) {
        return;
    }
    uint32_t i = (uint32_t)rnd(m, m->n);
    for (int s = 0; s < SLOTS; s++) {
        if (p->shots[s].busy && p->shots[s].index == i) {
            return;
        }
    }
    count_kind(m->a[i].acked ? KIND_DID_AGAIN : KIND_DID_LOST_APPEND);
    send_append(p, i, true, &any);
}

static void change_done(struct es_stream_change *c)
{
    struct xproc *p = c->ctx;
    p->change_busy = false;
    if (c->problem == ES_OK && c->kind == ES_CHANGE_REDACT) {
        p->m->erased[p->change_stream][c->revision] = c->erased;
        count_kind_n(KIND_DID_ERASE, c->erased);
        if (!c->erased && !gone(p)) {
            bad(p->m, "not erased: %s", c->ec.text);
        }
    } else if (c->problem == ES_OK) {
        p->m->deleted_at[p->change_stream] = c->info.last_revision + 1;
    } else if (c->problem != ES_STREAM_NOT_FOUND && c->problem != ES_EVENT_NOT_FOUND &&
               c->problem != ES_STREAM_DELETED && !gone(p) && c->problem != ES_UNAVAILABLE &&
               c->problem != ES_BUSY) {
        bad(p->m, "deleting: %s %s", es_problem_code(c->problem), c->ec.text);
    }
}

static void change_stream(struct xproc *p, bool redact)
{
    static struct arena arena;
    if (p->change_busy) {
        return;
    }
    arena_deinit(&arena);
    arena_init(&arena, 1 << 20);
    p->change_stream = (int)rnd(p->m, STREAMS);
    const uint64_t revision = rnd(p->m, 30);
    if (redact) {
        p->m->redacted[p->change_stream][revision] = true;
    }
    p->change = (struct es_stream_change){.kind = redact ? ES_CHANGE_REDACT : ES_CHANGE_SOFT_DELETE,
                                          .revision = redact ? revision : 0,
                                          .reason = STR_LIT("asked"),
                                          .stream = str_of(stream_names[p->change_stream]),
                                          .arena = &arena,
                                          .done = change_done,
                                          .ctx = p};
    p->change_busy = true;
    es_stream_change(p->es, &p->change);
}

static void work(struct xproc *p, uint64_t turns)
{
    struct xmodel *m = p->m;
    for (uint64_t t = 0; t < turns && !gone(p); t++) {
        const uint64_t what = rnd(m, 30);
        if (what < 12) {
            new_append(p);
        } else if (what < 17) {
            old_append(p);
        } else if (what == 17) {
            change_stream(p, false);
        } else if (what >= 21 && what < 24) {
            change_stream(p, true);
        } else if (what == 18 && p->es->life == ES_READY) {
            IGNORE(es_covered_tell(p->es, true));
        } else if (what == 19) {
            store_checkpoint_request(p->store);
            store_tick(p->store);
        } else if (what == 20) {
            env_sim_advance_ns(p->env, 1000000000u);
            store_tick(p->store);
        }
        if (p->sub != NULL && rnd(m, 3) == 0) {
            es_subscription_resume(p->sub);
        }
        if (rnd(m, 3) != 0) {
            store_kick(p->store, rnd(m, 2) == 0);
        }
        turn(p, rnd(m, 8));
    }
}

static bool start(struct xproc *p, struct env *env, struct xmodel *m)
{
    struct ectx ec = {.code = ERR_OK};
    *p = (struct xproc){.env = env, .m = m};
    arena_init(&p->arena, 16 << 20);
    config_init(&p->config, CONFIG_SCOPE_BROKER);
    p->shots = calloc(SLOTS, sizeof(*p->shots));
    if (p->shots == NULL || config_set(&p->config, STR_LIT("leat.es.partitions"), STR_LIT("2"),
                                       CONFIG_FROM_STATIC, NULL) != ERR_OK) {
        abort();
    }
    for (int i = 0; i < SLOTS; i++) {
        arena_init(&p->shots[i].arena, 4 << 20);
    }
    enum err e = open_all(p, &ec);
    if (e != ERR_OK) {
        if (!env_sim_is_cut(env)) {
            bad(m, "the start failed: %s: %s", err_name(e), ec.text);
        }
        return false;
    }
    const struct store_hooks hooks = {p, on_advance, on_store_ready, on_failure};
    store_set_hooks(p->store, &hooks);
    es_start(p->es, on_es_ready, p);
    for (int i = 0; i < 20000 && !p->ready && !gone(p); i++) {
        store_kick(p->store, true);
        turn(p, 10);
    }
    if (!p->ready && !gone(p)) {
        bad(m, "the event store does not get ready");
    }
    if (p->ready && !gone(p)) {
        judge(p);
    }
    if (p->ready && !gone(p)) {
        follow(p);
    }
    return p->ready && !gone(p);
}

/* ---- Crashing ---- */

static struct env *world(uint64_t seed)
{
    struct env *env;
    struct env_sim_config cfg = {
        .seed = seed, .write_ns = 20000, .sync_ns = 100000, .slow_jobs = seed % 2 == 0};
    if (env_sim_create(&cfg, &env) != ERR_OK) {
        abort();
    }
    return env;
}

static void life(struct env *env, struct xmodel *m, uint64_t turns)
{
    struct xproc p;
    if (start(&p, env, m)) {
        work(&p, turns);
    }
    env_sim_cut_at(env, UINT64_MAX);
    bool clean = !env_sim_is_cut(env) && !m->bad && rnd(m, 4) == 0;
    if (!clean && !env_sim_is_cut(env)) {
        env_sim_process_kill(env);
    }
    count_kind_n(KIND_DID_CLEAN_STOP, clean);
    end_proc(&p);
}

static void crash_again(struct env *env, struct xmodel *m, uint64_t choice, int depth)
{
    for (int i = 0; i < depth && !m->bad; i++) {
        crash_and_count(env, 0, rnd(m, 6) == 0, i == 0, choice + 8 * (uint64_t)i);
        const bool last = i + 1 == depth;
        env_sim_cut_at(env, last ? UINT64_MAX : env_sim_ops(env) + rnd(m, 300));
        life(env, m, last ? 30 : 60);
    }
}

static bool run_seed(uint64_t seed, uint64_t points, uint64_t choices, char *why, size_t size)
{
    struct xmodel *m = calloc(1, sizeof(*m)), *saved = calloc(1, sizeof(*m));
    const uint64_t turns = 60 + run_mix(seed) % 140;
    struct env *env = world(seed);
    if (m == NULL || saved == NULL) {
        abort();
    }
    m->rng = seed * 1000003;
    life(env, m, turns);
    const uint64_t ops = env_sim_ops(env);
    env_destroy(env);
    points = points > ops ? ops : points;
    for (uint64_t k = 0; k < points && !m->bad; k++) {
        const uint64_t at = points == ops ? k : run_mix(seed + k) % ops;
        env = world(seed);
        memset(m, 0, sizeof(*m));
        m->rng = seed * 1000003;
        env_sim_cut_at(env, at);
        life(env, m, turns);
        struct env_sim_disk *disk = env_sim_disk_save(env);
        *saved = *m;
        for (uint64_t c = 0; c < choices && !m->bad; c++) {
            *m = *saved;
            m->rng += c << 32;
            env_sim_disk_restore(env, disk);
            crash_again(env, m, seed * 136 + k * 16 + c, 3);
        }
        if (m->bad) {
            (void)snprintf(why, size, "seed %llu, cut at %llu: %s", (unsigned long long)seed,
                           (unsigned long long)at, m->why);
        }
        env_sim_disk_free(disk);
        env_destroy(env);
    }
    const bool was_bad = m->bad;
    if (was_bad && why[0] == '\0') {
        (void)snprintf(why, size, "seed %llu: %s", (unsigned long long)seed, m->why);
    }
    free(m);
    free(saved);
    return !was_bad;
}

static bool one_seed(uint64_t s, bool every, char *why, size_t size)
{
    const bool each = every || s % 16 == 1;
    return run_seed(s, each ? UINT64_MAX : 30, each ? 1 : 4, why, size);
}

static bool fault_seed(uint64_t s, char *why, size_t size)
{
    return run_seed(s, 20, 3, why, size);
}

int main(int argc, char **argv)
{
    struct run_program p = {
        .name = "es_crash", .bit = RUN_ES, .seed = one_seed, .fault_seed = fault_seed};
#ifdef LEAT_DEBUG
    const struct fault_row faults[] = {
#define FAULT(program, name, on, wrong, breaks) FAULT_##program(name, on, wrong, breaks)
#define FAULT_es(name, on, wrong, breaks)       {name, &on, wrong, breaks},
#define FAULT_wal(name, on, wrong, breaks)
#define FAULT_store(name, on, wrong, breaks)
#define FAULT_service(name, on, wrong, breaks)
#define FAULT_engine(name, on, wrong, breaks)
#define FAULT_proc(name, on, wrong, breaks)
#include "faults.def"
    };
    p.faults = faults;
    p.fault_count = ARRAY_LEN(faults);
#endif
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    return run_main(&p, argc, argv);
}
