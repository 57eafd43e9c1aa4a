/* See common_store.h. */
#include "common_store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"

void model_bad(struct model *m, const char *fmt, ...)
{
    if (!m->bad) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(m->why, sizeof(m->why), fmt, ap);
        va_end(ap);
        m->bad = true;
    }
}

uint64_t model_rnd(struct model *m, uint64_t below)
{
    m->rng++;
    return run_mix(m->rng) % below;
}

struct mpart *mpart_find(struct model *m, uint32_t id)
{
    for (int i = 0; i < PARTS; i++) {
        if (m->parts[i].id == id) {
            return &m->parts[i];
        }
    }
    return NULL;
}

int64_t mpart_end(const struct mpart *mp)
{
    return mp->n == 0 ? 0 : mp->b[mp->n - 1].base + mp->b[mp->n - 1].count;
}

void flight_free(struct flight *f)
{
    for (int i = 0; i < f->n; i++) {
        free(f->brought[i].buffer);
    }
    free(f);
}

static enum err node_add(struct proc *p, uint32_t id, int32_t index, bool os)
{
    struct store_part_config cfg;
    char dir[16];
    store_part_config_init(&cfg);
    cfg.segment_bytes = 6000;
    cfg.segment_ms = 3600000;
    cfg.index_interval_bytes = 512;
    cfg.file_delete_delay_ms = 0;
    cfg.retention_bytes = index == 1 ? 12000 : -1;
    cfg.retention_ms = index == TIMED_INDEX ? TIMED_MS : -1;
    cfg.durability = os ? STORE_OS : STORE_FSYNC;
    (void)snprintf(dir, sizeof(dir), "t%u", id % 3);
    struct store_part *part;
    enum err e = store_part_add(p->store, id, str_of(dir), index, &cfg, &part);
    if (e == ERR_OK) {
        p->parts[p->part_count].id = id;
        p->parts[p->part_count].index = index;
        p->parts[p->part_count].os = os;
        p->part_count++;
    }
    return e;
}

static void node_remove(struct proc *p, uint32_t id)
{
    store_part_remove(p->store, id);
    for (uint32_t i = 0; i < p->part_count; i++) {
        if (p->parts[i].id == id) {
            p->parts[i] = p->parts[--p->part_count];
            return;
        }
    }
}

static enum err node_fact(struct proc *p, uint64_t uid, uint8_t kind, uint32_t id, int32_t index,
                          bool os)
{
    p->count++;
    p->chain = run_mix(p->chain ^ uid);
    if (kind == 'a') {
        return node_add(p, id, index, os);
    }
    if (kind == 'r') {
        node_remove(p, id);
    }
    return ERR_OK;
}

static void attach(void *ctx, struct store *store)
{
    struct proc *p = ctx;
    p->store = store;
}

static enum err apply(void *ctx, uint64_t position, struct slice body, struct ectx *ec)
{
    uint64_t uid;
    uint8_t kind, os;
    uint32_t id, index;
    (void)position;
    if (!slice_le64(&body, &uid) || !slice_u8(&body, &kind) || !slice_le32(&body, &id) ||
        !slice_le32(&body, &index) || !slice_u8(&body, &os)) {
        return ectx_fail(ec, ERR_DAMAGED, "odd fact");
    }
    enum err e = node_fact(ctx, uid, kind, id, (int32_t)index, os != 0);
    return e == ERR_OK ? e : ectx_fail(ec, e, "applying a fact");
}

static enum err snapshot(void *ctx, struct buf *out)
{
    const struct proc *p = ctx;
    if (p->dead) {
        return ERR_STOPPED; /* it did not follow its own log: such a state must not become the truth
                             */
    }
    buf_put_le32(out, p->count);
    buf_put_le64(out, p->chain);
    buf_put_le32(out, p->part_count);
    for (uint32_t i = 0; i < p->part_count; i++) {
        buf_put_le32(out, p->parts[i].id);
        buf_put_le32(out, (uint32_t)p->parts[i].index);
        buf_put_u8(out, p->parts[i].os);
    }
    return ERR_OK;
}

