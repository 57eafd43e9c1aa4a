/* The table of problems (problems.def), and which of them an error of the house is. */
#include <string.h>

#include "api/api_int.h"

#define RETRY_LATER "Try again after the time that Retry-After says."
#define FIX_IT      "Change the request; the same one would fail again."

static const struct api_problem_doc PROBLEMS[] = {
#define PROBLEM(code, status, retryable, title, meaning, what_to_do) \
    {code, status, retryable, title, meaning, what_to_do},
#include "api/problems.def"
#undef PROBLEM
};

const struct api_problem_doc *api_problem_at(size_t i)
{
    return i < ARRAY_LEN(PROBLEMS) ? &PROBLEMS[i] : NULL;
}

const struct api_problem_doc *api_problem_find(struct str code)
{
    for (size_t i = 0; i < ARRAY_LEN(PROBLEMS); i++) {
        if (str_eq_z(code, PROBLEMS[i].code)) {
            return &PROBLEMS[i];
        }
    }
    return NULL;
}

const char *api_problem_of(enum err e)
{
    static const struct {
        enum err e;
        const char *code;
    } codes[] = {
        {ERR_UNKNOWN_TOPIC_OR_PARTITION, "topic-not-found"},
        {ERR_UNKNOWN_TOPIC_ID, "topic-not-found"},
        {ERR_INVALID_TOPIC, "invalid-topic"},
        {ERR_OFFSET_OUT_OF_RANGE, "offset-out-of-range"},
        {ERR_MESSAGE_TOO_LARGE, "batch-too-large"},
        {ERR_RECORD_LIST_TOO_LARGE, "batch-too-large"},
        {ERR_LIMIT, "too-large"},
        {ERR_NOT_FOUND, "not-found"},
        {ERR_NO_SPACE, "storage-full"},
        {ERR_NO_MEMORY, "no-memory"},
        {ERR_POLICY_VIOLATION, "refused"},
        {ERR_PERMISSION, "refused"},
        {ERR_REQUEST_TIMED_OUT, "timeout"},
        {ERR_DAMAGED, "damaged"},
        {ERR_CORRUPT_MESSAGE, "damaged"},
        {ERR_EXISTS, "conflict"},
        {ERR_TOPIC_ALREADY_EXISTS, "conflict"},
        {ERR_CLOSED, "unavailable"}, /* a connection of ours: who asked did nothing wrong */
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i].e == e) {
            return codes[i].code;
        }
    }
    const int status = err_http(e);
    return status == 503                   ? "unavailable"
           : status == 403                 ? "refused"
           : status == 409                 ? "conflict"
           : status == 504                 ? "timeout"
           : status >= 400 && status < 500 ? "invalid-request"
                                           : "internal-error";
}
