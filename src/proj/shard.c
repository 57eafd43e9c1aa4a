/*
 * A shard: one input partition of one version. It is ours (assigned, with an epoch), then claimed
 * in the target (where its next offset stands), then read ahead, two reads at most.
 *
 * next_offset is what the target has. It changes by what a transaction did, or by a claim; after
 * any doubt (an error, a fence) the claim is made again, so that it is never guessed.
 */
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/mem.h"
#include "proj/feed.h"
#include "record/batch.h"

#define RETRY_NS        (200ull * 1000 * 1000)
#define FENCED_RETRY_NS (1000ull * 1000 * 1000)
/* Who is fenced so often, and still hears from the group that the shard is its own, is right: the
 * target's epoch comes from a group that was deleted since (its epochs begin anew). Whoever else
 * has it then is fenced in turn; rows and checkpoint stay together in any case. */
#define FENCED_MAX 5u

struct shard *shard_find(struct run *r, struct str topic, int32_t partition)
{
    LIST_FOR_EACH (link, next, &r->shards) {
        struct shard *s = CONTAINER_OF(link, struct shard, link);
        if (s->partition == partition && str_eq(s->topic, topic)) {
            return s;
        }
    }
    return NULL;
}

/* Transactions that would wait for each other need no second connection. */
static struct lane *place(const struct shard *s)
{
    struct projection *pr = s->run->pr;
    return &pr->lanes[s->run->d->looks_around ? 0 : (unsigned)s->partition % pr->lane_count];
}

MUST_USE enum err shard_create(struct run *r, struct str topic, int32_t partition,
                               struct shard **out)
{
    struct str own = STR_NULL;
    for (size_t i = 0; i < r->d->topic_count; i++) {
        own = str_eq(r->d->topics[i], topic) ? r->d->topics[i] : own;
    }
    CHECK(!str_is_null(own));
    if (r->shard_count == PROJ_SHARDS_MAX) {
        return ERR_LIMIT;
    }
    struct shard *s = mem_new(struct shard);
    char name[320];
    (void)snprintf(name, sizeof(name), "%.*s/%d", STR(own), partition);
    char *copy = str_dup_z(str_of(name));
    if (s == NULL || copy == NULL) {
        mem_free(s);
        mem_free(copy);
        return ERR_NO_MEMORY;
    }
    s->run = r;
    s->name = copy;
    s->topic = own;
    s->partition = partition;
    s->lane = place(s);
    s->last_time_ms = -1;
    for (size_t i = 0; i < 2; i++) {
        s->reads[i].shard = s;
        arena_init(&s->reads[i].arena, READ_ARENA_BYTES);
    }
    list_push_back(&r->shards, &s->link);
    r->shard_count++;
    *out = s;
    return ERR_OK;
}

/* ---- Reads */

static void release(struct shard_read *r)
{
    if ((r->state == READ_READY || r->state == READ_APPLYING) && !r->lost) {
        engine_read_release(r->shard->run->pr->p->e, &r->read);
    }
    r->state = READ_IDLE;
    r->lost = false;
    r->bytes = 0;
    arena_reset(&r->arena, READ_BYTES);
}

void shard_destroy(struct shard *s)
{
    list_remove(&s->link);
    s->run->shard_count--;
    for (size_t i = 0; i < 2; i++) {
        release(&s->reads[i]); /* nothing is under way any more */
        arena_deinit(&s->reads[i].arena);
    }
    mem_free(s->name);
    mem_free(s);
}

/* All but what a worker has in its hands. */
void shard_drop_reads(struct shard *s)
{
    for (size_t i = 0; i < 2; i++) {
        struct shard_read *r = &s->reads[i];
        if (r->state == READ_PENDING) {
            engine_read_cancel(s->run->pr->p->e, &r->read);
            r->state = READ_IDLE;
        } else if (r->state == READ_READY) {
            release(r);
        }
    }
}

void shard_rewind(struct shard *s)
{
    shard_drop_reads(s);
    s->read_offset = s->next_offset;
    for (size_t i = 0; i < 2; i++) {
        if (s->reads[i].state == READ_APPLYING) {
            s->read_offset = s->reads[i].read.next_offset;
        }
    }
}

static int64_t first_time(const struct shard_read *r)
{
    struct batch_header h;
    if (r->read.batch_count == 0 ||
        batch_header_parse((const uint8_t *)r->read.batches[0].bytes.p, r->read.batches[0].bytes.n,
                           &h, NULL) != ERR_OK) {
        return -1;
    }
    return h.base_timestamp;
}

/* What lies below is gone by retention, and will never be there again: a read of nothing, whose end
 * becomes the checkpoint like any other's. */
static bool is_lost(struct shard_read *r)
{
    const struct engine_read *read = &r->read;
    if (read->err != ERR_OFFSET_OUT_OF_RANGE || read->start_offset <= read->offset) {
        return false;
    }
    r->lost = true;
    r->read.next_offset = read->start_offset;
    r->read.batch_count = 0;
    /* Told now: when the checkpoint behind it is known, this process may be gone. */
    struct shard *s = r->shard;
    if (read->start_offset > s->lost_end) {
        run_lost(s->run, s, read->offset > s->lost_end ? read->offset : s->lost_end,
                 read->start_offset);
        s->lost_end = read->start_offset;
    }
    return true;
}

