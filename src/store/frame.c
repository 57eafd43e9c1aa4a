/*
 * Frames: collecting batches and facts, giving batches their offset and place, handing the frame to
 * the log, and what follows when it is on stable storage.
 *
 * Sequencing changes the partition at once (offset, place), so a frame with batches must be
 * committed, and only one such frame is open at a time: commit order is then offset order. Nothing
 * may fail after that point: memory for the hand-over is reserved while the frame grows.
 *
 * A batch of a partition with durability os never goes through the ring: it is a place without a
 * flush, and its survival does not depend on the frame. If it needs a new lease of offsets the
 * frame carries that, and waits for it.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/check.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/store_int.h"

enum {
    FRAME_ITEMS_MAX = 65536,
    FRAME_RELAXED_MAX = 4000, /* positions for them come from the filler of one item */
    CRC_COMBINE_MIN = 8192,   /* from here on combining beats computing again */
};
_Static_assert(STORE_BATCH_LEAD == ENTRY_HEADER_SIZE, "a batch lies behind its entry's header");
static const uint8_t zeros[FRAME_RELAXED_MAX + 96];

struct frame_item {
    uint8_t type;
    bool in_place, relaxed;
    struct chunk *chunk;     /* a batch in place in whole blocks: holds `blocks`; referenced */
    uint8_t *blocks;         /* what is written */
    struct store_part *part; /* referenced; NULL: a fact */
    struct segment *seg;     /* referenced; of batches */
    struct store_batch *batch;
    struct entry entry;
    const uint8_t *bytes; /* an entry that replaces another one: text_size of them */
    int64_t number;       /* log start, lease */
    uint32_t body_at;     /* of the item in the frame's body */
    uint32_t text, text_size;
    uint8_t head[ITEM_HEADER_SIZE];
    uint8_t header[ENTRY_HEADER_SIZE];
};

struct store_frame {
    struct wal_frame wal;
    struct store *store;
    struct list link;
    struct frame_item *items;
    uint32_t count, cap;
    uint32_t relaxed_count, place_count;
    struct iovec *iov;        /* 3 an item, 2 for a filler */
    struct wal_place *places; /* with two iovecs each */
    struct iovec *place_iov;
    struct buf text; /* bytes of facts */
    size_t body_bytes;
    bool complete;      /* body_bytes is final */
    uint32_t filler_at; /* in the body; 0: none */
    void (*done)(void *ctx, uint64_t position);
    void *ctx;
};

struct store_frame *store_frame_begin(struct store *s)
{
    ENV_CHECK_LOOP(s->poll);
    CHECK(store_ready(s));
    struct store_frame *f = mem_new(struct store_frame);
    if (f == NULL) {
        return NULL;
    }
    f->store = s;
    list_init(&f->link);
    buf_init(&f->text, s->frame_max);
    s->frames_open++;
    return f;
}

size_t store_frame_max_bytes(const struct store *s)
{
    return s->frame_max;
}

static void frame_free(struct store_frame *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        struct frame_item *it = &f->items[i];
        chunk_unref(it->chunk);
        if (it->seg != NULL) {
            segment_unref(it->seg);
        }
        if (it->part != NULL) {
            part_unref(it->part);
        }
    }
    buf_deinit(&f->text);
    mem_free(f->items);
    mem_free(f->iov);
    mem_free(f->places);
    mem_free(f->place_iov);
    mem_free(f);
}

