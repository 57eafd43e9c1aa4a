/* See common_client.h. */
#include "common_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { FRAME_MAX = 96 * 1024 * 1024, ARENA_MAX = 32 * 1024 * 1024 };

bool client_open(struct client *c, uint16_t port, int timeout_ms)
{
    memset(c, 0, sizeof(*c));
    buf_init(&c->out, FRAME_MAX);
    buf_init(&c->in, FRAME_MAX);
    arena_init(&c->arena, ARENA_MAX);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    int one = 1;
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void)setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(c->fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
        (void)snprintf(c->why, sizeof(c->why), "connect: %m");
        client_close(c);
        return false;
    }
    return true;
}

void client_close(struct client *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
    buf_deinit(&c->out);
    buf_deinit(&c->in);
    arena_deinit(&c->arena);
}

static bool strange(struct client *c, const char *what, const struct ectx *ec)
{
    c->strange = true;
    (void)snprintf(c->why, sizeof(c->why), "%s: %.150s", what, ec == NULL ? "" : ec->text);
    return false;
}

bool client_send(struct client *c, int16_t key, int16_t version, const void *body)
{
    struct ectx ec = {0};
    buf_clear(&c->out);
    enum err e = wire_request_put(&c->out, NULL, wire_api_find(key), version, c->sent,
                                  STR_LIT("crash-test"), body, &ec);
    if (e != ERR_OK) {
        return strange(c, "request", &ec);
    }
    for (size_t at = 0; at < c->out.n;) {
        ssize_t n = send(c->fd, c->out.p + at, c->out.n - at, MSG_NOSIGNAL);
        if (n <= 0) {
            (void)snprintf(c->why, sizeof(c->why), "send: %m");
            return false;
        }
        at += (size_t)n;
    }
    c->sent++;
    return true;
}

static bool read_all(struct client *c, uint8_t *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = recv(c->fd, p + at, n - at, 0);
        if (got == 0) {
            (void)snprintf(c->why, sizeof(c->why), "closed by the server");
            return false;
        }
        if (got < 0) {
            (void)snprintf(c->why, sizeof(c->why), "receive: %m");
            /* Silence on an open connection is an answer that never came. */
            c->strange = errno == EAGAIN;
            return false;
        }
        at += (size_t)got;
    }
    return true;
}

bool client_receive(struct client *c, int16_t key, int16_t version, void *body)
{
    uint8_t head[4];
    if (!read_all(c, head, 4)) {
        return false;
    }
    uint32_t size = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 |
                    (uint32_t)head[3];
    buf_clear(&c->in);
    uint8_t *p = size > FRAME_MAX ? NULL : buf_extend(&c->in, size);
    if (p == NULL) {
        return strange(c, "an answer with a size beyond reason", NULL);
    }
    if (!read_all(c, p, size)) {
        return false;
    }
    struct slice in = slice_of(p, size);
    struct ectx ec = {0};
    int32_t correlation = -1;
    const struct wire_api *api = wire_api_find(key);
    arena_reset(&c->arena, ARENA_MAX);
    enum err e = wire_response_head(&in, &c->arena, api, version, &correlation, &ec);
    if (e != ERR_OK || correlation != c->received) {
        return strange(c, "answer to another request", &ec);
    }
    c->received++;
    if (wire_decode(api->response, version, &in, &c->arena, body, &ec) != ERR_OK) {
        return strange(c, "answer", &ec);
    }
    return slice_left(&in) == 0 || strange(c, "bytes after the answer", NULL);
}

bool client_call(struct client *c, int16_t key, int16_t version, const void *request,
                 void *response)
{
    return client_send(c, key, version, request) && client_receive(c, key, version, response);
}
