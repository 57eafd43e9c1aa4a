/* See common_corrupt.h: what a start on a harmed disk may do, and whether it did that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common_corrupt.h"
#include "core/bytes.h"
#include "wal/wal.h"

struct judge {
    struct env *env;
    struct cor_model *m;
    const struct cor_layout *l;
    const struct cor_harm *h;
    struct cor_node n;
    bool frame_harmed[COR_FRAMES], group_harmed[COR_GROUPS], head_harmed[COR_GROUPS];
    bool group_hidden[COR_GROUPS];
    bool proven;        /* a harmed frame that an unharmed header proves */
    uint64_t cut;       /* frames from here on may be gone like a torn tail; UINT64_MAX: none */
    bool told_by_start; /* damaged ranges that recovery counted */
    bool told_by_read;
    uint32_t readable[COR_TOPICS][COR_PARTS]; /* batches that the first reading came past */
    bool again;
    struct cor_verdict v;
};

/* ---- What may be --------------------------------------------------------------------------------
 */

static bool overlaps(uint64_t a_from, uint64_t a_to, uint64_t b_from, uint64_t b_to)
{
    return a_from < b_to && b_from < a_to;
}

static bool bytes_harmed(const struct judge *j, const char *path, uint64_t from, uint64_t to)
{
    return strcmp(path, j->h->path) == 0 && (overlaps(from, to, j->h->from, j->h->to) ||
                                             overlaps(from, to, j->h->also_from, j->h->also_to));
}

static bool batch_bytes_harmed(const struct judge *j, const struct cor_batch *b)
{
    return b->seg[0] != '\0' && bytes_harmed(j, b->seg, b->at, b->at + b->size);
}

static bool ring_harmed(const struct judge *j, uint64_t position, uint64_t n)
{
    const struct cor_layout *l = j->l;
    char path[COR_PATH];
    (void)snprintf(path, sizeof(path), COR_DIR "/wal/ring-%03u",
                   (unsigned)(position / l->ring_file_bytes % l->ring_file_count));
    const uint64_t at = position % l->ring_file_bytes;
    return bytes_harmed(j, path, at, at + n);
}

/* A harmed body is one frame; a harmed header hides those behind it in the group. */
static void find_harmed_frames(struct judge *j)
{
    const struct cor_layout *l = j->l;
    bool hidden = false;
    for (uint32_t i = 0; i < l->frame_count; i++) {
        const struct cor_frame *f = &l->frames[i];
        const bool first = i == 0 || l->frames[i - 1].group != f->group;
        const bool header = ring_harmed(j, f->at, WAL_BODY_OFFSET);
        hidden = (hidden && !first) || header;
        j->frame_harmed[i] = hidden || ring_harmed(j, f->at, f->size);
        j->group_harmed[f->group] = j->group_harmed[f->group] || j->frame_harmed[i];
        j->head_harmed[f->group] = j->head_harmed[f->group] || (first && header);
    }
}

/* Groups between two of one unit whose heads are harmed. */
static void find_hidden_groups(struct judge *j)
{
    const struct cor_layout *l = j->l;
    for (uint32_t a = 0; a < l->group_count; a++) {
        uint32_t b = a + 1;
        while (j->head_harmed[a] && b < l->group_count && !j->head_harmed[b] &&
               l->groups[b].flushed <= l->groups[a].at) {
            b++;
        }
        for (uint32_t i = a + 1;
             j->head_harmed[a] && b < l->group_count && j->head_harmed[b] && i < b; i++) {
            j->group_hidden[i] = true;
        }
    }
    for (uint32_t i = 0; i < l->frame_count; i++) {
        j->frame_harmed[i] = j->frame_harmed[i] || j->group_hidden[l->frames[i].group];
    }
}

/* How far unharmed headers say that the log was flushed; which harm that proves; where the log may
 * end without a word. */
