/*
 * A small blocking Kafka client for administration: one connection for each broker, one request at
 * a time, every wait bounded by the timeout. Plain TCP only. It offers each API in the newest
 * version that both sides know, so it works with any broker that has the API at all.
 */
#ifndef LEAT_CLI_CLIENT_H
#define LEAT_CLI_CLIENT_H

#include "cli/cli.h"
#include "wire/gen/all.h"

#define CLIENT_BROKERS_MAX  1024
#define CLIENT_ADDRESS_MAX  16
#define CLIENT_RESPONSE_MAX (100u * 1024 * 1024)
#define CLIENT_API_KEYS     128
#define CLIENT_ANY_NODE     (-1)
#define CLIENT_NO_CAP       INT16_MAX

struct client;

/*
 * `bootstrap` is "HOST:PORT" or several, separated by commas; nothing is connected yet. ERR_CONFIG
 * if it cannot be read. Answers live in `arena`. Free with client_destroy.
 */
MUST_USE enum err client_create(const char *bootstrap, int timeout_ms, struct arena *arena,
                                struct client **out, struct ectx *ec);
void client_destroy(struct client *c);

/* Tells where a node is, as Metadata and FindCoordinator say. */
MUST_USE enum err client_node_add(struct client *c, int32_t node_id, struct str host, int32_t port,
                                  struct ectx *ec);

/*
 * Sends a request to a node (CLIENT_ANY_NODE: to the bootstrap address) and waits for the answer.
 * `version_cap` keeps to versions whose fields the caller has filled in. An answer's strings are in
 * the arena. Errors: ERR_CLOSED (not reachable, or it hung up), ERR_REQUEST_TIMED_OUT,
 * ERR_UNSUPPORTED_VERSION (the broker lacks it), ERR_MALFORMED. An error code inside the answer is
 * the caller's.
 */
MUST_USE enum err client_call(struct client *c, int32_t node_id, enum wire_key key,
                              int16_t version_cap, const void *request, void *response,
                              struct ectx *ec);
/* The version that client_call would take; -1 in *out if there is none. Connects. */
MUST_USE enum err client_version(struct client *c, int32_t node_id, enum wire_key key, int16_t cap,
                                 int16_t *out, struct ectx *ec);
struct arena *client_arena(struct client *c);
int client_timeout_ms(const struct client *c);
/* The address in use for messages: "127.0.0.1:9092". */
const char *client_bootstrap(const struct client *c);

/*
 * The error of a code in an answer, with the broker's own message if it gave one. `what` begins the
 * sentence: "could not create topic 'a'". ERR_OK for 0.
 */
MUST_USE enum err client_code(int16_t code, struct str message, struct ectx *ec, const char *fmt,
                              ...) __attribute__((format(printf, 4, 5)));
/* The house's error of a Kafka code; ERR_UNKNOWN_SERVER_ERROR if it has none. */
enum err client_code_err(int16_t code);

#endif
