/*
 * A ring of the write-ahead log that a crash, a bad disk or somebody with a checksum program left.
 * Input: a program: runs of the real log (frames of some sizes, an end without a clean stop),
 * single bytes changed, blocks swapped, copied or zeroed, and headers forged with the right
 * checksum but any numbers in them.
 *
 * Beyond "no crash, no leak": what recovery delivers is in order, does not overlap and has the
 * checksum it says; the log goes on behind it; and a second recovery delivers the same frames and
 * those that were written since. The last is a promise about disks, not about forgery: it is not
 * asked for once a header was forged.
 *
 * libFuzzer: -len_control=0 -max_len=300
 */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/mem.h"
#include "env/env_sim.h"
#include "fuzz/common.h"
#include "wal/wal_int.h"

#define FILE_BYTES  (32u << 10)
#define FILE_COUNT  3u
#define GROUP_BYTES (8u << 10)
#define BLOCKS      (FILE_BYTES * FILE_COUNT / ENV_BLOCK)
#define STEPS_MAX   40
#define SEEN_MAX    4096

struct seen {
    uint64_t position;
    size_t n;
    uint32_t crc;
};
struct rig {
    struct env *env;
    struct env_poll *poll;
    struct wal_config cfg;
    struct seen seen[SEEN_MAX];
    size_t seen_count;
    uint64_t end; /* of what was delivered or reported so far */
    bool damaged;
    bool forged, harmed;
};

/* ---- Recovery ------------------------------------------------------------------------------- */

static enum err on_frame(void *ctx, uint64_t position, struct slice body, bool flushed,
                         struct ectx *ec)
{
    struct rig *r = ctx;
    (void)flushed;
    (void)ec;
    CHECK(position >= r->end && position >= r->cfg.start && position % WAL_ALIGN == 0);
    CHECK(slice_left(&body) <= FILE_BYTES && r->seen_count < SEEN_MAX);
    r->end = wal_frame_end(position, slice_left(&body));
    CHECK(r->end <= r->cfg.start + FILE_BYTES * FILE_COUNT);
    r->seen[r->seen_count++] =
        (struct seen){position, slice_left(&body), crc32c(0, body.p, slice_left(&body))};
    return ERR_OK;
}

static void on_damage(void *ctx, uint64_t from, uint64_t to)
{
    struct rig *r = ctx;
    CHECK(from <= to);
    r->end = r->end < to ? to : r->end;
    r->damaged = true;
}

static struct wal *recover(struct rig *r)
{
    const struct wal_visitor visitor = {r, on_frame, on_damage};
    struct wal *w = NULL;
    struct ectx ec = {0};
    r->seen_count = 0;
    r->end = 0;
    r->damaged = false;
    r->cfg.generation++;
    enum err e = wal_open(r->env, r->poll, &r->cfg, &visitor, &w, &ec);
    CHECK(e == ERR_OK || ec.text[0] != '\0');
    if (e != ERR_OK) {
        return NULL;
    }
    CHECK(wal_tail(w) % ENV_BLOCK == 0 &&
          (r->seen_count == 0 || r->damaged || wal_tail(w) >= r->seen[r->seen_count - 1].position));
    r->cfg.generation = wal_generation(w);
    return w;
}

/* ---- Writing -------------------------------------------------------------------------------- */

struct frame {
    struct wal_frame f;
    struct iovec body;
    uint8_t bytes[6000];
    bool done;
};

static void on_done(struct wal_frame *f)
{
    struct frame *frame = CONTAINER_OF(f, struct frame, f);
    frame->done = true;
    wal_group_unref(f->group);
}

/* false: no room. */
static bool append(struct rig *r, struct wal *w, size_t n, uint8_t fill)
{
    struct frame *frame = mem_new(struct frame);
    CHECK(frame != NULL);
    n = n < sizeof(frame->bytes) ? n : sizeof(frame->bytes);
    bool room = wal_has_room(w, n);
    if (room) {
        memset(frame->bytes, fill, n);
        frame->body = (struct iovec){frame->bytes, n};
        frame->f = (struct wal_frame){.body = &frame->body, .body_count = 1, .done = on_done};
        wal_submit(w, &frame->f);
        wal_group_ref(frame->f.group);
        for (int i = 0; i < 100 && !frame->done; i++) {
            wal_kick(w, (fill & 1) != 0);
            env_poll_run(r->poll, 1000000);
        }
        CHECK(frame->done);
    }
    mem_free(frame);
    return room;
}

static void run_log(struct rig *r, struct fuzz_source *s)
{
    static const uint32_t sizes[] = {0, 1, 100, 4000, 4048, 4049, 6000};
    struct wal *w = recover(r);
    if (w == NULL) {
        return;
    }
    for (uint32_t i = 0, n = fuzz_below(s, 12); i < n; i++) {
        if (!append(r, w, sizes[fuzz_below(s, ARRAY_LEN(sizes))], fuzz_u8(s))) {
            break;
        }
    }
    if (fuzz_below(s, 4) == 0) { /* a checkpoint */
        r->cfg.start = wal_tail(w);
        r->cfg.start_generation = wal_generation(w);
        r->cfg.flushed = wal_flushed(w);
    }
    wal_close(w);
}

/* ---- Harm ----------------------------------------------------------------------------------- */

/* The bytes of a block of the ring; NULL: the files are not there yet. */
static uint8_t *block(struct rig *r, uint32_t at)
{
    char path[32];
    uint64_t size = 0;
    (void)snprintf(path, sizeof(path), "/wal/ring-%03u", at * ENV_BLOCK / FILE_BYTES);
    uint8_t *p = env_sim_file_bytes(r->env, path, &size);
    return p == NULL || size < FILE_BYTES ? NULL : p + at * ENV_BLOCK % FILE_BYTES;
}

