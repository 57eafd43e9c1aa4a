/* TCP with deadlines. */
#include "cli/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/out.h"

MUST_USE enum err address_parse(struct str text, uint16_t default_port, struct address *out,
                                struct ectx *ec)
{
    struct str host = text, port = STR_NULL;
    size_t colons = 0;
    for (size_t i = 0; i < text.n; i++) {
        colons += text.p[i] == ':';
    }
    if (text.n > 0 && text.p[0] == '[') {
        const char *end = memchr(text.p, ']', text.n);
        if (end == NULL) {
            return ectx_fail(ec, ERR_CONFIG, "address '%.*s': ']' is missing", STR(text));
        }
        host = str_make(text.p + 1, (size_t)(end - text.p) - 1);
        size_t rest = text.n - host.n - 2;
        port = rest > 0 && end[1] == ':' ? str_make(end + 2, rest - 1) : STR_NULL;
    } else if (colons == 1) {
        host = str_cut(text, ':', &port);
    }
    uint64_t number = default_port;
    bool good = host.n < sizeof(out->host) && (host.n > 0 || port.n > 0);
    good = good && (port.p == NULL || (str_to_u64(port, &number) && number > 0));
    if (!good || number > UINT16_MAX || number == 0) {
        enum err e = ectx_fail(ec, ERR_CONFIG, "'%.*s' is no address", STR(text));
        ectx_hint(ec, "write HOST:PORT, for example 127.0.0.1:%u", default_port);
        return e;
    }
    *out = (struct address){.port = (uint16_t)number};
    host = host.n == 0 ? STR_LIT("127.0.0.1") : host;
    memcpy(out->host, host.p, host.n);
    return ERR_OK;
}

/* Waits for `events`; ERR_REQUEST_TIMED_OUT at the deadline. */
static enum err wait_for(int fd, short events, uint64_t deadline_ns, struct ectx *ec)
{
    for (;;) {
        uint64_t now = clock_ns();
        if (now >= deadline_ns) {
            return ectx_fail(ec, ERR_REQUEST_TIMED_OUT, "no answer in time");
        }
        struct pollfd p = {.fd = fd, .events = events};
        uint64_t ms = (deadline_ns - now) / 1000000 + 1;
        int n = poll(&p, 1, ms > 60000 ? 60000 : (int)ms);
        if (n > 0) {
            return ERR_OK;
        }
        if (n < 0 && errno != EINTR) {
            return ectx_fail(ec, ERR_IO, "poll: %s", strerrordesc_np(errno));
        }
    }
}

static enum err connect_one(const struct addrinfo *a, uint64_t deadline_ns, int *out,
                            struct ectx *ec)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return ectx_fail(ec, ERR_IO, "socket: %s", strerrordesc_np(errno));
    }
    int one = 1;
    IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0); /* only slower */
    enum err e = ERR_OK;
    if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
        int error = errno;
        if (error == EINPROGRESS) {
            socklen_t size = sizeof(error);
            error = 0;
            e = wait_for(fd, POLLOUT, deadline_ns, ec);
            if (e == ERR_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
                error = errno;
            }
        }
        if (e == ERR_OK && error != 0) {
            e = ectx_fail(ec, ERR_CLOSED, "%s", strerrordesc_np(error));
        }
    }
    if (e != ERR_OK) {
        close(fd);
        return e;
    }
    *out = fd;
    return ERR_OK;
}

MUST_USE enum err socket_connect(const struct address *to, uint64_t deadline_ns, int *fd,
                                 struct ectx *ec)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", to->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int status = getaddrinfo(to->host, port, &hints, &list);
    if (status != 0) {
        return ectx_fail(ec, ERR_CLOSED, "could not connect to %s:%u: %s", to->host, to->port,
                         gai_strerror(status));
    }
    enum err e = ectx_fail(ec, ERR_CLOSED, "no address");
    for (const struct addrinfo *a = list; a != NULL && e != ERR_OK; a = a->ai_next) {
        e = connect_one(a, deadline_ns, fd, ec);
    }
    freeaddrinfo(list);
    return e == ERR_OK ? ERR_OK
                       : ectx_wrap(ec, e, "could not connect to %s:%u", to->host, to->port);
}

MUST_USE enum err socket_send(int fd, const void *p, size_t n, uint64_t deadline_ns,
                              struct ectx *ec)
{
    const char *at = p;
    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent > 0) {
            at += sent;
            n -= (size_t)sent;
        } else if (errno == EAGAIN) {
            enum err e = wait_for(fd, POLLOUT, deadline_ns, ec);
            if (e != ERR_OK) {
                return e;
            }
        } else if (errno != EINTR) {
            return ectx_fail(ec, ERR_CLOSED, "the connection broke: %s", strerrordesc_np(errno));
        }
    }
    return ERR_OK;
}

MUST_USE enum err socket_receive(int fd, void *p, size_t n, uint64_t deadline_ns, size_t *got,
                                 struct ectx *ec)
{
    for (;;) {
        ssize_t r = recv(fd, p, n, 0);
        if (r >= 0) {
            *got = (size_t)r;
            return ERR_OK;
        }
        if (errno == EAGAIN) {
            enum err e = wait_for(fd, POLLIN, deadline_ns, ec);
            if (e != ERR_OK) {
                return e;
            }
        } else if (errno != EINTR) {
            return ectx_fail(ec, ERR_CLOSED, "the connection broke: %s", strerrordesc_np(errno));
        }
    }
}

void socket_close(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}
