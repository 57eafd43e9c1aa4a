/*
 * The store on the simulated disk: the power goes off at any operation, what was not flushed is
 * kept, lost, torn and reordered in many ways, recovery itself is cut, images rot, every I/O and
 * every allocation fails once, also those of a recovery, I/O takes seconds or never returns, the
 * wall clock jumps.
 *
 * The promises (oracle: struct model, outside of the simulated world):
 *   - the frames recovered are a prefix of those submitted, in order, each once and whole, and all
 * that were acknowledged are in it; most carry a fact that says so, the others batches only;
 *   - what is acknowledged later has a later commit position, what is visible ends there;
 *   - the batches of each partition are exactly those of the recovered frames: offsets, bytes,
 * order;
 *   - log starts and partitions added or removed follow their frames;
 *   - durability os: what is left is a prefix, no offset that was told is given again, and what a
 *     flush on demand was told of is in it;
 *   - retention by time takes nothing before its time, and nothing for an hour after the clock
 * jumped;
 *   - a device that does not answer makes the store push back; nothing is told that it has not
 * done;
 *   - a batch that was replaced by another is that one from the acknowledgement on, before it one
 * of the two, whole, and what a start has found it stays;
 *   - a crash alone is never reported as damage;
 *   - a recovery that finished is never taken back by the next crash.
 * The same with a planted fault (faults.def): one that this program does not notice fails the run.
 */
#include "common_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "env/env_sim.h"

/* ---- The workload --------------------------------------------------------------------------- */

enum { FILLER = 6000 };

static void let_run(struct proc *p, uint64_t steps)
{
    for (uint64_t i = 0; i < steps && !env_sim_is_cut(p->env); i++) {
        if (!env_sim_step(p->env)) {
            return;
        }
    }
}

/* Retention by time has moved the log start from below `from` to `to`. */
static void check_age(struct proc *p, const struct mpart *mp, int64_t from, int64_t to)
{
    const uint64_t now = env_mono_ns(p->env), hour = 3600u * UINT64_C(1000000000);
    if (p->jumped_ns != UINT64_MAX && now - p->jumped_ns < hour) {
        model_bad(p->m, "part %u: retention by time %llu s after the clock jumped", mp->id,
                  (unsigned long long)((now - p->jumped_ns) / 1000000000));
    }
    for (uint32_t i = 0; i < mp->n; i++) {
        const struct mbatch *b = &mp->b[i];
        const int64_t end = b->base + b->count;
        if (end > from && end <= to && b->jumps == p->m->jumps &&
            (now - b->born_ns) / 1000000 < TIMED_MS) {
            model_bad(p->m, "part %u: offset %lld went after %llu ms of %d", mp->id,
                      (long long)b->base, (unsigned long long)((now - b->born_ns) / 1000000),
                      TIMED_MS);
        }
    }
}

static void see_starts(struct proc *p)
{
    for (int i = 0; i < PARTS; i++) {
        struct mpart *mp = &p->m->parts[i];
        struct store_part *part = mp->id == 0 ? NULL : store_part_find(p->store, mp->id);
        if (part == NULL) {
            continue;
        }
        struct store_part_info info;
        store_part_info_get(part, &info);
        const int64_t asked = model_log_start(p->m, mp->id);
        if (info.log_start < mp->start_seen) {
            model_bad(p->m, "part %u: log start %lld, seen before %lld", mp->id,
                      (long long)info.log_start, (long long)mp->start_seen);
        }
        if (info.log_start > mp->start_seen && info.log_start > asked) {
            count_kind(mp->index == TIMED_INDEX ? KIND_DID_RETAIN_TIME : KIND_DID_RETAIN_SIZE);
            if (mp->index == TIMED_INDEX) {
                check_age(p, mp, asked > mp->start_seen ? asked : mp->start_seen, info.log_start);
            }
        }
        mp->start_seen = info.log_start;
    }
}

/* The wall clock jumps, by seconds or years, and the store looks at it. */
static void jump_clock(struct proc *p)
{
    static const int64_t by_ms[] = {2000, 86400000, 31536000000, 315360000000};
    const int64_t ms = by_ms[model_rnd(p->m, ARRAY_LEN(by_ms))];
    const bool back = model_rnd(p->m, 2) == 0;
    LIST_FOR_EACH (n, tmp, &p->store->part_list) {
        if (CONTAINER_OF(n, struct store_part, link)->retain_pending) {
            return; /* decided before */
        }
    }
    see_starts(p);
    env_sim_advance_ns(p->env, 1000000000);
    env_sim_jump_wall_ms(p->env, back ? -ms : ms);
    count_kind(back ? KIND_CLOCK_BACK : KIND_CLOCK_FORWARD);
    p->m->jumps++;
    if (ms > 3600000) {
        p->jumped_ns = env_mono_ns(p->env);
    }
    store_tick(p->store);
}

