/*
 * A writer: sends batches, keeps up to a window of requests in flight, notes the answers. An
 * idempotent one sends what was in flight when its connection broke again, in order, with the old
 * sequences, before anything new; the others leave it unknown.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common_load_int.h"
#include "common_server.h"
#include "record/builder.h"

enum { WRITER_BATCH_MAX = 900 * 1024 };

struct session {
    struct load_writer *w;
    struct client c;
    struct buf bytes;
    struct batch_builder builder;
    struct record_scratch scratch;
    uint8_t *value;
    uint32_t in_flight; /* the first of w->pending, sent on this connection */
};

static int64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The size of a value: a function of its place, so that a batch can be built again. */
static uint32_t value_size(const struct load_writer *w, uint32_t batch, uint32_t index)
{
    uint64_t state = (uint64_t)w->id << 40 ^ (uint64_t)batch << 8 ^ index;
    double u = (double)(load_random(&state) >> 11) / 9007199254740992.0;
    /* Most are small. */
    return w->kind->size_min + (uint32_t)((w->kind->size_max - w->kind->size_min) * u * u * u);
}

static bool put_batch(struct session *s, const struct load_entry *entry)
{
    const struct load_writer *w = s->w;
    struct ectx ec = {0};
    struct batch_spec spec;
    batch_spec_init(&spec);
    spec.codec = w->kind->codec;
    if (w->kind->idempotent) {
        spec.producer_id = w->producer_id;
        spec.producer_epoch = w->producer_epoch;
        spec.base_sequence = entry->sequence;
    }
    batch_builder_clear(&s->builder);
    int64_t now = wall_ms();
    for (uint32_t i = 0; i < entry->records; i++) {
        char key[MODEL_KEY_SIZE + 1];
        uint32_t size = value_size(w, entry->batch, i);
        model_key(w->id, entry->batch, i, size, key);
        model_value(w->id, entry->batch, i, size, s->value);
        if (batch_builder_append(&s->builder, now, str_of(key), str_make(s->value, size), NULL,
                                 0) != ERR_OK) {
            return false;
        }
    }
    return batch_builder_finish(&s->builder, &spec, &s->scratch, &s->bytes, &ec) == ERR_OK;
}

static bool send_request(struct session *s, const struct load_request *request)
{
    const struct load_writer *w = s->w;
    size_t ends[LOAD_ENTRIES];
    buf_clear(&s->bytes);
    for (uint32_t i = 0; i < request->count; i++) {
        if (!put_batch(s, &request->entries[i])) {
            model_violation(w->load->model, MODEL_PROTOCOL, "%s: could not build a batch",
                            w->kind->name);
            return false;
        }
        ends[i] = s->bytes.n;
    }
    struct wire_produce_request_partition p[LOAD_ENTRIES];
    struct wire_produce_request_topic t;
    struct wire_produce_request q;
    for (uint32_t i = 0; i < request->count; i++) {
        size_t begin = i == 0 ? 0 : ends[i - 1];
        WIRE_INIT(wire_produce_request_partition, &p[i]);
        p[i].index = model_part_index(w->load->model, request->entries[i].part);
        p[i].records.p = s->bytes.p + begin;
        p[i].records.n = (int64_t)(ends[i] - begin);
    }
    WIRE_INIT(wire_produce_request_topic, &t);
    t.name = str_of(w->kind->topic);
    t.partition_data = p;
    t.partition_data_count = (int32_t)request->count;
    WIRE_INIT(wire_produce_request, &q);
    q.acks = w->kind->acks;
    q.timeout_ms = 10000;
    q.topic_data = &t;
    q.topic_data_count = 1;
    return client_send(&s->c, WIRE_PRODUCE, 9, &q);
}

/* A new request, noted as pending before it leaves. */
static bool send_new(struct session *s)
{
    struct load_writer *w = s->w;
    struct load_request *request = &w->pending[w->pending_count];
    uint32_t first = (uint32_t)(load_random(&w->random) % w->part_count);
    request->count = w->kind->entries < w->part_count ? w->kind->entries : w->part_count;
    size_t room = WRITER_BATCH_MAX;
    for (uint32_t i = 0; i < request->count; i++) {
        struct load_entry *entry = &request->entries[i];
        entry->part = w->parts[(first + i) % w->part_count];
        entry->records = 1 + (uint32_t)(load_random(&w->random) % w->kind->records);
        entry->records =
            entry->records * w->kind->size_max > room ? 1 + entry->records / 4 : entry->records;
        entry->sequence = w->sequence[entry->part];
        w->sequence[entry->part] += (int32_t)entry->records;
        entry->batch = model_send(w->load->model, w->id, entry->part, entry->records);
    }
    w->pending_count++;
    s->in_flight++;
    return send_request(s, request);
}

static bool send_pending_again(struct session *s)
{
    struct load_writer *w = s->w;
    for (uint32_t i = 0; i < w->pending_count; i++) {
        for (uint32_t j = 0; j < w->pending[i].count; j++) {
            model_send_again(w->load->model, w->id, w->pending[i].entries[j].batch);
        }
        s->in_flight++;
        if (!send_request(s, &w->pending[i])) {
            return false;
        }
    }
    return true;
}

