/*
 * Rewriting: another batch takes the place of a stored one, so that what somebody asked to be
 * erased is in the file no more. The entry keeps its place, its size and everything that says where
 * it stands in the log; only the batch's records, and the checksums over them, change. A batch that
 * is smaller (its records are compressed) is followed by zeros in the entry (ENTRY_PADDED).
 *
 *   loop     WAITS    until both images cover the batch: no frame that is needed holds the old one
 *   worker   LOOKS    finds the entry, checks old and new, makes the new entry
 *   loop     LOGS     a frame with the new entry: from its flush on a start does the rest again
 *   worker   WRITES   over the old one, and flushes the file
 *   loop              memory that has the old one goes; done
 *
 * Why it is sound. The entry is written over only after the frame is on stable storage, and no
 * image is taken between that and the flush of the file: so the frame is in the ring until the file
 * has the new bytes. A torn write is repaired by the replay before anybody reads: also if the
 * newest image is damaged, for the older one knows the batch as one of the file, too.
 *
 * Readers are not stopped. A read beside the write may see half of each: its checksums say so, and
 * it looks again instead of crying damage (part.rewrite_turn).
 *
 * One at a time; the others wait in their order. A write or flush that fails stops the store, as
 * anywhere: the next start does it again.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/check.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/ahead.h"
#include "store/read.h"

enum { LOOK_BUFFER = 16 << 10 };

enum rewrite_step { REWRITE_WAITS, REWRITE_LOOKS, REWRITE_LOGS, REWRITE_LOGGED, REWRITE_WRITES };

struct rewrite {
    struct list link; /* in store.rewrites */
    struct env_job job;
    struct pending pending;
    struct store_rewrite *user;
    struct store_part *part; /* referenced */
    struct segment *seg;     /* referenced and in use from LOOKS on */
    enum rewrite_step at;
    bool looked; /* `entry` is known; an image may still have to cover it */
    struct seg_open open;
    struct segment_identity id;
    uint64_t look_at, look_end;
    struct entry entry; /* the new one */
    uint8_t *bytes;     /* its header and payload */
    size_t size;
    enum err err;
    struct ectx ec;
};

/* ---- The end -------------------------------------------------------------------------------- */

static void segment_leave(struct rewrite *w)
{
    if (w->seg != NULL) {
        w->seg->users--;
        segment_unref(w->seg);
        w->seg = NULL;
    }
    mem_free(w->bytes);
    w->bytes = NULL;
}

static void rewrite_free(struct rewrite *w)
{
    segment_leave(w);
    w->part->store->rewrite_count--;
    list_remove(&w->link);
    part_unref(w->part);
    mem_free(w);
}

static void rewrite_end(struct rewrite *w, enum err e)
{
    struct store_rewrite *user = w->user;
    user->err = e;
    user->ec = w->ec;
    rewrite_free(w);
    user->done(user);
}

void rewrites_free(struct store *s)
{
    LIST_FOR_EACH (n, tmp, &s->rewrites) {
        rewrite_free(CONTAINER_OF(n, struct rewrite, link));
    }
}

/* ---- Worker: looking ------------------------------------------------------------------------ */

/* Nothing but the records may differ, and how they are packed. Base offset and leader epoch are the
 * store's. */
static bool same_but_records(const uint8_t *old, const uint8_t *new)
{
    const uint16_t codec = BATCH_ATTR_CODEC;
    return ((get_be16(old + BATCH_AT_ATTRIBUTES) ^ get_be16(new + BATCH_AT_ATTRIBUTES)) & ~codec) ==
               0 &&
           memcmp(old + BATCH_AT_LAST_OFFSET_DELTA, new + BATCH_AT_LAST_OFFSET_DELTA,
                  BATCH_HEADER_SIZE - BATCH_AT_LAST_OFFSET_DELTA) == 0;
}