static struct flight *flight_new(struct proc *p, uint8_t kind)
{
    struct flight *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        abort();
    }
    f->proc = p;
    f->kind = kind;
    f->uid = p->m->uid++;
    f->frame = p->m->frames;
    return f;
}

static enum err flight_fact(const struct flight *f, struct store_frame *sf)
{
    uint8_t b[18 + FILLER] = {0};
    put_le64(b, f->uid);
    b[8] = f->kind;
    put_le32(b + 9, f->id);
    put_le32(b + 13, (uint32_t)f->index);
    b[17] = f->os;
    return store_frame_fact(sf, STORE_TAG_TOPICS, str_make(b, f->kind == 'f' ? sizeof(b) : 18));
}

static void flight_go(struct proc *p, struct flight *f, struct store_frame *sf)
{
    struct model *m = p->m;
    const bool bare = f->kind == 'b';
    m->chain[m->frames + 1] = bare ? m->chain[m->frames] : run_mix(m->chain[m->frames] ^ f->uid);
    m->facts[m->frames + 1] = m->facts[m->frames] + (bare ? 0 : 1);
    m->leaves[m->frames] = !bare;
    for (int i = 0; i < f->n; i++) {
        m->leaves[m->frames] = m->leaves[m->frames] || !mpart_find(m, f->ids[i])->os;
    }
    m->frames++;
    list_push_back(&p->flights, &f->link);
    store_frame_commit(sf, flight_done, f);
}

static uint32_t batch_size(struct model *m)
{
    switch (model_rnd(m, 8)) {
    case 0:
        return 2000 + (uint32_t)model_rnd(m, 9000); /* in place */
    case 1:
        return 4096;
    default:
        return 80 + (uint32_t)model_rnd(m, 500);
    }
}

static struct mpart *any_part(struct model *m)
{
    const uint64_t i = model_rnd(m, PARTS);
    return &m->parts[m->relaxed ? i % 3 : i];
}

static void produce(struct proc *p)
{
    struct model *m = p->m;
    struct store_frame *sf = store_frame_begin(p->store);
    if (sf == NULL) {
        return;
    }
    struct flight *f = flight_new(p, model_rnd(m, 3) == 0 ? 'b' : 'n');
    /* The fact first: without it nothing is sequenced yet, and the frame can be dropped. */
    if (f->kind != 'b' && flight_fact(f, sf) != ERR_OK) {
        store_frame_drop(sf);
        flight_free(f);
        return;
    }
    const uint64_t want = model_rnd(m, 4) == 0 ? 1 + model_rnd(m, PER_FRAME) : model_rnd(m, 8) != 0;
    for (uint64_t i = 0; i < want; i++) {
        struct mpart *mp = any_part(m);
        struct store_part *part =
            mp->id == 0 || mp->removed != UINT32_MAX ? NULL : store_part_find(p->store, mp->id);
        if (part == NULL || mp->n >= BATCHES) {
            continue;
        }
        struct mbatch mb = {.uid = m->uid,
                            .time = m->uid++,
                            .size = batch_size(m),
                            .count = 1 + (int32_t)model_rnd(m, 3),
                            .frame = f->frame,
                            .born_ns = env_mono_ns(p->env),
                            .jumps = m->jumps};
        struct store_batch *b = &f->batches[f->n];
        struct brought *memory = &f->brought[f->n];
        b->bytes = brought_make(memory, mb.size, model_rnd(m, 2) == 0);
        b->size = mb.size;
        b->take = brought_take;
        b->take_ctx = memory;
        batch_fill(b->bytes, mb.size, mb.count, mb.uid);
        b->info = (struct store_batch_info){.last_offset_delta = mb.count - 1,
                                            .max_timestamp = (int64_t)(mb.uid % 100000),
                                            .producer_id = -1};
        struct ectx ec;
        enum err e = store_frame_batch(sf, part, b, &ec);
        if (e != ERR_OK) {
            free(memory->buffer);
            if (e != ERR_LIMIT && e != ERR_IO && e != ERR_STOPPED &&
                !(e == ERR_NO_MEMORY && m->may_lose_memory) &&
                !(e == ERR_NO_SPACE && m->may_lose_space) && !m->may_fail) {

                model_bad(m, "appending: %s: %s", err_name(e), ec.text);
            }
            continue;
        }
        mb.base = b->info.base_offset;
        if (mb.base < mpart_end(mp) || mb.base < mp->told ||
            (!mp->os && mb.base != mpart_end(mp))) {
            model_bad(m, "part %u: offset %lld was given, %lld is next, %lld was told", mp->id,
                      (long long)mb.base, (long long)mpart_end(mp), (long long)mp->told);
        }
        mp->b[mp->n++] = mb;
        f->ids[f->n++] = mp->id;
    }
    if (f->kind == 'b' && f->n == 0) {
        store_frame_drop(sf);
        flight_free(f);
        return;
    }
    flight_go(p, f, sf);
}

