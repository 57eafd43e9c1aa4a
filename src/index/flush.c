/*
 * A flush. It begins only when everything in memory belongs to the log up to what the owner gave
 * last, so that the files hold the state at that place and nothing of what came after. The memory
 * is frozen, a new one takes what is put meanwhile, and a worker writes a run for each table and
 * then the manifest. If anything fails, the frozen memory is still there and all of it is done
 * again.
 */
#include "core/log.h"
#include "core/mem.h"
#include "index/index_int.h"

static bool runs_left(const struct index *ix)
{
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        if (ix->active->trees[t].count > 0 && ix->lists[t]->count >= INDEX_RUNS_MAX) {
            return false;
        }
    }
    return true;
}

void flush_wish(struct index *ix)
{
    struct flush *f = &ix->flush;
    const bool full = tree_pool_bytes(&ix->active->pool) >= ix->cfg.memory_bytes;
    if (f->on || !ix->at_cover || !ix->cover_ahead || !(ix->flush_asked || full) ||
        !runs_left(ix)) {
        return;
    }
    struct memory *fresh = memory_new(ix);
    buf_clear(&f->covered);
    buf_put_str(&f->covered, buf_str(&ix->cover_given));
    if (fresh == NULL || buf_failed(&f->covered)) {
        memory_unref(fresh); /* the next call tries again */
        return;
    }
    ix->frozen = ix->active;
    ix->active = fresh;
    ix->cover_ahead = ix->flush_asked = false;
    f->on = true;
    f->commit = f->writing = false;
    f->table = 0;
}

/* ---- Worker -----------------------------------------------------------------------------------
 */

static uint64_t prefixes_of(const struct tree *t, size_t prefix_bytes)
{
    uint64_t n = 0;
    const uint8_t *last = NULL;
    for (struct tree_at at = tree_first(t); at.leaf != 0; at = tree_next(t, at)) {
        const uint8_t *entry = tree_entry(t, at);
        n += last == NULL || memcmp(last, entry, prefix_bytes) != 0;
        last = entry;
    }
    return n;
}

/* Writes about one step of entries. */
static enum err flush_write(struct index *ix, struct ectx *ec)
{
    struct flush *f = &ix->flush;
    size_t left = ix->step_bytes;
    while (f->table < ix->cfg.table_count) {
        const struct index_table *t = &ix->tables[f->table];
        const struct tree *tree = &ix->frozen->trees[f->table];
        enum err e = ERR_OK;
        if (tree->count == 0) {
            f->table++;
            continue;
        }
        if (!f->writing) {
            e = writer_open(&f->writer, ix, t, ix->next_run++, tree->count,
                            prefixes_of(tree, t->prefix_bytes), ec);
            f->writing = e == ERR_OK;
            f->at = tree_first(tree);
        }
        while (e == ERR_OK && f->at.leaf != 0 && left >= tree->entry_bytes) {
            e = writer_add(&f->writer, tree_entry(tree, f->at), ec);
            f->at = tree_next(tree, f->at);
            left -= tree->entry_bytes;
        }
        if (e != ERR_OK || f->at.leaf != 0) {
            return e;
        }
        e = writer_finish(&f->writer, &f->outputs[f->table], ec);
        if (e != ERR_OK) {
            return e;
        }
        f->writing = false;
        f->table++;
    }
    f->commit = true;
    return ERR_OK;
}

/* Files that no manifest can name go at once: perhaps the disk is full of them. The runs themselves
 * are the loop's, which may have them in lists. */
static void flush_undo(struct index *ix)
{
    struct flush *f = &ix->flush;
    if (f->writing) {
        writer_abandon(&f->writer);
        f->writing = false;
    }
    for (size_t t = 0; t < ix->cfg.table_count && !ix->work.renamed; t++) {
        if (f->outputs[t] != NULL) {
            run_delete(ix->env, f->outputs[t]);
        }
    }
}

void flush_step(struct index *ix)
{
    struct flush *f = &ix->flush;
    struct work *w = &ix->work;
    w->err = f->commit ? manifest_write(ix, f->lists, buf_str(&f->covered), ix->sequence + 1,
                                        &w->renamed, &w->ec)
                       : flush_write(ix, &w->ec);
    if (w->err != ERR_OK) {
        flush_undo(ix);
    }
}

/* ---- Loop -------------------------------------------------------------------------------------
 */

static void lists_drop(struct index *ix)
{
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        run_list_unref(ix, ix->flush.lists[t]);
        ix->flush.lists[t] = NULL;
    }
}

bool flush_prepare(struct index *ix)
{
    struct flush *f = &ix->flush;
    if (!f->commit) {
        return true;
    }
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        const struct run_list *old = ix->lists[t];
        struct run *r = f->outputs[t];
        const uint32_t more = r != NULL ? 1 : 0;
        struct run_list *l = run_list_new(old->count + more);
        if (l == NULL) {
            lists_drop(ix);
            return false;
        }
        if (r != NULL) {
            l->runs[0] = r;
        }
        for (uint32_t i = 0; i < old->count; i++) {
            l->runs[i + more] = old->runs[i];
        }
        for (uint32_t i = 0; i < l->count; i++) {
            l->runs[i]->refs++;
        }
        f->lists[t] = l;
    }
    return true;
}

static void flush_took_effect(struct index *ix)
{
    struct flush *f = &ix->flush;
    ix->durable = ++ix->sequence;
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        struct run_list *old = ix->lists[t];
        ix->lists[t] = f->lists[t];
        f->lists[t] = NULL;
        run_list_unref(ix, old);
        if (f->outputs[t] != NULL) {
            ix->stats.written_bytes += run_file_bytes(f->outputs[t]);
            run_unref(ix, f->outputs[t]);
            f->outputs[t] = NULL;
        }
    }
    const struct buf covered = ix->covered;
    ix->covered = f->covered;
    f->covered = covered;
    memory_unref(ix->frozen);
    ix->frozen = NULL;
    f->on = f->commit = false;
    ix->stats.flushes++;
    filters_fit(ix);
    work_succeeded(ix, WORK_FLUSH);
    index_room_made(ix);
}

static void outputs_drop(struct index *ix)
{
    struct flush *f = &ix->flush;
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        if (f->outputs[t] != NULL) {
            run_give_up(ix, f->outputs[t]);
            f->outputs[t] = NULL;
        }
    }
}

void flush_done(struct index *ix)
{
    struct flush *f = &ix->flush;
    if (ix->work.err != ERR_OK) {
        lists_drop(ix);
        ix->sequence += ix->work.renamed ? 1 : 0; /* that manifest may be there */
        outputs_drop(ix);
        f->commit = false;
        f->table = 0;
        work_failed(ix, WORK_FLUSH);
    } else if (f->lists[0] != NULL) {
        flush_took_effect(ix);
    }
}

void flush_abandon(struct index *ix)
{
    lists_drop(ix);
    ix->work.renamed = false;
    flush_undo(ix);
    outputs_drop(ix);
    buf_deinit(&ix->flush.covered);
}