static uint64_t position_of(const struct rig *r, uint32_t at)
{
    uint64_t turn = r->cfg.start / (FILE_BYTES * FILE_COUNT) * FILE_BYTES * FILE_COUNT;
    uint64_t position = turn + (uint64_t)at * ENV_BLOCK;
    return position < r->cfg.start ? position + FILE_BYTES * FILE_COUNT : position;
}

static void forge(struct rig *r, struct fuzz_source *s, uint32_t at)
{
    uint32_t seed = wal_seed(&r->cfg.store_id);
    uint8_t *p = block(r, at);
    struct wal_header h;
    uint32_t offset = fuzz_below(s, 4) == 0 ? fuzz_below(s, 500) * 8 : 0;
    if (p == NULL) {
        return;
    }
    p += offset;
    if (fuzz_below(s, 2) == 0 || wal_header_get(p, seed, &h) != WAL_SEEN_FRAME) {
        h = (struct wal_header){.flags = fuzz_below(s, 8),
                                .generation = r->cfg.generation,
                                .position = position_of(r, at) + offset,
                                .flushed = r->cfg.start,
                                .group_bytes = ENV_BLOCK,
                                .length = fuzz_below(s, 5000)};
    }
    switch (fuzz_below(s, 8)) {
    case 0:
        h.flags ^= 1u << fuzz_below(s, 3);
        break;
    case 1:
        h.length = (uint32_t)fuzz_number(s);
        break;
    case 2:
        h.generation = (uint32_t)((int64_t)r->cfg.generation + (int64_t)fuzz_below(s, 5) - 2);
        break;
    case 3:
        h.position += (uint64_t)fuzz_number(s) * ENV_BLOCK;
        break;
    case 4:
        h.flushed = position_of(r, fuzz_below(s, BLOCKS)) + (uint64_t)fuzz_number(s);
        break;
    case 5:
        h.group_bytes = fuzz_below(s, 12) * ENV_BLOCK + (uint32_t)(fuzz_below(s, 8) == 0);
        break;
    case 6:
        h.back = (uint32_t)fuzz_number(s);
        break;
    default:
        break;
    }
    if (h.length <= ENV_BLOCK - WAL_BODY_OFFSET - offset % ENV_BLOCK && fuzz_below(s, 4) != 0 &&
        offset + WAL_BODY_OFFSET + h.length <= ENV_BLOCK) {
        h.body_crc = crc32c(seed, p + WAL_BODY_OFFSET, h.length);
    }
    wal_header_put(p, &h, seed);
    p[4] = fuzz_below(s, 64) == 63 ? 2 : p[4];
    r->forged = true;
}

static void harm(struct rig *r, struct fuzz_source *s)
{
    uint32_t at = fuzz_below(s, BLOCKS), from = fuzz_below(s, BLOCKS);
    uint8_t *p = block(r, at);
    if (p == NULL) {
        return;
    }
    r->harmed = true;
    switch (fuzz_below(s, 4)) {
    case 0:
        p[fuzz_below(s, ENV_BLOCK)] ^= (uint8_t)(1 + fuzz_below(s, 255));
        break;
    case 1:
        memset(p, 0, ENV_BLOCK);
        break;
    default: { /* a write that went to the wrong place */
        uint8_t copy[ENV_BLOCK];
        memcpy(copy, block(r, from), ENV_BLOCK);
        memcpy(block(r, at), copy, ENV_BLOCK);
        break;
    }
    }
}

/* ---- The program ---------------------------------------------------------------------------- */

/* Twice in a row, with a frame in between. */
static void recover_twice(struct rig *r)
{
    static struct seen before[SEEN_MAX];
    struct wal *w = recover(r);
    if (w == NULL) {
        return;
    }
    size_t count = r->seen_count;
    bool damaged = r->damaged;
    memcpy(before, r->seen, count * sizeof(before[0]));
    uint64_t position = wal_next_position(w, 77);
    bool more = append(r, w, 77, 'm');
    wal_close(w);
    w = recover(r);
    if (r->forged) {
        wal_close(w);
        return;
    }
    CHECK(w != NULL);
    CHECK(r->seen_count == count + (more ? 1 : 0));
    CHECK(memcmp(before, r->seen, count * sizeof(before[0])) == 0);
    CHECK(!more || r->seen[count].position == position);
    CHECK(r->damaged == damaged);
    wal_close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct env_sim_config sim = {.seed = 9};
    struct fuzz_source s = fuzz_source_bytes(data, size);
    static struct rig r; /* large */
    memset(&r, 0, sizeof(r));
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    r.cfg = (struct wal_config){.dir = "/wal",
                                .file_bytes = FILE_BYTES,
                                .file_count = FILE_COUNT,
                                .group_bytes = GROUP_BYTES,
                                .store_id = {.b = {1, 2, 3}}};
    CHECK(env_sim_create(&sim, &r.env) == ERR_OK);
    CHECK(env_poll_create(r.env, &r.poll, NULL) == ERR_OK);
    for (int i = 0; i < STEPS_MAX && !fuzz_source_ended(&s); i++) {
        switch (fuzz_below(&s, 4)) {
        case 0:
        case 1:
            run_log(&r, &s);
            break;
        case 2:
            harm(&r, &s);
            break;
        default:
            forge(&r, &s, fuzz_below(&s, BLOCKS));
            break;
        }
    }
    r.cfg.existing = true;
    recover_twice(&r);
    env_poll_destroy(r.poll);
    env_destroy(r.env);
    return 0;
}
