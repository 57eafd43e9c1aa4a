/* See common_service.h. */
#include "common_service.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "group/group_int.h"

struct svc_planted svc_planted;

uint64_t svc_rnd(struct smodel *m, uint64_t below)
{
    m->rng++;
    return run_mix(m->rng) % below;
}

void svc_bad(struct smodel *m, const char *fmt, ...)
{
    if (!m->bad) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(m->why, sizeof(m->why), fmt, ap);
        va_end(ap);
        m->bad = true;
    }
}

const char *svc_topic_name(int t)
{
    static const char *const names[SVC_TOPICS] = {"orders", "pay.ments", "stock"};
    return names[t];
}

const char *svc_group_name(int g)
{
    static const char *const names[SVC_GROUPS] = {"simple-a", "simple-b", "members"};
    return names[g];
}

void svc_topic_reset(struct stopic *t)
{
    memset(t, 0, sizeof(*t));
    for (int i = 0; i < SVC_PARTS; i++) {
        for (int g = 0; g < SVC_GROUPS; g++) {
            t->part[i].offset_told[g] = t->part[i].offset_sent[g] = -1;
        }
    }
}

int64_t svc_end(const struct spart *sp)
{
    return sp->n == 0 ? 0 : sp->b[sp->n - 1].base + sp->b[sp->n - 1].count;
}

/* ---- Producers, by the book ----------------------------------------------------------------- */

static int32_t sequence_add(int32_t seq, int32_t n)
{
    return (int32_t)(((int64_t)seq + n) % ((int64_t)INT32_MAX + 1));
}

int32_t svc_next_sequence(const struct spart *sp, int64_t pid, int16_t epoch)
{
    for (uint32_t i = sp->n; i-- > 0;) {
        if (sp->b[i].pid == pid) {
            return sp->b[i].epoch == epoch ? sequence_add(sp->b[i].seq, sp->b[i].count) : 0;
        }
    }
    return -1;
}

enum svc_verdict svc_predict(const struct spart *sp, const struct sbatch *b, int64_t *original)
{
    const struct sbatch *last = NULL;
    int seen = 0;
    for (uint32_t i = sp->n; i-- > 0;) {
        const struct sbatch *x = &sp->b[i];
        if (x->pid != b->pid) {
            continue;
        }
        last = last == NULL ? x : last;
        if (x->epoch != last->epoch || seen++ == 5) {
            break;
        }
        if (x->epoch == b->epoch && x->seq == b->seq && x->count == b->count) {
            *original = x->base;
            return SVC_DUPLICATE;
        }
    }
    if (last == NULL) {
        return SVC_NEW;
    }
    if (b->epoch < last->epoch) {
        return SVC_FENCED;
    }
    const int32_t want = b->epoch > last->epoch ? 0 : sequence_add(last->seq, last->count);
    return b->seq == want ? SVC_NEW : SVC_OUT_OF_ORDER;
}

static size_t put_varint(uint8_t *out, int64_t v)
{
    uint64_t z = ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
    size_t n = 0;
    for (; z >= 0x80; z >>= 7) {
        out[n++] = (uint8_t)(z | 0x80);
    }
    out[n++] = (uint8_t)z;
    return n;
}

size_t svc_batch_fill(uint8_t *out, struct sbatch *b)
{
    const uint64_t ts = 1600000000000u + b->uid;
    size_t n = 61;
    memset(out, 0, n);
    for (int32_t i = 0; i < b->count; i++) {
        uint8_t head[32];
        size_t h = 1; /* attributes */
        head[0] = 0;
        h += put_varint(head + h, 0); /* timestamp delta */
        h += put_varint(head + h, i);
        h += put_varint(head + h, -1); /* no key */
        h += put_varint(head + h, (int64_t)b->payload);
        n += put_varint(out + n, (int64_t)(h + b->payload + 1));
        memcpy(out + n, head, h);
        n += h;
        memset(out + n, (int)(b->uid & 0xff), b->payload);
        put_le64(out + n, b->uid);
        n += b->payload;
        out[n++] = 0; /* no headers */
    }
    put_be32(out + 8, (uint32_t)(n - 12));
    put_be32(out + 12, UINT32_MAX);
    out[16] = 2;
    put_be32(out + 23, (uint32_t)b->count - 1);
    put_be64(out + 27, ts);
    put_be64(out + 35, ts);
    put_be64(out + 43, (uint64_t)b->pid);
    put_be16(out + 51, b->pid < 0 ? UINT16_MAX : (uint16_t)b->epoch);
    put_be32(out + 53, b->pid < 0 ? UINT32_MAX : (uint32_t)b->seq);
    put_be32(out + 57, (uint32_t)b->count);
    b->crc = crc32c(0, out + 21, n - 21);
    put_be32(out + 17, b->crc);
    return n;
}

