/* The feed of a projection: keys that wait, the ring of the last changes, resets. See feed.h. */
#include "proj/feed.h"

#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"

static const char TOO_MANY[] = "more rows were changed at once than are told one by one";
static const char UNKNOWN_ROWS[] = "rows were changed by SQL of one's own, or in their keys";
static const char NOT_SEEN[] = "rows may have been changed that were not seen here";
static const char UNREADABLE[] = "rows that were changed could not be read";

const char *proj_change_name(enum proj_change_kind k)
{
    static const char *const names[] = {"upsert",    "delete",     "reset",      "switched",
                                        "caught_up", "checkpoint", "fell_behind"};
    return names[k];
}

/* ---- Life */

struct feed *feed_of(struct projection *pr, struct ectx *ec)
{
    struct proj *p = pr->p;
    if (pr->feed != NULL) {
        return pr->feed;
    }
    if (p->feed_count == FEEDS_MAX) {
        (void)ectx_fail(ec, ERR_AGAIN, "%u projections are watched, as many as may be", FEEDS_MAX);
        return NULL;
    }
    struct feed *f = mem_new(struct feed);
    if (f == NULL) {
        (void)ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    f->pr = pr;
    env_random(p->env, &f->instance, sizeof(f->instance));
    f->first = 1;
    f->next = 1;
    list_init(&f->watchers);
    list_init(&f->pending);
    map_init(&f->pending_names);
    f->idle_since_ns = env_mono_ns(p->env);
    pr->feed = f;
    p->feed_count++;
    return f;
}

static void forget_key(struct feed *f, struct feed_key *k)
{
    list_remove(&k->link);
    (void)map_remove(&f->pending_names, k->name);
    f->pending_count--;
}

static void drop_pending(struct feed *f)
{
    LIST_FOR_EACH (link, next, &f->pending) {
        struct feed_key *k = CONTAINER_OF(link, struct feed_key, link);
        forget_key(f, k);
        mem_free(k);
    }
}

static void empty_ring(struct feed *f)
{
    for (; f->first != f->next; f->first++) {
        mem_free(f->ring[f->first % FEED_ENTRIES]);
    }
    f->bytes = 0;
}

static void free_reading(struct reading *r)
{
    for (size_t i = 0; i < r->count; i++) {
        mem_free(r->keys[i]);
        mem_free(r->made[i]);
        r->made[i] = NULL;
    }
    r->count = 0;
}

void feed_free(struct feed *f)
{
    if (f == NULL) {
        return;
    }
    watch_end_all(f, f->pr->gone ? ERR_NOT_FOUND : ERR_STOPPED,
                  f->pr->gone ? "the projection was removed" : "stopping");
    drop_pending(f);
    empty_ring(f);
    free_reading(&f->reading);
    feed_read_close(f);
    map_deinit(&f->pending_names);
    f->pr->feed = NULL;
    f->pr->p->feed_count--;
    mem_free(f);
}

bool feed_busy(const struct projection *pr)
{
    return pr->feed != NULL && pr->feed->reading.busy;
}

/* ---- The ring */

/* Takes the entry. */
static void push(struct feed *f, struct feed_entry *e)
{
    while (f->first != f->next &&
           (f->next - f->first == FEED_ENTRIES || f->bytes + e->bytes > FEED_BYTES)) {
        struct feed_entry *old = f->ring[f->first % FEED_ENTRIES];
        f->bytes -= old->bytes;
        mem_free(old);
        f->first++;
    }
    f->ring[f->next % FEED_ENTRIES] = e;
    f->next++;
    f->bytes += e->bytes;
    watch_end_slow(f);
}

/* A word about the rows; if there is no memory for it, it is said again later (false). */
static bool push_word(struct feed *f, enum proj_change_kind kind, uint32_t tables,
                      const char *reason)
{
    struct feed_entry *e = feed_entry_new(0, NULL);
    if (e == NULL) {
        return false;
    }
    e->kind = kind;
    e->tables = tables;
    e->reason = reason;
    e->version = f->pr->served;
    push(f, e);
    return true;
}

/* ---- Resets */

/* Not while rows are read: they are from before it, and are told before it. Who was told to read
 * the view again would take them for newer than what he has read. */
static void reset_go(struct feed *f, uint64_t now)
{
    if (f->reading.busy || f->reset_tables == 0 ||
        (f->reset_ns != 0 && now - f->reset_ns < FEED_RESET_NS)) {
        return;
    }
    if (push_word(f, PROJ_CHANGE_RESET, f->reset_tables, f->reset_reason)) {
        f->reset_tables = 0;
        f->reset_ns = now;
        watch_pump_all(f);
    }
}

static void reset(struct feed *f, uint32_t tables, const char *reason)
{
    f->reset_tables |= tables;
    f->reset_reason = reason;
    if (tables == FEED_ALL) {
        drop_pending(f); /* who reads the view again sees them */
    }
    reset_go(f, env_mono_ns(f->pr->p->env));
}

/* ---- Caught up */

static uint64_t position_of(const struct feed *f)
{
    struct engine *e = f->pr->p->e;
    return (engine_capabilities(e) & ENGINE_GLOBAL_ORDER) != 0 ? engine_position(e) : 0;
}

bool feed_settled(struct feed *f, uint64_t since_ns, uint64_t *position)
{
    struct run *r = run_find(f->pr, f->pr->served);
    if (r != NULL && f->pending_count == 0 && !f->reading.busy && f->reset_tables == 0 &&
        run_caught_up(r)) {
        *position = position_of(f);
        return true;
    }
    *position = f->settled_position;
    return r != NULL && f->settled_ns > since_ns &&
           env_mono_ns(f->pr->p->env) - f->settled_ns < FEED_BEHIND_NS;
}

/* What was told may not be so any more, or of another version. */
static void unsettle(struct feed *f)
{
    f->look_ns = 0;
    f->settled_ns = 0;
}

/* Keys are told in the order in which they came to wait. */
static void look(struct feed *f, uint64_t now, uint64_t reached_ns)
{
    if (f->look_ns == 0) {
        f->look_ns = now;
        f->look_position = position_of(f);
        f->look_applied = false;
    } else if (!f->look_applied && reached_ns > f->look_ns) {
        f->look_applied = true;
        f->look_keys = f->keys;
    }
}

static void look_told(struct feed *f)
{
    uint64_t told = f->keys - f->pending_count - (f->reading.busy ? f->reading.count : 0);
    if (f->look_ns != 0 && f->look_applied && told >= f->look_keys && f->reset_tables == 0) {
        f->settled_ns = f->look_ns;
        f->settled_position = f->look_position;
        f->look_ns = 0;
    }
}

/* ---- Reading */

static void read_done(struct env_job *job);

static void read_go(struct feed *f)
{
    struct reading *r = &f->reading;
    struct projection *pr = f->pr;
    struct run *run = run_find(pr, pr->served);
    if (r->busy || f->pending_count == 0 || run == NULL || pr->p->stopping || pr->gone ||
        run->dropping) {
        return;
    }
    r->count = 0;
    while (r->count < FEED_READ && !list_empty(&f->pending)) {
        struct feed_key *k = CONTAINER_OF(f->pending.next, struct feed_key, link);
        forget_key(f, k);
        r->made[r->count] = NULL;
        r->keys[r->count++] = k;
    }
    r->busy = true;
    r->run = run;
    run->calls++;
    r->job.run = feed_read_run;
    r->job.done = read_done;
    env_job_submit(pr->p->poll, ENV_LANE_QUERY, &r->job);
}

static void read_done(struct env_job *job)
{
    struct reading *r = CONTAINER_OF(job, struct reading, job);
    struct feed *f = CONTAINER_OF(r, struct feed, reading);
    struct projection *pr = f->pr;
    struct proj *p = pr->p;
    r->busy = false;
    r->run->calls--;
    bool current = r->version == pr->served && !pr->gone && !p->stopping;
    if (r->err != ERR_OK) {
        r->broken = true;
        LOG_WARN("projection.watch_failed", KV_STR("projection", pr->name), KV_ERR(&r->ec));
    }
    for (size_t i = 0; i < r->count && current && r->err == ERR_OK; i++) {
        push(f, r->made[i]);
        r->made[i] = NULL;
    }
    free_reading(r);
    if (r->err != ERR_OK && current) {
        reset(f, FEED_ALL, UNREADABLE);
    }
    look_told(f);
    watch_pump_all(f);
    reset_go(f, env_mono_ns(p->env));
    read_go(f);
    proj_ended(p);
}

/* ---- What is committed */

bool feed_collects(const struct projection *pr, const struct run *r)
{
    return pr->feed != NULL && r->d->version == pr->served;
}

/* "TABLE:kind:text...": the same key has the same name. */
static void put_name(struct buf *b, const struct change *c, size_t key_count)
{
    buf_printf(b, "%zu", c->table);
    for (size_t i = 0; i < key_count; i++) {
        const struct mapping_value *v = &c->key[i];
        buf_printf(b, ":%d:", (int)v->kind);
        if (v->kind == MAPPING_TEXT || v->kind == MAPPING_JSON) {
            buf_printf(b, "%zu:", v->text.n);
            buf_put_str(b, v->text);
        } else if (v->kind == MAPPING_INT) {
            buf_printf(b, "%lld", (long long)v->integer);
        } else {
            buf_printf(b, "%d:%.17g", (int)v->boolean, v->real);
        }
    }
}

/* A key on the heap, with its name behind it. NULL: no memory. */
static struct feed_key *key_new(const struct change *c, size_t key_count, struct str name)
{
    size_t bytes =
        sizeof(struct feed_key) + key_count * sizeof(struct mapping_value) + name.n + key_count;
    for (size_t i = 0; i < key_count; i++) {
        bool text = c->key[i].kind == MAPPING_TEXT || c->key[i].kind == MAPPING_JSON;
        bytes += text ? c->key[i].text.n : 0;
    }
    struct feed_key *k = mem_zalloc(1, bytes);
    if (k == NULL) {
        return NULL;
    }
    struct mapping_value *key = (struct mapping_value *)(void *)(k + 1);
    char *at = (char *)(key + key_count);
    memcpy(at, name.p, name.n);
    k->name = str_make(at, name.n);
    at += name.n;
    for (size_t i = 0; i < key_count; i++) {
        key[i] = c->key[i];
        if (key[i].kind == MAPPING_TEXT || key[i].kind == MAPPING_JSON) {
            if (key[i].text.n > 0) {
                memcpy(at, key[i].text.p, key[i].text.n);
            }
            key[i].text = str_make(at, key[i].text.n);
            at += key[i].text.n;
        }
    }
    k->table = c->table;
    k->position = c->position;
    k->index = c->index;
    k->key = key;
    return k;
}

/* False: it cannot wait (too many, no memory). */
static bool add_key(struct feed *f, const struct def *d, const struct change *c, struct buf *name)
{
    size_t key_count = d->tables[c->table].key_count;
    buf_clear(name);
    put_name(name, c, key_count);
    if (buf_failed(name)) {
        return false;
    }
    struct feed_key *k = map_get(&f->pending_names, buf_str(name));
    if (k != NULL) {
        bool later = c->position > k->position;
        k->index =
            later || (c->position == k->position && c->index > k->index) ? c->index : k->index;
        k->position = later ? c->position : k->position;
        return true;
    }
    k = f->pending_count == FEED_PENDING ? NULL : key_new(c, key_count, buf_str(name));
    if (k == NULL || !map_put(&f->pending_names, k->name, k)) {
        mem_free(k);
        return false;
    }
    list_push_back(&f->pending, &k->link);
    f->pending_count++;
    f->keys++;
    return true;
}

void feed_committed(struct projection *pr, const struct run *r, const struct changes *c)
{
    struct feed *f = pr->feed;
    if (f == NULL || r->d->version != pr->served) {
        return;
    }
    if (c == NULL || c->lost) {
        reset(f, FEED_ALL, c == NULL ? NOT_SEEN : TOO_MANY);
        return;
    }
    struct buf name;
    bool good = true;
    buf_init(&name, CHANGES_BYTES + 4096);
    for (size_t i = 0; i < c->count && good; i++) {
        /* A reset that is due will be told after them. */
        good =
            (f->reset_tables >> c->list[i].table & 1) != 0 || add_key(f, r->d, &c->list[i], &name);
    }
    buf_deinit(&name);
    if (!good) {
        reset(f, FEED_ALL, TOO_MANY);
    } else if (c->unknown != 0) {
        reset(f, c->unknown, UNKNOWN_ROWS);
    }
    read_go(f);
}

void feed_gap(struct projection *pr, const struct run *r)
{
    if (pr->feed != NULL && r->d->version == pr->served) {
        unsettle(pr->feed);
        reset(pr->feed, FEED_ALL, NOT_SEEN);
    }
}

void feed_switched(struct projection *pr)
{
    struct feed *f = pr->feed;
    if (f == NULL) {
        return;
    }
    /* What was not told yet is of tables that are not served any more. */
    drop_pending(f);
    empty_ring(f);
    watch_skip_all(f);
    unsettle(f);
    f->reset_tables = 0;
    if (push_word(f, PROJ_CHANGE_SWITCHED, FEED_ALL, NULL)) {
        watch_pump_all(f);
    } else {
        watch_end_all(f, ERR_NO_MEMORY, "out of memory");
    }
}

void feed_tick(struct projection *pr, uint64_t now)
{
    struct feed *f = pr->feed;
    struct run *r = f == NULL ? NULL : run_find(pr, pr->served);
    if (f == NULL || pr->p->stopping) {
        return;
    }
    if (pr->removing || pr->gone) {
        watch_end_all(f, ERR_NOT_FOUND, "the projection was removed");
    }
    reset_go(f, now);
    read_go(f);
    uint64_t reached_ns = r == NULL ? now : run_reached_ns(r, now);
    f->behind_ns = reached_ns == now           ? 0
                   : f->behind_ns == 0         ? now
                   : reached_ns > f->behind_ns ? reached_ns
                                               : f->behind_ns;
    look_told(f);
    look(f, now, reached_ns);
    look_told(f);
    watch_tick_all(f, now);
    if (!list_empty(&f->watchers)) {
        f->idle_since_ns = 0;
    } else if (f->idle_since_ns == 0) {
        f->idle_since_ns = now;
    } else if (now - f->idle_since_ns >= FEED_LINGER_NS && !f->reading.busy) {
        feed_free(f);
    }
}
