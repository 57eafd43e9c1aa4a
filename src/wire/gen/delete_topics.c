/* Made by tools/gen_wire.py from src/wire/schema/delete_topics.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/delete_topics.h"

#define AT(member) offsetof(struct wire_delete_topics_request_topic, member)
static const struct wire_field delete_topics_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {6, 255}, {6, 255}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, 0, 0, {6, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_topics_request_topic
    delete_topics_request_topic_default = {
    .name = {NULL, 0},
    .topic_id = {{0}},
};
const struct wire_message wire_delete_topics_request_topic_type = {
    "topic", delete_topics_request_topic_fields, &delete_topics_request_topic_default,
    2, sizeof(struct wire_delete_topics_request_topic), 1, 6, 4, false};

#define AT(member) offsetof(struct wire_delete_topics_request, member)
static const struct wire_field delete_topics_request_fields[] = {
    {"topics", &wire_delete_topics_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {6, 255}, {1, 0}, {1, 0}},
    {"topic_names", NULL,
     AT(topic_names), AT(topic_names_count), WIRE_STRING, WIRE_ARRAY | WIRE_IGNORABLE, 0, {0, 5}, {1, 0}, {1, 0}},
    {"timeout_ms", NULL,
     AT(timeout_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_topics_request
    delete_topics_request_default = {
    .topics = NULL,
    .topics_count = 0,
    .topic_names = NULL,
    .topic_names_count = 0,
    .timeout_ms = 0,
};
const struct wire_message wire_delete_topics_request_type = {
    "DeleteTopicsRequest", delete_topics_request_fields, &delete_topics_request_default,
    3, sizeof(struct wire_delete_topics_request), 1, 6, 4, false};

#define AT(member) offsetof(struct wire_delete_topics_response_topic, member)
static const struct wire_field delete_topics_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {6, 255}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {6, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {5, 255}, {5, 255}, {1, 0}},
};
#undef AT
static const struct wire_delete_topics_response_topic
    delete_topics_response_topic_default = {
    .name = {"", 0},
    .topic_id = {{0}},
    .error_code = 0,
    .error_message = {NULL, 0},
};
const struct wire_message wire_delete_topics_response_topic_type = {
    "topic", delete_topics_response_topic_fields, &delete_topics_response_topic_default,
    4, sizeof(struct wire_delete_topics_response_topic), 1, 6, 4, false};

#define AT(member) offsetof(struct wire_delete_topics_response, member)
static const struct wire_field delete_topics_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"responses", &wire_delete_topics_response_topic_type,
     AT(responses), AT(responses_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_topics_response
    delete_topics_response_default = {
    .throttle_time_ms = 0,
    .responses = NULL,
    .responses_count = 0,
};
const struct wire_message wire_delete_topics_response_type = {
    "DeleteTopicsResponse", delete_topics_response_fields, &delete_topics_response_default,
    2, sizeof(struct wire_delete_topics_response), 1, 6, 4, false};
