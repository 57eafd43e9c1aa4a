/*
 * Any bytes as an HTTP connection. Input: byte 0 says in what pieces the rest arrives.
 *
 * Beyond "no crash, no leak": a message is never longer than what has arrived; it ends at the same
 * byte however the bytes were cut into pieces; and what is handed to a handler points into memory
 * of the message or of its arena.
 */
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "http/http_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX 4096

/* Reads every byte of it, so that the sanitizer sees a view that points nowhere. */
static unsigned touch(struct str s)
{
    unsigned sum = 0;
    for (size_t i = 0; i < s.n; i++) {
        sum += (unsigned char)s.p[i];
    }
    return sum;
}

/* The message is whole: its views. */
static void parse(struct http_exchange *x, const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    CHECK(copy != NULL);
    memcpy(copy, p, n);
    volatile unsigned sum = 0;
    if (http_parse(x, copy, n) && x->status == 0) {
        const struct http_request *r = &x->request;
        CHECK(r->path.n > 0 && r->path.p[0] == '/');
        CHECK(r->header_count <= HTTP_HEADER_COUNT_MAX);
        CHECK(r->body.n <= x->http->body_max_bytes);
        sum += touch(r->method) + touch(r->path) + touch(r->query) + touch(r->body);
        for (size_t i = 0; i < r->header_count; i++) {
            sum += touch(r->headers[i].name) + touch(r->headers[i].value);
        }
        sum += touch(http_query_get(r, "offset"));
        sum += touch(http_header_get(r, "Host"));
    }
    (void)sum;
    free(copy);
}

/* The length of the first message if its bytes arrive in pieces of `piece`, each time in another
 * place; 0: it is not whole. A refusal takes the bytes that are there for a message. */
static size_t measure(struct http *h, const uint8_t *p, size_t n, size_t piece, bool *refused)
{
    struct http_conn *c = calloc(1, sizeof(*c));
    CHECK(c != NULL);
    c->http = h;
    size_t total = 0, again = 0;
    for (size_t have = 0; have < n && (total == 0 || total > have);) {
        have = n - have < piece ? n : have + piece;
        uint8_t *place = malloc(have);
        CHECK(place != NULL);
        memcpy(place, p, have);
        CHECK(http_measure(c, place, have, &total, NULL) == ERR_OK);
        CHECK(http_measure(c, place, have, &again, NULL) == ERR_OK && again == total);
        free(place);
        CHECK(total <= HTTP_MESSAGE_MAX(h->body_max_bytes) || c->arriving->status != 0);
    }
    *refused = c->arriving->status != 0;
    CHECK(!*refused || c->arriving->ec.text[0] != '\0');
    if (!*refused && total > 0 && total <= n) {
        parse(c->arriving, p, total);
    }
    http_exchange_put(c->arriving);
    free(c);
    return total <= n ? total : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http h = {.body_max_bytes = BODY_MAX};
    list_init(&h.live);
    list_init(&h.spare);
    if (size < 1) {
        return 0;
    }
    size_t piece = data[0] % 64u + 1u;
    const uint8_t *p = data + 1;
    size_t n = size - 1;
    for (int messages = 0; n > 0 && messages < 32; messages++) {
        bool refused, in_pieces_refused;
        size_t total = measure(&h, p, n, n, &refused);
        size_t in_pieces = measure(&h, p, n, piece, &in_pieces_refused);
        CHECK(refused || in_pieces_refused || total == in_pieces);
        if (refused || total == 0) {
            break;
        }
        p += total;
        n -= total;
    }
    struct list *l;
    while ((l = list_pop_front(&h.spare)) != NULL) {
        struct http_exchange *x = CONTAINER_OF(l, struct http_exchange, link);
        arena_deinit(&x->arena);
        free(x);
    }
    return 0;
}
