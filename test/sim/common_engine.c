/* See common_engine.h. */
#include "common_engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "record/batch.h"
#include "record/record.h"

static const char *const topic_names[ENG_TOPICS] = {"in", "es.orders", "__leat_state"};
#define GROUP STR_LIT("service")

uint64_t eng_rnd(struct emodel *m, uint64_t below)
{
    m->rng++;
    return run_mix(m->rng) % below;
}

void eng_bad(struct emodel *m, const char *fmt, ...)
{
    if (!m->bad) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(m->why, sizeof(m->why), fmt, ap);
        va_end(ap);
        m->bad = true;
    }
}

/* The same in every life: uid, which record, filling. */
static struct str value_of(const struct echunk *c, int i, char *out)
{
    memset(out, (int)(c->uid & 0xff), c->bytes);
    put_le64((uint8_t *)out, c->uid);
    put_le32((uint8_t *)out + 8, (uint32_t)i);
    return str_make(out, c->bytes);
}

/* ---- Judging a start ------------------------------------------------------------------------ */

struct reading {
    struct engine_read r;
    bool done;
};

static void read_done(struct engine_read *r)
{
    ((struct reading *)r->ctx)->done = true;
}

static struct echunk *find_chunk(struct emodel *m, uint64_t uid, uint32_t *index)
{
    for (uint32_t i = 0; i < m->n; i++) {
        for (int k = 0; k < m->a[i].n; k++) {
            if (m->a[i].c[k].uid == uid) {
                *index = i;
                return &m->a[i].c[k];
            }
        }
    }
    return NULL;
}

static void judge_batch(struct emodel *m, int topic, int part, const struct engine_batch *b)
{
    struct batch_header h;
    struct record_iter it;
    struct record r;
    char want[1600];
    const uint8_t *bytes = (const uint8_t *)b->bytes.p;
    if (batch_header_parse(bytes, b->bytes.n, &h, NULL) != ERR_OK ||
        batch_verify_crc(bytes, &h, NULL) != ERR_OK ||
        record_iter_init(&it, &h, bytes, NULL, 1 << 16, NULL) != ERR_OK) {
        eng_bad(m, "%s-%d: a batch cannot be read", topic_names[topic], part);
        return;
    }
    struct echunk *c = NULL;
    uint32_t index = 0;
    for (int i = 0; record_next(&it, &r); i++) {
        if (i == 0 && r.value.n >= 12) {
            c = find_chunk(m, get_le64((const uint8_t *)r.value.p), &index);
        }
        if (c == NULL || c->topic != topic || c->part != part || r.offset != c->base + i ||
            !str_eq(r.value, value_of(c, i, want))) {
            eng_bad(m, "%s-%d: offset %lld holds what was never put there", topic_names[topic],
                    part, (long long)r.offset);
            return;
        }
    }
    if (c == NULL || h.record_count != c->count || c->found) {
        eng_bad(m, "%s-%d: offset %lld: a batch in part, or twice", topic_names[topic], part,
                (long long)h.base_offset);
        return;
    }
    if (b->position == 0 || (c->position != 0 && c->position != b->position)) {
        eng_bad(m, "%s-%d: offset %lld has position %llu, told was %llu", topic_names[topic], part,
                (long long)h.base_offset, (unsigned long long)b->position,
                (unsigned long long)c->position);
    }
    c->position = b->position;
    c->found = true;
}

static void judge_part(struct eproc *p, int topic, int part)
{
    struct emodel *m = p->m;
    int64_t start = 0, end = 0, next = 0;
    if (engine_bounds(p->engine, str_of(topic_names[topic]), part, &start, &end) != ERR_OK) {
        return; /* not made yet: nothing of it is found */
    }
    while (next < end && !m->bad) {
        static struct reading x; /* outlives a job that a cut forgets */
        arena_reset(&p->arena, 1 << 20);
        x = (struct reading){.r = {.topic = str_of(topic_names[topic]),
                                   .partition = part,
                                   .offset = next,
                                   .max_bytes = 1 << 14,
                                   .arena = &p->arena,
                                   .done = read_done}};
        x.r.ctx = &x;
        engine_read(p->engine, &x.r);
        while (!x.done && !env_sim_is_cut(p->env)) {
            (void)env_poll_run(p->poll, 1000000);
        }
        if (!x.done || x.r.err != ERR_OK) {
            const bool excused = !x.done || env_sim_is_cut(p->env) ||
                                 (m->may_lose_memory && x.r.err == ERR_NO_MEMORY);
            if (!excused) {
                eng_bad(m, "%s-%d: reading offset %lld: %s", topic_names[topic], part,
                        (long long)next, err_name(x.r.err));
            }
            engine_read_cancel(p->engine, &x.r);
            p->dead = true; /* what is there is not known */
            return;
        }
        for (size_t i = 0; i < x.r.batch_count && !m->bad; i++) {
            judge_batch(m, topic, part, &x.r.batches[i]);
        }
        if (x.r.next_offset <= next) {
            eng_bad(m, "%s-%d: nothing at offset %lld", topic_names[topic], part, (long long)next);
        }
        next = x.r.next_offset;
        engine_read_release(p->engine, &x.r);
    }
}

