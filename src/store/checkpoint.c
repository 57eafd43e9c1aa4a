/*
 * Checkpoints. Steps, and why in this order:
 *
 *   loop    barrier: no new frames until nothing is in flight    so that the snapshot is a point in
 * the log loop    snapshot into memory, list of what to pack and flush; barrier off worker  pack;
 * flush segments; make their folder entries durable worker  write the image over the older slot;
 * flush it         it names only what is flushed worker  unlink dropped files that neither image
 * names loop    release the ring behind the older of the two images
 *
 * A failed flush stops the store. Anything else (no memory, no space) is tried again later; the log
 * goes on as long as the ring has room.
 */
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/store_int.h"

enum {
    SPAN_LEAST = 12 << 20,     /* so much asks for a pack, if the tail's memory is the default */
    SPAN_PER_FILE = 128 << 10, /* opening and flushing a file is not worth less: a judgement */
    SPAN_PER_IMAGE = 32,       /* for each byte, so that images add 3 % to what is written */
};

void store_fail(struct store *s, const struct ectx *ec)
{
    if (s->failed) {
        return;
    }
    s->failed = true;
    atomic_store(&s->harmed, true);
    s->barrier = false;
    LOG_ERROR("store.stopped", KV_ERR(ec));
    if (s->hooks.on_failure != NULL) {
        s->hooks.on_failure(s->hooks.ctx, ec);
    }
}

void checkpoint_free(struct checkpoint *c)
{
    pack_free(&c->pack);
    buf_deinit(&c->image);
    mem_free(c->drops);
    mem_free(c);
}

/* ---- Worker --------------------------------------------------------------------------------- */

static enum err sync_dirs(struct checkpoint *c, struct ectx *ec)
{
    struct env *env = c->store->env;
    char path[STORE_PATH_MAX], done[STORE_PATH_MAX] = "";
    enum err e = ERR_OK;
    bool topics = false;
    for (size_t i = 0; e == ERR_OK && i < c->pack.item_count; i++) {
        const struct pack_item *it = &c->pack.items[i];
        if (!it->new_entry) {
            continue;
        }
        topics = topics || it->new_dir;
        (void)snprintf(path, sizeof(path), "%s", it->path);
        *strrchr(path, '/') = '\0';
        if (strcmp(path, done) != 0) {
            e = env_dir_sync(env, path, ec);
            memcpy(done, path, sizeof(done));
        }
    }
    if (e == ERR_OK && topics) {
        store_path(c->store->dir, "topics", path);
        e = env_dir_sync(env, path, ec);
    }
    return e;
}

static enum err flush_segments(struct checkpoint *c, struct ectx *ec)
{
    enum err e = ERR_OK;
    if (c->sync_all) {
        e = env_fs_sync(c->store->env, c->store->dir, ec);
    } else if (!STORE_FAULT(skip_dir_sync)) {
        e = sync_dirs(c, ec);
    }
    c->fatal = c->fatal || dir_flush_failed(e);
    return e;
}

/* Files that both images have forgotten. What cannot be unlinked now is tried again. */
static enum err unlink_drops(struct checkpoint *c, struct ectx *ec)
{
    struct env *env = c->store->env;
    char path[STORE_PATH_MAX];
    for (size_t i = 0; i < c->drop_count; i++) {
        struct dropped_file *d = c->drops[i];
        store_path(c->store->dir, d->path, path);
        enum err e = env_unlink(env, path, ec);
        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            return e;
        }
        memcpy(strrchr(path, '.'), ".idx", 5);
        e = env_unlink(env, path, ec);
        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            return e;
        }
        *strrchr(path, '/') = '\0';
        e = env_dir_sync(env, path, ec);
        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            return e;
        }
        d->gone = true;
    }
    return ERR_OK;
}

/* A flush that failed elsewhere took from the cache what it should have written: a later one of the
 * same file or folder, as those of this checkpoint, succeeds and says nothing. */
static enum err nothing_failed(struct checkpoint *c, struct ectx *ec)
{
    const struct store *s = c->store;
    if (!atomic_load(&s->harmed) && !wal_harmed(s->wal)) {
        return ERR_OK;
    }
    c->fatal = true;
    return ectx_fail(ec, ERR_STOPPED, "a flush failed while a checkpoint was written");
}

