/* Changing configuration: what AlterConfigs and IncrementalAlterConfigs have in common. */
#ifndef LEAT_KAFKA_ALTER_H
#define LEAT_KAFKA_ALTER_H

#include "kafka/admin.h"

/* One resource of the request, in the form of either API. */
struct alter_resource {
    int8_t type;
    struct str name;
    bool replace; /* AlterConfigs: what is not mentioned goes back to its default */
    struct broker_alter *ops;
    size_t op_count;
    /* The answer: where it goes in the response. */
    int16_t *error_code;
    struct str *error_message;
    /* Inside of alter.c. */
    struct kafka_continuation ready;
    struct broker_setting *settings;
    void *work;
    enum err err;
};

/*
 * Checks and carries out all of them, each for itself, in Kafka's order of errors; then sends
 * `res`, whose fields the resources point into. All of it must live in the request's arena.
 */
void alter_run(struct kafka *k, struct kafka_request *r, struct alter_resource *resources,
               size_t count, bool validate_only, const void *res);

#endif