static void add_part(struct proc *p)
{
    struct model *m = p->m;
    for (int i = 0; i < PARTS; i++) {
        struct mpart *mp = &m->parts[i];
        if (mp->id != 0) {
            continue;
        }
        struct store_frame *sf = store_frame_begin(p->store);
        if (sf == NULL) {
            return;
        }
        struct flight *f = flight_new(p, 'a');
        f->id = ++m->next_id;
        f->index = (int32_t)model_rnd(m, 3);
        f->os = model_rnd(m, 4) == 0 || m->relaxed;
        if (flight_fact(f, sf) != ERR_OK) {
            store_frame_drop(sf);
            flight_free(f);
            return;
        }
        *mp = (struct mpart){.id = f->id,
                             .index = f->index,
                             .os = f->os,
                             .retained = f->index != 0,
                             .added = f->frame,
                             .removed = UINT32_MAX};
        flight_go(p, f, sf);
        return;
    }
}

static void remove_part(struct proc *p)
{
    struct model *m = p->m;
    struct mpart *mp = &m->parts[model_rnd(m, PARTS)];
    if (mp->id == 0 || mp->removed != UINT32_MAX || store_part_find(p->store, mp->id) == NULL) {
        return;
    }
    struct store_frame *sf = store_frame_begin(p->store);
    if (sf == NULL) {
        return;
    }
    struct flight *f = flight_new(p, 'r');
    f->id = mp->id;
    if (flight_fact(f, sf) != ERR_OK) {
        store_frame_drop(sf);
        flight_free(f);
        return;
    }
    mp->removed = f->frame;
    flight_go(p, f, sf);
}

static void delete_records(struct proc *p)
{
    struct model *m = p->m;
    struct mpart *mp = any_part(m);
    struct store_part *part =
        mp->id == 0 || mp->removed != UINT32_MAX ? NULL : store_part_find(p->store, mp->id);
    if (part == NULL || m->start_count >= STARTS || !store_ready(p->store)) {
        return;
    }
    struct store_part_info info;
    store_part_info_get(part, &info);
    if (info.high_watermark == info.log_start) {
        return;
    }
    const int64_t to = info.log_start + 1 +
                       (int64_t)model_rnd(m, (uint64_t)(info.high_watermark - info.log_start));
    struct store_frame *sf = store_frame_begin(p->store);
    if (sf == NULL) {
        return;
    }
    struct flight *f = flight_new(p, 'd');
    if (flight_fact(f, sf) != ERR_OK || store_frame_log_start(sf, part, to) != ERR_OK) {
        store_frame_drop(sf);
        flight_free(f);
        return;
    }
    m->starts[m->start_count++] = (struct mstart){f->frame, mp->id, to};
    flight_go(p, f, sf);
}

/* Some of the partitions with durability os are flushed on demand. */
static void flush_some(struct proc *p)
{
    struct model *m = p->m;
    for (int i = 0; i < PARTS; i++) {
        struct mpart *mp = &m->parts[i];
        struct store_part *part = mp->id == 0 || !mp->os ? NULL : store_part_find(p->store, mp->id);
        if (part != NULL && model_rnd(m, 2) == 0) {
            proc_flush(p, part, mp);
        }
    }
}

/* Reads somewhere while everything goes on: what is visible must be what was appended. */
static void look(struct proc *p)
{
    struct model *m = p->m;
    struct mpart *mp = &m->parts[model_rnd(m, PARTS)];
    struct store_part *part = mp->id == 0 ? NULL : store_part_find(p->store, mp->id);
    if (part == NULL || mp->removed != UINT32_MAX) {
        return;
    }
    struct store_part_info info;
    store_part_info_get(part, &info);
    if (info.high_watermark == info.log_start) {
        return;
    }
    const int64_t offset =
        info.log_start + (int64_t)model_rnd(m, (uint64_t)(info.high_watermark - info.log_start));
    struct store_read r;
    m->look++;
    enum err e = proc_read(p, part, offset, 1 + model_rnd(m, 5000), &r);
    if (e != ERR_OK) {
        if (!env_sim_is_cut(p->env) && !p->dead && e != ERR_OFFSET_OUT_OF_RANGE && e != ERR_IO &&
            !(e == ERR_NO_MEMORY && m->may_lose_memory) && !m->may_fail) {
            model_bad(m, "part %u: reading offset %lld: %s", mp->id, (long long)offset,
                      err_name(e));
        }
        return;
    }
    uint32_t i = 0;
    while (i < mp->n && mp->b[i].base + mp->b[i].count <= offset) {
        i++;
    }
    if (r.chunk_count == 0 && i < mp->n && mp->b[i].base < info.high_watermark) {
        model_bad(m,
                  "part %u%s: nothing at offset %lld, the high watermark is %lld and %lld is next",
                  mp->id, mp->os ? " (os)" : "", (long long)offset, (long long)info.high_watermark,
                  (long long)mp->b[i].base);
    }
    for (size_t c = 0; c < r.chunk_count; c++, i++) {
        const uint8_t *b = (const uint8_t *)r.chunks[c].p;
        if (i >= mp->n || !batch_same(m, b, r.chunks[c].n, &mp->b[i])) {
            model_bad(m, "part %u: reading offset %lld gave other bytes", mp->id,
                      (long long)offset);
            break;
        }
        if (mp->b[i].base + mp->b[i].count >
            (mp->told > info.high_watermark ? mp->told : info.high_watermark)) {
            model_bad(m, "part %u: offset %lld was visible before it was durable", mp->id,
                      (long long)mp->b[i].base);
        }
    }
    store_read_release(&r);
}

