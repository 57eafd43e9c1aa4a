/*
 * The content of a simulated file: 4 KiB pages in chunks, both counted and shared, so that a copy
 * of a file costs one pointer a chunk and a changed byte costs one page. That is what makes
 * thousands of power cuts a second possible: each of them starts from a copy of the disk.
 *
 * A page is a hole (reads as zeros, costs no space), claimed (reads as zeros, costs a page) or has
 * bytes (claimed too). Nothing here fails: the simulated disk has memory of its own, see sim_alloc.
 */
#ifndef LEAT_ENV_SIM_TREE_H
#define LEAT_ENV_SIM_TREE_H

#include <stddef.h>
#include <stdint.h>

#define SIM_PAGE        4096u
#define SIM_SECTOR      512u
#define SIM_CHUNK_PAGES 64u
/* The largest simulated file; beyond it a call fails as on a file system with such a limit. */
#define SIM_FILE_MAX ((uint64_t)64 << 30)

struct sim_page {
    uint32_t refs;
    uint64_t hash; /* of bytes; 0 = not computed since the last change */
    uint8_t bytes[SIM_PAGE];
};
struct sim_chunk {
    uint32_t refs;
    uint64_t claimed; /* a bit for each page */
    struct sim_page *pages[SIM_CHUNK_PAGES];
};
struct sim_tree {
    struct sim_chunk **chunks; /* NULL: a chunk of holes */
    size_t n, cap;
    uint64_t claimed_pages;
};

void sim_tree_free(struct sim_tree *t); /* leaves an empty tree */
/* Makes `dst` (freed first) equal to `src`, sharing everything. */
void sim_tree_share(struct sim_tree *dst, const struct sim_tree *src);
void sim_tree_read(const struct sim_tree *t, uint64_t offset, void *out, size_t n);
void sim_tree_write(struct sim_tree *t, uint64_t offset, const void *p, size_t n);
/* Pages of [offset, offset + n) that are holes, and making them claimed. */
uint64_t sim_tree_holes(const struct sim_tree *t, uint64_t offset, uint64_t n);
void sim_tree_claim(struct sim_tree *t, uint64_t offset, uint64_t n);
/* Zeros from `size` on; the space stays claimed (a lost size) or is given back (a truncate). */
void sim_tree_zero_from(struct sim_tree *t, uint64_t size);
void sim_tree_cut(struct sim_tree *t, uint64_t size);
/* Depends on the bytes only: zeros and holes are the same. */
uint64_t sim_tree_hash(const struct sim_tree *t);

/* A mixing step (splitmix64's finalizer), for hashes and for the generator. */
uint64_t sim_mix(uint64_t v);

#endif
