/*
 * What the tests of the net share: a server in the simulated network, and its clients. The protocol
 * of these tests: 4 bytes of length, then that many bytes; a reply is the same bytes again.
 */
#ifndef LEAT_TEST_NET_WORLD_H
#define LEAT_TEST_NET_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "env/env_sim.h"
#include "net/net.h"
#include "test.h"

#define PENDING_MAX 512

struct world {
    struct env *env;
    struct env_poll *poll;
    struct metrics *metrics;
    struct net *net;
    struct net_listener *listener;
    struct env_addr addr;
    bool hold; /* keep messages instead of answering them */
    struct net_message *pending[PENDING_MAX];
    size_t pending_count;
    size_t messages, opened, closed;
    size_t asked; /* where a message shall lie */
};

extern const struct net_protocol ECHO;
void *echo_opened(void *ctx, struct net_conn *c);
enum err echo_measure(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec);
void echo_message(void *state, struct net_message *m); /* answers, or keeps it while w->hold */
void echo_closed(void *state);
void answer(struct net_message *m);

void world_open(struct world *w, const struct net_config *cfg); /* NULL: 10 connections, 64 MiB */
void world_close(struct world *w);
void turn(struct world *w);
void turns(struct world *w, int n);
struct env_sock *dial(struct world *w);
/* Sends all of it, with turns in between while nothing fits. */
void send_all(struct world *w, struct env_sock *s, const uint8_t *p, size_t n);
/* Receives until n bytes are there; false: the peer closed. */
bool receive(struct world *w, struct env_sock *s, uint8_t *p, size_t n);
size_t make_message(uint8_t *out, size_t body, uint8_t fill);

#endif
