/*
 * The blocking Kafka client. A node is connected when it is first asked for something; the first
 * request on each connection is ApiVersions. A connection on which anything went wrong is closed
 * and opened anew by the next call, so an answer never meets the wrong request.
 */
#include "cli/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/out.h"
#include "cli/socket.h"
#include "core/bytes.h"
#include "core/mem.h"
#include "server/server.h"
#include "wire/frame.h"

#define REQUEST_MAX (64u * 1024 * 1024)
/* "HTTP", and the first bytes of a TLS alert, where a length should be. */
#define SIZE_OF_HTTP 0x48545450u
#define SIZE_OF_TLS  0x15030000u

struct node {
    int32_t id; /* CLIENT_ANY_NODE: the bootstrap address that answered */
    struct address address;
    int fd; /* -1: not connected */
    int32_t correlation;
    int16_t min[CLIENT_API_KEYS], max[CLIENT_API_KEYS]; /* max -1: the broker lacks the API */
};

struct client {
    struct address bootstrap[CLIENT_ADDRESS_MAX];
    size_t bootstrap_count;
    char bootstrap_text[512];
    int timeout_ms;
    struct arena *arena;
    struct node *nodes[CLIENT_BROKERS_MAX + 1];
    size_t node_count;
};

struct arena *client_arena(struct client *c)
{
    return c->arena;
}

int client_timeout_ms(const struct client *c)
{
    return c->timeout_ms;
}

const char *client_bootstrap(const struct client *c)
{
    return c->bootstrap_text;
}

MUST_USE enum err client_create(const char *bootstrap, int timeout_ms, struct arena *arena,
                                struct client **out, struct ectx *ec)
{
    struct client *c = mem_new(struct client);
    if (c == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    c->timeout_ms = timeout_ms;
    c->arena = arena;
    snprintf(c->bootstrap_text, sizeof(c->bootstrap_text), "%s", bootstrap);
    struct str rest = str_of(bootstrap);
    enum err e = ERR_OK;
    while (rest.n > 0 && e == ERR_OK) {
        struct str one = str_trim(str_cut(rest, ',', &rest));
        if (one.n == 0) {
            continue;
        }
        if (c->bootstrap_count == CLIENT_ADDRESS_MAX) {
            e = ectx_fail(ec, ERR_CONFIG, "more than %d addresses", CLIENT_ADDRESS_MAX);
        } else {
            e = address_parse(one, 9092, &c->bootstrap[c->bootstrap_count++], ec);
        }
    }
    if (e == ERR_OK && c->bootstrap_count == 0) {
        e = ectx_fail(ec, ERR_CONFIG, "no address given");
    }
    if (e != ERR_OK) {
        mem_free(c);
        return ectx_wrap(ec, e, "--bootstrap");
    }
    *out = c;
    return ERR_OK;
}

void client_destroy(struct client *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->node_count; i++) {
        socket_close(c->nodes[i]->fd);
        mem_free(c->nodes[i]);
    }
    mem_free(c);
}

static struct node *find_node(const struct client *c, int32_t id)
{
    for (size_t i = 0; i < c->node_count; i++) {
        if (c->nodes[i]->id == id) {
            return c->nodes[i];
        }
    }
    return NULL;
}

