/* The table of problems: their codes never change their meaning. Each has a page. */
#include <string.h>

#include "api/api_int.h"

#define RETRY_LATER "Try again after the time that Retry-After says."
#define FIX_IT      "Change the request; the same one would fail again."

/* clang-format off */
static const struct api_problem_doc PROBLEMS[] = {
    /* What HTTP itself refuses. */
    {"malformed-request", 400, false, "Not a valid HTTP request",
     "The bytes are no HTTP/1.1 request, or one that could be read in two ways.", FIX_IT},
    {"not-found", 404, false, "There is nothing here", "No route has this path.",
     "Compare the path with GET /api/v1/openapi.json."},
    {"method-not-allowed", 405, false, "There is no such method here",
     "The path exists, with other methods.", "The header Allow names them."},
    {"body-too-large", 413, false, "The body is over the limit",
     "The body is larger than leat.http.body.max.bytes.",
     "Send less at once, or start the server with a larger limit."},
    {"unsupported-media-type", 415, false, "The body has another media type than is read here",
     "The route reads application/json, or what its description says.",
     "Set the header Content-Type."},
    {"expectation-failed", 417, false, "What is expected cannot be done",
     "The header Expect has another value than 100-continue.", "Leave the header out."},
    {"wrong-host", 421, false, "This server does not answer for that host",
     "A listener on loopback answers only for localhost, 127.0.0.1 and [::1], so that web pages cannot reach it.",
     "Use one of these names, or listen on another address."},
    {"head-too-large", 431, false, "The head is over the limit",
     "The request's head is larger than 32 KiB, or has more than 100 fields.", "Send fewer or shorter fields."},
    {"not-implemented", 501, false, "This is not offered",
     "The path or the transfer coding is known, but nothing serves it in this version.", "Use what GET /api/v1/openapi.json lists."},
    {"version-not-supported", 505, false, "This version of HTTP is not spoken here",
     "The server speaks HTTP/1.1 and HTTP/1.0.", "Use HTTP/1.1."},
    {"no-memory", 503, true, "Out of memory", "The server has no memory for this request now.", RETRY_LATER},
    /* What every route may answer. */
    {"invalid-request", 400, false, "The request is not valid",
     "A parameter, a header or the body is not what the route takes; the detail names it.", FIX_IT},
    {"cross-origin", 403, false, "A page of another site may not change what is here",
     "The header Origin names another host than the one that was asked.",
     "Call the API from a page of this server, or from a program."},
    {"refused", 403, false, "Refused by a rule", "A rule of the server or of the topic forbids this; the detail says which.", FIX_IT},
    {"too-large", 413, false, "Over a limit", "Something in the request is over a limit; the detail names both sizes.", "Send less at once."},
    {"conflict", 409, false, "It conflicts with what is there", "The detail says with what.", "Look at what is there, and decide again."},
    {"unavailable", 503, true, "Not now", "The server starts, stops, or has no room for the moment. Nothing was done.", RETRY_LATER},
    {"timeout", 504, true, "It took too long", "The time that the request had is over.", RETRY_LATER},
    {"too-many-open", 503, true, "Too many requests are open", "As many streams and long polls are open as are allowed.", RETRY_LATER},
    {"storage-full", 507, true, "The storage is full", "The file system has less free space than leat.min.free.bytes. Nothing was done.",
     "Free space, or shorten the retention of topics."},
    {"damaged", 500, false, "Stored data is damaged", "What should be read fails its checksum.",
     "Run leat verify on the data directory; restore from a copy."},
    {"internal-error", 500, false, "The server failed", "The detail says at what.", "Report it, with the server's log."},
    /* Idempotency-Key. */
    {"idempotency-in-progress", 409, true, "A request with this Idempotency-Key is on its way",
     "The first request with this key has not been answered yet.", "Wait for its answer, or ask again a moment later."},
    {"idempotency-mismatch", 422, false, "This Idempotency-Key was used for another request",
     "The key is known with another method, path, query or body. Keys are kept for 24 hours.", "Use a new key for a new request."},
    {"idempotency-full", 429, true, "No more Idempotency-Keys can be kept",
     "The answers of the last 24 hours take leat.idempotency.max.bytes.",
     "Send the request without a key (appends with event ids need none), or raise the limit."},
    {"idempotency-not-possible", 422, false, "This request cannot have an Idempotency-Key",
     "Its effect would not be as durable as the memory of its key (a topic with leat.durability=os).",
     "Leave the key out, or set leat.durability=fsync on the topic."},
    /* Topics and records. */
    {"topic-not-found", 404, false, "There is no such topic or partition", "The detail names it.",
     "GET /api/v1/topics lists the topics; PUT /api/v1/topics/{topic} makes one."},
    {"invalid-topic", 400, false, "Not a name for a topic", "The detail says what is wrong with it.", FIX_IT},
    {"topic-guarded", 403, false, "This topic is written by the event store",
     "Topics es.* hold streams of events; a plain record would have no revision.",
     "Append with POST /api/v1/streams/{stream}/events."},
    {"topic-internal", 403, false, "This topic belongs to the server", "Topics __leat_* are written by the server alone.", FIX_IT},
    {"offset-out-of-range", 416, false, "There is no such offset",
     "The offset is below what is kept or above the end; the members say what there is.",
     "Begin at start_offset (earliest) or end_offset (latest)."},
    {"batch-too-large", 413, false, "Too much for one step",
     "The records or events of one request are larger than one atomic step, or the topic's max.message.bytes, allows.", "Send less at once."},
    /* The event store. */
    {"category-not-found", 404, false, "There is no such category",
     "The stream's category does not exist, and no more are made by themselves.", "PUT /api/v1/categories/{category} makes it."},
    {"stream-not-found", 404, false, "There is no such stream", "Nothing was ever appended to it.", "Append to it, or look at its name."},
    {"event-not-found", 404, false, "There is no such event", "The stream has no event of that revision, or not any more.",
     "GET /api/v1/streams/{stream} says which revisions there are."},
    {"stream-deleted", 404, false, "The stream is deleted", "It was deleted softly.", "An append revives it at its next revision."},
    {"stream-tombstoned", 410, false, "The stream is gone for ever", "It was deleted for ever.", "Use another stream."},
    {"revision-conflict", 409, true, "The stream is at another revision",
     "What the request expects of the stream does not hold: 412 if the condition was a header, 409 if it was in the body.",
     "Read the stream, decide again, and append with its revision."},
    {"append-conflict", 409, true, "A check does not hold",
     "At least one check of the append does not hold; all of them are in violations. Nothing was appended.",
     "Read what the checks are about, decide again."},
    {"event-id-reused", 409, false, "The event's id names another event",
     "An id names one event of a stream for the stream's life: this one is known with other data, or at another place.",
     "Give a new event a new id."},
    {"partial-duplicate", 409, false, "Some of these events are there already",
     "Some ids are known and some are new; an append is all or nothing.", "Send the new ones alone, or exactly the request of the first time."},
    {"event-too-large", 413, false, "An event is too large", "The detail names its size and the limit.", "Store the bulk elsewhere, and a reference in the event."},
    {"position-unknown", 400, false, "Not a position of this store", "It is above the end of the log, or of another store.",
     "Use a position that this server gave."},
    {"snapshot-stale", 409, false, "There is a newer snapshot", "A snapshot of a later revision is in this slot.", "Nothing needs to be done."},
    {"snapshot-not-found", 404, false, "There is no such snapshot", "The slot is empty, or what is in it is not valid any more.", "Write one, or read the stream without one."},
    {"fold-not-found", 404, false, "There is no such fold", "No definition folds streams of this category.", "Declare one."},
    {"fold-failed", 422, false, "The fold failed", "The definition does not fit an event; the detail names it.", "Correct the definition."},
    {"definition-not-found", 404, false, "There is no such definition", "The detail names it.", "Declare it."},
    {"definition-invalid", 422, false, "The definition is not valid", "The detail names the place.", FIX_IT},
    {"busy", 503, true, "Too much is in flight", "A limit of what is in flight is reached. Nothing was done.", RETRY_LATER},
    /* Projections. */
    {"projection-not-found", 404, false, "There is no such projection", "The detail names it.", "GET /api/v1/projections lists them."},
    {"projection-behind", 504, true, "The read model is not there yet",
     "The position of at_least was not reached in time; the members say how far it is.", "Ask again, with a longer timeout."},
    {"projection-version-conflict", 409, false, "The projection is at another version", "The detail says which.", "Look at its status."},
    {"view-not-found", 404, false, "There is no such view", "The detail names it.", "GET /api/v1/views lists them."},
};
/* clang-format on */

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
