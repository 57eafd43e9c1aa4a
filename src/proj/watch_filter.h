/* Filters of a watcher: the same as those of a query, on rows that were read. */
#ifndef LEAT_PROJ_WATCH_FILTER_H
#define LEAT_PROJ_WATCH_FILTER_H

#include "proj/def.h"

struct feed_entry;
struct watch_filter {
    struct {
        size_t column;
        enum proj_op op;
        struct mapping_value value;
        bool of_key; /* a row never changes it */
    } list[PROJ_WATCH_FILTERS];
    size_t count;
};
enum watch_match {
    WATCH_YES,
    WATCH_NO,    /* not now */
    WATCH_NEVER, /* nor before: its key is not among those */
};
/* ERR_INVALID_REQUEST: names the column, or what cannot be compared. */
MUST_USE enum err watch_filter_make(struct watch_filter *f, const struct def_table *t,
                                    const struct proj_filter *filters, size_t count,
                                    struct ectx *ec);
/* Of a row that is gone only its key is looked at. */
enum watch_match watch_filter_match(const struct watch_filter *f, const struct feed_entry *e);

#endif