/* Room for so many more batches (each may bring a lease) or other items, and the filler. */
static bool frame_reserve(struct store_frame *f, uint32_t more)
{
    const uint32_t need = f->count + 2 * more + 1;
    if (need <= f->cap) {
        return true;
    }
    uint32_t cap = f->cap == 0 ? 4 : f->cap * 2;
    cap = cap < need ? need : cap;
    struct frame_item *items = mem_realloc(f->items, cap * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    f->items = items;
    struct iovec *iov = mem_realloc(f->iov, (size_t)cap * 3 * sizeof(*iov));
    if (iov == NULL) {
        return false;
    }
    f->iov = iov;
    struct wal_place *places = mem_realloc(f->places, cap * sizeof(*places));
    if (places == NULL) {
        return false;
    }
    f->places = places;
    struct iovec *place_iov = mem_realloc(f->place_iov, (size_t)cap * 2 * sizeof(*place_iov));
    if (place_iov == NULL) {
        return false;
    }
    f->place_iov = place_iov;
    f->cap = cap;
    return true;
}

static struct frame_item *frame_item_add(struct store_frame *f, uint8_t type, struct store_part *p,
                                         size_t body_bytes)
{
    struct frame_item *it = &f->items[f->count++];
    *it = (struct frame_item){.type = type, .part = p, .body_at = (uint32_t)f->body_bytes};
    if (p != NULL) {
        part_ref(p);
    }
    f->body_bytes += body_bytes;
    return it;
}

static bool frame_fits(const struct store_frame *f, size_t more)
{
    /* A batch may bring a lease; frame_max leaves room for the filler. */
    const size_t spare = (size_t)2 * ITEM_HEADER_SIZE;
    return f->count + 3 < FRAME_ITEMS_MAX && more <= f->store->frame_max &&
           f->body_bytes + more + spare <= f->store->frame_max;
}

enum err store_frame_fact(struct store_frame *f, uint16_t tag, struct str body)
{
    if (!frame_fits(f, ITEM_HEADER_SIZE + body.n)) {
        return ERR_LIMIT;
    }
    const size_t at = f->text.n;
    if (!frame_reserve(f, 1) || !buf_reserve(&f->text, body.n)) {
        f->text.failed = false;
        return ERR_NO_MEMORY;
    }
    buf_put(&f->text, body.p, body.n);
    struct frame_item *it = frame_item_add(f, ITEM_FACT, NULL, ITEM_HEADER_SIZE + body.n);
    it->text = (uint32_t)at;
    it->text_size = (uint32_t)body.n;
    item_encode(&(struct item){ITEM_FACT, tag, (uint32_t)body.n, 0}, it->head);
    return ERR_OK;
}

/* frame_reserve has made room. */
static void frame_part_item(struct store_frame *f, uint8_t type, struct store_part *p,
                            int64_t number)
{
    struct frame_item *it = frame_item_add(f, type, p, ITEM_HEADER_SIZE + 4);
    it->number = number;
    item_encode(&(struct item){type, 0, 4, number}, it->head);
    put_le32(it->header, p->id);
}

enum err store_frame_log_start(struct store_frame *f, struct store_part *p, int64_t offset)
{
    if (offset < 0 || offset > p->high_watermark) {
        return ERR_OFFSET_OUT_OF_RANGE;
    }
    if (!frame_fits(f, ITEM_HEADER_SIZE + 4)) {
        return ERR_LIMIT;
    }
    if (!frame_reserve(f, 1)) {
        return ERR_NO_MEMORY;
    }
    frame_part_item(f, ITEM_LOG_START, p, offset);
    return ERR_OK;
}

enum err frame_rewrite(struct store_frame *f, struct store_part *p, int64_t segment_base,
                       const uint8_t *entry, size_t size)
{
    if (!frame_fits(f, ITEM_HEADER_SIZE + size)) {
        return ERR_LIMIT;
    }
    if (!frame_reserve(f, 1)) {
        return ERR_NO_MEMORY;
    }
    struct frame_item *it = frame_item_add(f, ITEM_REWRITE, p, ITEM_HEADER_SIZE + size);
    it->bytes = entry;
    it->text_size = (uint32_t)size;
    item_encode(&(struct item){ITEM_REWRITE, 0, (uint32_t)size, segment_base}, it->head);
    return ERR_OK;
}

/* ---- Batches -------------------------------------------------------------------------------- */

static bool place_group_takes(struct store *s, struct segment *g)
{
    if (wal_next_position(s->wal, 1) % ENV_BLOCK == 0) {
        s->place_count = 0; /* the open group is empty: a new count */
    }
    for (uint32_t i = 0; i < s->place_count; i++) {
        if (s->place_segs[i] == g) {
            return true;
        }
    }
    return s->place_count < STORE_IN_PLACE_FILES_MAX;
}

static void place_group_note(struct store *s, struct segment *g)
{
    for (uint32_t i = 0; i < s->place_count; i++) {
        if (s->place_segs[i] == g) {
            return;
        }
    }
    if (s->place_count < STORE_IN_PLACE_FILES_MAX) {
        s->place_segs[s->place_count++] = g; /* compared only, never followed */
    }
}

static uint32_t payload_crc(const uint8_t *p, size_t n)
{
    if (n < CRC_COMBINE_MIN) {
        return crc32c(0, p, n);
    }
    /* The batch's own checksum covers everything from the attributes on, and was verified by the
     * caller. */
    return crc32c_combine(crc32c(0, p, BATCH_AT_ATTRIBUTES), get_be32(p + BATCH_AT_CRC),
                          (uint32_t)(n - BATCH_AT_ATTRIBUTES));
}

struct batch_plan {
    struct segment *seg;
    bool in_place;
    uint64_t position;   /* in the segment */
    struct chunk *chunk; /* in place and flushed: memory for its blocks, */
    uint8_t *blocks;     /* which begin here */
    size_t body_bytes;
};

/* A batch in place takes whole blocks, so that its write goes past the page cache (which would cost
 * a copy and, for each page that is new, several times that) and never touches a block that holds
 * something acknowledged. */
static enum err batch_plan_blocks(struct store *s, const struct store_batch *b, bool may_take,
                                  struct batch_plan *plan, struct ectx *ec)
{
    const struct entry whole = {.flags = ENTRY_BLOCKS, .payload_size = (uint32_t)b->size};
    plan->position = entry_block_up(plan->seg->size);
    const enum err e = segment_open_direct(plan->seg, ec);
    if (e != ERR_OK) {
        return e;
    }
    /* Last, because memory that was taken cannot be given back. */
    if (may_take && b->take != NULL && (uintptr_t)b->bytes % ENV_BLOCK == ENTRY_HEADER_SIZE) {
        plan->chunk = chunk_take(s->pool, b);
        plan->blocks = b->bytes - ENTRY_HEADER_SIZE;
    }
    if (plan->chunk != NULL) {
        s->stats.taken++;
        return ERR_OK;
    }
    plan->chunk = chunk_new(s->pool, (size_t)entry_end(&whole));
    if (plan->chunk == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a batch of %zu bytes", b->size);
    }
    plan->blocks = plan->chunk->bytes;
    return ERR_OK;
}

static enum err batch_plan(struct store_frame *f, struct store_part *p, const struct store_batch *b,
                           bool may_take, struct batch_plan *plan, struct ectx *ec)
{
    struct store *s = f->store;
    const size_t entry_size = ENTRY_HEADER_SIZE + b->size;
    bool fresh;
    enum err e = segment_for_append(p, entry_size, b->info.last_offset_delta,
                                    b->info.append_time_ms, &plan->seg, &fresh);
    if (e == ERR_OK && fresh) {
        e = segment_push(p, plan->seg);
        if (e != ERR_OK) {
            segment_unref(plan->seg);
        } else if (p->seg_count > 1) {
            struct segment *before = p->segs[p->seg_count - 2];
            before->sealed = true;
            segment_mark_dirty(before); /* its index is finished by the next checkpoint */
        }
    }
    if (e != ERR_OK) {
        return ectx_fail(ec, e, "no memory for a new segment");
    }
    const size_t inline_bytes = ITEM_HEADER_SIZE + entry_size;
    const size_t place_bytes = p->relaxed ? 0 : ITEM_HEADER_SIZE + ITEM_PLACE_SIZE;
    plan->in_place = p->relaxed || !frame_fits(f, inline_bytes) ||
                     (b->size > s->cfg.inline_max_bytes && place_group_takes(s, plan->seg));
    plan->body_bytes = plan->in_place ? place_bytes : inline_bytes;
    if (!frame_fits(f, plan->body_bytes) || f->relaxed_count >= FRAME_RELAXED_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "the frame is full");
    }
    plan->position = plan->seg->size;
    plan->chunk = NULL;
    plan->blocks = NULL;
    if (plan->in_place) {
        e = segment_claim(plan->seg, entry_block_up(plan->seg->size) + entry_block_up(entry_size),
                          ec);
        if (e == ERR_NO_SPACE) {
            s->out_of_space = true;
            ectx_hint(ec, "free space on the file system of '%s'; it goes on by itself", s->dir);
        }
        if (e == ERR_OK && !p->relaxed) {
            e = batch_plan_blocks(s, b, may_take, plan, ec);
        }
    }
    return e;
}

