/*
 * Records of one partition, one at a time: a read of the engine, its batches, the records in them.
 * What was read is held until the caller releases it, so that a batch of steps that was aborted
 * can go back to where it began.
 */
#include "core/check.h"
#include "core/mem.h"
#include "proc/proc_int.h"

void proc_input_init(struct proc_input *in, struct proc_task *t, struct str topic)
{
    in->task = t;
    in->topic = topic;
    in->at = in->next = in->committed = -1;
    arena_init(&in->arena, PROC_READ_ARENA);
    record_scratch_init(&in->scratch, PROC_DECOMPRESSED_MAX);
}

void proc_input_deinit(struct proc_input *in)
{
    proc_input_release(in);
    arena_deinit(&in->arena);
    record_scratch_deinit(&in->scratch);
}

static void walk_reset(struct proc_input *in)
{
    in->batch = 0;
    in->open = in->has_record = false;
}

static void read_done(struct engine_read *r)
{
    struct proc_input *in = r->ctx;
    in->reading = false;
    in->end = r->end_offset;
    in->held = r->err == ERR_OK;
    in->failed = !in->held;
    const bool nothing = in->held && r->batch_count == 0 && r->next_offset == r->offset;
    in->empty_answers = nothing && in->asking ? in->empty_answers + 1 : 0;
    walk_reset(in);
    proc_task_run(in->task);
}

void proc_input_ask(struct proc_input *in, uint64_t wait_ns)
{
    struct proc_task *t = in->task;
    if (in->reading || in->held || in->failed || t->retry_at_ns != 0) {
        return;
    }
    if (in->empty_answers >= PROC_EMPTY_ANSWERS) {
        in->empty_answers = 0;
        t->retry_at_ns = env_mono_ns(t->p->env) + PROC_RETRY_FIRST_NS;
        return;
    }
    arena_reset(&in->arena, PROC_READ_ARENA);
    in->reading = true;
    in->read = (struct engine_read){.topic = in->topic,
                                    .partition = t->partition,
                                    .offset = in->at,
                                    .max_bytes = PROC_READ_BYTES,
                                    .wait_ns = wait_ns,
                                    .arena = &in->arena,
                                    .done = read_done,
                                    .ctx = in};
    in->asking = true;
    engine_read(t->p->engine, &in->read);
    in->asking = false;
}

void proc_input_release(struct proc_input *in)
{
    struct engine *e = in->task->p->engine;
    if (in->reading) {
        engine_read_cancel(e, &in->read);
    } else if (in->held) {
        engine_read_release(e, &in->read);
    }
    in->reading = in->held = in->failed = false;
    walk_reset(in);
    record_scratch_trim(&in->scratch);
}

void proc_input_rewind(struct proc_input *in, int64_t offset)
{
    CHECK(!in->held || (offset >= in->read.offset && offset <= in->read.next_offset));
    in->at = offset;
    walk_reset(in);
}

static enum err batch_open(struct proc_input *in, struct ectx *ec)
{
    const struct engine_batch *b = &in->read.batches[in->batch];
    const uint8_t *bytes = (const uint8_t *)b->bytes.p;
    struct batch_header h;
    enum err e = batch_header_parse(bytes, b->bytes.n, &h, ec);
    if (e == ERR_OK) {
        e = record_iter_init(&in->it, &h, bytes, &in->scratch, PROC_DECOMPRESSED_MAX, ec);
    }
    if (e == ERR_OK) {
        in->open = true;
        in->position = b->position;
    }
    return e;
}

enum err proc_input_peek(struct proc_input *in, const struct record **out, struct ectx *ec)
{
    while (in->held && !in->has_record) {
        enum err e = ERR_OK;
        if (!in->open) {
            if (in->batch == in->read.batch_count) {
                in->at = in->at > in->read.next_offset ? in->at : in->read.next_offset;
                return ERR_NOT_FOUND;
            }
            e = batch_open(in, ec);
        } else if (record_next(&in->it, &in->record)) {
            in->has_record = in->record.offset >= in->at;
        } else {
            e = record_iter_end(&in->it, ec);
            in->open = false;
            in->batch += e == ERR_OK;
        }
        if (e != ERR_OK) {
            return ectx_wrap(ec, e, "'%.*s' partition %d after offset %lld", STR(in->topic),
                             (int)in->task->partition, (long long)in->at);
        }
    }
    *out = &in->record;
    return in->has_record ? ERR_OK : ERR_NOT_FOUND;
}

void proc_input_pass(struct proc_input *in)
{
    CHECK(in->has_record);
    in->at = in->record.offset + 1;
    in->has_record = false;
}
