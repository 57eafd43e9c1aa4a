/*
 * Recovery's walk over the ring. README.md has the argument why it is sound; here are the rules in
 * short.
 *
 * - A group is accepted at the position where it must begin: directly after the group before, or at
 * the start of the next file when it says that the frame before it ended in the group before (it
 * did not fit). Within a generation all groups carry the same number; only a START raises it.
 * - A START says where the generation before ended (`back`). Frames of that generation from there
 * on were discarded by an earlier recovery and stay discarded.
 * - Whether a position is known to be flushed comes from the checkpoint and from the headers that
 * follow: a second walk runs ahead of the first, far enough to know.
 * - Where the walk finds nothing: a later header that says "flushed beyond this" proves damage, and
 * the walk resumes at the first group that leads to such a header. Without one the log ends here.
 *
 * Nothing is believed before the header's checksum.
 */
#include "core/check.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/mem.h"
#include "wal/wal_int.h"

#define HEADER_AHEAD (64u * 1024)
/* One huge page, whatever part of a block stands before the body. */
#define BODY_AHEAD ((uint32_t)MEM_HUGE_PAGE - ENV_BLOCK)

struct scan {
    struct wal_ring *ring;
    const struct wal_config *cfg;
    const struct wal_visitor *visitor;
    enum wal_fault fault;
    uint32_t seed;
    uint64_t limit;   /* position that the log cannot pass: one turn after cfg->start */
    uint64_t flushed; /* highest claim so far */
    uint32_t generation_seen;
    struct wal_reader bodies, headers;
    size_t header_ahead; /* what a look at a header reads */
    struct ectx *ec;
    /* The last answer of find_resume, since both walks ask for the same place. That the log ends
     * there holds as long as no header has claimed more since. */
    bool resume_cached, resume_damage, resume_found;
    uint64_t resume_asked, resume_at, resume_flushed;
    uint32_t resume_generation;
};

/* One walk over the groups. */
struct walk {
    uint64_t at;                /* where the next group must begin */
    uint64_t end_low, end_high; /* the last frame before it ended in (end_low, end_high]; */
    bool end_known;             /* if known */
    uint32_t generation;
    bool generation_known; /* else it is the lowest that may come */
};
enum step { STEP_GROUP, STEP_DAMAGE, STEP_END };

/* ---- Looking at one header ------------------------------------------------------------------- */

static enum err header_at(struct scan *s, uint64_t position, bool *found, struct wal_header *h)
{
    *found = false;
    if (position + ENV_BLOCK > s->limit) {
        return ERR_OK;
    }
    const uint8_t *p;
    enum err e = ERR_OK;
    bool in_bodies =
        position >= s->bodies.at && position + WAL_BODY_OFFSET <= s->bodies.at + s->bodies.n;
    e = wal_reader_get(in_bodies ? &s->bodies : &s->headers, position, WAL_BODY_OFFSET,
                       s->header_ahead, &p, s->ec);
    if (e != ERR_OK) {
        return e;
    }
    switch (wal_header_get(p, s->seed, h)) {
    case WAL_SEEN_NOTHING:
        return ERR_OK;
    case WAL_SEEN_NEWER:
        e = ectx_fail(s->ec, ERR_VERSION, "the log at position %llu was written by a newer version",
                      (unsigned long long)position);
        ectx_hint(s->ec, "start the newer version again, or restore a backup");
        return e;
    case WAL_SEEN_FRAME:
        break;
    }
    if (h->position != position && !WAL_PLANTED(s, WAL_FAULT_NO_POSITION)) {
        return ERR_OK;
    }
    /* Nobody knows of what comes after. Believed, such a claim could lead the walk anywhere. */
    if (h->flushed > h->position && !WAL_PLANTED(s, WAL_FAULT_FLUSHED_HIGH)) {
        return ERR_OK;
    }
    *found = true;
    return ERR_OK;
}

/* A group's first header that makes sense by itself. */
static enum err group_at(struct scan *s, uint64_t position, bool *found, struct wal_header *h)
{
    enum err e = header_at(s, position, found, h);
    if (e != ERR_OK || !*found) {
        return e;
    }
    uint64_t room = wal_ring_file_end(s->ring, position) - position;
    *found = (h->flags & WAL_FIRST) != 0 && h->group_bytes > 0 && h->group_bytes % ENV_BLOCK == 0 &&
             h->group_bytes <= room && h->back <= position;
    if ((h->flags & WAL_START) != 0 && (h->group_bytes != ENV_BLOCK || h->length != 0)) {
        *found = false;
    }
    if (*found && h->generation > s->generation_seen) {
        s->generation_seen = h->generation;
    }
    return ERR_OK;
}

