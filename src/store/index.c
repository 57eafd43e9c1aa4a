/*
 * The sparse index of a segment: one entry per index_interval_bytes, with offset, position and the
 * largest timestamp before that position. It only shortens a walk over entry headers: it may have
 * holes, lack its end, or be missing, and nothing but speed changes.
 *
 * In memory: the entries made since start, and, once a look-up needed them, those of the .idx file
 * before them. In the file: entries of fixed size, each with a checksum of its own, appended;
 * whatever follows the first bad one is ignored.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "store/store_int.h"

void index_note(struct segment *g, const struct entry *e, uint32_t interval)
{
    struct index *x = &g->index;
    const bool first = x->count == 0 && x->last_position == 0;
    if (e->position == 0 || (!first && e->position - x->last_position < interval) ||
        (first && e->position < interval) || x->count >= STORE_INDEX_ENTRIES_MAX) {
        return;
    }
    const int64_t relative = e->base_offset - g->base;
    if (relative > UINT32_MAX || e->position > UINT32_MAX) {
        return;
    }
    if (x->count == x->cap) {
        const uint32_t cap = x->cap == 0 ? 16 : x->cap * 2;
        struct index_entry *grown = mem_realloc(x->entries, cap * sizeof(*grown));
        if (grown == NULL) {
            return; /* a hole: look-ups walk a little further */
        }
        g->store->index_bytes += (uint64_t)(cap - x->cap) * sizeof(*grown);
        x->entries = grown;
        x->cap = cap;
    }
    x->entries[x->count++] =
        (struct index_entry){(uint32_t)relative, (uint32_t)e->position, g->max_timestamp};
    x->last_position = e->position;
}

/* Offsets ascend evenly, more or less: looks where this one should be, then beside it and further
 * and further away. Entries below *lo are at or below it, those from *hi on above it. A large index
 * is not in the processor's caches, and this touches a part of what halving touches: where events
 * are of one size the right entry at once. */
static void narrow(const struct index *x, int64_t relative, uint32_t *lo, uint32_t *hi)
{
    enum { WORTH_IT = 128 };
    const struct index_entry *entries = x->entries;
    const uint32_t last = x->count - 1;
    if (x->count < WORTH_IT || relative < 0 || relative >= entries[last].relative) {
        return;
    }
    const uint32_t at = (uint32_t)((uint64_t)relative * last / entries[last].relative);
    if (entries[at].relative <= relative) {
        uint32_t step = 1;
        *lo = at + 1;
        while (step < *hi - *lo && entries[*lo + step].relative <= relative) {
            *lo += step + 1;
            step *= 2;
        }
        *hi = step < *hi - *lo ? *lo + step : *hi;
    } else {
        uint32_t step = 1;
        *hi = at;
        while (step < *hi - *lo && entries[*hi - step].relative > relative) {
            *hi -= step;
            step *= 2;
        }
        *lo = step < *hi - *lo ? *hi - step : *lo;
    }
}

/* The first entry above the offset, or their number. */
static uint32_t first_above(const struct segment *g, int64_t offset)
{
    uint32_t lo = 0, hi = g->index.count;
    if (hi > 0) {
        narrow(&g->index, offset - g->base, &lo, &hi);
    }
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (g->base + g->index.entries[mid].relative <= offset) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

uint64_t index_find_offset(const struct segment *g, int64_t offset)
{
    const uint32_t i = first_above(g, offset);
    return i == 0 ? 0 : g->index.entries[i - 1].position;
}

bool index_guess(const struct segment *g, int64_t offset, struct index_guess *out)
{
    const uint32_t i = first_above(g, offset);
    if (i == 0 || i == g->index.count) {
        return false;
    }
    const struct index_entry *a = &g->index.entries[i - 1], *b = a + 1;
    const uint32_t before = (uint32_t)(offset - g->base) - a->relative;
    const uint64_t each = (b->position - a->position) / (b->relative - a->relative);
    *out = (struct index_guess){a->position, a->position + before * each, each, before};
    return true;
}

bool index_cut(const struct segment *g, uint64_t position, uint64_t most, int64_t *offset,
               uint64_t *cut)
{
    uint32_t lo = 0, hi = g->index.count;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (g->index.entries[mid].position <= position + most) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo > 0 && g->index.entries[lo - 1].position > position) {
        lo--;
    }
    if (lo == g->index.count) {
        return false;
    }
    *offset = g->base + g->index.entries[lo].relative;
    *cut = g->index.entries[lo].position;
    return true;
}

uint64_t index_find_time(const struct segment *g, int64_t ts)
{
    /* The last entry before which everything is older than ts. */
    uint32_t lo = 0, hi = g->index.count;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (g->index.entries[mid].max_timestamp < ts) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo == 0 ? 0 : g->index.entries[lo - 1].position;
}

