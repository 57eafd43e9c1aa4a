/*
 * The topic of definitions: one record for each change of a projection, with all that is asked of
 * it (key: its name; null: it is gone). What was there last counts. Read once at the start; from
 * then on this process is the one that writes.
 *
 *     {"paused": false, "removing": false, "reached": false, "since": [...],
 *      "versions": [{"version": 1, "file": "orders.yaml", "text": "projection: orders\n..."}]}
 *
 * And one with the key "NAME#reached" before anything of it is made in its target, so that whoever
 * removes it knows if there is something to drop. It goes with the name.
 *
 * A record of which this build understands only a part is left as it is, and so is the target: what
 * we do not know of it would be dropped, or forgotten by the next change.
 */
#include <string.h>

#include "core/compiler.h"
#include "core/log.h"
#include "core/mem.h"
#include "proj/proj_int.h"
#include "record/batch.h"
#include "json/json.h"

#define READ_BYTES_AT_ONCE (1u << 20)
#define RECORD_BYTES_MAX   (8u << 20)
#define ARENA_BYTES        (64u << 20)
#define RETRY_NS           (200ull * 1000 * 1000)

struct registry {
    struct proj *p;
    struct engine_ensure ensure;
    struct engine_read read;
    struct arena arena;
    struct record_scratch scratch;
    bool reading, busy; /* busy: a call is under way */
    int64_t end;
    struct list found;    /* of struct found, while it reads */
    struct list unusable; /* likewise, for good */
    struct list changes;  /* on their way */
    uint64_t retry_ns;
};
struct found {
    struct list link;
    char *name, *text; /* heap; text NULL: gone */
    bool unseen;       /* of one of its versions nothing is known, not even its views */
    struct ectx why;   /* of an unusable one */
};

MUST_USE enum err registry_create(struct proj *p, struct registry **out)
{
    struct registry *g = mem_new(struct registry);
    if (g == NULL) {
        return ERR_NO_MEMORY;
    }
    g->p = p;
    arena_init(&g->arena, ARENA_BYTES);
    record_scratch_init(&g->scratch, RECORD_DECOMPRESSED_MAX);
    list_init(&g->found);
    list_init(&g->unusable);
    list_init(&g->changes);
    *out = g;
    return ERR_OK;
}

static void found_free(struct found *f)
{
    list_remove(&f->link);
    mem_free(f->name);
    mem_free(f->text);
    mem_free(f);
}

void registry_destroy(struct registry *g)
{
    if (g == NULL) {
        return;
    }
    LIST_FOR_EACH (link, next, &g->found) {
        found_free(CONTAINER_OF(link, struct found, link));
    }
    LIST_FOR_EACH (link, next, &g->unusable) {
        found_free(CONTAINER_OF(link, struct found, link));
    }
    LIST_FOR_EACH (link, next, &g->changes) {
        registry_change_free(CONTAINER_OF(link, struct registry_change, link));
    }
    record_scratch_deinit(&g->scratch);
    arena_deinit(&g->arena);
    mem_free(g);
}

/* ---- Reading */

static enum err remember(struct registry *g, struct str name, struct str text)
{
    struct found *f = NULL;
    LIST_FOR_EACH (link, next, &g->found) {
        struct found *x = CONTAINER_OF(link, struct found, link);
        f = str_eq_z(name, x->name) ? x : f;
    }
    if (f == NULL) {
        f = mem_new(struct found);
        char *copy = str_dup_z(name);
        if (f == NULL || copy == NULL) {
            mem_free(f);
            mem_free(copy);
            return ERR_NO_MEMORY;
        }
        f->name = copy;
        list_push_back(&g->found, &f->link);
    }
    char *copy = str_is_null(text) ? NULL : str_dup_z(text);
    if (copy == NULL && !str_is_null(text)) {
        return ERR_NO_MEMORY;
    }
    mem_free(f->text);
    f->text = copy;
    return ERR_OK;
}

static enum err take_batch(struct registry *g, struct str bytes, int64_t from, struct ectx *ec)
{
    struct batch_header h;
    struct record_iter it;
    struct record r;
    enum err e = batch_header_parse((const uint8_t *)bytes.p, bytes.n, &h, ec);
    e = e != ERR_OK ? e
                    : record_iter_init(&it, &h, (const uint8_t *)bytes.p, &g->scratch,
                                       RECORD_DECOMPRESSED_MAX, ec);
    while (e == ERR_OK && record_next(&it, &r)) {
        if (r.offset >= from && !str_is_null(r.key)) {
            e = remember(g, r.key, r.value);
        }
    }
    return e != ERR_OK ? e : record_iter_end(&it, ec);
}