static void find_witnesses(struct judge *j)
{
    const struct cor_layout *l = j->l;
    uint64_t flushed = l->flushed > l->position ? l->flushed : l->position;
    find_harmed_frames(j);
    find_hidden_groups(j);
    for (uint32_t i = 0; i < l->group_count; i++) {
        if (!j->head_harmed[i] && l->groups[i].flushed > flushed) {
            flushed = l->groups[i].flushed;
        }
    }
    j->cut = UINT64_MAX;
    for (uint32_t i = 0; i < l->frame_count; i++) {
        if (j->frame_harmed[i] && l->frames[i].at < flushed) {
            j->proven = true;
        } else if (j->frame_harmed[i] && l->frames[i].at < j->cut) {
            j->cut = l->frames[i].at;
        }
    }
    for (int t = 0; t < j->m->topic_count; t++) {
        for (int p = 0; p < j->m->topics[t].parts; p++) {
            const struct cor_part *cp = &j->m->topics[t].part[p];
            for (uint32_t i = 0; i < cp->n; i++) {
                const struct cor_batch *b = &cp->b[i];
                if (b->in_ring && !b->inlined && b->frame >= flushed && b->frame < j->cut &&
                    batch_bytes_harmed(j, b)) {
                    j->cut = b->frame;
                }
            }
        }
    }
}

static bool frame_harmed(const struct judge *j, uint64_t position)
{
    for (uint32_t i = 0; i < j->l->frame_count; i++) {
        if (j->l->frames[i].at == position) {
            return j->frame_harmed[i];
        }
    }
    return false;
}

/* Its own bytes are harmed, or those of the frame that tells of it. */
static bool batch_harmed(const struct judge *j, const struct cor_batch *b)
{
    return (!(b->in_ring && b->inlined) && batch_bytes_harmed(j, b)) ||
           (b->in_ring && frame_harmed(j, b->frame));
}

static bool batch_cut(const struct judge *j, const struct cor_batch *b)
{
    return b->in_ring && b->frame >= j->cut;
}

/* Something that was done alone: its frames are harmed, or cut off. */
static bool op_may_miss(const struct judge *j, const struct cor_op *op)
{
    for (uint32_t i = 0; i < j->l->frame_count; i++) {
        const uint64_t at = j->l->frames[i].at;
        if (op->from <= at && at < op->to && (j->frame_harmed[i] || at >= j->cut)) {
            return true;
        }
    }
    return false;
}

/* ---- Reading everything --------------------------------------------------------------------- */

static void read_done(struct store_read_job *job)
{
    *(bool *)job->ctx = true;
}

static enum err read_some(struct cor_node *n, struct store_part *p, int64_t offset, size_t max,
                          struct store_read *out)
{
    arena_reset(&n->arena, 1 << 20);
    enum err e = store_read(p, offset, INT64_MAX, max, true, &n->arena, out, &n->ec);
    if (e != ERR_AGAIN) {
        return e;
    }
    bool done = false;
    struct store_read_job job = {.done = read_done, .ctx = &done};
    store_read_async(p, offset, INT64_MAX, max, true, &n->arena, &job);
    while (!done) {
        (void)env_poll_run(n->poll, 1000000);
    }
    *out = job.result;
    n->ec = job.ec;
    return job.err;
}

static bool same_bytes(const uint8_t *b, size_t n, const struct sbatch *want)
{
    static uint8_t bytes[SVC_BATCH_MAX];
    struct sbatch copy = *want;
    return svc_batch_fill(bytes, &copy) == n && (int64_t)get_be64(b) == want->base &&
           memcmp(b + 8, bytes + 8, 4) == 0 && memcmp(b + 16, bytes + 16, n - 16) == 0;
}

