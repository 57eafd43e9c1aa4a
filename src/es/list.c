/*
 * Streams in the order in which they began: the table `streams` of the index, which has the place
 * of each stream's first event; the event says the name. Of all categories, a merge of their lists.
 *
 * Rounds: entries -> events (pick) -> names that have the prefix -> heads and statuses -> rows, one
 * after the other: what a max_age leaves of a stream is looked up by time (young).
 */
#include "es/read_int.h"

#include "core/mem.h"

enum { ROUND = 64, PART = 16, SCANNED_MAX = 8192 };
#define PICK_BYTES (256u << 10)
#define PICK_ARENA (16u << 20)

struct cat_list { /* the streams of one category; a part of them in memory */
    const struct es_cat *cat;
    size_t at, count;
    bool more;
    struct es_position resume; /* excluded */
    uint8_t keys[PART * ES_KEY_STREAM], values[PART * ES_VALUE_STREAM];
};

struct list_read {
    struct es_task task;
    struct es_stream_list *l;
    enum { AT_LOAD, AT_LOADED, AT_NAMES, AT_LOOKED, AT_ROW, AT_YOUNG, AT_ROUND } at;
    struct cat_list *lists;
    size_t list_count, loading; /* of lists: those below were loaded or needed nothing */
    size_t round, picked, kept, scanned, row_cap;
    size_t row; /* of the names that are kept: the next */
    bool full;  /* and it comes first the next time */
    struct es_young young;
    struct arena arena; /* of the first events, which only say the names */
    bool ended;
    struct es_position passed;
    struct es_look_set set;
    struct es_pick pick;
    struct es_event *events;
    int64_t *times;
    size_t cap;
    struct es_look looks[2 * ROUND];
    size_t asked[2 * ROUND]; /* which list a look is for */
    struct es_pick_place places[ROUND];
};

static void answer(struct list_read *s, enum es_problem problem)
{
    struct es_stream_list *l = s->l;
    l->problem = problem;
    l->internal = NULL;
    if (problem != ES_OK) {
        l->rows = NULL;
        l->count = 0;
        l->more = false;
    }
    es_task_end(&s->task);
    l->done(l);
}

static void list_fail(struct es_task *task, enum es_problem problem, const struct ectx *ec)
{
    struct list_read *s = CONTAINER_OF(task, struct list_read, task);
    s->l->ec = *ec;
    answer(s, problem);
}

static void list_release(struct es_task *task)
{
    struct list_read *s = CONTAINER_OF(task, struct list_read, task);
    es_pick_cancel(&s->pick);
    es_young_cancel(&s->young);
    arena_deinit(&s->arena);
}

static void list_destroy(struct es_task *task)
{
    mem_free(CONTAINER_OF(task, struct list_read, task)->lists);
}

static void broken(struct list_read *s, enum err e)
{
    if (s->l->ec.code == ERR_OK) {
        IGNORE(ectx_fail(&s->l->ec, e, "listing streams"));
    }
    answer(s, es_problem_of(e));
}

/* ---- Entries ---- */

static void look_make(struct es_look *look, struct cat_list *c)
{
    static const struct es_position last = {UINT64_MAX, UINT32_MAX};
    struct es_position first = c->resume;
    if (first.index < UINT32_MAX) {
        first.index++;
    } else {
        first = (struct es_position){first.commit + 1, 0};
    }
    look->kind = ES_LOOK_SCAN;
    look->table = ES_T_STREAMS;
    es_key_stream(look->key, c->cat->hash, first);
    es_key_stream(look->at_most, c->cat->hash, last);
    look->scan = (struct index_scan){
        .from = look->key, .to = look->at_most, .max = PART, .keys = c->keys, .values = c->values};
}

