/*
 * Errors as values. `enum err` says what kind of failure; a `struct ectx` that the caller may pass
 * says what, where and what to do (cause and hint), in words for a person. Functions that can fail
 * are MUST_USE, write their outputs only on success, and report nothing themselves: whoever
 * consumes the error reports it, once.
 *
 * The table is the only place where an error's number on the Kafka wire, its HTTP status and its
 * default text stand. Errors that never reach a client map to UNKNOWN_SERVER_ERROR(-1) and 500.
 */
#ifndef LEAT_CORE_ERR_H
#define LEAT_CORE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"

/* X(name, kafka code, HTTP status, retriable by the client, text) */
#define ERR_MAP(X)                                                                                 \
    X(ERR_OK, 0, 200, false, "ok")                                                                 \
    /* ours: kinds that have no number of their own on the wire */                                 \
    X(ERR_IO, 56, 500, true, "input/output error")                                                 \
    X(ERR_NO_SPACE, 56, 507, true, "no space left on the device")                                  \
    X(ERR_NO_MEMORY, -1, 503, true, "out of memory")                                               \
    X(ERR_NO_DESCRIPTORS, 56, 503, true, "no file descriptors left")                               \
    X(ERR_NOT_FOUND, -1, 404, false, "not found")                                                  \
    X(ERR_EXISTS, -1, 409, false, "exists already")                                                \
    X(ERR_PERMISSION, -1, 403, false, "permission denied")                                         \
    X(ERR_IN_USE, -1, 409, false, "in use by another process")                                     \
    X(ERR_READ_ONLY, -1, 500, false, "read-only")                                                  \
    X(ERR_VERSION, -1, 500, false, "written by a newer version")                                   \
    X(ERR_LIMIT, -1, 413, false, "over a limit")                                                   \
    X(ERR_MALFORMED, 42, 400, false, "malformed input")                                            \
    X(ERR_TRUNCATED, 42, 400, false, "input ends too early")                                       \
    X(ERR_DAMAGED, 56, 500, false, "stored data failed its checksum")                              \
    X(ERR_STOPPED, 56, 503, true, "the store has stopped")                                         \
    X(ERR_CLOSED, -1, 499, true, "connection closed")                                              \
    X(ERR_AGAIN, -1, 503, true, "not now, try again")                                              \
    X(ERR_ADDRESS_IN_USE, -1, 500, false, "address already in use")                                \
    X(ERR_CONFIG, 40, 400, false, "invalid configuration")                                         \
    X(ERR_ABORTED, -1, 503, true, "aborted: nothing of it was done, execute it again")             \
    X(ERR_FENCED, -1, 409, false, "another owner has taken over")                                  \
    X(ERR_BUSY, -1, 503, true, "another change of it is under way")                                \
    X(ERR_NOT_READY, -1, 503, true, "it is not ready yet")                                         \
    X(ERR_BEHIND, -1, 504, true, "it has not caught up yet")                                       \
    /* Kafka's, under Kafka's names */                                                             \
    X(ERR_UNKNOWN_SERVER_ERROR, -1, 500, false, "unexpected server error")                         \
    X(ERR_OFFSET_OUT_OF_RANGE, 1, 416, false, "offset out of range")                               \
    X(ERR_CORRUPT_MESSAGE, 2, 400, true, "message failed its checksum or is malformed")            \
    X(ERR_UNKNOWN_TOPIC_OR_PARTITION, 3, 404, true, "unknown topic or partition")                  \
    X(ERR_INVALID_FETCH_SIZE, 4, 400, false, "invalid fetch size")                                 \
    X(ERR_NOT_LEADER_OR_FOLLOWER, 6, 503, true, "not the leader of this partition")                \
    X(ERR_REQUEST_TIMED_OUT, 7, 504, true, "request timed out")                                    \
    X(ERR_MESSAGE_TOO_LARGE, 10, 413, false, "message larger than the limit")                      \
    X(ERR_OFFSET_METADATA_TOO_LARGE, 12, 413, false, "offset metadata too large")                  \
    X(ERR_COORDINATOR_LOAD_IN_PROGRESS, 14, 503, true, "coordinator is loading")                   \
    X(ERR_COORDINATOR_NOT_AVAILABLE, 15, 503, true, "coordinator not available")                   \
    X(ERR_NOT_COORDINATOR, 16, 503, true, "not the coordinator")                                   \
    X(ERR_INVALID_TOPIC, 17, 400, false, "invalid topic name")                                     \
    X(ERR_RECORD_LIST_TOO_LARGE, 18, 413, false, "record batch larger than a segment")             \
    X(ERR_INVALID_REQUIRED_ACKS, 21, 400, false, "acks must be -1, 0 or 1")                        \
    X(ERR_ILLEGAL_GENERATION, 22, 409, false, "generation is not the current one")                 \
    X(ERR_INCONSISTENT_GROUP_PROTOCOL, 23, 409, false, "group protocol does not match")            \
    X(ERR_INVALID_GROUP_ID, 24, 400, false, "invalid group id")                                    \
    X(ERR_UNKNOWN_MEMBER_ID, 25, 409, false, "unknown member id")                                  \
    X(ERR_INVALID_SESSION_TIMEOUT, 26, 400, false, "session timeout out of range")                 \
    X(ERR_REBALANCE_IN_PROGRESS, 27, 409, false, "the group is rebalancing")                       \
    X(ERR_INVALID_COMMIT_OFFSET_SIZE, 28, 413, false, "offset commit too large")                   \
    X(ERR_TOPIC_AUTHORIZATION_FAILED, 29, 403, false, "not authorized for the topic")              \
    X(ERR_GROUP_AUTHORIZATION_FAILED, 30, 403, false, "not authorized for the group")              \
    X(ERR_CLUSTER_AUTHORIZATION_FAILED, 31, 403, false, "not authorized for the cluster")          \
    X(ERR_INVALID_TIMESTAMP, 32, 400, false, "timestamp out of the accepted range")                \
    X(ERR_UNSUPPORTED_VERSION, 35, 400, false, "version not supported")                            \
    X(ERR_TOPIC_ALREADY_EXISTS, 36, 409, false, "topic exists already")                            \
    X(ERR_INVALID_PARTITIONS, 37, 400, false, "invalid number of partitions")                      \
    X(ERR_INVALID_REPLICATION_FACTOR, 38, 400, false, "invalid replication factor")                \
    X(ERR_INVALID_REPLICA_ASSIGNMENT, 39, 400, false, "invalid replica assignment")                \
    X(ERR_INVALID_CONFIG, 40, 400, false, "invalid configuration")                                 \
    X(ERR_NOT_CONTROLLER, 41, 503, true, "not the controller")                                     \
    X(ERR_INVALID_REQUEST, 42, 400, false, "invalid request")                                      \
    X(ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, 43, 400, false, "message format too old")                \
    X(ERR_POLICY_VIOLATION, 44, 403, false, "refused by policy")                                   \
    X(ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 45, 409, false, "producer sequence out of order")          \
    X(ERR_DUPLICATE_SEQUENCE_NUMBER, 46, 409, false, "duplicate producer sequence")                \
    X(ERR_INVALID_PRODUCER_EPOCH, 47, 409, false, "producer epoch is older than the current")      \
    X(ERR_INVALID_TXN_STATE, 48, 409, false, "invalid transaction state")                          \
    X(ERR_INVALID_PRODUCER_ID_MAPPING, 49, 409, false, "producer id does not match")               \
    X(ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 53, 403, false,                                   \
      "not authorized for the transactional id")                                                   \
    X(ERR_SECURITY_DISABLED, 54, 403, false, "security features are disabled")                     \
    X(ERR_KAFKA_STORAGE_ERROR, 56, 503, true, "storage error")                                     \
    X(ERR_UNKNOWN_PRODUCER_ID, 59, 409, false, "unknown producer id")                              \
    X(ERR_NON_EMPTY_GROUP, 68, 409, false, "the group is not empty")                               \
    X(ERR_GROUP_ID_NOT_FOUND, 69, 404, false, "group not found")                                   \
    X(ERR_FETCH_SESSION_ID_NOT_FOUND, 70, 404, true, "fetch session not found")                    \
    X(ERR_INVALID_FETCH_SESSION_EPOCH, 71, 409, true, "invalid fetch session epoch")               \
    X(ERR_TOPIC_DELETION_DISABLED, 73, 403, false, "topic deletion is disabled")                   \
    X(ERR_FENCED_LEADER_EPOCH, 74, 409, true, "leader epoch is older than the broker's")           \
    X(ERR_UNKNOWN_LEADER_EPOCH, 75, 409, true, "leader epoch is newer than the broker's")          \
    X(ERR_UNSUPPORTED_COMPRESSION_TYPE, 76, 400, false, "compression type not supported")          \
    X(ERR_OFFSET_NOT_AVAILABLE, 78, 503, true, "offset not available yet")                         \
    X(ERR_MEMBER_ID_REQUIRED, 79, 409, false, "rejoin with the member id in the response")         \
    X(ERR_GROUP_MAX_SIZE_REACHED, 81, 429, false, "the group is full")                             \
    X(ERR_FENCED_INSTANCE_ID, 82, 409, false, "another member took over this instance id")         \
    X(ERR_ELECTION_NOT_NEEDED, 84, 409, false, "the leader is already the preferred one")          \
    X(ERR_GROUP_SUBSCRIBED_TO_TOPIC, 86, 409, false, "the group is subscribed to the topic")       \
    X(ERR_INVALID_RECORD, 87, 400, false, "record failed validation")                              \
    X(ERR_RESOURCE_NOT_FOUND, 91, 404, false, "resource not found")                                \
    X(ERR_UNKNOWN_TOPIC_ID, 100, 404, true, "unknown topic id")                                    \
    X(ERR_INCONSISTENT_TOPIC_ID, 103, 409, true, "topic id does not match")                        \
    X(ERR_FETCH_SESSION_TOPIC_ID_ERROR, 106, 409, true, "fetch session mixes topic ids and names") \
    X(ERR_MISMATCHED_ENDPOINT_TYPE, 114, 400, false, "not this kind of endpoint")                  \
    X(ERR_UNSUPPORTED_ENDPOINT_TYPE, 115, 400, false, "kind of endpoint not supported")