static enum err batch_check(const struct store_frame *f, const struct store_part *p,
                            const struct store_batch *b, struct ectx *ec)
{
    const struct store *s = f->store;
    if (p->removed) {
        return ectx_fail(ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "the partition was removed");
    }
    if (s->out_of_space) {
        enum err e =
            ectx_fail(ec, ERR_NO_SPACE, "less than %llu bytes are free on the file system of '%s'",
                      (unsigned long long)s->cfg.min_free_bytes, s->dir);
        ectx_hint(ec, "free some space; it goes on by itself");
        return e;
    }
    if (b->size < BATCH_HEADER_SIZE || b->size > ENTRY_PAYLOAD_MAX ||
        b->info.last_offset_delta < 0 ||
        p->log_end > INT64_MAX - b->info.last_offset_delta - 2 * STORE_LEASE_STEP) {
        return ectx_fail(ec, ERR_INVALID_RECORD, "a batch of %zu bytes cannot be stored", b->size);
    }
    return ERR_OK;
}

/* The batch gets its offset and is in the frame: nothing fails any more. */
static void batch_sequence(struct store_frame *f, struct store_part *p, struct store_batch *b,
                           const struct batch_plan *plan)
{
    struct store *s = f->store;
    if (STORE_FAULT(skip_offset) && plan->in_place) {
        p->log_end++;
    }
    struct segment *g = plan->seg;
    struct frame_item *it =
        frame_item_add(f, plan->in_place ? ITEM_PLACE : ITEM_BATCH, p, plan->body_bytes);
    it->seg = g;
    segment_ref(g);
    it->batch = b;
    it->in_place = plan->in_place;
    it->relaxed = p->relaxed;
    it->chunk = plan->chunk;
    it->blocks = plan->blocks;
    b->info.base_offset = p->log_end;
    put_be64(b->bytes + BATCH_AT_BASE_OFFSET, (uint64_t)p->log_end);
    put_be32(b->bytes + BATCH_AT_LEADER_EPOCH, (uint32_t)part_epoch(p));
    it->entry = (struct entry){
        .flags = (uint16_t)((b->info.control ? ENTRY_CONTROL : 0) |
                            (b->info.transactional ? ENTRY_TRANSACTIONAL : 0) |
                            (plan->chunk != NULL ? ENTRY_BLOCKS : 0)),
        .payload_size = (uint32_t)b->size,
        .base_offset = p->log_end,
        .last_offset_delta = b->info.last_offset_delta,
        .leader_epoch = part_epoch(p),
        .position = STORE_FAULT(reuse_named_range) && plan->in_place ? 0 : plan->position,
        .max_timestamp = b->info.max_timestamp,
        .append_time_ms = b->info.append_time_ms,
        .part_id = p->id,
        .generation = s->generation,
        .payload_crc = payload_crc(b->bytes, b->size),
    };
    segment_append(p, g, &it->entry);
    g->direct_reads = plan->chunk != NULL;
    s->sequencing = f;
    if (plan->in_place) {
        place_group_note(s, g);
        g->users++;
        f->place_count++;
        s->placed_since += b->size;
        segment_mark_dirty(g); /* a flushed place too: the next checkpoint writes its index */
    }
    p->tail_promised++;
    if (p->relaxed) {
        f->relaxed_count++;
        p->touched = true;
        if (p->log_end + STORE_LEASE_STEP / 2 > p->lease_asked) {
            const int64_t want = p->log_end + STORE_LEASE_STEP;
            frame_part_item(f, ITEM_LEASE, p, want);
            p->lease_asked = want;
        }
    }
}

