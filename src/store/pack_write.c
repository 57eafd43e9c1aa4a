/*
 * How a pack's bytes get into a file. Through the page cache, all of a pack (tens of megabytes)
 * would reach the device at once, with the checkpoint's flush, and each write of the log beside it
 * would wait until the device is done with that: tens of milliseconds. So a file that gets more
 * than a little is written in pieces, one after the other, past the page cache; a write of the log
 * finds one piece before it at most, and between two pieces there is a pause if nobody waits for
 * the pack. That also spares the cache's new pages, which are dear (docs/adr/0003). In a start and
 * a clean stop there is no log's write beside it and everybody waits for the pack: large pieces.
 *
 * A file that gets less than a piece (pack_direct_min_bytes) is written through the page cache, in
 * one call: with thousands of partitions each file gets a batch or two, and a second handle, three
 * calls and a wait for the device for each of them were two thirds of what packing cost. The price
 * is the large flush that the log's writes may meet then.
 *
 *     file      |....sss|sssssss|sssssss|sss....|      s: small batches, | a block's end
 *     written       ----|=======|=======|---           = direct, - through the page cache
 *
 * Only whole blocks of the pack's own are written directly: the blocks at its ends are shared with
 * what was packed before and what will be later, and the page cache is where such bytes meet. What
 * the file holds is the same either way; nothing is on stable storage before the checkpoint flushes
 * the file.
 */
#include "core/mem.h"
#include "store/store_int.h"

enum {
    /* As measured beside writes of the log, 14 MiB a pack: of 512 KiB and more the log's slowest
     * write took what the piece took; below 64 KiB only the CPU for the calls grows. */
    PIECE_BYTES = 64 << 10,
    /* Where everybody waits: one huge page, which is one piece for the device too. */
    LARGE_PIECE_BYTES = MEM_HUGE_PAGE,
    LARGE_MIN = 1 << 20,        /* of one file */
    PAUSE_MOST_NS = 500 * 1000, /* twice what a piece takes */
    CALM_PERCENT = 60,          /* a ring or a memory that is fuller does not wait */
};

/* All pauses together take at most a quarter of the time in which so much came since the pack
 * before, so that neither ring nor memory fills because of them. */
void pack_pace(struct pack *k)
{
    struct store *s = k->store;
    const uint64_t now = env_mono_ns(s->env);
    const uint64_t pause = (now - s->last_pack_ns) / 4 / (k->bytes / PIECE_BYTES + 1);
    s->last_pack_ns = now;
    k->paced = true;
    if (stall_filled(s) < CALM_PERCENT) {
        k->pause_ns = pause < PAUSE_MOST_NS ? pause : PAUSE_MOST_NS;
    }
}

struct piece {
    struct env *env;
    uint64_t pause_ns;
    struct env_file *file, *direct;
    uint8_t *bytes; /* aligned */
    size_t cap;
    uint64_t at;    /* position of bytes[0] in the file: a block's beginning */
    size_t from, n; /* bytes[from..n) are to be written */
};

static enum err piece_write(struct piece *p, struct ectx *ec)
{
    const size_t first = (size_t)entry_block_up(p->from);
    const size_t last = p->n / ENV_BLOCK * ENV_BLOCK;
    if (first >= last) {
        return p->n == p->from ? ERR_OK
                               : env_file_pwrite(p->file, p->bytes + p->from, p->n - p->from,
                                                 p->at + p->from, ec);
    }
    enum err e = ERR_OK;
    if (p->from < first) {
        e = env_file_pwrite(p->file, p->bytes + p->from, first - p->from, p->at + p->from, ec);
    }
    if (e == ERR_OK) {
        e = env_file_pwrite(p->direct, p->bytes + first, last - first, p->at + first, ec);
    }
    if (e == ERR_OK && last < p->n) {
        e = env_file_pwrite(p->file, p->bytes + last, p->n - last, p->at + last, ec);
    }
    return e;
}

