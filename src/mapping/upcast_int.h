/* Shared by the files of upcasts: compiled steps, and the event on its way through them. */
#ifndef LEAT_MAPPING_UPCAST_INT_H
#define LEAT_MAPPING_UPCAST_INT_H

#include "mapping/mapping_int.h"

struct upcast_move {
    struct mapping_path from, to;
};
/* One event that a step makes. */
struct upcast_part {
    struct str to, to_base, to_version;
    struct mapping_expr *when;
    bool has_pick;
    struct mapping_path *pick;
    size_t pick_count;
    struct upcast_move *moves;
    size_t move_count;
    struct mapping_assigns assigns;
};
struct upcast_step {
    const struct json *at;
    struct str from, from_base, from_version;
    struct upcast_part *parts;
    size_t part_count;
    enum { UNSEEN, BEING_SEEN, SEEN } seen; /* while compiling */
};
struct mapping_upcasts {
    struct upcast_step *steps;
    size_t count;
};
/* The step that begins at this form (a version of null: without one), or NULL. */
const struct upcast_step *upcast_find(const struct mapping_upcasts *u, struct str base,
                                      struct str version);
/* No steps lead back to where they began, nor are there too many in a row. */
MUST_USE enum err upcast_check_circles(const struct mapping_doc *doc,
                                       const struct mapping_upcasts *u, struct ectx *ec);

/* The data that a part makes of the event's, as JSON in the arena. */
MUST_USE enum err upcast_change(const struct upcast_part *p, const struct mapping_event *event,
                                struct arena *a, struct str *out, struct ectx *ec);

#endif