/* Everything that may fail for one batch. The caller has reserved its items. */
static enum err batch_prepare(struct store_frame *f, struct store_part *p, struct store_batch *b,
                              bool may_take, struct batch_plan *plan, struct ectx *ec)
{
    enum err e = batch_check(f, p, b, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (b->info.append_time_ms <= 0) {
        b->info.append_time_ms = env_wall_ms(f->store->env);
    }
    if (!tail_reserve(&p->tail, p->tail_promised + 1)) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a frame");
    }
    return batch_plan(f, p, b, may_take, plan, ec);
}

enum err store_frame_batch(struct store_frame *f, struct store_part *p, struct store_batch *b,
                           struct ectx *ec)
{
    struct batch_plan plan;
    CHECK(f->store->sequencing == NULL || f->store->sequencing == f);
    if (!frame_reserve(f, 1)) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a frame");
    }
    enum err e = batch_prepare(f, p, b, true, &plan, ec);
    if (e == ERR_OK) {
        batch_sequence(f, p, b, &plan);
    }
    return e;
}

enum err store_frame_batches(struct store_frame *f, struct store_part *const *parts,
                             struct store_batch *const *batches, size_t count, size_t *failed,
                             struct ectx *ec)
{
    CHECK(f->store->sequencing == NULL || f->store->sequencing == f);
    *failed = 0;
    if (count > STORE_FRAME_BATCHES_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "%zu batches in one frame are more than %d", count,
                         STORE_FRAME_BATCHES_MAX);
    }
    struct batch_plan *plans = mem_zalloc(count + 1, sizeof(*plans));
    if (plans == NULL || !frame_reserve(f, (uint32_t)count)) {
        mem_free(plans);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a frame");
    }
    /* Counted in advance, so that each plan sees what those before it will take. */
    const size_t body_bytes = f->body_bytes;
    const uint32_t items = f->count, relaxed = f->relaxed_count;
    enum err e = ERR_OK;
    size_t n = 0;
    for (; n < count && e == ERR_OK; n++) {
        *failed = n;
        e = batch_prepare(f, parts[n], batches[n], false, &plans[n], ec);
        f->body_bytes += e != ERR_OK         ? 0
                         : parts[n]->relaxed ? ITEM_HEADER_SIZE + 4
                                             : plans[n].body_bytes;
        f->count += parts[n]->relaxed ? 2 : 1;
        f->relaxed_count += parts[n]->relaxed ? 1 : 0;
        if (e == ERR_OK && plans[n].in_place) {
            place_group_note(f->store, plans[n].seg);
            plans[n].seg->users++; /* the next one's file must not close its file */
        }
    }
    f->body_bytes = body_bytes;
    f->count = items;
    f->relaxed_count = relaxed;
    for (size_t i = 0; i < n; i++) {
        if ((e == ERR_OK || i + 1 < n) && plans[i].in_place) {
            plans[i].seg->users--;
        }
        if (e == ERR_OK) {
            batch_sequence(f, parts[i], batches[i], &plans[i]);
        } else if (i + 1 < n) { /* the last one is the one that failed */
            chunk_unref(plans[i].chunk);
        }
    }
    mem_free(plans);
    return e;
}

