/*
 * May the snapshot that is in a slot still be used? Not if something that it has folded was
 * redacted after it was made (read_stream.c asks the same): then it does not stand in the way of an
 * older one.
 */
#include "es/read_int.h"
#include "es/write.h"

/* As many as a reader looks through; with more the snapshot is not used. */
enum { REDACTIONS_SEEN = ES_CHUNK * ES_KEY_EVENT / ES_KEY_REDACTION };

static void slot_take(struct es_wop *op, struct es_look *looks, size_t count)
{
    struct es_slot_look *l = looks[0].ctx;
    const enum err e = looks[0].err;
    (void)count;
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        op->look_err = e;
        return;
    }
    if (e == ERR_NOT_FOUND || looks[0].scan.count == 0) {
        l->known = true;
        return;
    }
    const int64_t fact = es_key_redaction_fact(looks[0].key_out);
    l->from = es_key_event_revision(looks[0].key_out);
    l->from_fact = fact + 1;
    l->harmed = fact > l->fact || ++l->passed > REDACTIONS_SEEN;
    l->known = l->harmed;
}

enum err es_slot_look(struct es_wop *op, struct es_slot_look *l, const struct es_hash *stream)
{
    while (op->look_err == ERR_OK && !l->known) {
        struct es_look *x = es_wop_looks_begin(op, 1, slot_take);
        if (x == NULL) {
            return ERR_NO_MEMORY;
        }
        x->ctx = l;
        x->kind = ES_LOOK_SCAN;
        x->table = ES_T_REDACTIONS;
        es_key_redaction(x->key, stream, l->from, l->from_fact);
        es_key_redaction(x->at_most, stream, l->revision, INT64_MAX);
        x->scan = (struct index_scan){
            .from = x->key, .to = x->at_most, .max = 1, .keys = x->key_out, .values = x->value};
        if (!es_wop_looks_go(op, 1)) {
            return ERR_AGAIN;
        }
    }
    return op->look_err;
}