static enum err restore(void *ctx, struct slice image, struct ectx *ec)
{
    struct proc *p = ctx;
    uint32_t n, id, index;
    uint8_t os;
    if (!slice_le32(&image, &p->count) || !slice_le64(&image, &p->chain) ||
        !slice_le32(&image, &n)) {
        return ectx_fail(ec, ERR_DAMAGED, "short image");
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!slice_le32(&image, &id) || !slice_le32(&image, &index) || !slice_u8(&image, &os)) {
            return ectx_fail(ec, ERR_DAMAGED, "short image");
        }
        enum err e = node_add(p, id, (int32_t)index, os != 0);
        if (e != ERR_OK) {
            return ectx_fail(ec, e, "adding a partition");
        }
    }
    return ERR_OK;
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    struct proc *p = ctx;
    (void)ec;
    if (p->told) {
        model_bad(p->m, "the failure was told twice");
    }
    p->told = p->dead = true;
}

static struct mbatch *mbatch_at(struct mpart *mp, int64_t base)
{
    for (uint32_t i = mp->n; i-- > 0;) {
        if (mp->b[i].base == base) {
            return &mp->b[i];
        }
    }
    return NULL;
}

/* The log has one order: what is acknowledged later has a later position, and in a partition
 * positions go as the offsets do. What is visible ends with what was acknowledged last. */
static void judge_order(const struct flight *f)
{
    struct model *m = f->proc->m;
    uint64_t last = m->position;
    for (int i = 0; i < f->n; i++) {
        const struct store_batch_info *info = &f->batches[i].info;
        struct mpart *mp = mpart_find(m, f->ids[i]);
        struct mbatch *mb = mp == NULL ? NULL : mbatch_at(mp, info->base_offset);
        if (mb == NULL) {
            continue;
        }
        mb->position = info->append_position;
        last = last > mb->position ? last : mb->position;
        if (mb->position <= m->position ||
            (mb > mp->b && mb[-1].position != 0 && mb->position <= mb[-1].position)) {
            model_bad(m, "part %u: offset %lld has commit position %llu, others had %llu before it",
                      mp->id, (long long)mb->base, (unsigned long long)mb->position,
                      (unsigned long long)m->position);
        }
        struct store_part *part = store_part_find(f->proc->store, mp->id);
        struct store_part_info now = {0};
        if (part != NULL) {
            store_part_info_get(part, &now);
        }
        if (part != NULL && (now.high_watermark < mb->base + mb->count ||
                             now.high_watermark > mp->b[mp->n - 1].base + mp->b[mp->n - 1].count)) {
            model_bad(m, "part %u: offset %lld is acknowledged, the high watermark is %lld", mp->id,
                      (long long)mb->base, (long long)now.high_watermark);
        }
    }
    m->position = last;
}

void flight_done(void *ctx, uint64_t position)
{
    struct flight *f = ctx;
    struct proc *p = f->proc;
    struct model *m = p->m;
    (void)position;
    if (f->frame != m->acked) {
        model_bad(m, "done out of order: %u, not %u", f->frame, m->acked);
    }
    m->acked = f->frame + 1;
    judge_order(f);
    for (int i = 0; i < f->n; i++) {
        struct mpart *mp = mpart_find(m, f->ids[i]);
        const int64_t next =
            f->batches[i].info.base_offset + f->batches[i].info.last_offset_delta + 1;
        if (mp != NULL && next > mp->told) {
            mp->told = next;
        }
        count_kind(f->batches[i].size >= 2000 ? KIND_DID_LARGE : KIND_DID_SMALL);
        count_kind_n(KIND_DID_RELAXED, mp != NULL && mp->os);
    }
    count_kind_n(KIND_DID_BARE, f->kind == 'b');
    count_kind_n(KIND_DID_CREATE, f->kind == 'a');
    count_kind_n(KIND_DID_DELETE, f->kind == 'r');
    count_kind_n(KIND_DID_DELETE_RECORDS, f->kind == 'd');
    enum err e = f->kind == 'b' ? ERR_OK : node_fact(p, f->uid, f->kind, f->id, f->index, f->os);
    if (e != ERR_OK) {
        /* A node that cannot follow its own log stops. */
        p->dead = true;
        if (e != ERR_NO_MEMORY) {
            model_bad(m, "adding a partition: %s", err_name(e));
        }
    }
    list_remove(&f->link);
    flight_free(f);
}

