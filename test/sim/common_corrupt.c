/* See common_corrupt.h: the node, the workload, and where its bytes lie on the disk. */
#include "common_corrupt.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "wal/wal_int.h"

void cor_bad(struct cor_model *m, const char *fmt, ...)
{
    if (!m->bad) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(m->why, sizeof(m->why), fmt, ap);
        va_end(ap);
        m->bad = true;
    }
}

uint64_t cor_rnd(struct cor_model *m, uint64_t below)
{
    m->rng++;
    return run_mix(m->rng) % below;
}

/* ---- The node ------------------------------------------------------------------------------- */

static void on_advance(void *ctx, struct store_part *part)
{
    struct cor_node *n = ctx;
    broker_on_advance(n->broker, part);
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    struct cor_node *n = ctx;
    n->ec = *ec;
    n->dead = true;
}

static bool topic_exists(void *ctx, struct str topic, struct uuid id)
{
    struct cor_node *n = ctx;
    const struct topic *t = broker_topic(n->broker, topic);
    return t != NULL && uuid_eq(t->id, id);
}

static enum err node_open(struct cor_node *n)
{
    struct store_config cfg;
    struct store_participant pts[3];
    enum err e = env_poll_create(n->env, &n->poll, &n->ec);
    n->metrics = e == ERR_OK ? metrics_create() : NULL;
    e = e == ERR_OK ? config_set(&n->config, STR_LIT("log.retention.ms"), STR_LIT("-1"),
                                 CONFIG_FROM_STATIC, &n->ec)
                    : e;
    e = e == ERR_OK ? config_set(&n->config, STR_LIT("log.index.interval.bytes"), STR_LIT("1"),
                                 CONFIG_FROM_STATIC, &n->ec)
                    : e;
    e = e == ERR_OK ? broker_create(n->env, &n->config, n->metrics, &n->broker) : e;
    e = e == ERR_OK ? groups_create(n->env, &n->config, n->metrics, &n->groups) : e;
    if (e != ERR_OK) {
        return e;
    }
    store_config_init(&cfg);
    cfg.dir = COR_DIR;
    cfg.ring_file_bytes = 128 << 10;
    cfg.ring_file_count = 3;
    cfg.inline_max_bytes = 2000;
    cfg.checkpoint_ms = 3600 * 1000; /* when the workload says so, or the ring must have it */
    cfg.tail_memory_bytes = 256 << 10;
    cfg.pack_direct_min_bytes = 16 << 10;
    cfg.min_free_bytes = 4096;
    cfg.scrub_bytes_per_second = 64 << 20;
    cfg.scrub_interval_ms = 3600 * 1000; /* the judge lets that pass when it wants one */
    broker_participants(n->broker, pts);
    pts[2] = groups_participant(n->groups);
    struct store *opened = NULL;
    e = store_open(n->env, n->poll, &cfg, pts, ARRAY_LEN(pts), &opened, &n->ec);
    n->store = opened;
    return e;
}

enum err cor_start(struct cor_node *n, struct env *env)
{
    *n = (struct cor_node){.env = env};
    arena_init(&n->arena, 64 << 20);
    config_init(&n->config, CONFIG_SCOPE_BROKER);
    enum err e = node_open(n);
    if (e != ERR_OK) {
        return e;
    }
    const struct store_hooks hooks = {.ctx = n, .on_advance = on_advance, .on_failure = on_failure};
    store_set_hooks(n->store, &hooks);
    broker_attach(n->broker, n->store);
    groups_attach(n->groups, n->store);
    groups_forget_topics(n->groups, topic_exists, n);
    return ERR_OK;
}

void cor_stop(struct cor_node *n, bool kill)
{
    if (kill) { /* off before the store is closed, or closing it would be a clean stop */
        env_sim_cut_at(n->env, env_sim_ops(n->env));
    }
    if (n->groups != NULL) {
        groups_stop(n->groups);
    }
    store_close(n->store);
    groups_destroy(n->groups);
    broker_destroy(n->broker);
    metrics_destroy(n->metrics);
    config_deinit(&n->config);
    arena_deinit(&n->arena);
    if (kill) {
        env_sim_process_kill(n->env);
        env_sim_cut_at(n->env, UINT64_MAX);
    }
    if (n->poll != NULL) {
        env_poll_destroy(n->poll);
    }
    *n = (struct cor_node){.env = n->env};
}

