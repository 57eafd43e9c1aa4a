/*
 * What a projection's live-only action asks for: one event, appended to the event store whatever
 * the stream's revision. Its id derives from projection, event and action, so that a second attempt
 * is a repetition.
 */
#include "core/mem.h"
#include "server/server_int.h"

#define ACTION_ARENA_BYTES (4u * 1024 * 1024)

struct action {
    struct proj_action *a;
    struct es_append append;
    struct es_new_event event;
    struct arena arena;
};

static enum err err_of(const struct es_append *p)
{
    switch ((int)p->problem) {
    case ES_OK:
        return ERR_OK;
    case ES_BUSY:
    case ES_UNAVAILABLE:
    case ES_STORAGE_FULL: /* when there is space again: it is not the event's fault */
        return ERR_AGAIN;
    case ES_FAILED:
        return p->ec.code != ERR_OK ? p->ec.code : ERR_UNKNOWN_SERVER_ERROR;
    default:
        return ERR_INVALID_REQUEST;
    }
}

static void on_appended(struct es_append *p)
{
    struct action *x = p->ctx;
    struct proj_action *a = x->a;
    a->err = err_of(p);
    a->ec = p->ec;
    arena_deinit(&x->arena);
    mem_free(x);
    a->done(a);
}

void server_action(void *ctx, struct proj_action *a)
{
    struct server *s = ctx;
    struct action *x = mem_new(struct action);
    if (x == NULL) {
        a->err = ectx_fail(&a->ec, ERR_NO_MEMORY, "no memory for the append");
        a->done(a);
        return;
    }
    x->a = a;
    arena_init(&x->arena, ACTION_ARENA_BYTES);
    envelope_init(&x->event.envelope);
    x->event.stream = a->stream;
    x->event.data = a->data;
    x->event.envelope.id = a->id;
    x->event.envelope.type = a->type;
    x->event.envelope.causation = a->causation;
    x->event.envelope.correlation = a->correlation;
    x->event.envelope.traceparent = a->traceparent;
    x->append = (struct es_append){
        .events = &x->event, .event_count = 1, .arena = &x->arena, .done = on_appended, .ctx = x};
    es_append(s->es, &x->append);
}
