/*
 * Partitions: their table, what they know (offsets, epochs, quarantined ranges) and their end.
 *
 * A part is found by its id until store_part_remove; frames, reads and packs that refer to it keep
 * the memory alive beyond that. Its files go after the checkpoints that no longer name them.
 */
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/ahead.h"

void store_part_config_init(struct store_part_config *cfg)
{
    *cfg = (struct store_part_config){
        .segment_bytes = 1u << 30,
        .segment_ms = 7ull * 24 * 3600 * 1000,
        .retention_ms = -1,
        .retention_bytes = -1,
        .index_interval_bytes = 4096,
        .file_delete_delay_ms = 60000,
        .durability = STORE_FSYNC,
    };
}

/* ---- Folders of topics ---------------------------------------------------------------------- */

struct topic_dir *topic_dir_get(struct store *s, struct str name)
{
    struct topic_dir *d = map_get(&s->dirs, name);
    if (d != NULL) {
        d->refs++;
        return d;
    }
    d = mem_new(struct topic_dir);
    if (d == NULL) {
        return NULL;
    }
    d->name = str_dup_z(name);
    if (d->name == NULL || !map_put(&s->dirs, name, d)) {
        mem_free(d->name);
        mem_free(d);
        return NULL;
    }
    d->refs = 1;
    return d;
}

void topic_dir_unref(struct store *s, struct topic_dir *d)
{
    if (d == NULL || --d->refs > 0) {
        return;
    }
    (void)map_remove(&s->dirs, str_of(d->name));
    mem_free(d->name);
    mem_free(d);
}

/* ---- Life ----------------------------------------------------------------------------------- */

void part_ref(struct store_part *p)
{
    p->refs++;
}

static void part_free(struct store_part *p)
{
    ahead_free(p);
    struct store *s = p->store;
    tail_clear(p);
    sync_forget(p);
    for (uint32_t i = 0; i < p->seg_count; i++) {
        segment_unref(p->segs[i]);
    }
    topic_dir_unref(s, p->dir);
    mem_free(p->tail.ring);
    mem_free(p->segs);
    mem_free(p->epochs);
    mem_free(p->damage);
    mem_free(p);
}

void part_unref(struct store_part *p)
{
    if (--p->refs == 0) {
        part_free(p);
    }
}

static void part_config_apply(struct store_part *p, const struct store_part_config *cfg)
{
    p->cfg = *cfg;
    /* A segment's positions are 32 bits in its index, and one batch may pass the limit. */
    if (p->cfg.segment_bytes > INT32_MAX) {
        p->cfg.segment_bytes = INT32_MAX;
    }
    if (p->cfg.segment_bytes == 0) {
        p->cfg.segment_bytes = 1;
    }
}

static void part_relaxed_set(struct store_part *p, bool relaxed)
{
    if (p->relaxed != relaxed) {
        p->relaxed = relaxed;
        p->store->relaxed_parts += relaxed ? 1 : UINT32_MAX;
    }
}