/* A batch that everybody can read gets other bytes. */
static void rewrite(struct proc *p)
{
    struct model *m = p->m;
    struct mpart *mp = &m->parts[model_rnd(m, PARTS)];
    struct store_part *part =
        mp->id == 0 || mp->removed != UINT32_MAX ? NULL : store_part_find(p->store, mp->id);
    if (part == NULL || mp->n == 0) {
        return;
    }
    struct store_part_info info;
    store_part_info_get(part, &info);
    const uint32_t n = (uint32_t)model_rnd(m, mp->n);
    if (mp->b[n].base >= info.log_start && mp->b[n].base + mp->b[n].count <= info.high_watermark) {
        batch_rewrite(p, mp, part, n);
    }
}

/* The same with the newest batch of durability os that must be there, and that a cut may tear. */
static void rewrite_newest_of_os(struct proc *p)
{
    struct model *m = p->m;
    for (int i = 0; i < PARTS; i++) {
        struct mpart *mp = &m->parts[i];
        struct store_part *part = mp->id == 0 || !mp->os || mp->removed != UINT32_MAX
                                      ? NULL
                                      : store_part_find(p->store, mp->id);
        for (uint32_t n = part == NULL ? 0 : mp->n; n > 0; n--) {
            struct store_part_info info;
            store_part_info_get(part, &info);
            if (mp->b[n - 1].kept && mp->b[n - 1].size > 512 &&
                mp->b[n - 1].base >= info.log_start) {
                batch_rewrite(p, mp, part, n - 1);
                return;
            }
        }
    }
}

static void work(struct proc *p, uint64_t turns)
{
    struct model *m = p->m;
    for (uint64_t t = 0; t < turns && !m->bad && !p->dead && !env_sim_is_cut(p->env); t++) {
        if (m->frames >= FRAMES) {
            break;
        }
        uint64_t what = model_rnd(m, 40);
        if (m->calm && what >= 31 && model_rnd(m, 12) != 0) {
            what = 0;
        }
        if (m->relaxed && what >= 20 && what < 26) {
            what = 30;
        }
        if (store_ready(p->store)) {
            if (what < 26) {
                produce(p);
            } else if (what < 29) {
                add_part(p);
            } else if (what == 29) {
                remove_part(p);
            } else if (what == 30) {
                delete_records(p);
            }
        }
        if (what == 31 || what == 32) {
            store_checkpoint_request(p->store);
            store_tick(p->store);
        } else if (what == 33) {
            env_sim_advance_ns(p->env, 1000000000u * model_rnd(m, 4));
            store_tick(p->store);
        } else if (what >= 34 && what < 37) {
            look(p);
        } else if (what == 37) {
            store_tick(p->store);
        } else if (what == 38) {
            jump_clock(p);
        } else if (what == 39) {
            env_sim_advance_ns(p->env, UINT64_C(1800000000000) * model_rnd(m, 5));
            store_tick(p->store);
        }
        if (model_rnd(m, m->calm ? 100 : 12) == 0) {
            rewrite(p);
        }
        if (model_rnd(m, 3) != 0) {
            store_kick(p->store, model_rnd(m, 2) == 0);
        }
        if (model_rnd(m, 6) == 0) {
            flush_some(p);
        }
        let_run(p, model_rnd(m, 6));
        if (!env_sim_is_cut(p->env) && !p->dead) {
            see_starts(p);
            store_watch_look(&p->watch, p->store);
        }
    }
}

/* Until everything is done, so that a clean end is one. */
static void drain(struct proc *p)
{
    for (int i = 0; i < 1000 && !p->dead && !env_sim_is_cut(p->env) &&
                    !(list_empty(&p->flights) && list_empty(&p->rewritings));
         i++) {
        store_kick(p->store, true);
        store_tick(p->store);
        let_run(p, 100);
    }
}

/* ---- Crashing ------------------------------------------------------------------------------- */

/* Some worlds have a slow disk. */
static struct env *world(uint64_t seed)
{
    struct env *env;
    struct env_sim_config cfg = {
        .seed = seed, .write_ns = 20000, .sync_ns = 100000, .slow_jobs = seed % 2 == 0};
    if (env_sim_create(&cfg, &env) != ERR_OK) {
        abort();
    }
    if (seed % 4 == 3) {
        env_sim_set_slow(env, 12, 2500000000u);
        count_kind(KIND_SLOW);
    }
    return env;
}

