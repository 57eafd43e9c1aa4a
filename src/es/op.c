/*
 * Ops: what waits, for what, and who is told. An op is in its caller's memory, which may go when it
 * is answered; look-ups that are out then are on the heap and end by themselves.
 */
#include "core/mem.h"
#include "es/write.h"

struct es_wop_looks {
    struct list link;  /* writer.looks */
    struct es_wop *op; /* NULL: it was answered */
    struct es_look_set set;
    void (*take)(struct es_wop *op, struct es_look *looks, size_t count);
    struct es_look looks[];
};

enum es_problem es_wop_init(struct es_wop *op, struct es *es, enum es_wop_kind kind,
                            struct arena *arena, struct ectx *ec)
{
    struct es_writer *w = es->writer;
    list_init(&op->link);
    list_init(&op->memo_link);
    list_init(&op->cat_link);
    list_init(&op->room_link);
    list_init(&op->flight_wait.link);
    list_init(&op->peeks);
    op->es = es;
    op->kind = kind;
    op->arena = arena;
    if (w->op_count >= ES_OPS_MAX || w->flight_count >= ES_FLIGHT_MAX) {
        IGNORE(ectx_fail(ec, ERR_AGAIN, "too much is under way in the event store"));
        return ES_BUSY;
    }
    w->op_count++;
    list_push_back(&w->ops, &op->link);
    return ES_OK;
}

void es_wop_end(struct es_wop *op)
{
    struct es_writer *w = op->es->writer;
    CHECK(w->op_count > 0);
    w->op_count--;
    list_remove(&op->link);
    list_remove(&op->cat_link);
    list_remove(&op->room_link);
    list_remove(&op->flight_wait.link);
    if (op->looks != NULL) {
        op->looks->op = NULL;
        op->looks = NULL;
    }
    es_wop_peeks_leave(op);
    es_query_walk_leave(op);
    es_wop_memo_leave(op);
}

void es_wop_memo(struct es_wop *op)
{
    struct es_writer *w = op->es->writer;
    if (list_empty(&op->memo_link)) {
        op->memo_tick = ++w->tick;
        list_push_back(&w->memos, &op->memo_link);
    }
}

void es_wop_memo_leave(struct es_wop *op)
{
    if (!list_empty(&op->memo_link)) {
        list_remove(&op->memo_link);
        if (!op->es->writer->advancing) {
            es_flights_release(op->es);
        }
    }
}

void es_wop_wait_flight(struct es_wop *op, struct es_flight *f,
                        void (*told)(struct es_flight_wait *w))
{
    op->flight_wait.told = told;
    list_push_back(&f->waiters, &op->flight_wait.link);
}

static void room_told(struct engine_room_watch *watch)
{
    struct es_writer *w = CONTAINER_OF(watch, struct es_writer, room_watch);
    struct list turn, *l;
    list_init(&turn);
    while ((l = list_pop_front(&w->roomless)) != NULL) {
        list_push_back(&turn, l);
    }
    while ((l = list_pop_front(&turn)) != NULL) {
        struct es_wop *op = CONTAINER_OF(l, struct es_wop, room_link);
        op->run(op);
    }
}

bool es_wop_room(struct es_wop *op)
{
    struct es_writer *w = op->es->writer;
    if (engine_append_ready(op->es->engine)) {
        op->roomless_ns = 0;
        return true;
    }
    if (op->roomless_ns == 0) {
        op->roomless_ns = env_mono_ns(op->es->env);
    }
    if (list_empty(&op->room_link)) {
        list_push_back(&w->roomless, &op->room_link);
    }
    w->room_watch.room = room_told;
    if (list_empty(&w->room_watch.link)) {
        engine_room_watch(op->es->engine, &w->room_watch);
    }
    return false;
}

/* Their callers may have given up: what is written then is not wanted any more. As long as a
 * request of Kafka that names no time. */
void es_wops_tick(struct es *es)
{
    struct es_writer *w = es->writer;
    const uint64_t now = env_mono_ns(es->env);
    struct ectx ec = {.code = ERR_OK};
    struct list late, *l;
    list_init(&late);
    LIST_FOR_EACH (n, tmp, &w->roomless) {
        if (now - CONTAINER_OF(n, struct es_wop, room_link)->roomless_ns >= ES_ROOM_WAIT_NS) {
            list_remove(n);
            list_push_back(&late, n);
        }
    }
    IGNORE(ectx_fail(&ec, ERR_AGAIN, "the log has had no room for %llu s: nothing was written",
                     ES_ROOM_WAIT_NS / 1000000000ull));
    while ((l = list_pop_front(&late)) != NULL) {
        struct es_wop *op = CONTAINER_OF(l, struct es_wop, room_link);
        op->fail(op, ES_UNAVAILABLE, &ec);
    }
}