/* Loads lists that are empty and have more, up to as many as there are looks. */
static bool at_load(struct list_read *s)
{
    s->set.looks = s->looks;
    s->set.count = 0;
    for (; s->loading < s->list_count && s->set.count < ARRAY_LEN(s->looks); s->loading++) {
        struct cat_list *c = &s->lists[s->loading];
        if (c->at == c->count && c->more) {
            s->asked[s->set.count] = s->loading;
            look_make(&s->looks[s->set.count++], c);
        }
    }
    s->at = AT_LOADED;
    return s->set.count == 0 || es_task_look(&s->task, &s->set);
}

/* The next stream of all; NULL: none, or a list must be loaded first (*load). */
static struct cat_list *nearest(struct list_read *s, bool *load)
{
    struct cat_list *first = NULL;
    struct es_position first_at = {0, 0};
    for (size_t i = 0; i < s->list_count; i++) {
        struct cat_list *c = &s->lists[i];
        if (c->at == c->count) {
            if (c->more) {
                *load = true;
                return NULL;
            }
            continue;
        }
        struct es_position p = es_key_stream_position(&c->keys[c->at * ES_KEY_STREAM]);
        if (first == NULL || es_position_cmp(p, first_at) < 0) {
            first = c;
            first_at = p;
        }
    }
    return first;
}

static bool at_loaded(struct list_read *s)
{
    bool load = false;
    struct cat_list *c = NULL;
    for (size_t i = 0; i < s->set.count; i++) {
        struct cat_list *loaded = &s->lists[s->asked[i]];
        const struct es_look *look = &s->looks[i];
        if (look->err != ERR_OK && look->err != ERR_NOT_FOUND) {
            broken(s, look->err);
            return false;
        }
        loaded->at = 0;
        loaded->count = look->err == ERR_OK ? look->scan.count : 0;
        loaded->more = look->err == ERR_OK && look->scan.more;
        if (loaded->count > 0) {
            loaded->resume =
                es_key_stream_position(&loaded->keys[(loaded->count - 1) * ES_KEY_STREAM]);
        }
    }
    if (s->loading < s->list_count) {
        s->at = AT_LOAD;
        return true;
    }
    while (s->round < ROUND && (c = nearest(s, &load)) != NULL) {
        struct es_pick_place *p = &s->places[s->round++];
        p->cat = c->cat;
        p->position = es_key_stream_position(&c->keys[c->at * ES_KEY_STREAM]);
        es_value_stream_read(&c->values[c->at * ES_VALUE_STREAM], &p->partition, &p->offset);
        c->at++;
    }
    s->loading = 0;
    if (load && s->round < ROUND) {
        s->at = AT_LOAD;
        return true;
    }
    s->ended = s->round < ROUND;
    if (s->round == 0) {
        answer(s, ES_OK);
        return false;
    }
    arena_reset(&s->arena, PICK_BYTES);
    s->events = NULL;
    s->cap = 0;
    if (!es_events_room(&s->events, &s->times, &s->cap, 0, s->round, &s->arena)) {
        broken(s, ERR_NO_MEMORY);
        return false;
    }
    es_pick_begin(&s->pick, s->places, s->round, PICK_BYTES, s->events, s->times, &s->arena,
                  &s->l->ec);
    s->at = AT_NAMES;
    return true;
}

/* ---- Rows ---- */

static bool at_names(struct list_read *s)
{
    if (!es_pick_run(&s->pick)) {
        return false;
    }
    s->picked = s->pick.count; /* large events: not all of them */
    if (s->pick.err != ERR_OK && (s->pick.err != ERR_NO_MEMORY || s->picked == 0)) {
        broken(s, s->pick.err);
        return false;
    }
    s->l->ec = (struct ectx){0};
    struct str prefix = s->l->prefix;
    s->set.looks = s->looks;
    s->set.count = s->kept = 0;
    for (size_t i = 0; i < s->picked; i++) {
        struct str name = s->events[i].stream;
        if (name.n < prefix.n || (prefix.n > 0 && memcmp(name.p, prefix.p, prefix.n) != 0)) {
            continue;
        }
        struct es_hash hash = es_hash_stream(s->task.es, name);
        struct es_look *head = &s->looks[s->set.count++];
        struct es_look *status = &s->looks[s->set.count++];
        head->kind = ES_LOOK_LAST;
        head->table = ES_T_EVENTS;
        head->has_at_most = false;
        memcpy(head->key, hash.b, sizeof(hash.b));
        status->kind = ES_LOOK_GET;
        status->table = ES_T_FACTS;
        memcpy(status->key, hash.b, sizeof(hash.b));
        s->asked[s->kept++] = i;
    }
    s->at = AT_LOOKED;
    return s->kept == 0 || es_task_look(&s->task, &s->set);
}

