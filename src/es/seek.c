/*
 * Look-ups of offsets by position or time. The engine's cannot be called back: one whose caller is
 * gone ends by itself, and the event store waits for it when it stops (es->looks).
 */
#include "es/read_int.h"

#include "core/mem.h"

struct es_seek_call {
    struct engine_seek seek;
    struct es *es;
    struct es_seek_call **at; /* NULL: nobody waits */
    es_seek_done done;
    void *ctx;
};

static void seek_done(struct engine_seek *seek)
{
    struct es_seek_call *call = CONTAINER_OF(seek, struct es_seek_call, seek);
    call->es->looks--;
    if (call->at != NULL) {
        *call->at = NULL;
        call->done(call->ctx, seek->err, seek->offset, &seek->ec);
    }
    mem_free(call);
}

bool es_seek_start(struct es *es, const struct es_cat *cat, int32_t partition,
                   const struct engine_seek *what, es_seek_done done, void *ctx,
                   struct es_seek_call **at)
{
    struct es_seek_call *call = mem_new(struct es_seek_call);
    if (call == NULL) {
        return false;
    }
    call->es = es;
    call->at = at;
    call->done = done;
    call->ctx = ctx;
    call->seek = *what;
    call->seek.topic = cat->topic;
    call->seek.partition = partition;
    call->seek.done = seek_done;
    *at = call;
    es->looks++;
    engine_seek(es->engine, &call->seek);
    return true;
}

void es_seek_cancel(struct es_seek_call **at)
{
    if (*at != NULL) {
        (*at)->at = NULL;
        *at = NULL;
    }
}
