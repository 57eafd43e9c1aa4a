/* Request frames and connections of the load programs. */
#include "common_frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/bytes.h"
#include "record/builder.h"
#include "wire/frame.h"
#include "wire/gen/all.h"

_Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void frame_init(struct frame *f, int16_t key, int16_t version, const void *body)
{
    struct ectx ec = {0};
    buf_init(&f->bytes, 64u << 20);
    f->partition_at = f->error_at = 0;
    if (wire_request_put(&f->bytes, NULL, wire_api_find(key), version, 1, STR_LIT("load"), body,
                         &ec) != ERR_OK) {
        die("request", ec.text);
    }
}

void frame_versions(struct frame *f)
{
    struct wire_api_versions_request req;
    WIRE_INIT(wire_api_versions_request, &req);
    frame_init(f, 18, 0, &req);
    f->error_at = 8;
}

void frame_metadata(struct frame *f)
{
    struct wire_metadata_request req;
    WIRE_INIT(wire_metadata_request, &req);
    req.topics_count = -1;
    frame_init(f, 3, 4, &req);
}

void frame_produce(struct frame *f, const char *topic, const char *text, size_t text_bytes,
                   size_t record_bytes)
{
    struct batch_builder builder;
    struct batch_spec spec;
    struct buf batch;
    struct ectx ec = {0};
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    batch_builder_init(&builder, text_bytes + 65536);
    batch_spec_init(&spec);
    buf_init(&batch, text_bytes + 65536);
    for (size_t at = 0; at < text_bytes; at += record_bytes) {
        size_t n = text_bytes - at < record_bytes ? text_bytes - at : record_bytes;
        if (batch_builder_append(&builder, t.tv_sec * 1000, STR_NULL, str_make(text + at, n), NULL,
                                 0) != ERR_OK) {
            die("batch", "does not fit");
        }
    }
    if (batch_builder_finish(&builder, &spec, NULL, &batch, &ec) != ERR_OK) {
        die("batch", ec.text);
    }
    struct wire_produce_request req;
    struct wire_produce_request_topic rt;
    struct wire_produce_request_partition rp;
    WIRE_INIT(wire_produce_request, &req);
    WIRE_INIT(wire_produce_request_topic, &rt);
    WIRE_INIT(wire_produce_request_partition, &rp);
    rp.records = (struct wire_records){.p = batch.p, .n = (int64_t)batch.n};
    rt.name = str_of(topic);
    rt.partition_data = &rp;
    rt.partition_data_count = 1;
    req.acks = -1;
    req.timeout_ms = 30000;
    req.topic_data = &rt;
    req.topic_data_count = 1;
    frame_init(f, 0, 7, &req);
    f->partition_at =
        f->bytes.n - batch.n - 8; /* before the batch: its size, before that the index */
    f->error_at = 4 + 4 + 4 + 2 + strlen(topic) + 4 + 4;
    buf_deinit(&batch);
    batch_builder_deinit(&builder);
}

void frame_fetch(struct frame *f, const char *topic, int64_t offset, int32_t bytes, int32_t wait_ms)
{
    struct wire_fetch_request req;
    struct wire_fetch_request_topic rt;
    struct wire_fetch_request_partition rp;
    WIRE_INIT(wire_fetch_request, &req);
    WIRE_INIT(wire_fetch_request_topic, &rt);
    WIRE_INIT(wire_fetch_request_partition, &rp);
    rp.fetch_offset = offset;
    rp.partition_max_bytes = bytes;
    rt.topic = str_of(topic);
    rt.partitions = &rp;
    rt.partitions_count = 1;
    req.replica_id = -1;
    req.max_wait_ms = wait_ms;
    req.min_bytes = 1;
    req.max_bytes = bytes;
    req.topics = &rt;
    req.topics_count = 1;
    frame_init(f, 1, 4, &req);
    f->partition_at = f->bytes.n - 4 - 8 - 4; /* index, offset, bytes: the end of version 4 */
    f->error_at = 4 + 4 + 4 + 4 + 2 + strlen(topic) + 4 + 4;
}

void frame_deinit(struct frame *f)
{
    buf_deinit(&f->bytes);
}

int frame_dial(const char *address, uint32_t source, bool blocking)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= sizeof(host)) {
        die(address, "expected HOST:PORT");
    }
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10))};
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + source)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
        (source > 0 && bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0) ||
        (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}
