/*
 * Opening, closing, the turn of the loop, and what can be seen from outside. What a start does
 * stands in recover.c, what a stop leaves in checkpoint.c.
 */
#include "store/store.h"

#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/ahead.h"

#ifdef LEAT_DEBUG
struct store_faults store_faults;
#endif

void store_config_init(struct store_config *cfg)
{
    *cfg = (struct store_config){
        .ring_file_bytes = 16u << 20,
        .ring_file_count = 8,
        .inline_max_bytes = 64u << 10,
        .checkpoint_bytes = 1u << 30,
        .checkpoint_ms = 60000,
        .tail_memory_bytes = 32u << 20,
        .pack_direct_min_bytes = 64u << 10,
        .min_free_bytes = 64u << 20,
        .image_max_bytes = 1u << 30,
        .scrub_bytes_per_second = 2u << 20,
        .scrub_interval_ms = 24 * 3600 * 1000,
    };
}

static enum err config_check(const struct store_config *cfg, struct ectx *ec)
{
    if (cfg->dir == NULL || cfg->dir[0] == '\0' || strlen(cfg->dir) > STORE_PATH_MAX / 2) {
        return ectx_fail(ec, ERR_CONFIG, "the data directory's name is missing or too long");
    }
    if (cfg->ring_file_bytes < 64u << 10 || cfg->ring_file_bytes % ENV_BLOCK != 0 ||
        cfg->ring_file_count < 3) {
        return ectx_fail(ec, ERR_CONFIG,
                         "the ring needs at least 3 files of 64 KiB or more, whole blocks");
    }
    return ERR_OK;
}

static void on_wal_failure(void *ctx, const struct ectx *ec)
{
    store_fail(ctx, ec);
}

/* The rest of the descriptors is for connections and for everything else. */
static uint32_t open_files_max(struct env *env)
{
    const uint64_t share = env_open_files_limit(env) / STORE_OPEN_FILES_SHARE;
    return share == 0 || share > STORE_OPEN_FILES_MAX ? STORE_OPEN_FILES_MAX
           : share < STORE_OPEN_FILES_MIN             ? STORE_OPEN_FILES_MIN
                                                      : (uint32_t)share;
}

static enum err store_new(struct env *env, struct env_poll *poll, const struct store_config *cfg,
                          const struct store_participant *participants, size_t count,
                          struct store **out)
{
    struct store *s = mem_new(struct store);
    if (s == NULL) {
        return ERR_NO_MEMORY;
    }
    s->env = env;
    s->poll = poll;
    s->cfg = *cfg;
    s->open_max = open_files_max(env);
    pool_init(&s->own_pool, STORE_POOL_KEEP);
    s->pool = cfg->pool != NULL ? cfg->pool : &s->own_pool;
    map_init(&s->parts);
    map_init(&s->dirs);
    map_init(&s->image_parts);
    map_init(&s->removed);
    map_init(&s->asides);
    list_init(&s->part_list);
    list_init(&s->tail_parts);
    list_init(&s->aheads);
    list_init(&s->dirty_segs);
    list_init(&s->open_files);
    list_init(&s->drops);
    list_init(&s->waiting);
    list_init(&s->reads_waiting);
    list_init(&s->rewrites);
    list_init(&s->flying);
    list_init(&s->pending);
    list_init(&s->syncs);
    s->dir = str_dup_z(str_of(cfg->dir));
    s->participant_copy = mem_zalloc(count + 1, sizeof(*participants));
    if (s->dir == NULL || s->participant_copy == NULL) {
        mem_free(s->participant_copy);
        mem_free(s->dir);
        mem_free(s);
        return ERR_NO_MEMORY;
    }
    s->cfg.dir = s->dir;
    size_t n = strlen(s->dir);
    while (n > 1 && s->dir[n - 1] == '/') {
        s->dir[--n] = '\0';
    }
    if (count > 0) {
        memcpy(s->participant_copy, participants, count * sizeof(*participants));
    }
    s->participants = s->participant_copy;
    s->participant_count = count;
    /* What waits for packing, the blocks that it begins in many files, and the images' growth. */
    s->reserve_bytes =
        2 * (s->cfg.tail_memory_bytes < 64u << 20 ? s->cfg.tail_memory_bytes : 64u << 20) +
        (256u << 10);
    *out = s;
    return ERR_OK;
}