/* ---- Commit --------------------------------------------------------------------------------- */

/* Where commit positions of relaxed batches begin: in this frame's header, which no item has. */
static uint64_t relaxed_begin(const struct store_frame *f)
{
    const struct store *s = f->store;
    const uint64_t at = wal_next_position(s->wal, f->body_bytes > 0 ? f->body_bytes : 1);
    return at > s->last_position ? at : s->last_position + 1;
}

/* Brings the body to its final size. The header has few positions; a frame that needs more of them
 * carries a filler. */
static void frame_complete(struct store_frame *f)
{
    struct frame_item *it;
    if (f->complete) {
        return;
    }
    f->complete = true;
    const uint64_t header = wal_next_position(f->store->wal, f->body_bytes > 0 ? f->body_bytes : 1);
    if (f->count == 0) {
        it = frame_item_add(f, ITEM_NOTHING, NULL, ITEM_HEADER_SIZE);
        item_encode(&(struct item){ITEM_NOTHING, 0, 0, 0}, it->head);
    } else if (f->relaxed_count > 0 &&
               relaxed_begin(f) + f->relaxed_count > header + WAL_BODY_OFFSET) {
        it = frame_item_add(f, ITEM_NOTHING, NULL, ITEM_HEADER_SIZE + f->relaxed_count);
        item_encode(&(struct item){ITEM_NOTHING, 0, f->relaxed_count, 0}, it->head);
        it->text_size = f->relaxed_count;
        f->filler_at = it->body_at + ITEM_HEADER_SIZE;
    }
}