/* w->bytes holds the old entry: makes it the new one. */
static enum err make_entry(struct rewrite *w)
{
    uint8_t *payload = w->bytes + ENTRY_HEADER_SIZE;
    const struct str batch = w->user->batch;
    const uint8_t *new = (const uint8_t *)batch.p;
    struct batch_header h;
    if (batch.n > w->entry.payload_size) {
        return ectx_fail(&w->ec, ERR_MESSAGE_TOO_LARGE,
                         "the new batch has %zu bytes, the one in its place %u", batch.n,
                         w->entry.payload_size);
    }
    enum err e = batch_header_parse(new, batch.n, &h, &w->ec);
    if (e == ERR_OK) {
        e = batch_verify_crc(new, &h, &w->ec);
    }
    if (e == ERR_OK && (h.size != batch.n || !same_but_records(payload, new))) {
        e = ectx_fail(&w->ec, ERR_INVALID_RECORD, "the new batch differs in more than its records");
    }
    if (e != ERR_OK) {
        return e;
    }
    const uint32_t leader_epoch = get_be32(payload + BATCH_AT_LEADER_EPOCH);
    memcpy(payload, new, batch.n);
    put_be64(payload + BATCH_AT_BASE_OFFSET, (uint64_t)w->entry.base_offset);
    put_be32(payload + BATCH_AT_LEADER_EPOCH, leader_epoch);
    memset(payload + batch.n, 0, w->entry.payload_size - batch.n);
    w->entry.flags &= (uint16_t)~ENTRY_PADDED;
    w->entry.flags |= batch.n < w->entry.payload_size ? ENTRY_PADDED : 0;
    w->entry.payload_crc = crc32c(0, payload, w->entry.payload_size);
    entry_encode(&w->entry, &w->id, w->bytes);
    return ERR_OK;
}

static enum err read_entry(struct rewrite *w)
{
    size_t got = 0;
    w->size = ENTRY_HEADER_SIZE + (size_t)w->entry.payload_size;
    w->bytes = mem_alloc(w->size);
    if (w->bytes == NULL) {
        return ectx_fail(&w->ec, ERR_NO_MEMORY, "no memory for a batch of %zu bytes", w->size);
    }
    enum err e = env_file_pread(w->open.file, w->bytes, w->size, w->entry.position, &got, &w->ec);
    if (e != ERR_OK) {
        return e;
    }
    const uint8_t *payload = w->bytes + ENTRY_HEADER_SIZE;
    if (got < w->size || crc32c(0, payload, w->entry.payload_size) != w->entry.payload_crc) {
        return ectx_fail(&w->ec, ERR_DAMAGED, "the batch at offset %lld failed its checksum",
                         (long long)w->entry.base_offset);
    }
    if (get_be32(payload + BATCH_AT_CRC) != w->user->old_crc) {
        return ectx_fail(&w->ec, ERR_ABORTED, "the batch at offset %lld is another one now",
                         (long long)w->entry.base_offset);
    }
    return make_entry(w);
}

static enum err find_entry(struct rewrite *w)
{
    uint8_t *buffer = mem_alloc(LOOK_BUFFER);
    if (buffer == NULL) {
        return ectx_fail(&w->ec, ERR_NO_MEMORY, "no memory for looking for a batch");
    }
    struct entry_walk walk = {.file = w->open.file,
                              .id = &w->id,
                              .end = w->look_end,
                              .buffer = buffer,
                              .cap = LOOK_BUFFER};
    uint64_t at = w->look_at, skipped = 0;
    enum err e;
    do {
        e = entry_walk_next(&walk, &at, &w->entry, &skipped, &w->ec);
        at = e == ERR_OK ? entry_end(&w->entry) : at;
    } while (e == ERR_OK && entry_next_offset(&w->entry) <= w->user->base_offset);
    mem_free(buffer);
    if (e == ERR_NOT_FOUND || (e == ERR_OK && w->entry.base_offset != w->user->base_offset)) {
        return ectx_fail(&w->ec, ERR_NOT_FOUND, "no batch begins at offset %lld",
                         (long long)w->user->base_offset);
    }
    return e;
}