static void flush_done(struct store_sync_job *job)
{
    struct flush *f = job->ctx;
    struct model *m = f->proc->m;
    struct mpart *mp = mpart_find(m, f->id);
    if (job->err != ERR_OK && !(job->err == ERR_NO_MEMORY && m->may_lose_memory) && !m->may_fail) {
        model_bad(m, "part %u: a flush failed: %s: %s", f->id, err_name(job->err), job->ec.text);
    }
    for (uint32_t i = 0; job->err == ERR_OK && mp != NULL && i < mp->n; i++) {
        if (mp->b[i].base + mp->b[i].count <= f->upto) {
            mp->b[i].kept = true;
        }
    }
    count_kind_n(KIND_DID_SYNC, job->err == ERR_OK);
    list_remove(&f->link);
    free(f);
}

void proc_flush(struct proc *p, struct store_part *part, const struct mpart *mp)
{
    struct store_part_info info;
    struct flush *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        abort();
    }
    store_part_info_get(part, &info);
    *f = (struct flush){.proc = p, .id = mp->id, .upto = info.high_watermark};
    f->job = (struct store_sync_job){.done = flush_done, .ctx = f};
    list_init(&f->link);
    list_push_back(&p->flushes, &f->link);
    store_sync(p->store, &part, 1, &f->job);
}

/* ---- Batches ------------------------------------------------------------------------------------
 */

static void batch_fill_at(uint8_t *b, uint32_t size, int32_t count, uint64_t uid, uint64_t time)
{
    memset(b, 0, BATCH_HEAD);
    put_be32(b + 8, size - 12);
    b[16] = 2;
    put_be32(b + 23, (uint32_t)count - 1);
    put_be64(b + 27, time % 100000);
    put_be64(b + 35, time % 100000);
    put_be64(b + 43, UINT64_MAX);
    put_be16(b + 51, 0xffff);
    put_be32(b + 53, 0xffffffff);
    put_be32(b + 57, (uint32_t)count);
    memset(b + BATCH_HEAD, (int)(uid & 0xff), size - BATCH_HEAD);
    put_be64(b + size - 8, uid);
    put_be32(b + 17, crc32c(0, b + 21, size - 21));
}

void batch_fill(uint8_t *b, uint32_t size, int32_t count, uint64_t uid)
{
    batch_fill_at(b, size, count, uid, uid);
}

static bool batch_is(const uint8_t *b, size_t n, const struct mbatch *mb, uint64_t uid,
                     uint32_t size)
{
    static uint8_t want[64 << 10];
    if (uid == 0 || n != size || n > sizeof(want)) {
        return false;
    }
    batch_fill_at(want, size, mb->count, uid, mb->time);
    return (int64_t)get_be64(b) == mb->base && memcmp(b + 8, want + 8, 4) == 0 &&
           memcmp(b + 16, want + 16, n - 16) == 0;
}

bool batch_same(const struct model *m, const uint8_t *b, size_t n, const struct mbatch *mb)
{
    return batch_is(b, n, mb, mb->uid, mb->size) ||
           batch_is(b, n, mb, mb->next_uid, mb->next_size) ||
           (mb->taken_look == m->look && batch_is(b, n, mb, mb->before_uid, mb->before_size));
}