/* Flips a bit in the newer image while the older one is good: the next start must not need it. */
static bool rot_image(struct proc *p)
{
    const struct store *s = p->store;
    if (!s->slots[0].valid || !s->slots[1].valid || s->work != WORK_IDLE) {
        return false;
    }
    uint64_t size;
    uint8_t *bytes =
        env_sim_file_bytes(p->env, s->newest == 0 ? "/d/checkpoint-a" : "/d/checkpoint-b", &size);
    if (bytes != NULL) {
        bytes[model_rnd(p->m, IMAGE_HEADER_SIZE + 30)] ^= 1;
        bytes[40] ^= 1; /* never a byte that nobody reads */
        count_kind(KIND_ROTTEN_IMAGE);
    }
    return bytes != NULL;
}

/* The same while a batch is being written over: with a cut then, two faults at once. */
static void rot_in_rewrite(struct proc *p)
{
    struct model *m = p->m;
    rewrite_newest_of_os(p);
    for (int i = 0; i < 400 && !list_empty(&p->rewritings) && !p->store->rewriting && !p->dead &&
                    !env_sim_is_cut(p->env);
         i++) {
        store_kick(p->store, true);
        store_tick(p->store);
        let_run(p, 1);
    }
    if (p->store->rewriting) {
        let_run(p, model_rnd(m, 4));
        count_kind_n(KIND_ROTTEN_IN_REWRITE, rot_image(p));
    }
}

/* The process of `m` has ended. Judge what a start finds, go on, end again: `depth` times. `kill`:
 * the first end may have been one of the process alone. */
static void crash_again(struct env *env, struct model *m, uint64_t choice, int depth, bool kill)
{
    bool clean = false;
    for (int i = 0; i < depth && !m->bad && !m->given_up; i++) {
        struct proc p;
        if (!clean) {
            const bool killed = model_rnd(m, 6) == 0 && (kill || i > 0) && !env_sim_is_cut(env);
            crash_and_count(env, m->going, killed, i == 0, choice + 8 * (uint64_t)i);
        }
        const bool last = i + 1 == depth;
        const uint64_t left = model_rnd(m, 3) == 0 ? model_rnd(m, 40) : model_rnd(m, 300);
        env_sim_cut_at(env, last ? UINT64_MAX : env_sim_ops(env) + left);
        const bool started = proc_start(&p, env, m, clean) == ERR_OK && !env_sim_is_cut(env);
        clean = false;
        if (started) {
            work(&p, last ? 2 : 30);
        }
        m->going = proc_going(&p, started);
        if (started && !env_sim_is_cut(env) && !p.dead) {
            if (model_rnd(m, 4) == 0) {
                drain(&p);
                clean = list_empty(&p.flights) && list_empty(&p.rewritings);
                if (!clean && !env_sim_is_cut(env) && !p.dead) {
                    model_bad(m, "frames hang: the store does not come to rest");
                }
            } else if (model_rnd(m, 8) == 0) {
                (void)rot_image(&p);
                env_sim_process_kill(env);
            } else if (model_rnd(m, 8) == 0) {
                rot_in_rewrite(&p);
                env_sim_process_kill(env);
            } else if (model_rnd(m, 2) == 0) {
                env_sim_process_kill(env);
            }
        }
        env_sim_cut_at(env, UINT64_MAX);
        const bool cut = env_sim_is_cut(env);
        proc_end(&p);
        clean = clean && !cut && !p.dead;
        count_kind_n(KIND_DID_CLEAN_STOP, clean);
    }
}

/* A life from an empty disk, cut before operation `at` or killed at its end. */
static void first_life(struct env *env, struct model *m, uint64_t turns, uint64_t at)
{
    struct proc p;
    env_sim_cut_at(env, at);
    const bool started = proc_start(&p, env, m, false) == ERR_OK && !env_sim_is_cut(env);
    if (started) {
        work(&p, turns);
    }
    m->going = proc_going(&p, started);
    if (!env_sim_is_cut(env)) {
        env_sim_process_kill(env);
    }
    proc_end(&p);
}

static struct model *model_new(void)
{
    struct model *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        abort();
    }
    return m;
}

static void model_init(struct model *m, uint64_t seed)
{
    memset(m, 0, sizeof(*m));
    m->rng = seed * 1000003;
    m->calm = run_mix(seed) % 3 == 0;
    m->relaxed = run_mix(seed) / 3 % 8 == 1;
}

/* One seed: a run is cut at `points` of its operations (all, if there are no more), each in several
 * ways, and goes on from there. */