void pending_add(struct store *s, struct pending *p, void (*abandon)(struct pending *p))
{
    p->abandon = abandon;
    list_push_back(&s->pending, &p->link);
}

static void store_free(struct store *s)
{
    if (s->wal != NULL) {
        wal_close(s->wal);
    }
    frames_abandon(s);
    sync_free(s);
    scrub_free(s);
    LIST_FOR_EACH (n, tmp, &s->pending) {
        struct pending *p = CONTAINER_OF(n, struct pending, link);
        list_remove(n);
        p->abandon(p);
    }
    rewrites_free(s);
    part_free_all(s);
    LIST_FOR_EACH (n, tmp, &s->drops) {
        struct dropped_file *d = CONTAINER_OF(n, struct dropped_file, link);
        list_remove(n);
        mem_free(d->path);
        mem_free(d);
    }
    struct map_iter it = {0};
    while (map_next(&s->image_parts, &it)) {
        mem_free(it.value);
    }
    map_deinit(&s->image_parts);
    map_deinit(&s->removed);
    aside_free(s);
    map_deinit(&s->asides);
    map_deinit(&s->parts);
    map_deinit(&s->dirs);
    pool_deinit(&s->own_pool);
    store_dir_close(s);
    mem_free(s->participant_copy);
    mem_free(s->dir);
    mem_free(s);
}

enum err store_open(struct env *env, struct env_poll *poll, const struct store_config *cfg,
                    const struct store_participant *participants, size_t count, struct store **out,
                    struct ectx *ec)
{
    enum err e = config_check(cfg, ec);
    struct store *s;
    if (e != ERR_OK) {
        return e;
    }
    e = store_new(env, poll, cfg, participants, count, &s);
    if (e != ERR_OK) {
        return ectx_fail(ec, e, "no memory for the store");
    }
    for (size_t i = 0; i < count; i++) {
        if (participants[i].attach != NULL) {
            participants[i].attach(participants[i].ctx, s);
        }
    }
    e = store_dir_open(s, ec);
    if (e == ERR_OK) {
        store_reserve_find(s);
        s->last_checkpoint_ns = env_mono_ns(env);
        s->guard_wall_ms = env_wall_ms(env);
        s->guard_mono_ns = env_mono_ns(env);
        s->stall.moved_ns = env_mono_ns(env);
        e = recover_run(s, ec);
    }
    if (e != ERR_OK) {
        store_free(s);
        return e;
    }
    wal_on_failure(s->wal, on_wal_failure, s);
    store_reserve_make(s);
    store_space_check(s);
    s->was_ready = store_ready(s);
    s->visible_position = s->last_position;
    *out = s;
    LOG_INFO("store.opened", KV_Z("dir", s->dir),
             KV_Z("stop_before", s->recovery.clean ? "clean" : "unclean"),
             KV_U64("frames", s->recovery.frames), KV_U64("batches", s->recovery.batches),
             KV_U64("damaged_ranges", s->recovery.damaged_ranges),
             KV_U64("relaxed_partitions", s->relaxed_parts),
             KV_U64("took_us", s->recovery.took_ns / 1000));
    return ERR_OK;
}

void store_close(struct store *s)
{
    if (s == NULL) {
        return;
    }
    s->closing = true;
    s->barrier = false;
    s->hooks = (struct store_hooks){0};
    /* An open frame that the caller has left behind is nothing to wait for, nor is a machine that
     * stands still. */
    bool moves = true;
    while (moves && (s->work != WORK_IDLE ||
                     (!s->failed &&
                      (s->frames_flying > 0 || !list_empty(&s->waiting) || !wal_idle(s->wal))))) {
        if (!s->failed) {
            wal_kick(s->wal, true);
        }
        moves = env_poll_run(s->poll, 100u * 1000 * 1000) > 0 || env_job_pending(s->poll) > 0;
        moves = moves || (!s->failed && frames_idle(s) && s->work == WORK_IDLE);
    }
    while (!list_empty(&s->pending) && env_job_pending(s->poll) > 0) {
        (void)env_poll_run(s->poll, 100u * 1000 * 1000);
    }
    if (!s->failed && s->work == WORK_IDLE && frames_idle(s) && !s->rewriting) {
        struct ectx ec;
        if (checkpoint_now(s, true, &ec) != ERR_OK) {
            LOG_WARN("store.unclean_stop", KV_ERR(&ec));
        }
    }
    store_free(s);
}