/* ---- Planted faults ------------------------------------------------------------------------- */

enum { TOPIC_FACT_CONFIG = 4 }; /* as src/broker/topic_facts.c has it */
static struct store_participant real[3];

bool *svc_fault_commit_early(void)
{
#ifdef LEAT_DEBUG
    return &group_faults.commit_early;
#else
    return NULL;
#endif
}

static enum err topics_apply(void *ctx, uint64_t position, struct slice body, struct ectx *ec)
{
    const bool drop =
        svc_planted.config_forgotten && slice_left(&body) > 0 && body.p[0] == TOPIC_FACT_CONFIG;
    return drop ? ERR_OK : real[0].apply(ctx, position, body, ec);
}

static enum err producers_apply(void *ctx, uint64_t position, struct slice body, struct ectx *ec)
{
    return svc_planted.lease_forgotten ? ERR_OK : real[1].apply(ctx, position, body, ec);
}

static enum err producers_batch(void *ctx, struct store_part *part,
                                const struct store_batch_info *info, struct ectx *ec)
{
    return svc_planted.recovery_without_batches ? ERR_OK : real[1].batch(ctx, part, info, ec);
}

static enum err producers_snapshot(void *ctx, struct buf *out)
{
    const size_t before = out->n;
    enum err e = real[1].snapshot(ctx, out);
    if (e == ERR_OK && svc_planted.image_without_producers) {
        out->n = before + 12;
        put_le32(out->p + before + 8, 0);
    }
    return e;
}

static enum err groups_apply(void *ctx, uint64_t position, struct slice body, struct ectx *ec)
{
    const uint8_t kind = slice_left(&body) > 0 ? body.p[0] : 0;
    const bool drop = (svc_planted.commit_forgotten && kind == FACT_COMMIT) ||
                      (svc_planted.generation_forgotten && kind == FACT_GENERATION);
    return drop ? ERR_OK : real[2].apply(ctx, position, body, ec);
}

static enum err groups_restore(void *ctx, struct slice image, struct ectx *ec)
{
    return svc_planted.image_without_groups ? ERR_OK : real[2].restore(ctx, image, ec);
}

static void participants(struct sproc *p, struct store_participant out[3])
{
    broker_participants(p->broker, real);
    real[2] = groups_participant(p->groups);
    memcpy(out, real, sizeof(real));
    out[0].apply = topics_apply;
    out[1].apply = producers_apply;
    out[1].batch = producers_batch;
    out[1].snapshot = producers_snapshot;
    out[2].apply = groups_apply;
    out[2].restore = groups_restore;
}

/* ---- Judging a start ------------------------------------------------------------------------ */

static void read_done(struct store_read_job *job)
{
    *(bool *)job->ctx = true;
}

static enum err read_at(struct sproc *p, struct store_part *part, int64_t offset,
                        struct store_read *out)
{
    static bool done; /* both outlive a job that a cut forgets */
    static struct store_read_job job;
    struct ectx ec;
    arena_reset(&p->arena, 1 << 20);
    enum err e = store_read(part, offset, INT64_MAX, 1 << 16, true, &p->arena, out, &ec);
    if (e != ERR_AGAIN) {
        return e;
    }
    done = false;
    job = (struct store_read_job){.done = read_done, .ctx = &done};
    store_read_async(part, offset, INT64_MAX, 1 << 16, true, &p->arena, &job);
    while (!done && !env_sim_is_cut(p->env)) {
        (void)env_poll_run(p->poll, 1000000);
    }
    *out = done ? job.result : (struct store_read){0};
    return done ? job.err : ERR_STOPPED;
}

static bool lenient(const struct sproc *p, enum err e)
{
    return env_sim_is_cut(p->env) || p->dead || (e == ERR_NO_MEMORY && p->m->may_lose_memory) ||
           (e != ERR_DAMAGED && p->m->may_fail);
}