static bool run_seed(uint64_t seed, uint64_t points, uint64_t choices, char *why, size_t size)
{
    struct model *m = model_new(), *saved = model_new();
    const uint64_t turns = 20 + run_mix(seed) % 150;
    struct env *env = world(seed);
    model_init(m, seed);
    first_life(env, m, turns, UINT64_MAX);
    const uint64_t ops = env_sim_ops(env);
    env_destroy(env);
    for (uint64_t k = 0; k < points && k < ops && !m->bad; k++) {
        const uint64_t at = points >= ops ? k : run_mix(seed + k) % ops;
        env = world(seed);
        model_init(m, seed);
        first_life(env, m, turns, at);
        struct env_sim_disk *disk = env_sim_disk_save(env);
        *saved = *m;
        for (uint64_t c = 0; c < choices && !m->bad; c++) {
            *m = *saved;
            m->rng += c << 32;
            m->jumps++; /* the clock is not restored */
            env_sim_disk_restore(env, disk);
            crash_again(env, m, seed * 136 + k * 16 + c, 4, true);
        }
        if (m->bad) {
            snprintf(why, size, "seed %llu, cut at %llu: %s", (unsigned long long)seed,
                     (unsigned long long)at, m->why);
        }
        env_sim_disk_free(disk);
        env_destroy(env);
    }
    const bool bad = m->bad;
    if (bad && why[0] == '\0') {
        snprintf(why, size, "seed %llu: %s", (unsigned long long)seed, m->why);
    }
    free(m);
    free(saved);
    return !bad;
}

/* ---- Failing operations and allocations ----------------------------------------------------- */

static const enum env_sim_op fail_kinds[] = {ENV_SIM_OP_COUNT, ENV_SIM_READ, ENV_SIM_WRITE,
                                             ENV_SIM_SYNC,     ENV_SIM_OPEN, ENV_SIM_ALLOCATE};

/* The k-th operation of a kind fails in a first life. false: there were not so many. */
static bool fail_in_life(uint64_t seed, enum env_sim_op kind, uint64_t k, struct model *m)
{
    struct env *env = world(seed);
    model_init(m, seed);
    env_sim_fail_nth(env, kind, k, kind == ENV_SIM_OPEN && k % 3 == 0 ? ERR_NO_DESCRIPTORS : ERR_IO,
                     model_rnd(m, 2) == 0);
    m->may_fail = true;
    /* Without its reserve (a file of its own) the store takes no batches. */
    m->may_lose_space = kind != ENV_SIM_WRITE && kind != ENV_SIM_SYNC;
    first_life(env, m, 40, UINT64_MAX);
    const bool reached = env_sim_ops(env) > k;
    env_sim_fail_nth(env, kind, 0, ERR_OK, false);
    m->may_lose_space = m->may_fail = false;
    count_kind(KIND_FAILED_OP);
    crash_again(env, m, seed + k, 2, false);
    env_destroy(env);
    return reached;
}

/* Each k-th operation of a kind fails: every k with a `step` of 1. */
static bool run_failures(uint64_t seed, uint64_t step, char *why, size_t size)
{
    struct model *m = model_new();
    for (size_t kind = 0; kind < ARRAY_LEN(fail_kinds) && !m->bad; kind++) {
        for (uint64_t k = 1 + seed % step; fail_in_life(seed, fail_kinds[kind], k, m); k += step) {
            if (m->bad) {
                snprintf(why, size, "seed %llu, operation %llu (kind %d) failed: %s",
                         (unsigned long long)seed, (unsigned long long)k, (int)fail_kinds[kind],
                         m->why);
                break;
            }
        }
    }
    const bool bad = m->bad;
    free(m);
    return !bad;
}

static uint64_t alloc_countdown;

static int alloc_fails(void *ctx, size_t n)
{
    (void)ctx;
    (void)n;
    return alloc_countdown > 0 && --alloc_countdown == 0;
}

/* Each k-th allocation of a first life fails. */
static bool run_allocs(uint64_t seed, uint64_t step, char *why, size_t size)
{
    struct model *m = model_new();
    bool reached = true;
    for (uint64_t k = 1 + seed % step; reached && !m->bad; k += step) {
        struct env *env = world(seed);
        model_init(m, seed);
        m->may_lose_memory = true;
        alloc_countdown = k;
        mem_set_fail_hook(alloc_fails, NULL);
        first_life(env, m, 40, UINT64_MAX);
        mem_set_fail_hook(NULL, NULL);
        reached = alloc_countdown == 0;
        alloc_countdown = 0;
        m->may_lose_memory = false;
        count_kind(KIND_FAILED_ALLOC);
        crash_again(env, m, seed + k, 2, true);
        env_destroy(env);
        if (m->bad) {
            snprintf(why, size, "seed %llu, allocation %llu failed: %s", (unsigned long long)seed,
                     (unsigned long long)k, m->why);
        }
    }
    const bool bad = m->bad;
    free(m);
    return !bad;
}

/* One start on the disk that `saved` was cut on, in which the k-th operation of a kind fails, or
 * (kind -1) the k-th allocation. Then a start without harm. false: there were not so many. */