/* False: this writer must stop here for now (an outcome is unknown). */
static bool note_answer(struct session *s, const struct load_entry *entry, int16_t code,
                        int64_t offset)
{
    struct load_writer *w = s->w;
    struct model *m = w->load->model;
    if (code >= -1 && code < 127) {
        atomic_fetch_add(&w->load->produce_errors[code + 1], code != 0);
    }
    if (code == 0) {
        if (!model_ok(m, w->id, entry->batch, offset)) {
            return false;
        }
        atomic_fetch_add(&w->acked, 1);
        return true;
    }
    if (code == load_code_unknown || code == 7 || (w->load->faulty && code == -1)) {
        if (w->load->faulty && !w->kind->idempotent) {
            model_doubt(m, w->id, entry->batch);
        }
        return false;
    }
    if (w->kind->idempotent && !model_is_dark(m)) {
        model_violation(m, MODEL_PROTOCOL, "%s: error %d for batch %u (sequence %d)", w->kind->name,
                        code, entry->batch, entry->sequence);
        return false;
    }
    model_refused(m, w->id, entry->batch, code);
    return true;
}

static bool receive_one(struct session *s)
{
    struct load_writer *w = s->w;
    struct wire_produce_response r;
    if (!client_receive(&s->c, WIRE_PRODUCE, 9, &r)) {
        return false;
    }
    const struct load_request *request = &w->pending[0];
    bool go_on = true, unknown = false;
    for (uint32_t i = 0; i < request->count; i++) {
        const struct load_entry *entry = &request->entries[i];
        const struct wire_produce_response_partition *found = NULL;
        for (int32_t j = 0; r.responses_count == 1 && j < r.responses[0].partition_responses_count;
             j++) {
            const struct wire_produce_response_partition *p =
                &r.responses[0].partition_responses[j];
            found = p->index == model_part_index(w->load->model, entry->part) ? p : found;
        }
        if (found == NULL) {
            model_violation(w->load->model, MODEL_PROTOCOL, "%s: no answer for a partition",
                            w->kind->name);
            return false;
        }
        unknown |= !note_answer(s, entry, found->error_code, found->base_offset);
    }
    if (unknown && w->kind->idempotent) {
        return false; /* stays pending: sent again on the next connection */
    }
    go_on = !unknown || w->load->faulty;
    sleep_ms(unknown && go_on ? 5 : 0);
    s->in_flight--;
    w->pending_count--;
    memmove(&w->pending[0], &w->pending[1], w->pending_count * sizeof(w->pending[0]));
    return go_on;
}

static bool get_producer_id(struct session *s)
{
    struct load_writer *w = s->w;
    struct wire_init_producer_id_request q;
    struct wire_init_producer_id_response r;
    WIRE_INIT(wire_init_producer_id_request, &q);
    q.transactional_id = STR_NULL;
    q.transaction_timeout_ms = 60000;
    if (!client_call(&s->c, WIRE_INIT_PRODUCER_ID, 4, &q, &r) || r.error_code != 0 ||
        model_is_dark(w->load->model)) {
        return false;
    }
    for (size_t i = 0; i < LOAD_WRITERS; i++) {
        if (&w->load->writers[i] != w && w->load->writers[i].producer_id == r.producer_id) {
            model_violation(w->load->model, MODEL_PROTOCOL, "producer id %lld was given twice",
                            (long long)r.producer_id);
        }
    }
    w->producer_id = r.producer_id;
    w->producer_epoch = r.producer_epoch;
    return true;
}

/* One connection, until it breaks, the load stops, or the writer breaks it itself. */
static bool connection_run(struct session *s)
{
    struct load_writer *w = s->w;
    bool again = false;
    s->in_flight = 0;
    if (!client_open(&s->c, w->load->port, LOAD_TIMEOUT_MS)) {
        return false;
    }
    bool ok = !w->kind->idempotent || w->producer_id >= 0 || get_producer_id(s);
    ok = ok && send_pending_again(s);
    while (ok && !again && (!atomic_load(&w->load->stop) || s->in_flight > 0)) {
        bool full = s->in_flight >= w->kind->window || atomic_load(&w->load->stop);
        if (!full) {
            ok = send_new(s);
            again = w->kind->idempotent && load_random(&w->random) % 256 == 0;
            continue;
        }
        ok = receive_one(s);
        if (w->kind->pause_ms > 0) {
            sleep_ms(w->kind->pause_ms * (double)(load_random(&w->random) & 255) / 255);
        }
    }
    load_lost(w->load, &s->c, w->kind->name);
    return ok && again;
}

/* What is in flight when a connection ends: only an idempotent producer sends it again, with the
 * old sequences; for the others it is unknown for ever. */
static void forget_pending(struct load_writer *w)
{
    for (uint32_t i = 0; i < w->pending_count && !w->kind->idempotent; i++) {
        for (uint32_t j = 0; w->load->faulty && j < w->pending[i].count; j++) {
            model_doubt(w->load->model, w->id, w->pending[i].entries[j].batch);
        }
    }
    w->pending_count = w->kind->idempotent ? w->pending_count : 0;
}

void *load_writer_run(void *arg)
{
    struct load_writer *w = arg;
    struct session s = {.w = w};
    buf_init(&s.bytes, 8u << 20);
    batch_builder_init(&s.builder, 4u << 20);
    record_scratch_init(&s.scratch, RECORD_DECOMPRESSED_MAX);
    struct buf value;
    buf_init(&value, w->kind->size_max);
    s.value = buf_extend(&value, w->kind->size_max);
    if (s.value != NULL) {
        bool again = true;
        for (forget_pending(w); again; forget_pending(w)) {
            again = connection_run(&s) || load_again(w->load);
        }
    }
    record_scratch_deinit(&s.scratch);
    batch_builder_deinit(&s.builder);
    buf_deinit(&value);
    buf_deinit(&s.bytes);
    return NULL;
}
