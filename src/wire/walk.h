/*
 * What the three walkers share: version tests, places of fields, and the path of a field for error
 * texts. Internal to src/wire.
 *
 * The path is a chain on the C stack, one node for each struct that the walker is in, so it costs
 * nothing until an error prints it. Recursion is as deep as the schema (at most four), never as the
 * input says.
 */
#ifndef LEAT_WIRE_WALK_H
#define LEAT_WIRE_WALK_H

#include "wire/wire.h"

/* Kafka refuses longer strings, compact or not. */
#define WIRE_STRING_MAX INT16_MAX

struct walk_path {
    const struct walk_path *up;     /* NULL: the message itself */
    const struct wire_field *field; /* the field of `up` that we are in; NULL in the message */
    const struct wire_message *message;
    int32_t index; /* of the element, -1: not in an array */
};

static inline bool walk_has(struct wire_versions v, int16_t version)
{
    return version >= v.min && version <= v.max;
}

static inline void *walk_at(void *base, size_t offset)
{
    return (char *)base + offset;
}
static inline const void *walk_at_const(const void *base, size_t offset)
{
    return (const char *)base + offset;
}

/* The size of one value (for an array: of one element) in the C struct. */
size_t walk_size(const struct wire_field *f);

/*
 * Fails with "ProduceRequest v9: topic_data[2].name at byte 17: what". A position below 0 is not
 * printed. `field` may be NULL (the struct itself).
 */
enum err walk_fail(struct ectx *ec, enum err e, const struct walk_path *path,
                   const struct wire_field *field, int16_t version, int64_t position,
                   const char *what);

/* True if the value of `f` in the struct at `in` is the default of message `m`. */
bool walk_is_default(const struct wire_message *m, const struct wire_field *f, const void *in);

#endif
