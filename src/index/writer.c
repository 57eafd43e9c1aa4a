/*
 * Writes a run from entries that come in order. Blocks gather in a buffer and go to the file
 * through the page cache, where look-ups find them; they are flushed step by step, so that the log
 * never waits behind a large flush. Block 0 is written last.
 */
#include <stdio.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "index/index_int.h"

enum { BUFFER_BLOCKS = 64 };

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "no memory for writing a run of the index");
}

static uint32_t stride_for(uint64_t data_blocks)
{
    return (uint32_t)((data_blocks + INDEX_FENCES_MAX - 1) / INDEX_FENCES_MAX);
}

static enum err writer_memory(struct run_writer *w, const struct index_table *t,
                              uint64_t entries_most, uint64_t prefixes_most)
{
    struct run *r = w->run = mem_new(struct run);
    w->bytes = mem_alloc_aligned(ENV_BLOCK, (size_t)BUFFER_BLOCKS * INDEX_BLOCK);
    if (r == NULL || w->bytes == NULL) {
        return ERR_NO_MEMORY;
    }
    list_init(&r->dead);
    r->table = t;
    r->refs = 1;
    r->per_block = INDEX_BLOCK_ROOM / (uint32_t)(t->key_bytes + t->value_bytes);
    const uint64_t blocks = (entries_most + r->per_block - 1) / r->per_block;
    r->head.stride = stride_for(blocks);
    w->fence_cap = (uint32_t)((blocks + r->head.stride - 1) / r->head.stride);
    r->fences = mem_alloc((size_t)w->fence_cap * 8);
    /* A filter that alone is more than all may be is none. */
    r->head.filter_lines = filter_lines_for(prefixes_most);
    if (run_filter_bytes(r) > w->ix->cfg.filter_bytes) {
        r->head.filter_lines = 0;
    }
    if (r->head.filter_lines > 0) {
        r->filter = mem_zalloc(r->head.filter_lines, INDEX_FILTER_LINE);
    }
    return r->fences == NULL || (r->head.filter_lines > 0 && r->filter == NULL) ? ERR_NO_MEMORY
                                                                                : ERR_OK;
}

enum err writer_open(struct run_writer *w, struct index *ix, const struct index_table *t,
                     uint64_t run_id, uint64_t entries_most, uint64_t prefixes_most,
                     struct ectx *ec)
{
    *w = (struct run_writer){.ix = ix, .number = 1};
    char path[INDEX_PATH_MAX];
    run_path(ix->dir, t, run_id, path);
    enum err e = writer_memory(w, t, entries_most > 0 ? entries_most : 1, prefixes_most);
    if (e == ERR_OK) {
        w->run->path = str_dup_z(str_of(path));
        e = w->run->path == NULL ? ERR_NO_MEMORY : ERR_OK;
    }
    if (e != ERR_OK) {
        e = no_memory(ec);
    } else {
        struct run *r = w->run;
        r->head.index_id = ix->index_id;
        r->head.run_id = run_id;
        r->seed = block_seed(ix->index_id, run_id);
        /* What an earlier attempt left under this name is not to be read through. */
        struct ectx ignored;
        e = env_unlink(ix->env, path, &ignored);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
        if (e != ERR_OK) {
            (void)ectx_fail(ec, e, "%s", ignored.text);
        }
    }
    if (e == ERR_OK) {
        e = env_file_open(ix->env, path, ENV_READ | ENV_WRITE | ENV_CREATE | ENV_EXCLUSIVE,
                          &w->run->file, ec);
    }
    if (e != ERR_OK) {
        writer_abandon(w);
    }
    return e;
}

void writer_abandon(struct run_writer *w)
{
    if (w->run != NULL) {
        const bool made = w->run->file != NULL;
        if (made) {
            env_file_close(w->run->file);
            w->run->file = NULL;
            IGNORE(env_unlink(w->ix->env, w->run->path, NULL)); /* else the next open does it */
        }
        run_free(w->run);
    }
    mem_free(w->bytes);
    *w = (struct run_writer){.ix = w->ix};
}

static enum err writer_write(struct run_writer *w, struct ectx *ec)
{
    if (w->block_count == 0) {
        return ERR_OK;
    }
    const size_t n = (size_t)w->block_count * INDEX_BLOCK;
    enum err e = env_file_pwrite(w->run->file, w->bytes, n, (uint64_t)w->number * INDEX_BLOCK, ec);
    if (e == ERR_OK) {
        w->number += w->block_count;
        w->block_count = 0;
        w->unflushed += n;
    }
    return e;
}

static enum err writer_flush(struct run_writer *w, struct ectx *ec)
{
    enum err e = env_file_datasync(w->run->file, ec);
    w->ix->work.fatal = w->ix->work.fatal || e != ERR_OK;
    w->unflushed = 0;
    return e;
}

/* The block at the end of the buffer is complete. */
static enum err block_done(struct run_writer *w, enum block_kind kind, unsigned count,
                           struct ectx *ec)
{
    uint8_t *block = w->bytes + (size_t)w->block_count * INDEX_BLOCK;
    block_seal(block, w->run->seed, w->number + w->block_count, kind, count);
    w->block_count++;
    enum err e = ERR_OK;
    if (w->block_count == BUFFER_BLOCKS) {
        e = writer_write(w, ec);
    }
    if (e == ERR_OK && w->unflushed >= w->ix->step_bytes) {
        e = writer_flush(w, ec);
    }
    return e;
}