/* One that cannot be made is an error, and *pr is there if the target is known. */
static enum err make_version(struct proj *p, const struct found *f, const struct json *m,
                             struct projection **pr, struct ectx *ec)
{
    const struct json *file = json_get(m, "file");
    const struct json *text = json_get(m, "text");
    int64_t version = 0;
    int64_t upcasts = 0;
    if (file == NULL || text == NULL || !json_i64(json_get(m, "version"), &version)) {
        return ectx_fail(ec, ERR_DAMAGED, "the record of projection '%s' cannot be read", f->name);
    }
    struct def *d = NULL;
    struct run *r = NULL;
    enum err e = def_create(text->string, file->string, (uint32_t)version, &d, ec);
    if (e == ERR_OK && *pr == NULL) {
        e = projection_create(p, d, pr, ec);
    }
    if (e == ERR_OK && json_i64(json_get(m, "upcasts"), &upcasts)) {
        d->upcasts = (uint64_t)upcasts;
    }
    e = e != ERR_OK ? e : run_create(*pr, d, &r);
    if (e != ERR_OK) {
        def_destroy(d);
    }
    return e;
}

static enum err make_projection(struct proj *p, struct found *f, struct arena *a, struct ectx *ec)
{
    struct json *v = NULL;
    enum err e = json_parse(str_of(f->text), NULL, a, &v, ec);
    const struct json *versions = json_get(v, "versions");
    struct projection *pr = NULL;
    /* Beside one that cannot be made the others keep their views, so that nobody else takes them.
     */
    for (const struct json *m = versions == NULL ? NULL : versions->first; m != NULL; m = m->next) {
        struct ectx own;
        enum err made = make_version(p, f, m, &pr, &own);
        if (made != ERR_OK && (e == ERR_OK || made == ERR_NO_MEMORY)) {
            e = made;
            *ec = own;
        }
    }
    f->unseen = e != ERR_OK;
    const struct json *since = json_get(v, "since");
    if (pr != NULL && since != NULL && e == ERR_OK) {
        pr->since = since_new();
        e = pr->since == NULL ? ERR_NO_MEMORY : since_read(pr->since, since);
        if (e != ERR_OK) {
            (void)ectx_fail(ec, e, "the record of projection '%s' cannot be read", f->name);
        }
    }
    if (e != ERR_OK) { /* a hint is for who writes a definition */
        ectx_hint(ec, "start the version of Leat that declared it");
    } else if (pr != NULL) {
        e = projection_library(p, pr->driver, &pr->library, ec);
    }
    if (pr != NULL) {
        const struct json *paused = json_get(v, "paused");
        const struct json *removing = json_get(v, "removing");
        const struct json *reached = json_get(v, "reached");
        pr->reached = reached == NULL || reached->boolean; /* NULL: of an earlier build */
        pr->paused = paused != NULL && paused->boolean;
        pr->removing = removing != NULL && removing->boolean;
        pr->unusable = e != ERR_OK;
        LIST_FOR_EACH (link, next, &pr->runs) {
            if (pr->unusable) {
                run_failed(CONTAINER_OF(link, struct run, link), ec);
            }
        }
    }
    return e;
}

/* "NAME#reached" comes behind "NAME". */
static bool take_reached(struct registry *g, const struct found *f)
{
    struct str end;
    struct str name = str_cut(str_of(f->name), '#', &end);
    struct projection *pr = str_is_null(end) ? NULL : projection_find(g->p, name);
    if (pr != NULL && f->text != NULL) {
        pr->reached = true;
    }
    return !str_is_null(end);
}

/* Its name stays taken, with the reason. The others are not to blame (a library that is missing, a
 * definition of a later build). */
static void keep_unusable(struct registry *g, struct found *f, const struct ectx *why)
{
    LOG_ERROR("projection.unusable", KV_Z("projection", f->name), KV_ERR(why));
    f->why = *why;
    mem_free(f->text);
    f->text = NULL;
    list_remove(&f->link);
    list_push_back(&g->unusable, &f->link);
}

static void finish(struct registry *g, enum err e, struct ectx *ec)
{
    g->reading = false;
    struct arena a;
    arena_init(&a, ARENA_BYTES);
    LIST_FOR_EACH (link, next, &g->found) {
        struct found *f = CONTAINER_OF(link, struct found, link);
        struct ectx own;
        enum err bad = ERR_OK;
        if (!take_reached(g, f) && e == ERR_OK && f->text != NULL) {
            arena_reset(&a, 0);
            bad = make_projection(g->p, f, &a, &own);
        }
        if (bad != ERR_OK && bad != ERR_NO_MEMORY) {
            keep_unusable(g, f, &own);
            continue;
        }
        if (bad != ERR_OK) {
            e = bad;
            *ec = own;
        }
        found_free(f);
    }
    arena_deinit(&a);
    proj_ready(g->p, e, ec);
}