static bool fail_in_start(struct env *env, const struct env_sim_disk *disk,
                          const struct model *saved, int kind, uint64_t k, struct model *m)
{
    struct proc p;
    *m = *saved;
    m->jumps++; /* the clock is not restored */
    env_sim_disk_restore(env, disk);
    env_sim_power_cut(env, k);
    const uint64_t before = env_sim_ops(env);
    if (kind < 0) {
        m->may_lose_memory = true;
        alloc_countdown = k;
        mem_set_fail_hook(alloc_fails, NULL);
    } else {
        const enum err e = kind == ENV_SIM_OPEN && k % 2 == 0 ? ERR_NO_DESCRIPTORS : ERR_IO;
        m->may_fail = true;
        env_sim_fail_nth(env, (enum env_sim_op)kind, k, e, k % 3 == 0);
    }
    const bool started = proc_start(&p, env, m, false) == ERR_OK;
    const bool reached = kind < 0 ? alloc_countdown == 0 : env_sim_ops(env) - before > k;
    mem_set_fail_hook(NULL, NULL);
    alloc_countdown = 0;
    if (kind >= 0) {
        env_sim_fail_nth(env, (enum env_sim_op)kind, 0, ERR_OK, false);
    }
    if (started && !p.dead && !m->bad) {
        work(&p, 5);
    }
    m->going = proc_going(&p, started);
    m->may_lose_memory = m->may_fail = false;
    env_sim_process_kill(env);
    proc_end(&p);
    count_kind(kind < 0 ? KIND_FAILED_ALLOC_IN_START : KIND_FAILED_OP_IN_START);
    crash_again(env, m, run_mix(k), 2, false);
    return reached;
}

/* Each k-th operation and allocation of a recovery fails. */
static bool run_starts(uint64_t seed, uint64_t step, char *why, size_t size)
{
    struct model *m = model_new(), *saved = model_new();
    struct env *env = world(seed);
    model_init(saved, seed);
    first_life(env, saved, 60, UINT64_MAX);
    struct env_sim_disk *disk = env_sim_disk_save(env);
    for (size_t kind = 0; kind <= ARRAY_LEN(fail_kinds) && !m->bad; kind++) {
        const int what = kind < ARRAY_LEN(fail_kinds) ? (int)fail_kinds[kind] : -1;
        for (uint64_t k = 1 + seed % step; fail_in_start(env, disk, saved, what, k, m); k += step) {
            if (m->bad) {
                snprintf(why, size, "seed %llu, %s %llu (kind %d) of a recovery failed: %s",
                         (unsigned long long)seed, what < 0 ? "allocation" : "operation",
                         (unsigned long long)k, what, m->why);
                break;
            }
        }
    }
    const bool bad = m->bad;
    env_sim_disk_free(disk);
    env_destroy(env);
    free(m);
    free(saved);
    return !bad;
}

/* ---- A device that does not answer ---------------------------------------------------------- */

/* More and more, until the store is not ready any more; or it goes on, because what hangs is not in
 * its way. */
static void push(struct proc *p)
{
    struct model *m = p->m;
    const uint32_t acked = m->acked;
    uint64_t taken = 0;
    for (int i = 0; i < 300 && m->frames < FRAMES && !m->bad && !p->dead; i++) {
        struct store_frame *sf = store_ready(p->store) ? store_frame_begin(p->store) : NULL;
        if (sf != NULL) {
            struct flight *f = flight_new(p, 'f');
            if (flight_fact(f, sf) != ERR_OK) {
                store_frame_drop(sf);
                flight_free(f);
                break;
            }
            flight_go(p, f, sf);
            taken += FILLER;
        }
        store_kick(p->store, true);
        store_tick(p->store);
        let_run(p, 4);
        if (env_sim_is_cut(p->env)) {
            return;
        }
    }
    if (m->acked == acked && taken > 3u * (64u << 10)) {
        model_bad(m, "a device that does not answer, and the store has taken %llu bytes more",
                  (unsigned long long)taken);
    }
}

/* Some operation never returns. What needs it hangs, the rest goes on, new work is refused before
 * memory fills up, and after the power cut nothing is missing that was acknowledged. */
