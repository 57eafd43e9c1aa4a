/*
 * Categories: the topics es.CATEGORY. They are made explicitly, or by the first append to one of
 * their streams as long as there are fewer than leat.es.categories.auto.max. They keep everything;
 * what may not be changed of them is refused by the gate (gate.c).
 *
 * The bounds: ES_CATEGORIES_MAX categories, and as many partitions as the index can note the
 * offsets of (es_covered_room).
 */
#include "core/mem.h"
#include "core/utf8.h"
#include "es/write.h"

/* One topic that is being made, and who waits for it. */
struct cat_making {
    struct list link; /* es.making */
    struct es *es;
    struct engine_ensure ensure;
    struct list ops;     /* of struct es_wop, by cat_link */
    struct list creates; /* of struct cat_create */
    char topic[sizeof(ES_TOPIC_PREFIX) + ES_CATEGORY_MAX];
};
struct cat_create {
    struct list link;
    struct es_category_create *call;
};

/* All events of an append for one partition are one batch: the log's own limit of an append, 4 MiB
 * at most (store/doubt.c), is the one that is met, not the topic's of 1 MiB, into which neither
 * 10,000 small events fit nor the largest event with its headers. */
static const struct engine_setting topic_settings[] = {
    {"retention.ms", "-1"},           {"retention.bytes", "-1"},
    {"max.message.bytes", "4194304"}, {"compression.type", "uncompressed"},
    {"leat.durability", "fsync"},
};

static bool category_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_';
}

static bool category_name_check(struct str name, struct ectx *ec)
{
    if (name.n == 0 || name.n > ES_CATEGORY_MAX) {
        IGNORE(ectx_fail(ec, ERR_MALFORMED,
                         "a category (what stands before the first '-' of a stream's name) has 1 "
                         "to %u characters, not %zu",
                         ES_CATEGORY_MAX, name.n));
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        if (!category_char(name.p[i])) {
            IGNORE(ectx_fail(ec, ERR_MALFORMED,
                             "category '%.*s': letters of ASCII, digits, '.' and '_' only",
                             STR(name)));
            return false;
        }
    }
    return true;
}

bool es_stream_name_check(struct str stream, struct str *category, struct ectx *ec)
{
    if (stream.n == 0 || stream.n > ES_STREAM_NAME_MAX) {
        IGNORE(ectx_fail(ec, ERR_MALFORMED, "a stream's name has 1 to %u bytes, not %zu",
                         ES_STREAM_NAME_MAX, stream.n));
        return false;
    }
    bool control = false;
    for (size_t i = 0; i < stream.n; i++) {
        control |= (unsigned char)stream.p[i] < 0x20 || stream.p[i] == 0x7f;
    }
    if (control || !utf8_valid(stream)) {
        IGNORE(
            ectx_fail(ec, ERR_MALFORMED, "a stream's name is UTF-8 and has no control characters"));
        return false;
    }
    struct str rest;
    *category = str_cut(stream, '-', &rest);
    return category_name_check(*category, ec);
}

struct es_cat *es_cat_find(struct es *es, struct str category)
{
    return map_get(&es->cats, category);
}

struct es_cat *es_cat_by_hash(struct es *es, uint64_t hash)
{
    return map_get_u64(&es->cats_by_hash, hash);
}

struct es_cat *es_cat_of_topic(struct es *es, struct str topic)
{
    size_t prefix = sizeof(ES_TOPIC_PREFIX) - 1;
    if (topic.n <= prefix || memcmp(topic.p, ES_TOPIC_PREFIX, prefix) != 0) {
        return NULL;
    }
    return es_cat_find(es, str_make(topic.p + prefix, topic.n - prefix));
}

static int32_t partition_of(int32_t partitions, struct str stream)
{
    const struct engine_topic t = {.partition_count = partitions};
    return engine_partition_of(&t, stream);
}

int32_t es_cat_partition(const struct es_cat *c, struct str stream)
{
    return partition_of(c->partitions, stream);
}

int32_t es_facts_partition(const struct es *es, struct str stream)
{
    return partition_of(es->facts_partitions, stream);
}

static void cat_free(struct es_cat *c)
{
    if (c != NULL) {
        mem_free(c->memory);
        mem_free(c->covered);
        mem_free(c);
    }
}