static void read_done(struct engine_read *read)
{
    struct shard_read *r = read->ctx;
    struct shard *s = r->shard;
    if (read->err != ERR_OK && !is_lost(r)) {
        r->state = READ_IDLE;
        s->retry_ns = env_mono_ns(s->run->pr->p->env) + RETRY_NS;
        if (read->err != ERR_AGAIN && read->err != ERR_STOPPED) {
            s->run->failed = true;
            s->run->error = read->ec;
        }
        return;
    }
    r->state = READ_READY;
    r->bytes = 0;
    for (size_t i = 0; i < read->batch_count; i++) {
        r->bytes += read->batches[i].bytes.n;
    }
    if (read->next_offset <= s->read_offset) {
        release(r); /* nothing: it waited as long as it was told to */
        s->retry_ns = env_mono_ns(s->run->pr->p->env);
        return;
    }
    r->first_time_ms = first_time(r);
    s->read_offset = read->next_offset;
    shard_go(s);
    lane_pump(s->lane);
}

static size_t read_bytes(const struct run *r)
{
    size_t each = READ_BYTES_ALL / (2 * (r->shard_count == 0 ? 1 : r->shard_count));
    return each > READ_BYTES ? READ_BYTES : each < READ_BYTES_MIN ? READ_BYTES_MIN : each;
}

static void read_ahead(struct shard *s)
{
    struct shard_read *r = &s->reads[s->head];
    if (r->state != READ_IDLE) {
        struct shard_read *other = &s->reads[1 - s->head];
        if (r->state == READ_PENDING || other->state != READ_IDLE) {
            return;
        }
        r = other;
    }
    struct proj *p = s->run->pr->p;
    r->state = READ_PENDING;
    r->read = (struct engine_read){.topic = s->topic,
                                   .partition = s->partition,
                                   .offset = s->read_offset,
                                   .max_bytes = read_bytes(s->run),
                                   .wait_ns = READ_WAIT_NS,
                                   .arena = &r->arena,
                                   .done = read_done,
                                   .ctx = r};
    engine_read(p->e, &r->read);
}

/* ---- Claims */

static void claim_run(struct work *w)
{
    struct shard *s = CONTAINER_OF(w, struct shard, claim_work);
    struct apply *a = s->run->apply[w->lane->index];
    w->err = a == NULL ? ERR_STOPPED : apply_claim(a, &s->claim_call, &w->ec);
}

static void claim_done(struct work *w)
{
    struct shard *s = CONTAINER_OF(w, struct shard, claim_work);
    struct run *r = s->run;
    s->claim = CLAIM_NONE;
    bool stale = s->claim_stale;
    s->claim_stale = false;
    s->other_topic = w->err == ERR_EXISTS;
    if (w->err == ERR_OK) {
        r->parked[w->lane->index] = s->claim_call.parked_now;
    }
    if (w->err == ERR_OK && !stale && s->mine) {
        s->claim = CLAIM_HELD;
        s->was_held = true;
        s->epoch = s->claim_call.epoch;
        s->fenced = 0;
        if (s->next_offset != s->claim_call.next_offset) {
            feed_gap(r->pr, r); /* another owner, or a commit of which we did not hear */
        }
        if (s->next_offset > s->claim_call.next_offset) {
            s->reached_ns = 0;
        }
        s->next_offset = s->claim_call.next_offset;
        s->read_offset = s->next_offset;
        s->told_offset = -1;
        run_fine(r);
    } else if (w->err != ERR_OK && w->err != ERR_STOPPED) { /* STOPPED: it is being opened anew */
        s->fenced += w->err == ERR_FENCED && !stale;
        s->retry_ns =
            env_mono_ns(r->pr->p->env) + (w->err == ERR_AGAIN ? RETRY_NS : FENCED_RETRY_NS);
        if (w->err != ERR_AGAIN) {
            run_failed(r, &w->ec);
        }
        if (w->err != ERR_AGAIN && w->err != ERR_FENCED && w->err != ERR_EXISTS) {
            lane_fail(w->lane, &w->ec);
        }
    }
    shard_go(s);
    projection_moved(r->pr, r);
}

static void claim(struct shard *s)
{
    struct proj *p = s->run->pr->p;
    struct engine_topic topic;
    if (!engine_topic_get(p->e, s->topic, &topic) ||
        engine_bounds(p->e, s->topic, s->partition, &s->claim_call.start_offset,
                      &s->claim_call.end_offset) != ERR_OK) {
        s->retry_ns = env_mono_ns(p->env) + RETRY_NS;
        return;
    }
    s->claim = CLAIM_PENDING;
    s->claim_call.shard = str_of(s->name);
    s->claim_call.topic_id = topic.id;
    const struct since *since = s->run->pr->since;
    s->claim_call.live_known = since != NULL;
    s->claim_call.live_from = since == NULL ? 0 : since_of(since, s->topic, topic.id, s->partition);
    s->claim_call.anew = since != NULL && since_is_other(since, s->topic, topic.id);
    s->claim_call.epoch = s->epoch;
    s->claim_call.force = s->fenced >= FENCED_MAX;
    s->claim_call.now_ms = env_wall_ms(p->env);
    s->claim_work = (struct work){.run = claim_run, .done = claim_done};
    lane_submit(s->lane, &s->claim_work);
}