static enum err piece_add(struct piece *p, const uint8_t *from, size_t n, struct ectx *ec)
{
    enum err e = ERR_OK;
    while (e == ERR_OK && n > 0) {
        const size_t room = p->cap - p->n;
        const size_t part = n < room ? n : room;
        memcpy(p->bytes + p->n, from, part);
        p->n += part;
        from += part;
        n -= part;
        if (p->n == p->cap) {
            e = piece_write(p, ec);
            p->at += p->cap;
            p->from = p->n = 0;
            if (p->pause_ns > 0) {
                env_sleep_ns(p->env, p->pause_ns);
            }
        }
    }
    return e;
}

static enum err write_pieces(const struct pack *k, const struct pack_item *it, struct piece *p,
                             struct ectx *ec)
{
    enum err e = ERR_OK;
    for (uint32_t i = 0; e == ERR_OK && i < it->write_count; i++) {
        const struct pack_write *w = &k->writes[it->write + i];
        if (w->offset != p->at + p->n) {
            e = piece_write(p, ec);
            p->from = p->n = (size_t)(w->offset % ENV_BLOCK);
            p->at = w->offset - p->from;
        }
        for (uint32_t v = 0; e == ERR_OK && v < w->iov_count; v++) {
            const struct iovec *iov = &k->iovs[w->iov + v];
            e = piece_add(p, iov->iov_base, iov->iov_len, ec);
        }
    }
    return e == ERR_OK ? piece_write(p, ec) : e;
}

static enum err write_cached(const struct pack *k, const struct pack_item *it, struct ectx *ec)
{
    enum err e = ERR_OK;
    for (uint32_t i = 0; e == ERR_OK && i < it->write_count; i++) {
        const struct pack_write *w = &k->writes[it->write + i];
        e = env_file_pwritev(it->file, k->iovs + w->iov, (int)w->iov_count, w->offset, ec);
    }
    return e;
}

void pack_piece_free(struct pack *k)
{
    if (k->piece_bytes == LARGE_PIECE_BYTES) {
        mem_free_huge(k->piece, k->piece_bytes);
    } else {
        mem_free(k->piece);
    }
    k->piece = NULL;
    k->piece_bytes = 0;
}

/* Without memory for a large piece a small one does. */
static bool piece_reserve(struct pack *k, uint64_t file_bytes)
{
    const bool large = !k->paced && file_bytes >= LARGE_MIN;
    if (k->piece != NULL && (!large || k->piece_bytes == LARGE_PIECE_BYTES)) {
        return true;
    }
    uint8_t *p = large ? mem_alloc_huge(LARGE_PIECE_BYTES) : NULL;
    size_t n = LARGE_PIECE_BYTES;
    if (p == NULL && k->piece == NULL) {
        p = mem_alloc_aligned(ENV_BLOCK, PIECE_BYTES);
        n = PIECE_BYTES;
    }
    if (p != NULL) {
        pack_piece_free(k);
        k->piece = p;
        k->piece_bytes = n;
    }
    return k->piece != NULL;
}

enum err pack_write_item(struct pack *k, const struct pack_item *it, struct ectx *ec)
{
    struct piece p = {.env = k->store->env, .pause_ns = k->pause_ns, .file = it->file};
    if (it->bytes < k->store->cfg.pack_direct_min_bytes) {
        return write_cached(k, it, ec);
    }
    struct ectx ignored;
    /* Without memory or a descriptor it is only slower. No ENV_DSYNC: one flush covers all. */
    if (!piece_reserve(k, it->bytes) ||
        env_file_open(k->store->env, it->path, ENV_WRITE | ENV_DIRECT, &p.direct, &ignored) !=
            ERR_OK) {
        return write_cached(k, it, ec);
    }
    p.bytes = k->piece;
    p.cap = k->piece_bytes;
    enum err e = write_pieces(k, it, &p, ec);
    env_file_close(p.direct);
    return e;
}