static enum err new_node(struct client *c, int32_t id, struct node **out, struct ectx *ec)
{
    if (c->node_count == ARRAY_LEN(c->nodes)) {
        return ectx_fail(ec, ERR_LIMIT, "the cluster has more than %d brokers", CLIENT_BROKERS_MAX);
    }
    struct node *n = mem_new(struct node);
    if (n == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    n->id = id;
    n->fd = -1;
    c->nodes[c->node_count++] = n;
    *out = n;
    return ERR_OK;
}

MUST_USE enum err client_node_add(struct client *c, int32_t node_id, struct str host, int32_t port,
                                  struct ectx *ec)
{
    if (host.n >= SOCKET_HOST_MAX || port <= 0 || port > UINT16_MAX || node_id < 0) {
        return ectx_fail(ec, ERR_MALFORMED, "the broker advertises node %d at '%.*s:%d'", node_id,
                         STR(host), port);
    }
    struct node *n = find_node(c, node_id);
    if (n == NULL) {
        enum err e = new_node(c, node_id, &n, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    struct address to = {.port = (uint16_t)port};
    memcpy(to.host, host.p, host.n);
    if (n->fd >= 0 && (strcmp(to.host, n->address.host) != 0 || to.port != n->address.port)) {
        socket_close(n->fd);
        n->fd = -1;
    }
    n->address = to;
    return ERR_OK;
}

static void drop(struct node *n)
{
    socket_close(n->fd);
    n->fd = -1;
}

static enum err receive_all(struct node *n, void *p, size_t size, uint64_t deadline,
                            struct ectx *ec)
{
    size_t at = 0;
    while (at < size) {
        size_t got = 0;
        enum err e = socket_receive(n->fd, (char *)p + at, size - at, deadline, &got, ec);
        if (e != ERR_OK) {
            return e;
        }
        if (got == 0) {
            return ectx_fail(ec, ERR_CLOSED, "the broker closed the connection");
        }
        at += got;
    }
    return ERR_OK;
}

static enum err bad_size(uint32_t size, struct ectx *ec)
{
    enum err e = ectx_fail(ec, ERR_MALFORMED, "it does not speak the Kafka protocol");
    if (size == SIZE_OF_HTTP) {
        ectx_hint(ec, "that is an HTTP port; leat's Kafka port is 9092 unless told otherwise");
    } else if ((size & 0xFFFF0000u) == SIZE_OF_TLS) {
        ectx_hint(ec, "that port wants TLS, which this command does not speak");
    }
    return e;
}

/* One request and its answer on a connection. */
static enum err exchange(struct client *c, struct node *n, const struct wire_api *api,
                         int16_t version, const void *request, void *response, struct ectx *ec)
{
    uint64_t deadline = clock_ns() + (uint64_t)c->timeout_ms * 1000000u;
    int32_t correlation = ++n->correlation, answered = 0;
    struct buf b;
    buf_init(&b, REQUEST_MAX);
    enum err e =
        wire_request_put(&b, NULL, api, version, correlation, STR_LIT(CLI_CLIENT_ID), request, ec);
    if (e == ERR_OK) {
        e = socket_send(n->fd, b.p, b.n, deadline, ec);
    }
    buf_deinit(&b);
    uint8_t head[4];
    if (e == ERR_OK) {
        e = receive_all(n, head, sizeof(head), deadline, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    uint32_t size = get_be32(head);
    if (size > CLIENT_RESPONSE_MAX) {
        return bad_size(size, ec);
    }
    uint8_t *bytes = arena_alloc(c->arena, size + 1);
    if (bytes == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "an answer of %u bytes does not fit into memory", size);
    }
    e = receive_all(n, bytes, size, deadline, ec);
    struct slice in = slice_of(bytes, size);
    if (e == ERR_OK) {
        e = wire_response_head(&in, c->arena, api, version, &answered, ec);
    }
    if (e == ERR_OK && answered != correlation) {
        e = ectx_fail(ec, ERR_MALFORMED, "the broker answered another request");
    }
    /* A broker that does not know our ApiVersions says so in the oldest layout. */
    bool too_new = e == ERR_OK && api->key == WIRE_API_VERSIONS && slice_left(&in) >= 2 &&
                   get_be16(in.p) == 35;
    if (e == ERR_OK) {
        e = wire_decode(api->response, too_new ? 0 : version, &in, c->arena, response, ec);
    }
    return e;
}

static enum err learn_versions(struct client *c, struct node *n, struct ectx *ec)
{
    const struct wire_api *api = wire_api_find(WIRE_API_VERSIONS);
    struct wire_api_versions_request request;
    struct wire_api_versions_response response;
    WIRE_INIT(wire_api_versions_request, &request);
    request.client_software_name = STR_LIT("leat");
    request.client_software_version = str_of(server_version);
    enum err e = exchange(c, n, api, 3, &request, &response, ec);
    if (e == ERR_OK && response.error_code == 35) {
        WIRE_INIT(wire_api_versions_request, &request);
        e = exchange(c, n, api, 0, &request, &response, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    if (response.error_code != 0) {
        return client_code(response.error_code, STR_NULL, ec, "ApiVersions");
    }
    for (size_t i = 0; i < CLIENT_API_KEYS; i++) {
        n->max[i] = -1;
    }
    for (int32_t i = 0; i < response.api_keys_count; i++) {
        const struct wire_api_versions_response_api_key *k = &response.api_keys[i];
        if (k->api_key >= 0 && k->api_key < CLIENT_API_KEYS) {
            n->min[k->api_key] = k->min_version;
            n->max[k->api_key] = k->max_version;
        }
    }
    return ERR_OK;
}

static enum err open_node(struct client *c, struct node *n, struct ectx *ec)
{
    uint64_t deadline = clock_ns() + (uint64_t)c->timeout_ms * 1000000u;
    enum err e = socket_connect(&n->address, deadline, &n->fd, ec);
    if (e != ERR_OK) {
        if (n->id >= 0) {
            ectx_hint(ec,
                      "this is where broker %d says that it can be reached; check its "
                      "advertised address",
                      n->id);
        } else {
            ectx_hint(ec, "is a broker running there? `leat serve` starts one; --bootstrap "
                          "HOST:PORT names another");
        }
        return e;
    }
    e = learn_versions(c, n, ec);
    if (e != ERR_OK) {
        drop(n);
        if (e == ERR_CLOSED && ec->hint[0] == '\0') {
            ectx_hint(ec, "does it speak Kafka's protocol, without TLS? leat's HTTP port does not");
        }
        return ectx_wrap(ec, e, "%s:%u", n->address.host, n->address.port);
    }
    return ERR_OK;
}

/* Tries the bootstrap addresses one after the other; the last error is the one that is told. */
static enum err open_bootstrap(struct client *c, struct node *n, struct ectx *ec)
{
    enum err e = ERR_CLOSED;
    for (size_t i = 0; i < c->bootstrap_count && e != ERR_OK; i++) {
        n->address = c->bootstrap[i];
        e = open_node(c, n, ec);
    }
    return e;
}

static enum err connected(struct client *c, int32_t node_id, struct node **out, struct ectx *ec)
{
    struct node *n = find_node(c, node_id);
    enum err e = ERR_OK;
    if (n == NULL) {
        if (node_id != CLIENT_ANY_NODE) {
            return ectx_fail(ec, ERR_NOT_FOUND, "the cluster does not say where node %d is",
                             node_id);
        }
        e = new_node(c, node_id, &n, ec);
    }
    if (e == ERR_OK && n->fd < 0) {
        e = node_id == CLIENT_ANY_NODE ? open_bootstrap(c, n, ec) : open_node(c, n, ec);
    }
    if (e == ERR_OK) {
        *out = n;
    }
    return e;
}

static int16_t common_version(const struct node *n, const struct wire_api *api, int16_t cap)
{
    int16_t max = api->max < cap ? api->max : cap;
    max = n->max[api->key] < max ? n->max[api->key] : max;
    int16_t min = api->min > n->min[api->key] ? api->min : n->min[api->key];
    return max >= min ? max : -1;
}

MUST_USE enum err client_version(struct client *c, int32_t node_id, enum wire_key key, int16_t cap,
                                 int16_t *out, struct ectx *ec)
{
    struct node *n = NULL;
    enum err e = connected(c, node_id, &n, ec);
    if (e == ERR_OK) {
        *out = common_version(n, wire_api_find((int16_t)key), cap);
    }
    return e;
}

MUST_USE enum err client_call(struct client *c, int32_t node_id, enum wire_key key,
                              int16_t version_cap, const void *request, void *response,
                              struct ectx *ec)
{
    const struct wire_api *api = wire_api_find((int16_t)key);
    struct node *n = NULL;
    enum err e = connected(c, node_id, &n, ec);
    if (e != ERR_OK) {
        return e;
    }
    int16_t version = common_version(n, api, version_cap);
    if (version < 0) {
        e = ectx_fail(ec, ERR_UNSUPPORTED_VERSION, "the broker at %s:%u does not offer %s",
                      n->address.host, n->address.port, api->name);
        ectx_hint(ec, "it is too old, or it leaves this API out");
        return e;
    }
    e = exchange(c, n, api, version, request, response, ec);
    if (e != ERR_OK) {
        drop(n);
        if (e == ERR_REQUEST_TIMED_OUT) {
            e = ectx_fail(ec, e, "%s: %s:%u did not answer within %d s", api->name, n->address.host,
                          n->address.port, c->timeout_ms / 1000);
            ectx_hint(ec, "wait longer with --timeout SECONDS");
            return e;
        }
        return ectx_wrap(ec, e, "%s:%u: %s", n->address.host, n->address.port, api->name);
    }
    return ERR_OK;
}

enum err client_code_err(int16_t code)
{
    if (code == 0) {
        return ERR_OK;
    }
    /* Kafka's names follow ours, so the search begins behind them. */
    for (int e = ERR_UNKNOWN_SERVER_ERROR; e < ERR_COUNT; e++) {
        if (err_kafka((enum err)e) == code) {
            return (enum err)e;
        }
    }
    return ERR_UNKNOWN_SERVER_ERROR;
}

MUST_USE enum err client_code(int16_t code, struct str message, struct ectx *ec, const char *fmt,
                              ...)
{
    if (code == 0) {
        return ERR_OK;
    }
    char what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    enum err e = client_code_err(code);
    if (message.p != NULL && message.n > 0) {
        return ectx_fail(ec, e, "%s: %.*s", what, STR(message));
    }
    if (e == ERR_UNKNOWN_SERVER_ERROR && code != -1) {
        return ectx_fail(ec, e, "%s: the broker answered with Kafka error %d", what, code);
    }
    return ectx_fail(ec, e, "%s: %s", what, err_text(e));
}
