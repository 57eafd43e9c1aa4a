/*
 * The power cut: from the list of operations that were not synced to one of the disks that the next
 * boot may find. Each operation is kept, lost or (a write) torn at sectors; the size of a file is
 * one of those it had, never mixed; what lies beyond it is gone. An extending write is two
 * operations, so its bytes may be lost (zeros) while its size is kept, and the other way round.
 *
 * A random cut first draws a style. Independent coins alone would nearly never show the states in
 * which bugs live: all but one operation there, one alone, a clean prefix with a torn end, one file
 * behind all others.
 */
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "env/sim_int.h"

enum style {
    STYLE_EXACT, /* what the caller named; nothing torn */
    STYLE_COINS,
    STYLE_MOSTLY_KEPT,
    STYLE_MOSTLY_LOST,
    STYLE_PREFIX,
    STYLE_KEEP_ONE,
    STYLE_LOSE_ONE,
    STYLE_FILE_COINS,
    STYLE_NAMES_KEPT,
    STYLE_NAMES_LOST,
    STYLE_COUNT
};

struct cut {
    struct sim_rng *rng;
    enum style style;
    enum env_sim_keep keep; /* one of the exact ones */
    uint64_t pick;          /* the sequence number that is the one, or the first that is lost */
    bool file_kept;         /* FILE_COINS: of the file at hand */
    struct env_sim_loss *loss;
    uint64_t first_lost, last_kept; /* sequence numbers */
};

enum verdict { LOST, KEPT, TORN };