static void look_run(struct env_job *job)
{
    struct rewrite *w = CONTAINER_OF(job, struct rewrite, job);
    w->err = seg_open_run(&w->open, &w->ec);
    for (uint32_t i = 0; w->err == ERR_OK && i < w->open.count; i++) { /* it came just now */
        const struct index_entry *x = &w->open.entries[i];
        if (w->id.base + x->relative <= w->user->base_offset && x->position > w->look_at) {
            w->look_at = x->position;
        }
    }
    if (w->err == ERR_OK) {
        w->err = find_entry(w);
    }
    if (w->err == ERR_OK) {
        w->err = read_entry(w);
    }
}

static void look_abandon(struct pending *p)
{
    seg_open_finish(&CONTAINER_OF(p, struct rewrite, pending)->open);
}

/* ---- Loop: up to the frame ------------------------------------------------------------------ */

/* ERR_AGAIN: the next image covers it. */
static enum err wait_for_image(struct store *s, struct rewrite *w)
{
    w->at = REWRITE_WAITS;
    if (s->work != WORK_CHECKPOINT && !s->barrier) {
        s->checkpoint_asked = true;
    }
    return ERR_AGAIN;
}

/* By both images: a start has lost the newest one, perhaps, and must know from the older one that
 * the batch is in the file. The frame that held it does not say so for all: with durability os
 * there is none, and what the partition was then is forgotten. */
static bool covered(const struct rewrite *w)
{
    const struct store *s = w->part->store;
    const bool one = STORE_FAULT(rewrite_one_image) || STORE_FAULT(single_image);
    for (int i = 0; i < 2; i++) {
        const struct image_slot *slot = &s->slots[i];
        if (one && i != s->newest) {
            continue;
        }
        if (!slot->valid || w->entry.commit_position >= slot->position) {
            return false;
        }
    }
    return true;
}

static void look_done(struct env_job *job)
{
    struct rewrite *w = CONTAINER_OF(job, struct rewrite, job);
    struct store *s = w->part->store;
    list_remove(&w->pending.link);
    seg_open_finish(&w->open);
    if (w->err != ERR_OK) {
        rewrite_end(w, w->err);
    } else if (!covered(w)) {
        w->looked = true;
        segment_leave(w);
        IGNORE(wait_for_image(s, w) == ERR_OK);
    } else {
        w->at = REWRITE_LOGS;
    }
    rewrite_tick(s);
}

static enum err rewrite_look(struct rewrite *w)
{
    struct store_part *p = w->part;
    struct store *s = p->store;
    const int64_t offset = w->user->base_offset;
    if (p->removed) {
        return ectx_fail(&w->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "the partition was removed");
    }
    if (offset < p->log_start || offset >= p->high_watermark) {
        return ectx_fail(&w->ec, ERR_OFFSET_OUT_OF_RANGE, "offset %lld is outside of the log",
                         (long long)offset);
    }
    const struct damage_range *d = part_damage_at(p, offset);
    if (d != NULL && d->from <= offset) {
        return read_damaged(p, d, &w->ec);
    }
    const struct tail_entry *unfiled = tail_first_unfiled(p);
    if (unfiled != NULL && unfiled->base <= offset) {
        return wait_for_image(s, w);
    }
    if (w->looked && !covered(w)) {
        return wait_for_image(s, w); /* what it is was seen; to look again would tell nothing new */
    }
    struct segment *g = part_segment_at(p, offset, NULL);
    if (g == NULL) {
        return ectx_fail(&w->ec, ERR_NOT_FOUND, "no batch holds offset %lld", (long long)offset);
    }
    w->seg = g;
    segment_ref(g);
    g->users++;
    segment_identity_get(g, &w->id);
    w->look_at = index_find_offset(g, offset);
    w->look_end = segment_walk_end(g, unfiled);
    w->at = REWRITE_LOOKS;
    seg_open_prepare(&w->open, g, false);
    w->job = (struct env_job){.run = look_run, .done = look_done};
    pending_add(s, &w->pending, look_abandon);
    env_job_submit(s->poll, ENV_LANE_ANY, &w->job);
    return ERR_OK;
}

static void rewrite_logged(void *ctx, uint64_t position);