/* Does it continue this walk? */
static bool walk_accepts(const struct scan *s, const struct walk *k, uint64_t position,
                         const struct wal_header *h)
{
    uint64_t before = position - h->back;
    if ((h->flags & WAL_START) != 0) {
        return position == k->at &&
               (h->generation > k->generation || WAL_PLANTED(s, WAL_FAULT_NO_GENERATION));
    }
    bool generation =
        k->generation_known ? h->generation == k->generation : h->generation >= k->generation;
    if (!generation && !WAL_PLANTED(s, WAL_FAULT_NO_GENERATION)) {
        return false;
    }
    if (WAL_PLANTED(s, WAL_FAULT_NO_POSITION)) {
        return true;
    }
    return k->end_known ? before > k->end_low && before <= k->end_high : before <= k->at;
}

static void walk_pass(struct walk *k, uint64_t position, const struct wal_header *h)
{
    k->at = position + h->group_bytes;
    k->end_low = k->at - ENV_BLOCK;
    k->end_high = k->at;
    k->end_known = true;
    k->generation = h->generation;
    k->generation_known = true;
}

/* The group that continues the walk: where it must begin, or at the start of the next file. */
static enum err walk_find(struct scan *s, const struct walk *k, bool *found, uint64_t *position,
                          struct wal_header *h)
{
    enum err e = group_at(s, k->at, found, h);
    if (e != ERR_OK) {
        return e;
    }
    if (*found && walk_accepts(s, k, k->at, h)) {
        *position = k->at;
        return ERR_OK;
    }
    uint64_t next = wal_align_up(k->at, s->ring->file_bytes);
    *found = false;
    if (next != k->at) {
        e = group_at(s, next, found, h);
        if (e == ERR_OK && *found) {
            *found = (h->flags & WAL_START) == 0 && walk_accepts(s, k, next, h);
            *position = next;
        }
    }
    return e;
}

/* ---- Where nothing is: the end, or damage? --------------------------------------------------- */

/* Does a walk from the group at `position` reach a header that says "flushed beyond `point`"? */
static enum err leads_to_witness(struct scan *s, uint64_t position, const struct wal_header *first,
                                 uint64_t point, bool *yes)
{
    struct walk k = {.at = position};
    struct wal_header h = *first;
    enum err e = ERR_OK;
    for (bool found = true; e == ERR_OK && found;) {
        if (h.flushed > point) {
            *yes = true;
            return ERR_OK;
        }
        walk_pass(&k, position, &h);
        e = walk_find(s, &k, &found, &position, &h);
    }
    *yes = false;
    return e;
}

/* Is there any later header that says so? A group that followed is no further than the largest
 * unit, or at the start of a file; so an ordinary end of the log costs a few large reads, not a
 * turn of the ring. What an earlier generation left is no witness: the walk could never get there.
 */
static enum err find_witness(struct scan *s, const struct walk *k, bool *yes)
{
    uint64_t point = k->at;
    *yes = s->flushed > point;
    uint64_t near =
        point + wal_align_up(s->cfg->group_bytes + WAL_BODY_OFFSET, ENV_BLOCK) + ENV_BLOCK;
    enum err e = ERR_OK;
    for (uint64_t q = point + ENV_BLOCK; e == ERR_OK && !*yes && q < s->limit;) {
        struct wal_header h;
        bool found;
        s->header_ahead = q < near ? BODY_AHEAD : HEADER_AHEAD;
        e = group_at(s, q, &found, &h);
        *yes = e == ERR_OK && found && h.flushed > point && h.generation >= k->generation;
        q = q < near ? q + ENV_BLOCK : wal_ring_file_end(s->ring, q);
    }
    s->header_ahead = HEADER_AHEAD;
    return e;
}

static enum err find_resume(struct scan *s, const struct walk *k, bool *damage, bool *found,
                            uint64_t *at)
{
    enum err e = find_witness(s, k, damage);
    *found = false;
    for (uint64_t q = k->at + ENV_BLOCK; e == ERR_OK && *damage && !*found && q < s->limit;
         q += ENV_BLOCK) {
        struct wal_header h;
        bool group;
        e = group_at(s, q, &group, &h);
        if (e == ERR_OK && group && h.generation >= k->generation) {
            e = leads_to_witness(s, q, &h, k->at, found);
            *at = q;
        }
    }
    return e;
}