/* The batches of [offset, to) answer with an error: each must be harmed. */
static void judge_damage(struct judge *j, const char *name, const struct cor_part *cp, uint32_t *i,
                         int64_t to)
{
    j->told_by_read = true;
    for (; *i < cp->n && cp->b[*i].b.base < to; (*i)++) {
        const struct cor_batch *b = &cp->b[*i];
        j->v.damaged_batches++;
        if (!batch_harmed(j, b) && !batch_cut(j, b)) {
            cor_bad(j->m, "%s: the batch at offset %lld is intact and cannot be read: %s", name,
                    (long long)b->b.base, j->n.ec.text);
        }
    }
}

/* The log of the partition ends before batch `i`. */
static void judge_end(struct judge *j, const char *name, const struct cor_topic *t,
                      const struct cor_part *cp, uint32_t i, const struct store_part_info *info)
{
    bool silent = false, os_lost = false;
    for (uint32_t k = i; k < cp->n; k++) {
        const struct cor_batch *b = &cp->b[k];
        j->v.missing_batches++;
        /* What was written with durability os since the image is a prefix, as after a power cut. */
        os_lost = os_lost || (t->os && b->b.base >= cp->image_end && batch_bytes_harmed(j, b));
        if (batch_cut(j, b)) {
            silent = true;
        } else if (!os_lost && !(b->in_ring && frame_harmed(j, b->frame) && j->told_by_start)) {
            cor_bad(j->m, "%s: the log is shorter: offset %lld is gone without a word", name,
                    (long long)b->b.base);
        }
    }
    const int64_t end = cp->n == 0 ? 0 : cp->b[cp->n - 1].b.base + cp->b[cp->n - 1].b.count;
    if (!silent && info->log_end < end) {
        cor_bad(j->m, "%s: ends at %lld, offsets up to %lld were told", name,
                (long long)info->log_end, (long long)end);
    }
}

static void judge_part(struct judge *j, const struct cor_topic *t, int index,
                       struct store_part *part)
{
    const struct cor_part *cp = &t->part[index];
    struct store_part_info info;
    char name[64];
    (void)snprintf(name, sizeof(name), "%s-%d", t->name, index);
    store_part_info_get(part, &info);
    if (info.log_start != 0 || info.high_watermark != info.log_end) {
        cor_bad(j->m, "%s: log start %lld, high watermark %lld, end %lld", name,
                (long long)info.log_start, (long long)info.high_watermark, (long long)info.log_end);
    }
    int64_t offset = 0;
    uint32_t i = 0;
    uint32_t *readable = &j->readable[t - j->m->topics][index];
    const uint32_t end = j->again ? *readable : cp->n;
    *readable = end;
    while (i < end && !j->m->bad) {
        struct store_read r;
        const enum err e = offset > info.log_end ? ERR_OFFSET_OUT_OF_RANGE
                                                 : read_some(&j->n, part, offset, 16384, &r);
        if (e == ERR_DAMAGED) {
            const struct damage_range *d = part_damage_at(part, offset);
            /* A file that is not there is not quarantined for good. */
            const int64_t to =
                d != NULL && d->from <= offset ? d->to : cp->b[i].b.base + cp->b[i].b.count;
            if (strstr(j->n.ec.text, "offsets") == NULL) {
                cor_bad(j->m, "%s: an error that names no offsets: %s", name, j->n.ec.text);
            }
            judge_damage(j, name, cp, &i, to);
            offset = to;
            continue;
        }
        if (e != ERR_OK && e != ERR_OFFSET_OUT_OF_RANGE) {
            cor_bad(j->m, "%s: reading offset %lld: %s", name, (long long)offset, err_name(e));
            return;
        }
        if (e == ERR_OFFSET_OUT_OF_RANGE || r.chunk_count == 0) {
            judge_end(j, name, t, cp, i, &info);
            *readable = i;
            return;
        }
        for (size_t c = 0; c < r.chunk_count && !j->m->bad && i < end; c++, i++) {
            const uint8_t *b = (const uint8_t *)r.chunks[c].p;
            if (!same_bytes(b, r.chunks[c].n, &cp->b[i].b)) {
                cor_bad(j->m, "%s: wrong bytes: offset %lld with %zu bytes, expected %lld", name,
                        (long long)get_be64(b), r.chunks[c].n, (long long)cp->b[i].b.base);
            }
        }
        offset = r.next_offset;
        store_read_release(&r);
    }
}

