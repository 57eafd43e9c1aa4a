/* What the tests of http share: a server in the simulated network, and one client. */
#ifndef LEAT_TEST_HTTP_WORLD_H
#define LEAT_TEST_HTTP_WORLD_H

#include "env/env_sim.h"
#include "http/http.h"
#include "test.h"

#define WORLD_BODY_MAX 100000u
#define WORLD_REPLY    (4u * 1024 * 1024)

struct world {
    struct env *env;
    struct env_poll *poll;
    struct metrics *metrics;
    struct net *net;
    struct http *http;
    struct env_addr addr;
    struct env_sock *sock;
    char *reply; /* all that the client received since it asked */
    size_t got;
    bool closed; /* by the server */
    bool deaf;   /* the client reads nothing */
    bool drains;

    struct http_request *later;  /* of GET /later: answered by the test */
    struct http_stream *stream;  /* of GET /stream */
    int writable, gone;          /* calls of its hooks */
    struct http_header extra[2]; /* of GET /with */
    size_t extra_count;
    struct str members; /* of GET /problem; null: two numbers */
};

void world_open(struct world *w, const char *listen);
void world_close(struct world *w);
void turn(struct world *w);
void turns(struct world *w, int n);
void hang_up(struct world *w);
/* Answers in parts: until the test ends it, or all of it at once, to its end or broken off. */
void stream_begin(struct world *w, struct http_request *r);
void stream_whole(struct world *w, struct http_request *r, bool breaks);
/* Sends as much as the server takes, a piece a turn at most; then some turns more. */
void exchange(struct world *w, const char *p, size_t n, size_t piece);
void ask(struct world *w, const char *text);
void expect(struct world *w, const char *part);
void expect_not(struct world *w, const char *part);

#endif
