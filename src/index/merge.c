/*
 * Merges neighbours in a list of runs into one. Which: four or more of which the largest is at most
 * half of all, the least work first, so that each entry is written about once for each factor of
 * four that its table grew; and beyond INDEX_RUNS_MANY runs whatever costs least for each run that
 * it saves, because every look-up asks every run.
 *
 * While a large merge goes on, smaller ones may begin among the newer runs, and go before it.
 */
#include "core/log.h"
#include "core/mem.h"
#include "index/index_int.h"

enum { RUNS_FEW = 4, INPUT_BLOCKS = 16 };

struct choice {
    unsigned table;
    uint32_t first, count;
    uint64_t entries;
    double cost;
};

static void choose_in(const struct index *ix, unsigned table, struct choice *best)
{
    const struct run_list *l = ix->lists[table];
    for (uint32_t first = 0; first < l->count; first++) {
        uint64_t all = 0, largest = 0;
        for (uint32_t n = 1;
             n <= INDEX_MERGE_MAX && first + n <= l->count && !l->runs[first + n - 1]->merging;
             n++) {
            const uint64_t entries = l->runs[first + n - 1]->head.entries;
            all += entries;
            largest = entries > largest ? entries : largest;
            const bool alike = n >= RUNS_FEW && all - largest >= largest;
            if (n < 2 || (!alike && l->count <= INDEX_RUNS_MANY)) {
                continue;
            }
            const double cost = (double)all / (n - 1);
            if (best->count == 0 || cost < best->cost) {
                *best = (struct choice){table, first, n, all, cost};
            }
        }
    }
}

/* The smallest that is on: a large one goes on when there is nothing else to do. */
static struct merge *merge_smallest(struct index *ix, struct merge **idle)
{
    struct merge *smallest = NULL;
    *idle = NULL;
    for (size_t i = 0; i < INDEX_MERGES_MAX; i++) {
        struct merge *m = &ix->merges[i];
        if (!m->on) {
            *idle = m;
        } else if (smallest == NULL || m->entries < smallest->entries) {
            smallest = m;
        }
    }
    return smallest;
}

struct merge *merge_wish(struct index *ix)
{
    struct choice best = {0};
    struct merge *idle, *m = merge_smallest(ix, &idle);
    if (ix->merge_off || idle == NULL) {
        return ix->merge_off ? NULL : m;
    }
    for (unsigned t = 0; t < ix->cfg.table_count; t++) {
        choose_in(ix, t, &best);
    }
    if (best.count == 0 || (m != NULL && best.entries >= m->entries)) {
        return m;
    }
    *idle = (struct merge){
        .on = true, .table = best.table, .count = best.count, .entries = best.entries};
    for (uint32_t i = 0; i < best.count; i++) {
        struct run *r = ix->lists[best.table]->runs[best.first + i];
        idle->inputs[i].run = r;
        r->merging = true;
        r->refs++;
    }
    return idle;
}

/* ---- Worker -----------------------------------------------------------------------------------
 */

static enum err input_fill(struct merge_input *in, struct ectx *ec)
{
    const struct run *r = in->run;
    const uint32_t left = r->head.data_blocks - in->block;
    in->first = in->block;
    in->count = left < INPUT_BLOCKS ? left : INPUT_BLOCKS;
    const size_t n = (size_t)in->count * INDEX_BLOCK;
    size_t got = 0;
    enum err e =
        env_file_pread(r->file, in->bytes, n, ((uint64_t)in->block + 1) * INDEX_BLOCK, &got, ec);
    if (e == ERR_OK && got < n) {
        e = ectx_fail(ec, ERR_DAMAGED, "'%s' is too short", r->path);
    }
    return e;
}

