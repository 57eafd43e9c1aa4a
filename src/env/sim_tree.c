/* Copy-on-write content of simulated files; see sim_tree.h. */
#include "env/sim_tree.h"

#include <stdbool.h>
#include <string.h>

#include "core/bytes.h"
#include "env/sim_int.h"

#define CHUNK_BYTES ((uint64_t)SIM_CHUNK_PAGES * SIM_PAGE)

static const uint8_t zeros[SIM_PAGE];

uint64_t sim_mix(uint64_t v)
{
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
    v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
    return v ^ (v >> 31);
}

static void page_drop(struct sim_page *p)
{
    if (p != NULL && --p->refs == 0) {
        sim_free(p);
    }
}

static void chunk_drop(struct sim_chunk *c)
{
    if (c == NULL || --c->refs != 0) {
        return;
    }
    for (unsigned i = 0; i < SIM_CHUNK_PAGES; i++) {
        page_drop(c->pages[i]);
    }
    sim_free(c);
}

void sim_tree_free(struct sim_tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        chunk_drop(t->chunks[i]);
    }
    sim_free(t->chunks);
    *t = (struct sim_tree){0};
}

void sim_tree_share(struct sim_tree *dst, const struct sim_tree *src)
{
    struct sim_tree t = {.n = src->n, .cap = src->n, .claimed_pages = src->claimed_pages};
    if (t.n > 0) {
        t.chunks = sim_alloc(t.n * sizeof(struct sim_chunk *));
        for (size_t i = 0; i < t.n; i++) {
            t.chunks[i] = src->chunks[i];
            if (t.chunks[i] != NULL) {
                t.chunks[i]->refs++;
            }
        }
    }
    sim_tree_free(dst);
    *dst = t;
}

static const struct sim_page *page_at(const struct sim_tree *t, uint64_t page)
{
    uint64_t at = page / SIM_CHUNK_PAGES;
    if (at >= t->n || t->chunks[at] == NULL) {
        return NULL;
    }
    return t->chunks[at]->pages[page % SIM_CHUNK_PAGES];
}

/* The chunk for changing: made if missing, copied if someone else has it too. */
static struct sim_chunk *chunk_mut(struct sim_tree *t, uint64_t at)
{
    if (at >= t->n) {
        if (at >= t->cap) {
            size_t cap = t->cap < 4 ? 4 : t->cap * 2;
            while (cap <= at) {
                cap *= 2;
            }
            t->chunks = sim_grow(t->chunks, t->n * sizeof(struct sim_chunk *),
                                 cap * sizeof(struct sim_chunk *));
            t->cap = cap;
        }
        while (t->n <= at) {
            t->chunks[t->n++] = NULL;
        }
    }
    struct sim_chunk *c = t->chunks[at];
    if (c == NULL) {
        c = sim_alloc(sizeof(*c));
        c->refs = 1;
        t->chunks[at] = c;
    } else if (c->refs > 1) {
        struct sim_chunk *own = sim_alloc(sizeof(*own));
        *own = *c;
        own->refs = 1;
        for (unsigned i = 0; i < SIM_CHUNK_PAGES; i++) {
            if (own->pages[i] != NULL) {
                own->pages[i]->refs++;
            }
        }
        c->refs--;
        t->chunks[at] = c = own;
    }
    return c;
}

/* The page for changing. */
static struct sim_page *page_mut(struct sim_tree *t, uint64_t page)
{
    struct sim_chunk *c = chunk_mut(t, page / SIM_CHUNK_PAGES);
    unsigned i = (unsigned)(page % SIM_CHUNK_PAGES);
    struct sim_page *p = c->pages[i];
    if (p == NULL) {
        p = sim_alloc(sizeof(*p));
        p->refs = 1;
        c->pages[i] = p;
        if ((c->claimed >> i & 1) == 0) {
            c->claimed |= (uint64_t)1 << i;
            t->claimed_pages++;
        }
    } else if (p->refs > 1) {
        struct sim_page *own = sim_alloc_raw(sizeof(*own));
        memcpy(own->bytes, p->bytes, SIM_PAGE);
        own->refs = 1;
        p->refs--;
        c->pages[i] = p = own;
    }
    p->hash = 0;
    return p;
}

void sim_tree_read(const struct sim_tree *t, uint64_t offset, void *out, size_t n)
{
    uint8_t *to = out;
    while (n > 0) {
        size_t in = offset % SIM_PAGE;
        size_t take = SIM_PAGE - in < n ? SIM_PAGE - in : n;
        const struct sim_page *p = page_at(t, offset / SIM_PAGE);
        memcpy(to, (p == NULL ? zeros : p->bytes) + in, take);
        to += take;
        offset += take;
        n -= take;
    }
}

