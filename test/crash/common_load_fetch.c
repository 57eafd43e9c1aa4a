/* Fetching and walking what was fetched. See common_load_int.h. */
#include <stdio.h>
#include <string.h>

#include "common_load_int.h"

void load_walk_init(struct load_walk *w, const struct wire_fetch_response_partition *p,
                    int64_t from, struct record_scratch *scratch)
{
    memset(w, 0, sizeof(*w));
    w->run = slice_of(p->records.p, p->records.n > 0 ? (size_t)p->records.n : 0);
    w->from = from;
    w->scratch = scratch;
}

bool load_walk_next(struct load_walk *w, struct record *out)
{
    struct ectx ec = {0};
    for (;;) {
        if (w->inside) {
            while (record_next(&w->it, out)) {
                if (out->offset >= w->from) {
                    return true;
                }
            }
            w->inside = false;
            if (record_iter_end(&w->it, &ec) != ERR_OK) {
                break;
            }
        }
        if (slice_left(&w->run) == 0) {
            return false;
        }
        struct batch b;
        enum err e = batch_next(&w->run, &b, &ec);
        if (e == ERR_TRUNCATED) {
            return false; /* cut at max_bytes */
        }
        if (e != ERR_OK || batch_verify_crc(b.bytes, &b.header, &ec) != ERR_OK ||
            record_iter_init(&w->it, &b.header, b.bytes, w->scratch, RECORD_DECOMPRESSED_MAX,
                             &ec) != ERR_OK) {
            break;
        }
        w->inside = true;
    }
    (void)snprintf(w->problem, sizeof(w->problem), "%.190s", ec.text);
    return false;
}

bool load_fetch(struct load *l, struct client *c, uint32_t first, uint32_t count,
                const int64_t *position, int32_t max_wait_ms, struct wire_fetch_response *r)
{
    struct wire_fetch_request_topic t[MODEL_PARTS];
    struct wire_fetch_request_partition p[MODEL_PARTS];
    struct wire_fetch_request q;
    int32_t topics = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = first + i;
        const char *name = model_part_topic(l->model, part);
        if (topics == 0 || !str_eq_z(t[topics - 1].topic, name)) {
            WIRE_INIT(wire_fetch_request_topic, &t[topics]);
            t[topics].topic = str_of(name);
            t[topics].partitions = &p[i];
            t[topics].partitions_count = 0;
            topics++;
        }
        t[topics - 1].partitions_count++;
        WIRE_INIT(wire_fetch_request_partition, &p[i]);
        p[i].partition = model_part_index(l->model, part);
        p[i].fetch_offset = position[part];
        p[i].partition_max_bytes = count == 1 ? 8 << 20 : 1 << 19;
    }
    int64_t floors[MODEL_PARTS];
    for (uint32_t i = 0; i < count; i++) {
        floors[i] = model_floor(l->model, first + i);
    }
    WIRE_INIT(wire_fetch_request, &q);
    q.max_wait_ms = max_wait_ms;
    q.min_bytes = 1;
    q.max_bytes = 16 << 20;
    q.topics = t;
    q.topics_count = topics;
    if (!client_call(c, WIRE_FETCH, 12, &q, r)) {
        return false;
    }
    for (int32_t i = 0; i < r->responses_count; i++) {
        for (int32_t j = 0; j < r->responses[i].partitions_count; j++) {
            const struct wire_fetch_response_partition *answer = &r->responses[i].partitions[j];
            uint32_t part = load_part_of(l, r->responses[i].topic, answer->partition_index);
            if (part >= first && part < first + count && answer->log_start_offset >= 0) {
                model_start_moved(l->model, part, floors[part - first], answer->log_start_offset);
            }
        }
    }
    return true;
}

bool load_log_start(struct load *l, struct client *c, uint32_t part, int64_t *out)
{
    struct wire_list_offsets_request_partition p;
    struct wire_list_offsets_request_topic t;
    struct wire_list_offsets_request q;
    struct wire_list_offsets_response r;
    int64_t floor = model_floor(l->model, part);
    WIRE_INIT(wire_list_offsets_request_partition, &p);
    p.partition_index = model_part_index(l->model, part);
    p.timestamp = -2; /* the earliest */
    WIRE_INIT(wire_list_offsets_request_topic, &t);
    t.name = str_of(model_part_topic(l->model, part));
    t.partitions = &p;
    t.partitions_count = 1;
    WIRE_INIT(wire_list_offsets_request, &q);
    q.topics = &t;
    q.topics_count = 1;
    if (!client_call(c, WIRE_LIST_OFFSETS, 7, &q, &r) || r.topics_count != 1 ||
        r.topics[0].partitions_count != 1 || r.topics[0].partitions[0].error_code != 0) {
        return false;
    }
    *out = r.topics[0].partitions[0].offset;
    model_start_moved(l->model, part, floor, *out);
    return true;
}

uint32_t load_part_of(const struct load *l, struct str topic, int32_t index)
{
    for (uint32_t i = 0; i < model_part_count(l->model); i++) {
        if (model_part_index(l->model, i) == index &&
            str_eq_z(topic, model_part_topic(l->model, i))) {
            return i;
        }
    }
    return UINT32_MAX;
}