static bool run_stuck(uint64_t seed, char *why, size_t size)
{
    static const enum env_sim_op stick[] = {ENV_SIM_OP_COUNT, ENV_SIM_WRITE,  ENV_SIM_SYNC,
                                            ENV_SIM_ALLOCATE, ENV_SIM_RENAME, ENV_SIM_READ};
    struct model *m = model_new();
    for (uint64_t round = 0; round < 12 && !m->bad; round++) {
        struct env *env = world(seed);
        struct proc p;
        model_init(m, seed * 131 + round);
        m->reads_may_hang = true;
        const bool started = proc_start(&p, env, m, false) == ERR_OK;
        env_sim_stick_nth(env, stick[round % ARRAY_LEN(stick)], 1 + model_rnd(m, 60),
                          model_rnd(m, 2) == 0);
        for (int i = 0; started && i < 20 && !env_sim_is_stuck(env); i++) {
            work(&p, 10);
        }
        if (env_sim_is_stuck(env)) {
            count_kind(KIND_STUCK);
            work(&p, 30);
            push(&p);
        }
        m->going = proc_going(&p, started);
        if (!env_sim_is_cut(env)) {
            env_sim_process_kill(env);
        }
        proc_end(&p);
        m->reads_may_hang = false;
        crash_again(env, m, seed + round, 2, true);
        env_destroy(env);
        if (m->bad) {
            snprintf(why, size, "seed %llu, stuck in round %llu: %s", (unsigned long long)seed,
                     (unsigned long long)round, m->why);
        }
    }
    const bool bad = m->bad;
    free(m);
    return !bad;
}

/* ---- A full disk ---------------------------------------------------------------------------- */

/* The disk fills up and has room again: the store lives on, facts go on, and nothing is lost. */
static bool run_full(uint64_t seed, char *why, size_t size)
{
    struct model *m = model_new();
    struct env *env = world(seed);
    struct proc p;
    model_init(m, seed);
    m->calm = false; /* a checkpoint that met the full disk is tried again after a second */
    env_sim_set_disk_bytes(env, 500000);
    if (proc_start(&p, env, m, false) == ERR_OK) {
        m->may_lose_space = true;
        for (int round = 0; round < 4 && !m->bad; round++) {
            uint64_t free_bytes, total;
            env_sim_set_disk_bytes(env, 8u << 20);
            work(&p, 20 + model_rnd(m, 60));
            if (!p.dead && env_fs_space(env, "/d", &free_bytes, &total, NULL) == ERR_OK) {
                env_sim_set_disk_bytes(env, total - free_bytes + model_rnd(m, 40000));
            }
            const uint32_t acked = m->acked;
            work(&p, 150);
            drain(&p);
            if (p.dead) {
                model_bad(m, "a full disk stopped the store");
            } else if (m->acked == acked && m->frames < FRAMES) {
                model_bad(m, "a full disk stopped facts");
            }
        }
        env_sim_set_disk_bytes(env, 8u << 20);
        for (int i = 0; i < 20 && !p.dead; i++) {
            env_sim_advance_ns(env, 500000000);
            store_tick(p.store);
            let_run(&p, 1000);
        }
        struct store_stats st;
        store_stats_get(p.store, &st);
        if (st.out_of_space || st.tail_memory_bytes > 24 << 10) {
            model_bad(m, "space is back and the store did not notice");
        }
        m->may_lose_space = false;
        work(&p, 20);
    }
    env_sim_process_kill(env);
    proc_end(&p);
    count_kind(KIND_FULL_DISK);
    crash_again(env, m, seed, 2, true);
    env_destroy(env);
    const bool bad = m->bad;
    if (bad) {
        snprintf(why, size, "seed %llu, full disk: %s", (unsigned long long)seed, m->why);
    }
    free(m);
    return !bad;
}

/* ---- What one seed is good for -------------------------------------------------------------- */

static bool one_seed(uint64_t s, bool every, char *why, size_t size)
{
    /* Most seeds are cut at some operations in many ways, some at each operation in two; all fail
     * at some operations and allocations, those of `every` at each. */
    const bool each = s % 8 == 1, some = every || s % 16 == 5;
    return run_seed(s, each ? UINT64_MAX : 40, each ? 2 : 8, why, size) && run_full(s, why, size) &&
           run_stuck(s, why, size) &&
           (!some ||
            (run_failures(s, every ? 1 : 11, why, size) &&
             run_allocs(s, every ? 1 : 13, why, size) && run_starts(s, every ? 1 : 5, why, size)));
}

static bool fault_seed(uint64_t s, char *why, size_t size)
{
    return run_seed(s, 40, 4, why, size) && run_full(s, why, size);
}

#ifdef LEAT_DEBUG
static const struct fault_row faults[] = {
#define FAULT(program, name, on, wrong, breaks) FAULT_##program(name, on, wrong, breaks)
#define FAULT_store(name, on, wrong, breaks)    {name, &on, wrong, breaks},
#define FAULT_wal(name, on, wrong, breaks)
#define FAULT_proc(name, on, wrong, breaks)
#define FAULT_service(name, on, wrong, breaks)
#define FAULT_engine(name, on, wrong, breaks)
#define FAULT_es(name, on, wrong, breaks)
#include "faults.def"
};
#define FAULTS ARRAY_LEN(faults)
#else
static const struct fault_row *const faults = NULL;
#define FAULTS 0
#endif

int main(int argc, char **argv)
{
    const struct run_program p = {.name = "store_crash",
                                  .bit = RUN_STORE,
                                  .seed = one_seed,
                                  .fault_seed = fault_seed,
                                  .faults = faults,
                                  .fault_count = FAULTS};
    return run_main(&p, argc, argv);
}
