/*
 * TCP sockets: non-blocking, close-on-exec, without Nagle's delay. IPv4 and IPv6; a listener on
 * [::] takes both where the system does so by default, and the IPv4 peers of it are shown as IPv4.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"
#include "env/linux_int.h"

static enum err fail_at(struct ectx *ec, int errno_value, const char *what,
                        const struct env_addr *addr)
{
    char text[sizeof(addr->host) + 16];
    bool v6 = strchr(addr->host, ':') != NULL;
    snprintf(text, sizeof(text), v6 ? "[%s]:%u" : "%s:%u", addr->host, (unsigned)addr->port);
    enum err e = linux_fail(ec, errno_value, what, text);
    if (e == ERR_ADDRESS_IN_USE) {
        ectx_hint(ec, "stop the program that listens there, or choose another port");
    }
    return e;
}

static struct linux_sock *sock_new(void)
{
    struct linux_sock *s = mem_new(struct linux_sock);
    if (s != NULL) {
        s->base.ops = &linux_ops;
        s->fd = -1;
    }
    return s;
}

static int set_number(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

static int set_option(int fd, int level, int name)
{
    return set_number(fd, level, name, 1);
}

static void addr_of(const struct sockaddr_storage *from, struct env_addr *out)
{
    *out = (struct env_addr){0};
    if (from->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof(v4));
        (void)inet_ntop(AF_INET, &v4.sin_addr, out->host, sizeof(out->host));
        out->port = ntohs(v4.sin_port);
    } else if (from->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof(v6));
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
            (void)inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], out->host, sizeof(out->host));
        } else {
            (void)inet_ntop(AF_INET6, &v6.sin6_addr, out->host, sizeof(out->host));
        }
        out->port = ntohs(v6.sin6_port);
    }
}

/* Blocks while a name is looked up; a numeric address needs no look-up. */
static enum err resolve(const struct env_addr *addr, int flags, struct addrinfo **out,
                        struct ectx *ec)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)addr->port);
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    int failed = getaddrinfo(addr->host, port, &wanted, out);
    if (failed == 0) {
        return ERR_OK;
    }
    if (failed == EAI_MEMORY) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not look up '%s': out of memory", addr->host);
    }
    if (failed == EAI_SYSTEM) {
        return linux_fail(ec, errno, "look up", addr->host);
    }
    return ectx_fail(ec, failed == EAI_AGAIN ? ERR_AGAIN : ERR_NOT_FOUND,
                     "could not look up '%s': %s", addr->host, gai_strerror(failed));
}

/* A peer that vanished without a word is asked for after a minute without a byte, every ten
 * seconds, and given up after six times. */
static bool keep_alive(int fd)
{
    return set_option(fd, SOL_SOCKET, SO_KEEPALIVE) == 0 &&
           set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60) == 0 &&
           set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10) == 0 &&
           set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, 6) == 0;
}

/* Returns 0 or an errno value. What is accepted inherits the options. */
static int listen_on(int fd, const struct addrinfo *a, int backlog)
{
    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR) != 0 || !keep_alive(fd) ||
        bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, backlog) != 0) {
        return errno;
    }
    return 0;
}

static int connect_to(int fd, const struct addrinfo *a, int unused)
{
    (void)unused;
    if (set_option(fd, IPPROTO_TCP, TCP_NODELAY) != 0) {
        return errno;
    }
    if (connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS && errno != EINTR) {
        return errno;
    }
    return 0;
}

/* Opens a socket for the first address of the name for which `use` works. */
static enum err open_first(const struct env_addr *addr, int flags, const char *what,
                           int (*use)(int fd, const struct addrinfo *a, int arg), int arg,
                           struct env_sock **out, struct ectx *ec)
{
    struct addrinfo *found = NULL;
    struct linux_sock *s = sock_new();
    if (s == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not %s '%s': out of memory", what, addr->host);
    }
    enum err e = resolve(addr, flags, &found, ec);
    if (e != ERR_OK) {
        mem_free(s);
        return e;
    }
    int failed = EADDRNOTAVAIL;
    for (const struct addrinfo *a = found; a != NULL && s->fd < 0; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        failed = fd < 0 ? errno : use(fd, a, arg);
        if (failed == 0) {
            s->fd = fd;
        } else if (fd >= 0) {
            close(fd);
        }
    }
    freeaddrinfo(found);
    if (s->fd < 0) {
        mem_free(s);
        return fail_at(ec, failed, what, addr);
    }
    *out = &s->base;
    return ERR_OK;
}