void store_recovery_get(const struct store *s, struct store_recovery *out)
{
    *out = s->recovery;
}

struct uuid store_id(const struct store *s)
{
    return s->id;
}

void store_set_hooks(struct store *s, const struct store_hooks *hooks)
{
    s->hooks = *hooks;
}

uint64_t store_visible_position(const struct store *s)
{
    return s->visible_position;
}

/* ---- The turn of the loop ------------------------------------------------------------------- */

bool store_ready(const struct store *s)
{
    if (s->failed || s->barrier || s->closing || s->wal == NULL ||
        (!list_empty(&s->waiting) && !STORE_FAULT(overtake)) ||
        s->tail_bytes >= s->cfg.tail_memory_bytes) {
        return false;
    }
    /* Frames that are open have been promised room. */
    const uint64_t each = 2 * (uint64_t)s->frame_max + 3 * ENV_BLOCK;
    return wal_has_room(s->wal, s->frame_max + 4096) &&
           (s->frames_open == 0 ||
            wal_used_bytes(s->wal) + (s->frames_open + 1) * each <= wal_capacity_bytes(s->wal));
}

void store_ready_check(struct store *s)
{
    const bool ready = store_ready(s);
    const bool became = ready && !s->was_ready;
    s->was_ready = ready;
    if (became && s->hooks.on_ready != NULL) {
        s->hooks.on_ready(s->hooks.ctx);
    }
}

void store_kick(struct store *s, bool may_block)
{
    ENV_CHECK_LOOP(s->poll);
    if (s->failed) {
        return;
    }
    rewrite_tick(s);
    wal_kick(s->wal, may_block);
    checkpoint_tick(s);
    store_ready_check(s);
}

void store_tick(struct store *s)
{
    ENV_CHECK_LOOP(s->poll);
    if (s->failed || s->closing) {
        return;
    }
    const uint64_t now = env_mono_ns(s->env);
    if (now >= s->space_after_ns) {
        s->space_after_ns = now + 100u * 1000 * 1000;
        store_space_check(s);
        stall_tick(s);
    }
    if (now >= s->retain_after_ns) {
        s->retain_after_ns = now + STORE_RETAIN_NS;
        retain_tick(s);
        index_evict(s);
        ahead_tick(s);
        pool_trim(&s->own_pool);
    }
    checkpoint_tick(s);
    scrub_tick(s);
    rewrite_tick_slow(s);
    frames_submit(s);
    wal_kick(s->wal, false);
    store_ready_check(s);
}

void store_checkpoint_request(struct store *s)
{
    s->checkpoint_asked = true;
}

void store_stats_get(const struct store *s, struct store_stats *out)
{
    struct store_stats st = s->stats;
    struct wal_stats w;
    wal_stats_get(s->wal, &w);
    st.ring_used_bytes = wal_used_bytes(s->wal);
    st.ring_capacity_bytes = wal_capacity_bytes(s->wal);
    st.groups = w.groups;
    st.frames = w.frames;
    st.flush_ns_sum = w.flush_ns_sum;
    st.ring_bytes = w.ring_bytes;
    st.place_bytes = w.place_bytes;
    st.groups_on_caller = w.groups_on_caller;
    st.tail_memory_bytes = s->tail_bytes;
    st.free_bytes = s->free_bytes;
    st.total_bytes = s->total_bytes;
    st.out_of_space = s->out_of_space;
    st.ring_erasure_due = s->erase_ring_to > 0;
    st.open_files = s->open_count;
    st.part_count = s->part_count;
    st.relaxed_parts = s->relaxed_parts;
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        const struct store_part *p = CONTAINER_OF(n, struct store_part, link);
        st.segment_files += p->seg_count;
        st.damaged_ranges += p->damage_count;
        for (uint32_t i = 0; i < p->seg_count; i++) {
            st.segment_bytes += p->segs[i]->size;
        }
    }
    *out = st;
}