/* Commit positions of relaxed batches: unique, and in order with all others. */
static void frame_place_relaxed(struct store_frame *f)
{
    struct store *s = f->store;
    uint64_t at = relaxed_begin(f);
    if (f->filler_at > 0) {
        at = wal_next_position(s->wal, f->body_bytes) + WAL_BODY_OFFSET + f->filler_at;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->items[i].relaxed) {
            f->items[i].entry.commit_position = at++;
        }
    }
    s->last_position = at - 1;
}

static void frame_item_iov(struct store_frame *f, struct frame_item *it)
{
    struct iovec *v = f->iov + f->wal.body_count;
    int n = 0;
    v[n++] = (struct iovec){it->head, ITEM_HEADER_SIZE};
    switch ((enum item_type)it->type) {
    case ITEM_BATCH:
        v[n++] = (struct iovec){it->header, ENTRY_HEADER_SIZE};
        v[n++] = (struct iovec){it->batch->bytes, it->batch->size};
        break;
    case ITEM_PLACE:
        v[n++] = (struct iovec){it->header, ENTRY_HEADER_SIZE};
        v[n++] = (struct iovec){it->batch->bytes, BATCH_HEADER_SIZE};
        break;
    case ITEM_FACT:
        v[n++] = (struct iovec){f->text.p + it->text, it->text_size};
        break;
    case ITEM_REWRITE:
        /* The log only reads what it is given. */
        v[n++] = (struct iovec){(void *)(uintptr_t)it->bytes, it->text_size};
        break;
    case ITEM_LOG_START:
    case ITEM_LEASE:
        v[n++] = (struct iovec){it->header, 4};
        break;
    case ITEM_NOTHING:
        /* The log only reads what it is given. */
        v[n++] = (struct iovec){(void *)(uintptr_t)zeros, it->text_size};
        break;
    }
    f->wal.body_count += n;
}

static void frame_place_iov(struct store_frame *f, struct frame_item *it)
{
    const int n = f->wal.place_count++;
    struct iovec *v = f->place_iov + (size_t)n * 2;
    f->places[n] = (struct wal_place){.offset = it->entry.position, .iov = v};
    if (it->chunk == NULL) {
        v[0] = (struct iovec){it->header, ENTRY_HEADER_SIZE};
        v[1] = (struct iovec){it->batch->bytes, it->batch->size};
        f->places[n].iov_count = 2;
        f->places[n].file = it->seg->file;
        return;
    }
    const size_t end = ENTRY_HEADER_SIZE + it->batch->size;
    const size_t whole = (size_t)entry_block_up(end);
    memcpy(it->blocks, it->header, ENTRY_HEADER_SIZE);
    if (it->batch->bytes != it->blocks + ENTRY_HEADER_SIZE) {
        memcpy(it->blocks + ENTRY_HEADER_SIZE, it->batch->bytes, it->batch->size);
    }
    memset(it->blocks + end, 0, whole - end);
    v[0] = (struct iovec){it->blocks, whole};
    f->places[n].iov_count = 1;
    f->places[n].file = STORE_FAULT(flush_too_early) ? it->seg->file : it->seg->direct;
}