/* What was found is a prefix of the list, whole; the rest has never been. */
static void judge_prefix(struct eproc *p)
{
    struct emodel *m = p->m;
    struct groups_offset o;
    const int64_t is = groups_offset_get(p->groups, GROUP, STR_LIT("in"), 0, &o) ? o.offset : -1;
    uint32_t n = 0;
    int64_t committed = -1;
    uint64_t position = 0;
    /* Positions alone are found by what is committed. */
    for (uint32_t i = 0; i < m->n; i++) {
        const struct eappend *a = &m->a[i];
        bool there = a->n == 0 ? a->next <= is : a->c[0].found;
        for (int k = 0; k < a->n; k++) {
            if (a->c[k].found != there) {
                eng_bad(m, "append %u is there in part", i);
                return;
            }
            if (there && a->c[k].position <= position) {
                eng_bad(m, "append %u: position %llu comes after %llu", i,
                        (unsigned long long)a->c[k].position, (unsigned long long)position);
                return;
            }
            position = there ? a->c[k].position : position;
        }
        if (there && n < i) {
            eng_bad(m, "append %u is there, and %u is not", i, n);
            return;
        }
        if (!there && a->acked) {
            eng_bad(m, "append %u was acknowledged and is gone", i);
            return;
        }
        n = there ? i + 1 : n;
        committed = there && a->input ? a->next : committed;
    }
    if (is != committed) {
        eng_bad(m, "position %lld is committed, and %lld was with what is there", (long long)is,
                (long long)committed);
    }
    if (engine_position(p->engine) < position) {
        eng_bad(m, "position %llu is there, and %llu is said to be all",
                (unsigned long long)position, (unsigned long long)engine_position(p->engine));
    }
    m->n = n;
    for (uint32_t i = 0; i < n; i++) {
        m->a[i].acked = true; /* shown: it must never go */
    }
}

static void judge(struct eproc *p)
{
    struct emodel *m = p->m;
    for (uint32_t i = 0; i < m->n; i++) {
        for (int k = 0; k < m->a[i].n; k++) {
            m->a[i].c[k].found = false;
        }
    }
    for (int t = 0; t < ENG_TOPICS; t++) {
        for (int i = 0; i < ENG_PARTS && !m->bad && !p->dead; i++) {
            judge_part(p, t, i);
        }
    }
    if (!m->bad && !p->dead) {
        judge_prefix(p);
    }
}

/* ---- Topics and membership ------------------------------------------------------------------ */

bool eng_topic_is_there(struct eproc *p, int topic)
{
    struct engine_topic t;
    return engine_topic_get(p->engine, str_of(topic_names[topic]), &t);
}

static bool excused(const struct eproc *p, enum err e)
{
    return p->dead || p->closing || env_sim_is_cut(p->env) ||
           (p->m->may_lose_memory && (e == ERR_NO_MEMORY || e == ERR_LIMIT));
}

static void on_ensured(struct engine_ensure *t)
{
    struct eproc *p = t->ctx;
    if (t->err != ERR_OK && !excused(p, t->err)) {
        eng_bad(p->m, "topic %.*s: %s", STR(t->name), t->ec.text);
    }
    count_kind_n(KIND_DID_CREATE, t->err == ERR_OK && t->created);
}

static void on_assigned(void *ctx, struct str topic, int32_t partition, int64_t committed,
                        uint64_t epoch)
{
    struct eproc *p = ctx;
    struct emodel *m = p->m;
    (void)topic;
    if (epoch <= m->epoch && partition == 0) {
        eng_bad(m, "epoch %llu comes after %llu", (unsigned long long)epoch,
                (unsigned long long)m->epoch);
    }
    m->epoch = epoch > m->epoch ? epoch : m->epoch;
    if (partition != 0) {
        return;
    }
    int64_t told = -1, sent = -1;
    for (uint32_t i = 0; i < m->n; i++) {
        told = m->a[i].input && m->a[i].acked ? m->a[i].next : told;
        sent = m->a[i].input ? m->a[i].next : sent;
    }
    if (committed < told || committed > sent) {
        eng_bad(m, "position %lld at the assignment; acknowledged %lld, sent %lld",
                (long long)committed, (long long)told, (long long)sent);
    }
    p->assigned = true;
}