static bool rows_room(struct list_read *s)
{
    struct es_stream_list *l = s->l;
    if (l->count < s->row_cap) {
        return true;
    }
    size_t cap = s->row_cap * 2 + 32;
    struct es_stream_row *rows = arena_new_n(l->arena, struct es_stream_row, cap);
    if (rows == NULL) {
        return false;
    }
    if (l->count > 0) {
        memcpy(rows, l->rows, l->count * sizeof(*rows));
    }
    l->rows = rows;
    s->row_cap = cap;
    return true;
}

static bool row_add(struct list_read *s, size_t i)
{
    const struct es_look *head = &s->looks[2 * i], *status_look = &s->looks[2 * i + 1];
    const struct es_pick_place *place = &s->places[s->asked[i]];
    struct es_stream_list *l = s->l;
    struct es_status status;
    struct es_sight sight;
    struct es_place last = {0};
    uint64_t revision = 0;
    struct str name = arena_str(l->arena, s->events[s->asked[i]].stream);
    if (name.p == NULL || !rows_room(s)) {
        return false;
    }
    if (head->err == ERR_OK) {
        revision = es_key_event_revision(head->key_out);
        es_value_event_read(head->value, &last);
    }
    if (status_look->err == ERR_OK) {
        es_value_fact_read(status_look->value, &status);
    }
    es_sight_make(&sight, head->err == ERR_OK ? &revision : NULL,
                  status_look->err == ERR_OK ? &status : NULL);
    struct es_stream_row *row = &l->rows[l->count++];
    row->stream = name;
    es_info_make(&row->info, place->cat, place->partition, &sight);
    row->info.created = place->position;
    row->info.updated = last.position;
    return true;
}

static bool at_looked(struct list_read *s)
{
    for (size_t i = 0; i < 2 * s->kept; i++) {
        if (s->looks[i].err != ERR_OK && s->looks[i].err != ERR_NOT_FOUND) {
            broken(s, s->looks[i].err);
            return false;
        }
    }
    s->row = 0;
    s->full = false;
    s->at = AT_ROW;
    return true;
}

static bool at_row(struct list_read *s)
{
    struct es_stream_list *l = s->l;
    s->at = AT_ROUND;
    if (s->row == s->kept) {
        return true;
    }
    s->full = l->count == l->limit;
    if (!s->full && !row_add(s, s->row)) {
        if (l->count == 0) {
            broken(s, ERR_NO_MEMORY);
            return false;
        }
        s->full = true;
    }
    if (s->full) {
        return true;
    }
    s->at = AT_ROW;
    const struct es_stream_info *info = &l->rows[l->count - 1].info;
    const struct es_pick_place *place = &s->places[s->asked[s->row++]];
    if (info->state == ES_ACTIVE && info->max_age_ms >= 0 && !info->empty) {
        const struct es_hash hash = es_hash_stream(s->task.es, l->rows[l->count - 1].stream);
        s->at = AT_YOUNG;
        es_young_begin(&s->young, place->cat, place->partition, &hash, info->max_age_ms,
                       info->first_revision, info->last_revision + 1, &l->ec);
    }
    return true;
}

static bool at_young(struct list_read *s)
{
    if (!es_young_run(&s->young)) {
        return false;
    }
    if (s->young.err != ERR_OK) {
        broken(s, s->young.err);
        return false;
    }
    es_info_young(&s->l->rows[s->l->count - 1].info, s->young.revision);
    s->at = AT_ROW;
    return true;
}

