/*
 * Heads: what a stream is as it is sequenced, for the streams that ops and flights need, and for
 * the last ES_HEADS_MAX that they needed (a stream that is written is mostly written again). A head
 * that nothing needs and that is forgotten is read from the index again, which has all of it by
 * then: a flight pins its heads until its entries are there.
 */
#include "core/mem.h"
#include "es/write.h"

/* A head that is being read. */
struct es_head_load {
    struct es_head *head;
    struct es_look_set set;
    struct es_look looks[2]; /* its last event; its newest fact */
    struct list waits;       /* of struct es_head_wait */
};

static void head_unlink(struct es_writer *w, struct es_head *h)
{
    uint64_t key = es_hash_short(&h->hash);
    struct es_head *first = map_get_u64(&w->heads, key);
    if (first == h) {
        if (h->next == NULL) {
            map_remove_u64(&w->heads, key);
            return;
        }
        /* Replaces: it needs no memory. */
        bool put = map_put_u64(&w->heads, key, h->next);
        CHECK(put);
        return;
    }
    while (first->next != h) {
        first = first->next;
    }
    first->next = h->next;
}

static void head_free(struct es_writer *w, struct es_head *h)
{
    list_remove(&h->link);
    head_unlink(w, h);
    w->head_count--;
    mem_free(h);
}

struct es_head *es_head_take(struct es *es, const struct es_hash *hash)
{
    struct es_writer *w = es->writer;
    uint64_t key = es_hash_short(hash);
    struct es_head *first = map_get_u64(&w->heads, key);
    struct es_head *h = first;
    while (h != NULL && !es_hash_eq(&h->hash, hash)) {
        h = h->next;
    }
    if (h == NULL) {
        h = mem_new(struct es_head);
        if (h == NULL || !map_put_u64(&w->heads, key, h)) {
            mem_free(h);
            return NULL;
        }
        h->hash = *hash;
        h->next = first;
        es_status_init(&h->status);
        list_init(&h->link);
        w->head_count++;
    } else if (h->pins == 0) {
        list_remove(&h->link);
        w->idle_count--;
    }
    h->pins++;
    return h;
}

void es_head_give(struct es *es, struct es_head *h)
{
    struct es_writer *w = es->writer;
    CHECK(h->pins > 0);
    if (--h->pins > 0) {
        return;
    }
    if (!h->loaded) {
        head_free(w, h);
        return;
    }
    list_push_back(&w->idle, &h->link);
    if (++w->idle_count > ES_HEADS_MAX) {
        w->idle_count--;
        head_free(w, CONTAINER_OF(w->idle.next, struct es_head, link));
    }
}

void es_heads_forget(struct es *es)
{
    struct es_writer *w = es->writer;
    LIST_FOR_EACH (l, tmp, &w->idle) {
        w->idle_count--;
        head_free(w, CONTAINER_OF(l, struct es_head, link));
    }
}

void es_heads_free(struct es *es)
{
    struct map_iter it = {0};
    while (map_next(&es->writer->heads, &it)) {
        struct es_head *h = it.value;
        while (h != NULL) {
            struct es_head *next = h->next;
            mem_free(h->load);
            mem_free(h);
            h = next;
        }
    }
}

/* ERR_OK and NOT_FOUND are answers. */
static enum err load_take(struct es_head_load *load)
{
    struct es_head *h = load->head;
    const struct es_look *last = &load->looks[0];
    const struct es_look *fact = &load->looks[1];
    for (size_t i = 0; i < ARRAY_LEN(load->looks); i++) {
        if (load->looks[i].err != ERR_OK && load->looks[i].err != ERR_NOT_FOUND) {
            return load->looks[i].err;
        }
    }
    h->has_events = last->err == ERR_OK;
    h->last = h->has_events ? es_key_event_revision(last->key_out) : 0;
    if (fact->err == ERR_OK) {
        es_value_fact_read(fact->value, &h->status);
    }
    h->loaded = true;
    return ERR_OK;
}

static void load_done(struct es_look_set *set)
{
    struct es_head_load *load = set->ctx;
    struct es *es = set->es;
    struct es_head *h = load->head;
    struct list waits;
    enum err e = load_take(load);
    h->load = NULL;
    list_init(&waits);
    while (!list_empty(&load->waits)) {
        list_push_back(&waits, list_pop_front(&load->waits));
    }
    mem_free(load);
    struct list *l;
    while ((l = list_pop_front(&waits)) != NULL) {
        struct es_head_wait *w = CONTAINER_OF(l, struct es_head_wait, link);
        w->told(w, e);
    }
    es_head_give(es, h); /* the load's own */
}

enum err es_head_load(struct es *es, struct es_head *h, struct es_head_wait *w)
{
    if (h->loaded) {
        return ERR_OK;
    }
    if (h->load != NULL) {
        list_push_back(&h->load->waits, &w->link);
        return ERR_AGAIN;
    }
    struct es_head_load *load = mem_new(struct es_head_load);
    if (load == NULL) {
        return ERR_NO_MEMORY;
    }
    load->head = h;
    list_init(&load->waits);
    load->looks[0].kind = ES_LOOK_LAST;
    load->looks[0].table = ES_T_EVENTS;
    load->looks[1].kind = ES_LOOK_GET;
    load->looks[1].table = ES_T_FACTS;
    memcpy(load->looks[0].key, h->hash.b, sizeof(h->hash.b));
    memcpy(load->looks[1].key, h->hash.b, sizeof(h->hash.b));
    load->set = (struct es_look_set){
        .looks = load->looks, .count = ARRAY_LEN(load->looks), .done = load_done, .ctx = load};
    if (es_look(es, &load->set)) {
        enum err e = load_take(load);
        mem_free(load);
        return e;
    }
    h->pins++;
    h->load = load;
    list_push_back(&load->waits, &w->link);
    return ERR_AGAIN;
}
