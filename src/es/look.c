/*
 * Several look-ups in the index: at once if memory and the page cache answer, else by jobs.
 */
#include "es/es_int.h"

static enum err look_now(struct es *es, struct es_look *l)
{
    l->scan.table = l->table;
    switch (l->kind) {
    case ES_LOOK_GET:
        return index_get(es->index, l->table, l->key, l->value);
    case ES_LOOK_LAST:
        return index_last(es->index, l->table, l->key, l->has_at_most ? l->at_most : NULL,
                          l->key_out, l->value);
    case ES_LOOK_SCAN:
        return index_scan(es->index, &l->scan);
    case ES_LOOK_SCAN_LATER:
        return ERR_AGAIN;
    }
    return ERR_INVALID_REQUEST;
}

static void job_done(struct index_job *job)
{
    struct es_look *l = job->ctx;
    struct es_look_set *set = l->set;
    l->err = job->err;
    CHECK(set->pending > 0);
    if (--set->pending == 0) {
        set->es->looks--;
        set->done(set);
    }
}

static void look_submit(struct es *es, struct es_look *l)
{
    bool last = l->kind == ES_LOOK_LAST;
    l->scan.table = l->table;
    memset(&l->job, 0, sizeof(l->job));
    if (last) {
        l->job.kind = INDEX_JOB_LAST;
    } else if (l->kind == ES_LOOK_GET) {
        l->job.kind = INDEX_JOB_GET;
    } else {
        l->job.kind = INDEX_JOB_SCAN;
    }
    l->job.table = l->table;
    l->job.prefix = last ? l->key : NULL;
    l->job.key = l->key;
    if (last) {
        l->job.key = l->has_at_most ? l->at_most : NULL;
    }
    l->job.key_out = l->key_out;
    l->job.value = l->value;
    l->job.scan = &l->scan;
    l->job.done = job_done;
    l->job.ctx = l;
    index_submit(es->index, &l->job);
}

bool es_look(struct es *es, struct es_look_set *set)
{
    set->es = es;
    set->pending = 1; /* until all are submitted: one that ends at once does not end the set */
    for (size_t i = 0; i < set->count; i++) {
        struct es_look *l = &set->looks[i];
        l->set = set;
        l->err = look_now(es, l);
        set->pending += l->err == ERR_AGAIN;
    }
    if (set->pending == 1) {
        return true;
    }
    es->looks++;
    size_t left = set->pending - 1;
    for (size_t i = 0; left > 0; i++) {
        if (set->looks[i].err == ERR_AGAIN) {
            left--;
            look_submit(es, &set->looks[i]);
        }
    }
    if (--set->pending > 0) {
        return false;
    }
    es->looks--;
    return true;
}