/* ---- What happens to it */

void shard_take(struct shard *s, uint64_t epoch)
{
    shard_lose(s);
    s->mine = true;
    s->epoch = epoch;
    s->fenced = 0;
    s->retry_ns = 0;
    shard_go(s);
}

void shard_lose(struct shard *s)
{
    s->mine = false;
    s->claim_stale = s->claim == CLAIM_PENDING;
    s->claim = s->claim == CLAIM_PENDING ? CLAIM_PENDING : CLAIM_NONE;
    s->behind_ns = 0;
    s->reached_ns = 0;
    s->seen_ns = 0;
    s->seen_end = 0;
    s->was_held = false;
    shard_drop_reads(s);
}

void shard_move(struct shard *s)
{
    CHECK(s->claim != CLAIM_PENDING);
    shard_drop_reads(s);
    s->claim = CLAIM_NONE;
    s->retry_ns = 0;
    s->lane = place(s);
}

/* Of a version that has stopped, or is paused, the claims are held, so that its positions and
 * parked keys are known: another version can be switched to, its keys can be tried again. */
void shard_go(struct shard *s)
{
    struct run *r = s->run;
    if (!s->mine || r->pr->p->stopping || r->dropping || r->pr->removing ||
        !r->open[s->lane->index] ||
        (s->retry_ns != 0 && env_mono_ns(r->pr->p->env) < s->retry_ns)) {
        return;
    }
    s->retry_ns = 0;
    if (s->claim == CLAIM_NONE) {
        /* A transaction that is under way may still move the checkpoint: wait for it. */
        if (s->reads[0].state != READ_APPLYING && s->reads[1].state != READ_APPLYING) {
            claim(s);
        }
    } else if (s->claim == CLAIM_HELD && !r->stopped && !r->pr->paused) {
        read_ahead(s);
    }
}

struct shard_read *shard_ready(struct shard *s)
{
    struct shard_read *r = &s->reads[s->head];
    return s->mine && s->claim == CLAIM_HELD && s->retry_ns == 0 && r->state == READ_READY &&
                   s->reads[1 - s->head].state != READ_APPLYING
               ? r
               : NULL;
}

void shard_applied(struct shard *s, const struct apply_read *a)
{
    struct shard_read *r = &s->reads[s->head];
    DCHECK(r->state == READ_APPLYING);
    release(r);
    s->head = 1 - s->head;
    if (s->claim == CLAIM_HELD) {
        s->next_offset = a->next_offset;
        if (a->stopped) {
            shard_rewind(s);
        }
    }
    s->last_time_ms = a->last_time_ms >= 0 ? a->last_time_ms : s->last_time_ms;
    shard_go(s);
}

void shard_not_applied(struct shard *s, enum err e)
{
    for (size_t i = 0; i < 2; i++) {
        if (s->reads[i].state == READ_APPLYING) {
            if (e == ERR_AGAIN && s->claim == CLAIM_HELD) { /* the same again */
                s->reads[i].state = READ_READY;
                s->retry_ns = env_mono_ns(s->run->pr->p->env) + RETRY_NS;
                return;
            }
            release(&s->reads[i]);
        }
    }
    shard_drop_reads(s);
    if (s->claim == CLAIM_HELD) {
        s->claim = CLAIM_NONE;
    }
    s->retry_ns = env_mono_ns(s->run->pr->p->env) + (e == ERR_FENCED ? FENCED_RETRY_NS : RETRY_NS);
}

bool shard_is_known(const struct shard *s)
{
    return s->claim == CLAIM_HELD || (s->mine && s->was_held);
}

uint64_t shard_lag(struct shard *s, int64_t *end)
{
    int64_t start = 0;
    *end = 0;
    if (engine_bounds(s->run->pr->p->e, s->topic, s->partition, &start, end) != ERR_OK) {
        return 0;
    }
    int64_t from = shard_is_known(s) ? s->next_offset : start;
    return *end > from ? (uint64_t)(*end - from) : 0;
}

/* It has reached a moment when it has what the log had then. One after the other, so that it is
 * known how far behind it is while there is something left at every tick. */
void shard_tick(struct shard *s, uint64_t now)
{
    int64_t end = 0;
    uint64_t lag = shard_lag(s, &end);
    if (s->claim == CLAIM_HELD && (lag == 0 || s->next_offset >= s->seen_end)) {
        s->reached_ns = lag == 0 ? now : s->seen_ns;
        s->seen_ns = now;
        s->seen_end = end;
    }
    if (!s->mine || lag == 0) {
        s->behind_ns = 0;
    } else if (s->behind_ns == 0 || s->behind_ns < s->reached_ns) {
        s->behind_ns = s->behind_ns == 0 ? now : s->reached_ns;
    }
}