void cor_settle(struct cor_node *n)
{
    for (int i = 0; i < 100000 && !n->dead; i++) {
        store_kick(n->store, true);
        if (env_poll_run(n->poll, 0) == 0 && env_job_pending(n->poll) == 0 &&
            store_ready(n->store)) {
            return;
        }
    }
}

void cor_checkpoint(struct cor_node *n)
{
    const uint64_t before = n->store->stats.checkpoints;
    store_checkpoint_request(n->store);
    for (int i = 0; i < 1000 && n->store->stats.checkpoints == before; i++) {
        store_tick(n->store);
        cor_settle(n);
    }
}

void cor_small_segments(struct cor_node *n)
{
    LIST_FOR_EACH (l, tmp, &n->store->part_list) {
        struct store_part *p = CONTAINER_OF(l, struct store_part, link);
        /* One partition has many entries in one index, the others many files. */
        p->cfg.segment_bytes = p->id == 1 ? 1 << 20 : 24 << 10;
    }
}

/* ---- The workload --------------------------------------------------------------------------- */

struct done {
    bool done;
    enum err err;
    int64_t id;
};

static void finished(struct cor_node *n, struct cor_model *m, const struct done *d,
                     const char *what)
{
    cor_settle(n);
    if (!d->done || d->err != ERR_OK) {
        cor_bad(m, "%s: %s", what, d->done ? err_name(d->err) : "no answer");
    }
}

static void changed(void *ctx, enum err e, const struct ectx *ec)
{
    struct done *d = ctx;
    (void)ec;
    *d = (struct done){.done = true, .err = e};
}

void cor_topic_make(struct cor_node *n, struct cor_model *m, const char *name, int32_t parts,
                    bool os)
{
    struct cor_topic *t = &m->topics[m->topic_count++];
    *t = (struct cor_topic){.name = name, .parts = parts, .os = os};
    t->setting = t->setting_before = 500000;
    const struct broker_setting s[] = {{STR_LIT("max.message.bytes"), STR_LIT("500000")},
                                       {STR_LIT("leat.durability"), STR_LIT("os")}};
    const struct broker_topic_spec spec = {.name = str_of(name),
                                           .partitions = parts,
                                           .replication_factor = 1,
                                           .settings = s,
                                           .setting_count = os ? 2 : 1};
    struct done d = {0};
    t->made.from = wal_tail(n->store->wal);
    broker_topic_create(n->broker, &spec, false, changed, &d);
    finished(n, m, &d, "creating a topic");
    t->made.to = wal_tail(n->store->wal);
}

void cor_topic_alter(struct cor_node *n, struct cor_model *m, int topic, int64_t setting)
{
    struct cor_topic *t = &m->topics[topic];
    char value[32];
    (void)snprintf(value, sizeof(value), "%lld", (long long)setting);
    const struct broker_alter op = {BROKER_SET, STR_LIT("max.message.bytes"), str_of(value)};
    struct done d = {0};
    t->altered.from = wal_tail(n->store->wal);
    broker_topic_alter(n->broker, broker_topic(n->broker, str_of(t->name)), &op, 1, false, changed,
                       &d);
    finished(n, m, &d, "changing a topic");
    t->altered.to = wal_tail(n->store->wal);
    t->setting_before = t->setting;
    t->setting = setting;
}

struct commit_call {
    struct groups_ticket ticket;
    struct done d;
    struct groups_commit_item item;
};

static void committed(struct groups_ticket *t, const struct groups_answer *a)
{
    struct commit_call *c = CONTAINER_OF(t, struct commit_call, ticket);
    c->d = (struct done){.done = true, .err = a->err != ERR_OK ? a->err : c->item.err};
}

void cor_commit(struct cor_node *n, struct cor_model *m, int topic, int part, int group,
                int64_t offset)
{
    struct cor_commit *c = &m->commits[m->commit_count++];
    const struct topic *real = broker_topic(n->broker, str_of(m->topics[topic].name));
    *c = (struct cor_commit){.topic = topic, .part = part, .group = group, .offset = offset};
    struct commit_call call = {.ticket = {.done = committed}};
    call.item = (struct groups_commit_item){.topic = real->name,
                                            .topic_id = real->id,
                                            .partition = part,
                                            .offset = {offset, -1, STR_LIT("")}};
    struct groups_commit gc = {.group_id = str_of(svc_group_name(group)),
                               .member_id = STR_LIT(""),
                               .instance_id = STR_NULL,
                               .generation = -1,
                               .retention_ms = -1,
                               .items = &call.item,
                               .count = 1};
    c->op.from = wal_tail(n->store->wal);
    groups_commit(n->groups, &gc, &call.ticket);
    finished(n, m, &call.d, "a commit");
    c->op.to = wal_tail(n->store->wal);
}