static bool dir_name_ok(struct str dir)
{
    if (dir.n == 0 || dir.n > 255 || dir.p[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < dir.n; i++) {
        if (dir.p[i] == '/' || dir.p[i] == '\0') {
            return false;
        }
    }
    return true;
}

enum err store_part_add(struct store *s, uint32_t id, struct str dir, int32_t index,
                        const struct store_part_config *cfg, struct store_part **out)
{
    if (map_get_u64(&s->parts, id) != NULL) {
        return ERR_EXISTS;
    }
    if (!dir_name_ok(dir) || index < 0) {
        return ERR_INVALID_TOPIC;
    }
    struct store_part *p = mem_new(struct store_part);
    if (p == NULL) {
        return ERR_NO_MEMORY;
    }
    p->store = s;
    p->id = id;
    p->index = index;
    p->refs = 1;
    p->max_timestamp_floor = -1;
    list_init(&p->link);
    list_init(&p->tail_link);
    list_init(&p->aheads);
    list_init(&p->unsynced);
    part_config_apply(p, cfg);
    p->dir = topic_dir_get(s, dir);
    enum err e = p->dir == NULL ? ERR_NO_MEMORY : part_adopt_image(p);
    if (e == ERR_OK && p->epoch_count == 0) {
        e = part_epoch_add(p, 0, 0);
    }
    if (e == ERR_OK && !map_put_u64(&s->parts, id, p)) {
        e = ERR_NO_MEMORY;
    }
    if (e != ERR_OK) {
        part_relaxed_set(p, false);
        part_free(p);
        return e;
    }
    if (cfg->durability == STORE_OS) {
        part_relaxed_set(p, true);
    }
    list_push_back(&s->part_list, &p->link);
    s->part_count++;
    *out = p;
    return ERR_OK;
}

void store_part_remove(struct store *s, uint32_t id)
{
    struct store_part *p = map_remove_u64(&s->parts, id);
    if (p == NULL) {
        return;
    }
    list_remove(&p->link);
    s->part_count--;
    part_relaxed_set(p, false);
    p->removed = true;
    if (s->recovering && !map_put_u64(&s->removed, id, s)) {
        s->removed_incomplete = true;
    }
    s->changes++;
    if (!p->packing) {
        part_bury(p);
    }
    part_unref(p);
}

void part_bury(struct store_part *p)
{
    tail_clear(p);
    for (uint32_t i = 0; i < p->seg_count; i++) {
        segment_drop(p->segs[i]);
    }
}

void part_free_all(struct store *s)
{
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        struct store_part *p = CONTAINER_OF(n, struct store_part, link);
        list_remove(&p->link);
        part_unref(p);
    }
}

/* Weakening takes effect at once; strengthening with the next checkpoint, which flushes what os has
 * left unflushed. */
void store_part_configure(struct store_part *p, const struct store_part_config *cfg)
{
    if (p->removed) {
        return;
    }
    part_config_apply(p, cfg);
    if (cfg->durability == STORE_OS) {
        part_relaxed_set(p, true);
    } else if (p->relaxed) {
        p->store->checkpoint_asked = true;
        p->store->changes++;
    }
}

struct store_part *store_part_find(struct store *s, uint32_t id)
{
    return map_get_u64(&s->parts, id);
}

void store_part_set_user(struct store_part *p, void *user)
{
    p->user = user;
}

void *store_part_user(const struct store_part *p)
{
    return p->user;
}

uint32_t store_part_id(const struct store_part *p)
{
    return p->id;
}

void store_part_info_get(const struct store_part *p, struct store_part_info *out)
{
    struct store_part_info info = {
        .log_start = p->log_start,
        .high_watermark = p->high_watermark,
        .log_end = p->log_end,
        .leader_epoch = part_epoch(p),
        .segment_count = p->seg_count,
        .max_timestamp = -1,
    };
    for (uint32_t i = 0; i < p->seg_count; i++) {
        info.size_bytes += p->segs[i]->size;
        if (p->segs[i]->max_timestamp > info.max_timestamp) {
            info.max_timestamp = p->segs[i]->max_timestamp;
        }
    }
    *out = info;
}

/* ---- Epochs --------------------------------------------------------------------------------- */

size_t store_part_epochs(const struct store_part *p, const struct store_epoch **out)
{
    *out = p->epochs;
    return p->epoch_count;
}

int32_t part_epoch(const struct store_part *p)
{
    return p->epoch_count == 0 ? 0 : p->epochs[p->epoch_count - 1].epoch;
}

enum err part_epoch_add(struct store_part *p, int32_t epoch, int64_t start)
{
    /* An epoch in which nothing was written says nothing. */
    while (p->epoch_count > 0 && p->epochs[p->epoch_count - 1].start_offset >= start) {
        p->epoch_count--;
    }
    if (p->epoch_count == p->epoch_cap) {
        if (p->epoch_cap >= STORE_EPOCHS_MAX) {
            memmove(p->epochs, p->epochs + 1, (p->epoch_count - 1) * sizeof(*p->epochs));
            p->epoch_count--;
        } else {
            const uint32_t cap = p->epoch_cap == 0 ? 2 : p->epoch_cap * 2;
            struct store_epoch *grown = mem_realloc(p->epochs, cap * sizeof(*grown));
            if (grown == NULL) {
                return ERR_NO_MEMORY;
            }
            p->epochs = grown;
            p->epoch_cap = cap;
        }
    }
    p->epochs[p->epoch_count++] = (struct store_epoch){epoch, start};
    return ERR_OK;
}