/* Batches of a topic that is not there: none of them may be intact. */
static void judge_missing_topic(struct judge *j, const struct cor_topic *t)
{
    if (!op_may_miss(j, &t->made)) {
        cor_bad(j->m, "topic %s is gone", t->name);
    }
    for (int p = 0; p < t->parts; p++) {
        for (uint32_t i = 0; i < t->part[p].n; i++) {
            const struct cor_batch *b = &t->part[p].b[i];
            if (!batch_harmed(j, b) && !batch_cut(j, b)) {
                cor_bad(j->m, "topic %s is gone and its intact batch at offset %lld with it",
                        t->name, (long long)b->b.base);
            }
        }
    }
}

static void judge_topics(struct judge *j)
{
    for (int i = 0; i < j->m->topic_count && !j->m->bad; i++) {
        const struct cor_topic *t = &j->m->topics[i];
        const struct topic *real = broker_topic(j->n.broker, str_of(t->name));
        if (real == NULL) {
            judge_missing_topic(j, t);
            continue;
        }
        const int64_t setting =
            config_i64(&real->config, broker_config(j->n.broker), "max.message.bytes");
        if (setting != t->setting &&
            (setting != t->setting_before || !op_may_miss(j, &t->altered))) {
            cor_bad(j->m, "topic %s: setting %lld, not %lld", t->name, (long long)setting,
                    (long long)t->setting);
        }
        for (int p = 0; p < t->parts && !j->m->bad; p++) {
            judge_part(j, t, p, real->partitions[p]->part);
        }
    }
}

static void judge_commits(struct judge *j)
{
    const struct cor_model *m = j->m;
    for (int t = 0; t < m->topic_count; t++) {
        for (int k = 0; k < COR_PARTS * 2; k++) {
            struct groups_offset o;
            const int part = k / 2, group = k % 2;
            const bool there = groups_offset_get(j->n.groups, str_of(svc_group_name(group)),
                                                 str_of(m->topics[t].name), part, &o);
            const int64_t is = there ? o.offset : -1;
            bool good = false, must = false;
            for (uint32_t i = m->commit_count; i-- > 0 && !good && !must;) {
                const struct cor_commit *c = &m->commits[i];
                if (c->topic == t && c->part == part && c->group == group) {
                    good = c->offset == is;
                    must = !op_may_miss(j, &c->op);
                }
            }
            const bool gone = broker_topic(j->n.broker, str_of(m->topics[t].name)) == NULL;
            if (!good && (must || there) && !gone) {
                cor_bad(j->m, "group %s, %s-%d: committed offset %lld is none that it may be",
                        svc_group_name(group), m->topics[t].name, part, (long long)is);
            }
        }
    }
}

/* ---- Appending to it ------------------------------------------------------------------------ */

/* The producer's last batch again: it gets the offset that it had. */
static void judge_producers(struct judge *j)
{
    for (int t = 0; t < j->m->topic_count && !j->m->bad; t++) {
        const struct cor_topic *ct = &j->m->topics[t];
        for (int p = 0; p < ct->parts; p++) {
            const struct cor_part *cp = &ct->part[p];
            struct topic *real = broker_topic(j->n.broker, str_of(ct->name));
            const struct cor_batch *last = cp->n == 0 ? NULL : &cp->b[cp->n - 1];
            if (real == NULL || last == NULL || last->b.pid < 0 || batch_harmed(j, last) ||
                batch_cut(j, last) || ct->os) {
                continue;
            }
            const int64_t base = cor_resend(&j->n, j->m, t, p, &last->b);
            if (base != last->b.base) {
                cor_bad(j->m, "%s-%d: a batch sent again got offset %lld, not %lld", ct->name, p,
                        (long long)base, (long long)last->b.base);
            }
        }
    }
}