/* A start has found one of the two: from now on it is that. */
static void batch_settle(const uint8_t *b, size_t n, struct mbatch *mb)
{
    if (batch_is(b, n, mb, mb->next_uid, mb->next_size)) {
        mb->uid = mb->next_uid;
        mb->size = mb->next_size;
        count_kind(KIND_DID_REWRITE_AGAIN);
    }
    mb->next_uid = 0;
}

static void rewriting_free(struct rewriting *r)
{
    list_remove(&r->link);
    free(r->bytes);
    free(r);
}

static void rewrite_done(struct store_rewrite *job)
{
    struct rewriting *r = job->ctx;
    struct proc *p = r->proc;
    struct model *m = p->m;
    struct mpart *mp = mpart_find(m, r->id);
    struct mbatch *mb = mp == NULL ? NULL : mbatch_at(mp, job->base_offset);
    const bool gone =
        job->err == ERR_OFFSET_OUT_OF_RANGE || job->err == ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (job->err != ERR_OK && !gone && !m->may_fail &&
        !(job->err == ERR_NO_MEMORY && m->may_lose_memory)) {
        model_bad(m, "part %u: rewriting offset %lld: %s: %s", r->id, (long long)job->base_offset,
                  err_name(job->err), job->ec.text);
    }
    if (mb != NULL && job->err == ERR_OK) {
        mb->before_uid = mb->uid;
        mb->before_size = mb->size;
        mb->taken_look = m->look;
        mb->uid = mb->next_uid;
        mb->size = mb->next_size;
        count_kind(KIND_DID_REWRITE);
    }
    if (mb != NULL) {
        mb->next_uid = 0;
    }
    rewriting_free(r);
}

void batch_rewrite(struct proc *p, struct mpart *mp, struct store_part *part, uint32_t n)
{
    struct model *m = p->m;
    struct mbatch *mb = &mp->b[n];
    struct rewriting *r = calloc(1, sizeof(*r));
    if (r == NULL || mb->next_uid != 0) {
        free(r);
        return;
    }
    static uint8_t old[64 << 10];
    mb->cap = mb->cap == 0 ? mb->size : mb->cap;
    mb->next_uid = m->uid++;
    mb->next_size = model_rnd(m, 3) == 0 ? 70 + (uint32_t)model_rnd(m, mb->cap - 70) : mb->cap;
    r->bytes = malloc(mb->next_size);
    if (r->bytes == NULL) {
        abort();
    }
    batch_fill_at(old, mb->size, mb->count, mb->uid, mb->time);
    batch_fill_at(r->bytes, mb->next_size, mb->count, mb->next_uid, mb->time);
    r->proc = p;
    r->id = mp->id;
    r->job = (struct store_rewrite){.base_offset = mb->base,
                                    .old_crc = get_be32(old + 17),
                                    .batch = str_make(r->bytes, mb->next_size),
                                    .done = rewrite_done,
                                    .ctx = r};
    list_init(&r->link);
    list_push_back(&p->rewritings, &r->link);
    store_rewrite(part, &r->job);
}

/* ---- Reading and judging -------------------------------------------------------------------- */

static void read_done(struct store_read_job *job)
{
    *(bool *)job->ctx = true;
}

enum err proc_read(struct proc *p, struct store_part *part, int64_t offset, size_t max,
                   struct store_read *out)
{
    struct ectx ec;
    arena_reset(&p->arena, 1 << 20);
    enum err e = store_read(part, offset, INT64_MAX, max, true, &p->arena, out, &ec);
    if (e != ERR_AGAIN) {
        return e;
    }
    static bool done; /* outlives a job that a cut forgets */
    static struct store_read_job job;
    done = false;
    job = (struct store_read_job){.done = read_done, .ctx = &done};
    store_read_async(part, offset, INT64_MAX, max, true, &p->arena, &job);
    while (!done && !p->dead && !env_sim_is_cut(p->env)) {
        (void)env_poll_run(p->poll, 1000000);
        p->dead = p->dead || (env_sim_is_stuck(p->env) && p->m->reads_may_hang);
    }
    *out = done ? job.result : (struct store_read){0};
    return done ? job.err : ERR_STOPPED;
}