const struct ectx *registry_unusable(const struct registry *g, struct str name)
{
    LIST_FOR_EACH (link, next, &((struct registry *)(uintptr_t)g)->unusable) {
        const struct found *f = CONTAINER_OF(link, struct found, link);
        if (str_eq_z(name, f->name)) {
            return &f->why;
        }
    }
    return NULL;
}

const char *registry_unseen(const struct registry *g)
{
    LIST_FOR_EACH (link, next, &((struct registry *)(uintptr_t)g)->unusable) {
        const struct found *f = CONTAINER_OF(link, struct found, link);
        if (f->unseen) {
            return f->name;
        }
    }
    return NULL;
}

static void read_more(struct registry *g, int64_t offset);

static void read_done(struct engine_read *read)
{
    struct registry *g = read->ctx;
    g->busy = false;
    enum err e = read->err;
    for (size_t i = 0; i < read->batch_count && e == ERR_OK; i++) {
        e = take_batch(g, read->batches[i].bytes, read->offset, &read->ec);
    }
    int64_t next = read->next_offset;
    if (read->err == ERR_OK) {
        engine_read_release(g->p->e, read);
    } else {
        next = read->offset; /* it is tried again */
        e = e == ERR_DAMAGED || e == ERR_NO_MEMORY ? e : ERR_OK;
    }
    arena_reset(&g->arena, 0);
    if (g->p->stopping) {
        proj_ended(g->p);
        return;
    }
    if (e != ERR_OK || next >= g->end) {
        finish(g, e, &read->ec);
    } else if (next > read->offset) {
        read_more(g, next);
    } else {
        g->retry_ns = env_mono_ns(g->p->env) + RETRY_NS;
    }
}

static void read_more(struct registry *g, int64_t offset)
{
    g->retry_ns = 0;
    g->busy = true;
    g->read = (struct engine_read){.topic = STR_LIT(PROJ_TOPIC),
                                   .offset = offset,
                                   .max_bytes = READ_BYTES_AT_ONCE,
                                   .arena = &g->arena,
                                   .done = read_done,
                                   .ctx = g};
    engine_read(g->p->e, &g->read);
}

static void ensured(struct engine_ensure *t)
{
    struct registry *g = t->ctx;
    g->busy = false;
    int64_t start = 0;
    if (g->p->stopping) {
        proj_ended(g->p);
        return;
    }
    enum err e = t->err;
    if (e == ERR_OK) {
        e = engine_bounds(g->p->e, STR_LIT(PROJ_TOPIC), 0, &start, &g->end);
        if (e != ERR_OK) {
            (void)ectx_fail(&t->ec, e, "the topic " PROJ_TOPIC " cannot be read: %s", err_text(e));
        }
    }
    if (e != ERR_OK || start >= g->end) {
        finish(g, e, &t->ec);
    } else {
        read_more(g, start);
    }
}

void registry_start(struct registry *g)
{
    static const struct engine_setting settings[] = {{"retention.ms", "-1"},
                                                     {"retention.bytes", "-1"}};
    g->reading = true;
    g->busy = true;
    g->ensure = (struct engine_ensure){.name = STR_LIT(PROJ_TOPIC),
                                       .partitions = 1,
                                       .settings = settings,
                                       .setting_count = ARRAY_LEN(settings),
                                       .done = ensured,
                                       .ctx = g};
    engine_topic_ensure(g->p->e, &g->ensure);
}

/* ---- Writing */

struct registry_change *registry_change_new(struct projection *pr, struct str name)
{
    struct registry_change *c = mem_new(struct registry_change);
    if (c == NULL) {
        return NULL;
    }
    list_init(&c->link);
    buf_init(&c->text, RECORD_BYTES_MAX);
    c->pr = pr;
    c->name = name;
    if (pr != NULL) {
        c->paused = pr->paused;
        c->removing = pr->removing;
    }
    return c;
}

void registry_change_free(struct registry_change *c)
{
    list_remove(&c->link);
    def_destroy(c->add);
    since_free(c->since);
    buf_deinit(&c->text);
    mem_free(c);
}

bool registry_is_busy(const struct registry *g, struct str name)
{
    for (const struct list *link = g->changes.next; link != &g->changes; link = link->next) {
        const struct registry_change *c =
            (const struct registry_change *)(const void *)((const char *)link -
                                                           offsetof(struct registry_change, link));
        if (str_eq(c->name, name)) {
            return true;
        }
    }
    return false;
}

