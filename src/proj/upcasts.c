/*
 * The event store's upcasts for projections. proj does not know the event store: it is given their
 * texts (proj_config), compiles them once for each change, and hands the same set to every
 * transaction that begins, until there is another one.
 */
#include "proj/upcasts.h"

#include "core/compiler.h"
#include "core/log.h"
#include "core/mem.h"
#include "json/yaml.h"

#define TEXTS_ARENA_BYTES (512u << 20)

void upcasts_unref(struct upcasts *u)
{
    if (u != NULL && --u->refs == 0) {
        for (size_t i = 0; i < u->count; i++) {
            buf_deinit(&u->json[i]);
        }
        mem_free(u->json);
        arena_deinit(&u->arena);
        mem_free(u);
    }
}

static enum err compile(struct upcasts *u, struct str text, struct buf *json,
                        struct mapping_upcasts_file *out, struct ectx *ec)
{
    struct yaml_map *map = NULL;
    struct json *v = NULL;
    struct str copy = arena_str(&u->arena, text);
    struct mapping_upcasts *file = NULL;
    buf_init(json, 8u * PROJ_DEFINITION_BYTES);
    enum err e = str_is_null(copy) ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory")
                                   : yaml_to_json(copy, "upcasts", json, &u->arena, &map, ec);
    e = e == ERR_OK ? json_parse(buf_str(json), NULL, &u->arena, &v, ec) : e;
    const struct mapping_doc doc = {.file = "upcasts", .place = yaml_place, .ctx = map};
    e = e == ERR_OK ? mapping_upcasts_compile(&doc, v, &u->arena, &file, ec) : e;
    *out = (struct mapping_upcasts_file){.u = file};
    return e;
}

static void mix(uint64_t *hash, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        *hash = (*hash ^ (unsigned char)s.p[i]) * 0x100000001b3ull;
    }
    *hash = (*hash ^ 0xff) * 0x100000001b3ull;
}

static enum err make(const struct str *texts, size_t count, struct upcasts **out, struct ectx *ec)
{
    struct upcasts *u = mem_new(struct upcasts);
    struct buf *json = mem_zalloc(count + 1, sizeof(*json));
    if (u == NULL || json == NULL) {
        mem_free(u);
        mem_free(json);
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    u->refs = 1;
    u->json = json;
    u->hash = 0xcbf29ce484222325ull;
    arena_init(&u->arena, UPCASTS_ARENA_BYTES);
    struct mapping_upcasts_file *files =
        arena_new_n(&u->arena, struct mapping_upcasts_file, count + 1);
    enum err e = files == NULL ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory") : ERR_OK;
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        u->count++;
        mix(&u->hash, texts[i]);
        e = compile(u, texts[i], &json[i], &files[i], ec);
    }
    /* What the event store leaves out is left out here, and it has told. */
    e = e == ERR_OK ? mapping_upcasts_join(files, count, &u->arena, &u->all, ec) : e;
    u->hash = u->hash >> 1 | 1; /* a number of JSON, and not 0 */
    if (e != ERR_OK) {
        upcasts_unref(u);
        return e;
    }
    *out = u;
    return ERR_OK;
}

/* Brings p->upcasts up to what is declared. */
static void refresh(struct proj *p)
{
    const struct proj_upcasts *source = p->config.upcasts;
    uint64_t version = source == NULL ? 1 : source->version(source->ctx);
    if (version == p->upcasts_version || version == 0 || p->stopping) {
        return;
    }
    struct arena a;
    struct ectx ec = {0};
    struct upcasts *u = NULL;
    size_t count = 0;
    arena_init(&a, TEXTS_ARENA_BYTES);
    const struct str *texts = source == NULL ? NULL : source->texts(source->ctx, &a, &count);
    enum err e = source != NULL && texts == NULL ? ectx_fail(&ec, ERR_NO_MEMORY, "out of memory")
                                                 : make(texts, count, &u, &ec);
    arena_deinit(&a);
    if (e != ERR_OK) { /* what reads the event store waits: it must not see old forms */
        upcasts_unref(p->upcasts);
        p->upcasts = NULL;
        if (p->upcasts_failed != version) {
            LOG_ERROR("projection.upcasts_failed", KV_ERR(&ec));
        }
        p->upcasts_failed = version;
        return;
    }
    upcasts_unref(p->upcasts);
    p->upcasts = u;
    p->upcasts_version = version;
}

struct upcasts *upcasts_now(struct proj *p)
{
    refresh(p);
    if (p->upcasts != NULL) {
        p->upcasts->refs++;
    }
    return p->upcasts;
}

uint64_t upcasts_hash(struct proj *p)
{
    refresh(p);
    return p->upcasts == NULL ? 0 : p->upcasts->hash;
}

bool upcasts_matter(const struct proj *p, const struct def *d)
{
    bool matter = false;
    for (size_t i = 0; i < d->topic_count; i++) {
        matter = matter || str_starts(d->topics[i], "es.");
    }
    return matter && !d->as_stored && p->config.upcasts != NULL;
}

/* ---- On a worker */

bool upcasts_know(const struct upcasts *u, const struct envelope *e)
{
    return mapping_upcasts_known(u->all, e);
}

bool upcasts_lead(const struct upcasts *u, const struct envelope *e,
                  bool (*fits)(const void *ctx, const struct envelope *form), const void *ctx)
{
    return mapping_upcasts_lead(u->all, e, fits, ctx);
}

MUST_USE enum err upcasts_make(const struct upcasts *u, const struct mapping_event *event,
                               struct arena *a, struct mapping_upcasted **out, size_t *count,
                               struct ectx *ec)
{
    return mapping_upcast(u->all, event, a, out, count, ec);
}