static enum err rewrite_log(struct rewrite *w)
{
    struct store *s = w->part->store;
    if (w->part->removed || w->seg->dropped) {
        return ectx_fail(&w->ec, ERR_OFFSET_OUT_OF_RANGE, "the batch was deleted meanwhile");
    }
    if (STORE_FAULT(rewrite_unlogged)) {
        rewrite_logged(w, 0);
        return ERR_OK;
    }
    if (!store_ready(s)) {
        return ERR_AGAIN;
    }
    struct store_frame *f = store_frame_begin(s);
    if (f == NULL) {
        return ectx_fail(&w->ec, ERR_NO_MEMORY, "no memory for a frame");
    }
    const enum err e = frame_rewrite(f, w->part, w->id.base, w->bytes, w->size);
    if (e != ERR_OK) {
        store_frame_drop(f);
        return ectx_fail(&w->ec, e == ERR_LIMIT ? ERR_MESSAGE_TOO_LARGE : e,
                         "a batch of %zu bytes does not fit into a frame", w->size);
    }
    w->at = REWRITE_LOGGED;
    store_frame_commit(f, rewrite_logged, w);
    return ERR_OK;
}

/* ---- Worker: writing ------------------------------------------------------------------------ */

static void write_run(struct env_job *job)
{
    struct rewrite *w = CONTAINER_OF(job, struct rewrite, job);
    struct store *s = w->seg->store;
    w->err = env_file_pwrite(w->seg->file, w->bytes, w->size, w->entry.position, &w->ec);
    if (w->err == ERR_OK && !STORE_FAULT(rewrite_unflushed)) {
        w->err = env_file_datasync(w->seg->file, &w->ec);
    }
    if (w->err != ERR_OK) {
        /* A checkpoint beside this must not believe its own flush of the file. */
        atomic_store(&s->harmed, true);
    }
}

static void write_done(struct env_job *job)
{
    struct rewrite *w = CONTAINER_OF(job, struct rewrite, job);
    struct store_part *p = w->part;
    struct store *s = p->store;
    list_remove(&w->pending.link);
    p->rewrite_turn++;
    s->rewriting = false;
    if (w->err != ERR_OK) {
        store_fail(s, &w->ec);
        return; /* it is freed with the store */
    }
    tail_forget(p, w->entry.base_offset);
    ahead_forget(p);
    s->erase_ring_to = wal_tail(s->wal);
    s->stats.rewrites++;
    rewrite_end(w, ERR_OK);
    checkpoint_barrier_check(s);
    rewrite_tick(s);
    store_ready_check(s);
}

static void write_abandon(struct pending *p)
{
    IGNORE(p == NULL); /* all that it has is freed with the list */
}

/* The frame is on stable storage: now it will be done, by us or by the next start. */
static void rewrite_logged(void *ctx, uint64_t position)
{
    struct rewrite *w = ctx;
    struct store *s = w->part->store;
    (void)position;
    if (w->part->removed || w->seg->dropped || w->seg->file == NULL) {
        rewrite_end(w,
                    ectx_fail(&w->ec, ERR_OFFSET_OUT_OF_RANGE, "the batch was deleted meanwhile"));
        return;
    }
    w->at = REWRITE_WRITES;
    w->part->rewrite_turn++;
    s->rewriting = true;
    w->job = (struct env_job){.run = write_run, .done = write_done};
    pending_add(s, &w->pending, write_abandon);
    env_job_submit(s->poll, ENV_LANE_ANY, &w->job);
}

/* ---- Loop: the turn ------------------------------------------------------------------------- */

void rewrite_tick(struct store *s)
{
    while (!s->failed && !s->closing && !list_empty(&s->rewrites)) {
        struct rewrite *w = CONTAINER_OF(s->rewrites.next, struct rewrite, link);
        enum err e = ERR_OK;
        if (w->at == REWRITE_WAITS) {
            e = rewrite_look(w);
        } else if (w->at == REWRITE_LOGS) {
            e = rewrite_log(w);
        }
        if (e == ERR_OK || e == ERR_AGAIN) {
            return;
        }
        rewrite_end(w, e);
    }
}