/* Compares the chunk's batches with the model from *i on. */
static bool judge_chunk(struct smodel *m, struct spart *sp, const char *name, struct str chunk,
                        uint32_t *i)
{
    const uint8_t *at = (const uint8_t *)chunk.p;
    for (size_t left = chunk.n; left > 0;) {
        const size_t n = (size_t)get_be32(at + 8) + 12;
        if (*i >= sp->n || n > left || (int64_t)get_be64(at) != sp->b[*i].base ||
            get_be32(at + 17) != sp->b[*i].crc) {
            svc_bad(m, "%s: found a batch at offset %lld, expected offset %lld (%u of %u)", name,
                    (long long)get_be64(at), *i < sp->n ? (long long)sp->b[*i].base : -1LL, *i,
                    sp->n);
            return false;
        }
        sp->b[*i].kept = true;
        (*i)++;
        at += n;
        left -= n;
    }
    return true;
}

/* What is not there must not be missed; a producer will send it again. */
static void part_truncate(struct smodel *m, struct spart *sp, const char *name, uint32_t n)
{
    sp->lost_count = 0;
    for (uint32_t k = n; k < sp->n; k++) {
        const struct sbatch *b = &sp->b[k];
        if (b->acked || b->kept) {
            svc_bad(m, "%s: the batch at offset %lld was %s and is gone", name, (long long)b->base,
                    b->acked ? "acknowledged" : "shown by a start");
        }
        if (b->pid >= 0 && sp->lost_count < SVC_LOST) {
            sp->lost[sp->lost_count++] = *b;
        }
    }
    sp->n = n;
}

static void judge_part(struct sproc *p, struct spart *sp, const char *name, struct partition *part)
{
    struct smodel *m = p->m;
    struct store_part_info info;
    store_part_info_get(part->part, &info);
    if (info.log_start < sp->start_told || info.log_start > sp->start_sent) {
        svc_bad(m, "%s: log start %lld, told %lld, sent %lld", name, (long long)info.log_start,
                (long long)sp->start_told, (long long)sp->start_sent);
    }
    uint32_t i = 0;
    while (i < sp->n && sp->b[i].base + sp->b[i].count <= info.log_start) {
        i++;
    }
    int64_t offset = info.log_start;
    while (offset < info.high_watermark && !m->bad) {
        struct store_read r;
        enum err e = read_at(p, part->part, offset, &r);
        if (e != ERR_OK) {
            if (!lenient(p, e)) {
                svc_bad(m, "%s: reading offset %lld: %s", name, (long long)offset, err_name(e));
            }
            p->dead = true; /* what is there is not known */
            return;
        }
        bool good = r.chunk_count > 0;
        for (size_t c = 0; good && c < r.chunk_count; c++) {
            good = judge_chunk(m, sp, name, r.chunks[c], &i);
        }
        if (r.chunk_count == 0 && !env_sim_is_cut(p->env)) {
            svc_bad(m, "%s: nothing at offset %lld", name, (long long)offset);
        }
        offset = r.next_offset;
        store_read_release(&r);
        if (!good) {
            return;
        }
    }
    part_truncate(m, sp, name, i);
    if (info.log_end != (svc_end(sp) > info.log_start ? svc_end(sp) : info.log_start) ||
        info.high_watermark != info.log_end) {
        svc_bad(m, "%s: ends at %lld (high watermark %lld), expected %lld", name,
                (long long)info.log_end, (long long)info.high_watermark, (long long)svc_end(sp));
    }
    sp->start_told = sp->start_sent = info.log_start;
}

/* A change whose outcome was not known is there whole or not at all; the model follows. */
static void judge_topic(struct sproc *p, int slot)
{
    struct smodel *m = p->m;
    struct stopic *st = &m->topics[slot];
    const char *name = svc_topic_name(slot);
    struct topic *t = broker_topic(p->broker, str_of(name));
    const enum spending pending = st->pending;
    st->pending = SVC_NONE;
    if (t == NULL) {
        if (st->exists && pending != SVC_DELETE) {
            svc_bad(m, "topic %s is gone", name);
        }
        svc_topic_reset(st);
        return;
    }
    const int64_t setting = config_i64(&t->config, broker_config(p->broker), "max.message.bytes");
    const bool same = t->partition_count == st->parts && setting == st->setting;
    const bool changed = t->partition_count == st->new_parts && setting == st->new_setting;
    if (!st->exists && pending == SVC_CREATE && changed) {
        st->exists = true;
        st->id = t->id;
    } else if (!st->exists || !uuid_eq(st->id, t->id)) {
        svc_bad(m, "topic %s: there is one that nobody made", name);
    } else if (!same && !((pending == SVC_GROW || pending == SVC_CONFIG) && changed)) {
        svc_bad(m, "topic %s: %d partitions, setting %lld; expected %d, %lld%s", name,
                t->partition_count, (long long)setting, st->parts, (long long)st->setting,
                pending == SVC_NONE ? "" : " or the change");
    }
    st->parts = t->partition_count;
    st->setting = setting;
    for (int32_t i = 0; i < st->parts && !m->bad; i++) {
        char label[64];
        (void)snprintf(label, sizeof(label), "%s-%d", name, i);
        judge_part(p, &st->part[i], label, t->partitions[i]);
    }
}