static int seq_cmp(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Draws the style and the operation that stands out. */
static void cut_plan(struct cut *c, const struct env_sim_disk *d, enum env_sim_keep keep,
                     uint64_t choice)
{
    uint64_t n = sim_disk_pending(d), at = 0;
    uint64_t *seqs = sim_alloc((n + 1) * sizeof(*seqs));
    for (uint32_t id = SIM_ROOT; id < d->n; id++) {
        const struct sim_inode *ino = d->slots[id].inode;
        for (size_t i = 0; ino != NULL && i < ino->pend_n; i++) {
            if (ino->pend[i].fate != SIM_FIXED) {
                seqs[at++] = ino->pend[i].op->seq;
            }
        }
    }
    for (size_t i = 0; i < d->names_n; i++) {
        if (d->names[i].fate != SIM_FIXED) {
            seqs[at++] = d->names[i].op->seq;
        }
    }
    CHECK(at == n);
    qsort(seqs, (size_t)n, sizeof(*seqs), seq_cmp);
    seqs[n] = UINT64_MAX;
    c->keep = keep;
    switch (keep) {
    case ENV_SIM_RANDOM:
        c->style = (enum style)(1 + sim_rng_below(c->rng, STYLE_COUNT - 1));
        c->pick = seqs[n == 0 ? 0 : sim_rng_below(c->rng, n)];
        break;
    case ENV_SIM_KEEP_ALL:
    case ENV_SIM_LOSE_ALL:
        c->style = STYLE_EXACT;
        break;
    case ENV_SIM_KEEP_ONE:
    case ENV_SIM_LOSE_ONE:
        c->style = STYLE_EXACT;
        c->pick = seqs[n == 0 ? 0 : choice % n];
        break;
    case ENV_SIM_KEEP_FIRST:
        c->style = STYLE_EXACT;
        c->pick = seqs[choice % (n + 1)];
        break;
    }
    sim_free(seqs);
}

static enum verdict kept_if(bool yes)
{
    return yes ? KEPT : LOST;
}

static enum verdict judge_exact(const struct cut *c, uint64_t seq)
{
    switch (c->keep) {
    case ENV_SIM_KEEP_ALL:
        return KEPT;
    case ENV_SIM_KEEP_ONE:
        return kept_if(seq == c->pick);
    case ENV_SIM_LOSE_ONE:
        return kept_if(seq != c->pick);
    case ENV_SIM_KEEP_FIRST:
        return kept_if(seq < c->pick);
    case ENV_SIM_LOSE_ALL:
    case ENV_SIM_RANDOM:
        break;
    }
    return LOST;
}

static enum verdict judge(struct cut *c, uint64_t seq, bool is_name)
{
    bool tear = sim_rng_chance(c->rng, 1, 3);
    enum verdict v = LOST;
    switch (c->style) {
    case STYLE_EXACT:
        return judge_exact(c, seq);
    case STYLE_COINS:
        v = kept_if(sim_rng_chance(c->rng, 1, 2));
        break;
    case STYLE_MOSTLY_KEPT:
        v = kept_if(sim_rng_chance(c->rng, 7, 8));
        break;
    case STYLE_MOSTLY_LOST:
        v = kept_if(sim_rng_chance(c->rng, 1, 8));
        break;
    case STYLE_PREFIX:
        return seq == c->pick ? TORN : kept_if(seq < c->pick);
    case STYLE_KEEP_ONE:
        v = kept_if(seq == c->pick);
        break;
    case STYLE_LOSE_ONE:
        return seq == c->pick && tear ? TORN : kept_if(seq != c->pick);
    case STYLE_FILE_COINS:
        return kept_if(is_name ? sim_rng_chance(c->rng, 1, 2) : c->file_kept);
    case STYLE_NAMES_KEPT:
    case STYLE_NAMES_LOST:
        v = kept_if(is_name ? c->style == STYLE_NAMES_KEPT : sim_rng_chance(c->rng, 1, 2));
        break;
    case STYLE_COUNT:
        break;
    }
    return v == KEPT && tear ? TORN : v;
}

/* ---- Tearing ---- */

struct tear {
    struct sim_rng *rng;
    enum { TEAR_HEAD, TEAR_TAIL, TEAR_HOLE, TEAR_SECTORS, TEAR_PAGES } kind;
    uint64_t first; /* sector of the file that the write begins with */
    uint64_t at;    /* sectors decided so far */
    uint64_t mark;
    bool page_kept;
};

static bool tear_choose(void *ctx)
{
    struct tear *t = ctx;
    uint64_t sector = t->at++;
    switch (t->kind) {
    case TEAR_HEAD:
        return sector < t->mark;
    case TEAR_TAIL:
        return sector >= t->mark;
    case TEAR_HOLE:
        return sector != t->mark;
    case TEAR_SECTORS:
        return sim_rng_chance(t->rng, 1, 2);
    case TEAR_PAGES:
        if (sector == 0 || (t->first + sector) % (SIM_PAGE / SIM_SECTOR) == 0) {
            t->page_kept = sim_rng_chance(t->rng, 1, 2);
        }
        return t->page_kept;
    }
    return false;
}

static void apply_torn(struct sim_tree *tree, const struct sim_op *op, struct sim_rng *rng)
{
    static const int kinds[] = {TEAR_HEAD, TEAR_TAIL, TEAR_HOLE, TEAR_SECTORS, TEAR_PAGES};
    struct tear t = {.rng = rng, .first = op->offset / SIM_SECTOR};
    t.kind = (unsigned)kinds[sim_rng_below(rng, ARRAY_LEN(kinds))];
    t.mark = sim_rng_below(rng, op->n / SIM_SECTOR);
    sim_op_apply_write(tree, op, tear_choose, &t);
}

/* ---- What happened ---- */

static void note(struct cut *c, uint64_t seq, enum verdict v, uint64_t *lost)
{
    if (v == KEPT) {
        c->last_kept = c->last_kept < seq ? seq : c->last_kept;
    } else if (v == TORN) {
        c->loss->torn++;
    } else {
        c->first_lost = c->first_lost > seq ? seq : c->first_lost;
        (*lost)++;
    }
}

/* A file's verdicts; what happened to its size follows from where sizes end. */
static void note_file(struct cut *c, const struct sim_inode *ino, const uint8_t *verdicts,
                      size_t sizes_end)
{
    uint64_t claims = 0; /* blocks without content: nobody can see them go */
    bool later_size = false, earlier_lost = false, kept = false;
    for (size_t i = 0; i < ino->pend_n; i++) {
        const struct sim_pending *p = &ino->pend[i];
        const bool is_size = p->op->kind == SIM_OP_SIZE;
        if (p->fate == SIM_FIXED) {
            continue;
        }
        note(c, p->op->seq, is_size ? (i < sizes_end ? KEPT : LOST) : (enum verdict)verdicts[i],
             is_size                       ? &c->loss->sizes
             : p->op->kind == SIM_OP_WRITE ? &c->loss->writes
                                           : &claims);
        kept = kept || (p->op->kind == SIM_OP_WRITE && verdicts[i] == KEPT);
        earlier_lost = earlier_lost || (p->op->kind == SIM_OP_WRITE && verdicts[i] == LOST);
        later_size = later_size || (is_size && i >= sizes_end && kept);
        c->loss->size_no_data = c->loss->size_no_data || (is_size && i < sizes_end && earlier_lost);
    }
    c->loss->data_no_size = c->loss->data_no_size || later_size;
}

static void note_name(struct cut *c, const struct sim_name_op *op, enum verdict v)
{
    note(c, op->seq, v == LOST ? LOST : KEPT,
         op->kind == SIM_NAME_LINK     ? &c->loss->links
         : op->kind == SIM_NAME_UNLINK ? &c->loss->unlinks
                                       : &c->loss->renames);
}

/* ---- One file ---- */

static void cut_file(struct env_sim_disk *d, const struct sim_inode *old, struct cut *c)
{
    struct sim_inode *ino = sim_alloc(sizeof(*ino));
    ino->refs = 1;
    ino->id = old->id;
    ino->safe_at = old->safe_at;
    ino->now_at = old->now_at;
    if (ino->safe_at.name != NULL) {
        sim_name_ref(ino->safe_at.name);
    }
    if (ino->now_at.name != NULL) {
        sim_name_ref(ino->now_at.name);
    }
    sim_tree_share(&ino->safe, &old->safe);
    ino->safe_size = old->safe_size;

    uint8_t *verdicts = sim_alloc(old->pend_n + 1);
    c->file_kept = sim_rng_chance(c->rng, 1, 2);
    size_t sizes_end = 0; /* size changes before this index reached the medium */
    for (size_t i = 0; i < old->pend_n; i++) {
        const struct sim_pending *p = &old->pend[i];
        enum verdict v = p->fate == SIM_FIXED ? KEPT : judge(c, p->op->seq, false);
        verdicts[i] = (uint8_t)v;
        if (p->op->kind == SIM_OP_SIZE && v != LOST) {
            sizes_end = i + 1;
        }
    }
    for (size_t i = 0; i < old->pend_n; i++) {
        const struct sim_op *op = old->pend[i].op;
        if (op->kind == SIM_OP_SIZE) {
            if (i < sizes_end) {
                sim_op_apply(&ino->safe, &ino->safe_size, op);
            }
        } else if (op->kind == SIM_OP_WRITE && verdicts[i] == TORN) {
            apply_torn(&ino->safe, op, c->rng);
        } else if (verdicts[i] != LOST) {
            sim_op_apply(&ino->safe, &ino->safe_size, op);
        }
    }
    note_file(c, old, verdicts, sizes_end);
    sim_free(verdicts);
    sim_tree_zero_from(&ino->safe, ino->safe_size);
    sim_tree_share(&ino->now, &ino->safe);
    ino->now_size = ino->safe_size;
    sim_inode_replace(d, ino);
}

void sim_disk_cut(struct env_sim_disk *d, enum env_sim_keep keep, uint64_t choice,
                  struct sim_rng *rng, struct env_sim_loss *loss)
{
    struct cut c = {.rng = rng, .loss = loss, .first_lost = UINT64_MAX};
    loss->pending = sim_disk_pending(d);
    cut_plan(&c, d, keep, choice);
    for (uint32_t id = SIM_ROOT; id < d->n; id++) {
        const struct sim_inode *ino = d->slots[id].inode;
        /* one without a name may get it back, and then shows its safe side */
        if (ino != NULL && !ino->is_dir && (ino->pend_n > 0 || ino->now_at.dir == SIM_NO_INODE)) {
            cut_file(d, ino, &c);
        }
    }
    if (d->names_n > 0) {
        for (size_t i = 0; i < d->names_n; i++) {
            const struct sim_name_pending *p = &d->names[i];
            const enum verdict v = p->fate == SIM_FIXED ? KEPT : judge(&c, p->op->seq, true);
            if (p->fate != SIM_FIXED) {
                note_name(&c, p->op, v);
            }
            if (v != LOST) {
                sim_name_apply(d, p->op);
            }
        }
        sim_names_clear(d);
        sim_names_now_is_safe(d);
    }
    loss->reordered = c.first_lost < c.last_kept;
    sim_disk_release_all(d);
}
