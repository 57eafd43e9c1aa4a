/*
 * What must be true of a segment's file before a batch is written in place: its space is claimed,
 * so that a full disk shows here and never at a write or flush, and its folder entry is on stable
 * storage, because the frame that names it may be acknowledged a moment later.
 */
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "store/store_int.h"

enum { CLAIM_BATCHES = 32 };

/* ---- The folder's entry --------------------------------------------------------------------- */

/* A folder whose flush failed is not known to be on the device, and flushing it again would say
 * nothing about that: the store stops, as after any failed flush. */
static enum err flush_dir(struct store *s, const char *path, struct ectx *ec)
{
    struct ectx own = {.code = ERR_OK};
    ec = ec == NULL ? &own : ec;
    enum err e = env_dir_sync(s->env, path, ec);
    if (e == ERR_IO) {
        store_fail(s, ec);
    }
    return e;
}

/* The folder entries of the file, on stable storage. */
static enum err segment_make_durable(struct segment *g, struct ectx *ec)
{
    struct store *s = g->store;
    char name[STORE_PATH_MAX / 2], path[STORE_PATH_MAX];
    enum err e = ERR_OK;
    if (STORE_FAULT(skip_dir_sync)) {
        g->durable = true;
        return ERR_OK;
    }
    if (!g->dir->durable) {
        store_path(s->dir, "topics", path);
        e = flush_dir(s, path, ec);
        if (e != ERR_OK) {
            return e;
        }
        g->dir->durable = true;
    }
    (void)snprintf(name, sizeof(name), "topics/%s", g->dir->name);
    store_path(s->dir, name, path);
    e = flush_dir(s, path, ec);
    if (e == ERR_OK) {
        g->durable = true;
    }
    return e;
}

/* ---- Space ---------------------------------------------------------------------------------- */

/* How much to claim beyond `end`: in proportion to the file, and so many batches like this one that
 * the next claim, which may have to wait for a write, ends before they have come. */
static uint64_t claim_step(const struct segment *g, uint64_t end)
{
    const uint64_t batches = CLAIM_BATCHES * (end - g->size);
    const uint64_t step = end / 4 > batches ? end / 4 : batches;
    return step < STORE_CLAIM_MIN   ? STORE_CLAIM_MIN
           : step > STORE_CLAIM_MAX ? STORE_CLAIM_MAX
                                    : step;
}

/* Nearly full: what is claimed for later would be missing for everything else now. */
static bool claim_may_reserve(const struct store *s, uint64_t step)
{
    return !s->out_of_space && s->free_bytes >= s->cfg.min_free_bytes + 2 * step;
}

static void claim_run(struct env_job *job)
{
    struct claim *c = CONTAINER_OF(job, struct claim, job);
    struct ectx ignored; /* the next claim on the loop meets it again, and tells */
    c->err = env_file_allocate(c->seg->file, c->from, c->to - c->from, false, &ignored);
}

static void claim_end(struct claim *c)
{
    struct segment *g = c->seg;
    list_remove(&c->pending.link);
    g->claiming = false;
    g->users--;
    segment_unref(g);
    mem_free(c);
}

static void claim_done(struct env_job *job)
{
    struct claim *c = CONTAINER_OF(job, struct claim, job);
    struct segment *g = c->seg;
    if (c->err == ERR_OK && g->claimed == c->from) {
        g->claimed = c->to;
        store_space_took(g->store, c->to - c->from);
    }
    claim_end(c);
}

static void claim_abandon(struct pending *p)
{
    claim_end(CONTAINER_OF(p, struct claim, pending));
}

/* Half of the last step is used: the next one is claimed while writes go on. A file system lets a
 * claim wait for the writes of the same file that are under way; so the loop must not. */
static void claim_ahead(struct segment *g, uint64_t end)
{
    struct store *s = g->store;
    const uint64_t step = claim_step(g, end);
    if (g->claiming || s->closing || g->claimed > end + step / 2 || !claim_may_reserve(s, step)) {
        return;
    }
    struct claim *c = mem_new(struct claim);
    if (c == NULL) {
        return; /* the loop will do it */
    }
    *c = (struct claim){.job = {.run = claim_run, .done = claim_done},
                        .seg = g,
                        .from = g->claimed,
                        .to = g->claimed + step};
    g->claiming = true;
    g->users++;
    segment_ref(g);
    pending_add(s, &c->pending, claim_abandon);
    env_job_submit(s->poll, ENV_LANE_ANY, &c->job);
}

/* On the loop: a file's first step, and whatever claim_ahead could not do in time. */
static enum err claim_now(struct segment *g, uint64_t end, struct ectx *ec)
{
    const uint64_t wanted = claim_step(g, end);
    const uint64_t step = claim_may_reserve(g->store, wanted) ? wanted : 0;
    const uint64_t from = g->claimed > g->size ? g->claimed : g->size;
    enum err e = env_file_allocate(g->file, from, end + step - from, false, ec);
    if (e == ERR_OK) {
        g->claimed = end + step;
    } else if (e == ERR_NO_SPACE) {
        e = env_file_allocate(g->file, from, end - from, false, ec);
        g->claimed = e == ERR_OK ? end : g->claimed;
    }
    if (e == ERR_OK) {
        store_space_took(g->store, g->claimed - from);
    }
    return e;
}

enum err segment_claim(struct segment *g, uint64_t end, struct ectx *ec)
{
    enum err e = segment_open(g, true, ec);
    if (e == ERR_OK && !STORE_FAULT(skip_claim)) {
        e = g->claimed < end ? claim_now(g, end, ec) : ERR_OK;
        if (e == ERR_OK && g->claimed > end) {
            claim_ahead(g, end);
        }
    }
    return e != ERR_OK ? e : g->durable ? ERR_OK : segment_make_durable(g, ec);
}