static void judge_appends(struct judge *j, struct sbatch appended[COR_TOPICS][COR_PARTS])
{
    for (int t = 0; t < j->m->topic_count && !j->m->bad; t++) {
        const struct cor_topic *ct = &j->m->topics[t];
        const struct topic *real = broker_topic(j->n.broker, str_of(ct->name));
        for (int p = 0; real != NULL && p < ct->parts; p++) {
            struct store_part_info info;
            store_part_info_get(real->partitions[p]->part, &info);
            struct sbatch *b = &appended[t][p];
            *b = (struct sbatch){.uid = j->m->uid++, .pid = -1, .payload = 40, .count = 1};
            b->base = cor_resend(&j->n, j->m, t, p, b);
            if (b->base != info.log_end) {
                cor_bad(j->m, "%s-%d: a new batch got offset %lld, not %lld", ct->name, p,
                        (long long)b->base, (long long)info.log_end);
            }
        }
    }
}

static void judge_appended(struct judge *j, struct sbatch appended[COR_TOPICS][COR_PARTS])
{
    for (int t = 0; t < j->m->topic_count && !j->m->bad; t++) {
        const struct cor_topic *ct = &j->m->topics[t];
        const struct topic *real = broker_topic(j->n.broker, str_of(ct->name));
        for (int p = 0; real != NULL && p < ct->parts; p++) {
            struct store_read r;
            const struct sbatch *b = &appended[t][p];
            const enum err e = read_some(&j->n, real->partitions[p]->part, b->base, 1, &r);
            if (e != ERR_OK || r.chunk_count != 1 ||
                !same_bytes((const uint8_t *)r.chunks[0].p, r.chunks[0].n, b)) {
                cor_bad(j->m, "%s-%d: what was appended at offset %lld is not there: %s", ct->name,
                        p, (long long)b->base, err_name(e));
            }
            if (e == ERR_OK) {
                store_read_release(&r);
            }
        }
    }
}

/* A pass over everything before anybody reads: no read finds anything new afterwards. */
static void judge_scrub(struct judge *j)
{
    struct store *s = j->n.store;
    for (int i = 0; i < 3000 && s->stats.scrub_passes == 0; i++) {
        env_sim_advance_ns(j->env, 100000000);
        store_tick(s);
        cor_settle(&j->n);
    }
    if (s->stats.scrub_passes != 1) {
        cor_bad(j->m, "the scrub does not come to an end");
    }
}

/* ---- The whole ------------------------------------------------------------------------------ */

struct findings {
    uint32_t problems;
    char first[300];
};

static void found(void *ctx, bool is_problem, const char *text)
{
    struct findings *f = ctx;
    if (is_problem && f->problems++ == 0) {
        (void)snprintf(f->first, sizeof(f->first), "%s", text);
    }
}

static enum err verify(struct judge *j, struct findings *f)
{
    struct store_verify_report report;
    const uint64_t before = env_sim_disk_hash(j->env);
    *f = (struct findings){0};
    const enum err e = store_verify(j->env, COR_DIR, found, f, &report, &j->n.ec);
    if (env_sim_disk_hash(j->env) != before) {
        cor_bad(j->m, "verify changed the disk");
    }
    if (e == ERR_DAMAGED) {
        f->problems++;
    } else if (e != ERR_OK) {
        cor_bad(j->m, "verify: %s: %s", err_name(e), j->n.ec.text);
    }
    return e;
}

/* A start may be refused: for the meta file, for a ring file that is cut short, and when frames
 * that made a partition are harmed while later ones that belong to it are not. */