static enum err checkpoint_work(struct checkpoint *c, struct ectx *ec)
{
    const struct store *s = c->store;
    const bool fresh = !s->slots[c->slot].present;
    enum err e = ERR_OK;
    if (STORE_FAULT(image_before_flush)) {
        e = image_write(s->env, s->dir, c->slot, &c->image, fresh, ec, &c->fatal);
    }
    if (e == ERR_OK) {
        e = pack_run(&c->pack, !c->sync_all, ec);
        c->fatal = c->fatal || c->pack.fatal;
    }
    if (e == ERR_OK) {
        e = flush_segments(c, ec);
    }
    if (e == ERR_OK) {
        e = nothing_failed(c, ec);
    }
    if (e == ERR_OK && !STORE_FAULT(image_before_flush)) {
        e = image_write(s->env, s->dir, c->slot, &c->image, fresh, ec, &c->fatal);
    }
    if (e == ERR_OK) {
        struct ectx drop_ec;
        const enum err gone = unlink_drops(c, &drop_ec);
        if (gone != ERR_OK) {
            LOG_WARN("segment.unlink_failed", KV_ERR(&drop_ec));
        }
    }
    return e;
}

static void checkpoint_run(struct env_job *job)
{
    struct checkpoint *c = CONTAINER_OF(job, struct checkpoint, job);
    c->err = checkpoint_work(c, &c->ec);
}

/* ---- Loop: the snapshot --------------------------------------------------------------------- */

static void parts_at_snapshot(struct store *s)
{
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        struct store_part *p = CONTAINER_OF(n, struct store_part, link);
        p->image_end = p->log_end; /* nothing is in flight */
        if (!p->relaxed) {
            continue;
        }
        if (p->cfg.durability == STORE_FSYNC) {
            p->relaxed = false;
            p->strengthening = true;
            s->relaxed_parts--;
        }
        if (!p->touched) {
            p->lease_end = p->lease_asked = p->log_end; /* nothing told beyond it: given back */
        }
        p->touched = false;
    }
}

static void parts_after_checkpoint(struct store *s, bool ok)
{
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        struct store_part *p = CONTAINER_OF(n, struct store_part, link);
        if (ok) {
            sync_note(p, p->image_end);
        }
        if (p->strengthening) {
            p->strengthening = false;
            if (!ok && !p->relaxed) {
                p->relaxed = true;
                s->relaxed_parts++;
                s->checkpoint_asked = true;
            }
        }
    }
}

static enum err drops_take(struct checkpoint *c)
{
    struct store *s = c->store;
    if (s->drop_count == 0) {
        return ERR_OK;
    }
    c->drops = mem_zalloc(s->drop_count, sizeof(struct dropped_file *));
    if (c->drops == NULL) {
        return ERR_NO_MEMORY;
    }
    const uint64_t now = env_mono_ns(s->env);
    LIST_FOR_EACH (n, tmp, &s->drops) {
        struct dropped_file *d = CONTAINER_OF(n, struct dropped_file, link);
        /* Image `c->sequence` and the one before it are there when the unlinking begins. */
        if (d->sequence < c->sequence && d->after_ns <= now) {
            c->drops[c->drop_count++] = d;
        }
    }
    return ERR_OK;
}

static enum err checkpoint_build(struct store *s, bool clean, struct checkpoint **out,
                                 struct ectx *ec)
{
    struct checkpoint *c = mem_new(struct checkpoint);
    if (c == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a checkpoint");
    }
    c->store = s;
    c->started_ns = env_mono_ns(s->env);
    c->position = wal_tail(s->wal);
    c->sequence = s->image_sequence + 1;
    c->slot = STORE_FAULT(single_image) ? 0 : 1 - s->newest;
    c->clean = clean;
    pack_init(&c->pack, s);
    buf_init(&c->image, s->cfg.image_max_bytes);
    enum err e = drops_take(c);
    if (e == ERR_OK) {
        parts_at_snapshot(s);
        e = pack_build(&c->pack, true,
                       clean); /* before the image: it says what indexes will hold */
        if (e == ERR_OK) {
            e = image_build(s, c->sequence, c->position, clean, &c->image);
            if (e != ERR_OK) {
                pack_finish(&c->pack, false, false);
            }
        }
        if (e != ERR_OK) {
            parts_after_checkpoint(s, false);
        }
    }
    if (e != ERR_OK) {
        checkpoint_free(c);
        return ectx_fail(ec, e,
                         e == ERR_LIMIT ? "the internal state is larger than image_max_bytes"
                                        : "no memory for a checkpoint");
    }
    s->checkpoint_cost_bytes =
        (uint64_t)c->pack.item_count * SPAN_PER_FILE + SPAN_PER_IMAGE * c->image.n;
    size_t flushes = 0;
    for (size_t i = 0; i < c->pack.item_count; i++) {
        struct pack_item *it = &c->pack.items[i];
        it->new_entry = !it->seg->durable;
        it->new_dir = !it->seg->dir->durable;
        flushes += it->flush ? 1 : 0;
    }
    c->sync_all = flushes > STORE_FLUSH_EACH_MAX;
    *out = c;
    return ERR_OK;
}