static void frame_done(struct wal_frame *wf);

/* Everything whose value depends on the frame's position. */
static void frame_prepare(struct store_frame *f)
{
    struct store *s = f->store;
    if (f->relaxed_count > 0) {
        frame_place_relaxed(f);
    }
    const uint64_t position = wal_next_position(s->wal, f->body_bytes);
    for (uint32_t i = 0; i < f->count; i++) {
        struct frame_item *it = &f->items[i];
        if (it->seg != NULL) {
            struct segment_identity id;
            segment_identity_get(it->seg, &id);
            if (!it->relaxed) {
                it->entry.commit_position = position + WAL_BODY_OFFSET + it->body_at;
                if (it->entry.commit_position > s->last_position) {
                    s->last_position = it->entry.commit_position;
                }
                const uint32_t length =
                    it->in_place ? ITEM_PLACE_SIZE : ENTRY_HEADER_SIZE + (uint32_t)it->batch->size;
                item_encode(&(struct item){it->type, 0, length, it->seg->base}, it->head);
            }
            it->batch->info.append_position = it->entry.commit_position;
            entry_encode(&it->entry, &id, it->header);
            if (it->in_place) {
                frame_place_iov(f, it);
            }
        }
        if (!it->relaxed) {
            frame_item_iov(f, it);
        }
    }
    f->wal.body = f->iov;
    f->wal.places = f->places;
    f->wal.done = frame_done;
}

static void frame_to_tails(struct store_frame *f)
{
    const struct store *s = f->store;
    for (uint32_t i = 0; i < f->count; i++) {
        struct frame_item *it = &f->items[i];
        if (it->seg == NULL) {
            continue;
        }
        struct tail_entry t = {
            .base = it->entry.base_offset,
            .last = it->entry.base_offset + it->entry.last_offset_delta,
            .seg = it->seg,
            .position = it->entry.position,
            .commit_position = it->entry.commit_position,
            .size = ENTRY_HEADER_SIZE + it->entry.payload_size,
            .end = entry_end(&it->entry),
            .max_timestamp = it->entry.max_timestamp,
            .filed = it->in_place,
        };
        it->part->tail_promised--;
        /* Without a group: the log has failed, and will say so when its jobs are back. */
        if (it->part->removed || s->failed || (!it->in_place && f->wal.group == NULL)) {
            continue;
        }
        if (!it->in_place) {
            t.memory = f->wal.copy + it->body_at + ITEM_HEADER_SIZE;
            t.group = f->wal.group;
            wal_group_ref(t.group);
        } else if (it->chunk != NULL) {
            t.memory = it->blocks;
            t.chunk = it->chunk;
            chunk_ref(t.chunk);
        }
        tail_push(it->part, &t);
    }
}

static void frame_submit(struct store_frame *f)
{
    struct store *s = f->store;
    frame_prepare(f);
    const uint64_t position = wal_next_position(s->wal, f->body_bytes);
    wal_submit(s->wal, &f->wal);
    CHECK(s->failed || f->body_bytes == 0 || f->wal.group == NULL || f->wal.position == position);
    list_push_back(&s->flying, &f->link);
    s->frames_flying++;
    frame_to_tails(f);
}