void sim_tree_write(struct sim_tree *t, uint64_t offset, const void *p, size_t n)
{
    const uint8_t *from = p;
    while (n > 0) {
        size_t in = offset % SIM_PAGE;
        size_t take = SIM_PAGE - in < n ? SIM_PAGE - in : n;
        memcpy(page_mut(t, offset / SIM_PAGE)->bytes + in, from, take);
        from += take;
        offset += take;
        n -= take;
    }
}

uint64_t sim_tree_holes(const struct sim_tree *t, uint64_t offset, uint64_t n)
{
    if (n == 0) {
        return 0;
    }
    uint64_t holes = 0;
    for (uint64_t page = offset / SIM_PAGE; page <= (offset + n - 1) / SIM_PAGE; page++) {
        uint64_t at = page / SIM_CHUNK_PAGES;
        const struct sim_chunk *c = at < t->n ? t->chunks[at] : NULL;
        holes += c == NULL || (c->claimed >> (page % SIM_CHUNK_PAGES) & 1) == 0;
    }
    return holes;
}

void sim_tree_claim(struct sim_tree *t, uint64_t offset, uint64_t n)
{
    if (n == 0) {
        return;
    }
    for (uint64_t page = offset / SIM_PAGE; page <= (offset + n - 1) / SIM_PAGE; page++) {
        struct sim_chunk *c = chunk_mut(t, page / SIM_CHUNK_PAGES);
        uint64_t bit = (uint64_t)1 << (page % SIM_CHUNK_PAGES);
        if ((c->claimed & bit) == 0) {
            c->claimed |= bit;
            t->claimed_pages++;
        }
    }
}

static void zero_in_page(struct sim_tree *t, uint64_t size)
{
    size_t in = size % SIM_PAGE;
    const struct sim_page *p = page_at(t, size / SIM_PAGE);
    if (in != 0 && p != NULL && memcmp(p->bytes + in, zeros, SIM_PAGE - in) != 0) {
        memset(page_mut(t, size / SIM_PAGE)->bytes + in, 0, SIM_PAGE - in);
    }
}

/* Drops the bytes of all pages from `first` on, and the claims too if `release`. */
static void drop_pages(struct sim_tree *t, uint64_t first, bool release)
{
    for (uint64_t at = first / SIM_CHUNK_PAGES; at < t->n; at++) {
        unsigned from = at == first / SIM_CHUNK_PAGES ? (unsigned)(first % SIM_CHUNK_PAGES) : 0;
        const struct sim_chunk *seen = t->chunks[at];
        if (seen == NULL) {
            continue;
        }
        bool any = release && (seen->claimed >> from) != 0;
        for (unsigned i = from; i < SIM_CHUNK_PAGES && !any; i++) {
            any = seen->pages[i] != NULL;
        }
        if (!any) {
            continue;
        }
        struct sim_chunk *c = chunk_mut(t, at);
        for (unsigned i = from; i < SIM_CHUNK_PAGES; i++) {
            page_drop(c->pages[i]);
            c->pages[i] = NULL;
            if (release && (c->claimed >> i & 1) != 0) {
                c->claimed &= ~((uint64_t)1 << i);
                t->claimed_pages--;
            }
        }
    }
}

void sim_tree_zero_from(struct sim_tree *t, uint64_t size)
{
    zero_in_page(t, size);
    drop_pages(t, (size + SIM_PAGE - 1) / SIM_PAGE, false);
}

void sim_tree_cut(struct sim_tree *t, uint64_t size)
{
    zero_in_page(t, size);
    drop_pages(t, (size + SIM_PAGE - 1) / SIM_PAGE, true);
    size_t keep = (size_t)((size + CHUNK_BYTES - 1) / CHUNK_BYTES);
    while (t->n > keep) {
        chunk_drop(t->chunks[--t->n]);
    }
}

static uint64_t page_hash(struct sim_page *p)
{
    if (p->hash == 0) {
        uint64_t h = 0;
        bool any = false;
        for (size_t i = 0; i < SIM_PAGE; i += 8) {
            uint64_t v = get_le64(p->bytes + i);
            any = any || v != 0;
            h = (h ^ v) * 0x9e3779b97f4a7c15u;
            h ^= h >> 29;
        }
        /* 1 is the hash of zeros, so that they count as a hole */
        p->hash = any ? sim_mix(h) | 2 : 1;
    }
    return p->hash;
}

uint64_t sim_tree_hash(const struct sim_tree *t)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < t->n; at++) {
        for (unsigned i = 0; t->chunks[at] != NULL && i < SIM_CHUNK_PAGES; i++) {
            struct sim_page *p = t->chunks[at]->pages[i];
            if (p != NULL && page_hash(p) != 1) {
                sum += sim_mix(page_hash(p) ^ sim_mix(at * SIM_CHUNK_PAGES + i + 1));
            }
        }
    }
    return sum;
}