static bool may_refuse(const struct judge *j)
{
    bool made_harmed = false;
    for (int t = 0; t < j->m->topic_count; t++) {
        made_harmed = made_harmed || op_may_miss(j, &j->m->topics[t].made);
    }
    return strcmp(j->h->path, COR_DIR "/meta") == 0 ||
           (strncmp(j->h->path, COR_DIR "/wal/", 7) == 0 && j->h->to == UINT64_MAX &&
            !j->l->clean) ||
           (made_harmed && j->proven);
}

static void judge_refusal(struct judge *j, enum err e, const struct findings *f)
{
    struct ectx first = j->n.ec;
    j->v.outcome = COR_REFUSED;
    if (e != ERR_DAMAGED || !may_refuse(j)) {
        cor_bad(j->m, "the start failed: %s: %s", err_name(e), first.text);
    } else if (strlen(first.text) < 10 || first.hint[0] == '\0') {
        cor_bad(j->m, "the start was refused without a reason and a hint: %s", first.text);
    } else if (f->problems == 0) {
        cor_bad(j->m, "the start was refused (%s), verify finds nothing", first.text);
    }
    cor_stop(&j->n, true);
    if (!j->m->bad && cor_start(&j->n, j->env) != ERR_DAMAGED) {
        cor_bad(j->m, "the refused start worked the second time");
    }
}

static void judge_silence(struct judge *j, const struct findings *f)
{
    const bool told = j->told_by_start || j->told_by_read;
    if (j->proven && !j->told_by_start) {
        cor_bad(j->m, "acknowledged frames are damaged and the start says nothing");
    }
    if (told && f->problems == 0) {
        cor_bad(j->m, "the start or a read met damage, verify finds nothing");
    }
    if (!told && f->problems > 0) {
        cor_bad(j->m, "verify says '%s', the start and all reads nothing", f->first);
    }
    j->v.outcome = told ? COR_QUARANTINED : j->v.missing_batches > 0 ? COR_CUT : COR_HARMLESS;
}

void cor_judge(struct env *env, struct cor_model *m, const struct cor_layout *l,
               const struct cor_harm *h, bool scrub, struct cor_verdict *out)
{
    static struct judge judge;
    static struct sbatch appended[COR_TOPICS][COR_PARTS];
    struct judge *j = &judge;
    struct findings f;
    struct store_recovery rec;
    *j = (struct judge){.env = env, .m = m, .l = l, .h = h};
    find_witnesses(j);
    (void)verify(j, &f);
    enum err e = cor_start(&j->n, env);
    if (e != ERR_OK) {
        judge_refusal(j, e, &f);
        cor_stop(&j->n, true);
        *out = j->v;
        return;
    }
    store_recovery_get(j->n.store, &rec);
    j->told_by_start = rec.damaged_ranges > 0;
    if (scrub) {
        judge_scrub(j);
    }
    judge_topics(j);
    if (scrub && j->n.store->stats.damaged_reads > 0) {
        cor_bad(m, "a read found what the scrub did not");
    }
    judge_commits(j);
    const uint32_t damaged = j->v.damaged_batches;
    judge_silence(j, &f);
    if (!m->bad) {
        judge_producers(j);
    }
    if (!m->bad) {
        judge_appends(j, appended);
        cor_id_check(&j->n, m);
    }
    cor_stop(&j->n, m->bad);
    if (!m->bad && (e = cor_start(&j->n, env)) != ERR_OK) {
        cor_bad(m, "the second start failed: %s: %s", err_name(e), j->n.ec.text);
    }
    if (!m->bad) {
        const struct cor_verdict v = j->v;
        j->v.damaged_batches = 0;
        judge_appended(j, appended);
        j->again = true;
        judge_topics(j);
        if (j->v.damaged_batches < damaged) {
            cor_bad(m, "%u batches were damaged, %u after another start", damaged,
                    j->v.damaged_batches);
        }
        j->v = v;
    }
    cor_stop(&j->n, true);
    *out = j->v;
}
