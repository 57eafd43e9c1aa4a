/* What the commands of streams share: paths of the API, moments, events as people see them. */
#ifndef LEAT_CLI_STREAM_H
#define LEAT_CLI_STREAM_H

#include "cli/http_call.h"
#include "cli/out.h"

#define STREAM_LIMIT     1000
#define STREAM_LIMIT_MAX 100000
/* Of a server that would be asked for the same page for ever. */
#define PAGES_STAND_STILL "the next page does not begin behind this one"

/* "/api/v1/streams/NAME" + suffix, with the name encoded. NULL: no memory (in cli->ec). */
const char *stream_path(struct cli *cli, const char *stream, const char *suffix);
/* A moment: a revision, or a time as parse_time takes it, as the API's `at` wants it (encoded).
 * Null text: an empty string. */
MUST_USE enum err stream_moment(struct cli *cli, const char *text, const char **out);

/* Text of a member; "" if there is none. */
struct str member_str(const struct json *v, const char *name);
int64_t member_i64(const struct json *v, const char *name, int64_t missing);
/* The page of the answer as it came, in one line. */
MUST_USE enum err print_raw(struct cli *cli, struct str raw);
/* An answer as it came; {} if it was empty. */
MUST_USE enum err print_answer(struct cli *cli, const struct json *v);

/* Collects the elements of pages: prints them as they come would mix with errors. */
struct pages {
    struct json *first, **last;
    size_t count;
    size_t most;
    const struct json *more; /* member of the last page: where what was left off begins; or NULL */
};
void pages_init(struct pages *p, int64_t most);
void pages_add(struct pages *p, struct json *array); /* its elements go into p */
/* {"NAME": [...]}, with the state (NULL: none) of a fold behind it, and what `more` is. */
MUST_USE enum err pages_print(struct cli *cli, const char *name, const struct pages *p,
                              const struct json *folded);
/* A line for people, if not all was shown: what to do (`how`). */
void pages_tell_more(const struct pages *p, const char *how);

/* The folded state at a moment (encoded; "": now). *out NULL: the category has no fold. */
MUST_USE enum err stream_state(struct cli *cli, const char *stream, const char *at,
                               struct json **out);
/* The last revision at a moment (as for stream_state); -1: no events. */
MUST_USE enum err stream_last_revision(struct cli *cli, const char *stream, const char *at,
                                       int64_t *out);
/* Prints events of an answer as a table. */
MUST_USE enum err stream_print_events(struct cli *cli, const struct json *events);
/* Reads all of standard input (at most 16 MiB) into the arena. */
MUST_USE enum err stream_read_input(struct cli *cli, struct str *out);

#endif
