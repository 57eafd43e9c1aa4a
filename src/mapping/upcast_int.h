/* Shared by the files of upcasts: compiled steps, and the event on its way through them. */
#ifndef LEAT_MAPPING_UPCAST_INT_H
#define LEAT_MAPPING_UPCAST_INT_H

#include "core/compiler.h"
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
    const struct mapping_upcasts *home; /* the file that declares it */
    struct str from, from_base, from_version;
    struct upcast_part *parts;
    size_t part_count;
};
/* A step in its place among others. */
struct upcast_node {
    const struct upcast_step *step;
    struct str name; /* of its file, for messages; null: of the file at hand */
    uint32_t order;  /* of its file: of two from one form the first holds */
    uint8_t height;  /* steps in a row from here; 0: not looked at yet */
    bool open;       /* while it is looked at */
};
/* The steps of one file, or of several: sorted by where they begin, no two from one form. */
struct mapping_upcasts {
    struct mapping_doc doc; /* of one file */
    struct upcast_node *nodes;
    size_t count;
};
/* The place of the step that begins at this form (a version of null: without one), or NULL. */
const struct upcast_node *upcast_find(const struct mapping_upcasts *u, struct str base,
                                      struct str version);
/* The same for the form of an event. */
const struct upcast_node *upcast_find_event(const struct mapping_upcasts *u,
                                            const struct envelope *e);
/* Sorts the nodes, and leaves out all but the first from one form. */
void upcast_sort(struct mapping_upcasts *u);
/* No steps lead back to where they began, nor are there too many in a row. What is told is a step
 * of `file` if one has part in it, with its place. */
MUST_USE enum err upcast_check_circles(struct mapping_upcasts *u,
                                       const struct mapping_upcasts *file, struct ectx *ec);
/* An error about a step, with its place in its file. */
PRINTF_LIKE(3, 4)
enum err upcast_fail(const struct upcast_step *s, struct ectx *ec, const char *fmt, ...);

/* The data that a part makes of the event's, as JSON in the arena. */
MUST_USE enum err upcast_change(const struct upcast_part *p, const struct mapping_event *event,
                                struct arena *a, struct str *out, struct ectx *ec);

#endif