/* One step: a group that continues the walk, a damaged range [k->at before, *to), or the end. */
static enum err walk_next(struct scan *s, struct walk *k, enum step *step, uint64_t *position,
                          struct wal_header *h)
{
    bool found;
    enum err e = walk_find(s, k, &found, position, h);
    if (e != ERR_OK) {
        return e;
    }
    if (found) {
        *step = STEP_GROUP;
        walk_pass(k, *position, h);
        s->flushed = s->flushed < h->flushed ? h->flushed : s->flushed;
        return ERR_OK;
    }
    bool damage;
    if (s->resume_cached && s->resume_asked == k->at &&
        (s->resume_damage ||
         (s->resume_flushed == s->flushed && s->resume_generation == k->generation))) {
        damage = s->resume_damage;
        found = s->resume_found;
    } else {
        e = find_resume(s, k, &damage, &found, &s->resume_at);
        if (e != ERR_OK) {
            return e;
        }
        s->resume_cached = true;
        s->resume_damage = damage;
        s->resume_asked = k->at;
        s->resume_found = found;
        s->resume_flushed = s->flushed;
        s->resume_generation = k->generation;
    }
    *step = damage ? STEP_DAMAGE : STEP_END;
    if (damage) {
        k->at = found ? s->resume_at : wal_align_up(s->flushed, ENV_BLOCK);
        k->end_known = false;
        k->generation_known = false;
    }
    return ERR_OK;
}

/* ---- Delivering ------------------------------------------------------------------------------ */

struct delivery {
    struct walk walk, ahead;
    bool ahead_ended;
    struct wal_scan_result *out;
    bool torn;
    /* The generation's START if nothing was accepted after it: the next one may overwrite it. */
    bool only_start;
    uint64_t start_at, start_before;
};

/* Walks ahead until `end` is known to be flushed, or nothing more can be learned. */
static enum err look_ahead(struct scan *s, struct delivery *d, uint64_t end)
{
    while (s->flushed < end && !d->ahead_ended) {
        enum step step;
        uint64_t position;
        struct wal_header h;
        enum err e = walk_next(s, &d->ahead, &step, &position, &h);
        if (e != ERR_OK) {
            return e;
        }
        d->ahead_ended = step == STEP_END || d->ahead.at >= s->limit;
    }
    return ERR_OK;
}

/* Where a later START says that the generation before it ended, if that is inside of this group. */
static enum err find_cut(struct scan *s, uint64_t from, const struct wal_header *group,
                         uint64_t *cut)
{
    uint64_t next = from + group->group_bytes;
    struct wal_header h;
    bool found;
    enum err e = group_at(s, next, &found, &h);
    *cut = UINT64_MAX;
    if (e == ERR_OK && found && (h.flags & WAL_START) != 0 && h.generation > group->generation &&
        next - h.back > from && !WAL_PLANTED(s, WAL_FAULT_NO_CUT)) {
        *cut = next - h.back;
    }
    return e;
}

static void report_damage(struct scan *s, struct delivery *d, uint64_t from, uint64_t to)
{
    d->out->last_end = to;
    d->only_start = false;
    s->visitor->damage(s->visitor->ctx, from, to);
}

/* One frame whose header is good. Sets d->torn when the log ends before it. */
static enum err deliver_frame(struct scan *s, struct delivery *d, uint64_t at,
                              const struct wal_header *h)
{
    const uint8_t *p;
    enum err e =
        wal_reader_get(&s->bodies, at, WAL_BODY_OFFSET + (size_t)h->length, BODY_AHEAD, &p, s->ec);
    if (e != ERR_OK) {
        return e;
    }
    p += WAL_BODY_OFFSET;
    bool flushed = at < s->flushed;
    uint64_t end = wal_frame_end(at, h->length);
    bool good = crc32c(s->seed, p, h->length) == h->body_crc || WAL_PLANTED(s, WAL_FAULT_NO_CRC);
    e = good ? s->visitor->frame(s->visitor->ctx, at, slice_of(p, h->length), flushed, s->ec)
             : ERR_DAMAGED;
    if (e == ERR_OK) {
        d->out->frames++;
        d->out->last_end = end;
        d->only_start = false;
        return ERR_OK;
    }
    if (e != ERR_DAMAGED) {
        return e;
    }
    if (flushed) {
        report_damage(s, d, at, end);
    } else {
        d->torn = true;
        d->out->torn_from = at;
    }
    return ERR_OK;
}

static enum err deliver_group(struct scan *s, struct delivery *d, uint64_t from,
                              const struct wal_header *first)
{
    uint64_t end = from + first->group_bytes;
    uint64_t cut;
    enum err e = find_cut(s, from, first, &cut);
    struct wal_header h = *first;
    for (uint64_t at = from; e == ERR_OK && at < cut;) {
        /* A length that leads out of the group cannot come from us; the header is as good as
         * unreadable. */
        bool good = at + WAL_BODY_OFFSET + h.length <= end;
        if (at != from) {
            good = good && (h.flags & WAL_FIRST) == 0 && h.generation == first->generation &&
                   h.group_bytes == first->group_bytes;
        }
        if (good) {
            e = deliver_frame(s, d, at, &h);
        } else if (at < s->flushed) {
            report_damage(s, d, at, end);
            return ERR_OK;
        } else {
            d->torn = true;
            d->out->torn_from = at;
        }
        if (e != ERR_OK || d->torn || (h.flags & WAL_LAST) != 0) {
            return e;
        }
        at = wal_frame_end(at, h.length);
        bool found = false;
        if (at + WAL_BODY_OFFSET <= end) {
            e = header_at(s, at, &found, &h);
        }
        if (!found) {
            h = (struct wal_header){.length = UINT32_MAX};
        }
    }
    return e;
}

