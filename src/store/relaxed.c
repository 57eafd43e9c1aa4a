/*
 * Recovery of partitions with durability os. Their batches are only in their files, unflushed:
 * after an unclean stop the files are walked from where the image knows them, as far as entries are
 * valid and follow each other. What comes after is lost, as the mode allows. Then the partition
 * goes on at the end of its lease, above every offset that it may have told, in a new segment and a
 * new leader epoch, so that clients see the divergence and no offset is used twice.
 *
 * The same walk brings back packed batches of a partition whose frames in the ring were damaged.
 */
#include "core/crc32c.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/store_int.h"

enum { SCAN_BUFFER = 256 << 10 };

struct scan {
    struct store_part *part;
    struct segment *seg;
    struct segment_identity id;
    uint64_t file_size, before;
    uint8_t *buffer;
    size_t cap;
};

static enum err scan_payload(struct scan *sc, const struct entry *e, bool *valid, struct ectx *ec)
{
    if (e->payload_size > sc->cap) {
        uint8_t *grown = mem_realloc(sc->buffer, e->payload_size);
        if (grown == NULL) {
            return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a batch of %u bytes",
                             e->payload_size);
        }
        sc->buffer = grown;
        sc->cap = e->payload_size;
    }
    size_t got = 0;
    enum err err = env_file_pread(sc->seg->file, sc->buffer, e->payload_size,
                                  e->position + ENTRY_HEADER_SIZE, &got, ec);
    *valid =
        err == ERR_OK && got == e->payload_size && crc32c(0, sc->buffer, got) == e->payload_crc;
    err = recover_read(sc->part->store, sc->seg, e->position, err, ec);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* The entry that must come next; *valid: it is there. */
static enum err scan_one(struct scan *sc, struct entry *e, bool *valid, struct ectx *ec)
{
    const struct store_part *p = sc->part;
    uint8_t header[ENTRY_HEADER_SIZE];
    *valid = false;
    /* One place after the other: a block that cannot be read says nothing of the one before. */
    const uint64_t places[2] = {sc->seg->size, entry_block_up(sc->seg->size)};
    bool found = false;
    for (int i = 0; i < 2 && !found; i++) {
        struct entry_window seen = {header, 0, places[i]};
        uint64_t position = places[0];
        enum err err =
            env_file_pread(sc->seg->file, header, sizeof(header), places[i], &seen.have, ec);
        if (err != ERR_OK) {
            err = recover_read(p->store, sc->seg, places[i], err, ec);
            return err == ERR_NOT_FOUND ? ERR_OK : err;
        }
        found = entry_next(&seen, &sc->id, sc->file_size, p->log_end, &position, e);
    }
    if (!found || e->base_offset != p->log_end || e->generation < p->store->image_generation ||
        e->commit_position >= sc->before) {
        return ERR_OK;
    }
    return scan_payload(sc, e, valid, ec);
}

static enum err scan_segment(struct scan *sc, int64_t until, struct ectx *ec)
{
    struct store_part *p = sc->part;
    segment_identity_get(sc->seg, &sc->id);
    enum err err = segment_open(sc->seg, false, ec);
    if (err == ERR_OK) {
        env_file_drop_cache(sc->seg->file, sc->seg->size, 0);
        err = env_file_size(sc->seg->file, &sc->file_size, ec);
    }
    while (err == ERR_OK && p->log_end < until) {
        struct entry e;
        bool valid;
        err = scan_one(sc, &e, &valid, ec);
        if (err != ERR_OK || !valid) {
            break;
        }
        segment_append(p, sc->seg, &e);
        segment_mark_dirty(sc->seg);
        p->store->recovery.batches++;
        p->store->recovery.bytes += e.payload_size;
        if (e.commit_position > p->store->last_position) {
            p->store->last_position = e.commit_position;
        }
        err = recover_batch_hooks(p, &e, sc->buffer, ec);
    }
    return err;
}

/* The segment that begins where the log ends now, if its file is there. */
static enum err scan_next_segment(struct scan *sc, bool *there, struct ectx *ec)
{
    struct store_part *p = sc->part;
    struct segment *g = segment_new(p->store, p, p->log_end);
    if (g == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a segment");
    }
    enum err e = segment_open(g, false, ec);
    *there = e == ERR_OK;
    if (e == ERR_OK) {
        e = segment_push(p, g);
        sc->seg = g;
    }
    if (e != ERR_OK) {
        segment_unref(g);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err relaxed_scan(struct store_part *p, int64_t until, uint64_t before, struct ectx *ec)
{
    struct scan sc = {
        .part = p, .before = before, .buffer = mem_alloc(SCAN_BUFFER), .cap = SCAN_BUFFER};
    if (sc.buffer == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for recovery");
    }
    sc.seg = part_active(p);
    enum err e = ERR_OK;
    bool there = sc.seg != NULL;
    if (sc.seg != NULL && !sc.seg->sealed) {
        e = scan_segment(&sc, until, ec);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    while (e == ERR_OK && p->log_end < until) {
        struct segment *last = part_active(p);
        if (last != NULL && last->base == p->log_end && last->size == 0) {
            break; /* it is that one, and has nothing */
        }
        e = scan_next_segment(&sc, &there, ec);
        if (e != ERR_OK || !there) {
            break;
        }
        if (last != NULL) {
            last->sealed = true;
        }
        const int64_t end = p->log_end;
        e = scan_segment(&sc, until, ec);
        if (p->log_end == end) {
            break;
        }
    }
    mem_free(sc.buffer);
    return e;
}

/* Above what may have been told. The new epoch begins where the kept log ends, not where it goes
 * on: only so a client that has read what is lost finds its position behind the end of its epoch.
 */
static enum err continue_above(struct store_part *p, int64_t end, struct ectx *ec)
{
    LOG_WARN("partition.diverged", KV_Z("topic", p->dir->name), KV_I64("partition", p->index),
             KV_I64("kept_to_offset", p->log_end), KV_I64("continues_at_offset", end),
             KV_I64("leader_epoch", part_epoch(p) + 1));
    struct segment *g = part_active(p);
    if (g != NULL) {
        g->sealed = true;
    }
    const int64_t kept = p->log_end;
    p->store->diverged = true;
    p->log_end = end;
    p->store->changes++;
    if (part_epoch_add(p, part_epoch(p) + 1, kept) != ERR_OK) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a leader epoch");
    }
    return ERR_OK;
}

enum err relaxed_recover(struct store *s, struct ectx *ec)
{
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        struct store_part *p = CONTAINER_OF(n, struct store_part, link);
        enum err e = ERR_OK;
        if (p->relaxed || p->lease_end > p->log_end) {
            e = relaxed_scan(p, INT64_MAX, UINT64_MAX, ec);
            if (e == ERR_OK && p->lease_end > p->log_end) {
                e = continue_above(p, p->lease_end, ec);
            }
        } else if (s->ring_damaged_bytes > 0 && !STORE_FAULT(reuse_after_damage)) {
            /* Frames are lost that may have held batches of any partition. What was packed before
             * is in the file; how many offsets beyond it were told nobody knows, but each took a
             * byte at least. */
            e = relaxed_scan(p, INT64_MAX, s->ring_damaged_to, ec);
            if (e == ERR_OK) {
                e = continue_above(p, p->log_end + (int64_t)s->ring_damaged_bytes, ec);
            }
        }
        if (e != ERR_OK) {
            return e;
        }
        p->lease_end = p->lease_asked = p->log_end;
        p->synced_end = p->log_end; /* what a start accepts it flushes */
    }
    return ERR_OK;
}
