/*
 * libleat: the event store of leat from C.
 *
 * Appends and reads of streams go over HTTP (libcurl); reads of a whole category go over the Kafka
 * protocol (librdkafka), because events are ordinary records there. Link with
 *     -lleat -lcurl -lrdkafka
 *
 * A `struct leat` is used by one thread at a time; make one for each thread. There are no hidden
 * threads but those of librdkafka while a category is open. Every call ends by the client's
 * timeout. Functions return 0 on success, -1 otherwise; then the problem (if one was passed) says
 * what, with the stable codes of the HTTP API ("revision-conflict", ...) or, for what never reached
 * the server, "unreachable", "timeout", "malformed-answer", "no-memory", "invalid-argument".
 *
 * Strings are UTF-8 and end with NUL; data is bytes with a size. What a function gives belongs to
 * the object that gave it and is read-only.
 */
#ifndef LEAT_H
#define LEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_VERSION_MAJOR 0
#define LEAT_VERSION_MINOR 1

#define LEAT_EXPECT_ANY       (-1) /* whatever there is */
#define LEAT_EXPECT_NO_STREAM (-2) /* the stream must not exist */
#define LEAT_EXPECT_EXISTS    (-3) /* it must exist, at any revision */

struct leat;

struct leat_options {
    const char *http;    /* "127.0.0.1:8080" if NULL */
    const char *kafka;   /* "127.0.0.1:9092" if NULL: for categories */
    unsigned timeout_ms; /* of each call; 0: 10,000 */
    /* All memory of libleat itself; NULL: realloc and free of the C library. size 0 frees. */
    void *(*allocate)(void *ctx, void *p, size_t size);
    void *ctx;
};

/* Why a call failed: a problem document (RFC 9457) as a struct. */
struct leat_problem {
    int status;       /* of HTTP; 0: it never got an answer */
    char code[64];    /* "revision-conflict" */
    char detail[512]; /* a sentence */
    char hint[256];   /* what to do; may be empty */
    bool retryable;   /* the same call may succeed later */
    bool has_actual;  /* revision-conflict: */
    int64_t actual;   /*   where the stream is, or LEAT_EXPECT_NO_STREAM */
    int64_t original; /* event-id-reused: revision of the event that has the id; else -1 */
};

/* options may be NULL. Nothing is sent yet. */
int leat_open(const struct leat_options *options, struct leat **out, struct leat_problem *problem);
void leat_close(struct leat *l); /* NULL is fine */

/* ---- Appending ---- */

struct leat_new_event {
    const char *id;   /* NULL: the server makes one, and a repetition appends it again */
    const char *type; /* "OrderPlaced" */
    const void *data; /* JSON; or anything, with another content_type */
    size_t data_size;
    const char *content_type; /* NULL: application/json */
    const char *meta;         /* a JSON object, or NULL */
    const char *const *tags;
    size_t tag_count;
    const char *correlation_id, *causation_id, *traceparent, *subject; /* or NULL */
};
struct leat_appended {
    int64_t first_revision, last_revision;
    char position[64]; /* for reads that must see it */
    bool idempotent;   /* the events were there already: the first answer again */
};
/* All of them or none. `expected`: a revision, or LEAT_EXPECT_... */
int leat_append(struct leat *l, const char *stream, int64_t expected,
                const struct leat_new_event *events, size_t count, struct leat_appended *out,
                struct leat_problem *problem);

/* ---- Reading a stream ---- */

struct leat_event {
    const char *stream, *id, *type, *time; /* time: RFC 3339 */
    int64_t revision;
    const char *position; /* NULL if it came from a category */
    const void *data;     /* NULL: it has none, or all of it was redacted */
    size_t data_size;
    const char *content_type, *meta, *correlation_id, *causation_id, *traceparent; /* or NULL */
    /* In a stream: all of its data, or some of its fields, were redacted. In a category: all of its
     * data was, and has been erased. The record alone does not tell that fields were, nor data of
     * one byte or of four (it is `0` or `null` then), nor data that could not be erased (it is
     * there). Data that looks as erased data does counts as redacted: `null` or `0` with blanks
     * behind it, from a Kafka producer or an append in binary mode. */
    bool redacted;
    /* of a category */
    int32_t partition;
    int64_t offset;
};
struct leat_read {
    int64_t from; /* the first revision; backwards, -1 is the end */
    int64_t to;   /* the last one, backwards the lowest; 0 is no limit */
    bool backward;
    size_t limit;                /* 0: 500 */
    const char *at;              /* as it was: a revision, or an RFC 3339 time; NULL: now */
    const char *snapshot_schema; /* begin with the newest snapshot of this schema; NULL: without */
};
struct leat_page {
    const struct leat_event *events;
    size_t count;
    int64_t last_revision; /* of the stream */
    int64_t next;          /* where to go on; -1: that was all */
    /* snapshot_revision -1: none */
    int64_t snapshot_revision;
    const char *snapshot; /* JSON */
};
/* read may be NULL: from the start. */
int leat_read_stream(struct leat *l, const char *stream, const struct leat_read *read,
                     struct leat_page **out, struct leat_problem *problem);
void leat_page_free(struct leat *l, struct leat_page *page);

/* ---- Deciding ---- */

/* What the decision is based on, and what it wants. */
struct leat_decision {
    const struct leat_page *history; /* all events of the stream (after the snapshot) */
    bool exists;
    int64_t revision; /* of the last one; LEAT_EXPECT_NO_STREAM */
    /* The callback sets these; they must live until the next call of it, or the end. count 0:
     * nothing is to be done. */
    const struct leat_new_event *events;
    size_t count;
};
/*
 * Loads the stream, lets `decide` look at it, appends what it wants under the condition that
 * nothing came in between, and begins again if something did, at most `tries` times (0: 10). decide
 * returns 0, or anything else to give up: that is then returned, with the code "rejected" in the
 * problem.
 */
int leat_decide(struct leat *l, const char *stream, const char *snapshot_schema,
                int (*decide)(void *ctx, struct leat_decision *d), void *ctx, unsigned tries,
                struct leat_appended *out, struct leat_problem *problem);

/* ---- Reading a category ---- */

struct leat_category;
/* All events of a category from the beginning (or, from_end, all that are appended after the call
 * has returned), by Fetch. Events of one stream come in their order. */
int leat_category_open(struct leat *l, const char *category, bool from_end,
                       struct leat_category **out, struct leat_problem *problem);
/* The next event: 1 and the event (valid until the next call), 0: none came within timeout_ms, -1:
 * a problem. */
int leat_category_next(struct leat_category *c, unsigned timeout_ms, struct leat_event *out,
                       struct leat_problem *problem);
/* True if everything that was there when it was last looked at has been given. */
bool leat_category_caught_up(const struct leat_category *c);
void leat_category_close(struct leat_category *c);

#ifdef __cplusplus
}
#endif
#endif