enum err es_cat_add(struct es *es, const struct engine_topic *topic, struct es_cat **out,
                    struct ectx *ec)
{
    size_t prefix = sizeof(ES_TOPIC_PREFIX) - 1;
    struct es_cat *c = mem_new(struct es_cat);
    if (c == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a category");
    }
    c->memory = str_dup_z(topic->name);
    c->id = topic->id;
    c->partitions = topic->partition_count;
    c->covered = mem_zalloc((size_t)topic->partition_count, sizeof(*c->covered));
    if (c->memory == NULL || c->covered == NULL) {
        cat_free(c);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a category");
    }
    c->topic = str_make(c->memory, topic->name.n);
    c->name = str_make(c->memory + prefix, topic->name.n - prefix);
    c->hash = es_hash_category(es, c->name);
    if (!map_put(&es->cats, c->name, c)) {
        cat_free(c);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a category");
    }
    if (!map_put_u64(&es->cats_by_hash, c->hash, c)) {
        map_remove(&es->cats, c->name);
        cat_free(c);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a category");
    }
    *out = c;
    return ERR_OK;
}

void es_cats_free(struct es *es)
{
    struct map_iter it = {0};
    while (map_next(&es->cats, &it)) {
        cat_free(it.value);
    }
    map_deinit(&es->cats);
    map_deinit(&es->cats_by_hash);
    struct list *l;
    while ((l = list_pop_front(&es->making)) != NULL) {
        mem_free(CONTAINER_OF(l, struct cat_making, link));
    }
}

/* ---- Making one
 * -------------------------------------------------------------------------------- */

static void create_answer(struct es_category_create *c, enum es_problem p, const struct ectx *ec)
{
    c->problem = p;
    if (ec != NULL) {
        c->ec = *ec;
    }
    c->done(c);
}

static void making_done(struct engine_ensure *t)
{
    struct cat_making *m = t->ctx;
    struct es *es = m->es;
    struct engine_topic topic;
    struct es_cat *c = NULL;
    enum err e = t->err;
    if (e == ERR_OK && es_cat_of_topic(es, str_of(m->topic)) == NULL) {
        e = engine_topic_get(es->engine, str_of(m->topic), &topic)
                ? es_cat_add(es, &topic, &c, &t->ec)
                : ectx_fail(&t->ec, ERR_NOT_FOUND, "topic '%s' is gone", m->topic);
    }
    list_remove(&m->link);
    struct list *l;
    while ((l = list_pop_front(&m->creates)) != NULL) {
        struct cat_create *w = CONTAINER_OF(l, struct cat_create, link);
        struct es_category_create *call = w->call;
        call->created = t->created;
        mem_free(w);
        create_answer(call, e == ERR_OK ? ES_OK : ES_FAILED, &t->ec);
    }
    while ((l = list_pop_front(&m->ops)) != NULL) {
        struct es_wop *op = CONTAINER_OF(l, struct es_wop, cat_link);
        es_wop_told(op, e);
    }
    mem_free(m);
}

static struct cat_making *making_find(const struct es *es, struct str category)
{
    LIST_FOR_EACH (l, tmp, &es->making) {
        struct cat_making *m = CONTAINER_OF(l, struct cat_making, link);
        if (str_eq_z(category, m->topic + sizeof(ES_TOPIC_PREFIX) - 1)) {
            return m;
        }
    }
    return NULL;
}

bool es_cat_coming(const struct es *es, struct str category)
{
    return making_find(es, category) != NULL;
}

/* The topic is asked for by es_making_go, when those who wait are in its lists. */
static struct cat_making *making_begin(struct es *es, struct str category, int32_t partitions)
{
    struct cat_making *m = mem_new(struct cat_making);
    if (m == NULL) {
        return NULL;
    }
    size_t prefix = sizeof(ES_TOPIC_PREFIX) - 1;
    m->es = es;
    list_init(&m->ops);
    list_init(&m->creates);
    list_init(&m->link);
    memcpy(m->topic, ES_TOPIC_PREFIX, prefix);
    memcpy(m->topic + prefix, category.p, category.n);
    m->ensure = (struct engine_ensure){.name = str_of(m->topic),
                                       .partitions = partitions,
                                       .settings = topic_settings,
                                       .setting_count = ARRAY_LEN(topic_settings),
                                       .done = making_done,
                                       .ctx = m};
    list_push_back(&es->making, &m->link);
    return m;
}

static size_t making_count(const struct es *es)
{
    size_t n = 0;
    LIST_FOR_EACH (l, tmp, &es->making) {
        n++;
    }
    return n;
}