enum err linux_listen(struct env *env, const struct env_addr *addr, int backlog,
                      struct env_sock **out, struct ectx *ec)
{
    (void)env;
    return open_first(addr, AI_PASSIVE, "listen on", listen_on, backlog, out, ec);
}

enum err linux_connect(struct env *env, const struct env_addr *addr, struct env_sock **out,
                       struct ectx *ec)
{
    (void)env;
    return open_first(addr, 0, "connect to", connect_to, 0, out, ec);
}

enum err linux_accept(struct env_sock *listener, struct env_sock **out, struct env_addr *peer,
                      struct ectx *ec)
{
    /* Memory first: without it the connection stays in the queue. */
    struct linux_sock *s = sock_new();
    if (s == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not accept a connection: out of memory");
    }
    struct sockaddr_storage from = {0};
    for (;;) {
        socklen_t size = sizeof(from);
        s->fd = accept4(linux_sock_of(listener)->fd, (struct sockaddr *)&from, &size,
                        SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (s->fd >= 0) {
            break;
        }
        /* A peer that left while it was queued is no news. */
        if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
            int failed = errno;
            mem_free(s);
            return failed == EAGAIN ? ERR_AGAIN : linux_fail(ec, failed, "accept", "connection");
        }
    }
    /* It only fails if the peer is gone already; the first read will tell. */
    IGNORE(set_option(s->fd, IPPROTO_TCP, TCP_NODELAY));
    if (peer != NULL) {
        addr_of(&from, peer);
    }
    *out = &s->base;
    return ERR_OK;
}

enum err linux_recv(struct env_sock *s, void *p, size_t n, size_t *got)
{
    for (;;) {
        ssize_t part = recv(linux_sock_of(s)->fd, p, n, 0);
        if (part >= 0) {
            *got = (size_t)part;
            return ERR_OK;
        }
        if (errno != EINTR) {
            return err_of_errno(errno);
        }
    }
}

enum err linux_sendv(struct env_sock *s, const struct iovec *iov, int iov_count, size_t *sent)
{
    struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)iov, /* sendmsg does not change it */
        .msg_iovlen = (size_t)(iov_count < IOV_MAX ? iov_count : IOV_MAX),
    };
    for (;;) {
        const int fd = linux_sock_of(s)->fd;
        /* One piece alone, as a small reply is, without the message around it. */
        ssize_t part = iov_count == 1 ? send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                                      : sendmsg(fd, &message, MSG_NOSIGNAL);
        if (part >= 0) {
            *sent = (size_t)part;
            return ERR_OK;
        }
        if (errno != EINTR) {
            return err_of_errno(errno);
        }
    }
}

enum err linux_sock_shut(struct env_sock *s)
{
    return shutdown(linux_sock_of(s)->fd, SHUT_WR) == 0 ? ERR_OK : err_of_errno(errno);
}

void linux_sock_close(struct env_sock *base)
{
    struct linux_sock *s = linux_sock_of(base);
    if (s->poll != NULL) {
        linux_poll_remove(s->poll, base);
    }
    close(s->fd);
    mem_free(s);
}

enum err linux_sock_local(struct env_sock *s, struct env_addr *out)
{
    struct sockaddr_storage local = {0};
    socklen_t size = sizeof(local);
    if (getsockname(linux_sock_of(s)->fd, (struct sockaddr *)&local, &size) != 0) {
        return err_of_errno(errno);
    }
    addr_of(&local, out);
    return ERR_OK;
}