static enum err entries_done(struct run_writer *w, struct ectx *ec)
{
    const unsigned n = w->entries;
    w->entries = 0;
    w->run->head.data_blocks++;
    return block_done(w, BLOCK_ENTRIES, n, ec);
}

enum err writer_add(struct run_writer *w, const uint8_t *entry, struct ectx *ec)
{
    struct run *r = w->run;
    struct run_head *h = &r->head;
    const struct index_table *t = r->table;
    if (h->entries == 0 || memcmp(w->last, entry, t->prefix_bytes) != 0) {
        h->prefixes++;
        if (r->filter != NULL) {
            filter_add(r->filter, h->filter_lines, filter_hash(entry, t->prefix_bytes));
        }
    }
    if (h->entries == 0) {
        memcpy(h->first, entry, t->key_bytes);
    }
    memcpy(w->last, entry, t->key_bytes);
    uint8_t *block = w->bytes + (size_t)w->block_count * INDEX_BLOCK;
    if (w->entries == 0) {
        memset(block, 0, INDEX_BLOCK);
        if (h->data_blocks % h->stride == 0) {
            uint8_t begin[8] = {0};
            memcpy(begin, entry, t->key_bytes < 8 ? t->key_bytes : 8);
            r->fences[h->fence_count++] = get_be64(begin);
        }
    }
    const size_t size = (size_t)(t->key_bytes + t->value_bytes);
    memcpy(block + INDEX_BLOCK_HEADER + w->entries * size, entry, size);
    h->entries++;
    w->entries++;
    return w->entries == r->per_block ? entries_done(w, ec) : ERR_OK;
}

static enum err section_write(struct run_writer *w, enum block_kind kind, const uint8_t *from,
                              uint64_t bytes, struct ectx *ec)
{
    enum err e = ERR_OK;
    while (e == ERR_OK && bytes > 0) {
        const size_t part = bytes < INDEX_BLOCK_ROOM ? (size_t)bytes : INDEX_BLOCK_ROOM;
        uint8_t *block = w->bytes + (size_t)w->block_count * INDEX_BLOCK;
        memset(block, 0, INDEX_BLOCK);
        memcpy(block + INDEX_BLOCK_HEADER, from, part);
        from += part;
        bytes -= part;
        e = block_done(w, kind, 0, ec);
    }
    return e;
}

static enum err fences_write(struct run_writer *w, struct ectx *ec)
{
    const struct run *r = w->run;
    enum err e = ERR_OK;
    const uint32_t room = INDEX_BLOCK_ROOM / 8;
    for (uint32_t i = 0; e == ERR_OK && i < r->head.fence_count; i += room) {
        uint8_t *block = w->bytes + (size_t)w->block_count * INDEX_BLOCK;
        memset(block, 0, INDEX_BLOCK);
        for (uint32_t k = 0; k < room && i + k < r->head.fence_count; k++) {
            put_le64(block + INDEX_BLOCK_HEADER + 8u * k, r->fences[i + k]);
        }
        e = block_done(w, BLOCK_FENCES, 0, ec);
    }
    return e;
}

/* What was too much of the memory that was taken for what might have come. */
static void trim(struct run *r)
{
    uint64_t *fences = mem_realloc(r->fences, (size_t)r->head.fence_count * 8);
    r->fences = fences != NULL ? fences : r->fences;
    if (r->filter != NULL) {
        r->head.filter_lines = filter_fold(r->filter, r->head.filter_lines, r->head.prefixes);
        uint8_t *filter = mem_realloc(r->filter, run_filter_bytes(r));
        r->filter = filter != NULL ? filter : r->filter;
    }
}

enum err writer_finish(struct run_writer *w, struct run **out, struct ectx *ec)
{
    struct run *r = w->run;
    enum err e = ERR_OK;
    if (r->head.entries == 0) {
        writer_abandon(w);
        *out = NULL;
        return ERR_OK;
    }
    memcpy(r->head.last, w->last, r->table->key_bytes);
    if (w->entries > 0) {
        e = entries_done(w, ec);
    }
    trim(r);
    if (e == ERR_OK) {
        e = fences_write(w, ec);
    }
    if (e == ERR_OK && r->filter != NULL) {
        e = section_write(w, BLOCK_FILTER, r->filter, run_filter_bytes(r), ec);
    }
    if (e == ERR_OK) {
        e = writer_write(w, ec);
    }
    if (e == ERR_OK) {
        run_head_encode(&r->head, r->table, w->bytes);
        r->head_crc = get_le32(w->bytes);
        e = env_file_pwrite(r->file, w->bytes, INDEX_BLOCK, 0, ec);
    }
    if (e == ERR_OK) {
        e = writer_flush(w, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    *out = r;
    w->run = NULL;
    mem_free(w->bytes);
    w->bytes = NULL;
    return ERR_OK;
}