void frames_submit(struct store *s)
{
    while (!s->failed && !list_empty(&s->waiting)) {
        struct store_frame *f = CONTAINER_OF(s->waiting.next, struct store_frame, link);
        frame_complete(f);
        if (f->body_bytes > 0 && !wal_has_room(s->wal, f->body_bytes)) {
            return; /* for lack of space or memory: the next turn tries again */
        }
        list_remove(&f->link);
        frame_submit(f);
    }
}

void store_frame_commit(struct store_frame *f, void (*done)(void *ctx, uint64_t position),
                        void *ctx)
{
    struct store *s = f->store;
    ENV_CHECK_LOOP(s->poll);
    f->done = done;
    f->ctx = ctx;
    if (s->sequencing == f) {
        s->sequencing = NULL;
    }
    if (f->count == 0 && !frame_reserve(f, 1)) {
        /* Nothing to write and no memory to say so: an empty frame needs no room. */
        s->frames_open--;
        frame_free(f);
        if (done != NULL) {
            done(ctx, wal_flushed(s->wal));
        }
        return;
    }
    s->frames_open--;
    if (STORE_FAULT(overtake)) {
        const bool held = list_empty(&s->waiting);
        list_push_front(&s->waiting, &f->link);
        if (held) {
            return; /* the next one goes before it */
        }
    } else {
        list_push_back(&s->waiting, &f->link);
    }
    frames_submit(s);
}

void store_frame_drop(struct store_frame *f)
{
    CHECK(f->store->sequencing != f);
    f->store->frames_open--;
    frame_free(f);
}

bool frames_idle(const struct store *s)
{
    return s->frames_open == 0 && s->frames_flying == 0 && list_empty(&s->waiting) &&
           wal_idle(s->wal);
}

/* ---- After the flush ------------------------------------------------------------------------ */

static void frame_apply(struct store_frame *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        struct frame_item *it = &f->items[i];
        struct store_part *p = it->part;
        switch ((enum item_type)it->type) {
        case ITEM_BATCH:
        case ITEM_PLACE:
            p->high_watermark = it->entry.base_offset + it->entry.last_offset_delta + 1;
            it->seg->settled = entry_end(&it->entry);
            if (it->entry.commit_position > f->store->visible_position) {
                f->store->visible_position = it->entry.commit_position;
            }
            if (it->in_place) {
                segment_release(it->seg);
            }
            break;
        case ITEM_LOG_START:
            if (!p->removed) {
                part_log_start_set(p, it->number);
            }
            break;
        case ITEM_LEASE:
            p->lease_end = it->number > p->lease_end ? it->number : p->lease_end;
            break;
        case ITEM_FACT:
        case ITEM_REWRITE:
        case ITEM_NOTHING:
            break;
        }
    }
}

static void frame_done(struct wal_frame *wf)
{
    struct store_frame *f = CONTAINER_OF(wf, struct store_frame, wal);
    struct store *s = f->store;
    list_remove(&f->link);
    s->frames_flying--;
    s->changes++;
    frame_apply(f);
    if (f->done != NULL) {
        f->done(f->ctx, f->wal.position);
    }
    const struct store_part *last = NULL;
    for (uint32_t i = 0; i < f->count && s->hooks.on_advance != NULL; i++) {
        struct store_part *p = f->items[i].part;
        if (p != NULL && p != last && !p->removed && f->items[i].type != ITEM_LEASE &&
            f->items[i].type != ITEM_REWRITE) {
            s->hooks.on_advance(s->hooks.ctx, p);
            last = p;
        }
    }
    frame_free(f);
    frames_submit(s);
    checkpoint_barrier_check(s);
}

void frames_abandon(struct store *s)
{
    struct list *lists[] = {&s->flying, &s->waiting};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        LIST_FOR_EACH (n, tmp, lists[i]) {
            struct store_frame *f = CONTAINER_OF(n, struct store_frame, link);
            list_remove(n);
            for (uint32_t k = 0; k < f->count; k++) {
                if (f->items[k].in_place) {
                    f->items[k].seg->users--;
                }
            }
            frame_free(f);
        }
    }
}