static void judge_offsets(struct sproc *p, int g)
{
    struct smodel *m = p->m;
    bool any = false;
    for (int pass = 0; pass < 2 && !m->bad; pass++) {
        /* A deletion on its way took all or nothing. */
        const bool deleted = pass == 1 && m->group_deleting[g] && !any;
        for (int k = 0; k < SVC_TOPICS * SVC_PARTS; k++) {
            struct spart *sp = &m->topics[k / SVC_PARTS].part[k % SVC_PARTS];
            const char *topic = svc_topic_name(k / SVC_PARTS);
            struct groups_offset o;
            const bool there = groups_offset_get(p->groups, str_of(svc_group_name(g)),
                                                 str_of(topic), k % SVC_PARTS, &o);
            any = any || there;
            if (pass == 0) {
                continue;
            }
            if (deleted) {
                sp->offset_told[g] = -1;
            }
            const int64_t is = there ? o.offset : -1;
            char want[32];
            (void)snprintf(want, sizeof(want), "m%lld", (long long)is);
            if (is < sp->offset_told[g] || is > sp->offset_sent[g] ||
                (there && (!str_eq_z(o.metadata, want) || o.leader_epoch != is % 100))) {
                svc_bad(m, "group %s, %s-%d: offset %lld, acknowledged %lld, sent %lld",
                        svc_group_name(g), topic, k % SVC_PARTS, (long long)is,
                        (long long)sp->offset_told[g], (long long)sp->offset_sent[g]);
            }
            sp->offset_told[g] = sp->offset_sent[g] = is;
        }
    }
    m->group_deleting[g] = false;
}

static void judge_members(struct sproc *p)
{
    struct smodel *m = p->m;
    const struct str id = str_of(svc_group_name(SVC_GROUPS - 1));
    const struct group *gr = group_find(p->groups, id);
    const int32_t known = gr == NULL                    ? 0
                          : gr->leased > gr->generation ? gr->leased
                                                        : gr->generation;
    p->generation = gr == NULL ? 0 : gr->generation;
    if (p->generation < m->synced) {
        svc_bad(m, "generation %d was complete, %d was recovered", m->synced, p->generation);
    }
    if (known < m->generation) {
        svc_bad(m, "generation %d was told, %d is known", m->generation, known);
    }
    for (int i = 0; i < SVC_MEMBERS; i++) {
        struct smember *sm = &m->members[i];
        if (m->settled && sm->step == SVC_STABLE) {
            enum err e = groups_heartbeat(p->groups, id, str_of(sm->id), STR_NULL, sm->generation);
            if (e != ERR_OK) {
                svc_bad(m, "member %d of generation %d: %s", i, sm->generation, err_name(e));
            }
            count_kind(KIND_DID_MEMBERS_STAY);
        } else {
            sm->step = SVC_IDLE;
        }
    }
}

static void judge(struct sproc *p, bool clean_expected)
{
    struct smodel *m = p->m;
    struct store_recovery rec;
    size_t topics = 0;
    store_recovery_get(p->store, &rec);
    if (rec.damaged_ranges > 0 && m->may_fail) {
        /* What could not be read was set aside, and it was said: the model cannot go on from here.
         */
        m->given_up = p->dead = true;
        return;
    }
    if (rec.damaged_ranges > 0) {
        svc_bad(m, "a crash was reported as damage");
    }
    if (clean_expected && !rec.clean) {
        svc_bad(m, "a clean stop was not seen as one");
    }
    for (int i = 0; i < SVC_TOPICS && !m->bad && !p->dead; i++) {
        judge_topic(p, i);
        topics += m->topics[i].exists;
    }
    if (!m->bad && !p->dead && topics != broker_topic_count(p->broker)) {
        svc_bad(m, "%zu topics, %zu expected", broker_topic_count(p->broker), topics);
    }
    for (int g = 0; g < SVC_GROUPS && !m->bad && !p->dead; g++) {
        judge_offsets(p, g);
    }
    if (!m->bad && !p->dead) {
        judge_members(p);
    }
}

