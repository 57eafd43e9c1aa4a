/*
 * How long the walkers need: nanoseconds for a message and for a field of it, CPU time of this
 * thread, for requests and responses of a usual shape. The budget is 10 ns for a field when
 * decoding.
 *
 *     wire [milliseconds per case]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/gen/all.h"

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void need(enum err e, const struct ectx *ec)
{
    if (e != ERR_OK) {
        fprintf(stderr, "wire: %s\n", ec->text);
        exit(1);
    }
}

struct bench_case {
    const char *what;
    const struct wire_message *m;
    int16_t version;
    size_t fields; /* values on the wire, lengths and tag counts not counted */
    const void *value;
};

static void measure(const struct bench_case *c, double budget_ns)
{
    struct arena arena;
    struct buf out;
    struct ectx ec = {0};
    arena_init(&arena, 1 << 24);
    buf_init(&out, 1 << 24);
    need(wire_encode(c->m, c->version, c->value, &out, NULL, &ec), &ec);
    void *back = malloc(c->m->size);
    if (back == NULL) {
        exit(1);
    }
    double ns[2];
    for (int encode = 0; encode < 2; encode++) {
        uint64_t rounds = 0;
        double start = cpu_ns(), now = start;
        while (now - start < budget_ns) {
            for (int i = 0; i < 64; i++, rounds++) {
                if (encode == 1) {
                    buf_clear(&out);
                    need(wire_encode(c->m, c->version, c->value, &out, NULL, &ec), &ec);
                } else {
                    struct slice in = slice_of(out.p, out.n);
                    arena_reset(&arena, SIZE_MAX);
                    need(wire_decode(c->m, c->version, &in, &arena, back, &ec), &ec);
                }
            }
            now = cpu_ns();
        }
        ns[encode] = (now - start) / (double)rounds;
    }
    double fields = (double)c->fields;
    printf(
        "%-34s %7zu bytes %6zu fields  decode %9.0f ns %5.1f/field  encode %9.0f ns %5.1f/field\n",
        c->what, out.n, c->fields, ns[0], ns[0] / fields, ns[1], ns[1] / fields);
    free(back);
    buf_deinit(&out);
    arena_deinit(&arena);
}

static void offset_commit(struct arena *a, int32_t partitions, double ns)
{
    struct wire_offset_commit_request r;
    wire_init(&wire_offset_commit_request_type, &r);
    r.group_id = STR_LIT("order-service");
    r.member_id = STR_LIT("consumer-1-6f1c2b52-6d4e-4be1-a64f-0d5f9a9e3a11");
    r.topics = WIRE_NEW_N(a, wire_offset_commit_request_topic, 1);
    r.topics_count = 1;
    r.topics->name = STR_LIT("orders");
    r.topics->partitions = WIRE_NEW_N(a, wire_offset_commit_request_partition, partitions);
    r.topics->partitions_count = partitions;
    for (int32_t i = 0; i < partitions; i++) {
        r.topics->partitions[i].partition_index = i;
        r.topics->partitions[i].committed_offset = 1000 + i;
        r.topics->partitions[i].committed_metadata = STR_LIT("");
    }
    struct bench_case c = {partitions == 1 ? "OffsetCommit v8, 1 partition"
                                           : "OffsetCommit v8, 500 partitions",
                           &wire_offset_commit_request_type, 8, 6 + 4 * (size_t)partitions, &r};
    measure(&c, ns);
    c.what = partitions == 1 ? "OffsetCommit v7, 1 partition" : "OffsetCommit v7, 500 partitions";
    c.version = 7;
    measure(&c, ns);
}

static void produce(struct arena *a, double ns)
{
    static uint8_t batch[1000];
    struct wire_produce_request r;
    wire_init(&wire_produce_request_type, &r);
    r.topic_data = WIRE_NEW_N(a, wire_produce_request_topic, 1);
    r.topic_data_count = 1;
    r.topic_data->partition_data = WIRE_NEW_N(a, wire_produce_request_partition, 1);
    r.topic_data->partition_data_count = 1;
    r.topic_data->partition_data->records = (struct wire_records){batch, sizeof(batch), NULL, 0};
    const struct bench_case c = {"Produce v13, 1 partition", &wire_produce_request_type, 13, 8, &r};
    measure(&c, ns);
}

static void fetch(struct arena *a, double ns)
{
    struct wire_fetch_request q;
    wire_init(&wire_fetch_request_type, &q);
    q.topics = WIRE_NEW_N(a, wire_fetch_request_topic, 1);
    q.topics_count = 1;
    q.topics->partitions = WIRE_NEW_N(a, wire_fetch_request_partition, 100);
    q.topics->partitions_count = 100;
    const struct bench_case c = {"Fetch v17, 100 partitions", &wire_fetch_request_type, 17,
                                 10 + 600, &q};
    measure(&c, ns);
    struct wire_fetch_response r;
    wire_init(&wire_fetch_response_type, &r);
    r.responses = WIRE_NEW_N(a, wire_fetch_response_topic, 1);
    r.responses_count = 1;
    r.responses->partitions = WIRE_NEW_N(a, wire_fetch_response_partition, 100);
    r.responses->partitions_count = 100;
    for (int i = 0; i < 100; i++) {
        r.responses->partitions[i].records.n = 0;
    }
    const struct bench_case d = {"Fetch response v17, 100 partitions", &wire_fetch_response_type,
                                 17, 5 + 800, &r};
    measure(&d, ns);
}

static void metadata(struct arena *a, double ns)
{
    static int32_t one[1] = {1};
    struct wire_metadata_response r;
    wire_init(&wire_metadata_response_type, &r);
    r.topics = WIRE_NEW_N(a, wire_metadata_response_topic, 1000);
    r.topics_count = 1000;
    for (int i = 0; i < 1000; i++) {
        struct wire_metadata_response_topic *t = &r.topics[i];
        t->name = STR_LIT("a-topic-of-usual-length");
        t->partitions = WIRE_NEW_N(a, wire_metadata_response_partition, 1);
        t->partitions_count = 1;
        t->partitions->replica_nodes = t->partitions->isr_nodes = one;
        t->partitions->replica_nodes_count = t->partitions->isr_nodes_count = 1;
    }
    const struct bench_case c = {"Metadata response v12, 1000 topics", &wire_metadata_response_type,
                                 12, 5 + 15000, &r};
    measure(&c, ns);
}

int main(int argc, char **argv)
{
    double ns = (argc > 1 ? strtod(argv[1], NULL) : 200) * 1e6;
    struct arena arena;
    arena_init(&arena, 1 << 24);
    offset_commit(&arena, 1, ns);
    offset_commit(&arena, 500, ns);
    produce(&arena, ns);
    fetch(&arena, ns);
    metadata(&arena, ns);
    arena_deinit(&arena);
    return 0;
}