struct str registry_declares(const struct registry *g, struct str name, struct str view)
{
    for (const struct list *link = g->changes.next; link != &g->changes; link = link->next) {
        const struct registry_change *c =
            (const struct registry_change *)(const void *)((const char *)link -
                                                           offsetof(struct registry_change, link));
        if (c->add != NULL && !str_eq(c->name, name) && def_table_find(c->add, view) != NULL) {
            return c->add->name;
        }
    }
    return STR_NULL;
}

static void write_version(struct json_writer *w, const struct def *d)
{
    json_write_begin(w, '{');
    json_write_member_i64(w, "version", d->version);
    json_write_member_str(w, "file", d->file);
    json_write_member_str(w, "text", d->text);
    if (d->upcasts != 0) {
        json_write_member_i64(w, "upcasts", (int64_t)d->upcasts);
    }
    json_write_end(w, '}');
}

static void write_text(struct registry_change *c)
{
    struct json_writer w;
    json_write_init(&w, &c->text);
    json_write_begin(&w, '{');
    json_write_member_bool(&w, "reached", c->reached || (c->pr != NULL && c->pr->reached));
    if (c->reached) {
        json_write_end(&w, '}');
        return;
    }
    json_write_member_bool(&w, "paused", c->paused);
    json_write_member_bool(&w, "removing", c->removing);
    const struct since *since = c->since != NULL ? c->since : c->pr == NULL ? NULL : c->pr->since;
    if (since != NULL) {
        json_write_name(&w, "since");
        since_write(since, &w);
    }
    json_write_name(&w, "versions");
    json_write_begin(&w, '[');
    if (c->pr != NULL) {
        LIST_FOR_EACH (link, next, &c->pr->runs) {
            const struct run *r = CONTAINER_OF(link, struct run, link);
            if (r->d->version != c->without && !r->dropping) {
                write_version(&w, r->d);
            }
        }
    }
    if (c->add != NULL) {
        write_version(&w, c->add);
    }
    json_write_end(&w, ']');
    json_write_end(&w, '}');
}

static void written(struct engine_append *a)
{
    struct registry_change *c = a->ctx;
    struct proj *p = c->p;
    c->sent = false;
    if ((a->err == ERR_ABORTED || a->err == ERR_AGAIN) && !p->stopping) {
        c->retry_ns = 1; /* by the next tick */
        return;
    }
    c->err = a->err;
    c->ec = a->ec;
    list_remove(&c->link);
    c->done(c);
    proj_ended(p);
}

static void write_change(struct registry *g, struct registry_change *c)
{
    c->retry_ns = 0;
    c->sent = true;
    c->records[0] = (struct engine_record){
        .key = c->name, .value = c->removed ? STR_NULL : buf_str(&c->text), .timestamp_ms = -1};
    if (c->removed) {
        c->records[1] = (struct engine_record){
            .key = str_of(c->pr->reached_key), .value = STR_NULL, .timestamp_ms = -1};
    }
    c->part = (struct engine_part){
        .topic = STR_LIT(PROJ_TOPIC), .records = c->records, .count = c->removed ? 2 : 1};
    c->append =
        (struct engine_append){.parts = &c->part, .part_count = 1, .done = written, .ctx = c};
    engine_append(g->p->e, &c->append);
}

void registry_write(struct registry *g, struct registry_change *c)
{
    write_text(c);
    if (buf_failed(&c->text)) {
        c->err = ectx_fail(&c->ec, ERR_LIMIT,
                           "the definitions of one projection are larger than %u "
                           "bytes together, or there is no memory",
                           RECORD_BYTES_MAX);
        c->done(c);
        return;
    }
    list_push_back(&g->changes, &c->link);
    c->p = g->p;
    write_change(g, c);
}

void registry_tick(struct registry *g)
{
    uint64_t now = env_mono_ns(g->p->env);
    if (g->reading && !g->busy && g->retry_ns != 0 && now >= g->retry_ns) {
        read_more(g, g->read.offset);
    }
    LIST_FOR_EACH (link, next, &g->changes) {
        struct registry_change *c = CONTAINER_OF(link, struct registry_change, link);
        if (!c->sent && c->retry_ns != 0) {
            write_change(g, c);
            return; /* the list may have changed */
        }
    }
}

void registry_stop(struct registry *g)
{
    LIST_FOR_EACH (link, next, &g->changes) {
        struct registry_change *c = CONTAINER_OF(link, struct registry_change, link);
        if (!c->sent) {
            c->err = ectx_fail(&c->ec, ERR_STOPPED, "stopping");
            list_remove(&c->link);
            c->done(c);
        }
    }
}

bool registry_idle(const struct registry *g)
{
    return !g->busy && list_empty(&g->changes);
}
