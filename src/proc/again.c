/*
 * Parked events of keys that were resumed, executed in their order, one key at a time, among the
 * steps of the inputs. `aux` reads the parked topic from where the key's first event may be; other
 * keys' records are passed over. What comes for the key meanwhile is parked behind them, so nothing
 * overtakes; when none is left the key lives again (step.c).
 */
#include "core/check.h"
#include "proc/proc_int.h"

void proc_again_reset(struct proc_task *t)
{
    if (t->phase == PROC_PHASE_RUN) {
        proc_input_release(&t->aux);
        t->again_entry = NULL;
    }
}

/* The next key; false: there is none. */
static bool pick(struct proc_task *t)
{
    if (t->again_entry == NULL && !list_empty(&t->resuming)) {
        t->again_entry = CONTAINER_OF(t->resuming.next, struct proc_entry, resuming);
        proc_input_release(&t->aux);
        t->aux.topic = t->p->parked_topic;
        t->aux.at = t->again_entry->parked_from;
    }
    return t->again_entry != NULL;
}

/* What was read holds no more of it: read on, or let the next key have its turn. */
static void read_on(struct proc_task *t)
{
    struct proc_input *in = &t->aux;
    const bool end = in->held && in->at >= in->end;
    const bool waited = in->held && in->read.wait_ns > 0 && in->read.batch_count == 0;
    struct proc_entry *en = t->again_entry;
    if (in->held) {
        proc_input_release(in);
    }
    if (end && waited) { /* it does not show yet */
        list_remove(&en->resuming);
        list_push_back(&t->resuming, &en->resuming);
        t->again_entry = NULL;
        (void)pick(t);
    }
    proc_input_ask(in, end ? PROC_READ_WAIT_NS : 0);
}

enum proc_step_result proc_again_run(struct proc_batch *b, struct ectx *ec)
{
    struct proc_task *t = b->task;
    struct proc_input *in = &t->aux;
    const struct record *r;
    while (proc_batch_more(b) && pick(t)) {
        if (in->failed) {
            in->failed = false;
            if (in->read.err == ERR_OFFSET_OUT_OF_RANGE && in->at < in->read.start_offset) {
                in->at = in->read.start_offset;
            } else {
                *ec = in->read.ec;
                ec->code = in->read.err;
                return PROC_STEP_WAIT;
            }
        }
        if (!in->held) {
            proc_input_ask(in, 0);
            if (!in->held) {
                return PROC_STEP_DONE;
            }
        }
        enum err e = proc_input_peek(in, &r, ec);
        if (e == ERR_NOT_FOUND) {
            if (b->n.again > 0) {
                return PROC_STEP_DONE; /* first commit what came from it */
            }
            read_on(t);
            if (!in->held) {
                return PROC_STEP_DONE;
            }
            continue;
        }
        struct proc_event ev;
        struct proc_entry *en = t->again_entry;
        if (e != ERR_OK) {
            return PROC_STEP_WAIT;
        }
        if (!str_eq(r->key, en->key)) {
            proc_input_pass(in);
            continue;
        }
        if (en->work != NULL && (!en->work->v.resuming || en->work->v.fate == PROC_LIVE)) {
            return PROC_STEP_DONE; /* in this batch it was finished, or failed again */
        }
        if (proc_unpark(r, &ev, ec) != ERR_OK) {
            return PROC_STEP_WAIT;
        }
        const enum proc_step_result res = proc_step_run(b, &ev, ERR_OK, ec);
        if (res != PROC_STEP_DONE) {
            return res;
        }
        b->n.again++;
        proc_input_pass(in);
    }
    return PROC_STEP_DONE;
}