static void on_revoked(void *ctx, struct str topic, int32_t partition)
{
    struct eproc *p = ctx;
    (void)topic;
    (void)partition;
    p->assigned = false;
}

void eng_join(struct eproc *p)
{
    const struct str topic = STR_LIT("in");
    struct ectx ec = {0};
    if (p->old != NULL) {
        engine_leave(p->engine, p->old);
    }
    p->old = p->member;
    p->member = NULL;
    const struct engine_member_spec spec = {.group = GROUP,
                                            .topics = &topic,
                                            .topic_count = 1,
                                            .ctx = p,
                                            .assigned = on_assigned,
                                            .revoked = on_revoked};
    const enum err e = engine_join(p->engine, &spec, &p->member, &ec);
    if (e != ERR_OK && !excused(p, e)) {
        eng_bad(p->m, "joining: %s: %s", err_name(e), ec.text);
    }
    if (e != ERR_OK) {
        p->member = p->old; /* nobody has replaced it */
        p->old = NULL;
    }
}

/* ---- Appends -------------------------------------------------------------------------------- */

static void on_appended(struct engine_append *ea)
{
    struct esent *x = ea->ctx;
    struct eproc *p = x->p;
    if (x->in_call) {
        x->told = true;
        return;
    }
    if (ea->err != ERR_OK) {
        eng_bad(p->m, "an append failed after the call: %s", err_name(ea->err));
        return;
    }
    struct eappend *a = &p->m->a[x->index];
    a->acked = true;
    for (int k = 0; k < a->n; k++) {
        a->c[k].position = x->parts[k].position;
        if (engine_position(p->engine) < x->parts[k].position) {
            eng_bad(p->m, "an append is done, and not visible");
        }
        count_kind(a->c[k].bytes * (uint32_t)a->c[k].count > 1900 ? KIND_DID_LARGE
                                                                  : KIND_DID_SMALL);
    }
    count_kind_n(KIND_DID_STEP, a->n > 1 && a->input);
    x->busy = false;
    p->in_flight--;
}

static struct esent *free_place(struct eproc *p)
{
    for (int i = 0; i < ENG_IN_FLIGHT; i++) {
        if (!p->sent[i].busy) {
            return &p->sent[i];
        }
    }
    return NULL;
}

static void fill(struct esent *x, struct eproc *p, struct eappend *a)
{
    x->p = p;
    x->told = false;
    x->a = (struct engine_append){
        .parts = x->parts, .part_count = (size_t)a->n, .done = on_appended, .ctx = x};
    for (int k = 0; k < a->n; k++) {
        const struct echunk *c = &a->c[k];
        for (int i = 0; i < c->count; i++) {
            x->records[k][i] = (struct engine_record){.value = value_of(c, i, x->values[k][i]),
                                                      .timestamp_ms = -1};
        }
        x->parts[k] = (struct engine_part){.topic = str_of(topic_names[c->topic]),
                                           .partition = c->part,
                                           .records = x->records[k],
                                           .count = (size_t)c->count};
    }
}

static int64_t end_of(const struct emodel *m, int topic, int part)
{
    for (uint32_t i = m->n; i-- > 0;) {
        for (int k = 0; k < m->a[i].n; k++) {
            const struct echunk *c = &m->a[i].c[k];
            if (c->topic == topic && c->part == part) {
                return c->base + c->count;
            }
        }
    }
    return 0;
}

void eng_append(struct eproc *p, struct eappend *a)
{
    struct emodel *m = p->m;
    struct esent *x = free_place(p);
    if (x == NULL) {
        return;
    }
    fill(x, p, a);
    if (a->input) {
        a->next = ++m->next;
        x->input = (struct engine_input){STR_LIT("in"), 0, a->next};
        x->a.member = p->member;
        x->a.inputs = &x->input;
        x->a.input_count = 1;
    }
    x->index = m->n;
    x->in_call = true;
    x->a.err = ERR_OK;
    engine_append(p->engine, &x->a);
    x->in_call = false;
    if (x->a.err != ERR_OK) {
        if (x->a.err != ERR_AGAIN && x->a.err != ERR_NO_SPACE && !excused(p, x->a.err)) {
            eng_bad(m, "append: %s: %s", err_name(x->a.err), x->a.ec.text);
        }
        return;
    }
    x->busy = true;
    p->in_flight++;
    for (int k = 0; k < a->n; k++) {
        a->c[k].base = x->parts[k].base_offset;
        if (a->c[k].base != end_of(m, a->c[k].topic, a->c[k].part)) {
            eng_bad(m, "%s-%d: offset %lld was given, %lld is next", topic_names[a->c[k].topic],
                    a->c[k].part, (long long)a->c[k].base,
                    (long long)end_of(m, a->c[k].topic, a->c[k].part));
        }
    }
    m->a[m->n++] = *a;
    if (x->told) {
        on_appended(&x->a);
    }
}

