/* Shared by the files of the load. */
#ifndef LEAT_TEST_CRASH_LOAD_INT_H
#define LEAT_TEST_CRASH_LOAD_INT_H

#include "common_load.h"
#include "record/record.h"

enum { LOAD_TIMEOUT_MS = 30000, LOAD_COMMIT_PARTS = 4 };

/* KAFKA_STORAGE_ERROR: the outcome is not known. */
enum { load_code_unknown = 56 };

/* The records of one partition of a fetch answer, from an offset on. */
struct load_walk {
    struct slice run;
    struct record_scratch *scratch;
    struct record_iter it;
    int64_t from;
    bool inside;
    char problem[200];
};
void load_walk_init(struct load_walk *w, const struct wire_fetch_response_partition *p,
                    int64_t from, struct record_scratch *scratch);
bool load_walk_next(struct load_walk *w, struct record *out);

/* Fetches `count` partitions of the model from `first` on, each at position[part]. */
bool load_fetch(struct load *l, struct client *c, uint32_t first, uint32_t count,
                const int64_t *position, int32_t max_wait_ms, struct wire_fetch_response *r);
/* Where the log begins, as the broker says. */
bool load_log_start(struct load *l, struct client *c, uint32_t part, int64_t *out);
/* The model's number of a partition; UINT32_MAX: it has none. */
uint32_t load_part_of(const struct load *l, struct str topic, int32_t index);
/* Closes the connection; a failure that is not the end of the broker is a violation. */
void load_lost(struct load *l, struct client *c, const char *who);
/* Whether a thread whose connection ended begins another; after a pause. */
bool load_again(struct load *l);
void *load_writer_run(void *arg);
void *load_admin_run(void *arg);
void *load_member_run(void *arg);
extern const struct load_topic load_fixed_topics[LOAD_TOPICS];
/* What is there after a restart; false: no answer. */
bool load_check_topics(struct load *l, struct client *c);
bool load_check_start(struct load *l, struct client *c);
bool load_check_setting(struct load *l, struct client *c);
/* Commits `number` for all partitions of a topic; the error, or -99 without an answer. */
int16_t load_commit(struct load *l, struct client *c, uint32_t group, int64_t number,
                    int32_t generation, const char *member);

#endif