/* ---- Quarantine ----------------------------------------------------------------------------- */

const struct damage_range *part_damage_at(const struct store_part *p, int64_t offset)
{
    for (uint32_t i = 0; i < p->damage_count; i++) {
        if (p->damage[i].to > offset) {
            return &p->damage[i];
        }
    }
    return NULL;
}

void part_damage_add(struct store_part *p, int64_t from, int64_t to, const char *why)
{
    if (from >= to) {
        return;
    }
    for (uint32_t i = 0; i < p->damage_count; i++) {
        if (p->damage[i].from <= from && p->damage[i].to >= to) {
            return;
        }
    }
    LOG_ERROR("partition.quarantined", KV_Z("topic", p->dir->name), KV_I64("partition", p->index),
              KV_I64("from_offset", from), KV_I64("to_offset", to), KV_Z("because", why));
    p->store->changes++;
    uint32_t at = 0;
    while (at < p->damage_count && p->damage[at].to < from) {
        at++;
    }
    uint32_t last = at; /* ranges [at, last) touch the new one */
    while (last < p->damage_count && p->damage[last].from <= to) {
        from = p->damage[last].from < from ? p->damage[last].from : from;
        to = p->damage[last].to > to ? p->damage[last].to : to;
        last++;
    }
    if (last == at && p->damage_count == p->damage_cap) {
        const uint32_t cap = p->damage_cap == 0 ? 4 : p->damage_cap * 2;
        struct damage_range *grown =
            cap > STORE_DAMAGE_RANGES_MAX ? NULL : mem_realloc(p->damage, cap * sizeof(*grown));
        if (grown == NULL) {
            /* No room for one more: the neighbour takes it in, so that nothing damaged is served.
             */
            if (at < p->damage_count) {
                p->damage[at].from = from;
            } else if (at > 0) {
                p->damage[at - 1].to = to;
            }
            return;
        }
        p->damage = grown;
        p->damage_cap = cap;
    }
    const uint32_t removed = last - at;
    if (removed != 1) {
        memmove(p->damage + at + 1, p->damage + last,
                (p->damage_count - last) * sizeof(*p->damage));
        p->damage_count = p->damage_count + 1 - removed;
    }
    p->damage[at] = (struct damage_range){from, to};
}

/* ---- Log start ------------------------------------------------------------------------------ */

void part_log_start_set(struct store_part *p, int64_t offset)
{
    if (offset <= p->log_start) {
        return;
    }
    p->log_start = offset;
    uint32_t gone = 0;
    /* The last segment stays: it is being written, and tail entries point to it. */
    while (gone + 1 < p->seg_count && p->segs[gone]->end <= offset &&
           p->segs[gone + 1]->base <= offset) {
        gone++;
    }
    /* Entries that are still to be packed need their segment; those that are only kept do not. */
    while (!p->packing && p->tail.count > 0 && tail_at(&p->tail, 0)->filed &&
           tail_at(&p->tail, 0)->last < offset) {
        tail_pop(p, 1);
    }
    if (p->tail.count > 0) {
        for (uint32_t i = 0; i < gone; i++) {
            if (p->segs[i] == tail_at(&p->tail, 0)->seg) {
                gone = i;
                break;
            }
        }
    }
    for (uint32_t i = 0; i < gone; i++) {
        segment_drop(p->segs[i]);
        sync_keep(p, p->segs[i]);
        segment_unref(p->segs[i]);
    }
    if (gone > 0) {
        memmove(p->segs, p->segs + gone, (p->seg_count - gone) * sizeof(*p->segs));
        p->seg_count -= gone;
    }
    uint32_t dead = 0;
    while (dead < p->damage_count && p->damage[dead].to <= offset) {
        dead++;
    }
    if (dead > 0) {
        memmove(p->damage, p->damage + dead, (p->damage_count - dead) * sizeof(*p->damage));
        p->damage_count -= dead;
    }
    while (p->epoch_count > 1 && p->epochs[1].start_offset <= offset) {
        memmove(p->epochs, p->epochs + 1, (p->epoch_count - 1) * sizeof(*p->epochs));
        p->epoch_count--;
    }
    p->store->changes++;
}