static void id_given(void *ctx, enum err e, struct broker_producer_id pid)
{
    struct done *d = ctx;
    *d = (struct done){.done = true, .err = e, .id = pid.id};
}

static int64_t new_id(struct cor_node *n, struct cor_model *m)
{
    struct done d = {0};
    broker_producer_id_new(n->broker, -1, -1, id_given, &d);
    finished(n, m, &d, "a producer id");
    for (uint32_t i = 0; i < m->id_count; i++) {
        if (m->ids[i] == d.id) {
            cor_bad(m, "producer id %lld was given twice", (long long)d.id);
        }
    }
    return d.id;
}

void cor_id(struct cor_node *n, struct cor_model *m)
{
    m->ids[m->id_count] = new_id(n, m);
    m->id_count++;
}

void cor_id_check(struct cor_node *n, struct cor_model *m)
{
    (void)new_id(n, m);
}

enum { TOGETHER_MAX = 24 };
struct produce_call {
    struct broker_produce produce;
    struct broker_produce_item item;
    bool done;
    struct sbatch b;
    uint8_t bytes[SVC_BATCH_MAX];
    struct arena arena;
};

static void produced(struct broker_produce *p)
{
    struct produce_call *c = p->ctx;
    c->done = true;
}

static void call_produce(struct cor_node *n, struct produce_call *c, struct partition *to)
{
    const size_t size = svc_batch_fill(c->bytes, &c->b);
    arena_init(&c->arena, 1 << 20);
    c->item = (struct broker_produce_item){.partition = to, .bytes = c->bytes, .size = size};
    c->produce = (struct broker_produce){.api_version = 9,
                                         .items = &c->item,
                                         .item_count = 1,
                                         .arena = &c->arena,
                                         .done = produced,
                                         .ctx = c};
    for (int k = 0; k < 1000 && !store_ready(n->store); k++) {
        store_tick(n->store);
        cor_settle(n);
    }
    broker_produce(n->broker, &c->produce);
}

void cor_produce(struct cor_node *n, struct cor_model *m, int topic, int part, uint32_t payload,
                 uint32_t together, int who)
{
    struct cor_part *cp = &m->topics[topic].part[part];
    struct topic *real = broker_topic(n->broker, str_of(m->topics[topic].name));
    struct produce_call *calls = calloc(TOGETHER_MAX, sizeof(*calls));
    if (calls == NULL || together > TOGETHER_MAX || cp->n + together > COR_BATCHES) {
        abort();
    }
    struct spart seen = {0}; /* the producer's last batch */
    for (uint32_t i = cp->n; i-- > 0 && seen.n == 0;) {
        if (who >= 0 && cp->b[i].b.pid == m->ids[who]) {
            seen.b[seen.n++] = cp->b[i].b;
        }
    }
    cor_settle(n);
    for (uint32_t i = 0; i < together; i++) {
        struct produce_call *c = &calls[i];
        c->b = (struct sbatch){.uid = m->uid++,
                               .pid = who < 0 ? -1 : m->ids[who],
                               .payload = payload + (uint32_t)cor_rnd(m, payload / 4 + 1),
                               .count = 1 + (int32_t)cor_rnd(m, 2)};
        if (who >= 0) {
            const int32_t next = svc_next_sequence(&seen, c->b.pid, 0);
            c->b.seq = next < 0 ? 0 : next;
            seen.b[0] = c->b;
            seen.n = 1;
        }
        call_produce(n, c, broker_partition(real, part));
    }
    cor_settle(n);
    for (uint32_t i = 0; i < together; i++) {
        struct produce_call *c = &calls[i];
        if (!c->done || c->item.err != ERR_OK) {
            cor_bad(m, "producing to %s: %s", m->topics[topic].name, err_name(c->item.err));
        }
        cp->b[cp->n] = (struct cor_batch){.b = c->b};
        cp->b[cp->n++].b.base = c->item.base_offset;
        arena_deinit(&c->arena);
    }
    free(calls);
}