/* Reads all of a partition and compares it with the model from `start` on. Returns how many of the
 * model's batches were there from the first on (those below the log start count as there). */
static uint32_t judge_part(struct proc *p, struct mpart *mp, struct store_part *part,
                           bool prefix_allowed)
{
    struct model *m = p->m;
    struct store_part_info info;
    store_part_info_get(part, &info);
    uint32_t i = 0;
    while (i < mp->n && mp->b[i].base + mp->b[i].count <= info.log_start) {
        i++;
    }
    int64_t offset = info.log_start;
    for (;;) {
        struct store_read r;
        enum err e = proc_read(p, part, offset, 300 + model_rnd(m, 6000), &r);
        if (env_sim_is_cut(p->env) || p->dead) {
            if (e == ERR_OK) {
                store_read_release(&r);
            }
            return i;
        }
        if ((e == ERR_NO_MEMORY && m->may_lose_memory) || (e != ERR_OK && m->may_fail)) {
            p->dead = true; /* what is there is not known */
            return i;
        }
        if (e != ERR_OK) {
            model_bad(m, "part %u: reading offset %lld: %s", mp->id, (long long)offset,
                      err_name(e));
            return i;
        }
        for (size_t c = 0; c < r.chunk_count && !m->bad; c++, i++) {
            const uint8_t *b = (const uint8_t *)r.chunks[c].p;
            if (i >= mp->n || !batch_same(m, b, r.chunks[c].n, &mp->b[i])) {
                model_bad(m,
                          "part %u: found a batch at offset %lld (%zu bytes), expected offset %lld "
                          "(%u bytes) of %u",
                          mp->id, (long long)get_be64(b), r.chunks[c].n,
                          i < mp->n ? (long long)mp->b[i].base : -1LL,
                          i < mp->n ? mp->b[i].size : 0, mp->n);
            }
            if (i < mp->n) {
                batch_settle(b, r.chunks[c].n, &mp->b[i]);
            }
            offset = mp->b[i < mp->n ? i : 0].base + mp->b[i < mp->n ? i : 0].count;
        }
        const bool end = r.chunk_count == 0;
        store_read_release(&r);
        if (end || m->bad) {
            break;
        }
    }
    if (!prefix_allowed && i < mp->n && !m->bad) {
        model_bad(m, "part %u: %u batches are there, %u should be; next is offset %lld of frame %u",
                  mp->id, i, mp->n, (long long)mp->b[i].base, mp->b[i].frame);
    }
    return i;
}

int64_t model_log_start(const struct model *m, uint32_t id)
{
    int64_t start = 0;
    for (uint32_t i = 0; i < m->start_count; i++) {
        if (m->starts[i].id == id && m->starts[i].offset > start) {
            start = m->starts[i].offset;
        }
    }
    return start;
}

/* The model forgets what the recovery did not find. */
static void model_truncate(struct model *m, uint32_t count)
{
    m->frames = m->acked = count;
    for (int i = 0; i < PARTS; i++) {
        struct mpart *mp = &m->parts[i];
        if (mp->id != 0 && (mp->added >= count || mp->removed < count)) {
            mp->id = 0;
            continue;
        }
        mp->removed = UINT32_MAX;
        while (!mp->os && mp->n > 0 && mp->b[mp->n - 1].frame >= count) {
            mp->n--;
        }
    }
    while (m->start_count > 0 && m->starts[m->start_count - 1].frame >= count) {
        m->start_count--;
    }
}

/* How many frames were recovered: as many as the facts say, and behind them those without one of
 * which a batch is there. Of these all must be there, so that the others are judged by them. */