/* ---- The process ---------------------------------------------------------------------------- */

static void on_advance(void *ctx, struct store_part *part)
{
    struct sproc *p = ctx;
    broker_on_advance(p->broker, part);
}

static void on_ready(void *ctx)
{
    (void)ctx;
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    struct sproc *p = ctx;
    (void)ec;
    p->dead = true;
}

static void on_topic_gone(void *ctx, struct str topic)
{
    struct sproc *p = ctx;
    groups_topic_deleted(p->groups, topic);
}

static bool topic_exists(void *ctx, struct str topic, struct uuid id)
{
    struct sproc *p = ctx;
    const struct topic *t = broker_topic(p->broker, topic);
    return t != NULL && uuid_eq(t->id, id);
}

static enum err open_all(struct sproc *p, struct ectx *ec)
{
    static const char *const settings[][2] = {
        {"log.retention.ms", "-1"},
        /* the clock jumps, those of producers do not */
        {"log.message.timestamp.after.max.ms", "9223372036854775807"},
        {"group.initial.rebalance.delay.ms", "0"}};
    struct store_config cfg;
    struct store_participant pts[3];
    enum err e = env_poll_create(p->env, &p->poll, ec);
    p->metrics = e == ERR_OK ? metrics_create() : NULL;
    e = e == ERR_OK && p->metrics == NULL ? ERR_NO_MEMORY : e;
    for (size_t i = 0; e == ERR_OK && i < ARRAY_LEN(settings); i++) {
        e = config_set(&p->config, str_of(settings[i][0]), str_of(settings[i][1]),
                       CONFIG_FROM_STATIC, ec);
    }
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
    cfg.pack_direct_min_bytes = 4096; /* some of the packs are written in both ways */
    cfg.min_free_bytes = 4096;
    participants(p, pts);
    struct store *opened = NULL;
    e = store_open(p->env, p->poll, &cfg, pts, ARRAY_LEN(pts), &opened, ec);
    p->store = opened;
    return e;
}

enum err svc_start(struct sproc *p, struct env *env, struct smodel *m, bool clean_expected)
{
    struct ectx ec = {0};
    *p = (struct sproc){.env = env, .m = m};
    list_init(&p->calls);
    arena_init(&p->arena, 64 << 20);
    config_init(&p->config, CONFIG_SCOPE_BROKER);
    enum err e = open_all(p, &ec);
    if (e != ERR_OK) {
        if (!env_sim_is_cut(env) && !m->may_fail && !(e == ERR_NO_MEMORY && m->may_lose_memory)) {
            svc_bad(m, "the start failed: %s: %s", err_name(e), ec.text);
        }
        return e;
    }
    const struct store_hooks hooks = {p, on_advance, on_ready, on_failure};
    store_set_hooks(p->store, &hooks);
    broker_attach(p->broker, p->store);
    groups_attach(p->groups, p->store);
    groups_forget_topics(p->groups, topic_exists, p);
    broker_on_topic_gone(p->broker, on_topic_gone, p);
    judge(p, clean_expected);
    return ERR_OK;
}

void svc_turn(struct sproc *p, uint64_t steps)
{
    for (uint64_t i = 0; i < steps && !env_sim_is_cut(p->env); i++) {
        if (!env_sim_step(p->env)) {
            break;
        }
    }
    if (!env_sim_is_cut(p->env) && !p->dead) {
        (void)groups_tick(p->groups, env_mono_ns(p->env));
        store_watch_look(&p->watch, p->store);
    }
}

void svc_end_proc(struct sproc *p, void (*free_call)(struct list *call))
{
    p->closing = true;
    if (p->groups != NULL) {
        groups_stop(p->groups);
    }
    store_close(p->store);
    groups_destroy(p->groups);
    broker_destroy(p->broker);
    LIST_FOR_EACH (n, tmp, &p->calls) {
        list_remove(n);
        free_call(n);
    }
    metrics_destroy(p->metrics);
    config_deinit(&p->config);
    arena_deinit(&p->arena);
    if (p->poll != NULL) {
        env_poll_destroy(p->poll);
    }
}