void es_wop_told(struct es_wop *op, enum err e)
{
    CHECK(op->pending > 0);
    if (e != ERR_OK && op->look_err == ERR_OK) {
        op->look_err = e;
    }
    if (--op->pending == 0 && !op->holding) {
        op->run(op);
    }
}

static void looks_done(struct es_look_set *set)
{
    struct es_wop_looks *l = set->ctx;
    struct es_wop *op = l->op;
    if (op != NULL) {
        op->looks = NULL;
        l->take(op, l->looks, set->count);
    }
    list_remove(&l->link);
    mem_free(l);
    if (op != NULL) {
        es_wop_told(op, ERR_OK);
    }
}

struct es_look *es_wop_looks_begin(struct es_wop *op, size_t count,
                                   void (*take)(struct es_wop *op, struct es_look *looks,
                                                size_t count))
{
    CHECK(op->looks == NULL);
    struct es_wop_looks *l = mem_zalloc(1, sizeof(*l) + count * sizeof(struct es_look));
    if (l == NULL) {
        return NULL;
    }
    l->op = op;
    l->take = take;
    l->set = (struct es_look_set){.looks = l->looks, .count = count, .done = looks_done, .ctx = l};
    list_init(&l->link);
    op->looks = l;
    return l->looks;
}

bool es_wop_looks_go(struct es_wop *op, size_t count)
{
    struct es_wop_looks *l = op->looks;
    l->set.count = count;
    list_push_back(&op->es->writer->looks, &l->link);
    if (!es_look(op->es, &l->set)) {
        op->pending++;
        return false;
    }
    op->looks = NULL;
    l->take(op, l->looks, l->set.count);
    list_remove(&l->link);
    mem_free(l);
    return true;
}

void es_wops_fail(struct es *es)
{
    struct es_writer *w = es->writer;
    struct ectx ec = {.code = ERR_OK};
    enum es_problem p = es_life_check(es, &ec);
    while (!list_empty(&w->ops)) {
        struct es_wop *op = CONTAINER_OF(w->ops.next, struct es_wop, link);
        op->fail(op, p, &ec);
    }
}

void es_wops_fail_unsent(struct es *es)
{
    struct es_writer *w = es->writer;
    struct ectx ec = {.code = ERR_OK};
    enum es_problem p = es_life_check(es, &ec);
    struct list turn, *l;
    list_init(&turn);
    while ((l = list_pop_front(&w->ops)) != NULL) {
        list_push_back(&turn, l);
    }
    while ((l = list_pop_front(&turn)) != NULL) {
        struct es_wop *op = CONTAINER_OF(l, struct es_wop, link);
        list_push_back(&w->ops, l);
        if (op->flight == NULL) {
            op->fail(op, p, &ec);
        }
    }
}

enum err es_writer_create(struct es *es)
{
    struct es_writer *w = mem_new(struct es_writer);
    if (w == NULL) {
        return ERR_NO_MEMORY;
    }
    map_init(&w->heads);
    list_init(&w->roomless);
    list_init(&w->room_watch.link);
    map_init(&w->ids);
    list_init(&w->idle);
    list_init(&w->flights);
    list_init(&w->retired);
    list_init(&w->ops);
    list_init(&w->memos);
    list_init(&w->looks);
    list_init(&w->peeks);
    list_init(&w->gates);
    list_init(&w->walks);
    record_scratch_init(&w->scratch, RECORD_DECOMPRESSED_MAX);
    es->writer = w;
    return ERR_OK;
}

void es_writer_destroy(struct es *es)
{
    struct es_writer *w = es->writer;
    if (w == NULL) {
        return;
    }
    CHECK(list_empty(&w->ops)); /* es_stop has answered them */
    CHECK(w->walk_count == 0);
    engine_room_unwatch(&w->room_watch);
    es_flights_free(es);
    struct list *l;
    while ((l = list_pop_front(&w->looks)) != NULL) {
        mem_free(CONTAINER_OF(l, struct es_wop_looks, link));
    }
    es_peeks_free(es);
    es_heads_free(es);
    map_deinit(&w->heads);
    map_deinit(&w->ids);
    record_scratch_deinit(&w->scratch);
    mem_free(w);
    es->writer = NULL;
}
