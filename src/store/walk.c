/*
 * Walking the entries of a segment file by their headers. An entry says who it is, so a walk that
 * meets damage finds the next entry by itself: it looks for the magic and believes it only if the
 * checksum holds for this position.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "store/store_int.h"

bool entry_next(const struct entry_window *w, const struct segment_identity *id, uint64_t end,
                int64_t expected, uint64_t *position, struct entry *out)
{
    const uint64_t places[2] = {*position, entry_block_up(*position)};
    for (int k = 0; k < 2; k++) {
        if (places[k] >= w->at && places[k] - w->at + ENTRY_HEADER_SIZE <= w->have &&
            entry_decode(w->bytes + (places[k] - w->at), id, places[k], out) &&
            entry_end(out) <= end &&
            (k == 0 || ((out->flags & ENTRY_BLOCKS) != 0 && out->base_offset <= expected))) {
            *position = places[k];
            return true;
        }
    }
    return false;
}

static enum err walk_fill(struct entry_walk *w, uint64_t position, struct ectx *ec)
{
    if (w->aligned) {
        position -= position % ENV_BLOCK;
    }
    uint64_t want = w->end - position;
    want = w->aligned ? (want + ENV_BLOCK - 1) / ENV_BLOCK * ENV_BLOCK : want;
    want = want < w->cap ? want : w->cap;
    size_t got = 0;
    w->at = position;
    w->have = 0;
    enum err e = w->cached
                     ? env_file_pread_cached(w->file, w->buffer, (size_t)want, position, &got, ec)
                     : env_file_pread(w->file, w->buffer, (size_t)want, position, &got, ec);
    if (e != ERR_OK) {
        return e;
    }
    w->have = got;
    return ERR_OK;
}

/* The first place at or after `from` in the buffer where an entry's magic may begin, or `have`. */
static size_t find_magic(const struct entry_walk *w, size_t from)
{
    while (from + 4 <= w->have) {
        const uint8_t *p = memchr(w->buffer + from, 'L', w->have - from - 3);
        if (p == NULL) {
            return w->have - 3;
        }
        if (memcmp(p, "LTE1", 4) == 0) {
            return (size_t)(p - w->buffer);
        }
        from = (size_t)(p - w->buffer) + 1;
    }
    return from;
}

enum err entry_walk_next(struct entry_walk *w, uint64_t *position, struct entry *out,
                         uint64_t *skipped, struct ectx *ec)
{
    uint64_t at = *position;
    while (at + ENTRY_HEADER_SIZE <= w->end) {
        if (at < w->at || at + ENTRY_HEADER_SIZE > w->at + w->have) {
            enum err e = walk_fill(w, at, ec);
            if (e != ERR_OK) {
                return e;
            }
            if (at + ENTRY_HEADER_SIZE > w->at + w->have) {
                if (w->cached) {
                    return ERR_AGAIN;
                }
                break; /* the file is shorter than it should be */
            }
        }
        const size_t i = (size_t)(at - w->at);
        if (entry_decode(w->buffer + i, w->id, at, out) && entry_end(out) <= w->end) {
            *position = at;
            return ERR_OK;
        }
        const size_t next = find_magic(w, i + 1);
        *skipped += next - i;
        at = w->at + next;
    }
    return ERR_NOT_FOUND;
}

enum err entry_walk_payload(struct entry_walk *w, const struct entry *e, bool *good,
                            struct ectx *ec)
{
    uint64_t at = e->position + ENTRY_HEADER_SIZE;
    const uint64_t end = at + e->payload_size;
    uint32_t crc = 0;
    *good = false;
    while (at < end) {
        if (at < w->at || at >= w->at + w->have) {
            enum err err = walk_fill(w, at, ec);
            if (err != ERR_OK) {
                return err;
            }
            if (at >= w->at + w->have) {
                return ERR_OK; /* the file is shorter than it should be */
            }
        }
        const uint64_t left = end - at, have = w->at + w->have - at;
        const size_t n = (size_t)(left < have ? left : have);
        crc = crc32c(crc, w->buffer + (at - w->at), n);
        at += n;
    }
    *good = crc == e->payload_crc;
    return ERR_OK;
}

uint64_t segment_walk_end(const struct segment *g, const struct tail_entry *from)
{
    if (from == NULL || g->base < from->seg->base) {
        return g->settled;
    }
    if (from->seg != g) {
        return 0;
    }
    return from->position < g->settled ? from->position : g->settled;
}

uint64_t segment_file_end(const struct store_part *p, const struct segment *g)
{
    return segment_walk_end(g, p->tail.count > 0 ? tail_at(&p->tail, 0) : NULL);
}

/* The batch's own header is trusted here: the payload's checksum held. */
void batch_info_parse(const uint8_t *payload, size_t size, struct store_batch_info *out)
{
    struct batch_header h;
    *out = (struct store_batch_info){.producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    if (batch_header_parse(payload, size, &h, NULL) != ERR_OK) {
        return;
    }
    out->base_offset = h.base_offset;
    out->last_offset_delta = h.last_offset_delta;
    out->max_timestamp = h.max_timestamp;
    out->producer_id = h.producer_id;
    out->producer_epoch = h.producer_epoch;
    out->base_sequence = h.base_sequence;
    out->transactional = batch_is_transactional(&h);
    out->control = batch_is_control(&h);
}