void eng_zombie(struct eproc *p)
{
    struct esent *x = p->old == NULL ? NULL : free_place(p);
    if (x == NULL) {
        return;
    }
    struct eappend nothing = {0};
    fill(x, p, &nothing);
    x->input = (struct engine_input){STR_LIT("in"), 0, INT64_MAX};
    x->a.member = p->old;
    x->a.inputs = &x->input;
    x->a.input_count = 1;
    x->in_call = true;
    x->a.err = ERR_OK;
    engine_append(p->engine, &x->a);
    x->in_call = false;
    if (x->a.err != ERR_FENCED && !excused(p, x->a.err)) {
        eng_bad(p->m, "a member that was replaced: %s", err_name(x->a.err));
    }
    count_kind_n(KIND_DID_FENCED, x->a.err == ERR_FENCED);
}

/* ---- One process ---------------------------------------------------------------------------- */

static void on_advance(void *ctx, struct store_part *part)
{
    struct eproc *p = ctx;
    broker_on_advance(p->broker, part);
    engine_on_advance(p->engine);
}

static void on_ready(void *ctx)
{
    struct eproc *p = ctx;
    engine_on_ready(p->engine);
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    struct eproc *p = ctx;
    (void)ec;
    p->dead = true;
}

static enum err open_all(struct eproc *p, struct ectx *ec)
{
    struct store_config cfg;
    struct store_participant pts[3];
    enum err e = env_poll_create(p->env, &p->poll, ec);
    p->metrics = e == ERR_OK ? metrics_create() : NULL;
    e = e == ERR_OK && p->metrics == NULL ? ERR_NO_MEMORY : e;
    e = e == ERR_OK ? broker_create(p->env, &p->config, p->metrics, &p->broker) : e;
    e = e == ERR_OK ? groups_create(p->env, &p->config, p->metrics, &p->groups) : e;
    if (e != ERR_OK) {
        return e;
    }
    store_config_init(&cfg);
    cfg.dir = "/d";
    cfg.ring_file_bytes = 64 << 10;
    cfg.ring_file_count = 3;
    cfg.inline_max_bytes = 2000;
    cfg.checkpoint_bytes = 40000;
    cfg.checkpoint_ms = 5000;
    cfg.tail_memory_bytes = 24 << 10;
    cfg.pack_direct_min_bytes = 4096;
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
    return engine_embedded_create(p->env, p->poll, p->store, p->broker, p->groups, &p->engine);
}

enum err eng_start(struct eproc *p, struct env *env, struct emodel *m)
{
    struct ectx ec = {0};
    *p = (struct eproc){.env = env, .m = m};
    arena_init(&p->arena, 16 << 20);
    config_init(&p->config, CONFIG_SCOPE_BROKER);
    p->sent = calloc(ENG_IN_FLIGHT, sizeof(*p->sent));
    enum err e = open_all(p, &ec);
    if (e != ERR_OK) {
        if (!env_sim_is_cut(env) && !(e == ERR_NO_MEMORY && m->may_lose_memory)) {
            eng_bad(m, "the start failed: %s: %s", err_name(e), ec.text);
        }
        return e;
    }
    const struct store_hooks hooks = {p, on_advance, on_ready, on_failure};
    store_set_hooks(p->store, &hooks);
    judge(p);
    for (int i = 0; i < ENG_TOPICS && !m->bad && !p->dead; i++) {
        p->topics[i] = (struct engine_ensure){
            .name = str_of(topic_names[i]), .partitions = ENG_PARTS, .done = on_ensured, .ctx = p};
        engine_topic_ensure(p->engine, &p->topics[i]);
    }
    if (!m->bad && !p->dead) {
        eng_join(p);
    }
    return ERR_OK;
}

void eng_end_proc(struct eproc *p)
{
    p->closing = true;
    if (p->groups != NULL) {
        groups_stop(p->groups);
    }
    store_close(p->store);
    engine_destroy(p->engine);
    groups_destroy(p->groups);
    broker_destroy(p->broker);
    metrics_destroy(p->metrics);
    config_deinit(&p->config);
    arena_deinit(&p->arena);
    if (p->poll != NULL) {
        env_poll_destroy(p->poll);
    }
    free(p->sent);
}

void eng_turn(struct eproc *p, uint64_t steps)
{
    for (uint64_t i = 0; i < steps && !env_sim_is_cut(p->env); i++) {
        if (!env_sim_step(p->env)) {
            break;
        }
    }
    if (!env_sim_is_cut(p->env) && !p->dead) {
        (void)groups_tick(p->groups, env_mono_ns(p->env));
        (void)engine_tick(p->engine, env_mono_ns(p->env));
        store_watch_look(&p->watch, p->store);
    }
}