int64_t cor_resend(struct cor_node *n, struct cor_model *m, int topic, int part,
                   const struct sbatch *b)
{
    struct topic *real = broker_topic(n->broker, str_of(m->topics[topic].name));
    struct produce_call *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        abort();
    }
    cor_settle(n);
    c->b = *b;
    call_produce(n, c, broker_partition(real, part));
    cor_settle(n);
    const bool good = c->done && c->item.err == ERR_OK;
    const int64_t base = good ? c->item.base_offset : -1;
    if (!good) {
        cor_bad(m, "%s-%d: a batch is refused: %s", m->topics[topic].name, part,
                err_name(c->item.err));
    }
    arena_deinit(&c->arena);
    free(c);
    return base;
}

/* ---- Where things are ----------------------------------------------------------------------- */

struct reader {
    struct env *env;
    struct cor_model *m;
    struct cor_layout *l;
    struct uuid id;
    struct cor_part *parts[64]; /* by the partition's id */
    char topic_dir[COR_PATH];
};

static struct cor_batch *batch_at(struct reader *r, uint32_t part_id, int64_t base)
{
    struct cor_part *cp = part_id < ARRAY_LEN(r->parts) ? r->parts[part_id] : NULL;
    for (uint32_t i = 0; cp != NULL && i < cp->n; i++) {
        if (cp->b[i].b.base == base) {
            return &cp->b[i];
        }
    }
    return NULL;
}

static bool read_segment(void *ctx, const char *name, bool is_dir)
{
    struct reader *r = ctx;
    int32_t index;
    uint32_t part_id;
    int64_t base;
    bool is_idx;
    char path[COR_PATH];
    if (is_dir || !segment_name_parse(str_of(name), &index, &part_id, &base, &is_idx) || is_idx) {
        return true;
    }
    (void)snprintf(path, sizeof(path), "%.60s/%.60s", r->topic_dir, name);
    struct segment_identity id = {.store_id = r->id, .part_id = part_id, .base = base};
    segment_identity_seal(&id);
    uint64_t size;
    const uint8_t *bytes = env_sim_file_bytes(r->env, path, &size);
    struct entry e;
    for (uint64_t at = 0; bytes != NULL && at + ENTRY_HEADER_SIZE <= size;) {
        if (!entry_decode(bytes + at, &id, at, &e) || entry_end(&e) > size) {
            at++;
            continue;
        }
        struct cor_batch *b = batch_at(r, part_id, e.base_offset);
        if (b != NULL) {
            memcpy(b->seg, path, sizeof(b->seg));
            b->at = at;
            b->size = ENTRY_HEADER_SIZE + e.payload_size;
        }
        at = entry_end(&e);
    }
    return true;
}

static bool read_topic_dir(void *ctx, const char *name, bool is_dir)
{
    struct reader *r = ctx;
    if (is_dir) {
        struct ectx ec;
        (void)snprintf(r->topic_dir, sizeof(r->topic_dir), COR_DIR "/topics/%.40s", name);
        if (env_dir_list(r->env, r->topic_dir, read_segment, r, &ec) != ERR_OK) {
            abort();
        }
    }
    return true;
}

static enum err read_frame(void *ctx, uint64_t position, struct slice body, bool flushed,
                           struct ectx *ec)
{
    struct reader *r = ctx;
    struct item it;
    struct slice bytes;
    (void)flushed;
    (void)ec;
    while (slice_left(&body) > 0 && item_decode(&body, &it, &bytes)) {
        if (it.type == ITEM_BATCH || it.type == ITEM_PLACE) {
            struct cor_batch *b =
                batch_at(r, get_le32(bytes.p + 64), (int64_t)get_le64(bytes.p + 16));
            if (b != NULL) {
                b->in_ring = true;
                b->inlined = it.type == ITEM_BATCH;
                b->frame = position;
            }
        }
    }
    return ERR_OK;
}

static void no_damage(void *ctx, uint64_t from, uint64_t to)
{
    struct reader *r = ctx;
    cor_bad(r->m, "the unharmed log is damaged from %llu to %llu", (unsigned long long)from,
            (unsigned long long)to);
}