static uint32_t frames_recovered(struct proc *p)
{
    struct model *m = p->m;
    uint32_t count = 0;
    while (count < m->frames && m->facts[count] < p->count) {
        count++;
    }
    uint32_t most = count;
    while (most < m->frames && m->facts[most + 1] == p->count) {
        most++;
    }
    for (int i = 0; i < PARTS; i++) {
        const struct mpart *mp = &m->parts[i];
        struct store_part *part = mp->id == 0 || mp->os ? NULL : store_part_find(p->store, mp->id);
        if (part == NULL) {
            continue;
        }
        struct store_part_info info;
        store_part_info_get(part, &info);
        for (uint32_t k = 0; k < mp->n && mp->b[k].base + mp->b[k].count <= info.log_end; k++) {
            count = mp->b[k].frame >= count ? mp->b[k].frame + 1 : count;
        }
    }
    while (count < most && !m->leaves[count]) {
        count++;
    }
    if (count > most) {
        model_bad(m, "a batch of frame %u is there, the fact of frame %u is not", count - 1, most);
    }
    return count;
}

static void judge_recovery(struct proc *p, bool clean_expected)
{
    struct model *m = p->m;
    struct store_recovery rec;
    store_recovery_get(p->store, &rec);
    if (rec.damaged_ranges > 0 && m->may_fail) {
        /* What could not be read was set aside, and it was said: the model cannot go on from here.
         */
        m->given_up = p->dead = true;
        return;
    }
    if (rec.damaged_ranges > 0) {
        model_bad(m, "a crash was reported as damage");
    }
    if (clean_expected && !rec.clean) {
        model_bad(m, "a clean stop was not seen as one");
    }
    const uint32_t count = frames_recovered(p);
    if (count < m->acked || p->count != m->facts[count] || p->chain != m->chain[count]) {
        model_bad(m, "frames: recovered %u (facts: %u), acknowledged %u, submitted %u%s", count,
                  p->count, m->acked, m->frames,
                  p->chain != m->chain[count] ? ", and not the same" : "");
    }
    if (m->bad) {
        return;
    }
    model_truncate(m, count);
    m->position = 0;
    uint32_t live = 0;
    for (int i = 0; i < PARTS && !m->bad; i++) {
        struct mpart *mp = &m->parts[i];
        if (mp->id == 0) {
            continue;
        }
        live++;
        struct store_part *part = store_part_find(p->store, mp->id);
        if (part == NULL) {
            model_bad(m, "part %u is not there", mp->id);
            return;
        }
        struct store_part_info info;
        store_part_info_get(part, &info);
        const int64_t start = model_log_start(m, mp->id);
        if (info.log_start < start || (!mp->retained && info.log_start != start) ||
            info.log_start < mp->start_seen) {
            model_bad(m, "part %u: log start %lld, expected %lld, seen before %lld", mp->id,
                      (long long)info.log_start, (long long)start, (long long)mp->start_seen);
        }
        const uint32_t found = judge_part(p, mp, part, mp->os && !clean_expected);
        if (env_sim_is_cut(p->env) || p->dead || m->bad) {
            return;
        }
        if (mp->os && found < mp->n) {
            if (mp->b[found].kept) {
                model_bad(m, "part %u: offset %lld was kept by a recovery and is gone", mp->id,
                          (long long)mp->b[found].base);
            }
            mp->n = found;
        }
        for (uint32_t k = 0; k < mp->n; k++) {
            mp->b[k].kept = true;
            m->position = m->position > mp->b[k].position ? m->position : mp->b[k].position;
        }
        const int64_t end = mpart_end(mp);
        if (info.log_end < (mp->os ? mp->told : end) || (!mp->os && info.log_end != end) ||
            info.high_watermark != info.log_end) {
            model_bad(m, "part %u: ends at %lld (high watermark %lld), expected %lld, told %lld",
                      mp->id, (long long)info.log_end, (long long)info.high_watermark,
                      (long long)end, (long long)mp->told);
        }
        const struct store_epoch *epochs;
        const size_t n = store_part_epochs(part, &epochs);
        for (size_t k = 1; k < n; k++) {
            if (epochs[k].epoch <= epochs[k - 1].epoch ||
                epochs[k].start_offset <= epochs[k - 1].start_offset) {
                model_bad(m, "part %u: leader epochs do not ascend", mp->id);
            }
        }
    }
    if (live != p->part_count) {
        model_bad(m, "%u partitions, %u expected", p->part_count, live);
    }
}

