/* Addresses as text: pure functions, the same in both worlds. Names are not resolved here, so
 * parsing never blocks; env_listen and env_connect resolve them. */
#include <arpa/inet.h>
#include <string.h>

#include "env/env_int.h"

static enum err bad(struct ectx *ec, struct str s, const char *why)
{
    (void)ectx_fail(ec, ERR_CONFIG, "invalid address '%.*s': %s", (int)(s.n < 100 ? s.n : 100),
                    s.n == 0 ? "" : s.p, why);
    ectx_hint(ec, "write HOST:PORT, for IPv6 [ADDRESS]:PORT, for example 127.0.0.1:9092");
    return ERR_CONFIG;
}

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

enum err env_addr_parse(struct str s, struct env_addr *out, struct ectx *ec)
{
    struct env_addr addr = {0};
    struct str host;
    struct str port;
    bool bracketed = s.n > 0 && s.p[0] == '[';
    if (bracketed) {
        host = str_cut((struct str){s.p + 1, s.n - 1}, ']', &port);
        if (port.n == 0 || port.p[0] != ':') {
            return bad(ec, s, "']:' is missing after the IPv6 address");
        }
        port = (struct str){port.p + 1, port.n - 1};
    } else {
        host = str_cut(s, ':', &port);
        if (str_is_null(port)) {
            return bad(ec, s, "the port is missing");
        }
        if (port.n > 0 && memchr(port.p, ':', port.n) != NULL) {
            return bad(ec, s, "an IPv6 address stands in brackets");
        }
    }
    if (host.n == 0) {
        return bad(ec, s, "the host is missing");
    }
    if (host.n >= sizeof(addr.host)) {
        return bad(ec, s, "the host is longer than 63 characters");
    }
    memcpy(addr.host, host.p, host.n);
    struct in6_addr v6;
    if (bracketed) {
        if (strlen(addr.host) != host.n || inet_pton(AF_INET6, addr.host, &v6) != 1) {
            return bad(ec, s, "not an IPv6 address");
        }
    } else {
        for (size_t i = 0; i < host.n; i++) {
            if (!is_host_char(host.p[i])) {
                return bad(ec, s, "the host has a character that no name has");
            }
        }
    }
    uint64_t number;
    if (port.n > 5 || !str_to_u64(port, &number) || number > UINT16_MAX) {
        return bad(ec, s, "the port is not a number from 0 to 65535");
    }
    addr.port = (uint16_t)number;
    *out = addr;
    return ERR_OK;
}

bool env_addr_is_loopback(const struct env_addr *a)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, a->host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    if (inet_pton(AF_INET6, a->host, &v6) == 1) {
        if (IN6_IS_ADDR_V4MAPPED(&v6)) {
            return v6.s6_addr[12] == 127;
        }
        return IN6_IS_ADDR_LOOPBACK(&v6);
    }
    return strcmp(a->host, "localhost") == 0;
}