static void topic_dir_tidy(struct store *s, const char *file)
{
    char path[STORE_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s", file);
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return;
    }
    *slash = '\0';
    const char *name = strchr(path, '/');
    if (name != NULL && map_get(&s->dirs, str_of(name + 1)) == NULL) {
        char full[STORE_PATH_MAX + 8];
        store_path(s->dir, path, full);
        IGNORE(env_dir_remove(s->env, full, NULL)); /* fails while other files are in it */
    }
}

static void checkpoint_took_effect(struct checkpoint *c)
{
    struct store *s = c->store;
    s->slots[c->slot] = (struct image_slot){.present = true,
                                            .valid = true,
                                            .sequence = c->sequence,
                                            .position = c->position,
                                            .generation = s->generation,
                                            .clean = c->clean};
    s->newest = c->slot;
    s->image_sequence = c->sequence;
    const struct image_slot *older = &s->slots[1 - c->slot];
    wal_release(s->wal,
                older->valid && older->position < c->position ? older->position : c->position);
    for (size_t i = 0; i < c->drop_count; i++) {
        struct dropped_file *d = c->drops[i];
        if (d->gone) {
            topic_dir_tidy(s, d->path);
            list_remove(&d->link);
            s->drop_count--;
            mem_free(d->path);
            mem_free(d);
        }
    }
    s->stats.checkpoints++;
    s->stats.checkpoint_ns_last = env_mono_ns(s->env) - c->started_ns;
}

static enum err checkpoint_finish(struct checkpoint *c, struct ectx *ec)
{
    struct store *s = c->store;
    const enum err e = c->err;
    const bool fatal = c->fatal || e == ERR_IO || e == ERR_STOPPED;
    struct ectx unasked;
    ec = ec == NULL ? &unasked : ec;
    *ec = c->ec;
    pack_finish(&c->pack, e == ERR_OK, e == ERR_OK);
    parts_after_checkpoint(s, e == ERR_OK);
    if (e == ERR_OK) {
        checkpoint_took_effect(c);
        stall_succeeded(s, false);
    } else {
        s->stats.checkpoint_failures++;
        /* The slot may be half written, and is perhaps not in its folder yet: the next image in it
         * makes that durable again. */
        s->slots[c->slot].valid = false;
        s->slots[c->slot].present = false;
        s->checkpoint_asked = true;
        s->retry_after_ns = env_mono_ns(s->env) + STORE_RETRY_NS;
        if (fatal) {
            store_fail(s, ec);
        } else if (e == ERR_NO_SPACE && store_reserve_release(s, "a checkpoint met a full disk")) {
            s->retry_after_ns = 0;
        } else {
            stall_failed(s, false, ec);
            LOG_WARN("checkpoint.failed", KV_ERR(ec));
        }
    }
    checkpoint_free(c);
    return e;
}

static void checkpoint_done(struct env_job *job)
{
    struct checkpoint *c = CONTAINER_OF(job, struct checkpoint, job);
    struct store *s = c->store;
    struct ectx ec;
    s->work = WORK_IDLE;
    list_remove(&c->pending.link);
    IGNORE(checkpoint_finish(c, &ec)); /* reported there */
    frames_submit(s);
    checkpoint_barrier_check(s);
    store_ready_check(s);
}