uint64_t proc_going(const struct proc *p, bool started)
{
    if (!started) {
        return going_bit(KIND_IN_START);
    }
    uint64_t going = store_watch_going(p->store);
    LIST_FOR_EACH (n, tmp, &p->flights) {
        const uint8_t kind = CONTAINER_OF(n, struct flight, link)->kind;
        going |= going_bit(KIND_IN_FRAMES);
        going |= kind == 'a'   ? going_bit(KIND_IN_CREATE)
                 : kind == 'r' ? going_bit(KIND_IN_DELETE)
                 : kind == 'd' ? going_bit(KIND_IN_DELETE_RECORDS)
                               : 0;
    }
    return going;
}

enum err proc_start(struct proc *p, struct env *env, struct model *m, bool clean_expected)
{
    struct ectx ec = {0};
    *p = (struct proc){.env = env, .m = m, .jumped_ns = UINT64_MAX};
    list_init(&p->flights);
    list_init(&p->rewritings);
    list_init(&p->flushes);
    arena_init(&p->arena, 64 << 20);
    struct store_config cfg;
    store_config_init(&cfg);
    cfg.dir = "/d";
    cfg.ring_file_bytes = 64 << 10;
    cfg.ring_file_count = 3;
    cfg.inline_max_bytes = 2000;
    cfg.checkpoint_bytes = 60000;
    cfg.checkpoint_ms = 5000;
    cfg.tail_memory_bytes = 24 << 10;
    cfg.pack_direct_min_bytes = 4096; /* some of the packs are written in both ways */
    cfg.min_free_bytes = 4096;
    cfg.scrub_bytes_per_second = 1 << 20;
    cfg.scrub_interval_ms = 1000;
    const struct store_participant pt = {.tag = STORE_TAG_TOPICS,
                                         .name = "node",
                                         .ctx = p,
                                         .attach = attach,
                                         .apply = apply,
                                         .snapshot = snapshot,
                                         .restore = restore};
    enum err e = env_poll_create(env, &p->poll, &ec);
    struct store *opened = NULL;
    if (e == ERR_OK) {
        e = store_open(env, p->poll, &cfg, &pt, 1, &opened, &ec);
    }
    p->store = opened;
    if (e != ERR_OK) {
        if (!env_sim_is_cut(env) && !m->may_fail && !(e == ERR_NO_MEMORY && m->may_lose_memory)) {
            model_bad(m, "the start failed: %s: %s", err_name(e), ec.text);
        }
        return e;
    }
    const struct store_hooks hooks = {.ctx = p, .on_failure = on_failure};
    store_set_hooks(p->store, &hooks);
    judge_recovery(p, clean_expected);
    return ERR_OK;
}

void proc_end(struct proc *p)
{
    store_close(p->store);
    LIST_FOR_EACH (n, tmp, &p->flights) {
        flight_free(CONTAINER_OF(n, struct flight, link));
    }
    LIST_FOR_EACH (k, tmp2, &p->rewritings) {
        rewriting_free(CONTAINER_OF(k, struct rewriting, link));
    }
    LIST_FOR_EACH (n, tmp, &p->flushes) {
        free(CONTAINER_OF(n, struct flush, link));
    }
    arena_deinit(&p->arena);
    if (p->poll != NULL) {
        env_poll_destroy(p->poll);
    }
}