enum err es_cats_room(struct es *es, struct str last, size_t more, size_t name_bytes,
                      struct ectx *ec)
{
    const size_t count = es->cats.count + making_count(es);
    if (count + more <= es->auto_categories_max &&
        es_covered_room(es, more, name_bytes, es->default_partitions)) {
        return ERR_OK;
    }
    IGNORE(ectx_fail(ec, ERR_LIMIT,
                     "there is no category '%.*s', and %zu are there: no more are made by "
                     "themselves",
                     STR(last), count));
    ectx_hint(ec, "create the category, or raise leat.es.categories.auto.max");
    return ERR_LIMIT;
}

enum err es_cat_want(struct es *es, struct str category, struct es_wop *op, struct ectx *ec)
{
    struct cat_making *m = making_find(es, category);
    bool begin = m == NULL;
    if (begin) {
        const enum err e = es_cats_room(es, category, 1, category.n, ec);
        if (e != ERR_OK) {
            return e;
        }
        m = making_begin(es, category, es->default_partitions);
        if (m == NULL) {
            return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a category");
        }
    }
    op->pending++;
    list_push_back(&m->ops, &op->cat_link);
    if (begin) {
        op->holding = true; /* an engine that ends it at once does not run the op within its run */
        engine_topic_ensure(es->engine, &m->ensure);
        op->holding = false;
    }
    return op->pending > 0 ? ERR_AGAIN : ERR_OK;
}

void es_category_create(struct es *es, struct es_category_create *c)
{
    struct ectx ec = {.code = ERR_OK};
    enum es_problem p = es_life_check(es, &ec);
    int32_t partitions = c->partitions == -1 ? es->default_partitions : c->partitions;
    c->created = false;
    if (p == ES_OK && !category_name_check(c->name, &ec)) {
        p = ES_INVALID;
    }
    if (p == ES_OK && (partitions < 1 || partitions > (int32_t)ES_PARTITIONS_MAX)) {
        IGNORE(ectx_fail(&ec, ERR_INVALID_PARTITIONS, "a category has 1 to %u partitions, not %d",
                         ES_PARTITIONS_MAX, partitions));
        p = ES_INVALID;
    }
    if (p != ES_OK || es_cat_find(es, c->name) != NULL) {
        create_answer(c, p, &ec);
        return;
    }
    if (es->cats.count + making_count(es) >= ES_CATEGORIES_MAX ||
        !es_covered_room(es, 1, c->name.n, partitions)) {
        IGNORE(ectx_fail(&ec, ERR_LIMIT, "there are %zu categories: no more are possible",
                         es->cats.count));
        create_answer(c, ES_INVALID, &ec);
        return;
    }
    struct cat_making *m = making_find(es, c->name);
    bool begin = m == NULL;
    struct cat_create *w = mem_new(struct cat_create);
    if (begin && w != NULL) {
        m = making_begin(es, c->name, partitions);
    }
    if (w == NULL || m == NULL) {
        mem_free(w);
        IGNORE(ectx_fail(&ec, ERR_NO_MEMORY, "no memory for a category"));
        create_answer(c, ES_UNAVAILABLE, &ec);
        return;
    }
    w->call = c;
    list_push_back(&m->creates, &w->link);
    if (begin) {
        engine_topic_ensure(es->engine, &m->ensure);
    }
}

void es_cats_stop(struct es *es)
{
    struct ectx ec = {.code = ERR_OK};
    enum es_problem p = es_life_check(es, &ec);
    LIST_FOR_EACH (l, tmp, &es->making) {
        struct cat_making *m = CONTAINER_OF(l, struct cat_making, link);
        struct list *c;
        while ((c = list_pop_front(&m->creates)) != NULL) {
            struct cat_create *w = CONTAINER_OF(c, struct cat_create, link);
            struct es_category_create *call = w->call;
            mem_free(w);
            create_answer(call, p, &ec);
        }
    }
}

struct es_category *es_categories(struct es *es, struct arena *a, size_t *count)
{
    struct es_category *out = arena_new_n(a, struct es_category, es->cats.count + 1);
    struct map_iter it = {0};
    size_t n = 0;
    if (out == NULL) {
        return NULL;
    }
    while (map_next(&es->cats, &it)) {
        const struct es_cat *c = it.value;
        size_t at = n++;
        for (; at > 0 && str_cmp(out[at - 1].name, c->name) > 0; at--) {
            out[at] = out[at - 1];
        }
        out[at] = (struct es_category){c->name, c->topic, c->partitions, 0};
        for (int32_t i = 0; i < c->partitions; i++) {
            out[at].events += (uint64_t)c->covered[i];
        }
    }
    *count = n;
    return out;
}