static void checkpoint_abandon(struct pending *p)
{
    checkpoint_free(CONTAINER_OF(p, struct checkpoint, pending));
}

static void snapshot_noted(struct store *s)
{
    s->checkpoint_asked = false;
    s->changes_at_checkpoint = s->changes;
    s->placed_since = 0;
    s->last_checkpoint_ns = env_mono_ns(s->env);
}

void checkpoint_barrier_check(struct store *s)
{
    if (!s->barrier || s->failed || s->work != WORK_IDLE || !frames_idle(s) || s->rewriting) {
        return;
    }
    struct ectx ec;
    struct checkpoint *c;
    s->barrier = false;
    enum err e = checkpoint_build(s, false, &c, &ec);
    if (e != ERR_OK) {
        s->stats.checkpoint_failures++;
        s->retry_after_ns = env_mono_ns(s->env) + STORE_RETRY_NS;
        stall_failed(s, false, &ec);
        LOG_WARN("checkpoint.failed", KV_ERR(&ec));
    } else {
        snapshot_noted(s);
        pack_pace(&c->pack);
        c->job = (struct env_job){.run = checkpoint_run, .done = checkpoint_done};
        s->work = WORK_CHECKPOINT;
        pending_add(s, &c->pending, checkpoint_abandon);
        env_job_submit(s->poll, ENV_LANE_CHECKPOINT, &c->job);
    }
    store_ready_check(s);
}

static bool drops_due(const struct store *s)
{
    const uint64_t now = env_mono_ns(s->env);
    LIST_FOR_EACH (n, tmp, &s->drops) {
        if (CONTAINER_OF(n, struct dropped_file, link)->after_ns <= now) {
            return true;
        }
    }
    return false;
}

/* How much of the ring asks for a checkpoint. A start reads and applies all of it, about 2 ms for a
 * MiB of small batches, so it is little where checkpoints are cheap: by default they pack what
 * would be packed anyway. Many files, large images and files whose bytes wait in the page cache
 * (durability os) are not flushed for that more often than the ring demands. */
static uint64_t checkpoint_span(const struct store *s)
{
    const uint64_t most = wal_capacity_bytes(s->wal) / 3;
    const uint64_t span = SPAN_LEAST + s->checkpoint_cost_bytes;
    return s->relaxed_parts > 0 || span > most ? most : span;
}

void checkpoint_tick(struct store *s)
{
    if (s->failed || s->closing || s->work != WORK_IDLE) {
        return;
    }
    if (s->barrier) {
        checkpoint_barrier_check(s); /* the log became idle after its last frame was done */
        return;
    }
    const uint64_t now = env_mono_ns(s->env);
    if (now < s->retry_after_ns) {
        return;
    }
    const bool late = now - s->last_checkpoint_ns >= (uint64_t)s->cfg.checkpoint_ms * 1000000u;
    /* The ring is kept behind the older image: three spans of a third each are one too many only
     * for a moment. A burst can make one span longer; then the other two are short and yet nothing
     * fits. */
    const uint64_t span = wal_tail(s->wal) - s->slots[s->newest].position;
    const bool full = !wal_has_room(s->wal, s->frame_max + 4096); /* as store_ready asks */
    if (s->checkpoint_asked || full || span >= checkpoint_span(s) ||
        s->placed_since >= s->cfg.checkpoint_bytes ||
        (late && (s->changes != s->changes_at_checkpoint || drops_due(s) ||
                  s->erase_ring_to > wal_tail(s->wal) - wal_used_bytes(s->wal)))) {
        s->barrier = true;
        checkpoint_barrier_check(s);
    } else if (s->tail_bytes >= s->cfg.tail_memory_bytes / 8 * 3) {
        pack_start(s); /* as much again as a third of it may come while the pack takes its time */
    }
}

enum err checkpoint_now(struct store *s, bool clean, struct ectx *ec)
{
    for (int attempt = 0;; attempt++) {
        struct checkpoint *c;
        enum err e = checkpoint_build(s, clean, &c, ec);
        if (e != ERR_OK) {
            return e;
        }
        snapshot_noted(s);
        c->err = checkpoint_work(c, &c->ec);
        e = checkpoint_finish(c, ec);
        if (e != ERR_NO_SPACE || attempt > 0) {
            return e;
        }
    }
}