void index_free(struct segment *g)
{
    g->store->index_bytes -= (uint64_t)g->index.cap * sizeof(struct index_entry);
    mem_free(g->index.entries);
    g->index.entries = NULL;
    g->index.count = g->index.cap = g->index.first_new = 0;
    g->index.loaded = false;
}

bool index_pending(const struct segment *g, bool all)
{
    const uint32_t fresh = g->index.count - g->index.first_new;
    return fresh >= STORE_INDEX_APPEND_MIN || (fresh > 0 && (all || g->sealed));
}

enum err index_encode_new(struct segment *g, uint8_t **out, size_t *size, uint64_t *at,
                          uint32_t *to)
{
    const struct index *x = &g->index;
    const uint32_t fresh = x->count - x->first_new;
    uint8_t *bytes = mem_alloc((size_t)fresh * INDEX_ENTRY_SIZE);
    if (bytes == NULL) {
        return ERR_NO_MEMORY;
    }
    struct segment_identity id;
    segment_identity_get(g, &id);
    for (uint32_t i = 0; i < fresh; i++) {
        const struct index_entry *n = &x->entries[x->first_new + i];
        index_entry_encode(n->relative, n->position, n->max_timestamp, id.seed,
                           bytes + (size_t)i * INDEX_ENTRY_SIZE);
    }
    *out = bytes;
    *size = (size_t)fresh * INDEX_ENTRY_SIZE;
    *at = (uint64_t)x->stored * INDEX_ENTRY_SIZE;
    *to = x->stored + fresh;
    return ERR_OK;
}

enum err index_load(struct env *env, const char *path, const struct segment *g_identity,
                    uint32_t most, struct index_entry **out, uint32_t *count)
{
    *out = NULL;
    *count = 0;
    if (most == 0) {
        return ERR_OK;
    }
    struct env_file *f;
    enum err e = env_file_open(env, path, ENV_READ, &f, NULL);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    const size_t size = (size_t)most * INDEX_ENTRY_SIZE;
    uint8_t *bytes = mem_alloc(size);
    struct index_entry *entries = mem_zalloc(most, sizeof(*entries));
    size_t got = 0;
    e = bytes == NULL || entries == NULL ? ERR_NO_MEMORY
                                         : env_file_pread(f, bytes, size, 0, &got, NULL);
    env_file_close(f);
    uint32_t n = 0;
    if (e == ERR_OK) {
        struct segment_identity id;
        segment_identity_get(g_identity, &id);
        for (; n < got / INDEX_ENTRY_SIZE; n++) {
            struct index_entry *x = &entries[n];
            if (!index_entry_decode(bytes + (size_t)n * INDEX_ENTRY_SIZE, id.seed, &x->relative,
                                    &x->position, &x->max_timestamp) ||
                (n > 0 && (x->position <= x[-1].position || x->relative <= x[-1].relative))) {
                break;
            }
        }
    }
    mem_free(bytes);
    if (e != ERR_OK) {
        mem_free(entries);
        return e;
    }
    *out = entries;
    *count = n;
    return ERR_OK;
}

void index_adopt(struct segment *g, struct index_entry *entries, uint32_t count)
{
    struct index *x = &g->index;
    if (x->loaded) {
        mem_free(entries);
        return;
    }
    /* Drop what the memory has anyway. */
    const uint32_t first = x->count > 0 ? x->entries[0].position : UINT32_MAX;
    while (count > 0 && entries[count - 1].position >= first) {
        count--;
    }
    if (count > 0) {
        const uint32_t cap = count + x->count + 16;
        struct index_entry *all = mem_zalloc(cap, sizeof(*all));
        if (all == NULL) {
            mem_free(entries);
            return;
        }
        memcpy(all, entries, count * sizeof(*all));
        if (x->count > 0) {
            memcpy(all + count, x->entries, x->count * sizeof(*all));
        }
        g->store->index_bytes += (uint64_t)cap * sizeof(*all);
        g->store->index_bytes -= (uint64_t)x->cap * sizeof(*all);
        mem_free(x->entries);
        x->entries = all;
        x->cap = cap;
        x->count += count;
        x->first_new += count;
        if (x->last_position < all[x->count - 1].position) {
            x->last_position = all[x->count - 1].position;
        }
    }
    mem_free(entries);
    x->loaded = true;
}

/* Gives back indexes of sealed segments that are in their files, until half of what may be kept is
 * left: they are read again when somebody looks. */
void index_evict(struct store *s)
{
    if (s->index_bytes <= STORE_INDEX_MEMORY_MAX) {
        return;
    }
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        struct store_part *p = CONTAINER_OF(n, struct store_part, link);
        for (uint32_t i = 0; i + 1 < p->seg_count; i++) {
            struct segment *g = p->segs[i];
            if (g->sealed && g->index.cap > 0 && g->index.first_new == g->index.count &&
                g->users == 0) {
                index_free(g);
                if (s->index_bytes <= STORE_INDEX_MEMORY_MAX / 2) {
                    return;
                }
            }
        }
    }
}
