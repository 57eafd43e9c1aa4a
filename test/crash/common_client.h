/*
 * A small blocking Kafka client for tests: one connection, requests out, answers in, in order.
 * Not for two threads at once. Every function that can fail returns false; after that the
 * connection is of no use.
 */
#ifndef LEAT_TEST_CRASH_CLIENT_H
#define LEAT_TEST_CRASH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/frame.h"
#include "wire/gen/all.h"

struct client {
    int fd; /* -1: closed */
    struct buf out, in;
    struct arena arena;     /* of what the caller builds and of decoded answers */
    int32_t sent, received; /* correlation ids */
    bool strange;           /* the last failure was not the connection's end: a wrong answer */
    char why[200];
};

/* Connects to 127.0.0.1. timeout_ms bounds every later read and write. */
bool client_open(struct client *c, uint16_t port, int timeout_ms);
void client_close(struct client *c);
/* Sends a request and does not wait. */
bool client_send(struct client *c, int16_t key, int16_t version, const void *body);
/* The answer to the oldest request without one. Views in *body are valid until the next receive. */
bool client_receive(struct client *c, int16_t key, int16_t version, void *body);
bool client_call(struct client *c, int16_t key, int16_t version, const void *request,
                 void *response);

#endif