static enum err deliver(struct scan *s, struct delivery *d)
{
    struct wal_scan_result *out = d->out;
    for (;;) {
        enum step step;
        struct wal_header h;
        uint64_t before = d->walk.at;
        uint64_t position = before;
        enum err e = walk_next(s, &d->walk, &step, &position, &h);
        if (e != ERR_OK) {
            return e;
        }
        if (step == STEP_END) {
            out->tail = before;
            return ERR_OK;
        }
        if (step == STEP_DAMAGE) {
            report_damage(s, d, before, d->walk.at);
            continue;
        }
        if ((h.flags & WAL_START) != 0) {
            d->only_start = true;
            d->start_at = position;
            d->start_before = position - h.back;
            out->last_end = wal_frame_end(position, 0);
            continue;
        }
        e = look_ahead(s, d, d->walk.at);
        if (e == ERR_OK) {
            e = deliver_group(s, d, position, &h);
        }
        if (e != ERR_OK) {
            return e;
        }
        if (d->torn) {
            out->tail = out->torn_from == position ? before : d->walk.at;
            return ERR_OK;
        }
    }
}

enum err wal_scan(struct wal_ring *ring, const struct wal_config *cfg,
                  const struct wal_visitor *visitor, enum wal_fault fault,
                  struct wal_scan_result *out, struct ectx *ec)
{
    struct ectx unused;
    if (cfg->start > INT64_MAX || cfg->start % ENV_BLOCK != 0 ||
        cfg->flushed > cfg->start + wal_ring_bytes(ring)) {
        return ectx_fail(ec, ERR_DAMAGED,
                         "the checkpoint says that the log begins at %llu and is flushed up to "
                         "%llu, which it cannot be",
                         (unsigned long long)cfg->start, (unsigned long long)cfg->flushed);
    }
    struct scan s = {.ring = ring,
                     .cfg = cfg,
                     .visitor = visitor,
                     .fault = fault,
                     .seed = wal_seed(&cfg->store_id),
                     .limit = cfg->start + wal_ring_bytes(ring),
                     .flushed = cfg->flushed,
                     .header_ahead = HEADER_AHEAD,
                     .ec = ec == NULL ? &unused : ec};
    struct wal_scan_result r = {.last_end = cfg->start, .torn_from = UINT64_MAX};
    struct walk start = {.at = cfg->start, .generation = cfg->start_generation};
    struct delivery d = {.walk = start, .ahead = start, .out = &r};
    wal_reader_init(&s.bodies, ring);
    wal_reader_init(&s.headers, ring);
    enum err e = deliver(&s, &d);
    wal_reader_deinit(&s.bodies);
    wal_reader_deinit(&s.headers);
    if (e != ERR_OK) {
        return e;
    }
    if (d.only_start) {
        r.tail = d.start_at;
        r.last_end = d.start_before;
    }
    r.flushed = s.flushed;
    r.generation =
        s.generation_seen > cfg->start_generation ? s.generation_seen : cfg->start_generation;
    *out = r;
    return ERR_OK;
}

enum err wal_begun(struct env *env, const struct wal_config *cfg, bool *yes, struct ectx *ec)
{
    struct wal_ring ring;
    struct wal_reader reader;
    enum err e = wal_ring_check(cfg, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = wal_ring_open(&ring, env, cfg, false, false, ec);
    if (e != ERR_OK) {
        return e;
    }
    const uint8_t *p;
    wal_reader_init(&reader, &ring);
    e = wal_reader_get(&reader, cfg->start, WAL_BODY_OFFSET, ENV_BLOCK, &p, ec);
    if (e == ERR_OK) {
        struct wal_header h;
        *yes = wal_header_get(p, wal_seed(&cfg->store_id), &h) != WAL_SEEN_NOTHING &&
               h.position == cfg->start;
    }
    wal_reader_deinit(&reader);
    wal_ring_close(&ring);
    return e;
}

enum err wal_verify(struct env *env, const struct wal_config *cfg,
                    const struct wal_visitor *visitor, struct ectx *ec)
{
    struct wal_ring ring;
    struct wal_scan_result r;
    enum err e = wal_ring_check(cfg, ec);
    if (e != ERR_OK || cfg->clean) {
        return e;
    }
    e = wal_ring_open(&ring, env, cfg, false, false, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = wal_scan(&ring, cfg, visitor, WAL_FAULT_NONE, &r, ec);
    wal_ring_close(&ring);
    return e;
}