/* Every group behind the image, by its first header. */
static void read_groups(struct reader *r)
{
    struct cor_layout *l = r->l;
    const uint32_t seed = wal_seed(&r->id);
    const uint64_t end = l->position + (uint64_t)l->ring_file_bytes * l->ring_file_count;
    for (uint64_t at = l->position; at < end;) {
        char path[COR_PATH];
        uint64_t size;
        struct wal_header h;
        (void)snprintf(path, sizeof(path), COR_DIR "/wal/ring-%03u",
                       (unsigned)(at / l->ring_file_bytes % l->ring_file_count));
        const uint8_t *bytes = env_sim_file_bytes(r->env, path, &size);
        if (bytes == NULL ||
            wal_header_get(bytes + at % l->ring_file_bytes, seed, &h) != WAL_SEEN_FRAME ||
            h.position != at || (h.flags & WAL_FIRST) == 0) {
            at += ENV_BLOCK;
            continue;
        }
        if (l->group_count == COR_GROUPS) {
            abort();
        }
        l->groups[l->group_count++] = (struct cor_group){at, h.group_bytes, h.flushed};
        const uint64_t next = at + h.group_bytes;
        do {
            if (l->frame_count == COR_FRAMES) {
                abort();
            }
            l->frames[l->frame_count++] =
                (struct cor_frame){at, WAL_BODY_OFFSET + h.length, l->group_count - 1};
            at = wal_frame_end(at, h.length);
        } while ((h.flags & WAL_LAST) == 0 && at + WAL_BODY_OFFSET <= next &&
                 wal_header_get(bytes + at % l->ring_file_bytes, seed, &h) == WAL_SEEN_FRAME);
        at = next;
    }
}

static bool read_image_part(void *ctx, const struct image_part *ip)
{
    struct reader *r = ctx;
    struct cor_part *cp = ip->id < ARRAY_LEN(r->parts) ? r->parts[ip->id] : NULL;
    if (cp != NULL) {
        cp->image_end = ip->log_end;
    }
    return true;
}

static bool read_drop(void *ctx, struct str path, uint64_t sequence)
{
    (void)ctx;
    (void)path;
    (void)sequence;
    return true;
}

void cor_layout_read(struct env *env, struct cor_model *m, struct cor_layout *out)
{
    struct image_more more;
    struct reader r = {.env = env, .m = m, .l = out};
    struct ectx ec = {0};
    struct meta meta;
    struct image_view v[2] = {0};
    *out = (struct cor_layout){0};
    if (store_meta_read(env, COR_DIR, &meta, &ec) != ERR_OK ||
        image_read(env, COR_DIR, 0, meta.id, UINT32_MAX, &v[0], &ec) != ERR_OK ||
        image_read(env, COR_DIR, 1, meta.id, UINT32_MAX, &v[1], &ec) != ERR_OK) {
        abort();
    }
    r.id = meta.id;
    out->ring_file_bytes = meta.ring_file_bytes;
    out->ring_file_count = meta.ring_file_count;
    const int slot = v[1].info.valid && v[1].info.sequence > v[0].info.sequence ? 1 : 0;
    const struct image_slot *newest = &v[slot].info;
    out->position = newest->position;
    out->flushed = newest->flushed;
    out->clean = newest->clean;
    /* Partitions get their ids in the order in which they are made. */
    uint32_t part_id = 1;
    for (int t = 0; t < m->topic_count; t++) {
        for (int p = 0; p < m->topics[t].parts; p++) {
            struct cor_part *cp = r.parts[part_id] = &m->topics[t].part[p];
            cp->id = part_id++;
            cp->image_end = 0;
            for (uint32_t i = 0; i < cp->n; i++) {
                cp->b[i] = (struct cor_batch){.b = cp->b[i].b};
            }
        }
    }
    struct slice body;
    if (!image_section(&v[slot], STORE_TAG_STORE, &body) ||
        image_parse_parts(body, read_image_part, read_drop, &more, &r) != ERR_OK ||
        env_dir_list(env, COR_DIR "/topics", read_topic_dir, &r, &ec) != ERR_OK) {
        abort();
    }
    if (!out->clean) {
        const struct wal_config cfg = {.dir = COR_DIR "/wal",
                                       .file_bytes = out->ring_file_bytes,
                                       .file_count = out->ring_file_count,
                                       .group_bytes = out->ring_file_bytes / 4,
                                       .store_id = r.id,
                                       .generation = newest->generation + 1,
                                       .start = out->position,
                                       .start_generation = newest->generation,
                                       .flushed = out->flushed};
        const struct wal_visitor visitor = {&r, read_frame, no_damage};
        if (wal_verify(env, &cfg, &visitor, &ec) != ERR_OK) {
            abort();
        }
        read_groups(&r);
    }
    mem_free(v[0].bytes);
    mem_free(v[1].bytes);
}