enum err {
#define ERR_ENUM(name, kafka, http, retriable, text) name,
    ERR_MAP(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

const char *err_name(enum err e); /* "ERR_NO_SPACE" */
const char *err_text(enum err e); /* "no space left on the device" */
int16_t err_kafka(enum err e);    /* the number on the Kafka wire */
int err_http(enum err e);         /* the HTTP status */
bool err_retriable(enum err e);

/*
 * The cause and hint of one error, for a person. Owned by the caller, usually on its stack; every
 * function that takes one accepts NULL. The text is cut, never overrun.
 */
struct ectx {
    enum err code;
    char text[384]; /* what happened and where: "could not open './data/lock': in use by process 12"
                     */
    char hint[192]; /* what to do, may be empty */
};

/* Sets code and text and returns `e`, so that a failure is one line. */
PRINTF_LIKE(3, 4) enum err ectx_fail(struct ectx *ec, enum err e, const char *fmt, ...);
/* Adds the hint ("what to do"). */
PRINTF_LIKE(2, 3) void ectx_hint(struct ectx *ec, const char *fmt, ...);
/* Puts "what we were doing: " before the text that is there. Returns ec->code's error `e`. */
PRINTF_LIKE(3, 4) enum err ectx_wrap(struct ectx *ec, enum err e, const char *fmt, ...);
/* The enum err of an errno value (ENOSPC -> ERR_NO_SPACE, EMFILE -> ERR_NO_DESCRIPTORS, ...). */
MUST_USE enum err err_of_errno(int errno_value);

#endif