static bool at_round(struct list_read *s)
{
    struct es_stream_list *l = s->l;
    l->next = s->full ? l->rows[l->count - 1].info.created : s->places[s->picked - 1].position;
    s->scanned += s->picked;
    s->round -= s->picked;
    memmove(s->places, &s->places[s->picked], s->round * sizeof(s->places[0]));
    s->ended = s->ended && s->round == 0;
    if (s->full || s->ended || l->count == l->limit || s->scanned >= SCANNED_MAX) {
        l->more = s->full || !s->ended;
        answer(s, ES_OK);
        return false;
    }
    s->at = AT_LOAD;
    return true;
}

static void list_go(struct es_task *task)
{
    static bool (*const steps[])(struct list_read *) = {
        [AT_LOAD] = at_load,     [AT_LOADED] = at_loaded, [AT_NAMES] = at_names,
        [AT_LOOKED] = at_looked, [AT_ROW] = at_row,       [AT_YOUNG] = at_young,
        [AT_ROUND] = at_round,
    };
    struct list_read *s = CONTAINER_OF(task, struct list_read, task);
    if (s->set.pending > 0) {
        return;
    }
    while (steps[s->at](s)) {
    }
}

/* ---- The call ---- */

static enum err lists_make(struct es *es, struct list_read *s, const struct es_cat *cat)
{
    size_t count = cat != NULL ? 1 : es->cats.count;
    struct map_iter it = {0};
    if (count == 0) {
        return ERR_OK;
    }
    s->lists = mem_zalloc(count, sizeof(*s->lists));
    if (s->lists == NULL) {
        return ectx_fail(&s->l->ec, ERR_NO_MEMORY, "no memory for a list of streams");
    }
    while (cat != NULL ? s->list_count == 0 : map_next(&es->cats, &it)) {
        struct cat_list *c = &s->lists[s->list_count++];
        c->cat = cat != NULL ? cat : it.value;
        c->resume = s->l->after;
        c->more = true;
    }
    return ERR_OK;
}

static enum es_problem begin(struct es *es, struct es_stream_list *l, struct list_read **out)
{
    const struct es_cat *cat = NULL;
    enum es_problem p = es_life_check(es, &l->ec);
    if (p != ES_OK) {
        return p;
    }
    if (l->category.p != NULL && (cat = es_cat_find(es, l->category)) == NULL) {
        IGNORE(ectx_fail(&l->ec, ERR_NOT_FOUND, "there is no category '%.*s'", STR(l->category)));
        return ES_CATEGORY_NOT_FOUND;
    }
    struct list_read *s = mem_new(struct list_read);
    if (s == NULL) {
        IGNORE(ectx_fail(&l->ec, ERR_NO_MEMORY, "no memory for a list of streams"));
        return ES_FAILED;
    }
    s->l = l;
    s->task.go = list_go;
    s->task.fail = list_fail;
    s->task.release = list_release;
    s->task.destroy = list_destroy;
    es_pick_init(&s->pick, &s->task);
    es_young_init(&s->young, &s->task);
    arena_init(&s->arena, PICK_ARENA + 2 * es->event_max_bytes);
    enum err e = lists_make(es, s, cat);
    p = e == ERR_OK ? es_task_begin(es, &s->task, &l->ec) : es_problem_of(e);
    if (p != ES_OK) {
        mem_free(s->lists);
        mem_free(s);
        return p;
    }
    *out = s;
    return ES_OK;
}

void es_stream_list(struct es *es, struct es_stream_list *l)
{
    struct list_read *s = NULL;
    l->ec = (struct ectx){0};
    l->rows = NULL;
    l->count = 0;
    l->more = false;
    l->next = l->after;
    l->problem = begin(es, l, &s);
    l->internal = s;
    if (l->problem != ES_OK || l->limit == 0) {
        l->internal = NULL;
        if (s != NULL) {
            es_task_end(&s->task);
        }
        l->done(l);
        return;
    }
    es_task_wake(&s->task);
}