/* Goes to the next block; entry is NULL behind the last. */
static enum err input_block(struct merge_input *in, struct ectx *ec)
{
    const struct run *r = in->run;
    in->entry = NULL;
    in->pos = 0;
    if (in->block == r->head.data_blocks) {
        return ERR_OK;
    }
    if (in->block >= in->first + in->count) {
        enum err e = input_fill(in, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    const uint8_t *block = in->bytes + (size_t)(in->block - in->first) * INDEX_BLOCK;
    if (!run_block_check(r, in->block, block, &in->entries)) {
        return ectx_fail(ec, ERR_DAMAGED, "block %u of '%s' failed its checksum", in->block + 1,
                         r->path);
    }
    in->entry = block + INDEX_BLOCK_HEADER;
    return ERR_OK;
}

static enum err input_next(struct merge_input *in, size_t entry_bytes, struct ectx *ec)
{
    in->pos++;
    if (in->pos < in->entries) {
        in->entry += entry_bytes;
        return ERR_OK;
    }
    in->block++;
    return input_block(in, ec);
}

static enum err merge_begin(struct index *ix, struct merge *m, struct ectx *ec)
{
    uint64_t entries = 0, prefixes = 0;
    enum err e = ERR_OK;
    for (uint32_t i = 0; e == ERR_OK && i < m->count; i++) {
        struct merge_input *in = &m->inputs[i];
        entries += in->run->head.entries;
        prefixes += in->run->head.prefixes;
        in->bytes = mem_alloc((size_t)INPUT_BLOCKS * INDEX_BLOCK);
        e = in->bytes == NULL ? ectx_fail(ec, ERR_NO_MEMORY, "no memory for a merge")
                              : input_block(in, ec);
    }
    if (e == ERR_OK) {
        e = writer_open(&m->writer, ix, &ix->tables[m->table], ix->next_run++, entries, prefixes,
                        ec);
    }
    m->begun = e == ERR_OK;
    return e;
}

/* The least key; of equal ones the newest, and the others are passed over. */
static enum err merge_one(struct merge *m, const struct index_table *t, bool *end, struct ectx *ec)
{
    const size_t size = (size_t)(t->key_bytes + t->value_bytes);
    const struct merge_input *least = NULL;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct merge_input *in = &m->inputs[i];
        if (in->entry != NULL &&
            (least == NULL || index_key_cmp(in->entry, least->entry, t->key_bytes) < 0)) {
            least = in;
        }
    }
    *end = least == NULL;
    if (least == NULL) {
        return ERR_OK;
    }
    enum err e = writer_add(&m->writer, least->entry, ec);
    /* The least one last: the others are compared with it. */
    for (uint32_t i = m->count; e == ERR_OK && i-- > 0;) {
        struct merge_input *in = &m->inputs[i];
        if (in != least && in->entry != NULL &&
            memcmp(in->entry, least->entry, t->key_bytes) == 0) {
            e = input_next(in, size, ec);
        }
    }
    return e == ERR_OK ? input_next(&m->inputs[least - m->inputs], size, ec) : e;
}

static enum err merge_write(struct index *ix, struct merge *m, struct ectx *ec)
{
    const struct index_table *t = &ix->tables[m->table];
    const size_t size = (size_t)(t->key_bytes + t->value_bytes);
    enum err e = m->begun ? ERR_OK : merge_begin(ix, m, ec);
    bool end = false;
    for (size_t left = ix->step_bytes; e == ERR_OK && !end && left >= size; left -= size) {
        e = merge_one(m, t, &end, ec);
    }
    if (e == ERR_OK && end) {
        e = writer_finish(&m->writer, &m->output, ec);
        m->commit = e == ERR_OK;
    }
    return e;
}

static void merge_undo(struct index *ix, struct merge *m)
{
    if (m->begun && m->output == NULL) {
        writer_abandon(&m->writer);
    }
    if (m->output != NULL && !ix->work.renamed) {
        run_delete(ix->env, m->output);
    }
}

void merge_step(struct index *ix, struct merge *m)
{
    struct work *w = &ix->work;
    if (m->commit) {
        struct run_list *lists[INDEX_TABLES_MAX];
        memcpy(lists, ix->lists, sizeof(lists));
        lists[m->table] = m->list;
        w->err =
            manifest_write(ix, lists, buf_str(&ix->covered), ix->sequence + 1, &w->renamed, &w->ec);
    } else {
        w->err = merge_write(ix, m, &w->ec);
    }
    if (w->err != ERR_OK) {
        merge_undo(ix, m);
    }
}

/* ---- Loop -------------------------------------------------------------------------------------
 */

bool merge_prepare(struct index *ix, struct merge *m)
{
    if (!m->commit) {
        return true;
    }
    const struct run_list *old = ix->lists[m->table];
    m->list = run_list_new(old->count - m->count + 1);
    if (m->list == NULL) {
        return false;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < old->count; i++) {
        if (old->runs[i] == m->inputs[0].run) { /* flushes may have put newer ones before it */
            m->list->runs[n] = m->output;
            i += m->count - 1;
        } else {
            m->list->runs[n] = old->runs[i];
        }
        m->list->runs[n++]->refs++;
    }
    return true;
}

/* What was written is nobody's, or somebody else's by now. */
static void merge_end(struct index *ix, struct merge *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        mem_free(m->inputs[i].bytes);
        m->inputs[i].run->merging = false;
        run_unref(ix, m->inputs[i].run);
    }
    run_list_unref(ix, m->list);
    if (m->output != NULL) {
        run_give_up(ix, m->output);
    }
    *m = (struct merge){0};
}

void merge_done(struct index *ix, struct merge *m)
{
    if (ix->work.err != ERR_OK) {
        ix->sequence += ix->work.renamed ? 1 : 0; /* that manifest may be there */
        ix->merge_off = ix->merge_off || ix->work.err == ERR_DAMAGED;
        merge_end(ix, m);
        work_failed(ix, WORK_MERGE);
    } else if (m->list != NULL) {
        ix->durable = ++ix->sequence;
        struct run_list *old = ix->lists[m->table];
        ix->lists[m->table] = m->list;
        m->list = NULL;
        run_list_unref(ix, old);
        ix->stats.written_bytes += run_file_bytes(m->output);
        run_unref(ix, m->output);
        m->output = NULL;
        ix->stats.merges++;
        merge_end(ix, m);
        filters_fit(ix);
        work_succeeded(ix, WORK_MERGE);
    }
}

void merge_abandon(struct index *ix)
{
    ix->work.renamed = false;
    for (size_t i = 0; i < INDEX_MERGES_MAX; i++) {
        struct merge *m = &ix->merges[i];
        if (m->on) {
            merge_undo(ix, m);
            merge_end(ix, m);
        }
    }
}