/* The ring still has the frames of what was written over until it comes round, which may take for
 * ever. They go when no image needs them any more: checkpoint_tick sees to that. */
static void ring_erase(struct store *s)
{
    const uint64_t released = wal_tail(s->wal) - wal_used_bytes(s->wal);
    const uint64_t to = s->erase_ring_to;
    if (to > 0 && to <= released && wal_erase(s->wal, to) && s->erase_ring_to == to) {
        s->erase_ring_to = 0;
        s->stats.ring_erasures++;
    }
}

void rewrite_tick_slow(struct store *s)
{
    if (!s->failed && !s->closing) {
        ring_erase(s);
        rewrite_tick(s);
    }
}

static void rewrite_refused(void *ctx)
{
    struct store_rewrite *user = ctx;
    user->done(user);
}

void store_rewrite(struct store_part *p, struct store_rewrite *user)
{
    struct store *s = p->store;
    ENV_CHECK_LOOP(s->poll);
    user->ec = (struct ectx){.code = ERR_OK};
    struct rewrite *w = s->rewrite_count < STORE_REWRITES_MAX ? mem_new(struct rewrite) : NULL;
    if (w == NULL) {
        user->err =
            s->rewrite_count < STORE_REWRITES_MAX
                ? ectx_fail(&user->ec, ERR_NO_MEMORY, "no memory for a rewrite")
                : ectx_fail(&user->ec, ERR_LIMIT, "%u rewrites wait already", STORE_REWRITES_MAX);
        env_poll_post(s->poll, rewrite_refused, user);
        return;
    }
    w->user = user;
    w->part = p;
    part_ref(p);
    s->rewrite_count++;
    list_push_back(&s->rewrites, &w->link); /* store_kick begins it */
}

/* ---- Recovery ------------------------------------------------------------------------------- */

/* The part's segment that holds the entry; NULL: gone, or not known. */
static struct segment *segment_of(const struct store_part *p, int64_t base, const struct entry *e)
{
    for (uint32_t i = 0; i < p->seg_count; i++) {
        struct segment *g = p->segs[i];
        if (g->base == base) {
            return e->base_offset < g->end && entry_end(e) <= g->size ? g : NULL;
        }
    }
    return NULL;
}

enum err rewrite_replay(struct store *s, const struct item *it, const struct entry *e,
                        struct slice bytes, bool flushed, struct ectx *ec)
{
    struct store_part *p = store_part_find(s, e->part_id);
    s->erase_ring_to = UINT64_MAX; /* wherever the entry is, the ring may have the old one */
    if (p == NULL || e->base_offset >= p->log_end || STORE_FAULT(rewrite_forgotten)) {
        return ERR_OK; /* deleted since, or lost with damage of the log */
    }
    const size_t size = ENTRY_HEADER_SIZE + (size_t)e->payload_size;
    const uint32_t i = tail_find(&p->tail, e->base_offset);
    if (i < p->tail.count && tail_at(&p->tail, i)->base <= e->base_offset) {
        struct tail_entry *t = tail_at(&p->tail, i);
        if (t->memory != NULL && t->position == e->position && t->size == size) {
            /* A start's own copy (tail_from_replay): nobody else looks at it yet. */
            memcpy((uint8_t *)(uintptr_t)t->memory, bytes.p, size);
        }
        return ERR_OK;
    }
    struct segment *g = segment_of(p, it->number, e);
    if (g == NULL) {
        return ERR_OK;
    }
    enum err err = segment_open(g, false, ec);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err; /* readers say that the file is missing */
    }
    /* The next start must find this frame too if this one tears the entry and ends: so nothing that
     * it has accepted may be in the page cache only. */
    err = flushed ? ERR_OK : env_fs_sync(s->env, s->dir, ec);
    if (err == ERR_OK) {
        err = env_file_pwrite(g->file, bytes.p, size, e->position, ec);
    }
    segment_mark_dirty(g); /* the start's checkpoint flushes it */
    return err;
}
