/* A TCP connection whose every wait has a deadline. Used by the Kafka client and for /metrics. */
#ifndef LEAT_CLI_SOCKET_H
#define LEAT_CLI_SOCKET_H

#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

#define SOCKET_HOST_MAX 256

struct address {
    char host[SOCKET_HOST_MAX];
    uint16_t port;
};

/* "HOST:PORT", "[::1]:PORT", ":PORT" or "HOST" (then `default_port`). ERR_CONFIG. */
MUST_USE enum err address_parse(struct str text, uint16_t default_port, struct address *out,
                                struct ectx *ec);
/* A connected, non-blocking socket. ERR_CLOSED or ERR_REQUEST_TIMED_OUT, the reason in words. */
MUST_USE enum err socket_connect(const struct address *to, uint64_t deadline_ns, int *fd,
                                 struct ectx *ec);
MUST_USE enum err socket_send(int fd, const void *p, size_t n, uint64_t deadline_ns,
                              struct ectx *ec);
/* At least one byte, at most n; 0 in *got when the other side closed. */
MUST_USE enum err socket_receive(int fd, void *p, size_t n, uint64_t deadline_ns, size_t *got,
                                 struct ectx *ec);
void socket_close(int fd);

#endif
