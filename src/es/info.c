/*
 * What a stream is: es_stream_get, and the same for rows of a list.
 *
 * The first revision that is shown follows from truncation and max_count. With max_age it is the
 * first whose record is young enough (young.c).
 */
#include "es/read_int.h"

#include "core/mem.h"

enum { LOOK_HEAD, LOOK_STATUS, LOOK_FIRST, LOOK_COUNT };

void es_info_make(struct es_stream_info *out, const struct es_cat *cat, int32_t partition,
                  const struct es_sight *sight)
{
    uint64_t floor = sight->floor;
    if (floor > sight->head || !sight->exists) {
        floor = sight->exists ? sight->head + 1 : 0;
    }
    *out = (struct es_stream_info){.state = sight->state,
                                   .first_revision = floor,
                                   .last_revision = sight->head,
                                   .empty = !sight->exists || floor > sight->head,
                                   .max_age_ms = sight->status.max_age_ms,
                                   .max_count = sight->status.max_count,
                                   .truncate_before = sight->status.truncate_before,
                                   .topic = cat->topic,
                                   .partition = partition};
}

void es_info_young(struct es_stream_info *info, uint64_t first)
{
    info->first_revision = first;
    info->empty = first > info->last_revision;
}

struct info_get {
    struct es_task task;
    struct es_stream_get *g;
    enum { AT_LOOK, AT_LOOKED, AT_YOUNG } at;
    const struct es_cat *cat;
    int32_t partition;
    struct es_hash hash;
    struct es_sight sight;
    struct es_look looks[LOOK_COUNT];
    struct es_look_set set;
    struct es_young young;
};

static void answer(struct info_get *s, enum es_problem problem)
{
    struct es_stream_get *g = s->g;
    g->problem = problem;
    g->internal = NULL;
    es_task_end(&s->task);
    g->done(g);
}

static void get_fail(struct es_task *task, enum es_problem problem, const struct ectx *ec)
{
    struct info_get *s = CONTAINER_OF(task, struct info_get, task);
    s->g->ec = *ec;
    answer(s, problem);
}

static void get_release(struct es_task *task)
{
    es_young_cancel(&CONTAINER_OF(task, struct info_get, task)->young);
}

static void broken(struct info_get *s, enum err e)
{
    if (s->g->ec.code == ERR_OK) {
        IGNORE(ectx_fail(&s->g->ec, e, "looking up '%.*s'", STR(s->g->stream)));
    }
    answer(s, es_problem_of(e));
}

static bool at_look(struct info_get *s)
{
    struct es_look *l = s->looks;
    l[LOOK_HEAD].kind = ES_LOOK_LAST;
    l[LOOK_HEAD].table = ES_T_EVENTS;
    l[LOOK_STATUS].kind = l[LOOK_FIRST].kind = ES_LOOK_GET;
    l[LOOK_STATUS].table = ES_T_FACTS;
    l[LOOK_FIRST].table = ES_T_EVENTS;
    memcpy(l[LOOK_HEAD].key, s->hash.b, sizeof(s->hash.b));
    memcpy(l[LOOK_STATUS].key, s->hash.b, sizeof(s->hash.b));
    es_key_event(l[LOOK_FIRST].key, &s->hash, 0);
    s->set.looks = l;
    s->set.count = LOOK_COUNT;
    s->at = AT_LOOKED;
    return es_task_look(&s->task, &s->set);
}

static bool at_looked(struct info_get *s)
{
    struct es_stream_get *g = s->g;
    const struct es_look *l = s->looks;
    struct es_status status;
    struct es_place first, last;
    for (size_t i = 0; i < LOOK_COUNT; i++) {
        if (l[i].err != ERR_OK && l[i].err != ERR_NOT_FOUND) {
            broken(s, l[i].err);
            return false;
        }
    }
    bool exists = l[LOOK_HEAD].err == ERR_OK, known = l[LOOK_STATUS].err == ERR_OK;
    if (!exists && !known) {
        IGNORE(ectx_fail(&g->ec, ERR_NOT_FOUND, "there is no stream '%.*s'", STR(g->stream)));
        answer(s, ES_STREAM_NOT_FOUND);
        return false;
    }
    uint64_t head = exists ? es_key_event_revision(l[LOOK_HEAD].key_out) : 0;
    if (known) {
        es_value_fact_read(l[LOOK_STATUS].value, &status);
    }
    es_sight_make(&s->sight, exists ? &head : NULL, known ? &status : NULL);
    es_info_make(&g->info, s->cat, s->partition, &s->sight);
    if (exists) {
        es_value_event_read(l[LOOK_HEAD].value, &last);
        g->info.updated = last.position;
    }
    if (l[LOOK_FIRST].err == ERR_OK) {
        es_value_event_read(l[LOOK_FIRST].value, &first);
        g->info.created = first.position;
    }
    if (s->sight.status.max_age_ms < 0 || g->info.empty) {
        answer(s, ES_OK);
        return false;
    }
    s->at = AT_YOUNG;
    es_young_begin(&s->young, s->cat, s->partition, &s->hash, s->sight.status.max_age_ms,
                   g->info.first_revision, head + 1, &g->ec);
    return true;
}

static bool at_young(struct info_get *s)
{
    if (!es_young_run(&s->young)) {
        return false;
    }
    if (s->young.err != ERR_OK) {
        broken(s, s->young.err);
        return false;
    }
    es_info_young(&s->g->info, s->young.revision);
    answer(s, ES_OK);
    return false;
}

static void get_go(struct es_task *task)
{
    static bool (*const steps[])(struct info_get *) = {
        [AT_LOOK] = at_look,
        [AT_LOOKED] = at_looked,
        [AT_YOUNG] = at_young,
    };
    struct info_get *s = CONTAINER_OF(task, struct info_get, task);
    if (s->set.pending > 0) {
        return;
    }
    while (steps[s->at](s)) {
    }
}

static enum es_problem begin(struct es *es, struct es_stream_get *g, struct info_get **out)
{
    struct str category;
    if (!es_stream_name_check(g->stream, &category, &g->ec)) {
        return ES_INVALID;
    }
    enum es_problem p = es_life_check(es, &g->ec);
    if (p != ES_OK) {
        return p;
    }
    const struct es_cat *cat = es_cat_find(es, category);
    if (cat == NULL) {
        IGNORE(ectx_fail(&g->ec, ERR_NOT_FOUND, "there is no stream '%.*s'", STR(g->stream)));
        return ES_STREAM_NOT_FOUND;
    }
    struct info_get *s = mem_new(struct info_get);
    if (s == NULL) {
        IGNORE(ectx_fail(&g->ec, ERR_NO_MEMORY, "no memory for a look-up"));
        return ES_FAILED;
    }
    s->g = g;
    s->cat = cat;
    s->partition = es_cat_partition(cat, g->stream);
    s->hash = es_hash_stream(es, g->stream);
    s->task.go = get_go;
    s->task.fail = get_fail;
    s->task.release = get_release;
    es_young_init(&s->young, &s->task);
    p = es_task_begin(es, &s->task, &g->ec);
    if (p != ES_OK) {
        mem_free(s);
        return p;
    }
    *out = s;
    return ES_OK;
}

void es_stream_get(struct es *es, struct es_stream_get *g)
{
    struct info_get *s = NULL;
    g->ec = (struct ectx){0};
    g->info = (struct es_stream_info){0};
    g->problem = begin(es, g, &s);
    g->internal = s;
    if (g->problem != ES_OK) {
        g->done(g);
        return;
    }
    es_task_wake(&s->task);
}
