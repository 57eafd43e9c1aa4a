/*
 * Topics of the embedded engine. Making one is a change of the broker's; whoever wants a topic that
 * somebody else is just making or deleting, or wants it while the log has no room, waits.
 */
#include "core/check.h"
#include "core/mem.h"
#include "engine/embedded_int.h"

/* Settings that one engine_ensure may bring. */
enum { SETTINGS_MAX = 64 };

struct ensure_op {
    struct list link; /* in embedded.ensures */
    struct embedded *m;
    struct engine_ensure *t;
    bool making; /* the change is on its way; else it waits */
};

static void topic_view(const struct topic *t, struct engine_topic *out)
{
    *out =
        (struct engine_topic){.name = t->name, .id = t->id, .partition_count = t->partition_count};
}

bool embedded_topic_get(struct engine *e, struct str name, struct engine_topic *out)
{
    const struct topic *t = broker_topic(embedded_of(e)->broker, name);
    if (t != NULL) {
        topic_view(t, out);
    }
    return t != NULL;
}

struct engine_topic *embedded_topics(struct engine *e, struct str prefix, struct arena *a,
                                     size_t *count)
{
    size_t n = 0;
    struct topic **all = broker_topics(embedded_of(e)->broker, a, &n);
    struct engine_topic *found = all == NULL ? NULL : arena_new_n(a, struct engine_topic, n + 1);
    size_t k = 0;
    for (size_t i = 0; found != NULL && i < n; i++) {
        const struct str name = all[i]->name;
        if (name.n >= prefix.n && str_eq(str_make(name.p, prefix.n), prefix)) {
            topic_view(all[i], &found[k++]);
        }
    }
    *count = k;
    return found;
}

/* ---- Making one ----------------------------------------------------------------------------- */

static void ensure_end(struct ensure_op *op, enum err err, const struct ectx *ec)
{
    struct engine_ensure *t = op->t;
    list_remove(&op->link);
    mem_free(op);
    t->internal = NULL;
    t->err = err;
    if (ec != NULL) {
        t->ec = *ec;
    }
    t->done(t);
}

static void on_created(void *ctx, enum err err, const struct ectx *ec)
{
    struct ensure_op *op = ctx;
    op->making = false;
    if (err == ERR_TOPIC_ALREADY_EXISTS || err == ERR_REQUEST_TIMED_OUT) {
        return; /* somebody makes or deletes it, or there is no room: it will be told */
    }
    op->t->created = err == ERR_OK;
    ensure_end(op, err, ec);
}

static void ensure_try(struct ensure_op *op)
{
    struct engine_ensure *t = op->t;
    struct embedded *m = op->m;
    if (broker_topic(m->broker, t->name) != NULL) {
        ensure_end(op, ERR_OK, NULL);
        return;
    }
    if (!store_ready(m->store)) {
        return;
    }
    struct broker_setting settings[SETTINGS_MAX];
    for (size_t i = 0; i < t->setting_count; i++) {
        settings[i] =
            (struct broker_setting){str_of(t->settings[i].name), str_of(t->settings[i].value)};
    }
    const struct broker_topic_spec spec = {.name = t->name,
                                           .partitions = t->partitions,
                                           .replication_factor = -1,
                                           .settings = settings,
                                           .setting_count = t->setting_count};
    op->making = true;
    broker_topic_create(m->broker, &spec, false, on_created, op);
}

void embedded_topic_ensure(struct engine *e, struct engine_ensure *t)
{
    struct embedded *m = embedded_of(e);
    struct ensure_op *op = mem_new(struct ensure_op);
    t->internal = op;
    t->created = false;
    t->ec = (struct ectx){.code = ERR_OK};
    if (op == NULL || t->setting_count > SETTINGS_MAX) {
        mem_free(op);
        t->internal = NULL;
        t->err = op == NULL ? ectx_fail(&t->ec, ERR_NO_MEMORY, "no memory for making a topic")
                            : ectx_fail(&t->ec, ERR_LIMIT, "more than %d settings for a topic",
                                        SETTINGS_MAX);
        t->done(t);
        return;
    }
    op->m = m;
    op->t = t;
    list_push_back(&m->ensures, &op->link);
    ensure_try(op);
}

void ensures_go_on(struct embedded *m)
{
    /* Each of them once: trying one may end it, and its caller may begin others. */
    struct list todo;
    list_init(&todo);
    struct list *l;
    while ((l = list_pop_front(&m->ensures)) != NULL) {
        list_push_back(&todo, l);
    }
    while ((l = list_pop_front(&todo)) != NULL) {
        struct ensure_op *op = CONTAINER_OF(l, struct ensure_op, link);
        list_push_back(&m->ensures, l);
        if (!op->making) {
            ensure_try(op);
        }
    }
}

void ensures_free(struct embedded *m)
{
    struct list *l;
    while ((l = list_pop_front(&m->ensures)) != NULL) {
        mem_free(CONTAINER_OF(l, struct ensure_op, link));
    }
}
