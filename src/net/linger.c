/*
 * The end of a connection whose peer still sends what nobody wants, as the body of a request that
 * was refused by its head. Closed at once, the kernel would reset it for the bytes that nobody
 * read, and the answer would be lost with them. So nothing more is sent, and what comes is dropped,
 * until the peer closes; in bounds of time, of bytes, and of how many such connections there are.
 */
#include "net/net_int.h"

#define NET_LINGER_NS    2000000000ull
#define NET_LINGER_BYTES (32u * 1024 * 1024)
#define NET_LINGER_MAX   64u /* connections; further ones are closed at once */
#define LINGER_RECV      (16u * 1024)

void net_conn_close_unread(struct net_conn *c)
{
    c->unread_follows = true;
    net_conn_close(c, false, "");
}

bool conn_linger(struct net_conn *c)
{
    struct net *n = c->net;
    if (c->linger_since_ns != 0) {
        return true;
    }
    if (!c->unread_follows || n->lingering == NET_LINGER_MAX || env_sock_shut(c->sock) != ERR_OK) {
        return false;
    }
    c->linger_since_ns = env_mono_ns(n->env);
    n->lingering++;
    if (c->in != NULL) {
        conn_drop_buffer(c);
    }
    return true;
}

void conn_discard(struct net_conn *c)
{
    NOT_ZEROED uint8_t sink[LINGER_RECV];
    const size_t most = conn_turn_bytes(c->net);
    size_t taken = 0;
    while (taken < most) {
        size_t got = 0;
        enum err e = env_recv(c->sock, sink, sizeof(sink), &got);
        if (e == ERR_AGAIN) {
            break;
        }
        taken += got;
        if (e != ERR_OK || got == 0 || c->lingered_bytes + taken > NET_LINGER_BYTES) {
            conn_destroy(c);
            break;
        }
    }
    c->lingered_bytes += taken;
    metric_add(c->net->bytes_in, taken);
}

bool conn_lingered(const struct net_conn *c, uint64_t now_ns)
{
    return c->linger_since_ns != 0 && now_ns - c->linger_since_ns > NET_LINGER_NS;
}
